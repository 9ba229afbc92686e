/* figure_bars -- bars on paper: rows with names and values where there are few, else columns. */
#include "chart/figure.h"

#include <math.h>

enum { ROWS_MOST = 32, BAR_WIDEST = 48 };

typedef struct Bars {
    const Figure *figure;
    Scale places, values;
    size_t first, count;
    double pitch, thick; /* of a category, of one bar */
    bool rows;
} Bars;

static double clamped(Scale scale, double value) {
    return fmin(fmax(scale_fraction(scale, value), 0), 1);
}

static Frame bar_frame(const Bars *bars, size_t category, size_t s, double value) {
    const Frame *plot = &bars->figure->plot;
    size_t series = bars->figure->chart->series_count;
    double base = bars_base(bars->values), end = clamped(bars->values, value);
    double low = fmin(base, end), high = fmax(base, end);
    double start = ((double)(category - bars->first) + 0.5) * bars->pitch - bars->thick * (double)series / 2 +
                   (double)s * bars->thick;
    if (bars->rows)
        return (Frame){plot->x + low * plot->width, plot->y + start, (high - low) * plot->width, bars->thick};
    return (Frame){plot->x + start, plot->y + (1 - high) * plot->height, bars->thick, (high - low) * plot->height};
}

/* The mark of the series at the bar's end, and in rows the value behind it. */
static void label_bar(const Bars *bars, Frame frame, size_t s, double value, int decimals) {
    const Figure *figure = bars->figure;
    bool marked = figure->chart->series_count > 1 && bars->thick >= 8, negative = value < 0 && !bars->values.log;
    double size = fmin(bars->thick / 3, 4.5), step = marked ? size + 5 : 0, sign = negative ? -1 : 1;
    Point end = {frame.x + frame.width / 2, negative ? frame.y + frame.height : frame.y};
    if (bars->rows) end = (Point){negative ? frame.x : frame.x + frame.width, frame.y + frame.height / 2};
    Point mark = bars->rows ? (Point){end.x + sign * step, end.y} : (Point){end.x, end.y - sign * step};
    if (marked) figure_mark(figure, s, mark, size);
    if (!bars->rows || bars->thick < 9) return;
    char text[TICK_TEXT];
    double font = fmin(FIGURE_NOTE, bars->thick * 0.95);
    number_text(value, decimals, text);
    figure_text(figure, end.x + sign * (marked ? 2 * step + 1 : 6), end.y + 0.36 * font, text, font,
                negative ? ANCHOR_END : ANCHOR_START, figure_ink);
}

/* The whisker of a bar and its star; returns the frame stretched to the whisker's end, for the value behind it. */
static Frame draw_aside(const Bars *bars, Frame frame, const Series *series, size_t i) {
    const Figure *figure = bars->figure;
    const Frame *plot = &figure->plot;
    const bool negative = series->y[i] < 0 && !bars->values.log;
    const double across = frame.x + frame.width / 2, down = frame.y + frame.height / 2;
    Frame out = frame;
    if (series->low && isfinite(series->low[i])) {
        const double low = clamped(bars->values, series->low[i]), high = clamped(bars->values, series->high[i]);
        const Point from = bars->rows ? (Point){plot->x + low * plot->width, down}
                                      : (Point){across, plot->y + (1 - low) * plot->height};
        const Point to = bars->rows ? (Point){plot->x + high * plot->width, down}
                                    : (Point){across, plot->y + (1 - high) * plot->height};
        figure_whisker(figure, from, to, figure_ink);
        if (bars->rows && !negative) out.width = fmax(out.width, to.x - out.x);
        if (bars->rows && negative) out = (Frame){from.x, out.y, fmax(out.x + out.width - from.x, 0), out.height};
        if (!bars->rows && !negative) out = (Frame){out.x, to.y, out.width, fmax(out.y + out.height - to.y, 0)};
        if (!bars->rows && negative) out.height = fmax(out.height, from.y - out.y);
    }
    if (!series->flag || !series->flag[i]) return out;
    const double step = 0.6 * FIGURE_TITLE;
    const Point star = bars->rows ? (Point){negative ? out.x - step : out.x + out.width + step, down + 8}
                                  : (Point){across, negative ? out.y + out.height + step + 6 : out.y - 2};
    figure_text(figure, star.x, star.y, "*", FIGURE_TITLE, ANCHOR_MIDDLE, figure_ink);
    if (bars->rows) out.width += step + 2;
    if (bars->rows && negative) out.x -= step + 2;
    return out;
}

static void draw_bars(const Bars *bars) {
    const Figure *figure = bars->figure;
    const Chart *chart = figure->chart;
    int decimals = bar_decimals(chart);
    for (size_t i = bars->first; i < bars->first + bars->count; i++) {
        for (size_t s = 0; s < chart->series_count; s++) {
            double value = chart->series[s].y[i];
            if (!isfinite(value) || isnan(scale_fraction(bars->values, value))) continue;
            Frame frame = bar_frame(bars, i, s, value);
            double inset = bars->thick > 4 ? 1 : 0; /* neighbours stay apart */
            Frame inner = frame;
            if (bars->rows) {
                inner.y += inset / 2;
                inner.height -= inset;
            } else {
                inner.x += inset / 2;
                inner.width -= inset;
            }
            figure->paint->ops->rectangle(figure->paint, inner, palette_series((int)s));
            frame = draw_aside(bars, frame, &chart->series[s], i);
            label_bar(bars, frame, s, value, decimals);
        }
    }
}

