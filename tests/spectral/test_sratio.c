/* test_sratio -- S_ratio in closed form, against singular values, and its tables: means, pairs, what is left out. */
#include "weft/spectral.h"

#include "../support/handmade.h"
#include "weft/base/error.h"
#include "weft/base/fault.h"
#include "weft/base/memory.h"
#include "weft/base/pool.h"
#include "weft/base/random.h"
#include "weft/base/table.h"
#include "weft/base/task.h"
#include "weft/base/text.h"

#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>

static double note(const Table *table, const char *key) {
    const char *value = table_get_note(table, key);
    double number;
    assert_non_null(value);
    assert_true(text_to_double(value, &number));
    return number;
}

static double ratio_of(const float *matrix, size_t rows, size_t columns, double *energy) {
    Error err;
    double ratio = -1;
    assert_true(spectral_sratio(matrix, rows, columns, &ratio, energy, &err));
    return ratio;
}

/* A diagonal matrix has its diagonal as singular values; of 3 values floor(3/2) = 1 is counted. */
static void closed_forms(void **state) {
    (void)state;
    const float diagonal[] = {0, -3, 0, 0, 2, 0, 0, 0, 0, 0, 0, 1};
    double energy;
    assert_true(fabs(ratio_of(diagonal, 3, 4, &energy) - 9.0 / 14) < 1e-15);
    assert_true(fabs(energy - 14) < 1e-13);
    const float transposed[] = {0, 0, 0, -3, 0, 0, 0, 2, 0, 0, 0, 1};
    assert_true(fabs(ratio_of(transposed, 4, 3, &energy) - 9.0 / 14) < 1e-15);
    const float rank_one[] = {1, 2, 3, 2, 4, 6, -1, -2, -3};
    double ratio = ratio_of(rank_one, 3, 3, &energy);
    assert_true(ratio <= 1 && ratio > 1 - 1e-15);
    assert_true(fabs(energy - 84) < 1e-12);
    const float identity[] = {1, 0, 0, 0, 0, 1, 0, 0, 0, 0, 1, 0, 0, 0, 0, 1};
    assert_true(fabs(ratio_of(identity, 4, 4, &energy) - 0.5) < 1e-15);
}

static void no_ratio(void **state) {
    (void)state;
    const float weights[] = {3, 4, 0, 0}, zeros[6] = {0};
    double energy;
    assert_true(isnan(ratio_of(weights, 1, 4, &energy)));
    assert_true(fabs(energy - 25) < 1e-14);
    assert_true(isnan(ratio_of(weights, 4, 1, &energy)));
    assert_true(isnan(ratio_of(zeros, 2, 3, &energy)));
    assert_true(energy == 0);
    assert_true(isnan(ratio_of(zeros, 0, 3, &energy)));
    assert_true(energy == 0);
}

/* Weights of any size that float32 can hold: squares neither overflow nor vanish in double. */
static void extreme_sizes(void **state) {
    (void)state;
    const float scales[] = {1e-40F, 1e-20F, 1, 1e19F, 1e38F};
    for (size_t s = 0; s < 5; s++) {
        const float weights[] = {2 * scales[s], 0, 0, scales[s]};
        double energy, wanted = 5.0 * (double)scales[s] * (double)scales[s];
        assert_true(fabs(ratio_of(weights, 2, 2, &energy) - 0.8) < 1e-4);
        assert_true(fabs(energy - wanted) < 1e-4 * wanted);
    }
}

/* The Gram matrix's way and the decomposition's agree, wide and tall, also where small values vanish. */
static void gram_against_decomposition(void **state) {
    (void)state;
    static const size_t shapes[][2] = {{16, 27}, {27, 16}, {40, 40}, {3, 200}, {2, 2}};
    for (size_t t = 0; t < 10; t++) {
        size_t rows = shapes[t % 5][0], columns = shapes[t % 5][1], k = rows < columns ? rows : columns;
        float weights[1600];
        double sigma[40], energy, upper = 0, sum = 0;
        Error err;
        Rng rng = {.seed = t};
        for (size_t i = 0; i < rows * columns; i++) {
            double decay = t < 5 ? 1 : pow(0.1, (double)(i / columns)); /* singular values over many orders */
            weights[i] = (float)(rng_normal(&rng) * decay);
        }
        assert_true(spectral_singular_values(weights, rows, columns, sigma, &err));
        for (size_t i = 0; i < k; i++) {
            sum += sigma[i] * sigma[i];
            if (i < k / 2) upper += sigma[i] * sigma[i];
        }
        assert_true(fabs(ratio_of(weights, rows, columns, &energy) - upper / sum) < 1e-14);
        assert_true(fabs(energy - sum) < 1e-13 * sum);
    }
}

