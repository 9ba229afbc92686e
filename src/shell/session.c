/* session -- starts and ends sessions, runs texts and files in them. */
#include "architectures.h"
#include "lesson.h"
#include "lua_shell.h"
#include "output.h"
#include "script.h"
#include "session.h"
#include "signals.h"
#include "words.h"
#include "workspace.h"

#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "weft/base/confine.h"
#include "weft/base/error.h"
#include "weft/base/file.h"
#include "weft/base/memory.h"
#include "weft/base/random.h"
#include "weft/base/task.h"
#include "weft/base/text.h"

enum { SCRIPT_LIMIT = 16 << 20 }; /* bytes */

Session *session_new(const SessionOptions *options, Error *err) {
    if (options->safe && !confine(err)) return NULL; /* of the process: it stays when the session ends */
    architecture_folder_set();
    Session *session = mem_alloc(1, sizeof *session, err);
    if (!session) return NULL;
    session->options = *options;
    session->seed = options->seed;
    session->random = (Rng){.seed = session->seed};
    output_start(session);
    if (!lua_start(session, err)) {
        session_free(session);
        return NULL;
    }
    return session;
}

void session_free(Session *session) {
    if (!session) return;
    lesson_end(session);
    lua_stop(session);
    workspace_clear(session);
    for (size_t i = 0; i < session->done_count; i++) mem_free(session->done[i]);
    mem_free(session->done);
    mem_free(session->record_path);
    mem_free(session->folder_before);
    words_done(&session->background);
    str_done(&session->typed);
    mem_free(session);
}

int session_exit_status(const Session *session) {
    if (signals_ending()) return 128 + signals_ending();
    return session->quit ? session->quit_status : STATUS_OK;
}

/* Where the lines of a script come from: a text, or standard input, of which a line is taken only when the one before
 * has run. */
typedef struct Source {
    const char *text; /* NULL: standard input */
    bool ended;
} Source;

/* The next line without its end; where there is none, `ended` is set. */
static bool next_line(Source *source, Str *line, Error *err) {
    if (source->text) {
        size_t length = strcspn(source->text, "\n");
        source->ended = !*source->text;
        str_add_bytes(line, source->text, length);
        source->text += length + (source->text[length] == '\n');
        return str_ok(line, err);
    }
    int byte;
    while ((byte = getc(stdin)) != EOF && byte != '\n') {
        char one = (char)byte;
        if (!one) return error_set(err, STATUS_BAD_INPUT, "standard input: NUL bytes in a script");
        if (line->length >= SCRIPT_LIMIT) return error_set(err, STATUS_LIMIT, "standard input: the line is too long");
        str_add_bytes(line, &one, 1);
    }
    if (cancel_level()) return error_set(err, STATUS_CANCELLED, "interrupted");
    source->ended = byte == EOF && !line->length;
    return str_ok(line, err);
}

/* A line, or the command of several lines that a lesson proposes for an empty one. */
static bool feed_line(Session *session, Reader *reader, const char *text, int number, Error *err) {
    bool ok = true;
    do {
        Str line = {0};
        const size_t length = strcspn(text, "\n");
        str_add_bytes(&line, text, length);
        ok = str_ok(&line, err) && lesson_feed(session, reader, str_text(&line), number, err) != READER_FAILED;
        str_done(&line);
        text += length + (text[length] == '\n');
    } while (ok && *text);
    return ok;
}

static bool run_line(Session *session, Reader *reader, Source *source, int number, Error *err) {
    Str line = {0};
    session->line = number;
    bool ok = cancel_level() == 0 || error_set(err, STATUS_CANCELLED, "interrupted");
    ok = ok && next_line(source, &line, err);
    if (ok && !source->ended) {
        const char *text = str_text(&line);
        if (number == 1 && strncmp(text, "\xEF\xBB\xBF", 3) == 0) text += 3; /* a byte-order mark */
        ok = feed_line(session, reader, source->text ? text : lesson_line(session, reader, text), number, err);
    }
    str_done(&line);
    return ok;
}

static bool run_lines(Session *session, const char *text, Error *err) {
    Reader reader = {0};
    Source source = {.text = text};
    bool ok = true;
    for (int number = 1; ok && !source.ended && !session->quit && !signals_ending(); number++)
        ok = run_line(session, &reader, &source, number, err);
    if (ok && !session->quit && !signals_ending()) ok = script_end(session, &reader, err);
    str_done(&reader.pending);
    return ok || err->status == STATUS_OK;
}

Status session_run_text(Session *session, const char *name, const char *text) {
    const char *outer = session->source;
    int outer_line = session->line;
    Error err;
    session->source = name;
    bool ok = run_lines(session, text, &err);
    if (!ok && !signals_ending()) output_error(session, &err);
    session->source = outer;
    session->line = outer_line;
    return ok ? STATUS_OK : err.status;
}

/* The text of a script; NULL with *err. */
static char *read_script(const char *path, Error *err) {
    size_t length;
    char *text = file_read_all(path, SCRIPT_LIMIT, &length, err);
    if (!text || strlen(text) == length) return text;
    error_set(err, STATUS_BAD_INPUT, "%s: NUL bytes; not a script", path);
    mem_free(text);
    return NULL;
}

Status session_run_file(Session *session, const char *path) {
    if (strcmp(path, "-") == 0) return session_run_text(session, "stdin", NULL);
    Error err;
    char *text = read_script(path, &err);
    if (!text) {
        output_error(session, &err);
        return err.status;
    }
    Status status = session_run_text(session, path, text);
    mem_free(text);
    return status;
}

bool session_source(Session *session, const char *path, Error *err) {
    enum { DEPTH_MOST = 25 };
    if (session->lua_depth)
        return error_set(err, STATUS_USAGE,
                         "source reads command lines, which cannot run inside Lua; use dofile there");
    if (session->source_depth >= DEPTH_MOST)
        return error_set(err, STATUS_LIMIT, "%s: scripts source each other more than %d deep", path, DEPTH_MOST);
    char *text = read_script(path, err);
    if (!text) return false;
    const char *outer = session->source;
    int outer_line = session->line;
    session->source = path;
    session->source_depth++;
    bool ok = run_lines(session, text, err);
    if (!ok) { /* the line of the inner script stands in the message, that of the outer one before it */
        char was[sizeof err->text];
        memcpy(was, err->text, sizeof was);
        error_set(err, err->status, "%s:%d: %s", path, session->line, was);
    }
    session->source_depth--;
    session->source = outer;
    session->line = outer_line;
    mem_free(text);
    return ok;
}

Status session_open_network(Session *session, const char *name, const char *path) {
    Str line = {0};
    Error err;
    if (strchr(path, '\n')) {
        error_set(&err, STATUS_BAD_INPUT, "%s: a name with a line break; rename the file", path);
        output_error(session, &err);
        return err.status;
    }
    str_addf(&line, "load net %s %s", name, *path == '-' ? "./" : "");
    words_quote(path, &line);
    Status status = session_run_text(session, NULL, str_text(&line)); /* as a line, so that a record holds it */
    str_done(&line);
    return status;
}

Status session_lesson(Session *session, bool *prompt) {
    Str line = {0};
    const SessionOptions *o = &session->options;
    str_add(&line, "lesson");
    for (size_t i = 0; i < o->argument_count; i++) {
        str_add(&line, " ");
        words_quote(o->arguments[i], &line);
    }
    const Status status = session_run_text(session, NULL, str_text(&line));
    str_done(&line);
    *prompt = *prompt || lesson_active(session);
    return status;
}
