/* test_layout -- what both renderers of charts share: legends, ticks, marks and labels neither overlap nor leave their
 * room, in cells and in points. */
#include "chart/layout.h"
#include "samples.h"
#include "weft/base/error.h"
#include "weft/base/table.h"
#include "weft/chart.h"

#include <math.h>
#include <string.h>

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

static double letters(const char *text) {
    return (double)strlen(text);
}

static double half(const char *text) {
    return letters(text) / 2;
}

/* Lines of `series` series, whose names grow. */
static Chart *lines_of(unsigned series, unsigned points) {
    Error err;
    Table *table = table_new(&err);
    Encoding encoding = encoding_new(CHART_LINES);
    table_column(table, "x", "", COLUMN_INTEGER);
    snprintf(encoding.x, sizeof encoding.x, "x");
    for (unsigned s = 0; s < series; s++) {
        snprintf(encoding.y[s], sizeof encoding.y[s], "%.*s%u", (int)(3 * s), "abcdefghijklmnopqrstuvwxyzabcdefghij",
                 s);
        table_column(table, encoding.y[s], "", COLUMN_REAL);
    }
    for (unsigned i = 0; i < points; i++) {
        table_integer(table, (int64_t)i);
        for (unsigned s = 0; s < series; s++) table_real(table, i == 3 ? NAN : sample_noise(i + s));
    }
    table = table_finish(table, &err);
    Chart *chart = table ? chart_new(table, &encoding, &err) : NULL;
    table_free(table);
    if (!chart) fail_msg("%s", err.text);
    return chart;
}

/* Items lie in their rows one behind the other; those that do not fit are counted. */
static void legends_fit(void **state) {
    (void)state;
    Chart *chart = lines_of(12, 5);
    for (unsigned most = 1; most < 6; most++) {
        for (double width = 1; width < 200; width += 3) {
            const LegendRule rule = {5, 2, 2 + width, 2, 3, most, letters};
            const Legend legend = legend_place(chart, &rule);
            double end = 0;
            assert_in_range(legend.rows, 1, most);
            for (size_t s = 0; s < legend.shown; s++) {
                const bool begins = s == 0 || legend.row[s] > legend.row[s - 1];
                assert_true(legend.row[s] < legend.rows);
                assert_true(legend.x[s] >= (begins ? 2 : end + 3));
                end = legend.x[s] + 2 + letters(chart->series[s].name);
                if (!begins) assert_true(end <= 2 + width);
            }
            if (legend.shown == chart->series_count) continue;
            char more[32];
            snprintf(more, sizeof more, "+%zu more", chart->series_count - legend.shown);
            assert_string_equal(legend.more, more);
            const bool follows = legend.shown > 0 && legend.row[legend.shown - 1] + 1 == legend.rows;
            assert_true(legend.more_x >= (follows ? end : 2));
        }
    }
    const LegendRule rule = {0, 0, 1e6, 2, 3, 1, letters};
    const Legend legend = legend_place(chart, &rule);
    assert_true(legend.shown == 12 && legend.rows == 1);
    assert_true(fabs(legend.x[11] + 2 + letters(chart->series[11].name) - legend_length(chart, &rule)) < 1e-9);
    chart_free(chart);
}

static double place(const void *context, double value) {
    return scale_fraction(*(const Scale *)context, value);
}

/* Never more than asked for, never into one another; and where one more fits, there is one more. */
static void ticks_stand_apart(void **state) {
    (void)state;
    static const Scale scales[] = {{0, 1, false, false, NULL, 0},
                                   {-3e-7, 8e5, false, false, NULL, 0},
                                   {1e-6, 1e9, true, false, NULL, 0},
                                   {0, 17, false, true, NULL, 0}};
    for (size_t k = 0; k < sizeof scales / sizeof *scales; k++) {
        size_t last = 0;
        for (double length = 1; length < 300; length += 7) {
            const TickRule rule = {11, 2, half, place, &scales[k], length};
            Ticks ticks;
            ticks_apart(scales[k], &rule, &ticks);
            assert_true(ticks.count <= 11);
            for (size_t i = 1; i < ticks.count; i++) {
                double from = place(&scales[k], ticks.at[i - 1]), to = place(&scales[k], ticks.at[i]);
                assert_true((to - from) * length >= half(ticks.label[i - 1]) + half(ticks.label[i]) + 2);
            }
            assert_true(ticks.count >= last);
            last = ticks.count;
        }
    }
}

typedef struct Marks {
    const Chart *chart;
    double last, spacing;
    size_t count;
} Marks;

static bool point_at(const void *context, size_t s, size_t i, Place *at) {
    const Chart *chart = ((const Marks *)context)->chart;
    const Scale all = {0, 1000, false, false, NULL, 0}, unit = {0, 1, false, false, NULL, 0};
    return series_place(&chart->series[s], i, all, unit, &at->x, &at->y);
}

