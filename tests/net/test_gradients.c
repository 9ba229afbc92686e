/* test_gradients -- the gradients of every operation and every loss against finite differences of a network that runs
 * by plain loops in double (tests/support/witness.h), on random graphs and on every set of kernels this CPU can run.
 *
 * A tensor's gradient g is tested along random directions v: (f(w + h v) - f(w - h v)) / 2h against g . v. A single
 * wrong element of a thousand changes that product by a thirtieth of |g|; float32 by less than a ten-thousandth.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
#include <math.h>
#include <stdio.h>
#include <string.h>

#include "net/kernels/kernels.h"

#include "../support/graphs.h"
#include "../support/witness.h"

enum { IMAGES = 3, CLASSES = 9 };

static const Loss plain = {.cross_entropy = 1};

/* One network under test, with everything that a backward pass takes and gives. */
typedef struct Trial {
    const char *name;
    Network *network, *teacher;
    unsigned height, width, images;
    EngineOptions options;
    Loss loss;
    float *pixels;
    uint16_t labels[64];
    bool *marks;
    float **gradients;
    float *pixel_gradient;
    Engine *engine, *teacher_engine;
    Witness *witness, *teacher_witness;
} Trial;

static Error trial_error;

static void *take(uint64_t count, size_t size) {
    void *memory = mem_alloc(count, size, &trial_error);
    assert_non_null(memory);
    return memory;
}

static size_t pixel_count(const Trial *trial) {
    return (size_t)trial->images * trial->network->graph->in_channels * trial->height * trial->width;
}

/* Makes engines and witnesses for trial->network (and ->teacher). All tensors but statistics get gradients. */
static void trial_begin(Trial *trial, uint64_t seed) {
    const Network *network = trial->network;
    Rng rng = {.seed = seed, .stream = 77};
    trial->marks = take(network->tensor_count, sizeof *trial->marks);
    trial->gradients = take(network->tensor_count, sizeof *trial->gradients);
    for (size_t i = 0; i < network->graph->count; i++) {
        const Op *op = &network->graph->ops[i];
        const bool wanted = op->kind == OP_CONV || op->kind == OP_LINEAR ||
                            (op->kind == OP_BATCH_NORM && trial->options.batch_statistics);
        if (wanted && op->weight != NO_TENSOR) trial->marks[op->weight] = true;
        if (wanted && op->bias != NO_TENSOR) trial->marks[op->bias] = true;
    }
    for (size_t i = 0; i < network->tensor_count; i++)
        trial->gradients[i] = take(network->tensors[i].tensor->count, sizeof **trial->gradients);
    trial->options.gradients = trial->marks;
    trial->options.input_gradient = true;
    trial->pixels = take(pixel_count(trial), sizeof *trial->pixels);
    trial->pixel_gradient = take(pixel_count(trial), sizeof *trial->pixel_gradient);
    trial->witness = witness_new(network, trial->height, trial->width, trial->images, trial->options.batch_statistics);
    trial->engine = engine_new(network, trial->images, trial->height, trial->width, &trial->options, &trial_error);
    if (!trial->engine) fail_msg("%s: %s", trial->name, trial_error.text);
    for (size_t i = 0; i < pixel_count(trial); i++) {
        trial->pixels[i] = (float)rng_normal(&rng);
        trial->witness->pixels[i] = (double)trial->pixels[i];
    }
    for (unsigned i = 0; i < trial->images; i++) trial->labels[i] = (uint16_t)rng_below(&rng, network->graph->classes);
    if (!trial->teacher) return;
    const EngineOptions options = {.feature_maps = trial->options.feature_maps};
    trial->teacher_witness = witness_new(trial->teacher, trial->height, trial->width, trial->images, false);
    memcpy(trial->teacher_witness->pixels, trial->witness->pixels, pixel_count(trial) * sizeof(double));
    witness_run(trial->teacher_witness);
    trial->teacher_engine =
        engine_new(trial->teacher, trial->images, trial->height, trial->width, &options, &trial_error);
    if (!trial->teacher_engine) fail_msg("%s: %s", trial->name, trial_error.text);
}

