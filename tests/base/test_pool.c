/* test_pool -- pieces, points, progress and cancellation: each once, the same whatever the number of threads. */
#include "weft/base/error.h"
#include "weft/base/fault.h"
#include "weft/base/map.h"
#include "weft/base/pool.h"
#include "weft/base/random.h"
#include "weft/base/task.h"

#include <math.h>
#include <pthread.h>
#include <sched.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

static const unsigned thread_counts[] = {1, 2, 3, 8};
enum { COUNTS = 4, PIECES = 1000 };

typedef struct Visits {
    _Atomic int piece[PIECES], busy[64];
    unsigned threads;
    _Atomic bool overlap, out_of_range;
    _Atomic int nested;
} Visits;

static void visit(void *context, size_t piece, unsigned worker) {
    Visits *visits = context;
    if (worker >= visits->threads) visits->out_of_range = true;
    if (atomic_fetch_add(&visits->busy[worker], 1) != 0) visits->overlap = true;
    atomic_fetch_add(&visits->piece[piece], 1);
    atomic_fetch_sub(&visits->busy[worker], 1);
}

static void every_piece_once(void **state) {
    (void)state;
    static Visits visits;
    for (size_t t = 0; t < COUNTS; t++) {
        pool_set_threads(thread_counts[t]);
        assert_int_equal(pool_threads(), thread_counts[t]);
        memset(&visits, 0, sizeof visits);
        visits.threads = thread_counts[t];
        enum { RUNS = 200 };
        for (int run = 0; run < RUNS; run++) pool_run(PIECES, visit, &visits);
        pool_run(0, visit, &visits);
        pool_run(1, visit, &visits);
        for (int i = 1; i < PIECES; i++) assert_int_equal(visits.piece[i], RUNS);
        assert_int_equal(visits.piece[0], RUNS + 1);
        assert_false(visits.overlap || visits.out_of_range);
    }
}

/* A piece that ends only when all pieces of its run have begun: done by one thread alone it would never end. */
static void meet(void *context, size_t piece, unsigned worker) {
    (void)piece, (void)worker;
    Visits *visits = context;
    double start = clock_seconds();
    atomic_fetch_add(&visits->nested, 1);
    while (visits->nested < (int)visits->threads && !visits->out_of_range) {
        if (clock_seconds() - start > 30) visits->out_of_range = true;
        sched_yield();
    }
}

static void all_workers_take_part(void **state) {
    (void)state;
    static Visits visits;
    for (size_t t = 0; t < COUNTS; t++) {
        pool_set_threads(thread_counts[t]);
        for (int run = 0; run < 500; run++) { /* often, to catch a wake-up that is lost */
            memset(&visits, 0, sizeof visits);
            visits.threads = thread_counts[t];
            pool_run(thread_counts[t], meet, &visits);
            assert_false(visits.out_of_range);
        }
    }
}

typedef struct Nest {
    Visits *visits;
    unsigned worker;
    _Atomic bool moved;
} Nest;

static void inner(void *context, size_t piece, unsigned worker) {
    Nest *nest = context;
    (void)piece;
    if (worker != nest->worker) nest->moved = true;
    atomic_fetch_add(&nest->visits->nested, 1);
}

static void outer(void *context, size_t piece, unsigned worker) {
    (void)piece;
    Nest nest = {context, worker, false};
    pool_run(7, inner, &nest);
    if (nest.moved) nest.visits->out_of_range = true;
}

static void runs_within_a_piece_stay_there(void **state) {
    (void)state;
    static Visits visits;
    for (size_t t = 0; t < COUNTS; t++) {
        memset(&visits, 0, sizeof visits);
        pool_set_threads(thread_counts[t]);
        pool_run(100, outer, &visits);
        assert_int_equal(visits.nested, 700);
        assert_false(visits.out_of_range);
    }
}

static void *run_visits(void *context) {
    for (int i = 0; i < 50; i++) pool_run(PIECES, visit, context);
    return NULL;
}

static void callers_take_turns(void **state) {
    (void)state;
    static Visits visits;
    memset(&visits, 0, sizeof visits);
    visits.threads = 3;
    pool_set_threads(3);
    pthread_t callers[3];
    for (int i = 0; i < 3; i++) assert_int_equal(pthread_create(&callers[i], NULL, run_visits, &visits), 0);
    for (int i = 0; i < 3; i++) pthread_join(callers[i], NULL);
    for (int i = 0; i < PIECES; i++) assert_int_equal(visits.piece[i], 150);
    assert_false(visits.overlap || visits.out_of_range);
}

static float inputs[64 * 257];
typedef struct Sums {
    float of_piece[64], total;
} Sums;

static void sum_piece(void *context, size_t piece, unsigned worker) {
    (void)worker;
    Sums *sums = context;
    for (size_t i = 0; i < 257; i++) sums->of_piece[piece] += inputs[piece * 257 + i];
}

