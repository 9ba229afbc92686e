/* test_symmetric -- Gram matrices and eigenvalues of large matrices, against plain sums, LAPACK, closed forms and
 * NumPy, with every set of kernels; in float32 against the bound; the same bits with any number of threads. */
#include "spectral/lapack.h"
#include "spectral/squares.h"
#include "spectral/symmetric/symmetric.h"
#include "../support/handmade.h"
#include "weft/base/error.h"
#include "weft/base/fault.h"
#include "weft/base/memory.h"
#include "weft/base/pool.h"
#include "weft/base/random.h"
#include "weft/base/task.h"
#include "weft/spectral.h"

#include <float.h>
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>
#include <cmocka.h>

/* Normal numbers whose significands have `bits` bits: 8 as bfloat16, 11 as float16, 24 as float32. */
static float *random_matrix(size_t rows, size_t columns, unsigned bits, uint64_t seed) {
    Error err;
    Rng rng = {.seed = seed};
    float *matrix = mem_alloc((uint64_t)rows * columns, sizeof *matrix, &err);
    assert_non_null(matrix);
    for (size_t i = 0; i < rows * columns; i++) {
        const float value = (float)(0.02 * rng_normal(&rng));
        uint32_t word;
        memcpy(&word, &value, sizeof word);
        word &= ~0U << (24 - bits);
        memcpy(&matrix[i], &word, sizeof word);
    }
    return matrix;
}

static double *alloc(size_t count) {
    Error err;
    double *numbers = mem_alloc(count, sizeof *numbers, &err);
    assert_non_null(numbers);
    return numbers;
}

/* The matrix of what stands in the tiles, by columns. */
static double *dense(const Symmetric *matrix) {
    const size_t n = matrix->size;
    double *all = alloc(n * n), room[TILE];
    for (size_t i = 0; i < n; i++)
        for (size_t j = 0; j <= i; j++)
            all[i * n + j] = all[j * n + i] =
                symmetric_tile(matrix, i / SIDE, j / SIDE, room)[i % SIDE * SIDE + j % SIDE];
    return all;
}

static void symmetric_part_is_whole(const Symmetric *matrix) {
    double room[TILE];
    for (size_t s = 0; s < matrix->sides; s++) {
        const double *tile = symmetric_tile(matrix, s, s, room);
        for (size_t i = 0; i < SIDE; i++)
            for (size_t j = 0; j < i; j++) assert_true(fabs(tile[i * SIDE + j] - tile[j * SIDE + i]) < 1e-15);
    }
}

static Gram gram_of(const float *rows, size_t count, size_t size, bool digits, bool single) {
    Error err;
    Gram gram;
    assert_true(gram_init(&gram, size, single, &err));
    gram.digits = gram.digits && digits;
    gram_add(&gram, rows, count);
    return gram;
}

/* Against sums in long double. `digits`: whether these numbers should be multiplied so where it is possible. */
static void check_gram(const float *rows, size_t count, size_t size, bool digits) {
    for (int by_digits = 0; by_digits < 2; by_digits++) {
        Gram gram = gram_of(rows, count, size, by_digits, false);
        if (by_digits && tiles_digits_available()) assert_int_equal(gram.digits, digits);
        double *all = dense(&gram.matrix);
        symmetric_part_is_whole(&gram.matrix);
        for (size_t i = 0; i < size; i += 7)
            for (size_t j = 0; j <= i; j += 3) {
                long double sum = 0, magnitude = 0;
                for (size_t k = 0; k < count; k++) {
                    const long double product = (long double)rows[k * size + i] * (long double)rows[k * size + j];
                    sum += product;
                    magnitude += fabsl(product);
                }
                if (!(fabsl(sum - (long double)all[i * size + j]) <= 1e-15L * magnitude))
                    fail_msg("%zu x %zu (%zu, %zu): %.17g, not %.17Lg", count, size, i, j, all[i * size + j], sum);
            }
        mem_free(all);
        gram_done(&gram);
    }
}

static void gram_matrices(void **state) {
    (void)state;
    static const struct {
        size_t rows, columns;
        unsigned bits;
        bool digits;
    } cases[] = {{700, 101, 8, true}, {64, 48, 8, true}, {1, 33, 8, true}, {513, 97, 11, true}, {300, 100, 24, false}};
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        float *rows = random_matrix(cases[i].rows, cases[i].columns, cases[i].bits, i);
        check_gram(rows, cases[i].rows, cases[i].columns, cases[i].digits);
        mem_free(rows);
    }
}

/* Columns of zeros, of very small numbers, with one large number among small ones, negative extremes; weights that are
 * too large for digits. */
