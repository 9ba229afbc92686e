/* test_svscale -- singular-value modulation: what becomes of the singular values, and of everything else. */
#include "weft/spectral.h"

#include "../support/handmade.h"
#include "weft/base/error.h"
#include "weft/base/fault.h"
#include "weft/base/memory.h"
#include "weft/base/pool.h"
#include "weft/base/tensor.h"

#include <float.h>
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>

static const HandmadeLayer layers[] = {
    {"wide", 4, {12, 8, 3, 3}}, {"tall", 4, {40, 1, 3, 3}}, {"narrow", 4, {1, 4, 3, 3}},
    {"empty", 4, {0, 2, 3, 3}}, {"fc", 2, {10, 32}},
};
enum { LAYERS = sizeof layers / sizeof *layers, VALUES_MAX = 40 };

static size_t sigma_of(const Network *network, size_t layer, double *sigma) {
    Error err;
    size_t rows, columns;
    layer_matrix(network, &network->layers[layer], &rows, &columns);
    assert_true(
        spectral_singular_values(layer_weight(network, &network->layers[layer])->data, rows, columns, sigma, &err));
    return rows < columns ? rows : columns;
}

static int descending(const void *a, const void *b) {
    double x = *(const double *)a, y = *(const double *)b;
    return x > y ? -1 : x < y;
}

/* The last values are multiplied, the others stay: whatever the factor, whether fewer are there or not. */
static void scales_the_last_values(void **state) {
    (void)state;
    static const struct {
        double factor;
        unsigned last;
    } changes[] = {{0.5, 15}, {0, 3}, {0.9, 1}, {2, 4}, {0, 100}, {0.25, 12}};
    Network *network = handmade_network(layers, LAYERS, 1);
    bool *chosen = handmade_all(network);
    for (size_t t = 0; t < sizeof changes / sizeof *changes; t++) {
        Error err;
        Network *made = svscale_apply(network, changes[t].factor, changes[t].last, chosen, "svscale", NULL, &err);
        assert_non_null(made);
        for (size_t i = 0; i < LAYERS; i++) {
            double before[VALUES_MAX], after[VALUES_MAX];
            size_t values = sigma_of(network, i, before),
                   kept = values > changes[t].last ? values - changes[t].last : 0;
            for (size_t k = kept; k < values; k++) before[k] *= changes[t].factor;
            qsort(before, values, sizeof *before, descending); /* a factor above 1 may change the order */
            sigma_of(made, i, after);
            for (size_t k = 0; k < values; k++) assert_true(fabs(after[k] - before[k]) < 1e-5);
        }
        assert_string_equal(made->lineage[made->lineage_count - 1].key, "svscale");
        network_free(made);
    }
    mem_free(chosen);
    network_free(network);
}

/* diag(5, 3, 2) with the last value halved is diag(5, 3, 1): singular vectors stay. */
static void closed_form(void **state) {
    (void)state;
    Error err;
    const HandmadeLayer layer = {"diagonal", 4, {3, 4, 1, 1}};
    const float weights[] = {0, 5, 0, 0, -3, 0, 0, 0, 0, 0, 0, 2}, wanted[] = {0, 5, 0, 0, -3, 0, 0, 0, 0, 0, 0, 1};
    const bool chosen[] = {true};
    Network *network = handmade_network(&layer, 1, 0);
    memcpy(handmade_weights(network, 0), weights, sizeof weights);
    Network *made = svscale_apply(network, 0.5, 1, chosen, "", NULL, &err);
    assert_non_null(made);
    for (size_t i = 0; i < 12; i++) assert_true(fabsf(handmade_weights(made, 0)[i] - wanted[i]) < 1e-7F);
    network_free(made);
    network_free(network);
}

