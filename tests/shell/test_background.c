/* test_background -- runs in other processes, and the list of jobs. The program runs itself as the process in the
 * background: background_start starts /proc/self/exe with `-c COMMAND`. */
#include <errno.h>
#include <signal.h>
#include <stdlib.h>
#include <time.h>
#include <unistd.h>

#include "../support/bytes.h"
#include "session_fixture.h"
#include "weft/base/error.h"
#include "weft/base/fault.h"
#include "weft/base/file.h"
#include "weft/base/memory.h"
#include "weft/base/run.h"
#include "weft/base/table.h"
#include "weft/base/text.h"

/* ---- the process in the background ------------------------------------------------------------------------------- */

static volatile sig_atomic_t ended;

static void on_end(int number) {
    (void)number;
    ended = 1;
}

/* "work FOLDER ...": locks it and waits for TERM; "quick FOLDER": is done at once; "fail ...": says why and dies. Each
 * writes what it was told to standard output. */
static int be_background(const char *line) {
    char what[16] = "", folder[1024] = "";
    Error err;
    printf("%s\n", line);
    fflush(stdout);
    if (sscanf(line, "%15s %1023s", what, folder) != 2) return 98;
    if (strcmp(what, "fail") == 0) {
        fputs("a message before\nweft: nothing to train\n", stderr);
        return STATUS_BAD_INPUT;
    }
    signal(SIGTERM, on_end);
    Run *run = run_open(folder, &err);
    if (!run) return 97;
    for (int i = 0; i < 1000 && !ended && strcmp(what, "work") == 0; i++) usleep(10000);
    run_close(run);
    return ended ? 128 + SIGTERM : 0;
}

/* ---- tests ------------------------------------------------------------------------------------------------------- */

static const char *folder_named(const char *name) {
    return scratch_path(name);
}

static bool starts(const char *what, const char *folder, Error *err) {
    const char *const words[] = {what, folder, "a word; with $signs", "--option=\"x\""};
    *err = (Error){0};
    return background_start(session, folder, words, 4, err);
}

static char *text_in(const char *folder, const char *file) {
    Error err;
    size_t length;
    Str path = {0};
    run_path(folder, file, &path);
    char *text = file_read_all(str_text(&path), 1 << 16, &length, &err);
    str_done(&path);
    assert_non_null(text);
    return text;
}

static void expect_job(const char *folder, JobState state) {
    Error err;
    Job job;
    assert_true(job_read(folder, &job, &err));
    assert_string_equal(job_state_name(job.state), job_state_name(state));
    job_done(&job);
}

/* What the session says when it is left. */
static char *farewell(void) {
    int before = dup(STDERR_FILENO);
    assert_non_null(freopen(scratch_path("stderr"), "w", stderr));
    session->options.quiet = false;
    background_farewell(session);
    session->options.quiet = true;
    fflush(stderr);
    dup2(before, STDERR_FILENO);
    close(before);
    return text_in(scratch_folder(), "stderr");
}

static void test_goes_on_alone(void **state) {
    (void)state;
    Error err;
    long process = 0, other;
    const char *folder = folder_named("deep-run");
    if (!starts("work", folder, &err)) fail_msg("%s", err.text);
    assert_true(run_busy(folder, &process));
    assert_true(process > 0 && process != getpid());
    assert_int_not_equal(getsid((pid_t)process), getsid(0)); /* no terminal, no Ctrl-C */
    assert_int_not_equal(getpgid((pid_t)process), getpgid(0));
    expect_job(folder, JOB_RUNNING);
    char *told = text_in(folder, "output.txt"); /* the words, quoted so that the shell reads them back */
    char expected[2048];
    snprintf(expected, sizeof expected, "work %s \"a word; with \\$signs\" \"--option=\\\"x\\\"\"\n", folder);
    assert_string_equal(told, expected);
    mem_free(told);
    assert_false(starts("work", folder, &err)); /* one writer */
    assert_int_equal(err.status, STATUS_FAILED);
    assert_non_null(strstr(err.text, "in use by process"));
    char *said = farewell(), line[1200];
    assert_string_equal(said, "a run continues in the background (weft -c jobs)\n");
    mem_free(said);
    snprintf(line, sizeof line, "stop %s", folder);
    fixture_works(session, line);
    said = farewell();
    assert_string_equal(said, "");
    mem_free(said);
    assert_false(run_busy(folder, &other));
    for (int i = 0; i < 2000 && kill((pid_t)process, 0) == 0; i++) usleep(10000);
    assert_int_equal(kill((pid_t)process, 0), -1); /* and no zombie of ours */
    assert_int_equal(errno, ESRCH);
    expect_job(folder, JOB_STOPPED);
    fixture_fails(session, line, STATUS_FAILED, "is not running");
}

