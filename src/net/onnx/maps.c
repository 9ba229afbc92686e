/* maps -- constants as tensors of the network, operations added to its graph, and how a value lies on its map. */
#include "net/onnx/onnx.h"

#include <math.h>
#include <string.h>

#include "weft/base/dtype.h"
#include "weft/base/error.h"
#include "weft/base/memory.h"
#include "weft/base/size.h"
#include "weft/base/tensor.h"
#include "weft/base/text.h"

/* ---- tensors ----------------------------------------------------------------------------------------------------- */

/* The stored name of a constant: an initialiser's own, else that of the Constant node's output. */
static const char *stored_name(const Value *constant) {
    if (constant->source) return constant->source;
    return constant->stored && *constant->stored->name ? constant->stored->name : constant->name;
}

/* The network's tensor of this name as it was loaded; -1: none. */
static int loaded_index(const Converter *c, const char *name) {
    for (int again = 0; again < 2; again++) {
        size_t low = 0, high = c->sorted_count;
        while (low < high) {
            const size_t middle = low + (high - low) / 2;
            const int order = strcmp(c->network->tensors[c->sorted[middle]].name, name);
            if (order == 0) return (int)c->sorted[middle];
            if (order < 0)
                low = middle + 1;
            else
                high = middle;
        }
        if (strncmp(name, "module.", 7) != 0) return -1;
        name += 7; /* which checkpoint_parse took off */
    }
    return -1;
}

static bool same_shape(const Value *constant, const Tensor *tensor) {
    bool same = constant->rank == tensor->rank;
    for (unsigned i = 0; same && i < tensor->rank; i++) same = !(fabs(constant->dim[i] - (double)tensor->dim[i]) > 0);
    return same;
}

Tensor *constant_tensor(Converter *c, Value *constant) {
    uint64_t dim[ONNX_RANK_MAX];
    const int loaded = constant->stored ? loaded_index(c, stored_name(constant)) : -1;
    if (constant->tensor && same_shape(constant, constant->tensor)) return tensor_share(constant->tensor);
    if (loaded >= 0 && same_shape(constant, c->network->tensors[loaded].tensor))
        return tensor_share(c->network->tensors[loaded].tensor);
    for (unsigned i = 0; i < constant->rank; i++) dim[i] = (uint64_t)constant->dim[i];
    uint64_t count;
    const Tensor *from = constant->tensor ? constant->tensor : loaded >= 0 ? c->network->tensors[loaded].tensor : NULL;
    if (!size_product(dim, constant->rank, &count) || count != constant->count ||
        (from ? from->count != count : !value_numbers(c, constant))) {
        error_set(c->err, STATUS_FAILED, "'%s' is no tensor of numbers that fits", constant->name);
        return NULL;
    }
    Tensor *tensor = tensor_new(constant->rank, dim, c->err);
    for (size_t i = 0; tensor && i < count; i++) tensor->data[i] = from ? from->data[i] : (float)constant->numbers[i];
    return tensor;
}

int tensor_derived(Converter *c, const char *name, Tensor *derived) {
    Network *network = c->network;
    char *copy =
        derived && converter_take(c, derived->count * sizeof *derived->data) ? mem_copy_text(name, c->err) : NULL;
    if (!copy || !mem_grow(&network->tensors, &c->tensor_capacity, network->tensor_count + 1, sizeof *network->tensors,
                           c->err)) {
        mem_free(copy);
        tensor_release(derived);
        return -1;
    }
    network->tensors[network->tensor_count] = (NetTensor){.name = copy, .tensor = derived, .stored = DTYPE_F32};
    return (int)network->tensor_count++;
}

int tensor_index(Converter *c, Value *constant, Tensor *derived) {
    const int loaded = loaded_index(c, stored_name(constant));
    if (derived) return tensor_derived(c, stored_name(constant), derived);
    if (constant->placed > 0) return constant->placed - 1;
    const bool as_stored = constant->stored && !constant->tensor && loaded >= 0 &&
                           !network_integer(c->network, (size_t)loaded) &&
                           same_shape(constant, c->network->tensors[loaded].tensor);
    const int index = as_stored ? loaded : tensor_derived(c, stored_name(constant), constant_tensor(c, constant));
    constant->placed = index + 1;
    return index;
}

/* ---- views ------------------------------------------------------------------------------------------------------- */

double axis_size(const Converter *c, const Value *value, const View *view, char axis) {
    const Shape shape = c->shapes[value->op];
    switch (axis) {
    case 'B':
        return NAN;
    case 'C':
        return shape.channels;
    case 'H':
        return shape.height;
    case 'W':
        return shape.width;
    case 'G':
        return view->groups;
    default:
        return view->groups > 0 ? shape.channels / view->groups : 0;
    }
}

