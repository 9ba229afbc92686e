/* model_series -- columns become series: bars, lines, scatter plots and histograms, with intervals and flags. */
#include "chart/model.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "weft/base/bins.h"
#include "weft/base/error.h"
#include "weft/base/labels.h"
#include "weft/base/memory.h"
#include "weft/base/stats.h"
#include "weft/base/table.h"
#include "weft/base/text.h"

/* ---- series ------------------------------------------------------------------------------------------------------ */

/* The values of a chart's y columns: series s of the row is column[s], or column[0] where `split` names the series. */
typedef struct Source {
    const Table *table;
    const Column *x; /* NULL: the row's number */
    const Column *y[CHART_SERIES_MAX];
    const Column *split; /* NULL: none */
    size_t y_count;
    const Column *right;                         /* y[y_count - 1] where it has the second axis, else NULL */
    const Column *low, *high, *deviation, *flag; /* of y[0]; NULL: none */
    Names series;                                /* of `split` */
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

/* The columns that go with y[0]: its interval, and which of its values are marked. */
static bool source_open_aside(Source *source, const Encoding *encoding, Error *err) {
    const Table *table = source->table;
    if (!*encoding->low != !*encoding->high)
        return error_set(err, STATUS_USAGE, "chart: an interval needs both ends; '%s' is only its %s one",
                         *encoding->low ? encoding->low : encoding->high, *encoding->low ? "low" : "high");
    if (*encoding->deviation && *encoding->low)
        return error_set(err, STATUS_USAGE, "chart: an interval is either '%s' to '%s' or plus and minus '%s'",
                         encoding->low, encoding->high, encoding->deviation);
    if (*encoding->low && !((source->low = model_column(table, encoding->low, true, err)) &&
                            (source->high = model_column(table, encoding->high, true, err))))
        return false;
    if (*encoding->deviation && !(source->deviation = model_column(table, encoding->deviation, true, err)))
        return false;
    if (!*encoding->flag) return true;
    if (!(source->flag = model_column(table, encoding->flag, false, err))) return false;
    if (source->flag->type == COLUMN_TEXT) return true;
    return error_set(err, STATUS_USAGE, "chart: column '%s', which marks points, must hold text, not numbers",
                     encoding->flag);
}

static bool source_open(Source *source, const Chart *chart, const Table *table, Error *err) {
    const Encoding *encoding = &chart->encoding;
    const bool bars = encoding->kind == CHART_BARS, histogram = encoding->kind == CHART_HISTOGRAM;
    *source = (Source){.table = table};
    if (*encoding->x && !histogram && !(source->x = model_column(table, encoding->x, !bars, err))) return false;
    for (size_t s = 0; s < CHART_SERIES_MAX && *encoding->y[s]; s++) {
        source->y[s] = model_column(table, encoding->y[s], true, err);
        if (!source->y[s]) return false;
        source->y_count++;
    }
    if (source->y_count == 0) return error_set(err, STATUS_USAGE, "chart: no column for y is given");
    if (!source_open_aside(source, encoding, err)) return false;
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

/* Room for what goes with the values of y[0]. */
static bool series_aside(Series *series, const Source *source, size_t room, Error *err) {
    if (source->low || source->deviation) {
        series->low = mem_alloc(room, sizeof(double), err);
        series->high = mem_alloc(room, sizeof(double), err);
        if (!series->low || !series->high) return false;
        for (size_t i = 0; i < room; i++) series->low[i] = series->high[i] = NAN;
    }
    if (source->flag) series->flag = mem_alloc(room, sizeof(bool), err);
    return !source->flag || series->flag;
}

/* A value of a series with what goes with it, from a row of the table. */
static void series_put(Chart *chart, Series *series, const Source *source, const Column *y, size_t row, size_t at) {
    Axis *axis = series->right ? &chart->y2 : &chart->y;
    const double value = column_number(y, row);
    series->y[at] = value;
    if (!count_gap(chart, value)) axis_note(axis, value);
    if (series->flag) series->flag[at] = *series_cell(source->flag, row) != '\0';
    if (!series->low || !isfinite(value)) return;
    const double deviation = source->deviation ? fabs(column_number(source->deviation, row)) : 0;
    const double low = source->deviation ? value - deviation : column_number(source->low, row);
    const double high = source->deviation ? value + deviation : column_number(source->high, row);
    if (!isfinite(low) || !isfinite(high)) return;
    axis_note(axis, series->low[at] = fmin(low, high));
    axis_note(axis, series->high[at] = fmax(low, high));
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
        const char *given = s < CHART_SERIES_MAX ? chart->encoding.legend[s] : "";
        const char *name = source->split ? source->series.text[s] : *given ? given : label_of(column->name);
        chart->series_count = s + 1;
        if (!series_begin(&chart->series[s], name, column, room, with_x, err)) return false;
        if (column == source->y[0] && !series_aside(&chart->series[s], source, room, err)) return false;
        chart->series[s].right = source->right && s + 1 == count;
        if (chart->series[s].right && (!name_right(&chart->series[s], err) || !axis_label(&chart->y2, column, err)))
            return false;
        if (!chart->series[s].right && strcmp(unit, column->unit) != 0) unit = "";
    }
    const bool named = *chart->encoding.legend[0]; /* the columns are one quantity of several things */
    bool one = named || source->split || source->y_count - (source->right ? 1 : 0) == 1;
    chart->y.label = joined_label(one ? label_of(source->y[0]->name) : "", unit, err);
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
                series_put(chart, &chart->series[s], source, source->y[source->split ? 0 : s], row, category);
            *seen = true;
        }
    }
    for (size_t s = 0; s < chart->series_count; s++) {
        chart->series[s].count = chart->x.count;
        for (size_t i = 0; i < chart->x.count; i++) chart->missing += !given[i * chart->series_count + s];
    }
    ok = true;
