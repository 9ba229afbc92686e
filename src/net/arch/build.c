/* build -- the functions that build a graph in a definition's forward: conv, bn, relu, add, pools, ...
 *
 * Recognising, what an operation needs (kernel, width, groups, bias) comes from the shapes of its tensors; making, it
 * comes from the options, and the tensors are made. A map is a userdata of its operation's position.
 */
#include <math.h>
#include <stdio.h>
#include <string.h>

#include "net/arch/state.h"
#include "weft/base/error.h"
#include "weft/base/memory.h"
#include "weft/base/tensor.h"

enum { OPS_MAX = 20000, OPTION_MAX = 1 << 16, CHANNELS_MAX = 1 << 20, NAME_MAX_LENGTH = 256 };

/* ---- options ----------------------------------------------------------------------------------------------------- */

/* An option table's fields; another one is a mistake in writing. */
static void check_options(lua_State *lua, int index, const char *const *known) {
    if (lua_isnoneornil(lua, index)) return;
    luaL_checktype(lua, index, LUA_TTABLE);
    for (lua_pushnil(lua); lua_next(lua, index); lua_pop(lua, 1)) {
        const char *const *one = known;
        const bool text = lua_type(lua, -2) == LUA_TSTRING;
        while (*one && !(text && strcmp(*one, lua_tostring(lua, -2)) == 0)) one++;
        if (!*one) luaL_error(lua, "no option '%s'", luaL_tolstring(lua, -2, NULL));
    }
}

/* Pushes an option, and returns whether there is one. */
static bool push_option(lua_State *lua, int index, const char *name) {
    if (!lua_istable(lua, index)) {
        lua_pushnil(lua);
        return false;
    }
    return lua_getfield(lua, index, name) != LUA_TNIL;
}

/* The number at the top of the stack, which is taken off. */
static unsigned pop_whole(lua_State *lua, const char *what, lua_Integer least, lua_Integer most) {
    int is_whole;
    const lua_Integer number = lua_tointegerx(lua, -1, &is_whole);
    if (!is_whole || number < least || number > most)
        luaL_error(lua, "%s must be a whole number from %I to %I", what, (LUAI_UACINT)least, (LUAI_UACINT)most);
    lua_pop(lua, 1);
    return (unsigned)number;
}

static unsigned option_whole(lua_State *lua, int index, const char *name, unsigned standard, lua_Integer most) {
    if (push_option(lua, index, name)) return pop_whole(lua, name, standard > 0, most);
    lua_pop(lua, 1);
    return standard;
}

/* -1: not given. */
static int option_flag(lua_State *lua, int index, const char *name) {
    const int given = push_option(lua, index, name) ? lua_toboolean(lua, -1) : -1;
    lua_pop(lua, 1);
    return given;
}

/* A number for each of `count` places, or a list of so many (of two for four: height, width on both sides), at the top
 * of the stack, which is taken off. */
static void pop_sides(lua_State *lua, const char *what, unsigned *out, unsigned count, lua_Integer least) {
    if (!lua_istable(lua, -1)) {
        out[0] = pop_whole(lua, what, least, OPTION_MAX);
        for (unsigned i = 1; i < count; i++) out[i] = out[0];
        return;
    }
    const lua_Unsigned length = lua_rawlen(lua, -1);
    if (length != count && length != 2) luaL_error(lua, "%s must be a number, or %d of them", what, (int)count);
    for (unsigned i = 0; i < count; i++) {
        lua_rawgeti(lua, -1, (lua_Integer)(i % length) + 1);
        out[i] = pop_whole(lua, what, least, OPTION_MAX);
    }
    lua_pop(lua, 1);
}

static bool option_sides(lua_State *lua, int index, const char *name, unsigned *out, unsigned count,
                         lua_Integer least) {
    if (push_option(lua, index, name)) {
        pop_sides(lua, name, out, count, least);
        return true;
    }
    lua_pop(lua, 1);
    return false;
}

/* ---- maps -------------------------------------------------------------------------------------------------------- */

static int map_at(lua_State *lua, int index) {
    const Build *build = building(lua);
    const int map = *(const int *)luaL_checkudata(lua, index, MAP_TYPE);
    if (!build->graph.graph || map < 0 || (size_t)map >= build->graph.graph->count)
        luaL_error(lua, "a map of another run");
    return map;
}

