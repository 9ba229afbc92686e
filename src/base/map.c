/* map -- a list of independent items, evaluated by an executor and by other ranks; points whose numbers a run folder
 * keeps. */
#include "ranks.h"
#include "weft/base/error.h"
#include "weft/base/map.h"
#include "weft/base/memory.h"
#include "weft/base/pool.h"
#include "weft/base/ranks.h"
#include "weft/base/run.h"
#include "weft/base/table.h"
#include "weft/base/task.h"
#include "weft/base/text.h"

#include <pthread.h>
#include <stdlib.h>
#include <string.h>

typedef struct Place {
    size_t item;
    double cost;
    enum Again { NOT_AGAIN, AGAIN, AGAIN_HERE } again; /* another rank took it and died, or could not do it */
} Place;

typedef struct Map {
    const Items *items;
    const Task *task;
    Place *order;
    size_t places;
    pthread_mutex_t lock; /* guards all below, and `again` */
    size_t next;          /* places before it were taken, but for those to take again: */
    size_t again[AGAIN_HERE + 1];
    size_t done;
    bool cancelled;
    size_t failing; /* first place in the order whose item failed, or `places` */
    Error failure, cancellation;
} Map;

static _Thread_local bool inside; /* an item: a map in it stays in this process */

static int by_cost(const void *a, const void *b) {
    const Place *x = a, *y = b;
    if (x->cost != y->cost) return x->cost > y->cost ? -1 : 1;
    return x->item < y->item ? -1 : x->item > y->item;
}

/* Under the lock: a failure at `place`, or a cancellation that its item or task_step reported. */
static void note_failure(Map *map, size_t place, const Error *err) {
    if (err->status == STATUS_CANCELLED) {
        map->cancelled = true;
        map->cancellation = *err;
    } else if (place < map->failing) {
        map->failing = place;
        map->failure = *err;
    }
}

static size_t first_again(Map *map, enum Again kind) {
    size_t place = 0;
    while (map->order[place].again != kind) place++;
    map->order[place].again = NOT_AGAIN;
    map->again[kind]--;
    return place;
}

/* Under the lock: the next place in the order, for this process or another one, if there is one. */
static bool next_place(Map *map, bool here, size_t *place) {
    if (map->again[AGAIN] > 0)
        *place = first_again(map, AGAIN);
    else if (here && map->again[AGAIN_HERE] > 0)
        *place = first_again(map, AGAIN_HERE);
    else if (map->next < map->places && (here || map->order[map->next].cost >= map->items->least))
        *place = map->next++;
    else
        return false;
    return true;
}

/* The next item, if there is one. It is left out only where one before it in the order has failed: so the first that
 * fails always runs, and which failure is reported does not depend on who was faster. */
static bool take(Map *map, bool here, size_t *place, size_t *item) {
    Error err;
    pthread_mutex_lock(&map->lock);
    const bool left = map->next < map->places || map->again[AGAIN] + map->again[AGAIN_HERE] > 0;
    if (left && !task_step(NULL, map->items->what, 0, 0, &err)) note_failure(map, 0, &err);
    const bool there = !map->cancelled && next_place(map, here, place) && *place < map->failing;
    if (there) *item = map->order[*place].item;
    pthread_mutex_unlock(&map->lock);
    return there;
}

static void end_item(Map *map, size_t place, bool done, Error *err) {
    pthread_mutex_lock(&map->lock);
    if (done) done = task_step(map->task, map->items->what, ++map->done, map->places, err);
    if (!done) note_failure(map, place, err);
    pthread_mutex_unlock(&map->lock);
}

static bool evaluate(const Items *items, size_t item, Error *err) {
    const bool outer = inside;
    inside = true;
    const bool done = items->evaluate(items->context, item, err);
    inside = outer;
    return done;
}

static void run_next(void *context, size_t piece, unsigned number) {
    (void)piece;
    (void)number;
    Map *map = context;
    Error err;
    size_t place, item;
    if (take(map, true, &place, &item)) end_item(map, place, evaluate(map->items, item, &err), &err);
}

void run_in_turn(size_t pieces, PieceFunction *piece, void *context) {
    for (size_t i = 0; i < pieces; i++) piece(context, i, 0);
}

/* ---- with other ranks -------------------------------------------------------------------------------------------- */

static bool pack_result(const Items *items, size_t item, Str *bytes, Error *err) {
    if (items->pack) return items->pack(items->context, item, bytes, err);
    str_add_bytes(bytes, items->result(items->context, item), items->result_bytes);
    return str_ok(bytes, err);
}

