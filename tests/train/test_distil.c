/* test_distil -- losses on images of what a predictor's kernels make: their gradient against finite differences of
 * plain loops in double, what must be zero, what changes nothing; runs that are stopped and go on; what is refused.
 */
#include "train/internal.h"

#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>
#include <cmocka.h>

#include "../support/plain_mlp.h"
#include "../support/runs.h"
#include "../support/witness.h"
#include "weft/base/error.h"
#include "weft/base/memory.h"
#include "weft/base/pool.h"
#include "weft/base/random.h"
#include "weft/base/table.h"

static Error test_error;

/* The small run on images; the teacher is the source. */
static TrainJob image_job(const char *folder, SchemeKind scheme) {
    TrainJob job = runs_job(folder);
    job.config.scheme = scheme;
    train_defaults(&job.config, runs_data, 0);
    job.images = runs_data;
    job.config.batch = 300;
    job.config.image_batch = 8;
    return job;
}

static Network *other_network(unsigned channels, unsigned classes, const char *architecture) {
    ArchitectureRequest request = {.architecture = architecture,
                                   .widths = {4, 4, 4},
                                   .width_count = 3,
                                   .in_channels = channels,
                                   .classes = classes};
    assert_true(normalisation_parse("none", channels, &request.normalisation, &test_error));
    Network *network = network_create(&request, 3, "fit other", &test_error);
    if (!network) fail_msg("%s", test_error.text);
    return network;
}

static Learner learner_of(const TrainJob *job) {
    Learner learner;
    if (!learner_new(&learner, &job->config, job, NULL, &test_error)) fail_msg("%s", test_error.text);
    return learner;
}

static float *gradient_of(Learner *learner, uint64_t step, StepLoss *loss) {
    float *gradient = mem_alloc(learner->count, sizeof *gradient, &test_error);
    assert_non_null(gradient);
    if (!learner->gradient(learner, step, gradient, loss, &test_error)) fail_msg("%s", test_error.text);
    for (size_t i = 0; i < learner->count; i++) gradient[i] *= (float)loss->scale;
    return gradient;
}

static double norm_of(const float *a, const float *b, size_t count) {
    double sum = 0;
    for (size_t i = 0; i < count; i++) sum += pow((double)a[i] - (b ? (double)b[i] : 0), 2);
    return sqrt(sum);
}

/* ---- the gradient ------------------------------------------------------------------------------------------------ */

/* A network whose maps stay small whatever its kernels: the sample's batch norms expect its own. */
static TrainJob gradient_job(Network *source) {
    TrainJob job = image_job(NULL, SCHEME_JOINT);
    job.source = source;
    job.data = NULL;
    job.config.sampling = SAMPLING_ALL;
    job.config.batch = 30;
    job.config.image_batch = 3;
    return job;
}

/* The loss of one step by plain loops in double: MLP, network, losses. */
typedef struct Plain {
    const TrainConfig *config;
    Predictor *predictor;
    float *targets;
    Witness *student, *teacher;
    double *parameters;
    bool *moves;       /* kernels that follow the parameters; NULL: all */
    double *predicted; /* kernels x outputs, where the others stay */
    uint16_t labels[64];
} Plain;

static Witness *run_witness(const Network *network, const Batch *batch) {
    const size_t pixels = (size_t)runs_data->channels * runs_data->height * runs_data->width;
    Witness *witness = witness_new(network, runs_data->height, runs_data->width, batch->images, false);
    for (size_t i = 0; i < batch->images * pixels; i++) witness->pixels[i] = (double)batch->pixels[i];
    witness_run(witness);
    return witness;
}

static Plain plain_new(const TrainJob *job, uint64_t step) {
    Plain plain = {.config = &job->config};
    Batch batch;
    Predictor *p = plain.predictor =
        predictor_new(job->source, NULL, &job->config.predictor, job->config.seed, job->command, NULL, &test_error);
    Batches *batches = images_open(&job->config, job->source, job->images, &test_error);
    assert_true(p && batches && batches_get(batches, step, &batch, &test_error));
    plain.targets = predictor_targets(p, job->source, &test_error);
    plain.student = run_witness(job->source, &batch);
    plain.teacher = run_witness(job->teacher ? job->teacher : job->source, &batch);
    batches_free(batches);
    plain.parameters = mem_alloc(p->parameter_count, sizeof *plain.parameters, &test_error);
    plain.predicted = mem_alloc(p->kernel_count * p->outputs, sizeof *plain.predicted, &test_error);
    assert_true(plain.targets && plain.parameters && plain.predicted);
    for (size_t i = 0; i < p->parameter_count; i++) plain.parameters[i] = (double)p->parameters[i];
    return plain;
}

