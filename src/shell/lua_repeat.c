/* lua_repeat -- repeatable scripts: our random numbers, and pairs in sorted order. */
#include <lauxlib.h>
#include <string.h>

#include "lua_shell.h"
#include "session.h"
#include "weft/base/random.h"

static int random_function(lua_State *lua) {
    Rng *random = &lua_session(lua)->random;
    int arguments = lua_gettop(lua);
    if (arguments == 0) {
        lua_pushnumber(lua, rng_uniform(random));
        return 1;
    }
    lua_Integer low = arguments > 1 ? luaL_checkinteger(lua, 1) : 1,
                high = luaL_checkinteger(lua, arguments > 1 ? 2 : 1);
    if (arguments == 1 && high == 0) {
        uint64_t upper = rng_u32(random);
        lua_pushinteger(lua, (lua_Integer)(upper << 32 | rng_u32(random)));
        return 1;
    }
    luaL_argcheck(lua, low <= high, arguments > 1 ? 2 : 1, "interval is empty");
    uint64_t span = (uint64_t)high - (uint64_t)low + 1;
    uint64_t draw = span ? rng_below(random, span) : ((uint64_t)rng_u32(random) << 32 | rng_u32(random));
    lua_pushinteger(lua, (lua_Integer)((uint64_t)low + draw));
    return 1;
}

static int randomseed_function(lua_State *lua) {
    Session *session = lua_session(lua);
    uint64_t seed = session->seed;
    if (lua_gettop(lua)) {
        int whole;
        seed = (uint64_t)lua_tointegerx(lua, 1, &whole);
        double number = whole ? 0 : luaL_checknumber(lua, 1);
        if (!whole) memcpy(&seed, &number, sizeof seed); /* any number is a seed, by its bits */
    }
    session->random = (Rng){.seed = seed};
    return 0;
}

static const char ordered_pairs[] =
    "local next, type, sort, getmetatable, error = next, type, table.sort, getmetatable, error\n"
    "local rank = {number = 1, string = 2, boolean = 3}\n"
    "local function before(a, b)\n"
    "  local ra, rb = rank[type(a)] or 4, rank[type(b)] or 4\n"
    "  if ra ~= rb then return ra < rb end\n"
    "  if ra <= 2 then return a < b end\n"
    "  return ra == 3 and not a and b\n"
    "end\n"
    "function pairs(t)\n"
    "  local meta = getmetatable(t)\n"
    "  if type(meta) == 'table' and meta.__pairs then return meta.__pairs(t) end\n"
    "  if type(t) ~= 'table' then\n"
    "    error(\"bad argument #1 to 'pairs' (table expected, got \" .. type(t) .. ')', 2)\n"
    "  end\n"
    "  local keys, n, i = {}, 0, 0\n"
    "  for key in next, t do n = n + 1; keys[n] = key end\n"
    "  sort(keys, before)\n"
    "  return function()\n"
    "    while i < n do\n"
    "      i = i + 1\n"
    "      local value = t[keys[i]]\n"
    "      if value ~= nil then return keys[i], value end\n"
    "    end\n"
    "  end, t, nil\n"
    "end\n";

void lua_repeat_open(lua_State *lua) {
    lua_getglobal(lua, "math");
    lua_pushcfunction(lua, random_function);
    lua_setfield(lua, -2, "random");
    lua_pushcfunction(lua, randomseed_function);
    lua_setfield(lua, -2, "randomseed");
    lua_pop(lua, 1);
    if (luaL_loadbuffer(lua, ordered_pairs, sizeof ordered_pairs - 1, "=pairs") != LUA_OK) lua_error(lua);
    lua_call(lua, 0, 0);
}
