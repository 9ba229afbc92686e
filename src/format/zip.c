/* zip -- a strict reader of zip directories (APPNOTE.TXT 6.3.10; the checks are those of libzip's inconsistent files).
 *
 *   member   PK\3\4 version flags method time date crc stored size n e | name[n] extra[e] | data
 *   ...
 *   entry    PK\1\2 made-by version flags method time date crc stored size n e c disk attributes local-offset
 *            | name[n] extra[e] comment[c]
 *   ...
 *   zip64    PK\6\6 ... count size offset of the directory (64 bits), then its locator PK\6\7
 *   end      PK\5\6 disk disk count count size offset c | comment[c]   reaching the end of the file
 *
 * Sizes come from the directory's entries. A local header may leave its own at 0 (flag 8, a descriptor follows the
 * data: PyTorch) or at 2^32-1 with the true ones in a ZIP64 extra field (NumPy); anything else must agree.
 */
#include "format/zip.h"

#include <stdlib.h>
#include <string.h>

#include "format/bytes.h"
#include "format/checkpoint.h"
#include "weft/base/error.h"
#include "weft/base/file.h"
#include "weft/base/memory.h"
#include "weft/base/size.h"
#include "weft/base/text.h"

enum {
    END_SIZE = 22,
    COMMENT_MAX = 65535,
    LOCATOR_SIZE = 20,
    END64_SIZE = 56,
    ENTRY_SIZE = 46,
    LOCAL_SIZE = 30,
    EXTRA_ZIP64 = 1,
    FLAG_DESCRIPTOR = 0x0008,
    FLAGS_KNOWN = 0x0808, /* descriptor follows; UTF-8 names */
    METHOD_STORED = 0,
    METHOD_DEFLATE = 8,
    DEFLATE_RATIO = 1032, /* deflate's best: 258 bytes from 2 bits */
    CAP_DIRECTORY = 256 << 20,
};
#define SENTINEL32 0xFFFFFFFFu
#define SENTINEL16 0xFFFFu

struct Zip {
    File *file;
    uint8_t *directory; /* names are kept in it */
    ZipMember *member;
    size_t count;
    const ZipMember **by_name;
    bool ignore_crc;
};

/* What the end records say. */
typedef struct Directory {
    uint64_t offset, size, count;
} Directory;

/* The bytes of a member from its local header to the end of its data, and what the entry said of it. */
typedef struct Span {
    uint64_t start, end;
    uint16_t flags;
    const ZipMember *member;
} Span;

static bool bad(Error *err, const char *reason) {
    return error_set(err, STATUS_BAD_INPUT, "zip: %s", reason);
}

/* ---- the end records --------------------------------------------------------------------------------------------- */

/* The ZIP64 record that `locator` points to; *end moves in front of it. */
static bool read_end64(const Zip *zip, const uint8_t *locator, uint64_t locator_offset, Directory *out, uint64_t *end,
                       Error *err) {
    uint8_t record[END64_SIZE];
    uint64_t offset = get_le64(locator + 8);
    if (get_le32(locator + 4) != 0 || get_le32(locator + 16) != 1) return bad(err, "split over several disks");
    if (locator_offset < END64_SIZE || offset != locator_offset - END64_SIZE)
        return bad(err, "the ZIP64 end record is not in front of its locator");
    if (!file_read(zip->file, offset, record, sizeof record, err)) return false;
    if (memcmp(record, "PK\6\6", 4) != 0 || get_le64(record + 4) != END64_SIZE - 12)
        return bad(err, "damaged ZIP64 end record");
    if (get_le32(record + 16) != 0 || get_le32(record + 20) != 0 || get_le64(record + 24) != get_le64(record + 32))
        return bad(err, "split over several disks");
    Directory wide = {.offset = get_le64(record + 48), .size = get_le64(record + 40), .count = get_le64(record + 32)};
    if ((out->count != SENTINEL16 && out->count != wide.count) || (out->size != SENTINEL32 && out->size != wide.size) ||
        (out->offset != SENTINEL32 && out->offset != wide.offset))
        return bad(err, "the ZIP64 end record and the end record differ");
    *out = wide;
    *end = offset;
    return true;
}

