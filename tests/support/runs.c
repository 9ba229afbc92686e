/* runs -- small training runs and their folders, for tests. */
#include "runs.h"
#include "weft/base/error.h"
#include "weft/base/fault.h"
#include "weft/base/pool.h"
#include "weft/base/random.h"
#include "weft/base/run.h"
#include "weft/base/table.h"

#include <math.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>
#include <cmocka.h>

static char work[64];
Network *runs_network;
Dataset *runs_data;

int runs_begin(void **state) {
    Error err;
    (void)state;
    snprintf(work, sizeof work, "/tmp/weft-run-XXXXXX");
    assert_non_null(mkdtemp(work));
    runs_network = network_load("samples/fashion-resnet8.safetensors", NULL, &err);
    runs_data = dataset_load("sample:fashion-test", 60, &err);
    assert_true(runs_network && runs_data);
    return 0;
}

void runs_sweep(void) {
    char command[128];
    snprintf(command, sizeof command, "rm -rf %s/*", work);
    assert_int_equal(system(command), 0);
}

int runs_end(void **state) {
    (void)state;
    runs_sweep();
    rmdir(work);
    network_free(runs_network);
    dataset_free(runs_data);
    return 0;
}

const char *runs_path(const char *name) {
    static char path[8][256];
    static unsigned next;
    char *out = path[next++ % 8];
    snprintf(out, 256, "%s/%s", work, name);
    return out;
}

/* A small run: 24 steps, everything happens several times in it. */
TrainJob runs_job(const char *folder) {
    TrainJob job = {
        .config = train_config(), .name = "p", .command = "train p", .source = runs_network, .folder = folder};
    job.config.predictor.hidden = 20;
    job.config.predictor.levels = 8;
    job.config.steps = 24;
    job.config.seed = 5;
    job.config.batch = 512;
    job.config.refresh = 5;
    job.config.evaluate_every = 7;
    job.config.save_every = 5;
    job.config.log_every = 2;
    job.data = runs_data;
    return job;
}

/* Stops after `step` steps. */
TrainWish runs_stop_at(void *context, const TrainStatus *status) {
    return status->step == *(const uint64_t *)context ? TRAIN_STOP : TRAIN_GO_ON;
}

TrainResults runs_run(const TrainJob *job) {
    TrainResults results;
    Error err;
    if (!train_run(job, &results, &err)) fail_msg("%s", err.text);
    return results;
}

TrainResults runs_resume(const char *folder, TrainWatch *watch, void *context) {
    const TrainJob job = {.folder = folder, .watch = watch, .watch_context = context};
    TrainResults results;
    Error err;
    if (!train_resume(&job, &results, &err)) fail_msg("%s", err.text);
    return results;
}

void runs_refused(const char *folder, Status status, const char *words) {
    const TrainJob job = {.folder = folder};
    TrainResults results;
    Error err;
    if (train_resume(&job, &results, &err)) fail_msg("resumed, though it should have said: %s", words);
    if (err.status != status || !strstr(err.text, words)) fail_msg("%d: %s; expected: %s", err.status, err.text, words);
}

void runs_not_run(TrainJob job, const char *words) {
    TrainResults none;
    Error err;
    job.folder = runs_path("refused");
    assert_false(train_run(&job, &none, &err));
    if (err.status != STATUS_USAGE || !strstr(err.text, words))
        fail_msg("%d: %s; expected: %s", err.status, err.text, words);
    assert_int_equal(access(runs_path("refused"), F_OK), -1);
}

void runs_no_memory(const TrainJob *job, uint64_t stride) {
    for (uint64_t n = 1;; n += stride) {
        TrainResults results;
        Error err;
        fault_arm(FAULT_ALLOC, n, false);
        const bool done = train_run(job, &results, &err);
        const uint64_t seen = fault_disarm();
        if (done) train_results_done(&results);
        if (seen < n) break;
        if (!done) assert_int_equal(err.status, STATUS_LIMIT);
    }
}

static int64_t logged_steps(const char *folder) {
    Error err;
    Table *log = run_log_table(folder, &err);
    const int64_t steps = log && log->rows ? log->columns[0].cells[log->rows - 1].integer : 0;
    table_free(log);
    return steps;
}

unsigned runs_kill(const char *folder, unsigned processes, int64_t steps, uint64_t seed) {
    Rng rng = {.seed = seed};
    unsigned killed = 0;
    for (unsigned i = 0; i < processes; i++) {
        const pid_t child = fork();
        assert_true(child >= 0);
        if (child == 0) {
            pool_set_threads(1); /* threads do not survive a fork: none may be waited for */
            const TrainJob on = {.folder = folder};
            TrainResults results;
            Error err;
            _exit(train_resume(&on, &results, &err) ? 0 : 1);
        }
        /* once it has gone on for some steps, at a random moment; near the end it may be done before */
        const int64_t before = logged_steps(folder);
        for (int wait = 0; wait < 3000 && logged_steps(folder) < before + steps; wait++) usleep(2000);
        usleep((useconds_t)rng_below(&rng, 20000));
        kill(child, SIGKILL);
        int status;
        waitpid(child, &status, 0);
        assert_true(WIFSIGNALED(status) || WEXITSTATUS(status) == 0);
        killed += WIFSIGNALED(status);
    }
    return killed;
}

void runs_same_parameters(const TrainResults *a, const TrainResults *b) {
    const Predictor *p = a->trial[0].predictor, *q = b->trial[0].predictor;
    assert_int_equal(p->parameter_count, q->parameter_count);
    assert_memory_equal(p->parameters, q->parameters, p->parameter_count * sizeof(float));
    assert_true(a->trial[0].recon == b->trial[0].recon);
    assert_true(a->trial[0].accuracy == b->trial[0].accuracy || isnan(a->trial[0].accuracy));
    assert_true(a->trial[0].best_accuracy == b->trial[0].best_accuracy || isnan(a->trial[0].best_accuracy));
}

/* Columns that do not depend on the clock. */
void runs_same_log(const Table *a, const Table *b) {
    static const char *const names[] = {"step", "epoch", "loss", "recon", "learning_rate", "gradient_norm", "accuracy"};
    assert_int_equal(a->rows, b->rows);
    for (size_t r = 0; r < a->rows; r++)
        for (size_t i = 0; i < sizeof names / sizeof *names; i++) {
            const double x = table_number(a, names[i], r), y = table_number(b, names[i], r);
            if (!(fabs(x - y) <= 1e-8 * fabs(x) || (isnan(x) && isnan(y))))
                fail_msg("row %zu, %s: %g, %g", r, names[i], x, y);
        }
}

void runs_copy(const char *from, const char *to) {
    char command[600];
    snprintf(command, sizeof command, "rm -rf %s && cp -r %s %s", to, from, to);
    assert_int_equal(system(command), 0);
}

void runs_replace(const char *folder, const char *file, const char *from, const char *to) {
    char command[800];
    snprintf(command, sizeof command, "sed -i 's|%s|%s|' %s/%s", from, to, folder, file);
    assert_int_equal(system(command), 0);
}

void runs_flip(const char *folder, const char *file, long place) {
    char path[300];
    snprintf(path, sizeof path, "%s/%s", folder, file);
    FILE *stream = fopen(path, "r+b");
    assert_non_null(stream);
    fseek(stream, place, place < 0 ? SEEK_END : SEEK_SET);
    const long at = ftell(stream);
    const int byte = getc(stream);
    fseek(stream, at, SEEK_SET);
    putc(byte ^ 1, stream);
    fclose(stream);
}
