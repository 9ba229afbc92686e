/* dtype -- element types of files, and their way to and from float32.
 *
 * Small floats (sign, exponent, mantissa, bias; OCP 8-bit formats 1.0, 2023; the FNUZ forms as in LLVM and ONNX):
 *   F16  1 5 10 15  IEEE 754              BF16 1 8 7 127  the upper half of a float32
 *   F8_E5M2  1 5 2 15  with infinities    F8_E4M3  1 4 3 7  no infinity, NaN only S.1111.111
 *   F8_E5M2FNUZ  bias 16, F8_E4M3FNUZ  bias 8: no infinity, no negative zero, NaN only 0x80
 *   F8_E8M0  a power of two: 2^(code - 127), NaN 0xff
 */
#include "weft/base/dtype.h"
#include "weft/base/error.h"
#include "weft/base/vectors.h"

#include <assert.h>
#include <math.h>
#include <string.h>

static_assert(__BYTE_ORDER__ == __ORDER_LITTLE_ENDIAN__, "files and numbers share the little-endian order");

static const struct {
    const char *name;
    unsigned bits;
} types[] = {
#define X(name, text, bits) {text, bits},
    DTYPES(X)
#undef X
};

const char *dtype_name(DType type) {
    return types[type].name;
}

unsigned dtype_bits(DType type) {
    return types[type].bits;
}

bool dtype_integer(DType type) {
    switch (type) {
    case DTYPE_U8:
    case DTYPE_I8:
    case DTYPE_U16:
    case DTYPE_I16:
    case DTYPE_U32:
    case DTYPE_I32:
    case DTYPE_U64:
    case DTYPE_I64:
        return true;
    default:
        return false;
    }
}

bool dtype_float(DType type) {
    switch (type) {
    case DTYPE_F16:
    case DTYPE_BF16:
    case DTYPE_F32:
    case DTYPE_F64:
    case DTYPE_F8_E4M3:
    case DTYPE_F8_E5M2:
    case DTYPE_F8_E8M0:
    case DTYPE_F8_E4M3FNUZ:
    case DTYPE_F8_E5M2FNUZ:
        return true;
    default:
        return false;
    }
}

bool dtype_parse(const char *name, DType *out) {
    for (DType type = 0; type < DTYPE_COUNT; type++) {
        if (strcmp(name, types[type].name) == 0) {
            *out = type;
            return true;
        }
    }
    return false;
}

static float float_of(uint32_t bits) {
    float value;
    memcpy(&value, &bits, sizeof value);
    return value;
}

static uint32_t bits_of(float value) {
    uint32_t bits;
    memcpy(&bits, &value, sizeof bits);
    return bits;
}

/* The exponent of a half, read as one of a float32, is 112 too small: multiplying by 2^112 mends that and makes
 * subnormals normal, exactly. What then is 2^16 or more was an infinity or a NaN. */
static float half_to_float(uint16_t half) {
    float value = float_of((half & 0x7fffu) << 13) * 0x1p112f;
    uint32_t bits = bits_of(value);
    if (value >= 65536.0f) bits |= 0x7f800000u;
    return float_of(bits | (half & 0x8000u) << 16);
}

static uint16_t half_from_float(float value) {
    uint32_t bits = bits_of(value), sign = bits >> 16 & 0x8000u, magnitude = bits & 0x7fffffffu, half;
    if (magnitude > 0x7f800000u) {
        half = 0x7e00u | (magnitude >> 13 & 0x3ffu); /* a NaN, made quiet, with what fits of its payload */
    } else if (magnitude >= 0x477ff000u) {
        half = 0x7c00u; /* 65520 and above round to infinity */
    } else if (magnitude < 0x38800000u) {
        half = bits_of(float_of(magnitude) + 0.5f) - bits_of(0.5f); /* the unit of [0.5, 1) is 2^-24, a half's least */
    } else {
        half = (magnitude - 0x38000000u + 0xfffu + (magnitude >> 13 & 1u)) >> 13;
    }
    return (uint16_t)(sign | half);
}

/* Both results are made and one is taken, without a branch: compilers turn a row of these into vectors. */
static inline uint16_t bfloat_from_bits(uint32_t bits) {
    const uint32_t nan = bits >> 16 | 0x40u, near = (bits + 0x7fffu + (bits >> 16 & 1u)) >> 16;
    return (uint16_t)((int32_t)(bits & 0x7fffffffu) > 0x7f800000 ? nan : near);
}

