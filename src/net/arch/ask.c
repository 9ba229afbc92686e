/* ask -- what definitions ask of the names and shapes: has, first, shape, dim, count, indices; and what they say:
 * refuse, assume, describe, choose, leave.
 */
#include <lualib.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "net/arch/state.h"
#include "weft/base/tensor.h"
#include "weft/base/text.h"

enum { NAME_MAX_LENGTH = 256 };

Build *building(lua_State *lua) {
    Build *build = definitions_of(lua)->build;
    if (!build) luaL_error(lua, "only within forward");
    return build;
}

/* Raises the message at the top of the stack as the reason. */
static int misfit_text(lua_State *lua) {
    Build *build = building(lua);
    size_t length;
    const char *text = lua_tolstring(lua, -1, &length);
    if (!build->mismatch) str_add_escaped(&build->fit->why, text, length);
    build->mismatch = true;
    return lua_error(lua);
}

int misfit(lua_State *lua, const char *format, ...) {
    char text[1024];
    va_list args;
    va_start(args, format);
    vsnprintf(text, sizeof text, format, args);
    va_end(args);
    lua_pushstring(lua, text);
    return misfit_text(lua);
}

bool tensor_there(const Build *build, const char *name, const Tensor **tensor) {
    size_t index;
    if (!build->view || !view_find(build->view, name, &index)) return false;
    const NameIndex *names = build->view->names;
    *tensor = names->network->tensors[names->entries[build->view->first + index].tensor].tensor;
    return true;
}

/* ---- asking ------------------------------------------------------------------------------------------------------ */

static int has(lua_State *lua) {
    const Build *build = building(lua);
    const char *name = luaL_checkstring(lua, 1);
    lua_pushboolean(lua, build->view && view_has(build->view, name));
    return 1;
}

static int first(lua_State *lua) {
    const Build *build = building(lua);
    luaL_checktype(lua, 1, LUA_TTABLE);
    const lua_Integer count = (lua_Integer)lua_rawlen(lua, 1);
    for (lua_Integer i = 1; build->view && i <= count; i++) {
        lua_rawgeti(lua, 1, i);
        if (view_has(build->view, luaL_checkstring(lua, -1))) return 1;
        lua_pop(lua, 1);
    }
    lua_rawgeti(lua, 1, 1);
    luaL_checkstring(lua, -1);
    return 1;
}

static int shape(lua_State *lua) {
    const Tensor *tensor;
    if (!tensor_there(building(lua), luaL_checkstring(lua, 1), &tensor)) return 0;
    lua_createtable(lua, (int)tensor->rank, 0);
    for (unsigned i = 0; i < tensor->rank; i++) {
        lua_pushinteger(lua, (lua_Integer)tensor->dim[i]);
        lua_rawseti(lua, -2, (lua_Integer)i + 1);
    }
    return 1;
}

static int dim(lua_State *lua) {
    const Tensor *tensor;
    const lua_Integer index = luaL_checkinteger(lua, 2);
    lua_settop(lua, 3);
    if (!tensor_there(building(lua), luaL_checkstring(lua, 1), &tensor)) return 1;
    if (index < 1 || index > (lua_Integer)tensor->rank) return 1;
    lua_pushinteger(lua, (lua_Integer)tensor->dim[index - 1]);
    return 1;
}

/* The two sides of a pattern's one %d. */
static void split(lua_State *lua, const char *pattern, char before[NAME_MAX_LENGTH], const char **after) {
    const char *at = strstr(pattern, "%d");
    if (!at || strchr(at + 1, '%') || strlen(pattern) >= NAME_MAX_LENGTH)
        luaL_error(lua, "'%s' must have one %%d", pattern);
    memcpy(before, pattern, (size_t)(at - pattern));
    before[at - pattern] = '\0';
    *after = at + 2;
}

static int count(lua_State *lua) {
    const Build *build = building(lua);
    const char *pattern = luaL_checkstring(lua, 1), *after;
    char before[NAME_MAX_LENGTH], name[2 * NAME_MAX_LENGTH];
    const lua_Integer from = luaL_optinteger(lua, 3, 0);
    lua_Integer at = from;
    split(lua, pattern, before, &after);
    if (!build->view) {
        const lua_Integer made = luaL_checkinteger(lua, 2);
        lua_pushinteger(lua, made);
        return 1;
    }
    if (from < 0 || from > INT32_MAX) return luaL_error(lua, "count: from %d", (int)from);
    for (bool found = true; found; at += found) {
        snprintf(name, sizeof name, "%s%lld%s", before, (long long)at, after);
        found = view_has(build->view, name);
    }
    lua_pushinteger(lua, at - from);
    return 1;
}

static int compare_numbers(const void *a, const void *b) {
    const unsigned m = *(const unsigned *)a, n = *(const unsigned *)b;
    return m < n ? -1 : m > n;
}

