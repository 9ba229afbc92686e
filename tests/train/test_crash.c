/* test_crash -- the power goes while a run trains, at any moment: whatever the disk may then hold, either there is no
 * run yet, and says so, or it goes on to the bits of the run that was never interrupted, from the newest checkpoint
 * whose save had returned. The disk is that of support/disk.h. */
#include "weft/train.h"

#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>
#include <cmocka.h>

#include "../support/disk.h"
#include "weft/base/error.h"
#include "weft/base/pool.h"
#include "weft/base/table.h"

enum { STEPS = 8, SAVE_EVERY = 3, RANDOM = 6 };
static const char run_name[] = "runs/p"; /* below the disk's root: "runs" is made by the run, too */

static char work[64], root[80], crashed[80], again[80];
static Network *network;

static int begin(void **state) {
    Error err;
    (void)state;
    snprintf(work, sizeof work, "/dev/shm/weft-crash-XXXXXX"); /* no real disk needs to be waited for */
    if (!mkdtemp(work)) {
        snprintf(work, sizeof work, "/tmp/weft-crash-XXXXXX");
        assert_non_null(mkdtemp(work));
    }
    snprintf(root, sizeof root, "%s/root", work);
    snprintf(crashed, sizeof crashed, "%s/crashed", work);
    snprintf(again, sizeof again, "%s/again", work);
    pool_set_threads(1); /* hundreds of runs too small to share */
    network = network_load("samples/fashion-resnet8.safetensors", NULL, &err);
    assert_non_null(network);
    return 0;
}

static void sweep(void) {
    char command[400];
    snprintf(command, sizeof command, "rm -rf %s/* && mkdir %s %s %s", work, root, crashed, again);
    assert_int_equal(system(command), 0);
}

static int end(void **state) {
    (void)state;
    char command[100];
    snprintf(command, sizeof command, "rm -rf %s", work);
    assert_int_equal(system(command), 0);
    network_free(network);
    return 0;
}

/* ---- a run and what it promises ---------------------------------------------------------------------------------- */

/* A run that is recorded, or that goes on after a power loss. */
typedef struct Case {
    TrainJob job;
    TrainResults whole;   /* never interrupted */
    Disk *disk;           /* being recorded */
    uint64_t trial, last; /* of the newest call of the watch: trials before this one; its step */
    uint64_t calls;
    uint64_t least;                      /* promised before the recording began */
    size_t states, resumed, anew, twice; /* states checked; of them gone on with, begun anew; crashed once more */
} Case;

static TrainJob small_job(void) {
    TrainJob job = {.config = train_config(), .name = "p", .command = "train p", .source = network};
    job.config.predictor.hidden = 6;
    job.config.predictor.levels = 4;
    job.config.steps = STEPS;
    job.config.seed = 5;
    job.config.batch = 128;
    job.config.refresh = 100;
    job.config.evaluate_every = 4;
    job.config.save_every = SAVE_EVERY;
    job.config.log_every = 1;
    return job;
}

/* A promise is 1 + the steps, of all trials, that must never be taken again. A call of the watch says that the saves
 * before it returned: that of the step where one was due, that of the run's beginning before its first step. */
static TrainWish watch(void *context, const TrainStatus *status) {
    Case *c = context;
    assert_null(status->warning);
    if (c->last >= status->step) c->trial++;
    c->last = status->step;
    c->calls++;
    if (!c->disk) return TRAIN_GO_ON;
    const uint64_t done = c->trial * STEPS + status->step;
    if (status->step == 1) disk_promise(c->disk, done);
    if (status->step % SAVE_EVERY == 0 || status->step == STEPS) disk_promise(c->disk, 1 + done);
    return TRAIN_GO_ON;
}

static TrainJob watched(Case *c, const char *folder) {
    TrainJob job = c->job;
    job.folder = folder;
    job.watch = watch;
    job.watch_context = c;
    c->trial = c->last = c->calls = 0;
    return job;
}

/* Columns that do not depend on the clock. */
static bool same_log(const Table *a, const Table *b) {
    static const char *const names[] = {"step", "loss", "recon", "learning_rate", "gradient_norm"};
    bool same = a->rows == b->rows;
    for (size_t r = 0; same && r < a->rows; r++)
        for (size_t i = 0; i < sizeof names / sizeof *names; i++) {
            const double x = table_number(a, names[i], r), y = table_number(b, names[i], r);
            same = same && (fabs(x - y) <= 1e-8 * fabs(x) || (isnan(x) && isnan(y)));
        }
    return same;
}

static bool same_parameters(const Predictor *a, const Predictor *b) {
    return a->parameter_count == b->parameter_count &&
           memcmp(a->parameters, b->parameters, a->parameter_count * sizeof(float)) == 0;
}

static void compare(const Case *c, const TrainResults *results, const char *what) {
    if (results->count != c->whole.count) fail_msg("%zu trials; %s", results->count, what);
    for (size_t i = 0; i < results->count; i++) {
        const Predictor *p = results->trial[i].predictor, *q = c->whole.trial[i].predictor;
        if (!same_parameters(p, q)) fail_msg("trial %zu is another predictor; %s", i, what);
        if (!same_log(p->log, q->log)) fail_msg("trial %zu has another log; %s", i, what);
    }
}

/* best.safetensors of a single run, in two folders. */
static void compare_best(const char *folder, const char *what) {
    const char *const folders[] = {root, folder};
    Predictor *best[2];
    for (int i = 0; i < 2; i++) {
        char path[300];
        Error err;
        const PredictorOptions options = {.source = network};
        snprintf(path, sizeof path, "%s/%s/best.safetensors", folders[i], run_name);
        if (!(best[i] = predictor_load(path, &options, NULL, &err))) fail_msg("%s; %s", err.text, what);
    }
    if (!same_parameters(best[0], best[1])) fail_msg("another best.safetensors; %s", what);
    predictor_free(best[0]);
    predictor_free(best[1]);
}

