/* zip_write -- stored members, each one's data at a multiple of 64 bytes, behind a local header that says all of it.
 *
 * ZIP64 fields appear only where a size or an offset needs them. Every date is 1 January 1980, so that the same tensors
 * make the same file.
 */
#include "format/zip.h"

#include <stdlib.h>
#include <string.h>
#include <zlib.h>

#include "format/bytes.h"
#include "format/checkpoint.h"
#include "weft/base/error.h"
#include "weft/base/memory.h"
#include "weft/base/save.h"
#include "weft/base/size.h"
#include "weft/base/text.h"

enum {
    LOCAL_SIZE = 30,
    ENTRY_SIZE = 46,
    END_SIZE = 22,
    END64_SIZE = 56,
    LOCATOR_SIZE = 20,
    ALIGNMENT = 64,
    EXTRA_PADDING = 0x4246, /* "FB", as PyTorch writes it */
    FLAG_UTF8 = 0x0800,
    DATE_1980 = 0x0021,
    VERSION = 20,
    VERSION_ZIP64 = 45,
};
#define SENTINEL32 UINT64_C(0xFFFFFFFF)
#define SENTINEL16 UINT64_C(0xFFFF)

struct ZipWriter {
    char *path;
    Save *save;
    uint64_t offset; /* bytes written */
    uint64_t count;
    char **name;
    size_t name_capacity;
    Str directory;
};

static uint64_t at_most(uint64_t value, uint64_t limit) {
    return value < limit ? value : limit;
}

ZipWriter *zip_writer_begin(const char *path, bool overwrite, Error *err) {
    ZipWriter *writer = mem_alloc(1, sizeof *writer, err);
    if (!writer) return NULL;
    writer->path = mem_copy_text(path, err);
    if (writer->path) writer->save = save_begin(path, overwrite, err);
    if (writer->save) return writer;
    zip_writer_abandon(writer);
    return NULL;
}

void zip_writer_abandon(ZipWriter *writer) {
    if (!writer) return;
    if (writer->save) save_abandon(writer->save);
    for (uint64_t i = 0; i < writer->count; i++) mem_free(writer->name[i]);
    mem_free(writer->name);
    mem_free(writer->path);
    str_done(&writer->directory);
    mem_free(writer);
}

static bool put_bytes(ZipWriter *writer, const void *bytes, uint64_t length, Error *err) {
    if (!save_write(writer->save, bytes, length, err)) return false;
    writer->offset += length;
    return true;
}

static bool keep_name(ZipWriter *writer, const char *name, Error *err) {
    if (*name == '\0' || strlen(name) > CAP_NAME || !text_valid_utf8(name, strlen(name)))
        return error_set(err, STATUS_USAGE, "a member cannot be named \"%.80s\"", name);
    if (writer->count == CAP_TENSORS) return error_set(err, STATUS_LIMIT, "more than %d members", CAP_TENSORS);
    if (!mem_grow(&writer->name, &writer->name_capacity, writer->count + 1, sizeof *writer->name, err)) return false;
    writer->name[writer->count] = mem_copy_text(name, err);
    return writer->name[writer->count] != NULL;
}

/* The fields that a local header and an entry share, from the version to the CRC and sizes: 22 bytes. */
static void put_common(uint8_t *at, uint16_t version, uint32_t crc, uint64_t size) {
    put_le16(at, version);
    put_le16(at + 2, FLAG_UTF8);
    put_le16(at + 4, 0);
    put_le16(at + 6, 0);
    put_le16(at + 8, DATE_1980);
    put_le32(at + 10, crc);
    put_le32(at + 14, at_most(size, SENTINEL32));
    put_le32(at + 18, at_most(size, SENTINEL32));
}

/* The local header with its name and extra fields: ZIP64 sizes where they are needed, then padding. */
static bool put_local(ZipWriter *writer, const char *name, uint32_t crc, uint64_t size, Error *err) {
    uint8_t header[LOCAL_SIZE + CAP_NAME + 20 + 4 + ALIGNMENT] = "PK\3\4"; /* the name's length has been checked */
    const size_t name_length = strlen(name);
    uint8_t *const extra = header + LOCAL_SIZE + name_length;
    size_t extra_length = 0;
    bool wide = size >= SENTINEL32;
    if (wide) {
        put_le16(extra, 1);
        put_le16(extra + 2, 16);
        put_le64(extra + 4, size);
        put_le64(extra + 12, size);
        extra_length = 20;
    }
    uint64_t data = writer->offset + LOCAL_SIZE + name_length + extra_length + 4;
    size_t padding = (size_t)(-data % ALIGNMENT);
    put_le16(extra + extra_length, EXTRA_PADDING);
    put_le16(extra + extra_length + 2, padding);
    extra_length += 4 + padding;
    put_common(header + 4, wide ? VERSION_ZIP64 : VERSION, crc, size);
    put_le16(header + 26, name_length);
    put_le16(header + 28, extra_length);
    memcpy(header + LOCAL_SIZE, name, name_length);
    return put_bytes(writer, header, LOCAL_SIZE + name_length + extra_length, err);
}

