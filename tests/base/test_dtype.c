/* test_dtype -- every small float against its formula, and rounding against a search for the nearest. */
#include "weft/base/dtype.h"
#include "weft/base/error.h"
#include "weft/base/tensor.h"
#include "weft/format.h"

#include <math.h>
#include <string.h>

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

static float float_of(uint32_t bits) {
    float value;
    memcpy(&value, &bits, sizeof value);
    return value;
}

static bool same(float a, float b) {
    return (isnan(a) && isnan(b)) || (a == b && !signbit(a) == !signbit(b));
}

static void names(void **state) {
    (void)state;
    for (DType type = 0; type < DTYPE_COUNT; type++) {
        DType back = DTYPE_COUNT;
        assert_true(dtype_parse(dtype_name(type), &back));
        assert_int_equal(back, type);
    }
    DType type = DTYPE_U8;
    assert_false(dtype_parse("F128", &type) || dtype_parse("", &type) || dtype_parse("f32", &type));
    assert_int_equal(type, DTYPE_U8);
    assert_int_equal(dtype_bits(DTYPE_F4), 4);
    assert_int_equal(dtype_bits(DTYPE_F6_E2M3), 6);
    assert_int_equal(dtype_bits(DTYPE_BF16), 16);
    assert_int_equal(dtype_bits(DTYPE_C128), 128);
    assert_string_equal(dtype_name(DTYPE_F8_E4M3FNUZ), "F8_E4M3FNUZ");
}

/* IEEE 754: (-1)^s 2^(e - bias) (1 + m / 2^p), or for e = 0 (-1)^s 2^(1 - bias) m / 2^p; the top exponent is special.
 */
static float ieee(uint32_t code, int exponent_bits, int mantissa_bits) {
    int top = (1 << exponent_bits) - 1, bias = top / 2;
    int e = (int)(code >> mantissa_bits) & top, m = (int)(code & ((1u << mantissa_bits) - 1));
    double sign = code >> (exponent_bits + mantissa_bits) ? -1 : 1, fraction = m * pow(2, -mantissa_bits);
    if (e == top) return m ? NAN : (float)(sign * INFINITY);
    return (float)(sign * (e ? ldexp(1 + fraction, e - bias) : ldexp(fraction, 1 - bias)));
}

static void all_halves(void **state) {
    (void)state;
    static const struct {
        DType type;
        int exponent_bits, mantissa_bits;
    } kinds[] = {{DTYPE_F16, 5, 10}, {DTYPE_BF16, 8, 7}};
    Error err;
    for (size_t k = 0; k < 2; k++) {
        for (uint32_t code = 0; code < 65536; code++) {
            uint16_t half = (uint16_t)code, back;
            float value;
            assert_true(dtype_to_f32(kinds[k].type, &half, 1, &value, &err));
            if (!same(value, ieee(code, kinds[k].exponent_bits, kinds[k].mantissa_bits))) fail_msg("%04x", code);
            dtype_from_f32(kinds[k].type, &value, 1, &back);
            if (isnan(value)) {
                float again;
                assert_true(dtype_to_f32(kinds[k].type, &back, 1, &again, &err) && isnan(again));
            } else if (back != half) {
                fail_msg("%04x comes back as %04x", code, back);
            }
        }
    }
}

/* The nearest value of p mantissa bits, ties to even, by rounding to a multiple of the unit in double precision. */
static float nearest(float value, int mantissa_bits, int least_exponent, double overflow) {
    if (isnan(value) || isinf(value) || value == 0) return value;
    int exponent = ilogb(value);
    if (exponent < least_exponent) exponent = least_exponent;
    double unit = ldexp(1, exponent - mantissa_bits), rounded = nearbyint(value / unit) * unit;
    if (fabs(rounded) >= overflow) return copysignf(INFINITY, value);
    return copysignf((float)rounded, value);
}

static void check_rounding(DType type, float value) {
    Error err;
    uint16_t small;
    float got;
    float expected = type == DTYPE_F16 ? nearest(value, 10, -14, 65536.0) : nearest(value, 7, -126, ldexp(1, 128));
    dtype_from_f32(type, &value, 1, &small);
    assert_true(dtype_to_f32(type, &small, 1, &got, &err));
    if (!same(got, expected)) fail_msg("%s of %a: %a, not %a", dtype_name(type), value, got, expected);
}

