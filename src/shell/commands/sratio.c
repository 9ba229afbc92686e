/* sratio -- share of energy in the larger half of the singular values. */
#include "../session.h"
#include "weft/base/error.h"
#include "weft/base/memory.h"
#include "weft/spectral.h"

static bool run(Session *session, const Args *args, Result *result, Error *err) {
    const Network *network = args_network(args, "NET"), *versus = args_network(args, "vs");
    bool *chosen = args_layers(args, network, CHOOSE_LAYERS, err);
    if (!chosen) return false;
    result->table = sratio_table(network, versus, chosen, &session->task, err);
    mem_free(chosen);
    if (versus)
        result_chart(result, CHART_BARS, "layer", "difference", "S_ratio of %s minus %s", args_text(args, "vs"),
                     args_text(args, "NET"));
    else
        result_chart(result, CHART_BARS, "layer", "s_ratio", "S_ratio of %s", args_text(args, "NET"));
    result->encoding.diverging = versus != NULL;
    return result->table != NULL;
}

static const ArgSpec positionals[] = {{.name = "NET", .kind = ARG_NETWORK, .help = "the network"}, {0}};
static const ArgSpec options[] = {
    {.name = "vs", .kind = ARG_NETWORK, .value = "NET2", .help = "a second network, matched by layer name"},
    {.name = "layers", .kind = ARG_LAYERS, .value = "SEL", .help = "only these layers (help selectors)"},
    {0}};
static const char *const examples[] = {"sratio base", "sratio base --vs smooth", "sratio base --layers stage:3", NULL};

const Command command_sratio = {
    .name = "sratio",
    .group = "Measuring",
    .summary = "Measure the share of energy in the larger singular values",
    .description =
        "S_ratio (help s_ratio) is the sum of squares of the larger half of a layer's singular values, divided by "
        "the sum of squares of all. The weight is taken as a matrix, c_out x (c_in k k) for a convolution (help "
        "layers). Smoother weights have a higher S_ratio.\n\n"
        "--vs prints both ratios and the difference NET2 - NET for each layer. Notes give the means over all "
        "convolutions, and over the last half of them as in the paper (help paper). If no convolution is chosen, "
        "the means are over all layers.",
    .positionals = positionals,
    .options = options,
    .examples = examples,
    .run = run,
    .table = true,
};
