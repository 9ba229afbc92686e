/* torch_array -- a NumPy array in a PyTorch pickle, or a list of numbers, as a tensor.
 *
 * It reaches us as NumPy pickled it:
 *     _reconstruct(ndarray, (0,), 'b'), then the state (1, shape, dtype, in column order, bytes), or in protocol 5
 *     _frombuffer(bytes, dtype, shape, order)
 * with the bytes as they are, or, from Python 3 in protocol 2, as UTF-8 text of Latin-1 characters. Source:
 * numpy/core/src/multiarray.
 */
#include <inttypes.h>
#include <string.h>

#include "format/npy.h"
#include "format/torch.h"
#include "weft/base/dtype.h"
#include "weft/base/error.h"
#include "weft/base/file.h"
#include "weft/base/memory.h"
#include "weft/base/size.h"
#include "weft/base/tensor.h"

static bool fault(Error *err, const char *name, const char *reason) {
    return error_set(err, STATUS_BAD_INPUT, "tensor \"%s\": %s", name, reason);
}

static bool find_dtype(char kind, unsigned size, DType *out) {
    static const struct {
        char kind;
        uint8_t size;
        DType dtype;
    } types[] = {{'b', 1, DTYPE_BOOL}, {'i', 1, DTYPE_I8},   {'i', 2, DTYPE_I16}, {'i', 4, DTYPE_I32},
                 {'i', 8, DTYPE_I64},  {'u', 1, DTYPE_U8},   {'u', 2, DTYPE_U16}, {'u', 4, DTYPE_U32},
                 {'u', 8, DTYPE_U64},  {'f', 2, DTYPE_F16},  {'f', 4, DTYPE_F32}, {'f', 8, DTYPE_F64},
                 {'c', 8, DTYPE_C64},  {'c', 16, DTYPE_C128}};
    for (size_t i = 0; i < sizeof types / sizeof *types; i++)
        if (types[i].kind == kind && types[i].size == size) {
            *out = types[i].dtype;
            return true;
        }
    return false;
}

static bool read_shape(const PickleNode *node, const char *name, TorchShape *shape, Error *err) {
    if (node->type != PICKLE_TUPLE) return fault(err, name, "its shape is not a tuple");
    if (node->count > TENSOR_RANK_MAX)
        return error_set(err, STATUS_BAD_INPUT, "tensor \"%s\": rank %" PRIu32 ", limit %d", name, node->count,
                         TENSOR_RANK_MAX);
    for (const PickleItem *item = node->first; item; item = item->next) {
        if (item->node->type != PICKLE_INTEGER || item->node->integer < 0)
            return fault(err, name, "its shape has invalid sizes");
        shape->dim[shape->rank++] = (uint64_t)item->node->integer;
    }
    return true;
}

static bool in_columns(const PickleNode *order) {
    return order->type == PICKLE_BOOL ? order->truth : pickle_is_text(order, "F");
}

/* ---- lists ------------------------------------------------------------------------------------------------------- */

static bool parse_list(const PickleNode *node, const char *name, TorchShape *shape, Error *err) {
    uint64_t count, bytes;
    shape->dtype = node->shape == PICKLE_REALS ? DTYPE_F64 : DTYPE_I64;
    for (; node->shape >= PICKLE_INTEGERS; node = node->first->node) {
        if (shape->rank == TENSOR_RANK_MAX)
            return error_set(err, STATUS_BAD_INPUT, "tensor \"%s\": lists deeper than %d", name, TENSOR_RANK_MAX);
        shape->dim[shape->rank++] = node->count;
    }
    /* Lists that are shared are larger dense than in the file. */
    if (!size_product(shape->dim, shape->rank, &count) || !size_mul(count, 8, &bytes))
        return fault(err, name, "its lists have too many bytes");
    return mem_admit(bytes, name, err);
}

/* The numbers from left to right. */
static void read_list(const PickleNode *node, unsigned rank, bool reals, uint8_t *out) {
    const PickleItem *at[TENSOR_RANK_MAX];
    unsigned depth = 1;
    at[0] = node->first;
    while (depth > 0) {
        const PickleItem *item = at[depth - 1];
        if (!item) {
            depth--;
            continue;
        }
        at[depth - 1] = item->next;
        if (depth < rank) {
            at[depth++] = item->node->first;
            continue;
        }
        const double real = item->node->type == PICKLE_REAL ? item->node->real : (double)item->node->integer;
        if (reals)
            memcpy(out, &real, 8); /* little-endian, as all of us */
        else
            memcpy(out, &item->node->integer, 8);
        out += 8;
    }
}

