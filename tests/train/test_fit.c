/* test_fit -- networks in training: gradients against finite differences of plain loops in double, running statistics
 * against their definition, runs that learn, are stopped and killed and go on.
 */
#include "train/internal.h"

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

#include "weft/base/error.h"
#include "weft/base/fault.h"
#include "weft/base/memory.h"
#include "weft/base/pool.h"
#include "weft/base/random.h"
#include "weft/base/run.h"
#include "weft/base/table.h"
#include "weft/probe.h"
#include "../support/runs.h"
#include "../support/witness.h"

static Error test_error;
static Network *first_network; /* ResNet8 of widths 4, 4, 4, as training begins with it */

static Network *new_network(const char *architecture, unsigned classes, uint64_t seed) {
    ArchitectureRequest request = {
        .architecture = architecture, .widths = {4, 4, 4}, .width_count = 3, .in_channels = 1, .classes = classes};
    assert_true(normalisation_parse("none", 1, &request.normalisation, &test_error));
    Network *network = network_create(&request, seed, "fit n", &test_error);
    if (!network) fail_msg("%s", test_error.text);
    return network;
}

static TrainJob fit_job(const char *folder) {
    TrainJob job = runs_job(folder);
    job.config.scheme = SCHEME_FIT;
    train_defaults(&job.config, runs_data, 0);
    job.config.optimiser = optimiser_config(OPTIMISER_SGD);
    job.config.optimiser.weight_decay = 5e-4;
    job.config.schedule = SCHEDULE_ONE_CYCLE;
    job.config.rate = 0.1;
    job.config.rate_last = 1e-5;
    job.config.images.label_smoothing = 0.05;
    job.config.image_batch = 16; /* the fourth batch has 12 images */
    job.config.augment = true;
    job.name = "n";
    job.command = "fit n";
    job.source = first_network;
    job.images = runs_data;
    return job;
}

static Learner learner_of(const TrainJob *job) {
    Learner learner;
    if (!learner_new(&learner, &job->config, job, NULL, &test_error)) fail_msg("%s", test_error.text);
    return learner;
}

static Batches *batches_of(const TrainJob *job, uint64_t step, Batch *batch) {
    Batches *batches = images_open(&job->config, job->source, job->images, &test_error);
    assert_true(batches && batches_get(batches, step, batch, &test_error));
    return batches;
}

/* ---- the gradient ------------------------------------------------------------------------------------------------ */

/* Where a tensor is among the learner's parameters: learnable ones in order. */
static size_t offset_of(const Network *network, size_t tensor) {
    size_t offset = 0;
    for (size_t i = 0; i < tensor; i++)
        if (network_trainable(network, i)) offset += (size_t)network->tensors[i].tensor->count;
    return offset;
}

static Witness *run_witness(const Network *network, const Batch *batch, bool training) {
    const size_t pixels = (size_t)runs_data->channels * runs_data->height * runs_data->width;
    Witness *witness = witness_new(network, runs_data->height, runs_data->width, batch->images, training);
    for (size_t i = 0; i < batch->images * pixels; i++) witness->pixels[i] = (double)batch->pixels[i];
    witness_run(witness);
    return witness;
}

