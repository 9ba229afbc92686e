/* map -- a list of independent points, evaluated on the pool. */
#include "weft/base.h"

#include <pthread.h>
#include <stdlib.h>

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
    bool stopped, cancelled;
    size_t failing; /* lowest point that failed, or `points` */
    Error failure, cancellation;
} Map;

static int by_cost(const void *a, const void *b) {
    const Place *x = a, *y = b;
    if (x->cost != y->cost) return x->cost > y->cost ? -1 : 1;
    return x->point < y->point ? -1 : x->point > y->point;
}

/* Under the lock: a failure of `point`, or a cancellation that it or task_step reported. */
static void note_failure(Map *map, size_t point, const Error *err) {
    map->stopped = true;
    if (err->status == STATUS_CANCELLED) {
        map->cancelled = true;
        map->cancellation = *err;
    } else if (point < map->failing) {
        map->failing = point;
        map->failure = *err;
    }
}

static void run_point(void *context, size_t piece, unsigned worker) {
    (void)worker;
    Map *map = context;
    size_t point = map->order[piece].point;
    Error err;
    pthread_mutex_lock(&map->lock);
    if (!map->stopped && !task_step(NULL, map->what, 0, 0, &err)) note_failure(map, point, &err);
    bool stopped = map->stopped;
    pthread_mutex_unlock(&map->lock);
    if (stopped) return;
    bool done = map->point(map->context, point, &err);
    pthread_mutex_lock(&map->lock);
    if (done) done = task_step(map->task, map->what, ++map->done, map->points, &err);
    if (!done) note_failure(map, point, &err);
    pthread_mutex_unlock(&map->lock);
}

bool map_points(size_t points, const double *cost, PointFunction *point, void *context, const char *what,
                const Task *task, Error *err) {
    Place *order = mem_alloc(points, sizeof *order, err);
    if (!order) return false;
    for (size_t i = 0; i < points; i++) order[i] = (Place){i, cost ? cost[i] : 0};
    if (cost) qsort(order, points, sizeof *order, by_cost);
    Map map = {.order = order, .points = points, .point = point, .context = context, .what = what, .task = task};
    map.failing = points;
    pthread_mutex_init(&map.lock, NULL);
    pool_run(points, run_point, &map);
    pthread_mutex_destroy(&map.lock);
    mem_free(order);
    if (map.failing < points)
        *err = map.failure;
    else if (map.cancelled)
        *err = map.cancellation;
    return !map.stopped;
}
