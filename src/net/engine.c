/* engine -- runs a graph on images, one image per piece of work: its maps stay in the worker's cache, and no result
 * depends on the number of threads. */
#include "net/plan.h"

#include <string.h>

struct Engine {
    Graph *graph;
    Plan plan;
    Normalisation normalisation;
    const Kernels *kernels;
    unsigned batch, height, width;
    float *parameters; /* folded weights and biases */
    float *arenas;     /* one for each worker */
    unsigned workers;
};

/* ---- making ------------------------------------------------------------------------------------------------------ */

static bool make_arenas(Engine *engine, unsigned workers, Error *err) {
    uint64_t floats;
    float *arenas = NULL;
    if (!size_mul(engine->plan.arena, workers, &floats)) floats = UINT64_MAX;
    arenas = mem_alloc(floats, sizeof *arenas, err);
    if (!arenas) return false;
    mem_free(engine->arenas);
    engine->arenas = arenas;
    engine->workers = workers;
    return true;
}

Engine *engine_new(const Network *network, unsigned batch, unsigned height, unsigned width,
                   const EngineOptions *options, Error *err) {
    (void)options;
    Engine *engine = mem_alloc(1, sizeof *engine, err);
    if (!engine) return NULL;
    engine->kernels = kernels_best();
    engine->batch = batch;
    engine->height = height;
    engine->width = width;
    bool done = plan_make(&engine->plan, network, height, width, err) && make_arenas(engine, pool_threads(), err) &&
                (engine->parameters = mem_alloc(engine->plan.parameters, sizeof *engine->parameters, err));
    if (!done) {
        engine_free(engine);
        return NULL;
    }
    engine->graph = graph_share(network->graph);
    engine->normalisation = network->normalisation;
    plan_fold(&engine->plan, network, engine->parameters);
    return engine;
}

void engine_free(Engine *engine) {
    if (!engine) return;
    graph_release(engine->graph);
    plan_done(&engine->plan);
    mem_free(engine->parameters);
    mem_free(engine->arenas);
    mem_free(engine);
}

bool engine_set_network(Engine *engine, const Network *network, Error *err) {
    Shape *shapes = graph_shapes(network, engine->height, engine->width, err);
    if (!shapes) return false;
    mem_free(shapes);
    if (!graph_equal(engine->graph, network->graph))
        return error_set(err, STATUS_FAILED, "the networks' architectures differ");
    plan_fold(&engine->plan, network, engine->parameters);
    engine->normalisation = network->normalisation;
    return true;
}

void engine_set_kernels(Engine *engine, const Kernels *kernels) {
    engine->kernels = kernels;
}

/* ---- steps ------------------------------------------------------------------------------------------------------- */

/* A map in the arena of one worker: its first pixel inside the border, and floats from row to row and pixel to pixel.
 */
typedef struct View {
    float *at;
    size_t row, pixel;
    Shape shape;
    unsigned border;
} View;

static View view(const Engine *engine, float *arena, int position) {
    const Map *map = &engine->plan.maps[position];
    const size_t pixel = map->shape.channels, row = (map->shape.width + 2 * (size_t)map->border) * pixel;
    return (View){arena + map->offset + map->border * (row + pixel), row, pixel, map->shape, map->border};
}

/* Zeroes the pixels around a map; its memory held another one before. */
static void clear_border(const View *map) {
    const size_t edge = map->border * map->row, side = map->border * map->pixel;
    if (map->border == 0) return;
    float *first = map->at - side; /* of row 0 */
    memset(first - edge, 0, edge * sizeof *first);
    for (size_t y = 0; y < map->shape.height; y++) {
        memset(first + y * map->row, 0, side * sizeof *first);
        memset(first + (y + 1) * map->row - side, 0, side * sizeof *first);
    }
    memset(first + map->shape.height * map->row, 0, edge * sizeof *first);
}

/* Channel planes on [0, 1] to normalised pixels. */
static void run_input(const Engine *engine, const float *pixels, const View *out) {
    const size_t size = (size_t)engine->height * engine->width;
    for (unsigned c = 0; c < out->shape.channels; c++) {
        const float mean = engine->normalisation.mean[c], std = engine->normalisation.std[c];
        for (unsigned y = 0; y < engine->height; y++)
            for (unsigned x = 0; x < engine->width; x++)
                out->at[y * out->row + x * out->pixel + c] = (pixels[c * size + y * engine->width + x] - mean) / std;
    }
}

/* What convolutions of all kinds share. */
static Convolution prepare(const Engine *engine, float *arena, const Step *step, const View *in, const View *out) {
    Convolution c = {
        .in = in->at - step->padding * (in->row + in->pixel),
        .in_row = in->row,
        .in_pixel = in->pixel,
        .stride = step->stride,
        .rows = step->kernel[0],
        .columns = step->kernel[1],
        .weights = engine->parameters + step->weights,
        .bias = engine->parameters + step->bias,
        .out = out->at,
        .out_row = out->row,
        .out_pixel = out->pixel,
        .out_height = out->shape.height,
        .out_width = out->shape.width,
        .out_channels = out->shape.channels,
        .activation = step->activation,
    };
    if (step->residual < 0) return c;
    const View residual = view(engine, arena, step->residual);
    c.residual = residual.at;
    c.residual_row = residual.row;
    c.residual_pixel = residual.pixel;
    return c;
}

