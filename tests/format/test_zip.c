/* test_zip -- zip members written and read, ZIP64 fields, members piece by piece. What is hostile is in
 * tests/support/hostile_npy.c and hostile_torch.c. */
#include "../support/bytes.h"
#include "format/zip.h"
#include "weft/base/error.h"
#include "weft/base/fault.h"
#include "weft/base/file.h"
#include "weft/base/random.h"
#include "weft/format.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#include <cmocka.h>

static Zip *open_bytes(const Bytes *bytes, Error *err) {
    *err = (Error){0};
    return zip_open(file_memory("zip", bytes->data, bytes->length, err), err);
}

static void refuse(const Bytes *bytes, Status status, const char *reason) {
    Error err;
    Zip *zip = open_bytes(bytes, &err);
    if (zip) fail_msg("accepted, not refused with \"%s\"", reason);
    if (err.status != status || !strstr(err.text, reason)) fail_msg("\"%s\" does not say \"%s\"", err.text, reason);
}

/* ---- writing ----------------------------------------------------------------------------------------------------- */

static void test_round_trip(void **state) {
    (void)state;
    Error err = {0};
    char got[16];
    size_t index;
    const char *path = scratch_path("round.zip");
    ZipWriter *writer = zip_writer_begin(path, false, &err);
    assert_non_null(writer);
    assert_true(
        zip_writer_add(writer, "b/two", (const void *const[]){"12", NULL, "345"}, (uint64_t[]){2, 0, 3}, 3, &err));
    assert_true(zip_writer_add(writer, "a", NULL, NULL, 0, &err));
    assert_true(zip_writer_commit(writer, &err));
    File *file = file_open(path, &err);
    if (!file) fail_msg("%s", err.text);
    Zip *zip = zip_open(file, &err);
    if (!zip) fail_msg("%s", err.text);
    assert_string_equal(zip_name(zip), path);
    assert_int_equal(zip_count(zip), 2);
    assert_string_equal(zip_member(zip, 0)->name, "b/two");
    assert_true(zip_find(zip, "b/two", &index));
    assert_int_equal(index, 0);
    assert_true(zip_find(zip, "a", &index));
    assert_int_equal(index, 1);
    assert_int_equal(zip_member(zip, 1)->size, 0);
    assert_false(zip_find(zip, "c", &index));
    assert_true(zip_read(zip, 0, got, &err));
    assert_memory_equal(got, "12345", 5);
    assert_true(zip_read(zip, 1, got, &err));
    zip_close(zip);
}

static void test_abandon(void **state) {
    (void)state;
    Error err = {0};
    const char *path = scratch_path("abandoned.zip");
    ZipWriter *writer = zip_writer_begin(path, false, &err);
    assert_non_null(writer);
    assert_true(zip_writer_add(writer, "a", (const void *const[]){"1"}, (uint64_t[]){1}, 1, &err));
    zip_writer_abandon(writer);
    assert_int_equal(access(path, F_OK), -1);
}

/* More members than the end record can count; Python's zipfile must find them too. */
static void test_many_members(void **state) {
    (void)state;
    enum { MEMBERS = 65540 };
    Error err = {0};
    char got[8];
    char path[512], name[16];
    strcpy(path, scratch_path("many.zip"));
    ZipWriter *writer = zip_writer_begin(path, false, &err);
    assert_non_null(writer);
    for (int i = 0; i < MEMBERS; i++) {
        snprintf(name, sizeof name, "%d", i);
        assert_true(zip_writer_add(writer, name, (const void *const[]){name}, (uint64_t[]){strlen(name)}, 1, &err));
    }
    assert_true(zip_writer_commit(writer, &err));
    File *file = file_open(path, &err);
    if (!file) fail_msg("%s", err.text);
    Zip *zip = zip_open(file, &err);
    if (!zip) fail_msg("%s", err.text);
    assert_int_equal(zip_count(zip), MEMBERS);
    size_t index;
    assert_true(zip_find(zip, "65539", &index));
    assert_true(zip_read(zip, index, got, &err));
    assert_memory_equal(got, "65539", 5);
    zip_close(zip);
    assert_int_equal(system(text_of("python3 -c 'import sys, zipfile; z = zipfile.ZipFile(sys.argv[1]); "
                                    "sys.exit(len(z.namelist()) != 65540 or z.read(\"65539\") != b\"65539\")' %s",
                                    path)),
                     0);
}