static void trial_end(Trial *trial) {
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

static double backward(Trial *trial) {
    LossTerms terms;
    const Gradients gradients = {.tensors = trial->gradients, .pixels = trial->pixel_gradient};
    if (!engine_backward(trial->engine, trial->pixels, trial->labels, trial->images, trial->teacher_engine, NULL,
                         &trial->loss, &gradients, NULL, &terms, &trial_error))
        fail_msg("%s: %s", trial->name, trial_error.text);
    return trial->loss.cross_entropy * terms.cross_entropy + trial->loss.kd * terms.kd + trial->loss.fmd * terms.fmd;
}

static double evaluate(const Trial *trial) {
    witness_run(trial->witness);
    return witness_loss(trial->witness, &trial->loss, trial->labels, trial->teacher_witness);
}

/* The derivative along a direction of `values`, and what the gradient says it is. */
static void check_direction(const Trial *trial, const char *who, const char *what, double *values, size_t count,
                            const float *gradient, double floor, Rng *rng) {
    const double step = 2e-7;
    double *direction = take(count, sizeof *direction), *before = take(count, sizeof *before);
    double product = 0, norm = 0, change = 0;
    memcpy(before, values, count * sizeof *values);
    for (size_t i = 0; i < count; i++) {
        direction[i] = rng_normal(rng);
        product += direction[i] * (double)gradient[i];
        norm += (double)gradient[i] * (double)gradient[i];
    }
    for (int side = -1; side <= 1; side += 2) {
        for (size_t i = 0; i < count; i++) values[i] = before[i] + side * step * direction[i];
        change += side * evaluate(trial);
    }
    memcpy(values, before, count * sizeof *values);
    mem_free(direction);
    mem_free(before);
    change /= 2 * step;
    if (!(fabs(change - product) < 3e-4 * sqrt(norm) + floor))
        fail_msg("%s by %s: %s changes the loss by %.8g, the gradient says %.8g (norm %.3g)", trial->name, who, what,
                 change, product, sqrt(norm));
}

static double norm_of(const float *values, size_t count) {
    double sum = 0;
    for (size_t i = 0; i < count; i++) sum += (double)values[i] * (double)values[i];
    return sqrt(sum);
}

static void check_all(const Trial *trial, const char *who, uint64_t seed) {
    const Network *network = trial->network;
    Rng rng = {.seed = seed, .stream = 78};
    double largest = 1;
    for (size_t i = 0; i < network->tensor_count; i++)
        largest = fmax(largest, norm_of(trial->gradients[i], network->tensors[i].tensor->count));
    /* Gradients that are zero but for rounding, such as that of a bias before a batch norm of the batch. */
    const double floor = 2e-6 * largest;
    for (size_t i = 0; i < network->tensor_count; i++)
        if (trial->marks[i])
            check_direction(trial, who, network->tensors[i].name, trial->witness->tensors[i],
                            network->tensors[i].tensor->count, trial->gradients[i], floor, &rng);
    check_direction(trial, who, "the input", trial->witness->pixels, pixel_count(trial), trial->pixel_gradient, floor,
                    &rng);
}

/* false where the network sits too close to a kink for a float32 gradient to be on the same side of it. */
static bool check_trial(Trial *trial, uint64_t seed) {
    trial_begin(trial, seed);
    const double loss = evaluate(trial);
    const bool smooth = trial->witness->margin > 1e-5;
    for (size_t set = 0; smooth && kernels_available(set); set++) {
        engine_set_kernels(trial->engine, kernels_available(set));
        for (size_t i = 0; i < trial->network->tensor_count; i++)
            if (trial->marks[i])
                memset(trial->gradients[i], 0xff, trial->network->tensors[i].tensor->count * sizeof(float));
        const double found = backward(trial);
        if (!(fabs(found - loss) < 2e-5 * (1 + fabs(loss))))
            fail_msg("%s by %s: the loss is %.9g, not %.9g", trial->name, kernels_available(set)->name, found, loss);
        check_all(trial, kernels_available(set)->name, seed);
    }
    trial_end(trial);
    return smooth;
}

/* ---- operations -------------------------------------------------------------------------------------------------- */

typedef struct Case {
    const char *name;
    Op op;
    unsigned channels, height, width;
} Case;

static const Case cases[] = {
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
    {"batch_norm", {.kind = OP_BATCH_NORM, .epsilon = 1e-5f}, 20, 3, 4},
    {"relu", {.kind = OP_RELU}, 5, 4, 4},
    {"relu6", {.kind = OP_RELU6}, 5, 4, 4},
    {"add", {.kind = OP_ADD}, 18, 4, 3},
    {"shortcut", {.kind = OP_SHORTCUT_A, .out_channels = 12, .stride = 2}, 6, 5, 6},
    {"shortcut_wide", {.kind = OP_SHORTCUT_A, .out_channels = 22, .stride = 1}, 3, 4, 3},
    {"max_pool", {.kind = OP_MAX_POOL, WINDOW(2, 2, 2, 0)}, 5, 6, 7},
    {"max_pool_p1", {.kind = OP_MAX_POOL, WINDOW(3, 3, 2, 1)}, 17, 7, 6},
    {"max_pool_s1", {.kind = OP_MAX_POOL, WINDOW(3, 2, 1, 1)}, 4, 5, 5},
    {"average_pool", {.kind = OP_AVERAGE_POOL, WINDOW(2, 2, 2, 0)}, 5, 6, 7},
    {"average_pool_p1", {.kind = OP_AVERAGE_POOL, WINDOW(3, 3, 2, 1)}, 3, 7, 6},
    {"global_pool", {.kind = OP_GLOBAL_POOL}, 20, 4, 5},
    {"linear", {.kind = OP_LINEAR, .out_channels = 21}, 6, 3, 4},
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
static Network *case_network(const Case *one, bool relu, uint64_t seed) {
    Rng rng = {.seed = seed, .stream = 5};
    Making making = make_begin();
    Op op = one->op;
    op.input[0] = add_convolution(&making, 0, 3, one->channels, &rng);
    if (relu) op.input[0] = graph_add(&making.builder, (Op){.kind = OP_RELU, .input = {op.input[0]}}, "before");
    op.input[1] = op.input[0];
    if (op.out_channels == 0) op.out_channels = one->channels;
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

static void every_operation(void **state) {
    (void)state;
    bool seen[OP_COUNT] = {[OP_INPUT] = true}; /* in every network */
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++)
        for (int relu = 0; relu < 2; relu++) {
            bool smooth = false;
            for (uint64_t seed = 100 * i; !smooth && seed < 100 * i + 20; seed++) {
                Trial trial = {.name = cases[i].name, .height = cases[i].height, .width = cases[i].width};
                trial.images = IMAGES;
                trial.loss = plain;
                trial.network = case_network(&cases[i], relu, seed);
                smooth = check_trial(&trial, seed);
            }
            if (!smooth) fail_msg("%s: a kink for every seed", cases[i].name);
            seen[cases[i].op.kind] = true;
        }
    for (size_t kind = 0; kind < OP_COUNT; kind++)
        if (!seen[kind]) fail_msg("no case for %s", op_name((OpKind)kind));
}

/* ---- random graphs ----------------------------------------------------------------------------------------------- */

static void check_random(uint64_t seeds, EngineOptions options, Loss loss, bool teacher) {
    unsigned checked = 0;
    char name[32];
    for (uint64_t seed = 0; seed < seeds; seed++) {
        Rng rng = {.seed = seed, .stream = 1};
        Trial trial = {.name = name, .options = options, .loss = loss};
        trial.images = options.batch_statistics ? 2 * IMAGES : IMAGES;
        trial.height = 1 + (unsigned)rng_below(&rng, 9);
        trial.width = 1 + (unsigned)rng_below(&rng, 9);
        snprintf(name, sizeof name, "seed %d", (int)seed);
        trial.network = random_network(seed, trial.height, trial.width);
        if (teacher) {
            trial.teacher = random_network(seed, trial.height, trial.width);
            for (size_t i = 0; i < trial.teacher->tensor_count; i++) {
                Tensor *tensor = trial.teacher->tensors[i].tensor;
                for (uint64_t j = 0; j < tensor->count; j++) tensor->data[j] *= 1 + 0.2f * (float)rng_uniform(&rng);
            }
        }
        checked += check_trial(&trial, seed);
    }
    if (checked < seeds / 2) fail_msg("%u of %u graphs could be tested", checked, (unsigned)seeds);
}

static void random_graphs(void **state) {
    (void)state;
    check_random(100, (EngineOptions){0}, plain, false);
}

static void random_graphs_training(void **state) {
    (void)state;
    check_random(60, (EngineOptions){.batch_statistics = true}, plain, false);
}

static void random_graphs_features(void **state) {
    (void)state;
    const Loss loss = {.kd = 0.5, .fmd = 1};
    check_random(60, (EngineOptions){.feature_maps = true}, loss, true);
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
static Network *block_network(uint64_t seed) {
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
            if (half == 0 && block == 1) op.stride = 2;
            const double deviation = sqrt(2.0 / (9 * channels));
            op.weight = normal_tensor(&making, 4, (const uint64_t[]){width, channels, 3, 3}, 0, deviation, &rng);
            op.bias = NO_TENSOR;
            at = add_norm(&making, graph_add(&making.builder, op, "conv"), width, &rng);
            if (half == 0) at = add_relu(&making, at, width);
            channels = width;
        }
        if (block == 1)
            from = graph_add(&making.builder,
                             (Op){.kind = OP_SHORTCUT_A, .input = {from}, .out_channels = width, .stride = 2}, "cut");
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

/* ---- losses ------------------------------------------------------------------------------------------------------ */

/* A network whose teacher is another of the same graph. */
static Trial distillation(const char *name, uint64_t seed, EngineOptions options, Loss loss) {
    Trial trial = {.name = name, .height = 6, .width = 5, .images = IMAGES, .options = options, .loss = loss};
    trial.network = block_network(seed);
    trial.teacher = block_network(seed + 1000);
    return trial;
}

static void every_loss(void **state) {
    (void)state;
    static const struct {
        const char *name;
        Loss loss;
    } all[] = {
        {"cross-entropy", {.cross_entropy = 0.7}},
        {"label smoothing", {.cross_entropy = 1, .label_smoothing = 0.1}},
        {"kd", {.kd = 2}},
        {"kd, T = 4", {.kd = 1, .temperature = 4}},
        {"stable kd", {.kd = 1, .kd_form = KD_STABLE}},
        {"stable kd, T = 2", {.kd = 1, .kd_form = KD_STABLE, .temperature = 2}},
        {"fmd", {.fmd = 1}},
        {"fmd, aliased", {.fmd = 0.3, .fmd_aliased = true}},
        {"all", {.cross_entropy = 0.5, .label_smoothing = 0.2, .kd = 0.4, .temperature = 3, .fmd = 0.1}},
    };
    for (size_t i = 0; i < sizeof all / sizeof *all; i++) {
        bool smooth = false;
        for (uint64_t seed = 0; !smooth && seed < 20; seed++) {
            Trial trial = distillation(all[i].name, seed, (EngineOptions){.feature_maps = true}, all[i].loss);
            smooth = check_trial(&trial, seed);
        }
        if (!smooth) fail_msg("%s: a kink for every seed", all[i].name);
    }
}

/* The terms come back unweighted, the logits as a forward pass gives them, and the right ones are counted. */
static void terms_and_logits(void **state) {
    (void)state;
    const Loss loss = {.cross_entropy = 0.5, .kd = 0.25};
    Trial trial = distillation("terms", 1, (EngineOptions){0}, loss);
    trial_begin(&trial, 1);
    float logits[IMAGES * CLASSES], again[IMAGES * CLASSES], teacher[IMAGES * CLASSES];
    LossTerms terms, given;
    const Gradients gradients = {.tensors = trial.gradients};
    assert_true(engine_backward(trial.engine, trial.pixels, trial.labels, IMAGES, trial.teacher_engine, NULL, &loss,
                                &gradients, logits, &terms, &trial_error));
    assert_true(engine_forward(trial.engine, trial.pixels, IMAGES, again, &trial_error));
    assert_memory_equal(logits, again, sizeof logits);
    evaluate(&trial);
    const Loss ce = {.cross_entropy = 1}, kd = {.kd = 1};
    assert_true(fabs(terms.cross_entropy - witness_loss(trial.witness, &ce, trial.labels, NULL)) < 1e-5);
    assert_true(fabs(terms.kd - witness_loss(trial.witness, &kd, trial.labels, trial.teacher_witness)) < 1e-5);
    assert_true(fabs(terms.fmd) <= 0);
    unsigned correct = 0;
    for (unsigned i = 0; i < IMAGES; i++) {
        bool best = true;
        for (unsigned j = 0; j < CLASSES; j++)
            best = best && logits[i * CLASSES + j] <= logits[i * CLASSES + trial.labels[i]];
        correct += best;
    }
    assert_int_equal(terms.correct, correct);
    /* A teacher's logits instead of the teacher. */
    assert_true(engine_forward(trial.teacher_engine, trial.pixels, IMAGES, teacher, &trial_error));
    assert_true(engine_backward(trial.engine, trial.pixels, trial.labels, IMAGES, NULL, teacher, &loss, &gradients,
                                NULL, &given, &trial_error));
    assert_memory_equal(&terms, &given, sizeof terms);
    trial_end(&trial);
}

static void refused(Trial *trial, Engine *engine, const uint16_t *labels, unsigned images, Loss loss,
                    const char *part) {
    const Gradients gradients = {.tensors = trial->gradients};
    assert_false(engine_backward(engine, trial->pixels, labels, images, NULL, NULL, &loss, &gradients, NULL, NULL,
                                 &trial_error));
    if (!strstr(trial_error.text, part)) fail_msg("'%s' is not in '%s'", part, trial_error.text);
}

static void refused_passes(void **state) {
    (void)state;
    Trial trial = distillation("refused", 1, (EngineOptions){0}, plain);
    trial_begin(&trial, 1);
    const uint16_t labels[IMAGES] = {0, CLASSES, 0};
    refused(&trial, trial.engine, NULL, IMAGES, plain, "labels");
    refused(&trial, trial.engine, labels, IMAGES, plain, "label 9 of image 1");
    refused(&trial, trial.engine, labels, IMAGES + 1, plain, "4 images for an engine of 3");
    refused(&trial, trial.engine, labels, 0, plain, "no images");
    refused(&trial, trial.engine, labels, IMAGES, (Loss){.kd = 1}, "teacher");
    refused(&trial, trial.engine, labels, IMAGES, (Loss){.fmd = 1}, "one architecture");
    refused(&trial, trial.teacher_engine, trial.labels, IMAGES, plain, "forward passes only");
    trial_end(&trial);
}

/* ---- engines ----------------------------------------------------------------------------------------------------- */

static const EngineOptions kinds[] = {{0}, {.feature_maps = true}, {.batch_statistics = true}};

/* Gradients of any number of threads are the same bits, and nothing is allocated for them. */
static void any_threads(void **state) {
    (void)state;
    for (size_t kind = 0; kind < sizeof kinds / sizeof *kinds; kind++) {
        const Loss loss = {.cross_entropy = 1, .kd = 1, .fmd = kinds[kind].feature_maps ? 1 : 0};
        Trial trial = distillation("threads", 1, kinds[kind], loss);
        trial.images = 50;
        pool_set_threads(3);
        trial_begin(&trial, 1);
        size_t last = trial.network->tensor_count;
        while (!trial.marks[--last]) {
        }
        const size_t size = trial.network->tensors[last].tensor->count, first = trial.network->tensors[0].tensor->count;
        float *one = take(size + first + pixel_count(&trial), sizeof *one);
        for (unsigned threads = 1; threads <= 3; threads++) {
            pool_set_threads(threads);
            backward(&trial); /* starts the threads */
            fault_arm(FAULT_ALLOC, 1, true);
            backward(&trial);
            assert_int_equal(fault_disarm(), 0);
            float *const parts[3] = {trial.gradients[0], trial.gradients[last], trial.pixel_gradient};
            const size_t sizes[3] = {first, size, pixel_count(&trial)};
            for (size_t p = 0, at = 0; p < 3; at += sizes[p++])
                if (threads == 1)
                    memcpy(one + at, parts[p], sizes[p] * sizeof *one);
                else
                    assert_memory_equal(one + at, parts[p], sizes[p] * sizeof *one);
        }
        pool_set_threads(0);
        mem_free(one);
        trial_end(&trial);
    }
}

/* One tensor after the other is taken anew: the same as an engine made with them. */
static void takes_tensors(void **state) {
    (void)state;
    for (size_t kind = 0; kind < sizeof kinds / sizeof *kinds; kind++) {
        Trial trial = distillation("from", 1, kinds[kind], plain), other = distillation("to", 2, kinds[kind], plain);
        trial_begin(&trial, 1);
        trial_begin(&other, 1);
        fault_arm(FAULT_ALLOC, 1, true);
        for (size_t i = 0; i < trial.network->tensor_count; i++)
            engine_set_tensor(trial.engine, i, other.network->tensors[i].tensor->data);
        assert_int_equal(fault_disarm(), 0);
        assert_true(fabs(backward(&trial) - backward(&other)) <= 0);
        for (size_t i = 0; i < trial.network->tensor_count; i++)
            if (trial.marks[i])
                assert_memory_equal(trial.gradients[i], other.gradients[i],
                                    trial.network->tensors[i].tensor->count * sizeof(float));
        trial_end(&trial);
        trial_end(&other);
    }
}

/* Only what is asked for: the same numbers as among all, and nothing else written. */
static void some_tensors(void **state) {
    (void)state;
    Trial all = distillation("all", 1, (EngineOptions){0}, plain);
    trial_begin(&all, 1);
    backward(&all);
    for (size_t i = 0; i < all.network->tensor_count; i++) {
        if (!all.marks[i]) continue;
        Trial one = distillation("one", 1, (EngineOptions){0}, plain);
        trial_begin(&one, 1);
        memset(one.marks, 0, one.network->tensor_count * sizeof *one.marks);
        one.marks[i] = true;
        engine_free(one.engine);
        one.engine = engine_new(one.network, IMAGES, one.height, one.width, &(EngineOptions){.gradients = one.marks},
                                &trial_error);
        assert_non_null(one.engine);
        backward(&one);
        for (size_t j = 0; j < all.network->tensor_count; j++)
            for (uint64_t k = 0; k < all.network->tensors[j].tensor->count; k++)
                assert_true(fabsf(one.gradients[j][k] - (i == j ? all.gradients[j][k] : 0)) <= 0);
        trial_end(&one);
    }
    trial_end(&all);
}

/* Batches of kernels, few and many, of every case: the chosen ones as among all, the others left alone. */
static void check_choice(Trial *trial, float **dense, double share, uint64_t seed) {
    const Network *network = trial->network;
    KernelChoice *choices = take(network->tensor_count, sizeof *choices);
    Rng rng = {.seed = seed, .stream = 9};
    for (size_t i = 0; i < network->tensor_count; i++) {
        const Tensor *tensor = network->tensors[i].tensor;
        if (!trial->marks[i] || tensor->rank < 2) continue;
        uint32_t *kernels = take(tensor->count, sizeof *kernels);
        choices[i].kernels = kernels;
        for (uint32_t k = 0; k < tensor->dim[0] * tensor->dim[1]; k++)
            if (rng_uniform(&rng) < share) kernels[choices[i].count++] = k;
        for (uint64_t k = 0; k < tensor->count; k++) trial->gradients[i][k] = 77;
    }
    const Gradients gradients = {.tensors = trial->gradients, .kernels = choices};
    assert_true(engine_backward(trial->engine, trial->pixels, trial->labels, trial->images, NULL, NULL, &plain,
                                &gradients, NULL, NULL, &trial_error));
    for (size_t i = 0; i < network->tensor_count; i++) {
        const Tensor *tensor = network->tensors[i].tensor;
        if (!choices[i].kernels) continue;
        const uint64_t taps = tensor->count / (tensor->dim[0] * tensor->dim[1]);
        const double floor = 1e-5 * norm_of(dense[i], tensor->count);
        size_t next = 0;
        for (uint64_t k = 0; k < tensor->count; k++) {
            const bool chosen = next < choices[i].count && choices[i].kernels[next] == k / taps;
            const double expected = chosen ? (double)dense[i][k] : 77;
            if (!(fabs((double)trial->gradients[i][k] - expected) <= (chosen ? floor : 0)))
                fail_msg("%s, share %g: element %d of %s is %.8g, not %.8g", trial->name, share, (int)k,
                         network->tensors[i].name, (double)trial->gradients[i][k], expected);
            if (chosen && (k + 1) % taps == 0) next++;
        }
        mem_free((void *)choices[i].kernels);
    }
    mem_free(choices);
}

static void kernel_choices(void **state) {
    (void)state;
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        Trial trial = {.name = cases[i].name, .height = cases[i].height, .width = cases[i].width, .loss = plain};
        trial.network = case_network(&cases[i], true, i);
        trial.images = 5;
        trial_begin(&trial, i);
        float **dense = take(trial.network->tensor_count, sizeof *dense);
        for (size_t set = 0; kernels_available(set); set++) {
            engine_set_kernels(trial.engine, kernels_available(set));
            backward(&trial);
            for (size_t j = 0; j < trial.network->tensor_count; j++) {
                const uint64_t count = trial.network->tensors[j].tensor->count;
                dense[j] = take(count, sizeof **dense);
                memcpy(dense[j], trial.gradients[j], count * sizeof **dense);
            }
            static const double shares[] = {0, 0.15, 0.5, 1};
            for (size_t s = 0; s < sizeof shares / sizeof *shares; s++) check_choice(&trial, dense, shares[s], i);
            for (size_t j = 0; j < trial.network->tensor_count; j++) mem_free(dense[j]);
        }
        mem_free(dense);
        trial_end(&trial);
    }
}

/* Mean and biased variance of the batch, as the witness has them in its maps. */
static void statistics_of_the_batch(void **state) {
    (void)state;
    Trial trial = distillation("statistics", 1, (EngineOptions){.batch_statistics = true}, plain);
    trial_begin(&trial, 1);
    backward(&trial);
    evaluate(&trial);
    unsigned checked = 0;
    for (size_t i = 0; i < trial.network->graph->count; i++) {
        const Op *op = &trial.network->graph->ops[i];
        const float *mean, *variance;
        engine_batch_statistics(trial.engine, i, &mean, &variance);
        if (op->kind != OP_BATCH_NORM) {
            assert_null(mean);
            continue;
        }
        const Shape shape = trial.witness->shapes[i];
        const size_t pixels = (size_t)shape.height * shape.width, size = pixels * shape.channels;
        for (unsigned c = 0; c < shape.channels; c++) {
            double sum = 0, squares = 0;
            for (size_t n = 0; n < trial.images * pixels; n++) {
                const double x = trial.witness->maps[op->input[0]][n / pixels * size + c * pixels + n % pixels];
                sum += x;
                squares += x * x;
            }
            sum /= (double)(trial.images * pixels);
            squares = squares / (double)(trial.images * pixels) - sum * sum;
            assert_true(fabs((double)mean[c] - sum) < 1e-5);
            assert_true(fabs((double)variance[c] - squares) < 1e-5 * (1 + squares));
        }
        checked++;
    }
    assert_true(checked > 2);
    trial_end(&trial);
}

/* Multiply and add are two operations. */
static void operations(void **state) {
    (void)state;
    const Case one = {"conv", {.kind = OP_CONV, .out_channels = 16, .groups = 1, WINDOW(3, 3, 2, 1)}, 8, 6, 6};
    Trial trial = {.name = one.name, .network = case_network(&one, true, 1), .height = 6, .width = 6, .images = 1};
    trial_begin(&trial, 1);
    const EngineOperations found = engine_operations(trial.engine);
    const double lift = 2.0 * 3 * 8 * 36, conv = 2.0 * 8 * 16 * 9 * 9, last = 2.0 * 16 * CLASSES;
    assert_true(fabs(found.forward - (lift + conv + last)) <= 0);
    assert_true(fabs(found.backward_data - (lift + conv + last)) <= 0);
    assert_true(fabs(found.backward_weights - (lift + conv + last)) <= 0);
    trial_end(&trial);
}

/* Every allocation of a new engine fails once. */
static void out_of_memory(void **state) {
    (void)state;
    for (size_t kind = 0; kind < sizeof kinds / sizeof *kinds; kind++) {
        Trial trial = distillation("memory", 1, kinds[kind], plain);
        trial_begin(&trial, 1);
        Engine *engine = NULL;
        for (uint64_t nth = 1; !engine; nth++) {
            fault_arm(FAULT_ALLOC, nth, false);
            engine = engine_new(trial.network, IMAGES, 6, 5, &trial.options, &trial_error);
            const uint64_t seen = fault_disarm();
            assert_true(engine ? seen < nth : trial_error.status == STATUS_LIMIT);
        }
        engine_free(engine);
        trial_end(&trial);
    }
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_operation),
        cmocka_unit_test(random_graphs),
        cmocka_unit_test(random_graphs_training),
        cmocka_unit_test(random_graphs_features),
        cmocka_unit_test(every_loss),
        cmocka_unit_test(terms_and_logits),
        cmocka_unit_test(refused_passes),
        cmocka_unit_test(any_threads),
        cmocka_unit_test(takes_tensors),
        cmocka_unit_test(some_tensors),
        cmocka_unit_test(kernel_choices),
        cmocka_unit_test(statistics_of_the_batch),
        cmocka_unit_test(operations),
        cmocka_unit_test(out_of_memory),
    };
    return cmocka_run_group_tests_name("gradients", tests, NULL, NULL);
}
