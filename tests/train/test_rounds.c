/* test_rounds -- progressive runs: what who watches is told and may wish, what is refused, folders that were changed,
 * failures in a later round. */
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

#include "../support/rounds.h"
#include "train/internal.h"
#include "weft/base/error.h"
#include "weft/base/fault.h"
#include "weft/base/pool.h"
#include "weft/base/text.h"

/* ---- who watches ------------------------------------------------------------------------------------------------- */

typedef struct Parts {
    char text[400]; /* the parts, each once, a line each */
} Parts;

static TrainWish collect_parts(void *context, const TrainStatus *status) {
    Parts *parts = context;
    const char *part = status->part ? status->part : "none";
    const size_t length = strlen(parts->text), line = strlen(part) + 1;
    assert_int_equal(status->steps, 12);
    assert_in_range(status->step, 1, 12);
    if (length >= line && strncmp(parts->text + length - line, part, line - 1) == 0) return TRAIN_GO_ON;
    snprintf(parts->text + length, sizeof parts->text - length, "%s\n", part);
    return TRAIN_GO_ON;
}

static void parts_are(ProgressiveJob job, unsigned threads, const char *expected) {
    Parts parts = {0};
    pool_set_threads(threads);
    job.train.watch = collect_parts;
    job.train.watch_context = &parts;
    ProgressiveResults results = rounds_train(&job);
    assert_string_equal(parts.text, expected);
    progressive_results_done(&results);
    pool_set_threads(0);
}

static void tells_the_part(void **state) {
    (void)state;
    ProgressiveJob job = rounds_job(NULL);
    job.rounds = 2;
    job.train.trials = 3;
    parts_are(job, 1,
              "round 1 of 2, trial 1 of 3\nround 1 of 2, trial 2 of 3\nround 1 of 2, trial 3 of 3\n"
              "round 2 of 2, trial 1 of 3\nround 2 of 2, trial 2 of 3\nround 2 of 2, trial 3 of 3\n");
    parts_are(job, 2,
              "round 1 of 2, trials 1-2 of 3\nround 1 of 2, trial 3 of 3\n"
              "round 2 of 2, trials 1-2 of 3\nround 2 of 2, trial 3 of 3\n");
    job.train.trials = 0;
    parts_are(job, 2, "round 1 of 2\nround 2 of 2\n");
    TrainJob one = job.train;
    Parts parts = {0};
    one.watch = collect_parts;
    one.watch_context = &parts;
    TrainResults results = runs_run(&one);
    assert_string_equal(parts.text, "none\n");
    train_results_done(&results);
}

/* One trial or none is the same; each round has a seed of its own. */
static void no_trials_are_one(void **state) {
    (void)state;
    ProgressiveJob job = rounds_job(NULL);
    job.train.trials = 0;
    ProgressiveResults none = rounds_train(&job);
    job.train.trials = 1;
    ProgressiveResults one = rounds_train(&job);
    rounds_same(&one, &none);
    progressive_results_done(&none);
    progressive_results_done(&one);
}

typedef struct Once {
    uint64_t step;
    TrainWish wish; /* told once, at the step */
} Once;

static TrainWish wish_once(void *context, const TrainStatus *status) {
    Once *once = context;
    if (once->step == 0 || status->step < once->step) return TRAIN_GO_ON;
    once->step = 0;
    return once->wish;
}

static TrainResults wished_once(const char *folder, TrainWish wish) {
    Once once = {7, wish};
    TrainJob job = runs_job(folder);
    job.config.steps = 200;
    job.config.save_every = 0;
    job.trials = 2;
    job.watch = wish_once;
    job.watch_context = &once;
    pool_set_threads(2);
    TrainResults results = runs_run(&job);
    pool_set_threads(0);
    return results;
}

/* What is wished once is done by each of the trials that run side by side. */
static void wishes_are_for_all(void **state) {
    (void)state;
    Error err;
    runs_sweep();
    TrainResults results = wished_once(NULL, TRAIN_STOP);
    for (unsigned t = 0; t < 2; t++) {
        assert_true(results.trial[t].partial);
        assert_in_range(results.trial[t].step, 1, 199);
    }
    train_results_done(&results);
    results = wished_once(runs_path("saves"), TRAIN_SAVE);
    for (unsigned t = 0; t < 2; t++) { /* the save before the last is not that of the beginning */
        char folder[300], last[320];
        Progress progress;
        double scalar;
        Str notes = {0};
        snprintf(folder, sizeof folder, "%s/trial-%u", runs_path("saves"), t + 1);
        snprintf(last, sizeof last, "%s/last.safetensors", folder);
        assert_false(results.trial[t].partial);
        assert_int_equal(unlink(last), 0);
        TrainConfig config = results.config;
        config.seed += t;
        Checkpoint *checkpoint = checkpoint_newest(folder, &config, &progress, &scalar, &notes, &err);
        if (!checkpoint) fail_msg("%s", err.text);
        assert_in_range(progress.step, 1, 199);
        checkpoint_close(checkpoint);
        str_done(&notes);
    }
    train_results_done(&results);
}

