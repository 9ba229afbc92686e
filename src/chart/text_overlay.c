/* text_overlay -- overlays of a plot in cells: marked points with their labels, and contour lines. */
#include "chart/canvas.h"

#include <math.h>
#include <string.h>

#include "weft/base/error.h"
#include "weft/base/memory.h"

/* ---- marks ------------------------------------------------------------------------------------------------------- */

/* A label has a blank on either side. */
size_t text_marks_place(const Chart *chart, const Box *plot, MarkCell *at, SpotHides *hides, const void *context,
                        MarkSpot out[CHART_MARKS_MAX]) {
    SpotSizes sizes = {plot->width, plot->height, 1, 0.5, 0.5};
    size_t count = 0;
    for (unsigned m = 0; m < chart->encoding.mark_count; m++) {
        int column, row;
        if (!at(context, m, &column, &row)) continue;
        int width = text_width(chart->mark_label[m]);
        out[count++] = (MarkSpot){column + 0.5, row + 0.5, {0, 0, width > 0 ? width + 2 : 0, 1}, m};
    }
    spots_marks(out, count, sizes, hides, context);
    return count;
}

void text_marks(Canvas *canvas, const Chart *chart, const Box *plot, const MarkSpot *marks, size_t count,
                bool on_colours) {
    const bool many = canvas_shaded(canvas);
    const int ink = !on_colours ? PLAIN
                    : many      ? canvas_ink(canvas, true)
                                : 7,
              paper = !on_colours ? PLAIN
                      : many      ? canvas_ink(canvas, false)
                                  : 0;
    for (int pass = 0; pass < 2; pass++) { /* labels, then points, which nothing may hide */
        for (size_t i = 0; i < count; i++) {
            const Spot *label = &marks[i].label;
            int x = plot->x + (int)floor(pass ? marks[i].x : label->x);
            int y = plot->y + (int)floor(pass ? marks[i].y : label->y);
            int width = pass ? 1 : (int)label->width;
            for (int c = 0; c < width; c++) {
                canvas_put(canvas, x + c, y, " ", " ", ink);
                ChartCell *cell = canvas_cell(canvas, x + c, y);
                if (cell) cell->background = paper;
            }
            if (pass) canvas_put(canvas, x, y, "◆", "X", ink);
            ChartCell *point = pass ? canvas_cell(canvas, x, y) : NULL;
            if (point) point->bold = true;
            if (!pass && width > 0)
                canvas_text(canvas, x + 1, y, chart->mark_label[marks[i].mark], width - 2, ink, false);
        }
    }
}

/* ---- contours ---------------------------------------------------------------------------------------------------- */

/* All lines as dots, and which level owns a cell. */
static void collect_dots(Pen *pen, const Contours *contours) {
    for (size_t p = 0; p < contours->path_count; p++) {
        const ContourPath *path = &contours->paths[p];
        pen->name = (uint8_t)path->level;
        for (size_t i = path->first + 1; i < path->first + path->count; i++) {
            Place a = contours->places[i - 1], b = contours->places[i];
            pen_segment(pen, scale_fraction(pen->x, a.x), scale_fraction(pen->y, a.y), scale_fraction(pen->x, b.x),
                        scale_fraction(pen->y, b.y));
        }
    }
}

static void put_lines(const Pen *pen, const Contours *contours, ContourStyle style) {
    const Box *plot = &pen->plot;
    for (int y = 0; y < plot->height; y++) {
        for (int x = 0; x < plot->width; x++) {
            size_t cell = (size_t)y * (size_t)plot->width + (size_t)x;
            char glyph[4], letter[2] = {0};
            if (!pen->owner[cell]) continue;
            unsigned level = pen->owner[cell] - 1u;
            letter[0] = (char)('a' + level);
            braille(pen->dots[cell], glyph);
            canvas_put(pen->canvas, plot->x + x, plot->y + y, glyph, letter,
                       style.ready(style.context, x, y, contours->level[level]));
        }
    }
}

static void put_labels(const Pen *pen, const Contours *contours, const MarkSpot *marks, size_t mark_count,
                       ContourStyle style) {
    const Box *plot = &pen->plot;
    LevelSpot spots[LEVEL_SPOTS_MAX];
    char text[CHART_CONTOURS_MAX][TICK_TEXT];
    double widths[CHART_CONTOURS_MAX];
    for (unsigned l = 0; l < contours->level_count; l++) {
        const char letter[2] = {(char)('a' + l), '\0'};
        memcpy(text[l], contours->label[l], TICK_TEXT);
        if (style.letters) memcpy(text[l], letter, 2);
        widths[l] = text_width(text[l]);
    }
    SpotSizes sizes = {plot->width, plot->height, 1, 0.5, 0.5};
    size_t count = spots_levels(contours, pen->x, pen->y, sizes, widths, marks, mark_count, spots);
    for (size_t i = 0; i < count; i++) {
        const Spot *spot = &spots[i].spot; /* its middle goes where the line has its dots */
        int width = (int)spot->width;
        int x = pen_x(pen, (spot->x + spot->width / 2) / plot->width) / pen->across - width / 2;
        int y = pen_y(pen, 1 - (spot->y + 0.5) / plot->height) / pen->down;
        if (x < 0 || x + width > plot->width || y < 0 || y >= plot->height) continue;
        for (int c = 0; c < width; c++) {
            char glyph[2] = {text[spots[i].level][c], '\0'};
            canvas_put(pen->canvas, plot->x + x + c, plot->y + y, glyph, glyph,
                       style.ready(style.context, x + c, y, contours->level[spots[i].level]));
            ChartCell *cell = canvas_cell(pen->canvas, plot->x + x + c, plot->y + y);
            if (cell) cell->bold = true;
        }
    }
}

bool text_contours(Canvas *canvas, const Chart *chart, const ChartView *view, const Box *plot, const MarkSpot *marks,
                   size_t mark_count, ContourStyle style, Error *err) {
    Pen pen = {.canvas = canvas,
               .plot = *plot,
               .across = canvas->ascii ? 1 : 2,
               .down = canvas->ascii ? 1 : 4,
               .x = view_x(chart, view),
               .y = view_y(chart, view)};
    size_t cells = (size_t)plot->width * (size_t)plot->height;
    Contours contours;
    if (!contours_find(chart, view, &contours, err)) return false;
    pen.dots = mem_alloc(cells, 1, err);
    pen.owner = pen.dots ? mem_alloc(cells, 1, err) : NULL;
    bool ok = pen.owner != NULL;
    if (ok) {
        collect_dots(&pen, &contours);
        put_lines(&pen, &contours, style);
        if (!canvas->ascii) put_labels(&pen, &contours, marks, mark_count, style);
    }
    mem_free(pen.dots);
    mem_free(pen.owner);
    contours_done(&contours);
    return ok;
}
