/* figure_grid -- heat maps and kernels on paper. */
#include "chart/figure.h"

#include <math.h>

/* Cells reach a little under those drawn after them, so that no viewer shows seams. */
#define SEAM 0.6

enum { CELLS_MOST = 160, CROSSES_MOST = 400, BAR_STEPS = 96, BAR_WIDTH = 18 };

/* ---- colour bar -------------------------------------------------------------------------------------------------- */

static double bar_room(const Figure *figure, Scale scale, Ticks *ticks) {
    figure_ticks_up(scale, figure->plot.height, ticks);
    return 24 + BAR_WIDTH + 9 + ticks_width(ticks) + (*figure->chart->value.label ? FIGURE_LABEL + 12 : 0);
}

/* Right of the plot, in the room that bar_room found. */
static void draw_colour_bar(const Figure *figure, Scale scale, const Ticks *ticks) {
    const Frame *plot = &figure->plot;
    double x = plot->x + plot->width + 24, step = plot->height / BAR_STEPS;
    for (int i = 0; i < BAR_STEPS; i++) {
        Rgb colour = palette_value((i + 0.5) / BAR_STEPS, figure->chart->encoding.diverging);
        double y = plot->y + plot->height - (i + 1) * step;
        figure->paint->ops->rectangle(figure->paint, (Frame){x, y, BAR_WIDTH, step + (i > 0 ? 0.5 : 0)}, colour);
    }
    figure_bar_levels(figure, scale, (Frame){x, plot->y, BAR_WIDTH, plot->height});
    for (size_t i = 0; i < ticks->count; i++) {
        double y = figure_y(figure, scale, ticks->at[i]);
        figure_line(figure, x + BAR_WIDTH, y, x + BAR_WIDTH + 5, y, figure_grey, 1);
        figure_text(figure, x + BAR_WIDTH + 9, y + 0.35 * FIGURE_TICK, ticks->label[i], FIGURE_TICK, ANCHOR_START,
                    figure_ink);
    }
    TextStyle style = {.size = FIGURE_LABEL, .colour = figure_ink, .anchor = ANCHOR_MIDDLE, .upwards = true};
    double at = x + BAR_WIDTH + 9 + ticks_width(ticks) + FIGURE_LABEL + 8;
    figure_fitted(figure, at, plot->y + plot->height / 2, figure->chart->value.label, plot->height, style);
}

/* ---- heat map ---------------------------------------------------------------------------------------------------- */

/* The cells first to last - 1 of an axis lie in view; each of at most CELLS_MOST drawn ones stands for `each` of them.
 */
typedef struct Cells {
    size_t first, last, each;
} Cells;

static Cells cells_in_view(const Axis *axis, Scale scale) {
    Cells cells = {0, axis->count, 1};
    while (cells.first < axis->count && !(grid_edge(axis, cells.first + 1, scale.log) > scale.low)) cells.first++;
    while (cells.last > cells.first && !(grid_edge(axis, cells.last - 1, scale.log) < scale.high)) cells.last--;
    cells.each = (cells.last - cells.first + CELLS_MOST - 1) / CELLS_MOST;
    if (cells.each < 1) cells.each = 1;
    return cells;
}

static void cross(const Figure *figure, Frame frame) {
    figure_line(figure, frame.x, frame.y, frame.x + frame.width, frame.y + frame.height, figure_pale, 1);
    figure_line(figure, frame.x, frame.y + frame.height, frame.x + frame.width, frame.y, figure_pale, 1);
}

static void draw_value(const Figure *figure, Scale scale, Frame frame, double value) {
    if (isnan(value)) {
        const Chart *chart = figure->chart;
        if (chart->missing + chart->infinite + chart->colourless <= CROSSES_MOST) cross(figure, frame);
        return;
    }
    Rgb colour = palette_value(scale_fraction(scale, value), figure->chart->encoding.diverging);
    figure->paint->ops->rectangle(figure->paint, frame, colour);
}

