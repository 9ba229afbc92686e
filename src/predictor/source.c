/* source -- a predictor and the network it was made for: fingerprint, targets, reconstruction. */
#include "predictor/internal.h"

#include <string.h>

#include "weft/base/error.h"
#include "weft/base/hash.h"
#include "weft/base/memory.h"
#include "weft/base/size.h"
#include "weft/base/tensor.h"
#include "weft/base/text.h"

/* ---- weights ----------------------------------------------------------------------------------------------------- */

const Tensor *predictor_weight(const PredictedLayer *layer, const Network *network, size_t *tensor, Error *err) {
    for (size_t i = 0; i < network->layer_count; i++) {
        const Layer *own = &network->layers[i];
        if (strcmp(own->name, layer->name) != 0) continue;
        const Tensor *weight = layer_weight(network, own);
        const uint64_t dim[4] = {layer->filters, layer->channels, layer->kernel[0], layer->kernel[1]};
        if (weight->rank == 4 && memcmp(weight->dim, dim, sizeof dim) == 0) {
            if (tensor) *tensor = own->tensor;
            return weight;
        }
        error_set(err, STATUS_USAGE, "layer %s is not %ux%ux%ux%u in this network; the predictor was made for another",
                  layer->name, layer->filters, layer->channels, layer->kernel[0], layer->kernel[1]);
        return NULL;
    }
    error_set(err, STATUS_USAGE, "no layer %s in this network; the predictor was made for another", layer->name);
    return NULL;
}

/* Floats from one kernel to the next, and from one row of a kernel to the next. */
typedef struct Pitch {
    size_t kernel, row;
} Pitch;

static Pitch pitch_of_weights(const PredictedLayer *layer) {
    return (Pitch){(size_t)layer->kernel[0] * layer->kernel[1], layer->kernel[1]};
}

static Pitch pitch_of_frames(const Predictor *p) {
    return (Pitch){p->outputs, p->size};
}

/* Where the layer's first kernel begins in kernels x outputs: at the corner of the centre crop. */
static size_t first_in_frames(const Predictor *p, const PredictedLayer *layer) {
    const unsigned top = (p->size - layer->kernel[0]) / 2, left = (p->size - layer->kernel[1]) / 2;
    return layer->first * p->outputs + (size_t)top * p->size + left;
}

static void copy_kernels(const PredictedLayer *layer, const float *from, Pitch from_pitch, float *to, Pitch to_pitch) {
    const size_t kernels = (size_t)layer->filters * layer->channels;
    for (size_t k = 0; k < kernels; k++)
        for (unsigned row = 0; row < layer->kernel[0]; row++)
            memcpy(to + k * to_pitch.kernel + row * to_pitch.row, from + k * from_pitch.kernel + row * from_pitch.row,
                   layer->kernel[1] * sizeof *to);
}

float *predictor_targets(const Predictor *p, const Network *network, Error *err) {
    uint64_t count;
    if (!size_mul(p->kernel_count, p->outputs, &count)) count = UINT64_MAX;
    float *targets = mem_alloc(count, sizeof *targets, err);
    for (size_t i = 0; targets && i < p->layer_count; i++) {
        const PredictedLayer *layer = &p->layers[i];
        const Tensor *weight = predictor_weight(layer, network, NULL, err);
        if (!weight) {
            mem_free(targets);
            return NULL;
        }
        copy_kernels(layer, weight->data, pitch_of_weights(layer), targets + first_in_frames(p, layer),
                     pitch_of_frames(p));
    }
    return targets;
}

void predictor_layer_weights(const Predictor *p, size_t layer, const float *predictions, float *weights) {
    const PredictedLayer *one = &p->layers[layer];
    copy_kernels(one, predictions + first_in_frames(p, one), pitch_of_frames(p), weights, pitch_of_weights(one));
}

void predictor_frame(const Predictor *p, size_t layer, const float *kernel, float *frame) {
    const PredictedLayer *one = &p->layers[layer];
    const size_t corner = first_in_frames(p, one) - one->first * p->outputs;
    memset(frame, 0, p->outputs * sizeof *frame);
    for (unsigned row = 0; row < one->kernel[0]; row++)
        memcpy(frame + corner + (size_t)row * p->size, kernel + (size_t)row * one->kernel[1],
               one->kernel[1] * sizeof *frame);
}