/* Along a random direction of each tensor. */
static void check_gradient(const char *name, const TrainJob *job, uint64_t step) {
    const double h = 2e-7;
    Batch batch;
    StepLoss loss;
    Rng rng = {.seed = 21};
    const Network *network = job->source;
    Learner learner = learner_of(job);
    Batches *batches = batches_of(job, step, &batch);
    Witness *student = run_witness(network, &batch, true),
            *teacher = job->teacher ? run_witness(job->teacher, &batch, false) : NULL;
    float *gradient = mem_alloc(learner.count, sizeof *gradient, &test_error);
    assert_non_null(gradient);
    assert_int_equal(learner.count, network_parameters(network));
    if (!learner.gradient(&learner, step, gradient, &loss, &test_error)) fail_msg("%s", test_error.text);
    const double wanted = witness_loss(student, &job->config.images, batch.labels, teacher);
    if (!(fabs(loss.loss / wanted - 1) < 2e-5)) fail_msg("%s: the loss is %.9g, not %.9g", name, loss.loss, wanted);
    assert_int_equal(loss.items, batch.images);
    double largest = gradient_norm(gradient, learner.count);
    for (size_t t = 0; t < network->tensor_count; t++) {
        if (!network_trainable(network, t)) continue;
        const size_t count = (size_t)network->tensors[t].tensor->count;
        const float *part = gradient + offset_of(network, t);
        double product = 0, change = 0;
        const Rng start = rng;
        for (int side = 1; side >= -1; side -= 2) {
            rng = start;
            product = 0;
            for (size_t i = 0; i < count; i++) {
                const double along = rng_normal(&rng);
                product += along * (double)part[i];
                student->tensors[t][i] = (double)network->tensors[t].tensor->data[i] + side * h * along;
            }
            witness_run(student);
            change += side * witness_loss(student, &job->config.images, batch.labels, teacher);
        }
        for (size_t i = 0; i < count; i++) student->tensors[t][i] = (double)network->tensors[t].tensor->data[i];
        change /= 2 * h;
        if (!(fabs(change - product) < 1e-3 * gradient_norm(part, count) + 4e-6 * largest))
            fail_msg("%s: %s changes the loss by %.8g, the gradient says %.8g (norm %.3g)", name,
                     network->tensors[t].name, change, product, gradient_norm(part, count));
    }
    mem_free(gradient);
    batches_free(batches);
    witness_free(student);
    if (teacher) witness_free(teacher);
    learner_done(&learner);
}

static void gradients(void **state) {
    (void)state;
    TrainJob job = fit_job(NULL);
    Network *teacher = new_network("resnet14", 10, 8);
    job.config.image_batch = 6;
    check_gradient("smoothed cross-entropy", &job, 2);
    job.teacher = teacher;
    job.config.images.kd = 2;
    job.config.images.temperature = 4;
    check_gradient("and KD", &job, 5);
    job.config.images.cross_entropy = 0;
    job.config.images.kd_form = KD_STABLE;
    check_gradient("stable KD alone", &job, 1);
    network_free(teacher);
}

/* ---- running statistics ------------------------------------------------------------------------------------------ */

