/* test_ask -- asking a terminal for pictures: its answers, the keys typed meanwhile, terminals that are silent. The
 * program runs itself with an argument as the process that asks. */
#include "weft/tui.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>
#include <cmocka.h>

#include "../support/screen.h"
#include "weft/base/task.h"
#include "weft/base/text.h"

/* Prints what it found. */
static int be_asker(void) {
    Str typed = {0};
    bool late;
    unsetenv("TMUX");
    const double start = clock_seconds();
    const ChartGraphics found = tui_graphics(false, 100, &typed, &late);
    printf("found %d typed '%s'%s%s\n", (int)found, str_text(&typed), late ? " late" : "",
           clock_seconds() - start > 2 ? " slow" : "");
    str_done(&typed);
    return 0;
}

static void expect(const char *term, const char *question, const char *answer, const char *result) {
    Screen screen = screen_start("asker", "ask", term, 24, 80);
    if (question) screen_expect(&screen, question);
    if (answer) screen_type(&screen, answer);
    screen_expect(&screen, result);
    assert_int_equal(screen_finish(&screen), 0);
    screen_expect_modes(&screen);
    if (!question) assert_false(screen_seen(&screen, "\x1b[c"));
    screen_done(&screen);
}

static void answers_are_understood(void **state) {
    (void)state;
    expect("xterm-256color", "\x1b[c", "\x1b[?62;4;22c", "found 1 typed ''");
    expect("xterm-256color", "\x1b[c", "\x1b[?62;22;4c", "found 1 typed ''");
    expect("xterm-256color", "\x1b[c", "\x1b[?62;14;22c", "found 3 typed ''");
    expect("xterm-256color", "\x1b[c", "\x1b[?4;6c", "found 1 typed ''"); /* the first number, too, as mlterm had it */
    expect("xterm-kitty", "\x1b_Gi=31", "\x1b_Gi=31;OK\x1b\\\x1b[?62;c", "found 2 typed ''");
    expect("xterm-kitty", "\x1b_Gi=31", "\x1b_Gi=31;EBADF:no\x1b\\\x1b[?62;c", "found 3 typed ''");
}

static void typed_keys_are_kept(void **state) {
    (void)state;
    expect("xterm-256color", "\x1b[c", "ab\x1b[?62;4c", "found 1 typed 'ab'");
    expect("xterm-256color", "\x1b[c", "a\x1b_Gi=31;OK\x1b\\b\x1b[?62;4cdef", "found 2 typed 'ab");
}

static void silence_is_no(void **state) {
    (void)state;
    expect("xterm-256color", "\x1b[c", NULL, "found 3 typed '' late");
    expect("xterm-256color", "\x1b[c", "quit", "found 3 typed 'quit' late");
    expect("dumb", NULL, NULL, "found 3 typed ''");
    expect("linux", NULL, NULL, "found 3 typed ''");
    expect("vt100", NULL, NULL, "found 3 typed ''");
}

/* However the bytes arrive, answers and keys are told apart. */
static void every_split_is_the_same(void **state) {
    (void)state;
    static const char text[] = "x\x1b[A\x1b_Gi=31;OK\x1b\\y\x1b[?62;4;9cz";
    for (size_t length = 0; length < sizeof text; length++) {
        TerminalAnswers answers = {0};
        Str typed = {0};
        const bool whole = tui_answers(text, length, &answers, &typed);
        assert_int_equal(whole, length >= sizeof text - 2);
        if (whole) assert_true(answers.sixel && answers.kitty);
        if (length == sizeof text - 1) assert_string_equal(str_text(&typed), "x\x1b[Ayz");
        str_done(&typed);
    }
}

static void no_terminal_is_not_asked(void **state) {
    (void)state;
    Str typed = {0};
    bool late = true;
    setenv("TERM", "xterm", 1);
    assert_int_equal(tui_graphics(true, 100, &typed, &late), GRAPHICS_OFF); /* see main */
    assert_true(typed.length == 0 && !late);
}

int main(int argc, char **argv) {
    if (argc == 2 && strcmp(argv[0], "asker") == 0) return be_asker();
    if (!freopen("/dev/null", "r", stdin)) return 99; /* whatever terminal the tests are run from is not theirs */
    const struct CMUnitTest tests[] = {cmocka_unit_test(answers_are_understood), cmocka_unit_test(typed_keys_are_kept),
                                       cmocka_unit_test(silence_is_no), cmocka_unit_test(every_split_is_the_same),
                                       cmocka_unit_test(no_terminal_is_not_asked)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
