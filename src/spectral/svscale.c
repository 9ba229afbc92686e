/* svscale -- singular-value modulation: the smallest singular values of a layer times a factor.
 *
 * With W = U diag(s) V^T and T the set of the last singular values, U diag(s') V^T = W - U_T diag((1 - factor) s_T)
 * V_T^T: only the part that changes is rebuilt, in double, so everything else keeps its exact weights until the one
 * rounding to float32 at the end.
 */
#include "weft/spectral.h"

#include <float.h>
#include <math.h>
#include <string.h>

#include "spectral/lapack.h"
#include "spectral/layers.h"
#include "weft/base/error.h"
#include "weft/base/memory.h"
#include "weft/base/table.h"
#include "weft/base/task.h"
#include "weft/base/tensor.h"

typedef struct Modulation {
    double factor;
    unsigned last;
} Modulation;

static bool modulate(const float *weights, size_t rows, size_t columns, const Modulation *options, float *out,
                     Error *err) {
    size_t values = rows < columns ? rows : columns, changed = options->last < values ? options->last : values;
    uint64_t count = (uint64_t)rows * columns;
    double *matrix = mem_alloc(count, sizeof *matrix, err), *u = NULL, *vt = NULL, *sigma = NULL;
    bool done = false;
    if (matrix) u = mem_alloc((uint64_t)rows * values, sizeof *u, err);
    if (u) vt = mem_alloc((uint64_t)values * columns, sizeof *vt, err);
    if (vt) sigma = mem_alloc(values, sizeof *sigma, err);
    if (!sigma) goto out;
    for (uint64_t i = 0; i < count; i++) matrix[i] = (double)weights[i];
    if (!lapack_svd(matrix, rows, columns, u, sigma, vt, err)) goto out;
    size_t kept = values - changed;
    for (size_t k = kept; k < values; k++) {
        for (size_t j = 0; j < columns; j++) vt[k * columns + j] *= (1 - options->factor) * sigma[k];
    }
    for (uint64_t i = 0; i < count; i++) matrix[i] = (double)weights[i]; /* the decomposition has destroyed it */
    lapack_subtract_product(rows, columns, changed, u + kept, values, vt + kept * columns, matrix);
    for (uint64_t i = 0; i < count; i++) {
        if (!(fabs(matrix[i]) <= FLT_MAX)) {
            error_set(err, STATUS_USAGE, "factor %g makes weights too large for float32", options->factor);
            goto out;
        }
        out[i] = (float)matrix[i];
    }
    done = true;
out:
    mem_free(matrix);
    mem_free(u);
    mem_free(vt);
    mem_free(sigma);
    return done;
}

static bool modulate_layer(const void *context, const Network *network, size_t layer, float *out, Error *err) {
    const Modulation *options = context;
    const Layer *chosen = &network->layers[layer];
    const Tensor *weight = layer_weight(network, chosen);
    const bool transposed = layer_kind_transposed(chosen->kind);
    size_t rows, columns;
    float *copy, *made = out;
    layer_matrix(network, chosen, &rows, &columns);
    const float *matrix = layer_matrix_values(network, chosen, &copy, err);
    bool done = matrix && layers_check_weights(matrix, weight->count, FLT_MAX, err);
    if (done && transposed) done = (made = mem_alloc(weight->count, sizeof *made, err));
    if (done && (options->factor == 1 || options->last == 0 || weight->count == 0)) {
        if (weight->count > 0)
            memcpy(made, matrix, weight->count * sizeof *made); /* nothing changes: not even a rounding */
    } else if (done) {
        done = modulate(matrix, rows, columns, options, made, err);
    }
    if (done && transposed) layer_matrix_store(network, chosen, made, out);
    if (transposed) mem_free(made);
    mem_free(copy);
    return done;
}

/* The matrix and its two factors in double, LAPACK's room, and a copy of the weights. */
uint64_t svscale_bytes(const Network *network, size_t layer) {
    size_t rows, columns;
    layer_matrix(network, &network->layers[layer], &rows, &columns);
    const uint64_t k = rows < columns ? rows : columns, all = (uint64_t)rows * columns;
    return (2 * all + k * k + 4 * k * k + 64 * ((uint64_t)rows + columns)) * sizeof(double) + 2 * all * sizeof(float);
}

Network *svscale_apply(const Network *network, double factor, unsigned last, const bool *chosen, const char *command,
                       const Task *task, Error *err) {
    size_t count;
    if (!isfinite(factor) || factor < 0) {
        error_set(err, STATUS_USAGE, "factor %g: must be a finite number, 0 or above", factor);
        return NULL;
    }
    size_t *layers = layers_chosen(network, chosen, false, &count, err);
    if (!layers) return NULL;
    Modulation options = {factor, last};
    Network *result = layers_apply(network, layers, count, modulate_layer, svscale_bytes, LAYERS_DEAR, &options,
                                   "svscale", command, task, err);
    mem_free(layers);
    return result;
}

Table *svscale_curve(const Network *network, size_t layer, double factor, unsigned last, Error *err) {
    size_t rows, columns;
    layer_matrix(network, &network->layers[layer], &rows, &columns);
    const size_t count = rows < columns ? rows : columns, kept = last < count ? count - last : 0;
    Table *table = table_new(err);
    table_column(table, "index", "", COLUMN_INTEGER);
    table_column(table, "factor", "", COLUMN_REAL);
    for (size_t i = 0; table && i < count; i++) {
        table_integer(table, (int64_t)i + 1);
        table_real(table, i < kept ? 1 : factor);
    }
    return table_finish(table, err);
}
