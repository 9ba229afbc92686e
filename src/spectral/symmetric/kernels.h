/* kernels -- the inner loops of the reduction of symmetric matrices, for each kind of CPU. */
#ifndef WEFT_SYMMETRIC_KERNELS_H
#define WEFT_SYMMETRIC_KERNELS_H

#include <float.h>
#include <stdbool.h>
#include <stddef.h>

/* Rows and columns of a tile, which are those of a panel and the width of the band. */
enum { SIDE = 48, TILE = SIDE * SIDE };

/* Element (i, j) of the band, i >= j, is at band[j * BAND_STEP + i]: a block of it looks like a matrix with columns
 * BAND_STEP apart. Columns hold 2 SIDE numbers, the band and what bulges out of it. */
enum { BAND_STEP = 2 * SIDE };

/* A sum of squares that is less counts as 0. Squares below DBL_MIN lose digits, and a reflector of such numbers would
 * not keep lengths. The numbers that are dropped are less than 1e-145; a Gram matrix of float32 weights that are not
 * all 0 has an eigenvalue above 1e-90. */
#define LEAST_SQUARES (DBL_MIN / DBL_EPSILON)

typedef struct SymmetricKernels {
    const char *name;
    /* c += a b of tiles; c += a' b and c -= a' b, where a and b have `depth` rows of SIDE numbers. */
    void (*add_product)(const double *a, const double *b, double *c);
    void (*add_turned)(size_t depth, const double *a, const double *b, double *c);
    void (*subtract_turned)(size_t depth, const double *a, const double *b, double *c);
    /* `count` rows of SIDE numbers below the pivot of a reflector v = 1, then scale times `column`: subtracts weights
     * times v from each, leaves v in the column, and adds to dots the products of the next column with all. */
    void (*reflect_rows)(double *rows, size_t count, unsigned column, double scale, const double *weights,
                         double *dots);
    /* The reflector of a column of the band below its diagonal. */
    void (*chase_begin)(double *column, double *u, double *tau);
    /* It is applied to the diagonal block from both sides and, if there are rows below, to those; there it gets the
     * next one. */
    void (*chase_step)(double *diagonal, double *u, double *tau, bool below);
} SymmetricKernels;

extern const SymmetricKernels symmetric_avx512, symmetric_avx2, symmetric_baseline;
const SymmetricKernels *symmetric_kernels(size_t index); /* those of this CPU, the fastest first; NULL beyond */

#endif
