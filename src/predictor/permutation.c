/* permutation -- smooth orders of a layer's kernels (docs/method.md, section 3) and the indices they are encoded with.
 *
 * Similarity is the cosine; a kernel of norm zero, or of one that is no finite number, has similarity 0 with every
 * other.
 */
#include "predictor/internal.h"

#include <math.h>
#include <stdatomic.h>
#include <string.h>

#include "weft/base/error.h"
#include "weft/base/map.h"
#include "weft/base/memory.h"
#include "weft/base/task.h"
#include "weft/base/tensor.h"

/* ---- orders of a layer ------------------------------------------------------------------------------------------- */

static void unit_row(const float *kernel, unsigned taps, double *out) {
    double squares = 0;
    for (unsigned t = 0; t < taps; t++) squares += (double)kernel[t] * kernel[t];
    const double norm = sqrt(squares);
    for (unsigned t = 0; t < taps; t++) out[t] = norm > 0 && isfinite(norm) ? kernel[t] / norm : 0;
}

static void invert(const uint32_t *order, size_t count, uint32_t *rank) {
    for (size_t r = 0; r < count; r++) rank[order[r]] = (uint32_t)r;
}

/* The filters of a layer, each put in the order of its channels. */
typedef struct InFilter {
    const float *weights;
    unsigned filters, channels, taps;
    double *rows; /* filters x (channels * taps): unit kernels, channel-ordered */
    uint32_t *channel_rank;
    const Task *task;
} InFilter;

static bool order_channels(void *context, size_t filter, Error *err) {
    const InFilter *in = context;
    const size_t size = (size_t)in->channels * in->taps;
    double *unit = mem_alloc(size, sizeof *unit, err);
    uint32_t *order = unit ? mem_alloc(in->channels, sizeof *order, err) : NULL;
    for (unsigned c = 0; order && c < in->channels; c++)
        unit_row(in->weights + filter * size + (size_t)c * in->taps, in->taps, unit + (size_t)c * in->taps);
    const bool done = order && greedy_plain(unit, in->channels, in->taps, order, in->task, err);
    for (unsigned r = 0; done && r < in->channels; r++)
        memcpy(in->rows + filter * size + (size_t)r * in->taps, unit + (size_t)order[r] * in->taps,
               in->taps * sizeof *unit);
    if (done) invert(order, in->channels, in->channel_rank + filter * in->channels);
    mem_free(unit);
    mem_free(order);
    return done;
}

/* The mean of the channels' cosines orders as their sum does. */
bool permute_in_filter(const float *weights, unsigned filters, unsigned channels, unsigned taps, uint32_t *filter_rank,
                       uint32_t *channel_rank, const Task *task, Error *err) {
    const size_t size = (size_t)channels * taps;
    double *rows = mem_alloc((uint64_t)filters * size, sizeof *rows, err);
    uint32_t *order = rows ? mem_alloc(filters, sizeof *order, err) : NULL;
    InFilter in = {weights, filters, channels, taps, rows, channel_rank, task};
    const bool done = order && map_points(filters, NULL, order_channels, &in, "ordering kernels", task, err) &&
                      greedy_plain(rows, filters, size, order, task, err);
    if (done) invert(order, filters, filter_rank);
    mem_free(rows);
    mem_free(order);
    return done;
}

bool permute_cross_filter(const float *weights, unsigned filters, unsigned channels, unsigned taps, uint32_t *rank,
                          const Task *task, Error *err) {
    const size_t count = (size_t)filters * channels;
    double *rows = mem_alloc(count, sizeof *rows * taps, err);
    uint32_t *order = rows ? mem_alloc(count, sizeof *order, err) : NULL;
    for (size_t k = 0; order && k < count; k++) unit_row(weights + k * taps, taps, rows + k * taps);
    const bool done = order && greedy_pruned(rows, count, taps, order, task, err);
    if (done) invert(order, count, rank);
    mem_free(rows);
    mem_free(order);
    return done;
}

/* ---- indices ----------------------------------------------------------------------------------------------------- */

/* All layers are ordered at once; what each reports is added up. */
typedef struct Ordering {
    Predictor *predictor;
    const Network *weights;
    const Task *task;
    _Atomic uint64_t done; /* kernels */
} Ordering;

typedef struct LayerProgress {
    Ordering *ordering;
    const PredictedLayer *layer;
    _Atomic uint64_t told; /* kernels of this layer */
} LayerProgress;

static void report_layer(void *context, const char *what, uint64_t done, uint64_t total) {
    LayerProgress *progress = context;
    Ordering *all = progress->ordering;
    const uint64_t kernels = (uint64_t)progress->layer->filters * progress->layer->channels;
    const uint64_t now = total ? (uint64_t)((double)done / (double)total * (double)kernels) : 0;
    const uint64_t before = atomic_exchange(&progress->told, now);
    const uint64_t sum = atomic_fetch_add(&all->done, now - before) + now - before;
    if (all->task && all->task->report) all->task->report(all->task->context, what, sum, all->predictor->kernel_count);
}

static bool order_layer(void *context, size_t number, Error *err) {
    Ordering *ordering = context;
    Predictor *p = ordering->predictor;
    const PredictedLayer *layer = &p->layers[number];
    const unsigned filters = layer->filters, channels = layer->channels, taps = layer->kernel[0] * layer->kernel[1];
    const PermutationKind kind = p->config.permutation;
    LayerProgress progress = {.ordering = ordering, .layer = layer};
    const bool patient = ordering->task && ordering->task->patient;
    const Task task = {.report = report_layer, .context = &progress, .patient = patient};
    const size_t count = (size_t)filters * channels;
    const Tensor *weight = NULL;
    uint32_t *rank = mem_alloc(count, sizeof *rank, err);
    uint32_t *filter_rank = rank ? mem_alloc(filters, sizeof *filter_rank, err) : NULL;
    bool done = filter_rank != NULL;
    if (done && kind != PERMUTATION_NONE)
        done = (weight = predictor_weight(layer, ordering->weights, NULL, err)) != NULL;
    if (done && kind == PERMUTATION_IN_FILTER)
        done = permute_in_filter(weight->data, filters, channels, taps, filter_rank, rank, &task, err);
    if (done && kind == PERMUTATION_CROSS_FILTER)
        done = permute_cross_filter(weight->data, filters, channels, taps, rank, &task, err);
    for (size_t k = 0; done && k < count; k++) {
        KernelIndex index = {(uint32_t)number, (uint32_t)(k / channels), (uint32_t)(k % channels)};
        if (kind == PERMUTATION_IN_FILTER) {
            index.filter = filter_rank[k / channels];
            index.channel = rank[k];
        } else if (kind == PERMUTATION_CROSS_FILTER) {
            index.filter = rank[k] / channels;
            index.channel = rank[k] % channels;
        }
        p->index[layer->first + k] = index;
    }
    mem_free(rank);
    mem_free(filter_rank);
    return done;
}

bool predictor_order(Predictor *p, const Network *weights, const Task *task, Error *err) {
    Ordering ordering = {.predictor = p, .weights = weights, .task = task};
    double *cost = mem_alloc(p->layer_count, sizeof *cost, err);
    for (size_t i = 0; cost && i < p->layer_count; i++)
        cost[i] = (double)p->layers[i].filters * (double)p->layers[i].channels;
    const bool done = cost && map_points(p->layer_count, cost, order_layer, &ordering, "ordering kernels", NULL, err);
    mem_free(cost);
    return done;
}
