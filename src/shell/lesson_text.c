/* lesson_text -- how a lesson looks: headings, paragraphs with computed figures, commands, questions. */
#include <ctype.h>
#include <string.h>

#include "lesson.h"
#include "lesson_play.h"
#include "output.h"
#include "session.h"
#include "words.h"

#include "weft/base/text.h"

static const char BOLD[] = "\033[1m", PLAIN[] = "\033[0m";

static void add_bold(const Session *session, const char *text, Str *out) {
    const bool colours = session->colours != COLOURS_NONE;
    str_addf(out, "%s%s%s", colours ? BOLD : "", text, colours ? PLAIN : "");
}

size_t lesson_figure(const char *at, Str *format, Str *expression) {
    const size_t length = words_bracket(at + 1);
    if (!length) return 0;
    const char *text = at + 2, *end = at + length;
    if (*text == '%') {
        const size_t size = strcspn(text, " )");
        if (format) str_add_bytes(format, text, size);
        text += size + (text[size] == ' ');
    }
    str_add_bytes(expression, text, (size_t)(end - text));
    return length + 1;
}

static bool add_figure(Session *session, const char *format, const char *expression, Str *out, Error *err) {
    Str call = {0}, value = {0};
    double number;
    if (*format)
        str_addf(&call, "string.format('%s', %s)", format, expression);
    else
        str_add(&call, expression);
    const bool ok = str_ok(&call, err) && lesson_value(session, str_text(&call), &value, err) && str_ok(&value, err);
    if (ok && !*format && text_to_double(value.text ? value.text : "", &number))
        str_add_number(out, number);
    else if (ok)
        str_add_escaped(out, str_text(&value), value.length);
    str_done(&call);
    str_done(&value);
    return ok;
}

bool lesson_fill_in(Session *session, const char *text, Str *out, Error *err) {
    while (*text) {
        const char *at = strstr(text, "$(");
        const size_t plain = at ? (size_t)(at - text) : strlen(text);
        str_add_bytes(out, text, plain);
        text += plain;
        if (!at) break;
        Str format = {0}, expression = {0};
        const size_t length = lesson_figure(at, &format, &expression);
        const bool sketch = session->lesson && session->lesson->sketch;
        bool ok = str_ok(&format, err) && str_ok(&expression, err);
        if (ok && sketch)
            str_add(out, "12.345");
        else if (ok)
            ok = add_figure(session, str_text(&format), str_text(&expression), out, err);
        str_done(&format);
        str_done(&expression);
        if (!ok) return false;
        text += length;
    }
    return true;
}

/* The widest that prose is easily read at. */
static size_t text_width(void) {
    enum { WIDEST = 100 };
    const size_t columns = output_columns();
    return columns < WIDEST ? columns : WIDEST;
}

bool lesson_add_text(Session *session, const char *text, size_t indent, Str *out, Error *err) {
    Str whole = {0}, filled = {0};
    const bool ok = lesson_fill_in(session, text, &whole, err) && str_ok(&whole, err);
    if (ok) str_add_filled(&filled, str_text(&whole), text_width() - indent);
    for (const char *line = str_text(&filled); *line;) {
        const size_t length = strcspn(line, "\n");
        if (length) str_addf(out, "%*s%.*s", (int)indent, "", (int)length, line);
        str_add(out, "\n");
        line += length + (line[length] == '\n');
    }
    out->failed = out->failed || filled.failed;
    str_done(&whole);
    str_done(&filled);
    return ok;
}

void lesson_add_heading(const Session *session, const LessonPlay *play, Str *out) {
    const char *dash = session->ascii ? "-" : "\u2500";
    Str text = {0};
    str_addf(&text, " %zu/%zu  %s ", play->step + 1, play->lesson->count, lesson_step(play)->title);
    str_addf(out, "\n%s%s", dash, dash);
    add_bold(session, str_text(&text), out);
    for (size_t column = 2 + text_columns(str_text(&text)); column < text_width(); column++) str_add(out, dash);
    str_add(out, "\n");
    str_done(&text);
}

