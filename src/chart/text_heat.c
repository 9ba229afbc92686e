/* text_heat -- heat maps in cells: two colours to a cell (upper half block), or shades and signs.
 *
 * 256 colours and more show two values a cell; 8 and 16 mix two of the colours with shade blocks; without
 * colours magnitude is density, and where colours would diverge, the kind of stroke tells the sign. Contours lie over
 * colours, and in place of shades. */
#include "chart/heat.h"

#include <math.h>
#include <stdio.h>
#include <string.h>

#include "weft/base/error.h"
#include "weft/base/text.h"

/* ---- one value in one cell --------------------------------------------------------------------------------------- */

static int level_of(double fraction, int levels) {
    int level = (int)floor(fraction * levels);
    return level < 0 ? 0 : level >= levels ? levels - 1 : level;
}

/* The glyph for a value where there are no colours. */
static const char *shade(const Ink *ink, double fraction) {
    static const char *const dense[] = {" ", "░", "▒", "▓", "█"};
    static const char *const dense_ascii[] = {" ", ".", ":", "-", "=", "+", "*", "#", "%", "@"};
    static const char *const signs[] = {"≡", "=", "-", "·", "+", "*", "#"};
    static const char *const signs_ascii[] = {"%", "=", "-", ".", "+", "*", "#"};
    if (ink->diverging) return (ink->canvas->ascii ? signs_ascii : signs)[level_of(fraction, 7)];
    if (ink->canvas->ascii) return dense_ascii[level_of(fraction, 10)];
    return dense[level_of(fraction, 5)];
}

/* Of the few colours from low to high values the one that is nearest. */
static int basic_colour(const Ink *ink, double fraction) {
    int count;
    const int *colours = palette_ramp(ink->canvas->colours == COLOURS_16, ink->diverging, &count);
    return colours[level_of(fraction, count)];
}

/* What is seen on one of the few colours. */
static int basic_ink(const Ink *ink, int colour) {
    if (!palette_needs_white(palette_of_xterm(colour))) return 0;
    return ink->canvas->colours == COLOURS_16 ? 15 : 7;
}

/* 8 or 16 colours: steps between neighbours of a row of colours, mixed by shades. */
static void mixed(const Ink *ink, ChartCell *cell, double fraction) {
    static const char *const shades[] = {" ", "░", "▒", "▓"};
    int count;
    const int *colours = palette_ramp(ink->canvas->colours == COLOURS_16, ink->diverging, &count);
    const int steps = count - 1, level = level_of(fraction, 4 * steps + 1);
    if (level == 4 * steps) {
        cell->background = colours[steps];
        return;
    }
    strcpy(cell->glyph, shades[level % 4]);
    cell->foreground = colours[level / 4 + 1];
    cell->background = colours[level / 4];
}

/* NaN: no such place; infinite: a place whose value is missing. */
static void put_value(const Ink *ink, int x, int y, double value) {
    ChartCell *cell = canvas_cell(ink->canvas, x, y);
    if (!cell || isnan(value)) return;
    bool missing = isinf(value);
    if (ink->bare && !missing) return;
    double fraction = scale_fraction(ink->scale, value);
    if (ink->canvas->colours == COLOURS_NONE || missing) {
        const char *glyph = missing ? (ink->canvas->ascii ? "x" : "×") : shade(ink, fraction);
        canvas_put(ink->canvas, x, y, glyph, glyph, PLAIN);
    } else if (canvas_shaded(ink->canvas)) {
        cell->background = canvas_value_colour(ink->canvas, fraction, ink->diverging);
    } else if (ink->canvas->ascii) {
        canvas_put(ink->canvas, x, y, " ", shade(ink, fraction), PLAIN);
    } else {
        mixed(ink, cell, fraction);
    }
}

