/* train -- a weight predictor for a network. */
#include "../train_options.h"
#include "../training.h"
#include "weft/base/error.h"

/* ---- configuration ----------------------------------------------------------------------------------------------- */

/* An epoch is what passes over the images once (docs/method.md, section 5); without images, over the kernels. */
static uint64_t epoch_steps(const Dataset *data, uint64_t kernels, const TrainConfig *config) {
    const uint64_t items = data ? data->count : kernels;
    const uint64_t each = data ? config->image_batch : config->sampling == SAMPLING_ALL ? kernels : config->batch;
    return items && each ? (items + each - 1) / each : 1;
}

static bool check_options(const Args *args, const TrainConfig *config, Error *err) {
    const bool images = train_on_images(config), distils = config->images.kd > 0;
    const OptionRule rules[] = {
        {"warm-up", "--scheme joint", config->scheme == SCHEME_JOINT},
        {"teacher", "a scheme on images (joint, distil)", images},
        {"alpha", "--scheme joint or distil", config->scheme != SCHEME_RECON},
        {"beta", "--scheme joint or distil", config->scheme != SCHEME_RECON},
        {"kd", "a scheme with L_KD", distils},
        {"temperature", "a scheme with L_KD", distils},
        {"image-batch", "a scheme on images (joint, distil)", images},
        {"augment", "a scheme on images (joint, distil)", images},
        {"fmd-maps", "a scheme with L_FMD", config->images.fmd > 0},
    };
    return options_check(args, rules, sizeof rules / sizeof *rules, err) && options_check_kernels(args, config, err) &&
           options_check_optimiser(args, config, err);
}

static bool set_config(Session *session, const Args *args, const TrainJob *job, TrainConfig *config, Error *err) {
    uint64_t kernels = job->from ? job->from->kernel_count : 0;
    const Dataset *data = args_dataset(args, "data");
    *config = train_config();
    config->scheme = (SchemeKind)args_choice(args, "scheme");
    config->seed = session->seed;
    if (job->from)
        train_defaults(config, data, job->from->weight_count);
    else if (!options_network(args, job->source, data, config, &kernels, err))
        return false;
    options_kernels(args, config);
    if (config->scheme == SCHEME_JOINT && !args_value(args, "refresh")->given) config->refresh = 1;
    options_predictor(args, &config->predictor);
    options_optimiser(args, config);
    options_images(args, config);
    options_real(args, "beta", &config->images.fmd);
    config->images.fmd_aliased = args_choice(args, "fmd-maps") == 1;
    options_count(args, "warm-up", &config->warm_up);
    config->epoch_steps = epoch_steps(data, kernels, config);
    config->steps = train_steps(config, data);
    return options_length(args, config, err) && check_options(args, config, err);
}

/* ---- running ----------------------------------------------------------------------------------------------------- */

/* What is decided by the predictor that is continued cannot be asked for anew. */
static bool check_from(const Args *args, Error *err) {
    static const char *const settled[] = {"layers",      "hidden",    "linear", "base", "levels", "normalise-indices",
                                          "permutation", "activation"};
    const bool from = args_text(args, "from") != NULL;
    if (!from && args_choice(args, "scheme") == SCHEME_DISTIL)
        return error_set(err, STATUS_USAGE, "--scheme distil goes on from a trained predictor: --from PRED0");
    if (!from && !args_text(args, "net"))
        return error_set(err, STATUS_USAGE, "train needs --net NET, or --from PREDICTOR to continue one");
    for (size_t i = 0; from && i < sizeof settled / sizeof *settled; i++)
        if (args_value(args, settled[i])->given)
            return error_set(err, STATUS_USAGE, "--%s is settled by the predictor of --from", settled[i]);
    return true;
}

/* The images to train on, if the configuration has losses on them, and those to measure on. */
static bool set_data(const Args *args, TrainJob *job, Error *err) {
    const Dataset *data = args_dataset(args, "data"), *on = args_dataset(args, "on");
    if (train_on_images(&job->config)) {
        job->images = data;
        job->teacher = args_network(args, "teacher");
        if (!data)
            return error_set(err, STATUS_USAGE, "--scheme %s trains on images: --data DATA", args_text(args, "scheme"));
    } else if (data && on) {
        return error_set(err, STATUS_USAGE, "--data beside --on has a meaning only with a scheme on images");
    }
    job->data = on ? on : data && data->labels ? data : NULL;
    return true;
}

static bool run(Session *session, const Args *args, Result *result, Error *err) {
    if (!check_from(args, err)) return false;
    const Predictor *from = args_predictor(args, "from");
    TrainJob job = {.name = args_text(args, "PRED"),
                    .command = args->line,
                    .from = from,
                    .source = args_text(args, "net") ? args_network(args, "net") : from->source,
                    .trials = (unsigned)args_integer(args, "trials"),
                    .task = &session->task};
    if (!job.source)
        return error_set(err, STATUS_USAGE, "'%s' does not know its network: give it with --net NET",
                         args_text(args, "from"));
    return workspace_accepts(session, job.name, OBJECT_PREDICTOR, err) &&
           set_config(session, args, &job, &job.config, err) && set_data(args, &job, err) &&
           training_run(session, args, &job, result, err);
}

