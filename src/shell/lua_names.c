/* lua_names -- the global names of Lua: Tables of the workspace are among them; what completes a name. */
#include <ctype.h>
#include <lauxlib.h>
#include <string.h>

#include "lua_shell.h"
#include "session.h"
#include "workspace.h"
#include "weft/base/error.h"
#include "weft/base/memory.h"
#include "weft/base/table.h"
#include "weft/base/text.h"

static const char built_in[] = "weft.built-in", shared[] = "weft.shared";

/* ---- Tables as globals ------------------------------------------------------------------------------------------- */

/* The Lua value of an object's Table. It is made once an object, so that a loop over its rows does not copy it again
 * and again: registry[shared][name] = {value, number of the object}. */
static int push_shared(lua_State *lua, const Object *object) {
    Error err;
    lua_getfield(lua, LUA_REGISTRYINDEX, shared);
    if (lua_getfield(lua, -1, object->name) == LUA_TTABLE) {
        lua_rawgeti(lua, -1, 2);
        const bool same = (uint64_t)lua_tointeger(lua, -1) == object->number;
        lua_pop(lua, 1);
        if (same) return lua_rawgeti(lua, -1, 1), 1;
    }
    lua_pop(lua, 1);
    lua_createtable(lua, 2, 0);
    Sheet *sheet = lua_push_sheet(lua);
    *sheet = sheet_of(object);
    if (!(sheet->table = table_copy(object->table, &err))) return lua_fail(lua, &err);
    lua_pushvalue(lua, -1);
    lua_rawseti(lua, -3, 1);
    lua_pushinteger(lua, (lua_Integer)object->number);
    lua_rawseti(lua, -3, 2);
    lua_pushvalue(lua, -2);
    lua_setfield(lua, -4, object->name);
    return 1;
}

/* _G.__index: a name without a value of its own may be a Table's. */
static int global_index(lua_State *lua) {
    const char *name = lua_type(lua, 2) == LUA_TSTRING ? lua_tostring(lua, 2) : NULL;
    const Object *object = name ? workspace_find(lua_session(lua), name) : NULL;
    return object && object->kind == OBJECT_TABLE ? push_shared(lua, object) : 0;
}

void lua_names_open(lua_State *lua) {
    lua_newtable(lua);
    lua_setfield(lua, LUA_REGISTRYINDEX, shared);
    lua_newtable(lua);
    lua_pushglobaltable(lua);
    for (lua_pushnil(lua); lua_next(lua, -2); lua_pop(lua, 1)) {
        lua_pushvalue(lua, -2);
        lua_pushboolean(lua, true);
        lua_rawset(lua, -6);
    }
    lua_createtable(lua, 0, 1);
    lua_pushcfunction(lua, global_index);
    lua_setfield(lua, -2, "__index");
    lua_setmetatable(lua, -2);
    lua_pop(lua, 1);
    lua_setfield(lua, LUA_REGISTRYINDEX, built_in);
}

/* Whether the name at the top of the stack, which is taken off, came with Lua or is a command. */
static bool pop_built_in(lua_State *lua) {
    lua_getfield(lua, LUA_REGISTRYINDEX, built_in);
    lua_insert(lua, -2);
    lua_rawget(lua, -2);
    const bool found = lua_toboolean(lua, -1);
    lua_pop(lua, 2);
    return found;
}

void lua_table_named(Session *session, const char *name) {
    lua_State *lua = session->lua;
    if (!lua_checkstack(lua, 4)) return;
    lua_pushstring(lua, name);
    if (pop_built_in(lua)) return; /* `--as print` must not take print away */
    lua_pushglobaltable(lua);
    lua_pushstring(lua, name);
    lua_pushnil(lua);
    lua_rawset(lua, -3);
    lua_pop(lua, 1);
}

bool lua_defined(Session *session, const char *name, size_t length) {
    lua_State *lua = session->lua;
    lua_pushglobaltable(lua);
    lua_pushlstring(lua, name, length);
    const Object *object = workspace_find(session, lua_tostring(lua, -1));
    lua_rawget(lua, -2);
    const bool defined = !lua_isnil(lua, -1) || (object && object->kind == OBJECT_TABLE);
    lua_pop(lua, 2);
    return defined;
}

