/* test_oracle_evaluate -- what smoothing does to a ResNet's answers, against PyTorch in float64 (tests/oracle,
 * ../shared/oracle): low-pass and singular-value modulation of one stage, of all three, and of everything; the number
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
#include <cmocka.h>

#include "../support/oracle.h"

/* Under AddressSanitizer an evaluation takes seconds: there every ninth row has to do. */
static size_t every(void) {
    return oracle_slow() ? 9 : 1;
}

/* Network and images of one oracle. */
typedef struct Filter {
    Network *network;
    Dataset *images;
} Filter;

static Filter open_setting(const Oracle *oracle, const json_t *values) {
    const json_t *row = json_array_get(json_object_get(values, "evaluation"), 0);
    return (Filter){oracle_network(oracle->network), oracle_images(oracle, (uint64_t)oracle_number(row, "n"))};
}

static void close_setting(Filter *setting) {
    network_free(setting->network);
    dataset_free(setting->images);
}

static int end(void **state) {
    (void)state;
    spectral_cleanup();
    return 0;
}

/* Marks the convolutions of the row's stage: 1, 2, 3, "stages" (all three) or "all" (these and the stem). */
static void choose(const Network *network, const json_t *row, bool *chosen) {
    Error err;
    char selector[32];
    const json_t *stage = json_object_get(row, "stage");
    if (json_is_integer(stage))
        snprintf(selector, sizeof selector, "stage:%d", (int)json_integer_value(stage));
    else
        snprintf(selector, sizeof selector, "%s", strcmp(json_string_value(stage), "all") == 0 ? "all" : "layer*");
    if (!layer_select(network, selector, true, chosen, &err)) fail_msg("%s", err.text);
}

static void compare_evaluation(const Network *made, const Dataset *images, const json_t *row) {
    Error err;
    Evaluation evaluation;
    if (!evaluate_run(made, images, NULL, &evaluation, NULL, &err)) fail_msg("%s", err.text);
    double loss = oracle_number(row, "ce"), off = fabs(evaluation.loss - loss);
    assert_true((double)evaluation.images == oracle_number(row, "n"));
    assert_true((double)evaluation.correct == oracle_number(row, "correct"));
    assert_true(off <= 2e-5 || off <= 1e-6 * loss);
    evaluation_done(&evaluation);
}

static void compare_sratio(const Network *network, const Network *made, double wanted) {
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
    for (const Oracle *o = NULL; (o = oracle_next(o));) {
        json_t *values = oracle_values(o, "lowpass");
        Filter setting = open_setting(o, values);
        compare_evaluation(setting.network, setting.images, json_object_get(values, "unfiltered"));
        close_setting(&setting);
        json_decref(values);
    }
}

typedef Network *Change(const Network *network, const json_t *row, const bool *chosen, Error *err);

/* Of each row that there is time for, `change` of the network. */
static void check_rows(const Oracle *oracle, const char *name, size_t rows, Change *change) {
    json_t *values = oracle_values(oracle, name), *row;
    const json_t *all = json_object_get(values, "evaluation");
    Filter setting = open_setting(oracle, values);
    Error err;
    size_t index;
    bool *chosen = mem_alloc(setting.network->layer_count, sizeof *chosen, &err);
    assert_non_null(chosen);
    assert_int_equal(json_array_size(all), rows);
    json_array_foreach(all, index, row) {
        if (index % every() != 0) continue;
        choose(setting.network, row, chosen);
        Network *made = change(setting.network, row, chosen, &err);
        if (!made) fail_msg("%s", err.text);
        compare_evaluation(made, setting.images, row);
        const json_t *difference = json_object_get(row, "s_ratio_minus_original_layer_mean");
        if (difference) compare_sratio(setting.network, made, json_number_value(difference));
        network_free(made);
    }
    mem_free(chosen);
    close_setting(&setting);
    json_decref(values);
}

static Network *low_passed(const Network *network, const json_t *row, const bool *chosen, Error *err) {
    return lowpass_apply(network, oracle_number(row, "D0"), LOWPASS_1D, chosen, "lowpass", NULL, err);
}

static void after_lowpass(void **state) {
    (void)state;
    for (const Oracle *o = NULL; (o = oracle_next(o));) check_rows(o, "lowpass", 25, low_passed);
}

static Network *modulated(const Network *network, const json_t *row, const bool *chosen, Error *err) {
    return svscale_apply(network, oracle_number(row, "factor"), 15, chosen, "svscale", NULL, err);
}

static void after_modulation(void **state) {
    (void)state;
    for (const Oracle *o = NULL; (o = oracle_next(o));) check_rows(o, "svdmod", 10, modulated);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(unchanged),
        cmocka_unit_test(after_lowpass),
        cmocka_unit_test(after_modulation),
    };
    return cmocka_run_group_tests(tests, NULL, end);
}