static void weights_that_are_not_finite(void **state) {
    (void)state;
    float weights[] = {1, 2, 3, NAN};
    double ratio = 5, energy = 5;
    Error err;
    assert_false(spectral_sratio(weights, 2, 2, &ratio, &energy, &err));
    assert_int_equal(err.status, STATUS_BAD_INPUT);
    assert_true(ratio == 5 && energy == 5);
}

/* ---- tables ------------------------------------------------------------------------------------------------------ */

static const HandmadeLayer layers[] = {
    {"stem", 4, {6, 3, 3, 3}},   {"one", 4, {1, 4, 3, 3}},    {"body.0", 4, {8, 6, 3, 3}},
    {"body.1", 4, {8, 8, 1, 1}}, {"zero", 4, {4, 4, 3, 3}},   {"depth", 4, {8, 1, 5, 5}},
    {"tail", 4, {30, 2, 3, 3}},  {"other", 4, {12, 6, 3, 3}}, {"fc", 2, {10, 8}},
};
enum { LAYERS = sizeof layers / sizeof *layers, CONVOLUTIONS = LAYERS - 1 };

static Network *network_of(uint64_t seed) {
    Network *network = handmade_network(layers, LAYERS, seed);
    memset(handmade_weights(network, 4), 0, 4 * 4 * 9 * sizeof(float));
    return network;
}

static bool *convolutions_of(const Network *network) {
    bool *chosen = handmade_all(network);
    chosen[LAYERS - 1] = false;
    return chosen;
}

static void table_of_one_network(void **state) {
    (void)state;
    Error err;
    Network *network = network_of(1);
    bool *chosen = convolutions_of(network);
    Table *table = sratio_table(network, NULL, chosen, NULL, &err);
    assert_non_null(table);
    assert_int_equal(table->rows, CONVOLUTIONS);
    double sum = 0, last = 0;
    size_t seen = 0;
    for (size_t i = 0; i < CONVOLUTIONS; i++) {
        size_t rows, columns;
        double energy;
        layer_matrix(network, &network->layers[i], &rows, &columns);
        double ratio = ratio_of(handmade_weights(network, i), rows, columns, &energy);
        assert_string_equal(table_find(table, "layer")->cells[i].text, layers[i].name);
        assert_true(table_number(table, "rows", i) == (double)rows);
        assert_true(table_number(table, "columns", i) == (double)columns);
        assert_true(table_number(table, "K", i) == (double)(rows < columns ? rows : columns));
        assert_true(table_number(table, "energy", i) == energy);
        if (i == 1 || i == 4) {
            assert_true(isnan(table_number(table, "s_ratio", i)));
            continue;
        }
        assert_true(table_number(table, "s_ratio", i) == ratio);
        sum += ratio;
        if (seen++ >= 3) last += ratio; /* six have a ratio */
    }
    assert_string_equal(table_get_note(table, "layers"), "8");
    assert_true(fabs(note(table, "mean") - sum / 6) < 1e-9);
    assert_true(fabs(note(table, "mean_last_half") - last / 3) < 1e-9);
    assert_string_equal(table_get_note(table, "skipped"),
                        "one (fewer than 2 singular values), zero (all weights are zero)");
    assert_null(table_get_note(table, "unmatched"));
    table_free(table);
    mem_free(chosen);
    network_free(network);
}

/* Five layers: the last half are three of them. */
static void last_half_of_an_odd_number(void **state) {
    (void)state;
    Error err;
    Network *network = network_of(2);
    bool chosen[LAYERS] = {true, false, true, true, false, true, true};
    Table *table = sratio_table(network, NULL, chosen, NULL, &err);
    assert_non_null(table);
    double last = 0;
    for (size_t i = 2; i < 5; i++) last += table_number(table, "s_ratio", i);
    assert_true(fabs(note(table, "mean_last_half") - last / 3) < 1e-9);
    assert_null(table_get_note(table, "mean_last_half_paper"));
    assert_null(table_get_note(table, "skipped"));
    table_free(table);
    network_free(network);
}

/* `expected`: the mean of the first network, of the second, and the paper's of the last half of the differences. */
static void check_struct(const Network *network, const Network *versus, const bool *chosen, const Table *table,
                         const double expected[3]) {
    Error err;
    Sratio sratio;
    assert_true(sratio_measure(network, versus, chosen, NULL, &sratio, &err));
    assert_true(fabs(sratio.mean.all - expected[0]) < 1e-15 && fabs(sratio.mean_vs.all - expected[1]) < 1e-15);
    assert_true(fabs(sratio.difference.last_half_paper - expected[2]) < 1e-15);
    assert_int_equal(sratio.count, table->rows);
    sratio_done(&sratio);
}

