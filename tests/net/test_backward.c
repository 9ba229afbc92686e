/* test_backward -- backward passes as their callers see them: terms and logits, refusals, any number of threads, single
 * tensors and kernels, tensors taken anew, statistics of the batch, memory that runs out.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
#include <math.h>
#include <stdio.h>
#include <string.h>

#include "net/engine/plan.h"

#include "../support/trial.h"
#include "weft/base/error.h"
#include "weft/base/fault.h"
#include "weft/base/memory.h"
#include "weft/base/pool.h"
#include "weft/base/random.h"
#include "weft/base/tensor.h"

static const Loss plain = {.cross_entropy = 1};

/* The terms come back unweighted, the logits as a forward pass gives them, and the right ones are counted. */
static void terms_and_logits(void **state) {
    (void)state;
    const Loss loss = {.cross_entropy = 0.5, .kd = 0.25};
    Trial trial = trial_distillation("terms", 1, (EngineOptions){0}, loss);
    trial_begin(&trial, 1);
    float logits[IMAGES * CLASSES], again[IMAGES * CLASSES], teacher[IMAGES * CLASSES];
    LossTerms terms, given;
    const Gradients gradients = {.tensors = trial.gradients};
    assert_true(engine_backward(trial.engine, trial.pixels, trial.labels, IMAGES, trial.teacher_engine, NULL, &loss,
                                &gradients, logits, &terms, &trial_error));
    assert_true(engine_forward(trial.engine, trial.pixels, IMAGES, again, &trial_error));
    assert_memory_equal(logits, again, sizeof logits);
    trial_evaluate(&trial);
    const Loss ce = {.cross_entropy = 1}, kd = {.kd = 1};
    assert_true(fabs(terms.cross_entropy - witness_loss(trial.witness, &ce, trial.labels, NULL)) < 1e-5);
    assert_true(fabs(terms.kd - witness_loss(trial.witness, &kd, trial.labels, trial.teacher_witness)) < 1e-5);
    assert_true(fabs(terms.fmd) <= 0);
    unsigned correct = 0;
    for (unsigned i = 0; i < IMAGES; i++) {
        bool best = true;
        for (unsigned j = 0; j < CLASSES; j++)
            best = best && logits[i * CLASSES + j] <= logits[i * CLASSES + trial.labels[i]];
        correct += best;
    }
    assert_int_equal(terms.correct, correct);
    /* A teacher's logits instead of the teacher. */
    assert_true(engine_forward(trial.teacher_engine, trial.pixels, IMAGES, teacher, &trial_error));
    assert_true(engine_backward(trial.engine, trial.pixels, trial.labels, IMAGES, NULL, teacher, &loss, &gradients,
                                NULL, &given, &trial_error));
    assert_memory_equal(&terms, &given, sizeof terms);
    trial_end(&trial);
}

static void refused(Trial *trial, Engine *engine, const uint16_t *labels, unsigned images, Loss loss,
                    const char *part) {
    const Gradients gradients = {.tensors = trial->gradients};
    assert_false(engine_backward(engine, trial->pixels, labels, images, NULL, NULL, &loss, &gradients, NULL, NULL,
                                 &trial_error));
    if (!strstr(trial_error.text, part)) fail_msg("'%s' is not in '%s'", part, trial_error.text);
}

static void refused_passes(void **state) {
    (void)state;
    Trial trial = trial_distillation("refused", 1, (EngineOptions){0}, plain);
    trial_begin(&trial, 1);
    const uint16_t labels[IMAGES] = {0, CLASSES, 0};
    refused(&trial, trial.engine, NULL, IMAGES, plain, "labels");
    refused(&trial, trial.engine, labels, IMAGES, plain, "label 9 of image 1");
    refused(&trial, trial.engine, labels, IMAGES + 1, plain, "4 images for an engine of 3");
    refused(&trial, trial.engine, labels, 0, plain, "no images");
    refused(&trial, trial.engine, labels, IMAGES, (Loss){.kd = 1}, "teacher");
    refused(&trial, trial.engine, labels, IMAGES, (Loss){.fmd = 1}, "one architecture");
    refused(&trial, trial.teacher_engine, trial.labels, IMAGES, plain, "forward passes only");
    trial_end(&trial);
}

/* ---- engines ----------------------------------------------------------------------------------------------------- */

static const EngineOptions kinds[] = {{0}, {.feature_maps = true}, {.batch_statistics = true}};

