/* test_save -- a save is all or nothing, whatever fails and whenever. */
#include "weft/base/error.h"
#include "weft/base/fault.h"
#include "weft/base/file.h"
#include "weft/base/memory.h"
#include "weft/base/save.h"

#include <dirent.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <unistd.h>

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

enum { BIG = 300000 }; /* more than the buffer of a Save, and no multiple of it */
static char folder[64], new_bytes[BIG];

static int make_folder(void **state) {
    (void)state;
    for (size_t i = 0; i < BIG; i++) new_bytes[i] = (char)(i * 7 + i / 251);
    signal(SIGXFSZ, SIG_IGN);
    strcpy(folder, "/tmp/weft-save-XXXXXX");
    return mkdtemp(folder) && chmod(folder, 0755) == 0 && chdir(folder) == 0 ? 0 : -1;
}

static int remove_folder(void **state) {
    (void)state;
    char command[100];
    snprintf(command, sizeof command, "rm -r %s", folder);
    return chdir("/") == 0 ? system(command) : -1;
}

/* Each test starts in an empty folder. */
static int clean(void **state) {
    (void)state;
    return system("rm -rf ./* ./.[!.]*");
}

static unsigned entries(const char *path) {
    unsigned count = 0;
    DIR *directory = opendir(path);
    assert_non_null(directory);
    for (struct dirent *entry; (entry = readdir(directory));) {
        if (strcmp(entry->d_name, ".") != 0 && strcmp(entry->d_name, "..") != 0) count++;
    }
    closedir(directory);
    return count;
}

static bool holds(const char *path, const char *bytes, size_t length) {
    Error err;
    size_t got = 0;
    char *text = file_read_all(path, 1 << 20, &got, &err);
    bool same = text && got == length && memcmp(text, bytes, length) == 0;
    mem_free(text);
    return same;
}

/* Pieces of all sizes around the buffer's. */
static bool save_big(const char *path, bool overwrite, Error *err) {
    Save *save = save_begin(path, overwrite, err);
    if (!save) return false;
    size_t done = 0;
    for (size_t i = 0; done < BIG; i++) {
        static const size_t pieces[] = {0, 1, 65535, 65536, 10, 65537, 100000};
        size_t length = pieces[i % 7] < BIG - done ? pieces[i % 7] : BIG - done;
        if (!save_write(save, new_bytes + done, length, err)) {
            save_abandon(save);
            return false;
        }
        done += length;
    }
    return save_commit(save, err);
}

static void saves_new_and_over(void **state) {
    (void)state;
    Error err = {0};
    assert_true(save_text("a", false, "one", 3, &err));
    assert_true(holds("a", "one", 3));
    assert_false(save_text("a", false, "two", 3, &err));
    assert_int_equal(err.status, STATUS_WRITE);
    assert_string_equal(err.text, "a: exists; --force overwrites it");
    assert_true(holds("a", "one", 3));
    assert_true(save_text("a", true, "three", 5, &err));
    assert_true(holds("a", "three", 5));
    assert_true(save_big("a", true, &err));
    assert_true(holds("a", new_bytes, BIG));
    assert_true(save_text("a", true, "", 0, &err));
    assert_true(holds("a", "", 0));
    char path[100];
    snprintf(path, sizeof path, "%s/b", folder);
    assert_true(save_text(path, false, "abs", 3, &err));
    assert_true(holds("b", "abs", 3));
    assert_int_equal(entries("."), 2);
}

static void abandoned_saves_leave_nothing(void **state) {
    (void)state;
    Error err = {0};
    Save *save = save_begin("a", false, &err);
    assert_non_null(save);
    assert_true(save_write(save, new_bytes, BIG, &err));
    assert_int_equal(entries("."), 1);
    save_abandon(save);
    save_abandon(NULL);
    assert_int_equal(entries("."), 0);
}