static void table_of_two_networks(void **state) {
    (void)state;
    Error err;
    HandmadeLayer changed[LAYERS];
    memcpy(changed, layers, sizeof layers);
    changed[3].name = "new"; /* body.1 is missing */
    changed[7].dim[0] = 9;   /* other shape */
    HandmadeLayer swap = changed[0];
    changed[0] = changed[6]; /* the order does not matter */
    changed[6] = swap;
    Network *network = network_of(1), *versus = handmade_network(changed, LAYERS, 3);
    bool *chosen = handmade_all(network);
    Table *table = sratio_table(network, versus, chosen, NULL, &err), *first, *second;
    first = sratio_table(network, NULL, chosen, NULL, &err);
    second = sratio_table(versus, NULL, chosen, NULL, &err);
    assert_non_null(table);
    assert_non_null(first);
    assert_non_null(second);
    static const size_t pairs[][2] = {{0, 6}, {1, 1}, {2, 2}, {4, 4}, {5, 5}, {6, 0}};
    assert_int_equal(table->rows, 7);
    assert_string_equal(table_find(table, "layer")->cells[6].text, "fc"); /* linear: a row, but not in the means */
    assert_true(table_number(table, "difference", 6) ==
                table_number(second, "s_ratio", 8) - table_number(first, "s_ratio", 8));
    assert_string_equal(table_get_note(table, "means"), "over the 6 convolutions");
    assert_string_equal(table_get_note(first, "means"), "over the 8 convolutions");
    double means[3] = {0};
    for (size_t i = 0; i < 6; i++) {
        double a = table_number(first, "s_ratio", pairs[i][0]), b = table_number(second, "s_ratio", pairs[i][1]);
        assert_string_equal(table_find(table, "layer")->cells[i].text, layers[pairs[i][0]].name);
        if (i == 1 || i == 3) {
            assert_true(isnan(table_number(table, "difference", i)));
            continue;
        }
        assert_true(table_number(table, "s_ratio", i) == a);
        assert_true(table_number(table, "s_ratio_vs", i) == b);
        assert_true(table_number(table, "difference", i) == b - a);
        means[0] += a / 4, means[1] += b / 4, means[2] += (b - a) / 4;
    }
    assert_true(fabs(note(table, "mean") - means[0]) < 1e-9);
    assert_true(fabs(note(table, "mean_vs") - means[1]) < 1e-9);
    assert_true(fabs(note(table, "mean_difference") - means[2]) < 1e-9);
    assert_non_null(table_get_note(table, "mean_last_half_difference"));
    assert_null(table_get_note(table, "mean_last_half_paper_vs"));
    double last = table_number(table, "difference", 4) + table_number(table, "difference", 5); /* of L = 4 */
    assert_true(fabs(note(table, "mean_last_half_paper_difference") - last * 2 / 4) < 1e-9);
    check_struct(network, versus, chosen, table, (const double[]){means[0], means[1], last * 2 / 4});
    assert_string_equal(table_get_note(table, "unmatched"),
                        "body.1 (only in the first network), other (12x6x3x3 against 9x6x3x3), "
                        "new (only in the second network)");
    assert_string_equal(table_get_note(table, "skipped"),
                        "one (fewer than 2 singular values), zero (all weights are zero)");
    table_free(table);
    table_free(first);
    table_free(second);
    mem_free(chosen);
    network_free(network);
    network_free(versus);
}

/* A selection speaks of the first network; what only the second one has is then no news. */
static void pairs_of_a_selection(void **state) {
    (void)state;
    Error err;
    Network *network = network_of(1), *versus = handmade_network(layers, 1, 3);
    bool chosen[LAYERS] = {true};
    Table *table = sratio_table(versus, network, chosen, NULL, &err);
    assert_non_null(table);
    assert_non_null(strstr(table_get_note(table, "unmatched"), "fc (only in the second network)"));
    table_free(table);
    table = sratio_table(network, versus, chosen, NULL, &err);
    assert_non_null(table);
    assert_null(table_get_note(table, "unmatched"));
    table_free(table);
    chosen[0] = false;
    chosen[2] = true;
    assert_null(sratio_table(network, versus, chosen, NULL, &err));
    assert_int_equal(err.status, STATUS_USAGE);
    assert_non_null(strstr(err.text, "body.0 (only in the first network)"));
    network_free(network);
    network_free(versus);
}

static void wrong_selections(void **state) {
    (void)state;
    Error err;
    Network *network = network_of(1);
    bool chosen[LAYERS] = {false};
    assert_null(sratio_table(network, NULL, chosen, NULL, &err));
    assert_int_equal(err.status, STATUS_USAGE);
    assert_string_equal(err.text, "no layer is selected");
    network_free(network);
}

