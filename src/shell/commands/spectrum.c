/* spectrum -- singular values or frequencies of one layer. */
#include <stdio.h>

#include "../apply.h"
#include "../command.h"
#include "../dispatch.h"
#include "weft/base/error.h"
#include "weft/base/memory.h"
#include "weft/spectral.h"

typedef struct Spectrum {
    const Object *object, *versus;
    const char *layer;
    bool fft, dry_run;
} Spectrum;

/* Marks the last of the larger singular values, whose squares S_ratio counts: on each curve, with the ratio. */
static void mark_half(const Table *table, const Spectrum *o, Encoding *encoding) {
    const size_t half = table->rows / 2;
    for (unsigned i = 0; half > 0 && i < (o->versus ? 2 : 1); i++) {
        const char *ratio = table_get_note(table, i == 0 ? "s_ratio" : "s_ratio_vs");
        double number;
        if (!ratio || !text_to_double(ratio, &number)) continue;
        ChartMark *mark = &encoding->marks[encoding->mark_count++];
        *mark = (ChartMark){.x = (double)half, .y = table_number(table, i == 0 ? "sigma" : "sigma_vs", half - 1)};
        snprintf(mark->label, CHART_NAME_MAX, "larger half of %.24s: S_ratio %.4f",
                 (i == 0 ? o->object : o->versus)->name, number);
    }
}

/* Of two networks, the curves of one mode: the last, along the kernel's own axes where it has several. */
static void choose_mode(const Table *table, Encoding *encoding) {
    const Column *mode = table_find(table, "mode");
    snprintf(encoding->where, CHART_NAME_MAX, "mode");
    snprintf(encoding->where_text, CHART_NAME_MAX, "%s", table->rows > 0 ? mode->cells[table->rows - 1].text : "1d");
}

static void set_chart(const Spectrum *o, const char *layer, Result *result) {
    const char *column = o->fft ? "magnitude" : "sigma", *what = o->fft ? "Magnitude per frequency" : "Singular values";
    Encoding *encoding = &result->encoding;
    if (o->versus)
        result_chart(result, CHART_LINES, o->fft ? "frequency" : "index", column, "%s of %s: %s and %s", what, layer,
                     o->object->name, o->versus->name);
    else
        result_chart(result, CHART_LINES, o->fft ? "frequency" : "index", column, "%s of %s in %s", what, layer,
                     o->object->name);
    if (o->versus) {
        snprintf(encoding->y[1], CHART_NAME_MAX, "%s_vs", column);
        snprintf(encoding->legend[0], CHART_NAME_MAX, "%s", o->object->name);
        snprintf(encoding->legend[1], CHART_NAME_MAX, "%s", o->versus->name);
    }
    if (!o->fft)
        mark_half(result->table, o, encoding);
    else if (o->versus)
        choose_mode(result->table, encoding);
    else
        snprintf(encoding->series, CHART_NAME_MAX, "mode");
}

static bool estimate(const Spectrum *o, size_t layer, Result *result, Error *err) {
    const Network *network = o->object->network;
    bool *chosen = mem_alloc(network->layer_count, sizeof *chosen, err);
    if (chosen) chosen[layer] = true;
    return work_command(network, object_network(o->versus), chosen, work_spectrum, result, err);
}

static bool spectrum_command(Session *session, const Args *args, Result *result, Error *err) {
    (void)session;
    const Spectrum *o = args->options;
    const Network *network = o->object->network;
    size_t layer;
    if (!network_find_layer(network, o->layer, &layer, err)) return false;
    if (o->dry_run) return estimate(o, layer, result, err);
    result->table = spectrum_table(network, layer, object_network(o->versus), o->fft, err);
    if (result->table) set_chart(o, network->layers[layer].name, result);
    return result->table != NULL;
}

static const Setting positionals[] = {OBJECT(Spectrum, object, NETWORK, "NET", NULL, .help = "the network"),
                                      WORD(Spectrum, layer, LAYER, "LAYER", NULL, .help = "one of its layers"),
                                      {0}};
static const Setting options[] = {
    OBJECT(Spectrum, versus, NETWORK, "vs", "NET2", .help = "compare with the same layer of a second network"),
    FLAG(Spectrum, fft, "fft", .help = "show the kernels' magnitude per frequency instead"),
    FLAG(Spectrum, dry_run, "dry-run", .excludes = "fft",
         .help = "compute nothing: estimate the time and memory of the singular values"),
    {0}};
static const char *const examples[] = {"spectrum base layer1.0.conv1", "spectrum base layer1.0.conv1 --fft",
                                       "spectrum base layer1.0.conv1 --vs smooth", NULL};

const Command command_spectrum = {
    .name = "spectrum",
    .group = "Measuring",
    .summary = "List the singular values of a layer, or its frequencies",
    .description =
        "Lists the singular values (help singular-values) of the layer's matrix with the share of energy up to "
        "each. --fft lists the mean magnitude of a convolution's kernels at each frequency: 1d for the flattened "
        "kernel, 2d or 3d along its own axes, by radius.\n\n"
        "The chart marks the end of the larger half of the singular values, which S_ratio counts (help s_ratio). "
        "--vs adds columns for NET2 and the differences NET2 - NET, and draws both curves; with --fft those of the "
        "last mode (plot --where mode=1d draws the other).",
    .size = sizeof(Spectrum),
    .positionals = positionals,
    .options = ONE_GROUP(options),
    .examples = examples,
    .run = spectrum_command,
    .streams = true,
    .table = true,
};
