/* lesson -- a lesson at the prompt: where the learner is, and what a line does to that. */
#include "lesson.h"

#include <stdio.h>
#include <string.h>

#include "lesson_play.h"
#include "output.h"
#include "session.h"
#include "words.h"

#include "weft/base/memory.h"
#include "weft/base/text.h"

void lesson_play_free(LessonPlay *play) {
    if (!play) return;
    lesson_free(play->lesson);
    mem_free(play->name);
    mem_free(play->path);
    mem_free(play);
}

void lesson_end(Session *session) {
    lesson_play_free(session->lesson);
    session->lesson = NULL;
}

bool lesson_error(const LessonPlay *play, const LessonItem *item, Error *err) {
    return err->status == STATUS_CANCELLED ? false : error_prefix(err, "%s:%d", play->path, item->line);
}

bool lesson_active(const Session *session) {
    return session->lesson && session->lesson->active;
}

bool lesson_command(const char *word) {
    static const char *const names[] = {"lesson", "next", "back", "hint", "check", "skip", "leave"};
    for (size_t i = 0; i < sizeof names / sizeof *names; i++)
        if (strcmp(word, names[i]) == 0) return true;
    return false;
}

/* ---- going through the steps ------------------------------------------------------------------------------------- */

static void save_progress(Session *session, LessonPlay *play, size_t step) {
    Error err;
    Str text = {0};
    if (!play->kept || lesson_progress_save(play, step, &err) || play->warned) return;
    play->warned = true;
    str_addf(&text, "progress is not kept: %s\n", err.text);
    output_message(session, str_text(&text));
    str_done(&text);
}

static bool announce(Session *session, const LessonItem *item, Str *out, Error *err) {
    if (item->kind != LESSON_COMMAND) return lesson_add_question(session, item, out, err);
    lesson_add_command(session, item->text, out);
    return true;
}

/* What fails in a text is said in its place: the learner goes on. */
static bool add_failure(const LessonPlay *play, const LessonItem *item, Error *err, Str *out) {
    if (!play->kept || err->status == STATUS_CANCELLED || err->status == STATUS_LIMIT) return false;
    str_addf(out, "(not computed: %s)\n", err->text);
    (void)item;
    return true;
}

static bool pass(Session *session, LessonPlay *play, const LessonItem *item, Str *out, Error *err) {
    if (item->kind == LESSON_LUA) return lesson_run_lua(session, play, item, err) || add_failure(play, item, err, out);
    Str text = {0};
    str_add(&text, "\n");
    bool ok = lesson_add_text(session, item->text, 0, &text, err) || lesson_error(play, item, err);
    if (ok)
        str_add(out, str_text(&text));
    else
        ok = add_failure(play, item, err, out);
    str_done(&text);
    return ok;
}

bool lesson_go_on(Session *session, LessonPlay *play, Str *out, Error *err) {
    const LessonStep *step = lesson_step(play);
    play->hints = 0;
    for (; play->item < step->count; play->item++) {
        const LessonItem *item = &step->items[play->item];
        if (item->kind >= LESSON_COMMAND)
            return announce(session, item, out, err) || lesson_error(play, item, err) ||
                   add_failure(play, item, err, out);
        if (!pass(session, play, item, out, err)) return false;
    }
    if (play->reached < play->step + 1) play->reached = play->step + 1;
    return true;
}

static void add_end(Session *session, LessonPlay *play, Str *out) {
    if (lesson_waits(play)) return;
    if (play->step + 1 < play->lesson->count) {
        lesson_add_done(play, out);
        return;
    }
    Str said = {0};
    str_addf(&said, "That was the last step of \"%s\". `lesson` lists the others.", play->lesson->title);
    str_add(out, "\n");
    str_add_wrapped(out, str_text(&said), 0, 0, output_columns());
    str_add(out, "\n");
    str_done(&said);
    play->active = false;
    save_progress(session, play, play->lesson->count);
}