/* ---- ZIP64 ------------------------------------------------------------------------------------------------------- */

static void one_member(Bytes *bytes, uint8_t wide) {
    bytes_zip(bytes, &(ZipPart){.name = "a", .data = "12345678", .length = 8, .wide = wide}, 1);
}

static void test_zip64_fields(void **state) {
    (void)state;
    for (uint8_t wide = 0; wide < 4; wide++) {
        Error err;
        Bytes bytes = {0};
        char got[8];
        one_member(&bytes, wide);
        Zip *zip = open_bytes(&bytes, &err);
        if (!zip) fail_msg("%s", err.text);
        assert_int_equal(zip_member(zip, 0)->size, 8);
        assert_true(zip_read(zip, 0, got, &err));
        assert_memory_equal(got, "12345678", 8);
        zip_close(zip);
        bytes_done(&bytes);
    }
}

static void test_damaged_zip64_fields(void **state) {
    (void)state;
    enum { EXTRA = ZIP_LOCAL_SIZE + 1 };
    static const struct {
        size_t at;
        uint8_t value;
        const char *reason;
    } damages[] = {
        {EXTRA, 2, "differs from the directory"}, /* another field: the sizes stay open */
        {EXTRA + 2, 12, "short ZIP64 extra field"},   {EXTRA + 2, 17, "damaged extra field"}, /* past the end */
        {EXTRA + 4, 9, "differs from the directory"}, {EXTRA + 12, 9, "differs from the directory"},
    };
    for (size_t i = 0; i < sizeof damages / sizeof *damages; i++) {
        Bytes bytes = {0};
        one_member(&bytes, ZIP_WIDE_LOCAL);
        bytes.data[damages[i].at] = damages[i].value;
        refuse(&bytes, STATUS_BAD_INPUT, damages[i].reason);
        bytes_done(&bytes);
    }
    /* Two fields of 6 bytes in place of one of 16: too short for a size. */
    Bytes bytes = {0};
    one_member(&bytes, ZIP_WIDE_LOCAL);
    bytes.data[EXTRA + 2] = 6;
    memcpy(bytes.data + EXTRA + 10, "\1\0\6\0", 4);
    refuse(&bytes, STATUS_BAD_INPUT, "short ZIP64 extra field");
    bytes_done(&bytes);
    /* Two empty ones and 8 bytes of another: the second is one too many. */
    one_member(&bytes, 0);
    Bytes twice = {0};
    bytes_add(&twice, bytes.data, EXTRA);
    bytes_add(&twice, "\1\0\0\0\1\0\0\0", 8);
    bytes_add(&twice, bytes.data + EXTRA, bytes.length - EXTRA);
    twice.data[28] = 8;
    twice.data[twice.length - 6] = (uint8_t)(twice.data[twice.length - 6] + 8);
    refuse(&twice, STATUS_BAD_INPUT, "two ZIP64 extra fields");
    bytes_done(&twice);
    bytes_done(&bytes);
}

