/* layout -- positions in a chart, for both renderers. */
#include "chart/layout.h"

#include <math.h>
#include <stdio.h>

/* ---- what is in view --------------------------------------------------------------------------------------------- */

static Span span(double from, double to) {
    return (Span){(size_t)from, to >= from ? (size_t)(to - from) + 1 : 0};
}

Span categories_in_view(const Axis *axis, Scale scale) {
    return span(fmax(ceil(scale.low - 1e-9), 0), fmin(floor(scale.high + 1e-9), (double)axis->count - 1));
}

Span kernels_in_view(Scale scale, size_t count) {
    return span(fmax(floor(scale.low + 0.5 + 1e-9), 0), fmin(ceil(scale.high - 0.5 - 1e-9), (double)count - 1));
}

double names_widest(const Axis *axis, Span span, TextAdvance *advance) {
    double width = 0;
    for (size_t i = span.first; i < span.first + span.count; i++) width = fmax(width, advance(axis->names[i]));
    return width;
}

double bars_base(Scale scale) {
    return scale.log ? 0 : fmin(fmax(scale_fraction(scale, 0), 0), 1);
}

/* ---- axes -------------------------------------------------------------------------------------------------------- */

static bool are_apart(const Ticks *ticks, const TickRule *rule) {
    for (size_t i = 1; i < ticks->count; i++) {
        double from = rule->place(rule->context, ticks->at[i - 1]), to = rule->place(rule->context, ticks->at[i]);
        if ((to - from) * rule->length < rule->half(ticks->label[i]) + rule->half(ticks->label[i - 1]) + rule->gap)
            return false;
    }
    return true;
}

bool ticks_apart(Scale scale, const TickRule *rule, Ticks *out) {
    if (ticks_measured(scale, out) && are_apart(out, rule)) return true;
    for (size_t most = rule->most; most > 0; most--) {
        ticks_find(scale, most, out);
        if (are_apart(out, rule)) return true;
    }
    out->count = 0;
    return false;
}

void ticks_upright(Scale scale, double length, double gap, size_t most, Ticks *out) {
    bool apart = ticks_measured(scale, out);
    for (size_t i = 1; apart && i < out->count; i++)
        apart = (scale_fraction(scale, out->at[i]) - scale_fraction(scale, out->at[i - 1])) * length >= gap;
    if (apart) return;
    ticks_find(scale, most, out);
    while (out->count < 2 && most > 1 && (double)(most + 1) * gap <= length) ticks_find(scale, ++most, out);
}

/* ---- numbers in cells -------------------------------------------------------------------------------------------- */

bool numbers_wanted(const Chart *chart, const ChartView *view) {
    enum { CELLS_MOST = 400 };
    const Encoding *encoding = &chart->encoding;
    return encoding->numbers && !encoding->picture && view->contours == 0 &&
           chart->grid_rows * chart->grid_columns <= CELLS_MOST;
}

void number_of_cell(const Chart *chart, size_t row, size_t column, char out[TICK_TEXT]) {
    const double value = grid_value(chart, row, column),
                 largest = fmax(fabs(chart->value.low), fabs(chart->value.high));
    *out = '\0';
    if (isnan(value)) return;
    number_text(value, chart->value.integer && largest < 1e6 ? 0 : number_decimals(largest, 3), out);
}

CellSpan cell_span(const Axis *axis, Scale scale, size_t i, bool upwards) {
    const double from = scale_fraction(scale, grid_edge(axis, i, scale.log));
    const double to = scale_fraction(scale, grid_edge(axis, i + 1, scale.log));
    return upwards ? (CellSpan){1 - to, 1 - from} : (CellSpan){from, to};
}

/* ---- legend ------------------------------------------------------------------------------------------------------ */

static double item_width(const Chart *chart, size_t s, const LegendRule *rule) {
    return rule->swatch + rule->advance(chart->series[s].name);
}

double legend_length(const Chart *chart, const LegendRule *rule) {
    double width = 0;
    for (size_t s = 0; s < chart->series_count; s++) width += item_width(chart, s, rule) + (s > 0 ? rule->gap : 0);
    return width;
}

Legend legend_place(const Chart *chart, const LegendRule *rule) {
    Legend legend = {.rows = 1};
    double x = rule->start;
    for (size_t s = 0; s < chart->series_count; s++) {
        const double width = item_width(chart, s, rule);
        const bool last_row = legend.rows >= rule->most, last = s + 1 == chart->series_count;
        snprintf(legend.more, sizeof legend.more, "+%zu more", chart->series_count - s);
        const double reserve = last_row && !last ? rule->advance(legend.more) + rule->gap : 0;
        if (x > rule->left && x + width + reserve > rule->right) {
            legend.more_x = x;
            if (last_row) return legend;
            legend.rows++;
            x = rule->left;
        }
        legend.x[s] = x;
        legend.row[s] = legend.rows - 1;
        legend.shown = s + 1;
        x += width + rule->gap;
    }
    return legend;
}

/* ---- lines ------------------------------------------------------------------------------------------------------- */

bool series_place(const Series *series, size_t i, Scale x, Scale y, double *across, double *up) {
    *across = scale_fraction(x, series->x[i]);
    *up = isfinite(series->y[i]) ? scale_fraction(y, series->y[i]) : NAN;
    return !isnan(*across) && !isnan(*up);
}

size_t points_in_view(const Chart *chart, size_t s, const MarkRule *rule) {
    size_t count = 0;
    Place at;
    for (size_t i = 0; i < chart->series[s].count; i++) count += rule->place(rule->context, s, i, &at);
    return count;
}

void series_marks(const Chart *chart, size_t s, const MarkRule *rule) {
    const bool all = points_in_view(chart, s, rule) <= rule->most;
    double next = rule->start;
    Place at;
    for (size_t i = 0; i < chart->series[s].count && (all || chart->series_count > 1); i++) {
        if (!rule->place(rule->context, s, i, &at) || (!all && at.x < next)) continue;
        next = at.x + rule->spacing;
        rule->draw(rule->context, s, at);
    }
}

bool reference_place(const ReferenceRule *rule, Spot *out, size_t *hidden) {
    *hidden = SIZE_MAX;
    for (int side = 0; side < 3; side++) {
        for (int below = 0; below < 2; below++) {
            const Spot spot = {(rule->width - rule->label_width) * (2 - side) / 2,
                               rule->line + (below ? rule->below : rule->above), rule->label_width, rule->label_height};
            const size_t hides = rule->hides(rule->context, spot);
            if (spot.y < 0 || spot.y + spot.height > rule->height || hides >= *hidden) continue;
            *hidden = hides;
            *out = spot;
        }
    }
    return *hidden < SIZE_MAX;
}
