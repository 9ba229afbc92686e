/* canvas -- putting glyphs and texts into cells; a grid as lines of text with SGR escapes (ECMA-48, xterm's 256
 * colours). */
#include "chart/canvas.h"

#include <string.h>

#include "weft/base/memory.h"
#include "weft/base/text.h"

ChartCell *canvas_cell(Canvas *canvas, int x, int y) {
    if (x < 0 || y < 0 || x >= (int)canvas->grid.width || y >= (int)canvas->grid.height) return NULL;
    return &canvas->grid.cells[(size_t)y * canvas->grid.width + (size_t)x];
}

static void set_glyph(ChartCell *cell, const char *glyph, size_t length) {
    memset(cell->glyph, 0, sizeof cell->glyph);
    memcpy(cell->glyph, glyph, length < sizeof cell->glyph ? length : sizeof cell->glyph - 1);
}

void canvas_put(Canvas *canvas, int x, int y, const char *glyph, const char *ascii, int foreground) {
    ChartCell *cell = canvas_cell(canvas, x, y);
    if (!cell) return;
    const char *use = canvas->ascii ? ascii : glyph;
    set_glyph(cell, use, strlen(use));
    cell->foreground = foreground;
}

/* The bytes of the character that `text` begins with. The texts of a chart were made valid UTF-8. */
static size_t character_length(const char *text) {
    size_t length = 1;
    while (((unsigned char)text[length] & 0xc0) == 0x80) length++;
    return length > 4 ? 4 : length;
}

static int character_width(const char *text, size_t length) {
    char one[5] = {0};
    memcpy(one, text, length);
    return (int)text_columns(one);
}

int text_width(const char *text) {
    return (int)text_columns(text);
}

double cells_wide(const char *text) {
    return text_width(text);
}

int canvas_text(Canvas *canvas, int x, int y, const char *text, int room, int foreground, bool bold) {
    int width = text_width(text), used = 0, keep = room;
    if (room <= 0) return 0;
    if (width > room) keep = room - 1; /* the last column is for the ellipsis */
    while (*text) {
        size_t length = character_length(text);
        int columns = character_width(text, length);
        bool plain = length == 1 || !canvas->ascii;
        if (used + columns > keep) break;
        for (int i = 0; i < columns; i++) {
            ChartCell *cell = canvas_cell(canvas, x + used + i, y);
            if (!cell) continue;
            /* The second column of a wide character holds no glyph of its own. */
            const char *instead = strncmp(text, "…", strlen("…")) == 0 ? "~" : "?";
            set_glyph(cell, plain ? text : instead, i > 0 && plain ? 0 : plain ? length : 1);
            cell->foreground = foreground;
            cell->bold = bold;
        }
        used += columns;
        text += length;
    }
    if (!*text) return used;
    canvas_put(canvas, x + used, y, "…", "~", foreground);
    return used + 1;
}

int canvas_name(Canvas *canvas, int x, int y, const char *name, const TextCut *cut, bool bold) {
    Str text = {0};
    text_add_cut(&text, name, cut);
    const int used = canvas_text(canvas, x, y, text.failed ? name : str_text(&text), (int)cut->width, PLAIN, bold);
    str_done(&text);
    return used;
}

int canvas_right(Canvas *canvas, int right, int y, const char *text, int room, int foreground) {
    int width = text_width(text);
    if (width > room) width = room;
    return canvas_text(canvas, right - width, y, text, room, foreground, false);
}

void canvas_plot(Canvas *canvas, const Box *plot) {
    canvas->grid.plot = (ChartPlot){.x = plot->x, .y = plot->y, .width = plot->width, .height = plot->height};
}

/* ---- colours and marks ------------------------------------------------------------------------------------------- */

int canvas_series_colour(const Canvas *canvas, size_t series) {
    if (canvas->colours == COLOURS_NONE) return PLAIN;
    if (canvas->colours == COLOURS_8) return palette_basic((int)series);
    if (canvas->colours == COLOURS_16) return palette_sixteen((int)series);
    if (canvas->colours == COLOURS_256) return palette_screen_xterm((int)series);
    return canvas_colour(canvas, palette_screen((int)series));
}

bool canvas_shaded(const Canvas *canvas) {
    return canvas->colours >= COLOURS_256;
}

