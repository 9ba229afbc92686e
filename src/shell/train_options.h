/* train_options -- the settings that train, progressive and fit share, and what follows from them. Private to
 * src/shell. */
#ifndef WEFT_SHELL_TRAIN_OPTIONS_H
#define WEFT_SHELL_TRAIN_OPTIONS_H

#include "report.h"
#include "weft/base/error.h"
#include "weft/train.h"

/* Where defaults come from: what was found here, or the paper. */
#define RECIPES(X) X(USUAL, "usual") X(PAPER, "paper")
typedef enum Recipe { RECIPE_USUAL, RECIPE_PAPER } Recipe;

/* The first member of the structs of these commands; rows of src/train fill `config`. */
typedef struct TrainOptions {
    TrainConfig config;
    const char *name; /* of the new predictor or network */
    const Object *net, *teacher, *data, *on;
    const char *run;
    ReportKind report;
    bool monitor, background, exact;
    uint64_t epochs;
    unsigned trials;
    Recipe recipe;
} TrainOptions;

/* Rows of the fields other than `config`. */
extern const Setting watch_settings[], background_settings[], epochs_settings[], exact_settings[], teacher_settings[],
    recipe_settings[];

/* What makes up a predictor and its batches of kernels, and how steps are taken and counted. */
#define PREDICTOR_GROUPS                                                                              \
    {train_layer_settings, 0}, {predictor_size_settings, offsetof(TrainOptions, config.predictor)},   \
        {predictor_settings, offsetof(TrainOptions, config.predictor)}, {train_kernel_settings, 0}, { \
        exact_settings, 0                                                                             \
    }
#define STEP_GROUPS                                                                                     \
    {train_optimiser_settings, offsetof(TrainOptions, config.optimiser)}, {train_schedule_settings, 0}, \
        {train_every_settings, 0}, {                                                                    \
        train_engine_settings, 0                                                                        \
    }

/* A configuration of the usual values, under the command's own defaults and what was given; the seed. */
void options_begin(const Session *session, Args *args, TrainOptions *options);
/* The usual values (train_defaults) of the network, its chosen layers and the images to train on (NULL: none).
 * *kernels: how many the predictor will have. */
bool options_network(TrainConfig *config, const Network *network, const Dataset *images, uint64_t *kernels, Error *err);
/* The optimiser that the scheme and the recipe choose where none was given; before options_network and train_defaults,
 * which choose its learning rate. */
void options_optimiser(const Args *args, TrainOptions *options);
unsigned options_classes(const Network *network); /* of its images; 10 where the network cannot run */
/* What was given, over usual values; then the steps (`usual` of them, or --epochs) and what is done every so many. */
bool options_length(Args *args, TrainOptions *options, uint64_t usual, Error *err);
/* STATUS_USAGE where --exact or --refresh is given and steps take all kernels anyway. */
bool options_check_refresh(const Args *args, const TrainConfig *config, Error *err);

#endif
