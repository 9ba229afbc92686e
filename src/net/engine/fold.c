/* fold -- the weights of a network as the kernels read them, batch norm folded in:
 *
 *   w' = w * gamma / sqrt(variance + epsilon)      b' = beta + (b - mean) * gamma / sqrt(variance + epsilon)
 *
 * in double, then rounded once; and gradients of w' and b' back to those of w and b.
 */
#include "net/engine/plan.h"

#include <math.h>

/* ---- batch norm -------------------------------------------------------------------------------------------------- */

/* The batch norm that a step folds in, ready for its channels. */
typedef struct Norm {
    const float *gamma, *beta, *mean, *variance;
    double epsilon;
    bool absent;
} Norm;

static const float *values(const float *const *tensors, int tensor) {
    return tensor == NO_TENSOR ? NULL : tensors[tensor];
}

/* In training mode the statistics are those of the batch: nothing is folded. */
static Norm step_norm(const Step *step, const Graph *graph, const float *const *tensors) {
    if (step->batch_norm < 0 || step->training) return (Norm){.absent = true};
    const Op *op = &graph->ops[step->batch_norm];
    return (Norm){.gamma = values(tensors, op->weight),
                  .beta = values(tensors, op->bias),
                  .mean = values(tensors, op->mean),
                  .variance = values(tensors, op->variance),
                  .epsilon = (double)op->epsilon};
}

static double norm_scale(const Norm *norm, size_t channel) {
    if (norm->absent) return 1;
    return (norm->gamma ? (double)norm->gamma[channel] : 1) / sqrt((double)norm->variance[channel] + norm->epsilon);
}

static double norm_shift(const Norm *norm, size_t channel, double scale) {
    if (norm->absent) return 0;
    return (norm->beta ? (double)norm->beta[channel] : 0) - (double)norm->mean[channel] * scale;
}

/* ---- convolutions ------------------------------------------------------------------------------------------------ */

/* What the two layouts of a convolution's weights have in common. */
typedef struct Layout {
    size_t taps, in, out; /* channels of one group */
} Layout;

static Layout step_layout(const Plan *plan, const Step *step) {
    return (Layout){(size_t)step->kernel[0] * step->kernel[1], plan->maps[step->input].shape.channels / step->groups,
                    plan->maps[step->op].shape.channels / step->groups};
}

/* Where output channel `channel` has the weight of its first tap and input channel in the kernels' order: [group of
 * output channels][tap][in][CHANNEL_GROUP]. */
static size_t channel_place(Layout layout, size_t channel) {
    const size_t place = channel / layout.out * padded_channels(layout.out) + channel % layout.out;
    return place / CHANNEL_GROUP * layout.taps * layout.in * CHANNEL_GROUP + place % CHANNEL_GROUP;
}

/* From out x in x kernel. A linear layer's weights are those of a kernel as large as its map: its columns go through
 * channels, rows, columns as well. */
static void fold_convolution(const Plan *plan, const Step *step, const Graph *graph, const float *const *tensors,
                             float *parameters) {
    const Op *op = &graph->ops[step->op];
    const float *weight = values(tensors, op->weight), *bias = values(tensors, op->bias);
    const Norm norm = step_norm(step, graph, tensors);
    const Layout layout = step_layout(plan, step);
    const bool direct = step_direct(plan, step);
    for (size_t channel = 0; channel < op->out_channels; channel++) {
        const double scale = norm_scale(&norm, channel);
        float *to = parameters + step->weights + channel_place(layout, channel);
        for (size_t i = 0; i < layout.in && direct; i++)
            for (size_t tap = 0; tap < layout.taps; tap++)
                to[(tap * layout.in + i) * CHANNEL_GROUP] = (float)((double)*weight++ * scale);
        parameters[step->bias + channel / layout.out * padded_channels(layout.out) + channel % layout.out] =
            (float)((bias ? (double)bias[channel] : 0) * scale + norm_shift(&norm, channel, scale));
    }
}

/* The taps of one phase in reverse order, roles of the channels exchanged: [group][group of input channels][tap][out]
 * [CHANNEL_GROUP]. Reads the weights as they were folded for the way there; returns where the next phase begins. */
static float *transpose_phase(const Step *step, Layout layout, Phase down, Phase across, const float *weights,
                              float *to) {
    const size_t taps = (size_t)down.taps * across.taps, rows = padded_channels(layout.in);
    for (size_t group = 0; group < step->groups; group++, to += rows * taps * layout.out)
        for (size_t out = 0; out < layout.out; out++) {
            const float *from = weights + channel_place(layout, group * layout.out + out);
            for (size_t t = 0; t < taps; t++) {
                const size_t y = down.tap + down.every * (down.taps - 1 - t / across.taps);
                const size_t x = across.tap + across.every * (across.taps - 1 - t % across.taps);
                const float *tap = from + (y * step->kernel[1] + x) * layout.in * CHANNEL_GROUP;
                for (size_t in = 0; in < layout.in; in++)
                    to[((in / CHANNEL_GROUP * taps + t) * layout.out + out) * CHANNEL_GROUP + in % CHANNEL_GROUP] =
                        tap[in * CHANNEL_GROUP];
            }
        }
    return to;
}

