/* quality -- the eigenvalues of layers, and the numbers that are read off them (weft/spectral/quality.h).
 *
 * WeightWatcher's numbers, with its rules: a convolution's slices W(:, :, i, j) times sqrt(1/2); no fits below 8
 * eigenvalues; eigenvalues up to 1e-5 are left out of the power law; natural logarithms in the entropy, logarithms to
 * base 10 in the norms. The singular values are those of dgesdd, not roots of a Gram matrix's eigenvalues, but where
 * the small ones are as good (values_of_layer): the power law and the rank see them.
 */
#include "weft/spectral/quality.h"

#include <float.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "spectral/lapack.h"
#include "spectral/layers.h"
#include "spectral/squares.h"
#include "weft/base/error.h"
#include "weft/base/map.h"
#include "weft/base/memory.h"
#include "weft/base/stats.h"
#include "weft/base/task.h"
#include "weft/base/text.h"

enum { EIGENVALUES_MIN = 8 };
static const double TAIL_MIN = 1e-5, ENTROPY_SHIFT = 1e-10;

/* ---- eigenvalues ------------------------------------------------------------------------------------------------- */

typedef struct Measure {
    const Network *network;
    const char *whose; /* for errors */
    size_t layer;
    bool whole;
    QualityLayer *out;
} Measure;

/* N, M and the number of matrices. */
static void set_matrices(const Network *network, size_t layer, bool whole, QualityLayer *out) {
    const LayerKernel kernel = layers_kernel(network, layer);
    const Tensor *weight = layer_weight(network, &network->layers[layer]);
    size_t rows, columns;
    layer_matrix(network, &network->layers[layer], &rows, &columns);
    out->matrices = 1;
    if (!whole && kernel.axes > 0) {
        rows = (size_t)weight->dim[0];
        columns = (size_t)weight->dim[1];
        out->matrices = kernel.elements;
    }
    out->N = rows > columns ? rows : columns;
    out->M = rows > columns ? columns : rows;
    out->eigenvalues = out->M * out->matrices;
}

/* The singular values of `count` matrices of rows x columns, ascending. Element (i, j) of matrix m is
 * weights[(i columns + j) count + m]. */
static bool pooled_values(const float *weights, size_t rows, size_t columns, size_t count, double *values, Error *err) {
    const uint64_t elements = (uint64_t)rows * columns;
    const size_t each = rows < columns ? rows : columns;
    if (!lapack_admits(rows, columns, err)) return false;
    double *matrix = mem_alloc(elements, sizeof *matrix, err);
    bool done = matrix != NULL;
    for (size_t m = 0; done && m < count; m++) {
        for (uint64_t i = 0; i < elements; i++) matrix[i] = (double)weights[i * count + m];
        done = lapack_singular_values(matrix, rows, columns, values + m * each, err);
    }
    mem_free(matrix);
    if (done) qsort(values, each * count, sizeof *values, numbers_ascending);
    return done;
}

static bool is_sliced(const Measure *measure) {
    return !measure->whole && layers_convolution(measure->network, measure->layer);
}

/* The layer's singular values, ascending, as many as it has eigenvalues; to free. */
static double *values_of(const Measure *measure, Error *err) {
    const Network *network = measure->network;
    const Layer *layer = &network->layers[measure->layer];
    const Tensor *weight = layer_weight(network, layer);
    const size_t count = measure->out->eigenvalues;
    float *copy = NULL;
    double *values = mem_alloc(count, sizeof *values, err);
    bool done = values != NULL;
    if (done && is_sliced(measure)) {
        const float *weights = layers_weights(network, measure->layer, &copy, err);
        done = weights && pooled_values(weights, (size_t)weight->dim[0], (size_t)weight->dim[1], measure->out->matrices,
                                        values, err);
        for (size_t i = 0; done && i < count; i++) values[i] *= sqrt(0.5);
    } else if (done && (done = values_of_layer(network, layer, values, err))) {
        qsort(values, count, sizeof *values, numbers_ascending);
    }
    mem_free(copy);
    if (done) return values;
    mem_free(values);
    return NULL;
}

/* ---- their numbers ----------------------------------------------------------------------------------------------- */

