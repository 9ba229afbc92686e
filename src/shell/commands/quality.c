/* quality -- norms, ranks, power laws and bulk edges of layers, as WeightWatcher's users read them. */
#include "../apply.h"
#include "../dispatch.h"
#include "../session.h"
#include "weft/base/error.h"
#include "weft/base/memory.h"
#include "weft/spectral/quality.h"

typedef struct QualityOptions {
    const Object *object, *versus;
    const char *layers;
    bool matrix, dry_run;
} QualityOptions;

static bool quality_command(Session *session, const Args *args, Result *result, Error *err) {
    const QualityOptions *o = args->options;
    const Network *network = o->object->network, *versus = object_network(o->versus);
    bool *chosen = choose_layers(network, o->layers, CHOOSE_LAYERS, err);
    if (!chosen) return false;
    if (o->dry_run)
        return work_command(network, versus, chosen, o->matrix ? work_quality_matrix : work_quality, result, err);
    result->table = quality_table(network, versus, chosen, o->matrix, &session->task, err);
    mem_free(chosen);
    if (versus)
        result_chart(result, CHART_BARS, "layer", "alpha_difference", "Tail exponent alpha of %s minus %s",
                     o->versus->name, o->object->name);
    else
        result_chart(result, CHART_BARS, "layer", "alpha", "Tail exponent alpha of %s", o->object->name);
    result->encoding.diverging = versus != NULL;
    return result->table != NULL;
}

static const Setting positionals[] = {OBJECT(QualityOptions, object, NETWORK, "NET", NULL, .help = "the network"), {0}};
static const Setting options[] = {
    OBJECT(QualityOptions, versus, NETWORK, "vs", "NET2",
           .help = "compare with a second network, matched by layer name"),
    WORD(QualityOptions, layers, LAYERS, "layers", "SEL", .help = "only these layers (help selectors)"),
    FLAG(QualityOptions, matrix, "matrix",
         .help = "take a convolution as one matrix, as sratio does; default: one for each place of its kernel"),
    DRY_RUN(QualityOptions),
    {0}};
static const char *const examples[] = {"quality base", "quality base --vs smooth", "quality base --layers stage:3",
                                       NULL};

const Command command_quality = {
    .name = "quality",
    .group = "Measuring",
    .summary = "Measure norms, ranks, tail exponent and bulk edge of each layer",
    .description =
        "Reports WeightWatcher's measures of trained layers: the power-law exponent alpha of the eigenvalues' tail "
        "with the distance D of its fit, the stable and the effective rank, the spectral and the Frobenius norm, and "
        "the eigenvalues beyond the edge of the Marchenko-Pastur law (num_spikes). `help quality` defines every "
        "column. The last row has the means.\n\n"
        "--vs prints both values and the difference NET2 - NET. A layer with fewer than 8 eigenvalues, or with weights "
        "that are not finite, has empty cells, and the note skipped names the reason.",
    .size = sizeof(QualityOptions),
    .positionals = positionals,
    .options = ONE_GROUP(options),
    .examples = examples,
    .run = quality_command,
    .streams = true,
    .table = true,
};
