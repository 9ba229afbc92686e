/* test_model -- encodings, degenerate tables, places of lines and bars, cursor, zoom and pan. */
#include "samples.h"
#include "weft/base/error.h"
#include "weft/base/file.h"
#include "weft/base/memory.h"
#include "weft/base/random.h"
#include "weft/base/table.h"
#include "weft/base/text.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <unistd.h>
#include <cmocka.h>

#include "drawn.h"

/* ---- encodings --------------------------------------------------------------------------------------------------- */

static void guesses(void **state) {
    (void)state;
    Encoding encoding;
    Error err;
    const double values[] = {1, 2, 3, 4};
    Table *table = table_of(values, 2, 2, true);
    assert_true(encoding_guess(table, &encoding));
    assert_int_equal(encoding.kind, CHART_BARS);
    assert_string_equal(encoding.x, "name");
    assert_string_equal(encoding.y[0], "a");
    assert_string_equal(encoding.y[1], "b");
    table_free(table);

    table = table_of(values, 2, 2, false);
    assert_true(encoding_guess(table, &encoding));
    assert_int_equal(encoding.kind, CHART_LINES);
    assert_string_equal(encoding.x, "a");
    assert_string_equal(encoding.y[0], "b");
    assert_string_equal(encoding.y[1], "");
    table_free(table);

    table = table_of(values, 4, 1, false);
    assert_true(encoding_guess(table, &encoding));
    assert_string_equal(encoding.x, "");
    assert_string_equal(encoding.y[0], "a");
    chart_free(chart_of(table, &encoding));
    table_free(table);

    table = table_new(&err);
    table_column(table, "only", "", COLUMN_TEXT);
    table_text(table, "text");
    assert_false(encoding_guess(table, &encoding));
    table_free(table);
}

static void units_part_the_guess(void **state) {
    (void)state;
    Error err;
    Encoding encoding;
    Table *table = table_new(&err);
    table_column(table, "layer", "", COLUMN_TEXT);
    table_column(table, "weights", "", COLUMN_INTEGER);
    table_column(table, "before", "%", COLUMN_REAL);
    table_column(table, "time", "s", COLUMN_REAL);
    table_column(table, "after", "%", COLUMN_REAL);
    assert_true(encoding_guess(table, &encoding));
    assert_string_equal(encoding.y[0], "before");
    assert_string_equal(encoding.y[1], "after");
    assert_string_equal(encoding.y[2], "");
    table_free(table);
}

static void ends_of_an_interval_are_no_series(void **state) {
    (void)state;
    Error err;
    Encoding encoding;
    Table *table = table_new(&err);
    table_column(table, "network", "", COLUMN_TEXT);
    table_column(table, "accuracy", "%", COLUMN_REAL);
    table_column(table, "accuracy_low", "%", COLUMN_REAL);
    table_column(table, "accuracy_high", "%", COLUMN_REAL);
    assert_true(encoding_guess(table, &encoding));
    assert_string_equal(encoding.y[0], "accuracy");
    assert_string_equal(encoding.y[1], "");
    assert_string_equal(encoding.low, "accuracy_low");
    assert_string_equal(encoding.high, "accuracy_high");
    table_free(table);
}

static void wrong_columns_are_named(void **state) {
    (void)state;
    const double values[] = {1, 2};
    Table *table = table_of(values, 1, 2, true);
    static const struct {
        ChartKind kind;
        const char *x, *y, *value, *reason;
    } cases[] = {
        {CHART_BARS, "nowhere", "a", "", "no column 'nowhere'"},
        {CHART_BARS, "name", "nowhere", "", "no column 'nowhere'"},
        {CHART_BARS, "name", "name", "", "column 'name' holds text"},
        {CHART_BARS, "name", "", "", "no column for y"},
        {CHART_LINES, "name", "a", "", "column 'name' holds text"},
        {CHART_HEATMAP, "a", "b", "name", "column 'name' holds text"},
        {CHART_HEATMAP, "a", "", "b", "no column ''"},
        {CHART_KERNELS, "", "", "", "no column 'filter'"},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        Error err;
        Encoding encoding = sample_encoding(cases[i].kind, "", cases[i].x, cases[i].y);
        snprintf(encoding.value, sizeof encoding.value, "%s", cases[i].value);
        assert_null(chart_new(table, &encoding, &err));
        assert_int_equal(err.status, STATUS_USAGE);
        if (!strstr(err.text, cases[i].reason)) fail_msg("case %zu: %s", i, err.text);
    }
    table_free(table);
}

