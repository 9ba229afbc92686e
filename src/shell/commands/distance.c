/* distance -- how far two networks are apart, per layer. */
#include "../apply.h"
#include "../command.h"
#include "../dispatch.h"
#include "../session.h"
#include "weft/base/error.h"
#include "weft/base/memory.h"
#include "weft/spectral.h"

typedef struct Distance {
    const Object *a, *b;
    const char *layers;
    bool dry_run;
} Distance;

static bool distance_command(Session *session, const Args *args, Result *result, Error *err) {
    const Distance *o = args->options;
    const Network *network = o->a->network;
    bool *chosen = choose_layers(network, o->layers, CHOOSE_LAYERS, err);
    if (!chosen) return false;
    if (o->dry_run) return work_command(network, o->b->network, chosen, work_distance, result, err);
    result->table = distance_table(network, o->b->network, chosen, &session->task, err);
    mem_free(chosen);
    result_chart(result, CHART_BARS, "layer", "mean_abs", "Mean |difference| of the weights, %s and %s", o->a->name,
                 o->b->name);
    return result->table != NULL;
}

static const Setting positionals[] = {
    OBJECT(Distance, a, NETWORK, "NET", NULL, .help = "the network"),
    OBJECT(Distance, b, NETWORK, "NET2", NULL, .help = "the other network, matched by layer name"),
    {0}};
static const Setting options[] = {
    WORD(Distance, layers, LAYERS, "layers", "SEL", .help = "only these layers (help selectors)"),
    DRY_RUN(Distance),
    {0}};
static const char *const examples[] = {"distance base smooth", NULL};

const Command command_distance = {
    .name = "distance",
    .group = "Measuring",
    .summary = "Measure how far apart two networks are, layer by layer",
    .description =
        "Reports the mean absolute difference, the root mean square difference, the relative Frobenius norm (of "
        "the difference, relative to NET) and the cosine similarity, for every layer and overall.",
    .size = sizeof(Distance),
    .positionals = positionals,
    .options = ONE_GROUP(options),
    .examples = examples,
    .run = distance_command,
    .streams = true,
    .table = true,
};
