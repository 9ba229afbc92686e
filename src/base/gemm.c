/* gemm -- the one way to OpenBLAS's matrix product. */

#include <assert.h>
#include <cblas.h>
#include <limits.h>
#include <pthread.h>

#include "gemm.h"
#include "weft/base/gemm.h"

static void one_thread(void) {
    openblas_set_num_threads(1);
}

void gemm_prepare(void) {
    static pthread_once_t once = PTHREAD_ONCE_INIT;
    pthread_once(&once, one_thread);
}

/* A stride as BLAS wants it: it checks strides even where a matrix is empty. */
static int stride(size_t given) {
    assert(given <= INT_MAX);
    return given > 0 ? (int)given : 1;
}

void gemm_f32(bool transpose_a, bool transpose_b, size_t m, size_t n, size_t k, float alpha, const float *a, size_t lda,
              const float *b, size_t ldb, float beta, float *c, size_t ldc) {
    assert(m <= INT_MAX && n <= INT_MAX && k <= INT_MAX);
    gemm_prepare();
    cblas_sgemm(CblasRowMajor, transpose_a ? CblasTrans : CblasNoTrans, transpose_b ? CblasTrans : CblasNoTrans, (int)m,
                (int)n, (int)k, alpha, a, stride(lda), b, stride(ldb), beta, c, stride(ldc));
}

void gemm_gram_f32(size_t n, size_t k, float alpha, const float *a, size_t lda, float beta, float *c, size_t ldc) {
    assert(n <= INT_MAX && k <= INT_MAX);
    gemm_prepare();
    cblas_ssyrk(CblasRowMajor, CblasLower, CblasNoTrans, (int)n, (int)k, alpha, a, stride(lda), beta, c, stride(ldc));
}
