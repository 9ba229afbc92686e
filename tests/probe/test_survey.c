/* test_survey -- many networks on the same images: interpolation and planes against PyTorch in float64 (tests/oracle,
 * ../shared/oracle); what is shared, kept or run side by side changes no bit.
 */
#include "weft/probe/compare.h"
#include "weft/probe/survey.h"
#include "weft/spectral.h"

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

#include "../support/oracle.h"
#include "weft/base/error.h"
#include "weft/base/fault.h"
#include "weft/base/memory.h"
#include "weft/base/pool.h"
#include "weft/base/table.h"
#include "weft/base/tensor.h"

enum { LAYERS_MOST = 64 };

static bool slow; /* AddressSanitizer */
static Network *network;
static Dataset *data;

static int begin(void **state) {
    (void)state;
    Error err;
    slow = oracle_slow();
    network = network_load("samples/fashion-resnet8.safetensors", NULL, &err);
    data = dataset_load("sample:fashion-test", slow ? 12 : 150, &err);
    return network && data ? 0 : -1;
}

static int end(void **state) {
    (void)state;
    network_free(network);
    dataset_free(data);
    spectral_cleanup();
    return 0;
}

static bool *select_layers(const Network *of, const char *selector) {
    Error err;
    bool *chosen = mem_alloc(of->layer_count, sizeof *chosen, &err);
    assert_true(layer_select(of, selector, true, chosen, &err));
    return chosen;
}

static Network *lowpassed(const Network *of, double cutoff, const char *selector) {
    Error err;
    bool *chosen = select_layers(of, selector);
    Network *made = lowpass_apply(of, cutoff, LOWPASS_1D, chosen, "test", NULL, &err);
    assert_non_null(made);
    mem_free(chosen);
    return made;
}

/* ---- the oracle: interpolation ----------------------------------------------------------------------------------- */

typedef struct Between {
    const Network *a, *b;
    double alpha[16];
} Between;

static Network *make_between(void *context, size_t point, Error *err) {
    const Between *between = context;
    return mix_apply(between->a, between->b, between->alpha[point], NULL, "test", err);
}

static void check_loss(double loss, double expected) {
    assert_true(fabs(loss - expected) <= fmax(2e-5, 1e-6 * expected));
}

static void check_interpolation(const Oracle *oracle) {
    Error err;
    json_t *values = oracle_values(oracle, "interp");
    const json_t *rows = json_object_get(values, "rows");
    Network *base = oracle_network(oracle->network), *other = lowpassed(base, 1, "stage:2");
    Dataset *images = oracle_images(oracle, (uint64_t)oracle_number(json_array_get(rows, 0), "n"));
    Between between = {.a = base, .b = other};
    const size_t points = json_array_size(rows);
    for (size_t i = 0; i < points; i++) between.alpha[i] = oracle_number(json_array_get(rows, i), "alpha");
    bool *layers = select_layers(base, NULL);
    const bool *marks[] = {layers};
    const Survey survey = {.base = base,
                           .data = {images},
                           .data_count = 1,
                           .points = points,
                           .series_count = 1,
                           .layers = marks,
                           .make = make_between,
                           .context = &between,
                           .what = "test"};
    const size_t count = survey_values(&survey);
    double results[16 * 8];
    bool done[16] = {0};
    assert_int_equal(points, 11);
    assert_true(survey_run(&survey, NULL, results, done, NULL, &err));
    for (size_t i = 0; i < points; i++) {
        const json_t *row = json_array_get(rows, i);
        const double *value = results + i * count;
        assert_true(fabs(value[0] - oracle_number(row, "accuracy")) < 1e-9);
        check_loss(value[1], oracle_number(row, "ce"));
        assert_true(fabs(value[4] - oracle_number(row, "distance_rms")) < 1e-8);
    }
    mem_free(layers);
    dataset_free(images);
    network_free(other);
    network_free(base);
    json_decref(values);
}

static void interpolates_as_the_oracle(void **state) {
    (void)state;
    for (const Oracle *o = NULL; (o = oracle_next_quick(o));) check_interpolation(o);
}

/* ---- the oracle: planes ------------------------------------------------------------------------------------------ */

