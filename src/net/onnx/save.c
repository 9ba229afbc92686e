/* save -- a network as an ONNX file: its graph as nodes of operator set 13, its tensors as initialisers of the same
 * names, batch norm kept. The batch is symbolic. Lineage and normalisation are metadata, as in safetensors; the model
 * takes the images as they were normalised.
 */
#include "net/internal.h"
#include "weft/base/dtype.h"
#include "weft/base/error.h"
#include "weft/base/memory.h"
#include "weft/format/onnx.h"

#include <math.h>
#include <stdio.h>
#include <string.h>

enum { VALUE_NAME_SIZE = OP_NAME_SIZE + 48, SMALL_MAX = 8 };

/* A few numbers that a node takes as an input. */
typedef struct Small {
    char name[VALUE_NAME_SIZE];
    uint64_t dim[1];
    union {
        int64_t integers[SMALL_MAX];
        float number;
        uint8_t byte;
    };
} Small;

typedef struct Saver {
    const Network *network;
    const Graph *graph;
    const Shape *shapes;
    OnnxWriter writer;
    bool *flat; /* operations whose result is images x features, not images x channels x 1 x 1 */
    char (*names)[VALUE_NAME_SIZE];
    void **rooms; /* small constants, which the writer borrows; freed at the end */
    size_t room_count, room_capacity;
    size_t made; /* numbers the values between the nodes of one operation */
    Error *err;
    bool failed;
} Saver;

static void *room(Saver *s, size_t size) {
    void *memory = NULL;
    if (!s->failed && mem_grow(&s->rooms, &s->room_capacity, s->room_count + 1, sizeof *s->rooms, s->err))
        memory = mem_alloc(1, size, s->err);
    s->failed |= !memory;
    if (memory) s->rooms[s->room_count++] = memory;
    return memory;
}

/* ---- constants --------------------------------------------------------------------------------------------------- */

/* No two operations have one place, whatever their names. */
static void constant_name(const Saver *s, const Op *op, const char *what, char out[VALUE_NAME_SIZE]) {
    snprintf(out, VALUE_NAME_SIZE, "%zu/%s.%s", (size_t)(op - s->graph->ops), op->name, what);
}

static const char *small(Saver *s, const Op *op, const char *what, DType dtype, unsigned rank, uint64_t count,
                         const void *values, size_t size) {
    Small *made = room(s, sizeof *made);
    if (!made) return "";
    constant_name(s, op, what, made->name);
    made->dim[0] = count;
    memcpy(made->integers, values, size);
    const TensorOut tensor = {made->name, dtype, rank, made->dim, made->integers};
    onnx_tensor(&s->writer, &tensor, s->err);
    return made->name;
}

static const char *integers(Saver *s, const Op *op, const char *what, const int64_t *values, size_t count) {
    return small(s, op, what, DTYPE_I64, 1, count, values, count * sizeof *values);
}

static const char *number(Saver *s, const Op *op, const char *what, float value) {
    return small(s, op, what, DTYPE_F32, 0, 0, &value, sizeof value);
}

/* ---- nodes ------------------------------------------------------------------------------------------------------- */

/* Begins a node of the operation: its type and first inputs. Named as PyTorch does it, so that the operation keeps its
 * name when it is read back. */
static void begin_node(Saver *s, const Op *op, const char *type, const char *first, const char *second) {
    char name[VALUE_NAME_SIZE];
    snprintf(name, sizeof name, "/%s/%s", op->name, type);
    onnx_node_input(&s->writer, first);
    if (second) onnx_node_input(&s->writer, second);
    onnx_node(&s->writer, type, name);
}

/* A value between two nodes of one operation. */
static const char *middle(Saver *s, const Op *op) {
    char *name = room(s, VALUE_NAME_SIZE);
    if (!name) return "";
    snprintf(name, VALUE_NAME_SIZE, "%s/between%zu", op->name, s->made++);
    return name;
}

static void end_node(Saver *s, const char *output) {
    onnx_node_output(&s->writer, output);
    onnx_node_end(&s->writer);
}

/* A whole node without attributes. */
static const char *plain_node(Saver *s, const Op *op, const char *type, const char *first, const char *second,
                              const char *output) {
    if (!output) output = middle(s, op);
    begin_node(s, op, type, first, second);
    end_node(s, output);
    return output;
}

