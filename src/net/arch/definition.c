/* definition -- the Lua state that architecture definitions run in, and its fence.
 *
 * A definition may come from anywhere, so nothing that it can reach does harm or takes long: there are no files, no
 * processes, no loading of code, no metatables (so no __gc, which Lua's hook does not see), no pcall (so no limit is
 * caught), no pattern matching (whose time no hook bounds), no order that depends on addresses (pairs). A call ends
 * after so many instructions, memory and seconds.
 */
#include <lualib.h>
#include <string.h>
#include <time.h>

#include "net/arch/state.h"
#include "weft/base/error.h"
#include "weft/base/memory.h"
#include "weft/base/run.h"
#include "weft/base/text.h"

enum {
    MEMORY_MAX = 16 << 20,
    CHUNK_SIZE = 1 << 18,
    STEPS_BETWEEN = 100, /* two looks of the hook */
    STEPS_MAX = 5000000,
    STEPS_ALL = 50000000, /* of all calls */
    SECONDS_MAX = 5,      /* many times what the instructions take, unless each is a slow one */
    REP_MAX = 1000,
};

/* ---- memory ------------------------------------------------------------------------------------------------------ */

static void *take_block(Definitions *definitions, size_t size) {
    const size_t class = (size + POOL_STEP - 1) / POOL_STEP;
    void *block = definitions->unused[class], *next;
    size = class * POOL_STEP;
    if (block) {
        memcpy(&next, block, sizeof next);
        definitions->unused[class] = next;
        return block;
    }
    if (definitions->room_left < size) {
        PoolChunk *chunk = mem_alloc(1, CHUNK_SIZE, &definitions->starved_by);
        if (!chunk) return NULL;
        chunk->next = definitions->chunks;
        definitions->chunks = chunk;
        definitions->room = (char *)chunk + POOL_STEP;
        definitions->room_left = CHUNK_SIZE - POOL_STEP;
    }
    block = definitions->room;
    definitions->room += size;
    definitions->room_left -= size;
    return block;
}

static void give_block(Definitions *definitions, void *block, size_t size) {
    const size_t class = (size + POOL_STEP - 1) / POOL_STEP;
    if (size > POOL_LARGEST) {
        mem_free(block);
    } else if (block && class > 0) {
        memcpy(block, &definitions->unused[class], sizeof(void *));
        definitions->unused[class] = block;
    }
}

/* Lua's allocator. Small blocks come from the pool. */
static void *allocate(void *context, void *old, size_t old_size, size_t size) {
    Definitions *definitions = context;
    if (!old) old_size = 0; /* Lua says what kind of object it is */
    if (size == 0) {
        give_block(definitions, old, old_size);
        definitions->bytes -= old_size;
        return NULL;
    }
    if (size <= old_size && (size + POOL_STEP - 1) / POOL_STEP == (old_size + POOL_STEP - 1) / POOL_STEP &&
        old_size <= POOL_LARGEST) {
        definitions->bytes -= old_size - size;
        return old;
    }
    if (size > old_size && definitions->bytes + (size - old_size) > MEMORY_MAX) return NULL;
    void *block = NULL;
    if (!definitions->starved)
        block = size <= POOL_LARGEST ? take_block(definitions, size) : mem_alloc(size, 1, &definitions->starved_by);
    if (!block) {
        definitions->starved = true;
        return NULL;
    }
    if (old) memcpy(block, old, old_size < size ? old_size : size);
    give_block(definitions, old, old_size);
    definitions->bytes += size;
    definitions->bytes -= old_size;
    return block;
}

/* ---- limits ------------------------------------------------------------------------------------------------------ */

/* Processor time: on a machine with much else to do, a definition takes no longer. */
static double thread_seconds(void) {
    struct timespec now;
    clock_gettime(CLOCK_THREAD_CPUTIME_ID, &now);
    return (double)now.tv_sec + 1e-9 * (double)now.tv_nsec;
}

