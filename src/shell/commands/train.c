/* train -- a weight predictor for a network. */
#include <math.h>
#include <string.h>

#include "../training.h"

/* ---- configuration ----------------------------------------------------------------------------------------------- */

static void set_real(const Args *args, const char *name, double *to) {
    if (args_text(args, name)) *to = args_real(args, name);
}

static void set_count(const Args *args, const char *name, uint64_t *to) {
    if (args_text(args, name)) *to = args_integer(args, name);
}

static void set_predictor(const Args *args, PredictorConfig *config) {
    config->base = args_real(args, "base");
    config->levels = (unsigned)args_integer(args, "levels");
    config->normalisation = (IndexNormalisation)args_choice(args, "normalise-indices");
    config->permutation = (PermutationKind)args_choice(args, "permutation");
    config->hidden = (unsigned)args_integer(args, "hidden");
    config->linear = (unsigned)args_integer(args, "linear");
    config->activation = (PredictorActivation)args_choice(args, "activation");
}

/* The optimiser's own defaults, then what was given. */
static void set_optimiser(const Args *args, TrainConfig *config) {
    OptimiserConfig *o = &config->optimiser;
    *o = optimiser_config((OptimiserKind)args_choice(args, "optimiser"));
    set_real(args, "beta1", &o->beta1);
    set_real(args, "beta2", &o->beta2);
    set_real(args, "epsilon", &o->epsilon);
    set_real(args, "momentum", &o->momentum);
    set_real(args, "weight-decay", &o->weight_decay);
    if (args_text(args, "centralise")) o->centralise = args_choice(args, "centralise") == 0;
    config->schedule = (ScheduleKind)args_choice(args, "schedule");
    config->rate = args_real(args, "lr");
    config->rate_last = args_real(args, "lr-last");
    set_real(args, "clip", &config->clip);
}

/* Kernels that the predictor will have. */
static bool count_kernels(const Args *args, const Network *network, const Predictor *from, size_t *kernels,
                          Error *err) {
    *kernels = from ? from->kernel_count : 0;
    if (from) return true;
    bool *chosen = args_text(args, "layers") ? args_layers(args, network, true, err) : NULL;
    if (args_text(args, "layers") && !chosen) return false;
    for (size_t i = 0; i < network->layer_count; i++) {
        const Tensor *weight = layer_weight(network, &network->layers[i]);
        if (chosen ? chosen[i] : network->layers[i].predicted) *kernels += (size_t)(weight->dim[0] * weight->dim[1]);
    }
    mem_free(chosen);
    return true;
}

/* An epoch is what passes over the images once in batches of 256 (METHOD.md section 5); without images, over the
 * kernels. */
static uint64_t epoch_steps(const Dataset *data, size_t kernels, const TrainConfig *config) {
    const uint64_t items = data ? data->count : kernels;
    const uint64_t each = data ? 256 : config->sampling == SAMPLING_ALL ? kernels : config->batch;
    return items && each ? (items + each - 1) / each : 1;
}

static bool set_steps(const Args *args, const TrainJob *job, TrainConfig *config, Error *err) {
    size_t kernels;
    if (!count_kernels(args, job->source, job->from, &kernels, err)) return false;
    config->epoch_steps = epoch_steps(job->data, kernels, config);
    if (args_text(args, "steps") && args_text(args, "epochs"))
        return error_set(err, STATUS_USAGE, "--steps and --epochs say the same in two ways; give one");
    set_count(args, "steps", &config->steps);
    if (args_text(args, "epochs") && !size_mul(args_integer(args, "epochs"), config->epoch_steps, &config->steps))
        return error_set(err, STATUS_USAGE, "--epochs is too large");
    const uint64_t part = config->steps >= 20 ? config->steps / 20 : 1;
    config->evaluate_every = part;
    config->save_every = part < 1000 ? part : 1000;
    config->log_every = (config->steps / 1000 / config->refresh + 1) * config->refresh; /* where the loss is fresh */
    set_count(args, "eval-every", &config->evaluate_every);
    set_count(args, "save-every", &config->save_every);
    set_count(args, "log-every", &config->log_every);
    return true;
}

