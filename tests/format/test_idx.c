/* test_idx -- IDX files, plain and inside gzip: what is read, what is refused, what is written. */
#include "../support/bytes.h"
#include "weft/base/dtype.h"
#include "weft/base/error.h"
#include "weft/base/fault.h"
#include "weft/base/file.h"
#include "weft/base/memory.h"
#include "weft/format.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>
#include <zlib.h>
#include <cmocka.h>

#define FASHION "/usr/share/datasets/fashion-mnist/"

/* Parses bytes; the error's text is kept for the caller. */
static Error last;
static bool parse(const Bytes *bytes, uint64_t limit, IdxArray *out) {
    last = (Error){0};
    File *file = file_memory("seed", bytes->data, bytes->length, &last);
    assert_non_null(file);
    bool ok = idx_parse(file, limit, out, &last);
    file_close(file);
    if (!ok) assert_non_null(strstr(last.text, "seed"));
    return ok;
}

static void refuse(const Bytes *bytes, Status status, const char *reason) {
    IdxArray array = {.rank = 77};
    assert_false(parse(bytes, 0, &array));
    assert_int_equal(last.status, status);
    if (!strstr(last.text, reason)) fail_msg("\"%s\" does not say \"%s\"", last.text, reason);
    assert_int_equal(array.rank, 77);
}

/* 3 x 2 bytes, 1 to 6. */
static void seed(Bytes *bytes) {
    bytes_idx(bytes, 0x08, 2, (uint32_t[]){3, 2}, 2);
    bytes_add(bytes, (uint8_t[]){1, 2, 3, 4, 5, 6}, 6);
}

static void check_seed(const IdxArray *array, uint64_t rows) {
    assert_int_equal(array->dtype, DTYPE_U8);
    assert_int_equal(array->rank, 2);
    assert_int_equal(array->dim[0], rows);
    assert_int_equal(array->dim[1], 2);
    assert_int_equal(array->count, rows * 2);
    assert_int_equal(array->entries, 3);
    assert_memory_equal(array->data, ((uint8_t[]){1, 2, 3, 4, 5, 6}), rows * 2);
}

static void test_plain_and_limit(void **state) {
    (void)state;
    Bytes bytes = {0};
    seed(&bytes);
    for (uint64_t limit = 0; limit < 6; limit++) {
        IdxArray array;
        assert_true(parse(&bytes, limit, &array));
        check_seed(&array, limit == 0 || limit > 3 ? 3 : limit);
        idx_done(&array);
    }
    bytes_done(&bytes);
}

/* Every element type, big-endian in the file, little-endian in memory. */
static void test_types(void **state) {
    (void)state;
    static const struct {
        uint8_t code;
        DType dtype;
        uint8_t file[8];
        size_t size;
    } cases[] = {{0x08, DTYPE_U8, {200}, 1},
                 {0x09, DTYPE_I8, {0xfe}, 1},
                 {0x0B, DTYPE_I16, {0xff, 0x38}, 2},
                 {0x0C, DTYPE_I32, {0x00, 0x01, 0x86, 0xa0}, 4},
                 {0x0D, DTYPE_F32, {0xbf, 0x40, 0, 0}, 4},
                 {0x0E, DTYPE_F64, {0x40, 0x09, 0, 0, 0, 0, 0, 0}, 8}};
    static const float expected[] = {200, -2, -200, 100000, -0.75f, 3.125f};
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        Bytes bytes = {0};
        bytes_idx(&bytes, cases[i].code, 1, (uint32_t[]){1}, 1);
        bytes_add(&bytes, cases[i].file, cases[i].size);
        IdxArray array;
        float value;
        assert_true(parse(&bytes, 0, &array));
        assert_int_equal(array.dtype, cases[i].dtype);
        assert_true(dtype_to_f32(array.dtype, array.data, 1, &value, &last));
        assert_true(value == expected[i]);
        idx_done(&array);
        bytes_done(&bytes);
    }
}