static void on_count(lua_State *lua, lua_Debug *where) {
    Definitions *definitions = definitions_of(lua);
    (void)where;
    definitions->steps += STEPS_BETWEEN;
    definitions->all_steps += STEPS_BETWEEN;
    if (definitions->steps <= STEPS_MAX && definitions->all_steps <= STEPS_ALL && !definitions->over &&
        thread_seconds() - definitions->began < (double)SECONDS_MAX)
        return;
    definitions->over = true;
    lua_sethook(lua, on_count, LUA_MASKCOUNT, 1);
    luaL_where(lua, 0);
    lua_pushliteral(lua, "the definition runs for too long");
    lua_concat(lua, 2);
    lua_error(lua);
}

static void from_lua(Definitions *definitions, int outcome, Error *err) {
    lua_State *lua = definitions->lua;
    const char *file = definitions->build ? definitions->build->family->file : definitions->file;
    if (definitions->starved)
        *err = definitions->starved_by;
    else if (outcome == LUA_ERRMEM)
        error_set(err, STATUS_BAD_INPUT, "%s: the definition needs more than %d MiB of memory", file ? file : "Lua",
                  MEMORY_MAX >> 20);
    else if (lua_type(lua, -1) == LUA_TSTRING && file && !strstr(lua_tostring(lua, -1), file))
        error_set(err, STATUS_BAD_INPUT, "%s: %s", file, lua_tostring(lua, -1));
    else if (lua_type(lua, -1) == LUA_TSTRING)
        error_set(err, STATUS_BAD_INPUT, "%s", lua_tostring(lua, -1));
    else
        error_set(err, STATUS_BAD_INPUT, "%s: an error that is no text", file ? file : "Lua");
}

bool definitions_call(Definitions *definitions, lua_CFunction function, void *context, Error *err) {
    lua_State *lua = definitions->lua;
    definitions->steps = 0;
    definitions->over = false;
    definitions->began = thread_seconds();
    lua_sethook(lua, on_count, LUA_MASKCOUNT, STEPS_BETWEEN);
    lua_pushcfunction(lua, function); /* room and memory for a light function and a pointer is always there */
    lua_pushlightuserdata(lua, context);
    const int outcome = lua_pcall(lua, 1, 0, 0);
    const bool done = outcome == LUA_OK && !definitions->starved;
    if (!done) from_lua(definitions, outcome, err);
    lua_settop(lua, 0);
    return done;
}

/* ---- what there is ----------------------------------------------------------------------------------------------- */

/* string.rep with short results: a long text needs a loop, which the limits see. */
static int short_rep(lua_State *lua) {
    size_t length, between;
    const char *text = luaL_checklstring(lua, 1, &length), *separator = luaL_optlstring(lua, 3, "", &between);
    const lua_Integer times = luaL_checkinteger(lua, 2);
    luaL_Buffer buffer;
    if (times > REP_MAX || (times > 0 && (length + between) > (size_t)(REP_MAX / times)))
        return luaL_error(lua, "string.rep makes more than %d bytes", REP_MAX);
    luaL_buffinit(lua, &buffer);
    for (lua_Integer i = 0; i < times; i++) {
        if (i > 0) luaL_addlstring(&buffer, separator, between);
        luaL_addlstring(&buffer, text, length);
    }
    luaL_pushresult(&buffer);
    return 1;
}

/* Leaves only `names` of the library at the top of the stack, which becomes a new global table. */
static void keep_functions(lua_State *lua, const char *library, const char *const *names) {
    lua_newtable(lua);
    for (; *names; names++) {
        lua_getfield(lua, -2, *names);
        lua_setfield(lua, -2, *names);
    }
    lua_setglobal(lua, library);
    lua_pop(lua, 1);
}

