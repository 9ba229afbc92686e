/* test_evaluate -- accuracy and loss: closed forms on a network of one linear layer, PyTorch's numbers on real ones. */
#include "weft/base/dtype.h"
#include "weft/base/error.h"
#include "weft/base/fault.h"
#include "weft/base/table.h"
#include "weft/base/task.h"
#include "weft/base/tensor.h"
#include "weft/probe.h"

#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#include <jansson.h>
#include <cmocka.h>

#include "../support/oracle.h"

enum { SIDE = 4, IMAGES = 300 };

/* ---- one linear layer behind a global pool: logit j = weight[j] * mean pixel + bias[j] --------------------------- */

typedef struct Tiny {
    Network network;
    Graph graph;
    Op ops[3];
    NetTensor tensors[2];
} Tiny;

static void tiny_init(Tiny *tiny, unsigned classes, const float *weight, const float *bias) {
    Error err;
    *tiny = (Tiny){0};
    tiny->ops[0] = (Op){.kind = OP_INPUT, .name = "input", .input = {-1, -1}, .out_channels = 1};
    tiny->ops[1] = (Op){.kind = OP_GLOBAL_POOL, .name = "pool", .input = {0, -1}, .out_channels = 1};
    tiny->ops[2] = (Op){.kind = OP_LINEAR, .name = "fc", .input = {1, -1}, .out_channels = classes, .bias = 1};
    for (int i = 0; i < 3; i++) {
        tiny->ops[i].mean = tiny->ops[i].variance = NO_TENSOR;
        if (i < 2) tiny->ops[i].weight = tiny->ops[i].bias = NO_TENSOR;
    }
    static char names[2][16] = {"fc.weight", "fc.bias"};
    for (unsigned i = 0; i < 2; i++) /* (classes, 1) and (classes) */
        tiny->tensors[i] = (NetTensor){
            .name = names[i], .tensor = tensor_new(2 - i, (uint64_t[]){classes, 1}, &err), .stored = DTYPE_F32};
    memcpy(tiny->tensors[0].tensor->data, weight, classes * sizeof *weight);
    memcpy(tiny->tensors[1].tensor->data, bias, classes * sizeof *bias);
    tiny->graph = (Graph){.ops = tiny->ops,
                          .count = 3,
                          .in_channels = 1,
                          .classes = classes,
                          .height = SIDE,
                          .width = SIDE,
                          .references = 1};
    tiny->network =
        (Network){.tensors = tiny->tensors, .tensor_count = 2, .graph = &tiny->graph, .normalisation = {1, {0}, {1}}};
}

static void tiny_done(Tiny *tiny) {
    for (int i = 0; i < 2; i++) tensor_release(tiny->tensors[i].tensor);
}

/* Image i is all of one value; its label is i mod classes. */
static uint8_t value_of(uint64_t image) {
    return (uint8_t)(image * 37);
}

typedef struct Images {
    Dataset dataset;
    uint8_t pixels[IMAGES * SIDE * SIDE];
    uint16_t labels[IMAGES];
} Images;

static void images_init(Images *images, unsigned classes) {
    images->dataset = (Dataset){.spec = (char *)(uintptr_t) "idx:a,b",
                                .count = IMAGES,
                                .channels = 1,
                                .height = SIDE,
                                .width = SIDE,
                                .classes = classes,
                                .pixels = images->pixels,
                                .labels = images->labels};
    for (unsigned i = 0; i < IMAGES; i++) {
        memset(images->pixels + i * SIDE * SIDE, value_of(i), SIDE * SIDE);
        images->labels[i] = (uint16_t)(i % classes);
    }
}

static Evaluation evaluate(const Network *network, const Dataset *dataset, float *logits) {
    Error err = {0};
    Evaluation evaluation;
    if (!evaluate_run(network, dataset, logits, &evaluation, NULL, &err)) fail_msg("%s", err.text);
    return evaluation;
}