static void plain_done(Plain *plain) {
    witness_free(plain->student);
    witness_free(plain->teacher);
    mem_free(plain->targets);
    mem_free(plain->parameters);
    mem_free(plain->predicted);
    predictor_free(plain->predictor);
}

/* Kernels of 3x3, as all predicted layers have them. */
static double plain_loss(Plain *plain) {
    const Predictor *p = plain->predictor;
    double squares = 0;
    size_t tensor = 0;
    for (size_t k = 0; k < p->kernel_count; k++) {
        const size_t l = predictor_layer_of(p, k);
        double encoded[PLAIN_WIDEST], *out = plain->predicted + k * p->outputs;
        if (!plain->moves || plain->moves[k]) {
            plain_encoding(p, k, encoded);
            plain_kernel(p, plain->parameters, encoded, out);
        }
        if (k == p->layers[l].first) assert_true(predictor_find_layer(p, l, plain->student->network, &tensor, NULL));
        for (unsigned j = 0; j < p->outputs; j++) {
            plain->student->tensors[tensor][(k - p->layers[l].first) * p->outputs + j] = out[j];
            squares += pow(out[j] - (double)plain->targets[k * p->outputs + j], 2);
        }
    }
    const double mean = squares / (double)p->weight_count;
    witness_run(plain->student);
    return plain->config->recon * (plain->config->recon_form == RECON_MSE ? mean : sqrt(mean)) +
           witness_loss(plain->student, &plain->config->images, plain->labels, plain->teacher);
}

/* Directions: the gradient's own and random ones. */
static void check_directions(const char *name, Plain *plain, const float *gradient) {
    const double h = 1e-6;
    const size_t count = plain->predictor->parameter_count;
    double *direction = mem_alloc(count, sizeof *direction, &test_error);
    const double norm = norm_of(gradient, NULL, count);
    assert_non_null(direction);
    assert_true(norm > 0);
    Rng rng = {.seed = 9};
    for (int which = 0; which < 4; which++) {
        double product = 0, change = 0, length = 0;
        for (size_t i = 0; i < count; i++) {
            direction[i] = which == 0 ? (double)gradient[i] / norm : rng_normal(&rng);
            product += direction[i] * (double)gradient[i];
            length += direction[i] * direction[i];
        }
        const double step = h / sqrt(length);
        for (int side = 1; side >= -1; side -= 2) {
            for (size_t i = 0; i < count; i++) plain->parameters[i] += side * step * direction[i];
            change += side * plain_loss(plain);
            for (size_t i = 0; i < count; i++) plain->parameters[i] -= side * step * direction[i];
        }
        change /= 2 * step;
        if (!(fabs(change - product) < 5e-4 * norm * (which == 0 ? 1 : 3)))
            fail_msg("%s: along direction %d the loss changes by %.8g, the gradient says %.8g (norm %.3g)", name, which,
                     change, product, norm);
    }
    mem_free(direction);
}

static void check_gradient(const char *name, TrainJob *job) {
    StepLoss loss;
    const uint64_t step = 3;
    Learner learner = learner_of(job);
    float *gradient = gradient_of(&learner, step, &loss);
    Plain plain = plain_new(job, step);
    assert_memory_equal(plain.predictor->parameters, learner.parameters, learner.count * sizeof(float));
    const double wanted = plain_loss(&plain);
    if (!(fabs(loss.loss / wanted - 1) < 2e-5)) fail_msg("%s: the loss is %.9g, not %.9g", name, loss.loss, wanted);
    check_directions(name, &plain, gradient);
    mem_free(gradient);
    learner_done(&learner);
    plain_done(&plain);
}