static int open_libraries(lua_State *lua) {
    static const char *const base[] = {"ipairs", "select", "type", "tostring", "tonumber", "error", "assert", NULL};
    static const char *const strings[] = {"format", "sub", "len", "lower", "upper", "byte", "char", NULL};
    static const char *const tables[] = {"insert", "remove", "concat", "unpack", NULL};
    static const char *const numbers[] = {"abs", "ceil", "floor", "max",       "min",  "sqrt", "fmod",
                                          "exp", "log",  "pi",    "tointeger", "type", "huge", NULL};
    luaL_requiref(lua, LUA_STRLIBNAME, luaopen_string, 0);
    keep_functions(lua, LUA_STRLIBNAME, strings);
    lua_getglobal(lua, LUA_STRLIBNAME);
    lua_pushcfunction(lua, short_rep);
    lua_setfield(lua, -2, "rep");
    lua_pushliteral(lua, ""); /* the methods of strings are these, too */
    lua_getmetatable(lua, -1);
    lua_pushvalue(lua, -3);
    lua_setfield(lua, -2, "__index");
    lua_settop(lua, 0);
    luaL_requiref(lua, LUA_TABLIBNAME, luaopen_table, 0);
    keep_functions(lua, LUA_TABLIBNAME, tables);
    luaL_requiref(lua, LUA_MATHLIBNAME, luaopen_math, 0);
    keep_functions(lua, LUA_MATHLIBNAME, numbers);
    luaL_requiref(lua, LUA_GNAME, luaopen_base, 0); /* fills the globals */
    lua_newtable(lua);
    for (const char *const *name = base; *name; name++) {
        lua_getglobal(lua, *name);
        lua_setfield(lua, -2, *name);
    }
    static const char *const kept[] = {LUA_STRLIBNAME, LUA_TABLIBNAME, LUA_MATHLIBNAME};
    for (size_t i = 0; i < sizeof kept / sizeof *kept; i++) {
        lua_getglobal(lua, kept[i]);
        lua_setfield(lua, -2, kept[i]);
    }
    lua_rawseti(lua, LUA_REGISTRYINDEX, LUA_RIDX_GLOBALS);
    open_building(lua);
    open_asking(lua);
    open_family(lua);
    return 0;
}

Definitions *definitions_new(Error *err) {
    Definitions *definitions = mem_alloc(1, sizeof *definitions, err);
    if (!definitions) return NULL;
    definitions->lua = lua_newstate(allocate, definitions);
    if (definitions->lua) {
        *(Definitions **)lua_getextraspace(definitions->lua) = definitions;
        if (definitions_call(definitions, open_libraries, NULL, err)) return definitions;
    } else {
        *err = definitions->starved_by;
    }
    definitions_free(definitions);
    return NULL;
}

void definitions_free(Definitions *definitions) {
    if (!definitions) return;
    if (definitions->lua) lua_close(definitions->lua);
    for (PoolChunk *chunk = definitions->chunks, *next; chunk; chunk = next) {
        next = chunk->next;
        mem_free(chunk);
    }
    mem_free(definitions->families);
    mem_free(definitions);
}

/* ---- loading ----------------------------------------------------------------------------------------------------- */

typedef struct Source {
    const char *name, *text;
    size_t length;
} Source;

static int run_source(lua_State *lua) {
    const Source *source = lua_touserdata(lua, 1);
    Definitions *definitions = definitions_of(lua);
    lua_pushstring(lua, source->name);
    definitions->file = keep_text(lua, -1, "the file's name");
    lua_pushfstring(lua, "=%s", definitions->file);
    if (luaL_loadbufferx(lua, source->text, source->length, lua_tostring(lua, -1), "t") != LUA_OK)
        return lua_error(lua);
    lua_call(lua, 0, 0);
    return 0;
}

