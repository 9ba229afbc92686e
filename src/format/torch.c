/* torch -- storages of a PyTorch pickle, and the state dict among what it holds.
 *
 * A storage is named by a persistent id: ('storage', KIND, key, location, elements), in legacy files with a sixth item,
 * None or a view (view key, offset, elements). The root is a tensor, a list, a state dict, or a dict that holds one
 * beside scalars (epoch, best_prec1) and the optimiser's state.
 */
#include "format/torch.h"

#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "weft/base/dtype.h"
#include "weft/base/error.h"
#include "weft/base/file.h"
#include "weft/base/memory.h"
#include "weft/base/size.h"
#include "weft/base/text.h"

enum { NAME_BYTES = 32 << 20, NAME_BYTES_EACH = 8, CAP_METADATA = 1000 };

/* ---- storages ---------------------------------------------------------------------------------------------------- */

static uint64_t hash_key(const PickleNode *key) {
    uint64_t hash = 0xcbf29ce484222325u; /* FNV-1a */
    for (uint32_t i = 0; i < key->count; i++) hash = (hash ^ (uint8_t)key->text[i]) * 0x100000001b3u;
    return hash ^ hash >> 32;
}

/* The slot that holds the key's storage, or the free one where it belongs. */
static uint32_t *find_slot(const Torch *torch, const PickleNode *key) {
    size_t slot = (size_t)hash_key(key) & (torch->slot_count - 1);
    while (torch->slots[slot]) {
        const PickleNode *other = torch->storages[torch->slots[slot] - 1].key;
        if (other->count == key->count && memcmp(other->text, key->text, key->count) == 0) break;
        slot = (slot + 1) & (torch->slot_count - 1);
    }
    return &torch->slots[slot];
}

static bool is_short_text(const PickleNode *node) {
    return (node->type == PICKLE_TEXT || node->type == PICKLE_BYTES) && node->count > 0 && node->count <= CAP_NAME &&
           strlen(node->text) == node->count;
}

TorchStorage *torch_find_storage(const Torch *torch, const PickleNode *key) {
    if (!is_short_text(key) || torch->slot_count == 0) return NULL;
    uint32_t index = *find_slot(torch, key);
    return index > 0 ? &torch->storages[index - 1] : NULL;
}

static bool list_storage(Torch *torch, const PickleNode *id, uint32_t items_min, uint32_t items_max, Error *err) {
    const PickleNode *item[6] = {NULL};
    for (uint32_t i = 0; i < 6; i++) item[i] = pickle_item(id, i);
    if (id->type != PICKLE_TUPLE || id->count < items_min || id->count > items_max ||
        !pickle_is_text(item[0], "storage"))
        return error_set(err, STATUS_BAD_INPUT, "a persistent id is not a storage's");
    const PickleGlobal *kind = pickle_global(item[1]);
    if (item[1]->type != PICKLE_NAME || (kind->meaning != PICKLE_STORAGE && kind->meaning != PICKLE_STORAGE_UNTYPED))
        return error_set(err, STATUS_BAD_INPUT, "a storage's type is not one");
    if (!is_short_text(item[2])) return error_set(err, STATUS_BAD_INPUT, "a storage's key is not a short text");
    TorchStorage storage = {.key = item[2], .kind = kind};
    if (item[4]->type != PICKLE_INTEGER || item[4]->integer < 0)
        return error_set(err, STATUS_BAD_INPUT, "storage '%s': its number of elements is not a count",
                         storage.key->text);
    storage.elements = (uint64_t)item[4]->integer;
    if (!size_mul(storage.elements, dtype_bits(kind->dtype) / 8, &storage.bytes))
        return error_set(err, STATUS_BAD_INPUT,
                         "storage '%s': %" PRIu64 " elements have more bytes than can be counted", storage.key->text,
                         storage.elements);
    uint32_t *slot = find_slot(torch, storage.key);
    if (*slot == 0) {
        torch->storages[torch->storage_count++] = storage;
        *slot = (uint32_t)torch->storage_count;
        return true;
    }
    const TorchStorage *known = &torch->storages[*slot - 1];
    if (known->kind->meaning == kind->meaning && known->kind->dtype == kind->dtype &&
        known->elements == storage.elements)
        return true;
    return error_set(err, STATUS_BAD_INPUT, "storage '%s' is declared twice and differently", storage.key->text);
}