/* ---- arrays ------------------------------------------------------------------------------------------------------ */

bool torch_array_parse(const PickleNode *node, const char *name, TorchShape *shape, Error *err) {
    const PickleNode *part[4];
    char kind;
    unsigned size;
    bool big;
    uint64_t count, bytes;
    shape->rank = 0;
    if (pickle_is_list_tensor(node)) return parse_list(node, name, shape, err);
    if (!pickle_array_parts(node, part) || !pickle_numpy_type(part[1], &kind, &size, &big) ||
        !find_dtype(kind, size, &shape->dtype))
        return fault(err, name, "a NumPy array whose type is not numeric");
    if (!read_shape(part[0], name, shape, err)) return false;
    if (!size_product(shape->dim, shape->rank, &count) || !size_mul(count, size, &bytes))
        return fault(err, name, "its shape has too many bytes");
    const PickleNode *data = part[3];
    if (data->type == PICKLE_LATIN1) return bytes <= data->count || fault(err, name, "its data is too short");
    if (data->type != PICKLE_BYTES && data->type != PICKLE_TEXT) return fault(err, name, "its data is not bytes");
    return bytes == data->count ||
           error_set(err, STATUS_BAD_INPUT, "tensor \"%s\": its shape needs %" PRIu64 " bytes, its data has %" PRIu32,
                     name, bytes, data->count);
}

/* ---- data -------------------------------------------------------------------------------------------------------- */

typedef struct Source {
    const File *file; /* of long strings */
    const PickleNode *data;
} Source;

/* All of the data; `length` is its size by the shape. */
static bool fill_data(void *context, void *out, uint64_t length, Error *err) {
    enum { PIECE = 16384 };
    const Source *source = context;
    const PickleNode *data = source->data;
    uint8_t piece[PIECE], *to = out, lead = 0; /* lead: the first byte of a character whose second one comes next */
    uint64_t made = 0;
    if (data->text) {
        memcpy(out, data->text, length); /* as long as the shape asks for: torch_array_parse has seen it */
        return true;
    }
    if (!source->file) return error_set(err, STATUS_BAD_INPUT, "the array's data is missing");
    if (data->type != PICKLE_LATIN1) return file_read(source->file, data->offset, out, length, err);
    for (uint64_t at = 0, size; at < data->count; at += size) {
        size = data->count - at < PIECE ? data->count - at : PIECE;
        if (!file_read(source->file, data->offset + at, piece, size, err)) return false;
        for (uint64_t i = 0; i < size; i++) {
            uint8_t byte = piece[i];
            const bool follows = (byte & 0xc0) == 0x80;
            if (follows != (lead != 0) || (byte >= 0x80 && !follows && byte != 0xc2 && byte != 0xc3))
                return error_set(err, STATUS_BAD_INPUT, "the array's data is text that is not Latin-1");
            if (byte >= 0xc2) {
                lead = byte;
                continue;
            }
            if (made == length) return error_set(err, STATUS_BAD_INPUT, "the array's data is too long");
            to[made++] = (uint8_t)(follows ? lead << 6 | (byte & 0x3f) : byte);
            lead = 0;
        }
    }
    return (made == length && !lead) || error_set(err, STATUS_BAD_INPUT, "the array's data is too short");
}

bool torch_array_read(const Torch *torch, const PickleNode *node, const CheckpointTensor *tensor, void *out,
                      Error *err) {
    const PickleNode *part[4];
    char kind;
    unsigned size;
    if (pickle_is_list_tensor(node)) {
        read_list(node, tensor->rank, tensor->dtype == DTYPE_F64, out);
        return true;
    }
    NpyHeader header = {.dtype = tensor->dtype, .rank = tensor->rank, .bytes = checkpoint_tensor_bytes(tensor)};
    if (!pickle_array_parts(node, part) || !pickle_numpy_type(part[1], &kind, &size, &header.big_endian)) return false;
    Source source = {torch->text, part[3]};
    header.fortran = in_columns(part[2]);
    memcpy(header.dim, tensor->dim, tensor->rank * sizeof *header.dim);
    return npy_read_data(fill_data, &source, &header, out, err) || error_prefix(err, "tensor \"%s\"", tensor->name);
}
