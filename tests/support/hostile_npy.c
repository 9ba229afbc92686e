/* hostile_npy -- hostile npy and npz files (docs/reliability.md, section 7, rows 95 to 106), and what is hostile in any
 * zip (rows 79 to 88), as npz. */
#include "bytes.h"
#include "hostile.h"

#include <string.h>

/* Writes the bytes and frees them. */
static bool put(const char *path, Bytes *bytes) {
    bool ok = write_bytes(path, bytes->data, bytes->length);
    bytes_done(bytes);
    return ok;
}

static bool with_header(const char *path, unsigned version, const char *header, size_t data) {
    Bytes bytes = {0};
    bytes_npy(&bytes, version, header);
    if (data > 0) bytes_fill(&bytes, 0, data);
    return put(path, &bytes);
}

#define HEADER(descr, fortran, shape) "{'descr': " descr ", 'fortran_order': " fortran ", 'shape': " shape ", }"
#define PLAIN(descr, shape) HEADER("'" descr "'", "False", shape)
#define CASE(function, header, data)               \
    static bool function(const char *path) {       \
        return with_header(path, 1, header, data); \
    }

/* ---- npy --------------------------------------------------------------------------------------------------------- */

static bool long_header(const char *path) {
    return write_bytes(path, "\223NUMPY\2\0\360\377\377\377", 12);
}

static bool header_over_cap(const char *path) {
    Bytes bytes = {0};
    bytes_add(&bytes, "\223NUMPY\2\0", 8);
    bytes_le(&bytes, 70000, 4);
    bytes_fill(&bytes, ' ', 70000);
    return put(path, &bytes);
}

static bool version_9(const char *path) {
    Bytes bytes = {0};
    bytes_npy(&bytes, 1, PLAIN("<f4", "(1,)"));
    bytes.data[6] = bytes.data[7] = 9;
    bytes_fill(&bytes, 0, 4);
    return put(path, &bytes);
}

static bool deep_parentheses(const char *path) {
    Bytes bytes = {0};
    bytes_add(&bytes, "\223NUMPY\2\0", 8);
    bytes_le(&bytes, 60000, 4);
    bytes_add(&bytes, "{'descr': '<f4', 'fortran_order': False, 'shape': ", 50);
    bytes_fill(&bytes, '(', 60000 - 50);
    return put(path, &bytes);
}

static bool good_v2(const char *path) {
    return with_header(path, 2, PLAIN("<f4", "(2L,)"), 8);
}

CASE(objects, PLAIN("|O", "(1,)"), 8)
CASE(shape_negative, PLAIN("<f4", "(-1,)"), 4)
CASE(shape_list, PLAIN("<f4", "[2]"), 8)
CASE(shape_bool, PLAIN("<f4", "(True,)"), 4)
CASE(shape_number, PLAIN("<f4", "(2)"), 8)
CASE(shape_wraps, PLAIN("<f4", "(4611686018427387904, 4)"), 0)
CASE(shape_past_u64, PLAIN("<f4", "(18446744073709551616,)"), 0)
CASE(rank_33, PLAIN("|u1", "(1,1,1,1,1,1,1,1,1,1,1,1,1,1,1,1,1,1,1,1,1,1,1,1,1,1,1,1,1,1,1,1,1,)"), 1)
CASE(missing_key, "{'descr': '<f4', 'shape': (1,), }", 4)
CASE(extra_key, "{'descr': '<f4', 'fortran_order': False, 'shape': (1,), 'x': 1}", 4)
CASE(duplicate_key, "{'descr': '<f4', 'fortran_order': False, 'shape': (2,), 'shape': (1,), }", 4)
CASE(import, "__import__('os')", 4)
CASE(evaluated, HEADER("__import__('os').system('true')", "False", "(1,)"), 4)
CASE(comment, PLAIN("<f4", "(1,)") " # one", 4)
CASE(escape, HEADER("'<f\\x34'", "False", "(1,)"), 4)
CASE(not_bool, HEADER("'<f4'", "1", "(1,)"), 4)
CASE(data_short, PLAIN("<f4", "(2,)"), 7)
CASE(data_long, PLAIN("<f4", "(2,)"), 9)
CASE(dtype_f3, PLAIN("<f3", "(1,)"), 3)
CASE(dtype_empty, PLAIN("", "(1,)"), 1)
CASE(dtype_text, PLAIN("<U4", "(1,)"), 16)
CASE(dtype_time, PLAIN("<M8[ns]", "(1,)"), 8)
CASE(structured, HEADER("[('a', '<f4')]", "False", "(1,)"), 4)
CASE(good_fortran, HEADER("'<f4'", "True", "(2, 3)"), 24)
CASE(good_big_endian, PLAIN(">i2", "(3,)"), 6)
CASE(good_rank_0, PLAIN("<f8", "()"), 8)
CASE(good_zero_dim, PLAIN("<f4", "(3, 0, 2)"), 0)

