/* mlp_new -- the MLP of a predictor made ready for its passes: encodings, buffers, and its parameters packed. */
#include "predictor/mlp.h"

#include <string.h>

#include "weft/base/error.h"
#include "weft/base/gemm.h"
#include "weft/base/memory.h"
#include "weft/base/pool.h"
#include "weft/base/size.h"
#include "weft/base/tiles.h"

enum {
    GROUPS_WIDE = 8,         /* groups where gradients are wide: */
    GRADIENT_WIDE = 1 << 20, /* numbers, or more */
    TILES_WIDTH = 256        /* from this width on the matrix unit gains more than packing for it costs */
};

/* ---- making ------------------------------------------------------------------------------------------------------ */

static unsigned padded(unsigned width) {
    return (width + LANES - 1) / LANES * LANES;
}

/* The value that an index is encoded as, after the configured normalisation. */
static double normalised(const Predictor *p, unsigned which, size_t layer, uint32_t index, const uint32_t largest[3]) {
    const PredictedLayer *l = &p->layers[layer];
    const double local[3] = {(double)p->layer_count, l->filters, l->channels};
    if (p->config.normalisation == INDEX_LOCAL) return index / local[which];
    if (p->config.normalisation == INDEX_GLOBAL) return (double)index / largest[which];
    return index;
}

/* Rows of the encoding of one index: one for every value it can have, or for every (layer, value) where the encoding
 * depends on the layer. Counts them where `mlp->encoding[which]` is not made yet. */
static size_t encode_index(Mlp *mlp, unsigned which, const uint32_t largest[3]) {
    const Predictor *p = mlp->predictor;
    const bool by_layer = p->config.normalisation == INDEX_LOCAL && which > 0;
    const unsigned width = 2 * p->config.levels;
    size_t rows = 0;
    for (size_t layer = 0; layer < p->layer_count; layer++) {
        const uint32_t own[3] = {0, p->layers[layer].filters, p->layers[layer].channels};
        const uint32_t values = by_layer ? own[which] : largest[which];
        mlp->first_row[which][layer] = by_layer ? rows : 0;
        if (!by_layer && layer > 0) continue;
        for (uint32_t value = 0; mlp->encoding[which] && value < values; value++)
            encoding_row(p->config.base, p->config.levels, normalised(p, which, layer, value, largest),
                         mlp->encoding[which] + (rows + value) * width);
        rows += values;
    }
    return rows;
}

static bool make_encodings(Mlp *mlp, Error *err) {
    const Predictor *p = mlp->predictor;
    uint32_t largest[3] = {(uint32_t)p->layer_count, 0, 0};
    for (size_t layer = 0; layer < p->layer_count; layer++) {
        if (p->layers[layer].filters > largest[1]) largest[1] = p->layers[layer].filters;
        if (p->layers[layer].channels > largest[2]) largest[2] = p->layers[layer].channels;
    }
    for (unsigned which = 0; which < 3; which++) {
        mlp->first_row[which] = mem_alloc(p->layer_count, sizeof *mlp->first_row[which], err);
        if (!mlp->first_row[which]) return false;
        mlp->rows[which] = encode_index(mlp, which, largest);
        mlp->encoding[which] = mem_alloc(mlp->rows[which] * 2 * p->config.levels, sizeof(float), err);
        if (!mlp->encoding[which]) return false;
        encode_index(mlp, which, largest);
        mlp->table_rows += mlp->rows[which];
    }
    mlp->row = mem_alloc(p->kernel_count, sizeof *mlp->row, err);
    for (size_t k = 0; mlp->row && k < p->kernel_count; k++) {
        const KernelIndex *index = &p->index[k];
        const size_t layer = index->layer;
        mlp->row[k].at[0] = (uint32_t)(mlp->first_row[0][layer] + index->layer);
        mlp->row[k].at[1] = (uint32_t)(mlp->rows[0] + mlp->first_row[1][layer] + index->filter);
        mlp->row[k].at[2] = (uint32_t)(mlp->rows[0] + mlp->rows[1] + mlp->first_row[2][layer] + index->channel);
    }
    return mlp->row != NULL;
}

