/* fold -- nodes whose inputs are constants, and Shape: what exporters write around Reshape. Sizes of the batch are NaN,
 * which arithmetic keeps. */
#include "net/onnx/onnx.h"

#include <math.h>
#include <string.h>

#include "weft/base/dtype.h"
#include "weft/base/memory.h"
#include "weft/base/tensor.h"

static bool is(const OnnxNode *node, const char *type) {
    return strcmp(node->type, type) == 0;
}

/* Another name for a value. */
static bool give_same(Converter *c, const OnnxNode *node, const Value *value) {
    Value *out = node_output(c, node, 0);
    if (!out) return false;
    const size_t alias = value_index(c, value);
    c->values[alias].uses += out->uses;
    out->alias = alias;
    return true;
}

/* The stored tensor behind a constant, for the name of what a layer reads. */
static const char *name_of(const Value *constant) {
    return constant->source ? constant->source : constant->name;
}

/* ---- sources ----------------------------------------------------------------------------------------------------- */

static bool give_constant(Converter *c, const OnnxNode *node) {
    const OnnxTensor *tensor = onnx_constant(node);
    const OnnxAttribute *list;
    if (tensor) {
        Value *out = node_output(c, node, 0);
        if (!out) return false;
        if (tensor->rank > ONNX_RANK_MAX) return node_refuse(c, node, "rank %u", tensor->rank);
        out->kind = VALUE_CONSTANT;
        out->stored = tensor;
        out->rank = tensor->rank;
        out->count = (size_t)tensor->count;
        for (unsigned i = 0; i < tensor->rank; i++) out->dim[i] = (double)tensor->dim[i];
        return true;
    }
    if ((list = onnx_attribute(node, "value_float")) || (list = onnx_attribute(node, "value_int"))) {
        double *number = node_give(c, node, 0, NULL);
        if (number) *number = list->kind == ONNX_FLOAT ? list->number : (double)list->integer;
        return number != NULL;
    }
    if ((list = onnx_attribute(node, "value_floats")) || (list = onnx_attribute(node, "value_ints"))) {
        double *numbers = node_give(c, node, 1, &(double){(double)list->count});
        for (size_t i = 0; numbers && i < list->count; i++)
            numbers[i] = list->kind == ONNX_FLOATS ? (double)list->numbers[i] : (double)list->integers[i];
        return numbers != NULL;
    }
    return node_refuse(c, node, "a constant of texts or sparse numbers");
}

static bool give_shape(Converter *c, const OnnxNode *node, const Value *value) {
    const int64_t rank = value->kind == VALUE_MAP ? value->view.rank : value->rank;
    int64_t from = node_integer(node, "start", 0), to = node_integer(node, "end", rank);
    from = from < 0 ? from + rank : from;
    to = to < 0 ? to + rank : to > rank ? rank : to;
    if (from < 0 || to < from) return node_refuse(c, node, "dimensions %lld to %lld", (long long)from, (long long)to);
    double *numbers = node_give(c, node, 1, &(double){(double)(to - from)});
    for (int64_t i = from; numbers && i < to; i++)
        numbers[i - from] = value->kind == VALUE_MAP ? view_size(c, value, (unsigned)i) : value->dim[i];
    return numbers != NULL;
}

static bool give_filled(Converter *c, const OnnxNode *node, Value *size) {
    const OnnxAttribute *fill = onnx_attribute(node, "value");
    double dim[ONNX_RANK_MAX], count = 1, number = 0;
    Value element = {.kind = VALUE_CONSTANT};
    if (!value_numbers(c, size) || size->count > ONNX_RANK_MAX) return node_refuse(c, node, "its shape is not known");
    if (fill && fill->kind == ONNX_TENSOR) {
        element.stored = fill->tensor;
        element.count = (size_t)fill->tensor->count;
        if (element.count != 1 || !value_numbers(c, &element)) return node_refuse(c, node, "its value is not a number");
        number = element.numbers[0];
    }
    for (size_t i = 0; i < size->count; i++) {
        dim[i] = size->numbers[i];
        count *= dim[i];
    }
    if (count >= 0 && count <= FOLD_MAX) {
        double *numbers = node_give(c, node, (unsigned)size->count, dim);
        for (size_t i = 0; numbers && i < (size_t)count; i++) numbers[i] = number;
        return numbers != NULL;
    }
    if (fabs(number) > 0) return node_refuse(c, node, "a map of constants other than 0");
    Value *out = node_output(c, node, 0);
    if (!out) return false;
    out->kind = VALUE_ZEROS;
    out->rank = (unsigned)size->count;
    memcpy(out->dim, dim, sizeof dim);
    return true;
}

