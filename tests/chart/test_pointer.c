/* test_pointer -- a mouse over a chart: what is drawn in a cell is what the cursor goes to; views that follow it. */
#include "samples.h"
#include "weft/base/error.h"
#include "weft/base/random.h"
#include "weft/base/table.h"

#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <cmocka.h>

#include "drawn.h"

/* Draws the chart; the first cell with the cursor. False where it is not to be seen. */
static bool cursor_cell(const Chart *chart, ChartView *view, unsigned width, unsigned height, ChartPlot *plot,
                        int cell[2]) {
    ChartGrid grid;
    Error err;
    bool found = false;
    for (int again = 0; again < 2; again++) {
        assert_true(chart_grid(chart, view, width, height, false, COLOURS_256, &grid, &err));
        *plot = grid.plot;
        if (again || !chart_view_follow(chart, view, plot)) break;
        chart_grid_done(&grid);
    }
    for (unsigned i = 0; i < width * height && !found; i++) {
        const char *glyph = grid.cells[i].glyph;
        found = strcmp(glyph, "◉") == 0 || strcmp(glyph, "▶") == 0 || strcmp(glyph, "▲") == 0;
        cell[0] = (int)(i % width);
        cell[1] = (int)(i / width);
    }
    chart_grid_done(&grid);
    return found;
}

/* A click on the cursor leaves it in its cell, whatever the chart, the view and the window. */
static void a_click_goes_to_what_is_drawn(void **state) {
    (void)state;
    static const unsigned sizes[][2] = {{60, 20}, {80, 24}, {100, 30}, {200, 60}};
    int clicks = 0;
    for (int sample = 0; sample < SAMPLES; sample++) {
        Table *table;
        Encoding encoding;
        Error err;
        sample_chart(sample, &table, &encoding, &err);
        Chart *chart = chart_of(table, &encoding);
        Rng rng = {.seed = 11};
        for (int i = 0; i < 40; i++) {
            ChartView view = chart_view(chart);
            const unsigned *size = sizes[i % 4];
            ChartPlot plot;
            int before[2], after[2];
            if (i % 3 == 2) chart_zoom(chart, &view, 2);
            if (i % 3 == 1) chart_view_rows(chart, &view, size[1]);
            chart_cursor_move(chart, &view, 0, 0);
            chart_cursor_move(chart, &view, (int)rng_below(&rng, 9) - 4, (int)rng_below(&rng, 9) - 4);
            if (!cursor_cell(chart, &view, size[0], size[1], &plot, before)) continue;
            if (encoding.kind == CHART_BARS && !plot.downwards) before[1]--; /* its mark is on the axis */
            ChartView clicked = view;
            assert_true(chart_cursor_at(chart, &clicked, &plot, before[0], before[1]));
            assert_true(cursor_cell(chart, &clicked, size[0], size[1], &plot, after));
            if (encoding.kind == CHART_BARS && !plot.downwards) after[1]--;
            /* dots are finer than cells: points of a crowd may stand in neighbouring ones */
            const int most = encoding.kind == CHART_SCATTER || encoding.kind == CHART_LINES;
            if (abs(before[0] - after[0]) > most || abs(before[1] - after[1]) > most)
                fail_msg("sample %d, %u x %u: the click moved the cursor", sample, size[0], size[1]);
            assert_false(chart_cursor_at(chart, &clicked, &plot, -1, -1));
            clicks++;
        }
        chart_free(chart);
        table_free(table);
    }
    assert_true(clicks > 300);
}

