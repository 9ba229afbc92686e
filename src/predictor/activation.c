/* activation -- the predictor's activations, forward and backward, on padded rows. Definitions and constants are
 * PyTorch's: LeakyReLU 0.01, GELU with erf, ELU with alpha 1, hardswish x relu6(x + 3) / 6. */
#include "predictor/mlp.h"

#include <math.h>

static float forward_of(PredictorActivation kind, float x) {
    switch (kind) {
    case PREDICTOR_LEAKY_RELU:
        return x > 0 ? x : 0.01f * x;
    case PREDICTOR_GELU:
        return 0.5f * x * (1 + erff(x * (float)M_SQRT1_2));
    case PREDICTOR_ELU:
        return x > 0 ? x : expm1f(x);
    case PREDICTOR_HARDSWISH:
        return x <= -3 ? 0 : x >= 3 ? x : x * (x + 3) / 6;
    case PREDICTOR_RELU:
    case PREDICTOR_ACTIVATION_COUNT:
        break;
    }
    return x > 0 ? x : 0;
}

static float derivative_of(PredictorActivation kind, float x) {
    switch (kind) {
    case PREDICTOR_LEAKY_RELU:
        return x > 0 ? 1 : 0.01f;
    case PREDICTOR_GELU:
        return 0.5f * (1 + erff(x * (float)M_SQRT1_2)) +
               x * expf(-0.5f * x * x) * (float)(0.5 * M_2_SQRTPI * M_SQRT1_2);
    case PREDICTOR_ELU:
        return x > 0 ? 1 : expf(x);
    case PREDICTOR_HARDSWISH:
        return x < -3 ? 0 : x > 3 ? 1 : (2 * x + 3) / 6;
    case PREDICTOR_RELU:
    case PREDICTOR_ACTIVATION_COUNT:
        break;
    }
    return x > 0 ? 1 : 0;
}

void mlp_add_rows(float *total, const float *values, size_t rows, size_t width) {
    Vector *to = (Vector *)total;
    for (size_t row = 0; row < rows; row++) {
        const Vector *from = (const Vector *)(values + row * width);
        for (size_t i = 0; i < width / VECTOR; i++) to[i] += from[i];
    }
}

void mlp_activate(const Mlp *mlp, size_t rows, const float *sum, float *out) {
    const PredictorActivation kind = mlp->predictor->config.activation;
    for (size_t i = 0; i < rows * mlp->width; i++) out[i] = forward_of(kind, sum[i]);
}

void mlp_activate_backward(const Mlp *mlp, size_t rows, const float *sum, float *delta) {
    const size_t count = rows * mlp->width;
    const PredictorActivation kind = mlp->predictor->config.activation;
    if (kind == PREDICTOR_RELU) {
        const Vector *in = (const Vector *)sum;
        Vector *to = (Vector *)delta;
        for (size_t i = 0; i < count / VECTOR; i++) to[i] = (Vector)((VectorMask)to[i] & (in[i] > 0.0f));
        return;
    }
    for (size_t i = 0; i < count; i++) delta[i] *= derivative_of(kind, sum[i]);
}
