/* test_run_folder -- how the folder of a run comes to be: beside its place and then at once, or not at all; what may
 * stand in it, who holds it; and what is left of it when the system refuses a call. */
#include "base/io.h"
#include "weft/base/error.h"
#include "weft/base/fault.h"
#include "weft/base/file.h"
#include "weft/base/memory.h"
#include "weft/base/run.h"
#include "weft/base/save.h"

#include <dirent.h>
#include <fcntl.h>
#include <ftw.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include "../support/bytes.h"

enum { ALL_KINDS = FAULT_ALLOC | FAULT_OPEN | FAULT_READ | FAULT_WRITE | FAULT_FSYNC | FAULT_CLOSE | FAULT_RENAME };
static char folder[64];

static int make_folder(void **state) {
    (void)state;
    umask(022);
    strcpy(folder, access("/dev/shm", W_OK) == 0 ? "/dev/shm/weft-begin-XXXXXX"
                                                 : "/tmp/weft-begin-XXXXXX"); /* hundreds of syncs */
    return mkdtemp(folder) && chdir(folder) == 0 ? 0 : -1;
}

static int remove_folder(void **state) {
    (void)state;
    return chdir("/") == 0 ? system(text_of("rm -r %s", folder)) : -1;
}

static int wipe_one(const char *path, const struct stat *about, int type, struct FTW *at) {
    (void)about;
    (void)type;
    return at->level > 0 ? remove(path) : 0;
}

/* What stands in a folder goes. */
static void wipe(const char *path) {
    assert_int_equal(nftw(path, wipe_one, 16, FTW_DEPTH | FTW_PHYS), 0);
}

/* Each test starts in an empty folder. */
static int clean(void **state) {
    (void)state;
    assert_int_equal(chdir(folder), 0);
    wipe(".");
    return 0;
}

static void shell(const char *line) {
    if (system(line) != 0) fail_msg("%s", line);
}

static int by_name(const struct dirent **a, const struct dirent **b) {
    return strcmp((*a)->d_name, (*b)->d_name);
}

static int not_dots(const struct dirent *entry) {
    return strcmp(entry->d_name, ".") != 0 && strcmp(entry->d_name, "..") != 0;
}

/* What stands in a folder, in the order of names. */
static void assert_lists(const char *path, const char *names) {
    char found[400] = "";
    struct dirent **entries;
    const int count = scandir(path, &entries, not_dots, by_name);
    for (int i = 0; i < count; i++) {
        strcat(strcat(found, entries[i]->d_name), " ");
        free(entries[i]);
    }
    free(entries);
    assert_string_equal(found, names);
}

static Run *created(const char *path) {
    Error err = {0};
    Run *run = run_create(path, &err);
    if (!run) fail_msg("%s", err.text);
    return run;
}

static void published(Run *run) {
    Error err = {0};
    if (!run_publish(run, &err)) fail_msg("%s", err.text);
}

static void not_created(const char *path, Status status, const char *words) {
    Error err = {0};
    Run *run = run_create(path, &err);
    if (run) fail_msg("%s: begun, though it should have said: %s", path, words);
    if (err.status != status || strcmp(err.text, words) != 0)
        fail_msg("%s: %d: %s; expected: %s", path, err.status, err.text, words);
}

/* ---- beginning --------------------------------------------------------------------------------------------------- */

static void a_folder_appears_at_once(void **state) {
    (void)state;
    Error err;
    Run *run = created("runs/a");
    assert_int_equal(access("runs/a", F_OK), -1);
    assert_true(save_text(text_of("%s/x", run_folder(run)), false, "1", 1, &err));
    published(run);
    assert_string_equal(run_folder(run), "runs/a");
    assert_lists("runs", "a ");
    assert_lists("runs/a", "lock x ");
    published(run); /* once more: it is there */
    run_close(run);
    run = created("runs/b");
    run_close(run); /* never published: nothing is left */
    assert_lists("runs", "a ");
    run = created(text_of("%s/here", folder));
    published(run);
    run_close(run);
    assert_lists("here", "lock ");
}

