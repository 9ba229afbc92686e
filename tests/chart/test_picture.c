/* test_picture -- images in cells: which glyphs and colours stand where, making smaller, sizes. */
#include "weft/base/error.h"
#include "weft/base/fault.h"
#include "weft/base/table.h"
#include "weft/base/text.h"
#include "weft/chart.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>

static Str draw(const uint8_t *pixels, unsigned channels, unsigned height, unsigned width, unsigned columns, bool ascii,
                ChartColours colours) {
    ChartGrid grid;
    Error err;
    Str out = {0};
    assert_true(picture_grid(pixels, channels, height, width, columns, ascii, colours, &grid, &err));
    assert_true(grid.width <= columns || columns < 2);
    chart_grid_text(&grid, colours, &out);
    chart_grid_done(&grid);
    assert_true(str_ok(&out, &err));
    return out;
}

static void expect(Str text, const char *wanted) {
    assert_string_equal(str_text(&text), wanted);
    str_done(&text);
}

static void test_ramps(void **state) {
    (void)state;
    static const uint8_t grey[] = {0, 64, 128, 192, 255, 255};
    expect(draw(grey, 1, 2, 3, 80, true, COLOURS_NONE), "  ::++\n##@@@@\n");
    expect(draw(grey, 1, 2, 3, 80, false, COLOURS_NONE), "  ░░▒▒\n▓▓████\n");
    expect(draw(grey, 1, 2, 3, 80, true, COLOURS_8), "  ::++\n##@@@@\n"); /* eight colours are too few */
    /* red, green, blue by their brightness: 0.299, 0.587, 0.114 */
    static const uint8_t colours[] = {255, 0, 0, 0, 255, 0, 0, 0, 255};
    expect(draw(colours, 3, 1, 3, 80, true, COLOURS_NONE), "::++..\n");
    static const uint8_t two[] = {255, 255, 0, 255}; /* two channels: their mean */
    expect(draw(two, 2, 1, 2, 80, true, COLOURS_NONE), "++@@\n");
}

static void test_colours(void **state) {
    (void)state;
    /* columns red, green, blue; three rows: the last one has no partner */
    static const uint8_t tall[27] = {255, 0, 0,   255, 0, 0, 255, 0, 0, 0,   255, 0, 0,  255,
                                     0,   0, 255, 0,   0, 0, 255, 0, 0, 255, 0,   0, 255};
    expect(draw(tall, 3, 3, 3, 80, false, COLOURS_256),
           "\x1b[0;38;5;196;48;5;196m▀\x1b[0;38;5;46;48;5;46m▀\x1b[0;38;5;21;48;5;21m▀\x1b[0m\n"
           "\x1b[0;38;5;196m▀\x1b[0;38;5;46m▀\x1b[0;38;5;21m▀\x1b[0m\n");
    expect(draw(tall, 3, 1, 3, 80, true, COLOURS_256),
           "\x1b[0;48;5;231m  \x1b[0;48;5;16m    \x1b[0m\n"); /* planes of 3, all 255 0 0: white, black */
}

/* Averages over 2 x 2, and over 1.5 x 1.5 with shares of pixels. */
static void test_smaller(void **state) {
    (void)state;
    static const uint8_t four[] = {0, 0, 255, 255, 0, 0, 255, 255, 255, 255, 0, 0, 255, 255, 0, 0};
    expect(draw(four, 1, 4, 4, 4, true, COLOURS_NONE), "  @@\n@@\n");
    static const uint8_t three[] = {0, 0, 255, 0, 0, 255, 255, 255, 0};
    /* corners: 0; (1/3, 2/3 of 255 in the edges' shares); the lower right corner has 4/9 of 0, 4/9 of 255, 1/9 of 0 */
    expect(draw(three, 1, 3, 3, 4, true, COLOURS_NONE), "  **\n**==\n");
    expect(draw(four, 1, 4, 4, 1, true, COLOURS_NONE), "++\n"); /* less than a pixel's two columns: one pixel */
}

static void test_any_size(void **state) {
    (void)state;
    static uint8_t pixels[3 * 70 * 70];
    for (size_t i = 0; i < sizeof pixels; i++) pixels[i] = (uint8_t)(i * 11);
    for (unsigned height = 1; height <= 70; height += 23)
        for (unsigned width = 1; width <= 70; width += 23)
            for (unsigned columns = 1; columns <= 150; columns += 37)
                for (int form = 0; form < 6; form++) {
                    Str text = draw(pixels, form % 2 ? 3 : 1, height, width, columns, form < 3,
                                    form % 3 == 0   ? COLOURS_NONE
                                    : form % 3 == 1 ? COLOURS_8
                                                    : COLOURS_256);
                    for (size_t i = 0; form < 3 && i < text.length; i++) assert_true((uint8_t)text.text[i] < 128);
                    str_done(&text);
                }
    ChartGrid grid;
    Error err;
    fault_arm(FAULT_ALLOC, 1, false);
    assert_false(picture_grid(pixels, 1, 4, 4, 80, true, COLOURS_NONE, &grid, &err));
    fault_disarm();
    assert_int_equal(err.status, STATUS_LIMIT);
}

/* Rows of an image as a heat map's y: the first one stands at the top. */
static void test_rows_down(void **state) {
    (void)state;
    Error err;
    Table *table = table_new(&err);
    table_column(table, "row", "", COLUMN_INTEGER);
    table_column(table, "column", "", COLUMN_INTEGER);
    table_column(table, "value", "", COLUMN_INTEGER);
    for (int i = 0; i < 4; i++) {
        table_integer(table, i / 2);
        table_integer(table, i % 2);
        table_integer(table, i < 2 ? 255 : 0);
    }
    assert_non_null(table = table_finish(table, &err));
    Encoding encoding = encoding_new(CHART_HEATMAP);
    strcpy(encoding.x, "column");
    strcpy(encoding.y[0], "row");
    strcpy(encoding.value, "value");
    for (int names = 0; names < 2; names++) {
        encoding.y_names = names;
        Chart *chart = chart_new(table, &encoding, &err);
        assert_non_null(chart);
        ChartView view = chart_view(chart);
        ChartGrid grid;
        Str text = {0};
        assert_true(chart_grid(chart, &view, 40, 12, true, COLOURS_NONE, &grid, &err));
        chart_grid_text(&grid, COLOURS_NONE, &text);
        const char *light = strstr(str_text(&text), "@@@@"), *row = strstr(str_text(&text), "1 +");
        if (!light || !row || (light < row) != names) fail_msg("%s", str_text(&text));
        chart_grid_done(&grid);
        str_done(&text);
        chart_free(chart);
    }
    table_free(table);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_ramps),    cmocka_unit_test(test_colours),   cmocka_unit_test(test_smaller),
        cmocka_unit_test(test_any_size), cmocka_unit_test(test_rows_down),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