static int map_index(lua_State *lua) {
    const Build *build = building(lua);
    const Shape shape = build->shapes[map_at(lua, 1)];
    const char *field = luaL_checkstring(lua, 2);
    if (strcmp(field, "channels") == 0)
        lua_pushinteger(lua, (lua_Integer)shape.channels);
    else if (strcmp(field, "height") == 0)
        lua_pushinteger(lua, (lua_Integer)shape.height);
    else if (strcmp(field, "width") == 0)
        lua_pushinteger(lua, (lua_Integer)shape.width);
    else
        return luaL_error(lua, "a map has no '%s'", field);
    return 1;
}

static int out_of_memory(lua_State *lua) {
    building(lua)->failed = true;
    return luaL_error(lua, "out of memory");
}

/* Whether one of the last operations has this name: those of a module follow one another. */
static bool name_taken(const Graph *graph, const char *name) {
    enum { NEAR = 64 };
    for (size_t i = graph->count; i-- > 0 && i + NEAR >= graph->count;)
        if (strcmp(graph->ops[i].name, name) == 0) return true;
    return false;
}

/* The module that an operation without tensors belongs to, and its word: "layer1.0." + "relu", "relu2", ... */
static void default_name(const Graph *graph, int input, const char *word, char out[NAME_MAX_LENGTH]) {
    const char *from = input > 0 ? graph->ops[input].name : "", *dot = strrchr(from, '.');
    const int module = dot ? (int)(dot - from) + 1 : 0;
    snprintf(out, NAME_MAX_LENGTH, "%.*s%s", module, from, word);
    for (unsigned i = 2; name_taken(graph, out); i++) snprintf(out, NAME_MAX_LENGTH, "%.*s%s%u", module, from, word, i);
}

static int push_map(lua_State *lua, int position) {
    *(int *)lua_newuserdatauv(lua, sizeof(int), 0) = position;
    luaL_setmetatable(lua, MAP_TYPE);
    return 1;
}

/* Adds the operation, whose shapes must fit, and pushes its map. */
static int add_op(lua_State *lua, Op op, const char *name) {
    Build *build = building(lua);
    Graph *graph = build->graph.graph;
    Error why;
    if (graph->count >= OPS_MAX) return luaL_error(lua, "more than %d operations", OPS_MAX);
    op.stage = build->stage;
    op.block = build->block;
    if (!mem_grow(&build->shapes, &build->shape_capacity, graph->count + 1, sizeof *build->shapes, build->err))
        return out_of_memory(lua);
    const int at = graph_add(&build->graph, op, "%s", name);
    if (build->graph.failed) return out_of_memory(lua);
    const Shape in = build->shapes[op.input[0]];
    const Shape other = op_inputs(op.kind) == 2 ? build->shapes[op.input[1]] : in;
    if (!op_shape(&graph->ops[at], in, other, &build->shapes[at], &why)) return misfit(lua, "%s", why.text);
    const Shape *out = &build->shapes[at];
    if (out->channels > CHANNELS_MAX || out->height > OPTION_MAX || out->width > OPTION_MAX)
        return misfit(lua, "%s: a map of %ux%ux%u is out of range", graph->ops[at].name, out->channels, out->height,
                      out->width);
    return push_map(lua, at);
}

/* The same for an operation whose name may be the argument at `index`. */
static int add_named(lua_State *lua, Op op, int index, const char *word) {
    char name[NAME_MAX_LENGTH];
    default_name(building(lua)->graph.graph, op.input[0], word, name);
    return add_op(lua, op, luaL_optstring(lua, index, name));
}

/* ---- tensors ----------------------------------------------------------------------------------------------------- */

/* "16x3x3x3"; N for a dimension of any size. */
static void shape_text(char *out, size_t size, unsigned rank, const uint64_t *dim) {
    size_t at = 0;
    snprintf(out, size, "a scalar");
    for (unsigned i = 0; i < rank && at < size; i++) {
        const char *cross = i > 0 ? "x" : "";
        const int more = dim[i] > 0 ? snprintf(out + at, size - at, "%s%llu", cross, (unsigned long long)dim[i])
                                    : snprintf(out + at, size - at, "%sN", cross);
        at += (size_t)more;
    }
}