/* An empty folder is replaced by one with its mode. */
static void an_empty_folder_is_replaced(void **state) {
    (void)state;
    struct stat before, after;
    assert_int_equal(mkdir("a", 0750), 0);
    assert_int_equal(chmod("a", 02750), 0);
    assert_int_equal(stat("a", &before), 0);
    Run *run = created("a/");
    assert_lists("a", "");
    published(run);
    assert_int_equal(stat("a", &after), 0);
    assert_int_equal(after.st_mode, before.st_mode);
    assert_int_not_equal(after.st_ino, before.st_ino);
    run_close(run);
    assert_lists(".", "a ");
}

/* A link, the working folder, another user's and the rest of a run cannot be exchanged: the run is made in them. */
static void some_folders_stay(void **state) {
    (void)state;
    struct stat before, after;
    shell("mkdir real work theirs group rest && ln -s real link && touch rest/lock rest/log.csv");
    static const char *const places[] = {"link", "rest", "../work", ".", "theirs", "group"};
    for (size_t i = 0; i < sizeof places / sizeof *places; i++) {
        if (i == 4 && geteuid() != 0) break;
        if (i == 4) assert_true(chown("theirs", 65534, getegid()) == 0 && chown("group", geteuid(), 65534) == 0);
        assert_int_equal(chdir(i == 2 || i == 3 ? "work" : folder), 0);
        if (i == 3) assert_int_equal(unlink("lock"), 0);
        assert_int_equal(stat(places[i], &before), 0);
        Run *run = created(places[i]);
        assert_string_equal(run_folder(run), places[i]);
        assert_int_equal(access(text_of("%s/lock", places[i]), F_OK), 0);
        published(run);
        run_close(run);
        assert_int_equal(stat(places[i], &after), 0);
        assert_int_equal(after.st_ino, before.st_ino);
        assert_int_equal(chdir(folder), 0);
    }
    assert_lists("real", "lock ");
    assert_lists("rest", "lock log.csv ");
}

static void folders_that_are_taken(void **state) {
    (void)state;
    Error err = {0};
    shell("mkdir -p full/.hidden odd other && touch file full/notes && mkfifo odd/pipe && touch odd/lock && "
          "ln -s / odd/to");
    not_created("full", STATUS_WRITE, "full: is not empty and does not hold a run; choose another folder");
    not_created("file", STATUS_WRITE, "file: Not a directory");
    not_created("file/a", STATUS_WRITE, "file/a: Not a directory");
    not_created("", STATUS_WRITE, ": No such file or directory");
    assert_lists("full", ".hidden notes ");
    assert_null(run_create("odd", &err));
    assert_int_equal(err.status, STATUS_BAD_INPUT);
    assert_non_null(strstr(err.text, "; a run folder holds plain files only"));
    assert_int_equal(unlink("odd/to"), 0);
    not_created("odd", STATUS_BAD_INPUT, "odd/pipe: is not a regular file; a run folder holds plain files only");
    assert_null(run_look("odd", &err));
    assert_string_equal(err.text, "odd/pipe: is not a regular file; a run folder holds plain files only");
    shell("mkdir -p deep/1/2/3/4/5 && ln -s / deep/1/2/3/to && touch deep/lock");
    not_created("deep", STATUS_BAD_INPUT, "deep/1/2/3/to: is a link; a run folder holds plain files only");
    shell("mv deep/1/2/3/to deep/1/2/3/4/to"); /* deeper than runs have folders: never read */
    Run *run = created("deep");
    run_close(run);
}

/* Two begin one name; the second to be ready is told, and leaves nothing. */
static void another_run_was_faster(void **state) {
    (void)state;
    static const char *const meanwhile[] = {"mkdir a && touch a/x", "touch a"};
    for (size_t i = 0; i < 3; i++) {
        Error err = {0};
        Run *first = created("a"), *second = created("a");
        if (i == 2)
            published(first);
        else
            shell(meanwhile[i]);
        assert_false(run_publish(second, &err));
        assert_int_equal(err.status, STATUS_FAILED);
        assert_string_equal(err.text, "a: another run began there meanwhile");
        run_close(second);
        if (i < 2) assert_false(run_publish(first, &err));
        run_close(first);
        assert_lists(".", "a ");
        shell("rm -r a");
    }
}

