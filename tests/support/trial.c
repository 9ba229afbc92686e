#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
#include <math.h>
#include <stdio.h>
#include <string.h>

#include "net/engine/kernels/kernels.h"

#include "trial.h"
#include "weft/base/error.h"
#include "weft/base/memory.h"
#include "weft/base/random.h"
#include "weft/base/tensor.h"

Error trial_error;

void *trial_take(uint64_t count, size_t size) {
    void *memory = mem_alloc(count, size, &trial_error);
    assert_non_null(memory);
    return memory;
}

size_t trial_pixels(const Trial *trial) {
    return (size_t)trial->images * trial->network->graph->in_channels * trial->height * trial->width;
}

/* Makes engines and witnesses for trial->network (and ->teacher). All tensors but statistics get gradients. */
void trial_begin(Trial *trial, uint64_t seed) {
    const Network *network = trial->network;
    Rng rng = {.seed = seed, .stream = 77};
    trial->marks = trial_take(network->tensor_count, sizeof *trial->marks);
    trial->gradients = trial_take(network->tensor_count, sizeof *trial->gradients);
    for (size_t i = 0; i < network->graph->count; i++) {
        const Op *op = &network->graph->ops[i];
        const bool wanted = op->kind == OP_CONV || op->kind == OP_LINEAR ||
                            (op->kind == OP_BATCH_NORM && trial->options.batch_statistics);
        if (wanted && op->weight != NO_TENSOR) trial->marks[op->weight] = true;
        if (wanted && op->bias != NO_TENSOR) trial->marks[op->bias] = true;
    }
    for (size_t i = 0; i < network->tensor_count; i++)
        trial->gradients[i] = trial_take(network->tensors[i].tensor->count, sizeof **trial->gradients);
    trial->options.gradients = trial->marks;
    trial->options.input_gradient = true;
    trial->pixels = trial_take(trial_pixels(trial), sizeof *trial->pixels);
    trial->pixel_gradient = trial_take(trial_pixels(trial), sizeof *trial->pixel_gradient);
    trial->witness = witness_new(network, trial->height, trial->width, trial->images, trial->options.batch_statistics);
    trial->engine = engine_new(network, trial->images, trial->height, trial->width, &trial->options, &trial_error);
    if (!trial->engine) fail_msg("%s: %s", trial->name, trial_error.text);
    for (size_t i = 0; i < trial_pixels(trial); i++) {
        trial->pixels[i] = (float)rng_normal(&rng);
        trial->witness->pixels[i] = (double)trial->pixels[i];
    }
    for (unsigned i = 0; i < trial->images; i++) trial->labels[i] = (uint16_t)rng_below(&rng, network->graph->classes);
    if (!trial->teacher) return;
    const EngineOptions options = {.feature_maps = trial->options.feature_maps};
    trial->teacher_witness = witness_new(trial->teacher, trial->height, trial->width, trial->images, false);
    memcpy(trial->teacher_witness->pixels, trial->witness->pixels, trial_pixels(trial) * sizeof(double));
    witness_run(trial->teacher_witness);
    trial->teacher_engine =
        engine_new(trial->teacher, trial->images, trial->height, trial->width, &options, &trial_error);
    if (!trial->teacher_engine) fail_msg("%s: %s", trial->name, trial_error.text);
}

void trial_end(Trial *trial) {
    engine_free(trial->engine);
    engine_free(trial->teacher_engine);
    witness_free(trial->witness);
    if (trial->teacher_witness) witness_free(trial->teacher_witness);
    for (size_t i = 0; i < trial->network->tensor_count; i++) mem_free(trial->gradients[i]);
    mem_free(trial->gradients);
    mem_free(trial->marks);
    mem_free(trial->pixels);
    mem_free(trial->pixel_gradient);
    network_free(trial->network);
    network_free(trial->teacher);
}

double trial_backward(Trial *trial) {
    LossTerms terms;
    const Gradients gradients = {.tensors = trial->gradients, .pixels = trial->pixel_gradient};
    if (!engine_backward(trial->engine, trial->pixels, trial->labels, trial->images, trial->teacher_engine, NULL,
                         &trial->loss, &gradients, NULL, &terms, &trial_error))
        fail_msg("%s: %s", trial->name, trial_error.text);
    return trial->loss.cross_entropy * terms.cross_entropy + trial->loss.kd * terms.kd + trial->loss.fmd * terms.fmd;
}

