/* lesson, next, back, hint, check, skip, leave -- lessons at the prompt. */
#include "../lesson.h"
#include "../lesson_play.h"
#include "../session.h"
#include "weft/base/error.h"
#include "weft/base/table.h"
#include "weft/base/text.h"

typedef struct LessonOptions {
    const char *word;
    bool automatic, restart;
} LessonOptions;

static bool lesson_run_command(Session *session, const Args *args, Result *result, Error *err) {
    const LessonOptions *o = args->options;
    result->drawn = true;
    if (o->word && o->automatic) return lesson_auto(session, o->word, err);
    if (o->word) return lesson_start(session, o->word, o->restart, &result->text, err);
    if (o->automatic || o->restart)
        return error_set(err, STATUS_USAGE, "--%s needs the name of a lesson", o->automatic ? "auto" : "restart");
    result->drawn = false;
    result->transient = !args_given(args, "as");
    result->sparse = true;
    str_add(&result->message, "lesson NAME begins one, or goes on where you stopped\n");
    return (result->table = lesson_table(session, err)) != NULL;
}

static bool next_command(Session *session, const Args *args, Result *result, Error *err) {
    (void)args;
    result->drawn = true;
    return lesson_next(session, &result->text, err);
}

static bool back_command(Session *session, const Args *args, Result *result, Error *err) {
    (void)args;
    result->drawn = true;
    return lesson_back(session, &result->text, err);
}

static bool hint_command(Session *session, const Args *args, Result *result, Error *err) {
    (void)args;
    result->drawn = true;
    return lesson_hint(session, &result->text, err);
}

static bool check_command(Session *session, const Args *args, Result *result, Error *err) {
    result->drawn = true;
    return lesson_check(session, ((const LessonOptions *)args->options)->word, &result->text, err);
}

static bool skip_command(Session *session, const Args *args, Result *result, Error *err) {
    (void)args;
    result->drawn = true;
    return lesson_skip(session, &result->text, err);
}

static bool leave_command(Session *session, const Args *args, Result *result, Error *err) {
    (void)args;
    result->drawn = true;
    return lesson_leave(session, &result->text, err);
}

static const char group[] = "Lessons";

static const Setting positionals[] = {WORD(LessonOptions, word, LESSON, "NAME", NULL, .optional = true,
                                           .help = "a lesson of the list, or a file (help lesson-files)"),
                                      {0}};
static const Setting answers[] = {
    WORD(LessonOptions, word, TEXT, "ANSWER", NULL, .optional = true, .help = "a number, or the letter of a choice"),
    {0}};
static const Setting options[] = {
    FLAG(LessonOptions, automatic, "auto", .help = "play the lesson to its end, with the right answers"),
    FLAG(LessonOptions, restart, "restart", .help = "begin at the first step"),
    {0}};

static const char *const lesson_examples[] = {"lesson", "lesson first --restart", NULL};
static const char *const next_examples[] = {"skip", "back", "next", NULL}, *const back_examples[] = {"skip", "back",
                                                                                                     NULL};
static const char *const hint_examples[] = {"hint", NULL}, *const check_examples[] = {"check", NULL};
static const char *const skip_examples[] = {"skip", NULL}, *const leave_examples[] = {"leave", NULL};
static const char prelude[] = "lesson first --restart";

const Command command_lesson = {
    .name = "lesson",
    .group = group,
    .summary = "List the lessons, or begin or continue one",
    .description =
        "A lesson explains one thing step by step: you type the commands it proposes (Enter on an empty line runs "
        "them), see the result, and now and then answer a question. `lesson first` teaches the prompt itself. "
        "Progress is saved; in a new session, weft runs the commands of earlier steps again. The same works from "
        "the system's shell: `weft lesson first`. See help lessons.",
    .size = sizeof(LessonOptions),
    .positionals = positionals,
    .options = ONE_GROUP(options),
    .examples = lesson_examples,
    .table = true,
    .run = lesson_run_command,
};

const Command command_next = {
    .name = "next",
    .group = group,
    .summary = "Go to the next step of a lesson",
    .description = "The step must be done; skip does the rest of it for you.",
    .examples = next_examples,
    .prelude = prelude,
    .run = next_command,
};

const Command command_back = {
    .name = "back",
    .group = group,
    .summary = "Go back one step in a lesson",
    .examples = back_examples,
    .prelude = prelude,
    .run = back_command,
};

const Command command_hint = {
    .name = "hint",
    .group = group,
    .summary = "Give a hint for what the lesson asks",
    .description = "Each use gives a further hint; the last one of a task is a command that solves it.",
    .examples = hint_examples,
    .prelude = prelude,
    .run = hint_command,
};

const Command command_check = {
    .name = "check",
    .group = group,
    .summary = "Check an answer, or say what a step still needs",
    .description = "At the prompt, an answer can be typed without check.",
    .size = sizeof(LessonOptions),
    .positionals = answers,
    .examples = check_examples,
    .prelude = prelude,
    .run = check_command,
};

const Command command_skip = {
    .name = "skip",
    .group = group,
    .summary = "Let the lesson do the rest of a step, and go to the next",
    .description = "Prints the answers of the step, and runs its commands so that later steps find their results.",
    .examples = skip_examples,
    .prelude = prelude,
    .run = skip_command,
};

const Command command_leave = {
    .name = "leave",
    .group = group,
    .summary = "Leave a lesson; it can be continued later",
    .examples = leave_examples,
    .prelude = prelude,
    .run = leave_command,
};