/* Folders of runs that were never published go with the next of their name, if they are what they seem to be. */
static void rests_of_beginnings(void **state) {
    (void)state;
    shell("mkdir .a.00000001 .a.00000002 .a.00000003 .ab.00000004 .a.b.00000005 .a.0000000x .a.00000007 && "
          "touch .a.00000002/lock .a.00000002/log.csv .a.00000003/notes .a.00000008 && mkdir .a.00000007/lock && "
          "mkdir -p .a.00000009/inner && touch .a.00000009/lock");
    Run *held = created("b");
    shell("mv .b.* .a.0000000a");
    run_close(created("a"));
    assert_lists(".", ".a.00000003 .a.00000007 .a.00000008 .a.00000009 .a.0000000a .a.0000000x .a.b.00000005 "
                      ".ab.00000004 ");
    assert_lists(".a.00000009", "inner "); /* a folder in it is not weft's: it stays */
    run_close(held);
}

/* Longer than the system takes a path, by way of a folder that is held. */
static void names_too_long(void **state) {
    (void)state;
    char *path = calloc(1, PATH_MAX + 600), *name = calloc(1, 201);
    Error err = {0};
    memset(name, 'n', 200);
    for (int i = 0; i < 19; i++) strcat(strcat(path, i ? "/" : ""), name);
    Run *run = run_open(path, &err);
    assert_non_null(run);
    const size_t length = strlen(path);
    for (int i = 0; i < 2; i++) strcat(strcat(path, "/"), name);
    assert_null(run_open(path, &err));
    assert_int_equal(err.status, STATUS_WRITE);
    assert_non_null(strstr(err.text, "nnn"));
    run_close(run);
    path[length] = '\0';
    for (int i = 0; i < 3; i++) strcat(strcat(path, "/"), name);
    assert_null(run_create(path, &err));
    assert_int_equal(err.status, STATUS_WRITE);
    memset(name, 'm', 200);
    run = created(name); /* its first name is a shorter one */
    published(run);
    run_close(run);
    shell("rm -r nnn*"); /* of names that a walk over them could not give to the system */
    free(name);
    free(path);
}

/* ---- who holds it ------------------------------------------------------------------------------------------------ */

/* The lock's text is anybody's word. */
static void locks_of_others(void **state) {
    (void)state;
    static const struct {
        const char *text, *words;
        long process;
    } cases[] = {{"", "a: in use by another process", 0},
                 {"-7\n", "a: in use by another process", 0},
                 {"99999999999\n", "a: in use by another process", 0},
                 {"7\n12\n", "a: in use by process 7", 7}};
    assert_int_equal(mkdir("a", 0755), 0);
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        Error err = {0};
        long process = -1;
        assert_true(write_bytes("a/lock", cases[i].text, strlen(cases[i].text)));
        const int fd = open("a/lock", O_RDONLY | O_CLOEXEC);
        assert_int_equal(flock(fd, LOCK_EX), 0);
        assert_true(run_busy("a", &process));
        assert_int_equal(process, cases[i].process);
        assert_null(run_open("a", &err));
        assert_int_equal(err.status, STATUS_FAILED);
        assert_string_equal(err.text, cases[i].words);
        close(fd);
        assert_false(run_busy("a", &process));
    }
}

static pid_t child_with(const char *path, bool locks, int *gone) {
    int ready[2], end[2];
    char byte;
    assert_int_equal(pipe(ready) + pipe(end), 0);
    const pid_t child = fork();
    if (child == 0) {
        Error err;
        close(end[1]);
        const bool ok = locks ? run_open(path, &err) != NULL : open(text_of("%s/lock", path), O_RDONLY) >= 0;
        if (ok && write(ready[1], "x", 1) == 1) (void)!read(end[0], &byte, 1);
        _exit(0);
    }
    close(ready[1]);
    close(end[0]);
    assert_int_equal(read(ready[0], &byte, 1), 1);
    close(ready[0]);
    *gone = end[1];
    return child;
}

