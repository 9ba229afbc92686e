/* greedy -- the greedy order of many kernels.
 *
 * Kernels of one direction follow each other: whoever enters them does so at the lowest, to which all others are as
 * similar as can be. So the order is one of "leads", the lowest kernel of each direction, each followed by its twins.
 * Every zero kernel is a lead of its own; it is equally (un)similar to all, so the lowest that is left follows it.
 */
#include "predictor/caps.h"
#include "predictor/internal.h"
#include "weft/base/error.h"
#include "weft/base/memory.h"
#include "weft/base/pool.h"
#include "weft/base/task.h"

#include <math.h>
#include <stdlib.h>

/* ---- few kernels, many dimensions ------------------------------------------------------------------------------- */

enum { PLAIN_ITEMS = 32 /* of a piece */ };

/* A step: the similarities of all unused items with the last one. */
typedef struct PlainStep {
    const double *rows;
    size_t count, size, last;
    const bool *used;
    double *best; /* of each piece, and which item that is */
    size_t *item;
} PlainStep;

static void plain_piece(void *context, size_t piece, unsigned worker) {
    (void)worker;
    PlainStep *step = context;
    const double *last = step->rows + step->last * step->size;
    size_t end = (piece + 1) * PLAIN_ITEMS < step->count ? (piece + 1) * PLAIN_ITEMS : step->count;
    step->best[piece] = -INFINITY;
    for (size_t i = piece * PLAIN_ITEMS; i < end; i++) {
        if (step->used[i]) continue;
        const double similarity = rows_dot(last, step->rows + i * step->size, step->size);
        if (similarity <= step->best[piece]) continue;
        step->best[piece] = similarity;
        step->item[piece] = i;
    }
}

bool greedy_plain(const double *rows, size_t count, size_t size, uint32_t *order, const Task *task, Error *err) {
    const Task quiet = {.patient = task && task->patient};
    const size_t pieces = (count + PLAIN_ITEMS - 1) / PLAIN_ITEMS;
    bool *used = mem_alloc(count, sizeof *used, err);
    double *best = used ? mem_alloc(pieces, sizeof *best, err) : NULL;
    size_t *item = best ? mem_alloc(pieces, sizeof *item, err) : NULL;
    PlainStep step = {.rows = rows, .count = count, .size = size, .used = used, .best = best, .item = item};
    bool done = item != NULL;
    for (size_t rank = 0; done && rank < count; rank++) {
        size_t winner = 0;
        if (rank > 0) pool_run(pieces, plain_piece, &step);
        for (size_t piece = 1; rank > 0 && piece < pieces; piece++)
            if (best[piece] > best[winner]) winner = piece;
        step.last = rank > 0 ? item[winner] : 0;
        used[step.last] = true;
        order[rank] = (uint32_t)step.last;
        done = task_step(&quiet, "ordering kernels", rank, count, err);
    }
    mem_free(used);
    mem_free(best);
    mem_free(item);
    return done;
}

/* ---- many kernels ------------------------------------------------------------------------------------------------ */

enum { STEPS = 256 /* leads between looks at progress and cancellation */ };
#define NONE UINT32_MAX

typedef struct Greedy {
    const double *rows;
    size_t count, size;
    uint32_t *twin; /* of each item: the next one of its direction, or NONE */
    uint32_t *lead; /* lead_count items, ascending */
    size_t lead_count;
    bool *zero, *used;          /* of each lead */
    Caps *caps;                 /* the leads that are not zero */
    size_t lowest, lowest_zero; /* no lead below is unused */
} Greedy;

/* ---- leads ------------------------------------------------------------------------------------------------------- */

/* By direction, number for number: 0 and -0 are one. */
static int compare_rows(const double *a, const double *b, size_t size) {
    for (size_t d = 0; d < size; d++)
        if (a[d] != b[d]) return a[d] < b[d] ? -1 : 1;
    return 0;
}

