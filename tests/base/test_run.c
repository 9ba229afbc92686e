/* test_run -- run folders: one writer, and a log that keeps whole rows whatever fails. The logs are compared with texts
 * written out here, by plain reading of the file. */
#include "base/io.h"
#include "weft/base/error.h"
#include "weft/base/fault.h"
#include "weft/base/file.h"
#include "weft/base/memory.h"
#include "weft/base/run.h"
#include "weft/base/save.h"
#include "weft/base/table.h"

#include <fcntl.h>
#include <math.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

static char folder[64];
static const char heading[] = "step,loss,accuracy (%)";
enum { ALL_KINDS = FAULT_ALLOC | FAULT_OPEN | FAULT_READ | FAULT_WRITE | FAULT_FSYNC | FAULT_CLOSE | FAULT_RENAME };

static int make_folder(void **state) {
    (void)state;
    signal(SIGXFSZ, SIG_IGN);
    strcpy(folder, "/tmp/weft-run-XXXXXX");
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
    return system("rm -rf ./*");
}

static bool holds(const char *path, const char *expected) {
    Error err;
    size_t length = 0;
    char *text = file_read_all(path, 1 << 20, &length, &err);
    bool same = text && length == strlen(expected) && memcmp(text, expected, length) == 0;
    mem_free(text);
    return same;
}

static void put(const char *path, const char *text, size_t length) {
    FILE *file = fopen(path, "w");
    assert_non_null(file);
    assert_int_equal(fwrite(text, 1, length, file), length);
    assert_int_equal(fclose(file), 0);
}

static Run *opened(const char *path) {
    Error err = {0};
    Run *run = run_open(path, &err);
    if (!run) fail_msg("%s", err.text);
    return run;
}

/* ---- one writer -------------------------------------------------------------------------------------------------- */

static void one_writer(void **state) {
    (void)state;
    Error err = {0};
    long process = 7;
    char text[64];
    assert_false(run_busy("runs/deep/a", &process));
    assert_int_equal(process, 0);
    Run *run = opened("runs/deep/a//");
    assert_string_equal(run_folder(run), "runs/deep/a");
    snprintf(text, sizeof text, "%ld\n", (long)getpid());
    assert_true(holds("runs/deep/a/lock", text));
    assert_true(run_busy("runs/deep/a", &process));
    assert_int_equal(process, getpid());
    assert_null(run_open("runs/deep/a", &err));
    assert_int_equal(err.status, STATUS_FAILED);
    snprintf(text, sizeof text, "runs/deep/a: in use by process %ld", (long)getpid());
    assert_string_equal(err.text, text);
    run_close(run);
    assert_false(run_busy("runs/deep/a", &process));
    run_close(opened("./runs/deep/a"));
    run_close(NULL);
}

/* The system gives the lock back however its holder ends. */
static void a_killed_writer(void **state) {
    (void)state;
    int ready[2];
    char byte;
    long process;
    assert_int_equal(pipe(ready), 0);
    pid_t child = fork();
    if (child == 0) {
        Error err;
        bool ok = run_open("a", &err) && write(ready[1], "x", 1) == 1;
        if (ok) pause();
        _exit(1);
    }
    assert_int_equal(read(ready[0], &byte, 1), 1);
    assert_true(run_busy("a", &process));
    assert_int_equal(process, child);
    kill(child, SIGKILL);
    assert_int_equal(waitpid(child, NULL, 0), child);
    assert_false(run_busy("a", &process));
    run_close(opened("a"));
    close(ready[0]);
    close(ready[1]);
}

/* Asking takes the lock for a moment; opening must not mistake that for a writer. */
static void asking_does_no_harm(void **state) {
    (void)state;
    run_close(opened("a"));
    pid_t child = fork();
    if (child == 0) {
        for (long process;;) run_busy("a", &process);
    }
    for (int i = 0; i < 300; i++) run_close(opened("a"));
    kill(child, SIGKILL);
    assert_int_equal(waitpid(child, NULL, 0), child);
}

static void refused(const char *path, const char *text) {
    Error err = {0};
    assert_null(run_open(path, &err));
    assert_int_equal(err.status, STATUS_WRITE);
    assert_string_equal(err.text, text);
}

static void impossible_folders(void **state) {
    (void)state;
    put("file", "x", 1);
    assert_int_equal(mkdir("odd", 0755), 0);
    assert_int_equal(mkdir("odd/lock", 0755), 0);
    refused("file", "file: Not a directory");
    refused("file/b", "file/b: Not a directory");
    refused("odd", "odd/lock: Is a directory");
    refused("", ": No such file or directory");
    if (geteuid() == 0) assert_int_equal(seteuid(65534), 0);
    refused("new/a", "new: Permission denied");
    if (getuid() == 0) assert_int_equal(seteuid(0), 0);
}

