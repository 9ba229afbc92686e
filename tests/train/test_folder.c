/* test_folder -- run folders in trouble: damaged checkpoints are passed over; a changed configuration, source or data
 * set is refused and named; weights that diverge, disks that fail and memory that runs out lose nothing that was saved.
 */
#include "train/internal.h"

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

#include "../support/handmade.h"
#include "../support/runs.h"
#include "weft/base/error.h"
#include "weft/base/fault.h"
#include "weft/base/run.h"
#include "weft/base/text.h"

/* ---- damage and changes ------------------------------------------------------------------------------------------ */

static void damage(void **state) {
    (void)state;
    runs_sweep();
    uint64_t at = 12;
    TrainJob job = runs_job(runs_path("whole"));
    TrainResults whole = runs_run(&job);
    TrainJob part = runs_job(runs_path("part"));
    part.watch = runs_stop_at;
    part.watch_context = &at;
    TrainResults first = runs_run(&part);
    train_results_done(&first);
    for (int kind = 0; kind < 5; kind++) { /* a broken last: the one before it goes on, and says so */
        runs_copy(runs_path("part"), runs_path("broken"));
        if (kind == 0) runs_flip(runs_path("broken"), "last.safetensors", -100);
        if (kind == 1) assert_int_equal(truncate(runs_path("broken/last.safetensors"), 5000), 0);
        if (kind == 2)
            runs_replace(runs_path("broken"), "last.safetensors", "\\\\\"step\\\\\":12", "\\\\\"step\\\\\":13");
        if (kind == 3) unlink(runs_path("broken/last.safetensors"));
        if (kind == 4) runs_replace(runs_path("broken"), "last.safetensors", "base\\\\\":0.76", "base\\\\\":0.74");
        TrainResults rest = runs_resume(runs_path("broken"), NULL, NULL);
        runs_same_parameters(&whole, &rest);
        runs_same_log(whole.trial[0].predictor->log, rest.trial[0].predictor->log);
        if (kind != 3) assert_non_null(strstr(str_text(&rest.trial[0].notes), "last.safetensors"));
        train_results_done(&rest);
    }
    runs_flip(runs_path("part"), "last.safetensors", -100);
    runs_flip(runs_path("part"), "previous.safetensors", -100);
    runs_refused(runs_path("part"), STATUS_BAD_INPUT, "is not what was saved");
    train_results_done(&whole);
}

/* Weights that are no numbers any more are never saved over those that are. */
static void diverges(void **state) {
    (void)state;
    runs_sweep();
    TrainResults none;
    Error err;
    TrainJob job = runs_job(runs_path("wild"));
    job.config.rate = 1e30;
    job.config.refresh = 1000;
    assert_false(train_run(&job, &none, &err));
    assert_int_equal(err.status, STATUS_FAILED);
    assert_non_null(strstr(err.text, "no longer finite"));
    Predictor *last =
        predictor_load(runs_path("wild/last.safetensors"), &(PredictorOptions){.source = runs_network}, NULL, &err);
    assert_non_null(last);
    for (size_t i = 0; i < last->parameter_count; i++) assert_true(isfinite(last->parameters[i]));
    predictor_free(last);
}

/* Found out before anything is made. */
static void unfit_data(void **state) {
    (void)state;
    runs_sweep();
    static const HandmadeLayer layers[] = {{"a", 4, {8, 3, 3, 3}}};
    Network *unknown = handmade_network(layers, 1, 3);
    TrainResults none;
    Error err;
    TrainJob job = runs_job(runs_path("unfit"));
    job.source = unknown;
    strcpy(job.config.layers, "all");
    assert_false(train_run(&job, &none, &err));
    assert_non_null(strstr(err.text, "cannot run"));
    assert_int_equal(access(runs_path("unfit"), F_OK), -1);
    network_free(unknown);
}

