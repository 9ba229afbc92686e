/* text_pen -- lines of dots in cells: braille (2 x 4 dots to a cell, U+2800 + bits), or one mark a cell. */
#include "chart/canvas.h"

#include <math.h>
#include <stdlib.h>

/* Unicode's order of the dots: the first six column by column, then the bottom row. */
static uint8_t dot_bit(int x, int y) {
    static const uint8_t bits[4][2] = {{0x01, 0x08}, {0x02, 0x10}, {0x04, 0x20}, {0x40, 0x80}};
    return bits[y][x];
}

void braille(uint8_t bits, char out[4]) {
    out[0] = (char)0xe2;
    out[1] = (char)(0xa0 | (bits >> 6));
    out[2] = (char)(0x80 | (bits & 0x3f));
    out[3] = '\0';
}

static uint8_t pen_bit(const Pen *pen, int x, int y) {
    return pen->down == 4 ? dot_bit(x % pen->across, y % pen->down) : 1;
}

void pen_dot(Pen *pen, int x, int y) {
    int cell_x = x / pen->across, cell_y = y / pen->down;
    if (x < 0 || y < 0 || cell_x >= pen->plot.width || cell_y >= pen->plot.height) return;
    int left = pen->plot.x + cell_x, top = pen->plot.y + cell_y;
    if (pen->owner) {
        size_t cell = (size_t)cell_y * (size_t)pen->plot.width + (size_t)cell_x;
        pen->owner[cell] = (uint8_t)(pen->name + 1);
        pen->dots[cell] = (uint8_t)(pen->dots[cell] | pen_bit(pen, x, y));
        return;
    }
    if (!pen->dots) {
        canvas_put(pen->canvas, left, top, pen->mark, pen->mark, pen->colour);
        return;
    }
    char glyph[4];
    uint8_t *bits = &pen->dots[cell_y * pen->plot.width + cell_x];
    *bits = (uint8_t)(*bits | dot_bit(x % pen->across, y % pen->down));
    braille(*bits, glyph);
    canvas_put(pen->canvas, left, top, glyph, glyph, pen->colour);
}

/* Cuts a segment to [0, 1] x [0, 1] (Liang and Barsky, 1984); false where nothing is left. */
static bool clip_segment(double *x0, double *y0, double *x1, double *y1) {
    double dx = *x1 - *x0, dy = *y1 - *y0, from = 0, to = 1;
    const double p[4] = {-dx, dx, -dy, dy}, q[4] = {*x0, 1 - *x0, *y0, 1 - *y0};
    for (int i = 0; i < 4; i++) {
        if (p[i] == 0) {
            if (q[i] < 0) return false;
        } else if (p[i] < 0) {
            from = fmax(from, q[i] / p[i]);
        } else {
            to = fmin(to, q[i] / p[i]);
        }
    }
    if (from > to) return false;
    double x = *x0, y = *y0;
    *x0 = x + from * dx;
    *y0 = y + from * dy;
    *x1 = x + to * dx;
    *y1 = y + to * dy;
    return true;
}

int pen_x(const Pen *pen, double fraction) {
    return (int)floor(fraction * (pen->plot.width * pen->across - 1) + 0.5);
}

int pen_y(const Pen *pen, double fraction) {
    int dots = pen->plot.height * pen->down;
    return dots - 1 - (int)floor(fraction * (dots - 1) + 0.5);
}

/* Bresenham's line. */
void pen_segment(Pen *pen, double x0, double y0, double x1, double y1) {
    if (!clip_segment(&x0, &y0, &x1, &y1)) return;
    int x = pen_x(pen, x0), y = pen_y(pen, y0), end_x = pen_x(pen, x1), end_y = pen_y(pen, y1);
    int dx = abs(end_x - x), dy = -abs(end_y - y), error = dx + dy;
    int step_x = x < end_x ? 1 : -1, step_y = y < end_y ? 1 : -1;
    for (;;) {
        pen_dot(pen, x, y);
        if (x == end_x && y == end_y) return;
        int twice = 2 * error;
        if (twice >= dy) {
            error += dy;
            x += step_x;
        }
        if (twice <= dx) {
            error += dx;
            y += step_y;
        }
    }
}