/* ---- completion -------------------------------------------------------------------------------------------------- */

typedef struct Taking {
    Session *session;
    const char *before, *prefix; /* what stands before the last part of the name, and that part */
    Str path;                    /* `before`, where there are several parts; outlives errors */
    bool own;
    LuaNameTaker *take;
    void *context;
} Taking;

static void take_name(const Taking *t, const char *name) {
    if (strncmp(name, t->prefix, strlen(t->prefix)) != 0) return;
    Str whole = {0};
    str_addf(&whole, "%s%s", t->before, name);
    t->take(t->context, str_text(&whole));
    str_done(&whole);
}

/* The text keys of the table at the top of the stack. */
static void take_keys(const Taking *t, lua_State *lua, bool globals) {
    for (lua_pushnil(lua); lua_next(lua, -2); lua_pop(lua, 1)) {
        if (lua_type(lua, -2) != LUA_TSTRING) continue;
        if (globals && t->own) {
            lua_pushvalue(lua, -2);
            if (pop_built_in(lua)) continue;
        }
        take_name(t, lua_tostring(lua, -2));
    }
}

/* What may follow the value at the top of the stack and a dot, or a colon: behind it only functions of a table. */
static void take_members(const Taking *t, lua_State *lua, bool colon) {
    const Table *const *table = luaL_testudata(lua, -1, "weft.table");
    if (table && *table && !colon) {
        for (size_t i = 0; i < (*table)->column_count; i++) take_name(t, (*table)->columns[i].name);
        take_name(t, "notes");
        take_name(t, "names");
    }
    if (lua_istable(lua, -1)) take_keys(t, lua, false);
    if (table && luaL_getmetafield(lua, -1, "methods") != LUA_TNIL) take_keys(t, lua, false);
}

/* Replaces the table at the top of the stack by its field; no function of a script is called. */
static bool go_to(Session *session, lua_State *lua, const char *name, size_t length, bool global) {
    if (global) {
        lua_pushlstring(lua, name, length);
        const Object *object = workspace_find(session, lua_tostring(lua, -1));
        lua_rawget(lua, -2);
        if (lua_isnil(lua, -1) && object && object->kind == OBJECT_TABLE) push_shared(lua, object);
        return !lua_isnil(lua, -1);
    }
    const bool table = luaL_testudata(lua, -1, "weft.table") != NULL;
    if (!table && !lua_istable(lua, -1)) return false;
    lua_pushlstring(lua, name, length);
    if (table) /* our own function: notes and columns */
        lua_gettable(lua, -2);
    else
        lua_rawget(lua, -2);
    return !lua_isnil(lua, -1);
}

static int collect_names(lua_State *lua) {
    Taking *t = lua_touserdata(lua, 1);
    const char *text = t->before;
    bool found = true;
    lua_pushglobaltable(lua);
    size_t length = strcspn(text, ".:");
    const bool alone = !text[length];
    for (bool global = true; found && text[length]; length = strcspn(text, ".:"), global = false) {
        found = go_to(t->session, lua, text, length, global);
        str_add_bytes(&t->path, text, length + 1);
        text += length + 1;
    }
    t->before = str_text(&t->path);
    t->prefix = text;
    if (found && alone) {
        take_keys(t, lua, true);
        for (size_t i = 0; i < t->session->object_count; i++)
            if (t->session->objects[i]->kind == OBJECT_TABLE) take_name(t, t->session->objects[i]->name);
    } else if (found) {
        take_members(t, lua, str_text(&t->path)[t->path.length - 1] == ':');
    }
    return 0;
}

void lua_names(Session *session, const char *text, bool own, LuaNameTaker *take, void *context) {
    lua_State *lua = session->lua;
    size_t start = strlen(text);
    while (start && (isalnum((unsigned char)text[start - 1]) || strchr("_.:", text[start - 1]))) start--;
    Taking t = {.session = session, .before = text + start, .own = own, .take = take, .context = context};
    const int top = lua_gettop(lua);
    lua_pushcfunction(lua, collect_names);
    lua_pushlightuserdata(lua, &t);
    lua_pcall(lua, 1, 0, 0); /* what fails offers nothing */
    lua_settop(lua, top);
    str_done(&t.path);
}
