/* lesson_store -- where lessons are, and how far a learner is: the file `lessons` where state is kept.
 *
 * Its lines are "STEP NAME": the number of the step to go on with, and the lesson's name or absolute path.
 */
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "jobs.h"
#include "lesson_play.h"
#include "paths.h"
#include "session.h"

#include "weft/base/file.h"
#include "weft/base/memory.h"
#include "weft/base/save.h"
#include "weft/base/table.h"
#include "weft/base/text.h"

/* ---- finding ----------------------------------------------------------------------------------------------------- */

/* False: there is none of this name, or `path` has failed. */
static bool sample_lesson(const char *name, Str *path) {
    Str file = {0};
    str_addf(&file, "lessons/%s.lesson", name);
    const bool found = !file.failed && !strchr(name, '/') && sample_path(str_text(&file), path);
    path->failed = path->failed || file.failed;
    str_done(&file);
    return found && !path->failed;
}

static void take_name(void *context, const char *name) {
    Error ignored;
    Words *names = context;
    for (size_t i = 0; i < names->count; i++)
        if (strcmp(names->word[i], name) == 0) return;
    words_add(names, name, &ignored);
}

static bool no_lesson(const char *word, Error *err) {
    Words names = {0};
    sample_each(SAMPLE_LESSON, take_name, &names);
    const char *near = text_nearest(word, (const char *const *)names.word, names.count);
    if (near)
        error_set(err, STATUS_USAGE, "no lesson '%s'; did you mean %s?", word, near);
    else
        error_set(err, STATUS_USAGE, "no lesson '%s', nor a file of that name (lesson lists them)", word);
    words_done(&names);
    return false;
}

bool lesson_find(const char *word, Str *name, Str *path, Error *err) {
    char whole[PATH_MAX];
    Str file = {0};
    if (sample_lesson(word, path)) {
        str_add(name, word);
        return str_ok(name, err) && str_ok(path, err);
    }
    bool ok = str_ok(path, err) && path_expand(word, &file, err);
    if (ok && access(str_text(&file), F_OK) != 0) ok = no_lesson(word, err);
    if (ok && (!realpath(str_text(&file), whole) || strchr(whole, '\n')))
        ok = error_set(err, STATUS_BAD_INPUT, "%s: cannot be read, or its path has a line break", word);
    if (ok) {
        str_add(name, whole);
        str_add(path, str_text(&file));
    }
    str_done(&file);
    return ok && str_ok(name, err) && str_ok(path, err);
}

/* ---- progress ---------------------------------------------------------------------------------------------------- */

enum { STATE_LIMIT = 1 << 20 };

/* Calls for each line of the file: the step, and the name, which is not terminated. */
static char *read_state(const char *path) {
    Error ignored;
    size_t length;
    return access(path, F_OK) == 0 ? file_read_all(path, STATE_LIMIT, &length, &ignored) : NULL;
}

/* The name behind "STEP ", and the step; NULL: the line is not of that form. */
static const char *state_line(const char *line, unsigned long *step) {
    char *end;
    *step = strtoul(line, &end, 10);
    return end > line && *end == ' ' ? end + 1 : NULL;
}

static bool is_name(const char *at, const char *name) {
    const size_t length = strlen(name);
    return strncmp(at, name, length) == 0 && (at[length] == '\n' || !at[length]);
}

size_t lesson_progress(const char *name) {
    Str path = {0};
    size_t found = 0;
    char *text = state_path("lessons", &path) ? read_state(str_text(&path)) : NULL;
    for (const char *line = text; line && *line; line += strcspn(line, "\n"), line += *line == '\n') {
        unsigned long step;
        const char *at = state_line(line, &step);
        if (at && is_name(at, name) && step) found = step - 1;
    }
    mem_free(text);
    str_done(&path);
    return found;
}

bool lesson_progress_save(const LessonPlay *play, size_t step, Error *err) {
    Str path = {0}, out = {0};
    if (!state_path("lessons", &path)) {
        str_done(&path);
        return error_set(err, STATUS_WRITE, "no folder for it: HOME is not set");
    }
    char *text = read_state(str_text(&path));
    for (const char *line = text; line && *line; line += strcspn(line, "\n"), line += *line == '\n') {
        unsigned long other;
        const char *at = state_line(line, &other);
        if (at && !is_name(at, play->name)) str_addf(&out, "%.*s\n", (int)strcspn(line, "\n"), line);
    }
    str_addf(&out, "%zu %s\n", step + 1, play->name);
    state_make_folders(path.text);
    const bool ok = str_ok(&out, err) && save_text(str_text(&path), true, str_text(&out), out.length, err);
    mem_free(text);
    str_done(&path);
    str_done(&out);
    return ok;
}

/* ---- the list ---------------------------------------------------------------------------------------------------- */

typedef struct Listed {
    char *name;
    Lesson *lesson;
} Listed;

static int compare_listed(const void *a, const void *b) {
    const Listed *x = a, *y = b;
    const uint64_t first = x->lesson->order ? x->lesson->order : UINT64_MAX;
    const uint64_t second = y->lesson->order ? y->lesson->order : UINT64_MAX;
    return first != second ? (first < second ? -1 : 1) : strcmp(x->name, y->name);
}

static void add_row(const Session *session, Table *table, const Listed *each) {
    const LessonPlay *play = session->lesson;
    const size_t step = lesson_progress(each->name), count = each->lesson->count;
    Str progress = {0};
    if (play && play->active && strcmp(play->name, each->name) == 0)
        str_addf(&progress, "now at step %zu", play->step + 1);
    else if (step >= count)
        str_add(&progress, "done");
    else if (step)
        str_addf(&progress, "at step %zu", step + 1);
    table_text(table, each->name);
    table_text(table, each->lesson->title);
    table_integer(table, (int64_t)each->lesson->minutes);
    table_integer(table, (int64_t)count);
    table_text(table, str_text(&progress));
    str_done(&progress);
}

/* Reads the lessons of these names; *done: how many, also where one cannot be read. */
static bool read_listed(Session *session, const Words *names, Listed *list, size_t *done, Error *err) {
    for (*done = 0; *done < names->count; ++*done) {
        Str path = {0};
        char *name = names->word[*done];
        Lesson *lesson = sample_lesson(name, &path) ? lesson_read(session, str_text(&path), err) : NULL;
        if (!str_ok(&path, err)) lesson_free(lesson), lesson = NULL;
        str_done(&path);
        if (!lesson) return false;
        list[*done] = (Listed){name, lesson};
    }
    return true;
}

Table *lesson_table(Session *session, Error *err) {
    Words names = {0};
    size_t read = 0;
    sample_each(SAMPLE_LESSON, take_name, &names);
    Listed *list = mem_alloc(names.count, sizeof *list, err);
    Table *table = NULL;
    if (list && read_listed(session, &names, list, &read, err) && (table = table_new(err))) {
        if (read) qsort(list, read, sizeof *list, compare_listed);
        table_column(table, "lesson", "", COLUMN_TEXT);
        table_column(table, "title", "", COLUMN_TEXT);
        table_column(table, "minutes", "", COLUMN_INTEGER);
        table_column(table, "steps", "", COLUMN_INTEGER);
        table_column(table, "progress", "", COLUMN_TEXT);
        for (size_t i = 0; i < read; i++) add_row(session, table, &list[i]);
        table = table_finish(table, err);
    }
    for (size_t i = 0; i < read; i++) lesson_free(list[i].lesson);
    mem_free(list);
    words_done(&names);
    return table;
}
