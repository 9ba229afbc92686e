/* lua_filter -- rows of a table for which a Lua expression or function is true.
 *
 * An expression is compiled once, in an environment of its own: a name is first a column of the row at hand, then one
 * of Lua's globals, else an error that lists the columns. A missing text is "" there and in the rows that a function
 * gets, so that layer:match(...) works for every row. */
#include <lauxlib.h>
#include <string.h>

#include "lua_shell.h"
#include "session.h"
#include "weft/base/error.h"
#include "weft/base/table.h"
#include "weft/base/table_ops.h"
#include "weft/base/text.h"

static void push_present_cell(lua_State *lua, const Column *column, size_t row) {
    lua_push_cell(lua, column, row);
    if (!lua_isnil(lua, -1)) return;
    lua_pop(lua, 1);
    lua_pushliteral(lua, "");
}

/* ---- expressions ------------------------------------------------------------------------------------------------- */

static int no_such_name(lua_State *lua, const Table *table, const char *name) {
    Error err, full;
    table_need(table, NULL, name, &err);
    if (strstr(err.text, "did you mean")) return lua_fail(lua, &err);
    error_set(&full, STATUS_USAGE, "%s; a text stands in quotes: '%s'", err.text, name);
    return lua_fail(lua, &full);
}

/* __index of the environment. Upvalues: the table, the row at hand (a size_t). */
static int name_index(lua_State *lua) {
    const Table *table = lua_check_sheet(lua, lua_upvalueindex(1))->table;
    const size_t *row = lua_touserdata(lua, lua_upvalueindex(2));
    const char *name = luaL_checkstring(lua, 2);
    const Column *column = table_find(table, name);
    if (*row >= table->rows) return luaL_error(lua, "filter: its rows are gone"); /* a script has kept `row` */
    if (column) {
        push_present_cell(lua, column, *row);
        return 1;
    }
    if (strcmp(name, "row") == 0) {
        lua_pushvalue(lua, 1);
        return 1;
    }
    lua_pushglobaltable(lua);
    return lua_getfield(lua, -1, name) != LUA_TNIL ? 1 : no_such_name(lua, table, name);
}

/* What other languages write, where Lua's own message is no help. */
static const char *spelling(const char *expression) {
    if (strstr(expression, "!=")) return " (Lua writes ~= for not equal)";
    if (strstr(expression, "&&") || strstr(expression, "||")) return " (Lua writes and, or, not)";
    for (const char *at = expression; (at = strchr(at, '=')); at++) {
        if (at[1] == '=')
            at++;
        else if (at == expression || !strchr("<>~", at[-1]))
            return " (Lua writes == for equal)";
    }
    return "";
}

/* Pushes the function of an expression, whose names are those of the row at `row` of the table at `from`. */
static void push_expression(lua_State *lua, int from, int row, const char *expression) {
    Error err;
    size_t length;
    if (!expression[strspn(expression, " \t\n")]) {
        error_set(&err, STATUS_USAGE, "filter: the expression is empty");
        lua_fail(lua, &err);
    }
    const char *text = lua_pushfstring(lua, "return %s\n", expression);
    text = lua_tolstring(lua, -1, &length);
    if (luaL_loadbufferx(lua, text, length, "=filter", "t") != LUA_OK) {
        const char *message = lua_tostring(lua, -1), *reason = message ? strstr(message, ": ") : NULL;
        error_set(&err, STATUS_USAGE, "filter '%s': %s%s", expression, reason ? reason + 2 : "this is not Lua",
                  spelling(expression));
        lua_fail(lua, &err);
    }
    lua_newtable(lua);
    lua_createtable(lua, 0, 2);
    lua_pushvalue(lua, from);
    lua_pushvalue(lua, row);
    lua_pushcclosure(lua, name_index, 2);
    lua_setfield(lua, -2, "__index");
    lua_pushboolean(lua, false);
    lua_setfield(lua, -2, "__metatable");
    lua_setmetatable(lua, -2);
    lua_setupvalue(lua, -2, 1); /* _ENV */
}