typedef struct Grid {
    Plane *plane;
    const json_t *a, *b;
    size_t columns;
} Grid;

static Network *make_grid(void *context, size_t point, Error *err) {
    const Grid *grid = context;
    return plane_network(grid->plane, json_number_value(json_array_get(grid->a, point % grid->columns)),
                         json_number_value(json_array_get(grid->b, point / grid->columns)), "test", err);
}

static void check_marks(const Plane *plane, const json_t *oracle, const Network *const networks[3]) {
    static const char *const names[] = {"w1", "w2", "w3"};
    Error err;
    for (size_t i = 0; i < 3; i++) {
        double a, b, distance;
        const json_t *mark = json_object_get(json_object_get(oracle, "points"), names[i]);
        assert_true(plane_project(plane, networks[i], &a, &b, &distance, &err));
        assert_true(fabs(a - oracle_number(mark, "a")) < 1e-6 && fabs(b - oracle_number(mark, "b")) < 1e-6);
        assert_true(distance < 1e-4);
    }
}

static void check_plane(const json_t *oracle, const Network *const networks[3], const Dataset *images) {
    Error err;
    double u, v;
    Grid grid = {.plane = plane_through(networks[0], networks[1], networks[2], &err),
                 .a = json_object_get(oracle, "a_grid"),
                 .b = json_object_get(oracle, "b_grid")};
    assert_non_null(grid.plane);
    plane_norms(grid.plane, &u, &v);
    assert_true(fabs(u / oracle_number(oracle, "norm_u") - 1) < 1e-6);
    assert_true(fabs(v / oracle_number(oracle, "norm_v") - 1) < 1e-5);
    check_marks(grid.plane, oracle, networks);
    grid.columns = json_array_size(grid.a);
    const size_t points = grid.columns * json_array_size(grid.b);
    const Survey survey = {.base = networks[0],
                           .data = {images},
                           .data_count = 1,
                           .points = points,
                           .series_count = 1,
                           .make = make_grid,
                           .context = &grid,
                           .what = "test"};
    double results[64 * 8];
    bool done[64] = {0};
    assert_true(survey_run(&survey, NULL, results, done, NULL, &err));
    for (size_t i = 0; i < points; i++) {
        const size_t row = i / grid.columns, column = i % grid.columns;
        const double ce = json_number_value(json_array_get(json_array_get(json_object_get(oracle, "ce"), row), column));
        const double error =
            json_number_value(json_array_get(json_array_get(json_object_get(oracle, "error_percent"), row), column));
        assert_true(fabs(100 - results[i * survey_values(&survey)] - error) < 1e-9);
        check_loss(results[i * survey_values(&survey) + 1], ce);
    }
    plane_free(grid.plane);
}

static void check_planes(const Oracle *oracle) {
    Error err;
    json_t *values = oracle_values(oracle, "plane");
    const json_t *first = json_object_get(values, "plane_a"), *second = json_object_get(values, "plane_b");
    Network *base = oracle_network(oracle->network), *smooth = lowpassed(base, 1, "stage:2"),
            *milder = lowpassed(base, 2, "stage:2");
    Dataset *images = oracle_images(oracle, oracle->own ? (uint64_t)oracle_number(values, "images") : 200);
    bool *third = select_layers(base, "stage:3");
    Network *scaled = svscale_apply(base, 0.5, 15, third, "test", NULL, &err),
            *both = svscale_apply(milder, 0.5, 15, third, "test", NULL, &err);
    assert_true(scaled && both);
    check_plane(first, (const Network *const[]){base, smooth, scaled}, images);
    check_plane(second, (const Network *const[]){base, smooth, both}, images);
    mem_free(third);
    network_free(both);
    network_free(scaled);
    network_free(milder);
    network_free(smooth);
    network_free(base);
    dataset_free(images);
    json_decref(values);
}

static void planes_as_the_oracle(void **state) {
    (void)state;
    for (const Oracle *o = NULL; (o = oracle_next_quick(o));) check_planes(o);
}

/* ---- sharing changes nothing ------------------------------------------------------------------------------------- */