/* Two values in one cell; colours of 256 only. */
static void put_pair(const Ink *ink, int x, int y, double upper, double lower) {
    ChartCell *cell = canvas_cell(ink->canvas, x, y);
    bool above = isfinite(upper), below = isfinite(lower);
    if (!cell) return;
    const int over = canvas_value_colour(ink->canvas, scale_fraction(ink->scale, upper), ink->diverging);
    const int under = canvas_value_colour(ink->canvas, scale_fraction(ink->scale, lower), ink->diverging);
    if (above && below && over == under) {
        cell->background = over;
    } else if (above) {
        canvas_put(ink->canvas, x, y, "▀", "?", over);
        if (below) cell->background = under;
    } else if (below) {
        canvas_put(ink->canvas, x, y, "▄", "?", under);
    } else if (isinf(upper) || isinf(lower)) {
        canvas_put(ink->canvas, x, y, "×", "x", PLAIN);
    }
}

bool heat_pairs(const Canvas *canvas) {
    return canvas_shaded(canvas) && !canvas->ascii;
}

void heat_picture(const Ink *ink, Box box, int rows, ValueAt *value, const void *context) {
    bool two = heat_pairs(ink->canvas);
    for (int y = 0; y < box.height; y++) {
        for (int x = 0; x < box.width; x++) {
            if (!two) {
                if (y < rows) put_value(ink, box.x + x, box.y + y, value(context, x, y));
                continue;
            }
            double upper = 2 * y < rows ? value(context, x, 2 * y) : NAN;
            double lower = 2 * y + 1 < rows ? value(context, x, 2 * y + 1) : NAN;
            put_pair(ink, box.x + x, box.y + y, upper, lower);
        }
    }
}

/* ---- colour bar -------------------------------------------------------------------------------------------------- */

enum { BAR_COLUMNS = 2 };

typedef struct BarPicture {
    Scale scale;
    int rows;
} BarPicture;

static double bar_value(const void *context, int column, int row) {
    const BarPicture *bar = context;
    (void)column;
    return scale_value(bar->scale, 1 - (row + 0.5) / bar->rows);
}

/* The bar's columns at x, its ticks right of it; a bare one is a legend. */
static void draw_colour_bar(const Ink *ink, int x, Box plot, const Labels *labels) {
    BarPicture bar = {ink->scale, plot.height * (heat_pairs(ink->canvas) ? 2 : 1)};
    if (!ink->bare) heat_picture(ink, (Box){x, plot.y, BAR_COLUMNS, plot.height}, bar.rows, bar_value, &bar);
    for (size_t i = 0; i < labels->count; i++) {
        int y = plot.y + plot.height - 1 - labels->at[i], left = ink->bare ? x : x + BAR_COLUMNS + 1;
        if (!ink->bare) canvas_put(ink->canvas, x + BAR_COLUMNS, y, "╴", " ", PLAIN);
        canvas_text(ink->canvas, left, y, labels->text[i], 16, PLAIN, false);
    }
}

int heat_reserve_bar(const Ink *ink, Layout *layout, const Labels *labels) {
    int room = (ink->bare ? 0 : BAR_COLUMNS + 1) + labels_width(labels) + 2;
    if (layout->plot.width - room < 12 || layout->plot.height < 3) return -1;
    layout->plot.width -= room;
    return layout->plot.x + layout->plot.width + 2;
}

void heat_bar(const Ink *ink, const Chart *chart, const Layout *layout, int x, const Labels *labels) {
    if (x < 0) return;
    draw_colour_bar(ink, x, layout->plot, labels);
    int label = text_width(chart->value.label), width = (int)ink->canvas->grid.width;
    int left = x + label <= width ? x : width - label;
    if (layout->header < 0 || label == 0 || left <= text_width(chart->y.label) + 1) return;
    canvas_text(ink->canvas, left, layout->header, chart->value.label, label, PLAIN, false);
}

/* ---- heat map ---------------------------------------------------------------------------------------------------- */

typedef struct HeatPicture {
    const Chart *chart;
    Scale x, y;
    int columns, rows;
} HeatPicture;

/* The cells of an axis between two places in view, at least the one in the middle; false where there is none. */
static bool cells_between(const Axis *axis, Scale scale, double from, double to, size_t *first, size_t *last) {
    double a = scale_value(scale, from), b = scale_value(scale, to), middle = scale_value(scale, (from + to) / 2);
    if (!grid_index(axis, middle, scale.log, first)) return false;
    *last = *first;
    /* Neighbours whose centres lie within are shown by the same dot. */
    while (*first > 0 && grid_edge(axis, *first, scale.log) > a) {
        if ((axis->category ? (double)(*first - 1) : axis->values[*first - 1]) < a) break;
        --*first;
    }
    while (*last + 1 < axis->count && grid_edge(axis, *last + 1, scale.log) < b) {
        if ((axis->category ? (double)(*last + 1) : axis->values[*last + 1]) > b) break;
        ++*last;
    }
    return true;
}

