/* view -- the visible part of a chart, and moving it. */
#include "chart/model.h"

#include <math.h>
#include <string.h>

#include "weft/base/labels.h"
#include "weft/base/text.h"

/* ---- ranges ------------------------------------------------------------------------------------------------------ */

bool x_is_numeric(const Chart *chart) {
    return !chart->x.category && chart->encoding.kind != CHART_KERNELS;
}

bool y_is_numeric(const Chart *chart) {
    return !chart->y.category && chart->encoding.kind != CHART_KERNELS;
}

bool axes_equal(const Chart *chart, Scale x, Scale y) {
    return chart->encoding.equal && x_is_numeric(chart) && y_is_numeric(chart) && x.log == y.log;
}

/* The data's range with a margin on both sides, which never reaches across 0, nor over 100 %. */
static Scale padded(const Axis *axis, double margin, bool log, bool from_zero) {
    double low = axis->low, high = axis->high;
    if (low > high) return scale_sane(log ? 1 : 0, log ? 10 : 1, log, 1);
    if (from_zero && !log) {
        low = fmin(low, 0);
        high = fmax(high, 0);
    }
    Scale scale = scale_sane(low, high, log, axis->least_positive);
    if (high - low <= 0 || margin == 0) return scale;
    Scale wide = {.low = scale_value(scale, -margin), .high = scale_value(scale, 1 + margin), .log = log};
    if (low >= 0 && wide.low < 0) wide.low = 0;
    if (high <= 0 && wide.high > 0) wide.high = 0;
    if (strcmp(axis->unit, "%") == 0 && high <= 100 && wide.high > 100) wide.high = 100;
    return scale_sane(wide.low, wide.high, log, axis->least_positive);
}

static Scale grid_range(const Axis *axis, bool log) {
    if (axis->count == 0) return (Scale){.low = 0, .high = 1};
    return scale_sane(grid_edge(axis, 0, log), grid_edge(axis, axis->count, log), log, axis->least_positive);
}

/* The whole range of an axis, drawn as a log axis or not. */
static Scale full_x(const Chart *chart, bool log) {
    if (chart->x.category || chart->encoding.kind == CHART_HEATMAP)
        return grid_range(&chart->x, log && x_is_numeric(chart));
    const bool margin =
        chart->encoding.kind == CHART_SCATTER || (chart->encoding.kind == CHART_LINES && chart->encoding.error_bars);
    return padded(&chart->x, margin ? 0.02 : 0, log, false);
}

static Scale full_y(const Chart *chart, bool log) {
    if (chart->y.category || chart->encoding.kind == CHART_HEATMAP)
        return grid_range(&chart->y, log && y_is_numeric(chart));
    Axis axis = chart->y;
    double reference = chart->encoding.reference;
    if (!log || reference > 0) axis_note(&axis, reference);
    return padded(&axis, 0.04, log, chart->encoding.kind == CHART_BARS || chart->encoding.kind == CHART_HISTOGRAM);
}

/* The viewed range made sound; a view that is no range at all (NaN) is the whole axis. */
static Scale viewed(double low, double high, bool log, const Axis *axis, Scale full) {
    if (!isfinite(low) || !isfinite(high)) return full;
    if (log && low <= 0) low = full.low;
    return scale_sane(low, high, log, axis->least_positive);
}

/* Ticks stand at measured values that are few. */
static void measured(const Axis *axis, Scale *scale) {
    enum { FEW = 12 };
    if (!axis->values || axis->count > FEW) return;
    scale->at = axis->values;
    scale->at_count = axis->count;
}

Scale view_x(const Chart *chart, const ChartView *view) {
    bool log = view->log_x && x_is_numeric(chart);
    Scale scale = viewed(view->x0, view->x1, log, &chart->x, full_x(chart, log));
    scale.whole = chart->x.integer;
    measured(&chart->x, &scale);
    return scale;
}

Scale view_y(const Chart *chart, const ChartView *view) {
    bool log = view->log_y && y_is_numeric(chart);
    Scale scale = viewed(view->y0, view->y1, log, &chart->y, full_y(chart, log));
    scale.whole = chart->y.integer;
    measured(&chart->y, &scale);
    return scale;
}