/* All groups of channels, one after the other; a row of taps is one run where there is one group. */
static void run_convolution(const Engine *engine, float *arena, const Step *step, const View *in, const View *out) {
    Convolution c = prepare(engine, arena, step, in, out);
    const size_t channels = in->shape.channels / step->groups;
    c.run = channels;
    c.out_channels = out->shape.channels / step->groups;
    const size_t padded = (c.out_channels + CHANNEL_GROUP - 1) / CHANNEL_GROUP * CHANNEL_GROUP;
    const size_t weights = padded * c.rows * c.columns * channels;
    if (step->groups == 1) {
        c.run *= c.columns;
        c.columns = 1;
    }
    for (unsigned group = 0; group < step->groups; group++) {
        engine->kernels->convolution(&c);
        c.in += channels;
        c.weights += weights;
        c.bias += padded;
        c.out += c.out_channels;
        if (c.residual) c.residual += c.out_channels;
    }
}

/* Every stride-th pixel; the new channels are zero, half of them before the old ones. */
static void run_shortcut(const Engine *engine, float *arena, const Step *step, const View *in, const View *out) {
    Depthwise copy = prepare(engine, arena, step, in, out);
    const size_t added = out->shape.channels - in->shape.channels;
    for (unsigned y = 0; added > 0 && y < out->shape.height; y++)
        memset(out->at + y * out->row, 0, out->shape.width * out->pixel * sizeof *out->at);
    copy.weights = copy.bias = NULL;
    copy.out += added / 2;
    copy.out_channels = in->shape.channels;
    engine->kernels->depthwise(&copy);
}

static void run_pool(const Step *step, const View *in, const View *out) {
    const Pool pool = {
        .in = in->at,
        .in_row = in->row,
        .in_pixel = in->pixel,
        .in_height = in->shape.height,
        .in_width = in->shape.width,
        .kernel = {step->kernel[0], step->kernel[1]},
        .stride = step->stride,
        .padding = step->padding,
        .out = out->at,
        .out_row = out->row,
        .out_pixel = out->pixel,
        .out_height = out->shape.height,
        .out_width = out->shape.width,
        .channels = out->shape.channels,
    };
    (step->kind == STEP_MAX_POOL ? pool_maximum : pool_average)(&pool);
}

static void run_step(const Engine *engine, float *arena, const Step *step, const float *pixels) {
    const View out = view(engine, arena, step->result), in = view(engine, arena, step->input < 0 ? 0 : step->input);
    clear_border(&out);
    switch (step->kind) {
    case STEP_INPUT:
        run_input(engine, pixels, &out);
        break;
    case STEP_CONVOLUTION:
        run_convolution(engine, arena, step, &in, &out);
        break;
    case STEP_DEPTHWISE:
    case STEP_ELEMENTWISE: {
        Depthwise d = prepare(engine, arena, step, &in, &out);
        engine->kernels->depthwise(&d);
        break;
    }
    case STEP_SHORTCUT_A:
        run_shortcut(engine, arena, step, &in, &out);
        break;
    case STEP_MAX_POOL:
    case STEP_AVERAGE_POOL:
        run_pool(step, &in, &out);
        break;
    }
}

/* ---- images ------------------------------------------------------------------------------------------------------ */

typedef struct Batch {
    const Engine *engine;
    const float *pixels;
    float *logits;
} Batch;

static void run_image(void *context, size_t image, unsigned worker) {
    const Batch *batch = context;
    const Engine *engine = batch->engine;
    const Graph *graph = engine->graph;
    const size_t size = (size_t)graph->in_channels * engine->height * engine->width;
    float *arena = engine->arenas + worker * engine->plan.arena;
    for (size_t i = 0; i < engine->plan.step_count; i++)
        run_step(engine, arena, &engine->plan.steps[i], batch->pixels + image * size);
    const View last = view(engine, arena, (int)graph->count - 1);
    memcpy(batch->logits + image * graph->classes, last.at, graph->classes * sizeof *batch->logits);
}

bool engine_forward(Engine *engine, const float *pixels, unsigned images, float *logits, Error *err) {
    if (images > engine->batch)
        return error_set(err, STATUS_FAILED, "%u images for an engine of %u", images, engine->batch);
    /* The one reason to allocate here: the number of threads was raised after engine_new. */
    if (pool_threads() > engine->workers && !make_arenas(engine, pool_threads(), err)) return false;
    Batch batch = {engine, pixels, logits};
    pool_run(images, run_image, &batch);
    return true;
}
