/* plan_tiles -- which convolutions multiply less: Winograd's kernels in tiles of 2 x 2 or 4 x 4 results, or the direct
 * ones.
 *
 * The time of each is modelled in multiply-adds of CHANNEL_GROUP channels, the direct kernel's unit of work. A tile
 * costs its products, the transforms of its vectors, and its share of the weights (of the sums, for gradients), which
 * come from memory once for each chunk of tiles if they outgrow the cache. tests/bench/bench_tiles.c prints this model
 * beside measured times. The model is part of the plan: it knows neither the machine nor the number of threads, so that
 * they do not change the bits of a result.
 */
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>

#include "net/engine/plan.h"

/* Transformed weights that stay in a core's second cache, those that are too many for tiles of 4, with 36 numbers for
 * 9: their memory would grow too much; and those of a whole network that no cache holds. In bytes. */
enum { CACHED_MOST = 1 << 20, WIDE_TILE_MOST = 1 << 22, NETWORK_MOST = 6 << 20 };

/* What the model knows of tiles of 2, of 4, and of 4 with a stride of 2: the transforms of a vector of input and of
 * results, of a vector of weights, of a vector of gradients, and of a vector of sums back to weights. */
typedef struct TileCost {
    double input, output, kernel, gradient, sums;
} TileCost;

static const TileCost tile_costs[] = {{110, 110, 90, 215, 500}, {380, 380, 500, 670, 480}, {1300, 850, 1500, 0, 0}};

/* For each byte that comes from memory beyond the second cache, and for each pixel and each kernel's call of a direct
 * convolution. */
static const double byte_cost = 0.2, pixel_cost = 6;

/* One convolution, in one direction. */
typedef struct Work {
    Shape out; /* channels, height, width of the results */
    size_t in;
    unsigned stride;
    bool gradient; /* of its weights */
} Work;

Tiling tiling_of(unsigned tile, unsigned stride, bool plain, size_t in_channels) {
    const size_t chunk = plain ? 64 : in_channels <= 64 ? 16 : 32;
    return (Tiling){.tile = tile, .stride = stride, .plain = plain, .chunk = chunk / (chunk > 16 ? stride : 1)};
}

bool tiling_transformed(Tiling tiling) {
    return tiling.tile > 0 && !tiling.plain;
}

static double groups(size_t channels) {
    return (double)((channels + CHANNEL_GROUP - 1) / CHANNEL_GROUP);
}

/* Of one image. */
static double direct_cost(const Work *work) {
    const double pixels = (double)work->out.height * work->out.width;
    return pixels * groups(work->out.channels) * (9 * (double)work->in + pixel_cost);
}

static double weights_bytes(const Work *work, Tiling tiling) {
    const double numbers = tiling.plain ? 9 : (double)winograd_positions(tiling.tile);
    return numbers * (double)work->in * groups(work->out.channels) * CHANNEL_GROUP * 4;
}

/* Of one image. */
static size_t count_tiles(const Work *work, Tiling tiling) {
    const size_t across = (work->out.width + tiling.tile - 1) / tiling.tile;
    return (work->out.height + tiling.tile - 1) / tiling.tile * across;
}

static double tiles_cost(const Work *work, Tiling tiling) {
    const TileCost *cost = &tile_costs[tiling.stride == 2 ? 2 : tiling.tile == 4];
    const size_t tiles = count_tiles(work, tiling);
    const size_t chunks = (KEPT_BLOCK * tiles + tiling.chunk - 1) / tiling.chunk;
    const double in = groups(work->in), out = groups(work->out.channels), bytes = weights_bytes(work, tiling);
    const double kernels = (double)work->in * out;
    const double transforms = in * cost->input + out * (work->gradient ? cost->gradient : cost->output);
    double block = bytes > CACHED_MOST ? bytes * byte_cost * (double)chunks : 0;
    if (tiling.plain) block += kernels * cost->kernel * (double)chunks;
    if (work->gradient) block += kernels * cost->sums;
    const double side = winograd_side(tiling);
    return (double)tiles * (side * side * kernels + transforms) + block / KEPT_BLOCK;
}

double tiling_cost(Tiling tiling, Shape out, size_t in, bool gradient) {
    const Work work = {.out = out, .in = in, .stride = tiling.stride, .gradient = gradient};
    return tiling.tile == 0 ? direct_cost(&work) : tiles_cost(&work, tiling);
}

static Tiling forced;

void plan_force_tile(unsigned tile, bool plain) {
    forced = (Tiling){.tile = tile, .plain = plain};
}

