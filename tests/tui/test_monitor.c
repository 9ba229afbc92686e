/* test_monitor -- the monitor of a training run in a pseudo-terminal: what it shows, its keys, any size, the terminal
 * as it was on every way out. The program runs itself with an argument as the process that trains. */
#include "weft/tui.h"

#include <math.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/wait.h>
#include <unistd.h>
#include <cmocka.h>

#include "../support/screen.h"
#include "weft/base/error.h"
#include "weft/base/table.h"
#include "weft/base/task.h"

/* ---- the process that trains ------------------------------------------------------------------------------------- */

enum { STEPS = 1000, STILL = 250 };

/* A row every ten steps, half a second a step; accuracy in every fifth row only. */
static Table *log_until(uint64_t step, Error *err) {
    Table *table = table_new(err);
    static const char *const names[] = {"epoch",         "loss",          "recon",    "kd",   "fmd",
                                        "learning_rate", "gradient_norm", "accuracy", "rate", "seconds"};
    table_column(table, "step", "", COLUMN_INTEGER);
    for (size_t i = 0; i < 10; i++) table_column(table, names[i], i == 7 ? "%" : i == 8 ? "1/s" : "", COLUMN_REAL);
    for (uint64_t at = 10; at <= step; at += 10) {
        double x = (double)at, values[] = {x / 100, exp(-x / 200), exp(-x / 150) / 2, NAN, exp(-x / 400) / 4};
        table_integer(table, (int64_t)at);
        for (size_t i = 0; i < 5; i++) table_real(table, values[i]);
        table_real(table, 0.005 * (1 - x / STEPS));
        table_real(table, 1.5);
        table_real(table, at % 50 == 0 ? 90 * (1 - exp(-x / 100)) : NAN);
        table_real(table, 1200 + fmod(x, 100));
        table_real(table, x / 2);
    }
    return table_finish(table, err);
}

static void cancel(int number) {
    (void)number;
    cancel_request();
}

/* "still": always at the same step; "wait": the same, not in the foreground; "train": on and on. "empty": no log. */
static int be_training(const char *how) {
    Error err = {0};
    bool still = strcmp(how, "train") != 0, waits = strcmp(how, "wait") == 0, empty = strcmp(how, "empty") == 0;
    MonitorRun run = {"A small run", empty ? 0 : STEPS, "kernels", !waits, strcmp(how, "train") == 0};
    char status[64] = "";
    signal(SIGINT, cancel);
    signal(SIGHUP, SIG_IGN);
    Monitor *monitor = monitor_open(&run, &err);
    if (!monitor) {
        printf("%s\n", err.text);
        return (int)err.status;
    }
    MonitorWish wish = MONITOR_GO_ON;
    uint64_t step = still ? STILL : 1;
    Table *log = empty ? NULL : log_until(step, &err);
    for (; wish < MONITOR_STOP && cancel_level() == 0; step += !still) {
        if (!still && step % 10 == 0) {
            table_free(log);
            log = log_until(step % STEPS, &err);
        }
        wish = monitor_update(monitor, log, still ? STILL : step % STEPS, status);
        if (waits && wish == MONITOR_GO_ON) wish = monitor_wait(monitor, 300);
        if (wish == MONITOR_SAVE) snprintf(status, sizeof status, "saved at step %d", (int)(step % STEPS));
        if (!waits) usleep(1000);
    }
    monitor_close(monitor);
    table_free(log);
    static const char *const wishes[] = {"went on", "wished to save", "wished to stop", "wished to leave",
                                         "wished to detach"};
    printf("%s\n", cancel_level() ? "interrupted" : wishes[wish]);
    return cancel_level() ? STATUS_CANCELLED : 0;
}

/* ---- the terminal's side ----------------------------------------------------------------------------------------- */

static Screen start(const char *how, unsigned short rows, unsigned short columns) {
    return screen_start("monitor", how, "xterm-256color", rows, columns);
}

/* All of it drawn again, so that texts are not written in parts. */
static void expect_drawn(Screen *screen, const char *text) {
    screen_forget(screen);
    screen_type(screen, "\x0c");
    screen_expect(screen, text);
}

static void expect_end(Screen *screen, const char *text, int expected) {
    int status = screen_finish(screen);
    if (!WIFEXITED(status) || WEXITSTATUS(status) != expected)
        fail_msg("status %x: %s", (unsigned)status, screen->output);
    if (screen->terminal >= 0) {
        assert_true(screen_seen(screen, "\x1b[?1049l"));
        if (!screen_seen(screen, text)) fail_msg("not '%s': %s", text, screen->output);
        screen_expect_modes(screen);
    }
    screen_done(screen);
}

/* The numbers follow from log_until at step 250: exp(-250/200), 0.005 (1 - 250/1000), 90 (1 - exp(-2.5)); 125 s gone,
 * 750 steps of half a second left. */
