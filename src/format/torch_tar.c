/* torch_tar -- PyTorch's first format, before 0.1.11 (torchvision's resnet18-5c106cde.pth is one): a tar archive of
 *
 *   sys_info  pickle {'little_endian': True, ...}; may be absent
 *   storages  pickle count; for each: pickle (key, location, KIND), i64le elements, the elements;
 *             then pickle [(key, key of the storage it is part of, offset, elements), ...]
 *   tensors   pickle count; for each: pickle (key, key of its storage, KIND), i32le rank, 4 bytes, rank x i64le sizes,
 *             rank x i64le strides, i64le offset
 *   pickle    the object; tensors have the text of their key as persistent id
 *
 * Nothing is extracted: the members are read where they lie. Source: torch/serialization.py, legacy_load.
 */
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "format/bytes.h"
#include "format/torch.h"
#include "weft/base/dtype.h"
#include "weft/base/error.h"
#include "weft/base/file.h"
#include "weft/base/memory.h"
#include "weft/base/size.h"
#include "weft/base/tensor.h"
#include "weft/base/text.h"

enum {
    BLOCK = 512,
    MAGIC_AT = 257,
    CAP_MEMBERS = 10000,
    CAP_RECORDS = 100000, /* storages, tensors */
    SMALL_PICKLE = 2048,  /* of one key, location and kind */
    TOLD_MOST = 4,
};

struct TarTensor {
    int64_t key;
    size_t storage;
    uint64_t offset;
    unsigned rank;
    const uint64_t *dim; /* and as many strides behind them */
};

typedef struct Part {
    uint64_t at, end;
    bool found;
} Part;

enum { SYS_INFO, STORAGES, TENSORS, PICKLE, PARTS };
static const char *const part_names[PARTS] = {"sys_info", "storages", "tensors", "pickle"};

typedef struct StorageKey {
    int64_t key;
    size_t index; /* of the storage */
} StorageKey;

typedef struct Tar {
    const File *file;
    Checkpoint *checkpoint;
    Torch *torch;
    Part part[PARTS];
    StorageKey *keys;
    size_t storage_capacity, key_capacity;
} Tar;

/* ---- the archive ------------------------------------------------------------------------------------------------- */

/* An octal number that blanks or NULs may surround, or in base 256 with the highest bit set. */
static bool read_number(const uint8_t *field, size_t length, uint64_t *out) {
    size_t at = 0;
    *out = 0;
    if (field[0] & 0x80) {
        for (at = 1; at + 8 < length; at++)
            if (field[at]) return false;
        for (; at < length; at++) *out = *out << 8 | field[at];
        return true;
    }
    while (at < length && field[at] == ' ') at++;
    for (; at < length && field[at] >= '0' && field[at] <= '7'; at++) *out = *out << 3 | (uint64_t)(field[at] - '0');
    while (at < length && (field[at] == ' ' || field[at] == '\0')) at++;
    return at == length;
}

static bool check_sum(const uint8_t *header) {
    uint64_t stored, sum = 8 * ' '; /* the field of the sum itself counts as blanks */
    for (size_t i = 0; i < BLOCK; i++)
        if (i < 148 || i >= 156) sum += header[i];
    return read_number(header + 148, 8, &stored) && stored == sum;
}

static bool is_end(const uint8_t *header) {
    for (size_t i = 0; i < BLOCK; i++)
        if (header[i]) return false;
    return true;
}

/* Notes where a member lies that is one of the four; others are only counted. */
static bool place_member(Tar *tar, const char *name, char type, uint64_t at, uint64_t size, Error *err) {
    if (strncmp(name, "./", 2) == 0) name += 2;
    for (size_t i = 0; i < PARTS; i++) {
        if (strcmp(name, part_names[i]) != 0) continue;
        if (type != '0' && type != '\0' && type != '7')
            return error_set(err, STATUS_BAD_INPUT, "member \"%s\" is not a plain file", name);
        if (tar->part[i].found) return error_set(err, STATUS_BAD_INPUT, "two members are named \"%s\"", name);
        tar->part[i] = (Part){at, at + size, true};
    }
    return true;
}

