/* encoding -- the positional encoding of one index (docs/method.md, section 2). */
#include "weft/predictor.h"

#include <math.h>

/* The factor b^j is accumulated by products in double: 40 of them lose less than 1e-14 of it. */
void encoding_row(double base, unsigned levels, double index, float *out) {
    double frequency = M_PI;
    for (unsigned j = 0; j < levels; j++, frequency *= base) {
        out[2 * j] = (float)sin(frequency * index);
        out[2 * j + 1] = (float)cos(frequency * index);
    }
}
