/* figure_parts -- texts, marks, axes and names on paper, which every kind of figure is made of. */
#include "chart/figure.h"

#include <math.h>
#include <string.h>

#include "weft/base/text.h"

const Rgb figure_ink = {34, 34, 34}, figure_grey = {96, 96, 96}, figure_pale = {228, 228, 228};

/* ---- texts ------------------------------------------------------------------------------------------------------- */

double text_advance(const char *text, double size) {
    static const uint8_t advances[95] = {
        32, 40, 46, 84, 64, 95, 78, 27, 39,  39, 50, 84, 32, 36, 32, 34, 64, 64, 64, 64, 64, 64, 64, 64,
        64, 64, 34, 34, 84, 84, 84, 53, 100, 68, 69, 70, 77, 63, 58, 77, 75, 29, 29, 66, 56, 86, 75, 79,
        60, 79, 69, 63, 61, 73, 68, 99, 69,  61, 69, 39, 34, 39, 84, 50, 50, 61, 63, 55, 63, 62, 35, 63,
        63, 28, 28, 58, 28, 97, 63, 61, 63,  63, 41, 52, 39, 63, 59, 82, 59, 59, 52, 64, 34, 64, 84,
    };
    double hundredths = 0;
    for (const unsigned char *c = (const unsigned char *)text; *c; c++) {
        if (*c >= 32 && *c < 127)
            hundredths += advances[*c - 32];
        else if ((*c & 0xc0) != 0x80)
            hundredths += *c >= 0xe3 ? 100 : 66; /* wide scripts begin at U+3000 */
    }
    return hundredths * size / 100;
}

void figure_text(const Figure *figure, double x, double y, const char *text, double size, Anchor anchor, Rgb colour) {
    figure->paint->ops->text(figure->paint, (Point){x, y}, text,
                             (TextStyle){.size = size, .anchor = anchor, .colour = colour});
}

void figure_fitted(const Figure *figure, double x, double y, const char *text, double room, TextStyle style) {
    char cut[256];
    size_t length = strnlen(text, sizeof cut - 4);
    bool whole = text[length] == '\0' && text_advance(text, style.size) <= room;
    if (whole) {
        figure->paint->ops->text(figure->paint, (Point){x, y}, text, style);
        return;
    }
    for (; length > 0; length--) {
        if (((unsigned char)text[length] & 0xc0) == 0x80) continue;
        memcpy(cut, text, length);
        memcpy(cut + length, "…", sizeof "…");
        if (text_advance(cut, style.size) <= room) break;
    }
    if (length > 0) figure->paint->ops->text(figure->paint, (Point){x, y}, cut, style);
}

void figure_line(const Figure *figure, double x0, double y0, double x1, double y1, Rgb colour, double width) {
    figure->paint->ops->line(figure->paint, (Point){x0, y0}, (Point){x1, y1}, (Pen){colour, width, false});
}

/* ---- marks ------------------------------------------------------------------------------------------------------- */

/* Regular polygons and stars, by number of corners: a circle has many. */
void figure_mark(const Figure *figure, size_t series, Point at, double size) {
    static const struct {
        int corners;
        double turn, inner; /* of a whole turn; radius of every second corner, 1 for polygons */
        bool hollow;
    } shapes[CHART_SERIES_MAX] = {
        {24, 0, 1, false},       {4, 0.125, 1, false}, {3, 0.75, 1, false}, {4, 0, 1, false},
        {10, 0.75, 0.45, false}, {3, 0.25, 1, false},  {24, 0, 1, true},    {4, 0.125, 1, true},
        {3, 0.75, 1, true},      {4, 0, 1, true},      {8, 0, 0.45, false}, {3, 0.25, 1, true},
    };
    const Rgb colour = palette_series((int)series), white = {255, 255, 255};
    int corners = shapes[series % CHART_SERIES_MAX].corners;
    bool hollow = shapes[series % CHART_SERIES_MAX].hollow;
    Point points[24];
    for (int i = 0; i < corners; i++) {
        double angle = 2 * M_PI * ((double)i / corners + shapes[series % CHART_SERIES_MAX].turn);
        double radius = size * (corners == 3 ? 1.25 : corners == 4 ? 1.15 : corners == 24 ? 0.9 : 1.6);
        if (i % 2) radius *= shapes[series % CHART_SERIES_MAX].inner;
        points[i] = (Point){at.x + radius * cos(angle), at.y + radius * sin(angle)};
    }
    Pen pen = {hollow ? colour : white, hollow ? 1.6 : 0.8, false};
    figure->paint->ops->polyline(figure->paint, points, (size_t)corners, pen, hollow ? &white : &colour);
}

