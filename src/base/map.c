/* map -- a list of independent points, evaluated by an executor; and points whose numbers a run folder keeps. */
#include "weft/base/error.h"
#include "weft/base/map.h"
#include "weft/base/memory.h"
#include "weft/base/pool.h"
#include "weft/base/run.h"
#include "weft/base/table.h"
#include "weft/base/task.h"
#include "weft/base/text.h"

#include <pthread.h>
#include <stdlib.h>
#include <string.h>

typedef struct Place {
    size_t point;
    double cost;
} Place;

typedef struct Map {
    const Place *order;
    size_t points;
    PointFunction *point;
    void *context;
    const char *what;
    const Task *task;
    pthread_mutex_t lock; /* guards all below */
    size_t done;
    bool cancelled;
    size_t failing; /* first place in the order whose point failed, or `points` */
    Error failure, cancellation;
} Map;

static int by_cost(const void *a, const void *b) {
    const Place *x = a, *y = b;
    if (x->cost != y->cost) return x->cost > y->cost ? -1 : 1;
    return x->point < y->point ? -1 : x->point > y->point;
}

/* Under the lock: a failure at `place`, or a cancellation that its point or task_step reported. */
static void note_failure(Map *map, size_t place, const Error *err) {
    if (err->status == STATUS_CANCELLED) {
        map->cancelled = true;
        map->cancellation = *err;
    } else if (place < map->failing) {
        map->failing = place;
        map->failure = *err;
    }
}

/* A point is left out only where one before it in the order has failed: so the first that fails always runs, and which
 * failure is reported does not depend on who was faster. */
static void run_point(void *context, size_t place, unsigned worker) {
    (void)worker;
    Map *map = context;
    Error err;
    pthread_mutex_lock(&map->lock);
    if (!task_step(NULL, map->what, 0, 0, &err)) note_failure(map, place, &err);
    bool stopped = map->cancelled || map->failing < place;
    pthread_mutex_unlock(&map->lock);
    if (stopped) return;
    bool done = map->point(map->context, map->order[place].point, &err);
    pthread_mutex_lock(&map->lock);
    if (done) done = task_step(map->task, map->what, ++map->done, map->points, &err);
    if (!done) note_failure(map, place, &err);
    pthread_mutex_unlock(&map->lock);
}

void run_in_turn(size_t pieces, PieceFunction *piece, void *context) {
    for (size_t i = 0; i < pieces; i++) piece(context, i, 0);
}

static bool run_map(Executor *executor, size_t points, const double *cost, PointFunction *point, void *context,
                    const char *what, const Task *task, Error *err) {
    Place *order = mem_alloc(points, sizeof *order, err);
    if (!order) return false;
    for (size_t i = 0; i < points; i++) order[i] = (Place){i, cost ? cost[i] : 0};
    if (cost) qsort(order, points, sizeof *order, by_cost);
    Map map = {.order = order, .points = points, .point = point, .context = context, .what = what, .task = task};
    map.failing = points;
    pthread_mutex_init(&map.lock, NULL);
    executor(points, run_point, &map);
    pthread_mutex_destroy(&map.lock);
    mem_free(order);
    if (map.failing < points) {
        *err = map.failure;
    } else if (map.cancelled) {
        *err = map.cancellation;
    }
    return map.failing == points && !map.cancelled;
}

bool map_points(size_t points, const double *cost, PointFunction *point, void *context, const char *what,
                const Task *task, Error *err) {
    return run_map(pool_run, points, cost, point, context, what, task, err);
}

/* ---- points that give numbers ------------------------------------------------------------------------------------ */

enum { SYNC_SECONDS = 5 };

typedef struct Keeper {
    const Points *points;
    Run *run;
    size_t *missing; /* the points to evaluate */
    double *results;
    bool *done, *kept;    /* kept: in the log, or marked by the caller */
    pthread_mutex_t lock; /* guards all below, `kept` and the log */
    bool behind;          /* a point is done that the log has not */
    double synced;
    Error failure; /* of the last attempt to write; STATUS_OK: none */
} Keeper;

