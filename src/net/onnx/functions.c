/* functions -- elementwise nodes, followed as the functions of one value that they are (settle.c). */
#include "net/onnx/onnx.h"

#include <math.h>
#include <string.h>

/* ---- functions of one value -------------------------------------------------------------------------------------- */

/* A function with its numbers. */
typedef struct Function {
    const char *type;
    double a, b; /* a bound, a slope, the constant operand */
    bool first;  /* the constant is the first operand */
} Function;

static bool is(const Function *f, const char *type) {
    return strcmp(f->type, type) == 0;
}

static double elu(double x, double a) {
    return x < 0 ? a * expm1(x) : x;
}

static bool apply_named(const Function *f, double x, double *out) {
    const Op relu = {.kind = OP_RELU}, sigmoid = {.kind = OP_SIGMOID}, swish = {.kind = OP_HARD_SWISH},
             gelu = {.kind = OP_GELU};
    if (is(f, "Relu"))
        *out = op_activation(&relu, x);
    else if (is(f, "Sigmoid"))
        *out = op_activation(&sigmoid, x);
    else if (is(f, "Tanh"))
        *out = tanh(x);
    else if (is(f, "Erf"))
        *out = erf(x);
    else if (is(f, "Exp"))
        *out = exp(x);
    else if (is(f, "Neg"))
        *out = -x;
    else if (is(f, "Abs"))
        *out = fabs(x);
    else if (is(f, "Sqrt"))
        *out = sqrt(x);
    else if (is(f, "Reciprocal"))
        *out = 1 / x;
    else if (is(f, "Softplus"))
        *out = x > 30 ? x : log1p(exp(x));
    else if (is(f, "Softsign"))
        *out = x / (1 + fabs(x));
    else if (is(f, "Clip"))
        *out = fmin(fmax(x, f->a), f->b);
    else if (is(f, "LeakyRelu") || is(f, "PRelu"))
        *out = x < 0 ? x * f->a : x;
    else if (is(f, "Elu"))
        *out = elu(x, f->a);
    else if (is(f, "Selu"))
        *out = f->b * elu(x, f->a);
    else if (is(f, "HardSigmoid"))
        *out = fmin(fmax(x * f->a + f->b, 0), 1);
    else if (is(f, "HardSwish"))
        *out = op_activation(&swish, x);
    else if (is(f, "Swish"))
        *out = x / (1 + exp(-f->a * x));
    else if (is(f, "Gelu"))
        *out =
            f->a > 0 ? 0.5 * x * (1 + tanh(0.79788456080286536 * (x + 0.044715 * x * x * x))) : op_activation(&gelu, x);
    else
        return false;
    return true;
}

static bool apply_two(const char *type, double a, double b, double *out) {
    static const char *const types[] = {"Add", "Sub", "Mul", "Div", "Pow", "Min", "Max"};
    size_t which = 0;
    while (which < sizeof types / sizeof *types && strcmp(type, types[which]) != 0) which++;
    switch (which) {
    case 0:
        *out = a + b;
        return true;
    case 1:
        *out = a - b;
        return true;
    case 2:
        *out = a * b;
        return true;
    case 3:
        *out = a / b;
        return true;
    case 4:
        *out = pow(a, b);
        return true;
    case 5:
        *out = fmin(a, b);
        return true;
    case 6:
        *out = fmax(a, b);
        return true;
    default:
        return false;
    }
}

static bool apply(const Function *f, double x, double *out) {
    return apply_named(f, x, out) || apply_two(f->type, f->first ? f->a : x, f->first ? x : f->a, out);
}

/* The numbers of a function of one value, from attributes or constant inputs. */
static bool read_function(Converter *c, const OnnxNode *node, Function *f) {
    const OnnxAttribute *approximate = onnx_attribute(node, "approximate");
    *f = (Function){.type = node->type};
    if (is(f, "Clip")) {
        const Value *low = NULL, *high = NULL;
        f->a = node_number(node, "min", -INFINITY);
        f->b = node_number(node, "max", INFINITY);
        for (size_t i = 1; i < 3 && i < node->input_count; i++) {
            Value *bound = *node->inputs[i] ? node_input(c, node, i) : NULL;
            if (*node->inputs[i] && !bound) return false;
            if (bound && (!value_numbers(c, bound) || bound->count != 1))
                return node_refuse(c, node, "a bound that is no constant");
            if (bound && i == 1) low = bound;
            if (bound && i == 2) high = bound;
        }
        if (low) f->a = low->numbers[0];
        if (high) f->b = high->numbers[0];
    } else if (is(f, "PRelu")) {
        Value *slope = node_need(c, node, 1);
        if (!slope || !value_numbers(c, slope)) return slope && node_refuse(c, node, "a slope that is no constant");
        for (size_t i = 0; i < slope->count; i++)
            if (!close_to(slope->numbers[i], slope->numbers[0]))
                return node_refuse(c, node, "a slope for each channel; weft's leaky relu has one");
        f->a = slope->count > 0 ? slope->numbers[0] : 0;
    } else {
        f->a = node_number(node, "alpha",
                           is(f, "LeakyRelu")     ? 0.01
                           : is(f, "HardSigmoid") ? 0.2
                           : is(f, "Selu")        ? 1.67326319217681884765625
                                                  : 1);
        f->b = is(f, "Selu") ? node_number(node, "gamma", 1.05070102214813232421875) : node_number(node, "beta", 0.5);
    }
    if (is(f, "Gelu")) f->a = approximate && approximate->kind == ONNX_TEXT && strcmp(approximate->text, "tanh") == 0;
    return true;
}

