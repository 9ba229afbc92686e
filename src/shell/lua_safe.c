/* lua_safe -- what --safe removes from Lua: processes, bytecode, native modules, and control of the terminal. (Files
 * are lua_files.c's.) */
#include <lauxlib.h>
#include <lualib.h>
#include <unistd.h>

#include "command.h"
#include "lua_shell.h"
#include "weft/base/text.h"

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

/* io.write, and the method `write` of files: a terminal gets no control characters from a script of others. Upvalue 1
 * is Lua's own function, upvalue 2 whether the file is the first argument. */
static int harmless_write(lua_State *lua) {
    const bool method = lua_toboolean(lua, lua_upvalueindex(2));
    const luaL_Stream *stream = method ? luaL_checkudata(lua, 1, LUA_FILEHANDLE) : NULL;
    const bool terminal = stream ? stream->closef && isatty(fileno(stream->f)) : isatty(STDOUT_FILENO);
    const int count = lua_gettop(lua);
    for (int i = method ? 2 : 1; terminal && i <= count; i++) {
        if (lua_type(lua, i) != LUA_TSTRING) continue; /* a number has none */
        size_t length;
        const char *text = lua_tolstring(lua, i, &length);
        Str harmless = {0};
        str_add_harmless(&harmless, text, length);
        const bool failed = harmless.failed;
        lua_pushlstring(lua, str_text(&harmless), harmless.length);
        str_done(&harmless);
        if (failed) return luaL_error(lua, "not enough memory");
        lua_replace(lua, i);
    }
    lua_pushvalue(lua, lua_upvalueindex(1));
    lua_insert(lua, 1);
    lua_call(lua, count, LUA_MULTRET);
    return lua_gettop(lua);
}

/* Of the table on top. */
static void restrict_write(lua_State *lua, bool method) {
    lua_getfield(lua, -1, "write");
    lua_pushboolean(lua, method);
    lua_pushcclosure(lua, harmless_write, 2);
    lua_setfield(lua, -2, "write");
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
    lua_getglobal(lua, "io");
    restrict_write(lua, false);
    luaL_getmetatable(lua, LUA_FILEHANDLE);
    lua_getfield(lua, -1, "__index");
    restrict_write(lua, true);
    lua_pop(lua, 3);
    for (const char *const *name = globals; *name; name++) {
        lua_pushnil(lua);
        lua_setglobal(lua, *name);
    }
}
