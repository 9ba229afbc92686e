/* test_bins -- the number, edges and counts of bins equal NumPy's (tests/oracle/make_bins.py). */
#include "weft/base/bins.h"

#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>

#include "../oracle/bins.h"

enum { MOST = 1000 };

static double noise(unsigned i) {
    return (double)((i * 2654435761u) >> 16 & 0xfff) / 4096;
}

static double bell(unsigned i) {
    double sum = 0;
    for (unsigned k = 0; k < 6; k++) sum += noise(6 * i + k);
    return sum - 3;
}

static double skewed(unsigned i) {
    return bell(i) * bell(i) * bell(i);
}

static double halves(unsigned i) {
    return noise(i) < 0.7 ? 0 : noise(i);
}

static double on_edges(unsigned i) {
    return i % 11 / 8.0;
}

static double one(unsigned i) {
    (void)i;
    return 2.5;
}

static int compare(const void *a, const void *b) {
    const double x = *(const double *)a, y = *(const double *)b;
    return (x > y) - (x < y);
}

static void check_counts(const double *values, size_t count, double *edges, size_t bins, const unsigned *expected) {
    unsigned counted[MOST] = {0};
    Bins all = {edges, bins};
    bins_place(&all, values[0], values[count - 1]);
    for (size_t i = 0; i < count; i++) counted[bins_index(&all, values[i])]++;
    assert_memory_equal(counted, expected, bins * sizeof *counted);
}

#define CASE(name, function, values)                                                                        \
    {                                                                                                       \
        values, function, name##_counts, name##_ten, name##_edges, sizeof name##_counts / sizeof(unsigned), \
            name##_quartiles                                                                                \
    }

static void bins_are_numpys(void **state) {
    (void)state;
    static const struct {
        size_t count;
        double (*value)(unsigned i);
        const unsigned *counts, *ten;
        const double *edges;
        size_t bins;
        const double *quartiles;
    } cases[] = {CASE(bell, bell, 1000), CASE(skewed, skewed, 500), CASE(halves, halves, 300),
                 CASE(edges, on_edges, 99), CASE(one, one, 5)};
    for (size_t c = 0; c < sizeof cases / sizeof *cases; c++) {
        double values[MOST], edges[MOST + 1];
        const size_t count = cases[c].count;
        for (unsigned i = 0; i < count; i++) values[i] = cases[c].value(i);
        qsort(values, count, sizeof *values, compare);
        const double q1 = quantile_of(values, count, 0.25), q3 = quantile_of(values, count, 0.75);
        assert_true(fabs(q1 - cases[c].quartiles[0]) <= 1e-15 && fabs(q3 - cases[c].quartiles[1]) <= 1e-15);
        assert_int_equal(bins_usual(values[0], values[count - 1], q1, q3, count, MOST), cases[c].bins);
        check_counts(values, count, edges, cases[c].bins, cases[c].counts);
        for (size_t i = 0; i <= cases[c].bins; i++) assert_true(edges[i] == cases[c].edges[i]);
        check_counts(values, count, edges, 10, cases[c].ten);
    }
}

static void bins_have_a_cap(void **state) {
    (void)state;
    assert_int_equal(bins_usual(0, 1, 0, 1e-9, 1000, 100), 100);
    assert_int_equal(bins_usual(0, 0, 0, 0, 1000, 100), 1);
    assert_int_equal(bins_usual(0, 1, 0, 1, 0, 100), 1);
}

int main(void) {
    const struct CMUnitTest tests[] = {cmocka_unit_test(bins_are_numpys), cmocka_unit_test(bins_have_a_cap)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