/* Gives f of the value, as a function yet. */
static bool give_function(Converter *c, const OnnxNode *node, Value *in, const Function *f) {
    if ((in->depth >= DEPTH_MAX || value_is_activation(in)) && !value_settle(c, in)) return false;
    double *both = converter_room(c, 2 * SAMPLES, sizeof *both);
    Value *out = both ? node_output(c, node, 0) : NULL;
    if (!out) return false;
    for (size_t i = 0; i < SAMPLES; i++)
        if (!apply(f, in->samples ? in->samples[i] : function_point(i), &both[i]) ||
            !apply(f, function_point(i), &both[SAMPLES + i]))
            return node_refuse(c, node, "the operator is not supported");
    out->kind = VALUE_MAP;
    out->op = in->op;
    out->view = in->view;
    out->samples = both;
    out->own = both + SAMPLES;
    out->from[0] = out->from[1] = value_index(c, in);
    out->depth = in->depth + 1;
    return true;
}

/* HardSigmoid's alpha and beta are PyTorch's 1/6 and 1/2 after x is scaled. */
static bool scaled_hard_sigmoid(Converter *c, const OnnxNode *node, Value *in, Function *f) {
    const double scale = 6 * f->a, shift = 6 * f->b - 3;
    if (close_to(scale, 1) && close_to(shift, 0)) return give_function(c, node, in, f);
    if (!value_settle(c, in)) return false;
    const int scaled = add_affine(c, node, in->op, &scale, &shift, 1);
    const int op = scaled < 0 ? -1 : converter_add(c, node, (Op){.kind = OP_HARD_SIGMOID, .input = {scaled}});
    if (op < 0 || !give_map(c, node, 0, op)) return false;
    node_output(c, node, 0)->view = in->view;
    return true;
}

/* ---- two operands ------------------------------------------------------------------------------------------------ */

/* The channel's axis is the only one along which the constant changes: as many numbers as channels. */
static bool along_channels(const Converter *c, const Value *map, const Value *constant) {
    const unsigned channels = c->shapes[map->op].channels;
    if (constant->count != channels || constant->rank > map->view.rank) return false;
    for (unsigned i = 0; i < constant->rank; i++) {
        const unsigned dim = map->view.rank - constant->rank + i;
        if (constant->dim[i] > 1 && strcmp(map->view.dim[dim], "C") != 0) return false;
    }
    return true;
}

static bool with_channels(Converter *c, const OnnxNode *node, Value *map, Value *constant, bool first) {
    const bool add = strcmp(node->type, "Add") == 0, subtract = strcmp(node->type, "Sub") == 0;
    const bool multiply = strcmp(node->type, "Mul") == 0, divide = strcmp(node->type, "Div") == 0;
    const size_t count = constant->count;
    bool done = false;
    if (!value_settle(c, map)) return false;
    if (!along_channels(c, map, constant) || !(add || subtract || multiply || (divide && !first)))
        return node_refuse(c, node, "a constant of %zu numbers for a map of %u channels", count,
                           c->shapes[map->op].channels);
    if (add && !add_bias(c, node, map, constant, &done)) return false;
    if (done) return true;
    double *scale = converter_room(c, 2 * count, sizeof *scale), *shift = scale ? scale + count : NULL;
    for (size_t i = 0; scale && i < count; i++) {
        const double number = constant->numbers[i];
        scale[i] = multiply ? number : divide ? 1 / number : subtract && first ? -1 : 1;
        shift[i] = add || (subtract && first) ? number : subtract ? -number : 0;
    }
    const int op = scale ? add_affine(c, node, map->op, scale, shift, count) : -1;
    if (op < 0 || !give_map(c, node, 0, op)) return false;
    node_output(c, node, 0)->view = map->view;
    return true;
}

static bool with_constant(Converter *c, const OnnxNode *node, Value *map, Value *constant, bool first) {
    if (!value_numbers(c, constant)) return node_refuse(c, node, "a constant of %zu numbers", constant->count);
    if (constant->count != 1 || constant->rank > map->view.rank) return with_channels(c, node, map, constant, first);
    const Function f = {.type = node->type, .a = constant->numbers[0], .first = first};
    if (isnan(f.a)) return node_refuse(c, node, "computes with the size of the batch");
    return give_function(c, node, map, &f);
}

static bool same_view(const View *a, const View *b) {
    bool same = a->rank == b->rank && a->groups == b->groups;
    for (unsigned i = 0; same && i < a->rank; i++) same = strcmp(a->dim[i], b->dim[i]) == 0;
    return same;
}

