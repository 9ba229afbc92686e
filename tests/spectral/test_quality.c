/* test_quality -- the numbers of `quality` against WeightWatcher's (tests/oracle/make_quality.py), in closed form, and
 * its tables: means, pairs, what is left out and why. */
#include "weft/spectral/quality.h"

#include "spectral/squares.h"
#include "../support/handmade.h"
#include "../support/oracle.h"
#include "weft/base/error.h"
#include "weft/base/fault.h"
#include "weft/base/memory.h"
#include "weft/base/pool.h"
#include "weft/base/random.h"
#include "weft/base/table.h"
#include "weft/base/text.h"

#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>

static Table *table_of(const Network *network, const Network *versus, bool whole) {
    Error err;
    bool *chosen = handmade_all(network);
    Table *table = quality_table(network, versus, chosen, whole, NULL, &err);
    mem_free(chosen);
    if (!table) fail_msg("%s", err.text);
    return table;
}

static int ascending(const void *a, const void *b) {
    const double x = *(const double *)a, y = *(const double *)b;
    return x < y ? -1 : x > y;
}

/* ---- WeightWatcher ----------------------------------------------------------------------------------------------- */

/* Singular values agree to 1e-14 of the largest; what is computed from the small ones loses some digits of that. */
static void compare_number(const Table *table, size_t row, const char *layer, const char *column, double wanted) {
    const double found = table_number(table, column, row);
    if (!(fabs(found - wanted) <= 1e-10 * fmax(fabs(wanted), 1e-3)))
        fail_msg("%s of %s: %.17g, WeightWatcher has %.17g", column, layer, found, wanted);
}

static void compare_layers(const Table *table, const json_t *layers) {
    assert_int_equal(table->rows, json_array_size(layers) + 1);
    for (size_t row = 0; row + 1 < table->rows; row++) {
        const json_t *wanted = json_array_get(layers, row);
        const char *layer = json_string_value(json_object_get(wanted, "layer")), *column;
        const json_t *value;
        assert_string_equal(table_find(table, "layer")->cells[row].text, layer);
        json_object_foreach((json_t *)(uintptr_t)wanted, column, value) {
            /* WeightWatcher's error of alpha is wrong where fewer than 8 eigenvalues are above 1e-5: negative. */
            if (strcmp(column, "alpha_sigma") == 0 && json_number_value(value) < 0) continue;
            if (json_is_number(value)) compare_number(table, row, layer, column, json_number_value(value));
        }
        assert_string_equal(table_find(table, "warning")->cells[row].text,
                            json_string_value(json_object_get(wanted, "warning")));
    }
}

static void compare_with_weightwatcher(const Network *network, bool whole, const char *name) {
    json_t *all = oracle_values(oracle_next(NULL), "quality"), *wanted = json_object_get(all, name);
    assert_non_null(wanted);
    Table *table = table_of(network, NULL, whole);
    compare_layers(table, json_object_get(wanted, "layers"));
    const char *key;
    const json_t *mean;
    json_object_foreach(json_object_get(wanted, "means"), key, mean) {
        compare_number(table, table->rows - 1, "mean", key, json_number_value(mean));
    }
    table_free(table);
    json_decref(all);
}

static void samples(void **state) {
    (void)state;
    const Oracle *own = oracle_next(NULL);
    Network *network = oracle_network(own->network), *deep = oracle_network(own->deep);
    compare_with_weightwatcher(network, false, own->name);
    compare_with_weightwatcher(network, true, "whole");
    compare_with_weightwatcher(deep, false, own->deep_name);
    network_free(network);
    network_free(deep);
}

static const HandmadeLayer shapes[] = {
    {"tall", 2, {30, 24}},      {"few", 2, {10, 64}},        {"square", 2, {40, 40}},      {"conv", 4, {12, 6, 3, 3}},
    {"wide", 4, {6, 12, 3, 3}}, {"depth", 4, {16, 1, 3, 3}}, {"point", 4, {24, 20, 1, 1}}, {"five", 4, {4, 3, 5, 5}},
    {"low_rank", 2, {32, 32}},  {"heavy", 2, {48, 60}},
};
enum { SHAPES = sizeof shapes / sizeof *shapes };

