/* kernels -- the inner loops of the engine, one set per kind of CPU. Private to src/net and its tests.
 *
 * Maps are height x width x channels in memory (channels last), so that the channels of a pixel are neighbours: a
 * vector holds output channels, and an input value is broadcast to all of them. A map may have a border of zero pixels
 * around it, as wide as the padding of the convolutions that read it: the kernels know no edges.
 */
#ifndef WEFT_NET_KERNELS_H
#define WEFT_NET_KERNELS_H

#include <stdbool.h>
#include <stddef.h>

typedef enum Activation { ACTIVATION_NONE, ACTIVATION_RELU, ACTIVATION_RELU6 } Activation;

/* Output channels are worked on in groups of this many; folded weights are stored for it, padded with zeros. */
enum { CHANNEL_GROUP = 16 };

static inline size_t padded_channels(size_t channels) {
    return (channels + CHANNEL_GROUP - 1) / CHANNEL_GROUP * CHANNEL_GROUP;
}

/* out[y][x][c] = activation(bias[c] + sum over taps and input channels of in * weight + residual[y][x][c]), and zero
 * where `mask` holds a value that an activation has cut off; this is how the backward pass multiplies by its
 * derivative.
 *
 * The taps of one output pixel are `rows` x `columns` runs of `run` neighbouring floats: run (i, j) begins at
 * in + y * step_row + x * step_pixel + i * tap_row + j * tap_pixel: steps are strides, taps lie a dilation apart. A
 * convolution over all channels has one run per kernel row (kernel width x channels floats); a grouped one a run per
 * tap. Weights: for each group of CHANNEL_GROUP output channels, rows x columns x run x CHANNEL_GROUP floats, in the
 * order of the runs. */
typedef struct Convolution {
    const float *in;
    size_t step_row, step_pixel; /* floats from the window of one result to that of the next below, beside it */
    size_t tap_row, tap_pixel;   /* floats from one tap to the next below, beside it */
    unsigned rows, columns;
    size_t run;
    const float *weights, *bias; /* bias: a multiple of CHANNEL_GROUP floats; NULL: 0 */
    const float *residual;       /* NULL: none; may be `out` */
    size_t residual_row, residual_pixel;
    const float *mask; /* results of the activation `masked`; NULL: none */
    size_t mask_row, mask_pixel;
    Activation masked;
    float *out;
    size_t out_row, out_pixel;
    unsigned out_height, out_width, out_channels;
    Activation activation;
    unsigned images; /* that the weights serve */
    size_t next;     /* floats from the maps of one image to those of the next */
} Convolution;

/* The same of the next image. */
static inline Convolution convolution_next(Convolution c) {
    c.in += c.next;
    c.out += c.next;
    if (c.residual) c.residual += c.next;
    if (c.mask) c.mask += c.next;
    return c;
}

/* The same of rows [y, y + rows) alone. */
static inline Convolution convolution_rows(Convolution c, unsigned y, unsigned rows) {
    c.in += y * c.step_row;
    c.out += y * c.out_row;
    if (c.residual) c.residual += y * c.residual_row;
    if (c.mask) c.mask += y * c.mask_row;
    c.out_height = rows;
    return c;
}

/* How a convolution is done by Winograd's kernels. */
typedef struct Tiling {
    unsigned tile;   /* 2 or 4; 0: not at all, but by the direct kernels */
    unsigned stride; /* 1, or with tiles of 4 also 2 */
    bool plain;   /* the weights are those of a Convolution (9 taps of `run` floats), and are transformed on the way */
    size_t chunk; /* tiles that are worked on together: they share what is read of the weights */
} Tiling;

/* A Convolution of 3 x 3 taps that lie one pixel apart, with fewer multiplications: in tiles of tile x
 * tile results, see winograd.h. `run` is the number of input channels; weights, unless plain:
 * for each group of CHANNEL_GROUP output channels, (tile + 2)^2 x run x CHANNEL_GROUP floats, transformed. Up to
 * CHANNEL_GROUP - 1 floats beyond the channels of a pixel are read. */
typedef struct Winograd {
    Convolution convolution;
    Tiling tiling;
    float *scratch; /* winograd_scratch floats */
} Winograd;

/* As a Convolution, but each channel sees only itself: weights[rows][columns][channels]. Also a mere copy or sum
 * (weights NULL: one tap of weight 1). Of one image. */
typedef Convolution Depthwise;

/* out[y][x][c] = activation(factor[c] * in[y][x][c] + other_factor[c] * other[y][x][c] + constant[c]), and zero where
 * `mask` holds a value that an activation has cut off: scales, sums, copies. `out` may be `in` or `other`. */