static void changes(void **state) {
    (void)state;
    runs_sweep();
    uint64_t at = 12;
    TrainJob part = runs_job(runs_path("part"));
    part.watch = runs_stop_at;
    part.watch_context = &at;
    TrainResults first = runs_run(&part);
    train_results_done(&first);
    runs_refused(runs_path("nothing"), STATUS_BAD_INPUT, "not a run: it has no config.json");
    runs_copy(runs_path("part"), runs_path("changed"));
    runs_replace(runs_path("changed"), "config.json", "\"batch\": 512", "\"batch\": 513");
    runs_refused(runs_path("changed"), STATUS_BAD_INPUT, "field 'batch'");
    runs_copy(runs_path("part"), runs_path("changed"));
    runs_replace(runs_path("changed"), "config.json", "\"batch\": 512", "\"batches\": 512");
    runs_refused(runs_path("changed"), STATUS_BAD_INPUT, "field 'batches' is unknown");
    runs_copy(runs_path("part"), runs_path("changed"));
    runs_replace(runs_path("changed"), "config.json", "\"images\": 60", "\"images\": 61");
    runs_refused(runs_path("changed"), STATUS_BAD_INPUT, "field 'data' differs");
    runs_copy(runs_path("part"), runs_path("changed"));
    runs_flip(runs_path("changed"), "source.safetensors", -5000);
    runs_refused(runs_path("changed"), STATUS_BAD_INPUT, "source.safetensors is not the network the run started with");
    TrainResults none;
    Error err;
    TrainJob again = runs_job(runs_path("part"));
    assert_false(train_run(&again, &none, &err));
    assert_non_null(strstr(err.text, "already holds a run (resume"));
    Run *lock = run_open(runs_path("part"), &err);
    runs_refused(runs_path("part"), STATUS_FAILED, "in use by process");
    run_close(lock);
}

/* ---- disks and memory -------------------------------------------------------------------------------------------- */

/* Every write, fsync, close and rename of a run fails once: before the first step the run is refused; later it goes on
 * and ends with the same predictor, and the folder resumes to the same. */
