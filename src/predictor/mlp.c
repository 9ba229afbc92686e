/* mlp -- passes of the predictor's MLP: blocks of rows go through all layers while they are in cache.
 *
 * Widths are padded to a multiple of LANES (zero weights, zero activations), so that vectors have no tails. Weights are
 * packed once a step, for the forward and for the backward products (net's dense layers); OpenBLAS has the gradients of
 * weights. Where the CPU has a matrix unit it has all three products of wide predictors.
 *
 * The first linear layer is separable (docs/method.md, section 2): the product of an encoding with its weights is the
 * sum of one row of each of three tables. Its weight gradient is the scatter-sum of the deltas into tables of the same
 * shape, then three small products.
 *
 * The batch is cut into groups, each with its own gradient, and a group into blocks; neither depends on the threads. */
#include "predictor/mlp.h"

#include <assert.h>
#include <string.h>

#include "weft/base/gemm.h"
#include "weft/base/pool.h"
#include "weft/base/tiles.h"

enum { CACHED = 192 << 10 }; /* activations that stay in the second-level cache beside what is packed of them */

/* ---- a block ----------------------------------------------------------------------------------------------------- */

/* What one worker computes on: `count` <= MLP_ROWS kernels. */
typedef struct Block {
    const Mlp *mlp;
    const uint32_t *kernels; /* NULL: first, first + 1, ... */
    size_t first, count;
    float *activation;         /* of each hidden layer, MLP_ROWS x width */
    bool keep;                 /* all of them are needed afterwards; else two take turns and stay in cache */
    bool rough;                /* only a sum over many kernels is wanted: 2^-15 is near enough for each */
    float *sum;                /* before the activation, the same; NULL for ReLU */
    float *delta[2];           /* MLP_ROWS x width */
    float *prediction, *error; /* MLP_ROWS x last */
    uint16_t *packed[2];       /* rows packed for the matrix unit */
} Block;

static Block block_of(const Mlp *mlp, unsigned worker) {
    const size_t block = (size_t)MLP_ROWS * mlp->width;
    float *at = mlp->scratch + worker * mlp->worker_size;
    assert(worker < mlp->workers);
    Block b = {.mlp = mlp, .activation = at};
    at += block * (mlp->linear - 1);
    if (mlp->sums) b.sum = at;
    at += mlp->sums;
    b.delta[0] = at;
    b.delta[1] = at + block;
    b.prediction = at + 2 * block;
    b.error = b.prediction + (size_t)MLP_ROWS * mlp->last;
    for (unsigned i = 0; mlp->tiles && i < 2; i++) b.packed[i] = mlp->packed + (2 * worker + i) * mlp->packed_size;
    return b;
}

static size_t kernel_at(const Block *block, size_t row) {
    return block->kernels ? block->kernels[row] : block->first + row;
}

/* The activations (or sums) of hidden layer i. */
static float *hidden_at(const Block *block, float *of, unsigned i) {
    return of + (size_t)(block->keep ? i : i % 2) * MLP_ROWS * block->mlp->width;
}

static void first_layer(const Block *block) {
    const Mlp *mlp = block->mlp;
    const size_t vectors = mlp->width / VECTOR;
    float *to = block->sum ? block->sum : block->activation;
    for (size_t row = 0; row < block->count; row++) {
        const MlpRows *rows = &mlp->row[kernel_at(block, row)];
        const Vector *layer = (const Vector *)(mlp->table + rows->at[0] * (size_t)mlp->width);
        const Vector *filter = (const Vector *)(mlp->table + rows->at[1] * (size_t)mlp->width);
        const Vector *channel = (const Vector *)(mlp->table + rows->at[2] * (size_t)mlp->width);
        Vector *out = (Vector *)(to + row * mlp->width);
        if (block->sum)
            for (size_t i = 0; i < vectors; i++) out[i] = layer[i] + filter[i] + channel[i];
        else
            for (size_t i = 0; i < vectors; i++) out[i] = vector_relu(layer[i] + filter[i] + channel[i]);
    }
    if (block->sum) mlp_activate(mlp, block->count, to, block->activation);
}

