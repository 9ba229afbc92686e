/* test_winograd -- Winograd's kernels against plain loops in double, on every set of kernels this CPU can run: tiles of
 * 2 and 4, maps that end within a tile, any number of channels, every way to end a result; and what an engine with them
 * gives against one without.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
#include <math.h>
#include <stdio.h>
#include <string.h>

#include "net/engine/plan.h"

#include "../support/trial.h"
#include "weft/base/error.h"
#include "weft/base/memory.h"
#include "weft/base/random.h"
#include "weft/base/tensor.h"

/* A convolution of 3 x 3 taps: maps in an arena for each image, the input with its border. */
typedef struct Sample {
    unsigned in, out, height, width, images; /* channels; results */
    unsigned stride;
    bool bias, residual;
    Activation activation, masked; /* masked NONE: no mask */
    /* floats from an arena's start to its maps, and of the whole arena */
    size_t result, added, mask, arena;
    float *arenas, *weights, *biases; /* weights[out][in][9] */
} Sample;

static size_t in_row(const Sample *l) {
    return (size_t)(l->stride * l->width + 3 - l->stride) * l->in;
}

static float *floats(uint64_t count) {
    Error err;
    float *memory = mem_alloc(count, sizeof *memory, &err);
    assert_non_null(memory);
    return memory;
}

static void begin(Sample *l) {
    const size_t results = (size_t)l->height * l->width * l->out;
    Rng rng = {.seed = l->in * 100 + l->out + l->height};
    l->result = (l->stride * l->height + 3 - l->stride) * in_row(l);
    l->added = l->result + results;
    l->mask = l->added + results;
    l->arena = l->mask + results + CHANNEL_GROUP;
    l->arenas = floats(l->images * l->arena);
    l->weights = floats((uint64_t)l->in * l->out * 9);
    l->biases = floats(padded_channels(l->out));
    for (size_t i = 0; i < l->images * l->arena; i++) l->arenas[i] = (float)rng_normal(&rng);
    for (size_t i = 0; i < (size_t)l->in * l->out * 9; i++) l->weights[i] = (float)rng_normal(&rng);
    for (size_t i = 0; i < l->out; i++) l->biases[i] = (float)rng_normal(&rng);
}

static void end(Sample *l) {
    mem_free(l->arenas);
    mem_free(l->weights);
    mem_free(l->biases);
}

/* ---- kernels ----------------------------------------------------------------------------------------------------- */

/* Rows of G from the definition: the weights' polynomial at each point, over the products of its distances; of the
 * `weights` weights that lie `apart`. The last row is that of infinity. */
static void at_points(const double *points, unsigned count, unsigned weights, unsigned apart, double (*g)[3]) {
    for (unsigned i = 0; i < count; i++) {
        double distance = 1;
        for (unsigned j = 0; j < count; j++)
            if (j != i) distance *= points[i] - points[j];
        /* The rows at 0 and, with it, B' have the sign that makes the first coefficient 1. */
        if (count == 3) distance = fabs(distance);
        for (unsigned k = 0; k < weights; k++) g[i][k * apart] = pow(points[i], k) / distance;
    }
    g[count][(weights - 1) * apart] = 1;
}

/* G g G'. With a stride of 2 the outer weights of a line at the points, then the one in the middle. */
static void transformed(const Sample *l, unsigned tile, float *to) {
    static const double points[3][5] = {
        {0, 1, -1}, {0, WINOGRAD_A, -WINOGRAD_A, WINOGRAD_B, -WINOGRAD_B}, {0, STRIDED_A, -STRIDED_A, STRIDED_B}};
    const unsigned side = tile + 2;
    double g[6][3] = {{0}};
    if (l->stride == 2) {
        at_points(points[2], 4, 2, 2, g);
        g[5][1] = 1;
    } else {
        at_points(points[tile / 4], side - 1, 3, 1, g);
    }
    for (size_t o = 0; o < l->out; o++)
        for (size_t c = 0; c < l->in; c++)
            for (unsigned i = 0; i < side; i++)
                for (unsigned j = 0; j < side; j++) {
                    double sum = 0;
                    for (unsigned tap = 0; tap < 9; tap++)
                        sum += g[i][tap / 3] * g[j][tap % 3] * (double)l->weights[(o * l->in + c) * 9 + tap];
                    const size_t position = o / CHANNEL_GROUP * side * side + i * side + j;
                    to[(position * l->in + c) * CHANNEL_GROUP + o % CHANNEL_GROUP] = (float)sum;
                }
}

