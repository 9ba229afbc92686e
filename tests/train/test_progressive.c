/* test_progressive -- rounds against single runs chosen by hand, the same bits whatever the threads and however often
 * it was stopped, patience, selection on other images. */
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

#include "../support/runs.h"
#include "train/internal.h"
#include "weft/probe.h"
#include "weft/spectral.h"

static Dataset *others; /* images that are not runs_data */

static int begin(void **state) {
    Error err;
    runs_begin(state);
    others = dataset_load("sample:fashion-test", 100, &err);
    return others ? 0 : -1;
}

static int end(void **state) {
    dataset_free(others);
    return runs_end(state);
}

static ProgressiveJob rounds_job(const char *folder) {
    ProgressiveJob job = {.train = runs_job(folder), .rounds = 3, .patience = 3};
    job.train.config.steps = 12;
    job.train.trials = 2;
    return job;
}

static ProgressiveResults rounds(const ProgressiveJob *job) {
    ProgressiveResults results;
    Error err;
    if (!progressive_run(job, &results, &err)) fail_msg("%s", err.text);
    return results;
}

static ProgressiveResults again(const char *folder) {
    const ProgressiveJob job = {.train = {.folder = folder}};
    ProgressiveResults results;
    Error err;
    if (!progressive_resume(&job, &results, &err)) fail_msg("%s", err.text);
    return results;
}

static double accuracy_of(const Network *network, const Dataset *data) {
    Evaluation evaluation;
    Error err;
    assert_true(evaluate_run(network, data, NULL, &evaluation, NULL, &err));
    const double accuracy = 100.0 * (double)evaluation.correct / (double)evaluation.images;
    evaluation_done(&evaluation);
    return accuracy;
}

static void same_weights(const Network *a, const Network *b) {
    for (size_t i = 0; i < a->tensor_count; i++)
        assert_memory_equal(a->tensors[i].tensor->data, b->tensors[i].tensor->data,
                            a->tensors[i].tensor->count * sizeof(float));
}

static void same_rounds(const ProgressiveResults *a, const ProgressiveResults *b) {
    assert_int_equal(a->count, b->count);
    assert_int_equal(a->best, b->best);
    for (size_t r = 0; r < a->count; r++) {
        const ProgressiveRound *x = &a->round[r], *y = &b->round[r];
        same_weights(x->network, y->network);
        assert_memory_equal(x->predictor->parameters, y->predictor->parameters,
                            x->predictor->parameter_count * sizeof(float));
        assert_true(x->accuracy == y->accuracy && x->accuracy_mean == y->accuracy_mean);
        assert_true(x->recon == y->recon && x->sratio_change == y->sratio_change && x->distance == y->distance);
        assert_int_equal(x->best, y->best);
        assert_int_equal(x->won, y->won);
    }
    same_weights(a->network, b->network);
}

/* ---- what a round is --------------------------------------------------------------------------------------------- */

/* S_ratio change over the last half and distances, by plain loops over the predicted layers. */
static void check_figures(const ProgressiveRound *round) {
    Error err;
    double ratios[64], sum = 0, absolute = 0, squares = 0, weights = 0;
    size_t layers = 0;
    for (size_t i = 0; i < runs_network->layer_count; i++) {
        double before, after, energy;
        size_t rows, columns;
        if (!runs_network->layers[i].predicted) continue;
        const Tensor *a = layer_weight(runs_network, &runs_network->layers[i]);
        const Tensor *b = layer_weight(round->network, &round->network->layers[i]);
        layer_matrix(runs_network, &runs_network->layers[i], &rows, &columns);
        assert_true(spectral_sratio(a->data, rows, columns, &before, &energy, &err));
        assert_true(spectral_sratio(b->data, rows, columns, &after, &energy, &err));
        ratios[layers++] = after - before;
        for (uint64_t w = 0; w < a->count; w++) {
            absolute += fabs((double)a->data[w] - (double)b->data[w]);
            squares += pow((double)a->data[w] - (double)b->data[w], 2);
        }
        weights += (double)a->count;
    }
    for (size_t i = layers / 2; i < layers; i++) sum += ratios[i];
    assert_true(fabs(round->sratio_change - 2 * sum / (double)layers) < 1e-6);
    assert_true(fabs(round->distance / (absolute / weights) - 1) < 1e-6);
    assert_true(fabs(round->recon_original / sqrt(squares / weights) - 1) < 1e-6);
}