/* ---- axes -------------------------------------------------------------------------------------------------------- */

void figure_margins(Figure *figure, double left, double right, double below) {
    Frame *plot = &figure->plot;
    plot->x += left;
    plot->width = fmax(plot->width - left - right, FIGURE_LEAST);
    plot->height = fmax(plot->height - below, FIGURE_LEAST);
}

void figure_equal(Figure *figure, Scale x, Scale y) {
    Frame *plot = &figure->plot;
    const double side = fmin(plot->width / scale_span(x), plot->height / scale_span(y));
    plot->width = fmax(side * scale_span(x), 1);
    figure->spare += plot->height;
    plot->height = fmax(side * scale_span(y), 1);
    figure->spare -= plot->height;
}

double figure_x(const Figure *figure, Scale scale, double value) {
    return figure->plot.x + scale_fraction(scale, value) * figure->plot.width;
}

double figure_y(const Figure *figure, Scale scale, double value) {
    return figure->plot.y + (1 - scale_fraction(scale, value)) * figure->plot.height;
}

double ticks_width(const Ticks *ticks) {
    double width = 0;
    for (size_t i = 0; i < ticks->count; i++) width = fmax(width, text_advance(ticks->label[i], FIGURE_TICK));
    return width;
}

static double half_of(const char *text) {
    return text_advance(text, FIGURE_TICK) / 2;
}

static double fraction_of(const void *context, double value) {
    return scale_fraction(*(const Scale *)context, value);
}

void figure_ticks_across(Scale scale, double width, Ticks *ticks) {
    const TickRule rule = {.most = (size_t)fmin(width / 55 + 1, 11),
                           .gap = 12,
                           .half = half_of,
                           .place = fraction_of,
                           .context = &scale,
                           .length = width};
    ticks_apart(scale, &rule, ticks);
}

void figure_ticks_up(Scale scale, double height, Ticks *ticks) {
    ticks_upright(scale, height, FIGURE_TICK + 4, (size_t)fmin(height / 40 + 1, 11), ticks);
}

void figure_axis_across(const Figure *figure, Scale scale, const Ticks *ticks, bool grid) {
    const Frame *plot = &figure->plot;
    double bottom = plot->y + plot->height;
    for (size_t i = 0; i < ticks->count; i++) {
        double x = figure_x(figure, scale, ticks->at[i]);
        if (grid) figure_line(figure, x, plot->y, x, bottom, figure_pale, 1);
        figure_line(figure, x, bottom, x, bottom + 5, figure_grey, 1);
        figure_text(figure, x, bottom + 19, ticks->label[i], FIGURE_TICK, ANCHOR_MIDDLE, figure_ink);
    }
    figure_line(figure, plot->x, bottom, plot->x + plot->width, bottom, figure_grey, 1);
}

void figure_axis_up(const Figure *figure, Scale scale, const Ticks *ticks, bool grid) {
    const Frame *plot = &figure->plot;
    for (size_t i = 0; i < ticks->count; i++) {
        double y = figure_y(figure, scale, ticks->at[i]);
        if (grid) figure_line(figure, plot->x, y, plot->x + plot->width, y, figure_pale, 1);
        figure_line(figure, plot->x - 5, y, plot->x, y, figure_grey, 1);
        figure_text(figure, plot->x - 9, y + 0.35 * FIGURE_TICK, ticks->label[i], FIGURE_TICK, ANCHOR_END, figure_ink);
    }
    figure_line(figure, plot->x, plot->y, plot->x, plot->y + plot->height, figure_grey, 1);
}