static void odd_columns(void **state) {
    (void)state;
    enum { ROWS = 600, COLUMNS = 50 };
    float *rows = random_matrix(ROWS, COLUMNS, 8, 5);
    for (size_t k = 0; k < ROWS; k++) {
        rows[k * COLUMNS + 3] = 0;
        rows[k * COLUMNS + 7] *= 0x1p-60F;
        rows[k * COLUMNS + 14] = k == 5 ? 1 : k == 17 ? 0x1p-23F : 0;
        rows[k * COLUMNS + 21] = k % 2 ? -127.0F / 128 : -255.0F / 256;
        rows[k * COLUMNS + 28] = k == 17 ? 0x1.02p-30F : 1;
    }
    check_gram(rows, ROWS, COLUMNS, true);
    rows[0] = 300;
    check_gram(rows, ROWS, COLUMNS, false);
    mem_free(rows);
}

/* ---- eigenvalues ------------------------------------------------------------------------------------------------- */

static double *eigenvalues_of(Gram *gram) {
    Error err;
    double *values = alloc(gram->matrix.size);
    assert_true(symmetric_eigenvalues(&gram->matrix, values, &err));
    gram_done(gram);
    return values;
}

static void close_to(const double *values, const double *wanted, size_t count, double tolerance) {
    for (size_t i = 0; i < count; i++)
        if (!(fabs(values[i] - wanted[i]) <= tolerance))
            fail_msg("eigenvalue %zu of %zu: %.17g, not %.17g", i, count, values[i], wanted[i]);
}

/* LAPACK's one-stage reduction, for sizes around tiles and pieces of work. */
static void as_lapack(void **state) {
    (void)state;
    Error err;
    static const size_t sizes[] = {1, 2, 3, 47, 48, 49, 95, 97, 144, 150, 389, 1010};
    for (size_t s = 0; s < sizeof sizes / sizeof *sizes; s++) {
        const size_t n = sizes[s];
        float *rows = random_matrix(n + 20, n, 24, s);
        for (size_t k = 0; symmetric_kernels(k) && (k == 0 || n < 500); k++) {
            Gram gram = gram_of(rows, n + 20, n, false, false);
            double *all = dense(&gram.matrix), *wanted = alloc(n);
            assert_true(lapack_eigenvalues(all, n, wanted, &err));
            gram.matrix.kernels = symmetric_kernels(k);
            double *values = eigenvalues_of(&gram);
            close_to(values, wanted, n, 3e-15 * (double)n * wanted[n - 1]);
            mem_free(values);
            mem_free(wanted);
            mem_free(all);
        }
        mem_free(rows);
    }
}

/* Second differences of n numbers: 2 - 2 cos(pi i / (n + 1)). Its rows are R' R of differences of n + 1. */
static void closed_form(void **state) {
    (void)state;
    enum { N = 500 };
    Error err;
    float *rows = mem_alloc((N + 1) * N, sizeof *rows, &err);
    double *wanted = alloc(N);
    assert_non_null(rows);
    for (size_t i = 0; i < N; i++) {
        rows[i * N + i] = 1;
        rows[(i + 1) * N + i] = -1;
        wanted[i] = 2 - 2 * cos(M_PI * (double)(i + 1) / (N + 1));
    }
    Gram gram = gram_of(rows, N + 1, N, true, false);
    double *values = eigenvalues_of(&gram);
    close_to(values, wanted, N, 1e-13);
    mem_free(values);
    mem_free(wanted);
    mem_free(rows);
}

/* A triangle of ones: 1 / (4 sin^2(pi (2 i - 1) / (4 n + 2))). Its Gram matrix has equal columns below each tile of the
 * diagonal: what a reflector leaves of them is as good as 0, the next one leaves that squared. */
static void equal_columns(void **state) {
    (void)state;
    enum { N = 400 };
    Error err;
    float *rows = mem_alloc(N * N, sizeof *rows, &err);
    double *wanted = alloc(N);
    assert_non_null(rows);
    for (size_t i = 0; i < N; i++) {
        const double sine = sin(M_PI * (double)(2 * (N - i) - 1) / (4 * N + 2));
        for (size_t j = i; j < N; j++) rows[i * N + j] = 1;
        wanted[i] = 0.25 / (sine * sine);
    }
    for (size_t k = 0; symmetric_kernels(k); k++) {
        Gram gram = gram_of(rows, N, N, true, false);
        gram.matrix.kernels = symmetric_kernels(k);
        double *values = eigenvalues_of(&gram);
        close_to(values, wanted, N, 1e-14 * wanted[N - 1]);
        mem_free(values);
    }
    mem_free(wanted);
    mem_free(rows);
}

