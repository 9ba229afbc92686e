/* test_oracle_weights -- S_ratio, low-pass and singular-value modulation of trained ResNets against NumPy in float64
 * (tests/oracle, ../shared/oracle), and S_ratio's fast way against whole decompositions. */
#include "weft/base/dtype.h"
#include "weft/base/error.h"
#include "weft/base/memory.h"
#include "weft/base/table.h"
#include "weft/base/tensor.h"
#include "weft/base/text.h"
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

enum { VALUES_MAX = 64 };

static bool *convolutions_of(const Network *network) {
    Error err;
    bool *chosen = mem_alloc(network->layer_count, sizeof *chosen, &err);
    assert_non_null(chosen);
    assert_true(layer_select(network, NULL, true, chosen, &err));
    return chosen;
}

static double note(const Table *table, const char *key) {
    double number;
    assert_non_null(table_get_note(table, key));
    assert_true(text_to_double(table_get_note(table, key), &number));
    return number;
}

static void compare_layer(const Network *network, const json_t *wanted, const Table *table, size_t row) {
    const char *name = json_string_value(json_object_get(wanted, "name"));
    assert_string_equal(table_find(table, "layer")->cells[row].text, name);
    assert_true(table_number(table, "K", row) == oracle_number(wanted, "k"));
    assert_true(table_number(table, "rows", row) == oracle_number(wanted, "n"));
    assert_true(table_number(table, "columns", row) == oracle_number(wanted, "m"));
    assert_true(fabs(table_number(table, "s_ratio", row) - oracle_number(wanted, "s_ratio")) < 1e-13);
    assert_true(fabs(table_number(table, "energy", row) / oracle_number(wanted, "energy") - 1) < 1e-13);
    const json_t *values = json_object_get(wanted, "singular_values");
    if (!values) return;
    Error err;
    size_t layer;
    assert_true(network_find_layer(network, name, &layer, &err));
    Table *spectrum = spectrum_table(network, layer, NULL, false, &err);
    assert_non_null(spectrum);
    assert_int_equal(spectrum->rows, json_array_size(values));
    double first = json_number_value(json_array_get(values, 0));
    for (size_t i = 0; i < spectrum->rows; i++) {
        double sigma = json_number_value(json_array_get(values, i));
        assert_true(fabs(table_number(spectrum, "sigma", i) - sigma) < 1e-13 * first);
    }
    table_free(spectrum);
}

static void check_sratio(const json_t *wanted, const char *path) {
    Error err;
    const json_t *layers = json_object_get(wanted, "layers"), *half = json_object_get(wanted, "last_half_average");
    Network *network = oracle_network(path);
    bool *chosen = convolutions_of(network);
    Table *table = sratio_table(network, NULL, chosen, NULL, &err);
    assert_non_null(table);
    assert_int_equal(table->rows, json_array_size(layers));
    for (size_t i = 0; i < table->rows; i++) compare_layer(network, json_array_get(layers, i), table, i);
    assert_true(fabs(note(table, "mean") - oracle_number(wanted, "layer_average")) < 1e-9);
    assert_true(fabs(note(table, "mean_last_half") - oracle_number(half, "mean")) < 1e-9);
    table_free(table);
    mem_free(chosen);
    network_free(network);
}

static void sratio(void **state) {
    (void)state;
    for (const Oracle *o = NULL; (o = oracle_next(o));) {
        json_t *values = oracle_values(o, "sratio");
        check_sratio(json_object_get(values, o->name), o->network);
        check_sratio(json_object_get(values, o->deep_name), o->deep);
        json_decref(values);
    }
}

/* The largest difference between the Gram matrix's way and the decomposition. */
static double difference_of_ways(const char *path) {
    Network *network = oracle_network(path);
    double worst = 0;
    for (size_t l = 0; l < network->layer_count; l++) {
        Error err;
        size_t rows, columns;
        double sigma[VALUES_MAX], ratio, energy, upper = 0, sum = 0;
        const float *weights = layer_weight(network, &network->layers[l])->data;
        layer_matrix(network, &network->layers[l], &rows, &columns);
        size_t values = rows < columns ? rows : columns;
        assert_true(values <= VALUES_MAX);
        assert_true(spectral_sratio(weights, rows, columns, &ratio, &energy, &err));
        assert_true(spectral_singular_values(weights, rows, columns, sigma, &err));
        for (size_t i = 0; i < values; i++) {
            sum += sigma[i] * sigma[i];
            if (i < values / 2) upper += sigma[i] * sigma[i];
        }
        worst = fmax(worst, fabs(ratio - upper / sum));
    }
    network_free(network);
    return worst;
}

