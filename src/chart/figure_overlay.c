/* figure_overlay -- overlays of a plot on paper: contour lines with their labels, and marked points with theirs. */
#include "chart/figure.h"

#include <math.h>

static const Rgb white = {255, 255, 255}, black = {0, 0, 0};

/* ---- marks ------------------------------------------------------------------------------------------------------- */

#define MARK_PAD 4.0

size_t figure_marks_place(const Figure *figure, SpotHides *hides, const void *context, MarkSpot out[CHART_MARKS_MAX]) {
    const Chart *chart = figure->chart;
    SpotSizes sizes = {figure->plot.width, figure->plot.height, FIGURE_NOTE + 5, 10, 9};
    size_t count = 0;
    for (unsigned m = 0; m < chart->encoding.mark_count; m++) {
        double x, y, width = text_advance(chart->mark_label[m], FIGURE_NOTE);
        if (!mark_place(chart, figure->view, m, &x, &y)) continue;
        if (width > 0) width += 2 * MARK_PAD;
        out[count++] = (MarkSpot){x * sizes.width, y * sizes.height, {0, 0, width, 0}, m};
    }
    spots_marks(out, count, sizes, hides, context);
    return count;
}

/* White diamonds with a black rim and black labels on white show on every colour, and on paper alone. */
void figure_marks(const Figure *figure, const MarkSpot *marks, size_t count) {
    const Frame *plot = &figure->plot;
    Paint *paint = figure->paint;
    for (size_t i = 0; i < count; i++) {
        const Spot *label = &marks[i].label;
        if (label->width <= 0) continue;
        Frame frame = {plot->x + label->x, plot->y + label->y, label->width, label->height};
        paint->ops->rectangle(paint, frame, white);
        figure_text(figure, frame.x + MARK_PAD, frame.y + 0.5 * frame.height + 0.36 * FIGURE_NOTE,
                    figure->chart->mark_label[marks[i].mark], FIGURE_NOTE, ANCHOR_START, figure_ink);
    }
    for (size_t i = 0; i < count; i++) {
        double x = plot->x + marks[i].x, y = plot->y + marks[i].y, size = 7;
        const Point corners[] = {{x, y - size}, {x + size, y}, {x, y + size}, {x - size, y}};
        paint->ops->polyline(paint, corners, 4, (Pen){black, 1.8, false}, &white);
    }
}

/* ---- contours ---------------------------------------------------------------------------------------------------- */

enum { PIECE = 512 };
#define LABEL_PAD 2.0

typedef struct Line {
    const Figure *figure;
    const LevelSpot *labels;
    size_t label_count;
    Pen pen;
    Point piece[PIECE];
    size_t count;
} Line;

static void flush(Line *line) {
    Paint *paint = line->figure->paint;
    if (line->count > 1) paint->ops->polyline(paint, line->piece, line->count, line->pen, NULL);
    line->count = 0;
}

/* The part of a segment that lies inside a label (Liang and Barsky, 1984). */
static bool inside_part(Spot spot, Point a, Point b, double *from, double *to) {
    double dx = b.x - a.x, dy = b.y - a.y;
    const double p[4] = {-dx, dx, -dy, dy};
    const double q[4] = {a.x - spot.x, spot.x + spot.width - a.x, a.y - spot.y, spot.y + spot.height - a.y};
    *from = 0;
    *to = 1;
    for (int i = 0; i < 4; i++) {
        if (p[i] == 0) {
            if (q[i] < 0) return false;
        } else if (p[i] < 0) {
            *from = fmax(*from, q[i] / p[i]);
        } else {
            *to = fmin(*to, q[i] / p[i]);
        }
    }
    return *from < *to;
}

static void add_segment(Line *line, Point a, Point b) {
    if (line->count == PIECE) flush(line);
    if (line->count == 0) line->piece[line->count++] = a;
    line->piece[line->count++] = b;
}

/* A segment in the plot's units, without what labels from number `first` on cover. */
static void segment(Line *line, Point a, Point b, size_t first) {
    const Frame *plot = &line->figure->plot;
    for (size_t i = first; i < line->label_count; i++) {
        double from, to;
        if (!inside_part(line->labels[i].spot, a, b, &from, &to)) continue;
        Point enter = {a.x + from * (b.x - a.x), a.y + from * (b.y - a.y)};
        Point leave = {a.x + to * (b.x - a.x), a.y + to * (b.y - a.y)};
        if (from > 0) segment(line, a, enter, i + 1);
        flush(line);
        if (to < 1) segment(line, leave, b, i + 1);
        return;
    }
    add_segment(line, (Point){plot->x + a.x, plot->y + a.y}, (Point){plot->x + b.x, plot->y + b.y});
}

static Rgb level_colour(const Chart *chart, double level) {
    return palette_dark(scale_fraction(value_scale(chart), level), chart->encoding.diverging) ? white : black;
}

static void draw_lines(const Figure *figure, const LevelSpot *labels, size_t label_count) {
    const Contours *contours = figure->contours;
    Scale x = view_x(figure->chart, figure->view), y = view_y(figure->chart, figure->view);
    Line line = {.figure = figure, .labels = labels, .label_count = label_count};
    for (size_t p = 0; p < contours->path_count; p++) {
        const ContourPath *path = &contours->paths[p];
        Point last = {0, 0};
        line.pen = (Pen){level_colour(figure->chart, contours->level[path->level]), 1.3, false};
        for (size_t i = path->first; i < path->first + path->count; i++) {
            Point at = {scale_fraction(x, contours->places[i].x) * figure->plot.width,
                        (1 - scale_fraction(y, contours->places[i].y)) * figure->plot.height};
            if (i > path->first) segment(&line, last, at, 0);
            last = at;
        }
        flush(&line);
    }
}

void figure_contours(const Figure *figure, const MarkSpot *marks, size_t mark_count) {
    const Contours *contours = figure->contours;
    const Frame *plot = &figure->plot;
    LevelSpot labels[LEVEL_SPOTS_MAX];
    double widths[CHART_CONTOURS_MAX];
    SpotSizes sizes = {plot->width, plot->height, FIGURE_NOTE + 2, 10, 9};
    if (!contours || contours->level_count == 0) return;
    for (unsigned l = 0; l < contours->level_count; l++)
        widths[l] = text_advance(contours->label[l], FIGURE_NOTE) + 2 * LABEL_PAD;
    size_t count = spots_levels(contours, view_x(figure->chart, figure->view), view_y(figure->chart, figure->view),
                                sizes, widths, marks, mark_count, labels);
    figure->paint->ops->clip(figure->paint, *plot);
    draw_lines(figure, labels, count);
    for (size_t i = 0; i < count; i++) {
        const Spot *spot = &labels[i].spot;
        figure_text(figure, plot->x + spot->x + spot->width / 2,
                    plot->y + spot->y + spot->height / 2 + 0.36 * FIGURE_NOTE, contours->label[labels[i].level],
                    FIGURE_NOTE, ANCHOR_MIDDLE, level_colour(figure->chart, contours->level[labels[i].level]));
    }
    figure->paint->ops->unclip(figure->paint);
}

void figure_bar_levels(const Figure *figure, Scale scale, Frame bar) {
    const Contours *contours = figure->contours;
    for (unsigned l = 0; contours && l < contours->level_count; l++) {
        double y = bar.y + (1 - scale_fraction(scale, contours->level[l])) * bar.height;
        figure_line(figure, bar.x, y, bar.x + bar.width, y, level_colour(figure->chart, contours->level[l]), 1.3);
    }
}
