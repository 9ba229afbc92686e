/* spectral -- weights and their smoothing: singular values and S_ratio, Gaussian low-pass by FFT, singular-value
 * modulation, distances.
 *
 * A layer's weight is taken as the matrix of layer_matrix: c_out rows by c_in/groups*k*k columns for a convolution.
 * An analysis fills a struct, which other code reads; its *_table is made of that struct.
 * Every *_table returns a finished Table with no "command" note (the shell adds that); every *_apply returns a new
 * network and does not change its argument. `chosen` marks layers as layer_select does (network->layer_count entries).
 */
#ifndef WEFT_SPECTRAL_H
#define WEFT_SPECTRAL_H

#include "weft/base/error.h"
#include "weft/base/table.h"
#include "weft/base/task.h"
#include "weft/base/text.h"
#include "weft/net.h"

/* Why a layer, or a network's layer of the second one, lacks numbers; with the text for people. */
#define LAYER_FAULTS(X)                                             \
    X(NAN, "NaN weights")                                           \
    X(INFINITE, "infinite weights")                                 \
    X(EMPTY, "no weights")                                          \
    X(ZERO, "all weights are zero")                                 \
    X(FEW_VALUES, "fewer than 2 singular values")                   \
    X(FEW_EIGENVALUES, "fewer than 8 eigenvalues")                  \
    X(FEW_LARGE_EIGENVALUES, "fewer than 2 eigenvalues above 1e-5") \
    X(EQUAL_EIGENVALUES, "all eigenvalues are equal")               \
    X(NO_DENSITY, "eigenvalues too far apart for a density")
typedef enum LayerFault {
    LAYER_SOUND,
#define X(name, text) LAYER_FAULT_##name,
    LAYER_FAULTS(X)
#undef X
} LayerFault;
const char *layer_fault_text(LayerFault fault); /* NULL for LAYER_SOUND */

/* Singular values of a row-major rows x columns matrix, descending, min(rows, columns) of them, by LAPACKE (dgesdd, in
 * double). */
bool spectral_singular_values(const float *matrix, size_t rows, size_t columns, double *sigma, Error *err);

/* S_ratio = sum of sigma_i^2 over i <= floor(K/2) divided by the sum over i <= K = min(rows, columns) (the paper,
 * section on S_ratio); *energy is the latter sum. By the eigenvalues of the smaller Gram matrix, in double: exact here
 * because only squares of singular values are needed, so no accuracy is lost to squaring that the ratio could see. NaN
 * for an all-zero matrix or K < 2. STATUS_BAD_INPUT if a weight is not finite. */
bool spectral_sratio(const float *matrix, size_t rows, size_t columns, double *ratio, double *energy, Error *err);

/* S_ratio of one layer, or of a layer in two networks. */
typedef struct SratioLayer {
    const char *name;     /* borrowed from the first network */
    size_t rows, columns; /* of its matrix */
    double ratio, energy; /* NaN if undefined */
    double ratio_vs;      /* in the second network; NaN if undefined */
    double error;         /* bound of the ratios' errors where float32 had to do; else 0 */
    LayerFault fault;     /* why a ratio is missing */
    bool counted;         /* for the means, where no ratio is missing */
} SratioLayer;
/* Over the L layers that count; NaN if none does. */
typedef struct SratioMeans {
    double all, last_half;  /* the last half: from floor(L/2) on */
    double last_half_paper; /* 2/L times the sum over the last half, as the paper has it */
} SratioMeans;
typedef struct Sratio {
    SratioLayer *layers;
    size_t count, convolutions; /* how many of these are convolutions */
    bool versus;                /* of two networks */
    SratioMeans mean;
    SratioMeans mean_vs, difference; /* with `versus`; difference: versus - network */
    Str unmatched;                   /* layers of one network only, or with another shape; "" where there are none */
} Sratio;
/* The chosen layers of `network` or, where `versus` is not NULL, those matched by name in both. The means count the
 * convolutions among them, as the paper does; all layers where none of them is one. With `versus` all three means are
 * over the same layers. STATUS_USAGE if no layer is chosen or matched. Borrows the network's names; free with
 * sratio_done. */
bool sratio_measure(const Network *network, const Network *versus, const bool *chosen, const Task *task, Sratio *out,
                    Error *err);
void sratio_done(Sratio *sratio);
double sratio_difference(const SratioLayer *layer); /* ratio_vs - ratio */
/* sratio_measure as a table. One network: columns layer, rows, columns, K, s_ratio, energy; notes "layers" (their
 * number), "mean", "mean_last_half" (over the layers from floor(L/2) on). The means are over the convolutions among the
 * chosen layers, as in the paper, with a note "means"; over all layers if none is a convolution. With `versus`: matched
 * by layer name: layer, s_ratio, s_ratio_vs, difference (versus - network); the same means, also with the suffixes
 * "_vs" and "_difference", and "mean_last_half_paper_difference" (2/L times the sum over the last half, as in the
 * paper). The note "unmatched" names layers found in only one network, or with another shape. Layers without a ratio
 * (NaN), such as those with weights that are not finite, are excluded from L and the means, and named in the note
 * "skipped". STATUS_USAGE if no layer is chosen or matched. */
Table *sratio_table(const Network *network, const Network *versus, const bool *chosen, const Task *task, Error *err);

