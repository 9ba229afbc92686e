/* test_oracle_weights -- S_ratio, low-pass and singular-value modulation of trained ResNets against the numeric oracle
 * (../shared/oracle: NumPy in float64), and S_ratio's fast way against whole decompositions. */
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
#include <unistd.h>
#include <cmocka.h>

#define ORACLE "../shared/oracle/"
#define CHECKPOINTS "../shared/data/checkpoints/"
#define RESNET20 CHECKPOINTS "resnet20-12fca82f.th"
#define RESNET32 CHECKPOINTS "resnet32-d509ac18.th"
#define RESNET56 CHECKPOINTS "resnet56-4bfd9763.th"

enum { VALUES_MAX = 64 };

static void need(const char *path) {
    if (access(path, R_OK) == 0) return;
    print_message("# skip: %s is not there\n", path);
    skip();
}

static Network *load(const char *path) {
    Error err;
    Network *network = network_load(path, NULL, &err);
    if (!network) fail_msg("%s", err.text);
    return network;
}

static bool *convolutions_of(const Network *network) {
    Error err;
    bool *chosen = mem_alloc(network->layer_count, sizeof *chosen, &err);
    assert_non_null(chosen);
    assert_true(layer_select(network, NULL, true, chosen, &err));
    return chosen;
}

static double member(const json_t *object, const char *name) {
    const json_t *value = json_object_get(object, name);
    assert_true(json_is_number(value));
    return json_number_value(value);
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
    assert_true(table_number(table, "K", row) == member(wanted, "k"));
    assert_true(table_number(table, "rows", row) == member(wanted, "n"));
    assert_true(table_number(table, "columns", row) == member(wanted, "m"));
    assert_true(fabs(table_number(table, "s_ratio", row) - member(wanted, "s_ratio")) < 1e-13);
    assert_true(fabs(table_number(table, "energy", row) / member(wanted, "energy") - 1) < 1e-13);
    const json_t *values = json_object_get(wanted, "singular_values");
    if (!values) return;
    Error err;
    size_t layer;
    assert_true(network_find_layer(network, name, &layer, &err));
    Table *spectrum = spectrum_table(network, layer, false, &err);
    assert_non_null(spectrum);
    assert_int_equal(spectrum->rows, json_array_size(values));
    double first = json_number_value(json_array_get(values, 0));
    for (size_t i = 0; i < spectrum->rows; i++) {
        double sigma = json_number_value(json_array_get(values, i));
        assert_true(fabs(table_number(spectrum, "sigma", i) - sigma) < 1e-13 * first);
    }
    table_free(spectrum);
}

static void sratio_of(const char *path, const char *key) {
    Error err;
    need(path);
    need(ORACLE "sratio.json");
    json_t *oracle = json_load_file(ORACLE "sratio.json", 0, NULL);
    const json_t *wanted = json_object_get(oracle, key), *layers = json_object_get(wanted, "layers");
    const json_t *half = json_object_get(wanted, "last_half_average");
    Network *network = load(path);
    bool *chosen = convolutions_of(network);
    Table *table = sratio_table(network, NULL, chosen, NULL, &err);
    assert_non_null(table);
    assert_int_equal(table->rows, json_array_size(layers));
    for (size_t i = 0; i < table->rows; i++) compare_layer(network, json_array_get(layers, i), table, i);
    assert_true(fabs(note(table, "mean") - member(wanted, "layer_average")) < 1e-9);
    assert_true(fabs(note(table, "mean_last_half") - member(half, "mean")) < 1e-9);
    table_free(table);
    mem_free(chosen);
    network_free(network);
    json_decref(oracle);
}

static void sratio_of_resnet20(void **state) {
    (void)state;
    sratio_of(RESNET20, "resnet20");
}

static void sratio_of_resnet56(void **state) {
    (void)state;
    sratio_of(RESNET56, "resnet56");
}

/* Every convolution of all three: the Gram matrix's way and the decomposition agree far below what is asked. */
static void fast_way_against_decomposition(void **state) {
    (void)state;
    static const char *const paths[] = {RESNET20, RESNET32, RESNET56};
    double worst = 0;
    for (size_t p = 0; p < 3; p++) {
        need(paths[p]);
        Network *network = load(paths[p]);
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
    }
    print_message("# largest difference %.2g\n", worst);
    assert_true(worst < 1e-13);
}