static bool show_step(Session *session, LessonPlay *play, Str *out, Error *err) {
    play->item = 0;
    save_progress(session, play, play->step);
    lesson_add_heading(session, play, out);
    if (!lesson_go_on(session, play, out, err)) return false;
    add_end(session, play, out);
    return true;
}

/* ---- the commands ------------------------------------------------------------------------------------------------ */

/* The lesson that a command is about; NULL with *err: there is none. */
static LessonPlay *playing(Session *session, Error *err) {
    if (lesson_active(session)) return session->lesson;
    error_set(err, STATUS_USAGE, "no lesson is going on; `lesson` lists them, `lesson first` begins the first");
    return NULL;
}

static LessonPlay *play_new(Session *session, const char *word, Error *err) {
    Str name = {0}, path = {0};
    LessonPlay *play = NULL;
    bool ok = lesson_find(word, &name, &path, err) && (play = mem_alloc(1, sizeof *play, err));
    ok = ok && (play->name = mem_copy_text(str_text(&name), err)) &&
         (play->path = mem_copy_text(str_text(&path), err)) && (play->lesson = lesson_read(session, play->path, err));
    str_done(&name);
    str_done(&path);
    if (ok) return play;
    lesson_play_free(play);
    return NULL;
}

/* Whether a lesson may begin to run commands: not from Lua, and not from a command that a lesson runs (`ls; lesson x`,
 * or a script), which could begin the lesson within itself again and again, or free it while it runs. */
static bool may_play(const Session *session, Error *err) {
    if (session->unattended) return error_set(err, STATUS_USAGE, "a lesson does not run commands of lessons");
    return !session->lua_depth || error_set(err, STATUS_USAGE, "a lesson runs command lines, which Lua cannot");
}

bool lesson_auto(Session *session, const char *word, Error *err) {
    if (!may_play(session, err)) return false;
    LessonPlay *play = play_new(session, word, err);
    if (!play) return false;
    LessonPlay *before = session->lesson;
    session->lesson = play; /* not active: its lines are no answers */
    const bool ok = lesson_play_all(session, play, err);
    session->lesson = before;
    lesson_play_free(play);
    return ok;
}

/* The objects of the steps before are there only if this session went through them. */
static bool restore(Session *session, const LessonPlay *play, Error *err) {
    Str text = {0};
    str_addf(&text, "running the commands of the steps before again: 1 to %zu\n", play->step);
    if (play->step) output_message(session, str_text(&text));
    str_done(&text);
    return lesson_replay(session, play, err);
}

static void add_title(const LessonPlay *play, Str *out) {
    const Lesson *lesson = play->lesson;
    str_addf(out, "\"%s\", %zu step%s", lesson->title, lesson->count, lesson->count == 1 ? "" : "s");
    if (lesson->minutes) str_addf(out, ", about %llu minutes", (unsigned long long)lesson->minutes);
    str_add(out, ".\n");
}

bool lesson_start(Session *session, const char *word, bool restart, Str *out, Error *err) {
    if (!may_play(session, err)) return false;
    LessonPlay *play = play_new(session, word, err), *old = session->lesson;
    if (!play) return false;
    const bool same = old && strcmp(old->name, play->name) == 0;
    play->kept = play->active = true;
    play->step = play->reached = restart ? 0 : lesson_progress(play->name);
    if (play->step >= play->lesson->count) play->step = play->reached = 0;
    if (same && old->reached > play->reached && !restart) play->reached = old->reached;
    Str text = {0};
    add_title(play, &text);
    str_add(&text, "Enter on an empty line runs the command that is proposed, or goes on. All commands work as usual. "
                   "The lesson's own are next, back, hint, check, skip and leave.\n");
    bool ok = (same && old->step >= play->step) || restore(session, play, err);
    ok = ok && lesson_add_text(session, str_text(&text), 0, out, err);
    str_done(&text);
    if (!ok) {
        lesson_play_free(play);
        return false;
    }
    lesson_end(session);
    session->lesson = play;
    return show_step(session, play, out, err);
}

