/* power_law -- the power law of the larger values of a sample: for each value as xmin the exponent of maximum
 * likelihood, and among these the xmin whose fit is nearest to the values.
 *
 * The distance of a fit is the largest |1 - (x_k / xmin)^(1 - alpha) - k / n| over the n values of the tail, k = 0 ..
 * n - 1. Most fits are worse than the best one so far at the first few values looked at, and are dropped there; the
 * result is the same as that of looking at all.
 */
#include "weft/spectral/quality.h"

#include <math.h>

#include "weft/base/error.h"
#include "weft/base/memory.h"

enum { FEW = 20, TAIL_OF_FEW = 8, PROBES = 16 };

static double deviation(const double *logs, size_t k, double slope, double n) {
    return fabs(1 - exp(slope * (logs[k] - logs[0])) - (double)k / n);
}

/* The distance of the tail's fit from value `first` on, or anything from `limit` on if it is at least that. *worst: the
 * value that showed so, where neighbouring tails are looked at first. */
static double distance_below(const double *logs, size_t count, size_t first, double alpha, double limit,
                             size_t *worst) {
    const double *tail = logs + first, n = (double)(count - first);
    double distance = *worst >= first ? deviation(tail, *worst - first, 1 - alpha, n) : 0;
    for (size_t i = 1; i < PROBES && distance < limit; i++) {
        const size_t k = (count - first) * i / PROBES;
        distance = fmax(distance, deviation(tail, k, 1 - alpha, n));
        if (distance >= limit) *worst = first + k;
    }
    for (size_t k = 0; k < count - first && distance < limit; k++) {
        distance = fmax(distance, deviation(tail, k, 1 - alpha, n));
        if (distance >= limit) *worst = first + k;
    }
    return distance;
}

/* `rest`: the sum of the logarithms from `first` on. NaN where the values are all the same. */
static double exponent(const double *logs, size_t count, size_t first, double rest) {
    const double n = (double)(count - first), spread = rest - n * logs[first];
    if (!(spread > 1e-12)) return NAN;
    return 1 + (count < FEW ? n - 1 : n) / spread;
}

/* Tries the value `first` as xmin. */
static void try_tail(const double *values, const double *logs, size_t count, size_t first, double rest, PowerLaw *best,
                     size_t *worst) {
    const double alpha = exponent(logs, count, first, rest);
    if (!(alpha > 1)) return;
    const double distance = distance_below(logs, count, first, alpha, best->distance, worst);
    if (distance >= best->distance) return;
    const size_t tail = count - first;
    *best = (PowerLaw){alpha, (alpha - 1) / sqrt((double)tail), distance, values[first], values[count - 1], tail};
}

bool power_law_fit(const double *values, size_t count, PowerLaw *out, Error *err) {
    *out = (PowerLaw){.alpha = (double)NAN, .sigma = (double)NAN, .distance = INFINITY};
    double *logs = mem_alloc(count, sizeof *logs, err), rest = 0;
    double *rests = logs ? mem_alloc(count, sizeof *rests, err) : NULL;
    if (rests) {
        for (size_t i = 0; i < count; i++) logs[i] = log(values[i]);
        for (size_t i = count; i-- > 0;) rests[i] = rest += logs[i];
        const size_t least = count < TAIL_OF_FEW ? count : count < FEW ? TAIL_OF_FEW : 2;
        size_t worst = 0;
        for (size_t i = 0; count >= 2 && i + least <= count; i++)
            try_tail(values, logs, count, i, rests[i], out, &worst);
    }
    if (isnan(out->alpha)) out->distance = out->xmin = out->xmax = (double)NAN;
    mem_free(logs);
    mem_free(rests);
    return rests != NULL;
}
