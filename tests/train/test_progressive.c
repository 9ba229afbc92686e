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

#include "../support/rounds.h"
#include "train/internal.h"
#include "weft/base/error.h"
#include "weft/base/file.h"
#include "weft/base/memory.h"
#include "weft/base/pool.h"
#include "weft/base/random.h"
#include "weft/base/record.h"
#include "weft/base/task.h"
#include "weft/base/tensor.h"
#include "weft/probe.h"
#include "weft/spectral.h"

static Dataset *others; /* the 60 images after runs_data, under labels of their own */

static int begin(void **state) {
    Error err;
    runs_begin(state);
    if (!(others = dataset_load("sample:fashion-test", 120, &err))) return -1;
    others->count = 60;
    memmove(others->pixels, others->pixels + 60 * 28 * 28, 60 * 28 * 28);
    for (unsigned i = 0; i < 60; i++) others->labels[i] = (uint16_t)((others->labels[60 + i] + 5) % 10);
    return 0;
}

static int end(void **state) {
    dataset_free(others);
    return runs_end(state);
}

static double accuracy_of(const Network *network, const Dataset *data) {
    Evaluation evaluation;
    Error err;
    assert_true(evaluate_run(network, data, NULL, &evaluation, NULL, &err));
    const double accuracy = 100.0 * (double)evaluation.correct / (double)evaluation.images;
    evaluation_done(&evaluation);
    return accuracy;
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
    ProgressiveResults results = rounds_train(&job);
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
        rounds_same_weights(round->network, made[best]);
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
    ProgressiveResults one = rounds_train(&job);
    for (unsigned threads = 2; threads < 5; threads++) {
        pool_set_threads(threads);
        runs_sweep();
        job.train.folder = threads % 2 ? runs_path("threads") : NULL;
        ProgressiveResults more = rounds_train(&job);
        rounds_same(&one, &more);
        progressive_results_done(&more);
    }
    pool_set_threads(0);
    progressive_results_done(&one);
}

/* ---- stopping ---------------------------------------------------------------------------------------------------- */

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
    RoundsStop stop = {.at = at};
    ProgressiveJob part = rounds_job(runs_path("part"));
    ProgressiveResults results;
    Error err;
    part.train.watch = rounds_stop_after;
    part.train.watch_context = &stop;
    pool_set_threads(threads);
    results = rounds_train(&part);
    assert_true(results.partial && results.count < 3 && results.round_now == results.count + 1);
    assert_int_equal(results.stopped.status, STATUS_OK);
    progressive_results_done(&results);
    stop = (RoundsStop){.at = 4};
    const ProgressiveJob more = {
        .train = {.folder = part.train.folder, .watch = rounds_stop_after, .watch_context = &stop}};
    assert_true(progressive_resume(&more, &results, &err));
    progressive_results_done(&results);
    results = rounds_resume(part.train.folder);
    if (results.partial) fail_msg("stopped at %u: %s", at, results.stopped.text);
    rounds_same(whole, &results);
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
    ProgressiveResults whole = rounds_train(&whole_job);
    const unsigned sparse = strcmp(WEFT_BUILD_MODE, "asan") == 0 ? 2 : 1;                   /* ten times as slow */
    for (unsigned at = 2; at < 3 * 2 * 12; at += 11 * sparse) stopped_twice(&whole, at, 1); /* 24: end of round 1 */
    for (unsigned at = 1; at < 3 * 12; at += 7 * sparse) stopped_twice(&whole, at, 2);
    pool_set_threads(0);
    progressive_results_done(&whole);
}

static void killed(void **state) {
    (void)state;
    runs_sweep();
    ProgressiveJob job = rounds_job(NULL);
    job.train.config.steps = 60;
    job.train.folder = runs_path("whole");
    const double began = clock_seconds();
    ProgressiveResults whole = rounds_train(&job);
    const uint64_t took = (uint64_t)(1e6 * (clock_seconds() - began)); /* a slow machine begins a run later */
    Rng rng = {.seed = 3};
    unsigned ended = 0;
    for (int kills = 0; kills < 12 || !record_here(runs_path("killed")); kills++) {
        const char *folder = runs_path("killed");
        const pid_t child = fork();
        assert_true(child >= 0);
        if (child == 0) {
            ProgressiveResults results;
            Error err;
            pool_set_threads(1);
            job.train.folder = folder;
            const ProgressiveJob on = {.train = {.folder = folder}};
            const bool begun = record_here(folder);
            _exit(begun ? !progressive_resume(&on, &results, &err) : !progressive_run(&job, &results, &err));
        }
        usleep((useconds_t)(took / 40 + rng_below(&rng, took / 4 + 1)));
        kill(child, SIGKILL);
        int status;
        waitpid(child, &status, 0);
        ended += WIFSIGNALED(status);
        assert_true(WIFSIGNALED(status) || WEXITSTATUS(status) == 0);
    }
    assert_true(ended >= 2);
    ProgressiveResults rest = rounds_resume(runs_path("killed"));
    rounds_same(&whole, &rest);
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
        ProgressiveResults results = rounds_train(&job);
        assert_int_equal(results.count, patience);
        assert_int_equal(results.best, results.count);
        assert_false(results.round[0].won);
        assert_true(results.accuracy == accuracy_of(runs_network, runs_data));
        rounds_same_weights(results.network, runs_network);
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
    ProgressiveResults results = rounds_train(&job);
    assert_true(results.accuracy < 5);
    assert_true(results.round[0].won && results.round[0].accuracy > results.accuracy);
    assert_true(results.best < results.count);
    rounds_same_weights(results.network, results.round[results.best].network);
    for (size_t r = 1; r < results.count; r++)
        assert_int_equal(results.round[r].won, results.round[r].selected > results.round[r - 1].selected);
    progressive_results_done(&results);
    network_free(wrong);
}

/* The round's comparison is that of its network with the first one, on the data that are reported. */
static void check_comparison(const ProgressiveRound *round) {
    Error err;
    Evaluation made, first;
    assert_true(evaluate_run(round->network, runs_data, NULL, &made, NULL, &err));
    assert_true(evaluate_run(runs_network, runs_data, NULL, &first, NULL, &err));
    const Comparison expected = comparison_of(&made, &first);
    assert_memory_equal(&round->comparison.pairs, &expected.pairs, sizeof expected.pairs);
    assert_int_equal(expected.pairs.both + expected.pairs.only_a, made.correct);
    assert_true(expected.pairs.only_b > 0);
    evaluation_done(&made);
    evaluation_done(&first);
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
    ProgressiveResults results = rounds_train(&job);
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
    check_comparison(round);
    assert_int_equal(round->won, selected[best] > accuracy_of(runs_network, others));
    assert_true(results.accuracy == accuracy_of(runs_network, runs_data));
    progressive_results_done(&results);
    return reported[best] < reported[first];
}

static void selects_on_other_images(void **state) {
    (void)state;
    bool differ = false;
    for (uint64_t seed = 22; seed < 130 && !differ; seed += 3) differ = selects(seed);
    assert_true(differ);
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
    };
    return cmocka_run_group_tests(tests, begin, end);
}