/* Takes the view's tensor. */
static int find_tensor(lua_State *lua, Build *build, unsigned rank, const uint64_t *dim, const char *name) {
    const Tensor *tensor;
    size_t index;
    if (!tensor_there(build, name, &tensor)) misfit(lua, "no tensor '%s'", name);
    bool fits = tensor->rank == rank && tensor->count > 0;
    for (unsigned i = 0; fits && i < rank; i++)
        fits = (dim[i] == 0 || dim[i] == tensor->dim[i]) && tensor->dim[i] <= INT32_MAX;
    if (!fits) {
        char found[128], expected[128];
        shape_text(found, sizeof found, tensor->rank, tensor->dim);
        shape_text(expected, sizeof expected, rank, dim);
        misfit(lua, "'%s' is %s, expected %s", name, found, expected);
    }
    view_find(build->view, name, &index);
    build->taken[index] = true;
    return (int)build->view->names->entries[build->view->first + index].tensor;
}

int take_tensor(lua_State *lua, unsigned rank, const uint64_t *dim, const char *name) {
    Build *build = building(lua);
    if (build->view) return find_tensor(lua, build, rank, dim, name);
    tensor_add(&build->tensors, rank, dim, "%s", name);
    if (build->tensors.failed) out_of_memory(lua);
    return (int)build->tensors.network->tensor_count - 1;
}

static void part_name(lua_State *lua, char out[NAME_MAX_LENGTH], const char *name, const char *part) {
    if (snprintf(out, NAME_MAX_LENGTH, "%s.%s", name, part) >= NAME_MAX_LENGTH)
        luaL_error(lua, "a name of more than %d bytes", NAME_MAX_LENGTH);
}

static int take_part(lua_State *lua, unsigned rank, const uint64_t *dim, const char *name, const char *part) {
    char text[NAME_MAX_LENGTH];
    part_name(lua, text, name, part);
    return take_tensor(lua, rank, dim, text);
}

/* NAME.bias of a layer: where it is there or demanded; making: where asked for, else by `standard`. */
static int take_bias(lua_State *lua, const char *name, unsigned channels, int option, bool standard) {
    const Build *build = building(lua);
    char text[NAME_MAX_LENGTH];
    const Tensor *ignored;
    part_name(lua, text, name, "bias");
    const bool wanted =
        build->view ? option == 1 || tensor_there(build, text, &ignored) : option == 1 || (option < 0 && standard);
    return wanted ? take_tensor(lua, 1, (const uint64_t[]){channels}, text) : NO_TENSOR;
}

/* ---- the input --------------------------------------------------------------------------------------------------- */

/* Gray images of 32x32 are MNIST's kind: 28x28. */
static void set_input(Build *build, unsigned channels) {
    Graph *graph = build->graph.graph;
    if (channels == 1 && graph->height == 32 && graph->width == 32) graph->height = graph->width = 28;
    graph->in_channels = channels;
    build->optional = false;
    for (size_t i = 0; i < graph->count; i++) {
        Error ignored;
        graph->ops[i].out_channels = channels;
        if (i == 0)
            build->shapes[0] = (Shape){channels, graph->height, graph->width};
        else /* pads and the like, which keep the channels */
            op_shape(&graph->ops[i], build->shapes[graph->ops[i].input[0]], build->shapes[0], &build->shapes[i],
                     &ignored);
    }
}

static int input(lua_State *lua) {
    Build *build = building(lua);
    if (build->graph.graph) return luaL_error(lua, "input: only once");
    unsigned size[2] = {build->family->height, build->family->width}, channels = 0;
    lua_settop(lua, 3);
    const bool given = !lua_isnil(lua, 3);
    if (given) {
        channels = pop_whole(lua, "input's channels", 1, 4096);
        lua_pushnil(lua);
    }
    for (int i = 0; i < 2; i++) {
        if (lua_isnil(lua, i + 1)) continue;
        lua_pushvalue(lua, i + 1);
        size[i] = pop_whole(lua, "input's size", 1, OPTION_MAX);
    }
    if (build->request && given && channels != build->request->in_channels)
        return misfit(lua, "images of %u channels, it takes %u", build->request->in_channels, channels);
    if (build->request) channels = build->request->in_channels;
    if (!mem_grow(&build->shapes, &build->shape_capacity, 1, sizeof *build->shapes, build->err))
        return out_of_memory(lua);
    build->graph = graph_begin(channels, size[0], size[1], build->err);
    if (build->graph.failed) return out_of_memory(lua);
    build->shapes[0] = (Shape){channels, size[0], size[1]};
    build->optional = channels == 0;
    if (!given && channels > 0) set_input(build, channels);
    return push_map(lua, 0);
}

