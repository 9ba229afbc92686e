/* stats -- see weft/base/stats.h. */
#include "weft/base/stats.h"

#include <math.h>
#include <stdlib.h>

static const double normal_quantile = 1.959963984540054; /* of 0.975 */

int numbers_ascending(const void *a, const void *b) {
    const double x = *(const double *)a, y = *(const double *)b;
    return (x > y) - (x < y);
}

static double square(double x) {
    return x * x;
}

/* The third side of a triangle whose sides a and b enclose an angle with cosine phi. */
static double third_side(double a, double b, double phi) {
    return sqrt(fmax(0, square(a) - 2 * phi * a * b + square(b)));
}

Interval stats_wilson(uint64_t part, uint64_t whole) {
    if (whole == 0) return (Interval){NAN, NAN};
    const double n = (double)whole, share = (double)part / n, z = normal_quantile, scale = 1 + z * z / n;
    const double middle = (share + z * z / (2 * n)) / scale,
                 half = z / scale * sqrt(share * (1 - share) / n + z * z / (4 * n * n));
    /* At 0 and 1 the ends are exact, without the rounding of the difference. */
    return (Interval){part == 0 ? 0 : middle - half, part == whole ? 1 : middle + half};
}

/* ---- pairs ------------------------------------------------------------------------------------------------------- */

static uint64_t total(const PairCounts *pairs) {
    return pairs->both + pairs->only_a + pairs->only_b + pairs->neither;
}

double stats_difference(const PairCounts *pairs) {
    const uint64_t n = total(pairs);
    return n ? ((double)pairs->only_b - (double)pairs->only_a) / (double)n : (double)NAN;
}

/* The correlation of the pairs, a positive one with Newcombe's continuity correction of n / 2. */
static double correlation(const PairCounts *pairs) {
    const double both = (double)pairs->both, a = (double)pairs->only_a, b = (double)pairs->only_b,
                 neither = (double)pairs->neither, half = (both + a + b + neither) / 2;
    const double spread = sqrt((both + a) * (b + neither)) * sqrt((both + b) * (a + neither));
    const double agreement = both * neither - a * b;
    if (!(spread > 0)) return 0;
    return (agreement > half ? agreement - half : agreement > 0 ? 0 : agreement) / spread;
}

Interval stats_paired(const PairCounts *pairs) {
    const uint64_t n = total(pairs), right_a = pairs->both + pairs->only_a, right_b = pairs->both + pairs->only_b;
    if (n == 0) return (Interval){NAN, NAN};
    const Interval a = stats_wilson(right_a, n), b = stats_wilson(right_b, n);
    const double share_a = (double)right_a / (double)n, share_b = (double)right_b / (double)n;
    const double difference = stats_difference(pairs), phi = correlation(pairs);
    const double down_a = share_a - a.low, up_a = a.high - share_a, down_b = share_b - b.low, up_b = b.high - share_b;
    return (Interval){difference - third_side(down_b, up_a, phi), difference + third_side(down_a, up_b, phi)};
}

/* P(X <= fewer) for X binomial (n, 1/2), doubled. The terms fall from the last one on, each a simple multiple of the
 * one above it. */
double stats_mcnemar(uint64_t only_a, uint64_t only_b) {
    const uint64_t fewer = only_a < only_b ? only_a : only_b;
    const double n = (double)only_a + (double)only_b, k = (double)fewer;
    int sign;
    if (n - 2 * k <= 1) return 1; /* the two tails hold everything: no rounding is left of it */
    const double last = exp(lgamma_r(n + 1, &sign) - lgamma_r(k + 1, &sign) - lgamma_r(n - k + 1, &sign) - n * M_LN2);
    double sum = 1, term = 1;
    for (double i = k; i > 0 && term > 1e-18 * sum; i--) {
        term *= i / (n - i + 1);
        sum += term;
    }
    const double p = 2 * last * sum;
    return p < 1 ? p : 1;
}

/* ---- many comparisons -------------------------------------------------------------------------------------------- */

size_t stats_holm(double *p, size_t count) {
    size_t kept = 0;
    if (count > 1) qsort(p, count, sizeof *p, numbers_ascending);
    while (kept < count && p[kept] * (double)(count - kept) <= STATS_LEVEL) kept++;
    return kept;
}