/* Where each linear layer's padded weights and gradients lie. */
static void place_layers(Mlp *mlp) {
    const Predictor *p = mlp->predictor;
    mlp->linear = p->config.linear;
    mlp->width = padded(p->config.hidden);
    mlp->last = padded(p->outputs);
    mlp->gradient_size = mlp->table_rows * mlp->width;
    for (unsigned i = 1; i < mlp->linear; i++) {
        MlpPlace *place = &mlp->place[i];
        place->out = i + 1 < mlp->linear ? mlp->width : mlp->last;
        place->weight = mlp->weight_size;
        mlp->weight_size += (size_t)place->out * mlp->width;
        place->bias = (size_t)i * (mlp->width > mlp->last ? mlp->width : mlp->last);
        place->weight_gradient = mlp->gradient_size;
        mlp->gradient_size += (size_t)place->out * mlp->width;
        place->bias_gradient = mlp->gradient_size;
        mlp->gradient_size += place->out;
        place->forward = mlp->tiles_size;
        mlp->tiles_size += tiles_size(place->out, p->mlp[i].in);
        place->backward = mlp->tiles_size;
        mlp->tiles_size += tiles_size(mlp->width, p->mlp[i].out);
    }
}

size_t mlp_groups_most(const Mlp *mlp) {
    return mlp->gradient_size < GRADIENT_WIDE ? MLP_GROUPS_MOST : GROUPS_WIDE;
}

/* The weights and, for the matrix unit, a block's rows, packed for the products of a pass. */
static bool make_packed(Mlp *mlp, Error *err) {
    if (mlp->packed_size == 0)
        return (mlp->forward = mem_alloc(mlp->weight_size, sizeof(float), err)) &&
               (mlp->backward = mem_alloc(mlp->weight_size, sizeof(float), err));
    return (mlp->tiles = mem_alloc(mlp->tiles_size, sizeof *mlp->tiles, err)) &&
           (mlp->packed = mem_alloc(2 * mlp->packed_size * mlp->workers, sizeof *mlp->packed, err));
}

static bool make_buffers(Mlp *mlp, Error *err) {
    const size_t block = (size_t)MLP_ROWS * mlp->width, widest = mlp->width > mlp->last ? mlp->width : mlp->last;
    const bool sums = mlp->predictor->config.activation != PREDICTOR_RELU; /* the derivative needs them */
    mlp->workers = pool_threads();
    mlp->worker_size = block * (mlp->linear - 1) * (sums ? 2 : 1) + 2 * block + 2 * (size_t)MLP_ROWS * mlp->last;
    mlp->sums = sums ? block * (mlp->linear - 1) : 0;
    if (mlp->width >= TILES_WIDTH && tiles_available()) {
        const size_t of_rows = tiles_size(MLP_ROWS, widest), of_columns = tiles_size(widest, MLP_ROWS);
        mlp->packed_size = of_rows > of_columns ? of_rows : of_columns;
    }
    const size_t blocks = mlp->predictor->kernel_count / MLP_ROWS + 1, pieces = blocks + 2 * MLP_GROUPS_MOST;
    const size_t groups = blocks < mlp_groups_most(mlp) ? blocks : mlp_groups_most(mlp);
    uint64_t gradients = 0, scratch = 0, total;
    if (!size_mul(mlp->gradient_size, groups, &gradients) || !size_mul(mlp->worker_size, mlp->workers, &scratch) ||
        !size_add(gradients, scratch, &total) || !size_add(total, mlp->packed_size * mlp->workers, &total) ||
        !size_mul(total, sizeof(float), &total))
        total = UINT64_MAX;
    return mem_admit(total, "a predictor this large", err) &&
           (mlp->table = mem_alloc(mlp->table_rows * mlp->width, sizeof(float), err)) && make_packed(mlp, err) &&
           (mlp->bias = mem_alloc(widest * mlp->linear, sizeof(float), err)) &&
           (mlp->scratch = mem_alloc(scratch, sizeof(float), err)) &&
           (mlp->gradients = mem_alloc(gradients, sizeof(float), err)) &&
           (mlp->squares = mem_alloc(pieces, sizeof *mlp->squares, err)) &&
           (mlp->rest = mem_alloc(mlp->predictor->kernel_count, sizeof *mlp->rest, err)) &&
           (mlp->mask = mem_alloc(mlp->predictor->layer_count * mlp->predictor->outputs, sizeof(float), err));
}

