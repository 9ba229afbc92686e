/* figure_lines -- line charts on paper. */
#include "chart/figure.h"

#include <math.h>
#include <stdlib.h>

enum { PIECE = 512, MARKS_MOST = 60 };

typedef struct Lines {
    const Figure *figure;
    Scale x, y, right; /* right: of the second axis */
} Lines;

/* False for gaps. Far outside the plot places are kept within what formats can say. */
static bool place(const Lines *lines, const Series *series, size_t i, Point *out) {
    double x = scale_fraction(lines->x, series->x[i]);
    Scale scale = series->right ? lines->right : lines->y;
    double y = isfinite(series->y[i]) ? scale_fraction(scale, series->y[i]) : NAN;
    if (isnan(x) || isnan(y)) return false;
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
        bool there = place(lines, series, i, &at);
        if (there) piece[count++] = at;
        if (there && count < PIECE) continue;
        if (count > 0) stroke(lines, piece, count, s);
        if (there) piece[0] = at;
        count = there ? 1 : 0;
    }
    if (count > 0) stroke(lines, piece, count, s);
}

static void draw_marks(const Lines *lines, size_t s) {
    const Figure *figure = lines->figure;
    const Series *series = &figure->chart->series[s];
    size_t visible = 0, total = figure->chart->series_count;
    Point at;
    for (size_t i = 0; i < series->count; i++) visible += place(lines, series, i, &at) && inside(&figure->plot, at);
    bool all = visible <= MARKS_MOST;
    if (!all && total == 1) return;
    double spacing = figure->plot.width / 10, next = figure->plot.x + (double)s / (double)total * spacing;
    for (size_t i = 0; i < series->count; i++) {
        if (!place(lines, series, i, &at) || !inside(&figure->plot, at)) continue;
        if (!all && at.x < next) continue;
        next = at.x + spacing;
        figure_mark(figure, s, at, 4);
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
            bool there = place(lines, &chart->series[s], i, &at);
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

/* The dotted line, labelled above or below it, right, left or in the middle, where it hides least. */
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
    Frame best = {0};
    size_t least = SIZE_MAX;
    if (!*label || width > plot->width) return;
    for (int side = 0; side < 3; side++) {
        for (int below = 0; below < 2; below++) {
            Frame frame = {plot->x + (plot->width - width) * (2 - side) / 2, below ? y + 3 : y - 20, width, 17};
            size_t hidden = crossings(lines, frame);
            if (frame.y < plot->y || frame.y + frame.height > plot->y + plot->height || hidden >= least) continue;
            least = hidden;
            best = frame;
        }
    }
    if (least < SIZE_MAX) figure_text(figure, best.x + 4, best.y + 13, label, FIGURE_TICK, ANCHOR_START, figure_ink);
}

static size_t mark_hides(const void *context, Spot spot) {
    const Lines *lines = context;
    const Frame *plot = &lines->figure->plot;
    return crossings(lines, (Frame){plot->x + spot.x, plot->y + spot.y, spot.width, spot.height});
}

void figure_lines(Figure *figure) {
    const Chart *chart = figure->chart;
    Lines lines = {figure, view_x(chart, figure->view), view_y(chart, figure->view), view_y2(chart, figure->view)};
    Frame *plot = &figure->plot;
    Ticks across, up, right;
    double below = FIGURE_BELOW + (*chart->x.label ? FIGURE_LABEL + 4 : 0);
    plot->height -= below;
    figure_ticks_up(lines.y, plot->height, &up);
    double left = ticks_width(&up) + 12 + (*chart->y.label ? FIGURE_LABEL + 12 : 0);
    double right_room = 12;
    if (chart->y2.label) {
        figure_ticks_up(lines.right, plot->height, &right);
        right_room = ticks_width(&right) + 12 + FIGURE_LABEL + 8;
    }
    plot->x += left;
    plot->width -= left + right_room;
    figure_ticks_across(lines.x, plot->width, &across);
    figure_axis_across(figure, lines.x, &across, true);
    figure_axis_up(figure, lines.y, &up, true);
    if (chart->y2.label) figure_axis_right(figure, lines.right, &right);
    figure_labels(figure, chart->x.label, chart->y.label);
    figure->paint->ops->clip(figure->paint, (Frame){plot->x, plot->y - 1, plot->width + 1, plot->height + 2});
    for (size_t s = chart->series_count; s-- > 0;) draw_path(&lines, s);
    figure->paint->ops->unclip(figure->paint);
    for (size_t s = chart->series_count; s-- > 0;) draw_marks(&lines, s);
    draw_reference(&lines);
    MarkSpot marks[CHART_MARKS_MAX];
    figure_marks(figure, marks, figure_marks_place(figure, mark_hides, &lines, marks));
}
