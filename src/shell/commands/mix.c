/* mix -- a network between two others. */
#include "../session.h"
#include "weft/base/error.h"
#include "weft/base/task.h"
#include "weft/probe.h"

/* Everything, or with layers chosen, by the user or by a sweep, only those. */
static Network *apply(const Network *network, const Args *args, const bool *chosen, const Task *task, Error *err) {
    (void)task;
    return mix_apply(network, args_network(args, "B"), args_real(args, "alpha"),
                     args_text(args, "layers") ? chosen : NULL, args->line, err);
}

static const ArgSpec positionals[] = {
    {.name = "A", .kind = ARG_NETWORK, .help = "the network at alpha 0"},
    {.name = "B", .kind = ARG_NETWORK, .help = "the network at alpha 1, of the same architecture"},
    {0}};
static const ArgSpec options[] = {
    {.name = "alpha",
     .kind = ARG_REAL,
     .value = "X",
     .required = true,
     .help = "where between them; below 0 and above 1 are beyond A and B"},
    {.name = "layers",
     .kind = ARG_LAYERS,
     .value = "SEL",
     .help = "only these layers (help selectors); the rest is A's"},
    {.name = "into", .kind = ARG_NEW, .value = "NEW", .required = true, .help = "name of the new network"},
    {0}};
static const char *const examples[] = {"mix base smooth --alpha 0.5 --into half",
                                       "mix base smooth --alpha 1.2 --layers stage:3 --into beyond", NULL};

const Command command_mix = {
    .name = "mix",
    .group = "Exploring",
    .summary = "Make a network between two others, or beyond them",
    .description =
        "The new network has the weights (1 - X) A + X B, and likewise biases and the parameters and statistics "
        "of batch norm. --layers mixes only the weights of these layers. `interpolate` measures the whole line "
        "between A and B.",
    .positionals = positionals,
    .options = options,
    .examples = examples,
    .run = run_apply,
    .apply = apply,
    .layers = CHOOSE_ANY,
    .table = true,
};