/* Both ways agree far below what is asked. */
static void fast_way_against_decomposition(void **state) {
    (void)state;
    double worst = 0;
    for (const Oracle *o = NULL; (o = oracle_next(o));)
        worst = fmax(worst, fmax(difference_of_ways(o->network), difference_of_ways(o->deep)));
    print_message("# largest difference %.2g\n", worst);
    assert_true(worst < 1e-13);
}

/* The array KEY of the npz holds the new weights of a layer; of the sample networks its first filters, and `norms` the
 * norm of all. False where the oracle has no such layer. */
static bool compare_weights(Checkpoint *npz, const json_t *norms, const char *key, const Tensor *made,
                            double tolerance) {
    Error err;
    size_t index;
    if (!checkpoint_find(npz, key, &index)) return false;
    const CheckpointTensor *entry = checkpoint_tensor(npz, index);
    assert_int_equal(entry->dtype, DTYPE_F64);
    assert_true(entry->count <= made->count && (norms || entry->count == made->count));
    double *wanted = mem_alloc(entry->count, sizeof *wanted, &err), worst = 0;
    assert_non_null(wanted);
    assert_true(checkpoint_read(npz, index, wanted, &err));
    for (uint64_t i = 0; i < entry->count; i++) worst = fmax(worst, fabs((double)made->data[i] - wanted[i]));
    mem_free(wanted);
    if (!(worst <= tolerance)) fail_msg("%s: off by %g", key, worst);
    if (!norms) return true;
    const double norm = euclidean_norm(made->data, made->count), all = oracle_number(norms, key);
    if (!(fabs(norm / all - 1) <= 1e-7)) fail_msg("%s: the norm is %.12g, not %.12g", key, norm, all);
    return true;
}

/* Compares every layer of `made` that the oracle has: KEY is LAYER.what. Returns how many these are. */
static unsigned compare_layers(Checkpoint *npz, const json_t *norms, const Network *made, const char *what,
                               double tolerance) {
    unsigned count = 0;
    for (size_t l = 0; l < made->layer_count; l++) {
        char key[128];
        snprintf(key, sizeof key, "%s.%s", made->layers[l].name, what);
        count += compare_weights(npz, norms, key, layer_weight(made, &made->layers[l]), tolerance);
    }
    return count;
}

static void check_lowpass(const Oracle *oracle) {
    static const char *const modes[] = {"1d", "2d", "raw1d"};
    static const double cutoffs[] = {0.5, 1, 2, 4, 23.53};
    Error err;
    Network *network = oracle_network(oracle->network);
    Checkpoint *npz = oracle_arrays(oracle, "lowpass");
    json_t *values = oracle_values(oracle, "lowpass");
    bool *chosen = convolutions_of(network);
    for (unsigned mode = LOWPASS_1D; mode <= LOWPASS_RAW; mode++) {
        for (size_t c = 0; c < sizeof cutoffs / sizeof *cutoffs; c++) {
            char what[64];
            Network *smooth = lowpass_apply(network, cutoffs[c], (LowpassMode)mode, chosen, "lowpass", NULL, &err);
            assert_non_null(smooth);
            snprintf(what, sizeof what, "%s.D0=%g", modes[mode], cutoffs[c]);
            assert_int_equal(compare_layers(npz, json_object_get(values, "l2"), smooth, what, 5e-7), 2);
            network_free(smooth);
        }
    }
    mem_free(chosen);
    json_decref(values);
    checkpoint_close(npz);
    network_free(network);
}

static void lowpass(void **state) {
    (void)state;
    for (const Oracle *o = NULL; (o = oracle_next(o));) check_lowpass(o);
}

static void check_modulation(const Oracle *oracle) {
    static const double factors[] = {0.5, 0};
    Error err;
    Network *network = oracle_network(oracle->network);
    Checkpoint *npz = oracle_arrays(oracle, "svdmod");
    json_t *values = oracle_values(oracle, "svdmod");
    bool *chosen = convolutions_of(network);
    for (size_t f = 0; f < 2; f++) {
        char what[64];
        Network *made = svscale_apply(network, factors[f], 15, chosen, "svscale", NULL, &err);
        assert_non_null(made);
        snprintf(what, sizeof what, "factor=%g", factors[f]);
        /* half a unit in the last place of a weight below 2 */
        assert_int_equal(compare_layers(npz, json_object_get(values, "l2"), made, what, 1.2e-7), 2);
        network_free(made);
    }
    mem_free(chosen);
    json_decref(values);
    checkpoint_close(npz);
    network_free(network);
}

static void modulation(void **state) {
    (void)state;
    for (const Oracle *o = NULL; (o = oracle_next(o));) check_modulation(o);
}

static int clean_up(void **state) {
    (void)state;
    spectral_cleanup();
    return 0;
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(sratio),
        cmocka_unit_test(fast_way_against_decomposition),
        cmocka_unit_test(lowpass),
        cmocka_unit_test(modulation),
    };
    return cmocka_run_group_tests(tests, NULL, clean_up);
}
