/* kernels -- the filters of a layer. */
#include "../command.h"
#include "../dispatch.h"
#include "weft/base/error.h"
#include "weft/spectral.h"

typedef struct Kernels {
    const Object *object;
    const char *layer;
} Kernels;

static bool kernels_command(Session *session, const Args *args, Result *result, Error *err) {
    (void)session;
    const Kernels *o = args->options;
    const Network *network = o->object->network;
    size_t layer;
    if (!network_find_layer(network, o->layer, &layer, err)) return false;
    result->table = kernels_table(network, layer, err);
    result_chart(result, CHART_KERNELS, "", "", "Kernels of %s", o->layer);
    result->encoding.diverging = true;
    return result->table != NULL;
}

static const Setting positionals[] = {OBJECT(Kernels, object, NETWORK, "NET", NULL, .help = "the network"),
                                      WORD(Kernels, layer, LAYER, "LAYER", NULL, .help = "one of its layers"),
                                      {0}};
static const char *const examples[] = {"kernels base conv1", NULL};

const Command command_kernels = {
    .name = "kernels",
    .group = "Measuring",
    .summary = "Draw the filters of a layer as small heat maps",
    .description =
        "The table has one row for each weight: filter, channel, row, column. The chart draws each k x k kernel; "
        "each row of kernels is one filter. A filter belongs to one output, also in transposed convolutions. A "
        "kernel with one axis is drawn as one row. For three axes, the planes are stacked. Layers other than "
        "convolutions have kernels of a single weight.",
    .size = sizeof(Kernels),
    .positionals = positionals,
    .examples = examples,
    .run = kernels_command,
    .table = true,
};
