/* spread -- mean and standard deviation of values that come one by one. */
#include "weft/base/spread.h"

#include <math.h>

void spread_add(Spread *spread, double value) {
    const double away = value - spread->mean;
    spread->count++;
    spread->mean += away / spread->count;
    spread->squares += away * (value - spread->mean);
}

double spread_deviation(const Spread *spread) {
    return spread->count > 1 ? sqrt(spread->squares / (spread->count - 1)) : 0;
}
