/* histogram -- how the weights of layers are distributed. */
#include "weft/spectral/histogram.h"

#include <assert.h>
#include <math.h>
#include <pthread.h>
#include <string.h>

#include "spectral/layers.h"
#include "weft/base/map.h"
#include "weft/base/memory.h"
#include "weft/base/task.h"
#include "weft/base/tensor.h"
#include "weft/base/vectors.h"

/* The weights of one network's layers, as tensors. */
typedef struct Weights {
    const Tensor **tensors;
    size_t count;
} Weights;

/* ---- passes ------------------------------------------------------------------------------------------------------ */

/* What a pass adds up of one network. Numbers of weights do not depend on the order; sums are made piece by piece. */
enum { HALF = 1 << 16, HALVES = 4 };
static_assert(HISTOGRAM_BYTES == (6 + 2 * HALVES) * HALF * sizeof(uint64_t), "what see_weights holds at its most");

typedef struct Piece {
    const Tensor *tensor;
    uint64_t first, count;
    unsigned network;
    bool first_part, fine; /* fine: some part is not coarse */
    WeightMoments moments; /* of the piece; `mean` is the sum, `deviation` and `kurtosis` sums of powers */
} Piece;

typedef struct Pass Pass;
typedef void PassFunction(const Pass *pass, Piece *piece, const float *values, uint64_t count, uint64_t *counts);
struct Pass {
    const Weights *weights; /* of both networks */
    Piece *pieces;
    size_t piece_count;
    const double *mean;    /* of each network */
    const uint32_t *upper; /* HALVES upper halves of keys */
    const Bins *bins;
    PassFunction *function;
    size_t counters;      /* numbers of weights that are counted, of each network */
    uint64_t *counts;     /* of both */
    pthread_mutex_t lock; /* guards them */
};

enum { PIECE = 16 * TENSOR_SPAN };

static bool cut_pieces(Pass *pass, Error *err) {
    size_t count = 0;
    for (int n = 0; n < 2; n++)
        for (size_t t = 0; t < pass->weights[n].count; t++) count += pass->weights[n].tensors[t]->count / PIECE + 1;
    if (!(pass->pieces = mem_alloc(count, sizeof *pass->pieces, err))) return false;
    for (unsigned n = 0; n < 2; n++)
        for (size_t t = 0; t < pass->weights[n].count; t++) {
            const Tensor *tensor = pass->weights[n].tensors[t];
            for (uint64_t first = 0; first < tensor->count; first += PIECE) {
                const uint64_t left = tensor->count - first;
                pass->pieces[pass->piece_count++] = (Piece){.tensor = tensor,
                                                            .first = first,
                                                            .count = left < PIECE ? left : PIECE,
                                                            .network = n,
                                                            .first_part = true};
            }
        }
    return true;
}

static bool see_piece(const Pass *pass, Piece *piece, uint64_t *counts, Error *err) {
    float *room = piece->tensor->lazy ? mem_alloc(TENSOR_SPAN, sizeof *room, err) : NULL;
    bool done = room || !piece->tensor->lazy;
    for (uint64_t at = 0; done && at < piece->count; at += TENSOR_SPAN) {
        const uint64_t some = piece->count - at < TENSOR_SPAN ? piece->count - at : TENSOR_SPAN;
        const float *values = tensor_span(piece->tensor, piece->first + at, some, room, err);
        if ((done = values != NULL)) pass->function(pass, piece, values, some, counts);
    }
    mem_free(room);
    return done;
}

/* A large piece counts by itself, and adds that up at its end. A small one, which is cheaper than so many counters, has
 * the common ones to itself. */
static bool run_piece(void *context, size_t point, Error *err) {
    Pass *pass = context;
    Piece *piece = &pass->pieces[point];
    uint64_t *counts = pass->counters ? pass->counts + piece->network * pass->counters : NULL, *own = NULL;
    const bool large = !counts || piece->count > pass->counters;
    if (large && counts && !(own = mem_alloc(pass->counters, sizeof *own, err))) return false;
    bool done = !large || see_piece(pass, piece, own, err);
    pthread_mutex_lock(&pass->lock);
    for (size_t i = 0; own && done && i < pass->counters; i++) counts[i] += own[i];
    if (!large) done = see_piece(pass, piece, counts, err);
    pthread_mutex_unlock(&pass->lock);
    mem_free(own);
    return done;
}

