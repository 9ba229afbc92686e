/* lua -- the embedded Lua: chunks run, $name reads a value, errors become statuses, Ctrl-C interrupts. */
#include <lauxlib.h>
#include <lua.h>
#include <lualib.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "lua_shell.h"
#include "output.h"
#include "session.h"
#include "workspace.h"
#include "weft/base/error.h"
#include "weft/base/fault.h"
#include "weft/base/memory.h"
#include "weft/base/table.h"
#include "weft/base/task.h"
#include "weft/base/text.h"

Session *lua_session(lua_State *lua) {
    return *(Session **)lua_getextraspace(lua);
}

void lua_number_text(double value, Str *out) {
    if (value == floor(value) && fabs(value) < 1e15) {
        str_addf(out, "%.0f", value);
        return;
    }
    char text[40];
    for (int digits = 15; digits <= 17; digits++) {
        snprintf(text, sizeof text, "%.*g", digits, value);
        double back;
        if (text_to_double(text, &back) && back == value) break;
    }
    str_add(out, text);
}

/* ---- errors ------------------------------------------------------------------------------------------------------ */

/* The status of the last command that failed inside Lua: a Lua error is only its text, so that scripts can compare it.
 */
static Error *last_error(lua_State *lua) {
    lua_getfield(lua, LUA_REGISTRYINDEX, "weft.error");
    Error *err = lua_touserdata(lua, -1);
    lua_pop(lua, 1);
    return err;
}

static int raise(lua_State *lua) {
    luaL_where(lua, 1);
    lua_pushstring(lua, last_error(lua)->text);
    lua_concat(lua, 2);
    return lua_error(lua);
}

static int tostring_function(lua_State *lua) {
    luaL_tolstring(lua, 1, NULL);
    return 1;
}

/* Pushes what a value prints as, and returns it. A __tostring that fails must not take the session with it. */
static const char *push_text(Session *session, lua_State *lua, int index) {
    index = lua_absindex(lua, index);
    lua_pushcfunction(lua, tostring_function);
    lua_pushvalue(lua, index);
    session->lua_depth++;
    int outcome = lua_pcall(lua, 1, 1, 0);
    session->lua_depth--;
    if (outcome == LUA_OK) return lua_tostring(lua, -1);
    lua_pop(lua, 1);
    return lua_pushfstring(lua, "(a %s whose __tostring fails)", luaL_typename(lua, index));
}

/* What Lua calls the text being run: short, since Lua shortens long paths in its messages. */
static void chunk_name(const Session *session, char *out, size_t size) {
    const char *source = session->source ? session->source : "input", *slash = strrchr(source, '/');
    snprintf(out, size, "=%.40s", slash ? slash + 1 : source);
}

/* From the Lua message on the stack, which is taken off, to *err: "SOURCE:LINE: " becomes the session's line, a
 * command's failure keeps its status. */
static void catch (Session *session, lua_State *lua, int outcome, Error *err) {
    int top = lua_gettop(lua);
    const char *text = lua_tostring(lua, -1);
    if (!text && luaL_getmetafield(lua, -1, "__tostring") == LUA_TNIL)
        text = lua_pushfstring(lua, "(error object is a %s value)", luaL_typename(lua, -1));
    else if (!text)
        text = push_text(session, lua, top);
    char source[48];
    chunk_name(session, source, sizeof source);
    size_t length = strlen(source + 1);
    if (strncmp(text, source + 1, length) == 0 && text[length] == ':') {
        char *end;
        long line = strtol(text + length + 1, &end, 10);
        if (end[0] == ':' && end[1] == ' ') {
            session->line = (int)line;
            text = end + 2;
        }
    }
    const Error *last = last_error(lua);
    Status status = outcome == LUA_ERRSYNTAX ? STATUS_USAGE : STATUS_FAILED;
    size_t all = strlen(text), tail = strlen(last->text); /* before the tail: where a chunk of load or dofile failed */
    if (last->status != STATUS_OK && all >= tail && strcmp(text + all - tail, last->text) == 0) status = last->status;
    if (session->quit)
        *err = *last;
    else if (outcome == LUA_ERRMEM)
        error_set(err, STATUS_LIMIT, "Lua needs more memory than the limit of %llu MiB (set --max-memory)",
                  (unsigned long long)(mem_budget() >> 20));
    else
        error_set(err, status, "%.*s", (int)strcspn(text, "\n"), text);
    lua_settop(lua, top - 1);
}

