/* figure_lines -- lines, scatter plots and histograms on paper. */
#include "chart/figure.h"

#include <math.h>

enum { PIECE = 512, MARKS_MOST = 60 };

typedef struct Lines {
    const Figure *figure;
    Scale x, y, right; /* right: of the second axis */
} Lines;

/* False for gaps. Far outside the plot places are kept within what formats can say. */
static bool point_on_paper(const Lines *lines, const Series *series, size_t i, Point *out) {
    double x, y;
    if (!series_place(series, i, lines->x, series->right ? lines->right : lines->y, &x, &y)) return false;
    const Frame *plot = &lines->figure->plot;
    *out = (Point){plot->x + fmin(fmax(x, -900), 900) * plot->width,
                   plot->y + (1 - fmin(fmax(y, -900), 900)) * plot->height};
    return true;
}

static bool inside(const Frame *plot, Point at) {
    return at.x >= plot->x - 0.5 && at.x <= plot->x + plot->width + 0.5 && at.y >= plot->y - 0.5 &&
           at.y <= plot->y + plot->height + 0.5;
}

static void stroke(const Lines *lines, const Point *points, size_t count, size_t s) {
    Pen pen = {palette_series((int)s), 2, false};
    Paint *paint = lines->figure->paint;
    if (count > 1) paint->ops->polyline(paint, points, count, pen, NULL);
    if (count == 1) figure_mark(lines->figure, s, points[0], 4.5); /* a point alone would not be seen */
}

/* The series as polylines, broken at gaps; long ones in pieces that share their ends. */
static void draw_path(const Lines *lines, size_t s) {
    const Series *series = &lines->figure->chart->series[s];
    Point piece[PIECE];
    size_t count = 0;
    for (size_t i = 0; i < series->count; i++) {
        Point at;
        bool there = point_on_paper(lines, series, i, &at);
        if (there) piece[count++] = at;
        if (there && count < PIECE) continue;
        if (count > 0) stroke(lines, piece, count, s);
        if (there) piece[0] = at;
        count = there ? 1 : 0;
    }
    if (count > 0) stroke(lines, piece, count, s);
}

static bool point_in_view(const void *context, size_t s, size_t i, Place *out) {
    const Lines *lines = context;
    Point at;
    if (!point_on_paper(lines, &lines->figure->chart->series[s], i, &at) || !inside(&lines->figure->plot, at))
        return false;
    *out = (Place){at.x, at.y};
    return true;
}

static void put_mark(const void *context, size_t s, Place at) {
    figure_mark(((const Lines *)context)->figure, s, (Point){at.x, at.y}, 4);
}

static void draw_marks(const Lines *lines, size_t s) {
    const Frame *plot = &lines->figure->plot;
    const Chart *chart = lines->figure->chart;
    const double spacing = plot->width / 10, start = plot->x + (double)s / (double)chart->series_count * spacing;
    const MarkRule rule = {MARKS_MOST, spacing, start, point_in_view, put_mark, lines};
    series_marks(chart, s, &rule);
}

/* Every point; smaller ones where they are many. */
static void draw_points(const Lines *lines, size_t s) {
    const Series *series = &lines->figure->chart->series[s];
    const double size = series->count > 2000 ? 2 : series->count > 200 ? 3 : 4;
    for (size_t i = 0; i < series->count; i++) {
        Place at;
        if (point_in_view(lines, s, i, &at)) figure_mark(lines->figure, s, (Point){at.x, at.y}, size);
    }
}

/* What is cut to the plot: areas and error bars first, then lines, the first series on top. */
static void draw_series(const Lines *lines) {
    const Figure *figure = lines->figure;
    const Chart *chart = figure->chart;
    const bool histogram = chart->encoding.kind == CHART_HISTOGRAM, scatter = chart->encoding.kind == CHART_SCATTER;
    for (size_t s = chart->series_count; s-- > 0;) {
        const Series *series = &chart->series[s];
        const Scale y = series->right ? lines->right : lines->y;
        if (histogram) figure_bins(figure, s, lines->x, y);
        if (!series->low) continue;
        if (scatter || chart->encoding.error_bars)
            figure_error_bars(figure, s, lines->x, y);
        else
            figure_band(figure, s, false, lines->x, y);
    }
    for (size_t s = 0; s < chart->series_count && !scatter && !chart->encoding.error_bars; s++)
        if (chart->series[s].low)
            figure_band(figure, s, true, lines->x, chart->series[s].right ? lines->right : lines->y);
    for (size_t s = chart->series_count; s-- > 0;) {
        if (histogram && chart->series_count > 1) figure_steps(figure, s, lines->x, lines->y);
        if (!histogram && !scatter) draw_path(lines, s);
    }
}

