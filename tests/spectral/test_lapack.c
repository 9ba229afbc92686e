/* test_lapack -- decompositions against their definitions and closed forms, and how LAPACK's refusals come back. */
#include "spectral/lapack.h"
#include "weft/base/error.h"
#include "weft/base/fault.h"
#include "weft/base/random.h"
#include "weft/spectral.h"
#include "weft/spectral/basis.h"
#include "weft/base/memory.h"

#include <float.h>
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>
#include <cmocka.h>

enum { SIDE_MAX = 24, COUNT_MAX = SIDE_MAX * SIDE_MAX };

static void fill(double *matrix, size_t count, uint64_t seed) {
    Rng rng = {.seed = seed};
    for (size_t i = 0; i < count; i++) matrix[i] = rng_normal(&rng);
}

static const struct {
    size_t rows, columns;
} shapes[] = {{1, 1}, {1, 7}, {7, 1}, {5, 9}, {9, 5}, {8, 8}, {2, 24}, {24, 3}};
enum { SHAPES = sizeof shapes / sizeof *shapes };

/* W = U diag(s) V^T with orthonormal factors and descending values, wide, tall and square. */
static void factors_rebuild_the_matrix(void **state) {
    (void)state;
    Error err;
    for (size_t t = 0; t < SHAPES; t++) {
        size_t rows = shapes[t].rows, columns = shapes[t].columns, k = rows < columns ? rows : columns;
        double w[COUNT_MAX], work[COUNT_MAX], u[COUNT_MAX], vt[COUNT_MAX], sigma[SIDE_MAX], alone[SIDE_MAX];
        fill(w, rows * columns, t);
        memcpy(work, w, sizeof work);
        assert_true(lapack_svd(work, rows, columns, u, sigma, vt, &err));
        memcpy(work, w, sizeof work);
        assert_true(lapack_singular_values(work, rows, columns, alone, &err));
        for (size_t i = 0; i < k; i++) {
            assert_true(fabs(sigma[i] - alone[i]) < 1e-13 * sigma[0]);
            assert_true(i == 0 || sigma[i] <= sigma[i - 1]);
            for (size_t j = 0; j < k; j++) {
                double left = 0, right = 0, wanted = i == j;
                for (size_t r = 0; r < rows; r++) left += u[r * k + i] * u[r * k + j];
                for (size_t c = 0; c < columns; c++) right += vt[i * columns + c] * vt[j * columns + c];
                assert_true(fabs(left - wanted) < 1e-13 && fabs(right - wanted) < 1e-13);
            }
        }
        for (size_t r = 0; r < rows; r++) {
            for (size_t c = 0; c < columns; c++) {
                double sum = 0;
                for (size_t i = 0; i < k; i++) sum += u[r * k + i] * sigma[i] * vt[i * columns + c];
                assert_true(fabs(sum - w[r * columns + c]) < 1e-13 * (1 + sigma[0]));
            }
        }
    }
}

/* The smaller Gram matrix: of the columns, or of the rows, which a transposed copy has as columns. */
static void smaller_gram(const double *w, size_t rows, size_t columns, double *gram) {
    double turned[COUNT_MAX];
    const size_t k = rows < columns ? rows : columns;
    memset(gram, 0, k * k * sizeof *gram);
    for (size_t i = 0; i < rows; i++)
        for (size_t j = 0; j < columns; j++) turned[j * rows + i] = w[i * columns + j];
    if (rows < columns)
        lapack_add_gram(turned, columns, rows, gram);
    else
        lapack_add_gram(w, rows, columns, gram);
}

/* Eigenvalues of the Gram matrix are the squares of the singular values; its trace is the sum of squares. */
static void gram_holds_the_squares(void **state) {
    (void)state;
    Error err;
    for (size_t t = 0; t < SHAPES; t++) {
        size_t rows = shapes[t].rows, columns = shapes[t].columns, k = rows < columns ? rows : columns;
        double w[COUNT_MAX], gram[COUNT_MAX], sigma[SIDE_MAX], squares[SIDE_MAX], sum = 0, trace = 0;
        fill(w, rows * columns, 100 + t);
        smaller_gram(w, rows, columns, gram);
        for (size_t i = 0; i < rows * columns; i++) sum += w[i] * w[i];
        for (size_t i = 0; i < k; i++) trace += gram[i * k + i];
        assert_true(fabs(trace - sum) < 1e-13 * sum);
        assert_true(lapack_eigenvalues(gram, k, squares, &err));
        assert_true(lapack_singular_values(w, rows, columns, sigma, &err));
        for (size_t i = 0; i < k; i++) {
            assert_true(fabs(squares[k - 1 - i] - sigma[i] * sigma[i]) < 1e-13 * sum);
        }
    }
}

/* The second-difference matrix of size n has the eigenvalues 2 - 2 cos(pi i / (n + 1)). */
static void eigenvalues_in_closed_form(void **state) {
    (void)state;
    Error err;
    double matrix[COUNT_MAX] = {0}, values[SIDE_MAX];
    for (size_t i = 0; i < SIDE_MAX; i++) {
        matrix[i * SIDE_MAX + i] = 2;
        if (i > 0) matrix[i * SIDE_MAX + i - 1] = -1;
    }
    assert_true(lapack_eigenvalues(matrix, SIDE_MAX, values, &err));
    for (size_t i = 0; i < SIDE_MAX; i++) {
        assert_true(fabs(values[i] - (2 - 2 * cos(M_PI * (double)(i + 1) / (SIDE_MAX + 1)))) < 1e-14);
    }
}

