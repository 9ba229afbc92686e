/* bench_tiles -- the planner's model of convolutions (src/net/engine/plan_tiles.c) beside measured times: one thread,
 * the best kernels of this CPU, the 3x3 layers of stride 1 of ResNet20 and ResNet56 (32x32 images), and of ResNet18 and
 * ResNet50 (224x224). Times are in microseconds an image, the least of several runs; the model's unit is fitted to the
 * direct kernel of each layer, so that its column shows what the choice depends on: the ratios.
 */
#include <stdio.h>
#include <string.h>

#include "net/engine/plan.h"
#include "weft/base/error.h"
#include "weft/base/memory.h"
#include "weft/base/random.h"
#include "weft/base/task.h"

enum { IMAGES = KEPT_BLOCK };

typedef struct Square {
    unsigned channels, side, stride; /* side: of the results */
} Square;

static const Square layers[] = {{16, 32, 1},  {32, 16, 1}, {64, 8, 1},  {64, 56, 1}, {128, 28, 1},
                                {256, 14, 1}, {512, 7, 1}, {16, 16, 2}, {32, 8, 2},  {64, 28, 2},
                                {128, 14, 2}, {256, 7, 2}, {512, 7, 2}};

/* What a layer's calls work on. */
typedef struct Case {
    Convolution direct;
    Winograd tiles;
    WeightGradient direct_gradient;
    WinogradGradient tiles_gradient;
} Case;

static void run(const Kernels *kernels, const Case *c, unsigned tile, bool gradient) {
    if (tile > 0 && gradient) {
        kernels->winograd_gradient(&c->tiles_gradient);
    } else if (tile > 0) {
        kernels->winograd(&c->tiles);
    } else if (gradient) {
        WeightGradient g = c->direct_gradient;
        for (unsigned i = 0; i < IMAGES; i++, g.add = true, g.in += c->direct.next, g.gradient += c->direct.next)
            kernels->weight_gradient(&g);
    } else {
        kernels->convolution(&c->direct);
    }
}

static double measure(const Kernels *kernels, const Case *c, unsigned tile, bool gradient) {
    double least = 1e9;
    const double begun = clock_seconds();
    for (unsigned i = 0; i < 1000 && (i < 5 || clock_seconds() - begun < 0.1); i++) {
        const double start = clock_seconds();
        run(kernels, c, tile, gradient);
        const double seconds = clock_seconds() - start;
        if (seconds < least) least = seconds;
    }
    return least * 1e6 / IMAGES;
}

/* A layer whose numbers are random; weights are not those of any kernel, which takes the same time. */
static Case make(const Square *layer, Tiling tiling, float *memory) {
    const unsigned tile = tiling.tile;
    const size_t n = layer->channels, across = layer->side * layer->stride + 2, row = across * n, map = across * row;
    const size_t positions = tiling_transformed(tiling) ? winograd_positions(tile) : 9,
                 weights = positions * n * padded_channels(n);
    float *arenas = memory + 2 * weights, *scratch = arenas + 2 * IMAGES * map + CHANNEL_GROUP;
    Case c = {.direct = {.in = arenas,
                         .step_row = layer->stride * row,
                         .step_pixel = layer->stride * n,
                         .tap_row = row,
                         .tap_pixel = n,
                         .rows = 3,
                         .columns = 1,
                         .run = 3 * n,
                         .weights = memory,
                         .out = arenas + map,
                         .out_row = layer->side * n,
                         .out_pixel = n,
                         .out_height = layer->side,
                         .out_width = layer->side,
                         .out_channels = (unsigned)n,
                         .images = IMAGES,
                         .next = 2 * map}};
    c.direct_gradient = (WeightGradient){.in = arenas,
                                         .step_row = row,
                                         .step_pixel = n,
                                         .tap_row = row,
                                         .tap_pixel = n,
                                         .rows = 3,
                                         .columns = 1,
                                         .run = 3 * n,
                                         .gradient = arenas + map,
                                         .gradient_row = layer->side * n,
                                         .gradient_pixel = n,
                                         .height = layer->side,
                                         .width = layer->side,
                                         .channels = (unsigned)n,
                                         .sums = memory + weights};
    c.tiles = (Winograd){.convolution = c.direct, .tiling = tiling, .scratch = scratch};
    c.tiles_gradient = (WinogradGradient){.gradient = c.direct_gradient,
                                          .images = IMAGES,
                                          .next_image = c.direct.next,
                                          .tile = tile,
                                          .chunk = tiling.chunk,
                                          .scratch = scratch};
    c.tiles.convolution.run = c.tiles_gradient.gradient.run = n;
    return c;
}

static const Tiling methods[] = {
    {.tile = 0}, {.tile = 2}, {.tile = 4}, {.tile = 2, .plain = true}, {.tile = 4, .plain = true}};
enum { METHODS = sizeof methods / sizeof *methods };
static const char *const names[METHODS] = {"direct", "2x2", "4x4", "2x2 plain", "4x4 plain"};

static void compare(const Kernels *kernels, const Square *layer, bool gradient, float *memory) {
    const Shape out = {layer->channels, layer->side, layer->side};
    double unit = 0, least[2] = {1e30, 1e30};
    int chosen[2] = {0, 0};
    printf("%4u  %2ux%-2u /%u %-8s", layer->channels, layer->side, layer->side, layer->stride,
           gradient ? "gradient" : "forward");
    for (int m = 0; m < METHODS && !(gradient && methods[m].plain); m++) {
        if (layer->stride == 2 && methods[m].tile == 2) continue;
        const Tiling tiling = tiling_of(methods[m].tile, layer->stride, methods[m].plain, layer->channels);
        const Case c = make(layer, tiling, memory);
        const double measured = measure(kernels, &c, tiling.tile, gradient),
                     cost = tiling_cost(tiling, out, layer->channels, gradient);
        if (m == 0) unit = measured / cost;
        const double both[2] = {measured, cost * unit};
        for (int i = 0; i < 2; i++)
            if (both[i] < least[i]) least[i] = both[i], chosen[i] = m;
        printf("  %8.1f %8.1f", both[0], both[1]);
    }
    printf("  %s%s\n", names[chosen[1]], chosen[0] == chosen[1] ? "" : " (slower)");
}

int main(void) {
    enum { FLOATS = 64 << 20 };
    Error err;
    float *memory = mem_alloc(FLOATS, sizeof *memory, &err);
    const Kernels *kernels = kernels_best();
    Rng rng = {.seed = 1};
    if (!memory) return fprintf(stderr, "%s\n", err.text), 1;
    for (size_t i = 0; i < FLOATS; i++) memory[i] = (float)rng_uniform(&rng);
    printf("%s; microseconds an image, measured and modelled; the tile with the least modelled time\n", kernels->name);
    printf("%-24s  %17s  %17s  %17s\n", "layer", "direct", "tiles of 2", "tiles of 4");
    for (size_t i = 0; i < sizeof layers / sizeof *layers; i++)
        for (int gradient = 0; gradient < (layers[i].stride == 1 ? 2 : 1); gradient++)
            compare(kernels, &layers[i], gradient, memory);
    mem_free(memory);
    return 0;
}
