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

#include "shell/background.h"
#include "shell/complete.h"
#include "shell/help.h"
#include "shell/jobs.h"
#include "shell/paths.h"
#include "shell/script.h"
#include "shell/session.h"
#include "shell/words.h"
#include "shell/workspace.h"
#include "weft/base/error.h"
#include "weft/base/text.h"

/* Runs the prelude of the examples: networks base and smooth, dataset test. */
static inline Session *fixture_session(bool loaded) {
    Error err;
    SessionOptions options = {.quiet = true};
    Session *made = session_new(&options, &err);
    assert_non_null(made);
    if (loaded) assert_int_equal(session_run_text(made, NULL, command_prelude), STATUS_OK);
    return made;
}

/* Runs one line; on failure its status, with the message in err->text. */
static inline Status fixture_run(Session *on, const char *line, Error *err) {
    Reader reader = {0};
    *err = (Error){0};
    ReaderState state = script_feed(on, &reader, line, 1, err);
    if (state == READER_MORE) state = script_end(on, &reader, err) ? READER_DONE : READER_FAILED;
    str_done(&reader.pending);
    return state == READER_DONE ? STATUS_OK : err->status;
}

static inline void fixture_fails(Session *on, const char *line, Status status, const char *text) {
    Error err;
    Status got = fixture_run(on, line, &err);
    if (got != status || !strstr(err.text, text))
        fail_msg("%s: status %d (expected %d), message '%s' (expected '%s')", line, (int)got, (int)status, err.text,
                 text);
}

static inline void fixture_works(Session *on, const char *line) {
    Error err;
    if (fixture_run(on, line, &err) != STATUS_OK) fail_msg("%s: %s", line, err.text);
}

/* The session that a group of tests shares. */
static Session *session __attribute__((unused));

static inline int fixture_begin(void **state) {
    (void)state;
    session = fixture_session(true);
    return 0;
}

static inline int fixture_begin_empty(void **state) {
    (void)state;
    session = fixture_session(false);
    return 0;
}

static inline int fixture_end(void **state) {
    (void)state;
    session_free(session);
    return 0;
}

#endif