bool lesson_next(Session *session, Str *out, Error *err) {
    LessonPlay *play = playing(session, err);
    if (!play) return false;
    const LessonItem *item = lesson_waits(play);
    if (item && play->step >= play->reached) {
        Str what = {0};
        if (item->kind == LESSON_COMMAND)
            str_addf(&what, "the command %.*s (Enter runs it)", (int)strcspn(item->text, "\n"), item->text);
        else
            str_add(&what, item->kind == LESSON_TASK ? "its task (check says what is missing)" : "an answer");
        error_set(err, STATUS_USAGE, "step %zu still waits for %s; skip does the rest of the step for you",
                  play->step + 1, str_text(&what));
        str_done(&what);
        return false;
    }
    if (play->step + 1 == play->lesson->count) {
        play->item = lesson_step(play)->count;
        add_end(session, play, out);
        return true;
    }
    play->step++;
    return show_step(session, play, out, err);
}

bool lesson_back(Session *session, Str *out, Error *err) {
    LessonPlay *play = playing(session, err);
    if (!play) return false;
    if (!play->step) return error_set(err, STATUS_USAGE, "this is the first step");
    play->step--;
    return show_step(session, play, out, err);
}

/* The hint that was given last. */
static bool add_given_hint(Session *session, const LessonPlay *play, const LessonItem *item, Str *out, Error *err) {
    const LessonPairs *hints = &item->hints;
    Str text = {0};
    if (!play->hints) return true;
    str_addf(&text, "Hint %zu of %zu: %s", play->hints, hints->count, hints->pair[play->hints - 1].text);
    const bool ok = str_ok(&text, err) && lesson_add_text(session, str_text(&text), 2, out, err);
    str_add(out, "\n");
    str_done(&text);
    return ok;
}

/* The next hint, if there is one. */
static bool add_hint(Session *session, LessonPlay *play, const LessonItem *item, bool *given, Str *out, Error *err) {
    *given = play->hints < item->hints.count;
    if (!*given) return true;
    play->hints++;
    return add_given_hint(session, play, item, out, err);
}

bool lesson_hint(Session *session, Str *out, Error *err) {
    LessonPlay *play = playing(session, err);
    if (!play) return false;
    const LessonItem *item = lesson_waits(play);
    bool given = false;
    if (!item) return str_addf(out, "Step %zu is done. Enter goes on.\n", play->step + 1), true;
    if (!add_hint(session, play, item, &given, out, err) || given) return !given || str_ok(out, err);
    if (item->kind == LESSON_COMMAND || item->kind == LESSON_TASK) {
        str_add(out, item->kind == LESSON_TASK ? "  One way:\n" : "  Type this, or press Enter on an empty line:\n");
        lesson_add_command(session, item->kind == LESSON_TASK ? item->solution : item->text, out);
    } else {
        if (!add_given_hint(session, play, item, out, err)) return false;
        str_add(out, "  There is no further hint. skip gives the answer and goes on.\n");
    }
    return true;
}

/* The item is done: on to what follows it. */
static bool complete(Session *session, LessonPlay *play, Str *out, Error *err) {
    play->item++;
    if (!lesson_go_on(session, play, out, err)) return false;
    add_end(session, play, out);
    return true;
}

static bool check_answer(Session *session, LessonPlay *play, const LessonItem *item, const char *answer, Str *out,
                         Error *err) {
    Str said = {0};
    LessonVerdict verdict = LESSON_WRONG;
    bool given = false;
    bool ok = lesson_judge(session, item, answer, &verdict, &said, err) || lesson_error(play, item, err);
    if (ok) {
        str_add(out, "\n  ");
        str_add_wrapped(out, str_text(&said), 2, 2, output_columns());
        str_add(out, "\n");
    }
    str_done(&said);
    if (!ok || verdict == LESSON_UNREADABLE) return ok; /* no attempt: it costs no hint */
    if (verdict == LESSON_RIGHT) return complete(session, play, out, err);
    ok = add_hint(session, play, item, &given, out, err);
    if (ok && !given) str_add(out, "  Try again, or skip to see the answer.\n");
    return ok;
}