/* The array KEY of the npz holds the new weights of `layer`. */
static void compare_weights(Checkpoint *npz, const char *key, const Network *network, size_t layer, double tolerance) {
    Error err;
    size_t index;
    const Tensor *made = layer_weight(network, &network->layers[layer]);
    assert_true(checkpoint_find(npz, key, &index));
    const CheckpointTensor *entry = checkpoint_tensor(npz, index);
    assert_int_equal(entry->dtype, DTYPE_F64);
    assert_int_equal(entry->count, made->count);
    double *wanted = mem_alloc(entry->count, sizeof *wanted, &err), worst = 0;
    assert_non_null(wanted);
    assert_true(checkpoint_read(npz, index, wanted, &err));
    for (uint64_t i = 0; i < made->count; i++) worst = fmax(worst, fabs((double)made->data[i] - wanted[i]));
    mem_free(wanted);
    if (worst > tolerance) fail_msg("%s: off by %g", key, worst);
}

static void lowpass_of_resnet20(void **state) {
    (void)state;
    static const char *const names[] = {"layer1.0.conv1", "layer2.0.conv1"}, *const modes[] = {"1d", "2d", "raw1d"};
    static const double cutoffs[] = {0.5, 1, 2, 4, 23.53};
    Error err;
    need(RESNET20);
    need(ORACLE "lowpass.npz");
    Network *network = load(RESNET20);
    Checkpoint *npz = checkpoint_open(ORACLE "lowpass.npz", &err);
    assert_non_null(npz);
    bool *chosen = convolutions_of(network);
    for (unsigned mode = LOWPASS_1D; mode <= LOWPASS_RAW; mode++) {
        for (size_t c = 0; c < sizeof cutoffs / sizeof *cutoffs; c++) {
            Network *smooth = lowpass_apply(network, cutoffs[c], (LowpassMode)mode, chosen, "lowpass", NULL, &err);
            assert_non_null(smooth);
            for (size_t n = 0; n < 2; n++) {
                char key[64];
                size_t layer;
                assert_true(network_find_layer(smooth, names[n], &layer, &err));
                snprintf(key, sizeof key, "%s.%s.D0=%g", names[n], modes[mode], cutoffs[c]);
                compare_weights(npz, key, smooth, layer, 5e-7);
            }
            network_free(smooth);
        }
    }
    mem_free(chosen);
    checkpoint_close(npz);
    network_free(network);
}

static void modulation_of_resnet20(void **state) {
    (void)state;
    static const char *const names[] = {"layer1.0.conv1", "layer3.0.conv1"};
    static const double factors[] = {0.5, 0};
    Error err;
    need(RESNET20);
    need(ORACLE "svdmod.npz");
    Network *network = load(RESNET20);
    Checkpoint *npz = checkpoint_open(ORACLE "svdmod.npz", &err);
    assert_non_null(npz);
    bool *chosen = convolutions_of(network);
    for (size_t f = 0; f < 2; f++) {
        Network *made = svscale_apply(network, factors[f], 15, chosen, "svscale", NULL, &err);
        assert_non_null(made);
        for (size_t n = 0; n < 2; n++) {
            char key[64];
            size_t layer;
            assert_true(network_find_layer(made, names[n], &layer, &err));
            snprintf(key, sizeof key, "%s.factor=%g", names[n], factors[f]);
            compare_weights(npz, key, made, layer, 1.2e-7); /* half a unit in the last place of a weight below 2 */
        }
        network_free(made);
    }
    mem_free(chosen);
    checkpoint_close(npz);
    network_free(network);
}

static int clean_up(void **state) {
    (void)state;
    spectral_cleanup();
    return 0;
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(sratio_of_resnet20),
        cmocka_unit_test(sratio_of_resnet56),
        cmocka_unit_test(fast_way_against_decomposition),
        cmocka_unit_test(lowpass_of_resnet20),
        cmocka_unit_test(modulation_of_resnet20),
    };
    return cmocka_run_group_tests(tests, NULL, clean_up);
}
