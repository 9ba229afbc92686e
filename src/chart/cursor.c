/* cursor -- the cursor's steps from data point to data point, the view following it. */
#include "chart/layout.h"
#include "chart/model.h"

#include <math.h>

/* Moves the viewed range, no wider than it was, so that `at` lies inside. */
static void follow(Scale scale, double at, double margin, double *low, double *high) {
    double fraction = scale_fraction(scale, at), shift = 0;
    if (isnan(fraction)) return;
    if (fraction < margin) shift = fraction - margin;
    if (fraction > 1 - margin) shift = fraction - (1 - margin);
    if (shift == 0 || (fraction >= 0 && fraction <= 1)) return;
    *low = scale_value(scale, shift);
    *high = scale_value(scale, 1 + shift);
}

static size_t stepped(size_t index, int step, size_t count) {
    int64_t to = (int64_t)index + step;
    return to < 0 ? 0 : to >= (int64_t)count ? count - 1 : (size_t)to;
}

/* ---- bars: up and down step like left and right, because rows of bars run downwards --------------------------------
 */

static void move_bars(const Chart *chart, ChartView *view, int dx, int dy) {
    size_t count = chart->x.count;
    if (count == 0) return;
    double at = view->cursor;
    if (isnan(at)) {
        double first = ceil(fmax(view->x0, 0));
        at = fmin(isnan(first) ? 0 : first, (double)count - 1);
    } else {
        at = (double)stepped((size_t)fmax(fmin(round(at), (double)count - 1), 0), dx - dy, count);
    }
    view->cursor = at;
    follow(view_x(chart, view), at - 0.5, 0, &view->x0, &view->x1);
    follow(view_x(chart, view), at + 0.5, 0, &view->x0, &view->x1);
}

/* ---- lines ------------------------------------------------------------------------------------------------------- */

static bool drawable(const Chart *chart, const ChartView *view, const Series *series, size_t i) {
    return isfinite(series->y[i]) && !isnan(scale_fraction(view_x(chart, view), series->x[i])) &&
           !isnan(scale_fraction(view_series(chart, view, series), series->y[i]));
}

/* The drawable point nearest to x; count where there is none. */
static size_t nearest(const Chart *chart, const ChartView *view, const Series *series, double x) {
    size_t best = series->count;
    for (size_t i = 0; i < series->count; i++) {
        if (best < series->count && !(fabs(series->x[i] - x) < fabs(series->x[best] - x))) continue;
        if (drawable(chart, view, series, i)) best = i;
    }
    return best;
}

/* From point `index`, `step` drawable points on (as far as there are some). */
static size_t walk(const Chart *chart, const ChartView *view, const Series *series, size_t index, int step) {
    size_t to = index;
    for (int64_t i = (int64_t)index; step != 0;) {
        i += step > 0 ? 1 : -1;
        if (i < 0 || i >= (int64_t)series->count) break;
        if (!drawable(chart, view, series, (size_t)i)) continue;
        to = (size_t)i;
        step += step > 0 ? -1 : 1;
    }
    return to;
}

/* The series whose point at the cursor stands next above (dy > 0) or below `height` (a fraction of the plot). */
static void change_series(const Chart *chart, ChartView *view, double height, int dy) {
    double best = dy > 0 ? INFINITY : -INFINITY;
    int found = view->series;
    for (size_t s = 0; s < chart->series_count; s++) {
        const Series *series = &chart->series[s];
        size_t i = nearest(chart, view, series, view->cursor);
        if ((int)s == view->series || i == series->count) continue;
        double y = scale_fraction(view_series(chart, view, series), series->y[i]);
        if (dy > 0 ? (y > height && y < best) : (y < height && y > best)) {
            best = y;
            found = (int)s;
        }
    }
    view->series = found;
}

static void move_lines(const Chart *chart, ChartView *view, int dx, int dy) {
    if (chart->series_count == 0) return;
    bool fresh = isnan(view->cursor);
    if (view->series < 0 || view->series >= (int)chart->series_count) view->series = 0;
    const Series *series = &chart->series[view->series];
    Scale x = view_x(chart, view);
    size_t index = nearest(chart, view, series, fresh ? scale_value(x, 0.5) : view->cursor);
    if (index == series->count) return;
    if (!fresh) {
        view->cursor = series->x[index];
        index = walk(chart, view, series, index, dx);
        if (dy != 0) {
            change_series(chart, view, scale_fraction(view_series(chart, view, series), series->y[index]), dy);
            series = &chart->series[view->series];
            index = nearest(chart, view, series, view->cursor);
        }
    }
    view->cursor = series->x[index];
    view->cursor_y = series->y[index];
    follow(x, view->cursor, 0.1, &view->x0, &view->x1);
    Scale left = view_y(chart, view);
    double height = scale_fraction(view_series(chart, view, series), view->cursor_y);
    follow(left, series->right ? scale_value(left, height) : view->cursor_y, 0.1, &view->y0, &view->y1);
}