static Network *network_from_formula(void) {
    Network *network = handmade_network(shapes, SHAPES, 1);
    for (size_t l = 0; l < SHAPES; l++) {
        float *weights = handmade_weights(network, l);
        const size_t count = layer_weight(network, &network->layers[l])->count;
        for (size_t i = 0; i < count; i++) {
            const size_t sum = 7919 * i + 104729 * (i * i % 1013) + 31 * (i * i * i % 4093);
            const double w = ((double)(sum % 2039) - 1019) / 512;
            weights[i] = (float)(strcmp(shapes[l].name, "heavy") == 0 ? w * w * w : w);
        }
        for (size_t row = 5; strcmp(shapes[l].name, "low_rank") == 0 && row < 32; row++)
            memcpy(weights + 32 * row, weights + 32 * (row % 5), 32 * sizeof *weights);
    }
    return network;
}

/* All shapes of matrices and slices, small samples, a low rank. */
static void formula(void **state) {
    (void)state;
    Network *network = network_from_formula();
    compare_with_weightwatcher(network, false, "formula");
    network_free(network);
}

/* ---- closed forms ------------------------------------------------------------------------------------------------ */

/* diag(1 .. 12): singular values 1 .. 12. */
static void diagonal(void **state) {
    (void)state;
    Network *network = handmade_network(&(HandmadeLayer){"d", 2, {12, 12}}, 1, 1);
    float *weights = handmade_weights(network, 0);
    memset(weights, 0, 144 * sizeof *weights);
    double spread = 0, entropy = 0;
    for (size_t i = 1; i <= 12; i++) {
        weights[13 * (i - 1)] = i % 2 ? (float)i : -(float)i;
        const double q = (double)i / 78, p = (double)(i * i) / 650 + 1e-10;
        spread -= q * log(q);
        entropy -= p * log(p);
    }
    Table *table = table_of(network, NULL, false);
    assert_true(fabs(table_number(table, "norm", 0) - 650) < 1e-11);
    assert_true(fabs(table_number(table, "frobenius_norm", 0) - sqrt(650)) < 1e-12);
    assert_true(fabs(table_number(table, "spectral_norm", 0) - 144) < 1e-12);
    assert_true(fabs(table_number(table, "sv_max", 0) - 12) < 1e-13);
    assert_true(fabs(table_number(table, "stable_rank", 0) - 650.0 / 144) < 1e-13);
    assert_true(fabs(table_number(table, "effective_rank", 0) - exp(spread)) < 1e-12);
    assert_true(fabs(table_number(table, "entropy", 0) - entropy / log(12)) < 1e-10);
    assert_true(table_number(table, "matrix_rank", 0) == 12);
    table_free(table);
    network_free(network);
}

/* The definition, without a short cut. */
static PowerLaw plain_fit(const double *values, size_t count) {
    PowerLaw best = {.alpha = NAN, .distance = INFINITY};
    for (size_t first = 0; first + 2 <= count; first++) {
        double sum = 0, distance = 0;
        const double n = (double)(count - first);
        for (size_t i = first; i < count; i++) sum += log(values[i] / values[first]);
        const double alpha = 1 + n / sum;
        for (size_t i = first; i < count; i++) {
            const double model = 1 - pow(values[i] / values[first], 1 - alpha);
            distance = fmax(distance, fabs(model - (double)(i - first) / n));
        }
        if (distance < best.distance)
            best = (PowerLaw){alpha, (alpha - 1) / sqrt(n), distance, values[first], values[count - 1], count - first};
    }
    return best;
}

/* Draws from a law with exponent 2.5 above 1, and uniform numbers below: the fit finds both. */
static void pareto(void **state) {
    (void)state;
    enum { BODY = 1000, TAIL = 4000 };
    static double values[BODY + TAIL];
    for (unsigned seed = 0; seed < 4; seed++) {
        Rng rng = {.seed = seed};
        Error err;
        PowerLaw law;
        for (size_t i = 0; i < TAIL; i++) values[i] = pow(1 - rng_uniform(&rng), -1 / 1.5);
        for (size_t i = TAIL; i < BODY + TAIL; i++) values[i] = 0.2 + 0.8 * rng_uniform(&rng);
        qsort(values, BODY + TAIL, sizeof *values, ascending);
        assert_true(power_law_fit(values, BODY + TAIL, &law, &err));
        assert_true(fabs(law.alpha - 2.5) < 4 * law.sigma);
        assert_true(law.xmin > 0.9 && law.tail > 300 && law.distance < 0.02);
        assert_true(law.xmax == values[BODY + TAIL - 1]);
    }
}

