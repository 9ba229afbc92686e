/* gemm -- the product of two float32 matrices, or of one with its transpose. */
#ifndef WEFT_GEMM_H
#define WEFT_GEMM_H

#include <stdbool.h>
#include <stddef.h>

/* c[m][n] = alpha * op(a) op(b) + beta * c, row-major: one OpenBLAS call on the calling thread. The caller cuts the
 * work into pieces. */
void gemm_f32(bool transpose_a, bool transpose_b, size_t m, size_t n, size_t k, float alpha, const float *a, size_t lda,
              const float *b, size_t ldb, float beta, float *c, size_t ldc);

/* The lower triangle of c[n][n] = alpha * a a^T + beta * c, with a[n][k]; the rest of c is left as it is. */
void gemm_gram_f32(size_t n, size_t k, float alpha, const float *a, size_t lda, float beta, float *c, size_t ldc);

#endif