bool predictor_find_layer(const Predictor *p, size_t layer, const Network *network, size_t *tensor, Error *err) {
    return predictor_weight(&p->layers[layer], network, tensor, err) != NULL;
}

/* ---- the source -------------------------------------------------------------------------------------------------- */

bool predictor_fingerprint(const Network *network, const PredictedLayer *layers, size_t count,
                           char out[FINGERPRINT_MAX], Error *err) {
    Str text = {0};
    bool done = true;
    for (size_t i = 0; done && i < count; i++) {
        char hash[HASH_HEX];
        const Tensor *weight = predictor_weight(&layers[i], network, NULL, err);
        done = weight != NULL;
        if (!done) break;
        hash_hex(weight->data, weight->count * sizeof *weight->data, hash);
        str_addf(&text, "%s %ux%ux%ux%u %s\n", layers[i].name, layers[i].filters, layers[i].channels,
                 layers[i].kernel[0], layers[i].kernel[1], hash);
    }
    done = done && str_ok(&text, err);
    if (done) {
        memset(out, 0, FINGERPRINT_MAX);
        hash_hex(str_text(&text), text.length, out);
    }
    str_done(&text);
    return done;
}

bool predictor_keep_source(Predictor *p, const Network *source, Error *err) {
    char fingerprint[FINGERPRINT_MAX];
    if (!predictor_fingerprint(source, p->layers, p->layer_count, fingerprint, err)) return false;
    Network *copy = network_copy(source, err);
    if (!copy) return false;
    network_free(p->source);
    p->source = copy;
    if (!p->fingerprint[0]) memcpy(p->fingerprint, fingerprint, sizeof fingerprint);
    if (!p->source_parameters) p->source_parameters = network_parameters(source);
    return true;
}

/* ---- reconstruction ---------------------------------------------------------------------------------------------- */

/* The lineage of a reconstruction: the source's, then the steps of the predictor that are not the source's own. */
static bool add_lineage(Network *network, const Network *source, const Predictor *p, const char *command, Error *err) {
    size_t common = 0;
    while (common < p->lineage_count && common < source->lineage_count &&
           strcmp(p->lineage[common].key, source->lineage[common].key) == 0 &&
           strcmp(p->lineage[common].value, source->lineage[common].value) == 0)
        common++;
    for (size_t i = common; i < p->lineage_count; i++)
        if (!key_value_add(&network->lineage, &network->lineage_count, p->lineage[i].key, p->lineage[i].value, err))
            return false;
    return key_value_add(&network->lineage, &network->lineage_count, "reconstruct", command, err);
}

static bool put_layer(Network *network, const Predictor *p, size_t layer, const float *predictions, Error *err) {
    size_t index;
    const Tensor *old = predictor_weight(&p->layers[layer], network, &index, err);
    Tensor *weight = old ? tensor_new(old->rank, old->dim, err) : NULL;
    if (!weight) return false;
    predictor_layer_weights(p, layer, predictions, weight->data);
    network_replace(network, index, weight);
    return true;
}

float *predictor_predict(const Predictor *p, Error *err) {
    float *out = mem_alloc(p->kernel_count * p->outputs, sizeof *out, err);
    Mlp *mlp = out ? mlp_new(p, err) : NULL;
    if (mlp) {
        mlp_predict(mlp, NULL, p->kernel_count, out);
    } else {
        mem_free(out);
        out = NULL;
    }
    mlp_free(mlp);
    return out;
}

Network *predictor_reconstruct_in(const Predictor *p, const Network *source, const float *predictions,
                                  const char *command, Error *err) {
    float *own = predictions ? NULL : predictor_predict(p, err);
    if (!predictions && !own) return NULL;
    Network *network = network_copy(source, err);
    bool done = network && add_lineage(network, source, p, command, err);
    for (size_t i = 0; done && i < p->layer_count; i++) done = put_layer(network, p, i, own ? own : predictions, err);
    mem_free(own);
    if (done) return network;
    network_free(network);
    return NULL;
}

Network *predictor_reconstruct(const Predictor *p, const float *predictions, const char *command, Error *err) {
    if (p->source) return predictor_reconstruct_in(p, p->source, predictions, command, err);
    error_set(err, STATUS_FAILED, "its source network is unknown; give it with load predictor NAME FILE --for NET");
    return NULL;
}