/* Goes through all weights once. `counts`: 2 x `counters` numbers, zeroed. */
static bool run_pass(Pass *pass, PassFunction *function, uint64_t *counts, size_t counters, const Task *task,
                     Error *err) {
    pass->function = function;
    pass->counts = counts;
    pass->counters = counters;
    return map_points(pass->piece_count, NULL, run_piece, pass, "hist", task, err);
}

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

/* The half in which the weight of this rank lies; *rank becomes its rank there. `counts`: of both networks, `step`
 * numbers apart. */
static uint32_t half_of(const uint64_t *counts, size_t step, uint64_t *rank) {
    uint32_t half = 0;
    for (uint64_t here; *rank >= (here = counts[half] + counts[half + step]); half++) *rank -= here;
    return half;
}

/* ---- moments ----------------------------------------------------------------------------------------------------- */

/* Whether all values are bfloat16 numbers: then how often each occurs says everything, without another pass. */
VECTOR_PLAIN static bool is_coarse(const float *values, uint64_t count) {
    uint32_t bits = 0;
    for (uint64_t i = 0; i < count; i++) {
        uint32_t own;
        memcpy(&own, &values[i], sizeof own);
        bits |= own;
    }
    return (bits & 0xffff) == 0;
}

/* The lower half of the key of a bfloat16 number, whose own lower half is 0. */
static uint32_t coarse_lower(uint32_t upper) {
    return upper & 0x8000 ? 0 : 0xffff;
}

static double coarse_value(uint32_t upper) {
    return (double)disordered(upper << 16 | coarse_lower(upper));
}

/* Range, sum and numbers; how often each upper half of the keys occurs. Behind those, the same of parts that are
 * coarse, and nothing else of these. */
static void see_range(const Pass *pass, Piece *piece, const float *values, uint64_t count, uint64_t *counts) {
    WeightMoments *out = &piece->moments;
    (void)pass;
    if (piece->first_part) *out = (WeightMoments){.least = INFINITY, .greatest = -INFINITY};
    piece->first_part = false;
    if (is_coarse(values, count)) {
        for (uint64_t i = 0; i < count; i++) counts[HALF + (ordered(values[i]) >> 16)]++;
        return;
    }
    piece->fine = true;
    for (uint64_t i = 0; i < count; i++) {
        const double value = (double)values[i];
        if (!isfinite(value)) {
            out->not_finite++;
            continue;
        }
        out->count++;
        out->zeros += value == 0;
        out->least = value < out->least ? value : out->least;
        out->greatest = value > out->greatest ? value : out->greatest;
        out->mean += value;
        counts[ordered(values[i]) >> 16]++;
    }
}

/* Second and fourth powers about the mean; how often, below each of the upper halves, each lower half occurs. */
static void see_moments(const Pass *pass, Piece *piece, const float *values, uint64_t count, uint64_t *counts) {
    WeightMoments *out = &piece->moments;
    const double mean = pass->mean[piece->network];
    if (is_coarse(values, count)) return;
    for (uint64_t i = 0; i < count; i++) {
        const double value = (double)values[i], off = (value - mean) * (value - mean);
        if (!isfinite(value)) continue;
        out->deviation += off;
        out->kurtosis += off * off;
        const uint32_t key = ordered(values[i]), upper = key >> 16;
        for (unsigned h = 0; h < HALVES && counts; h++)
            if (upper == pass->upper[h]) counts[h * HALF + (key & 0xffff)]++;
    }
}

/* The pieces' numbers as one, in their order, and those of the coarse parts; of these, `coarse` keeps the finite. */
static void add_range(const Pass *pass, unsigned network, uint64_t *coarse, WeightMoments *out) {
    *out = (WeightMoments){.least = INFINITY, .greatest = -INFINITY};
    for (size_t i = 0; i < pass->piece_count; i++) {
        const WeightMoments *piece = &pass->pieces[i].moments;
        if (pass->pieces[i].network != network) continue;
        out->count += piece->count;
        out->not_finite += piece->not_finite;
        out->zeros += piece->zeros;
        out->least = fmin(out->least, piece->least);
        out->greatest = fmax(out->greatest, piece->greatest);
        out->mean += piece->mean;
    }
    for (uint32_t upper = 0; upper < HALF; upper++) {
        const double value = coarse_value(upper);
        if (coarse[upper] == 0) continue;
        if (!isfinite(value)) {
            out->not_finite += coarse[upper];
            coarse[upper] = 0;
            continue;
        }
        out->count += coarse[upper];
        out->zeros += value == 0 ? coarse[upper] : 0;
        out->least = fmin(out->least, value);
        out->greatest = fmax(out->greatest, value);
        out->mean += value * (double)coarse[upper];
    }
    out->mean /= (double)out->count;
}