static void failing_disks(void **state) {
    (void)state;
    runs_sweep();
    TrainJob job = runs_job(runs_path("whole"));
    job.data = NULL; /* some hundred runs: short ones */
    job.config.predictor.hidden = 6;
    job.config.batch = 128;
    job.config.refresh = 100;
    job.config.steps = 6;
    job.config.save_every = 2;
    job.config.evaluate_every = 3;
    TrainResults whole = runs_run(&job);
    unsigned refusals = 0, survivals = 0;
    for (uint64_t n = 1;; n++) {
        TrainResults results, rest;
        Error err;
        const TrainJob on = {.folder = runs_path("faulty")};
        runs_sweep();
        job.folder = runs_path("faulty");
        fault_arm(FAULT_OPEN | FAULT_WRITE | FAULT_FSYNC | FAULT_CLOSE | FAULT_RENAME, n, false);
        const bool done = train_run(&job, &results, &err);
        const uint64_t seen = fault_disarm();
        if (done) {
            runs_same_parameters(&whole, &results);
            train_results_done(&results);
            survivals++;
            Predictor *best = predictor_load(runs_path("faulty/best.safetensors"),
                                             &(PredictorOptions){.source = runs_network}, NULL, &err);
            if (!best) fail_msg("fault %llu: %s", (unsigned long long)n, err.text);
            predictor_free(best);
            if (!train_resume(&on, &rest, &err)) fail_msg("fault %llu: %s", (unsigned long long)n, err.text);
            runs_same_parameters(&whole, &rest);
            runs_same_log(whole.trial[0].predictor->log, rest.trial[0].predictor->log);
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
    runs_sweep();
    TrainJob job = runs_job(runs_path("whole"));
    TrainResults whole = runs_run(&job);
    unsigned unsaved = 0;
    for (uint64_t n = 20;; n += 9) {
        TrainResults results, rest;
        Error err;
        const TrainJob on = {.folder = runs_path("full")};
        runs_sweep();
        job.folder = runs_path("full");
        fault_arm(FAULT_WRITE, n, true);
        const bool done = train_run(&job, &results, &err);
        const uint64_t seen = fault_disarm();
        assert_true(n < 5000);
        if (!done) continue;
        runs_same_parameters(&whole, &results);
        if (seen >= n) {
            assert_int_equal(results.trial[0].saved, STATUS_WRITE);
            assert_true(strlen(results.trial[0].save_error.text) > 0);
            unsaved++;
        }
        train_results_done(&results);
        if (!train_resume(&on, &rest, &err)) fail_msg("fault %llu: %s", (unsigned long long)n, err.text);
        runs_same_parameters(&whole, &rest);
        runs_same_log(whole.trial[0].predictor->log, rest.trial[0].predictor->log);
        train_results_done(&rest);
        if (seen < n) break;
    }
    assert_true(unsaved > 2);
    train_results_done(&whole);
}

static void no_memory(void **state) {
    (void)state;
    runs_sweep();
    for (uint64_t n = 1;; n += 1 + n / 128) { /* most of the later ones are parts of blocks */
        TrainResults results;
        Error err;
        runs_sweep();
        TrainJob job = runs_job(runs_path("memory"));
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
        TrainJob job = runs_job("/proc/weft-run");
        assert_false(train_run(&job, &none, &err));
        assert_int_equal(err.status, STATUS_WRITE);
        return;
    }
    runs_sweep();
    TrainResults none;
    Error err;
    TrainJob job = runs_job(runs_path("closed/run"));
    assert_int_equal(mkdir(runs_path("closed"), 0555), 0);
    assert_false(train_run(&job, &none, &err));
    assert_int_equal(err.status, STATUS_WRITE);
}

/* ---- configuration ----------------------------------------------------------------------------------------------- */

/* As run folders hold a configuration. */
static void write_config(const TrainConfig *config, Str *out) {
    json_t *object = train_config_json(config);
    char *text = json_dumps(object, JSON_COMPACT | JSON_REAL_PRECISION(17));
    assert_non_null(text);
    str_add(out, text);
    free(text);
    json_decref(object);
}

static bool read_config(const char *text, TrainConfig *out, Error *err) {
    json_t *object = json_loads(text, JSON_REJECT_DUPLICATES, NULL);
    const bool done = train_config_from_json(object, out, err);
    json_decref(object);
    return done;
}

static void configurations(void **state) {
    (void)state;
    TrainConfig config = train_config(), back;
    Error err;
    Str text = {0}, twice = {0};
    config.rate = 0.1 + 0.2;
    config.clip = 1e-300;
    strcpy(config.layers, "stage:1,-\"x\"");
    write_config(&config, &text);
    assert_true(read_config(str_text(&text), &back, &err));
    write_config(&back, &twice);
    assert_string_equal(str_text(&text), str_text(&twice));
    assert_true(config.rate == back.rate && config.clip == back.clip);
    static const char *const bad[] = {"", "[]", "{}", "{\"scheme\": 1}"};
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) {
        assert_false(read_config(bad[i], &back, &err));
        assert_int_equal(err.status, STATUS_BAD_INPUT);
    }
    str_add(&twice, " ");
    twice.text[twice.length - 2] = ','; /* the closing brace */
    str_add(&twice, "\"more\": 1}");
    assert_false(read_config(str_text(&twice), &back, &err));
    assert_non_null(strstr(err.text, "field 'more' is unknown"));
    str_done(&text);
    str_done(&twice);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(damage),     cmocka_unit_test(changes),       cmocka_unit_test(diverges),
        cmocka_unit_test(unfit_data), cmocka_unit_test(failing_disks), cmocka_unit_test(full_disk),
        cmocka_unit_test(no_memory),  cmocka_unit_test(unwritable),    cmocka_unit_test(configurations),
    };
    return cmocka_run_group_tests(tests, runs_begin, runs_end);
}
