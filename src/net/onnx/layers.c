/* layers -- nodes with weights, batch norm, and pools. */
#include "net/onnx/onnx.h"

#include <math.h>
#include <string.h>

#include "weft/base/tensor.h"

static bool is(const OnnxNode *node, const char *type) {
    return strcmp(node->type, type) == 0;
}

/* A vector of `count` numbers, whatever its rank; one number stands for all. */
static int vector_index(Converter *c, const OnnxNode *node, Value *constant, unsigned count, double scale) {
    const bool unscaled = !(fabs(scale - 1) > 0);
    if (constant->kind != VALUE_CONSTANT || (constant->count != count && constant->count != 1)) {
        node_refuse(c, node, "'%s' has %zu numbers for %u channels", constant->name, constant->count, count);
        return -1;
    }
    if (constant->count == count && constant->rank == 1 && unscaled) return tensor_index(c, constant, NULL);
    Tensor *from = constant_tensor(c, constant);
    Tensor *to = from ? tensor_new(1, (uint64_t[]){count}, c->err) : NULL;
    for (unsigned i = 0; to && i < count; i++)
        to->data[i] = (float)(scale * (double)from->data[from->count == 1 ? 0 : i]);
    tensor_release(from);
    return to ? tensor_index(c, constant, to) : -1; /* NULL would take the constant as it is */
}

bool add_bias(Converter *c, const OnnxNode *node, Value *map, Value *constant, bool *done) {
    Op *op = &c->builder.graph->ops[map->op];
    const bool alone = map->uses == 1 && c->made_by[map->op] == map->node && op_class(op->kind) == CLASS_WEIGHTS &&
                       op->bias == NO_TENSOR;
    *done = false;
    if (!alone) return true;
    const int bias = vector_index(c, node, constant, op->out_channels, 1);
    Value *out = bias < 0 ? NULL : node_output(c, node, 0);
    if (!out) return false;
    c->builder.graph->ops[map->op].bias = bias;
    out->kind = VALUE_MAP;
    out->op = map->op;
    out->view = map->view;
    *done = true;
    return true;
}

/* ---- windows ----------------------------------------------------------------------------------------------------- */

/* A pair of attribute `name`; `otherwise` where it is absent. */
static bool read_pair(Converter *c, const OnnxNode *node, const char *name, unsigned otherwise, unsigned *out) {
    double list[ONNX_RANK_MAX];
    size_t count;
    if (!node_list(c, node, name, SIZE_MAX, list, &count)) return false;
    if (count != 0 && count != 2) return node_refuse(c, node, "%s of %zu dimensions; weft runs on images", name, count);
    for (int i = 0; i < 2; i++) {
        if (count == 2 && !(list[i] >= 1 && list[i] <= 65536)) return node_refuse(c, node, "%s %g", name, list[i]);
        out[i] = count == 2 ? (unsigned)list[i] : otherwise;
    }
    return true;
}

/* Padding by auto_pad: as many windows as the map has strides. */
static void pad_same(const Op *op, Shape in, bool upper, unsigned *out) {
    const unsigned size[2] = {in.height, in.width};
    for (int i = 0; i < 2; i++) {
        const uint64_t windows = (size[i] - 1) / op->stride[i] + 1;
        const uint64_t reach = (windows - 1) * op->stride[i] + (uint64_t)(op->kernel[i] - 1) * op->dilation[i] + 1;
        const unsigned total = reach > size[i] ? (unsigned)(reach - size[i]) : 0;
        out[i] = upper ? total / 2 : total - total / 2;
        out[i + 2] = total - out[i];
    }
}

static bool read_padding(Converter *c, const OnnxNode *node, Shape in, Op *op) {
    const OnnxAttribute *automatic = onnx_attribute(node, "auto_pad");
    const char *mode = automatic && automatic->kind == ONNX_TEXT ? automatic->text : "NOTSET";
    double list[ONNX_RANK_MAX];
    size_t count;
    if (strcmp(mode, "SAME_UPPER") == 0 || strcmp(mode, "SAME_LOWER") == 0) {
        pad_same(op, in, mode[5] == 'U', op->padding);
        return true;
    }
    if (strcmp(mode, "VALID") == 0) return true;
    if (strcmp(mode, "NOTSET") != 0) return node_refuse(c, node, "auto_pad %s", mode);
    if (!node_list(c, node, "pads", SIZE_MAX, list, &count)) return false;
    if (count != 0 && count != 4) return node_refuse(c, node, "pads of %zu numbers; weft runs on images", count);
    for (size_t i = 0; i < count; i++) {
        if (!(list[i] >= 0 && list[i] <= 65536)) return node_refuse(c, node, "a padding of %g", list[i]);
        op->padding[i] = (unsigned)list[i];
    }
    return true;
}