/* ---- heat maps, kernels ------------------------------------------------------------------------------------------ */

static double cell_place(const Chart *chart, const Axis *axis, size_t i, size_t size) {
    if (chart->encoding.kind == CHART_KERNELS) return kernel_place(i, size);
    return axis->category ? (double)i : axis->values[i];
}

static size_t cell_at(const Chart *chart, const Axis *axis, double at, bool log, size_t size, size_t count,
                      Scale scale) {
    size_t index = 0;
    if (isnan(at)) at = scale_value(scale, chart->encoding.kind == CHART_KERNELS ? 0 : 0.5);
    bool found = chart->encoding.kind == CHART_KERNELS ? kernel_index(at, size, count, &index)
                                                       : grid_index(axis, at, log, &index);
    return found ? index : 0;
}

static void move_grid(const Chart *chart, ChartView *view, int dx, int dy) {
    Scale x = view_x(chart, view), y = view_y(chart, view);
    bool fresh = isnan(view->cursor);
    if (chart->grid_rows == 0 || chart->grid_columns == 0) return;
    if (chart->y.category) dy = -dy; /* the first row stands at the top */
    size_t j = cell_at(chart, &chart->x, view->cursor, x.log, chart->kernel_columns, chart->grid_columns, x);
    size_t i = cell_at(chart, &chart->y, view->cursor_y, y.log, chart->kernel_rows, chart->grid_rows, y);
    if (!fresh) {
        j = stepped(j, dx, chart->grid_columns);
        i = stepped(i, dy, chart->grid_rows);
    }
    view->cursor = cell_place(chart, &chart->x, j, chart->kernel_columns);
    view->cursor_y = cell_place(chart, &chart->y, i, chart->kernel_rows);
    if (chart->encoding.kind == CHART_KERNELS) return; /* how many fit decides what is in view: chart_view_follow */
    follow(x, view->cursor, 0.1, &view->x0, &view->x1);
    follow(y, view->cursor_y, 0.1, &view->y0, &view->y1);
}

/* The first kernel of `shown` from `low` on, so that kernel `at` is one of them. */
static bool follow_kernel(double at, double first, size_t shown, double *low) {
    const double kernel = floor(at + 0.5);
    if (isnan(at) || shown == 0 || (kernel >= first && kernel < first + (double)shown)) return false;
    *low = (kernel < first ? kernel : kernel - (double)shown + 1) - 0.5;
    return true;
}

bool chart_view_follow(const Chart *chart, ChartView *view, const ChartPlot *plot) {
    if (chart->encoding.kind != CHART_KERNELS || plot->width == 0) return false;
    const bool across = follow_kernel(view->cursor, plot->left, plot->shown_across, &view->x0);
    return follow_kernel(view->cursor_y, plot->top, plot->shown_down, &view->y0) || across;
}

/* ---- pointer ----------------------------------------------------------------------------------------------------- */

/* The middle of a cell of the plot, as fractions from its left end and its lower end. */
static Place fraction_at(const ChartPlot *plot, int column, int row) {
    return (Place){(column - plot->x + 0.5) / plot->width, 1 - (row - plot->y + 0.5) / plot->height};
}

static bool bar_at(const Chart *chart, ChartView *view, const ChartPlot *plot, int column, int row) {
    const double end = plot->downwards ? plot->top + (row - plot->y + 1) * plot->down
                                       : plot->left + (column - plot->x + 1) * plot->across;
    const double bar = ceil(end - 1e-9) - 1; /* the last one that begins before the cell's end */
    if (!(bar >= 0 && bar < (double)chart->x.count)) return false;
    view->cursor = bar;
    return true;
}

/* The point that is drawn nearest to the cell; cells are twice as high as wide. */
static bool point_at(const Chart *chart, ChartView *view, const ChartPlot *plot, int column, int row) {
    const Place at = fraction_at(plot, column, row);
    const Scale x = view_x(chart, view);
    double best = INFINITY;
    for (size_t s = 0; s < chart->series_count; s++) {
        const Series *series = &chart->series[s];
        const Scale y = view_series(chart, view, series);
        for (size_t i = 0; i < series->count; i++) {
            double across, up;
            if (!series_place(series, i, x, y, &across, &up) || !drawable(chart, view, series, i)) continue;
            const double far = hypot((across - at.x) * plot->width, 2 * (up - at.y) * plot->height);
            if (!(far < best)) continue;
            best = far;
            view->series = (int)s;
            view->cursor = series->x[i];
            view->cursor_y = series->y[i];
        }
    }
    return isfinite(best);
}