static void gradients(void **state) {
    (void)state;
    Network *source = other_network(1, 10, "resnet8"), *other = other_network(1, 10, "resnet14");
    TrainJob job = gradient_job(source);
    job.config.images = (Loss){.kd = 0.3, .temperature = 2};
    check_gradient("recon and KD", &job);
    job.config.images.fmd = 0.2;
    job.config.augment = true;
    check_gradient("recon, KD and FMD of augmented images", &job);
    job.config.recon = 0;
    job.config.images = (Loss){.fmd = 1, .fmd_aliased = true};
    check_gradient("FMD, aliased", &job);
    job.teacher = other;
    job.config.recon = 2;
    job.config.recon_form = RECON_MSE;
    job.config.images = (Loss){.kd = 0.5, .kd_form = KD_STABLE, .temperature = 1};
    check_gradient("MSE, and stable KD from another architecture", &job);
    network_free(source);
    network_free(other);
}

/* A batch of kernels: as if the others did not follow the parameters, and each counts as often as it was drawn. */
static void check_batch(const char *name, SamplingKind sampling, bool repeats) {
    Network *source = other_network(1, 10, "resnet8");
    TrainJob job = gradient_job(source);
    StepLoss loss;
    const uint32_t *kernels;
    const uint16_t *times;
    const uint64_t step = 2;
    job.config.sampling = sampling;
    job.config.images = (Loss){.kd = 0.3, .fmd = 0.2, .temperature = 1};
    Learner learner = learner_of(&job);
    float *gradient = gradient_of(&learner, step, &loss);
    Plain plain = plain_new(&job, step);
    const Predictor *p = plain.predictor;
    Sampler *sampler = sampler_new(p, plain.targets, sampling, job.config.batch, job.config.magnitude_share,
                                   job.config.seed, &test_error);
    plain_loss(&plain); /* predictions of all */
    plain.moves = mem_alloc(p->kernel_count, sizeof *plain.moves, &test_error);
    const size_t count = sampler_draw(sampler, step, &kernels, &times);
    assert_true(count > 0 && count < p->kernel_count);
    unsigned most = 0;
    for (size_t i = 0; i < count; i++) most = times[i] > most ? times[i] : most;
    assert_true((most > 1) == repeats);
    if (!repeats) {
        for (size_t i = 0; i < count; i++) plain.moves[kernels[i]] = true;
        check_directions(name, &plain, gradient);
    } else { /* the sum over n of the gradients of those drawn at least n times */
        const double norm = norm_of(gradient, NULL, learner.count), h = 1e-6;
        double total = 0;
        for (unsigned n = 1; n <= most; n++) {
            for (size_t i = 0; i < count; i++) plain.moves[kernels[i]] = times[i] >= n;
            double change = 0;
            for (int side = 1; side >= -1; side -= 2) {
                for (size_t i = 0; i < learner.count; i++)
                    plain.parameters[i] = (double)p->parameters[i] + side * h * (double)gradient[i] / norm;
                change += side * plain_loss(&plain);
            }
            total += change / (2 * h);
            for (size_t i = 0; i < learner.count; i++) plain.parameters[i] = (double)p->parameters[i];
            plain_loss(&plain); /* those that moved back in their places */
        }
        if (!(fabs(total / norm - 1) < 5e-4)) fail_msg("%s: %.8g, the gradient's norm is %.8g", name, total, norm);
    }
    mem_free(plain.moves);
    mem_free(gradient);
    sampler_free(sampler);
    learner_done(&learner);
    plain_done(&plain);
    network_free(source);
}

static void batches_of_kernels(void **state) {
    (void)state;
    check_batch("uniform", SAMPLING_UNIFORM, false);
    check_batch("one layer", SAMPLING_LAYER, false);
    check_batch("by magnitude", SAMPLING_MAGNITUDE, true);
}

/* ---- what is zero, what changes nothing -------------------------------------------------------------------------- */

/* A source that the predictor reproduces: student and teacher are the same engine on the same weights, so that the two
 * softmaxes and all maps are equal to the bit, and every delta is zero exactly. A NaN or a -0 would be one too. */
