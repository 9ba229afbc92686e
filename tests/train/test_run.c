/* test_run -- runs and their folders: resuming is bit-exact from anywhere, whatever the threads; damaged checkpoints
 * are passed over; a changed configuration, source or data set is refused and named; failing disks lose nothing. */
#include "weft/train.h"

#include <fcntl.h>
#include <math.h>
#include <setjmp.h>
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

static char work[64]; /* a folder for everything */
static Network *network;
static Dataset *data;

static int begin(void **state) {
    Error err;
    (void)state;
    snprintf(work, sizeof work, "/tmp/weft-run-XXXXXX");
    assert_non_null(mkdtemp(work));
    network = network_load("samples/fashion-resnet8.safetensors", NULL, &err);
    data = dataset_load("sample:fashion-test", 60, &err);
    assert_true(network && data);
    return 0;
}

static void sweep(void) {
    char command[128];
    snprintf(command, sizeof command, "rm -rf %s/*", work);
    assert_int_equal(system(command), 0);
}

static int end(void **state) {
    (void)state;
    sweep();
    rmdir(work);
    network_free(network);
    dataset_free(data);
    return 0;
}

static const char *in(const char *name) {
    static char path[8][256];
    static unsigned next;
    char *out = path[next++ % 8];
    snprintf(out, 256, "%s/%s", work, name);
    return out;
}

/* A small run: 24 steps, everything happens several times in it. */
static TrainJob small_job(const char *folder) {
    TrainJob job = {.config = train_config(), .name = "p", .command = "train p", .source = network, .folder = folder};
    job.config.predictor.hidden = 20;
    job.config.predictor.levels = 8;
    job.config.steps = 24;
    job.config.seed = 5;
    job.config.batch = 512;
    job.config.refresh = 5;
    job.config.evaluate_every = 7;
    job.config.save_every = 5;
    job.config.log_every = 2;
    job.data = data;
    return job;
}

/* Stops after `step` steps. */
static TrainWish stop_at(void *context, const TrainStatus *status) {
    return status->step == *(const uint64_t *)context ? TRAIN_STOP : TRAIN_GO_ON;
}

static TrainResults run(const TrainJob *job) {
    TrainResults results;
    Error err;
    if (!train_run(job, &results, &err)) fail_msg("%s", err.text);
    return results;
}

static TrainResults resume(const char *folder, TrainWatch *watch, void *context) {
    const TrainJob job = {.folder = folder, .watch = watch, .watch_context = context};
    TrainResults results;
    Error err;
    if (!train_resume(&job, &results, &err)) fail_msg("%s", err.text);
    return results;
}

static void refused(const char *folder, Status status, const char *words) {
    const TrainJob job = {.folder = folder};
    TrainResults results;
    Error err;
    if (train_resume(&job, &results, &err)) fail_msg("resumed, though it should have said: %s", words);
    if (err.status != status || !strstr(err.text, words)) fail_msg("%d: %s; expected: %s", err.status, err.text, words);
}

static void same_parameters(const TrainResults *a, const TrainResults *b) {
    const Predictor *p = a->trial[0].predictor, *q = b->trial[0].predictor;
    assert_int_equal(p->parameter_count, q->parameter_count);
    assert_memory_equal(p->parameters, q->parameters, p->parameter_count * sizeof(float));
    assert_true(a->trial[0].recon == b->trial[0].recon);
    assert_true(a->trial[0].accuracy == b->trial[0].accuracy);
    assert_true(a->trial[0].best_accuracy == b->trial[0].best_accuracy);
}

/* Columns that do not depend on the clock. */
static void same_log(const Table *a, const Table *b) {
    static const char *const names[] = {"step", "epoch", "loss", "recon", "learning_rate", "gradient_norm", "accuracy"};
    assert_int_equal(a->rows, b->rows);
    for (size_t r = 0; r < a->rows; r++)
        for (size_t i = 0; i < sizeof names / sizeof *names; i++) {
            const double x = table_number(a, names[i], r), y = table_number(b, names[i], r);
            if (!(fabs(x - y) <= 1e-8 * fabs(x) || (isnan(x) && isnan(y))))
                fail_msg("row %zu, %s: %g, %g", r, names[i], x, y);
        }
}

/* ---- resuming ---------------------------------------------------------------------------------------------------- */

