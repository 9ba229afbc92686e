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
#include "net/kernels/kernels.h"

#define FIXTURES "tests/fixtures/"

static Checkpoint *open_fixture(void) {
    Error err;
    Checkpoint *fixture = checkpoint_open(FIXTURES "net.npz", &err);
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

/* ---- networks made by hand --------------------------------------------------------------------------------------- */

/* A network of three input channels that is being made; nothing here fails softly. */
typedef struct Making {
    Network *network;
    GraphBuilder builder;
} Making;

static Error making_error;

static Making make_begin(void) {
    Making making = {.network = mem_alloc(1, sizeof(Network), &making_error)};
    assert_non_null(making.network);
    making.builder = graph_begin(3, 8, 8, &making_error);
    assert_true(normalisation_parse("none", 3, &making.network->normalisation, &making_error));
    return making;
}

/* Takes `tensor` over; NO_TENSOR where it is NULL. */
static int make_tensor(Making *making, Tensor *tensor) {
    Network *network = making->network;
    size_t capacity = network->tensor_count;
    if (!tensor) return NO_TENSOR;
    assert_true(mem_grow(&network->tensors, &capacity, capacity + 1, sizeof *network->tensors, &making_error));
    char name[32];
    snprintf(name, sizeof name, "tensor%zu", network->tensor_count);
    network->tensors[network->tensor_count] =
        (NetTensor){.name = mem_copy_text(name, &making_error), .tensor = tensor, .stored = DTYPE_F32};
    return (int)network->tensor_count++;
}

static Network *make_end(Making *making, unsigned classes) {
    Network *network = making->network;
    network->graph = graph_finish(&making->builder, classes);
    assert_non_null(network->graph);
    return network;
}

static Tensor *identity(uint64_t size) {
    Tensor *tensor = tensor_new(2, (const uint64_t[]){size, size}, &making_error);
    assert_non_null(tensor);
    for (uint64_t i = 0; i < size; i++) tensor->data[i * size + i] = 1;
    return tensor;
}

/* A linear layer of no effect, which makes the whole map the logits. */
static int make_flat(Making *making, int input, unsigned size) {
    Op op = {.kind = OP_LINEAR, .input = {input}, .out_channels = size, .bias = NO_TENSOR};
    op.weight = make_tensor(making, identity(size));
    return graph_add(&making->builder, op, "flat");
}

/* ---- against PyTorch --------------------------------------------------------------------------------------------- */

typedef struct Case {
    const char *name;
    Op op;
} Case;

#define WINDOW(h, w, s, p) .kernel = {h, w}, .stride = s, .padding = p
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
    {"shortcut", {.kind = OP_SHORTCUT_A, .stride = 2}},
    {"shortcut_wide", {.kind = OP_SHORTCUT_A, .stride = 1}},
    {"linear", {.kind = OP_LINEAR}},
};

static void check_close(const char *name, const char *who, const float *found, const Tensor *expected) {
    for (uint64_t i = 0; i < expected->count; i++)
        if (!(fabsf(found[i] - expected->data[i]) < 2e-6f * (8 + fabsf(expected->data[i]))))
            fail_msg("%s by %s: value %d is %.8g, PyTorch's %.8g", name, who, (int)i, (double)found[i],
                     (double)expected->data[i]);
}

