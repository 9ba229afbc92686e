/* test_lowpass -- the FFT filter against its definition by plain sums, for odd and even kernel sizes, and as a change
 * of a network. */
#include "weft/spectral.h"

#include "../support/handmade.h"
#include "weft/base/error.h"
#include "weft/base/fault.h"
#include "weft/base/pool.h"
#include "weft/base/random.h"
#include "weft/base/tensor.h"

#include <complex.h>
#include <float.h>
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>
#include <cmocka.h>

#define KERNEL(height, width) ((const size_t[]){1, (height), (width)})

enum { SIDE_MAX = 8, ELEMENTS_MAX = SIDE_MAX * SIDE_MAX };

static double folded(unsigned i, unsigned n) {
    return i < n - i ? i : n - i;
}

static double response(double frequency, double cutoff) {
    return exp(-0.5 * pow(frequency / cutoff, 2));
}

/* One kernel by the definition: transform, multiply with H, transform back, real part; all in double. */
static void filter_by_sums(const float *in, double *out, unsigned kh, unsigned kw, double cutoff, LowpassMode mode) {
    unsigned h = mode == LOWPASS_2D ? kh : 1, w = mode == LOWPASS_2D ? kw : kh * kw;
    double complex spectrum[ELEMENTS_MAX];
    for (unsigned u = 0; u < h; u++) {
        for (unsigned v = 0; v < w; v++) {
            double frequency = mode == LOWPASS_RAW ? v : hypot(u == 0 ? 0 : folded(u, h), v == 0 ? 0 : folded(v, w));
            double complex sum = 0;
            for (unsigned i = 0; i < h * w; i++) {
                double angle = -2 * M_PI * ((double)(u * (i / w)) / h + (double)(v * (i % w)) / w);
                sum += (double)in[i] * cexp(I * angle);
            }
            spectrum[u * w + v] = sum * response(frequency, cutoff);
        }
    }
    for (unsigned i = 0; i < h * w; i++) {
        double complex sum = 0;
        for (unsigned k = 0; k < h * w; k++) {
            double angle = 2 * M_PI * ((double)((k / w) * (i / w)) / h + (double)((k % w) * (i % w)) / w);
            sum += spectrum[k] * cexp(I * angle);
        }
        out[i] = creal(sum) / (h * w);
    }
}

static void fill(float *weights, size_t count, uint64_t seed) {
    Rng rng = {.seed = seed};
    for (size_t i = 0; i < count; i++) weights[i] = (float)rng_normal(&rng);
}

static void equals_the_definition(void **state) {
    (void)state;
    static const unsigned sizes[][2] = {{1, 1}, {2, 2}, {3, 3}, {4, 4}, {5, 5}, {7, 7}, {8, 8},
                                        {1, 7}, {7, 1}, {2, 3}, {4, 3}, {3, 4}, {1, 2}};
    static const double cutoffs[] = {0.3, 1, 2.5, 23.53};
    enum { KERNELS = 3 };
    for (size_t s = 0; s < sizeof sizes / sizeof *sizes; s++) {
        unsigned kh = sizes[s][0], kw = sizes[s][1];
        float in[KERNELS * ELEMENTS_MAX], out[KERNELS * ELEMENTS_MAX];
        double wanted[ELEMENTS_MAX];
        fill(in, KERNELS * kh * kw, s);
        for (size_t c = 0; c < 4; c++) {
            for (unsigned mode = LOWPASS_1D; mode <= LOWPASS_RAW; mode++) {
                Error err;
                assert_true(lowpass_kernels(in, out, KERNELS, KERNEL(kh, kw), cutoffs[c], (LowpassMode)mode, &err));
                for (unsigned k = 0; k < KERNELS; k++) {
                    filter_by_sums(in + k * kh * kw, wanted, kh, kw, cutoffs[c], (LowpassMode)mode);
                    for (unsigned i = 0; i < kh * kw; i++) {
                        assert_true(fabs((double)out[k * kh * kw + i] - wanted[i]) < 1e-6);
                    }
                }
            }
        }
    }
}