/* ---- npz --------------------------------------------------------------------------------------------------------- */

/* The part's bytes: an npy of `declared` float32 values with data for `held`. */
static void npy(Bytes *bytes, const char *shape, size_t held) {
    bytes_npy(bytes, 1, text_of("{'descr': '<f4', 'fortran_order': False, 'shape': %s, }", shape));
    bytes_fill(bytes, 0, 4 * held);
}

/* A zip of one or two parts around the same npy of two values. */
static void two(Bytes *bytes, ZipPart first, ZipPart second, size_t count) {
    Bytes data = {0};
    npy(&data, "(2,)", 2);
    first.data = second.data = data.data;
    first.length = second.length = data.length;
    bytes_zip(bytes, (ZipPart[]){first, second}, count);
    bytes_done(&data);
}

static bool one_part(const char *path, ZipPart part) {
    Bytes bytes = {0};
    two(&bytes, part, (ZipPart){0}, 1);
    return put(path, &bytes);
}

/* A good zip of "a.npy" and "b.npy"; `*directory` is where its directory begins. */
static void good(Bytes *bytes, size_t *directory) {
    two(bytes, (ZipPart){.name = "a.npy"}, (ZipPart){.name = "b.npy"}, 2);
    *directory = bytes->length - ZIP_END_SIZE - 2 * (ZIP_ENTRY_SIZE + 5);
}

/* The good zip with `size` bytes at `at` from the directory's start (negative: from the file's end) overwritten. */
static bool patched(const char *path, long at, uint64_t value, unsigned size) {
    Bytes bytes = {0}, patch = {0};
    size_t directory;
    good(&bytes, &directory);
    bytes_le(&patch, value, size);
    memcpy(bytes.data + (at < 0 ? bytes.length - (size_t)-at : directory + (size_t)at), patch.data, size);
    bytes_done(&patch);
    return put(path, &bytes);
}

static bool inner_longer(const char *path) {
    Bytes data = {0}, bytes = {0};
    npy(&data, "(1000,)", 2);
    bytes_zip(&bytes, &(ZipPart){.name = "w.npy", .data = data.data, .length = data.length}, 1);
    bytes_done(&data);
    return put(path, &bytes);
}

static bool inner_longer_deflated(const char *path) {
    Bytes data = {0}, bytes = {0};
    npy(&data, "(1000,)", 2);
    bytes_zip(&bytes, &(ZipPart){.name = "w.npy", .data = data.data, .length = data.length, .method = 8}, 1);
    bytes_done(&data);
    return put(path, &bytes);
}

static bool same_name(const char *path) {
    Bytes bytes = {0};
    two(&bytes, (ZipPart){.name = "w.npy"}, (ZipPart){.name = "w.npy"}, 2);
    return put(path, &bytes);
}

static bool other_member(const char *path) {
    Bytes bytes = {0};
    two(&bytes, (ZipPart){.name = "w.npy"}, (ZipPart){.name = "readme.txt"}, 2);
    return put(path, &bytes);
}

static bool no_members(const char *path) {
    Bytes bytes = {0};
    bytes_zip(&bytes, NULL, 0);
    return put(path, &bytes);
}

/* ---- zip --------------------------------------------------------------------------------------------------------- */

#define PART(function, ...)                            \
    static bool function(const char *path) {           \
        return one_part(path, (ZipPart){__VA_ARGS__}); \
    }
#define PATCH(function, at, value, size)       \
    static bool function(const char *path) {   \
        return patched(path, at, value, size); \
    }