/* input -> lift -> [a ReLU that keeps the operation from being folded in] -> operation -> flat */
static Network *case_network(Checkpoint *fixture, const Case *one, const Tensor *output) {
    const bool linear = one->op.kind == OP_LINEAR;
    Making making = make_begin();
    Tensor *lift = fixture_tensor(fixture, one->name, "lift");
    Op op = {.kind = OP_CONV, .input = {0}, .out_channels = (unsigned)lift->dim[0], .groups = 1, WINDOW(1, 1, 1, 0)};
    op.weight = make_tensor(&making, lift);
    op.bias = NO_TENSOR;
    int at = graph_add(&making.builder, op, "lift");
    op = one->op;
    op.input[0] = at;
    op.out_channels = (unsigned)output->dim[0];
    op.weight = make_tensor(&making, fixture_tensor(fixture, one->name, linear ? "1.weight" : "weight"));
    op.bias = make_tensor(&making, fixture_tensor(fixture, one->name, linear ? "1.bias" : "bias"));
    op.mean = make_tensor(&making, fixture_tensor(fixture, one->name, "running_mean"));
    op.variance = make_tensor(&making, fixture_tensor(fixture, one->name, "running_var"));
    at = graph_add(&making.builder, op, "%s", one->name);
    make_flat(&making, at, (unsigned)output->count);
    return make_end(&making, (unsigned)output->count);
}

static void check_case(Checkpoint *fixture, const Case *one) {
    Error err;
    Tensor *input = fixture_tensor(fixture, one->name, "input"), *output = fixture_tensor(fixture, one->name, "output");
    assert_non_null(input);
    assert_non_null(output);
    Network *network = case_network(fixture, one, output);
    unsigned height = (unsigned)input->dim[1], width = (unsigned)input->dim[2], channels, h, w;
    float *found = engine_reference(network, input->data, height, width, 2, &channels, &h, &w, &err);
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

static void operations_as_pytorch(void **state) {
    (void)state;
    bool seen[OP_COUNT] = {[OP_INPUT] = true, [OP_ADD] = true}; /* these two stand in the networks below */
    Checkpoint *fixture = open_fixture();
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        check_case(fixture, &cases[i]);
        seen[cases[i].op.kind] = true;
    }
    for (size_t kind = 0; kind < OP_COUNT; kind++)
        if (!seen[kind]) fail_msg("no case for %s", op_name((OpKind)kind));
    checkpoint_close(fixture);
}

