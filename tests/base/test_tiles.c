/* The matrix unit's products against plain sums in double, beside OpenBLAS's. */
#include "weft/base/error.h"
#include "weft/base/gemm.h"
#include "weft/base/memory.h"
#include "weft/base/random.h"
#include "weft/base/tiles.h"

#include <math.h>
#include <stdio.h>
#include <string.h>

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

enum { MOST = 160 };
static float a[MOST * MOST], b[MOST * MOST], c[MOST * MOST], old[MOST * MOST], bias[MOST], blas[MOST * MOST];
static uint16_t *left, *right;

/* Values of very different sizes, of either sign. */
static void fill(float *to, Rng *rng) {
    for (size_t i = 0; i < MOST * MOST; i++) to[i] = (float)((2 * rng_uniform(rng) - 1) * exp2(-8 * rng_uniform(rng)));
}

static double exact(bool deep_a, bool deep_b, size_t depth, size_t row, size_t column, double *size) {
    double sum = 0;
    *size = 0;
    for (size_t d = 0; d < depth; d++) {
        const double term = (double)(deep_a ? a[row * MOST + d] : a[d * MOST + row]) *
                            (double)(deep_b ? b[column * MOST + d] : b[d * MOST + column]);
        sum += term;
        *size += term * term;
    }
    *size = sqrt(*size);
    return sum;
}

static void multiply(bool deep_a, bool deep_b, size_t rows, size_t columns, size_t depth, TilesProduct *more) {
    const TilesSource of_a = {a, MOST, rows, depth, deep_a, false}, of_b = {b, MOST, columns, depth, deep_b, false};
    memset(left, 0xff, tiles_size(MOST, MOST) * sizeof *left); /* NaN: padding must be written */
    memset(right, 0xff, tiles_size(MOST, MOST) * sizeof *right);
    tiles_pack(&of_a, TILES_LEFT, left);
    tiles_pack(&of_b, TILES_RIGHT, right);
    more->left = left;
    more->right = right;
    more->rows = rows;
    more->columns = columns;
    more->depth = depth;
    more->out = c;
    more->out_step = MOST;
    tiles_multiply(more);
}

/* Errors in units of float32's rounding of the terms' root sum of squares: ours at most a little more than BLAS's. */
static void products_are_those_of_float32(void **state) {
    static const size_t sizes[][3] = {{1, 16, 1},   {16, 16, 32},    {17, 32, 33},
                                      {31, 48, 31}, {130, 144, 150}, {144, 16, 64}};
    (void)state;
    if (!tiles_available()) skip();
    Rng rng = {.seed = 5};
    fill(a, &rng);
    fill(b, &rng);
    for (size_t i = 0; i < sizeof sizes / sizeof *sizes; i++)
        for (unsigned form = 0; form < 4; form++) {
            const bool deep_a = form & 1, deep_b = form & 2;
            const size_t rows = sizes[i][0], columns = sizes[i][1], depth = sizes[i][2];
            double ours = 0, theirs = 0, rough = 0;
            memset(c, 0x7f, sizeof c);
            multiply(deep_a, deep_b, rows, columns, depth, &(TilesProduct){0});
            memcpy(old, c, sizeof c);
            multiply(deep_a, deep_b, rows, columns, depth, &(TilesProduct){.rough = true});
            gemm_f32(!deep_a, deep_b, rows, columns, depth, 1, a, MOST, b, MOST, 0, blas, MOST);
            for (size_t row = 0; row < rows; row++)
                for (size_t column = 0; column < columns; column++) {
                    double size;
                    const double value = exact(deep_a, deep_b, depth, row, column, &size);
                    ours = fmax(ours, fabs((double)old[row * MOST + column] - value) / size);
                    rough = fmax(rough, fabs((double)c[row * MOST + column] - value) / size);
                    theirs = fmax(theirs, fabs((double)blas[row * MOST + column] - value) / size);
                }
            if (ours > 2 * theirs + exp2(-23))
                fail_msg("%zux%zux%zu form %u: %g, OpenBLAS %g", rows, columns, depth, form, ours, theirs);
            assert_in_range((uint64_t)(rough * exp2(40)), 0, (uint64_t)1 << 25);
            float untouched;
            memset(&untouched, 0x7f, sizeof untouched);
            assert_memory_equal(&c[rows * MOST], &untouched, sizeof untouched);
            if (columns < MOST) assert_memory_equal(&c[columns], &untouched, sizeof untouched);
        }
}

static void results_are_finished_in_the_store(void **state) {
    (void)state;
    if (!tiles_available()) skip();
    Rng rng = {.seed = 6};
    fill(a, &rng);
    fill(b, &rng);
    fill(old, &rng);
    for (size_t i = 0; i < MOST; i++) bias[i] = old[i * MOST];
    memcpy(c, old, sizeof c);
    multiply(true, true, 40, 48, 70, &(TilesProduct){.bias = bias, .relu = true, .add = true});
    for (size_t row = 0; row < 40; row++)
        for (size_t column = 0; column < 48; column++) {
            double size, value = exact(true, true, 70, row, column, &size);
            value = fmax(0, value + (double)bias[column] + (double)old[row * MOST + column]);
            assert_true(fabs((double)c[row * MOST + column] - value) < 1e-5);
        }
    a[3] = NAN;
    multiply(true, true, 16, 16, 16, &(TilesProduct){.relu = true});
    assert_true(isnan(c[0]) && isnan(c[15]) && !isnan(c[MOST]));
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(products_are_those_of_float32),
        cmocka_unit_test(results_are_finished_in_the_store),
    };
    if (!tiles_available()) puts("# this CPU has no matrix unit (AMX), or the system does not give it");
    Error err;
    left = mem_alloc(tiles_size(MOST, MOST), sizeof *left, &err);
    right = mem_alloc(tiles_size(MOST, MOST), sizeof *right, &err);
    const int failed = left && right ? cmocka_run_group_tests(tests, NULL, NULL) : 1;
    mem_free(left);
    mem_free(right);
    return failed;
}