/* No weights but zeros; all the same; columns that repeat: most eigenvalues are 0. */
static void rank_deficient(void **state) {
    (void)state;
    enum { ROWS = 30, N = 400 };
    float *rows = random_matrix(ROWS, N, 24, 3);
    for (int kind = 0; kind < 3; kind++) {
        double sum = 0, total = 0;
        for (size_t i = 0; i < ROWS * N; i++) {
            if (kind < 2) rows[i] = kind == 0 ? 0 : 0.5F;
            if (kind == 2) rows[i] = rows[i / N * N + i % N % 10] + 0.25F;
            sum += (double)rows[i] * (double)rows[i];
        }
        Gram gram = gram_of(rows, ROWS, N, false, false);
        double *values = eigenvalues_of(&gram);
        for (size_t i = 0; i < N; i++) total += values[i];
        assert_true(fabs(total - sum) <= 1e-12 * sum);
        for (size_t i = 0; i < N - 10; i++) assert_true(fabs(values[i]) <= 1e-13 * sum);
        mem_free(values);
    }
    mem_free(rows);
}

/* w(i, j) = float32((i j mod 101) / 101 - 0.4 + (i = j)), 450 x 600, and its transpose. NumPy: w = w.astype(float);
 * e = numpy.linalg.eigvalsh(w @ w.T); e[225:].sum() / e.sum(), e.sum(). */
static void as_numpy(void **state) {
    (void)state;
    enum { SMALL = 450, LARGE = 600 };
    Error err;
    for (int wide = 0; wide < 2; wide++) {
        float *matrix = mem_alloc(SMALL * LARGE, sizeof *matrix, &err);
        double ratio, energy;
        assert_non_null(matrix);
        for (size_t i = 0; i < SMALL; i++)
            for (size_t j = 0; j < LARGE; j++)
                matrix[wide ? i * LARGE + j : j * SMALL + i] =
                    (float)((double)(i * j % 101) / 101.0 - 0.4 + (i == j ? 1 : 0));
        assert_true(spectral_sratio(matrix, wide ? SMALL : LARGE, wide ? LARGE : SMALL, &ratio, &energy, &err));
        assert_true(fabs(ratio - 0.9912346040212819) < 1e-13);
        assert_true(fabs(energy / 25669.11687833975 - 1) < 1e-13);
        mem_free(matrix);
    }
}

static void any_number_of_threads(void **state) {
    (void)state;
    enum { N = 1000, ROWS = 1100 };
    static const unsigned threads[] = {1, 2, 3, 8};
    float *rows = random_matrix(ROWS, N, 8, 9);
    double *first = NULL;
    for (size_t t = 0; t < 4; t++) {
        pool_set_threads(threads[t]);
        Gram gram = gram_of(rows, ROWS, N, true, false);
        double *values = eigenvalues_of(&gram);
        if (first) assert_memory_equal(values, first, N * sizeof *values);
        if (first) mem_free(values);
        if (!first) first = values;
    }
    pool_set_threads(0);
    mem_free(first);
    mem_free(rows);
}

/* ---- float32 ----------------------------------------------------------------------------------------------------- */

/* Within the bound, and not by a hundredth of it: so much is lost at least. Very large and very small weights, too. */
static void single_within_its_bound(void **state) {
    (void)state;
    enum { N = 500, ROWS = 700 };
    Error err;
    static const float scales[] = {1, 1e30F, 1e-30F};
    for (size_t s = 0; s < 3; s++) {
        float *rows = random_matrix(ROWS, N, 24, 12);
        double *single = alloc(N), *wanted = alloc(N), error, none, squares = 0;
        for (size_t i = 0; i < ROWS * N; i++) rows[i] *= scales[s];
        assert_true(squares_of_matrix(rows, ROWS, N, false, wanted, &none, &err));
        assert_true(squares_of_matrix(rows, ROWS, N, true, single, &error, &err));
        assert_true(none == 0 && error > 0);
        close_to(single, wanted, N, error);
        for (size_t i = 0; i < N; i++) squares += (single[i] - wanted[i]) / error * ((single[i] - wanted[i]) / error);
        assert_true(squares <= 1 && squares > 1e-10);
        mem_free(rows);
        mem_free(single);
        mem_free(wanted);
    }
}

/* Which it is follows from the limit alone. */
static void single_where_double_has_no_room(void **state) {
    (void)state;
    const SquaresPlan plan = squares_plan(3000, 2000);
    assert_false(plan.single);
    mem_set_budget(plan.bytes - 1);
    const SquaresPlan smaller = squares_plan(3000, 2000);
    assert_true(smaller.single && smaller.bytes < plan.bytes);
    assert_false(squares_plan(100, 100).single);
    mem_set_budget(0);
}

/* ---- singular values --------------------------------------------------------------------------------------------- */

