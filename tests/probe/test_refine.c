/* test_refine -- grids that are measured only where they bend, on surfaces whose formula is known. */
#include "probe/refine.h"

#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>
#include <cmocka.h>

#include "weft/base/error.h"
#include "weft/base/fault.h"

enum { SIDE = 33, VALUES = 3 /* accuracy, loss, recomputed */ };

typedef double Surface(double x, double y); /* the logarithm of the loss; x, y in [0, 1] */

static struct {
    Surface *surface;
    size_t columns, rows, calls, fail_at;
    unsigned times[SIDE * SIDE];
    double results[SIDE * SIDE * VALUES];
    bool done[SIDE * SIDE];
} grid;

static double exact(size_t point) {
    const double x = grid.columns > 1 ? (double)(point % grid.columns) / (double)(grid.columns - 1) : 0;
    const double y = grid.rows > 1 ? (double)(point / grid.columns) / (double)(grid.rows - 1) : 0;
    return grid.surface(x, y);
}

static bool measure(void *context, bool *done, Error *err) {
    (void)context;
    if (grid.calls++ == grid.fail_at) return error_set(err, STATUS_CANCELLED, "interrupted");
    for (size_t i = 0; i < grid.columns * grid.rows; i++) {
        if (done[i]) continue;
        const double log_loss = exact(i);
        grid.results[i * VALUES] = 10 + log_loss;
        grid.results[i * VALUES + 1] = exp(log_loss);
        grid.results[i * VALUES + 2] = 100;
        grid.times[i]++;
        done[i] = true;
    }
    return true;
}

static bool refine(Surface *surface, size_t columns, size_t rows, double tolerance, Error *err) {
    const size_t fail_at = grid.fail_at;
    memset(&grid, 0, sizeof grid);
    grid.surface = surface;
    grid.columns = columns;
    grid.rows = rows;
    grid.fail_at = fail_at;
    const Survey survey = {
        .data_count = 1, .points = columns * rows, .series_count = 1, .tolerance = tolerance, .columns = columns};
    assert_int_equal(survey_values(&survey), VALUES);
    return refine_grid(&survey, VALUES, measure, NULL, grid.results, grid.done, err);
}

static size_t measured(void) {
    size_t count = 0;
    for (size_t i = 0; i < grid.columns * grid.rows; i++) {
        assert_true(grid.times[i] <= 1);
        assert_int_equal(grid.results[i * VALUES + 2] == 100, grid.times[i]);
        count += grid.times[i];
    }
    return count;
}

/* The largest difference from the formula, in the logarithm. */
static double largest(void) {
    double most = 0;
    for (size_t i = 0; i < grid.columns * grid.rows; i++) {
        assert_true(grid.done[i]);
        most = fmax(most, fabs(log(grid.results[i * VALUES + 1]) - exact(i)));
        if (grid.times[i]) assert_true(grid.results[i * VALUES + 1] == exp(exact(i)));
    }
    return most;
}

static double bilinear(double x, double y) {
    return 1 + 2 * x - 3 * y + 4 * x * y;
}

static double valley(double x, double y) {
    return 3 * (pow(x - 0.3, 2) + 2 * pow(y - 0.6, 2));
}

static double fold(double x, double y) {
    (void)y;
    return fabs(x - 0.83);
}

static double hole(double x, double y) {
    return x > 0.5 && y > 0.25 ? NAN : 0;
}

static double nought(double x, double y) {
    (void)y;
    return x > 0.5 ? -INFINITY : -3;
}

/* 32 steps are 4 cells of 8, halved once to see that nothing bends. */
static void what_is_flat_costs_little(void **state) {
    (void)state;
    Error err;
    assert_true(refine(bilinear, SIDE, SIDE, 1e-9, &err));
    assert_int_equal(measured(), 9 * 9);
    assert_true(largest() < 1e-12);
    for (size_t i = 0; i < SIDE * SIDE; i++)
        assert_true(fabs(grid.results[i * VALUES] - (10 + exact(i))) < 1e-12); /* accuracy: linear */
}

