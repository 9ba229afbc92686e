/* lua_methods -- the functions of a table value: t:sort("-difference"):head(5). Each makes a new table, which is in no
 * workspace until t:as(name) puts it there. */
#include <lauxlib.h>
#include <math.h>
#include <string.h>

#include "lua_shell.h"
#include "session.h"
#include "workspace.h"
#include "weft/base/error.h"
#include "weft/base/table.h"
#include "weft/base/table_ops.h"
#include "weft/base/text.h"
#include "weft/base/version.h"

/* The result on the stack says how it was made: `format` is its note `command`. */
static int made(lua_State *lua, Sheet *sheet, bool ok, const Error *err, const char *what, const char *details) {
    Error none;
    if (!ok) return lua_fail(lua, err);
    table_note(sheet->table, "command", "%s%s%s", what, *details ? " " : "", details);
    sheet->table = table_finish(sheet->table, &none);
    return sheet->table ? 1 : lua_fail(lua, &none);
}

/* A string, or a list of strings with commas between, pushed. `what` names it in errors. */
static const char *push_list(lua_State *lua, int index, const char *what) {
    if (lua_type(lua, index) == LUA_TSTRING) {
        lua_pushvalue(lua, index);
        return lua_tostring(lua, -1);
    }
    if (!lua_istable(lua, index))
        luaL_error(lua, "%s: a string or a list of strings, not %s", what, luaL_typename(lua, index));
    luaL_Buffer out;
    const lua_Integer count = (lua_Integer)lua_rawlen(lua, index);
    luaL_buffinit(lua, &out);
    for (lua_Integer i = 1; i <= count; i++) {
        if (i > 1) luaL_addchar(&out, ',');
        if (lua_rawgeti(lua, index, i) != LUA_TSTRING) luaL_error(lua, "%s: a list of strings", what);
        luaL_addvalue(&out);
    }
    luaL_pushresult(&out);
    return lua_tostring(lua, -1);
}

/* ---- rows -------------------------------------------------------------------------------------------------------- */

/* t:sort("a", "-b") or t:sort{"a", "-b"} */
static int sort_method(lua_State *lua) {
    const Sheet *from = lua_check_sheet(lua, 1);
    const bool listed = lua_istable(lua, 2);
    if (listed) lua_settop(lua, 2);
    const int count = listed ? (int)lua_rawlen(lua, 2) : lua_gettop(lua) - 1;
    luaL_argcheck(lua, count >= 1 && count <= 64, 2, "a column to sort by");
    luaL_checkstack(lua, count + LUA_MINSTACK, NULL);
    const char *columns[64];
    luaL_Buffer line;
    for (int i = 0; i < count && listed; i++) lua_rawgeti(lua, 2, i + 1);
    const int first = listed ? 3 : 2;
    for (int i = 0; i < count; i++) columns[i] = luaL_checkstring(lua, first + i);
    luaL_buffinit(lua, &line);
    for (int i = 0; i < count; i++) {
        if (i) luaL_addchar(&line, ' ');
        luaL_addstring(&line, columns[i]);
    }
    luaL_pushresult(&line);
    const char *details = lua_tostring(lua, -1);
    Error err;
    Sheet *out = lua_push_sheet(lua);
    const bool ok = sheet_sort(from, columns, (size_t)count, false, out, &err);
    return made(lua, out, ok, &err, "sort", details);
}

static int take(lua_State *lua, bool tail) {
    const Sheet *from = lua_check_sheet(lua, 1);
    const lua_Integer count = luaL_optinteger(lua, 2, 10);
    luaL_argcheck(lua, count >= 0, 2, "a number of rows, 0 or more");
    const char *details = lua_pushfstring(lua, "%I%s", (LUAI_UACINT)count, tail ? " --tail" : "");
    Error err;
    Sheet *out = lua_push_sheet(lua);
    const bool ok = sheet_head(from, (uint64_t)count, tail, out, &err);
    return made(lua, out, ok, &err, "head", details);
}

static int head_method(lua_State *lua) {
    return take(lua, false);
}

