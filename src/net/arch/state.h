/* state -- a Lua state behind its fence, and what the functions of definitions work on. Private to src/net/arch. */
#ifndef WEFT_NET_STATE_H
#define WEFT_NET_STATE_H

#include <lauxlib.h>
#include <lua.h>

#include "net/arch/arch.h"
#include "weft/base/error.h"
#include "weft/base/tensor.h"
#include "weft/base/text.h"

/* One run of a definition's forward. */
typedef struct Build {
    const Family *family;
    const Variants *variants;
    const View *view; /* the names to recognise; NULL if it makes */
    bool *taken;      /* of the view's entries */
    bool optional;    /* channels of the input follow from the first layer that reads it */
    const ArchitectureRequest *request;
    TensorBuilder tensors;
    GraphBuilder graph;
    Shape *shapes; /* of the operations so far */
    size_t shape_capacity;
    bool mismatch; /* it does not fit; `fit->why` gives the reason */
    bool failed;   /* out of memory; see *err */
    unsigned stage, block;
    Str choices; /* variants of which one must be chosen */
    Fit *fit;
    Error *err;
} Build;

#define MAP_TYPE "weft.map" /* userdata of one int: the operation */

/* A pool for the small blocks that Lua asks for. */
typedef struct PoolChunk {
    struct PoolChunk *next;
} PoolChunk;
enum { POOL_STEP = 16, POOL_LARGEST = 4096, POOL_CLASSES = POOL_LARGEST / POOL_STEP };

struct Definitions {
    lua_State *lua;
    PoolChunk *chunks;
    char *room; /* of the newest chunk */
    size_t room_left;
    void *unused[POOL_CLASSES + 1]; /* lists of freed blocks, by size */
    uint64_t bytes;                 /* in use */
    bool starved;                   /* the system had no memory: all fails from here on */
    Error starved_by;
    uint64_t steps, all_steps; /* instructions of the current call, and of all calls */
    double began;
    bool over; /* its limit was reached: it ends at the next instruction */
    Family *families;
    size_t count, capacity;
    const char *file; /* being loaded */
    size_t before;    /* families before it */
    bool own;
    Build *build; /* at work; NULL while a file is loaded */
};

/* Calls `function` with `context` under the limits. STATUS_BAD_INPUT with Lua's message, STATUS_LIMIT if memory ran
 * out. */
bool definitions_call(Definitions *definitions, lua_CFunction function, void *context, Error *err);
static inline Definitions *definitions_of(lua_State *lua) {
    return *(Definitions **)lua_getextraspace(lua);
}

/* Puts the functions that build (conv, bn, ...) and that ask (has, shape, ...) among the globals. */
void open_building(lua_State *lua);
void open_asking(lua_State *lua);
/* Puts the function family among the globals. */
void open_family(lua_State *lua);

/* ---- for the functions of definitions; those that fail do not come back ------------------------------------------ */

Build *building(lua_State *lua); /* an error outside of forward */
/* Leaves forward: the definition does not fit, because ... (unless there is a reason already). */
int misfit(lua_State *lua, const char *format, ...) __attribute__((format(printf, 2, 3)));
/* The tensor NAME of `rank` dimensions (0: any size), taken from the view, or made. Its index in the network. */
int take_tensor(lua_State *lua, unsigned rank, const uint64_t *dim, const char *name);
bool tensor_there(const Build *build, const char *name, const Tensor **tensor); /* in the view */

/* The numbers of a preset's pattern, pushed unless `lua` is NULL; how many, or -1 where the name is another. */
int preset_numbers(lua_State *lua, const char *pattern, const char *name);

/* A text that lives as long as the state. */
const char *keep_text(lua_State *lua, int index, const char *what);
void *keep_bytes(lua_State *lua, size_t count, size_t size);

#endif
