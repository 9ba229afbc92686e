/* test_panels -- charts of several panels: kernels of two networks and their difference, pictures with captions. */
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

#include "drawn.h"

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

/* ---- pictures ---------------------------------------------------------------------------------------------------- */

/* `count` pictures of 4 x 6 pixels; picture i is white in its column i % 6. */
static Table *sample_pictures(size_t count, const char *caption) {
    static const char *const names[] = {"row", "column", "value"};
    Error err;
    Table *table = table_new(&err);
    table_column(table, "caption", "", COLUMN_TEXT);
    for (int i = 0; i < 3; i++) table_column(table, names[i], "", COLUMN_INTEGER);
    for (size_t i = 0; i < count * 24; i++) {
        char text[80];
        snprintf(text, sizeof text, "%zu%s", i / 24, caption);
        table_text(table, text);
        table_integer(table, (int64_t)(i % 24 / 6));
        table_integer(table, (int64_t)(i % 6));
        table_integer(table, i % 6 == i / 24 % 6 ? 255 : 0);
    }
    table = table_finish(table, &err);
    assert_non_null(table);
    return table;
}

static Chart *chart_of_pictures(const Table *table, unsigned across) {
    Encoding encoding = sample_encoding(CHART_PICTURES, "Pictures", "column", "row");
    snprintf(encoding.series, sizeof encoding.series, "caption");
    snprintf(encoding.value, sizeof encoding.value, "value");
    encoding.across = across;
    return chart_of(table, &encoding);
}

static void pictures_in_rows(void **state) {
    (void)state;
    Table *table = sample_pictures(3, "");
    Chart *chart = chart_of_pictures(table, 0);
    ChartView view = chart_view(chart);
    Str text = text_of(chart, &view, 80, chart_height(chart, 80), true);
    assert_string_equal(str_text(&text), "Pictures\n\n"
                                         "@@              @@              @@\n"
                                         "@@              @@              @@\n"
                                         "@@              @@              @@\n"
                                         "@@              @@              @@\n"
                                         "0             1             2\n");
    str_done(&text);
    chart_free(chart);
    chart = chart_of_pictures(table, 2); /* two belong together */
    text = text_of(chart, &view, 30, chart_height(chart, 30), true);
    assert_non_null(strstr(str_text(&text), "0             1\n\n    @@"));
    str_done(&text);
    chart_free(chart);
    table_free(table);
}

static void captions_wrap(void **state) {
    (void)state;
    Table *table = sample_pictures(2, ": some words; base: 7 it (98.2 %)");
    Chart *chart = chart_of_pictures(table, 0);
    ChartView view = chart_view(chart);
    Str text = text_of(chart, &view, 80, chart_height(chart, 80), true);
    assert_non_null(strstr(str_text(&text), "0: some       1: some\nwords         words\nbase: 7 it    base: 7 it\n"
                                            "(98.2 %)      (98.2 %)\n"));
    str_done(&text);
    chart_free(chart);
    table_free(table);
}

/* Any size works; what has no room is counted. */
static void pictures_without_room(void **state) {
    (void)state;
    Error err;
    Table *table = sample_pictures(40, " x");
    Chart *chart = chart_of_pictures(table, 0);
    ChartView view = chart_view(chart);
    Str text = text_of(chart, &view, 40, 12, true);
    assert_non_null(strstr(str_text(&text), " of 40 pictures fit"));
    str_done(&text);
    for (unsigned width = 1; width < 90; width += 11) {
        text = text_of(chart, &view, width, width / 3, width % 2 == 0);
        str_done(&text);
    }
    chart_cursor_move(chart, &view, 1, 1);
    chart_zoom(chart, &view, 2);
    chart_pan(chart, &view, 0.1, 0.1);
    chart_readout(chart, &view, &text);
    str_done(&text);
    chart_free(chart);
    table->columns[1].cells[3].integer = -1;
    Encoding encoding = sample_encoding(CHART_PICTURES, "", "column", "row");
    snprintf(encoding.series, sizeof encoding.series, "caption");
    snprintf(encoding.value, sizeof encoding.value, "value");
    assert_null(chart_new(table, &encoding, &err));
    assert_string_equal(err.text, "chart: row 4: 'row' is not an index");
    *encoding.series = '\0';
    assert_null(chart_new(table, &encoding, &err));
    assert_int_equal(err.status, STATUS_USAGE);
    table_free(table);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(kernels_split_into_panels), cmocka_unit_test(narrow_panels),
        cmocka_unit_test(pictures_in_rows),          cmocka_unit_test(captions_wrap),
        cmocka_unit_test(pictures_without_room),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
