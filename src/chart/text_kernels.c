/* text_kernels -- kernels in cells: square dots, one dot between kernels. */
#include "chart/heat.h"

#include <math.h>
#include <stdio.h>
#include <string.h>

#include "weft/base/text.h"

typedef struct KernelPicture {
    const Chart *chart;
    Span rows, columns; /* kernels shown */
    int dot;            /* dots of the picture for one weight */
    int wide;           /* columns of cells for one dot: 2 where dots are a cell high */
    size_t panels;      /* shown side by side */
    int pitch;          /* columns of cells from one to the next */
} KernelPicture;

/* One panel, as heat_picture draws it. */
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

/* "filters 0-15 of 64", shorter "filters 0-15/64" or "filters 0-15"; one alone is "filter 3 of 64". `what` without s.
 */
static void add_shown(const char *what, Span shown, size_t all, int form, Str *out) {
    static const char *const of[] = {" of ", "/"};
    if (shown.count >= all) return;
    str_addf(out, "%s%s%s %zu", out->length ? ", " : "", what, shown.count == 1 ? "" : "s", shown.first);
    if (shown.count != 1) str_addf(out, "-%zu", shown.first + shown.count - 1);
    if (form < 2) str_addf(out, "%s%zu", of[form], all);
}

/* "filters 0-15 of 64, channels 0-22 of 64", where not all are shown, in the longest form that fits. */
static void shown_text(const Chart *chart, const KernelPicture *picture, size_t width, Str *out) {
    for (int form = 0; form < 3; form++) {
        str_done(out);
        if (picture->panels < kernel_panels(chart))
            str_addf(out, "%zu of %zu panels", picture->panels, chart->panel_count);
        add_shown(chart->wrapped ? "row" : "filter", picture->rows, chart->y.count, form, out);
        add_shown(chart->wrapped ? "column" : "channel", picture->columns, chart->x.count, form, out);
        if (text_columns(str_text(out)) <= width) return;
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
        heat_cursor(canvas, plot->x + (int)panel * picture->pitch + (int)x * picture->wide, plot->y + (int)y / half);
}

/* The panels' kernels, `rows` dots down, and their names in the row above. */
static void draw_panels(const Ink *ink, const Chart *chart, const Box *plot, int rows, const KernelPicture *picture) {
    for (size_t i = 0; i < picture->panels; i++) {
        const KernelPanel panel = {picture, i};
        Box box = *plot;
        box.x += (int)i * picture->pitch;
        box.width = plot->x + plot->width - box.x;
        if (i + 1 < picture->panels && box.width > picture->pitch - PANEL_GAP) box.width = picture->pitch - PANEL_GAP;
        heat_picture(ink, box, rows, kernel_value, &panel);
        if (chart->panel_count > 0)
            canvas_text(ink->canvas, box.x, plot->y - 1, chart->panels[i], box.width, PLAIN, false);
    }
}

/* Where the kernels shown lie. */
static void note_plot(Canvas *canvas, const Chart *chart, const KernelPicture *picture, const Box *box, int half) {
    const int down = (int)chart->kernel_rows * picture->dot + 1, across = (int)chart->kernel_columns * picture->dot + 1;
    canvas_plot(canvas, box);
    ChartPlot *plot = &canvas->grid.plot;
    plot->left = (double)picture->columns.first;
    plot->top = (double)picture->rows.first;
    plot->across = 1.0 / (across * picture->wide);
    plot->down = (double)half / down;
    plot->shown_across = picture->columns.count;
    plot->shown_down = picture->rows.count;
    plot->gap_across = 1.0 / across;
    plot->gap_down = 1.0 / down;
    plot->pitch = picture->panels > 1 ? picture->pitch : 0;
}

void text_kernels(Canvas *canvas, const Chart *chart, const ChartView *view) {
    Ink ink = {canvas, value_scale(chart), true, false};
    int half = heat_pairs(canvas) ? 2 : 1;
    KernelPicture picture = {.chart = chart, .wide = half == 2 ? 1 : 2};
    Layout layout =
        layout_begin(canvas, chart, view, chart->y.label, chart->x.label, LEAST_PLOT, chart->wrapped ? 0 : PARTS_AXIS);
    Labels up, across, values;
    Str shown = {0};
    labels_up(ink.scale, layout.plot.height, 1, &values);
    int bar = heat_reserve_bar(&ink, &layout, &values);
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
    shown_text(chart, &picture, canvas->grid.width, &shown);
    if (shown.length > 0 && layout.plot.height > 4) {
        layout.plot.height--;
        plan_kernels(chart, view, &layout.plot, half, &picture);
        shown_text(chart, &picture, canvas->grid.width, &shown);
        if (layout.axis >= 0) layout.axis--;
        if (layout.tick_labels >= 0) layout.tick_labels--;
        int row = layout.x_label >= 0       ? layout.x_label--
                  : layout.tick_labels >= 0 ? layout.tick_labels + 1
                                            : layout.plot.y + layout.plot.height;
        canvas_text(canvas, 0, row, str_text(&shown), (int)canvas->grid.width, PLAIN, false);
    }
    str_done(&shown);
    if (bar >= 0) labels_up(ink.scale, layout.plot.height, 1, &values);
    heat_bar(&ink, chart, &layout, bar, &values);
    kernel_labels(chart, &picture, &layout.plot, half, &up, &across);
    heat_frame(canvas, &layout, &up, &across, left);
    layout_x_label(canvas, &layout, chart->x.label, false);
    note_plot(canvas, chart, &picture, &layout.plot, half);
    int rows = (int)picture.rows.count * ((int)chart->kernel_rows * picture.dot + 1) - 1;
    if (rows > layout.plot.height * half) rows = layout.plot.height * half;
    draw_panels(&ink, chart, &layout.plot, rows, &picture);
    kernel_cursor(canvas, chart, view, &picture, &layout.plot, half);
}