static void series_from_a_column(void **state) {
    (void)state;
    Error err;
    for (int many = 0; many < 2; many++) {
        Table *table = table_new(&err);
        table_column(table, "net", "", COLUMN_TEXT);
        table_column(table, "x", "", COLUMN_REAL);
        table_column(table, "y", "", COLUMN_REAL);
        for (int i = 0; i < 40; i++) {
            char name[16];
            snprintf(name, sizeof name, "net%d", many ? i % 13 : i % 3);
            table_text(table, name);
            table_real(table, 40 - i);
            table_real(table, i % 3);
        }
        table = table_finish(table, &err);
        static const ChartKind kinds[] = {CHART_BARS, CHART_LINES, CHART_HISTOGRAM, CHART_SCATTER};
        for (int kind = 0; kind < 4; kind++) {
            Encoding encoding = sample_encoding(kinds[kind], "", "x", "y");
            strcpy(encoding.series, "net");
            Chart *chart = chart_new(table, &encoding, &err);
            if (many) {
                assert_null(chart);
                assert_non_null(strstr(err.text, "names 13 series"));
                continue;
            }
            assert_non_null(chart);
            assert_int_equal(chart_series_count(chart), 3);
            assert_string_equal(chart_series_name(chart, 2), "net2");
            chart_free(chart);
        }
        table_free(table);
    }
}

static void kernels_refuse_what_is_no_index(void **state) {
    (void)state;
    static const double bad[] = {-1, 0.5, NAN, INFINITY, 1e18};
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) {
        static const char *const names[] = {"filter", "channel", "row", "column", "weight"};
        Error err;
        Table *table = table_new(&err);
        for (int c = 0; c < 5; c++) table_column(table, names[c], "", COLUMN_REAL);
        for (int c = 0; c < 5; c++) table_real(table, c == 2 ? bad[i] : 0);
        table = table_finish(table, &err);
        Encoding encoding = encoding_new(CHART_KERNELS);
        assert_null(chart_new(table, &encoding, &err));
        assert_int_equal(err.status, STATUS_USAGE);
        assert_non_null(strstr(err.text, ": 'row' is not an index"));
        table_free(table);
    }
}

static void gaps_are_counted(void **state) {
    (void)state;
    const double values[] = {1, 5, 2, NAN, 3, NAN, 4, INFINITY, 5, -1, 6, 0, 7, 2};
    Table *table = table_of(values, 7, 2, false);
    Encoding encoding = sample_encoding(CHART_LINES, "gaps", "a", "b");
    encoding.log_y = true;
    Chart *chart = chart_of(table, &encoding);
    ChartView view = chart_view(chart);
    Str text = text_of(chart, &view, 80, 16, false);
    assert_non_null(strstr(str_text(&text), "2 values missing, 1 value infinite, 2 values <= 0 not on the log axis"));
    str_done(&text);
    chart_free(chart);
    table_free(table);
}

/* ---- places ------------------------------------------------------------------------------------------------------ */

static const ChartCell *cell(const ChartGrid *grid, unsigned x, unsigned y) {
    return &grid->cells[y * grid->width + x];
}

static bool is(const ChartGrid *grid, unsigned x, unsigned y, const char *glyph) {
    return strcmp(cell(grid, x, y)->glyph, glyph) == 0;
}

/* y = x from 0 to 10 runs from corner to corner; in column c of n the mark stands in row (1 - c / (n - 1)) of the plot.
 */