/* Gradients of any number of threads are the same bits, and nothing is allocated for them. */
static void any_threads(void **state) {
    (void)state;
    for (size_t kind = 0; kind < sizeof kinds / sizeof *kinds; kind++) {
        const Loss loss = {.cross_entropy = 1, .kd = 1, .fmd = kinds[kind].feature_maps ? 1 : 0};
        Trial trial = trial_distillation("threads", 1, kinds[kind], loss);
        trial.images = MANY_IMAGES;
        pool_set_threads(3);
        trial_begin(&trial, 1);
        size_t last = trial.network->tensor_count;
        while (!trial.marks[--last]) {
        }
        const size_t size = trial.network->tensors[last].tensor->count, first = trial.network->tensors[0].tensor->count;
        float *one = trial_take(size + first + trial_pixels(&trial), sizeof *one);
        for (unsigned threads = 1; threads <= 3; threads++) {
            pool_set_threads(threads);
            trial_backward(&trial); /* starts the threads */
            fault_arm(FAULT_ALLOC, 1, true);
            trial_backward(&trial);
            assert_int_equal(fault_disarm(), 0);
            float *const parts[3] = {trial.gradients[0], trial.gradients[last], trial.pixel_gradient};
            const size_t sizes[3] = {first, size, trial_pixels(&trial)};
            for (size_t p = 0, at = 0; p < 3; at += sizes[p++])
                if (threads == 1)
                    memcpy(one + at, parts[p], sizes[p] * sizeof *one);
                else
                    assert_memory_equal(one + at, parts[p], sizes[p] * sizeof *one);
        }
        pool_set_threads(0);
        mem_free(one);
        trial_end(&trial);
    }
}

/* One tensor after the other is taken anew: the same as an engine made with them. */
static void takes_tensors(void **state) {
    (void)state;
    for (size_t kind = 0; kind < sizeof kinds / sizeof *kinds; kind++) {
        Trial trial = trial_distillation("from", 1, kinds[kind], plain),
              other = trial_distillation("to", 2, kinds[kind], plain);
        trial_begin(&trial, 1);
        trial_begin(&other, 1);
        fault_arm(FAULT_ALLOC, 1, true);
        for (size_t i = 0; i < trial.network->tensor_count; i++)
            engine_set_tensor(trial.engine, i, other.network->tensors[i].tensor->data);
        assert_int_equal(fault_disarm(), 0);
        assert_true(fabs(trial_backward(&trial) - trial_backward(&other)) <= 0);
        for (size_t i = 0; i < trial.network->tensor_count; i++)
            if (trial.marks[i])
                assert_memory_equal(trial.gradients[i], other.gradients[i],
                                    trial.network->tensors[i].tensor->count * sizeof(float));
        trial_end(&trial);
        trial_end(&other);
    }
}

/* Only what is asked for: the same numbers as among all, and nothing else written. */
static void some_tensors(void **state) {
    (void)state;
    Trial all = trial_distillation("all", 1, (EngineOptions){0}, plain);
    trial_begin(&all, 1);
    trial_backward(&all);
    for (size_t i = 0; i < all.network->tensor_count; i++) {
        if (!all.marks[i]) continue;
        Trial one = trial_distillation("one", 1, (EngineOptions){0}, plain);
        trial_begin(&one, 1);
        memset(one.marks, 0, one.network->tensor_count * sizeof *one.marks);
        one.marks[i] = true;
        engine_free(one.engine);
        one.engine = engine_new(one.network, IMAGES, one.height, one.width, &(EngineOptions){.gradients = one.marks},
                                &trial_error);
        assert_non_null(one.engine);
        trial_backward(&one);
        for (size_t j = 0; j < all.network->tensor_count; j++)
            for (uint64_t k = 0; k < all.network->tensors[j].tensor->count; k++)
                assert_true(fabsf(one.gradients[j][k] - (i == j ? all.gradients[j][k] : 0)) <= 0);
        trial_end(&one);
    }
    trial_end(&all);
}