bool definitions_add(Definitions *definitions, const char *name, const char *text, size_t length, bool own,
                     Error *err) {
    char shown[48]; /* Lua cuts longer ones */
    const size_t before = definitions->count, size = strlen(name), most = sizeof shown - 4;
    if (size <= most)
        memcpy(shown, name, size + 1);
    else
        memcpy(shown, "...", 3), memcpy(shown + 3, name + size - most, most + 1);
    Source source = {shown, text, length};
    definitions->own = own;
    definitions->before = before;
    const bool done = definitions_call(definitions, run_source, &source, err);
    if (!done) definitions->count = before;
    definitions->file = NULL;
    if (done && definitions->count == before) return error_set(err, STATUS_BAD_INPUT, "%s: defines no family", name);
    return done;
}

size_t definitions_count(const Definitions *definitions) {
    return definitions->count;
}

const Family *definitions_family(const Definitions *definitions, size_t index) {
    return &definitions->families[index];
}

/* ---- running forward --------------------------------------------------------------------------------------------- */

static void push_net(lua_State *lua, const Build *build) {
    const Family *family = build->family;
    lua_newtable(lua);
    lua_pushboolean(lua, build->view == NULL);
    lua_setfield(lua, -2, "making");
    lua_newtable(lua);
    for (size_t i = 0; i < family->variant_count; i++) {
        lua_pushboolean(lua, build->variants->chosen[i]);
        lua_setfield(lua, -2, family->variants[i].name);
    }
    lua_setfield(lua, -2, "variant");
    lua_newtable(lua);
    for (unsigned i = 0; build->request && build->request->width_count > 0 && i < family->widths; i++) {
        if (build->request->widths[i] == 0) continue;
        lua_pushinteger(lua, (lua_Integer)build->request->widths[i]);
        lua_rawseti(lua, -2, (lua_Integer)i + 1);
    }
    lua_setfield(lua, -2, "widths");
    if (!build->request) return;
    lua_pushinteger(lua, (lua_Integer)build->request->classes);
    lua_setfield(lua, -2, "classes");
    lua_pushinteger(lua, (lua_Integer)build->request->in_channels);
    lua_setfield(lua, -2, "channels");
}

/* The preset's values, or an empty table where the family's own name was asked for. */
static void push_preset(lua_State *lua, const Family *family, const char *name) {
    for (int exact = 1; name && exact >= 0; exact--)
        for (size_t i = 0; i < family->preset_count; i++) {
            const Preset *preset = &family->presets[i];
            const int numbers = exact ? -1 : preset_numbers(NULL, preset->name, name);
            if (exact ? strcmp(preset->name, name) != 0 : numbers <= 0) continue;
            lua_rawgeti(lua, LUA_REGISTRYINDEX, preset->values);
            if (lua_istable(lua, -1)) return;
            luaL_checkstack(lua, numbers + 2, NULL);
            lua_call(lua, preset_numbers(lua, preset->name, name), 2);
            if (!lua_istable(lua, -2)) misfit(lua, "%s", lua_isstring(lua, -1) ? lua_tostring(lua, -1) : "no such one");
            lua_pop(lua, 1);
            return;
        }
    lua_newtable(lua);
}

typedef struct Run {
    Build *build;
    const char *preset;
} Run;

static int run_forward(lua_State *lua) {
    const Run *run = lua_touserdata(lua, 1);
    const Family *family = run->build->family;
    lua_rawgeti(lua, LUA_REGISTRYINDEX, family->forward);
    push_net(lua, run->build);
    push_preset(lua, family, run->preset);
    lua_setfield(lua, -2, "preset");
    lua_call(lua, 1, 1);
    const Graph *graph = run->build->graph.graph;
    const int *map = luaL_testudata(lua, -1, MAP_TYPE);
    if (!map || !graph || (size_t)*map + 1 != graph->count)
        return luaL_error(lua, "%s: the forward of '%s' must return its last operation", family->file, family->name);
    return 0;
}