double trial_evaluate(const Trial *trial) {
    witness_run(trial->witness);
    return witness_loss(trial->witness, &trial->loss, trial->labels, trial->teacher_witness);
}

/* The derivative along a direction of `values`, and what the gradient says it is. */
static void check_direction(const Trial *trial, const char *who, const char *what, double *values, size_t count,
                            const float *gradient, double floor, Rng *rng) {
    const double step = 2e-7;
    double *direction = trial_take(count, sizeof *direction), *before = trial_take(count, sizeof *before);
    double product = 0, norm = 0, change = 0;
    memcpy(before, values, count * sizeof *values);
    for (size_t i = 0; i < count; i++) {
        direction[i] = rng_normal(rng);
        product += direction[i] * (double)gradient[i];
        norm += (double)gradient[i] * (double)gradient[i];
    }
    for (int side = -1; side <= 1; side += 2) {
        for (size_t i = 0; i < count; i++) values[i] = before[i] + side * step * direction[i];
        change += side * trial_evaluate(trial);
    }
    memcpy(values, before, count * sizeof *values);
    mem_free(direction);
    mem_free(before);
    change /= 2 * step;
    if (!(fabs(change - product) < (trial->tolerance > 0 ? trial->tolerance : 3e-4) * sqrt(norm) + floor))
        fail_msg("%s by %s: %s changes the loss by %.8g, the gradient says %.8g (norm %.3g)", trial->name, who, what,
                 change, product, sqrt(norm));
}

double trial_norm(const float *values, size_t count) {
    double sum = 0;
    for (size_t i = 0; i < count; i++) sum += (double)values[i] * (double)values[i];
    return sqrt(sum);
}

static void check_all(const Trial *trial, const char *who, uint64_t seed) {
    const Network *network = trial->network;
    Rng rng = {.seed = seed, .stream = 78};
    double largest = 1;
    for (size_t i = 0; i < network->tensor_count; i++)
        largest = fmax(largest, trial_norm(trial->gradients[i], network->tensors[i].tensor->count));
    /* Gradients that are zero but for rounding, such as that of a bias before a batch norm of the batch. */
    const double floor = 2e-6 * largest;
    for (size_t i = 0; i < network->tensor_count; i++)
        if (trial->marks[i])
            check_direction(trial, who, network->tensors[i].name, trial->witness->tensors[i],
                            network->tensors[i].tensor->count, trial->gradients[i], floor, &rng);
    check_direction(trial, who, "the input", trial->witness->pixels, trial_pixels(trial), trial->pixel_gradient, floor,
                    &rng);
}

/* false where the network sits too close to a kink for a float32 gradient to be on the same side of it. */
bool trial_check(Trial *trial, uint64_t seed) {
    trial_begin(trial, seed);
    const double loss = trial_evaluate(trial);
    trial->witness->anchored = true;
    const bool smooth = trial->tolerance > 0 || trial->witness->margin > 1e-5;
    for (size_t set = 0; smooth && kernels_available(set); set++) {
        engine_set_kernels(trial->engine, kernels_available(set));
        for (size_t i = 0; i < trial->network->tensor_count; i++)
            if (trial->marks[i])
                memset(trial->gradients[i], 0xff, trial->network->tensors[i].tensor->count * sizeof(float));
        const double found = trial_backward(trial);
        if (!(fabs(found - loss) < 2e-5 * (1 + fabs(loss))))
            fail_msg("%s by %s: the loss is %.9g, not %.9g", trial->name, kernels_available(set)->name, found, loss);
        check_all(trial, kernels_available(set)->name, seed);
    }
    trial_end(trial);
    return smooth;
}

/* ---- operations -------------------------------------------------------------------------------------------------- */