/* Of the first batch norm, after two batches: the convolution by plain loops, PyTorch's rule. */
static void running_statistics(void **state) {
    (void)state;
    enum { H = 28, CHANNELS = 4 };
    TrainJob job = fit_job(NULL);
    job.config.image_batch = 48; /* the second batch has 12 images */
    double mean[CHANNELS] = {0}, variance[CHANNELS] = {1, 1, 1, 1};
    Learner learner = learner_of(&job);
    const Network *network = job.source;
    const Op *conv = &network->graph->ops[1], *norm = &network->graph->ops[2];
    float *gradient = mem_alloc(learner.count, sizeof *gradient, &test_error);
    assert_true(gradient && conv->kind == OP_CONV && norm->kind == OP_BATCH_NORM);
    const float *weight = network->tensors[conv->weight].tensor->data;
    for (uint64_t step = 0; step < 2; step++) {
        Batch batch;
        StepLoss loss;
        Batches *batches = batches_of(&job, step, &batch);
        assert_int_equal(batch.images, step == 0 ? 48 : 12);
        for (int c = 0; c < CHANNELS; c++) {
            double sum = 0, squares = 0;
            const double values = (double)batch.images * H * H;
            for (unsigned i = 0; i < batch.images; i++)
                for (int y = 0; y < H; y++)
                    for (int x = 0; x < H; x++) {
                        double value = 0;
                        for (int ky = 0; ky < 3; ky++)
                            for (int kx = 0; kx < 3; kx++) {
                                const int from_y = y + ky - 1, from_x = x + kx - 1;
                                if (from_y < 0 || from_y >= H || from_x < 0 || from_x >= H) continue;
                                value += (double)weight[c * 9 + ky * 3 + kx] *
                                         (double)batch.pixels[(i * H + (unsigned)from_y) * H + (unsigned)from_x];
                            }
                        sum += value;
                        squares += value * value;
                    }
            mean[c] = 0.9 * mean[c] + 0.1 * sum / values;
            variance[c] = 0.9 * variance[c] + 0.1 * (squares - sum * sum / values) / (values - 1);
        }
        batches_free(batches);
        assert_true(learner.gradient(&learner, step, gradient, &loss, &test_error));
    }
    size_t at = learner.count;
    int found = 0;
    for (size_t t = 0; t < network->tensor_count; t++) { /* the running ones in their order, after the learnable ones */
        const bool is_mean = (int)t == norm->mean, is_variance = (int)t == norm->variance;
        for (int c = 0; (is_mean || is_variance) && c < CHANNELS; c++, found++) {
            const double wanted = is_mean ? mean[c] : variance[c], got = (double)learner.parameters[at + (size_t)c];
            if (!(fabs(got - wanted) < 1e-5 * (1 + fabs(wanted))))
                fail_msg("%s[%d] is %.8g, not %.8g", network->tensors[t].name, c, got, wanted);
        }
        if (strstr(network->tensors[t].name, "running_")) at += (size_t)network->tensors[t].tensor->count;
    }
    assert_int_equal(found, 2 * CHANNELS);
    assert_int_equal(at, learner.kept);
    mem_free(gradient);
    learner_done(&learner);
}

/* ---- learning ---------------------------------------------------------------------------------------------------- */

static double log_mean(const Table *log, const char *name, size_t first, size_t count) {
    double sum = 0;
    for (size_t r = first; r < first + count; r++) sum += table_number(log, name, r);
    return sum / (double)count;
}

static void learns(void **state) {
    (void)state;
    runs_sweep();
    TrainJob job = fit_job(runs_path("learns"));
    Evaluation evaluation;
    job.config.steps = 200;
    job.config.log_every = 1;
    job.config.evaluate_every = 0;
    job.config.augment = false;
    TrainResults results = runs_run(&job);
    const TrainResult *r = &results.trial[0];
    assert_null(r->predictor);
    assert_true(r->network && isnan(r->recon) && !r->partial);
    Table *log = run_log_table(runs_path("learns"), &test_error);
    assert_non_null(log);
    assert_int_equal(log->rows, 200);
    assert_true(log_mean(log, "loss", 190, 10) < 0.6 * log_mean(log, "loss", 0, 10));
    assert_true(isnan(table_number(log, "recon", 0)) && isnan(table_number(log, "kd", 0)));
    table_free(log);
    /* it has been measured as anybody would measure it, with its running statistics */
    assert_true(evaluate_run(r->network, runs_data, NULL, &evaluation, NULL, &test_error));
    assert_true(fabs(r->accuracy - 100.0 * (double)evaluation.correct / (double)evaluation.images) < 1e-9);
    assert_true(r->accuracy > 50); /* of the 60 images it was trained on */
    evaluation_done(&evaluation);
    /* the one it began with is as it was */
    Network *again = new_network("resnet8", 10, 4);
    for (size_t i = 0; i < again->tensor_count; i++)
        assert_memory_equal(again->tensors[i].tensor->data, first_network->tensors[i].tensor->data,
                            again->tensors[i].tensor->count * sizeof(float));
    assert_string_equal(r->network->lineage[0].value, "fit n");
    network_free(again);
    train_results_done(&results);
}

/* ---- resuming ---------------------------------------------------------------------------------------------------- */

