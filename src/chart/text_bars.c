/* text_bars -- bars in cells: rows with their names and values where there is room, else columns.
 *
 * Lengths are counted in eighths of a cell (U+2581 to U+258F); left and down of zero, where Unicode has only halves and
 * one eighth, to the nearest of these. One scale for both sides of zero keeps lengths proportional. */
#include "chart/canvas.h"

#include <math.h>
#include <string.h>

#include "weft/base/text.h"

/* Cells on both sides of the base line, and eighths for a step of the axis' fraction. */
typedef struct Measure {
    Scale scale;
    double base;            /* fraction where bars begin */
    int negative, positive; /* cells */
    double eighths;         /* of the whole axis, fraction 0 to 1 */
} Measure;

/* Shares `cells` out; where both sides have bars, one cell between them is the zero line. */
static Measure share_cells(Scale scale, int cells, bool *line) {
    double zero = bars_base(scale);
    Measure measure = {.scale = scale, .base = zero, .positive = cells, .eighths = 8.0 * cells};
    *line = zero > 0;
    if (!*line) return measure;
    int room = cells > 1 ? cells - 1 : 1;
    measure.negative = (int)lround(room * zero);
    if (measure.negative < 1) measure.negative = 1;
    if (zero < 1 && measure.negative >= room && room > 1) measure.negative = room - 1;
    measure.positive = room - measure.negative;
    measure.eighths = 8 * measure.negative / zero;
    if (zero < 1) measure.eighths = fmin(measure.eighths, 8 * measure.positive / (1 - zero));
    return measure;
}

/* A value's length in eighths, below 0 on the negative side, cut to the cells there are. */
static int eighths_of(const Measure *measure, double value) {
    double fraction = isfinite(value) ? scale_fraction(measure->scale, value) : NAN;
    if (isnan(fraction)) return 0;
    double length = floor((fabs(fraction - measure->base)) * measure->eighths + 0.5);
    if (fraction >= measure->base) return (int)fmin(length, 8 * measure->positive);
    return -(int)fmin(length, 8 * measure->negative);
}

/* The cell of a tick: -1 the one next to the base on the negative side, 0 the base line, 1 the first positive one. */
static int tick_cell(const Measure *measure, double value) {
    double fraction = scale_fraction(measure->scale, value), cells = (fraction - measure->base) * measure->eighths / 8;
    int cell = (int)ceil(fabs(cells) - 1e-9);
    if (fraction < measure->base) return -(cell > measure->negative ? measure->negative : cell);
    return cell > measure->positive ? measure->positive : cell;
}

/* ---- glyphs ------------------------------------------------------------------------------------------------------ */

/* How the cell `index` of a bar of `eighths` is filled: 0 to 8. Other fills than the full block, and ASCII, round. */
static int filled(const Canvas *canvas, int eighths, int index, bool rounded) {
    int part = eighths - 8 * index;
    if (part > 8) part = 8;
    if (part < 0) part = 0;
    return rounded || canvas->ascii ? (part >= 4 ? 8 : 0) : part;
}

static const char *part_glyph(int part, bool upright, bool negative) {
    static const char *const rightwards[] = {" ", "▏", "▎", "▍", "▌", "▋", "▊", "▉", "█"};
    static const char *const upwards[] = {" ", "▁", "▂", "▃", "▄", "▅", "▆", "▇", "█"};
    static const char *const leftwards[] = {" ", "▕", "▕", "▐", "▐", "▐", "█", "█", "█"};
    static const char *const downwards[] = {" ", "▔", "▔", "▀", "▀", "▀", "█", "█", "█"};
    if (upright) return negative ? downwards[part] : upwards[part];
    return negative ? leftwards[part] : rightwards[part];
}

/* One bar away from the base: `line` is the base line's column or row, `across` the other coordinate. */
static void draw_bar(Canvas *canvas, const Chart *chart, size_t series, int eighths, int line, int across,
                     bool upright) {
    int step = (eighths < 0) == upright ? 1 : -1, size = eighths < 0 ? -eighths : eighths;
    bool textured = chart->series_count > 1 && series > 0;
    for (int i = 0; 8 * i < size; i++) {
        int part = filled(canvas, size, i, textured), at = line + step * (i + 1);
        if (part == 0) continue;
        const char *glyph = part == 8 ? series_fill(canvas, series) : part_glyph(part, upright, eighths < 0);
        canvas_put(canvas, upright ? across : at, upright ? at : across, glyph, glyph,
                   canvas_series_colour(canvas, series));
    }
}

