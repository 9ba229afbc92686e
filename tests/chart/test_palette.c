/* test_palette -- contrast of the colours on terminals, by WCAG 2's formulas, computed here anew. */
#include "samples.h"
#include "chart/palette.h"
#include "weft/base/error.h"
#include "weft/base/table.h"

#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <cmocka.h>

static const Rgb black = {0, 0, 0}, white = {255, 255, 255};

/* https://www.w3.org/TR/WCAG21/#dfn-relative-luminance */
static double luminance(Rgb colour) {
    const double parts[3] = {colour.red / 255.0, colour.green / 255.0, colour.blue / 255.0};
    static const double weights[3] = {0.2126, 0.7152, 0.0722};
    double sum = 0;
    for (int i = 0; i < 3; i++)
        sum += weights[i] * (parts[i] <= 0.03928 ? parts[i] / 12.92 : pow((parts[i] + 0.055) / 1.055, 2.4));
    return sum;
}

static double contrast(Rgb a, Rgb b) {
    const double la = luminance(a), lb = luminance(b);
    return (fmax(la, lb) + 0.05) / (fmin(la, lb) + 0.05);
}

/* xterm's XTerm-col.ad and 256colres.pl: 16 colours, a cube of 6 x 6 x 6, then greys. */
static Rgb xterm(int colour) {
    const uint8_t full = colour >= 8 ? 255 : 205;
    if (colour == 4) return (Rgb){0, 0, 238};
    if (colour == 7) return (Rgb){229, 229, 229};
    if (colour == 8) return (Rgb){127, 127, 127};
    if (colour == 12) return (Rgb){92, 92, 255};
    if (colour < 16) return (Rgb){colour & 1 ? full : 0, colour & 2 ? full : 0, colour & 4 ? full : 0};
    if (colour >= 232)
        return (Rgb){(uint8_t)(8 + 10 * (colour - 232)), (uint8_t)(8 + 10 * (colour - 232)),
                     (uint8_t)(8 + 10 * (colour - 232))};
    const int parts[3] = {(colour - 16) / 36, (colour - 16) / 6 % 6, (colour - 16) % 6};
    uint8_t levels[3];
    for (int i = 0; i < 3; i++) levels[i] = (uint8_t)(parts[i] ? 55 + 40 * parts[i] : 0);
    return (Rgb){levels[0], levels[1], levels[2]};
}

/* The Linux console's, drivers/tty/vt/vt.c: those of the VGA. */
static Rgb console(int colour) {
    const uint8_t full = colour >= 8 ? 255 : 170, none = colour >= 8 ? 85 : 0;
    if (colour == 3) return (Rgb){170, 85, 0};
    return (Rgb){colour & 1 ? full : none, colour & 2 ? full : none, colour & 4 ? full : none};
}

static Rgb shown(int colour) {
    if (colour < COLOUR_RGB) return xterm(colour);
    return (Rgb){(uint8_t)(colour >> 16), (uint8_t)(colour >> 8), (uint8_t)colour};
}

/* 3:1, what WCAG asks of graphical objects (1.4.11), on a dark and on a light background. */
static void series_show_on_dark_and_light(void **state) {
    (void)state;
    assert_true(fabs(contrast(black, white) - 21) < 1e-9);
    for (int s = 0; s < 12; s++) {
        const Rgb colours[2] = {palette_screen(s), xterm(palette_screen_xterm(s))};
        for (int i = 0; i < 2; i++)
            if (contrast(colours[i], black) < 3 || contrast(colours[i], white) < 3)
                fail_msg("series %d, %s: %.2f on black, %.2f on white", s, i ? "256 colours" : "24 bits",
                         contrast(colours[i], black), contrast(colours[i], white));
        for (int other = 0; other < s; other++)
            assert_int_not_equal(palette_screen_xterm(s), palette_screen_xterm(other));
    }
    for (int s = 0; s < 12; s++) assert_true(contrast(palette_series(s), white) >= 2); /* on paper, with a mark each */
}

