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
    if (map.failing < points) {
        *err = map.failure;
    } else if (map.cancelled) {
        *err = map.cancellation;
    }
    return map.failing == points && !map.cancelled;
}
