/* test_viewer -- the chart viewer in a pseudo-terminal: keys, resizing, suspending, and the terminal as it was on every
 * way out. The program runs itself with an argument as the viewer's process. */
#include "weft/tui.h"

#include <dlfcn.h>
#include <math.h>
#include <poll.h>
#include <pty.h>
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
#include <utmp.h>
#include <unistd.h>
#include <cairo.h>
#include <cmocka.h>

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
    bool ok = tui_view_chart(chart, &err);
    if (ok && strcmp(how, "twice") == 0) ok = tui_view_chart(chart, &err);
    chart_free(chart);
    printf("%s\n", ok ? "left normally" : err.text);
    void (*finish)(void);
    cairo_debug_reset_static_data();
    *(void **)&finish = dlsym(RTLD_DEFAULT, "FcFini");
    if (finish) finish();
    return ok ? 0 : (int)err.status;
}

/* ---- the terminal's side ----------------------------------------------------------------------------------------- */

typedef struct Session {
    int terminal; /* the master's side */
    pid_t child;
    struct termios before;
    char *output; /* everything since the last expect */
    size_t length, capacity;
} Session;

static Session start_as(const char *how, const char *term, unsigned short rows, unsigned short columns) {
    Session session = {0};
    struct winsize size = {.ws_row = rows, .ws_col = columns};
    int slave;
    assert_int_equal(openpty(&session.terminal, &slave, NULL, NULL, &size), 0);
    assert_int_equal(tcgetattr(slave, &session.before), 0);
    session.child = fork();
    if (session.child == 0) {
        close(session.terminal);
        login_tty(slave);
        setenv("TERM", term, 1);
        setenv("LC_ALL", "C.UTF-8", 1);
        unsetenv("NO_COLOR");
        execl("/proc/self/exe", "viewer", how, (char *)NULL);
        _exit(98);
    }
    close(slave);
    return session;
}

static Session start(const char *how) {
    return start_as(how, "xterm-256color", 24, 80);
}

/* Takes in what has been written; false at the end of it or after `milliseconds` of silence. */
static bool take(Session *session, int milliseconds) {
    struct pollfd input = {.fd = session->terminal, .events = POLLIN};
    Error err;
    if (poll(&input, 1, milliseconds) <= 0) return false;
    assert_true(mem_grow(&session->output, &session->capacity, session->length + 65537, 1, &err));
    ssize_t got = read(session->terminal, session->output + session->length, 65536);
    if (got <= 0) return false;
    session->length += (size_t)got;
    session->output[session->length] = '\0';
    return true;
}

static bool seen(const Session *session, const char *text) {
    return session->output && memmem(session->output, session->length, text, strlen(text));
}

static void expect(Session *session, const char *text) {
    for (int i = 0; i < 200 && !seen(session, text); i++) take(session, 100);
    if (!seen(session, text)) fail_msg("'%s' was not shown, but: %s", text, session->output ? session->output : "");
}

/* Until nothing more comes. */
static void settle(Session *session) {
    while (take(session, 60)) {
    }
}

static void forget(Session *session) {
    session->length = 0;
}

static void type(Session *session, const char *keys) {
    assert_int_equal(write(session->terminal, keys, strlen(keys)), (ssize_t)strlen(keys));
}

/* Keys one after the other, as a person types them: an escape sequence is one key. */
static void press(Session *session, const char *key) {
    type(session, key);
    settle(session);
}

static bool same_modes(const struct termios *a, const struct termios *b) {
    return a->c_iflag == b->c_iflag && a->c_oflag == b->c_oflag && a->c_cflag == b->c_cflag &&
           a->c_lflag == b->c_lflag && memcmp(a->c_cc, b->c_cc, sizeof a->c_cc) == 0;
}

static void expect_modes_as_before(const Session *session) {
    struct termios now;
    assert_int_equal(tcgetattr(session->terminal, &now), 0);
    assert_true(same_modes(&session->before, &now));
}

/* Collects the rest and the exit status; gives up after twenty seconds. */
static int finish(Session *session) {
    int status = 0;
    pid_t ended = 0;
    for (int i = 0; i < 400 && ended == 0; i++) {
        if (session->terminal < 0 || !take(session, 50)) usleep(20000);
        ended = waitpid(session->child, &status, WNOHANG);
    }
    if (ended == 0) {
        kill(session->child, SIGKILL);
        waitpid(session->child, &status, 0);
        fail_msg("the viewer did not end");
    }
    if (session->terminal >= 0) settle(session);
    return status;
}

static void done(Session *session) {
    if (session->terminal >= 0) close(session->terminal);
    mem_free(session->output);
}