static bool unpack_result(const Items *items, size_t item, const char *bytes, size_t length, Error *err) {
    if (items->pack) return items->unpack(items->context, item, bytes, length, err);
    if (!items->result || length != items->result_bytes)
        return error_set(err, STATUS_FAILED, "%s: another rank sent another result", items->what);
    memcpy(items->result(items->context, item), bytes, length);
    return true;
}

static bool take_elsewhere(void *context, size_t *place, size_t *item) {
    return take(context, false, place, item);
}

static void done_elsewhere(void *context, size_t place, size_t item, const char *bytes, size_t length) {
    Map *map = context;
    Error err;
    const bool done = unpack_result(map->items, item, bytes, length, &err);
    end_item(map, place, done, &err);
}

static void put_back(Map *map, size_t place, enum Again kind) {
    pthread_mutex_lock(&map->lock);
    map->order[place].again = kind;
    map->again[kind]++;
    pthread_mutex_unlock(&map->lock);
}

/* What only the other machine may lack (memory, a file, a folder) is tried here. */
static bool failed_elsewhere(void *context, size_t place, const Error *failure) {
    Error err = *failure;
    const bool here = err.status == STATUS_LIMIT || err.status == STATUS_BAD_INPUT || err.status == STATUS_WRITE;
    if (here)
        put_back(context, place, AGAIN_HERE);
    else
        end_item(context, place, false, &err);
    return here;
}

static void lost_elsewhere(void *context, size_t place) {
    put_back(context, place, AGAIN);
}

/* Of an item that was not evaluated, there is none. */
static bool pack(void *context, size_t item, Str *bytes, Error *err) {
    const Map *map = context;
    return pack_result(map->items, item, bytes, err);
}

/* A lane of a worker: items as long as rank 0 has some. */
static void serve(void *context, size_t piece, unsigned number) {
    (void)piece;
    (void)number;
    const Items *items = context;
    size_t place, item;
    while (worker_next(&place, &item)) {
        Error err;
        Str bytes = {0};
        const bool done = evaluate(items, item, &err) && pack_result(items, item, &bytes, &err) && str_ok(&bytes, &err);
        worker_answer(place, item, &bytes, done ? NULL : &err);
        str_done(&bytes);
    }
}

static bool take_results(const Items *items, const char *bytes, size_t length, Error *err) {
    uint64_t sizes[2]; /* which item; bytes */
    bool done = true;
    while (done && length >= sizeof sizes) {
        memcpy(sizes, bytes, sizeof sizes);
        bytes += sizeof sizes;
        length -= sizeof sizes;
        if (sizes[0] >= items->count || sizes[1] > length)
            return error_set(err, STATUS_FAILED, "results of rank 0 are cut");
        done = unpack_result(items, sizes[0], bytes, sizes[1], err);
        bytes += sizes[1];
        length -= sizes[1];
    }
    return done;
}

static bool serve_map(const Items *items, Executor *executor, Error *err) {
    char *bytes;
    size_t length;
    if (!worker_join(items->what, items->count, err)) return false;
    executor(executor == run_in_turn ? 1 : pool_threads(), serve, (void *)(uintptr_t)items);
    if (!worker_results(&bytes, &length, err)) return false;
    const bool done = items->last ? error_set(err, STATUS_CANCELLED, "%s: rank 0 has the results", items->what)
                                  : take_results(items, bytes, length, err);
    mem_free(bytes);
    return done;
}

/* ---- maps -------------------------------------------------------------------------------------------------------- */

/* Decided by the items alone, so that all ranks decide alike. */
static bool travels(const Items *items) {
    double cost = 0;
    for (size_t i = 0; items->cost && i < items->count; i++) cost += items->cost[i];
    return (items->pack || items->result) && !inside && cost >= items->worth;
}

/* Of one process, or rank 0's part. */
static void run_places(Map *map, Executor *executor) {
    const Shared shared = {.what = map->items->what,
                           .count = map->items->count,
                           .missing = map->places > 0,
                           .last = map->items->last,
                           .context = map,
                           .take = take_elsewhere,
                           .done = done_elsewhere,
                           .failed = failed_elsewhere,
                           .lost = lost_elsewhere,
                           .pack = pack};
    const bool others = travels(map->items) && head_share(&shared);
    do {
        executor(map->places, run_next, map);
    } while (others && head_wait());
    if (others) head_share_end();
}

