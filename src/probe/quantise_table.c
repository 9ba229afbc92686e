/* quantise_table -- what quantising did to the weights and maps of a network or predictor, layer by layer. */
#include "probe/quantise.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "weft/base/error.h"
#include "weft/base/memory.h"
#include "weft/base/table.h"
#include "weft/base/task.h"
#include "weft/base/tensor.h"

static int worst_first(const void *a, const void *b) {
    const double x = fidelity_sqnr(&((const QuantisedRow *)a)->weights);
    const double y = fidelity_sqnr(&((const QuantisedRow *)b)->weights);
    if (isnan(x) || isnan(y)) return (int)isnan(x) - (int)isnan(y);
    if (x < y || x > y) return x < y ? -1 : 1;
    return strcmp(((const QuantisedRow *)a)->name, ((const QuantisedRow *)b)->name);
}

static void add_row(Table *table, const QuantisedRow *row, bool activations) {
    const bool levels = row->levels.bits > 0;
    table_text(table, row->name);
    table_integer(table, row->bits);
    table_real(table, fidelity_sqnr(&row->weights));
    table_real(table, fidelity_cosine(&row->weights));
    table_real(table, row->weights.largest);
    if (!activations) return;
    table_real(table, levels ? (double)row->levels.scale : (double)NAN);
    table_real(table, levels ? (double)row->levels.zero_point : (double)NAN);
    table_real(table, levels ? (double)row->levels.bits : (double)NAN);
    table_real(table, levels ? fidelity_sqnr(&row->activation) : (double)NAN);
}

Table *quantised_rows_table(QuantisedRow *rows, size_t count, bool activations, QuantisedSize size, Error *err) {
    Table *table = table_new(err);
    if (!table) return NULL;
    table_column(table, "layer", "", COLUMN_TEXT);
    table_column(table, "bits", "", COLUMN_INTEGER);
    table_column(table, "sqnr", "dB", COLUMN_REAL);
    table_column(table, "cosine", "", COLUMN_REAL);
    table_column(table, "max_error", "", COLUMN_REAL);
    if (activations) {
        table_column(table, "scale", "", COLUMN_REAL);
        table_column(table, "zero_point", "", COLUMN_REAL);
        table_column(table, "activation_bits", "", COLUMN_REAL);
        table_column(table, "activation_sqnr", "dB", COLUMN_REAL);
    }
    qsort(rows, count, sizeof *rows, worst_first);
    for (size_t i = 0; i < count; i++) add_row(table, &rows[i], activations);
    table_note(table, "size_float", "%.4f", size.as_float / (1 << 20));
    table_note(table, "size", "%.4f", size.quantised / (1 << 20));
    table_note(table, "ratio", "%.4f", size.as_float / size.quantised);
    return table_finish(table, err);
}

/* ---- networks ---------------------------------------------------------------------------------------------------- */

/* The quantiser of the layer's output, behind its batch norm and activation, or -1. */
static int output_quantiser(const Graph *graph, const Layer *layer) {
    int at = -1;
    for (size_t i = 1; graph && i < graph->count; i++) {
        const Op *op = &graph->ops[i];
        if (at < 0) {
            if ((op->kind == OP_CONV || op->kind == OP_LINEAR) && op->weight == (int)layer->tensor) at = (int)i;
            continue;
        }
        if (op->input[0] != at) continue;
        if (op->kind == OP_QUANTISE) return (int)i;
        if (op->kind == OP_BATCH_NORM || op->kind == OP_RELU || op->kind == OP_RELU6) at = (int)i;
    }
    return -1;
}

static bool add_weights(Fidelity *fidelity, const Tensor *was, const Tensor *is, Error *err) {
    TensorWalk walk;
    bool done = tensor_walk_begin(&walk, was, is, err);
    while (done && (done = tensor_walk_next(&walk, err)) && walk.count > 0)
        fidelity_add(fidelity, walk.a, walk.b, walk.count);
    tensor_walk_end(&walk);
    return done;
}

static bool fill_rows(const Network *source, const Network *made, const Fidelity *maps, QuantisedRow *rows,
                      size_t *filled, Error *err) {
    size_t count = 0;
    for (size_t i = 0; i < made->layer_count; i++) {
        const Layer *layer = &made->layers[i];
        const Tensor *was = layer_weight(source, &source->layers[i]), *is = layer_weight(made, layer);
        if (layer->bits == 0) continue;
        QuantisedRow *row = &rows[count++];
        *row = (QuantisedRow){.name = layer->name, .bits = layer->bits};
        if (!add_weights(&row->weights, was, is, err)) return false;
        const int at = maps ? output_quantiser(made->graph, layer) : -1;
        if (at < 0) continue;
        row->levels = made->graph->ops[at].quantiser;
        row->activation = maps[at];
    }
    *filled = count;
    return true;
}

Table *quantise_table(const Network *source, const Network *made, const Dataset *images, const Task *task, Error *err) {
    const bool activations = images && network_quantisers(made) > 0;
    Fidelity *maps = NULL;
    Table *table = NULL;
    size_t count = 0;
    if (source->layer_count != made->layer_count) {
        error_set(err, STATUS_USAGE, "networks of %zu and %zu layers", source->layer_count, made->layer_count);
        return NULL;
    }
    QuantisedRow *rows = mem_alloc(made->layer_count, sizeof *rows, err);
    bool done = rows != NULL;
    const bool held = done && activations && (done = network_hold(made, "the network", task, err));
    if (held)
        done = (maps = mem_alloc(made->graph->count, sizeof *maps, err)) && evaluate_takes(made, images, err) &&
               measure_levels(made, images, maps, task, err);
    if (done && fill_rows(source, made, maps, rows, &count, err))
        table = quantised_rows_table(rows, count, activations, quantise_size(made), err);
    if (held) network_unhold(made);
    mem_free(maps);
    mem_free(rows);
    return table;
}

/* ---- predictors -------------------------------------------------------------------------------------------------- */

Table *quantise_predictor_table(const Predictor *source, const Predictor *made, unsigned bits, Error *err) {
    QuantisedRow rows[MLP_LAYERS_MAX];
    char names[MLP_LAYERS_MAX][32];
    QuantisedSize size = {.as_float = 4 * (double)made->parameter_count};
    for (unsigned i = 0; i < made->config.linear; i++) {
        const MlpLayer *layer = &made->mlp[i];
        const size_t count = (size_t)layer->in * layer->out;
        snprintf(names[i], sizeof *names, i + 1 < made->config.linear ? "layers.%u" : "final_linear_layer", i);
        rows[i] = (QuantisedRow){.name = names[i], .bits = bits};
        fidelity_add(&rows[i].weights, source->parameters + layer->weight, made->parameters + layer->weight, count);
        size.quantised += ceil((double)count * bits / 8) + 8 * (double)layer->out; /* a scale and a bias a row */
    }
    return quantised_rows_table(rows, made->config.linear, false, size, err);
}