static bool check_state(Session *session, LessonPlay *play, const LessonItem *item, Str *out, Error *err) {
    Str missing = {0};
    bool holds = true, ok = lesson_holds(session, item, &holds, &missing, err);
    if (ok && holds) {
        str_done(&missing);
        if (item->kind == LESSON_TASK) str_add(out, "\n  Done.\n");
        return complete(session, play, out, err);
    }
    str_add(out, "\n  ");
    str_add(&missing, ".");
    Str whole = {0};
    str_addf(&whole, "Not yet: %s", str_text(&missing));
    str_add_wrapped(out, str_text(&whole), 2, 2, output_columns());
    str_add(out, "\n");
    str_done(&whole);
    str_done(&missing);
    return ok;
}

bool lesson_check(Session *session, const char *answer, Str *out, Error *err) {
    LessonPlay *play = playing(session, err);
    if (!play) return false;
    const LessonItem *item = lesson_waits(play);
    if (!item) return str_addf(out, "Step %zu is done. Enter goes on.\n", play->step + 1), true;
    const bool question = item->kind == LESSON_NUMBER || item->kind == LESSON_CHOICE;
    if (question && answer) return check_answer(session, play, item, answer, out, err);
    if (answer) return error_set(err, STATUS_USAGE, "step %zu asks for no answer here", play->step + 1);
    if (item->checks.count) return check_state(session, play, item, out, err);
    if (!question) {
        str_add(out, "  The step waits for this command; Enter alone runs it:\n");
        lesson_add_command(session, item->text, out);
        return true;
    }
    str_addf(out, "  Type %s and Enter. hint helps, skip gives the answer.\n",
             item->kind == LESSON_CHOICE ? "the letter of your answer" : "your answer, a number,");
    return lesson_add_question(session, item, out, err);
}

/* Does what an item waits for. */
static bool skip_item(Session *session, LessonPlay *play, const LessonItem *item, Str *out, Error *err) {
    Str answer = {0}, said = {0};
    bool ok = true;
    if (item->kind == LESSON_NUMBER || item->kind == LESSON_CHOICE) {
        LessonVerdict verdict;
        ok = lesson_answer(session, item, &answer, err) || lesson_error(play, item, err);
        ok = ok && lesson_judge(session, item, str_text(&answer), &verdict, &said, err);
        const char *colon = strchr(str_text(&said), ':'); /* after "Right" */
        if (ok && colon) str_addf(out, "\n  Answer%s\n", colon);
        str_done(&answer);
        str_done(&said);
        return ok;
    }
    const char *lines = item->kind == LESSON_TASK ? item->solution : item->text;
    if (item->kind == LESSON_TASK) lesson_add_command(session, lines, out);
    return lesson_run(session, play, item, lines, true, err);
}

bool lesson_skip(Session *session, Str *out, Error *err) {
    LessonPlay *play = playing(session, err);
    if (!play) return false;
    if (!may_play(session, err)) return false;
    play->active = false; /* its own lines are no answers */
    bool ok = true;
    while (ok && lesson_waits(play)) {
        ok = skip_item(session, play, lesson_waits(play), out, err);
        if (ok) play->item++;
        ok = ok && lesson_go_on(session, play, out, err);
    }
    play->active = true;
    return ok && lesson_next(session, out, err);
}

bool lesson_leave(Session *session, Str *out, Error *err) {
    LessonPlay *play = playing(session, err);
    if (!play) return false;
    play->active = false;
    str_addf(out, "Left at step %zu of %zu. `lesson %s` goes on there.\n", play->step + 1, play->lesson->count,
             play->name);
    return true;
}

/* ---- lines ------------------------------------------------------------------------------------------------------- */