/* Rows of a block times weights: linear layer i forward, or back. */
static void through_layer(const Block *block, unsigned i, bool back, bool relu, const float *from, float *out) {
    const Mlp *mlp = block->mlp;
    const MlpPlace *place = &mlp->place[i];
    const MlpLayer *layer = &mlp->predictor->mlp[i];
    const size_t row = back ? place->out : mlp->width, in = back ? layer->out : layer->in;
    const size_t columns = back ? mlp->width : place->out;
    const float *bias = back ? NULL : mlp->bias + place->bias;
    if (!mlp->tiles) {
        dense_run((back ? mlp->backward : mlp->forward) + place->weight, bias, relu, from, row, in, block->count,
                  columns, out);
        return;
    }
    const TilesSource rows = {from, row, block->count, in, true, block->rough};
    const TilesProduct product = {.left = block->packed[0],
                                  .right = mlp->tiles + (back ? place->backward : place->forward),
                                  .rows = block->count,
                                  .columns = columns,
                                  .depth = in,
                                  .bias = bias,
                                  .relu = relu,
                                  .rough = block->rough,
                                  .out = out,
                                  .out_step = columns};
    tiles_pack(&rows, TILES_LEFT, block->packed[0]);
    tiles_multiply(&product);
}

static void forward(const Block *block) {
    const Mlp *mlp = block->mlp;
    first_layer(block);
    for (unsigned i = 1; i < mlp->linear; i++) {
        const bool hidden = i + 1 < mlp->linear;
        float *out = hidden ? hidden_at(block, block->sum ? block->sum : block->activation, i) : block->prediction;
        through_layer(block, i, false, hidden && !block->sum, hidden_at(block, block->activation, i - 1), out);
        if (hidden && block->sum) mlp_activate(mlp, block->count, out, hidden_at(block, block->activation, i));
    }
}

/* Gradients of one linear layer, added to the group's: dW += dZ^T A, db += column sums of dZ. */
static void layer_gradient(const Block *block, unsigned i, const float *delta, float *gradient) {
    const Mlp *mlp = block->mlp;
    const MlpPlace *place = &mlp->place[i];
    const float *activation = block->activation + (size_t)(i - 1) * MLP_ROWS * mlp->width;
    float *to = gradient + place->weight_gradient;
    if (mlp->tiles) {
        const TilesSource left = {delta, place->out, place->out, block->count, false, false};
        const TilesSource right = {activation, mlp->width, mlp->width, block->count, false, false};
        const TilesProduct product = {.left = block->packed[0],
                                      .right = block->packed[1],
                                      .rows = place->out,
                                      .columns = mlp->width,
                                      .depth = block->count,
                                      .add = true,
                                      .out = to,
                                      .out_step = mlp->width};
        tiles_pack(&left, TILES_LEFT, block->packed[0]);
        tiles_pack(&right, TILES_RIGHT, block->packed[1]);
        tiles_multiply(&product);
    } else {
        gemm_f32(true, false, place->out, mlp->width, block->count, 1, delta, place->out, activation, mlp->width, 1, to,
                 mlp->width);
    }
    mlp_add_rows(gradient + place->bias_gradient, delta, block->count, place->out);
}

static void first_layer_gradient(const Block *block, const float *delta, float *gradient) {
    const Mlp *mlp = block->mlp;
    const size_t vectors = mlp->width / VECTOR;
    for (size_t row = 0; row < block->count; row++) {
        const MlpRows *rows = &mlp->row[kernel_at(block, row)];
        const Vector *from = (const Vector *)(delta + row * mlp->width);
        for (unsigned which = 0; which < 3; which++) {
            Vector *to = (Vector *)(gradient + rows->at[which] * (size_t)mlp->width);
            for (size_t i = 0; i < vectors; i++) to[i] += from[i];
        }
    }
}

/* From block->error, d loss / d prediction, into the group's gradient. */
static void backward(const Block *block, float *gradient) {
    const Mlp *mlp = block->mlp;
    const size_t size = (size_t)MLP_ROWS * mlp->width;
    const float *delta = block->error;
    for (unsigned i = mlp->linear - 1; i > 0; i--) {
        float *next = block->delta[i % 2];
        layer_gradient(block, i, delta, gradient);
        through_layer(block, i, true, false, delta, next);
        mlp_activate_backward(mlp, block->count, (block->sum ? block->sum : block->activation) + (i - 1) * size, next);
        delta = next;
    }
    first_layer_gradient(block, delta, gradient);
}

/* ---- a pass ------------------------------------------------------------------------------------------------------ */

typedef struct Pass {
    Mlp *mlp;
    const uint32_t *kernels; /* of the batch; NULL: all */
    size_t count, groups, group_rows;
    const uint32_t *rest; /* kernels outside the batch, in blocks after the groups */
    size_t rest_count;
    const float *targets, *delta;
    const uint16_t *times;
    float *out;
} Pass;