static void same_networks(const TrainResults *a, const TrainResults *b) {
    const Network *x = a->trial[0].network, *y = b->trial[0].network;
    assert_int_equal(x->tensor_count, y->tensor_count);
    for (size_t i = 0; i < x->tensor_count; i++)
        assert_memory_equal(x->tensors[i].tensor->data, y->tensors[i].tensor->data,
                            x->tensors[i].tensor->count * sizeof(float));
    assert_int_equal(x->lineage_count, y->lineage_count);
    for (size_t i = 0; i < x->lineage_count; i++) {
        assert_string_equal(x->lineage[i].key, y->lineage[i].key);
        assert_string_equal(x->lineage[i].value, y->lineage[i].value);
    }
    assert_true(a->trial[0].accuracy == b->trial[0].accuracy || isnan(a->trial[0].accuracy));
    assert_true(a->trial[0].best_accuracy == b->trial[0].best_accuracy || isnan(a->trial[0].best_accuracy));
}

static void same_file(const char *a, const char *b, const char *name) {
    char command[700];
    snprintf(command, sizeof command, "cmp -s %s/%s %s/%s", a, name, b, name);
    if (system(command) != 0) fail_msg("%s/%s and %s/%s differ", a, name, b, name);
}

/* best.safetensors says nothing of clocks: it is the same to the byte. */
static void check_resumes(TrainJob job) {
    const char *whole_folder = runs_path("whole");
    runs_sweep();
    job.folder = whole_folder;
    TrainResults whole = runs_run(&job);
    Table *log = run_log_table(whole_folder, &test_error);
    for (uint64_t at = 1; at < 24; at += 4) {
        char name[32];
        TrainJob part = job;
        snprintf(name, sizeof name, "part-%d", (int)at);
        part.folder = runs_path(name);
        part.watch = runs_stop_at;
        part.watch_context = &at;
        pool_set_threads(1 + (unsigned)at % 3);
        TrainResults first = runs_run(&part);
        assert_true(first.trial[0].partial && first.trial[0].network->note_count > 0);
        train_results_done(&first);
        pool_set_threads(1 + (unsigned)(at / 4 + 1) % 3);
        TrainResults rest = runs_resume(part.folder, NULL, NULL);
        same_networks(&whole, &rest);
        Table *own = run_log_table(part.folder, &test_error);
        runs_same_log(log, own);
        same_file(whole_folder, part.folder, "best.safetensors");
        same_file(whole_folder, part.folder, "source.safetensors");
        table_free(own);
        train_results_done(&rest);
    }
    pool_set_threads(0);
    table_free(log);
    train_results_done(&whole);
}

static void resumes_to_the_bit(void **state) {
    (void)state;
    TrainJob job = fit_job(NULL);
    check_resumes(job);
    Network *teacher = new_network("resnet14", 10, 8);
    job.teacher = teacher;
    job.config.images.kd = 2;
    check_resumes(job);
    job.teacher = NULL;
    job.config.images.kd = 0;
    for (int kind = OPTIMISER_MUON; kind <= OPTIMISER_SOAP; kind++) { /* convolutions as matrices */
        TrainJob other = job;
        other.config.optimiser = optimiser_config((OptimiserKind)kind);
        other.config.optimiser.matrices = MATRICES_NOT_LAST;
        other.config.rate = optimiser_rate((OptimiserKind)kind);
        check_resumes(other);
    }
    job.data = NULL; /* nothing to measure: there is no best */
    job.folder = runs_path("unmeasured");
    TrainResults results = runs_run(&job);
    assert_true(isnan(results.trial[0].accuracy));
    assert_int_equal(access(runs_path("unmeasured/best.safetensors"), F_OK), -1);
    train_results_done(&results);
    network_free(teacher);
}

/* The best of several networks is the most accurate. */
static void trials(void **state) {
    (void)state;
    bool later = false;
    for (uint64_t seed = 0; seed < 4; seed++) {
        TrainJob job = fit_job(NULL);
        job.trials = 4;
        job.config.seed = 4 * seed;
        TrainResults results = runs_run(&job);
        assert_int_equal(results.count, 4);
        for (size_t i = 0; i < 4; i++) assert_true(results.trial[results.best].accuracy >= results.trial[i].accuracy);
        later |= results.best > 0;
        train_results_done(&results);
    }
    assert_true(later);
}