/* ---- moves of small constants ------------------------------------------------------------------------------------ */

static bool fold_gather(Converter *c, const OnnxNode *node, const Value *data, const Value *index) {
    if (data->rank != 1 || index->rank > 1) return node_refuse(c, node, "gathers from %u dimensions", data->rank);
    double *out = node_give(c, node, index->rank, index->dim);
    for (size_t i = 0; out && i < index->count; i++) {
        const double at = index->numbers[i] < 0 ? index->numbers[i] + (double)data->count : index->numbers[i];
        if (!(at >= 0 && at < (double)data->count)) return node_refuse(c, node, "an index out of range");
        out[i] = data->numbers[(size_t)at];
    }
    return out != NULL;
}

static bool fold_concat(Converter *c, const OnnxNode *node) {
    double count = 0;
    for (size_t i = 0; i < node->input_count; i++) {
        const Value *part = node_need(c, node, i);
        if (!part) return false;
        if (part->rank != 1) return node_refuse(c, node, "joins constants of %u dimensions", part->rank);
        count += (double)part->count;
    }
    double *out = node_give(c, node, 1, &count);
    for (size_t i = 0, at = 0; out && i < node->input_count; i++) {
        const Value *part = node_need(c, node, i);
        memcpy(out + at, part->numbers, part->count * sizeof *out);
        at += part->count;
    }
    return out != NULL;
}

/* Copies elements: element k of the result, whose dimensions are `dim`, is number first + sum of place[i] * step[i]. */
static bool fold_places(Converter *c, const OnnxNode *node, const Value *data, unsigned rank, const double *dim,
                        const int64_t *step, int64_t first) {
    double *out = node_give(c, node, rank, dim);
    const size_t count = out ? node_output(c, node, 0)->count : 0;
    for (size_t k = 0; k < count; k++) {
        int64_t at = first;
        size_t rest = k;
        for (unsigned i = rank; i-- > 0; rest /= (size_t)dim[i]) at += (int64_t)(rest % (size_t)dim[i]) * step[i];
        if (at < 0 || (size_t)at >= data->count) return node_refuse(c, node, "an element out of range");
        out[k] = data->numbers[at];
    }
    return out != NULL;
}

/* How far apart neighbours along each dimension are. */
static void strides_of(const Value *data, int64_t *step) {
    int64_t size = 1;
    for (unsigned i = data->rank; i-- > 0;) {
        step[i] = size;
        size *= (int64_t)data->dim[i];
    }
}

static bool fold_slice(Converter *c, const OnnxNode *node, const Value *data) {
    double from[ONNX_RANK_MAX], to[ONNX_RANK_MAX], axes[ONNX_RANK_MAX], steps[ONNX_RANK_MAX], dim[ONNX_RANK_MAX];
    size_t froms, tos, axis_count, step_count;
    int64_t stride[ONNX_RANK_MAX], first = 0;
    if (!node_list(c, node, "starts", 1, from, &froms) || !node_list(c, node, "ends", 2, to, &tos) ||
        !node_list(c, node, "axes", 3, axes, &axis_count) || !node_list(c, node, "steps", 4, steps, &step_count))
        return false;
    if (tos != froms || (axis_count && axis_count != froms) || (step_count && step_count != froms))
        return node_refuse(c, node, "starts, ends, axes and steps differ in number");
    strides_of(data, stride);
    memcpy(dim, data->dim, sizeof dim);
    for (size_t i = 0; i < froms; i++) {
        const double axis = !axis_count ? (double)i : axes[i] < 0 ? axes[i] + data->rank : axes[i];
        const double step = step_count ? steps[i] : 1;
        if (!(axis >= 0 && axis < data->rank) || !(fabs(step) >= 1 && fabs(step) <= FOLD_MAX) || isnan(from[i]) ||
            isnan(to[i]))
            return node_refuse(c, node, "a slice that makes no sense");
        const size_t at = (size_t)axis;
        const double size = data->dim[at], low = step > 0 ? 0 : -1, high = step > 0 ? size : size - 1;
        const double begin = fmin(fmax(from[i] < 0 ? from[i] + size : from[i], low), high);
        const double end = fmin(fmax(to[i] < 0 ? to[i] + size : to[i], low), high);
        dim[at] = fmax(ceil((end - begin) / step), 0);
        first += (int64_t)begin * stride[at];
        stride[at] *= (int64_t)step;
    }
    return fold_places(c, node, data, data->rank, dim, stride, first);
}