static void expect_left(Session *session) {
    int status = finish(session);
    if (!WIFEXITED(status) || WEXITSTATUS(status) != 0) fail_msg("status %x: %s", (unsigned)status, session->output);
    assert_true(seen(session, "\x1b[?1049l"));
    assert_true(seen(session, "left normally"));
    expect_modes_as_before(session);
    done(session);
}

/* ---- tests ------------------------------------------------------------------------------------------------------- */

static void opens_draws_and_leaves(void **state) {
    (void)state;
    static const char *const leaving[] = {"q", "\x1b", "\x1b[21~", "\x03"};
    for (size_t i = 0; i < sizeof leaving / sizeof *leaving; i++) {
        Session session = start("plain");
        expect(&session, "A small chart");
        expect(&session, "? help");
        assert_true(seen(&session, "\x1b[?1049h"));
        struct termios raw;
        assert_int_equal(tcgetattr(session.terminal, &raw), 0);
        assert_false(same_modes(&session.before, &raw));
        press(&session, leaving[i]);
        expect_left(&session);
    }
}

static void can_be_opened_again(void **state) {
    (void)state;
    Session session = start("twice");
    expect(&session, "? help");
    press(&session, "q");
    expect(&session, "\x1b[?1049h");
    settle(&session);
    press(&session, "\x1a"); /* the second view must stop and go on, too */
    int status;
    assert_int_equal(waitpid(session.child, &status, WUNTRACED), session.child);
    assert_true(WIFSTOPPED(status));
    expect_modes_as_before(&session);
    kill(session.child, SIGCONT);
    settle(&session);
    press(&session, "q");
    expect_left(&session);
}

static void cursor_series_and_readout(void **state) {
    (void)state;
    Session session = start("plain");
    expect(&session, "? help");
    forget(&session);
    press(&session, "gg\x0c");         /* Ctrl-L: all of it again, not only what changed */
    expect(&session, "first 10.575%"); /* 90 (1 - exp(-1/8)) */
    press(&session, "\t\x0c");
    expect(&session, "second 6.396%"); /* 80 (1 - exp(-1/12)) */
    press(&session, "G\x0c");
    expect(&session, "second 77.146%");
    press(&session, "?");
    expect(&session, "zoom in about the cursor");
    press(&session, "q");
    press(&session, "L");
    expect(&session, "log y");
    press(&session, "~");
    expect(&session, "not a key here");
    static const char *const keys[] = {"+",         "+",      "<",      ">",      "\x1b[1;2D", "\x1b[1;2C", "\x1b[1;2A",
                                       "\x1b[1;2B", "-",      "_",      "h",      "l",         "j",         "k",
                                       "\x1bOD",    "\x1bOC", "\x1bOA", "\x1bOB", "\x1b[5~",   "\x1b[6~"};
    for (size_t i = 0; i < sizeof keys / sizeof *keys; i++) type(&session, keys[i]);
    settle(&session);
    press(&session, "q");
    expect_left(&session);
}

static void saves_what_is_seen(void **state) {
    (void)state;
    char path[] = "/tmp/weft-viewer-XXXXXX.svg", keys[64];
    int file = mkstemps(path, 4);
    assert_true(file >= 0);
    close(file);
    Session session = start("plain");
    expect(&session, "? help");
    press(&session, "s");
    expect(&session, "save as");
    press(&session, "\x15");
    snprintf(keys, sizeof keys, "%sxx", path);
    press(&session, keys);
    press(&session, "\x7f\x7f\r");
    expect(&session, "overwrite");
    press(&session, "n\r");
    expect(&session, "not saved");
    press(&session, "s");
    press(&session, "\r");
    press(&session, "y\r");
    expect(&session, "saved /tmp/weft-viewer-");
    press(&session, "s");
    press(&session, "\x15/nowhere/x.txt\r");
    expect(&session, "charts are saved as .svg, .png or .pdf");
    press(&session, "s");
    press(&session, "\x1b");
    press(&session, "q");
    expect_left(&session);
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
    Session session = start_as("plain", "xterm-256color", 1, 1);
    unsigned random = 1;
    settle(&session);
    for (int i = 0; i < 200; i++) {
        random = random * 1103515245u + 12345u;
        struct winsize size = {.ws_row = (unsigned short)(1 + (random >> 16) % 60),
                               .ws_col = (unsigned short)(1 + (random >> 8) % 200)};
        if (i % 5 == 0) size = (struct winsize){.ws_row = 1, .ws_col = 1};
        assert_int_equal(ioctl(session.terminal, TIOCSWINSZ, &size), 0);
        type(&session, i % 7 == 0 ? "?q" : i % 3 == 0 ? "sx\x03" : i % 2 ? "l" : "+");
        if (i % 10 == 0) settle(&session);
    }
    struct winsize size = {.ws_row = 30, .ws_col = 100};
    ioctl(session.terminal, TIOCSWINSZ, &size);
    settle(&session);
    forget(&session);
    press(&session, "\x0c");
    expect(&session, "A small chart");
    press(&session, "q");
    expect_left(&session);
}