Mlp *mlp_new(const Predictor *predictor, Error *err) {
    Mlp *mlp = mem_alloc(1, sizeof *mlp, err);
    if (!mlp) return NULL;
    mlp->predictor = predictor;
    bool done = make_encodings(mlp, err);
    if (done) place_layers(mlp);
    if (!done || !make_buffers(mlp, err)) {
        mlp_free(mlp);
        return NULL;
    }
    for (size_t layer = 0; layer < predictor->layer_count; layer++)
        predictor_mask(predictor, layer, mlp->mask + layer * predictor->outputs);
    mlp_set(mlp, predictor->parameters);
    return mlp;
}

void mlp_free(Mlp *mlp) {
    if (!mlp) return;
    for (unsigned which = 0; which < 3; which++) {
        mem_free(mlp->first_row[which]);
        mem_free(mlp->encoding[which]);
    }
    mem_free(mlp->row);
    mem_free(mlp->table);
    mem_free(mlp->forward);
    mem_free(mlp->backward);
    mem_free(mlp->tiles);
    mem_free(mlp->packed);
    mem_free(mlp->bias);
    mem_free(mlp->scratch);
    mem_free(mlp->gradients);
    mem_free(mlp->squares);
    mem_free(mlp->rest);
    mem_free(mlp->mask);
    mem_free(mlp);
}

double mlp_operations(const Predictor *predictor, size_t forward, size_t backward) {
    double inner = 0;
    for (unsigned i = 1; i < predictor->config.linear; i++)
        inner += 2.0 * (double)predictor->mlp[i].in * (double)predictor->mlp[i].out;
    return inner * ((double)forward + 2 * (double)backward);
}

/* ---- parameters -------------------------------------------------------------------------------------------------- */

static void set_layer(Mlp *mlp, unsigned i) {
    const MlpLayer *layer = &mlp->predictor->mlp[i];
    const MlpPlace *place = &mlp->place[i];
    const float *weight = mlp->parameters + layer->weight;
    if (mlp->tiles) {
        const TilesSource forward = {weight, layer->in, layer->out, layer->in, true, false};
        const TilesSource backward = {weight, layer->in, layer->in, layer->out, false, false};
        tiles_pack(&forward, TILES_RIGHT, mlp->tiles + place->forward);
        tiles_pack(&backward, TILES_RIGHT, mlp->tiles + place->backward);
    } else {
        dense_pack(weight, 1, layer->in, layer->in, layer->out, mlp->forward + place->weight);
        dense_pack(weight, layer->in, 1, layer->out, layer->in, mlp->backward + place->weight);
    }
    memcpy(mlp->bias + place->bias, mlp->parameters + layer->bias, layer->out * sizeof(float));
}

/* T = E W^T of each index; the bias goes into the layer's table, of which every kernel takes one row. */
static void set_tables(Mlp *mlp) {
    const Predictor *p = mlp->predictor;
    const MlpLayer *first = &p->mlp[0];
    const unsigned width = 2 * p->config.levels;
    float *table = mlp->table;
    for (unsigned which = 0; which < 3; which++) {
        gemm_f32(false, true, mlp->rows[which], first->out, width, 1, mlp->encoding[which], width,
                 mlp->parameters + first->weight + (size_t)which * width, first->in, 0, table, mlp->width);
        for (size_t row = 0; which == 0 && row < mlp->rows[0]; row++)
            for (unsigned i = 0; i < first->out; i++) table[row * mlp->width + i] += mlp->parameters[first->bias + i];
        table += mlp->rows[which] * mlp->width;
    }
}

static void set_piece(void *context, size_t piece, unsigned worker) {
    (void)worker;
    Mlp *mlp = context;
    if (piece == 0)
        set_tables(mlp);
    else
        set_layer(mlp, (unsigned)piece);
}

void mlp_set(Mlp *mlp, const float *parameters) {
    mlp->parameters = parameters;
    pool_run(mlp->linear, set_piece, mlp);
}