static void by_hand(void **state) {
    (void)state;
    Error err;
    const ProgressiveJob job = rounds_job(NULL);
    ProgressiveResults results = rounds(&job);
    const Network *target = runs_network;
    Network *made[2];
    Predictor *predictors[2];
    assert_int_equal(results.count, 3);
    for (unsigned r = 0; r < 3; r++) {
        const ProgressiveRound *round = &results.round[r];
        double accuracy[2], recon[2];
        for (unsigned t = 0; t < 2; t++) {
            TrainJob one = job.train;
            one.trials = 1;
            one.source = target;
            one.config.seed = job.train.config.seed + 2 * r + t;
            TrainResults trial = runs_run(&one);
            made[t] = predictor_reconstruct(trial.trial[0].predictor, NULL, "reconstruct", &err);
            accuracy[t] = accuracy_of(made[t], runs_data);
            recon[t] = trial.trial[0].recon;
            predictors[t] = trial.trial[0].predictor;
            trial.trial[0].predictor = NULL;
            assert_true(accuracy[t] == round->accuracies[t]);
            train_results_done(&trial);
        }
        const unsigned best = accuracy[1] > accuracy[0] || (accuracy[1] >= accuracy[0] && recon[1] < recon[0]);
        assert_int_equal(round->best, best);
        assert_true(round->recon == recon[best] && round->accuracy == accuracy[best]);
        assert_true(fabs(round->accuracy_mean - (accuracy[0] + accuracy[1]) / 2) < 1e-12);
        assert_true(fabs(round->accuracy_std - fabs(accuracy[0] - accuracy[1]) / sqrt(2)) < 1e-9);
        same_weights(round->network, made[best]);
        assert_memory_equal(round->predictor->parameters, predictors[best]->parameters,
                            round->predictor->parameter_count * sizeof(float));
        check_figures(round);
        predictor_free(predictors[0]);
        predictor_free(predictors[1]);
        network_free(made[!best]);
        if (r > 0) network_free((Network *)(uintptr_t)target);
        target = made[best];
    }
    network_free((Network *)(uintptr_t)target);
    progressive_results_done(&results);
}

static void any_threads(void **state) {
    (void)state;
    ProgressiveJob job = rounds_job(NULL);
    job.train.trials = 3;
    pool_set_threads(1);
    ProgressiveResults one = rounds(&job);
    for (unsigned threads = 2; threads < 5; threads++) {
        pool_set_threads(threads);
        runs_sweep();
        job.train.folder = threads % 2 ? runs_path("threads") : NULL;
        ProgressiveResults more = rounds(&job);
        same_rounds(&one, &more);
        progressive_results_done(&more);
    }
    pool_set_threads(0);
    progressive_results_done(&one);
}

/* ---- stopping ---------------------------------------------------------------------------------------------------- */

typedef struct Stop {
    unsigned calls, at;
} Stop;

static TrainWish stop_after(void *context, const TrainStatus *status) {
    Stop *stop = context;
    (void)status;
    return ++stop->calls >= stop->at ? TRAIN_STOP : TRAIN_GO_ON;
}

/* What rounds leave in their folders. */
static void same_files(const char *a, const char *b, unsigned count) {
    static const char *const names[] = {"network.safetensors", "predictor.safetensors"};
    for (unsigned r = 1; r <= count; r++)
        for (unsigned i = 0; i < 2; i++) {
            char path[2][300];
            char *bytes[2];
            size_t length[2];
            Error err;
            for (unsigned k = 0; k < 2; k++) {
                snprintf(path[k], sizeof path[k], "%s/round-%u/%s", k ? b : a, r, names[i]);
                if (!(bytes[k] = file_read_all(path[k], 1 << 26, &length[k], &err))) fail_msg("%s", err.text);
            }
            assert_int_equal(length[0], length[1]);
            assert_memory_equal(bytes[0], bytes[1], length[0]);
            mem_free(bytes[0]);
            mem_free(bytes[1]);
        }
}