/* Norms and ranks, of the singular values and their squares; the largest is not 0. */
static void set_norms(const double *values, const double *squares, QualityLayer *out) {
    const size_t count = out->eigenvalues;
    const double largest = squares[count - 1], tolerance = values[count - 1] * (double)out->N * DBL_EPSILON;
    double *number = out->number, norm = 0, sum = 0, entropy = 0, spread = 0;
    size_t rank = 0;
    for (size_t i = 0; i < count; i++) {
        norm += squares[i];
        sum += values[i];
        rank += values[i] > tolerance;
    }
    for (size_t i = 0; i < count; i++) {
        const double p = squares[i] / norm + ENTROPY_SHIFT, q = values[i] / sum;
        entropy -= p * log(p);
        if (q > 0) spread -= q * log(q);
    }
    number[QUALITY_NORM] = norm;
    number[QUALITY_LOG_NORM] = log10(norm);
    number[QUALITY_FROBENIUS_NORM] = sqrt(norm);
    number[QUALITY_SPECTRAL_NORM] = largest;
    number[QUALITY_LOG_SPECTRAL_NORM] = log10(largest);
    number[QUALITY_SV_MAX] = values[count - 1];
    number[QUALITY_STABLE_RANK] = norm / largest;
    number[QUALITY_EFFECTIVE_RANK] = exp(spread);
    number[QUALITY_RANK] = (double)rank;
    if (rank > 1) number[QUALITY_ENTROPY] = entropy / log((double)rank + ENTROPY_SHIFT);
}

static bool set_tail(const double *squares, QualityLayer *out, Error *err) {
    const size_t count = out->eigenvalues;
    double *number = out->number, sum = 0;
    size_t small = 0;
    PowerLaw law;
    while (small < count && squares[small] <= TAIL_MIN) small++;
    if (!power_law_fit(squares + small, count - small, &law, err)) return false;
    if (isnan(law.alpha)) {
        out->fault = count - small < 2 ? LAYER_FAULT_FEW_LARGE_EIGENVALUES : LAYER_FAULT_EQUAL_EIGENVALUES;
        return true;
    }
    for (size_t i = 0; i < count; i++) sum += pow(squares[i], law.alpha);
    number[QUALITY_ALPHA] = law.alpha;
    number[QUALITY_SIGMA] = law.sigma;
    number[QUALITY_DISTANCE] = law.distance;
    number[QUALITY_XMIN] = law.xmin;
    number[QUALITY_XMAX] = law.xmax;
    number[QUALITY_TAIL] = (double)law.tail;
    number[QUALITY_ALPHA_WEIGHTED] = law.alpha * number[QUALITY_LOG_SPECTRAL_NORM];
    number[QUALITY_LOG_ALPHA_NORM] = log10(sum);
    return true;
}

static bool set_bulk(const double *squares, QualityLayer *out, Error *err) {
    double *number = out->number;
    Bulk bulk;
    if (!bulk_fit(squares, out->eigenvalues, out->N, out->M, &bulk, err)) return false;
    if (isnan(bulk.sigma)) {
        out->bulk_fault = LAYER_FAULT_NO_DENSITY;
        return true;
    }
    number[QUALITY_LAMBDA_PLUS] = bulk.lambda_plus;
    number[QUALITY_SPIKES] = (double)bulk.spikes;
    number[QUALITY_SPIKE_SHARE] = 100.0 * (double)bulk.spikes / (double)out->eigenvalues;
    number[QUALITY_SIGMA_MP] = bulk.sigma;
    number[QUALITY_MP_SOFTRANK] = bulk.soft_rank;
    return true;
}

static bool set_numbers(const double *values, QualityLayer *out, Error *err) {
    const size_t count = out->eigenvalues;
    if (values[count - 1] <= 0) {
        out->number[QUALITY_NORM] = out->number[QUALITY_FROBENIUS_NORM] = 0;
        out->number[QUALITY_SPECTRAL_NORM] = out->number[QUALITY_SV_MAX] = 0;
        out->fault = LAYER_FAULT_ZERO;
        return true;
    }
    double *squares = mem_alloc(count, sizeof *squares, err);
    if (!squares) return false;
    for (size_t i = 0; i < count; i++) squares[i] = values[i] * values[i];
    set_norms(values, squares, out);
    if (count < EIGENVALUES_MIN) out->fault = LAYER_FAULT_FEW_EIGENVALUES;
    const bool done = out->fault || (set_tail(squares, out, err) && (out->fault || set_bulk(squares, out, err)));
    mem_free(squares);
    return done;
}

/* ---- a network's layers, or two networks' ------------------------------------------------------------------------ */

/* Of slices the weights, one matrix in double and what LAPACK needs beside it; and the values. */
static uint64_t bytes_of(const Measure *measure) {
    const QualityLayer *out = measure->out;
    size_t rows, columns;
    layer_matrix(measure->network, &measure->network->layers[measure->layer], &rows, &columns);
    if (!is_sliced(measure)) return values_bytes(rows, columns) + 3 * out->eigenvalues * sizeof(double);
    return layers_bytes(measure->network, measure->layer) +
           (out->N * (uint64_t)out->M + out->M * (uint64_t)out->M + 3 * out->eigenvalues + 64 * (uint64_t)out->N) *
               sizeof(double);
}

