/* terminal -- the fence around ncurses: start, end, keys, signals.
 *
 * Keys come raw, so that Ctrl-C and Ctrl-Z are keys and not signals. ncurses' own signal handlers, which would stay
 * behind after the view, are replaced: by what was there before (INT, TERM), by flags that terminal_event looks at
 * (WINCH, TSTP). */
#include "tui/terminal.h"
#include "weft/base/error.h"
#include "weft/base/text.h"
#include "weft/tui.h"

#include <curses.h>
#include <langinfo.h>
#include <locale.h>
#include <errno.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <term.h>
#include <termios.h>
#include <unistd.h>

enum { HANDLERS = 4, ESCAPE_MILLISECONDS = 25 };

/* What terminal_leave puts back. Signal handlers have no context to pass: hence one static state. */
static struct {
    SCREEN *screen;
    struct sigaction handlers[HANDLERS];
    locale_t locale, locale_before;
} state;
static struct termios modes_before;
static volatile sig_atomic_t taken, resized, stopping;

static const int signals[HANDLERS] = {SIGINT, SIGTERM, SIGWINCH, SIGTSTP};

/* ---- signals ----------------------------------------------------------------------------------------------------- */

static void on_resize(int number) {
    (void)number;
    resized = 1;
}

static void on_stop(int number) {
    (void)number;
    stopping = 1;
}

static void handle(int number, void (*handler)(int)) {
    struct sigaction action;
    memset(&action, 0, sizeof action);
    action.sa_handler = handler;
    sigemptyset(&action.sa_mask);
    sigaction(number, &action, NULL);
}

/* A background process may set modes only while SIGTTOU is blocked. */
void tui_emergency_restore(void) {
    /* SGR, scroll region, keypad, mouse, bracketed paste, cursor, alternate screen */
    static const char restore[] = "\x1b[0m\x1b[r\x1b[?1l\x1b>\x1b[?1000l\x1b[?1002l\x1b[?1003l\x1b[?1006l\x1b[?2004l"
                                  "\x1b[?12l\x1b[?25h\x1b[?1049l\r\n";
    if (!taken) return;
    taken = 0;
    int saved = errno;
    sigset_t block, before;
    sigemptyset(&block);
    sigaddset(&block, SIGTTOU);
    sigprocmask(SIG_BLOCK, &block, &before);
    ssize_t written = write(STDOUT_FILENO, restore, sizeof restore - 1);
    (void)written; /* nothing more can be done */
    tcsetattr(STDIN_FILENO, TCSANOW, &modes_before);
    sigprocmask(SIG_SETMASK, &before, NULL);
    errno = saved;
}

/* ---- entering and leaving ---------------------------------------------------------------------------------------- */

/* Terminals with 24-bit colour have a second entry in terminfo (Debian: ncurses-term), in which colours are numbers
 * 0xRRGGBB: "xterm-direct" of "xterm-256color". NULL: the usual one, that of TERM. */
static const char *direct_entry(char out[64]) {
    static const char *const ends[] = {"-256color", "-truecolor", "-direct"};
    const char *name = getenv("TERM"), *depth = getenv("COLORTERM");
    int found = 0;
    if (!name || !depth || (strcmp(depth, "truecolor") != 0 && strcmp(depth, "24bit") != 0)) return NULL;
    size_t length = strlen(name);
    for (size_t i = 0; i < sizeof ends / sizeof *ends; i++) {
        const size_t end = strlen(ends[i]);
        if (length > end && strcmp(name + length - end, ends[i]) == 0) length -= end;
    }
    /* "xterm-kitty" has "kitty-direct" */
    const size_t prefix = strncmp(name, "xterm-", 6) == 0 && length > 6 ? 6 : 0;
    for (size_t skip = 0; skip <= prefix; skip += 6) {
        if (snprintf(out, 64, "%.*s-direct", (int)(length - skip), name + skip) >= 64) return NULL;
        if (setupterm(out, STDOUT_FILENO, &found) != OK) continue;
        const bool direct = tigetflag("RGB") == 1;
        del_curterm(cur_term);
        if (direct) return out;
    }
    return NULL;
}