static bool parse_end(const Zip *zip, const uint8_t *record, uint64_t record_offset, Directory *out, Error *err) {
    uint64_t end = record_offset, directory_end;
    if (get_le16(record + 4) != 0 || get_le16(record + 6) != 0 || get_le16(record + 8) != get_le16(record + 10))
        return bad(err, "split over several disks");
    *out = (Directory){.offset = get_le32(record + 16), .size = get_le32(record + 12), .count = get_le16(record + 10)};
    if (record_offset >= LOCATOR_SIZE) {
        uint8_t locator[LOCATOR_SIZE];
        if (!file_read(zip->file, record_offset - LOCATOR_SIZE, locator, LOCATOR_SIZE, err)) return false;
        if (memcmp(locator, "PK\6\7", 4) == 0 &&
            !read_end64(zip, locator, record_offset - LOCATOR_SIZE, out, &end, err))
            return false;
    }
    if (!size_add(out->offset, out->size, &directory_end) || directory_end != end)
        return error_set(err, STATUS_BAD_INPUT,
                         "zip: a directory of %llu bytes at %llu does not end where the end record begins, at %llu",
                         (unsigned long long)out->size, (unsigned long long)out->offset, (unsigned long long)end);
    if (out->count > out->size / ENTRY_SIZE)
        return error_set(err, STATUS_BAD_INPUT, "zip: the end record counts %llu members, the directory has %llu bytes",
                         (unsigned long long)out->count, (unsigned long long)out->size);
    return true;
}

/* The one end record whose comment reaches the end of the file. */
static bool find_end(const Zip *zip, Directory *out, Error *err) {
    uint64_t size = file_size(zip->file);
    uint64_t length = size < END_SIZE + COMMENT_MAX ? size : END_SIZE + COMMENT_MAX;
    uint64_t found = 0, at = 0;
    bool ok = false;
    uint8_t *tail = mem_alloc(length, 1, err);
    if (!tail || !file_read(zip->file, size - length, tail, length, err)) goto out;
    for (uint64_t i = 0; i + END_SIZE <= length; i++) {
        if (tail[i] != 'P' || memcmp(tail + i, "PK\5\6", 4) != 0) continue;
        if (get_le16(tail + i + 20) != length - i - END_SIZE) continue;
        found++;
        at = i;
    }
    if (found == 0)
        bad(err, "no end record that reaches the end of the file (truncated, or bytes after it)");
    else if (found > 1)
        bad(err, "two end records");
    else
        ok = parse_end(zip, tail + at, size - length + at, out, err);
out:
    mem_free(tail);
    return ok;
}

/* ---- the directory ----------------------------------------------------------------------------------------------- */

/* Replaces those of the `count` values that are 2^32-1 by the ones in the ZIP64 field of `extra`, which holds just
 * these, in order. */
static bool widen(const uint8_t *extra, size_t length, uint64_t *const *value, size_t count, Error *err) {
    bool seen = false;
    for (size_t at = 0; at < length;) {
        if (length - at < 4 || get_le16(extra + at + 2) > length - at - 4) return bad(err, "damaged extra field");
        size_t field = get_le16(extra + at + 2), used = 0;
        if (get_le16(extra + at) == EXTRA_ZIP64) {
            if (seen) return bad(err, "two ZIP64 extra fields");
            seen = true;
            for (size_t i = 0; i < count; i++) {
                if (*value[i] != SENTINEL32) continue;
                if (field - used < 8) return bad(err, "short ZIP64 extra field");
                *value[i] = get_le64(extra + at + 4 + used);
                used += 8;
            }
        }
        at += 4 + field;
    }
    return true;
}

static bool check_name(const char *name, size_t length, Error *err) {
    if (length == 0) return bad(err, "a member without a name");
    if (length > CAP_NAME)
        return error_set(err, STATUS_LIMIT, "zip: a member's name has %zu bytes, limit %d", length, CAP_NAME);
    if (memchr(name, '\0', length)) return bad(err, "a NUL byte in a member's name");
    if (!text_valid_utf8(name, length)) return bad(err, "a member's name is not UTF-8");
    if (name[0] == '/') return error_set(err, STATUS_BAD_INPUT, "zip: member \"%.*s\": absolute", (int)length, name);
    for (size_t at = 0; at < length;) {
        const char *slash = memchr(name + at, '/', length - at);
        size_t part = slash ? (size_t)(slash - name) - at : length - at;
        if (part == 2 && memcmp(name + at, "..", 2) == 0)
            return error_set(err, STATUS_BAD_INPUT, "zip: member \"%.*s\": leaves its folder", (int)length, name);
        at += part + 1;
    }
    return true;
}

