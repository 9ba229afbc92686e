/* test_no_logits -- networks whose logits are no finite numbers: how many images, which layer, and that nothing on the
 * way from evaluate to a landscape takes them for results.
 *
 * Which of these changes leave an image without logits, and what the others' accuracy is, PyTorch says (the network and
 * the images are samples; batch norm in evaluation mode).
 */
#include <float.h>
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <string.h>
#include <cmocka.h>

#include "weft/base/error.h"
#include "weft/base/memory.h"
#include "weft/base/table.h"
#include "weft/base/tensor.h"
#include "weft/probe.h"
#include "weft/spectral.h"

enum { IMAGES = 200 };
static Dataset *data;

static Network *sample(void) {
    Error err;
    Network *network = network_load("samples/fashion-resnet8.safetensors", NULL, &err);
    if (!network) fail_msg("%s", err.text);
    return network;
}

/* What is done to a tensor: its first value set, all values set, or all multiplied. */
typedef enum Change { FIRST, ALL, TIMES } Change;

static void change(Network *network, const char *name, Change how, float value) {
    for (size_t i = 0; i < network->tensor_count; i++) {
        if (strcmp(network->tensors[i].name, name) != 0 && strcmp(name, "*") != 0) continue;
        Tensor *tensor = network->tensors[i].tensor;
        for (uint64_t j = 0; j < (how == FIRST ? 1 : tensor->count); j++)
            tensor->data[j] = how == TIMES ? tensor->data[j] * value : value;
    }
}

static const struct {
    const char *tensor;
    Change how;
    float value;
    const char *cause; /* NULL: all images have logits */
    unsigned correct;  /* then */
} cases[] = {
    {"layer2.0.conv1.weight", FIRST, NAN, "layer2.0.conv1 (weight: 1 of 4608 values is NaN)", 0},
    {"layer2.0.conv1.weight", ALL, NAN, "layer2.0.conv1 (weight: 4608 of 4608 values are NaN)", 0},
    {"layer2.0.conv1.weight", FIRST, INFINITY, "layer2.0.conv1 (weight: 1 of 4608 values is infinite)", 0},
    {"layer2.0.conv1.weight", FIRST, -INFINITY, "layer2.0.conv1 (weight: 1 of 4608 values is infinite)", 0},
    {"bn1.running_var", FIRST, NAN, "bn1 (running variance: 1 of 16 values is NaN)", 0},
    {"bn1.running_var", FIRST, -1, "bn1 (running variance: -1 in channel 0; 1 of 16 are not above 0)", 0},
    {"bn1.running_mean", FIRST, NAN, "bn1 (running mean: 1 of 16 values is NaN)", 0},
    {"layer3.0.bn2.bias", FIRST, NAN, "layer3.0.bn2 (bias: 1 of 64 values is NaN)", 0},
    {"linear.bias", FIRST, NAN, "linear (bias: 1 of 10 values is NaN)", 0},
    {"linear.bias", FIRST, INFINITY, "linear (bias: 1 of 10 values is infinite)", 0},
    {"layer2.0.conv1.weight", ALL, 0, NULL, 20},
    {"*", ALL, 0, NULL, 20},
    {"layer2.0.conv1.weight", ALL, 0.5f, NULL, 21},
    {"layer2.0.conv1.weight", TIMES, 1e-30f, NULL, 20},
    {"layer2.0.conv1.weight", TIMES, 1e-40f, NULL, 20},
    {"layer1.0.bn1.running_var", FIRST, 0, NULL, 14},
};
enum { CASES = sizeof cases / sizeof *cases };

static void causes(void **state) {
    (void)state;
    for (size_t i = 0; i < CASES; i++) {
        Error err;
        Evaluation evaluation;
        Network *network = sample();
        change(network, cases[i].tensor, cases[i].how, cases[i].value);
        if (!evaluate_run(network, data, NULL, &evaluation, NULL, &err)) fail_msg("%s", err.text);
        assert_int_equal(evaluation.no_logits, cases[i].cause ? IMAGES : 0);
        assert_int_equal(evaluation.correct, cases[i].correct);
        assert_int_equal(isnan(evaluation_accuracy(&evaluation)), cases[i].cause != NULL);
        assert_int_equal(isnan(evaluation.loss), cases[i].cause != NULL);
        if (cases[i].cause)
            assert_string_equal(evaluation.cause, cases[i].cause);
        else
            assert_null(evaluation.cause);
        evaluation_done(&evaluation);
        network_free(network);
    }
}