static void rounds_to_nearest_even(void **state) {
    (void)state;
    for (uint64_t bits = 0; bits <= UINT32_MAX; bits += 2503) {
        check_rounding(DTYPE_F16, float_of((uint32_t)bits));
        check_rounding(DTYPE_BF16, float_of((uint32_t)bits));
    }
    for (uint32_t half = 0; half < 65536; half++) { /* every tie and its neighbours */
        double low = ieee(half, 5, 10), high = ieee((half + 1) & 0xffff, 5, 10);
        float middle = (float)((low + high) / 2);
        uint32_t bits;
        memcpy(&bits, &middle, sizeof bits);
        for (int step = -1; step <= 1; step++) {
            check_rounding(DTYPE_F16, float_of(bits + (uint32_t)step));
            check_rounding(DTYPE_BF16, float_of((half << 16 | 0x8000u) + (uint32_t)step));
        }
    }
    check_rounding(DTYPE_F16, 65519.996f);
    check_rounding(DTYPE_F16, 65520.0f);
    check_rounding(DTYPE_F16, 0x1p-25f);
    check_rounding(DTYPE_F16, 0x1.000002p-25f);
    check_rounding(DTYPE_BF16, 3.4e38f);
}

static float one_byte(DType type, unsigned code) {
    Error err;
    uint8_t byte = (uint8_t)code;
    float value = 42;
    assert_true(dtype_to_f32(type, &byte, 1, &value, &err));
    return value;
}

/* Values of the OCP specification's tables, and of the FNUZ forms. */
static void bytes_of_eight_bits(void **state) {
    (void)state;
    for (unsigned code = 0; code < 256; code++) {
        if (!same(one_byte(DTYPE_F8_E5M2, code), ieee(code, 5, 2))) fail_msg("E5M2 %02x", code);
        bool nan = (code & 0x7f) == 0x7f;
        float plain =
            (code & 0x78) == 0x78 ? (code & 0x80 ? -256.0f : 256.0f) * (1 + (float)(code & 7) / 8) : ieee(code, 4, 3);
        if (!same(one_byte(DTYPE_F8_E4M3, code), nan ? NAN : plain)) fail_msg("E4M3 %02x", code);
        /* a bias greater by one halves each value */
        if (code != 0x80 && !nan) assert_true(one_byte(DTYPE_F8_E4M3FNUZ, code) == plain / 2);
        if (code != 0x80 && (code & 0x7c) != 0x7c)
            assert_true(one_byte(DTYPE_F8_E5M2FNUZ, code) == ieee(code, 5, 2) / 2);
        float power = code == 255 ? NAN : (float)ldexp(1, (int)code - 127);
        assert_true(same(one_byte(DTYPE_F8_E8M0, code), power));
        assert_true(one_byte(DTYPE_BOOL, code) == (code ? 1.0f : 0.0f));
        assert_true(one_byte(DTYPE_U8, code) == (float)code);
        assert_true(one_byte(DTYPE_I8, code) == (float)(code < 128 ? (int)code : (int)code - 256));
    }
    assert_true(one_byte(DTYPE_F8_E4M3, 0x7e) == 448 && one_byte(DTYPE_F8_E4M3, 0x01) == 0x1p-9f);
    assert_true(one_byte(DTYPE_F8_E5M2, 0x7b) == 57344 && one_byte(DTYPE_F8_E5M2, 0x01) == 0x1p-16f);
    assert_true(one_byte(DTYPE_F8_E4M3FNUZ, 0x7f) == 240 && one_byte(DTYPE_F8_E4M3FNUZ, 0x01) == 0x1p-10f);
    assert_true(one_byte(DTYPE_F8_E5M2FNUZ, 0x7f) == 57344 && one_byte(DTYPE_F8_E5M2FNUZ, 0x01) == 0x1p-17f);
    assert_true(isnan(one_byte(DTYPE_F8_E4M3FNUZ, 0x80)) && isnan(one_byte(DTYPE_F8_E5M2FNUZ, 0x80)));
}