/* The sizes, flags and method that an entry gives to `member`, whose name is set. */
static bool check_member(const ZipMember *member, uint16_t flags, Error *err) {
    uint64_t most;
    if (flags & 0x2041) return error_set(err, STATUS_BAD_INPUT, "zip: member \"%s\": encrypted", member->name);
    if (flags & ~FLAGS_KNOWN)
        return error_set(err, STATUS_BAD_INPUT, "zip: member \"%s\": unsupported flags 0x%04x", member->name, flags);
    if (member->method != METHOD_STORED && member->method != METHOD_DEFLATE)
        return error_set(err, STATUS_BAD_INPUT, "zip: member \"%s\": unsupported compression method %u", member->name,
                         member->method);
    if (member->method == METHOD_STORED && member->stored != member->size)
        return error_set(err, STATUS_BAD_INPUT, "zip: member \"%s\": stored, but %llu bytes take %llu", member->name,
                         (unsigned long long)member->size, (unsigned long long)member->stored);
    if (member->method == METHOD_DEFLATE && size_mul(member->stored, DEFLATE_RATIO, &most) && member->size > most + 64)
        return error_set(err, STATUS_BAD_INPUT, "zip: member \"%s\": %llu bytes cannot inflate to %llu", member->name,
                         (unsigned long long)member->stored, (unsigned long long)member->size);
    return true;
}

/* One entry of `room` bytes at most; *length is what it took. The name moves down by one byte, over the header that has
 * been read by then, which makes room for its NUL. */
static bool parse_entry(uint8_t *entry, uint64_t room, ZipMember *member, Span *span, size_t *length, Error *err) {
    if (room < ENTRY_SIZE || memcmp(entry, "PK\1\2", 4) != 0) return bad(err, "damaged directory");
    size_t name = get_le16(entry + 28), extra = get_le16(entry + 30), comment = get_le16(entry + 32);
    *length = ENTRY_SIZE + name + extra + comment;
    if (*length > room) return bad(err, "a directory entry reaches past the directory");
    if (get_le16(entry + 34) != 0) return bad(err, "split over several disks");
    char *text = (char *)entry + ENTRY_SIZE;
    if (!check_name(text, name, err)) return false;
    *member = (ZipMember){.size = get_le32(entry + 24),
                          .stored = get_le32(entry + 20),
                          .crc = get_le32(entry + 16),
                          .method = get_le16(entry + 10)};
    *span = (Span){.start = get_le32(entry + 42), .flags = get_le16(entry + 8), .member = member};
    if (!widen(entry + ENTRY_SIZE + name, extra, (uint64_t *[]){&member->size, &member->stored, &span->start}, 3, err))
        return false;
    memmove(text - 1, text, name);
    text[name - 1] = '\0';
    member->name = text - 1;
    return check_member(member, span->flags, err);
}

/* A local header's field against the entry's: equal, or left open where a descriptor follows the data. */
static bool agrees(uint64_t local, uint64_t entry, bool descriptor) {
    return local == entry || (descriptor && local == 0);
}

/* Checks the local header against the entry and finds the data. */
static bool check_local(const Zip *zip, const Directory *directory, ZipMember *member, Span *span, Error *err) {
    uint8_t header[LOCAL_SIZE + CAP_NAME], extra[65535];
    size_t length = strlen(member->name);
    bool descriptor = span->flags & FLAG_DESCRIPTOR;
    uint64_t most = directory->offset, name_end;
    if (!size_add(span->start, LOCAL_SIZE + length, &name_end) || name_end > most)
        return error_set(err, STATUS_BAD_INPUT, "zip: member \"%s\": begins beyond the directory", member->name);
    if (!file_read(zip->file, span->start, header, LOCAL_SIZE + length, err)) return false;
    if (memcmp(header, "PK\3\4", 4) != 0)
        return error_set(err, STATUS_BAD_INPUT, "zip: member \"%s\": no local header at %llu", member->name,
                         (unsigned long long)span->start);
    if (get_le16(header + 26) != length || memcmp(header + LOCAL_SIZE, member->name, length) != 0)
        return error_set(err, STATUS_BAD_INPUT, "zip: member \"%s\": its local header has another name", member->name);
    size_t extra_length = get_le16(header + 28);
    uint64_t size = get_le32(header + 22), stored = get_le32(header + 18);
    member->offset = name_end + extra_length;
    if (member->offset > most || member->stored > most - member->offset)
        return error_set(err, STATUS_BAD_INPUT, "zip: member \"%s\": its data reaches into the directory",
                         member->name);
    span->end = member->offset + member->stored;
    if (!file_read(zip->file, name_end, extra, extra_length, err) ||
        !widen(extra, extra_length, (uint64_t *[]){&size, &stored}, 2, err))
        return false;
    if (get_le16(header + 6) != span->flags || get_le16(header + 8) != member->method ||
        !agrees(get_le32(header + 14), member->crc, descriptor) || !agrees(size, member->size, descriptor) ||
        !agrees(stored, member->stored, descriptor))
        return error_set(err, STATUS_BAD_INPUT, "zip: member \"%s\": its local header differs from the directory",
                         member->name);
    return true;
}