/* All parameters are finite, products are not: the first layer beyond float32 is found by running. */
static void overflow(void **state) {
    (void)state;
    static const char *const layers[] = {"layer1.0.conv1", "layer2.0.conv2", "layer3.0.conv1"};
    for (size_t i = 0; i < sizeof layers / sizeof *layers; i++) {
        Error err;
        Evaluation evaluation;
        Network *network = sample();
        char name[64], cause[160];
        snprintf(name, sizeof name, "%s.weight", layers[i]);
        snprintf(cause, sizeof cause, "%s (values exceed float32, although its parameters are finite)", layers[i]);
        change(network, name, ALL, FLT_MAX / 4); /* even the smallest map overflows */
        if (!evaluate_run(network, data, NULL, &evaluation, NULL, &err)) fail_msg("%s", err.text);
        assert_int_equal(evaluation.no_logits, IMAGES);
        assert_string_equal(evaluation.cause, cause);
        evaluation_done(&evaluation);
        network_free(network);
    }
}

/* A class of which one image lacks logits has no accuracy; the others have. */
static void some_images(void **state) {
    (void)state;
    Error err;
    uint64_t images[2] = {3, 4}, correct[2] = {2, 4}, without[2] = {1, 0};
    char cause[] = "conv1 (weight: 1 of 9 values is NaN)";
    const Evaluation evaluation = {.images = 7,
                                   .correct = 6,
                                   .classes = 2,
                                   .class_images = images,
                                   .class_correct = correct,
                                   .class_no_logits = without,
                                   .no_logits = 1,
                                   .loss = NAN,
                                   .cause = cause};
    const Dataset dataset = {.classes = 2};
    Table *table = evaluate_class_table(&evaluation, &dataset, &err);
    assert_true(isnan(table_number(table, "accuracy", 0)));
    assert_true(table_number(table, "accuracy", 1) == 100);
    static const char note[] = "1 of 7 images have none (NaN or infinite), so accuracy is undefined; first layer with "
                               "such values: conv1 (weight: 1 of 9 values is NaN)";
    assert_string_equal(table_get_note(table, "no_logits"), note);
    table_free(table);
    table = evaluate_table(&evaluation, &err);
    assert_true(isnan(table_number(table, "accuracy", 0)));
    assert_int_equal(table_number(table, "correct", 0), 6);
    assert_string_equal(table_get_note(table, "no_logits"), note);
    table_free(table);
}

static void attacked_and_corrupted(void **state) {
    (void)state;
    Error err;
    Network *network = sample();
    change(network, "bn1.running_var", FIRST, -1);
    Dataset *few = dataset_load("sample:fashion-test", 20, &err);
    const Attack attacks[2] = {{.kind = ATTACK_FGSM, .epsilon = 0}, {.kind = ATTACK_FGSM, .epsilon = 0.01}};
    Evaluation evaluations[2];
    if (!attack_run(network, few, attacks, 2, evaluations, NULL, &err)) fail_msg("%s", err.text);
    Table *table = attack_table(attacks, evaluations, 2, &err);
    for (size_t i = 0; i < 2; i++) {
        assert_int_equal(evaluations[i].no_logits, 20);
        assert_true(isnan(table_number(table, "accuracy", i)));
        evaluation_done(&evaluations[i]);
    }
    assert_non_null(strstr(table_get_note(table, "no_logits"), "20 of 20 images have none"));
    assert_non_null(strstr(table_get_note(table, "no_logits"), "bn1 (running variance: -1 in channel 0;"));
    table_free(table);
    CorruptionChoice choice;
    assert_true(corruption_choose("fog", &choice, &err));
    table = corruption_table(network, few, &choice, 0, NULL, &err);
    assert_int_equal(table->rows, 5);
    for (size_t i = 0; i < 5; i++) assert_true(isnan(table_number(table, "accuracy", i)));
    assert_non_null(strstr(table_get_note(table, "no_logits"), "bn1 (running"));
    assert_null(table_get_note(table, "ood_accuracy"));
    table_free(table);
    unsigned predicted;
    double probability;
    float image[28 * 28];
    dataset_image(few, 0, image);
    assert_true(predict_image(network, few, image, &predicted, &probability, &err));
    assert_true(isnan(probability));
    const QuantiseOptions options = {.bits = 8, .activation_bits = 8, .calibration = few};
    bool *all = mem_alloc(network->layer_count, sizeof *all, &err);
    assert_true(layer_select(network, NULL, false, all, &err));
    assert_null(quantise_apply(network, &options, all, "quantise", NULL, &err));
    assert_non_null(strstr(err.text, "the first such layer: bn1 (running variance: -1 in channel 0;"));
    Network *again = recalibrate_apply(network, few, "recalibrate", NULL, &err); /* takes the variance anew */
    assert_non_null(again);
    Evaluation evaluation;
    assert_true(evaluate_run(again, few, NULL, &evaluation, NULL, &err));
    assert_int_equal(evaluation.no_logits, 0);
    evaluation_done(&evaluation);
    network_free(again);
    mem_free(all);
    dataset_free(few);
    network_free(network);
}

