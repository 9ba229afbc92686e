/* test_file -- reading files that may be anything. */
#include "weft/base/error.h"
#include "weft/base/fault.h"
#include "weft/base/file.h"
#include "weft/base/memory.h"

#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

static char folder[64];

static int make_folder(void **state) {
    (void)state;
    strcpy(folder, "/tmp/weft-file-XXXXXX");
    return mkdtemp(folder) && chdir(folder) == 0 ? 0 : -1;
}

static int remove_folder(void **state) {
    (void)state;
    char command[100];
    snprintf(command, sizeof command, "rm -r %s", folder);
    return chdir("/") == 0 ? system(command) : -1;
}

static void put(const char *path, const char *bytes, size_t length) {
    FILE *file = fopen(path, "wb");
    assert_non_null(file);
    assert_int_equal(fwrite(bytes, 1, length, file), length);
    fclose(file);
}

static void reads_any_part(void **state) {
    (void)state;
    Error err = {0};
    char out[16];
    put("ten", "0123456789", 10);
    File *files[] = {file_open("ten", &err), file_memory("block", "0123456789", 10, &err),
                     file_open_in(folder, "ten", &err), file_open_in("", "ten", &err)};
    for (size_t f = 0; f < 4; f++) {
        assert_non_null(files[f]);
        assert_int_equal(file_size(files[f]), 10);
        for (uint64_t offset = 0; offset <= 11; offset++) {
            for (uint64_t length = 0; length <= 12; length++) {
                memset(out, '#', sizeof out);
                bool inside = offset + length <= 10, done = file_read(files[f], offset, out, length, &err);
                assert_int_equal(done, inside);
                if (done) assert_memory_equal(out, &"0123456789"[offset], length);
                if (!done) assert_int_equal(err.status, STATUS_BAD_INPUT);
                assert_int_equal(out[done ? length : 0], '#');
            }
        }
        assert_false(file_read(files[f], 1, out, UINT64_MAX, &err));
        assert_false(file_read(files[f], UINT64_MAX, out, 1, &err));
        assert_memory_equal(err.text, file_name(files[f]), strlen(file_name(files[f])));
    }
    assert_string_equal(file_name(files[0]), "ten");
    assert_string_equal(file_name(files[1]), "block");
    assert_string_equal(file_name(files[3]), "ten");
    for (size_t f = 0; f < 4; f++) file_close(files[f]);
    file_close(NULL);
}

static void refused(const char *path, const char *text) {
    Error err = {0};
    assert_null(file_open(path, &err));
    assert_int_equal(err.status, STATUS_BAD_INPUT);
    assert_string_equal(err.text, text);
}

static void opens_regular_files_only(void **state) {
    (void)state;
    assert_int_equal(mkdir("sub", 0700), 0);
    assert_int_equal(mkfifo("pipe", 0600), 0);
    refused("nothing", "nothing: No such file or directory");
    refused("sub", "sub: is a directory");
    refused("pipe", "pipe: is not a regular file"); /* and does not wait for a writer */
    refused("/dev/zero", "/dev/zero: is not a regular file");
    refused("", ": No such file or directory");
    refused("a\n\x1b[2J", "a\\x0a\\x1b[2J: No such file or directory");
    if (geteuid() != 0) {
        put("secret", "x", 1);
        chmod("secret", 0);
        refused("secret", "secret: Permission denied");
    }
    Error err = {0};
    static const char *const names[] = {"../ten", "/etc/passwd", "", ".", "..", "a/b"};
    for (size_t i = 0; i < 6; i++) {
        assert_null(file_open_in(folder, names[i], &err));
        assert_int_equal(err.status, STATUS_BAD_INPUT);
    }
}

static void notices_change(void **state) {
    (void)state;
    Error err = {0};
    char out[10];
    put("shrinks", "0123456789", 10);
    File *file = file_open("shrinks", &err);
    assert_non_null(file);
    assert_int_equal(truncate("shrinks", 4), 0);
    assert_true(file_read(file, 0, out, 4, &err));
    assert_false(file_read(file, 0, out, 10, &err));
    assert_string_equal(err.text, "shrinks: file changed while reading");
    fault_arm(FAULT_READ, 1, false);
    assert_false(file_read(file, 0, out, 4, &err));
    fault_disarm();
    assert_int_equal(err.status, STATUS_BAD_INPUT);
    file_close(file);
}

static void reads_all(void **state) {
    (void)state;
    Error err = {0};
    size_t length = 0;
    put("all", "ab\0cd", 5);
    put("empty", "", 0);
    char *text = file_read_all("all", 5, &length, &err);
    assert_non_null(text);
    assert_int_equal(length, 5);
    assert_memory_equal(text, "ab\0cd", 6);
    mem_free(text);
    text = file_read_all("empty", 0, &length, &err);
    assert_string_equal(text, "");
    assert_int_equal(length, 0);
    mem_free(text);
    assert_null(file_read_all("all", 4, &length, &err));
    assert_int_equal(err.status, STATUS_LIMIT);
    assert_null(file_read_all("nothing", 4, &length, &err));
    assert_int_equal(err.status, STATUS_BAD_INPUT);
}

static void survives_every_refusal(void **state) {
    (void)state;
    put("all", "ab\0cd", 5);
    bool hit = true;
    for (uint64_t k = 1; hit; k++) {
        Error err = {0};
        size_t length = 0;
        char *text = NULL;
        fault_arm(FAULT_ALLOC | FAULT_OPEN | FAULT_READ | FAULT_CLOSE, k, k % 2 == 0);
        File *file = file_open_in(folder, "all", &err);
        if (file) text = file_read_all("all", 100, &length, &err);
        file_close(file);
        hit = fault_disarm() >= k;
        assert_true(text || err.status == STATUS_LIMIT || err.status == STATUS_BAD_INPUT);
        mem_free(text);
    }
}

static void descriptors_are_closed_on_exec(void **state) {
    (void)state;
    Error err;
    int next = dup(0); /* the number the next file gets */
    close(next);
    File *file = file_open("all", &err);
    assert_non_null(file);
    assert_true(fcntl(next, F_GETFD) & FD_CLOEXEC);
    file_close(file);
    assert_int_equal(fcntl(next, F_GETFD), -1);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(reads_any_part),         cmocka_unit_test(opens_regular_files_only),
        cmocka_unit_test(notices_change),         cmocka_unit_test(reads_all),
        cmocka_unit_test(survives_every_refusal), cmocka_unit_test(descriptors_are_closed_on_exec),
    };
    return cmocka_run_group_tests(tests, make_folder, remove_folder);
}
