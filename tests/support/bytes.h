/* bytes -- files for tests of the readers, made byte by byte, and a scratch folder to put them in. */
#ifndef WEFT_TESTS_BYTES_H
#define WEFT_TESTS_BYTES_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* A new empty folder that is removed, with the files in it, at exit. */
const char *scratch_folder(void);
/* scratch_folder()/NAME in one of 64 buffers that take turns. */
const char *scratch_path(const char *name);
/* The text that `format` gives, in one of the same buffers. */
const char *text_of(const char *format, ...) __attribute__((format(printf, 1, 2)));

bool write_bytes(const char *path, const void *bytes, size_t length);

/* A growing block of bytes; running out of memory ends the test. */
typedef struct Bytes {
    uint8_t *data;
    size_t length;
} Bytes;
void bytes_add(Bytes *bytes, const void *more, size_t length);
void bytes_fill(Bytes *bytes, uint8_t value, size_t count);
void bytes_u32be(Bytes *bytes, uint32_t value);
void bytes_le(Bytes *bytes, uint64_t value, unsigned size); /* little-endian, in `size` bytes */
void bytes_done(Bytes *bytes);

/* An IDX header: type code, rank and dimensions as given, right or wrong. */
void bytes_idx(Bytes *bytes, uint8_t type, uint8_t rank, const uint32_t *dim, size_t dims);
/* One gzip member around `length` bytes, written by zlib; `fields`: with extra field, name, comment and header CRC. */
void bytes_gzip(Bytes *bytes, const void *content, size_t length, bool fields);
/* One CIFAR record: one label (fine < 0) or two, then 3072 bytes of which number i is (first + i) mod 256. */
void bytes_cifar(Bytes *bytes, int label, int fine, unsigned first);

/* u64le N, the JSON, `data` bytes of zeros. */
void bytes_safetensors(Bytes *bytes, const char *json, size_t data);
/* Magic, version, length and text of an npy header as given, padded to 64 bytes (version 1 or 2). */
void bytes_npy(Bytes *bytes, unsigned version, const char *header);

/* A zip of `count` members, with whatever lies a test wants to tell. */
typedef struct ZipPart {
    const char *name;
    const void *data; /* uncompressed */
    size_t length;
    uint16_t method;        /* 0, 8 (deflated by zlib), or another (the bytes stay as they are) */
    uint16_t flags;         /* in both headers */
    const char *local_name; /* in the local header, where it is another */
    uint64_t declared;      /* uncompressed size in both headers; 0: the true one */
    uint32_t crc_change;    /* xor'ed into the CRC */
    uint8_t wide;           /* ZIP_WIDE_LOCAL, ZIP_WIDE_ENTRY: sizes in a ZIP64 extra field there */
} ZipPart;
enum { ZIP_LOCAL_SIZE = 30, ZIP_ENTRY_SIZE = 46, ZIP_END_SIZE = 22, ZIP_WIDE_LOCAL = 1, ZIP_WIDE_ENTRY = 2 };
void bytes_zip(Bytes *bytes, const ZipPart *part, size_t count);

#endif
