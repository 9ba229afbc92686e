/* session -- begins and ends sessions, runs texts and files in them. */
#include "session.h"

#include <stdlib.h>
#include <string.h>
#include <unistd.h>

Session *session_new(const SessionOptions *options, Error *err) {
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
    lua_stop(session);
    workspace_clear(session);
    for (size_t i = 0; i < session->done_count; i++) mem_free(session->done[i]);
    mem_free(session->done);
    mem_free(session->record_path);
    mem_free(session);
}

int session_exit_status(const Session *session) {
    if (signals_ending()) return 128 + signals_ending();
    return session->quit ? session->quit_status : STATUS_OK;
}

static Status run_lines(Session *session, const char *text) {
    Reader reader = {0};
    Error err;
    bool ok = true;
    int number = 0;
    while (ok && *text && !session->quit && !signals_ending()) {
        size_t length = strcspn(text, "\n");
        Str line = {0};
        str_add_bytes(&line, text, length);
        ok = str_ok(&line, &err) && script_feed(session, &reader, str_text(&line), ++number, &err) != READER_FAILED;
        str_done(&line);
        text += length + (text[length] == '\n');
    }
    if (ok && !session->quit) ok = script_end(session, &reader, &err);
    str_done(&reader.pending);
    if (ok) return STATUS_OK;
    if (!signals_ending()) output_error(session, &err);
    return err.status;
}

Status session_run_text(Session *session, const char *name, const char *text) {
    const char *outer = session->source;
    int outer_line = session->line;
    session->source = name;
    Status status = run_lines(session, text);
    session->source = outer;
    session->line = outer_line;
    return status;
}

static Status run_standard_input(Session *session) {
    Str text = {0};
    char buffer[4096];
    size_t got;
    while ((got = fread(buffer, 1, sizeof buffer, stdin)) > 0) str_add_bytes(&text, buffer, got);
    Error err;
    Status status;
    if (!str_ok(&text, &err)) {
        output_error(session, &err);
        status = err.status;
    } else if (strlen(str_text(&text)) != text.length) {
        error_set(&err, STATUS_BAD_INPUT, "standard input: NUL bytes in a script");
        output_error(session, &err);
        status = err.status;
    } else {
        status = session_run_text(session, "stdin", str_text(&text));
    }
    str_done(&text);
    return status;
}

Status session_run_file(Session *session, const char *path) {
    enum { SCRIPT_LIMIT = 16 << 20 };
    if (strcmp(path, "-") == 0) return run_standard_input(session);
    Error err;
    size_t length;
    char *text = file_read_all(path, SCRIPT_LIMIT, &length, &err);
    if (text && strlen(text) != length) {
        error_set(&err, STATUS_BAD_INPUT, "%s: NUL bytes; not a script", path);
        mem_free(text);
        text = NULL;
    }
    if (!text) {
        output_error(session, &err);
        return err.status;
    }
    Status status = session_run_text(session, path, text);
    mem_free(text);
    return status;
}

Status session_open_network(Session *session, const char *name, const char *path) {
    const char *words[] = {"load", "net", name, path};
    const bool literal[] = {true, true, true, true};
    Error err;
    if (dispatch(session, words, literal, 4, true, NULL, &err)) return STATUS_OK;
    output_error(session, &err);
    return err.status;
}