/* Stopped at a call of the watch, and once more soon after; then on to the end. */
static void stopped_twice(const ProgressiveResults *whole, unsigned at, unsigned threads) {
    Stop stop = {.at = at};
    ProgressiveJob part = rounds_job(runs_path("part"));
    ProgressiveResults results;
    Error err;
    part.train.watch = stop_after;
    part.train.watch_context = &stop;
    pool_set_threads(threads);
    results = rounds(&part);
    assert_true(results.partial && results.count < 3 && results.round_now == results.count + 1);
    assert_int_equal(results.stopped.status, STATUS_OK);
    progressive_results_done(&results);
    stop = (Stop){.at = 4};
    const ProgressiveJob more = {.train = {.folder = part.train.folder, .watch = stop_after, .watch_context = &stop}};
    assert_true(progressive_resume(&more, &results, &err));
    progressive_results_done(&results);
    results = again(part.train.folder);
    if (results.partial) fail_msg("stopped at %u: %s", at, results.stopped.text);
    same_rounds(whole, &results);
    same_files(runs_path("whole"), part.train.folder, 3);
    progressive_results_done(&results);
    char command[300];
    snprintf(command, sizeof command, "rm -rf %s", part.train.folder);
    assert_int_equal(system(command), 0);
}

static void goes_on(void **state) {
    (void)state;
    runs_sweep();
    const ProgressiveJob whole_job = rounds_job(runs_path("whole"));
    ProgressiveResults whole = rounds(&whole_job);
    for (unsigned at = 1; at < 3 * 2 * 12; at += at % 12 < 2 ? 1 : 5) stopped_twice(&whole, at, 1); /* 12, 24: ends */
    for (unsigned at = 1; at < 3 * 12; at += 3) stopped_twice(&whole, at, 2);
    pool_set_threads(0);
    progressive_results_done(&whole);
}

static void killed(void **state) {
    (void)state;
    runs_sweep();
    ProgressiveJob job = rounds_job(NULL);
    job.train.config.steps = 60;
    job.train.folder = runs_path("whole");
    ProgressiveResults whole = rounds(&job);
    Rng rng = {.seed = 3};
    unsigned ended = 0;
    for (int kills = 0; kills < 12; kills++) {
        const char *folder = runs_path("killed");
        const pid_t child = fork();
        assert_true(child >= 0);
        if (child == 0) {
            ProgressiveResults results;
            Error err;
            pool_set_threads(1);
            job.train.folder = folder;
            const ProgressiveJob on = {.train = {.folder = folder}};
            const bool begun = stored_here(folder);
            _exit(begun ? !progressive_resume(&on, &results, &err) : !progressive_run(&job, &results, &err));
        }
        usleep(30000 + (useconds_t)rng_below(&rng, 200000));
        kill(child, SIGKILL);
        int status;
        waitpid(child, &status, 0);
        ended += WIFSIGNALED(status);
        assert_true(WIFSIGNALED(status) || WEXITSTATUS(status) == 0);
    }
    assert_true(ended >= 2);
    ProgressiveResults rest = again(runs_path("killed"));
    same_rounds(&whole, &rest);
    same_files(runs_path("whole"), runs_path("killed"), 3);
    progressive_results_done(&rest);
    progressive_results_done(&whole);
}

/* ---- winning ----------------------------------------------------------------------------------------------------- */

/* A few steps give a reconstruction that knows nothing: no round wins, and patience ends it. */
static void patience(void **state) {
    (void)state;
    for (unsigned patience = 1; patience <= 2; patience++) {
        ProgressiveJob job = rounds_job(NULL);
        job.patience = patience;
        job.rounds = 3;
        ProgressiveResults results = rounds(&job);
        assert_int_equal(results.count, patience);
        assert_int_equal(results.best, results.count);
        assert_false(results.round[0].won);
        assert_true(results.accuracy == accuracy_of(runs_network, runs_data));
        same_weights(results.network, runs_network);
        progressive_results_done(&results);
    }
}