PART(wrong_crc, .name = "w.npy", .crc_change = 1)
PART(wrong_crc_deflated, .name = "w.npy", .crc_change = 1, .method = 8)
PART(inflates_to_more, .name = "w.npy", .method = 8, .declared = 128 + 4)
PART(inflates_to_less, .name = "w.npy", .method = 8, .declared = 128 + 12)
PART(bomb, .name = "w.npy", .method = 8, .declared = 4000000000)
PART(stored_sizes, .name = "w.npy", .declared = 200)
PART(other_local_name, .name = "w.npy", .local_name = "x.npy")
PART(longer_local_name, .name = "w.npy", .local_name = "w.npyx")
PART(encrypted, .name = "w.npy", .flags = 1)
PART(strange_flags, .name = "w.npy", .flags = 0x0020)
PART(bzip2, .name = "w.npy", .method = 12)
PART(aes, .name = "w.npy", .method = 99)
PART(absolute, .name = "/w.npy")
PART(parent, .name = "a/../w.npy")
PART(name_not_utf8, .name = "\xff.npy")
PATCH(overlap, ZIP_ENTRY_SIZE + 5 + 42, 0, 4) /* b's entry points to a's local header; the names differ */
PATCH(local_beyond, ZIP_ENTRY_SIZE + 5 + 42, 0xFFFFFF, 4)
PATCH(local_astray, ZIP_ENTRY_SIZE + 5 + 42, 1, 4)
PATCH(zip64_without_field, ZIP_ENTRY_SIZE + 5 + 42, 0xFFFFFFFF, 4)
PATCH(count_high, -12, 3, 2)
PATCH(count_low, -12, 1, 2)
PATCH(counts_high, -14, 0x00030003, 4)
PATCH(counts_low, -14, 0x00010001, 4)
PATCH(directory_size, -10, 1, 4)
PATCH(directory_offset, -6, 0xFFFFFFF0, 4)
PATCH(disk_number, -18, 1, 2)
PATCH(entry_disk, 34, 1, 2)
PATCH(nul_in_name, ZIP_ENTRY_SIZE + 1, 0, 1)
PATCH(entry_length, 28, 60000, 2)
PATCH(comment_length, -2, 1, 2)

static bool with_tail(const char *path, const void *tail, size_t length) {
    Bytes bytes = {0};
    size_t directory;
    good(&bytes, &directory);
    bytes_add(&bytes, tail, length);
    return put(path, &bytes);
}

static bool trailing_junk(const char *path) {
    return with_tail(path, "junk", 4);
}

/* The comment of the first end record is a second one. */
static bool two_ends(const char *path) {
    Bytes bytes = {0};
    size_t directory;
    good(&bytes, &directory);
    bytes.data[bytes.length - 2] = ZIP_END_SIZE;
    bytes_add(&bytes, "PK\5\6\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0", ZIP_END_SIZE);
    return put(path, &bytes);
}

static bool junk_in_front(const char *path) {
    Bytes bytes = {0}, zip = {0};
    size_t directory;
    good(&zip, &directory);
    bytes_add(&bytes, "PK\3\4", 4);
    bytes_add(&bytes, zip.data, zip.length);
    bytes_done(&zip);
    return put(path, &bytes);
}

/* Fifield's bomb, small: "b.npy" has a local header of its own, inside the stored data of "a.npy". */
static bool fifield(const char *path) {
    Bytes inner = {0}, outer = {0}, data = {0}, patch = {0};
    npy(&data, "(2,)", 2);
    bytes_zip(&inner, &(ZipPart){.name = "b.npy", .data = data.data, .length = data.length}, 1);
    bytes_zip(&outer,
              (ZipPart[]){{.name = "a.npy", .data = inner.data, .length = inner.length},
                          {.name = "b.npy", .data = data.data, .length = data.length}},
              2);
    bytes_le(&patch, ZIP_LOCAL_SIZE + 5, 4);
    memcpy(outer.data + outer.length - ZIP_END_SIZE - ZIP_ENTRY_SIZE - 5 + 42, patch.data, 4);
    bytes_done(&inner), bytes_done(&data), bytes_done(&patch);
    return put(path, &outer);
}

