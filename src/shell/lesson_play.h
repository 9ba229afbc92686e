/* lesson_play -- a lesson being played, shared by the files lesson*.c. Private to src/shell. */
#ifndef WEFT_SHELL_LESSON_PLAY_H
#define WEFT_SHELL_LESSON_PLAY_H

#include "command.h"
#include "lesson_file.h"
#include "weft/base/text.h"

/* A lesson begun in this session. After `leave` it is not active, but its objects are still there. */
typedef struct LessonPlay {
    Lesson *lesson;
    char *name; /* a sample's, else the absolute path of its file */
    char *path;
    size_t step, item; /* item: the one that waits; the step's count: all are done */
    size_t reached;    /* steps done so far */
    size_t hints;      /* shown of the item that waits */
    bool active;
    bool kept;         /* its progress is written down; not of a lesson that plays itself */
    bool warned;       /* that it could not be */
    bool sketch;       /* its text is only counted: figures are not computed */
    bool ran, matched; /* since lesson_feed took the line: something ran; it was the proposed command */
    char prompt[48];
} LessonPlay;

static inline LessonStep *lesson_step(const LessonPlay *play) {
    return &play->lesson->steps[play->step];
}
/* The item that waits for the learner; NULL: the step is done. */
static inline LessonItem *lesson_waits(const LessonPlay *play) {
    LessonStep *step = lesson_step(play);
    return play->item < step->count ? &step->items[play->item] : NULL;
}

/* ---- lesson_text.c ----------------------------------------------------------------------------------------------- */

/* "$(EXPR)" or "$(%.2f EXPR)" at `at`: its length, 0 where it does not end. Format (NULL: not asked) and expression are
 * added. */
size_t lesson_figure(const char *at, Str *format, Str *expression);
/* Adds a text with its figures computed, safe for terminals. */
bool lesson_fill_in(Session *session, const char *text, Str *out, Error *err);
/* Adds a text filled to the width of standard output, its lines `indent` blanks to the right. */
bool lesson_add_text(Session *session, const char *text, size_t indent, Str *out, Error *err);
/* "-- 3/9  Title -----" */
void lesson_add_heading(const Session *session, const LessonPlay *play, Str *out);
/* The command that the learner is to type. */
void lesson_add_command(const Session *session, const char *command, Str *out);
/* "Step 3 is done. Enter goes on." */
void lesson_add_done(const LessonPlay *play, Str *out);
/* The question that waits, with its choices. */
bool lesson_add_question(Session *session, const LessonItem *item, Str *out, Error *err);

/* ---- lesson_answer.c --------------------------------------------------------------------------------------------- */

typedef enum LessonVerdict {
    LESSON_WRONG,
    LESSON_RIGHT,
    LESSON_UNREADABLE /* no number, none of the choices */
} LessonVerdict;
/* What `answer` is; what is said to it is added to *out. */
bool lesson_judge(Session *session, const LessonItem *item, const char *answer, LessonVerdict *verdict, Str *out,
                  Error *err);
/* Whether a number that the learner computed is the answer to the question of `item`. */
bool lesson_right_number(Session *session, const LessonItem *item, double number);
/* The right answer as a learner would type it. */
bool lesson_answer(Session *session, const LessonItem *item, Str *out, Error *err);
/* Whether all checks hold; if not, what is missing is added to *out. An error in a check is such a thing, too. */
bool lesson_holds(Session *session, const LessonItem *item, bool *holds, Str *out, Error *err);
/* Whether two lines are the same command with the same arguments, in whatever order and spelling. */
bool lesson_same_command(Session *session, const char *a, const char *b);
/* Whether a line is meant as an answer rather than as a command or Lua. */
bool lesson_is_answer(Session *session, const LessonItem *item, const char *line);
/* A Lua expression's value as text; leaves no table in the workspace. */
bool lesson_value(Session *session, const char *expression, Str *out, Error *err);

/* ---- lesson_store.c ---------------------------------------------------------------------------------------------- */

/* The lesson that NAME or FILE means: its path and the name for its progress. */
bool lesson_find(const char *word, Str *name, Str *path, Error *err);
/* The step to go on with, from 0; the count of steps: all are done. */
size_t lesson_progress(const char *name);
bool lesson_progress_save(const LessonPlay *play, size_t step, Error *err);
/* All sample lessons. */
Table *lesson_table(Session *session, Error *err);

/* ---- lesson_run.c ------------------------------------------------------------------------------------------------ */

/* Runs commands of the lesson, each line as if it had been typed; `quiet`: nothing is printed. Errors name the lesson.
 */
bool lesson_run(Session *session, const LessonPlay *play, const LessonItem *item, const char *lines, bool quiet,
                Error *err);
/* Runs a hidden chunk of Lua. */
bool lesson_run_lua(Session *session, const LessonPlay *play, const LessonItem *item, Error *err);
/* Runs what the steps before play->step run, quietly: for objects that a former session had. */
bool lesson_replay(Session *session, const LessonPlay *play, Error *err);
/* Plays a lesson to its end, with the right answers. */
bool lesson_play_all(Session *session, LessonPlay *play, Error *err);

/* ---- lesson.c ---------------------------------------------------------------------------------------------------- */

void lesson_play_free(LessonPlay *play);
/* "samples/lessons/first.lesson:12: " in front of an error. */
bool lesson_error(const LessonPlay *play, const LessonItem *item, Error *err);
/* Passes text and hidden Lua up to what waits next, which is announced. */
bool lesson_go_on(Session *session, LessonPlay *play, Str *out, Error *err);

#endif
