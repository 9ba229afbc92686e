/* lesson_file -- reads lessons: text files in which the beginning of a line says what it is (help lesson-files). */
#include "lesson_file.h"
#include "lesson.h"
#include "lesson_play.h"

#include <ctype.h>
#include <stdio.h>
#include <string.h>

#include "lua_shell.h"
#include "script.h"
#include "words.h"

#include "weft/base/file.h"
#include "weft/base/memory.h"
#include "weft/base/text.h"

enum { FILE_LIMIT = 1 << 20 }; /* bytes */

typedef struct Reading {
    Session *session;
    const char *path;
    int line; /* where the line that is taken begins */
    Lesson *lesson;
    LessonStep *step; /* the last one; NULL: none yet */
    LessonItem *item; /* the last one of the step; NULL: none yet */
    Error *err;
} Reading;

static bool bad(Reading *r, const char *format, ...) __attribute__((format(printf, 2, 3)));
static bool bad(Reading *r, const char *format, ...) {
    char reason[sizeof r->err->text];
    va_list args;
    va_start(args, format);
    vsnprintf(reason, sizeof reason, format, args);
    va_end(args);
    return error_set(r->err, STATUS_BAD_INPUT, "%s:%d: %s", r->path, r->line, reason);
}

static bool copy(Reading *r, const char *text, char **out) {
    mem_free(*out);
    return (*out = mem_copy_text(text, r->err)) != NULL;
}

/* ---- checks of what stands in a line ----------------------------------------------------------------------------- */

static bool good_expression(Reading *r, const char *what, const char *expression) {
    Error err;
    if (!*expression) return bad(r, "%s is empty; a Lua expression belongs there", what);
    return lua_compiles(r->session, "return ", expression, &err) || bad(r, "%s: %s", what, err.text);
}

/* Every $( of a text ends and holds an expression. */
static bool good_text(Reading *r, const char *text) {
    for (const char *at = text; (at = strstr(at, "$(")); at++) {
        Str expression = {0};
        const size_t length = lesson_figure(at, NULL, &expression);
        const bool ok = !length ? bad(r, "$( without its closing bracket")
                                : str_ok(&expression, r->err) && good_expression(r, "$(...)", str_text(&expression));
        str_done(&expression);
        if (!ok) return false;
    }
    return true;
}

/* Commands begin with a command's name; anything else is Lua that compiles. */
static bool good_commands(Reading *r, const char *text) {
    const Reader nothing = {0};
    Error err;
    if (!*text) return bad(r, "a command is missing");
    if (script_open(r->session, &nothing, text)) return bad(r, "the command is not complete: %s", text);
    for (size_t length; *text; text += length + (text[length] == '\n')) {
        length = strcspn(text, "\n");
        char first[8] = "";
        const bool command = script_command_line(text);
        if (command) sscanf(text, " %7[a-z]", first);
        if (lesson_command(first)) return bad(r, "%s is a command of lessons; a lesson does not run it", first);
        if (command || strchr("?!#", *text) || (length && text[length - 1] == '?')) continue;
        Str chunk = {0}; /* of as many lines as Lua needs */
        str_add_bytes(&chunk, text, length);
        while (text[length] && lua_open(r->session, str_text(&chunk))) {
            const size_t more = 1 + strcspn(text + length + 1, "\n");
            str_add_bytes(&chunk, text + length, more);
            length += more;
        }
        const bool whole = str_ok(&chunk, r->err), ok = lua_compiles(r->session, NULL, str_text(&chunk), &err);
        str_done(&chunk);
        if (!whole) return false;
        if (!ok) return bad(r, "neither a command nor Lua: %s", err.text);
    }
    return true;
}

/* ---- lines ------------------------------------------------------------------------------------------------------- */

static LessonItem *new_item(Reading *r, LessonKind kind) {
    LessonStep *step = r->step;
    if (!step) {
        bad(r, "a step (== TITLE) must come first");
        return NULL;
    }
    if (!mem_grow(&step->items, &step->capacity, step->count + 1, sizeof *step->items, r->err)) return NULL;
    r->item = &step->items[step->count++];
    *r->item = (LessonItem){.kind = kind, .line = r->line, .right = SIZE_MAX};
    return r->item;
}

