/* axes -- what the kinds of models read from a table's columns and record about their axes. */
#include "chart/model.h"

#include <math.h>
#include <string.h>

#include "weft/base/error.h"
#include "weft/base/labels.h"
#include "weft/base/memory.h"
#include "weft/base/table.h"
#include "weft/base/table_ops.h"
#include "weft/base/text.h"

const Column *model_column(const Table *table, const char *name, bool numeric, Error *err) {
    return numeric ? table_need_numbers(table, NULL, name, err) : table_need(table, NULL, name, err);
}

double column_number(const Column *column, size_t row) {
    if (column->type == COLUMN_TEXT) return NAN;
    return column->type == COLUMN_REAL ? column->cells[row].real : (double)column->cells[row].integer;
}

char *clean_text(const char *text, Error *err) {
    Str clean = {0};
    str_add_escaped(&clean, text, strlen(text));
    if (!str_ok(&clean, err)) {
        str_done(&clean);
        return NULL;
    }
    return clean.text ? clean.text : mem_copy_text("", err);
}

char *joined_label(const char *name, const char *unit, Error *err) {
    Str label = {0};
    str_add_escaped(&label, name, strlen(name));
    if (*unit) {
        str_add(&label, *name ? " (" : "");
        str_add_escaped(&label, unit, strlen(unit));
        str_add(&label, *name ? ")" : "");
    }
    if (!str_ok(&label, err)) {
        str_done(&label);
        return NULL;
    }
    return label.text ? label.text : mem_copy_text("", err);
}

bool axis_label(Axis *axis, const Column *column, Error *err) {
    axis->label = joined_label(column ? label_of(column->name) : "", column ? column->unit : "", err);
    axis->unit = clean_text(column ? column->unit : "", err);
    axis->integer = column && column->type == COLUMN_INTEGER;
    return axis->label && axis->unit;
}

void axis_note(Axis *axis, double value) {
    if (!isfinite(value)) return;
    axis->low = fmin(axis->low, value);
    axis->high = fmax(axis->high, value);
    if (value > 0) axis->least_positive = fmin(axis->least_positive, value);
}

bool count_gap(Chart *chart, double value) {
    if (isnan(value)) chart->missing++;
    if (isinf(value)) chart->infinite++;
    return !isfinite(value);
}

void axis_done(Axis *axis) {
    for (size_t i = 0; axis->names && i < axis->count; i++) mem_free(axis->names[i]);
    mem_free(axis->names);
    mem_free(axis->values);
    mem_free(axis->label);
    mem_free(axis->unit);
}

bool chart_takes_contours(const Chart *chart) {
    return chart->encoding.kind == CHART_HEATMAP && !chart->x.category && !chart->y.category;
}
