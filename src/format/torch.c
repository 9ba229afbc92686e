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
    if (id->type == PICKLE_TUPLE && pickle_is_text(item[0], "module"))
        return error_set(err, STATUS_BAD_INPUT, "holds a whole pickled module; save a state_dict");
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

/* ---- walking to tensors ------------------------------------------------------------------------------------------ */

static bool is_container(const PickleNode *node) {
    return node->type == PICKLE_DICT || node->type == PICKLE_LIST || node->type == PICKLE_TUPLE;
}

/* A walk, parents first, over the tensors below a container and the containers that hold them. A graph that shares
 * nodes has as many names as paths: the walk takes them all, or, with `seen`, each container once. */
typedef struct Walk {
    struct {
        const PickleNode *container;
        const PickleItem *next;
        uint32_t index;
        size_t name_length; /* of the container */
    } path[PICKLE_DEPTH + 1];
    unsigned depth;
    Str name;
    uint8_t *seen; /* by node number; may be NULL */
} Walk;

static void walk_enter(Walk *walk, const PickleNode *container) {
    walk->path[walk->depth].container = container;
    walk->path[walk->depth].next = container->first;
    walk->path[walk->depth].index = 0;
    walk->path[walk->depth].name_length = walk->name.length;
    walk->depth++;
    if (walk->seen) walk->seen[container->number] = 1;
}

static void cut(Str *str, size_t length) {
    str->length = length;
    if (str->text) str->text[length] = '\0';
}

/* Appends ".KEY"; `key` is NULL for an item of a list. */
static bool add_key(Str *name, const PickleNode *key, uint32_t index, Error *err) {
    if (name->length > 0) str_add(name, ".");
    if (!key) {
        str_addf(name, "%" PRIu32, index);
    } else if (key->type == PICKLE_TEXT || key->type == PICKLE_BYTES) {
        if (!key->text || key->count > CAP_NAME || name->length + key->count > CAP_NAME)
            return error_set(err, STATUS_LIMIT, "a tensor's name has more than %d bytes", CAP_NAME);
        str_add_bytes(name, key->text, key->count);
    } else {
        pickle_scalar_text(key, name);
    }
    return str_ok(name, err);
}

/* The next tensor or container, its name in walk->name; *out is NULL at the end. */
static bool walk_next(Walk *walk, const PickleNode **out, Error *err) {
    *out = NULL;
    while (walk->depth > 0) {
        unsigned at = walk->depth - 1;
        const PickleItem *item = walk->path[at].next;
        cut(&walk->name, walk->path[at].name_length);
        if (!item) {
            walk->depth--;
            continue;
        }
        bool dict = walk->path[at].container->type == PICKLE_DICT;
        const PickleNode *key = dict ? item->node : NULL, *value = dict ? item->next->node : item->node;
        walk->path[at].next = dict ? item->next->next : item->next;
        uint32_t index = walk->path[at].index++;
        bool enter = is_container(value) && !(walk->seen && walk->seen[value->number]);
        if (value->tensors == 0 || !(enter || pickle_is_tensor(value))) continue;
        if (!add_key(&walk->name, key, index, err)) return false;
        if (enter) walk_enter(walk, value);
        *out = value;
        return true;
    }
    return true;
}

/* ---- which container holds the weights --------------------------------------------------------------------------- */

static uint32_t tensors_inside(const PickleNode *container) {
    uint32_t count = 0;
    for (const PickleItem *item = container->first; item; item = item->next) count += pickle_is_tensor(item->node);
    return count;
}

/* `name` becomes the way from the root to the choice: empty for the root itself. */
static const PickleNode *choose(const Torch *torch, Str *name, Error *err) {
    static const char *const usual[] = {"state_dict", "model", "model_state_dict", "net"};
    const PickleNode *root = pickle_root(torch->pickle), *best = root, *node = NULL;
    for (size_t i = 0; i < sizeof usual / sizeof *usual; i++) {
        const PickleNode *value = pickle_get(root, usual[i]);
        if (!value || value->type != PICKLE_DICT || value->tensors == 0) continue;
        str_add(name, usual[i]);
        return str_ok(name, err) ? value : NULL;
    }
    if (!is_container(root)) return root;
    Walk walk = {.seen = mem_alloc(pickle_nodes(torch->pickle), 1, err)};
    if (!walk.seen) return NULL;
    uint32_t most = tensors_inside(root);
    walk_enter(&walk, root);
    bool ok;
    while ((ok = walk_next(&walk, &node, err)) && node) {
        uint32_t count = node->type == PICKLE_DICT ? tensors_inside(node) : 0;
        if (count <= most) continue;
        most = count;
        best = node;
        cut(name, 0);
        str_add(name, str_text(&walk.name));
    }
    ok = ok && str_ok(name, err);
    str_done(&walk.name);
    mem_free(walk.seen);
    return ok ? best : NULL;
}

