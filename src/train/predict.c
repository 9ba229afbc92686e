/* predict -- a weight predictor in training (docs/method.md, sections 4 and 5).
 *
 * L_recon = sqrt(sum (w^ - w)^2 / |W|), with gradient (w^ - w) / (|W| L_recon) through a batch of kernels. In a step
 * without images the kernels outside the batch matter only through L_recon, a common factor: it is refreshed every so
 * many steps, by evaluating all of them. Losses on images need every kernel in every step.
 */
#include "train/internal.h"

#include <math.h>
#include <string.h>

#include "weft/base/dtype.h"
#include "weft/base/error.h"
#include "weft/base/memory.h"
#include "weft/base/table.h"

/* How much larger the batch's error may be than that of all kernels when it was last evaluated. Batches by magnitude
 * hold the kernels that are harder. */
#define SUDDEN 2.0

typedef struct Predict {
    const TrainConfig *config;
    Predictor *predictor;
    Mlp *mlp;
    Sampler *sampler;
    float *targets, *predictions;
    float *mask;    /* layers x outputs */
    float *delta;   /* kernels x outputs, where there are losses on images */
    Distil *distil; /* NULL: there are none */
    const Dataset *data;
} Predict;

/* ---- a step ------------------------------------------------------------------------------------------------------ */

/* What the gradient of sum (w^ - w)^2 / 2 is to be multiplied with. */
static double recon_scale(const TrainConfig *config, double weights, double rms) {
    if (config->recon_form == RECON_MSE) return 2 / weights;
    return rms > 0 ? 1 / (weights * rms) : 0;
}

static double recon_value(const TrainConfig *config, double rms) {
    return config->recon_form == RECON_MSE ? rms * rms : rms;
}

/* On L_recon alone. */
static void recon_step(Learner *learner, uint64_t step, float *gradient, StepLoss *loss) {
    Predict *self = learner->context;
    const TrainConfig *config = self->config;
    const double weights = (double)self->predictor->weight_count;
    const uint32_t *kernels;
    const uint16_t *times;
    double batch, rest = 0;
    const size_t count = sampler_draw(self->sampler, step, &kernels, &times);
    /* at the first and the last step, and so that rows of the log, whose steps are multiples, have a fresh value */
    const bool whole = !kernels || step == 0 || (step + 1) % config->refresh == 0 || step + 1 == config->steps;
    mlp_reconstruction(self->mlp, self->targets, kernels, times, count, gradient, &batch, whole ? &rest : NULL);
    if (whole) learner->scalar = sqrt((batch + rest) / weights);
    /* Where the error grows suddenly the old scalar would make steps larger still: the batch's own tells. */
    const double own = sqrt(batch / ((double)count * weights / (double)self->predictor->kernel_count));
    if (!whole && own > SUDDEN * learner->scalar)
        learner->scalar = sqrt(mlp_squares(self->mlp, self->targets, NULL) / weights);
    const double rms = isfinite(batch) ? learner->scalar : NAN;  /* a refreshed scalar would tell of it only later */
    const double factor = config->recon > 0 ? config->recon : 1; /* a warm-up of distillation is on L_recon */
    *loss = (StepLoss){.loss = factor * recon_value(config, rms),
                       .recon = rms,
                       .kd = NAN,
                       .fmd = NAN,
                       .cross_entropy = NAN,
                       .scale = factor * recon_scale(config, weights, rms),
                       .items = count};
}

/* Adds scale * times * (w^ - w) of the batch to delta. */
static void add_recon(const Predict *self, double scale, const uint32_t *kernels, const uint16_t *times, size_t count) {
    const size_t outputs = self->predictor->outputs;
    for (size_t i = 0; i < count; i++) {
        const size_t kernel = kernels ? kernels[i] : i;
        const float *mask = self->mask + self->predictor->index[kernel].layer * outputs;
        const float *prediction = self->predictions + kernel * outputs, *target = self->targets + kernel * outputs;
        const float factor = (float)(times ? scale * (double)times[i] : scale);
        float *delta = self->delta + i * outputs;
        for (size_t j = 0; j < outputs; j++) delta[j] += factor * mask[j] * (prediction[j] - target[j]);
    }
}