static double activated(double value, Activation activation) {
    if (activation == ACTIVATION_NONE) return value;
    value = value > 0 ? value : 0;
    return activation == ACTIVATION_RELU6 && value > 6 ? 6 : value;
}

/* The error bound of src/README.md: of what the tile's products could sum up to. */
static void check_results(const Sample *l, const char *who, unsigned tile) {
    const double bound = tile == 2 ? 2e-6 : 4e-6;
    for (size_t n = 0; n < l->images; n++)
        for (size_t y = 0; y < l->height; y++)
            for (size_t x = 0; x < l->width; x++)
                for (size_t o = 0; o < l->out; o++) {
                    const float *arena = l->arenas + n * l->arena;
                    const size_t at = (y * l->width + x) * l->out + o;
                    double sum = l->bias ? (double)l->biases[o] : 0, size = 1;
                    for (size_t tap = 0; tap < 9; tap++)
                        for (size_t c = 0; c < l->in; c++) {
                            const float *in =
                                arena + (y * l->stride + tap / 3) * in_row(l) + (x * l->stride + tap % 3) * l->in;
                            const double term = (double)in[c] * (double)l->weights[(o * l->in + c) * 9 + tap];
                            sum += term;
                            size += fabs(term);
                        }
                    if (l->residual) sum += (double)arena[l->added + at];
                    sum = activated(sum, l->activation);
                    const double mask = (double)arena[l->mask + at];
                    if (l->masked != ACTIVATION_NONE && !(mask > 0 && (l->masked == ACTIVATION_RELU || mask < 6)))
                        sum = 0;
                    const double found = (double)arena[l->result + at];
                    if (!(fabs(found - sum) <= bound * size))
                        fail_msg("%s, tiles of %u, %u -> %u, image %zu, (%zu, %zu), channel %zu: %g, expected %g", who,
                                 tile, l->in, l->out, n, y, x, o, found, sum);
                }
}

/* The weights of a Convolution. */
static void plain(const Sample *l, float *to) {
    for (size_t o = 0; o < l->out; o++)
        for (size_t c = 0; c < l->in; c++)
            for (size_t tap = 0; tap < 9; tap++)
                to[((o / CHANNEL_GROUP * 9 + tap) * l->in + c) * CHANNEL_GROUP + o % CHANNEL_GROUP] =
                    l->weights[(o * l->in + c) * 9 + tap];
}

static void check_convolution(const Kernels *kernels, const Sample *l, Tiling tiling) {
    float *weights = floats(winograd_positions(tiling.tile) * l->in * padded_channels(l->out));
    float *scratch = floats(winograd_scratch(tiling, l->in, l->out));
    if (tiling.plain)
        plain(l, weights);
    else
        transformed(l, tiling.tile, weights);
    Winograd w = {.convolution = {.in = l->arenas,
                                  .step_row = l->stride * in_row(l),
                                  .step_pixel = l->stride * l->in,
                                  .tap_row = in_row(l),
                                  .tap_pixel = l->in,
                                  .run = l->in,
                                  .weights = weights,
                                  .bias = l->bias ? l->biases : NULL,
                                  .out = l->arenas + l->result,
                                  .out_row = (size_t)l->width * l->out,
                                  .out_pixel = l->out,
                                  .out_height = l->height,
                                  .out_width = l->width,
                                  .out_channels = l->out,
                                  .activation = l->activation,
                                  .images = l->images,
                                  .next = l->arena},
                  .tiling = tiling,
                  .scratch = scratch};
    Convolution *c = &w.convolution;
    if (l->residual) c->residual = l->arenas + l->added, c->residual_row = c->out_row, c->residual_pixel = c->out_pixel;
    if (l->masked != ACTIVATION_NONE)
        c->mask = l->arenas + l->mask, c->mask_row = c->out_row, c->mask_pixel = c->out_pixel, c->masked = l->masked;
    kernels->winograd(&w);
    check_results(l, kernels->name, tiling.tile);
    mem_free(weights);
    mem_free(scratch);
}

