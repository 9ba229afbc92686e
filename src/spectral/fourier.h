/* fourier -- single-precision Fourier transforms of many small real arrays of one shape. */
#ifndef WEFT_SPECTRAL_FOURIER_H
#define WEFT_SPECTRAL_FOURIER_H

#include <stdbool.h>
#include <stddef.h>

#include "weft/base/error.h"

/* A workspace for `batch` arrays of size[0] x size[1] x size[2] reals at a time (1 for axes that they lack: the last
 * ones are theirs). `real` holds them one after the other; `spectrum` their size[0] x size[1] x (size[2] / 2 + 1)
 * complex bins (real, imaginary) each: the other bins of a real array's transform are the conjugates of these. Belongs
 * to one thread. */
typedef struct Fourier {
    size_t size[3], batch;
    size_t elements, bins; /* of one array */
    float *real;
    float (*spectrum)[2];
    const struct FourierPlan *plan;
} Fourier;

/* STATUS_LIMIT if the arrays are too large. */
bool fourier_init(Fourier *fourier, const size_t size[3], Error *err);
void fourier_forward(const Fourier *fourier); /* real -> spectrum; may destroy `real` */
void fourier_inverse(const Fourier *fourier); /* spectrum -> real times `elements`; destroys `spectrum` */
void fourier_done(Fourier *fourier);

/* The frequencies of bin `bin` along the axes: min(i, size - i), of the last one j. *twins is 2 if the bin also
 * represents its conjugate, which has the same, otherwise 1. */
void fourier_bin(const Fourier *fourier, size_t bin, size_t frequency[3], unsigned *twins);

/* Destroys all plans; no workspace may be in use. */
void fourier_cleanup(void);

#endif
