/* onnx -- the reader: a ModelProto as plain data, and its initialisers as a checkpoint.
 *
 *   ModelProto   1 ir_version  2 producer_name  7 graph  8 opset_import  14 metadata_props
 *   GraphProto   1 node  5 initializer  11 input  12 output  15 sparse_initializer
 *   NodeProto    1 input  2 output  3 name  4 op_type  5 attribute  7 domain
 *
 * (onnx.proto of onnx/onnx; tensors are in onnx_tensor.c.) Messages are read by their place in this schema, so nothing
 * in a file can nest deeper. Subgraphs (If, Loop) are not entered. All texts and lists live in blocks whose sum has a
 * cap.
 */
#include "format/onnx_reader.h"

#include <string.h>

#include "weft/base/dtype.h"
#include "weft/base/error.h"
#include "weft/base/file.h"
#include "weft/base/memory.h"
#include "weft/base/text.h"

/* ---- lists of numbers -------------------------------------------------------------------------------------------- */

/* All numbers of a field: those that `room` suffices for go to `list`, *count says how many there are. */
static bool take_floats(OnnxReader *reader, Proto message, uint32_t number, float *list, uint64_t room, uint64_t *count,
                        Error *err) {
    ProtoField field;
    bool more;
    *count = 0;
    for (;;) {
        if (!proto_next(&message, &field, &more, err)) return false;
        if (!more) return true;
        if (field.number != number) continue;
        if (field.wire != PROTO_BYTES) {
            const uint32_t bits = (uint32_t)field.value;
            if (!proto_is(&field, PROTO_FIXED32, "a list of numbers", err)) return false;
            if (*count < room) memcpy(list + *count, &bits, sizeof bits);
            ++*count;
            continue;
        }
        if (field.length % 4 != 0) return proto_fail(field.at, err, "numbers that are not a multiple of 4 bytes");
        if (*count + field.length / 4 <= room && !proto_read(&reader->source, &field, list + *count, err)) return false;
        *count += field.length / 4;
    }
}

static bool read_floats(OnnxReader *reader, Proto message, uint32_t number, OnnxAttribute *out, Error *err) {
    uint64_t total, again;
    if (!take_floats(reader, message, number, NULL, 0, &total, err)) return false;
    float *list = onnx_room(reader, total, sizeof *list, err);
    if (!list || !take_floats(reader, message, number, list, total, &again, err)) return false;
    out->numbers = list;
    out->count = (size_t)total;
    return again == total || onnx_changed(err);
}

/* ---- attributes -------------------------------------------------------------------------------------------------- */

static bool read_one(OnnxReader *reader, const ProtoField *field, OnnxAttribute *out, Error *err) {
    const uint32_t bits = (uint32_t)field->value;
    float number;
    switch (field->number) {
    case 1:
        return onnx_text(reader, field, "an attribute's name", &out->name, err);
    case 2:
        if (!proto_is(field, PROTO_FIXED32, "an attribute's number", err)) return false;
        memcpy(&number, &bits, sizeof number);
        out->number = (double)number;
        return true;
    case 3:
        out->integer = (int64_t)field->value;
        return proto_is(field, PROTO_VARINT, "an attribute's integer", err);
    case 4: {
        bool text;
        if (!onnx_bytes(reader, field, "an attribute's text", &out->text, &text, err)) return false;
        if (!text) out->text = NULL; /* bytes that are no text are somebody else's */
        return true;
    }
    case 5: {
        OnnxTensor *tensor = onnx_room(reader, 1, sizeof *tensor, err);
        out->tensor = tensor;
        return tensor && proto_is(field, PROTO_BYTES, "an attribute's tensor", err) &&
               onnx_read_tensor_message(reader, onnx_message(reader, field), tensor, err);
    }
    default:
        return true;
    }
}

