/* save -- a chart as a file: the extension says which format; drawn in memory, then saved atomically. */
#include "chart/figure.h"

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

bool chart_save(const Chart *chart, const ChartView *view, const char *path, bool overwrite, Error *err) {
    Figure figure = {.chart = chart, .view = view};
    PaintFormat format;
    Str out = {0};
    Contours contours = {0};
    if (!format_of(path, &format)) {
        return error_set(err, STATUS_USAGE, "%s: charts are saved as .svg, .png or .pdf", path);
    }
    /* What can fail for want of memory is done before drawing, which cannot say so. */
    if (view->contours > 0) {
        if (!contours_find(chart, view, &contours, err)) return false;
        figure.contours = &contours;
    }
    bool ok = format == PAINT_SVG ? paint_svg(chart->title, figure_draw, &figure, &out, err)
                                  : paint_cairo(format, chart->title, figure_draw, &figure, &out, err);
    ok = ok && save_text(path, overwrite, str_text(&out), out.length, err);
    str_done(&out);
    contours_done(&contours);
    return ok;
}
