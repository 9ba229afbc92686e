/* test_viewer -- the chart viewer in a pseudo-terminal: keys, resizing, suspending, and the terminal as it was on every
 * way out. The program runs itself with an argument as the viewer's process. */
#include "weft/tui.h"

#include <dlfcn.h>
#include <math.h>
#include <poll.h>
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
#include <termios.h>
#include <unistd.h>
#include <cairo.h>
#include <cmocka.h>

#include "../support/screen.h"
#include "weft/base/error.h"
#include "weft/base/file.h"
#include "weft/base/memory.h"
#include "weft/base/table.h"
#include "weft/base/task.h"

/* ---- the viewer's process ---------------------------------------------------------------------------------------- */

static Table *small_table(Error *err) {
    Table *table = table_new(err);
    table_column(table, "cutoff", "D0", COLUMN_REAL);
    table_column(table, "first", "%", COLUMN_REAL);
    table_column(table, "second", "%", COLUMN_REAL);
    for (int i = 1; i <= 40; i++) {
        table_real(table, i);
        table_real(table, 90 * (1 - exp(-i / 8.0)));
        table_real(table, 80 * (1 - exp(-i / 12.0)));
    }
    return table_finish(table, err);
}

static void restore_and_die(int number) {
    tui_emergency_restore();
    signal(number, SIG_DFL);
    raise(number);
}

static void cancel(int number) {
    (void)number;
    cancel_request();
}

/* Prints how the view ended; leaves with the error's status. */
static int be_viewer(const char *how) {
    Error err = {0};
    if (strcmp(how, "restore") == 0) {
        signal(SIGTERM, restore_and_die);
        signal(SIGSEGV, restore_and_die);
    }
    if (strcmp(how, "cancel") == 0) signal(SIGINT, cancel);
    if (strcmp(how, "ignore-hangup") == 0) signal(SIGHUP, SIG_IGN);
    Table *table = small_table(&err);
    Encoding encoding = encoding_new(CHART_LINES);
    strcpy(encoding.title, "A small chart");
    strcpy(encoding.x, "cutoff");
    strcpy(encoding.y[0], "first");
    strcpy(encoding.y[1], "second");
    Chart *chart = chart_new(table, &encoding, &err);
    table_free(table);
    if (!chart) return 99;
    tui_emergency_restore(); /* no view is open: must do nothing */
    bool ok = tui_view_chart(chart, "small", &err);
    if (ok && strcmp(how, "twice") == 0) ok = tui_view_chart(chart, "chart", &err);
    chart_free(chart);
    printf("%s\n", ok ? "left normally" : err.text);
    void (*finish)(void);
    cairo_debug_reset_static_data();
    *(void **)&finish = dlsym(RTLD_DEFAULT, "FcFini");
    if (finish) finish();
    return ok ? 0 : (int)err.status;
}

/* ---- the terminal's side ----------------------------------------------------------------------------------------- */

static Screen start_as(const char *how, const char *term, unsigned short rows, unsigned short columns) {
    return screen_start("viewer", how, term, rows, columns);
}

static Screen start(const char *how) {
    return start_as(how, "xterm-256color", 24, 80);
}

static void expect_left(Screen *screen) {
    int status = screen_finish(screen);
    if (!WIFEXITED(status) || WEXITSTATUS(status) != 0) fail_msg("status %x: %s", (unsigned)status, screen->output);
    assert_true(screen_seen(screen, "\x1b[?1049l"));
    assert_true(screen_seen(screen, "left normally"));
    screen_expect_modes(screen);
    screen_done(screen);
}

/* ---- tests ------------------------------------------------------------------------------------------------------- */

static void opens_draws_and_leaves(void **state) {
    (void)state;
    static const char *const leaving[] = {"q", "\x1b", "\x1b[21~", "\x03"};
    for (size_t i = 0; i < sizeof leaving / sizeof *leaving; i++) {
        Screen screen = start("plain");
        screen_expect(&screen, "A small chart");
        screen_expect(&screen, "? help");
        assert_true(screen_seen(&screen, "\x1b[?1049h"));
        struct termios raw;
        assert_int_equal(tcgetattr(screen.terminal, &raw), 0);
        assert_false(screen_same_modes(&screen.before, &raw));
        screen_press(&screen, leaving[i]);
        expect_left(&screen);
    }
}

