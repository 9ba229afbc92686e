/* test_distil -- predictors on losses on images: gradients against finite differences of a loss computed apart, the
 * cases that are known exactly, and runs that resume to the bit. */
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#include <cmocka.h>

#include "../support/runs.h"
#include "train/internal.h"

static Dataset *images; /* 40 of the sample's */
static Network *teacher;

static int begin(void **state) {
    Error err;
    const ArchitectureRequest request = {
        .architecture = "resnet8", .widths = {4, 6, 8}, .in_channels = 1, .classes = 10};
    runs_begin(state);
    images = dataset_load("sample:fashion-test", 40, &err);
    teacher = network_create(&request, 9, "fit", &err);
    return images && teacher ? 0 : -1;
}

static int end(void **state) {
    dataset_free(images);
    network_free(teacher);
    return runs_end(state);
}

/* A small run on images: batches of 16, so 3 steps are an epoch. */
static TrainJob image_job(const char *folder, SchemeKind scheme) {
    TrainJob job = runs_job(folder);
    job.config.scheme = scheme;
    job.config.recon = scheme == SCHEME_JOINT;
    job.config.images = (Loss){.kd = 1e-3, .fmd = scheme == SCHEME_JOINT ? 1e-3 : 0, .temperature = 1};
    job.config.image_batch = 16;
    job.config.steps = 9;
    job.config.evaluate_every = 4;
    job.config.save_every = 3;
    job.config.clip = 1;
    job.config.augment = true;
    job.images = images;
    return job;
}

/* ---- gradients --------------------------------------------------------------------------------------------------- */

/* L_KD of the reconstruction in double, by plain loops over the logits of forward passes; plus L_FMD as the engine's
 * terms have it (tests/net holds them against the oracle), plus L_recon. The batch is the first step's. */
static double loss_apart(const TrainJob *job, Predictor *p, const float *targets) {
    const Loss *losses = &job->config.images;
    Error err;
    Batch batch;
    float student_logits[160], teacher_logits[160];
    Network *made = predictor_reconstruct(p, NULL, "reconstruct", &err);
    const Network *from = job->teacher ? job->teacher : job->source;
    const EngineOptions maps = {.feature_maps = losses->fmd > 0};
    bool *marks = calloc(made->tensor_count, sizeof *marks);
    marks[made->layers[0].tensor] = true;
    const EngineOptions training = {.gradients = marks, .feature_maps = losses->fmd > 0};
    Batches *batches = images_open(&job->config, job->source, job->images, &err);
    assert_true(batches_get(batches, 0, &batch, &err));
    Engine *student = engine_new(made, 16, 28, 28, &training, &err), *other = engine_new(from, 16, 28, 28, &maps, &err);
    assert_true(student && other);
    assert_true(engine_forward(student, batch.pixels, batch.images, student_logits, &err));
    assert_true(engine_forward(other, batch.pixels, batch.images, teacher_logits, &err));
    double kd = 0;
    for (unsigned i = 0; i < batch.images; i++) {
        double sum[2] = {0, 0}, one = 0;
        const float *z[2] = {student_logits + 10 * i, teacher_logits + 10 * i};
        for (int w = 0; w < 2; w++)
            for (int c = 0; c < 10; c++) sum[w] += exp((double)z[w][c] / losses->temperature);
        for (int c = 0; c < 10; c++) {
            const double q = exp((double)z[0][c] / losses->temperature) / sum[0];
            const double t = exp((double)z[1][c] / losses->temperature) / sum[1];
            one += t * log(t / q);
        }
        kd += one * losses->temperature * losses->temperature;
    }
    double loss = losses->kd * kd / (double)batch.images;
    if (losses->fmd > 0) {
        LossTerms terms;
        const Loss only = {.fmd = 1};
        assert_true(
            engine_backward(student, batch.pixels, NULL, batch.images, other, NULL, &only, NULL, NULL, &terms, &err));
        loss += losses->fmd * terms.fmd;
    }
    double squares = 0;
    float *made_targets = predictor_targets(p, made, &err);
    for (size_t i = 0; i < p->kernel_count * p->outputs; i++)
        squares += pow((double)made_targets[i] - (double)targets[i], 2);
    loss += job->config.recon * sqrt(squares / (double)p->weight_count);
    mem_free(made_targets);
    engine_free(student);
    engine_free(other);
    batches_free(batches);
    network_free(made);
    free(marks);
    return loss;
}

/* Central differences along random directions in parameter space. The loss is that of float32 passes: a step small
 * against the curvature and large against rounding. */