/* The second axis: what part of it is in view follows the left one, so that both move as one picture. */
Scale view_y2(const Chart *chart, const ChartView *view) {
    Scale left = view_y(chart, view), left_full = full_y(chart, left.log),
          full = padded(&chart->y2, 0.04, false, false);
    double from = scale_fraction(left_full, left.low), to = scale_fraction(left_full, left.high);
    if (isnan(from) || isnan(to) || (fabs(from) < 1e-9 && fabs(to - 1) < 1e-9)) return full;
    return scale_sane(scale_value(full, from), scale_value(full, to), false, 1);
}

Scale view_series(const Chart *chart, const ChartView *view, const Series *series) {
    return series->right ? view_y2(chart, view) : view_y(chart, view);
}

/* The ends of the colours that the encoding gives, in place of those of the data. */
static Scale ranged(const Chart *chart, Scale scale) {
    const double low = chart->encoding.range_low, high = chart->encoding.range_high;
    if (isfinite(low) && (!scale.log || low > 0)) scale.low = low;
    if (isfinite(high) && (!scale.log || high > 0)) scale.high = high;
    return scale_sane(scale.low, scale.high, scale.log, chart->value.least_positive);
}

static Scale data_range(const Chart *chart) {
    double low = chart->value.low, high = chart->value.high;
    bool log = chart->encoding.kind == CHART_HEATMAP && chart->encoding.log_value;
    if (low > high) return (Scale){.low = log ? 0.1 : 0, .high = 1, .log = log};
    if (log)
        return scale_sane(fmin(fmax(low, chart->value.least_positive), high), high, true, chart->value.least_positive);
    if (chart->encoding.diverging) {
        high = fmax(fabs(low), fabs(high));
        if (high == 0) high = 1;
        low = -high;
    }
    return scale_sane(low, high, false, 1);
}

Scale value_scale(const Chart *chart) {
    return ranged(chart, data_range(chart));
}

bool mark_place(const Chart *chart, const ChartView *view, unsigned mark, double *x, double *y) {
    const ChartMark *place = &chart->encoding.marks[mark];
    bool downwards = chart->encoding.kind == CHART_HEATMAP && chart->y.category;
    if (!isfinite(place->x) || !isfinite(place->y)) return false;
    *x = scale_fraction(view_x(chart, view), place->x);
    *y = scale_fraction(view_y(chart, view), place->y);
    if (!(*x >= 0 && *x <= 1 && *y >= 0 && *y <= 1)) return false;
    if (!downwards) *y = 1 - *y;
    return true;
}

ChartView chart_view(const Chart *chart) {
    ChartView view = {.log_x = chart->encoding.log_x && x_is_numeric(chart),
                      .log_y = chart->encoding.log_y && y_is_numeric(chart),
                      .series = -1,
                      .cursor = NAN,
                      .cursor_y = NAN,
                      .contours = chart_takes_contours(chart) ? chart->encoding.contours : 0};
    Scale x = full_x(chart, view.log_x), y = full_y(chart, view.log_y);
    view.x0 = x.low;
    view.x1 = x.high;
    view.y0 = y.low;
    view.y1 = y.high;
    return view;
}

/* ---- footnote, read-out ------------------------------------------------------------------------------------------ */

/* Points that a log axis has no place for. */
static size_t left_out(const Chart *chart, const ChartView *view) {
    const bool histogram = chart->encoding.kind == CHART_HISTOGRAM; /* an empty bin leaves nothing out */
    size_t count = 0;
    bool log_x = view->log_x && x_is_numeric(chart), log_y = view->log_y && y_is_numeric(chart);
    for (size_t s = 0; s < chart->series_count; s++) {
        const Series *series = &chart->series[s];
        for (size_t i = 0; i < series->count; i++) {
            bool out = (log_x && series->x && series->x[i] <= 0) || (log_y && !series->right && series->y[i] <= 0);
            if (out && isfinite(series->y[i]) && !(histogram && series->y[i] == 0)) count++;
        }
    }
    for (size_t i = 0; log_x && i < chart->x.count; i++) {
        if (chart->x.values && chart->x.values[i] <= 0) count += chart->grid_rows;
    }
    for (size_t i = 0; log_y && i < chart->y.count; i++) {
        if (chart->y.values && chart->y.values[i] <= 0) count += chart->grid_columns;
    }
    return count;
}