static void check_network(const char *path, const char *name, const char *architecture) {
    Error err;
    Checkpoint *fixture = open_fixture();
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

enum { OPS_MAX = 24 };

/* A graph that grows at random; shapes of all results so far. */
typedef struct Growth {
    Making making;
    Rng rng;
    Shape shapes[OPS_MAX];
    int count;
} Growth;

static unsigned below(Growth *growth, unsigned bound) {
    return (unsigned)rng_below(&growth->rng, bound);
}

static int random_tensor(Growth *growth, unsigned rank, const uint64_t *dim, bool positive) {
    Tensor *tensor = tensor_new(rank, dim, &making_error);
    assert_non_null(tensor);
    for (uint64_t i = 0; i < tensor->count; i++)
        tensor->data[i] = positive ? 0.5f + (float)rng_uniform(&growth->rng)
                                   : (float)(rng_normal(&growth->rng) / sqrt((double)tensor->count / (double)dim[0]));
    return make_tensor(&growth->making, tensor);
}

static void add(Growth *growth, Op op, Shape shape) {
    op.out_channels = shape.channels;
    growth->shapes[growth->count] = shape;
    int at = graph_add(&growth->making.builder, op, "op%d", growth->count);
    assert_int_equal(at, growth->count++);
}

static Shape windowed(Shape in, const Op *op) {
    in.height = (in.height + 2 * op->padding - op->kernel[0]) / op->stride + 1;
    in.width = (in.width + 2 * op->padding - op->kernel[1]) / op->stride + 1;
    return in;
}

static void add_convolution(Growth *growth, int input) {
    Shape in = growth->shapes[input];
    Op op = {.kind = OP_CONV, .input = {input}, .stride = 1 + below(growth, 2), .padding = below(growth, 3)};
    for (int i = 0; i < 2; i++) {
        unsigned room = (i == 0 ? in.height : in.width) + 2 * op.padding, most = room < 5 ? room : 5;
        op.kernel[i] = 1 + below(growth, most);
    }
    unsigned kind = below(growth, 4), out = 1 + below(growth, 40);
    op.groups = kind == 0 ? in.channels : kind == 1 && in.channels % 2 == 0 ? 2 : 1;
    out = kind == 0 && below(growth, 2) ? in.channels : (out + op.groups - 1) / op.groups * op.groups;
    op.weight =
        random_tensor(growth, 4, (const uint64_t[]){out, in.channels / op.groups, op.kernel[0], op.kernel[1]}, false);
    op.bias = below(growth, 2) ? random_tensor(growth, 1, (const uint64_t[]){out}, false) : NO_TENSOR;
    Shape shape = windowed(in, &op);
    shape.channels = out;
    add(growth, op, shape);
}

static void add_batch_norm(Growth *growth, int input) {
    Shape in = growth->shapes[input];
    const uint64_t dim[1] = {in.channels};
    Op op = {.kind = OP_BATCH_NORM, .input = {input}, .epsilon = 1e-5f};
    op.weight = below(growth, 4) ? random_tensor(growth, 1, dim, true) : NO_TENSOR;
    op.bias = below(growth, 4) ? random_tensor(growth, 1, dim, false) : NO_TENSOR;
    op.mean = random_tensor(growth, 1, dim, false);
    op.variance = random_tensor(growth, 1, dim, true);
    add(growth, op, in);
}

static void add_pool(Growth *growth, int input) {
    Shape in = growth->shapes[input];
    Op op = {.kind = below(growth, 2) ? OP_MAX_POOL : OP_AVERAGE_POOL, .input = {input}, WINDOW(3, 3, 2, 1)};
    if (in.height < 2 || in.width < 2) return;
    op.stride = 1 + below(growth, 2);
    op.kernel[0] = 2 + below(growth, 2);
    add(growth, op, windowed(in, &op));
}

/* Adds two maps of one shape, the earlier by a shortcut where that makes the shapes equal. */
static void add_sum(Growth *growth, int input) {
    Shape in = growth->shapes[input];
    for (int other = 0; other < growth->count; other++) {
        Shape from = growth->shapes[other];
        if (from.channels > in.channels || (from.height + 1) / 2 != in.height || (from.width + 1) / 2 != in.width)
            continue;
        if (below(growth, 2)) continue;
        add(growth, (Op){.kind = OP_SHORTCUT_A, .input = {other}, .stride = 2}, in);
        add(growth, (Op){.kind = OP_ADD, .input = {input, growth->count - 1}}, in);
        return;
    }
    for (int other = 0; other < growth->count; other++) {
        Shape from = growth->shapes[other];
        if (from.channels != in.channels || from.height != in.height || from.width != in.width) continue;
        add(growth, (Op){.kind = OP_ADD, .input = {input, other}}, in);
        return;
    }
}

static void grow(Growth *growth) {
    int input = below(growth, 4) ? growth->count - 1 : (int)below(growth, (unsigned)growth->count);
    switch (below(growth, 9)) {
    case 0:
    case 1:
    case 2:
        add_convolution(growth, input);
        break;
    case 3:
    case 4:
        add_batch_norm(growth, input);
        break;
    case 5:
        add_pool(growth, input);
        break;
    case 6:
        add(growth, (Op){.kind = below(growth, 2) ? OP_RELU : OP_RELU6, .input = {input}}, growth->shapes[input]);
        break;
    default:
        add_sum(growth, input);
    }
}

static Network *random_network(uint64_t seed, unsigned height, unsigned width) {
    Growth growth = {.making = make_begin(), .rng = {.seed = seed}, .count = 1};
    growth.shapes[0] = (Shape){3, height, width};
    for (unsigned steps = 2 + below(&growth, OPS_MAX - 4); growth.count < (int)steps;) grow(&growth);
    Shape last = growth.shapes[growth.count - 1];
    if (below(&growth, 2)) {
        last.height = last.width = 1;
        add(&growth, (Op){.kind = OP_GLOBAL_POOL, .input = {growth.count - 1}}, last);
    }
    Op op = {.kind = OP_LINEAR, .input = {growth.count - 1}, .out_channels = 9, .bias = NO_TENSOR};
    op.weight =
        random_tensor(&growth, 2, (const uint64_t[]){9, (uint64_t)last.channels * last.height * last.width}, false);
    graph_add(&growth.making.builder, op, "last");
    return make_end(&growth.making, 9);
}

/* Everything a plan can get wrong -- fusing, borders, memory used twice -- shows in the logits. */
static void random_graphs(void **state) {
    (void)state;
    for (uint64_t seed = 0; seed < 400; seed++) {
        Error err;
        Rng rng = {.seed = seed, .stream = 1};
        unsigned height = 1 + (unsigned)rng_below(&rng, 12), width = 1 + (unsigned)rng_below(&rng, 12), channels, h, w;
        float pixels[2 * 3 * 12 * 12], logits[2 * 9];
        size_t size = (size_t)3 * height * width;
        for (size_t i = 0; i < 2 * size; i++) pixels[i] = (float)rng_normal(&rng);
        Network *network = random_network(seed, height, width);
        Engine *engine = engine_new(network, 2, height, width, NULL, &err);
        if (!engine) fail_msg("seed %d: %s", (int)seed, err.text);
        for (size_t set = 0; kernels_available(set); set++) {
            engine_set_kernels(engine, kernels_available(set));
            assert_true(engine_forward(engine, pixels, 2, logits, &err));
            for (unsigned image = 0; image < 2; image++) {
                float *expected = engine_reference(network, pixels + image * size, height, width,
                                                   network->graph->count - 1, &channels, &h, &w, &err);
                assert_non_null(expected);
                for (unsigned i = 0; i < 9; i++)
                    if (!(fabsf(logits[image * 9 + i] - expected[i]) < 1e-5f * (1 + fabsf(expected[i]))))
                        fail_msg("seed %d by %s: logit %u is %.8g, not %.8g", (int)seed, kernels_available(set)->name,
                                 i, (double)logits[image * 9 + i], (double)expected[i]);
                mem_free(expected);
            }
        }
        engine_free(engine);
        network_free(network);
    }
}

/* ---- edges ------------------------------------------------------------------------------------------------------- */

/* Not-a-number and infinity go through ReLU, ReLU6 and the pools as in PyTorch. */
static void not_a_number(void **state) {
    (void)state;
    static const OpKind kinds[] = {OP_RELU, OP_RELU6, OP_MAX_POOL, OP_AVERAGE_POOL};
    for (size_t k = 0; k < sizeof kinds / sizeof *kinds; k++) {
        Error err;
        Making making = make_begin();
        Op op = {.kind = kinds[k], .input = {0}, .out_channels = 3, WINDOW(1, 1, 1, 0)};
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
            assert_true(kinds[k] == OP_RELU6 ? fabsf(logits[2] - 6) <= 0 : isinf(logits[2]) && logits[2] > 0);
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
    op.stride = 0;
    refuses(op, "culprit: a convolution of kernel 3x3, stride 0");
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
    op = (Op){.kind = OP_SHORTCUT_A, .out_channels = 2, .stride = 1};
    refuses(op, "culprit: cannot narrow 3 channels to 2");
    op = (Op){.kind = OP_MAX_POOL, WINDOW(2, 2, 2, 2)};
    refuses(op, "culprit: a max pool of kernel 2x2, stride 2, padding 2");
    op = (Op){.kind = OP_RELU, .out_channels = 3};
    refuses(op, "gives 3x1x1");
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(operations_as_pytorch), cmocka_unit_test(resnet_a_as_pytorch),
        cmocka_unit_test(resnet_b_as_pytorch),   cmocka_unit_test(random_graphs),
        cmocka_unit_test(not_a_number),          cmocka_unit_test(refused_graphs),
    };
    return cmocka_run_group_tests_name("operations", tests, NULL, NULL);
}