/* One byte of F8: mantissa bits, bias, and whether the top exponent holds infinities. */
static float tiny_to_float(unsigned code, int mantissa_bits, int bias, bool infinities) {
    int exponent = (int)(code & 0x7fu) >> mantissa_bits, top = 0x7f >> mantissa_bits;
    int mantissa = (int)(code & ((1u << mantissa_bits) - 1u));
    float magnitude;
    if (infinities && exponent == top) {
        magnitude = mantissa == 0 ? INFINITY : NAN;
    } else if (exponent == 0) {
        magnitude = ldexpf((float)mantissa, 1 - bias - mantissa_bits);
    } else {
        magnitude = ldexpf((float)(mantissa + (1 << mantissa_bits)), exponent - bias - mantissa_bits);
    }
    return code & 0x80u ? -magnitude : magnitude;
}

static float byte_to_float(DType type, unsigned code) {
    switch (type) {
    case DTYPE_F8_E4M3:
        return (code & 0x7fu) == 0x7fu ? NAN : tiny_to_float(code, 3, 7, false);
    case DTYPE_F8_E5M2:
        return tiny_to_float(code, 2, 15, true);
    case DTYPE_F8_E4M3FNUZ:
        return code == 0x80u ? NAN : tiny_to_float(code, 3, 8, false);
    case DTYPE_F8_E5M2FNUZ:
        return code == 0x80u ? NAN : tiny_to_float(code, 2, 16, false);
    case DTYPE_F8_E8M0:
        return code == 0xffu ? NAN : ldexpf(1.0f, (int)code - 127);
    case DTYPE_BOOL:
        return code > 0 ? 1.0f : 0.0f;
    case DTYPE_I8:
        return (float)(int8_t)code;
    default:
        return (float)code;
    }
}

/* BF16, which the weights of most large networks are. */
#define WIDEN_LOOP                                   \
    for (uint64_t i = 0; i < count; i++) {           \
        uint16_t small;                              \
        memcpy(&small, bytes + 2 * i, sizeof small); \
        const uint32_t wide = (uint32_t)small << 16; \
        memcpy(out + i, &wide, sizeof wide);         \
    }
#define NARROW_LOOP                                    \
    for (uint64_t i = 0; i < count; i++) {             \
        uint32_t wide;                                 \
        memcpy(&wide, values + i, sizeof wide);        \
        const uint16_t small = bfloat_from_bits(wide); \
        memcpy(out + 2 * i, &small, sizeof small);     \
    }

VECTOR_PLAIN static void widen_plain(const char *bytes, uint64_t count, float *out){WIDEN_LOOP}

VECTOR_PLAIN static void narrow_plain(const float *values, uint64_t count, char *out){NARROW_LOOP}

#ifdef VECTOR_AVX2
VECTOR_AVX2 static void widen_avx2(const char *bytes, uint64_t count, float *out){WIDEN_LOOP}

VECTOR_AVX2 static void narrow_avx2(const float *values, uint64_t count, char *out) {
    NARROW_LOOP
}

static void widen(const char *bytes, uint64_t count, float *out) {
    (vector_avx2() ? widen_avx2 : widen_plain)(bytes, count, out);
}

static void narrow(const float *values, uint64_t count, char *out) {
    (vector_avx2() ? narrow_avx2 : narrow_plain)(values, count, out);
}
#else
#define widen widen_plain
#define narrow narrow_plain
#endif

/* Elements of one C type, which need not be aligned. */
#define CONVERT(c_type, expression)                               \
    for (uint64_t i = 0; i < count; i++) {                        \
        c_type x;                                                 \
        memcpy(&x, (const char *)bytes + i * sizeof x, sizeof x); \
        out[i] = (expression);                                    \
    }                                                             \
    return true

