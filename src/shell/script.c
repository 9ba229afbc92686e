/* script -- one rule for every top-level line: a command line if its first word is a command, otherwise Lua. */
#include <ctype.h>
#include <string.h>

#include "dispatch.h"
#include "lesson.h"
#include "lua_shell.h"
#include "output.h"
#include "script.h"
#include "session.h"
#include "words.h"
#include "workspace.h"
#include "weft/base/error.h"
#include "weft/base/memory.h"
#include "weft/base/save.h"
#include "weft/base/text.h"

static size_t word_length(const char *text) {
    if (!isalpha((unsigned char)*text) && *text != '_') return 0;
    size_t length = 0;
    while (isalnum((unsigned char)text[length]) || text[length] == '_' || text[length] == '-') length++;
    return length;
}

bool script_command_line(const char *line) {
    line += strspn(line, " \t");
    size_t length = word_length(line);
    if (!length || !command_word(line, length)) return false;
    const char next = line[length], *after = line + length + strspn(line + length, " \t");
    if (next == '.' || next == ':') return false; /* behind a blank they begin a path or a name */
    return !*after || !strchr("({[=,", *after);
}

static bool begins_with_local(const char *text) {
    text += strspn(text, " \t\n");
    return strncmp(text, "local", 5) == 0 && (isspace((unsigned char)text[5]) || text[5] == '\0');
}

static bool is_keyword(const char *text, size_t length) {
    static const char *const keywords[] = {"and",      "break",  "do",   "else", "elseif", "end",   "for",
                                           "function", "goto",   "if",   "in",   "nil",    "not",   "or",
                                           "repeat",   "return", "then", "true", "false",  "until", "while"};
    for (size_t i = 0; i < sizeof keywords / sizeof *keywords; i++)
        if (strlen(keywords[i]) == length && strncmp(text, keywords[i], length) == 0) return true;
    return false;
}

/* Words where Lua expects an operator: `evalute base test` is a mistyped command rather than bad Lua. */
static bool looks_like_command(const char *text) {
    text += strspn(text, " \t");
    size_t length = word_length(text);
    if (is_keyword(text, length)) return false;
    size_t blanks = strspn(text + length, " \t");
    char next = text[length + blanks];
    return length && blanks && (isalnum((unsigned char)next) || (next && strchr("_-./~$*\"'", next)));
}

/* What Lua would take for a comment, or for the call of a function that does not exist: `plott --inline`, `evalute "a"
 * b`. */
static bool mistyped_command(Session *session, const char *text) {
    text += strspn(text, " \t");
    size_t length = word_length(text);
    const char *after = text + length + strspn(text + length, " \t");
    bool option = strncmp(after, "--", 2) == 0 && isalpha((unsigned char)after[2]);
    if (!length || is_keyword(text, length) || !(option || *after == '"' || *after == '\'')) return false;
    return !lua_defined(session, text, length);
}

/* The error of a line whose first word is neither a command nor a Lua value. */
static bool unknown_word(Session *session, const char *text, Error *err) {
    Str word = {0};
    text += strspn(text, " \t");
    str_add_bytes(&word, text, word_length(text));
    const Object *object = workspace_find(session, str_text(&word));
    if (object)
        error_set(err, STATUS_USAGE, "'%s' is a %s; a line begins with a command, such as show %s", object->name,
                  object_kind_name(object->kind), object->name);
    else if (lua_defined(session, str_text(&word), word.length))
        error_set(err, STATUS_USAGE, "'%s' is a name of Lua; a function's arguments are in brackets: %s(...)",
                  str_text(&word), str_text(&word));
    else
        command_unknown(str_text(&word), err);
    str_done(&word);
    return false;
}

/* Lua's complaint about a name without a value: an object of the workspace, or a function that does not exist, with the
 * command that may have been meant. */
static void hint_at_name(const Session *session, Error *err) {
    static const char begin[] = "a nil value (global '", call[] = "attempt to call";
    const char *at = strstr(err->text, begin), *end = at ? strchr(at + sizeof begin - 1, '\'') : NULL;
    if (!end) return;
    Str name = {0};
    str_add_bytes(&name, at + sizeof begin - 1, (size_t)(end - at) - sizeof begin + 1);
    const Object *object = workspace_find(session, str_text(&name));
    const char *near = strstr(err->text, call) ? command_nearest(str_text(&name)) : NULL;
    char was[sizeof err->text];
    memcpy(was, err->text, sizeof was);
    if (object)
        error_set(err, err->status, "%s; '%s' is a %s, which Lua knows by its name only: show{\"%s\"}", was,
                  object->name, object_kind_name(object->kind), object->name);
    else if (near)
        error_set(err, err->status, "%s; did you mean %s?", was, near);
    str_done(&name);
}