/* ---- closed forms ------------------------------------------------------------------------------------------------ */

/* The loss straight from its definition, and correctness by the first maximum; 300 images are 2 batches and a part. */
static void test_linear(void **state) {
    (void)state;
    static const float weight[12] = {3, -2, 0.5f, 7, -6, 1, 0, 2, -1, 4, 5, -4};
    static const float bias[12] = {0, 1, 0.5f, -3, 3, 0.1f, 1, -1, 2, -0.5f, -2, 2};
    static Images images;
    Tiny tiny;
    float logits[IMAGES * 12];
    tiny_init(&tiny, 12, weight, bias);
    images_init(&images, 12);
    Evaluation evaluation = evaluate(&tiny.network, &images.dataset, logits);
    double loss = 0;
    uint64_t correct = 0, top5 = 0, class_correct[12] = {0};
    for (unsigned i = 0; i < IMAGES; i++) {
        double logit[12], sum = 0;
        unsigned label = i % 12, above = 0;
        for (int j = 0; j < 12; j++) {
            logit[j] = (double)weight[j] * value_of(i) / 255 + (double)bias[j];
            assert_true(fabs(logit[j] - (double)logits[i * 12 + (unsigned)j]) < 1e-5);
            sum += exp(logit[j]);
        }
        for (int j = 0; j < 12; j++) above += logit[j] > logit[label];
        loss -= log(exp(logit[label]) / sum) / IMAGES;
        correct += above == 0;
        top5 += above < 5;
        class_correct[label] += above == 0;
    }
    assert_int_equal(evaluation.images, IMAGES);
    assert_int_equal(evaluation.correct, correct);
    assert_int_equal(evaluation.correct_top5, top5);
    assert_true(fabs(evaluation.loss - loss) < 1e-6);
    for (unsigned j = 0; j < 12; j++) {
        assert_int_equal(evaluation.class_images[j], IMAGES / 12);
        assert_int_equal(evaluation.class_correct[j], class_correct[j]);
    }
    evaluation_done(&evaluation);
    tiny_done(&tiny);
}

/* All logits equal: class 0 wins, the first five are the top five, the loss is ln(classes). */
static void test_ties(void **state) {
    (void)state;
    static const float same[20] = {0};
    static Images images;
    Tiny tiny;
    tiny_init(&tiny, 20, same, same);
    images_init(&images, 20);
    Evaluation evaluation = evaluate(&tiny.network, &images.dataset, NULL);
    assert_int_equal(evaluation.correct, IMAGES / 20);
    assert_int_equal(evaluation.correct_top5, IMAGES / 4);
    assert_true(fabs(evaluation.loss - log(20)) < 1e-12);
    evaluation_done(&evaluation);
    tiny_done(&tiny);
}

/* Logits of 1000 overflow exp; an image with a NaN among its logits has none. */
static void test_extreme_logits(void **state) {
    (void)state;
    static const float none[4] = {0}, large[4] = {1000, -1000, 1000, 0};
    const float nan[4] = {0, 0, NAN, NAN};
    static Images images;
    Tiny tiny;
    tiny_init(&tiny, 4, none, large);
    images_init(&images, 4);
    Evaluation evaluation = evaluate(&tiny.network, &images.dataset, NULL);
    assert_int_equal(evaluation.correct, IMAGES / 4);
    assert_true(fabs(evaluation.loss - (3000.0 / 4 + log(2))) < 1e-9);
    evaluation_done(&evaluation);
    tiny_done(&tiny);

    tiny_init(&tiny, 4, none, nan);
    evaluation = evaluate(&tiny.network, &images.dataset, NULL);
    assert_int_equal(evaluation.no_logits, IMAGES);
    assert_int_equal(evaluation.class_no_logits[2], IMAGES / 4);
    assert_int_equal(evaluation.correct, 0);
    assert_int_equal(evaluation.class_correct[2], 0);
    assert_true(isnan(evaluation.loss) && isnan(evaluation_accuracy(&evaluation)));
    assert_string_equal(evaluation.cause, "fc (bias: 2 of 4 values are NaN)");
    evaluation_done(&evaluation);
    tiny_done(&tiny);
}

