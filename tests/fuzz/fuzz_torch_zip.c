/* fuzz_torch_zip -- any bytes as the records of PyTorch's zip layout. The archive around them is made here, because no
 * mutation finds its CRCs: two lengths (u16le), then data.pkl, data/0 and data/1. */
#include "fuzz.h"
#include "weft/base/error.h"
#include "weft/base/file.h"
#include "weft/base/memory.h"

#include <stdlib.h>
#include <string.h>
#include <zlib.h>

enum { RECORDS = 4, LOCAL = 30, ENTRY = 46, END = 22, NAMES = 64 };

typedef struct Record {
    const char *name;
    const uint8_t *bytes;
    size_t length, at;
} Record;

static uint8_t *put(uint8_t *at, unsigned size, uint64_t value) {
    for (unsigned i = 0; i < size; i++) *at++ = (uint8_t)(value >> 8 * i);
    return at;
}

static uint8_t *put_bytes(uint8_t *at, const void *bytes, size_t length) {
    if (length > 0) memcpy(at, bytes, length);
    return at + length;
}

/* What the local header and the directory's entry share, from the version that is needed to the name's length. */
static uint8_t *put_common(uint8_t *at, const Record *record) {
    at = put(put(put(at, 2, 20), 4, 0), 4, 0); /* version, flags and method, time */
    at = put(at, 4, crc32_z(0, record->bytes, record->length));
    at = put(put(at, 4, record->length), 4, record->length);
    return put(put(at, 2, strlen(record->name)), 2, 0);
}

static size_t make_zip(Record *record, uint8_t *out) {
    uint8_t *at = out;
    for (unsigned i = 0; i < RECORDS; i++) {
        record[i].at = (size_t)(at - out);
        at = put_common(put(at, 4, 0x04034b50), &record[i]);
        at = put_bytes(at, record[i].name, strlen(record[i].name));
        at = put_bytes(at, record[i].bytes, record[i].length);
    }
    const uint8_t *directory = at;
    for (unsigned i = 0; i < RECORDS; i++) {
        at = put_common(put(put(at, 4, 0x02014b50), 2, 20), &record[i]);
        at = put(put(put(at, 6, 0), 4, 0), 4, record[i].at); /* comment, disk, attributes; place */
        at = put_bytes(at, record[i].name, strlen(record[i].name));
    }
    const size_t size = (size_t)(at - directory);
    at = put(put(at, 4, 0x06054b50), 4, 0);
    at = put(put(at, 2, RECORDS), 2, RECORDS);
    at = put(put(put(at, 4, size), 4, (uint64_t)(directory - out)), 2, 0);
    return (size_t)(at - out);
}

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t length) {
    FuzzParts parts;
    if (!fuzz_parts(bytes, length, &parts)) return 0;
    Record record[RECORDS] = {{.name = "a/version", .bytes = (const uint8_t *)"3\n", .length = 2},
                              {.name = "a/data.pkl", .bytes = parts.bytes[0], .length = parts.length[0]},
                              {.name = "a/data/0", .bytes = parts.bytes[1], .length = parts.length[1]},
                              {.name = "a/data/1", .bytes = parts.bytes[2], .length = parts.length[2]}};
    uint8_t *archive = malloc(parts.all + RECORDS * (LOCAL + ENTRY + NAMES) + END);
    if (archive) fuzz_archive(archive, make_zip(record, archive));
    return 0;
}
