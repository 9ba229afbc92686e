/* test_kinds -- layers of every kind in the analyses: S_ratio, low-pass filter and singular-value modulation against
 * NumPy (tests/fixtures/make_layers.py), and the tables of kernels and frequencies. */
#include "weft/base/error.h"
#include "weft/base/memory.h"
#include "weft/base/table.h"
#include "weft/base/tensor.h"
#include "weft/base/text.h"
#include "weft/spectral.h"

#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <cmocka.h>

static Network *network;
static Checkpoint *wanted;

static int begin(void **state) {
    (void)state;
    Error err;
    network = network_load("tests/fixtures/layers.pth", NULL, &err);
    wanted = checkpoint_open("tests/fixtures/layers.npz", &err);
    return network && wanted ? 0 : -1;
}

static int end(void **state) {
    (void)state;
    network_free(network);
    checkpoint_close(wanted);
    spectral_cleanup();
    return 0;
}

static Tensor *array(const char *format, ...) __attribute__((format(printf, 1, 2)));
static Tensor *array(const char *format, ...) {
    char name[128];
    va_list args;
    size_t index;
    Error err;
    va_start(args, format);
    vsnprintf(name, sizeof name, format, args);
    va_end(args);
    return checkpoint_find(wanted, name, &index) ? checkpoint_read_tensor(wanted, index, &err) : NULL;
}

static size_t layer_named(const char *name) {
    size_t index;
    Error err;
    if (!network_find_layer(network, name, &index, &err)) fail_msg("%s", err.text);
    return index;
}

static bool *chosen_by(const char *selector, LayerChoice choice) {
    Error err;
    bool *chosen = mem_alloc(network->layer_count, sizeof *chosen, &err);
    if (!layer_select(network, selector, choice, chosen, &err)) fail_msg("%s", err.text);
    return chosen;
}

static void close_to(const char *what, const float *found, const Tensor *values, double tolerance) {
    assert_non_null(values);
    for (uint64_t i = 0; i < values->count; i++)
        if (!(fabs((double)found[i] - (double)values->data[i]) <= tolerance))
            fail_msg("%s[%llu] is %.9g, not %.9g", what, (unsigned long long)i, (double)found[i],
                     (double)values->data[i]);
}

/* A row for every layer; the means are over the convolutions. */
static void ratios(void **state) {
    (void)state;
    Error err;
    bool *chosen = chosen_by(NULL, CHOOSE_LAYERS);
    Table *table = sratio_table(network, NULL, chosen, NULL, &err);
    if (!table) fail_msg("%s", err.text);
    const Column *names = table_find(table, "layer"), *ratio = table_find(table, "s_ratio");
    double sum = 0, convolutions = 0;
    assert_int_equal(table->rows, network->layer_count);
    for (size_t i = 0; i < table->rows; i++) {
        Tensor *value = array("sratio.%s", names->cells[i].text);
        const bool none = isnan(ratio->cells[i].real); /* the depthwise ones have one singular value */
        assert_non_null(value);
        if (!none && !(fabs(ratio->cells[i].real - (double)*value->data) < 1e-6))
            fail_msg("%s: %.9g, not %.9g", names->cells[i].text, ratio->cells[i].real, (double)*value->data);
        if (none) assert_string_equal(names->cells[i].text, "deconv_depth");
        if (!none && layer_kind_axes(network->layers[layer_named(names->cells[i].text)].kind) > 0)
            sum += ratio->cells[i].real, convolutions++;
        tensor_release(value);
    }
    double mean;
    assert_true(text_to_double(table_get_note(table, "mean"), &mean) && fabs(mean - sum / convolutions) < 1e-8);
    assert_non_null(table_get_note(table, "means"));
    table_free(table);
    mem_free(chosen);
}