static void product_is_subtracted(void **state) {
    (void)state;
    /* The left factor is the last two columns of a 2 x 3 matrix. */
    const double a[] = {9, 1, 2, 9, 3, 4}, b[] = {1, 0, 2, 0, 1, 1};
    double c[] = {10, 10, 10, 10, 10, 10};
    const double wanted[] = {9, 8, 6, 7, 6, 0};
    lapack_subtract_product(2, 3, 2, a + 1, 3, b, c);
    for (size_t i = 0; i < 6; i++) assert_true(c[i] == wanted[i]);
    lapack_subtract_product(2, 3, 0, a, 3, b, c);
    for (size_t i = 0; i < 6; i++) assert_true(c[i] == wanted[i]);
}

static void empty_matrices(void **state) {
    (void)state;
    Error err;
    double none = 5;
    assert_true(lapack_svd(&none, 0, 4, &none, &none, &none, &err));
    assert_true(lapack_singular_values(&none, 3, 0, &none, &err));
    assert_true(lapack_eigenvalues(&none, 0, &none, &err));
    lapack_add_gram(&none, 0, 3, &none);
    lapack_add_gram(&none, 3, 0, &none);
    assert_true(none == 5);
}

static void refusals(void **state) {
    (void)state;
    Error err;
    double none = 0, sigma[2], bad[] = {1, NAN, 2, 3};
    assert_false(lapack_admits(20000, 20000, &err));
    assert_int_equal(err.status, STATUS_LIMIT);
    assert_non_null(strstr(err.text, "20000 x 20000"));
    assert_false(lapack_svd(&none, 20000, 20000, &none, &none, &none, &err));
    assert_false(lapack_eigenvalues(&none, 20000, &none, &err));
    assert_true(lapack_admits(16384, 100000000, &err));
    assert_false(lapack_singular_values(bad, 2, 2, sigma, &err));
    assert_int_equal(err.status, STATUS_FAILED);
    assert_non_null(strstr(err.text, "dgesdd"));
}

/* The public entry: float32 in, double out; sigma of a rank-one matrix is |u| |v|. */
static void singular_values_of_float_matrices(void **state) {
    (void)state;
    Error err;
    const float u[] = {1, 2, 2}, v[] = {3, 0, 4, 12};
    float w[12];
    double sigma[3];
    for (size_t i = 0; i < 12; i++) w[i] = u[i / 4] * v[i % 4];
    assert_true(spectral_singular_values(w, 3, 4, sigma, &err));
    assert_true(fabs(sigma[0] - 39) < 1e-13 && sigma[1] < 1e-13 && sigma[2] < 1e-13);
    assert_true(spectral_singular_values(w, 4, 3, sigma, &err));
    assert_true(spectral_singular_values(w, 0, 3, sigma, &err));
    w[7] = -INFINITY;
    assert_false(spectral_singular_values(w, 3, 4, sigma, &err));
    assert_int_equal(err.status, STATUS_BAD_INPUT);
    assert_string_equal(err.text, "weight 7 is -inf, not a finite number");
}

static void out_of_memory(void **state) {
    (void)state;
    Error err;
    for (uint64_t nth = 1;; nth++) {
        double w[30], u[30], vt[30], sigma[6];
        fill(w, 30, 1);
        fault_arm(FAULT_ALLOC, nth, false);
        bool done = lapack_svd(w, 5, 6, u, sigma, vt, &err);
        if (fault_disarm() < nth) {
            assert_true(done);
            break;
        }
        assert_false(done);
        assert_int_equal(err.status, STATUS_LIMIT);
    }
}

/* Second differences: eigenvalues 2 - 2 cos(pi k / (n + 1)), eigenvectors sin(pi i k / (n + 1)). Orthogonal iteration,
 * from a basis that is the identity, comes to the same vectors. */
static void bases(void **state) {
    (void)state;
    enum { N = 6, TURNS = 200 };
    Error err;
    float matrix[N * N] = {0}, found[N * N], refined[N * N] = {0};
    uint32_t order[N];
    double *scratch = mem_alloc(basis_scratch(N), sizeof *scratch, &err);
    assert_non_null(scratch);
    for (size_t i = 0; i < N; i++) {
        matrix[i * N + i] = 2;
        refined[i * N + i] = 1;
        if (i > 0) matrix[i * N + i - 1] = matrix[(i - 1) * N + i] = -1;
    }
    assert_true(basis_eigenvectors(matrix, N, found, scratch));
    for (int turn = 0; turn < TURNS; turn++) basis_refine(matrix, N, refined, order, scratch);
    for (size_t k = 0; k < N; k++) {
        double size = 0, along = 0, alike = 0;
        for (size_t i = 0; i < N; i++) {
            const double wanted = sin(M_PI * (double)((i + 1) * (N - k)) / (N + 1)); /* the largest first */
            size += wanted * wanted;
            along += wanted * (double)found[i * N + k];
            alike += wanted * (double)refined[i * N + k];
        }
        assert_true(fabs(fabs(along) / sqrt(size) - 1) < 1e-6);
        assert_true(fabs(fabs(alike) / sqrt(size) - 1) < 1e-5);
        assert_int_equal(order[k], k);
    }
    matrix[3] = matrix[3 * N] = NAN;
    assert_false(basis_eigenvectors(matrix, N, found, scratch));
    for (size_t i = 0; i < N * N; i++) assert_true(found[i] == (i % (N + 1) == 0 ? 1 : 0));
    mem_free(scratch);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(factors_rebuild_the_matrix),
        cmocka_unit_test(gram_holds_the_squares),
        cmocka_unit_test(eigenvalues_in_closed_form),
        cmocka_unit_test(product_is_subtracted),
        cmocka_unit_test(empty_matrices),
        cmocka_unit_test(refusals),
        cmocka_unit_test(singular_values_of_float_matrices),
        cmocka_unit_test(out_of_memory),
        cmocka_unit_test(bases),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
