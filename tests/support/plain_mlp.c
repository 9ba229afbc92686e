/* plain_mlp -- a predictor's MLP by plain loops in double. */
#include "plain_mlp.h"

#include <math.h>
#include <string.h>

/* Definitions of torch.nn, anew. */
static double plain_activation(PredictorActivation kind, double x) {
    switch (kind) {
    case PREDICTOR_LEAKY_RELU:
        return x > 0 ? x : 0.01 * x;
    case PREDICTOR_GELU:
        return x * 0.5 * erfc(-x / sqrt(2));
    case PREDICTOR_ELU:
        return x > 0 ? x : exp(x) - 1;
    case PREDICTOR_HARDSWISH:
        return x * fmin(fmax(x + 3, 0), 6) / 6;
    default:
        return x > 0 ? x : 0;
    }
}

void plain_kernel(const Predictor *p, const double *parameters, const double *encoded, double *out) {
    double now[PLAIN_WIDEST], next[PLAIN_WIDEST];
    memcpy(now, encoded, p->mlp[0].in * sizeof *now);
    for (unsigned i = 0; i < p->config.linear; i++) {
        const MlpLayer *layer = &p->mlp[i];
        for (unsigned o = 0; o < layer->out; o++) {
            double sum = parameters[layer->bias + o];
            for (unsigned j = 0; j < layer->in; j++) sum += parameters[layer->weight + o * layer->in + j] * now[j];
            next[o] = i + 1 < p->config.linear ? plain_activation(p->config.activation, sum) : sum;
        }
        memcpy(now, next, layer->out * sizeof *now);
    }
    memcpy(out, now, p->outputs * sizeof *out);
}

/* The index triple's encoding by its formula, with normalisation. */
void plain_encoding(const Predictor *p, size_t kernel, double *out) {
    const PredictedLayer *layer = &p->layers[predictor_layer_of(p, kernel)];
    const double index[3] = {p->index[kernel].layer, p->index[kernel].filter, p->index[kernel].channel};
    double largest[3] = {(double)p->layer_count, 0, 0};
    for (size_t i = 0; i < p->layer_count; i++) {
        largest[1] = fmax(largest[1], p->layers[i].filters);
        largest[2] = fmax(largest[2], p->layers[i].channels);
    }
    const double local[3] = {largest[0], layer->filters, layer->channels};
    for (int which = 0; which < 3; which++) {
        double value = index[which];
        if (p->config.normalisation == INDEX_LOCAL) value /= local[which];
        if (p->config.normalisation == INDEX_GLOBAL) value /= largest[which];
        for (unsigned j = 0; j < p->config.levels; j++) {
            *out++ = sin(M_PI * pow(p->config.base, j) * value);
            *out++ = cos(M_PI * pow(p->config.base, j) * value);
        }
    }
}
