/* test_fit -- networks in training: gradients against finite differences of the training-mode loss, running statistics
 * against plain loops, runs that resume to the bit. */
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

static Dataset *images; /* 40 of the sample's */
static Network *small;

static int begin(void **state) {
    Error err;
    const ArchitectureRequest request = {
        .architecture = "resnet8", .widths = {4, 6, 8}, .in_channels = 1, .classes = 10};
    runs_begin(state);
    images = dataset_load("sample:fashion-test", 40, &err);
    small = network_create(&request, 9, "fit small", &err);
    return images && small ? 0 : -1;
}

static int end(void **state) {
    dataset_free(images);
    network_free(small);
    return runs_end(state);
}

static TrainJob fit_job(const char *folder) {
    TrainJob job = {.config = train_config(),
                    .name = "small",
                    .command = "fit small",
                    .source = small,
                    .images = images,
                    .data = runs_data,
                    .folder = folder};
    job.config.scheme = SCHEME_FIT;
    job.config.recon = 0;
    job.config.images = (Loss){.cross_entropy = 1, .label_smoothing = 0.1, .temperature = 1};
    job.config.image_batch = 16;
    job.config.augment = true;
    job.config.optimiser = optimiser_config(OPTIMISER_SGD);
    job.config.optimiser.weight_decay = 5e-4;
    job.config.schedule = SCHEDULE_ONE_CYCLE;
    job.config.rate = 0.1;
    job.config.steps = 9;
    job.config.evaluate_every = 4;
    job.config.save_every = 3;
    job.config.log_every = 1;
    job.config.seed = 2;
    return job;
}

/* ---- a step ------------------------------------------------------------------------------------------------------ */

/* The loss at other parameters is the learner's own: what is checked is that the gradient is its derivative. That the
 * loss itself is right, engine and oracle tests show. Running statistics do not enter it. */
static double loss_at(Learner *learner, float *scratch) {
    StepLoss loss;
    Error err;
    assert_true(learner->gradient(learner, 0, scratch, &loss, &err));
    return loss.loss;
}

static void check_gradient(const TrainJob *job) {
    Error err;
    Learner learner;
    if (!learner_new(&learner, &job->config, job, NULL, &err)) fail_msg("%s", err.text);
    const size_t count = learner.count;
    float *gradient = malloc(count * sizeof *gradient), *scratch = malloc(count * sizeof *scratch),
          *start = malloc(count * sizeof *start);
    memcpy(start, learner.parameters, count * sizeof *start);
    loss_at(&learner, gradient);
    /* tensor by tensor, along the gradient of each */
    for (size_t b = 0; b < learner.block_count; b++) {
        const ParameterBlock *block = &learner.blocks[b];
        const size_t size = block->rows * block->columns;
        const double norm = gradient_norm(gradient + block->offset, size), h = 2e-3;
        double values[2];
        assert_true(norm > 0);
        for (int side = 0; side < 2; side++) {
            memcpy(learner.parameters, start, count * sizeof *start);
            for (size_t i = block->offset; i < block->offset + size; i++)
                learner.parameters[i] += (float)((side ? -h : h) * (double)gradient[i] / norm);
            values[side] = loss_at(&learner, scratch);
        }
        const double measured = (values[0] - values[1]) / (2 * h);
        if (fabs(measured - norm) > 0.03 * norm + 2e-4) fail_msg("block %zu: %g, measured %g", b, norm, measured);
    }
    free(gradient);
    free(scratch);
    free(start);
    learner_done(&learner);
}

static void gradients(void **state) {
    (void)state;
    TrainJob job = fit_job(NULL);
    check_gradient(&job);
    job.teacher = runs_network;
    job.config.images.kd = 2;
    job.config.images.temperature = 4;
    check_gradient(&job);
}

