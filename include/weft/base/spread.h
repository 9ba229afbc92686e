/* spread -- mean and standard deviation of values that come one by one. */
#ifndef WEFT_SPREAD_H
#define WEFT_SPREAD_H

/* The recurrence of Welford (1962). Start from {0}. */
typedef struct Spread {
    double count, mean, squares; /* squares: of the deviations, summed */
} Spread;
void spread_add(Spread *spread, double value);
double spread_deviation(const Spread *spread); /* standard deviation with count - 1; 0 for fewer than two values */

#endif