/* A stored member of 5 GiB, a hole in the file: its directory lies beyond 4 GiB. Only the directory is read. */
static void test_large_member(void **state) {
    (void)state;
    const uint64_t size = UINT64_C(5) << 30;
    Error err = {0};
    Bytes local = {0}, tail = {0};
    const char *path = scratch_path("large.zip");
    bytes_add(&local, "PK\3\4\55\0\0\0\0\0\0\0\41\0\0\0\0\0\377\377\377\377\377\377\377\377\1\0\24\0a\1\0\20\0", 35);
    bytes_le(&local, size, 8);
    bytes_le(&local, size, 8);
    uint64_t directory = local.length + size;
    bytes_add(&tail, "PK\1\2\55\0\55\0\0\0\0\0\0\0\41\0\0\0\0\0\377\377\377\377\377\377\377\377\1\0\24\0", 32);
    bytes_fill(&tail, 0, 14);
    bytes_add(&tail, "a\1\0\20\0", 5);
    bytes_le(&tail, size, 8);
    bytes_le(&tail, size, 8);
    uint64_t length = tail.length;
    bytes_add(&tail, "PK\6\6\54\0\0\0\0\0\0\0\55\0\55\0\0\0\0\0\0\0\0\0", 24);
    bytes_le(&tail, 1, 8);
    bytes_le(&tail, 1, 8);
    bytes_le(&tail, length, 8);
    bytes_le(&tail, directory, 8);
    bytes_add(&tail, "PK\6\7\0\0\0\0", 8);
    bytes_le(&tail, directory + length, 8);
    bytes_le(&tail, 1, 4);
    bytes_add(&tail, "PK\5\6\0\0\0\0\1\0\1\0", 12);
    bytes_le(&tail, length, 4);
    bytes_le(&tail, 0xFFFFFFFF, 4);
    bytes_le(&tail, 0, 2);
    assert_true(write_bytes(path, local.data, local.length));
    assert_int_equal(truncate(path, (off_t)directory), 0);
    FILE *out = fopen(path, "ab");
    assert_non_null(out);
    assert_int_equal(fwrite(tail.data, 1, tail.length, out), tail.length);
    fclose(out);
    File *file = file_open(path, &err);
    if (!file) fail_msg("%s", err.text);
    Zip *zip = zip_open(file, &err);
    if (!zip) fail_msg("%s", err.text);
    assert_true(zip_member(zip, 0)->size == size);
    assert_int_equal(zip_member(zip, 0)->offset, local.length);
    zip_close(zip);
    unlink(path);
    bytes_done(&local);
    bytes_done(&tail);
}

/* ---- pieces ------------------------------------------------------------------------------------------------------ */

static void test_pieces(void **state) {
    (void)state;
    Error err;
    Bytes bytes = {0}, data = {0};
    for (unsigned i = 0; i < 200000; i++) bytes_fill(&data, (uint8_t)(i * i >> 7), 1);
    bytes_zip(&bytes,
              (ZipPart[]){{.name = "stored", .data = data.data, .length = data.length},
                          {.name = "deflated", .data = data.data, .length = data.length, .method = 8}},
              2);
    Zip *zip = open_bytes(&bytes, &err);
    assert_non_null(zip);
    uint8_t *got = malloc(data.length + 1);
    assert_non_null(got);
    for (size_t index = 0; index < 2; index++) {
        ZipStream *stream = zip_stream_open(zip, index, &err);
        size_t at = 0;
        assert_non_null(stream);
        for (size_t step = 1; at < data.length; at += step, step *= 3) {
            if (step > data.length - at) step = data.length - at;
            assert_false(zip_stream_finish(stream, &err)); /* not all was read */
            assert_true(zip_stream_read(stream, got + at, step, &err));
        }
        assert_memory_equal(got, data.data, data.length);
        assert_false(zip_stream_read(stream, got, 1, &err));
        assert_non_null(strstr(err.text, "has only 200000 bytes"));
        assert_true(zip_stream_finish(stream, &err));
        zip_stream_close(stream);
    }
    free(got);
    zip_close(zip);
    bytes_done(&bytes);
    bytes_done(&data);
}

static void test_ignored_crc(void **state) {
    (void)state;
    for (uint16_t method = 0; method <= 8; method = (uint16_t)(method + 8)) {
        Error err;
        Bytes bytes = {0};
        char got[5];
        bytes_zip(&bytes, &(ZipPart){.name = "a", .data = "12345", .length = 5, .method = method, .crc_change = 1}, 1);
        Zip *zip = open_bytes(&bytes, &err);
        assert_non_null(zip);
        assert_false(zip_read(zip, 0, got, &err));
        assert_non_null(strstr(err.text, "CRC"));
        zip_ignore_crc(zip, true);
        assert_true(zip_read(zip, 0, got, &err));
        assert_memory_equal(got, "12345", 5);
        zip_close(zip);
        bytes_done(&bytes);
    }
}

