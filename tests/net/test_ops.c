/* test_ops -- every operation of the graph: the engine and the reference against PyTorch (tests/fixtures/make_net.py),
 * on every set of kernels this CPU can run; and the engine against the reference on random graphs.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
#include <math.h>
#include <stdio.h>
#include <string.h>

#include "net/internal.h"
#include "net/engine/kernels/kernels.h"

#include "../support/graphs.h"
#include "weft/base/error.h"
#include "weft/base/memory.h"
#include "weft/base/random.h"
#include "weft/base/tensor.h"

#define FIXTURES "tests/fixtures/"

static Checkpoint *open_fixture(const char *path) {
    Error err;
    Checkpoint *fixture = checkpoint_open(path, &err);
    if (!fixture) fail_msg("%s", err.text);
    return fixture;
}

static Tensor *fixture_tensor(Checkpoint *fixture, const char *name, const char *part) {
    char key[64];
    size_t index;
    Error err;
    snprintf(key, sizeof key, "%s.%s", name, part);
    if (!checkpoint_find(fixture, key, &index)) return NULL;
    Tensor *tensor = checkpoint_read_tensor(fixture, index, &err);
    if (!tensor) fail_msg("%s", err.text);
    return tensor;
}

/* ---- against PyTorch --------------------------------------------------------------------------------------------- */

typedef struct Case {
    const char *name;
    Op op;
} Case;

static const Case cases[] = {
    {"conv3x3", {.kind = OP_CONV, .groups = 1, WINDOW(3, 3, 1, 1)}},
    {"conv3x3s2", {.kind = OP_CONV, .groups = 1, WINDOW(3, 3, 2, 1)}},
    {"conv1x1", {.kind = OP_CONV, .groups = 1, WINDOW(1, 1, 1, 0)}},
    {"conv1x1s2", {.kind = OP_CONV, .groups = 1, WINDOW(1, 1, 2, 0)}},
    {"conv5x3", {.kind = OP_CONV, .groups = 1, WINDOW(5, 3, 1, 1)}},
    {"conv3x3p2", {.kind = OP_CONV, .groups = 1, WINDOW(3, 3, 1, 2)}},
    {"conv7x7s2", {.kind = OP_CONV, .groups = 1, WINDOW(7, 7, 2, 3)}},
    {"grouped", {.kind = OP_CONV, .groups = 4, WINDOW(3, 3, 1, 1)}},
    {"depthwise", {.kind = OP_CONV, .groups = 19, WINDOW(3, 3, 1, 1)}},
    {"depthwise_s2", {.kind = OP_CONV, .groups = 19, WINDOW(3, 3, 2, 1)}},
    {"depthwise_more", {.kind = OP_CONV, .groups = 4, WINDOW(3, 3, 1, 1)}},
    {"batch_norm", {.kind = OP_BATCH_NORM, .epsilon = 1e-5f}},
    {"batch_norm_plain", {.kind = OP_BATCH_NORM, .epsilon = 1e-3f}},
    {"relu", {.kind = OP_RELU}},
    {"relu6", {.kind = OP_RELU6}},
    {"max_pool", {.kind = OP_MAX_POOL, WINDOW(2, 2, 2, 0)}},
    {"max_pool_p1", {.kind = OP_MAX_POOL, WINDOW(3, 3, 2, 1)}},
    {"average_pool", {.kind = OP_AVERAGE_POOL, WINDOW(2, 2, 2, 0)}},
    {"average_pool_p1", {.kind = OP_AVERAGE_POOL, WINDOW(3, 3, 2, 1)}},
    {"global_pool", {.kind = OP_GLOBAL_POOL}},
    {"shortcut", {.kind = OP_SHORTCUT_A, .stride = {2, 2}, .offset = 2}},
    {"shortcut_wide", {.kind = OP_SHORTCUT_A, .stride = {1, 1}, .offset = 1}},
    {"linear", {.kind = OP_LINEAR}},
    {"quantise", {.kind = OP_QUANTISE, .quantiser = {0.03f, 117, 8}}},
    {"quantise4", {.kind = OP_QUANTISE, .quantiser = {0.25f, 3, 4}}},
    {"quantise2", {.kind = OP_QUANTISE, .quantiser = {0.7f, 0, 2}}},
};

