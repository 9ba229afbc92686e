/* template -- the vector kernels, written once and compiled for each kind of CPU. The including file defines
 *
 *   LANES    floats per vector (a divisor of CHANNEL_GROUP)
 *   PIXELS   output pixels whose sums are kept in registers together
 *   PAIR     the same where two groups of channels are; 0: there are no registers for two
 *   VECTOR_REGISTER  the asm constraint of a vector register, where there are AVX's instructions
 *   TAPS     taps whose weight gradients are kept in registers together
 *   KERNEL_TAPS  the same for single kernels, two filters at a time
 *   TARGET   the function attribute that names the instruction set
 *   KERNELS  the Kernels to define, and its NAME
 *
 * One step of the convolution loads the weights of one input value for CHANNEL_GROUP output channels and adds their
 * product with PIXELS input values, each broadcast: PIXELS * CHANNEL_GROUP / LANES multiply-adds per CHANNEL_GROUP /
 * LANES + PIXELS loads, all sums in registers. One step of its weight gradient loads the gradient of one output pixel
 * for CHANNEL_GROUP channels and adds its product with TAPS input values.
 */
#include "net/engine/kernels/kernels.h"
#include "weft/base/vectors.h"

#include <string.h>

#define INLINE static inline __attribute__((always_inline)) TARGET

enum { VECTORS = CHANNEL_GROUP / LANES, MOST = PIXELS > 2 * PAIR ? PIXELS : 2 * PAIR };

typedef float Vector __attribute__((vector_size(4 * LANES), aligned(4), may_alias));
typedef int Mask __attribute__((vector_size(4 * LANES)));

INLINE Vector load(const float *from, size_t lanes) {
    Vector value = {0};
    if (lanes >= LANES) return *(const Vector *)from;
    memcpy(&value, from, lanes * sizeof(float));
    return value;
}

INLINE void store(float *to, Vector value, size_t lanes) {
    if (lanes >= LANES)
        *(Vector *)to = value;
    else
        memcpy(to, &value, lanes * sizeof(float));
}

/* `value`, or `bound` where that is the larger (the smaller). A NaN stays one: comparisons with it are false, and so
 * keep the value; the instructions return their second operand. */
INLINE Vector at_least(Vector bound, Vector value) {
#ifdef VECTOR_REGISTER
    __asm__("vmaxps %0, %1, %0" : "+" VECTOR_REGISTER(value) : VECTOR_REGISTER(bound));
    return value;
#else
    const Mask below = value < bound;
    return (Vector)(((Mask)bound & below) | ((Mask)value & ~below));
#endif
}

INLINE Vector at_most(Vector bound, Vector value) {
#ifdef VECTOR_REGISTER
    __asm__("vminps %0, %1, %0" : "+" VECTOR_REGISTER(value) : VECTOR_REGISTER(bound));
    return value;
#else
    const Mask above = value > bound;
    return (Vector)(((Mask)bound & above) | ((Mask)value & ~above));
#endif
}

INLINE Vector activate(Vector value, Activation activation) {
    if (activation == ACTIVATION_NONE) return value;
    value = at_least((Vector){0}, value);
    return activation == ACTIVATION_RELU ? value : at_most((Vector){0} + 6.0f, value);
}

/* `value` where the activation let through what became `result`, else 0. */
INLINE Vector masked(Vector value, Vector result, Activation activation) {
    Mask open = result > 0.0f;
    if (activation == ACTIVATION_RELU6) open &= result < 6.0f;
    return (Vector)((Mask)value & open);
}

/* Where the pixels at hand lie in the maps that are read and written as results are stored. */
typedef struct Ends {
    const float *residual, *mask; /* NULL: none */
    float *out;
} Ends;

INLINE Ends ends_at(const Convolution *c, size_t y, size_t x, size_t channel) {
    return (Ends){c->residual ? c->residual + y * c->residual_row + x * c->residual_pixel + channel : NULL,
                  c->mask ? c->mask + y * c->mask_row + x * c->mask_pixel + channel : NULL,
                  c->out + y * c->out_row + x * c->out_pixel + channel};
}