/* The same with 16 colours, whose shades are the terminal's choice; the Linux console is dark. Values grow lighter, or
 * away from the middle darker, and diverging colours are as light on both sides. */
static void sixteen_show_on_dark_and_light(void **state) {
    (void)state;
    int count;
    for (int s = 0; s < 4; s++) {
        const int colour = palette_sixteen(s);
        assert_true(contrast(xterm(colour), black) >= 3 && contrast(xterm(colour), white) >= 3);
        assert_true(contrast(console(colour), black) >= 3);
        for (int other = 0; other < s; other++) assert_int_not_equal(colour, palette_sixteen(other));
    }
    const int *ramp = palette_ramp(true, false, &count);
    for (int i = 1; i < count; i++) {
        assert_true(luminance(xterm(ramp[i])) > luminance(xterm(ramp[i - 1])));
        assert_true(luminance(console(ramp[i])) > luminance(console(ramp[i - 1])));
    }
    ramp = palette_ramp(true, true, &count);
    for (int i = 1; i <= count / 2; i++) {
        assert_true(luminance(xterm(ramp[i])) > luminance(xterm(ramp[i - 1])));
        assert_true(luminance(xterm(ramp[count - 1 - i])) > luminance(xterm(ramp[count - i])));
    }
}

static void xterm_is_known(void **state) {
    (void)state;
    for (int colour = 0; colour < 256; colour++) {
        const Rgb mine = palette_of_xterm(colour), theirs = xterm(colour);
        assert_true(mine.red == theirs.red && mine.green == theirs.green && mine.blue == theirs.blue);
        assert_true(fabs(palette_luminance(mine) - luminance(mine)) < 1e-6);
    }
}

/* Whatever has both colours (numbers and lines over heat maps, marks, the cursor) is told apart: texts at 4.5:1 with 24
 * bits, everything at 3:1. */
static void inks_show_on_their_cells(void **state) {
    (void)state;
    for (int sample = 0; sample < SAMPLES; sample++)
        for (ChartColours colours = COLOURS_16; colours <= COLOURS_TRUE; colours++) {
            Table *table;
            Encoding encoding;
            Error err;
            ChartGrid grid;
            sample_chart(sample, &table, &encoding, &err);
            Chart *chart = chart_new(table, &encoding, &err);
            assert_non_null(chart);
            ChartView view = chart_view(chart);
            chart_cursor_move(chart, &view, 0, 0);
            assert_true(chart_grid(chart, &view, 100, 30, false, colours, &grid, &err));
            for (size_t i = 0; i < 100 * 30; i++) {
                const ChartCell *cell = &grid.cells[i];
                const bool mixed = strstr("▀▄░▒▓", cell->glyph) && *cell->glyph; /* two values, or one between two */
                if (strcmp(cell->glyph, " ") == 0 || mixed || cell->foreground < 0) continue;
                const Rgb ink = shown(cell->foreground);
                const bool text = (unsigned char)cell->glyph[0] < 0x80;
                const double least = text && colours == COLOURS_TRUE ? 4.5 : 3;
                if (cell->background < 0)
                    assert_true(contrast(ink, black) >= 3 && contrast(ink, white) >= 3);
                else if (encoding.contours == 0 && contrast(ink, shown(cell->background)) < least)
                    fail_msg("sample %d: '%s' at %zu, %zu has a contrast of %.2f", sample, cell->glyph, i % 100,
                             i / 100, contrast(ink, shown(cell->background)));
            }
            chart_grid_done(&grid);
            chart_free(chart);
            table_free(table);
        }
}

int main(void) {
    const struct CMUnitTest tests[] = {cmocka_unit_test(series_show_on_dark_and_light),
                                       cmocka_unit_test(sixteen_show_on_dark_and_light),
                                       cmocka_unit_test(xterm_is_known), cmocka_unit_test(inks_show_on_their_cells)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