static void add_moments_of(const Pass *pass, unsigned network, const uint64_t *coarse, WeightMoments *out) {
    double second = 0, fourth = 0;
    for (uint32_t upper = 0; upper < HALF; upper++) {
        if (coarse[upper] == 0) continue;
        const double off = coarse_value(upper) - out->mean, square = off * off * (double)coarse[upper];
        second += square;
        fourth += off * off * square;
    }
    for (size_t i = 0; i < pass->piece_count; i++) {
        if (pass->pieces[i].network != network) continue;
        second += pass->pieces[i].moments.deviation;
        fourth += pass->pieces[i].moments.kurtosis;
    }
    const double count = (double)out->count, variance = second / count;
    out->deviation = sqrt(variance);
    out->kurtosis = variance > 0 ? fourth / count / (variance * variance) - 3 : NAN;
    if (out->count == 0) out->least = out->greatest = NAN;
}

/* First and third quartile, by linear interpolation as quantile_of, from two passes of counting: each lies between two
 * weights, whose upper halves the first pass tells. */
typedef struct Quartiles {
    double place[2];
    uint64_t rank[HALVES]; /* within the upper half */
    uint32_t upper[HALVES];
} Quartiles;

/* `counts`: those of both networks, HALF apart. */
static void place_quartiles(const uint64_t *counts, uint64_t count, Quartiles *out) {
    for (int q = 0; q < 2; q++) {
        out->place[q] = (q ? 0.75 : 0.25) * (double)(count - 1);
        out->rank[2 * q] = (uint64_t)out->place[q];
        out->rank[2 * q + 1] = out->rank[2 * q] + 1 < count ? out->rank[2 * q] + 1 : count - 1;
    }
    for (int r = 0; r < HALVES; r++) out->upper[r] = half_of(counts, HALF, &out->rank[r]);
}

static double quartile(const Quartiles *q, const uint64_t *counts, int which) {
    double found[2];
    for (int i = 0; i < 2; i++) {
        const int r = 2 * which + i;
        uint64_t rank = q->rank[r];
        const uint32_t lower = half_of(counts + (size_t)r * HALF, HALVES * HALF, &rank);
        found[i] = (double)disordered(q->upper[r] << 16 | lower);
    }
    return found[0] + (q->place[which] - floor(q->place[which])) * (found[1] - found[0]);
}

/* ---- histogram --------------------------------------------------------------------------------------------------- */