static bool read_attribute(OnnxReader *reader, Proto message, OnnxAttribute *out, Error *err) {
    static const struct {
        unsigned field;
        OnnxKind kind;
    } kinds[] = {{2, ONNX_FLOAT},  {3, ONNX_INTEGER}, {4, ONNX_TEXT},
                 {5, ONNX_TENSOR}, {7, ONNX_FLOATS},  {8, ONNX_INTEGERS}};
    /* AttributeProto.type, of which proto2 writers leave the value out where it says nothing new */
    static const OnnxKind types[] = {ONNX_OTHER,  ONNX_FLOAT, ONNX_INTEGER, ONNX_TEXT,
                                     ONNX_TENSOR, ONNX_OTHER, ONNX_FLOATS,  ONNX_INTEGERS};
    uint64_t counts[ONNX_FIELDS];
    ProtoField field;
    bool more;
    *out = (OnnxAttribute){.name = ""};
    if (!onnx_count_fields(message, counts, err)) return false;
    for (size_t i = 0; i < sizeof kinds / sizeof *kinds; i++)
        if (counts[kinds[i].field] > 0) out->kind = kinds[i].kind;
    for (Proto rest = message;;) {
        if (!proto_next(&rest, &field, &more, err)) return false;
        if (!more) break;
        if (field.number == 20 && field.wire == PROTO_VARINT)
            out->kind = field.value < sizeof types / sizeof *types ? types[field.value] : ONNX_OTHER;
        if (!read_one(reader, &field, out, err)) return false;
    }
    if (out->kind == ONNX_TEXT && !out->text) out->text = "";
    if (out->kind == ONNX_TENSOR && !out->tensor)
        return error_set(err, STATUS_BAD_INPUT, "attribute \"%s\" has no tensor", out->name);
    if (out->kind == ONNX_FLOATS) return read_floats(reader, message, 7, out, err);
    return out->kind != ONNX_INTEGERS || onnx_integers(reader, message, 8, &out->integers, &out->count, err);
}

/* ---- nodes ------------------------------------------------------------------------------------------------------- */

static bool read_node(OnnxReader *reader, Proto message, OnnxNode *out, Error *err) {
    uint64_t counts[ONNX_FIELDS];
    ProtoField field;
    bool more;
    *out = (OnnxNode){.name = "", .type = "", .domain = ""};
    if (!onnx_count_fields(message, counts, err)) return false;
    const char **inputs = onnx_room(reader, counts[1], sizeof *inputs, err);
    const char **outputs = inputs ? onnx_room(reader, counts[2], sizeof *outputs, err) : NULL;
    OnnxAttribute *attributes = outputs ? onnx_room(reader, counts[5], sizeof *attributes, err) : NULL;
    if (!attributes) return false;
    out->inputs = inputs;
    out->outputs = outputs;
    out->attributes = attributes;
    for (;;) {
        if (!onnx_next_counted(&message, counts, &field, &more, err)) return false;
        if (!more) break;
        bool ok = true;
        switch (field.number) {
        case 1:
            ok = onnx_text(reader, &field, "a node's input", &inputs[out->input_count++], err);
            break;
        case 2:
            ok = onnx_text(reader, &field, "a node's output", &outputs[out->output_count++], err);
            break;
        case 3:
            ok = onnx_text(reader, &field, "a node's name", &out->name, err);
            break;
        case 4:
            ok = onnx_text(reader, &field, "a node's operator", &out->type, err);
            break;
        case 5:
            ok = proto_is(&field, PROTO_BYTES, "a node's attribute", err) &&
                 read_attribute(reader, onnx_message(reader, &field), &attributes[out->attribute_count++], err);
            break;
        case 7:
            ok = onnx_text(reader, &field, "a node's domain", &out->domain, err);
            break;
        default:
            break;
        }
        if (!ok) return false;
    }
    return *out->type || error_set(err, STATUS_BAD_INPUT, "node \"%s\" has no operator", out->name);
}

/* ---- inputs and outputs ------------------------------------------------------------------------------------------ */

/* The one field `number` of a message; *found is false where it has none (of several the last counts, as in protobuf).
 */
static bool find_field(Proto message, uint32_t number, ProtoField *out, bool *found, Error *err) {
    ProtoField field;
    bool more;
    *found = false;
    for (;;) {
        if (!proto_next(&message, &field, &more, err)) return false;
        if (!more) return true;
        if (field.number != number) continue;
        *out = field;
        *found = true;
    }
}