/* Options that say something only beside others. */
static bool check_options(const Args *args, const TrainConfig *config, Error *err) {
    const bool adaptive = config->optimiser.kind != OPTIMISER_SGD;
    const struct {
        const char *option, *needs;
        bool met;
    } rules[] = {
        {"momentum", "--optimiser sgd", !adaptive},
        {"beta1", "an adaptive --optimiser", adaptive},
        {"beta2", "an adaptive --optimiser", adaptive},
        {"epsilon", "an adaptive --optimiser", adaptive},
        {"magnitude", "--sampling mixed", config->sampling == SAMPLING_MIXED},
        {"batch", "--sampling uniform, magnitude or mixed",
         config->sampling != SAMPLING_ALL && config->sampling != SAMPLING_LAYER},
        {"refresh", "a step that leaves kernels out", !args_flag(args, "exact") && config->sampling != SAMPLING_ALL},
        {"exact", "a step that leaves kernels out", config->sampling != SAMPLING_ALL},
        {"lr-last", "a --schedule that changes the rate", config->schedule != SCHEDULE_CONSTANT},
    };
    for (size_t i = 0; i < sizeof rules / sizeof *rules; i++)
        if (args_value(args, rules[i].option)->given && !rules[i].met)
            return error_set(err, STATUS_USAGE, "--%s has a meaning only with %s", rules[i].option, rules[i].needs);
    return true;
}

static bool set_config(Session *session, const Args *args, const TrainJob *job, TrainConfig *config, Error *err) {
    const char *layers = args_text(args, "layers");
    *config = train_config();
    config->scheme = (SchemeKind)args_choice(args, "scheme");
    config->seed = session->seed;
    config->batch = (size_t)args_integer(args, "batch");
    config->sampling = (SamplingKind)args_choice(args, "sampling");
    config->magnitude_share = args_real(args, "magnitude");
    config->recon_form = (ReconForm)args_choice(args, "loss");
    config->refresh = args_flag(args, "exact") ? 1 : args_integer(args, "refresh");
    if (layers && strlen(layers) >= sizeof config->layers) return error_set(err, STATUS_USAGE, "--layers is too long");
    if (layers) strcpy(config->layers, layers);
    set_predictor(args, &config->predictor);
    set_optimiser(args, config);
    return check_options(args, config, err) && set_steps(args, job, config, err);
}

/* ---- running ----------------------------------------------------------------------------------------------------- */

/* What is decided by the predictor that is continued cannot be asked for anew. */
static bool check_from(const Args *args, Error *err) {
    static const char *const settled[] = {"layers",      "hidden",    "linear", "base", "levels", "normalise-indices",
                                          "permutation", "activation"};
    const bool from = args_text(args, "from") != NULL;
    if (!from && !args_text(args, "net"))
        return error_set(err, STATUS_USAGE, "train needs --net NET, or --from PREDICTOR to continue one");
    for (size_t i = 0; from && i < sizeof settled / sizeof *settled; i++)
        if (args_value(args, settled[i])->given)
            return error_set(err, STATUS_USAGE, "--%s is settled by the predictor of --from", settled[i]);
    return true;
}

/* Another process does what `resume FOLDER` does here. */
static bool run_in_background(Session *session, TrainJob *job, Result *result, Error *err) {
    TrainResults none;
    const char *words[] = {"resume", job->folder};
    job->prepare = true;
    if (!train_run(job, &none, err)) return false;
    train_results_done(&none);
    if (!background_start(session, job->folder, words, 2, err)) return false;
    str_addf(&result->message, "%s trains in the background: jobs, attach %s, stop %s, resume %s\n", job->name,
             job->folder, job->folder, job->folder);
    return true;
}

static bool run_here(Session *session, const Args *args, TrainJob *job, Result *result, Error *err) {
    Training training;
    TrainResults results;
    if (!training_open(&training, session, job->name, job->config.steps, args_flag(args, "monitor"), err)) return false;
    job->watch = training_watch;
    job->watch_context = &training;
    bool done = train_run(job, &results, err);
    training_close(&training);
    if (!done) return false;
    done = training_result(job->name, job->folder, &results, result, err);
    train_results_done(&results);
    return done;
}

static bool run(Session *session, const Args *args, Result *result, Error *err) {
    const bool background = args_flag(args, "background");
    Str folder = {0};
    if (!check_from(args, err)) return false;
    const Predictor *from = args_predictor(args, "from");
    TrainJob job = {.name = args_text(args, "PRED"),
                    .command = args->line,
                    .from = from,
                    .source = args_text(args, "net") ? args_network(args, "net") : from->source,
                    .data = args_dataset(args, "data"),
                    .trials = (unsigned)args_integer(args, "trials"),
                    .task = &session->task};
    if (!job.source)
        return error_set(err, STATUS_USAGE, "'%s' does not know its network: give it with --net NET",
                         args_text(args, "from"));
    if (background && session->options.safe) return error_set(err, STATUS_USAGE, "--safe allows no background runs");
    if (background && args_flag(args, "monitor"))
        return error_set(err, STATUS_USAGE, "--background leaves the prompt free; attach shows the monitor");
    if (args_text(args, "run"))
        path_expand(args_text(args, "run"), &folder, err);
    else if (background)
        str_addf(&folder, "runs/%s", job.name);
    bool done = str_ok(&folder, err) && workspace_accepts(session, job.name, OBJECT_PREDICTOR, err) &&
                set_config(session, args, &job, &job.config, err);
    if (folder.length) job.folder = str_text(&folder);
    if (done && background)
        done = run_in_background(session, &job, result, err);
    else if (done)
        done = run_here(session, args, &job, result, err);
    str_done(&folder);
    return done;
}

