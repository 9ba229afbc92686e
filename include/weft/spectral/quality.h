/* quality -- how well the layers of a network are trained, judged from their eigenvalues alone: norms, ranks, the power
 * law of the tail, the Marchenko-Pastur edge of the bulk.
 *
 * Names and definitions are those of WeightWatcher 0.7.7 (Martin and Mahoney, Implicit Self-Regularization in Deep
 * Neural Networks, 2021), with its default options and its accurate SVD; docs/method.md, section 7, states them.
 *
 * The eigenvalues of a layer are the squares of the singular values of its matrices, pooled. A convolution has one
 * matrix for each place of its kernel, c_out x c_in/groups, whose squares are halved. Every other layer has the matrix
 * of layer_matrix.
 */
#ifndef WEFT_SPECTRAL_QUALITY_H
#define WEFT_SPECTRAL_QUALITY_H

#include "weft/base/error.h"
#include "weft/base/table.h"
#include "weft/base/task.h"
#include "weft/base/text.h"
#include "weft/net.h"
#include "weft/spectral.h"

/* The power law p(x) ~ x^-alpha of the values from xmin on, by maximum likelihood; xmin is the value whose fit has the
 * least Kolmogorov-Smirnov distance (Clauset, Shalizi and Newman, Power-law distributions in empirical data, 2009). */
typedef struct PowerLaw {
    double alpha, sigma; /* exponent and its standard error, (alpha - 1) / sqrt(tail) */
    double distance;     /* Kolmogorov-Smirnov, between the fit and the values from xmin on */
    double xmin, xmax;   /* least and greatest value of the tail */
    size_t tail;         /* how many values it has */
} PowerLaw;
/* Fits `count` positive values, ascending. alpha = 1 + n / sum(log(x / xmin)); below 20 values n - 1 in the place of n,
 * and a tail of at least 8 where there are 8. alpha is NaN if no tail has two different values. False: no memory. */
bool power_law_fit(const double *values, size_t count, PowerLaw *out, Error *err);

/* The Marchenko-Pastur law of a random N x M matrix, fitted to eigenvalues. */
typedef struct Bulk {
    double sigma;                     /* of the entries, with eigenvalues scaled to a mean of 1 */
    double lambda_minus, lambda_plus; /* the bulk's edges, unscaled: s^2 (1 -+ sqrt(M / N))^2 */
    double soft_rank;                 /* lambda_plus / the largest eigenvalue */
    size_t spikes; /* eigenvalues beyond lambda_plus and the width of its fluctuations (Tracy-Widom) */
} Bulk;
/* Fits `count` values >= 0, ascending, not all 0, of matrices of N x M, N >= M >= 1. The density of the values, seen
 * through a triangle 0.1 wide on either side, is compared with the law at 1,000 points; sigma has the least squares, by
 * a grid and then Nelder and Mead's simplex. N == M: the singular values and the quarter circle. sigma is NaN if the
 * values lie so far apart that they have no density. False: no memory. */
bool bulk_fit(const double *values, size_t count, size_t N, size_t M, Bulk *out, Error *err);

/* The numbers of a layer: X(NAME, "column", "unit", compared, averaged). `compared`: a table of two networks has it;
 * `averaged`: the last row has its mean. In the order of the table's columns. */
#define QUALITY_NUMBERS(X)                                    \
    X(ALPHA, "alpha", "", true, true)                         \
    X(DISTANCE, "D", "", false, true)                         \
    X(STABLE_RANK, "stable_rank", "", true, true)             \
    X(EFFECTIVE_RANK, "effective_rank", "", true, true)       \
    X(SPECTRAL_NORM, "spectral_norm", "", true, true)         \
    X(FROBENIUS_NORM, "frobenius_norm", "", true, true)       \
    X(LAMBDA_PLUS, "lambda_plus", "", true, true)             \
    X(SPIKES, "num_spikes", "", true, true)                   \
    X(SPIKE_SHARE, "spike_share", "%", true, true)            \
    X(SIGMA, "alpha_sigma", "", false, false)                 \
    X(XMIN, "xmin", "", false, false)                         \
    X(XMAX, "xmax", "", false, false)                         \
    X(TAIL, "num_pl_spikes", "", false, false)                \
    X(ALPHA_WEIGHTED, "alpha_weighted", "", true, true)       \
    X(LOG_ALPHA_NORM, "log_alpha_norm", "", true, true)       \
    X(LOG_NORM, "log_norm", "", true, true)                   \
    X(LOG_SPECTRAL_NORM, "log_spectral_norm", "", true, true) \
    X(NORM, "norm", "", false, false)                         \
    X(SV_MAX, "sv_max", "", false, false)                     \
    X(RANK, "matrix_rank", "", false, false)                  \
    X(ENTROPY, "entropy", "", false, true)                    \
    X(SIGMA_MP, "sigma_mp", "", false, false)                 \
    X(MP_SOFTRANK, "mp_softrank", "", false, true)
typedef enum QualityNumber {
#define X(name, column, unit, compared, averaged) QUALITY_##name,
    QUALITY_NUMBERS(X)
#undef X
        QUALITY_COUNT
} QualityNumber;

/* A layer of one network. */
typedef struct QualityLayer {
    const char *name;             /* borrowed from the first network */
    size_t N, M, matrices;        /* each N x M, N >= M */
    size_t eigenvalues;           /* M * matrices */
    double number[QUALITY_COUNT]; /* NaN where there is none */
    LayerFault fault;             /* why there are none at all, or no fits */
    LayerFault bulk_fault;        /* why only the edge of the bulk is missing */
} QualityLayer;
typedef struct Quality {
    QualityLayer *layers, *versus; /* `count` each; versus: of the second network, NULL without one */
    size_t count, averaged;        /* averaged: layers with a fit (in both networks) */
    double mean[QUALITY_COUNT], mean_vs[QUALITY_COUNT]; /* over these, each number over the layers that have it */
    Str unmatched;                                      /* as in Sratio */
} Quality;
/* The chosen layers of `network` or, where `versus` is not NULL, those matched by name in both. `whole`: convolutions
 * have one matrix, too, that of layer_matrix, and nothing is halved. A layer with fewer than 8 eigenvalues has norms
 * and ranks, but no fits. STATUS_USAGE if no layer is chosen or matched. Borrows the networks' names; free with
 * quality_done. */
bool quality_measure(const Network *network, const Network *versus, const bool *chosen, bool whole, const Task *task,
                     Quality *out, Error *err);
void quality_done(Quality *quality);
/* quality_measure as a table: layer, the numbers, after D the column warning ("over-trained": alpha < 2,
 * "under-trained": alpha > 6), N, M, num_evals (eigenvalues); last row "mean". With `versus`: layer, and for every
 * compared number X the columns X, X_vs, X_difference (versus - network). Notes: matrices, layers, means (if not over
 * all), skipped (layers without fits, and why), unmatched. */
Table *quality_table(const Network *network, const Network *versus, const bool *chosen, bool whole, const Task *task,
                     Error *err);

#endif
