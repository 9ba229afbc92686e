/* recon -- training on the reconstruction loss alone (METHOD.md sections 4 and 5).
 *
 * L = sqrt(sum (w^ - w)^2 / |W|), with gradient (w^ - w) / (|W| L) through a batch of kernels. The kernels outside the
 * batch matter only through L, a common factor: it is refreshed every so many steps, by evaluating all of them.
 */
#include "train/internal.h"

#include <math.h>

#include "weft/probe.h"

typedef struct Recon {
    const TrainConfig *config;
    Predictor *predictor;
    Mlp *mlp;
    Sampler *sampler;
    float *targets, *predictions;
    const Dataset *data;
} Recon;

static bool recon_gradient(Learner *learner, uint64_t step, float *gradient, StepLoss *loss, Error *err) {
    (void)err;
    Recon *recon = learner->context;
    const TrainConfig *config = recon->config;
    const double weights = (double)recon->predictor->weight_count;
    const uint32_t *kernels;
    const uint16_t *times;
    double batch, rest = 0;
    const size_t count = sampler_draw(recon->sampler, step, &kernels, &times);
    /* at the first and the last step, and so that rows of the log, whose steps are multiples, have a fresh value */
    const bool whole = !kernels || step == 0 || (step + 1) % config->refresh == 0 || step + 1 == config->steps;
    mlp_set(recon->mlp, learner->parameters);
    mlp_reconstruction(recon->mlp, recon->targets, kernels, times, count, gradient, &batch, whole ? &rest : NULL);
    if (whole) learner->scalar = sqrt((batch + rest) / weights);
    const double rms = isfinite(batch) ? learner->scalar : NAN; /* a refreshed scalar would tell of it only later */
    const bool square = config->recon_form == RECON_MSE;
    *loss = (StepLoss){.loss = square ? rms * rms : rms, .recon = rms, .kd = NAN, .fmd = NAN, .items = count};
    loss->scale = square ? 2 / weights : rms > 0 ? 1 / (weights * rms) : 0;
    return true;
}

static bool recon_measure(Learner *learner, bool on_data, Measure *out, Error *err) {
    Recon *recon = learner->context;
    mlp_set(recon->mlp, learner->parameters);
    const double squares = mlp_squares(recon->mlp, recon->targets, recon->predictions);
    *out = (Measure){.recon = sqrt(squares / (double)recon->predictor->weight_count), .accuracy = NAN};
    if (!recon->data || !on_data) return true;
    const Task patient = {.patient = true}; /* an evaluation belongs to its step */
    Evaluation evaluation;
    Network *network = predictor_reconstruct(recon->predictor, recon->predictions, "reconstruct", err);
    bool done = network && evaluate_run(network, recon->data, NULL, &evaluation, &patient, err);
    network_free(network);
    if (!done) return false;
    out->accuracy = 100.0 * (double)evaluation.correct / (double)evaluation.images;
    evaluation_done(&evaluation);
    return true;
}

static bool recon_parts(Learner *learner, PredictorParts *out, Error *err) {
    const Recon *recon = learner->context;
    return predictor_parts(recon->predictor, DTYPE_F32, out, err);
}

bool recon_learner(Learner *learner, const TrainConfig *config, Predictor *predictor, float *targets,
                   const Dataset *data, Error *err) {
    Recon *recon = mem_alloc(1, sizeof *recon, err);
    *learner = (Learner){.context = recon, .gradient = recon_gradient, .measure = recon_measure, .parts = recon_parts};
    if (!recon) {
        mem_free(targets);
        return false;
    }
    *recon = (Recon){.config = config, .predictor = predictor, .targets = targets, .data = data};
    learner->parameters = predictor->parameters;
    learner->count = predictor->parameter_count;
    for (unsigned i = 0; i < predictor->config.linear; i++) {
        const MlpLayer *layer = &predictor->mlp[i];
        learner->blocks[learner->block_count++] = (ParameterBlock){layer->weight, layer->out, layer->in};
        learner->blocks[learner->block_count++] = (ParameterBlock){layer->bias, layer->out, 1};
    }
    return (recon->mlp = mlp_new(predictor, err)) &&
           (recon->sampler = sampler_new(predictor, targets, config->sampling, config->batch, config->magnitude_share,
                                         config->seed, err)) &&
           (recon->predictions = mem_alloc((uint64_t)predictor->kernel_count * predictor->outputs, sizeof(float), err));
}

void recon_done(Learner *learner) {
    Recon *recon = learner->context;
    if (!recon) return;
    mlp_free(recon->mlp);
    sampler_free(recon->sampler);
    mem_free(recon->targets);
    mem_free(recon->predictions);
    mem_free(recon);
    learner->context = NULL;
}
