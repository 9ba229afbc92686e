/* test_crash -- the power goes during a save: what stands at the target is the old file or the new one, and the new one
 * once the save has returned. The same disk (support/disk.h) catches saves that are careless. */
#include <fcntl.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>
#include <cmocka.h>

#include "../support/bytes.h"
#include "../support/disk.h"
#include "base/io.h"
#include "weft/base/error.h"
#include "weft/base/file.h"
#include "weft/base/memory.h"
#include "weft/base/save.h"

enum { LENGTH = 200000, RANDOM = 6 };
static char root[300], crashed[300], old_text[] = "old", new_text[LENGTH];

static int begin(void **state) {
    (void)state;
    snprintf(root, sizeof root, "%s", scratch_path("root"));
    snprintf(crashed, sizeof crashed, "%s", scratch_path("crashed"));
    for (size_t i = 0; i < LENGTH; i++) new_text[i] = (char)('a' + i % 23);
    return mkdir(root, 0777) != 0 || mkdir(crashed, 0777) != 0;
}

static int end(void **state) {
    (void)state;
    return system(text_of("rm -rf %s %s", root, crashed));
}

static bool trivial(const char *name) {
    return *name == '.';
}

/* What the states of a save were found to be. */
typedef struct Found {
    size_t old, new, broken, lost; /* lost: promised, but not there */
} Found;

static void look(void *context, const char *folder, uint64_t promise, const char *what) {
    Found *found = context;
    Error err;
    size_t length = 0;
    char *text = file_read_all(text_of("%s/target", folder), 2 * LENGTH, &length, &err);
    const bool old = text && length == strlen(old_text) && memcmp(text, old_text, length) == 0;
    const bool new = text &&length == LENGTH &&memcmp(text, new_text, length) == 0;
    (void)what;
    found->old += old;
    found->new += new;
    found->broken += !old && !new;
    found->lost += promise && !new;
    mem_free(text);
}

/* One save of the new text over the old one, and what power losses make of it. */
static Found crash(void (*save)(const char *path)) {
    char path[400];
    Found found = {0};
    snprintf(path, sizeof path, "%s/target", root);
    assert_true(write_bytes(path, old_text, strlen(old_text)));
    Disk *disk = disk_record(root);
    save(path);
    disk_promise(disk, 1);
    disk_stop(disk);
    assert_true(disk_crashes(disk, crashed, RANDOM, trivial, look, &found) > 1);
    disk_free(disk);
    return found;
}

static void careful(const char *path) {
    Error err;
    assert_true(save_text(path, true, new_text, LENGTH, &err));
}

static void write_all(int fd) {
    for (size_t at = 0; at < LENGTH; at += LENGTH / 4)
        assert_int_equal(io_write(fd, new_text + at, LENGTH / 4), LENGTH / 4);
}

static void in_place(const char *path) {
    const int fd = io_open(AT_FDCWD, path, O_WRONLY, 0);
    write_all(fd);
    assert_int_equal(io_fsync(fd), 0);
    assert_int_equal(io_close(fd), 0);
}

/* Beside the target and renamed; which of file and folder are fsync'ed is the caller's. */
static void beside(const char *path, bool file, bool folder) {
    char above[400];
    snprintf(above, sizeof above, "%.*s", (int)(strrchr(path, '/') - path), path);
    const int at = io_open(AT_FDCWD, above, O_RDONLY | O_DIRECTORY, 0);
    const int fd = io_open(at, ".new", O_WRONLY | O_CREAT | O_EXCL, 0666);
    write_all(fd);
    if (file) assert_int_equal(io_fsync(fd), 0);
    assert_int_equal(io_close(fd), 0);
    assert_int_equal(io_rename(at, ".new", "target", true), 0);
    if (folder) assert_int_equal(io_fsync(at), 0);
    assert_int_equal(io_close(at), 0);
}

static void no_file_sync(const char *path) {
    beside(path, false, true);
}

static void no_folder_sync(const char *path) {
    beside(path, true, false);
}

static void saves_are_all_or_nothing(void **state) {
    (void)state;
    const Found found = crash(careful);
    assert_int_equal(found.broken, 0);
    assert_int_equal(found.lost, 0);
    assert_true(found.old > 0 && found.new > 0);
}

static void careless_saves_are_found_out(void **state) {
    (void)state;
    Found found = crash(in_place);
    assert_true(found.broken > 4 && found.lost == 0);
    found = crash(no_file_sync);
    assert_true(found.broken > 4 && found.lost > 0);
    found = crash(no_folder_sync);
    assert_true(found.broken == 0 && found.lost > 0);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(saves_are_all_or_nothing),
        cmocka_unit_test(careless_saves_are_found_out),
    };
    return cmocka_run_group_tests(tests, begin, end);
}
