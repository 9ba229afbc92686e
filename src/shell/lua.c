/* lua -- the embedded Lua: each command is a function, $name reads a value, Ctrl-C interrupts, runs repeat. */
#include <lauxlib.h>
#include <lua.h>
#include <lualib.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "session.h"

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

/* From a Lua message to *err: "SOURCE:LINE: " becomes the session's line, a command's failure keeps its status. */
static void catch (Session *session, lua_State *lua, int outcome, Error *err) {
    const char *text = lua_tostring(lua, -1);
    if (!text) text = luaL_tolstring(lua, -1, NULL);
    const char *source = session->source ? session->source : "input";
    size_t length = strlen(source);
    if (strncmp(text, source, length) == 0 && text[length] == ':') {
        char *end;
        long line = strtol(text + length + 1, &end, 10);
        if (end[0] == ':' && end[1] == ' ') {
            session->line = (int)line;
            text = end + 2;
        }
    }
    const Error *last = last_error(lua);
    Status status = outcome == LUA_ERRSYNTAX ? STATUS_USAGE : outcome == LUA_ERRMEM ? STATUS_LIMIT : STATUS_FAILED;
    if (last->status != STATUS_OK && strcmp(text, last->text) == 0) status = last->status;
    char first_line[sizeof err->text];
    snprintf(first_line, sizeof first_line, "%.*s", (int)strcspn(text, "\n"), text);
    error_set(err, status, "%s", first_line);
    lua_pop(lua, 1);
}

static void on_count(lua_State *lua, lua_Debug *where) {
    (void)where;
    if (cancel_level() == 0) return;
    error_set(last_error(lua), STATUS_CANCELLED, "interrupted");
    raise(lua);
}

static int traced_call(lua_State *lua, int arguments, int results) {
    Session *session = lua_session(lua);
    last_error(lua)->status = STATUS_OK;
    session->lua_depth++;
    int outcome = lua_pcall(lua, arguments, results, 0);
    session->lua_depth--;
    return outcome;
}

/* ---- commands as functions --------------------------------------------------------------------------------------- */

typedef struct Call {
    Words words;
    bool literal[256];
} Call;

static bool call_add(Call *call, const char *text, bool literal, Error *err) {
    Words *words = &call->words;
    if (words->count >= 256) return error_set(err, STATUS_USAGE, "more than 256 arguments");
    if (!mem_grow(&words->word, &words->capacity, words->count + 1, sizeof(char *), err)) return false;
    words->word[words->count] = mem_copy_text(text, err);
    if (!words->word[words->count]) return false;
    call->literal[words->count++] = literal;
    return true;
}

/* The value at the top of the stack as a word's text; arrays are joined by commas. */
static bool value_text(lua_State *lua, int index, Str *out, Error *err) {
    index = lua_absindex(lua, index);
    switch (lua_type(lua, index)) {
    case LUA_TNUMBER:
        lua_number_text(lua_tonumber(lua, index), out);
        return true;
    case LUA_TSTRING:
        str_add(out, lua_tostring(lua, index));
        return true;
    case LUA_TTABLE:
        for (lua_Integer i = 1; i <= (lua_Integer)lua_rawlen(lua, index); i++) {
            if (i > 1) str_add(out, ",");
            lua_rawgeti(lua, index, i);
            bool plain = lua_type(lua, -1) == LUA_TNUMBER || lua_type(lua, -1) == LUA_TSTRING;
            if (plain) value_text(lua, -1, out, err);
            lua_pop(lua, 1);
            if (!plain) return error_set(err, STATUS_USAGE, "a list may hold numbers and strings only");
        }
        return true;
    default:
        return error_set(err, STATUS_USAGE, "a %s cannot be an argument", luaL_typename(lua, index));
    }
}

static bool add_positional(lua_State *lua, int index, Call *call, Error *err) {
    Str text = {0};
    bool ok = value_text(lua, index, &text, err) && str_ok(&text, err) && call_add(call, str_text(&text), true, err);
    str_done(&text);
    return ok;
}

static int compare_words(const void *a, const void *b) {
    return strcmp(*(char *const *)a, *(char *const *)b);
}

/* {"base", cutoff = 4, exact = true}: positionals, then options in alphabetical order, so that a line is always the
 * same. */
