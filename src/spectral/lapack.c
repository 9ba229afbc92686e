/* lapack -- the only file that calls LAPACKE and double-precision BLAS; `info` becomes an Error here.
 *
 * LAPACK stores columns one after the other, we store rows: our rows x columns matrix W is, seen by LAPACK, the
 * columns x rows matrix W^T. W^T = U' S V'^T means W = V' S U'^T, so asking LAPACK for the decomposition of W^T and
 * swapping the two factors gives ours without one transposition. The *_work entry points take our workspace, so all
 * memory passes through mem_alloc.
 */
#include "spectral/lapack.h"

#include <cblas.h>
#include <lapacke.h>
#include <limits.h>
#include <pthread.h>

#include "weft/base/error.h"
#include "weft/base/memory.h"

/* dgesdd's workspace, about 4 K^2 + 7 K numbers, is counted in 32 bits. */
enum { SIDE_MAX = 16384 };

/* The caller cuts the work into layers; results must not depend on how many threads OpenBLAS would use for one. */
static void one_thread(void) {
    openblas_set_num_threads(1);
}

static void use_one_thread(void) {
    static pthread_once_t once = PTHREAD_ONCE_INIT;
    pthread_once(&once, one_thread);
}

bool lapack_admits(size_t rows, size_t columns, Error *err) {
    size_t smaller = rows < columns ? rows : columns, larger = rows < columns ? columns : rows;
    if (smaller <= SIDE_MAX && larger <= INT_MAX) return true;
    return error_set(err, STATUS_LIMIT, "a %zu x %zu matrix; the smaller side may have at most %d", rows, columns,
                     SIDE_MAX);
}

static bool check_info(lapack_int info, const char *routine, Error *err) {
    if (info == 0) return true;
    if (info < 0) return error_set(err, STATUS_FAILED, "LAPACK %s refused its argument %d", routine, -(int)info);
    return error_set(err, STATUS_FAILED, "LAPACK %s did not converge (info %d)", routine, (int)info);
}

/* dgesdd on the transposed view; job 'N' (values only) or 'S' (thin factors). */
static bool decompose(char job, double *matrix, size_t rows, size_t columns, double *u, double *sigma, double *vt,
                      Error *err) {
    if (!lapack_admits(rows, columns, err)) return false;
    size_t smaller = rows < columns ? rows : columns;
    if (smaller == 0) return true;
    use_one_thread();
    lapack_int m = (lapack_int)columns, n = (lapack_int)rows, k = (lapack_int)smaller, info;
    double size = 0, *work = NULL;
    bool done = false;
    lapack_int *integers = mem_alloc(8 * (uint64_t)smaller, sizeof *integers, err);
    if (!integers) goto out;
    info = LAPACKE_dgesdd_work(LAPACK_COL_MAJOR, job, m, n, matrix, m, sigma, vt, m, u, k, &size, -1, integers);
    if (!check_info(info, "dgesdd", err)) goto out;
    work = mem_alloc((uint64_t)size, sizeof *work, err);
    if (!work) goto out;
    info = LAPACKE_dgesdd_work(LAPACK_COL_MAJOR, job, m, n, matrix, m, sigma, vt, m, u, k, work, (lapack_int)size,
                               integers);
    done = check_info(info, "dgesdd", err);
out:
    mem_free(integers);
    mem_free(work);
    return done;
}

bool lapack_singular_values(double *matrix, size_t rows, size_t columns, double *sigma, Error *err) {
    return decompose('N', matrix, rows, columns, NULL, sigma, NULL, err);
}

enum { PANEL = 64 }; /* columns that LAPACK's QR of a triangle takes at a time */

uint64_t lapack_add_rows_work(size_t columns) {
    return 2 * (uint64_t)PANEL * columns;
}

bool lapack_add_rows(double *rows, size_t count, size_t columns, double *triangle, double *work, Error *err) {
    if (count == 0 || columns == 0) return true;
    use_one_thread();
    const lapack_int m = (lapack_int)count, n = (lapack_int)columns, panel = n < PANEL ? n : PANEL;
    return check_info(LAPACKE_dtpqrt_work(LAPACK_COL_MAJOR, m, n, 0, panel, triangle, n, rows, m, work, panel,
                                          work + (size_t)PANEL * columns),
                      "dtpqrt", err);
}

