/* settings -- the rows of a training's configuration: used by train, fit, progressive and config.json. */
#include "train/internal.h"

#define LEAST_AND_MORE .min = 1, .max = SETTINGS_COUNT_MAX
#define NOT_NEGATIVE .min = 0, .max = SETTING_NO_LIMIT

const Setting train_layer_settings[] = {WORD(TrainConfig, layers, LAYERS, "layers", "SEL", .standard = "",
                                             .usual = "the convolutions that the architecture predicts",
                                             .excludes = "from",
                                             .help = "which convolutions are predicted (help selectors)"),
                                        {0}};

const Setting train_kernel_settings[] = {
    INTEGER(TrainConfig, batch, "batch", "N", LEAST_AND_MORE, .standard = "4096",
            .usual = "4096; above 5 million predicted weights 65536", .needs = "sampling=mixed|uniform|magnitude",
            .help = "kernels per step"),
    CHOICE(TrainConfig, sampling, "sampling", "HOW", SAMPLINGS, .standard = "mixed",
           .help = "how a step draws its kernels: uniformly with some steps by magnitude (mixed), uniformly, by "
                   "magnitude, all of them, or those of one layer"),
    REAL(TrainConfig, magnitude_share, "magnitude", "SHARE", .max = 1, .standard = "0.2", .key = "magnitude_share",
         .needs = "sampling=mixed", .help = "fraction of the steps that draw by magnitude"),
    CHOICE(TrainConfig, recon_form, "loss", "FORM", RECON_FORMS, .standard = "rms",
           .help = "L_recon as the root of the mean square, or as the mean square"),
    INTEGER(TrainConfig, refresh, "refresh", "N", LEAST_AND_MORE, .standard = "20",
            .usual = "muon a fiftieth of the run, 20 to 100; joint 1; else 20",
            .help = "steps between evaluations of the loss over all kernels"),
    {0}};

const Setting train_image_settings[] = {
    REAL(TrainConfig, images.kd, "alpha", "A", NOT_NEGATIVE, .key = "kd", .standard = "0",
         .usual = "joint 1e-4, for more than 10 classes 1e-5, above 100 1e-6; distil 0.01",
         .needs = "scheme=joint|distil", .help = "weight of L_KD"),
    CHOICE(TrainConfig, images.kd_form, "kd", "FORM", KD_FORMS, .key = "kd_form", .standard = "plain",
           .usual = "plain; joint stable", .needs = "alpha>0",
           .help = "L_KD as the Kullback-Leibler divergence (plain), or with 1e-4 under the logarithm (stable)"),
    REAL(TrainConfig, images.temperature, "temperature", "T", .open_min = true, .standard = "1", .needs = "alpha>0",
         .help = "divide the logits of L_KD by T and multiply the loss by T squared"),
    INTEGER(TrainConfig, image_batch, "image-batch", "N", .min = 1, .max = 65536, .standard = "256",
            .usual = "256; above 100 classes 32", .needs = "scheme=joint|distil", .help = "images per step"),
    SWITCH(TrainConfig, augment, "augment", "on|off", .standard = "on", .needs = "scheme=joint|distil",
           .help = "crop at random with padding 4 and flip horizontally"),
    {0}};

/* Losses that only predictors have. */
const Setting train_map_settings[] = {
    REAL(TrainConfig, images.fmd, "beta", "B", NOT_NEGATIVE, .key = "fmd", .standard = "0",
         .usual = "joint as --alpha; distil 0", .needs = "scheme=joint|distil",
         .help = "weight of L_FMD, feature-map distillation"),
    SWITCH(TrainConfig, images.fmd_aliased, "fmd-maps", "MAPS", .key = "fmd_aliased",
           .choices = (const char *const[]){"distinct", "aliased", NULL}, .standard = "distinct", .needs = "beta>0",
           .help = "count every map before a ReLU once (distinct), or as the reference implementation does (aliased)"),
    INTEGER(TrainConfig, warm_up, "warm-up", "N", .max = SETTINGS_COUNT_MAX, .standard = "0", .needs = "scheme=joint",
            .help = "number of first steps on L_recon alone"),
    {0}};

/* Losses that only networks have. */
const Setting train_label_settings[] = {REAL(TrainConfig, images.label_smoothing, "label-smoothing", "S", .max = 1,
                                             .open_max = true, .standard = "0",
                                             .help = "smooth the cross-entropy's targets by S"),
                                        {0}};

