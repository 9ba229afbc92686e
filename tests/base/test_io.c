/* test_io -- the layer over system calls: every call where the system refuses it, where a signal interrupts it, and
 * with and without somebody who records; and the gate in front of each call that changes a file. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include "../support/bytes.h"
#include "base/hold.h"
#include "base/io.h"
#include "base/spill.h"
#include "weft/base/confine.h"
#include "weft/base/fault.h"
#include "weft/base/file.h"
#include "weft/base/memory.h"
#include "weft/base/save.h"
#include "weft/base/text.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

static unsigned recorded;

static void record(const IoEvent *event) {
    assert_true(event->kind <= IO_MKDIR);
    recorded++;
}

/* ---- calls on a descriptor --------------------------------------------------------------------------------------- */

static char room[8];

static long do_read(int fd) {
    return io_pread(fd, room, 4, 0);
}
static long do_write(int fd) {
    return io_write(fd, "abcd", 4);
}
static long do_pwrite(int fd) {
    return io_pwrite(fd, "abcd", 4, 0);
}
static long do_sync(int fd) {
    return io_fsync(fd);
}
static long do_lock(int fd) {
    return io_lock(fd, LOCK_EX);
}
static long do_truncate(int fd) {
    return io_truncate(fd, 8);
}

static const struct {
    const char *name;
    long (*call)(int fd);
    FaultKind kind;
    int refused;
    long short_result;
    bool recorded;
} calls[] = {
    {"pread", do_read, FAULT_READ, EIO, 2, false},        {"write", do_write, FAULT_WRITE, ENOSPC, 2, true},
    {"pwrite", do_pwrite, FAULT_WRITE, ENOSPC, 2, false}, {"fsync", do_sync, FAULT_FSYNC, EIO, 0, true},
    {"flock", do_lock, FAULT_OPEN, ENOLCK, 0, false},     {"ftruncate", do_truncate, FAULT_WRITE, EIO, 0, true},
};

static long with_fault(long (*call)(int fd), int fd, unsigned kind) {
    fault_arm(kind, 1, false);
    const long result = call(fd);
    fault_disarm();
    return result;
}

static void on_a_descriptor(void **state) {
    (void)state;
    const int fd = open(scratch_path("calls"), O_RDWR | O_CREAT, 0600);
    assert_true(fd >= 0);
    assert_int_equal(ftruncate(fd, 8), 0);
    for (int recording = 0; recording < 2; recording++) {
        io_recorder = recording ? record : NULL;
        for (size_t i = 0; i < sizeof calls / sizeof *calls; i++) {
            recorded = 0;
            const long whole = calls[i].call(fd);
            assert_true(whole >= 0);
            assert_int_equal(recorded, recording && calls[i].recorded);
            assert_int_equal(calls[i].call(-1), -1);
            assert_int_equal(errno, EBADF);
            assert_int_equal(with_fault(calls[i].call, fd, calls[i].kind), -1);
            assert_int_equal(errno, calls[i].refused);
            assert_int_equal(with_fault(calls[i].call, fd, FAULT_INTERRUPTED), whole);
            assert_int_equal(with_fault(calls[i].call, fd, FAULT_SHORT), calls[i].short_result);
            assert_int_equal(recorded, recording && calls[i].recorded ? 3 : 0);
        }
        assert_int_equal(io_close(-1), -1);
        assert_int_equal(errno, EBADF);
    }
    io_recorder = NULL;
    close(fd);
}

/* ---- calls on a path --------------------------------------------------------------------------------------------- */