/* error = times (NULL: 1) * mask * (prediction - target); returns the sum of squares, each kernel once. */
static double set_error(const Block *block, const float *targets, const uint16_t *times) {
    const Mlp *mlp = block->mlp;
    const Predictor *p = mlp->predictor;
    const unsigned outputs = p->outputs;
    double squares = 0;
    for (size_t row = 0; row < block->count; row++) {
        const size_t kernel = kernel_at(block, row);
        const float *mask = mlp->mask + p->index[kernel].layer * (size_t)outputs;
        const float *prediction = block->prediction + row * mlp->last, *target = targets + kernel * outputs;
        float *error = block->error + row * mlp->last;
        const float weight = times ? (float)times[row] : 1;
        for (unsigned i = 0; i < outputs; i++) {
            const float difference = mask[i] * (prediction[i] - target[i]);
            squares += (double)difference * (double)difference;
            error[i] = weight * difference;
        }
    }
    return squares;
}

/* Deltas that came from outside. */
static void copy_error(const Pass *pass, const Block *block, size_t first) {
    const unsigned outputs = block->mlp->predictor->outputs;
    for (size_t row = 0; row < block->count; row++)
        memcpy(block->error + row * block->mlp->last, pass->delta + (first + row) * outputs, outputs * sizeof(float));
}

static void run_group(const Pass *pass, size_t group, unsigned worker) {
    Mlp *mlp = pass->mlp;
    float *gradient = mlp->gradients + group * mlp->gradient_size;
    const size_t begin = group * pass->group_rows;
    const size_t end = begin + pass->group_rows < pass->count ? begin + pass->group_rows : pass->count;
    Block block = block_of(mlp, worker);
    block.keep = true;
    memset(gradient, 0, mlp->gradient_size * sizeof *gradient);
    mlp->squares[group] = 0;
    memset(block.error, 0, (size_t)MLP_ROWS * mlp->last * sizeof *block.error);
    for (size_t first = begin; first < end; first += MLP_ROWS) {
        block.first = first;
        block.count = end - first < MLP_ROWS ? end - first : MLP_ROWS;
        block.kernels = pass->kernels ? pass->kernels + first : NULL;
        forward(&block);
        if (pass->delta)
            copy_error(pass, &block, first);
        else
            mlp->squares[group] += set_error(&block, pass->targets, pass->times ? pass->times + first : NULL);
        backward(&block, gradient);
    }
}

/* Kernels first .. end of a piece of those outside the batch. */
static void run_rest(const Pass *pass, Block *block, size_t piece, size_t first, size_t end) {
    const Mlp *mlp = pass->mlp;
    const unsigned outputs = mlp->predictor->outputs;
    block->kernels = pass->rest ? pass->rest + first : NULL;
    block->first = first;
    block->count = end - first;
    forward(block);
    if (pass->targets) mlp->squares[piece] += set_error(block, pass->targets, NULL);
    for (size_t row = 0; pass->out && row < block->count; row++)
        memcpy(pass->out + (first + row) * outputs, block->prediction + row * mlp->last, outputs * sizeof(float));
}

static void run_piece(void *context, size_t piece, unsigned worker) {
    const Pass *pass = context;
    if (piece < pass->groups) {
        run_group(pass, piece, worker);
        return;
    }
    const Mlp *mlp = pass->mlp;
    const size_t begin = (piece - pass->groups) * MLP_ROWS, left = pass->rest_count - begin;
    const size_t end = left < MLP_ROWS ? pass->rest_count : begin + MLP_ROWS;
    size_t rows = MLP_ROWS;
    while (mlp->tiles && rows > 1 && rows * mlp->width > CACHED) rows /= 2;
    Block block = block_of(mlp, worker);
    block.rough = pass->targets && !pass->out;
    if (pass->targets) mlp->squares[piece] = 0;
    for (size_t first = begin; first < end; first += rows)
        run_rest(pass, &block, piece, first, first + rows < end ? first + rows : end);
}

void mlp_predict(Mlp *mlp, const uint32_t *kernels, size_t count, float *out) {
    Pass pass = {.mlp = mlp, .rest = kernels, .rest_count = kernels ? count : mlp->predictor->kernel_count, .out = out};
    pool_run((pass.rest_count + MLP_ROWS - 1) / MLP_ROWS, run_piece, &pass);
}

double mlp_squares(Mlp *mlp, const float *targets, float *out) {
    Pass pass = {.mlp = mlp, .rest_count = mlp->predictor->kernel_count, .targets = targets, .out = out};
    const size_t pieces = (pass.rest_count + MLP_ROWS - 1) / MLP_ROWS;
    double squares = 0;
    pool_run(pieces, run_piece, &pass);
    for (size_t i = 0; i < pieces; i++) squares += mlp->squares[i];
    return squares;
}

/* ---- gradients --------------------------------------------------------------------------------------------------- */

typedef struct Sum {
    Mlp *mlp;
    size_t groups;
} Sum;

enum { SUM_PIECE = 4096 };

