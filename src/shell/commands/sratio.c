/* sratio -- share of energy in the larger half of the singular values. */
#include "../apply.h"
#include "../dispatch.h"
#include "../session.h"
#include "weft/base/error.h"
#include "weft/base/memory.h"
#include "weft/spectral.h"

typedef struct SratioOptions {
    const Object *object, *versus;
    const char *layers;
    bool dry_run;
} SratioOptions;

static bool sratio_command(Session *session, const Args *args, Result *result, Error *err) {
    const SratioOptions *o = args->options;
    const Network *network = o->object->network, *versus = object_network(o->versus);
    bool *chosen = choose_layers(network, o->layers, CHOOSE_LAYERS, err);
    if (!chosen) return false;
    if (o->dry_run) return work_command(network, versus, chosen, work_sratio, result, err);
    result->table = sratio_table(network, versus, chosen, &session->task, err);
    mem_free(chosen);
    if (versus)
        result_chart(result, CHART_BARS, "layer", "difference", "S_ratio of %s minus %s", o->versus->name,
                     o->object->name);
    else
        result_chart(result, CHART_BARS, "layer", "s_ratio", "S_ratio of %s", o->object->name);
    result->encoding.diverging = versus != NULL;
    return result->table != NULL;
}

static const Setting positionals[] = {OBJECT(SratioOptions, object, NETWORK, "NET", NULL, .help = "the network"), {0}};
static const Setting options[] = {
    OBJECT(SratioOptions, versus, NETWORK, "vs", "NET2",
           .help = "compare with a second network, matched by layer name"),
    WORD(SratioOptions, layers, LAYERS, "layers", "SEL", .help = "only these layers (help selectors)"),
    DRY_RUN(SratioOptions),
    {0}};
static const char *const examples[] = {"sratio base", "sratio base --vs smooth", "sratio base --layers stage:3",
                                       "sratio base --dry-run", NULL};

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
        "the means are over all layers.\n\n"
        "Weights of a large network are read part by part (help large-networks). --dry-run lists what each layer "
        "takes before anything is computed: seconds of one thread, and memory.",
    .size = sizeof(SratioOptions),
    .positionals = positionals,
    .options = ONE_GROUP(options),
    .examples = examples,
    .run = sratio_command,
    .streams = true,
    .table = true,
};
