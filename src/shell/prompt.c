/* prompt -- the interactive prompt on readline, with history. The only file besides complete.c that knows readline. */
#include <ctype.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <poll.h>
#include <stdio.h>
#include <readline/history.h>
#include <readline/readline.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "background.h"
#include "complete.h"
#include "graphics.h"
#include "jobs.h"
#include "lesson.h"
#include "output.h"
#include "prompt.h"
#include "script.h"
#include "session.h"
#include "signals.h"
#include "weft/base/error.h"
#include "weft/base/file.h"
#include "weft/base/memory.h"
#include "weft/base/save.h"
#include "weft/base/task.h"
#include "weft/base/text.h"
#include "weft/base/version.h"
#include "weft/tui.h"

enum { HISTORY_LINES = 10000, HISTORY_LIMIT = 1 << 28 /* bytes */ };

/* Absolute, since the working folder can change; empty: no history is kept. */
static Str history_file;

/* $WEFT_HISTFILE, else the file `history` where state is kept. */
static void history_find(void) {
    const char *file = getenv("WEFT_HISTFILE");
    char here[PATH_MAX];
    bool found = file && *file;
    if (!file) found = state_path("history", &history_file);
    if (found && file && *file != '/' && getcwd(here, sizeof here)) str_addf(&history_file, "%s/", here);
    if (found && file) str_add(&history_file, file);
    if (!found || history_file.failed) str_done(&history_file);
}

static void history_start(void) {
    using_history();
    history_comment_char = '#';
    history_write_timestamps = 1; /* several lines of one entry stay together in the file */
    history_multiline_entries = 1;
    stifle_history(HISTORY_LINES);
    history_find();
    if (history_file.length) read_history(history_file.text);
}

/* Where the last HISTORY_LINES entries of the file begin; an entry begins with its time. */
static const char *history_last(const char *text) {
    size_t count = 0;
    for (const char *line = text; line; line = strchr(line, '\n'), line += line != NULL)
        count += line[0] == '#' && isdigit((unsigned char)line[1]);
    if (count <= HISTORY_LINES) return text;
    for (const char *line = text; line; line = strchr(line, '\n'), line += line != NULL)
        if (line[0] == '#' && isdigit((unsigned char)line[1]) && count-- <= HISTORY_LINES) return line;
    return text;
}

/* Other sessions have added to the file, so that it is read anew. */
static void history_end(void) {
    Error ignored;
    size_t length;
    char *text = history_file.length ? file_read_all(history_file.text, HISTORY_LIMIT, &length, &ignored) : NULL;
    const char *last = text && strlen(text) == length ? history_last(text) : text;
    if (last > text) save_text(history_file.text, true, last, strlen(last), &ignored);
    mem_free(text);
    str_done(&history_file);
}

/* One write: other sessions may append at the same time. */
static void history_append(const char *text) {
    Error ignored;
    Str entry = {0};
    str_addf(&entry, "#%lld\n%s\n", (long long)time(NULL), text);
    state_make_folders(history_file.text);
    const int fd = file_open_write(history_file.text, O_WRONLY | O_APPEND | O_CREAT, 0600, false, &ignored);
    if (fd < 0 || entry.failed || write(fd, entry.text, entry.length) < 0) errno = 0; /* a line that is not kept */
    if (fd >= 0) close(fd);
    str_done(&entry);
}

/* The last entry is not repeated. The file gets every entry at once, so that nothing typed is lost in a crash. */
static void history_keep(const char *text) {
    if (!text[strspn(text, " \t\n")]) return;
    HIST_ENTRY *last = history_length ? history_get(history_base + history_length - 1) : NULL;
    if (last && strcmp(last->line, text) == 0) return;
    add_history(text);
    if (history_file.length) history_append(text);
}

bool prompt_history(size_t most, Str *out) {
    if (!history_length) return false;
    size_t count = (size_t)history_length, first = most && count > most ? count - most : 0;
    for (size_t i = first; i < count; i++) {
        const HIST_ENTRY *entry = history_get(history_base + (int)i);
        for (const char *at = entry ? entry->line : ""; *at;) {
            size_t length = strcspn(at, "\n");
            if (at == entry->line)
                str_addf(out, "%5zu  %.*s\n", i + 1, (int)length, at);
            else
                str_addf(out, "       %.*s\n", (int)length, at);
            at += length + (at[length] == '\n');
        }
    }
    return true;
}

/* readline's callbacks take no context. */
static Session *prompting;

/* The next of the keys that were typed while the terminal was asked something. */
static bool take_typed(unsigned char *key) {
    Str *typed = &prompting->typed;
    if (typed->length == 0) return false;
    *key = (unsigned char)typed->text[0];
    memmove(typed->text, typed->text + 1, typed->length--); /* with its end */
    return true;
}

/* After a terminal did not answer in time: what begins with `byte`, without an answer in it, which
 * still counts. */