static void see_bins(const Pass *pass, Piece *piece, const float *values, uint64_t count, uint64_t *counts) {
    (void)piece;
    if (is_coarse(values, count)) return;
    for (uint64_t i = 0; i < count; i++)
        if (isfinite(values[i])) counts[bins_index(pass->bins, (double)values[i])]++;
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

static bool any_fine(const Pass *pass) {
    for (size_t i = 0; i < pass->piece_count; i++)
        if (pass->pieces[i].fine) return true;
    return false;
}

/* A pass over what the first one has not told already. */
static bool run_fine(Pass *pass, PassFunction *function, uint64_t *counts, size_t counters, const Task *task,
                     Error *err) {
    return !any_fine(pass) || run_pass(pass, function, counts, counters, task, err);
}

/* What the first pass counts, of network n from counts[2 n HALF] on: fine parts, and coarse ones. */
static uint64_t *coarse_of(uint64_t *counts, unsigned n) {
    return counts + (2 * n + 1) * (size_t)HALF;
}

static bool find_quartiles(Pass *pass, uint64_t *counts, uint64_t count, Quartiles *quartiles, uint64_t **lower,
                           Error *err) {
    uint64_t *all = mem_alloc(2 * HALF, sizeof *all, err);
    for (size_t i = 0; all && i < 2 * HALF; i++)
        all[i] = counts[i / HALF * 2 * HALF + i % HALF] + coarse_of(counts, (unsigned)(i / HALF))[i % HALF];
    if (all) place_quartiles(all, count, quartiles);
    const bool done = all && (*lower = mem_alloc(2 * HALVES * HALF, sizeof **lower, err));
    for (unsigned n = 0; done && n < 2; n++)
        for (unsigned h = 0; h < HALVES; h++) {
            const uint32_t upper = quartiles->upper[h];
            (*lower)[(n * HALVES + h) * (size_t)HALF + coarse_lower(upper)] = coarse_of(counts, n)[upper];
        }
    pass->upper = quartiles->upper;
    mem_free(all);
    return done;
}

/* Range and moments of both; the quartiles where *bins is 0, for how many there are to be. */
static bool see_weights(Pass *pass, size_t *bins, uint64_t *counts, WeightHistogram *out, const Task *task,
                        Error *err) {
    WeightMoments *m = out->moments;
    uint64_t *lower = NULL;
    Quartiles quartiles;
    bool done = run_pass(pass, see_range, counts, 2 * HALF, task, err);
    for (unsigned n = 0; done && n < 2; n++) add_range(pass, n, coarse_of(counts, n), &m[n]);
    const uint64_t count = m[0].count + m[1].count;
    if (done && count == 0) done = error_set(err, STATUS_BAD_INPUT, "no weight of these layers is finite");
    if (done && *bins == 0) done = find_quartiles(pass, counts, count, &quartiles, &lower, err);
    const double means[2] = {m[0].mean, m[1].mean};
    pass->mean = means;
    done = done && run_fine(pass, see_moments, lower, lower ? HALVES * HALF : 0, task, err);
    for (unsigned n = 0; done && n < 2; n++) add_moments_of(pass, n, coarse_of(counts, n), &m[n]);
    if (done && *bins == 0)
        *bins = bins_usual(fmin(m[0].least, m[1].least), fmax(m[0].greatest, m[1].greatest),
                           quartile(&quartiles, lower, 0), quartile(&quartiles, lower, 1), count, HISTOGRAM_BINS_USUAL);
    mem_free(lower);
    return done;
}

static bool count_bins(Pass *pass, const uint64_t *coarse, size_t bins, WeightHistogram *out, const Task *task,
                       Error *err) {
    const int networks = pass->weights[1].tensors ? 2 : 1;
    uint64_t *counts = mem_alloc(2 * (uint64_t)bins, sizeof *counts, err);
    bool done = counts && run_fine(pass, see_bins, counts, bins, task, err);
    for (int n = 0; done && n < networks; n++) {
        uint64_t *own = counts + (size_t)n * bins;
        for (uint32_t upper = 0; upper < HALF; upper++) {
            const uint64_t here = coarse[(size_t)n * 2 * HALF + upper];
            if (here > 0) own[bins_index(&out->bins, coarse_value(upper))] += here;
        }
        done = (out->counts[n] = mem_alloc(bins, sizeof(uint64_t), err));
        if (done) memcpy(out->counts[n], own, bins * sizeof *own);
    }
    mem_free(counts);
    return done;
}

static bool fill_histogram(Pass *pass, size_t bins, WeightHistogram *out, const Task *task, Error *err) {
    const WeightMoments *m = out->moments;
    uint64_t *counts = mem_alloc(4 * HALF, sizeof *counts, err);
    bool done = counts && cut_pieces(pass, err) && see_weights(pass, &bins, counts, out, task, err);
    if (done) {
        out->bins.count = bins;
        done = (out->bins.edges = mem_alloc(bins + 1, sizeof(double), err));
    }
    if (done) {
        bins_place(&out->bins, fmin(m[0].least, m[1].least), fmax(m[0].greatest, m[1].greatest)); /* NaN is left out */
        pass->bins = &out->bins;
        done = count_bins(pass, coarse_of(counts, 0), bins, out, task, err);
    }
    mem_free(counts);
    return done;
}

bool histogram_measure(const Network *network, const Network *versus, const bool *chosen, size_t bins, const Task *task,
                       WeightHistogram *out, Error *err) {
    Weights weights[2] = {{0}};
    Pass pass = {.weights = weights, .lock = PTHREAD_MUTEX_INITIALIZER};
    *out = (WeightHistogram){0};
    const bool done = find_weights(network, versus, chosen, weights, &out->unmatched, err) &&
                      fill_histogram(&pass, bins, out, task, err);
    mem_free(pass.pieces);
    pthread_mutex_destroy(&pass.lock);
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

Table *histogram_table(const Network *network, const Network *versus, const bool *chosen, size_t bins, const Task *task,
                       Error *err) {
    WeightHistogram histogram;
    if (!histogram_measure(network, versus, chosen, bins, task, &histogram, err)) return NULL;
    Table *table = table_of(&histogram, err);
    histogram_done(&histogram);
    return table;
}