static void trains(void **state) {
    (void)state;
    TrainJob job = small_job(NULL);
    job.config.steps = 300;
    job.config.evaluate_every = 100;
    TrainResults results = run(&job);
    const TrainResult *r = &results.trial[0];
    const Table *log = r->predictor->log;
    assert_false(r->partial);
    assert_int_equal(r->step, 300);
    assert_true(r->recon < 0.7 * table_number(log, "loss", 0)); /* it learns */
    /* what it says is what the reconstruction is: the root mean square over the predicted weights */
    Error err;
    Network *made = predictor_reconstruct(r->predictor, NULL, "reconstruct", &err);
    double squares = 0;
    assert_non_null(made);
    for (size_t i = 0; i < network->layer_count; i++) {
        const Tensor *a = layer_weight(network, &network->layers[i]), *b = layer_weight(made, &made->layers[i]);
        for (uint64_t w = 0; network->layers[i].predicted && w < a->count; w++)
            squares += pow((double)a->data[w] - (double)b->data[w], 2);
    }
    assert_true(fabs(sqrt(squares / (double)r->predictor->weight_count) / r->recon - 1) < 1e-6);
    network_free(made);
    train_results_done(&results);
}

static void resumes_to_the_bit(void **state) {
    (void)state;
    sweep();
    TrainJob job = small_job(in("whole"));
    TrainResults whole = run(&job);
    for (uint64_t at = 1; at < 24; at += 1 + at % 3) {
        char name[32];
        snprintf(name, sizeof name, "stop-%llu", (unsigned long long)at);
        TrainJob part = small_job(in(name));
        part.watch = stop_at;
        part.watch_context = &at;
        pool_set_threads(1 + (unsigned)at % 3);
        TrainResults first = run(&part);
        assert_true(first.trial[0].partial);
        assert_int_equal(first.trial[0].step, at);
        train_results_done(&first);
        pool_set_threads(1 + (unsigned)(at + 1) % 3);
        TrainResults rest = resume(in(name), NULL, NULL);
        same_parameters(&whole, &rest);
        same_log(whole.trial[0].predictor->log, rest.trial[0].predictor->log);
        train_results_done(&rest);
    }
    pool_set_threads(0);
    TrainResults again = resume(in("whole"), NULL, NULL); /* a finished run gives its result */
    same_parameters(&whole, &again);
    train_results_done(&again);
    TrainJob without = small_job(NULL); /* and so does one without a folder */
    TrainResults plain = run(&without);
    same_parameters(&whole, &plain);
    train_results_done(&plain);
    train_results_done(&whole);
}

/* The process is killed at random moments; what is left goes on. Each child trains on; the last one ends by itself. */
static void survives_kills(void **state) {
    (void)state;
    sweep();
    TrainJob job = small_job(in("whole"));
    job.config.steps = 400;
    job.config.evaluate_every = 90;
    job.config.save_every = 20;
    TrainResults whole = run(&job);
    TrainJob killed = job;
    killed.folder = in("killed");
    killed.prepare = true;
    TrainResults none = run(&killed);
    train_results_done(&none);
    Rng rng = {.seed = 17};
    const char *folder = in("killed");
    for (int kills = 0; kills < 12; kills++) {
        const pid_t child = fork();
        assert_true(child >= 0);
        if (child == 0) {
            pool_set_threads(1); /* threads do not survive a fork: none may be waited for */
            const TrainJob on = {.folder = folder};
            TrainResults results;
            Error err;
            _exit(train_resume(&on, &results, &err) ? 0 : 1);
        }
        usleep((useconds_t)rng_below(&rng, 60000));
        kill(child, SIGKILL);
        int status;
        waitpid(child, &status, 0);
        assert_true(WIFSIGNALED(status) || WEXITSTATUS(status) == 0);
    }
    TrainResults rest = resume(folder, NULL, NULL);
    same_parameters(&whole, &rest);
    same_log(whole.trial[0].predictor->log, rest.trial[0].predictor->log);
    train_results_done(&rest);
    train_results_done(&whole);
}

static void trials(void **state) {
    (void)state;
    sweep();
    TrainJob job = small_job(in("three"));
    job.trials = 3;
    uint64_t at = 11;
    TrainResults whole = run(&job);
    assert_int_equal(whole.count, 3);
    assert_int_equal(whole.trial[2].seed, 7);
    for (size_t i = 0; i < 3; i++) assert_true(whole.trial[whole.best].accuracy >= whole.trial[i].accuracy);
    TrainJob part = small_job(in("stopped"));
    part.trials = 3;
    part.watch = stop_at;
    part.watch_context = &at;
    TrainResults first = run(&part);
    assert_int_equal(first.count, 1);
    assert_true(first.trial[0].partial);
    train_results_done(&first);
    TrainResults rest = resume(in("stopped"), NULL, NULL);
    assert_int_equal(rest.count, 3);
    assert_int_equal(rest.best, whole.best);
    for (size_t i = 0; i < 3; i++)
        assert_memory_equal(rest.trial[i].predictor->parameters, whole.trial[i].predictor->parameters,
                            whole.trial[i].predictor->parameter_count * sizeof(float));
    train_results_done(&rest);
    train_results_done(&whole);
}

/* ---- what is refused --------------------------------------------------------------------------------------------- */