/* Without a convolution the means are over what there is. */
static void linear_alone(void **state) {
    (void)state;
    Error err;
    Network *network = network_of(1);
    bool chosen[LAYERS] = {[LAYERS - 1] = true};
    Table *table = sratio_table(network, NULL, chosen, NULL, &err);
    assert_non_null(table);
    assert_int_equal(table->rows, 1);
    assert_true(fabs(note(table, "mean") - table_number(table, "s_ratio", 0)) < 1e-9);
    assert_null(table_get_note(table, "means"));
    table_free(table);
    network_free(network);
}

/* They have no ratio, and the means are over the others. */
static void weights_without_a_ratio(void **state) {
    (void)state;
    Error err;
    Network *network = network_of(1), *versus = network_of(1);
    bool *chosen = convolutions_of(network);
    handmade_weights(versus, 2)[5] = INFINITY;
    Table *table = sratio_table(versus, NULL, chosen, NULL, &err);
    assert_non_null(table);
    double sum = 0, count = 0;
    for (size_t i = 0; i < table->rows; i++) {
        const double ratio = table_number(table, "s_ratio", i);
        assert_true(strcmp(table_find(table, "layer")->cells[i].text, "body.0") != 0 || isnan(ratio));
        if (!isnan(ratio)) sum += ratio, count++;
    }
    assert_non_null(strstr(table_get_note(table, "skipped"), "body.0 (infinite weights)"));
    assert_true(fabs(strtod(table_get_note(table, "mean"), NULL) - sum / count) < 1e-8);
    table_free(table);
    table = sratio_table(network, versus, chosen, NULL, &err);
    assert_non_null(strstr(table_get_note(table, "skipped"), "body.0 (infinite weights)"));
    table_free(table);
    for (size_t i = 0; i < versus->layer_count; i++) handmade_weights(versus, i)[0] = NAN;
    table = sratio_table(versus, NULL, chosen, NULL, &err); /* nothing to take a mean of */
    assert_non_null(strstr(table_get_note(table, "skipped"), "body.0 (NaN weights)"));
    assert_null(table_get_note(table, "mean"));
    table_free(table);
    mem_free(chosen);
    network_free(network);
    network_free(versus);
}

static void same_for_any_number_of_threads(void **state) {
    (void)state;
    Error err;
    Network *network = network_of(4);
    bool *chosen = convolutions_of(network);
    Table *one = NULL;
    for (unsigned threads = 1; threads <= 5; threads++) {
        pool_set_threads(threads);
        Table *table = sratio_table(network, NULL, chosen, NULL, &err);
        assert_non_null(table);
        if (!one) {
            one = table;
            continue;
        }
        for (size_t i = 0; i < CONVOLUTIONS; i++) {
            assert_memory_equal(&table_find(one, "s_ratio")->cells[i].real,
                                &table_find(table, "s_ratio")->cells[i].real, sizeof(double));
        }
        table_free(table);
    }
    pool_set_threads(0);
    table_free(one);
    mem_free(chosen);
    network_free(network);
}

static void cancelled(void **state) {
    (void)state;
    Error err;
    Network *network = network_of(1);
    bool *chosen = convolutions_of(network);
    cancel_request();
    Table *table = sratio_table(network, NULL, chosen, NULL, &err);
    cancel_clear();
    assert_null(table);
    assert_int_equal(err.status, STATUS_CANCELLED);
    mem_free(chosen);
    network_free(network);
}

static void out_of_memory(void **state) {
    (void)state;
    Network *network = network_of(1), *versus = handmade_network(layers, LAYERS - 2, 3);
    bool *chosen = convolutions_of(network);
    for (unsigned both = 0; both < 2; both++) {
        for (uint64_t nth = 1;; nth++) {
            Error err = {0};
            fault_arm(FAULT_ALLOC, nth, nth % 2 == 0);
            Table *table = sratio_table(network, both ? versus : NULL, chosen, NULL, &err);
            bool over = fault_disarm() < nth;
            assert_true(over == (table != NULL));
            table_free(table);
            if (over) break;
            assert_int_equal(err.status, STATUS_LIMIT);
        }
    }
    mem_free(chosen);
    network_free(network);
    network_free(versus);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(closed_forms),
        cmocka_unit_test(no_ratio),
        cmocka_unit_test(extreme_sizes),
        cmocka_unit_test(gram_against_decomposition),
        cmocka_unit_test(weights_that_are_not_finite),
        cmocka_unit_test(table_of_one_network),
        cmocka_unit_test(last_half_of_an_odd_number),
        cmocka_unit_test(table_of_two_networks),
        cmocka_unit_test(pairs_of_a_selection),
        cmocka_unit_test(wrong_selections),
        cmocka_unit_test(linear_alone),
        cmocka_unit_test(weights_without_a_ratio),
        cmocka_unit_test(same_for_any_number_of_threads),
        cmocka_unit_test(cancelled),
        cmocka_unit_test(out_of_memory),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