static Tiling choose(const Work *work) {
    Tiling best = {0};
    const unsigned smallest = work->stride == 2 ? 4 : 2;
    if (forced.tile >= smallest) return tiling_of(forced.tile, work->stride, forced.plain && !work->gradient, work->in);
    double least = forced.tile > 0 ? 0 : direct_cost(work);
    for (unsigned tile = smallest; tile <= WINOGRAD_TILE_MOST; tile += 2)
        for (int plain = 0; plain < (work->gradient ? 1 : 2); plain++) {
            const Tiling tiling = tiling_of(tile, work->stride, plain, work->in);
            const double cost = tiles_cost(work, tiling);
            const bool fits = tile == 2 || plain || weights_bytes(work, tiling) <= WIDE_TILE_MOST;
            if (!fits || cost >= least) continue;
            least = cost;
            best = tiling;
        }
    return best;
}

/* -1: as the environment says. */
static atomic_int convolutions_set = -1;

Convolutions engine_convolutions(void) {
    const char *usual = getenv("WEFT_CONVOLUTIONS");
    const int set = convolutions_set;
    if (set >= 0) return (Convolutions)set;
    return usual && strcmp(usual, "direct") == 0 ? CONVOLUTIONS_DIRECT : CONVOLUTIONS_FAST;
}

void engine_set_convolutions(int convolutions) {
    convolutions_set = convolutions;
}

static bool applies(const Step *step) {
    bool plain = step->kind == STEP_CONVOLUTION && step->groups == 1;
    for (int axis = 0; axis < 2; axis++)
        plain = plain && step->kernel[axis] == 3 && step->stride[axis] == step->stride[0] && step->dilation[axis] == 1;
    return plain && step->stride[0] <= 2;
}

static bool quantised(const Graph *graph) {
    bool found = false;
    for (size_t i = 0; i < graph->count; i++) found = found || graph->ops[i].kind == OP_QUANTISE;
    return found;
}

/* Work of a step that may take tiles: the way there, and back to the gradients of its input and of its weights. */
typedef struct Ways {
    Work forward, back, gradient;
} Ways;

static Ways step_ways(const Plan *plan, const Step *step) {
    const Shape in = plan->maps[step->input].shape, out = plan->maps[step->op].shape;
    Ways ways = {.forward = {.out = out, .in = in.channels, .stride = step->stride[0]},
                 .back = {.out = {in.channels, in.height, in.width}, .in = out.channels, .stride = 1}};
    ways.gradient = ways.forward;
    ways.gradient.gradient = true;
    return ways;
}

static double transformed_bytes(const Work *work, Tiling tiling) {
    return tiling_transformed(tiling) ? weights_bytes(work, tiling) : 0;
}

/* Where the transformed weights of a network outgrow the caches, wide layers of small maps transform theirs on the way:
 * once a block of images costs no more than reading four times as much from memory (ResNet56 takes as long). */
static Tiling spare(const Work *work, Tiling tiling, double network) {
    if (network <= NETWORK_MOST || transformed_bytes(work, tiling) <= CACHED_MOST / 2) return tiling;
    const Tiling plain = tiling_of(tiling.tile, tiling.stride, true, work->in);
    return KEPT_BLOCK * count_tiles(work, plain) <= plain.chunk ? plain : tiling;
}

void plan_tiles(Plan *plan, const Graph *graph) {
    if (engine_convolutions() == CONVOLUTIONS_DIRECT || quantised(graph)) return;
    double bytes = 0;
    for (size_t i = 0; i < plan->step_count; i++) {
        Step *step = &plan->steps[i];
        if (!applies(step)) continue;
        const Ways ways = step_ways(plan, step);
        step->tiling = choose(&ways.forward);
        bytes += transformed_bytes(&ways.forward, step->tiling);
        if (!plan->backward || ways.forward.stride > 1) continue; /* the way back has phases of fewer taps */
        step->back_tiling = choose(&ways.back);
        step->gradient_tile = choose(&ways.gradient).tile;
        bytes += transformed_bytes(&ways.back, step->back_tiling);
    }
    for (size_t i = 0; i < plan->step_count; i++) {
        Step *step = &plan->steps[i];
        if (!applies(step)) continue;
        const Ways ways = step_ways(plan, step);
        step->tiling = spare(&ways.forward, step->tiling, bytes);
        step->back_tiling = spare(&ways.back, step->back_tiling, bytes);
    }
}

bool step_direct(const Plan *plan, const Step *step) {
    return !tiling_transformed(step->tiling) || (plan->backward && !tiling_transformed(step->back_tiling));
}
