/* values -- names and what they stand for; constants, folded. */
#include "net/onnx/onnx.h"

#include <stdlib.h>
#include <string.h>

#include "weft/base/dtype.h"
#include "weft/base/error.h"
#include "weft/base/memory.h"
#include "weft/base/text.h"

bool converter_take(Converter *c, uint64_t bytes) {
    c->taken += bytes;
    return c->taken <= c->room ||
           error_set(c->err, STATUS_FAILED, "its constants take more than twice the file and %d MiB", ROOM_MAX >> 20);
}

void *converter_room(Converter *c, size_t count, size_t size) {
    if (!converter_take(c, (uint64_t)count * size)) return NULL;
    if (!mem_grow(&c->rooms, &c->room_capacity, c->room_count + 1, sizeof *c->rooms, c->err)) return NULL;
    void *room = mem_alloc(count, size, c->err);
    if (room) c->rooms[c->room_count++] = room;
    return room;
}

bool node_refuse(Converter *c, const OnnxNode *node, const char *why, ...) {
    const char *name = *node->name ? node->name : node->output_count > 0 ? node->outputs[0] : "";
    Str text = {0};
    va_list args;
    if (c->err->status != STATUS_OK) return false; /* what went wrong before is the reason: memory, the file */
    va_start(args, why);
    str_addv(&text, why, args);
    va_end(args);
    error_set(c->err, STATUS_FAILED, "node '%s' (%s%s%s): %s", name, node->domain, *node->domain ? "." : "", node->type,
              str_text(&text));
    str_done(&text);
    return false;
}

/* ---- names ------------------------------------------------------------------------------------------------------- */

static int compare_names(const void *a, const void *b) {
    return strcmp(((const Value *)a)->name, ((const Value *)b)->name);
}

Value *value_named(Converter *c, const char *name) {
    const Value key = {.name = name};
    return bsearch(&key, c->values, c->value_count, sizeof key, compare_names);
}

size_t value_index(const Converter *c, const Value *value) {
    return (size_t)(value - c->values);
}

static void add_name(Converter *c, const char *name, const OnnxTensor *stored) {
    if (!*name) return;
    Value *value = &c->values[c->value_count++];
    *value = (Value){.name = name, .stored = stored};
    if (!stored) return;
    value->kind = stored->rank <= ONNX_RANK_MAX ? VALUE_CONSTANT : VALUE_UNKNOWN;
    value->rank = stored->rank;
    value->count = (size_t)stored->count;
    for (unsigned i = 0; i < stored->rank && i < ONNX_RANK_MAX; i++) value->dim[i] = (double)stored->dim[i];
}

/* An initialiser may be listed among the inputs too (IR versions below 4): the one name stands for it. */
static bool is_initialiser(const OnnxModel *model, const char *name, const OnnxTensor **sorted) {
    size_t low = 0, high = model->tensor_count;
    while (low < high) {
        const size_t middle = low + (high - low) / 2;
        const int order = strcmp(sorted[middle]->name, name);
        if (order == 0) return true;
        if (order < 0)
            low = middle + 1;
        else
            high = middle;
    }
    return false;
}

static int compare_tensors(const void *a, const void *b) {
    return strcmp((*(const OnnxTensor *const *)a)->name, (*(const OnnxTensor *const *)b)->name);
}

static bool list_names(Converter *c) {
    const OnnxModel *model = c->model;
    size_t count = model->tensor_count + model->input_count;
    for (size_t i = 0; i < model->node_count; i++) count += model->nodes[i].output_count;
    const OnnxTensor **sorted = converter_room(c, model->tensor_count, sizeof *sorted);
    c->values = sorted ? converter_room(c, count, sizeof *c->values) : NULL;
    if (!c->values) return false;
    for (size_t i = 0; i < model->tensor_count; i++) sorted[i] = &model->tensors[i];
    qsort(sorted, model->tensor_count, sizeof *sorted, compare_tensors);
    for (size_t i = 0; i < model->tensor_count; i++) add_name(c, model->tensors[i].name, &model->tensors[i]);
    for (size_t i = 0; i < model->input_count; i++)
        if (!is_initialiser(model, model->inputs[i].name, sorted)) add_name(c, model->inputs[i].name, NULL);
    for (size_t i = 0; i < model->node_count; i++)
        for (size_t k = 0; k < model->nodes[i].output_count; k++) add_name(c, model->nodes[i].outputs[k], NULL);
    qsort(c->values, c->value_count, sizeof *c->values, compare_names);
    for (size_t i = 0; i < c->value_count; i++) c->values[i].alias = i;
    for (size_t i = 1; i < c->value_count; i++)
        if (compare_names(&c->values[i - 1], &c->values[i]) == 0)
            return error_set(c->err, STATUS_FAILED, "'%s' is given twice", c->values[i].name);
    return true;
}

bool values_prepare(Converter *c) {
    const OnnxModel *model = c->model;
    if (!list_names(c)) return false;
    for (size_t i = 0; i < model->node_count; i++)
        for (size_t k = 0; k < model->nodes[i].input_count; k++) {
            Value *value = value_named(c, model->nodes[i].inputs[k]);
            if (value) value->uses++;
        }
    for (size_t i = 0; i < model->output_count; i++) {
        Value *value = value_named(c, model->outputs[i].name);
        if (value) value->uses++;
    }
    return true;
}

