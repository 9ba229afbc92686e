/* bins -- equal bins for histograms, as NumPy's: the same edges, counts and number of bins. */
#ifndef WEFT_BINS_H
#define WEFT_BINS_H

#include <stddef.h>

/* Equal bins from low to high; `edges` of count + 1, low < high. */
typedef struct Bins {
    double *edges;
    size_t count;
} Bins;

/* How many bins suit `values` numbers between low and high with these quartiles: width 2 (q3 - q1) / values^(1/3)
 * (Freedman and Diaconis, 1981); where half of the values are equal, log2(values) + 1 bins (Sturges, 1926). 1 to
 * `most`. */
size_t bins_usual(double low, double high, double q1, double q3, size_t values, size_t most);
/* Two ends that are equal are moved 0.5 apart to each side. Fills edges[0..count]. */
void bins_place(Bins *bins, double low, double high);
/* The bin of a value between the ends: edges[i] <= value < edges[i + 1]; the last one has both of its ends. */
size_t bins_index(const Bins *bins, double value);
/* A quantile of increasing values, count >= 1, by linear interpolation; fraction 0 to 1. */
double quantile_of(const double *sorted, size_t count, double fraction);

#endif