static int compare_items(const void *a, const void *b, void *context) {
    const Greedy *g = context;
    const size_t x = *(const uint32_t *)a, y = *(const uint32_t *)b;
    const int direction = compare_rows(g->rows + x * g->size, g->rows + y * g->size, g->size);
    return direction ? direction : (x > y) - (x < y);
}

static bool is_zero(const Greedy *g, size_t item) {
    for (size_t d = 0; d < g->size; d++)
        if (g->rows[item * g->size + d] != 0) return false;
    return true;
}

/* `sorted`: scratch for count items. */
static void find_leads(Greedy *g, uint32_t *sorted) {
    for (size_t i = 0; i < g->count; i++) {
        sorted[i] = (uint32_t)i;
        g->twin[i] = NONE;
    }
    qsort_r(sorted, g->count, sizeof *sorted, compare_items, g);
    for (size_t i = 0; i < g->count; i++) { /* a twin marks itself for a moment */
        const size_t before = i > 0 ? sorted[i - 1] : 0, item = sorted[i];
        const bool twin = i > 0 && compare_rows(g->rows + before * g->size, g->rows + item * g->size, g->size) == 0 &&
                          !is_zero(g, item);
        if (twin) g->twin[before] = (uint32_t)item;
        g->used[item] = twin;
    }
    for (size_t i = 0; i < g->count; i++) {
        const bool lead = !g->used[i];
        g->used[i] = false;
        if (!lead) continue;
        g->zero[g->lead_count] = is_zero(g, i);
        g->lead[g->lead_count++] = (uint32_t)i;
    }
}

/* ---- steps ------------------------------------------------------------------------------------------------------- */

/* The lead that follows `last`; some lead is unused. */
static size_t next_lead(Greedy *g, size_t last) {
    while (g->lowest < g->lead_count && g->used[g->lowest]) g->lowest++;
    if (g->zero[last]) return g->lowest;
    while (g->lowest_zero < g->lead_count && (g->used[g->lowest_zero] || !g->zero[g->lowest_zero])) g->lowest_zero++;
    size_t nearest;
    double similarity;
    if (!caps_nearest(g->caps, last, &nearest, &similarity)) return g->lowest_zero;
    const bool zero =
        g->lowest_zero < g->lead_count && (similarity < 0 || (similarity == 0 && g->lowest_zero < nearest));
    return zero ? g->lowest_zero : nearest;
}

static bool order_leads(Greedy *g, uint32_t *order, const Task *task, Error *err) {
    size_t rank = 0, lead = 0;
    for (size_t step = 0; step < g->lead_count; step++) {
        if (step % STEPS == 0 && !task_step(task, "ordering kernels", rank, g->count, err)) return false;
        if (step > 0) lead = next_lead(g, lead);
        g->used[lead] = true;
        if (!g->zero[lead]) caps_remove(g->caps, lead);
        for (uint32_t item = g->lead[lead]; item != NONE; item = g->twin[item]) order[rank++] = item;
    }
    return task_step(task, "ordering kernels", g->count, g->count, err);
}

bool greedy_pruned(const double *rows, size_t count, size_t size, uint32_t *order, const Task *task, Error *err) {
    Greedy g = {.rows = rows, .count = count, .size = size};
    bool done = (g.twin = mem_alloc(count, sizeof *g.twin, err)) && (g.lead = mem_alloc(count, sizeof *g.lead, err)) &&
                (g.zero = mem_alloc(count, sizeof *g.zero, err)) && (g.used = mem_alloc(count, sizeof *g.used, err));
    if (done) {
        find_leads(&g, order);
        g.caps = caps_new(rows, size, g.lead, g.lead_count, g.zero, err);
        done = g.caps && order_leads(&g, order, task, err);
    }
    caps_free(g.caps);
    mem_free(g.twin);
    mem_free(g.lead);
    mem_free(g.zero);
    mem_free(g.used);
    return done;
}