static const Case more_cases[] = {
    {"conv3x2s12", {.kind = OP_CONV, .groups = 1, WINDOW_BY(3, 2, 1, 2, 2, 0, 2, 0)}},
    {"conv_sides", {.kind = OP_CONV, .groups = 1, WINDOW_BY(3, 3, 2, 2, 2, 1, 0, 3)}},
    {"dilated", {.kind = OP_CONV, .groups = 1, WINDOW(3, 3, 1, 2), .dilation = {2, 2}}},
    {"dilated_s3", {.kind = OP_CONV, .groups = 1, WINDOW(3, 3, 3, 2), .dilation = {2, 4}}},
    {"dilated_grouped", {.kind = OP_CONV, .groups = 2, WINDOW_BY(3, 3, 1, 1, 2, 1, 2, 1), .dilation = {2, 1}}},
    {"dilated_depthwise", {.kind = OP_CONV, .groups = 19, WINDOW(3, 3, 2, 3), .dilation = {3, 2}}},
    {"leaky_relu", {.kind = OP_LEAKY_RELU, .slope = 0.1f}},
    {"sigmoid", {.kind = OP_SIGMOID}},
    {"silu", {.kind = OP_SILU}},
    {"hard_sigmoid", {.kind = OP_HARD_SIGMOID}},
    {"hard_swish", {.kind = OP_HARD_SWISH}},
    {"gelu", {.kind = OP_GELU}},
    {"tanh", {.kind = OP_TANH}},
    {"max_pool_ceiling", {.kind = OP_MAX_POOL, WINDOW(3, 3, 2, 0), .ceiling = true}},
    {"max_pool_ceiling_p1", {.kind = OP_MAX_POOL, WINDOW(3, 3, 2, 1), .ceiling = true}},
    {"average_pool_ceiling", {.kind = OP_AVERAGE_POOL, WINDOW(3, 3, 2, 0), .ceiling = true}},
    {"average_pool_ceiling_p1", {.kind = OP_AVERAGE_POOL, WINDOW(3, 3, 2, 1), .ceiling = true}},
    {"average_pool_inside_ceiling",
     {.kind = OP_AVERAGE_POOL, WINDOW(3, 3, 2, 0), .ceiling = true, .exclude_padding = true}},
    {"average_pool_inside_ceiling_p1",
     {.kind = OP_AVERAGE_POOL, WINDOW(3, 3, 2, 1), .ceiling = true, .exclude_padding = true}},
    {"max_pool_s31", {.kind = OP_MAX_POOL, WINDOW_BY(2, 3, 3, 1, 1, 0, 1, 0)}},
    {"adaptive_pool", {.kind = OP_ADAPTIVE_POOL, .size = {3, 4}}},
    {"adaptive_pool_up", {.kind = OP_ADAPTIVE_POOL, .size = {5, 7}}},
    {"slice", {.kind = OP_SLICE, .offset = 2}},
    {"shuffle", {.kind = OP_SHUFFLE, .groups = 3}},
    {"pad", {.kind = OP_PAD, .padding = {1, 0, 2, 3}}},
    {"shortcut_after", {.kind = OP_SHORTCUT_A, .stride = {2, 3}}},
    {"add", {.kind = OP_ADD}},
    {"multiply", {.kind = OP_MULTIPLY}},
    {"multiply_channels", {.kind = OP_MULTIPLY}},
    {"concat", {.kind = OP_CONCAT}},
};

static void check_close(const char *name, const char *who, const float *found, const Tensor *expected) {
    for (uint64_t i = 0; i < expected->count; i++)
        if (!(fabsf(found[i] - expected->data[i]) < 2e-6f * (8 + fabsf(expected->data[i]))))
            fail_msg("%s by %s: value %d is %.8g, PyTorch's %.8g", name, who, (int)i, (double)found[i],
                     (double)expected->data[i]);
}

/* A 1x1 convolution of the input. */
static int lifted(Making *making, Tensor *weight) {
    Op op = {.kind = OP_CONV, .input = {0}, .out_channels = (unsigned)weight->dim[0], .groups = 1, WINDOW(1, 1, 1, 0)};
    op.weight = make_tensor(making, weight);
    op.bias = NO_TENSOR;
    return graph_add(&making->builder, op, "lift");
}

