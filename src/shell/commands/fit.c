/* fit -- trains a network from scratch. */
#include <string.h>

#include "../train_options.h"
#include "../training.h"
#include "../session.h"
#include "../workspace.h"
#include "weft/base/error.h"
#include "weft/base/text.h"

#define SHORTCUTS(X) X(A, "A") X(B, "B")
typedef enum Shortcut { SHORTCUT_A, SHORTCUT_B } Shortcut;

typedef struct Fit {
    TrainOptions train;
    const char *architecture, *widths, *normalise;
    Shortcut shortcut;
} Fit;

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
    const Fit *fit = args->options;
    ArchitectureRequest request = {.architecture = fit->architecture,
                                   .in_channels = data->channels,
                                   .classes = data->classes,
                                   .variants = fit->shortcut == SHORTCUT_B ? "B" : NULL};
    if (!data->labels) {
        error_set(err, STATUS_USAGE, "%s has no labels to train on", data->spec);
        return NULL;
    }
    const bool own = fit->normalise && strcmp(fit->normalise, "data") == 0;
    if (own || !fit->normalise) request.otherwise = own_normalisation(data);
    if (own) request.normalisation = request.otherwise;
    if ((fit->widths && !parse_widths(fit->widths, &request, err)) ||
        (fit->normalise && !own && !normalisation_parse(fit->normalise, data->channels, &request.normalisation, err)))
        return NULL;
    return network_create(&request, args_seed(session, args), args->line, err);
}

static bool fit_settle(Session *session, Args *args, Error *err) {
    Fit *fit = args->options;
    TrainConfig *config = &fit->train.config;
    const Dataset *data = fit->train.data->dataset;
    options_begin(session, args, &fit->train);
    config->scheme = SCHEME_FIT;
    train_defaults(config, data, 0);
    config->optimiser = optimiser_config(config->optimiser.kind);
    if (config->optimiser.kind == OPTIMISER_SGD) config->optimiser.weight_decay = 5e-4;
    if (config->optimiser.kind == OPTIMISER_MUON || config->optimiser.kind == OPTIMISER_SOAP) {
        config->optimiser.matrices = MATRICES_NOT_LAST; /* Adam has the classifier, as in the references */
        config->rate = optimiser_rate(config->optimiser.kind);
    }
    if (fit->train.teacher) config->images.kd = 1;
    args_write_given(args);
    config->epoch_steps = (data->count + config->image_batch - 1) / config->image_batch;
    return options_length(args, &fit->train, train_steps(config, data), err);
}

static bool fit_command(Session *session, const Args *args, Result *result, Error *err) {
    const Fit *fit = args->options;
    const Dataset *data = fit->train.data->dataset;
    TrainJob job = {.config = fit->train.config,
                    .name = fit->train.name,
                    .command = args->line,
                    .images = data,
                    .data = fit->train.on ? fit->train.on->dataset : data,
                    .teacher = object_network(fit->train.teacher),
                    .task = &session->task};
    if (!workspace_accepts(session, job.name, OBJECT_NETWORK, err)) return false;
    Network *network = make_network(session, args, data, err);
    job.source = network;
    const bool done = network && training_run(session, &fit->train, &job, result, err);
    network_free(network);
    return done;
}

#define X(name, channels, means, stds) name,
static const Setting positionals[] = {WORD(TrainOptions, name, NEW, "NET", NULL, .help = "name of the new network"),
                                      {0}};
static const Setting own[] = {
    WORD(Fit, architecture, PRESET, "arch", "ARCH", .required = true,
         .help = "network to make, such as resnet20 (help architectures), or FILE.lua, a definition of your own"),
    OBJECT(TrainOptions, data, DATASET, "data", "DATA", .required = true, .help = "labelled images to train on"),
    OBJECT(TrainOptions, on, DATASET, "on", "DATA", .usual = "--data",
           .help = "measure accuracy on these images, with its 95 % interval"),
    WORD(Fit, widths, TEXT, "widths", "W[,W,W]",
         .help = "channels of the stages, or of the first, which each next stage doubles; for families that take them "
                 "(CIFAR ResNets: 16,32,64)"),
    CHOICE(Fit, shortcut, "shortcut", "A|B", SHORTCUTS, .standard = "A",
           .help = "start of a stage in CIFAR ResNets: zero channels (A) or a 1x1 convolution (B)"),
    WORD(Fit, normalise, TEXT, "normalise", "MEAN/STD",
         .choices = (const char *const[]){"data", NORMALISATIONS(X) NULL},
         .usual = "by channels and classes, otherwise from the images of --data", .help = "input normalisation"),
    {0}};
#undef X
static const SettingGroup options[] = {{own, 0},
                                       {train_length_settings, 0},
                                       {epochs_settings, 0},
                                       {watch_settings, 0},
                                       {background_settings, 0},
                                       {train_label_settings, 0},
                                       {teacher_settings, 0},
                                       {train_image_settings, 0},
                                       STEP_GROUPS,
                                       {NULL, 0}};
static const SettingChange changes[] = {
    {.name = "steps", .usual = "30 epochs"},
    {.name = "teacher", .usual = "none", .help = "teacher network, whose logits add L_KD to the cross-entropy"},
    {.name = "alpha", .usual = "1 with --teacher", .needs = "teacher"},
    {.name = "kd", .standard = "plain"},
    {.name = "image-batch", .standard = "256", .usual = "256"},
    {.name = "optimiser", .standard = "sgd"},
    {.name = "lr", .standard = "0.2", .usual = "0.2; muon 0.03, soap 0.006"},
    {.name = "lr-last", .standard = "1e-5"},
    {.name = "schedule", .standard = "one-cycle"},
    {.name = "weight-decay", .usual = "sgd 0.0005, ranger 0.001, adamw 0.01, else 0"},
    {.name = "matrices", .usual = "not-last"},
    {.name = NULL}};
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
    .size = sizeof(Fit),
    .positionals = positionals,
    .options = options,
    .changes = changes,
    .examples = examples,
    .settle = fit_settle,
    .run = fit_command,
    .table = true,
    .retries = true,
};
