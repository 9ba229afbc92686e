/* lua_column -- a column as a Lua value: an array with arithmetic and statistics.
 *
 * t.a - t.b, 2 * t.a, t.a ^ 2 and -t.a are new columns, value by value; a number counts for every row. A missing number
 * is NaN. t.a:mean() and the like leave missing values out. */
#include <lauxlib.h>
#include <math.h>
#include <stdint.h>
#include <string.h>

#include "lua_shell.h"
#include "weft/base/table.h"
#include "weft/base/table_ops.h"

static void push_array(lua_State *lua, lua_Integer count) {
    lua_createtable(lua, (int)count, 0);
    luaL_setmetatable(lua, "weft.column");
}

void lua_push_column(lua_State *lua, const Table *table, const Column *column) {
    push_array(lua, (lua_Integer)table->rows);
    for (size_t row = 0; row < table->rows; row++) {
        lua_push_cell(lua, column, row);
        lua_rawseti(lua, -2, (lua_Integer)row + 1);
    }
}

/* ---- arithmetic -------------------------------------------------------------------------------------------------- */

/* The number of an operand for row `row`, pushed; a nil is missing. */
static void push_operand(lua_State *lua, int index, lua_Integer row) {
    if (!lua_istable(lua, index)) {
        lua_pushvalue(lua, index);
        return;
    }
    const int type = lua_rawgeti(lua, index, row);
    if (type == LUA_TNUMBER) return;
    if (type != LUA_TNIL) luaL_error(lua, "arithmetic on a column of texts (row %d)", (int)row);
    lua_pop(lua, 1);
    lua_pushnumber(lua, (lua_Number)NAN);
}

/* The length of an operand, or -1 where it is a number. */
static lua_Integer operand_length(lua_State *lua, int index) {
    if (lua_istable(lua, index)) return (lua_Integer)lua_rawlen(lua, index);
    if (lua_type(lua, index) != LUA_TNUMBER)
        luaL_error(lua, "arithmetic on a column and a %s", luaL_typename(lua, index));
    return -1;
}

/* The upvalue is Lua's number of the operation. */
static int arithmetic(lua_State *lua) {
    const int operation = (int)lua_tointeger(lua, lua_upvalueindex(1));
    const lua_Integer a = operand_length(lua, 1), b = operand_length(lua, 2), count = a < 0 ? b : a;
    if (a >= 0 && b >= 0 && a != b)
        return luaL_error(lua, "columns of %d and %d rows do not go together", (int)a, (int)b);
    push_array(lua, count);
    for (lua_Integer row = 1; row <= count; row++) {
        push_operand(lua, 1, row);
        if (operation != LUA_OPUNM) push_operand(lua, 2, row);
        lua_arith(lua, operation);
        lua_rawseti(lua, -2, row);
    }
    return 1;
}

/* ---- functions --------------------------------------------------------------------------------------------------- */

/* c:map(f): f of every value. */
static int map_function(lua_State *lua) {
    luaL_checktype(lua, 1, LUA_TTABLE);
    const lua_Integer count = (lua_Integer)lua_rawlen(lua, 1);
    push_array(lua, count);
    for (lua_Integer row = 1; row <= count; row++) {
        lua_pushvalue(lua, 2);
        lua_rawgeti(lua, 1, row);
        lua_call(lua, 1, 1);
        lua_rawseti(lua, -2, row);
    }
    return 1;
}

bool lua_is_column(lua_State *lua, int index) {
    if (!lua_getmetatable(lua, index)) return false;
    luaL_getmetatable(lua, "weft.column");
    const bool column = lua_rawequal(lua, -1, -2);
    lua_pop(lua, 2);
    return column;
}

/* The upvalue is the statistic. */
static int statistic_function(lua_State *lua) {
    const TableStatistic statistic = (TableStatistic)lua_tointeger(lua, lua_upvalueindex(1));
    luaL_checktype(lua, 1, LUA_TTABLE);
    const size_t count = lua_rawlen(lua, 1);
    luaL_argcheck(lua, count <= SIZE_MAX / 2 / sizeof(double), 1, "too many rows"); /* of any table of a script */
    double *values = lua_newuserdatauv(lua, count * sizeof *values, 0);
    for (size_t i = 0; i < count; i++) {
        push_operand(lua, 1, (lua_Integer)i + 1);
        values[i] = lua_tonumber(lua, -1);
        lua_pop(lua, 1);
    }
    const double value = table_statistic(statistic, values, count);
    if (statistic == STATISTIC_COUNT)
        lua_pushinteger(lua, (lua_Integer)value);
    else
        lua_pushnumber(lua, value);
    return 1;
}

void lua_column_open(lua_State *lua) {
    static const struct {
        const char *name;
        int operation;
    } operations[] = {{"__add", LUA_OPADD}, {"__sub", LUA_OPSUB}, {"__mul", LUA_OPMUL},   {"__div", LUA_OPDIV},
                      {"__mod", LUA_OPMOD}, {"__pow", LUA_OPPOW}, {"__idiv", LUA_OPIDIV}, {"__unm", LUA_OPUNM}};
    const char *const *names = SETTING_NAMES(TABLE_STATISTICS);
    luaL_newmetatable(lua, "weft.column");
    for (size_t i = 0; i < sizeof operations / sizeof *operations; i++) {
        lua_pushinteger(lua, operations[i].operation);
        lua_pushcclosure(lua, arithmetic, 1);
        lua_setfield(lua, -2, operations[i].name);
    }
    lua_createtable(lua, 0, STATISTIC_KINDS + 1);
    for (int i = 0; names[i]; i++) {
        lua_pushinteger(lua, i);
        lua_pushcclosure(lua, statistic_function, 1);
        lua_setfield(lua, -2, names[i]);
    }
    lua_pushcfunction(lua, map_function);
    lua_setfield(lua, -2, "map");
    lua_setfield(lua, -2, "__index");
    lua_pushboolean(lua, false);
    lua_setfield(lua, -2, "__metatable");
    lua_pop(lua, 1);
}
