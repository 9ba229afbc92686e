/* save -- a chart as a file: the extension says which format; drawn in memory, then saved atomically. */
#include "chart/figure.h"

#include <math.h>
#include <string.h>
#include <strings.h>

#include "weft/base/error.h"
#include "weft/base/save.h"
#include "weft/base/text.h"

static bool format_of(const char *path, PaintFormat *format) {
    static const char *const extensions[] = {".svg", ".png", ".pdf"};
    const char *base = strrchr(path, '/'), *dot;
    base = base ? base + 1 : path;
    dot = strrchr(base, '.');
    for (int i = 0; dot && dot > base && i < 3; i++) {
        if (strcasecmp(dot, extensions[i]) == 0) {
            *format = (PaintFormat)i;
            return true;
        }
    }
    return false;
}

const FileForm *file_form(const char *path) {
    static const FileForm forms[] = {{".svg", true, 0},
                                     {".png", true, 0},
                                     {".pdf", true, 0},
                                     {".csv", false, TABLE_CSV},
                                     {".tsv", false, TABLE_TSV},
                                     {".json", false, TABLE_JSON},
                                     {".md", false, TABLE_MARKDOWN},
                                     {".txt", false, TABLE_TEXT}};
    for (size_t i = 0; i < sizeof forms / sizeof *forms; i++)
        if (text_ends_with(path, forms[i].extension)) return &forms[i];
    return NULL;
}

#define UNIT 0.01 /* inches, with the default font */

enum { LEAST_WIDTH = 300, LEAST_HEIGHT = 200, PIXELS_MOST = 30000 };

static double or_usual(double value, double usual) {
    return value > 0 ? value : usual;
}

static bool make_page(const ChartPage *asked, PaintFormat format, Page *page, Error *err) {
    static const ChartPage usual = {10, 6, 200, 10.8};
    const ChartPage *given = asked ? asked : &usual;
    const double width = or_usual(given->width, usual.width), height = or_usual(given->height, usual.height);
    const double font = or_usual(given->font, usual.font);
    page->dpi = or_usual(given->dpi, usual.dpi);
    page->unit = UNIT * font / usual.font;
    page->width = width / page->unit;
    page->height = height / page->unit;
    if (!(width <= 100 && height <= 100)) {
        return error_set(err, STATUS_USAGE, "chart: a picture of %g x %g inches; at most 100 x 100", width, height);
    }
    if (!(page->width >= LEAST_WIDTH && page->height >= LEAST_HEIGHT)) {
        return error_set(err, STATUS_USAGE,
                         "chart: %.3g x %.3g inches are too small for a font of %g points; at least %.3g x %.3g", width,
                         height, font, LEAST_WIDTH * page->unit, LEAST_HEIGHT * page->unit);
    }
    if (paint_has_pixels(format) && fmax(width, height) * page->dpi > PIXELS_MOST) {
        return error_set(err, STATUS_USAGE, "chart: %.0f x %.0f pixels; at most %d on a side", width * page->dpi,
                         height * page->dpi, PIXELS_MOST);
    }
    return true;
}

/* Kernels and pictures are as high as they are: a page whose height nobody has asked for ends below them. */
static void trim_page(const ChartPage *asked, Figure *figure) {
    const ChartKind kind = figure->chart->encoding.kind;
    double left_over = 0;
    if ((asked && asked->height > 0) || (kind != CHART_KERNELS && kind != CHART_PICTURES)) return;
    figure->left_over = &left_over;
    paint_nothing(figure_draw, figure);
    figure->left_over = NULL;
    figure->page.height = fmax(ceil(figure->page.height - left_over), LEAST_HEIGHT);
}

bool figure_bytes(const Chart *chart, const ChartView *view, const ChartPage *page, PaintFormat format, Str *out,
                  Error *err) {
    Figure figure = {.chart = chart, .view = view};
    Contours contours = {0};
    if (!make_page(page, format, &figure.page, err)) return false;
    /* What can fail for want of memory is done before drawing, which cannot say so. */
    if (view->contours > 0) {
        if (!contours_find(chart, view, &contours, err)) return false;
        figure.contours = &contours;
    }
    trim_page(page, &figure);
    bool ok = format == PAINT_SVG ? paint_svg(figure.page, chart->title, figure_draw, &figure, out, err)
                                  : paint_cairo(format, figure.page, chart->title, figure_draw, &figure, out, err);
    contours_done(&contours);
    return ok;
}

bool chart_bytes(const Chart *chart, const ChartView *view, const ChartPage *page, const char *path, Str *out,
                 Error *err) {
    PaintFormat format;
    if (!format_of(path, &format)) {
        return error_set(err, STATUS_USAGE, "%s: charts are saved as .svg, .png or .pdf", path);
    }
    return figure_bytes(chart, view, page, format, out, err);
}

bool chart_save(const Chart *chart, const ChartView *view, const ChartPage *page, const char *path, bool overwrite,
                Error *err) {
    Str out = {0};
    bool ok =
        chart_bytes(chart, view, page, path, &out, err) && save_text(path, overwrite, str_text(&out), out.length, err);
    str_done(&out);
    return ok;
}