static void can_be_opened_again(void **state) {
    (void)state;
    Screen screen = start("twice");
    screen_expect(&screen, "? help");
    screen_press(&screen, "q");
    screen_expect(&screen, "\x1b[?1049h");
    screen_settle(&screen);
    screen_press(&screen, "\x1a"); /* the second view must stop and go on, too */
    int status;
    assert_int_equal(waitpid(screen.child, &status, WUNTRACED), screen.child);
    assert_true(WIFSTOPPED(status));
    screen_expect_modes(&screen);
    kill(screen.child, SIGCONT);
    screen_settle(&screen);
    screen_press(&screen, "q");
    expect_left(&screen);
}

static void cursor_series_and_readout(void **state) {
    (void)state;
    Screen screen = start("plain");
    screen_expect(&screen, "? help");
    screen_forget(&screen);
    screen_press(&screen, "gg\x0c");         /* Ctrl-L: all of it again, not only what changed */
    screen_expect(&screen, "first 10.575%"); /* 90 (1 - exp(-1/8)) */
    screen_press(&screen, "\t\x0c");
    screen_expect(&screen, "second 6.396%"); /* 80 (1 - exp(-1/12)) */
    screen_press(&screen, "G\x0c");
    screen_expect(&screen, "second 77.146%");
    screen_press(&screen, "?");
    screen_expect(&screen, "zoom in at the cursor");
    screen_press(&screen, "q");
    screen_press(&screen, "L");
    screen_expect(&screen, "log y");
    screen_press(&screen, "~");
    screen_expect(&screen, "unknown key");
    static const char *const keys[] = {"+",         "+",      "<",      ">",      "\x1b[1;2D", "\x1b[1;2C", "\x1b[1;2A",
                                       "\x1b[1;2B", "-",      "_",      "h",      "l",         "j",         "k",
                                       "\x1bOD",    "\x1bOC", "\x1bOA", "\x1bOB", "\x1b[5~",   "\x1b[6~"};
    for (size_t i = 0; i < sizeof keys / sizeof *keys; i++) screen_type(&screen, keys[i]);
    screen_settle(&screen);
    screen_press(&screen, "q");
    expect_left(&screen);
}

/* SGR mouse (xterm's mode 1006): button; column and row from 1; M press, m release. */
static void mouse_and_all_series(void **state) {
    (void)state;
    Screen screen = start("plain");
    screen_expect(&screen, "? help");
    screen_forget(&screen);
    screen_press(&screen, "\x1b[<0;50;15M");
    screen_press(&screen, "\x1b[<0;50;15m");
    screen_press(&screen, "\x0c");
    screen_expect(&screen, "cutoff ");
    screen_expect(&screen, "first ");
    screen_expect(&screen, "second "); /* the read-out names both series */
    screen_press(&screen, "\x1b[<64;50;15M");
    screen_press(&screen, "\x1b[<65;50;15M");
    screen_press(&screen, "\x1b[<0;20;5M"); /* a rectangle is dragged, then everything is shown again */
    screen_press(&screen, "\x1b[<0;60;20m");
    screen_press(&screen, "\x1b[<2;50;15M");
    screen_press(&screen, "\x1b[<0;1;30M"); /* outside of the plot */
    screen_settle(&screen);
    screen_press(&screen, "q");
    expect_left(&screen);
}

/* A terminal without an alternate screen: the view stays there, but for its last line. */
static void the_last_line_is_clean(void **state) {
    (void)state;
    static const char *const terms[] = {"linux", "vt100"};
    for (int i = 0; i < 2; i++) {
        Screen screen = start_as("plain", terms[i], 30, 100);
        screen_expect(&screen, "A small chart");
        screen_settle(&screen);
        screen_press(&screen, "\x1b[1~"); /* Home and Page Down, as tmux sends them, whatever TERM says */
        screen_press(&screen, "\x1b[6~");
        screen_press(&screen, "\x0c");
        screen_expect(&screen, "cutoff ");
        screen_settle(&screen);
        screen_forget(&screen);
        screen_press(&screen, "q");
        screen_finish(&screen);
        const char *cleared = strstr(screen.output, "\x1b[J"), *said = strstr(screen.output, "left normally");
        if (!cleared) cleared = strstr(screen.output, "\x1b[K");
        assert_true(cleared && said && cleared < said);
        screen_done(&screen);
    }
}

