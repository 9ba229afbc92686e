/* layout -- the configuration of a predictor, the layers it predicts, and the places of kernels and parameters. */
#include "predictor/internal.h"

#include <math.h>

#include "weft/base/error.h"
#include "weft/base/memory.h"
#include "weft/base/size.h"
#include "weft/base/tensor.h"

/* ---- configuration ----------------------------------------------------------------------------------------------- */

PermutationKind predictor_usual_order(uint64_t weights) {
    return weights > LARGE_WEIGHTS ? PERMUTATION_CROSS_FILTER : PERMUTATION_IN_FILTER;
}

bool predictor_check_config(const PredictorConfig *config, Error *err) {
    if (config->levels < 1 || config->levels > PREDICTOR_LEVELS_MAX)
        return error_set(err, STATUS_USAGE, "levels %u is not from 1 to %d", config->levels, PREDICTOR_LEVELS_MAX);
    /* The largest angle must be a number, or its sine is none. */
    const double angle = M_PI * pow(config->base, config->levels - 1) * UINT32_MAX;
    if (!(config->base > 0) || !isfinite(config->base) || !isfinite(angle))
        return error_set(err, STATUS_USAGE, "base %g is not a positive number whose powers up to %u are finite",
                         config->base, config->levels - 1);
    if (config->hidden < 1 || config->hidden > PREDICTOR_HIDDEN_MAX)
        return error_set(err, STATUS_USAGE, "hidden size %u is not from 1 to %d", config->hidden, PREDICTOR_HIDDEN_MAX);
    if (config->linear < 2 || config->linear > MLP_LAYERS_MAX)
        return error_set(err, STATUS_USAGE, "%u linear layers are not from 2 to %d", config->linear, MLP_LAYERS_MAX);
    if ((unsigned)config->normalisation >= INDEX_NORMALISATION_COUNT ||
        (unsigned)config->permutation >= PERMUTATION_COUNT ||
        (unsigned)config->activation >= PREDICTOR_ACTIVATION_COUNT)
        return error_set(err, STATUS_USAGE, "unknown normalisation, permutation or activation");
    return true;
}

/* ---- layout ------------------------------------------------------------------------------------------------------ */

/* Numbers the kernels; false where there are too many. */
static bool number_kernels(Predictor *p) {
    uint64_t kernels = 0, weights = 0;
    for (size_t i = 0; i < p->layer_count; i++) {
        PredictedLayer *layer = &p->layers[i];
        uint64_t own, taps = (uint64_t)layer->kernel[0] * layer->kernel[1], values;
        layer->first = kernels;
        if (!size_mul(layer->filters, layer->channels, &own) || !size_add(kernels, own, &kernels) ||
            kernels > PREDICTOR_KERNELS_MAX || !size_mul(own, taps, &values) || !size_add(weights, values, &weights))
            return false;
        for (unsigned axis = 0; axis < 2; axis++)
            if (layer->kernel[axis] > p->size) p->size = layer->kernel[axis];
    }
    p->kernel_count = kernels;
    p->weight_count = weights;
    return p->size <= PREDICTOR_KERNEL_MAX;
}

static void place_parameters(Predictor *p) {
    size_t at = 0;
    unsigned in = 6 * p->config.levels;
    for (unsigned i = 0; i < p->config.linear; i++) {
        MlpLayer *layer = &p->mlp[i];
        layer->in = in;
        layer->out = i + 1 < p->config.linear ? p->config.hidden : p->outputs;
        layer->weight = at;
        at += (size_t)layer->in * layer->out;
        layer->bias = at;
        at += layer->out;
        in = layer->out;
    }
    p->parameter_count = at;
}

bool predictor_measure(Predictor *p, Error *err) {
    if (!number_kernels(p)) return error_set(err, STATUS_LIMIT, "too many kernels to predict");
    p->outputs = p->size * p->size;
    place_parameters(p);
    return true;
}

bool predictor_lay_out(Predictor *p, Error *err) {
    if (!predictor_measure(p, err)) return false;
    uint64_t bytes = p->parameter_count * sizeof *p->parameters + p->kernel_count * sizeof *p->index;
    if (!mem_admit(bytes, "a predictor", err)) return false;
    p->index = mem_alloc(p->kernel_count, sizeof *p->index, err);
    p->parameters = p->index ? mem_alloc(p->parameter_count, sizeof *p->parameters, err) : NULL;
    return p->parameters != NULL;
}

/* ---- layers ------------------------------------------------------------------------------------------------------ */

bool predictor_choose(Predictor *p, const Network *network, const bool *chosen, Error *err) {
    p->layers = mem_alloc(network->layer_count, sizeof *p->layers, err);
    if (!p->layers) return false;
    for (size_t i = 0; i < network->layer_count; i++) {
        const Layer *layer = &network->layers[i];
        const Tensor *weight = layer_weight(network, layer);
        if (chosen ? !chosen[i] : !layer->predicted) continue;
        if (layer->kind != LAYER_CONV || weight->count == 0)
            return error_set(err, STATUS_USAGE,
                             "%s is not a two-dimensional convolution (its kind is %s), so it cannot be predicted",
                             layer->name, layer_kind_name(layer->kind));
        for (unsigned d = 0; d < 4; d++)
            if (weight->dim[d] > UINT32_MAX)
                return error_set(err, STATUS_LIMIT, "%s is too large to be predicted", layer->name);
        PredictedLayer *out = &p->layers[p->layer_count];
        out->name = mem_copy_text(layer->name, err);
        if (!out->name) return false;
        out->filters = (unsigned)weight->dim[0];
        out->channels = (unsigned)weight->dim[1];
        for (unsigned axis = 0; axis < 2; axis++) out->kernel[axis] = (unsigned)weight->dim[2 + axis];
        p->layer_count++;
    }
    if (p->layer_count > 0) return true;
    return error_set(err, STATUS_USAGE, "no layer to predict: %s",
                     chosen ? "none is selected" : "the architecture names none (select layers with --layers)");
}

void predictor_count(const Network *network, const bool *chosen, uint64_t *kernels, uint64_t *weights) {
    *kernels = *weights = 0;
    for (size_t i = 0; i < network->layer_count; i++) {
        const Tensor *weight = layer_weight(network, &network->layers[i]);
        if (!(chosen ? chosen[i] : network->layers[i].predicted) || weight->rank != 4) continue;
        *kernels += weight->dim[0] * weight->dim[1];
        *weights += weight->count;
    }
}

size_t predictor_layer_of(const Predictor *p, size_t kernel) {
    size_t low = 0, high = p->layer_count;
    while (high - low > 1) {
        const size_t middle = low + (high - low) / 2;
        if (p->layers[middle].first <= kernel)
            low = middle;
        else
            high = middle;
    }
    return low;
}

void predictor_mask(const Predictor *p, size_t layer, float *mask) {
    const unsigned *kernel = p->layers[layer].kernel, size = p->size;
    const unsigned top = (size - kernel[0]) / 2, left = (size - kernel[1]) / 2;
    for (unsigned row = 0; row < size; row++)
        for (unsigned column = 0; column < size; column++)
            mask[row * size + column] = row - top < kernel[0] && column - left < kernel[1] ? 1 : 0;
}