/* A glyph over a bar: away from the base line, `cells` of them. */
static void put_over(Canvas *canvas, int line, int cells, int across, bool upright, const char *glyph,
                     const char *ascii) {
    canvas_put(canvas, upright ? across : line + cells, upright ? line - cells : across, glyph, ascii, PLAIN);
}

/* The cell of an interval's end: the base for what a log axis has no place for. */
static int end_cell(const Measure *measure, double value) {
    return isnan(scale_fraction(measure->scale, value)) ? 0 : tick_cell(measure, value);
}

/* The interval of a bar with its value in it, and a star beyond where it is flagged. */
static void draw_aside(Canvas *canvas, const Series *series, size_t i, const Measure *measure, int line, int across,
                       bool upright) {
    const double value = series->y[i];
    if (!isfinite(value) || isnan(scale_fraction(measure->scale, value))) return;
    int end = tick_cell(measure, value), far = end;
    if (series->low && isfinite(series->low[i])) {
        const int low = end_cell(measure, series->low[i]), high = end_cell(measure, series->high[i]);
        for (int cell = low; cell <= high; cell++)
            put_over(canvas, line, cell, across, upright, upright ? "│" : "─", upright ? "|" : "-");
        put_over(canvas, line, low, across, upright, upright ? "┴" : "├", upright ? "-" : "|");
        put_over(canvas, line, high, across, upright, upright ? "┬" : "┤", upright ? "-" : "|");
        put_over(canvas, line, end, across, upright, "┼", "+");
        far = end < 0 ? low : high;
    }
    if (!series->flag || !series->flag[i]) return;
    far += end < 0 ? -1 : 1;
    if (far > measure->positive) far = measure->positive;
    if (far < -measure->negative) far = -measure->negative;
    put_over(canvas, line, far, across, upright, "*", "*");
}

/* ---- which categories, which way --------------------------------------------------------------------------------- */

enum { ROWS_MOST = 40, ROWS_OVERHEAD = 3 };

static size_t bar_rows(const Chart *chart, size_t categories) {
    return categories * chart->series_count + (chart->series_count > 1 && categories > 0 ? categories - 1 : 0);
}

/* ---- rows -------------------------------------------------------------------------------------------------------- */

typedef struct Rows {
    int names, values; /* columns */
    TextCut cut;       /* how the names fit into theirs: the same wherever the chart is scrolled to */
    int decimals;
    Measure measure;
    int line; /* column of the base line */
} Rows;

static void bar_text(double value, int decimals, char out[TICK_TEXT]) {
    out[0] = '\0';
    if (isnan(value)) return;
    if (isinf(value))
        strcpy(out, value < 0 ? "-inf" : "inf");
    else
        number_text(value, decimals, out);
}

static void measure_rows(const Chart *chart, const ChartView *view, size_t first, size_t count, int width, Rows *rows) {
    char text[TICK_TEXT];
    rows->decimals = bar_decimals(chart);
    rows->names = (int)names_widest(&chart->x, (Span){0, chart->x.count}, cells_wide); /* scrolling keeps the width */
    rows->values = 0;
    for (size_t i = first; i < first + count; i++) {
        for (size_t s = 0; s < chart->series_count; s++) {
            bar_text(chart->series[s].y[i], rows->decimals, text);
            if (text_width(text) > rows->values) rows->values = text_width(text);
        }
    }
    if (rows->names > 2 * width / 5) rows->names = 2 * width / 5;
    if (rows->names + rows->values + 12 > width) rows->values = 0;
    if (rows->names + 8 > width) rows->names = 0;
    rows->cut = text_cut((const char *const *)chart->x.names, chart->x.count, (size_t)rows->names, NULL);
    rows->names = (int)text_cut_columns((const char *const *)chart->x.names, chart->x.count, &rows->cut);
    int left = rows->names > 0 ? rows->names + 1 : 0, right = rows->values > 0 ? rows->values + 1 : 0;
    bool line;
    int cells = width - left - right - 1; /* one column is the line's in any case */
    if (cells < 1) cells = 1;
    Scale y = view_y(chart, view);
    bool sides = !y.log && y.low < 0;
    rows->measure = share_cells(y, sides ? cells + 1 : cells, &line);
    rows->line = left + rows->measure.negative;
}

static double tick_place(const void *context, double value) {
    const Rows *rows = context;
    return rows->line + tick_cell(&rows->measure, value);
}

static double half_of(const char *text) {
    return text_width(text) / 2;
}