/* dgesdd's of the whole matrix: tall, wide and square, full rank (by the Gram matrix) and with columns that are nearly
 * the same (by the triangle), small and large. */
static void singular_values_of_layers(void **state) {
    (void)state;
    Error err;
    static const uint64_t shapes[][2] = {{900, 400}, {400, 900}, {390, 390}, {30, 20}};
    for (size_t s = 0; s < 4; s++)
        for (int alike = 0; alike < 2; alike++) {
            const size_t rows = (size_t)shapes[s][0], columns = (size_t)shapes[s][1], count = rows * columns;
            const HandmadeLayer layer = {"fc", 2, {rows, columns}};
            Network *network = handmade_network(&layer, 1, 3);
            float *weights = handmade_weights(network, 0);
            for (size_t i = 0; alike && i < count; i += columns) weights[i + 1] = weights[i] * (1 + 0x1p-20F);
            const size_t k = rows < columns ? rows : columns;
            double *found = alloc(k), *wanted = alloc(k), *matrix = alloc(count);
            for (size_t i = 0; i < count; i++) matrix[i] = (double)weights[i];
            assert_true(lapack_singular_values(matrix, rows, columns, wanted, &err));
            assert_true(values_of_layer(network, &network->layers[0], found, &err));
            close_to(found, wanted, k, 2e-13 * wanted[0]);
            for (size_t i = 0; !alike && i < k; i++) assert_true(fabs(found[i] / wanted[i] - 1) < 1e-9);
            mem_free(found);
            mem_free(wanted);
            mem_free(matrix);
            network_free(network);
        }
}

/* They are never those of a float32 Gram matrix. */
static void values_take_the_same_at_any_limit(void **state) {
    (void)state;
    const uint64_t bytes = values_bytes(400, 400);
    mem_set_budget(1);
    assert_int_equal(values_bytes(400, 400), bytes);
    mem_set_budget(0);
}

/* ---- failures ---------------------------------------------------------------------------------------------------- */

static void out_of_memory(void **state) {
    (void)state;
    enum { N = 400, ROWS = 410 };
    Error err;
    float *rows = random_matrix(ROWS, N, 8, 1);
    double *values = alloc(N), error;
    for (int single = 0; single < 2; single++)
        for (uint64_t nth = 1;; nth++) {
            fault_arm(FAULT_ALLOC, nth, false);
            const bool done = squares_of_matrix(rows, ROWS, N, single, values, &error, &err);
            if (fault_disarm() < nth) {
                assert_true(done);
                break;
            }
            assert_false(done);
            assert_int_equal(err.status, STATUS_LIMIT);
        }
    mem_free(values);
    mem_free(rows);
}

/* Also on the way by the triangle, for a matrix with two columns that are nearly the same. */
static void values_without_memory(void **state) {
    (void)state;
    enum { N = 390 };
    Error err;
    const HandmadeLayer layer = {"fc", 2, {N, N}};
    Network *network = handmade_network(&layer, 1, 3);
    float *weights = handmade_weights(network, 0);
    double *values = alloc(N);
    for (size_t i = 0; i < N * N; i += N) weights[i + 1] = weights[i] * (1 + 0x1p-20F);
    for (uint64_t nth = 1;; nth++) {
        fault_arm(FAULT_ALLOC, nth, false);
        const bool done = values_of_layer(network, &network->layers[0], values, &err);
        if (fault_disarm() < nth) {
            assert_true(done && nth > 20);
            break;
        }
        assert_false(done);
        assert_int_equal(err.status, STATUS_LIMIT);
    }
    mem_free(values);
    network_free(network);
}

static void cancelled(void **state) {
    (void)state;
    Error err;
    float *rows = random_matrix(500, 400, 8, 1);
    double *values = alloc(400), error;
    cancel_request();
    assert_false(squares_of_matrix(rows, 500, 400, false, values, &error, &err));
    assert_int_equal(err.status, STATUS_CANCELLED);
    cancel_clear();
    mem_free(values);
    mem_free(rows);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(gram_matrices),
        cmocka_unit_test(odd_columns),
        cmocka_unit_test(as_lapack),
        cmocka_unit_test(closed_form),
        cmocka_unit_test(equal_columns),
        cmocka_unit_test(rank_deficient),
        cmocka_unit_test(as_numpy),
        cmocka_unit_test(any_number_of_threads),
        cmocka_unit_test(single_within_its_bound),
        cmocka_unit_test(single_where_double_has_no_room),
        cmocka_unit_test(singular_values_of_layers),
        cmocka_unit_test(values_take_the_same_at_any_limit),
        cmocka_unit_test(out_of_memory),
        cmocka_unit_test(values_without_memory),
        cmocka_unit_test(cancelled),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