/* ---- bad input --------------------------------------------------------------------------------------------------- */

static void refused(const ProgressiveJob *job, Status status, const char *words) {
    ProgressiveResults results;
    Error err;
    if (progressive_run(job, &results, &err)) fail_msg("ran, though it should have said: %s", words);
    if (err.status != status || !strstr(err.text, words)) fail_msg("%d: %s; expected: %s", err.status, err.text, words);
}

/* Names and bytes of all files in a folder, as one hash. */
static void folder_hash(const char *folder, char out[64]) {
    char command[600];
    snprintf(command, sizeof command, "cd %s && find . -type f | sort | xargs sha1sum | sha1sum", folder);
    FILE *stream = popen(command, "r");
    assert_non_null(stream);
    assert_int_equal(fread(out, 1, 40, stream), 40);
    out[40] = '\0';
    pclose(stream);
}

/* Refused with these words, and nothing in the folder changes. */
static void resume_refused(const char *folder, const char *words) {
    const ProgressiveJob job = {.train = {.folder = folder}};
    ProgressiveResults results;
    Error err;
    char before[64], after[64];
    folder_hash(folder, before);
    if (progressive_resume(&job, &results, &err)) fail_msg("resumed, though it should have said: %s", words);
    if (!strstr(err.text, words)) fail_msg("%s; expected: %s", err.text, words);
    assert_null(strchr(err.text, '\n'));
    folder_hash(folder, after);
    assert_string_equal(before, after);
}

static void bad_input(void **state) {
    (void)state;
    runs_sweep();
    Dataset classes = *runs_data, pixels = *runs_data;
    classes.classes = 7;
    pixels.channels = 3;
    ProgressiveJob job = rounds_job(runs_path("none"));
    job.train.data = NULL;
    refused(&job, STATUS_USAGE, "--on DATA");
    job.train.data = &classes;
    refused(&job, STATUS_USAGE, "has 7");
    job.train.data = &pixels;
    refused(&job, STATUS_USAGE, "channel");
    job = rounds_job(runs_path("none"));
    job.select = &classes;
    refused(&job, STATUS_USAGE, "has 7");
    job = rounds_job(runs_path("none"));
    job.train.config.images.kd = 1;
    refused(&job, STATUS_USAGE, "L_recon only");
    assert_int_not_equal(access(runs_path("none"), F_OK), 0);
}

/* A folder with one round in it, and one with a plain run. */
static void bad_folders(void **state) {
    (void)state;
    static const char *const damages[][3] = {
        {"\"rounds\": 1", "\"rounds\": \"x\"", "field 'rounds'"},
        {"\"rounds\": 1", "\"rounds\": 0", "not a progressive run"},
        {"\"trials\": 2", "\"trials\": -2", "config.json"},
        {"\"images\": 60", "\"images\": 59", "field 'data' differs"},
        {"\"hidden\": 20", "\"hidden\": 21", "field 'hidden'"},
        {"\"weft\"", "weft", "config.json"},
    };
    char before[64], after[64];
    runs_sweep();
    ProgressiveJob job = rounds_job(runs_path("held"));
    job.rounds = 1;
    ProgressiveResults results = rounds_train(&job);
    progressive_results_done(&results);
    folder_hash(runs_path("held"), before);
    refused(&job, STATUS_FAILED, "already holds a run (resume");
    runs_refused(runs_path("held"), STATUS_USAGE, "a progressive run");
    folder_hash(runs_path("held"), after);
    assert_string_equal(before, after);
    for (size_t i = 0; i < sizeof damages / sizeof *damages; i++) {
        runs_copy(runs_path("held"), runs_path("damaged"));
        runs_replace(runs_path("damaged"), "config.json", damages[i][0], damages[i][1]);
        resume_refused(runs_path("damaged"), damages[i][2]);
    }
    runs_copy(runs_path("held"), runs_path("damaged"));
    runs_flip(runs_path("damaged"), "source.safetensors", -2000);
    resume_refused(runs_path("damaged"), "source.safetensors is not the network the run started with");
    TrainJob plain = runs_job(runs_path("plain"));
    TrainResults trained = runs_run(&plain);
    train_results_done(&trained);
    resume_refused(runs_path("plain"), "not a progressive run");
    assert_int_equal(mkdir(runs_path("empty"), 0700), 0);
    resume_refused(runs_path("empty"), "not a run");
}