static int do_open(const char *path) {
    const int fd = io_open(AT_FDCWD, path, O_WRONLY | O_CREAT | O_EXCL, 0600);
    return fd < 0 ? -1 : io_close(fd);
}
static int do_open_plain(const char *path) {
    const int fd = io_open_plain(AT_FDCWD, path, O_WRONLY | O_CREAT | O_TRUNC, 0600);
    return fd < 0 ? -1 : io_close(fd);
}
static int do_mkdir(const char *path) {
    return io_mkdir(AT_FDCWD, path, 0700);
}
static int do_rename(const char *path) {
    return io_rename(AT_FDCWD, path, text_of("%s-2", path), false);
}
static int do_replace(const char *path) {
    return io_rename(AT_FDCWD, path, text_of("%s-2", path), true);
}
static int do_remove(const char *path) {
    return io_remove(AT_FDCWD, path, false);
}
static int do_rmdir(const char *path) {
    return io_remove(AT_FDCWD, path, true);
}

/* In this order each does its work on "here" once; the second time, and in a folder that does not exist, it fails so.
 */
static const struct {
    int (*call)(const char *path);
    int again; /* errno; 0: does it again */
    FaultKind kind;
} paths[] = {
    {do_open, EEXIST, FAULT_OPEN},     {do_open_plain, 0, FAULT_OPEN},    {do_rename, ENOENT, FAULT_RENAME},
    {do_open, EEXIST, FAULT_OPEN},     {do_rename, EEXIST, FAULT_RENAME}, {do_replace, ENOENT, FAULT_RENAME},
    {do_open_plain, 0, FAULT_OPEN},    {do_remove, ENOENT, FAULT_RENAME}, {do_mkdir, EEXIST, FAULT_OPEN},
    {do_remove, EISDIR, FAULT_RENAME}, {do_rmdir, ENOENT, FAULT_RENAME},
};

static void on_a_path(void **state) {
    (void)state;
    const char *here = scratch_path("here"), *nowhere = scratch_path("none/here");
    for (int recording = 0; recording < 2; recording++) {
        io_recorder = recording ? record : NULL;
        for (size_t i = 0; i < sizeof paths / sizeof *paths; i++) {
            fault_arm(paths[i].kind, 1, false);
            assert_int_equal(paths[i].call(here), -1);
            fault_disarm();
            assert_int_equal(paths[i].call(nowhere), -1);
            assert_int_equal(errno, ENOENT);
            assert_null(strstr(io_reason(), "--safe"));
            assert_int_equal(io_status(), STATUS_WRITE);
            const bool refuses = paths[i].again == EISDIR || (paths[i].call == do_rename && paths[i].again == EEXIST);
            if (!refuses) assert_int_equal(paths[i].call(here), 0);
            assert_int_equal(paths[i].call(here), paths[i].again ? -1 : 0);
            if (paths[i].again) assert_int_equal(errno, paths[i].again);
        }
        unlink(text_of("%s-2", here));
    }
    io_recorder = NULL;
}

/* A folder cannot move into itself: the system's reason stays. */
static void folder_into_itself(void **state) {
    (void)state;
    const char *outer = scratch_path("outer");
    assert_int_equal(io_mkdir(AT_FDCWD, outer, 0700), 0);
    assert_int_equal(io_rename(AT_FDCWD, outer, text_of("%s/inner", outer), false), -1);
    assert_int_equal(io_remove(AT_FDCWD, outer, true), 0);
}

/* What a file of weft's own may not be; one that cannot be emptied is closed again. */
static void plain_files(void **state) {
    (void)state;
    const char *file = scratch_path("plain"), *link = scratch_path("link");
    assert_true(write_bytes(file, "abc", 3));
    assert_int_equal(symlink(file, link), 0);
    static const struct {
        const char *name;
        int flags, error;
    } cases[] = {{"link", O_WRONLY, EPERM},
                 {"link", O_WRONLY | O_CREAT | O_EXCL, EEXIST},
                 {"plain", O_WRONLY | O_CREAT | O_EXCL, EEXIST},
                 {"plain", O_RDONLY | O_TRUNC, EINVAL},
                 {".", O_WRONLY, EISDIR},
                 {"absent", O_WRONLY, ENOENT},
                 {"absent", O_RDONLY, ENOENT}};
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        assert_int_equal(io_open_plain(AT_FDCWD, scratch_path(cases[i].name), cases[i].flags, 0600), -1);
        assert_int_equal(errno, cases[i].error);
    }
    const int fd = io_open_plain(AT_FDCWD, file, O_RDONLY, 0);
    assert_true(fd >= 0);
    assert_int_equal(io_pread(fd, room, 8, 0), 3); /* nothing was emptied */
    assert_int_equal(io_close(fd), 0);
    unlink(link);
}

