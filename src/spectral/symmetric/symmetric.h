/* symmetric -- all eigenvalues of a large symmetric matrix in double: a reduction to a band by products of tiles, then
 * to three diagonals, then LAPACK's dsterf.
 *
 * LAPACK's dsytrd takes the matrix from memory for every column; the band is reached with products, which take it for
 * every SIDE columns, and the band fits in a cache. The work is cut by the size alone, so its bits do not depend on
 * threads. Only the tiles of the lower triangle are stored: half of the matrix.
 */
#ifndef WEFT_SPECTRAL_SYMMETRIC_H
#define WEFT_SPECTRAL_SYMMETRIC_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "spectral/symmetric/kernels.h"
#include "weft/base/error.h"
#include "weft/base/tiles.h"

typedef struct Symmetric {
    size_t size, sides; /* rows; rows of tiles, the last of which ends with zeros */
    double *tiles;      /* tile (i, j), j <= i, is number i (i + 1) / 2 + j; its rows one after the other */
    float *single;      /* the tiles, where there is room for float32 numbers only; `tiles` is NULL */
    const SymmetricKernels *kernels;
} Symmetric;

/* A matrix of zeros, stored in double or, with `single`, in float32: then each number is rounded whenever its tile is
 * put back. STATUS_LIMIT. */
bool symmetric_init(Symmetric *matrix, size_t size, bool single, Error *err);
void symmetric_done(Symmetric *matrix);
/* A tile in double: where it is stored, or in `room` (TILE numbers). A tile in `room` that was changed is put back. */
double *symmetric_tile(const Symmetric *matrix, size_t i, size_t j, double *room);
void symmetric_put(const Symmetric *matrix, size_t i, size_t j, const double *room);
uint64_t symmetric_bytes(size_t size, bool single); /* of the matrix and what symmetric_eigenvalues takes beside it */

/* All eigenvalues, ascending. Destroys the matrix. STATUS_CANCELLED. */
bool symmetric_eigenvalues(Symmetric *matrix, double *values, Error *err);
/* How often a number of a float32 Gram matrix of `size` columns and `rows` rows is rounded, at most. Each time the
 * matrix changes by up to 2^-24 of its Frobenius norm F; so each eigenvalue by no more than this count times 2^-24 F
 * (Weyl), and the root of the sum of the squares of all their changes, too (Hoffman and Wielandt). */
double symmetric_roundings(size_t size, size_t rows);

/* ---- the Gram matrix of float32 rows ----------------------------------------------------------------------------- */

enum { GRAM_ROWS = 512, GRAM_PANEL = 128 }; /* rows that are added at a time, by digits or in double */
typedef struct Gram {
    Symmetric matrix;
    double unit; /* what the rows are multiplied with: in float32 products must not overflow */
    size_t strips;
    bool digits; /* still by digits; else in double */
    double *panels;
    int8_t *left, *right;
    TilesRest *rests;
    size_t *rest_count;
    float *scale;
    double *inverse;
    const float *rows; /* of the current part */
    size_t depth;
} Gram;
bool gram_init(Gram *gram, size_t size, bool single, Error *err);
void gram_add(Gram *gram, const float *rows, size_t count); /* rows of `size` finite numbers, one after the other */
void gram_finish(Gram *gram);                               /* frees all but the matrix */
void gram_done(Gram *gram);                                 /* also after gram_init has failed */
uint64_t gram_bytes(size_t size, bool single);              /* beside the matrix, until gram_finish */

/* ---- its two halves ---------------------------------------------------------------------------------------------- */

/* The band that the matrix is similar to (kernels.h): SIDE diagonals below the main one. Zeros beyond `size`. */
double *symmetric_to_band(Symmetric *matrix, Error *err);
size_t symmetric_band_length(size_t size);
uint64_t band_bytes(size_t size); /* that symmetric_to_band and symmetric_chase take */
/* The band to diagonals: `size` numbers and one less. */
bool symmetric_chase(double *band, size_t size, const SymmetricKernels *kernels, double *diagonal, double *below,
                     Error *err);

#endif