/* ---- the record -------------------------------------------------------------------------------------------------- */

#define X(name, text) "|" text
static const char schemes[] = SCHEMES(X), optimisers[] = OPTIMISERS(X), schedules[] = SCHEDULES(X),
                  samplings[] = SAMPLINGS(X), forms[] = RECON_FORMS(X), activations[] = PREDICTOR_ACTIVATIONS(X),
                  normalisations[] = INDEX_NORMALISATIONS(X), permutations[] = PERMUTATIONS(X);
#undef X

enum { COUNT_MOST = 1000000000 };

static const ArgSpec positionals[] = {{.name = "PRED", .kind = ARG_NEW, .help = "what to call the predictor"}, {0}};
static const ArgSpec options[] = {
    {.name = "net", .kind = ARG_NETWORK, .value = "NET", .help = "the network whose weights are predicted"},
    {.name = "from",
     .kind = ARG_PREDICTOR,
     .value = "PRED0",
     .help = "begin with this predictor, which stays as it is, on --net or its own network"},
    {.name = "scheme",
     .kind = ARG_CHOICE,
     .value = "SCHEME",
     .choices = schemes + 1,
     .standard = "recon",
     .help = "what is trained on: recon, the reconstruction loss"},
    {.name = "data", .kind = ARG_DATASET, .value = "DATA", .help = "evaluate on these images on the way"},
    {.name = "hidden",
     .kind = ARG_INTEGER,
     .value = "H",
     .min = 1,
     .max = 8192,
     .standard = "140",
     .help = "width of the hidden layers"},
    {.name = "steps",
     .kind = ARG_INTEGER,
     .value = "N",
     .min = 1,
     .max = COUNT_MOST,
     .help = "optimiser steps (20000; the paper's 350 epochs of CIFAR-10 are 68600)"},
    {.name = "epochs",
     .kind = ARG_INTEGER,
     .value = "N",
     .min = 1,
     .max = COUNT_MOST,
     .help = "steps as passes over the images of --data in batches of 256, without them over the kernels"},
    {.name = "run",
     .kind = ARG_OUTPUT,
     .value = "FOLDER",
     .help = "keep the run: configuration, log, checkpoints; resume goes on from it"},
    {.name = "trials",
     .kind = ARG_INTEGER,
     .value = "N",
     .min = 1,
     .max = 1000,
     .standard = "1",
     .help = "train N with seeds from --seed on; the best is kept"},
    {.name = "monitor", .kind = ARG_FLAG, .help = "watch full-screen: curves, pause, save now, stop"},
    {.name = "background",
     .kind = ARG_FLAG,
     .help = "train in another process and leave the prompt free (FOLDER is runs/PRED where --run is not given)"},
    {.name = "layers", .kind = ARG_LAYERS, .value = "SEL", .help = "which convolutions are predicted (help selectors)"},
    {.name = "permutation",
     .kind = ARG_CHOICE,
     .value = "ORDER",
     .choices = permutations + 1,
     .standard = "in-filter",
     .help = "smooth order in which kernels are encoded"},
    {.name = "linear",
     .kind = ARG_INTEGER,
     .value = "N",
     .min = 2,
     .max = MLP_LAYERS_MAX,
     .standard = "5",
     .help = "linear layers of the predictor"},
    {.name = "activation",
     .kind = ARG_CHOICE,
     .value = "KIND",
     .choices = activations + 1,
     .standard = "relu",
     .help = "between the linear layers"},
    {.name = "base",
     .kind = ARG_REAL,
     .value = "B",
     .above_min = true,
     .standard = "0.76",
     .help = "of the frequencies base^j of the encoding"},
    {.name = "levels",
     .kind = ARG_INTEGER,
     .value = "N",
     .min = 1,
     .max = 1000,
     .standard = "40",
     .help = "frequencies of the encoding"},
    {.name = "normalise-indices",
     .kind = ARG_CHOICE,
     .value = "HOW",
     .choices = normalisations + 1,
     .standard = "none",
     .help = "indices divided by the layer's size, the largest size, or as they are"},
    {.name = "batch",
     .kind = ARG_INTEGER,
     .value = "N",
     .min = 1,
     .max = COUNT_MOST,
     .standard = "4096",
     .help = "kernels whose gradient a step takes"},
    {.name = "sampling",
     .kind = ARG_CHOICE,
     .value = "HOW",
     .choices = samplings + 1,
     .standard = "mixed",
     .help =
         "how they are drawn: uniform, by magnitude, uniform with a share of magnitude steps (mixed), all, one layer"},
    {.name = "magnitude",
     .kind = ARG_REAL,
     .value = "SHARE",
     .max = 1,
     .standard = "0.2",
     .help = "share of steps by magnitude of mixed sampling"},
    {.name = "loss",
     .kind = ARG_CHOICE,
     .value = "FORM",
     .choices = forms + 1,
     .standard = "rms",
     .help = "L_recon: the root of the mean square, or the mean square"},
    {.name = "refresh",
     .kind = ARG_INTEGER,
     .value = "N",
     .min = 1,
     .max = COUNT_MOST,
     .standard = "20",
     .help = "steps between evaluations of the loss over all kernels"},
    {.name = "exact", .kind = ARG_FLAG, .help = "evaluate all kernels in every step"},
    {.name = "optimiser",
     .kind = ARG_CHOICE,
     .value = "KIND",
     .choices = optimisers + 1,
     .standard = "ranger",
     .help = "Ranger is RAdam with Lookahead"},
    {.name = "lr", .kind = ARG_REAL, .value = "RATE", .above_min = true, .standard = "0.005", .help = "learning rate"},
    {.name = "lr-last",
     .kind = ARG_REAL,
     .value = "RATE",
     .above_min = true,
     .standard = "1e-6",
     .help = "learning rate at the end of the schedule"},
    {.name = "schedule",
     .kind = ARG_CHOICE,
     .value = "KIND",
     .choices = schedules + 1,
     .standard = "cosine",
     .help = "of the learning rate"},
    {.name = "weight-decay",
     .kind = ARG_REAL,
     .value = "W",
     .max = 1,
     .help = "of the optimiser (ranger 0.001, adamw 0.01, else 0)"},
    {.name = "beta1",
     .kind = ARG_REAL,
     .value = "B",
     .max = 0.999999,
     .help = "of the first moment (ranger 0.5, adam 0.9)"},
    {.name = "beta2", .kind = ARG_REAL, .value = "B", .max = 0.99999999, .help = "of the second moment (0.999)"},
    {.name = "epsilon",
     .kind = ARG_REAL,
     .value = "E",
     .above_min = true,
     .help = "of the adaptive step (ranger 1e-5, adam 1e-8)"},
    {.name = "momentum", .kind = ARG_REAL, .value = "M", .max = 0.999999, .help = "of sgd (0.9, Nesterov)"},
    {.name = "centralise",
     .kind = ARG_CHOICE,
     .value = "on|off",
     .choices = "on|off",
     .help = "take the row means off the gradients of matrices (ranger on, else off)"},
    {.name = "clip", .kind = ARG_REAL, .value = "NORM", .above_min = true, .help = "largest gradient norm"},
    {.name = "eval-every",
     .kind = ARG_INTEGER,
     .value = "N",
     .max = COUNT_MOST,
     .help = "steps between evaluations (a twentieth of the run)"},
    {.name = "save-every",
     .kind = ARG_INTEGER,
     .value = "N",
     .max = COUNT_MOST,
     .help = "steps between checkpoints (a twentieth of the run, at most 1000)"},
    {.name = "log-every",
     .kind = ARG_INTEGER,
     .value = "N",
     .max = COUNT_MOST,
     .help = "steps between rows of the log (about a thousandth of the run, in multiples of --refresh)"},
    {0}};
