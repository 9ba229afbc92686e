/* train_options -- see train_options.h. */
#include "train_options.h"

#include <string.h>

#include "weft/base/error.h"
#include "weft/base/memory.h"
#include "weft/base/size.h"

#define X(name, text) "|" text
const char choices_optimisers[] = OPTIMISERS(X), choices_schedules[] = SCHEDULES(X), choices_samplings[] = SAMPLINGS(X),
           choices_losses[] = RECON_FORMS(X), choices_activations[] = PREDICTOR_ACTIVATIONS(X),
           choices_normalisations[] = INDEX_NORMALISATIONS(X), choices_permutations[] = PERMUTATIONS(X),
           choices_kd_forms[] = KD_FORMS(X);
#undef X

void options_real(const Args *args, const char *name, double *to) {
    if (args_text(args, name)) *to = args_real(args, name);
}

void options_count(const Args *args, const char *name, uint64_t *to) {
    if (args_text(args, name)) *to = args_integer(args, name);
}

void options_predictor(const Args *args, PredictorConfig *config) {
    config->base = args_real(args, "base");
    config->levels = (unsigned)args_integer(args, "levels");
    config->normalisation = (IndexNormalisation)args_choice(args, "normalise-indices");
    if (args_text(args, "permutation")) config->permutation = (PermutationKind)args_choice(args, "permutation");
    config->hidden = (unsigned)args_integer(args, "hidden");
    config->linear = (unsigned)args_integer(args, "linear");
    config->activation = (PredictorActivation)args_choice(args, "activation");
}

static bool set_layers(const Args *args, TrainConfig *config, Error *err) {
    const char *layers = args_text(args, "layers");
    if (layers && strlen(layers) >= sizeof config->layers) return error_set(err, STATUS_USAGE, "--layers is too long");
    if (layers) strcpy(config->layers, layers);
    return true;
}

bool options_network(const Args *args, const Network *network, const Dataset *images, TrainConfig *config,
                     uint64_t *kernels, Error *err) {
    uint64_t weights;
    bool *chosen = args_text(args, "layers") ? args_layers(args, network, true, err) : NULL;
    if (args_text(args, "layers") && !chosen) return false;
    predictor_count(network, chosen, kernels, &weights);
    train_defaults(config, images, weights);
    mem_free(chosen);
    return set_layers(args, config, err);
}

void options_kernels(const Args *args, TrainConfig *config) {
    if (args_text(args, "batch")) config->batch = (size_t)args_integer(args, "batch");
    config->sampling = (SamplingKind)args_choice(args, "sampling");
    config->magnitude_share = args_real(args, "magnitude");
    config->recon_form = (ReconForm)args_choice(args, "loss");
    config->refresh = args_flag(args, "exact") ? 1 : args_integer(args, "refresh");
}

/* The optimiser's own defaults, then what was given. */
void options_optimiser(const Args *args, TrainConfig *config) {
    OptimiserConfig *o = &config->optimiser;
    *o = optimiser_config((OptimiserKind)args_choice(args, "optimiser"));
    options_real(args, "beta1", &o->beta1);
    options_real(args, "beta2", &o->beta2);
    options_real(args, "epsilon", &o->epsilon);
    options_real(args, "momentum", &o->momentum);
    options_real(args, "weight-decay", &o->weight_decay);
    if (args_text(args, "centralise")) o->centralise = args_choice(args, "centralise") == 0;
    config->schedule = (ScheduleKind)args_choice(args, "schedule");
    options_real(args, "lr", &config->rate);
    config->rate_last = args_real(args, "lr-last");
    options_real(args, "clip", &config->clip);
}

void options_images(const Args *args, TrainConfig *config) {
    options_real(args, "alpha", &config->images.kd);
    if (args_text(args, "kd")) config->images.kd_form = (KdForm)args_choice(args, "kd");
    config->images.temperature = args_real(args, "temperature");
    if (args_text(args, "image-batch")) config->image_batch = (unsigned)args_integer(args, "image-batch");
    config->augment = args_choice(args, "augment") == 0;
}

void options_every(const Args *args, TrainConfig *config) {
    const uint64_t part = config->steps >= 20 ? config->steps / 20 : 1;
    const uint64_t fresh = train_on_images(config) ? 1 : config->refresh; /* steps at which the loss is fresh */
    config->evaluate_every = part;
    config->save_every = part < 1000 ? part : 1000;
    config->log_every = (config->steps / 1000 / fresh + 1) * fresh;
    options_count(args, "eval-every", &config->evaluate_every);
    options_count(args, "save-every", &config->save_every);
    options_count(args, "log-every", &config->log_every);
}

bool options_length(const Args *args, TrainConfig *config, Error *err) {
    const char *epochs = args_text(args, "epochs");
    if (args_text(args, "steps") && epochs)
        return error_set(err, STATUS_USAGE, "--steps and --epochs say the same in two ways; give one");
    options_count(args, "steps", &config->steps);
    if (epochs && !size_mul(args_integer(args, "epochs"), config->epoch_steps, &config->steps))
        return error_set(err, STATUS_USAGE, "--epochs is too large");
    options_every(args, config);
    return true;
}

/* ---- rules ------------------------------------------------------------------------------------------------------- */

bool options_check(const Args *args, const OptionRule *rules, size_t count, Error *err) {
    for (size_t i = 0; i < count; i++)
        if (args_value(args, rules[i].option)->given && !rules[i].met)
            return error_set(err, STATUS_USAGE, "--%s has a meaning only with %s", rules[i].option, rules[i].needs);
    return true;
}

bool options_check_kernels(const Args *args, const TrainConfig *config, Error *err) {
    const bool leaves_out = config->sampling != SAMPLING_ALL, recon = !train_on_images(config) || config->warm_up > 0;
    const OptionRule rules[] = {
        {"magnitude", "--sampling mixed", config->sampling == SAMPLING_MIXED},
        {"batch", "--sampling uniform, magnitude or mixed",
         config->sampling != SAMPLING_ALL && config->sampling != SAMPLING_LAYER},
        {"refresh", "a step that leaves kernels out", !args_flag(args, "exact") && leaves_out && recon},
        {"exact", "a step that leaves kernels out", leaves_out && recon},
    };
    return options_check(args, rules, sizeof rules / sizeof *rules, err);
}

bool options_check_optimiser(const Args *args, const TrainConfig *config, Error *err) {
    const bool adaptive = config->optimiser.kind != OPTIMISER_SGD;
    const OptionRule rules[] = {
        {"momentum", "--optimiser sgd", !adaptive},
        {"beta1", "an adaptive --optimiser", adaptive},
        {"beta2", "an adaptive --optimiser", adaptive},
        {"epsilon", "an adaptive --optimiser", adaptive},
        {"lr-last", "a --schedule that changes the rate", config->schedule != SCHEDULE_CONSTANT},
    };
    return options_check(args, rules, sizeof rules / sizeof *rules, err);
}