/* Tied tensors are one initialiser. */
static size_t own_index(const Saver *s, int index) {
    const size_t tied = s->network->tensors[index].tied;
    return tied ? tied - 1 : (size_t)index;
}

static const char *tensor_name(const Saver *s, int index) {
    return s->network->tensors[own_index(s, index)].name;
}

/* The operation's input as images x channels x height x width, or as images x features. */
static const char *input_as(Saver *s, const Op *op, int which, bool flat) {
    const int64_t shape[4] = {0, -1, 1, 1};
    const int from = op->input[which];
    const char *name = s->names[from];
    if (s->flat[from] == flat) return name;
    if (flat) return plain_node(s, op, "Flatten", name, NULL, NULL);
    char what[16];
    snprintf(what, sizeof what, "shape%d", which);
    return plain_node(s, op, "Reshape", name, integers(s, op, what, shape, 4), NULL);
}

/* ---- operations -------------------------------------------------------------------------------------------------- */

static void put_window(Saver *s, const Op *op, const unsigned *dilation) {
    const int64_t kernel[2] = {op->kernel[0], op->kernel[1]}, stride[2] = {op->stride[0], op->stride[1]};
    const int64_t pads[4] = {op->padding[0], op->padding[1], op->padding[2], op->padding[3]};
    onnx_node_integers(&s->writer, "kernel_shape", kernel, 2);
    onnx_node_integers(&s->writer, "strides", stride, 2);
    onnx_node_integers(&s->writer, "pads", pads, 4);
    if (dilation) onnx_node_integers(&s->writer, "dilations", (int64_t[]){dilation[0], dilation[1]}, 2);
}

static void put_convolution(Saver *s, const Op *op, const char *output) {
    begin_node(s, op, "Conv", input_as(s, op, 0, false), tensor_name(s, op->weight));
    if (op->bias >= 0) onnx_node_input(&s->writer, tensor_name(s, op->bias));
    put_window(s, op, op->dilation);
    onnx_node_integer(&s->writer, "group", op->groups);
    end_node(s, output);
}

static void put_linear(Saver *s, const Op *op, const char *output) {
    begin_node(s, op, "Gemm", input_as(s, op, 0, true), tensor_name(s, op->weight));
    if (op->bias >= 0) onnx_node_input(&s->writer, tensor_name(s, op->bias));
    onnx_node_integer(&s->writer, "transB", 1);
    end_node(s, output);
}

/* Ones or zeros in the place of a gamma or beta that the network does not have. */
static const char *vector(Saver *s, const Op *op, const char *what, float value) {
    struct {
        Small head;
        float values[];
    } *made = room(s, sizeof *made + op->out_channels * sizeof(float));
    if (!made) return "";
    constant_name(s, op, what, made->head.name);
    made->head.dim[0] = op->out_channels;
    for (unsigned i = 0; i < op->out_channels; i++) made->values[i] = value;
    const TensorOut tensor = {made->head.name, DTYPE_F32, 1, made->head.dim, made->values};
    onnx_tensor(&s->writer, &tensor, s->err);
    return made->head.name;
}

static void put_batch_norm(Saver *s, const Op *op, const char *output) {
    begin_node(s, op, "BatchNormalization", s->names[op->input[0]],
               op->weight >= 0 ? tensor_name(s, op->weight) : vector(s, op, "gamma", 1));
    onnx_node_input(&s->writer, op->bias >= 0 ? tensor_name(s, op->bias) : vector(s, op, "beta", 0));
    onnx_node_input(&s->writer, tensor_name(s, op->mean));
    onnx_node_input(&s->writer, tensor_name(s, op->variance));
    onnx_node_float(&s->writer, "epsilon", op->epsilon);
    end_node(s, output);
}

/* PyTorch's hard sigmoid has the slope 1/6; ONNX's own default is 0.2. */
static void put_hard_sigmoid(Saver *s, const Op *op, const char *input, const char *output) {
    begin_node(s, op, "HardSigmoid", input, NULL);
    onnx_node_float(&s->writer, "alpha", 1.0F / 6);
    onnx_node_float(&s->writer, "beta", 0.5F);
    end_node(s, output);
}