static void sums_do_not_depend_on_threads(void **state) {
    (void)state;
    Sums first;
    Rng rng = {.seed = 5};
    for (size_t i = 0; i < 64 * 257; i++) inputs[i] = (float)rng_normal(&rng);
    for (size_t t = 0; t < COUNTS; t++) {
        Sums sums = {{0}, 0};
        pool_set_threads(thread_counts[t]);
        pool_run(64, sum_piece, &sums);
        for (int i = 0; i < 64; i++) sums.total += sums.of_piece[i];
        if (t == 0) first = sums;
        assert_memory_equal(&sums, &first, sizeof sums);
    }
}

static void threads_from_the_environment(void **state) {
    (void)state;
    unsetenv("OMP_NUM_THREADS"), unsetenv("WEFT_THREADS");
    pool_set_threads(0);
    assert_true(pool_threads() >= 1);
    unsigned standard = pool_threads();
    setenv("OMP_NUM_THREADS", "3,2", 1);
    pool_set_threads(0);
    assert_int_equal(pool_threads(), 3);
    setenv("WEFT_THREADS", "5", 1);
    pool_set_threads(0);
    assert_int_equal(pool_threads(), 5);
    static const char *const ignored[] = {"", "0", "-4", "many"};
    unsetenv("OMP_NUM_THREADS");
    for (size_t i = 0; i < 4; i++) {
        setenv("WEFT_THREADS", ignored[i], 1);
        pool_set_threads(0);
        assert_int_equal(pool_threads(), standard);
    }
    setenv("WEFT_THREADS", "99999999999999999999", 1);
    pool_set_threads(0);
    assert_true(pool_threads() >= 1 && pool_threads() <= 1024);
    unsetenv("WEFT_THREADS");
    pool_set_threads(0);
}

static void note_signal_mask(void *context, size_t piece, unsigned worker) {
    (void)piece;
    sigset_t mask;
    pthread_sigmask(SIG_SETMASK, NULL, &mask);
    _Atomic bool *open = context;
    if (worker > 0 && (!sigismember(&mask, SIGINT) || !sigismember(&mask, SIGTERM))) *open = true;
    usleep(100);
}

static void workers_take_no_signals(void **state) {
    (void)state;
    _Atomic bool open = false;
    sigset_t mask;
    pool_set_threads(3);
    pool_run(50, note_signal_mask, &open);
    assert_false(open);
    pthread_sigmask(SIG_SETMASK, NULL, &mask);
    assert_false(sigismember(&mask, SIGINT)); /* the caller's mask is as it was */
}

/* ---- map --------------------------------------------------------------------------------------------------------- */

typedef struct Work {
    double result[PIECES];
    _Atomic size_t order[PIECES], ran;
    size_t fails_at[3], cancel_at, slow_point;
    uint64_t reports, last_done, last_total;
    bool unordered;
} Work;

static bool evaluate(void *context, size_t point, Error *err) {
    Work *work = context;
    work->order[atomic_fetch_add(&work->ran, 1)] = point;
    if (point == work->cancel_at) cancel_request();
    while (point > work->cancel_at && cancel_level() == 0) sched_yield(); /* later points end after the request */
    if (point == work->slow_point) usleep(2000);
    for (int i = 0; i < 3; i++) {
        if (point == work->fails_at[i]) return error_set(err, STATUS_BAD_INPUT, "point %zu", point);
    }
    work->result[point] = sin((double)point);
    return true;
}

static void count_report(void *context, const char *what, uint64_t done, uint64_t total) {
    Work *work = context;
    if (done != work->last_done + 1 || strcmp(what, "points") != 0) work->unordered = true;
    work->last_done = done;
    work->last_total = total;
    work->reports++;
}

static Work *new_work(void) {
    static Work work;
    memset(&work, 0, sizeof work);
    for (int i = 0; i < 3; i++) work.fails_at[i] = SIZE_MAX;
    work.cancel_at = work.slow_point = SIZE_MAX;
    cancel_clear();
    return &work;
}

static void map_evaluates_every_point(void **state) {
    (void)state;
    for (size_t t = 0; t < COUNTS; t++) {
        Error err = {0};
        Work *work = new_work();
        Task task = {.report = count_report, .context = work};
        pool_set_threads(thread_counts[t]);
        assert_true(map_points(PIECES, NULL, evaluate, work, "points", &task, &err));
        for (size_t i = 0; i < PIECES; i++) assert_true(work->result[i] == sin((double)i));
        assert_int_equal(work->ran, PIECES);
        assert_int_equal(work->reports, PIECES);
        assert_int_equal(work->last_total, PIECES);
        assert_false(work->unordered);
        assert_true(map_points(0, NULL, evaluate, work, "points", &task, &err));
        assert_int_equal(work->reports, PIECES);
    }
}

static void map_takes_expensive_points_first(void **state) {
    (void)state;
    Error err;
    Work *work = new_work();
    static const double cost[] = {1, 5, 3, 5, 0, 3};
    static const size_t expected[] = {1, 3, 2, 5, 0, 4};
    pool_set_threads(1);
    assert_true(map_points(6, cost, evaluate, work, "points", NULL, &err));
    for (int i = 0; i < 6; i++) assert_int_equal(work->order[i], expected[i]);
}