static bool read_dimension(OnnxReader *reader, const ProtoField *dimension, OnnxValue *out, Error *err) {
    ProtoField field;
    bool known;
    if (!proto_is(dimension, PROTO_BYTES, "a dimension", err)) return false;
    if (out->rank == ONNX_RANK_MAX)
        return error_set(err, STATUS_LIMIT, "\"%s\" has more than %d dimensions", out->name, ONNX_RANK_MAX);
    if (!find_field(onnx_message(reader, dimension), 1, &field, &known, err)) return false;
    int64_t size = known ? (int64_t)field.value : ONNX_ANY_SIZE;
    if (known && !proto_is(&field, PROTO_VARINT, "a dimension's size", err)) return false;
    out->dim[out->rank++] = size < 0 ? ONNX_ANY_SIZE : size;
    return true;
}

static bool read_shape(OnnxReader *reader, Proto shape, OnnxValue *out, Error *err) {
    ProtoField field;
    bool more;
    out->shaped = true;
    for (;;) {
        if (!proto_next(&shape, &field, &more, err)) return false;
        if (!more) return true;
        if (field.number == 1 && !read_dimension(reader, &field, out, err)) return false;
    }
}

static bool read_value(OnnxReader *reader, Proto message, OnnxValue *out, Error *err) {
    static const uint32_t path[] = {2, 1, 2}; /* type, tensor_type, shape */
    ProtoField field;
    bool found;
    *out = (OnnxValue){.name = ""};
    if (!find_field(message, 1, &field, &found, err)) return false;
    if (found && !onnx_text(reader, &field, "an input's or output's name", &out->name, err)) return false;
    for (size_t i = 0; i < sizeof path / sizeof *path; i++) {
        if (!find_field(message, path[i], &field, &found, err)) return false;
        if (!found) return true;
        if (!proto_is(&field, PROTO_BYTES, "an input's or output's type", err)) return false;
        message = onnx_message(reader, &field);
    }
    return read_shape(reader, message, out, err);
}

/* ---- graph and model --------------------------------------------------------------------------------------------- */

typedef struct Lists {
    OnnxNode *nodes;
    OnnxTensor *tensors;
    OnnxValue *inputs, *outputs;
} Lists;

static bool read_part(OnnxReader *reader, const ProtoField *field, Lists *lists, Error *err) {
    OnnxModel *model = &reader->model;
    const Proto message = onnx_message(reader, field);
    switch (field->number) {
    case 1:
        return proto_is(field, PROTO_BYTES, "a node", err) &&
               read_node(reader, message, &lists->nodes[model->node_count++], err);
    case 5:
        return proto_is(field, PROTO_BYTES, "an initialiser", err) &&
               onnx_read_tensor_message(reader, message, &lists->tensors[model->tensor_count++], err);
    case 11:
        return proto_is(field, PROTO_BYTES, "an input", err) &&
               read_value(reader, message, &lists->inputs[model->input_count++], err);
    case 12:
        return proto_is(field, PROTO_BYTES, "an output", err) &&
               read_value(reader, message, &lists->outputs[model->output_count++], err);
    case 15:
        return error_set(err, STATUS_BAD_INPUT, "sparse initialisers are not supported; export dense ones");
    default:
        return true;
    }
}

static bool read_graph(OnnxReader *reader, Proto message, Error *err) {
    OnnxModel *model = &reader->model;
    uint64_t counts[ONNX_FIELDS];
    ProtoField field;
    bool more;
    if (model->nodes) return error_set(err, STATUS_BAD_INPUT, "two graphs");
    if (!onnx_count_fields(message, counts, err)) return false;
    if (counts[1] > CAP_ONNX_ITEMS || counts[5] > CAP_ONNX_ITEMS)
        return error_set(err, STATUS_LIMIT, "%llu nodes and %llu initialisers, limit %d", (unsigned long long)counts[1],
                         (unsigned long long)counts[5], CAP_ONNX_ITEMS);
    Lists lists = {.nodes = onnx_room(reader, counts[1], sizeof *lists.nodes, err)};
    if (!lists.nodes || !(lists.tensors = onnx_room(reader, counts[5], sizeof *lists.tensors, err)) ||
        !(lists.inputs = onnx_room(reader, counts[11], sizeof *lists.inputs, err)) ||
        !(lists.outputs = onnx_room(reader, counts[12], sizeof *lists.outputs, err)))
        return false;
    model->nodes = lists.nodes;
    model->tensors = lists.tensors;
    model->inputs = lists.inputs;
    model->outputs = lists.outputs;
    for (;;) {
        if (!onnx_next_counted(&message, counts, &field, &more, err)) return false;
        if (!more) return true;
        if (!read_part(reader, &field, &lists, err)) return false;
    }
}

