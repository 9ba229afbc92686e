/* onnx_tensor -- the tensors of an ONNX file.
 *
 *   TensorProto  1 dims  2 data_type  8 name  14 data_location (1: external)  13 external_data (key, value)
 *                9 raw_data, or, by type, 4 float_data  5 int32_data (also of 8 and 16 bits)  7 int64_data
 *                10 double_data  11 uint64_data (also uint32)
 *
 * The elements are looked for and counted here, and read only when asked for. External ones lie in one file beside the
 * model, whose name can lead to no other folder.
 */
#include "format/onnx_reader.h"

#include <string.h>

#include "weft/base/dtype.h"
#include "weft/base/error.h"
#include "weft/base/file.h"
#include "weft/base/memory.h"
#include "weft/base/size.h"
#include "weft/base/tensor.h"
#include "weft/base/text.h"

/* TensorProto.DataType: what it is here, and the field of its elements where they are not raw. */
static const struct {
    bool number;
    DType dtype;
    unsigned field;
} types[] = {
    [1] = {true, DTYPE_F32, 4},          [2] = {true, DTYPE_U8, 5},           [3] = {true, DTYPE_I8, 5},
    [4] = {true, DTYPE_U16, 5},          [5] = {true, DTYPE_I16, 5},          [6] = {true, DTYPE_I32, 5},
    [7] = {true, DTYPE_I64, 7},          [9] = {true, DTYPE_BOOL, 5},         [10] = {true, DTYPE_F16, 5},
    [11] = {true, DTYPE_F64, 10},        [12] = {true, DTYPE_U32, 11},        [13] = {true, DTYPE_U64, 11},
    [14] = {true, DTYPE_C64, 4},         [15] = {true, DTYPE_C128, 10},       [16] = {true, DTYPE_BF16, 5},
    [17] = {true, DTYPE_F8_E4M3, 5},     [18] = {true, DTYPE_F8_E4M3FNUZ, 5}, [19] = {true, DTYPE_F8_E5M2, 5},
    [20] = {true, DTYPE_F8_E5M2FNUZ, 5},
};
enum { TYPES = sizeof types / sizeof *types };

/* What is known of a tensor while it is read. */
typedef struct Found {
    uint64_t type;
    ProtoField raw;
    bool has_raw, external, has_location;
    const char *location;
    uint64_t offset, length;
    bool has_length;
    uint64_t bytes; /* of the elements in dense form */
} Found;

static bool tensor_refused(const OnnxTensor *tensor, Error *err, const char *what) {
    return error_set(err, STATUS_BAD_INPUT, "tensor \"%s\": %s", tensor->name, what);
}

/* ---- external data ----------------------------------------------------------------------------------------------- */

static bool read_entry(OnnxReader *reader, Proto message, const OnnxTensor *tensor, Found *found, Error *err) {
    const char *key = "", *value = "";
    ProtoField field;
    bool more;
    for (;;) {
        if (!proto_next(&message, &field, &more, err)) return false;
        if (!more) break;
        if (field.number == 1 && !onnx_text(reader, &field, "a key of external data", &key, err)) return false;
        if (field.number == 2 && !onnx_text(reader, &field, "a value of external data", &value, err)) return false;
    }
    if (strcmp(key, "location") == 0) {
        found->location = value;
        found->has_location = true;
        return true;
    }
    uint64_t *number = strcmp(key, "offset") == 0 ? &found->offset : strcmp(key, "length") == 0 ? &found->length : NULL;
    if (number == &found->length) found->has_length = true;
    return !number || text_to_u64(value, number) ||
           tensor_refused(tensor, err, "offset or length of external data is not a number");
}

/* The file `location` beside the model, opened once. */
static bool find_external(OnnxReader *reader, const OnnxTensor *tensor, const char *location, size_t *index,
                          Error *err) {
    const char *path = file_name(reader->source.file), *slash = strrchr(path, '/');
    if (strncmp(location, "./", 2) == 0) location += 2;
    for (*index = 0; *index < reader->external_count; ++*index)
        if (strcmp(reader->external[*index].location, location) == 0) return true;
    if (reader->external_count == CAP_ONNX_EXTERNAL)
        return error_set(err, STATUS_LIMIT, "more than %d files of external data", CAP_ONNX_EXTERNAL);
    if (!*location || *location == '~' || strpbrk(location, "/\\") || strcmp(location, ".") == 0 ||
        strcmp(location, "..") == 0)
        return error_set(err, STATUS_BAD_INPUT,
                         "tensor \"%s\": external data \"%s\" is not the plain name of a file beside the model",
                         tensor->name, location);
    if (!mem_grow(&reader->external, &reader->external_capacity, reader->external_count + 1, sizeof *reader->external,
                  err))
        return false;
    char *folder = slash ? mem_copy_bytes(path, (size_t)(slash - path) + 1, err) : mem_copy_text("", err);
    if (!folder) return false;
    Error why;
    File *file = file_open_in(folder, location, &why);
    mem_free(folder);
    if (!file && why.status != STATUS_BAD_INPUT) return error_set(err, why.status, "%s", why.text);
    if (!file)
        return error_set(
            err, STATUS_BAD_INPUT,
            "the weights are in \"%s\", which cannot be read beside the model; put both files into one folder (%s)",
            location, why.text);
    reader->external[reader->external_count++] = (OnnxExternal){location, file};
    return true;
}

