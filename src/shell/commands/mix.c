/* mix -- a network between two others. */
#include "../apply.h"
#include "../command.h"
#include "weft/base/error.h"
#include "weft/base/task.h"
#include "weft/probe.h"

typedef struct Mix {
    Maker maker;
    const Object *other;
    double alpha;
} Mix;

/* Everything, or with layers chosen, by the user or by a sweep, only those. */
static Network *mix_make(const Network *network, const void *options, const bool *chosen, const char *line,
                         const Task *task, Error *err) {
    const Mix *o = options;
    (void)task;
    return mix_apply(network, o->other->network, o->alpha, o->maker.layers ? chosen : NULL, line, err);
}

static const Setting positionals[] = {
    OBJECT(Maker, network, NETWORK, "A", NULL, .help = "the network at alpha 0"),
    OBJECT(Mix, other, NETWORK, "B", NULL, .help = "the network at alpha 1, of the same architecture"),
    {0}};
static const Setting options[] = {REAL(Mix, alpha, "alpha", "X", .required = true,
                                       .help = "place between the two; below 0 lies beyond A, above 1 beyond B"),
                                  MAKER_LAYERS("only these layers (help selectors); the rest comes from A"),
                                  MAKER_DRY_RUN,
                                  MAKER_INTO,
                                  {0}};
static const char *const examples[] = {"mix base smooth --alpha 0.5 --into half",
                                       "mix base smooth --alpha 1.2 --layers stage:3 --into beyond", NULL};

const Command command_mix = {
    .name = "mix",
    .group = "Exploring",
    .summary = "Make a network between two others, or beyond them",
    .description =
        "The new network has the weights (1 - X) A + X B, and likewise biases and the parameters and statistics "
        "of batch norm. --layers mixes only the weights of these layers. `interpolate` measures the whole line "
        "between A and B.",
    .size = sizeof(Mix),
    .positionals = positionals,
    .options = ONE_GROUP(options),
    .examples = examples,
    .run = run_apply,
    .streams = true,
    .apply = mix_make,
    .layers = CHOOSE_ANY,
    .work = work_mix,
    .table = true,
};