/* t.column.mean() for t.column:mean() */
static void hint_at_colon(const char *text, Error *err) {
    static const char begin[] = "bad argument #1 to '";
    const char *at = strstr(err->text, begin), *end = at ? strchr(at + sizeof begin - 1, '\'') : NULL;
    if (!end) return;
    Str dotted = {0};
    str_addf(&dotted, ".%.*s(", (int)(end - at) - (int)sizeof begin + 1, at + sizeof begin - 1);
    char was[sizeof err->text];
    memcpy(was, err->text, sizeof was);
    const char *call = strstr(err->text, "table expected") ? strstr(text, str_text(&dotted)) : NULL;
    if (call && !(call - text >= 5 && strncmp(call - 5, "table", 5) == 0)) /* Lua's own table.sort */
        error_set(err, err->status, "%s; a method of a table or column stands behind a colon, :%s...)", was,
                  str_text(&dotted) + 1);
    str_done(&dotted);
}

/* A command line inside Lua, after a `;` or in a loop, is a syntax error there: says how it is written. */
static void hint_at_command(const char *text, Error *err) {
    if (!strstr(err->text, "near ") || looks_like_command(text)) return;
    for (const char *at = text; *at; at++) {
        size_t length = at > text && (isalnum((unsigned char)at[-1]) || strchr("_.:'\"", at[-1])) ? 0 : word_length(at);
        if (!length || !script_command_line(at)) continue;
        char next = at[length + strspn(at + length, " \t")];
        if (!isalnum((unsigned char)next) && next != '_' && next != '-') continue;
        Str word = {0};
        str_add_bytes(&word, at, length);
        char was[sizeof err->text];
        memcpy(was, err->text, sizeof was);
        error_set(err, STATUS_USAGE, "%s (in Lua, a command is a function: %s{...}; see help lua)", was,
                  str_text(&word));
        str_done(&word);
        return;
    }
}

static bool run_lua(Session *session, Reader *reader, bool *more, Error *err) {
    const char *text = str_text(&reader->pending);
    *more = false;
    session->line = reader->first_line;
    if (begins_with_local(text))
        return error_set(err, STATUS_USAGE, "a top-level local would be lost on the next line; remove `local`");
    if (mistyped_command(session, text)) return unknown_word(session, text, err);
    LuaState state = lua_chunk(session, text, reader->first_line, err);
    *more = state == LUA_CHUNK_MORE;
    if (state != LUA_CHUNK_FAILED) return state == LUA_CHUNK_DONE;
    if (err->status == STATUS_USAGE && looks_like_command(text)) return unknown_word(session, text, err);
    if (err->status == STATUS_USAGE) hint_at_command(text, err);
    hint_at_name(session, err);
    hint_at_colon(text, err);
    return false;
}

void script_remember(Session *session, const char *text, size_t length) {
    Error err;
    char *copy = mem_copy_bytes(text, length, &err);
    const bool kept =
        copy && mem_grow(&session->done, &session->done_capacity, session->done_count + 1, sizeof(char *), &err);
    if (kept)
        session->done[session->done_count++] = copy;
    else
        mem_free(copy);
    if (!session->record_path) return;
    Str all = {0};
    for (size_t i = 0; i < session->done_count; i++) str_addf(&all, "%s\n", session->done[i]);
    if (!kept || !str_ok(&all, &err) || !save_text(session->record_path, true, str_text(&all), all.length, &err)) {
        output_error(session, &err); /* a recording without this line would be another script */
        mem_free(session->record_path);
        session->record_path = NULL;
    }
    str_done(&all);
}

/* Commands that are about the session itself. A script that is sourced leaves its own lines. */
static const char *const unrecorded[] = {"record", "quit", "exit", "source", "history", "clear"};

/* One command of a line. */
static void command_ran(Session *session, const char *text, size_t length) {
    Str command = {0};
    str_add_bytes(&command, text, length - (text[length - 1] == ';'));
    lesson_ran(session, str_text(&command));
    str_done(&command);
}

/* One command line, which may hold several commands with ; between them; the last may be Lua. Each that worked is
 * remembered, also where a later one fails, but for those about the session, so that the record runs again. */
static bool run_commands(Session *session, const char *text, int number, Error *err) {
    while (true) {
        text += strspn(text, " \t\n");
        if (!*text || *text == '#' || session->quit) return true;
        if (!script_command_line(text)) {
            Reader rest = {.first_line = number};
            bool more;
            str_add(&rest.pending, text);
            bool ok = run_lua(session, &rest, &more, err);
            if (ok) script_remember(session, text, strlen(text));
            if (ok) lesson_ran(session, text);
            str_done(&rest.pending);
            return ok;
        }
        Words words;
        size_t used;
        session->line = number;
        if (!words_split(session, text, &words, &used, err)) return false;
        session->left_lines = false;
        bool ok = dispatch(session, (const char *const *)words.word, NULL, words.count, true, NULL, err);
        bool of_session = session->left_lines || lesson_command(words.word[0]);
        for (size_t i = 0; i < sizeof unrecorded / sizeof *unrecorded; i++)
            of_session = of_session || strcmp(words.word[0], unrecorded[i]) == 0;
        if (ok && !of_session) script_remember(session, text, used - (text[used - 1] == ';'));
        if (ok) command_ran(session, text, used);
        words_done(&words);
        if (!ok) return false;
        text += used;
    }
}

