/* reconstruct -- a network with the kernels that a predictor gives. */
#include <math.h>
#include <string.h>

#include "../command.h"
#include "../workspace.h"
#include "weft/base/error.h"
#include "weft/base/table.h"
#include "weft/base/tensor.h"

typedef struct Reconstruct {
    const Object *predictor, *network;
    const char *into;
} Reconstruct;

/* Squares of what was and of what changed, over the predicted layers. */
static void measure(const Network *source, const Network *made, double *change, double *size) {
    for (size_t i = 0; i < source->layer_count; i++) {
        const Tensor *old = layer_weight(source, &source->layers[i]), *now = layer_weight(made, &made->layers[i]);
        for (uint64_t w = 0; old != now && w < old->count; w++) {
            const double difference = (double)now->data[w] - (double)old->data[w];
            *change += difference * difference;
            *size += (double)old->data[w] * (double)old->data[w];
        }
    }
}

static Table *summary(const char *name, const Predictor *p, const Network *source, const Network *made, Error *err) {
    char fingerprint[FINGERPRINT_MAX];
    double change = 0, size = 0;
    if (!predictor_fingerprint(source, p->layers, p->layer_count, fingerprint, err)) return NULL;
    Table *table = table_new(err);
    if (!table) return NULL;
    measure(source, made, &change, &size);
    table_column(table, "network", "", COLUMN_TEXT);
    table_column(table, "layers", "", COLUMN_INTEGER);
    table_column(table, "weights", "", COLUMN_INTEGER);
    table_column(table, "l_recon", "", COLUMN_REAL);
    table_column(table, "relative_change", "", COLUMN_REAL);
    table_column(table, "same_source", "", COLUMN_TEXT);
    table_text(table, name);
    table_integer(table, (int64_t)p->layer_count);
    table_integer(table, (int64_t)p->weight_count);
    table_real(table, sqrt(change / (double)p->weight_count));
    table_real(table, size > 0 ? sqrt(change / size) : NAN);
    table_text(table, !p->fingerprint[0] ? "not known" : strcmp(p->fingerprint, fingerprint) == 0 ? "yes" : "no");
    return table_finish(table, err);
}

static bool reconstruct_command(Session *session, const Args *args, Result *result, Error *err) {
    const Reconstruct *o = args->options;
    const Predictor *p = o->predictor->predictor;
    const Network *other = object_network(o->network), *source = other ? other : p->source;
    if (!workspace_accepts(session, o->into, OBJECT_NETWORK, err)) return false;
    if (!source)
        return error_set(err, STATUS_FAILED, "the network that '%s' predicts is unknown; give it with --for NET",
                         o->predictor->name);
    result->network = predictor_reconstruct_in(p, source, NULL, args->line, err);
    if (!result->network) return false;
    result->name = o->into;
    result->receipt = true;
    result->table = summary(result->name, p, source, result->network, err);
    return result->table != NULL;
}

static const Setting positionals[] = {OBJECT(Reconstruct, predictor, PREDICTOR, "PRED", NULL, .help = "the predictor"),
                                      {0}};
static const Setting options[] = {
    OBJECT(Reconstruct, network, NETWORK, "for", "NET", .usual = "its own network",
           .help = "network that provides everything else"),
    WORD(Reconstruct, into, NEW, "into", "NEW", .required = true, .help = "name of the new network"),
    {0}};
static const char *const examples[] = {"reconstruct pred --into again", "reconstruct pred --for smooth --into other",
                                       NULL};

const Command command_reconstruct = {
    .name = "reconstruct",
    .group = "Predictors",
    .summary = "Make a network from the kernels that a predictor gives",
    .description =
        "The new network is the source network with its predicted layers replaced. Other layers, biases and batch "
        "norm are the source's.\n\n"
        "l_recon is the root mean square difference between weights and predictions, over all predicted weights. "
        "same_source tells whether these are the weights that the predictor was trained on.",
    .size = sizeof(Reconstruct),
    .positionals = positionals,
    .options = ONE_GROUP(options),
    .examples = examples,
    .run = reconstruct_command,
    .table = true,
};