static void on_count(lua_State *lua, lua_Debug *where);

/* Raises last_error again at every instruction from here on, so that no pcall of a script holds up Ctrl-C or quit. */
static int insist(lua_State *lua) {
    lua_sethook(lua, on_count, LUA_MASKCOUNT, 1);
    lua_sethook(lua_session(lua)->lua, on_count, LUA_MASKCOUNT, 1); /* the main thread, where this is a coroutine */
    return raise(lua);
}

int lua_leave(lua_State *lua) {
    error_set(last_error(lua), STATUS_OK, "quit");
    return insist(lua);
}

int lua_fail(lua_State *lua, const Error *err) {
    *last_error(lua) = *err;
    return lua_session(lua)->quit || err->status == STATUS_CANCELLED ? insist(lua) : raise(lua);
}

static void on_count(lua_State *lua, lua_Debug *where) {
    (void)where;
    Session *session = lua_session(lua);
    if (session->quit) insist(lua);
    if (ferror(stdout)) { /* print and io.write of a script go past output_text */
        if (!output_flush(session, last_error(lua))) insist(lua);
        lua_leave(lua);
    }
    if (cancel_level() == 0) return;
    error_set(last_error(lua), STATUS_CANCELLED, "interrupted");
    insist(lua);
}

static int traced_call(lua_State *lua, int arguments, int results) {
    enum { STEPS = 10000 }; /* instructions between two looks at Ctrl-C */
    Session *session = lua_session(lua);
    last_error(lua)->status = STATUS_OK;
    if (session->lua_depth == 0) lua_sethook(lua, on_count, LUA_MASKCOUNT, STEPS);
    session->lua_depth++;
    int outcome = lua_pcall(lua, arguments, results, 0);
    session->lua_depth--;
    return outcome;
}

/* ---- set-up ------------------------------------------------------------------------------------------------------ */

static int open_all(lua_State *lua) {
    Session *session = lua_touserdata(lua, 1);
    luaL_openlibs(lua);
    Error *last = lua_newuserdatauv(lua, sizeof *last, 0);
    *last = (Error){0};
    lua_setfield(lua, LUA_REGISTRYINDEX, "weft.error");
    lua_table_open(lua);
    lua_files_open(lua);
    if (session->options.safe) lua_safe_open(session, lua);
    lua_call_open(lua);
    lua_createtable(lua, (int)session->options.argument_count, 1);
    lua_pushstring(lua, session->options.script);
    lua_rawseti(lua, -2, 0);
    for (size_t i = 0; i < session->options.argument_count; i++) {
        lua_pushstring(lua, session->options.arguments[i]);
        lua_rawseti(lua, -2, (lua_Integer)i + 1);
    }
    lua_setglobal(lua, "arg");
    lua_repeat_open(lua);
    lua_names_open(lua);
    return 0;
}

/* Lua's memory counts against the budget of a load. Only inside a protected call: a refusal elsewhere would be the end
 * of the process. */
static void *allocate(void *context, void *old, size_t old_size, size_t size) {
    Session *session = context;
    if (!old) old_size = 0; /* Lua says there what kind of object it wants */
    size_t used = session->lua_bytes - old_size + size;
    if (size > old_size && session->lua_depth && (used > mem_budget() || fault_hit(FAULT_ALLOC))) return NULL;
    void *memory = NULL;
    if (size == 0)
        free(old);
    else if (!(memory = realloc(old, size)))
        return NULL;
    session->lua_bytes = used;
    return memory;
}

