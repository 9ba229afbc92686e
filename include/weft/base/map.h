/* map -- one function over independent points, and points whose numbers a run folder keeps. */
#ifndef WEFT_MAP_H
#define WEFT_MAP_H

#include <stdbool.h>
#include <stddef.h>

#include "weft/base/error.h"
#include "weft/base/pool.h"
#include "weft/base/run.h"
#include "weft/base/task.h"
#include "weft/base/text.h"

/* Runs independent pieces. pool_run spreads the threads across the pieces. run_in_turn takes one piece after the other
 * on the calling thread, each with all threads to itself. */
typedef void Executor(size_t pieces, PieceFunction *piece, void *context);
Executor run_in_turn;

/* Evaluates every point, in parallel and expensive ones first (`cost` may be NULL), with progress. Stops at the first
 * failure or cancellation. Of several failures it reports that of the point that comes first in this order (equal
 * costs: the lower point), whatever the number of threads. A failure goes before a cancellation. */
typedef bool PointFunction(void *context, size_t point, Error *err);
bool map_points(size_t points, const double *cost, PointFunction *point, void *context, const char *what,
                const Task *task, Error *err);

/* The same for items whose results can travel: in a job of several ranks (weft/base/ranks.h) all of them take items.
 * `evaluate` leaves the item's result in the context. A result without pointers is copied from where it stands
 * (`result`) to the same place in another process. For any other, `pack` appends it to some bytes, in the process that
 * evaluated it; `unpack` leaves it in the context of another one, from several threads at once. After the map every
 * process has all results. What a worker's context holds before must follow from the command alone. What a worker has
 * no memory or no file for is evaluated again on rank 0, whose failures alone are reported. */
typedef struct Items {
    size_t count;
    const double *cost; /* of each, relative; NULL: all equal */
    const bool *done;   /* marks of those to leave out; NULL: none */
    PointFunction *evaluate;
    void *(*result)(void *context, size_t item); /* where its `result_bytes` bytes stand */
    size_t result_bytes;
    bool (*pack)(void *context, size_t item, Str *bytes, Error *err); /* false: the item has no result */
    bool (*unpack)(void *context, size_t item, const char *bytes, size_t length, Error *err);
    void *context;
    const char *what;   /* for progress */
    Executor *executor; /* NULL: pool_run, or with `shares` run_in_turn where that ends sooner */
    bool shares;        /* an item can use all threads itself, with the same result */
    double worth;       /* other ranks are asked only if the items cost at least this together; 0: always */
    double least;       /* what an item that they are given costs at least */
    bool last;          /* the command's last such map: results, which may be large, are not kept for later ones */
} Items;
bool map_items(const Items *items, const Task *task, Error *err);

/* Points that give numbers, which a run folder keeps as they come. */
typedef struct Points {
    size_t count, values;     /* points; numbers that each gives, at least 1 */
    const char *const *names; /* of the numbers, "name (unit)" where there is one: the log's heading */
    const double *cost;       /* relative; NULL: all equal */
    bool (*prepare)(void *context, Error *err); /* NULL, or called once before the first point, if one is missing */
    bool (*evaluate)(void *context, size_t point, double *values, Error *err); /* from several threads at once */
    void *context;
    const char *what;   /* for progress */
    Executor *executor; /* NULL: pool_run */
} Points;
/* Evaluates the points that are missing. `results` has count x values numbers, `done` has count marks. The caller fills
 * both; marked points are not touched. With `run` (the caller's, locked), the points in its log.csv are taken from
 * there, and every other point is added to it as soon as it is known. On failure or cancellation the finished points
 * are marked and kept. The points that are running when a first cancellation comes are finished. STATUS_WRITE if all
 * points succeeded but the log could not be written (every point tries again); STATUS_BAD_INPUT for another run's log.
 */
bool points_run(const Points *points, Run *run, double *results, bool *done, const Task *task, Error *err);

#endif
