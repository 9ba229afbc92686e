/* distance -- distance between the weights of two networks, layer by layer. */
#include "weft/spectral.h"

#include <math.h>

#include "spectral/layers.h"
#include "weft/base/error.h"
#include "weft/base/memory.h"
#include "weft/base/table.h"
#include "weft/base/tensor.h"
#include "weft/base/text.h"

/* Sums over pairs of weights (w, v), in double. */
typedef struct Sums {
    double count, absolute, square, first, second, product; /* |w-v|, (w-v)^2, w^2, v^2, w v */
} Sums;

static Sums sums_of(const float *w, const float *v, uint64_t count) {
    Sums sums = {.count = (double)count};
    for (uint64_t i = 0; i < count; i++) {
        double a = (double)w[i], b = (double)v[i], difference = a - b;
        sums.absolute += fabs(difference);
        sums.square += difference * difference;
        sums.first += a * a;
        sums.second += b * b;
        sums.product += a * b;
    }
    return sums;
}

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

/* Layers with weights that are not finite have no distance, and are listed. */
static bool measure_pairs(const Network *a, const Network *b, const LayerPair *pairs, WeightDistances *out,
                          Error *err) {
    Sums total = {0};
    if (!(out->layers = mem_alloc(out->matched, sizeof *out->layers, err))) return false;
    for (size_t i = 0; i < out->matched; i++) {
        const char *name = a->layers[pairs[i].a].name;
        const Tensor *first = layer_weight(a, &a->layers[pairs[i].a]);
        const Tensor *second = layer_weight(b, &b->layers[pairs[i].b]);
        const char *fault = layers_fault(first), *other = layers_fault(second);
        if (fault || other) {
            layers_list(&out->skipped, name, fault ? fault : other);
            continue;
        }
        const Sums sums = sums_of(first->data, second->data, first->count);
        out->layers[out->count++] = (LayerDistance){name, distance_of(&sums)};
        sums_add(&total, &sums);
    }
    out->all = distance_of(&total);
    return str_ok(&out->skipped, err);
}

bool distance_measure(const Network *a, const Network *b, const bool *chosen, WeightDistances *out, Error *err) {
    *out = (WeightDistances){0};
    LayerPair *pairs = layers_match(a, b, chosen, false, &out->matched, &out->unmatched, err);
    const bool done = pairs && measure_pairs(a, b, pairs, out, err);
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

Table *distance_table(const Network *a, const Network *b, const bool *chosen, Error *err) {
    WeightDistances distances;
    if (!distance_measure(a, b, chosen, &distances, err)) return NULL;
    Table *table = table_of(&distances, err);
    distances_done(&distances);
    return table;
}
