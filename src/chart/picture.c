/* picture -- an image in character cells. */
#include "chart/canvas.h"
#include "chart/palette.h"
#include "weft/base/error.h"
#include "weft/base/memory.h"

#include <math.h>

/* Larger than any terminal; keeps products of sizes small. */
enum { SIDE_MOST = 4096 };

/* The mean of one channel's pixels under pixel (row, column) of what is drawn, those at its edges by their share. */
static double averaged(const Picture *picture, unsigned channel, unsigned row, unsigned column) {
    const uint8_t *plane = picture->pixels + channel * picture->channel;
    const double down = (double)picture->height / picture->rows, across = (double)picture->width / picture->columns;
    const double top = row * down, bottom = fmin(top + down, picture->height);
    const double left = column * across, right = fmin(left + across, picture->width);
    double sum = 0, weight = 0;
    for (unsigned y = (unsigned)top; y < bottom; y++)
        for (unsigned x = (unsigned)left; x < right; x++) {
            const double share = (fmin(y + 1, bottom) - fmax(y, top)) * (fmin(x + 1, right) - fmax(x, left));
            sum += share * plane[((size_t)y * picture->width + x) * picture->pixel];
            weight += share;
        }
    return weight > 0 ? sum / weight : 0;
}

static Rgb colour_at(const Picture *picture, unsigned row, unsigned column) {
    double part[3] = {0};
    for (unsigned c = 0; c < picture->channels; c++) {
        const double value = averaged(picture, c, row, column);
        if (picture->channels == 3)
            part[c] = value;
        else
            part[0] += value / picture->channels;
    }
    if (picture->channels != 3) part[1] = part[2] = part[0];
    return (Rgb){(uint8_t)lround(part[0]), (uint8_t)lround(part[1]), (uint8_t)lround(part[2])};
}

/* 0 black to 1 white, as ITU-R BT.601 weighs the colours. */
static double light_at(const Picture *picture, unsigned row, unsigned column) {
    const Rgb colour = colour_at(picture, row, column);
    return (0.299 * colour.red + 0.587 * colour.green + 0.114 * colour.blue) / 255;
}

static int level_of(double light, int levels) {
    const int level = (int)(light * levels);
    return level < levels ? level : levels - 1;
}

static void draw_halves(const Picture *picture, Canvas *canvas) {
    for (unsigned row = 0; row < picture->rows; row += 2)
        for (unsigned column = 0; column < picture->columns; column++) {
            const int upper = canvas_colour(canvas, colour_at(picture, row, column));
            const int x = picture->x + (int)column, y = picture->y + (int)row / 2;
            ChartCell *cell = canvas_cell(canvas, x, y);
            canvas_put(canvas, x, y, "▀", "?", upper);
            if (cell && row + 1 < picture->rows)
                cell->background = canvas_colour(canvas, colour_at(picture, row + 1, column));
        }
}

static void draw_blanks(const Picture *picture, Canvas *canvas) {
    for (unsigned row = 0; row < picture->rows; row++)
        for (unsigned column = 0; column < 2 * picture->columns; column++) {
            ChartCell *cell = canvas_cell(canvas, picture->x + (int)column, picture->y + (int)row);
            if (cell) cell->background = canvas_colour(canvas, colour_at(picture, row, column / 2));
        }
}

/* Two shades side by side make nine levels of five. */
static void draw_ramp(const Picture *picture, Canvas *canvas) {
    static const char *const shades[] = {" ", "░", "▒", "▓", "█"};
    static const char *const ramp[] = {" ", ".", ":", "-", "=", "+", "*", "#", "%", "@"};
    for (unsigned row = 0; row < picture->rows; row++)
        for (unsigned column = 0; column < 2 * picture->columns; column++) {
            const double light = light_at(picture, row, column / 2);
            const int dense = (level_of(light, 9) + (int)(column % 2)) / 2;
            canvas_put(canvas, picture->x + (int)column, picture->y + (int)row, shades[dense],
                       ramp[level_of(light, 10)], PLAIN);
        }
}

unsigned picture_cells(bool ascii, ChartColours colours) {
    return colours >= COLOURS_256 && !ascii ? 1 : 2;
}

void picture_draw(const Picture *picture, Canvas *canvas) {
    if (picture_cells(canvas->ascii, canvas->colours) == 1)
        draw_halves(picture, canvas);
    else if (canvas_shaded(canvas))
        draw_blanks(picture, canvas);
    else
        draw_ramp(picture, canvas);
}

bool picture_grid(const uint8_t *pixels, unsigned channels, unsigned height, unsigned width, unsigned columns,
                  bool ascii, ChartColours colours, ChartGrid *out, Error *err) {
    const unsigned each = picture_cells(ascii, colours), room = columns / each > SIDE_MOST ? SIDE_MOST : columns / each;
    Picture picture = {.pixels = pixels,
                       .channels = channels,
                       .height = height,
                       .width = width,
                       .channel = (size_t)height * width,
                       .pixel = 1,
                       .rows = height,
                       .columns = width};
    if (width > room) {
        picture.columns = room > 0 ? room : 1;
        picture.rows = (unsigned)lround((double)height * picture.columns / width);
        if (picture.rows < 1) picture.rows = 1;
    }
    if (picture.rows > SIDE_MOST) picture.rows = SIDE_MOST;
    Canvas canvas = {.ascii = ascii, .colours = colours};
    canvas.grid.width = picture.columns * each;
    canvas.grid.height = each == 1 ? (picture.rows + 1) / 2 : picture.rows;
    const size_t count = (size_t)canvas.grid.width * canvas.grid.height;
    canvas.grid.cells = mem_alloc(count, sizeof(ChartCell), err);
    if (!canvas.grid.cells) return false;
    for (size_t i = 0; i < count; i++)
        canvas.grid.cells[i] = (ChartCell){.glyph = " ", .foreground = PLAIN, .background = PLAIN};
    picture_draw(&picture, &canvas);
    *out = canvas.grid;
    return true;
}