/* input -> lift [and second -> its mean] -> operation, at *place -> flat */
static Network *case_network(Checkpoint *fixture, const Case *one, const Tensor *output, int *place) {
    const char *module = one->op.kind == OP_LINEAR || strcmp(one->name, "conv_sides") == 0 ? "1." : "";
    char weight[16], bias[16];
    snprintf(weight, sizeof weight, "%sweight", module);
    snprintf(bias, sizeof bias, "%sbias", module);
    Making making = make_begin();
    Op op = one->op;
    op.input[0] = lifted(&making, fixture_tensor(fixture, one->name, "lift"));
    if (op_inputs(op.kind) == 2) op.input[1] = lifted(&making, fixture_tensor(fixture, one->name, "second"));
    if (strcmp(one->name, "multiply_channels") == 0)
        op.input[1] = graph_add(&making.builder, (Op){.kind = OP_GLOBAL_POOL, .input = {op.input[1]}}, "mean");
    op.out_channels = (unsigned)output->dim[0];
    op.weight = make_tensor(&making, fixture_tensor(fixture, one->name, weight));
    op.bias = make_tensor(&making, fixture_tensor(fixture, one->name, bias));
    op.mean = make_tensor(&making, fixture_tensor(fixture, one->name, "running_mean"));
    op.variance = make_tensor(&making, fixture_tensor(fixture, one->name, "running_var"));
    *place = graph_add(&making.builder, op, "%s", one->name);
    make_flat(&making, *place, (unsigned)output->count);
    return make_end(&making, (unsigned)output->count);
}

static void check_case(Checkpoint *fixture, const Case *one) {
    Error err;
    Tensor *input = fixture_tensor(fixture, one->name, "input"), *output = fixture_tensor(fixture, one->name, "output");
    assert_non_null(input);
    assert_non_null(output);
    int place;
    Network *network = case_network(fixture, one, output, &place);
    unsigned height = (unsigned)input->dim[1], width = (unsigned)input->dim[2], channels, h, w;
    float *found = engine_reference(network, input->data, height, width, (size_t)place, &channels, &h, &w, &err);
    if (!found) fail_msg("%s", err.text);
    assert_int_equal((uint64_t)channels * h * w, output->count);
    check_close(one->name, "the reference", found, output);
    Engine *engine = engine_new(network, 1, height, width, NULL, &err);
    if (!engine) fail_msg("%s", err.text);
    for (size_t set = 0; kernels_available(set); set++) {
        engine_set_kernels(engine, kernels_available(set));
        assert_true(engine_forward(engine, input->data, 1, found, &err));
        check_close(one->name, kernels_available(set)->name, found, output);
    }
    mem_free(found);
    engine_free(engine);
    network_free(network);
    tensor_release(input);
    tensor_release(output);
}

/* ---- gradients --------------------------------------------------------------------------------------------------- */

static void check_gradient(const Case *one, const char *what, const float *found, const Tensor *expected) {
    double norm = 0, error = 0;
    for (uint64_t i = 0; i < expected->count; i++) {
        norm += pow((double)expected->data[i], 2);
        error += pow((double)found[i] - (double)expected->data[i], 2);
    }
    if (!(error <= 1e-11 * norm + 1e-20))
        fail_msg("%s: the gradient of %s is off by %.3g of %.3g", one->name, what, sqrt(error), sqrt(norm));
}

/* Of the cross-entropy with label 1, with respect to the pixels and every weight; tensors[0] is the lift, tensors[1] a
 * join's second. */