out:
    mem_free(given);
    names_done(&names);
    str_done(&name);
    return ok;
}

bool model_bars(Chart *chart, const Table *table, Error *err) {
    Source source;
    chart->x.category = true;
    bool ok = source_open(&source, chart, table, err) && axis_label(&chart->x, source.x, err) &&
              open_series(chart, &source, table->rows, false, err) && fill_bars(chart, &source, err);
    names_done(&source.series);
    return ok;
}

/* ---- lines ------------------------------------------------------------------------------------------------------- */

typedef struct Point {
    double x, y, low, high;
    bool flag;
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
    for (size_t i = 0; i < series->count; i++) {
        const bool interval = series->low != NULL;
        points[i] = (Point){series->x[i],
                            series->y[i],
                            interval ? series->low[i] : NAN,
                            interval ? series->high[i] : NAN,
                            series->flag && series->flag[i],
                            i};
    }
    qsort(points, series->count, sizeof *points, compare_points);
    for (size_t i = 0; i < series->count; i++) {
        series->x[i] = points[i].x;
        series->y[i] = points[i].y;
        if (series->low) series->low[i] = points[i].low;
        if (series->low) series->high[i] = points[i].high;
        if (series->flag) series->flag[i] = points[i].flag;
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
            if (count_gap(chart, x)) continue;
            axis_note(&chart->x, x);
            series->x[series->count] = x;
            series_put(chart, series, source, source->y[source->split ? 0 : s], row, series->count++);
        }
    }
    for (size_t s = 0; s < chart->series_count; s++) {
        if (!sort_series(&chart->series[s], err)) return false;
    }
    return true;
}

/* The distinct places of lines across, if they are few numbers that people write down: ticks stand there. */
static bool note_places(Chart *chart, Error *err) {
    enum { FEW = 12 };
    double *values = mem_alloc(FEW, sizeof *values, err);
    size_t count = 0;
    if (!values) return false;
    for (size_t s = 0; s < chart->series_count; s++)
        for (size_t i = 0; i < chart->series[s].count; i++) {
            const double x = chart->series[s].x[i];
            size_t at = 0;
            while (at < count && values[at] < x) at++;
            if (at < count && values[at] == x) continue;
            if (count == FEW || !number_neat(x)) {
                mem_free(values);
                return true;
            }
            memmove(values + at + 1, values + at, (count - at) * sizeof *values);
            values[at] = x;
            count++;
        }
    chart->x.values = values;
    chart->x.count = count;
    return true;
}