/* The mean colour of a block of a picture. */
static Rgb colour_of(const Chart *chart, size_t row, size_t rows, size_t column, size_t columns) {
    double sum[3] = {0};
    for (size_t i = row; i < row + rows; i++)
        for (size_t j = column; j < column + columns; j++)
            for (size_t c = 0; c < 3; c++) sum[c] += chart->colours[3 * (i * chart->grid_columns + j) + c];
    const double count = (double)(rows * columns);
    return (Rgb){(uint8_t)lround(sum[0] / count), (uint8_t)lround(sum[1] / count), (uint8_t)lround(sum[2] / count)};
}

/* Where an edge lies: 0 left or top. */
static double edge_fraction(const Axis *axis, Scale scale, size_t i, bool downwards) {
    double edge = grid_edge(axis, i, scale.log), fraction = scale_fraction(scale, edge);
    if (isnan(fraction)) fraction = 0; /* beyond the end of a log axis */
    fraction = fmin(fmax(fraction, -1), 2);
    return downwards ? 1 - fraction : fraction;
}

static void draw_cells(const Figure *figure, Scale x, Scale y, Scale values) {
    const Chart *chart = figure->chart;
    const Frame *plot = &figure->plot;
    Cells across = cells_in_view(&chart->x, x), down = cells_in_view(&chart->y, y);
    for (size_t i = down.first; i < down.last; i += down.each) {
        size_t rows = i + down.each < down.last ? down.each : down.last - i;
        double a = edge_fraction(&chart->y, y, i, !chart->y.category);
        double b = edge_fraction(&chart->y, y, i + rows, !chart->y.category);
        for (size_t j = across.first; j < across.last; j += across.each) {
            size_t columns = j + across.each < across.last ? across.each : across.last - j;
            double left = edge_fraction(&chart->x, x, j, false),
                   right = edge_fraction(&chart->x, x, j + columns, false);
            Frame frame = {plot->x + left * plot->width, plot->y + fmin(a, b) * plot->height,
                           (right - left) * plot->width + SEAM, fabs(b - a) * plot->height + SEAM};
            if (!chart->y.category) frame.y -= SEAM;
            if (chart->colours)
                figure->paint->ops->rectangle(figure->paint, frame, colour_of(chart, i, rows, j, columns));
            else
                draw_value(figure, values, frame, grid_mean(chart, i, rows, j, columns));
        }
    }
}

/* The numbers of the cells in view, if all fit; black or white, whichever shows. */
static void draw_numbers(const Figure *figure, Scale x, Scale y, Scale values) {
    const Chart *chart = figure->chart;
    const Frame *plot = &figure->plot;
    const Cells across = cells_in_view(&chart->x, x), down = cells_in_view(&chart->y, y);
    if (!numbers_wanted(chart, figure->view)) return;
    for (int draws = 0; draws < 2; draws++)
        for (size_t i = down.first; i < down.last; i++)
            for (size_t j = across.first; j < across.last; j++) {
                char text[TICK_TEXT];
                const CellSpan column = cell_span(&chart->x, x, j, false);
                const CellSpan row = cell_span(&chart->y, y, i, !chart->y.category);
                number_of_cell(chart, i, j, text);
                const double width = (column.to - column.from) * plot->width,
                             height = (row.to - row.from) * plot->height;
                if (!draws && !(width >= note_advance(text) + 8 && height >= FIGURE_NOTE + 4)) return;
                if (!draws || !*text) continue;
                const bool dark = palette_dark(scale_fraction(values, chart->grid[i * chart->grid_columns + j]),
                                               chart->encoding.diverging);
                figure_text(figure, plot->x + (column.from + column.to) / 2 * plot->width,
                            plot->y + (row.from + row.to) / 2 * plot->height + 0.36 * FIGURE_NOTE, text, FIGURE_NOTE,
                            ANCHOR_MIDDLE, dark ? (Rgb){255, 255, 255} : (Rgb){0, 0, 0});
            }
}