static bool add_pair(Reading *r, LessonPairs *pairs, const char *text, const char *note) {
    if (!mem_grow(&pairs->pair, &pairs->capacity, pairs->count + 1, sizeof *pairs->pair, r->err)) return false;
    LessonPair *pair = &pairs->pair[pairs->count++];
    return copy(r, text, &pair->text) && (!note || copy(r, note, &pair->note));
}

/* "TEXT | NOTE" */
static bool add_split(Reading *r, LessonPairs *pairs, const char *text) {
    const char *bar = strstr(text, " | ");
    Str first = {0};
    str_add_bytes(&first, text, bar ? (size_t)(bar - text) : strlen(text));
    const bool ok = str_ok(&first, r->err) && add_pair(r, pairs, str_text(&first), bar ? bar + 3 : NULL);
    str_done(&first);
    return ok;
}

/* A question waits for what says which kind it is. */
static bool is_question(const Reading *r) {
    return r->item && r->item->kind >= LESSON_NUMBER;
}

static bool finish_item(Reading *r) {
    LessonItem *item = r->item;
    if (!item) return true;
    const int line = r->line;
    r->line = item->line;
    bool ok = true;
    if (item->kind == LESSON_CHOICE && item->choices.count < 2)
        ok = bad(r, "a question with choices needs at least two");
    else if (item->kind == LESSON_CHOICE && !item->answer && item->right == SIZE_MAX)
        ok = bad(r, "no choice is right: mark it with *, or add a line = LUA");
    else if (item->kind == LESSON_CHOICE && item->answer && item->right != SIZE_MAX)
        ok = bad(r, "the right choice is given twice: by * and by =");
    else if (item->kind == LESSON_NUMBER && !item->answer)
        ok = bad(r, "the question has no answer: add = LUA, choices (- and *), or check: and solution:");
    else if (item->kind == LESSON_TASK && !item->solution)
        ok = bad(r, "the task has no solution: line, which skip and --auto need");
    else if (item->solution && !item->checks.count)
        ok = bad(r, "a solution: belongs to a question with a check: line");
    r->line = line;
    return ok;
}

static bool finish_step(Reading *r) {
    if (!finish_item(r)) return false;
    r->item = NULL;
    if (!r->step || r->step->count) return true;
    r->line = r->step->line;
    return bad(r, "the step '%s' is empty", r->step->title);
}

static bool take_title(Reading *r, const char *value) {
    if (r->lesson->title) return bad(r, "a second title (# ...); steps begin with ==");
    return copy(r, value, &r->lesson->title);
}

static bool take_step(Reading *r, const char *value) {
    Lesson *lesson = r->lesson;
    if (!finish_step(r)) return false;
    if (!mem_grow(&lesson->steps, &lesson->capacity, lesson->count + 1, sizeof *lesson->steps, r->err)) return false;
    r->step = &lesson->steps[lesson->count++];
    *r->step = (LessonStep){.line = r->line};
    return copy(r, value, &r->step->title);
}

static bool take_text(Reading *r, const char *value) {
    if (!finish_item(r)) return false;
    LessonItem *item = new_item(r, LESSON_TEXT);
    return item && good_text(r, value) && copy(r, value, &item->text);
}

static bool take_lua(Reading *r, const char *value) {
    Error err;
    if (!finish_item(r)) return false;
    LessonItem *item = new_item(r, LESSON_LUA);
    if (!item) return false;
    if (!lua_compiles(r->session, NULL, value, &err)) return bad(r, "lua: %s", err.text);
    return copy(r, value, &item->text);
}

static bool take_command(Reading *r, const char *value) {
    if (!finish_item(r)) return false;
    LessonItem *item = new_item(r, LESSON_COMMAND);
    return item && good_commands(r, value) && copy(r, value, &item->text);
}