static void nothing_to_change_changes_nothing(void **state) {
    (void)state;
    Error err;
    Network *network = handmade_network(layers, LAYERS, 2);
    bool *chosen = handmade_all(network);
    handmade_weights(network, 0)[0] = -0.0F;
    handmade_weights(network, 0)[1] = 1e-42F;
    for (unsigned t = 0; t < 2; t++) {
        Network *made = svscale_apply(network, t ? 0.5 : 1, t ? 0 : 15, chosen, "", NULL, &err);
        assert_non_null(made);
        for (size_t i = 0; i < LAYERS; i++) {
            const Tensor *old = layer_weight(network, &network->layers[i]);
            if (old->count > 0) assert_memory_equal(old->data, handmade_weights(made, i), old->count * sizeof(float));
        }
        network_free(made);
    }
    mem_free(chosen);
    network_free(network);
}

static void same_for_any_number_of_threads(void **state) {
    (void)state;
    Error err;
    Network *network = handmade_network(layers, LAYERS, 3), *made[3];
    bool *chosen = handmade_all(network);
    for (unsigned t = 0; t < 3; t++) {
        pool_set_threads(t + 1);
        made[t] = svscale_apply(network, 0.3, 5, chosen, "", NULL, &err);
        assert_non_null(made[t]);
        for (size_t i = 0; i < LAYERS; i++) {
            size_t bytes = layer_weight(network, &network->layers[i])->count * sizeof(float);
            if (bytes > 0) assert_memory_equal(handmade_weights(made[0], i), handmade_weights(made[t], i), bytes);
        }
    }
    pool_set_threads(0);
    for (unsigned t = 0; t < 3; t++) network_free(made[t]);
    mem_free(chosen);
    network_free(network);
}

static void refusals(void **state) {
    (void)state;
    Error err;
    Network *network = handmade_network(layers, LAYERS, 1);
    bool chosen[LAYERS] = {true};
    const double wrong[] = {-0.1, NAN, INFINITY};
    for (size_t i = 0; i < 3; i++) {
        assert_null(svscale_apply(network, wrong[i], 15, chosen, "", NULL, &err));
        assert_int_equal(err.status, STATUS_USAGE);
    }
    assert_null(svscale_apply(network, 1e300, 15, chosen, "", NULL, &err));
    assert_int_equal(err.status, STATUS_USAGE);
    assert_non_null(strstr(err.text, "layer 'wide': factor 1e+300"));
    handmade_weights(network, 0)[7] = NAN;
    for (unsigned t = 0; t < 2; t++) { /* also where nothing is computed */
        Network *same = svscale_apply(network, t, 15, chosen, "", NULL, &err);
        assert_non_null(same);
        assert_ptr_equal(layer_weight(same, &same->layers[0]), layer_weight(network, &network->layers[0]));
        assert_string_equal(same->notes[0].value, "wide (NaN weights)");
        network_free(same);
    }
    chosen[0] = false;
    assert_null(svscale_apply(network, 0.5, 15, chosen, "", NULL, &err));
    assert_string_equal(err.text, "no layer is selected");
    network_free(network);
}

static void out_of_memory(void **state) {
    (void)state;
    Network *network = handmade_network(layers, LAYERS, 1);
    bool *chosen = handmade_all(network);
    for (uint64_t nth = 1;; nth++) {
        Error err = {0};
        fault_arm(FAULT_ALLOC, nth, nth % 2 == 0);
        Network *made = svscale_apply(network, 0.5, 15, chosen, "svscale", NULL, &err);
        bool over = fault_disarm() < nth;
        assert_true(over == (made != NULL));
        network_free(made);
        if (over) break;
        assert_int_equal(err.status, STATUS_LIMIT);
    }
    mem_free(chosen);
    network_free(network);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(scales_the_last_values),
        cmocka_unit_test(closed_form),
        cmocka_unit_test(nothing_to_change_changes_nothing),
        cmocka_unit_test(same_for_any_number_of_threads),
        cmocka_unit_test(refusals),
        cmocka_unit_test(out_of_memory),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
