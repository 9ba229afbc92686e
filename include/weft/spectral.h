/* spectral -- what smoothing does to weights: singular values and S_ratio, Gaussian low-pass by FFT, singular-value
 * modulation, distances.
 *
 * A layer's weight is taken as the matrix of layer_matrix: c_out rows by c_in/groups*k*k columns for a convolution.
 * Every *_table returns a finished Table with no "command" note (the shell adds that); every *_apply returns a new
 * network and changes nothing. `chosen` marks layers as layer_select does (network->layer_count entries).
 */
#ifndef WEFT_SPECTRAL_H
#define WEFT_SPECTRAL_H

#include "weft/base/error.h"
#include "weft/base/table.h"
#include "weft/base/task.h"
#include "weft/net.h"

/* Singular values of a row-major rows x columns matrix, descending, min(rows, columns) of them, by LAPACKE (dgesdd, in
 * double). */
bool spectral_singular_values(const float *matrix, size_t rows, size_t columns, double *sigma, Error *err);

/* S_ratio = sum of sigma_i^2 over i <= floor(K/2) divided by the sum over i <= K = min(rows, columns) (the paper,
 * section on S_ratio); *energy is the latter sum. By the eigenvalues of the smaller Gram matrix, in double: exact here
 * because only squares of singular values are needed, so no accuracy is lost to squaring that the ratio could see. NaN
 * for an all-zero matrix or K < 2. STATUS_BAD_INPUT where a weight is not finite. */
bool spectral_sratio(const float *matrix, size_t rows, size_t columns, double *ratio, double *energy, Error *err);

/* One network: columns layer, rows, columns, K, s_ratio, energy; notes "layers" (their number), "mean",
 * "mean_last_half" (over the layers from floor(L/2) on). The means count the convolutions among the chosen layers, as
 * the paper does, which a note "means" says; all layers where none of them is one. With `versus`: matched by layer
 * name: layer, s_ratio, s_ratio_vs, difference (versus - network); the same means, also with "_vs" and "_difference"
 * behind their names, and "mean_last_half_paper_difference" (2/L times the sum over the last half, as the paper has
 * it); layers found in one network only, or with another shape, are named in the note "unmatched". Layers without a
 * ratio (NaN) are left out of L and the means and named in the note "skipped", those with weights that are not finite
 * among them. STATUS_USAGE where no layer is chosen or matched. */
Table *sratio_table(const Network *network, const Network *versus, const bool *chosen, const Task *task, Error *err);

/* fft == false: index (from 1), sigma, energy_fraction (cumulative); notes rows, columns, energy, s_ratio. fft: mode,
 * frequency, magnitude (mean |FFT| over all kernels): first the rows of mode "1d", the flattened kernel's frequencies 0
 * .. floor(kh*kw/2); then, for kernels of two or three axes and more than one element, those of mode "2d" or "3d",
 * the radial frequencies of the kernel along its axes, each a mean over its bins. STATUS_USAGE for the fft of a layer
 * that is no convolution. Both have the note "layer". */
Table *spectrum_table(const Network *network, size_t layer, bool fft, Error *err);

typedef enum LowpassMode { LOWPASS_1D, LOWPASS_2D, LOWPASS_RAW } LowpassMode;
/* H(f) = exp(-0.5 (f/D0)^2) on the FFT of each kernel: 1D: flattened to n numbers, f = min(i, n-i); 2D: along its own
 * axes, however many, radial f; RAW: flattened, f = i, real part kept. cutoff > 0, finite (STATUS_USAGE else). Filters
 * `count` kernels of size[0] x size[1] x size[2] (1 for axes that they lack: the first ones) in `in` into `out` (may be
 * equal). STATUS_BAD_INPUT where a weight is not finite. */
bool lowpass_kernels(const float *in, float *out, uint64_t count, const size_t size[3], double cutoff, LowpassMode mode,
                     Error *err);
/* The same for all kernels of the chosen layers, convolutions of any kind only (STATUS_USAGE else). A layer with
 * weights that are not finite stays as it is; the new network's note "left as they are" lists such layers. */
Network *lowpass_apply(const Network *network, double cutoff, LowpassMode mode, const bool *chosen, const char *command,
                       const Task *task, Error *err);

/* Multiplies the last min(last, K) singular values of each chosen layer's matrix by `factor` (>= 0, finite;
 * STATUS_USAGE else) and rebuilds U diag(s') V^T. Factor 1 gives back the very same numbers. Layers that are not finite
 * as in lowpass_apply. */
Network *svscale_apply(const Network *network, double factor, unsigned last, const bool *chosen, const char *command,
                       const Task *task, Error *err);

/* Per layer matched by name: layer, mean_abs (mean |w - v|), rms, relative (||w-v||_F / ||w||_F), cosine; last row
 * "all". Layers with weights that are not finite have no row and are named in the note "skipped". Layers in one only,
 * or with other shapes, are named in the note "unmatched" with the reason. */
Table *distance_table(const Network *a, const Network *b, const bool *chosen, Error *err);

/* The filters of one layer: filter (output), channel, row, column, weight (one row per weight). The kernels of a layer
 * that is no convolution are 1 x 1; of one with three axes the planes' rows stand one under another. */
Table *kernels_table(const Network *network, size_t layer, Error *err);

/* Frees plans kept between calls (FFTW), while nothing else runs here; for leak checkers. */
void spectral_cleanup(void);

#endif
