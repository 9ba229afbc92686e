/* spectrum -- singular values or frequencies of one layer. */
#include "../session.h"
#include "weft/base/error.h"
#include "weft/spectral.h"

static bool run(Session *session, const Args *args, Result *result, Error *err) {
    (void)session;
    const Network *network = args_network(args, "NET");
    size_t layer;
    if (!network_find_layer(network, args_text(args, "LAYER"), &layer, err)) return false;
    bool fft = args_flag(args, "fft");
    result->table = spectrum_table(network, layer, fft, err);
    result_chart(result, CHART_LINES, fft ? "frequency" : "index", fft ? "magnitude" : "sigma", "%s of %s",
                 fft ? "Magnitude per frequency" : "Singular values", args_text(args, "LAYER"));
    if (fft) snprintf(result->encoding.series, CHART_NAME_MAX, "mode");
    return result->table != NULL;
}

static const ArgSpec positionals[] = {{.name = "NET", .kind = ARG_NETWORK, .help = "the network"},
                                      {.name = "LAYER", .kind = ARG_LAYER, .help = "one of its layers"},
                                      {0}};
static const ArgSpec options[] = {
    {.name = "fft", .kind = ARG_FLAG, .help = "magnitude per frequency of the kernels instead"}, {0}};
static const char *const examples[] = {"spectrum base layer1.0.conv1", "spectrum base layer1.0.conv1 --fft", NULL};

const Command command_spectrum = {
    .name = "spectrum",
    .group = "Measuring",
    .summary = "List the singular values of a layer, or its frequencies",
    .description =
        "Lists the singular values (help singular-values) of the layer's matrix with the share of energy up to "
        "each. --fft lists the mean magnitude of a convolution's kernels at each frequency: 1d for the flattened "
        "kernel, 2d or 3d along its own axes, by radius.",
    .positionals = positionals,
    .options = options,
    .examples = examples,
    .run = run,
    .table = true,
};
