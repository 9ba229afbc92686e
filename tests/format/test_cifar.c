/* test_cifar -- CIFAR-10 and CIFAR-100 binary batches. */
#include "../support/bytes.h"
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

#define SUBSET "../shared/data/cifar10-subset/"

static Error last;
static bool parse(const Bytes *bytes, bool fine, uint64_t limit, ImageRecords *out) {
    last = (Error){0};
    File *file = file_memory("seed", bytes->data, bytes->length, &last);
    assert_non_null(file);
    bool ok = cifar_parse(file, fine, limit, out, &last);
    file_close(file);
    return ok;
}

static void refuse(const Bytes *bytes, bool fine, const char *reason) {
    ImageRecords records = {0};
    assert_false(parse(bytes, fine, 0, &records));
    assert_int_equal(last.status, STATUS_BAD_INPUT);
    if (!strstr(last.text, reason)) fail_msg("\"%s\" does not say \"%s\"", last.text, reason);
    assert_int_equal(records.count, 0);
    image_records_done(&records);
}

/* Record i has label i % 10 (or coarse i % 20, fine i % 100) and pixels that count up from i. Room is taken for all at
 * once: growing by each would copy megabytes thousands of times. */
static void batch(Bytes *bytes, bool fine, unsigned records) {
    const size_t begin = bytes->length, size = fine ? 3074 : 3073;
    bytes_fill(bytes, 0, records * size);
    for (unsigned i = 0; i < records; i++) {
        Bytes one = {0};
        bytes_cifar(&one, (int)(i % (fine ? 20 : 10)), fine ? (int)i % 100 : -1, i);
        memcpy(bytes->data + begin + i * size, one.data, size);
        bytes_done(&one);
    }
}

static void test_read_and_append(void **state) {
    (void)state;
    for (int fine = 0; fine < 2; fine++) {
        Bytes bytes = {0};
        ImageRecords records = {0};
        batch(&bytes, fine, 60);
        assert_true(parse(&bytes, fine, 0, &records));
        assert_true(parse(&bytes, fine, 5, &records));
        assert_int_equal(records.count, 65);
        for (unsigned n = 0; n < 65; n++) {
            unsigned i = n % 60;
            assert_int_equal(records.labels[n], fine ? i : i % 10);
            for (unsigned p = 0; p < 3072; p++) assert_int_equal(records.pixels[n * 3072 + p], (uint8_t)(i + p));
        }
        image_records_done(&records);
        bytes_done(&bytes);
    }
}

static void test_refusals(void **state) {
    (void)state;
    Bytes bytes = {0};
    refuse(&bytes, false, "empty");
    batch(&bytes, true, 2);
    refuse(&bytes, false, "bytes are not a multiple of CIFAR-10's record size 3073, but of that of CIFAR-100");
    bytes.data[3074] = 20;
    refuse(&bytes, true, "record 1 has coarse label 20");
    bytes.data[3074] = 19;
    bytes.data[3075] = 100;
    refuse(&bytes, true, "record 1 has fine label 100");
    bytes_done(&bytes);

    batch(&bytes, false, 2);
    refuse(&bytes, true, "but of that of CIFAR-10");
    for (size_t length = 0; length < bytes.length; length++)
        if (length != 3073) refuse(&(Bytes){bytes.data, length}, false, length ? "not a multiple" : "empty");
    bytes.data[3073] = 10;
    refuse(&bytes, false, "record 1 has label 10");
    bytes_done(&bytes);
}

/* 3074 records of CIFAR-10 are as long as 3073 of CIFAR-100: the labels tell them apart. */
static void test_both_sizes_divide(void **state) {
    (void)state;
    Bytes bytes = {0};
    ImageRecords records = {0};
    batch(&bytes, false, 3074);
    assert_true(parse(&bytes, false, 0, &records));
    assert_int_equal(records.count, 3074);
    refuse(&bytes, true, "label");
    bytes_done(&bytes);
    image_records_done(&records);
}

static void test_failed_append_leaves_records(void **state) {
    (void)state;
    Bytes good = {0}, bad = {0};
    ImageRecords records = {0};
    batch(&good, false, 3);
    batch(&bad, false, 40);
    bad.data[39 * 3073] = 11;
    assert_true(parse(&good, false, 0, &records));
    assert_false(parse(&bad, false, 0, &records));
    assert_int_equal(records.count, 3);
    assert_int_equal(records.labels[2], 2);
    mem_set_budget(3073 * 10);
    assert_false(parse(&bad, false, 20, &records));
    assert_int_equal(last.status, STATUS_LIMIT);
    mem_set_budget(0);
    assert_true(parse(&bad, false, 20, &records));
    assert_int_equal(records.count, 23);
    image_records_done(&records);
    bytes_done(&good);
    bytes_done(&bad);
}

static void test_faults(void **state) {
    (void)state;
    Bytes bytes = {0};
    batch(&bytes, false, 20);
    const char *path = scratch_path("batch.bin");
    assert_true(write_bytes(path, bytes.data, bytes.length));
    bool ok = false;
    for (uint64_t k = 1; !ok && k < 100; k++) {
        ImageRecords records = {0};
        Error err = {0};
        fault_arm(FAULT_ALLOC | FAULT_OPEN | FAULT_READ, k, false);
        ok = cifar_read(path, false, 0, &records, &err);
        fault_disarm();
        assert_int_equal(records.count, ok ? 20 : 0);
        assert_true(ok || (err.status != STATUS_OK && err.text[0]));
        image_records_done(&records);
    }
    assert_true(ok);
    bytes_done(&bytes);
}

static void check_batch(const char *path, uint64_t count, unsigned long sum, unsigned first, unsigned second) {
    ImageRecords records = {0};
    assert_true(cifar_read(path, false, 0, &records, &last));
    assert_int_equal(records.count, count);
    assert_int_equal(crc32(0, records.pixels, (unsigned)(count * 3072)), sum);
    assert_int_equal(records.labels[0], first);
    assert_int_equal(records.labels[1], second);
    image_records_done(&records);
}

/* Sums of the pixels, taken with Python's zlib.crc32: of what NumPy wrote (tests/fixtures/cifar/make.py), and of
 * CIFAR-10's own. */
static void test_batches(void **state) {
    (void)state;
    check_batch("tests/fixtures/cifar/cifar10.bin", 2, 0xe5539d2b, 3, 9);
    if (access(SUBSET "test_batch.bin", R_OK) != 0) return;
    print_message("# also " SUBSET "\n");
    check_batch(SUBSET "test_batch.bin", 846, 0x5dcee30c, 3, 8);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_read_and_append),
        cmocka_unit_test(test_refusals),
        cmocka_unit_test(test_both_sizes_divide),
        cmocka_unit_test(test_failed_append_leaves_records),
        cmocka_unit_test(test_faults),
        cmocka_unit_test(test_batches),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