static double heat_value(const void *context, int column, int row) {
    const HeatPicture *picture = context;
    const Chart *chart = picture->chart;
    size_t left, right, top, bottom;
    double from = (double)row / picture->rows, to = (row + 1.0) / picture->rows;
    if (!chart->y.category) { /* numbers grow upwards, names run downwards */
        double down = from;
        from = 1 - to;
        to = 1 - down;
    }
    if (!cells_between(&chart->x, picture->x, (double)column / picture->columns, (column + 1.0) / picture->columns,
                       &left, &right) ||
        !cells_between(&chart->y, picture->y, from, to, &top, &bottom)) {
        return NAN;
    }
    double mean = grid_mean(chart, top, bottom - top + 1, left, right - left + 1);
    return isnan(mean) ? INFINITY : mean;
}

static bool across_labels(const Axis *axis, Scale scale, int cells, Labels *labels) {
    if (axis->category) return labels_names(axis, scale, cells, labels);
    labels_across(scale, cells, 1, labels);
    return false;
}

/* Names beside their rows, thinned to one a row. */
static void up_labels(const Axis *axis, Scale scale, int cells, Labels *labels) {
    if (!axis->category) {
        labels_up(scale, cells, 1, labels);
        return;
    }
    double count = fmin(fmax(floor(scale.high) - ceil(scale.low) + 1, 1), (double)axis->count);
    size_t step = (size_t)fmax(ceil(count / fmin(cells, TICKS_MAX)), 1);
    size_t first = (size_t)fmax(ceil(scale.low), 0);
    labels->count = 0;
    for (size_t i = first; i < axis->count && (double)i <= scale.high && labels->count < TICKS_MAX; i += step) {
        size_t length = strnlen(axis->names[i], TICK_TEXT - 1);
        while (length > 0 && ((unsigned char)axis->names[i][length] & 0xc0) == 0x80) length--;
        memcpy(labels->text[labels->count], axis->names[i], length);
        labels->text[labels->count][length] = '\0';
        labels->at[labels->count++] = cells - 1 - (int)floor(scale_fraction(scale, (double)i) * cells);
    }
}

void heat_cursor(Canvas *canvas, int x, int y) {
    ChartCell *cell = canvas_cell(canvas, x, y);
    if (!cell) return;
    canvas_put(canvas, x, y, "◉", "@",
               cell->background >= 0 && canvas_shaded(canvas) ? canvas_ink_on(canvas, cell->background) : PLAIN);
    cell->bold = true;
}

void heat_frame(Canvas *canvas, const Layout *layout, const Labels *up, const Labels *across, int left) {
    const Box *plot = &layout->plot;
    if (left > 0) draw_axis_up(canvas, up, left - 1, plot->y, plot->height, left - 2);
    if (layout->axis < 0) return;
    if (left > 0) canvas_put(canvas, left - 1, layout->axis, "└", "+", PLAIN);
    draw_axis_across(canvas, across, plot->x, layout->axis, plot->width);
}

/* ---- contours and marks over a heat map -------------------------------------------------------------------------- */

typedef struct HeatPlot {
    const Ink *ink;
    const ChartView *view;
    HeatPicture picture; /* one row of values to a cell */
    Box box;
} HeatPlot;

/* The levels by their letters, at their places on the bar, thinned to one a row. */
static void level_labels(const Ink *ink, const Contours *contours, int rows, Labels *out) {
    unsigned step = 1;
    for (bool apart = false; !apart && step <= contours->level_count; step += !apart) {
        out->count = 0;
        apart = true;
        for (unsigned l = step - 1; l < contours->level_count; l += step) {
            int at = cell_of(scale_fraction(ink->scale, contours->level[l]), rows, 1);
            if (out->count > 0 && at == out->at[out->count - 1]) apart = false;
            out->at[out->count] = at;
            snprintf(out->text[out->count++], TICK_TEXT, "%c %.36s", 'a' + (int)l, contours->label[l]);
        }
    }
}

