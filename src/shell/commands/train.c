/* train -- a weight predictor for a network. */
#include "../train_options.h"
#include "../training.h"
#include "../session.h"
#include "../workspace.h"
#include "weft/base/error.h"

typedef struct Train {
    TrainOptions train;
    const Object *from;
} Train;

/* ---- settings that depend on others ------------------------------------------------------------------------------ */

/* An epoch is what passes over the images once (docs/method.md, section 5); without images, over the kernels. */
static uint64_t epoch_steps(const Dataset *data, uint64_t kernels, const TrainConfig *config) {
    const uint64_t items = data ? data->count : kernels;
    const uint64_t each = data ? config->image_batch : config->sampling == SAMPLING_ALL ? kernels : config->batch;
    return items && each ? (items + each - 1) / each : 1;
}

static bool check_start(const Train *t, Error *err) {
    if (!t->from && t->train.config.scheme == SCHEME_DISTIL)
        return error_set(err, STATUS_USAGE, "--scheme distil needs a trained predictor: --from PRED0");
    if (!t->from && !t->train.net)
        return error_set(err, STATUS_USAGE, "train needs --net NET, or --from PREDICTOR to continue one");
    return t->train.net || t->from->predictor->source ||
           error_set(err, STATUS_USAGE, "the network that '%s' predicts is unknown; give it with --net NET",
                     t->from->name);
}

static const Network *source_of(const Train *t) {
    return t->train.net ? t->train.net->network : t->from->predictor->source;
}

static bool train_settle(Session *session, Args *args, Error *err) {
    Train *t = args->options;
    TrainConfig *config = &t->train.config;
    const Dataset *data = object_dataset(t->train.data);
    uint64_t kernels = t->from ? t->from->predictor->kernel_count : 0;
    if (!check_start(t, err)) return false;
    options_begin(session, args, &t->train);
    options_optimiser(args, &t->train);
    if (t->from)
        train_defaults(config, data, t->from->predictor->weight_count);
    else if (!options_network(config, source_of(t), data, &kernels, err))
        return false;
    if (config->scheme == SCHEME_JOINT || t->train.exact) config->refresh = 1;
    args_write_given(args);
    config->epoch_steps = epoch_steps(data, kernels, config);
    const uint64_t steps = t->train.recipe == RECIPE_PAPER && config->scheme == SCHEME_RECON
                               ? train_paper_steps(options_classes(source_of(t)))
                               : train_steps(config, data);
    return options_length(args, &t->train, steps, err) && options_check_refresh(args, config, err);
}

/* ---- running ----------------------------------------------------------------------------------------------------- */

/* The images to train on, if the configuration has losses on them, and those to measure on. */
static bool set_data(const TrainOptions *o, TrainJob *job, Error *err) {
    const Dataset *data = object_dataset(o->data), *on = object_dataset(o->on);
    if (train_on_images(&job->config)) {
        job->images = data;
        job->teacher = object_network(o->teacher);
        if (!data)
            return error_set(err, STATUS_USAGE, "--scheme %s needs images: --data DATA",
                             train_scheme_name(job->config.scheme));
    } else if (data && on) {
        return error_set(err, STATUS_USAGE, "--data together with --on needs --scheme joint or distil");
    }
    job->data = on ? on : data && data->labels ? data : NULL;
    return true;
}

static bool train_command(Session *session, const Args *args, Result *result, Error *err) {
    const Train *t = args->options;
    TrainJob job = {.config = t->train.config,
                    .name = t->train.name,
                    .command = args->line,
                    .from = object_predictor(t->from),
                    .source = source_of(t),
                    .trials = t->train.trials,
                    .task = &session->task};
    return workspace_accepts(session, job.name, OBJECT_PREDICTOR, err) && set_data(&t->train, &job, err) &&
           training_run(session, &t->train, &job, result, err);
}

/* ---- the record -------------------------------------------------------------------------------------------------- */

static const Setting positionals[] = {WORD(TrainOptions, name, NEW, "PRED", NULL, .help = "name of the new predictor"),
                                      {0}};
static const Setting own[] = {
    OBJECT(TrainOptions, net, NETWORK, "net", "NET", .help = "network whose weights are predicted"),
    OBJECT(Train, from, PREDICTOR, "from", "PRED0",
           .help = "start from this predictor, which stays unchanged, for --net or its own network"),
    CHOICE(TrainOptions, config.scheme, "scheme", "SCHEME", PREDICTOR_SCHEMES, .standard = "recon",
           .help = "what is trained on: L_recon (recon), L_recon, L_KD and L_FMD (joint), or L_KD (distil)"),
    OBJECT(TrainOptions, data, DATASET, "data", "DATA",
           .help = "images to train on, for schemes that do; without --on accuracy is measured on them"),
    OBJECT(TrainOptions, on, DATASET, "on", "DATA", .help = "measure accuracy on these images, with its 95 % interval"),
    {0}};
static const Setting trials[] = {INTEGER(TrainOptions, trials, "trials", "N", .min = 1, .max = 1000, .standard = "1",
                                         .help = "train N predictors with successive seeds and keep the best"),
                                 {0}};
static const SettingGroup options[] = {{own, 0},
                                       {train_length_settings, 0},
                                       {epochs_settings, 0},
                                       {recipe_settings, 0},
                                       {watch_settings, 0},
                                       {trials, 0},
                                       {background_settings, 0},
                                       PREDICTOR_GROUPS,
                                       {teacher_settings, 0},
                                       {train_image_settings, 0},
                                       {train_map_settings, 0},
                                       STEP_GROUPS,
                                       {NULL, 0}};
static const char *const examples[] = {
    "train small --net base --hidden 24 --steps 60 --on test",
    "train baseline --net base --hidden 24 --steps 6 --scheme joint --data test --warm-up 2",
    "train tuned --from pred --scheme distil --data test --steps 4",
    "train guided --from pred --scheme distil --data test --steps 4 --teacher smooth",
    "train again --from pred --steps 20 --lr 0.001",
    "train slow --net base --hidden 16 --steps 40 --recipe paper",
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
        "By default, A, B, the batches and the steps with images are the paper's values for data with as many "
        "classes. On L_recon the default optimiser is Muon, with a one-cycle learning rate and 20000 steps; --recipe "
        "paper takes the paper's: Ranger, a cosine and 68600 steps (88200 for networks of more than 10 classes, "
        "160000 above 100). "
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
    .size = sizeof(Train),
    .positionals = positionals,
    .options = options,
    .examples = examples,
    .settle = train_settle,
    .run = train_command,
    .table = true,
    .retries = true,
};