static void drop_answers(unsigned char byte) {
    enum { AT_ONCE = 20 /* ms: a sequence comes in one piece */ };
    struct pollfd input = {.fd = STDIN_FILENO, .events = POLLIN};
    char bytes[256];
    Str all = {0};
    TerminalAnswers answers = {0};
    str_add_bytes(&all, (const char *)&byte, 1);
    while (poll(&input, 1, AT_ONCE) == 1) {
        const ssize_t got = read(STDIN_FILENO, bytes, sizeof bytes);
        if (got <= 0) break;
        str_add_bytes(&all, bytes, (size_t)got);
    }
    if (tui_answers(str_text(&all), all.length, &answers, &prompting->typed)) {
        prompting->answers_late = false;
        if (!tui_in_tmux()) prompting->graphics = tui_answered(&answers);
    }
    str_done(&all);
}

/* readline's getc, but Ctrl-C empties the line and TERM and HUP end the input. */
static int read_key(FILE *stream) {
    enum { ABORT = 7 }; /* Ctrl-G leaves a search */
    unsigned char byte;
    if (take_typed(&byte)) return byte;
    while (true) {
        if (cancel_level()) {
            if (RL_ISSTATE(RL_STATE_ISEARCH | RL_STATE_NSEARCH)) return ABORT;
            if (strchr(rl_line_buffer, '\n')) history_keep(rl_line_buffer); /* a whole chunk is not lost */
            rl_replace_line("", 0);
            rl_crlf(); /* readline stands on the text's last line, but has forgotten that there were several */
            rl_on_new_line();
            return '\n';
        }
        struct pollfd typed = {.fd = fileno(stream), .events = POLLIN}; /* every signal ends the wait */
        const bool waited = poll(&typed, 1, -1) >= 0 || errno != EINTR;
        ssize_t got = waited ? read(fileno(stream), &byte, 1) : -1;
        if (got == 1 && byte == '\033' && prompting->answers_late) {
            drop_answers(byte);
            if (take_typed(&byte)) return byte;
            continue;
        }
        if (got == 1) return byte;
        if (got == 0) return EOF;
        if (errno != EINTR) return EOF;
        rl_check_signals();
        if (signals_ending()) return EOF;
        if (signals_continued()) rl_forced_update_display();
    }
}

/* ---- chunks of several lines ------------------------------------------------------------------------------------- */

/* readline's callbacks take no context. */
static const Reader *unfinished;

/* The start of the line of the text that holds `at`. */
static int line_start(int at) {
    while (at > 0 && rl_line_buffer[at - 1] != '\n') at--;
    return at;
}

static int line_end(int at) {
    while (at < rl_end && rl_line_buffer[at] != '\n') at++;
    return at;
}

static int insert_line(int count, int key) {
    (void)count;
    (void)key;
    int start = line_start(rl_point), blanks = 0;
    while (start + blanks < rl_point && rl_line_buffer[start + blanks] == ' ') blanks++;
    rl_insert_text("\n");
    for (int i = 0; i < blanks; i++) rl_insert_text(" ");
    return 0;
}

/* Enter: a chunk that is not complete goes on on a new line of the same text, so that all of it can be edited. */
static int accept_chunk(int count, int key) {
    if (!cancel_level() && *rl_line_buffer && script_open(prompting, unfinished, rl_line_buffer))
        return insert_line(count, key);
    rl_point = rl_end; /* what is printed next begins below the text */
    return rl_newline(count, key);
}

/* Up and down move inside a text of several lines, and at its ends through the history. */
static int go_up(int count, int key) {
    int start = line_start(rl_point);
    if (start == 0) return rl_get_previous_history(count, key);
    int above = line_start(start - 1), column = rl_point - start;
    rl_point = above + column < start - 1 ? above + column : start - 1;
    return 0;
}

static int go_down(int count, int key) {
    int end = line_end(rl_point);
    if (end == rl_end) return rl_get_next_history(count, key);
    int column = rl_point - line_start(rl_point), below = end + 1, last = line_end(below);
    rl_point = below + column < last ? below + column : last;
    return 0;
}

/* Home and End: of the line, and from there of the whole text. */
static int go_start(int count, int key) {
    (void)count;
    (void)key;
    const int start = line_start(rl_point);
    rl_point = start < rl_point ? start : 0;
    return 0;
}

static int go_end(int count, int key) {
    (void)count;
    (void)key;
    const int end = line_end(rl_point);
    rl_point = end > rl_point ? end : rl_end;
    return 0;
}

/* Gives keys another function where they have readline's own: what ~/.inputrc says stays. */
static void rebind(rl_command_func_t *from, rl_command_func_t *to, const char *const *keys) {
    Keymap maps[] = {rl_get_keymap_by_name("emacs"), rl_get_keymap_by_name("vi-insert")};
    for (size_t m = 0; m < sizeof maps / sizeof *maps; m++)
        for (const char *const *key = keys; *key; key++) {
            int type = 0;
            rl_command_func_t *own = rl_function_of_keyseq(*key, maps[m], &type);
            if (type == ISFUNC && (own == from || !own)) rl_bind_keyseq_in_map(*key, to, maps[m]);
        }
}

