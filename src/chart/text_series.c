/* text_series -- parts of series in cells beside their lines: intervals, flags, points, the bins of histograms. */
#include "chart/canvas.h"

#include <math.h>
#include <string.h>

static bool inside(double fraction) {
    return fraction >= 0 && fraction <= 1;
}

static bool is_blank(const Pen *pen, int column, int row) {
    const ChartCell *cell = canvas_cell(pen->canvas, pen->plot.x + column, pen->plot.y + row);
    return cell && strcmp(cell->glyph, " ") == 0;
}

static void put(const Pen *pen, int column, int row, const char *glyph, const char *ascii) {
    if (column < 0 || row < 0 || column >= pen->plot.width || row >= pen->plot.height) return;
    canvas_put(pen->canvas, pen->plot.x + column, pen->plot.y + row, glyph, ascii, pen->colour);
}

/* ---- intervals --------------------------------------------------------------------------------------------------- */

/* Fractions of an interval's place and ends; on a log axis what is not positive reaches below it. */
static bool interval_at(const Pen *pen, const Series *series, size_t i, double *x, double *low, double *high) {
    *x = scale_fraction(pen->x, series->x[i]);
    *low = scale_fraction(pen->y, series->low[i]);
    *high = scale_fraction(pen->y, series->high[i]);
    if (isnan(*low) && isfinite(series->low[i])) *low = -1;
    return !isnan(*x) && !isnan(*low) && !isnan(*high);
}

/* The cells of a column whose middle lies between two heights. */
static void shade_column(const Pen *pen, int column, double low, double high, size_t s) {
    const int rows = pen->plot.height;
    for (int row = 0; row < rows; row++) {
        const double middle = (rows - row - 0.5) / rows;
        if (middle < low || middle > high || !is_blank(pen, column, row)) continue;
        put(pen, column, row, s % 2 ? "·" : "░", s % 2 ? "." : ":");
    }
}

void draw_band(const Pen *pen, size_t s, const Series *series) {
    double last_x = 0, last_low = 0, last_high = 0;
    bool joined = false;
    for (size_t i = 0; i < series->count; i++) {
        double x, low, high;
        const bool there = interval_at(pen, series, i, &x, &low, &high);
        for (int column = 0; there && joined && column < pen->plot.width; column++) {
            const double at = (column + 0.5) / pen->plot.width, part = x > last_x ? (at - last_x) / (x - last_x) : 0;
            if (at < last_x || at > x) continue;
            shade_column(pen, column, last_low + part * (low - last_low), last_high + part * (high - last_high), s);
        }
        joined = there;
        last_x = x;
        last_low = low;
        last_high = high;
    }
}

/* The cells of an error bar; false where none of it is in view. */
static bool bar_cells(const Pen *pen, const Series *series, size_t i, int *column, int *top, int *bottom) {
    double x, low, high;
    if (!series->low || !interval_at(pen, series, i, &x, &low, &high) || !inside(x) || high < 0 || low > 1)
        return false;
    *column = pen_x(pen, x) / pen->across;
    *top = pen_y(pen, fmin(high, 1)) / pen->down;
    *bottom = pen_y(pen, fmax(low, 0)) / pen->down;
    return true;
}

void draw_error_bars(const Pen *pen, const Series *series) {
    for (size_t i = 0; i < series->count; i++) {
        int column, top, bottom;
        if (!bar_cells(pen, series, i, &column, &top, &bottom)) continue;
        for (int row = top; row <= bottom; row++) put(pen, column, row, "│", "|");
        if (bottom == top) continue;
        if (scale_fraction(pen->y, series->high[i]) <= 1) put(pen, column, top, "┬", "-");
        if (!(scale_fraction(pen->y, series->low[i]) < 0)) put(pen, column, bottom, "┴", "-");
    }
}

void error_bars_seen(const Pen *pen, const Series *series, bool *seen, bool *hidden) {
    for (size_t i = 0; i < series->count; i++) {
        int column, top, bottom;
        if (!bar_cells(pen, series, i, &column, &top, &bottom)) continue;
        *seen = *seen || top < bottom;
        *hidden = *hidden || top == bottom;
    }
}

