/* test_points -- points whose numbers a folder keeps: what is done is never done again, whatever stopped it. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
#include <math.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "weft/base/error.h"
#include "weft/base/fault.h"
#include "weft/base/map.h"
#include "weft/base/pool.h"
#include "weft/base/run.h"
#include "weft/base/table.h"
#include "weft/base/task.h"

enum { COUNT = 40, VALUES = 3 };
static const char *const names[VALUES] = {"a", "b (%)", "c"};

static char folder[64];
static atomic_uint ran[COUNT];
static size_t cancel_at = SIZE_MAX, fail_at = SIZE_MAX;

/* Numbers that are hard to write: thirds, infinities, none. */
static double value_of(size_t point, size_t value) {
    if (value == 2) return point % 5 == 0 ? NAN : point % 7 == 0 ? -INFINITY : 1e-300 * (double)point;
    return (double)(point + 1) / (value == 0 ? 3 : 7);
}

static bool evaluate(void *context, size_t point, double *values, Error *err) {
    (void)context;
    if (point == fail_at) return error_set(err, STATUS_BAD_INPUT, "point %zu", point);
    for (size_t i = 0; i < VALUES; i++) values[i] = value_of(point, i);
    ran[point]++;
    if (point == cancel_at) cancel_request();
    return true;
}

static Points points_of(Executor *executor) {
    return (Points){
        .count = COUNT, .values = VALUES, .names = names, .evaluate = evaluate, .what = "points", .executor = executor};
}

static unsigned times_run(void) {
    unsigned total = 0;
    for (size_t i = 0; i < COUNT; i++) total += ran[i];
    return total;
}

static int fresh(void **state) {
    (void)state;
    snprintf(folder, sizeof folder, "/tmp/weft-points-XXXXXX");
    assert_non_null(mkdtemp(folder));
    for (size_t i = 0; i < COUNT; i++) ran[i] = 0;
    cancel_at = fail_at = SIZE_MAX;
    return 0;
}

static int clean(void **state) {
    (void)state;
    char command[96];
    snprintf(command, sizeof command, "rm -r %s", folder);
    pool_set_threads(0);
    cancel_clear();
    return system(command);
}

static void check_results(const double *results, const bool *done) {
    for (size_t i = 0; i < COUNT; i++)
        for (size_t v = 0; v < VALUES; v++) {
            const double expected = value_of(i, v), got = results[i * VALUES + v];
            assert_true(done[i]);
            assert_true(isnan(expected) ? isnan(got) : got == expected);
        }
}

static bool run_once(Executor *executor, double *results, bool *done, Error *err) {
    const Points points = points_of(executor);
    Error none;
    Run *run = run_open(folder, &none);
    assert_non_null(run);
    const bool ok = points_run(&points, run, results, done, NULL, err);
    run_close(run);
    return ok;
}

static void every_executor_gives_the_same(void **state) {
    (void)state;
    Error err;
    Executor *const executors[] = {NULL, pool_run, run_in_turn};
    for (unsigned threads = 1; threads <= 3; threads++)
        for (size_t e = 0; e < 3; e++) {
            double results[COUNT * VALUES] = {0};
            bool done[COUNT] = {0};
            const Points points = points_of(executors[e]);
            pool_set_threads(threads);
            assert_true(points_run(&points, NULL, results, done, NULL, &err));
            check_results(results, done);
        }
}

/* Stopped again and again, each point runs once in all. */
static void goes_on(void **state) {
    (void)state;
    Error err;
    size_t stops = 0;
    pool_set_threads(2);
    for (bool whole = false; !whole; stops++) {
        double results[COUNT * VALUES] = {0};
        bool done[COUNT] = {0};
        cancel_at = 4 + 9 * stops;
        whole = run_once(stops % 2 ? run_in_turn : pool_run, results, done, &err);
        if (whole)
            check_results(results, done);
        else
            assert_int_equal(err.status, STATUS_CANCELLED);
        cancel_clear();
    }
    assert_in_range(stops, 3, 6);
    assert_int_equal(times_run(), COUNT);
}

static void keeps_what_is_done_before_a_failure(void **state) {
    (void)state;
    Error err;
    double results[COUNT * VALUES] = {0};
    bool done[COUNT] = {0};
    pool_set_threads(1);
    fail_at = 25;
    assert_false(run_once(pool_run, results, done, &err));
    assert_string_equal(err.text, "point 25");
    for (size_t i = 0; i < COUNT; i++) assert_int_equal(done[i], i < 25);
    fail_at = SIZE_MAX;
    memset(done, 0, sizeof done);
    assert_true(run_once(pool_run, results, done, &err));
    check_results(results, done);
    assert_int_equal(times_run(), COUNT);
}

static void leaves_marked_points_alone(void **state) {
    (void)state;
    Error err;
    double results[COUNT * VALUES] = {[3 * VALUES] = 42};
    bool done[COUNT] = {[3] = true};
    const Points points = points_of(NULL);
    assert_true(points_run(&points, NULL, results, done, NULL, &err));
    assert_int_equal(ran[3], 0);
    assert_true(results[3 * VALUES] == 42);
}

/* A torn last row, and rows of points that are none, are not believed. */
static void reads_only_whole_rows(void **state) {
    (void)state;
    Error err;
    double results[COUNT * VALUES] = {0};
    bool done[COUNT] = {0};
    char path[96];
    snprintf(path, sizeof path, "%s/log.csv", folder);
    FILE *log = fopen(path, "w");
    fprintf(log, "point,a,b (%%),c\n5,1,2,3\n7,1,2");
    fclose(log);
    assert_true(run_once(pool_run, results, done, &err));
    assert_int_equal(ran[5], 0);
    assert_int_equal(ran[7], 1);
    assert_true(results[5 * VALUES + 1] == 2);
    log = fopen(path, "w");
    fprintf(log, "point,other\n5,1\n");
    fclose(log);
    memset(done, 0, sizeof done);
    assert_false(run_once(pool_run, results, done, &err));
    assert_int_equal(err.status, STATUS_BAD_INPUT);
}

