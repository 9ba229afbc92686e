/* onnx_write -- an ONNX model, written node by node; tensors as raw_data, straight from their memory into the file. */
#include "weft/format/onnx.h"

#include <string.h>

#include "format/protobuf.h"
#include "weft/base/dtype.h"
#include "weft/base/error.h"
#include "weft/base/memory.h"
#include "weft/base/save.h"
#include "weft/base/size.h"
#include "weft/base/text.h"
#include "weft/base/version.h"

enum { IR_VERSION = 8, TYPE_FLOAT = 1 };

/* TensorProto.DataType of what a network's tensors can be saved as; 0: ONNX has no such type. */
static int64_t data_type(DType dtype) {
    static const struct {
        DType dtype;
        int type;
    } types[] = {{DTYPE_F32, 1},  {DTYPE_U8, 2},   {DTYPE_I8, 3},   {DTYPE_U16, 4},   {DTYPE_I16, 5},
                 {DTYPE_I32, 6},  {DTYPE_I64, 7},  {DTYPE_BOOL, 9}, {DTYPE_F16, 10},  {DTYPE_F64, 11},
                 {DTYPE_U32, 12}, {DTYPE_U64, 13}, {DTYPE_C64, 14}, {DTYPE_C128, 15}, {DTYPE_BF16, 16}};
    for (size_t i = 0; i < sizeof types / sizeof *types; i++)
        if (types[i].dtype == dtype) return types[i].type;
    return 0;
}

/* ---- nodes ------------------------------------------------------------------------------------------------------- */

void onnx_node(OnnxWriter *writer, const char *type, const char *name) {
    proto_put_text(&writer->current, 3, name);
    proto_put_text(&writer->current, 4, type);
}

void onnx_node_input(OnnxWriter *writer, const char *name) {
    proto_put_text(&writer->current, 1, name);
}

void onnx_node_output(OnnxWriter *writer, const char *name) {
    proto_put_text(&writer->current, 2, name);
}

void onnx_node_integer(OnnxWriter *writer, const char *name, int64_t value) {
    Str attribute = {0};
    proto_put_text(&attribute, 1, name);
    proto_put_integer(&attribute, 3, value);
    proto_put_integer(&attribute, 20, 2);
    proto_put_message(&writer->current, 5, &attribute);
}

void onnx_node_float(OnnxWriter *writer, const char *name, float value) {
    Str attribute = {0};
    proto_put_text(&attribute, 1, name);
    proto_put_float(&attribute, 2, value);
    proto_put_integer(&attribute, 20, 1);
    proto_put_message(&writer->current, 5, &attribute);
}

void onnx_node_integers(OnnxWriter *writer, const char *name, const int64_t *values, size_t count) {
    Str attribute = {0};
    proto_put_text(&attribute, 1, name);
    for (size_t i = 0; i < count; i++) proto_put_integer(&attribute, 8, values[i]); /* as proto2's schema has it */
    proto_put_integer(&attribute, 20, 7);
    proto_put_message(&writer->current, 5, &attribute);
}

void onnx_node_end(OnnxWriter *writer) {
    proto_put_message(&writer->nodes, 1, &writer->current);
}

void onnx_tensor(OnnxWriter *writer, const TensorOut *tensor, Error *err) {
    if (writer->failed || !mem_grow(&writer->tensors, &writer->capacity, writer->count + 1, sizeof *tensor, err))
        writer->failed = true;
    else
        writer->tensors[writer->count++] = *tensor;
}

void onnx_value(OnnxWriter *writer, bool output, const char *name, unsigned rank, const int64_t *dim) {
    Str shape = {0}, tensor = {0}, type = {0}, value = {0};
    for (unsigned i = 0; i < rank; i++) {
        Str dimension = {0};
        if (dim[i] == ONNX_ANY_SIZE)
            proto_put_text(&dimension, 2, "N");
        else
            proto_put_integer(&dimension, 1, dim[i]);
        proto_put_message(&shape, 1, &dimension);
    }
    proto_put_integer(&tensor, 1, TYPE_FLOAT);
    proto_put_message(&tensor, 2, &shape);
    proto_put_message(&type, 1, &tensor);
    proto_put_text(&value, 1, name);
    proto_put_message(&value, 2, &type);
    proto_put_message(&writer->values, output ? 12 : 11, &value);
}

/* ---- the file ---------------------------------------------------------------------------------------------------- */