/* The input's channels, where they follow from the first layer that reads it. */
static void find_input(lua_State *lua, Build *build, uint64_t channels, const char *weight) {
    if (channels != 1 && channels != 3)
        misfit(lua, "'%s' takes %llu input channels, expected 3 or 1", weight, (unsigned long long)channels);
    set_input(build, (unsigned)channels);
}

/* ---- layers ------------------------------------------------------------------------------------------------------ */

/* Kernel, groups and width of a convolution from its tensor. `op` has what the options demand. */
static void measure_conv(lua_State *lua, Build *build, Op *op, const char *name) {
    const Tensor *tensor;
    char weight[NAME_MAX_LENGTH];
    uint64_t dim[4] = {0, 0, op->kernel[0], op->kernel[1]};
    part_name(lua, weight, name, "weight");
    if (!tensor_there(build, weight, &tensor) || tensor->rank != 4) find_tensor(lua, build, 4, dim, weight);
    if (build->optional) {
        if (op->kernel[0] > 0 && (tensor->dim[2] != dim[2] || tensor->dim[3] != dim[3]))
            find_tensor(lua, build, 4, dim, weight);
        find_input(lua, build, tensor->dim[1], weight);
    }
    const unsigned in = build->shapes[op->input[0]].channels;
    if (op->groups == 0 && tensor->dim[1] > 0 && tensor->dim[1] <= in && in % tensor->dim[1] == 0)
        op->groups = in / (unsigned)tensor->dim[1];
    dim[1] = op->groups ? in / op->groups : in;
    op->weight = find_tensor(lua, build, 4, dim, weight);
    op->out_channels = (unsigned)tensor->dim[0];
    for (int i = 0; i < 2; i++) {
        if (tensor->dim[2 + i] > OPTION_MAX) misfit(lua, "'%s' has too large a kernel", weight);
        op->kernel[i] = (unsigned)tensor->dim[2 + i];
    }
}

static void make_conv(lua_State *lua, const Build *build, Op *op, const char *name) {
    const unsigned in = build->shapes[op->input[0]].channels;
    if (op->groups == 0) op->groups = 1;
    op->out_channels = option_whole(lua, 3, "out", 0, INT32_MAX);
    if (op->out_channels == 0 || op->kernel[0] == 0)
        luaL_error(lua, "conv '%s': making it needs kernel = and out =", name);
    if (in % op->groups) misfit(lua, "%s: %u groups do not divide %u channels", name, op->groups, in);
    const uint64_t dim[4] = {op->out_channels, in / op->groups, op->kernel[0], op->kernel[1]};
    op->weight = take_part(lua, 4, dim, name, "weight");
}

static int conv(lua_State *lua) {
    static const char *const known[] = {"stride", "pad",  "dilation",  "groups", "kernel",
                                        "out",    "bias", "predicted", NULL};
    Build *build = building(lua);
    Op op = {.kind = OP_CONV, .input = {map_at(lua, 1)}, .stride = {1, 1}, .dilation = {1, 1}};
    const char *name = luaL_checkstring(lua, 2);
    lua_settop(lua, 3);
    check_options(lua, 3, known);
    option_sides(lua, 3, "stride", op.stride, 2, 1);
    option_sides(lua, 3, "dilation", op.dilation, 2, 1);
    option_sides(lua, 3, "kernel", op.kernel, 2, 1);
    if (push_option(lua, 3, "groups"))
        op.groups = pop_whole(lua, "groups", 1, OPTION_MAX);
    else
        lua_pop(lua, 1);
    if (build->view)
        measure_conv(lua, build, &op, name);
    else
        make_conv(lua, build, &op, name);
    for (int i = 0; i < 4; i++) op.padding[i] = op.dilation[i % 2] * (op.kernel[i % 2] - 1) / 2;
    option_sides(lua, 3, "pad", op.padding, 4, 0);
    op.bias = take_bias(lua, name, op.out_channels, option_flag(lua, 3, "bias"), false);
    const int predicted = option_flag(lua, 3, "predicted");
    const PredictedRule rule = build->family->predicted;
    op.predicted = predicted >= 0
                       ? predicted == 1
                       : rule == PREDICTED_ALL || (rule == PREDICTED_SPATIAL && (op.kernel[0] > 1 || op.kernel[1] > 1));
    return add_op(lua, op, name);
}