/* ---- reference --------------------------------------------------------------------------------------------------- */

/* How many pieces of lines pass through a frame (by their bounds). */
static size_t crossings(const Lines *lines, Frame frame) {
    const Chart *chart = lines->figure->chart;
    size_t count = 0;
    for (size_t s = 0; s < chart->series_count; s++) {
        Point last = {0, 0}, at;
        bool joined = false;
        for (size_t i = 0; i < chart->series[s].count; i++) {
            bool there = point_on_paper(lines, &chart->series[s], i, &at);
            if (there && joined && fmax(last.x, at.x) >= frame.x && fmin(last.x, at.x) <= frame.x + frame.width &&
                fmax(last.y, at.y) >= frame.y && fmin(last.y, at.y) <= frame.y + frame.height) {
                count++;
            }
            joined = there;
            last = at;
        }
    }
    return count;
}

static size_t label_hides(const void *context, Spot spot) {
    const Lines *lines = context;
    const Frame *plot = &lines->figure->plot;
    return crossings(lines, (Frame){plot->x + spot.x, plot->y + spot.y, spot.width, spot.height});
}

/* The dotted line and its label. */
static void draw_reference(const Lines *lines) {
    const Figure *figure = lines->figure;
    const Frame *plot = &figure->plot;
    double fraction = scale_fraction(lines->y, figure->chart->encoding.reference);
    if (!(fraction >= 0 && fraction <= 1)) return;
    double y = plot->y + (1 - fraction) * plot->height;
    Pen pen = {figure_ink, 1.5, true};
    figure->paint->ops->line(figure->paint, (Point){plot->x, y}, (Point){plot->x + plot->width, y}, pen);
    const char *label = figure->chart->reference_label;
    double width = text_advance(label, FIGURE_TICK) + 8;
    if (!*label || width > plot->width) return;
    const ReferenceRule rule = {.width = plot->width,
                                .height = plot->height,
                                .line = (1 - fraction) * plot->height,
                                .above = -20,
                                .below = 3,
                                .label_width = width,
                                .label_height = 17,
                                .hides = label_hides,
                                .context = lines};
    Spot spot;
    size_t hidden;
    if (!reference_place(&rule, &spot, &hidden)) return;
    figure_text(figure, plot->x + spot.x + 4, plot->y + spot.y + 13, label, FIGURE_TICK, ANCHOR_START, figure_ink);
}

void figure_lines(Figure *figure) {
    const Chart *chart = figure->chart;
    Lines lines = {figure, view_x(chart, figure->view), view_y(chart, figure->view), view_y2(chart, figure->view)};
    Frame *plot = &figure->plot;
    Ticks across, up, right;
    double below = FIGURE_BELOW + (*chart->x.label ? FIGURE_LABEL + 4 : 0);
    figure_margins(figure, 0, 0, below);
    figure_ticks_up(lines.y, plot->height, &up);
    double left = ticks_width(&up) + 12 + (*chart->y.label ? FIGURE_LABEL + 12 : 0);
    double right_room = 12;
    if (chart->y2.label) {
        figure_ticks_up(lines.right, plot->height, &right);
        right_room = ticks_width(&right) + 12 + FIGURE_LABEL + 8;
    }
    figure_margins(figure, left, right_room, 0);
    if (axes_equal(chart, lines.x, lines.y)) figure_equal(figure, lines.x, lines.y);
    figure_ticks_across(lines.x, plot->width, &across);
    figure_ticks_up(lines.y, plot->height, &up);
    figure_axis_across(figure, lines.x, &across, true);
    figure_axis_up(figure, lines.y, &up, true);
    if (chart->y2.label) figure_axis_right(figure, lines.right, &right);
    figure_labels(figure, chart->x.label, chart->y.label);
    figure->paint->ops->clip(figure->paint, (Frame){plot->x, plot->y - 1, plot->width + 1, plot->height + 2});
    draw_series(&lines);
    figure->paint->ops->unclip(figure->paint);
    for (size_t s = chart->series_count; s-- > 0;) {
        if (chart->encoding.kind == CHART_SCATTER)
            draw_points(&lines, s);
        else if (chart->encoding.kind != CHART_HISTOGRAM || chart->series_count > 1)
            draw_marks(&lines, s);
        figure_flags(figure, s, lines.x, chart->series[s].right ? lines.right : lines.y);
    }
    draw_reference(&lines);
    MarkSpot marks[CHART_MARKS_MAX];
    figure_marks(figure, marks, figure_marks_place(figure, label_hides, &lines, marks));
}
