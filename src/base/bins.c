/* bins -- equal bins for histograms. */
#include "weft/base/bins.h"

#include <math.h>

size_t bins_usual(double low, double high, double q1, double q3, size_t values, size_t most) {
    const double width = 2 * (q3 - q1) / cbrt((double)values), range = high - low;
    if (values == 0 || !(range > 0)) return 1;
    const double count = width > 0 ? ceil(range / width) : ceil(log2((double)values) + 1);
    return count < 1 ? 1 : count < (double)most ? (size_t)count : most;
}

void bins_place(Bins *bins, double low, double high) {
    if (!(low < high)) {
        low -= 0.5;
        high += 0.5;
    }
    const double step = (high - low) / (double)bins->count;
    for (size_t i = 0; i < bins->count; i++) bins->edges[i] = low + (double)i * step;
    bins->edges[bins->count] = high;
}

/* The quotient may round to the wrong side of an edge; the edges decide. */
size_t bins_index(const Bins *bins, double value) {
    const double low = bins->edges[0], high = bins->edges[bins->count];
    const double place = (value - low) / (high - low) * (double)bins->count, last = (double)bins->count - 1;
    size_t index = place > 0 ? (size_t)(place < last ? place : last) : 0;
    if (index > 0 && value < bins->edges[index]) index--;
    if (index + 1 < bins->count && value >= bins->edges[index + 1]) index++;
    return index;
}

double quantile_of(const double *sorted, size_t count, double fraction) {
    const double place = fraction * (double)(count - 1), whole = floor(place);
    const size_t index = (size_t)whole;
    if (index + 1 >= count) return sorted[count - 1];
    return sorted[index] + (place - whole) * (sorted[index + 1] - sorted[index]);
}