static void put_gelu(Saver *s, const Op *op, const char *input, const char *output) {
    const char *scaled = plain_node(s, op, "Div", input, number(s, op, "sqrt2", (float)M_SQRT2), NULL);
    const char *sum =
        plain_node(s, op, "Add", plain_node(s, op, "Erf", scaled, NULL, NULL), number(s, op, "one", 1), NULL);
    plain_node(s, op, "Mul", plain_node(s, op, "Mul", input, sum, NULL), number(s, op, "half", 0.5F), output);
}

static void put_activation(Saver *s, const Op *op, const char *output) {
    const char *input = s->names[op->input[0]], *between;
    switch (op->kind) {
    case OP_RELU6:
        begin_node(s, op, "Clip", input, number(s, op, "low", 0));
        onnx_node_input(&s->writer, number(s, op, "high", 6));
        end_node(s, output);
        break;
    case OP_LEAKY_RELU:
        begin_node(s, op, "LeakyRelu", input, NULL);
        onnx_node_float(&s->writer, "alpha", op->slope);
        end_node(s, output);
        break;
    case OP_SILU:
        plain_node(s, op, "Mul", input, plain_node(s, op, "Sigmoid", input, NULL, NULL), output);
        break;
    case OP_HARD_SIGMOID:
        put_hard_sigmoid(s, op, input, output);
        break;
    case OP_HARD_SWISH: /* an operator of its own only from operator set 14 on */
        between = middle(s, op);
        put_hard_sigmoid(s, op, input, between);
        plain_node(s, op, "Mul", input, between, output);
        break;
    case OP_GELU:
        put_gelu(s, op, input, output);
        break;
    default:
        plain_node(s, op, op->kind == OP_RELU ? "Relu" : op->kind == OP_TANH ? "Tanh" : "Sigmoid", input, NULL, output);
        break;
    }
}

static void put_pool(Saver *s, const Op *op, const char *output) {
    const char *input = input_as(s, op, 0, false);
    Op window = *op;
    if (op->kind == OP_GLOBAL_POOL || (op->kind == OP_ADAPTIVE_POOL && op->size[0] == 1 && op->size[1] == 1)) {
        plain_node(s, op, "GlobalAveragePool", input, NULL, output);
        return;
    }
    if (op->kind == OP_ADAPTIVE_POOL) {
        const Shape in = s->shapes[op->input[0]];
        if (in.height % op->size[0] || in.width % op->size[1]) {
            s->failed = true;
            error_set(s->err, STATUS_USAGE,
                      "%s: ONNX has no adaptive pool from %ux%u to %ux%u (its windows differ in size)", op->name,
                      in.height, in.width, op->size[0], op->size[1]);
            return;
        }
        window.stride[0] = window.kernel[0] = in.height / op->size[0];
        window.stride[1] = window.kernel[1] = in.width / op->size[1];
    }
    begin_node(s, op, op->kind == OP_MAX_POOL ? "MaxPool" : "AveragePool", input, NULL);
    put_window(s, &window, NULL);
    if (op->ceiling) onnx_node_integer(&s->writer, "ceil_mode", 1);
    if (op->kind != OP_MAX_POOL) onnx_node_integer(&s->writer, "count_include_pad", !op->exclude_padding);
    end_node(s, output);
}

static void put_join(Saver *s, const Op *op, const char *output) {
    const bool flat = s->flat[op->input[0]] && s->flat[op->input[1]];
    const char *first = input_as(s, op, 0, flat), *second = input_as(s, op, 1, flat);
    if (op->kind != OP_CONCAT) {
        plain_node(s, op, op->kind == OP_ADD ? "Add" : "Mul", first, second, output);
        return;
    }
    begin_node(s, op, "Concat", first, second);
    onnx_node_integer(&s->writer, "axis", 1);
    end_node(s, output);
}

static void put_pads(Saver *s, const Op *op, const char *input, const int64_t *pads, const char *output) {
    plain_node(s, op, "Pad", input, integers(s, op, "pads", pads, 8), output);
}

static void put_slice(Saver *s, const Op *op, const char *input, const int64_t *from, const int64_t *to,
                      const int64_t *axes, const int64_t *steps, size_t count, const char *output) {
    begin_node(s, op, "Slice", input, integers(s, op, "starts", from, count));
    onnx_node_input(&s->writer, integers(s, op, "ends", to, count));
    onnx_node_input(&s->writer, integers(s, op, "axes", axes, count));
    onnx_node_input(&s->writer, integers(s, op, "steps", steps, count));
    end_node(s, output);
}