/* One or two words, as help takes them. */
static bool only_words(const char *text, size_t length) {
    for (size_t i = 0; i < length; i++)
        if (!isalnum((unsigned char)text[i]) && !strchr("_- ", text[i])) return false;
    return length > 0;
}

/* `!make` is `shell make`; `?word` and `word?` are `help word`, or `show word` where it is an object. False: the line
 * is none of these. */
static bool shorthand(const Session *session, const char *line, Str *out) {
    size_t length = strlen(line);
    while (length && isspace((unsigned char)line[length - 1])) length--;
    if (*line == '!') {
        str_addf(out, "shell %.*s", (int)length - 1, line + 1);
        return true;
    }
    const bool before = *line == '?', behind = length && line[length - 1] == '?';
    if (!before && !behind) return false;
    while (length && line[length - 1] == '?') length--;
    while (length && *line == '?') line++, length--;
    while (length && isspace((unsigned char)*line)) line++, length--;
    if (length && !only_words(line, length)) return false;
    Str word = {0};
    str_add_bytes(&word, line, length);
    const bool object = length && workspace_find(session, str_text(&word));
    str_addf(out, "%s %s", object ? "show" : "help", str_text(&word));
    str_done(&word);
    return true;
}

typedef enum LineKind { LINE_NOTHING, LINE_OPEN, LINE_COMMANDS, LINE_LUA } LineKind;

/* Adds a line to what is pending, and says what that is now: OPEN is a command line that goes on. */
static LineKind take_line(const Session *session, Reader *reader, const char *line, int number) {
    Str *pending = &reader->pending;
    if (!pending->length) {
        const char *text = line + strspn(line, " \t\r");
        if (!*text || *text == '#') return LINE_NOTHING;
        reader->first_line = number;
        if (shorthand(session, text, pending)) return LINE_COMMANDS;
    } else if (!script_command_line(str_text(pending))) { /* a command line goes on where the \ was */
        str_add(pending, "\n");
    }
    str_add(pending, line);
    while (pending->length && pending->text[pending->length - 1] == '\r') pending->text[--pending->length] = '\0';
    if (pending->failed || !script_command_line(str_text(pending))) return LINE_LUA;
    if (pending->text[pending->length - 1] != '\\') return LINE_COMMANDS;
    pending->text[pending->length - 1] = ' ';
    return LINE_OPEN;
}

static void reader_clear(Reader *reader) {
    str_done(&reader->pending);
    reader->pending = (Str){0};
}

static ReaderState run_taken(Session *session, Reader *reader, LineKind kind, Error *err) {
    Str *pending = &reader->pending;
    bool ok = str_ok(pending, err), more = false;
    if (ok && kind == LINE_COMMANDS) {
        if (session->options.echo) fprintf(stderr, "> %s\n", str_text(pending));
        ok = run_commands(session, str_text(pending), reader->first_line, err);
    } else if (ok) {
        ok = run_lua(session, reader, &more, err);
        if (more) return READER_MORE;
        if (ok) script_remember(session, str_text(pending), pending->length);
        if (ok) lesson_ran(session, str_text(pending));
        ok = ok && output_flush(session, err);
    }
    reader_clear(reader);
    return ok ? READER_DONE : READER_FAILED;
}

ReaderState script_feed(Session *session, Reader *reader, const char *line, int number, Error *err) {
    LineKind kind = take_line(session, reader, line, number);
    if (kind == LINE_NOTHING) return READER_DONE;
    return kind == LINE_OPEN ? READER_MORE : run_taken(session, reader, kind, err);
}

bool script_end(Session *session, Reader *reader, Error *err) {
    if (!reader->pending.length) return true;
    session->line = reader->first_line;
    bool command = script_command_line(str_text(&reader->pending));
    ReaderState state = command ? run_taken(session, reader, LINE_COMMANDS, err) : READER_FAILED;
    if (!command) error_set(err, STATUS_USAGE, "the Lua chunk that starts here does not end");
    reader_clear(reader);
    return state == READER_DONE;
}

bool script_open(Session *session, const Reader *before, const char *text) {
    Reader reader = {.first_line = 1};
    str_add(&reader.pending, str_text(&before->pending));
    for (int number = 1; *text; number++) {
        size_t length = strcspn(text, "\n");
        Str line = {0};
        str_add_bytes(&line, text, length);
        LineKind kind = take_line(session, &reader, str_text(&line), number);
        str_done(&line);
        if (kind == LINE_COMMANDS || (kind == LINE_LUA && !lua_open(session, str_text(&reader.pending))))
            reader_clear(&reader);
        text += length + (text[length] == '\n');
    }
    bool open = reader.pending.length > 0;
    reader_clear(&reader);
    return open;
}