bool lua_start(Session *session, Error *err) {
    lua_State *lua = luaL_newstate();
    if (!lua) return error_set(err, STATUS_LIMIT, "Lua: out of memory");
    session->lua_bytes = (size_t)lua_gc(lua, LUA_GCCOUNT) * 1024 + (size_t)lua_gc(lua, LUA_GCCOUNTB);
    lua_setallocf(lua, allocate, session);
    *(Session **)lua_getextraspace(lua) = session;
    lua_pushcfunction(lua, open_all);
    lua_pushlightuserdata(lua, session);
    if (lua_pcall(lua, 1, 0, 0) != LUA_OK) {
        error_set(err, STATUS_FAILED, "Lua: %s", lua_tostring(lua, -1));
        lua_close(lua);
        return false;
    }
    session->lua = lua;
    return true;
}

void lua_stop(Session *session) {
    session->lua_depth++; /* finalisers run protected, within the limit of memory */
    if (session->lua) lua_close(session->lua);
    session->lua_depth--;
    session->lua = NULL;
}

/* ---- running ----------------------------------------------------------------------------------------------------- */

static void print_values(Session *session, lua_State *lua, int count) {
    if (session->options.quiet || !lua_checkstack(lua, LUA_MINSTACK)) return;
    output_hold(session);
    for (int i = -count; i < 0; i++) {
        if (luaL_testudata(lua, i, LUA_FILEHANDLE)) continue; /* what io.write gives back */
        const Table *const *table = luaL_testudata(lua, i, "weft.table");
        if (table && *table) {
            output_table(session, *table, session->format, 0);
            continue;
        }
        Str text = {0}, shown = {0};
        if (lua_show(lua, i, &shown)) {
            str_add_wrapped(&text, str_text(&shown), 0, 1, session->out_terminal ? output_columns() : SIZE_MAX);
        } else {
            str_add(&text, push_text(session, lua, i));
            lua_pop(lua, 1);
        }
        str_done(&shown);
        output_text(session, str_text(&text));
        output_text(session, i == -1 ? "\n" : "\t");
        str_done(&text);
    }
    output_release(session);
}

static bool lone_name(const char *text, size_t *length) {
    text += strspn(text, " \t\r\n");
    *length = strspn(text, "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789_");
    return *length && !strchr("0123456789", text[0]) && text[*length + strspn(text + *length, " \t\r\n")] == '\0';
}

/* A chunk as Lua reads it: a newline for every line before it, so that Lua counts the lines of the script. */
typedef struct Pieces {
    size_t newlines;
    const char *prefix, *text; /* NULL: read already */
} Pieces;

static const char *next_piece(lua_State *lua, void *context, size_t *size) {
    static const char newlines[] = "\n\n\n\n\n\n\n\n\n\n\n\n\n\n\n\n\n\n\n\n\n\n\n\n\n\n\n\n\n\n\n\n";
    Pieces *pieces = context;
    (void)lua;
    if (pieces->newlines) {
        *size = pieces->newlines < sizeof newlines - 1 ? pieces->newlines : sizeof newlines - 1;
        pieces->newlines -= *size;
        return newlines;
    }
    const char **next = pieces->prefix ? &pieces->prefix : &pieces->text, *piece = *next;
    *size = piece ? strlen(piece) : 0;
    *next = NULL;
    return piece;
}

/* Lua's code; the function or the message is pushed. */
static int compile(lua_State *lua, const char *name, const char *prefix, const char *text, int line) {
    Pieces pieces = {.newlines = (size_t)line - 1, .prefix = prefix, .text = text};
    return lua_load(lua, next_piece, &pieces, name, "t");
}

/* The chunk as a function, or a message, pushed; an expression becomes the function that returns its values. */
static int compile_chunk(lua_State *lua, const char *name, const char *text, int line, bool *expression) {
    lua_settop(lua, 0);
    *expression = compile(lua, name, "return ", text, 1) == LUA_OK;
    lua_settop(lua, 0);
    return compile(lua, name, *expression ? "return " : NULL, text, line);
}

/* Whether the message on the stack says that the chunk ended too early. */
static bool ends_early(lua_State *lua, int outcome) {
    size_t length;
    const char *message = outcome == LUA_ERRSYNTAX ? lua_tolstring(lua, -1, &length) : NULL;
    return message && length >= 5 && strcmp(message + length - 5, "<eof>") == 0;
}

