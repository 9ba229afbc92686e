/* torch_tensor -- one rebuilt tensor: its arguments checked against its storage, and its elements made dense.
 *
 *   _rebuild_tensor(storage, offset, size, stride)
 *   _rebuild_tensor_v2(storage, offset, size, stride, requires_grad, hooks[, metadata])
 *   _rebuild_tensor_v3(storage, offset, size, stride, requires_grad, hooks, dtype[, metadata])   over a storage of
 * bytes _rebuild_parameter(tensor, requires_grad, hooks) Element (i0, i1, ...) is element offset + sum(i * stride) of
 * the storage. Source: torch/_utils.py.
 */
#include <inttypes.h>
#include <string.h>

#include "format/torch.h"
#include "weft/base/dtype.h"
#include "weft/base/error.h"
#include "weft/base/memory.h"
#include "weft/base/size.h"
#include "weft/base/tensor.h"

static bool fault(Error *err, const char *name, const char *reason) {
    return error_set(err, STATUS_BAD_INPUT, "tensor \"%s\": %s", name, reason);
}

/* ---- arguments --------------------------------------------------------------------------------------------------- */

/* The storage of a persistent id, and the part of it that a view takes (in elements of the storage). */
static bool find_storage(const Torch *torch, const PickleNode *node, const char *name, size_t *storage, uint64_t *from,
                         uint64_t *elements, Error *err) {
    if (node->type != PICKLE_PERSISTENT) return fault(err, name, "its storage is invalid");
    const TorchStorage *found = torch_find_storage(torch, pickle_item(node->id, 2));
    if (!found) return fault(err, name, "its storage is not listed");
    *storage = (size_t)(found - torch->storages);
    *from = 0;
    *elements = found->elements;
    const PickleNode *view = pickle_item(node->id, 5);
    if (!view || view->type == PICKLE_NONE) return true;
    const PickleNode *offset = pickle_item(view, 1), *size = pickle_item(view, 2);
    if (view->count != 3 || !size || offset->type != PICKLE_INTEGER || size->type != PICKLE_INTEGER)
        return fault(err, name, "its storage's view is not (key, offset, size)");
    if (offset->integer < 0 || size->integer < 0 || (uint64_t)offset->integer > found->elements ||
        (uint64_t)size->integer > found->elements - (uint64_t)offset->integer)
        return error_set(err, STATUS_BAD_INPUT,
                         "tensor \"%s\": view of %" PRId64 " elements at %" PRId64
                         " of storage '%s', which has %" PRIu64,
                         name, size->integer, offset->integer, found->key->text, found->elements);
    *from = (uint64_t)offset->integer;
    *elements = (uint64_t)size->integer;
    return true;
}

/* A tuple of non-negative integers. */
static bool read_counts(const PickleNode *node, const char *name, const char *what, uint64_t out[TENSOR_RANK_MAX],
                        Error *err) {
    if (node->type != PICKLE_TUPLE)
        return error_set(err, STATUS_BAD_INPUT, "tensor \"%s\": its %s is not a tuple", name, what);
    if (node->count > TENSOR_RANK_MAX)
        return error_set(err, STATUS_BAD_INPUT, "tensor \"%s\": rank %" PRIu32 ", limit %d", name, node->count,
                         TENSOR_RANK_MAX);
    for (const PickleItem *item = node->first; item; item = item->next, out++) {
        if (item->node->type != PICKLE_INTEGER)
            return error_set(err, STATUS_BAD_INPUT, "tensor \"%s\": its %s does not hold integers", name, what);
        if (item->node->integer < 0)
            return error_set(err, STATUS_BAD_INPUT, "tensor \"%s\": negative %s %" PRId64, name, what,
                             item->node->integer);
        *out = (uint64_t)item->node->integer;
    }
    return true;
}

