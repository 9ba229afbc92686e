/* spectral -- what smoothing does to weights: singular values and S_ratio, Gaussian low-pass by FFT, singular-value
 * modulation, distances.
 *
 * Weights are c_out x c_in/groups x k x k; their matrix is c_out rows by c_in/groups*k*k columns. Every *_table returns
 * a finished Table with no "command" note (the shell adds that); every *_apply returns a new network and changes
 * nothing. `chosen` marks layers as layer_select does (network->layer_count entries).
 */
#ifndef WEFT_SPECTRAL_H
#define WEFT_SPECTRAL_H

#include "weft/base.h"
#include "weft/net.h"

/* Singular values of a row-major rows x columns matrix, descending, min(rows, columns) of them, by LAPACKE (dgesdd, in
 * double). */
bool spectral_singular_values(const float *matrix, size_t rows, size_t columns, double *sigma, Error *err);

/* S_ratio = sum of sigma_i^2 over i <= floor(K/2) divided by the sum over i <= K = min(rows, columns) (the paper,
 * section on S_ratio); *energy is the latter sum. By the eigenvalues of the smaller Gram matrix, in double: exact here
 * because only squares of singular values are needed, so no accuracy is lost to squaring that the ratio could see. NaN
 * for an all-zero matrix or K < 2. STATUS_BAD_INPUT where a weight is not finite. */
bool spectral_sratio(const float *matrix, size_t rows, size_t columns, double *ratio, double *energy, Error *err);

/* One network: columns layer, rows, columns, K, s_ratio, energy; notes "mean" and "mean_last_half" (layers
 * floor(L/2)..). With `versus`: matched by layer name: layer, s_ratio, s_ratio_vs, difference (versus - network); notes
 * for both means of both ratios and of the difference; layers found in one network only are named in the note
 * "unmatched". Convolutions only. */
Table *sratio_table(const Network *network, const Network *versus, const bool *chosen, const Task *task, Error *err);

/* fft == false: index, sigma, energy_fraction (cumulative). fft: frequency (0 .. floor(k*k/2) of the flattened kernel),
 * magnitude (mean |FFT| over kernels), and the same for the 2-D radial frequency in a second pair of columns where k >
 * 1: see the column names in the implementation. */
Table *spectrum_table(const Network *network, size_t layer, bool fft, Error *err);

typedef enum LowpassMode { LOWPASS_1D, LOWPASS_2D, LOWPASS_RAW } LowpassMode;
/* H(f) = exp(-0.5 (f/D0)^2) on the FFT of each kernel: 1D: flattened k*k, f = min(i, n-i); 2D: k x k, radial f; RAW:
 * flattened, f = i, real part kept. cutoff > 0, finite (STATUS_USAGE else). Filters `count` kernels of size kh x kw in
 * `in` into `out` (may be equal). */
bool lowpass_kernels(const float *in, float *out, uint64_t count, unsigned kh, unsigned kw, double cutoff,
                     LowpassMode mode, Error *err);
Network *lowpass_apply(const Network *network, double cutoff, LowpassMode mode, const bool *chosen, const char *command,
                       const Task *task, Error *err);

/* Multiplies the last min(last, K) singular values by `factor` (>= 0, finite) and rebuilds U diag(s') V^T. */
Network *svscale_apply(const Network *network, double factor, unsigned last, const bool *chosen, const char *command,
                       const Task *task, Error *err);

/* Per layer matched by name: layer, mean_abs (mean |w - v|), rms, relative (||w-v||_F / ||w||_F), cosine; last row
 * "all". Layers in one only, or with other shapes, are named in the note "unmatched" with the reason. */
Table *distance_table(const Network *a, const Network *b, const bool *chosen, Error *err);

/* The filters of one layer: filter, channel, row, column, weight (one row per weight). */
Table *kernels_table(const Network *network, size_t layer, Error *err);

/* Frees plans kept between calls (FFTW); for leak checkers. */
void spectral_cleanup(void);

#endif
