/* text_parts -- titles, legends and axes of text charts. */
#include "chart/canvas.h"

#include <math.h>
#include <stdio.h>
#include <string.h>

#include "weft/base/text.h"

/* ---- legend ------------------------------------------------------------------------------------------------------ */

enum { LEGEND_GAP = 3 };

static LegendRule legend_rule(const Canvas *canvas, int x, int most) {
    return (LegendRule){.start = x,
                        .right = canvas->grid.width,
                        .swatch = 2,
                        .gap = LEGEND_GAP,
                        .most = most > 0 ? (unsigned)most : 0,
                        .advance = cells_wide};
}

int legend_width(const Canvas *canvas, const Chart *chart) {
    const LegendRule rule = legend_rule(canvas, 0, 1);
    return (int)legend_length(chart, &rule);
}

int draw_legend(Canvas *canvas, const Chart *chart, const ChartView *view, int x, int y, int most, bool fills) {
    const LegendRule rule = legend_rule(canvas, x, most);
    const Legend legend = legend_place(chart, &rule);
    int right = (int)canvas->grid.width;
    for (size_t s = 0; s < legend.shown; s++) {
        int left = (int)legend.x[s], row = y + (int)legend.row[s];
        const char *glyph = fills ? series_fill(canvas, s) : series_mark(canvas, s);
        canvas_put(canvas, left, row, glyph, glyph, canvas_series_colour(canvas, s));
        canvas_text(canvas, left + 2, row, chart->series[s].name, right - left - 2, PLAIN, view->series == (int)s);
    }
    if (legend.shown < chart->series_count) {
        int left = (int)legend.more_x;
        canvas_text(canvas, left, y + (int)legend.rows - 1, legend.more, right - left, PLAIN, false);
    }
    return (int)legend.rows;
}

/* ---- labels ------------------------------------------------------------------------------------------------------ */

int cell_of(double fraction, int cells, int parts) {
    if (!(fraction >= -1)) fraction = -1;
    if (fraction > 2) fraction = 2;
    int part = (int)floor(fraction * (cells * parts - 1) + 0.5);
    return part < 0 ? -1 : part / parts;
}

int labels_width(const Labels *labels) {
    int width = 0;
    for (size_t i = 0; i < labels->count; i++) {
        if (text_width(labels->text[i]) > width) width = text_width(labels->text[i]);
    }
    return width;
}

static void from_ticks(const Ticks *ticks, Scale scale, int cells, int parts, Labels *out) {
    out->count = ticks->count;
    for (size_t i = 0; i < ticks->count; i++) {
        out->at[i] = cell_of(scale_fraction(scale, ticks->at[i]), cells, parts);
        memcpy(out->text[i], ticks->label[i], TICK_TEXT);
    }
}

/* Whether every two neighbours, centred on their places, leave `gap` columns between them. */
static bool apart(const Labels *labels, int gap) {
    for (size_t i = 1; i < labels->count; i++) {
        int left = text_width(labels->text[i - 1]), right = text_width(labels->text[i]);
        if (labels->at[i] - labels->at[i - 1] < (left + right + 1) / 2 + gap) return false;
    }
    return true;
}

typedef struct Cells {
    Scale scale;
    int cells, parts;
} Cells;

static double place_in_cells(const void *context, double value) {
    const Cells *cells = context;
    return cell_of(scale_fraction(cells->scale, value), cells->cells, cells->parts);
}

static double half_of(const char *text) {
    return text_width(text) / 2.0;
}

void labels_across(Scale scale, int cells, int parts, Labels *out) {
    const Cells context = {scale, cells, parts};
    const int most = cells / 6 + 1;
    const TickRule rule = {.most = most > 12  ? 12
                                   : most > 0 ? (size_t)most
                                              : 0,
                           .gap = 2,
                           .half = half_of,
                           .place = place_in_cells,
                           .context = &context,
                           .length = 1};
    Ticks ticks;
    ticks_apart(scale, &rule, &ticks);
    from_ticks(&ticks, scale, cells, parts, out);
}

void labels_up(Scale scale, int cells, int parts, Labels *out) {
    Ticks ticks;
    int most = cells <= 2 ? 1 : cells <= 5 ? 3 : cells / 3 + 1;
    ticks_upright(scale, cells, 1, (size_t)(most > 11 ? 11 : most), &ticks);
    from_ticks(&ticks, scale, cells, parts, out);
}

