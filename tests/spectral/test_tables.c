/* test_tables -- spectra, distances and kernels of layers against closed forms and their definitions. */
#include "weft/spectral.h"

#include "../support/handmade.h"
#include "spectral/fourier.h"
#include "weft/base/error.h"
#include "weft/base/fault.h"
#include "weft/base/memory.h"
#include "weft/base/random.h"
#include "weft/base/table.h"
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
    double number;
    assert_non_null(table_get_note(table, key));
    assert_true(text_to_double(table_get_note(table, key), &number));
    return number;
}

static const char *text(const Table *table, const char *column, size_t row) {
    return table_find(table, column)->cells[row].text;
}

/* ---- spectra ----------------------------------------------------------------------------------------------------- */

static void singular_values(void **state) {
    (void)state;
    Error err;
    const HandmadeLayer layer = {"conv", 4, {3, 4, 1, 1}};
    const float weights[] = {0, 1, 0, 0, -3, 0, 0, 0, 0, 0, 0, 2};
    Network *network = handmade_network(&layer, 1, 0);
    memcpy(handmade_weights(network, 0), weights, sizeof weights);
    Table *table = spectrum_table(network, 0, NULL, false, &err);
    assert_non_null(table);
    assert_int_equal(table->rows, 3);
    const double sigma[] = {3, 2, 1}, fractions[] = {9.0 / 14, 13.0 / 14, 1};
    for (size_t i = 0; i < 3; i++) {
        assert_true(table_number(table, "index", i) == (double)(i + 1));
        assert_true(fabs(table_number(table, "sigma", i) - sigma[i]) < 1e-14);
        assert_true(fabs(table_number(table, "energy_fraction", i) - fractions[i]) < 1e-14);
    }
    assert_true(fabs(note(table, "s_ratio") - 9.0 / 14) < 1e-9);
    assert_true(note(table, "energy") == 14 && note(table, "rows") == 3 && note(table, "columns") == 4);
    assert_string_equal(table_get_note(table, "layer"), "conv");
    table_free(table);
    memset(handmade_weights(network, 0), 0, sizeof weights);
    table = spectrum_table(network, 0, NULL, false, &err);
    assert_non_null(table);
    assert_true(isnan(table_number(table, "energy_fraction", 2)));
    assert_null(table_get_note(table, "s_ratio"));
    table_free(table);
    network_free(network);
}

/* Sum of |X|^2 over all bins = n times the sum of x^2, conjugate bins counted by `twins`; forward and back is n. */
static void parseval(void **state) {
    (void)state;
    static const size_t sizes[][3] = {{1, 1, 1}, {1, 1, 9}, {1, 3, 3}, {1, 4, 4}, {1, 5, 5}, {1, 1, 16}, {1, 7, 7},
                                      {1, 2, 6}, {1, 6, 1}, {3, 3, 3}, {2, 4, 5}, {4, 1, 6}, {5, 2, 1}};
    for (size_t s = 0; s < sizeof sizes / sizeof *sizes; s++) {
        Error err;
        Fourier fourier;
        float kept[128];
        Rng rng = {.seed = s};
        double here = 0, there = 0;
        assert_true(fourier_init(&fourier, sizes[s], &err));
        size_t n = fourier.elements;
        float *last = fourier.real + (fourier.batch - 1) * n;
        for (size_t i = 0; i < n; i++) {
            kept[i] = last[i] = (float)rng_normal(&rng);
            here += (double)kept[i] * (double)kept[i];
        }
        fourier_forward(&fourier);
        for (size_t i = 0; i < fourier.bins; i++) {
            const float *value = fourier.spectrum[(fourier.batch - 1) * fourier.bins + i];
            size_t at[3];
            unsigned twins;
            fourier_bin(&fourier, i, at, &twins);
            for (size_t axis = 0; axis < 3; axis++) assert_true(2 * at[axis] <= sizes[s][axis]);
            there += twins * ((double)value[0] * (double)value[0] + (double)value[1] * (double)value[1]);
        }
        assert_true(fabs(there - (double)n * here) < 1e-6 * (double)n * here);
        fourier_inverse(&fourier);
        for (size_t i = 0; i < n; i++) {
            assert_true(fabs((double)last[i] / (double)n - (double)kept[i]) < 1e-6);
        }
        fourier_done(&fourier);
    }
}