static void a_line_passes_through_its_cells(void **state) {
    (void)state;
    Error err;
    double values[202];
    for (int i = 0; i <= 100; i++) values[2 * i] = values[2 * i + 1] = i / 10.0;
    Table *table = table_of(values, 101, 2, false);
    Encoding encoding = sample_encoding(CHART_LINES, "", "a", "b");
    Chart *chart = chart_of(table, &encoding);
    ChartView view = chart_view(chart);
    view.y0 = 0;
    view.y1 = 10;
    for (unsigned width = 30; width < 130; width += 9) {
        for (unsigned height = 10; height < 40; height += 7) {
            ChartGrid grid;
            unsigned left = 0, bottom = 0;
            assert_true(chart_grid(chart, &view, width, height, true, COLOURS_NONE, &grid, &err));
            while (!is(&grid, left, height / 2, "|") && !is(&grid, left, height / 2, "+")) left++;
            for (bottom = height / 2; bottom + 1 < height; bottom++) {
                bool axis = is(&grid, left + 1, bottom, "-") || is(&grid, left + 1, bottom, "+");
                if (axis && is(&grid, left, bottom, "+")) break;
            }
            unsigned columns = width - left - 1, rows = bottom - 1; /* one row of header */
            for (unsigned c = 0; c < columns; c++) {
                double row = (1 - (double)c / (columns - 1)) * (rows - 1);
                bool found = false;
                for (int d = -1; d <= 1; d++) {
                    int y = 1 + (int)lround(row) + d;
                    if (y >= 0 && y < (int)bottom && is(&grid, left + 1 + c, (unsigned)y, "*")) found = true;
                }
                if (!found) fail_msg("%u x %u: column %u", width, height, c);
            }
            assert_true(is(&grid, left + 1, bottom - 1, "*"));
            assert_true(is(&grid, width - 1, 1, "*"));
            chart_grid_done(&grid);
        }
    }
    chart_free(chart);
    table_free(table);
}

/* Eighths of cells that a row's bar fills: those of its blocks. */
static int bar_eighths(const ChartGrid *grid, unsigned y) {
    static const char *const blocks[] = {"▏", "▎", "▍", "▌", "▋", "▊", "▉", "█"};
    int eighths = 0;
    for (unsigned x = 0; x < grid->width; x++) {
        for (int b = 0; b < 8; b++) {
            if (is(grid, x, y, blocks[b])) eighths += b + 1;
        }
    }
    return eighths;
}

static void bar_lengths_are_proportional(void **state) {
    (void)state;
    Error err;
    const double values[] = {1, 2, 3, 5, 8, 13, 21, 34};
    Table *table = table_of(values, 8, 1, true);
    Encoding encoding = sample_encoding(CHART_BARS, "", "name", "a");
    Chart *chart = chart_of(table, &encoding);
    ChartView view = chart_view(chart);
    for (unsigned width = 30; width < 200; width += 3) {
        ChartGrid grid;
        assert_true(chart_grid(chart, &view, width, chart_height(chart, width), false, COLOURS_NONE, &grid, &err));
        int longest = bar_eighths(&grid, 8);
        assert_true(longest >= (int)(width - 16) * 8 * 9 / 10); /* it uses the room it has */
        for (unsigned i = 0; i < 8; i++) {
            double expected = longest * values[i] / 34;
            assert_true(fabs(bar_eighths(&grid, i + 1) - expected) <= 1);
        }
        chart_grid_done(&grid);
    }
    chart_free(chart);
    table_free(table);
}

static void every_series_appears(void **state) {
    (void)state;
    Error err;
    Table *table = table_new(&err);
    Encoding encoding = sample_encoding(CHART_LINES, "", "x", "");
    table_column(table, "x", "", COLUMN_REAL);
    for (int s = 0; s < CHART_SERIES_MAX; s++) {
        char name[16];
        snprintf(name, sizeof name, "s%d", s);
        table_column(table, name, "", COLUMN_REAL);
        strcpy(encoding.y[s], name);
    }
    for (int i = 0; i < 50; i++) {
        table_real(table, i);
        for (int s = 0; s < CHART_SERIES_MAX; s++) table_real(table, s + 0.01 * i);
    }
    table = table_finish(table, &err);
    Chart *chart = chart_of(table, &encoding);
    ChartView view = chart_view(chart);
    static const char *const marks = "ox+*#@%=&$~^";
    Str text = text_of(chart, &view, 100, 40, true);
    for (int s = 0; s < CHART_SERIES_MAX; s++) {
        int count = 0;
        for (const char *c = str_text(&text); *c; c++) count += *c == marks[s];
        assert_true(count > 40);
    }
    str_done(&text);
    chart_free(chart);
    table_free(table);
}