/* At most TICK_TEXT - 1 bytes, whole characters only. */
static void copy_name(char out[TICK_TEXT], const char *name) {
    size_t length = strnlen(name, TICK_TEXT - 1);
    while (length > 0 && ((unsigned char)name[length] & 0xc0) == 0x80) length--;
    memcpy(out, name, length);
    out[length] = '\0';
}

static size_t next_step(size_t step) {
    size_t power = 1;
    while (power * 10 <= step) power *= 10;
    return step / power == 1 ? 2 * power : step / power == 2 ? 5 * power : 10 * power;
}

/* Every step-th category in view; false where they are more than TICKS_MAX. */
static bool name_labels(const Axis *axis, Scale scale, int cells, size_t step, bool indices, Labels *out) {
    size_t first = (size_t)fmax(ceil(scale.low), 0), skip = first % step;
    out->count = 0;
    for (size_t i = skip ? first + step - skip : first; i < axis->count && (double)i <= scale.high; i += step) {
        if (out->count == TICKS_MAX) return false;
        double left = scale_fraction(scale, (double)i);
        out->at[out->count] = (int)floor(left * cells);
        if (indices)
            snprintf(out->text[out->count], TICK_TEXT, "%zu", i);
        else
            copy_name(out->text[out->count], axis->names[i]);
        out->count++;
    }
    return true;
}

bool labels_names(const Axis *axis, Scale scale, int cells, Labels *out) {
    size_t visible = (size_t)fmin(scale.high - scale.low + 1, (double)axis->count);
    for (int indices = 0; indices < 2; indices++) {
        for (size_t step = 1; step <= 2 * visible + 1; step = next_step(step)) {
            if (!name_labels(axis, scale, cells, step, indices, out) || !apart(out, 1)) continue;
            if (indices || out->count >= 4 || out->count == visible) return indices;
            break;
        }
    }
    return true;
}

/* ---- axes -------------------------------------------------------------------------------------------------------- */

void draw_axis_across(Canvas *canvas, const Labels *labels, int x, int y, int cells) {
    int width = (int)canvas->grid.width, end = -1;
    for (int i = 0; i < cells; i++) canvas_put(canvas, x + i, y, "─", "-", PLAIN);
    for (size_t i = 0; i < labels->count; i++) {
        if (labels->at[i] < 0 || labels->at[i] >= cells) continue;
        int columns = text_width(labels->text[i]), left = x + labels->at[i] - (columns - 1) / 2;
        canvas_put(canvas, x + labels->at[i], y, "┬", "+", PLAIN);
        if (left + columns > width) left = width - columns;
        if (left < 0) left = 0;
        if (left <= end) continue; /* pushed inwards by the edge, onto its neighbour */
        end = left + canvas_text(canvas, left, y + 1, labels->text[i], width - left, PLAIN, false);
    }
}

void draw_axis_up(Canvas *canvas, const Labels *labels, int x, int y, int cells, int text_columns) {
    for (int i = 0; i < cells; i++) canvas_put(canvas, x, y + i, "│", "|", PLAIN);
    for (size_t i = 0; i < labels->count; i++) {
        int row = y + cells - 1 - labels->at[i];
        if (labels->at[i] < 0 || labels->at[i] >= cells) continue;
        canvas_put(canvas, x, row, "┤", "+", PLAIN);
        canvas_right(canvas, x - 1, row, labels->text[i], text_columns, PLAIN);
    }
}

void draw_axis_right(Canvas *canvas, const Labels *labels, int x, int y, int cells) {
    for (int i = 0; i < cells; i++) canvas_put(canvas, x, y + i, "│", "|", PLAIN);
    for (size_t i = 0; i < labels->count; i++) {
        int row = y + cells - 1 - labels->at[i];
        if (labels->at[i] < 0 || labels->at[i] >= cells) continue;
        canvas_put(canvas, x, row, "├", "+", PLAIN);
        canvas_text(canvas, x + 2, row, labels->text[i], (int)canvas->grid.width - x - 2, PLAIN, false);
    }
}

