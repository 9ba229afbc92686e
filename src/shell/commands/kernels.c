/* kernels -- the filters of a layer. */
#include <stdio.h>
#include <string.h>

#include "../chart_options.h"
#include "../command.h"
#include "../dispatch.h"
#include "weft/base/error.h"
#include "weft/spectral.h"

typedef struct Kernels {
    const Object *object, *versus;
    const char *layer, *range;
} Kernels;

/* The names of the panels: the networks, and which difference the third one shows. */
static bool name_panels(const Kernels *o, Str names[3], Error *err) {
    const bool same = strcmp(o->object->name, o->versus->name) == 0;
    str_add(&names[0], o->object->name);
    str_addf(&names[1], "%s%s", o->versus->name, same ? " again" : "");
    str_addf(&names[2], "%s - %s", o->versus->name, o->object->name);
    return str_ok(&names[0], err) && str_ok(&names[1], err) && str_ok(&names[2], err);
}

static bool kernels_command(Session *session, const Args *args, Result *result, Error *err) {
    (void)session;
    const Kernels *o = args->options;
    const Network *network = o->object->network;
    size_t layer;
    Str names[3] = {{0}, {0}, {0}};
    if (!network_find_layer(network, o->layer, &layer, err)) return false;
    if (!o->versus || name_panels(o, names, err)) {
        const char *const texts[3] = {str_text(&names[0]), str_text(&names[1]), str_text(&names[2])};
        result->table = kernels_table(network, layer, object_network(o->versus), texts, err);
    }
    for (size_t i = 0; i < 3; i++) str_done(&names[i]);
    const char *name = network->layers[layer].name;
    if (o->versus)
        result_chart(result, CHART_KERNELS, "", "", "Kernels of %s in %s and %s", name, o->object->name,
                     o->versus->name);
    else
        result_chart(result, CHART_KERNELS, "", "", "Kernels of %s in %s", name, o->object->name);
    if (o->versus) snprintf(result->encoding.series, CHART_NAME_MAX, "network");
    result->encoding.diverging = true;
    return result->table && (!o->range || options_range(o->range, &result->encoding, err));
}

static const Setting positionals[] = {OBJECT(Kernels, object, NETWORK, "NET", NULL, .help = "the network"),
                                      WORD(Kernels, layer, LAYER, "LAYER", NULL, .help = "one of its layers"),
                                      {0}};
static const Setting options[] = {
    OBJECT(Kernels, versus, NETWORK, "vs", "NET2",
           .help = "show the layer of this network beside it, and the difference NET2 - NET"),
    WORD(Kernels, range, TEXT, "range", "MIN:MAX",
         .help = "the colours go from MIN to MAX; default: as far as the weights, centred on 0"),
    {0}};
static const char *const examples[] = {"kernels base conv1", "kernels base conv1 --vs smooth",
                                       "kernels base conv1 --range -0.2:0.2", NULL};

const Command command_kernels = {
    .name = "kernels",
    .group = "Measuring",
    .summary = "Draw the filters of a layer as small heat maps",
    .description =
        "The table has one row for each weight: filter, channel, row, column. The chart draws each k x k kernel; "
        "each row of kernels is one filter. A filter belongs to one output, also in transposed convolutions. A "
        "kernel with one axis is drawn as one row. For three axes, the planes are stacked. Layers other than "
        "convolutions have kernels of a single weight.\n\n"
        "--vs shows three panels with one scale of colours: NET, NET2 and the difference NET2 - NET. The column "
        "network of the table names them. Panels that are too wide show the first filters and channels, and say "
        "which.",
    .size = sizeof(Kernels),
    .positionals = positionals,
    .options = ONE_GROUP(options),
    .examples = examples,
    .run = kernels_command,
    .streams = true,
    .table = true,
};
