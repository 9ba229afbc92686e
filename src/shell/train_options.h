/* train_options -- the options that train, progressive and fit share: their records, in groups, and what they set.
 * Private to src/shell. */
#ifndef WEFT_SHELL_TRAIN_OPTIONS_H
#define WEFT_SHELL_TRAIN_OPTIONS_H

#include "report.h"
#include "session.h"
#include "weft/base/error.h"
#include "weft/train.h"

enum { COUNT_MOST = 1000000000 };

/* Names of the closed sets, "|a|b|c". */
extern const char choices_optimisers[], choices_schedules[], choices_samplings[], choices_losses[],
    choices_activations[], choices_normalisations[], choices_permutations[], choices_kd_forms[];

/* The predictor: which layers, its MLP, its encoding. */
#define OPTIONS_PREDICTOR                                                                                           \
    {.name = "layers",                                                                                              \
     .kind = ARG_LAYERS,                                                                                            \
     .value = "SEL",                                                                                                \
     .help = "which convolutions are predicted (help selectors)"},                                                  \
        {.name = "hidden",                                                                                          \
         .kind = ARG_INTEGER,                                                                                       \
         .value = "H",                                                                                              \
         .min = 1,                                                                                                  \
         .max = 8192,                                                                                               \
         .standard = "140",                                                                                         \
         .help = "width of the hidden layers"},                                                                     \
        {.name = "linear",                                                                                          \
         .kind = ARG_INTEGER,                                                                                       \
         .value = "N",                                                                                              \
         .min = 2,                                                                                                  \
         .max = MLP_LAYERS_MAX,                                                                                     \
         .standard = "5",                                                                                           \
         .help = "linear layers of the predictor"},                                                                 \
        {.name = "activation",                                                                                      \
         .kind = ARG_CHOICE,                                                                                        \
         .value = "KIND",                                                                                           \
         .choices = choices_activations + 1,                                                                        \
         .standard = "relu",                                                                                        \
         .help = "between the linear layers"},                                                                      \
        {.name = "permutation",                                                                                     \
         .kind = ARG_CHOICE,                                                                                        \
         .value = "ORDER",                                                                                          \
         .choices = choices_permutations + 1,                                                                       \
         .help = "order in which kernels are encoded (in-filter; cross-filter above 5 million predicted weights)"}, \
        {.name = "base",                                                                                            \
         .kind = ARG_REAL,                                                                                          \
         .value = "B",                                                                                              \
         .above_min = true,                                                                                         \
         .standard = "0.76",                                                                                        \
         .help = "of the frequencies base^j of the encoding"},                                                      \
        {.name = "levels",                                                                                          \
         .kind = ARG_INTEGER,                                                                                       \
         .value = "N",                                                                                              \
         .min = 1,                                                                                                  \
         .max = 1000,                                                                                               \
         .standard = "40",                                                                                          \
         .help = "frequencies of the encoding"},                                                                    \
    {                                                                                                               \
        .name = "normalise-indices", .kind = ARG_CHOICE, .value = "HOW", .choices = choices_normalisations + 1,     \
        .standard = "none", .help = "indices divided by the layer's size, the largest size, or as they are"         \
    }

/* L_recon and the batches of kernels. */
#define OPTIONS_KERNELS                                                                                                     \
    {.name = "batch",                                                                                                       \
     .kind = ARG_INTEGER,                                                                                                   \
     .value = "N",                                                                                                          \
     .min = 1,                                                                                                              \
     .max = COUNT_MOST,                                                                                                     \
     .help = "kernels whose gradient a step takes (4096; 65536 above 5 million predicted weights)"},                        \
        {.name = "sampling",                                                                                                \
         .kind = ARG_CHOICE,                                                                                                \
         .value = "HOW",                                                                                                    \
         .choices = choices_samplings + 1,                                                                                  \
         .standard = "mixed",                                                                                               \
         .help =                                                                                                            \
             "how they are drawn: uniform, by magnitude, uniform with a share of magnitude steps (mixed), all, one layer"}, \
        {.name = "magnitude",                                                                                               \
         .kind = ARG_REAL,                                                                                                  \
         .value = "SHARE",                                                                                                  \
         .max = 1,                                                                                                          \
         .standard = "0.2",                                                                                                 \
         .help = "share of steps by magnitude of mixed sampling"},                                                          \
        {.name = "loss",                                                                                                    \
         .kind = ARG_CHOICE,                                                                                                \
         .value = "FORM",                                                                                                   \
         .choices = choices_losses + 1,                                                                                     \
         .standard = "rms",                                                                                                 \
         .help = "L_recon: the root of the mean square, or the mean square"},                                               \
        {.name = "refresh",                                                                                                 \
         .kind = ARG_INTEGER,                                                                                               \
         .value = "N",                                                                                                      \
         .min = 1,                                                                                                          \
         .max = COUNT_MOST,                                                                                                 \
         .standard = "20",                                                                                                  \
         .help = "steps between evaluations of the loss over all kernels"},                                                 \
    {                                                                                                                       \
        .name = "exact", .kind = ARG_FLAG, .help = "evaluate all kernels in every step"                                     \
    }

