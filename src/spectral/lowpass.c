/* lowpass -- Gaussian low-pass filtering of convolution kernels by FFT.
 *
 * Each kernel's spectrum is multiplied by H(f) = exp(-1/2 (f/D0)^2), D0 the cutoff.
 *   1D   the kernel flattened to n numbers (kh kw of a two-dimensional one); f = min(i, n - i), so the result is real
 *        by itself
 *   2D   the kernel with its axes, as many as it has; f = sqrt(fi^2 + fj^2), fi = min(i, kh - i), fj = min(j, kw - j),
 *        and so on
 *   RAW  flattened; f = i for all of 0 .. n-1, real part of the inverse kept. H is not symmetric then, but the real
 *        part of the inverse transform of H X, for X of a real kernel, is the inverse transform of H' X with the
 *        symmetric part of H: H'(i) = (H(i) + H(n - i)) / 2 for i > 0, H'(0) = H(0). (The taking of the real part
 *        averages Y(i) with the conjugate of Y(n - i), and X(n - i) is the conjugate of X(i).)
 * So every mode is one multiplication of a half spectrum by real gains. Source: the paper's section on frequency
 * analysis; the three readings of its formula are compared in the reference values' lowpass.json.
 */
#include "weft/spectral.h"

#include <float.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "spectral/fourier.h"
#include "spectral/layers.h"
#include "weft/base/error.h"
#include "weft/base/memory.h"
#include "weft/base/table.h"
#include "weft/base/task.h"
#include "weft/base/tensor.h"

static double gaussian(double frequency, double cutoff) {
    double x = frequency / cutoff;
    return exp(-0.5 * x * x);
}

/* One gain a bin, with the 1/n that the inverse transform leaves to us. */
static float *gains(const Fourier *fourier, double cutoff, LowpassMode mode, Error *err) {
    float *gain = mem_alloc(fourier->bins, sizeof *gain, err);
    for (size_t bin = 0; gain && bin < fourier->bins; bin++) {
        size_t at[3];
        unsigned twins;
        fourier_bin(fourier, bin, at, &twins);
        double response = gaussian(hypot(hypot((double)at[0], (double)at[1]), (double)at[2]), cutoff);
        if (mode == LOWPASS_RAW && at[2] > 0) {
            response = (response + gaussian((double)(fourier->size[2] - at[2]), cutoff)) / 2;
        }
        gain[bin] = (float)(response / (double)fourier->elements);
    }
    return gain;
}

static void filter_batch(const Fourier *fourier, const float *gain, size_t kernels) {
    fourier_forward(fourier);
    float(*bin)[2] = fourier->spectrum;
    for (size_t k = 0; k < kernels; k++) {
        for (size_t i = 0; i < fourier->bins; i++, bin++) {
            (*bin)[0] *= gain[i];
            (*bin)[1] *= gain[i];
        }
    }
    fourier_inverse(fourier);
}

static bool check_cutoff(double cutoff, Error *err) {
    if (isfinite(cutoff) && cutoff > 0) return true;
    return error_set(err, STATUS_USAGE, "cutoff %g: must be a finite number above 0", cutoff);
}

bool lowpass_kernels(const float *in, float *out, uint64_t count, const size_t size[3], double cutoff, LowpassMode mode,
                     Error *err) {
    size_t elements = size[0] * size[1] * size[2];
    Fourier fourier;
    if (!check_cutoff(cutoff, err)) return false;
    if (count == 0 || elements == 0) return true;
    /* Sums of n weights must stay finite in single precision, and so must those of the two dimensions. */
    if (!layers_check_weights(in, count * elements, FLT_MAX / (float)elements, err)) return false;
    const size_t flat[3] = {1, 1, elements};
    if (!fourier_init(&fourier, mode == LOWPASS_2D ? size : flat, err)) return false;
    float *gain = gains(&fourier, cutoff, mode, err);
    for (uint64_t first = 0; gain && first < count; first += fourier.batch) {
        size_t kernels = count - first < fourier.batch ? (size_t)(count - first) : fourier.batch;
        size_t bytes = kernels * elements * sizeof *in;
        memcpy(fourier.real, in + first * elements, bytes);
        filter_batch(&fourier, gain, kernels);
        memcpy(out + first * elements, fourier.real, bytes);
    }
    bool done = gain != NULL;
    mem_free(gain);
    fourier_done(&fourier);
    return done;
}

typedef struct Lowpass {
    double cutoff;
    LowpassMode mode;
} Lowpass;

