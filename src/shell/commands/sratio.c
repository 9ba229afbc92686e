/* sratio -- share of energy in the larger half of the singular values. */
#include "../session.h"
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
    .summary = "share of energy in the larger half of the singular values",
    .description =
        "S_ratio of a layer: its weight as a matrix (c_out x (c_in k k) of a convolution, help layers), the sum of the squares of "
        "the larger half of the singular values, divided by the sum over all. Smoother weights have a higher S_ratio. With --vs: "
        "both ratios and the difference NET2 - NET per layer. The means stand under the table, over all convolutions and over the "
        "last half of them, as the paper has them; where no convolution is chosen, over all layers.",
    .positionals = positionals,
    .options = options,
    .examples = examples,
    .run = run,
    .table = true,
};