/* Whether terminfo knows how to place the cursor on this terminal. */
static bool terminal_able(Error *err) {
    int found = 0;
    const char *name = getenv("TERM");
    if (setupterm(NULL, STDOUT_FILENO, &found) != OK) {
        return error_set(err, STATUS_FAILED, "full screen: unknown terminal type '%s'", name ? name : "");
    }
    const char *cup = tigetstr("cup");
    bool able = cup && cup != (char *)-1;
    del_curterm(cur_term);
    if (!able) return error_set(err, STATUS_FAILED, "full screen: terminal type '%s' cannot do it", name ? name : "");
    return true;
}

int tui_type_colours(void) {
    int found = 0;
    if (setupterm(NULL, STDOUT_FILENO, &found) != OK) return -1;
    const int colours = tigetnum("colors");
    del_curterm(cur_term);
    return colours < 0 ? 0 : colours;
}

bool tui_type_ascii(void) {
    const char *name = getenv("TERM");
    return strcmp(nl_langinfo(CODESET), "UTF-8") != 0 || (name && strcmp(name, "linux") == 0);
}

bool tui_clear_text(Str *out) {
    int found = 0;
    if (setupterm(NULL, STDOUT_FILENO, &found) != OK) return false;
    const char *clear = tigetstr("clear");
    const bool able = clear && clear != (char *)-1;
    for (; able && *clear; clear++) { /* without the delays of old terminals, "$<50/>" */
        const char *end = clear[0] == '$' && clear[1] == '<' ? strchr(clear, '>') : NULL;
        if (end)
            clear = end;
        else
            str_add_bytes(out, clear, 1);
    }
    del_curterm(cur_term);
    return able && !out->failed;
}

/* The window's size as the kernel knows it; curses' own guess where it does not. */
static void adopt_size(void) {
    struct winsize size;
    if (ioctl(STDOUT_FILENO, TIOCGWINSZ, &size) == 0 && size.ws_row > 0 && size.ws_col > 0) {
        resizeterm(size.ws_row, size.ws_col);
    }
}

/* Usual spellings of keys, also where TERM says others or none (tmux under TERM=xterm, say): what curses does not know
 * begins with Esc, which quits. */
static void define_keys(void) {
    static const struct {
        const char *bytes;
        int key;
    } keys[] = {{"\x1b[1~", KEY_HOME},  {"\x1b[7~", KEY_HOME},  {"\x1b[H", KEY_HOME},   {"\x1bOH", KEY_HOME},
                {"\x1b[4~", KEY_END},   {"\x1b[8~", KEY_END},   {"\x1b[F", KEY_END},    {"\x1bOF", KEY_END},
                {"\x1b[5~", KEY_PPAGE}, {"\x1b[6~", KEY_NPAGE}, {"\x1b[Z", KEY_BTAB},   {"\x1b[A", KEY_UP},
                {"\x1b[B", KEY_DOWN},   {"\x1b[C", KEY_RIGHT},  {"\x1b[D", KEY_LEFT},   {"\x1bOA", KEY_UP},
                {"\x1bOB", KEY_DOWN},   {"\x1bOC", KEY_RIGHT},  {"\x1bOD", KEY_LEFT},   {"\x1bOP", KEY_F(1)},
                {"\x1b[2~", KEY_IC},    {"\x1b[3~", KEY_DC},    {"\x1b[21~", KEY_F(10)}};
    for (size_t i = 0; i < sizeof keys / sizeof *keys; i++) define_key(keys[i].bytes, keys[i].key);
}

