/* ask -- which pictures a terminal shows: it is asked, and what the user types meanwhile is kept.
 *
 * Primary device attributes (DA1, ESC [ c) are answered by every terminal since the VT100: ESC [ ? ... c, where 4
 * stands for sixel. kitty's own question (ESC _G a=q) is answered only by terminals that know its protocol; DA1, sent
 * after it, ends the wait. tmux answers DA1 for itself; what is behind it, tmux tells. */
#include "weft/base/task.h"
#include "weft/base/text.h"
#include "weft/tui.h"

#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <termios.h>
#include <unistd.h>

enum { READ_MOST = 4096 };

/* ---- what was read ----------------------------------------------------------------------------------------------- */

/* Where an answer that begins here ends: after `last`; 0: it is not whole. */
static size_t answer_end(const char *text, size_t length, const char *last) {
    const char *end = memmem(text, length, last, strlen(last));
    return end ? (size_t)(end - text) + strlen(last) : 0;
}

/* "?62;4;22": whether one of the numbers is 4, sixel graphics. */
static bool has_sixel(const char *numbers, size_t length) {
    for (const char *at = numbers; at < numbers + length; at++)
        if (*at == '4' && (at[-1] == ';' || at[-1] == '?') && (at[1] == ';' || at[1] == 'c')) return true;
    return false;
}

bool tui_answers(const char *text, size_t length, TerminalAnswers *answers, Str *typed) {
    answers->whole = false;
    for (size_t i = 0, size; i < length; i += size) {
        const char *at = text + i;
        const size_t left = length - i;
        size = 1;
        if (left >= 3 && memcmp(at, "\x1b[?", 3) == 0) {
            const size_t numbers = 3 + strspn(at + 3, "0123456789;");
            if (numbers < left && at[numbers] == 'c') {
                answers->sixel = has_sixel(at + 3, numbers - 3);
                answers->whole = true;
                size = numbers + 1;
                continue;
            }
        }
        if (left >= 3 && memcmp(at, "\x1b_G", 3) == 0 && (size = answer_end(at, left, "\x1b\\")) > 0) {
            answers->kitty = memmem(at, size, ";OK", 3) != NULL;
            continue;
        }
        size = 1;
        str_add_bytes(typed, at, 1);
    }
    return answers->whole;
}

ChartGraphics tui_answered(const TerminalAnswers *answers) {
    return answers->kitty ? GRAPHICS_KITTY : answers->sixel ? GRAPHICS_SIXEL : GRAPHICS_OFF;
}

/* ---- asking ------------------------------------------------------------------------------------------------------ */

static bool starts(const char *text, const char *with) {
    return strncmp(text, with, strlen(with)) == 0;
}

/* Terminals without pictures, of which some print what they do not know. */
static bool known_to_have_none(const char *term) {
    return !*term || strcmp(term, "dumb") == 0 || starts(term, "linux") || starts(term, "vt1") || starts(term, "vt2") ||
           starts(term, "ansi") || starts(term, "cons");
}

/* Reads until the answer to DA1, or until the patience ends. A terminal that does not echo must be given back as it
 * was: nothing between the two tcsetattr can fail. */
static void ask(const char *question, unsigned patience, Str *read_bytes, TerminalAnswers *answers) {
    struct termios before, quiet;
    char bytes[READ_MOST];
    if (tcgetattr(STDIN_FILENO, &before) != 0) return;
    quiet = before;
    quiet.c_lflag &= ~(tcflag_t)(ICANON | ECHO); /* signals stay: Ctrl-C is still one */
    quiet.c_cc[VMIN] = 0;
    quiet.c_cc[VTIME] = 0;
    if (tcsetattr(STDIN_FILENO, TCSANOW, &quiet) != 0) return;
    const double end = clock_seconds() + patience / 1e3;
    if (write(STDOUT_FILENO, question, strlen(question)) == (ssize_t)strlen(question)) {
        for (double left; !answers->whole && (left = end - clock_seconds()) > 0;) {
            struct pollfd input = {.fd = STDIN_FILENO, .events = POLLIN};
            if (poll(&input, 1, (int)(1e3 * left) + 1) <= 0) continue;
            const ssize_t got = read(STDIN_FILENO, bytes, sizeof bytes);
            if (got <= 0) break;
            Str typed = {0};
            str_add_bytes(read_bytes, bytes, (size_t)got);
            tui_answers(str_text(read_bytes), read_bytes->length, answers, &typed);
            str_done(&typed);
        }
    }
    tcsetattr(STDIN_FILENO, TCSANOW, &before);
}

/* What tmux says of its options and of the terminal that shows it; false if it does not in time. */
static bool ask_tmux(char out[256]) {
    FILE *pipe = popen("timeout 0.1 tmux display-message -p '#{allow-passthrough} #{client_termname} "
                       "#{client_termtype} #{client_termfeatures}' 2>/dev/null",
                       "re");
    const bool said = pipe && fgets(out, 256, pipe);
    if (pipe) pclose(pipe);
    return said;
}

/* tmux passes sixel on where its terminal has it, and kitty's pieces where its user allows that. */
static ChartGraphics behind_tmux(const TerminalAnswers *answers) {
    char said[256];
    if (!ask_tmux(said)) return GRAPHICS_OFF;
    if (answers->sixel && strstr(said, "sixel")) return GRAPHICS_SIXEL;
    const bool passes = starts(said, "on ") || starts(said, "all ") || starts(said, "1 ");
    return passes && (strstr(said, "kitty") || strstr(said, "ghostty")) ? GRAPHICS_KITTY : GRAPHICS_OFF;
}

ChartGraphics tui_graphics(bool processes, unsigned patience, Str *typed, bool *late) {
    const char *term = getenv("TERM");
    const bool tmux = tui_in_tmux(), screen = !tmux && term && starts(term, "screen");
    TerminalAnswers answers = {0};
    Str text = {0};
    *late = false;
    if (!term || known_to_have_none(term) || screen || (tmux && !processes)) return GRAPHICS_OFF;
    if (!isatty(STDIN_FILENO) || !isatty(STDOUT_FILENO)) return GRAPHICS_OFF;
    if (tcgetpgrp(STDIN_FILENO) != getpgrp()) return GRAPHICS_OFF; /* asking would stop a background process */
    ask(tmux ? "\x1b[c" : "\x1b_Gi=31,s=1,v=1,a=q,t=d,f=24;AAAA\x1b\\\x1b[c", patience, &text, &answers);
    tui_answers(str_text(&text), text.length, &answers, typed);
    str_done(&text);
    *late = !answers.whole;
    if (tmux) return behind_tmux(&answers);
    return tui_answered(&answers);
}

bool tui_in_tmux(void) {
    const char *tmux = getenv("TMUX");
    return tmux && *tmux;
}
