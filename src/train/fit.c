/* fit -- a network in training: batch norm with the statistics of the batch, cross-entropy with the labels, and perhaps
 * logit distillation from a teacher (docs/method.md, section 5, scheme 7).
 *
 * The parameters are one array, [learnable tensors in their order | running means and variances]; the running ones
 * follow the batches' as PyTorch's do: momentum 0.1, the variance unbiased.
 */
#include "train/internal.h"

#include <math.h>
#include <string.h>

#include "weft/base/dtype.h"
#include "weft/base/error.h"
#include "weft/base/memory.h"
#include "weft/base/table.h"
#include "weft/base/tensor.h"

#define MOMENTUM 0.1

typedef struct Fit {
    const TrainConfig *config;
    Network *network; /* the parameters' tensors are taken out of and put into copies of it */
    Batches *batches;
    Engine *student, *teacher;
    size_t *offsets;   /* of each tensor in the parameters; SIZE_MAX: not among them */
    float **gradients; /* a pointer a tensor, into the gradient of the step */
    const Dataset *data;
} Fit;

/* ---- a step ------------------------------------------------------------------------------------------------------ */

/* The running statistics are nothing to a pass in training mode. */
static void set_weights(const Learner *learner) {
    const Fit *self = learner->context;
    for (size_t i = 0; i < self->network->tensor_count; i++)
        if (self->offsets[i] < learner->count)
            engine_set_tensor(self->student, i, learner->parameters + self->offsets[i]);
}

static void follow(float *running, const float *now, size_t count, double factor) {
    for (size_t i = 0; i < count; i++)
        running[i] = (float)((1 - MOMENTUM) * (double)running[i] + MOMENTUM * factor * (double)now[i]);
}

/* The running statistics after a batch. */
static void follow_statistics(const Learner *learner, const Batch *batch) {
    const Fit *self = learner->context;
    const Graph *graph = self->network->graph;
    for (size_t i = 0; i < graph->count; i++) {
        const Op *op = &graph->ops[i];
        const float *mean, *variance;
        if (op->kind != OP_BATCH_NORM) continue;
        engine_batch_statistics(self->student, i, &mean, &variance);
        const double values = (double)batch->images * (double)engine_map_pixels(self->student, i);
        follow(learner->parameters + self->offsets[op->mean], mean, op->out_channels, 1);
        follow(learner->parameters + self->offsets[op->variance], variance, op->out_channels,
               values > 1 ? values / (values - 1) : 1);
    }
}

static bool fit_gradient(Learner *learner, uint64_t step, float *gradient, StepLoss *loss, Error *err) {
    Fit *self = learner->context;
    const Loss *losses = &self->config->images;
    Batch batch;
    LossTerms terms;
    if (!batches_get(self->batches, step, &batch, err)) return false;
    set_weights(learner);
    for (size_t i = 0; i < self->network->tensor_count; i++)
        self->gradients[i] = self->offsets[i] < learner->count ? gradient + self->offsets[i] : NULL;
    const Gradients gradients = {.tensors = self->gradients};
    if (!engine_backward(self->student, batch.pixels, batch.labels, batch.images, self->teacher, NULL, losses,
                         &gradients, NULL, &terms, err))
        return false;
    follow_statistics(learner, &batch);
    *loss = (StepLoss){.loss = losses->cross_entropy * terms.cross_entropy + losses->kd * terms.kd,
                       .recon = NAN,
                       .kd = losses->kd > 0 ? terms.kd : NAN,
                       .fmd = NAN,
                       .cross_entropy = losses->cross_entropy > 0 ? terms.cross_entropy : NAN,
                       .scale = 1,
                       .items = batch.images};
    return true;
}

/* ---- the product ------------------------------------------------------------------------------------------------- */

/* The network with these parameters. */
static Network *network_with(const Fit *self, const float *parameters, Error *err) {
    Network *network = network_copy(self->network, err);
    bool done = network != NULL;
    for (size_t i = 0; done && i < network->tensor_count; i++) {
        if (self->offsets[i] == SIZE_MAX) continue;
        const Tensor *old = network->tensors[i].tensor;
        Tensor *tensor = tensor_new(old->rank, old->dim, err);
        done = tensor != NULL;
        if (!done) break;
        memcpy(tensor->data, parameters + self->offsets[i], tensor->count * sizeof *tensor->data);
        network_replace(network, i, tensor);
    }
    if (done) return network;
    network_free(network);
    return NULL;
}

static bool fit_measure(Learner *learner, bool on_data, Measure *out, Error *err) {
    const Fit *self = learner->context;
    *out = (Measure){.accuracy = NAN, .distance = NAN};
    if (!self->data || !on_data) return true;
    Network *network = network_with(self, learner->parameters, err);
    bool done = network && learner_evaluate(network, self->data, &out->accuracy, &out->distance, err);
    network_free(network);
    return done;
}

/* A file's tensors are the network's own memory: the network lives as long as the parts. */
static bool fit_parts(Learner *learner, const float *parameters, FileParts *out, Error *err) {
    const Fit *self = learner->context;
    FileParts parts;
    if (!network_parts(self->network, &parts, err)) return false;
    for (size_t i = 0, at = 0; i < self->network->tensor_count; i++) {
        if (self->network->tensors[i].tied) continue;
        if (self->offsets[i] != SIZE_MAX) {
            parts.tensors[at].data = parameters + self->offsets[i];
            parts.tensors[at].dtype = DTYPE_F32;
        }
        at++;
    }
    *out = parts;
    return true;
}

