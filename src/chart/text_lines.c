/* text_lines -- line charts in cells: braille (2 x 4 dots to a cell, U+2800 + bits), or one mark a cell. */
#include "chart/canvas.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* How points become places: `across` x `down` dots to a cell. */
typedef struct Pen {
    Canvas *canvas;
    Box plot;
    int across, down;
    Scale x, y;
    uint8_t *dots; /* braille bits of each cell of the plot; NULL: marks */
    const char *mark;
    int colour;
} Pen;

/* Unicode's order of the dots: the first six column by column, then the bottom row. */
static uint8_t dot_bit(int x, int y) {
    static const uint8_t bits[4][2] = {{0x01, 0x08}, {0x02, 0x10}, {0x04, 0x20}, {0x40, 0x80}};
    return bits[y][x];
}

static void braille(uint8_t bits, char out[4]) {
    out[0] = (char)0xe2;
    out[1] = (char)(0xa0 | (bits >> 6));
    out[2] = (char)(0x80 | (bits & 0x3f));
    out[3] = '\0';
}

/* A dot, counted from the plot's top left corner. */
static void dot(Pen *pen, int x, int y) {
    int cell_x = x / pen->across, cell_y = y / pen->down;
    if (x < 0 || y < 0 || cell_x >= pen->plot.width || cell_y >= pen->plot.height) return;
    int left = pen->plot.x + cell_x, top = pen->plot.y + cell_y;
    if (!pen->dots) {
        canvas_put(pen->canvas, left, top, pen->mark, pen->mark, pen->colour);
        return;
    }
    char glyph[4];
    uint8_t *bits = &pen->dots[cell_y * pen->plot.width + cell_x];
    *bits = (uint8_t)(*bits | dot_bit(x % pen->across, y % pen->down));
    braille(*bits, glyph);
    canvas_put(pen->canvas, left, top, glyph, glyph, pen->colour);
}

/* Cuts a segment to [0, 1] x [0, 1] (Liang and Barsky, 1984); false where nothing is left. */
static bool clip_segment(double *x0, double *y0, double *x1, double *y1) {
    double dx = *x1 - *x0, dy = *y1 - *y0, from = 0, to = 1;
    const double p[4] = {-dx, dx, -dy, dy}, q[4] = {*x0, 1 - *x0, *y0, 1 - *y0};
    for (int i = 0; i < 4; i++) {
        if (p[i] == 0) {
            if (q[i] < 0) return false;
        } else if (p[i] < 0) {
            from = fmax(from, q[i] / p[i]);
        } else {
            to = fmin(to, q[i] / p[i]);
        }
    }
    if (from > to) return false;
    double x = *x0, y = *y0;
    *x0 = x + from * dx;
    *y0 = y + from * dy;
    *x1 = x + to * dx;
    *y1 = y + to * dy;
    return true;
}

static int dot_x(const Pen *pen, double fraction) {
    return (int)floor(fraction * (pen->plot.width * pen->across - 1) + 0.5);
}

static int dot_y(const Pen *pen, double fraction) {
    int dots = pen->plot.height * pen->down;
    return dots - 1 - (int)floor(fraction * (dots - 1) + 0.5);
}

/* Bresenham's line. */
static void segment(Pen *pen, double x0, double y0, double x1, double y1) {
    if (!clip_segment(&x0, &y0, &x1, &y1)) return;
    int x = dot_x(pen, x0), y = dot_y(pen, y0), end_x = dot_x(pen, x1), end_y = dot_y(pen, y1);
    int dx = abs(end_x - x), dy = -abs(end_y - y), error = dx + dy;
    int step_x = x < end_x ? 1 : -1, step_y = y < end_y ? 1 : -1;
    for (;;) {
        dot(pen, x, y);
        if (x == end_x && y == end_y) return;
        int twice = 2 * error;
        if (twice >= dy) {
            error += dy;
            x += step_x;
        }
        if (twice <= dx) {
            error += dx;
            y += step_y;
        }
    }
}

