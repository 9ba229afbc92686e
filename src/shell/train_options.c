/* train_options -- see train_options.h. */
#include "train_options.h"

#include <string.h>

#include "weft/base/error.h"
#include "weft/base/memory.h"
#include "weft/base/size.h"

const Setting watch_settings[] = {
    WORD(TrainOptions, run, OUTPUT, "run", "FOLDER",
         .help = "keep the run in this folder: configuration, log, checkpoints; `resume FOLDER` continues it"),
    REPORT_ROW(TrainOptions, report),
    FLAG(TrainOptions, monitor, "monitor", .excludes = "background",
         .help = "show the run full-screen: curves; keys to pause, save and stop"),
    {0}};
const Setting background_settings[] = {
    FLAG(TrainOptions, background, "background",
         .help = "run in another process and return to the prompt; without --run the folder is runs/NAME"),
    {0}};
const Setting epochs_settings[] = {
    INTEGER(TrainOptions, epochs, "epochs", "N", .min = 1, .max = SETTINGS_COUNT_MAX,
            .help = "set the steps as passes over the images of --data, or without images over the kernels"),
    {0}};
const Setting exact_settings[] = {FLAG(TrainOptions, exact, "exact", .excludes = "refresh",
                                       .help = "evaluate the loss over all kernels in every step"),
                                  {0}};
const Setting teacher_settings[] = {OBJECT(TrainOptions, teacher, NETWORK, "teacher", "NET",
                                           .usual = "the network itself", .needs = "scheme=joint|distil",
                                           .help = "teacher network, of any architecture with the same classes"),
                                    {0}};

const Setting recipe_settings[] = {CHOICE(TrainOptions, recipe, "recipe", "NAME", RECIPES, .standard = "usual",
                                          .help = "optimiser, learning rate, schedule and steps where nothing is said: "
                                                  "weft's own, or the paper's"),
                                   {0}};

void options_begin(const Session *session, Args *args, TrainOptions *options) {
    options->config = train_config();
    args_write_all(args);
    options->config.seed = args_seed(session, args);
}

bool options_network(TrainConfig *config, const Network *network, const Dataset *images, uint64_t *kernels,
                     Error *err) {
    uint64_t weights;
    bool *chosen = *config->layers ? choose_layers(network, config->layers, CHOOSE_CONVOLUTIONS, err) : NULL;
    if (*config->layers && !chosen) return false;
    predictor_count(network, chosen, kernels, &weights);
    train_defaults(config, images, weights);
    mem_free(chosen);
    return true;
}

void options_optimiser(const Args *args, TrainOptions *options) {
    OptimiserConfig *optimiser = &options->config.optimiser;
    if (!args_given(args, "optimiser"))
        optimiser->kind = options->recipe == RECIPE_PAPER ? OPTIMISER_RANGER : train_optimiser(options->config.scheme);
    *optimiser = optimiser_config(optimiser->kind);
}

unsigned options_classes(const Network *network) {
    return network->graph ? network->graph->classes : 10;
}

/* Muon's step does not depend on the size of the gradient: the loss over all kernels is for the log alone. */
static void set_refresh(const Args *args, TrainConfig *config) {
    enum { PART = 50, LEAST = 20, MOST = 100 };
    const uint64_t part = config->steps / PART;
    if (config->optimiser.kind != OPTIMISER_MUON || config->scheme != SCHEME_RECON || args_given(args, "exact")) return;
    config->refresh = part < LEAST ? LEAST : part > MOST ? MOST : part;
}

static void set_every(TrainConfig *config) {
    const uint64_t part = config->steps >= 20 ? config->steps / 20 : 1;
    const uint64_t fresh = train_on_images(config) ? 1 : config->refresh; /* steps at which the loss is fresh */
    config->evaluate_every = part;
    config->save_every = part < 1000 ? part : 1000;
    config->log_every = (config->steps / 1000 / fresh + 1) * fresh;
}

bool options_length(Args *args, TrainOptions *options, uint64_t usual, Error *err) {
    TrainConfig *config = &options->config;
    if (args_given(args, "steps") && options->epochs > 0)
        return error_set(err, STATUS_USAGE, "--steps and --epochs both set the length; give one");
    config->steps = usual;
    args_write_given(args);
    if (options->epochs > 0 && !size_mul(options->epochs, config->epoch_steps, &config->steps))
        return error_set(err, STATUS_USAGE, "--epochs is too large");
    set_refresh(args, config);
    args_write_given(args);
    set_every(config);
    args_write_given(args);
    return true;
}

bool options_check_refresh(const Args *args, const TrainConfig *config, Error *err) {
    const char *option = args_given(args, "exact") ? "exact" : args_given(args, "refresh") ? "refresh" : NULL;
    const bool recon = !train_on_images(config) || config->warm_up > 0;
    return !option || (config->sampling != SAMPLING_ALL && recon) ||
           error_set(err, STATUS_USAGE, "--%s needs steps on L_recon that do not use all kernels", option);
}