/* ---- layout ------------------------------------------------------------------------------------------------------ */

/* Label and legend in one row where they fit, else the legend in rows of its own, `spare` rows at most in all. */
static int draw_header(Canvas *canvas, const Chart *chart, const ChartView *view, const char *label, bool fills,
                       bool legend, int y, int spare) {
    int width = (int)canvas->grid.width, start = 0;
    int most = spare < 1 + (int)canvas->grid.height / 6 ? spare : 1 + (int)canvas->grid.height / 6;
    int used = canvas_text(canvas, 0, y, label, width, PLAIN, false);
    if (!legend || chart->series_count < 2) return used > 0 ? 1 : 0;
    if (used > 0) start = used + LEGEND_GAP;
    int right = chart->y2.label ? text_width(chart->y2.label) + LEGEND_GAP : 0;
    bool one_row = start + legend_width(canvas, chart) + right <= width;
    bool labelled = right > 0 && (one_row || (most > 1 && start + right <= width));
    if (labelled) canvas_right(canvas, width, y, chart->y2.label, width, PLAIN);
    if ((start > 0 || labelled) && !one_row && most > 1) {
        return 1 + draw_legend(canvas, chart, view, 0, y + 1, most - 1, fills);
    }
    return draw_legend(canvas, chart, view, start, y, most, fills);
}

Layout layout_begin(Canvas *canvas, const Chart *chart, const ChartView *view, const char *label, const char *x_label,
                    int least, unsigned parts) {
    int width = (int)canvas->grid.width, top = 0, bottom = (int)canvas->grid.height;
    Layout layout = {-1, -1, -1, -1, 0, {0}};
    Str note = {0};
    if (*chart->title && bottom - top - 1 >= least) canvas_text(canvas, 0, top++, chart->title, width, PLAIN, true);
    bool axis = (parts & PARTS_AXIS) && bottom - top - 2 >= least;
    if (axis) bottom -= 2;
    chart_footnote(chart, view, &note);
    bool footnote = note.length > 0 && bottom - top - 1 >= least;
    if (footnote) bottom--;
    if (footnote)
        layout.footnote = canvas_text(canvas, 0, (int)canvas->grid.height - 1, str_text(&note), width, PLAIN, false);
    str_done(&note);
    if (bottom - top - 1 >= least) {
        bool legend = parts & (PARTS_MARKS | PARTS_FILLS);
        layout.header = top;
        top += draw_header(canvas, chart, view, label, parts & PARTS_FILLS, legend, top, bottom - top - least);
        if (top == layout.header) layout.header = -1;
    }
    bool label_below = *x_label && bottom - top - 1 >= least;
    if (label_below) bottom--;
    layout.plot = (Box){0, top, width, bottom - top};
    if (axis) {
        layout.axis = bottom;
        layout.tick_labels = bottom + 1;
    }
    if (label_below) layout.x_label = bottom + (axis ? 2 : 0);
    return layout;
}

void layout_equal(Layout *layout, const Chart *chart, Scale x, Scale y) {
    Box *plot = &layout->plot;
    if (!axes_equal(chart, x, y) || plot->width < 1 || plot->height < 1) return;
    const double across = scale_span(x), down = scale_span(y);
    const double side = fmin(plot->width / 2.0 / across, plot->height / down);
    const int height = (int)fmax(floor(side * down + 0.5), 1);
    plot->width = (int)fmin(fmax(floor(2 * side * across + 0.5), 1), plot->width);
    if (height >= plot->height) return;
    plot->y += plot->height - height;
    plot->height = height;
}

void layout_x_label(Canvas *canvas, const Layout *layout, const char *label, bool indices) {
    static const char *const suffix = " (index)";
    const Box *plot = &layout->plot;
    int width = text_width(label) + (indices ? text_width(suffix) : 0), left = plot->x + (plot->width - width) / 2;
    if (layout->x_label < 0) return;
    if (left + width > (int)canvas->grid.width) left = (int)canvas->grid.width - width;
    if (left < 0) left = 0;
    left += canvas_text(canvas, left, layout->x_label, label, (int)canvas->grid.width - left, PLAIN, false);
    if (indices) canvas_text(canvas, left, layout->x_label, suffix, (int)canvas->grid.width - left, PLAIN, false);
}