static void a_valley_keeps_the_tolerance(void **state) {
    (void)state;
    Error err;
    size_t before = 0;
    for (double tolerance = 0.1; tolerance > 1e-4; tolerance /= 4) {
        assert_true(refine(valley, SIDE, SIDE, tolerance, &err));
        assert_true(measured() >= before);
        assert_true(largest() <= tolerance / 2); /* a parabola's error falls fourfold with each halving */
        before = measured();
    }
    assert_int_equal(before, SIDE * SIDE);
}

/* Only the columns at the fold are measured to the finest. */
static void a_fold_is_found(void **state) {
    (void)state;
    Error err;
    assert_true(refine(fold, SIDE, SIDE, 0.002, &err));
    assert_true(measured() < SIDE * SIDE / 2);
    assert_true(largest() < 0.01);
    for (size_t y = 0; y < SIDE; y++)
        for (size_t x = 25; x <= 28; x++) assert_int_equal(grid.times[y * SIDE + x], 1);
}

static void any_shape(void **state) {
    (void)state;
    Error err;
    for (size_t rows = 1; rows <= 12; rows++)
        for (size_t columns = 1; columns <= SIDE; columns++) {
            assert_true(refine(bilinear, columns, rows, 0.01, &err));
            assert_true(largest() < 1e-12);
            assert_true(measured() >= 1);
            assert_int_equal(grid.times[0], 1);
            assert_int_equal(grid.times[columns * rows - 1], 1);
            assert_true(refine(valley, columns, rows, 1e-6, &err));
            assert_int_equal(measured(), columns * rows);
        }
}

/* No number is foretold by none, nor a loss of nought by others; both come to an end. */
static void what_is_no_number(void **state) {
    (void)state;
    Error err;
    assert_true(refine(hole, SIDE, SIDE, 0.1, &err));
    for (size_t i = 0; i < SIDE * SIDE; i++) {
        const bool inside = i % SIDE > 16 && i / SIDE > 8;
        assert_int_equal(isnan(grid.results[i * VALUES + 1]), inside);
        if (inside) assert_int_equal(grid.times[i], 1);
    }
    assert_true(measured() < SIDE * SIDE);
    assert_true(refine(nought, SIDE, 1, 0.1, &err));
    assert_int_equal(grid.times[16] + grid.times[17], 2);
    assert_true(measured() < SIDE);
}

static void an_interruption_marks_what_is_there(void **state) {
    (void)state;
    Error err;
    for (size_t at = 0; at < 3; at++) {
        grid.fail_at = at;
        assert_false(refine(valley, SIDE, SIDE, 1e-6, &err));
        assert_int_equal(err.status, STATUS_CANCELLED);
        for (size_t i = 0; i < SIDE * SIDE; i++) assert_int_equal(grid.done[i], grid.times[i]);
        assert_true((at == 0) == (measured() == 0));
    }
    grid.fail_at = SIZE_MAX;
}

static void without_memory(void **state) {
    (void)state;
    Error err;
    for (uint64_t k = 1, seen = k; seen >= k; k++) {
        fault_arm(FAULT_ALLOC, k, false);
        const bool ok = refine(valley, SIDE, SIDE, 1e-6, &err);
        seen = fault_disarm();
        if (!ok) assert_int_equal(err.status, STATUS_LIMIT);
        assert_true(ok || seen >= k);
    }
}

int main(void) {
    grid.fail_at = SIZE_MAX;
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(what_is_flat_costs_little),
        cmocka_unit_test(a_valley_keeps_the_tolerance),
        cmocka_unit_test(a_fold_is_found),
        cmocka_unit_test(any_shape),
        cmocka_unit_test(what_is_no_number),
        cmocka_unit_test(an_interruption_marks_what_is_there),
        cmocka_unit_test(without_memory),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