static int compare_names(const void *a, const void *b) {
    return strcmp((*(const ZipMember *const *)a)->name, (*(const ZipMember *const *)b)->name);
}

static int compare_spans(const void *a, const void *b) {
    uint64_t x = ((const Span *)a)->start, y = ((const Span *)b)->start;
    return (x > y) - (x < y);
}

/* No two members of one name, none that shares bytes with another. */
static bool check_disjoint(Zip *zip, Span *span, Error *err) {
    for (size_t i = 0; i < zip->count; i++) zip->by_name[i] = &zip->member[i];
    qsort(zip->by_name, zip->count, sizeof *zip->by_name, compare_names);
    for (size_t i = 1; i < zip->count; i++)
        if (strcmp(zip->by_name[i - 1]->name, zip->by_name[i]->name) == 0)
            return error_set(err, STATUS_BAD_INPUT, "zip: two members are named \"%s\"", zip->by_name[i]->name);
    qsort(span, zip->count, sizeof *span, compare_spans);
    for (size_t i = 1; i < zip->count; i++)
        if (span[i].start < span[i - 1].end)
            return error_set(err, STATUS_BAD_INPUT, "zip: members \"%s\" and \"%s\" overlap", span[i - 1].member->name,
                             span[i].member->name);
    return true;
}

static bool read_directory(Zip *zip, const Directory *directory, Error *err) {
    uint64_t at = 0;
    size_t seen = 0;
    bool ok = false;
    Span *span = NULL;
    if (directory->count > CAP_TENSORS || directory->size > CAP_DIRECTORY)
        return error_set(err, STATUS_LIMIT, "zip: a directory of %llu members, %llu bytes; limits %d and %d",
                         (unsigned long long)directory->count, (unsigned long long)directory->size, CAP_TENSORS,
                         CAP_DIRECTORY);
    zip->directory = mem_alloc(directory->size, 1, err);
    zip->member = mem_alloc(directory->count, sizeof *zip->member, err);
    zip->by_name = mem_alloc(directory->count, sizeof *zip->by_name, err);
    span = mem_alloc(directory->count, sizeof *span, err);
    if (!zip->directory || !zip->member || !zip->by_name || !span) goto out;
    if (!file_read(zip->file, directory->offset, zip->directory, directory->size, err)) goto out;
    for (; seen < directory->count && at < directory->size; seen++) {
        size_t length = 0;
        ZipMember *member = &zip->member[seen];
        if (!parse_entry(zip->directory + at, directory->size - at, member, &span[seen], &length, err) ||
            !check_local(zip, directory, member, &span[seen], err))
            goto out;
        at += length;
    }
    if (seen != directory->count || at != directory->size) {
        bad(err, "the directory and the end record's count of members differ");
        goto out;
    }
    zip->count = seen;
    ok = check_disjoint(zip, span, err);
out:
    mem_free(span);
    return ok;
}

/* ---- the interface ----------------------------------------------------------------------------------------------- */

Zip *zip_open(File *file, Error *err) {
    Directory directory = {0};
    Zip *zip = mem_alloc(1, sizeof *zip, err);
    if (!zip) {
        file_close(file);
        return NULL;
    }
    zip->file = file;
    if (!find_end(zip, &directory, err) || !read_directory(zip, &directory, err)) {
        zip_close(zip);
        return NULL;
    }
    return zip;
}

void zip_close(Zip *zip) {
    if (!zip) return;
    file_close(zip->file);
    mem_free(zip->directory);
    mem_free(zip->member);
    mem_free(zip->by_name);
    mem_free(zip);
}

const char *zip_name(const Zip *zip) {
    return file_name(zip->file);
}

const File *zip_file(const Zip *zip) {
    return zip->file;
}

File *zip_owned_file(const Zip *zip) {
    return zip->file;
}

size_t zip_count(const Zip *zip) {
    return zip->count;
}

const ZipMember *zip_member(const Zip *zip, size_t index) {
    return &zip->member[index];
}

bool zip_find(const Zip *zip, const char *name, size_t *index) {
    const ZipMember key = {.name = name}, *wanted = &key;
    if (zip->count == 0) return false;
    const ZipMember *const *found = bsearch(&wanted, zip->by_name, zip->count, sizeof *zip->by_name, compare_names);
    if (!found) return false;
    *index = (size_t)(*found - zip->member);
    return true;
}

void zip_ignore_crc(Zip *zip, bool ignore) {
    zip->ignore_crc = ignore;
}

bool zip_crc_ignored(const Zip *zip) {
    return zip->ignore_crc;
}
