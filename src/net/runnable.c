/* runnable -- whether a network can run: a graph whose operations fit one another, the images, and their tensors. */
#include "net/internal.h"
#include "weft/base/error.h"
#include "weft/base/memory.h"

/* Tensor `index` exists and has the `rank` dimensions given. */
static bool has_shape(const Network *network, const Op *op, int index, unsigned rank, const uint64_t *dim, Error *err) {
    if (index < 0 || (size_t)index >= network->tensor_count)
        return error_set(err, STATUS_FAILED, "%s: a %s without its tensors", op->name, op_name(op->kind));
    const NetTensor *tensor = &network->tensors[index];
    bool equal = tensor->tensor->rank == rank;
    for (unsigned i = 0; equal && i < rank; i++) equal = tensor->tensor->dim[i] == dim[i];
    return equal || error_set(err, STATUS_FAILED, "%s: the shape of '%s' does not fit", op->name, tensor->name);
}

bool graph_tensors_fit(const Graph *graph, const Network *network, const Shape *shapes, Error *err) {
    for (size_t i = 1; i < graph->count; i++) {
        const Op *op = &graph->ops[i];
        const Shape in = shapes[op->input[0]];
        const uint64_t channels[1] = {op->out_channels};
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
        error_set(err, STATUS_FAILED, "the architecture is unknown: %s",
                  network->why_unknown ? network->why_unknown : "nothing in the file tells");
        return NULL;
    }
    if (network->normalisation.channels != graph->in_channels) {
        error_set(
            err, STATUS_FAILED,
            "the input normalisation for %u channels and %u classes is unknown; give it with --normalise MEAN/STD",
            graph->in_channels, graph->classes);
        return NULL;
    }
    Shape *shapes = mem_alloc(graph->count, sizeof *shapes, err);
    if (shapes && graph_find_shapes(graph, height, width, shapes, err) &&
        graph_tensors_fit(graph, network, shapes, err))
        return shapes;
    mem_free(shapes);
    return NULL;
}
