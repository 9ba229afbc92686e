/* basis -- see weft/spectral/basis.h. */
#include "weft/spectral/basis.h"

#include <math.h>
#include <string.h>

#include "spectral/lapack.h"
#include "weft/base/gemm.h"

/* Scratch of basis_eigenvectors: the matrix and what LAPACK takes; of basis_refine, in floats: the product, its sorted
 * columns and what LAPACK takes, and in doubles the quotients. */
uint64_t basis_scratch(size_t size) {
    const uint64_t n = size, eigen = n * n + lapack_eigenvectors_work(size);
    const uint64_t refine = n + n * n + (lapack_orthonormal_work(size) + 1) / 2;
    return eigen > refine ? eigen : refine;
}

bool basis_eigenvectors(const float *matrix, size_t size, float *basis, double *scratch) {
    double *vectors = scratch, *work = scratch + size * size;
    bool finite = true;
    for (size_t i = 0; i < size * size; i++) finite = isfinite(vectors[i] = (double)matrix[i]) && finite;
    const bool found = finite && lapack_eigenvectors(vectors, size, work);
    for (size_t i = 0; i < size; i++) /* LAPACK's are ascending, one after the other */
        for (size_t k = 0; k < size; k++)
            basis[i * size + k] = found ? (float)vectors[(size - 1 - k) * size + i] : i == k ? 1 : 0;
    return found;
}

/* Stable: equal quotients keep their places. */
static void sort_descending(const double *value, size_t count, uint32_t *order) {
    for (size_t i = 0; i < count; i++) {
        size_t at = i;
        for (; at > 0 && value[order[at - 1]] < value[i]; at--) order[at] = order[at - 1];
        order[at] = (uint32_t)i;
    }
}

void basis_refine(const float *matrix, size_t size, float *basis, uint32_t *order, double *scratch) {
    double *quotient = scratch;
    float *product = (float *)(scratch + size), *columns = product + size * size, *work = columns + size * size;
    gemm_f32(false, false, size, size, size, 1, matrix, size, basis, size, 0, product, size);
    memset(quotient, 0, size * sizeof *quotient);
    for (size_t i = 0; i < size; i++)
        for (size_t k = 0; k < size; k++) quotient[k] += (double)basis[i * size + k] * (double)product[i * size + k];
    sort_descending(quotient, size, order);
    for (size_t k = 0; k < size; k++)
        for (size_t i = 0; i < size; i++) columns[k * size + i] = product[i * size + order[k]];
    lapack_orthonormal(columns, size, work);
    for (size_t i = 0; i < size; i++)
        for (size_t k = 0; k < size; k++) basis[i * size + k] = columns[k * size + i];
}