/* ---- folders that are held, and confinement ---------------------------------------------------------------------- */

/* Below a folder that is held no call follows a link; each is refused before it does anything. */
static void through_a_link(void **state) {
    (void)state;
    struct stat about;
    Hold hold;
    const char *run = scratch_path("run"), *other = scratch_path("other");
    assert_int_equal(mkdir(run, 0700) | mkdir(other, 0700), 0);
    assert_int_equal(symlink(other, text_of("%s/out", run)), 0);
    hold_begin(&hold, run, open(run, O_RDONLY | O_DIRECTORY));
    const char *path = text_of("%s/out/x", run), *inside = text_of("%s/x", run);
    for (size_t i = 0; i < sizeof paths / sizeof *paths; i++) {
        assert_int_equal(paths[i].call(path), -1);
        assert_non_null(strstr(io_reason(), "leads through the link 'out'"));
    }
    assert_int_equal(io_stat(AT_FDCWD, path, &about), -1);
    assert_int_equal(io_open(AT_FDCWD, path, O_RDONLY, 0), -1);
    assert_false(io_may_write(AT_FDCWD, path));
    io_discard(AT_FDCWD, path, false);
    assert_int_equal(do_open(inside), 0);
    assert_int_equal(io_rename(AT_FDCWD, inside, path, true), -1);
    assert_int_equal(io_stat(AT_FDCWD, inside, &about), 0);
    assert_int_equal(io_stat(AT_FDCWD, text_of("%s/out", run), &about), 0);
    assert_true(S_ISLNK(about.st_mode));
    io_discard(AT_FDCWD, inside, false);
    assert_int_equal(io_stat(AT_FDCWD, inside, &about), -1);
    assert_int_equal(rmdir(other), 0); /* nothing was made there */
    hold_end(&hold);
    unlink(text_of("%s/out", run));
    rmdir(run);
}

/* Confinement is for ever: in a process of its own, which says by its status what held. */
static int confined_calls(void) {
    Error err = {0};
    const char *outside = scratch_path("outside");
    if (mkdir(scratch_path("within"), 0700) != 0 || chdir(scratch_path("within")) != 0 || !confine(&err)) return 2;
    for (size_t i = 0; i < sizeof paths / sizeof *paths; i++)
        if (paths[i].call(outside) != -1 || io_status() != STATUS_USAGE || !strstr(io_reason(), "--safe")) return 3;
    if (io_may_write(AT_FDCWD, outside) || !io_may_write(AT_FDCWD, "inside")) return 4;
    io_discard(AT_FDCWD, outside, false);
    if (save_text(outside, true, "x", 1, &err) || err.status != STATUS_USAGE) return 5;
    if (save_replace(outside, true, &err) || err.status != STATUS_USAGE) return 6;
    if (do_open("inside") != 0 || io_rename(AT_FDCWD, "inside", outside, true) != -1) return 7;
    if (do_open_plain("inside") != 0 || do_remove("inside") != 0) return 8;
    return 0;
}

static void confined_process(void **state) {
    (void)state;
    int status;
    const char *outside = scratch_path("outside");
    assert_true(write_bytes(outside, "abc", 3));
    fflush(NULL);
    const pid_t child = fork();
    if (child == 0) exit(confined_calls());
    assert_int_equal(waitpid(child, &status, 0), child);
    assert_int_equal(status, 0);
}

/* ---- files and saves --------------------------------------------------------------------------------------------- */