/* ---- functions --------------------------------------------------------------------------------------------------- */

/* __index of a function's row: what is not in it is no column. The upvalue is the table. */
static int absent_index(lua_State *lua) {
    Error err;
    if (table_need(lua_check_sheet(lua, lua_upvalueindex(1))->table, NULL, luaL_checkstring(lua, 2), &err)) return 0;
    return lua_fail(lua, &err);
}

void lua_push_full_row(lua_State *lua, int from, size_t row) {
    from = lua_absindex(lua, from);
    const Table *table = lua_check_sheet(lua, from)->table;
    lua_createtable(lua, 0, (int)table->column_count);
    for (size_t c = 0; c < table->column_count; c++) {
        push_present_cell(lua, &table->columns[c], row);
        lua_setfield(lua, -2, table->columns[c].name);
    }
    lua_createtable(lua, 0, 1);
    lua_pushvalue(lua, from);
    lua_pushcclosure(lua, absent_index, 1);
    lua_setfield(lua, -2, "__index");
    lua_setmetatable(lua, -2);
}

/* ---- rows -------------------------------------------------------------------------------------------------------- */

/* Whether the value on the stack, which is taken off, keeps a row. */
static bool keeps(lua_State *lua) {
    const int type = lua_type(lua, -1);
    if (type != LUA_TNIL && type != LUA_TBOOLEAN && type != LUA_TSTRING) { /* match gives a string */
        Error err;
        error_set(&err, STATUS_USAGE, "filter: the value is a %s, neither true nor false", lua_typename(lua, type));
        lua_fail(lua, &err);
    }
    const bool kept = lua_toboolean(lua, -1);
    lua_pop(lua, 1);
    return kept;
}

void lua_filter(lua_State *lua, int from, int which) {
    from = lua_absindex(lua, from);
    const Sheet *sheet = lua_check_sheet(lua, from);
    const bool expression = lua_type(lua, which) == LUA_TSTRING;
    size_t kept = 0, *rows = lua_newuserdatauv(lua, (sheet->table->rows + 1) * sizeof *rows, 0);
    size_t *at = lua_newuserdatauv(lua, sizeof *at, 0);
    if (expression)
        push_expression(lua, from, lua_gettop(lua), lua_tostring(lua, which));
    else
        lua_pushvalue(lua, which);
    for (*at = 0; *at < sheet->table->rows; ++*at) {
        lua_pushvalue(lua, -1);
        if (!expression) lua_push_full_row(lua, from, *at);
        lua_call(lua, expression ? 0 : 1, 1);
        if (keeps(lua)) rows[kept++] = *at;
    }
    Sheet *out = lua_push_sheet(lua);
    Error err;
    if (!sheet_pick(sheet, rows, kept, out, &err)) lua_fail(lua, &err);
}

/* ---- the command ------------------------------------------------------------------------------------------------- */

typedef struct Request {
    const Sheet *from;
    const char *expression;
    Sheet *out;
} Request;

/* On a copy: the expression may call commands, which may remove the table. */
static int run_request(lua_State *lua) {
    const Request *request = lua_touserdata(lua, 1);
    Error err;
    Sheet *copy = lua_push_sheet(lua);
    *copy = *request->from;
    copy->table = NULL;
    lua_pushstring(lua, request->expression);
    if (!(copy->table = table_copy(request->from->table, &err))) return lua_fail(lua, &err);
    lua_filter(lua, 2, 3);
    Sheet *filtered = lua_check_sheet(lua, -1);
    *request->out = *filtered;
    filtered->table = NULL;
    return 0;
}

bool sheet_filter(Session *session, const Sheet *from, const char *expression, Sheet *out, Error *err) {
    static const char where[] = "filter:1: ";
    Request request = {from, expression, out};
    out->table = NULL;
    if (lua_guarded(session, run_request, &request, err)) return true;
    if (strncmp(err->text, where, strlen(where)) != 0) return false;
    const Error whole = *err;
    return error_set(err, whole.status, "filter '%s': %s", expression, whole.text + strlen(where));
}