static void test_refusals(void **state) {
    (void)state;
    static const struct {
        uint8_t head[4];
        const char *reason;
    } cases[] = {{{0, 0, 8, 0}, "rank 0"},        {{0, 0, 8, 9}, "rank 9"},    {{0, 0, 8, 255}, "rank 255"},
                 {{0, 0, 0x0A, 2}, "type 0x0A"},  {{0, 0, 0, 2}, "type 0x00"}, {{1, 0, 8, 2}, "not an IDX file"},
                 {{'P', 'K', 8, 2}, "not an IDX"}};
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        Bytes bytes = {0};
        seed(&bytes);
        memcpy(bytes.data, cases[i].head, 4);
        refuse(&bytes, STATUS_BAD_INPUT, cases[i].reason);
        bytes_done(&bytes);
    }
    Bytes longer = {0}, huge = {0}, wraps = {0};
    seed(&longer);
    bytes_fill(&longer, 0, 1);
    refuse(&longer, STATUS_BAD_INPUT, "needs 6 bytes, 7 remain");
    bytes_idx(&huge, 0x08, 3, (uint32_t[]){UINT32_MAX, UINT32_MAX, UINT32_MAX}, 3);
    refuse(&huge, STATUS_BAD_INPUT, "overflows");
    /* 2^62 elements of 4 bytes: a product of 0 must not pass for an empty array. */
    bytes_idx(&wraps, 0x0C, 3, (uint32_t[]){0x80000000u, 0x80000000u, 1}, 3);
    refuse(&wraps, STATUS_BAD_INPUT, "overflows");
    bytes_done(&longer);
    bytes_done(&huge);
    bytes_done(&wraps);
}

static void test_truncations(void **state) {
    (void)state;
    for (int kind = 0; kind < 3; kind++) {
        Bytes plain = {0}, bytes = {0};
        seed(&plain);
        if (kind == 0)
            bytes_add(&bytes, plain.data, plain.length);
        else
            bytes_gzip(&bytes, plain.data, plain.length, kind == 2);
        for (size_t length = 0; length < bytes.length; length++) {
            Bytes cut = {0};
            bytes_add(&cut, bytes.data, length);
            bytes_fill(&cut, 0, 0);
            refuse(&cut, STATUS_BAD_INPUT, "");
            bytes_done(&cut);
        }
        bytes_done(&plain);
        bytes_done(&bytes);
    }
}

/* Any byte changed to any of these values gives a clean verdict. */
static void test_changed_bytes(void **state) {
    (void)state;
    static const uint8_t values[] = {0x00, 0x7f, 0x80, 0xff};
    for (int kind = 0; kind < 2; kind++) {
        Bytes plain = {0}, bytes = {0};
        seed(&plain);
        if (kind == 0)
            bytes_add(&bytes, plain.data, plain.length);
        else
            bytes_gzip(&bytes, plain.data, plain.length, true);
        for (size_t at = 0; at < bytes.length; at++)
            for (size_t v = 0; v < sizeof values; v++) {
                uint8_t kept = bytes.data[at];
                bytes.data[at] = values[v];
                IdxArray array = {0};
                if (parse(&bytes, 0, &array)) idx_done(&array);
                bytes.data[at] = kept;
            }
        bytes_done(&plain);
        bytes_done(&bytes);
    }
}

/* ---- gzip -------------------------------------------------------------------------------------------------------- */

static void test_gzip_members(void **state) {
    (void)state;
    Bytes plain = {0};
    seed(&plain);
    for (size_t cut = 0; cut <= plain.length; cut++) /* two members, parted anywhere, the second with every field */
        for (size_t padding = 0; padding < 2; padding++) {
            Bytes bytes = {0};
            bytes_gzip(&bytes, plain.data, cut, false);
            bytes_gzip(&bytes, plain.data + cut, plain.length - cut, true);
            bytes_gzip(&bytes, NULL, 0, false);
            bytes_fill(&bytes, 0, padding * 700);
            for (uint64_t limit = 0; limit < 3; limit++) {
                IdxArray array;
                assert_true(parse(&bytes, limit, &array));
                check_seed(&array, limit ? limit : 3);
                idx_done(&array);
            }
            bytes_done(&bytes);
        }
    bytes_done(&plain);
}