static void shows_where_the_run_stands(void **state) {
    (void)state;
    static const struct winsize sizes[] = {
        {.ws_row = 24, .ws_col = 80}, {.ws_row = 50, .ws_col = 160}, {.ws_row = 40, .ws_col = 100}};
    static const char *const texts[] = {"A small run",
                                        "step 250 of 1000",
                                        "5.0 %", /* the end of the bar may cut the line in two */
                                        "elapsed 2:05",
                                        "left 6:15",
                                        "loss 0.2865   learning rate 0.00375   1250 kernels/s   accuracy 82.61 %",
                                        "? keys   p pause   s save   x stop   q quit   L log",
                                        "recon",
                                        "fmd",
                                        "accuracy (%)",
                                        "learning rate",
                                        "kernels (1/s)"};
    for (size_t i = 0; i < sizeof sizes / sizeof *sizes; i++) {
        Screen screen = start("still", sizes[i].ws_row, sizes[i].ws_col);
        screen_expect(&screen, "L log");
        screen_settle(&screen);
        expect_drawn(&screen, "L log");
        screen_settle(&screen);
        for (size_t t = 0; t < sizeof texts / sizeof *texts; t++) screen_expect(&screen, texts[t]);
        assert_false(screen_seen(&screen, "kd")); /* has no values */
        screen_type(&screen, "qc");
        expect_end(&screen, "wished to leave", 0);
    }
}

static void nothing_is_known_yet(void **state) {
    (void)state;
    Screen screen = start("empty", 24, 80);
    screen_expect(&screen, "nothing logged yet");
    assert_true(screen_seen(&screen, "step 250"));
    assert_false(screen_seen(&screen, " of ") || screen_seen(&screen, "left ") || screen_seen(&screen, "elapsed"));
    screen_type(&screen, "qc");
    expect_end(&screen, "wished to leave", 0);
}

/* Whether anything changes on the screen within a third of a second. */
static bool moves(Screen *screen) {
    screen_forget(screen);
    return screen_take(screen, 330);
}

static void pauses_and_goes_on(void **state) {
    (void)state;
    Screen screen = start("train", 24, 80);
    screen_expect(&screen, "L log");
    assert_true(moves(&screen));
    screen_type(&screen, "p");
    screen_expect(&screen, "paused");
    screen_settle(&screen);
    assert_false(moves(&screen));
    expect_drawn(&screen, "p continue");
    screen_type(&screen, "s"); /* answered while it pauses, and then it pauses on */
    screen_expect(&screen, "paused; saved at step");
    screen_settle(&screen);
    assert_false(moves(&screen));
    screen_type(&screen, "p");
    screen_settle(&screen);
    assert_true(moves(&screen));
    expect_drawn(&screen, "p pause");
    screen_type(&screen, "p");
    screen_expect(&screen, "paused");
    kill(screen.child, SIGINT);
    expect_end(&screen, "interrupted", STATUS_CANCELLED);
}

static void stops_when_that_is_meant(void **state) {
    (void)state;
    Screen screen = start("train", 24, 80);
    screen_expect(&screen, "L log");
    screen_type(&screen, "x");
    screen_expect(&screen, "stop the run?");
    screen_type(&screen, "n");
    expect_drawn(&screen, "x stop");
    screen_type(&screen, "xq"); /* anything but y means no */
    screen_settle(&screen);
    expect_drawn(&screen, "x stop");
    screen_type(&screen, "xy");
    expect_end(&screen, "wished to stop", 0);
}

/* q asks; only a run that has a folder can be detached. */
static void quitting_asks(void **state) {
    (void)state;
    Screen screen = start("train", 24, 60);
    screen_expect(&screen, "q quit");
    screen_type(&screen, "q");
    screen_expect(&screen, "d detach   s stop   c close, go on here   Esc back");
    screen_press(&screen, "\x1b");
    expect_drawn(&screen, "q quit");
    screen_type(&screen, "qd");
    expect_end(&screen, "wished to detach", 0);
    screen = start("train", 24, 80);
    screen_expect(&screen, "q quit");
    screen_type(&screen, "q");
    screen_expect(&screen, "d detach (to the background)   s stop   c close, go on here   Esc back");
    screen_type(&screen, "s");
    expect_end(&screen, "wished to stop", 0);
    screen = start("still", 24, 80);
    screen_expect(&screen, "q quit");
    screen_type(&screen, "q");
    screen_expect(&screen, "s stop   c close, go on here");
    assert_false(screen_seen(&screen, "detach"));
    screen_type(&screen, "d"); /* no answer: all goes on */
    expect_drawn(&screen, "q quit");
    screen_type(&screen, "qc");
    expect_end(&screen, "wished to leave", 0);
}

static void keys_are_explained(void **state) {
    (void)state;
    static const char *const hows[] = {"train", "wait"};
    for (int i = 0; i < 2; i++) {
        Screen screen = start(hows[i], 20, 60);
        screen_expect(&screen, "? keys");
        screen_type(&screen, "?");
        screen_expect(&screen, "Ctrl-Z");
        assert_int_equal(screen_seen(&screen, "save a checkpoint now"), i == 0);
        assert_int_equal(screen_seen(&screen, "the run goes on"), i == 1);
        assert_int_equal(screen_seen(&screen, "or go on, after a question"), i == 0);
        screen_type(&screen, "q"); /* any key leads back */
        expect_drawn(&screen, "loss");
        screen_type(&screen, i == 0 ? "qc" : "q");
        expect_end(&screen, "wished to leave", 0);
    }
}