static bool add_table(lua_State *lua, int index, Call *call, Error *err) {
    size_t positionals = lua_rawlen(lua, index);
    for (size_t i = 1; i <= positionals; i++) {
        lua_rawgeti(lua, index, (lua_Integer)i);
        bool ok = add_positional(lua, -1, call, err);
        lua_pop(lua, 1);
        if (!ok) return false;
    }
    size_t first = call->words.count;
    for (lua_pushnil(lua); lua_next(lua, index); lua_pop(lua, 1)) {
        if (lua_type(lua, -2) != LUA_TSTRING || (lua_isboolean(lua, -1) && !lua_toboolean(lua, -1))) continue;
        Str word = {0};
        str_addf(&word, "--%s", lua_tostring(lua, -2));
        for (char *at = word.text; at && *at; at++)
            if (*at == '_') *at = '-';
        bool ok = true;
        if (!lua_isboolean(lua, -1)) {
            str_add(&word, "=");
            ok = value_text(lua, -1, &word, err);
        }
        ok = ok && str_ok(&word, err) && call_add(call, str_text(&word), false, err);
        str_done(&word);
        if (!ok) {
            lua_pop(lua, 2);
            return false;
        }
    }
    if (call->words.count > first)
        qsort(call->words.word + first, call->words.count - first, sizeof(char *), compare_words);
    return true;
}

static int finish_call(lua_State *lua, Call *call, bool ok, Error *err) {
    Session *session = lua_session(lua);
    Table *table = NULL;
    ok = ok &&
         dispatch(session, (const char *const *)call->words.word, call->literal, call->words.count, false, &table, err);
    words_done(&call->words);
    if (!ok) {
        *last_error(lua) = *err;
        return raise(lua);
    }
    if (!table) return 0;
    lua_push_table(lua, table);
    return 1;
}

static int command_function(lua_State *lua) {
    Error err;
    Call call = {0};
    bool ok = call_add(&call, lua_tostring(lua, lua_upvalueindex(1)), true, &err);
    for (int i = 1, top = lua_gettop(lua); ok && i <= top; i++)
        ok = lua_istable(lua, i) ? add_table(lua, i, &call, &err) : add_positional(lua, i, &call, &err);
    return finish_call(lua, &call, ok, &err);
}

/* load{...} is the command; anything else is Lua's own load, whose function is the upvalue. */
static int load_function(lua_State *lua) {
    if (lua_istable(lua, 1)) {
        Error err;
        Call call = {0};
        bool ok = call_add(&call, "load", true, &err) && add_table(lua, 1, &call, &err);
        return finish_call(lua, &call, ok, &err);
    }
    lua_pushvalue(lua, lua_upvalueindex(2));
    lua_insert(lua, 1);
    lua_call(lua, lua_gettop(lua) - 1, LUA_MULTRET);
    return lua_gettop(lua);
}

/* expect(condition [, message]) in Lua; expect{"EXPR"} is the command. */
static int expect_function(lua_State *lua) {
    if (lua_istable(lua, 1) || lua_type(lua, 1) == LUA_TSTRING) return command_function(lua);
    if (lua_toboolean(lua, 1)) return 0;
    error_set(last_error(lua), STATUS_FAILED, "expect: %s", luaL_optstring(lua, 2, "the condition is false"));
    return raise(lua);
}

/* run("lowpass base --cutoff %g --into s", d0) */
static int run_function(lua_State *lua) {
    Session *session = lua_session(lua);
    Error err;
    Call call = {0};
    luaL_checkstring(lua, 1);
    lua_getglobal(lua, "string");
    lua_getfield(lua, -1, "format");
    lua_replace(lua, -2);
    lua_insert(lua, 1);
    lua_call(lua, lua_gettop(lua) - 1, 1);
    const char *line = lua_tostring(lua, -1);
    size_t used = 0;
    bool ok = words_split(session, line, &call.words, &used, &err);
    if (ok && (line[used] || call.words.count == 0 || call.words.count > 256))
        ok = error_set(&err, STATUS_USAGE, "run takes one command, not '%s'", line);
    return finish_call(lua, &call, ok, &err);
}