static void heat_extremes_have_extreme_shades(void **state) {
    (void)state;
    Error err;
    const double values[] = {0, 0, 1, 1, 0, 5, 0, 1, 5, 1, 1, 9}; /* x, y, value: least bottom left, most top right */
    Table *table = table_of(values, 4, 3, false);
    Encoding encoding = sample_encoding(CHART_HEATMAP, "", "a", "b");
    strcpy(encoding.value, "c");
    Chart *chart = chart_of(table, &encoding);
    ChartView view = chart_view(chart);
    ChartGrid grid;
    assert_true(chart_grid(chart, &view, 60, 20, true, COLOURS_NONE, &grid, &err));
    unsigned left = 0;
    while (!is(&grid, left, 5, "|") && !is(&grid, left, 5, "+")) left++;
    assert_true(is(&grid, left + 1, 16, " "));
    assert_true(is(&grid, left + 1, 1, "+"));
    assert_true(is(&grid, left + 40, 1, "@"));
    assert_true(is(&grid, left + 40, 16, "+"));
    chart_grid_done(&grid);
    chart_free(chart);
    table_free(table);
}

static void colours_only_where_asked(void **state) {
    (void)state;
    for (int sample = 0; sample < SAMPLES; sample++) {
        Table *table;
        Encoding encoding;
        Error err;
        sample_chart(sample, &table, &encoding, &err);
        Chart *chart = chart_of(table, &encoding);
        ChartView view = chart_view(chart);
        for (int colours = COLOURS_NONE; colours <= COLOURS_TRUE; colours++) {
            ChartGrid grid;
            Str text = {0};
            assert_true(chart_grid(chart, &view, 80, 24, false, (ChartColours)colours, &grid, &err));
            chart_grid_text(&grid, (ChartColours)colours, &text);
            bool escapes = strchr(str_text(&text), '\x1b') != NULL;
            bool long_ones = strstr(str_text(&text), ";38;5;") || strstr(str_text(&text), ";48;5;");
            assert_int_equal(escapes, colours != COLOURS_NONE);
            assert_int_equal(long_ones, colours == COLOURS_256);
            assert_int_equal(strstr(str_text(&text), "8;2;") != NULL, colours == COLOURS_TRUE);
            assert_null(strstr(str_text(&text), " \n"));
            str_done(&text);
            chart_grid_done(&grid);
        }
        chart_free(chart);
        table_free(table);
    }
}

/* ---- moving about ------------------------------------------------------------------------------------------------ */

static void the_cursor_steps_from_point_to_point(void **state) {
    (void)state;
    const double values[] = {4, 40, 1, 10, 2, NAN, 3, 30};
    Table *table = table_of(values, 4, 2, false);
    Encoding encoding = sample_encoding(CHART_LINES, "", "a", "b");
    Chart *chart = chart_of(table, &encoding);
    ChartView view = chart_view(chart);
    chart_cursor_move(chart, &view, 1, 0);
    chart_cursor_move(chart, &view, -100, 0);
    assert_true(view.cursor == 1 && view.cursor_y == 10);
    chart_cursor_move(chart, &view, 1, 0);
    assert_true(view.cursor == 3 && view.cursor_y == 30); /* the gap is stepped over */
    chart_cursor_move(chart, &view, 5, 0);
    assert_true(view.cursor == 4 && view.cursor_y == 40);
    Str read = {0};
    chart_readout(chart, &view, &read);
    assert_string_equal(str_text(&read), "a 4  b 40");
    str_done(&read);
    chart_free(chart);
    table_free(table);

    table = table_of(values, 4, 2, true);
    encoding = sample_encoding(CHART_BARS, "", "name", "a");
    chart = chart_of(table, &encoding);
    view = chart_view(chart);
    chart_cursor_move(chart, &view, 0, -1);
    chart_cursor_move(chart, &view, 0, -1);
    assert_true(view.cursor == 1);
    chart_readout(chart, &view, &read);
    assert_string_equal(str_text(&read), "row1  a 1");
    str_done(&read);
    chart_free(chart);
    table_free(table);
}