static void saves_of_text(void **state) {
    (void)state;
    Error err = {0};
    const char *path = scratch_path("text");
    assert_true(save_replace(path, false, &err)); /* nothing there */
    assert_true(save_text(path, false, "abc", 3, &err));
    assert_false(save_text(path, false, "abc", 3, &err));
    assert_non_null(strstr(err.text, "exists; --force overwrites it"));
    assert_false(save_replace(path, false, &err));
    assert_non_null(strstr(err.text, "exists; --force overwrites it"));
    assert_false(save_replace(text_of("%s/x", path), true, &err));
    assert_non_null(strstr(err.text, "Not a directory"));
    assert_false(save_replace(scratch_folder(), true, &err));
    assert_non_null(strstr(err.text, "is not a regular file"));
    fault_arm(FAULT_RENAME, 1, false);
    assert_false(save_replace(path, true, &err));
    fault_disarm();
    assert_int_equal(err.status, STATUS_WRITE);
    assert_true(save_replace(path, true, &err));
    assert_int_equal(access(path, F_OK), -1);
    assert_false(save_text("/dev", true, "abc", 3, &err)); /* in the root folder */
    assert_non_null(strstr(err.text, "/dev: is a directory"));
}

/* A save writes what a link points to, wherever the link stands; save_replace makes room in its place. */
static void saves_through_links(void **state) {
    (void)state;
    Error err = {0};
    char before[512], back[4] = "";
    const char *target = scratch_path("target"), *link = scratch_path("relative");
    assert_non_null(getcwd(before, sizeof before));
    assert_int_equal(chdir(scratch_folder()), 0);
    assert_int_equal(symlink("target", "relative") | symlink(target, "absolute"), 0);
    const char *const paths_in[] = {"relative", "absolute", link};
    for (size_t i = 0; i < 3; i++) {
        assert_true(save_text(paths_in[i], i > 0, "abc", 3, &err));
        const int fd = open(target, O_RDONLY);
        assert_int_equal(read(fd, back, 4), 3);
        close(fd);
        assert_string_equal(back, "abc");
        if (i < 2) assert_int_equal(truncate(target, 0), 0);
    }
    assert_true(save_replace("absolute", true, &err));
    assert_int_equal(access(target, F_OK), 0);
    unlink("relative");
    assert_int_equal(chdir(before), 0);
}

/* In a folder that is held, a link in the place of the file is replaced. */
static void save_over_a_link(void **state) {
    (void)state;
    Error err = {0};
    Hold hold;
    struct stat about;
    const char *run = scratch_path("held"), *path = scratch_path("held/file"), *other = scratch_path("others");
    assert_int_equal(mkdir(run, 0700), 0);
    assert_true(write_bytes(other, "theirs", 6));
    assert_int_equal(symlink(other, path), 0);
    hold_begin(&hold, run, open(run, O_RDONLY | O_DIRECTORY));
    assert_true(save_text(path, true, "abc", 3, &err));
    hold_end(&hold);
    assert_int_equal(lstat(path, &about), 0);
    assert_true(S_ISREG(about.st_mode) && about.st_size == 3);
    assert_int_equal(stat(other, &about), 0);
    assert_int_equal(about.st_size, 6);
}

/* More than the buffer holds goes to the file at once, and may fail there; a large file is sent on the way. */
static void saves_of_much(void **state) {
    (void)state;
    Error err = {0};
    enum { MUCH = 40 << 20 };
    char *much = mem_alloc(MUCH, 1, &err);
    const char *path = scratch_path("much");
    assert_non_null(much);
    assert_true(save_text(path, false, much, MUCH, &err));
    fault_arm(FAULT_WRITE, 1, false);
    assert_false(save_text(path, true, much, MUCH, &err));
    fault_disarm();
    struct stat about;
    assert_int_equal(stat(path, &about), 0);
    assert_int_equal(about.st_size, MUCH); /* the old one */
    mem_free(much);
}

