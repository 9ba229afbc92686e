/* quality_table -- the table of quality_measure. */
#include <math.h>
#include <string.h>

#include "spectral/layers.h"
#include "weft/base/error.h"
#include "weft/base/table.h"
#include "weft/base/task.h"
#include "weft/base/text.h"
#include "weft/spectral/quality.h"

static const struct {
    const char *column, *unit;
    bool compared, averaged;
} numbers[QUALITY_COUNT] = {
#define X(name, column, unit, compared, averaged) {column, unit, compared, averaged},
    QUALITY_NUMBERS(X)
#undef X
};

static void add_column(Table *table, size_t n, const char *suffix) {
    Str name = {0};
    str_addf(&name, "%s%s", numbers[n].column, suffix);
    if (name.failed)
        table->failed = true;
    else
        table_column(table, str_text(&name), numbers[n].unit, COLUMN_REAL);
    str_done(&name);
}

static void add_columns(Table *table, bool versus) {
    table_column(table, "layer", "", COLUMN_TEXT);
    for (size_t n = 0; n < QUALITY_COUNT; n++) {
        if (versus && !numbers[n].compared) continue;
        add_column(table, n, "");
        if (!versus && n == QUALITY_DISTANCE) table_column(table, "warning", "", COLUMN_TEXT);
        if (!versus) continue;
        add_column(table, n, "_vs");
        add_column(table, n, "_difference");
    }
    if (versus) return;
    table_column(table, "N", "", COLUMN_REAL);
    table_column(table, "M", "", COLUMN_REAL);
    table_column(table, "num_evals", "", COLUMN_REAL);
}

/* WeightWatcher's words; none for the means. */
static const char *warning_of(const QualityLayer *layer) {
    const double alpha = layer->number[QUALITY_ALPHA];
    return layer->eigenvalues == 0 ? "" : alpha < 2 ? "over-trained" : alpha > 6 ? "under-trained" : "";
}

static void add_row(Table *table, const QualityLayer *layer, const QualityLayer *versus) {
    table_text(table, layer->name);
    for (size_t n = 0; n < QUALITY_COUNT; n++) {
        if (versus && !numbers[n].compared) continue;
        table_real(table, layer->number[n]);
        if (!versus && n == QUALITY_DISTANCE) table_text(table, warning_of(layer));
        if (!versus) continue;
        table_real(table, versus->number[n]);
        table_real(table, versus->number[n] - layer->number[n]);
    }
    if (versus) return;
    table_real(table, layer->eigenvalues > 0 ? (double)layer->N : (double)NAN);
    table_real(table, layer->eigenvalues > 0 ? (double)layer->M : (double)NAN);
    table_real(table, layer->eigenvalues > 0 ? (double)layer->eigenvalues : (double)NAN);
}

/* The last row: the means, of the columns that have one. */
static void add_means(Table *table, const Quality *quality) {
    QualityLayer mean = {.name = "mean"}, versus = mean;
    for (size_t n = 0; n < QUALITY_COUNT; n++) {
        mean.number[n] = numbers[n].averaged ? quality->mean[n] : (double)NAN;
        versus.number[n] = numbers[n].averaged ? quality->mean_vs[n] : (double)NAN;
    }
    add_row(table, &mean, quality->versus ? &versus : NULL);
}

static void list_faults(Str *skipped, const QualityLayer *layer, const char *whose) {
    const LayerFault fault = layer->fault ? layer->fault : layer->bulk_fault;
    Str reason = {0};
    if (!fault) return;
    str_addf(&reason, "%s%s", layer_fault_text(fault), whose);
    layers_list(skipped, layer->name, str_text(&reason));
    if (reason.failed) skipped->failed = true;
    str_done(&reason);
}

static void note_list(Table *table, const char *key, const Str *list) {
    if (list->length > 0) table_note(table, key, "%s", str_text(list));
    if (list->failed) table->failed = true;
}

static Table *table_of(const Quality *quality, bool whole, Error *err) {
    Table *table = table_new(err);
    Str skipped = {0};
    if (!table) return NULL;
    add_columns(table, quality->versus != NULL);
    for (size_t i = 0; i < quality->count; i++) {
        const QualityLayer *versus = quality->versus ? &quality->versus[i] : NULL;
        add_row(table, &quality->layers[i], versus);
        list_faults(&skipped, &quality->layers[i], "");
        if (versus) list_faults(&skipped, versus, " in the second network");
    }
    add_means(table, quality);
    table_note(table, "matrices", whole ? "one for each layer" : "one for each place of a kernel");
    table_note(table, "layers", "%zu", quality->count);
    if (quality->averaged < quality->count) table_note(table, "means", "over %zu layers", quality->averaged);
    note_list(table, "skipped", &skipped);
    note_list(table, "unmatched", &quality->unmatched);
    str_done(&skipped);
    return table_finish(table, err);
}

Table *quality_table(const Network *network, const Network *versus, const bool *chosen, bool whole, const Task *task,
                     Error *err) {
    Quality quality;
    if (!quality_measure(network, versus, chosen, whole, task, &quality, err)) return NULL;
    Table *table = table_of(&quality, whole, err);
    quality_done(&quality);
    return table;
}
