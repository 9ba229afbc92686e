/* lapack -- dense double-precision linear algebra on row-major matrices, one thread per call. */
#ifndef WEFT_SPECTRAL_LAPACK_H
#define WEFT_SPECTRAL_LAPACK_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "weft/base/error.h"

/* STATUS_LIMIT if a rows x columns matrix is larger than LAPACK's 32-bit sizes allow. */
bool lapack_admits(size_t rows, size_t columns, Error *err);

/* The singular values, descending, min(rows, columns) = K of them. `matrix` is destroyed. */
bool lapack_singular_values(double *matrix, size_t rows, size_t columns, double *sigma, Error *err);

/* The triangle R of the QR decomposition of what R stands for already and of further rows: R' R grows by theirs. R has
 * columns x columns numbers, `rows` count x columns, both column after column; only the upper triangle of R is used.
 * `rows` is destroyed. `work`: lapack_add_rows_work(columns) doubles. */
bool lapack_add_rows(double *rows, size_t count, size_t columns, double *triangle, double *work, Error *err);
uint64_t lapack_add_rows_work(size_t columns);

/* The thin decomposition matrix = U diag(sigma) V^T: `u` is rows x K, `vt` K x columns. `matrix` is destroyed. */
bool lapack_svd(double *matrix, size_t rows, size_t columns, double *u, double *sigma, double *vt, Error *err);

/* The eigenvalues of a symmetric size x size matrix, ascending; only its lower triangle is read, and destroyed. */
bool lapack_eigenvalues(double *matrix, size_t size, double *values, Error *err);
uint64_t lapack_eigenvalues_work(size_t size); /* doubles that it takes beside the matrix, at most */

/* Those of a tridiagonal one, in the place of its diagonal; `below` (size - 1 numbers) is destroyed. */
bool lapack_tridiagonal(double *diagonal, double *below, size_t size, Error *err);

/* Adds the products of `count` rows of a matrix to the lower triangle of its Gram matrix: gram += R^T R; columns x
 * columns. */
void lapack_add_gram(const double *rows, size_t count, size_t columns, double *gram);

/* c (rows x columns) -= a (rows x inner, rows `stride` apart) b (inner x columns). */
void lapack_subtract_product(size_t rows, size_t columns, size_t inner, const double *a, size_t stride, const double *b,
                             double *c);

/* All eigenvectors of a symmetric size x size matrix (size <= 16384), in its place, one after the other by ascending
 * eigenvalue; only its lower triangle is read. `work`: lapack_eigenvectors_work(size) doubles. False where LAPACK does
 * not converge. */
uint64_t lapack_eigenvectors_work(size_t size);
bool lapack_eigenvectors(double *matrix, size_t size, double *work);

/* Replaces `size` vectors of `size` floats, one after the other, by an orthonormal basis whose first k vectors span
 * the first k of them (the Q of QR). `work`: lapack_orthonormal_work(size) floats. */
uint64_t lapack_orthonormal_work(size_t size);
void lapack_orthonormal(float *columns, size_t size, float *work);

#endif