Value *node_input(Converter *c, const OnnxNode *node, size_t index) {
    if (index >= node->input_count || !*node->inputs[index]) return NULL;
    Value *value = value_named(c, node->inputs[index]);
    if (value && value->alias < c->value_count) value = &c->values[value->alias];
    const bool passes = strcmp(node->type, "Identity") == 0 || strcmp(node->type, "Cast") == 0;
    if (value && value->quantised && strcmp(node->type, "DequantizeLinear") != 0) {
        node_refuse(c, node, "computes with integers");
        return NULL;
    }
    if (value && value->final && !passes) {
        node_refuse(c, node, "a softmax before it (attention)");
        return NULL;
    }
    if (value && value->kind != VALUE_UNKNOWN) return value;
    node_refuse(c, node, "its input '%s' is given by no earlier node", node->inputs[index]);
    return NULL;
}

Value *node_need(Converter *c, const OnnxNode *node, size_t index) {
    if (index < node->input_count && *node->inputs[index]) return node_input(c, node, index);
    node_refuse(c, node, "input %zu is missing", index);
    return NULL;
}

Value *node_output(Converter *c, const OnnxNode *node, size_t index) {
    Value *value = index < node->output_count && *node->outputs[index] ? value_named(c, node->outputs[index]) : NULL;
    if (!value)
        node_refuse(c, node, "output %zu is missing", index);
    else
        value->node = node;
    return value;
}

/* ---- attributes and numbers -------------------------------------------------------------------------------------- */

int64_t node_integer(const OnnxNode *node, const char *name, int64_t otherwise) {
    const OnnxAttribute *found = onnx_attribute(node, name);
    return found && found->kind == ONNX_INTEGER ? found->integer : otherwise;
}

double node_number(const OnnxNode *node, const char *name, double otherwise) {
    const OnnxAttribute *found = onnx_attribute(node, name);
    return found && found->kind == ONNX_FLOAT ? found->number : otherwise;
}

static double integer_at(DType type, const unsigned char *at) {
    uint64_t bits = 0;
    const unsigned size = dtype_bits(type) / 8;
    memcpy(&bits, at, size);
    if (type == DTYPE_U64 || type == DTYPE_U32 || type == DTYPE_U16 || type == DTYPE_U8 || type == DTYPE_BOOL)
        return (double)bits;
    const unsigned shift = 64 - 8 * size;
    return (double)((int64_t)(bits << shift) >> shift);
}

/* Stored elements as doubles: integers exactly up to 2^53, and INT64_MAX stays beyond any size. */
static bool read_numbers(Converter *c, const OnnxTensor *tensor, double *out) {
    const size_t count = (size_t)tensor->count, size = dtype_bits(tensor->dtype) / 8;
    unsigned char *bytes = mem_alloc(count, size, c->err);
    float *floats = bytes ? mem_alloc(count, sizeof *floats, c->err) : NULL;
    bool ok = floats && onnx_read(c->checkpoint, tensor, bytes, c->err);
    const bool whole = tensor->dtype == DTYPE_BOOL || dtype_integer(tensor->dtype);
    if (ok && !whole && tensor->dtype != DTYPE_F64) ok = dtype_to_f32(tensor->dtype, bytes, count, floats, c->err);
    for (size_t i = 0; ok && i < count; i++) {
        if (tensor->dtype == DTYPE_F64)
            memcpy(out + i, bytes + i * size, sizeof *out);
        else
            out[i] = whole ? integer_at(tensor->dtype, bytes + i * size) : (double)floats[i];
    }
    mem_free(bytes);
    mem_free(floats);
    return ok;
}

bool value_numbers(Converter *c, Value *value) {
    if (value->kind != VALUE_CONSTANT || value->count > FOLD_MAX) return false;
    if (value->numbers) return true;
    if (!value->stored || !value->stored->number || value->stored->dtype == DTYPE_C64 ||
        value->stored->dtype == DTYPE_C128)
        return false;
    double *numbers = converter_room(c, value->count, sizeof *numbers);
    if (!numbers || !read_numbers(c, value->stored, numbers)) return false;
    value->numbers = numbers;
    return true;
}

bool node_list(Converter *c, const OnnxNode *node, const char *name, size_t index, double *out, size_t *count) {
    const OnnxAttribute *found = onnx_attribute(node, name);
    *count = 0;
    if (found && found->kind == ONNX_INTEGERS) {
        *count = found->count;
        for (size_t i = 0; i < *count && i < ONNX_RANK_MAX; i++) out[i] = (double)found->integers[i];
    } else if (found && found->kind == ONNX_INTEGER) {
        *count = 1;
        out[0] = (double)found->integer;
    } else if (index < node->input_count && *node->inputs[index]) {
        Value *value = node_input(c, node, index);
        if (!value) return false;
        if (!value_numbers(c, value)) return node_refuse(c, node, "'%s' must be a constant", value->name);
        *count = value->count;
        for (size_t i = 0; i < *count && i < ONNX_RANK_MAX; i++) out[i] = value->numbers[i];
    }
    return *count <= ONNX_RANK_MAX || node_refuse(c, node, "%s has %zu numbers", name, *count);
}

double *node_give(Converter *c, const OnnxNode *node, unsigned rank, const double *dim) {
    Value *out = node_output(c, node, 0);
    double count = 1;
    if (!out) return NULL;
    for (unsigned i = 0; i < rank; i++) count *= dim[i];
    if (rank > ONNX_RANK_MAX || !(count >= 0 && count <= FOLD_MAX)) {
        node_refuse(c, node, "its result is too large to be computed here");
        return NULL;
    }
    out->numbers = converter_room(c, (size_t)count, sizeof *out->numbers);
    if (!out->numbers) return NULL;
    out->kind = VALUE_CONSTANT;
    out->rank = rank;
    out->count = (size_t)count;
    for (unsigned i = 0; i < rank; i++) out->dim[i] = dim[i];
    return out->numbers;
}
