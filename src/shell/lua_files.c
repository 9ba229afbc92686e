/* lua_files -- Lua's functions that open files by name, so that none of them waits for ever: they read regular files
 * only. With --safe they write through the gate of base. */
#include <errno.h>
#include <fcntl.h>
#include <lauxlib.h>
#include <lualib.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "command.h"
#include "lua_shell.h"
#include "session.h"
#include "weft/base/error.h"
#include "weft/base/file.h"
#include "weft/base/memory.h"
#include "weft/base/text.h"

enum { SOURCE_LIMIT = 1 << 26 /* bytes */ };

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

/* Pushes the file; false: nothing but a problem. */
static bool push_file(lua_State *lua, const char *path, const char *mode, Error *err) {
    luaL_Stream *stream = lua_newuserdatauv(lua, sizeof *stream, 0); /* made first: no error may lose the descriptor */
    const int flags = mode_flags(mode);
    stream->closef = NULL;
    luaL_setmetatable(lua, LUA_FILEHANDLE);
    const int fd = flags == O_RDONLY ? file_open_read(path, err) : file_open_write(path, flags, 0666, true, err);
    stream->f = fd >= 0 ? fdopen(fd, mode) : NULL;
    stream->closef = stream->f ? close_file : NULL;
    if (stream->f) return true;
    if (fd >= 0) {
        error_set(err, STATUS_FAILED, "%s: %s", path, strerror(errno));
        close(fd);
    }
    lua_pop(lua, 1);
    return false;
}

/* io.open; upvalue 1 is Lua's own function, which writes where nothing is confined. */
static int open_file(lua_State *lua) {
    const char *path = luaL_checkstring(lua, 1), *mode = luaL_optstring(lua, 2, "r");
    const int flags = mode_flags(mode);
    Error err;
    luaL_argcheck(lua, flags >= 0, 2, "invalid mode");
    if (flags != O_RDONLY && !lua_session(lua)->options.safe) {
        lua_pushvalue(lua, lua_upvalueindex(1));
        lua_insert(lua, 1);
        lua_call(lua, lua_gettop(lua) - 1, LUA_MULTRET);
        return lua_gettop(lua);
    }
    if (push_file(lua, path, mode, &err)) return 1;
    if (err.status == STATUS_USAGE) return lua_fail(lua, &err);
    luaL_pushfail(lua);
    lua_pushstring(lua, err.text);
    return 2;
}

/* In the place of a name at 1, the file. */
static void need_file(lua_State *lua) {
    Error err;
    if (!push_file(lua, lua_tostring(lua, 1), "r", &err)) luaL_error(lua, "%s", err.text);
    lua_replace(lua, 1);
}

/* io.lines: of a file by its name, as its method, and the file to be closed with the loop. */
static int lines_of_file(lua_State *lua) {
    const bool named = !lua_isnoneornil(lua, 1);
    if (named) {
        luaL_checkstring(lua, 1);
        need_file(lua);
        luaL_getmetafield(lua, 1, "__index");
        lua_getfield(lua, -1, "lines");
        lua_remove(lua, -2);
    } else {
        lua_pushvalue(lua, lua_upvalueindex(1));
    }
    lua_pushvalue(lua, 1);
    lua_insert(lua, 1);
    lua_insert(lua, 2); /* file, function, file, formats */
    lua_call(lua, lua_gettop(lua) - 2, 1);
    if (!named) return 1;
    lua_pushnil(lua);
    lua_pushnil(lua);
    lua_pushvalue(lua, 1);
    return 4;
}

/* io.input; upvalue 1 is Lua's own function. */
static int input_file(lua_State *lua) {
    if (lua_type(lua, 1) == LUA_TSTRING) need_file(lua);
    lua_pushvalue(lua, lua_upvalueindex(1));
    lua_insert(lua, 1);
    lua_call(lua, lua_gettop(lua) - 1, LUA_MULTRET);
    return lua_gettop(lua);
}

/* Pushes the function of a Lua file, or a message; a first line that begins with # is none of Lua's. */
static bool load_source(lua_State *lua, const char *path, const char *mode) {
    Error err;
    size_t length;
    char *text = file_read_all(path, SOURCE_LIMIT, &length, &err);
    if (!text) {
        lua_pushstring(lua, err.text);
        return false;
    }
    const char *at = text;
    if (length >= 3 && memcmp(at, "\xEF\xBB\xBF", 3) == 0) at += 3;
    if (*at == '#') at += strcspn(at, "\n");
    Str name = {0};
    str_addf(&name, "@%s", path);
    const bool done = luaL_loadbufferx(lua, at, length - (size_t)(at - text), str_text(&name), mode) == LUA_OK;
    str_done(&name);
    mem_free(text);
    return done;
}

/* loadfile; upvalue 1 is Lua's own function, which reads the input where no file is named. */
static int load_file(lua_State *lua) {
    const char *path = luaL_optstring(lua, 1, NULL), *mode = luaL_optstring(lua, 2, NULL);
    const bool environment = !lua_isnone(lua, 3);
    if (!path) {
        lua_pushvalue(lua, lua_upvalueindex(1));
        lua_insert(lua, 1);
        lua_call(lua, lua_gettop(lua) - 1, LUA_MULTRET);
        return lua_gettop(lua);
    }
    if (!load_source(lua, path, mode)) {
        luaL_pushfail(lua);
        lua_insert(lua, -2);
        return 2;
    }
    if (environment) {
        lua_pushvalue(lua, 3);
        if (!lua_setupvalue(lua, -2, 1)) lua_pop(lua, 1);
    }
    return 1;
}

static int do_file(lua_State *lua) {
    const char *path = luaL_optstring(lua, 1, NULL);
    lua_settop(lua, 1);
    if (!path) {
        lua_pushvalue(lua, lua_upvalueindex(1));
    } else if (!load_source(lua, path, NULL)) {
        return lua_error(lua);
    }
    lua_call(lua, 0, LUA_MULTRET);
    return lua_gettop(lua) - 1;
}

/* Replaces a function of the table at the top of the stack, which keeps it as its upvalue. */
static void replace(lua_State *lua, const char *name, lua_CFunction function) {
    lua_getfield(lua, -1, name);
    lua_pushcclosure(lua, function, 1);
    lua_setfield(lua, -2, name);
}

void lua_files_open(lua_State *lua) {
    lua_getglobal(lua, LUA_IOLIBNAME);
    replace(lua, "open", open_file);
    replace(lua, "lines", lines_of_file);
    replace(lua, "input", input_file);
    lua_pop(lua, 1);
    lua_pushglobaltable(lua);
    replace(lua, "loadfile", load_file);
    replace(lua, "dofile", do_file);
    lua_pop(lua, 1);
}