static void identities(void **state) {
    (void)state;
    Error err = {0};
    const char *path = scratch_path("identity");
    static char bytes[2500000]; /* of more than a megabyte it reads parts */
    Str first = {0}, again = {0};
    static const size_t lengths[] = {0, 100000, 200000, 300000, sizeof bytes};
    for (size_t i = 0; i < sizeof lengths / sizeof *lengths; i++) {
        const size_t length = lengths[i];
        assert_true(write_bytes(path, bytes, length));
        File *file = file_open(path, &err);
        assert_non_null(file);
        first.length = again.length = 0;
        assert_true(file_identity(file, &first, &err) && file_identity(file, &again, &err));
        assert_string_equal(str_text(&first), str_text(&again));
        assert_int_equal(strtoul(str_text(&first), NULL, 10), length);
        static const struct { unsigned kind, call; } faults[] = {{FAULT_ALLOC, 1}, {FAULT_ALLOC, 2}, {FAULT_READ, 1}};
        for (size_t k = 0; k < sizeof faults / sizeof *faults; k++) {
            Str none = {0};
            fault_arm(faults[k].kind, faults[k].call, true);
            const bool done = file_identity(file, &none, &err);
            fault_disarm();
            assert_int_equal(done, faults[k].kind == FAULT_READ && length == 0);
            str_done(&none);
        }
        file_close(file);
    }
    bytes[sizeof bytes - 1] = 'x'; /* the last byte is of a part */
    assert_true(write_bytes(path, bytes, sizeof bytes));
    File *file = file_open(path, &err);
    again.length = 0;
    assert_true(file && file_identity(file, &again, &err));
    assert_string_not_equal(strrchr(str_text(&first), ' '), strrchr(str_text(&again), ' ')); /* the checksums */
    file_close(file);
    str_done(&first);
    str_done(&again);
}

/* A block of memory as a file with a path; what changes a file shows. */
static void held_and_opened(void **state) {
    (void)state;
    Error err = {0};
    char path[FILE_HELD_PATH], back[4] = "";
    const int fd = file_hold("abc", 3, path, &err), empty = file_hold("", 0, path, &err);
    assert_true(fd >= 0 && empty >= 0);
    assert_int_equal(pread(fd, back, 4, 0), 3);
    assert_string_equal(back, "abc");
    const int read = file_open_read(path, &err);
    assert_true(read >= 0);
    close(read);
    assert_int_equal(file_open_read(scratch_path("absent"), &err), -1);
    assert_int_equal(file_open_write(scratch_path("absent/x"), O_WRONLY | O_CREAT, 0600, true, &err), -1);
    assert_non_null(strstr(err.text, "absent/x: No such file"));
    const int written = file_open_write(scratch_path("made"), O_WRONLY | O_CREAT, 0600, false, &err);
    assert_true(written >= 0);
    close(written);
    close(fd);
    close(empty);
    assert_true(folder_make(scratch_path("folder"), 0700));
    assert_false(folder_make(scratch_path("folder"), 0700));
    rmdir(scratch_path("folder"));
}

/* A file that another program changed: in size, in the second, in the fraction of it. */
static void changes(void **state) {
    (void)state;
    Error err = {0};
    const char *path = scratch_path("changes");
    static const struct {
        size_t length;
        long seconds, nanoseconds;
        bool unchanged;
    } cases[] = {{3, 1000, 500, true}, {3, 1000, 501, false}, {3, 1001, 500, false}, {4, 1000, 500, false}};
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        const struct timespec first[2] = {{1000, 500}, {1000, 500}},
                              then[2] = {{1000, 500}, {cases[i].seconds, cases[i].nanoseconds}};
        assert_true(write_bytes(path, "abcd", 3));
        assert_int_equal(utimensat(AT_FDCWD, path, first, 0), 0);
        File *file = file_open(path, &err);
        assert_non_null(file);
        assert_int_equal(truncate(path, (off_t)cases[i].length), 0);
        assert_int_equal(utimensat(AT_FDCWD, path, then, 0), 0);
        assert_int_equal(file_unchanged(file, &err), cases[i].unchanged);
        file_close(file);
    }
    File *block = file_memory("block", "abc", 3, &err);
    assert_true(file_unchanged(block, &err));
    file_close(block);
}

