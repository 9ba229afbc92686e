/* test_panels -- charts of several panels: kernels of two networks and their difference. */
#include "samples.h"
#include "weft/base/error.h"
#include "weft/base/table.h"
#include "weft/base/text.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <cmocka.h>

static Chart *chart_of(const Table *table, const Encoding *encoding) {
    Error err;
    Chart *chart = chart_new(table, encoding, &err);
    if (!chart) fail_msg("%s", err.text);
    return chart;
}

static Str text_of(const Chart *chart, const ChartView *view, unsigned width, unsigned height, bool ascii) {
    ChartGrid grid;
    Error err;
    Str out = {0};
    assert_true(chart_grid(chart, view, width, height, ascii, COLOURS_NONE, &grid, &err));
    chart_grid_text(&grid, COLOURS_NONE, &out);
    chart_grid_done(&grid);
    return out;
}

/* One scale of colours for all panels; the cursor reads them all. */
static void kernels_split_into_panels(void **state) {
    (void)state;
    Error err;
    Table *table = sample_panels(2, 3, 3, &err);
    Encoding encoding = encoding_new(CHART_KERNELS);
    strcpy(encoding.series, "network");
    Chart *chart = chart_of(table, &encoding);
    ChartView view = chart_view(chart);
    chart_cursor_move(chart, &view, 1, 0);
    chart_cursor_move(chart, &view, -100, 100);
    chart_cursor_move(chart, &view, 4, -5);
    Str read = {0};
    char wanted[200];
    const size_t at = ((1 * 3 + 1) * 3 + 2) * 3 + 1, each = table->rows / 3;
    chart_readout(chart, &view, &read);
    snprintf(wanted, sizeof wanted, "filter 1  channel 1  row 2  column 1  base %.6g  smooth %.6g  smooth - base %.6g",
             table_number(table, "weight", at), table_number(table, "weight", each + at),
             table_number(table, "weight", 2 * each + at));
    assert_string_equal(str_text(&read), wanted);
    str_done(&read);
    chart_free(chart);
    strcpy(encoding.series, "filter"); /* numbers name panels, too */
    chart_free(chart_of(table, &encoding));
    strcpy(encoding.series, "nothing");
    assert_null(chart_new(table, &encoding, &err));
    assert_int_equal(err.status, STATUS_USAGE);
    table_free(table);
}

/* Panels that do not fit are left out, and the chart says so. */
static void narrow_panels(void **state) {
    (void)state;
    Error err;
    Table *table = sample_panels(4, 8, 3, &err);
    Encoding encoding = encoding_new(CHART_KERNELS);
    strcpy(encoding.series, "network");
    Chart *chart = chart_of(table, &encoding);
    ChartView view = chart_view(chart);
    Str text = text_of(chart, &view, 80, 24, true);
    assert_non_null(strstr(str_text(&text), "smooth - base"));
    assert_non_null(strstr(str_text(&text), "channels 0-"));
    str_done(&text);
    text = text_of(chart, &view, 24, 24, true);
    assert_non_null(strstr(str_text(&text), "1 of 3 panels, "));
    str_done(&text);
    for (unsigned width = 1; width < 60; width += 7) {
        text = text_of(chart, &view, width, width / 2, width % 2 == 0);
        str_done(&text);
    }
    chart_free(chart);
    table_free(table);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(kernels_split_into_panels),
        cmocka_unit_test(narrow_panels),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
