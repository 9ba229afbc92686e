/* text_heat -- heat maps and kernels in cells: two colours to a cell (upper half block), or shades and signs.
 *
 * COLOURS_256 shows two values a cell; COLOURS_8 mixes two of the eight colours with shade blocks; without colours
 * magnitude is density, and where colours would diverge, the kind of stroke tells the sign. Contours lie over colours,
 * and in place of shades. */
#include "chart/canvas.h"

#include <math.h>
#include <stdio.h>
#include <string.h>

#include "weft/base/error.h"
#include "weft/base/text.h"

/* ---- one value in one cell --------------------------------------------------------------------------------------- */

typedef struct Ink {
    Canvas *canvas;
    Scale scale;
    bool diverging;
    bool bare; /* only what is missing is drawn: contours stand in for the values */
} Ink;

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

/* The one of eight colours that is nearest. */
static int16_t basic_colour(double fraction, bool diverging) {
    static const int16_t sequential[] = {4, 6, 2, 3}, signs[] = {4, 7, 1};
    return diverging ? signs[level_of(fraction, 3)] : sequential[level_of(fraction, 4)];
}

/* Eight colours: steps between neighbours of a row of colours, mixed by shades. */
static void mixed(const Ink *ink, ChartCell *cell, double fraction) {
    static const int16_t sequential[] = {4, 6, 2, 3}, diverging[] = {4, 7, 1};
    static const char *const shades[] = {" ", "░", "▒", "▓"};
    const int16_t *colours = ink->diverging ? diverging : sequential;
    int steps = ink->diverging ? 2 : 3, level = level_of(fraction, 4 * steps + 1);
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
    } else if (ink->canvas->colours == COLOURS_256) {
        cell->background = (int16_t)palette_value_xterm(fraction, ink->diverging);
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
    int16_t over = (int16_t)palette_value_xterm(scale_fraction(ink->scale, upper), ink->diverging);
    int16_t under = (int16_t)palette_value_xterm(scale_fraction(ink->scale, lower), ink->diverging);
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

static bool pairs(const Canvas *canvas) {
    return canvas->colours == COLOURS_256 && !canvas->ascii;
}

/* A picture of width x height values (rows from the top), value(context, column, row), two rows a cell where `pairs`.
 */
typedef double ValueAt(const void *context, int column, int row);

static void put_picture(const Ink *ink, Box box, int rows, ValueAt *value, const void *context) {
    bool two = pairs(ink->canvas);
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
    BarPicture bar = {ink->scale, plot.height * (pairs(ink->canvas) ? 2 : 1)};
    if (!ink->bare) put_picture(ink, (Box){x, plot.y, BAR_COLUMNS, plot.height}, bar.rows, bar_value, &bar);
    for (size_t i = 0; i < labels->count; i++) {
        int y = plot.y + plot.height - 1 - labels->at[i], left = ink->bare ? x : x + BAR_COLUMNS + 1;
        if (!ink->bare) canvas_put(ink->canvas, x + BAR_COLUMNS, y, "╴", " ", PLAIN);
        canvas_text(ink->canvas, left, y, labels->text[i], 16, PLAIN, false);
    }
}

/* Takes the colour bar's room from the right of the plot; returns its place, or -1 where there is too little. */
static int reserve_colour_bar(const Ink *ink, Layout *layout, const Labels *labels) {
    int room = (ink->bare ? 0 : BAR_COLUMNS + 1) + labels_width(labels) + 2;
    if (layout->plot.width - room < 12 || layout->plot.height < 3) return -1;
    layout->plot.width -= room;
    return layout->plot.x + layout->plot.width + 2;
}

/* The bar, headed by what the values are. */
static void colour_bar(const Ink *ink, const Chart *chart, const Layout *layout, int x, const Labels *labels) {
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

/* The cell under the cursor, marked so that its colour still shows. */
static void mark_cursor(Canvas *canvas, int x, int y) {
    ChartCell *cell = canvas_cell(canvas, x, y);
    if (!cell) return;
    canvas_put(canvas, x, y, "◉", "@", cell->background >= 0 && canvas->colours == COLOURS_256 ? 16 : PLAIN);
    cell->bold = true;
}

static void frame(Canvas *canvas, const Layout *layout, const Labels *up, const Labels *across, int left) {
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
    if (ink->canvas->colours == COLOURS_256) {
        cell->background = (int16_t)palette_value_xterm(here, ink->diverging);
        return palette_dark(line, ink->diverging) ? 231 : 16;
    }
    cell->background = basic_colour(here, ink->diverging);
    int around = basic_colour(line, ink->diverging);
    return around == 4 || around == 1 ? 7 : 0;
}

static bool draw_heat(const Ink *ink, const Chart *chart, const ChartView *view, const Box *box, bool letters,
                      Error *err) {
    Canvas *canvas = ink->canvas;
    HeatPicture picture = {chart, view_x(chart, view), view_y(chart, view), box->width, box->height};
    HeatPlot plot = {ink, view, picture, *box};
    ContourStyle style = {heat_ready, &plot, letters};
    MarkSpot marks[CHART_MARKS_MAX];
    if (chart->grid_rows == 0 || chart->grid_columns == 0) return true;
    if (pairs(canvas)) picture.rows *= 2;
    put_picture(ink, *box, picture.rows, heat_value, &picture);
    size_t count = text_marks_place(chart, box, heat_mark, NULL, &plot, marks);
    if (view->contours > 0 && !text_contours(canvas, chart, view, box, marks, count, style, err)) return false;
    text_marks(canvas, chart, box, marks, count, canvas->colours == COLOURS_256 || (canvas->colours && !canvas->ascii));
    double x = scale_fraction(picture.x, view->cursor), y = scale_fraction(picture.y, view->cursor_y);
    if (!(x >= 0 && x <= 1 && y >= 0 && y <= 1)) return true;
    if (!chart->y.category) y = 1 - y;
    mark_cursor(canvas, box->x + level_of(x, box->width), box->y + level_of(y, box->height));
    return true;
}

bool text_heatmap(Canvas *canvas, const Chart *chart, const ChartView *view, Error *err) {
    Ink ink = {canvas, value_scale(chart), chart->encoding.diverging, false};
    Scale x = view_x(chart, view), y = view_y(chart, view);
    Layout layout = layout_begin(canvas, chart, view, chart->y.label, chart->x.label, LEAST_PLOT, PARTS_AXIS);
    Labels up, across, values;
    Contours levels;
    contours_levels(chart, view, &levels);
    bool shades = canvas->colours == COLOURS_NONE || (canvas->colours == COLOURS_8 && canvas->ascii);
    bool letters = levels.level_count > 0 && (shades || canvas->ascii);
    ink.bare = levels.level_count > 0 && shades;
    up_labels(&chart->y, y, layout.plot.height, &up);
    int names = labels_width(&up), most = layout.plot.width / 3;
    int left = (names > most ? most : names) + 2;
    if (layout.plot.width - left < 8 || layout.axis < 0) left = 0;
    layout.plot.x += left;
    layout.plot.width -= left;
    value_labels(&ink, &levels, letters, layout.plot.height, &values);
    int bar = reserve_colour_bar(&ink, &layout, &values);
    if (axes_equal(chart, x, y)) {
        const int room = layout.plot.width;
        layout_equal(&layout, chart, x, y);
        up_labels(&chart->y, y, layout.plot.height, &up);
        value_labels(&ink, &levels, letters, layout.plot.height, &values);
        if (bar >= 0) bar -= room - layout.plot.width;
    }
    colour_bar(&ink, chart, &layout, bar, &values);
    bool indices = across_labels(&chart->x, x, layout.plot.width, &across);
    frame(canvas, &layout, &up, &across, left);
    layout_x_label(canvas, &layout, chart->x.label, indices);
    return draw_heat(&ink, chart, view, &layout.plot, letters && bar >= 0, err);
}

/* ---- kernels: square dots, one dot between kernels -----------------------------------------------------------------
 */

typedef struct KernelPicture {
    const Chart *chart;
    Span rows, columns; /* kernels shown */
    int dot;            /* dots of the picture for one weight */
    int wide;           /* columns of cells for one dot: 2 where dots are a cell high */
    size_t panels;      /* shown side by side */
    int pitch;          /* columns of cells from one to the next */
} KernelPicture;

/* One panel, as put_picture draws it. */
typedef struct KernelPanel {
    const KernelPicture *picture;
    size_t panel;
} KernelPanel;

/* The place of a picture's dot along one side: false in a gap. */
static bool kernel_cell(int at, int dot, size_t size, size_t first, size_t count, size_t *cell) {
    int pitch = (int)size * dot + 1;
    size_t kernel = (size_t)(at / pitch);
    if (at % pitch == pitch - 1 || kernel >= count) return false;
    *cell = (first + kernel) * size + (size_t)(at % pitch / dot);
    return true;
}

static double kernel_value(const void *context, int column, int row) {
    const KernelPanel *panel = context;
    const KernelPicture *picture = panel->picture;
    const Chart *chart = picture->chart;
    size_t i, j;
    if (!kernel_cell(row, picture->dot, chart->kernel_rows, picture->rows.first, picture->rows.count, &i) ||
        !kernel_cell(column / picture->wide, picture->dot, chart->kernel_columns, picture->columns.first,
                     picture->columns.count, &j)) {
        return NAN;
    }
    return kernel_weight(chart, panel->panel, i, j); /* NaN stays empty, as a kernel that is not there */
}

/* How many kernels fit into `dots`. */
static size_t kernels_fit(int dots, int dot, size_t size) {
    return dots < 0 ? 0 : (size_t)(dots + 1) / (size * (size_t)dot + 1);
}

enum { PANEL_GAP = 3 };

/* The room of each panel, of as many as have room for a kernel. */
static int panel_room(const Chart *chart, const Box *plot, KernelPicture *picture) {
    picture->panels = kernel_panels(chart);
    for (;; picture->panels--) {
        const int count = (int)picture->panels, room = (plot->width - (count - 1) * PANEL_GAP) / count;
        if (count == 1 || room >= (int)chart->kernel_columns * picture->wide) return room;
    }
}

/* Panels stand as near to each other as kernels and names allow. */
static void place_panels(const Chart *chart, int room, KernelPicture *picture) {
    int width = ((int)picture->columns.count * ((int)chart->kernel_columns * picture->dot + 1) - 1) * picture->wide;
    for (size_t i = 0; i < chart->panel_count; i++) {
        const int name = text_width(chart->panels[i]);
        if (name > width) width = name;
    }
    picture->pitch = (width < room ? width : room) + PANEL_GAP;
}

/* Chooses the largest dots with which all kernels in view fit, else dots of 1 and as many kernels as fit. */
static void plan_kernels(const Chart *chart, const ChartView *view, const Box *plot, int half, KernelPicture *picture) {
    const int room = panel_room(chart, plot, picture);
    picture->rows = kernels_in_view(view_y(chart, view), chart->y.count);
    picture->columns = kernels_in_view(view_x(chart, view), chart->x.count);
    int down = plot->height * half, across = room / picture->wide;
    picture->dot = 1;
    while (picture->dot < 8 && kernels_fit(down, picture->dot + 1, chart->kernel_rows) >= picture->rows.count &&
           kernels_fit(across, picture->dot + 1, chart->kernel_columns) >= picture->columns.count) {
        picture->dot++;
    }
    size_t rows = kernels_fit(down, picture->dot, chart->kernel_rows);
    size_t columns = kernels_fit(across, picture->dot, chart->kernel_columns);
    if (rows < 1) rows = 1;
    if (columns < 1) columns = 1;
    if (picture->rows.count > rows) picture->rows.count = rows;
    if (picture->columns.count > columns) picture->columns.count = columns;
    place_panels(chart, room, picture);
}

/* "filters 0-15 of 64, channels 0-22 of 64", where not all are shown. */
static void shown_text(const Chart *chart, const KernelPicture *picture, Str *out) {
    if (picture->panels < kernel_panels(chart)) str_addf(out, "%zu of %zu panels", picture->panels, chart->panel_count);
    if (picture->rows.count < chart->y.count) {
        str_addf(out, "%s%s %zu-%zu of %zu", out->length ? ", " : "", chart->wrapped ? "rows" : "filters",
                 picture->rows.first, picture->rows.first + picture->rows.count - 1, chart->y.count);
    }
    if (picture->columns.count < chart->x.count) {
        str_addf(out, "%s%s %zu-%zu of %zu", out->length ? ", " : "", chart->wrapped ? "columns" : "channels",
                 picture->columns.first, picture->columns.first + picture->columns.count - 1, chart->x.count);
    }
}

static void kernel_labels(const Chart *chart, const KernelPicture *picture, const Box *plot, int half, Labels *up,
                          Labels *across) {
    int pitch_y = (int)chart->kernel_rows * picture->dot + 1, pitch_x = (int)chart->kernel_columns * picture->dot + 1;
    int last = -1;
    up->count = across->count = 0;
    for (size_t i = 0; i < picture->rows.count && up->count < TICKS_MAX; i++) {
        int row = ((int)i * pitch_y + (pitch_y - 2) / 2) / half;
        if (row <= last || row >= plot->height) continue;
        last = row;
        up->at[up->count] = plot->height - 1 - row;
        snprintf(up->text[up->count++], TICK_TEXT, "%s", chart->y.names[picture->rows.first + i]);
    }
    for (size_t panel = 0; panel < picture->panels; panel++) {
        const int left = (int)panel * picture->pitch;
        int end = left - 1;
        for (size_t j = 0; j < picture->columns.count && across->count < TICKS_MAX; j++) {
            const char *name = chart->x.names[picture->columns.first + j];
            int column = left + ((int)j * pitch_x + (pitch_x - 2) / 2) * picture->wide, width = text_width(name);
            if (column - width / 2 <= end) continue;
            end = column + width / 2 + 1;
            across->at[across->count] = column;
            snprintf(across->text[across->count++], TICK_TEXT, "%s", name);
        }
    }
}

static void kernel_cursor(Canvas *canvas, const Chart *chart, const ChartView *view, const KernelPicture *picture,
                          const Box *plot, int half) {
    size_t i, j;
    if (!kernel_index(view->cursor, chart->kernel_columns, chart->grid_columns, &j) ||
        !kernel_index(view->cursor_y, chart->kernel_rows, chart->grid_rows, &i)) {
        return;
    }
    size_t kernel_y = i / chart->kernel_rows, kernel_x = j / chart->kernel_columns;
    if (kernel_y < picture->rows.first || kernel_y >= picture->rows.first + picture->rows.count ||
        kernel_x < picture->columns.first || kernel_x >= picture->columns.first + picture->columns.count) {
        return;
    }
    size_t y = (kernel_y - picture->rows.first) * (chart->kernel_rows * (size_t)picture->dot + 1) +
               i % chart->kernel_rows * (size_t)picture->dot;
    size_t x = (kernel_x - picture->columns.first) * (chart->kernel_columns * (size_t)picture->dot + 1) +
               j % chart->kernel_columns * (size_t)picture->dot;
    for (size_t panel = 0; panel < picture->panels; panel++)
        mark_cursor(canvas, plot->x + (int)panel * picture->pitch + (int)x * picture->wide, plot->y + (int)y / half);
}

/* The panels' kernels, `rows` dots down, and their names in the row above. */
static void draw_panels(const Ink *ink, const Chart *chart, const Box *plot, int rows, const KernelPicture *picture) {
    for (size_t i = 0; i < picture->panels; i++) {
        const KernelPanel panel = {picture, i};
        Box box = *plot;
        box.x += (int)i * picture->pitch;
        box.width = plot->x + plot->width - box.x;
        if (i + 1 < picture->panels && box.width > picture->pitch - PANEL_GAP) box.width = picture->pitch - PANEL_GAP;
        put_picture(ink, box, rows, kernel_value, &panel);
        if (chart->panel_count > 0)
            canvas_text(ink->canvas, box.x, plot->y - 1, chart->panels[i], box.width, PLAIN, false);
    }
}

void text_kernels(Canvas *canvas, const Chart *chart, const ChartView *view) {
    Ink ink = {canvas, value_scale(chart), true, false};
    int half = pairs(canvas) ? 2 : 1;
    KernelPicture picture = {.chart = chart, .wide = half == 2 ? 1 : 2};
    Layout layout =
        layout_begin(canvas, chart, view, chart->y.label, chart->x.label, LEAST_PLOT, chart->wrapped ? 0 : PARTS_AXIS);
    Labels up, across, values;
    Str shown = {0};
    labels_up(ink.scale, layout.plot.height, 1, &values);
    int bar = reserve_colour_bar(&ink, &layout, &values);
    if (chart->x.count == 0 || chart->y.count == 0) return;
    int left = text_width(chart->y.names[chart->y.count - 1]) + 2;
    if (layout.plot.width - left < 12) left = 0;
    layout.plot.x += left;
    layout.plot.width -= left;
    if (chart->panel_count > 0 && layout.plot.height > 1) {
        layout.plot.y++;
        layout.plot.height--;
    }
    plan_kernels(chart, view, &layout.plot, half, &picture);
    shown_text(chart, &picture, &shown);
    if (shown.length > 0 && layout.plot.height > 4) {
        layout.plot.height--;
        plan_kernels(chart, view, &layout.plot, half, &picture);
        shown.length = 0;
        shown_text(chart, &picture, &shown);
        if (layout.axis >= 0) layout.axis--;
        if (layout.tick_labels >= 0) layout.tick_labels--;
        int row = layout.x_label >= 0       ? layout.x_label--
                  : layout.tick_labels >= 0 ? layout.tick_labels + 1
                                            : layout.plot.y + layout.plot.height;
        canvas_text(canvas, 0, row, str_text(&shown), (int)canvas->grid.width, PLAIN, false);
    }
    str_done(&shown);
    if (bar >= 0) labels_up(ink.scale, layout.plot.height, 1, &values);
    colour_bar(&ink, chart, &layout, bar, &values);
    kernel_labels(chart, &picture, &layout.plot, half, &up, &across);
    frame(canvas, &layout, &up, &across, left);
    layout_x_label(canvas, &layout, chart->x.label, false);
    int rows = (int)picture.rows.count * ((int)chart->kernel_rows * picture.dot + 1) - 1;
    if (rows > layout.plot.height * half) rows = layout.plot.height * half;
    draw_panels(&ink, chart, &layout.plot, rows, &picture);
    kernel_cursor(canvas, chart, view, &picture, &layout.plot, half);
}