static void a_full_disk_is_found_out_first(void **state) {
    (void)state;
    Error err = {0};
    struct rlimit before, small;
    Run *run = opened("a");
    assert_true(run_probe(run, 0, &err));
    assert_true(run_probe(run, 1000001, &err));
    assert_int_not_equal(access("a/probe", F_OK), 0);
    assert_int_equal(getrlimit(RLIMIT_FSIZE, &before), 0);
    small = before;
    small.rlim_cur = 1000000;
    assert_int_equal(setrlimit(RLIMIT_FSIZE, &small), 0);
    bool done = run_probe(run, 1000001, &err);
    assert_int_equal(setrlimit(RLIMIT_FSIZE, &before), 0);
    assert_false(done);
    assert_int_equal(err.status, STATUS_WRITE);
    assert_string_equal(err.text, "a/probe: File too large");
    assert_int_not_equal(access("a/probe", F_OK), 0);
    run_close(run);
}

/* ---- the log ----------------------------------------------------------------------------------------------------- */

static const char log_text[] = "step,loss,accuracy (%)\n"
                               "1,2.5,\n"
                               "10,1.25,12.5\n"
                               "20,0.5,\n"
                               "30,0.25,50\n";

static void rows_are_kept(void **state) {
    (void)state;
    Error err = {0};
    Run *run = opened("a");
    assert_true(run_log_open(run, heading, UINT64_MAX, &err));
    assert_true(holds("a/log.csv", "step,loss,accuracy (%)\n"));
    assert_true(run_log_row(run, "1,2.5,", &err));
    assert_true(run_log_row(run, "10,1.25,12.5", &err));
    assert_true(run_log_sync(run, &err));
    run_close(run);
    run = opened("a");
    assert_true(run_log_open(run, heading, 10, &err));
    assert_true(run_log_row(run, "20,0.5,", &err));
    assert_true(run_log_row(run, "30,0.25,50", &err));
    assert_true(holds("a/log.csv", log_text));
    assert_true(run_log_open(run, heading, 19, &err)); /* again, and further back */
    assert_true(holds("a/log.csv", "step,loss,accuracy (%)\n1,2.5,\n10,1.25,12.5\n"));
    assert_true(run_log_open(run, heading, 0, &err));
    assert_true(holds("a/log.csv", "step,loss,accuracy (%)\n"));
    run_close(run);
}

static void touch(const char *path, double seconds_ago) {
    struct timespec now;
    clock_gettime(CLOCK_REALTIME, &now);
    now.tv_sec -= (time_t)seconds_ago;
    const struct timespec both[2] = {now, now};
    assert_int_equal(utimensat(AT_FDCWD, path, both, 0), 0);
}

/* What an earlier process has logged does not count. */
static void rows_have_a_pace(void **state) {
    (void)state;
    Error err = {0};
    double idle;
    char text[64];
    Run *run = opened("a");
    assert_true(run_log_open(run, heading, UINT64_MAX, &err));
    assert_true(isnan(run_row_seconds("a", 0, &idle)));
    assert_true(run_log_row(run, "1,2.5,", &err));
    assert_true(run_log_row(run, "10,1.25,12.5", &err));
    run_close(run);
    run = opened("a");
    assert_true(run_log_open(run, heading, UINT64_MAX, &err));
    snprintf(text, sizeof text, "%ld\n2\n", (long)getpid());
    assert_true(holds("a/lock", text));
    assert_true(isnan(run_row_seconds("a", 2, &idle)));
    assert_true(run_log_row(run, "20,0.5,", &err));
    assert_true(run_log_row(run, "30,0.25,50", &err));
    touch("a/lock", 50);
    touch("a/log.csv", 10);
    const double each = run_row_seconds("a", 4, &idle);
    assert_true(fabs(each - 20) < 0.5 && fabs(idle - 10) < 5);
    run_close(run);
    assert_true(isnan(run_row_seconds("nowhere", 4, &idle)) && isnan(idle));
}