/* From channel `channel` of the pixel at `ends` on. */
INLINE void finish(const Convolution *c, Vector value, Ends ends, size_t channel, size_t lanes) {
    if (ends.residual) value += load(ends.residual + channel, lanes);
    value = activate(value, c->activation);
    if (ends.mask) value = masked(value, load(ends.mask + channel, lanes), c->masked);
    store(ends.out + channel, value, lanes);
}

#include "net/engine/kernels/convolution.h"
#include "net/engine/kernels/winograd.h"

/* ---- blends ------------------------------------------------------------------------------------------------------ */

/* `lanes` channels of a row of pixels, from `first` on. */
INLINE void blend_row(const Blend *b, size_t y, size_t first, size_t lanes) {
    const Vector one = (Vector){0} + 1.0f;
    const Vector factor = b->factor ? load(b->factor + first, lanes) : one;
    const Vector other_factor = b->other_factor ? load(b->other_factor + first, lanes) : one;
    const Vector constant = b->constant ? load(b->constant + first, lanes) : (Vector){0};
    const float *in = b->in + y * b->in_row + first, *other = b->other ? b->other + y * b->other_row + first : NULL;
    const float *mask = b->mask ? b->mask + y * b->mask_row + first : NULL;
    float *out = b->out + y * b->out_row + first;
    for (size_t x = 0; x < b->width; x++) {
        Vector value = constant + factor * load(in + x * b->in_pixel, lanes);
        if (other) value += other_factor * load(other + x * b->other_pixel, lanes);
        value = activate(value, b->activation);
        if (mask) value = masked(value, load(mask + x * b->mask_pixel, lanes), b->masked);
        store(out + x * b->out_pixel, value, lanes);
    }
}

TARGET static void blend(const Blend *b) {
    for (size_t y = 0; y < b->height; y++)
        for (size_t c = 0; c < b->channels; c += LANES) {
            const size_t left = b->channels - c;
            if (left >= LANES)
                blend_row(b, y, c, LANES);
            else
                blend_row(b, y, c, left);
        }
}

/* ---- pools ------------------------------------------------------------------------------------------------------- */

/* `lanes` channels of one window. */
INLINE void pool_lanes(const Pool *pool, PoolWindow window, bool maximum, size_t channel, float *out, size_t lanes) {
    Vector all = {0};
    bool first = true;
    for (unsigned y = window.first[0]; y < window.end[0]; y++)
        for (unsigned x = window.first[1]; x < window.end[1]; x++, first = false) {
            const Vector value = load(pool->in + y * pool->in_row + x * pool->in_pixel + channel, lanes);
            const Mask take = (value > all) | (value != value);
            if (first)
                all = value;
            else if (maximum)
                all = (Vector)(((Mask)value & take) | ((Mask)all & ~take));
            else
                all += value;
        }
    if (!maximum) all /= window.size;
    store(out + channel, all, lanes);
}

INLINE void pool_all(const Pool *pool, bool maximum) {
    for (unsigned y = 0; y < pool->out_height; y++)
        for (unsigned x = 0; x < pool->out_width; x++) {
            float *out = pool->out + y * pool->out_row + x * pool->out_pixel;
            const PoolWindow window = pool_window(pool, y, x);
            size_t c = 0;
            for (; c + LANES <= pool->channels; c += LANES) pool_lanes(pool, window, maximum, c, out, LANES);
            if (c < pool->channels) pool_lanes(pool, window, maximum, c, out, pool->channels - c);
        }
}

TARGET static void pool_maximum(const Pool *pool) {
    pool_all(pool, true);
}

TARGET static void pool_average(const Pool *pool) {
    pool_all(pool, false);
}

/* ---- gradients of weights ---------------------------------------------------------------------------------------- */

/* `taps` neighbouring inputs of a run, `groups` groups of output channels (constants where this is inlined; groups *
 * taps <= TAPS). The sums of a group follow those of the one before. */
