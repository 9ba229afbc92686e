/* lesson_run -- what a lesson runs itself: for skip, for a lesson that goes on in a new session, and for --auto. */
#include <string.h>

#include "lesson_play.h"
#include "lua_shell.h"
#include "output.h"
#include "script.h"
#include "session.h"

#include "weft/base/task.h"
#include "weft/base/text.h"

/* How a session prints and asks, while a lesson types. */
typedef struct Manner {
    bool quiet, interactive, terminal, unattended;
} Manner;

static Manner manner_of(const Session *session) {
    return (Manner){session->options.quiet, session->options.interactive, session->out_terminal, session->unattended};
}

static void behave(Session *session, Manner manner) {
    session->options.quiet = manner.quiet;
    session->options.interactive = manner.interactive;
    session->out_terminal = manner.terminal;
    session->unattended = manner.unattended;
}

static bool run_lines(Session *session, const char *text, Error *err) {
    Reader reader = {0};
    bool ok = true;
    for (int number = 1; ok && *text && !session->quit; number++) {
        const size_t length = strcspn(text, "\n");
        Str line = {0};
        str_add_bytes(&line, text, length);
        ok = cancel_level() == 0 || error_set(err, STATUS_CANCELLED, "interrupted");
        ok = ok && str_ok(&line, err) && script_feed(session, &reader, str_text(&line), number, err) != READER_FAILED;
        str_done(&line);
        text += length + (text[length] == '\n');
    }
    ok = ok && script_end(session, &reader, err);
    str_done(&reader.pending);
    return ok;
}

bool lesson_run(Session *session, const LessonPlay *play, const LessonItem *item, const char *lines, bool quiet,
                Error *err) {
    const Manner before = manner_of(session);
    const char *source = session->source;
    const int line = session->line;
    Manner manner = before;
    manner.interactive = false;
    manner.unattended = true;
    if (quiet) manner.quiet = true, manner.terminal = false;
    behave(session, manner);
    session->source = NULL;
    const bool ok = run_lines(session, lines, err);
    behave(session, before);
    session->source = source;
    session->line = line;
    return ok || lesson_error(play, item, err);
}

bool lesson_run_lua(Session *session, const LessonPlay *play, const LessonItem *item, Error *err) {
    const bool before = session->aside;
    const int line = session->line;
    session->aside = true;
    const LuaState state = lua_chunk(session, item->text, 1, err);
    session->aside = before;
    session->line = line;
    if (state == LUA_CHUNK_MORE) error_set(err, STATUS_BAD_INPUT, "the Lua chunk does not end");
    return state == LUA_CHUNK_DONE || lesson_error(play, item, err);
}

static bool replay_item(Session *session, const LessonPlay *play, const LessonItem *item, Error *err) {
    if (item->kind == LESSON_LUA) return lesson_run_lua(session, play, item, err);
    const char *lines = item->kind == LESSON_COMMAND ? item->text : item->solution;
    return !lines || lesson_run(session, play, item, lines, true, err);
}

bool lesson_replay(Session *session, const LessonPlay *play, Error *err) {
    for (size_t s = 0; s < play->step; s++) {
        const LessonStep *step = &play->lesson->steps[s];
        for (size_t i = 0; i < step->count; i++)
            if (!replay_item(session, play, &step->items[i], err)) return false;
    }
    return true;
}

/* ---- --auto ------------------------------------------------------------------------------------------------------ */

/* Prints what was gathered, and begins anew. */
static bool say(Session *session, Str *out, Error *err) {
    const bool ok = str_ok(out, err);
    if (ok && !session->options.quiet) output_drawn(session, str_text(out));
    str_done(out);
    *out = (Str){0};
    return ok && output_flush(session, err);
}

static bool must_hold(Session *session, const LessonPlay *play, const LessonItem *item, Error *err) {
    Str missing = {0};
    bool holds = true, ok = lesson_holds(session, item, &holds, &missing, err);
    if (ok && !holds) {
        error_set(err, STATUS_FAILED, "the check does not hold: %s", str_text(&missing));
        ok = lesson_error(play, item, err);
    }
    str_done(&missing);
    return ok;
}

static bool answer_right(Session *session, const LessonPlay *play, const LessonItem *item, Str *out, Error *err) {
    Str answer = {0};
    LessonVerdict verdict = LESSON_WRONG;
    bool ok = lesson_answer(session, item, &answer, err);
    if (ok) {
        str_addf(out, "\n  answer: %s\n  ", str_text(&answer));
        ok = lesson_judge(session, item, str_text(&answer), &verdict, out, err);
        str_add(out, "\n");
    }
    if (ok && verdict != LESSON_RIGHT)
        ok = error_set(err, STATUS_FAILED, "the answer %s is not taken for right", str_text(&answer));
    str_done(&answer);
    return ok || lesson_error(play, item, err);
}

static bool auto_item(Session *session, LessonPlay *play, const LessonItem *item, Str *out, Error *err) {
    if (item->kind == LESSON_NUMBER || item->kind == LESSON_CHOICE) return answer_right(session, play, item, out, err);
    if (item->kind == LESSON_TASK) lesson_add_command(session, item->solution, out);
    str_add(out, "\n");
    return say(session, out, err) &&
           lesson_run(session, play, item, item->kind == LESSON_TASK ? item->solution : item->text, false, err) &&
           must_hold(session, play, item, err);
}

bool lesson_play_all(Session *session, LessonPlay *play, Error *err) {
    Str out = {0};
    bool ok = true;
    for (play->step = 0; ok && play->step < play->lesson->count; play->step++) {
        play->item = 0;
        lesson_add_heading(session, play, &out);
        ok = lesson_go_on(session, play, &out, err);
        while (ok && !session->quit && lesson_waits(play)) {
            ok = auto_item(session, play, lesson_waits(play), &out, err);
            play->item++;
            ok = ok && lesson_go_on(session, play, &out, err) && say(session, &out, err);
        }
        ok = ok && say(session, &out, err);
        if (session->quit) break;
    }
    str_done(&out);
    return ok;
}
