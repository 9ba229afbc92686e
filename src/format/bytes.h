/* bytes -- integers of a fixed byte order in a block of bytes. Private to src/format. */
#ifndef WEFT_FORMAT_BYTES_H
#define WEFT_FORMAT_BYTES_H

#include <stdint.h>

static inline uint16_t get_le16(const uint8_t *at) {
    return (uint16_t)(at[0] | at[1] << 8);
}
static inline uint32_t get_le32(const uint8_t *at) {
    return (uint32_t)get_le16(at) | (uint32_t)get_le16(at + 2) << 16;
}
static inline uint64_t get_le64(const uint8_t *at) {
    return (uint64_t)get_le32(at) | (uint64_t)get_le32(at + 4) << 32;
}
static inline void put_le16(uint8_t *at, uint64_t value) {
    at[0] = (uint8_t)value;
    at[1] = (uint8_t)(value >> 8);
}
static inline void put_le32(uint8_t *at, uint64_t value) {
    put_le16(at, value);
    put_le16(at + 2, value >> 16);
}
static inline void put_le64(uint8_t *at, uint64_t value) {
    put_le32(at, value);
    put_le32(at + 4, value >> 32);
}

#endif
