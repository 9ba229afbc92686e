/* session_fixture -- a quiet session with the samples loaded, for the tests of src/shell. */
#ifndef WEFT_TESTS_SESSION_FIXTURE_H
#define WEFT_TESTS_SESSION_FIXTURE_H

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
#include <stdio.h>
#include <string.h>

#include "shell/session.h"

/* Runs the prelude of the examples: networks base and smooth, dataset test. */
static inline Session *fixture_session(bool loaded) {
    Error err;
    SessionOptions options = {.quiet = true};
    Session *session = session_new(&options, &err);
    assert_non_null(session);
    if (loaded) assert_int_equal(session_run_text(session, NULL, command_prelude), STATUS_OK);
    return session;
}

/* Runs one line; on failure its status, with the message in err->text. */
static inline Status fixture_run(Session *session, const char *line, Error *err) {
    Reader reader = {0};
    *err = (Error){0};
    ReaderState state = script_feed(session, &reader, line, 1, err);
    if (state == READER_MORE) state = script_end(session, &reader, err) ? READER_DONE : READER_FAILED;
    str_done(&reader.pending);
    return state == READER_DONE ? STATUS_OK : err->status;
}

static inline void fixture_fails(Session *session, const char *line, Status status, const char *text) {
    Error err;
    Status got = fixture_run(session, line, &err);
    if (got != status || !strstr(err.text, text))
        fail_msg("%s: status %d (expected %d), message '%s' (expected '%s')", line, (int)got, (int)status, err.text,
                 text);
}

static inline void fixture_works(Session *session, const char *line) {
    Error err;
    if (fixture_run(session, line, &err) != STATUS_OK) fail_msg("%s: %s", line, err.text);
}

#endif