static void modes(void **state) {
    (void)state;
    Error err = {0};
    struct stat about;
    static const mode_t kept[] = {0600, 0640, 0755, 0444, 0};
    for (size_t i = 0; i < 5; i++) {
        assert_true(save_text("kept", true, "x", 1, &err));
        chmod("kept", kept[i]);
        assert_true(save_text("kept", true, "y", 1, &err));
        assert_int_equal(stat("kept", &about), 0);
        assert_int_equal(about.st_mode & 07777, kept[i]);
    }
    mode_t before = umask(027);
    assert_true(save_text("fresh", false, "x", 1, &err));
    umask(before);
    assert_int_equal(stat("fresh", &about), 0);
    assert_int_equal(about.st_mode & 07777, 0640);
}

static void links_are_followed(void **state) {
    (void)state;
    Error err = {0};
    struct stat about;
    assert_int_equal(mkdir("sub", 0755), 0);
    assert_true(save_text("sub/real", false, "old", 3, &err));
    assert_int_equal(symlink("real", "sub/near"), 0);
    assert_int_equal(symlink("sub/near", "far"), 0);
    assert_int_equal(symlink("sub/missing", "dangling"), 0);
    assert_int_equal(symlink("round", "round"), 0);
    assert_false(save_text("far", false, "new", 3, &err));
    assert_true(save_text("far", true, "new", 3, &err));
    assert_true(holds("sub/real", "new", 3));
    assert_true(lstat("far", &about) == 0 && S_ISLNK(about.st_mode));
    assert_true(lstat("sub/near", &about) == 0 && S_ISLNK(about.st_mode));
    assert_true(save_text("dangling", false, "made", 4, &err));
    assert_true(holds("sub/missing", "made", 4));
    assert_false(save_text("round", true, "x", 1, &err));
    assert_int_equal(err.status, STATUS_WRITE);
    assert_string_equal(err.text, "round: Too many levels of symbolic links");
    assert_int_equal(entries("."), 4);
    assert_int_equal(entries("sub"), 3);
}

static void refused(const char *path, const char *text) {
    Error err = {0};
    assert_false(save_text(path, true, "x", 1, &err));
    assert_int_equal(err.status, STATUS_WRITE);
    assert_string_equal(err.text, text);
}

static void impossible_targets(void **state) {
    (void)state;
    assert_int_equal(mkdir("sub", 0755), 0);
    assert_int_equal(mkfifo("pipe", 0600), 0);
    refused("sub", "sub: is a directory");
    refused("sub/", "sub/: is a directory");
    refused(".", ".: is a directory");
    refused("..", "..: is a directory");
    refused("/", "/: is a directory");
    refused("", ": No such file or directory");
    refused("pipe", "pipe: is not a regular file");
    refused("/dev/full", "/dev/full: is not a regular file");
    refused("no/such", "no/such: No such file or directory");
    refused("pipe/x", "pipe/x: Not a directory");
    char name[300];
    memset(name, 'n', 299);
    name[256] = '\0';
    Error err = {0};
    assert_false(save_text(name, false, "x", 1, &err));
    name[255] = '\0'; /* the longest name there is has room for its temporary one */
    assert_true(save_text(name, false, "x", 1, &err));
    assert_true(holds(name, "x", 1));
    if (geteuid() == 0) assert_int_equal(seteuid(65534), 0);
    refused("denied", "denied: Permission denied");
    if (getuid() == 0) assert_int_equal(seteuid(0), 0);
    assert_int_equal(entries("."), 3);
}

static void a_file_that_appears_meanwhile_is_kept(void **state) {
    (void)state;
    Error err = {0};
    Save *save = save_begin("a", false, &err);
    assert_non_null(save);
    assert_true(save_write(save, "mine", 4, &err));
    assert_true(save_text("a", false, "theirs", 6, &err));
    assert_false(save_commit(save, &err));
    assert_string_equal(err.text, "a: exists; --force overwrites it");
    assert_true(holds("a", "theirs", 6));
    assert_int_equal(entries("."), 1);
}

