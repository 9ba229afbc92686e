/* test_sweep -- ranges of numbers, and sweeps: every value reaches the callback to the bit, parts are the network's. */
#include "weft/probe/survey.h"

#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>
#include <cmocka.h>

#include "weft/base/error.h"
#include "weft/base/memory.h"
#include "weft/base/table.h"
#include "weft/spectral.h"

static Network *network;
static Dataset *data;

static int begin(void **state) {
    (void)state;
    Error err;
    network = network_load("samples/fashion-resnet8.safetensors", NULL, &err);
    data = dataset_load("sample:fashion-test", 12, &err);
    return network && data ? 0 : -1;
}

static int end(void **state) {
    (void)state;
    network_free(network);
    dataset_free(data);
    spectral_cleanup();
    return 0;
}

/* ---- ranges ------------------------------------------------------------------------------------------------------ */

static void expect_range(const char *text, bool whole, bool log, const double *values, size_t count) {
    Error err;
    Range range;
    assert_true(range_read("--over x", text, whole, &range, &err));
    assert_int_equal(range.count, count);
    assert_int_equal(range.log, log);
    for (size_t i = 0; i < count; i++) assert_true(fabs(range.values[i] - values[i]) <= 1e-15 * fabs(values[i]));
    range_done(&range);
}

static void lists_and_ranges(void **state) {
    (void)state;
    expect_range("0.1,-2,1e3", false, false, (const double[]){0.1, -2, 1000}, 3);
    expect_range("0:1:5", false, false, (const double[]){0, 0.25, 0.5, 0.75, 1}, 5);
    expect_range("1:100:3:log", false, true, (const double[]){1, 10, 100}, 3);
    expect_range("1:3:9", true, false, (const double[]){1, 2, 3}, 3);    /* halves are rounded, and come once */
    expect_range("4:4:9", false, false, (const double[]){4}, 1);         /* of no width */
    expect_range("7,1:2:2", false, false, (const double[]){7, 1, 2}, 3); /* a list with a range in it */
    expect_range("0.3:0.7:7", false, false,
                 (const double[]){0.3, 0.3 + 0.4 / 6, 0.3 + 0.8 / 6, 0.5, 0.3 + 1.6 / 6, 0.3 + 2.0 / 6, 0.7}, 7);
}

static void refuse_range(const char *text, bool whole, Status status, const char *reason) {
    Error err;
    Range range;
    assert_false(range_read("--over x", text, whole, &range, &err));
    assert_int_equal(err.status, status);
    assert_non_null(strstr(err.text, "--over x"));
    if (!strstr(err.text, reason)) fail_msg("no '%s' in: %s", reason, err.text);
    range_done(&range);
}

static void no_ranges(void **state) {
    (void)state;
    refuse_range("", false, STATUS_USAGE, "is not a number");
    refuse_range("1,,2", false, STATUS_USAGE, "is not a number");
    refuse_range("nan", false, STATUS_USAGE, "is not a number");
    refuse_range("1.5", true, STATUS_USAGE, "is not a whole number");
    refuse_range("1:2", false, STATUS_USAGE, "MIN:MAX:COUNT");
    refuse_range("1:2:3:lin", false, STATUS_USAGE, "MIN:MAX:COUNT");
    refuse_range("1:inf:3", false, STATUS_USAGE, "MIN:MAX:COUNT");
    refuse_range("1:2:0", false, STATUS_USAGE, "at least two values");
    refuse_range("1:2:1", false, STATUS_USAGE, "at least two values");
    refuse_range("0:2:3:log", false, STATUS_USAGE, "above 0");
    refuse_range("0:1:100001", false, STATUS_LIMIT, "more than 100000 values");
    refuse_range("0:1:100000,2", false, STATUS_LIMIT, "more than 100000 values");
}

/* ---- sweeps ------------------------------------------------------------------------------------------------------ */

static bool *convolutions(void) {
    Error err;
    bool *chosen = mem_alloc(network->layer_count, sizeof *chosen, &err);
    assert_true(layer_select(network, NULL, CHOOSE_CONVOLUTIONS, chosen, &err));
    return chosen;
}

static Network *scaled(void *context, const double values[SWEEP_AXES], const bool *layers, Error *err) {
    (void)context;
    return svscale_apply(network, values[0], (unsigned)values[1], layers, "test", NULL, err);
}