static void count_mark(const void *context, size_t s, Place at) {
    Marks *marks = (Marks *)(uintptr_t)context;
    (void)s;
    assert_true(marks->count == 0 || at.x - marks->last >= marks->spacing - 1e-9);
    marks->last = at.x;
    marks->count++;
}

static size_t marks_of(unsigned series, unsigned points, size_t most, double spacing) {
    Chart *chart = lines_of(series, points);
    Marks marks = {chart, 0, points - 1 > most ? spacing : 0, 0};
    const MarkRule rule = {most, spacing, 0, point_at, count_mark, &marks};
    series_marks(chart, 0, &rule);
    chart_free(chart);
    return marks.count;
}

static void marks_are_thinned(void **state) {
    (void)state;
    assert_int_equal(marks_of(2, 20, 19, 0.1), 19); /* all but the gap */
    assert_int_equal(marks_of(2, 1000, 60, 0.0995), 10);
    assert_int_equal(marks_of(1, 20, 19, 0.1), 19);
    assert_int_equal(marks_of(1, 1000, 60, 0.1), 0); /* its line is known without marks */
}

/* Data along the top of the plot and in its right third. */
static size_t hides(const void *context, Spot spot) {
    (void)context;
    return (spot.y < 5 ? 10u : 0u) + (spot.x + spot.width > 67 ? 5u : 0u);
}

static void references_hide_little(void **state) {
    (void)state;
    ReferenceRule rule = {100, 40, 20, -3, 1, 10, 2, hides, NULL};
    Spot spot;
    size_t hidden;
    assert_true(reference_place(&rule, &spot, &hidden));
    assert_int_equal(hidden, 0);
    assert_true(spot.x + spot.width <= 67 && fabs(spot.y - 17) < 1e-9);
    rule.line = 6; /* above it is data */
    assert_true(reference_place(&rule, &spot, &hidden));
    assert_true(hidden == 0 && fabs(spot.y - 7) < 1e-9);
    rule.line = 39.5; /* below it the plot ends */
    assert_true(reference_place(&rule, &spot, &hidden));
    assert_true(fabs(spot.y - 36.5) < 1e-9);
    rule.height = 2; /* no room either way */
    assert_false(reference_place(&rule, &spot, &hidden));
}

static void spans_hold_what_is_seen(void **state) {
    (void)state;
    char names[10][6] = {"a", "bb", "ccc", "dddd", "e", "f", "g", "h", "i", "jjjjj"}, *list[10];
    for (int i = 0; i < 10; i++) list[i] = names[i];
    const Axis axis = {.category = true, .names = list, .count = 10};
    Span span = categories_in_view(&axis, (Scale){-0.5, 9.5, false, false, NULL, 0});
    assert_true(span.first == 0 && span.count == 10);
    span = categories_in_view(&axis, (Scale){1.2, 4, false, false, NULL, 0}); /* the middles of 2, 3 and 4 */
    assert_true(span.first == 2 && span.count == 3);
    assert_true(fabs(names_widest(&axis, span, letters) - 4) < 1e-9);
    span = categories_in_view(&axis, (Scale){1.2, 1.8, false, false, NULL, 0});
    assert_int_equal(span.count, 0);
    assert_true(fabs(names_widest(&axis, span, letters)) < 1e-9);
    assert_int_equal(categories_in_view(&(Axis){.count = 0}, (Scale){0, 1, false, false, NULL, 0}).count, 0);
    span = kernels_in_view((Scale){0.6, 1.4, false, false, NULL, 0}, 3); /* any part counts: of 1 alone */
    assert_true(span.first == 1 && span.count == 1);
    span = kernels_in_view((Scale){0.4, 1.6, false, false, NULL, 0}, 3);
    assert_true(span.first == 0 && span.count == 3);
    assert_true(fabs(bars_base((Scale){-1, 3, false, false, NULL, 0}) - 0.25) < 1e-9);
    assert_true(fabs(bars_base((Scale){2, 3, false, false, NULL, 0})) < 1e-9 &&
                fabs(bars_base((Scale){1, 3, true, false, NULL, 0})) < 1e-9);
}

/* One tick alone says nothing of a scale, a bar of colours around 0 say. */
static void upright_ticks_are_several(void **state) {
    (void)state;
    for (double end = 0.11; end < 1000; end *= 1.07) {
        Ticks ticks;
        ticks_upright((Scale){-end, end, false, false, NULL, 0}, 8, 1, 3, &ticks);
        assert_true(ticks.count >= 2 && ticks.count <= 8);
    }
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(legends_fit),
        cmocka_unit_test(ticks_stand_apart),
        cmocka_unit_test(upright_ticks_are_several),
        cmocka_unit_test(marks_are_thinned),
        cmocka_unit_test(references_hide_little),
        cmocka_unit_test(spans_hold_what_is_seen),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