static void rows_axis(Canvas *canvas, const Chart *chart, const ChartView *view, const Rows *rows,
                      const Layout *layout) {
    int left = rows->line - rows->measure.negative, cells = rows->measure.negative + rows->measure.positive + 1;
    const TickRule rule = {.most = (size_t)(cells / 7 + 1 > 11 ? 11 : cells / 7 + 1),
                           .gap = 2,
                           .half = half_of,
                           .place = tick_place,
                           .context = rows,
                           .length = 1};
    Ticks ticks;
    ticks_apart(view_y(chart, view), &rule, &ticks);
    Labels labels = {.count = ticks.count};
    for (size_t i = 0; i < ticks.count; i++) {
        labels.at[i] = (int)tick_place(rows, ticks.at[i]) - left;
        memcpy(labels.text[i], ticks.label[i], TICK_TEXT);
    }
    draw_axis_across(canvas, &labels, left, layout->axis, cells);
}

static void rows_reference(Canvas *canvas, const Chart *chart, const Rows *rows, const Box *plot) {
    double fraction = scale_fraction(rows->measure.scale, chart->encoding.reference);
    if (!(fraction >= 0 && fraction <= 1)) return;
    int x = rows->line + tick_cell(&rows->measure, chart->encoding.reference);
    for (int y = plot->y; y < plot->y + plot->height; y++) {
        ChartCell *cell = canvas_cell(canvas, x, y);
        if (cell && strcmp(cell->glyph, " ") == 0) canvas_put(canvas, x, y, "┊", ":", PLAIN);
    }
}

/* Bars as rows; the reference's label stands at the right end of the header. */
static void draw_rows(Canvas *canvas, const Chart *chart, const ChartView *view, size_t first, size_t count) {
    Rows rows;
    char text[TICK_TEXT];
    int width = (int)canvas->grid.width;
    Layout layout =
        layout_begin(canvas, chart, view, chart->y.label, "", (int)bar_rows(chart, count), PARTS_AXIS | PARTS_FILLS);
    measure_rows(chart, view, first, count, width, &rows);
    int y = layout.plot.y, spare = layout.plot.height - (int)bar_rows(chart, count);
    if (spare > 0 && layout.axis >= 0) { /* what stands below moves up to the bars */
        layout.plot.height -= spare;
    }
    int bottom = layout.plot.y + layout.plot.height;
    const double each = (double)chart->series_count + (chart->series_count > 1);
    canvas_plot(canvas, &layout.plot);
    canvas->grid.plot.top = (double)first;
    canvas->grid.plot.down = 1 / each;
    canvas->grid.plot.downwards = true;
    if (layout.axis >= 0) layout.axis = bottom;
    for (int i = layout.plot.y; i < bottom; i++) canvas_put(canvas, rows.line, i, "│", "|", PLAIN);
    for (size_t i = first; i < first + count; i++) {
        bool here = round(view->cursor) == (double)i;
        if (rows.names > 0) canvas_name(canvas, 0, y, chart->x.names[i], &rows.cut, here);
        if (here && rows.names > 0) canvas_put(canvas, rows.names, y, "▶", ">", PLAIN);
        for (size_t s = 0; s < chart->series_count; s++, y++) {
            double value = chart->series[s].y[i];
            draw_bar(canvas, chart, s, eighths_of(&rows.measure, value), rows.line, y, false);
            draw_aside(canvas, &chart->series[s], i, &rows.measure, rows.line, y, false);
            bar_text(value, rows.decimals, text);
            if (rows.values > 0) canvas_right(canvas, width, y, text, rows.values, PLAIN);
        }
        if (chart->series_count > 1) y++;
    }
    rows_reference(canvas, chart, &rows, &layout.plot);
    if (layout.axis < 0) return;
    rows_axis(canvas, chart, view, &rows, &layout);
    int label = text_width(chart->reference_label);
    if (label > 0 && layout.header >= 0 &&
        label + text_width(chart->y.label) + legend_width(canvas, chart) + 8 < width) {
        canvas_put(canvas, width - label - 2, layout.header, "┊", ":", PLAIN);
        canvas_right(canvas, width, layout.header, chart->reference_label, label, PLAIN);
    }
}

/* ---- columns ----------------------------------------------------------------------------------------------------- */

typedef struct Columns {
    Box plot;
    Measure measure;
    int line;      /* row of the base line */
    int step, bar; /* columns for a category with its gap, for a bar; bar 0: several bars share a column */
} Columns;

enum { BAR_WIDEST = 8 };

