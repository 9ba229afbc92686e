/* progressive -- rounds of reconstruction, each of the best reconstruction of the one before. */
#include "../rounds.h"
#include "../train_options.h"
#include "weft/base/error.h"
#include "weft/base/text.h"

static bool set_config(Session *session, const Args *args, TrainConfig *config, Error *err) {
    uint64_t kernels;
    *config = train_config();
    config->seed = session->seed;
    if (!options_network(args, args_network(args, "NET"), NULL, config, &kernels, err)) return false;
    options_kernels(args, config);
    options_predictor(args, &config->predictor);
    options_optimiser(args, config);
    config->steps = 10000;
    options_count(args, "steps", &config->steps);
    options_every(args, config);
    return options_check_kernels(args, config, err) && options_check_optimiser(args, config, err);
}

static bool run(Session *session, const Args *args, Result *result, Error *err) {
    Str folder = {0};
    ProgressiveJob job = {.train = {.name = args_text(args, "into"),
                                    .command = args->line,
                                    .source = args_network(args, "NET"),
                                    .data = args_dataset(args, "on"),
                                    .trials = (unsigned)args_integer(args, "trials"),
                                    .task = &session->task},
                          .select = args_dataset(args, "select-on"),
                          .rounds = (unsigned)args_integer(args, "rounds"),
                          .patience = (unsigned)args_integer(args, "patience")};
    bool full, background;
    const Report report = {.data = job.train.data, .seed = session->seed, .task = &session->task};
    bool done = training_place(session, args, job.train.name, &folder, &background, err) &&
                report_wanted(args, job.train.data, &full, err) &&
                workspace_accepts(session, job.train.name, OBJECT_NETWORK, err) &&
                set_config(session, args, &job.train.config, err);
    if (folder.length) job.train.folder = str_text(&folder);
    if (done && background)
        done = rounds_in_background(session, &job, result, err);
    else if (done)
        done = rounds_run(session, job.train.name, args_flag(args, "monitor"), &job, false, full ? &report : NULL,
                          result, err);
    str_done(&folder);
    return done;
}

static const ArgSpec positionals[] = {{.name = "NET", .kind = ARG_NETWORK, .help = "the network to begin with"}, {0}};
static const ArgSpec options[] = {
    {.name = "rounds",
     .kind = ARG_INTEGER,
     .value = "R",
     .min = 1,
     .max = 1000,
     .standard = "5",
     .help = "most rounds"},
    {.name = "trials",
     .kind = ARG_INTEGER,
     .value = "N",
     .min = 1,
     .max = 1000,
     .standard = "3",
     .help = "predictors a round, with seeds of their own; the best is kept"},
    {.name = "on", .kind = ARG_DATASET, .value = "DATA", .required = true, .help = "measure accuracy on these images"},
    {.name = "select-on",
     .kind = ARG_DATASET,
     .value = "DATA",
     .help = "choose trials and rounds on these images instead, so that --on stays unseen"},
    {.name = "patience",
     .kind = ARG_INTEGER,
     .value = "P",
     .min = 1,
     .max = 1000,
     .standard = "1",
     .help = "stop after P rounds in a row that did not beat the best so far"},
    {.name = "into", .kind = ARG_NEW, .value = "NEW", .required = true, .help = "what to call the best network"},
    {.name = "steps",
     .kind = ARG_INTEGER,
     .value = "N",
     .min = 1,
     .max = COUNT_MOST,
     .help = "optimiser steps of every trial (10000)"},
    OPTIONS_WATCH,
    OPTIONS_BACKGROUND("NEW"),
    OPTIONS_PREDICTOR,
    OPTIONS_KERNELS,
    OPTIONS_OPTIMISER("ranger", "0.005", "1e-6", "cosine", "learning rate"),
    OPTIONS_EVERY,
    {0}};
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
        "the chosen trial, L_recon against the round's target and against NET, and, both against NET, the change "
        "of S_ratio (the paper's mean over the last half of the layers) and the mean absolute weight difference.\n\n"
        "Selecting and reporting on the same images overstates accuracy, the more so with many trials and rounds. "
        "The paper selects on its test images. With --select-on DATA, selection uses DATA and --on gives an "
        "unbiased estimate.\n\n"
        "--run FOLDER keeps every trial (round-N/trial-M), the network.safetensors and predictor.safetensors of "
        "each round, and finally the result, network.safetensors. `resume FOLDER` continues even in the middle of "
        "a trial and gives the same result.",
    .positionals = positionals,
    .options = options,
    .examples = examples,
    .run = run,
    .table = true,
};