static void sum_piece(void *context, size_t piece, unsigned worker) {
    (void)worker;
    const Sum *sum = context;
    Mlp *mlp = sum->mlp;
    const size_t first = piece * SUM_PIECE, left = mlp->gradient_size - first;
    const size_t vectors = (left < SUM_PIECE ? left : SUM_PIECE) / VECTOR;
    Vector *total = (Vector *)(mlp->gradients + first);
    for (size_t group = 1; group < sum->groups; group++) {
        const Vector *one = (const Vector *)(mlp->gradients + group * mlp->gradient_size + first);
        for (size_t i = 0; i < vectors; i++) total[i] += one[i];
    }
}

/* The sum of the groups' gradients, out of its padding into the layout of the parameters. An empty batch has none. */
static void collect_gradients(Mlp *mlp, size_t groups, float *gradient) {
    if (groups == 0) {
        memset(gradient, 0, mlp->predictor->parameter_count * sizeof *gradient);
        return;
    }
    const Predictor *p = mlp->predictor;
    const MlpLayer *first = &p->mlp[0];
    const unsigned width = 2 * p->config.levels;
    Sum sum = {mlp, groups};
    pool_run((mlp->gradient_size + SUM_PIECE - 1) / SUM_PIECE, sum_piece, &sum);
    const float *table = mlp->gradients;
    memset(gradient + first->bias, 0, first->out * sizeof *gradient);
    for (unsigned which = 0; which < 3; which++) {
        gemm_f32(true, false, first->out, width, mlp->rows[which], 1, table, mlp->width, mlp->encoding[which], width, 0,
                 gradient + first->weight + (size_t)which * width, first->in);
        for (size_t row = 0; which == 0 && row < mlp->rows[0]; row++)
            for (unsigned i = 0; i < first->out; i++) gradient[first->bias + i] += table[row * mlp->width + i];
        table += mlp->rows[which] * mlp->width;
    }
    for (unsigned i = 1; i < mlp->linear; i++) {
        const MlpLayer *layer = &p->mlp[i];
        const MlpPlace *place = &mlp->place[i];
        for (unsigned out = 0; out < layer->out; out++)
            memcpy(gradient + layer->weight + (size_t)out * layer->in,
                   mlp->gradients + place->weight_gradient + (size_t)out * mlp->width, layer->in * sizeof *gradient);
        memcpy(gradient + layer->bias, mlp->gradients + place->bias_gradient, layer->out * sizeof *gradient);
    }
}

/* Groups of whole blocks, as few as mlp_groups_most says. */
static void cut_pieces(Pass *pass) {
    const size_t blocks = (pass->count + MLP_ROWS - 1) / MLP_ROWS, most = mlp_groups_most(pass->mlp);
    const size_t each = (blocks + most - 1) / most;
    pass->group_rows = each * MLP_ROWS;
    pass->groups = blocks ? (blocks + each - 1) / each : 0;
}

/* The kernels that the batch (ascending) leaves out. */
static size_t list_rest(Mlp *mlp, const uint32_t *kernels, size_t count) {
    size_t next = 0, rest = 0;
    for (uint32_t k = 0; k < mlp->predictor->kernel_count; k++) {
        if (next < count && kernels[next] == k)
            next++;
        else
            mlp->rest[rest++] = k;
    }
    return rest;
}

void mlp_reconstruction(Mlp *mlp, const float *targets, const uint32_t *kernels, const uint16_t *times, size_t count,
                        float *gradient, double *batch_squares, double *rest_squares) {
    Pass pass = {.mlp = mlp, .kernels = kernels, .times = times, .count = count, .targets = targets};
    if (!kernels) pass.count = mlp->predictor->kernel_count;
    cut_pieces(&pass);
    if (rest_squares && kernels) {
        pass.rest = mlp->rest;
        pass.rest_count = list_rest(mlp, kernels, count);
    }
    const size_t pieces = pass.groups + (pass.rest_count + MLP_ROWS - 1) / MLP_ROWS;
    pool_run(pieces, run_piece, &pass);
    *batch_squares = 0;
    if (rest_squares) *rest_squares = 0;
    for (size_t i = 0; i < pieces; i++) *(i < pass.groups ? batch_squares : rest_squares) += mlp->squares[i];
    collect_gradients(mlp, pass.groups, gradient);
}

void mlp_backward(Mlp *mlp, const uint32_t *kernels, size_t count, const float *delta, float *gradient) {
    Pass pass = {.mlp = mlp, .kernels = kernels, .count = count, .delta = delta};
    if (!kernels) pass.count = mlp->predictor->kernel_count;
    cut_pieces(&pass);
    pool_run(pass.groups, run_piece, &pass);
    collect_gradients(mlp, pass.groups, gradient);
}