bool lapack_svd(double *matrix, size_t rows, size_t columns, double *u, double *sigma, double *vt, Error *err) {
    return decompose('S', matrix, rows, columns, u, sigma, vt, err);
}

uint64_t lapack_eigenvalues_work(size_t size) {
    return (uint64_t)size * 64 + 4096; /* more than it asks for */
}

bool lapack_eigenvalues(double *matrix, size_t size, double *values, Error *err) {
    if (!lapack_admits(size, size, err)) return false;
    if (size == 0) return true;
    use_one_thread();
    lapack_int n = (lapack_int)size, info, integer = 0, integer_size = 0;
    double optimal = 0;
    /* Our lower triangle is LAPACK's upper one. Values only: one integer of workspace is enough. */
    info = LAPACKE_dsyevd_work(LAPACK_COL_MAJOR, 'N', 'U', n, matrix, n, values, &optimal, -1, &integer_size, -1);
    if (!check_info(info, "dsyevd", err)) return false;
    double *work = mem_alloc((uint64_t)optimal, sizeof *work, err);
    if (!work) return false;
    info =
        LAPACKE_dsyevd_work(LAPACK_COL_MAJOR, 'N', 'U', n, matrix, n, values, work, (lapack_int)optimal, &integer, 1);
    mem_free(work);
    return check_info(info, "dsyevd", err);
}

bool lapack_tridiagonal(double *diagonal, double *below, size_t size, Error *err) {
    if (size == 0) return true;
    return check_info(LAPACKE_dsterf_work((lapack_int)size, diagonal, below), "dsterf", err);
}

void lapack_add_gram(const double *rows, size_t count, size_t columns, double *gram) {
    if (count == 0 || columns == 0) return;
    use_one_thread();
    cblas_dsyrk(CblasRowMajor, CblasLower, CblasTrans, (int)columns, (int)count, 1, rows, (int)columns, 1, gram,
                (int)columns);
}

void lapack_subtract_product(size_t rows, size_t columns, size_t inner, const double *a, size_t stride, const double *b,
                             double *c) {
    if (rows == 0 || columns == 0 || inner == 0) return;
    use_one_thread();
    cblas_dgemm(CblasRowMajor, CblasNoTrans, CblasNoTrans, (int)rows, (int)columns, (int)inner, -1, a, (int)stride, b,
                (int)columns, 1, c, (int)columns);
}

enum { BLOCK = 64 }; /* columns that LAPACK's QR may take at a time */

uint64_t lapack_eigenvectors_work(size_t size) {
    const uint64_t n = size, integers = (3 + 5 * n) * sizeof(lapack_int);
    return n + 1 + 6 * n + 2 * n * n + (integers + sizeof(double) - 1) / sizeof(double);
}

bool lapack_eigenvectors(double *matrix, size_t size, double *work) {
    if (size == 0) return true;
    use_one_thread();
    const lapack_int n = (lapack_int)size, doubles = 1 + 6 * n + 2 * n * n;
    double *values = work, *own = work + size;
    lapack_int *integers = (lapack_int *)(own + doubles);
    return LAPACKE_dsyevd_work(LAPACK_COL_MAJOR, 'V', 'U', n, matrix, n, values, own, doubles, integers, 3 + 5 * n) ==
           0;
}

uint64_t lapack_orthonormal_work(size_t size) {
    return (uint64_t)size * (1 + BLOCK);
}

void lapack_orthonormal(float *columns, size_t size, float *work) {
    if (size == 0) return;
    use_one_thread();
    const lapack_int n = (lapack_int)size;
    float *own = work + size; /* before it the reflectors' factors */
    LAPACKE_sgeqrf_work(LAPACK_COL_MAJOR, n, n, columns, n, work, own, BLOCK * n);
    LAPACKE_sorgqr_work(LAPACK_COL_MAJOR, n, n, n, columns, n, work, own, BLOCK * n);
}