bool terminal_enter(Error *err) {
    if (taken) return error_set(err, STATUS_FAILED, "full screen: another view is open");
    if (!isatty(STDIN_FILENO) || !isatty(STDOUT_FILENO) || tcgetattr(STDIN_FILENO, &modes_before) != 0) {
        return error_set(err, STATUS_FAILED, "full screen: standard input or output is not a terminal");
    }
    if (!terminal_able(err)) return false;
    for (int i = 0; i < HANDLERS; i++) sigaction(signals[i], NULL, &state.handlers[i]);
    state.locale = newlocale(LC_CTYPE_MASK, "", (locale_t)0);
    state.locale_before = state.locale ? uselocale(state.locale) : (locale_t)0;
    fflush(stdout);
    resized = stopping = 0;
    taken = 1;
    char name[64];
    state.screen = newterm(direct_entry(name), stdout, stdin);
    if (!state.screen) {
        terminal_leave();
        return error_set(err, STATUS_FAILED, "full screen: the terminal could not be set up");
    }
    sigaction(SIGINT, &state.handlers[0], NULL);
    sigaction(SIGTERM, &state.handlers[1], NULL);
    handle(SIGWINCH, on_resize);
    handle(SIGTSTP, on_stop);
    set_escdelay(ESCAPE_MILLISECONDS);
    raw();
    noecho();
    nonl();
    keypad(stdscr, TRUE);
    define_keys();
    nodelay(stdscr, TRUE);
    curs_set(0);
    if (has_colors()) start_color();
    if (has_colors()) use_default_colors();
    adopt_size();
    return true;
}

/* Without an alternate screen the view stays, and the prompt comes to its last line. */
static void clear_last_line(void) {
    const char *back = tigetstr("rmcup");
    if (back && back != (char *)-1) return;
    move(LINES - 1, 0);
    clrtoeol();
    refresh();
}

void terminal_leave(void) {
    if (state.screen) {
        clear_last_line();
        endwin();
        delscreen(state.screen);
        state.screen = NULL;
    }
    tcsetattr(STDIN_FILENO, TCSADRAIN, &modes_before);
    taken = 0;
    for (int i = 0; i < HANDLERS; i++) sigaction(signals[i], &state.handlers[i], NULL);
    if (state.locale) {
        uselocale(state.locale_before);
        freelocale(state.locale);
        state.locale = (locale_t)0;
    }
}

void terminal_suspend(void) {
    stopping = 0;
    clear_last_line();
    endwin();
    tcsetattr(STDIN_FILENO, TCSADRAIN, &modes_before);
    taken = 0;
    raise(SIGSTOP);
    taken = 1;
    resized = 1; /* the window may have changed meanwhile */
    clearok(curscr, TRUE);
    refresh();
}

/* ---- abilities --------------------------------------------------------------------------------------------------- */

ChartColours terminal_colours(void) {
    const char *none = getenv("NO_COLOR");
    if ((none && *none) || !has_colors() || COLORS < 8) return COLOURS_NONE;
    if (tigetflag("RGB") == 1) return COLOURS_TRUE;
    return COLORS >= 256 ? COLOURS_256 : COLORS >= 16 ? COLOURS_16 : COLOURS_8;
}

/* ---- keys -------------------------------------------------------------------------------------------------------- */

/* What follows an Esc at once belongs to it: a key that terminfo does not know, or one typed with Alt. Read to its end,
 * so that its letters are no keys. False: the Esc stands alone. */
static bool swallow_sequence(void) {
    enum { MOST = 32 };
    wint_t key = 0;
    if (get_wch(&key) != OK) return false;
    if (key == 'O') get_wch(&key);
    if (key != '[') return true;
    for (int i = 0; i < MOST && get_wch(&key) == OK; i++)
        if (key >= 0x40 && key <= 0x7e && key != '[') break; /* "ESC [ [ A" is the Linux console's F1 */
    return true;
}

static int next_key(void) {
    wint_t key = 0;
    int kind = get_wch(&key);
    if (kind == ERR) return EVENT_NONE;
    if (kind == KEY_CODE_YES && key == KEY_RESIZE) return EVENT_RESIZE;
    if (kind == KEY_CODE_YES && key == KEY_SUSPEND) return CTRL_KEY('z'); /* TERM=linux calls it so */
    if (kind == OK && key == '\033' && swallow_sequence()) return KEY_SPECIAL;
    return kind == KEY_CODE_YES ? KEY_SPECIAL + (int)key : (int)key;
}

void terminal_mouse(void) {
    mouseinterval(0); /* presses and releases as they come: no waiting for clicks */
    mousemask(BUTTON1_PRESSED | BUTTON1_RELEASED | BUTTON3_PRESSED | BUTTON4_PRESSED | BUTTON5_PRESSED, NULL);
}