static bool take_external(OnnxReader *reader, const Found *found, OnnxTensor *tensor, Error *err) {
    if (!found->has_location) return tensor_refused(tensor, err, "external data without a location");
    if (found->has_length && found->length != found->bytes)
        return error_set(err, STATUS_BAD_INPUT, "tensor \"%s\": external data has %llu bytes; its shape needs %llu",
                         tensor->name, (unsigned long long)found->length, (unsigned long long)found->bytes);
    if (!find_external(reader, tensor, found->location, &tensor->external, err)) return false;
    const uint64_t size = file_size(reader->external[tensor->external].file);
    if (found->offset > size || found->bytes > size - found->offset)
        return error_set(err, STATUS_BAD_INPUT,
                         "tensor \"%s\": %llu bytes at byte %llu of \"%s\", which has %llu bytes", tensor->name,
                         (unsigned long long)found->bytes, (unsigned long long)found->offset, found->location,
                         (unsigned long long)size);
    tensor->place = ONNX_EXTERNAL;
    tensor->at = found->offset;
    return true;
}

/* ---- elements in typed fields ------------------------------------------------------------------------------------ */

/* Bytes of one element in the file: 4 or 8 for float_data and double_data, 0 for varints. */
static unsigned fixed_size(unsigned field) {
    return field == 4 ? 4 : field == 10 ? 8 : 0;
}

/* How many elements (halves of complex ones) the field holds. */
static bool count_typed(OnnxReader *reader, Proto message, unsigned number, uint64_t *count, Error *err) {
    const unsigned size = fixed_size(number);
    ProtoField field;
    bool more;
    *count = 0;
    for (;;) {
        uint64_t some = 1;
        if (!proto_next(&message, &field, &more, err)) return false;
        if (!more) return true;
        if (field.number != number) continue;
        if (field.wire == PROTO_BYTES) {
            if (size > 0 && field.length % size != 0)
                return proto_fail(field.at, err, "numbers that do not fill whole bytes");
            some = size > 0 ? field.length / size : 0;
            if (size == 0 && !proto_count_varints(&reader->source, &field, &some, err)) return false;
        } else if (!proto_is(&field,
                             size == 4   ? PROTO_FIXED32
                             : size == 8 ? PROTO_FIXED64
                                         : PROTO_VARINT,
                             "a tensor's elements", err)) {
            return false;
        }
        *count += some;
    }
}

static void put_element(uint8_t *out, uint64_t value, unsigned size) {
    for (unsigned i = 0; i < size; i++) out[i] = (uint8_t)(value >> (8 * i));
}

/* The elements of a typed field, dense; their count has been checked. */
static bool read_typed(OnnxReader *reader, const OnnxTensor *tensor, unsigned number, uint8_t *out, Error *err) {
    const unsigned fixed = fixed_size(number), size = fixed ? fixed : dtype_bits(tensor->dtype) / 8;
    uint8_t *const end = out + tensor->count * (dtype_bits(tensor->dtype) / 8);
    Proto message = proto_message(&reader->source, tensor->at, tensor->length);
    ProtoField field;
    bool more;
    for (;;) {
        if (!proto_next(&message, &field, &more, err)) return false;
        if (!more) return out == end || onnx_changed(err);
        if (field.number != number) continue;
        bool one = field.wire != PROTO_BYTES;
        if (!one && fixed) {
            if (field.length > (uint64_t)(end - out)) return onnx_changed(err);
            if (!proto_read(&reader->source, &field, out, err)) return false;
            out += field.length;
            continue;
        }
        for (Proto packed = onnx_message(reader, &field); one || packed.at < packed.end; one = false, out += size) {
            uint64_t value = field.value;
            if (!one && !proto_varint(&packed, &value, err)) return false;
            if (end - out < (ptrdiff_t)size) return onnx_changed(err);
            put_element(out, value, size);
        }
    }
}

/* ---- tensors ----------------------------------------------------------------------------------------------------- */

