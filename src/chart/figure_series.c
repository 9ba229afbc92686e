/* figure_series -- parts of series on paper beside their lines: intervals, flags, the bins of histograms. */
#include "chart/figure.h"

#include <math.h>

/* A colour thinned on white, for areas under lines. */
static Rgb tint(size_t s) {
    const Rgb colour = palette_series((int)s);
    const double part = 0.22;
    return (Rgb){(uint8_t)lround(255 - part * (255 - colour.red)), (uint8_t)lround(255 - part * (255 - colour.green)),
                 (uint8_t)lround(255 - part * (255 - colour.blue))};
}

/* A height on paper, far outside of the plot kept within what formats can say. */
static double height_of(const Figure *figure, Scale y, double value) {
    double fraction = scale_fraction(y, value);
    if (isnan(fraction) && isfinite(value)) fraction = -1; /* below a log axis */
    return figure->plot.y + (1 - fmin(fmax(fraction, -900), 900)) * figure->plot.height;
}

/* ---- intervals --------------------------------------------------------------------------------------------------- */

static bool interval_at(const Figure *figure, const Series *series, size_t i, Scale x, Scale y, Point *low,
                        Point *high) {
    const double across = scale_fraction(x, series->x[i]);
    if (isnan(across) || !isfinite(series->low[i]) || !isfinite(series->high[i])) return false;
    low->x = high->x = figure->plot.x + fmin(fmax(across, -900), 900) * figure->plot.width;
    low->y = height_of(figure, y, series->low[i]);
    high->y = height_of(figure, y, series->high[i]);
    return true;
}

/* Bands are drawn in pieces, which share their ends. */
enum { PIECE = 256 };

static void flush_band(const Figure *figure, size_t s, bool edges, const Point *lower, const Point *upper,
                       size_t count) {
    Point area[2 * PIECE];
    const Rgb fill = tint(s);
    const Pen none = {fill, 0, false}, edge = {palette_series((int)s), 0.8, false};
    for (size_t i = 0; i < count; i++) {
        area[i] = upper[i];
        area[2 * count - 1 - i] = lower[i];
    }
    if (count < 2) return;
    if (!edges) {
        figure->paint->ops->polyline(figure->paint, area, 2 * count, none, &fill);
        return;
    }
    figure->paint->ops->polyline(figure->paint, upper, count, edge, NULL);
    figure->paint->ops->polyline(figure->paint, lower, count, edge, NULL);
}

void figure_band(const Figure *figure, size_t s, bool edges, Scale x, Scale y) {
    const Series *series = &figure->chart->series[s];
    Point lower[PIECE], upper[PIECE];
    size_t count = 0;
    for (size_t i = 0; i < series->count; i++) {
        const bool there = interval_at(figure, series, i, x, y, &lower[count], &upper[count]);
        if (there && ++count < PIECE) continue;
        flush_band(figure, s, edges, lower, upper, count);
        if (there) {
            lower[0] = lower[count - 1];
            upper[0] = upper[count - 1];
        }
        count = there ? 1 : 0;
    }
    flush_band(figure, s, edges, lower, upper, count);
}

void figure_whisker(const Figure *figure, Point low, Point high, Rgb colour) {
    const double cap = 4, across = low.x == high.x ? cap : 0, down = cap - across;
    for (int halo = 1; halo >= 0; halo--) { /* white around it, so that it shows on bars */
        const Rgb ink = halo ? (Rgb){255, 255, 255} : colour;
        const double width = halo ? 3.4 : 1.4;
        figure_line(figure, low.x, low.y, high.x, high.y, ink, width);
        figure_line(figure, low.x - across, low.y - down, low.x + across, low.y + down, ink, width);
        figure_line(figure, high.x - across, high.y - down, high.x + across, high.y + down, ink, width);
    }
}

