/* quantise -- integers for the weights of a network or predictor, and levels for a network's activations. */
#include "../session.h"
#include "weft/base/error.h"
#include "weft/base/memory.h"
#include "weft/base/task.h"
#include "weft/probe.h"

static Network *apply(const Network *network, const Args *args, const bool *chosen, const Task *task, Error *err) {
    const QuantiseOptions options = {.bits = (unsigned)args_integer(args, "bits"),
                                     .activation_bits = (unsigned)args_integer(args, "activation-bits"),
                                     .calibration = args_dataset(args, "calibrate"),
                                     .observer = (Observer)args_choice(args, "observer")};
    return quantise_apply(network, &options, chosen, args->line, task, err);
}

static bool quantise_network(Session *session, const Args *args, const Network *network, Result *result, Error *err) {
    if (!workspace_accepts(session, args_text(args, "into"), OBJECT_NETWORK, err)) return false;
    bool *chosen = args_layers(args, network, CHOOSE_LAYERS, err);
    result->network = chosen ? apply(network, args, chosen, &session->task, err) : NULL;
    mem_free(chosen);
    if (!result->network) return false;
    result->table = quantise_table(network, result->network, args_dataset(args, "calibrate"), &session->task, err);
    return result->table != NULL;
}

static bool quantise_mlp(Session *session, const Args *args, const Predictor *predictor, Result *result, Error *err) {
    static const char *const of_networks[] = {"calibrate", "observer", "activation-bits", "layers"};
    const unsigned bits = (unsigned)args_integer(args, "bits");
    for (size_t i = 0; i < sizeof of_networks / sizeof *of_networks; i++)
        if (args_value(args, of_networks[i])->given)
            return error_set(err, STATUS_USAGE, "--%s is for networks; '%s' is a predictor", of_networks[i],
                             args_text(args, "NAME"));
    if (!workspace_accepts(session, args_text(args, "into"), OBJECT_PREDICTOR, err)) return false;
    result->predictor = quantise_predictor(predictor, bits, args->line, err);
    if (!result->predictor) return false;
    result->table = quantise_predictor_table(predictor, result->predictor, bits, err);
    return result->table != NULL;
}

static bool run(Session *session, const Args *args, Result *result, Error *err) {
    const Object *object = args_value(args, "NAME")->object;
    static const char *const of_activations[] = {"observer", "activation-bits"};
    for (size_t i = 0; i < 2; i++)
        if (args_value(args, of_activations[i])->given && !args_dataset(args, "calibrate"))
            return error_set(err, STATUS_USAGE, "--%s is of activations: --calibrate DATA", of_activations[i]);
    if (object->kind == OBJECT_NETWORK && !quantise_network(session, args, object->network, result, err)) return false;
    if (object->kind == OBJECT_PREDICTOR && !quantise_mlp(session, args, object->predictor, result, err)) return false;
    if (object->kind != OBJECT_NETWORK && object->kind != OBJECT_PREDICTOR)
        return error_set(err, STATUS_USAGE, "'%s' is a %s; networks and predictors are quantised", object->name,
                         object_kind_name(object->kind));
    result->name = args_text(args, "into");
    result_chart(result, CHART_BARS, "layer", "sqnr", "SQNR of %s's weights", result->name);
    return true;
}

static const ArgSpec positionals[] = {
    {.name = "NAME", .kind = ARG_OBJECT, .help = "the network or predictor; it stays as it is"}, {0}};
static const ArgSpec options[] = {
    {.name = "bits",
     .kind = ARG_INTEGER,
     .value = "N",
     .min = 2,
     .max = 8,
     .standard = "8",
     .help = "of a weight: integers from -(2^(N-1)-1) to 2^(N-1)-1, with a scale per output channel"},
    {.name = "calibrate",
     .kind = ARG_DATASET,
     .value = "DATA",
     .help = "quantise the activations of a network, too: levels after what they are on these images"},
    {.name = "activation-bits",
     .kind = ARG_INTEGER,
     .value = "N",
     .min = 2,
     .max = 8,
     .standard = "8",
     .help = "of an activation: N bits without sign, with one scale and zero point for a map"},
    {.name = "observer",
     .kind = ARG_CHOICE,
     .value = "KIND",
     .choices = "minmax|percentile|mse",
     .standard = "minmax",
     .help = "how the range of an activation is found: all of it; without 0.01 % at either end; the part of it whose "
             "levels have the least mean square error"},
    {.name = "layers",
     .kind = ARG_LAYERS,
     .value = "SEL",
     .help = "only the weights of these layers, convolutions or linear (help selectors)"},
    {.name = "into", .kind = ARG_NEW, .value = "NEW", .required = true, .help = "name of the new object"},
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
    .positionals = positionals,
    .options = options,
    .examples = examples,
    .run = run,
    .apply = apply,
    .layers = CHOOSE_LAYERS,
    .table = true,
};
