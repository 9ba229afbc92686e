/* activation -- the functions of one value, and their derivatives, as PyTorch defines them. */
#include <math.h>

#include "weft/net/graph.h"

static double sigmoid(double x) {
    return x >= 0 ? 1 / (1 + exp(-x)) : exp(x) / (1 + exp(x));
}

/* clip(x + 3, 0, 6) / 6; a NaN stays one. */
static double hard_sigmoid(double x) {
    return x <= -3 ? 0 : x >= 3 ? 1 : (x + 3) / 6;
}

/* The normal distribution up to x, and its density: GELU is x times the first (its exact form, not tanh's). */
static double normal_below(double x) {
    return 0.5 * erfc(-x * M_SQRT1_2);
}

static double normal_density(double x) {
    return exp(-x * x / 2) * 0.39894228040143267794; /* 1 / sqrt(2 pi) */
}

double op_activation(const Op *op, double x) {
    switch (op->kind) {
    case OP_RELU:
        return x < 0 ? 0 : x;
    case OP_RELU6:
        return x < 0 ? 0 : x > 6 ? 6 : x;
    case OP_LEAKY_RELU:
        return x < 0 ? x * (double)op->slope : x;
    case OP_SIGMOID:
        return sigmoid(x);
    case OP_SILU:
        return x * sigmoid(x);
    case OP_HARD_SIGMOID:
        return hard_sigmoid(x);
    case OP_HARD_SWISH:
        return x * hard_sigmoid(x);
    case OP_GELU:
        return x * normal_below(x);
    case OP_TANH:
        return tanh(x);
    default:
        return x;
    }
}

double op_activation_slope(const Op *op, double x) {
    const double s = sigmoid(x), t = tanh(x);
    switch (op->kind) {
    case OP_RELU:
        return x > 0;
    case OP_RELU6:
        return x > 0 && x < 6;
    case OP_LEAKY_RELU:
        return x > 0 ? 1 : (double)op->slope;
    case OP_SIGMOID:
        return s * (1 - s);
    case OP_SILU:
        return s * (1 + x * (1 - s));
    case OP_HARD_SIGMOID:
        return x > -3 && x < 3 ? 1.0 / 6 : 0;
    case OP_HARD_SWISH:
        return x < -3 ? 0 : x <= 3 ? x / 3 + 0.5 : 1;
    case OP_GELU:
        return normal_below(x) + x * normal_density(x);
    case OP_TANH:
        return 1 - t * t;
    default:
        return 1;
    }
}
