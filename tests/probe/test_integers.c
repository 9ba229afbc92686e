/* test_integers -- quantised networks against PyTorch's (FX static quantisation, tests/fixtures/make_quantise.py) and
 * against true integer arithmetic (tests/support/integers.h).
 *
 * Both round sums in another order than the engine, and PyTorch folds batch norm in float32: a value within that
 * rounding of the middle between two levels may take the other one, and what is behind it moves with it. So maps are
 * compared level by level, and those that differ are counted.
 */
#include "weft/probe.h"

#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>

#include "../support/images.h"
#include "../support/integers.h"
#include "../support/oracle.h"
#include "weft/base/error.h"
#include "weft/base/memory.h"
#include "weft/base/tensor.h"

static Network *quantised(const Network *network, const Dataset *images) {
    Error err;
    const QuantiseOptions options = {.bits = 8, .activation_bits = 8, .calibration = images};
    bool *chosen = mem_alloc(network->layer_count, sizeof *chosen, &err);
    memset(chosen, 1, network->layer_count);
    Network *made = quantise_apply(network, &options, chosen, "quantise", NULL, &err);
    if (!made) fail_msg("%s", err.text);
    mem_free(chosen);
    return made;
}

/* ---- PyTorch ----------------------------------------------------------------------------------------------------- */

static void check_levels(const Network *made, Checkpoint *fixture) {
    Tensor *scale = images_tensor(fixture, "levels.scale"), *zero = images_tensor(fixture, "levels.zero_point");
    size_t next = 0;
    assert_int_equal(network_quantisers(made), scale->count);
    for (size_t i = 0; i < made->graph->count; i++) {
        const Quantiser *q = &made->graph->ops[i].quantiser;
        if (made->graph->ops[i].kind != OP_QUANTISE) continue;
        if (!(fabsf(q->scale - scale->data[next]) < 1e-5f * q->scale) || q->zero_point != (int)zero->data[next])
            fail_msg("%s: scale %.8g, zero point %d; PyTorch's %.8g, %g", made->graph->ops[i].name, (double)q->scale,
                     q->zero_point, (double)scale->data[next], (double)zero->data[next]);
        next++;
    }
    tensor_release(scale);
    tensor_release(zero);
}

/* The same places, the same levels, the same logits. */
static void as_pytorch(void **state) {
    (void)state;
    Images images = images_given();
    Network *network = images.network;
    const Dataset *data = &images.dataset;
    Network *made = quantised(network, data);
    check_levels(made, images.fixture);
    Tensor *logits = images_tensor(images.fixture, "logits");
    const float step = made->graph->ops[made->graph->count - 1].quantiser.scale;
    float *found = logits_of(made, data);
    unsigned other = 0;
    for (size_t i = 0; i < logits->count; i++) {
        const float levels = fabsf(found[i] - logits->data[i]) / step;
        other += levels > 0.01f;
        if (!(levels < 2.01f))
            fail_msg("logit %d: %.8g, PyTorch's %.8g, %g levels", (int)i, (double)found[i], (double)logits->data[i],
                     (double)levels);
    }
    print_message("# %u of %d logits are another level than PyTorch's\n", other, (int)logits->count);
    assert_true(other <= 3);
    mem_free(found);
    tensor_release(logits);
    network_free(made);
    images_done(&images);
}

/* ---- integers ---------------------------------------------------------------------------------------------------- */

typedef struct Comparison {
    const Network *network;
    float **maps;   /* of each quantiser, as the engine gives them: pixels x channels */
    size_t *filled; /* values of each that have come */
} Comparison;

static void take(void *context, size_t op, unsigned image, unsigned worker, const float *values, const float *results,
                 size_t count) {
    const Comparison *comparison = context;
    (void)image, (void)worker, (void)values;
    memcpy(comparison->maps[op] + comparison->filled[op], results, count * sizeof *results);
    comparison->filled[op] += count;
}

/* Counts levels that differ by one; more than that fails. */
static uint64_t count_other(const Comparison *comparison, const Integers *integers, uint64_t *all) {
    uint64_t other = 0;
    for (size_t i = 0; i < comparison->network->graph->count; i++) {
        const Op *op = &comparison->network->graph->ops[i];
        const Shape shape = integers->shapes[i];
        const size_t pixels = (size_t)shape.height * shape.width;
        if (op->kind != OP_QUANTISE) continue;
        assert_int_equal(comparison->filled[i], pixels * shape.channels);
        for (size_t p = 0; p < pixels * shape.channels; p++) {
            const float place = comparison->maps[i][p] / op->quantiser.scale + (float)op->quantiser.zero_point;
            const int expected = integers->maps[i][p % shape.channels * pixels + p / shape.channels];
            const int distance = abs((int)lroundf(place) - expected);
            assert_true(fabsf(place - roundf(place)) < 1e-3f);
            if (distance > 2) fail_msg("%s: level %d, by integers %d", op->name, (int)lroundf(place), expected);
            other += distance > 0;
        }
        *all += pixels * shape.channels;
    }
    return other;
}