/* The file cut off anywhere: the whole rows stand, and the log goes on from there. */
static void torn_at_every_byte(void **state) {
    (void)state;
    Error err = {0};
    Run *run = opened("a");
    for (size_t length = 0; length < sizeof log_text; length++) {
        char expected[200] = "";
        put("a/log.csv", log_text, length);
        assert_true(run_log_open(run, heading, UINT64_MAX, &err));
        assert_true(run_log_row(run, "99,7,8", &err));
        size_t whole = length;
        while (whole > 0 && log_text[whole - 1] != '\n') whole--;
        memcpy(expected, log_text, whole ? whole : sizeof heading); /* the heading and its line end */
        strcat(expected, "99,7,8\n");
        assert_true(holds("a/log.csv", expected));
    }
    run_close(run);
}

static void logs_that_do_not_fit(void **state) {
    (void)state;
    static const char *const others[] = {"step,los", "step,loss,accuracy (%),x\n1,2,3,4\n", "x\n", "\n", "step,loss\n"};
    Error err = {0};
    Run *run = opened("a");
    for (size_t i = 0; i < sizeof others / sizeof *others; i++) {
        bool torn_heading = i == 0; /* that is a beginning of ours */
        put("a/log.csv", others[i], strlen(others[i]));
        assert_int_equal(run_log_open(run, heading, 5, &err), torn_heading);
        if (torn_heading) continue;
        assert_int_equal(err.status, STATUS_BAD_INPUT);
        assert_non_null(strstr(err.text, "a/log.csv: other columns than weft"));
        assert_true(holds("a/log.csv", others[i]));
    }
    static const char damaged[] = "step,loss,accuracy (%)\n1,2,3\n\0\0\0\0\n3,4,5\n";
    put("a/log.csv", damaged, sizeof damaged - 1);
    assert_true(run_log_open(run, heading, 5, &err));
    assert_true(holds("a/log.csv", "step,loss,accuracy (%)\n1,2,3\n"));
    run_close(run);
}

/* A write that stops in the middle of a row: the next row takes its place. */
static void a_full_disk_tears_a_row(void **state) {
    (void)state;
    Error err = {0};
    struct rlimit before, small;
    Run *run = opened("a");
    assert_true(run_log_open(run, heading, 0, &err));
    assert_true(run_log_row(run, "1,2,3", &err));
    assert_int_equal(getrlimit(RLIMIT_FSIZE, &before), 0);
    small = before;
    small.rlim_cur = strlen("step,loss,accuracy (%)\n1,2,3\n2,4");
    assert_int_equal(setrlimit(RLIMIT_FSIZE, &small), 0);
    bool done = run_log_row(run, "2,4,6", &err);
    assert_int_equal(setrlimit(RLIMIT_FSIZE, &before), 0);
    assert_false(done);
    assert_int_equal(err.status, STATUS_WRITE);
    assert_string_equal(err.text, "a/log.csv: No space left on device");
    assert_true(holds("a/log.csv", "step,loss,accuracy (%)\n1,2,3\n2,4"));
    Table *table = run_log_table("a", &err);
    assert_non_null(table);
    assert_int_equal(table->rows, 1);
    table_free(table);
    fault_arm(FAULT_WRITE, 1, true); /* not even the cut succeeds */
    assert_false(run_log_row(run, "3,5,7", &err));
    fault_disarm();
    assert_true(run_log_row(run, "4,6,8", &err));
    assert_true(holds("a/log.csv", "step,loss,accuracy (%)\n1,2,3\n4,6,8\n"));
    run_close(run);
}

/* A run of some rows with the k-th call refused: *text is what must stand in the log. */
static bool faulty_run(uint64_t k, bool all_after, char *text, uint64_t *calls) {
    Error err = {0};
    bool all = true;
    *text = '\0';
    fault_arm(ALL_KINDS, k, all_after);
    Run *run = run_open("b/c", &err);
    if (run && run_probe(run, 100000, &err) && run_log_open(run, heading, 30, &err)) {
        strcpy(text, log_text);
        for (int i = 31; i < 35; i++) {
            char row[32];
            snprintf(row, sizeof row, "%d,%d,", i, 2 * i);
            err = (Error){0};
            if (run_log_row(run, row, &err))
                strcat(strcat(text, row), "\n");
            else
                all = false;
            if (err.status) assert_int_equal(err.status, STATUS_WRITE);
        }
        if (!run_log_sync(run, &err)) all = false;
    } else {
        assert_int_not_equal(err.status, STATUS_OK);
        if (err.status != STATUS_LIMIT) assert_memory_equal(err.text, "b", 1); /* names what failed */
        all = false;
    }
    run_close(run);
    *calls = fault_disarm();
    return all;
}

