/* test_kills -- every command that makes a run folder, killed (SIGKILL) after its n-th change of a file: a folder of
 * the run's name can be resumed, whatever n, and its log is that of the run that was left alone, byte for byte but for
 * the columns of times.
 *
 * A run has 50 (a sweep) to 300 changes (rounds), most of them writes of the probe for room and of networks. What runs
 * at every commit takes each 3rd to 37th of them: 5 to 10 of a command, some 80 in all, as the test prints. KILLS=all
 * takes every one (make kills; minutes). */
#include <fcntl.h>
#include <signal.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "../support/bytes.h"
#include "base/io.h"
#include "session_fixture.h"
#include "weft/base/error.h"
#include "weft/base/file.h"
#include "weft/base/memory.h"
#include "weft/base/pool.h"
#include "weft/base/run.h"
#include "weft/base/text.h"

static uint64_t changes, fatal; /* so far; the one after which the process is killed, 0: none */

static void count_change(const IoEvent *event) {
    if (event->kind == IO_CLOSE || (event->kind == IO_OPEN && !(event->flags & (O_CREAT | O_RDWR | O_WRONLY)))) return;
    if (++changes == fatal) kill(getpid(), SIGKILL);
}

/* Runs a line in another process, which is killed after `nth` changes; 0: it may end. True: it ended well. */
static bool ends(const char *line, uint64_t nth) {
    const pid_t child = fork();
    assert_true(child >= 0);
    if (child == 0) {
        Error err;
        pool_set_threads(1); /* threads do not survive a fork: none may be waited for */
        fatal = nth;
        io_recorder = count_change;
        const Status status = fixture_run(session, line, &err);
        if (status != STATUS_OK) fprintf(stderr, "%s: %s\n", line, err.text);
        _exit(status == STATUS_OK ? 0 : 1);
    }
    int status;
    assert_int_equal(waitpid(child, &status, 0), child);
    if (nth == 0 || !WIFSIGNALED(status)) assert_true(WIFEXITED(status) && WEXITSTATUS(status) == 0);
    return WIFEXITED(status);
}

/* The log without the columns of times, which are its last two; those of surveys have none. */
static void add_log(const char *path, bool times, Str *out) {
    Error err;
    size_t length;
    char *text = file_read_all(path, 1 << 20, &length, &err);
    for (char *line = text, *next; line && *line; line = next) {
        next = line + strcspn(line, "\n");
        char *end = next;
        for (int i = 0; times && i < 2; i++)
            while (end > line && *--end != ',') continue;
        str_add_bytes(out, line, (size_t)(end - line));
        str_add(out, "\n");
        next += *next == '\n';
    }
    str_addf(out, "%s\n", text ? "" : "(none)");
    mem_free(text);
}

static char *logs(const char *folder, const char *const *files, bool times) {
    Str out = {0};
    for (; *files; files++) add_log(text_of("%s/%s", folder, *files), times, &out);
    Error err;
    char *text = mem_copy_text(str_text(&out), &err);
    str_done(&out);
    return text;
}

static void killed_everywhere(const char *command, const char *const *files, bool times, uint64_t stride) {
    const char *whole = scratch_path("whole"), *cut = scratch_path("cut");
    unsigned none = 0, resumed = 0;
    uint64_t last = 0;
    assert_int_equal(system(text_of("rm -rf %s", whole)), 0);
    ends(text_of("%s --run %s --quiet", command, whole), 0);
    char *expected = logs(whole, files, times);
    assert_null(strstr(expected, "(none)"));
    const bool all = getenv("KILLS") != NULL;
    if (all) stride = 1;
    for (uint64_t nth = 1;; nth += stride) {
        assert_int_equal(system(text_of("rm -rf %s", cut)), 0);
        const bool ended = ends(text_of("%s --run %s --quiet", command, cut), nth);
        if (access(cut, F_OK) != 0) {
            assert_false(ended);
            none++;
            if (!all) nth += 2 * stride; /* most of it is the probe for room on the disk */
            continue;
        }
        if (!ended) ends(text_of("resume %s --quiet", cut), nth / 2); /* and once more, earlier in the run */
        ends(text_of("resume %s --quiet", cut), 0);
        char *got = logs(cut, files, times);
        if (strcmp(got, expected) != 0)
            fail_msg("%s, killed after %d changes: %s\nand not %s", command, (int)nth, got, expected);
        mem_free(got);
        resumed++;
        last = nth;
        if (ended) break;
    }
    mem_free(expected);
    print_message("%s: of %llu changes %u: %u times no folder, %u resumed\n", command, (unsigned long long)last,
                  none + resumed, none, resumed);
    assert_true(none > 0 && resumed > 2);
}

static const char *const one[] = {"log.csv", NULL};
static const char *const two[] = {"trial-1/log.csv", "trial-2/log.csv", NULL};
static const char *const rounds[] = {"round-1/trial-1/log.csv", "round-2/trial-1/log.csv", NULL};

static void a_predictor(void **state) {
    (void)state;
    killed_everywhere("train p --net base --on test --hidden 8 --steps 12 --save-every 4 --eval-every 6 --log-every 1",
                      one, true, 9);
}

static void trials(void **state) {
    (void)state;
    killed_everywhere("train t --net base --hidden 8 --steps 4 --trials 2 --save-every 2 --log-every 1", two, true, 29);
}

static void progressive(void **state) {
    (void)state;
    killed_everywhere(
        "progressive base --into g --on test --hidden 8 --steps 3 --rounds 2 --trials 1 --patience 2 --log-every 1",
        rounds, true, 37);
}

static void images(void **state) {
    (void)state;
    killed_everywhere("train d --net base --scheme joint --data test --hidden 8 --steps 4 --save-every 2 --log-every 1",
                      one, true, 13);
}

static void a_network(void **state) {
    (void)state;
    killed_everywhere("fit f --arch resnet8 --data test --steps 3 --save-every 1 --log-every 1", one, true, 17);
}

static void surveys(void **state) {
    (void)state;
    killed_everywhere("sweep lowpass base --on test --over cutoff=1,2", one, false, 3);
}

static void distillation(void **state) {
    (void)state;
    fixture_works(session, "train p0 --net base --hidden 8 --steps 2 --quiet");
    killed_everywhere(
        "train d --net base --from p0 --scheme distil --kd stable --lr 1e-5 --data test --steps 3 --save-every 2 --log-every 1",
        one, true, 8);
    killed_everywhere("fit f --arch resnet8 --data test --teacher base --steps 2 --save-every 1 --log-every 1", one,
                      true, 13);
}

static void paths_and_planes(void **state) {
    (void)state;
    killed_everywhere("interpolate base smooth --points 3 --on test", one, false, 3);
    killed_everywhere("landscape base --random 2 --grid 2 --on test --seed 3", one, false, 3);
}

int main(void) {
    const struct CMUnitTest tests[] = {cmocka_unit_test(a_predictor),  cmocka_unit_test(trials),
                                       cmocka_unit_test(progressive),  cmocka_unit_test(images),
                                       cmocka_unit_test(a_network),    cmocka_unit_test(surveys),
                                       cmocka_unit_test(distillation), cmocka_unit_test(paths_and_planes)};
    return cmocka_run_group_tests(tests, fixture_begin, fixture_end);
}