/* Batches of kernels, few and many, of every case: the chosen ones as among all, the others left alone. */
static void check_choice(Trial *trial, float **dense, double share, uint64_t seed) {
    const Network *network = trial->network;
    KernelChoice *choices = trial_take(network->tensor_count, sizeof *choices);
    Rng rng = {.seed = seed, .stream = 9};
    for (size_t i = 0; i < network->tensor_count; i++) {
        const Tensor *tensor = network->tensors[i].tensor;
        if (!trial->marks[i] || tensor->rank < 2) continue;
        uint32_t *kernels = trial_take(tensor->count, sizeof *kernels);
        choices[i].kernels = kernels;
        for (uint32_t k = 0; k < tensor->dim[0] * tensor->dim[1]; k++)
            if (rng_uniform(&rng) < share) kernels[choices[i].count++] = k;
        for (uint64_t k = 0; k < tensor->count; k++) trial->gradients[i][k] = 77;
    }
    const Gradients gradients = {.tensors = trial->gradients, .kernels = choices};
    assert_true(engine_backward(trial->engine, trial->pixels, trial->labels, trial->images, NULL, NULL, &plain,
                                &gradients, NULL, NULL, &trial_error));
    for (size_t i = 0; i < network->tensor_count; i++) {
        const Tensor *tensor = network->tensors[i].tensor;
        if (!choices[i].kernels) continue;
        const uint64_t taps = tensor->count / (tensor->dim[0] * tensor->dim[1]);
        const double floor = 1e-5 * trial_norm(dense[i], tensor->count);
        size_t next = 0;
        for (uint64_t k = 0; k < tensor->count; k++) {
            const bool chosen = next < choices[i].count && choices[i].kernels[next] == k / taps;
            const double expected = chosen ? (double)dense[i][k] : 77;
            if (!(fabs((double)trial->gradients[i][k] - expected) <= (chosen ? floor : 0)))
                fail_msg("%s, share %g: element %d of %s is %.8g, not %.8g", trial->name, share, (int)k,
                         network->tensors[i].name, (double)trial->gradients[i][k], expected);
            if (chosen && (k + 1) % taps == 0) next++;
        }
        mem_free((void *)choices[i].kernels);
    }
    mem_free(choices);
}

static void kernel_choices(void **state) {
    (void)state;
    for (size_t i = 0; trial_cases[i].name; i++) {
        Trial trial = {
            .name = trial_cases[i].name, .height = trial_cases[i].height, .width = trial_cases[i].width, .loss = plain};
        trial.network = case_network(&trial_cases[i], true, i);
        trial.images = i % 4 == 0 ? MANY_IMAGES : 5;
        trial_begin(&trial, i);
        float **dense = trial_take(trial.network->tensor_count, sizeof *dense);
        for (size_t set = 0; kernels_available(set); set++) {
            engine_set_kernels(trial.engine, kernels_available(set));
            trial_backward(&trial);
            for (size_t j = 0; j < trial.network->tensor_count; j++) {
                const uint64_t count = trial.network->tensors[j].tensor->count;
                dense[j] = trial_take(count, sizeof **dense);
                memcpy(dense[j], trial.gradients[j], count * sizeof **dense);
            }
            static const double shares[] = {0, 0.15, 0.5, 1};
            for (size_t s = 0; s < sizeof shares / sizeof *shares; s++) check_choice(&trial, dense, shares[s], i);
            for (size_t j = 0; j < trial.network->tensor_count; j++) mem_free(dense[j]);
        }
        mem_free(dense);
        trial_end(&trial);
    }
}

/* Sums of every set of kernels against plain ones, for numbers of channels that fill vectors and that do not. */
static void sums_of_channels(void **state) {
    (void)state;
    enum { HEIGHT = 5, WIDTH = 7, MOST = 43, BORDER = 3 };
    static float in[HEIGHT * (WIDTH * MOST + BORDER)], gradient[HEIGHT * WIDTH * MOST], origin[MOST];
    double sums[MOST], products[MOST];
    Rng rng = {.seed = 3};
    for (size_t i = 0; i < sizeof in / sizeof *in; i++) in[i] = 1000 + (float)rng_normal(&rng);
    for (size_t i = 0; i < sizeof gradient / sizeof *gradient; i++) gradient[i] = (float)rng_normal(&rng);
    for (size_t c = 0; c < MOST; c++) origin[c] = 1000 + (float)rng_normal(&rng);
    for (unsigned channels = 1; channels <= MOST; channels++)
        for (size_t set = 0; kernels_available(set); set++)
            for (int with = 0; with < 2; with++) {
                const Moments moments = {.in = in,
                                         .in_row = WIDTH * channels + BORDER,
                                         .in_pixel = channels,
                                         .gradient = with ? gradient : NULL,
                                         .gradient_row = WIDTH * channels,
                                         .gradient_pixel = channels,
                                         .height = HEIGHT,
                                         .width = WIDTH,
                                         .channels = channels,
                                         .origin = origin,
                                         .sums = sums,
                                         .products = products};
                kernels_available(set)->moments(&moments);
                for (unsigned c = 0; c < channels; c++) {
                    long double sum = 0, product = 0;
                    for (size_t i = 0; i < HEIGHT * WIDTH; i++) {
                        const size_t at = i * channels + c;
                        const long double away = (long double)in[at + i / WIDTH * BORDER] - (long double)origin[c];
                        const long double d = with ? (long double)gradient[at] : away;
                        sum += d;
                        product += d * away;
                    }
                    assert_true(fabsl(sums[c] - sum) < 1e-11L);
                    assert_true(fabsl(products[c] - product) < 1e-11L);
                }
            }
}