static void add_axis(Sweep *sweep, const char *name, const char *text) {
    Error err;
    SweepAxis *axis = &sweep->axis[sweep->axes++];
    axis->name = mem_copy_text(name, &err);
    assert_true(range_read(name, text, false, &axis->range, &err));
}

/* The series of a split are disjoint, and their layers are those that the label selects. */
static void check_parts(SweepPart part, size_t series) {
    Error err;
    Sweep sweep = {.base = network};
    bool *chosen = convolutions(), *selected = convolutions();
    assert_true(sweep_split(&sweep, part, chosen, &err));
    assert_int_equal(sweep.series_count, series);
    assert_string_equal(sweep.part, sweep_part_name(part));
    for (size_t s = 0; s < series; s++) {
        assert_true(layer_select(network, sweep.series[s].label, CHOOSE_CONVOLUTIONS, selected, &err));
        assert_memory_equal(sweep.series[s].layers, selected, network->layer_count * sizeof *selected);
    }
    mem_free(selected);
    mem_free(chosen);
    sweep_done(&sweep);
}

static void parts(void **state) {
    (void)state;
    check_parts(SWEEP_STAGE, 3);
    check_parts(SWEEP_BLOCK, 3);
    check_parts(SWEEP_LAYER, 7);
}

/* Each point is what the operation gives when it is called with the same numbers. */
static void points_are_the_operation(void **state) {
    (void)state;
    Error err;
    Sweep sweep = {.base = network, .make = scaled};
    Survey survey;
    Findings findings;
    bool *chosen = convolutions();
    add_axis(&sweep, "factor", "0.1:0.9:3");
    add_axis(&sweep, "last", "5,10");
    assert_true(sweep_split(&sweep, SWEEP_STAGE, chosen, &err));
    assert_true(sweep_survey(&sweep, data, &survey, &err));
    assert_int_equal(survey.points, 3 * 3 * 2 + 1);
    assert_true(findings_begin(&survey, &findings, &err));
    assert_int_equal(findings_count(&findings), 0);
    assert_true(survey_run(&survey, NULL, findings.results, findings.done, NULL, &err));
    assert_int_equal(findings_count(&findings), survey.points);
    for (size_t i = 0; i < survey.points; i++) {
        double values[SWEEP_AXES];
        Evaluation evaluation;
        sweep_values(&sweep, i % 6, values);
        Network *made = i < 18 ? scaled(NULL, values, sweep.series[i / 6].layers, &err) : network_copy(network, &err);
        assert_true(evaluate_run(made, data, NULL, &evaluation, NULL, &err));
        assert_true(findings_value(&findings, i, 0) == evaluation_accuracy(&evaluation));
        assert_true(findings_value(&findings, i, 1) == evaluation.loss);
        evaluation_done(&evaluation);
        network_free(made);
    }
    const SweepFacts facts = sweep_facts(&sweep, &findings, &survey);
    assert_true(facts.accuracy == findings_value(&findings, 18, 0) && facts.loss == findings_value(&findings, 18, 1));
    assert_true(facts.recomputed > 0 && facts.recomputed < 100);
    Table *table = sweep_table(&sweep, &findings, &survey, &err);
    assert_int_equal(table->rows, 18);
    for (size_t i = 0; i < 18; i++) {
        assert_true(table_number(table, "factor", i) == sweep.axis[0].range.values[i % 3]);
        assert_true(table_number(table, "last", i) == (i / 3 % 2 ? 10 : 5));
        assert_true(table_number(table, "loss", i) == findings_value(&findings, i, 1));
    }
    table_free(table);
    findings_done(&findings);
    mem_free(chosen);
    sweep_done(&sweep);
}

static void too_many_points(void **state) {
    (void)state;
    Error err;
    Sweep sweep = {.base = network, .make = scaled};
    Survey survey;
    bool *chosen = convolutions();
    add_axis(&sweep, "factor", "0:1:2000");
    add_axis(&sweep, "last", "0:1:501");
    assert_true(sweep_whole(&sweep, chosen, &err));
    assert_false(sweep_survey(&sweep, data, &survey, &err));
    assert_int_equal(err.status, STATUS_LIMIT);
    mem_free(chosen);
    sweep_done(&sweep);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(lists_and_ranges),         cmocka_unit_test(no_ranges),       cmocka_unit_test(parts),
        cmocka_unit_test(points_are_the_operation), cmocka_unit_test(too_many_points),
    };
    return cmocka_run_group_tests(tests, begin, end);
}