/* A line that is wider than the screen is broken between words. */
static void add_command_line(const Session *session, const char *line, Str *out) {
    enum { INDENT = 4, HANG = 6 };
    const size_t width = output_columns();
    Str wrapped = {0};
    if (session->out_terminal && INDENT + text_columns(line) > width)
        str_add_wrapped(&wrapped, line, INDENT, HANG, width);
    add_bold(session, wrapped.length ? wrapped.text : line, out);
    str_add(out, "\n");
    str_done(&wrapped);
}

void lesson_add_command(const Session *session, const char *command, Str *out) {
    str_add(out, "\n");
    for (bool first = true; *command; first = false) {
        const size_t length = strcspn(command, "\n");
        Str line = {0};
        str_addf(&line, "%.*s", (int)length, command);
        str_add(out, first ? "  > " : "    ");
        add_command_line(session, str_text(&line), out);
        str_done(&line);
        command += length + (command[length] == '\n');
    }
}

static bool add_choice(Session *session, size_t index, const char *text, Str *out, Error *err) {
    enum { HANG = 7 };
    Str whole = {0};
    const bool ok = lesson_fill_in(session, text, &whole, err) && str_ok(&whole, err);
    str_addf(out, "    %c  ", (char)('a' + (int)index));
    str_add_wrapped(out, str_text(&whole), HANG, HANG, text_width());
    str_add(out, "\n");
    str_done(&whole);
    return ok;
}

bool lesson_add_question(Session *session, const LessonItem *item, Str *out, Error *err) {
    enum { HANG = 4 };
    Str whole = {0};
    bool ok = lesson_fill_in(session, item->text, &whole, err) && str_ok(&whole, err);
    str_add(out, "\n  ");
    add_bold(session, "?", out);
    str_add(out, " ");
    str_add_wrapped(out, str_text(&whole), HANG, HANG, text_width());
    str_add(out, "\n");
    str_done(&whole);
    for (size_t i = 0; ok && i < item->choices.count; i++)
        ok = add_choice(session, i, item->choices.pair[i].text, out, err);
    return ok;
}

/* ---- what fits on the screen ------------------------------------------------------------------------------------- */

void lesson_add_done(const LessonPlay *play, Str *out) {
    str_addf(out, "\nStep %zu is done. Enter goes on.\n", play->step + 1);
}

/* What follows an item, up to what waits next. */
static bool add_following(Session *session, const LessonPlay *play, Str *out, Error *err) {
    const LessonStep *step = lesson_step(play);
    for (size_t i = play->item + 1; i < step->count; i++) {
        const LessonItem *item = &step->items[i];
        if (item->kind == LESSON_COMMAND) return lesson_add_command(session, item->text, out), true;
        if (item->kind > LESSON_COMMAND) return lesson_add_question(session, item, out, err);
        if (item->kind == LESSON_LUA) continue;
        str_add(out, "\n");
        if (!lesson_add_text(session, item->text, 0, out, err)) return false;
    }
    lesson_add_done(play, out);
    return true;
}

unsigned lesson_room(Session *session) {
    LessonPlay *play = session->lesson;
    const LessonItem *item = play && (play->active || !play->kept) ? lesson_waits(play) : NULL;
    if (!item || item->kind != LESSON_COMMAND || !session->out_terminal || session->lua_depth) return 0;
    Str out = {0};
    Error ignored;
    play->sketch = true;
    lesson_add_command(session, item->text, &out);
    add_following(session, play, &out, &ignored);
    play->sketch = false;
    unsigned below = 1; /* to spare; the empty line above the command counts for the next prompt */
    for (const char *at = str_text(&out); (at = strchr(at, '\n')); at++) below++;
    str_done(&out);
    const unsigned rows = output_rows();
    return rows > below ? rows - below : 1;
}
