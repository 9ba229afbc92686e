/* histogram -- how the weights of layers are distributed. */
#include "weft/spectral/histogram.h"

#include <math.h>
#include <string.h>

#include "spectral/layers.h"
#include "weft/base/memory.h"
#include "weft/base/tensor.h"

/* The weights of one network's layers, as tensors. */
typedef struct Weights {
    const Tensor **tensors;
    size_t count;
} Weights;

/* ---- quartiles --------------------------------------------------------------------------------------------------- */

/* Floats as integers of the same order: the sign bit decides which way the others count. */
static uint32_t ordered(float value) {
    uint32_t bits;
    memcpy(&bits, &value, sizeof bits);
    return bits & 0x80000000 ? ~bits : bits | 0x80000000;
}

static float disordered(uint32_t key) {
    const uint32_t bits = key & 0x80000000 ? key & 0x7fffffff : ~key;
    float value;
    memcpy(&value, &bits, sizeof value);
    return value;
}

enum { HALF = 1 << 16 };

/* How often each upper half of the keys occurs or, below an upper half, each lower one. */
static void count_halves(const Weights weights[2], const uint32_t *upper, uint64_t counts[HALF]) {
    memset(counts, 0, HALF * sizeof *counts);
    for (int n = 0; n < 2; n++)
        for (size_t t = 0; t < weights[n].count; t++) {
            const float *values = weights[n].tensors[t]->data;
            for (uint64_t i = 0; i < weights[n].tensors[t]->count; i++) {
                if (!isfinite(values[i])) continue;
                const uint32_t key = ordered(values[i]);
                if (!upper)
                    counts[key >> 16]++;
                else if (key >> 16 == *upper)
                    counts[key & 0xffff]++;
            }
        }
}

/* The half in which the weight of this rank lies; *rank becomes its rank there. */
static uint32_t half_of(const uint64_t counts[HALF], uint64_t *rank) {
    uint32_t half = 0;
    while (*rank >= counts[half]) *rank -= counts[half++];
    return half;
}

/* The weights of these ranks (from 0), by two passes of counting. `counts`: two arrays of HALF. */
static void select_ranks(const Weights weights[2], const uint64_t ranks[4], uint64_t *counts, double out[4]) {
    uint32_t known = 0;
    bool counted = false;
    count_halves(weights, NULL, counts);
    for (int r = 0; r < 4; r++) {
        uint64_t rank = ranks[r];
        const uint32_t upper = half_of(counts, &rank);
        if (!counted || upper != known) count_halves(weights, &upper, counts + HALF);
        counted = true;
        known = upper;
        out[r] = (double)disordered(upper << 16 | half_of(counts + HALF, &rank));
    }
}

/* The first and third quartile, by linear interpolation as quantile_of. */
static bool find_quartiles(const Weights weights[2], uint64_t count, double *q1, double *q3, Error *err) {
    const double place[2] = {0.25 * (double)(count - 1), 0.75 * (double)(count - 1)};
    uint64_t ranks[4], *counts = mem_alloc(2 * HALF, sizeof *counts, err);
    double found[4];
    if (!counts) return false;
    for (int q = 0; q < 2; q++) {
        ranks[2 * q] = (uint64_t)place[q];
        ranks[2 * q + 1] = ranks[2 * q] + 1 < count ? ranks[2 * q] + 1 : count - 1;
    }
    select_ranks(weights, ranks, counts, found);
    *q1 = found[0] + (place[0] - floor(place[0])) * (found[1] - found[0]);
    *q3 = found[2] + (place[1] - floor(place[1])) * (found[3] - found[2]);
    mem_free(counts);
    return true;
}

/* ---- moments ----------------------------------------------------------------------------------------------------- */

static void find_range(const Weights *weights, WeightMoments *out) {
    double sum = 0;
    *out = (WeightMoments){.least = INFINITY, .greatest = -INFINITY};
    for (size_t t = 0; t < weights->count; t++)
        for (uint64_t i = 0; i < weights->tensors[t]->count; i++) {
            const double value = (double)weights->tensors[t]->data[i];
            if (!isfinite(value)) {
                out->not_finite++;
                continue;
            }
            out->count++;
            out->zeros += value == 0;
            out->least = fmin(out->least, value);
            out->greatest = fmax(out->greatest, value);
            sum += value;
        }
    out->mean = sum / (double)out->count;
}

/* About the mean, which is known. */
static void find_moments(const Weights *weights, WeightMoments *out) {
    double second = 0, fourth = 0;
    find_range(weights, out);
    for (size_t t = 0; t < weights->count; t++)
        for (uint64_t i = 0; i < weights->tensors[t]->count; i++) {
            const double value = (double)weights->tensors[t]->data[i], off = (value - out->mean) * (value - out->mean);
            if (!isfinite(value)) continue;
            second += off;
            fourth += off * off;
        }
    const double count = (double)out->count, variance = second / count;
    out->deviation = sqrt(variance);
    out->kurtosis = variance > 0 ? fourth / count / (variance * variance) - 3 : NAN;
    if (out->count == 0) out->least = out->greatest = NAN;
}

/* ---- histogram --------------------------------------------------------------------------------------------------- */

static void count_weights(const Weights *weights, const Bins *bins, uint64_t *counts) {
    for (size_t t = 0; t < weights->count; t++)
        for (uint64_t i = 0; i < weights->tensors[t]->count; i++) {
            const double value = (double)weights->tensors[t]->data[i];
            if (isfinite(value)) counts[bins_index(bins, value)]++;
        }
}