/* Kernels of one, two and three axes, plain and transposed. */
static void filtered(void **state) {
    (void)state;
    static const char *const names[] = {"conv1d", "t1d", "up", "conv3d", "t3d", "flat3d"};
    Error err;
    bool *chosen = chosen_by(NULL, CHOOSE_CONVOLUTIONS);
    for (unsigned mode = 0; mode < 2; mode++) {
        Network *made = lowpass_apply(network, 1.25, mode ? LOWPASS_2D : LOWPASS_1D, chosen, "lowpass", NULL, &err);
        if (!made) fail_msg("%s", err.text);
        for (size_t i = 0; i < sizeof names / sizeof *names; i++) {
            Tensor *value = array("lowpass.%s.%s", names[i], mode ? "2d" : "1d");
            close_to(names[i], layer_weight(made, &made->layers[layer_named(names[i])])->data, value, 1e-6);
            tensor_release(value);
        }
        const size_t linear = layer_named("linear");
        assert_ptr_equal(layer_weight(made, &made->layers[linear]), layer_weight(network, &network->layers[linear]));
        network_free(made);
    }
    memset(chosen, 0, network->layer_count);
    chosen[layer_named("tokens")] = true;
    assert_null(lowpass_apply(network, 1, LOWPASS_1D, chosen, "lowpass", NULL, &err));
    assert_string_equal(err.text, "layer 'tokens' is of kind embedding; only convolutions can be used here");
    mem_free(chosen);
}

static void modulated(void **state) {
    (void)state;
    static const char *const names[] = {
        "t1d", "up", "conv3d", "linear", "attention.in_proj_weight", "lstm.weight_hh_l0"};
    Error err;
    bool *chosen = chosen_by("all", CHOOSE_ANY);
    Network *made = svscale_apply(network, 0.5, 2, chosen, "svscale", NULL, &err);
    if (!made) fail_msg("%s", err.text);
    for (size_t i = 0; i < sizeof names / sizeof *names; i++) {
        Tensor *value = array("svscale.%s", names[i]);
        close_to(names[i], layer_weight(made, &made->layers[layer_named(names[i])])->data, value, 1e-6);
        tensor_release(value);
    }
    Table *table = distance_table(network, made, chosen, NULL, &err);
    assert_non_null(table);
    assert_int_equal(table->rows, network->layer_count + 1);
    table_free(table);
    network_free(made);
    mem_free(chosen);
}

/* By default the convolutions; by name anything; without convolutions everything. */
static void choices(void **state) {
    (void)state;
    Error err;
    bool *by_default = chosen_by(NULL, CHOOSE_ANY), *convolutions = chosen_by(NULL, CHOOSE_CONVOLUTIONS);
    bool *less = chosen_by("-conv1d", CHOOSE_ANY), *all = chosen_by("all", CHOOSE_ANY);
    assert_memory_equal(by_default, convolutions, network->layer_count);
    for (size_t i = 0; i < network->layer_count; i++) {
        assert_true(less[i] == (convolutions[i] && i != layer_named("conv1d")));
        assert_true(all[i]);
    }
    mem_free(all);
    all = chosen_by("convolutions", CHOOSE_LAYERS);
    assert_memory_equal(all, convolutions, network->layer_count);
    mem_free(all);
    all = chosen_by("linear,lstm.*", CHOOSE_ANY);
    assert_true(all[layer_named("linear")] && all[layer_named("lstm.weight_ih_l0")] && !all[layer_named("conv1d")]);
    assert_false(layer_select(network, "lstm.*", CHOOSE_CONVOLUTIONS, all, &err));
    assert_string_equal(err.text, "layers 'lstm.*': a recurrent layer; convolutions are asked for");
    assert_false(layer_select(network, "tokens", CHOOSE_CONVOLUTIONS, all, &err));
    assert_string_equal(err.text, "layers 'tokens': an embedding layer; convolutions are asked for");
    mem_free(all);
    mem_free(less);
    mem_free(convolutions);
    mem_free(by_default);
}

