/* graph -- operations over named tensors: the table of operations, building, sharing, comparing. */
#include "weft/net/graph.h"

#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include "weft/base/error.h"
#include "weft/base/memory.h"

/* ---- the table --------------------------------------------------------------------------------------------------- */

static const struct {
    const char *name;
    unsigned inputs;
    OpClass class;
} kinds[OP_COUNT] = {
#define X(name, text, inputs, class) {text, inputs, CLASS_##class},
#include "weft/net/ops.def"
#undef X
};

const char *op_name(OpKind kind) {
    return kinds[kind].name;
}

unsigned op_inputs(OpKind kind) {
    return kinds[kind].inputs;
}

OpClass op_class(OpKind kind) {
    return kinds[kind].class;
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

static unsigned channels_of(const Graph *graph, int position) {
    return position >= 0 && (size_t)position < graph->count ? graph->ops[position].out_channels : 0;
}

/* What the kind does not use is "none"; what follows from the inputs is filled in. */
static void complete(const Graph *graph, Op *op) {
    const OpClass class = op_class(op->kind);
    for (unsigned i = op_inputs(op->kind); i < 2; i++) op->input[i] = -1;
    if (class != CLASS_WEIGHTS && class != CLASS_NORM) op->weight = op->bias = NO_TENSOR;
    if (class != CLASS_NORM) op->mean = op->variance = NO_TENSOR;
    for (int i = 0; i < 2; i++)
        if (op->kind == OP_CONV && op->dilation[i] == 0) op->dilation[i] = 1;
    if (op->out_channels > 0) return;
    op->out_channels = channels_of(graph, op->input[0]);
    if (op->kind == OP_CONCAT) op->out_channels += channels_of(graph, op->input[1]);
}

int graph_add(GraphBuilder *builder, Op op, const char *name, ...) {
    Graph *graph = builder->graph;
    if (builder->failed ||
        !mem_grow(&graph->ops, &builder->capacity, (uint64_t)graph->count + 1, sizeof *graph->ops, builder->err)) {
        builder->failed = true;
        return 0;
    }
    complete(graph, &op);
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

/* ---- sharing and comparing --------------------------------------------------------------------------------------- */

Graph *graph_share(Graph *graph) {
    if (graph) __atomic_add_fetch(&graph->references, 1, __ATOMIC_RELAXED);
    return graph;
}

void graph_release(Graph *graph) {
    if (!graph || __atomic_sub_fetch(&graph->references, 1, __ATOMIC_ACQ_REL) > 0) return;
    mem_free(graph->ops);
    mem_free(graph);
}

static bool same_number(float a, float b) {
    return !(a < b || a > b);
}

void graph_mark_tensors(const Graph *graph, bool *marks) {
    for (size_t i = 0; i < graph->count; i++)
        for (int k = 0; k < OP_TENSORS; k++)
            if (graph->ops[i].tensors[k] != NO_TENSOR) marks[graph->ops[i].tensors[k]] = true;
}

#define SAME(field) (memcmp(a->field, b->field, sizeof a->field) == 0)
static bool op_equal(const Op *a, const Op *b) {
    return a->kind == b->kind && SAME(input) && a->out_channels == b->out_channels && SAME(kernel) && SAME(stride) &&
           SAME(dilation) && SAME(padding) && a->groups == b->groups && SAME(size) && a->offset == b->offset &&
           a->ceiling == b->ceiling && a->exclude_padding == b->exclude_padding &&
           (a->weight == NO_TENSOR) == (b->weight == NO_TENSOR) && (a->bias == NO_TENSOR) == (b->bias == NO_TENSOR) &&
           same_number(a->epsilon, b->epsilon) && same_number(a->slope, b->slope);
}
#undef SAME

bool graph_equal(const Graph *a, const Graph *b) {
    if (a == b) return true;
    bool equal = a->count == b->count && a->in_channels == b->in_channels && a->classes == b->classes;
    for (size_t i = 0; equal && i < a->count; i++) equal = op_equal(&a->ops[i], &b->ops[i]);
    return equal;
}