/* A source that is always wrong (its classes are turned by one) is beaten by what knows nothing. */
static void wins(void **state) {
    (void)state;
    Error err;
    Network *wrong = network_derive(runs_network, "turned", "turned", &err);
    for (size_t i = 0; i < wrong->tensor_count; i++) {
        const Tensor *old = wrong->tensors[i].tensor;
        if (strncmp(wrong->tensors[i].name, "linear.", 7) != 0) continue;
        Tensor *turned = tensor_new(old->rank, old->dim, &err);
        const size_t row = (size_t)(old->count / old->dim[0]);
        for (size_t c = 0; c < old->dim[0]; c++)
            memcpy(turned->data + c * row, old->data + (c + 1) % (size_t)old->dim[0] * row, row * sizeof(float));
        network_replace(wrong, i, turned);
    }
    ProgressiveJob job = rounds_job(NULL);
    job.train.source = wrong;
    job.patience = 1;
    ProgressiveResults results = rounds(&job);
    assert_true(results.accuracy < 5);
    assert_true(results.round[0].won && results.round[0].accuracy > results.accuracy);
    assert_true(results.best < results.count);
    same_weights(results.network, results.round[results.best].network);
    for (size_t r = 1; r < results.count; r++)
        assert_int_equal(results.round[r].won, results.round[r].selected > results.round[r - 1].selected);
    progressive_results_done(&results);
    network_free(wrong);
}

/* The trial that is best on the others is chosen, whatever it is on the data. True where those differ. */
static bool selects(uint64_t seed) {
    ProgressiveJob job = rounds_job(NULL);
    Error err;
    job.rounds = 1;
    job.select = others;
    job.train.trials = 3;
    job.train.config.steps = 150;
    job.train.config.seed = seed;
    ProgressiveResults results = rounds(&job);
    const ProgressiveRound *round = &results.round[0];
    double selected[3], reported[3];
    unsigned best = 0, first = 0;
    for (unsigned t = 0; t < 3; t++) {
        TrainJob one = job.train;
        one.trials = 1;
        one.data = NULL;
        one.config.seed += t;
        TrainResults trial = runs_run(&one);
        Network *made = predictor_reconstruct(trial.trial[0].predictor, NULL, "reconstruct", &err);
        selected[t] = accuracy_of(made, others);
        reported[t] = accuracy_of(made, runs_data);
        assert_true(round->accuracies[t] == reported[t]);
        if (selected[t] > selected[best]) best = t;
        if (reported[t] > reported[first]) first = t;
        network_free(made);
        train_results_done(&trial);
    }
    assert_true(round->selected == selected[best] && selected[round->best] == selected[best]);
    assert_true(round->accuracy == reported[round->best]);
    assert_int_equal(round->won, selected[best] > accuracy_of(runs_network, others));
    assert_true(results.accuracy == accuracy_of(runs_network, runs_data));
    progressive_results_done(&results);
    return reported[best] < reported[first];
}

static void selects_on_other_images(void **state) {
    (void)state;
    unsigned differ = 0;
    for (uint64_t seed = 10; seed < 40 && differ < 2; seed += 3) differ += selects(seed);
    assert_int_equal(differ, 2);
}

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
    ProgressiveResults results = rounds(&job);
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
    ProgressiveResults none = rounds(&job);
    job.train.trials = 1;
    ProgressiveResults one = rounds(&job);
    same_rounds(&one, &none);
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
    pixels.height = 14;
    ProgressiveJob job = rounds_job(runs_path("none"));
    job.train.data = NULL;
    refused(&job, STATUS_USAGE, "--on DATA");
    job.train.data = &classes;
    refused(&job, STATUS_BAD_INPUT, "7 classes");
    job.train.data = &pixels;
    refused(&job, STATUS_BAD_INPUT, "14");
    job = rounds_job(runs_path("none"));
    job.select = &classes;
    refused(&job, STATUS_BAD_INPUT, "7 classes");
    job = rounds_job(runs_path("none"));
    job.train.config.images.kd = 1;
    refused(&job, STATUS_USAGE, "L_recon alone");
    assert_int_not_equal(access(runs_path("none"), F_OK), 0);
}