/* Whether all elements lie among the `elements` of the storage. */
static bool check_reach(const char *name, uint64_t offset, unsigned rank, const uint64_t *dim, const uint64_t *stride,
                        uint64_t elements, Error *err) {
    uint64_t last = offset, step;
    bool empty = false, counted = true;
    for (unsigned i = 0; i < rank; i++) empty = empty || dim[i] == 0;
    for (unsigned i = 0; i < rank && !empty; i++)
        counted = counted && size_mul(dim[i] - 1, stride[i], &step) && size_add(last, step, &last);
    if (!counted) return fault(err, name, "size and stride overflow");
    if (empty ? offset <= elements : last < elements) return true;
    return error_set(err, STATUS_BAD_INPUT, "tensor \"%s\": reaches element %" PRIu64 " of a storage of %" PRIu64, name,
                     last, elements);
}

/* An expanded tensor (stride 0) is larger dense than in its storage: that size must fit the budget. Sizes that cannot
 * be counted are checkpoint_add's to refuse. */
static bool check_dense_size(const char *name, DType dtype, unsigned rank, const uint64_t *dim,
                             const TorchStorage *storage, Error *err) {
    uint64_t count, bytes;
    if (!size_product(dim, rank, &count) || !size_mul(count, dtype_bits(dtype) / 8, &bytes)) return true;
    return bytes <= storage->bytes || mem_admit(bytes, name, err);
}

/* Lazily conjugated or negated tensors are flagged in the metadata; their stored elements are not their values. */
static bool check_metadata(const PickleNode *metadata, const char *name, Error *err) {
    static const char *const flags[] = {"conj", "neg"};
    for (size_t i = 0; i < 2 && metadata && metadata->type == PICKLE_DICT; i++) {
        const PickleNode *flag = pickle_get(metadata, flags[i]);
        if (flag && (flag->type != PICKLE_BOOL || flag->truth))
            return error_set(err, STATUS_BAD_INPUT, "tensor \"%s\": stored with its %s bit set; save a resolved copy",
                             name, flags[i]);
    }
    return true;
}

/* The call under _rebuild_parameter, its arguments counted; *item points to each. */
static bool open_call(const PickleNode *node, const char *name, const PickleNode *item[8], PickleMeaning *meaning,
                      Error *err) {
    static const struct {
        PickleMeaning meaning;
        uint32_t least, most;
    } counts[] = {{PICKLE_REBUILD_TENSOR, 4, 4}, {PICKLE_REBUILD_TENSOR_V2, 6, 7}, {PICKLE_REBUILD_TENSOR_V3, 7, 8}};
    *meaning = pickle_global(node)->meaning;
    if (*meaning == PICKLE_REBUILD_PARAMETER) {
        const PickleNode *data = pickle_item(node->arguments, 0);
        if (node->arguments->count < 3 || node->arguments->count > 4 || !data || data->type != PICKLE_CALL ||
            pickle_tensor_within(node) != data) /* the fourth is what was set on it */
            return fault(err, name, "_rebuild_parameter without a tensor and two flags");
        node = data;
        *meaning = pickle_global(node)->meaning;
    }
    for (size_t i = 0; i < sizeof counts / sizeof *counts; i++) {
        if (counts[i].meaning != *meaning) continue;
        if (node->arguments->count < counts[i].least || node->arguments->count > counts[i].most)
            return error_set(err, STATUS_BAD_INPUT, "tensor \"%s\": %s with %" PRIu32 " arguments", name,
                             pickle_global(node)->name, node->arguments->count);
    }
    for (uint32_t i = 0; i < 8; i++) item[i] = pickle_item(node->arguments, i);
    return true;
}