INLINE void taps_block(const WeightGradient *g, const unsigned groups, const unsigned taps, const float *in,
                       const float *gradient, float *sums) {
    Vector sum[TAPS * VECTORS];
    const unsigned vectors = groups * VECTORS;
    const size_t step = g->step_pixel, group = (size_t)g->rows * g->columns * g->run * CHANNEL_GROUP;
    VECTOR_UNROLL for (unsigned t = 0; t < taps; t++) {
        VECTOR_UNROLL for (unsigned v = 0; v < vectors; v++) {
            const float *from = sums + v / VECTORS * group + t * CHANNEL_GROUP + v % VECTORS * LANES;
            sum[t * vectors + v] = g->add ? *(const Vector *)from : (Vector){0};
        }
    }
    for (unsigned y = 0; y < g->height; y++) {
        const float *from = in + y * g->step_row, *at = gradient + y * g->gradient_row;
        for (unsigned x = 0; x < g->width; x++, from += step, at += g->gradient_pixel) {
            Vector value[2 * VECTORS];
            VECTOR_UNROLL for (unsigned v = 0; v < vectors; v++) value[v] = *(const Vector *)(at + v * LANES);
            VECTOR_UNROLL for (unsigned t = 0; t < taps; t++) {
                VECTOR_UNROLL for (unsigned v = 0; v < vectors; v++) sum[t * vectors + v] += value[v] * from[t];
            }
        }
    }
    VECTOR_UNROLL for (unsigned t = 0; t < taps; t++) {
        VECTOR_UNROLL for (unsigned v = 0; v < vectors; v++) *
            (Vector *)(sums + v / VECTORS * group + t * CHANNEL_GROUP + v % VECTORS * LANES) = sum[t * vectors + v];
    }
}

/* The taps of one run: as many full blocks as fit, then smaller ones. */
INLINE void run_blocks(const WeightGradient *g, const unsigned groups, const float *in, const float *gradient,
                       float *sums) {
    const unsigned most = TAPS / groups;
    for (size_t left = g->run, taps; left > 0; left -= taps, in += taps, sums += taps * CHANNEL_GROUP) {
#define CASE(n)                                       \
    if (left >= (n)) {                                \
        taps = (n);                                   \
        taps_block(g, groups, n, in, gradient, sums); \
    } else
        CASE(most) CASE((most + 1) / 2) CASE((most + 3) / 4) CASE(1) taps = left;
#undef CASE
    }
}

TARGET static void run_of_one(const WeightGradient *g, const float *in, const float *gradient, float *sums) {
    run_blocks(g, 1, in, gradient, sums);
}

TARGET static void run_of_two(const WeightGradient *g, const float *in, const float *gradient, float *sums) {
    run_blocks(g, 2, in, gradient, sums);
}

TARGET static void weight_gradient(const WeightGradient *g) {
    const size_t run_sums = g->run * CHANNEL_GROUP, group_sums = g->rows * g->columns * run_sums;
    float *sums = g->sums;
    for (unsigned first = 0, groups; first < g->channels; first += groups * CHANNEL_GROUP) {
        groups = TAPS >= 24 && g->channels - first > CHANNEL_GROUP ? 2 : 1;
        for (unsigned i = 0; i < g->rows; i++)
            for (unsigned j = 0; j < g->columns; j++)
                (groups == 2 ? run_of_two : run_of_one)(g, g->in + i * g->tap_row + j * g->tap_pixel,
                                                        g->gradient + first, sums + (i * g->columns + j) * run_sums);
        sums += groups * group_sums;
    }
}

/* Of the usual 3x3 windows. */
enum { DEPTHWISE_TAPS = 9 };

/* `taps` taps from number `first` on (a constant where this is inlined), `lanes` channels from `c` on. */
INLINE void depthwise_taps(const WeightGradient *g, const unsigned taps, unsigned first, size_t c, size_t lanes) {
    Vector sum[DEPTHWISE_TAPS];
    const float *in[DEPTHWISE_TAPS];
    VECTOR_UNROLL for (unsigned t = 0; t < taps; t++) {
        const unsigned i = (first + t) / g->columns, j = (first + t) % g->columns;
        in[t] = g->in ? g->in + i * g->tap_row + j * g->tap_pixel + c : NULL;
        sum[t] = g->add ? load(g->sums + (first + t) * g->channels + c, lanes) : (Vector){0};
    }
    for (unsigned y = 0; y < g->height; y++)
        for (unsigned x = 0; x < g->width; x++) {
            const Vector value = *(const Vector *)(g->gradient + y * g->gradient_row + x * g->gradient_pixel + c);
            const size_t at = y * g->step_row + x * g->step_pixel;
            VECTOR_UNROLL for (unsigned t = 0; t < taps; t++) {
                if (g->in)
                    sum[t] += value * *(const Vector *)(in[t] + at);
                else
                    sum[t] += value;
            }
        }
    VECTOR_UNROLL for (unsigned t = 0; t < taps; t++) store(g->sums + (first + t) * g->channels + c, sum[t], lanes);
}