/* ---- tiles ------------------------------------------------------------------------------------------------------- */

/* Numbers of a group of channels at once. */
typedef double Numbers __attribute__((vector_size(CHANNEL_GROUP * sizeof(double))));

/* G g: a line of three weights at the points of winograd.h. */
static inline void weight_line(unsigned tile, unsigned stride, const Numbers *g, Numbers *to) {
    if (stride == 2) {
        to[0] = STRIDED_N0 * g[0];
        to[1] = STRIDED_NA * (g[0] + STRIDED_A * g[2]);
        to[2] = STRIDED_NM * (g[0] - STRIDED_A * g[2]);
        to[3] = STRIDED_NB * (g[0] + STRIDED_B * g[2]);
        to[4] = g[2];
        to[5] = g[1];
        return;
    }
    to[0] = tile == 2 ? g[0] : WINOGRAD_N0 * g[0];
    to[tile + 1] = g[2];
    for (unsigned i = 1; i < tile; i += 2) {
        const double point = tile == 2 ? 1 : i == 1 ? WINOGRAD_A : WINOGRAD_B;
        const double factor = tile == 2 ? 0.5 : i == 1 ? WINOGRAD_NA : WINOGRAD_NB;
        const Numbers even = factor * (g[0] + point * point * g[2]), odd = factor * point * g[1];
        to[i] = even + odd;
        to[i + 1] = even - odd;
    }
}

/* G g G' of kernels of 9 taps: position p goes to to + p * distance. */
static void transform_kernels(unsigned tile, unsigned stride, const Numbers *kernels, float *to, size_t distance) {
    enum { SIDE = WINOGRAD_TILE_MOST + 2 };
    const unsigned side = tile + 2;
    Numbers columns[3][SIDE], row[SIDE];
    for (unsigned j = 0; j < 3; j++)
        weight_line(tile, stride, (const Numbers[]){kernels[j], kernels[3 + j], kernels[6 + j]}, columns[j]);
    for (unsigned i = 0; i < side; i++) {
        weight_line(tile, stride, (const Numbers[]){columns[0][i], columns[1][i], columns[2][i]}, row);
        for (unsigned j = 0; j < side; j++, to += distance)
            for (unsigned lane = 0; lane < CHANNEL_GROUP; lane++) to[lane] = (float)row[j][lane];
    }
}

/* The weights of the way there, or with the roles of the channels exchanged and the taps reversed those of the way
 * back: [group][position][channel][CHANNEL_GROUP]. */
static void fold_tiles(const Plan *plan, const Step *step, const Graph *graph, const float *const *tensors, bool back,
                       float *to) {
    const float *weight = values(tensors, graph->ops[step->op].weight);
    const Norm norm = step_norm(step, graph, tensors);
    const Layout layout = step_layout(plan, step);
    const size_t rows = back ? layout.in : layout.out, columns = back ? layout.out : layout.in;
    const unsigned tile = (back ? step->back_tiling : step->tiling).tile;
    for (size_t first = 0; first < rows; first += CHANNEL_GROUP) {
        for (size_t column = 0; column < columns; column++) {
            Numbers kernels[9] = {{0}};
            for (size_t lane = 0; lane < CHANNEL_GROUP && first + lane < rows; lane++) {
                const size_t out = back ? column : first + lane, in = back ? first + lane : column;
                const double scale = norm_scale(&norm, out);
                const float *kernel = weight + (out * layout.in + in) * 9;
                for (size_t tap = 0; tap < 9; tap++) kernels[tap][lane] = (double)kernel[back ? 8 - tap : tap] * scale;
            }
            transform_kernels(tile, step->stride[0], kernels, to + column * CHANNEL_GROUP, columns * CHANNEL_GROUP);
        }
        to += winograd_positions(tile) * columns * CHANNEL_GROUP;
    }
}

/* ---- depthwise --------------------------------------------------------------------------------------------------- */

/* From channels x kernel to [kernel][channels]; one tap of weight 1 where there is no convolution. */
static void fold_depthwise(const Plan *plan, const Step *step, const Graph *graph, const float *const *tensors,
                           float *parameters) {
    const Op *op = &graph->ops[step->op];
    const bool convolution = step->kind == STEP_DEPTHWISE;
    const float *weight = convolution ? values(tensors, op->weight) : NULL;
    const float *bias = convolution ? values(tensors, op->bias) : NULL;
    const Norm norm = step_norm(step, graph, tensors);
    const size_t taps = (size_t)step->kernel[0] * step->kernel[1], channels = plan->maps[step->op].shape.channels;
    for (size_t channel = 0; channel < channels; channel++) {
        const double scale = norm_scale(&norm, channel);
        for (size_t tap = 0; tap < taps; tap++)
            parameters[step->weights + tap * channels + channel] =
                (float)((weight ? (double)weight[channel * taps + tap] : 1) * scale);
        parameters[step->bias + channel] =
            (float)((bias ? (double)bias[channel] : 0) * scale + norm_shift(&norm, channel, scale));
    }
}

