/* test_oracle_evaluate -- what smoothing does to ResNet20's answers, against the numeric oracle (../shared/oracle,
 * PyTorch in float64): low-pass and singular-value modulation of one stage, of all three, and of everything; the number
 * of correct images equal, the loss within 2e-5 or 1e-6 of itself, and the change of S_ratio. */
#include "weft/base/error.h"
#include "weft/base/memory.h"
#include "weft/base/table.h"
#include "weft/base/text.h"
#include "weft/probe.h"
#include "weft/spectral.h"

#include <jansson.h>
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>
#include <cmocka.h>

#define ORACLE "../shared/oracle/"
#define RESNET20 "../shared/data/checkpoints/resnet20-12fca82f.th"
#define IMAGES "../shared/data/cifar10-subset"

/* Under AddressSanitizer an evaluation takes seconds: there every ninth row has to do. */
#ifdef __SANITIZE_ADDRESS__
enum { EVERY = 9 };
#else
enum { EVERY = 1 };
#endif

static Network *network;
static Dataset *dataset;

static int begin(void **state) {
    (void)state;
    Error err;
    if (access(RESNET20, R_OK) != 0 || access(IMAGES "/test_batch.bin", R_OK) != 0) return 0;
    network = network_load(RESNET20, NULL, &err);
    if (network) dataset = dataset_load("cifar10:" IMAGES ":test", 0, &err);
    if (!dataset) print_message("# %s\n", err.text);
    return dataset ? 0 : -1;
}

static int end(void **state) {
    (void)state;
    dataset_free(dataset);
    network_free(network);
    spectral_cleanup();
    return 0;
}

/* The oracle's file; the test is skipped where it, the network or the images are missing. */
static json_t *open_oracle(const char *path) {
    if (!network || access(path, R_OK) != 0) {
        print_message("# skip: %s, %s or %s is not there\n", RESNET20, IMAGES, path);
        skip();
    }
    json_t *oracle = json_load_file(path, 0, NULL);
    assert_non_null(oracle);
    return oracle;
}

static double member(const json_t *object, const char *name) {
    const json_t *value = json_object_get(object, name);
    assert_true(json_is_number(value));
    return json_number_value(value);
}

/* Marks the convolutions of the row's stage: 1, 2, 3, "stages" (all three) or "all" (these and the stem). */
static void choose(const json_t *row, bool *chosen) {
    Error err;
    char selector[32];
    const json_t *stage = json_object_get(row, "stage");
    if (json_is_integer(stage))
        snprintf(selector, sizeof selector, "stage:%d", (int)json_integer_value(stage));
    else
        snprintf(selector, sizeof selector, "%s", strcmp(json_string_value(stage), "all") == 0 ? "all" : "layer*");
    if (!layer_select(network, selector, true, chosen, &err)) fail_msg("%s", err.text);
}

static void compare_evaluation(const Network *made, const json_t *row) {
    Error err;
    Evaluation evaluation;
    if (!evaluate_run(made, dataset, NULL, &evaluation, NULL, &err)) fail_msg("%s", err.text);
    double loss = member(row, "ce"), off = fabs(evaluation.loss - loss);
    assert_true((double)evaluation.images == member(row, "n"));
    assert_true((double)evaluation.correct == member(row, "correct"));
    assert_true(off <= 2e-5 || off <= 1e-6 * loss);
    evaluation_done(&evaluation);
}

static void compare_sratio(const Network *made, double wanted) {
    Error err;
    bool *chosen = mem_alloc(network->layer_count, sizeof *chosen, &err);
    double mean;
    assert_non_null(chosen);
    assert_true(layer_select(network, NULL, true, chosen, &err));
    Table *table = sratio_table(network, made, chosen, NULL, &err);
    assert_non_null(table);
    assert_true(text_to_double(table_get_note(table, "mean_difference"), &mean));
    assert_true(fabs(mean - wanted) < 1e-6);
    table_free(table);
    mem_free(chosen);
}

static void unchanged(void **state) {
    (void)state;
    json_t *oracle = open_oracle(ORACLE "lowpass.json");
    compare_evaluation(network, json_object_get(oracle, "unfiltered"));
    json_decref(oracle);
}

static void after_lowpass(void **state) {
    (void)state;
    json_t *oracle = open_oracle(ORACLE "lowpass.json"), *row;
    Error err;
    size_t index, rows = 0;
    bool *chosen = mem_alloc(network->layer_count, sizeof *chosen, &err);
    assert_non_null(chosen);
    json_array_foreach(json_object_get(oracle, "evaluation"), index, row) {
        if (index % EVERY != 0) continue;
        choose(row, chosen);
        Network *smooth = lowpass_apply(network, member(row, "D0"), LOWPASS_1D, chosen, "lowpass", NULL, &err);
        assert_non_null(smooth);
        compare_evaluation(smooth, row);
        compare_sratio(smooth, member(row, "s_ratio_minus_original_layer_mean"));
        network_free(smooth);
        rows++;
    }
    assert_int_equal(rows, (25 + EVERY - 1) / EVERY);
    mem_free(chosen);
    json_decref(oracle);
}

static void after_modulation(void **state) {
    (void)state;
    json_t *oracle = open_oracle(ORACLE "svdmod.json"), *row;
    Error err;
    size_t index, rows = 0;
    bool *chosen = mem_alloc(network->layer_count, sizeof *chosen, &err);
    assert_non_null(chosen);
    json_array_foreach(json_object_get(oracle, "evaluation"), index, row) {
        if (index % EVERY != 0) continue;
        choose(row, chosen);
        unsigned last = (unsigned)member(row, "count");
        Network *made = svscale_apply(network, member(row, "factor"), last, chosen, "svscale", NULL, &err);
        assert_non_null(made);
        compare_evaluation(made, row);
        network_free(made);
        rows++;
    }
    assert_int_equal(rows, (10 + EVERY - 1) / EVERY);
    mem_free(chosen);
    json_decref(oracle);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(unchanged),
        cmocka_unit_test(after_lowpass),
        cmocka_unit_test(after_modulation),
    };
    return cmocka_run_group_tests(tests, begin, end);
}