/* Finds the members; `names` becomes those of the first few, for whom it is no checkpoint. */
static bool list_members(Tar *tar, Str *names, unsigned *count, Error *err) {
    const uint64_t size = file_size(tar->file);
    for (uint64_t at = 0; at < size;) {
        uint8_t header[BLOCK];
        char name[101] = {0};
        uint64_t length, padded;
        if (size - at < BLOCK) return error_set(err, STATUS_BAD_INPUT, "tar archive: truncated at byte %" PRIu64, at);
        if (!file_read(tar->file, at, header, BLOCK, err)) return false;
        if (is_end(header)) return true;
        if (!check_sum(header) || !read_number(header + 124, 12, &length))
            return error_set(err, STATUS_BAD_INPUT, "tar archive: a damaged header at byte %" PRIu64, at);
        at += BLOCK;
        if (length > size - at)
            return error_set(err, STATUS_BAD_INPUT, "tar archive: a member of %" PRIu64 " bytes, %" PRIu64 " remain",
                             length, size - at);
        memcpy(name, header, 100);
        const char type = (char)header[156];
        if (!strchr("xgLK", type) || !type) {
            if (++*count > CAP_MEMBERS)
                return error_set(err, STATUS_LIMIT, "tar archive: more than %d members", CAP_MEMBERS);
            if (*count <= TOLD_MOST) str_addf(names, "%s\"%s\"", *count > 1 ? ", " : "", name);
            if (!place_member(tar, name, type, at, length, err)) return false;
        }
        padded = (length + BLOCK - 1) / BLOCK * BLOCK; /* at most BLOCK - 1 more than what remains */
        at = padded > size - at ? size : at + padded;
    }
    return true;
}

static bool find_parts(Tar *tar, Error *err) {
    Str names = {0};
    unsigned count = 0;
    bool ok = list_members(tar, &names, &count, err) && str_ok(&names, err);
    if (ok && !(tar->part[STORAGES].found && tar->part[TENSORS].found && tar->part[PICKLE].found))
        ok = error_set(
            err, STATUS_BAD_INPUT,
            "a tar archive%s%s%s, not a checkpoint (PyTorch's first format has storages, tensors, pickle); extract it and open its contents",
            count > 0 ? " of " : "", str_text(&names), count > TOLD_MOST ? " and more" : "");
    str_done(&names);
    return ok;
}

/* ---- its pickles ------------------------------------------------------------------------------------------------- */

static Pickle *next_pickle(const Tar *tar, Part *part, uint64_t cap, Error *err) {
    const uint64_t length = part->end - part->at < cap ? part->end - part->at : cap;
    Pickle *pickle = pickle_parse(tar->file, part->at, length, err);
    if (pickle) part->at = pickle_end(pickle);
    return pickle;
}

static bool read_count(const Tar *tar, Part *part, const char *what, uint64_t *count, Error *err) {
    Pickle *pickle = next_pickle(tar, part, SMALL_PICKLE, err);
    if (!pickle) return false;
    const PickleNode *root = pickle_root(pickle);
    bool ok = root->type == PICKLE_INTEGER && root->integer >= 0;
    *count = ok ? (uint64_t)root->integer : 0;
    pickle_free(pickle);
    if (!ok) return error_set(err, STATUS_BAD_INPUT, "the number of %s is invalid", what);
    return *count <= CAP_RECORDS || error_set(err, STATUS_LIMIT, "more than %d %s", CAP_RECORDS, what);
}

static bool read_bytes(const Tar *tar, Part *part, void *out, uint64_t length, const char *what, Error *err) {
    if (length > part->end - part->at)
        return error_set(err, STATUS_BAD_INPUT, "truncated: %s need%s %" PRIu64 " bytes, %" PRIu64 " remain", what,
                         what[strlen(what) - 1] == 's' ? "" : "s", length, part->end - part->at);
    if (!file_read(tar->file, part->at, out, length, err)) return false;
    part->at += length;
    return true;
}

static bool read_integer(const Tar *tar, Part *part, int64_t *out, const char *what, Error *err) {
    uint8_t bytes[8];
    if (!read_bytes(tar, part, bytes, sizeof bytes, what, err)) return false;
    *out = (int64_t)get_le64(bytes);
    return true;
}