static void test_gzip_refusals(void **state) {
    (void)state;
    Bytes plain = {0}, bytes = {0};
    seed(&plain);
    bytes_gzip(&bytes, plain.data, plain.length, false);
    uint8_t *end = bytes.data + bytes.length;
    end[-8] ^= 1;
    refuse(&bytes, STATUS_BAD_INPUT, "CRC-32");
    end[-8] ^= 1;
    end[-4] ^= 1;
    refuse(&bytes, STATUS_BAD_INPUT, "length");
    end[-4] ^= 1;
    bytes_fill(&bytes, 0, 3);
    bytes_add(&bytes, "x", 1);
    refuse(&bytes, STATUS_BAD_INPUT, "bytes that are not a gzip member follow at byte");
    bytes_done(&bytes);

    bytes_gzip(&bytes, plain.data, plain.length, true);
    bytes.data[20] ^= 1; /* in the extra field, which only the header's CRC-16 covers */
    refuse(&bytes, STATUS_BAD_INPUT, "CRC-16");
    bytes_done(&bytes);

    bytes_gzip(&bytes, plain.data, plain.length, false);
    bytes_fill(&bytes, 0, 2);
    bytes_gzip(&bytes, plain.data, plain.length, false);
    refuse(&bytes, STATUS_BAD_INPUT, "bytes that are not a gzip member follow at byte"); /* padding ends the file */
    bytes_done(&bytes);

    bytes_gzip(&bytes, plain.data, plain.length, false);
    bytes_gzip(&bytes, plain.data, 1, false);
    refuse(&bytes, STATUS_BAD_INPUT, "more than the 18 bytes");
    bytes_done(&bytes);
    bytes_done(&plain);
}

/* 64 MiB of zeros behind a small header, and a header that promises far more than its file can hold. */
static void test_bombs(void **state) {
    (void)state;
    Bytes plain = {0}, bytes = {0};
    seed(&plain);
    bytes_fill(&plain, 0, 64 << 20);
    bytes_gzip(&bytes, plain.data, plain.length, false);
    bytes_done(&plain);
    bytes.length /= 2; /* it is refused before its end is missed: most of it is never unpacked */
    refuse(&bytes, STATUS_BAD_INPUT, "more than the 18 bytes");
    bytes_done(&bytes);

    bytes_idx(&plain, 0x08, 3, (uint32_t[]){60000, 28, 28}, 3);
    bytes_gzip(&bytes, plain.data, plain.length, false);
    refuse(&bytes, STATUS_BAD_INPUT, "packed bytes can hold");
    bytes_done(&bytes);
    bytes_done(&plain);

    bytes_idx(&plain, 0x08, 3, (uint32_t[]){1, 2048, 2048}, 3); /* an honest large array meets the memory budget */
    bytes_fill(&plain, 0, 2048 * 2048);
    bytes_gzip(&bytes, plain.data, plain.length, false);
    mem_set_budget(1 << 20);
    IdxArray array;
    assert_false(parse(&bytes, 0, &array));
    assert_int_equal(last.status, STATUS_LIMIT);
    mem_set_budget(0);
    assert_true(parse(&bytes, 0, &array));
    idx_done(&array);
    bytes_done(&bytes);
    bytes_done(&plain);
}

/* ---- writing ----------------------------------------------------------------------------------------------------- */

static void test_save_and_read_back(void **state) {
    (void)state;
    static const int16_t values[] = {1, -2, 300, -400, 5, 6};
    static const uint8_t expected[] = {0, 0, 0x0B, 2,    0, 0,    0,    2,    0, 0, 0, 3,
                                       0, 1, 0xff, 0xfe, 1, 0x2c, 0xfe, 0x70, 0, 5, 0, 6};
    IdxArray array = {.dtype = DTYPE_I16, .rank = 2, .dim = {2, 3}, .count = 6, .data = (void *)(uintptr_t)values};
    Error err = {0};
    for (int gzip = 0; gzip < 2; gzip++) {
        const char *path = scratch_path(gzip ? "saved.gz" : "saved");
        assert_true(idx_save(path, false, gzip, &array, &err));
        uint8_t bytes[64];
        gzFile file = gzopen(path, "rb"); /* reads plain files as they are */
        assert_int_equal(gzread(file, bytes, sizeof bytes), sizeof expected);
        assert_int_equal(gzclose(file), Z_OK);
        assert_memory_equal(bytes, expected, sizeof expected);
        IdxArray back;
        assert_true(idx_read(path, 0, &back, &err));
        assert_memory_equal(back.data, values, sizeof values);
        idx_done(&back);
        assert_false(idx_save(path, false, gzip, &array, &err));
        assert_int_equal(err.status, STATUS_WRITE);
        size_t length;
        char *raw = file_read_all(path, 4096, &length, &err);
        if (gzip) /* no flags (so no name), time 0 */
            assert_memory_equal(raw, "\x1f\x8b\x08\0\0\0\0\0", 8);
        mem_free(raw);
    }
    array.dtype = DTYPE_BF16;
    assert_false(idx_save(scratch_path("no"), false, false, &array, &err));
    assert_int_equal(err.status, STATUS_USAGE);
}