static bool note_choice(Checkpoint *checkpoint, const PickleNode *chosen, const char *name, Error *err) {
    const Torch *torch = checkpoint->reader;
    uint32_t all = pickle_root(torch->pickle)->tensors;
    if (all == chosen->tensors) return checkpoint_add_note(checkpoint, err, "the state dict is \"%s\"", name);
    return checkpoint_add_note(checkpoint, err,
                               "the state dict is \"%s\": %" PRIu32 " of the file's %" PRIu32 " tensors", name,
                               chosen->tensors, all);
}

/* Scalars of the root dict are metadata. */
static bool add_scalars(Checkpoint *checkpoint, const PickleNode *root, Error *err) {
    Str value = {0};
    bool ok = true;
    if (root->type != PICKLE_DICT) return true;
    for (const PickleItem *item = root->first; item && ok; item = item->next->next) {
        const PickleNode *key = item->node;
        if (!is_short_text(key) || !text_valid_utf8(key->text, key->count)) continue;
        if (item->next->node->count > CAP_NAME || checkpoint->metadata_count == CAP_METADATA) continue;
        cut(&value, 0);
        if (!pickle_scalar_text(item->next->node, &value)) continue;
        ok = str_ok(&value, err) && checkpoint_add_metadata(checkpoint, key->text, str_text(&value), err);
    }
    str_done(&value);
    return ok;
}

/* ---- adding ------------------------------------------------------------------------------------------------------ */

static bool add_tensor(Checkpoint *checkpoint, const PickleNode *node, const Str *name, Error *err) {
    Torch *torch = checkpoint->reader;
    TorchTensor tensor;
    DType dtype;
    unsigned rank;
    uint64_t dim[TENSOR_RANK_MAX];
    /* Shared nodes let a small stream spell many long names. */
    uint64_t cap = NAME_BYTES + NAME_BYTES_EACH * pickle_end(torch->pickle);
    torch->name_bytes += name->length;
    if (torch->name_bytes > cap)
        return error_set(err, STATUS_LIMIT, "the tensors' names take more than %" PRIu64 " bytes", cap);
    if (!torch_tensor_parse(torch, node, str_text(name), &tensor, &dtype, &rank, dim, err)) return false;
    if (!mem_grow(&torch->tensors, &torch->tensor_capacity, (uint64_t)torch->tensor_count + 1, sizeof tensor, err))
        return false;
    if (!checkpoint_add(checkpoint, str_text(name), name->length, dtype, rank, dim, err)) return false;
    torch->tensors[torch->tensor_count++] = tensor;
    return true;
}

static bool add_all(Checkpoint *checkpoint, const PickleNode *chosen, Error *err) {
    Walk walk = {0};
    const PickleNode *node = NULL;
    bool ok = true;
    if (chosen->tensors > CAP_TENSORS) return error_set(err, STATUS_LIMIT, "more than %d tensors", CAP_TENSORS);
    if (is_container(chosen)) {
        walk_enter(&walk, chosen);
    } else {
        str_add(&walk.name, "tensor");
        ok = str_ok(&walk.name, err) && add_tensor(checkpoint, chosen, &walk.name, err);
    }
    while (ok && (ok = walk_next(&walk, &node, err)) && node)
        if (pickle_is_tensor(node)) ok = add_tensor(checkpoint, node, &walk.name, err);
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
    if (x->storage != y->storage) return x->storage < y->storage ? -1 : 1;
    if (x->offset != y->offset) return x->offset < y->offset ? -1 : 1;
    if (s->dtype != t->dtype) return s->dtype < t->dtype ? -1 : 1;
    if (s->rank != t->rank) return s->rank < t->rank ? -1 : 1;
    for (unsigned d = 0; d < s->rank; d++)
        if (s->dim[d] != t->dim[d]) return s->dim[d] < t->dim[d] ? -1 : 1;
    const PickleItem *p = x->stride->first, *q = y->stride->first;
    for (; p && q; p = p->next, q = q->next)
        if (p->node->integer != q->node->integer) return p->node->integer < q->node->integer ? -1 : 1;
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

bool torch_add_tensors(Checkpoint *checkpoint, Error *err) {
    const Torch *torch = checkpoint->reader;
    const PickleNode *root = pickle_root(torch->pickle);
    if (root->tensors == 0) return error_set(err, STATUS_BAD_INPUT, "a PyTorch file without tensors");
    Str name = {0};
    const PickleNode *chosen = choose(torch, &name, err);
    bool ok = chosen && (chosen == root || note_choice(checkpoint, chosen, str_text(&name), err)) &&
              add_scalars(checkpoint, root, err) && add_all(checkpoint, chosen, err) && find_shared(checkpoint, err) &&
              checkpoint_seal(checkpoint, err);
    str_done(&name);
    checkpoint->read = torch_tensor_read;
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
    zip_close(torch->zip);
    mem_free(torch);
}