static void fourier_refuses(void **state) {
    (void)state;
    Error err;
    Fourier fourier;
    assert_false(fourier_init(&fourier, (const size_t[]){1, SIZE_MAX, 2}, &err));
    assert_int_equal(err.status, STATUS_LIMIT);
    assert_false(fourier_init(&fourier, (const size_t[]){1, 30000, 30000}, &err));
    assert_int_equal(err.status, STATUS_LIMIT);
}

/* A single one has magnitude 1 everywhere; a constant c has n c at 0 and nothing elsewhere; a cosine its one bin. */
static void fourier_magnitudes(void **state) {
    (void)state;
    Error err;
    const HandmadeLayer layer = {"conv", 4, {1, 2, 4, 4}};
    Network *network = handmade_network(&layer, 1, 0);
    float *weights = handmade_weights(network, 0);
    /* 1d of 16: 0 .. 8; 2d of 4 x 4: squares 0 1 2 4 5 8 */
    const double radial[] = {0, 1, M_SQRT2, 2, 2.23606797749979, 2.8284271247461903};
    memset(weights, 0, 32 * sizeof *weights);
    weights[5] = 1;
    weights[16 + 9] = -3;
    Table *table = spectrum_table(network, 0, NULL, true, &err);
    assert_non_null(table);
    assert_int_equal(table->rows, 9 + 6);
    for (size_t i = 0; i < 15; i++) {
        assert_string_equal(text(table, "mode", i), i < 9 ? "1d" : "2d");
        assert_true(fabs(table_number(table, "frequency", i) - (i < 9 ? (double)i : radial[i - 9])) < 1e-14);
        assert_true(fabs(table_number(table, "magnitude", i) - 2) < 1e-6); /* the mean of 1 and 3 */
    }
    assert_true(note(table, "kernels") == 2);
    assert_string_equal(table_get_note(table, "kernel_size"), "4x4");
    assert_string_equal(table_get_note(table, "layer"), "conv");
    table_free(table);
    for (size_t i = 0; i < 32; i++) weights[i] = 0.5F;
    table = spectrum_table(network, 0, NULL, true, &err);
    assert_non_null(table);
    for (size_t i = 0; i < 15; i++) {
        assert_true(fabs(table_number(table, "magnitude", i) - (i == 0 || i == 9 ? 8 : 0)) < 1e-6);
    }
    table_free(table);
    /* cos(2 pi column / 4): two of the four bins of radius 1 hold 8 each; flattened, it is frequency 4 of 16. */
    for (size_t i = 0; i < 32; i++) weights[i] = i % 4 == 0 ? 1 : i % 4 == 2 ? -1 : 0;
    table = spectrum_table(network, 0, NULL, true, &err);
    assert_non_null(table);
    for (size_t i = 0; i < 15; i++) {
        assert_true(fabs(table_number(table, "magnitude", i) - (i == 4 ? 8 : i == 10 ? 4 : 0)) < 1e-6);
    }
    table_free(table);
    network_free(network);
}