static void refuse(const Network *network, const Dataset *dataset, Status status, const char *reason) {
    Error err = {0};
    Evaluation evaluation = {.images = 7};
    assert_false(evaluate_run(network, dataset, NULL, &evaluation, NULL, &err));
    if (err.status != status || !strstr(err.text, reason))
        fail_msg("status %d, \"%s\" does not say \"%s\"", err.status, err.text, reason);
    assert_int_equal(evaluation.images, 7);
}

static void test_mismatch(void **state) {
    (void)state;
    static const float zero[12] = {0};
    static const char *const names[10] = {"a"};
    static Images images;
    Tiny tiny;
    tiny_init(&tiny, 12, zero, zero);
    images_init(&images, 13);
    refuse(&tiny.network, &images.dataset, STATUS_USAGE, "the network has 12 classes, idx:a,b has 13");
    images_init(&images, 10); /* a guess from the labels: fits */
    Evaluation evaluation = evaluate(&tiny.network, &images.dataset, NULL);
    evaluation_done(&evaluation);
    images.dataset.class_names = names; /* ten, and known to be ten */
    refuse(&tiny.network, &images.dataset, STATUS_USAGE, "the network has 12 classes, idx:a,b has 10");
    images.dataset.channels = 3;
    refuse(&tiny.network, &images.dataset, STATUS_USAGE, "the network takes 1 input channel, but idx:a,b has 3");
    images.dataset = (Dataset){.spec = (char *)(uintptr_t) "noise:9", .count = 9, .channels = 1, .noise = true};
    refuse(&tiny.network, &images.dataset, STATUS_USAGE, "'noise:9' has no labels to measure against");
    tiny.network.graph = NULL;
    tiny.network.why_unknown = (char *)(uintptr_t) "no tensor conv1.weight";
    refuse(&tiny.network, &images.dataset, STATUS_FAILED, "no tensor conv1.weight");
    tiny_done(&tiny);
}

static void count_report(void *context, const char *what, uint64_t done, uint64_t total) {
    uint64_t *last = context;
    assert_string_equal(what, "evaluating");
    assert_int_equal(total, IMAGES);
    assert_true(done == 0 || done > *last);
    *last = done;
}

static void test_progress_and_cancel(void **state) {
    (void)state;
    static const float zero[4] = {0};
    static Images images;
    uint64_t last = 0;
    const Task task = {.report = count_report, .context = &last};
    Tiny tiny;
    Error err = {0};
    Evaluation evaluation;
    tiny_init(&tiny, 4, zero, zero);
    images_init(&images, 4);
    assert_true(evaluate_run(&tiny.network, &images.dataset, NULL, &evaluation, &task, &err));
    assert_int_equal(last, IMAGES);
    evaluation_done(&evaluation);
    cancel_request();
    refuse(&tiny.network, &images.dataset, STATUS_CANCELLED, "");
    cancel_clear();
    tiny_done(&tiny);
}

static void test_faults(void **state) {
    (void)state;
    static const float zero[4] = {0};
    static Images images;
    Tiny tiny;
    tiny_init(&tiny, 4, zero, zero);
    images_init(&images, 4);
    bool ok = false;
    for (uint64_t k = 1; !ok && k < 1000; k++) {
        Error err = {0};
        Evaluation evaluation = {0};
        fault_arm(FAULT_ALLOC, k, k % 2);
        ok = evaluate_run(&tiny.network, &images.dataset, NULL, &evaluation, NULL, &err);
        Table *table = ok ? evaluate_table(&evaluation, &err) : NULL;
        Table *classes = table ? evaluate_class_table(&evaluation, &images.dataset, &err) : NULL;
        fault_disarm();
        ok = classes != NULL;
        assert_true(ok || err.status == STATUS_LIMIT);
        table_free(classes);
        table_free(table);
        evaluation_done(&evaluation);
    }
    assert_true(ok);
    tiny_done(&tiny);
}