/* ---- failures ---------------------------------------------------------------------------------------------------- */

/* Arms a fault at the first step of round 2. */
typedef struct Trap {
    unsigned kinds;
    uint64_t nth;
    bool all_after, armed;
} Trap;

static TrainWish spring(void *context, const TrainStatus *status) {
    Trap *trap = context;
    if (!trap->armed && strstr(status->part, "round 2")) {
        trap->armed = true;
        fault_arm(trap->kinds, trap->nth, trap->all_after);
    }
    return TRAIN_GO_ON;
}

static bool trapped(Trap *trap, const char *folder, ProgressiveResults *results, Error *err) {
    ProgressiveJob job = rounds_job(folder);
    job.rounds = 2;
    job.train.watch = spring;
    job.train.watch_context = trap;
    return progressive_run(&job, results, err);
}

/* What goes wrong in a later round leaves the rounds before it, and the folder goes on. */
static void failure_keeps_earlier_rounds(void **state) {
    (void)state;
    Error err;
    runs_sweep();
    ProgressiveJob job = rounds_job(NULL);
    job.rounds = 2;
    ProgressiveResults whole = rounds_train(&job), results;
    pool_set_threads(1);
    Trap trap = {FAULT_WRITE, 1, true, false};
    assert_true(trapped(&trap, runs_path("failing"), &results, &err));
    fault_disarm();
    assert_int_equal(results.count, 1);
    assert_true(results.partial && results.round_now == 2);
    assert_int_equal(results.stopped.status, STATUS_WRITE);
    rounds_same_weights(results.round[0].network, whole.round[0].network);
    rounds_same_weights(results.network, runs_network); /* round 1 did not win */
    progressive_results_done(&results);
    results = rounds_resume(runs_path("failing"));
    rounds_same(&whole, &results);
    progressive_results_done(&results);
    progressive_results_done(&whole);
    pool_set_threads(0);
}

/* A trial that is of another job is not taken for one of this. */
static void strange_trial(void **state) {
    (void)state;
    runs_sweep();
    ProgressiveJob job = rounds_job(runs_path("failing"));
    RoundsStop stop = {.at = 12 * 2 + 12};
    pool_set_threads(1);
    job.train.watch = rounds_stop_after;
    job.train.watch_context = &stop;
    ProgressiveResults results = rounds_train(&job);
    progressive_results_done(&results);
    runs_replace(runs_path("failing/round-2/trial-1"), "config.json", "\"lookahead\": 6", "\"lookahead\": 5");
    results = rounds_resume(runs_path("failing"));
    assert_int_equal(results.count, 1);
    assert_true(results.partial);
    assert_int_equal(results.stopped.status, STATUS_BAD_INPUT);
    assert_non_null(strstr(results.stopped.text, "field 'lookahead'"));
    progressive_results_done(&results);
    pool_set_threads(0);
}

/* Each allocation of round 2 fails once: either the first round's result, or an error, or it was not needed. */
static void no_memory_in_round_2(void **state) {
    (void)state;
    Error err;
    ProgressiveJob job = rounds_job(NULL);
    job.rounds = 2;
    pool_set_threads(1);
    ProgressiveResults whole = rounds_train(&job), results;
    const bool slow = strcmp(WEFT_BUILD_MODE, "asan") == 0; /* ten times as slow */
    unsigned kept = 0;
    for (uint64_t n = 1;; n += n < 12 ? 1 : slow ? n / 3 : n / 5) {
        Trap trap = {FAULT_ALLOC, n, false, false};
        const bool done = trapped(&trap, NULL, &results, &err);
        const bool hit = fault_disarm() >= n;
        if (!done) {
            assert_int_equal(err.status, STATUS_LIMIT);
        } else if (results.partial) {
            assert_int_equal(results.stopped.status, STATUS_LIMIT);
            assert_int_equal(results.count, 1);
            rounds_same_weights(results.round[0].network, whole.round[0].network);
            kept++;
        } else {
            rounds_same(&whole, &results);
        }
        if (done) progressive_results_done(&results);
        if (!hit) break;
    }
    assert_true(kept > 10);
    progressive_results_done(&whole);
    pool_set_threads(0);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(tells_the_part),     cmocka_unit_test(no_trials_are_one),
        cmocka_unit_test(wishes_are_for_all), cmocka_unit_test(bad_input),
        cmocka_unit_test(bad_folders),        cmocka_unit_test(failure_keeps_earlier_rounds),
        cmocka_unit_test(strange_trial),      cmocka_unit_test(no_memory_in_round_2),
    };
    return cmocka_run_group_tests(tests, runs_begin, runs_end);
}