static bool image_step(Learner *learner, uint64_t step, float *gradient, StepLoss *loss, Error *err) {
    Predict *self = learner->context;
    const TrainConfig *config = self->config;
    const double weights = (double)self->predictor->weight_count;
    const uint32_t *kernels;
    const uint16_t *times;
    const size_t count = sampler_draw(self->sampler, step, &kernels, &times);
    const double rms = sqrt(mlp_squares(self->mlp, self->targets, self->predictions) / weights);
    learner->scalar = rms;
    if (!distil_step(self->distil, step, self->predictions, kernels, times, count, self->delta, loss, err))
        return false;
    loss->recon = rms;
    if (config->recon > 0) {
        add_recon(self, config->recon * recon_scale(config, weights, rms), kernels, times, count);
        loss->loss += config->recon * recon_value(config, rms);
    }
    mlp_backward(self->mlp, kernels, count, self->delta, gradient);
    return true;
}

static bool predict_gradient(Learner *learner, uint64_t step, float *gradient, StepLoss *loss, Error *err) {
    Predict *self = learner->context;
    mlp_set(self->mlp, learner->parameters);
    if (self->distil && step >= self->config->warm_up) return image_step(learner, step, gradient, loss, err);
    recon_step(learner, step, gradient, loss);
    return true;
}

/* ---- the product ------------------------------------------------------------------------------------------------- */

static bool predict_measure(Learner *learner, bool on_data, Measure *out, Error *err) {
    Predict *self = learner->context;
    mlp_set(self->mlp, learner->parameters);
    const double squares = mlp_squares(self->mlp, self->targets, self->predictions);
    *out = (Measure){.distance = sqrt(squares / (double)self->predictor->weight_count), .accuracy = NAN};
    if (!self->data || !on_data) return true;
    Network *network = predictor_reconstruct(self->predictor, self->predictions, "reconstruct", err);
    bool done = network && learner_evaluate(network, self->data, &out->accuracy, NULL, err);
    network_free(network);
    return done;
}

static bool predict_parts(Learner *learner, const float *parameters, FileParts *out, Error *err) {
    const Predict *self = learner->context;
    Predictor product = *self->predictor; /* for its file only: everything else is shared */
    product.parameters = (float *)(uintptr_t)parameters;
    return predictor_parts(&product, DTYPE_F32, out, err);
}

static bool predict_take(Learner *learner, const char *partial, Table *log, TrainResult *out, Error *err) {
    Predict *self = learner->context;
    Measure end;
    if (!predict_measure(learner, false, &end, err) ||
        (partial && !predictor_note(self->predictor, "partial", partial, err))) {
        table_free(log);
        return false;
    }
    out->recon = end.distance;
    self->predictor->log = log;
    out->predictor = self->predictor;
    self->predictor = NULL;
    return true;
}

static void predict_done(Learner *learner) {
    Predict *self = learner->context;
    mlp_free(self->mlp);
    sampler_free(self->sampler);
    distil_free(self->distil);
    predictor_free(self->predictor);
    mem_free(self->targets);
    mem_free(self->predictions);
    mem_free(self->mask);
    mem_free(self->delta);
    mem_free(self);
}

/* ---- making ------------------------------------------------------------------------------------------------------ */

/* A copy to go on with; from now on it is made for the network it is trained on. */
static Predictor *continue_predictor(const TrainJob *job, Error *err) {
    Predictor *p = predictor_derive(job->from, "train", job->command, err);
    if (!p) return NULL;
    p->fingerprint[0] = '\0';
    p->source_parameters = 0;
    if (predictor_note(p, "partial", NULL, err) && predictor_attach(p, job->source, err)) return p;
    predictor_free(p);
    return NULL;
}

static Predictor *new_predictor(const TrainConfig *config, const TrainJob *job, Error *err) {
    if (job->from) return continue_predictor(job, err);
    bool *chosen = NULL;
    if (*config->layers) {
        chosen = mem_alloc(job->source->layer_count, sizeof *chosen, err);
        if (!chosen) return NULL;
        if (!layer_select(job->source, config->layers, true, chosen, err)) {
            mem_free(chosen);
            return NULL;
        }
    }
    Predictor *p = predictor_new(job->source, chosen, &config->predictor, config->seed, job->command, job->task, err);
    mem_free(chosen);
    return p;
}

