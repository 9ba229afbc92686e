/* text_pictures -- images with captions, in rows of cells. */
#include <math.h>
#include <stdio.h>

#include "chart/canvas.h"
#include "chart/pictures.h"

enum { GAP = 2, LEAST = 25, SMALLEST = 8 }; /* cells: between pictures, wide, and at any price */

/* Pictures in a row, and a picture's cells without its caption. */
typedef struct Sheet {
    int across, width, height, caption;
} Sheet;

/* `each`: cells that a pixel is wide. A cell is twice as high as it is wide. */
static Sheet sheet_of(const Chart *chart, int across, int width, int each) {
    const int natural = (int)chart->grid_columns * each;
    Sheet sheet = {.across = across, .width = (width - (across - 1) * GAP) / across};
    if (sheet.width > natural) sheet.width = natural;
    if (sheet.width < each) sheet.width = each;
    sheet.width -= sheet.width % each;
    sheet.height = (int)lround((double)sheet.width * (double)chart->grid_rows / (double)chart->grid_columns / 2);
    if (sheet.height < 1) sheet.height = 1;
    sheet.caption = (int)captions_lines(chart, sheet.width, cells_wide);
    return sheet;
}

static int rows_of(const Chart *chart, const Sheet *sheet) {
    return ((int)chart->panel_count + sheet->across - 1) / sheet->across;
}

static int height_of(const Chart *chart, const Sheet *sheet) {
    return rows_of(chart, sheet) * (sheet->height + sheet->caption + 1) - 1;
}

/* As many in a row as fit at their own size or at LEAST; where a number is asked for, a multiple of it. */
static Sheet usual_sheet(const Chart *chart, int width, int each) {
    const int count = (int)chart->panel_count, natural = (int)chart->grid_columns * each;
    const int step = chart->encoding.across > 0 ? (int)chart->encoding.across : 1;
    int across = (width + GAP) / ((natural < LEAST ? natural : LEAST) + GAP) / step * step;
    if (across < step) across = step;
    if (across > count) across = count;
    while (across > 1 && (width - (across - 1) * GAP) / across < SMALLEST) across--;
    return sheet_of(chart, across, width, each);
}

/* Smaller ones, where there is no room for all. */
static Sheet fitting_sheet(const Chart *chart, int width, int height, int each) {
    const int step = chart->encoding.across > 0 ? (int)chart->encoding.across : 1;
    Sheet sheet = usual_sheet(chart, width, each);
    while (sheet.across < (int)chart->panel_count && height_of(chart, &sheet) > height) {
        const Sheet next = sheet_of(chart, sheet.across + step, width, each);
        if (next.width < SMALLEST) break;
        sheet = next;
    }
    return sheet;
}

unsigned pictures_height(const Chart *chart, unsigned width) {
    if (chart->panel_count == 0 || chart->grid_columns == 0) return 1;
    const Sheet shaded = usual_sheet(chart, (int)width, 2), halves = usual_sheet(chart, (int)width, 1);
    const int a = height_of(chart, &shaded), b = height_of(chart, &halves);
    return (unsigned)(a > b ? a : b) + (*chart->title ? 2 : 0);
}

static void draw_one(Canvas *canvas, const Chart *chart, const Sheet *sheet, size_t index, int top) {
    const int each = (int)picture_cells(canvas->ascii, canvas->colours);
    const int x = (int)index % sheet->across * (sheet->width + GAP);
    const int y = top + (int)index / sheet->across * (sheet->height + sheet->caption + 1);
    const size_t pixels = chart->grid_rows * chart->grid_columns;
    const Picture picture = {.pixels = chart->colours + 3 * index * pixels,
                             .channels = 3,
                             .height = (unsigned)chart->grid_rows,
                             .width = (unsigned)chart->grid_columns,
                             .channel = 1,
                             .pixel = 3,
                             .rows = (unsigned)(each == 1 ? 2 * sheet->height : sheet->height),
                             .columns = (unsigned)(sheet->width / each),
                             .x = x,
                             .y = y};
    Caption caption;
    picture_draw(&picture, canvas);
    caption_split(chart->panels[index], sheet->width, cells_wide, &caption);
    for (size_t i = 0; i < caption.count; i++)
        canvas_text(canvas, x, y + sheet->height + (int)i, caption.line[i], sheet->width, PLAIN, false);
}

void text_pictures(Canvas *canvas, const Chart *chart) {
    const int each = (int)picture_cells(canvas->ascii, canvas->colours), width = (int)canvas->grid.width;
    const int top = *chart->title && canvas->grid.height > 3 ? 2 : 0, height = (int)canvas->grid.height - top;
    if (top > 0) canvas_text(canvas, 0, 0, chart->title, width, PLAIN, true);
    if (chart->panel_count == 0 || chart->grid_columns == 0) return;
    const Sheet sheet = fitting_sheet(chart, width, height, each);
    const int rows = (height + 1) / (sheet.height + sheet.caption + 1);
    size_t shown = (size_t)(rows < 1 ? 1 : rows) * (size_t)sheet.across;
    if (shown > chart->panel_count) shown = chart->panel_count;
    for (size_t i = 0; i < shown; i++) draw_one(canvas, chart, &sheet, i, top);
    if (shown == chart->panel_count) return;
    char text[80];
    snprintf(text, sizeof text, "%zu of %zu pictures fit", shown, chart->panel_count);
    canvas_text(canvas, 0, (int)canvas->grid.height - 1, text, width, PLAIN, false);
}