static void check_gradient(const TrainJob *job, double tolerance) {
    Error err;
    Learner learner;
    StepLoss loss;
    if (!learner_new(&learner, &job->config, job, NULL, &err)) fail_msg("%s", err.text);
    float *gradient = calloc(learner.count, sizeof *gradient), *start = malloc(learner.count * sizeof *start);
    memcpy(start, learner.parameters, learner.count * sizeof *start);
    Predictor *p = predictor_new(job->source, NULL, &job->config.predictor, job->config.seed, "p", NULL, &err);
    assert_memory_equal(p->parameters, start, learner.count * sizeof *start);
    float *targets = predictor_targets(p, job->source, &err);
    assert_true(learner.gradient(&learner, 0, gradient, &loss, &err));
    const double apart = loss_apart(job, p, targets);
    if (fabs(loss.loss / apart - 1) > 2e-5) fail_msg("loss %.9g, apart %.9g", loss.loss, apart);
    Rng rng = {.seed = 3};
    for (int direction = 0; direction < 4; direction++) {
        double slope = 0, values[2];
        float *along = malloc(learner.count * sizeof *along);
        /* half random, half the gradient itself: a random direction alone is nearly orthogonal to it */
        const double norm = gradient_norm(gradient, learner.count);
        for (size_t i = 0; i < learner.count; i++)
            along[i] = (float)(rng_normal(&rng) / sqrt((double)learner.count) + (double)gradient[i] / norm);
        for (size_t i = 0; i < learner.count; i++) slope += loss.scale * (double)gradient[i] * (double)along[i];
        const double h = 2e-3;
        for (int side = 0; side < 2; side++) {
            for (size_t i = 0; i < learner.count; i++)
                p->parameters[i] = (float)((double)start[i] + (side ? -h : h) * (double)along[i]);
            values[side] = loss_apart(job, p, targets);
        }
        const double measured = (values[0] - values[1]) / (2 * h);
        if (fabs(measured - slope) > tolerance * fabs(slope)) fail_msg("slope %.9g, measured %.9g", slope, measured);
        free(along);
    }
    mem_free(targets);
    predictor_free(p);
    learner_done(&learner);
    free(gradient);
    free(start);
}

static void gradients(void **state) {
    (void)state;
    TrainJob job = image_job(NULL, SCHEME_JOINT);
    job.config.sampling = SAMPLING_ALL;
    job.config.images.kd = job.config.images.fmd = 0.5;
    check_gradient(&job, 0.02);
    job = image_job(NULL, SCHEME_DISTIL);
    job.config.sampling = SAMPLING_ALL;
    job.config.images.kd = 1;
    check_gradient(&job, 0.02);
    job.teacher = teacher;
    job.config.images.temperature = 4;
    check_gradient(&job, 0.02);
}

/* The gradient of a batch: the same deltas as of all kernels, but for those outside. So batches that together make all
 * kernels, each once, add up to it. */
static void batches_add_up(void **state) {
    (void)state;
    Error err;
    TrainJob job = image_job(NULL, SCHEME_DISTIL);
    job.config.sampling = SAMPLING_ALL;
    job.config.augment = false;
    Predictor *p = predictor_new(job.source, NULL, &job.config.predictor, 5, "p", NULL, &err);
    Mlp *mlp = mlp_new(p, &err);
    const size_t size = p->kernel_count * p->outputs;
    float *predictions = malloc(size * sizeof *predictions), *all = malloc(size * sizeof *all),
          *part = malloc(size * sizeof *part);
    uint32_t *kernels = malloc(p->kernel_count * sizeof *kernels);
    uint16_t *times = malloc(p->kernel_count * sizeof *times);
    mlp_set(mlp, p->parameters);
    mlp_predict(mlp, NULL, p->kernel_count, predictions);
    Distil *distil = distil_new(&job.config, p, &job, &err);
    StepLoss loss;
    assert_true(distil_step(distil, 0, predictions, NULL, NULL, p->kernel_count, all, &loss, &err));
    double largest = 0; /* sums in float32, in another order: close against the largest */
    for (size_t i = 0; i < size; i++) largest = fmax(largest, fabs((double)all[i]));
    for (size_t offset = 0; offset < 3; offset++) {
        size_t count = 0;
        for (size_t k = offset; k < p->kernel_count; k += 3) {
            times[count] = (uint16_t)(1 + offset);
            kernels[count++] = (uint32_t)k;
        }
        assert_true(distil_step(distil, 0, predictions, kernels, times, count, part, &loss, &err));
        for (size_t i = 0; i < count; i++)
            for (size_t j = 0; j < p->outputs; j++) {
                const double wanted = (double)all[kernels[i] * p->outputs + j] * (double)(1 + offset);
                const double got = (double)part[i * p->outputs + j];
                if (fabs(got - wanted) > 1e-4 * fabs(wanted) + 1e-5 * largest) fail_msg("%g, %g", got, wanted);
            }
    }
    distil_free(distil);
    mlp_free(mlp);
    predictor_free(p);
    free(predictions);
    free(all);
    free(part);
    free(kernels);
    free(times);
}

