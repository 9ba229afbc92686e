/* lua_safe -- what --safe removes from Lua: processes, bytecode and native modules. (Files are lua_files.c's.) */
#include <lauxlib.h>

#include "command.h"
#include "lua_shell.h"

/* load, loadfile: the mode argument is forced to text; upvalue 1 is Lua's own function, upvalue 2 the mode's position.
 */
static int text_only(lua_State *lua) {
    int position = (int)lua_tointeger(lua, lua_upvalueindex(2)), arguments = lua_gettop(lua);
    bool environment = arguments > position;
    if (!environment) lua_settop(lua, position);
    lua_pushliteral(lua, "t");
    lua_replace(lua, position);
    int count = lua_gettop(lua);
    lua_pushvalue(lua, lua_upvalueindex(1));
    lua_insert(lua, 1);
    lua_call(lua, count, LUA_MULTRET);
    return lua_gettop(lua);
}

static void remove_fields(lua_State *lua, const char *library, const char *const *names) {
    lua_getglobal(lua, library);
    for (; *names; names++) {
        lua_pushnil(lua);
        lua_setfield(lua, -2, *names);
    }
    lua_pop(lua, 1);
}

static void restrict_load(lua_State *lua, const char *name, int mode_position) {
    lua_getglobal(lua, name);
    lua_pushinteger(lua, mode_position);
    lua_pushcclosure(lua, text_only, 2);
    lua_setglobal(lua, name);
}

void lua_safe_open(Session *session, lua_State *lua) {
    (void)session;
    static const char *const os_names[] = {"execute", "remove", "rename", "tmpname", "getenv", "setlocale", NULL};
    static const char *const io_names[] = {"popen", "tmpfile", "output", NULL};
    static const char *const string_names[] = {"dump", NULL};
    static const char *const globals[] = {"debug", "package", "require", "dofile", NULL};
    remove_fields(lua, "os", os_names);
    remove_fields(lua, "io", io_names);
    remove_fields(lua, "string", string_names);
    restrict_load(lua, "load", 3);
    restrict_load(lua, "loadfile", 2);
    for (const char *const *name = globals; *name; name++) {
        lua_pushnil(lua);
        lua_setglobal(lua, *name);
    }
}
