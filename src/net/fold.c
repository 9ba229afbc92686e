/* fold -- the weights of a network as the kernels read them, batch norm folded in:
 *
 *   w' = w * gamma / sqrt(variance + epsilon)      b' = beta + (b - mean) * gamma / sqrt(variance + epsilon)
 *
 * in double, then rounded once.
 */
#include "net/plan.h"

#include <math.h>

static const float *values(const Network *network, int tensor) {
    return tensor == NO_TENSOR ? NULL : network->tensors[tensor].tensor->data;
}

/* What batch norm does to a channel: x * scale + shift. */
typedef struct Affine {
    double scale, shift;
} Affine;

static Affine batch_norm(const Network *network, int position, unsigned channel) {
    if (position < 0) return (Affine){1, 0};
    const Op *op = &network->graph->ops[position];
    const float *gamma = values(network, op->weight), *beta = values(network, op->bias);
    double variance = (double)values(network, op->variance)[channel] + (double)op->epsilon;
    double scale = (gamma ? (double)gamma[channel] : 1) / sqrt(variance);
    return (Affine){scale, (beta ? (double)beta[channel] : 0) - (double)values(network, op->mean)[channel] * scale};
}

/* From out x in x kernel to [group of output channels][kernel][in][CHANNEL_GROUP]. A linear layer's weights are those
 * of a kernel as large as its map: its columns go through channels, rows, columns as well. */
static void fold_convolution(const Plan *plan, const Step *step, const Network *network, float *parameters) {
    const Op *op = &network->graph->ops[step->op];
    const float *weight = values(network, op->weight), *bias = values(network, op->bias);
    const size_t taps = (size_t)step->kernel[0] * step->kernel[1];
    const size_t in = plan->maps[step->input].shape.channels / step->groups, out = op->out_channels / step->groups;
    const size_t padded = (out + CHANNEL_GROUP - 1) / CHANNEL_GROUP * CHANNEL_GROUP;
    for (unsigned channel = 0; channel < op->out_channels; channel++) {
        const Affine affine = batch_norm(network, step->batch_norm, channel);
        const size_t place = channel / out * padded + channel % out; /* among the padded channels of all groups */
        float *to =
            parameters + step->weights + place / CHANNEL_GROUP * taps * in * CHANNEL_GROUP + place % CHANNEL_GROUP;
        for (size_t i = 0; i < in; i++)
            for (size_t tap = 0; tap < taps; tap++)
                to[(tap * in + i) * CHANNEL_GROUP] = (float)((double)*weight++ * affine.scale);
        parameters[step->bias + place] = (float)((bias ? (double)bias[channel] : 0) * affine.scale + affine.shift);
    }
}

/* From channels x kernel to [kernel][channels]; one tap of weight 1 where there is no convolution. */
static void fold_depthwise(const Step *step, const Network *network, unsigned channels, float *parameters) {
    const Op *op = &network->graph->ops[step->op];
    const bool convolution = step->kind == STEP_DEPTHWISE;
    const float *weight = convolution ? values(network, op->weight) : NULL;
    const float *bias = convolution ? values(network, op->bias) : NULL;
    const size_t taps = (size_t)step->kernel[0] * step->kernel[1];
    for (unsigned channel = 0; channel < channels; channel++) {
        const Affine affine = batch_norm(network, step->batch_norm, channel);
        for (size_t tap = 0; tap < taps; tap++)
            parameters[step->weights + tap * channels + channel] =
                (float)((weight ? (double)weight[channel * taps + tap] : 1) * affine.scale);
        parameters[step->bias + channel] = (float)((bias ? (double)bias[channel] : 0) * affine.scale + affine.shift);
    }
}

void plan_fold(const Plan *plan, const Network *network, float *parameters) {
    for (size_t i = 0; i < plan->step_count; i++) {
        const Step *step = &plan->steps[i];
        if (step->kind == STEP_CONVOLUTION)
            fold_convolution(plan, step, network, parameters);
        else if (step->kind == STEP_DEPTHWISE || step->kind == STEP_ELEMENTWISE)
            fold_depthwise(step, network, plan->maps[step->op].shape.channels, parameters);
    }
}