/* ---- cases that are known ---------------------------------------------------------------------------------------- */

/* Joint training whose weights are 0 is exact training on L_recon, and needs no images. */
static void joint_of_nothing_is_recon(void **state) {
    (void)state;
    TrainJob exact = runs_job(NULL), joint = runs_job(NULL);
    exact.config.refresh = joint.config.refresh = 1;
    joint.config.scheme = SCHEME_JOINT;
    TrainResults a = runs_run(&exact), b = runs_run(&joint);
    runs_same_parameters(&a, &b);
    runs_same_log(a.trial[0].predictor->log, b.trial[0].predictor->log);
    train_results_done(&a);
    train_results_done(&b);
    /* and a warm-up as long as the run leaves the images alone */
    joint = image_job(NULL, SCHEME_JOINT);
    exact = image_job(NULL, SCHEME_RECON);
    joint.config.warm_up = joint.config.steps;
    exact.config.recon = 1;
    exact.config.images = (Loss){0};
    exact.images = NULL;
    a = runs_run(&exact);
    b = runs_run(&joint);
    runs_same_parameters(&a, &b);
    train_results_done(&a);
    train_results_done(&b);
}

/* A network that is what the predictor predicts, and its own teacher: the logits are the same numbers, so the loss is 0
 * (rounding of the logarithms apart) and every entry q - p of its gradient is exactly 0. */
static void no_loss_from_an_exact_reconstruction(void **state) {
    (void)state;
    Error err;
    TrainJob job = image_job(NULL, SCHEME_DISTIL);
    Predictor *p = predictor_new(runs_network, NULL, &job.config.predictor, 5, "p", NULL, &err);
    Network *exact = predictor_reconstruct(p, NULL, "reconstruct", &err);
    assert_non_null(exact);
    job.source = exact;
    job.from = p;
    Learner learner;
    StepLoss loss;
    assert_true(learner_new(&learner, &job.config, &job, NULL, &err));
    float *gradient = malloc(learner.count * sizeof *gradient);
    assert_true(learner.gradient(&learner, 0, gradient, &loss, &err));
    assert_true(fabs(loss.kd) < 1e-14);
    assert_true(loss.recon == 0);
    for (size_t i = 0; i < learner.count; i++) assert_true(gradient[i] == 0);
    free(gradient);
    learner_done(&learner);
    network_free(exact);
    predictor_free(p);
}

static void noise_needs_no_labels(void **state) {
    (void)state;
    Error err;
    Dataset *noise = dataset_load("noise:40:1x28x28", 0, &err);
    TrainJob job = image_job(NULL, SCHEME_DISTIL);
    job.images = noise;
    job.data = NULL;
    TrainResults results = runs_run(&job);
    assert_true(isnan(results.trial[0].accuracy));
    assert_int_equal(results.trial[0].step, 9);
    train_results_done(&results);
    dataset_free(noise);
}

/* ---- runs -------------------------------------------------------------------------------------------------------- */

static void resumes(const TrainJob *job, const char *name) {
    TrainJob whole_job = *job, part = *job;
    whole_job.folder = NULL;
    TrainResults whole = runs_run(&whole_job);
    for (uint64_t at = 1; at < job->config.steps; at += 2) {
        runs_sweep();
        pool_set_threads((unsigned)(at % 3) + 1);
        part.folder = runs_path(name);
        part.watch = runs_stop_at;
        part.watch_context = &at;
        TrainResults first = runs_run(&part);
        assert_true(first.trial[0].partial);
        train_results_done(&first);
        TrainResults rest = runs_resume(runs_path(name), NULL, NULL);
        runs_same_parameters(&whole, &rest);
        runs_same_log(whole.trial[0].predictor->log, rest.trial[0].predictor->log);
        train_results_done(&rest);
    }
    pool_set_threads(0);
    train_results_done(&whole);
}

/* Augmented, so that the teacher runs every time; and as they are, so that its logits are kept: a run that goes on
 * begins without any. */