static bool place(const Pen *pen, const Series *series, size_t i, double *x, double *y) {
    *x = scale_fraction(pen->x, series->x[i]);
    *y = isfinite(series->y[i]) ? scale_fraction(pen->y, series->y[i]) : NAN;
    return !isnan(*x) && !isnan(*y);
}

static bool inside(double x, double y) {
    return x >= 0 && x <= 1 && y >= 0 && y <= 1;
}

static void draw_path(Pen *pen, const Series *series) {
    double last_x = 0, last_y = 0;
    bool joined = false;
    for (size_t i = 0; i < series->count; i++) {
        double x, y;
        if (!place(pen, series, i, &x, &y)) {
            joined = false;
            continue;
        }
        if (joined) segment(pen, last_x, last_y, x, y);
        if (!joined && inside(x, y)) dot(pen, dot_x(pen, x), dot_y(pen, y));
        joined = true;
        last_x = x;
        last_y = y;
    }
}

/* Marks at the data points in view, all of them or, where these would hide the line, some `spacing` columns apart. */
static void draw_marks(Pen *pen, const Series *series, int spacing, int offset) {
    int next = offset;
    for (size_t i = 0; i < series->count; i++) {
        double x, y;
        if (!place(pen, series, i, &x, &y) || !inside(x, y)) continue;
        int column = dot_x(pen, x) / pen->across, row = dot_y(pen, y) / pen->down;
        if (spacing > 0 && column < next) continue;
        next = column + spacing;
        canvas_put(pen->canvas, pen->plot.x + column, pen->plot.y + row, pen->mark, pen->mark, pen->colour);
    }
}

static size_t points_in_view(const Pen *pen, const Series *series) {
    size_t count = 0;
    for (size_t i = 0; i < series->count; i++) {
        double x, y;
        if (place(pen, series, i, &x, &y) && inside(x, y)) count++;
    }
    return count;
}

/* All paths, then all marks, the first series on top. */
static void draw_series(Pen *pen, const Chart *chart) {
    size_t count = chart->series_count, limit = (size_t)(pen->plot.width / 4);
    for (size_t s = count; s-- > 0;) {
        pen->colour = canvas_series_colour(pen->canvas, s);
        pen->mark = series_mark(pen->canvas, s);
        if (count == 1) pen->mark = points_in_view(pen, &chart->series[0]) <= limit ? "." : "*";
        draw_path(pen, &chart->series[s]);
    }
    for (size_t s = count; s-- > 0 && (pen->dots || count == 1);) {
        int spacing = pen->plot.width / 6 + 1;
        bool few = points_in_view(pen, &chart->series[s]) <= limit;
        pen->colour = canvas_series_colour(pen->canvas, s);
        pen->mark = series_mark(pen->canvas, s);
        if (few)
            draw_marks(pen, &chart->series[s], 0, 0);
        else if (count > 1)
            draw_marks(pen, &chart->series[s], spacing, (int)s * spacing / (int)count);
    }
}

/* ---- reference and cursor ---------------------------------------------------------------------------------------- */

static void draw_reference(Pen *pen, const Chart *chart) {
    double fraction = scale_fraction(pen->y, chart->encoding.reference);
    if (!(fraction >= 0 && fraction <= 1)) return;
    int row = pen->plot.y + dot_y(pen, fraction) / pen->down;
    for (int i = 0; i < pen->plot.width; i++) {
        if (i % 2 == 0) canvas_put(pen->canvas, pen->plot.x + i, row, "╌", "-", PLAIN);
    }
}

/* How much of the data a label would hide there. */
static int hidden(Canvas *canvas, int x, int y, int width) {
    int count = 0;
    for (int i = 0; i < width; i++) {
        const ChartCell *cell = canvas_cell(canvas, x + i, y);
        if (cell && strcmp(cell->glyph, " ") != 0) count++;
    }
    return count;
}

