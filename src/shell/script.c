/* script -- one rule for every top-level line: a command line if its first word is a command, otherwise Lua. */
#include <ctype.h>
#include <string.h>

#include "dispatch.h"
#include "lua_shell.h"
#include "output.h"
#include "script.h"
#include "session.h"
#include "words.h"
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
    const char *next = line + length + strspn(line + length, " \t");
    if (strncmp(next, "./", 2) == 0 || strncmp(next, "../", 3) == 0)
        return next > line + length; /* a path; never Lua */
    return !*next || !strchr("({[=.:,\"'", *next);
}

static bool begins_with_local(const char *text) {
    text += strspn(text, " \t\n");
    return strncmp(text, "local", 5) == 0 && (isspace((unsigned char)text[5]) || text[5] == '\0');
}

/* Words where Lua expects an operator: `evalute base test` is a mistyped command rather than bad Lua. */
static bool looks_like_command(const char *text) {
    static const char *const keywords[] = {"and",      "break",  "do",   "else", "elseif", "end",   "for",
                                           "function", "goto",   "if",   "in",   "nil",    "not",   "or",
                                           "repeat",   "return", "then", "true", "false",  "until", "while"};
    text += strspn(text, " \t");
    size_t length = word_length(text);
    for (size_t i = 0; i < sizeof keywords / sizeof *keywords; i++)
        if (strlen(keywords[i]) == length && strncmp(text, keywords[i], length) == 0) return false;
    size_t blanks = strspn(text + length, " \t");
    char next = text[length + blanks];
    return length && blanks && (isalnum((unsigned char)next) || (next && strchr("_-./~$*", next)));
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
    LuaState state = lua_chunk(session, text, reader->first_line, err);
    *more = state == LUA_CHUNK_MORE;
    if (state == LUA_CHUNK_FAILED && err->status == STATUS_USAGE) hint_at_command(text, err);
    if (state != LUA_CHUNK_FAILED || err->status != STATUS_USAGE || !looks_like_command(text))
        return state == LUA_CHUNK_DONE;
    text += strspn(text, " \t");
    Str word = {0};
    str_add_bytes(&word, text, word_length(text));
    command_unknown(str_text(&word), err);
    str_done(&word);
    return false;
}

/* Keeps what ran, for `record`. */
static void remember(Session *session, const char *text, size_t length) {
    Error err;
    if (!mem_grow(&session->done, &session->done_capacity, session->done_count + 1, sizeof(char *), &err)) return;
    session->done[session->done_count] = mem_copy_bytes(text, length, &err);
    if (!session->done[session->done_count]) return;
    session->done_count++;
    if (!session->record_path) return;
    Str all = {0};
    for (size_t i = 0; i < session->done_count; i++) str_addf(&all, "%s\n", session->done[i]);
    if (!str_ok(&all, &err) || !save_text(session->record_path, true, str_text(&all), all.length, &err)) {
        output_error(session, &err);
        mem_free(session->record_path);
        session->record_path = NULL;
    }
    str_done(&all);
}

/* One command line, which may hold several commands with ; between them; the last may be Lua. Each that worked is
 * remembered, also where a later one fails; `record` and `quit` are not, so that the record runs again. */
static bool run_commands(Session *session, const char *text, int number, Error *err) {
    while (true) {
        text += strspn(text, " \t\n");
        if (!*text || *text == '#' || session->quit) return true;
        if (!script_command_line(text)) {
            Reader rest = {.first_line = number};
            bool more;
            str_add(&rest.pending, text);
            bool ok = run_lua(session, &rest, &more, err);
            if (ok) remember(session, text, strlen(text));
            str_done(&rest.pending);
            return ok;
        }
        Words words;
        size_t used;
        session->line = number;
        if (!words_split(session, text, &words, &used, err)) return false;
        bool ok = dispatch(session, (const char *const *)words.word, NULL, words.count, true, NULL, err);
        bool of_session = strcmp(words.word[0], "record") == 0 || strcmp(words.word[0], "quit") == 0;
        if (ok && !of_session) remember(session, text, used - (text[used - 1] == ';'));
        words_done(&words);
        if (!ok) return false;
        text += used;
    }
}

ReaderState script_feed(Session *session, Reader *reader, const char *line, int number, Error *err) {
    Str *pending = &reader->pending;
    if (!pending->length) {
        const char *text = line + strspn(line, " \t\r");
        if (!*text || *text == '#') return READER_DONE;
        reader->first_line = number;
    } else if (!script_command_line(str_text(pending))) { /* a command line goes on where the \ was */
        str_add(pending, "\n");
    }
    str_add(pending, line);
    while (pending->length && pending->text[pending->length - 1] == '\r') pending->text[--pending->length] = '\0';
    bool ok = str_ok(pending, err), more = false;
    if (ok && script_command_line(str_text(pending))) {
        if (pending->text[pending->length - 1] == '\\') {
            pending->text[pending->length - 1] = ' ';
            return READER_MORE;
        }
        if (session->options.echo) fprintf(stderr, "> %s\n", str_text(pending));
        ok = run_commands(session, str_text(pending), reader->first_line, err);
    } else if (ok) {
        ok = run_lua(session, reader, &more, err);
        if (more) return READER_MORE;
        if (ok) remember(session, str_text(pending), pending->length);
        ok = ok && output_flush(session, err);
    }
    str_done(pending);
    *pending = (Str){0};
    return ok ? READER_DONE : READER_FAILED;
}

bool script_end(Session *session, Reader *reader, Error *err) {
    if (!reader->pending.length) return true;
    session->line = reader->first_line;
    bool command = script_command_line(str_text(&reader->pending));
    ReaderState state = command ? script_feed(session, reader, "", reader->first_line, err) : READER_FAILED;
    if (!command) error_set(err, STATUS_USAGE, "the Lua chunk that starts here does not end");
    str_done(&reader->pending);
    reader->pending = (Str){0};
    return state == READER_DONE;
}