/* A tensor that the definition did not take: the first one in the file. */
static void check_leftover(Build *build) {
    const View *view = build->view;
    size_t first = SIZE_MAX, entry = 0;
    for (size_t i = 0; i < view->count; i++) {
        const size_t tensor = view->names->entries[view->first + i].tensor;
        if (build->taken[i] || tensor >= first) continue;
        first = tensor;
        entry = i;
    }
    if (first == SIZE_MAX) return;
    build->mismatch = true;
    str_addf(&build->fit->why, "tensor '%s' does not belong to it", view_name(view, entry));
}

/* The finished graph, where it can run at the size it was made for. */
static bool finish_graph(Build *build) {
    Graph *graph = build->graph.graph;
    Error why;
    const unsigned classes = graph->ops[graph->count - 1].out_channels;
    graph->classes = classes;
    if (!graph_find_shapes(graph, graph->height, graph->width, build->shapes, &why)) {
        build->mismatch = true;
        str_add(&build->fit->why, why.text);
        return false;
    }
    build->fit->graph = graph_finish(&build->graph, classes);
    if (!build->fit->description.length) str_add(&build->fit->description, build->family->name);
    return build->fit->graph != NULL;
}

/* After forward. A message of Lua's is a reason, too: a definition that breaks fits nothing. */
static bool conclude(Build *build, bool ran, const Error *from, Error *err) {
    Fit *fit = build->fit;
    if (build->view)
        for (size_t i = 0; i < build->view->count; i++) fit->matched += build->taken[i];
    if (!ran && from->status == STATUS_LIMIT) {
        *err = *from;
        build->failed = true;
    } else if (!ran && !build->mismatch && !build->failed) {
        build->mismatch = fit->broken = true;
        str_add(&fit->why, from->text);
    }
    if (!build->failed && !build->mismatch && build->view) check_leftover(build);
    if (!build->failed && !build->mismatch && build->choices.length > 0) {
        build->mismatch = true;
        str_addf(&fit->why, "names and shapes cannot tell which of its variants it is: choose %s",
                 str_text(&build->choices));
    }
    if (!build->failed && !build->mismatch) finish_graph(build);
    if (build->graph.graph) graph_release(build->graph.graph);
    build->failed = build->failed || build->graph.failed || !str_ok(&fit->why, err) || !str_ok(&build->choices, err) ||
                    !str_ok(&fit->description, err) || !str_ok(&fit->assumed, err) || !str_ok(&fit->left, err);
    mem_free(build->shapes);
    mem_free(build->taken);
    str_done(&build->choices);
    if (!build->failed) return true;
    graph_release(fit->graph);
    fit->graph = NULL;
    return false;
}

static bool run_build(Definitions *definitions, Build *build, const char *preset, Error *err) {
    Run context = {build, preset};
    Error from;
    definitions->build = build;
    build->err = err;
    const bool ran = definitions_call(definitions, run_forward, &context, &from);
    definitions->build = NULL;
    return conclude(build, ran, &from, err);
}

void fit_done(Fit *fit) {
    graph_release(fit->graph);
    str_done(&fit->description);
    str_done(&fit->assumed);
    str_done(&fit->left);
    str_done(&fit->why);
    *fit = (Fit){0};
}

bool definition_recognise(Definitions *definitions, const Family *family, const Variants *variants, const View *view,
                          Fit *fit, Error *err) {
    Build build = {.family = family, .variants = variants, .view = view, .fit = fit};
    build.taken = mem_alloc(view->count, sizeof *build.taken, err);
    return build.taken && run_build(definitions, &build, NULL, err);
}

bool definition_make(Definitions *definitions, const Family *family, const Variants *variants, const char *name,
                     const ArchitectureRequest *request, Network *network, Fit *fit, Error *err) {
    Build build = {.family = family, .variants = variants, .request = request, .fit = fit};
    build.tensors = (TensorBuilder){.network = network, .err = err};
    return run_build(definitions, &build, name, err);
}