/* The cursor is to be seen wherever it goes in many kernels. */
static void kernels_follow_their_cursor(void **state) {
    (void)state;
    Error err;
    Table *table = sample_kernels(40, 50, 3, &err);
    Encoding encoding = encoding_new(CHART_KERNELS);
    Chart *chart = chart_of(table, &encoding);
    ChartView view = chart_view(chart);
    ChartPlot plot;
    int cell[2];
    chart_cursor_move(chart, &view, 0, 0);
    const ChartView first = view;
    assert_true(cursor_cell(chart, &view, 80, 24, &plot, cell));
    assert_true(view.x0 == first.x0 && view.y0 == first.y0 && plot.left == 0 && plot.top == 0);
    Rng rng = {.seed = 3};
    for (int i = 0; i < 200; i++) {
        chart_cursor_move(chart, &view, (int)rng_below(&rng, 41) - 18, (int)rng_below(&rng, 41) - 22);
        assert_true(cursor_cell(chart, &view, 80, 24, &plot, cell));
    }
    chart_cursor_move(chart, &view, 1 << 28, -(1 << 28));
    assert_true(cursor_cell(chart, &view, 80, 24, &plot, cell));
    assert_true(plot.left + (double)plot.shown_across == 50 && plot.top + (double)plot.shown_down == 40);
    chart_free(chart);
    table_free(table);
}

static void many_bars_are_rows_that_scroll(void **state) {
    (void)state;
    Error err;
    Table *table = table_new(&err);
    table_column(table, "layer", "", COLUMN_TEXT);
    table_column(table, "value", "", COLUMN_REAL);
    for (int i = 0; i < 90; i++) {
        char name[24];
        snprintf(name, sizeof name, "layer%d.conv", i);
        table_text(table, name);
        table_real(table, i);
    }
    table = table_finish(table, &err);
    Encoding encoding = encoding_new(CHART_BARS);
    strcpy(encoding.x, "layer");
    strcpy(encoding.y[0], "value");
    Chart *chart = chart_of(table, &encoding);
    ChartView view = chart_view(chart);
    ChartPlot plot;
    int cell[2];
    assert_true(chart_view_rows(chart, &view, 24));
    for (int i = 0; i <= 90; i++) { /* the first step only shows the cursor */
        chart_cursor_move(chart, &view, 0, -1);
        assert_true(cursor_cell(chart, &view, 80, 24, &plot, cell));
        assert_true(plot.downwards);
    }
    assert_true(view.cursor == 89 && view.x1 == 89.5);
    view = chart_view(chart);
    assert_false(chart_view_rows(chart, &view, 3)); /* no row fits: all stay in view */
    chart_free(chart);
    table_free(table);
}

static void a_rectangle_comes_into_view(void **state) {
    (void)state;
    Table *table;
    Encoding encoding;
    Error err;
    ChartGrid grid;
    for (int sample = 0; sample < SAMPLES; sample++) {
        sample_chart(sample, &table, &encoding, &err);
        Chart *chart = chart_of(table, &encoding);
        const ChartView all = chart_view(chart);
        ChartView view = all;
        assert_true(chart_grid(chart, &view, 80, 24, false, COLOURS_256, &grid, &err));
        const ChartPlot plot = grid.plot;
        const int from[2] = {plot.x + 20, plot.y + 2}, to[2] = {plot.x + 5, plot.y + 8}, out[2] = {0, 23};
        if (chart_zoom_to(chart, &view, &plot, from, to)) {
            assert_true(view.x0 > all.x0 && view.x1 < all.x1 && view.x0 < view.x1);
            assert_true(view.y0 > all.y0 && view.y1 < all.y1 && view.y0 < view.y1);
        } else {
            assert_memory_equal(&view, &all, sizeof view);
            assert_true(encoding.kind != CHART_LINES && encoding.kind != CHART_SCATTER);
        }
        assert_false(chart_zoom_to(chart, &view, &plot, from, out));
        chart_grid_done(&grid);
        chart_free(chart);
        table_free(table);
    }
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_click_goes_to_what_is_drawn), cmocka_unit_test(kernels_follow_their_cursor),
        cmocka_unit_test(many_bars_are_rows_that_scroll), cmocka_unit_test(a_rectangle_comes_into_view)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