bool model_lines(Chart *chart, const Table *table, Error *err) {
    Source source;
    bool ok = source_open(&source, chart, table, err) && axis_label(&chart->x, source.x, err) &&
              open_series(chart, &source, table->rows, true, err) && fill_lines(chart, &source, err) &&
              (chart->encoding.kind != CHART_LINES || note_places(chart, err));
    chart->x.integer = chart->x.integer || !source.x;
    names_done(&source.series);
    return ok;
}

/* ---- histograms -------------------------------------------------------------------------------------------------- */

/* Where the bins of a log axis are equal; the largest numbers are drawn at the limit of scales. */
static double on_scale(const Chart *chart, double value) {
    if (chart->encoding.log_x) return value > 0 ? log10(value) : NAN;
    return isfinite(value) ? fmin(fmax(value, -SCALE_LIMIT), SCALE_LIMIT) : value;
}

/* The number of bins from the encoding, or by the rule for all finite values together; *low > *high: there are none. */
static bool count_bins(Chart *chart, const Source *source, size_t *count, double *low, double *high, Error *err) {
    const size_t columns = source->split ? 1 : source->y_count, rows = source->table->rows;
    double *values = mem_alloc(rows * columns, sizeof *values, err);
    size_t found = 0;
    bool whole = !chart->encoding.log_x;
    if (!values) return false;
    for (size_t c = 0; c < columns; c++)
        for (size_t row = 0; row < rows; row++) {
            const double value = on_scale(chart, column_number(source->y[c], row));
            if (!isfinite(value)) continue;
            whole = whole && value == floor(value);
            values[found++] = value;
        }
    *count = 1;
    *low = INFINITY;
    *high = -INFINITY;
    if (found > 0) {
        qsort(values, found, sizeof *values, numbers_ascending);
        *low = values[0];
        *high = values[found - 1];
        *count = bins_usual(*low, *high, quantile_of(values, found, 0.25), quantile_of(values, found, 0.75), found,
                            CHART_BINS_USUAL);
        if (whole && (double)*count > *high - *low) *count = (size_t)fmax(*high - *low, 1); /* none narrower than 1 */
    }
    if (chart->encoding.bins > 0) *count = chart->encoding.bins;
    mem_free(values);
    return true;
}

static void count_values(Chart *chart, Source *source, const Bins *bins) {
    for (size_t row = 0; row < source->table->rows; row++) {
        size_t first = 0, last = chart->series_count;
        Error none;
        if (source->split && names_add(&source->series, series_cell(source->split, row), &first, &none))
            last = first + 1;
        for (size_t s = first; s < last; s++) {
            const double number = column_number(source->y[source->split ? 0 : s], row);
            const double value = on_scale(chart, number);
            if (count_gap(chart, number)) continue;
            if (isnan(value))
                chart->colourless++; /* no place on a log axis */
            else
                chart->series[s].y[bins_index(bins, value)]++;
        }
    }
}

/* Middles and ends of the bins, and the heights as shares where they are asked for. */
static void finish_bins(Chart *chart) {
    const bool log = chart->encoding.log_x;
    for (size_t s = 0; s < chart->series_count; s++) {
        Series *series = &chart->series[s];
        double sum = 0;
        series->count = chart->bin_count;
        for (size_t i = 0; i < series->count; i++) sum += series->y[i];
        for (size_t i = 0; i < series->count; i++) {
            const double low = chart->edges[i], high = chart->edges[i + 1];
            series->x[i] = log ? sqrt(low) * sqrt(high) : low / 2 + high / 2;
            if (chart->encoding.share) series->y[i] = sum > 0 ? 100 * series->y[i] / sum : NAN;
            axis_note(&chart->y, series->y[i]);
        }
    }
    axis_note(&chart->x, chart->edges[0]);
    for (size_t i = 0; i < chart->bin_count; i++) axis_note(&chart->x, chart->edges[i + 1]);
}