void figure_heatmap(Figure *figure) {
    const Chart *chart = figure->chart;
    Scale x = view_x(chart, figure->view), y = view_y(chart, figure->view), values = value_scale(chart);
    Frame *plot = &figure->plot;
    Ticks across, up, bar;
    double below = fmin(chart->x.category ? names_width(&chart->x, x, note_advance) : 0, 140);
    figure_ticks_up(y, plot->height - 50, &up);
    double left = chart->y.category ? fmin(names_width(&chart->y, y, tick_advance), 300) : ticks_width(&up);
    double right = chart->colours ? 24 : bar_room(figure, values, &bar), room = left;
    left += 12 + (*chart->y.label ? FIGURE_LABEL + 12 : 0);
    figure_margins(figure, left, right, 0);
    bool level = !chart->x.category || names_fit_below(&chart->x, x, plot->width);
    figure_margins(figure, 0, 0, (level ? FIGURE_BELOW : below + 16) + (*chart->x.label ? FIGURE_LABEL + 4 : 0));
    if (chart->colours || axes_equal(chart, x, y)) figure_equal(figure, x, y);
    if (!chart->colours) bar_room(figure, values, &bar);
    figure->paint->ops->clip(figure->paint, *plot);
    draw_cells(figure, x, y, values);
    draw_numbers(figure, x, y, values);
    figure->paint->ops->unclip(figure->paint);
    MarkSpot marks[CHART_MARKS_MAX];
    size_t mark_count = figure_marks_place(figure, NULL, NULL, marks);
    figure_contours(figure, marks, mark_count);
    if (chart->x.category) {
        figure_names_below(figure, &chart->x, x, !level);
    } else {
        figure_ticks_across(x, plot->width, &across);
        figure_axis_across(figure, x, &across, false);
    }
    if (chart->y.category) {
        figure_names_left(figure, &chart->y, y, room + 1);
    } else {
        figure_ticks_up(y, plot->height, &up);
        figure_axis_up(figure, y, &up, false);
    }
    if (!chart->colours) draw_colour_bar(figure, values, &bar);
    figure_labels(figure, chart->x.label, chart->y.label);
    figure_marks(figure, marks, mark_count);
}

/* ---- kernels ----------------------------------------------------------------------------------------------------- */

typedef struct Kernels {
    const Figure *figure;
    Span rows, columns; /* in view */
    double dot, gap;    /* size of a weight, between kernels */
    double pitch;       /* from one panel to the next */
    Scale values;
} Kernels;

static void draw_kernel(const Kernels *kernels, size_t panel, size_t row, size_t column, Point at) {
    const Chart *chart = kernels->figure->chart;
    double right = at.x + (double)chart->kernel_columns * kernels->dot;
    double bottom = at.y + (double)chart->kernel_rows * kernels->dot;
    bool known = false;
    for (size_t i = 0; i < chart->kernel_rows; i++) {
        for (size_t j = 0; j < chart->kernel_columns; j++) {
            const double weight =
                kernel_weight(chart, panel, row * chart->kernel_rows + i, column * chart->kernel_columns + j);
            Frame frame = {at.x + (double)j * kernels->dot, at.y + (double)i * kernels->dot,
                           kernels->dot + (j + 1 < chart->kernel_columns ? SEAM : 0),
                           kernels->dot + (i + 1 < chart->kernel_rows ? SEAM : 0)};
            if (!isfinite(weight)) continue;
            known = true;
            draw_value(kernels->figure, kernels->values, frame, weight);
        }
    }
    /* Weights near 0 are as pale as paper: an outline shows where the kernel ends. */
    const Point outline[] = {at, {right, at.y}, {right, bottom}, {at.x, bottom}, at};
    const Pen pen = {{190, 190, 190}, 0.75, false};
    if (known && kernels->dot >= 3)
        kernels->figure->paint->ops->polyline(kernels->figure->paint, outline, 5, pen, NULL);
}