typedef struct Blend {
    const float *in, *other, *mask; /* other, mask: NULL, none */
    size_t in_row, in_pixel, other_row, other_pixel, mask_row, mask_pixel;
    const float *factor, *other_factor, *constant; /* NULL: 1, 1, 0 */
    Activation activation, masked;
    float *out;
    size_t out_row, out_pixel;
    unsigned height, width, channels;
} Blend;

/* sums[tap][c] += sum over output pixels of in[tap of the pixel] * gradient[y][x][c]: the gradient of a convolution's
 * weights, where `gradient` is that of its results. Taps and sums are laid out as a Convolution's input and weights
 * are; for the depthwise kernel as a Depthwise's, and where `in` is NULL it sums the gradient alone (biases). Up to
 * CHANNEL_GROUP - 1 floats beyond the channels of a pixel are read: they must be there, and only spoil sums of channels
 * that do not exist. */
typedef struct WeightGradient {
    const float *in;
    size_t step_row, step_pixel, tap_row, tap_pixel;
    unsigned rows, columns;
    size_t run;
    const float *gradient;
    size_t gradient_row, gradient_pixel;
    unsigned height, width, channels; /* of the gradient */
    float *sums;
    bool add; /* otherwise the sums start at 0 */
} WeightGradient;

/* The WeightGradient of such a convolution, over several images; sums as for 3 x 3 x run taps. */
typedef struct WinogradGradient {
    WeightGradient gradient; /* of the first image */
    size_t images, next_image;
    unsigned tile;
    size_t chunk;
    float *scratch; /* winograd_gradient_scratch floats */
} WinogradGradient;

/* The points of tiles of 4, and the factors of the transformed weights at 0, +-a and +-b: see winograd.h. */
#define WINOGRAD_A 0.625
#define WINOGRAD_B 1.5
#define WINOGRAD_N0 (1 / (WINOGRAD_A * WINOGRAD_A * WINOGRAD_B * WINOGRAD_B))
#define WINOGRAD_NA (0.5 / (WINOGRAD_A * WINOGRAD_A * (WINOGRAD_A * WINOGRAD_A - WINOGRAD_B * WINOGRAD_B)))
#define WINOGRAD_NB (0.5 / (WINOGRAD_B * WINOGRAD_B * (WINOGRAD_B * WINOGRAD_B - WINOGRAD_A * WINOGRAD_A)))
enum { WINOGRAD_TILE_MOST = 4 };

/* Those of tiles of 4 with a stride of 2, and the factors at 0, +-a and b. */
#define STRIDED_A 0.75
#define STRIDED_B 2.0
#define STRIDED_N0 (1 / (STRIDED_A * STRIDED_A * STRIDED_B))
#define STRIDED_NA (0.5 / (STRIDED_A * STRIDED_A * (STRIDED_A - STRIDED_B)))
#define STRIDED_NM (-0.5 / (STRIDED_A * STRIDED_A * (STRIDED_A + STRIDED_B))) /* -a */
#define STRIDED_NB (1 / (STRIDED_B * (STRIDED_B * STRIDED_B - STRIDED_A * STRIDED_A)))

/* Numbers of a transformed kernel; with a stride of 1 also of a transformed tile. */
static inline size_t winograd_positions(unsigned tile) {
    return (size_t)(tile + 2) * (tile + 2);
}

/* Inputs of a tile, and numbers that they become: so many each way. */
static inline unsigned winograd_side(Tiling tiling) {
    return tiling.stride * tiling.tile + 3 - tiling.stride;
}

/* Floats from what belongs to one position to that of the next: not a power of two, whose multiples share the few
 * places of a cache. */
static inline size_t winograd_distance(size_t floats) {
    return floats + CHANNEL_GROUP;
}

/* Input channels that are worked on together: of plain weights so many that what is transformed stays in a cache. */
static inline size_t winograd_part(Tiling tiling, size_t in) {
    enum { PART = 128 };
    return tiling.plain && in > PART ? PART : in;
}

/* One tile of the input, the inputs of a chunk, the weights of a part if they are plain, and results: of one or two
 * groups of output channels or, where there are several parts, of all. */
static inline size_t winograd_scratch(Tiling tiling, size_t in, size_t out) {
    const size_t part = winograd_part(tiling, in), inputs = padded_channels(part);
    const size_t kernel = tiling.plain ? winograd_distance(part * 2 * CHANNEL_GROUP) : 0, side = winograd_side(tiling);
    size_t results = winograd_distance(tiling.chunk * (out > CHANNEL_GROUP ? 2 : 1) * CHANNEL_GROUP);
    if (part < in) results = padded_channels(out) / CHANNEL_GROUP * winograd_distance(tiling.chunk * CHANNEL_GROUP);
    return side * side * (inputs + winograd_distance(tiling.chunk * inputs) + results) +
           winograd_positions(tiling.tile) * kernel - CHANNEL_GROUP; /* none beyond the last */
}