static int tail_method(lua_State *lua) {
    return take(lua, true);
}

/* t:filter("s_ratio > 0.8"), t:filter(function(row) return row.s_ratio > 0.8 end) */
static int filter_method(lua_State *lua) {
    lua_check_sheet(lua, 1);
    const bool expression = lua_type(lua, 2) == LUA_TSTRING;
    if (!expression) luaL_checktype(lua, 2, LUA_TFUNCTION);
    lua_filter(lua, 1, 2);
    return made(lua, lua_check_sheet(lua, -1), true, NULL, "filter", expression ? lua_tostring(lua, 2) : "(function)");
}

/* ---- joins and groups -------------------------------------------------------------------------------------------- */

/* Field `name` of the options at `index`, a list or a string, pushed; NULL: absent. */
static const char *push_option(lua_State *lua, int index, const char *name) {
    if (!lua_istable(lua, index) || lua_getfield(lua, index, name) == LUA_TNIL) return NULL;
    return push_list(lua, lua_gettop(lua), name);
}

static void check_options(lua_State *lua, int index, const char *const *names) {
    if (lua_isnoneornil(lua, index)) return;
    luaL_checktype(lua, index, LUA_TTABLE);
    for (lua_pushnil(lua); lua_next(lua, index); lua_pop(lua, 1)) {
        const char *name = lua_type(lua, -2) == LUA_TSTRING ? lua_tostring(lua, -2) : "a number";
        size_t i = 0;
        while (names[i] && strcmp(names[i], name) != 0) i++;
        if (!names[i]) luaL_error(lua, "there is no option '%s'", name);
    }
}

/* The other tables of a join: one, or a list of them. Pushes them; returns how many. */
static int push_others(lua_State *lua) {
    if (!lua_istable(lua, 2)) {
        lua_pushvalue(lua, 2);
        return 1;
    }
    const lua_Unsigned length = lua_rawlen(lua, 2);
    luaL_argcheck(lua, length < LUAI_MAXSTACK, 2, "too many tables"); /* few fields can make a length of any size */
    const int count = (int)length;
    luaL_checkstack(lua, count + LUA_MINSTACK, NULL);
    for (int i = 0; i < count; i++) lua_rawgeti(lua, 2, i + 1);
    return count;
}

/* The tables' names: options.names, else their own, else 1, 2, ... */
static void read_names(lua_State *lua, int options, Sheet *sheets, int count) {
    const bool given = lua_istable(lua, options) && lua_getfield(lua, options, "names") != LUA_TNIL;
    const int list = lua_gettop(lua);
    if (given) luaL_checktype(lua, list, LUA_TTABLE);
    if (given && (int)lua_rawlen(lua, list) != count) luaL_error(lua, "names: %d tables need %d names", count, count);
    for (int i = 0; i < count; i++) {
        if (given && lua_rawgeti(lua, list, i + 1) != LUA_TSTRING) luaL_error(lua, "names: a list of strings");
        if (!given && !*sheets[i].name) lua_pushfstring(lua, "%d", i + 1);
        if (given || !*sheets[i].name) sheet_name(&sheets[i], lua_tostring(lua, -1));
        lua_settop(lua, list);
    }
}

static TableKeep read_keep(lua_State *lua, const char *text) {
    const char *const *keeps = SETTING_NAMES(TABLE_KEEPS);
    int keep = 0;
    while (text && keeps[keep] && strcmp(keeps[keep], text) != 0) keep++;
    if (!keeps[keep]) luaL_error(lua, "keep: common, first or all, not '%s'", text);
    return (TableKeep)keep;
}

/* t:join(u, "layer", {keep = "all", columns = "s_ratio", names = {"a", "b"}}); t:join({u, v}, ...); by nil and
 * {stack = "network"}: one below the other */
