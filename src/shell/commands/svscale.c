/* svscale -- singular-value modulation. */
#include "../session.h"
#include "weft/base/error.h"
#include "weft/base/task.h"
#include "weft/spectral.h"

static Network *apply(const Network *network, const Args *args, const bool *chosen, const Task *task, Error *err) {
    return svscale_apply(network, args_real(args, "factor"), (unsigned)args_integer(args, "last"), chosen, args->line,
                         task, err);
}

static const ArgSpec positionals[] = {{.name = "NET", .kind = ARG_NETWORK, .help = "the network; it stays as it is"},
                                      {0}};
static const ArgSpec options[] = {
    {.name = "factor",
     .kind = ARG_REAL,
     .value = "A",
     .max = 1000,
     .required = true,
     .help = "what to multiply them by; below 1 is smoother, 0 drops them"},
    {.name = "last",
     .kind = ARG_INTEGER,
     .value = "N",
     .min = 1,
     .max = 1000000,
     .standard = "15",
     .help = "how many of the smallest singular values"},
    {.name = "layers",
     .kind = ARG_LAYERS,
     .value = "SEL",
     .help = "only these layers, of any kind; by default the convolutions, or all layers where there are none"},
    {.name = "into", .kind = ARG_NEW, .value = "NEW", .required = true, .help = "name of the new network"},
    {0}};
static const char *const examples[] = {"svscale base --factor 0.5 --layers stage:2 --into quieter", NULL};

const Command command_svscale = {
    .name = "svscale",
    .group = "Smoothing",
    .summary = "Scale the smallest singular values of layers",
    .description =
        "Multiplies the smallest singular values (help singular-values) of each chosen layer by a factor and "
        "rebuilds the weight from them.",
    .positionals = positionals,
    .options = options,
    .examples = examples,
    .run = run_apply,
    .apply = apply,
    .layers = CHOOSE_ANY,
    .table = true,
};