/* Walks every failure of `kinds`, the old file there or not. */
static void walk(unsigned kinds, bool all_after, bool old) {
    unsigned new_though_failed = 0, failures = 0;
    bool hit = true;
    for (uint64_t k = 1; hit; k++) {
        Error err = {0};
        unlink("target");
        if (old) assert_true(save_text("target", false, "the old one", 11, &err));
        fault_arm(kinds, k, all_after);
        bool done = save_big("target", old, &err);
        hit = fault_disarm() >= k;
        bool is_new = holds("target", new_bytes, BIG);
        bool is_old = old ? holds("target", "the old one", 11) : access("target", F_OK) != 0;
        assert_true(is_new || is_old);
        assert_int_equal(entries("."), old || is_new);
        if (done) assert_true(is_new);
        if (!done) {
            assert_int_equal(err.status, STATUS_WRITE);
            assert_memory_equal(err.text, "target: ", 8);
            failures++;
            if (is_new) new_though_failed++;
        }
    }
    assert_true(failures > 0);
    /* The folder's fsync alone fails after the rename, which stands. */
    assert_int_equal(new_though_failed, kinds & FAULT_FSYNC ? 1 : 0);
}

static void every_failure_leaves_old_or_new(void **state) {
    (void)state;
    static const unsigned kinds[] = {FAULT_OPEN,
                                     FAULT_WRITE,
                                     FAULT_FSYNC,
                                     FAULT_CLOSE,
                                     FAULT_RENAME,
                                     FAULT_ALLOC,
                                     FAULT_OPEN | FAULT_WRITE | FAULT_FSYNC | FAULT_CLOSE | FAULT_RENAME | FAULT_ALLOC};
    for (size_t i = 0; i < sizeof kinds / sizeof *kinds; i++) {
        for (int variant = 0; variant < 4; variant++) walk(kinds[i], variant & 1, variant & 2);
    }
}

static void a_failed_write_cannot_be_committed(void **state) {
    (void)state;
    Error err = {0}, later = {0};
    Save *save = save_begin("a", false, &err);
    assert_non_null(save);
    fault_arm(FAULT_WRITE, 1, false);
    assert_false(save_write(save, new_bytes, BIG, &err));
    fault_disarm();
    assert_false(save_write(save, "x", 1, &later));
    assert_string_equal(later.text, err.text);
    assert_false(save_commit(save, &later));
    assert_string_equal(later.text, "a: No space left on device");
    assert_int_equal(entries("."), 0);
}

static void a_full_disk(void **state) {
    (void)state;
    Error err = {0};
    struct rlimit before, small;
    assert_true(save_text("a", false, "old", 3, &err));
    assert_int_equal(getrlimit(RLIMIT_FSIZE, &before), 0);
    small = before;
    small.rlim_cur = 100000; /* the write that crosses the limit is a short one, the next fails */
    assert_int_equal(setrlimit(RLIMIT_FSIZE, &small), 0);
    bool done = save_big("a", true, &err);
    assert_int_equal(setrlimit(RLIMIT_FSIZE, &before), 0);
    assert_false(done);
    assert_int_equal(err.status, STATUS_WRITE);
    assert_string_equal(err.text, "a: File too large");
    assert_true(holds("a", "old", 3));
    assert_int_equal(entries("."), 1);
}

int main(void) {
#define TEST(name) cmocka_unit_test_setup(name, clean)
    const struct CMUnitTest tests[] = {
        TEST(saves_new_and_over),
        TEST(abandoned_saves_leave_nothing),
        TEST(modes),
        TEST(links_are_followed),
        TEST(impossible_targets),
        TEST(a_file_that_appears_meanwhile_is_kept),
        TEST(every_failure_leaves_old_or_new),
        TEST(a_failed_write_cannot_be_committed),
        TEST(a_full_disk),
    };
    return cmocka_run_group_tests(tests, make_folder, remove_folder);
}
