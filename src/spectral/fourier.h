/* fourier -- single-precision Fourier transforms of many small real arrays of one shape. */
#ifndef WEFT_SPECTRAL_FOURIER_H
#define WEFT_SPECTRAL_FOURIER_H

#include "weft/base.h"

/* A workspace for `batch` arrays of height x width reals at a time (height 1: one-dimensional). `real` holds them one
 * after the other; `spectrum` their height x (width / 2 + 1) complex bins (real, imaginary) each: the other bins of a
 * real array's transform are the conjugates of these. Belongs to one thread. */
typedef struct Fourier {
    size_t height, width, batch;
    size_t elements, bins; /* of one array */
    float *real;
    float (*spectrum)[2];
    const struct FourierPlan *plan;
} Fourier;

/* STATUS_LIMIT where the arrays are too large. */
bool fourier_init(Fourier *fourier, size_t height, size_t width, Error *err);
void fourier_forward(const Fourier *fourier); /* real -> spectrum; may destroy `real` */
void fourier_inverse(const Fourier *fourier); /* spectrum -> real times `elements`; destroys `spectrum` */
void fourier_done(Fourier *fourier);

/* The frequencies of bin `bin`: row min(i, height - i), column j. Others with the same magnitude: *twins is 2 where the
 * bin also stands for its conjugate, else 1. */
void fourier_bin(const Fourier *fourier, size_t bin, size_t *row, size_t *column, unsigned *twins);

/* Destroys all plans; no workspace may be in use. */
void fourier_cleanup(void);

#endif
