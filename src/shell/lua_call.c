/* lua_call -- additions to Lua: commands as functions, run, tabulate, near; our os.exit and print. */
#include <errno.h>
#include <lauxlib.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "dispatch.h"
#include "lua_shell.h"
#include "output.h"
#include "session.h"
#include "words.h"
#include "workspace.h"
#include "weft/base/error.h"
#include "weft/base/memory.h"
#include "weft/base/table.h"
#include "weft/base/text.h"
#include "weft/base/version.h"

/* ---- commands as functions --------------------------------------------------------------------------------------- */

typedef struct Call {
    Words words;
    bool literal[256];
} Call;

static int command_function(lua_State *lua);

static bool call_add(Call *call, const char *text, bool literal, Error *err) {
    Words *words = &call->words;
    if (words->count >= 256) return error_set(err, STATUS_USAGE, "more than 256 arguments");
    if (!mem_grow(&words->word, &words->capacity, words->count + 1, sizeof(char *), err)) return false;
    words->word[words->count] = mem_copy_text(text, err);
    if (!words->word[words->count]) return false;
    call->literal[words->count++] = literal;
    return true;
}

bool lua_argument_text(lua_State *lua, int index, Str *out, Error *err) {
    const char *text;
    size_t length;
    index = lua_absindex(lua, index);
    switch (lua_type(lua, index)) {
    case LUA_TNUMBER:
        if (lua_isinteger(lua, index))
            str_addf(out, "%lld", (long long)lua_tointeger(lua, index));
        else
            lua_number_text(lua_tonumber(lua, index), out);
        return true;
    case LUA_TSTRING:
        text = lua_tolstring(lua, index, &length);
        if (strlen(text) != length) return error_set(err, STATUS_USAGE, "a text with a NUL byte cannot be an argument");
        str_add(out, text);
        return true;
    case LUA_TTABLE:
        for (lua_Integer i = 1; i <= (lua_Integer)lua_rawlen(lua, index); i++) {
            if (i > 1) str_add(out, ",");
            lua_rawgeti(lua, index, i);
            bool plain = lua_type(lua, -1) == LUA_TNUMBER || lua_type(lua, -1) == LUA_TSTRING;
            bool ok = plain ? lua_argument_text(lua, -1, out, err)
                            : error_set(err, STATUS_USAGE, "a list may hold only numbers and strings");
            lua_pop(lua, 1);
            if (!ok) return false;
        }
        return true;
    default:
        if (lua_iscfunction(lua, index) && lua_getupvalue(lua, index, 1)) { /* help(sratio): a command is its name */
            const bool name = lua_type(lua, -1) == LUA_TSTRING && lua_tocfunction(lua, index) == command_function;
            if (name) str_add(out, lua_tostring(lua, -1));
            lua_pop(lua, 1);
            if (name) return true;
        }
        if (luaL_testudata(lua, index, "weft.table"))
            return error_set(err, STATUS_USAGE, "a table is given by its variable's name, in quotes");
        return error_set(err, STATUS_USAGE, "a %s cannot be an argument", luaL_typename(lua, index));
    }
}