const Case trial_cases[] = {
    {"conv3x3", {.kind = OP_CONV, .out_channels = 16, .groups = 1, WINDOW(3, 3, 1, 1)}, 16, 5, 7},
    {"conv3x3s2", {.kind = OP_CONV, .out_channels = 20, .groups = 1, WINDOW(3, 3, 2, 1)}, 5, 7, 6},
    {"conv3x3s3", {.kind = OP_CONV, .out_channels = 3, .groups = 1, WINDOW(3, 3, 3, 2)}, 4, 7, 8},
    {"conv1x1", {.kind = OP_CONV, .out_channels = 64, .groups = 1, WINDOW(1, 1, 1, 0)}, 20, 4, 3},
    {"conv1x1s2", {.kind = OP_CONV, .out_channels = 7, .groups = 1, WINDOW(1, 1, 2, 0)}, 64, 5, 4},
    {"conv1x1p1", {.kind = OP_CONV, .out_channels = 2, .groups = 1, WINDOW(1, 1, 1, 1)}, 1, 3, 3},
    {"conv5x3", {.kind = OP_CONV, .out_channels = 1, .groups = 1, WINDOW(5, 3, 1, 1)}, 3, 6, 5},
    {"conv2x2p2", {.kind = OP_CONV, .out_channels = 5, .groups = 1, WINDOW(2, 2, 1, 2)}, 20, 4, 5},
    {"conv7x7s2", {.kind = OP_CONV, .out_channels = 17, .groups = 1, WINDOW(7, 7, 2, 3)}, 3, 8, 9},
    {"conv4x4s2", {.kind = OP_CONV, .out_channels = 6, .groups = 1, WINDOW(4, 4, 2, 0)}, 6, 9, 7},
    {"grouped", {.kind = OP_CONV, .out_channels = 40, .groups = 2, WINDOW(3, 3, 1, 1)}, 6, 5, 5},
    {"grouped_s2", {.kind = OP_CONV, .out_channels = 8, .groups = 4, WINDOW(3, 3, 2, 1)}, 80, 5, 6},
    {"depthwise", {.kind = OP_CONV, .out_channels = 19, .groups = 19, WINDOW(3, 3, 1, 1)}, 19, 5, 6},
    {"depthwise_s2", {.kind = OP_CONV, .out_channels = 32, .groups = 32, WINDOW(3, 3, 2, 1)}, 32, 7, 6},
    {"conv3x3s21", {.kind = OP_CONV, .out_channels = 18, .groups = 1, WINDOW_BY(3, 3, 2, 1, 1, 1, 1, 1)}, 5, 8, 7},
    {"conv3x2s12", {.kind = OP_CONV, .out_channels = 4, .groups = 1, WINDOW_BY(3, 2, 1, 2, 2, 0, 1, 1)}, 17, 6, 9},
    {"conv3x3_sides", {.kind = OP_CONV, .out_channels = 6, .groups = 1, WINDOW_BY(3, 3, 2, 2, 0, 0, 1, 1)}, 4, 8, 7},
    {"conv3x3_one", {.kind = OP_CONV, .out_channels = 6, .groups = 1, WINDOW_BY(3, 3, 1, 1, 2, 1, 0, 3)}, 4, 6, 6},
    {"dilated", {.kind = OP_CONV, .out_channels = 20, .groups = 1, WINDOW(3, 3, 1, 2), .dilation = {2, 2}}, 5, 7, 8},
    {"dilated_s2", {.kind = OP_CONV, .out_channels = 5, .groups = 1, WINDOW(3, 3, 2, 2), .dilation = {2, 2}}, 3, 9, 8},
    {"dilated_s3", {.kind = OP_CONV, .out_channels = 5, .groups = 1, WINDOW(3, 3, 3, 2), .dilation = {2, 4}}, 3, 9, 11},
    {"dilated_s4", {.kind = OP_CONV, .out_channels = 5, .groups = 1, WINDOW(4, 3, 4, 3), .dilation = {2, 3}}, 3, 9, 11},
    {"dilated_1x3",
     {.kind = OP_CONV, .out_channels = 5, .groups = 1, WINDOW(1, 3, 1, 1), .dilation = {1, 3}},
     16,
     5,
     9},
    {"dilated_grouped",
     {.kind = OP_CONV, .out_channels = 40, .groups = 2, WINDOW(3, 3, 1, 2), .dilation = {2, 1}},
     6,
     6,
     6},
    {"dilated_depthwise",
     {.kind = OP_CONV, .out_channels = 19, .groups = 19, WINDOW(3, 3, 2, 3), .dilation = {3, 2}},
     19,
     7,
     8},
    {"batch_norm", {.kind = OP_BATCH_NORM, .epsilon = 1e-5f}, 20, 3, 4},
    {"relu", {.kind = OP_RELU}, 5, 4, 4},
    {"relu6", {.kind = OP_RELU6}, 5, 4, 4},
    {"leaky_relu", {.kind = OP_LEAKY_RELU, .slope = 0.1f}, 5, 4, 4},
    {"sigmoid", {.kind = OP_SIGMOID}, 5, 4, 4},
    {"silu", {.kind = OP_SILU}, 17, 4, 3},
    {"hard_sigmoid", {.kind = OP_HARD_SIGMOID}, 5, 4, 4},
    {"hard_swish", {.kind = OP_HARD_SWISH}, 5, 4, 4},
    {"gelu", {.kind = OP_GELU}, 5, 4, 4},
    {"tanh", {.kind = OP_TANH}, 5, 4, 4},
    {"add", {.kind = OP_ADD}, 18, 4, 3},
    {"add_other", {.kind = OP_ADD, .input = {0, SECOND_LIFTED}}, 18, 4, 3},
    {"multiply", {.kind = OP_MULTIPLY, .input = {0, SECOND_LIFTED}}, 18, 4, 3},
    {"multiply_self", {.kind = OP_MULTIPLY}, 5, 4, 3},
    {"multiply_channels", {.kind = OP_MULTIPLY, .input = {0, SECOND_POOLED}}, 20, 4, 3},
    {"concat", {.kind = OP_CONCAT, .input = {0, SECOND_LIFTED}}, 18, 4, 3},
    {"concat_self", {.kind = OP_CONCAT}, 5, 4, 3},
    {"slice", {.kind = OP_SLICE, .out_channels = 7, .offset = 3}, 18, 4, 3},
    {"slice_all", {.kind = OP_SLICE, .out_channels = 6}, 6, 4, 3},
    {"shuffle", {.kind = OP_SHUFFLE, .groups = 3}, 12, 4, 3},
    {"pad", {.kind = OP_PAD, .padding = {1, 0, 2, 3}}, 5, 4, 3},
    {"shortcut", {.kind = OP_SHORTCUT_A, .out_channels = 12, .stride = {2, 2}, .offset = 3}, 6, 5, 6},
    {"shortcut_wide", {.kind = OP_SHORTCUT_A, .out_channels = 22, .stride = {1, 1}, .offset = 0}, 3, 4, 3},
    {"max_pool", {.kind = OP_MAX_POOL, WINDOW(2, 2, 2, 0)}, 5, 6, 7},
    {"max_pool_p1", {.kind = OP_MAX_POOL, WINDOW(3, 3, 2, 1)}, 17, 7, 6},
    {"max_pool_s1", {.kind = OP_MAX_POOL, WINDOW(3, 2, 1, 1)}, 4, 5, 5},
    {"average_pool", {.kind = OP_AVERAGE_POOL, WINDOW(2, 2, 2, 0)}, 5, 6, 7},
    {"average_pool_p1", {.kind = OP_AVERAGE_POOL, WINDOW(3, 3, 2, 1)}, 3, 7, 6},
    {"max_pool_ceiling", {.kind = OP_MAX_POOL, WINDOW(3, 3, 2, 0), .ceiling = true}, 5, 6, 8},
    {"max_pool_sides", {.kind = OP_MAX_POOL, WINDOW_BY(3, 2, 2, 1, 0, 1, 1, 0)}, 5, 6, 7},
    {"average_pool_ceiling", {.kind = OP_AVERAGE_POOL, WINDOW(3, 3, 2, 1), .ceiling = true}, 3, 6, 8},
    {"average_pool_inside", {.kind = OP_AVERAGE_POOL, WINDOW(3, 3, 2, 1), .exclude_padding = true}, 3, 7, 6},
    {"average_pool_both",
     {.kind = OP_AVERAGE_POOL, WINDOW_BY(3, 3, 2, 2, 1, 0, 0, 1), .ceiling = true, .exclude_padding = true},
     3,
     7,
     6},
    {"adaptive_pool", {.kind = OP_ADAPTIVE_POOL, .size = {3, 2}}, 5, 7, 6},
    {"adaptive_pool_up", {.kind = OP_ADAPTIVE_POOL, .size = {5, 7}}, 5, 3, 4},
    {"global_pool", {.kind = OP_GLOBAL_POOL}, 20, 4, 5},
    {"linear", {.kind = OP_LINEAR, .out_channels = 21}, 6, 3, 4},
    {"quantise", {.kind = OP_QUANTISE, .quantiser = {0.1f, 9, 5}}, 18, 4, 3},
    {"quantise2", {.kind = OP_QUANTISE, .quantiser = {0.8f, 1, 2}}, 5, 4, 4},
    {.name = NULL},
};

