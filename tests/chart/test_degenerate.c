/* test_degenerate -- every kind of chart of tables that are empty, constant, missing, infinite or huge, in every form.
 */
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

/* On a usual page and on the smallest one. */
static void check_svg(const Chart *chart, const ChartView *view) {
    const ChartPage small = {.width = 3, .height = 2};
    for (int page = 0; page < 2; page++) {
        Error err;
        Str svg = {0};
        assert_true(chart_bytes(chart, view, page ? &small : NULL, "chart.svg", &svg, &err));
        assert_null(strstr(str_text(&svg), "nan"));
        assert_null(strstr(str_text(&svg), "=\"inf"));
        str_done(&svg);
    }
}

static void draw_everywhere(const Table *table, Encoding encoding) {
    Error err;
    for (int log = 0; log < 4; log++) {
        encoding.log_x = log & 1;
        encoding.log_y = log & 2;
        Chart *chart = chart_of(table, &encoding);
        ChartView view = chart_view(chart);
        for (int move = 0; move < 4; move++) {
            chart_cursor_move(chart, &view, move % 2, move / 2);
            chart_zoom(chart, &view, move % 2 ? 2 : 0.5);
            chart_pan(chart, &view, 0.5, -0.5);
            Str read = {0};
            chart_readout(chart, &view, &read);
            str_done(&read);
            for (int size = 0; size < 5; size++) {
                static const unsigned sizes[5][2] = {{1, 1}, {7, 3}, {40, 12}, {80, 24}, {130, 40}};
                for (int form = 0; form < 6; form++) {
                    ChartGrid grid;
                    assert_true(chart_grid(chart, &view, sizes[size][0], sizes[size][1], form % 2,
                                           (ChartColours)(form / 2), &grid, &err));
                    chart_grid_done(&grid);
                }
            }
        }
        assert_true(chart_height(chart, 80) >= 4 && chart_height(chart, 80) <= 60);
        if (log % 3 == 0) check_svg(chart, &view);
        chart_free(chart);
    }
}

/* Intervals, flags, points and bins of the same numbers. */
static void draw_spread(const Table *table, Encoding encoding) {
    encoding.kind = CHART_SCATTER;
    draw_everywhere(table, encoding);
    encoding.kind = CHART_HISTOGRAM;
    draw_everywhere(table, encoding);
    encoding.bins = 7;
    encoding.share = true;
    draw_everywhere(table, encoding);
    strcpy(encoding.low, "c");
    strcpy(encoding.high, "b");
    strcpy(encoding.flag, "name");
    encoding.kind = CHART_LINES;
    draw_everywhere(table, encoding);
    encoding.error_bars = encoding.equal = true;
    draw_everywhere(table, encoding);
    encoding.kind = CHART_BARS;
    strcpy(encoding.x, "name");
    draw_everywhere(table, encoding);
}

static void degenerate_tables(void **state) {
    (void)state;
    static const double tables[][9] = {
        {1, 2, 3},
        {0, 0, 0, 0, 0, 0, 0, 0, 0},
        {5, 5, 5, 5, 5, 5, 5, 5, 5},
        {NAN, NAN, NAN, NAN, NAN, NAN, NAN, NAN, NAN},
        {1, NAN, 3, NAN, 5, 6, 7, 8, NAN},
        {INFINITY, -INFINITY, 1, 2, INFINITY, 3, 4, 5, -INFINITY},
        {1e-300, 1e300, -1e300, 1e-300, 1, 1e300, 1e300, -1e300, 5e-324},
        {-1.7e308, 1.7e308, 1.7e308, 1.7e308, -1.7e308, 0, 0, 0, 0},
        {-1, -2, -3, -4, -5, -6, -7, -8, -9},
        {1, 1 + 1e-15, 1, 1, 1, 1, 1 - 1e-15, 1, 1},
    };
    for (size_t i = 0; i < sizeof tables / sizeof *tables; i++) {
        for (size_t rows = 0; rows <= 3; rows++) {
            Table *table = table_of(tables[i], rows, 3, true);
            Encoding encoding = sample_encoding(CHART_BARS, "t", "name", "a");
            sample_also(&encoding, i % 2 ? "b" : "", "");
            encoding.reference = 0.5;
            strcpy(encoding.reference_label, "half");
            draw_everywhere(table, encoding);
            encoding.kind = CHART_LINES;
            strcpy(encoding.x, "c");
            draw_everywhere(table, encoding);
            if (rows == 3 || rows == 0) draw_spread(table, encoding);
            encoding.kind = CHART_HEATMAP;
            strcpy(encoding.value, "b");
            draw_everywhere(table, encoding);
            encoding.equal = true;
            encoding.range_low = -0.5;
            draw_everywhere(table, encoding);
            encoding.diverging = true;
            strcpy(encoding.x, "name");
            draw_everywhere(table, encoding);
            table_free(table);
        }
    }
}

static void ten_thousand_rows(void **state) {
    (void)state;
    enum { ROWS = 10000 };
    Error err;
    double *values = mem_alloc(ROWS * 3, sizeof(double), &err);
    for (unsigned i = 0; i < ROWS; i++) {
        values[3 * i] = i % 100;
        values[3 * i + 1] = i / 100;
        values[3 * i + 2] = sample_noise(i) - 0.5;
    }
    Table *table = table_of(values, ROWS, 3, true);
    draw_everywhere(table, sample_encoding(CHART_BARS, "", "name", "c"));
    draw_everywhere(table, sample_encoding(CHART_BARS, "", "c", "c"));
    draw_everywhere(table, sample_encoding(CHART_LINES, "", "c", "a"));
    draw_everywhere(table, sample_encoding(CHART_LINES, "", "", "c"));
    Encoding encoding = sample_encoding(CHART_HEATMAP, "", "a", "b");
    strcpy(encoding.value, "c");
    draw_everywhere(table, encoding);
    strcpy(encoding.x, "name");
    strcpy(encoding.y[0], "c");
    assert_null(chart_new(table, &encoding, &err)); /* 10,000 names x 4,096 numbers */
    assert_int_equal(err.status, STATUS_LIMIT);
    table_free(table);
    mem_free(values);
}

int main(void) {
    const struct CMUnitTest tests[] = {cmocka_unit_test(degenerate_tables), cmocka_unit_test(ten_thousand_rows)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
