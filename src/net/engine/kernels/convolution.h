/* convolution -- the part of template.h with the direct convolutions.
 *
 * A block of output pixels has its sums in registers: PIXELS of one group of channels, or PAIR of each of two. Which
 * block a result falls into changes none of its bits: its products are always added in the order of the taps.
 */
/* ---- convolutions ------------------------------------------------------------------------------------------------ */

/* Keeps a compiler from deriving the pointers of all pixels at once, for which there are no registers: four pixels
 * share one. */
#define HIDE(value) __asm__("" : "+r"(value))

/* sum += a * b. Where there is such an instruction it is named, because with all vector registers in use GCC copies
 * sums to and fro. */
#ifdef VECTOR_REGISTER
#define ADD_PRODUCT(sum, a, b) \
    __asm__("vfmadd231ps %2, %1, %0" : "+" VECTOR_REGISTER(sum) : VECTOR_REGISTER(a), VECTOR_REGISTER(b))
#else
#define ADD_PRODUCT(sum, a, b) (sum) += (a) * (b)
#endif

/* Input values whose weights are fetched ahead: those of wide layers come from the L2 cache or from beyond it. */
enum { AHEAD = 16 };

/* One block of output pixels: `pixels` of them in each of `rows` rows, for `groups` groups of channels (constants where
 * this is inlined), from `ends` on. Its results, or if `sums` is there only the sums. */
typedef struct PixelBlock {
    const float *in, *weights, *bias; /* the weights of a group follow those of the one before; bias NULL: 0 */
    Ends ends;
    Vector *sums;
} PixelBlock;

/* From sums in registers to results. Pass by pass, so that what is the same for all is asked once. */
INLINE void end_taps(const Convolution *c, const unsigned vectors, const unsigned rows, const unsigned pixels,
                     const Ends *ends, Vector *sum) {
#define EACH(statement)                                                    \
    VECTOR_UNROLL for (unsigned p = 0; p < rows * pixels; p++) {           \
        VECTOR_UNROLL for (unsigned v = 0; v < vectors; v++) {             \
            const size_t y = p / pixels, x = p % pixels, lane = v * LANES; \
            Vector *const value = &sum[p * vectors + v];                   \
            statement;                                                     \
        }                                                                  \
    }
    if (ends->residual) {
        EACH(*value += *(const Vector *)(ends->residual + y * c->residual_row + x * c->residual_pixel + lane))
    }
    if (c->activation != ACTIVATION_NONE) {
        EACH(((void)x, (void)y, (void)lane, *value = at_least((Vector){0}, *value)))
    }
    if (c->activation == ACTIVATION_RELU6) {
        EACH(((void)x, (void)y, (void)lane, *value = at_most((Vector){0} + 6.0f, *value)))
    }
    if (ends->mask) {
        EACH(*value =
                 masked(*value, *(const Vector *)(ends->mask + y * c->mask_row + x * c->mask_pixel + lane), c->masked))
    }
    EACH(*(Vector *)(ends->out + y * c->out_row + x * c->out_pixel + lane) = *value)
#undef EACH
}

INLINE void add_taps(const Convolution *c, const unsigned groups, const unsigned rows, const unsigned pixels,
                     const PixelBlock *block) {
    const float *in = block->in, *weights = block->weights, *bias = block->bias;
    const unsigned vectors = groups * VECTORS, count = rows * pixels * vectors, quads = (pixels + 3) / 4;
    const size_t step = c->step_pixel, run = c->run, group = (size_t)c->rows * c->columns * run * CHANNEL_GROUP;
    size_t three = 3 * step;
    Vector sum[MOST * VECTORS];
    HIDE(three);
    VECTOR_UNROLL for (unsigned i = 0; i < count; i++) sum[i] =
        bias ? *(const Vector *)(bias + i % vectors * LANES) : (Vector){0};
    for (unsigned i = 0; i < c->rows; i++)
        for (unsigned j = 0; j < c->columns; j++) {
            const float *at[MOST];
            VECTOR_UNROLL for (unsigned q = 0; q < rows * quads; q++) {
                at[q] = in + i * c->tap_row + j * c->tap_pixel + q / quads * c->step_row + q % quads * 4 * step;
                HIDE(at[q]);
            }
            for (size_t k = 0; k < run; k++, weights += CHANNEL_GROUP) {
                Vector weight[2 * VECTORS];
                VECTOR_UNROLL for (unsigned v = 0; v < vectors; v++) weight[v] =
                    *(const Vector *)(weights + v / VECTORS * group + v % VECTORS * LANES);
                VECTOR_UNROLL for (unsigned g = 0; g < groups; g++)
                    __builtin_prefetch(weights + g * group + AHEAD * CHANNEL_GROUP);
                VECTOR_UNROLL for (unsigned p = 0; p < rows * pixels; p++) {
                    const unsigned x = p % pixels, q = p / pixels * quads + x / 4;
                    const Vector value = at[q][(x % 4 == 3 ? three : x % 4 * step) + k] - (Vector){0};
                    VECTOR_UNROLL for (unsigned v = 0; v < vectors; v++)
                        ADD_PRODUCT(sum[p * vectors + v], weight[v], value);
                }
            }
        }
    if (!block->sums) {
        end_taps(c, vectors, rows, pixels, &block->ends, sum);
        return;
    }
    VECTOR_UNROLL for (unsigned i = 0; i < count; i++) block->sums[i] = sum[i];
}