/* ---- tables ------------------------------------------------------------------------------------------------------ */

static void test_tables(void **state) {
    (void)state;
    static const char *const names[3] = {"cat", "dog", "emu"};
    uint64_t images[3] = {3, 0, 5}, correct[3] = {2, 0, 5}, none[3] = {0};
    Evaluation evaluation = {.images = 8,
                             .correct = 7,
                             .correct_top5 = 8,
                             .loss = 0.25,
                             .seconds = 0.5,
                             .class_images = images,
                             .class_correct = correct,
                             .class_no_logits = none,
                             .classes = 3};
    Dataset dataset = {.classes = 3, .class_names = names};
    Error err = {0};
    Table *table = evaluate_table(&evaluation, &err);
    assert_non_null(table);
    static const char *const columns[] = {"images", "correct", "accuracy", "accuracy_low", "accuracy_high", "loss"};
    assert_int_equal(table->rows, 1);
    assert_int_equal(table->column_count, 6);
    for (int i = 0; i < 6; i++) assert_string_equal(table->columns[i].name, columns[i]);
    assert_true(table_number(table, "accuracy", 0) == 87.5);
    /* statsmodels: proportion_confint(7, 8, method="wilson") */
    assert_true(fabs(table_number(table, "accuracy_low", 0) - 52.911181778715) < 1e-9);
    assert_true(fabs(table_number(table, "accuracy_high", 0) - 97.758250854994) < 1e-9);
    assert_string_equal(table_get_note(table, "images_per_second"), "16");
    assert_string_equal(table_find(table, "accuracy")->unit, "%");
    table_free(table);

    table = evaluate_class_table(&evaluation, &dataset, &err);
    assert_int_equal(table->rows, 3);
    assert_string_equal(table_find(table, "name")->cells[2].text, "emu");
    assert_true(isnan(table_number(table, "accuracy", 1)));
    assert_true(table_number(table, "accuracy", 2) == 100);
    table_free(table);

    evaluation.classes = 11; /* the class arrays are not looked at */
    table = evaluate_table(&evaluation, &err);
    assert_int_equal(table->column_count, 9);
    assert_true(table_number(table, "top5", 0) == 100 && table_number(table, "top5_high", 0) == 100);
    assert_true(fabs(table_number(table, "top5_low", 0) - 67.559243511612) < 1e-9); /* n / (n + 1.96^2) */
    table_free(table);
}

/* ---- real networks ----------------------------------------------------------------------------------------------- */

