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

static void selects_on_other_images(void **state) {
    (void)state;
    ProgressiveJob job = rounds_job(NULL);
    job.rounds = 1;
    job.select = others;
    job.train.trials = 3;
    ProgressiveResults results = rounds(&job);
    const ProgressiveRound *round = &results.round[0];
    assert_true(round->selected == accuracy_of(round->network, others));
    assert_true(round->accuracy == accuracy_of(round->network, runs_data));
    for (unsigned t = 0; t < 3; t++) { /* the trial that is best on the others, whatever it is on the data */
        TrainJob one = job.train;
        one.trials = 1;
        one.data = others;
        one.config.seed += t;
        TrainResults trial = runs_run(&one);
        assert_true(trial.trial[0].accuracy <= round->selected);
        train_results_done(&trial);
    }
    progressive_results_done(&results);
}

/* ---- bad input --------------------------------------------------------------------------------------------------- */

static void refused(const ProgressiveJob *job, Status status, const char *words) {
    ProgressiveResults results;
    Error err;
    if (progressive_run(job, &results, &err)) fail_msg("ran, though it should have said: %s", words);
    if (err.status != status || !strstr(err.text, words)) fail_msg("%d: %s; expected: %s", err.status, err.text, words);
}

static void bad_input(void **state) {
    (void)state;
    Error err;
    ProgressiveResults results;
    runs_sweep();
    ProgressiveJob job = rounds_job(NULL);
    job.train.data = NULL;
    refused(&job, STATUS_USAGE, "--on DATA");
    job = rounds_job(NULL);
    job.train.config.images.kd = 1;
    refused(&job, STATUS_USAGE, "L_recon alone");
    job = rounds_job(runs_path("held"));
    job.rounds = 1;
    results = rounds(&job);
    progressive_results_done(&results);
    refused(&job, STATUS_FAILED, "holds a run already");
    runs_refused(runs_path("held"), STATUS_USAGE, "a progressive run");
    TrainJob plain = runs_job(runs_path("plain"));
    TrainResults trained = runs_run(&plain);
    train_results_done(&trained);
    const ProgressiveJob on = {.train = {.folder = runs_path("plain")}};
    assert_false(progressive_resume(&on, &results, &err));
    assert_non_null(strstr(err.text, "no progressive run"));
    runs_replace(runs_path("held"), "config.json", "\"images\": 60", "\"images\": 59");
    const ProgressiveJob changed = {.train = {.folder = runs_path("held")}};
    assert_false(progressive_resume(&changed, &results, &err));
    assert_non_null(strstr(err.text, "field 'data' differs"));
}

/* What goes wrong in a later round leaves the rounds before it. */
static void failure_keeps_earlier_rounds(void **state) {
    (void)state;
    runs_sweep();
    ProgressiveJob job = rounds_job(runs_path("failing"));
    Stop stop = {.at = 12 * 2 + 12};
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
        cmocka_unit_test(bad_input),
        cmocka_unit_test(failure_keeps_earlier_rounds),
    };
    return cmocka_run_group_tests(tests, begin, end);
}