/* What stands beside the colour bar: ticks, or the levels where their lines are known by letters only. */
static void value_labels(const Ink *ink, const Contours *contours, bool letters, int rows, Labels *out) {
    if (letters && contours->level_count > 0)
        level_labels(ink, contours, rows, out);
    else
        labels_up(ink->scale, rows, 1, out);
}

/* Names have cells; numbers have places, as their ticks do. */
static int heat_cell(const Axis *axis, double fraction, int cells) {
    return axis->category ? level_of(fraction, cells) : cell_of(fraction, cells, 1);
}

static bool heat_mark(const void *context, unsigned mark, int *column, int *row) {
    const HeatPlot *plot = context;
    const Chart *chart = plot->picture.chart;
    double x, y;
    if (!mark_place(chart, plot->view, mark, &x, &y)) return false;
    *column = heat_cell(&chart->x, x, plot->box.width);
    *row = chart->y.category ? heat_cell(&chart->y, y, plot->box.height)
                             : plot->box.height - 1 - heat_cell(&chart->y, 1 - y, plot->box.height);
    return true;
}

/* A cell of one colour. A line is black or white all along, whichever shows on the colour of its level. */
static int heat_ready(const void *context, int column, int row, double level) {
    const HeatPlot *plot = context;
    const Ink *ink = plot->ink;
    ChartCell *cell = canvas_cell(ink->canvas, plot->box.x + column, plot->box.y + row);
    double value = heat_value(&plot->picture, column, row);
    if (ink->bare || !cell || !isfinite(value)) return PLAIN;
    double here = scale_fraction(ink->scale, value), line = scale_fraction(ink->scale, level);
    if (canvas_shaded(ink->canvas)) {
        cell->background = canvas_value_colour(ink->canvas, here, ink->diverging);
        return canvas_ink(ink->canvas, palette_dark(line, ink->diverging));
    }
    cell->background = basic_colour(ink, here);
    return basic_ink(ink, basic_colour(ink, line));
}

/* Ink that shows on the colour of a value, which the cell takes. */
static int ink_on(const Ink *ink, ChartCell *cell, double value) {
    const double fraction = scale_fraction(ink->scale, value);
    if (canvas_shaded(ink->canvas)) {
        cell->background = canvas_value_colour(ink->canvas, fraction, ink->diverging);
        return canvas_ink_on(ink->canvas, cell->background);
    }
    if (ink->canvas->colours == COLOURS_NONE || ink->canvas->ascii) return PLAIN;
    cell->background = basic_colour(ink, fraction);
    return basic_ink(ink, cell->background);
}

static void put_number(const Ink *ink, int x, int y, int room, const char *text, double value) {
    const int width = text_width(text), left = x + (room - width) / 2;
    for (int c = left > x ? -1 : 0; c < width + (left + width < x + room); c++) { /* a blank on both sides */
        ChartCell *cell = canvas_cell(ink->canvas, left + c, y);
        if (!cell) continue;
        const int colour = ink_on(ink, cell, value);
        const char glyph[2] = {c < 0 || c >= width ? ' ' : text[c], '\0'};
        canvas_put(ink->canvas, left + c, y, glyph, glyph, colour);
    }
}

/* The numbers of the cells, if all in view fit. */
static void put_numbers(const Ink *ink, const Chart *chart, const ChartView *view, const HeatPicture *picture,
                        const Box *box) {
    if (!numbers_wanted(chart, view)) return;
    for (int draws = 0; draws < 2; draws++)
        for (size_t cell = 0; cell < chart->grid_rows * chart->grid_columns; cell++) {
            char text[TICK_TEXT];
            const size_t i = cell / chart->grid_columns, j = cell % chart->grid_columns;
            const CellSpan column = cell_span(&chart->x, picture->x, j, false);
            const CellSpan row = cell_span(&chart->y, picture->y, i, !chart->y.category);
            if (column.from < -1e-9 || column.to > 1 + 1e-9 || row.from < -1e-9 || row.to > 1 + 1e-9) continue;
            number_of_cell(chart, i, j, text);
            const int left = (int)floor(column.from * box->width + 0.5),
                      right = (int)floor(column.to * box->width + 0.5);
            const bool fits = right - left > text_width(text) && (row.to - row.from) * box->height >= 1 - 1e-9;
            if (!draws && !fits) return;
            const double at = chart->y.category ? 0 : scale_fraction(picture->y, chart->y.values[i]);
            const int middle = chart->y.category ? level_of((row.from + row.to) / 2, box->height)
                                                 : box->height - 1 - cell_of(at, box->height, 1); /* as its tick */
            if (draws && *text) put_number(ink, box->x + left, box->y + middle, right - left, text, chart->grid[cell]);
        }
}