bool torch_list_storages(Torch *torch, uint32_t items_min, uint32_t items_max, Error *err) {
    size_t count = 0;
    const PickleNode *last = pickle_last_persistent(torch->pickle);
    for (const PickleNode *node = last; node; node = node->previous) count++;
    torch->slot_count = 2;
    while (torch->slot_count < 2 * count) torch->slot_count *= 2;
    torch->slots = mem_alloc(torch->slot_count, sizeof *torch->slots, err);
    torch->storages = torch->slots ? mem_alloc(count, sizeof *torch->storages, err) : NULL;
    if (!torch->storages) return false;
    for (const PickleNode *node = last; node; node = node->previous)
        if (!list_storage(torch, node->id, items_min, items_max, err)) return false;
    return true;
}

/* ---- adding ------------------------------------------------------------------------------------------------------ */

/* Scalars of the root dict are metadata. */
static bool add_scalars(Checkpoint *checkpoint, const PickleNode *root, Error *err) {
    Str value = {0};
    bool ok = true;
    const PickleNode *key, *scalar;
    uint32_t index;
    if (root->shape == PICKLE_MODULE || torch_is_script(root)) return true;
    for (PickleView view = pickle_view(root); ok && pickle_view_next(&view, &key, &index, &scalar);) {
        if (!key || !is_short_text(key) || !text_valid_utf8(key->text, key->count)) continue;
        if (scalar->count > CAP_NAME || checkpoint->metadata_count == CAP_METADATA) continue;
        str_done(&value);
        if (!pickle_scalar_text(scalar, &value)) continue;
        ok = str_ok(&value, err) && checkpoint_add_metadata(checkpoint, key->text, str_text(&value), err);
    }
    str_done(&value);
    return ok;
}

static bool add_tensor(Checkpoint *checkpoint, const PickleNode *node, const Str *name, Error *err) {
    Torch *torch = checkpoint->reader;
    TorchTensor tensor = {0};
    TorchShape shape;
    /* Shared nodes let a small stream spell many long names. */
    uint64_t cap = NAME_BYTES + NAME_BYTES_EACH * pickle_end(torch->pickle);
    torch->name_bytes += name->length;
    if (torch->name_bytes > cap)
        return error_set(err, STATUS_LIMIT, "the tensors' names take more than %" PRIu64 " bytes", cap);
    if (!torch_tensor_parse(torch, node, str_text(name), &tensor, &shape, err)) return false;
    if (!mem_grow(&torch->tensors, &torch->tensor_capacity, (uint64_t)torch->tensor_count + 1, sizeof tensor, err))
        return false;
    if (!checkpoint_add(checkpoint, str_text(name), name->length, shape.dtype, shape.rank, shape.dim, err))
        return false;
    uint64_t *stride = tensor.array ? NULL : checkpoint_alloc(checkpoint, shape.rank * sizeof *stride, err);
    if (!tensor.array && !stride) return false;
    if (stride && shape.rank > 0) memcpy(stride, shape.stride, shape.rank * sizeof *stride);
    tensor.stride = stride;
    torch->tensors[torch->tensor_count++] = tensor;
    return true;
}

/* An optimiser beside the tensors of a state dict is no layer of it. */
static bool leave_aside(Checkpoint *checkpoint, TorchWalk *walk, const PickleNode *node, Error *err) {
    torch_walk_leave(walk);
    return checkpoint_add_note(checkpoint, err, "left out: \"%s\", %" PRIu32 " tensor%s of training (--key chooses it)",
                               str_text(&walk->name), node->tensors, node->tensors == 1 ? "" : "s");
}

/* `flat`: what training keeps beside the tensors is left aside. */
static bool add_all(Checkpoint *checkpoint, const PickleNode *chosen, bool flat, Error *err) {
    TorchWalk walk = {0};
    const PickleNode *node = NULL;
    bool ok = true;
    if (chosen->tensors > CAP_TENSORS) return error_set(err, STATUS_LIMIT, "more than %d tensors", CAP_TENSORS);
    if (pickle_is_container(chosen)) {
        torch_walk_enter(&walk, chosen);
    } else {
        str_add(&walk.name, "tensor");
        ok = str_ok(&walk.name, err) && add_tensor(checkpoint, chosen, &walk.name, err);
    }
    while (ok && (ok = torch_walk_next(&walk, &node, err)) && node) {
        if (pickle_is_tensor(node))
            ok = add_tensor(checkpoint, node, &walk.name, err);
        else if (flat && walk.depth == 2 && torch_is_aside(str_text(&walk.name)))
            ok = leave_aside(checkpoint, &walk, node, err);
    }
    str_done(&walk.name);
    return ok;
}