bool dtype_to_f32(DType type, const void *bytes, uint64_t count, float *out, Error *err) {
    switch (type) {
    case DTYPE_F32:
        if (count > 0) memcpy(out, bytes, count * sizeof *out);
        return true;
    case DTYPE_F16:
        CONVERT(uint16_t, half_to_float(x));
    case DTYPE_BF16:
        widen(bytes, count, out);
        return true;
    case DTYPE_U16:
        CONVERT(uint16_t, (float)x);
    case DTYPE_I16:
        CONVERT(int16_t, (float)x);
    case DTYPE_U32:
        CONVERT(uint32_t, (float)x);
    case DTYPE_I32:
        CONVERT(int32_t, (float)x);
    case DTYPE_U64:
        CONVERT(uint64_t, (float)x);
    case DTYPE_I64:
        CONVERT(int64_t, (float)x);
    case DTYPE_F64:
        CONVERT(double, (float)x);
    case DTYPE_C64:
    case DTYPE_C128:
    case DTYPE_F4:
    case DTYPE_F6_E2M3:
    case DTYPE_F6_E3M2:
        return error_set(err, STATUS_BAD_INPUT, "%s values cannot be used as numbers", dtype_name(type));
    default:
        break;
    }
    float table[256];
    for (unsigned code = 0; code < 256; code++) table[code] = byte_to_float(type, code);
    CONVERT(uint8_t, table[x]);
}

/* Signs apart, codes of F8 grow with their values: `table` has those of the codes up to `last`, the largest finite one.
 */
static unsigned nearest_code(const float *table, unsigned last, float magnitude) {
    unsigned low = 0, high = last;
    if (magnitude >= table[last]) return last;
    while (high - low > 1) {
        const unsigned middle = (low + high) / 2;
        if (table[middle] <= magnitude)
            low = middle;
        else
            high = middle;
    }
    const double below = (double)magnitude - (double)table[low], above = (double)table[high] - (double)magnitude;
    if (below == above) return low % 2 == 0 ? low : high;
    return below < above ? low : high;
}

/* To an F8 type with a sign. What would round to the code behind `last`, if the codes went on, is infinite or NaN;
 * E4M3, which has no infinity, keeps its largest number. */
static uint8_t byte_from_float(DType type, const float *table, float value) {
    const bool fnuz = type == DTYPE_F8_E4M3FNUZ || type == DTYPE_F8_E5M2FNUZ;
    const unsigned last = type == DTYPE_F8_E4M3 ? 0x7e : type == DTYPE_F8_E5M2 ? 0x7b : 0x7f;
    const unsigned nan = fnuz ? 0x80 : 0x7f, beyond = type == DTYPE_F8_E5M2 ? 0x7c : last;
    const unsigned sign = signbit(value) ? 0x80 : 0;
    const double magnitude = fabs((double)value);
    if (isnan(value)) return (uint8_t)(fnuz ? nan : nan | sign);
    /* The step behind the largest code is as the one before it; half of it, a tie, goes to the even code. */
    const double half = ((double)table[last] - (double)table[last - 1]) / 2, edge = (double)table[last] + half;
    if (magnitude > edge || (magnitude == edge && last % 2 == 1)) return (uint8_t)(fnuz ? nan : beyond | sign);
    const unsigned code = nearest_code(table, last, (float)magnitude);
    return (uint8_t)(fnuz && code == 0 ? 0 : code | sign);
}

/* To F8_E8M0, which has no sign. */
static uint8_t power_from_float(float value) {
    if (value == 0) return 0;
    if (!isfinite(value)) return 0xff;
    int exponent;
    const float fraction = frexpf(fabsf(value), &exponent); /* [0.5, 1): the power below is 2^(exponent - 1) */
    exponent += fraction >= 0.75f ? 0 : -1;
    if (exponent > 127) return 0xff;
    return (uint8_t)(exponent < -127 ? 0 : exponent + 127);
}

static void bytes_from_floats(DType type, const float *values, uint64_t count, uint8_t *out) {
    float table[128];
    for (unsigned code = 0; code < 128; code++) table[code] = byte_to_float(type, code);
    for (uint64_t i = 0; i < count; i++)
        out[i] = type == DTYPE_F8_E8M0 ? power_from_float(values[i]) : byte_from_float(type, table, values[i]);
}

void dtype_from_f32(DType type, const float *values, uint64_t count, void *bytes) {
    char *out = bytes;
    assert(dtype_float(type));
    if (dtype_bits(type) == 8) {
        bytes_from_floats(type, values, count, bytes);
        return;
    }
    if (type == DTYPE_F32 && count > 0) memcpy(out, values, count * sizeof *values);
    if (type == DTYPE_BF16) narrow(values, count, out);
    for (uint64_t i = 0; i < count && type == DTYPE_F64; i++) {
        const double wide = values[i];
        memcpy(out + 8 * i, &wide, 8);
    }
    for (uint64_t i = 0; i < count && type == DTYPE_F16; i++) {
        const uint16_t small = half_from_float(values[i]);
        memcpy(out + 2 * i, &small, 2);
    }
}
