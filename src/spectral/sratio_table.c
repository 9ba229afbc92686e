/* sratio_table -- the table of sratio_measure. */
#include "weft/spectral.h"

#include <math.h>

#include "spectral/layers.h"
#include "weft/base/error.h"
#include "weft/base/table.h"
#include "weft/base/task.h"
#include "weft/base/text.h"

/* Notes mean and mean_last_half, each with `suffix`. `paper`: also mean_last_half_paper, for which the paper multiplies
 * the sum by 2/L, also where L is odd; a share would then come out above 1, so it is for differences only. */
static void note_means(Table *table, const char *suffix, bool paper, const SratioMeans *means) {
    const struct {
        const char *name;
        double value;
    } notes[] = {
        {"mean", means->all}, {"mean_last_half", means->last_half}, {"mean_last_half_paper", means->last_half_paper}};
    Str key = {0};
    for (size_t i = 0; !isnan(means->all) && i < (paper ? 3 : 2); i++) {
        key.length = 0;
        str_addf(&key, "%s%s", notes[i].name, suffix);
        table_note(table, str_text(&key), "%.9g", notes[i].value);
    }
    if (key.failed) table->failed = true;
    str_done(&key);
}

static void note_list(Table *table, const char *key, const Str *list) {
    if (list->length > 0) table_note(table, key, "%s", str_text(list));
    if (list->failed) table->failed = true;
}

static void add_columns(Table *table, bool versus) {
    table_column(table, "layer", "", COLUMN_TEXT);
    if (!versus) {
        table_column(table, "rows", "", COLUMN_INTEGER);
        table_column(table, "columns", "", COLUMN_INTEGER);
        table_column(table, "K", "", COLUMN_INTEGER);
    }
    table_column(table, "s_ratio", "", COLUMN_REAL);
    table_column(table, versus ? "s_ratio_vs" : "energy", "", COLUMN_REAL);
    if (versus) table_column(table, "difference", "", COLUMN_REAL);
}

static void add_row(Table *table, const SratioLayer *layer, bool versus) {
    table_text(table, layer->name);
    if (!versus) {
        table_integer(table, (int64_t)layer->rows);
        table_integer(table, (int64_t)layer->columns);
        table_integer(table, (int64_t)(layer->rows < layer->columns ? layer->rows : layer->columns));
    }
    table_real(table, layer->ratio);
    table_real(table, versus ? layer->ratio_vs : layer->energy);
    if (versus) table_real(table, sratio_difference(layer));
}

static Table *table_of(const Sratio *sratio, Error *err) {
    Table *table = table_new(err);
    Str skipped = {0}, single = {0};
    if (!table) return NULL;
    add_columns(table, sratio->versus);
    for (size_t i = 0; i < sratio->count; i++) {
        const SratioLayer *layer = &sratio->layers[i];
        add_row(table, layer, sratio->versus);
        if (isnan(sratio->versus ? sratio_difference(layer) : layer->ratio))
            layers_list(&skipped, layer->name, layer_fault_text(layer->fault));
        if (layer->error > 0)
            str_addf(&single, "%s%s within %.1e", single.length > 0 ? ", " : "", layer->name, layer->error);
    }
    if (sratio->convolutions > 0 && sratio->convolutions < sratio->count)
        table_note(table, "means", "over the %zu convolutions", sratio->convolutions);
    table_note(table, "layers", "%zu", sratio->count);
    note_means(table, "", false, &sratio->mean);
    if (sratio->versus) {
        note_means(table, "_vs", false, &sratio->mean_vs);
        note_means(table, "_difference", true, &sratio->difference);
    }
    note_list(table, "skipped", &skipped);
    note_list(table, "unmatched", &sratio->unmatched);
    note_list(table, "float32", &single);
    str_done(&single);
    str_done(&skipped);
    return table_finish(table, err);
}

Table *sratio_table(const Network *network, const Network *versus, const bool *chosen, const Task *task, Error *err) {
    Sratio sratio;
    if (!sratio_measure(network, versus, chosen, task, &sratio, err)) return NULL;
    Table *table = table_of(&sratio, err);
    sratio_done(&sratio);
    return table;
}
