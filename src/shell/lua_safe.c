/* lua_safe -- what --safe removes from Lua: processes, bytecode, native modules, and writing outside the working
 * folder. */
#include <errno.h>
#include <fcntl.h>
#include <lauxlib.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "command.h"
#include "lua_shell.h"
#include "weft/base/error.h"
#include "weft/base/file.h"

/* "r+", "wb", ... as flags of open; -1: no mode. */
static int mode_flags(const char *mode) {
    const bool both = *mode && mode[1] == '+';
    const char *rest = mode + (*mode ? 1 + both : 0);
    if (!*mode || rest[strspn(rest, "b")]) return -1;
    const int access = both ? O_RDWR : *mode == 'r' ? O_RDONLY : O_WRONLY;
    switch (*mode) {
    case 'r':
        return access;
    case 'w':
        return access | O_CREAT | O_TRUNC;
    case 'a':
        return access | O_CREAT | O_APPEND;
    default:
        return -1;
    }
}

static int close_file(lua_State *lua) {
    luaL_Stream *stream = luaL_checkudata(lua, 1, LUA_FILEHANDLE);
    return luaL_fileresult(lua, fclose(stream->f) == 0, NULL);
}

/* io.open, for reading anywhere and for writing through the gate of base; upvalue 1 is Lua's own function, which opens
 * for reading. */
static int checked_open(lua_State *lua) {
    const char *path = luaL_checkstring(lua, 1), *mode = luaL_optstring(lua, 2, "r");
    const int flags = mode_flags(mode);
    Error err;
    luaL_argcheck(lua, flags >= 0, 2, "invalid mode");
    if (flags == O_RDONLY) {
        lua_pushvalue(lua, lua_upvalueindex(1));
        lua_pushstring(lua, path);
        lua_pushliteral(lua, "r");
        lua_call(lua, 2, LUA_MULTRET);
        return lua_gettop(lua) - 2;
    }
    luaL_Stream *stream = lua_newuserdatauv(lua, sizeof *stream, 0); /* made first: no error may lose the descriptor */
    stream->closef = NULL;
    luaL_setmetatable(lua, LUA_FILEHANDLE);
    const int fd = file_open_write(path, flags, 0666, true, &err);
    if (fd < 0 && err.status == STATUS_USAGE) return lua_fail(lua, &err);
    stream->f = fd >= 0 ? fdopen(fd, mode) : NULL;
    stream->closef = stream->f ? close_file : NULL;
    if (stream->f) return 1;
    if (fd >= 0) close(fd);
    luaL_pushfail(lua);
    lua_pushstring(lua, fd < 0 ? err.text : strerror(errno));
    return 2;
}

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
    lua_getglobal(lua, "io");
    lua_getfield(lua, -1, "open");
    lua_pushcclosure(lua, checked_open, 1);
    lua_setfield(lua, -2, "open");
    lua_pop(lua, 1);
    restrict_load(lua, "load", 3);
    restrict_load(lua, "loadfile", 2);
    for (const char *const *name = globals; *name; name++) {
        lua_pushnil(lua);
        lua_setglobal(lua, *name);
    }
}
