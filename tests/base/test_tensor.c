/* test_tensor -- tensors and the matrix product. */
#include "weft/base/error.h"
#include "weft/base/fault.h"
#include "weft/base/gemm.h"
#include "weft/base/pool.h"
#include "weft/base/random.h"
#include "weft/base/tensor.h"

#include <cblas.h>
#include <math.h>
#include <string.h>

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

static void made_shared_released(void **state) {
    (void)state;
    Error err;
    Tensor *tensor = tensor_new(3, (uint64_t[]){2, 3, 4}, &err);
    assert_non_null(tensor);
    assert_int_equal(tensor->rank, 3);
    assert_int_equal(tensor->count, 24);
    assert_int_equal((uintptr_t)tensor->data % 64, 0);
    for (int i = 0; i < 24; i++) assert_true(tensor->data[i] == 0);
    assert_ptr_equal(tensor_share(tensor), tensor);
    tensor_release(tensor);
    tensor->data[23] = 1; /* still there */
    assert_int_equal(tensor->references, 1);
    tensor_release(tensor);
    tensor_release(NULL);
    Tensor *scalar = tensor_new(0, NULL, &err), *none = tensor_new(2, (uint64_t[]){5, 0}, &err);
    assert_int_equal(scalar->count, 1);
    assert_int_equal(none->count, 0);
    assert_non_null(none->data);
    tensor_release(scalar);
    tensor_release(none);
}

static void impossible_shapes_are_refused(void **state) {
    (void)state;
    uint64_t dim[33] = {0};
    static const uint64_t wraps[] = {(uint64_t)1 << 32, (uint64_t)1 << 32},
                          large[] = {(uint64_t)1 << 31, (uint64_t)1 << 31};
    Error err = {0};
    assert_null(tensor_new(33, dim, &err));
    assert_int_equal(err.status, STATUS_LIMIT);
    err.status = STATUS_OK;
    assert_null(tensor_new(2, wraps, &err));
    assert_int_equal(err.status, STATUS_LIMIT);
    err.status = STATUS_OK;
    assert_null(tensor_new(2, large, &err));
    assert_int_equal(err.status, STATUS_LIMIT);
    for (uint64_t k = 1; k <= 2; k++) {
        err.status = STATUS_OK;
        fault_arm(FAULT_ALLOC, k, false);
        assert_null(tensor_new(1, (uint64_t[]){5}, &err));
        assert_int_equal(fault_disarm(), k);
        assert_int_equal(err.status, STATUS_LIMIT);
    }
}

static void share_piece(void *context, size_t piece, unsigned worker) {
    (void)piece, (void)worker;
    for (int i = 0; i < 100; i++) tensor_release(tensor_share(context));
}

static void references_are_counted_by_all_threads(void **state) {
    (void)state;
    Error err;
    Tensor *tensor = tensor_new(1, (uint64_t[]){4}, &err);
    pool_set_threads(4);
    pool_run(200, share_piece, tensor);
    pool_set_threads(0);
    assert_int_equal(tensor->references, 1);
    tensor_release(tensor);
}

enum { M = 7, N = 5, K = 9, LD = 11 };

/* All four transpositions with padded rows, against sums in double precision. */
static void products(void **state) {
    (void)state;
    float a[LD * LD], b[LD * LD], c[M * LD], before[M * LD];
    Rng rng = {.seed = 11};
    for (int i = 0; i < LD * LD; i++) a[i] = (float)rng_normal(&rng), b[i] = (float)rng_normal(&rng);
    for (int variant = 0; variant < 4; variant++) {
        bool ta = variant & 1, tb = variant & 2;
        for (int i = 0; i < M * LD; i++) c[i] = before[i] = (float)rng_normal(&rng);
        gemm_f32(ta, tb, M, N, K, 0.5f, a, LD, b, LD, 2.0f, c, LD);
        for (int i = 0; i < M; i++) {
            for (int j = 0; j < LD; j++) {
                double sum = 0;
                for (int k = 0; k < K; k++) {
                    sum += (double)(ta ? a[k * LD + i] : a[i * LD + k]) * (double)(tb ? b[j * LD + k] : b[k * LD + j]);
                }
                double expected = j < N ? 0.5 * sum + 2.0 * before[i * LD + j] : before[i * LD + j];
                /* K products of numbers below 4 in float32: 9 * 16 * 2^-24 */
                assert_true(fabs(c[i * LD + j] - expected) < 1e-5);
            }
        }
    }
    assert_int_equal(openblas_get_num_threads(), 1);
    for (int i = 0; i < M * LD; i++) c[i] = before[i] = (float)rng_normal(&rng);
    gemm_gram_f32(M, K, 0.5f, a, LD, 2.0f, c, LD);
    for (int i = 0; i < M; i++)
        for (int j = 0; j < LD; j++) {
            double sum = 0;
            for (int k = 0; k < K; k++) sum += (double)a[i * LD + k] * (double)a[j * LD + k];
            const double expected = j <= i ? 0.5 * sum + 2.0 * before[i * LD + j] : before[i * LD + j];
            assert_true(fabs(c[i * LD + j] - expected) < 1e-5);
        }
}

static void empty_products(void **state) {
    (void)state;
    float a[1] = {1}, b[1] = {1}, c[2] = {3, 4};
    gemm_f32(false, false, 0, 2, 1, 1, a, 1, b, 2, 0, c, 2);
    gemm_f32(false, false, 1, 0, 1, 1, a, 1, b, 0, 0, c, 0);
    assert_true(c[0] == 3 && c[1] == 4);
    gemm_f32(false, false, 1, 2, 0, 1, a, 0, b, 2, 0.5f, c, 2); /* an empty sum */
    assert_true(c[0] == 1.5f && c[1] == 2);
}

static void beta_zero_ignores_what_was_there(void **state) {
    (void)state;
    float a[2] = {2, 3}, b[2] = {5, 7}, c = NAN;
    gemm_f32(false, false, 1, 1, 2, 1, a, 2, b, 1, 0, &c, 1);
    assert_true(c == 31);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(made_shared_released),
        cmocka_unit_test(impossible_shapes_are_refused),
        cmocka_unit_test(references_are_counted_by_all_threads),
        cmocka_unit_test(products),
        cmocka_unit_test(empty_products),
        cmocka_unit_test(beta_zero_ignores_what_was_there),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