/* The first batch norm stands behind the stem, a plain 3x3 convolution of the normalised pixels. */
static void running_statistics(void **state) {
    (void)state;
    Error err;
    TrainJob job = fit_job(NULL);
    Learner learner;
    StepLoss loss;
    Batch batch;
    assert_true(learner_new(&learner, &job.config, &job, NULL, &err));
    float *gradient = malloc(learner.count * sizeof *gradient);
    Batches *batches = images_open(&job.config, small, images, &err);
    double mean[4] = {0, 0, 0, 0}, variance[4] = {1, 1, 1, 1};
    const float *stem = small->tensors[small->layers[0].tensor].tensor->data;
    for (uint64_t step = 0; step < 2; step++) { /* the same weights twice: only the statistics follow */
        assert_true(batches_get(batches, step, &batch, &err));
        assert_true(learner.gradient(&learner, step, gradient, &loss, &err));
        for (int c = 0; c < 4; c++) {
            double sum = 0, squares = 0;
            const double count = (double)batch.images * 28 * 28;
            for (unsigned i = 0; i < batch.images; i++)
                for (int y = 0; y < 28; y++)
                    for (int x = 0; x < 28; x++) {
                        double value = 0;
                        for (int u = -1; u <= 1; u++)
                            for (int v = -1; v <= 1; v++) {
                                if (y + u < 0 || y + u > 27 || x + v < 0 || x + v > 27) continue;
                                const double pixel = (double)batch.pixels[i * 784 + (unsigned)((y + u) * 28 + x + v)];
                                value += (pixel - (double)small->normalisation.mean[0]) /
                                         (double)small->normalisation.std[0] *
                                         (double)stem[c * 9 + (u + 1) * 3 + v + 1];
                            }
                        sum += value;
                        squares += value * value;
                    }
            const double m = sum / count;
            mean[c] = 0.9 * mean[c] + 0.1 * m;
            variance[c] = 0.9 * variance[c] + 0.1 * (squares - count * m * m) / (count - 1);
        }
    }
    for (int c = 0; c < 4; c++) {
        const double got_mean = (double)learner.parameters[learner.count + (size_t)c];
        const double got_variance = (double)learner.parameters[learner.count + 4 + (size_t)c];
        if (fabs(got_mean - mean[c]) > 1e-5 || fabs(got_variance - variance[c]) > 1e-5 * variance[c] + 1e-6)
            fail_msg("channel %d: mean %g, %g; variance %g, %g", c, got_mean, mean[c], got_variance, variance[c]);
    }
    batches_free(batches);
    free(gradient);
    learner_done(&learner);
}

static void no_allocation(void **state) {
    (void)state;
    Error err;
    TrainJob job = fit_job(NULL);
    Learner learner;
    StepLoss loss;
    assert_true(learner_new(&learner, &job.config, &job, NULL, &err));
    float *gradient = malloc(learner.count * sizeof *gradient);
    assert_true(learner.gradient(&learner, 0, gradient, &loss, &err));
    fault_arm(FAULT_ALLOC, UINT64_MAX, false);
    for (uint64_t step = 1; step < 5; step++) assert_true(learner.gradient(&learner, step, gradient, &loss, &err));
    assert_int_equal(fault_disarm(), 0);
    free(gradient);
    learner_done(&learner);
}

/* ---- runs -------------------------------------------------------------------------------------------------------- */

static void same_networks(const Network *a, const Network *b) {
    assert_int_equal(a->tensor_count, b->tensor_count);
    for (size_t i = 0; i < a->tensor_count; i++)
        assert_memory_equal(a->tensors[i].tensor->data, b->tensors[i].tensor->data,
                            a->tensors[i].tensor->count * sizeof(float));
    assert_int_equal(a->lineage_count, b->lineage_count);
}

static void learns(void **state) {
    (void)state;
    Error err;
    TrainJob job = fit_job(runs_path("learns"));
    job.config.steps = 60;
    job.config.augment = false;
    job.data = images;
    TrainResults results = runs_run(&job);
    const TrainResult *r = &results.trial[0];
    assert_null(r->predictor);
    assert_true(r->accuracy > 60); /* of 40 images that it has seen twenty times; chance is 10 */
    Evaluation evaluation;
    assert_true(evaluate_run(r->network, images, NULL, &evaluation, NULL, &err));
    assert_true(100.0 * (double)evaluation.correct / (double)evaluation.images == r->accuracy);
    evaluation_done(&evaluation);
    /* the newest checkpoint is the network, and loads as one */
    char path[300];
    snprintf(path, sizeof path, "%s/last.safetensors", runs_path("learns"));
    const NetworkOptions own = {.own = true};
    Network *kept = network_load(path, &own, &err);
    assert_non_null(kept);
    same_networks(kept, r->network);
    network_free(kept);
    train_results_done(&results);
}

