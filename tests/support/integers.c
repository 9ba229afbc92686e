/* integers -- true integer arithmetic, plainly. */
#include "integers.h"
#include "weft/base/error.h"
#include "weft/base/memory.h"

#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

static Error integers_error;

static size_t size_of(Shape shape) {
    return (size_t)shape.channels * shape.height * shape.width;
}

Integers integers_begin(const Network *network, unsigned height, unsigned width) {
    Integers integers = {.network = network, .height = height, .width = width};
    const Graph *graph = network->graph;
    integers.shapes = graph_shapes(network, height, width, &integers_error);
    assert_non_null(integers.shapes);
    integers.maps = mem_alloc(graph->count, sizeof *integers.maps, &integers_error);
    assert_non_null(integers.maps);
    for (size_t i = 0; i < graph->count; i++)
        if (graph->ops[i].kind == OP_QUANTISE) {
            integers.maps[i] = mem_alloc(size_of(integers.shapes[i]), 1, &integers_error);
            assert_non_null(integers.maps[i]);
        }
    return integers;
}

void integers_done(Integers *integers) {
    for (size_t i = 0; i < integers->network->graph->count; i++) mem_free(integers->maps[i]);
    mem_free(integers->maps);
    mem_free(integers->shapes);
}

/* ---- maps -------------------------------------------------------------------------------------------------------- */

/* Level minus zero point at a place of the map that `op` gives; 0, which is a level, outside. A shortcut of option A
 * copies levels and adds channels of zeros. */
static int level(const Integers *n, int op, long channel, long y, long x) {
    const Op *one = &n->network->graph->ops[op];
    const Shape shape = n->shapes[op];
    if (channel < 0 || y < 0 || x < 0 || channel >= shape.channels || y >= shape.height || x >= shape.width) return 0;
    if (one->kind == OP_SHORTCUT_A) {
        return level(n, one->input[0], channel - (long)one->offset, y * one->stride[0], x * one->stride[1]);
    }
    assert_int_equal(one->kind, OP_QUANTISE);
    const size_t at = ((size_t)channel * shape.height + (size_t)y) * shape.width + (size_t)x;
    return n->maps[op][at] - one->quantiser.zero_point;
}

static double scale_of(const Integers *n, int op) {
    const Op *one = &n->network->graph->ops[op];
    return one->kind == OP_SHORTCUT_A ? scale_of(n, one->input[0]) : (double)one->quantiser.scale;
}

/* ---- layers ------------------------------------------------------------------------------------------------------ */

/* The integers of an output channel's weights: multiples of the largest one's 127th. */
static double weight_scale(const float *weights, size_t count) {
    double largest = 0;
    for (size_t i = 0; i < count; i++) largest = fmax(largest, fabs((double)weights[i]));
    return largest > 0 ? largest / 127 : 1;
}

static int8_t weight_level(float weight, double scale) {
    const double place = (double)weight / scale;
    assert_true(fabs(place - round(place)) < 1e-3); /* it was one */
    return (int8_t)lround(place);
}

static int32_t accumulate(const Integers *n, const Op *op, unsigned channel, unsigned y, unsigned x, double *scale) {
    const Shape in = n->shapes[op->input[0]];
    const bool linear = op->kind == OP_LINEAR;
    const unsigned rows = linear ? in.height : op->kernel[0], columns = linear ? in.width : op->kernel[1];
    const unsigned groups = linear ? 1 : op->groups, inputs = in.channels / groups;
    const size_t count = (size_t)inputs * rows * columns;
    const float *weight = n->network->tensors[op->weight].tensor->data + channel * count;
    const double each = weight_scale(weight, count);
    const long first = channel / (op->out_channels / groups) * inputs;
    const long top = linear ? 0 : (long)(y * op->stride[0]) - op->padding[0],
               left = linear ? 0 : (long)(x * op->stride[1]) - op->padding[1];
    int32_t sum = 0;
    for (unsigned c = 0; c < inputs; c++)
        for (unsigned i = 0; i < rows; i++)
            for (unsigned j = 0; j < columns; j++)
                sum += level(n, op->input[0], first + c, top + i, left + j) * weight_level(*weight++, each);
    *scale = each * scale_of(n, op->input[0]);
    return sum;
}

static double tensor_value(const Integers *n, int tensor, size_t index, double absent) {
    return tensor == NO_TENSOR ? absent : (double)n->network->tensors[tensor].tensor->data[index];
}

/* The result of operation `i` from the integers before it, not yet rounded to levels. */
static double value(const Integers *n, int i, const float *pixels, unsigned channel, unsigned y, unsigned x) {
    const Op *op = &n->network->graph->ops[i];
    const Shape in = n->shapes[i > 0 ? op->input[0] : 0];
    const Normalisation *normalisation = &n->network->normalisation;
    double scale, sum = 0;
    switch (op->kind) {
    case OP_INPUT:
        return ((double)pixels[((size_t)channel * in.height + y) * in.width + x] -
                (double)normalisation->mean[channel]) /
               (double)normalisation->std[channel];
    case OP_CONV:
    case OP_LINEAR:
        sum = accumulate(n, op, channel, y, x, &scale);
        return sum * scale + tensor_value(n, op->bias, channel, 0);
    case OP_BATCH_NORM:
        scale = tensor_value(n, op->weight, channel, 1) /
                sqrt(tensor_value(n, op->variance, channel, 1) + (double)op->epsilon);
        return (value(n, op->input[0], pixels, channel, y, x) - tensor_value(n, op->mean, channel, 0)) * scale +
               tensor_value(n, op->bias, channel, 0);
    case OP_RELU:
        return fmax(0, value(n, op->input[0], pixels, channel, y, x));
    case OP_ADD:
        for (int j = 0; j < 2; j++) sum += level(n, op->input[j], channel, y, x) * scale_of(n, op->input[j]);
        return sum;
    case OP_GLOBAL_POOL:
        for (unsigned v = 0; v < in.height; v++)
            for (unsigned u = 0; u < in.width; u++) sum += level(n, op->input[0], channel, v, u);
        return sum * scale_of(n, op->input[0]) / ((double)in.height * in.width);
    default:
        fail_msg("%s: no integer arithmetic for it here", op->name);
        return 0;
    }
}

void integers_run(Integers *n, const float *pixels) {
    const Graph *graph = n->network->graph;
    for (size_t i = 0; i < graph->count; i++) {
        const Quantiser *q = &graph->ops[i].quantiser;
        if (graph->ops[i].kind != OP_QUANTISE) continue;
        uint8_t *to = n->maps[i];
        for (unsigned c = 0; c < n->shapes[i].channels; c++)
            for (unsigned y = 0; y < n->shapes[i].height; y++)
                for (unsigned x = 0; x < n->shapes[i].width; x++) {
                    const double place = value(n, graph->ops[i].input[0], pixels, c, y, x) / (double)q->scale;
                    *to++ = (uint8_t)fmax(0, fmin(255, nearbyint(place) + q->zero_point));
                }
    }
}