View view_of_map(const Converter *c, int op) {
    const Shape shape = c->shapes[op];
    View view = {.rank = 4, .dim = {"B"}};
    if (shape.channels > 1) strcpy(view.dim[1], "C");
    if (shape.height > 1) strcpy(view.dim[2], "H");
    if (shape.width > 1) strcpy(view.dim[3], "W");
    return view;
}

double view_size(const Converter *c, const Value *value, unsigned dim) {
    double size = 1;
    for (const char *axis = value->view.dim[dim]; *axis; axis++) size *= axis_size(c, value, &value->view, *axis);
    return size;
}

bool view_plain(const Converter *c, const Value *value) {
    const View plain = view_of_map(c, value->op);
    bool same = value->view.rank == plain.rank;
    for (unsigned i = 0; same && i < plain.rank; i++) same = strcmp(value->view.dim[i], plain.dim[i]) == 0;
    return same;
}

void view_merge(View *view, unsigned dim) {
    char *both = strstr(view->dim[dim], "GE");
    if (!both) return;
    *both = 'C';
    memmove(both + 1, both + 2, strlen(both + 2) + 1);
    view->groups = 0;
}

/* ---- adding operations ------------------------------------------------------------------------------------------- */

int converter_add(Converter *c, const OnnxNode *node, Op op) {
    enum { SIDE_MAX = 1 << 16, CHANNELS_MAX = 1 << 20 };
    char name[OP_NAME_SIZE];
    node_module(node, name);
    const int position = graph_add(&c->builder, op, "%s", name);
    if (c->builder.failed) return -1;
    if (!mem_grow(&c->shapes, &c->shape_capacity, (uint64_t)position + 1, sizeof *c->shapes, c->err) ||
        !mem_grow(&c->made_by, &c->made_capacity, (uint64_t)position + 1, sizeof(const OnnxNode *), c->err))
        return -1;
    c->made_by[position] = node;
    const Op *added = &c->builder.graph->ops[position];
    const Shape in = c->shapes[added->input[0]];
    const Shape other = op_inputs(op.kind) == 2 ? c->shapes[added->input[1]] : in;
    Shape *out = &c->shapes[position];
    if (!op_shape(added, in, other, out, c->err)) return -1;
    if (out->channels > 0 && out->channels <= CHANNELS_MAX && out->height > 0 && out->height <= SIDE_MAX &&
        out->width > 0 && out->width <= SIDE_MAX)
        return position;
    node_refuse(c, node, "a map of %ux%ux%u", out->channels, out->height, out->width);
    return -1;
}

bool give_map(Converter *c, const OnnxNode *node, size_t output, int op) {
    Value *out = op < 0 ? NULL : node_output(c, node, output);
    if (!out) return false;
    out->kind = VALUE_MAP;
    out->op = op;
    out->view = view_of_map(c, op);
    return true;
}

/* A tensor of `count` numbers, made for an operation. */
static int made_vector(Converter *c, const char *module, const char *suffix, const double *values, size_t step,
                       double constant, unsigned count) {
    Str name = {0};
    str_addf(&name, "%s.%s", module, suffix);
    Tensor *tensor = str_ok(&name, c->err) ? tensor_new(1, (uint64_t[]){count}, c->err) : NULL;
    for (unsigned i = 0; tensor && i < count; i++) tensor->data[i] = (float)(values ? values[i * step] : constant);
    const int index = tensor ? tensor_derived(c, str_text(&name), tensor) : -1;
    str_done(&name);
    return index;
}

int add_affine(Converter *c, const OnnxNode *node, int from, const double *scale, const double *shift, size_t count) {
    const unsigned channels = c->shapes[from].channels;
    const size_t step = count == 1 ? 0 : 1;
    char module[OP_NAME_SIZE];
    node_module(node, module);
    Op op = {.kind = OP_BATCH_NORM, .input = {from}, .epsilon = 0};
    op.weight = made_vector(c, module, "weight", scale, step, 0, channels);
    op.bias = op.weight < 0 ? -1 : made_vector(c, module, "bias", shift, step, 0, channels);
    op.mean = op.bias < 0 ? -1 : made_vector(c, module, "running_mean", NULL, 0, 0, channels);
    op.variance = op.mean < 0 ? -1 : made_vector(c, module, "running_var", NULL, 0, 1, channels);
    return op.variance < 0 ? -1 : converter_add(c, node, op);
}