typedef void AddTaps(const Convolution *c, const PixelBlock *block);

#define ADD_TAPS(groups, rows, pixels)                                                                        \
    TARGET static __attribute__((noinline)) void taps_##groups##_##rows##_##pixels(const Convolution *c,      \
                                                                                   const PixelBlock *block) { \
        add_taps(c, groups, rows, rows *pixels *groups <= MOST ? pixels : 1, block);                          \
    }
#define SHAPES(X, groups, rows) \
    X(groups, rows, 1)          \
    X(groups, rows, 2)          \
    X(groups, rows, 3)          \
    X(groups, rows, 4)          \
    X(groups, rows, 5)          \
    X(groups, rows, 6)          \
    X(groups, rows, 7)          \
    X(groups, rows, 8)          \
    X(groups, rows, 9)          \
    X(groups, rows, 10)         \
    X(groups, rows, 11)         \
    X(groups, rows, 12) X(groups, rows, 13) X(groups, rows, 14) X(groups, rows, 15) X(groups, rows, 16)
SHAPES(ADD_TAPS, 1, 1)
SHAPES(ADD_TAPS, 1, 2)
SHAPES(ADD_TAPS, 2, 1)
SHAPES(ADD_TAPS, 2, 2)
#define NAME_OF(groups, rows, pixels) taps_##groups##_##rows##_##pixels,
static AddTaps *const shapes[2][2][16] = {{{SHAPES(NAME_OF, 1, 1)}, {SHAPES(NAME_OF, 1, 2)}},
                                          {{SHAPES(NAME_OF, 2, 1)}, {SHAPES(NAME_OF, 2, 2)}}};
#undef NAME_OF
#undef SHAPES
#undef ADD_TAPS

/* Stores the sums of a block as results, from pixel (y, x) on, where the last channels do not fill a vector. */
INLINE void end_block(const Convolution *c, const unsigned groups, unsigned rows, unsigned pixels, unsigned y,
                      unsigned x, size_t first, const Vector *sums) {
    const size_t channels = c->out_channels - first;
    for (unsigned r = 0; r < rows; r++)
        for (unsigned p = 0; p < pixels; p++, sums += groups * VECTORS) {
            const Ends ends = ends_at(c, y + r, x + p, first);
            VECTOR_UNROLL for (unsigned v = 0; v < groups * VECTORS; v++) {
                if ((v + 1) * LANES <= channels)
                    finish(c, sums[v], ends, v * LANES, LANES);
                else if (v * LANES < channels)
                    finish(c, sums[v], ends, v * LANES, channels - v * LANES);
            }
        }
}

/* `groups` groups of channels of one image, in blocks of nearly the same width; two rows at a time where they fit. */
INLINE void group_blocks(const Convolution *c, const unsigned groups, const float *weights, size_t first) {
    const unsigned most = groups == 2 ? PAIR : PIXELS, pair = 2 * c->out_width <= most ? 2 : 1;
    const float *bias = c->bias ? c->bias + first : NULL;
    const bool whole = c->out_channels - first >= groups * CHANNEL_GROUP;
    for (unsigned y = 0, rows; y < c->out_height; y += rows) {
        rows = c->out_height - y < pair ? 1 : pair;
        unsigned left = (c->out_width + most / rows - 1) / (most / rows);
        for (unsigned x = 0, pixels; x < c->out_width; x += pixels, left--) {
            Vector sums[MOST * VECTORS];
            pixels = (c->out_width - x + left - 1) / left;
            const PixelBlock block = {.in = c->in + y * c->step_row + x * c->step_pixel,
                                      .weights = weights,
                                      .bias = bias,
                                      .ends = ends_at(c, y, x, first),
                                      .sums = whole ? NULL : sums};
            shapes[groups - 1][rows - 1][pixels - 1](c, &block);
            if (!whole) end_block(c, groups, rows, pixels, y, x, first, sums);
        }
    }
}

/* The pixels of one image a row each; those of maps of one pixel are one row of all images. */
static Convolution join_images(Convolution c) {
    if (c.out_height > 1 || c.out_width > 1) return c;
    c.step_pixel = c.out_pixel = c.residual_pixel = c.mask_pixel = c.next;
    c.out_width = c.images;
    c.images = 1;
    return c;
}

