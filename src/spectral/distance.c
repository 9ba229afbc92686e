/* distance -- distance between the weights of two networks, layer by layer. */
#include "weft/spectral.h"

#include <math.h>

#include "spectral/layers.h"
#include "weft/base/error.h"
#include "weft/base/map.h"
#include "weft/base/memory.h"
#include "weft/base/table.h"
#include "weft/base/task.h"
#include "weft/base/tensor.h"
#include "weft/base/text.h"
#include "weft/base/vectors.h"

/* Sums over pairs of weights (w, v), in double. */
typedef struct Sums {
    double count, absolute, square, first, second, product; /* |w-v|, (w-v)^2, w^2, v^2, w v */
} Sums;

enum {
    LANES = 8
}; /* sums side by side, so that they fit vectors; their number decides the rounding, not the machine */

#define SUM_VALUE(i, k)                                                      \
    {                                                                        \
        const double a = (double)w[i], b = (double)v[i], difference = a - b; \
        absolute[k] += fabs(difference);                                     \
        square[k] += difference * difference;                                \
        first[k] += a * a;                                                   \
        second[k] += b * b;                                                  \
        product[k] += a * b;                                                 \
    }
#define SUM_LANES                                                                                                     \
    double absolute[LANES] = {0}, square[LANES] = {0}, first[LANES] = {0}, second[LANES] = {0}, product[LANES] = {0}; \
    uint64_t i = 0;                                                                                                   \
    for (; i + LANES <= count; i += LANES)                                                                            \
        for (unsigned k = 0; k < LANES; k++) SUM_VALUE(i + k, k)                                                      \
    for (unsigned k = 0; i < count; i++, k++) SUM_VALUE(i, k)                                                         \
    Sums sums = {.count = (double)count};                                                                             \
    for (unsigned k = 0; k < LANES; k++) {                                                                            \
        sums.absolute += absolute[k];                                                                                 \
        sums.square += square[k];                                                                                     \
        sums.first += first[k];                                                                                       \
        sums.second += second[k];                                                                                     \
        sums.product += product[k];                                                                                   \
    }                                                                                                                 \
    return sums

VECTOR_PLAIN static Sums sums_plain(const float *w, const float *v, uint64_t count) {
    SUM_LANES;
}

#ifdef VECTOR_AVX2
/* Without fused multiply-adds: the bits of sums_plain. */
VECTOR_AVX2 static Sums sums_avx2(const float *w, const float *v, uint64_t count) {
    SUM_LANES;
}

static Sums sums_of(const float *w, const float *v, uint64_t count) {
    return vector_avx2() ? sums_avx2(w, v, count) : sums_plain(w, v, count);
}
#else
#define sums_of sums_plain
#endif

static void sums_add(Sums *total, const Sums *sums) {
    total->count += sums->count;
    total->absolute += sums->absolute;
    total->square += sums->square;
    total->first += sums->first;
    total->second += sums->second;
    total->product += sums->product;
}

static WeightDistance distance_of(const Sums *sums) {
    const double cosine = sums->product / (sqrt(sums->first) * sqrt(sums->second)); /* NaN for a zero vector */
    return (WeightDistance){.mean_abs = sums->absolute / sums->count,
                            .rms = sqrt(sums->square / sums->count),
                            .relative = sums->first > 0 ? sqrt(sums->square / sums->first) : NAN,
                            .cosine = cosine > 1    ? 1
                                      : cosine < -1 ? -1
                                                    : cosine};
}

typedef struct Measure {
    const Tensor *first, *second;
    const char *name;
    struct DistanceFound {
        Sums sums;
        LayerFault fault;
    } found;
} Measure;

/* Weights that are not finite make a sum that is not: only then is it asked why. */
static bool measure_pair(void *context, size_t point, Error *err) {
    const Measure *measure = (const Measure *)context + point;
    struct DistanceFound *out = &((Measure *)context + point)->found;
    TensorWalk walk;
    bool done = tensor_walk_begin(&walk, measure->first, measure->second, err);
    while (done && (done = tensor_walk_next(&walk, err)) && walk.count > 0) {
        const Sums sums = sums_of(walk.a, walk.b, walk.count);
        sums_add(&out->sums, &sums);
    }
    tensor_walk_end(&walk);
    if (done && !isfinite(out->sums.first + out->sums.second))
        done = layers_fault(measure->first, &out->fault, err) &&
               (out->fault || layers_fault(measure->second, &out->fault, err));
    return done || error_prefix(err, "layer '%s'", measure->name);
}

static void *result_of(void *context, size_t item) {
    return &((Measure *)context)[item].found;
}

/* What reading a pair of weights and adding up takes, in multiply-adds of a decomposition. */
enum { PAIR_COST = 16 };