static void test_save_faults(void **state) {
    (void)state;
    uint8_t value[40] = {0};
    IdxArray array = {.dtype = DTYPE_U8, .rank = 1, .dim = {40}, .count = 40, .data = value};
    const char *path = scratch_path("faults.gz");
    const unsigned kinds = FAULT_ALLOC | FAULT_OPEN | FAULT_WRITE | FAULT_CLOSE | FAULT_RENAME;
    bool ok = false;
    for (uint64_t k = 1; !ok && k < 100; k++) {
        Error err = {0};
        fault_arm(kinds, k, false);
        ok = idx_save(path, false, true, &array, &err);
        fault_disarm();
        assert_true(ok || err.status == STATUS_WRITE || err.status == STATUS_LIMIT);
        assert_true(ok || access(path, F_OK) != 0);
    }
    assert_true(ok);
}

static void test_read_faults(void **state) {
    (void)state;
    Bytes plain = {0}, bytes = {0};
    seed(&plain);
    bytes_gzip(&bytes, plain.data, plain.length, true);
    const char *path = scratch_path("read.gz");
    assert_true(write_bytes(path, bytes.data, bytes.length));
    bool ok = false;
    for (uint64_t k = 1; !ok && k < 100; k++) {
        Error err = {0};
        IdxArray array = {0};
        fault_arm(FAULT_ALLOC | FAULT_OPEN | FAULT_READ, k, false);
        ok = idx_read(path, 0, &array, &err);
        fault_disarm();
        assert_true(ok || (err.status != STATUS_OK && err.text[0]));
        if (ok) check_seed(&array, 3);
        idx_done(&array);
    }
    assert_true(ok);
    bytes_done(&plain);
    bytes_done(&bytes);
}

/* Files that Python's gzip and zlib wrote (tests/fixtures/idx/make.py). */
static void test_fixtures(void **state) {
    (void)state;
    static const char *const names[] = {"counting", "counting-named.gz", "counting-fields.gz", "counting-members.gz"};
    for (size_t i = 0; i < sizeof names / sizeof *names; i++) {
        Error err = {0};
        IdxArray array;
        if (!idx_read(text_of("tests/fixtures/idx/%s", names[i]), 0, &array, &err)) fail_msg("%s", err.text);
        assert_int_equal(array.rank, 3);
        assert_int_equal(array.dim[0] * 100 + array.dim[1] * 10 + array.dim[2], 345);
        for (int n = 0; n < 60; n++) assert_int_equal(((uint8_t *)array.data)[n], n);
        idx_done(&array);
    }
}

/* CRC-32 of the pixels as Python's gzip, numpy and zlib.crc32 give it for the published files. */
static void test_fashion_mnist(void **state) {
    (void)state;
    if (access(FASHION "t10k-images-idx3-ubyte.gz", R_OK) != 0) skip();
    Error err = {0};
    IdxArray array;
    assert_true(idx_read(FASHION "t10k-images-idx3-ubyte.gz", 0, &array, &err));
    assert_int_equal(array.count, 7840000);
    assert_int_equal(crc32(0, array.data, 7840000), 0x12728439);
    idx_done(&array);
    assert_true(idx_read(FASHION "train-images-idx3-ubyte.gz", 2000, &array, &err));
    assert_int_equal(array.entries, 60000);
    assert_int_equal(crc32(0, array.data, 2000 * 784), 0x25d09ccc);
    idx_done(&array);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_plain_and_limit),    cmocka_unit_test(test_types),
        cmocka_unit_test(test_refusals),           cmocka_unit_test(test_truncations),
        cmocka_unit_test(test_changed_bytes),      cmocka_unit_test(test_gzip_members),
        cmocka_unit_test(test_gzip_refusals),      cmocka_unit_test(test_bombs),
        cmocka_unit_test(test_save_and_read_back), cmocka_unit_test(test_save_faults),
        cmocka_unit_test(test_read_faults),        cmocka_unit_test(test_fixtures),
        cmocka_unit_test(test_fashion_mnist),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
