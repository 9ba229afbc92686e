/* test_stats -- intervals, tests and corrections against SciPy and statsmodels (tests/oracle/make_stats.py), and what
 * holds for all counts. */
#include "weft/base/stats.h"

#include <math.h>

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
#include <jansson.h>

static json_t *oracle;

static int begin(void **state) {
    (void)state;
    oracle = json_load_file("tests/oracle/stats.json", 0, NULL);
    return oracle ? 0 : -1;
}

static int end(void **state) {
    (void)state;
    json_decref(oracle);
    return 0;
}

static double number(const json_t *row, size_t at) {
    return json_number_value(json_array_get(row, at));
}

static uint64_t count(const json_t *row, size_t at) {
    return (uint64_t)json_integer_value(json_array_get(row, at));
}

static void close_to(double value, double expected, double relative) {
    if (!(fabs(value - expected) <= relative * fabs(expected) + 1e-15)) fail_msg("%.17g, not %.17g", value, expected);
}

static void wilson(void **state) {
    (void)state;
    size_t at;
    const json_t *row;
    json_array_foreach(json_object_get(oracle, "wilson"), at, row) {
        const Interval interval = stats_wilson(count(row, 0), count(row, 1));
        close_to(interval.low, number(row, 2), 1e-9);
        close_to(interval.high, number(row, 3), 1e-12);
    }
    assert_true(at > 10);
    assert_true(isnan(stats_wilson(0, 0).low) && isnan(stats_wilson(0, 0).high));
    assert_true(stats_wilson(0, 7).low == 0 && stats_wilson(7, 7).high == 1);
}

static void paired(void **state) {
    (void)state;
    size_t at;
    const json_t *row;
    json_array_foreach(json_object_get(oracle, "paired"), at, row) {
        const PairCounts pairs = {count(row, 0), count(row, 1), count(row, 2), count(row, 3)},
                         swapped = {pairs.both, pairs.only_b, pairs.only_a, pairs.neither};
        const Interval interval = stats_paired(&pairs), back = stats_paired(&swapped);
        close_to(stats_difference(&pairs), number(row, 4), 1e-12);
        close_to(interval.low, number(row, 5), 1e-9);
        close_to(interval.high, number(row, 6), 1e-9);
        assert_true(back.low == -interval.high && back.high == -interval.low);
        assert_true(interval.low >= -1 && interval.high <= 1);
    }
    assert_true(at > 10);
    const PairCounts none = {0};
    assert_true(isnan(stats_difference(&none)) && isnan(stats_paired(&none).low));
}

static void mcnemar(void **state) {
    (void)state;
    size_t at;
    const json_t *row;
    json_array_foreach(json_object_get(oracle, "mcnemar"), at, row)
        close_to(stats_mcnemar(count(row, 0), count(row, 1)), number(row, 2), 1e-8);
    assert_true(at > 10);
}

/* Small counts by the definition, all binomial coefficients added; p is symmetric and falls as the counts part. */
static void mcnemar_by_definition(void **state) {
    (void)state;
    for (unsigned n = 1; n <= 60; n++) {
        double before = 1;
        for (unsigned k = n / 2 + 1; k-- > 0;) {
            double term = 1, sum = 0;
            for (unsigned i = 0; i <= k; i++) {
                sum += term;
                term = term * (n - i) / (i + 1);
            }
            const double p = stats_mcnemar(k, n - k);
            close_to(p, fmin(1, 2 * ldexp(sum, -(int)n)), 1e-12);
            assert_true(p == stats_mcnemar(n - k, k) && p <= before && p > 0);
            before = p;
        }
    }
    assert_true(stats_mcnemar(0, 3000) == 0); /* below the smallest double */
}

static void holm(void **state) {
    (void)state;
    size_t at, i;
    const json_t *row, *value;
    json_array_foreach(json_object_get(oracle, "holm"), at, row) {
        double p[16];
        json_array_foreach(json_array_get(row, 0), i, value) p[i] = json_number_value(value);
        assert_int_equal(stats_holm(p, i), count(row, 1));
        for (size_t k = 1; k < i; k++) assert_true(p[k - 1] <= p[k]);
    }
    assert_true(at > 5);
    assert_int_equal(stats_holm(NULL, 0), 0);
}

int main(void) {
    const struct CMUnitTest tests[] = {cmocka_unit_test(wilson), cmocka_unit_test(paired), cmocka_unit_test(mcnemar),
                                       cmocka_unit_test(mcnemar_by_definition), cmocka_unit_test(holm)};
    return cmocka_run_group_tests(tests, begin, end);
}