enum { SERIES = 4, CUTOFFS = 3, POINTS = SERIES * CUTOFFS };
static const char *const selectors[SERIES] = {"conv1", "stage:1", "stage:3", "layer2.0.conv2"};

typedef struct Smoothing {
    const Network *base;
    bool *layers[SERIES];
} Smoothing;

static Network *make_smooth(void *context, size_t point, Error *err) {
    const Smoothing *s = context;
    static const double cutoff[CUTOFFS] = {0.7, 2, 6};
    return lowpass_apply(s->base, cutoff[point % CUTOFFS], LOWPASS_1D, s->layers[point / CUTOFFS], "test", NULL, err);
}

typedef struct Point {
    Smoothing smoothing;
    size_t series_of[POINTS];
    const bool *marks[SERIES];
    Survey survey;
} Point;

static void set_up(Point *setting) {
    *setting = (Point){.smoothing.base = network};
    for (size_t i = 0; i < SERIES; i++)
        setting->marks[i] = setting->smoothing.layers[i] = select_layers(network, selectors[i]);
    for (size_t i = 0; i < POINTS; i++) setting->series_of[i] = i / CUTOFFS;
    setting->survey = (Survey){.base = network,
                               .data = {data},
                               .data_count = 1,
                               .points = POINTS,
                               .series_of = setting->series_of,
                               .series_count = SERIES,
                               .layers = setting->marks,
                               .make = make_smooth,
                               .context = &setting->smoothing,
                               .what = "test"};
}

static void tear_down(Point *setting) {
    for (size_t i = 0; i < SERIES; i++) mem_free(setting->smoothing.layers[i]);
}

enum { VALUES = 6 };

static void check_against_evaluate(const Point *setting, const double *results) {
    Error err;
    for (size_t i = 0; i < POINTS; i++) {
        Network *made = make_smooth((void *)&setting->smoothing, i, &err);
        Evaluation evaluation;
        assert_true(evaluate_run(made, data, NULL, &evaluation, NULL, &err));
        assert_true(results[i * VALUES] == 100.0 * (double)evaluation.correct / (double)evaluation.images);
        assert_true(results[i * VALUES + 1] == evaluation.loss);
        evaluation_done(&evaluation);
        Table *distance = distance_table(network, made, setting->marks[i / CUTOFFS], NULL, &err);
        assert_true(fabs(results[i * VALUES + 3] - table_number(distance, "relative", distance->rows - 1)) < 1e-12);
        assert_true(fabs(results[i * VALUES + 4] - table_number(distance, "rms", distance->rows - 1)) < 1e-12);
        table_free(distance);
        Table *ratio = sratio_table(network, made, setting->marks[i / CUTOFFS], NULL, &err);
        assert_true(fabs(results[i * VALUES + 2] - strtod(table_get_note(ratio, "mean_difference"), NULL)) < 1e-8);
        table_free(ratio);
        network_free(made);
    }
}

static void sharing_changes_nothing(void **state) {
    (void)state;
    Error err;
    Point setting;
    set_up(&setting);
    assert_int_equal(survey_values(&setting.survey), VALUES);
    double first[POINTS * VALUES];
    for (int way = 0; way < 5; way++) {
        double results[POINTS * VALUES];
        bool done[POINTS] = {0};
        pool_set_threads(way == 3 ? 1 : way == 4 ? POINTS + 1 : 2); /* with 13 threads: one point after the other */
        setting.survey.whole = way == 1;
        if (way == 2) mem_set_budget(1 << 20); /* there is no room for what is shared */
        assert_true(survey_run(&setting.survey, NULL, results, done, NULL, &err));
        mem_set_budget(0);
        if (way == 0) memcpy(first, results, sizeof first);
        for (size_t i = 0; i < POINTS; i++) {
            const double recomputed = results[i * VALUES + VALUES - 1];
            assert_memory_equal(first + i * VALUES, results + i * VALUES, (VALUES - 1) * sizeof *first);
            assert_true(way == 1 || way == 2 || i < CUTOFFS ? recomputed == 100 : recomputed < 100);
        }
    }
    pool_set_threads(0);
    assert_true(first[(POINTS - 1) * VALUES + VALUES - 1] > first[(POINTS - 4) * VALUES + VALUES - 1]);
    check_against_evaluate(&setting, first);
    tear_down(&setting);
}