/* Two functions of one value are a function of it. */
static bool give_joined(Converter *c, const OnnxNode *node, Value *a, Value *b, bool *done) {
    double *samples = converter_room(c, SAMPLES, sizeof *samples);
    if (!samples) return false;
    for (size_t i = 0; i < SAMPLES; i++)
        if (!apply_two(node->type, a->samples ? a->samples[i] : function_point(i),
                       b->samples ? b->samples[i] : function_point(i), &samples[i]))
            return node_refuse(c, node, "the operator is not supported");
    Value *out = node_output(c, node, 0);
    if (!out) return false;
    *out = (Value){.name = out->name,
                   .kind = VALUE_MAP,
                   .uses = out->uses,
                   .alias = out->alias,
                   .op = a->op,
                   .view = a->view,
                   .samples = samples,
                   .from = {value_index(c, a), value_index(c, b)},
                   .depth = 1 + (a->depth > b->depth ? a->depth : b->depth),
                   .node = node};
    *done = true;
    return out->depth <= DEPTH_MAX || value_settle(c, out);
}

/* A factor for each channel goes second. */
static bool needs_swap(const Converter *c, const Value *a, const Value *b) {
    const Shape x = c->shapes[a->op], y = c->shapes[b->op];
    return x.height * x.width < y.height * y.width;
}

static bool join_maps(Converter *c, const OnnxNode *node, Value *a, Value *b) {
    bool done = false;
    if (a->op == b->op && (a->samples || b->samples || strcmp(node->type, "Add") != 0) && same_view(&a->view, &b->view))
        return give_joined(c, node, a, b, &done);
    const bool product = strcmp(node->type, "Mul") == 0, sum = strcmp(node->type, "Add") == 0;
    if (!product && !sum) return node_refuse(c, node, "the operator is not supported between maps");
    if (!value_settle(c, a) || !value_settle(c, b)) return false;
    const bool swap = product && needs_swap(c, a, b);
    const Value *wide = swap ? b : a, *other = swap ? a : b;
    const bool plain = view_plain(c, wide) && view_plain(c, other);
    if (!plain && !same_view(&wide->view, &other->view)) return node_refuse(c, node, "joins maps that lie differently");
    const Op op = {.kind = product ? OP_MULTIPLY : OP_ADD, .input = {wide->op, other->op}};
    const int position = converter_add(c, node, op);
    if (position < 0 || !give_map(c, node, 0, position)) return false;
    node_output(c, node, 0)->view = wide->view;
    return true;
}

static bool join_all(Converter *c, const OnnxNode *node) {
    int op = -1;
    View view = {0};
    for (size_t i = 0; i < node->input_count; i++) {
        Value *value = map_input(c, node, i, false);
        if (!value) return false;
        if (i > 0 && !same_view(&view, &value->view)) return node_refuse(c, node, "joins maps that lie differently");
        view = value->view;
        op = i == 0 ? value->op : converter_add(c, node, (Op){.kind = OP_ADD, .input = {op, value->op}});
        if (op < 0) return false;
    }
    if (!give_map(c, node, 0, op)) return false;
    node_output(c, node, 0)->view = view;
    return true;
}

bool function_node(Converter *c, const OnnxNode *node, bool *done) {
    static const char *const single[] = {"Relu", "Sigmoid",   "Tanh",      "Erf",        "Exp",
                                         "Neg",  "Abs",       "Sqrt",      "Clip",       "Elu",
                                         "Selu", "LeakyRelu", "PRelu",     "Softplus",   "Softsign",
                                         "Gelu", "Swish",     "HardSwish", "Reciprocal", "HardSigmoid"};
    double ignored;
    Function f;
    *done = true;
    for (size_t i = 0; i < sizeof single / sizeof *single; i++) {
        if (strcmp(node->type, single[i]) != 0) continue;
        Value *in = node_need(c, node, 0);
        if (!in || !read_function(c, node, &f)) return false;
        if (in->kind != VALUE_MAP) return node_refuse(c, node, "its input is no map");
        return strcmp(node->type, "HardSigmoid") == 0 ? scaled_hard_sigmoid(c, node, in, &f)
                                                      : give_function(c, node, in, &f);
    }
    if (strcmp(node->type, "Sum") == 0) return join_all(c, node);
    *done = apply_two(node->type, 1, 1, &ignored);
    if (!*done) return true;
    if (onnx_attribute(node, "axis")) return node_refuse(c, node, "broadcasts as operator sets below 7 do");
    if (node->input_count != 2) return node_refuse(c, node, "%zu inputs", node->input_count);
    Value *a = node_need(c, node, 0), *b = a ? node_need(c, node, 1) : NULL;
    if (!b) return false;
    if (a->kind == VALUE_MAP && b->kind == VALUE_CONSTANT) return with_constant(c, node, a, b, false);
    if (a->kind == VALUE_CONSTANT && b->kind == VALUE_MAP) return with_constant(c, node, b, a, true);
    if (a->kind == VALUE_MAP && b->kind == VALUE_MAP) return join_maps(c, node, a, b);
    return node_refuse(c, node, "the operator is not supported on maps of zeros");
}