/* Quantiles of the law: the distance is that of a sample without luck, 1 / n at most. */
static void pareto_quantiles(void **state) {
    (void)state;
    enum { COUNT = 500 };
    double values[COUNT];
    Error err;
    PowerLaw law;
    for (size_t k = 0; k < COUNT; k++) values[k] = 3 * pow(1 - (double)k / COUNT, -1 / 2.0);
    assert_true(power_law_fit(values, COUNT, &law, &err));
    assert_true(fabs(law.alpha - 3) < 0.05);
    assert_true(law.distance < 2.0 / (double)law.tail + 0.01);
}

static void fit_against_its_definition(void **state) {
    (void)state;
    for (unsigned seed = 0; seed < 20; seed++) {
        double values[300];
        const size_t count = seed == 0 ? 20 : 30 + 13 * seed;
        Rng rng = {.seed = seed};
        Error err;
        PowerLaw law;
        for (size_t i = 0; i < count; i++) values[i] = exp(seed % 2 ? rng_normal(&rng) : 4 * rng_uniform(&rng));
        if (seed == 3) values[1] = values[0];
        qsort(values, count, sizeof *values, ascending);
        assert_true(power_law_fit(values, count, &law, &err));
        const PowerLaw plain = plain_fit(values, count);
        assert_int_equal(law.tail, plain.tail);
        assert_true(law.xmin == plain.xmin && law.xmax == plain.xmax);
        assert_true(fabs(law.alpha / plain.alpha - 1) < 1e-11 && fabs(law.distance - plain.distance) < 1e-12);
        assert_true(fabs(law.sigma / plain.sigma - 1) < 1e-11);
    }
}

static void samples_without_a_fit(void **state) {
    (void)state;
    const double equal[] = {2, 2, 2, 2, 2, 2, 2, 2, 2, 2, 2, 2, 2, 2, 2, 2, 2, 2, 2, 2, 2, 2};
    Error err;
    PowerLaw law;
    for (size_t count = 0; count <= 22; count += 11) {
        assert_true(power_law_fit(equal, count, &law, &err));
        assert_true(isnan(law.alpha) && isnan(law.distance) && isnan(law.xmin));
        assert_int_equal(law.tail, 0);
    }
    assert_true(power_law_fit(equal, 1, &law, &err));
    assert_true(isnan(law.alpha));
    const double two[] = {1, M_E}; /* below 8 values all are the tail: 1 + (2 - 1) / log(e) */
    assert_true(power_law_fit(two, 2, &law, &err));
    assert_true(fabs(law.alpha - 2) < 1e-15 && law.tail == 2);
}

/* Normal numbers follow the law of Marchenko and Pastur; a planted direction is a spike. */
static void random_matrices(void **state) {
    (void)state;
    static const size_t sizes[][2] = {{200, 100}, {300, 60}, {120, 120}};
    for (size_t s = 0; s < 3; s++) {
        const size_t N = sizes[s][0], M = sizes[s][1];
        for (unsigned planted = 0; planted < 2; planted++) {
            Network *network = handmade_network(&(HandmadeLayer){"w", 2, {N, M}}, 1, 7 + s);
            float *weights = handmade_weights(network, 0);
            const double strength = 3 * (sqrt((double)N) + sqrt((double)M)) / sqrt((double)(N * M));
            for (size_t i = 0; planted && i < N * M; i++) weights[i] += (float)(i % 2 ? strength : -strength);
            Table *table = table_of(network, NULL, false);
            const double edge = pow(sqrt((double)N) + sqrt((double)M), 2);
            assert_true(table_number(table, "num_spikes", 0) == planted);
            assert_true(fabs(table_number(table, "spike_share", 0) - 100.0 * planted / (double)M) < 1e-12);
            if (N != M) assert_true(fabs(table_number(table, "lambda_plus", 0) / edge - 1) < 0.1);
            table_free(table);
            network_free(network);
        }
    }
}

/* ---- tables ------------------------------------------------------------------------------------------------------ */

