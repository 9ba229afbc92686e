/* lua_show -- Lua tables as people read them: {1, 2, 3}, {mean = 0.85, name = "base"}. */
#include <ctype.h>
#include <lauxlib.h>
#include <stdlib.h>
#include <string.h>

#include "lua_shell.h"
#include "weft/base/text.h"

enum { DEPTH_MOST = 4, ITEMS_MOST = 100, KEYS_MOST = 1000 };

static void show_value(lua_State *lua, int index, int depth, Str *out);

static void show_text(const char *text, size_t length, Str *out) {
    str_add(out, "\"");
    for (size_t i = 0; i < length; i++) {
        if (text[i] == '"' || text[i] == '\\')
            str_addf(out, "\\%c", text[i]);
        else if (text[i] == '\n')
            str_add(out, "\\n");
        else if (iscntrl((unsigned char)text[i]))
            str_addf(out, "\\%d", (unsigned char)text[i]);
        else
            str_add_bytes(out, &text[i], 1);
    }
    str_add(out, "\"");
}

static bool plain_name(const char *text, size_t length) {
    if (!length || isdigit((unsigned char)*text)) return false;
    for (size_t i = 0; i < length; i++)
        if (!isalnum((unsigned char)text[i]) && text[i] != '_') return false;
    return true;
}

/* The keys besides 1 to `length`, as a list at the top of the stack in sorted order: numbers, then texts. */
static size_t push_keys(lua_State *lua, int index, lua_Integer length, bool *cut) {
    size_t count = 0;
    lua_newtable(lua);
    const int keys = lua_gettop(lua);
    *cut = false;
    lua_pushnil(lua);
    while (lua_next(lua, index)) {
        lua_pop(lua, 1);
        const bool item = lua_isinteger(lua, -1) && lua_tointeger(lua, -1) >= 1 && lua_tointeger(lua, -1) <= length;
        if (item) continue;
        if (count == KEYS_MOST) {
            *cut = true;
            lua_pop(lua, 1);
            break;
        }
        lua_pushvalue(lua, -1);
        lua_rawseti(lua, keys, (lua_Integer)++count);
    }
    for (size_t i = 2; i <= count; i++) /* insertion: there are few, and a comparison cannot fail here */
        for (size_t k = i; k > 1; k--) {
            lua_rawgeti(lua, keys, (lua_Integer)k - 1);
            lua_rawgeti(lua, keys, (lua_Integer)k);
            const int a = lua_type(lua, -2), b = lua_type(lua, -1);
            const bool texts = a == LUA_TSTRING && b == LUA_TSTRING, numbers = a == LUA_TNUMBER && b == LUA_TNUMBER;
            const bool right = texts     ? strcmp(lua_tostring(lua, -2), lua_tostring(lua, -1)) <= 0
                               : numbers ? lua_tonumber(lua, -2) <= lua_tonumber(lua, -1)
                                         : a <= b;
            if (right) {
                lua_pop(lua, 2);
                break;
            }
            lua_rawseti(lua, keys, (lua_Integer)k - 1);
            lua_rawseti(lua, keys, (lua_Integer)k);
        }
    return count;
}

static void show_key(lua_State *lua, int index, Str *out) {
    size_t length;
    if (lua_type(lua, index) == LUA_TSTRING) {
        const char *text = lua_tolstring(lua, index, &length);
        if (plain_name(text, length)) {
            str_add_bytes(out, text, length);
            return;
        }
    }
    str_add(out, "[");
    show_value(lua, index, DEPTH_MOST, out);
    str_add(out, "]");
}

static void show_table(lua_State *lua, int index, int depth, Str *out) {
    const lua_Integer length = (lua_Integer)lua_rawlen(lua, index);
    bool first = true, cut;
    str_add(out, "{");
    for (lua_Integer i = 1; i <= length; i++) {
        if (i > ITEMS_MOST) {
            str_addf(out, ", ... %lld in all", (long long)length);
            break;
        }
        str_add(out, first ? "" : ", ");
        first = false;
        lua_rawgeti(lua, index, i);
        show_value(lua, -1, depth + 1, out);
        lua_pop(lua, 1);
    }
    const size_t count = push_keys(lua, index, length, &cut);
    const int keys = lua_gettop(lua);
    for (size_t i = 1; i <= count && i <= ITEMS_MOST; i++) {
        str_add(out, first ? "" : ", ");
        first = false;
        lua_rawgeti(lua, keys, (lua_Integer)i);
        show_key(lua, -1, out);
        str_add(out, " = ");
        lua_rawget(lua, index);
        show_value(lua, -1, depth + 1, out);
        lua_pop(lua, 1);
    }
    if (cut || count > ITEMS_MOST) str_add(out, ", ...");
    lua_pop(lua, 1);
    str_add(out, "}");
}

/* A value inside a table. Functions and the like have no address here: a script prints the same twice. */
static void show_value(lua_State *lua, int index, int depth, Str *out) {
    size_t length;
    const char *text;
    index = lua_absindex(lua, index);
    const Table *const *table = luaL_testudata(lua, index, "weft.table");
    switch (lua_type(lua, index)) {
    case LUA_TSTRING:
        text = lua_tolstring(lua, index, &length);
        show_text(text, length, out);
        break;
    case LUA_TNUMBER:
        if (lua_isinteger(lua, index))
            str_addf(out, "%lld", (long long)lua_tointeger(lua, index));
        else
            lua_number_text(lua_tonumber(lua, index), out);
        break;
    case LUA_TBOOLEAN:
        str_add(out, lua_toboolean(lua, index) ? "true" : "false");
        break;
    case LUA_TTABLE:
        if (depth >= DEPTH_MOST || !lua_checkstack(lua, LUA_MINSTACK))
            str_add(out, "{...}");
        else
            show_table(lua, index, depth, out);
        break;
    default:
        if (table && *table)
            str_addf(out, "(a Table of %zu rows)", (*table)->rows);
        else
            str_addf(out, "(a %s)", luaL_typename(lua, index));
    }
}

bool lua_show(lua_State *lua, int index, Str *out) {
    index = lua_absindex(lua, index);
    if (lua_type(lua, index) == LUA_TFUNCTION) {
        str_add(out, "(a function)");
        return true;
    }
    if (!lua_istable(lua, index)) return false;
    if (luaL_getmetafield(lua, index, "__tostring") != LUA_TNIL) {
        lua_pop(lua, 1);
        return false;
    }
    show_table(lua, index, 0, out);
    return true;
}