static void every_failure_keeps_whole_rows(void **state) {
    (void)state;
    for (int all_after = 0; all_after < 2; all_after++) {
        uint64_t calls;
        unsigned failures = 0;
        bool hit = true;
        for (uint64_t k = 1; hit; k++) {
            char expected[400], path[] = "b/c/log.csv";
            Error err = {0};
            assert_int_equal(system("mkdir -p b/c"), 0);
            put(path, log_text, sizeof log_text - 1);
            put("b/c/lock", "1\n", 2);
            if (!faulty_run(k, all_after, expected, &calls)) failures++;
            hit = calls >= k;
            assert_true(holds(path, *expected ? expected : log_text));
            Run *run = opened("b/c"); /* and all is well again */
            assert_true(run_log_open(run, heading, 1, &err));
            assert_true(holds(path, "step,loss,accuracy (%)\n1,2.5,\n"));
            run_close(run);
        }
        assert_true(failures > 20);
    }
}

static void folders_that_cannot_be_made(void **state) {
    (void)state;
    bool hit = true;
    for (uint64_t k = 1; hit; k++) {
        Error err = {0};
        assert_int_equal(system("rm -rf b"), 0);
        fault_arm(ALL_KINDS, k, false);
        Run *run = run_open("b/c", &err);
        hit = fault_disarm() >= k;
        if (!run) assert_int_equal(err.status, STATUS_WRITE);
        run_close(run);
        run_close(opened("b/c"));
    }
}

/* ---- the log as a table ------------------------------------------------------------------------------------------ */

static void logs_are_tables(void **state) {
    (void)state;
    Error err = {0};
    assert_int_equal(mkdir("a", 0755), 0);
    put("a/log.csv", log_text, sizeof log_text - 1 - 4); /* the last row is torn */
    Table *table = run_log_table("a", &err);
    assert_non_null(table);
    assert_int_equal(table->rows, 3);
    assert_int_equal(table->column_count, 3);
    assert_string_equal(table->columns[0].name, "step");
    assert_int_equal(table->columns[0].type, COLUMN_INTEGER);
    assert_string_equal(table->columns[1].unit, "");
    assert_int_equal(table->columns[1].type, COLUMN_REAL);
    assert_string_equal(table->columns[2].name, "accuracy");
    assert_string_equal(table->columns[2].unit, "%");
    assert_true(table_number(table, "step", 1) == 10 && table_number(table, "loss", 1) == 1.25);
    assert_true(table_number(table, "accuracy", 1) == 12.5);
    assert_true(table_latest(table, "accuracy") == 12.5); /* not of the last row, which has none */
    assert_true(isnan(table_number(table, "accuracy", 0)) && isnan(table_number(table, "accuracy", 2)));
    table_free(table);
}

static void bad_table(const char *text, const char *message) {
    Error err = {0};
    if (text) put("a/log.csv", text, strlen(text));
    assert_null(run_log_table("a", &err));
    assert_int_equal(err.status, STATUS_BAD_INPUT);
    assert_string_equal(err.text, message);
}

static void logs_that_are_no_tables(void **state) {
    (void)state;
    bad_table(NULL, "a: No such file or directory");
    assert_int_equal(mkdir("a", 0755), 0);
    bad_table(NULL, "a/log.csv: No such file or directory");
    bad_table("", "a/log.csv: has no complete line");
    bad_table("step,lo", "a/log.csv: has no complete line");
    bad_table("step,loss\n1,2\n1\n", "a/log.csv: line 3 has 1 values for 2 columns");
    bad_table("step,loss\n1,2,3\n", "a/log.csv: line 2 has 3 values for 2 columns");
    bad_table("step,loss\n1,2\nx,1\n", "a/log.csv: line 3: 'x' is not a number");
    bad_table("step,loss\n,1\n", "a/log.csv: line 2: '' is not a number");
    bad_table("step,loss\n1,2x\n", "a/log.csv: line 2: '2x' is not a number");
    bad_table("step,loss\n18446744073709551615,2\n", "a/log.csv: line 2: '18446744073709551615' is not a number");
}

static void tables_out_of_memory(void **state) {
    (void)state;
    assert_int_equal(mkdir("a", 0755), 0);
    put("a/log.csv", log_text, sizeof log_text - 1);
    bool hit = true;
    for (uint64_t k = 1; hit; k++) {
        Error err = {0};
        fault_arm(FAULT_ALLOC | FAULT_OPEN | FAULT_READ, k, false);
        Table *table = run_log_table("a", &err);
        hit = fault_disarm() >= k;
        assert_true(table ? table->rows == 4 : err.status == STATUS_LIMIT || err.status == STATUS_BAD_INPUT);
        assert_int_equal(table == NULL, hit);
        table_free(table);
    }
}