static void add_entry(ZipWriter *writer, const char *name, uint32_t crc, uint64_t size, uint64_t local) {
    uint8_t entry[ENTRY_SIZE] = "PK\1\2", extra[4 + 24];
    size_t extra_length = 4;
    if (size >= SENTINEL32) {
        put_le64(extra + extra_length, size);
        put_le64(extra + extra_length + 8, size);
        extra_length += 16;
    }
    if (local >= SENTINEL32) {
        put_le64(extra + extra_length, local);
        extra_length += 8;
    }
    put_le16(extra, 1);
    put_le16(extra + 2, extra_length - 4);
    if (extra_length == 4) extra_length = 0;
    put_le16(entry + 4, extra_length ? VERSION_ZIP64 : VERSION);
    put_common(entry + 6, extra_length ? VERSION_ZIP64 : VERSION, crc, size);
    put_le16(entry + 28, strlen(name));
    put_le16(entry + 30, extra_length);
    put_le32(entry + 42, at_most(local, SENTINEL32));
    str_add_bytes(&writer->directory, (const char *)entry, sizeof entry);
    str_add(&writer->directory, name);
    str_add_bytes(&writer->directory, (const char *)extra, extra_length);
}

bool zip_writer_begin_member(ZipWriter *writer, const char *name, uint32_t crc, uint64_t size, Error *err) {
    const uint64_t local = writer->offset;
    if (!keep_name(writer, name, err)) return false;
    writer->count++;
    if (!put_local(writer, name, crc, size, err)) return false;
    add_entry(writer, name, crc, size, local);
    return str_ok(&writer->directory, err);
}

bool zip_writer_put(ZipWriter *writer, const void *bytes, uint64_t length, Error *err) {
    return put_bytes(writer, bytes, length, err);
}

void zip_crc_add(uint32_t *crc, const void *bytes, uint64_t length) {
    if (length > 0) *crc = (uint32_t)crc32_z(*crc, bytes, length);
}

bool zip_writer_add(ZipWriter *writer, const char *name, const void *const *piece, const uint64_t *length,
                    size_t pieces, Error *err) {
    uint64_t size = 0;
    uint32_t crc = 0;
    for (size_t i = 0; i < pieces; i++) {
        if (!size_add(size, length[i], &size)) return error_set(err, STATUS_LIMIT, "too much data");
        zip_crc_add(&crc, piece[i], length[i]);
    }
    bool done = zip_writer_begin_member(writer, name, crc, size, err);
    for (size_t i = 0; done && i < pieces; i++) done = put_bytes(writer, piece[i], length[i], err);
    return done;
}

static int compare_names(const void *a, const void *b) {
    return strcmp(*(char *const *)a, *(char *const *)b);
}

static bool check_unique(ZipWriter *writer, Error *err) {
    if (writer->count > 0) qsort(writer->name, writer->count, sizeof *writer->name, compare_names);
    for (uint64_t i = 1; i < writer->count; i++)
        if (strcmp(writer->name[i - 1], writer->name[i]) == 0)
            return error_set(err, STATUS_USAGE, "%s: two members are named \"%s\"", writer->path, writer->name[i]);
    return true;
}

static bool put_end(ZipWriter *writer, Error *err) {
    uint64_t offset = writer->offset, size = writer->directory.length, count = writer->count;
    uint8_t end64[END64_SIZE] = "PK\6\6", locator[LOCATOR_SIZE] = "PK\6\7", end[END_SIZE] = "PK\5\6";
    Str *const out = &writer->directory;
    if (offset >= SENTINEL32 || size >= SENTINEL32 || count >= SENTINEL16) {
        put_le64(end64 + 4, END64_SIZE - 12);
        put_le16(end64 + 12, VERSION_ZIP64);
        put_le16(end64 + 14, VERSION_ZIP64);
        put_le64(end64 + 24, count);
        put_le64(end64 + 32, count);
        put_le64(end64 + 40, size);
        put_le64(end64 + 48, offset);
        put_le64(locator + 8, offset + size);
        put_le32(locator + 16, 1);
        str_add_bytes(out, (const char *)end64, sizeof end64);
        str_add_bytes(out, (const char *)locator, sizeof locator);
    }
    put_le16(end + 8, at_most(count, SENTINEL16));
    put_le16(end + 10, at_most(count, SENTINEL16));
    put_le32(end + 12, at_most(size, SENTINEL32));
    put_le32(end + 16, at_most(offset, SENTINEL32));
    str_add_bytes(out, (const char *)end, sizeof end);
    return str_ok(out, err) && put_bytes(writer, out->text, out->length, err);
}

bool zip_writer_commit(ZipWriter *writer, Error *err) {
    bool ok = check_unique(writer, err) && put_end(writer, err);
    if (ok) {
        ok = save_commit(writer->save, err);
        writer->save = NULL;
    }
    zip_writer_abandon(writer);
    return ok;
}