static void test_done_before_it_is_seen(void **state) {
    (void)state;
    Error err;
    const char *folder = folder_named("quick-run");
    if (!starts("quick", folder, &err)) fail_msg("%s", err.text);
}

static void test_reports_why_it_died(void **state) {
    (void)state;
    Error err;
    const char *folder = folder_named("failed-run");
    assert_false(starts("fail", folder, &err));
    assert_int_equal(err.status, STATUS_FAILED);
    assert_string_equal(err.text, "nothing to train");
    expect_job(folder, JOB_FAILED);
    if (!starts("quick", folder, &err)) fail_msg("%s", err.text); /* what was said then does not count now */
    long process;
    for (int i = 0; i < 2000 && run_busy(folder, &process); i++) usleep(10000); /* it may take its time to end */
    expect_job(folder, JOB_STOPPED);
}

static void test_is_listed(void **state) {
    (void)state;
    Error err;
    Str folder = {0};
    Words jobs;
    const char *first = folder_named("quick-run"), *second = folder_named("listed-run");
    assert_true(jobs_list(&jobs, &err));
    size_t before = jobs.count;
    words_done(&jobs);
    for (int i = 0; i < 2; i++) assert_true(starts("quick", second, &err)); /* listed once */
    assert_true(jobs_list(&jobs, &err));
    assert_int_equal(jobs.count, before + 1);
    assert_string_equal(jobs.word[before], second);
    char number[24];
    snprintf(number, sizeof number, "%zu", before + 1);
    assert_true(job_find(number, &folder, &err));
    assert_string_equal(folder.text, second);
    str_done(&folder);
    assert_true(job_find(first, &folder, &err));
    assert_string_equal(folder.text, first);
    str_done(&folder);
    Words offers;
    char line[1200];
    snprintf(line, sizeof line, "attach %.*s", (int)strlen(second) - 3, second);
    assert_true(complete_candidates(session, line, 7, strlen(line), &offers));
    bool offered = false;
    for (size_t i = 0; i < offers.count; i++) offered |= strcmp(offers.word[i], second) == 0;
    assert_true(offered);
    words_done(&offers);
    words_done(&jobs);
}

static void test_refused(void **state) {
    (void)state;
    Error err;
    session->options.safe = true;
    assert_false(starts("quick", folder_named("safe-run"), &err));
    assert_int_equal(err.status, STATUS_USAGE);
    fixture_fails(session, "stop 1", STATUS_USAGE, "--safe forbids signals to other processes");
    session->options.safe = false;
    assert_int_not_equal(access(folder_named("safe-run"), F_OK), 0);
    fixture_fails(session, "attach 999", STATUS_USAGE, "no job 999");
    fixture_fails(session, "log 0", STATUS_USAGE, "no job 0");
    fixture_fails(session, "stop /", STATUS_BAD_INPUT,
                  "/: neither a run folder nor the name of a job (jobs lists them)");
    fixture_fails(session, "log \"\"", STATUS_USAGE, "RUN is empty");
}

/* Every allocation and file call of the parent refused once: an error or a start, never a crash; what is listed stays
 * so. */
static void test_faults(void **state) {
    (void)state;
    const char *folder = folder_named("faulty-run");
    Error err;
    Words jobs;
    assert_true(jobs_list(&jobs, &err));
    size_t before = jobs.count;
    words_done(&jobs);
    bool hit = true;
    for (uint64_t k = 1; hit; k++) {
        fault_arm(FAULT_ALLOC | FAULT_OPEN | FAULT_READ | FAULT_WRITE | FAULT_FSYNC | FAULT_RENAME, k, false);
        bool done = starts("quick", folder, &err);
        hit = fault_disarm() >= k;
        if (!done) assert_int_not_equal(err.status, STATUS_OK);
        assert_true(jobs_list(&jobs, &err));
        assert_true(jobs.count == before || jobs.count == before + 1);
        words_done(&jobs);
        if (k > 500) break; /* how often the lock is looked at depends on time */
    }
}