static int join_method(lua_State *lua) {
    static const char *const options[] = {"keep", "columns", "names", "stack", NULL};
    lua_check_sheet(lua, 1);
    lua_settop(lua, 4);
    check_options(lua, 4, options);
    const int first = lua_gettop(lua) + 1, count = push_others(lua) + 1;
    Sheet *sheets = lua_newuserdatauv(lua, (size_t)count * sizeof *sheets, 0);
    for (int t = 0; t < count; t++) {
        const int at = t == 0 ? 1 : first + t - 1;
        if (!luaL_testudata(lua, at, "weft.table")) luaL_argerror(lua, 2, "a table of weft or a list of them");
        sheets[t] = *lua_check_sheet(lua, at);
    }
    read_names(lua, 4, sheets, count);
    SheetJoin join = {.sheets = sheets, .count = (size_t)count};
    join.stack = push_option(lua, 4, "stack");
    if (!join.stack) join.by = push_list(lua, 3, "by");
    join.columns = push_option(lua, 4, "columns");
    join.keep = read_keep(lua, push_option(lua, 4, "keep"));
    const char *details =
        lua_pushfstring(lua, "--%s %s", join.stack ? "stack" : "by", join.stack ? join.stack : join.by);
    Error err;
    Sheet *out = lua_push_sheet(lua);
    const bool ok = sheet_join(&join, out, &err);
    return made(lua, out, ok, &err, "join", details);
}

/* t:group("layer", "mean,std", "accuracy") */
static int group_method(lua_State *lua) {
    const Sheet *from = lua_check_sheet(lua, 1);
    lua_settop(lua, 4);
    const char *by = push_list(lua, 2, "by");
    const char *statistics = lua_isnil(lua, 3) ? "mean" : push_list(lua, 3, "take");
    const char *columns = lua_isnil(lua, 4) ? NULL : push_list(lua, 4, "columns");
    const char *details = lua_pushfstring(lua, "--by %s --take %s", by, statistics);
    Error err;
    Sheet *out = lua_push_sheet(lua);
    const bool ok = sheet_group(from, by, columns, statistics, out, &err);
    return made(lua, out, ok, &err, "group", details);
}

/* ---- columns ----------------------------------------------------------------------------------------------------- */

/* t:column("a"): an array, also of a table with one row */
static int column_method(lua_State *lua) {
    const Table *table = lua_check_sheet(lua, 1)->table;
    Error err;
    const Column *column = table_need(table, NULL, luaL_checkstring(lua, 2), &err);
    if (!column) return lua_fail(lua, &err);
    lua_push_column(lua, table, column);
    return 1;
}

/* The values of the new column: of a function, of an array, or one for every row. As an array of numbers and strings,
 * pushed. */
static void push_values(lua_State *lua, lua_Integer rows) {
    const bool array = lua_istable(lua, 3), function = lua_isfunction(lua, 3);
    const lua_Integer count = array ? (lua_Integer)lua_rawlen(lua, 3) : rows;
    /* a column whose last texts are missing looks shorter than it is */
    if (count > rows || (count < rows && !lua_is_column(lua, 3)))
        luaL_error(lua, "with: %d values for %d rows", (int)count, (int)rows);
    lua_createtable(lua, (int)rows, 0);
    const int values = lua_gettop(lua);
    for (lua_Integer row = 1; row <= rows; row++) {
        lua_pushvalue(lua, 3);
        if (function) {
            lua_push_full_row(lua, 1, (size_t)row - 1);
            lua_call(lua, 1, 1);
        } else if (array) {
            lua_rawgeti(lua, 3, row);
        }
        const int type = lua_type(lua, -1);
        if (type != LUA_TNUMBER && type != LUA_TNIL) luaL_tolstring(lua, -1, NULL);
        lua_rawseti(lua, values, row);
        lua_settop(lua, values);
    }
}