static void put_move(Saver *s, const Op *op, const char *output) {
    const Shape in = s->shapes[op->input[0]];
    const char *input = input_as(s, op, 0, false);
    const int64_t behind = (int64_t)op->out_channels - in.channels - op->offset;
    if (op->kind == OP_SHORTCUT_A) {
        const bool thins = op->stride[0] > 1 || op->stride[1] > 1, widens = op->out_channels > in.channels;
        const char *thin = !thins ? input : widens ? middle(s, op) : output;
        if (thins)
            put_slice(s, op, input, (int64_t[]){0, 0}, (int64_t[]){INT32_MAX, INT32_MAX}, (int64_t[]){2, 3},
                      (int64_t[]){op->stride[0], op->stride[1]}, 2, thin);
        if (widens) put_pads(s, op, thin, (int64_t[]){0, op->offset, 0, 0, 0, behind, 0, 0}, output);
        if (!thins && !widens) plain_node(s, op, "Identity", input, NULL, output);
    } else if (op->kind == OP_PAD) {
        put_pads(s, op, input, (int64_t[]){0, 0, op->padding[0], op->padding[1], 0, 0, op->padding[2], op->padding[3]},
                 output);
    } else if (op->kind == OP_SLICE) {
        put_slice(s, op, input, (int64_t[]){op->offset}, (int64_t[]){(int64_t)op->offset + op->out_channels},
                  (int64_t[]){1}, (int64_t[]){1}, 1, output);
    } else { /* OP_SHUFFLE */
        const int64_t split[5] = {0, op->groups, in.channels / op->groups, in.height, in.width};
        const int64_t whole[4] = {0, in.channels, in.height, in.width};
        const char *groups = plain_node(s, op, "Reshape", input, integers(s, op, "split", split, 5), NULL);
        const char *turned = middle(s, op);
        begin_node(s, op, "Transpose", groups, NULL);
        onnx_node_integers(&s->writer, "perm", (int64_t[]){0, 2, 1, 3, 4}, 5);
        end_node(s, turned);
        plain_node(s, op, "Reshape", turned, integers(s, op, "whole", whole, 4), output);
    }
}

/* Levels of 8 bits; others have no operator in ONNX. */
static void put_quantiser(Saver *s, const Op *op, const char *output) {
    const Quantiser *q = &op->quantiser;
    if (q->bits != 8) {
        s->failed = true;
        error_set(s->err, STATUS_USAGE, "%s: ONNX has quantisers of 8 bits, not of %u; save it as .safetensors",
                  op->name, q->bits);
        return;
    }
    const uint8_t zero = (uint8_t)q->zero_point;
    const char *scale = number(s, op, "scale", q->scale);
    const char *point = small(s, op, "zero_point", DTYPE_U8, 0, 0, &zero, 1), *levels = middle(s, op);
    begin_node(s, op, "QuantizeLinear", s->names[op->input[0]], scale);
    onnx_node_input(&s->writer, point);
    end_node(s, levels);
    begin_node(s, op, "DequantizeLinear", levels, scale);
    onnx_node_input(&s->writer, point);
    end_node(s, output);
}

static void put_weights(Saver *s, const Op *op, const char *output) {
    (op->kind == OP_CONV ? put_convolution : put_linear)(s, op, output);
}

/* Not the source, which is the first operation. */
static void put_op(Saver *s, size_t position) {
    static void (*const put[])(Saver *, const Op *, const char *) = {
        [CLASS_WEIGHTS] = put_weights, [CLASS_NORM] = put_batch_norm, [CLASS_ACTIVATION] = put_activation,
        [CLASS_POOL] = put_pool,       [CLASS_JOIN] = put_join,       [CLASS_MOVE] = put_move,
        [CLASS_LEVELS] = put_quantiser};
    const Op *op = &s->graph->ops[position];
    const char *output = s->names[position];
    const bool same = op_inputs(op->kind) == 1 && s->flat[op->input[0]];
    s->flat[position] =
        op->kind == OP_LINEAR ||
        (same && op_class(op->kind) != CLASS_POOL && op_class(op->kind) != CLASS_MOVE && op->kind != OP_CONV) ||
        (op_inputs(op->kind) == 2 && s->flat[op->input[0]] && s->flat[op->input[1]]);
    put[op_class(op->kind)](s, op, output);
}