static void map_reports_the_first_failure(void **state) {
    (void)state;
    for (size_t t = 0; t < COUNTS; t++) {
        Error err = {0};
        Work *work = new_work();
        Task task = {.report = count_report, .context = work};
        work->fails_at[0] = 500, work->fails_at[1] = 20, work->fails_at[2] = 21;
        pool_set_threads(thread_counts[t]);
        assert_false(map_points(PIECES, NULL, evaluate, work, "points", &task, &err));
        assert_int_equal(err.status, STATUS_BAD_INPUT);
        assert_string_equal(err.text, "point 20");
        if (thread_counts[t] == 1) assert_int_equal(work->ran, 21); /* it stopped there */
    }
    /* The order decides, and not who fails sooner: point 40 is the dearest and the slowest to fail. */
    double cost[50];
    for (size_t i = 0; i < 50; i++) cost[i] = (double)(i <= 40 ? i : 0);
    for (size_t t = 0; t < COUNTS; t++) {
        pool_set_threads(thread_counts[t]);
        for (int run = 0; run < 100; run++) {
            Error err = {0};
            Work *work = new_work();
            work->fails_at[0] = work->slow_point = 40, work->fails_at[1] = 39, work->fails_at[2] = 2;
            assert_false(map_points(50, cost, evaluate, work, "points", NULL, &err));
            assert_string_equal(err.text, "point 40");
        }
    }
}

static void map_honours_cancellation(void **state) {
    (void)state;
    for (size_t t = 0; t < COUNTS; t++) {
        Error err = {0};
        Work *work = new_work();
        work->cancel_at = 30;
        pool_set_threads(thread_counts[t]);
        assert_false(map_points(PIECES, NULL, evaluate, work, "points", NULL, &err));
        assert_int_equal(err.status, STATUS_CANCELLED);
        assert_string_equal(err.text, "points: cancelled");
        assert_true(work->ran <= 31 + thread_counts[t]);
        size_t ran = work->ran;
        assert_false(map_points(PIECES, NULL, evaluate, work, "points", NULL, &err)); /* still pending: no point runs */
        assert_int_equal(work->ran, ran);
        /* a point that fails by itself tells more than a cancellation */
        cancel_clear();
        work = new_work();
        work->cancel_at = work->fails_at[0] = 5;
        assert_false(map_points(PIECES, NULL, evaluate, work, "points", NULL, &err));
        assert_string_equal(err.text, "point 5");
        cancel_clear();
    }
}

static void map_without_memory(void **state) {
    (void)state;
    Error err = {0};
    Work *work = new_work();
    fault_arm(FAULT_ALLOC, 1, false);
    assert_false(map_points(10, NULL, evaluate, work, "points", NULL, &err));
    fault_disarm();
    assert_int_equal(err.status, STATUS_LIMIT);
    assert_int_equal(work->ran, 0);
}

/* ---- tasks ------------------------------------------------------------------------------------------------------- */

static void on_signal(int number) {
    (void)number;
    cancel_request();
}

static void cancellation_has_two_levels(void **state) {
    (void)state;
    Error err = {0};
    cancel_clear();
    assert_int_equal(cancel_level(), 0);
    assert_true(task_step(NULL, "loading", 1, 2, &err));
    signal(SIGUSR1, on_signal);
    for (int i = 1; i <= 4; i++) {
        raise(SIGUSR1);
        assert_int_equal(cancel_level(), i < 2 ? i : 2);
    }
    Work *work = new_work();
    cancel_request();
    Task task = {.report = count_report, .context = work}, silent = {0};
    assert_false(task_step(&task, "points", 1, 9, &err));
    assert_int_equal(work->reports, 1); /* reported all the same */
    assert_int_equal(err.status, STATUS_CANCELLED);
    assert_false(task_step(&silent, "points", 1, 9, &err));
    cancel_clear();
    assert_true(task_step(&silent, "points", 1, 9, &err));
}

static void the_clock_goes_forward(void **state) {
    (void)state;
    double before = clock_seconds();
    usleep(20000);
    double passed = clock_seconds() - before;
    assert_true(passed >= 0.02 && passed < 10);
}

static int stop_workers(void **state) {
    (void)state;
    pool_set_threads(0);
    return 0;
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_piece_once),
        cmocka_unit_test(all_workers_take_part),
        cmocka_unit_test(runs_within_a_piece_stay_there),
        cmocka_unit_test(callers_take_turns),
        cmocka_unit_test(sums_do_not_depend_on_threads),
        cmocka_unit_test(threads_from_the_environment),
        cmocka_unit_test(workers_take_no_signals),
        cmocka_unit_test(map_evaluates_every_point),
        cmocka_unit_test(map_takes_expensive_points_first),
        cmocka_unit_test(map_reports_the_first_failure),
        cmocka_unit_test(map_honours_cancellation),
        cmocka_unit_test(map_without_memory),
        cmocka_unit_test(cancellation_has_two_levels),
        cmocka_unit_test(the_clock_goes_forward),
    };
    return cmocka_run_group_tests(tests, NULL, stop_workers);
}
