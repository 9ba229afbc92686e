/* test_series -- what intervals, flags and histograms are made of, and what is refused. */
#include "samples.h"
#include "chart/model.h"
#include "weft/base/error.h"
#include "weft/base/table.h"
#include "weft/base/text.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include "drawn.h"

static void refused(const Table *table, const Encoding *encoding, const char *words) {
    Error err;
    assert_null(chart_new(table, encoding, &err));
    assert_int_equal(err.status, STATUS_USAGE);
    if (!strstr(err.text, words)) fail_msg("'%s' is not in: %s", words, err.text);
}

static Table *numbers(const double *values, size_t rows, size_t columns) {
    static const char *const names[] = {"a", "b", "c", "d"};
    Error err;
    Table *table = table_new(&err);
    for (size_t c = 0; c < columns; c++) table_column(table, names[c], "", COLUMN_REAL);
    for (size_t i = 0; i < rows * columns; i++) table_real(table, values[i]);
    return table_finish(table, &err);
}

static void intervals_follow_their_points(void **state) {
    (void)state;
    const double values[] = {3, 30, 29, 32, 1, 10, 12, 8, 2, 20, NAN, 25};
    Table *table = numbers(values, 3, 4);
    Encoding encoding = sample_encoding(CHART_LINES, "", "a", "b");
    snprintf(encoding.low, sizeof encoding.low, "c");
    snprintf(encoding.high, sizeof encoding.high, "d");
    Chart *chart = chart_of(table, &encoding);
    const Series *series = &chart->series[0];
    assert_true(series->x[0] == 1 && series->low[0] == 8 && series->high[0] == 12); /* ends in order */
    assert_true(isnan(series->low[1]) && isnan(series->high[1]));                   /* one end alone is none */
    assert_true(series->x[2] == 3 && series->low[2] == 29 && series->high[2] == 32);
    assert_true(chart->y.low == 8 && chart->y.high == 32); /* all of it is in view */
    chart_free(chart);
    *encoding.low = *encoding.high = '\0';
    snprintf(encoding.deviation, sizeof encoding.deviation, "a");
    chart = chart_of(table, &encoding);
    assert_true(chart->series[0].low[2] == 27 && chart->series[0].high[2] == 33);
    chart_free(chart);
    snprintf(encoding.low, sizeof encoding.low, "c");
    refused(table, &encoding, "both ends");
    snprintf(encoding.high, sizeof encoding.high, "d");
    refused(table, &encoding, "either");
    *encoding.deviation = '\0';
    snprintf(encoding.flag, sizeof encoding.flag, "a");
    refused(table, &encoding, "must hold text");
    table_free(table);
}

/* Bars shorter than a cell are explained, and a label never stands on a marked point. */
static void aside_is_seen_or_explained(void **state) {
    (void)state;
    const double values[] = {1, 50, 49.9, 50.1, 2, 51, 50.9, 51.1, 3, 100, 99.9, 100};
    Table *table = numbers(values, 3, 4);
    Encoding encoding = sample_encoding(CHART_SCATTER, "", "a", "b");
    snprintf(encoding.low, sizeof encoding.low, "c");
    snprintf(encoding.high, sizeof encoding.high, "d");
    encoding.reference = 51;
    snprintf(encoding.reference_label, sizeof encoding.reference_label, "unchanged");
    Chart *chart = chart_of(table, &encoding);
    ChartView view = chart_view(chart);
    for (unsigned mark = 0; mark < 40; mark++) { /* the marked point passes under the label */
        encoding.mark_count = 1;
        encoding.marks[0] = (ChartMark){.x = 1 + mark / 20.0, .y = 55};
        Chart *marked = chart_of(table, &encoding);
        Str text = text_of(marked, &view, 40, 12, false);
        assert_non_null(strstr(str_text(&text), "unchanged"));
        assert_non_null(strstr(str_text(&text), "(within the marks)"));
        str_done(&text);
        chart_free(marked);
    }
    view.y0 = 49.5;
    view.y1 = 51.5;
    Str text = text_of(chart, &view, 40, 16, false);
    assert_null(strstr(str_text(&text), "within"));
    str_done(&text);
    chart_free(chart);
    table_free(table);
}

