/* test_kernel_memory -- under AddressSanitizer every set of kernels, also those compiled without it, is stopped before
 * it reads or writes a float beyond what it was given. In other builds kernels_checked adds nothing. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>
#include <cmocka.h>

#include "net/engine/kernels/kernels.h"
#include "weft/base/error.h"
#include "weft/base/memory.h"

enum { SIDE = 5, CHANNELS = 16, TAPS = 9, MAP = SIDE * SIDE * CHANNELS };
/* Results, and the positions of a tile. */
enum { RESULT = (SIDE - 2) * (SIDE - 2) * CHANNELS, TILE = 16 };

/* One pixel of CHANNELS floats after the other; blocks that are `missing` floats short. */
typedef struct Blocks {
    float *in, *weights, *bias, *out, *scratch;
    double *sums, *products;
} Blocks;

static void *block(size_t count, size_t size) {
    Error err;
    void *memory = mem_alloc(count, size, &err);
    if (!memory) _exit(3);
    return memory;
}

static void convolve(const Kernels *kernels, const Blocks *b) {
    const Convolution c = {.in = b->in,
                           .step_row = SIDE * CHANNELS,
                           .step_pixel = CHANNELS,
                           .tap_row = SIDE * CHANNELS,
                           .tap_pixel = CHANNELS,
                           .rows = 3,
                           .columns = 3,
                           .run = CHANNELS,
                           .weights = b->weights,
                           .bias = b->bias,
                           .out = b->out,
                           .out_row = (SIDE - 2) * CHANNELS,
                           .out_pixel = CHANNELS,
                           .out_height = SIDE - 2,
                           .out_width = SIDE - 2,
                           .out_channels = CHANNELS,
                           .images = 1};
    kernels->convolution(&c);
    kernels->depthwise(&c);
}

static void mix(const Kernels *kernels, const Blocks *b) {
    const Blend blend = {.in = b->in,
                         .in_row = SIDE * CHANNELS,
                         .in_pixel = CHANNELS,
                         .other = b->weights,
                         .other_row = SIDE * CHANNELS,
                         .other_pixel = CHANNELS,
                         .factor = b->bias,
                         .out = b->out,
                         .out_row = SIDE * CHANNELS,
                         .out_pixel = CHANNELS,
                         .height = SIDE,
                         .width = SIDE,
                         .channels = CHANNELS};
    kernels->blend(&blend);
}

/* Two images whose weights are read once; the second ends where the blocks end. */
static void convolve_images(const Kernels *kernels, const Blocks *b) {
    const Convolution c = {.in = b->in,
                           .step_row = SIDE * CHANNELS,
                           .step_pixel = CHANNELS,
                           .tap_row = SIDE * CHANNELS,
                           .tap_pixel = CHANNELS,
                           .rows = 1,
                           .columns = 1,
                           .run = CHANNELS,
                           .weights = b->weights,
                           .bias = b->bias,
                           .out = b->out,
                           .out_row = SIDE * CHANNELS,
                           .out_pixel = CHANNELS,
                           .out_height = SIDE,
                           .out_width = SIDE,
                           .out_channels = CHANNELS,
                           .images = 2,
                           .next = MAP};
    kernels->convolution(&c);
}

static void pool(const Kernels *kernels, const Blocks *b) {
    const Pool p = {.in = b->in,
                    .in_row = SIDE * CHANNELS,
                    .in_pixel = CHANNELS,
                    .in_height = SIDE,
                    .in_width = SIDE,
                    .kernel = {2, 2},
                    .stride = {1, 1},
                    .out = b->out,
                    .out_row = (SIDE - 1) * CHANNELS,
                    .out_pixel = CHANNELS,
                    .out_height = SIDE - 1,
                    .out_width = SIDE - 1,
                    .channels = CHANNELS};
    kernels->pool_maximum(&p);
    kernels->pool_average(&p);
}

static void differentiate(const Kernels *kernels, const Blocks *b) {
    const WeightGradient g = {.in = b->in,
                              .step_row = SIDE * CHANNELS,
                              .step_pixel = CHANNELS,
                              .tap_row = SIDE * CHANNELS,
                              .tap_pixel = CHANNELS,
                              .rows = 3,
                              .columns = 3,
                              .run = CHANNELS,
                              .gradient = b->out,
                              .gradient_row = (SIDE - 2) * CHANNELS,
                              .gradient_pixel = CHANNELS,
                              .height = SIDE - 2,
                              .width = SIDE - 2,
                              .channels = CHANNELS,
                              .sums = b->weights};
    kernels->weight_gradient(&g);
    kernels->depthwise_gradient(&g);
}

static void differentiate_kernel(const Kernels *kernels, const Blocks *b) {
    static const size_t shifts[TAPS] = {0, 1, 2, 16, 17, 18, 32, 33, MAP - CHANNELS};
    const KernelGradient g = {.in = b->in,
                              .gradient = {b->bias},
                              .shifts = shifts,
                              .length = CHANNELS,
                              .images = 1,
                              .taps = TAPS,
                              .filters = 1,
                              .sums = {b->out}};
    kernels->kernel_gradient(&g);
}

