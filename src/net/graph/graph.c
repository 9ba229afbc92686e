/* graph -- operations over named tensors: building, shapes, checks. */
#include "net/internal.h"

#include <stdio.h>
#include <string.h>

/* The largest height or width of a map, and the most channels: far beyond any network here, and small enough that the
 * product of two sizes fits 64 bits with room to spare. */
enum { SIZE_MAX_MAP = 1 << 16, CHANNELS_MAX = 1 << 20 };

const char *op_name(OpKind kind) {
    static const char *const names[OP_COUNT] = {
#define X(name, text) text,
        NET_OPS(X)
#undef X
    };
    return names[kind];
}

/* ---- building ---------------------------------------------------------------------------------------------------- */

GraphBuilder graph_begin(unsigned in_channels, unsigned height, unsigned width, Error *err) {
    GraphBuilder builder = {.graph = mem_alloc(1, sizeof(Graph), err), .err = err};
    builder.failed = !builder.graph;
    if (builder.failed) return builder;
    *builder.graph = (Graph){.in_channels = in_channels, .height = height, .width = width, .references = 1};
    graph_add(&builder, (Op){.kind = OP_INPUT, .out_channels = in_channels}, "input");
    return builder;
}

int graph_add(GraphBuilder *builder, Op op, const char *name, ...) {
    Graph *graph = builder->graph;
    if (builder->failed ||
        !mem_grow(&graph->ops, &builder->capacity, (uint64_t)graph->count + 1, sizeof *graph->ops, builder->err)) {
        builder->failed = true;
        return 0;
    }
    if (op.kind != OP_ADD) op.input[1] = -1;
    if (op.kind == OP_INPUT) op.input[0] = -1;
    if (op.kind != OP_CONV && op.kind != OP_LINEAR && op.kind != OP_BATCH_NORM) op.weight = op.bias = NO_TENSOR;
    if (op.kind != OP_BATCH_NORM) op.mean = op.variance = NO_TENSOR;
    va_list args;
    va_start(args, name);
    vsnprintf(op.name, sizeof op.name, name, args);
    va_end(args);
    graph->ops[graph->count] = op;
    return (int)graph->count++;
}

Graph *graph_finish(GraphBuilder *builder, unsigned classes) {
    Graph *graph = builder->graph;
    builder->graph = NULL;
    if (builder->failed) {
        graph_release(graph);
        return NULL;
    }
    graph->classes = classes;
    return graph;
}

Graph *graph_share(Graph *graph) {
    if (graph) __atomic_add_fetch(&graph->references, 1, __ATOMIC_RELAXED);
    return graph;
}

void graph_release(Graph *graph) {
    if (!graph || __atomic_sub_fetch(&graph->references, 1, __ATOMIC_ACQ_REL) > 0) return;
    mem_free(graph->ops);
    mem_free(graph);
}

static bool op_equal(const Op *a, const Op *b) {
    return a->kind == b->kind && a->input[0] == b->input[0] && a->input[1] == b->input[1] &&
           a->out_channels == b->out_channels && a->kernel[0] == b->kernel[0] && a->kernel[1] == b->kernel[1] &&
           a->stride == b->stride && a->padding == b->padding && a->groups == b->groups &&
           (a->weight == NO_TENSOR) == (b->weight == NO_TENSOR) && (a->bias == NO_TENSOR) == (b->bias == NO_TENSOR) &&
           !(a->epsilon < b->epsilon || a->epsilon > b->epsilon);
}

bool graph_equal(const Graph *a, const Graph *b) {
    if (a == b) return true;
    bool equal = a->count == b->count && a->in_channels == b->in_channels && a->classes == b->classes;
    for (size_t i = 0; equal && i < a->count; i++) equal = op_equal(&a->ops[i], &b->ops[i]);
    return equal;
}

/* ---- shapes ------------------------------------------------------------------------------------------------------ */