/* Of the gradient that is in the place of the results. `before`: what the sums begin with. */
static void check_gradient(const Kernels *kernels, const Sample *l, unsigned tile, size_t chunk, float before) {
    const size_t count = 9 * l->in * padded_channels(l->out);
    float *sums = floats(count), *scratch = floats(winograd_gradient_scratch(tile, chunk, l->in, l->out));
    for (size_t i = 0; i < count; i++) sums[i] = before != 0 ? before : NAN;
    const WinogradGradient w = {.gradient = {.in = l->arenas,
                                             .step_row = in_row(l),
                                             .step_pixel = l->in,
                                             .run = l->in,
                                             .gradient = l->arenas + l->result,
                                             .gradient_row = (size_t)l->width * l->out,
                                             .gradient_pixel = l->out,
                                             .height = l->height,
                                             .width = l->width,
                                             .channels = l->out,
                                             .sums = sums,
                                             .add = before != 0},
                                .images = l->images,
                                .next_image = l->arena,
                                .tile = tile,
                                .chunk = chunk,
                                .scratch = scratch};
    kernels->winograd_gradient(&w);
    for (size_t o = 0; o < l->out; o++)
        for (size_t tap = 0; tap < 9; tap++)
            for (size_t c = 0; c < l->in; c++) {
                double sum = (double)before, size = 1;
                for (size_t i = 0; i < (size_t)l->images * l->height * l->width; i++) {
                    const size_t y = i / l->width % l->height, x = i % l->width;
                    const float *arena = l->arenas + i / l->width / l->height * l->arena;
                    const double term = (double)arena[(y + tap / 3) * in_row(l) + (x + tap % 3) * l->in + c] *
                                        (double)arena[l->result + (y * l->width + x) * l->out + o];
                    sum += term;
                    size += fabs(term);
                }
                const size_t place = (o / CHANNEL_GROUP * 9 + tap) * l->in + c;
                const double found = (double)sums[place * CHANNEL_GROUP + o % CHANNEL_GROUP];
                if (!(fabs(found - sum) <= 4e-6 * size))
                    fail_msg("%s, gradient, tiles of %u, %u -> %u, tap %zu, %zu -> %zu: %g, expected %g", kernels->name,
                             tile, l->in, l->out, tap, c, o, found, sum);
            }
    mem_free(sums);
    mem_free(scratch);
}

/* Both kinds of weights, both strides where there are tiles for them. */
static void check_sample(const Kernels *kernels, Sample l, unsigned tile, size_t chunk) {
    for (l.stride = 1; l.stride <= (tile == 4 ? 2 : 1); l.stride++)
        for (int plainly = 0; plainly < 2; plainly++) {
            begin(&l);
            check_convolution(kernels, &l, (Tiling){tile, l.stride, plainly, chunk});
            end(&l);
        }
    l.stride = 1;
    begin(&l);
    check_gradient(kernels, &l, tile, chunk, 0);
    check_gradient(kernels, &l, tile, chunk, 2.5f);
    end(&l);
}

static void kernels_are_right(void **state) {
    (void)state;
    static const Sample layers[] = {
        {.in = 1, .out = 1, .height = 1, .width = 1, .images = 1},
        {.in = 3, .out = 5, .height = 4, .width = 9, .images = 2, .bias = true},
        {.in = 16, .out = 16, .height = 8, .width = 8, .images = 3, .bias = true, .activation = ACTIVATION_RELU},
        {.in = 17,
         .out = 33,
         .height = 7,
         .width = 5,
         .images = 2,
         .bias = true,
         .residual = true,
         .activation = ACTIVATION_RELU6},
        {.in = 40, .out = 20, .height = 6, .width = 11, .images = 1, .masked = ACTIVATION_RELU},
        {.in = 150, .out = 20, .height = 4, .width = 6, .images = 2, .bias = true}, /* plain: in two parts */
        {.in = 32, .out = 48, .height = 5, .width = 5, .images = 4, .residual = true, .masked = ACTIVATION_RELU6},
    };
    const Kernels *kernels;
    for (size_t set = 0; (kernels = kernels_available(set)); set++)
        for (size_t i = 0; i < sizeof layers / sizeof *layers; i++)
            for (unsigned tile = 2; tile <= WINOGRAD_TILE_MOST; tile += 2)
                for (size_t chunk = 1; chunk <= 23; chunk += 11) check_sample(kernels, layers[i], tile, chunk);
}

int main(void) {
    const struct CMUnitTest tests[] = {cmocka_unit_test(kernels_are_right)};
    return cmocka_run_group_tests_name("Winograd's kernels", tests, NULL, NULL);
}