static bool take_question(Reading *r, const char *value) {
    if (!finish_item(r)) return false;
    LessonItem *item = new_item(r, LESSON_NUMBER); /* until choices or a check follow */
    return item && good_text(r, value) && copy(r, value, &item->text);
}

/* "0.05", "2 %" */
static bool read_tolerance(Reading *r, const char *text, double *out) {
    Str number = {0};
    const bool share = text_ends_with(text, "%");
    size_t length = strlen(text) - share;
    while (length && text[length - 1] == ' ') length--;
    str_add_bytes(&number, text, length);
    const bool whole = str_ok(&number, r->err);
    const bool ok = text_to_double(str_text(&number), out) && *out > 0 && *out < 1e300;
    str_done(&number);
    if (!whole) return false;
    if (ok && share) *out /= -100;
    return ok || bad(r, "a tolerance is a number above 0, or one with %%, not '%s'", text);
}

static bool take_answer(Reading *r, const char *value) {
    LessonItem *item = r->item;
    if (!is_question(r)) return bad(r, "an answer (= ...) without a question before it");
    if (item->kind == LESSON_TASK) return bad(r, "a question with check: has no answer (= ...)");
    if (item->answer) return bad(r, "a second answer to the same question");
    const char *plus = strstr(value, " +- ");
    if (plus && item->kind == LESSON_CHOICE) return bad(r, "the answer to a choice has no tolerance");
    Str expression = {0};
    str_add_bytes(&expression, value, plus ? (size_t)(plus - value) : strlen(value));
    const bool ok = str_ok(&expression, r->err) && good_expression(r, "=", str_text(&expression)) &&
                    copy(r, str_text(&expression), &item->answer) &&
                    (!plus || read_tolerance(r, plus + 4, &item->tolerance));
    str_done(&expression);
    return ok;
}

static bool take_choice(Reading *r, const char *value) {
    enum { MOST = 26 };
    LessonItem *item = r->item;
    if (!is_question(r)) return bad(r, "a choice (- or *) without a question before it");
    if (item->kind == LESSON_TASK) return bad(r, "a question with check: has no choices");
    if (item->tolerance != 0) return bad(r, "the answer to a choice has no tolerance");
    if (item->choices.count >= MOST) return bad(r, "a question has at most %d choices", MOST);
    item->kind = LESSON_CHOICE;
    if (!*value) return bad(r, "the choice is empty");
    return good_text(r, value) && add_split(r, &item->choices, value);
}

static bool take_right(Reading *r, const char *value) {
    if (is_question(r) && r->item->right != SIZE_MAX) return bad(r, "a second right choice (*)");
    if (!take_choice(r, value)) return false;
    r->item->right = r->item->choices.count - 1;
    return true;
}

static bool take_check(Reading *r, const char *value) {
    LessonItem *item = r->item;
    if (!item || item->kind < LESSON_COMMAND) return bad(r, "check: without a command or a question before it");
    if (item->answer || item->choices.count) return bad(r, "a question with an answer has no check:");
    if (item->kind != LESSON_COMMAND) item->kind = LESSON_TASK;
    const bool ok = add_split(r, &item->checks, value);
    const LessonPair *pair = ok ? &item->checks.pair[item->checks.count - 1] : NULL;
    return ok && good_expression(r, "check:", pair->text) && (!pair->note || good_text(r, pair->note));
}

static bool take_solution(Reading *r, const char *value) {
    if (!is_question(r)) return bad(r, "solution: without a question before it");
    if (r->item->solution) return bad(r, "a second solution to the same question");
    return good_commands(r, value) && copy(r, value, &r->item->solution);
}

static bool take_hint(Reading *r, const char *value) {
    if (!r->item || r->item->kind < LESSON_COMMAND) return bad(r, "hint: without a command or a question before it");
    if (!*value) return bad(r, "the hint is empty");
    return good_text(r, value) && add_pair(r, &r->item->hints, value, NULL);
}