/* ---- what the system runs out of --------------------------------------------------------------------------------- */

/* Calls `run` with at most `most` of a resource. */
static void with_limit(enum __rlimit_resource resource, rlim_t most, void (*run)(void)) {
    struct rlimit old, now;
    assert_int_equal(getrlimit(resource, &old), 0);
    now = old;
    now.rlim_cur = most;
    assert_int_equal(setrlimit(resource, &now), 0);
    run();
    assert_int_equal(setrlimit(resource, &old), 0);
}

static void hold_fails(void) {
    Error err = {0};
    char path[FILE_HELD_PATH];
    assert_int_equal(file_hold("abcdef", 6, path, &err), -1);
    assert_int_equal(err.status, STATUS_LIMIT);
    assert_non_null(strstr(err.text, "no memory for a file"));
}

static const float values[] = {1, 2, 3};

static void spill_fails(void) {
    Error err = {0};
    assert_null(spill_write(values, 3, &err));
    assert_int_equal(err.status, STATUS_WRITE);
    assert_non_null(strstr(err.text, "(set TMPDIR)"));
}

static void limits(void **state) {
    (void)state;
    void (*const before)(int) = signal(SIGXFSZ, SIG_IGN);
    with_limit(RLIMIT_NOFILE, 0, hold_fails);
    with_limit(RLIMIT_FSIZE, 4, hold_fails);
    with_limit(RLIMIT_NOFILE, 0, spill_fails);
    with_limit(RLIMIT_FSIZE, 4, spill_fails);
    signal(SIGXFSZ, before);
}

/* Values in a temporary file: one after the other, some given back before others, with no folder of the user's. */
static void spilled(void **state) {
    (void)state;
    Error err = {0};
    float back[3];
    static char far[5000]; /* a path that no file has */
    memset(far, 'x', sizeof far - 1);
    const char *const folders[] = {NULL, "", "/nonexistent", far, "."};
    for (size_t i = 0; i < sizeof folders / sizeof *folders; i++) {
        char *old = getenv("TMPDIR") ? mem_copy_text(getenv("TMPDIR"), &err) : NULL;
        if (folders[i])
            setenv("TMPDIR", folders[i], 1);
        else
            unsetenv("TMPDIR");
        TensorSource *one = spill_write(values, 3, &err), *empty = spill_write(values, 0, &err),
                     *two = spill_write(values, 2, &err);
        assert_true(one && empty && two);
        empty->free(empty);
        assert_true(one->read(one, 0, 3, back, &err));
        assert_memory_equal(back, values, sizeof values);
        one->free(one);
        assert_true(two->read(two, 1, 1, back, &err));
        assert_true(back[0] == 2);
        fault_arm(FAULT_READ, 1, false);
        assert_false(two->read(two, 0, 2, back, &err));
        fault_disarm();
        assert_false(two->read(two, 1000, 1, back, &err));
        assert_non_null(strstr(err.text, "cut short"));
        two->free(two);
        if (old)
            setenv("TMPDIR", old, 1);
        else
            unsetenv("TMPDIR");
        mem_free(old);
    }
}

int main(void) {
    scratch_folder();
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(on_a_descriptor),
        cmocka_unit_test(on_a_path),
        cmocka_unit_test(folder_into_itself),
        cmocka_unit_test(plain_files),
        cmocka_unit_test(through_a_link),
        cmocka_unit_test(confined_process),
        cmocka_unit_test(saves_of_text),
        cmocka_unit_test(saves_of_much),
        cmocka_unit_test(identities),
        cmocka_unit_test(held_and_opened),
        cmocka_unit_test(saves_through_links),
        cmocka_unit_test(save_over_a_link),
        cmocka_unit_test(changes),
        cmocka_unit_test(limits),
        cmocka_unit_test(spilled),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