const char *lesson_prompt(const Session *session) {
    LessonPlay *play = session->lesson;
    if (!lesson_active(session)) return NULL;
    const LessonItem *item = lesson_waits(play);
    const bool question = item && (item->kind == LESSON_NUMBER || item->kind == LESSON_CHOICE);
    snprintf(play->prompt, sizeof play->prompt, "lesson %zu/%zu%s> ", play->step + 1, play->lesson->count,
             question ? " answer" : "");
    return play->prompt;
}

const char *lesson_line(const Session *session, const Reader *reader, const char *line) {
    if (!lesson_active(session) || reader->pending.length || line[strspn(line, " \t\r")]) return line;
    const LessonItem *item = lesson_waits(session->lesson);
    return !item ? "next" : item->kind == LESSON_COMMAND ? item->text : "check";
}

void lesson_ran(Session *session, const char *text) {
    LessonPlay *play = session->lesson;
    if (!lesson_active(session)) return;
    const LessonItem *item = lesson_waits(play);
    char first[8] = "";
    sscanf(text, "%7s", first);
    if (lesson_command(first)) return;
    play->ran = true;
    if (item && item->kind == LESSON_COMMAND && !play->matched)
        play->matched = lesson_same_command(session, text, item->text);
}

/* After a line of the learner's: whether what the step waits for is there now. */
static bool after_line(Session *session, LessonPlay *play, uint64_t puts, Str *out, Error *err) {
    const LessonItem *item = lesson_waits(play);
    if (!item || !play->ran) return true;
    if (item->kind == LESSON_NUMBER && session->number_shown && lesson_right_number(session, item, session->number)) {
        str_add(out, "\n  Right.\n"); /* math.exp(-1) is an answer as good as its value, which was printed */
        return complete(session, play, out, err);
    }
    if (item->checks.count) {
        Str missing = {0};
        bool holds = true, ok = lesson_holds(session, item, &holds, &missing, err);
        str_done(&missing);
        if (ok && (holds || session->puts != puts)) return check_state(session, play, item, out, err);
        return ok;
    }
    if (play->matched) return complete(session, play, out, err);
    if (item->kind == LESSON_COMMAND && session->puts != puts) {
        str_add(out, "\nThat ran as you typed it. The lesson continues with this; Enter runs it:\n");
        lesson_add_command(session, item->text, out);
    }
    return true;
}

/* An answer becomes the command `check ANSWER`. */
static bool feed_answer(Session *session, const char *line, Error *err) {
    Reader reader = {0};
    Str text = {0};
    str_add(&text, "check ");
    words_quote(line, &text);
    const bool ok =
        str_ok(&text, err) && script_feed(session, &reader, str_text(&text), session->line, err) == READER_DONE;
    str_done(&reader.pending);
    str_done(&text);
    return ok;
}

ReaderState lesson_feed(Session *session, Reader *reader, const char *line, int number, Error *err) {
    LessonPlay *play = session->lesson;
    if (!lesson_active(session) || session->source_depth) return script_feed(session, reader, line, number, err);
    const LessonItem *item = lesson_waits(play);
    const char *text = line + strspn(line, " \t");
    if (!reader->pending.length && *text && lesson_is_answer(session, item, text))
        return feed_answer(session, text, err) ? READER_DONE : READER_FAILED;
    const uint64_t puts = session->puts;
    play->ran = play->matched = session->number_shown = false;
    const ReaderState state = script_feed(session, reader, line, number, err);
    if (state != READER_DONE || session->lesson != play || !play->active || session->quit) return state;
    if (play->ran && item && item == lesson_waits(play) && item->kind == LESSON_COMMAND && !play->matched)
        play->matched = lesson_same_command(session, text, item->text); /* also of a line such as lowpass? */
    Str out = {0};
    const bool ok = after_line(session, play, puts, &out, err) && str_ok(&out, err);
    if (ok && !session->options.quiet) output_drawn(session, str_text(&out));
    str_done(&out);
    return ok && output_flush(session, err) ? READER_DONE : READER_FAILED;
}