/* Every count is that of the two evaluations, for networks of another graph too; the base itself has its own numbers.
 * Only the points that are missing are measured. */
static Network *make_compared(void *context, size_t point, Error *err) {
    bool **layers = context;
    if (point == 0) return network_copy(network, err);
    if (point < 3) return lowpass_apply(network, point == 1 ? 0.7 : 4, LOWPASS_1D, layers[0], "test", NULL, err);
    const QuantiseOptions options = {.bits = 3, .activation_bits = 3, .calibration = data, .observer = OBSERVER_MINMAX};
    return quantise_apply(network, &options, layers[0], "test", NULL, err);
}

static void compares_with_the_base(void **state) {
    (void)state;
    enum { COMPARED = 4, WIDTH = 5 };
    Error err;
    bool *layers = select_layers(network, NULL);
    const Survey survey = {.base = network,
                           .data = {data},
                           .data_count = 1,
                           .points = COMPARED,
                           .series_count = 1,
                           .compare = true,
                           .base_point = 0,
                           .make = make_compared,
                           .context = &layers,
                           .what = "test"};
    double results[COMPARED * WIDTH];
    bool done[COMPARED] = {0};
    assert_int_equal(survey_values(&survey), WIDTH);
    assert_string_equal(survey_value_name(&survey, 2), "only");
    assert_string_equal(survey_value_name(&survey, 3), "only_vs");
    assert_string_equal(survey_value_name(&survey, 4), "recomputed (%)");
    results[2 * WIDTH + 2] = -7; /* marked as done: not touched */
    done[2] = true;
    assert_true(survey_run(&survey, NULL, results, done, NULL, &err));
    Evaluation base, other;
    assert_true(evaluate_run(network, data, NULL, &base, NULL, &err));
    for (size_t i = 0; i < COMPARED; i++) {
        if (i == 2) continue;
        Network *made = make_compared(&layers, i, &err);
        assert_true(made && evaluate_run(made, data, NULL, &other, NULL, &err));
        const Comparison comparison = comparison_of(&other, &base);
        assert_true(results[i * WIDTH] == evaluation_accuracy(&other) && results[i * WIDTH + 1] == other.loss);
        assert_true(results[i * WIDTH + 2] == (double)comparison.pairs.only_a);
        assert_true(results[i * WIDTH + 3] == (double)comparison.pairs.only_b);
        evaluation_done(&other);
        network_free(made);
    }
    assert_true(results[2] == 0 && results[3] == 0 && results[WIDTH + 3] > 0);
    assert_true(results[2 * WIDTH + 2] == -7);
    evaluation_done(&base);
    mem_free(layers);
}

/* A mark that is not the whole truth costs time, and no bit. */
static Network *make_elsewhere(void *context, size_t point, Error *err) {
    (void)point;
    return lowpass_apply(network, 1, LOWPASS_1D, context, "test", NULL, err);
}

static void wrong_marks_do_no_harm(void **state) {
    (void)state;
    Error err;
    bool *early = select_layers(network, "stage:1"), *late = select_layers(network, "stage:3");
    const bool *marks[] = {late};
    const Survey survey = {.base = network,
                           .data = {data},
                           .data_count = 1,
                           .points = 1,
                           .series_count = 1,
                           .layers = marks,
                           .make = make_elsewhere,
                           .context = early,
                           .what = "test"};
    double results[VALUES];
    bool done[1] = {0};
    assert_true(survey_run(&survey, NULL, results, done, NULL, &err));
    Network *made = make_elsewhere(early, 0, &err);
    Evaluation evaluation;
    assert_true(evaluate_run(made, data, NULL, &evaluation, NULL, &err));
    assert_true(results[1] == evaluation.loss && results[VALUES - 1] == 100);
    evaluation_done(&evaluation);
    network_free(made);
    mem_free(early);
    mem_free(late);
}