static void check_gradients(Checkpoint *fixture, const Case *one) {
    Error err;
    bool marks[8] = {0};
    float *to[8] = {0}, logits[4096];
    const Loss loss = {.cross_entropy = 1};
    const uint16_t label = 1;
    int place;
    Tensor *input = fixture_tensor(fixture, one->name, "input"), *output = fixture_tensor(fixture, one->name, "output");
    Tensor *expected = fixture_tensor(fixture, one->name, "gradient.input"), *found = tensor_new(3, input->dim, &err);
    Network *network = case_network(fixture, one, output, &place);
    const size_t own = network->tensor_count - 1; /* the last is the flat layer's identity */
    const char *module = one->op.kind == OP_LINEAR || strcmp(one->name, "conv_sides") == 0 ? "1." : "";
    for (size_t i = 0; i < own; i++) {
        marks[i] = true;
        to[i] = mem_alloc(network->tensors[i].tensor->count, sizeof **to, &err);
    }
    const EngineOptions options = {.gradients = marks, .input_gradient = true};
    Engine *engine = engine_new(network, 1, (unsigned)input->dim[1], (unsigned)input->dim[2], &options, &err);
    if (!engine) fail_msg("%s", err.text);
    const Gradients gradients = {.tensors = to, .pixels = found->data};
    if (!engine_backward(engine, input->data, &label, 1, NULL, NULL, &loss, &gradients, logits, NULL, &err))
        fail_msg("%s: %s", one->name, err.text);
    check_gradient(one, "the pixels", found->data, expected);
    for (size_t i = 0; i < own; i++) {
        char part[32];
        const bool join = op_inputs(one->op.kind) == 2;
        snprintf(part, sizeof part, "gradient.%s%s", i == 0 || (join && i == 1) ? "" : module,
                 i == 0           ? "lift"
                 : join && i == 1 ? "second"
                 : i == 1         ? "weight"
                                  : "bias");
        Tensor *gradient = fixture_tensor(fixture, one->name, part);
        if (!gradient) fail_msg("%s: no %s", one->name, part);
        check_gradient(one, part, to[i], gradient);
        tensor_release(gradient);
        mem_free(to[i]);
    }
    engine_free(engine);
    network_free(network);
    tensor_release(input);
    tensor_release(output);
    tensor_release(expected);
    tensor_release(found);
}

static void operations_as_pytorch(void **state) {
    (void)state;
    bool seen[OP_COUNT] = {[OP_INPUT] = true}; /* in every network */
    Checkpoint *fixture = open_fixture(FIXTURES "net.npz"), *more = open_fixture(FIXTURES "net_more.npz");
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        check_case(fixture, &cases[i]);
        seen[cases[i].op.kind] = true;
    }
    for (size_t i = 0; i < sizeof more_cases / sizeof *more_cases; i++) {
        check_case(more, &more_cases[i]);
        check_gradients(more, &more_cases[i]);
        seen[more_cases[i].op.kind] = true;
    }
    for (size_t kind = 0; kind < OP_COUNT; kind++)
        if (!seen[kind]) fail_msg("no case for %s", op_name((OpKind)kind));
    checkpoint_close(fixture);
    checkpoint_close(more);
}

static void check_network(const char *path, const char *name, const char *architecture) {
    Error err;
    Checkpoint *fixture = open_fixture(FIXTURES "net.npz");
    NetworkOptions options = {.normalise = "none"};
    Network *network = network_load(path, &options, &err);
    if (!network) fail_msg("%s", err.text);
    assert_string_equal(network->architecture, architecture);
    Tensor *input = fixture_tensor(fixture, name, "input"), *logits = fixture_tensor(fixture, name, "logits");
    unsigned height = (unsigned)input->dim[1], width = (unsigned)input->dim[2], channels, h, w;
    Engine *engine = engine_new(network, 1, height, width, NULL, &err);
    if (!engine) fail_msg("%s", err.text);
    float found[7];
    assert_int_equal(logits->count, 7);
    assert_true(engine_forward(engine, input->data, 1, found, &err));
    check_close(name, "the engine", found, logits);
    float *reference =
        engine_reference(network, input->data, height, width, network->graph->count - 1, &channels, &h, &w, &err);
    check_close(name, "the reference", reference, logits);
    mem_free(reference);
    engine_free(engine);
    network_free(network);
    tensor_release(input);
    tensor_release(logits);
    checkpoint_close(fixture);
}

static void resnet_a_as_pytorch(void **state) {
    (void)state;
    check_network(FIXTURES "net_resnet_a.npz", "resnet_a", "ResNet10 (CIFAR, blocks 1/2/1, option A, widths 6/9/12)");
}

