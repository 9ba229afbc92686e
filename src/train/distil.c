/* distil -- losses on images of the network that a predictor's kernels make: logit and feature-map distillation from a
 * teacher (docs/method.md, section 4), and their gradient at a batch of kernels.
 *
 * The teacher's logits of an image are cached if the image recurs unchanged.
 */
#include "train/internal.h"

#include <math.h>
#include <string.h>

#include "weft/base/error.h"
#include "weft/base/memory.h"

struct Distil {
    const TrainConfig *config;
    const Predictor *predictor;
    Batches *batches;
    Engine *student, *teacher;
    unsigned classes;
    float *logits;          /* the teacher's of a batch */
    float *kept;            /* the teacher's of every image, where they are kept; NULL: they are not */
    bool *known;            /* of which images */
    size_t *tensors;        /* of each predicted layer: the network's */
    float *weights;         /* of the largest layer */
    float **gradients;      /* a pointer a tensor of the network, for the predicted ones */
    float *gradient_memory; /* what these point to */
    KernelChoice *choices;  /* a choice a tensor */
    uint32_t *chosen;       /* kernels, counted within their layer */
};

/* ---- the teacher ------------------------------------------------------------------------------------------------- */

static void keep_logits(Distil *d, const Batch *batch) {
    for (unsigned i = 0; i < batch->images; i++) {
        memcpy(d->kept + batch->index[i] * d->classes, d->logits + (size_t)i * d->classes,
               d->classes * sizeof *d->logits);
        d->known[batch->index[i]] = true;
    }
}

/* The teacher's logits of a batch from what is kept; false where an image is new. */
static bool recall_logits(const Distil *d, const Batch *batch) {
    for (unsigned i = 0; i < batch->images; i++) {
        if (!d->known[batch->index[i]]) return false;
        memcpy(d->logits + (size_t)i * d->classes, d->kept + batch->index[i] * d->classes,
               d->classes * sizeof *d->logits);
    }
    return true;
}

/* ---- a step ------------------------------------------------------------------------------------------------------ */

static size_t taps_of(const PredictedLayer *layer) {
    return (size_t)layer->kernel[0] * layer->kernel[1];
}

static void set_weights(Distil *d, const float *predictions) {
    for (size_t i = 0; i < d->predictor->layer_count; i++) {
        predictor_layer_weights(d->predictor, i, predictions, d->weights);
        engine_set_tensor(d->student, d->tensors[i], d->weights);
    }
}

/* The batch's kernels (ascending) layer by layer, each counted within its layer. */
static void set_choices(Distil *d, const uint32_t *kernels, size_t count) {
    const Predictor *p = d->predictor;
    size_t at = 0;
    for (size_t i = 0; i < p->layer_count; i++) {
        const PredictedLayer *layer = &p->layers[i];
        const size_t end = layer->first + (size_t)layer->filters * layer->channels, begin = at;
        for (; at < count && kernels[at] < end; at++) d->chosen[at] = kernels[at] - (uint32_t)layer->first;
        d->choices[d->tensors[i]] = (KernelChoice){d->chosen + begin, at - begin};
    }
}

/* The gradients of the batch's kernels out of their tensors. */
static void gather(const Distil *d, const uint32_t *kernels, const uint16_t *times, size_t count, float *delta) {
    const Predictor *p = d->predictor;
    size_t layer = 0;
    for (size_t i = 0; i < count; i++) {
        const size_t kernel = kernels ? kernels[i] : i;
        while (layer + 1 < p->layer_count && p->layers[layer + 1].first <= kernel) layer++;
        const float *gradient =
            d->gradients[d->tensors[layer]] + (kernel - p->layers[layer].first) * taps_of(&p->layers[layer]);
        float *to = delta + i * p->outputs;
        predictor_frame(p, layer, gradient, to);
        for (unsigned j = 0; times && times[i] != 1 && j < p->outputs; j++) to[j] *= (float)times[i];
    }
}

bool distil_step(Distil *d, uint64_t step, const float *predictions, const uint32_t *kernels, const uint16_t *times,
                 size_t count, float *delta, StepLoss *loss, Error *err) {
    const Loss *losses = &d->config->images;
    Batch batch;
    LossTerms terms;
    if (!batches_get(d->batches, step - d->config->warm_up, &batch, err)) return false;
    set_weights(d, predictions);
    if (kernels) set_choices(d, kernels, count);
    const bool known = d->kept && recall_logits(d, &batch);
    if (d->kept && !known) {
        if (!engine_forward(d->teacher, batch.pixels, batch.images, d->logits, err)) return false;
        keep_logits(d, &batch);
    }
    const Gradients gradients = {.tensors = d->gradients, .kernels = kernels ? d->choices : NULL};
    if (!engine_backward(d->student, batch.pixels, batch.labels, batch.images, d->kept ? NULL : d->teacher,
                         d->kept ? d->logits : NULL, losses, &gradients, NULL, &terms, err))
        return false;
    gather(d, kernels, times, count, delta);
    *loss = (StepLoss){.loss = losses->kd * terms.kd + losses->fmd * terms.fmd,
                       .recon = NAN,
                       .kd = losses->kd > 0 ? terms.kd : NAN,
                       .fmd = losses->fmd > 0 ? terms.fmd : NAN,
                       .cross_entropy = NAN,
                       .scale = 1,
                       .items = batch.images};
    return true;
}