/* The good zip with ZIP64 end records, whose directory offset is `offset` more than the truth. */
static bool with_zip64(const char *path, uint64_t offset, bool sentinels) {
    Bytes bytes = {0};
    size_t directory;
    good(&bytes, &directory);
    Bytes end = {0};
    bytes_add(&end, bytes.data + bytes.length - ZIP_END_SIZE, ZIP_END_SIZE);
    bytes.length -= ZIP_END_SIZE;
    size_t at = bytes.length;
    bytes_add(&bytes, "PK\6\6", 4);
    bytes_le(&bytes, 44, 8);
    bytes_le(&bytes, 45, 2);
    bytes_le(&bytes, 45, 2);
    bytes_le(&bytes, 0, 8);
    bytes_le(&bytes, 2, 8);
    bytes_le(&bytes, 2, 8);
    bytes_le(&bytes, at - directory, 8);
    bytes_le(&bytes, directory + offset, 8);
    bytes_add(&bytes, "PK\6\7", 4);
    bytes_le(&bytes, 0, 4);
    bytes_le(&bytes, at, 8);
    bytes_le(&bytes, 1, 4);
    if (sentinels) memset(end.data + 8, 0xFF, 12);
    bytes_add(&bytes, end.data, end.length);
    bytes_done(&end);
    return put(path, &bytes);
}

static bool zip64_offset(const char *path) {
    return with_zip64(path, UINT64_MAX - 1000, true);
}

static bool zip64_differs(const char *path) {
    return with_zip64(path, 1, false);
}

static bool zip64_good(const char *path) {
    return with_zip64(path, 0, true);
}

static bool deflated_good(const char *path) {
    return one_part(path, (ZipPart){.name = "w.npy", .method = 8, .flags = 0x0800});
}