void figure_axis_right(const Figure *figure, Scale scale, const Ticks *ticks) {
    const Frame *plot = &figure->plot;
    double right = plot->x + plot->width;
    for (size_t i = 0; i < ticks->count; i++) {
        double y = figure_y(figure, scale, ticks->at[i]);
        figure_line(figure, right, y, right + 5, y, figure_grey, 1);
        figure_text(figure, right + 9, y + 0.35 * FIGURE_TICK, ticks->label[i], FIGURE_TICK, ANCHOR_START, figure_ink);
    }
    figure_line(figure, right, plot->y, right, plot->y + plot->height, figure_grey, 1);
}

/* The x label below everything, the y label up the left edge, the second one's up the right edge;
 * all centred on the plot. */
void figure_labels(const Figure *figure, const char *x, const char *y) {
    const Frame *plot = &figure->plot;
    Str note = {0};
    chart_footnote(figure->chart, figure->view, &note);
    double bottom = figure->page.height - FIGURE_MARGIN + 4 - (note.length > 0 ? FIGURE_NOTE + 8 : 0);
    str_done(&note);
    bottom -= figure->spare;
    TextStyle style = {.size = FIGURE_LABEL, .colour = figure_ink, .anchor = ANCHOR_MIDDLE};
    if (*x) figure_fitted(figure, plot->x + plot->width / 2, bottom, x, plot->width, style);
    style.upwards = true;
    if (*y) figure_fitted(figure, FIGURE_MARGIN + 8, plot->y + plot->height / 2, y, plot->height, style);
    const char *y2 = figure->chart->y2.label;
    if (y2)
        figure_fitted(figure, figure->page.width - FIGURE_MARGIN, plot->y + plot->height / 2, y2, plot->height, style);
}

/* ---- names ------------------------------------------------------------------------------------------------------- */

double tick_advance(const char *text) {
    return text_advance(text, FIGURE_TICK);
}

double note_advance(const char *text) {
    return text_advance(text, FIGURE_NOTE);
}

double names_width(const Axis *axis, Scale scale, TextAdvance *advance) {
    return names_widest(axis, categories_in_view(axis, scale), advance);
}

bool names_fit_below(const Axis *axis, Scale scale, double width) {
    return names_width(axis, scale, tick_advance) + 10 <= width / (scale.high - scale.low);
}

/* Every how many names there is room for one of `size`. */
static size_t thinning(Scale scale, double length, double size) {
    double step = ceil(size * (scale.high - scale.low) / length);
    return step < 1 ? 1 : (size_t)step;
}

void figure_names_left(const Figure *figure, const Axis *axis, Scale scale, double room) {
    const Frame *plot = &figure->plot;
    const Span span = categories_in_view(axis, scale);
    size_t step = thinning(scale, plot->height, FIGURE_TICK + 1);
    TextStyle style = {.size = FIGURE_TICK, .colour = figure_ink, .anchor = ANCHOR_END};
    for (size_t i = span.first; i < span.first + span.count; i += step) {
        double y = plot->y + scale_fraction(scale, (double)i) * plot->height;
        figure_fitted(figure, plot->x - 9, y + 0.35 * FIGURE_TICK, axis->names[i], room, style);
    }
}

void figure_names_below(const Figure *figure, const Axis *axis, Scale scale, bool upwards) {
    const Frame *plot = &figure->plot;
    double bottom = plot->y + plot->height, size = upwards ? FIGURE_NOTE : FIGURE_TICK;
    const Span span = categories_in_view(axis, scale);
    size_t step = upwards ? thinning(scale, plot->width, size + 1) : 1;
    TextStyle style = {.size = size, .colour = figure_ink, .anchor = upwards ? ANCHOR_END : ANCHOR_MIDDLE};
    style.upwards = upwards;
    for (size_t i = span.first; i < span.first + span.count; i += step) {
        double x = figure_x(figure, scale, (double)i);
        figure_line(figure, x, bottom, x, bottom + 4, figure_grey, 1);
        if (upwards)
            figure_fitted(figure, x + 0.35 * size, bottom + 8, axis->names[i], 140, style);
        else
            figure_fitted(figure, x, bottom + 19, axis->names[i], plot->width, style);
    }
}