/* Predictions and losses image by image, and what is made of them; under AddressSanitizer of the first few images. */
static void check_network(const Oracle *oracle, const char *name, const char *path) {
    Error err = {0};
    json_t *values = oracle_values(oracle, "forward");
    const json_t *test = json_object_get(json_object_get(values, name), "test");
    Checkpoint *arrays = oracle_arrays(oracle, "forward");
    Network *network = oracle_network(path);
    Dataset *dataset = oracle_images(oracle, oracle_slow() ? 200 : 0);
    Tensor *predictions = oracle_tensor(arrays, "%s.predictions", name),
           *losses = oracle_tensor(arrays, "%s.ce_per_image", name);
    float *logits = malloc(dataset->count * 10 * sizeof *logits);
    Evaluation evaluation = evaluate(network, dataset, logits);
    uint64_t correct = 0;
    double mean = 0;
    for (uint64_t i = 0; i < dataset->count; i++) {
        const float *logit = logits + i * 10;
        unsigned best = 0;
        double sum = 0;
        for (unsigned j = 1; j < 10; j++) best = logit[j] > logit[best] ? j : best;
        for (unsigned j = 0; j < 10; j++) sum += exp((double)logit[j] - (double)logit[best]);
        double loss = log(sum) + (double)logit[best] - (double)logit[dataset->labels[i]];
        assert_int_equal(best, (unsigned)predictions->data[i]);
        assert_true(fabs(loss - (double)losses->data[i]) < 2e-4);
        correct += (unsigned)predictions->data[i] == dataset->labels[i];
        mean += (double)losses->data[i] / (double)dataset->count;
    }
    const bool all = dataset->count == predictions->count;
    assert_int_equal(evaluation.images, dataset->count);
    assert_int_equal(evaluation.correct, all ? (uint64_t)oracle_number(test, "correct") : correct);
    assert_true(fabs(evaluation.loss - (all ? oracle_number(test, "ce") : mean)) < 2e-5);
    Table *table = evaluate_table(&evaluation, &err);
    const double percent = 100.0 * (double)correct / (double)dataset->count;
    assert_true(fabs(table_number(table, "accuracy", 0) - percent) < 1e-9);
    table_free(table);
    tensor_release(predictions);
    tensor_release(losses);
    evaluation_done(&evaluation);
    free(logits);
    dataset_free(dataset);
    network_free(network);
    checkpoint_close(arrays);
    json_decref(values);
}

static void test_networks(void **state) {
    (void)state;
    for (const Oracle *o = NULL; (o = oracle_next(o));) check_network(o, o->name, o->network);
}

static void test_deep_networks(void **state) {
    (void)state;
    for (const Oracle *o = NULL; (o = oracle_next_quick(o));) {
        check_network(o, o->deep_name, o->deep);
        if (!o->own) check_network(o, "resnet32", SHARED "data/checkpoints/resnet32-d509ac18.th");
    }
}

/* Correct images of Fashion-MNIST's whole test set, which begins with the sample images; under AddressSanitizer of
 * these. */
static void test_fashion(void **state) {
    (void)state;
    if (access("/usr/share/datasets/fashion-mnist", R_OK) != 0) {
        print_message("# skip: Fashion-MNIST is not installed\n");
        skip();
    }
    Error err = {0};
    const Oracle *oracle = oracle_next(NULL);
    json_t *values = oracle_values(oracle, "forward");
    Checkpoint *arrays = oracle_arrays(oracle, "forward");
    Network *network = oracle_network(oracle->network);
    Dataset *dataset = dataset_load("fashion-mnist:test", oracle_slow() ? 200 : 0, &err);
    if (!dataset) fail_msg("%s", err.text);
    Tensor *predictions = oracle_tensor(arrays, "%s.predictions", oracle->name);
    uint64_t first = 0;
    for (size_t i = 0; i < 200; i++) first += (unsigned)predictions->data[i] == dataset->labels[i];
    const json_t *whole = json_object_get(json_object_get(values, oracle->name), "whole_test_set");
    Evaluation evaluation = evaluate(network, dataset, NULL);
    assert_int_equal(evaluation.correct, oracle_slow() ? first : (uint64_t)oracle_number(whole, "correct"));
    assert_true(oracle_slow() || fabs(evaluation.loss - oracle_number(whole, "ce")) < 2e-5);
    evaluation_done(&evaluation);
    tensor_release(predictions);
    dataset_free(dataset);
    network_free(network);
    checkpoint_close(arrays);
    json_decref(values);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_linear),
        cmocka_unit_test(test_ties),
        cmocka_unit_test(test_extreme_logits),
        cmocka_unit_test(test_mismatch),
        cmocka_unit_test(test_progress_and_cancel),
        cmocka_unit_test(test_faults),
        cmocka_unit_test(test_tables),
        cmocka_unit_test(test_networks),
        cmocka_unit_test(test_deep_networks),
        cmocka_unit_test(test_fashion),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