static void copy_folder(const char *from, const char *to) {
    char command[600];
    snprintf(command, sizeof command, "rm -rf %s && cp -r %s %s", to, from, to);
    assert_int_equal(system(command), 0);
}

static void replace(const char *folder, const char *file, const char *from, const char *to) {
    char command[800];
    snprintf(command, sizeof command, "sed -i 's|%s|%s|' %s/%s", from, to, folder, file);
    assert_int_equal(system(command), 0);
}

static void flip(const char *folder, const char *file, long place) {
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

static void damage(void **state) {
    (void)state;
    sweep();
    uint64_t at = 12;
    TrainJob job = small_job(in("whole"));
    TrainResults whole = run(&job);
    TrainJob part = small_job(in("part"));
    part.watch = stop_at;
    part.watch_context = &at;
    TrainResults first = run(&part);
    train_results_done(&first);
    for (int kind = 0; kind < 4; kind++) { /* a broken last: the one before it goes on, and says so */
        copy_folder(in("part"), in("broken"));
        if (kind == 0) flip(in("broken"), "last.safetensors", -100);
        if (kind == 1) assert_int_equal(truncate(in("broken/last.safetensors"), 5000), 0);
        if (kind == 2) replace(in("broken"), "last.safetensors", "\\\\\"step\\\\\":12", "\\\\\"step\\\\\":13");
        if (kind == 3) unlink(in("broken/last.safetensors"));
        TrainResults rest = resume(in("broken"), NULL, NULL);
        same_parameters(&whole, &rest);
        same_log(whole.trial[0].predictor->log, rest.trial[0].predictor->log);
        if (kind < 3) assert_non_null(strstr(str_text(&rest.trial[0].notes), "last.safetensors"));
        train_results_done(&rest);
    }
    flip(in("part"), "last.safetensors", -100);
    flip(in("part"), "previous.safetensors", -100);
    refused(in("part"), STATUS_BAD_INPUT, "is not what was saved");
    train_results_done(&whole);
}

static void changes(void **state) {
    (void)state;
    sweep();
    uint64_t at = 12;
    TrainJob part = small_job(in("part"));
    part.watch = stop_at;
    part.watch_context = &at;
    TrainResults first = run(&part);
    train_results_done(&first);
    refused(in("nothing"), STATUS_BAD_INPUT, "no run: it holds no config.json");
    copy_folder(in("part"), in("changed"));
    replace(in("changed"), "config.json", "\"batch\": 512", "\"batch\": 513");
    refused(in("changed"), STATUS_BAD_INPUT, "field 'batch'");
    copy_folder(in("part"), in("changed"));
    replace(in("changed"), "config.json", "\"batch\": 512", "\"batches\": 512");
    refused(in("changed"), STATUS_BAD_INPUT, "field 'batch' is missing");
    copy_folder(in("part"), in("changed"));
    replace(in("changed"), "config.json", "\"images\": 60", "\"images\": 61");
    refused(in("changed"), STATUS_BAD_INPUT, "field 'data' differs");
    copy_folder(in("part"), in("changed"));
    flip(in("changed"), "source.safetensors", -5000);
    refused(in("changed"), STATUS_BAD_INPUT, "not the network the run began with");
    TrainResults none;
    Error err;
    TrainJob again = small_job(in("part"));
    assert_false(train_run(&again, &none, &err));
    assert_non_null(strstr(err.text, "holds a run already"));
    Run *lock = run_open(in("part"), &err);
    refused(in("part"), STATUS_FAILED, "in use by process");
    run_close(lock);
}

/* ---- disks and memory -------------------------------------------------------------------------------------------- */

/* Every write, fsync, close and rename of a run fails once: before the first step the run is refused; later it goes on
 * and ends with the same predictor, and the folder resumes to the same. */
static void failing_disks(void **state) {
    (void)state;
    sweep();
    TrainJob job = small_job(in("whole"));
    job.config.steps = 6;
    job.config.save_every = 2;
    job.config.evaluate_every = 3;
    TrainResults whole = run(&job);
    unsigned refusals = 0, survivals = 0;
    for (uint64_t n = 1;; n++) {
        TrainResults results, rest;
        Error err;
        const TrainJob on = {.folder = in("faulty")};
        sweep();
        job.folder = in("faulty");
        fault_arm(FAULT_OPEN | FAULT_WRITE | FAULT_FSYNC | FAULT_CLOSE | FAULT_RENAME, n, false);
        const bool done = train_run(&job, &results, &err);
        const uint64_t seen = fault_disarm();
        if (done) {
            same_parameters(&whole, &results);
            train_results_done(&results);
            survivals++;
            if (!train_resume(&on, &rest, &err)) fail_msg("fault %llu: %s", (unsigned long long)n, err.text);
            same_parameters(&whole, &rest);
            train_results_done(&rest);
        } else {
            refusals++;
            if (err.status != STATUS_WRITE && !strstr(err.text, "Too many open files"))
                fail_msg("fault %llu: %d, %s", (unsigned long long)n, err.status, err.text);
        }
        if (seen < n) break;
    }
    assert_true(refusals > 10 && survivals > 10);
    train_results_done(&whole);
}

/* The disk fails from some moment on and for good: the run still ends with its predictor and says that it was not
 * saved; what was saved before goes on to the same. */
static void full_disk(void **state) {
    (void)state;
    sweep();
    TrainJob job = small_job(in("whole"));
    TrainResults whole = run(&job);
    unsigned unsaved = 0;
    for (uint64_t n = 20;; n += 9) {
        TrainResults results, rest;
        Error err;
        const TrainJob on = {.folder = in("full")};
        sweep();
        job.folder = in("full");
        fault_arm(FAULT_WRITE, n, true);
        const bool done = train_run(&job, &results, &err);
        const uint64_t seen = fault_disarm();
        if (!done) continue;
        same_parameters(&whole, &results);
        if (seen >= n) {
            assert_int_equal(results.trial[0].saved, STATUS_WRITE);
            assert_true(strlen(results.trial[0].save_error.text) > 0);
            unsaved++;
        }
        train_results_done(&results);
        if (!train_resume(&on, &rest, &err)) fail_msg("fault %llu: %s", (unsigned long long)n, err.text);
        same_parameters(&whole, &rest);
        same_log(whole.trial[0].predictor->log, rest.trial[0].predictor->log);
        train_results_done(&rest);
        if (seen < n) break;
    }
    assert_true(unsaved > 2);
    train_results_done(&whole);
}

static void no_memory(void **state) {
    (void)state;
    sweep();
    for (uint64_t n = 1;; n += 1 + n / 20) {
        TrainResults results;
        Error err;
        sweep();
        TrainJob job = small_job(in("memory"));
        job.config.steps = 2;
        job.data = NULL;
        fault_arm(FAULT_ALLOC, n, false);
        const bool done = train_run(&job, &results, &err);
        const uint64_t seen = fault_disarm();
        if (done) train_results_done(&results);
        if (seen < n) break;
        if (!done) assert_true(err.status == STATUS_LIMIT || err.status == STATUS_WRITE);
    }
}

static void unwritable(void **state) {
    (void)state;
    if (geteuid() == 0) {
        /* root writes everywhere but where the system itself refuses */
        TrainResults none;
        Error err;
        TrainJob job = small_job("/proc/weft-run");
        assert_false(train_run(&job, &none, &err));
        assert_int_equal(err.status, STATUS_WRITE);
        return;
    }
    sweep();
    TrainResults none;
    Error err;
    TrainJob job = small_job(in("closed/run"));
    assert_int_equal(mkdir(in("closed"), 0555), 0);
    assert_false(train_run(&job, &none, &err));
    assert_int_equal(err.status, STATUS_WRITE);
}

/* ---- configuration ----------------------------------------------------------------------------------------------- */

static void configurations(void **state) {
    (void)state;
    TrainConfig config = train_config(), back;
    Error err;
    Str text = {0}, twice = {0};
    config.rate = 0.1 + 0.2;
    config.clip = 1e-300;
    strcpy(config.layers, "stage:1,-\"x\"");
    assert_true(train_config_write(&config, &text, &err));
    assert_true(train_config_read(str_text(&text), &back, &err));
    assert_true(train_config_write(&back, &twice, &err));
    assert_string_equal(str_text(&text), str_text(&twice));
    assert_true(config.rate == back.rate && config.clip == back.clip);
    static const char *const bad[] = {"", "[]", "{}", "{\"scheme\": 1}"};
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) {
        assert_false(train_config_read(bad[i], &back, &err));
        assert_int_equal(err.status, STATUS_BAD_INPUT);
    }
    str_add(&twice, " ");
    twice.text[twice.length - 2] = ','; /* the closing brace */
    str_add(&twice, "\"more\": 1}");
    assert_false(train_config_read(str_text(&twice), &back, &err));
    assert_non_null(strstr(err.text, "'more' is not known"));
    str_done(&text);
    str_done(&twice);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(trains),         cmocka_unit_test(resumes_to_the_bit),
        cmocka_unit_test(survives_kills), cmocka_unit_test(trials),
        cmocka_unit_test(damage),         cmocka_unit_test(changes),
        cmocka_unit_test(failing_disks),  cmocka_unit_test(full_disk),
        cmocka_unit_test(no_memory),      cmocka_unit_test(unwritable),
        cmocka_unit_test(configurations),
    };
    return cmocka_run_group_tests(tests, begin, end);
}
