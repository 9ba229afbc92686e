/* reconstruct -- a network with the kernels that a predictor gives. */
#include <math.h>
#include <string.h>

#include "../session.h"
#include "weft/base/error.h"
#include "weft/base/table.h"
#include "weft/base/tensor.h"

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

static bool run(Session *session, const Args *args, Result *result, Error *err) {
    const Predictor *p = args_predictor(args, "PRED");
    const Network *other = args_network(args, "for"), *source = other ? other : p->source;
    if (!workspace_accepts(session, args_text(args, "into"), OBJECT_NETWORK, err)) return false;
    if (!source)
        return error_set(err, STATUS_FAILED, "the network that '%s' was made for is not known: --for NET",
                         args_text(args, "PRED"));
    result->network = predictor_reconstruct_in(p, source, NULL, args->line, err);
    if (!result->network) return false;
    result->name = args_text(args, "into");
    result->table = summary(result->name, p, source, result->network, err);
    return result->table != NULL;
}

static const ArgSpec positionals[] = {{.name = "PRED", .kind = ARG_PREDICTOR, .help = "the predictor"}, {0}};
static const ArgSpec options[] = {
    {.name = "for",
     .kind = ARG_NETWORK,
     .value = "NET",
     .help = "the network to take all else from, instead of its own"},
    {.name = "into", .kind = ARG_NEW, .value = "NEW", .required = true, .help = "the new network's name"},
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
    .positionals = positionals,
    .options = options,
    .examples = examples,
    .run = run,
    .table = true,
};
