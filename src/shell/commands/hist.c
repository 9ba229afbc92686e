/* hist -- how the weights of a layer, or of a network, are distributed. */
#include <stdio.h>

#include "../apply.h"
#include "../command.h"
#include "../dispatch.h"
#include "../session.h"
#include "weft/base/error.h"
#include "weft/base/memory.h"
#include "weft/spectral/histogram.h"

typedef struct Hist {
    const Object *object, *versus;
    const char *layer, *layers;
    unsigned bins;
    bool dry_run;
} Hist;

/* One layer by its name, or those of the selector. */
static bool *choose(const Hist *o, Error *err) {
    const Network *network = o->object->network;
    size_t layer;
    if (!o->layer) return choose_layers(network, o->layers, CHOOSE_LAYERS, err);
    if (o->layers) {
        error_set(err, STATUS_USAGE, "hist: either one layer (%s) or --layers", o->layer);
        return NULL;
    }
    bool *chosen = NULL;
    if (network_find_layer(network, o->layer, &layer, err))
        chosen = mem_alloc(network->layer_count, sizeof *chosen, err);
    if (chosen) chosen[layer] = true;
    return chosen;
}

static void draw(const Hist *o, Result *result) {
    const char *layers = table_get_note(result->table, "layers");
    char which[CHART_NAME_MAX + 16];
    if (o->layer)
        snprintf(which, sizeof which, "%s", o->layer);
    else
        snprintf(which, sizeof which, "%s%s%s layers", o->layers ? o->layers : "", o->layers ? ", " : "", layers);
    result_chart(result, CHART_HISTOGRAM, "weight", o->versus ? "share" : "count", "Weights of %s%s%s: %s",
                 o->object->name, o->versus ? " and " : "", o->versus ? o->versus->name : "", which);
    Encoding *encoding = &result->encoding;
    snprintf(encoding->low, CHART_NAME_MAX, "low");
    snprintf(encoding->high, CHART_NAME_MAX, "high");
    if (!o->versus) return;
    snprintf(encoding->y[1], CHART_NAME_MAX, "share_vs");
    snprintf(encoding->legend[0], CHART_NAME_MAX, "%s", o->object->name);
    snprintf(encoding->legend[1], CHART_NAME_MAX, "%s", o->versus->name);
}

static bool hist_command(Session *session, const Args *args, Result *result, Error *err) {
    const Hist *o = args->options;
    bool *chosen = choose(o, err);
    if (!chosen) return false;
    if (o->dry_run) return work_command(o->object->network, object_network(o->versus), chosen, work_hist, result, err);
    result->table =
        histogram_table(o->object->network, object_network(o->versus), chosen, o->bins, &session->task, err);
    mem_free(chosen);
    if (!result->table) return false;
    draw(o, result);
    return true;
}

static const Setting positionals[] = {
    OBJECT(Hist, object, NETWORK, "NET", NULL, .help = "the network"),
    WORD(Hist, layer, LAYER, "LAYER", NULL, .optional = true, .help = "one of its layers; all of them by default"),
    {0}};
static const Setting options[] = {
    OBJECT(Hist, versus, NETWORK, "vs", "NET2", .help = "a second network in the same bins, matched by layer name"),
    WORD(Hist, layers, LAYERS, "layers", "SEL", .help = "only these layers (help selectors)"),
    INTEGER(Hist, bins, "bins", "N", .min = 1, .max = HISTOGRAM_BINS_MOST,
            .usual = "by the rule of Freedman and Diaconis, at most 100", .help = "number of bins"),
    DRY_RUN(Hist),
    {0}};
static const char *const examples[] = {"hist base", "hist base layer1.0.conv1 --vs smooth",
                                       "hist base --layers stage:3 --bins 40", NULL};

const Command command_hist = {
    .name = "hist",
    .group = "Measuring",
    .summary = "Count the weights of a layer or a network in bins",
    .description =
        "Counts the weights (not the biases) of LAYER, of the layers of --layers, or of all layers, in equal bins from "
        "the least to the greatest. --vs counts a second network in the same bins and draws both over one another.\n\n"
        "Notes give the mean, the standard deviation, the least and the greatest weight, the excess kurtosis (0 for "
        "normally distributed weights) and the share of zeros. Weights that are not finite are counted in a note and "
        "not drawn.",
    .size = sizeof(Hist),
    .positionals = positionals,
    .options = ONE_GROUP(options),
    .examples = examples,
    .run = hist_command,
    .streams = true,
    .table = true,
};
