/* template -- the vector kernels, written once and compiled for each kind of CPU. The including file defines
 *
 *   LANES    floats per vector (a divisor of CHANNEL_GROUP)
 *   PIXELS   output pixels whose sums are kept in registers together
 *   TARGET   the function attribute that names the instruction set
 *   KERNELS  the Kernels to define, and its NAME
 *
 * One step of the convolution loads the weights of one input value for CHANNEL_GROUP output channels and adds their
 * product with PIXELS input values, each broadcast: PIXELS * CHANNEL_GROUP / LANES multiply-adds per CHANNEL_GROUP /
 * LANES + PIXELS loads, all sums in registers.
 */
#include "net/kernels/kernels.h"

#include <string.h>

#ifdef __clang__
#define UNROLL _Pragma("clang loop unroll(full)")
#else
#define UNROLL _Pragma("GCC unroll 32")
#endif
#define INLINE static inline __attribute__((always_inline)) TARGET

enum { VECTORS = CHANNEL_GROUP / LANES };

typedef float Vector __attribute__((vector_size(4 * LANES), aligned(4), may_alias));
typedef int Mask __attribute__((vector_size(4 * LANES)));

INLINE Vector load(const float *from, size_t lanes) {
    Vector value = {0};
    if (lanes >= LANES) return *(const Vector *)from;
    memcpy(&value, from, lanes * sizeof(float));
    return value;
}

/* A NaN stays one: comparisons with it are false, and so keep the value. */
INLINE Vector activate(Vector value, Activation activation) {
    const Vector six = (Vector){0} + 6.0f;
    if (activation == ACTIVATION_NONE) return value;
    value = (Vector)((Mask)value & ~(value < 0.0f));
    if (activation == ACTIVATION_RELU) return value;
    const Mask above = value > six;
    return (Vector)(((Mask)six & above) | ((Mask)value & ~above));
}

INLINE void finish(const Convolution *c, Vector value, const float *residual, float *out, size_t lanes) {
    if (residual) value += load(residual, lanes);
    value = activate(value, c->activation);
    if (lanes >= LANES)
        *(Vector *)out = value;
    else
        memcpy(out, &value, lanes * sizeof(float));
}

/* `pixels` (a constant where this is inlined) output pixels of one row, `channels` <= CHANNEL_GROUP of them stored. */
INLINE void block(const Convolution *c, const unsigned pixels, const float *in, const float *weights, const float *bias,
                  float *out, const float *residual, size_t channels) {
    Vector sum[PIXELS][VECTORS];
    const size_t step = c->in_pixel * c->stride;
    UNROLL for (unsigned p = 0; p < pixels; p++) {
        UNROLL for (unsigned v = 0; v < VECTORS; v++) sum[p][v] = *(const Vector *)(bias + v * LANES);
    }
    for (unsigned i = 0; i < c->rows; i++)
        for (unsigned j = 0; j < c->columns; j++) {
            const float *tap = in + i * c->in_row + j * c->in_pixel;
            for (size_t k = 0; k < c->run; k++, weights += CHANNEL_GROUP) {
                Vector weight[VECTORS];
                UNROLL for (unsigned v = 0; v < VECTORS; v++) weight[v] = *(const Vector *)(weights + v * LANES);
                UNROLL for (unsigned p = 0; p < pixels; p++) {
                    UNROLL for (unsigned v = 0; v < VECTORS; v++) sum[p][v] += weight[v] * tap[p * step + k];
                }
            }
        }
    UNROLL for (unsigned p = 0; p < pixels; p++) {
        UNROLL for (unsigned v = 0; v < VECTORS; v++) {
            if (v * LANES < channels)
                finish(c, sum[p][v], residual ? residual + p * c->residual_pixel + v * LANES : NULL,
                       out + p * c->out_pixel + v * LANES, channels - v * LANES);
        }
    }
}

/* One output row of one group of channels: as many full blocks as fit, then what is left in one smaller block. */
TARGET static void row(const Convolution *c, const float *in, const float *weights, const float *bias, float *out,
                       const float *residual, size_t channels) {
    const size_t step = c->in_pixel * c->stride;
    unsigned x = 0;
    while (x < c->out_width) {
        const float *from = in + x * step;
        const float *add = residual ? residual + x * c->residual_pixel : NULL;
        float *to = out + x * c->out_pixel;
        const unsigned left = c->out_width - x;
#define CASE(n)                                                                                 \
    case n:                                                                                     \
        if (n <= PIXELS) block(c, n <= PIXELS ? n : 1, from, weights, bias, to, add, channels); \
        break;
        switch (left < PIXELS ? left : PIXELS) { CASE(1) CASE(2) CASE(3) CASE(4) CASE(5) CASE(6) CASE(7) CASE(8) }
#undef CASE
        x += left < PIXELS ? left : PIXELS;
    }
}

TARGET static void convolution(const Convolution *c) {
    const size_t group_weights = (size_t)c->rows * c->columns * c->run * CHANNEL_GROUP;
    const float *weights = c->weights;
    for (unsigned first = 0; first < c->out_channels; first += CHANNEL_GROUP, weights += group_weights) {
        const size_t left = c->out_channels - first;
        for (unsigned y = 0; y < c->out_height; y++)
            row(c, c->in + y * c->stride * c->in_row, weights, c->bias + first, c->out + y * c->out_row + first,
                c->residual ? c->residual + y * c->residual_row + first : NULL,
                left < CHANNEL_GROUP ? left : CHANNEL_GROUP);
    }
}

/* `lanes` channels of one pixel. */
INLINE void depthwise_lanes(const Depthwise *d, const float *in, size_t channel, float *out, const float *residual,
                            size_t lanes) {
    const float *weights = d->weights ? d->weights + channel : NULL;
    Vector sum = d->bias ? load(d->bias + channel, lanes) : (Vector){0};
    if (!weights) sum += load(in, lanes);
    for (unsigned i = 0; weights && i < d->rows; i++)
        for (unsigned j = 0; j < d->columns; j++, weights += d->out_channels)
            sum += load(weights, lanes) * load(in + i * d->in_row + j * d->in_pixel, lanes);
    finish(d, sum, residual, out, lanes);
}

TARGET static void depthwise(const Depthwise *d) {
    for (unsigned y = 0; y < d->out_height; y++)
        for (unsigned x = 0; x < d->out_width; x++) {
            const float *in = d->in + y * d->stride * d->in_row + x * d->stride * d->in_pixel;
            const float *residual = d->residual ? d->residual + y * d->residual_row + x * d->residual_pixel : NULL;
            float *out = d->out + y * d->out_row + x * d->out_pixel;
            for (size_t c = 0; c < d->out_channels; c += LANES) {
                const float *add = residual ? residual + c : NULL;
                const size_t left = d->out_channels - c;
                if (left >= LANES)
                    depthwise_lanes(d, in + c, c, out + c, add, LANES);
                else
                    depthwise_lanes(d, in + c, c, out + c, add, left);
            }
        }
}

const Kernels KERNELS = {.name = NAME, .convolution = convolution, .depthwise = depthwise};