static void finished_without_images(void **state) {
    (void)state;
    runs_sweep();
    TrainJob job = fit_job(runs_path("done"));
    TrainResults whole = runs_run(&job);
    runs_replace(runs_path("done"), "config.json", "sample:fashion-test", "sample:fashion-none");
    TrainResults again = runs_resume(runs_path("done"), NULL, NULL);
    same_networks(&whole, &again);
    train_results_done(&again);
    train_results_done(&whole);
}

static void survives_kills(void **state) {
    (void)state;
    runs_sweep();
    TrainJob job = fit_job(runs_path("whole"));
    job.config.steps = 150;
    job.config.evaluate_every = 40;
    TrainResults whole = runs_run(&job);
    TrainJob victim = job;
    const char *folder = victim.folder = runs_path("killed");
    victim.prepare = true;
    TrainResults none = runs_run(&victim);
    train_results_done(&none);
    const unsigned killed = runs_kill(folder, 6, 8, 18);
    assert_true(killed >= 3);
    TrainResults rest = runs_resume(folder, NULL, NULL);
    same_networks(&whole, &rest);
    same_file(runs_path("whole"), folder, "best.safetensors");
    train_results_done(&rest);
    train_results_done(&whole);
}

/* ---- memory, bad input ------------------------------------------------------------------------------------------- */

static void allocates_nothing(void **state) {
    (void)state;
    TrainJob job = fit_job(NULL);
    StepLoss loss;
    Learner learner = learner_of(&job);
    float *gradient = mem_alloc(learner.count, sizeof *gradient, &test_error);
    assert_true(gradient && learner.gradient(&learner, 0, gradient, &loss, &test_error));
    for (uint64_t step = 1; step < 9; step++) {
        fault_arm(FAULT_ALLOC, 1, true);
        assert_true(learner.gradient(&learner, step, gradient, &loss, &test_error));
        assert_int_equal(fault_disarm(), 0);
    }
    mem_free(gradient);
    learner_done(&learner);
}

static void no_memory(void **state) {
    (void)state;
    TrainJob job = fit_job(NULL);
    job.data = NULL;
    job.config.steps = 2;
    runs_no_memory(&job, 1);
}

static void bad_input(void **state) {
    (void)state;
    runs_sweep();
    Network *few = new_network("resnet8", 7, 1);
    Dataset *noise = dataset_load("noise:8:1x28x28", 0, &test_error);
    assert_non_null(noise);
    TrainJob job = fit_job(NULL);
    job.images = NULL;
    runs_not_run(job, "--data");
    job.images = noise;
    runs_not_run(job, "no labels to train on");
    job = fit_job(NULL);
    job.config.images.kd = 1;
    runs_not_run(job, "--teacher");
    job.teacher = few;
    runs_not_run(job, "the teacher has 7 classes, the network has");
    job = fit_job(NULL);
    job.data = NULL;
    job.source = few;
    runs_not_run(job, "the network has 7 classes,");
    dataset_free(noise);
    network_free(few);
}

static int begin(void **state) {
    runs_begin(state);
    first_network = new_network("resnet8", 10, 4);
    return 0;
}

static int end(void **state) {
    network_free(first_network);
    return runs_end(state);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(gradients),      cmocka_unit_test(running_statistics),
        cmocka_unit_test(learns),         cmocka_unit_test(resumes_to_the_bit),
        cmocka_unit_test(trials),         cmocka_unit_test(finished_without_images),
        cmocka_unit_test(survives_kills), cmocka_unit_test(allocates_nothing),
        cmocka_unit_test(no_memory),      cmocka_unit_test(bad_input),
    };
    return cmocka_run_group_tests(tests, begin, end);
}