static bool windowed(const Op *op, Shape in, Shape *out, Error *err) {
    const unsigned size[2] = {in.height, in.width};
    unsigned result[2];
    bool pool = op->kind != OP_CONV;
    if (op->stride == 0 || op->kernel[0] == 0 || op->kernel[1] == 0 || op->kernel[0] > SIZE_MAX_MAP ||
        op->kernel[1] > SIZE_MAX_MAP || op->padding > SIZE_MAX_MAP || op->stride > SIZE_MAX_MAP ||
        (pool && (2 * op->padding > op->kernel[0] || 2 * op->padding > op->kernel[1])))
        return error_set(err, STATUS_FAILED, "%s: a %s of kernel %ux%u, stride %u, padding %u makes no sense", op->name,
                         op_name(op->kind), op->kernel[0], op->kernel[1], op->stride, op->padding);
    for (int i = 0; i < 2; i++) {
        if (size[i] + 2 * op->padding < op->kernel[i])
            return error_set(err, STATUS_FAILED, "%s: a %ux%u kernel does not fit on a map of %ux%u", op->name,
                             op->kernel[0], op->kernel[1], in.height, in.width);
        result[i] = (size[i] + 2 * op->padding - op->kernel[i]) / op->stride + 1;
    }
    *out = (Shape){pool ? in.channels : op->out_channels, result[0], result[1]};
    if (!pool && (op->groups == 0 || in.channels % op->groups || op->out_channels % op->groups))
        return error_set(err, STATUS_FAILED, "%s: %u groups do not divide %u and %u channels", op->name, op->groups,
                         in.channels, op->out_channels);
    return true;
}

static bool op_shape(const Op *op, Shape in, Shape other, Shape *out, Error *err) {
    *out = in;
    switch (op->kind) {
    case OP_CONV:
    case OP_MAX_POOL:
    case OP_AVERAGE_POOL:
        return windowed(op, in, out, err);
    case OP_ADD:
        if (in.channels == other.channels && in.height == other.height && in.width == other.width) return true;
        return error_set(err, STATUS_FAILED, "%s: adds %ux%ux%u to %ux%ux%u", op->name, other.channels, other.height,
                         other.width, in.channels, in.height, in.width);
    case OP_SHORTCUT_A:
        if (op->out_channels < in.channels || op->stride == 0)
            return error_set(err, STATUS_FAILED, "%s: cannot narrow %u channels to %u", op->name, in.channels,
                             op->out_channels);
        *out = (Shape){op->out_channels, (in.height - 1) / op->stride + 1, (in.width - 1) / op->stride + 1};
        return true;
    case OP_GLOBAL_POOL:
        *out = (Shape){in.channels, 1, 1};
        return true;
    case OP_LINEAR:
        *out = (Shape){op->out_channels, 1, 1};
        return true;
    case OP_QUANTISE:
        if (quantiser_sound(&op->quantiser)) return true;
        return error_set(err, STATUS_FAILED, "%s: a quantiser of scale %g, zero point %d, %u bits makes no sense",
                         op->name, (double)op->quantiser.scale, op->quantiser.zero_point, op->quantiser.bits);
    case OP_INPUT:
    case OP_BATCH_NORM:
    case OP_RELU:
    case OP_RELU6:
    case OP_COUNT:
        break;
    }
    return true;
}

