#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
#include <math.h>
#include <stdio.h>

#include "graphs.h"

/* ---- by hand ----------------------------------------------------------------------------------------------------- */

static Error making_error;

Making make_begin(void) {
    Making making = {.network = mem_alloc(1, sizeof(Network), &making_error)};
    assert_non_null(making.network);
    making.builder = graph_begin(3, 8, 8, &making_error);
    assert_true(normalisation_parse("none", 3, &making.network->normalisation, &making_error));
    return making;
}

int make_tensor(Making *making, Tensor *tensor) {
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

Network *make_end(Making *making, unsigned classes) {
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

int make_flat(Making *making, int input, unsigned size) {
    Op op = {.kind = OP_LINEAR, .input = {input}, .out_channels = size, .bias = NO_TENSOR};
    op.weight = make_tensor(making, identity(size));
    return graph_add(&making->builder, op, "flat");
}

/* ---- at random --------------------------------------------------------------------------------------------------- */

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

Network *random_network(uint64_t seed, unsigned height, unsigned width) {
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

Network *random_quantised(uint64_t seed, unsigned height, unsigned width) {
    Network *network = random_network(seed, height, width);
    Rng rng = {.seed = seed, .stream = 2};
    bool places[OPS_MAX + 4];
    Quantiser quantisers[OPS_MAX + 4];
    size_t count = 0;
    assert_true(network->graph->count <= sizeof places / sizeof *places);
    graph_quantiser_places(network->graph, places);
    for (size_t i = 0; i < network->graph->count; i++) {
        if (!places[i]) places[i] = rng_below(&rng, 4) == 0;
        const unsigned bits = 2 + (unsigned)rng_below(&rng, 4);
        if (places[i])
            quantisers[count++] = (Quantiser){0.3f + (float)rng_uniform(&rng), (int)rng_below(&rng, 1 << bits), bits};
    }
    assert_true(network_put_quantisers(network, places, quantisers, &making_error));
    return network;
}