static void fourier_of_points_and_linear_layers(void **state) {
    (void)state;
    Error err;
    const HandmadeLayer layers[] = {{"point", 4, {2, 1, 1, 1}}, {"fc", 2, {3, 3}}, {"none", 4, {0, 1, 3, 3}}};
    Network *network = handmade_network(layers, 3, 0);
    handmade_weights(network, 0)[0] = -1;
    handmade_weights(network, 0)[1] = 4;
    Table *table = spectrum_table(network, 0, NULL, true, &err);
    assert_non_null(table);
    assert_int_equal(table->rows, 1);
    assert_true(table_number(table, "magnitude", 0) == 2.5);
    table_free(table);
    assert_null(spectrum_table(network, 1, NULL, true, &err));
    assert_int_equal(err.status, STATUS_USAGE);
    assert_non_null(strstr(err.text, "layer 'fc'"));
    assert_null(spectrum_table(network, 2, NULL, true, &err));
    assert_int_equal(err.status, STATUS_USAGE);
    table = spectrum_table(network, 2, NULL, false, &err);
    assert_non_null(table);
    assert_int_equal(table->rows, 0);
    table_free(table);
    handmade_weights(network, 0)[1] = NAN;
    for (unsigned fft = 0; fft < 2; fft++) {
        assert_null(spectrum_table(network, 0, NULL, fft, &err));
        assert_int_equal(err.status, STATUS_BAD_INPUT);
        assert_non_null(strstr(err.text, "layer 'point': weight 1"));
    }
    network_free(network);
}

/* ---- distances --------------------------------------------------------------------------------------------------- */

static void distances(void **state) {
    (void)state;
    Error err;
    const HandmadeLayer layers[] = {
        {"one", 4, {1, 1, 1, 2}}, {"fc", 2, {1, 2}}, {"gone", 2, {1, 1}}, {"shape", 2, {2, 3}}};
    const HandmadeLayer others[] = {
        {"fc", 2, {1, 2}}, {"new", 2, {1, 1}}, {"one", 4, {1, 1, 1, 2}}, {"shape", 2, {3, 2}}};
    Network *a = handmade_network(layers, 4, 1), *b = handmade_network(others, 4, 2);
    memcpy(handmade_weights(a, 0), (float[]){3, 4}, 2 * sizeof(float));
    memcpy(handmade_weights(b, 2), (float[]){4, -3}, 2 * sizeof(float)); /* a right angle */
    memcpy(handmade_weights(a, 1), (float[]){1, 2}, 2 * sizeof(float));
    memcpy(handmade_weights(b, 0), (float[]){-1, -2}, 2 * sizeof(float)); /* opposite */
    bool *chosen = handmade_all(a);
    Table *table = distance_table(a, b, chosen, NULL, &err);
    assert_non_null(table);
    assert_int_equal(table->rows, 3);
    static const char *const names[] = {"one", "fc", "all"};
    const double wanted[3][4] = {
        {4, 5, sqrt(2), 0}, {3, sqrt(10), 2, -1}, {3.5, sqrt(70.0 / 4), sqrt(70.0 / 30), -5.0 / 30}};
    static const char *const columns[] = {"mean_abs", "rms", "relative", "cosine"};
    for (size_t i = 0; i < 3; i++) {
        assert_string_equal(text(table, "layer", i), names[i]);
        for (size_t c = 0; c < 4; c++) {
            assert_true(fabs(table_number(table, columns[c], i) - wanted[i][c]) < 1e-14);
        }
    }
    assert_string_equal(table_get_note(table, "unmatched"),
                        "gone (only in the first network), shape (2x3 against 3x2), new (only in the second network)");
    table_free(table);
    handmade_weights(b, 2)[1] = INFINITY;
    table = distance_table(a, b, chosen, NULL, &err);
    assert_non_null(table);
    assert_int_equal(table->rows, 2);
    assert_string_equal(text(table, "layer", 0), "fc");
    assert_true(fabs(table_number(table, "rms", 1) - sqrt(10)) < 1e-14); /* all that are left */
    assert_string_equal(table_get_note(table, "skipped"), "one (infinite weights)");
    table_free(table);
    memset(chosen, 0, 4);
    assert_null(distance_table(a, b, chosen, NULL, &err));
    assert_int_equal(err.status, STATUS_USAGE);
    mem_free(chosen);
    network_free(a);
    network_free(b);
}