static void draw_panel(const Kernels *kernels, size_t panel) {
    const Figure *figure = kernels->figure;
    const Chart *chart = figure->chart;
    const double left = figure->plot.x + (double)panel * kernels->pitch;
    double pitch_x = (double)chart->kernel_columns * kernels->dot + kernels->gap;
    double pitch_y = (double)chart->kernel_rows * kernels->dot + kernels->gap;
    size_t thin_x = (size_t)ceil(30 / pitch_x), thin_y = (size_t)ceil(FIGURE_TICK / pitch_y);
    for (size_t i = 0; i < kernels->rows.count; i++) {
        double y = figure->plot.y + (double)i * pitch_y;
        for (size_t j = 0; j < kernels->columns.count; j++) {
            Point at = {left + (double)j * pitch_x, y};
            draw_kernel(kernels, panel, kernels->rows.first + i, kernels->columns.first + j, at);
        }
        double middle = y + (pitch_y - kernels->gap) / 2 + 0.35 * FIGURE_TICK;
        if (i % thin_y == 0 && panel == 0) {
            figure_text(figure, left - 9, middle, chart->y.names[kernels->rows.first + i], FIGURE_TICK, ANCHOR_END,
                        figure_ink);
        }
    }
    double bottom = figure->plot.y + (double)kernels->rows.count * pitch_y - kernels->gap + 19;
    for (size_t j = 0; !chart->wrapped && j < kernels->columns.count; j += thin_x) {
        double x = left + (double)j * pitch_x + (pitch_x - kernels->gap) / 2;
        figure_text(figure, x, bottom, chart->x.names[kernels->columns.first + j], FIGURE_TICK, ANCHOR_MIDDLE,
                    figure_ink);
    }
    if (chart->panel_count == 0) return;
    const TextStyle style = {.size = FIGURE_LABEL, .colour = figure_ink, .anchor = ANCHOR_START};
    figure_fitted(figure, left, figure->plot.y - 9, chart->panels[panel], kernels->pitch - 2 * kernels->gap, style);
}

/* The gap between kernels is half a weight, between panels it is two; weights are square, as large as both sides allow.
 * The plot becomes what they cover. */
static void place_kernels(Kernels *kernels, Frame *plot) {
    const Chart *chart = kernels->figure->chart;
    const double panels = (double)kernel_panels(chart);
    double across =
        (double)(kernels->columns.count * chart->kernel_columns) + 0.5 * (double)(kernels->columns.count - 1);
    double down = (double)(kernels->rows.count * chart->kernel_rows) + 0.5 * (double)(kernels->rows.count - 1);
    double all = panels * across + 2 * (panels - 1);
    kernels->dot = fmin(fmin(plot->width / all, plot->height / down), 60);
    kernels->gap = kernels->dot / 2;
    kernels->pitch = (across + 2) * kernels->dot;
    plot->width = all * kernels->dot;
    plot->height = down * kernels->dot;
}

void figure_kernels(Figure *figure) {
    const Chart *chart = figure->chart;
    Kernels kernels = {.figure = figure, .values = value_scale(chart)};
    Frame *plot = &figure->plot;
    Ticks bar;
    kernels.rows = kernels_in_view(view_y(chart, figure->view), chart->y.count);
    kernels.columns = kernels_in_view(view_x(chart, figure->view), chart->x.count);
    if (kernels.rows.count == 0 || kernels.columns.count == 0) return;
    double right = bar_room(figure, kernels.values, &bar);
    double left = FIGURE_LABEL + 20 + text_advance(chart->y.names[chart->y.count - 1], FIGURE_TICK);
    figure_margins(figure, left, right, chart->wrapped ? 0 : FIGURE_BELOW + FIGURE_LABEL + 4);
    bar_room(figure, kernels.values, &bar);
    if (chart->panel_count > 0) {
        plot->y += FIGURE_LABEL + 8;
        plot->height -= FIGURE_LABEL + 8;
    }
    const double full = plot->height;
    place_kernels(&kernels, plot);
    for (size_t i = 0; i < kernel_panels(chart); i++) draw_panel(&kernels, i);
    const double covered = plot->height;
    plot->height = fmax(covered, fmin(full, 240));
    figure->spare = full - plot->height;
    bar_room(figure, kernels.values, &bar);
    draw_colour_bar(figure, kernels.values, &bar);
    plot->height = covered;
    figure_labels(figure, "", chart->y.label);
    if (*chart->x.label)
        figure_text(figure, plot->x + plot->width / 2, plot->y + covered + 19 + FIGURE_LABEL + 8, chart->x.label,
                    FIGURE_LABEL, ANCHOR_MIDDLE, figure_ink);
}
