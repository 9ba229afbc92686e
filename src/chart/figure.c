/* figure -- a chart on paper: title, legend and notes, and the kind that draws the rest. */
#include "chart/figure.h"

#include <limits.h>
#include <string.h>

#include "weft/base/text.h"

/* ---- legend ------------------------------------------------------------------------------------------------------ */

enum { SWATCH = 26, ITEM_GAP = 26, LEGEND_ROW = 22 };

/* One item; lines show a piece of line, bars a square, both the series' mark. */
static void legend_item(const Figure *figure, size_t s, double x, double y, double room) {
    const Rgb colour = palette_series((int)s);
    double middle = y - 0.35 * FIGURE_TICK;
    if (figure->chart->encoding.kind == CHART_LINES || figure->chart->encoding.kind == CHART_HISTOGRAM)
        figure_line(figure, x, middle, x + SWATCH - 6, middle, colour, 2);
    else if (figure->chart->encoding.kind != CHART_SCATTER)
        figure->paint->ops->rectangle(figure->paint, (Frame){x, middle - 7, SWATCH - 6, 14}, colour);
    figure_mark(figure, s, (Point){x + (SWATCH - 6) / 2.0, middle}, 4.5);
    figure_fitted(figure, x + SWATCH, y, figure->chart->series[s].name, room - SWATCH,
                  (TextStyle){.size = FIGURE_TICK, .colour = figure_ink});
}

/* The legend from the left edge on, row by row; returns the height it takes. */
static double draw_legend(const Figure *figure, double top) {
    const LegendRule rule = {.start = FIGURE_MARGIN,
                             .left = FIGURE_MARGIN,
                             .right = figure->page.width - FIGURE_MARGIN,
                             .swatch = SWATCH,
                             .gap = ITEM_GAP,
                             .most = UINT_MAX,
                             .advance = tick_advance};
    if (figure->chart->series_count < 2) return 0;
    const Legend legend = legend_place(figure->chart, &rule);
    for (size_t s = 0; s < legend.shown; s++)
        legend_item(figure, s, legend.x[s], top + FIGURE_TICK + legend.row[s] * LEGEND_ROW, rule.right - legend.x[s]);
    return FIGURE_TICK + (legend.rows - 1) * LEGEND_ROW + 14;
}

/* ---- title ------------------------------------------------------------------------------------------------------- */

/* In one line or, where it is too long, in two; returns the height it takes. */
static double draw_title(const Figure *figure, double top) {
    const double room = (figure->page.width - 2 * FIGURE_MARGIN) / 1.1; /* bold type is wider than text_advance says */
    const TextStyle style = {.size = FIGURE_TITLE, .colour = figure_ink, .bold = true};
    const char *rest = figure->chart->title;
    double y = top + 0.8 * FIGURE_TITLE;
    char line[256];
    size_t split = 0;
    for (size_t i = 1; rest[i] && i < sizeof line && text_advance(rest, FIGURE_TITLE) > room; i++) {
        if (rest[i] != ' ') continue;
        memcpy(line, rest, i);
        line[i] = '\0';
        if (text_advance(line, FIGURE_TITLE) > room) break;
        split = i;
    }
    if (split > 0) {
        memcpy(line, rest, split);
        line[split] = '\0';
        figure_fitted(figure, FIGURE_MARGIN, y, line, room, style);
        rest += split + 1;
        y += FIGURE_TITLE + 6;
    }
    figure_fitted(figure, FIGURE_MARGIN, y, rest, room, style);
    return y + 0.2 * FIGURE_TITLE + 16 - top;
}

/* ---- figure ------------------------------------------------------------------------------------------------------ */

void figure_draw(const void *context, Paint *paint) {
    Figure figure = *(const Figure *)context;
    double top = FIGURE_MARGIN, bottom = figure.page.height - FIGURE_MARGIN;
    Str note = {0};
    figure.paint = paint;
    if (*figure.chart->title) top += draw_title(&figure, top);
    top += draw_legend(&figure, top);
    chart_footnote(figure.chart, figure.view, &note);
    if (note.length > 0) {
        figure_fitted(&figure, FIGURE_MARGIN, figure.page.height - FIGURE_MARGIN + 6, str_text(&note),
                      figure.page.width - 2 * FIGURE_MARGIN, (TextStyle){.size = FIGURE_NOTE, .colour = figure_grey});
        bottom -= FIGURE_NOTE + 8;
    }
    str_done(&note);
    figure.plot = (Frame){FIGURE_MARGIN, top, figure.page.width - 2 * FIGURE_MARGIN, bottom - top};
    switch (figure.chart->encoding.kind) {
    case CHART_BARS:
        figure_bars(&figure);
        break;
    case CHART_LINES:
    case CHART_HISTOGRAM:
    case CHART_SCATTER:
        figure_lines(&figure);
        break;
    case CHART_HEATMAP:
        figure_heatmap(&figure);
        break;
    case CHART_KERNELS:
        figure_kernels(&figure);
        break;
    case CHART_PICTURES:
        figure_pictures(&figure);
        break;
    }
    if (figure.left_over) *figure.left_over = figure.spare;
}