static void distance_to_itself_and_to_nothing(void **state) {
    (void)state;
    Error err;
    const HandmadeLayer layer = {"conv", 4, {5, 4, 3, 3}};
    Network *a = handmade_network(&layer, 1, 1), *zero = handmade_network(&layer, 1, 2);
    const bool chosen[] = {true};
    memset(handmade_weights(zero, 0), 0, 180 * sizeof(float));
    Table *table = distance_table(a, a, chosen, NULL, &err);
    assert_non_null(table);
    for (size_t i = 0; i < 2; i++) {
        assert_true(table_number(table, "mean_abs", i) == 0 && table_number(table, "relative", i) == 0);
        assert_true(table_number(table, "cosine", i) <= 1 && table_number(table, "cosine", i) > 1 - 1e-15);
    }
    assert_null(table_get_note(table, "unmatched"));
    table_free(table);
    table = distance_table(zero, a, chosen, NULL, &err);
    assert_non_null(table);
    assert_true(isnan(table_number(table, "relative", 0)) && isnan(table_number(table, "cosine", 0)));
    assert_true(table_number(table, "rms", 0) > 0);
    table_free(table);
    network_free(a);
    network_free(zero);
}

/* ---- kernels ----------------------------------------------------------------------------------------------------- */

static void kernels(void **state) {
    (void)state;
    Error err;
    const HandmadeLayer layers[] = {{"conv", 4, {2, 3, 2, 4}}, {"fc", 2, {2, 3}}};
    Network *network = handmade_network(layers, 2, 1);
    Table *table = kernels_table(network, 0, NULL, NULL, &err);
    assert_non_null(table);
    assert_int_equal(table->rows, 48);
    for (size_t i = 0; i < 48; i++) {
        double filter = table_number(table, "filter", i), channel = table_number(table, "channel", i);
        double row = table_number(table, "row", i), column = table_number(table, "column", i);
        assert_true(((filter * 3 + channel) * 2 + row) * 4 + column == (double)i);
        assert_true(table_number(table, "weight", i) == (double)handmade_weights(network, 0)[i]);
    }
    assert_string_equal(table_get_note(table, "layer"), "conv");
    table_free(table);
    table = kernels_table(network, 1, NULL, NULL, &err);
    assert_non_null(table);
    assert_int_equal(table->rows, 6);
    assert_true(table_number(table, "filter", 5) == 1 && table_number(table, "channel", 5) == 2);
    table_free(table);
    network_free(network);
}

/* The parts of two networks one after the other: both layers, and the second minus the first. */
static void kernels_of_two(void **state) {
    (void)state;
    Error err;
    const HandmadeLayer layers[] = {{"conv", 4, {2, 3, 2, 4}}, {"fc", 2, {2, 3}}};
    const HandmadeLayer others[] = {{"fc", 2, {2, 4}}, {"conv", 4, {2, 3, 2, 4}}};
    static const char *const names[] = {"a", "b", "b - a"};
    Network *a = handmade_network(layers, 2, 1), *b = handmade_network(others, 2, 2);
    Table *table = kernels_table(a, 0, b, names, &err);
    assert_non_null(table);
    assert_int_equal(table->rows, 3 * 48);
    for (size_t i = 0; i < 3 * 48; i++) {
        const double x = (double)handmade_weights(a, 0)[i % 48], y = (double)handmade_weights(b, 1)[i % 48];
        assert_string_equal(table_find(table, "network")->cells[i].text, names[i / 48]);
        assert_true(table_number(table, "weight", i) == (i < 48 ? x : i < 96 ? y : y - x));
        assert_true(table_number(table, "column", i) == (double)(i % 4));
    }
    table_free(table);
    assert_null(kernels_table(a, 1, b, names, &err));
    assert_string_equal(err.text, "layer 'fc' has another shape in the second network: 2x3 against 2x4");
    Network *neither = handmade_network(&(HandmadeLayer){"other", 2, {2, 3}}, 1, 3);
    assert_null(kernels_table(a, 1, neither, names, &err));
    assert_string_equal(err.text, "the second network has no layer 'fc'");
    assert_int_equal(err.status, STATUS_USAGE);
    network_free(neither);
    network_free(a);
    network_free(b);
}