static void the_axis_changes(void **state) {
    (void)state;
    Screen screen = start("still", 24, 80);
    screen_expect(&screen, "L log");
    expect_drawn(&screen, "L log");
    screen_settle(&screen);
    screen_expect(&screen, "0.1 ┤"); /* a tick of a log axis from 0.1 to 1, not of a linear one */
    assert_false(screen_seen(&screen, "0.6 ┤"));
    screen_type(&screen, "L");
    expect_drawn(&screen, "0.6 ┤");
    screen_press(&screen, "\x1b");
    screen_expect(&screen, "c close");
    screen_type(&screen, "c");
    expect_end(&screen, "wished to leave", 0);
}

static void interrupts(void **state) {
    (void)state;
    Screen screen = start("train", 24, 80);
    screen_expect(&screen, "L log");
    screen_type(&screen, "\x03");
    expect_end(&screen, "interrupted", STATUS_CANCELLED);
    screen = start("wait", 24, 80); /* somebody else's run: Ctrl-C only leaves */
    screen_expect(&screen, "x stop   q quit");
    assert_false(screen_seen(&screen, "p pause"));
    screen_type(&screen, "p");
    screen_type(&screen, "s");
    screen_settle(&screen);
    assert_false(screen_seen(&screen, "paused") || screen_seen(&screen, "saved"));
    screen_type(&screen, "\x03");
    expect_end(&screen, "wished to leave", 0);
}

static void suspends(void **state) {
    (void)state;
    int status;
    Screen screen = start("train", 24, 80);
    screen_expect(&screen, "L log");
    screen_type(&screen, "\x1a");
    assert_int_equal(waitpid(screen.child, &status, WUNTRACED), screen.child);
    assert_true(WIFSTOPPED(status));
    screen_expect_modes(&screen);
    kill(screen.child, SIGCONT);
    expect_drawn(&screen, "A small run");
    screen_type(&screen, "qc");
    expect_end(&screen, "wished to leave", 0);
}

static void any_size(void **state) {
    (void)state;
    Screen screen = start("train", 1, 1);
    unsigned random = 1;
    screen_settle(&screen);
    for (int i = 0; i < 100; i++) {
        random = random * 1103515245u + 12345u;
        struct winsize size = {.ws_row = (unsigned short)(1 + (random >> 16) % (i % 2 ? 8 : 60)),
                               .ws_col = (unsigned short)(1 + (random >> 8) % (i % 3 ? 200 : 30))};
        assert_int_equal(ioctl(screen.terminal, TIOCSWINSZ, &size), 0);
        screen_type(&screen, i % 7 == 0 ? "xn" : i % 3 == 0 ? "pp" : "L");
        screen_take(&screen, 20);
    }
    struct winsize size = {.ws_row = 24, .ws_col = 80};
    ioctl(screen.terminal, TIOCSWINSZ, &size);
    expect_drawn(&screen, "A small run");
    screen_type(&screen, "qc");
    expect_end(&screen, "wished to leave", 0);
}

static void goes_on_without_the_terminal(void **state) {
    (void)state;
    Screen screen = start("train", 24, 80);
    screen_expect(&screen, "L log");
    close(screen.terminal);
    screen.terminal = -1;
    expect_end(&screen, "", 0);
}

static void other_terminals(void **state) {
    (void)state;
    static const char *const terms[] = {"vt100", "linux", "dumb"};
    for (int i = 0; i < 3; i++) {
        Screen screen = screen_start("monitor", "still", terms[i], 24, 80);
        if (i < 2) screen_expect(&screen, "L log");
        if (i < 2) screen_type(&screen, "qc");
        int status = screen_finish(&screen);
        assert_true(WIFEXITED(status));
        assert_int_equal(WEXITSTATUS(status), i < 2 ? 0 : STATUS_FAILED);
        screen_expect_modes(&screen);
        screen_done(&screen);
    }
    Error err = {0};
    MonitorRun run = {.title = "x"};
    assert_null(monitor_open(&run, &err)); /* standard input is no terminal: see main */
    assert_int_equal(err.status, STATUS_FAILED);
    monitor_close(NULL);
}

int main(int argc, char **argv) {
    if (argc == 2 && strcmp(argv[0], "monitor") == 0) return be_training(argv[1]);
    if (!freopen("/dev/null", "r", stdin)) return 99; /* whatever terminal the tests are run from is not theirs */
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(shows_where_the_run_stands),
        cmocka_unit_test(nothing_is_known_yet),
        cmocka_unit_test(pauses_and_goes_on),
        cmocka_unit_test(stops_when_that_is_meant),
        cmocka_unit_test(quitting_asks),
        cmocka_unit_test(keys_are_explained),
        cmocka_unit_test(the_axis_changes),
        cmocka_unit_test(interrupts),
        cmocka_unit_test(suspends),
        cmocka_unit_test(any_size),
        cmocka_unit_test(goes_on_without_the_terminal),
        cmocka_unit_test(other_terminals),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