/* A tensor of a call: its storage and shape, as far as the arguments say. */
static bool parse_call(const Torch *torch, const PickleNode *node, const char *name, TorchTensor *out,
                       TorchShape *shape, uint64_t *elements, Error *err) {
    const PickleNode *item[8];
    PickleMeaning meaning;
    uint64_t from = 0;
    if (!open_call(node, name, item, &meaning, err) ||
        !find_storage(torch, item[0], name, &out->storage, &from, elements, err) ||
        !read_counts(item[2], name, "size", shape->dim, err) ||
        !read_counts(item[3], name, "stride", shape->stride, err))
        return false;
    if (item[2]->count != item[3]->count)
        return error_set(err, STATUS_BAD_INPUT, "tensor \"%s\": size has %" PRIu32 " dimensions, stride %" PRIu32, name,
                         item[2]->count, item[3]->count);
    if (item[1]->type != PICKLE_INTEGER || item[1]->integer < 0)
        return fault(err, name, "its storage offset is invalid (negative or not an integer)");
    const PickleGlobal *kind = torch->storages[out->storage].kind;
    bool untyped = kind->meaning == PICKLE_STORAGE_UNTYPED;
    if (kind->reason) return fault(err, name, kind->reason);
    if (untyped != (meaning == PICKLE_REBUILD_TENSOR_V3))
        return fault(err, name,
                     untyped ? "rebuilt without a type from a storage of bytes"
                             : "rebuilt by type from a typed storage");
    shape->dtype = kind->dtype;
    if (untyped) {
        if (item[6]->type != PICKLE_NAME || pickle_global(item[6])->meaning != PICKLE_TORCH_DTYPE)
            return fault(err, name, "its element type is not supported");
        shape->dtype = pickle_global(item[6])->dtype;
        unsigned size = dtype_bits(shape->dtype) / 8;
        if (from % size != 0) return fault(err, name, "its storage's view begins within an element");
        from /= size;
        *elements /= size;
    }
    if (!check_metadata(item[untyped ? 7 : 6], name, err)) return false;
    shape->rank = item[2]->count;
    out->offset = (uint64_t)item[1]->integer;
    if (!check_reach(name, out->offset, shape->rank, shape->dim, shape->stride, *elements, err)) return false;
    out->offset += from;
    return true;
}

bool torch_tensor_parse(const Torch *torch, const PickleNode *node, const char *name, TorchTensor *out,
                        TorchShape *shape, Error *err) {
    const PickleNode *within = pickle_tensor_within(node);
    *out = (TorchTensor){0};
    if (within && (pickle_is_array(within) || pickle_is_list_tensor(within))) {
        out->array = within;
        return torch_array_parse(within, name, shape, err);
    }
    if (within && within->type == PICKLE_PERSISTENT) {
        if (!torch->record)
            return error_set(err, STATUS_BAD_INPUT, "tensor \"%s\": there is no tensor '%.32s' in the file", name,
                             within->id->text ? within->id->text : "");
        if (!torch->record(torch, within->id, name, out, shape, err)) return false;
        uint64_t elements = torch->storages[out->storage].elements;
        if (!check_reach(name, out->offset, shape->rank, shape->dim, shape->stride, elements, err)) return false;
    } else {
        uint64_t elements = 0;
        if (!within && pickle_global(node)->meaning == PICKLE_REBUILD_PARAMETER)
            within = node; /* to say what is wrong */
        if (!within) return fault(err, name, "no tensor");
        if (!parse_call(torch, pickle_global(node)->meaning == PICKLE_PARAMETER ? within : node, name, out, shape,
                        &elements, err))
            return false;
    }
    return check_dense_size(name, shape->dtype, shape->rank, shape->dim, &torch->storages[out->storage], err);
}

/* ---- elements ---------------------------------------------------------------------------------------------------- */

typedef struct Layout {
    unsigned rank, size; /* bytes of an element */
    uint64_t dim[TENSOR_RANK_MAX], stride[TENSOR_RANK_MAX], count;
    uint64_t reach; /* elements from the first to the last, inclusive */
} Layout;

/* The tensor without its dimensions of 1, and with dimensions that lie one in the other joined. */
static Layout layout_of(const CheckpointTensor *tensor, const uint64_t *strides) {
    Layout out = {.size = dtype_bits(tensor->dtype) / 8, .count = tensor->count, .reach = 1};
    for (unsigned i = 0; i < tensor->rank; i++) {
        uint64_t dim = tensor->dim[i], stride = strides[i];
        if (dim == 1) continue;
        out.reach += (dim - 1) * stride;
        if (out.rank > 0 && out.stride[out.rank - 1] == dim * stride) {
            out.dim[out.rank - 1] *= dim;
            out.stride[out.rank - 1] = stride;
        } else {
            out.dim[out.rank] = dim;
            out.stride[out.rank++] = stride;
        }
    }
    return out;
}