/* The same elements in another shape; `dim` may have one -1. */
static bool fold_reshape(Converter *c, const OnnxNode *node, const Value *data, unsigned rank, double *dim) {
    double product = 1;
    int open = -1;
    for (unsigned i = 0; i < rank; i++) {
        if (dim[i] < 0)
            open = (int)i;
        else
            product *= dim[i];
    }
    if (open >= 0 && product > 0) dim[open] = (double)data->count / product;
    if (!data->numbers) { /* a large one: a weight */
        Value *out = node_output(c, node, 0);
        if (!out) return false;
        const Value kept = *out;
        *out = *data;
        out->name = kept.name;
        out->uses = kept.uses;
        out->alias = kept.alias;
        out->rank = rank;
        memcpy(out->dim, dim, rank * sizeof *dim);
        return true;
    }
    double *out = node_give(c, node, rank, dim);
    if (out && node_output(c, node, 0)->count != data->count) return node_refuse(c, node, "its sizes do not fit");
    if (!out) return false;
    memcpy(out, data->numbers, data->count * sizeof *out);
    node_output(c, node, 0)->source = name_of(data);
    return true;
}

static bool fold_reshaped(Converter *c, const OnnxNode *node, const Value *data) {
    double dim[ONNX_RANK_MAX] = {0}, axes[ONNX_RANK_MAX];
    size_t count;
    const bool squeeze = is(node, "Squeeze"), unsqueeze = is(node, "Unsqueeze");
    if (is(node, "Reshape")) {
        if (!node_list(c, node, "shape", 1, dim, &count)) return false;
        for (size_t i = 0; i < count; i++)
            if (!(fabs(dim[i]) > 0) && i < data->rank) dim[i] = data->dim[i];
        return fold_reshape(c, node, data, (unsigned)count, dim);
    }
    if (!node_list(c, node, "axes", 1, axes, &count)) return false;
    const double rank = (double)data->rank + (unsqueeze ? (double)count : 0);
    bool marked[ONNX_RANK_MAX] = {false};
    for (size_t i = 0; i < count; i++) {
        const double axis = axes[i] < 0 ? axes[i] + rank : axes[i];
        if (!(axis >= 0 && axis < rank && axis < ONNX_RANK_MAX)) return node_refuse(c, node, "an axis out of range");
        marked[(size_t)axis] = true;
    }
    unsigned out = 0, in = 0;
    if (rank > ONNX_RANK_MAX) return node_refuse(c, node, "too many dimensions");
    for (unsigned i = 0; i < (unsigned)rank; i++) {
        if (unsqueeze)
            dim[out++] = marked[i] || in >= data->rank ? 1 : data->dim[in++];
        else if (squeeze && !(marked[i] || (count == 0 && data->dim[i] < 2)))
            dim[out++] = data->dim[i];
    }
    return fold_reshape(c, node, data, out, dim);
}

static bool fold_turned(Converter *c, const OnnxNode *node, const Value *data, const double *perm, size_t count) {
    double dim[ONNX_RANK_MAX];
    int64_t stride[ONNX_RANK_MAX], step[ONNX_RANK_MAX];
    if (perm && count != data->rank) return node_refuse(c, node, "%zu axes of %u", count, data->rank);
    strides_of(data, stride);
    for (unsigned i = 0; i < data->rank; i++) {
        const double from = perm ? perm[i] : data->rank - 1 - i;
        if (!(from >= 0 && from < data->rank)) return node_refuse(c, node, "an axis out of range");
        dim[i] = data->dim[(size_t)from];
        step[i] = stride[(size_t)from];
    }
    if (!fold_places(c, node, data, data->rank, dim, step, 0)) return false;
    node_output(c, node, 0)->source = name_of(data);
    return true;
}

