/* test_small -- small readers with tables of odd inputs: lists of keys and values, NumPy arrays of images, JSON,
 * folders that are no checkpoints. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include "../support/bytes.h"
#include "format/npy.h"
#include "weft/base/error.h"
#include "weft/base/fault.h"
#include "weft/base/file.h"
#include "weft/base/memory.h"
#include "weft/base/text.h"
#include "weft/format.h"

#include <jansson.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

/* ---- keys and values --------------------------------------------------------------------------------------------- */

static const char *const names[2] = {"what", "command"};

static void lists_read(void **state) {
    (void)state;
    static const struct {
        const char *text;
        size_t count;
        bool understood;
    } cases[] = {{"[]", 0, true},
                 {"[{\"what\": \"a\", \"command\": \"b\"}]", 1, true},
                 {"[{\"command\": \"b\", \"what\": \"a\", \"more\": 1}, {\"what\": \"\", \"command\": \"\"}]", 2, true},
                 {"{}", 0, false},
                 {"1", 0, false},
                 {"", 0, false},
                 {"[1]", 0, false},
                 {"[{\"what\": \"a\"}]", 0, false},
                 {"[{\"what\": 1, \"command\": \"b\"}]", 0, false},
                 {"[{\"what\": \"a\", \"command\": \"b\"}, null]", 0, false},
                 {"[{\"what\": \"a\", \"what\": \"a\", \"command\": \"b\"}]", 0, false}};
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        KeyValue *list = NULL;
        size_t count = 0;
        Error err = {0};
        bool understood;
        assert_true(key_value_read(&list, &count, names, cases[i].text, &understood, &err));
        assert_int_equal(understood, cases[i].understood);
        assert_int_equal(count, cases[i].count);
        if (count > 0) assert_string_equal(list[0].key, "a");
        key_value_free(list, count);
    }
}

/* Written and read: any count, bytes that are no UTF-8, memory that runs out. */
static void lists_written(void **state) {
    (void)state;
    for (size_t entries = 0; entries < 40; entries += 3) {
        KeyValue *list = NULL, *again = NULL;
        size_t count = 0, read = 0;
        Error err = {0};
        Str text = {0};
        bool understood;
        for (size_t i = 0; i < entries; i++)
            assert_true(key_value_add(&list, &count, text_of("key %zu", i), i % 2 ? "\"quoted\"\n" : "\xff", &err));
        assert_true(key_value_write(list, count, names, &text, &err));
        assert_true(key_value_read(&again, &read, names, str_text(&text), &understood, &err));
        assert_true(understood);
        assert_int_equal(read, count);
        for (size_t i = 0; i < count; i++) {
            assert_string_equal(again[i].key, list[i].key);
            assert_string_equal(again[i].value, i % 2 ? "\"quoted\"\n" : "\\xff");
        }
        key_value_free(again, read);
        for (uint64_t nth = 1, over = 0; !over; nth++) {
            again = NULL;
            read = 0;
            fault_arm(FAULT_ALLOC, nth, true);
            const bool done = key_value_copy(&again, &read, list, count, &err);
            over = fault_disarm() < nth;
            assert_int_equal(done, over);
            key_value_free(again, read);
        }
        str_done(&text);
        key_value_free(list, count);
    }
}

static unsigned allocations_left;

static void *scarce(size_t size) {
    return allocations_left > 0 && allocations_left-- ? malloc(size) : NULL;
}

/* The JSON library's own memory runs out at every of its allocations. */
static void lists_without_memory(void **state) {
    (void)state;
    const KeyValue list[] = {{(char *)(uintptr_t) "a", (char *)(uintptr_t) "b"},
                             {(char *)(uintptr_t) "c", (char *)(uintptr_t) "\xff"}};
    bool done = false;
    for (unsigned most = 0; !done; most++) {
        Str text = {0};
        Error err = {0};
        allocations_left = most;
        json_set_alloc_funcs(scarce, free);
        done = key_value_write(list, 2, names, &text, &err);
        json_set_alloc_funcs(malloc, free);
        if (!done) assert_int_equal(err.status, STATUS_LIMIT);
        str_done(&text);
        assert_true(most < 200);
    }
}

/* ---- arrays of images -------------------------------------------------------------------------------------------- */