static const HandmadeLayer layers[] = {
    {"stem", 4, {6, 3, 3, 3}}, {"two", 2, {2, 30}},       {"zero", 4, {4, 4, 3, 3}}, {"nan", 4, {8, 4, 3, 3}},
    {"same", 2, {9, 9}},       {"body", 4, {8, 8, 3, 3}}, {"fc", 2, {10, 16}},
};
enum { LAYERS = sizeof layers / sizeof *layers };
#define SKIPPED(whose)                                                                                      \
    "two (fewer than 8 eigenvalues" whose "), zero (all weights are zero" whose "), nan (NaN weights" whose \
    "), same (all eigenvalues are equal" whose ")"

static Network *network_of(uint64_t seed) {
    Network *network = handmade_network(layers, LAYERS, seed);
    memset(handmade_weights(network, 2), 0, 4 * 4 * 9 * sizeof(float));
    handmade_weights(network, 3)[5] = NAN;
    memset(handmade_weights(network, 4), 0, 81 * sizeof(float));
    for (size_t i = 0; i < 9; i++) handmade_weights(network, 4)[10 * i] = 3;
    return network;
}

static void layers_without_numbers(void **state) {
    (void)state;
    Network *network = network_of(1);
    Table *table = table_of(network, NULL, false);
    assert_int_equal(table->rows, LAYERS + 1);
    assert_string_equal(table_find(table, "layer")->cells[LAYERS].text, "mean");
    assert_true(isnan(table_number(table, "xmin", LAYERS)) && isnan(table_number(table, "N", LAYERS)));
    assert_string_equal(table_get_note(table, "skipped"), SKIPPED(""));
    assert_string_equal(table_get_note(table, "means"), "over 3 layers");
    assert_true(
        fabs(table_number(table, "alpha", LAYERS) -
             (table_number(table, "alpha", 0) + table_number(table, "alpha", 5) + table_number(table, "alpha", 6)) /
                 3) < 1e-8);
    static const char *const fits[] = {
        "alpha",          "D",           "xmin",       "xmax",        "num_pl_spikes", "alpha_weighted",
        "log_alpha_norm", "lambda_plus", "num_spikes", "spike_share", "mp_softrank"};
    for (size_t row = 1; row <= 4; row++)
        for (size_t i = 0; i < sizeof fits / sizeof *fits; i++) assert_true(isnan(table_number(table, fits[i], row)));
    assert_true(table_number(table, "stable_rank", 1) >= 1 && table_number(table, "stable_rank", 1) <= 2);
    assert_true(table_number(table, "norm", 2) == 0 && isnan(table_number(table, "stable_rank", 2)));
    assert_true(isnan(table_number(table, "norm", 3)));
    assert_true(fabs(table_number(table, "effective_rank", 4) - 9) < 1e-12);
    assert_true(table_number(table, "num_evals", 5) == 72 && table_number(table, "N", 0) == 6);
    table_free(table);
    network_free(network);
}

/* A whole matrix has the norms of the weights themselves. */
static void whole_matrices(void **state) {
    (void)state;
    Network *network = network_of(1);
    Table *slices = table_of(network, NULL, false), *whole = table_of(network, NULL, true);
    const float *weights = layer_weight(network, &network->layers[5])->data;
    double norm = 0;
    for (size_t i = 0; i < 8 * 8 * 9; i++) norm += (double)weights[i] * (double)weights[i];
    assert_true(fabs(table_number(whole, "norm", 5) / norm - 1) < 1e-13);
    assert_true(fabs(table_number(slices, "norm", 5) / (norm / 2) - 1) < 1e-13);
    assert_true(table_number(whole, "N", 5) == 72 && table_number(whole, "num_evals", 5) == 8);
    assert_true(table_number(whole, "alpha", 6) == table_number(slices, "alpha", 6));
    assert_string_equal(table_get_note(whole, "matrices"), "one for each layer");
    table_free(slices);
    table_free(whole);
    network_free(network);
}