static void holders(void **state) {
    (void)state;
    int writer_end, reader_end;
    Error err;
    run_close(run_open("a", &err));
    run_close(run_open("b", &err));
    const pid_t reader = child_with("a", false, &reader_end), writer = child_with("a", true, &writer_end);
    assert_true(run_holder("a", writer));
    assert_false(run_holder("a", reader)); /* it only has it open */
    assert_false(run_holder("b", writer));
    assert_false(run_holder("nowhere", writer));
    assert_false(run_holder("a", getpid()));
    assert_false(run_holder("a", 1));
    assert_false(run_holder("a", -1));
    fault_arm(FAULT_OPEN, 2, true); /* what the kernel tells cannot be read */
    const bool blind = run_holder("a", writer);
    fault_disarm();
    assert_false(blind);
    close(writer_end);
    close(reader_end);
    assert_int_equal(waitpid(writer, NULL, 0), writer);
    assert_int_equal(waitpid(reader, NULL, 0), reader);
    assert_false(run_holder("a", writer));
}

/* ---- what fails -------------------------------------------------------------------------------------------------- */

/* Begins "runs/a", writes a file in it and gives it its name. */
static bool begin(Error *err) {
    Run *run = run_create("runs/a", err);
    bool done = run && save_text(text_of("%s/x", run_folder(run)), false, "1", 1, err) && run_publish(run, err);
    if (run && !done) run_name_error(run, err);
    run_close(run);
    return done;
}

/* Where runs/a is to be: 0 nowhere yet, 1 in a folder, 2 in place of an empty one, 3 beside the rest of a killed
 * process, 4 behind a link. */
enum { PLACES = 5 };

static void make_place(int place) {
    wipe(".");
    if (place > 0) assert_int_equal(mkdir("runs", 0755), 0);
    if (place == 2) assert_int_equal(mkdir("runs/a", 0755), 0);
    if (place == 3) assert_true(mkdir("runs/.a.00000001", 0755) == 0 && write_bytes("runs/.a.00000001/lock", "", 0));
    if (place == 4) assert_true(mkdir("elsewhere", 0755) == 0 && symlink("../elsewhere", "runs/a") == 0);
}

/* With the n-th call refused: whether it was reached. */
static bool begin_with_fault(int place, uint64_t n, bool all_after, unsigned *failures) {
    Error err = {0};
    make_place(place);
    fault_arm(ALL_KINDS, n, all_after);
    const bool done = begin(&err), hit = fault_disarm() >= n;
    const bool whole = access("runs/a/x", F_OK) == 0, beside = place != 4;
    if (done) assert_true(whole);
    if (!done) {
        ++*failures;
        /* a link that could not be looked at seems to be somebody else's */
        if (err.status != STATUS_WRITE && err.status != STATUS_LIMIT && (beside || err.status != STATUS_FAILED))
            fail_msg("place %d, call %u: %d: %s", place, (unsigned)n, err.status, err.text);
        if (!*err.text || strchr(err.text, '\n') || strstr(err.text, "/.a."))
            fail_msg("place %d, call %u: %s", place, (unsigned)n, err.text);
    }
    if (beside && !whole) assert_int_not_equal(access("runs/a/lock", F_OK), 0);
    if (access("runs", F_OK) == 0 && place != 3) assert_lists("runs", beside && !whole && place != 2 ? "" : "a ");
    if (whole) return hit;
    if (!begin(&err)) fail_msg("place %d, after call %u: %s", place, (unsigned)n, err.text); /* and all is well again */
    assert_lists("runs", "a ");
    return hit;
}

/* Each call refused in turn: the whole folder, or nothing of it, in every kind of place that it can have. */
static void every_failure_leaves_all_or_nothing(void **state) {
    (void)state;
    for (int way = 0; way < PLACES + 1; way++) {
        const bool all_after = way == PLACES; /* in the last one every call after it, too */
        unsigned failures = 0;
        for (uint64_t n = 1; begin_with_fault(way % PLACES, n, all_after, &failures);) n++;
        assert_true(failures > 20);
    }
}

/* The system's own refusals: a process that may open one file more in each turn. */
static void every_lack_of_descriptors(void **state) {
    (void)state;
    struct rlimit before, few;
    assert_int_equal(getrlimit(RLIMIT_NOFILE, &before), 0);
    const int free_one = dup(0);
    close(free_one);
    for (int place = 0; place < PLACES; place++) {
        bool done = false;
        few = before;
        for (rlim_t more = 0; !done; more++) {
            Error err = {0};
            make_place(place);
            few.rlim_cur = (rlim_t)free_one + more;
            assert_int_equal(setrlimit(RLIMIT_NOFILE, &few), 0);
            done = begin(&err);
            assert_int_equal(setrlimit(RLIMIT_NOFILE, &before), 0);
            const bool whole = access("runs/a/x", F_OK) == 0;
            assert_true(done ? whole : *err.text && !strstr(err.text, "/.a."));
            if (!done && place != 4 && place != 2) assert_int_not_equal(access("runs/a", F_OK), 0);
            assert_true(more < 30);
        }
    }
}