static Predictor *kept_predictor(Checkpoint *checkpoint, const TrainJob *job, Error *err) {
    char fingerprint[FINGERPRINT_MAX];
    const PredictorOptions options = {.source = job->source};
    Predictor *p = predictor_from_checkpoint(checkpoint, &options, job->task, err);
    bool done = p && predictor_fingerprint(job->source, p->layers, p->layer_count, fingerprint, err);
    if (done && strcmp(fingerprint, p->fingerprint) == 0) return p;
    if (done)
        error_set(err, STATUS_BAD_INPUT, "%s: source.safetensors is not the network the run started with", job->folder);
    predictor_free(p);
    return NULL;
}

/* What is to be learnt must be numbers. */
static bool check_targets(const Predictor *p, const float *targets, Error *err) {
    for (size_t i = 0; i < p->kernel_count * p->outputs; i++)
        if (!isfinite(targets[i]))
            return error_set(err, STATUS_BAD_INPUT, "layer %s has weights that are not finite",
                             p->layers[predictor_layer_of(p, i / p->outputs)].name);
    return true;
}

static bool list_blocks(Learner *learner, const Predictor *p, Error *err) {
    if (!(learner->blocks = mem_alloc(2 * p->config.linear, sizeof *learner->blocks, err))) return false;
    for (unsigned i = 0; i < p->config.linear; i++) {
        const MlpLayer *layer = &p->mlp[i];
        const BlockPlace place = i == 0 ? BLOCK_FIRST : i + 1 == p->config.linear ? BLOCK_LAST : BLOCK_INNER;
        learner->blocks[learner->block_count++] = (ParameterBlock){layer->weight, layer->out, layer->in, place};
        learner->blocks[learner->block_count++] = (ParameterBlock){layer->bias, layer->out, 1, BLOCK_INNER};
    }
    return true;
}

static bool make_image_part(Learner *learner, Predict *self, const TrainJob *job, Error *err) {
    const Predictor *p = self->predictor;
    if (!train_on_images(self->config) || !job->images) return true; /* a run at its end needs none */
    if (!(self->mask = mem_alloc((uint64_t)p->layer_count * p->outputs, sizeof *self->mask, err)) ||
        !(self->delta = mem_alloc((uint64_t)p->kernel_count * p->outputs, sizeof *self->delta, err)))
        return false;
    for (size_t i = 0; i < p->layer_count; i++) predictor_mask(p, i, self->mask + i * p->outputs);
    if (!(self->distil = distil_new(self->config, p, job, err))) return false;
    learner->batches = distil_batches(self->distil);
    return true;
}

bool predict_learner(Learner *learner, const TrainConfig *config, const TrainJob *job, Checkpoint *checkpoint,
                     Error *err) {
    Predict *self = mem_alloc(1, sizeof *self, err);
    if (!self) return false;
    *self = (Predict){.config = config, .data = job->data};
    *learner = (Learner){.context = self,
                         .gradient = predict_gradient,
                         .measure = predict_measure,
                         .parts = predict_parts,
                         .take = predict_take,
                         .done = predict_done};
    Predictor *p = self->predictor =
        checkpoint ? kept_predictor(checkpoint, job, err) : new_predictor(config, job, err);
    if (!p || !list_blocks(learner, p, err)) return false;
    learner->parameters = p->parameters;
    learner->count = learner->kept = p->parameter_count;
    return (self->targets = predictor_targets(p, job->source, err)) && check_targets(p, self->targets, err) &&
           (self->mlp = mlp_new(p, err)) &&
           (self->sampler = sampler_new(p, self->targets, config->sampling, config->batch, config->magnitude_share,
                                        config->seed, err)) &&
           (self->predictions = mem_alloc((uint64_t)p->kernel_count * p->outputs, sizeof(float), err)) &&
           make_image_part(learner, self, job, err);
}