int canvas_colour(const Canvas *canvas, Rgb colour) {
    if (canvas->colours != COLOURS_TRUE) return palette_xterm(colour);
    return COLOUR_RGB + (colour.red << 16 | colour.green << 8 | colour.blue);
}

int canvas_value_colour(const Canvas *canvas, double fraction, bool diverging) {
    if (canvas->colours != COLOURS_TRUE) return palette_value_xterm(fraction, diverging);
    return canvas_colour(canvas, palette_value(fraction, diverging));
}

int canvas_ink(const Canvas *canvas, bool white) {
    const uint8_t part = white ? 255 : 0;
    return canvas_colour(canvas, (Rgb){part, part, part});
}

int canvas_ink_on(const Canvas *canvas, int colour) {
    const Rgb there = colour >= COLOUR_RGB ? (Rgb){(uint8_t)(colour >> 16), (uint8_t)(colour >> 8), (uint8_t)colour}
                                           : palette_of_xterm(colour);
    return canvas_ink(canvas, palette_needs_white(there));
}

const char *series_mark(const Canvas *canvas, size_t series) {
    static const char *const marks[] = {"●", "×", "+", "◆", "▲", "■", "○", "◇", "△", "□", "▼", "*"};
    static const char *const ascii[] = {"o", "x", "+", "*", "#", "@", "%", "=", "&", "$", "~", "^"};
    return (canvas->ascii ? ascii : marks)[series % CHART_SERIES_MAX];
}

const char *series_fill(const Canvas *canvas, size_t series) {
    static const char *const fills[] = {"█", "▒", "░", "▓", "#", "=", "+", "x", "o", "*", "%", "@"};
    static const char *const ascii[] = {"#", "=", "+", "o", "*", "%", "x", "@", "-", "~", "&", "$"};
    return (canvas->ascii ? ascii : fills)[series % CHART_SERIES_MAX];
}

/* ---- out --------------------------------------------------------------------------------------------------------- */

static bool blank(const ChartCell *cell) {
    return strcmp(cell->glyph, " ") == 0 && cell->background < 0;
}

static void add_colour(Str *out, ChartColours colours, int base, int colour) {
    if (colour < 0)
        str_addf(out, ";%d", base + 9);
    else if (colours == COLOURS_8 || colours == COLOURS_16) /* 90 to 97 and 100 to 107 are the bright ones */
        str_addf(out, ";%d", base + colour % 8 + (colour < 8 ? 0 : 60));
    else if (colour >= COLOUR_RGB)
        str_addf(out, ";%d;2;%d;%d;%d", base + 8, colour >> 16 & 255, colour >> 8 & 255, colour & 255);
    else
        str_addf(out, ";%d;5;%d", base + 8, colour);
}

/* Escapes only where something changes: a reset, then what is not the terminal's own. */
static void add_style(Str *out, ChartColours colours, const ChartCell *from, const ChartCell *to) {
    if (from->foreground == to->foreground && from->background == to->background && from->bold == to->bold) return;
    str_add(out, "\x1b[0");
    if (to->bold) str_add(out, ";1");
    if (to->foreground >= 0) add_colour(out, colours, 30, to->foreground);
    if (to->background >= 0) add_colour(out, colours, 40, to->background);
    str_add(out, "m");
}

void chart_grid_text(const ChartGrid *grid, ChartColours colours, Str *out) {
    static const ChartCell plain = {.glyph = " ", .foreground = PLAIN, .background = PLAIN};
    for (unsigned y = 0; y < grid->height; y++) {
        const ChartCell *row = &grid->cells[(size_t)y * grid->width], *last = &plain;
        unsigned width = grid->width;
        while (width > 0 && blank(&row[width - 1])) width--;
        for (unsigned x = 0; x < width; x++) {
            if (colours != COLOURS_NONE) add_style(out, colours, last, &row[x]);
            last = &row[x];
            str_add(out, row[x].glyph);
        }
        if (colours != COLOURS_NONE) add_style(out, colours, last, &plain);
        str_add(out, "\n");
    }
}

void chart_grid_done(ChartGrid *grid) {
    mem_free(grid->cells);
    *grid = (ChartGrid){0};
}