static void compare(const Network *made, const Dataset *data, uint64_t images, double most) {
    Error err;
    const size_t count = made->graph->count, size = (size_t)data->channels * data->height * data->width;
    Integers integers = integers_begin(made, data->height, data->width);
    Comparison comparison = {.network = made, .maps = mem_alloc(count, sizeof(float *), &err)};
    comparison.filled = mem_alloc(count, sizeof *comparison.filled, &err);
    for (size_t i = 0; i < count; i++)
        if (integers.maps[i])
            comparison.maps[i] = mem_alloc((uint64_t)integers.shapes[i].channels * integers.shapes[i].height,
                                           integers.shapes[i].width * sizeof(float), &err);
    float *pixels = mem_alloc(size, sizeof *pixels, &err),
          *logits = mem_alloc(made->graph->classes, sizeof *logits, &err);
    Engine *engine = engine_new(made, 1, data->height, data->width, NULL, &err);
    engine_observe(engine, take, &comparison);
    uint64_t other = 0, all = 0;
    for (uint64_t i = 0; i < images; i++) {
        memset(comparison.filled, 0, count * sizeof *comparison.filled);
        dataset_image(data, i, pixels);
        assert_true(engine_forward(engine, pixels, 1, logits, &err));
        integers_run(&integers, pixels);
        other += count_other(&comparison, &integers, &all);
    }
    print_message("# %d of %d levels are not those of integer arithmetic\n", (int)other, (int)all);
    if (!((double)other <= most * (double)all)) fail_msg("that is too many");
    for (size_t i = 0; i < count; i++) mem_free(comparison.maps[i]);
    mem_free(comparison.maps);
    mem_free(comparison.filled);
    mem_free(pixels);
    mem_free(logits);
    engine_free(engine);
    integers_done(&integers);
}

/* Shortcuts of option B, negative gammas, an odd size; random weights. */
static void as_integers(void **state) {
    (void)state;
    Images images = images_given();
    Network *network = images.network;
    Network *made = quantised(network, &images.dataset);
    compare(made, &images.dataset, images.dataset.count, 5e-5);
    network_free(made);
    images_done(&images);
}

/* A trained network, shortcuts of option A. */
static void as_integers_trained(void **state) {
    (void)state;
    Error err;
    const bool slow = oracle_slow();
    Network *network = network_load("samples/fashion-resnet8.safetensors", NULL, &err);
    Dataset *data = dataset_load("sample:fashion-test", 100, &err);
    assert_true(network && data);
    Network *made = quantised(network, data);
    compare(made, data, slow ? 1 : 8, 5e-5);
    network_free(made);
    network_free(network);
    dataset_free(data);
}

/* ---- accuracy ---------------------------------------------------------------------------------------------------- */

/* A trained network loses less than a point, as the paper's Table 5 has it. */
static void check_accuracy(const Oracle *oracle) {
    Error err;
    const bool slow = oracle_slow();
    const char *train_data = oracle->own ? oracle->data : "cifar10:" SHARED "data/cifar10-subset:train";
    Network *network = oracle_network(oracle->own ? oracle->deep : oracle->network);
    Dataset *train = dataset_load(train_data, slow ? 64 : 1000, &err);
    Dataset *test = oracle_images(oracle, slow ? 200 : 0);
    assert_non_null(train);
    Network *made = quantised(network, train);
    Evaluation before, after;
    assert_true(evaluate_run(network, test, NULL, &before, NULL, &err));
    assert_true(evaluate_run(made, test, NULL, &after, NULL, &err));
    const double lost = 100 * ((double)before.correct - (double)after.correct) / (double)test->count;
    print_message("# %d of %d images are right, quantised %d\n", (int)before.correct, (int)test->count,
                  (int)after.correct);
    assert_true(lost < 1);
    evaluation_done(&before);
    evaluation_done(&after);
    network_free(made);
    network_free(network);
    dataset_free(train);
    dataset_free(test);
}

static void accuracy_stays(void **state) {
    (void)state;
    for (const Oracle *o = NULL; (o = oracle_next(o));) check_accuracy(o);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(as_pytorch),
        cmocka_unit_test(as_integers),
        cmocka_unit_test(as_integers_trained),
        cmocka_unit_test(accuracy_stays),
    };
    return cmocka_run_group_tests_name("integers", tests, NULL, NULL);
}