static void resumes_to_the_bit(void **state) {
    (void)state;
    TrainJob job = fit_job(NULL), part;
    job.teacher = runs_network;
    job.config.images.kd = 1;
    TrainResults whole = runs_run(&job);
    part = job;
    for (uint64_t at = 1; at < job.config.steps; at++) {
        runs_sweep();
        pool_set_threads((unsigned)(at % 3) + 1);
        part.folder = runs_path("part");
        part.watch = runs_stop_at;
        part.watch_context = &at;
        TrainResults first = runs_run(&part);
        assert_true(first.trial[0].partial);
        train_results_done(&first);
        TrainResults rest = runs_resume(runs_path("part"), NULL, NULL);
        same_networks(whole.trial[0].network, rest.trial[0].network);
        assert_true(whole.trial[0].accuracy == rest.trial[0].accuracy);
        assert_true(whole.trial[0].best_accuracy == rest.trial[0].best_accuracy);
        train_results_done(&rest);
    }
    pool_set_threads(0);
    train_results_done(&whole);
}

static void killed(void **state) {
    (void)state;
    runs_sweep();
    TrainJob job = fit_job(NULL);
    job.config.steps = 60;
    job.config.save_every = 2;
    TrainResults whole = runs_run(&job);
    TrainJob victim = job;
    victim.folder = runs_path("killed");
    victim.prepare = true;
    TrainResults none = runs_run(&victim);
    train_results_done(&none);
    Rng rng = {.seed = 17};
    for (int kills = 0; kills < 8; kills++) {
        const char *folder = runs_path("killed");
        const pid_t child = fork();
        assert_true(child >= 0);
        if (child == 0) {
            pool_set_threads(1);
            const TrainJob on = {.folder = folder};
            TrainResults results;
            Error err;
            _exit(train_resume(&on, &results, &err) ? 0 : 1);
        }
        usleep(20000 + (useconds_t)rng_below(&rng, 60000));
        kill(child, SIGKILL);
        int status;
        waitpid(child, &status, 0);
        assert_true(WIFSIGNALED(status) || WEXITSTATUS(status) == 0);
    }
    TrainResults rest = runs_resume(runs_path("killed"), NULL, NULL);
    same_networks(whole.trial[0].network, rest.trial[0].network);
    train_results_done(&rest);
    /* at its end it needs no images */
    runs_replace(runs_path("killed"), "config.json", "sample:fashion-test", "sample:gone");
    rest = runs_resume(runs_path("killed"), NULL, NULL);
    same_networks(whole.trial[0].network, rest.trial[0].network);
    train_results_done(&rest);
    train_results_done(&whole);
}

static void refused(const TrainJob *job, const char *words) {
    TrainResults results;
    Error err;
    if (train_run(job, &results, &err)) fail_msg("ran, though it should have said: %s", words);
    if (err.status != STATUS_USAGE || !strstr(err.text, words))
        fail_msg("%d: %s; expected: %s", err.status, err.text, words);
}

static void bad_input(void **state) {
    (void)state;
    Error err;
    TrainJob job = fit_job(NULL);
    Dataset *noise = dataset_load("noise:40:1x28x28", 0, &err);
    job.images = noise;
    refused(&job, "has no labels to learn");
    job = fit_job(NULL);
    job.config.images.kd = 1;
    refused(&job, "--teacher NET");
    job.config.images = (Loss){0};
    refused(&job, "field 'recon'");
    dataset_free(noise);
}

static void no_memory(void **state) {
    (void)state;
    TrainJob job = fit_job(NULL);
    job.config.steps = 2;
    bool done = false;
    for (uint64_t nth = 1; !done; nth += 1 + nth / 24) {
        TrainResults results;
        Error err;
        fault_arm(FAULT_ALLOC, nth, false);
        done = train_run(&job, &results, &err);
        const uint64_t seen = fault_disarm();
        if (done)
            train_results_done(&results);
        else
            assert_int_equal(err.status, STATUS_LIMIT);
        done = done && seen < nth;
    }
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(gradients), cmocka_unit_test(running_statistics), cmocka_unit_test(no_allocation),
        cmocka_unit_test(learns),    cmocka_unit_test(resumes_to_the_bit), cmocka_unit_test(killed),
        cmocka_unit_test(bad_input), cmocka_unit_test(no_memory),
    };
    return cmocka_run_group_tests(tests, begin, end);
}
