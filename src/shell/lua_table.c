/* lua_table -- a Table as a Lua value: t.column is the value of a one-row table, else an array; t[i] is a row; #t
 * counts rows. */
#include <lauxlib.h>
#include <math.h>
#include <string.h>

#include "command.h"
#include "lua_shell.h"
#include "weft/base/error.h"
#include "weft/base/table.h"
#include "weft/base/text.h"

static Table *check_table(lua_State *lua) {
    Table *table = *(Table **)luaL_checkudata(lua, 1, "weft.table");
    if (!table) luaL_error(lua, "the table is gone"); /* a finaliser that runs after the table's own */
    return table;
}

static void push_cell(lua_State *lua, const Column *column, size_t row) {
    switch (column->type) {
    case COLUMN_TEXT:
        lua_pushstring(lua, column->cells[row].text);
        break; /* NULL pushes nil */
    case COLUMN_INTEGER:
        lua_pushinteger(lua, column->cells[row].integer);
        break;
    case COLUMN_REAL:
        lua_pushnumber(lua, column->cells[row].real);
        break;
    }
}

static int push_row(lua_State *lua, const Table *table, lua_Integer row) {
    if (row < 1 || (size_t)row > table->rows) return 0;
    lua_createtable(lua, 0, (int)table->column_count);
    for (size_t i = 0; i < table->column_count; i++) {
        push_cell(lua, &table->columns[i], (size_t)row - 1);
        lua_setfield(lua, -2, table->columns[i].name);
    }
    return 1;
}

static int push_column(lua_State *lua, const Table *table, const Column *column) {
    if (table->rows == 1) {
        push_cell(lua, column, 0);
        return 1;
    }
    lua_createtable(lua, (int)table->rows, 0);
    for (size_t row = 0; row < table->rows; row++) {
        push_cell(lua, column, row);
        lua_rawseti(lua, -2, (lua_Integer)row + 1);
    }
    return 1;
}

static int push_notes(lua_State *lua, const Table *table) {
    lua_createtable(lua, 0, (int)table->note_count);
    for (size_t i = 0; i < table->note_count; i++) {
        double number;
        if (text_to_double(table->notes[i].value, &number))
            lua_pushnumber(lua, number);
        else
            lua_pushstring(lua, table->notes[i].value);
        lua_setfield(lua, -2, table->notes[i].key);
    }
    return 1;
}

static int push_names(lua_State *lua, const Table *table) {
    lua_createtable(lua, (int)table->column_count, 0);
    for (size_t i = 0; i < table->column_count; i++) {
        lua_pushstring(lua, table->columns[i].name);
        lua_rawseti(lua, -2, (lua_Integer)i + 1);
    }
    return 1;
}

static int index_function(lua_State *lua) {
    const Table *table = check_table(lua);
    if (lua_type(lua, 2) == LUA_TNUMBER) return push_row(lua, table, luaL_checkinteger(lua, 2));
    const char *key = luaL_checkstring(lua, 2);
    const Column *column = table_find(table, key);
    if (column) return push_column(lua, table, column);
    if (strcmp(key, "notes") == 0) return push_notes(lua, table);
    if (strcmp(key, "names") == 0) return push_names(lua, table);
    const char *names[64];
    size_t count = 0;
    for (; count < table->column_count && count < 64; count++) names[count] = table->columns[count].name;
    const char *near = text_nearest(key, names, count);
    return luaL_error(lua, near ? "the table has no column '%s'; did you mean %s?" : "the table has no column '%s'",
                      key, near);
}

static int length_function(lua_State *lua) {
    lua_pushinteger(lua, (lua_Integer)check_table(lua)->rows);
    return 1;
}

static int text_function(lua_State *lua) {
    Str out = {0};
    table_write(check_table(lua), TABLE_TEXT, 0, &out);
    lua_pushstring(lua, str_text(&out));
    str_done(&out);
    return 1;
}

static int collect_function(lua_State *lua) {
    Table **place = luaL_checkudata(lua, 1, "weft.table");
    table_free(*place);
    *place = NULL;
    return 0;
}