void figure_error_bars(const Figure *figure, size_t s, Scale x, Scale y) {
    const Series *series = &figure->chart->series[s];
    for (size_t i = 0; i < series->count; i++) {
        Point low, high;
        if (interval_at(figure, series, i, x, y, &low, &high))
            figure_whisker(figure, low, high, palette_series((int)s));
    }
}

/* ---- flags ------------------------------------------------------------------------------------------------------- */

void figure_flags(const Figure *figure, size_t s, Scale x, Scale y) {
    const Series *series = &figure->chart->series[s];
    for (size_t i = 0; series->flag && i < series->count; i++) {
        double across, up;
        if (!series->flag[i] || !series_place(series, i, x, y, &across, &up)) continue;
        if (!(across >= 0 && across <= 1 && up >= 0 && up <= 1)) continue;
        const double left = figure->plot.x + across * figure->plot.width;
        const bool bars = figure->chart->encoding.error_bars || figure->chart->encoding.kind == CHART_SCATTER;
        const bool over = bars && series->low && isfinite(series->high[i]); /* above its bar */
        const double top =
            over ? height_of(figure, y, series->high[i]) : figure->plot.y + (1 - up) * figure->plot.height;
        figure_text(figure, left, top - 5 < figure->plot.y + 8 ? top + 20 : top - 5, "*", FIGURE_TITLE, ANCHOR_MIDDLE,
                    figure_ink);
    }
}

/* ---- histograms -------------------------------------------------------------------------------------------------- */

/* The frame of a bin, from the axis up; false where it has no height. */
static bool bin_frame(const Figure *figure, const Series *series, size_t i, Scale x, Scale y, Frame *out) {
    const Frame *plot = &figure->plot;
    const double *edges = figure->chart->edges;
    const double from = scale_fraction(x, edges[i]), to = scale_fraction(x, edges[i + 1]);
    const double up = isfinite(series->y[i]) ? fmin(scale_fraction(y, series->y[i]), 900) : NAN;
    if (isnan(from) || isnan(to) || !(up > 0)) return false;
    *out = (Frame){plot->x + from * plot->width, plot->y + (1 - up) * plot->height, (to - from) * plot->width,
                   up * plot->height};
    return true;
}

void figure_bins(const Figure *figure, size_t s, Scale x, Scale y) {
    const Series *series = &figure->chart->series[s];
    const bool alone = figure->chart->series_count == 1;
    for (size_t i = 0; i < series->count; i++) {
        Frame frame;
        if (!bin_frame(figure, series, i, x, y, &frame)) continue;
        const double gap = alone && frame.width > 5 ? 1 : 0, seam = alone ? 0 : 0.4; /* bins apart, or one area */
        frame.x += gap / 2;
        frame.width += seam - gap;
        figure->paint->ops->rectangle(figure->paint, frame, alone ? palette_series((int)s) : tint(s));
    }
}

void figure_steps(const Figure *figure, size_t s, Scale x, Scale y) {
    const Series *series = &figure->chart->series[s];
    const double bottom = figure->plot.y + figure->plot.height;
    const Pen pen = {palette_series((int)s), 2, false};
    Point path[2 * PIECE];
    size_t count = 0;
    for (size_t i = 0; i < series->count; i++) {
        Frame frame;
        const bool there = bin_frame(figure, series, i, x, y, &frame);
        const double top = there ? frame.y : bottom;
        const double left = figure_x(figure, x, figure->chart->edges[i]);
        const double right = figure_x(figure, x, figure->chart->edges[i + 1]);
        if (isnan(left) || isnan(right)) continue;
        if (count == 0) path[count++] = (Point){left, i == 0 ? bottom : top};
        path[count++] = (Point){left, top};
        path[count++] = (Point){right, top};
        if (i + 1 == series->count) path[count++] = (Point){right, bottom};
        if (count + 3 < 2 * PIECE && i + 1 < series->count) continue;
        figure->paint->ops->polyline(figure->paint, path, count, pen, NULL);
        path[0] = path[count - 1];
        count = 1;
    }
}