#define ONE(type, c_type, given, expected)                                      \
    do {                                                                        \
        struct __attribute__((packed)) {                                        \
            char odd; /* files align nothing */                                 \
            c_type value;                                                       \
        } unaligned = {0, (given)};                                             \
        float got = 42;                                                         \
        assert_true(dtype_to_f32(type, (char *)&unaligned + 1, 1, &got, &err)); \
        if (!same(got, (expected))) fail_msg("%s: %a", #given, got);            \
    } while (0)

static void wider_types_round_once(void **state) {
    (void)state;
    Error err;
    ONE(DTYPE_U16, uint16_t, 65535, 65535.0f);
    ONE(DTYPE_I16, int16_t, -32768, -32768.0f);
    ONE(DTYPE_U32, uint32_t, 16777217, 16777216.0f); /* a tie, to even */
    ONE(DTYPE_U32, uint32_t, 16777219, 16777220.0f);
    ONE(DTYPE_U32, uint32_t, UINT32_MAX, 0x1p32f);
    ONE(DTYPE_I32, int32_t, INT32_MIN, -0x1p31f);
    ONE(DTYPE_I32, int32_t, -16777217, -16777216.0f);
    ONE(DTYPE_U64, uint64_t, UINT64_MAX, 0x1p64f);
    ONE(DTYPE_U64, uint64_t, ((uint64_t)1 << 63) + ((uint64_t)1 << 39), 0x1p63f);
    ONE(DTYPE_U64, uint64_t, ((uint64_t)1 << 63) + ((uint64_t)1 << 39) + 1,
        0x1.000002p63f); /* rounding twice loses it */
    ONE(DTYPE_I64, int64_t, INT64_MIN, -0x1p63f);
    ONE(DTYPE_I64, int64_t, ((int64_t)1 << 60) + ((int64_t)1 << 36) + 1, 0x1.000002p60f);
    ONE(DTYPE_F64, double, 1 + 0x1p-24, 1.0f);
    ONE(DTYPE_F64, double, 1 + 0x1.8p-23, 0x1.000004p0f);
    ONE(DTYPE_F64, double, 1e300, INFINITY);
    ONE(DTYPE_F64, double, 0x1p-149, 0x1p-149f);
    ONE(DTYPE_F64, double, -0.0, -0.0f);
    ONE(DTYPE_F64, double, (double)NAN, NAN);
    ONE(DTYPE_F32, float, 0x1.fffffep127f, 0x1.fffffep127f);
    float values[3] = {1.5f, -INFINITY, 0x1p-149f}, single[3];
    double wide[3];
    dtype_from_f32(DTYPE_F64, values, 3, wide);
    dtype_from_f32(DTYPE_F32, values, 3, single);
    for (int i = 0; i < 3; i++) assert_true(wide[i] == values[i] && single[i] == values[i]);
}

static void some_types_are_no_numbers(void **state) {
    (void)state;
    static const DType types[] = {DTYPE_C64, DTYPE_C128, DTYPE_F4, DTYPE_F6_E2M3, DTYPE_F6_E3M2};
    for (size_t i = 0; i < 5; i++) {
        Error err = {0};
        char bytes[16] = {0}, expected[64];
        float out = 42;
        assert_false(dtype_to_f32(types[i], bytes, 1, &out, &err));
        assert_int_equal(err.status, STATUS_BAD_INPUT);
        strcpy(expected, dtype_name(types[i]));
        assert_string_equal(err.text, strcat(expected, " values cannot be used as numbers"));
        assert_true(out == 42);
    }
    Error err;
    for (DType type = 0; type <= DTYPE_F64; type++) assert_true(dtype_to_f32(type, NULL, 0, NULL, &err));
}

/* Rounding to every F8 type, ties, subnormals and what is too large, as PyTorch rounds (tests/fixtures/make_layers.py).
 */
static void rounds_to_eight_bits(void **state) {
    (void)state;
    static const DType types[] = {DTYPE_F8_E4M3, DTYPE_F8_E5M2, DTYPE_F8_E4M3FNUZ, DTYPE_F8_E5M2FNUZ, DTYPE_F8_E8M0};
    uint8_t wanted[2048], found[2048];
    Error err;
    size_t index;
    Checkpoint *fixture = checkpoint_open("tests/fixtures/float8.npz", &err);
    assert_non_null(fixture);
    assert_true(checkpoint_find(fixture, "numbers", &index));
    Tensor *numbers = checkpoint_read_tensor(fixture, index, &err);
    assert_true(numbers && numbers->count > 500 && numbers->count <= sizeof wanted);
    for (size_t i = 0; i < sizeof types / sizeof *types; i++) {
        assert_true(checkpoint_find(fixture, dtype_name(types[i]), &index));
        assert_true(checkpoint_read(fixture, index, wanted, &err));
        dtype_from_f32(types[i], numbers->data, numbers->count, found);
        for (uint64_t j = 0; j < numbers->count; j++) {
            const bool nan = isnan(one_byte(types[i], wanted[j])) && isnan(one_byte(types[i], found[j]));
            if (!nan && wanted[j] != found[j])
                fail_msg("%s of %a: %02x, not %02x", dtype_name(types[i]), (double)numbers->data[j], found[j],
                         wanted[j]);
        }
    }
    for (unsigned code = 0; code < 256; code++) /* every number comes back; F8_E8M0 has none below 2^-127 */
        for (size_t i = 0; i < sizeof types / sizeof *types; i++) {
            const float value = one_byte(types[i], code);
            dtype_from_f32(types[i], &value, 1, found);
            if (!isnan(value)) assert_int_equal(*found, code);
        }
    tensor_release(numbers);
    checkpoint_close(fixture);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(names),
        cmocka_unit_test(all_halves),
        cmocka_unit_test(rounds_to_nearest_even),
        cmocka_unit_test(bytes_of_eight_bits),
        cmocka_unit_test(rounds_to_eight_bits),
        cmocka_unit_test(wider_types_round_once),
        cmocka_unit_test(some_types_are_no_numbers),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