static void two_datasets(void **state) {
    (void)state;
    Error err;
    Point setting;
    set_up(&setting);
    Dataset *few = dataset_load("sample:fashion-test", 30, &err);
    Survey survey = setting.survey;
    survey.data[1] = few;
    survey.data_count = 2;
    survey.layers = NULL;
    survey.points = 2;
    assert_int_equal(survey_values(&survey), 5);
    assert_string_equal(survey_value_name(&survey, 2), "accuracy_2 (%)");
    double results[10];
    bool done[2] = {0};
    assert_true(survey_run(&survey, NULL, results, done, NULL, &err));
    Network *made = make_smooth(&setting.smoothing, 1, &err);
    Evaluation evaluation;
    assert_true(evaluate_run(made, few, NULL, &evaluation, NULL, &err));
    assert_true(results[8] == evaluation.loss);
    evaluation_done(&evaluation);
    network_free(made);
    dataset_free(few);
    tear_down(&setting);
}

static void without_memory(void **state) {
    (void)state;
    Error err;
    Point setting;
    set_up(&setting);
    pool_set_threads(1);
    for (uint64_t k = 1, seen = k; seen >= k; k += 1 + k / (slow ? 2 : 12)) {
        double results[POINTS * VALUES];
        bool done[POINTS] = {0};
        fault_arm(FAULT_ALLOC, k, false);
        const bool ok = survey_run(&setting.survey, NULL, results, done, NULL, &err);
        seen = fault_disarm();
        if (!ok) assert_int_equal(err.status, STATUS_LIMIT);
    }
    pool_set_threads(0);
    tear_down(&setting);
}

/* ---- mixing and planes ------------------------------------------------------------------------------------------- */

static void mixes(void **state) {
    (void)state;
    Error err;
    Network *other = lowpassed(network, 1, "stage:2");
    const double alphas[] = {0, 1, 0.25, -1, 3};
    for (size_t k = 0; k < 5; k++) {
        Network *mixed = mix_apply(network, other, alphas[k], NULL, "test", &err);
        assert_non_null(mixed);
        for (size_t i = 0; i < network->tensor_count; i++) {
            const Tensor *a = network->tensors[i].tensor, *b = other->tensors[i].tensor, *m = mixed->tensors[i].tensor;
            for (uint64_t j = 0; j < a->count; j++)
                assert_true(m->data[j] ==
                            (float)((1 - alphas[k]) * (double)a->data[j] + alphas[k] * (double)b->data[j]));
        }
        network_free(mixed);
    }
    assert_null(mix_apply(network, other, NAN, NULL, "test", &err));
    assert_int_equal(err.status, STATUS_USAGE);
    assert_null(mix_apply(network, other, 1e45, NULL, "test", &err));
    network_free(other);
}

static void refuses_other_networks(void **state) {
    (void)state;
    Error err;
    const ArchitectureRequest request = {.architecture = "resnet14", .in_channels = 1, .classes = 10},
                              wider = {.architecture = "resnet8",
                                       .widths = {20},
                                       .width_count = 1,
                                       .in_channels = 1,
                                       .classes = 10};
    Network *deeper = network_create(&request, 1, "test", &err), *wide = network_create(&wider, 1, "test", &err);
    assert_true(deeper && wide);
    assert_false(mix_check(network, deeper, &err));
    assert_non_null(strstr(err.text, "only the second network has 'layer1.1.conv1.weight'"));
    assert_false(mix_check(network, wide, &err));
    assert_non_null(strstr(err.text, "different shapes"));
    assert_null(plane_through(network, deeper, wide, &err));
    network_free(deeper);
    network_free(wide);
}

static void degenerate_planes(void **state) {
    (void)state;
    Error err;
    Network *other = lowpassed(network, 1, "stage:2"), *half = mix_apply(network, other, 0.5, NULL, "test", &err);
    assert_null(plane_through(network, network, other, &err));
    assert_non_null(strstr(err.text, "first two"));
    assert_null(plane_through(network, other, network, &err));
    assert_non_null(strstr(err.text, "the third"));
    assert_null(plane_through(network, other, half, &err));
    assert_non_null(strstr(err.text, "one line"));
    assert_int_equal(err.status, STATUS_USAGE);
    network_free(half);
    network_free(other);
}

