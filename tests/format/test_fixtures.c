/* test_fixtures -- every file of tests/fixtures, written by the library that owns its format, reads as that library
 * meant it, bit for bit; and any one allocation or read that fails on the way, or reads other bytes, is a plain error.
 */
#include "../support/describe.h"
#include "weft/base/dtype.h"
#include "weft/base/error.h"
#include "weft/base/fault.h"
#include "weft/base/file.h"
#include "weft/base/memory.h"
#include "weft/base/tensor.h"
#include "weft/base/text.h"
#include "weft/format.h"

#include <dirent.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>

#define FOLDER "tests/fixtures"
static size_t places;

/* Calls `visit` with each FILE that has a FILE.txt, and that text; returns how many there were. */
static int each_fixture(void (*visit)(const char *path, const char *expected)) {
    struct dirent **entry;
    char path[512];
    Error err;
    int count = scandir(FOLDER, &entry, NULL, alphasort), seen = 0;
    assert_true(count > 0);
    for (int i = 0; i < count; i++) {
        size_t length = strlen(entry[i]->d_name), size;
        snprintf(path, sizeof path, FOLDER "/%s", entry[i]->d_name);
        free(entry[i]);
        if (length < 4 || strcmp(path + strlen(path) - 4, ".txt") != 0) continue;
        char *expected = file_read_all(path, 1 << 20, &size, &err);
        assert_non_null(expected);
        path[strlen(path) - 4] = '\0';
        visit(path, expected);
        mem_free(expected);
        seen++;
    }
    free(entry);
    return seen;
}

/* Where a tensor lies as it is in a file, these are its bytes; a zip's checksum, where there is one, is that of them.
 */
static void compare_place(Checkpoint *checkpoint, size_t index) {
    Error err = {0};
    CheckpointPlace place;
    if (!checkpoint_place(checkpoint, index, &place)) return;
    const CheckpointTensor *about = checkpoint_tensor(checkpoint, index);
    assert_int_equal(place.length, about->count * dtype_bits(about->dtype) / 8);
    uint8_t *bytes = malloc(place.length + 1), *there = malloc(place.length + 1);
    assert_non_null(bytes);
    assert_non_null(there);
    assert_true(checkpoint_read(checkpoint, index, bytes, &err));
    assert_true(file_read(place.file, place.offset, there, place.length, &err));
    assert_memory_equal(bytes, there, place.length);
    if (place.checked) {
        if (!checkpoint_prove(&place, &err)) fail_msg("%s", err.text);
        place.crc ^= 1;
        assert_false(checkpoint_prove(&place, &err));
        assert_int_equal(err.status, STATUS_BAD_INPUT);
    }
    free(bytes);
    free(there);
    places++;
}

static void compare(const char *path, const char *expected) {
    Error err = {0};
    Str text = {0};
    Checkpoint *checkpoint = checkpoint_open(path, &err);
    if (!checkpoint) fail_msg("%s", err.text);
    if (!describe(checkpoint, &text, &err)) fail_msg("%s", err.text);
    if (strcmp(str_text(&text), expected) != 0) fail_msg("%s reads as\n%s", path, str_text(&text));
    for (size_t i = 0; i < checkpoint_count(checkpoint); i++) {
        size_t found;
        assert_true(checkpoint_find(checkpoint, checkpoint_tensor(checkpoint, i)->name, &found));
        assert_int_equal(found, i);
        compare_place(checkpoint, i);
    }
    assert_false(checkpoint_find(checkpoint, "no such tensor", &(size_t){0}));
    assert_string_equal(checkpoint_path(checkpoint), path);
    checkpoint_close(checkpoint);
    str_done(&text);
}

static void test_bit_exact(void **state) {
    (void)state;
    assert_true(each_fixture(compare) > 10);
    assert_true(places > 50);
}

/* Reads a tensor both ways. */
static bool read_twice(Checkpoint *checkpoint, size_t index, Error *err) {
    const CheckpointTensor *about = checkpoint_tensor(checkpoint, index);
    void *bytes = malloc(about->count * dtype_bits(about->dtype) / 8 + 1);
    assert_non_null(bytes);
    bool ok = checkpoint_read(checkpoint, index, bytes, err);
    free(bytes);
    if (!ok || about->dtype == DTYPE_C64 || about->dtype == DTYPE_C128) return ok;
    Tensor *tensor = checkpoint_read_tensor(checkpoint, index, err);
    tensor_release(tensor);
    return tensor != NULL;
}

/* Opening and reading with the k-th fallible call of `kinds` refused, for every k until none is. */
static void refuse_each(const char *path, unsigned kinds) {
    for (uint64_t k = 1; k < 100000; k++) {
        Error err = {0};
        fault_arm(kinds, k, false);
        Checkpoint *checkpoint = checkpoint_open(path, &err);
        bool ok = checkpoint != NULL;
        for (size_t i = 0; ok && i < checkpoint_count(checkpoint); i++) ok = read_twice(checkpoint, i, &err);
        bool through = fault_disarm() < k;
        checkpoint_close(checkpoint);
        if (through) {
            if (!ok) fail_msg("%s: %s", path, err.text);
            return;
        }
        if (ok) fail_msg("%s loads although call %llu of %u failed", path, (unsigned long long)k, kinds);
        assert_int_equal(err.status, kinds == FAULT_ALLOC ? STATUS_LIMIT : STATUS_BAD_INPUT);
        if (!strstr(err.text, path)) fail_msg("%s is not named: %s", path, err.text);
    }
    fail_msg("%s: faults without end", path);
}

static void refuse_allocations(const char *path, const char *expected) {
    (void)expected;
    refuse_each(path, FAULT_ALLOC);
}

static void refuse_files(const char *path, const char *expected) {
    (void)expected;
    refuse_each(path, FAULT_OPEN | FAULT_READ);
}

/* A read finds other bytes than stand there, once or from then on, as where somebody writes to the file: what is read
 * may be other numbers, or it is refused by its name. */
static void change_reads(const char *path, const char *expected) {
    (void)expected;
    bool over = false;
    for (uint64_t k = 1; !over; k++) {
        Error err = {0};
        fault_arm(FAULT_CHANGED, k, k % 2);
        Checkpoint *checkpoint = checkpoint_open(path, &err);
        bool ok = checkpoint != NULL;
        for (size_t i = 0; ok && i < checkpoint_count(checkpoint); i++) ok = read_twice(checkpoint, i, &err);
        over = fault_disarm() < k;
        checkpoint_close(checkpoint);
        if (ok) continue;
        assert_true(err.status == STATUS_BAD_INPUT || err.status == STATUS_LIMIT);
        if (!strstr(err.text, path)) fail_msg("%s is not named: %s", path, err.text);
    }
}

static void test_changed_files(void **state) {
    (void)state;
    each_fixture(change_reads);
}

static void test_no_memory(void **state) {
    (void)state;
    each_fixture(refuse_allocations);
}

static void test_no_file(void **state) {
    (void)state;
    each_fixture(refuse_files);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_bit_exact),
        cmocka_unit_test(test_no_memory),
        cmocka_unit_test(test_no_file),
        cmocka_unit_test(test_changed_files),
    };
    return cmocka_run_group_tests_name("fixtures", tests, NULL, NULL);
}