static void array_rows(void **state) {
    (void)state;
    static const struct {
        const char *header;
        uint64_t limit, first;
        const char *reason;
        size_t spare; /* bytes of data that are left out */
    } cases[] = {{"{'descr': '|u1', 'fortran_order': False, 'shape': (4, 3), }", 0, 4, NULL, 0},
                 {"{'descr': '|u1', 'fortran_order': False, 'shape': (4, 3), }", 2, 2, NULL, 0},
                 {"{'descr': '|u1', 'fortran_order': False, 'shape': (4, 3), }", 9, 4, NULL, 0},
                 {"{'descr': '|u1', 'fortran_order': True, 'shape': (4, 3), }", 0, 4, NULL, 0},
                 {"{'descr': '|u1', 'fortran_order': True, 'shape': (12,), }", 0, 12, NULL, 0},
                 {"{'descr': '|u1', 'fortran_order': False, 'shape': (0, 3), }", 0, 0, "bytes", 0},
                 {"{'descr': '|u1', 'fortran_order': False, 'shape': (), }", 0, 0, "rank 0 is not between 1 and 8", 11},
                 {"{'descr': '|u1', 'fortran_order': False, 'shape': (1, 1, 1, 1, 1, 1, 1, 1, 12), }", 0, 0,
                  "rank 9 is not between 1 and 8", 0},
                 {"{'descr': '|u1', 'fortran_order': False, 'shape': (4, 4), }", 0, 0, "bytes", 0},
                 {"{'descr': '|u1'", 0, 0, "header", 0},
                 {"{'descr': '|u1', 'shape': (4, 3), }", 0, 0, "the header needs descr, fortran_order and shape", 0},
                 {"{'descr': '|u1', 'fortran_order': False, }", 0, 0, "the header needs", 0},
                 {"{'fortran_order': False, 'shape': (4, 3), }", 0, 0, "the header needs", 0},
                 {"{ \t\r\n'descr' : '|u1' , 'fortran_order' : False , 'shape' : (4L , 3L) }", 0, 4, NULL, 0},
                 {"{'descr': '|u1', 'fortran_order': False, 'shape': (4, 18446744073709551616), }", 0, 0, "", 0},
                 {"{'descr': '|u1', 'fortran_order': False, 'shape': (4, 184467440737095516150), }", 0, 0, "", 0},
                 {"{'descr': '|u1', 'fortran_order': Fals", 0, 0, "", 0},
                 {"{descr: 1}", 0, 0, "expected a quoted text", 0},
                 {"{\"descr\": \"|u1\", \"fortran_order\": False, \"shape\": (4, 3)}", 0, 4, NULL, 0}};
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        Bytes bytes = {0};
        Error err = {0};
        IdxArray array;
        const char *path = scratch_path("rows.npy");
        bytes_npy(&bytes, 1, cases[i].header);
        for (uint8_t k = 0; k < 12 - cases[i].spare; k++) bytes_fill(&bytes, k, 1);
        assert_true(write_bytes(path, bytes.data, bytes.length));
        bytes_done(&bytes);
        const bool done = npy_read(path, cases[i].limit, &array, &err);
        if (done != !cases[i].reason || (!done && !strstr(err.text, cases[i].reason)))
            fail_msg("%s: %s", cases[i].header, done ? "read" : err.text);
        if (!done) {
            assert_non_null(strstr(err.text, path));
            continue;
        }
        assert_int_equal(array.dim[0], cases[i].first);
        idx_done(&array);
    }
    IdxArray array;
    Error err = {0};
    assert_false(npy_read(scratch_path("absent.npy"), 0, &array, &err));
}

/* A file's name that is no UTF-8 names no tensor. */
static void array_name(void **state) {
    (void)state;
    static const char *const files[][2] = {
        {"plain.npy", "plain"}, {"npy", "npy"}, {"\xff.npy", "array"}, {".npy", ".npy"}};
    for (size_t i = 0; i < sizeof files / sizeof *files; i++) {
        Bytes bytes = {0};
        Error err = {0};
        const char *path = scratch_path(files[i][0]);
        bytes_npy(&bytes, 1, "{'descr': '<f4', 'fortran_order': False, 'shape': (3,), }");
        bytes_fill(&bytes, 0, 12);
        assert_true(write_bytes(path, bytes.data, bytes.length));
        bytes_done(&bytes);
        Checkpoint *checkpoint = checkpoint_open(path, &err);
        if (!checkpoint) fail_msg("%s", err.text);
        assert_string_equal(checkpoint_tensor(checkpoint, 0)->name, files[i][1]);
        checkpoint_close(checkpoint);
    }
}

/* ---- archives without numbers ------------------------------------------------------------------------------------ */

static void no_numbers(void **state) {
    (void)state;
    Bytes text = {0}, bytes = {0};
    Error err = {0};
    static char member[12][16];
    ZipPart parts[12];
    const char *path = scratch_path("texts.npz");
    bytes_npy(&text, 1, "{'descr': '<U1', 'fortran_order': False, 'shape': (1,), }");
    bytes_fill(&text, 0, 4);
    for (unsigned i = 0; i < 12; i++) {
        snprintf(member[i], sizeof member[i], "text%u.npy", i);
        parts[i] = (ZipPart){.name = member[i], .data = text.data, .length = text.length};
    }
    bytes_zip(&bytes, parts, 12);
    assert_true(write_bytes(path, bytes.data, bytes.length));
    assert_null(checkpoint_open(path, &err));
    if (!strstr(err.text, "npz without a numeric array") || !strstr(err.text, " more")) fail_msg("%s", err.text);
    bytes_done(&bytes);
    bytes_done(&text);
}

/* A folder in the place of a checkpoint: what is in it is told, with and without a slash behind it. */
static void folders(void **state) {
    (void)state;
    Error err = {0};
    const char *folder = scratch_path("folder");
    assert_int_equal(mkdir(folder, 0700), 0);
    for (unsigned files = 0; files < 14; files++) {
        for (int slash = 0; slash < 2; slash++) {
            const char *path = text_of("%s%s", folder, slash ? "/" : "");
            assert_null(checkpoint_open(path, &err));
            if (!strstr(err.text, "is a directory")) fail_msg("%s", err.text);
            if (files > 0) assert_non_null(strstr(err.text, ".npy"));
        }
        assert_true(write_bytes(text_of("%s/part%u.npy", folder, files), "x", 1));
    }
    for (unsigned files = 0; files < 14; files++) unlink(text_of("%s/part%u.npy", folder, files));
    rmdir(folder);
}

int main(void) {
    scratch_folder();
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(lists_read), cmocka_unit_test(lists_written), cmocka_unit_test(lists_without_memory),
        cmocka_unit_test(array_rows), cmocka_unit_test(array_name),    cmocka_unit_test(no_numbers),
        cmocka_unit_test(folders)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