static void saves_what_is_seen(void **state) {
    (void)state;
    char path[] = "/tmp/weft-viewer-XXXXXX.svg", keys[64];
    int file = mkstemps(path, 4);
    assert_true(file >= 0);
    close(file);
    Screen screen = start("plain");
    screen_expect(&screen, "? help");
    screen_press(&screen, "s");
    screen_expect(&screen, "save as (.svg, .png, .pdf): ");
    screen_expect(&screen, "small.svg"); /* the table's name; what is typed replaces it */
    snprintf(keys, sizeof keys, "%sxx", path);
    screen_press(&screen, keys);
    screen_press(&screen, "\x7f\x7f\r");
    screen_expect(&screen, "overwrite");
    screen_press(&screen, "n\r");
    screen_expect(&screen, "not saved");
    screen_press(&screen, "s");
    screen_press(&screen, "\r");
    screen_press(&screen, "y\r");
    screen_expect(&screen, "saved /tmp/weft-viewer-");
    screen_press(&screen, "s");
    screen_press(&screen, "\x15/nowhere/x.txt\r");
    screen_expect(&screen, "charts are saved as .svg, .png or .pdf");
    screen_press(&screen, "s");
    screen_press(&screen, "\x1b");
    screen_press(&screen, "q");
    expect_left(&screen);
    Error err;
    size_t length;
    char *svg = file_read_all(path, 1 << 20, &length, &err);
    assert_non_null(svg);
    assert_non_null(strstr(svg, "A small chart"));
    mem_free(svg);
    unlink(path);
}

static void survives_a_storm_of_resizes(void **state) {
    (void)state;
    Screen screen = start_as("plain", "xterm-256color", 1, 1);
    unsigned random = 1;
    screen_settle(&screen);
    for (int i = 0; i < 200; i++) {
        random = random * 1103515245u + 12345u;
        struct winsize size = {.ws_row = (unsigned short)(1 + (random >> 16) % 60),
                               .ws_col = (unsigned short)(1 + (random >> 8) % 200)};
        if (i % 5 == 0) size = (struct winsize){.ws_row = 1, .ws_col = 1};
        assert_int_equal(ioctl(screen.terminal, TIOCSWINSZ, &size), 0);
        screen_type(&screen, i % 7 == 0 ? "?q" : i % 3 == 0 ? "sx\x03" : i % 2 ? "l" : "+");
        if (i % 10 == 0) screen_settle(&screen);
    }
    struct winsize size = {.ws_row = 30, .ws_col = 100};
    ioctl(screen.terminal, TIOCSWINSZ, &size);
    screen_settle(&screen);
    screen_forget(&screen);
    screen_press(&screen, "\x0c");
    screen_expect(&screen, "A small chart");
    screen_press(&screen, "q");
    expect_left(&screen);
}

static void restores_when_terminated(void **state) {
    (void)state;
    static const char restore[] =
        "\x1b[?1000l\x1b[?1002l\x1b[?1003l\x1b[?1006l\x1b[?2004l\x1b[?12l\x1b[?25h\x1b[?1049l";
    static const int signals[] = {SIGTERM, SIGSEGV};
    for (int i = 0; i < 2; i++) {
        Screen screen = start("restore");
        screen_expect(&screen, "? help");
        kill(screen.child, signals[i]);
        int status = screen_finish(&screen);
        assert_true(WIFSIGNALED(status));
        assert_int_equal(WTERMSIG(status), signals[i]);
        assert_true(screen_seen(&screen, restore));
        screen_expect_modes(&screen);
        screen_done(&screen);
    }
}

static void a_cancellation_leaves(void **state) {
    (void)state;
    Screen screen = start("cancel");
    screen_expect(&screen, "? help");
    kill(screen.child, SIGINT);
    int status = screen_finish(&screen);
    assert_true(WIFEXITED(status));
    assert_int_equal(WEXITSTATUS(status), STATUS_CANCELLED);
    assert_true(screen_seen(&screen, "\x1b[?1049l"));
    screen_expect_modes(&screen);
    screen_done(&screen);
}