/* Many kernels, more than one batch and the last one not full: each comes out as it does alone, also in place. */
static void kernels_do_not_mix(void **state) {
    (void)state;
    Error err;
    enum { KERNELS = 1500, SIZE = 9 };
    static float in[KERNELS * SIZE], out[KERNELS * SIZE], alone[SIZE];
    fill(in, KERNELS * SIZE, 3);
    for (unsigned mode = LOWPASS_1D; mode <= LOWPASS_RAW; mode++) {
        assert_true(lowpass_kernels(in, out, KERNELS, KERNEL(3, 3), 1.5, (LowpassMode)mode, &err));
        for (size_t k = 0; k < KERNELS; k += 101) {
            assert_true(lowpass_kernels(in + k * SIZE, alone, 1, KERNEL(3, 3), 1.5, (LowpassMode)mode, &err));
            assert_memory_equal(alone, out + k * SIZE, sizeof alone);
        }
    }
    assert_true(lowpass_kernels(in, in, KERNELS, KERNEL(3, 3), 1.5, LOWPASS_RAW, &err));
    assert_memory_equal(in, out, sizeof in);
}

/* H(0) = 1 keeps each kernel's mean; a tiny cutoff leaves nothing else, a huge one changes nothing. */
static void limits_of_the_cutoff(void **state) {
    (void)state;
    Error err;
    float in[18], out[18];
    fill(in, 18, 5);
    for (unsigned mode = LOWPASS_1D; mode <= LOWPASS_RAW; mode++) {
        const double cutoffs[] = {1e-300, 5e-324, 1e300, DBL_MAX};
        for (size_t c = 0; c < 4; c++) {
            assert_true(lowpass_kernels(in, out, 2, KERNEL(3, 3), cutoffs[c], (LowpassMode)mode, &err));
            for (size_t i = 0; i < 18; i++) {
                double mean = 0;
                for (size_t j = 0; j < 9; j++) mean += (double)in[i / 9 * 9 + j] / 9;
                assert_true(fabs((double)out[i] - (c < 2 ? mean : (double)in[i])) < 5e-7);
            }
        }
    }
}

static void refusals(void **state) {
    (void)state;
    Error err;
    float in[9] = {0}, out[9] = {7};
    const double wrong[] = {0, -1, NAN, INFINITY};
    for (size_t i = 0; i < 4; i++) {
        assert_false(lowpass_kernels(in, out, 1, KERNEL(3, 3), wrong[i], LOWPASS_1D, &err));
        assert_int_equal(err.status, STATUS_USAGE);
    }
    in[4] = NAN;
    assert_false(lowpass_kernels(in, out, 1, KERNEL(3, 3), 1, LOWPASS_1D, &err));
    assert_int_equal(err.status, STATUS_BAD_INPUT);
    assert_non_null(strstr(err.text, "weight 4 is"));
    in[4] = FLT_MAX;
    assert_false(lowpass_kernels(in, out, 1, KERNEL(3, 3), 1, LOWPASS_1D, &err));
    assert_non_null(strstr(err.text, "too large"));
    assert_true(out[0] == 7);
    assert_true(lowpass_kernels(in, out, 0, KERNEL(3, 3), 1, LOWPASS_1D, &err));
    assert_true(lowpass_kernels(in, out, 5, KERNEL(0, 3), 1, LOWPASS_2D, &err));
    assert_true(out[0] == 7);
}

/* ---- networks ---------------------------------------------------------------------------------------------------- */

static const HandmadeLayer layers[] = {
    {"stem", 4, {6, 3, 3, 3}}, {"body", 4, {40, 30, 3, 3}}, {"empty", 4, {0, 3, 3, 3}},
    {"wide", 4, {4, 6, 5, 5}}, {"point", 4, {8, 4, 1, 1}},  {"fc", 2, {10, 8}},
};
enum { LAYERS = sizeof layers / sizeof *layers };

static void makes_a_new_network(void **state) {
    (void)state;
    Error err;
    Network *network = handmade_network(layers, LAYERS, 1), *before = handmade_network(layers, LAYERS, 1);
    const bool chosen[LAYERS] = {false, true, true, true};
    Network *smooth = lowpass_apply(network, 1.25, LOWPASS_2D, chosen, "lowpass net --cutoff 1.25", NULL, &err);
    assert_non_null(smooth);
    for (size_t i = 0; i < LAYERS; i++) {
        const Tensor *old = layer_weight(network, &network->layers[i]);
        const Tensor *made = layer_weight(smooth, &smooth->layers[i]);
        if (old->count > 0) assert_memory_equal(old->data, handmade_weights(before, i), old->count * sizeof(float));
        assert_true((old == made) == !chosen[i]); /* what is not chosen is shared */
        assert_int_equal(old->count, made->count);
    }
    float *wanted = handmade_weights(before, 3);
    assert_true(lowpass_kernels(wanted, wanted, 24, KERNEL(5, 5), 1.25, LOWPASS_2D, &err));
    assert_memory_equal(wanted, handmade_weights(smooth, 3), 24 * 25 * sizeof(float));
    const KeyValue *last = &smooth->lineage[smooth->lineage_count - 1];
    assert_string_equal(last->key, "lowpass");
    assert_string_equal(last->value, "lowpass net --cutoff 1.25");
    network_free(smooth);
    network_free(before);
    network_free(network);
}