static void plan_columns(const Chart *chart, size_t count, Columns *columns) {
    int series = (int)chart->series_count;
    columns->step = count > 0 ? (int)((size_t)columns->plot.width / count) : 1;
    columns->bar = columns->step > series ? (columns->step - 1) / series : columns->step / series;
    if (columns->bar > BAR_WIDEST) columns->bar = BAR_WIDEST;
    int gap = columns->bar > 2 ? 2 : 1;
    if (columns->bar > 0 && columns->step > series * columns->bar + gap) columns->step = series * columns->bar + gap;
}

/* The column where a bar begins, or the one it shares with others. */
static int column_of(const Columns *columns, size_t category, size_t count, size_t series, size_t series_count) {
    if (columns->bar > 0) return columns->plot.x + (int)category * columns->step + (int)series * columns->bar;
    size_t slot = category * series_count + series;
    return columns->plot.x + (int)(slot * (size_t)columns->plot.width / (count * series_count));
}

/* Where several bars share a column, the longest to each side of the base stand for all. */
static void draw_shared(Canvas *canvas, const Chart *chart, const Columns *columns, size_t first, size_t count) {
    size_t total = count * chart->series_count, slot = 0;
    while (slot < total) {
        int x = column_of(columns, slot / chart->series_count, count, slot % chart->series_count, chart->series_count);
        int most[2] = {0, 0};
        size_t whose[2] = {0, 0};
        for (; slot < total; slot++) {
            size_t category = slot / chart->series_count, s = slot % chart->series_count;
            if (column_of(columns, category, count, s, chart->series_count) != x) break;
            int eighths = eighths_of(&columns->measure, chart->series[s].y[first + category]);
            int side = eighths < 0;
            if ((side ? -eighths : eighths) > (side ? -most[1] : most[0])) {
                most[side] = eighths;
                whose[side] = s;
            }
        }
        for (int side = 0; side < 2; side++) {
            draw_bar(canvas, chart, whose[side], most[side], columns->line, x, true);
        }
    }
}

/* The middle of a category's bars, from the plot's left end. */
static int middle_of(const Chart *chart, const Columns *columns, size_t category, size_t count) {
    int start = column_of(columns, category, count, 0, chart->series_count) - columns->plot.x;
    return columns->bar > 0 ? start + ((int)chart->series_count * columns->bar - 1) / 2 : start;
}

static bool columns_axis(Canvas *canvas, const Chart *chart, const Columns *columns, const Layout *layout, size_t first,
                         size_t count) {
    int used = columns->bar > 0 ? (int)count * columns->step : columns->plot.width;
    Scale places = {.low = (double)first - 0.5, .high = (double)(first + count) - 0.5};
    Labels labels = {0};
    if (layout->axis < 0) return false;
    bool indices = count > 0 && labels_names(&chart->x, places, used, &labels);
    for (size_t i = 0; i < labels.count && columns->bar > 0; i++) {
        labels.at[i] = middle_of(chart, columns, (size_t)(labels.at[i] / columns->step), count);
    }
    draw_axis_across(canvas, &labels, columns->plot.x, layout->axis, columns->plot.width);
    return indices;
}

static void columns_up(Canvas *canvas, const Chart *chart, const ChartView *view, const Columns *columns, int left,
                       Labels *up) {
    const Measure *measure = &columns->measure;
    Ticks ticks;
    int rows = columns->plot.height, bottom = columns->plot.y + rows - 1;
    ticks_find(view_y(chart, view), (size_t)(rows / 3 + 1 > 11 ? 11 : rows / 3 + 1), &ticks);
    up->count = ticks.count;
    for (size_t i = 0; i < ticks.count; i++) {
        up->at[i] = bottom - (columns->line - tick_cell(measure, ticks.at[i]));
        memcpy(up->text[i], ticks.label[i], TICK_TEXT);
    }
    if (left == 0) return;
    draw_axis_up(canvas, up, left - 1, columns->plot.y, rows, left - 2);
    for (size_t i = 0; i < ticks.count; i++) { /* where bars stand on the lower axis, 0 is level with it */
        if (up->at[i] == -1) canvas_right(canvas, left - 2, bottom + 1, up->text[i], left - 2, PLAIN);
    }
}

