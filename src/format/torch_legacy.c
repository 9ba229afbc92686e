/* torch_legacy -- PyTorch's stream format (.th, and .pth before 1.6).
 *
 *   pickle   0x1950a86a20f9469cfc6c (the magic)
 *   pickle   1001 (the protocol)
 *   pickle   {'protocol_version': 1001, 'little_endian': True, 'type_sizes': {...}}
 *   pickle   the object; tensors refer to storages by persistent id
 *   pickle   [key, ...]
 *   storage  for each key, in that order: i64le elements, then the elements
 * and nothing more. Source: torch/serialization.py, _legacy_save.
 */
#include <inttypes.h>
#include <string.h>

#include "format/bytes.h"
#include "format/torch.h"
#include "weft/base/error.h"
#include "weft/base/file.h"
#include "weft/base/memory.h"

enum { PROTOCOL = 1001 };

/* PROTO, from protocol 4 on a FRAME, then LONG1 with the ten bytes, and STOP. */
static bool skip_magic(const File *file, uint64_t *at, Error *err) {
    static const uint8_t magic[13] = {0x8a, 0x0a, 0x6c, 0xfc, 0x9c, 0x46, 0xf9, 0x20, 0x6a, 0xa8, 0x50, 0x19, 0x2e};
    uint8_t head[24] = {0};
    uint64_t length = file_size(file) < sizeof head ? file_size(file) : sizeof head;
    if (!file_read(file, 0, head, length, err)) return false;
    size_t start = head[2] == 0x95 ? 11 : 2;
    if (head[0] != 0x80 || memcmp(head + start, magic, sizeof magic) != 0)
        return error_set(err, STATUS_BAD_INPUT, "wrong magic number, not a PyTorch legacy file");
    *at = start + sizeof magic;
    return true;
}

static Pickle *next_pickle(const File *file, uint64_t *at, Error *err) {
    Pickle *pickle = pickle_parse(file, *at, file_size(file) - *at, err);
    if (pickle) *at = pickle_end(pickle);
    return pickle;
}

static bool check_protocol(const File *file, uint64_t *at, Error *err) {
    Pickle *pickle = next_pickle(file, at, err);
    if (!pickle) return false;
    const PickleNode *root = pickle_root(pickle);
    bool ok = root->type == PICKLE_INTEGER && root->integer == PROTOCOL;
    if (!ok && root->type == PICKLE_INTEGER) {
        error_set(err, STATUS_BAD_INPUT, "PyTorch legacy protocol %" PRId64 "; only %d is supported", root->integer,
                  PROTOCOL);
    } else if (!ok) {
        error_set(err, STATUS_BAD_INPUT, "PyTorch legacy protocol is not a number");
    }
    pickle_free(pickle);
    return ok;
}

/* `type_sizes` is not looked at: files of LP64 systems claim 4 bytes for long. */
static bool check_system(const File *file, uint64_t *at, Error *err) {
    Pickle *pickle = next_pickle(file, at, err);
    if (!pickle) return false;
    const PickleNode *little = pickle_get(pickle_root(pickle), "little_endian");
    bool ok = little && little->type == PICKLE_BOOL && little->truth;
    if (!ok) error_set(err, STATUS_BAD_INPUT, "little_endian is not True: written on a big-endian machine");
    pickle_free(pickle);
    return ok;
}

/* One storage's count and data. */
static bool place_storage(const File *file, TorchStorage *storage, uint64_t *at, Error *err) {
    uint8_t count[8];
    const char *key = storage->key->text;
    if (file_size(file) - *at < sizeof count)
        return error_set(err, STATUS_BAD_INPUT, "truncated: storage '%s' is missing", key);
    if (!file_read(file, *at, count, sizeof count, err)) return false;
    *at += sizeof count;
    if (get_le64(count) != storage->elements)
        return error_set(err, STATUS_BAD_INPUT, "storage '%s' declares %" PRIu64 " elements; its data says %" PRId64,
                         key, storage->elements, (int64_t)get_le64(count));
    if (storage->bytes > file_size(file) - *at)
        return error_set(err, STATUS_BAD_INPUT,
                         "truncated: storage '%s' declares %" PRIu64 " bytes, %" PRIu64 " remain", key, storage->bytes,
                         file_size(file) - *at);
    storage->offset = *at;
    *at += storage->bytes;
    return true;
}

/* The list of keys and the storages behind it. Keys listed and keys used must be the same. */
static bool place_storages(const File *file, Torch *torch, uint64_t *at, Error *err) {
    Pickle *pickle = next_pickle(file, at, err);
    if (!pickle) return false;
    const PickleNode *keys = pickle_root(pickle);
    bool ok = keys->type == PICKLE_LIST || error_set(err, STATUS_BAD_INPUT, "the storages' keys are not a list");
    for (const PickleItem *item = ok ? keys->first : NULL; item && ok; item = item->next) {
        TorchStorage *storage = torch_find_storage(torch, item->node);
        if (!storage) {
            ok = error_set(err, STATUS_BAD_INPUT, "the list of storages has a key that no tensor uses");
        } else if (storage->offset > 0) {
            ok = error_set(err, STATUS_BAD_INPUT, "storage '%s' is listed twice", storage->key->text);
        } else {
            ok = place_storage(file, storage, at, err);
        }
    }
    pickle_free(pickle);
    for (size_t i = 0; i < torch->storage_count && ok; i++)
        if (torch->storages[i].offset == 0)
            ok =
                error_set(err, STATUS_BAD_INPUT, "storage '%s' is missing from the list", torch->storages[i].key->text);
    if (ok && *at != file_size(file))
        ok = error_set(err, STATUS_BAD_INPUT, "%" PRIu64 " bytes after the last storage", file_size(file) - *at);
    return ok;
}

static bool fetch(Torch *torch, const TorchStorage *storage, uint64_t from, uint64_t length, void *out, Error *err) {
    return file_read(torch->file, storage->offset + from, out, length, err);
}

static bool read_legacy(Checkpoint *checkpoint, const char *key, Error *err) {
    const File *file = checkpoint->file;
    uint64_t at = 0;
    Torch *torch = mem_alloc(1, sizeof *torch, err);
    if (!torch) return false;
    checkpoint->reader = torch;
    checkpoint->free_reader = torch_free;
    torch->file = torch->text = file;
    torch->fetch = fetch;
    if (!skip_magic(file, &at, err) || !check_protocol(file, &at, err) || !check_system(file, &at, err)) return false;
    torch->pickle = next_pickle(file, &at, err);
    return torch->pickle && torch_list_storages(torch, 5, 6, err) && place_storages(file, torch, &at, err) &&
           torch_add_tensors(checkpoint, key, err);
}

static Checkpoint *open_legacy(File *file, const CheckpointOpening *opening, Error *err) {
    Checkpoint *checkpoint = checkpoint_new(file, file_name(file), "PyTorch legacy", err);
    if (!checkpoint || read_legacy(checkpoint, opening->key, err)) return checkpoint;
    checkpoint_close(checkpoint);
    return NULL;
}

/* The number 0x1950a86a20f9469cfc6c as the first of five pickles, behind PROTO and, from protocol 4 on, FRAME. */
static bool is_legacy(const Head *head) {
    static const char magic[] = "\212\012\154\374\234\106\371\040\152\250\120\031.";
    return head_is_pickle(head) &&
           (head_holds(head, 2, magic, sizeof magic - 1) || head_holds(head, 11, magic, sizeof magic - 1));
}

const CheckpointReader torch_legacy_reader = {FILE_TORCH_LEGACY, is_legacy, open_legacy};