static bool keep_row(Keeper *keeper, size_t point, Error *err) {
    const size_t values = keeper->points->values;
    Str row = {0};
    str_addf(&row, "%zu", point);
    for (size_t i = 0; i < values; i++) str_addf(&row, ",%.17g", keeper->results[point * values + i]);
    keeper->kept[point] = str_ok(&row, err) && run_log_row(keeper->run, str_text(&row), err);
    str_done(&row);
    return keeper->kept[point];
}

/* Writes a point to the log, and those that could not be written before. Under the lock. */
static void keep(Keeper *keeper, size_t point, bool sync) {
    const size_t first = keeper->behind ? 0 : point, end = keeper->behind ? keeper->points->count : point + 1;
    keeper->failure.status = STATUS_OK;
    keeper->behind = true;
    for (size_t i = first; i < end && i < keeper->points->count; i++)
        if (keeper->done[i] && !keeper->kept[i] && !keep_row(keeper, i, &keeper->failure)) return;
    keeper->behind = false;
    const double now = clock_seconds();
    if (!sync && now - keeper->synced < SYNC_SECONDS) return;
    keeper->synced = now;
    run_log_sync(keeper->run, &keeper->failure);
}

static bool keep_point(void *context, size_t at, Error *err) {
    Keeper *keeper = context;
    const Points *points = keeper->points;
    const size_t point = keeper->missing[at];
    if (!points->evaluate(points->context, point, keeper->results + point * points->values, err)) return false;
    pthread_mutex_lock(&keeper->lock);
    keeper->done[point] = true;
    if (keeper->run) keep(keeper, point, false);
    pthread_mutex_unlock(&keeper->lock);
    return true;
}

/* Takes what the log holds already. */
static bool take_log(Keeper *keeper, Error *err) {
    const Points *points = keeper->points;
    Str heading = {0};
    str_add(&heading, "point");
    for (size_t i = 0; i < points->values; i++) str_addf(&heading, ",%s", points->names[i]);
    bool done = str_ok(&heading, err) && run_log_open(keeper->run, str_text(&heading), points->count - 1, err);
    str_done(&heading);
    Table *table = done ? run_log_table(run_folder(keeper->run), err) : NULL;
    for (size_t row = 0; table && row < table->rows; row++) {
        const size_t point = (size_t)table->columns[0].cells[row].integer;
        for (size_t i = 0; i < points->values; i++)
            keeper->results[point * points->values + i] = table->columns[i + 1].cells[row].real;
        keeper->done[point] = keeper->kept[point] = true;
    }
    done = table != NULL;
    table_free(table);
    return done;
}

bool points_run(const Points *points, Run *run, double *results, bool *done, const Task *task, Error *err) {
    Keeper keeper = {.points = points, .run = run, .results = results, .done = done, .synced = clock_seconds()};
    double *cost = NULL;
    size_t count = 0;
    if (points->count == 0) return true;
    pthread_mutex_init(&keeper.lock, NULL);
    bool open = false;
    bool ok = (keeper.missing = mem_alloc(points->count, sizeof *keeper.missing, err)) &&
              (keeper.kept = mem_alloc(points->count, sizeof *keeper.kept, err)) &&
              (cost = mem_alloc(points->count, sizeof *cost, err)) && (!run || (open = take_log(&keeper, err)));
    for (size_t i = 0; ok && i < points->count; i++) {
        if (done[i]) {
            keeper.kept[i] = true;
            continue;
        }
        cost[count] = points->cost ? points->cost[i] : 0;
        keeper.missing[count++] = i;
    }
    ok = ok && (count == 0 || !points->prepare || points->prepare(points->context, err));
    ok = ok && run_map(points->executor ? points->executor : pool_run, count, cost, keep_point, &keeper, points->what,
                       task, err);
    if (open) keep(&keeper, points->count, true);
    if (ok && keeper.failure.status != STATUS_OK) {
        *err = keeper.failure;
        ok = false;
    }
    pthread_mutex_destroy(&keeper.lock);
    mem_free(keeper.missing);
    mem_free(keeper.kept);
    mem_free(cost);
    return ok;
}