static bool add_positional(lua_State *lua, int index, Call *call, Error *err) {
    Str text = {0};
    bool ok =
        lua_argument_text(lua, index, &text, err) && str_ok(&text, err) && call_add(call, str_text(&text), true, err);
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
            ok = lua_argument_text(lua, -1, &word, err);
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

/* The table that the command has just kept plots as the caller's copy does. */
static void take_chart(Session *session, uint64_t before, Sheet *sheet) {
    const Object *newest = workspace_newest(session, OBJECT_TABLE);
    if (!newest || newest->number <= before) return;
    Table *own = sheet->table;
    *sheet = sheet_of(newest);
    sheet->table = own;
    if (strcmp(newest->name, "last") == 0) *sheet->name = '\0';
}

bool lua_allowed(lua_State *lua, Error *err) {
    return lua_gc(lua, LUA_GCCOUNT) >= 0 || error_set(err, STATUS_USAGE, "commands do not run in a finaliser (__gc)");
}

/* Runs what was gathered; its table goes to `place`, the value at the top of the stack, which was made before so that
 * no Lua error can lose a table. */
static int finish_call(lua_State *lua, Table **place, Call *call, bool ok, Error *err) {
    Session *session = lua_session(lua);
    const uint64_t before = session->puts;
    ok = ok && lua_allowed(lua, err) &&
         dispatch(session, (const char *const *)call->words.word, call->literal, call->words.count, false, place, err);
    words_done(&call->words);
    if (ok && session->quit) return lua_leave(lua);
    if (ok && *place) take_chart(session, before, (Sheet *)place);
    return ok ? *place != NULL : lua_fail(lua, err);
}

static int command_function(lua_State *lua) {
    Error err;
    Call call = {0};
    int top = lua_gettop(lua);
    Table **place = lua_push_table(lua);
    bool ok = call_add(&call, lua_tostring(lua, lua_upvalueindex(1)), true, &err);
    for (int i = 1; ok && i <= top; i++)
        ok = lua_istable(lua, i) ? add_table(lua, i, &call, &err) : add_positional(lua, i, &call, &err);
    return finish_call(lua, place, &call, ok, &err);
}

/* load{...} is the command; anything else is Lua's own load, whose function is the upvalue. */
static int load_function(lua_State *lua) {
    if (lua_istable(lua, 1)) {
        Error err;
        Call call = {0};
        Table **place = lua_push_table(lua);
        bool ok = call_add(&call, "load", true, &err) && add_table(lua, 1, &call, &err);
        return finish_call(lua, place, &call, ok, &err);
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
    Error err;
    error_set(&err, STATUS_FAILED, "expect: %s", luaL_optstring(lua, 2, "the condition is false"));
    return lua_fail(lua, &err);
}

/* run("lowpass base --cutoff %g --into s", d0); the upvalue is string.format */
static int run_function(lua_State *lua) {
    Session *session = lua_session(lua);
    Error err;
    Call call = {0};
    luaL_checkstring(lua, 1);
    lua_pushvalue(lua, lua_upvalueindex(1));
    lua_insert(lua, 1);
    lua_call(lua, lua_gettop(lua) - 1, 1);
    size_t used = 0, length;
    const char *line = lua_tolstring(lua, -1, &length);
    luaL_argcheck(lua, strlen(line) == length, 1, "the command contains a NUL byte");
    Table **place = lua_push_table(lua);
    bool ok = words_split(session, line, &call.words, &used, &err);
    if (ok && (line[used] || call.words.count == 0 || call.words.count > 256))
        ok = error_set(&err, STATUS_USAGE, "run takes a single command, not '%s'", line);
    return finish_call(lua, place, &call, ok, &err);
}

/* tabulate("name", {"cutoff", "accuracy (%)"}, {{0.5, 91.2}, ...}): a table of one's own, to plot and export. */
static int tabulate_function(lua_State *lua) {
    Session *session = lua_session(lua);
    const char *name = luaL_checkstring(lua, 1);
    luaL_checktype(lua, 2, LUA_TTABLE);
    luaL_checktype(lua, 3, LUA_TTABLE);
    Error err;
    const uint64_t before = session->puts;
    const Table *table = lua_tabulate(lua);
    bool ok = lua_allowed(lua, &err) && workspace_name_check(session, name, &err);
    if (ok) {
        Object object = {.kind = OBJECT_TABLE};
        object.table = table_copy(table, &err);
        if (object.table) {
            table_note(object.table, "command", "tabulate %s", name);
            table_note(object.table, "seed", "%llu", (unsigned long long)session->seed);
            table_note(object.table, "weft", "%s", WEFT_VERSION);
            object.table = table_finish(object.table, &err);
        }
        ok = object.table != NULL;
        object.plots = ok && encoding_guess(object.table, &object.encoding);
        if (object.plots) snprintf(object.encoding.title, sizeof object.encoding.title, "%s", name);
        if (ok && !workspace_put(session, &name, &object, 1, &err)) {
            table_free(object.table);
            ok = false;
        }
        if (ok) take_chart(session, before, lua_check_sheet(lua, -1));
    }
    return ok ? 1 : lua_fail(lua, &err);
}

static int near_function(lua_State *lua) {
    double a = luaL_checknumber(lua, 1), b = luaL_checknumber(lua, 2), tolerance = luaL_checknumber(lua, 3);
    lua_pushboolean(lua, fabs(a - b) <= tolerance);
    return 1;
}

/* ---- os.exit and print --------------------------------------------------------------------------------------------
 */

static int exit_function(lua_State *lua) {
    Session *session = lua_session(lua);
    int status = lua_isboolean(lua, 1) ? !lua_toboolean(lua, 1) : (int)luaL_optinteger(lua, 1, 0) & 255;
    session->quit = true;
    session->quit_status = status;
    return lua_leave(lua);
}

/* Lua's own loses the reason why a line could not be written. */
static int print_function(lua_State *lua) {
    Session *session = lua_session(lua);
    for (int i = 1, count = lua_gettop(lua); i <= count; i++) {
        Str shown = {0};
        const bool table = lua_show(lua, i, &shown);
        lua_pushlstring(lua, str_text(&shown), shown.length); /* Lua's from here on: what follows may raise */
        str_done(&shown);
        size_t length;
        const char *text = table ? lua_tolstring(lua, -1, &length) : luaL_tolstring(lua, i, &length);
        errno = 0;
        if (i > 1) output_text(session, "\t");
        if (session->out_terminal) /* names that come from files may be in it; io.write leaves it alone */
            output_text(session, text);
        else if (fwrite(text, 1, length, stdout) != length && !session->write_error)
            session->write_error = errno;
        lua_settop(lua, count);
    }
    output_text(session, "\n");
    errno = 0;
    if (fflush(stdout) != 0 && !session->write_error) session->write_error = errno;
    return 0;
}

void lua_call_open(lua_State *lua) {
    lua_getglobal(lua, "load");
    for (const Command *const *each = commands; *each; each++) {
        const bool taken = lua_getglobal(lua, (*each)->name) != LUA_TNIL; /* next is Lua's own */
        lua_pop(lua, 1);
        if (taken || strchr((*each)->name, ' ')) continue;
        lua_pushstring(lua, (*each)->name);
        lua_pushcclosure(lua, strcmp((*each)->name, "expect") ? command_function : expect_function, 1);
        lua_setglobal(lua, (*each)->name);
    }
    lua_pushliteral(lua, "load");
    lua_insert(lua, -2);
    lua_pushcclosure(lua, load_function, 2);
    lua_setglobal(lua, "load");
    lua_getglobal(lua, "string");
    lua_getfield(lua, -1, "format");
    lua_pushcclosure(lua, run_function, 1);
    lua_setglobal(lua, "run");
    lua_pop(lua, 1);
    lua_register(lua, "tabulate", tabulate_function);
    lua_register(lua, "near", near_function);
    lua_register(lua, "print", print_function);
    lua_getglobal(lua, "os");
    lua_pushcfunction(lua, exit_function);
    lua_setfield(lua, -2, "exit");
    lua_pop(lua, 1);
}