static void histograms_count_every_finite_value(void **state) {
    (void)state;
    const double values[] = {0, 1, 1, NAN, 2, 2, 3, 4, 4, INFINITY};
    Table *table = numbers(values, 5, 2);
    Encoding encoding = sample_encoding(CHART_HISTOGRAM, "", "", "a");
    snprintf(encoding.y[1], sizeof encoding.y[1], "b");
    encoding.bins = 4;
    Chart *chart = chart_of(table, &encoding);
    const double a[] = {1, 1, 1, 2}, b[] = {0, 1, 1, 1}, edges[] = {0, 1, 2, 3, 4};
    assert_int_equal(chart->bin_count, 4);
    assert_memory_equal(chart->series[0].y, a, sizeof a);
    assert_memory_equal(chart->series[1].y, b, sizeof b);
    assert_memory_equal(chart->edges, edges, sizeof edges);
    assert_true(chart->missing == 1 && chart->infinite == 1);
    chart_free(chart);
    encoding.share = true;
    chart = chart_of(table, &encoding);
    assert_true(chart->series[0].y[3] == 40 && fabs(chart->series[1].y[2] - 100.0 / 3) < 1e-12);
    chart_free(chart);
    encoding.log_x = true; /* bins that are equal on a log axis, without 0 */
    encoding.share = false;
    encoding.bins = 2;
    chart = chart_of(table, &encoding);
    assert_true(fabs(chart->edges[1] - 2) < 1e-12 && chart->colourless == 1);
    assert_true(chart->series[0].y[0] == 1 && chart->series[0].y[1] == 3);
    chart_free(chart);
    encoding.bins = CHART_BINS_MAX + 1;
    refused(table, &encoding, "bins");
    table_free(table);
}

static void rows_may_be_bins(void **state) {
    (void)state;
    const double values[] = {-1, 0, 5, 7, 0, 2, 6, 8}, gap[] = {-1, 0, 5, 7, 1, 2, 6, 8};
    Table *table = numbers(values, 2, 4);
    Encoding encoding = sample_encoding(CHART_HISTOGRAM, "", "weight", "c");
    snprintf(encoding.low, sizeof encoding.low, "a");
    snprintf(encoding.high, sizeof encoding.high, "b");
    snprintf(encoding.y[1], sizeof encoding.y[1], "d");
    Chart *chart = chart_of(table, &encoding);
    assert_true(chart->edges[0] == -1 && chart->edges[1] == 0 && chart->edges[2] == 2);
    assert_true(chart->series[0].y[1] == 6 && chart->series[1].y[0] == 7);
    assert_string_equal(chart->x.label, "weight");
    ChartView view = chart_view(chart);
    Str text = {0};
    chart_cursor_move(chart, &view, 0, 0);
    chart_readout(chart, &view, &text);
    assert_string_equal(str_text(&text), "0 to 2  c 6  d 8");
    str_done(&text);
    chart_free(chart);
    table_free(table);
    table = numbers(gap, 2, 4);
    refused(table, &encoding, "row 2 is no bin");
    table_free(table);
}

static void ranges_of_colours_are_checked(void **state) {
    (void)state;
    Error err;
    Table *table = sample_landscape(5, &err);
    Encoding encoding = sample_encoding(CHART_HEATMAP, "", "u", "v");
    snprintf(encoding.value, sizeof encoding.value, "loss");
    encoding.range_low = 0;
    encoding.range_high = 0.3;
    Chart *chart = chart_of(table, &encoding);
    const Scale scale = value_scale(chart);
    assert_true(scale.low == 0 && scale.high == 0.3 && chart->beyond > 0);
    chart_free(chart);
    encoding.range_low = NAN; /* from the data */
    chart = chart_of(table, &encoding);
    assert_true(value_scale(chart).low == chart->value.low && value_scale(chart).high == 0.3);
    chart_free(chart);
    encoding.range_low = 1;
    refused(table, &encoding, "range of colours");
    table_free(table);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(intervals_follow_their_points), cmocka_unit_test(aside_is_seen_or_explained),
        cmocka_unit_test(histograms_count_every_finite_value), cmocka_unit_test(rows_may_be_bins),
        cmocka_unit_test(ranges_of_colours_are_checked)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