/* fft == false: index (from 1), sigma, energy_fraction (cumulative); notes rows, columns, energy, s_ratio. fft: mode,
 * frequency, magnitude (mean |FFT| over all kernels): first the rows of mode "1d", the flattened kernel's frequencies 0
 * .. floor(kh*kw/2); then, for kernels of two or three axes and more than one element, those of mode "2d" or "3d",
 * the radial frequencies of the kernel along its axes, each a mean over its bins. STATUS_USAGE for the fft of a layer
 * that is not a convolution. Both have the note "layer". With `versus`, the layer of the same name and shape there
 * (STATUS_USAGE if there is none): the columns sigma and energy_fraction, or magnitude, are followed by X_vs and
 * X_difference (versus - network), and the notes energy and s_ratio by those with the suffix "_vs". */
Table *spectrum_table(const Network *network, size_t layer, const Network *versus, bool fft, Error *err);

#define LOWPASS_MODES(X) X(1D, "1d") X(2D, "2d") X(RAW, "raw")
typedef enum LowpassMode {
#define X(name, text) LOWPASS_##name,
    LOWPASS_MODES(X)
#undef X
} LowpassMode;
/* H(f) = exp(-0.5 (f/D0)^2) on the FFT of each kernel: 1D: flattened to n numbers, f = min(i, n-i); 2D: along its own
 * axes, however many, radial f; RAW: flattened, f = i, real part kept. cutoff > 0, finite (STATUS_USAGE else). Filters
 * `count` kernels of size[0] x size[1] x size[2] (1 for axes that they lack: the first ones) in `in` into `out` (may be
 * equal). STATUS_BAD_INPUT if a weight is not finite. */
bool lowpass_kernels(const float *in, float *out, uint64_t count, const size_t size[3], double cutoff, LowpassMode mode,
                     Error *err);
/* The same for all kernels of the chosen layers, only convolutions of any kind (otherwise STATUS_USAGE). A layer with
 * weights that are not finite is unchanged; the new network's note "unchanged" lists such layers. */
Network *lowpass_apply(const Network *network, double cutoff, LowpassMode mode, const bool *chosen, const char *command,
                       const Task *task, Error *err);

/* The filter's curve, for the kernels of one layer: frequency, response (H), gain, which is what lowpass_kernels
 * multiplies with (RAW: from f > 0 on the mean of H(f) and H(n - f); else H), and kernel_frequency, "yes" at the
 * frequencies that the kernels have. From 0 to the largest of these. STATUS_USAGE for a layer that is no convolution,
 * and as lowpass_kernels. */
Table *lowpass_curve(const Network *network, size_t layer, double cutoff, LowpassMode mode, Error *err);

/* Multiplies the last min(last, K) singular values of each chosen layer's matrix by `factor` (>= 0, finite;
 * STATUS_USAGE else) and rebuilds U diag(s') V^T. Factor 1 gives back the very same numbers. Layers that are not finite
 * as in lowpass_apply. */
Network *svscale_apply(const Network *network, double factor, unsigned last, const bool *chosen, const char *command,
                       const Task *task, Error *err);

/* The factor of each singular value of a layer: index (from 1), factor. */
Table *svscale_curve(const Network *network, size_t layer, double factor, unsigned last, Error *err);

/* How far two tensors' weights w and v are apart; NaN if there are none. */
typedef struct WeightDistance {
    double mean_abs, rms; /* of w - v */
    double relative;      /* ||w - v||_F / ||w||_F; NaN if w is zero */
    double cosine;        /* NaN if one is zero */
} WeightDistance;
typedef struct LayerDistance {
    const char *name; /* borrowed from the first network */
    WeightDistance distance;
} LayerDistance;
typedef struct WeightDistances {
    LayerDistance *layers; /* those whose weights are all finite */
    size_t count, matched; /* matched: with the others */
    WeightDistance all;    /* over all weights of `layers` */
    Str skipped;           /* layers with weights that are not finite, and why; "" where there are none */
    Str unmatched;         /* as in Sratio */
} WeightDistances;
/* The chosen layers of `a`, matched by name in both. STATUS_USAGE if none is. Free with distances_done. */
bool distance_measure(const Network *a, const Network *b, const bool *chosen, const Task *task, WeightDistances *out,
                      Error *err);
void distances_done(WeightDistances *distances);
/* distance_measure as a table: layer, mean_abs, rms, relative, cosine; last row "all". Notes: layers (matched),
 * skipped, unmatched. */
Table *distance_table(const Network *a, const Network *b, const bool *chosen, const Task *task, Error *err);

/* What a command that made `after` of `before` changed: layers whose weights are other tensors, their weights, and
 * ||w - v||_F / ||w||_F over them (NaN where w is zero, or where something is not finite). The networks have the same
 * layers. */
typedef struct WeightChange {
    size_t layers;
    uint64_t weights;
    double relative;
    bool
        unmeasured; /* new weights are made whenever they are read (tensor_computed): to measure them is to make them */
} WeightChange;
bool weights_change(const Network *before, const Network *after, const Task *task, WeightChange *out, Error *err);

/* The filters of one layer: filter (output), channel, row, column, weight (one row per weight). The kernels of a layer
 * that is not a convolution are 1 x 1. For kernels with three axes the rows of all planes are stacked. With `versus`,
 * the layer of the same name and shape there: a first column `network` names the three parts, one after the other, by
 * `names` (of network, of versus, of versus - network). STATUS_USAGE if versus has no such layer. */
Table *kernels_table(const Network *network, size_t layer, const Network *versus, const char *const names[3],
                     Error *err);

/* The same of the first `most` filters and channels only. names[2] NULL: without the difference. */
Table *kernels_table_part(const Network *network, size_t layer, const Network *versus, const char *const names[3],
                          size_t most, Error *err);

/* Frees plans kept between calls (FFTW), while nothing else runs here; for leak checkers. */
void spectral_cleanup(void);

#endif