/* Deflate data that is damaged, ends early, or goes on: sizes as declared in both headers. */
static void test_deflate_data(void **state) {
    (void)state;
    static const char zeros[5000];
    static const struct {
        uint64_t declared;
        const char *reason;
    } lies[] = {{4999, "inflates to more than the declared 4999"}, {5001, "inflates to 5000"}};
    char got[5001];
    Error err;
    Bytes bytes = {0};
    for (size_t i = 0; i < 2; i++) {
        bytes_zip(&bytes,
                  &(ZipPart){.name = "a", .data = zeros, .length = 5000, .method = 8, .declared = lies[i].declared}, 1);
        Zip *zip = open_bytes(&bytes, &err);
        assert_non_null(zip);
        assert_false(zip_read(zip, 0, got, &err));
        if (!strstr(err.text, lies[i].reason)) fail_msg("%s", err.text);
        zip_close(zip);
        bytes_done(&bytes);
    }
    bytes_zip(&bytes, &(ZipPart){.name = "a", .data = zeros, .length = 5000, .method = 8}, 1);
    static const struct {
        uint8_t value;
        const char *reason;
    } starts[] = {{0x07, "damaged deflate data"}, {0x00, "damaged deflate data"}};
    for (size_t i = 0; i < 2; i++) {
        bytes.data[ZIP_LOCAL_SIZE + 1] = starts[i].value; /* the first block's type */
        Zip *zip = open_bytes(&bytes, &err);
        assert_non_null(zip);
        assert_false(zip_read(zip, 0, got, &err));
        if (!strstr(err.text, starts[i].reason)) fail_msg("%s", err.text);
        zip_close(zip);
    }
    bytes_done(&bytes);
    /* Stored deflate blocks by hand: "12345", then two bytes that belong to nothing; and a block that is cut short. */
    static const char behind[] = "\1\5\0\372\37712345xx", cut[] = "\1\11\0\366\37712345";
    const char *const data[] = {behind, cut}, *const reasons[] = {"left behind", "cut short"};
    const size_t length[] = {sizeof behind - 1, sizeof cut - 1}, declared[] = {5, 9};
    for (size_t i = 0; i < 2; i++) {
        bytes_zip(&bytes, &(ZipPart){.name = "a", .data = data[i], .length = length[i], .declared = declared[i]}, 1);
        bytes.data[8] = 8; /* the method, in both headers */
        bytes.data[bytes.length - ZIP_END_SIZE - ZIP_ENTRY_SIZE - 1 + 10] = 8;
        Zip *zip = open_bytes(&bytes, &err);
        if (!zip) fail_msg("%s", err.text);
        assert_false(zip_read(zip, 0, got, &err));
        if (!strstr(err.text, reasons[i])) fail_msg("%s", err.text);
        zip_close(zip);
        bytes_done(&bytes);
    }
}

static void test_caps(void **state) {
    (void)state;
    Bytes bytes = {0};
    char name[4098];
    memset(name, 'n', sizeof name - 1);
    name[sizeof name - 1] = '\0';
    bytes_zip(&bytes, &(ZipPart){.name = name, .data = "", .length = 0}, 1);
    refuse(&bytes, STATUS_LIMIT, "4097 bytes, limit 4096");
    bytes_done(&bytes);
    bytes_zip(&bytes, &(ZipPart){.name = "", .data = "", .length = 0}, 1);
    refuse(&bytes, STATUS_BAD_INPUT, "without a name");
    bytes_done(&bytes);
}

/* No member at all; an entry whose sizes and place no file can have; junk behind deflate data that is longer than what
 * is read at once, and deflate data that is. */