static void tile(const Kernels *kernels, const Blocks *b) {
    const Winograd w = {.convolution = {.in = b->in,
                                        .step_row = SIDE * CHANNELS,
                                        .step_pixel = CHANNELS,
                                        .tap_row = SIDE * CHANNELS,
                                        .tap_pixel = CHANNELS,
                                        .run = CHANNELS,
                                        .weights = b->weights,
                                        .bias = b->bias,
                                        .out = b->out,
                                        .out_row = (SIDE - 2) * CHANNELS,
                                        .out_pixel = CHANNELS,
                                        .out_height = SIDE - 2,
                                        .out_width = SIDE - 2,
                                        .out_channels = CHANNELS,
                                        .images = 1},
                        .tiling = {.tile = 2, .stride = 1, .chunk = 2},
                        .scratch = b->scratch};
    kernels->winograd(&w);
}

static void differentiate_tile(const Kernels *kernels, const Blocks *b) {
    const WinogradGradient w = {.gradient = {.in = b->in,
                                             .step_row = SIDE * CHANNELS,
                                             .step_pixel = CHANNELS,
                                             .run = CHANNELS,
                                             .gradient = b->out,
                                             .gradient_row = (SIDE - 2) * CHANNELS,
                                             .gradient_pixel = CHANNELS,
                                             .height = SIDE - 2,
                                             .width = SIDE - 2,
                                             .channels = CHANNELS,
                                             .sums = b->weights},
                                .images = 1,
                                .tile = 2,
                                .chunk = 2,
                                .scratch = b->scratch};
    kernels->winograd_gradient(&w);
}

static void sum_moments(const Kernels *kernels, const Blocks *b) {
    const Moments m = {.in = b->in,
                       .in_row = SIDE * CHANNELS,
                       .in_pixel = CHANNELS,
                       .height = SIDE,
                       .width = SIDE,
                       .channels = CHANNELS,
                       .origin = b->bias,
                       .sums = b->sums,
                       .products = b->products};
    kernels->moments(&m);
}

static void level(const Kernels *kernels, const Blocks *b) {
    const Levels l = {
        .in = b->in, .out = b->weights, .rows = 1, .run = MAP, .scale = 1, .inverse = 1, .low = -8, .high = 7};
    kernels->quantise(&l);
    kernels->quantise_mask(&l);
}

typedef struct Call {
    const char *name;
    void (*call)(const Kernels *kernels, const Blocks *blocks);
    size_t sizes[7]; /* floats of in, weights, bias, out, scratch; doubles of sums, products; 0: not used */
} Call;

static const Call calls[] = {
    {"convolution", convolve, {MAP, TAPS *CHANNELS *CHANNELS, CHANNELS, (SIDE - 2) * (SIDE - 2) * CHANNELS}},
    {"blend", mix, {MAP, MAP, CHANNELS, MAP}},
    {"tiles", tile, {MAP, TILE *CHANNELS *CHANNELS, CHANNELS, RESULT, TILE *(7 * CHANNELS) - CHANNELS}},
    {"gradient in tiles",
     differentiate_tile,
     {MAP, TAPS *CHANNELS *CHANNELS, 0, RESULT, TILE *(8 * CHANNELS + CHANNELS * CHANNELS)}},
    {"convolution of two images", convolve_images, {2 * MAP, CHANNELS *CHANNELS, CHANNELS, 2 * MAP}},
    {"pools", pool, {MAP, 0, 0, (SIDE - 1) * (SIDE - 1) * CHANNELS}},
    {"weight gradient", differentiate, {MAP, TAPS *CHANNELS *CHANNELS, 0, (SIDE - 2) * (SIDE - 2) * CHANNELS}},
    {"kernel gradient", differentiate_kernel, {MAP, 0, CHANNELS, TAPS}},
    {"moments", sum_moments, {MAP, 0, CHANNELS, 0, 0, CHANNELS, CHANNELS}},
    {"levels", level, {MAP, MAP}},
};

/* Whether a process ends well in which block `shorter` (-1: none) lacks its last number. */
static bool ends_well(const Kernels *kernels, const Call *call, int shorter) {
    const pid_t child = fork();
    assert_true(child >= 0);
    if (child == 0) {
        void *memory[7] = {NULL};
        for (int i = 0; i < 7; i++)
            if (call->sizes[i] > 0)
                memory[i] = block(call->sizes[i] - (i == shorter), i < 5 ? sizeof(float) : sizeof(double));
        const Blocks blocks = {memory[0], memory[1], memory[2], memory[3], memory[4], memory[5], memory[6]};
        if (shorter >= 0 && !freopen("/dev/null", "w", stderr)) _exit(3);
        call->call(kernels, &blocks);
        _exit(0);
    }
    int status;
    assert_int_equal(waitpid(child, &status, 0), child);
    if (WIFEXITED(status) && WEXITSTATUS(status) == 3) fail_msg("no memory, or no /dev/null");
    return WIFEXITED(status) && WEXITSTATUS(status) == 0;
}

static void blocks_are_checked(void **state) {
    (void)state;
    const bool sanitized = strcmp(WEFT_BUILD_MODE, "asan") == 0;
    const Kernels *kernels;
    for (size_t set = 0; (kernels = kernels_available(set)); set++)
        for (size_t i = 0; i < sizeof calls / sizeof *calls; i++) {
            if (!ends_well(kernels, &calls[i], -1)) fail_msg("%s, %s", kernels->name, calls[i].name);
            for (int shorter = 0; sanitized && shorter < 7; shorter++)
                if (calls[i].sizes[shorter] > 0 && ends_well(kernels, &calls[i], shorter))
                    fail_msg("%s, %s: block %d may be too short", kernels->name, calls[i].name, shorter);
        }
    if (!sanitized) assert_ptr_equal(kernels_available(0), kernels_checked(kernels_available(0)));
}

int main(void) {
    const struct CMUnitTest tests[] = {cmocka_unit_test(blocks_are_checked)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