/* What stands before a tensor's bytes: its fields, and the head of raw_data. */
static bool tensor_head(const TensorOut *tensor, Str *out, uint64_t *bytes, Error *err) {
    const int64_t type = data_type(tensor->dtype);
    uint64_t count;
    if (type == 0)
        return error_set(err, STATUS_USAGE, "tensor \"%s\": ONNX has no %s", tensor->name, dtype_name(tensor->dtype));
    if (!size_product(tensor->dim, tensor->rank, &count) || !size_mul(count, dtype_bits(tensor->dtype), bytes))
        return error_set(err, STATUS_USAGE, "tensor \"%s\": impossible shape", tensor->name);
    *bytes /= 8;
    for (unsigned i = 0; i < tensor->rank; i++) proto_put_integer(out, 1, (int64_t)tensor->dim[i]);
    proto_put_integer(out, 2, type);
    proto_put_text(out, 8, tensor->name);
    proto_put_head(out, 9, *bytes);
    return str_ok(out, err);
}

/* The tensor as a field of its graph, less its bytes. */
static bool tensor_field(const TensorOut *tensor, Str *out, uint64_t *bytes, Error *err) {
    Str head = {0};
    const bool ok = tensor_head(tensor, &head, bytes, err);
    if (ok) {
        proto_put_head(out, 5, head.length + *bytes);
        str_add_bytes(out, str_text(&head), head.length);
    }
    str_done(&head);
    return ok && str_ok(out, err);
}

/* What stands before the tensors, nodes included, and what stands behind them. */
static bool build_model(OnnxWriter *writer, const KeyValue *metadata, size_t metadata_count, Str *before, Str *behind,
                        Error *err) {
    uint64_t size = 0, bytes;
    for (size_t i = 0; i < writer->count; i++) {
        Str field = {0};
        const bool ok = tensor_field(&writer->tensors[i], &field, &bytes, err);
        const size_t length = field.length;
        str_done(&field);
        if (!ok) return false;
        size += length + bytes;
    }
    Str opset = {0};
    proto_put_text(&writer->values, 2, "weft"); /* the graph's name */
    size += writer->nodes.length + writer->values.length;
    if (size > INT32_MAX)
        return error_set(err, STATUS_LIMIT,
                         "the network has %llu bytes, but an ONNX file holds at most 2 GiB; save it as .safetensors",
                         (unsigned long long)size);
    proto_put_integer(before, 1, IR_VERSION);
    proto_put_text(before, 2, "weft");
    proto_put_text(before, 3, WEFT_VERSION);
    proto_put_head(before, 7, size);
    str_add_bytes(before, str_text(&writer->nodes), writer->nodes.length);
    str_add_bytes(behind, str_text(&writer->values), writer->values.length);
    proto_put_text(&opset, 1, "");
    proto_put_integer(&opset, 2, ONNX_WRITTEN_OPSET);
    proto_put_message(behind, 8, &opset);
    for (size_t i = 0; i < metadata_count; i++) {
        Str entry = {0};
        proto_put_text(&entry, 1, metadata[i].key);
        proto_put_text(&entry, 2, metadata[i].value);
        proto_put_message(behind, 14, &entry);
    }
    return str_ok(&writer->nodes, err) && str_ok(&writer->values, err) && str_ok(before, err) && str_ok(behind, err);
}

static bool write_tensors(const OnnxWriter *writer, Save *save, Error *err) {
    bool ok = true;
    for (size_t i = 0; i < writer->count && ok; i++) {
        Str field = {0};
        uint64_t bytes;
        ok = tensor_field(&writer->tensors[i], &field, &bytes, err) &&
             save_write(save, field.text, field.length, err) && save_write(save, writer->tensors[i].data, bytes, err);
        str_done(&field);
    }
    return ok;
}

bool onnx_save(OnnxWriter *writer, const char *path, bool overwrite, const KeyValue *metadata, size_t metadata_count,
               Error *err) {
    Str before = {0}, behind = {0};
    Save *save = NULL;
    bool ok = !writer->failed; /* then *err says why */
    if (ok && !build_model(writer, metadata, metadata_count, &before, &behind, err)) ok = error_prefix(err, "%s", path);
    ok = ok && (save = save_begin(path, overwrite, err)) && save_write(save, before.text, before.length, err) &&
         write_tensors(writer, save, err) && save_write(save, behind.text, behind.length, err);
    if (ok)
        ok = save_commit(save, err);
    else if (save)
        save_abandon(save);
    str_done(&before);
    str_done(&behind);
    onnx_writer_done(writer);
    return ok;
}

void onnx_writer_done(OnnxWriter *writer) {
    str_done(&writer->nodes);
    str_done(&writer->values);
    str_done(&writer->current);
    mem_free(writer->tensors);
    *writer = (OnnxWriter){0};
}