static void test_extremes(void **state) {
    (void)state;
    enum { LONG = 300000 };
    static uint8_t noise[LONG], out[LONG];
    Error err = {0};
    Bytes bytes = {0}, entry = {0};
    Rng rng = {.seed = 1};
    size_t index;
    bytes_zip(&bytes, NULL, 0);
    Zip *zip = open_bytes(&bytes, &err);
    if (!zip) fail_msg("%s", err.text);
    assert_int_equal(zip_count(zip), 0);
    assert_false(zip_find(zip, "a", &index));
    zip_close(zip);
    bytes_done(&bytes);
    for (int which = 0; which < 2; which++) { /* 0: the place, 1: the packed size of deflate data */
        bytes = (Bytes){0};
        bytes_zip(&bytes, &(ZipPart){.name = "a", .data = "12345678", .length = 8, .method = which ? 8 : 0}, 1);
        const size_t at = bytes.length - ZIP_END_SIZE - ZIP_ENTRY_SIZE - 1;
        bytes_add(&entry, bytes.data + at, ZIP_ENTRY_SIZE + 1);
        memset(entry.data + (which ? 20 : 42), 0xff, 4);
        entry.data[30] = 12; /* a ZIP64 field of one number */
        bytes_add(&entry, "\1\0\x8\0", 4);
        bytes_le(&entry, UINT64_MAX - 8, 8);
        Bytes whole = {0};
        bytes_add(&whole, bytes.data, at);
        bytes_add(&whole, entry.data, entry.length);
        bytes_add(&whole, bytes.data + bytes.length - ZIP_END_SIZE, ZIP_END_SIZE);
        whole.data[whole.length - ZIP_END_SIZE + 12] = (uint8_t)entry.length;
        refuse(&whole, STATUS_BAD_INPUT, which ? "its data reaches into the directory" : "begins beyond the directory");
        bytes_done(&whole);
        bytes_done(&entry);
        bytes_done(&bytes);
        entry = (Bytes){0};
    }
    bytes = (Bytes){0};
    for (size_t i = 0; i < LONG; i++) noise[i] = (uint8_t)rng_u32(&rng);
    bytes_zip(&bytes, &(ZipPart){.name = "a", .data = noise, .length = LONG, .method = 8}, 1);
    zip = open_bytes(&bytes, &err);
    assert_non_null(zip);
    assert_true(zip_read(zip, 0, out, &err));
    assert_memory_equal(out, noise, LONG);
    zip_close(zip);
    bytes_done(&bytes);
}

/* The proof of a stored member's checksum: its bytes are right, are not, or cannot be read. */
static void test_proof(void **state) {
    (void)state;
    Error err = {0};
    Bytes bytes = {0};
    bytes_zip(&bytes, &(ZipPart){.name = "a", .data = "12345678", .length = 8}, 1);
    const char *path = scratch_path("proof.zip");
    for (int wrong = 0; wrong < 2; wrong++) {
        if (wrong) bytes.data[ZIP_LOCAL_SIZE + 1] ^= 1;
        assert_true(write_bytes(path, bytes.data, bytes.length));
        Zip *zip = zip_open(file_open(path, &err), &err);
        if (!zip) fail_msg("%s", err.text);
        const CheckpointPlace place = zip_place(zip, 0);
        assert_int_equal(checkpoint_prove(&place, &err), !wrong);
        if (wrong) assert_non_null(strstr(err.text, "the zip's directory says"));
        for (unsigned kind = 0; kind < 2; kind++) {
            fault_arm(kind ? FAULT_READ : FAULT_ALLOC, 1, false);
            assert_false(checkpoint_prove(&place, &err));
            fault_disarm();
            assert_int_equal(err.status, kind ? STATUS_BAD_INPUT : STATUS_LIMIT);
        }
        zip_close(zip);
    }
    bytes_done(&bytes);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_round_trip),   cmocka_unit_test(test_abandon),
        cmocka_unit_test(test_many_members), cmocka_unit_test(test_zip64_fields),
        cmocka_unit_test(test_large_member), cmocka_unit_test(test_damaged_zip64_fields),
        cmocka_unit_test(test_pieces),       cmocka_unit_test(test_ignored_crc),
        cmocka_unit_test(test_deflate_data), cmocka_unit_test(test_caps),
        cmocka_unit_test(test_extremes),     cmocka_unit_test(test_proof),
    };
    return cmocka_run_group_tests_name("zip", tests, NULL, NULL);
}
