/* distance -- how far two networks are apart, per layer. */
#include "../session.h"
#include "weft/base/error.h"
#include "weft/base/memory.h"
#include "weft/spectral.h"

static bool run(Session *session, const Args *args, Result *result, Error *err) {
    (void)session;
    const Network *network = args_network(args, "NET");
    bool *chosen = args_layers(args, network, false, err);
    if (!chosen) return false;
    result->table = distance_table(network, args_network(args, "NET2"), chosen, err);
    mem_free(chosen);
    result_chart(result, CHART_BARS, "layer", "mean_abs", "Mean |weight difference|, %s and %s", args_text(args, "NET"),
                 args_text(args, "NET2"));
    return result->table != NULL;
}

static const ArgSpec positionals[] = {{.name = "NET", .kind = ARG_NETWORK, .help = "the network"},
                                      {.name = "NET2", .kind = ARG_NETWORK, .help = "the other, matched by layer name"},
                                      {0}};
static const ArgSpec options[] = {
    {.name = "layers", .kind = ARG_LAYERS, .value = "SEL", .help = "only these layers (help selectors)"}, {0}};
static const char *const examples[] = {"distance base smooth", NULL};

const Command command_distance = {
    .name = "distance",
    .group = "Measuring",
    .summary = "Measure how far apart two networks are, layer by layer",
    .description =
        "Reports the mean absolute difference, the root mean square difference, the relative Frobenius norm (of "
        "the difference, relative to NET) and the cosine similarity, for every layer and overall.",
    .positionals = positionals,
    .options = options,
    .examples = examples,
    .run = run,
    .table = true,
};