/* `to` (taken over; NULL: memory ran out) as the node's result, computed from `data`. */
static bool give_tensor(Converter *c, const OnnxNode *node, const Value *data, Tensor *to) {
    Value *out = to ? node_output(c, node, 0) : NULL;
    if (!out || !mem_grow(&c->tensors, &c->tensors_capacity, c->tensors_count + 1, sizeof *c->tensors, c->err)) {
        tensor_release(to);
        return false;
    }
    c->tensors[c->tensors_count++] = to;
    out->kind = VALUE_CONSTANT;
    out->tensor = to;
    out->rank = to->rank;
    out->count = (size_t)to->count;
    for (unsigned i = 0; i < to->rank; i++) out->dim[i] = (double)to->dim[i];
    out->source = name_of(data);
    return true;
}

/* A matrix turned round, large ones too: some exporters keep the weights of linear layers so. */
static bool fold_transpose(Converter *c, const OnnxNode *node, Value *data) {
    double perm[ONNX_RANK_MAX];
    size_t count;
    if (!node_list(c, node, "perm", 1, perm, &count)) return false;
    if (value_numbers(c, data)) return fold_turned(c, node, data, count ? perm : NULL, count);
    if (data->rank != 2) return node_refuse(c, node, "turns a constant of %u dimensions", data->rank);
    if (count == 2 && perm[0] < perm[1]) return give_same(c, node, data);
    Tensor *from = constant_tensor(c, data);
    if (!from) return false;
    const size_t rows = (size_t)data->dim[0], columns = (size_t)data->dim[1];
    Tensor *to = !converter_take(c, from->count * sizeof *from->data)
                     ? NULL
                     : tensor_new(2, (uint64_t[]){columns, rows}, c->err);
    for (size_t i = 0; to && i < rows; i++)
        for (size_t k = 0; k < columns; k++) to->data[k * rows + i] = from->data[i * columns + k];
    tensor_release(from);
    return give_tensor(c, node, data, to);
}

/* ---- arithmetic -------------------------------------------------------------------------------------------------- */

static bool arithmetic(const OnnxNode *node, double a, double b, double *out) {
    if (is(node, "Add"))
        *out = a + b;
    else if (is(node, "Sub"))
        *out = a - b;
    else if (is(node, "Mul"))
        *out = a * b;
    else if (is(node, "Div"))
        *out = a / b;
    else if (is(node, "Mod"))
        *out = a - b * floor(a / b);
    else if (is(node, "Pow"))
        *out = pow(a, b);
    else if (is(node, "Min"))
        *out = fmin(a, b);
    else if (is(node, "Max"))
        *out = fmax(a, b);
    else if (is(node, "Equal"))
        *out = !(a < b || a > b);
    else
        return false;
    return true;
}

static bool is_whole(const Value *value) {
    return value->whole || (value->stored && dtype_integer(value->stored->dtype));
}

static bool fold_arithmetic(Converter *c, const OnnxNode *node, const Value *a, const Value *b) {
    const Value *wide = a->count >= b->count ? a : b;
    const bool same = a->count == b->count, scalar = a->count == 1 || b->count == 1;
    if (!same && !scalar) return node_refuse(c, node, "computes with constants of different sizes");
    const bool whole = (is_whole(a) || is_whole(b)) && is(node, "Div");
    double *out = node_give(c, node, wide->rank, wide->dim);
    for (size_t i = 0; out && i < wide->count; i++) {
        if (!arithmetic(node, a->numbers[a->count == 1 ? 0 : i], b->numbers[b->count == 1 ? 0 : i], &out[i]))
            return node_refuse(c, node, "the operator is not supported on constants");
        if (whole) out[i] = trunc(out[i]); /* of integers */
    }
    return out != NULL;
}

static bool fold_unary(Converter *c, const OnnxNode *node, Value *a) {
    if (!value_numbers(c, a)) return a->count > FOLD_MAX && is(node, "Cast") && give_same(c, node, a);
    double *out = node_give(c, node, a->rank, a->dim);
    const int64_t to = node_integer(node, "to", 1); /* TensorProto.DataType: 1, 10, 11, 16 have fractions */
    const bool whole = is(node, "Cast") && to != 1 && to != 10 && to != 11 && to != 16;
    for (size_t i = 0; out && i < a->count; i++)
        out[i] = is(node, "Floor")  ? floor(a->numbers[i])
                 : is(node, "Ceil") ? ceil(a->numbers[i])
                 : is(node, "Neg")  ? -a->numbers[i]
                 : is(node, "Sqrt") ? sqrt(a->numbers[i])
                 : whole            ? trunc(a->numbers[i])
                                    : a->numbers[i];
    if (out) node_output(c, node, 0)->whole = whole;
    return out != NULL;
}