const Setting train_schedule_settings[] = {
    REAL(TrainConfig, rate, "lr", "RATE", .open_min = true, .key = "rate", .standard = "0.005",
         .usual = "muon 0.03, soap 0.006, else 0.005; distil 0.0003",
         .help = "learning rate that the schedule starts from"),
    REAL(TrainConfig, rate_last, "lr-last", "RATE", .open_min = true, .key = "rate_last", .standard = "1e-6",
         .needs = "schedule=cosine|exponential|one-cycle", .help = "learning rate at the end of the schedule"),
    CHOICE(TrainConfig, schedule, "schedule", "KIND", SCHEDULES, .standard = "cosine",
           .usual = "muon on recon one-cycle, else cosine", .help = "course of the learning rate"),
    REAL(TrainConfig, clip, "clip", "NORM", NOT_NEGATIVE, .standard = "0", .usual = "0, not limited",
         .help = "largest gradient norm"),
    {0}};

const Setting train_optimiser_settings[] = {
    CHOICE(OptimiserConfig, kind, "optimiser", "KIND", OPTIMISERS, .standard = "ranger",
           .usual = "recon muon, else ranger",
           .help =
               "optimiser; Ranger is RAdam with Lookahead, Muon makes the update of each matrix orthogonal, SOAP is "
               "Adam in the eigenbasis of Shampoo's preconditioner"),
    REAL(OptimiserConfig, weight_decay, "weight-decay", "W", .max = 1, .standard = "0",
         .usual = "ranger 0.001, adamw 0.01, else 0", .help = "weight decay"),
    REAL(OptimiserConfig, beta1, "beta1", "B", .max = 1, .open_max = true, .standard = "0.9",
         .usual = "0.9; ranger 0.5, soap 0.95", .needs = "optimiser!=sgd", .help = "decay rate of the first moment"),
    REAL(OptimiserConfig, beta2, "beta2", "B", .max = 1, .open_max = true, .standard = "0.999",
         .usual = "0.999; soap 0.95", .needs = "optimiser!=sgd", .help = "decay rate of the second moment"),
    REAL(OptimiserConfig, epsilon, "epsilon", "E", .open_min = true, .standard = "1e-8", .usual = "1e-8; ranger 1e-5",
         .needs = "optimiser!=sgd", .help = "term that keeps the adaptive step finite"),
    REAL(OptimiserConfig, momentum, "momentum", "M", .max = 1, .open_max = true, .standard = "0.9",
         .usual = "sgd 0.9, muon 0.95", .needs = "optimiser=sgd|muon", .help = "Nesterov momentum"),
    SWITCH(OptimiserConfig, centralise, "centralise", "on|off", .standard = "off", .usual = "off; ranger on",
           .help = "subtract the row means from the gradients of matrices"),
    CHOICE(OptimiserConfig, matrices, "matrices", "WHICH", OPTIMISER_MATRICES, .standard = "all",
           .needs = "optimiser=muon|soap",
           .help =
               "matrices that muon and soap take: all, all but the last, or all but the first and the last (hidden); "
               "Adam takes everything else"),
    REAL(OptimiserConfig, rest_rate, "rest-lr", "SHARE", .open_min = true, .max = 100, .key = "rest_rate",
         .standard = "0.1", .usual = "muon 0.1, soap 1", .needs = "optimiser=muon|soap",
         .help = "learning rate of everything else, as a fraction of --lr"),
    INTEGER(OptimiserConfig, iterations, "ns-steps", "N", .min = 1, .max = 100, .standard = "5",
            .needs = "optimiser=muon", .help = "Newton-Schulz iterations per step"),
    INTEGER(OptimiserConfig, basis_every, "basis-every", "N", .min = 1, .max = 1000000, .standard = "10",
            .needs = "optimiser=soap", .help = "steps between refreshes of the bases"),
    INTEGER(OptimiserConfig, basis_limit, "basis-limit", "N", .max = 16384, .standard = "1024",
            .needs = "optimiser=soap", .help = "longest side of a matrix that has a basis of its own"),
    INTEGER(OptimiserConfig, lookahead, "lookahead", NULL, .internal = true, .standard = "0"),
    REAL(OptimiserConfig, pull, "pull", NULL, .internal = true, .standard = "0.5"),
    REAL(OptimiserConfig, threshold, "threshold", NULL, .internal = true, .standard = "5"),
    {0}};

