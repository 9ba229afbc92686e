#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
#include <math.h>
#include <stdio.h>

#include "graphs.h"
#include "weft/base/dtype.h"
#include "weft/base/error.h"
#include "weft/base/memory.h"
#include "weft/base/random.h"
#include "weft/base/tensor.h"

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

enum { OPS_MAX = 28 };

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

/* The operation's result by the graph's own rule; false where it does not fit. */
static bool shape_of(Growth *growth, const Op *op, Shape *out) {
    Error ignored;
    Op named = *op;
    named.name[0] = '\0';
    return op_shape(&named, growth->shapes[op->input[0]], growth->shapes[op_inputs(op->kind) == 2 ? op->input[1] : 0],
                    out, &ignored) &&
           out->height > 0 && out->width > 0;
}

static void add_convolution(Growth *growth, int input) {
    Shape in = growth->shapes[input], shape;
    Op op = {.kind = OP_CONV, .input = {input}};
    const bool plain = below(growth, 2);
    for (int i = 0; i < 2; i++) {
        op.stride[i] = plain && i ? op.stride[0] : 1 + below(growth, 2);
        op.dilation[i] = below(growth, 4) ? 1 : 1 + below(growth, 3);
        op.kernel[i] = 1 + below(growth, 5);
    }
    for (int i = 0; i < 4; i++) op.padding[i] = plain && i ? op.padding[0] : below(growth, 3);
    unsigned kind = below(growth, 4), out = 1 + below(growth, 40);
    op.groups = kind == 0 ? in.channels : kind == 1 && in.channels % 2 == 0 ? 2 : 1;
    op.out_channels = kind == 0 && below(growth, 2) ? in.channels : (out + op.groups - 1) / op.groups * op.groups;
    if (!shape_of(growth, &op, &shape)) return;
    op.weight = random_tensor(
        growth, 4, (const uint64_t[]){op.out_channels, in.channels / op.groups, op.kernel[0], op.kernel[1]}, false);
    op.bias = below(growth, 2) ? random_tensor(growth, 1, (const uint64_t[]){op.out_channels}, false) : NO_TENSOR;
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
    Shape in = growth->shapes[input], shape;
    Op op = {.kind = below(growth, 2) ? OP_MAX_POOL : OP_AVERAGE_POOL, .input = {input}, WINDOW(3, 3, 2, 1)};
    if (in.height < 2 || in.width < 2) return;
    op.stride[0] = 1 + below(growth, 2);
    op.stride[1] = 1 + below(growth, 2);
    op.kernel[0] = 2 + below(growth, 2);
    op.padding[2] = below(growth, 2);
    op.ceiling = below(growth, 2);
    op.exclude_padding = op.kind == OP_AVERAGE_POOL && below(growth, 2);
    if (below(growth, 5) == 0)
        op = (Op){.kind = OP_ADAPTIVE_POOL, .input = {input}, .size = {1 + below(growth, 5), 1 + below(growth, 5)}};
    op.out_channels = in.channels;
    if (shape_of(growth, &op, &shape)) add(growth, op, shape);
}

static void add_activation(Growth *growth, int input) {
    static const OpKind kinds[] = {OP_RELU, OP_RELU,         OP_RELU6,      OP_LEAKY_RELU, OP_SIGMOID,
                                   OP_SILU, OP_HARD_SIGMOID, OP_HARD_SWISH, OP_GELU,       OP_TANH};
    const OpKind kind = kinds[below(growth, sizeof kinds / sizeof *kinds)];
    add(growth, (Op){.kind = kind, .input = {input}, .slope = kind == OP_LEAKY_RELU ? 0.2f : 0}, growth->shapes[input]);
}

/* Slices, shuffles, pads; joins with an earlier map of the same size, or with the mean of this one. */
static void add_move(Growth *growth, int input) {
    Shape in = growth->shapes[input], shape;
    Op op = {.kind = OP_SLICE, .input = {input}};
    const unsigned choice = below(growth, 3);
    if (choice == 0) {
        op.offset = below(growth, in.channels);
        op.out_channels = 1 + below(growth, in.channels - op.offset);
    } else if (choice == 1) {
        op = (Op){.kind = OP_SHUFFLE, .input = {input}, .groups = in.channels % 2 ? in.channels : 2};
    } else {
        op = (Op){.kind = OP_PAD, .input = {input}};
        for (int i = 0; i < 4; i++) op.padding[i] = below(growth, 3);
    }
    if (shape_of(growth, &op, &shape)) add(growth, op, shape);
}

static void add_join(Growth *growth, int input) {
    Op op = {.kind = below(growth, 2) ? OP_CONCAT : OP_MULTIPLY};
    Shape shape;
    op.input[0] = input;
    op.input[1] = (int)below(growth, (unsigned)growth->count);
    if (below(growth, 2)) {
        const unsigned channels = growth->shapes[input].channels;
        add(growth, (Op){.kind = OP_GLOBAL_POOL, .input = {input}}, (Shape){channels, 1, 1});
        op.kind = OP_MULTIPLY;
        op.input[1] = growth->count - 1;
    }
    if (!shape_of(growth, &op, &shape) || shape.channels >= 100) return;
    if (op.kind == OP_MULTIPLY) { /* products of products would leave float32 behind */
        add(growth, (Op){.kind = OP_SIGMOID, .input = {op.input[1]}}, growth->shapes[op.input[1]]);
        op.input[1] = growth->count - 1;
    }
    add(growth, op, shape);
}

/* Adds two maps of one shape, the earlier by a shortcut where that makes the shapes equal. */
static void add_sum(Growth *growth, int input) {
    Shape in = growth->shapes[input];
    for (int other = 0; other < growth->count; other++) {
        Shape from = growth->shapes[other];
        if (from.channels > in.channels || (from.height + 1) / 2 != in.height || (from.width + 1) / 2 != in.width)
            continue;
        if (below(growth, 2)) continue;
        const unsigned before = below(growth, in.channels - from.channels + 1);
        add(growth, (Op){.kind = OP_SHORTCUT_A, .input = {other}, .stride = {2, 2}, .offset = before}, in);
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
    switch (below(growth, 12)) {
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
    case 7:
        add_activation(growth, input);
        break;
    case 8:
        add_move(growth, input);
        break;
    case 9:
        add_join(growth, input);
        break;
    default:
        add_sum(growth, input);
    }
}

Network *random_network(uint64_t seed, unsigned height, unsigned width) {
    Growth growth = {.making = make_begin(), .rng = {.seed = seed}, .count = 1};
    growth.shapes[0] = (Shape){3, height, width};
    for (unsigned steps = 2 + below(&growth, OPS_MAX - 8); growth.count < (int)steps;) grow(&growth);
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
