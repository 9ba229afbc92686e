/* test_synthetic -- S_ratio, low-pass and singular-value modulation against NumPy's values for weights from a formula:
 * tests/oracle/synthetic.json (5x2x3x3, 3x4x1x1, 7x1x3x3, 2x3x5x5; float64). */
#include "weft/spectral.h"

#include "../support/handmade.h"
#include "../support/oracle.h"
#include "weft/base/error.h"

#include <jansson.h>
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <cmocka.h>

static json_t *oracle;

static int open_oracle(void **state) {
    (void)state;
    oracle = oracle_values(oracle_next(NULL), "synthetic");
    return 0;
}

static int close_oracle(void **state) {
    (void)state;
    json_decref(oracle);
    spectral_cleanup();
    return 0;
}

/* The case's weights as a network of one layer. */
static Network *network_of(const json_t *test) {
    HandmadeLayer layer = {.name = "conv", .rank = 4};
    for (size_t i = 0; i < 4; i++) {
        layer.dim[i] = (uint64_t)json_integer_value(json_array_get(json_object_get(test, "shape"), i));
    }
    Network *network = handmade_network(&layer, 1, 0);
    float *weights = handmade_weights(network, 0);
    for (uint64_t i = 0; i < network->tensors[0].tensor->count; i++) {
        weights[i] = (float)((double)((37 * i + i * i) % 23) - 11) / 8;
    }
    return network;
}

static double real_of(const json_t *array, size_t index) {
    return json_number_value(json_array_get(array, index));
}

static void compare(const float *weights, const json_t *wanted, uint64_t count, double tolerance) {
    assert_int_equal(json_array_size(wanted), count);
    for (size_t i = 0; i < count; i++) assert_true(fabs((double)weights[i] - real_of(wanted, i)) <= tolerance);
}

static void sratio_and_singular_values(void **state) {
    (void)state;
    size_t index;
    const json_t *test;
    json_array_foreach(json_object_get(oracle, "cases"), index, test) {
        Error err;
        Network *network = network_of(test);
        const float *weights = handmade_weights(network, 0);
        size_t rows, columns;
        double ratio, energy, sigma[64], sum = 0;
        layer_matrix(network, &network->layers[0], &rows, &columns);
        const json_t *wanted = json_object_get(test, "singular_values");
        assert_true(spectral_sratio(weights, rows, columns, &ratio, &energy, &err));
        assert_true(fabs(ratio - json_number_value(json_object_get(test, "s_ratio"))) < 1e-13);
        assert_true(spectral_singular_values(weights, rows, columns, sigma, &err));
        for (size_t i = 0; i < json_array_size(wanted); i++) {
            assert_true(fabs(sigma[i] - real_of(wanted, i)) < 1e-13 * sigma[0]);
            sum += sigma[i] * sigma[i];
        }
        assert_true(fabs(energy - sum) < 1e-13 * sum);
        network_free(network);
    }
}

static void lowpass_in_three_modes(void **state) {
    (void)state;
    static const char *const keys[] = {"lowpass_1d_D0=1.25", "lowpass_2d_D0=1.25", "lowpass_raw1d_D0=1.25"};
    size_t index;
    const json_t *test;
    json_array_foreach(json_object_get(oracle, "cases"), index, test) {
        Error err;
        Network *network = network_of(test);
        const bool chosen[] = {true};
        for (unsigned mode = LOWPASS_1D; mode <= LOWPASS_RAW; mode++) {
            Network *smooth = lowpass_apply(network, 1.25, (LowpassMode)mode, chosen, "lowpass", NULL, &err);
            assert_non_null(smooth);
            compare(handmade_weights(smooth, 0), json_object_get(test, keys[mode]), network->tensors[0].tensor->count,
                    5e-7);
            network_free(smooth);
        }
        network_free(network);
    }
}

static void singular_value_modulation(void **state) {
    (void)state;
    static const struct {
        const char *key;
        unsigned last;
        double factor;
    } changes[] = {{"svdmod_last15_x0.5", 15, 0.5}, {"svdmod_last2_x0.25", 2, 0.25}};
    size_t index;
    const json_t *test;
    json_array_foreach(json_object_get(oracle, "cases"), index, test) {
        Error err;
        Network *network = network_of(test);
        const bool chosen[] = {true};
        for (size_t i = 0; i < 2; i++) {
            Network *scaled = svscale_apply(network, changes[i].factor, changes[i].last, chosen, "svscale", NULL, &err);
            assert_non_null(scaled);
            compare(handmade_weights(scaled, 0), json_object_get(test, changes[i].key),
                    network->tensors[0].tensor->count, 1.2e-7);
            network_free(scaled);
        }
        network_free(network);
    }
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(sratio_and_singular_values),
        cmocka_unit_test(lowpass_in_three_modes),
        cmocka_unit_test(singular_value_modulation),
    };
    return cmocka_run_group_tests(tests, open_oracle, close_oracle);
}
