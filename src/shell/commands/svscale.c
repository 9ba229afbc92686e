/* svscale -- singular-value modulation. */
#include "../apply.h"
#include "../command.h"
#include "weft/base/error.h"
#include "weft/base/task.h"
#include "weft/spectral.h"

typedef struct SvScale {
    Maker maker;
    double factor;
    unsigned last;
} SvScale;

static Network *svscale_make(const Network *network, const void *options, const bool *chosen, const char *line,
                             const Task *task, Error *err) {
    const SvScale *o = options;
    return svscale_apply(network, o->factor, o->last, chosen, line, task, err);
}

static const Setting positionals[] = {
    OBJECT(Maker, network, NETWORK, "NET", NULL, .help = "the network; it is not changed"), {0}};
static const Setting options[] = {
    REAL(SvScale, factor, "factor", "A", .max = 1000, .required = true,
         .help = "factor of the smallest singular values; below 1 is smoother, 0 drops them"),
    INTEGER(SvScale, last, "last", "N", .min = 1, .max = 1000000, .standard = "15",
            .help = "how many of the smallest singular values are scaled"),
    MAKER_LAYERS("only these layers, of any kind; by default the convolutions, or all layers if there are none"),
    MAKER_DRY_RUN,
    MAKER_INTO,
    {0}};
static const char *const examples[] = {"svscale base --factor 0.5 --layers stage:2 --into quieter", NULL};

const Command command_svscale = {
    .name = "svscale",
    .group = "Smoothing",
    .summary = "Scale the smallest singular values of layers",
    .description =
        "Multiplies the smallest singular values (help singular-values) of each chosen layer by a factor and "
        "rebuilds the weight from them.",
    .size = sizeof(SvScale),
    .positionals = positionals,
    .options = ONE_GROUP(options),
    .examples = examples,
    .run = run_apply,
    .streams = true,
    .apply = svscale_make,
    .layers = CHOOSE_ANY,
    .work = work_svscale,
    .table = true,
};