static void restores_when_terminated(void **state) {
    (void)state;
    static const char restore[] =
        "\x1b[?1000l\x1b[?1002l\x1b[?1003l\x1b[?1006l\x1b[?2004l\x1b[?12l\x1b[?25h\x1b[?1049l";
    static const int signals[] = {SIGTERM, SIGSEGV};
    for (int i = 0; i < 2; i++) {
        Session session = start("restore");
        expect(&session, "? help");
        kill(session.child, signals[i]);
        int status = finish(&session);
        assert_true(WIFSIGNALED(status));
        assert_int_equal(WTERMSIG(status), signals[i]);
        assert_true(seen(&session, restore));
        expect_modes_as_before(&session);
        done(&session);
    }
}

static void a_cancellation_leaves(void **state) {
    (void)state;
    Session session = start("cancel");
    expect(&session, "? help");
    kill(session.child, SIGINT);
    int status = finish(&session);
    assert_true(WIFEXITED(status));
    assert_int_equal(WEXITSTATUS(status), STATUS_CANCELLED);
    assert_true(seen(&session, "\x1b[?1049l"));
    expect_modes_as_before(&session);
    done(&session);
}

static void quits_in_order(void **state) {
    (void)state;
    Session session = start("plain");
    expect(&session, "? help");
    press(&session, "\x1c");
    int status = finish(&session);
    assert_true(WIFSIGNALED(status));
    assert_int_equal(WTERMSIG(status), SIGQUIT);
    assert_true(seen(&session, "\x1b[?1049l"));
    expect_modes_as_before(&session);
    done(&session);
}

static void stops_and_goes_on(void **state) {
    (void)state;
    for (int by_signal = 0; by_signal < 2; by_signal++) {
        Session session = start("plain");
        int status;
        expect(&session, "? help");
        settle(&session);
        if (by_signal)
            kill(session.child, SIGTSTP);
        else
            press(&session, "\x1a");
        assert_int_equal(waitpid(session.child, &status, WUNTRACED), session.child);
        assert_true(WIFSTOPPED(status));
        settle(&session);
        assert_true(seen(&session, "\x1b[?1049l"));
        expect_modes_as_before(&session);
        forget(&session);
        kill(session.child, SIGCONT);
        expect(&session, "A small chart");
        press(&session, "q");
        expect_left(&session);
    }
}

static void ends_when_the_terminal_goes(void **state) {
    (void)state;
    Session session = start("ignore-hangup");
    expect(&session, "? help");
    close(session.terminal);
    session.terminal = -1;
    int status = finish(&session);
    assert_true(WIFEXITED(status));
    assert_int_equal(WEXITSTATUS(status), STATUS_FAILED);
    done(&session);
}

static void refuses_what_is_no_terminal(void **state) {
    (void)state;
    static const char *const terms[] = {"dumb", "no-such-terminal"};
    for (int i = 0; i < 2; i++) {
        Session session = start_as("plain", terms[i], 24, 80);
        int status = finish(&session);
        assert_true(WIFEXITED(status));
        assert_int_equal(WEXITSTATUS(status), STATUS_FAILED);
        assert_true(seen(&session, terms[i]));
        assert_false(seen(&session, "\x1b"));
        expect_modes_as_before(&session);
        done(&session);
    }
    Error err;
    Table *table = small_table(&err);
    Encoding encoding;
    assert_true(encoding_guess(table, &encoding));
    Chart *chart = chart_new(table, &encoding, &err);
    assert_false(tui_view_chart(chart, &err)); /* see main */
    assert_int_equal(err.status, STATUS_FAILED);
    chart_free(chart);
    table_free(table);
}

static void other_terminals(void **state) {
    (void)state;
    static const char *const terms[] = {"vt100", "linux", "screen-256color", "xterm"};
    for (int i = 0; i < 4; i++) {
        Session session = start_as("plain", terms[i], 24, 80);
        expect(&session, "help");
        press(&session, "l");
        press(&session, "q");
        int status = finish(&session);
        assert_true(WIFEXITED(status) && WEXITSTATUS(status) == 0);
        expect_modes_as_before(&session);
        done(&session);
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
        cmocka_unit_test(refuses_what_is_no_terminal), cmocka_unit_test(other_terminals),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