static void resnet_b_as_pytorch(void **state) {
    (void)state;
    check_network(FIXTURES "net_resnet_b.npz", "resnet_b", "ResNet10 (CIFAR, blocks 2/1/1, option B, widths 4/6/5)");
}

/* ---- random graphs ----------------------------------------------------------------------------------------------- */

/* How many logits of a random graph are not the reference's; `name` is of the kernels that gave the last of them. */
static unsigned differing(Network *network, uint64_t seed, unsigned height, unsigned width, const char **name) {
    Error err;
    Rng rng = {.seed = seed, .stream = 3};
    unsigned channels, h, w, count = 0;
    float pixels[2 * 3 * 12 * 12], logits[2 * 9];
    const size_t size = (size_t)3 * height * width;
    for (size_t i = 0; i < 2 * size; i++) pixels[i] = (float)rng_normal(&rng);
    Engine *engine = engine_new(network, 2, height, width, NULL, &err);
    if (!engine) fail_msg("seed %d: %s", (int)seed, err.text);
    for (unsigned image = 0; image < 2; image++) {
        float *expected = engine_reference(network, pixels + image * size, height, width, network->graph->count - 1,
                                           &channels, &h, &w, &err);
        assert_non_null(expected);
        for (size_t set = 0; kernels_available(set); set++) {
            engine_set_kernels(engine, kernels_available(set));
            assert_true(engine_forward(engine, pixels, 2, logits, &err));
            for (unsigned i = 0; i < 9; i++) {
                if (fabsf(logits[image * 9 + i] - expected[i]) < 1e-5f * (1 + fabsf(expected[i]))) continue;
                *name = kernels_available(set)->name;
                count++;
            }
        }
        mem_free(expected);
    }
    engine_free(engine);
    network_free(network);
    return count;
}

/* Everything a plan can get wrong -- fusing, borders, memory used twice -- shows in the logits. */
static void random_graphs(void **state) {
    (void)state;
    for (uint64_t seed = 0; seed < 400; seed++) {
        Rng rng = {.seed = seed, .stream = 1};
        const char *name = NULL;
        unsigned height = 1 + (unsigned)rng_below(&rng, 12), width = 1 + (unsigned)rng_below(&rng, 12);
        unsigned count = differing(random_network(seed, height, width), seed, height, width, &name);
        if (count > 0) fail_msg("seed %d by %s: %u logits differ", (int)seed, name, count);
    }
}

/* Where a value lies between two levels, within float32's rounding, each may take its own: seldom. */
static void random_graphs_quantised(void **state) {
    (void)state;
    unsigned astray = 0;
    const char *name = NULL;
    for (uint64_t seed = 0; seed < 400; seed++) {
        Rng rng = {.seed = seed, .stream = 1};
        unsigned height = 1 + (unsigned)rng_below(&rng, 12), width = 1 + (unsigned)rng_below(&rng, 12);
        astray += differing(random_quantised(seed, height, width), seed, height, width, &name) > 0;
    }
    print_message("# %u of 400 quantised graphs differ\n", astray);
    if (astray > 4) fail_msg("%u of 400 graphs differ, one by %s", astray, name);
}

/* ---- edges ------------------------------------------------------------------------------------------------------- */

/* Not-a-number and infinity go through ReLU, ReLU6 and the pools as in PyTorch; a quantiser keeps a NaN and cuts
 * infinity to its last level, (15 - 3) / 2. */
