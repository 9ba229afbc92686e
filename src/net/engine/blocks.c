/* blocks -- what every pass works with: maps, steps, blocks of images, and their states behind a cut. */
#include "net/engine/engine.h"

#include <string.h>

/* ---- maps -------------------------------------------------------------------------------------------------------- */

void view_clear_border(const View *view) {
    const size_t edge = view->border * view->row, side = view->border * view->pixel;
    if (view->border == 0) return;
    float *first = view->at - side; /* of row 0 */
    memset(first - edge, 0, edge * sizeof *first);
    for (size_t y = 0; y < view->shape.height; y++) {
        memset(first + y * view->row, 0, side * sizeof *first);
        memset(first + (y + 1) * view->row - side, 0, side * sizeof *first);
    }
    memset(first + view->shape.height * view->row, 0, edge * sizeof *first);
}

void view_clear(const View *view) {
    const size_t rows = view->shape.height + 2 * (size_t)view->border;
    memset(view->at - view->border * (view->row + view->pixel), 0, rows * view->row * sizeof *view->at);
}

/* ---- steps ------------------------------------------------------------------------------------------------------- */

Pool step_pool(const Engine *engine, const Step *step, const View *in, const View *out) {
    const Op *op = &engine->graph->ops[step->op];
    return (Pool){
        .in = in->at,
        .in_row = in->row,
        .in_pixel = in->pixel,
        .in_height = in->shape.height,
        .in_width = in->shape.width,
        .kernel = {step->kernel[0], step->kernel[1]},
        .stride = {step->stride[0], step->stride[1]},
        .padding = {step->padding[0], step->padding[1], step->padding[2], step->padding[3]},
        .adaptive = op->kind == OP_ADAPTIVE_POOL,
        .exclude_padding = op->exclude_padding,
        .out = out->at,
        .out_row = out->row,
        .out_pixel = out->pixel,
        .out_height = out->shape.height,
        .out_width = out->shape.width,
        .channels = out->shape.channels,
    };
}

Levels step_levels(const Step *step, const View *in, const View *out) {
    const Quantiser *q = &step->quantiser;
    return (Levels){
        .in = in->at,
        .in_row = in->row,
        .out = out->at,
        .out_row = out->row,
        .rows = out->shape.height,
        .run = (size_t)out->shape.width * out->shape.channels,
        .scale = q->scale,
        .inverse = 1.0f / q->scale,
        .low = (float)-q->zero_point,
        .high = (float)((1 << q->bits) - 1 - q->zero_point),
    };
}

double step_work(const Engine *engine, const Step *step) {
    if (step->kind != STEP_CONVOLUTION && step->kind != STEP_DEPTHWISE) return 0;
    const Shape out = engine->plan.maps[step->op].shape;
    return (double)engine->tensor_sizes[engine->graph->ops[step->op].weight] * (double)out.height * (double)out.width;
}

/* ---- blocks ------------------------------------------------------------------------------------------------------ */

size_t worker_floats(const Engine *engine) {
    return engine->plan.early_arena + engine->block * engine->plan.arena;
}

Block block_at(const Engine *engine, size_t first, size_t end, unsigned worker) {
    const size_t left = end - first, own = (size_t)worker * engine->block, arena = engine->training ? first : own;
    const Block block = {.first = first,
                         .count = left < engine->block ? left : engine->block,
                         .arenas = engine->arenas + arena * engine->plan.arena + worker * engine->plan.early_arena,
                         .arena = arena,
                         .worker = worker};
    for (size_t i = 0; engine->plan.local > 0 && i < block.count; i++)
        *(float **)(void *)(block.arenas + i * engine->plan.arena) = engine->locals + (own + i) * engine->plan.arena;
    return block;
}

/* The gradient of the step's result is complete but for this. */
void gradient_begin(const Pass *pass, const Block *block, size_t image, const Step *step) {
    const Engine *engine = pass->engine;
    const View gradient = gradient_view(engine, block->arenas + image * engine->plan.arena, step->result);
    if (step->unread) view_clear(&gradient);
    if (pass->loss->fmd > 0) feature_add(pass, block, image, step->result);
}

void block_tiles(const Engine *engine, const Block *block, const Convolution *convolution, Tiling tiling) {
    const Winograd w = {.convolution = *convolution,
                        .tiling = tiling,
                        .scratch = engine->scratch + block->worker * engine->plan.scratch};
    engine->kernels->winograd(&w);
}

/* ---- states ------------------------------------------------------------------------------------------------------ */

/* Whether the result of step `i`, before the cut, is read behind it. The last step's is read as the logits. */
static bool crosses(const Plan *plan, size_t i, size_t cut) {
    const int map = plan->steps[i].result;
    for (size_t reader = cut; reader < plan->step_count; reader++)
        if (plan->steps[reader].input == map || plan->steps[reader].residual == map) return true;
    return i + 1 == plan->step_count;
}

static size_t map_floats(const Map *map) {
    return ((size_t)map->shape.height + 2 * map->border) * ((size_t)map->shape.width + 2 * map->border) *
           map->shape.channels;
}

uint64_t engine_state(const Engine *engine, size_t cut) {
    uint64_t total = 0;
    for (size_t i = 0; i < cut; i++)
        if (crosses(&engine->plan, i, cut)) total += map_floats(&engine->plan.maps[engine->plan.steps[i].result]);
    return total;
}

void state_copy(const Engine *engine, size_t cut, float *arena, float *state, bool keep) {
    for (size_t i = 0; i < cut; i++) {
        const Map *map = &engine->plan.maps[engine->plan.steps[i].result];
        if (!crosses(&engine->plan, i, cut)) continue;
        const size_t count = map_floats(map);
        float *to = keep ? state : arena + map->offset;
        memcpy(to, keep ? arena + map->offset : state, count * sizeof *to);
        state += count;
    }
}
