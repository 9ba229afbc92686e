/* text -- a chart as a grid of character cells. */
#include "chart/canvas.h"

#include "weft/base/error.h"
#include "weft/base/memory.h"
#include "weft/base/text.h"

/* Larger than any terminal; keeps products of sizes small. */
enum { GRID_SIDE_MAX = 4096 };

static bool draw_chart(Canvas *canvas, const Chart *chart, const ChartView *view, Error *err) {
    switch (chart->encoding.kind) {
    case CHART_BARS:
        text_bars(canvas, chart, view);
        return true;
    case CHART_LINES:
    case CHART_HISTOGRAM:
    case CHART_SCATTER:
        return text_lines(canvas, chart, view, err);
    case CHART_HEATMAP:
        return text_heatmap(canvas, chart, view, err);
    case CHART_KERNELS:
        text_kernels(canvas, chart, view);
        return true;
    case CHART_PICTURES:
        text_pictures(canvas, chart);
        return true;
    }
    return true;
}

bool chart_grid(const Chart *chart, const ChartView *view, unsigned width, unsigned height, bool ascii,
                ChartColours colours, ChartGrid *out, Error *err) {
    Canvas canvas = {.grid = {.width = width < 1 ? 1 : width, .height = height < 1 ? 1 : height},
                     .ascii = ascii,
                     .colours = colours};
    if (canvas.grid.width > GRID_SIDE_MAX) canvas.grid.width = GRID_SIDE_MAX;
    if (canvas.grid.height > GRID_SIDE_MAX) canvas.grid.height = GRID_SIDE_MAX;
    size_t count = (size_t)canvas.grid.width * canvas.grid.height;
    canvas.grid.cells = mem_alloc(count, sizeof(ChartCell), err);
    if (!canvas.grid.cells) return false;
    for (size_t i = 0; i < count; i++) {
        canvas.grid.cells[i] = (ChartCell){.glyph = " ", .foreground = PLAIN, .background = PLAIN};
    }
    if (!draw_chart(&canvas, chart, view, err)) {
        chart_grid_done(&canvas.grid);
        return false;
    }
    *out = canvas.grid;
    return true;
}

/* ---- height ------------------------------------------------------------------------------------------------------ */

enum { COMPACT = 14, COMPACT_MOST = 44 };

static unsigned between(size_t value, unsigned low, unsigned high) {
    return value < low ? low : value > high ? high : (unsigned)value;
}

unsigned chart_height(const Chart *chart, unsigned width) {
    ChartView view = chart_view(chart);
    size_t title = *chart->title ? 1 : 0, series = chart->series_count, rows = chart->x.count;
    Str note = {0};
    chart_footnote(chart, &view, &note);
    size_t frame = title + 3 + (note.length > 0);
    str_done(&note);
    if (chart->encoding.kind == CHART_BARS) {
        rows = rows * series + (series > 1 && rows > 0 ? rows - 1 : 0);
        bool in_rows = rows > 0 && chart->x.count <= 40 && rows <= 40 && width >= 24;
        return in_rows ? between(rows + frame, 4, COMPACT_MOST) : COMPACT;
    }
    if (chart->encoding.kind == CHART_HEATMAP && chart->y.category) {
        return between(chart->y.count * (chart->y.count <= 8 ? 2 : 1) + frame + 1, 8, 40);
    }
    if (chart->encoding.kind == CHART_HEATMAP) return COMPACT + 4;
    if (chart->encoding.kind == CHART_PICTURES) return pictures_height(chart, width);
    if (chart->encoding.kind == CHART_KERNELS) {
        return between(chart->y.count * (chart->kernel_rows + 1) + frame + 1 + (chart->panel_count > 0), 8, 40);
    }
    return COMPACT + 2;
}

unsigned chart_height_least(const Chart *chart, unsigned width) {
    enum { ROWS_OF_BARS = 15, OTHERS = 10 };
    const unsigned natural = chart_height(chart, width);
    const unsigned least = chart->encoding.kind == CHART_BARS && natural <= ROWS_OF_BARS ? natural : OTHERS;
    return natural < least ? natural : least;
}