static void planes_hold_their_networks(void **state) {
    (void)state;
    Error err;
    Network *other = lowpassed(network, 1, "stage:2"), *third = lowpassed(network, 2, "stage:1");
    Plane *plane = plane_through(network, other, third, &err);
    assert_non_null(plane);
    const double places[][2] = {{0, 0}, {1, 0}};
    const Network *const held[] = {network, other};
    for (size_t k = 0; k < 2; k++) {
        Network *at = plane_network(plane, places[k][0], places[k][1], "test", &err);
        for (size_t i = 0; i < network->tensor_count; i++)
            assert_memory_equal(at->tensors[i].tensor->data, held[k]->tensors[i].tensor->data,
                                at->tensors[i].tensor->count * sizeof(float));
        network_free(at);
    }
    double a, b, distance;
    Network *at = plane_network(plane, -0.75, 1.5, "test", &err);
    assert_true(plane_project(plane, at, &a, &b, &distance, &err));
    assert_true(fabs(a + 0.75) < 1e-6 && fabs(b - 1.5) < 1e-6 && distance < 1e-4);
    network_free(at);
    plane_free(plane);
    network_free(other);
    network_free(third);
}

static double filter_norm(const Tensor *tensor, uint64_t filter, const Tensor *from) {
    const uint64_t each = tensor->count / tensor->dim[0];
    double sum = 0;
    for (uint64_t j = filter * each; j < (filter + 1) * each; j++) {
        const double value = (double)tensor->data[j] - (from ? (double)from->data[j] : 0);
        sum += value * value;
    }
    return sqrt(sum);
}

static void random_directions_have_the_filters_norms(void **state) {
    (void)state;
    Error err;
    Plane *plane = plane_random(network, 2, 7, &err), *again = plane_random(network, 2, 7, &err),
          *another = plane_random(network, 2, 8, &err), *line = plane_random(network, 1, 7, &err);
    Network *at[4] = {plane_network(plane, 1, 0, "test", &err), plane_network(again, 1, 0, "test", &err),
                      plane_network(another, 1, 0, "test", &err), plane_network(line, 1, 5, "test", &err)};
    for (size_t i = 0; i < network->layer_count; i++) {
        const Tensor *weight = layer_weight(network, &network->layers[i]),
                     *moved = layer_weight(at[0], &at[0]->layers[i]);
        for (uint64_t f = 0; f < weight->dim[0]; f++)
            assert_true(fabs(filter_norm(moved, f, weight) / filter_norm(weight, f, NULL) - 1) < 1e-4);
        assert_memory_equal(moved->data, layer_weight(at[1], &at[1]->layers[i])->data, moved->count * sizeof(float));
        assert_memory_equal(moved->data, layer_weight(at[3], &at[3]->layers[i])->data, moved->count * sizeof(float));
        assert_memory_not_equal(moved->data, layer_weight(at[2], &at[2]->layers[i])->data,
                                moved->count * sizeof(float));
    }
    double u, v;
    plane_norms(plane, &u, &v);
    assert_true(fabs(u / v - 1) < 1e-6); /* both have the network's norm */
    for (size_t i = 0; i < 4; i++) network_free(at[i]);
    plane_free(plane);
    plane_free(again);
    plane_free(another);
    plane_free(line);
}

int main(void) {
    const struct CMUnitTest tests[] = {cmocka_unit_test(interpolates_as_the_oracle),
                                       cmocka_unit_test(planes_as_the_oracle),
                                       cmocka_unit_test(sharing_changes_nothing),
                                       cmocka_unit_test(compares_with_the_base),
                                       cmocka_unit_test(wrong_marks_do_no_harm),
                                       cmocka_unit_test(two_datasets),
                                       cmocka_unit_test(without_memory),
                                       cmocka_unit_test(mixes),
                                       cmocka_unit_test(refuses_other_networks),
                                       cmocka_unit_test(degenerate_planes),
                                       cmocka_unit_test(planes_hold_their_networks),
                                       cmocka_unit_test(random_directions_have_the_filters_norms)};
    return cmocka_run_group_tests(tests, begin, end);
}
