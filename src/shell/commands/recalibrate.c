/* recalibrate -- batch norm's running statistics from images. */
#include <math.h>

#include "../session.h"
#include "../workspace.h"
#include "weft/base/error.h"
#include "weft/base/table.h"
#include "weft/probe.h"

typedef struct Recalibrate {
    const Object *object, *on;
    const char *into;
    unsigned batch;
    Convolutions convolutions;
} Recalibrate;

/* How far the statistics moved: the root mean square over all channels, of the mean in units of the old deviation, and
 * of the variance as the logarithm of new over old. */
static Table *summary(const char *name, const Network *before, const Network *after, Error *err) {
    double mean_change = 0, variance_change = 0;
    int64_t layers = 0, channels = 0, counted = 0;
    for (size_t i = 0; i < before->graph->count; i++) {
        const Op *op = &before->graph->ops[i];
        if (op->kind != OP_BATCH_NORM) continue;
        const float *mean = before->tensors[op->mean].tensor->data, *now = after->tensors[op->mean].tensor->data;
        const float *variance = before->tensors[op->variance].tensor->data;
        const float *variance_now = after->tensors[op->variance].tensor->data;
        layers++;
        for (unsigned c = 0; c < op->out_channels; c++) {
            const double deviation = sqrt((double)variance[c] + (double)op->epsilon);
            const double moved = ((double)now[c] - (double)mean[c]) / deviation;
            const double grown =
                log(((double)variance_now[c] + (double)op->epsilon) / ((double)variance[c] + (double)op->epsilon));
            channels++;
            if (!isfinite(moved) || !isfinite(grown)) continue;
            mean_change += moved * moved;
            variance_change += grown * grown;
            counted++;
        }
    }
    Table *table = table_new(err);
    if (!table) return NULL;
    table_column(table, "network", "", COLUMN_TEXT);
    table_column(table, "batch_norms", "", COLUMN_INTEGER);
    table_column(table, "channels", "", COLUMN_INTEGER);
    table_column(table, "mean_change", "", COLUMN_REAL);
    table_column(table, "log_variance_change", "", COLUMN_REAL);
    table_text(table, name);
    table_integer(table, layers);
    table_integer(table, channels);
    table_real(table, counted ? sqrt(mean_change / (double)counted) : (double)NAN);
    table_real(table, counted ? sqrt(variance_change / (double)counted) : (double)NAN);
    if (counted < channels)
        table_note(table, "skipped", "%lld of %lld channels (a mean or variance that is not finite, before or after)",
                   (long long)(channels - counted), (long long)channels);
    return table_finish(table, err);
}

static bool recalibrate_command(Session *session, const Args *args, Result *result, Error *err) {
    const Recalibrate *o = args->options;
    const Network *network = o->object->network;
    if (!workspace_accepts(session, o->into, OBJECT_NETWORK, err)) return false;
    result->network = recalibrate_in_batches(network, o->on->dataset, o->batch, args->line, &session->task, err);
    if (!result->network) return false;
    result->name = o->into;
    result->receipt = true;
    result->table = summary(result->name, network, result->network, err);
    return result->table != NULL;
}

static const Setting positionals[] = {
    OBJECT(Recalibrate, object, NETWORK, "NET", NULL, .help = "the network; it is not changed"), {0}};
static const Setting options[] = {
    OBJECT(Recalibrate, on, DATASET, "on", "DATA", .required = true, .help = "images; their labels are not used"),
    INTEGER(Recalibrate, batch, "batch", "N", .min = 1, .max = 65536, .standard = "256",
            .help = "images whose statistics are taken together"),
    CONVOLUTIONS_ROW(Recalibrate),
    WORD(Recalibrate, into, NEW, "into", "NEW", .required = true, .help = "name of the new network"),
    {0}};
static const char *const examples[] = {"recalibrate smooth --on test --into again",
                                       "recalibrate smooth --on test --batch 50 --into again", NULL};

const Command command_recalibrate = {
    .name = "recalibrate",
    .group = "Smoothing",
    .summary = "Recompute the running statistics of batch norm from images",
    .description =
        "Runs the images through the network in training mode and makes a new network with the resulting "
        "batch-norm statistics: the means and unbiased variances of the batches, averaged over the batches (as "
        "PyTorch's update_bn). This repairs activation statistics after smoothing, quantising or averaging "
        "weights.\n\n"
        "mean_change is the RMS shift of the means, in units of the old standard deviation. log_variance_change "
        "is the RMS of log(new/old variance).",
    .size = sizeof(Recalibrate),
    .positionals = positionals,
    .options = ONE_GROUP(options),
    .examples = examples,
    .run = recalibrate_command,
    .table = true,
};