static void add_count(Str *out, size_t count, const char *one, const char *many) {
    if (count == 0) return;
    if (out->length > 0) str_add(out, ", ");
    str_addf(out, "%zu %s", count, count == 1 ? one : many);
}

/* What bands, bars and stars are. */
static void explain_aside(const Chart *chart, Str *out) {
    const Encoding *encoding = &chart->encoding;
    const bool bars = encoding->error_bars || encoding->kind != CHART_LINES;
    const char *sep = out->length > 0 ? ", " : "";
    if (encoding->kind != CHART_BARS && encoding->kind != CHART_LINES && encoding->kind != CHART_SCATTER) return;
    if (*encoding->deviation) str_addf(out, "%s%s: +- %s", sep, bars ? "bars" : "band", label_of(encoding->deviation));
    if (*encoding->low && strstr(label_of(encoding->low), "95 %"))
        str_addf(out, "%s%s: 95 %% interval", sep, bars ? "bars" : "band");
    else if (*encoding->low)
        str_addf(out, "%s%s: %s to %s", sep, bars ? "bars" : "band", label_of(encoding->low), label_of(encoding->high));
    if (*encoding->flag) str_addf(out, "%s* %s", out->length > 0 ? ", " : "", label_of(encoding->flag));
}

void chart_footnote(const Chart *chart, const ChartView *view, Str *out) {
    add_count(out, chart->missing, "value missing", "values missing");
    add_count(out, chart->infinite, "value infinite", "values infinite");
    add_count(out, left_out(chart, view), "value <= 0 not on the log axis", "values <= 0 not on the log axis");
    add_count(out, chart->colourless, "value <= 0 not on the log scale", "values <= 0 not on the log scale");
    add_count(out, chart->repeated, "repeated row left out", "repeated rows left out");
    add_count(out, chart->beyond, "value beyond the colours", "values beyond the colours");
    explain_aside(chart, out);
}

void value_text(double value, const char *unit, bool integer, Str *out) {
    bool percent = strcmp(unit, "%") == 0;
    if (!isfinite(value))
        str_add(out, isnan(value) ? "missing" : value < 0 ? "-infinity" : "infinity");
    else
        str_addf(out, percent ? "%.3f" : integer && fabs(value) < 1e15 ? "%.0f" : "%.6g", value);
    if (*unit && isfinite(value)) str_addf(out, percent ? "%s" : " %s", unit);
}

int bar_decimals(const Chart *chart) {
    double largest = fmax(fabs(chart->y.low), fabs(chart->y.high));
    bool integer = chart->series_count > 0, percent = strcmp(chart->y.unit, "%") == 0;
    for (size_t s = 0; s < chart->series_count; s++) integer = integer && chart->series[s].integer;
    if (!isfinite(largest)) return 0;
    if (percent && largest < 1e6) return 3;
    if (integer && largest < 1e15) return 0;
    return number_decimals(largest, 4);
}

/* The index of the point of a series that is nearest to x; count where there is none. */
static size_t nearest_point(const Series *series, double x) {
    size_t best = series->count;
    for (size_t i = 0; i < series->count; i++) {
        if (best == series->count || fabs(series->x[i] - x) < fabs(series->x[best] - x)) best = i;
    }
    return best;
}

/* The interval of a value, and that it is flagged. */
static void read_aside(const Chart *chart, const Series *series, size_t index, Str *out) {
    if (series->low && isfinite(series->low[index])) {
        str_add(out, " (");
        value_text(series->low[index], "", series->integer, out);
        str_add(out, " to ");
        value_text(series->high[index], "", series->integer, out);
        str_add(out, ")");
    }
    if (series->flag && series->flag[index]) str_addf(out, " * %s", label_of(chart->encoding.flag));
}