bool terminal_mouse_event(Mouse *out) {
    static const struct {
        mmask_t mask;
        MouseKind kind;
    } kinds[] = {{BUTTON4_PRESSED, MOUSE_IN},
                 {BUTTON5_PRESSED, MOUSE_OUT},
                 {BUTTON3_PRESSED, MOUSE_FIT},
                 {BUTTON1_PRESSED, MOUSE_PRESS},
                 {BUTTON1_RELEASED, MOUSE_RELEASE}};
    MEVENT event;
    if (getmouse(&event) != OK) return false;
    for (size_t i = 0; i < sizeof kinds / sizeof *kinds; i++) {
        if (!(event.bstate & kinds[i].mask)) continue;
        *out = (Mouse){kinds[i].kind, event.x, event.y};
        return true;
    }
    return false;
}

int terminal_event(int milliseconds) {
    if (stopping) terminal_suspend();
    if (resized) {
        resized = 0;
        adopt_size();
        return EVENT_RESIZE;
    }
    int key = next_key();
    if (key != EVENT_NONE) return key;
    struct pollfd input = {.fd = STDIN_FILENO, .events = POLLIN};
    int ready = poll(&input, 1, milliseconds);
    if (ready > 0 && (input.revents & (POLLHUP | POLLERR | POLLNVAL))) return EVENT_GONE;
    return EVENT_NONE;
}

/* ---- output ------------------------------------------------------------------------------------------------------ */

/* The character a text begins with; moves past it. The texts of charts are valid UTF-8. */
static wchar_t next_character(const char **text) {
    const unsigned char *bytes = (const unsigned char *)*text;
    int more = *bytes < 0xc0 ? 0 : *bytes < 0xe0 ? 1 : *bytes < 0xf0 ? 2 : 3;
    wchar_t code = more == 0 ? *bytes : *bytes & (0x3f >> more);
    for (*text += 1; more > 0 && (**text & 0xc0) == 0x80; more--, *text += 1) code = code << 6 | (**text & 0x3f);
    return code;
}

static void put_character(int y, int x, wchar_t code, attr_t attributes, int pair) {
    wchar_t text[2] = {code, L'\0'};
    cchar_t out;
    if (tui_type_ascii() && code > 0x7e) text[0] = L'?';
    if (setcchar(&out, text, attributes, (short)(pair < 256 ? pair : 0), pair < 256 ? NULL : &pair) != OK) return;
    mvadd_wch(y, x, &out);
}

/* As curses counts: the first eight numbers of direct colours, which are shades of black, are the basic colours. */
static int direct_colour(int colour) {
    if (colour < COLOUR_RGB) return colour;
    colour -= COLOUR_RGB;
    return colour > 0 && colour < 8 ? 0 : colour;
}

static void put_cell(int y, int x, const ChartCell *cell) {
    const char *glyph = cell->glyph;
    if (!*glyph) return; /* the second half of a wide character */
    const int plain = cell->foreground < 0 && cell->background < 0;
    const int pair = plain ? 0 : alloc_pair(direct_colour(cell->foreground), direct_colour(cell->background));
    put_character(y, x, next_character(&glyph), cell->bold ? A_BOLD : A_NORMAL, pair < 0 ? 0 : pair);
}

void terminal_put_grid(int y, int x, const ChartGrid *grid) {
    for (unsigned row = 0; row < grid->height; row++) {
        for (unsigned column = 0; column < grid->width; column++) {
            put_cell(y + (int)row, x + (int)column, &grid->cells[(size_t)row * grid->width + column]);
        }
    }
}

int terminal_put_text(int y, int x, const char *text, int room) {
    int used = 0;
    while (*text) {
        const char *next = text;
        char one[5] = {0};
        wchar_t code = next_character(&next);
        memcpy(one, text, (size_t)(next - text) < 5 ? (size_t)(next - text) : 4);
        int wide = (int)text_columns(one); /* term.h takes the word "columns" */
        if (used + wide > room) break;
        if (wide > 0) put_character(y, x + used, code, A_NORMAL, 0);
        used += wide;
        text = next;
    }
    return used;
}