static void exact_reconstruction(void **state) {
    (void)state;
    TrainJob job = image_job(NULL, SCHEME_DISTIL);
    StepLoss loss;
    job.config.sampling = SAMPLING_ALL;
    job.config.predictor.permutation = PERMUTATION_NONE; /* the new source's order would be another */
    Predictor *p =
        predictor_new(runs_network, NULL, &job.config.predictor, job.config.seed, job.command, NULL, &test_error);
    Network *made = predictor_reconstruct(p, NULL, "reconstruct", &test_error);
    assert_true(p && made);
    job.source = made;
    for (int maps = 0; maps < 2; maps++) {
        job.config.images.fmd = maps;
        Learner learner = learner_of(&job);
        float *gradient = gradient_of(&learner, 0, &loss);
        assert_true(fabs(loss.kd) < 1e-12);
        assert_true(loss.recon < 1e-8); /* two passes of the same MLP */
        if (maps) assert_true(fabs(loss.fmd) < 1e-12);
        assert_true(norm_of(gradient, NULL, learner.count) < 1e-12);
        mem_free(gradient);
        learner_done(&learner);
    }
    network_free(made);
    predictor_free(p);
}

static const Table *log_of(const TrainResults *results) {
    return results->trial[0].predictor->log;
}

/* joint without its losses on images is recon; with ones that weigh nothing it has the same gradient. */
static void joint_without_images(void **state) {
    (void)state;
    TrainJob recon = runs_job(NULL), joint = image_job(NULL, SCHEME_JOINT);
    recon.config.batch = joint.config.batch = 300;
    recon.config.refresh = joint.config.refresh = 1;
    recon.config.steps = joint.config.steps = 30;
    recon.config.log_every = joint.config.log_every = 1;
    joint.config.images.kd = joint.config.images.fmd = 0;
    TrainResults a = runs_run(&recon), b = runs_run(&joint);
    runs_same_parameters(&a, &b);
    runs_same_log(log_of(&a), log_of(&b));
    assert_int_equal(log_of(&a)->rows, 30);
    train_results_done(&b);
    for (uint64_t step = 0; step < 8; step++) { /* mixed sampling: some of these by magnitude */
        StepLoss one, two;
        joint.config.images.kd = 1e-30;
        Learner x = learner_of(&recon), y = learner_of(&joint);
        float *p = gradient_of(&x, step, &one), *q = gradient_of(&y, step, &two);
        x.scalar = one.recon;
        assert_true(fabs(one.loss / two.loss - 1) < 1e-6);
        assert_true(norm_of(p, q, x.count) < 1e-5 * norm_of(p, NULL, x.count));
        mem_free(p);
        mem_free(q);
        learner_done(&x);
        learner_done(&y);
    }
    train_results_done(&a);
}

/* ---- runs -------------------------------------------------------------------------------------------------------- */

static void learns(void **state) {
    (void)state;
    TrainJob job = image_job(NULL, SCHEME_JOINT);
    job.config.steps = 300;
    job.config.log_every = 1;
    job.config.evaluate_every = 0;
    job.config.images.kd = job.config.images.fmd = 0.01;
    TrainResults results = runs_run(&job);
    static const char *const names[] = {"recon", "kd", "fmd"};
    static const double falls[] = {0.9, 0.9, 0.99}; /* maps of so small a predictor stay far off */
    for (size_t n = 0; n < 3; n++) {
        double first = 0, last = 0;
        for (size_t r = 0; r < 20; r++) {
            first += table_number(log_of(&results), names[n], r);
            last += table_number(log_of(&results), names[n], 280 + r);
        }
        if (!(last < falls[n] * first)) fail_msg("%s: %g to %g", names[n], first / 20, last / 20);
    }
    for (size_t r = 0; r < log_of(&results)->rows; r++) { /* the loss is what its terms say */
        const double sum = table_number(log_of(&results), "recon", r) +
                           0.01 * (table_number(log_of(&results), "kd", r) + table_number(log_of(&results), "fmd", r));
        assert_true(fabs(table_number(log_of(&results), "loss", r) / sum - 1) < 1e-9);
        assert_true(isnan(table_number(log_of(&results), "cross_entropy", r)));
    }
    train_results_done(&results);
}