static void spectra_of_two(void **state) {
    (void)state;
    Error err;
    const HandmadeLayer layer = {"conv", 4, {4, 3, 3, 3}};
    Network *a = handmade_network(&layer, 1, 1), *b = handmade_network(&layer, 1, 2);
    for (unsigned fft = 0; fft < 2; fft++) {
        Table *both = spectrum_table(a, 0, b, fft, &err), *first = spectrum_table(a, 0, NULL, fft, &err);
        Table *second = spectrum_table(b, 0, NULL, fft, &err);
        assert_non_null(both);
        assert_int_equal(both->rows, first->rows);
        assert_int_equal(both->column_count, fft ? 5 : 7);
        const char *name = fft ? "magnitude" : "sigma", *vs = fft ? "magnitude_vs" : "sigma_vs";
        for (size_t i = 0; i < both->rows; i++) {
            const double x = table_number(first, name, i), y = table_number(second, name, i);
            assert_true(table_number(both, name, i) == x && table_number(both, vs, i) == y);
            assert_true(table_number(both, fft ? "magnitude_difference" : "sigma_difference", i) == y - x);
        }
        if (!fft) assert_string_equal(table_get_note(both, "s_ratio_vs"), table_get_note(second, "s_ratio"));
        if (!fft) assert_string_equal(table_get_note(both, "energy"), table_get_note(first, "energy"));
        assert_string_equal(table_get_note(both, "layer"), "conv");
        table_free(both);
        table_free(first);
        table_free(second);
    }
    handmade_weights(b, 0)[3] = INFINITY;
    assert_null(spectrum_table(a, 0, b, false, &err));
    assert_non_null(strstr(err.text, "layer 'conv' of the second network"));
    network_free(a);
    network_free(b);
}

/* ---- all tables -------------------------------------------------------------------------------------------------- */

static Table *make(unsigned which, const Network *a, const Network *b, const bool *chosen, Error *err) {
    switch (which) {
    case 0:
        return spectrum_table(a, 0, NULL, false, err);
    case 1:
        return spectrum_table(a, 0, NULL, true, err);
    case 2:
        return distance_table(a, b, chosen, NULL, err);
    case 3:
        return kernels_table(a, 0, NULL, NULL, err);
    case 4:
        return spectrum_table(a, 0, b, false, err);
    default:
        return kernels_table(a, 0, b, (const char *const[]){"a", "b", "c"}, err);
    }
}

static void out_of_memory(void **state) {
    (void)state;
    const HandmadeLayer layers[] = {{"conv", 4, {4, 3, 3, 3}}, {"other", 4, {2, 3, 3, 3}}};
    const HandmadeLayer others[] = {{"conv", 4, {4, 3, 3, 3}}, {"other", 4, {3, 3, 3, 3}}};
    Network *a = handmade_network(layers, 2, 1), *b = handmade_network(others, 2, 2);
    const bool chosen[] = {true, true};
    for (unsigned which = 0; which < 6; which++) {
        for (uint64_t nth = 1;; nth++) {
            Error err = {0};
            spectral_cleanup();
            fault_arm(FAULT_ALLOC, nth, nth % 2 == 0);
            Table *table = make(which, a, b, chosen, &err);
            bool over = fault_disarm() < nth;
            assert_true(over == (table != NULL));
            table_free(table);
            if (over) break;
            assert_int_equal(err.status, STATUS_LIMIT);
        }
    }
    network_free(a);
    network_free(b);
}

static int clean_up(void **state) {
    (void)state;
    spectral_cleanup();
    return 0;
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(singular_values),
        cmocka_unit_test(parseval),
        cmocka_unit_test(fourier_refuses),
        cmocka_unit_test(fourier_magnitudes),
        cmocka_unit_test(fourier_of_points_and_linear_layers),
        cmocka_unit_test(distances),
        cmocka_unit_test(distance_to_itself_and_to_nothing),
        cmocka_unit_test(kernels),
        cmocka_unit_test(kernels_of_two),
        cmocka_unit_test(spectra_of_two),
        cmocka_unit_test(out_of_memory),
    };
    return cmocka_run_group_tests(tests, NULL, clean_up);
}