static bool read_window(Converter *c, const OnnxNode *node, Shape in, Op *op) {
    return read_pair(c, node, "strides", 1, op->stride) && read_pair(c, node, "dilations", 1, op->dilation) &&
           read_padding(c, node, in, op);
}

static bool pool(Converter *c, const OnnxNode *node, bool average) {
    Op op = {.kind = average ? OP_AVERAGE_POOL : OP_MAX_POOL, .ceiling = node_integer(node, "ceil_mode", 0) != 0};
    const Value *in = map_input(c, node, 0, true);
    if (!in || !read_pair(c, node, "kernel_shape", 0, op.kernel) || !read_window(c, node, c->shapes[in->op], &op))
        return false;
    if (op.kernel[0] == 0) return node_refuse(c, node, "kernel_shape is missing");
    if (op.dilation[0] != 1 || op.dilation[1] != 1) return node_refuse(c, node, "a dilated pool");
    const bool padded = op.padding[0] || op.padding[1] || op.padding[2] || op.padding[3];
    op.exclude_padding = average && (padded || op.ceiling) && node_integer(node, "count_include_pad", 0) == 0;
    op.dilation[0] = op.dilation[1] = 0;
    op.input[0] = in->op;
    const bool nothing = op.kernel[0] == 1 && op.kernel[1] == 1 && op.stride[0] == 1 && op.stride[1] == 1 && !padded;
    return give_map(c, node, 0, nothing ? in->op : converter_add(c, node, op));
}

static bool global_pool(Converter *c, const OnnxNode *node, bool average) {
    const Value *in = map_input(c, node, 0, true);
    if (!in) return false;
    const Shape shape = c->shapes[in->op];
    Op op = {.kind = average ? OP_GLOBAL_POOL : OP_MAX_POOL, .input = {in->op}};
    if (!average) {
        op.kernel[0] = shape.height;
        op.kernel[1] = shape.width;
        op.stride[0] = op.stride[1] = 1;
    }
    return give_map(c, node, 0, converter_add(c, node, op));
}

/* Means (or the largest values) along height, width or both. */
static bool reduce(Converter *c, const OnnxNode *node, bool average) {
    double axes[ONNX_RANK_MAX];
    bool marked[ONNX_RANK_MAX] = {false}, high = false, wide = false;
    size_t count;
    const Value *in = map_input(c, node, 0, false);
    if (!in || !node_list(c, node, "axes", 1, axes, &count)) return false;
    const View *view = &in->view;
    const Shape shape = c->shapes[in->op];
    for (size_t i = 0; i < count; i++) {
        const double axis = axes[i] < 0 ? axes[i] + view->rank : axes[i];
        if (!(axis >= 0 && axis < view->rank)) return node_refuse(c, node, "an axis out of range");
        marked[(size_t)axis] = true;
        const char *dim = view->dim[(size_t)axis];
        if (strspn(dim, "HW") != strlen(dim)) return node_refuse(c, node, "means along the batch or the channels");
        high = high || strchr(dim, 'H');
        wide = wide || strchr(dim, 'W');
    }
    if (count == 0) return node_refuse(c, node, "means along all axes");
    int op = in->op;
    const bool all = (high || shape.height == 1) && (wide || shape.width == 1);
    Op window = {.kind = average ? OP_AVERAGE_POOL : OP_MAX_POOL,
                 .input = {op},
                 .kernel = {high ? shape.height : 1, wide ? shape.width : 1},
                 .stride = {1, 1}};
    if (all && average && (high || wide)) window = (Op){.kind = OP_GLOBAL_POOL, .input = {op}};
    if ((high || wide) && (op = converter_add(c, node, window)) < 0) return false;
    View out = {.groups = view->groups};
    const bool keep = node_integer(node, "keepdims", 1) != 0;
    for (unsigned i = 0; i < view->rank; i++)
        if (!marked[i])
            strcpy(out.dim[out.rank++], view->dim[i]);
        else if (keep)
            out.rank++;
    if (!give_map(c, node, 0, op)) return false;
    node_output(c, node, 0)->view = out;
    return true;
}

