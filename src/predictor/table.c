/* table -- what a predictor is, as a table. */
#include "predictor/internal.h"

#include <math.h>

#include "weft/base/error.h"
#include "weft/base/memory.h"
#include "weft/base/table.h"
#include "weft/base/text.h"

/* The sum of (prediction - weight)^2 of each layer, within its kernels. */
static bool layer_squares(const Predictor *p, double *squares, Error *err) {
    float *targets = predictor_targets(p, p->source, err), *predictions = targets ? predictor_predict(p, err) : NULL;
    float *mask = predictions ? mem_alloc(p->outputs, sizeof *mask, err) : NULL;
    for (size_t i = 0; mask && i < p->layer_count; i++) {
        const size_t first = p->layers[i].first, count = (size_t)p->layers[i].filters * p->layers[i].channels;
        predictor_mask(p, i, mask);
        for (size_t j = first * p->outputs; j < (first + count) * p->outputs; j++) {
            const double difference = (double)predictions[j] - (double)targets[j];
            squares[i] += (double)mask[j % p->outputs] * difference * difference;
        }
    }
    const bool done = mask != NULL;
    mem_free(targets);
    mem_free(predictions);
    mem_free(mask);
    return done;
}

static void add_rows(Table *table, const Predictor *p, const double *squares) {
    table_column(table, "layer", "", COLUMN_TEXT);
    table_column(table, "shape", "", COLUMN_TEXT);
    table_column(table, "kernels", "", COLUMN_INTEGER);
    table_column(table, "weights", "", COLUMN_INTEGER);
    table_column(table, "rms_error", "", COLUMN_REAL);
    for (size_t i = 0; i < p->layer_count; i++) {
        const PredictedLayer *layer = &p->layers[i];
        const uint64_t kernels = (uint64_t)layer->filters * layer->channels;
        const uint64_t weights = kernels * layer->kernel[0] * layer->kernel[1];
        Str shape = {0};
        str_addf(&shape, "%ux%ux%ux%u", layer->filters, layer->channels, layer->kernel[0], layer->kernel[1]);
        table_text(table, layer->name);
        table_text(table, str_text(&shape));
        table_integer(table, (int64_t)kernels);
        table_integer(table, (int64_t)weights);
        table_real(table, p->source ? sqrt(squares[i] / (double)weights) : NAN);
        str_done(&shape);
    }
}

static void add_notes(Table *table, const Predictor *p, const double *squares) {
    const PredictorConfig *c = &p->config;
    const double parameters = (double)p->parameter_count;
    table_note(table, "parameters", "%zu", p->parameter_count);
    table_note(table, "size", "%.4f MB as float32", 4 * parameters / (1 << 20));
    if (p->source_parameters)
        table_note(table, "cr", "%.4f of the source's %llu parameters", parameters / (double)p->source_parameters,
                   (unsigned long long)p->source_parameters);
    table_note(table, "cr_predicted", "%.4f of the %zu predicted weights", parameters / (double)p->weight_count,
               p->weight_count);
    double sum = 0;
    for (size_t i = 0; i < p->layer_count; i++) sum += squares[i];
    if (p->source) table_note(table, "l_recon", "%.6g", sqrt(sum / (double)p->weight_count));
    table_note(table, "mlp", "%u linear layers, hidden size %u, %s", c->linear, c->hidden,
               predictor_activation_name(c->activation));
    table_note(table, "encoding", "base %.15g, %u levels, indices normalised: %s", c->base, c->levels,
               predictor_normalisation_name(c->normalisation));
    table_note(table, "permutation", "%s", predictor_permutation_name(c->permutation));
    if (p->fingerprint[0]) table_note(table, "fingerprint", "%s", p->fingerprint);
    if (!p->source) table_note(table, "source_network", "unknown (load predictor NAME FILE --for NET)");
}

Table *predictor_table(const Predictor *p, Error *err) {
    double *squares = mem_alloc(p->layer_count, sizeof *squares, err);
    Table *table = NULL;
    if (squares && (!p->source || layer_squares(p, squares, err))) table = table_new(err);
    if (table) {
        add_rows(table, p, squares);
        add_notes(table, p, squares);
        table = table_finish(table, err);
    }
    mem_free(squares);
    return table;
}
