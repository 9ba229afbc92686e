/* torch -- the state dict among what a PyTorch pickle holds.
 *
 * The root is a tensor, a list, a state dict, or a dict that holds one
 * beside scalars (epoch, best_prec1) and the optimiser's state.
 */
#include "format/torch.h"

#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "weft/base/error.h"
#include "weft/base/file.h"
#include "weft/base/memory.h"
#include "weft/base/text.h"

enum { NAME_BYTES = 32 << 20, NAME_BYTES_EACH = 8, CAP_METADATA = 1000 };

/* ---- adding ------------------------------------------------------------------------------------------------------ */

/* Scalars of the root dict are metadata. */
static bool add_scalars(Checkpoint *checkpoint, const PickleNode *root, Error *err) {
    Str value = {0};
    bool ok = true;
    const PickleNode *key, *scalar;
    uint32_t index;
    if (root->shape == PICKLE_MODULE || torch_is_script(root)) return true;
    for (PickleView view = pickle_view(root); ok && pickle_view_next(&view, &key, &index, &scalar);) {
        if (!key || !torch_is_short_text(key) || !text_valid_utf8(key->text, key->count)) continue;
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
    return checkpoint_add_note(checkpoint, err,
                               "left out: \"%s\", %" PRIu32 " tensor%s for training (--key selects it)",
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
    checkpoint->place = torch_tensor_place;
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
