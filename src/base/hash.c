/* hash -- XXH3-128, as the xxHash library computes it and in its canonical (big-endian) digits. */
#include "weft/base/hash.h"

#include <stdio.h>
#include <xxhash.h>

void hash_hex(const void *bytes, size_t length, char out[HASH_HEX]) {
    XXH128_hash_t hash = XXH3_128bits(bytes, length);
    snprintf(out, HASH_HEX, "%016llx%016llx", (unsigned long long)hash.high64, (unsigned long long)hash.low64);
}

uint64_t hash_short(const void *bytes, size_t length) {
    return XXH3_64bits(bytes, length);
}