/* All channels of one image: two groups together where there are two and registers for that, because one broadcast then
 * serves both. */
INLINE void all_groups(const Convolution *c, unsigned images) {
    const size_t group_weights = (size_t)c->rows * c->columns * c->run * CHANNEL_GROUP;
    const float *weights = c->weights;
    for (unsigned first = 0, groups; first < c->out_channels; first += groups * CHANNEL_GROUP) {
        Convolution image = *c;
        groups = PAIR > 0 && c->out_channels - first > CHANNEL_GROUP ? 2 : 1;
        for (unsigned i = 0; i < images; i++, image = convolution_next(image)) {
            if (groups == 2)
                group_blocks(&image, 2, weights, first);
            else
                group_blocks(&image, 1, weights, first);
        }
        weights += groups * group_weights;
    }
}

/* Weights that stay in the L2 cache, and pixels of a band whose maps stay there with them. */
enum { WEIGHTS_KEPT = 1 << 16, BAND_PIXELS = 112 };

/* Few weights serve one band of rows after the other, whose results are neighbours in memory; the weights of two groups
 * of many serve all rows of all images before the next are read. */
TARGET static void convolution(const Convolution *convolution) {
    const Convolution c = join_images(*convolution);
    if (c.out_width == 0) return; /* a phase of a gradient's positions may have none */
    const unsigned band = (BAND_PIXELS + c.out_width - 1) / c.out_width;
    if ((size_t)c.rows * c.columns * c.run * c.out_channels > WEIGHTS_KEPT || c.out_height <= band) {
        all_groups(&c, c.images);
        return;
    }
    Convolution image = c;
    for (unsigned i = 0; i < c.images; i++, image = convolution_next(image))
        for (unsigned y = 0; y < c.out_height; y += band) {
            const Convolution rows = convolution_rows(image, y, c.out_height - y < band ? c.out_height - y : band);
            all_groups(&rows, 1);
        }
}

/* ---- depthwise convolutions -------------------------------------------------------------------------------------- */

/* `lanes` channels of `pixels` pixels in each of `rows` rows (constants where this is inlined). */
INLINE void depthwise_lanes(const Depthwise *d, const unsigned rows, const unsigned pixels, unsigned y, unsigned x,
                            size_t channel, size_t lanes) {
    const float *in = d->in + y * d->step_row + x * d->step_pixel + channel;
    const float *weights = d->weights ? d->weights + channel : NULL;
    const Vector bias = d->bias ? load(d->bias + channel, lanes) : (Vector){0};
    Vector sum[8];
    VECTOR_UNROLL for (unsigned p = 0; p < rows * pixels; p++) sum[p] = bias;
    if (!weights) {
        VECTOR_UNROLL for (unsigned p = 0; p < rows * pixels; p++) sum[p] +=
            load(in + p / pixels * d->step_row + p % pixels * d->step_pixel, lanes);
    }
    for (unsigned i = 0; weights && i < d->rows; i++)
        for (unsigned j = 0; j < d->columns; j++, weights += d->out_channels) {
            const Vector weight = load(weights, lanes);
            const float *at = in + i * d->tap_row + j * d->tap_pixel;
            VECTOR_UNROLL for (unsigned p = 0; p < rows * pixels; p++) sum[p] +=
                weight * load(at + p / pixels * d->step_row + p % pixels * d->step_pixel, lanes);
        }
    const Ends ends = ends_at(d, y, x, channel);
    if (lanes >= LANES)
        end_taps(d, 1, rows, pixels, &ends, sum);
    else
        finish(d, sum[0], ends, 0, lanes);
}

INLINE void depthwise_pixels(const Depthwise *d, const unsigned rows, const unsigned pixels, unsigned y, unsigned x) {
    size_t c = 0;
    for (; c + LANES <= d->out_channels; c += LANES) depthwise_lanes(d, rows, pixels, y, x, c, LANES);
    if (c == d->out_channels) return;
    for (unsigned p = 0; p < rows * pixels; p++)
        depthwise_lanes(d, 1, 1, y + p / pixels, x + p % pixels, c, d->out_channels - c);
}

/* Blocks of two rows of four pixels: their sums are in registers, and one load of a weight serves all. */
TARGET static void depthwise(const Depthwise *d) {
    for (unsigned y = 0, rows; y < d->out_height; y += rows) {
        rows = y + 2 <= d->out_height ? 2 : 1;
        for (unsigned x = 0, pixels; x < d->out_width; x += pixels) {
            pixels = x + 4 <= d->out_width ? 4 : 1;
            if (rows == 2 && pixels == 4)
                depthwise_pixels(d, 2, 4, y, x);
            else if (rows == 2)
                depthwise_pixels(d, 2, 1, y, x);
            else if (pixels == 4)
                depthwise_pixels(d, 1, 4, y, x);
            else
                depthwise_pixels(d, 1, 1, y, x);
        }
    }
}