static bool measure_one(void *context, size_t point, Error *err) {
    const Measure *measure = (const Measure *)context + point;
    const Layer *layer = &measure->network->layers[measure->layer];
    QualityLayer *out = measure->out;
    if (!layers_fault(layer_weight(measure->network, layer), &out->fault, err))
        return error_prefix(err, "layer '%s'%s", layer->name, measure->whose);
    if (out->fault) return true;
    if (out->eigenvalues == 0) {
        out->fault = LAYER_FAULT_EMPTY;
        return true;
    }
    const uint64_t bytes = bytes_of(measure);
    if (!mem_work_begin(bytes, LAYERS_WORK, err)) return error_prefix(err, "layer '%s'%s", layer->name, measure->whose);
    double *values = values_of(measure, err);
    const bool done = values && set_numbers(values, out, err);
    mem_free(values);
    mem_work_end(bytes);
    return done || error_prefix(err, "layer '%s'%s", layer->name, measure->whose);
}

/* All of it but the name. */
static void *result_of(void *context, size_t item) {
    return &((const Measure *)context)[item].out->N;
}

static bool measure_all(Measure *measures, size_t count, double worth, const Task *task, Error *err) {
    double *costs = mem_alloc(count, sizeof *costs, err);
    if (!costs) return false;
    for (size_t i = 0; i < count; i++) {
        const Measure *measure = &measures[i];
        QualityLayer *out = measure->out;
        out->name = measure->network->layers[measure->layer].name;
        for (size_t n = 0; n < QUALITY_COUNT; n++) out->number[n] = (double)NAN;
        set_matrices(measure->network, measure->layer, measure->whole, out);
        costs[i] = (double)out->N * (double)out->M * (double)out->eigenvalues;
    }
    const Items items = {.count = count,
                         .cost = costs,
                         .evaluate = measure_one,
                         .result = result_of,
                         .result_bytes = sizeof(QualityLayer) - offsetof(QualityLayer, N),
                         .context = measures,
                         .what = "quality",
                         .worth = worth,
                         .least = LAYERS_LEAST};
    const bool done = map_items(&items, task, err);
    mem_free(costs);
    return done;
}

static void mean_of(const QualityLayer *layers, const Quality *quality, double *mean) {
    for (size_t n = 0; n < QUALITY_COUNT; n++) {
        double sum = 0;
        size_t numbers = 0;
        for (size_t i = 0; i < quality->count; i++) {
            const bool counts = !quality->layers[i].fault && !(quality->versus && quality->versus[i].fault);
            if (!counts || isnan(layers[i].number[n])) continue;
            if (quality->versus && isnan(quality->layers[i].number[n] + quality->versus[i].number[n])) continue;
            sum += layers[i].number[n];
            numbers++;
        }
        mean[n] = numbers > 0 ? sum / (double)numbers : (double)NAN;
    }
}

static void set_means(Quality *quality) {
    for (size_t i = 0; i < quality->count; i++)
        quality->averaged += !quality->layers[i].fault && !(quality->versus && quality->versus[i].fault);
    mean_of(quality->layers, quality, quality->mean);
    if (quality->versus) mean_of(quality->versus, quality, quality->mean_vs);
}

/* The layers in pairs; with one network both are the same. */
static LayerPair *pairs_of(const Network *network, const Network *versus, const bool *chosen, Quality *out,
                           Error *err) {
    if (versus) return layers_match(network, versus, chosen, false, &out->count, &out->unmatched, err);
    size_t *layers = layers_chosen(network, chosen, false, &out->count, err);
    LayerPair *pairs = layers ? mem_alloc(out->count, sizeof *pairs, err) : NULL;
    for (size_t i = 0; pairs && i < out->count; i++) pairs[i] = (LayerPair){layers[i], layers[i]};
    mem_free(layers);
    return pairs;
}

bool quality_measure(const Network *network, const Network *versus, const bool *chosen, bool whole, const Task *task,
                     Quality *out, Error *err) {
    *out = (Quality){0};
    Measure *measures = NULL;
    LayerPair *pairs = pairs_of(network, versus, chosen, out, err);
    const size_t count = pairs ? out->count : 0;
    if (pairs) out->layers = mem_alloc(count, sizeof *out->layers, err);
    if (out->layers && versus) out->versus = mem_alloc(count, sizeof *out->versus, err);
    if (out->layers && (out->versus || !versus)) measures = mem_alloc(2 * (uint64_t)count, sizeof *measures, err);
    for (size_t i = 0; measures && i < count; i++) {
        measures[i] = (Measure){network, "", pairs[i].a, whole, &out->layers[i]};
        if (versus)
            measures[count + i] = (Measure){versus, " of the second network", pairs[i].b, whole, &out->versus[i]};
    }
    const bool done =
        measures && measure_all(measures, versus ? 2 * count : count, layers_worth(network, versus), task, err);
    if (done)
        set_means(out);
    else
        quality_done(out);
    mem_free(measures);
    mem_free(pairs);
    return done;
}

void quality_done(Quality *quality) {
    mem_free(quality->layers);
    mem_free(quality->versus);
    str_done(&quality->unmatched);
    *quality = (Quality){0};
}