/* ---- after a power loss ------------------------------------------------------------------------------------------ */

/* Temporary files are never looked at again, the lock is one without its text, the probe is removed. */
static bool trivial(const char *name) {
    return *name == '.' || strcmp(name, "lock") == 0 || strcmp(name, "probe") == 0;
}

/* A run's folder is there with its name, or it is not: it is made under another one. */
static void check_anew(Case *c, const char *folder, uint64_t promise, const char *what) {
    TrainJob job = watched(c, folder);
    TrainResults results;
    Error err;
    if (promise > 0) fail_msg("promised %llu, and there is no run; %s", (unsigned long long)promise, what);
    if (train_resume(&job, &results, &err)) fail_msg("resumed what is not there; %s", what);
    if (err.status != STATUS_BAD_INPUT || !strstr(err.text, ": not a run: it has no config.json"))
        fail_msg("%d: %s; %s", err.status, err.text, what);
    if (!train_run(&job, &results, &err)) fail_msg("not begun anew: %s; %s", err.text, what);
    compare(c, &results, what);
    train_results_done(&results);
    c->anew++;
}

static void check_state(void *context, const char *folder, uint64_t promise, const char *what);

/* The run goes on, and the power goes again. What stood there at the start is certain: it was read from the disk. */
static void crash_again(Case *c, const char *folder, uint64_t promise) {
    Case more = *c;
    char path[200];
    TrainResults results;
    Error err;
    more.least = promise > 0 ? promise : 1;
    more.disk = disk_record(folder);
    snprintf(path, sizeof path, "%s/%s", folder, run_name);
    const TrainJob job = watched(&more, path);
    if (!train_resume(&job, &results, &err)) fail_msg("%s", err.text);
    train_results_done(&results);
    disk_stop(more.disk);
    Disk *disk = more.disk;
    more.disk = NULL;
    c->twice += disk_crashes(disk, again, 2, trivial, check_state, &more);
    disk_free(disk);
}

static void check_state(void *context, const char *folder, uint64_t promise, const char *what) {
    Case *c = context;
    const uint64_t total = (uint64_t)c->whole.trials * STEPS;
    char path[200];
    TrainResults results;
    Error err;
    c->states++;
    if (promise < c->least) promise = c->least;
    snprintf(path, sizeof path, "%s/%s", folder, run_name);
    if (access(path, F_OK) != 0) {
        check_anew(c, path, promise, what);
        return;
    }
    const TrainJob job = watched(c, path);
    if (!train_resume(&job, &results, &err)) fail_msg("%d: %s; %s", err.status, err.text, what);
    compare(c, &results, what);
    if (c->whole.count == 1) compare_best(folder, what);
    if (promise > 0 && c->calls > total - (promise - 1))
        fail_msg("%llu of %llu steps taken again, promised %llu; %s", (unsigned long long)c->calls,
                 (unsigned long long)total, (unsigned long long)promise - 1, what);
    train_results_done(&results);
    c->resumed++;
}

/* ---- the tests --------------------------------------------------------------------------------------------------- */

/* Records a run of the job below the root; `prepared`: only prepared at first, and then resumed. */
static Disk *record_run(Case *c, bool prepared) {
    char path[200];
    Error err;
    sweep();
    snprintf(path, sizeof path, "%s/%s", root, run_name);
    Disk *disk = c->disk = disk_record(root);
    TrainJob job = watched(c, path);
    job.prepare = prepared;
    if (!train_run(&job, &c->whole, &err)) fail_msg("%s", err.text);
    if (prepared) {
        train_results_done(&c->whole);
        disk_promise(disk, 1);
        if (!train_resume(&job, &c->whole, &err)) fail_msg("%s", err.text);
    }
    disk_stop(disk);
    c->disk = NULL;
    return disk;
}

static void crash(Case *c, bool prepared) {
    Disk *disk = record_run(c, prepared);
    disk_crashes(disk, crashed, RANDOM, trivial, check_state, c);
    disk_free(disk);
    train_results_done(&c->whole);
    print_message("%zu states: %zu resumed, %zu begun anew\n", c->states, c->resumed, c->anew);
    assert_true(c->resumed > 40 && c->anew > 4);
}

static void runs(void **state) {
    (void)state;
    Case c = {.job = small_job()};
    crash(&c, false);
}

static void prepared_runs(void **state) {
    (void)state;
    Case c = {.job = small_job()};
    crash(&c, true);
}

static void trials(void **state) {
    (void)state;
    Case c = {.job = small_job()};
    c.job.trials = 2;
    crash(&c, false);
}

/* Of the states that a run can be left in, every now and then one is gone on with under power losses of its own. */
static void check_now_and_then(void *context, const char *folder, uint64_t promise, const char *what) {
    enum { EVERY = 12 };
    Case *c = context;
    char path[200];
    (void)what;
    snprintf(path, sizeof path, "%s/%s", folder, run_name);
    if (access(path, F_OK) == 0 && c->states++ % EVERY == 0) crash_again(c, folder, promise);
}

static void resumptions(void **state) {
    (void)state;
    Case c = {.job = small_job()};
    Disk *disk = record_run(&c, false);
    disk_crashes(disk, crashed, RANDOM, trivial, check_now_and_then, &c);
    disk_free(disk);
    train_results_done(&c.whole);
    print_message("%zu states of resumptions\n", c.twice);
    assert_true(c.twice > 100);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(runs),
        cmocka_unit_test(prepared_runs),
        cmocka_unit_test(trials),
        cmocka_unit_test(resumptions),
    };
    return cmocka_run_group_tests(tests, begin, end);
}
