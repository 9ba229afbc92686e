/* test_exchange -- somebody exchanges a run folder, a folder in it or a file for a link while a command works there, at
 * each of its file operations in turn: nothing that the link points to is touched, and what the command had opened is
 * whole. No luck is needed: the exchange is made by the process itself, between two operations. */
#include <fcntl.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "../support/bytes.h"
#include "base/io.h"
#include "session_fixture.h"
#include "weft/base/error.h"
#include "weft/base/memory.h"
#include "weft/base/pool.h"
#include "weft/base/text.h"

static char *outside, *run, *target, *aside; /* aside: where what was at `target` is then */
static uint64_t operations, nth;

static void exchange(const IoEvent *event) {
    if (event->kind == IO_CLOSE || ++operations != nth) return;
    rename(target, aside);
    (void)!symlink(outside, target);
}

/* Runs a line in another process; true: it went well. *reached: it came to the exchange. */
static bool works(const char *line, bool *reached) {
    const pid_t child = fork();
    assert_true(child >= 0);
    if (child == 0) {
        Error err;
        pool_set_threads(1); /* threads do not survive a fork: none may be waited for */
        io_recorder = exchange;
        const bool done = fixture_run(session, line, &err) == STATUS_OK;
        if (!done && strchr(err.text, '\n')) _exit(4); /* one line */
        _exit((done ? 0 : 1) + (operations >= nth ? 0 : 2));
    }
    int status;
    assert_int_equal(waitpid(child, &status, 0), child);
    assert_true(WIFEXITED(status) && WEXITSTATUS(status) < 4);
    *reached = !(WEXITSTATUS(status) & 2);
    return !(WEXITSTATUS(status) & 1);
}

static char *copy(const char *text) {
    Error err;
    return mem_copy_text(text, &err);
}

/* Names, kinds, sizes, times and contents. */
static char *state_outside(void) {
    Str out = {0};
    char line[4096];
    FILE *pipe =
        popen(text_of("cd %s && find . -printf '%%P %%y %%m %%s %%T@ %%C@ %%n\\n' | sort; find %s -type f -exec "
                      "cksum {} + | sort",
                      outside, outside),
              "r");
    assert_non_null(pipe);
    while (fgets(line, sizeof line, pipe)) str_add(&out, line);
    assert_int_equal(pclose(pipe), 0);
    char *text = copy(str_text(&out));
    str_done(&out);
    return text;
}

static void shell(const char *line) {
    assert_int_equal(system(line), 0);
}

/* Somebody's folder, with files of every name that a run has. */
static void make_outside(void) {
    shell(
        text_of("rm -rf %s && mkdir -p %s/trial-1 %s/trial-2 %s/round-1/trial-1 && cd %s && for d in . trial-1 trial-2 "
                "round-1 round-1/trial-1; do for f in lock log.csv config.json last.safetensors next.safetensors "
                "previous.safetensors best.safetensors source.safetensors network.safetensors done .last.12345678; do "
                "echo keep >$d/$f; done; done",
                outside, outside, outside, outside, outside));
}

/* `command` in the place of a folder that `before` (a command, NULL: none) has made; `part`: what is exchanged, ""
 * the run folder. */
static void exchanged(const char *before, const char *command, const char *part, uint64_t stride) {
    unsigned good = 0, refused = 0;
    mem_free(target);
    target = copy(text_of("%s%s%s", run, *part ? "/" : "", part));
    make_outside();
    /* Before the command has begun, a link at the name that it is given is its user's: it may lead to a run, but to no
     * other folder with something in it. */
    if (!before && !*part) shell(text_of("rm %s/lock", outside));
    char *expected = state_outside();
    bool reached = true;
    if (before) {
        shell(text_of("rm -rf %s.made %s", run, run));
        nth = 0;
        assert_true(works(text_of("%s --run %s.made --quiet", before, run), &reached));
    }
    for (uint64_t at = 1; reached; at += stride) {
        shell(text_of("rm -rf %s %s", run, aside));
        if (before) shell(text_of("cp -r %s.made %s", run, run));
        operations = 0;
        nth = at;
        const bool done = works(text_of(command, run), &reached);
        done ? good++ : refused++;
        char *now = state_outside();
        if (strcmp(now, expected) != 0)
            fail_msg("%s, %s exchanged after %d operations:\n%s\nand not\n%s", command, target, (int)at, now, expected);
        mem_free(now);
    }
    mem_free(expected);
    print_message("%s, '%s' exchanged: %u went well, %u refused\n", command, part, good, refused);
    assert_true(good > 0);
}

static int begin(void **state) {
    outside = copy(scratch_path("outside"));
    run = copy(scratch_path("run"));
    aside = copy(scratch_path("aside"));
    return fixture_begin(state);
}

static int end(void **state) {
    mem_free(outside);
    mem_free(run);
    mem_free(aside);
    mem_free(target);
    return fixture_end(state);
}

#define TRIALS "train t --net base --hidden 8 --steps 2 --trials 2 --save-every 1 --log-every 1"
#define ROUNDS "progressive base --into g --on test --hidden 8 --steps 2 --rounds 1 --trials 1 --log-every 1"
#define SWEEP "sweep lowpass base --on test --over cutoff=1,2"

static void beginning(void **state) {
    (void)state;
    static const char *const parts[] = {"", "trial-1", "trial-2"};
    for (size_t i = 0; i < 3; i++) exchanged(NULL, TRIALS " --run %s --quiet", parts[i], 23);
    exchanged(NULL, ROUNDS " --run %s --quiet", "round-1", 29);
    exchanged(NULL, ROUNDS " --run %s --quiet", "round-1/trial-1", 31);
    exchanged(NULL, SWEEP " --run %s --quiet", "", 7);
}

static void resuming(void **state) {
    (void)state;
    static const char *const parts[] = {"", "trial-1", "trial-2"};
    for (size_t i = 0; i < 3; i++) exchanged(TRIALS, "resume %s --quiet", parts[i], 7);
    exchanged(ROUNDS, "resume %s --quiet", "round-1/trial-1", 7);
    exchanged(SWEEP, "resume %s --quiet", "", 5);
}

static void reading(void **state) {
    (void)state;
    static const char *const parts[] = {"", "trial-2", "trial-2/log.csv", "config.json", "lock"};
    for (size_t i = 0; i < 5; i++) {
        exchanged(TRIALS, "log %s --quiet", parts[i], 3);
        exchanged(TRIALS, "attach %s --quiet", parts[i], 3);
    }
}

int main(void) {
    const struct CMUnitTest tests[] = {cmocka_unit_test(beginning), cmocka_unit_test(resuming),
                                       cmocka_unit_test(reading)};
    return cmocka_run_group_tests(tests, begin, end);
}
