/* test_dense -- dense layers on packed weights against plain loops in double. */
#include "weft/base/error.h"
#include "weft/base/memory.h"
#include "weft/base/random.h"
#include "weft/net.h"

#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

enum { PADDED = 16 };

/* Both orders of the weights, with and without bias and ReLU, rows longer than what is read of them. */
static void compare(size_t in, size_t out, size_t rows, bool transposed, bool bias, bool relu) {
    const size_t outputs = (out + PADDED - 1) / PADDED * PADDED, row = in + 5;
    Error err;
    Rng rng = {.seed = in * 1000 + out};
    float *weight = mem_alloc(in * out, sizeof(float), &err), *packed = mem_alloc(in * outputs, sizeof(float), &err);
    float *from = mem_alloc(rows * row, sizeof(float), &err), *to = mem_alloc(rows * outputs, sizeof(float), &err);
    float *add = mem_alloc(outputs, sizeof(float), &err);
    assert_true(weight && packed && from && to && add);
    for (size_t i = 0; i < in * out; i++) weight[i] = (float)rng_normal(&rng);
    for (size_t i = 0; i < rows * row; i++) from[i] = (float)rng_normal(&rng);
    for (size_t i = 0; i < out; i++) add[i] = (float)rng_normal(&rng);
    const size_t in_step = transposed ? out : 1, out_step = transposed ? 1 : in;
    dense_pack(weight, in_step, out_step, in, out, packed);
    dense_run(packed, bias ? add : NULL, relu, from, row, in, rows, outputs, to);
    for (size_t r = 0; r < rows; r++)
        for (size_t o = 0; o < outputs; o++) {
            double sum = bias && o < out ? (double)add[o] : 0, size = 1;
            for (size_t i = 0; i < in && o < out; i++) {
                const double term = (double)from[r * row + i] * (double)weight[i * in_step + o * out_step];
                sum += term;
                size += fabs(term);
            }
            if (relu && sum < 0) sum = 0;
            if (!(fabs((double)to[r * outputs + o] - sum) < 1e-6 * size))
                fail_msg("%zu x %zu, row %zu, output %zu: %g, expected %g", in, out, r, o, (double)to[r * outputs + o],
                         sum);
        }
    float *all[] = {weight, packed, from, to, add};
    for (size_t i = 0; i < sizeof all / sizeof *all; i++) mem_free(all[i]);
}

static void shapes(void **state) {
    (void)state;
    static const size_t sizes[][3] = {{1, 1, 1}, {3, 9, 7}, {17, 16, 33}, {140, 140, 20}, {9, 300, 5}, {64, 48, 512}};
    for (size_t i = 0; i < sizeof sizes / sizeof *sizes; i++)
        for (unsigned kind = 0; kind < 8; kind++)
            compare(sizes[i][0], sizes[i][1], sizes[i][2], kind & 1, kind & 2, kind & 4);
}

int main(void) {
    const struct CMUnitTest tests[] = {cmocka_unit_test(shapes)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