static void heat_and_kernels_are_read_cell_by_cell(void **state) {
    (void)state;
    Error err;
    Table *table = sample_landscape(5, &err);
    Encoding encoding = sample_encoding(CHART_HEATMAP, "", "u", "v");
    strcpy(encoding.value, "loss");
    Chart *chart = chart_of(table, &encoding);
    ChartView view = chart_view(chart);
    Str read = {0};
    chart_cursor_move(chart, &view, 1, 0);
    chart_cursor_move(chart, &view, 10, 10);
    assert_true(view.cursor == 1.5 && view.cursor_y == 1.5);
    chart_cursor_move(chart, &view, -1, -2);
    chart_readout(chart, &view, &read);
    assert_string_equal(str_text(&read), "u 1  v 0.5  loss 0.575 nat"); /* 0.2 + 0.9 / 4 + 0.3 / 2 */
    str_done(&read);
    chart_free(chart);
    table_free(table);

    table = sample_kernels(2, 3, 3, &err);
    encoding = encoding_new(CHART_KERNELS);
    chart = chart_of(table, &encoding);
    view = chart_view(chart);
    chart_cursor_move(chart, &view, 1, 0);
    chart_cursor_move(chart, &view, -100, 100);
    chart_cursor_move(chart, &view, 4, -5);
    chart_readout(chart, &view, &read);
    assert_non_null(strstr(str_text(&read), "filter 1  channel 1  row 2  column 1  weight "));
    char weight[40];
    snprintf(weight, sizeof weight, "weight %.6g", table_number(table, "weight", ((1 * 3 + 1) * 3 + 2) * 3 + 1));
    assert_non_null(strstr(str_text(&read), weight));
    str_done(&read);
    chart_free(chart);
    table_free(table);
}

static void zoom_and_pan_stay_inside(void **state) {
    (void)state;
    for (int sample = 0; sample < SAMPLES; sample++) {
        Table *table;
        Encoding encoding;
        Error err;
        sample_chart(sample, &table, &encoding, &err);
        Chart *chart = chart_of(table, &encoding);
        const ChartView all = chart_view(chart);
        ChartView view = all;
        chart_zoom(chart, &view, 2);
        assert_true(view.x0 > all.x0 && view.x1 < all.x1);
        chart_zoom(chart, &view, 0.25);
        assert_true(view.x0 == all.x0 && view.x1 == all.x1 && view.y0 == all.y0 && view.y1 == all.y1);
        Rng rng = {.seed = 7};
        for (int i = 0; i < 500; i++) {
            chart_cursor_move(chart, &view, (int)rng_below(&rng, 5) - 2, (int)rng_below(&rng, 5) - 2);
            chart_zoom(chart, &view, 0.5 + rng_uniform(&rng));
            chart_pan(chart, &view, rng_normal(&rng), rng_normal(&rng));
            double slack = 1e-9 * (all.x1 - all.x0), slack_y = 1e-9 * (all.y1 - all.y0);
            assert_true(view.x0 >= all.x0 - slack && view.x1 <= all.x1 + slack && view.x0 < view.x1);
            assert_true(view.y0 >= all.y0 - slack_y && view.y1 <= all.y1 + slack_y && view.y0 < view.y1);
        }
        chart_free(chart);
        table_free(table);
    }
}

/* A value whose place is missing is drawn nowhere. */
static void heat_without_a_place(void **state) {
    (void)state;
    const double values[] = {1, 1, 0, 2, 2, 1, NAN, 1, 7, 3, NAN, 8};
    Table *table = table_of(values, 4, 3, false);
    Encoding encoding = sample_encoding(CHART_HEATMAP, "", "a", "b");
    strcpy(encoding.value, "c");
    Chart *chart = chart_of(table, &encoding);
    const ChartView view = chart_view(chart);
    Str text = text_of(chart, &view, 60, 12, true);
    assert_non_null(strstr(str_text(&text), "missing"));
    assert_null(strpbrk(str_text(&text), "78"));
    str_done(&text);
    chart_free(chart);
    table_free(table);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(heat_without_a_place),
        cmocka_unit_test(guesses),
        cmocka_unit_test(units_part_the_guess),
        cmocka_unit_test(ends_of_an_interval_are_no_series),
        cmocka_unit_test(wrong_columns_are_named),
        cmocka_unit_test(series_from_a_column),
        cmocka_unit_test(kernels_refuse_what_is_no_index),
        cmocka_unit_test(gaps_are_counted),
        cmocka_unit_test(a_line_passes_through_its_cells),
        cmocka_unit_test(bar_lengths_are_proportional),
        cmocka_unit_test(every_series_appears),
        cmocka_unit_test(heat_extremes_have_extreme_shades),
        cmocka_unit_test(colours_only_where_asked),
        cmocka_unit_test(the_cursor_steps_from_point_to_point),
        cmocka_unit_test(heat_and_kernels_are_read_cell_by_cell),
        cmocka_unit_test(zoom_and_pan_stay_inside),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
