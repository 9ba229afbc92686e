/* figure_pictures -- images with captions on paper. */
#include <math.h>

#include "chart/figure.h"
#include "chart/pictures.h"

#define SEAM 0.4

enum { BLOCKS_MOST = 160, GAP = 14, LINE = 16, LARGEST = 420 };

typedef struct Sheet {
    size_t across, lines;
    double width, height; /* of a picture */
} Sheet;

/* Narrower pictures have longer captions, which leave less room: until neither changes. */
static Sheet sheet_of(const Figure *figure, size_t across) {
    const Chart *chart = figure->chart;
    const size_t down = (chart->panel_count + across - 1) / across;
    const double shape = (double)chart->grid_rows / (double)chart->grid_columns;
    Sheet sheet = {.across = across};
    sheet.width = fmin((figure->plot.width - (double)(across - 1) * GAP) / (double)across, LARGEST);
    for (size_t before = CAPTION_LINES + 1; before != sheet.lines;) {
        before = sheet.lines;
        sheet.lines = captions_lines(chart, sheet.width, note_advance);
        const double room = (figure->plot.height + GAP) / (double)down - GAP - (double)sheet.lines * LINE - 4;
        sheet.width = fmax(fmin(sheet.width, room / shape), 1);
    }
    sheet.height = sheet.width * shape;
    return sheet;
}

/* The arrangement with the largest pictures. */
static Sheet best_sheet(const Figure *figure) {
    const size_t count = figure->chart->panel_count, asked = figure->chart->encoding.across;
    const size_t step = asked == 0 ? 1 : asked < count ? asked : count;
    Sheet best = sheet_of(figure, step);
    for (size_t across = 2 * step; across < count + step; across += step) {
        const Sheet sheet = sheet_of(figure, across);
        if (sheet.width > best.width) best = sheet;
    }
    return best;
}

static Rgb block_colour(const Chart *chart, size_t picture, size_t row, size_t column, size_t each) {
    double sum[3] = {0}, count = 0;
    for (size_t i = row; i < row + each && i < chart->grid_rows; i++) {
        for (size_t j = column; j < column + each && j < chart->grid_columns; j++, count++) {
            const uint8_t *pixel = chart->colours + 3 * ((picture * chart->grid_rows + i) * chart->grid_columns + j);
            for (size_t c = 0; c < 3; c++) sum[c] += pixel[c];
        }
    }
    return (Rgb){(uint8_t)lround(sum[0] / count), (uint8_t)lround(sum[1] / count), (uint8_t)lround(sum[2] / count)};
}

static void draw_pixels(const Figure *figure, size_t picture, Frame frame) {
    const Chart *chart = figure->chart;
    const size_t side = chart->grid_rows > chart->grid_columns ? chart->grid_rows : chart->grid_columns;
    const size_t each = (side + BLOCKS_MOST - 1) / BLOCKS_MOST;
    const double pixel = frame.width / (double)chart->grid_columns;
    figure->paint->ops->clip(figure->paint, frame);
    for (size_t i = 0; i < chart->grid_rows; i += each) {
        for (size_t j = 0; j < chart->grid_columns; j += each) {
            const Frame block = {frame.x + (double)j * pixel, frame.y + (double)i * pixel, pixel * (double)each + SEAM,
                                 pixel * (double)each + SEAM};
            figure->paint->ops->rectangle(figure->paint, block, block_colour(chart, picture, i, j, each));
        }
    }
    figure->paint->ops->unclip(figure->paint);
}

void figure_pictures(Figure *figure) {
    const Chart *chart = figure->chart;
    if (chart->panel_count == 0 || chart->grid_columns == 0) return;
    const Sheet sheet = best_sheet(figure);
    const double pitch = sheet.height + 4 + (double)sheet.lines * LINE + GAP;
    const size_t down = (chart->panel_count + sheet.across - 1) / sheet.across;
    figure->spare = fmax(figure->plot.height + GAP - (double)down * pitch, 0);
    for (size_t i = 0; i < chart->panel_count; i++) {
        const Frame frame = {figure->plot.x + (double)(i % sheet.across) * (sheet.width + GAP),
                             figure->plot.y + (double)(i / sheet.across) * pitch, sheet.width, sheet.height};
        Caption caption;
        draw_pixels(figure, i, frame);
        caption_split(chart->panels[i], sheet.width, note_advance, &caption);
        for (size_t line = 0; line < caption.count; line++)
            figure_fitted(figure, frame.x, frame.y + frame.height + (double)(line + 1) * LINE, caption.line[line],
                          sheet.width, (TextStyle){.size = FIGURE_NOTE, .colour = figure_ink});
    }
}
