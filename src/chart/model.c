/* model -- a table and an encoding become series, categories and ranges. */
#include "chart/model.h"

#include <math.h>
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
    *out = encoding;
    return true;
}

/* ---- series ------------------------------------------------------------------------------------------------------ */

/* The values of a chart's y columns: series s of the row is column[s], or column[0] where `split` names the series. */
typedef struct Source {
    const Table *table;
    const Column *x; /* NULL: the row's number */
    const Column *y[CHART_SERIES_MAX];
    const Column *split; /* NULL: none */
    size_t y_count;
    const Column *right; /* y[y_count - 1] where it has the second axis, else NULL */
    Names series;        /* of `split` */
} Source;

static const char *series_cell(const Column *column, size_t row) {
    return column->cells[row].text ? column->cells[row].text : "";
}

/* LINES: one more column of y, against the second axis. */
static bool source_open_right(Source *source, const Encoding *encoding, Error *err) {
    if (encoding->kind != CHART_LINES || !*encoding->y2) return true;
    if (*encoding->series) {
        return error_set(err, STATUS_USAGE, "chart: a second axis ('%s') cannot be combined with series split by '%s'",
                         encoding->y2, encoding->series);
    }
    if (source->y_count == CHART_SERIES_MAX) {
        return error_set(err, STATUS_USAGE, "chart: '%s' is too many: at most %d series can be distinguished",
                         encoding->y2, CHART_SERIES_MAX);
    }
    source->right = model_column(source->table, encoding->y2, true, err);
    source->y[source->y_count++] = source->right;
    return source->right != NULL;
}

static bool source_open(Source *source, const Chart *chart, const Table *table, Error *err) {
    const Encoding *encoding = &chart->encoding;
    *source = (Source){.table = table};
    if (*encoding->x && !(source->x = model_column(table, encoding->x, encoding->kind == CHART_LINES, err)))
        return false;
    for (size_t s = 0; s < CHART_SERIES_MAX && *encoding->y[s]; s++) {
        source->y[s] = model_column(table, encoding->y[s], true, err);
        if (!source->y[s]) return false;
        source->y_count++;
    }
    if (source->y_count == 0) return error_set(err, STATUS_USAGE, "chart: no column for y is given");
    if (!source_open_right(source, encoding, err)) return false;
    if (!*encoding->series) return true;
    source->split = model_column(table, encoding->series, false, err);
    if (!source->split) return false;
    if (source->split->type != COLUMN_TEXT) {
        return error_set(err, STATUS_USAGE, "chart: column '%s', which names the series, must hold text, not numbers",
                         encoding->series);
    }
    for (size_t row = 0; row < table->rows; row++) {
        size_t index;
        if (!names_add(&source->series, series_cell(source->split, row), &index, err)) return false;
    }
    if (source->series.count > CHART_SERIES_MAX) {
        return error_set(err, STATUS_USAGE, "chart: column '%s' names %zu series; at most %d can be distinguished",
                         encoding->series, source->series.count, CHART_SERIES_MAX);
    }
    return true;
}

static bool series_begin(Series *series, const char *name, const Column *column, size_t room, bool with_x, Error *err) {
    series->name = clean_text(name, err);
    series->unit = clean_text(column->unit, err);
    series->integer = column->type == COLUMN_INTEGER;
    series->y = mem_alloc(room, sizeof(double), err);
    if (with_x) series->x = mem_alloc(room, sizeof(double), err);
    return series->name && series->unit && series->y && (!with_x || series->x);
}

/* The legend, the read-out and whoever reads names see which axis a series has. */
static bool name_right(Series *series, Error *err) {
    Str name = {0};
    str_addf(&name, "%s (right)", series->name);
    if (!str_ok(&name, err)) {
        str_done(&name);
        return false;
    }
    mem_free(series->name);
    series->name = name.text;
    return true;
}

/* Names, units and room for every series; the y axis is called after them where they agree. */
static bool open_series(Chart *chart, const Source *source, size_t room, bool with_x, Error *err) {
    size_t count = source->split ? source->series.count : source->y_count;
    const char *unit = source->y[0]->unit;
    for (size_t s = 0; s < count; s++) {
        const Column *column = source->y[source->split ? 0 : s];
        const char *name = source->split ? source->series.text[s] : column->name;
        chart->series_count = s + 1;
        if (!series_begin(&chart->series[s], name, column, room, with_x, err)) return false;
        chart->series[s].right = source->right && s + 1 == count;
        if (chart->series[s].right && (!name_right(&chart->series[s], err) || !axis_label(&chart->y2, column, err)))
            return false;
        if (!chart->series[s].right && strcmp(unit, column->unit) != 0) unit = "";
    }
    bool one = source->split || source->y_count - (source->right ? 1 : 0) == 1;
    chart->y.label = joined_label(one ? source->y[0]->name : "", unit, err);
    chart->y.unit = clean_text(unit, err);
    return chart->y.label && chart->y.unit;
}

/* ---- bars -------------------------------------------------------------------------------------------------------- */

/* What a row of bars is called: its cell, or its number from 1. */
static bool row_name(const Source *source, size_t row, Str *out, Error *err) {
    out->length = 0;
    if (out->text) *out->text = '\0';
    if (!source->x)
        str_addf(out, "%zu", row + 1);
    else if (source->x->type == COLUMN_REAL)
        str_addf(out, "%.6g", source->x->cells[row].real);
    else
        table_cell_text(source->table, (size_t)(source->x - source->table->columns), row, out);
    return str_ok(out, err);
}