/* Of a transposed convolution the filters are its outputs; planes of a third axis stand one under another. */
static void kernels(void **state) {
    (void)state;
    static const struct {
        const char *name;
        size_t filters, channels, rows, columns;
    } cases[] = {{"up", 2, 4, 4, 4}, {"conv1d", 6, 4, 1, 5}, {"conv3d", 4, 2, 9, 3}, {"linear", 5, 6, 1, 1}};
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        Error err;
        const size_t layer = layer_named(cases[i].name), size = cases[i].rows * cases[i].columns;
        const Tensor *weight = layer_weight(network, &network->layers[layer]);
        Table *table = kernels_table(network, layer, NULL, NULL, &err);
        assert_non_null(table);
        assert_int_equal(table->rows, weight->count);
        for (size_t row = 0; row < table->rows; row++) {
            const size_t filter = row / (size * cases[i].channels), channel = row / size % cases[i].channels;
            size_t at = row;
            if (i == 0) at = (channel * cases[i].filters + filter) * size + row % size;
            assert_true(table_number(table, "filter", row) == (double)filter);
            assert_true(table_number(table, "channel", row) == (double)channel);
            assert_true(table_number(table, "row", row) == (double)(row % size / cases[i].columns));
            assert_true(table_number(table, "column", row) == (double)(row % cases[i].columns));
            assert_true(table_number(table, "weight", row) == (double)weight->data[at]);
        }
        assert_true((table_get_note(table, "kernel") != NULL) == (i == 2));
        table_free(table);
    }
}

/* Frequency 0 of every mode is the mean |sum| of a kernel. */
static void frequencies(void **state) {
    (void)state;
    static const struct {
        const char *name, *size, *modes;
    } cases[] = {
        {"conv3d", "3x3x3", "1d 3d"}, {"conv1d", "5", "1d"}, {"up", "4x4", "1d 2d"}, {"flat3d", "1x3x4", "1d 3d"}};
    Error err;
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        const size_t layer = layer_named(cases[i].name);
        const Tensor *weight = layer_weight(network, &network->layers[layer]);
        Table *table = spectrum_table(network, layer, NULL, true, &err);
        char modes[32] = "";
        const char *last = "";
        double mean = 0;
        uint64_t size = 1;
        for (unsigned d = 2; d < weight->rank; d++) size *= weight->dim[d];
        for (uint64_t k = 0; k < weight->count / size; k++) {
            double sum = 0;
            for (uint64_t j = 0; j < size; j++) sum += (double)weight->data[k * size + j];
            mean += fabs(sum) / (double)(weight->count / size);
        }
        assert_non_null(table);
        assert_string_equal(table_get_note(table, "kernel_size"), cases[i].size);
        for (size_t row = 0; row < table->rows; row++) {
            const char *mode = table_find(table, "mode")->cells[row].text;
            if (strcmp(mode, last) != 0) {
                snprintf(modes + strlen(modes), sizeof modes - strlen(modes), "%s%s", *modes ? " " : "", mode);
                assert_true(fabs(table_number(table, "magnitude", row) - mean) < 1e-6);
            }
            last = mode;
        }
        assert_string_equal(modes, cases[i].modes);
        table_free(table);
    }
    assert_null(spectrum_table(network, layer_named("gru.weight_ih_l0"), NULL, true, &err));
    assert_non_null(strstr(err.text, "is of kind recurrent; only convolutions have kernels to transform"));
    Table *table = spectrum_table(network, layer_named("up"), NULL, false, &err);
    assert_string_equal(table_get_note(table, "rows"), "2");
    assert_string_equal(table_get_note(table, "columns"), "64");
    table_free(table);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(ratios),  cmocka_unit_test(filtered), cmocka_unit_test(modulated),
        cmocka_unit_test(choices), cmocka_unit_test(kernels),  cmocka_unit_test(frequencies),
    };
    return cmocka_run_group_tests_name("kinds in spectral", tests, begin, end);
}