/* Orders tensors so that those which are the same view of the same storage stand together, in their own order. */
static int compare_views(const void *a, const void *b, void *context) {
    const Checkpoint *checkpoint = context;
    const Torch *torch = checkpoint->reader;
    size_t i = *(const size_t *)a, j = *(const size_t *)b;
    const TorchTensor *x = &torch->tensors[i], *y = &torch->tensors[j];
    const CheckpointTensor *s = &checkpoint->tensors[i], *t = &checkpoint->tensors[j];
    if (x->array != y->array) return (uintptr_t)x->array < (uintptr_t)y->array ? -1 : 1;
    if (x->array) return 0;
    if (x->storage != y->storage) return x->storage < y->storage ? -1 : 1;
    if (x->offset != y->offset) return x->offset < y->offset ? -1 : 1;
    if (s->dtype != t->dtype) return s->dtype < t->dtype ? -1 : 1;
    if (s->rank != t->rank) return s->rank < t->rank ? -1 : 1;
    for (unsigned d = 0; d < s->rank; d++)
        if (s->dim[d] != t->dim[d]) return s->dim[d] < t->dim[d] ? -1 : 1;
    for (unsigned d = 0; d < s->rank; d++)
        if (x->stride[d] != y->stride[d]) return x->stride[d] < y->stride[d] ? -1 : 1;
    return 0;
}

static int compare_views_stably(const void *a, const void *b, void *context) {
    int order = compare_views(a, b, context);
    size_t i = *(const size_t *)a, j = *(const size_t *)b;
    return order != 0 ? order : i < j ? -1 : i > j;
}

static bool find_shared(Checkpoint *checkpoint, Error *err) {
    size_t *order = mem_alloc(checkpoint->count, sizeof *order, err);
    if (!order) return false;
    for (size_t i = 0; i < checkpoint->count; i++) order[i] = i;
    qsort_r(order, checkpoint->count, sizeof *order, compare_views_stably, checkpoint);
    for (size_t i = 1, first = 0; i < checkpoint->count; i++) {
        if (compare_views(&order[first], &order[i], checkpoint) != 0) {
            first = i;
        } else {
            checkpoint->tensors[order[i]].shares_with = order[first];
        }
    }
    mem_free(order);
    return true;
}

bool torch_add_tensors(Checkpoint *checkpoint, const char *key, Error *err) {
    const Torch *torch = checkpoint->reader;
    const PickleNode *root = pickle_root(torch->pickle);
    Str path = {0};
    const PickleNode *chosen = torch_choose(checkpoint, key, &path, err);
    bool ok = chosen && torch_note_left_out(checkpoint, chosen, err);
    if (ok && root->tensors == 0) {
        const char *why = checkpoint->note_count > 0 ? checkpoint->notes[checkpoint->note_count - 1] : "";
        ok = error_set(err, STATUS_BAD_INPUT, "a PyTorch file without tensors%s%s", *why ? "; " : "", why);
    }
    ok = ok && add_scalars(checkpoint, root, err) &&
         add_all(checkpoint, chosen, (!key || strcmp(key, ".") != 0) && torch_is_flat(chosen), err) &&
         find_shared(checkpoint, err) && checkpoint_seal(checkpoint, err);
    str_done(&path);
    checkpoint->read = torch_tensor_read;
    checkpoint->nested = true;
    return ok;
}

void torch_free(void *reader) {
    Torch *torch = reader;
    if (!torch) return;
    pickle_free(torch->pickle);
    mem_free(torch->storages);
    mem_free(torch->slots);
    mem_free(torch->tensors);
    mem_free(torch->cache);
    mem_free(torch->tar);
    file_close(torch->text_owned);
    mem_free(torch->text_bytes);
    zip_close(torch->zip);
    mem_free(torch);
}