static int indices(lua_State *lua) {
    const Build *build = building(lua);
    const char *pattern = luaL_checkstring(lua, 1), *after;
    char before[NAME_MAX_LENGTH];
    split(lua, pattern, before, &after);
    size_t begin = 0, found = 0;
    const size_t length = build->view ? view_range(build->view, before, &begin) : 0;
    unsigned *numbers = lua_newuserdatauv(lua, (length + 1) * sizeof *numbers, 0);
    for (size_t i = 0; i < length; i++) {
        const char *name = view_name(build->view, begin + i) + strlen(before);
        const size_t digits = strspn(name, "0123456789"), rest = strlen(after);
        if (digits == 0 || digits > 8 || strncmp(name + digits, after, rest) != 0) continue;
        if (name[digits + rest] && name[digits + rest] != '.') continue;
        numbers[found++] = (unsigned)strtoul(name, NULL, 10);
    }
    qsort(numbers, found, sizeof *numbers, compare_numbers);
    lua_newtable(lua);
    lua_Integer kept = 0;
    for (size_t i = 0; i < found; i++) {
        if (i > 0 && numbers[i] == numbers[i - 1]) continue;
        lua_pushinteger(lua, (lua_Integer)numbers[i]);
        lua_rawseti(lua, -2, ++kept);
    }
    return 1;
}

/* ---- saying ------------------------------------------------------------------------------------------------------ */

/* The arguments by string.format, pushed. */
static const char *push_format(lua_State *lua, size_t *length) {
    const int arguments = lua_gettop(lua);
    luaL_checkstring(lua, 1);
    lua_getglobal(lua, LUA_STRLIBNAME);
    lua_getfield(lua, -1, "format");
    lua_insert(lua, 1);
    lua_pop(lua, 1);
    lua_call(lua, arguments, 1);
    return luaL_checklstring(lua, -1, length);
}

static int refuse(lua_State *lua) {
    size_t length;
    building(lua);
    push_format(lua, &length);
    return misfit_text(lua);
}

/* Adds to a list of phrases, once each. */
static void add_phrase(Str *list, const char *text, size_t length) {
    if (list->length > 1 << 14) return;
    if (list->length > 0) str_add(list, ", ");
    str_add_escaped(list, text, length);
}

static int assume(lua_State *lua) {
    Build *build = building(lua);
    size_t length;
    const char *text = push_format(lua, &length);
    add_phrase(&build->fit->assumed, text, length);
    return 0;
}

static int describe(lua_State *lua) {
    Build *build = building(lua);
    size_t length;
    const char *text = push_format(lua, &length);
    str_done(&build->fit->description);
    str_add_escaped(&build->fit->description, text, length > 500 ? 500 : length);
    return 0;
}

static int choose(lua_State *lua) {
    Build *build = building(lua);
    const Family *family = build->family;
    const int count_given = lua_gettop(lua);
    if (count_given < 2) return luaL_error(lua, "choose: two variants at least");
    for (int i = 1; i <= count_given; i++) {
        size_t k = 0;
        const char *name = luaL_checkstring(lua, i);
        while (k < family->variant_count && strcmp(family->variants[k].name, name) != 0) k++;
        if (k == family->variant_count) return luaL_error(lua, "choose: no variant '%s'", name);
        if (!build->variants->chosen[k]) continue;
        lua_settop(lua, i);
        return 1;
    }
    if (build->choices.length > 1 << 12) return luaL_error(lua, "choose: too many choices");
    if (build->choices.length > 0) str_add(&build->choices, ", and ");
    for (int i = 1; i <= count_given; i++)
        str_addf(&build->choices, "%s--arch %s:%s",
                 i == 1             ? ""
                 : i == count_given ? " or "
                                    : ", ",
                 family->name, lua_tostring(lua, i));
    lua_settop(lua, 1);
    return 1;
}

static int leave(lua_State *lua) {
    Build *build = building(lua);
    char under[NAME_MAX_LENGTH];
    size_t begin, at, length;
    const char *module = luaL_checkstring(lua, 1), *what = luaL_checklstring(lua, 2, &length);
    if (!build->view || !view_has(build->view, module)) return 0;
    if (strlen(module) + 2 > sizeof under) return luaL_error(lua, "leave: too long a name");
    if (view_find(build->view, module, &at)) build->taken[at] = true;
    snprintf(under, sizeof under, "%s.", module);
    const size_t inside = view_range(build->view, under, &begin);
    for (size_t i = 0; i < inside; i++) build->taken[begin + i] = true;
    add_phrase(&build->fit->left, what, length);
    str_add(&build->fit->left, " (");
    str_add_escaped(&build->fit->left, module, strlen(module));
    str_add(&build->fit->left, ")");
    return 0;
}

void open_asking(lua_State *lua) {
    static const luaL_Reg functions[] = {{"has", has},       {"first", first},   {"shape", shape},
                                         {"dim", dim},       {"count", count},   {"indices", indices},
                                         {"refuse", refuse}, {"assume", assume}, {"describe", describe},
                                         {"choose", choose}, {"leave", leave},   {NULL, NULL}};
    for (const luaL_Reg *one = functions; one->name; one++) lua_register(lua, one->name, one->func);
}