/* A folder with one round in it, and one with a plain run. */
static void bad_folders(void **state) {
    (void)state;
    static const char *const damages[][3] = {
        {"\"rounds\": 1", "\"rounds\": \"x\"", "field 'rounds'"},
        {"\"rounds\": 1", "\"rounds\": 0", "no progressive run"},
        {"\"trials\": 2", "\"trials\": -2", "config.json"},
        {"\"images\": 60", "\"images\": 59", "field 'data' differs"},
        {"\"hidden\": 20", "\"hidden\": 21", "field 'hidden'"},
        {"\"weft\"", "weft", "config.json"},
    };
    char before[64], after[64];
    runs_sweep();
    ProgressiveJob job = rounds_job(runs_path("held"));
    job.rounds = 1;
    ProgressiveResults results = rounds(&job);
    progressive_results_done(&results);
    folder_hash(runs_path("held"), before);
    refused(&job, STATUS_FAILED, "holds a run already");
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
    resume_refused(runs_path("damaged"), "source");
    TrainJob plain = runs_job(runs_path("plain"));
    TrainResults trained = runs_run(&plain);
    train_results_done(&trained);
    resume_refused(runs_path("plain"), "no progressive run");
    assert_int_equal(mkdir(runs_path("empty"), 0700), 0);
    resume_refused(runs_path("empty"), "no run");
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
    ProgressiveResults whole = rounds(&job), results;
    pool_set_threads(1);
    Trap trap = {FAULT_WRITE, 1, true, false};
    assert_true(trapped(&trap, runs_path("failing"), &results, &err));
    fault_disarm();
    assert_int_equal(results.count, 1);
    assert_true(results.partial && results.round_now == 2);
    assert_int_equal(results.stopped.status, STATUS_WRITE);
    same_weights(results.round[0].network, whole.round[0].network);
    same_weights(results.network, runs_network); /* round 1 did not win */
    progressive_results_done(&results);
    results = again(runs_path("failing"));
    same_rounds(&whole, &results);
    progressive_results_done(&results);
    progressive_results_done(&whole);
    pool_set_threads(0);
}

/* A trial that is of another job is not taken for one of this. */
static void strange_trial(void **state) {
    (void)state;
    runs_sweep();
    ProgressiveJob job = rounds_job(runs_path("failing"));
    Stop stop = {.at = 12 * 2 + 12};
    pool_set_threads(1);
    job.train.watch = stop_after;
    job.train.watch_context = &stop;
    ProgressiveResults results = rounds(&job);
    progressive_results_done(&results);
    runs_replace(runs_path("failing/round-2/trial-1"), "config.json", "\"lookahead\": 6", "\"lookahead\": 5");
    results = again(runs_path("failing"));
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
    ProgressiveResults whole = rounds(&job), results;
    unsigned kept = 0;
    for (uint64_t n = 1;; n += n < 100 ? 1 : 17) {
        Trap trap = {FAULT_ALLOC, n, false, false};
        const bool done = trapped(&trap, NULL, &results, &err);
        const bool hit = fault_disarm() >= n;
        if (!done) {
            assert_int_equal(err.status, STATUS_LIMIT);
        } else if (results.partial) {
            assert_int_equal(results.stopped.status, STATUS_LIMIT);
            assert_int_equal(results.count, 1);
            same_weights(results.round[0].network, whole.round[0].network);
            kept++;
        } else {
            same_rounds(&whole, &results);
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
        cmocka_unit_test(by_hand),
        cmocka_unit_test(any_threads),
        cmocka_unit_test(goes_on),
        cmocka_unit_test(killed),
        cmocka_unit_test(patience),
        cmocka_unit_test(wins),
        cmocka_unit_test(selects_on_other_images),
        cmocka_unit_test(tells_the_part),
        cmocka_unit_test(no_trials_are_one),
        cmocka_unit_test(wishes_are_for_all),
        cmocka_unit_test(bad_input),
        cmocka_unit_test(bad_folders),
        cmocka_unit_test(failure_keeps_earlier_rounds),
        cmocka_unit_test(strange_trial),
        cmocka_unit_test(no_memory_in_round_2),
    };
    return cmocka_run_group_tests(tests, begin, end);
}