static bool take_about(Reading *r, const char *value) {
    if (r->step || r->lesson->about) return bad(r, "about: stands once, before the first step");
    return copy(r, value, &r->lesson->about);
}

static bool take_number(Reading *r, const char *name, const char *value, uint64_t *out) {
    if (r->step) return bad(r, "%s stands before the first step", name);
    return (text_to_u64(value, out) && *out > 0 && *out <= 1000) || bad(r, "%s is a number from 1 to 1000", name);
}

static bool take_minutes(Reading *r, const char *value) {
    return take_number(r, "minutes:", value, &r->lesson->minutes);
}

static bool take_order(Reading *r, const char *value) {
    return take_number(r, "order:", value, &r->lesson->order);
}

/* How lines begin. `whole`: indented lines that follow stay lines, as those of Lua must. */
static const struct Mark {
    const char *mark;
    bool (*take)(Reading *r, const char *value);
    bool whole;
} marks[] = {
    {"#", take_title, false},          {"==", take_step, false},      {">", take_command, true},
    {"?", take_question, false},       {"=", take_answer, false},     {"-", take_choice, false},
    {"*", take_right, false},          {"check:", take_check, false}, {"solution:", take_solution, true},
    {"hint:", take_hint, false},       {"lua:", take_lua, true},      {"about:", take_about, false},
    {"minutes:", take_minutes, false}, {"order:", take_order, false},
};
enum { MARKS = sizeof marks / sizeof *marks };

/* The mark that a line begins with and a blank follows; NULL: the line is text. */
static const struct Mark *mark_of(const char *line) {
    for (size_t i = 0; i < MARKS; i++) {
        const size_t length = strlen(marks[i].mark);
        if (strncmp(line, marks[i].mark, length) == 0 && (line[length] == ' ' || !line[length])) return &marks[i];
    }
    return NULL;
}

/* `hnt: ...` is a mistyped mark rather than text. */
static bool mistyped_mark(Reading *r, const char *line) {
    const char *names[MARKS];
    size_t count = 0, length = 0;
    while (islower((unsigned char)line[length])) length++;
    if (!length || line[length] != ':' || (line[length + 1] && line[length + 1] != ' ')) return false;
    for (size_t i = 0; i < MARKS; i++)
        if (islower((unsigned char)*marks[i].mark)) names[count++] = marks[i].mark;
    Str word = {0};
    str_add_bytes(&word, line, length + 1);
    const char *near = text_nearest(str_text(&word), names, count);
    if (near) bad(r, "unknown '%s'; did you mean %s?", str_text(&word), near);
    str_done(&word);
    return near != NULL;
}

/* ---- the file ---------------------------------------------------------------------------------------------------- */

/* What is being gathered: a marked line with the indented ones after it, or all text up to the next marked line. */
typedef struct Gathered {
    const struct Mark *mark; /* NULL: text */
    Str value;
    int line;
    bool open, blank; /* there is something; the last line was empty */
} Gathered;

static bool finish_gathered(Reading *r, Gathered *g) {
    bool ok = str_ok(&g->value, r->err);
    r->line = g->line;
    if (ok && g->open) ok = (g->mark ? g->mark->take : take_text)(r, str_text(&g->value));
    str_done(&g->value);
    *g = (Gathered){0};
    return ok;
}

/* Lines of a paragraph are joined; indented lines and empty ones stay. */
static void add_text_line(Gathered *g, const char *line) {
    const bool indented = *line == ' ';
    if (g->value.length) {
        const char *last = strrchr(g->value.text, '\n');
        const bool after_code = (last ? last[1] : *g->value.text) == ' ';
        str_add(&g->value, g->blank ? "\n\n" : indented || after_code ? "\n" : " ");
    }
    str_add(&g->value, line);
    g->blank = false;
}