/* ---- the file ---------------------------------------------------------------------------------------------------- */

/* Values are named after their operations, numbered so that no two are alike: "3/layer1.0.add". */
static bool name_values(Saver *s) {
    s->names = mem_alloc(s->graph->count, sizeof *s->names, s->err);
    s->flat = s->names ? mem_alloc(s->graph->count, sizeof *s->flat, s->err) : NULL;
    for (size_t i = 0; s->flat && i < s->graph->count; i++)
        snprintf(s->names[i], sizeof s->names[i], i == 0 ? "input" : "%zu/%s", i, s->graph->ops[i].name);
    return s->flat != NULL;
}

/* The tensors that operations read, each once. */
static bool put_tensors(Saver *s) {
    bool *used = mem_alloc(s->network->tensor_count, sizeof *used, s->err);
    if (!used) return false;
    for (size_t i = 0; i < s->graph->count; i++) {
        const int *tensors = s->graph->ops[i].tensors;
        for (size_t k = 0; k < OP_TENSORS; k++)
            if (tensors[k] >= 0) used[own_index(s, tensors[k])] = true;
    }
    for (size_t i = 0; i < s->network->tensor_count; i++) {
        const NetTensor *from = &s->network->tensors[i];
        const TensorOut tensor = {from->name, DTYPE_F32, from->tensor->rank, from->tensor->dim, from->tensor->data};
        if (used[i]) onnx_tensor(&s->writer, &tensor, s->err);
    }
    mem_free(used);
    return !s->writer.failed;
}

static void put_nodes(Saver *s) {
    const Graph *graph = s->graph;
    const int64_t in[4] = {ONNX_ANY_SIZE, graph->in_channels, graph->height, graph->width};
    for (size_t i = 1; i < graph->count && !s->failed; i++) put_op(s, i);
    const size_t last = graph->count - 1;
    const Op end = {.name = "logits", .input = {(int)last, -1}};
    plain_node(s, &end, s->flat[last] ? "Identity" : "Flatten", s->names[last], NULL, "logits");
    onnx_value(&s->writer, false, "input", 4, in);
    onnx_value(&s->writer, true, "logits", 2, (int64_t[]){ONNX_ANY_SIZE, graph->classes});
}

/* What a graph of nodes does not tell: lineage, normalisation, the layers' bits. */
static size_t keep_metadata(FileParts *parts) {
    static const char *const told[] = {"format", "weft.graph", "weft.quantisers", NULL};
    size_t kept = 0;
    for (size_t i = 0; i < parts->metadata_count; i++) {
        bool keep = true;
        for (size_t k = 0; told[k]; k++) keep = keep && strcmp(parts->metadata[i].key, told[k]) != 0;
        const KeyValue entry = parts->metadata[i];
        parts->metadata[i] = parts->metadata[kept];
        parts->metadata[kept] = entry;
        kept += keep;
    }
    return kept;
}

bool onnx_save_network(const Network *network, const char *path, bool overwrite, Error *err) {
    FileParts parts = {0};
    Saver s = {.network = network, .graph = network->graph, .err = err};
    if (!network->graph)
        return error_set(err, STATUS_USAGE, "%s: an ONNX file holds a graph, and this network has none: %s", path,
                         network->why_unknown ? network->why_unknown : "its architecture is not known");
    Shape *shapes = mem_alloc(network->graph->count, sizeof *shapes, err);
    s.shapes = shapes;
    bool ok = shapes && graph_find_shapes(s.graph, s.graph->height, s.graph->width, shapes, err) && name_values(&s) &&
              put_tensors(&s) && network_parts(network, &parts, err);
    if (ok) put_nodes(&s);
    ok = ok && !s.failed && !s.writer.failed;
    if (ok)
        ok = onnx_save(&s.writer, path, overwrite, parts.metadata, keep_metadata(&parts), err);
    else if (!strstr(err->text, path))
        error_prefix(err, "%s", path);
    onnx_writer_done(&s.writer);
    for (size_t i = 0; i < s.room_count; i++) mem_free(s.rooms[i]);
    mem_free(s.rooms);
    mem_free(s.names);
    mem_free(s.flat);
    mem_free(shapes);
    file_parts_done(&parts);
    return ok;
}