/* `own`: with its interval, for which there is no room where all series have one. */
static void read_value(const Chart *chart, const Series *series, size_t index, bool own, Str *out) {
    if (index >= series->count) return;
    str_addf(out, "  %s ", series->name);
    value_text(series->y[index], series->unit, series->integer, out);
    if (own) read_aside(chart, series, index, out);
}

/* All series, the cursor's own one first. */
static void read_series(const Chart *chart, const ChartView *view, size_t index, Str *out) {
    const size_t own = view->series < 0 ? 0 : (size_t)view->series;
    for (size_t s = 0; s < chart->series_count; s++) {
        const size_t which = s == 0 ? own : s <= own ? s - 1 : s;
        read_value(chart, &chart->series[which], index, s == 0, out);
    }
}

/* "-0.5 to -0.25  count 12" of each series. */
static void read_bin(const Chart *chart, const ChartView *view, Str *out) {
    size_t index = nearest_point(&chart->series[0], view->cursor);
    if (index >= chart->bin_count) return;
    value_text(chart->edges[index], "", false, out);
    str_add(out, " to ");
    value_text(chart->edges[index + 1], chart->x.unit, false, out);
    read_series(chart, view, index, out);
}

static void read_line(const Chart *chart, const ChartView *view, Str *out) {
    const Series *series = &chart->series[view->series < 0 ? 0 : view->series];
    size_t index = nearest_point(series, view->cursor);
    if (index == series->count) return;
    str_addf(out, "%s ", chart->x.label[0] ? label_of(chart->encoding.x) : "row");
    value_text(series->x[index], chart->x.unit, chart->x.integer, out);
    read_value(chart, series, index, true, out);
    for (size_t s = 0; s < chart->series_count; s++) { /* those that have a point at this x */
        const Series *other = &chart->series[s];
        const size_t there = nearest_point(other, series->x[index]);
        if (other != series && there < other->count && other->x[there] == series->x[index])
            read_value(chart, other, there, false, out);
    }
    for (unsigned m = 0; m < chart->encoding.mark_count; m++) {
        double x, y;
        if (!mark_place(chart, view, m, &x, &y) || nearest_point(series, chart->encoding.marks[m].x) != index) continue;
        str_addf(out, "  (%s)", chart->mark_label[m]);
    }
}

static void read_place(const Axis *axis, const char *name, size_t index, Str *out) {
    str_addf(out, "%s ", name);
    if (axis->category)
        str_add(out, axis->names[index]);
    else
        value_text(axis->values[index], axis->unit, axis->integer, out);
    str_add(out, "  ");
}

static void read_heatmap(const Chart *chart, const ChartView *view, Str *out) {
    size_t i, j;
    if (!grid_index(&chart->x, view->cursor, view->log_x, &j) ||
        !grid_index(&chart->y, view->cursor_y, view->log_y, &i)) {
        return;
    }
    read_place(&chart->x, label_of(chart->encoding.x), j, out);
    read_place(&chart->y, label_of(chart->encoding.y[0]), i, out);
    str_addf(out, "%s ", label_of(chart->encoding.value));
    value_text(chart->grid[i * chart->grid_columns + j], chart->value.unit, chart->value.integer, out);
    for (unsigned m = 0; m < chart->encoding.mark_count; m++) {
        const ChartMark *mark = &chart->encoding.marks[m];
        size_t mark_i, mark_j;
        if (grid_index(&chart->x, mark->x, view->log_x, &mark_j) &&
            grid_index(&chart->y, mark->y, view->log_y, &mark_i) && mark_i == i && mark_j == j) {
            str_addf(out, "  (%s)", chart->mark_label[m]);
        }
    }
}

static void read_kernels(const Chart *chart, const ChartView *view, Str *out) {
    size_t i, j, rows = chart->kernel_rows, columns = chart->kernel_columns;
    if (!kernel_index(view->cursor, columns, chart->grid_columns, &j) ||
        !kernel_index(view->cursor_y, rows, chart->grid_rows, &i)) {
        return;
    }
    if (!chart->wrapped)
        str_addf(out, "filter %zu  channel %zu", i / rows, j / columns);
    else
        str_addf(out, "filter %zu", i / rows * chart->x.count + j / columns);
    str_addf(out, "  row %zu  column %zu", i % rows, j % columns);
    for (size_t panel = 0; panel < kernel_panels(chart); panel++) {
        str_addf(out, "  %s ", chart->panel_count > 0 ? chart->panels[panel] : "weight");
        value_text(kernel_weight(chart, panel, i, j), chart->value.unit, false, out);
    }
}