/* Categories and values: one category a row, or, where rows are split into series, one a distinct name. */
static bool fill_bars(Chart *chart, Source *source, Error *err) {
    size_t rows = source->table->rows;
    Names names = {0};
    Str name = {0};
    bool ok = false;
    for (size_t s = 0; s < chart->series_count; s++) {
        chart->series[s].count = rows;
        for (size_t row = 0; row < rows; row++) chart->series[s].y[row] = NAN;
    }
    bool *given = mem_alloc(rows * chart->series_count, sizeof(bool), err);
    chart->x.names = mem_alloc(rows, sizeof(char *), err);
    if (!given || !chart->x.names) goto out;
    for (size_t row = 0; row < rows; row++) {
        size_t category = row, series = 0;
        if (!row_name(source, row, &name, err)) goto out;
        if (source->split && (!names_add(&names, str_text(&name), &category, err) ||
                              !names_add(&source->series, series_cell(source->split, row), &series, err))) {
            goto out;
        }
        if (category >= chart->x.count) {
            chart->x.names[category] = mem_copy_text(str_text(&name), err);
            if (!chart->x.names[category]) goto out;
            chart->x.count = category + 1;
        }
        for (size_t s = series; s < (source->split ? series + 1 : chart->series_count); s++) {
            bool *seen = &given[category * chart->series_count + s];
            if (*seen)
                chart->repeated++;
            else
                chart->series[s].y[category] = column_number(source->y[source->split ? 0 : s], row);
            *seen = true;
        }
    }
    for (size_t s = 0; s < chart->series_count; s++) {
        chart->series[s].count = chart->x.count;
        for (size_t i = 0; i < chart->x.count; i++) {
            if (!count_gap(chart, chart->series[s].y[i])) axis_note(&chart->y, chart->series[s].y[i]);
        }
    }
    ok = true;
out:
    mem_free(given);
    names_done(&names);
    str_done(&name);
    return ok;
}

static bool model_bars(Chart *chart, const Table *table, Error *err) {
    Source source;
    chart->x.category = true;
    bool ok = source_open(&source, chart, table, err) && axis_label(&chart->x, source.x, err) &&
              open_series(chart, &source, table->rows, false, err) && fill_bars(chart, &source, err);
    names_done(&source.series);
    return ok;
}

/* ---- lines ------------------------------------------------------------------------------------------------------- */

typedef struct Point {
    double x, y;
    size_t row;
} Point;

static int compare_points(const void *left, const void *right) {
    const Point *a = left, *b = right;
    if (a->x != b->x) return a->x < b->x ? -1 : 1;
    return a->row < b->row ? -1 : 1;
}

static bool sort_series(Series *series, Error *err) {
    bool sorted = true;
    for (size_t i = 1; i < series->count; i++) sorted = sorted && series->x[i - 1] <= series->x[i];
    if (sorted) return true;
    Point *points = mem_alloc(series->count, sizeof *points, err);
    if (!points) return false;
    for (size_t i = 0; i < series->count; i++) points[i] = (Point){series->x[i], series->y[i], i};
    qsort(points, series->count, sizeof *points, compare_points);
    for (size_t i = 0; i < series->count; i++) {
        series->x[i] = points[i].x;
        series->y[i] = points[i].y;
    }
    mem_free(points);
    return true;
}

static bool fill_lines(Chart *chart, Source *source, Error *err) {
    for (size_t row = 0; row < source->table->rows; row++) {
        size_t first = 0, last = chart->series_count;
        if (source->split) {
            if (!names_add(&source->series, series_cell(source->split, row), &first, err)) return false;
            last = first + 1;
        }
        double x = source->x ? column_number(source->x, row) : (double)(row + 1);
        for (size_t s = first; s < last; s++) {
            Series *series = &chart->series[s];
            double y = column_number(source->y[source->split ? 0 : s], row);
            bool gap = count_gap(chart, isfinite(x) ? y : x);
            if (!isfinite(x)) continue;
            axis_note(&chart->x, x);
            if (!gap) axis_note(series->right ? &chart->y2 : &chart->y, y);
            series->x[series->count] = x;
            series->y[series->count++] = y;
        }
    }
    for (size_t s = 0; s < chart->series_count; s++) {
        if (!sort_series(&chart->series[s], err)) return false;
    }
    return true;
}

static bool model_lines(Chart *chart, const Table *table, Error *err) {
    Source source;
    bool ok = source_open(&source, chart, table, err) && axis_label(&chart->x, source.x, err) &&
              open_series(chart, &source, table->rows, true, err) && fill_lines(chart, &source, err);
    chart->x.integer = chart->x.integer || !source.x;
    names_done(&source.series);
    return ok;
}

/* ---- charts ------------------------------------------------------------------------------------------------------ */

/* What of an encoding can be refused without a look at the table. */
static bool check_encoding(const Encoding *encoding, Error *err) {
    if (encoding->mark_count > CHART_MARKS_MAX) {
        return error_set(err, STATUS_USAGE, "chart: %u marks; at most %d can be drawn", encoding->mark_count,
                         CHART_MARKS_MAX);
    }
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
        case CHART_HISTOGRAM:
        case CHART_SCATTER:
            ok = model_lines(chart, table, err);
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
    }
    mem_free(chart->title);
    mem_free(chart->reference_label);
    for (unsigned i = 0; i < CHART_MARKS_MAX; i++) mem_free(chart->mark_label[i]);
    for (size_t i = 0; i < chart->panel_count; i++) mem_free(chart->panels[i]);
    mem_free(chart->panels);
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
