/* stats -- how sure a share is, and whether two of the same images differ: intervals, tests, corrections. */
#ifndef WEFT_STATS_H
#define WEFT_STATS_H

#include <stddef.h>
#include <stdint.h>

/* Intervals have 95 % confidence; a p value below STATS_LEVEL counts as significant. */
#define STATS_LEVEL 0.05

/* Doubles without NaN in increasing order, for qsort and bsearch. */
int numbers_ascending(const void *a, const void *b);

typedef struct Interval {
    double low, high;
} Interval;

/* The score interval of Wilson (1927) for the share part / whole, on [0, 1]; NaN, NaN for a whole of 0. It has no
 * continuity correction (scipy's proportion_ci(method="wilson"), statsmodels' proportion_confint(method="wilson")).
 * Brown, Cai and DasGupta, "Interval estimation for a binomial proportion" (2001), recommend it. */
Interval stats_wilson(uint64_t part, uint64_t whole);

/* The same things seen twice, once by a and once by b: how often both succeeded, only one, or neither. */
typedef struct PairCounts {
    uint64_t both, only_a, only_b, neither;
} PairCounts;

/* The share of b minus that of a, on [-1, 1]; NaN without counts. */
double stats_difference(const PairCounts *pairs);
/* Its interval: the square-and-add interval of Newcombe, "Improved confidence intervals for the difference between
 * binomial proportions based on paired data" (1998), method 10. It joins the two Wilson intervals and never leaves [-1,
 * 1]. Fagerland, Lydersen and Laake (2014) recommend it for paired data. NaN, NaN without counts. */
Interval stats_paired(const PairCounts *pairs);
/* The exact test of McNemar (1947): the two-sided p value of a fair coin that falls one way `only_a` times and the
 * other way `only_b` times. 1 if it was never thrown. Symmetric; at most 1; relative error below 1e-9 for counts up
 * to a million. */
double stats_mcnemar(uint64_t only_a, uint64_t only_b);

/* How many of `count` p values stay significant (STATS_LEVEL) after the step-down correction of Holm, "A simple
 * sequentially rejective multiple test procedure" (1979). It limits the chance of a single false alarm among all
 * comparisons to STATS_LEVEL, however they depend on each other. Sorts `p`, which holds no NaN. */
size_t stats_holm(double *p, size_t count);

#endif
