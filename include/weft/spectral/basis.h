/* basis -- orthonormal bases of symmetric matrices: eigenvectors, and one step towards them from a basis that is near.
 * One thread a call, no allocation.
 */
#ifndef WEFT_SPECTRAL_BASIS_H
#define WEFT_SPECTRAL_BASIS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* Doubles of scratch memory that the functions below take for a size x size matrix. */
uint64_t basis_scratch(size_t size);
/* The eigenvectors of a symmetric matrix (size x size, row-major; only its lower triangle is read), computed in double,
 * as the columns of `basis`, by descending eigenvalue. The identity, and false, where they cannot be computed (an entry
 * is not finite). */
bool basis_eigenvectors(const float *matrix, size_t size, float *basis, double *scratch);
/* One step of orthogonal iteration: the columns of `basis` are sorted by their Rayleigh quotients q^T M q, descending,
 * multiplied by the matrix M and made orthonormal (QR). order[i]: the former place of column i. Golub and Van Loan,
 * Matrix Computations, section 8.2. */
void basis_refine(const float *matrix, size_t size, float *basis, uint32_t *order, double *scratch);

#endif