/* ---- the record -------------------------------------------------------------------------------------------------- */

#define ALPHA_HELP "weight of L_KD (joint: 1e-4, by the data 1e-5 or 1e-6; distil: 0.01)"

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
     .choices = "recon|joint|distil",
     .standard = "recon",
     .help = "what is trained on: L_recon; L_recon, L_KD and L_FMD; L_KD"},
    {.name = "data",
     .kind = ARG_DATASET,
     .value = "DATA",
     .help = "images to train on, if the scheme does; accuracy is measured on them unless --on is given"},
    {.name = "on", .kind = ARG_DATASET, .value = "DATA", .help = "measure accuracy on these images"},
    OPTIONS_LENGTH("recon 20000; joint and distil as many epochs as the paper, 350 or 450 and 100"),
    OPTIONS_WATCH,
    {.name = "trials",
     .kind = ARG_INTEGER,
     .value = "N",
     .min = 1,
     .max = 1000,
     .standard = "1",
     .help = "train N with seeds from --seed on; the best is kept"},
    OPTIONS_BACKGROUND("PRED"),
    OPTIONS_PREDICTOR,
    OPTIONS_KERNELS,
    OPTIONS_IMAGES,
    {.name = "beta",
     .kind = ARG_REAL,
     .value = "B",
     .help = "weight of L_FMD, feature-map distillation (joint: as --alpha; distil: 0)"},
    {.name = "fmd-maps",
     .kind = ARG_CHOICE,
     .value = "MAPS",
     .choices = "distinct|aliased",
     .standard = "distinct",
     .help = "every map before a ReLU once; aliased as the reference implementation counts them"},
    {.name = "warm-up", .kind = ARG_INTEGER, .value = "N", .max = COUNT_MOST, .help = "first steps on L_recon alone"},
    OPTIONS_OPTIMISER("ranger", NULL, "1e-6", "cosine", "learning rate (0.005; distil 0.0003)"),
    OPTIONS_EVERY,
    {0}};
static const char *const examples[] = {
    "train small --net base --hidden 24 --steps 60 --on test",
    "train baseline --net base --hidden 24 --steps 6 --scheme joint --data test --warm-up 2",
    "train tuned --from pred --scheme distil --data test --steps 4",
    "train guided --from pred --scheme distil --data test --steps 4 --teacher smooth",
    "train again --from pred --steps 20 --lr 0.001",
    "train three --net base --hidden 16 --steps 20 --trials 3 --optimiser adamw --schedule constant",
    NULL};

const Command command_train = {
    .name = "train",
    .group = "Predictors",
    .summary = "Train a weight predictor for a network",
    .description =
        "A predictor (help nern) is a small MLP that maps a kernel's position (layer, filter, channel) to the "
        "kernel. Each step computes the gradient for one batch of kernels. --scheme chooses the losses:\n\n"
        "recon: L_recon alone, the root mean square difference between predicted and source weights. It needs no "
        "images and is by far the fastest. Begin here. With a large predictor (a CR above 1, help cr) the "
        "reconstruction may beat its source, and `progressive` repeats the step.\n\n"
        "joint: L_recon + A L_KD + B L_FMD, the NeRN baseline. The logits and feature maps of the predicted "
        "network are compared with the teacher's on the images of --data. A and B need tuning; use this scheme "
        "for comparison.\n\n"
        "distil: A L_KD (and B L_FMD) alone, starting from a trained predictor (--from). This is the second phase "
        "of the paper's decoupled training (help paper): first recon, then distil. With a small predictor (a CR "
        "of a quarter to a half) it recovers most of the lost accuracy. --teacher NET guides it by a stronger "
        "network of any architecture with the same classes; a further recon run on the result adds more. With "
        "--data noise:N:CxHxW it needs no data.\n\n"
        "By default, A, B, the batches and the steps are the paper's values for data with as many classes. "
        "Networks with more than 5 million predicted weights get the paper's ImageNet settings: kernels are "
        "ordered across filters (about a minute for a ResNet18), and each step takes 65,536 of them. L_FMD needs "
        "a teacher of the same architecture.\n\n"
        "--run FOLDER keeps the run, and `resume FOLDER` continues it after any interruption with bit-identical "
        "results. Ctrl-C ends the run after the current step and saves it; the partial predictor stays in the "
        "workspace. A second Ctrl-C ends it at once.\n\n"
        "The table reports L_recon over all weights, accuracy, CR and size; `log PRED` shows the loss curve. The "
        "result is the predictor of the last step. best.safetensors in the folder is the best of all evaluations: "
        "the highest accuracy, or without images the lowest L_recon. Of several trials the best final one is "
        "kept. Accuracy on the images used for the choice is optimistic; report on held-out images.",
    .positionals = positionals,
    .options = options,
    .examples = examples,
    .run = run,
    .table = true,
};