TARGET static void depthwise_gradient(const WeightGradient *g) {
    const unsigned all = g->rows * g->columns;
    for (size_t c = 0; c < g->channels; c += LANES) {
        const size_t left = g->channels - c, lanes = left < LANES ? left : LANES;
        unsigned t = 0;
        for (; t + DEPTHWISE_TAPS <= all; t += DEPTHWISE_TAPS) depthwise_taps(g, DEPTHWISE_TAPS, t, c, lanes);
        for (; t < all; t++) depthwise_taps(g, 1, t, c, lanes);
    }
}

/* ---- gradients of single kernels --------------------------------------------------------------------------------- */

typedef float Four __attribute__((vector_size(16), aligned(4), may_alias));

/* Through memory: additions of halves in registers would wait for one another and for the shuffles. */
INLINE float sum_lanes(Vector value) {
    float lanes[LANES];
    *(Vector *)lanes = value;
    Four sum = *(const Four *)lanes;
    VECTOR_UNROLL for (unsigned i = 4; i < LANES; i += 4) sum += *(const Four *)(lanes + i);
    return (sum[0] + sum[1]) + (sum[2] + sum[3]);
}

/* Keeps a compiler from reading a value from memory once for each of its uses: these reads straddle cache lines. */
#if defined(__x86_64__)
#define READ_ONCE(value) __asm__("" : "+x"(value))
#else
#define READ_ONCE(value) (void)(value)
#endif

/* Taps [first, first + taps) of `filters` kernels (constants where this is inlined). */
INLINE void kernel_taps(const KernelGradient *g, const unsigned filters, const unsigned taps, unsigned first) {
    Vector sum[2][KERNEL_TAPS] = {{{0}}};
    for (size_t image = 0; image < g->images; image++) {
        const float *in = g->in + image * g->next_in, *gradient[2];
        VECTOR_UNROLL for (unsigned f = 0; f < filters; f++) gradient[f] = g->gradient[f] + image * g->next_gradient;
        for (size_t i = 0; i < g->length; i += LANES) {
            Vector value[2];
            VECTOR_UNROLL for (unsigned f = 0; f < filters; f++) value[f] = *(const Vector *)(gradient[f] + i);
            VECTOR_UNROLL for (unsigned t = 0; t < taps; t++) {
                Vector x = *(const Vector *)(in + g->shifts[first + t] + i);
                READ_ONCE(x);
                VECTOR_UNROLL for (unsigned f = 0; f < filters; f++) sum[f][t] += value[f] * x;
            }
        }
    }
    VECTOR_UNROLL for (unsigned f = 0; f < filters; f++) {
        VECTOR_UNROLL for (unsigned t = 0; t < taps; t++) {
            float *to = g->sums[f] + first + t;
            *to = (g->add ? *to : 0) + sum_lanes(sum[f][t]);
        }
    }
}

TARGET static void kernel_gradient(const KernelGradient *g) {
    unsigned t = 0;
    for (; t + KERNEL_TAPS <= g->taps; t += KERNEL_TAPS)
        if (g->filters == 2)
            kernel_taps(g, 2, KERNEL_TAPS, t);
        else
            kernel_taps(g, 1, KERNEL_TAPS, t);
    for (; t < g->taps; t++)
        if (g->filters == 2)
            kernel_taps(g, 2, 1, t);
        else
            kernel_taps(g, 1, 1, t);
}

/* ---- moments ----------------------------------------------------------------------------------------------------- */

enum { HALF = LANES / 2 }; /* doubles per vector */

typedef float Narrow __attribute__((vector_size(4 * HALF), aligned(4), may_alias));
typedef double Wide __attribute__((vector_size(8 * HALF), aligned(8), may_alias));

INLINE Wide widen(const float *from) {
    return __builtin_convertvector(*(const Narrow *)from, Wide);
}

