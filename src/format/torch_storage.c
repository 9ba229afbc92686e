/* torch_storage -- the storages that a PyTorch pickle refers to.
 *
 * A storage is named by a persistent id: ('storage', KIND, key, location, elements), in legacy files with a sixth item,
 * None or a view (view key, offset, elements).
 */
#include "format/torch.h"

#include <inttypes.h>
#include <string.h>

#include "weft/base/dtype.h"
#include "weft/base/error.h"
#include "weft/base/memory.h"
#include "weft/base/size.h"

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

bool torch_is_short_text(const PickleNode *node) {
    return (node->type == PICKLE_TEXT || node->type == PICKLE_BYTES) && node->count > 0 && node->count <= CAP_NAME &&
           strlen(node->text) == node->count;
}

TorchStorage *torch_find_storage(const Torch *torch, const PickleNode *key) {
    if (!torch_is_short_text(key) || torch->slot_count == 0) return NULL;
    uint32_t index = *find_slot(torch, key);
    return index > 0 ? &torch->storages[index - 1] : NULL;
}

static bool list_storage(Torch *torch, const PickleNode *id, uint32_t items_min, uint32_t items_max, Error *err) {
    const PickleNode *item[6] = {NULL};
    for (uint32_t i = 0; i < 6; i++) item[i] = pickle_item(id, i);
    if (id->type != PICKLE_TUPLE || id->count < items_min || id->count > items_max ||
        !pickle_is_text(item[0], "storage"))
        return error_set(err, STATUS_BAD_INPUT, "a persistent id does not describe a storage");
    const PickleGlobal *kind = pickle_global(item[1]);
    if (item[1]->type != PICKLE_NAME || (kind->meaning != PICKLE_STORAGE && kind->meaning != PICKLE_STORAGE_UNTYPED))
        return error_set(err, STATUS_BAD_INPUT, "a storage's type is invalid");
    if (!torch_is_short_text(item[2])) return error_set(err, STATUS_BAD_INPUT, "a storage's key is not a short text");
    TorchStorage storage = {.key = item[2], .kind = kind};
    if (item[4]->type != PICKLE_INTEGER || item[4]->integer < 0)
        return error_set(err, STATUS_BAD_INPUT, "storage '%s': its number of elements is not a valid count",
                         storage.key->text);
    storage.elements = (uint64_t)item[4]->integer;
    if (!size_mul(storage.elements, dtype_bits(kind->dtype) / 8, &storage.bytes))
        return error_set(err, STATUS_BAD_INPUT, "storage '%s': %" PRIu64 " elements have too many bytes",
                         storage.key->text, storage.elements);
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
    return error_set(err, STATUS_BAD_INPUT, "storage '%s' is declared twice with different sizes", storage.key->text);
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