static void draw_lines(const Bars *bars) {
    const Figure *figure = bars->figure;
    const Frame *plot = &figure->plot;
    Paint *paint = figure->paint;
    double base = bars_base(bars->values), right = plot->x + plot->width, bottom = plot->y + plot->height;
    double x = plot->x + base * plot->width, y = bottom - base * plot->height;
    if (bars->rows)
        figure_line(figure, x, plot->y, x, bottom, figure_grey, 1);
    else
        figure_line(figure, plot->x, y, right, y, figure_grey, 1);
    double reference = scale_fraction(bars->values, figure->chart->encoding.reference);
    if (!(reference >= 0 && reference <= 1)) return;
    const char *label = figure->chart->reference_label;
    Pen pen = {figure_ink, 1.5, true};
    x = plot->x + reference * plot->width;
    y = bottom - reference * plot->height;
    if (bars->rows) {
        paint->ops->line(paint, (Point){x, plot->y - 4}, (Point){x, bottom}, pen);
        bool left = x + text_advance(label, FIGURE_NOTE) > figure->page.width - FIGURE_MARGIN;
        figure_text(figure, x + (left ? -4 : 4), plot->y - 4, label, FIGURE_NOTE, left ? ANCHOR_END : ANCHOR_START,
                    figure_ink);
    } else {
        paint->ops->line(paint, (Point){plot->x, y}, (Point){right, y}, pen);
        figure_text(figure, right, y - 6, label, FIGURE_TICK, ANCHOR_END, figure_ink);
    }
}

/* Room outside the longest bars for their values. */
static Scale widened(const Bars *bars, double width) {
    Scale scale = bars->values;
    char text[TICK_TEXT];
    double room = 0;
    if (scale.log || bars->thick < 9) return scale;
    for (size_t s = 0; s < bars->figure->chart->series_count; s++) {
        for (size_t i = bars->first; i < bars->first + bars->count; i++) {
            number_text(bars->figure->chart->series[s].y[i], bar_decimals(bars->figure->chart), text);
            room = fmax(room, text_advance(text, FIGURE_NOTE));
        }
    }
    double part = fmin((room + 26) / width, 0.2), span = scale.high - scale.low;
    if (scale.high > 0) scale.high += part * span;
    if (scale.low < 0) scale.low -= part * span;
    return scale_sane(scale.low, scale.high, false, 1);
}

static void layout_rows(Bars *bars, Figure *figure) {
    const Chart *chart = figure->chart;
    Frame *plot = &figure->plot;
    Ticks ticks;
    double names = fmin(names_width(&chart->x, bars->places, tick_advance), 0.35 * figure->page.width);
    if (isfinite(chart->encoding.reference)) {
        plot->y += 12;
        plot->height -= 12;
    }
    figure_margins(figure, names + 10, 12, FIGURE_BELOW + (*chart->y.label ? FIGURE_LABEL + 4 : 0));
    bars->pitch = plot->height / (double)bars->count;
    bars->thick = fmin(bars->pitch * 0.76 / (double)chart->series_count, BAR_WIDEST);
    bars->values = widened(bars, plot->width);
    figure_ticks_across(bars->values, plot->width, &ticks);
    figure_axis_across(figure, bars->values, &ticks, true);
    figure_names_left(figure, &chart->x, bars->places, names + 1);
    figure_labels(figure, chart->y.label, "");
}

static void layout_columns(Bars *bars, Figure *figure) {
    const Chart *chart = figure->chart;
    Frame *plot = &figure->plot;
    Ticks up;
    double names = fmin(names_width(&chart->x, bars->places, note_advance), 140);
    figure_ticks_up(bars->values, plot->height - 60, &up);
    double left = ticks_width(&up) + 12 + (*chart->y.label ? FIGURE_LABEL + 12 : 0);
    figure_margins(figure, left, 8, 0);
    bool level = names_fit_below(&chart->x, bars->places, plot->width);
    figure_margins(figure, 0, 0, (level ? FIGURE_BELOW : names + 16) + (*chart->x.label ? FIGURE_LABEL + 4 : 0));
    bars->pitch = plot->width / (double)bars->count;
    bars->thick = fmin(bars->pitch * 0.8 / (double)chart->series_count, BAR_WIDEST);
    figure_ticks_up(bars->values, plot->height, &up);
    figure_axis_up(figure, bars->values, &up, true);
    figure_names_below(figure, &chart->x, bars->places, !level);
    figure_labels(figure, chart->x.label, chart->y.label);
}

void figure_bars(Figure *figure) {
    const Chart *chart = figure->chart;
    Bars bars = {.figure = figure, .values = view_y(chart, figure->view)};
    const Span span = categories_in_view(&chart->x, view_x(chart, figure->view));
    bars.first = span.first;
    bars.count = span.count;
    bars.places = (Scale){.low = (double)bars.first - 0.5, .high = (double)(bars.first + bars.count) - 0.5};
    bars.rows = bars.count > 0 && bars.count * chart->series_count <= ROWS_MOST;
    if (bars.count == 0) {
        figure_labels(figure, chart->x.label, "");
        return;
    }
    if (bars.rows)
        layout_rows(&bars, figure);
    else
        layout_columns(&bars, figure);
    draw_bars(&bars);
    draw_lines(&bars);
}