void lua_table_open(lua_State *lua) {
    static const luaL_Reg functions[] = {{"__index", index_function},
                                         {"__len", length_function},
                                         {"__tostring", text_function},
                                         {"__gc", collect_function},
                                         {NULL, NULL}};
    luaL_newmetatable(lua, "weft.table");
    luaL_setfuncs(lua, functions, 0);
    lua_pushboolean(lua, false);
    lua_setfield(lua, -2, "__metatable");
    lua_pop(lua, 1);
}

Table **lua_push_table(lua_State *lua) {
    Table **place = lua_newuserdatauv(lua, sizeof *place, 0);
    *place = NULL;
    luaL_setmetatable(lua, "weft.table");
    return place;
}

/* ---- tabulate ---------------------------------------------------------------------------------------------------- */

/* The narrowest type that holds column `index` of all rows: whole numbers, numbers, else text. */
static ColumnType column_type(lua_State *lua, lua_Integer index, lua_Integer rows) {
    bool whole = true, numbers = true;
    for (lua_Integer row = 1; row <= rows; row++) {
        lua_rawgeti(lua, 3, row);
        if (!lua_istable(lua, -1)) luaL_error(lua, "tabulate: row %d is not a table", (int)row);
        int type = lua_rawgeti(lua, -1, index);
        whole = whole && lua_isinteger(lua, -1);
        numbers = numbers && (type == LUA_TNUMBER || type == LUA_TNIL);
        lua_pop(lua, 2);
    }
    return numbers ? (whole ? COLUMN_INTEGER : COLUMN_REAL) : COLUMN_TEXT;
}

/* "accuracy (%)" is the column accuracy in %. */
static void add_column(Table *table, const char *heading, ColumnType type) {
    size_t length = strlen(heading);
    const char *bracket = strstr(heading, " (");
    Str name = {0}, unit = {0};
    if (bracket && heading[length - 1] == ')') {
        str_add_bytes(&name, heading, (size_t)(bracket - heading));
        str_add_bytes(&unit, bracket + 2, length - (size_t)(bracket - heading) - 3);
    } else {
        str_add(&name, heading);
    }
    table_column(table, str_text(&name), str_text(&unit), type);
    str_done(&name);
    str_done(&unit);
}

static void add_cell(lua_State *lua, Table *table, ColumnType type) {
    if (type == COLUMN_INTEGER)
        table_integer(table, lua_tointeger(lua, -1));
    else if (type == COLUMN_REAL)
        table_real(table, lua_isnil(lua, -1) ? NAN : lua_tonumber(lua, -1));
    else if (lua_isnil(lua, -1))
        table_text(table, NULL);
    else if (lua_isboolean(lua, -1))
        table_text(table, lua_toboolean(lua, -1) ? "true" : "false");
    else
        table_text(table, lua_tostring(lua, -1) ? lua_tostring(lua, -1) : luaL_typename(lua, -1));
}

const Table *lua_tabulate(lua_State *lua) {
    lua_Integer columns = (lua_Integer)lua_rawlen(lua, 2), rows = (lua_Integer)lua_rawlen(lua, 3);
    luaL_argcheck(lua, columns >= 1 && columns <= 64, 2, "1 to 64 column headings");
    for (lua_Integer i = 1; i <= columns; i++) {
        lua_rawgeti(lua, 2, i);
        luaL_argcheck(lua, lua_type(lua, -1) == LUA_TSTRING, 2, "headings are strings");
        lua_pop(lua, 1);
    }
    ColumnType types[64];
    for (lua_Integer i = 1; i <= columns; i++) types[i - 1] = column_type(lua, i, rows);
    Error err;
    Table **place = lua_push_table(lua); /* Lua frees it whatever is raised from here on */
    Table *table = *place = table_new(&err);
    if (!table) lua_fail(lua, &err);
    for (lua_Integer i = 1; i <= columns; i++) {
        lua_rawgeti(lua, 2, i);
        add_column(table, lua_tostring(lua, -1), types[i - 1]);
        lua_pop(lua, 1);
    }
    for (lua_Integer row = 1; row <= rows; row++) {
        lua_rawgeti(lua, 3, row);
        for (lua_Integer i = 1; i <= columns; i++) {
            lua_rawgeti(lua, -1, i);
            add_cell(lua, table, types[i - 1]);
            lua_pop(lua, 1);
        }
        lua_pop(lua, 1);
    }
    *place = table_finish(table, &err);
    if (!*place) lua_fail(lua, &err);
    return *place;
}
