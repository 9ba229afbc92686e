/* histogram -- how the weights of layers are distributed: equal bins, moments, zeros. */
#ifndef WEFT_SPECTRAL_HISTOGRAM_H
#define WEFT_SPECTRAL_HISTOGRAM_H

#include "weft/base/bins.h"
#include "weft/base/error.h"
#include "weft/base/table.h"
#include "weft/base/task.h"
#include "weft/base/text.h"
#include "weft/net.h"

enum {
    HISTOGRAM_BINS_USUAL = 100,
    HISTOGRAM_BINS_MOST = 1000,
    HISTOGRAM_BYTES = 14 * 65536 * 8 /* of the counters of histogram_measure, whatever the network */
};

/* Of the finite weights; NaN where there are none, and the kurtosis where all are equal. */
typedef struct WeightMoments {
    uint64_t count, zeros, not_finite;
    double mean, deviation; /* deviation: the root mean square distance from the mean */
    double least, greatest;
    double kurtosis; /* fourth central moment over the square of the second, minus 3: 0 for normal weights */
} WeightMoments;

/* In equal bins from the least to the greatest finite weight, of both networks where there are two. */
typedef struct WeightHistogram {
    Bins bins;
    uint64_t *counts[2]; /* bins.count each; NULL: no second network */
    WeightMoments moments[2];
    size_t layers;
    Str unmatched; /* layers of one network only, or with another shape; "" where there are none */
} WeightHistogram;

/* The weights of the chosen layers (not their biases) of `network` or, where `versus` is not NULL, of those matched by
 * name and shape in both. bins: 0 for the rule of bins_usual over all weights, at most HISTOGRAM_BINS_USUAL; the exact
 * quartiles take no copy of the weights. Counts are those of numpy.histogram of the weights in double. STATUS_USAGE if
 * no layer is chosen or matched, STATUS_BAD_INPUT if no weight is finite. Free with histogram_done. */
bool histogram_measure(const Network *network, const Network *versus, const bool *chosen, size_t bins, const Task *task,
                       WeightHistogram *out, Error *err);
void histogram_done(WeightHistogram *histogram);
/* The same as a table: columns low, high, count, share (%), with `versus` also count_vs, share_vs (%). Notes: layers,
 * weights, mean, deviation, least, greatest, kurtosis, zeros (their share, 0 to 1), not_finite (where there are some),
 * and with `versus` all of them but the first also with _vs; unmatched. */
Table *histogram_table(const Network *network, const Network *versus, const bool *chosen, size_t bins, const Task *task,
                       Error *err);

#endif
