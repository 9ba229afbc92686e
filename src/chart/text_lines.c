/* text_lines -- lines, scatter plots and histograms in cells: braille (2 x 4 dots to a cell, U+2800 + bits), or one
 * mark a cell. */
#include "chart/canvas.h"

#include <math.h>
#include <string.h>

#include "weft/base/error.h"
#include "weft/base/memory.h"

static bool inside(double x, double y) {
    return x >= 0 && x <= 1 && y >= 0 && y <= 1;
}

static void draw_path(Pen *pen, const Series *series) {
    double last_x = 0, last_y = 0;
    bool joined = false;
    for (size_t i = 0; i < series->count; i++) {
        double x, y;
        if (!series_place(series, i, pen->x, pen->y, &x, &y)) {
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

typedef struct MarkPlot {
    const Pen *pen;
    const Chart *chart;
    const ChartView *view;
    const MarkSpot *spots; /* that are drawn already */
    size_t spot_count;
} MarkPlot;

/* The cell of a point of a series, against the pen's axes. */
static bool point_cell(const void *context, size_t s, size_t i, Place *at) {
    const MarkPlot *plot = context;
    const Pen *pen = plot->pen;
    double x, y;
    if (!series_place(&plot->chart->series[s], i, pen->x, pen->y, &x, &y) || !inside(x, y)) return false;
    *at = (Place){pen_x(pen, x) / pen->across, pen_y(pen, y) / pen->down};
    return true;
}

static void put_mark(const void *context, size_t s, Place at) {
    const Pen *pen = ((const MarkPlot *)context)->pen;
    (void)s;
    canvas_put(pen->canvas, pen->plot.x + (int)at.x, pen->plot.y + (int)at.y, pen->mark, pen->mark, pen->colour);
}

/* The pen takes the colour, mark and axis of a series. */
static void take_series(Pen *pen, const Chart *chart, const ChartView *view, size_t s) {
    pen->colour = canvas_series_colour(pen->canvas, s);
    pen->mark = series_mark(pen->canvas, s);
    pen->y = view_series(chart, view, &chart->series[s]);
}

/* What lies under the lines. */
static void draw_intervals(Pen *pen, const Chart *chart, const ChartView *view) {
    const bool bars = chart->encoding.error_bars || chart->encoding.kind == CHART_SCATTER;
    for (size_t s = chart->series_count; s-- > 0;) {
        if (!chart->series[s].low || chart->encoding.kind == CHART_HISTOGRAM) continue;
        take_series(pen, chart, view, s);
        if (bars)
            draw_error_bars(pen, &chart->series[s]);
        else
            draw_band(pen, s, &chart->series[s]);
    }
}

static void draw_scatter(Pen *pen, const Chart *chart, const ChartView *view) {
    const size_t count = chart->series_count;
    for (size_t s = count; s-- > 0;) {
        const size_t many = (size_t)pen->plot.width * (size_t)pen->plot.height / 16;
        take_series(pen, chart, view, s);
        const Series *series = &chart->series[s];
        draw_points(pen, series, count == 1 && !series->low && series->count > many);
    }
}

/* All paths, then all marks, the first series on top, each against its own axis. */
static void draw_series(Pen *pen, const Chart *chart, const ChartView *view) {
    const MarkPlot plot = {pen, chart, view, NULL, 0};
    const int spacing = pen->plot.width / 6 + 1;
    MarkRule rule = {(size_t)(pen->plot.width / 4), spacing, 0, point_cell, put_mark, &plot};
    size_t count = chart->series_count;
    for (size_t s = count; s-- > 0;) {
        take_series(pen, chart, view, s);
        if (chart->encoding.kind == CHART_HISTOGRAM) {
            draw_steps(pen, chart, &chart->series[s]);
            continue;
        }
        if (count == 1) pen->mark = points_in_view(chart, 0, &rule) <= rule.most ? "." : "*";
        draw_path(pen, &chart->series[s]);
    }
    for (size_t s = count; s-- > 0 && (pen->dots || count == 1);) {
        take_series(pen, chart, view, s);
        rule.start = (int)s * spacing / (int)count;
        series_marks(chart, s, &rule);
    }
}

static void draw_data(Pen *pen, const Chart *chart, const ChartView *view) {
    draw_intervals(pen, chart, view);
    if (chart->encoding.kind == CHART_SCATTER) {
        draw_scatter(pen, chart, view);
    } else if (chart->encoding.kind == CHART_HISTOGRAM && chart->series_count == 1) {
        take_series(pen, chart, view, 0);
        fill_bins(pen, chart, &chart->series[0]);
    } else {
        draw_series(pen, chart, view);
    }
    for (size_t s = chart->series_count; s-- > 0 && chart->encoding.kind != CHART_HISTOGRAM;) {
        take_series(pen, chart, view, s);
        draw_flags(pen, &chart->series[s], chart->encoding.error_bars || chart->encoding.kind == CHART_SCATTER);
    }
    pen->y = view_y(chart, view);
}

/* The footnote names error bars also where none is longer than the mark of its point. */
static void note_hidden_bars(Pen *pen, const Chart *chart, const ChartView *view, const Layout *layout) {
    const bool bars = chart->encoding.error_bars || chart->encoding.kind == CHART_SCATTER;
    bool seen = false, hidden = false;
    for (size_t s = 0; bars && s < chart->series_count; s++) {
        take_series(pen, chart, view, s);
        error_bars_seen(pen, &chart->series[s], &seen, &hidden);
    }
    const int width = (int)pen->canvas->grid.width - layout->footnote, y = (int)pen->canvas->grid.height - 1;
    if (layout->footnote > 0 && hidden && !seen && !*chart->encoding.flag)
        canvas_text(pen->canvas, layout->footnote, y, " (within the marks)", width, PLAIN, false);
}

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

/* All of a label is too much for a marked point. */
static size_t label_hides(const void *context, Spot spot) {
    const MarkPlot *plot = context;
    const Box *box = &plot->pen->plot;
    int x = box->x + (int)floor(spot.x), y = box->y + (int)floor(spot.y);
    for (size_t i = 0; i < plot->spot_count; i++) {
        const MarkSpot *mark = &plot->spots[i];
        const bool inside = mark->x >= floor(spot.x) && mark->x < floor(spot.x) + spot.width;
        if (inside && floor(mark->y) == floor(spot.y)) return (size_t)spot.width;
    }
    return (size_t)hidden(plot->pen->canvas, x, y, (int)spot.width);
}

static void label_reference(Pen *pen, const Chart *chart, const MarkPlot *context) {
    double fraction = scale_fraction(pen->y, chart->encoding.reference);
    const int width = text_width(chart->reference_label);
    const Box *plot = &pen->plot;
    if (width == 0 || width > plot->width || !(fraction >= 0 && fraction <= 1)) return;
    const ReferenceRule rule = {.width = plot->width,
                                .height = plot->height,
                                .line = pen_y(pen, fraction) / pen->down,
                                .above = -1,
                                .below = 1,
                                .label_width = width,
                                .label_height = 1,
                                .hides = label_hides,
                                .context = context};
    Spot spot;
    size_t hidden;
    if (!reference_place(&rule, &spot, &hidden) || hidden >= (size_t)width) return;
    canvas_text(pen->canvas, plot->x + (int)floor(spot.x), plot->y + (int)spot.y, chart->reference_label, width, PLAIN,
                false);
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
    layout_equal(&layout, chart, pen.x, pen.y);
    labels_up(pen.y, layout.plot.height, pen.down, &up);
    pen.plot = layout.plot;
    canvas_plot(canvas, &pen.plot);
    if (!marks) {
        pen.dots = mem_alloc((uint64_t)layout.plot.width * (uint64_t)layout.plot.height, 1, err);
        if (!pen.dots) return false;
    }
    draw_axes(canvas, chart, &pen, &layout, &up, &right, left_room, right_room);
    draw_reference(&pen, chart);
    draw_data(&pen, chart, view);
    MarkSpot spots[CHART_MARKS_MAX];
    MarkPlot plot = {&pen, chart, view, NULL, 0};
    const size_t count = text_marks_place(chart, &pen.plot, line_mark, label_hides, &plot, spots);
    text_marks(canvas, chart, &pen.plot, spots, count, false);
    plot.spots = spots;
    plot.spot_count = count;
    label_reference(&pen, chart, &plot);
    note_hidden_bars(&pen, chart, view, &layout);
    draw_cursor(&pen, chart, view);
    mem_free(pen.dots);
    return true;
}
