/* dtype -- the element types of files, and their conversion to float32 and back. */
#ifndef WEFT_DTYPE_H
#define WEFT_DTYPE_H

#include <stdbool.h>
#include <stdint.h>

#include "weft/base/error.h"

/* Every element type a file can hold: X(name, safetensors name, bits). */
#define DTYPES(X)                    \
    X(BOOL, "BOOL", 8)               \
    X(U8, "U8", 8)                   \
    X(I8, "I8", 8)                   \
    X(U16, "U16", 16)                \
    X(I16, "I16", 16)                \
    X(F16, "F16", 16)                \
    X(BF16, "BF16", 16)              \
    X(U32, "U32", 32)                \
    X(I32, "I32", 32)                \
    X(F32, "F32", 32)                \
    X(U64, "U64", 64)                \
    X(I64, "I64", 64)                \
    X(F64, "F64", 64)                \
    X(C64, "C64", 64)                \
    X(C128, "C128", 128)             \
    X(F8_E4M3, "F8_E4M3", 8)         \
    X(F8_E5M2, "F8_E5M2", 8)         \
    X(F8_E8M0, "F8_E8M0", 8)         \
    X(F8_E4M3FNUZ, "F8_E4M3FNUZ", 8) \
    X(F8_E5M2FNUZ, "F8_E5M2FNUZ", 8) \
    X(F4, "F4", 4)                   \
    X(F6_E2M3, "F6_E2M3", 6)         \
    X(F6_E3M2, "F6_E3M2", 6)
typedef enum DType {
#define X(name, text, bits) DTYPE_##name,
    DTYPES(X)
#undef X
        DTYPE_COUNT
} DType;
const char *dtype_name(DType type);
unsigned dtype_bits(DType type);
bool dtype_integer(DType type); /* signed or not, of 8 to 64 bits; not BOOL */
bool dtype_float(DType type);   /* real floats of 8 bits or more: the types that dtype_from_f32 writes */
bool dtype_parse(const char *name, DType *out);
/* `count` little-endian elements to float32, rounded to nearest even from wider types. False for complex and sub-byte
 * types, with STATUS_BAD_INPUT "F4 values cannot be used as numbers". */
bool dtype_to_f32(DType type, const void *bytes, uint64_t count, float *out, Error *err);
/* float32 to a float type, as PyTorch converts: to the nearest, ties to even. Numbers beyond the range become infinite.
 * They become NaN in the FNUZ forms, which have no infinity, and the largest number in F8_E4M3. F8_E8M0 holds powers of
 * two without a sign: the nearest one by its exponent, 1.5 going up. */
void dtype_from_f32(DType type, const float *values, uint64_t count, void *bytes);

#endif