/* Stopped at `at` and gone on with: the same run. Where the teacher's logits are kept, they begin empty. */
static void check_resumes(TrainJob job) {
    job.folder = runs_path("whole");
    TrainResults whole = runs_run(&job);
    for (uint64_t at = 2; at < 24; at += 5) {
        TrainJob part = job;
        runs_sweep();
        part.folder = runs_path("part");
        part.watch = runs_stop_at;
        part.watch_context = &at;
        pool_set_threads(1 + (unsigned)at % 3);
        TrainResults first = runs_run(&part);
        assert_int_equal(first.trial[0].step, at);
        train_results_done(&first);
        pool_set_threads(1 + (unsigned)(at + 1) % 3);
        TrainResults rest = runs_resume(part.folder, NULL, NULL);
        runs_same_parameters(&whole, &rest);
        runs_same_log(log_of(&whole), log_of(&rest));
        train_results_done(&rest);
    }
    pool_set_threads(0);
    train_results_done(&whole);
}

static void resumes_to_the_bit(void **state) {
    (void)state;
    runs_sweep();
    Network *other = other_network(1, 10, "resnet14");
    TrainJob job = image_job(NULL, SCHEME_DISTIL); /* logits are kept: three epochs of 8 batches */
    check_resumes(job);
    job = image_job(NULL, SCHEME_DISTIL);
    job.teacher = other;
    job.config.warm_up = 6;
    job.config.augment = true;
    check_resumes(job);
    job = image_job(NULL, SCHEME_JOINT);
    job.config.warm_up = 4;
    check_resumes(job);
    network_free(other);
}

static void changes(void **state) {
    (void)state;
    runs_sweep();
    uint64_t at = 5;
    Network *other = other_network(1, 10, "resnet14");
    TrainJob job = image_job(runs_path("part"), SCHEME_DISTIL);
    job.data = NULL;
    job.teacher = other;
    job.watch = runs_stop_at;
    job.watch_context = &at;
    TrainResults first = runs_run(&job);
    train_results_done(&first);
    runs_copy(runs_path("part"), runs_path("changed"));
    runs_replace(runs_path("changed"), "config.json", "\"images\": 60", "\"images\": 59");
    runs_refused(runs_path("changed"), STATUS_BAD_INPUT, "field 'images' differs");
    runs_copy(runs_path("part"), runs_path("changed"));
    runs_replace(runs_path("changed"), "config.json", "sample:fashion-test", "sample:fashion-none");
    runs_refused(runs_path("changed"), STATUS_BAD_INPUT, "fashion-none");
    runs_copy(runs_path("part"), runs_path("changed"));
    runs_flip(runs_path("changed"), "teacher.safetensors", -100);
    runs_refused(runs_path("changed"), STATUS_BAD_INPUT, "teacher.safetensors");
    runs_copy(runs_path("part"), runs_path("changed"));
    unlink(runs_path("changed/teacher.safetensors"));
    runs_refused(runs_path("changed"), STATUS_BAD_INPUT, "teacher.safetensors");
    /* a run that is at its end gives its result without its images */
    job.folder = runs_path("done");
    job.watch = NULL;
    TrainResults whole = runs_run(&job);
    runs_replace(runs_path("done"), "config.json", "sample:fashion-test", "sample:fashion-none");
    TrainResults again = runs_resume(runs_path("done"), NULL, NULL);
    runs_same_parameters(&whole, &again);
    train_results_done(&again);
    train_results_done(&whole);
    network_free(other);
}

static void noise(void **state) {
    (void)state;
    runs_sweep();
    Dataset *noise = dataset_load("noise:40:1x28x28", 0, &test_error);
    assert_non_null(noise);
    TrainJob job = image_job(NULL, SCHEME_DISTIL);
    job.images = noise;
    job.data = NULL;
    job.config.images.kd = 1;
    job.config.augment = true; /* noise stays as it is */
    TrainResults results = runs_run(&job);
    assert_true(isnan(results.trial[0].accuracy) && isnan(results.trial[0].best_accuracy));
    assert_true(isfinite(results.trial[0].recon));
    for (size_t r = 0; r < log_of(&results)->rows; r++) assert_true(isfinite(table_number(log_of(&results), "kd", r)));
    train_results_done(&results);
    check_resumes(job);
    dataset_free(noise);
}