static float *reverse_phase(const Step *step, size_t channels, Phase down, Phase across, const float *weights,
                            float *to) {
    for (unsigned i = down.taps; i-- > 0;)
        for (unsigned j = across.taps; j-- > 0;) {
            const size_t tap = (size_t)(down.tap + down.every * i) * step->kernel[1] + across.tap + across.every * j;
            for (size_t channel = 0; channel < channels; channel++) *to++ = weights[tap * channels + channel];
        }
    return to;
}

/* ---- the whole --------------------------------------------------------------------------------------------------- */

static void fold_back(const Plan *plan, const Step *step, float *parameters) {
    const Shape in = plan->maps[step->input].shape;
    const Layout layout = step_layout(plan, step);
    const float *weights = parameters + step->weights;
    float *to = parameters + step->transposed;
    for (unsigned y = 0; y < step->stride[0]; y++)
        for (unsigned x = 0; x < step->stride[1]; x++) {
            const Phase down = phase_at(step, 0, y, in.height), across = phase_at(step, 1, x, in.width);
            to = step->kind == STEP_CONVOLUTION ? transpose_phase(step, layout, down, across, weights, to)
                                                : reverse_phase(step, in.channels, down, across, weights, to);
        }
}

void fold_step(const Plan *plan, const Step *step, const Graph *graph, const float *const *tensors, float *parameters) {
    if (step->kind == STEP_CONVOLUTION)
        fold_convolution(plan, step, graph, tensors, parameters);
    else if (step->kind == STEP_DEPTHWISE || step->kind == STEP_ELEMENTWISE)
        fold_depthwise(plan, step, graph, tensors, parameters);
    if (tiling_transformed(step->tiling))
        fold_tiles(plan, step, graph, tensors, false, parameters + step->tile_weights);
    if (step->to_input.write && tiling_transformed(step->back_tiling))
        fold_tiles(plan, step, graph, tensors, true, parameters + step->back_tile_weights);
    else if (step->to_input.write && (step->kind == STEP_CONVOLUTION || step->kind == STEP_DEPTHWISE))
        fold_back(plan, step, parameters);
}

/* The kernel's taps in a tensor, from the sums that begin at `from`, each `distance` floats from the next. */
static void unfold_kernel(const float *from, size_t distance, size_t taps, double scale, float *gradient) {
    for (size_t tap = 0; tap < taps; tap++) gradient[tap] = (float)((double)from[tap * distance] * scale);
}

/* A filter's first tap for input channel `in` (of one group) among the sums of all kernels. */
static const float *dense_kernel(const Step *step, Layout layout, size_t filter, size_t in, const float *sums) {
    if (step->kind == STEP_DEPTHWISE) return sums + filter;
    return sums + channel_place(layout, filter) + in * CHANNEL_GROUP;
}

static size_t dense_distance(const Step *step, Layout layout) {
    return step->kind == STEP_DEPTHWISE ? step->groups : layout.in * CHANNEL_GROUP;
}

void unfold_weights(const Plan *plan, const Step *step, const Graph *graph, const float *const *tensors,
                    const float *sums, float *gradient) {
    const Norm norm = step_norm(step, graph, tensors);
    const Layout layout = step_layout(plan, step);
    sums += step->weight_gradient;
    for (size_t filter = 0; filter < plan->maps[step->op].shape.channels; filter++) {
        const double scale = norm_scale(&norm, filter);
        for (size_t in = 0; in < layout.in; in++, gradient += layout.taps)
            unfold_kernel(dense_kernel(step, layout, filter, in, sums), dense_distance(step, layout), layout.taps,
                          scale, gradient);
    }
}

void unfold_kernels(const Plan *plan, const Step *step, const Graph *graph, const float *const *tensors,
                    const float *sums, const KernelChoice *choice, bool compact, float *gradient) {
    const Norm norm = step_norm(step, graph, tensors);
    const Layout layout = step_layout(plan, step);
    /* The kernels of a linear layer are its single weights. */
    const bool linear = graph->ops[step->op].kind == OP_LINEAR;
    const size_t taps = linear ? 1 : layout.taps, inputs = linear ? layout.in * layout.taps : layout.in;
    sums += step->weight_gradient;
    for (size_t i = 0; i < choice->count; i++) {
        const size_t kernel = choice->kernels[i], filter = kernel / inputs, in = kernel % inputs;
        const double scale = norm_scale(&norm, filter);
        const float *from = sums + i * taps;
        size_t distance = 1;
        if (!compact) {
            from = dense_kernel(step, layout, filter, linear ? in / layout.taps : in, sums);
            distance = dense_distance(step, layout);
        }
        if (linear) from += in % layout.taps * distance;
        unfold_kernel(from, distance, taps, scale, gradient + kernel * taps);
    }
}

void unfold_bias(const Plan *plan, const Step *step, const Graph *graph, const float *const *tensors, const float *sums,
                 float *gradient) {
    const Norm norm = step_norm(step, graph, tensors);
    for (size_t channel = 0; channel < plan->maps[step->op].shape.channels; channel++)
        gradient[channel] = (float)((double)sums[step->bias_gradient + channel] * norm_scale(&norm, channel));
}