static bool read_system(Tar *tar, Error *err) {
    if (!tar->part[SYS_INFO].found) return true;
    Pickle *pickle = next_pickle(tar, &tar->part[SYS_INFO], SMALL_PICKLE, err);
    if (!pickle) return false;
    const PickleNode *little = pickle_get(pickle_root(pickle), "little_endian");
    bool ok = !little || (little->type == PICKLE_BOOL && little->truth);
    pickle_free(pickle);
    return ok || error_set(err, STATUS_BAD_INPUT, "little_endian is not True: written on a big-endian machine");
}

/* ---- storages ---------------------------------------------------------------------------------------------------- */

static int compare_keys(const void *a, const void *b) {
    const StorageKey *x = a, *y = b;
    return x->key < y->key ? -1 : x->key > y->key;
}

static bool find_storage(const Tar *tar, int64_t key, size_t *index) {
    const StorageKey wanted = {.key = key};
    const StorageKey *found =
        tar->keys ? bsearch(&wanted, tar->keys, tar->torch->storage_count, sizeof wanted, compare_keys) : NULL;
    if (found) *index = found->index;
    return found != NULL;
}

static bool add_storage(Tar *tar, int64_t key, TorchStorage storage, Error *err) {
    Torch *torch = tar->torch;
    if (!mem_grow(&torch->storages, &tar->storage_capacity, torch->storage_count + 1, sizeof storage, err) ||
        !mem_grow(&tar->keys, &tar->key_capacity, torch->storage_count + 1, sizeof *tar->keys, err))
        return false;
    tar->keys[torch->storage_count] = (StorageKey){key, torch->storage_count};
    torch->storages[torch->storage_count++] = storage;
    return true;
}

static bool sort_storages(Tar *tar, Error *err) {
    const size_t count = tar->torch->storage_count;
    if (count > 0) qsort(tar->keys, count, sizeof *tar->keys, compare_keys);
    for (size_t i = 1; i < count; i++)
        if (tar->keys[i].key == tar->keys[i - 1].key)
            return error_set(err, STATUS_BAD_INPUT, "two storages have the key %" PRId64, tar->keys[i].key);
    return true;
}

/* (key, anything, KIND) */
static bool read_head(const Tar *tar, Part *part, Pickle **pickle, const PickleNode *item[3], Error *err) {
    *pickle = next_pickle(tar, part, SMALL_PICKLE, err);
    if (!*pickle) return false;
    const PickleNode *root = pickle_root(*pickle);
    for (uint32_t i = 0; i < 3; i++) item[i] = pickle_item(root, i);
    if (item[2] && root->count == 3 && item[0]->type == PICKLE_INTEGER) return true;
    pickle_free(*pickle);
    return error_set(err, STATUS_BAD_INPUT, "a record is not (key, %s, type)",
                     part == &tar->part[STORAGES] ? "location" : "storage");
}

static bool read_storage(Tar *tar, Part *part, Error *err) {
    const PickleNode *item[3];
    Pickle *pickle;
    int64_t elements;
    if (!read_head(tar, part, &pickle, item, err)) return false;
    const int64_t key = item[0]->integer;
    const PickleGlobal *kind = item[2]->type == PICKLE_NAME ? pickle_global(item[2]) : NULL;
    pickle_free(pickle);
    if (!kind || kind->meaning != PICKLE_STORAGE)
        return error_set(err, STATUS_BAD_INPUT, "storage %" PRId64 ": its type is invalid", key);
    if (!read_integer(tar, part, &elements, "a storage", err)) return false;
    TorchStorage storage = {.kind = kind, .elements = (uint64_t)elements, .offset = part->at};
    if (elements < 0 || !size_mul(storage.elements, dtype_bits(kind->dtype) / 8, &storage.bytes) ||
        storage.bytes > part->end - part->at)
        return error_set(err, STATUS_BAD_INPUT,
                         "truncated: storage %" PRId64 " declares %" PRId64 " elements, %" PRIu64 " bytes remain", key,
                         elements, part->end - part->at);
    part->at += storage.bytes;
    return add_storage(tar, key, storage, err);
}