static bool read_field(OnnxReader *reader, const ProtoField *field, OnnxTensor *out, Found *found, Error *err) {
    switch (field->number) {
    case 2:
        found->type = field->value;
        return proto_is(field, PROTO_VARINT, "a tensor's type", err);
    case 3:
        return error_set(err, STATUS_BAD_INPUT, "a tensor in segments, which is not supported");
    case 8:
        return onnx_text(reader, field, "a tensor's name", &out->name, err);
    case 9:
        found->raw = *field;
        found->has_raw = true;
        return proto_is(field, PROTO_BYTES, "raw_data", err);
    case 13:
        return proto_is(field, PROTO_BYTES, "external_data", err) &&
               read_entry(reader, onnx_message(reader, field), out, found, err);
    case 14:
        found->external = field->value == 1;
        return proto_is(field, PROTO_VARINT, "data_location", err);
    default:
        return true;
    }
}

/* Checks the shape; `found` learns how many bytes the elements have. */
static bool check_shape(OnnxTensor *out, const int64_t *dim, size_t rank, Found *found, Error *err) {
    uint64_t bits;
    if (rank > TENSOR_RANK_MAX)
        return error_set(err, STATUS_LIMIT, "tensor \"%s\": rank %zu, limit %d", out->name, rank, TENSOR_RANK_MAX);
    for (size_t i = 0; i < rank; i++)
        if (dim[i] < 0)
            return error_set(err, STATUS_BAD_INPUT, "tensor \"%s\": dimension %zu is %lld", out->name, i,
                             (long long)dim[i]);
    out->rank = (unsigned)rank;
    out->dim = (const uint64_t *)dim;
    out->number = found->type < TYPES && types[found->type].number;
    if (out->number) out->dtype = types[found->type].dtype;
    if (!size_product(out->dim, out->rank, &out->count) ||
        !size_mul(out->count, out->number ? dtype_bits(out->dtype) : 8, &bits))
        return tensor_refused(out, err, "its shape has too many bytes");
    found->bytes = bits / 8;
    return true;
}

/* Where the elements are, and that they are as many as the shape says. */
static bool find_elements(OnnxReader *reader, Proto message, const Found *found, OnnxTensor *out, Error *err) {
    uint64_t count = 0, needed = out->count;
    if (!out->number) return true;
    if (found->external) return take_external(reader, found, out, err);
    if (found->has_raw) {
        out->place = ONNX_RAW;
        out->at = found->raw.at;
        out->length = found->raw.length;
        return found->raw.length == found->bytes ||
               error_set(err, STATUS_BAD_INPUT, "tensor \"%s\": raw_data has %llu bytes; its shape needs %llu",
                         out->name, (unsigned long long)found->raw.length, (unsigned long long)found->bytes);
    }
    if (out->dtype == DTYPE_C64 || out->dtype == DTYPE_C128) needed *= 2; /* found->bytes did not overflow */
    out->place = ONNX_TYPED;
    out->at = message.at;
    out->length = message.end - message.at;
    return count_typed(reader, message, types[found->type].field, &count, err) &&
           (count == needed || error_set(err, STATUS_BAD_INPUT, "tensor \"%s\": %llu elements; its shape needs %llu",
                                         out->name, (unsigned long long)count, (unsigned long long)needed));
}

bool onnx_read_tensor_message(OnnxReader *reader, Proto message, OnnxTensor *out, Error *err) {
    const int64_t *dim;
    size_t rank;
    Found found = {0};
    ProtoField field;
    bool more;
    *out = (OnnxTensor){.name = ""};
    for (Proto rest = message;;) {
        if (!proto_next(&rest, &field, &more, err)) return false;
        if (!more) break;
        if (!read_field(reader, &field, out, &found, err)) return false;
    }
    return onnx_integers(reader, message, 1, &dim, &rank, err) && check_shape(out, dim, rank, &found, err) &&
           find_elements(reader, message, &found, out, err);
}

/* The field of a type that check_shape has found among the types. */
static unsigned typed_field(DType dtype) {
    size_t i = 0;
    while (!types[i].number || types[i].dtype != dtype) i++;
    return types[i].field;
}

bool onnx_read(Checkpoint *checkpoint, const OnnxTensor *tensor, void *out, Error *err) {
    OnnxReader *reader = checkpoint->reader;
    if (!tensor->number) return tensor_refused(tensor, err, "its elements are not numbers");
    const uint64_t bytes = tensor->count * dtype_bits(tensor->dtype) / 8;
    if (tensor->place == ONNX_TYPED) return read_typed(reader, tensor, typed_field(tensor->dtype), out, err);
    const File *file = tensor->place == ONNX_EXTERNAL ? reader->external[tensor->external].file : checkpoint->file;
    return file_read(file, tensor->at, out, bytes, err);
}