static bool measure_all(Measure *measures, size_t count, double worth, const Task *task, Error *err) {
    double *costs = mem_alloc(count, sizeof *costs, err);
    for (size_t i = 0; costs && i < count; i++) costs[i] = PAIR_COST * (double)measures[i].first->count;
    const Items items = {.count = count,
                         .cost = costs,
                         .evaluate = measure_pair,
                         .result = result_of,
                         .result_bytes = sizeof(struct DistanceFound),
                         .context = measures,
                         .what = "distance",
                         .worth = worth,
                         .least = LAYERS_LEAST};
    const bool done = costs && map_items(&items, task, err);
    mem_free(costs);
    return done;
}

/* Layers with weights that are not finite have no distance, and are listed. */
static bool measure_pairs(const Network *a, const Network *b, const LayerPair *pairs, const Task *task,
                          WeightDistances *out, Error *err) {
    Sums total = {0};
    Measure *measures = mem_alloc(out->matched, sizeof *measures, err);
    bool done = measures && (out->layers = mem_alloc(out->matched, sizeof *out->layers, err));
    for (size_t i = 0; done && i < out->matched; i++)
        measures[i] = (Measure){.first = layer_weight(a, &a->layers[pairs[i].a]),
                                .second = layer_weight(b, &b->layers[pairs[i].b]),
                                .name = a->layers[pairs[i].a].name};
    done = done && measure_all(measures, out->matched, layers_worth(a, b), task, err);
    for (size_t i = 0; done && i < out->matched; i++) {
        if (measures[i].found.fault) {
            layers_list(&out->skipped, measures[i].name, layer_fault_text(measures[i].found.fault));
            continue;
        }
        out->layers[out->count++] = (LayerDistance){measures[i].name, distance_of(&measures[i].found.sums)};
        sums_add(&total, &measures[i].found.sums);
    }
    mem_free(measures);
    if (done) out->all = distance_of(&total);
    return done && str_ok(&out->skipped, err);
}

bool distance_measure(const Network *a, const Network *b, const bool *chosen, const Task *task, WeightDistances *out,
                      Error *err) {
    *out = (WeightDistances){0};
    LayerPair *pairs = layers_match(a, b, chosen, false, &out->matched, &out->unmatched, err);
    const bool done = pairs && measure_pairs(a, b, pairs, task, out, err);
    mem_free(pairs);
    if (!done) distances_done(out);
    return done;
}

void distances_done(WeightDistances *distances) {
    mem_free(distances->layers);
    str_done(&distances->skipped);
    str_done(&distances->unmatched);
    *distances = (WeightDistances){0};
}

/* ---- what a command changed -------------------------------------------------------------------------------------- */

bool weights_change(const Network *before, const Network *after, const Task *task, WeightChange *out, Error *err) {
    Sums total = {0};
    Measure *measures = mem_alloc(before->layer_count, sizeof *measures, err);
    *out = (WeightChange){0};
    for (size_t i = 0; measures && i < before->layer_count; i++) {
        const Tensor *was = layer_weight(before, &before->layers[i]), *is = layer_weight(after, &after->layers[i]);
        if (was == is || before->tensors[before->layers[i].tensor].tied) continue; /* a tied one is changed once */
        out->weights += was->count;
        out->unmeasured |= tensor_computed(is);
        measures[out->layers++] = (Measure){.first = was, .second = is, .name = before->layers[i].name};
    }
    const bool done = measures && (out->unmeasured || measure_all(measures, out->layers, INFINITY, task, err));
    for (size_t i = 0; done && i < out->layers; i++) sums_add(&total, &measures[i].found.sums);
    mem_free(measures);
    out->relative = total.first > 0 ? sqrt(total.square / total.first) : (double)NAN;
    return done;
}

/* ---- the table --------------------------------------------------------------------------------------------------- */

static void add_row(Table *table, const char *name, const WeightDistance *distance) {
    table_text(table, name);
    table_real(table, distance->mean_abs);
    table_real(table, distance->rms);
    table_real(table, distance->relative);
    table_real(table, distance->cosine);
}

static Table *table_of(const WeightDistances *distances, Error *err) {
    Table *table = table_new(err);
    if (!table) return NULL;
    table_column(table, "layer", "", COLUMN_TEXT);
    table_column(table, "mean_abs", "", COLUMN_REAL);
    table_column(table, "rms", "", COLUMN_REAL);
    table_column(table, "relative", "", COLUMN_REAL);
    table_column(table, "cosine", "", COLUMN_REAL);
    for (size_t i = 0; i < distances->count; i++)
        add_row(table, distances->layers[i].name, &distances->layers[i].distance);
    add_row(table, "all", &distances->all);
    table_note(table, "layers", "%zu", distances->matched);
    if (distances->skipped.length > 0) table_note(table, "skipped", "%s", str_text(&distances->skipped));
    if (distances->unmatched.length > 0) table_note(table, "unmatched", "%s", str_text(&distances->unmatched));
    return table_finish(table, err);
}

Table *distance_table(const Network *a, const Network *b, const bool *chosen, const Task *task, Error *err) {
    WeightDistances distances;
    if (!distance_measure(a, b, chosen, task, &distances, err)) return NULL;
    Table *table = table_of(&distances, err);
    distances_done(&distances);
    return table;
}