static bool find_shapes(const Graph *graph, unsigned height, unsigned width, Shape *shapes, Error *err) {
    if (graph->count < 2 || graph->ops[0].kind != OP_INPUT)
        return error_set(err, STATUS_FAILED, "the graph has no input and output");
    if (height == 0 || width == 0 || height > SIZE_MAX_MAP || width > SIZE_MAX_MAP)
        return error_set(err, STATUS_FAILED, "images of %ux%u: sizes go from 1 to %d", height, width, SIZE_MAX_MAP);
    shapes[0] = (Shape){graph->in_channels, height, width};
    for (size_t i = 1; i < graph->count; i++) {
        const Op *op = &graph->ops[i];
        int first = op->input[0], second = op->kind == OP_ADD ? op->input[1] : first;
        if (op->kind == OP_INPUT || first < 0 || (size_t)first >= i || second < 0 || (size_t)second >= i)
            return error_set(err, STATUS_FAILED, "%s: takes its input from a later operation", op->name);
        if (!op_shape(op, shapes[first], shapes[second], &shapes[i], err)) return false;
        if (shapes[i].channels == 0 || shapes[i].channels > CHANNELS_MAX || shapes[i].height > SIZE_MAX_MAP ||
            shapes[i].width > SIZE_MAX_MAP)
            return error_set(err, STATUS_FAILED, "%s: a map of %ux%ux%u is out of range", op->name, shapes[i].channels,
                             shapes[i].height, shapes[i].width);
    }
    const Shape *last = &shapes[graph->count - 1];
    if (last->channels != graph->classes || last->height != 1 || last->width != 1)
        return error_set(err, STATUS_FAILED, "%s: gives %ux%ux%u, not one value for each of %u classes",
                         graph->ops[graph->count - 1].name, last->channels, last->height, last->width, graph->classes);
    return true;
}

/* ---- tensors ----------------------------------------------------------------------------------------------------- */

/* Tensor `index` exists and has the `rank` dimensions given. */
static bool has_shape(const Network *network, const Op *op, int index, unsigned rank, const uint64_t *dim, Error *err) {
    if (index < 0 || (size_t)index >= network->tensor_count)
        return error_set(err, STATUS_FAILED, "%s: a %s without its tensors", op->name, op_name(op->kind));
    const NetTensor *tensor = &network->tensors[index];
    bool equal = tensor->tensor->rank == rank;
    for (unsigned i = 0; equal && i < rank; i++) equal = tensor->tensor->dim[i] == dim[i];
    return equal || error_set(err, STATUS_FAILED, "%s: the shape of '%s' does not fit", op->name, tensor->name);
}

static bool check_tensors(const Network *network, const Shape *shapes, Error *err) {
    const Graph *graph = network->graph;
    for (size_t i = 1; i < graph->count; i++) {
        const Op *op = &graph->ops[i];
        const Shape in = shapes[op->input[0]];
        const uint64_t channels[1] = {op->kind == OP_BATCH_NORM ? in.channels : op->out_channels};
        const uint64_t filter[4] = {op->out_channels, op->groups ? in.channels / op->groups : 0, op->kernel[0],
                                    op->kernel[1]};
        const uint64_t matrix[2] = {op->out_channels, (uint64_t)in.channels * in.height * in.width};
        bool fits = true;
        if (op->kind == OP_CONV) fits = has_shape(network, op, op->weight, 4, filter, err);
        if (op->kind == OP_LINEAR) fits = has_shape(network, op, op->weight, 2, matrix, err);
        if (op->kind == OP_BATCH_NORM)
            fits = (op->weight == NO_TENSOR || has_shape(network, op, op->weight, 1, channels, err)) &&
                   has_shape(network, op, op->mean, 1, channels, err) &&
                   has_shape(network, op, op->variance, 1, channels, err);
        if (fits && op->bias != NO_TENSOR) fits = has_shape(network, op, op->bias, 1, channels, err);
        if (!fits) return false;
    }
    return true;
}

Shape *graph_shapes(const Network *network, unsigned height, unsigned width, Error *err) {
    const Graph *graph = network->graph;
    if (!graph) {
        error_set(err, STATUS_FAILED, "the architecture is not known: %s",
                  network->why_unknown ? network->why_unknown : "nothing tells it");
        return NULL;
    }
    if (network->normalisation.channels != graph->in_channels) {
        error_set(err, STATUS_FAILED,
                  "the input normalisation of %u channels, %u classes is not known: --normalise MEAN/STD says it",
                  graph->in_channels, graph->classes);
        return NULL;
    }
    Shape *shapes = mem_alloc(graph->count, sizeof *shapes, err);
    if (shapes && find_shapes(graph, height, width, shapes, err) && check_tensors(network, shapes, err)) return shapes;
    mem_free(shapes);
    return NULL;
}