void chart_readout(const Chart *chart, const ChartView *view, Str *out) {
    ChartView safe = *view;
    if (safe.series >= (int)chart->series_count) safe.series = -1;
    if (isnan(view->cursor)) return;
    if (chart->encoding.kind == CHART_HEATMAP) {
        read_heatmap(chart, &safe, out);
    } else if (chart->encoding.kind == CHART_KERNELS) {
        read_kernels(chart, &safe, out);
    } else if (chart->encoding.kind == CHART_HISTOGRAM && chart->series_count > 0) {
        read_bin(chart, &safe, out);
    } else if (chart->encoding.kind == CHART_LINES || chart->encoding.kind == CHART_SCATTER) {
        read_line(chart, &safe, out);
    } else if (view->cursor > -0.5 && view->cursor < (double)chart->x.count - 0.5) {
        size_t index = (size_t)(view->cursor + 0.5);
        str_add(out, chart->x.names[index]);
        read_series(chart, &safe, index, out);
    }
}

/* ---- zoom, pan --------------------------------------------------------------------------------------------------- */

/* Keeps [a, b] (fractions of the full range) inside [0, 1], and not narrower than `least`. */
static void keep_inside(double *a, double *b, double least) {
    double span = fmin(fmax(*b - *a, least), 1);
    double centre = *a / 2 + *b / 2;
    *a = fmin(fmax(centre - span / 2, 0), 1 - span);
    *b = *a + span;
}

/* Zooms (factor > 1: in) about a place that stays where it is, then moves by `shift` spans. */
static void change(Scale full, double least, double factor, double about, double shift, Scale *view) {
    double a = scale_fraction(full, view->low), b = scale_fraction(full, view->high);
    double centre = scale_fraction(full, about), span = (b - a) / factor;
    if (!(factor > 0) || isnan(a) || isnan(b)) return;
    if (isnan(centre) || centre < a || centre > b) centre = a / 2 + b / 2;
    double where = b > a ? (centre - a) / (b - a) : 0.5;
    a = centre - where * span + shift * span;
    b = a + span;
    keep_inside(&a, &b, fmin(least, 1));
    view->low = a <= 0 ? full.low : scale_value(full, a);
    view->high = b >= 1 ? full.high : scale_value(full, b);
}

/* The cursor's height on the left axis, whichever its series is drawn against. */
static double cursor_on_left(const Chart *chart, const ChartView *view) {
    bool known = view->series >= 0 && view->series < (int)chart->series_count;
    if (!known || !chart->series[view->series].right) return view->cursor_y;
    return scale_value(view_y(chart, view), scale_fraction(view_y2(chart, view), view->cursor_y));
}

static void change_view(const Chart *chart, ChartView *view, double factor, double dx, double dy) {
    Scale x = view_x(chart, view), y = view_y(chart, view);
    double cursor_y = cursor_on_left(chart, view);
    double least_x = chart->x.category && chart->x.count > 0 ? 1 / (double)chart->x.count : 1e-9;
    double least_y = chart->y.category && chart->y.count > 0 ? 1 / (double)chart->y.count : 1e-9;
    change(full_x(chart, x.log), least_x, factor, view->cursor, dx, &x);
    if (chart->encoding.kind != CHART_BARS) { /* bars always show their zero */
        if (chart->y.category) dy = -dy;      /* the first name stands at the top */
        change(full_y(chart, y.log), least_y, factor, cursor_y, dy, &y);
    }
    view->x0 = x.low;
    view->x1 = x.high;
    view->y0 = y.low;
    view->y1 = y.high;
}

void chart_zoom(const Chart *chart, ChartView *view, double factor) {
    change_view(chart, view, factor, 0, 0);
}

void chart_pan(const Chart *chart, ChartView *view, double dx, double dy) {
    change_view(chart, view, 1, dx, dy);
}
