/* engine -- making an engine, giving it weights, and its forward pass. */
#include "net/engine/engine.h"

#include <assert.h>
#include <string.h>

#include "weft/base/error.h"
#include "weft/base/memory.h"
#include "weft/base/pool.h"
#include "weft/base/size.h"
#include "weft/base/tensor.h"

/* ---- making ------------------------------------------------------------------------------------------------------ */

/* The most images of a block that a late step's weights serve. */
enum { LATE_BLOCK = 8 };

/* The most memory for the sums of all pieces: with very many weights there are fewer pieces. */
#define SUMS_MAX ((uint64_t)1 << 28)

/* The arenas of a block's late steps take about as much memory as that of the early ones. */
static unsigned forward_block(const Engine *engine) {
    const Plan *plan = &engine->plan;
    if (plan->early == plan->step_count || engine->batch == 0) return 1;
    const size_t fit = plan->arena > 0 ? plan->early_arena / plan->arena : LATE_BLOCK;
    const unsigned block = fit < KEPT_BLOCK ? KEPT_BLOCK : fit > LATE_BLOCK ? LATE_BLOCK : (unsigned)fit;
    return block < engine->batch ? block : engine->batch;
}

static void *alloc_product(uint64_t a, uint64_t b, size_t size, Error *err) {
    uint64_t count;
    return mem_alloc(size_mul(a, b, &count) ? count : UINT64_MAX, size, err);
}

static bool make_arenas(Engine *engine, unsigned workers, Error *err) {
    const uint64_t count = engine->training ? engine->batch : (uint64_t)workers * engine->block;
    float *arenas = engine->training ? alloc_product(engine->plan.arena, count, sizeof *arenas, err)
                                     : alloc_product(worker_floats(engine), workers, sizeof *arenas, err);
    FeatureGradient *features = alloc_product(engine->feature_count, count, sizeof *features, err);
    float *scratch = alloc_product(engine->plan.scratch, workers, sizeof *scratch, err);
    const uint64_t local = engine->plan.local > 0 ? engine->plan.arena : 0;
    float *locals = alloc_product(local, (uint64_t)workers * engine->block, sizeof *locals, err);
    if (!arenas || !features || !scratch || !locals) {
        mem_free(locals);
        mem_free(arenas);
        mem_free(features);
        mem_free(scratch);
        return false;
    }
    mem_free(engine->arenas);
    mem_free(engine->feature_gradients);
    mem_free(engine->scratch);
    mem_free(engine->locals);
    engine->scratch = scratch;
    engine->arenas = arenas;
    engine->locals = locals;
    engine->feature_gradients = features;
    engine->workers = workers;
    return true;
}

/* One array for copies of all tensors, so that each can be replaced alone. An engine for forward passes only shares the
 * network's. */
static bool make_tensors(Engine *engine, const Network *network, Error *err) {
    const Graph *graph = engine->graph;
    uint64_t total = 0;
    engine->tensor_count = network->tensor_count;
    engine->tensors = mem_alloc(network->tensor_count, sizeof *engine->tensors, err);
    engine->tensor_sizes = mem_alloc(network->tensor_count, sizeof *engine->tensor_sizes, err);
    engine->shared = mem_alloc(engine->plan.backward ? 0 : network->tensor_count, sizeof(Tensor *), err);
    if (!engine->tensors || !engine->tensor_sizes || !engine->shared) return false;
    for (size_t i = 1; i < graph->count; i++)
        for (int j = 0; j < OP_TENSORS; j++) {
            const int tensor = graph->ops[i].tensors[j];
            if (tensor == NO_TENSOR || engine->tensor_sizes[tensor] > 0) continue;
            engine->tensor_sizes[tensor] = network->tensors[tensor].tensor->count;
            total += engine->tensor_sizes[tensor];
        }
    if (!engine->plan.backward) return true;
    float *at = engine->copies = mem_alloc(total, sizeof *engine->copies, err);
    if (!at) return false;
    for (size_t i = 0; i < engine->tensor_count; at += engine->tensor_sizes[i++])
        if (engine->tensor_sizes[i] > 0) engine->tensors[i] = at;
    return true;
}