/* ---- points ------------------------------------------------------------------------------------------------------ */

void draw_flags(const Pen *pen, const Series *series, bool bars) {
    for (size_t i = 0; series->flag && i < series->count; i++) {
        double x, y;
        if (!series->flag[i] || !series_place(series, i, pen->x, pen->y, &x, &y) || !inside(x) || !inside(y)) continue;
        const int column = pen_x(pen, x) / pen->across, row = pen_y(pen, y) / pen->down;
        double low, high;
        int above = row > 0 ? row - 1 : row + 1;
        if (bars && series->low && interval_at(pen, series, i, &x, &low, &high) && high <= 1)
            above = pen_y(pen, high) / pen->down - 1; /* over its bar, which keeps its place where that is the top */
        if (above < 0) above = row > 0 ? row - 1 : row + 1;
        put(pen, column, above, "*", "*");
        ChartCell *cell = canvas_cell(pen->canvas, pen->plot.x + column, pen->plot.y + above);
        if (cell) cell->bold = true;
    }
}

void draw_points(Pen *pen, const Series *series, bool many) {
    for (size_t i = 0; i < series->count; i++) {
        double x, y;
        if (!series_place(series, i, pen->x, pen->y, &x, &y) || !inside(x) || !inside(y)) continue;
        if (many && pen->dots)
            pen_dot(pen, pen_x(pen, x), pen_y(pen, y));
        else
            put(pen, pen_x(pen, x) / pen->across, pen_y(pen, y) / pen->down, pen->mark, pen->mark);
    }
}

/* ---- histograms -------------------------------------------------------------------------------------------------- */

/* The fraction of a height; below the axis where there is none, as 0 on a log axis. */
static double height_of(const Pen *pen, double value) {
    const double fraction = isfinite(value) ? scale_fraction(pen->y, value) : NAN;
    return isnan(fraction) ? 0 : fraction;
}

void draw_steps(Pen *pen, const Chart *chart, const Series *series) {
    double last = 0;
    for (size_t i = 0; i < series->count; i++) {
        const double left = scale_fraction(pen->x, chart->edges[i]),
                     right = scale_fraction(pen->x, chart->edges[i + 1]);
        const double height = fmax(height_of(pen, series->y[i]), 0);
        if (isnan(left) || isnan(right)) continue;
        if (height != last) pen_segment(pen, left, last, left, height);
        if (height > 0) pen_segment(pen, left, height, right, height);
        if (i + 1 == series->count && height > 0) pen_segment(pen, right, height, right, 0);
        last = height;
    }
}

/* The highest of the bins that a column of cells shows: the one in its middle, and those that lie within it. */
static double column_height(const Pen *pen, const Chart *chart, const Series *series, int column) {
    const double left = (double)column / pen->plot.width, right = (column + 1.0) / pen->plot.width;
    double height = 0;
    for (size_t i = 0; i < series->count; i++) {
        const double from = scale_fraction(pen->x, chart->edges[i]), to = scale_fraction(pen->x, chart->edges[i + 1]);
        const double middle = (left + right) / 2;
        if ((from <= middle && middle < to) || (from >= left && to <= right))
            height = fmax(height, height_of(pen, series->y[i]));
    }
    return height;
}

void fill_bins(const Pen *pen, const Chart *chart, const Series *series) {
    static const char *const parts[] = {" ", "▁", "▂", "▃", "▄", "▅", "▆", "▇", "█"};
    for (int column = 0; column < pen->plot.width; column++) {
        const double height = fmin(column_height(pen, chart, series, column), 1);
        int eighths = (int)floor(height * 8 * pen->plot.height + 0.5);
        if (height > 0 && eighths < 1) eighths = 1; /* a value alone is seen */
        for (int row = pen->plot.height - 1; eighths > 0; row--, eighths -= 8) {
            const int part = eighths < 8 ? eighths : 8;
            put(pen, column, row, parts[part], part >= 4 || row == pen->plot.height - 1 ? "#" : " ");
        }
    }
}