static bool read_opset(OnnxReader *reader, Proto message, Error *err) {
    const char *domain = "";
    uint64_t version = 0;
    ProtoField field;
    bool more;
    for (;;) {
        if (!proto_next(&message, &field, &more, err)) return false;
        if (!more) break;
        if (field.number == 1 && !onnx_text(reader, &field, "an operator set's domain", &domain, err)) return false;
        if (field.number != 2) continue;
        if (!proto_is(&field, PROTO_VARINT, "an operator set's version", err)) return false;
        version = field.value;
    }
    if (!*domain || strcmp(domain, "ai.onnx") == 0) {
        if (version == 0 || version > 1000)
            return error_set(err, STATUS_BAD_INPUT, "operator set %lld does not exist", (long long)version);
        reader->model.opset = (int64_t)version;
    }
    return true;
}

static bool read_metadata(OnnxReader *reader, Checkpoint *checkpoint, Proto message, Error *err) {
    const char *key = "", *value = "";
    ProtoField field;
    bool more;
    for (;;) {
        if (!proto_next(&message, &field, &more, err)) return false;
        if (!more) return !*key || checkpoint_add_metadata(checkpoint, key, value, err);
        if (field.number == 1 && !onnx_text(reader, &field, "a metadata key", &key, err)) return false;
        if (field.number == 2 && !onnx_text(reader, &field, "a metadata value", &value, err)) return false;
    }
}

static bool read_model(OnnxReader *reader, Checkpoint *checkpoint, Error *err) {
    Proto model = proto_message(&reader->source, 0, file_size(checkpoint->file));
    ProtoField field;
    bool more;
    for (;;) {
        if (!proto_next(&model, &field, &more, err)) return false;
        if (!more) break;
        bool ok = true;
        const Proto message = onnx_message(reader, &field);
        if (field.number == 7 || field.number == 8 || field.number == 14)
            ok = proto_is(&field, PROTO_BYTES, "a part of the model", err);
        if (field.number == 1 && (ok = proto_is(&field, PROTO_VARINT, "ir_version", err)))
            reader->model.version = (int64_t)field.value;
        if (field.number == 2) ok = onnx_text(reader, &field, "the producer's name", &reader->model.producer, err);
        if (ok && field.number == 7) ok = read_graph(reader, message, err);
        if (ok && field.number == 8) ok = read_opset(reader, message, err);
        if (ok && field.number == 14) ok = read_metadata(reader, checkpoint, message, err);
        if (!ok) return false;
    }
    if (!reader->model.nodes) return error_set(err, STATUS_BAD_INPUT, "an ONNX model without a graph (cut short?)");
    return reader->model.opset > 0 ||
           error_set(err, STATUS_BAD_INPUT, "an ONNX model that imports no operator set (cut short?)");
}

/* ---- the checkpoint ---------------------------------------------------------------------------------------------- */

const OnnxAttribute *onnx_attribute(const OnnxNode *node, const char *name) {
    for (size_t i = 0; i < node->attribute_count; i++)
        if (strcmp(node->attributes[i].name, name) == 0) return &node->attributes[i];
    return NULL;
}

const OnnxTensor *onnx_constant(const OnnxNode *node) {
    const OnnxAttribute *value = onnx_attribute(node, "value");
    return strcmp(node->type, "Constant") == 0 && node->output_count == 1 && value && value->kind == ONNX_TENSOR
               ? value->tensor
               : NULL;
}

static bool add_tensor(OnnxReader *reader, Checkpoint *checkpoint, const OnnxTensor *tensor, const char *name,
                       Error *err) {
    if (!*name) return error_set(err, STATUS_BAD_INPUT, "an initialiser without a name");
    if (!tensor->number)
        return checkpoint_add_note(checkpoint, err, "tensor '%s' left out: its elements are text or of an unknown type",
                                   name);
    if (!mem_grow(&reader->listed, &reader->listed_capacity, checkpoint->count + 1, sizeof *reader->listed, err))
        return false;
    reader->listed[checkpoint->count] = tensor;
    return checkpoint_add(checkpoint, name, strlen(name), tensor->dtype, tensor->rank, tensor->dim, err);
}