/* ---- what is refused --------------------------------------------------------------------------------------------- */

static void bad_input(void **state) {
    (void)state;
    runs_sweep();
    Network *classes = other_network(1, 7, "resnet8"), *channels = other_network(3, 10, "resnet8"),
            *other = other_network(1, 10, "resnet14");
    Dataset *coloured = dataset_load("noise:4:3x28x28", 0, &test_error);
    TrainJob job = image_job(NULL, SCHEME_DISTIL);
    assert_non_null(coloured);
    job.teacher = classes;
    runs_not_run(job, "the teacher has 7 classes, the network has 10");
    job.teacher = channels;
    runs_not_run(job, "the teacher takes 3 input channels, the network takes 1");
    job.teacher = other;
    job.config.images.fmd = 1;
    runs_not_run(job, "own architecture");
    job = image_job(NULL, SCHEME_DISTIL);
    job.images = coloured;
    runs_not_run(job, "the network takes 1 input channel, but noise:4:3x28x28 has 3");
    job.images = NULL;
    runs_not_run(job, "--data");
    static const struct {
        double kd, recon, temperature;
        unsigned batch;
        const char *field;
    } values[] = {{-1, 1, 1, 8, "'kd'"},
                  {1, -1, 1, 8, "'recon'"},
                  {0, 0, 1, 8, "'recon'"},
                  {1, 0, -1, 8, "'temperature'"},
                  {1, 0, 1, 0, "'image_batch'"}};
    for (size_t i = 0; i < sizeof values / sizeof *values; i++) {
        job = image_job(NULL, SCHEME_DISTIL);
        job.config.images.kd = values[i].kd;
        job.config.recon = values[i].recon;
        job.config.images.temperature = values[i].temperature;
        job.config.image_batch = values[i].batch;
        runs_not_run(job, values[i].field);
    }
    dataset_free(coloured);
    network_free(classes);
    network_free(channels);
    network_free(other);
}

static void no_memory(void **state) {
    (void)state;
    TrainJob job = image_job(NULL, SCHEME_DISTIL);
    job.data = NULL;
    job.config.steps = 2;
    runs_no_memory(&job, 3);
}

/* Between refreshes L_recon is what it was, but for errors that grow suddenly: there it is evaluated at once. */
static void sudden_errors_are_noticed(void **state) {
    (void)state;
    Error err;
    TrainJob job = runs_job(NULL);
    job.config.refresh = 1000;
    job.config.sampling = SAMPLING_UNIFORM;
    Learner learner;
    StepLoss loss;
    Measure measure;
    assert_true(learner_new(&learner, &job.config, &job, NULL, &err));
    float *gradient = malloc(learner.count * sizeof *gradient);
    assert_true(learner.gradient(&learner, 0, gradient, &loss, &err));
    const double first = loss.recon;
    for (unsigned times = 0; times < 2; times++) { /* a little: nothing; a lot: noticed */
        for (size_t i = 0; i < learner.count; i++) learner.parameters[i] *= times ? 4 : 1.001f;
        assert_true(learner.gradient(&learner, 1 + times, gradient, &loss, &err));
        assert_true(learner.measure(&learner, false, &measure, &err));
        if (times)
            assert_true(measure.distance > 2 * first && fabs(loss.recon / measure.distance - 1) < 1e-6);
        else
            assert_true(loss.recon == first);
    }
    free(gradient);
    learner_done(&learner);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(gradients),
        cmocka_unit_test(batches_of_kernels),
        cmocka_unit_test(exact_reconstruction),
        cmocka_unit_test(joint_without_images),
        cmocka_unit_test(learns),
        cmocka_unit_test(resumes_to_the_bit),
        cmocka_unit_test(changes),
        cmocka_unit_test(noise),
        cmocka_unit_test(bad_input),
        cmocka_unit_test(no_memory),
        cmocka_unit_test(sudden_errors_are_noticed),
    };
    return cmocka_run_group_tests(tests, runs_begin, runs_end);
}
