/* size -- arithmetic of sizes that notices overflow.
 *
 * Sizes are uint64_t or size_t. Those that come from a file pass through these functions.
 */
#ifndef WEFT_SIZE_H
#define WEFT_SIZE_H

#include <stdbool.h>
#include <stdint.h>

/* *out = a op b; false on overflow, *out then undefined. */
static inline bool size_mul(uint64_t a, uint64_t b, uint64_t *out) {
    return !__builtin_mul_overflow(a, b, out);
}
static inline bool size_add(uint64_t a, uint64_t b, uint64_t *out) {
    return !__builtin_add_overflow(a, b, out);
}

/* The product of `rank` dimensions, 1 for rank 0. False if any partial product of the non-zero dimensions overflows,
 * even if another dimension is 0. */
bool size_product(const uint64_t *dim, unsigned rank, uint64_t *out);

#endif