/* ---- weights ----------------------------------------------------------------------------------------------------- */

static Value *constant_input(Converter *c, const OnnxNode *node, size_t index, unsigned rank) {
    Value *value = node_need(c, node, index);
    if (!value) return NULL;
    if (value->kind != VALUE_CONSTANT)
        node_refuse(c, node, "its weights '%s' are computed from the images", value->name);
    else if (value->rank != rank)
        node_refuse(c, node, "weights of %u dimensions; weft runs on images", value->rank);
    else
        return value;
    return NULL;
}

static bool convolution(Converter *c, const OnnxNode *node) {
    const Value *in = map_input(c, node, 0, true);
    Value *weight = in ? constant_input(c, node, 1, 4) : NULL, *bias = weight ? node_input(c, node, 2) : NULL;
    const int64_t groups = node_integer(node, "group", 1);
    if (!weight || (node->input_count > 2 && *node->inputs[2] && !bias)) return false;
    const Shape shape = c->shapes[in->op];
    Op op = {.kind = OP_CONV, .input = {in->op}, .bias = NO_TENSOR, .groups = (unsigned)groups};
    unsigned kernel[2];
    for (int i = 0; i < 4; i++)
        if (!(weight->dim[i] >= 1 && weight->dim[i] <= 1 << 20))
            return node_refuse(c, node, "weights with a dimension of %g", weight->dim[i]);
    op.out_channels = (unsigned)weight->dim[0];
    op.kernel[0] = (unsigned)weight->dim[2];
    op.kernel[1] = (unsigned)weight->dim[3];
    if (!read_pair(c, node, "kernel_shape", 0, kernel)) return false;
    if (kernel[0] != 0 && (kernel[0] != op.kernel[0] || kernel[1] != op.kernel[1]))
        return node_refuse(c, node, "kernel_shape %ux%u, weights of %ux%u", kernel[0], kernel[1], op.kernel[0],
                           op.kernel[1]);
    if (groups < 1 || groups > shape.channels || fabs(weight->dim[1] * (double)groups - shape.channels) > 0)
        return node_refuse(c, node, "weights for %g channels in %lld groups, a map of %u", weight->dim[1],
                           (long long)groups, shape.channels);
    if (!read_window(c, node, shape, &op)) return false;
    if ((op.weight = tensor_index(c, weight, NULL)) < 0) return false;
    if (bias && (op.bias = vector_index(c, node, bias, op.out_channels, 1)) < 0) return false;
    return give_map(c, node, 0, converter_add(c, node, op));
}

/* Where the features that the linear layer reads as number `i` stand in channels x height x width. */
static size_t feature(const char *order, const size_t size[3], size_t i) {
    size_t at[3] = {0}; /* along C, H, W */
    for (size_t k = strlen(order); k-- > 0;) {
        const size_t axis = order[k] == 'C' ? 0 : order[k] == 'H' ? 1 : 2;
        at[axis] = i % size[axis];
        i /= size[axis];
    }
    return (at[0] * size[1] + at[1]) * size[2] + at[2];
}

/* The weights as outputs x inputs, the inputs in the order of channels x height x width; NULL with *err set. */
static Tensor *arrange(Converter *c, Value *weight, bool turned, const char *order, Shape shape, double scale) {
    const size_t size[3] = {shape.channels, shape.height, shape.width};
    Tensor *from = constant_tensor(c, weight);
    if (!from) return NULL;
    const size_t outputs = (size_t)from->dim[turned ? 0 : 1], inputs = (size_t)from->dim[turned ? 1 : 0];
    Tensor *to = tensor_new(2, (uint64_t[]){outputs, inputs}, c->err);
    for (size_t i = 0; to && i < inputs; i++) {
        const size_t at = feature(order, size, i);
        for (size_t o = 0; o < outputs; o++) {
            const float value = from->data[turned ? o * inputs + i : i * outputs + o];
            to->data[o * inputs + at] = (float)(scale * (double)value);
        }
    }
    tensor_release(from);
    return to;
}

