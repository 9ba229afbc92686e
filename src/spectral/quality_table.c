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

static void note_mean(Table *table, size_t n, const char *suffix, double mean) {
    Str key = {0};
    str_addf(&key, "mean_%s%s", numbers[n].column, suffix);
    if (key.failed)
        table->failed = true;
    else if (!isnan(mean))
        table_note(table, str_text(&key), "%.9g", mean);
    str_done(&key);
}

static void add_columns(Table *table, bool versus) {
    table_column(table, "layer", "", COLUMN_TEXT);
    for (size_t n = 0; n < QUALITY_COUNT; n++) {
        if (versus && !numbers[n].compared) continue;
        add_column(table, n, "");
        if (!versus) continue;
        add_column(table, n, "_vs");
        add_column(table, n, "_difference");
    }
    if (versus) return;
    table_column(table, "N", "", COLUMN_INTEGER);
    table_column(table, "M", "", COLUMN_INTEGER);
    table_column(table, "num_evals", "", COLUMN_INTEGER);
    table_column(table, "warning", "", COLUMN_TEXT);
}

static void add_row(Table *table, const QualityLayer *layer, const QualityLayer *versus) {
    table_text(table, layer->name);
    for (size_t n = 0; n < QUALITY_COUNT; n++) {
        if (versus && !numbers[n].compared) continue;
        table_real(table, layer->number[n]);
        if (!versus) continue;
        table_real(table, versus->number[n]);
        table_real(table, versus->number[n] - layer->number[n]);
    }
    if (versus) return;
    const double alpha = layer->number[QUALITY_ALPHA];
    table_integer(table, (int64_t)layer->N);
    table_integer(table, (int64_t)layer->M);
    table_integer(table, (int64_t)layer->eigenvalues);
    table_text(table, alpha < 2 ? "over-trained" : alpha > 6 ? "under-trained" : "");
}

static void note_means(Table *table, const Quality *quality) {
    for (size_t n = 0; n < QUALITY_COUNT; n++) {
        if (!numbers[n].averaged || (quality->versus && !numbers[n].compared)) continue;
        note_mean(table, n, "", quality->mean[n]);
        if (!quality->versus) continue;
        note_mean(table, n, "_vs", quality->mean_vs[n]);
        note_mean(table, n, "_difference", quality->mean_vs[n] - quality->mean[n]);
    }
}

static void list_faults(Str *skipped, const QualityLayer *layer, const char *whose) {
    const char *fault = layer->fault ? layer->fault : layer->bulk_fault;
    Str reason = {0};
    if (!fault) return;
    str_addf(&reason, "%s%s", fault, whose);
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
    table_note(table, "matrices", whole ? "one for each layer" : "one for each place of a kernel");
    table_note(table, "layers", "%zu", quality->count);
    if (quality->averaged < quality->count) table_note(table, "means", "over %zu layers", quality->averaged);
    note_means(table, quality);
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