static bool read_line(Reading *r, Gathered *g, const char *line, int number) {
    const bool indented = *line == ' ';
    const char *text = line + strspn(line, " ");
    r->line = number;
    if (*line == '%') return true;
    if (!*text) {
        if (g->mark) return finish_gathered(r, g);
        g->blank = true;
        return true;
    }
    if (indented && g->mark) {
        str_add(&g->value, g->mark->whole ? "\n" : " ");
        str_add(&g->value, g->mark->whole ? line + 2 - (line[1] != ' ') : text);
        return true;
    }
    const struct Mark *mark = indented ? NULL : mark_of(line);
    if (!mark && mistyped_mark(r, line)) return false;
    if ((mark || g->mark) && !finish_gathered(r, g)) return false;
    r->line = number;
    if (!g->open) *g = (Gathered){.mark = mark, .line = number, .open = true};
    if (mark)
        str_add(&g->value, line + strlen(mark->mark) + strspn(line + strlen(mark->mark), " "));
    else
        add_text_line(g, line);
    return true;
}

/* Nothing in a lesson may act on a terminal: what a message would escape (C0, C1, DEL, bidirectional) is refused. */
static bool harmless_line(Reading *r, const char *line) {
    if (!text_valid_utf8(line, strlen(line))) return bad(r, "not UTF-8");
    Str safe = {0};
    str_add_escaped(&safe, line, strlen(line));
    const bool whole = str_ok(&safe, r->err), same = strcmp(str_text(&safe), line) == 0;
    str_done(&safe);
    if (!whole) return false;
    return same || bad(r, "a control character (or a tab)");
}

static bool read_lines(Reading *r, const char *text) {
    Gathered gathered = {0};
    bool ok = true;
    if (strncmp(text, "\xEF\xBB\xBF", 3) == 0) text += 3;
    for (int number = 1; ok && *text; number++) {
        const size_t length = strcspn(text, "\n");
        size_t kept = length;
        while (kept && (text[kept - 1] == ' ' || text[kept - 1] == '\r')) kept--;
        Str line = {0};
        str_add_bytes(&line, text, kept);
        r->line = number;
        ok = str_ok(&line, r->err) && harmless_line(r, str_text(&line)) &&
             read_line(r, &gathered, str_text(&line), number);
        str_done(&line);
        text += length + (text[length] == '\n');
    }
    ok = ok && finish_gathered(r, &gathered) && finish_step(r);
    str_done(&gathered.value);
    return ok;
}

Lesson *lesson_read(Session *session, const char *path, Error *err) {
    size_t length;
    char *text = file_read_all(path, FILE_LIMIT, &length, err);
    Reading r = {.session = session, .path = path, .err = err, .line = 1};
    if (!text) return NULL;
    bool ok = strlen(text) == length || bad(&r, "NUL bytes; not a lesson");
    ok = ok && (r.lesson = mem_alloc(1, sizeof *r.lesson, err)) && read_lines(&r, text);
    mem_free(text);
    if (ok && !(r.lesson->title && *r.lesson->title)) r.line = 1, ok = bad(&r, "no title (# TITLE)");
    if (ok && !r.lesson->count) ok = bad(&r, "no step (== TITLE)");
    if (ok) return r.lesson;
    lesson_free(r.lesson);
    return NULL;
}

static void free_pairs(LessonPairs *pairs) {
    for (size_t i = 0; i < pairs->count; i++) {
        mem_free(pairs->pair[i].text);
        mem_free(pairs->pair[i].note);
    }
    mem_free(pairs->pair);
}

void lesson_free(Lesson *lesson) {
    if (!lesson) return;
    for (size_t s = 0; s < lesson->count; s++) {
        LessonStep *step = &lesson->steps[s];
        for (size_t i = 0; i < step->count; i++) {
            LessonItem *item = &step->items[i];
            free_pairs(&item->choices);
            free_pairs(&item->checks);
            free_pairs(&item->hints);
            mem_free(item->text);
            mem_free(item->answer);
            mem_free(item->solution);
        }
        mem_free(step->items);
        mem_free(step->title);
    }
    mem_free(lesson->steps);
    mem_free(lesson->title);
    mem_free(lesson->about);
    mem_free(lesson);
}