static bool fit_take(Learner *learner, const char *partial, Table *log, TrainResult *out, Error *err) {
    const Fit *self = learner->context;
    Network *network = network_with(self, learner->parameters, err);
    table_free(log); /* a network keeps none; the folder has it */
    if (network && (!partial || key_value_add(&network->notes, &network->note_count, "partial", partial, err))) {
        out->network = network;
        return true;
    }
    network_free(network);
    return false;
}

static void fit_done(Learner *learner) {
    Fit *self = learner->context;
    batches_free(self->batches);
    engine_free(self->student);
    engine_free(self->teacher);
    network_free(self->network);
    mem_free(learner->parameters);
    mem_free(self->offsets);
    mem_free(self->gradients);
    mem_free(self);
}

/* ---- making ------------------------------------------------------------------------------------------------------ */

/* Running statistics: what batch norms read beside gamma and beta. */
static bool is_running(const Network *network, size_t tensor) {
    for (size_t i = 0; i < network->graph->count; i++) {
        const Op *op = &network->graph->ops[i];
        if (op->kind == OP_BATCH_NORM && (op->mean == (int)tensor || op->variance == (int)tensor)) return true;
    }
    return false;
}

/* Of a weight: operations are in the order in which they run. */
static BlockPlace place_of(const Network *network, size_t tensor) {
    const Graph *graph = network->graph;
    int first = NO_TENSOR, last = NO_TENSOR;
    for (size_t i = 0; i < graph->count; i++) {
        const Op *op = &graph->ops[i];
        if ((op->kind != OP_CONV && op->kind != OP_LINEAR) || op->weight == NO_TENSOR) continue;
        if (first == NO_TENSOR) first = op->weight;
        last = op->weight;
    }
    return last == (int)tensor ? BLOCK_LAST : first == (int)tensor ? BLOCK_FIRST : BLOCK_INNER;
}

/* Puts the learnable tensors first, then the running statistics, and takes their values. */
static bool lay_out(Learner *learner, Fit *self, Error *err) {
    const Network *network = self->network;
    const size_t tensors = network->tensor_count;
    if (!(self->offsets = mem_alloc(tensors, sizeof *self->offsets, err)) ||
        !(self->gradients = mem_alloc(tensors, sizeof *self->gradients, err)) ||
        !(learner->blocks = mem_alloc(tensors, sizeof *learner->blocks, err)))
        return false;
    for (size_t i = 0; i < tensors; i++) {
        const Tensor *tensor = network->tensors[i].tensor;
        self->offsets[i] = SIZE_MAX;
        if (!network_trainable(network, i) || network->tensors[i].tied || tensor->rank == 0) continue;
        const size_t rows = (size_t)tensor->dim[0], columns = rows > 0 ? (size_t)tensor->count / rows : 1;
        self->offsets[i] = learner->count;
        learner->blocks[learner->block_count++] = (ParameterBlock){learner->count, rows, columns, place_of(network, i)};
        learner->count += (size_t)tensor->count;
    }
    learner->kept = learner->count;
    for (size_t i = 0; i < tensors; i++) {
        if (!is_running(network, i)) continue;
        self->offsets[i] = learner->kept;
        learner->kept += (size_t)network->tensors[i].tensor->count;
    }
    learner->parameters = mem_alloc(learner->kept, sizeof *learner->parameters, err);
    if (!learner->parameters) return false;
    for (size_t i = 0; i < tensors; i++) {
        const Tensor *tensor = network->tensors[i].tensor;
        if (self->offsets[i] != SIZE_MAX)
            memcpy(learner->parameters + self->offsets[i], tensor->data, tensor->count * sizeof *tensor->data);
    }
    return true;
}

static bool make_engines(Learner *learner, Fit *self, const TrainJob *job, Error *err) {
    const TrainConfig *config = self->config;
    const Network *network = self->network;
    const Dataset *images = job->images;
    const unsigned batch = config->image_batch < images->count ? config->image_batch : (unsigned)images->count;
    bool *marks = mem_alloc(network->tensor_count, sizeof *marks, err);
    if (!marks) return false;
    for (size_t i = 0; i < network->tensor_count; i++) marks[i] = self->offsets[i] < learner->count;
    const EngineOptions options = {.gradients = marks, .batch_statistics = true};
    self->student = engine_new(network, batch, images->height, images->width, &options, err);
    mem_free(marks);
    if (!self->student || !(config->images.kd > 0)) return self->student != NULL;
    self->teacher = engine_new(job->teacher, batch, images->height, images->width, NULL, err);
    return self->teacher != NULL;
}

bool fit_learner(Learner *learner, const TrainConfig *config, const TrainJob *job, Checkpoint *checkpoint, Error *err) {
    const NetworkOptions as_it_was = {.own = true};
    Fit *self = mem_alloc(1, sizeof *self, err);
    if (!self) return false;
    *self = (Fit){.config = config, .data = job->data};
    *learner = (Learner){.context = self,
                         .gradient = fit_gradient,
                         .measure = fit_measure,
                         .parts = fit_parts,
                         .take = fit_take,
                         .done = fit_done};
    self->network = checkpoint ? network_from_checkpoint(checkpoint, &as_it_was, err) : network_copy(job->source, err);
    if (!self->network || !lay_out(learner, self, err) || !job->images)
        return self->network && learner->parameters; /* a run at its end needs no images */
    return (learner->batches = self->batches = images_open(config, self->network, job->images, err)) &&
           make_engines(learner, self, job, err);
}
