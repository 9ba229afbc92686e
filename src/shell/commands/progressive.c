/* progressive -- rounds of reconstruction, each of the best reconstruction of the one before. */
#include "../rounds.h"
#include "../train_options.h"

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
    .summary = "reconstructs a network again and again, keeping what is better",
    .description =
        "Round 1 trains predictors for NET, round 2 for the best reconstruction of round 1, and so on. A predictor that is large enough "
        "(a CR above 1: --hidden) smooths what it reconstructs, and the paper finds that accuracy rises for some rounds. Each round "
        "trains N predictors with seeds of their own and keeps the one whose reconstruction is most accurate; the process ends "
        "when rounds no longer win, or after R. NEW is the network of the best winning round (of NET itself where none won). The "
        "table has a row a round: mean and standard deviation of the trials' accuracy, the chosen trial's, L_recon against the round's "
        "target and against NET, the change of S_ratio (the paper's average over the last half of the layers) and the mean "
        "absolute weight difference, both against NET. "
        "Choosing the best of many on the very images that are reported flatters: the more trials and rounds, the more of the gain is "
        "luck. The paper chooses on its test images. With --select-on DATA the choice is made on other images, and what --on says is "
        "what new images would. With --run FOLDER all is kept (round-N/trial-M, and each round's network.safetensors and "
        "predictor.safetensors; at the end the result, network.safetensors), and resume FOLDER goes on in the middle of a trial, to the same result.",
    .positionals = positionals,
    .options = options,
    .examples = examples,
    .run = run,
    .table = true,
};