static bool list_tensors(OnnxReader *reader, Checkpoint *checkpoint, Error *err) {
    const OnnxModel *model = &reader->model;
    for (size_t i = 0; i < model->tensor_count; i++)
        if (!add_tensor(reader, checkpoint, &model->tensors[i], model->tensors[i].name, err)) return false;
    for (size_t i = 0; i < model->node_count; i++) {
        const OnnxTensor *tensor = onnx_constant(&model->nodes[i]);
        const bool weight = tensor && tensor->number && tensor->rank > 0 && tensor->dtype != DTYPE_BOOL &&
                            !dtype_integer(tensor->dtype);
        if (weight && !add_tensor(reader, checkpoint, tensor, model->nodes[i].outputs[0], err)) return false;
    }
    return checkpoint_seal(checkpoint, err);
}

const OnnxModel *checkpoint_onnx(const Checkpoint *checkpoint) {
    return checkpoint->read == onnx_read_listed ? &((const OnnxReader *)checkpoint->reader)->model : NULL;
}

bool onnx_read_listed(Checkpoint *checkpoint, size_t index, void *out, Error *err) {
    const OnnxReader *reader = checkpoint->reader;
    return onnx_read(checkpoint, reader->listed[index], out, err);
}

static void free_reader(void *opaque) {
    OnnxReader *reader = opaque;
    for (size_t i = 0; i < reader->external_count; i++) file_close(reader->external[i].file);
    onnx_free_room(reader);
    mem_free(reader->external);
    mem_free(reader->listed);
    mem_free(reader);
}

static Checkpoint *open_onnx(File *file, const CheckpointOpening *opening, Error *err) {
    (void)opening;
    Checkpoint *checkpoint = checkpoint_new(file, file_name(file), "ONNX", err);
    if (!checkpoint) return NULL;
    OnnxReader *reader = mem_alloc(1, sizeof *reader, err);
    if (reader) {
        checkpoint->reader = reader;
        checkpoint->free_reader = free_reader;
        checkpoint->read = onnx_read_listed;
        reader->source.file = checkpoint->file;
        reader->model.producer = "";
        if (read_model(reader, checkpoint, err) && list_tensors(reader, checkpoint, err)) return checkpoint;
    }
    checkpoint_close(checkpoint);
    return NULL;
}

/* A varint of the head; false where it does not end there. */
static bool head_varint(const Head *head, size_t *at, uint64_t *value) {
    *value = 0;
    for (unsigned shift = 0; shift < 64 && *at < head->length; shift += 7) {
        const uint8_t byte = head->bytes[(*at)++];
        *value |= (uint64_t)(byte & 0x7F) << shift;
        if (byte < 0x80) return true;
    }
    return false;
}

/* protobuf has no magic. An ONNX model is fields of ModelProto: ir_version (1) and model_version (5) are numbers, the
 * producer's texts (2, 3, 4, 6) are text, and there is a graph (7), an operator set (8) or the end of the head. */
static bool is_onnx(const Head *head) {
    size_t fields = 0;
    for (size_t at = 0; at < head->length; fields++) {
        uint64_t tag, value;
        if (!head_varint(head, &at, &tag) || !head_varint(head, &at, &value)) return false;
        const bool text = tag == 0x12 || tag == 0x1a || tag == 0x22 || tag == 0x32;
        if (tag == 0x3a) return fields > 0;
        if (tag == 0x42) return value > 0 && at < head->length && (head->bytes[at] == 0x0a || head->bytes[at] == 0x10);
        if (tag == 0x08 || tag == 0x28) continue;
        if (!text || value > head->file_size) return false;
        if (value > head->length - at) return fields > 0 && tag == 0x32; /* a long doc_string */
        if (!text_valid_utf8((const char *)head->bytes + at, (size_t)value)) return false;
        for (uint64_t i = 0; i < value && tag != 0x32; i++)
            if (head->bytes[at + i] < ' ') return false;
        at += (size_t)value;
    }
    return false;
}

const CheckpointReader onnx_reader = {FILE_ONNX, is_onnx, open_onnx};