static bool make_features(Engine *engine, const Graph *graph, Error *err) {
    engine->features = mem_alloc(graph->count, sizeof *engine->features, err);
    if (!engine->features) return false;
    for (size_t i = 0; i < graph->count; i++) {
        if (graph->ops[i].kind != OP_BATCH_NORM && graph->ops[i].kind != OP_ADD) continue;
        engine->features[engine->feature_count++] = (Feature){.map = (int)i, .sum = graph->ops[i].kind == OP_ADD};
    }
    for (size_t i = 0; i < graph->count; i++) {
        int added = graph->ops[i].input[0];
        if (graph->ops[i].kind != OP_ADD) continue;
        if (graph->ops[added].kind == OP_QUANTISE) added = graph->ops[added].input[0];
        for (size_t f = 0; f < engine->feature_count; f++)
            if (engine->features[f].map == added) engine->features[f].second = !engine->features[f].sum;
    }
    return true;
}

static bool make_backward(Engine *engine, Error *err) {
    const uint64_t bytes = engine->plan.sums * sizeof *engine->sums, most = bytes > 0 ? SUMS_MAX / bytes : PIECES_MAX;
    engine->pieces = most > PIECES_MAX ? PIECES_MAX : most < 1 ? 1 : (unsigned)most;
    return (engine->sums = alloc_product(engine->plan.sums, engine->pieces, sizeof *engine->sums, err)) &&
           (engine->kernel_order = mem_alloc(engine->plan.kernels, sizeof *engine->kernel_order, err)) &&
           (engine->channel_starts = mem_alloc(engine->plan.kernel_channels, sizeof *engine->channel_starts, err)) &&
           (engine->terms = mem_alloc(engine->batch, sizeof *engine->terms, err)) &&
           (engine->teacher_logits =
                alloc_product(engine->batch, engine->graph->classes, sizeof *engine->teacher_logits, err));
}

static bool make_statistics(Engine *engine, Error *err) {
    Statistics *statistics = &engine->statistics;
    const size_t count = engine->plan.statistics, most = engine->plan.channels;
    return (statistics->mean = mem_alloc(count, sizeof *statistics->mean, err)) &&
           (statistics->variance = mem_alloc(count, sizeof *statistics->variance, err)) &&
           (statistics->gamma_sum = mem_alloc(count, sizeof *statistics->gamma_sum, err)) &&
           (statistics->beta_sum = mem_alloc(count, sizeof *statistics->beta_sum, err)) &&
           (statistics->coefficients = mem_alloc(most, 3 * sizeof *statistics->coefficients, err)) &&
           (statistics->partial = alloc_product(engine->batch, 2 * (uint64_t)most, sizeof *statistics->partial, err));
}

static void share_tensor(Engine *engine, int index, Tensor *tensor) {
    Tensor *before = engine->shared[index];
    engine->shared[index] = tensor_share(tensor);
    engine->tensors[index] = tensor->data;
    tensor_release(before);
}

/* The network's tensors may have other indices than the engine's. */
static void take_tensors(Engine *engine, const Network *network) {
    for (size_t i = 1; i < engine->graph->count; i++)
        for (int j = 0; j < OP_TENSORS; j++) {
            const int to = engine->graph->ops[i].tensors[j], from = network->graph->ops[i].tensors[j];
            if (to == NO_TENSOR) continue;
            Tensor *tensor = network->tensors[from].tensor;
            if (engine->plan.backward)
                memcpy(engine->tensors[to], tensor->data, engine->tensor_sizes[to] * sizeof(float));
            else
                share_tensor(engine, to, tensor);
        }
    for (size_t i = 0; i < engine->plan.step_count; i++) {
        Step *step = &engine->plan.steps[i];
        step->quantiser = network->graph->ops[step->op].quantiser;
        fold_step(&engine->plan, step, engine->graph, (const float *const *)engine->tensors, engine->parameters);
    }
    engine->normalisation = network->normalisation;
}