/* ---- making ------------------------------------------------------------------------------------------------------ */

Batches *images_open(const TrainConfig *config, const Network *network, const Dataset *images, Error *err) {
    const Normalisation *n = &network->normalisation; /* without one the engine takes pixels as they are */
    const BatchOptions options = {.batch = config->image_batch,
                                  .shuffle = true,
                                  .augment = config->augment,
                                  .seed = config->seed,
                                  .mean = n->channels > 0 ? n->mean : NULL,
                                  .std = n->channels > 0 ? n->std : NULL};
    return batches_new(images, &options, err);
}

/* Where the predicted layers are, and room for their gradients. */
static bool place_layers(Distil *d, const Network *network, bool *marks, Error *err) {
    const Predictor *p = d->predictor;
    size_t largest = 0, at = 0;
    if (!(d->tensors = mem_alloc(p->layer_count, sizeof *d->tensors, err)) ||
        !(d->gradients = mem_alloc(network->tensor_count, sizeof *d->gradients, err)) ||
        !(d->choices = mem_alloc(network->tensor_count, sizeof *d->choices, err)) ||
        !(d->chosen = mem_alloc(p->kernel_count, sizeof *d->chosen, err)) ||
        !(d->gradient_memory = mem_alloc(p->weight_count, sizeof *d->gradient_memory, err)))
        return false;
    for (size_t i = 0; i < p->layer_count; i++) {
        const PredictedLayer *layer = &p->layers[i];
        const size_t size = (size_t)layer->filters * layer->channels * taps_of(layer);
        if (!predictor_find_layer(p, i, network, &d->tensors[i], err)) return false;
        marks[d->tensors[i]] = true;
        d->gradients[d->tensors[i]] = d->gradient_memory + at;
        at += size;
        if (size > largest) largest = size;
    }
    return (d->weights = mem_alloc(largest, sizeof *d->weights, err)) != NULL;
}

static bool make_engines(Distil *d, const Network *network, const Network *teacher, const Dataset *images,
                         const bool *marks, Error *err) {
    const bool maps = d->config->images.fmd > 0;
    const unsigned batch = d->config->image_batch < images->count ? d->config->image_batch : (unsigned)images->count;
    const EngineOptions training = {.gradients = marks, .feature_maps = maps}, forward = {.feature_maps = maps};
    d->classes = network->graph->classes;
    d->student = engine_new(network, batch, images->height, images->width, &training, err);
    d->teacher = d->student ? engine_new(teacher, batch, images->height, images->width, &forward, err) : NULL;
    if (!d->teacher) return false;
    if (maps || !batches_repeat(d->batches)) return true;
    return (d->logits = mem_alloc((uint64_t)batch * d->classes, sizeof *d->logits, err)) &&
           (d->known = mem_alloc(images->count, sizeof *d->known, err)) &&
           (d->kept = mem_alloc(images->count * d->classes, sizeof *d->kept, err));
}

Distil *distil_new(const TrainConfig *config, const Predictor *predictor, const TrainJob *job, Error *err) {
    const Network *network = job->source, *teacher = job->teacher ? job->teacher : network;
    Distil *d = mem_alloc(1, sizeof *d, err);
    bool *marks = d ? mem_alloc(network->tensor_count, sizeof *marks, err) : NULL;
    bool done = marks != NULL;
    if (done) *d = (Distil){.config = config, .predictor = predictor};
    done = done && (d->batches = images_open(config, network, job->images, err)) &&
           place_layers(d, network, marks, err) && make_engines(d, network, teacher, job->images, marks, err);
    mem_free(marks);
    if (done) return d;
    distil_free(d);
    return NULL;
}

const Batches *distil_batches(const Distil *d) {
    return d->batches;
}

void distil_free(Distil *d) {
    if (!d) return;
    batches_free(d->batches);
    engine_free(d->student);
    engine_free(d->teacher);
    mem_free(d->logits);
    mem_free(d->kept);
    mem_free(d->known);
    mem_free(d->tensors);
    mem_free(d->weights);
    mem_free(d->gradients);
    mem_free(d->gradient_memory);
    mem_free(d->choices);
    mem_free(d->chosen);
    mem_free(d);
}