const HostileCase hostile_npy[] = {
    {80, "80-wrong-crc.npz", "net", wrong_crc, 3, "CRC"},
    {80, "80-wrong-crc-deflated.npz", "net", wrong_crc_deflated, 3, "CRC"},
    {81, "81-bomb.npz", "net", bomb, 3, "cannot inflate to 4000000000"},
    {81, "81-inflates-to-more.npz", "net", inflates_to_more, 3, "needs 8 bytes, 4 follow"},
    {81, "81-inflates-to-less.npz", "net", inflates_to_less, 3, "needs 8 bytes, 12 follow"},
    {82, "82-fifield.npz", "net", fifield, 3, "overlap"},
    {82, "82-overlap.npz", "net", overlap, 3, "another name"},
    {83, "83-local-name.npz", "net", other_local_name, 3, "another name"},
    {83, "83-local-name-longer.npz", "net", longer_local_name, 3, "another name"},
    {83, "83-local-beyond.npz", "net", local_beyond, 3, "beyond the directory"},
    {83, "83-local-astray.npz", "net", local_astray, 3, "no local header"},
    {83, "83-absolute.npz", "net", absolute, 3, "absolute"},
    {83, "83-parent.npz", "net", parent, 3, "leaves its folder"},
    {83, "83-name-not-utf8.npz", "net", name_not_utf8, 3, "not UTF-8"},
    {83, "83-nul-in-name.npz", "net", nul_in_name, 3, "NUL"},
    {84, "84-encrypted.npz", "net", encrypted, 3, "encrypted"},
    {84, "84-strange-flags.npz", "net", strange_flags, 3, "unsupported flags 0x0020"},
    {85, "85-bzip2.npz", "net", bzip2, 3, "compression method 12"},
    {85, "85-aes.npz", "net", aes, 3, "compression method 99"},
    {85, "85-stored-sizes.npz", "net", stored_sizes, 3, "stored, but 200 bytes take"},
    {86, "86-zip64-offset.npz", "net", zip64_offset, 3, "does not end where"},
    {86, "86-zip64-differs.npz", "net", zip64_differs, 3, "differ"},
    {86, "86-zip64-without-field.npz", "net", zip64_without_field, 3, "beyond the directory"},
    {86, "86-zip64-good.npz", "net", zip64_good, 0, NULL},
    {86, "86-deflated-good.npz", "net", deflated_good, 0, NULL},
    {87, "87-count-high.npz", "net", count_high, 3, "several disks"},
    {87, "87-count-low.npz", "net", count_low, 3, "several disks"},
    {87, "87-counts-high.npz", "net", counts_high, 3, "counts 3 members"},
    {87, "87-counts-low.npz", "net", counts_low, 3, "count of members"},
    {87, "87-directory-size.npz", "net", directory_size, 3, "does not end where"},
    {87, "87-directory-offset.npz", "net", directory_offset, 3, "does not end where"},
    {87, "87-disk-number.npz", "net", disk_number, 3, "several disks"},
    {87, "87-entry-disk.npz", "net", entry_disk, 3, "several disks"},
    {87, "87-entry-length.npz", "net", entry_length, 3, "past the directory"},
    {88, "88-trailing-junk.npz", "net", trailing_junk, 3, "no end record that reaches the end"},
    {88, "88-comment-length.npz", "net", comment_length, 3, "no end record that reaches the end"},
    {88, "88-two-ends.npz", "net", two_ends, 3, "two end records"},
    {88, "88-junk-in-front.npz", "net", junk_in_front, 3, "does not end where"},
    {95, "95-long-header.npy", "net", long_header, 3, "the header has 4294967280 bytes"},
    {95, "95-header-over-cap.npy", "net", header_over_cap, 5, "limit 65536"},
    {96, "96-version-9.npy", "net", version_9, 3, "version 9.9"},
    {97, "97-objects.npy", "net", objects, 3, "a Python pickle without PyTorch tensors or arrays"},
    {98, "98-shape-negative.npy", "net", shape_negative, 3, "tuple of sizes"},
    {98, "98-shape-list.npy", "net", shape_list, 3, "tuple of sizes"},
    {98, "98-shape-bool.npy", "net", shape_bool, 3, "tuple of sizes"},
    {98, "98-shape-number.npy", "net", shape_number, 3, "tuple of sizes"},
    {98, "98-rank-33.npy", "net", rank_33, 5, "32 dimensions"},
    {99, "99-shape-wraps.npy", "net", shape_wraps, 3, "too many bytes"},
    {99, "99-shape-past-u64.npy", "net", shape_past_u64, 3, "too large"},
    {100, "100-missing-key.npy", "net", missing_key, 3, "needs descr, fortran_order and shape"},
    {100, "100-extra-key.npy", "net", extra_key, 3, "unknown key 'x'"},
    {100, "100-duplicate-key.npy", "net", duplicate_key, 3, "'shape' appears twice"},
    {101, "101-import.npy", "net", import, 3, "not a dict"},
    {101, "101-evaluated.npy", "net", evaluated, 3, "expected a quoted text"},
    {101, "101-comment.npy", "net", comment, 3, "text after the header's dict"},
    {101, "101-deep-parentheses.npy", "net", deep_parentheses, 3, "tuple of sizes"},
    {101, "101-escape.npy", "net", escape, 3, "an escape"},
    {101, "101-not-bool.npy", "net", not_bool, 3, "neither True nor False"},
    {102, "102-data-short.npy", "net", data_short, 3, "needs 8 bytes, 7 follow"},
    {102, "102-data-long.npy", "net", data_long, 3, "needs 8 bytes, 9 follow"},
    {103, "103-dtype-f3.npy", "net", dtype_f3, 3, "unsupported dtype '<f3'"},
    {103, "103-dtype-empty.npy", "net", dtype_empty, 3, "unsupported dtype ''"},
    {103, "103-dtype-text.npy", "net", dtype_text, 3, "unsupported dtype '<U4'"},
    {103, "103-dtype-time.npy", "net", dtype_time, 3, "unsupported dtype '<M8[ns]'"},
    {103, "103-structured.npy", "net", structured, 3, "structured"},
    {104, "104-fortran.npy", "net", good_fortran, 0, NULL},
    {104, "104-big-endian.npy", "net", good_big_endian, 0, NULL},
    {104, "104-rank-0.npy", "net", good_rank_0, 0, NULL},
    {104, "104-zero-dim.npy", "net", good_zero_dim, 0, NULL},
    {104, "104-version-2.npy", "net", good_v2, 0, NULL},
    {105, "105-inner-longer.npz", "net", inner_longer, 3, "needs 4000 bytes, 8 follow"},
    {105, "105-inner-longer-deflated.npz", "net", inner_longer_deflated, 3, "needs 4000 bytes, 8 follow"},
    {106, "106-same-name.npz", "net", same_name, 3, "two members are named \"w.npy\""},
    {106, "106-other-member.npz", "net", other_member, 0,
     "left out, because they are not numeric arrays: \"readme.txt\" (not an array)"},
    {106, "106-no-members.npz", "net", no_members, 3, "an empty zip"},
    {0},
};
