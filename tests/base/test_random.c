/* test_random -- Philox against the published answers of Random123, and the distributions made of it. */
#include "weft/base/random.h"

#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

/* Random123's tests/kat_vectors, philox4x32 with 10 rounds: counter = (block, stream), key = seed. */
static void known_answers(void **state) {
    (void)state;
    static const struct {
        uint64_t seed, stream, block;
        uint32_t out[4];
    } answers[] = {
        {0, 0, 0, {0x6627e8d5, 0xe169c58d, 0xbc57ac4c, 0x9b00dbd8}},
        {UINT64_MAX, UINT64_MAX, UINT64_MAX, {0x408f276d, 0x41c83b0e, 0xa20bc7c6, 0x6d5451fd}},
        {0x299f31d0a4093822, 0x0370734413198a2e, 0x85a308d3243f6a88, {0xd16cfe09, 0x94fdcceb, 0x5001e420, 0x24126ea1}},
    };
    for (size_t i = 0; i < 3; i++) {
        uint32_t out[4];
        rng_block(answers[i].seed, answers[i].stream, answers[i].block, out);
        assert_memory_equal(out, answers[i].out, sizeof out);
    }
}

static void draws_are_words_of_blocks(void **state) {
    (void)state;
    Rng rng = {.seed = 7, .stream = 9, .position = 0};
    for (uint64_t i = 0; i < 40; i++) {
        uint32_t block[4];
        rng_block(7, 9, i / 4, block);
        assert_int_equal(rng_u32(&rng), block[i % 4]);
    }
    assert_int_equal(rng.position, 40);
    /* Wider draws take the same words, from any position, and cache nothing. */
    for (uint64_t start = 0; start < 8; start++) {
        Rng one = {7, 9, start}, other = one;
        uint32_t high = rng_u32(&one), low = rng_u32(&one);
        double expected = (double)((uint64_t)(high >> 5) << 26 | low >> 6) / 9007199254740992.0;
        assert_true(rng_uniform(&other) == expected);
        assert_int_equal(other.position, start + 2);
    }
}

static void below_is_uniform(void **state) {
    (void)state;
    enum { BOUND = 7, DRAWS = 70000 };
    unsigned counts[BOUND] = {0};
    Rng rng = {.seed = 1};
    for (int i = 0; i < DRAWS; i++) {
        uint64_t value = rng_below(&rng, BOUND);
        assert_true(value < BOUND);
        counts[value]++;
    }
    double chi = 0, expected = (double)DRAWS / BOUND;
    for (int i = 0; i < BOUND; i++) chi += (counts[i] - expected) * (counts[i] - expected) / expected;
    assert_true(chi < 22.46); /* chi-squared, 6 degrees of freedom, p = 0.001 */
    assert_int_equal(rng_below(&rng, 1), 0);
    bool high = false;
    for (int i = 0; i < 64; i++) high |= rng_below(&rng, UINT64_MAX) > UINT64_MAX / 2;
    assert_true(high);
}

static void moments(void **state) {
    (void)state;
    enum { DRAWS = 200000 };
    double sum = 0, square = 0, cube = 0, fourth = 0, uniform = 0;
    Rng rng = {.seed = 3, .stream = 4};
    for (int i = 0; i < DRAWS; i++) {
        double x = rng_normal(&rng), u = rng_uniform(&rng);
        assert_true(isfinite(x) && u >= 0 && u < 1);
        sum += x, square += x * x, cube += x * x * x, fourth += x * x * x * x, uniform += u;
    }
    /* Five standard errors of the moments of N(0, 1): 1, sqrt 2, sqrt 15, sqrt 96 over sqrt n; of U(0, 1): 1/sqrt 12.
     */
    double n = DRAWS, error = 5 / sqrt(n);
    assert_true(fabs(sum / n) < error);
    assert_true(fabs(square / n - 1) < error * sqrt(2));
    assert_true(fabs(cube / n) < error * sqrt(15));
    assert_true(fabs(fourth / n - 3) < error * sqrt(96));
    assert_true(fabs(uniform / n - 0.5) < error / sqrt(12));
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(known_answers),
        cmocka_unit_test(draws_are_words_of_blocks),
        cmocka_unit_test(below_is_uniform),
        cmocka_unit_test(moments),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