static void not_a_number(void **state) {
    (void)state;
    static const OpKind kinds[] = {OP_RELU, OP_RELU6, OP_MAX_POOL, OP_AVERAGE_POOL, OP_QUANTISE};
    for (size_t k = 0; k < sizeof kinds / sizeof *kinds; k++) {
        Error err;
        Making making = make_begin();
        Op op = {.kind = kinds[k], .input = {0}, .out_channels = 3, WINDOW(1, 1, 1, 0)};
        if (op.kind == OP_QUANTISE) op.quantiser = (Quantiser){0.5f, 3, 4};
        graph_add(&making.builder, op, "op");
        op = (Op){.kind = OP_MAX_POOL, .input = {1}, .out_channels = 3, WINDOW(1, 2, 2, 0)};
        graph_add(&making.builder, op, "pool");
        op = (Op){.kind = OP_GLOBAL_POOL, .input = {2}, .out_channels = 3};
        graph_add(&making.builder, op, "last");
        Network *network = make_end(&making, 3);
        const float pixels[6] = {NAN, 1, 1, NAN, INFINITY, -INFINITY};
        float logits[3];
        Engine *engine = engine_new(network, 1, 1, 2, NULL, &err);
        if (!engine) fail_msg("%s", err.text);
        for (size_t set = 0; kernels_available(set); set++) {
            engine_set_kernels(engine, kernels_available(set));
            assert_true(engine_forward(engine, pixels, 1, logits, &err));
            assert_true(isnan(logits[0]) && isnan(logits[1]));
            if (kinds[k] == OP_RELU6 || kinds[k] == OP_QUANTISE)
                assert_true(fabsf(logits[2] - 6) <= 0);
            else
                assert_true(isinf(logits[2]) && logits[2] > 0);
        }
        engine_free(engine);
        network_free(network);
    }
}

/* Graphs that cannot run are refused, naming the operation; `part` is in the message. */
static void refuses(Op op, const char *part) {
    Error err;
    Making making = make_begin();
    Tensor *weight = tensor_new(4, (const uint64_t[]){4, 3, 3, 3}, &err);
    op.weight = make_tensor(&making, weight);
    op.bias = op.mean = op.variance = NO_TENSOR;
    graph_add(&making.builder, op, "culprit");
    graph_add(&making.builder, (Op){.kind = OP_GLOBAL_POOL, .input = {1}, .out_channels = 4}, "pool");
    Network *network = make_end(&making, 4);
    assert_null(engine_new(network, 1, 8, 8, NULL, &err));
    assert_int_equal(err.status, STATUS_FAILED);
    if (!strstr(err.text, part)) fail_msg("'%s' is not in '%s'", part, err.text);
    network_free(network);
}

static void refused_graphs(void **state) {
    (void)state;
    const Op good = {.kind = OP_CONV, .out_channels = 4, .groups = 1, WINDOW(3, 3, 1, 1)};
    Op op = good;
    op.stride[1] = 0;
    refuses(op, "culprit: a convolution of kernel 3x3, stride 1x0");
    op = good;
    op.groups = 2;
    refuses(op, "culprit: 2 groups do not divide 3 and 4 channels");
    op = good;
    op.kernel[0] = 11;
    refuses(op, "culprit: a 11x3 kernel does not fit on a map of 8x8");
    op = good;
    op.kernel[0] = 2;
    refuses(op, "culprit: the shape of 'tensor0' does not fit");
    op = good;
    op.input[0] = 2;
    refuses(op, "culprit: takes its input from a later operation");
    op = (Op){.kind = OP_ADD, .input = {0, 7}};
    refuses(op, "culprit: takes its input from a later operation");
    op = (Op){.kind = OP_SHORTCUT_A, .out_channels = 2, .stride = {1, 1}};
    refuses(op, "culprit: cannot narrow 3 channels to 2");
    op = (Op){.kind = OP_MAX_POOL, WINDOW(2, 2, 2, 2)};
    refuses(op, "culprit: a max pool of kernel 2x2, stride 2x2, padding 2,2,2,2");
    op = (Op){.kind = OP_RELU, .out_channels = 3};
    refuses(op, "pool: gives 3 channels, not 4");
    op = (Op){.kind = OP_QUANTISE, .quantiser = {0.5f, 16, 4}};
    refuses(op, "culprit: a quantiser of scale 0.5, zero point 16, 4 bits makes no sense");
    op.quantiser = (Quantiser){0, 0, 8};
    refuses(op, "culprit: a quantiser of scale 0");
    op.quantiser = (Quantiser){1, 0, 1};
    refuses(op, "culprit: a quantiser of scale 1, zero point 0, 1 bits");
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(operations_as_pytorch),   cmocka_unit_test(resnet_a_as_pytorch),
        cmocka_unit_test(resnet_b_as_pytorch),     cmocka_unit_test(random_graphs),
        cmocka_unit_test(random_graphs_quantised), cmocka_unit_test(not_a_number),
        cmocka_unit_test(refused_graphs),
    };
    return cmocka_run_group_tests_name("operations", tests, NULL, NULL);
}