/* tabulate("name", {"cutoff", "accuracy (%)"}, {{0.5, 91.2}, ...}): a table of one's own, to plot and export. */
static int tabulate_function(lua_State *lua) {
    Session *session = lua_session(lua);
    const char *name = luaL_checkstring(lua, 1);
    luaL_checktype(lua, 2, LUA_TTABLE);
    luaL_checktype(lua, 3, LUA_TTABLE);
    Error err;
    Table *table = lua_tabulate(lua);
    bool ok = workspace_name_check(session, name, &err);
    if (ok) {
        table_note(table, "command", "tabulate %s", name);
        table_note(table, "seed", "%llu", (unsigned long long)session->seed);
        table_note(table, "weft", "%s", WEFT_VERSION);
        Object object = {.kind = OBJECT_TABLE};
        object.plots = encoding_guess(table, &object.encoding);
        object.table = table_copy(table, &err);
        ok = object.table && workspace_put(session, name, &object, &err);
        if (!ok) table_free(object.table);
    }
    if (!ok) {
        table_free(table);
        *last_error(lua) = err;
        return raise(lua);
    }
    lua_push_table(lua, table);
    return 1;
}

static int near_function(lua_State *lua) {
    double a = luaL_checknumber(lua, 1), b = luaL_checknumber(lua, 2), tolerance = luaL_checknumber(lua, 3);
    lua_pushboolean(lua, fabs(a - b) <= tolerance);
    return 1;
}

/* ---- repeatable random numbers and order ---------------------------------------------------------------------------
 */

static int random_function(lua_State *lua) {
    Rng *random = &lua_session(lua)->random;
    int arguments = lua_gettop(lua);
    if (arguments == 0) {
        lua_pushnumber(lua, rng_uniform(random));
        return 1;
    }
    lua_Integer low = arguments > 1 ? luaL_checkinteger(lua, 1) : 1,
                high = luaL_checkinteger(lua, arguments > 1 ? 2 : 1);
    if (arguments == 1 && high == 0) {
        uint64_t upper = rng_u32(random);
        lua_pushinteger(lua, (lua_Integer)(upper << 32 | rng_u32(random)));
        return 1;
    }
    luaL_argcheck(lua, low <= high, arguments > 1 ? 2 : 1, "interval is empty");
    uint64_t span = (uint64_t)high - (uint64_t)low + 1;
    uint64_t draw = span ? rng_below(random, span) : ((uint64_t)rng_u32(random) << 32 | rng_u32(random));
    lua_pushinteger(lua, (lua_Integer)((uint64_t)low + draw));
    return 1;
}

static int randomseed_function(lua_State *lua) {
    Session *session = lua_session(lua);
    session->random = (Rng){.seed = lua_gettop(lua) ? (uint64_t)(lua_Integer)luaL_checknumber(lua, 1) : session->seed};
    return 0;
}

static const char ordered_pairs[] = "local next, type, sort, getmetatable = next, type, table.sort, getmetatable\n"
                                    "local rank = {number = 1, string = 2, boolean = 3}\n"
                                    "local function before(a, b)\n"
                                    "  local ra, rb = rank[type(a)] or 4, rank[type(b)] or 4\n"
                                    "  if ra ~= rb then return ra < rb end\n"
                                    "  if ra <= 2 then return a < b end\n"
                                    "  return ra == 3 and not a and b\n"
                                    "end\n"
                                    "function pairs(t)\n"
                                    "  local meta = getmetatable(t)\n"
                                    "  if type(meta) == 'table' and meta.__pairs then return meta.__pairs(t) end\n"
                                    "  local keys, n, i = {}, 0, 0\n"
                                    "  for key in next, t do n = n + 1; keys[n] = key end\n"
                                    "  sort(keys, before)\n"
                                    "  return function()\n"
                                    "    while i < n do\n"
                                    "      i = i + 1\n"
                                    "      local value = t[keys[i]]\n"
                                    "      if value ~= nil then return keys[i], value end\n"
                                    "    end\n"
                                    "  end, t, nil\n"
                                    "end\n";

static int exit_function(lua_State *lua) {
    Session *session = lua_session(lua);
    session->quit = true;
    session->quit_status = lua_isboolean(lua, 1) ? !lua_toboolean(lua, 1) : (int)luaL_optinteger(lua, 1, 0) & 255;
    error_set(last_error(lua), STATUS_OK, "quit");
    return luaL_error(lua, "quit");
}

/* ---- set-up ------------------------------------------------------------------------------------------------------ */

