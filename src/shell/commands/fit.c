/* fit -- trains a network from scratch. */
#include <string.h>

#include "../train_options.h"
#include "../training.h"
#include "weft/base/error.h"
#include "weft/base/text.h"

/* Channels of the stages: W,W,..., or W for W, 2W, 4W, ..., of which a family takes as many as it has stages. */
static bool parse_widths(const char *text, ArchitectureRequest *request, Error *err) {
    enum { MOST = 65536 };
    unsigned count = 0, *widths = request->widths;
    bool done = true;
    for (const char *at = text; done && at; count++) {
        char word[16];
        uint64_t width;
        const size_t length = strcspn(at, ",");
        done = count < WIDTHS_MAX && length > 0 && length < sizeof word;
        if (!done) break;
        memcpy(word, at, length);
        word[length] = '\0';
        done = text_to_u64(word, &width) && width > 0 && width <= MOST;
        widths[count] = (unsigned)width;
        at = at[length] ? at + length + 1 : NULL;
    }
    request->width_count = count;
    return done || error_set(err, STATUS_USAGE, "--widths must be W (for W, 2W, 4W, ...) or W,W,..., not '%s'", text);
}

static Normalisation own_normalisation(const Dataset *data) {
    Normalisation own = {.channels = data->channels};
    if (own.channels > sizeof own.mean / sizeof *own.mean) return (Normalisation){0};
    dataset_spread(data, own.mean, own.std);
    return own;
}

static Network *make_network(Session *session, const Args *args, const Dataset *data, Error *err) {
    ArchitectureRequest request = {.architecture = args_text(args, "arch"),
                                   .in_channels = data->channels,
                                   .classes = data->classes,
                                   .variants = args_choice(args, "shortcut") == 1 ? "B" : NULL};
    const char *normalise = args_text(args, "normalise"), *widths = args_text(args, "widths");
    if (!data->labels) {
        error_set(err, STATUS_USAGE, "%s has no labels to train on", data->spec);
        return NULL;
    }
    const bool own = normalise && strcmp(normalise, "data") == 0;
    if (own || !normalise) request.otherwise = own_normalisation(data);
    if (own) request.normalisation = request.otherwise;
    if ((widths && !parse_widths(widths, &request, err)) ||
        (normalise && !own && !normalisation_parse(normalise, data->channels, &request.normalisation, err)))
        return NULL;
    return network_create(&request, session->seed, args->line, err);
}

static bool set_config(Session *session, const Args *args, const Dataset *data, TrainConfig *config, Error *err) {
    *config = train_config();
    config->scheme = SCHEME_FIT;
    config->seed = session->seed;
    train_defaults(config, data, 0);
    config->optimiser.kind = OPTIMISER_SGD;
    options_optimiser(args, config);
    if (config->optimiser.kind == OPTIMISER_SGD) config->optimiser.weight_decay = 5e-4;
    options_real(args, "weight-decay", &config->optimiser.weight_decay);
    options_images(args, config);
    config->images.label_smoothing = args_real(args, "label-smoothing");
    if (args_text(args, "teacher") && !args_text(args, "alpha")) config->images.kd = 1;
    config->epoch_steps = (data->count + config->image_batch - 1) / config->image_batch;
    config->steps = train_steps(config, data);
    const bool distils = config->images.kd > 0;
    const OptionRule rules[] = {
        {"alpha", "--teacher NET", args_text(args, "teacher") != NULL},
        {"kd", "--teacher NET and an --alpha above 0", distils},
        {"temperature", "--teacher NET and an --alpha above 0", distils},
    };
    return options_length(args, config, err) && options_check(args, rules, sizeof rules / sizeof *rules, err) &&
           options_check_optimiser(args, config, err);
}

static bool run(Session *session, const Args *args, Result *result, Error *err) {
    const Dataset *data = args_dataset(args, "data"), *on = args_dataset(args, "on");
    TrainJob job = {.name = args_text(args, "NET"),
                    .command = args->line,
                    .images = data,
                    .data = on ? on : data,
                    .teacher = args_network(args, "teacher"),
                    .task = &session->task};
    Network *network = NULL;
    bool done = workspace_accepts(session, job.name, OBJECT_NETWORK, err) &&
                (network = make_network(session, args, data, err)) && set_config(session, args, data, &job.config, err);
    job.source = network;
    done = done && training_run(session, args, &job, result, err);
    network_free(network);
    return done;
}

#define ALPHA_HELP "weight of L_KD beside the cross-entropy (1 where there is a teacher)"

static const ArgSpec positionals[] = {{.name = "NET", .kind = ARG_NEW, .help = "what to call the network"}, {0}};
#define X(name, channels, means, stds) "|" name
static const ArgSpec options[] = {
    {.name = "arch",
     .kind = ARG_PRESET,
     .value = "ARCH",
     .required = true,
     .help = "the network to make, such as resnet20 (help architectures), or FILE.lua, a definition of your own"},
    {.name = "data", .kind = ARG_DATASET, .value = "DATA", .required = true, .help = "labelled images to learn"},
    {.name = "on", .kind = ARG_DATASET, .value = "DATA", .help = "measure accuracy on these images, not on --data"},
    {.name = "widths",
     .kind = ARG_TEXT,
     .value = "W[,W,W]",
     .help = "channels of the stages, or of the first, which the next double; for families that take them "
             "(CIFAR ResNets: 16,32,64)"},
    {.name = "shortcut",
     .kind = ARG_CHOICE,
     .value = "A|B",
     .choices = "A|B",
     .standard = "A",
     .help = "CIFAR ResNets, where a stage begins: zero channels, or a 1x1 convolution"},
    {.name = "normalise",
     .kind = ARG_TEXT,
     .value = "MEAN/STD",
     .choices = "data" NORMALISATIONS(X),
     .help = "input normalisation (by channels and classes; for others that of the images, as data takes it)"},
    OPTIONS_LENGTH("30 epochs"),
    OPTIONS_WATCH,
    OPTIONS_BACKGROUND("NET"),
    {.name = "label-smoothing",
     .kind = ARG_REAL,
     .value = "S",
     .max = 0.999,
     .standard = "0",
     .help = "of the cross-entropy's targets"},
    OPTIONS_IMAGES,
    OPTIONS_OPTIMISER("sgd", "0.2", "1e-5", "one-cycle", "learning rate"),
    OPTIONS_EVERY,
    {0}};
#undef X
static const char *const examples[] = {
    "fit small --arch resnet8 --widths 8 --data test --epochs 1",
    "fit pupil --arch resnet8 --widths 8 --data test --epochs 1 --teacher base --alpha 2 --temperature 4", NULL};

const Command command_fit = {
    .name = "fit",
    .group = "Networks",
    .summary = "Train a network from scratch",
    .description =
        "Makes a network of any architecture (help architectures) and trains it on labelled images. The defaults "
        "are cross-entropy, SGD with Nesterov momentum, a one-cycle learning rate, weight decay 5e-4, random "
        "crops and flips, and batch norm with batch statistics. Use it for a source network to study from its "
        "first step, or for a stronger teacher: wider (--widths 32) or deeper.\n\n"
        "With --teacher NET, the loss is the cross-entropy plus A times L_KD: conventional distillation, which "
        "the paper (help paper) compares with guided predictors.\n\n"
        "--run FOLDER keeps the run. `resume FOLDER` continues it after any interruption with bit-identical "
        "results, and `attach` shows it. Accuracy is measured on --on; use other images there than those of "
        "--data.",
    .positionals = positionals,
    .options = options,
    .examples = examples,
    .run = run,
    .table = true,
};
