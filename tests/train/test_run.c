/* test_run -- runs: they learn, and resuming is bit-exact from anywhere, whatever the threads, after kill -9, over
 * trials, for predictors that go on. */
#include "weft/train.h"

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

#include "../support/bytes.h"
#include "../support/handmade.h"
#include "../support/runs.h"
#include "weft/base/error.h"
#include "weft/base/fault.h"
#include "weft/base/pool.h"
#include "weft/base/table.h"
#include "weft/base/task.h"
#include "weft/base/tensor.h"

/* ---- resuming ---------------------------------------------------------------------------------------------------- */

static void trains(void **state) {
    (void)state;
    TrainJob job = runs_job(NULL);
    job.config.steps = 300;
    job.config.evaluate_every = 100;
    TrainResults results = runs_run(&job);
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
    for (size_t i = 0; i < runs_network->layer_count; i++) {
        const Tensor *a = layer_weight(runs_network, &runs_network->layers[i]),
                     *b = layer_weight(made, &made->layers[i]);
        for (uint64_t w = 0; runs_network->layers[i].predicted && w < a->count; w++)
            squares += pow((double)a->data[w] - (double)b->data[w], 2);
    }
    assert_true(fabs(sqrt(squares / (double)r->predictor->weight_count) / r->recon - 1) < 1e-6);
    network_free(made);
    train_results_done(&results);
}

static TrainJob job_of(OptimiserKind kind, const char *folder) {
    TrainJob job = runs_job(folder);
    job.config.optimiser = optimiser_config(kind);
    return job;
}

static void resumes(OptimiserKind kind) {
    runs_sweep();
    TrainJob job = job_of(kind, runs_path("whole"));
    TrainResults whole = runs_run(&job);
    for (uint64_t at = 1; at < 24; at += 1 + at % 3) {
        char name[32];
        snprintf(name, sizeof name, "stop-%llu", (unsigned long long)at);
        TrainJob part = job_of(kind, runs_path(name));
        part.watch = runs_stop_at;
        part.watch_context = &at;
        pool_set_threads(1 + (unsigned)at % 3);
        TrainResults first = runs_run(&part);
        assert_true(first.trial[0].partial);
        assert_int_equal(first.trial[0].step, at);
        train_results_done(&first);
        pool_set_threads(1 + (unsigned)(at + 1) % 3);
        TrainResults rest = runs_resume(runs_path(name), NULL, NULL);
        runs_same_parameters(&whole, &rest);
        runs_same_log(whole.trial[0].predictor->log, rest.trial[0].predictor->log);
        train_results_done(&rest);
    }
    pool_set_threads(0);
    TrainResults again = runs_resume(runs_path("whole"), NULL, NULL); /* a finished run gives its result */
    runs_same_parameters(&whole, &again);
    train_results_done(&again);
    TrainJob without = job_of(kind, NULL); /* and so does one without a folder */
    TrainResults plain = runs_run(&without);
    runs_same_parameters(&whole, &plain);
    train_results_done(&plain);
    train_results_done(&whole);
}

static void resumes_to_the_bit(void **state) {
    (void)state;
    resumes(OPTIMISER_RANGER);
    resumes(OPTIMISER_MUON);
    resumes(OPTIMISER_SOAP);
}

/* The process is killed at random moments; what is left goes on. Each child trains on; the last one ends by itself. */
static void survives_kills(void **state) {
    (void)state;
    runs_sweep();
    TrainJob job = job_of(OPTIMISER_SOAP, runs_path("whole")); /* the one with the largest state */
    job.config.steps = 400;
    job.config.evaluate_every = 90;
    job.config.save_every = 20;
    TrainResults whole = runs_run(&job);
    TrainJob victim = job;
    victim.folder = runs_path("killed");
    victim.prepare = true;
    TrainResults none = runs_run(&victim);
    train_results_done(&none);
    const char *folder = runs_path("killed");
    const unsigned killed = runs_kill(folder, 12, 10, 17);
    assert_true(killed >= 4);
    TrainResults rest = runs_resume(folder, NULL, NULL);
    runs_same_parameters(&whole, &rest);
    runs_same_log(whole.trial[0].predictor->log, rest.trial[0].predictor->log);
    train_results_done(&rest);
    train_results_done(&whole);
}

static void trials(void **state) {
    (void)state;
    runs_sweep();
    pool_set_threads(1); /* one after the other */
    TrainJob job = runs_job(runs_path("three"));
    job.trials = 3;
    uint64_t at = 11;
    TrainResults whole = runs_run(&job);
    assert_int_equal(whole.count, 3);
    assert_int_equal(whole.trial[2].seed, 7);
    for (size_t i = 0; i < 3; i++) assert_true(whole.trial[whole.best].accuracy >= whole.trial[i].accuracy);
    TrainJob part = runs_job(runs_path("stopped"));
    part.trials = 3;
    part.watch = runs_stop_at;
    part.watch_context = &at;
    TrainResults first = runs_run(&part);
    assert_int_equal(first.count, 1);
    assert_true(first.trial[0].partial);
    train_results_done(&first);
    TrainResults rest = runs_resume(runs_path("stopped"), NULL, NULL);
    assert_int_equal(rest.count, 3);
    assert_int_equal(rest.best, whole.best);
    for (size_t i = 0; i < 3; i++)
        assert_memory_equal(rest.trial[i].predictor->parameters, whole.trial[i].predictor->parameters,
                            whole.trial[i].predictor->parameter_count * sizeof(float));
    train_results_done(&rest);
    train_results_done(&whole);
    pool_set_threads(0);
}