static int normal_tensor(Making *making, unsigned rank, const uint64_t *dim, double mean, double deviation, Rng *rng) {
    Tensor *tensor = tensor_new(rank, dim, &trial_error);
    assert_non_null(tensor);
    for (uint64_t i = 0; i < tensor->count; i++) tensor->data[i] = (float)(mean + deviation * rng_normal(rng));
    return make_tensor(making, tensor);
}

static int add_convolution(Making *making, int input, unsigned in, unsigned out, Rng *rng) {
    Op op = {.kind = OP_CONV, .input = {input}, .out_channels = out, .groups = 1, WINDOW(1, 1, 1, 0)};
    op.weight = normal_tensor(making, 4, (const uint64_t[]){out, in, 1, 1}, 0, 1 / sqrt(in), rng);
    op.bias = normal_tensor(making, 1, (const uint64_t[]){out}, 0, 1, rng);
    return graph_add(&making->builder, op, "lift");
}

/* input -> 1x1 convolution -> the operation -> ReLU -> linear; the 1x1 convolution has more readers where the operation
 * adds, so that the gradients of several readers meet. */
Network *case_network(const Case *one, bool relu, uint64_t seed) {
    Rng rng = {.seed = seed, .stream = 5};
    Making making = make_begin();
    Op op = one->op;
    op.input[0] = add_convolution(&making, 0, 3, one->channels, &rng);
    if (relu) op.input[0] = graph_add(&making.builder, (Op){.kind = OP_RELU, .input = {op.input[0]}}, "before");
    op.input[1] = op.input[0];
    if (one->op.input[1] == SECOND_LIFTED) op.input[1] = add_convolution(&making, 0, 3, one->channels, &rng);
    if (one->op.input[1] == SECOND_POOLED)
        op.input[1] = graph_add(&making.builder, (Op){.kind = OP_GLOBAL_POOL, .input = {op.input[0]}}, "factor");
    if (op.out_channels == 0) op.out_channels = one->channels * (op.kind == OP_CONCAT ? 2 : 1);
    const uint64_t dim[4] = {op.out_channels, op.groups ? one->channels / op.groups : 0, op.kernel[0], op.kernel[1]};
    const uint64_t all = (uint64_t)one->channels * one->height * one->width, fan = dim[1] * dim[2] * dim[3];
    op.weight = op.bias = NO_TENSOR;
    if (op.kind == OP_CONV) op.weight = normal_tensor(&making, 4, dim, 0, 1 / sqrt((double)fan), &rng);
    if (op.kind == OP_LINEAR)
        op.weight = normal_tensor(&making, 2, (const uint64_t[]){dim[0], all}, 0, 1 / sqrt((double)all), &rng);
    if (op.kind == OP_BATCH_NORM) {
        op.weight = normal_tensor(&making, 1, dim, 1, 0.3, &rng);
        op.mean = normal_tensor(&making, 1, dim, 0, 1, &rng);
        op.variance = normal_tensor(&making, 1, dim, 3, 0.3, &rng);
    }
    if (op.weight != NO_TENSOR) op.bias = normal_tensor(&making, 1, dim, 0, 1, &rng);
    int at = graph_add(&making.builder, op, "%s", one->name);
    if (relu) at = graph_add(&making.builder, (Op){.kind = OP_RELU, .input = {at}}, "after");
    at = graph_add(&making.builder, (Op){.kind = OP_GLOBAL_POOL, .input = {at}, .out_channels = op.out_channels},
                   "mean");
    op = (Op){.kind = OP_LINEAR, .input = {at}, .out_channels = CLASSES};
    op.weight = normal_tensor(&making, 2, (const uint64_t[]){CLASSES, dim[0]}, 0, 1, &rng);
    op.bias = normal_tensor(&making, 1, (const uint64_t[]){CLASSES}, 0, 1, &rng);
    graph_add(&making.builder, op, "last");
    return make_end(&making, CLASSES);
}