/* What a killed writer's saves left is removed by the next writer; other files stay. */
static void temporaries(void **state) {
    (void)state;
    Error err;
    assert_int_equal(
        system("mkdir left && touch left/.last.safetensors.0123abcd left/.hidden left/.a.0123abcg left/note.0123abcd"),
        0);
    Run *run = run_open("left", &err);
    assert_non_null(run);
    run_close(run);
    assert_int_equal(access("left/.last.safetensors.0123abcd", F_OK), -1);
    assert_int_equal(access("left/.hidden", F_OK), 0);
    assert_int_equal(access("left/.a.0123abcg", F_OK), 0);
    assert_int_equal(access("left/note.0123abcd", F_OK), 0);
}

static struct stat theirs; /* a file that nobody may open */
static unsigned opened_theirs;

static void watch_opens(const IoEvent *event) {
    struct stat about;
    if (event->kind == IO_OPEN && fstat(event->fd, &about) == 0 && about.st_ino == theirs.st_ino) opened_theirs++;
}

/* A folder that never became a run is removed by the next run of its name; a link that is called so is not even looked
 * into. */
static void beginnings(void **state) {
    (void)state;
    Error err;
    assert_int_equal(
        system("mkdir theirs .new.0123abcd && touch theirs/lock .new.0123abcd/lock .new.0123abcd/log.csv && "
               "ln -s theirs .new.89abcdef"),
        0);
    assert_int_equal(stat("theirs/lock", &theirs), 0);
    io_recorder = watch_opens;
    Run *run = run_create("new", &err);
    io_recorder = NULL;
    assert_non_null(run);
    assert_true(run_publish(run, &err));
    run_close(run);
    assert_int_equal(access(".new.0123abcd", F_OK), -1);
    assert_int_equal(access("theirs/lock", F_OK), 0);
    assert_int_equal(access(".new.89abcdef", F_OK), 0);
    assert_int_equal(opened_theirs, 0);
    run = run_create("other", &err); /* never published: it goes, and not what has its name by then */
    assert_non_null(run);
    assert_int_equal(system("for f in .other.*; do mv $f aside && mkdir $f && touch $f/notes; done"), 0);
    run_close(run);
    assert_int_equal(system("ls .other.*/notes >/dev/null"), 0);
}

/* While a run is open, its paths lead into its folder, whatever stands there. */
static void folders_are_held(void **state) {
    (void)state;
    Error err;
    Run *run = opened("runs/a");
    assert_int_equal(
        system("mv runs/a runs/b && mkdir theirs && ln -s ../theirs runs/a && ln -s ../../theirs runs/b/in"), 0);
    assert_true(save_text("runs/a/x", false, "own", 3, &err));
    assert_true(holds("runs/b/x", "own") && holds("runs/a//./x", "own"));
    assert_false(save_text("runs/a/in/x", false, "own", 3, &err));
    assert_string_equal(err.text, "runs/a/in/x: leads through the link 'in'; a run folder holds plain files only");
    assert_null(run_open("runs/a/in", &err));
    assert_string_equal(err.text, "runs/a/in: leads through the link 'in'; a run folder holds plain files only");
    assert_true(save_text("runs/a/../c", false, "own", 3, &err)); /* of the path itself: theirs/../c */
    assert_true(holds("c", "own"));
    assert_false(run_has("runs/a/in", "x"));
    run_close(run);
    assert_int_equal(system("rmdir theirs"), 0); /* is empty */
    assert_int_equal(access("runs/a/x", F_OK), -1);
}

int main(void) {
#define TEST(name) cmocka_unit_test_setup(name, clean)
    const struct CMUnitTest tests[] = {
        TEST(one_writer),
        TEST(temporaries),
        TEST(beginnings),
        TEST(folders_are_held),
        TEST(a_killed_writer),
        TEST(asking_does_no_harm),
        TEST(impossible_folders),
        TEST(a_full_disk_is_found_out_first),
        TEST(rows_are_kept),
        TEST(rows_have_a_pace),
        TEST(torn_at_every_byte),
        TEST(logs_that_do_not_fit),
        TEST(a_full_disk_tears_a_row),
        TEST(every_failure_keeps_whole_rows),
        TEST(folders_that_cannot_be_made),
        TEST(logs_are_tables),
        TEST(logs_that_are_no_tables),
        TEST(tables_out_of_memory),
    };
    return cmocka_run_group_tests(tests, make_folder, remove_folder);
}