static bool value_at(const Chart *chart, ChartView *view, const ChartPlot *plot, int column, int row) {
    const Place at = fraction_at(plot, column, row);
    const double x = scale_value(view_x(chart, view), at.x),
                 y = scale_value(view_y(chart, view), chart->y.category ? 1 - at.y : at.y);
    size_t i, j;
    if (!grid_index(&chart->x, x, view->log_x, &j) || !grid_index(&chart->y, y, view->log_y, &i)) return false;
    view->cursor = cell_place(chart, &chart->x, j, 0);
    view->cursor_y = cell_place(chart, &chart->y, i, 0);
    return true;
}

/* The weight under `at`, in kernels from the first one on, each with a blank end; false beyond the `shown` ones.
 * Of two weights in a cell it is the lower or right one. */
static bool weight_at(double at, double first, size_t shown, double gap, size_t size, size_t *index) {
    const double kernel = floor(at), inside = (at - kernel) / (1 - gap);
    if (!(at >= 0 && kernel < (double)shown)) return false;
    *index = (size_t)(first + kernel) * size + (size_t)fmin(floor(inside * (double)size), (double)size - 1);
    return true;
}

static bool kernel_at(const Chart *chart, ChartView *view, const ChartPlot *plot, int column, int row) {
    const int across = plot->pitch > 0 ? (column - plot->x) % plot->pitch : column - plot->x;
    size_t i, j;
    if (!weight_at((across + 0.75) * plot->across, plot->left, plot->shown_across, plot->gap_across,
                   chart->kernel_columns, &j) ||
        !weight_at((row - plot->y + 0.75) * plot->down, plot->top, plot->shown_down, plot->gap_down, chart->kernel_rows,
                   &i))
        return false;
    if (i >= chart->grid_rows || j >= chart->grid_columns) return false;
    view->cursor = kernel_place(j, chart->kernel_columns);
    view->cursor_y = kernel_place(i, chart->kernel_rows);
    return true;
}

static bool in_plot(const ChartPlot *plot, int column, int row) {
    return plot->width > 0 && plot->height > 0 && column >= plot->x && column < plot->x + plot->width &&
           row >= plot->y && row < plot->y + plot->height;
}

bool chart_cursor_at(const Chart *chart, ChartView *view, const ChartPlot *plot, int column, int row) {
    const bool rows = chart->encoding.kind == CHART_BARS && plot->downwards; /* a row's name belongs to its bar */
    if (!in_plot(plot, rows ? plot->x : column, row)) return false;
    switch (chart->encoding.kind) {
    case CHART_BARS:
        return bar_at(chart, view, plot, column, row);
    case CHART_LINES:
    case CHART_HISTOGRAM:
    case CHART_SCATTER:
        return point_at(chart, view, plot, column, row);
    case CHART_HEATMAP:
        return value_at(chart, view, plot, column, row);
    case CHART_KERNELS:
        return kernel_at(chart, view, plot, column, row);
    case CHART_PICTURES:
        break;
    }
    return false;
}

bool chart_zoom_to(const Chart *chart, ChartView *view, const ChartPlot *plot, const int from[2], const int to[2]) {
    if (!in_plot(plot, from[0], from[1]) || !in_plot(plot, to[0], to[1])) return false;
    if (!x_is_numeric(chart) || !y_is_numeric(chart)) return false;
    const Scale x = view_x(chart, view), y = view_y(chart, view);
    const Place a = fraction_at(plot, from[0], from[1]), b = fraction_at(plot, to[0], to[1]);
    view->x0 = scale_value(x, fmin(a.x, b.x));
    view->x1 = scale_value(x, fmax(a.x, b.x));
    view->y0 = scale_value(y, fmin(a.y, b.y));
    view->y1 = scale_value(y, fmax(a.y, b.y));
    return true;
}

void chart_cursor_move(const Chart *chart, ChartView *view, int dx, int dy) {
    switch (chart->encoding.kind) {
    case CHART_BARS:
        move_bars(chart, view, dx, dy);
        break;
    case CHART_LINES:
    case CHART_HISTOGRAM:
    case CHART_SCATTER:
        move_lines(chart, view, dx, dy);
        break;
    case CHART_HEATMAP:
    case CHART_KERNELS:
        move_grid(chart, view, dx, dy);
        break;
    case CHART_PICTURES:
        break;
    }
}