/* Integers of weights as numbers: (q - zero point) * scale, of one scale or one for each slice along `axis`. */
static bool fold_dequantise(Converter *c, const OnnxNode *node, Value *data) {
    Value *scale = node_need(c, node, 1), *zero = node_input(c, node, 2);
    Tensor *from = constant_tensor(c, data);
    if (!from || !scale || !value_numbers(c, scale) || (zero && !value_numbers(c, zero))) {
        tensor_release(from);
        return node_refuse(c, node, "its scale is no constant");
    }
    int64_t axis = node_integer(node, "axis", 1);
    axis = axis < 0 ? axis + data->rank : axis;
    uint64_t inner = 1, slices = 1;
    for (unsigned i = 0; i < from->rank; i++) {
        if (i == (unsigned)axis) slices = from->dim[i];
        if (i > (unsigned)axis) inner *= from->dim[i];
    }
    const bool each = scale->count > 1;
    if ((each && scale->count != slices) || (zero && zero->count != scale->count)) {
        tensor_release(from);
        return node_refuse(c, node, "its scales do not fit");
    }
    Tensor *to = converter_take(c, from->count * sizeof *from->data) ? tensor_new(from->rank, from->dim, c->err) : NULL;
    for (uint64_t i = 0; to && i < to->count; i++) {
        const size_t at = each ? (size_t)(i / inner % slices) : 0;
        to->data[i] = (float)(((double)from->data[i] - (zero ? zero->numbers[at] : 0)) * scale->numbers[at]);
    }
    tensor_release(from);
    return give_tensor(c, node, data, to);
}

/* ---- which nodes fold -------------------------------------------------------------------------------------------- */

static bool fold_constants(Converter *c, const OnnxNode *node, Value *a, Value *b) {
    static const char *const binary[] = {"Add", "Sub", "Mul", "Div", "Mod", "Pow", "Min", "Max", "Equal", NULL};
    static const char *const unary[] = {"Cast", "Floor", "Ceil", "Neg", "Sqrt", NULL};
    if (is(node, "DequantizeLinear")) return fold_dequantise(c, node, a);
    if (is(node, "Transpose") && a->rank > 1) return fold_transpose(c, node, a);
    for (size_t i = 0; unary[i]; i++)
        if (is(node, unary[i])) return fold_unary(c, node, a);
    if (!value_numbers(c, a) && a->count <= FOLD_MAX) return node_refuse(c, node, "a constant without numbers");
    if (is(node, "Reshape") || is(node, "Squeeze") || is(node, "Unsqueeze")) return fold_reshaped(c, node, a);
    if (!a->numbers || (b && !value_numbers(c, b))) return node_refuse(c, node, "computes with large constants");
    for (size_t i = 0; binary[i] && b; i++)
        if (is(node, binary[i])) return fold_arithmetic(c, node, a, b);
    if (is(node, "Gather") && b) return fold_gather(c, node, a, b);
    if (is(node, "Slice")) return fold_slice(c, node, a);
    if (is(node, "Concat")) {
        for (size_t i = 0; i < node->input_count; i++) {
            Value *part = node_need(c, node, i);
            if (!part || !value_numbers(c, part)) return node_refuse(c, node, "joins large constants");
        }
        return fold_concat(c, node);
    }
    return node_refuse(c, node, "the operator is not supported on constants");
}

bool fold_node(Converter *c, const OnnxNode *node, bool *folded) {
    *folded = true;
    if (*node->domain && strcmp(node->domain, "ai.onnx") != 0)
        return node_refuse(c, node, "an operator of another domain");
    if (is(node, "Constant")) return give_constant(c, node);
    Value *first = node_need(c, node, 0);
    if (!first) return false;
    if (is(node, "Identity")) return give_same(c, node, first);
    if (is(node, "Shape")) return give_shape(c, node, first);
    if (is(node, "ConstantOfShape")) return give_filled(c, node, first);
    bool constant = true;
    for (size_t i = 0; i < node->input_count; i++) {
        if (!*node->inputs[i]) continue;
        const Value *input = node_input(c, node, i);
        if (!input) return false;
        constant = constant && input->kind == VALUE_CONSTANT;
    }
    *folded = constant;
    return !constant || fold_constants(c, node, first, node->input_count > 1 ? node_input(c, node, 1) : NULL);
}