bool lua_open(Session *session, const char *text) {
    bool expression;
    int outcome = compile_chunk(session->lua, "=input", text, 1, &expression);
    bool open = ends_early(session->lua, outcome);
    lua_settop(session->lua, 0);
    return open;
}

bool lua_compiles(Session *session, const char *prefix, const char *text, Error *err) {
    lua_State *lua = session->lua;
    const int line = session->line, top = lua_gettop(lua);
    char name[48];
    chunk_name(session, name, sizeof name);
    const int outcome = compile(lua, name, prefix, text, 1);
    if (outcome != LUA_OK) catch (session, lua, outcome, err);
    lua_settop(lua, top);
    session->line = line;
    return outcome == LUA_OK;
}

/* A global that is neither a command nor a value says what it may be instead. */
static LuaState undefined_name(Session *session, const char *text, size_t length, Error *err) {
    Str word = {0};
    str_add_bytes(&word, text + strspn(text, " \t\r\n"), length);
    const Object *object = workspace_find(session, str_text(&word));
    if (object)
        error_set(err, STATUS_USAGE, "'%s' is a %s; show %s describes it", object->name, object_kind_name(object->kind),
                  object->name);
    else
        command_unknown(str_text(&word), err);
    str_done(&word);
    return LUA_CHUNK_FAILED;
}

LuaState lua_chunk(Session *session, const char *text, int line, Error *err) {
    lua_State *lua = session->lua;
    char name[48];
    bool expression;
    chunk_name(session, name, sizeof name);
    session->line = line;
    int outcome = compile_chunk(lua, name, text, line, &expression);
    if (outcome != LUA_OK) {
        bool more = ends_early(lua, outcome);
        catch (session, lua, outcome, err);
        return more ? LUA_CHUNK_MORE : LUA_CHUNK_FAILED;
    }
    outcome = traced_call(lua, 0, LUA_MULTRET);
    if (outcome != LUA_OK) {
        catch (session, lua, outcome, err);
        return err->status == STATUS_OK ? LUA_CHUNK_DONE : LUA_CHUNK_FAILED;
    }
    size_t length;
    if (expression && lua_gettop(lua) == 1 && lua_isnil(lua, 1) && lone_name(text, &length))
        return undefined_name(session, text, length, err);
    if (expression && lua_gettop(lua) && strncmp(text + strspn(text, " \t\r\n"), "expect", 6) == 0) {
        lua_settop(lua, 0); /* `expect (a) == b` must not pass for what it does not check */
        error_set(err, STATUS_USAGE, "expect(...) checks the expression in brackets; put the whole condition there");
        return LUA_CHUNK_FAILED;
    }
    session->number_shown = expression && lua_gettop(lua) == 1 && lua_type(lua, 1) == LUA_TNUMBER;
    if (session->number_shown) session->number = lua_tonumber(lua, 1);
    const uint64_t refusals = mem_refusals();
    if (expression && !session->aside) print_values(session, lua, lua_gettop(lua));
    lua_settop(lua, 0);
    if (mem_refusals() == refusals) return LUA_CHUNK_DONE;
    error_set(err, STATUS_LIMIT, "out of memory while the result was printed; it is kept");
    return LUA_CHUNK_FAILED;
}

bool lua_guarded(Session *session, lua_CFunction function, void *context, Error *err) {
    lua_State *lua = session->lua;
    lua_pushcfunction(lua, function);
    lua_pushlightuserdata(lua, context);
    const int outcome = traced_call(lua, 1, 0);
    if (outcome != LUA_OK) catch (session, lua, outcome, err);
    return outcome == LUA_OK;
}

