/* rounds -- small progressive runs, for tests. */
#include "rounds.h"
#include "weft/base/error.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>
#include <cmocka.h>

ProgressiveJob rounds_job(const char *folder) {
    ProgressiveJob job = {.train = runs_job(folder), .rounds = 3, .patience = 3};
    job.train.config.steps = 12;
    job.train.trials = 2;
    return job;
}

ProgressiveResults rounds_train(const ProgressiveJob *job) {
    ProgressiveResults results;
    Error err;
    if (!progressive_run(job, &results, &err)) fail_msg("%s", err.text);
    return results;
}

ProgressiveResults rounds_resume(const char *folder) {
    const ProgressiveJob job = {.train = {.folder = folder}};
    ProgressiveResults results;
    Error err;
    if (!progressive_resume(&job, &results, &err)) fail_msg("%s", err.text);
    return results;
}

void rounds_same_weights(const Network *a, const Network *b) {
    for (size_t i = 0; i < a->tensor_count; i++)
        assert_memory_equal(a->tensors[i].tensor->data, b->tensors[i].tensor->data,
                            a->tensors[i].tensor->count * sizeof(float));
}

void rounds_same(const ProgressiveResults *a, const ProgressiveResults *b) {
    assert_int_equal(a->count, b->count);
    assert_int_equal(a->best, b->best);
    for (size_t r = 0; r < a->count; r++) {
        const ProgressiveRound *x = &a->round[r], *y = &b->round[r];
        rounds_same_weights(x->network, y->network);
        assert_memory_equal(x->predictor->parameters, y->predictor->parameters,
                            x->predictor->parameter_count * sizeof(float));
        assert_true(x->accuracy == y->accuracy && x->accuracy_mean == y->accuracy_mean);
        assert_true(x->recon == y->recon && x->sratio_change == y->sratio_change && x->distance == y->distance);
        assert_int_equal(x->best, y->best);
        assert_int_equal(x->won, y->won);
    }
    rounds_same_weights(a->network, b->network);
}

TrainWish rounds_stop_after(void *context, const TrainStatus *status) {
    RoundsStop *stop = context;
    (void)status;
    return ++stop->calls >= stop->at ? TRAIN_STOP : TRAIN_GO_ON;
}