static void resumes_to_the_bit(void **state) {
    (void)state;
    TrainJob job = image_job(NULL, SCHEME_JOINT);
    job.config.warm_up = 3;
    resumes(&job, "joint");
    job = image_job(NULL, SCHEME_DISTIL);
    job.teacher = teacher;
    job.config.augment = false;
    resumes(&job, "distil");
}

static void what_it_needs_must_be_the_same(void **state) {
    (void)state;
    runs_sweep();
    uint64_t at = 4;
    TrainJob job = image_job(runs_path("a"), SCHEME_DISTIL);
    job.teacher = teacher;
    job.watch = runs_stop_at;
    job.watch_context = &at;
    TrainResults first = runs_run(&job);
    train_results_done(&first);
    runs_copy(runs_path("a"), runs_path("b"));
    runs_replace(runs_path("b"), "config.json", "\"images\": 40", "\"images\": 39");
    runs_refused(runs_path("b"), STATUS_BAD_INPUT, "field 'images' differs");
    runs_copy(runs_path("a"), runs_path("c"));
    runs_flip(runs_path("c"), "teacher.safetensors", -3);
    runs_refused(runs_path("c"), STATUS_BAD_INPUT, "teacher.safetensors is not the teacher");
    runs_copy(runs_path("a"), runs_path("d"));
    char path[300];
    snprintf(path, sizeof path, "%s/teacher.safetensors", runs_path("d"));
    assert_int_equal(unlink(path), 0);
    runs_refused(runs_path("d"), STATUS_BAD_INPUT, "teacher.safetensors");
    /* at its end it needs no images */
    TrainResults rest = runs_resume(runs_path("a"), NULL, NULL);
    train_results_done(&rest);
    runs_replace(runs_path("a"), "config.json", "sample:fashion-test", "sample:gone");
    rest = runs_resume(runs_path("a"), NULL, NULL);
    assert_int_equal(rest.trial[0].step, 9);
    train_results_done(&rest);
}

static void refused(const TrainJob *job, Status status, const char *words) {
    TrainResults results;
    Error err;
    if (train_run(job, &results, &err)) fail_msg("ran, though it should have said: %s", words);
    if (err.status != status || !strstr(err.text, words)) fail_msg("%d: %s; expected: %s", err.status, err.text, words);
}

static void bad_input(void **state) {
    (void)state;
    Error err;
    TrainJob job = image_job(NULL, SCHEME_DISTIL);
    ArchitectureRequest request = {.architecture = "resnet8", .widths = {4, 4, 4}, .in_channels = 1, .classes = 7};
    Network *seven = network_create(&request, 1, "fit", &err);
    request.classes = 10;
    request.in_channels = 3;
    Network *colours = network_create(&request, 1, "fit", &err);
    Dataset *wide = dataset_load("noise:10:3x28x28", 0, &err);
    job.teacher = seven;
    refused(&job, STATUS_USAGE, "the teacher tells 7 classes apart, the network 10");
    job.teacher = colours;
    refused(&job, STATUS_USAGE, "the teacher takes 3 input channels, the network 1");
    job.teacher = teacher;
    job.config.images.fmd = 1;
    refused(&job, STATUS_USAGE, "the network's own architecture");
    job = image_job(NULL, SCHEME_DISTIL);
    job.images = wide;
    refused(&job, STATUS_USAGE, "the network takes 1 input channel, noise:10:3x28x28 has 3");
    job.images = NULL;
    refused(&job, STATUS_USAGE, "need images");
    job = image_job(NULL, SCHEME_DISTIL);
    job.config.images.kd = 0;
    refused(&job, STATUS_USAGE, "field 'recon'"); /* no loss at all */
    network_free(seven);
    network_free(colours);
    dataset_free(wide);
}

/* Every allocation in turn fails: one clear error, nothing leaks, nothing breaks. */
static void no_memory(void **state) {
    (void)state;
    TrainJob job = image_job(NULL, SCHEME_JOINT);
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
        cmocka_unit_test(gradients),
        cmocka_unit_test(batches_add_up),
        cmocka_unit_test(joint_of_nothing_is_recon),
        cmocka_unit_test(no_loss_from_an_exact_reconstruction),
        cmocka_unit_test(noise_needs_no_labels),
        cmocka_unit_test(resumes_to_the_bit),
        cmocka_unit_test(what_it_needs_must_be_the_same),
        cmocka_unit_test(bad_input),
        cmocka_unit_test(no_memory),
    };
    return cmocka_run_group_tests(tests, begin, end);
}