/* In the order of the table: folders made by hand, any part missing or damaged. */
static void test_damaged_folders(void **state) {
    (void)state;
    static const struct {
        const char *config, *log;
        uint64_t step, steps;
        JobState state;
    } cases[] = {
        {NULL, NULL, 0, 0, JOB_STOPPED},
        {"", "", 0, 0, JOB_STOPPED},
        {"{\"steps\": 5", "step,loss\n5,1\n", 5, 0, JOB_STOPPED},
        {"{\"steps\": -5, \"name\": 7}", "step,loss\n5,1\n", 5, 0, JOB_STOPPED},
        {"{\"steps\": 5.5}", "step,loss\n5,x\n", 0, 0, JOB_STOPPED},
        {"[5]", "step,loss\n5", 0, 0, JOB_STOPPED},
        {"{\"steps\": 5, \"name\": \"a\\u001bb\"}", "step,loss\n5,1\n6", 5, 5, JOB_DONE},
        {"{\"steps\": 6}", "step,loss\n5,1\n6", 5, 6, JOB_STOPPED},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        const char *folder = scratch_path(text_of("damaged-%zu", i));
        Error err;
        Run *run = run_open(folder, &err);
        assert_non_null(run);
        run_close(run);
        char path[1100];
        snprintf(path, sizeof path, "%s/config.json", folder);
        if (cases[i].config) assert_true(write_bytes(path, cases[i].config, strlen(cases[i].config)));
        snprintf(path, sizeof path, "%s/log.csv", folder);
        if (cases[i].log) assert_true(write_bytes(path, cases[i].log, strlen(cases[i].log)));
        Job job;
        assert_true(job_read(folder, &job, &err));
        assert_int_equal(job.step, cases[i].step);
        assert_int_equal(job.steps, cases[i].steps);
        assert_int_equal(job.state, cases[i].state);
        job_done(&job);
        char line[1200];
        snprintf(line, sizeof line, "attach %s", folder);
        fixture_works(session, line); /* no terminal: one line */
    }
    for (uint64_t k = 1, hit = 1; hit; k++) {
        Error err = {0};
        Job job = {0};
        fault_arm(FAULT_ALLOC, k, false);
        bool done = job_read(scratch_path("damaged-6"), &job, &err);
        hit = fault_disarm() >= k;
        if (!done) assert_int_equal(err.status, STATUS_LIMIT);
        if (done) job_done(&job);
    }
}

/* Every allocation of the commands refused once: done, or a word about memory; never a crash, nothing leaks. */
static void test_out_of_memory(void **state) {
    (void)state;
    static const char *const commands_of[] = {"jobs", "attach", "log", "log --format csv"};
    for (size_t i = 0; i < sizeof commands_of / sizeof *commands_of; i++) {
        bool hit = true;
        for (uint64_t k = 1; hit; k++) {
            char line[1200];
            Error err;
            snprintf(line, sizeof line, "%s %s", commands_of[i], i > 0 ? scratch_path("damaged-6") : "");
            fault_arm(FAULT_ALLOC, k, false);
            Status status = fixture_run(session, line, &err);
            hit = fault_disarm() >= k;
            if (status != STATUS_OK && status != STATUS_LIMIT)
                fail_msg("%s, allocation %llu: status %d, %s", line, (unsigned long long)k, (int)status, err.text);
        }
    }
}

static void test_log_of_a_predictor(void **state) {
    (void)state;
    Error err;
    Words offers;
    fixture_works(session, "load net base sample:fashion-resnet8");
    fixture_works(session, "load predictor pre sample:fashion-resnet8-predictor --for base");
    fixture_fails(session, "log base", STATUS_BAD_INPUT,
                  "base: neither a run folder nor the name of a job (jobs lists them)");
    Predictor *predictor = workspace_find(session, "pre")->predictor;
    table_free(predictor->log);
    predictor->log = NULL;
    fixture_fails(session, "log pre", STATUS_FAILED, "'pre' has no training log");
    assert_true(write_bytes(scratch_path("damaged-6/log.csv"), "step,loss,kd\n5,1,\n6,0.5,\n", 25));
    predictor->log = run_log_table(scratch_path("damaged-6"), &err);
    assert_non_null(predictor->log);
    fixture_works(session, "log pre --as curves");
    const Object *curves = workspace_find(session, "curves");
    assert_int_equal(curves->table->rows, 2);
    assert_true(curves->plots && curves->encoding.log_y);
    assert_string_equal(curves->encoding.y[0], "loss");
    assert_string_equal(curves->encoding.y[1], ""); /* kd has no values */
    assert_true(complete_candidates(session, "log pr", 4, 6, &offers));
    bool offered = offers.count > 0 && strcmp(offers.word[0], "pre") == 0;
    assert_true(offered);
    words_done(&offers);
}

static int begin(void **state) {
    setenv("XDG_STATE_HOME", scratch_path("state"), 1);
    return freopen("/dev/null", "r", stdin) ? fixture_begin_empty(state) : -1;
}

int main(int argc, char **argv) {
    if (argc == 3 && strcmp(argv[1], "-c") == 0) return be_background(argv[2]);
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_goes_on_alone),
        cmocka_unit_test(test_done_before_it_is_seen),
        cmocka_unit_test(test_reports_why_it_died),
        cmocka_unit_test(test_is_listed),
        cmocka_unit_test(test_refused),
        cmocka_unit_test(test_faults),
        cmocka_unit_test(test_damaged_folders),
        cmocka_unit_test(test_out_of_memory),
        cmocka_unit_test(test_log_of_a_predictor),
    };
    return cmocka_run_group_tests(tests, begin, fixture_end);
}