/* Mean and biased variance of the batch, as the witness has them in its maps. */
static void statistics_of_the_batch(void **state) {
    (void)state;
    Trial trial = trial_distillation("statistics", 1, (EngineOptions){.batch_statistics = true}, plain);
    trial_begin(&trial, 1);
    trial_backward(&trial);
    trial_evaluate(&trial);
    unsigned checked = 0;
    for (size_t i = 0; i < trial.network->graph->count; i++) {
        const Op *op = &trial.network->graph->ops[i];
        const float *mean, *variance;
        engine_batch_statistics(trial.engine, i, &mean, &variance);
        if (op->kind != OP_BATCH_NORM) {
            assert_null(mean);
            continue;
        }
        const Shape shape = trial.witness->shapes[i];
        const size_t pixels = (size_t)shape.height * shape.width, size = pixels * shape.channels;
        for (unsigned c = 0; c < shape.channels; c++) {
            double sum = 0, squares = 0;
            for (size_t n = 0; n < trial.images * pixels; n++) {
                const double x = trial.witness->maps[op->input[0]][n / pixels * size + c * pixels + n % pixels];
                sum += x;
                squares += x * x;
            }
            sum /= (double)(trial.images * pixels);
            squares = squares / (double)(trial.images * pixels) - sum * sum;
            assert_true(fabs((double)mean[c] - sum) < 1e-5);
            assert_true(fabs((double)variance[c] - squares) < 1e-5 * (1 + squares));
        }
        checked++;
    }
    assert_true(checked > 2);
    trial_end(&trial);
}

/* Multiply and add are two operations. */
static void operations(void **state) {
    (void)state;
    const Case one = {"conv", {.kind = OP_CONV, .out_channels = 16, .groups = 1, WINDOW(3, 3, 2, 1)}, 8, 6, 6};
    Trial trial = {.name = one.name, .network = case_network(&one, true, 1), .height = 6, .width = 6, .images = 1};
    trial_begin(&trial, 1);
    const EngineOperations found = engine_operations(trial.engine);
    const double lift = 2.0 * 3 * 8 * 36, conv = 2.0 * 8 * 16 * 9 * 9, last = 2.0 * 16 * CLASSES;
    assert_true(fabs(found.forward - (lift + conv + last)) <= 0);
    assert_true(fabs(found.backward_data - (lift + conv + last)) <= 0);
    assert_true(fabs(found.backward_weights - (lift + conv + last)) <= 0);
    trial_end(&trial);
}

/* Every allocation of a new engine fails once. */
static void out_of_memory(void **state) {
    (void)state;
    for (size_t kind = 0; kind < sizeof kinds / sizeof *kinds; kind++) {
        Trial trial = trial_distillation("memory", 1, kinds[kind], plain);
        trial_begin(&trial, 1);
        Engine *engine = NULL;
        for (uint64_t nth = 1; !engine; nth++) {
            fault_arm(FAULT_ALLOC, nth, false);
            engine = engine_new(trial.network, IMAGES, 6, 5, &trial.options, &trial_error);
            const uint64_t seen = fault_disarm();
            assert_true(engine ? seen < nth : trial_error.status == STATUS_LIMIT);
        }
        engine_free(engine);
        trial_end(&trial);
    }
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(terms_and_logits), cmocka_unit_test(refused_passes),
        cmocka_unit_test(any_threads),      cmocka_unit_test(takes_tensors),
        cmocka_unit_test(some_tensors),     cmocka_unit_test(kernel_choices),
        cmocka_unit_test(operations),       cmocka_unit_test(statistics_of_the_batch),
        cmocka_unit_test(sums_of_channels), cmocka_unit_test(out_of_memory),
    };
    int failed = 0;
    for (int i = 0; i < 3; i++) {
        plan_force_tile(i == 0 ? 0 : WINOGRAD_TILE_MOST, i == 2);
        failed += cmocka_run_group_tests_name(i == 0 ? "backward passes" : "backward passes, tiles", tests, NULL, NULL);
    }
    return failed;
}