/* The cells of the array at `values`; texts belong to it. */
static Cell *push_cells(lua_State *lua, int values, size_t rows, ColumnType type) {
    Cell *cells = lua_newuserdatauv(lua, (rows + 1) * sizeof *cells, 0);
    for (size_t r = 0; r < rows; r++) {
        const bool missing = lua_rawgeti(lua, values, (lua_Integer)r + 1) == LUA_TNIL;
        if (type == COLUMN_TEXT && lua_type(lua, -1) == LUA_TNUMBER) { /* a number among texts: keep its text */
            lua_tostring(lua, -1);
            lua_pushvalue(lua, -1);
            lua_rawseti(lua, values, (lua_Integer)r + 1);
        }
        if (type == COLUMN_TEXT)
            cells[r].text = missing ? NULL : (char *)lua_tostring(lua, -1);
        else if (type == COLUMN_INTEGER)
            cells[r].integer = lua_tointeger(lua, -1);
        else
            cells[r].real = missing ? NAN : lua_tonumber(lua, -1);
        lua_pop(lua, 1);
    }
    return cells;
}

/* t:with("ratio (%)", t.a / t.b), t:with("stage", function(row) return row.layer:match("^layer%d") end), t:with("n", 1)
 */
static int with_method(lua_State *lua) {
    const Sheet *from = lua_check_sheet(lua, 1);
    const char *heading = luaL_checkstring(lua, 2);
    const size_t rows = from->table->rows;
    luaL_checkany(lua, 3);
    lua_settop(lua, 3);
    push_values(lua, (lua_Integer)rows);
    const int values = lua_gettop(lua);
    const ColumnType type = lua_values_type(lua, values, 1, (lua_Integer)rows, 1);
    const Cell *cells = push_cells(lua, values, rows, type);
    Sheet *out = lua_push_sheet(lua);
    *out = *from;
    out->table = NULL;
    Error err;
    Str name = {0}, unit = {0};
    lua_heading(heading, &name, &unit);
    bool ok = str_ok(&name, &err) && str_ok(&unit, &err);
    if (ok && !name.length) ok = error_set(&err, STATUS_USAGE, "with: a column needs a name");
    if (ok) out->table = table_with(from->table, str_text(&name), str_text(&unit), type, cells, &err);
    str_done(&name);
    str_done(&unit);
    return made(lua, out, out->table != NULL, &err, "with", heading);
}

/* ---- the workspace ----------------------------------------------------------------------------------------------- */

/* t:as("name"): the table becomes an object, to plot and export; returns t. */
static int as_method(lua_State *lua) {
    Session *session = lua_session(lua);
    Sheet *from = lua_check_sheet(lua, 1);
    const char *name = luaL_checkstring(lua, 2);
    Error err;
    Object object = {.kind = OBJECT_TABLE, .encoding = from->encoding, .plots = from->plots};
    bool ok = lua_allowed(lua, &err) && workspace_name_check(session, name, &err) &&
              (object.table = table_copy(from->table, &err));
    if (ok) {
        table_note(object.table, "seed", "%llu", (unsigned long long)session->seed);
        table_note(object.table, "weft", "%s", WEFT_VERSION);
        ok = (object.table = table_finish(object.table, &err)) && workspace_put(session, &name, &object, 1, &err);
    }
    if (!ok) {
        table_free(object.table);
        return lua_fail(lua, &err);
    }
    sheet_name(from, name);
    lua_settop(lua, 1);
    return 1;
}

/* A variable of the name that holds a table: its t:as(name). */
static int publish(lua_State *lua) {
    const char *name = lua_touserdata(lua, 1);
    lua_pushglobaltable(lua);
    lua_pushstring(lua, name);
    lua_rawget(lua, -2);
    if (!luaL_testudata(lua, -1, "weft.table")) return 0;
    lua_pushcfunction(lua, as_method);
    lua_insert(lua, -2);
    lua_pushstring(lua, name);
    lua_call(lua, 2, 0);
    return 0;
}

bool lua_publish(Session *session, const char *name, Error *err) {
    return lua_guarded(session, publish, (void *)name, err);
}

void lua_push_methods(lua_State *lua) {
    static const luaL_Reg methods[] = {{"sort", sort_method}, {"filter", filter_method}, {"head", head_method},
                                       {"tail", tail_method}, {"join", join_method},     {"group", group_method},
                                       {"with", with_method}, {"column", column_method}, {"as", as_method},
                                       {NULL, NULL}};
    luaL_newlib(lua, methods);
}
