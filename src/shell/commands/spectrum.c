/* spectrum -- singular values or frequencies of one layer. */
#include <stdio.h>

#include "../command.h"
#include "../dispatch.h"
#include "weft/base/error.h"
#include "weft/spectral.h"

typedef struct Spectrum {
    const Object *object;
    const char *layer;
    bool fft;
} Spectrum;

static bool spectrum_command(Session *session, const Args *args, Result *result, Error *err) {
    (void)session;
    const Spectrum *o = args->options;
    const Network *network = o->object->network;
    size_t layer;
    if (!network_find_layer(network, o->layer, &layer, err)) return false;
    const bool fft = o->fft;
    result->table = spectrum_table(network, layer, fft, err);
    result_chart(result, CHART_LINES, fft ? "frequency" : "index", fft ? "magnitude" : "sigma", "%s of %s",
                 fft ? "Magnitude per frequency" : "Singular values", o->layer);
    if (fft) snprintf(result->encoding.series, CHART_NAME_MAX, "mode");
    return result->table != NULL;
}

static const Setting positionals[] = {OBJECT(Spectrum, object, NETWORK, "NET", NULL, .help = "the network"),
                                      WORD(Spectrum, layer, LAYER, "LAYER", NULL, .help = "one of its layers"),
                                      {0}};
static const Setting options[] = {
    FLAG(Spectrum, fft, "fft", .help = "show the kernels' magnitude per frequency instead"), {0}};
static const char *const examples[] = {"spectrum base layer1.0.conv1", "spectrum base layer1.0.conv1 --fft", NULL};

const Command command_spectrum = {
    .name = "spectrum",
    .group = "Measuring",
    .summary = "List the singular values of a layer, or its frequencies",
    .description =
        "Lists the singular values (help singular-values) of the layer's matrix with the share of energy up to "
        "each. --fft lists the mean magnitude of a convolution's kernels at each frequency: 1d for the flattened "
        "kernel, 2d or 3d along its own axes, by radius.",
    .size = sizeof(Spectrum),
    .positionals = positionals,
    .options = ONE_GROUP(options),
    .examples = examples,
    .run = spectrum_command,
    .table = true,
};
