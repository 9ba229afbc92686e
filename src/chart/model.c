/* model -- a table and an encoding become a chart: what encodings are, and which kind is built by which model. */
#include "chart/model.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "weft/base/error.h"
#include "weft/base/memory.h"
#include "weft/base/table.h"
#include "weft/base/text.h"

/* ---- encodings --------------------------------------------------------------------------------------------------- */

Encoding encoding_new(ChartKind kind) {
    Encoding encoding;
    memset(&encoding, 0, sizeof encoding);
    encoding.kind = kind;
    encoding.reference = encoding.range_low = encoding.range_high = NAN;
    encoding.numbers = true;
    return encoding;
}

static void set_name(char out[CHART_NAME_MAX], const char *name) {
    size_t length = strnlen(name, CHART_NAME_MAX - 1);
    memcpy(out, name, length);
    out[length] = '\0';
}

/* y: `first` and the columns after it that share its type and unit, so that one axis fits all. */
static void guess_y(const Table *table, size_t first, Encoding *out) {
    size_t count = 0;
    for (size_t c = first; c < table->column_count && count < CHART_SERIES_MAX; c++) {
        const Column *column = &table->columns[c];
        bool fits = column->type == table->columns[first].type && strcmp(column->unit, table->columns[first].unit) == 0;
        if (fits && strlen(column->name) < CHART_NAME_MAX) set_name(out->y[count++], column->name);
    }
}

/* Where accuracy has accuracy_low and accuracy_high, they are its interval, no series. */
static void guess_interval(const Table *table, Encoding *out) {
    char low[CHART_NAME_MAX + 8], high[CHART_NAME_MAX + 8];
    snprintf(low, sizeof low, "%s_low", out->y[0]);
    snprintf(high, sizeof high, "%s_high", out->y[0]);
    const Column *ends[] = {table_find(table, low), table_find(table, high)};
    for (int i = 0; i < 2; i++)
        if (!ends[i] || ends[i]->type == COLUMN_TEXT || strlen(ends[i]->name) >= CHART_NAME_MAX) return;
    set_name(out->low, low);
    set_name(out->high, high);
    memset(out->y + 1, 0, sizeof out->y - sizeof *out->y);
}

/* The first column from `from` on of a type; column_count where there is none. */
static size_t first_of(const Table *table, ColumnType type, size_t from) {
    while (from < table->column_count &&
           (table->columns[from].type != type || strlen(table->columns[from].name) >= CHART_NAME_MAX)) {
        from++;
    }
    return from;
}

bool encoding_guess(const Table *table, Encoding *out) {
    size_t none = table->column_count, text = first_of(table, COLUMN_TEXT, 0);
    size_t real = first_of(table, COLUMN_REAL, 0), integer = first_of(table, COLUMN_INTEGER, 0);
    Encoding encoding = encoding_new(text < none ? CHART_BARS : CHART_LINES);
    size_t x = text, y = real < none ? real : integer;
    if (y == none) return false;
    if (text == none) { /* the first number against the others, or alone against its row */
        x = real < integer ? real : integer;
        y = first_of(table, COLUMN_REAL, x + 1);
        if (y == none) y = first_of(table, COLUMN_INTEGER, x + 1);
        if (y == none) {
            y = x;
            x = none;
        }
    }
    if (x < none) set_name(encoding.x, table->columns[x].name);
    guess_y(table, y, &encoding);
    guess_interval(table, &encoding);
    *out = encoding;
    return true;
}

/* ---- charts ------------------------------------------------------------------------------------------------------ */

/* What of an encoding can be refused without a look at the table. */
static bool check_encoding(const Encoding *encoding, Error *err) {
    if (encoding->mark_count > CHART_MARKS_MAX) {
        return error_set(err, STATUS_USAGE, "chart: %u marks; at most %d can be drawn", encoding->mark_count,
                         CHART_MARKS_MAX);
    }
    if (encoding->kind == CHART_HISTOGRAM && encoding->bins > CHART_BINS_MAX)
        return error_set(err, STATUS_USAGE, "chart: %u bins; at most %d can be drawn", encoding->bins, CHART_BINS_MAX);
    if (encoding->range_low >= encoding->range_high) /* false where one is NaN */
        return error_set(err, STATUS_USAGE, "chart: the range of colours goes from %g to %g; the first must be less",
                         encoding->range_low, encoding->range_high);
    if (encoding->kind != CHART_HEATMAP) return true;
    if (encoding->contours > CHART_CONTOURS_MAX) {
        return error_set(err, STATUS_USAGE, "chart: %u contours; at most %d can be drawn", encoding->contours,
                         CHART_CONTOURS_MAX);
    }
    if (encoding->log_value && encoding->diverging) {
        return error_set(err, STATUS_USAGE, "chart: colours centred on 0 cannot be on a log scale");
    }
    return true;
}