static bool filter_layer(const void *context, const Network *network, size_t layer, float *out, Error *err) {
    const Lowpass *options = context;
    const Tensor *weight = layer_weight(network, &network->layers[layer]);
    const LayerKernel kernel = layers_kernel(network, layer);
    float *copy;
    const float *values = layers_weights(network, layer, &copy, err);
    const bool done = values && lowpass_kernels(values, out, kernel.elements > 0 ? weight->count / kernel.elements : 0,
                                                kernel.size, options->cutoff, options->mode, err);
    mem_free(copy);
    return done;
}

Network *lowpass_apply(const Network *network, double cutoff, LowpassMode mode, const bool *chosen, const char *command,
                       const Task *task, Error *err) {
    size_t count;
    if (!check_cutoff(cutoff, err)) return NULL;
    size_t *layers = layers_chosen(network, chosen, true, &count, err);
    if (!layers) return NULL;
    Lowpass options = {cutoff, mode};
    Network *result = layers_apply(network, layers, count, filter_layer, layers_bytes, LAYERS_CHEAP, &options,
                                   "lowpass", command, task, err);
    mem_free(layers);
    return result;
}

/* ---- the curve --------------------------------------------------------------------------------------------------- */

typedef struct CurvePoint {
    double frequency;
    bool own; /* of the kernel */
} CurvePoint;

static int by_frequency(const void *a, const void *b) {
    const CurvePoint *x = a, *y = b;
    if (x->frequency != y->frequency) return x->frequency < y->frequency ? -1 : 1;
    return (int)y->own - (int)x->own; /* of equal ones, the kernel's own first */
}

/* The kernel's own frequencies. RAW: all n of them, also those whose conjugates the bins hold. */
static size_t own_points(const Fourier *fourier, LowpassMode mode, CurvePoint *out) {
    size_t count = 0;
    for (size_t bin = 0; bin < fourier->bins; bin++) {
        size_t at[3];
        unsigned twins;
        fourier_bin(fourier, bin, at, &twins);
        out[count++] = (CurvePoint){hypot(hypot((double)at[0], (double)at[1]), (double)at[2]), true};
        if (mode == LOWPASS_RAW && twins == 2) out[count++] = (CurvePoint){(double)(fourier->elements - at[2]), true};
    }
    return count;
}

static Table *curve_table(CurvePoint *points, size_t count, double elements, double cutoff, LowpassMode mode,
                          Error *err) {
    Table *table = table_new(err);
    table_column(table, "frequency", "", COLUMN_REAL);
    table_column(table, "response", "", COLUMN_REAL);
    table_column(table, "gain", "", COLUMN_REAL);
    table_column(table, "kernel_frequency", "", COLUMN_TEXT);
    qsort(points, count, sizeof *points, by_frequency);
    for (size_t i = 0; table && i < count; i++) {
        const double f = points[i].frequency;
        const bool both = mode == LOWPASS_RAW && f > 0;
        if (i > 0 && f - points[i - 1].frequency < 1e-9) continue;
        table_real(table, f);
        table_real(table, gaussian(f, cutoff));
        table_real(table, both ? (gaussian(f, cutoff) + gaussian(elements - f, cutoff)) / 2 : gaussian(f, cutoff));
        table_text(table, points[i].own ? "yes" : "");
    }
    return table_finish(table, err);
}

Table *lowpass_curve(const Network *network, size_t layer, double cutoff, LowpassMode mode, Error *err) {
    enum { CURVE = 80 };
    if (!check_cutoff(cutoff, err)) return NULL;
    if (!layers_convolution(network, layer)) {
        error_set(err, STATUS_USAGE, "layer '%s' is of kind %s; only convolutions can be used here",
                  network->layers[layer].name, layer_kind_name(network->layers[layer].kind));
        return NULL;
    }
    const LayerKernel kernel = layers_kernel(network, layer);
    const size_t flat[3] = {1, 1, kernel.elements > 0 ? kernel.elements : 1};
    Fourier fourier;
    if (!fourier_init(&fourier, mode == LOWPASS_2D && kernel.elements > 0 ? kernel.size : flat, err)) return NULL;
    Table *table = NULL;
    CurvePoint *points = mem_alloc(2 * fourier.bins + CURVE + 1, sizeof *points, err);
    if (points) {
        size_t count = own_points(&fourier, mode, points);
        double largest = 0;
        for (size_t i = 0; i < count; i++) largest = fmax(largest, points[i].frequency);
        for (size_t i = 0; i <= CURVE; i++) points[count++] = (CurvePoint){largest * (double)i / CURVE, false};
        table = curve_table(points, count, (double)fourier.elements, cutoff, mode, err);
    }
    mem_free(points);
    fourier_done(&fourier);
    return table;
}

void spectral_cleanup(void) {
    fourier_cleanup();
}