/* Storages that are parts of others. */
static bool read_views(Tar *tar, Part *part, Error *err) {
    Pickle *pickle = next_pickle(tar, part, PICKLE_CAP_STREAM, err);
    if (!pickle) return false;
    const PickleNode *root = pickle_root(pickle);
    bool ok = root->type == PICKLE_LIST && root->count <= CAP_RECORDS;
    if (!ok) error_set(err, STATUS_BAD_INPUT, "the views of storages are not a list of at most %d", CAP_RECORDS);
    const size_t whole = tar->torch->storage_count;
    for (const PickleItem *view = ok ? root->first : NULL; view && ok; view = view->next) {
        int64_t number[4] = {0};
        const PickleNode *item;
        size_t index;
        ok = view->node->count == 4;
        for (uint32_t i = 0; i < 4 && ok; i++)
            if ((ok = (item = pickle_item(view->node, i)) && item->type == PICKLE_INTEGER)) number[i] = item->integer;
        const StorageKey wanted = {.key = number[1]};
        const StorageKey *found =
            ok && whole > 0 ? bsearch(&wanted, tar->keys, whole, sizeof wanted, compare_keys) : NULL;
        if (!found) {
            ok = error_set(err, STATUS_BAD_INPUT, "a view of a storage is not (key, storage, offset, elements)");
            break;
        }
        index = found->index;
        TorchStorage part_of = tar->torch->storages[index];
        if (number[2] < 0 || number[3] < 0 || (uint64_t)number[2] > part_of.elements ||
            (uint64_t)number[3] > part_of.elements - (uint64_t)number[2]) {
            ok = error_set(err, STATUS_BAD_INPUT,
                           "a view of %" PRId64 " elements at %" PRId64 " of storage %" PRId64 ", which has %" PRIu64,
                           number[3], number[2], number[1], part_of.elements);
            break;
        }
        const uint64_t size = dtype_bits(part_of.kind->dtype) / 8;
        part_of.offset += (uint64_t)number[2] * size;
        part_of.elements = (uint64_t)number[3];
        part_of.bytes = part_of.elements * size;
        ok = add_storage(tar, number[0], part_of, err);
    }
    pickle_free(pickle);
    return ok;
}

static bool at_end(const Part *part, const char *name, Error *err) {
    return part->at == part->end ||
           error_set(err, STATUS_BAD_INPUT, "member \"%s\" has %" PRIu64 " bytes too many", name, part->end - part->at);
}

static bool read_storages(Tar *tar, Error *err) {
    Part *part = &tar->part[STORAGES];
    uint64_t count;
    if (!read_count(tar, part, "storages", &count, err)) return false;
    for (uint64_t i = 0; i < count; i++)
        if (!read_storage(tar, part, err)) return false;
    return sort_storages(tar, err) && read_views(tar, part, err) && sort_storages(tar, err) &&
           at_end(part, "storages", err);
}

/* ---- tensors ----------------------------------------------------------------------------------------------------- */

static bool read_tensor(Tar *tar, Part *part, struct TarTensor *out, Error *err) {
    const PickleNode *item[3];
    Pickle *pickle;
    uint8_t rank[8];
    if (!read_head(tar, part, &pickle, item, err)) return false;
    out->key = item[0]->integer;
    const bool known = item[1]->type == PICKLE_INTEGER && find_storage(tar, item[1]->integer, &out->storage);
    pickle_free(pickle);
    if (!known) return error_set(err, STATUS_BAD_INPUT, "tensor %" PRId64 ": its storage is missing", out->key);
    if (!read_bytes(tar, part, rank, sizeof rank, "a tensor", err)) return false;
    if (get_le32(rank) > TENSOR_RANK_MAX)
        return error_set(err, STATUS_BAD_INPUT, "tensor %" PRId64 ": rank %d, limit %d", out->key,
                         (int32_t)get_le32(rank), TENSOR_RANK_MAX);
    out->rank = (unsigned)get_le32(rank);
    uint64_t *numbers = checkpoint_alloc(tar->checkpoint, (2 * out->rank + 1) * sizeof *numbers, err);
    if (!numbers) return false;
    for (unsigned i = 0; i <= 2 * out->rank; i++) {
        int64_t number;
        if (!read_integer(tar, part, &number, "a tensor", err)) return false;
        if (number < 0)
            return error_set(err, STATUS_BAD_INPUT, "tensor %" PRId64 ": negative %s %" PRId64, out->key,
                             i < out->rank       ? "size"
                             : i < 2 * out->rank ? "stride"
                                                 : "offset",
                             number);
        numbers[i] = (uint64_t)number;
    }
    out->dim = numbers;
    out->offset = numbers[2 * out->rank];
    return true;
}