/* A row that cannot be written is written later; where that fails too, the results are there all the same. */
static void writes_again(void **state) {
    (void)state;
    Error err;
    double results[COUNT * VALUES] = {0};
    bool done[COUNT] = {0};
    pool_set_threads(1);
    for (uint64_t k = 2; k < 2 * COUNT; k += 7) {
        char path[96];
        snprintf(path, sizeof path, "%s/log.csv", folder);
        remove(path);
        memset(done, 0, sizeof done);
        Error none;
        Run *run = run_open(folder, &none);
        const Points points = points_of(NULL);
        fault_arm(FAULT_WRITE, k, false);
        const bool ok = points_run(&points, run, results, done, NULL, &err);
        fault_disarm();
        run_close(run);
        if (ok) {
            check_results(results, done);
            Table *log = run_log_table(folder, &err);
            assert_int_equal(log->rows, COUNT);
            table_free(log);
        } else {
            assert_int_equal(err.status, STATUS_WRITE);
        }
    }
    memset(done, 0, sizeof done);
    Error none;
    Run *run = run_open(folder, &none);
    const Points points = points_of(NULL);
    remove("nothing");
    fault_arm(FAULT_WRITE, 4, true);
    char path[96];
    snprintf(path, sizeof path, "%s/log.csv", folder);
    remove(path);
    const bool ok = points_run(&points, run, results, done, NULL, &err);
    fault_disarm();
    run_close(run);
    assert_false(ok);
    assert_int_equal(err.status, STATUS_WRITE);
    if (done[0]) check_results(results, done);
}

/* Points that the caller marked are not its run's: no row of theirs is written, also when rows are written again. */
static void marked_points_stay_out(void **state) {
    (void)state;
    Error err, none;
    pool_set_threads(1);
    for (uint64_t k = 0; k < 12; k++) {
        double results[COUNT * VALUES] = {0};
        bool done[COUNT] = {0};
        char path[96];
        snprintf(path, sizeof path, "%s/log.csv", folder);
        remove(path);
        for (size_t i = 0; i < COUNT; i += 2) done[i] = true;
        Run *run = run_open(folder, &none);
        const Points points = points_of(NULL);
        if (k > 0) fault_arm(FAULT_WRITE, k, false);
        points_run(&points, run, results, done, NULL, &err);
        fault_disarm();
        run_close(run);
        Table *log = run_log_table(folder, &err);
        for (size_t row = 0; log && row < log->rows; row++) assert_true(log->columns[0].cells[row].integer % 2 == 1);
        assert_true(k > 0 || (log && log->rows == COUNT / 2));
        table_free(log);
        for (size_t i = 0; i < COUNT; i += 2) assert_int_equal(ran[i], 0);
    }
}

static void without_memory(void **state) {
    (void)state;
    Error err;
    pool_set_threads(1);
    for (uint64_t k = 1, seen = k; seen >= k; k++) {
        double results[COUNT * VALUES] = {0};
        bool done[COUNT] = {0};
        Error none;
        Run *run = run_open(folder, &none);
        const Points points = points_of(NULL);
        fault_arm(FAULT_ALLOC, k, false);
        const bool ok = points_run(&points, run, results, done, NULL, &err);
        seen = fault_disarm();
        run_close(run);
        if (!ok) assert_true(err.status == STATUS_LIMIT || err.status == STATUS_WRITE);
        if (ok) check_results(results, done);
    }
}

static size_t order[COUNT], ordered;
static bool note_order(void *context, size_t point, double *values, Error *err) {
    order[ordered++] = point;
    return evaluate(context, point, values, err);
}

static void expensive_points_come_first(void **state) {
    (void)state;
    Error err;
    double results[COUNT * VALUES] = {0}, cost[COUNT];
    bool done[COUNT] = {[7] = true};
    Points points = points_of(run_in_turn);
    for (size_t i = 0; i < COUNT; i++) cost[i] = (double)(i % 3);
    points.cost = cost;
    points.evaluate = note_order;
    ordered = 0;
    assert_true(points_run(&points, NULL, results, done, NULL, &err));
    assert_int_equal(ordered, COUNT - 1);
    for (size_t i = 1; i < ordered; i++)
        assert_true(cost[order[i - 1]] > cost[order[i]] ||
                    (cost[order[i - 1]] == cost[order[i]] && order[i - 1] < order[i]));
}

static void no_points(void **state) {
    (void)state;
    Error err;
    Points points = points_of(NULL);
    points.count = 0;
    assert_true(points_run(&points, NULL, NULL, NULL, NULL, &err));
}

int main(void) {
#define TEST(name) cmocka_unit_test_setup_teardown(name, fresh, clean)
    const struct CMUnitTest tests[] = {TEST(every_executor_gives_the_same),
                                       TEST(goes_on),
                                       TEST(keeps_what_is_done_before_a_failure),
                                       TEST(leaves_marked_points_alone),
                                       TEST(reads_only_whole_rows),
                                       TEST(writes_again),
                                       TEST(marked_points_stay_out),
                                       TEST(without_memory),
                                       TEST(expensive_points_come_first),
                                       TEST(no_points)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