/* Where the run is kept, and how it is watched. */
#define OPTIONS_WATCH                                                                                   \
    {.name = "run",                                                                                     \
     .kind = ARG_OUTPUT,                                                                                \
     .value = "FOLDER",                                                                                 \
     .help = "keep the run: configuration, log, checkpoints; resume goes on from it"},                  \
        OPTION_REPORT, {                                                                                \
        .name = "monitor", .kind = ARG_FLAG, .help = "watch full-screen: curves, pause, save now, stop" \
    }

#define OPTIONS_BACKGROUND(name_of)                                                                                    \
    {                                                                                                                  \
        .name = "background", .kind = ARG_FLAG,                                                                        \
        .help =                                                                                                        \
            "train in another process and leave the prompt free (FOLDER is runs/" name_of " where --run is not given)" \
    }

/* How long. */
#define OPTIONS_LENGTH(usual)                                                                  \
    {.name = "steps",                                                                          \
     .kind = ARG_INTEGER,                                                                      \
     .value = "N",                                                                             \
     .min = 1,                                                                                 \
     .max = COUNT_MOST,                                                                        \
     .help = "optimiser steps (" usual ")"},                                                   \
    {                                                                                          \
        .name = "epochs", .kind = ARG_INTEGER, .value = "N", .min = 1, .max = COUNT_MOST,      \
        .help = "steps as passes over the images of --data (without images: over the kernels)" \
    }

/* What is done between steps. */
#define OPTIONS_EVERY                                                                                      \
    {.name = "eval-every",                                                                                 \
     .kind = ARG_INTEGER,                                                                                  \
     .value = "N",                                                                                         \
     .max = COUNT_MOST,                                                                                    \
     .help = "steps between evaluations (a twentieth of the run)"},                                        \
        {.name = "save-every",                                                                             \
         .kind = ARG_INTEGER,                                                                              \
         .value = "N",                                                                                     \
         .max = COUNT_MOST,                                                                                \
         .help = "steps between checkpoints (a twentieth of the run, at most 1000)"},                      \
    {                                                                                                      \
        .name = "log-every", .kind = ARG_INTEGER, .value = "N", .max = COUNT_MOST,                         \
        .help = "steps between rows of the log (about a thousandth of the run, in multiples of --refresh)" \
    }