/* What went well of several trials stays, whatever ends the next one. */
static TrainWish cancel_at_end(void *context, const TrainStatus *status) {
    (void)context;
    if (status->step == status->steps) cancel_request();
    return TRAIN_GO_ON;
}

static void trials_cut_short(void **state) {
    (void)state;
    runs_sweep();
    pool_set_threads(1);
    TrainJob job = runs_job(runs_path("cut"));
    job.trials = 3;
    job.watch = cancel_at_end;
    TrainResults results = runs_run(&job);
    cancel_clear();
    assert_int_equal(results.count, 1);
    assert_false(results.trial[0].partial);
    assert_int_equal(results.stopped.status, STATUS_CANCELLED);
    train_results_done(&results);
    TrainResults rest = runs_resume(runs_path("cut"), NULL, NULL);
    assert_int_equal(rest.count, 3);
    train_results_done(&rest);
    runs_replace(runs_path("cut"), "config.json", "\"lookahead\": 6", "\"lookahead\": 5");
    runs_refused(runs_path("cut"), STATUS_BAD_INPUT, "field 'lookahead'");
    pool_set_threads(0);
}

/* Whatever can not be written: there is no folder, or one that can be resumed. */
static void trials_can_be_resumed_from_the_first(void **state) {
    (void)state;
    enum { STRIDE = 5 };
    unsigned missing = 0, resumed = 0;
    runs_sweep();
    pool_set_threads(1);
    for (uint64_t nth = 1; resumed < 2; nth += STRIDE) {
        Error err;
        TrainResults results;
        TrainJob job = runs_job(text_of("%s-%llu", runs_path("early"), (unsigned long long)nth));
        job.trials = 2;
        fault_arm(FAULT_WRITE, nth, true);
        const bool done = train_run(&job, &results, &err);
        fault_disarm();
        if (done) train_results_done(&results);
        if (access(job.folder, F_OK) != 0) {
            assert_false(done);
            missing++;
            continue;
        }
        results = runs_resume(job.folder, NULL, NULL);
        assert_int_equal(results.count, 2);
        train_results_done(&results);
        resumed++;
    }
    assert_true(missing > 1);
    pool_set_threads(0);
}

/* ---- predictors that go on --------------------------------------------------------------------------------------- */

static void goes_on_from_a_predictor(void **state) {
    (void)state;
    runs_sweep();
    Error err;
    uint64_t at = 10;
    TrainJob part = runs_job(NULL);
    part.watch = runs_stop_at;
    part.watch_context = &at;
    TrainResults first = runs_run(&part);
    Network *other = network_copy(runs_network, &err);
    const Layer *layer = &other->layers[1];
    Tensor *changed = tensor_new(layer_weight(other, layer)->rank, layer_weight(other, layer)->dim, &err);
    network_replace(other, layer->tensor, changed);
    TrainJob job = runs_job(runs_path("from"));
    job.from = first.trial[0].predictor;
    job.source = other;
    TrainResults whole = runs_run(&job);
    for (size_t i = 0; i < whole.trial[0].predictor->note_count; i++)
        assert_string_not_equal(whole.trial[0].predictor->notes[i].key, "partial");
    TrainResults again = runs_resume(runs_path("from"), NULL, NULL);
    runs_same_parameters(&whole, &again);
    train_results_done(&again);
    train_results_done(&whole);
    train_results_done(&first);
    network_free(other);
}

/* Kernels as large as they come, beside small ones. */
static void large_kernels(void **state) {
    (void)state;
    static const HandmadeLayer layers[] = {{"a", 4, {4, 3, 11, 11}}, {"b", 4, {5, 4, 3, 3}}};
    Network *wide = handmade_network(layers, 2, 3);
    TrainJob job = runs_job(NULL);
    job.source = wide;
    job.data = NULL;
    strcpy(job.config.layers, "all");
    TrainResults results = runs_run(&job);
    assert_true(isfinite(results.trial[0].recon));
    train_results_done(&results);
    network_free(wide);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(trains),
        cmocka_unit_test(resumes_to_the_bit),
        cmocka_unit_test(survives_kills),
        cmocka_unit_test(trials),
        cmocka_unit_test(trials_cut_short),
        cmocka_unit_test(trials_can_be_resumed_from_the_first),
        cmocka_unit_test(goes_on_from_a_predictor),
        cmocka_unit_test(large_kernels),
    };
    return cmocka_run_group_tests(tests, runs_begin, runs_end);
}