static bool clean_texts(Chart *chart, Error *err) {
    const Encoding *encoding = &chart->encoding;
    Str title = {0};
    str_add(&title, encoding->title);
    if (*encoding->where) {
        const bool says = strncmp(encoding->where_text, encoding->where, strlen(encoding->where)) == 0; /* "stage:1" */
        str_addf(&title, "%s(%s%s%s)", title.length ? " " : "", says ? "" : encoding->where, says ? "" : " ",
                 encoding->where_text);
    }
    chart->title = str_ok(&title, err) ? clean_text(str_text(&title), err) : NULL;
    str_done(&title);
    if (!chart->title) return false;
    if (!(chart->reference_label = clean_text(encoding->reference_label, err))) return false;
    for (unsigned i = 0; i < encoding->mark_count; i++) {
        if (!(chart->mark_label[i] = clean_text(encoding->marks[i].label, err))) return false;
    }
    return true;
}

static Chart *chart_of(const Table *table, const Encoding *encoding, Error *err) {
    if (!check_encoding(encoding, err)) return NULL;
    Chart *chart = mem_alloc(1, sizeof *chart, err);
    if (!chart) return NULL;
    chart->encoding = *encoding;
    Axis *axes[4] = {&chart->x, &chart->y, &chart->y2, &chart->value};
    for (int i = 0; i < 4; i++) {
        axes[i]->low = axes[i]->least_positive = INFINITY;
        axes[i]->high = -INFINITY;
    }
    bool ok = clean_texts(chart, err);
    if (ok) {
        switch (encoding->kind) {
        case CHART_BARS:
            ok = model_bars(chart, table, err);
            break;
        case CHART_LINES:
        case CHART_SCATTER:
            ok = model_lines(chart, table, err);
            break;
        case CHART_HISTOGRAM:
            ok = model_histogram(chart, table, err);
            break;
        case CHART_HEATMAP:
            ok = model_grid(chart, table, err);
            break;
        case CHART_KERNELS:
            ok = model_kernels(chart, table, err);
            break;
        case CHART_PICTURES:
            ok = model_pictures(chart, table, err);
            break;
        default:
            ok = error_set(err, STATUS_USAGE, "chart: unknown kind %d", (int)encoding->kind);
        }
    }
    if (ok) return chart;
    chart_free(chart);
    return NULL;
}

Chart *chart_new(const Table *table, const Encoding *encoding, Error *err) {
    if (!*encoding->where) return chart_of(table, encoding, err);
    Table *part = table_where(table, encoding->where, encoding->where_text, err);
    Chart *chart = part ? chart_of(part, encoding, err) : NULL;
    table_free(part);
    return chart;
}

void chart_free(Chart *chart) {
    if (!chart) return;
    axis_done(&chart->x);
    axis_done(&chart->y);
    axis_done(&chart->y2);
    axis_done(&chart->value);
    for (size_t s = 0; s < chart->series_count; s++) {
        mem_free(chart->series[s].name);
        mem_free(chart->series[s].unit);
        mem_free(chart->series[s].x);
        mem_free(chart->series[s].y);
        mem_free(chart->series[s].low);
        mem_free(chart->series[s].high);
        mem_free(chart->series[s].flag);
    }
    mem_free(chart->title);
    mem_free(chart->reference_label);
    for (unsigned i = 0; i < CHART_MARKS_MAX; i++) mem_free(chart->mark_label[i]);
    for (size_t i = 0; i < chart->panel_count; i++) mem_free(chart->panels[i]);
    mem_free(chart->panels);
    mem_free(chart->edges);
    mem_free(chart->colours);
    mem_free(chart->grid);
    mem_free(chart);
}

size_t chart_series_count(const Chart *chart) {
    return chart->series_count;
}

const char *chart_series_name(const Chart *chart, size_t series) {
    return series < chart->series_count ? chart->series[series].name : "";
}

const Encoding *chart_encoding(const Chart *chart) {
    return &chart->encoding;
}