const Setting train_length_settings[] = {
    INTEGER(TrainConfig, steps, "steps", "N", LEAST_AND_MORE, .standard = "20000",
            .usual = "recon 20000; joint 350 epochs, for more than 10 classes 450; distil 100 epochs",
            .help = "optimiser steps"),
    {0}};

const Setting train_every_settings[] = {
    INTEGER(TrainConfig, evaluate_every, "eval-every", "N", .max = SETTINGS_COUNT_MAX, .key = "evaluate_every",
            .standard = "1000", .usual = "a twentieth of the run", .help = "steps between evaluations"),
    INTEGER(TrainConfig, save_every, "save-every", "N", .max = SETTINGS_COUNT_MAX, .standard = "1000",
            .usual = "a twentieth of the run, at most 1000", .help = "steps between checkpoints"),
    INTEGER(TrainConfig, log_every, "log-every", "N", .max = SETTINGS_COUNT_MAX, .standard = "20",
            .usual = "a thousandth of the run, in multiples of --refresh", .help = "steps between rows of the log"),
    {0}};

const Setting train_engine_settings[] = {CONVOLUTIONS_ROW(TrainConfig), {0}};

/* What no option says. */
static const Setting run_settings[] = {
    CHOICE(TrainConfig, scheme, "scheme", NULL, SCHEMES, .internal = true),
    INTEGER(TrainConfig, seed, "seed", NULL, .internal = true),
    INTEGER(TrainConfig, epoch_steps, "epoch_steps", NULL, LEAST_AND_MORE, .internal = true, .standard = "196"),
    {0}};
static const Setting recon_settings[] = {
    REAL(TrainConfig, recon, "recon", NULL, NOT_NEGATIVE, .internal = true, .standard = "1"), {0}};
static const Setting cross_entropy_settings[] = {
    REAL(TrainConfig, images.cross_entropy, "cross_entropy", NULL, NOT_NEGATIVE, .internal = true, .standard = "0"),
    {0}};

#define OF_ALL                                                                                      \
    {run_settings, 0}, {train_length_settings, 0}, {train_image_settings, 0},                       \
        {train_optimiser_settings, offsetof(TrainConfig, optimiser)}, {train_schedule_settings, 0}, \
        {train_every_settings, 0}, {                                                                \
        train_engine_settings, 0                                                                    \
    }
#define OF_PREDICTORS                                                                                                  \
    {predictor_size_settings, offsetof(TrainConfig, predictor)},                                                       \
        {predictor_settings, offsetof(TrainConfig, predictor)}, {train_layer_settings, 0}, {train_kernel_settings, 0}, \
        {train_map_settings, 0}, {                                                                                     \
        recon_settings, 0                                                                                              \
    }
#define OF_NETWORKS               \
    {train_label_settings, 0}, {  \
        cross_entropy_settings, 0 \
    }

const SettingGroup *train_config_settings(SchemeKind scheme) {
    static const SettingGroup predictors[] = {OF_ALL, OF_PREDICTORS, {NULL, 0}},
                              networks[] = {OF_ALL, OF_NETWORKS, {NULL, 0}};
    return scheme == SCHEME_FIT ? networks : predictors;
}

TrainConfig train_config(void) {
    static const SettingGroup all[] = {OF_ALL, OF_PREDICTORS, OF_NETWORKS, {NULL, 0}};
    TrainConfig config = {.scheme = SCHEME_RECON};
    settings_standard(all, &config);
    config.optimiser = optimiser_config(config.optimiser.kind);
    return config;
}

double optimiser_rate(OptimiserKind kind) {
    return kind == OPTIMISER_MUON ? 0.03 : kind == OPTIMISER_SOAP ? 0.006 : 0.005;
}

OptimiserConfig optimiser_config(OptimiserKind kind) {
    static const SettingGroup all[] = {{train_optimiser_settings, 0}, {NULL, 0}};
    OptimiserConfig config = {0};
    settings_standard(all, &config);
    config.kind = kind;
    if (kind == OPTIMISER_ADAMW) config.weight_decay = 0.01;
    if (kind == OPTIMISER_MUON) config.momentum = 0.95;
    if (kind == OPTIMISER_SOAP) {
        config.beta1 = config.beta2 = 0.95;
        config.rest_rate = 1;
    }
    if (kind != OPTIMISER_RANGER) return config;
    config.beta1 = 0.5;
    config.epsilon = 1e-5;
    config.weight_decay = 1e-3;
    config.centralise = true;
    config.lookahead = 6;
    return config;
}