static bool draw_heat(const Ink *ink, const Chart *chart, const ChartView *view, const Box *box, bool letters,
                      Error *err) {
    Canvas *canvas = ink->canvas;
    HeatPicture picture = {chart, view_x(chart, view), view_y(chart, view), box->width, box->height};
    HeatPlot plot = {ink, view, picture, *box};
    ContourStyle style = {heat_ready, &plot, letters};
    MarkSpot marks[CHART_MARKS_MAX];
    if (chart->grid_rows == 0 || chart->grid_columns == 0) return true;
    if (heat_pairs(canvas)) picture.rows *= 2;
    heat_picture(ink, *box, picture.rows, heat_value, &picture);
    put_numbers(ink, chart, view, &picture, box);
    size_t count = text_marks_place(chart, box, heat_mark, NULL, &plot, marks);
    if (view->contours > 0 && !text_contours(canvas, chart, view, box, marks, count, style, err)) return false;
    text_marks(canvas, chart, box, marks, count, canvas_shaded(canvas) || (canvas->colours && !canvas->ascii));
    double x = scale_fraction(picture.x, view->cursor), y = scale_fraction(picture.y, view->cursor_y);
    if (!(x >= 0 && x <= 1 && y >= 0 && y <= 1)) return true;
    if (!chart->y.category) y = 1 - y;
    heat_cursor(canvas, box->x + level_of(x, box->width), box->y + level_of(y, box->height));
    return true;
}

bool text_heatmap(Canvas *canvas, const Chart *chart, const ChartView *view, Error *err) {
    Ink ink = {canvas, value_scale(chart), chart->encoding.diverging, false};
    Scale x = view_x(chart, view), y = view_y(chart, view);
    Layout layout = layout_begin(canvas, chart, view, chart->y.label, chart->x.label, LEAST_PLOT, PARTS_AXIS);
    Labels up, across, values;
    Contours levels;
    contours_levels(chart, view, &levels);
    bool shades = canvas->colours == COLOURS_NONE || (canvas->ascii && !canvas_shaded(canvas));
    bool letters = levels.level_count > 0 && (shades || canvas->ascii);
    ink.bare = levels.level_count > 0 && shades;
    up_labels(&chart->y, y, layout.plot.height, &up);
    int names = labels_width(&up), most = layout.plot.width / 3;
    int left = (names > most ? most : names) + 2;
    if (layout.plot.width - left < 8 || layout.axis < 0) left = 0;
    layout.plot.x += left;
    layout.plot.width -= left;
    value_labels(&ink, &levels, letters, layout.plot.height, &values);
    int bar = heat_reserve_bar(&ink, &layout, &values);
    if (axes_equal(chart, x, y)) {
        const int room = layout.plot.width;
        layout_equal(&layout, chart, x, y);
        up_labels(&chart->y, y, layout.plot.height, &up);
        value_labels(&ink, &levels, letters, layout.plot.height, &values);
        if (bar >= 0) bar -= room - layout.plot.width;
    }
    canvas_plot(canvas, &layout.plot);
    heat_bar(&ink, chart, &layout, bar, &values);
    bool indices = across_labels(&chart->x, x, layout.plot.width, &across);
    heat_frame(canvas, &layout, &up, &across, left);
    layout_x_label(canvas, &layout, chart->x.label, indices);
    return draw_heat(&ink, chart, view, &layout.plot, letters && bar >= 0, err);
}