/* `vectors` vectors of channels from `first` on (a constant where this is inlined). */
INLINE void moments_block(const Moments *m, const unsigned vectors, size_t first) {
    Wide origin[2 * VECTORS], sum[2 * VECTORS], product[2 * VECTORS];
    VECTOR_UNROLL for (unsigned v = 0; v < vectors; v++) {
        origin[v] = widen(m->origin + first + v * HALF);
        sum[v] = product[v] = (Wide){0};
    }
    for (size_t y = 0; y < m->height; y++)
        for (size_t x = 0; x < m->width; x++) {
            const float *in = m->in + y * m->in_row + x * m->in_pixel + first;
            const float *gradient =
                m->gradient ? m->gradient + y * m->gradient_row + x * m->gradient_pixel + first : NULL;
            VECTOR_UNROLL for (unsigned v = 0; v < vectors; v++) {
                const Wide away = widen(in + v * HALF) - origin[v];
                const Wide value = gradient ? widen(gradient + v * HALF) : away;
                sum[v] += value;
                product[v] += value * away;
            }
        }
    VECTOR_UNROLL for (unsigned v = 0; v < vectors; v++) {
        *(Wide *)(m->sums + first + v * HALF) = sum[v];
        *(Wide *)(m->products + first + v * HALF) = product[v];
    }
}

TARGET static void moments_of_one(const Moments *m, size_t channel) {
    double sum = 0, product = 0;
    for (size_t y = 0; y < m->height; y++)
        for (size_t x = 0; x < m->width; x++) {
            const float *in = m->in + y * m->in_row + x * m->in_pixel + channel;
            const double away = (double)*in - (double)m->origin[channel];
            const double value =
                m->gradient ? (double)m->gradient[y * m->gradient_row + x * m->gradient_pixel + channel] : away;
            sum += value;
            product += value * away;
        }
    m->sums[channel] = sum;
    m->products[channel] = product;
}

TARGET static void moments(const Moments *m) {
    size_t c = 0;
    for (; c + CHANNEL_GROUP <= m->channels; c += CHANNEL_GROUP) moments_block(m, 2 * VECTORS, c);
    for (; c + HALF <= m->channels; c += HALF) moments_block(m, 1, c);
    for (; c < m->channels; c++) moments_of_one(m, c);
}

/* ---- levels ------------------------------------------------------------------------------------------------------ */

/* A NaN stays one: comparisons with it are false. */
INLINE Vector within(Vector value, float low, float high) {
    const Vector least = (Vector){0} + low, most = (Vector){0} + high;
    const Mask below = value < least;
    value = (Vector)(((Mask)least & below) | ((Mask)value & ~below));
    const Mask above = value > most;
    return (Vector)(((Mask)most & above) | ((Mask)value & ~above));
}

/* Half to even, by the one rounding of an addition: at 1.5 * 2^23 float32 has whole numbers only. */
INLINE Vector whole(Vector value) {
    const Vector shift = (Vector){0} + 12582912.0f;
    return (value + shift) - shift;
}

TARGET static void quantise(const Levels *l) {
    for (size_t y = 0; y < l->rows; y++)
        for (size_t i = 0; i < l->run; i += LANES) {
            const Vector value = load(l->in + y * l->in_row + i, l->run - i) * l->inverse;
            store(l->out + y * l->out_row + i, whole(within(value, l->low, l->high)) * l->scale, l->run - i);
        }
}

/* What is cut away from low .. high by as much as 1 is outside it, however far. */
TARGET static void quantise_mask(const Levels *l) {
    for (size_t y = 0; y < l->rows; y++)
        for (size_t i = 0; i < l->run; i += LANES) {
            float *to = l->out + y * l->out_row + i;
            const Vector value = load(l->in + y * l->in_row + i, l->run - i) * l->inverse;
            const Vector level = whole(within(value, l->low - 1, l->high + 1));
            const Mask inside = (level >= l->low) & (level <= l->high);
            store(to, (Vector)((Mask)load(to, l->run - i) & inside), l->run - i);
        }
}

const Kernels KERNELS = {.name = NAME,
                         .convolution = convolution,
                         .winograd = winograd,
                         .depthwise = depthwise,
                         .blend = blend,
                         .pool_maximum = pool_maximum,
                         .pool_average = pool_average,
                         .weight_gradient = weight_gradient,
                         .winograd_gradient = winograd_gradient,
                         .depthwise_gradient = depthwise_gradient,
                         .kernel_gradient = kernel_gradient,
                         .moments = moments,
                         .quantise = quantise,
                         .quantise_mask = quantise_mask};
