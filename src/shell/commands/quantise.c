/* quantise -- integers for the weights of a network or predictor, and levels for a network's activations. */
#include "../apply.h"
#include "../dispatch.h"
#include "../session.h"
#include "../workspace.h"
#include "weft/base/error.h"
#include "weft/base/memory.h"
#include "weft/base/task.h"
#include "weft/probe.h"

typedef struct Quantise {
    Maker maker; /* `network` may be a predictor */
    unsigned bits, activation_bits;
    const Object *calibrate;
    Observer observer;
} Quantise;

static Network *quantise_make(const Network *network, const void *options, const bool *chosen, const char *line,
                              const Task *task, Error *err) {
    const Quantise *o = options;
    const QuantiseOptions quantise = {.bits = o->bits,
                                      .activation_bits = o->activation_bits,
                                      .calibration = object_dataset(o->calibrate),
                                      .observer = o->observer};
    return quantise_apply(network, &quantise, chosen, line, task, err);
}

static bool quantise_network(Session *session, const Args *args, const Network *network, Result *result, Error *err) {
    const Quantise *o = args->options;
    if (!workspace_accepts(session, o->maker.into, OBJECT_NETWORK, err)) return false;
    bool *chosen = choose_layers(network, o->maker.layers, CHOOSE_LAYERS, err);
    if (o->maker.dry_run) return work_command(network, NULL, chosen, work_quantise, result, err);
    result->network = chosen ? quantise_make(network, o, chosen, args->line, &session->task, err) : NULL;
    mem_free(chosen);
    if (!result->network) return false;
    result->table = quantise_table(network, result->network, object_dataset(o->calibrate), &session->task, err);
    return result->table != NULL;
}

static bool quantise_mlp(Session *session, const Args *args, const Predictor *predictor, Result *result, Error *err) {
    static const char *const of_networks[] = {"calibrate", "observer", "activation-bits", "layers", "dry-run"};
    const Quantise *o = args->options;
    for (size_t i = 0; i < sizeof of_networks / sizeof *of_networks; i++)
        if (args_given(args, of_networks[i]))
            return error_set(err, STATUS_USAGE, "--%s needs a network; '%s' is a predictor", of_networks[i],
                             o->maker.network->name);
    if (!workspace_accepts(session, o->maker.into, OBJECT_PREDICTOR, err)) return false;
    result->predictor = quantise_predictor(predictor, o->bits, args->line, err);
    if (!result->predictor) return false;
    result->table = quantise_predictor_table(predictor, result->predictor, o->bits, err);
    return result->table != NULL;
}

static bool quantise_command(Session *session, const Args *args, Result *result, Error *err) {
    const Maker *maker = args->options;
    const Object *object = maker->network;
    if (object->kind == OBJECT_NETWORK && !quantise_network(session, args, object->network, result, err)) return false;
    if (object->kind == OBJECT_PREDICTOR && !quantise_mlp(session, args, object->predictor, result, err)) return false;
    if (object->kind != OBJECT_NETWORK && object->kind != OBJECT_PREDICTOR)
        return error_set(err, STATUS_USAGE, "'%s' is a %s; quantise takes networks and predictors", object->name,
                         object_kind_name(object->kind));
    if (maker->dry_run) return true;
    result->name = maker->into;
    result_chart(result, CHART_BARS, "layer", "sqnr", "SQNR of %s's weights", result->name);
    return true;
}

static const Setting positionals[] = {
    OBJECT(Maker, network, OBJECT, "NAME", NULL, .help = "the network or predictor; it is not changed"), {0}};
static const Setting options[] = {
    INTEGER(Quantise, bits, "bits", "N", .min = 2, .max = 8, .standard = "8",
            .help = "bits of a weight: integers from -(2^(N-1)-1) to 2^(N-1)-1, with a scale per output channel"),
    OBJECT(Quantise, calibrate, DATASET, "calibrate", "DATA",
           .help = "also quantise a network's activations, with their range on these images"),
    INTEGER(Quantise, activation_bits, "activation-bits", "N", .min = 2, .max = 8, .standard = "8",
            .needs = "calibrate", .help = "bits of an activation, unsigned, with one scale and zero point per map"),
    CHOICE(Quantise, observer, "observer", "KIND", OBSERVERS, .standard = "minmax", .needs = "calibrate",
           .help = "range of an activation: all of it; without 0.01 % at either end; or the part whose levels have "
                   "the least mean square error"),
    MAKER_LAYERS("only the weights of these layers, convolutions or linear (help selectors)"),
    MAKER_DRY_RUN,
    WORD(Maker, into, NEW, "into", "NEW", .required = true, .help = "name of the new object"),
    {0}};
static const char *const examples[] = {"quantise base --bits 4 --into small",
                                       "quantise base --calibrate test --into int8; evaluate int8 test",
                                       "quantise base --calibrate test --observer mse --activation-bits 4 --into int84",
                                       "quantise pred --into pred8; reconstruct pred8 --into again", NULL};

const Command command_quantise = {
    .name = "quantise",
    .group = "Smoothing",
    .summary = "Simulate integer weights and activations",
    .description =
        "Simulates post-training static quantisation. The chosen weights of a network become symmetric integers "
        "per output channel. With --calibrate, activations become unsigned integers at the points where an int8 "
        "network has them: the input, each convolution with its batch norm and ReLU, each sum with its ReLU, the "
        "pool and the linear layer. The new network holds the dequantised numbers and gives the same results as "
        "integer arithmetic, so every other command works with it. For a predictor, the weights of its linear "
        "layers are quantised.\n\n"
        "The table has one row per layer, the worst first. sqnr is the signal-to-quantisation-noise ratio of the "
        "weights. scale, zero_point and activation_sqnr describe the layer's output. Notes give size_float and "
        "size in MB of 2^20 bytes (with batch norm folded into one bias per channel) and their ratio.",
    .size = sizeof(Quantise),
    .positionals = positionals,
    .options = ONE_GROUP(options),
    .examples = examples,
    .run = quantise_command,
    .streams = true,
    .apply = quantise_make,
    .layers = CHOOSE_LAYERS,
    .table = true,
};