/* The tensors of the layers of both networks. */
static bool find_weights(const Network *network, const Network *versus, const bool *chosen, Weights weights[2],
                         Str *unmatched, Error *err) {
    size_t count = 0, *layers = NULL;
    LayerPair *pairs = NULL;
    if (versus)
        pairs = layers_match(network, versus, chosen, false, &count, unmatched, err);
    else
        layers = layers_chosen(network, chosen, false, &count, err);
    bool ok = pairs || layers;
    for (int n = 0; ok && n < (versus ? 2 : 1); n++) {
        weights[n].tensors = mem_alloc(count, sizeof(Tensor *), err);
        ok = weights[n].tensors != NULL;
        for (size_t i = 0; ok && i < count; i++) {
            const Network *own = n ? versus : network;
            const size_t layer = !pairs ? layers[i] : n ? pairs[i].b : pairs[i].a;
            weights[n].tensors[i] = layer_weight(own, &own->layers[layer]);
        }
        if (ok) weights[n].count = count;
    }
    mem_free(pairs);
    mem_free(layers);
    return ok;
}

static bool fill_histogram(const Weights weights[2], size_t bins, WeightHistogram *out, Error *err) {
    const WeightMoments *m = out->moments;
    for (int n = 0; n < 2; n++) find_moments(&weights[n], &out->moments[n]);
    const uint64_t count = m[0].count + m[1].count;
    const double low = fmin(m[0].least, m[1].least), high = fmax(m[0].greatest, m[1].greatest); /* NaN is left out */
    double q1, q3;
    if (count == 0) return error_set(err, STATUS_BAD_INPUT, "no weight of these layers is finite");
    if (bins == 0) {
        if (!find_quartiles(weights, count, &q1, &q3, err)) return false;
        bins = bins_usual(low, high, q1, q3, count, HISTOGRAM_BINS_USUAL);
    }
    out->bins.count = bins;
    if (!(out->bins.edges = mem_alloc(bins + 1, sizeof(double), err))) return false;
    bins_place(&out->bins, low, high);
    for (int n = 0; n < (weights[1].tensors ? 2 : 1); n++) {
        if (!(out->counts[n] = mem_alloc(bins, sizeof(uint64_t), err))) return false;
        count_weights(&weights[n], &out->bins, out->counts[n]);
    }
    return true;
}

bool histogram_measure(const Network *network, const Network *versus, const bool *chosen, size_t bins,
                       WeightHistogram *out, Error *err) {
    Weights weights[2] = {{0}};
    *out = (WeightHistogram){0};
    const bool done =
        find_weights(network, versus, chosen, weights, &out->unmatched, err) && fill_histogram(weights, bins, out, err);
    out->layers = weights[0].count;
    for (int n = 0; n < 2; n++) mem_free(weights[n].tensors);
    if (!done) histogram_done(out);
    return done;
}

void histogram_done(WeightHistogram *histogram) {
    mem_free(histogram->bins.edges);
    for (int n = 0; n < 2; n++) mem_free(histogram->counts[n]);
    str_done(&histogram->unmatched);
    *histogram = (WeightHistogram){0};
}

/* ---- the table --------------------------------------------------------------------------------------------------- */

static void add_moments(Table *table, const WeightMoments *moments, bool versus) {
    static const char *const keys[2][8] = {
        {"weights", "mean", "deviation", "least", "greatest", "kurtosis", "zeros", "not_finite"},
        {"weights_vs", "mean_vs", "deviation_vs", "least_vs", "greatest_vs", "kurtosis_vs", "zeros_vs",
         "not_finite_vs"}};
    const char *const *key = keys[versus];
    table_note(table, key[0], "%llu", (unsigned long long)(moments->count + moments->not_finite));
    table_note(table, key[1], "%.9g", moments->mean);
    table_note(table, key[2], "%.9g", moments->deviation);
    table_note(table, key[3], "%.9g", moments->least);
    table_note(table, key[4], "%.9g", moments->greatest);
    if (!isnan(moments->kurtosis)) table_note(table, key[5], "%.9g", moments->kurtosis);
    table_note(table, key[6], "%.9g", (double)moments->zeros / (double)moments->count);
    if (moments->not_finite) table_note(table, key[7], "%llu", (unsigned long long)moments->not_finite);
}

static Table *table_of(const WeightHistogram *histogram, Error *err) {
    const bool versus = histogram->counts[1] != NULL;
    Table *table = table_new(err);
    if (!table) return NULL;
    table_column(table, "low", "", COLUMN_REAL);
    table_column(table, "high", "", COLUMN_REAL);
    table_column(table, "count", "", COLUMN_INTEGER);
    table_column(table, "share", "%", COLUMN_REAL);
    if (versus) table_column(table, "count_vs", "", COLUMN_INTEGER);
    if (versus) table_column(table, "share_vs", "%", COLUMN_REAL);
    for (size_t i = 0; i < histogram->bins.count; i++) {
        table_real(table, histogram->bins.edges[i]);
        table_real(table, histogram->bins.edges[i + 1]);
        for (int n = 0; n < 1 + versus; n++) {
            table_integer(table, (int64_t)histogram->counts[n][i]);
            table_real(table, 100 * (double)histogram->counts[n][i] / (double)histogram->moments[n].count);
        }
    }
    table_note(table, "layers", "%zu", histogram->layers);
    for (int n = 0; n < 1 + versus; n++) add_moments(table, &histogram->moments[n], n);
    if (histogram->unmatched.length > 0) table_note(table, "unmatched", "%s", str_text(&histogram->unmatched));
    return table_finish(table, err);
}

Table *histogram_table(const Network *network, const Network *versus, const bool *chosen, size_t bins, Error *err) {
    WeightHistogram histogram;
    if (!histogram_measure(network, versus, chosen, bins, &histogram, err)) return NULL;
    Table *table = table_of(&histogram, err);
    histogram_done(&histogram);
    return table;
}
