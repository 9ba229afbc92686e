/* prompt -- the interactive prompt on readline, with history. The only file besides complete.c that knows readline. */
#include <errno.h>
#include <stdio.h>
#include <readline/history.h>
#include <readline/readline.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "background.h"
#include "complete.h"
#include "jobs.h"
#include "output.h"
#include "script.h"
#include "session.h"
#include "signals.h"
#include "weft/base/error.h"
#include "weft/base/task.h"
#include "weft/base/text.h"
#include "weft/base/version.h"

enum { HISTORY_LINES = 10000 };

/* $WEFT_HISTFILE, else the file `history` where state is kept. */
static bool history_path(Str *out) {
    const char *file = getenv("WEFT_HISTFILE");
    if (!file) return state_path("history", out);
    str_add(out, file);
    return out->length > 0 && !out->failed;
}

static void history_start(void) {
    Str path = {0};
    using_history();
    history_comment_char = '#';
    history_write_timestamps = 1; /* several lines of one entry stay together in the file */
    history_multiline_entries = 1;
    stifle_history(HISTORY_LINES);
    if (history_path(&path)) read_history(path.text);
    str_done(&path);
}

static void history_end(void) {
    Str path = {0};
    if (history_path(&path)) {
        state_make_folders(path.text);
        mode_t old = umask(077);
        write_history(path.text);
        umask(old);
    }
    str_done(&path);
}

/* The last entry is not repeated. */
static void history_keep(const char *text) {
    if (!*text) return;
    HIST_ENTRY *last = history_length ? history_get(history_base + history_length - 1) : NULL;
    if (last && strcmp(last->line, text) == 0) return;
    add_history(text);
}

/* readline's getc, but Ctrl-C empties the line and TERM and HUP end the input. */
static int read_key(FILE *stream) {
    enum { ABORT = 7 }; /* Ctrl-G leaves a search */
    unsigned char byte;
    while (true) {
        if (cancel_level()) {
            if (RL_ISSTATE(RL_STATE_ISEARCH | RL_STATE_NSEARCH)) return ABORT;
            rl_replace_line("", 0);
            return '\n';
        }
        ssize_t got = read(fileno(stream), &byte, 1);
        if (got == 1) return byte;
        if (got == 0) return EOF;
        if (errno != EINTR) return EOF;
        rl_check_signals();
        if (signals_ending()) return EOF;
    }
}

static void welcome(const Session *session) {
    if (session->options.quiet) return;
    fprintf(
        stderr,
        "weft " WEFT_VERSION
        ": a workbench for the weights of neural networks.\nType help for a list of commands, Tab to complete, quit to exit.\n");
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
    complete_start(session);
    history_start();
    welcome(session);
    while (!session->quit && !signals_ending()) {
        cancel_clear();
        char *line = readline(reader.pending.length ? "  ... " : "weft> ");
        bool unfinished = !line && reader.pending.length > 0;
        if (unfinished && !signals_ending()) fputs("\nweft: unfinished input discarded\n", stderr);
        if (cancel_level() || unfinished) { /* what was begun is dropped */
            str_done(&reader.pending);
            str_done(&whole);
            reader.pending = whole = (Str){0};
            free(line);
            continue;
        }
        if (!line) break;
        str_addf(&whole, "%s%s", whole.length ? "\n" : "", line);
        ReaderState state = script_feed(session, &reader, line, 1, &err);
        free(line);
        if (state == READER_MORE) continue;
        if (state == READER_FAILED && err.status != STATUS_OK && !signals_ending()) output_error(session, &err);
        history_keep(str_text(&whole));
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
