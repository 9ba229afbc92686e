/* progressive -- rounds of reconstruction, each of the best reconstruction of the one before. */
#include "../rounds.h"
#include "../train_options.h"
#include "../session.h"
#include "../workspace.h"
#include "weft/base/error.h"
#include "weft/base/text.h"

typedef struct Progressive {
    TrainOptions train;
    const Object *select;
    unsigned rounds, patience;
} Progressive;

static bool progressive_settle(Session *session, Args *args, Error *err) {
    Progressive *p = args->options;
    TrainConfig *config = &p->train.config;
    uint64_t kernels;
    options_begin(session, args, &p->train);
    const uint64_t usual =
        p->train.recipe == RECIPE_PAPER ? train_paper_steps(options_classes(p->train.net->network)) : config->steps;
    options_optimiser(args, &p->train);
    if (!options_network(config, p->train.net->network, NULL, &kernels, err)) return false;
    if (p->train.exact) config->refresh = 1;
    args_write_given(args);
    return options_length(args, &p->train, usual, err) && options_check_refresh(args, config, err);
}

static bool progressive_command(Session *session, const Args *args, Result *result, Error *err) {
    const Progressive *p = args->options;
    Str folder = {0};
    ProgressiveJob job = {.train = {.config = p->train.config,
                                    .name = p->train.name,
                                    .command = args->line,
                                    .source = p->train.net->network,
                                    .data = p->train.on->dataset,
                                    .trials = p->train.trials,
                                    .task = &session->task},
                          .select = object_dataset(p->select),
                          .rounds = p->rounds,
                          .patience = p->patience};
    const Report report = {.data = job.train.data, .seed = session->seed, .task = &session->task};
    bool done = training_place(session, &p->train, &folder, err) &&
                workspace_accepts(session, job.train.name, OBJECT_NETWORK, err);
    if (folder.length) job.train.folder = str_text(&folder);
    if (done && p->train.background)
        done = rounds_in_background(session, &job, result, err);
    else if (done)
        done = rounds_run(session, job.train.name, p->train.monitor, &job, false,
                          p->train.report == REPORT_FULL ? &report : NULL, result, err);
    str_done(&folder);
    return done;
}

static const Setting positionals[] = {
    OBJECT(TrainOptions, net, NETWORK, "NET", NULL, .help = "the network to start from"), {0}};
static const Setting own[] = {
    INTEGER(Progressive, rounds, "rounds", "R", .min = 1, .max = 1000, .standard = "5",
            .help = "largest number of rounds"),
    INTEGER(TrainOptions, trials, "trials", "N", .min = 1, .max = 1000, .standard = "3",
            .help = "predictors per round, with different seeds; the best is kept"),
    OBJECT(TrainOptions, on, DATASET, "on", "DATA", .required = true,
           .help = "measure accuracy on these images, with its 95 % interval"),
    OBJECT(Progressive, select, DATASET, "select-on", "DATA", .usual = "the images of --on",
           .help = "select trials and rounds on these images, so that --on stays unseen"),
    INTEGER(Progressive, patience, "patience", "P", .min = 1, .max = 1000, .standard = "1",
            .help = "stop after P rounds in a row that do not beat the best so far"),
    WORD(TrainOptions, name, NEW, "into", "NEW", .required = true, .help = "name of the best network"),
    {0}};
static const SettingGroup options[] = {{own, 0},
                                       {train_length_settings, 0},
                                       {recipe_settings, 0},
                                       {watch_settings, 0},
                                       {background_settings, 0},
                                       PREDICTOR_GROUPS,
                                       STEP_GROUPS,
                                       {NULL, 0}};
static const SettingChange changes[] = {
    {.name = "steps", .standard = "10000", .help = "optimiser steps of every trial"},
    {.name = "refresh", .usual = "muon a fiftieth of the run, 20 to 100; else 20"},
    {.name = "optimiser", .usual = "muon"},
    {.name = "schedule", .usual = "muon one-cycle, else cosine"},
    {.name = "lr", .usual = "muon 0.03, soap 0.006, else 0.005"},
    {.name = NULL}};
static const char *const examples[] = {
    "progressive base --rounds 2 --trials 2 --hidden 24 --steps 60 --on test --patience 2 --into better",
    "progressive base --rounds 1 --trials 1 --hidden 24 --steps 40 --on test --select-on test --into chosen", NULL};

const Command command_progressive = {
    .name = "progressive",
    .group = "Predictors",
    .summary = "Repeat reconstruction in rounds, keeping the best",
    .description =
        "Round 1 trains predictors for NET, round 2 for the best reconstruction of round 1, and so on. A "
        "predictor that is large enough (a CR above 1, see --hidden) smooths what it reconstructs, and the paper "
        "(help paper) finds that accuracy rises for some rounds. Each round trains N predictors with different "
        "seeds and keeps the one with the most accurate reconstruction. The process stops when rounds no longer "
        "win, or after R rounds. NEW is the network of the best winning round, or NET itself if none won.\n\n"
        "The table has one row per round: mean and standard deviation of the trials' accuracy, the accuracy of "
        "the chosen trial with its 95 % interval and its comparison with NET image by image (* marks an exact "
        "McNemar p below 0.05; help significance), L_recon against the round's target and against NET, and, both against NET, the change "
        "of S_ratio (the paper's mean over the last half of the layers) and the mean absolute weight difference.\n\n"
        "Selecting and reporting on the same images overstates accuracy, the more so with many trials and rounds. "
        "The paper selects on its test images. With --select-on DATA, selection uses DATA and --on gives an "
        "unbiased estimate.\n\n"
        "--run FOLDER keeps every trial (round-N/trial-M), the network.safetensors and predictor.safetensors of "
        "each round, and finally the result, network.safetensors. `resume FOLDER` continues even in the middle of "
        "a trial and gives the same result.",
    .size = sizeof(Progressive),
    .positionals = positionals,
    .options = options,
    .changes = changes,
    .examples = examples,
    .settle = progressive_settle,
    .run = progressive_command,
    .table = true,
    .retries = true,
};