/* Only where the terminal can show a text of several lines; elsewhere each line has its own prompt. */
static void edit_chunks(void) {
    static const char *const enter[] = {"\r", "\n", NULL}, *const open[] = {"\033\r", "\033\n", NULL};
    static const char *const home[] = {"\033[H", "\033OH", "\033[1~", "\001", NULL};
    static const char *const end[] = {"\033[F", "\033OF", "\033[4~", "\005", NULL};
    static const char *const up[] = {"\033[A", "\033OA", "\020", NULL}, *const down[] = {"\033[B", "\033OB", "\016",
                                                                                         NULL};
    rl_initialize();
    const char *horizontal = rl_variable_value("horizontal-scroll-mode"), *term = getenv("TERM");
    if (!term || !*term || strcmp(term, "dumb") == 0 || (horizontal && strcmp(horizontal, "on") == 0)) return;
    rebind(rl_newline, accept_chunk, enter);
    rebind(NULL, insert_line, open);
    rebind(rl_get_previous_history, go_up, up);
    rebind(rl_get_next_history, go_down, down);
    rebind(rl_beg_of_line, go_start, home);
    rebind(rl_end_of_line, go_end, end);
}

/* Lines with something on them. */
static size_t count_lines(const char *text) {
    size_t lines = 0;
    for (text += strspn(text, " \t\n"); *text; text += strspn(text, " \t\n")) {
        text += strcspn(text, "\n");
        lines++;
    }
    return lines;
}

/* Runs what was entered, several lines (pasted, or a chunk) as those of a script: an error ends it. */
static ReaderState run_entered(Session *session, Reader *reader, const char *text, Error *err) {
    ReaderState state = READER_DONE;
    const bool several = strchr(text, '\n') != NULL;
    session->source = several ? "input" : NULL;
    for (int number = 1; *text && state != READER_FAILED && !session->quit && !signals_ending(); number++) {
        size_t length = strcspn(text, "\n");
        Str line = {0};
        str_add_bytes(&line, text, length);
        state = str_ok(&line, err) ? lesson_feed(session, reader, str_text(&line), number, err) : READER_FAILED;
        str_done(&line);
        text += length + (text[length] == '\n');
    }
    if (state == READER_FAILED && err->status != STATUS_OK && !signals_ending()) {
        output_error(session, err);
        const size_t left = count_lines(text);
        if (left) fprintf(stderr, "weft: %zu further line%s did not run\n", left, left == 1 ? "" : "s");
    }
    session->source = NULL;
    return state;
}

static void welcome(const Session *session) {
    if (session->options.quiet || lesson_active(session)) return;
    Str text = {0};
    str_add_wrapped(&text, "weft " WEFT_VERSION ": a workbench for the weights of neural networks.", 0, 0,
                    output_error_columns());
    str_add(&text, "\n");
    str_add_wrapped(&text,
                    "Type lesson first to learn weft in five minutes, help for a list of commands, help start for a "
                    "first session, Tab to complete, quit to exit.",
                    0, 0, output_error_columns());
    fprintf(stderr, "%s\n", str_text(&text));
    str_done(&text);
}

static const char *prompt_text(const Session *session, const Reader *reader) {
    const char *lesson = lesson_prompt(session);
    return reader->pending.length ? "  ... " : lesson ? lesson : "weft> ";
}

Status session_prompt(Session *session) {
    Reader reader = {0};
    Error err;
    Str whole = {0};
    session->options.interactive = true;
    session->source = NULL;
    rl_readline_name = "weft";
    rl_outstream = stderr;
    rl_getc_function = read_key;
    prompting = session;
    unfinished = &reader;
    complete_start(session);
    history_start();
    edit_chunks();
    welcome(session);
    graphics_ask(session);
    while (!session->quit && !signals_ending()) {
        cancel_clear();
        signals_continued();
        char *line = readline(prompt_text(session, &reader));
        bool dropped = !line && reader.pending.length > 0;
        if (dropped && !signals_ending()) fputs("\nweft: unfinished input discarded\n", stderr);
        if (cancel_level() || dropped) { /* what was begun is dropped, but for its place in the history */
            history_keep(str_text(&whole));
            str_done(&reader.pending);
            str_done(&whole);
            reader.pending = whole = (Str){0};
            free(line);
            continue;
        }
        if (!line) break;
        const char *meant = lesson_line(session, &reader, line);
        Str text = {0}; /* what a lesson proposes may go with the step that it ends */
        str_add(&text, meant);
        str_addf(&whole, "%s%s", whole.length ? "\n" : "", meant);
        const bool enter = meant != line && lesson_command(meant); /* next, check: not worth recalling */
        if (!enter && !script_open(session, &reader, meant)) history_keep(str_text(&whole));
        ReaderState state = run_entered(session, &reader, str_text(&text), &err);
        str_done(&text);
        free(line);
        if (state == READER_MORE) continue;
        str_done(&whole);
        whole = (Str){0};
    }
    if (!session->quit && !signals_ending()) fputs("\n", stderr);
    if (!signals_ending()) background_farewell(session);
    history_end();
    str_done(&reader.pending);
    str_done(&whole);
    return STATUS_OK;
}