static void columns_reference(Canvas *canvas, const Chart *chart, const Columns *columns) {
    double fraction = scale_fraction(columns->measure.scale, chart->encoding.reference);
    if (!(fraction >= 0 && fraction <= 1)) return;
    int y = columns->line - tick_cell(&columns->measure, chart->encoding.reference);
    int width = text_width(chart->reference_label), right = columns->plot.x + columns->plot.width;
    for (int x = columns->plot.x; x < right; x++) {
        ChartCell *cell = canvas_cell(canvas, x, y);
        if (cell && strcmp(cell->glyph, " ") == 0) canvas_put(canvas, x, y, "╌", "-", PLAIN);
    }
    if (y > columns->plot.y && width < columns->plot.width) {
        canvas_right(canvas, right, y - 1, chart->reference_label, width, PLAIN);
    }
}

static void draw_columns(Canvas *canvas, const Chart *chart, const ChartView *view, size_t first, size_t count) {
    Columns columns;
    Labels up;
    bool line;
    Scale y = view_y(chart, view);
    Layout layout =
        layout_begin(canvas, chart, view, chart->y.label, chart->x.label, LEAST_PLOT, PARTS_AXIS | PARTS_FILLS);
    Box plot = layout.plot;
    columns.plot = plot;
    columns.measure = share_cells(y, plot.height, &line);
    columns.line = plot.y + columns.measure.positive;
    labels_up(y, plot.height, 1, &up);
    int left = labels_width(&up) + 2;
    if (plot.width - left < 10 || layout.axis < 0) left = 0;
    columns.plot.x += left;
    columns.plot.width -= left;
    plan_columns(chart, count, &columns);
    canvas_plot(canvas, &columns.plot);
    canvas->grid.plot.left = (double)first;
    canvas->grid.plot.across = columns.bar > 0 ? 1.0 / columns.step : (double)count / columns.plot.width;
    columns_up(canvas, chart, view, &columns, left, &up);
    if (left > 0) canvas_put(canvas, left - 1, layout.axis, "└", "+", PLAIN);
    bool indices = columns_axis(canvas, chart, &columns, &layout, first, count);
    layout.plot = columns.plot;
    layout_x_label(canvas, &layout, chart->x.label, indices);
    if (line) {
        for (int i = 0; i < columns.plot.width; i++) {
            canvas_put(canvas, columns.plot.x + i, columns.line, "─", "-", PLAIN);
        }
    }
    for (size_t i = 0; i < count && columns.bar > 0; i++) {
        for (size_t s = 0; s < chart->series_count; s++) {
            int eighths = eighths_of(&columns.measure, chart->series[s].y[first + i]);
            int x = column_of(&columns, i, count, s, chart->series_count);
            for (int c = 0; c < columns.bar; c++) draw_bar(canvas, chart, s, eighths, columns.line, x + c, true);
            draw_aside(canvas, &chart->series[s], first + i, &columns.measure, columns.line, x + (columns.bar - 1) / 2,
                       true);
        }
    }
    if (columns.bar == 0) draw_shared(canvas, chart, &columns, first, count);
    columns_reference(canvas, chart, &columns);
    double cursor = round(view->cursor) - (double)first;
    if (cursor >= 0 && cursor < (double)count && layout.axis >= 0) {
        int middle = middle_of(chart, &columns, (size_t)cursor, count);
        canvas_put(canvas, columns.plot.x + middle, layout.axis, "▲", "^", PLAIN);
    }
}

/* ---- chart ------------------------------------------------------------------------------------------------------- */

static size_t rows_overhead(const Chart *chart, const ChartView *view) {
    size_t overhead = *chart->title ? ROWS_OVERHEAD + 1 : ROWS_OVERHEAD;
    Str note = {0};
    chart_footnote(chart, view, &note);
    overhead += note.length > 0;
    str_done(&note);
    return overhead;
}

bool chart_view_rows(const Chart *chart, ChartView *view, unsigned height) {
    if (chart->encoding.kind != CHART_BARS) return false;
    const Span span = categories_in_view(&chart->x, view_x(chart, view));
    const size_t overhead = rows_overhead(chart, view);
    size_t count = span.count < ROWS_MOST ? span.count : ROWS_MOST;
    while (count > 0 && bar_rows(chart, count) + overhead > height) count--;
    if (count == 0 || count == span.count) return false;
    view->x0 = (double)span.first - 0.5;
    view->x1 = view->x0 + (double)count;
    return true;
}

void text_bars(Canvas *canvas, const Chart *chart, const ChartView *view) {
    const Span span = categories_in_view(&chart->x, view_x(chart, view));
    const size_t rows = bar_rows(chart, span.count);
    if (span.count > 0 && span.count <= ROWS_MOST && rows + rows_overhead(chart, view) <= canvas->grid.height)
        draw_rows(canvas, chart, view, span.first, span.count);
    else
        draw_columns(canvas, chart, view, span.first, span.count);
}