static void register_commands(lua_State *lua) {
    lua_getglobal(lua, "load");
    for (const Command *const *each = commands; *each; each++) {
        if (strchr((*each)->name, ' ')) continue;
        lua_pushstring(lua, (*each)->name);
        lua_pushcclosure(lua, strcmp((*each)->name, "expect") ? command_function : expect_function, 1);
        lua_setglobal(lua, (*each)->name);
    }
    lua_pushliteral(lua, "load");
    lua_insert(lua, -2);
    lua_pushcclosure(lua, load_function, 2);
    lua_setglobal(lua, "load");
    lua_register(lua, "run", run_function);
    lua_register(lua, "tabulate", tabulate_function);
    lua_register(lua, "near", near_function);
}

static int open_all(lua_State *lua) {
    Session *session = lua_touserdata(lua, 1);
    luaL_openlibs(lua);
    Error *last = lua_newuserdatauv(lua, sizeof *last, 0);
    last->status = STATUS_OK;
    lua_setfield(lua, LUA_REGISTRYINDEX, "weft.error");
    lua_table_open(lua);
    if (session->options.safe) lua_safe_open(session, lua);
    register_commands(lua);
    lua_getglobal(lua, "math");
    lua_pushcfunction(lua, random_function);
    lua_setfield(lua, -2, "random");
    lua_pushcfunction(lua, randomseed_function);
    lua_setfield(lua, -2, "randomseed");
    lua_getglobal(lua, "os");
    lua_pushcfunction(lua, exit_function);
    lua_setfield(lua, -2, "exit");
    lua_createtable(lua, (int)session->options.argument_count, 0);
    for (size_t i = 0; i < session->options.argument_count; i++) {
        lua_pushstring(lua, session->options.arguments[i]);
        lua_rawseti(lua, -2, (lua_Integer)i + 1);
    }
    lua_setglobal(lua, "arg");
    if (luaL_loadstring(lua, ordered_pairs) != LUA_OK) return lua_error(lua);
    lua_call(lua, 0, 0);
    return 0;
}

bool lua_start(Session *session, Error *err) {
    lua_State *lua = luaL_newstate();
    if (!lua) return error_set(err, STATUS_LIMIT, "Lua: out of memory");
    *(Session **)lua_getextraspace(lua) = session;
    lua_pushcfunction(lua, open_all);
    lua_pushlightuserdata(lua, session);
    if (lua_pcall(lua, 1, 0, 0) != LUA_OK) {
        error_set(err, STATUS_FAILED, "Lua: %s", lua_tostring(lua, -1));
        lua_close(lua);
        return false;
    }
    lua_sethook(lua, on_count, LUA_MASKCOUNT, 10000);
    session->lua = lua;
    return true;
}

void lua_stop(Session *session) {
    if (session->lua) lua_close(session->lua);
    session->lua = NULL;
}

/* ---- running ----------------------------------------------------------------------------------------------------- */

static void print_values(Session *session, lua_State *lua, int count) {
    if (session->options.quiet) return;
    for (int i = -count; i < 0; i++) {
        const Table *const *table = luaL_testudata(lua, i, "weft.table");
        if (table) {
            output_table(session, *table, session->format);
            continue;
        }
        output_text(session, luaL_tolstring(lua, i, NULL));
        lua_pop(lua, 1);
        output_text(session, i == -1 ? "\n" : "\t");
    }
}

static bool lone_name(const char *text, size_t *length) {
    text += strspn(text, " \t\r\n");
    *length = strspn(text, "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789_");
    return *length && !strchr("0123456789", text[0]) && text[*length + strspn(text + *length, " \t\r\n")] == '\0';
}

/* 0 loaded as statements, 1 as an expression, else Lua's code with the message on the stack. */
static int compile(lua_State *lua, const char *name, const char *prefix, const char *text, int line, Error *err) {
    Str chunk = {0};
    for (int i = 1; i < line; i++) str_add(&chunk, "\n");
    str_add(&chunk, prefix);
    str_add(&chunk, text);
    int outcome = LUA_ERRMEM;
    if (str_ok(&chunk, err))
        outcome = luaL_loadbufferx(lua, str_text(&chunk), chunk.length, name, "t");
    else
        lua_pushliteral(lua, "out of memory");
    str_done(&chunk);
    return outcome;
}

