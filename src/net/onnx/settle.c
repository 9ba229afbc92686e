/* settle -- from a function of one value to an operation. Exporters write one activation in many ways (x * Sigmoid(x);
 * x * Clip(x + 3, 0, 6) / 6; 0.5 * x * (1 + Erf(x / sqrt 2))), so a chain of them is followed as the function that it
 * is, known by its values at SAMPLES points, until a layer takes the result: then the operation that has these values
 * is looked for.
 */
#include "net/onnx/onnx.h"

#include <math.h>
#include <string.h>

/* Kinks (0, 3, 6, -3) lie between points, the tails are reached, and small steps tell erf's GELU from tanh's. */
double function_point(size_t i) {
    return i == 0 ? -30 : i == SAMPLES - 1 ? 30 : -9.93 + 0.4241 * (double)(i - 1);
}

bool close_to(double a, double b) {
    return fabs(a - b) <= 2e-6 * fmax(1, fabs(b));
}

bool value_is_zero(const Value *value) {
    for (size_t i = 0; value->samples && i < SAMPLES; i++)
        if (fabs(value->samples[i]) > 0) return false;
    return value->samples != NULL;
}

/* The operation with these values; OP_INPUT: x itself; OP_BATCH_NORM: *scale x + *shift. False: none. */
static bool recognise(const double *samples, Op *op, double *scale, double *shift) {
    static const OpKind kinds[] = {OP_INPUT, OP_RELU,         OP_RELU6,      OP_LEAKY_RELU, OP_SIGMOID,
                                   OP_SILU,  OP_HARD_SIGMOID, OP_HARD_SWISH, OP_GELU,       OP_TANH};
    const double slope = samples[0] / function_point(0);
    for (size_t k = 0; k < sizeof kinds / sizeof *kinds; k++) {
        bool same = true;
        *op = (Op){.kind = kinds[k]};
        if (kinds[k] == OP_LEAKY_RELU) op->slope = (float)slope;
        for (size_t i = 0; same && i < SAMPLES; i++) same = close_to(samples[i], op_activation(op, function_point(i)));
        if (same) return true;
    }
    *op = (Op){.kind = OP_BATCH_NORM};
    *scale = (samples[SAMPLES - 1] - samples[0]) / (function_point(SAMPLES - 1) - function_point(0));
    *shift = samples[0] - *scale * function_point(0);
    for (size_t i = 0; i < SAMPLES; i++)
        if (!close_to(samples[i], *scale * function_point(i) + *shift)) return false;
    return true;
}

/* ---- settling ---------------------------------------------------------------------------------------------------- */

/* Adds the operation that `samples` are, if there is one. */
static bool settle_as(Converter *c, Value *value, const double *samples, bool *done) {
    Op op;
    double scale, shift;
    *done = recognise(samples, &op, &scale, &shift);
    if (!*done) return true;
    if (op.kind == OP_BATCH_NORM) {
        value->op = add_affine(c, value->node, value->op, &scale, &shift, 1);
    } else if (op.kind != OP_INPUT) {
        op.input[0] = value->op;
        value->op = converter_add(c, value->node, op);
    }
    value->samples = value->own = NULL;
    value->depth = 0;
    return value->op >= 0;
}

/* Recursion follows `from`, at most DEPTH_MAX deep. */
bool value_settle(Converter *c, Value *value) {
    bool done;
    if (value->kind != VALUE_MAP || !value->samples) return true;
    if (!settle_as(c, value, value->samples, &done)) return false;
    if (done) return true;
    Value *a = &c->values[value->from[0]], *b = &c->values[value->from[1]];
    if (!value_settle(c, a) || !value_settle(c, b)) return false;
    if (value->own) { /* one function after another */
        value->op = a->op;
        if (!settle_as(c, value, value->own, &done)) return false;
        return done || node_refuse(c, value->node, "this function of one value is none that weft has");
    }
    const bool product = strcmp(value->node->type, "Mul") == 0, sum = strcmp(value->node->type, "Add") == 0;
    if (!product && !sum) return node_refuse(c, value->node, "the operator is not supported between maps");
    value->op = converter_add(c, value->node, (Op){.kind = product ? OP_MULTIPLY : OP_ADD, .input = {a->op, b->op}});
    value->samples = NULL;
    value->depth = 0;
    return value->op >= 0;
}

bool value_is_activation(const Value *value) {
    Op op;
    double scale, shift;
    return value->samples && recognise(value->samples, &op, &scale, &shift) && op.kind != OP_BATCH_NORM &&
           op.kind != OP_INPUT;
}

Value *map_input(Converter *c, const OnnxNode *node, size_t index, bool plain) {
    Value *value = node_need(c, node, index);
    if (!value) return NULL;
    if (value->kind != VALUE_MAP)
        node_refuse(c, node, "its input '%s' is no map", value->name);
    else if (plain && !view_plain(c, value))
        node_refuse(c, node, "its input does not lie as channels x height x width");
    else if (value_settle(c, value))
        return value;
    return NULL;
}