/* Files of a folder that is held are read through no link, wherever it leads. */
static void links_in_a_held_folder(void **state) {
    (void)state;
    Error err = {0};
    size_t length;
    Run *run = run_open("a", &err);
    assert_non_null(run);
    assert_true(write_bytes("a/file", "own", 3) && symlink("file", "a/link") == 0);
    char *text = file_read_all("a/file", 10, &length, &err);
    assert_string_equal(text, "own");
    mem_free(text);
    assert_null(file_read_all("a/link", 10, &length, &err));
    assert_int_equal(err.status, STATUS_BAD_INPUT);
    assert_string_equal(err.text, "a/link: leads through the link 'link'; a run folder holds plain files only");
    run_close(run);
    assert_non_null(text = file_read_all("a/link", 10, &length, &err)); /* it is anybody's now */
    mem_free(text);
}

/* Nothing is made here: from the third opening on, all are refused. */
static void the_root(void **state) {
    (void)state;
    Error err = {0};
    fault_arm(FAULT_OPEN, 3, true);
    Run *run = run_create("/weft-nowhere", &err);
    fault_disarm();
    assert_null(run);
    assert_int_equal(err.status, STATUS_WRITE);
    assert_string_equal(err.text, "/weft-nowhere: Too many open files");
    assert_int_equal(access("/weft-nowhere", F_OK), -1);
}

static unsigned holding(const char *path) {
    Error err = {0};
    Run *look = run_look(path, &err);
    const bool done = look != NULL;
    if (!done) assert_true(err.status == STATUS_LIMIT || err.status == STATUS_BAD_INPUT);
    run_close(look);
    return done;
}

/* Files of a folder: moving, removing, looking. */
static void files_under_faults(void **state) {
    (void)state;
    for (int what = 0; what < 3; what++) {
        bool hit = true;
        for (uint64_t n = 1; hit; n++) {
            Error err = {0};
            wipe(".");
            assert_true(mkdir("a", 0755) == 0 && write_bytes("a/from", "", 0) && write_bytes("a/lock", "", 0));
            fault_arm(ALL_KINDS & ~(unsigned)FAULT_CLOSE, n, false);
            const bool done = what == 0   ? run_rename("a", "from", "to", &err)
                              : what == 1 ? run_remove("a", "from", &err)
                                          : holding("a");
            hit = fault_disarm() >= n;
            assert_int_equal(done, !hit);
            if (!done && what < 2) {
                assert_int_equal(err.status, STATUS_WRITE);
                assert_memory_equal(err.text, "a", 1);
            }
            assert_true(what == 1 || access("a/from", F_OK) == 0 || access("a/to", F_OK) == 0);
        }
    }
    Error err;
    assert_true(run_rename("a", "none", "to", &err) && run_remove("a", "none", &err)); /* nothing to do */
    assert_false(run_rename("nowhere", "from", "to", &err));
    assert_string_equal(err.text, "nowhere/to: No such file or directory");
}

int main(void) {
#define TEST(name) cmocka_unit_test_setup(name, clean)
    const struct CMUnitTest tests[] = {
        TEST(a_folder_appears_at_once),
        TEST(an_empty_folder_is_replaced),
        TEST(some_folders_stay),
        TEST(folders_that_are_taken),
        TEST(another_run_was_faster),
        TEST(rests_of_beginnings),
        TEST(names_too_long),
        TEST(locks_of_others),
        TEST(holders),
        TEST(files_under_faults),
        TEST(every_lack_of_descriptors),
        TEST(the_root),
        TEST(links_in_a_held_folder),
        TEST(every_failure_leaves_all_or_nothing),
    };
    return cmocka_run_group_tests(tests, make_folder, remove_folder);
}