/* The optimiser and its schedule. */
#define OPTIONS_OPTIMISER(which, first_rate, last_rate, course, rate_help)                                            \
    {.name = "optimiser",                                                                                             \
     .kind = ARG_CHOICE,                                                                                              \
     .value = "KIND",                                                                                                 \
     .choices = choices_optimisers + 1,                                                                               \
     .standard = which,                                                                                               \
     .help = "Ranger is RAdam with Lookahead"},                                                                       \
        {.name = "lr",                                                                                                \
         .kind = ARG_REAL,                                                                                            \
         .value = "RATE",                                                                                             \
         .above_min = true,                                                                                           \
         .standard = first_rate,                                                                                      \
         .help = rate_help},                                                                                          \
        {.name = "lr-last",                                                                                           \
         .kind = ARG_REAL,                                                                                            \
         .value = "RATE",                                                                                             \
         .above_min = true,                                                                                           \
         .standard = last_rate,                                                                                       \
         .help = "learning rate at the end of the schedule"},                                                         \
        {.name = "schedule",                                                                                          \
         .kind = ARG_CHOICE,                                                                                          \
         .value = "KIND",                                                                                             \
         .choices = choices_schedules + 1,                                                                            \
         .standard = course,                                                                                          \
         .help = "of the learning rate"},                                                                             \
        {.name = "weight-decay",                                                                                      \
         .kind = ARG_REAL,                                                                                            \
         .value = "W",                                                                                                \
         .max = 1,                                                                                                    \
         .help = "of the optimiser (ranger 0.001, adamw 0.01, else 0)"},                                              \
        {.name = "beta1",                                                                                             \
         .kind = ARG_REAL,                                                                                            \
         .value = "B",                                                                                                \
         .max = 0.999999,                                                                                             \
         .help = "of the first moment (ranger 0.5, adam 0.9)"},                                                       \
        {.name = "beta2", .kind = ARG_REAL, .value = "B", .max = 0.99999999, .help = "of the second moment (0.999)"}, \
        {.name = "epsilon",                                                                                           \
         .kind = ARG_REAL,                                                                                            \
         .value = "E",                                                                                                \
         .above_min = true,                                                                                           \
         .help = "of the adaptive step (ranger 1e-5, adam 1e-8)"},                                                    \
        {.name = "momentum", .kind = ARG_REAL, .value = "M", .max = 0.999999, .help = "of sgd (0.9, Nesterov)"},      \
        {.name = "centralise",                                                                                        \
         .kind = ARG_CHOICE,                                                                                          \
         .value = "on|off",                                                                                           \
         .choices = "on|off",                                                                                         \
         .help = "take the row means off the gradients of matrices (ranger on, else off)"},                           \
    {                                                                                                                 \
        .name = "clip", .kind = ARG_REAL, .value = "NORM", .above_min = true, .help = "largest gradient norm"         \
    }

/* Losses on images. */
#define OPTIONS_IMAGES                                                                                           \
    {.name = "teacher",                                                                                          \
     .kind = ARG_NETWORK,                                                                                        \
     .value = "NET",                                                                                             \
     .help = "the network whose logits are learnt: any architecture with the same classes"},                     \
        {.name = "alpha", .kind = ARG_REAL, .value = "A", .help = ALPHA_HELP},                                   \
        {.name = "kd",                                                                                           \
         .kind = ARG_CHOICE,                                                                                     \
         .value = "FORM",                                                                                        \
         .choices = choices_kd_forms + 1,                                                                        \
         .help = "L_KD: the Kullback-Leibler divergence (plain), or with 1e-4 under the logarithm (stable; the " \
                 "default of joint)"},                                                                           \
        {.name = "temperature",                                                                                  \
         .kind = ARG_REAL,                                                                                       \
         .value = "T",                                                                                           \
         .above_min = true,                                                                                      \
         .standard = "1",                                                                                        \
         .help = "of L_KD: logits over T, the loss times T squared"},                                            \
        {.name = "image-batch",                                                                                  \
         .kind = ARG_INTEGER,                                                                                    \
         .value = "N",                                                                                           \
         .min = 1,                                                                                               \
         .max = 65536,                                                                                           \
         .help = "images of a step (256)"},                                                                      \
    {                                                                                                            \
        .name = "augment", .kind = ARG_CHOICE, .value = "on|off", .choices = "on|off", .standard = "on",         \
        .help = "random crop with padding 4 and horizontal flip of the images"                                   \
    }

void options_predictor(const Args *args, PredictorConfig *config);
/* What follows from the network and its layers that are chosen, and from the images to train on (NULL: none): the
 * usual values (train_defaults) and the selector. *kernels: how many the predictor will have. */
bool options_network(const Args *args, const Network *network, const Dataset *images, TrainConfig *config,
                     uint64_t *kernels, Error *err);
void options_kernels(const Args *args, TrainConfig *config);
void options_optimiser(const Args *args, TrainConfig *config);
void options_images(const Args *args, TrainConfig *config);
/* Steps from --steps or --epochs of `epoch_steps`, and what is done every so many; config->steps is the default. */
bool options_length(const Args *args, TrainConfig *config, Error *err);
/* As options_length does it, for steps that are settled. */
void options_every(const Args *args, TrainConfig *config);
void options_real(const Args *args, const char *name, double *to);    /* where it is given */
void options_count(const Args *args, const char *name, uint64_t *to); /* the same */

/* An option that says something only beside others. */
typedef struct OptionRule {
    const char *option, *needs;
    bool met;
} OptionRule;
bool options_check(const Args *args, const OptionRule *rules, size_t count, Error *err);
bool options_check_kernels(const Args *args, const TrainConfig *config, Error *err);
bool options_check_optimiser(const Args *args, const TrainConfig *config, Error *err);

#endif