static void same_for_any_number_of_threads(void **state) {
    (void)state;
    Error err;
    Network *network = handmade_network(layers, LAYERS, 1), *one = NULL;
    const bool chosen[LAYERS] = {true, true, true, true, true};
    for (unsigned threads = 1; threads <= 4; threads++) {
        spectral_cleanup(); /* so that plans are made by threads that compete for them */
        pool_set_threads(threads);
        Network *smooth = lowpass_apply(network, 0.8, LOWPASS_1D, chosen, "", NULL, &err);
        assert_non_null(smooth);
        for (size_t i = 0; one && i < 4; i++) {
            size_t bytes = layer_weight(one, &one->layers[i])->count * sizeof(float);
            if (bytes > 0) assert_memory_equal(handmade_weights(one, i), handmade_weights(smooth, i), bytes);
        }
        if (one)
            network_free(smooth);
        else
            one = smooth;
    }
    pool_set_threads(0);
    network_free(one);
    network_free(network);
}

static void refused_networks(void **state) {
    (void)state;
    Error err;
    Network *network = handmade_network(layers, LAYERS, 1);
    bool chosen[LAYERS] = {true, true};
    assert_null(lowpass_apply(network, -2, LOWPASS_1D, chosen, "", NULL, &err));
    assert_int_equal(err.status, STATUS_USAGE);
    handmade_weights(network, 1)[3] = NAN;
    Network *smooth = lowpass_apply(network, 1, LOWPASS_1D, chosen, "", NULL, &err); /* the others are filtered */
    assert_non_null(smooth);
    assert_ptr_equal(layer_weight(smooth, &smooth->layers[1]), layer_weight(network, &network->layers[1]));
    assert_ptr_not_equal(layer_weight(smooth, &smooth->layers[0]), layer_weight(network, &network->layers[0]));
    assert_int_equal(smooth->note_count, 1);
    assert_string_equal(smooth->notes[0].key, "unchanged");
    assert_string_equal(smooth->notes[0].value, "body (NaN weights)");
    network_free(smooth);
    chosen[LAYERS - 1] = true;
    assert_null(lowpass_apply(network, 1, LOWPASS_1D, chosen, "", NULL, &err));
    assert_int_equal(err.status, STATUS_USAGE);
    memset(chosen, 0, sizeof chosen);
    assert_null(lowpass_apply(network, 1, LOWPASS_1D, chosen, "", NULL, &err));
    assert_string_equal(err.text, "no convolution is selected");
    network_free(network);
}

static void out_of_memory(void **state) {
    (void)state;
    Network *network = handmade_network(layers, LAYERS, 1);
    const bool chosen[LAYERS] = {true, true, true, true, true};
    for (uint64_t nth = 1;; nth++) {
        Error err = {0};
        spectral_cleanup(); /* so that plans are allocated too */
        fault_arm(FAULT_ALLOC, nth, nth % 2 == 0);
        Network *smooth = lowpass_apply(network, 1, LOWPASS_2D, chosen, "lowpass", NULL, &err);
        bool over = fault_disarm() < nth;
        assert_true(over == (smooth != NULL));
        network_free(smooth);
        if (over) break;
        assert_int_equal(err.status, STATUS_LIMIT);
    }
    network_free(network);
}

static int clean_up(void **state) {
    (void)state;
    spectral_cleanup();
    return 0;
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(equals_the_definition), cmocka_unit_test(kernels_do_not_mix),
        cmocka_unit_test(limits_of_the_cutoff),  cmocka_unit_test(refusals),
        cmocka_unit_test(makes_a_new_network),   cmocka_unit_test(same_for_any_number_of_threads),
        cmocka_unit_test(refused_networks),      cmocka_unit_test(out_of_memory),
    };
    return cmocka_run_group_tests(tests, NULL, clean_up);
}