static const char *const examples[] = {
    "train small --net base --hidden 24 --steps 60 --data test", "train again --from pred --steps 20 --lr 0.001",
    "train three --net base --hidden 16 --steps 20 --trials 3 --optimiser adamw --schedule constant", NULL};

const Command command_train = {
    .name = "train",
    .group = "Predictors",
    .summary = "trains a weight predictor for a network",
    .description =
        "A predictor (NeRN) is a small MLP from a kernel's encoded place (layer, filter, channel) to the kernel. It is trained on "
        "L_recon, the root of the mean squared difference between predicted and source weights; each step takes the gradient through "
        "a batch of kernels. With --run everything is kept in a folder and `resume FOLDER` goes on after whatever happened, to the "
        "bit. Ctrl-C ends the run after its step, saved, with the partial predictor in the workspace; a second one at once. The "
        "row says L_recon over all weights, accuracy on --data, CR (parameters of the predictor over those of the network) and size; "
        "`log PRED` is the loss curve. The predictor is that of the last step; best.safetensors in the folder is the best of all "
        "evaluations: the most accurate on --data, without --data the least L_recon. Of trials the one that ends best is kept. What "
        "was chosen on images flatters itself on them: keep others for the report.",
    .positionals = positionals,
    .options = options,
    .examples = examples,
    .run = run,
    .table = true,
};
