/* graphics -- a chart as a picture for terminals: sixel, and the graphics protocol of kitty.
 *
 * kitty takes a PNG in base64, in pieces of at most 4096 bytes: ESC _G keys;piece ESC \\ (its manual, "Terminal
 * graphics protocol"). Through tmux the pieces pass inside DCS tmux; with every ESC doubled, and the picture is put up
 * as text: cells of U+10EEEE whose colour is the picture's number, so that tmux moves them as it moves any text. */
#include "chart/graphics.h"

#include <math.h>
#include <unistd.h>

#include "chart/figure.h"
#include "weft/base/error.h"
#include "weft/base/text.h"

enum { PIECE = 4096, ROW_MARKS = 64 };

static void add_base64(const uint8_t *bytes, size_t count, Str *out) {
    static const char digits[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    for (size_t i = 0; i < count; i += 3) {
        const size_t left = count - i;
        const unsigned word =
            (unsigned)bytes[i] << 16 | (left > 1 ? (unsigned)bytes[i + 1] << 8 : 0) | (left > 2 ? bytes[i + 2] : 0);
        const char four[4] = {digits[word >> 18], digits[word >> 12 & 63], left > 1 ? digits[word >> 6 & 63] : '=',
                              left > 2 ? digits[word & 63] : '='};
        str_add_bytes(out, four, 4);
    }
}

/* One command of the protocol. */
static void add_command(const ChartScreen *screen, const char *keys, const char *data, size_t length, Str *out) {
    const char *escape = screen->tmux ? "\x1b\x1b" : "\x1b";
    if (screen->tmux) str_add(out, "\x1bPtmux;");
    str_addf(out, "%s_G%s;", escape, keys);
    str_add_bytes(out, data, length);
    str_addf(out, "%s\\", escape);
    if (screen->tmux) str_add(out, "\x1b\\");
}

/* A picture's number, of 24 bits, never 0: different in each process and for each picture. */
static unsigned new_number(void) {
    static unsigned count;
    return ((unsigned)getpid() & 0xffff) << 8 | (count++ % 255 + 1);
}

/* The cells that the picture fills: a first one with its row and column 0, and those after it, which count on. */
static void add_cells(const ChartScreen *screen, unsigned number, Str *out) {
    /* of kitty's rowcolumn-diacritics.txt */
    static const uint16_t marks[ROW_MARKS] = {
        0x305, 0x30d, 0x30e, 0x310, 0x312, 0x33d, 0x33e, 0x33f, 0x346, 0x34a, 0x34b, 0x34c, 0x350, 0x351, 0x352, 0x357,
        0x35b, 0x363, 0x364, 0x365, 0x366, 0x367, 0x368, 0x369, 0x36a, 0x36b, 0x36c, 0x36d, 0x36e, 0x36f, 0x483, 0x484,
        0x485, 0x486, 0x487, 0x592, 0x593, 0x594, 0x595, 0x597, 0x598, 0x599, 0x59c, 0x59d, 0x59e, 0x59f, 0x5a0, 0x5a1,
        0x5a8, 0x5a9, 0x5ab, 0x5ac, 0x5af, 0x5c4, 0x610, 0x611, 0x612, 0x613, 0x614, 0x615, 0x616, 0x617, 0x657, 0x658};
    for (unsigned row = 0; row < screen->rows; row++) {
        const char mark[2] = {(char)(0xc0 | marks[row] >> 6), (char)(0x80 | (marks[row] & 63))};
        str_addf(out, "\x1b[38;2;%u;%u;%um", number >> 16 & 255, number >> 8 & 255, number & 255);
        for (unsigned column = 0; column < screen->columns; column++) {
            str_add(out, "\U0010EEEE");
            if (column > 0) continue;
            str_add_bytes(out, mark, 2);
            str_add(out, "\u0305");
        }
        str_add(out, "\x1b[39m\n");
    }
}

static bool kitty_text(const ChartScreen *screen, const Str *png, Str *out, Error *err) {
    Str data = {0}, keys = {0};
    const unsigned number = new_number();
    add_base64((const uint8_t *)png->text, png->length, &data);
    str_addf(&keys, "a=T,f=100,q=2,c=%u,r=%u", screen->columns, screen->rows);
    if (screen->tmux) str_addf(&keys, ",U=1,i=%u", number);
    for (size_t from = 0; from < data.length; from += PIECE) {
        const bool more = data.length - from > PIECE;
        str_addf(&keys, "%sm=%d", keys.length ? "," : "", more);
        add_command(screen, str_text(&keys), data.text + from, more ? PIECE : data.length - from, out);
        str_done(&keys);
    }
    if (screen->tmux)
        add_cells(screen, number, out);
    else
        str_add(out, "\n");
    const bool whole = str_ok(&data, err) && str_ok(out, err);
    str_done(&data);
    return whole;
}

bool chart_graphics(const Chart *chart, const ChartView *view, const ChartScreen *screen, Str *out, Error *err) {
    enum { TYPE = 16 }; /* units that a cell is high: ticks, of 13, are about as high as the terminal's own type */
    const unsigned width = screen->columns * screen->cell_width, height = screen->rows * screen->cell_height;
    const double dpi = 100.0 * screen->cell_height / TYPE;
    const ChartPage page = {width / dpi, height / dpi, dpi, 0};
    const bool kitty = screen->how == GRAPHICS_KITTY;
    Str picture = {0};
    if (screen->tmux && kitty && screen->rows > ROW_MARKS)
        return error_set(err, STATUS_USAGE, "a picture of more than %d lines cannot pass through tmux", ROW_MARKS);
    bool done = figure_bytes(chart, view, &page, kitty ? PAINT_PNG : PAINT_PIXELS, &picture, err);
    if (done && kitty) done = kitty_text(screen, &picture, out, err);
    if (done && !kitty) {
        done = sixel_text((uint8_t *)picture.text, width, height, out, err);
        str_add(out, "\n");
    }
    str_done(&picture);
    return done && str_ok(out, err);
}
