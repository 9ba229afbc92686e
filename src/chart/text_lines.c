/* text_lines -- line charts in cells: braille (2 x 4 dots to a cell, U+2800 + bits), or one mark a cell. */
#include "chart/canvas.h"

#include <math.h>
#include <string.h>

#include "weft/base/error.h"
#include "weft/base/memory.h"

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
        if (joined) pen_segment(pen, last_x, last_y, x, y);
        if (!joined && inside(x, y)) pen_dot(pen, pen_x(pen, x), pen_y(pen, y));
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
        int column = pen_x(pen, x) / pen->across, row = pen_y(pen, y) / pen->down;
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

/* All paths, then all marks, the first series on top, each against its own axis. */
static void draw_series(Pen *pen, const Chart *chart, const ChartView *view) {
    size_t count = chart->series_count, limit = (size_t)(pen->plot.width / 4);
    for (size_t s = count; s-- > 0;) {
        pen->colour = canvas_series_colour(pen->canvas, s);
        pen->mark = series_mark(pen->canvas, s);
        pen->y = view_series(chart, view, &chart->series[s]);
        if (count == 1) pen->mark = points_in_view(pen, &chart->series[0]) <= limit ? "." : "*";
        draw_path(pen, &chart->series[s]);
    }
    for (size_t s = count; s-- > 0 && (pen->dots || count == 1);) {
        int spacing = pen->plot.width / 6 + 1;
        pen->y = view_series(chart, view, &chart->series[s]);
        bool few = points_in_view(pen, &chart->series[s]) <= limit;
        pen->colour = canvas_series_colour(pen->canvas, s);
        pen->mark = series_mark(pen->canvas, s);
        if (few)
            draw_marks(pen, &chart->series[s], 0, 0);
        else if (count > 1)
            draw_marks(pen, &chart->series[s], spacing, (int)s * spacing / (int)count);
    }
    pen->y = view_y(chart, view);
}

typedef struct MarkPlot {
    const Pen *pen;
    const Chart *chart;
    const ChartView *view;
} MarkPlot;

/* The cell of a mark is the one that a line would have there. */
static bool line_mark(const void *context, unsigned mark, int *column, int *row) {
    const MarkPlot *plot = context;
    double x, y;
    if (!mark_place(plot->chart, plot->view, mark, &x, &y)) return false;
    *column = pen_x(plot->pen, x) / plot->pen->across;
    *row = pen_y(plot->pen, 1 - y) / plot->pen->down;
    return true;
}

/* ---- reference and cursor ---------------------------------------------------------------------------------------- */

static void draw_reference(Pen *pen, const Chart *chart) {
    double fraction = scale_fraction(pen->y, chart->encoding.reference);
    if (!(fraction >= 0 && fraction <= 1)) return;
    int row = pen->plot.y + pen_y(pen, fraction) / pen->down;
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
    int row = plot->y + pen_y(pen, fraction) / pen->down;
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
    int column = pen->plot.x + pen_x(pen, x) / pen->across;
    for (int row = 0; row < pen->plot.height; row++) {
        const ChartCell *cell = canvas_cell(pen->canvas, column, pen->plot.y + row);
        if (cell && strcmp(cell->glyph, " ") == 0) canvas_put(pen->canvas, column, pen->plot.y + row, "┊", ":", PLAIN);
    }
    if (view->series < 0 || view->series >= (int)chart->series_count) return;
    double y = scale_fraction(view_series(chart, view, &chart->series[view->series]), view->cursor_y);
    if (!(y >= 0 && y <= 1)) return;
    int row = pen->plot.y + pen_y(pen, y) / pen->down;
    canvas_put(pen->canvas, column, row, "◉", "@", canvas_series_colour(pen->canvas, (size_t)view->series));
    ChartCell *cell = canvas_cell(pen->canvas, column, row);
    if (cell) cell->bold = true;
}

/* ---- chart ------------------------------------------------------------------------------------------------------- */

static size_t mark_hides(const void *context, Spot spot) {
    const MarkPlot *plot = context;
    const Box *box = &plot->pen->plot;
    int x = box->x + (int)floor(spot.x), y = box->y + (int)floor(spot.y);
    return (size_t)hidden(plot->pen->canvas, x, y, (int)spot.width);
}

/* Room for the axes: the left one, and the right one where there is one; 0: they are left out. */
static void make_room(const Chart *chart, Layout *layout, const Labels *up, const Labels *right, int *left_room,
                      int *right_room) {
    *left_room = labels_width(up) + 2;
    *right_room = chart->y2.label ? labels_width(right) + 2 : 0;
    if (layout->plot.width - *left_room - *right_room < 10 || layout->axis < 0) *left_room = *right_room = 0;
    layout->plot.x += *left_room;
    layout->plot.width -= *left_room + *right_room;
}

static void draw_axes(Canvas *canvas, const Chart *chart, const Pen *pen, const Layout *layout, const Labels *up,
                      const Labels *right, int left_room, int right_room) {
    const Box *plot = &layout->plot;
    Labels across;
    if (left_room > 0) draw_axis_up(canvas, up, left_room - 1, plot->y, plot->height, left_room - 2);
    if (right_room > 0) draw_axis_right(canvas, right, plot->x + plot->width, plot->y, plot->height);
    if (layout->axis >= 0) {
        labels_across(pen->x, plot->width, pen->across, &across);
        if (left_room > 0) canvas_put(canvas, left_room - 1, layout->axis, "└", "+", PLAIN);
        if (right_room > 0) canvas_put(canvas, plot->x + plot->width, layout->axis, "┘", "+", PLAIN);
        draw_axis_across(canvas, &across, plot->x, layout->axis, plot->width);
    }
    layout_x_label(canvas, layout, chart->x.label, false);
}

bool text_lines(Canvas *canvas, const Chart *chart, const ChartView *view, Error *err) {
    bool marks = canvas->ascii || (canvas->colours == COLOURS_NONE && chart->series_count > 1);
    Pen pen = {.canvas = canvas, .across = marks ? 1 : 2, .down = marks ? 1 : 4};
    pen.x = view_x(chart, view);
    pen.y = view_y(chart, view);
    Layout layout =
        layout_begin(canvas, chart, view, chart->y.label, chart->x.label, LEAST_PLOT, PARTS_AXIS | PARTS_MARKS);
    Labels up, right;
    int left_room, right_room;
    labels_up(pen.y, layout.plot.height, pen.down, &up);
    if (chart->y2.label) labels_up(view_y2(chart, view), layout.plot.height, pen.down, &right);
    make_room(chart, &layout, &up, &right, &left_room, &right_room);
    pen.plot = layout.plot;
    if (!marks) {
        pen.dots = mem_alloc((uint64_t)layout.plot.width * (uint64_t)layout.plot.height, 1, err);
        if (!pen.dots) return false;
    }
    draw_axes(canvas, chart, &pen, &layout, &up, &right, left_room, right_room);
    draw_reference(&pen, chart);
    draw_series(&pen, chart, view);
    label_reference(&pen, chart);
    MarkSpot spots[CHART_MARKS_MAX];
    size_t count = text_marks_place(chart, &pen.plot, line_mark, mark_hides, &(MarkPlot){&pen, chart, view}, spots);
    text_marks(canvas, chart, &pen.plot, spots, count, false);
    draw_cursor(&pen, chart, view);
    mem_free(pen.dots);
    return true;
}