static void quits_in_order(void **state) {
    (void)state;
    Screen screen = start("plain");
    screen_expect(&screen, "? help");
    screen_press(&screen, "\x1c");
    int status = screen_finish(&screen);
    assert_true(WIFSIGNALED(status));
    assert_int_equal(WTERMSIG(status), SIGQUIT);
    assert_true(screen_seen(&screen, "\x1b[?1049l"));
    screen_expect_modes(&screen);
    screen_done(&screen);
}

static void stops_and_goes_on(void **state) {
    (void)state;
    for (int by_signal = 0; by_signal < 2; by_signal++) {
        Screen screen = start("plain");
        int status;
        screen_expect(&screen, "? help");
        screen_settle(&screen);
        if (by_signal)
            kill(screen.child, SIGTSTP);
        else
            screen_press(&screen, "\x1a");
        assert_int_equal(waitpid(screen.child, &status, WUNTRACED), screen.child);
        assert_true(WIFSTOPPED(status));
        screen_settle(&screen);
        assert_true(screen_seen(&screen, "\x1b[?1049l"));
        screen_expect_modes(&screen);
        screen_forget(&screen);
        kill(screen.child, SIGCONT);
        screen_expect(&screen, "A small chart");
        screen_press(&screen, "q");
        expect_left(&screen);
    }
}

static void ends_when_the_terminal_goes(void **state) {
    (void)state;
    Screen screen = start("ignore-hangup");
    screen_expect(&screen, "? help");
    close(screen.terminal);
    screen.terminal = -1;
    int status = screen_finish(&screen);
    assert_true(WIFEXITED(status));
    assert_int_equal(WEXITSTATUS(status), STATUS_FAILED);
    screen_done(&screen);
}

static void refuses_what_is_no_terminal(void **state) {
    (void)state;
    static const char *const terms[] = {"dumb", "no-such-terminal"};
    for (int i = 0; i < 2; i++) {
        Screen screen = start_as("plain", terms[i], 24, 80);
        int status = screen_finish(&screen);
        assert_true(WIFEXITED(status));
        assert_int_equal(WEXITSTATUS(status), STATUS_FAILED);
        assert_true(screen_seen(&screen, terms[i]));
        assert_false(screen_seen(&screen, "\x1b"));
        screen_expect_modes(&screen);
        screen_done(&screen);
    }
    Error err;
    Table *table = small_table(&err);
    Encoding encoding;
    assert_true(encoding_guess(table, &encoding));
    Chart *chart = chart_new(table, &encoding, &err);
    assert_false(tui_view_chart(chart, "chart", &err)); /* see main */
    assert_int_equal(err.status, STATUS_FAILED);
    chart_free(chart);
    table_free(table);
}

static void other_terminals(void **state) {
    (void)state;
    static const char *const terms[] = {"vt100", "linux", "screen-256color", "xterm"};
    for (int i = 0; i < 4; i++) {
        Screen screen = start_as("plain", terms[i], 24, 80);
        screen_expect(&screen, "help");
        screen_press(&screen, "l");
        screen_press(&screen, "q");
        int status = screen_finish(&screen);
        assert_true(WIFEXITED(status) && WEXITSTATUS(status) == 0);
        screen_expect_modes(&screen);
        screen_done(&screen);
    }
}

int main(int argc, char **argv) {
    if (argc == 2 && strcmp(argv[0], "viewer") == 0) return be_viewer(argv[1]);
    if (!freopen("/dev/null", "r", stdin)) return 99; /* whatever terminal the tests are run from is not theirs */
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(opens_draws_and_leaves),      cmocka_unit_test(can_be_opened_again),
        cmocka_unit_test(cursor_series_and_readout),   cmocka_unit_test(saves_what_is_seen),
        cmocka_unit_test(survives_a_storm_of_resizes), cmocka_unit_test(restores_when_terminated),
        cmocka_unit_test(a_cancellation_leaves),       cmocka_unit_test(quits_in_order),
        cmocka_unit_test(stops_and_goes_on),           cmocka_unit_test(ends_when_the_terminal_goes),
        cmocka_unit_test(mouse_and_all_series),        cmocka_unit_test(the_last_line_is_clean),
        cmocka_unit_test(refuses_what_is_no_terminal), cmocka_unit_test(other_terminals),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
