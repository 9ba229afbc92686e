/* hash -- a checksum of a block of bytes. */
#ifndef WEFT_HASH_H
#define WEFT_HASH_H

#include <stddef.h>
#include <stdint.h>

/* XXH3-128 of a block as 32 hexadecimal digits. It detects accidents (torn files, changed data), not forgeries. */
enum { HASH_HEX = 33 };
void hash_hex(const void *bytes, size_t length, char out[HASH_HEX]);
/* XXH3-64, for checksums that stay in memory. */
uint64_t hash_short(const void *bytes, size_t length);

#endif
