/* lua_table -- a Table as a Lua value: t.column is the value of a one-row table, else an array; t[i] is a row; #t
 * counts rows; t:sort(...) and the like are in lua_methods. */
#include <lauxlib.h>
#include <limits.h>
#include <math.h>
#include <string.h>

#include "command.h"
#include "lua_shell.h"
#include "weft/base/error.h"
#include "weft/base/table.h"
#include "weft/base/text.h"

Sheet *lua_check_sheet(lua_State *lua, int index) {
    Sheet *sheet = luaL_checkudata(lua, index, "weft.table");
    if (!sheet->table) luaL_error(lua, "the table is gone"); /* a finaliser that runs after the table's own */
    return sheet;
}

void lua_push_cell(lua_State *lua, const Column *column, size_t row) {
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
        lua_push_cell(lua, &table->columns[i], (size_t)row - 1);
        lua_setfield(lua, -2, table->columns[i].name);
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

/* t.NAME: a method, a column, the notes or the names; t[3]: a row. The upvalue holds the methods. */
static int index_function(lua_State *lua) {
    const Table *table = lua_check_sheet(lua, 1)->table;
    if (lua_type(lua, 2) == LUA_TNUMBER) return push_row(lua, table, luaL_checkinteger(lua, 2));
    const char *key = luaL_checkstring(lua, 2);
    lua_pushvalue(lua, 2);
    if (lua_rawget(lua, lua_upvalueindex(1)) != LUA_TNIL) return 1;
    const Column *column = table_find(table, key);
    if (column && table->rows == 1)
        lua_push_cell(lua, column, 0);
    else if (column)
        lua_push_column(lua, table, column);
    else if (strcmp(key, "notes") == 0)
        return push_notes(lua, table);
    else if (strcmp(key, "names") == 0)
        return push_names(lua, table);
    Error err;
    return column ? 1 : (table_need(table, NULL, key, &err), lua_fail(lua, &err));
}

static int assign_function(lua_State *lua) {
    const char *key = luaL_tolstring(lua, 2, NULL);
    return luaL_error(lua, "a table does not change; t = t:with(\"%s\", ...) makes one with another column", key);
}

static int length_function(lua_State *lua) {
    lua_pushinteger(lua, (lua_Integer)lua_check_sheet(lua, 1)->table->rows);
    return 1;
}

static int text_function(lua_State *lua) {
    Str out = {0};
    table_write(lua_check_sheet(lua, 1)->table, TABLE_TEXT, 0, &out);
    lua_pushlstring(lua, str_text(&out), out.length - (out.length > 0)); /* print ends the last line */
    str_done(&out);
    return 1;
}

static int collect_function(lua_State *lua) {
    Sheet *sheet = luaL_checkudata(lua, 1, "weft.table");
    table_free(sheet->table);
    sheet->table = NULL;
    return 0;
}

void lua_table_open(lua_State *lua) {
    static const luaL_Reg functions[] = {{"__newindex", assign_function},
                                         {"__len", length_function},
                                         {"__tostring", text_function},
                                         {"__gc", collect_function},
                                         {NULL, NULL}};
    lua_column_open(lua);
    luaL_newmetatable(lua, "weft.table");
    luaL_setfuncs(lua, functions, 0);
    lua_push_methods(lua);
    lua_pushvalue(lua, -1);
    lua_setfield(lua, -3, "methods"); /* for completion */
    lua_pushcclosure(lua, index_function, 1);
    lua_setfield(lua, -2, "__index");
    lua_pushboolean(lua, false);
    lua_setfield(lua, -2, "__metatable");
    lua_pop(lua, 1);
}

Sheet *lua_push_sheet(lua_State *lua) {
    Sheet *sheet = lua_newuserdatauv(lua, sizeof *sheet, 0);
    *sheet = (Sheet){0};
    luaL_setmetatable(lua, "weft.table");
    return sheet;
}

Table **lua_push_table(lua_State *lua) {
    return &lua_push_sheet(lua)->table;
}

/* ---- tabulate ---------------------------------------------------------------------------------------------------- */

/* All headings and then all cells, row by row, as one array, pushed. They are read once, here: whatever a finaliser
 * makes of the tables of the script later, which runs wherever Lua allocates, what was checked is what is used. */
static void push_copy(lua_State *lua, lua_Integer columns, lua_Integer rows) {
    lua_createtable(lua, (int)(columns * (rows + 1)), 0);
    const int copy = lua_gettop(lua);
    for (lua_Integer i = 1; i <= columns; i++) {
        luaL_argcheck(lua, lua_rawgeti(lua, 2, i) == LUA_TSTRING, 2, "headings are strings");
        lua_rawseti(lua, copy, i);
    }
    for (lua_Integer row = 1; row <= rows; row++) {
        if (lua_rawgeti(lua, 3, row) != LUA_TTABLE) luaL_error(lua, "tabulate: row %d is not a table", (int)row);
        for (lua_Integer i = 1; i <= columns; i++) {
            lua_rawgeti(lua, -1, i);
            lua_rawseti(lua, copy, row * columns + i);
        }
        lua_settop(lua, copy);
    }
}

ColumnType lua_values_type(lua_State *lua, int index, lua_Integer first, lua_Integer last, lua_Integer step) {
    bool whole = true, numbers = true;
    for (lua_Integer i = first; i <= last; i += step) {
        const int type = lua_rawgeti(lua, index, i);
        whole = whole && lua_isinteger(lua, -1);
        numbers = numbers && (type == LUA_TNUMBER || type == LUA_TNIL);
        lua_pop(lua, 1);
    }
    return numbers ? (whole ? COLUMN_INTEGER : COLUMN_REAL) : COLUMN_TEXT;
}

void lua_heading(const char *heading, Str *name, Str *unit) {
    const size_t length = strlen(heading);
    const char *bracket = strstr(heading, " (");
    if (bracket && heading[length - 1] == ')') {
        str_add_bytes(name, heading, (size_t)(bracket - heading));
        str_add_bytes(unit, bracket + 2, length - (size_t)(bracket - heading) - 3);
    } else {
        str_add(name, heading);
    }
}

static void add_column(Table *table, const char *heading, ColumnType type) {
    Str name = {0}, unit = {0};
    lua_heading(heading, &name, &unit);
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
    enum { COLUMNS_MOST = 64 };
    const lua_Integer columns = (lua_Integer)lua_rawlen(lua, 2), rows = (lua_Integer)lua_rawlen(lua, 3);
    luaL_argcheck(lua, columns >= 1 && columns <= COLUMNS_MOST, 2, "1 to 64 column headings");
    luaL_argcheck(lua, rows < INT_MAX / COLUMNS_MOST, 3, "too many rows");
    push_copy(lua, columns, rows);
    const int copy = lua_gettop(lua);
    Error err;
    ColumnType types[COLUMNS_MOST];
    Table **place = lua_push_table(lua); /* Lua frees it whatever is raised from here on */
    Table *table = *place = table_new(&err);
    if (!table) lua_fail(lua, &err);
    for (lua_Integer i = 1; i <= columns; i++) {
        types[i - 1] = lua_values_type(lua, copy, columns + i, columns * (rows + 1), columns);
        lua_rawgeti(lua, copy, i);
        add_column(table, lua_tostring(lua, -1), types[i - 1]);
        lua_pop(lua, 1);
    }
    for (lua_Integer at = columns; at < columns * (rows + 1); at++) {
        lua_rawgeti(lua, copy, at + 1);
        add_cell(lua, table, types[at % columns]);
        lua_pop(lua, 1);
    }
    *place = table_finish(table, &err);
    if (!*place) lua_fail(lua, &err);
    lua_remove(lua, copy);
    return *place;
}