static bool is_dense(const Layout *layout) {
    return layout->rank == 0 || (layout->rank == 1 && layout->stride[0] == 1);
}

static void copy_row(uint8_t *out, const uint8_t *in, uint64_t count, uint64_t stride, unsigned size) {
    for (uint64_t i = 0; i < count; i++, out += size, in += stride * size) {
        switch (size) { /* constants, so that each is one move */
        case 1:
            *out = *in;
            break;
        case 2:
            memcpy(out, in, 2);
            break;
        case 4:
            memcpy(out, in, 4);
            break;
        case 8:
            memcpy(out, in, 8);
            break;
        default:
            memcpy(out, in, size);
            break;
        }
    }
}

/* Rank 1 or more. */
static void copy_strided(uint8_t *out, const uint8_t *in, const Layout *layout) {
    uint64_t place[TENSOR_RANK_MAX] = {0}, at = 0;
    unsigned inner = layout->rank - 1;
    for (;;) {
        copy_row(out, in + at * layout->size, layout->dim[inner], layout->stride[inner], layout->size);
        out += layout->dim[inner] * layout->size;
        unsigned d = inner;
        for (; d > 0; d--) {
            at += layout->stride[d - 1];
            if (++place[d - 1] < layout->dim[d - 1]) break;
            at -= layout->dim[d - 1] * layout->stride[d - 1];
            place[d - 1] = 0;
        }
        if (d == 0) return;
    }
}

static void swap_bytes(uint8_t *bytes, uint64_t count, unsigned size) {
    for (uint64_t i = 0; i < count; i++, bytes += size) {
        for (unsigned low = 0, high = size - 1; low < high; low++, high--) {
            uint8_t byte = bytes[low];
            bytes[low] = bytes[high];
            bytes[high] = byte;
        }
    }
}

bool torch_tensor_read(Checkpoint *checkpoint, size_t index, void *out, Error *err) {
    Torch *torch = checkpoint->reader;
    const CheckpointTensor *tensor = &checkpoint->tensors[index];
    if (tensor->count == 0) return true;
    if (torch->tensors[index].array) return torch_array_read(torch, torch->tensors[index].array, tensor, out, err);
    const TorchStorage *storage = &torch->storages[torch->tensors[index].storage];
    Layout layout = layout_of(tensor, torch->tensors[index].stride);
    uint64_t from = torch->tensors[index].offset * layout.size, length = layout.reach * layout.size;
    if (is_dense(&layout)) {
        if (!torch->fetch(torch, storage, from, length, out, err)) return false;
    } else {
        uint8_t *span = mem_admit(length, tensor->name, err) ? mem_alloc(length, 1, err) : NULL;
        bool ok = span && torch->fetch(torch, storage, from, length, span, err);
        if (ok) copy_strided(out, span, &layout);
        mem_free(span);
        if (!ok) return false;
    }
    if (torch->swap) {
        bool complex = tensor->dtype == DTYPE_C64 || tensor->dtype == DTYPE_C128;
        swap_bytes(out, complex ? 2 * tensor->count : tensor->count, complex ? layout.size / 2 : layout.size);
    }
    return true;
}

/* A storage of a zip has one checksum for all tensors that share it, so only a tensor that is a whole one has a place.
 */
bool torch_tensor_place(const Checkpoint *checkpoint, size_t index, CheckpointPlace *out) {
    const Torch *torch = checkpoint->reader;
    const CheckpointTensor *tensor = &checkpoint->tensors[index];
    const TorchTensor *own = &torch->tensors[index];
    if (tensor->count == 0 || own->array || torch->swap) return false;
    const TorchStorage *storage = &torch->storages[own->storage];
    const Layout layout = layout_of(tensor, own->stride);
    const uint64_t from = own->offset * layout.size, length = layout.reach * layout.size;
    if (!is_dense(&layout)) return false;
    if (torch->zip) {
        *out = zip_place(torch->zip, storage->member);
        return from == 0 && length == storage->bytes && zip_member(torch->zip, storage->member)->method == 0;
    }
    *out = (CheckpointPlace){.file = checkpoint->file, .offset = storage->offset + from, .length = length};
    return true;
}