/* One tile, a chunk's inputs and gradients, and the sums of all positions. */
static inline size_t winograd_gradient_scratch(unsigned tile, size_t chunk, size_t in, size_t out) {
    const size_t inputs = padded_channels(in), gradients = padded_channels(out);
    return winograd_positions(tile) * (inputs + gradients + winograd_distance(chunk * inputs) +
                                       winograd_distance(chunk * gradients) + in * gradients);
}

/* The gradient of one or two kernels (of filters that share an input channel): sums[f][t] += sum over images and i <
 * length of in[shifts[t] + i] * gradient[f][i]. Planes of one channel each, those of the next image `next_in` and
 * `next_gradient` floats further; `length` is a multiple of CHANNEL_GROUP, and as much is there to be read behind every
 * shift. */
typedef struct KernelGradient {
    const float *in, *gradient[2];
    const size_t *shifts;
    size_t length, images, next_in, next_gradient;
    unsigned taps, filters; /* filters: 1 or 2 */
    float *sums[2];
    bool add; /* otherwise the sums start at 0 */
} KernelGradient;

/* Of each channel c, over the pixels of a map: sum of d, and sum of d (x - origin[c]), in double; d is the gradient's
 * value or, without one, x - origin[c]. */
typedef struct Moments {
    const float *in, *gradient; /* gradient: NULL, none */
    size_t in_row, in_pixel, gradient_row, gradient_pixel;
    unsigned height, width, channels;
    const float *origin;
    double *sums, *products;
} Moments;

/* Rows of `run` neighbouring values, `in_row` and `out_row` floats apart. With r = in * inverse, rounded half to even:
 * quantise: out = scale * r, r kept within low .. high (a NaN stays one); quantise_mask: out = 0 where r lies outside.
 * |low| and |high| are below 2^20. */
typedef struct Levels {
    const float *in;
    float *out;
    size_t in_row, out_row, rows, run;
    float scale, inverse, low, high;
} Levels;

/* Pools read maps of any border: `padding` is theirs, never read. Pairs are height, width. Maximum: a NaN in a window
 * is its maximum, as in PyTorch. Average: padding counts as zeros (count_include_pad, PyTorch's default) unless
 * excluded; what a window of ceil_mode reaches beyond the padding never counts. */
typedef struct Pool {
    const float *in;
    size_t in_row, in_pixel;
    unsigned in_height, in_width;
    unsigned kernel[2], stride[2], padding[4]; /* padding: top, left, bottom, right */
    bool adaptive;                             /* windows that share the map out evenly instead */
    bool exclude_padding;                      /* means over what lies inside the map */
    float *out;
    size_t out_row, out_pixel;
    unsigned out_height, out_width, channels;
} Pool;

/* Rows [first[0], end[0]), columns [first[1], end[1]) of the map, clipped to it; and what a mean over it divides by. */
typedef struct PoolWindow {
    unsigned first[2], end[2];
    float size;
} PoolWindow;
PoolWindow pool_window(const Pool *pool, unsigned y, unsigned x); /* of result (y, x) */

typedef struct Kernels {
    const char *name; /* "avx512", "avx2", "baseline" */
    void (*convolution)(const Convolution *convolution);
    void (*winograd)(const Winograd *winograd);
    void (*depthwise)(const Depthwise *depthwise);
    void (*blend)(const Blend *blend);
    void (*pool_maximum)(const Pool *pool);
    void (*pool_average)(const Pool *pool);
    void (*weight_gradient)(const WeightGradient *gradient);
    void (*winograd_gradient)(const WinogradGradient *gradient);
    void (*depthwise_gradient)(const WeightGradient *gradient);
    void (*kernel_gradient)(const KernelGradient *gradient);
    void (*moments)(const Moments *moments);
    void (*quantise)(const Levels *levels);
    void (*quantise_mask)(const Levels *levels);
} Kernels;

extern const Kernels kernels_baseline;
#if defined(__x86_64__)
extern const Kernels kernels_avx512, kernels_avx2;
#endif

/* Under AddressSanitizer: the same set, with checks of the memory that it reads and writes; else the set itself. */
const Kernels *kernels_checked(const Kernels *set);
/* The best set for this CPU. */
const Kernels *kernels_best(void);
/* Set number `index` of those this CPU can run, the best first; NULL beyond the last. */
const Kernels *kernels_available(size_t index);

/* The same in every set. Adds the gradient of the pool's results (where `out` is) to that of its input (`gradient`,
 * laid out with the rows and pixels given): the maximum's to the first of the largest, as in PyTorch. */
void pool_maximum_backward(const Pool *pool, float *gradient, size_t row, size_t pixel);
void pool_average_backward(const Pool *pool, float *gradient, size_t row, size_t pixel);

#endif