static void two_networks(void **state) {
    (void)state;
    HandmadeLayer changed[LAYERS];
    memcpy(changed, layers, sizeof layers);
    changed[0] = layers[6];
    changed[6] = layers[0];
    changed[6].dim[0] = 7;
    Network *network = network_of(1), *versus = handmade_network(changed, LAYERS, 5);
    Table *table = table_of(network, versus, false), *first = table_of(network, NULL, false);
    Table *second = table_of(versus, NULL, false);
    assert_int_equal(table->rows, LAYERS);
    assert_null(table_find(table, "warning"));
    assert_string_equal(table_find(table, "layer")->cells[5].text, "fc");
    assert_true(table_number(table, "alpha", 5) == table_number(first, "alpha", 6));
    assert_true(table_number(table, "alpha_vs", 5) == table_number(second, "alpha", 0));
    assert_true(table_number(table, "stable_rank_difference", 5) ==
                table_number(second, "stable_rank", 0) - table_number(first, "stable_rank", 6));
    assert_true(isnan(table_number(table, "alpha_difference", 1)) && !isnan(table_number(table, "alpha_vs", 2)));
    assert_string_equal(table_get_note(table, "unmatched"), "stem (6x3x3x3 against 7x3x3x3)");
    assert_non_null(strstr(table_get_note(table, "skipped"), "two (fewer than 8 eigenvalues in the second network)"));
    const double body = table_number(table, "alpha_difference", 4), fc = table_number(table, "alpha_difference", 5);
    assert_true(fabs(table_number(table, "alpha_difference", 6) - (body + fc) / 2) < 1e-13);
    assert_true(fabs(table_number(table, "alpha_vs", 6) - table_number(table, "alpha", 6) - (body + fc) / 2) < 1e-13);
    table_free(table);
    table_free(first);
    table_free(second);
    network_free(network);
    network_free(versus);
}

static void any_number_of_threads(void **state) {
    (void)state;
    Network *network = network_from_formula();
    Table *tables[2];
    for (size_t t = 0; t < 2; t++) {
        pool_set_threads(t == 0 ? 1 : 5);
        tables[t] = table_of(network, network, false);
    }
    pool_set_threads(0);
    for (size_t c = 1; c < tables[0]->column_count; c++)
        for (size_t row = 0; row < SHAPES; row++)
            assert_memory_equal(&tables[0]->columns[c].cells[row], &tables[1]->columns[c].cells[row], sizeof(Cell));
    table_free(tables[0]);
    table_free(tables[1]);
    network_free(network);
}

/* Whatever allocation fails, there is an error and nothing leaks. */
static void memory_runs_out(void **state) {
    (void)state;
    Network *network = network_of(1), *versus = network_of(2);
    bool *chosen = handmade_all(network);
    for (uint64_t nth = 1;; nth++) {
        Error err = {0};
        fault_arm(FAULT_ALLOC, nth, nth % 2 == 0);
        Table *table = quality_table(network, versus, chosen, false, NULL, &err);
        const bool over = fault_disarm() < nth;
        assert_true(over == (table != NULL));
        if (!table) assert_int_equal(err.status, STATUS_LIMIT);
        table_free(table);
        if (over) break;
    }
    mem_free(chosen);
    network_free(network);
    network_free(versus);
}

/* A wide matrix is read as a whole: it takes more than its transpose, and the limit knows. */
static void wide_layers_within_the_limit(void **state) {
    (void)state;
    Error err;
    const HandmadeLayer layer = {"fc", 2, {400, 20000}};
    Network *network = handmade_network(&layer, 1, 3);
    const bool chosen = true;
    Quality quality;
    mem_set_budget(values_bytes(400, 20000) - 1);
    assert_false(quality_measure(network, NULL, &chosen, false, NULL, &quality, &err));
    assert_int_equal(err.status, STATUS_LIMIT);
    mem_set_budget(0);
    assert_true(quality_measure(network, NULL, &chosen, false, NULL, &quality, &err));
    quality_done(&quality);
    network_free(network);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(samples),
        cmocka_unit_test(formula),
        cmocka_unit_test(diagonal),
        cmocka_unit_test(pareto),
        cmocka_unit_test(pareto_quantiles),
        cmocka_unit_test(fit_against_its_definition),
        cmocka_unit_test(samples_without_a_fit),
        cmocka_unit_test(random_matrices),
        cmocka_unit_test(layers_without_numbers),
        cmocka_unit_test(whole_matrices),
        cmocka_unit_test(two_networks),
        cmocka_unit_test(any_number_of_threads),
        cmocka_unit_test(memory_runs_out),
        cmocka_unit_test(wide_layers_within_the_limit),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