Engine *engine_new(const Network *network, unsigned batch, unsigned height, unsigned width,
                   const EngineOptions *options, Error *err) {
    Engine *engine = mem_alloc(1, sizeof *engine, err);
    if (!engine) return NULL;
    engine->kernels = kernels_best();
    engine->batch = batch;
    engine->height = height;
    engine->width = width;
    bool done = plan_make(&engine->plan, network, height, width, options, err);
    if (done) {
        engine->graph = graph_share(network->graph);
        engine->training = engine->plan.statistics > 0;
        engine->block = engine->plan.keep ? KEPT_BLOCK : forward_block(engine);
    }
    done = done && (!options || !options->feature_maps || make_features(engine, engine->graph, err)) &&
           make_arenas(engine, pool_threads(), err) && make_tensors(engine, network, err) &&
           (engine->parameters = mem_alloc(engine->plan.parameters, sizeof *engine->parameters, err)) &&
           (!engine->plan.backward || make_backward(engine, err)) &&
           (!engine->training || make_statistics(engine, err));
    if (!done) {
        engine_free(engine);
        return NULL;
    }
    take_tensors(engine, network);
    return engine;
}

void engine_free(Engine *engine) {
    if (!engine) return;
    graph_release(engine->graph);
    mem_free(engine->tensors);
    mem_free(engine->tensor_sizes);
    mem_free(engine->copies);
    for (size_t i = 0; engine->shared && !engine->plan.backward && i < engine->tensor_count; i++)
        tensor_release(engine->shared[i]);
    mem_free(engine->shared);
    mem_free(engine->parameters);
    mem_free(engine->arenas);
    mem_free(engine->locals);
    mem_free(engine->sums);
    mem_free(engine->scratch);
    mem_free(engine->kernel_order);
    mem_free(engine->channel_starts);
    mem_free(engine->terms);
    mem_free(engine->teacher_logits);
    mem_free(engine->features);
    mem_free(engine->feature_gradients);
    mem_free(engine->statistics.mean);
    mem_free(engine->statistics.variance);
    mem_free(engine->statistics.gamma_sum);
    mem_free(engine->statistics.beta_sum);
    mem_free(engine->statistics.partial);
    mem_free(engine->statistics.coefficients);
    plan_done(&engine->plan);
    mem_free(engine);
}

/* ---- weights ----------------------------------------------------------------------------------------------------- */

bool engine_set_network(Engine *engine, const Network *network, Error *err) {
    Shape *shapes = graph_shapes(network, engine->height, engine->width, err);
    if (!shapes) return false;
    mem_free(shapes);
    if (!graph_equal(engine->graph, network->graph))
        return error_set(err, STATUS_FAILED, "the networks' architectures differ");
    take_tensors(engine, network);
    return true;
}

void engine_set_tensor(Engine *engine, size_t tensor, const float *values) {
    const Graph *graph = engine->graph;
    assert(engine->plan.backward);
    if (!engine->tensors[tensor]) return;
    memcpy(engine->tensors[tensor], values, engine->tensor_sizes[tensor] * sizeof *values);
    for (size_t i = 0; i < engine->plan.step_count; i++) {
        const Step *step = &engine->plan.steps[i];
        const int op[2] = {step->op, step->batch_norm < 0 ? step->op : step->batch_norm};
        bool reads = false;
        for (int j = 0; j < 2 * OP_TENSORS; j++) reads = reads || graph->ops[op[j % 2]].tensors[j / 2] == (int)tensor;
        if (reads) fold_step(&engine->plan, step, graph, (const float *const *)engine->tensors, engine->parameters);
    }
}

void engine_observe(Engine *engine, EngineObserver *observer, void *context) {
    engine->observer = observer;
    engine->observer_context = context;
}

void engine_set_kernels(Engine *engine, const Kernels *kernels) {
    engine->kernels = kernels;
}

/* ---- passes ------------------------------------------------------------------------------------------------------ */

bool engine_prepare(Engine *engine, unsigned images, Error *err) {
    if (images > engine->batch)
        return error_set(err, STATUS_FAILED, "%u images for an engine of %u", images, engine->batch);
    return pool_threads() <= engine->workers || make_arenas(engine, pool_threads(), err);
}

bool engine_forward(Engine *engine, const float *pixels, unsigned images, float *logits, Error *err) {
    if (!engine_prepare(engine, images, err)) return false;
    Pass pass = {.engine = engine, .pixels = pixels, .images = images, .logits = logits};
    forward_pass(&pass);
    return true;
}