static bool linear(Converter *c, const OnnxNode *node, bool gemm) {
    const Value *in = map_input(c, node, 0, false);
    Value *weight = in ? constant_input(c, node, 1, 2) : NULL, *bias = gemm && weight ? node_input(c, node, 2) : NULL;
    if (!weight || (gemm && node->input_count > 2 && *node->inputs[2] && !bias)) return false;
    const bool turned = gemm && node_integer(node, "transB", 0) != 0;
    const double alpha = gemm ? node_number(node, "alpha", 1) : 1, beta = gemm ? node_number(node, "beta", 1) : 1;
    const char *order = in->view.dim[1];
    const Shape shape = c->shapes[in->op];
    const double features = (double)shape.channels * shape.height * shape.width;
    if (in->view.rank != 2 || strcmp(in->view.dim[0], "B") != 0 || (gemm && node_integer(node, "transA", 0) != 0))
        return node_refuse(c, node, "a product over one axis of a map (tokens, attention)");
    if (strspn(order, "CHW") != strlen(order) || fabs(weight->dim[turned ? 1 : 0] - features) > 0)
        return node_refuse(c, node, "weights for %g features, a map of %ux%ux%u", weight->dim[turned ? 1 : 0],
                           shape.channels, shape.height, shape.width);
    if (!(weight->dim[turned ? 0 : 1] >= 1 && weight->dim[turned ? 0 : 1] <= 1 << 20))
        return node_refuse(c, node, "%g outputs", weight->dim[turned ? 0 : 1]);
    Op op = {.kind = OP_LINEAR, .input = {in->op}, .bias = NO_TENSOR};
    op.out_channels = (unsigned)weight->dim[turned ? 0 : 1];
    const char *c_at = strchr(order, 'C'), *h_at = strchr(order, 'H'), *w_at = strchr(order, 'W');
    const bool ordered = !(h_at && c_at > h_at) && !(w_at && c_at > w_at) && !(h_at && w_at && h_at > w_at);
    if (turned && ordered && !(fabs(alpha - 1) > 0))
        op.weight = tensor_index(c, weight, NULL);
    else {
        Tensor *arranged = arrange(c, weight, turned, order, shape, alpha);
        op.weight = arranged ? tensor_index(c, weight, arranged) : -1;
    }
    if (op.weight < 0) return false;
    if (bias && (op.bias = vector_index(c, node, bias, op.out_channels, beta)) < 0) return false;
    const int position = converter_add(c, node, op);
    if (!give_map(c, node, 0, position)) return false;
    View *view = &node_output(c, node, 0)->view;
    view->rank = 2; /* B C */
    return true;
}

static bool batch_norm(Converter *c, const OnnxNode *node) {
    const Value *in = map_input(c, node, 0, false);
    if (!in) return false;
    const unsigned channels = c->shapes[in->op].channels;
    const View *view = &in->view;
    if (view->rank < 2 || strcmp(view->dim[0], "B") != 0 || strcmp(view->dim[1], channels > 1 ? "C" : "") != 0)
        return node_refuse(c, node, "its input does not lie as channels x height x width");
    if (node_integer(node, "training_mode", 0) != 0) return node_refuse(c, node, "exported for training");
    Op op = {.kind = OP_BATCH_NORM, .input = {in->op}, .epsilon = (float)node_number(node, "epsilon", 1e-5)};
    for (size_t i = 0; i < OP_TENSORS; i++) {
        Value *value = node_need(c, node, i + 1);
        if (!value || (op.tensors[i] = vector_index(c, node, value, channels, 1)) < 0) return false;
    }
    const View kept = *view;
    if (!give_map(c, node, 0, converter_add(c, node, op))) return false;
    node_output(c, node, 0)->view = kept;
    return true;
}

bool layer_node(Converter *c, const OnnxNode *node, bool *done) {
    *done = true;
    if (is(node, "Conv")) return convolution(c, node);
    if (is(node, "Gemm") || is(node, "MatMul")) return linear(c, node, is(node, "Gemm"));
    if (is(node, "BatchNormalization")) return batch_norm(c, node);
    if (is(node, "MaxPool") || is(node, "AveragePool")) return pool(c, node, is(node, "AveragePool"));
    if (is(node, "GlobalAveragePool") || is(node, "GlobalMaxPool")) return global_pool(c, node, node->type[6] == 'A');
    if (is(node, "ReduceMean") || is(node, "ReduceMax")) return reduce(c, node, is(node, "ReduceMean"));
    *done = false;
    return true;
}