static int compare_tensors(const void *a, const void *b) {
    const struct TarTensor *x = a, *y = b;
    return x->key < y->key ? -1 : x->key > y->key;
}

static bool read_tensors(Tar *tar, Error *err) {
    Part *part = &tar->part[TENSORS];
    Torch *torch = tar->torch;
    uint64_t count;
    size_t capacity = 0;
    if (!read_count(tar, part, "tensors", &count, err)) return false;
    for (uint64_t i = 0; i < count; i++) {
        if (!mem_grow(&torch->tar, &capacity, i + 1, sizeof *torch->tar, err) ||
            !read_tensor(tar, part, &torch->tar[i], err))
            return false;
        torch->tar_count++;
    }
    if (count > 0) qsort(torch->tar, torch->tar_count, sizeof *torch->tar, compare_tensors);
    for (size_t i = 1; i < torch->tar_count; i++)
        if (torch->tar[i].key == torch->tar[i - 1].key)
            return error_set(err, STATUS_BAD_INPUT, "two tensors have the key %" PRId64, torch->tar[i].key);
    return at_end(part, "tensors", err);
}

static bool find_record(const Torch *torch, const PickleNode *id, const char *name, TorchTensor *out, TorchShape *shape,
                        Error *err) {
    uint64_t number = 0;
    const char *text = id->text ? id->text : "";
    const bool minus = *text == '-';
    bool ok = text_to_u64(text + minus, &number) && number <= INT64_MAX;
    const struct TarTensor wanted = {.key = minus ? -(int64_t)number : (int64_t)number};
    const struct TarTensor *found =
        ok && torch->tar ? bsearch(&wanted, torch->tar, torch->tar_count, sizeof wanted, compare_tensors) : NULL;
    if (!found)
        return error_set(err, STATUS_BAD_INPUT, "tensor \"%s\": there is no tensor '%.32s' in the file", name, text);
    out->storage = found->storage;
    out->offset = found->offset;
    shape->dtype = torch->storages[found->storage].kind->dtype;
    shape->rank = found->rank;
    memcpy(shape->dim, found->dim, found->rank * sizeof *shape->dim);
    memcpy(shape->stride, found->dim + found->rank, found->rank * sizeof *shape->stride);
    return true;
}

/* ---- opening ----------------------------------------------------------------------------------------------------- */

static bool fetch(Torch *torch, const TorchStorage *storage, uint64_t from, uint64_t length, void *out, Error *err) {
    return file_read(torch->file, storage->offset + from, out, length, err);
}

static bool read_tar(Checkpoint *checkpoint, const char *key, Error *err) {
    Tar tar = {.file = checkpoint->file, .checkpoint = checkpoint};
    Torch *torch = mem_alloc(1, sizeof *torch, err);
    if (!torch) return false;
    checkpoint->reader = torch;
    checkpoint->free_reader = torch_free;
    torch->file = torch->text = checkpoint->file;
    torch->fetch = fetch;
    torch->record = find_record;
    tar.torch = torch;
    bool ok = find_parts(&tar, err) && read_system(&tar, err) && read_storages(&tar, err) && read_tensors(&tar, err) &&
              (torch->pickle = next_pickle(&tar, &tar.part[PICKLE], PICKLE_CAP_STREAM, err)) &&
              at_end(&tar.part[PICKLE], "pickle", err) && torch_add_tensors(checkpoint, key, err);
    mem_free(tar.keys);
    return ok;
}

static Checkpoint *open_tar(File *file, const CheckpointOpening *opening, Error *err) {
    Checkpoint *checkpoint = checkpoint_new(file, file_name(file), "PyTorch tar", err);
    if (!checkpoint || read_tar(checkpoint, opening->key, err)) return checkpoint;
    checkpoint_close(checkpoint);
    return NULL;
}

static bool is_tar(const Head *head) {
    return head_holds(head, MAGIC_AT, "ustar", 5);
}

const CheckpointReader torch_tar_reader = {FILE_TAR, is_tar, open_tar};