/* Compiles and calls "return EXPRESSION"; its values stay on the stack. */
static bool evaluate(Session *session, const char *expression, int results, Error *err) {
    lua_State *lua = session->lua;
    Str text = {0};
    str_addf(&text, "return %s", expression);
    int outcome =
        str_ok(&text, err) ? luaL_loadbufferx(lua, str_text(&text), text.length, "=expression", "t") : LUA_ERRMEM;
    str_done(&text);
    if (outcome == LUA_OK) outcome = traced_call(lua, 0, results);
    if (outcome == LUA_OK) return true;
    const char *message = lua_tostring(lua, -1);
    if (message && strncmp(message, "expression:1: ", 14) == 0) lua_pushstring(lua, message + 14);
    catch (session, lua, outcome, err);
    return false;
}

bool lua_value_text(Session *session, const char *expression, Str *out, Error *err) {
    lua_State *lua = session->lua;
    int top = lua_gettop(lua);
    bool ok = evaluate(session, expression, 1, err);
    if (ok && lua_isnil(lua, -1))
        ok = error_set(err, STATUS_USAGE, "$%s: no such Lua value", expression);
    else if (ok)
        ok = lua_argument_text(lua, -1, out, err);
    lua_settop(lua, top);
    return ok;
}

/* Where the operator stands in an expression that is one comparison, outside brackets and quotes; NULL: nowhere. */
static const char *comparison(const char *text, size_t *length) {
    static const char *const operators[] = {"==", "~=", "<=", ">=", "<<", ">>", "<", ">"};
    const char *found = NULL;
    int depth = 0;
    for (const char *at = text; *at && strncmp(at, "--", 2) != 0; at++) {
        if (*at == '\'' || *at == '"') {
            char quote = *at++;
            while (*at && *at != quote) at += *at == '\\' && at[1] ? 2 : 1;
            if (!*at) return NULL;
        }
        size_t word = strspn(at, "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789_");
        bool binds = (word == 3 && !strncmp(at, "and", 3)) || (word == 2 && !strncmp(at, "or", 2));
        if (depth == 0 && (binds || (word == 8 && !strncmp(at, "function", 8)))) return NULL;
        if (word) at += word - 1;
        depth += (strchr("([{", *at) != NULL) - (strchr(")]}", *at) != NULL);
        if (depth < 0) return NULL;
        for (size_t i = 0; depth == 0 && i < sizeof operators / sizeof *operators; i++) {
            size_t size = strlen(operators[i]);
            if (strncmp(at, operators[i], size) != 0) continue;
            bool shift = size == 2 && at[0] == at[1] && *at != '=';
            if (found && !shift) return NULL; /* a == b == c */
            if (!shift) found = at, *length = size;
            at += size - 1;
            break;
        }
    }
    return found;
}

static bool compiles(lua_State *lua, const Str *expression) {
    Str text = {0};
    Error ignored;
    str_addf(&text, "return %s", str_text(expression));
    bool ok = str_ok(expression, &ignored) && str_ok(&text, &ignored) &&
              luaL_loadbufferx(lua, str_text(&text), text.length, "=expression", "t") == LUA_OK;
    str_done(&text);
    return ok;
}

bool lua_truth(Session *session, const char *expression, bool *truth, Str *detail, Str *message, Error *err) {
    lua_State *lua = session->lua;
    int top = lua_gettop(lua);
    size_t length = 0;
    const char *at = comparison(expression, &length);
    Str sides = {0}; /* each side is evaluated once, and kept to be shown */
    if (at)
        str_addf(&sides, "(function(a, b) return a %.*s b, a, b end)((%.*s), (%s\n))", (int)length, at,
                 (int)(at - expression), expression, at + length);
    bool split = at && compiles(lua, &sides);
    lua_settop(lua, top);
    bool ok = evaluate(session, split ? str_text(&sides) : expression, split ? 3 : 2, err);
    str_done(&sides);
    if (ok) *truth = lua_toboolean(lua, top + 1);
    if (ok && !split && !*truth && lua_type(lua, top + 2) == LUA_TSTRING) str_add(message, lua_tostring(lua, top + 2));
    if (ok && split && !*truth) {
        for (int side = 2; side <= 3; side++) {
            if (side == 3) str_addf(detail, " %.*s ", (int)length, at);
            if (!lua_show(lua, top + side, detail)) str_add(detail, push_text(session, lua, top + side));
        }
    }
    lua_settop(lua, top);
    return ok;
}