/* Where the input's channels are open, they are those that make the columns. */
static void find_linear_input(lua_State *lua, Build *build, const Op *op, const Tensor *weight, const char *name) {
    static const unsigned tried[] = {3, 1};
    for (size_t i = 0; i < sizeof tried / sizeof *tried && op->input[0] == 0; i++) {
        const Graph *graph = build->graph.graph;
        uint64_t pixels = (uint64_t)graph->height * graph->width;
        if (tried[i] == 1 && graph->height == 32 && graph->width == 32) pixels = 28 * 28;
        if (tried[i] * pixels != weight->dim[1]) continue;
        set_input(build, tried[i]);
        return;
    }
    misfit(lua, "%s: the images' size is not to be told from its %llu columns", name,
           (unsigned long long)weight->dim[1]);
}

static int linear(lua_State *lua) {
    static const char *const known[] = {"out", "bias", NULL};
    Build *build = building(lua);
    Op op = {.kind = OP_LINEAR, .input = {map_at(lua, 1)}};
    const char *name = luaL_checkstring(lua, 2);
    char weight[NAME_MAX_LENGTH];
    const Tensor *tensor;
    lua_settop(lua, 3);
    check_options(lua, 3, known);
    part_name(lua, weight, name, "weight");
    const bool there = tensor_there(build, weight, &tensor) && tensor->rank == 2;
    if (build->optional && there) find_linear_input(lua, build, &op, tensor, name);
    if (build->request) op.out_channels = option_whole(lua, 3, "out", build->request->classes, INT32_MAX);
    const Shape in = build->shapes[op.input[0]];
    const uint64_t dim[2] = {op.out_channels, (uint64_t)in.channels * in.height * in.width};
    op.weight = take_tensor(lua, 2, dim, weight);
    if (build->view) op.out_channels = (unsigned)tensor->dim[0];
    op.bias = take_bias(lua, name, op.out_channels, option_flag(lua, 3, "bias"), true);
    return add_op(lua, op, name);
}

static void take_counter(lua_State *lua, Build *build, const char *name) {
    char text[NAME_MAX_LENGTH];
    size_t index;
    part_name(lua, text, name, "num_batches_tracked"); /* a scalar, or of one element in npy files: no matter here */
    if (build->view && view_find(build->view, text, &index)) build->taken[index] = true;
}

static int bn(lua_State *lua) {
    static const char *const known[] = {"eps", "affine", NULL};
    Build *build = building(lua);
    Op op = {.kind = OP_BATCH_NORM, .input = {map_at(lua, 1)}, .epsilon = 1e-5f};
    const char *name = luaL_checkstring(lua, 2);
    lua_settop(lua, 3);
    check_options(lua, 3, known);
    if (push_option(lua, 3, "eps")) {
        const double eps = luaL_checknumber(lua, -1);
        if (!(eps >= 0 && eps <= 4096))
            return luaL_error(lua, "eps must be from 0 to 4096"); /* BatchNorm2d(c, c) is about */
        op.epsilon = (float)eps;
    }
    const uint64_t dim[1] = {build->shapes[op.input[0]].channels};
    const bool affine = option_flag(lua, 3, "affine") != 0;
    op.weight = affine ? take_part(lua, 1, dim, name, "weight") : NO_TENSOR;
    op.bias = affine ? take_part(lua, 1, dim, name, "bias") : NO_TENSOR;
    op.mean = take_part(lua, 1, dim, name, "running_mean");
    op.variance = take_part(lua, 1, dim, name, "running_var");
    take_counter(lua, build, name);
    return add_op(lua, op, name);
}