/* ---- between networks -------------------------------------------------------------------------------------------- */

static float first_of(const Network *network, const char *name) {
    for (size_t i = 0; i < network->tensor_count; i++)
        if (strcmp(network->tensors[i].name, name) == 0) return network->tensors[i].tensor->data[0];
    fail();
    return 0;
}

/* NaN in one network is NaN on the way to it, and nowhere else. */
static void mixed(void **state) {
    (void)state;
    Error err;
    const char *name = "layer2.0.conv1.weight";
    Network *sound = sample(), *bad = sample(), *third = sample();
    change(bad, name, FIRST, NAN);
    change(bad, "conv1.weight", TIMES, 1.5f);
    change(third, "linear.weight", TIMES, 2);
    const double alphas[] = {0, 0.5, 1, -1};
    for (size_t i = 0; i < 4; i++) {
        Network *between = mix_apply(sound, bad, alphas[i], NULL, "mix", &err);
        if (!between) fail_msg("%s", err.text);
        assert_int_equal(isnan(first_of(between, name)), i > 0);
        assert_true(isfinite(first_of(between, "conv1.weight")));
        network_free(between);
    }
    Plane *plane = plane_through(sound, bad, third, &err);
    if (!plane) fail_msg("%s", err.text);
    const double places[][2] = {{0, 0}, {0, 1}, {1, 0}, {0.5, 0.5}};
    for (size_t i = 0; i < 4; i++) {
        Network *there = plane_network(plane, places[i][0], places[i][1], "landscape", &err);
        assert_int_equal(isnan(first_of(there, name)), i > 1);
        assert_true(isfinite(first_of(there, "linear.weight")));
        network_free(there);
    }
    double a, b, distance;
    assert_true(plane_project(plane, bad, &a, &b, &distance, &err));
    assert_true(fabs(a - 1) < 1e-9 && fabs(b) < 1e-9 && distance < 1e-3);
    plane_free(plane);
    plane = plane_random(bad, 2, 1, &err);
    if (!plane) fail_msg("%s", err.text);
    double u, v;
    plane_norms(plane, &u, &v);
    assert_true(isfinite(u) && u > 0 && isfinite(v) && v > 0);
    plane_free(plane);
    network_free(sound);
    network_free(bad);
    network_free(third);
}

static int setup(void **state) {
    (void)state;
    Error err;
    data = dataset_load("sample:fashion-test", IMAGES, &err);
    return data ? 0 : -1;
}

static int teardown(void **state) {
    (void)state;
    dataset_free(data);
    spectral_cleanup();
    return 0;
}

int main(void) {
    const struct CMUnitTest tests[] = {cmocka_unit_test(causes), cmocka_unit_test(overflow),
                                       cmocka_unit_test(some_images), cmocka_unit_test(attacked_and_corrupted),
                                       cmocka_unit_test(mixed)};
    return cmocka_run_group_tests(tests, setup, teardown);
}