/* The reference's label just above or below its line, where it hides least, rather at the right than at the left. */
static void label_reference(Pen *pen, const Chart *chart) {
    double fraction = scale_fraction(pen->y, chart->encoding.reference);
    int width = text_width(chart->reference_label), best = INT32_MAX, best_x = 0, best_y = 0;
    const Box *plot = &pen->plot;
    if (width == 0 || width > plot->width || !(fraction >= 0 && fraction <= 1)) return;
    int row = plot->y + dot_y(pen, fraction) / pen->down;
    for (int side = 0; side < 3; side++) {
        for (int shift = -1; shift <= 1; shift += 2) {
            int x = plot->x + (plot->width - width) * (2 - side) / 2, y = row + shift;
            int cost = 3 * hidden(pen->canvas, x, y, width);
            if (y < plot->y || y >= plot->y + plot->height || cost >= best) continue;
            best = cost;
            best_x = x;
            best_y = y;
        }
    }
    if (best < 3 * width) canvas_text(pen->canvas, best_x, best_y, chart->reference_label, width, PLAIN, false);
}

static void draw_cursor(Pen *pen, const Chart *chart, const ChartView *view) {
    double x = scale_fraction(pen->x, view->cursor);
    if (!(x >= 0 && x <= 1)) return;
    int column = pen->plot.x + dot_x(pen, x) / pen->across;
    for (int row = 0; row < pen->plot.height; row++) {
        const ChartCell *cell = canvas_cell(pen->canvas, column, pen->plot.y + row);
        if (cell && strcmp(cell->glyph, " ") == 0) canvas_put(pen->canvas, column, pen->plot.y + row, "┊", ":", PLAIN);
    }
    if (view->series < 0 || view->series >= (int)chart->series_count) return;
    double y = scale_fraction(pen->y, view->cursor_y);
    if (!(y >= 0 && y <= 1)) return;
    int row = pen->plot.y + dot_y(pen, y) / pen->down;
    canvas_put(pen->canvas, column, row, "◉", "@", canvas_series_colour(pen->canvas, (size_t)view->series));
    ChartCell *cell = canvas_cell(pen->canvas, column, row);
    if (cell) cell->bold = true;
}

/* ---- chart ------------------------------------------------------------------------------------------------------- */

bool text_lines(Canvas *canvas, const Chart *chart, const ChartView *view, Error *err) {
    bool marks = canvas->ascii || (canvas->colours == COLOURS_NONE && chart->series_count > 1);
    Pen pen = {.canvas = canvas, .across = marks ? 1 : 2, .down = marks ? 1 : 4};
    pen.x = view_x(chart, view);
    pen.y = view_y(chart, view);
    Layout layout =
        layout_begin(canvas, chart, view, chart->y.label, chart->x.label, LEAST_PLOT, PARTS_AXIS | PARTS_MARKS);
    Labels up, across;
    labels_up(pen.y, layout.plot.height, pen.down, &up);
    int left = labels_width(&up) + 2;
    if (layout.plot.width - left < 10 || layout.axis < 0) left = 0;
    layout.plot.x += left;
    layout.plot.width -= left;
    pen.plot = layout.plot;
    if (!marks) {
        pen.dots = mem_alloc((uint64_t)layout.plot.width * (uint64_t)layout.plot.height, 1, err);
        if (!pen.dots) return false;
    }
    if (left > 0) draw_axis_up(canvas, &up, left - 1, layout.plot.y, layout.plot.height, left - 2);
    if (layout.axis >= 0) {
        labels_across(pen.x, layout.plot.width, pen.across, &across);
        if (left > 0) canvas_put(canvas, left - 1, layout.axis, "└", "+", PLAIN);
        draw_axis_across(canvas, &across, layout.plot.x, layout.axis, layout.plot.width);
    }
    layout_x_label(canvas, &layout, chart->x.label, false);
    draw_reference(&pen, chart);
    draw_series(&pen, chart);
    label_reference(&pen, chart);
    draw_cursor(&pen, chart, view);
    mem_free(pen.dots);
    return true;
}