/* ---- operations without tensors ---------------------------------------------------------------------------------- */

/* upvalue 1: the kind; upvalue 2: the word for names. */
static int activation(lua_State *lua) {
    Op op = {.kind = (OpKind)lua_tointeger(lua, lua_upvalueindex(1)), .input = {map_at(lua, 1)}};
    return add_named(lua, op, 2, lua_tostring(lua, lua_upvalueindex(2)));
}

static int leaky_relu(lua_State *lua) {
    const double slope = luaL_checknumber(lua, 2);
    if (!(fabs(slope) <= 1000)) return luaL_error(lua, "leaky_relu: the slope must be a number");
    return add_named(lua, (Op){.kind = OP_LEAKY_RELU, .input = {map_at(lua, 1)}, .slope = (float)slope}, 3, "relu");
}

static int join(lua_State *lua) {
    const int first = map_at(lua, 1), second = map_at(lua, 2);
    const Op op = {.kind = (OpKind)lua_tointeger(lua, lua_upvalueindex(1)), .input = {first, second}};
    return add_named(lua, op, 3, lua_tostring(lua, lua_upvalueindex(2)));
}

static int concat(lua_State *lua) {
    const int count = lua_gettop(lua);
    int at = map_at(lua, 1);
    lua_settop(lua, count);
    lua_pushvalue(lua, 1);
    for (int i = 2; i <= count; i++) {
        add_named(lua, (Op){.kind = OP_CONCAT, .input = {at, map_at(lua, i)}}, count + 10, "concat");
        at = map_at(lua, -1);
        lua_replace(lua, count + 1);
    }
    return 1;
}

/* upvalue 1: the kind. */
static int pool(lua_State *lua) {
    static const char *const of_max[] = {"stride", "pad", "ceil", "name", NULL};
    static const char *const of_mean[] = {"stride", "pad", "ceil", "name", "exclude_padding", NULL};
    Op op = {.kind = (OpKind)lua_tointeger(lua, lua_upvalueindex(1)), .input = {map_at(lua, 1)}};
    lua_settop(lua, 3);
    check_options(lua, 3, op.kind == OP_MAX_POOL ? of_max : of_mean);
    lua_pushvalue(lua, 2);
    pop_sides(lua, "a pool's kernel", op.kernel, 2, 1);
    memcpy(op.stride, op.kernel, sizeof op.stride);
    option_sides(lua, 3, "stride", op.stride, 2, 1);
    option_sides(lua, 3, "pad", op.padding, 4, 0);
    op.ceiling = option_flag(lua, 3, "ceil") == 1;
    op.exclude_padding = option_flag(lua, 3, "exclude_padding") == 1;
    push_option(lua, 3, "name");
    return add_named(lua, op, 4, "pool");
}

static int adaptive_pool(lua_State *lua) {
    Op op = {.kind = OP_ADAPTIVE_POOL, .input = {map_at(lua, 1)}};
    lua_settop(lua, 3);
    if (lua_isnil(lua, 3)) {
        lua_pushvalue(lua, 2);
        lua_replace(lua, 3);
    }
    op.size[1] = pop_whole(lua, "adaptive_pool's width", 1, OPTION_MAX);
    op.size[0] = pop_whole(lua, "adaptive_pool's height", 1, OPTION_MAX);
    return add_named(lua, op, 4, "pool");
}

static int global_pool(lua_State *lua) {
    return add_named(lua, (Op){.kind = OP_GLOBAL_POOL, .input = {map_at(lua, 1)}}, 2, "pool");
}

static int slice(lua_State *lua) {
    Op op = {.kind = OP_SLICE, .input = {map_at(lua, 1)}};
    lua_settop(lua, 3);
    op.out_channels = pop_whole(lua, "slice's count", 1, 1 << 20);
    op.offset = pop_whole(lua, "slice's first channel", 0, 1 << 20);
    return add_named(lua, op, 4, "slice");
}