LuaState lua_chunk(Session *session, const char *text, int line, Error *err) {
    lua_State *lua = session->lua;
    Str name = {0};
    str_addf(&name, "@%s", session->source ? session->source : "input");
    session->line = line;
    lua_settop(lua, 0);
    bool expression = compile(lua, str_text(&name), "return ", text, line, err) == LUA_OK;
    int outcome = LUA_OK;
    if (!expression) {
        lua_settop(lua, 0);
        outcome = compile(lua, str_text(&name), "", text, line, err);
    }
    str_done(&name);
    if (outcome != LUA_OK) {
        size_t length;
        const char *message = lua_tolstring(lua, -1, &length);
        bool more = outcome == LUA_ERRSYNTAX && length >= 5 && strcmp(message + length - 5, "<eof>") == 0;
        catch (session, lua, outcome, err);
        return more ? LUA_CHUNK_MORE : LUA_CHUNK_FAILED;
    }
    outcome = traced_call(lua, 0, LUA_MULTRET);
    if (outcome != LUA_OK) {
        if (session->quit) {
            lua_settop(lua, 0);
            return LUA_CHUNK_DONE;
        }
        catch (session, lua, outcome, err);
        return LUA_CHUNK_FAILED;
    }
    size_t length;
    if (expression && lua_gettop(lua) == 1 && lua_isnil(lua, 1) && lone_name(text, &length)) {
        Str word = {0};
        str_add_bytes(&word, text + strspn(text, " \t\r\n"), length);
        command_unknown(str_text(&word), err);
        str_done(&word);
        return LUA_CHUNK_FAILED;
    }
    if (expression) print_values(session, lua, lua_gettop(lua));
    lua_settop(lua, 0);
    return LUA_CHUNK_DONE;
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
        ok = error_set(err, STATUS_USAGE, "$%s: there is no such Lua value", expression);
    else if (ok)
        ok = value_text(lua, -1, out, err);
    lua_settop(lua, top);
    return ok;
}

/* Where the comparison stands in an expression that is one, outside brackets and quotes; NULL: nowhere. */
static const char *comparison(const char *text, size_t *length) {
    static const char *const operators[] = {"==", "~=", "<=", ">=", "<", ">"};
    const char *found = NULL;
    int depth = 0;
    for (const char *at = text; *at; at++) {
        if (*at == '\'' || *at == '"') {
            char quote = *at++;
            while (*at && *at != quote) at += *at == '\\' && at[1] ? 2 : 1;
            if (!*at) return NULL;
        }
        if (depth == 0 && (strncmp(at, " and ", 5) == 0 || strncmp(at, " or ", 4) == 0)) return NULL;
        depth += (strchr("([{", *at) != NULL) - (strchr(")]}", *at) != NULL);
        for (size_t i = 0; !found && depth == 0 && i < sizeof operators / sizeof *operators; i++) {
            *length = strlen(operators[i]);
            if (strncmp(at, operators[i], *length) == 0) found = at;
        }
    }
    return found;
}

bool lua_truth(Session *session, const char *expression, bool *truth, Str *detail, Error *err) {
    lua_State *lua = session->lua;
    int top = lua_gettop(lua);
    if (!evaluate(session, expression, 1, err)) return false;
    *truth = lua_toboolean(lua, -1);
    lua_settop(lua, top);
    size_t length;
    const char *at = *truth ? NULL : comparison(expression, &length);
    if (at) {
        Error ignored;
        Str left = {0};
        str_add_bytes(&left, expression, (size_t)(at - expression));
        if (evaluate(session, str_text(&left), 1, &ignored) && evaluate(session, at + length, 1, &ignored)) {
            str_add(detail, luaL_tolstring(lua, top + 1, NULL));
            lua_pop(lua, 1);
            str_addf(detail, " %.*s %s", (int)length, at, luaL_tolstring(lua, top + 2, NULL));
        }
        str_done(&left);
    }
    lua_settop(lua, top);
    return true;
}

const char *lua_global_name(Session *session, const char *prefix, int *state) {
    lua_State *lua = session->lua;
    int wanted = (*state)++, seen = 0;
    const char *found = NULL;
    lua_pushglobaltable(lua);
    for (lua_pushnil(lua); !found && lua_next(lua, -2); lua_pop(lua, 1)) {
        const char *name = lua_type(lua, -2) == LUA_TSTRING ? lua_tostring(lua, -2) : NULL;
        if (name && strncmp(name, prefix, strlen(prefix)) == 0 && seen++ == wanted) found = name;
    }
    lua_settop(lua, 0);
    return found;
}