/* The axis across is called after the columns, the one up after what is counted. */
static bool name_histogram(Chart *chart, Error *err) {
    const char *unit = chart->encoding.share ? "%" : "";
    chart->x.label = chart->y.label;
    chart->x.unit = chart->y.unit;
    chart->y.label = joined_label(chart->encoding.share ? "share" : "count", unit, err);
    chart->y.unit = mem_copy_text(unit, err);
    chart->y.integer = !chart->encoding.share;
    for (size_t s = 0; s < chart->series_count; s++) {
        mem_free(chart->series[s].unit);
        chart->series[s].integer = chart->y.integer;
        if (!(chart->series[s].unit = mem_copy_text(unit, err))) return false;
    }
    return chart->y.label && chart->y.unit;
}

/* Counts the values of the columns y. */
static bool count_histogram(Chart *chart, Source *source, Error *err) {
    double low, high;
    Bins bins;
    if (!count_bins(chart, source, &bins.count, &low, &high, err)) return false;
    if (!open_series(chart, source, bins.count, true, err) || !name_histogram(chart, err)) return false;
    if (!(chart->edges = bins.edges = mem_alloc(bins.count + 1, sizeof(double), err))) return false;
    chart->bin_count = low <= high ? bins.count : 0;
    if (low > high) return true;
    bins_place(&bins, low, high);
    count_values(chart, source, &bins);
    for (size_t i = 0; chart->encoding.log_x && i <= bins.count; i++) bins.edges[i] = pow(10, bins.edges[i]);
    finish_bins(chart);
    return true;
}

/* The rows are bins: the columns y are their heights. */
static bool take_histogram(Chart *chart, Source *source, Error *err) {
    const size_t rows = source->table->rows;
    if (source->split)
        return error_set(err, STATUS_USAGE, "chart: bins from '%s' to '%s' have a column for each series, not '%s'",
                         source->low->name, source->high->name, source->split->name);
    chart->encoding.share = strcmp(source->y[0]->unit, "%") == 0;
    if (!(chart->edges = mem_alloc(rows + 1, sizeof(double), err))) return false;
    for (size_t row = 0; row < rows; row++) {
        const double low = column_number(source->low, row), high = column_number(source->high, row);
        if (!(low < high) || !isfinite(high - low) || (row > 0 && low != chart->edges[row]))
            return error_set(err, STATUS_USAGE, "chart: row %zu is no bin that follows the one before ('%s' to '%s')",
                             row + 1, source->low->name, source->high->name);
        chart->edges[row] = low;
        chart->edges[row + 1] = high;
    }
    chart->bin_count = rows;
    if (!open_series(chart, source, rows, true, err)) return false;
    mem_free(chart->x.label);
    chart->x.label = joined_label(chart->encoding.x, source->low->unit, err);
    chart->x.unit = clean_text(source->low->unit, err);
    for (size_t s = 0; s < chart->series_count; s++)
        for (size_t row = 0; row < rows; row++)
            if (count_gap(chart, chart->series[s].y[row] = column_number(source->y[s], row)))
                chart->series[s].y[row] = NAN;
    const bool share = chart->encoding.share;
    chart->encoding.share = false; /* heights are as they are */
    if (rows > 0) finish_bins(chart);
    chart->encoding.share = share;
    return chart->x.label && chart->x.unit;
}

bool model_histogram(Chart *chart, const Table *table, Error *err) {
    Source source;
    bool ok = source_open(&source, chart, table, err);
    if (ok && source.low)
        ok = take_histogram(chart, &source, err);
    else
        ok = ok && count_histogram(chart, &source, err);
    names_done(&source.series);
    return ok;
}