/* ---- a small residual network ------------------------------------------------------------------------------------ */

static int add_norm(Making *making, int input, unsigned channels, Rng *rng) {
    const uint64_t dim[1] = {channels};
    Op op = {.kind = OP_BATCH_NORM, .input = {input}, .out_channels = channels, .epsilon = 1e-5f};
    op.weight = normal_tensor(making, 1, dim, 1, 0.2, rng);
    op.bias = normal_tensor(making, 1, dim, 0, 0.5, rng);
    op.mean = normal_tensor(making, 1, dim, 0, 0.3, rng);
    op.variance = normal_tensor(making, 1, dim, 2, 0.1, rng);
    return graph_add(&making->builder, op, "norm");
}

static int add_relu(Making *making, int input, unsigned channels) {
    return graph_add(&making->builder, (Op){.kind = OP_RELU, .input = {input}, .out_channels = channels}, "relu");
}

/* Stem, a residual block that halves the map with shortcut A, one that keeps it. */
Network *block_network(uint64_t seed) {
    Rng rng = {.seed = seed, .stream = 6};
    Making making = make_begin();
    static const unsigned widths[3] = {5, 18, 18};
    unsigned channels = 3;
    int at = 0;
    for (int block = 0; block < 3; block++) {
        const unsigned width = widths[block];
        int from = at;
        for (int half = block == 0; half < 2; half++) {
            Op op = {.kind = OP_CONV, .input = {at}, .out_channels = width, .groups = 1, WINDOW(3, 3, 1, 1)};
            if (half == 0 && block == 1) op.stride[0] = op.stride[1] = 2;
            const double deviation = sqrt(2.0 / (9 * channels));
            op.weight = normal_tensor(&making, 4, (const uint64_t[]){width, channels, 3, 3}, 0, deviation, &rng);
            op.bias = NO_TENSOR;
            at = add_norm(&making, graph_add(&making.builder, op, "conv"), width, &rng);
            if (half == 0) at = add_relu(&making, at, width);
            channels = width;
        }
        if (block == 1)
            from = graph_add(
                &making.builder,
                (Op){.kind = OP_SHORTCUT_A, .input = {from}, .out_channels = width, .stride = {2, 2}, .offset = 6},
                "cut");
        if (block > 0)
            at = graph_add(&making.builder, (Op){.kind = OP_ADD, .input = {at, from}, .out_channels = width}, "sum");
        at = add_relu(&making, at, width);
    }
    at = graph_add(&making.builder, (Op){.kind = OP_GLOBAL_POOL, .input = {at}, .out_channels = channels}, "mean");
    Op op = {.kind = OP_LINEAR, .input = {at}, .out_channels = CLASSES};
    op.weight = normal_tensor(&making, 2, (const uint64_t[]){CLASSES, channels}, 0, 1, &rng);
    op.bias = normal_tensor(&making, 1, (const uint64_t[]){CLASSES}, 0, 1, &rng);
    graph_add(&making.builder, op, "last");
    return make_end(&making, CLASSES);
}

/* A network whose teacher is another of the same graph. */
Trial trial_distillation(const char *name, uint64_t seed, EngineOptions options, Loss loss) {
    Trial trial = {.name = name, .height = 6, .width = 5, .images = IMAGES, .options = options, .loss = loss};
    trial.network = block_network(seed);
    trial.teacher = block_network(seed + 1000);
    return trial;
}