static int shuffle(lua_State *lua) {
    Op op = {.kind = OP_SHUFFLE, .input = {map_at(lua, 1)}};
    lua_settop(lua, 2);
    op.groups = pop_whole(lua, "shuffle's groups", 1, OPTION_MAX);
    return add_named(lua, op, 4, "shuffle");
}

static int pad(lua_State *lua) {
    Op op = {.kind = OP_PAD, .input = {map_at(lua, 1)}};
    lua_settop(lua, 2);
    pop_sides(lua, "a padding", op.padding, 4, 0);
    return add_named(lua, op, 4, "pad");
}

static int shortcut_a(lua_State *lua) {
    static const char *const known[] = {"stride", "before", "name", NULL};
    Op op = {.kind = OP_SHORTCUT_A, .input = {map_at(lua, 1)}, .stride = {1, 1}};
    const unsigned in = building(lua)->shapes[op.input[0]].channels;
    lua_settop(lua, 3);
    check_options(lua, 3, known);
    lua_pushvalue(lua, 2);
    op.out_channels = pop_whole(lua, "shortcut_a's channels", 1, INT32_MAX);
    option_sides(lua, 3, "stride", op.stride, 2, 1);
    op.offset = op.out_channels > in ? (op.out_channels - in) / 2 : 0;
    if (push_option(lua, 3, "before"))
        op.offset = pop_whole(lua, "before", 0, INT32_MAX);
    else
        lua_pop(lua, 1);
    push_option(lua, 3, "name");
    return add_named(lua, op, 4, "shortcut");
}

/* ---- places ------------------------------------------------------------------------------------------------------ */

static int stage(lua_State *lua) {
    Build *build = building(lua);
    lua_settop(lua, 1);
    build->stage = pop_whole(lua, "a stage", 0, OPTION_MAX);
    build->block = 0;
    return 0;
}

static int block(lua_State *lua) {
    Build *build = building(lua);
    lua_settop(lua, 1);
    build->block = lua_isnil(lua, 1) ? 0 : pop_whole(lua, "a block", 0, OPTION_MAX) + 1;
    return 0;
}

/* ---- all --------------------------------------------------------------------------------------------------------- */

void open_building(lua_State *lua) {
    static const struct {
        const char *name, *word;
        lua_CFunction function;
        OpKind kind;
    } of_kinds[] = {{"relu", "relu", activation, OP_RELU},
                    {"relu6", "relu", activation, OP_RELU6},
                    {"sigmoid", "sigmoid", activation, OP_SIGMOID},
                    {"silu", "silu", activation, OP_SILU},
                    {"hard_sigmoid", "sigmoid", activation, OP_HARD_SIGMOID},
                    {"hard_swish", "swish", activation, OP_HARD_SWISH},
                    {"gelu", "gelu", activation, OP_GELU},
                    {"tanh", "tanh", activation, OP_TANH},
                    {"add", "add", join, OP_ADD},
                    {"mul", "mul", join, OP_MULTIPLY},
                    {"max_pool", "", pool, OP_MAX_POOL},
                    {"avg_pool", "", pool, OP_AVERAGE_POOL}};
    static const luaL_Reg plain[] = {{"input", input},
                                     {"conv", conv},
                                     {"linear", linear},
                                     {"bn", bn},
                                     {"leaky_relu", leaky_relu},
                                     {"concat", concat},
                                     {"adaptive_pool", adaptive_pool},
                                     {"global_pool", global_pool},
                                     {"slice", slice},
                                     {"shuffle", shuffle},
                                     {"pad", pad},
                                     {"shortcut_a", shortcut_a},
                                     {"stage", stage},
                                     {"block", block},
                                     {NULL, NULL}};
    luaL_newmetatable(lua, MAP_TYPE);
    lua_pushcfunction(lua, map_index);
    lua_setfield(lua, -2, "__index");
    lua_pop(lua, 1);
    for (size_t i = 0; i < sizeof of_kinds / sizeof *of_kinds; i++) {
        lua_pushinteger(lua, (lua_Integer)of_kinds[i].kind);
        lua_pushstring(lua, of_kinds[i].word);
        lua_pushcclosure(lua, of_kinds[i].function, 2);
        lua_setglobal(lua, of_kinds[i].name);
    }
    for (const luaL_Reg *one = plain; one->name; one++) lua_register(lua, one->name, one->func);
}