/* Side by side, unless one item would then take longer than all of them do on all threads. */
static Executor *best_executor(const Items *items) {
    double most = 0, all = 0;
    if (items->executor || !items->shares || !items->cost) return items->executor ? items->executor : pool_run;
    for (size_t i = 0; i < items->count; i++) {
        if (items->done && items->done[i]) continue;
        if (items->cost[i] > most) most = items->cost[i];
        all += items->cost[i];
    }
    return most * pool_threads() > all ? run_in_turn : pool_run;
}

bool map_items(const Items *items, const Task *task, Error *err) {
    Executor *const executor = best_executor(items);
    if (ranks_worker() && travels(items)) return serve_map(items, executor, err);
    Map map = {.items = items, .task = task};
    if (!(map.order = mem_alloc(items->count, sizeof *map.order, err))) return false;
    for (size_t i = 0; i < items->count; i++)
        if (!items->done || !items->done[i])
            map.order[map.places++] = (Place){.item = i, .cost = items->cost ? items->cost[i] : 0};
    if (items->cost) qsort(map.order, map.places, sizeof *map.order, by_cost);
    map.failing = map.places;
    pthread_mutex_init(&map.lock, NULL);
    run_places(&map, executor);
    pthread_mutex_destroy(&map.lock);
    mem_free(map.order);
    if (map.failing < map.places) {
        *err = map.failure;
    } else if (map.cancelled) {
        *err = map.cancellation;
    }
    return map.failing == map.places && !map.cancelled;
}

bool map_points(size_t points, const double *cost, PointFunction *point, void *context, const char *what,
                const Task *task, Error *err) {
    const Items items = {.count = points, .cost = cost, .evaluate = point, .context = context, .what = what};
    return map_items(&items, task, err);
}

/* ---- points that give numbers ------------------------------------------------------------------------------------ */

enum { SYNC_SECONDS = 5 };

typedef struct Keeper {
    const Points *points;
    Run *run;
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

/* Its numbers are there. */
static void note_point(Keeper *keeper, size_t point) {
    pthread_mutex_lock(&keeper->lock);
    keeper->done[point] = true;
    if (keeper->run) keep(keeper, point, false);
    pthread_mutex_unlock(&keeper->lock);
}

static bool keep_point(void *context, size_t point, Error *err) {
    Keeper *keeper = context;
    const Points *points = keeper->points;
    if (!points->evaluate(points->context, point, keeper->results + point * points->values, err)) return false;
    note_point(keeper, point);
    return true;
}

static bool pack_point(void *context, size_t point, Str *bytes, Error *err) {
    const Keeper *keeper = context;
    const size_t values = keeper->points->values;
    if (!keeper->done[point]) return error_set(err, STATUS_FAILED, "no such point yet");
    str_add_bytes(bytes, (const char *)(keeper->results + point * values), values * sizeof *keeper->results);
    return str_ok(bytes, err);
}

static bool unpack_point(void *context, size_t point, const char *bytes, size_t length, Error *err) {
    Keeper *keeper = context;
    const size_t values = keeper->points->values;
    if (length != values * sizeof *keeper->results)
        return error_set(err, STATUS_FAILED, "%s: another rank sent other numbers", keeper->points->what);
    memcpy(keeper->results + point * values, bytes, length);
    note_point(keeper, point);
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
        if (point >= points->count || table->column_count != points->values + 1) continue; /* changed meanwhile */
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
    size_t missing = 0;
    if (points->count == 0) return true;
    pthread_mutex_init(&keeper.lock, NULL);
    bool open = false;
    bool ok =
        (keeper.kept = mem_alloc(points->count, sizeof *keeper.kept, err)) && (!run || (open = take_log(&keeper, err)));
    for (size_t i = 0; ok && i < points->count; i++) {
        keeper.kept[i] = done[i];
        missing += !done[i];
    }
    const Items items = {.count = points->count,
                         .cost = points->cost,
                         .done = done,
                         .evaluate = keep_point,
                         .pack = pack_point,
                         .unpack = unpack_point,
                         .context = &keeper,
                         .what = points->what,
                         .executor = points->executor};
    ok = ok && (missing == 0 || !points->prepare || points->prepare(points->context, err));
    ok = ok && map_items(&items, task, err);
    if (open) keep(&keeper, points->count, true);
    if (ok && keeper.failure.status != STATUS_OK) {
        *err = keeper.failure;
        ok = false;
    }
    pthread_mutex_destroy(&keeper.lock);
    mem_free(keeper.kept);
    return ok;
}
