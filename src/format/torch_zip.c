/* torch_zip -- PyTorch's zip format (1.6 and later).
 *
 *   ROOT/data.pkl    the object; tensors refer to storages by persistent id
 *   ROOT/data/KEY    the bytes of one storage
 *   ROOT/version     "3\n"
 *   ROOT/byteorder   "little" or "big"; absent before PyTorch 2.1
 * ROOT is the file's first name or "archive". Source: torch/serialization.py, _save; caffe2/serialize/inline_container.
 */
#include <inttypes.h>
#include <string.h>

#include "format/torch.h"

enum { VERSION_MAX = 10, PICKLE_RATIO = 64 };

/* The length of ROOT, from the one member ROOT/data.pkl. */
static bool find_root(const Zip *zip, size_t *pickle, size_t *root, Error *err) {
    static const char pickle_name[] = "/data.pkl", script[] = "/constants.pkl";
    size_t found = 0;
    for (size_t i = 0; i < zip_count(zip); i++) {
        const char *name = zip_member(zip, i)->name, *slash = strchr(name, '/');
        if (!slash) slash = "";
        if (strcmp(slash, script) == 0)
            return error_set(err, STATUS_BAD_INPUT, "a TorchScript archive (%s); save a state_dict", name);
        if (strcmp(slash, pickle_name) != 0 && strcmp(name, pickle_name + 1) != 0) continue;
        found++;
        *pickle = i;
        *root = (size_t)(slash - name);
        if (!*slash) return error_set(err, STATUS_BAD_INPUT, "data.pkl does not stand in a folder");
    }
    if (found == 1) return true;
    return error_set(err, STATUS_BAD_INPUT, found ? "more than one data.pkl" : "no data.pkl");
}

/* Finds ROOT/NAME. */
static bool find_record(const Torch *torch, size_t pickle, size_t root, const char *name, bool *found, size_t *index,
                        Error *err) {
    Str path = {0};
    str_add_bytes(&path, zip_member(torch->zip, pickle)->name, root + 1);
    str_add(&path, name);
    bool ok = str_ok(&path, err);
    *found = ok && zip_find(torch->zip, str_text(&path), index);
    str_done(&path);
    return ok;
}

/* A CRC that is wrong may have been left out on purpose. */
static bool read_record(Zip *zip, size_t index, void *out, Error *err) {
    if (zip_read(zip, index, out, err)) return true;
    static const char hint[] = " (files written after torch.serialization.set_crc32_options(False) carry wrong CRCs)";
    size_t length = strlen(err->text);
    if (strstr(err->text, "CRC") && length + sizeof hint <= sizeof err->text)
        memcpy(err->text + length, hint, sizeof hint);
    return false;
}

/* A short record as text, its last newline dropped. */
static bool read_word(const Torch *torch, size_t index, char out[32], Error *err) {
    uint64_t size = zip_member(torch->zip, index)->size;
    memset(out, 0, 32);
    if (size >= 32)
        return error_set(err, STATUS_BAD_INPUT, "record %s has %" PRIu64 " bytes", zip_member(torch->zip, index)->name,
                         size);
    if (!read_record(torch->zip, index, out, err)) return false;
    if (size > 0 && out[size - 1] == '\n') out[size - 1] = '\0';
    return true;
}

static bool check_version(const Torch *torch, size_t pickle, size_t root, Error *err) {
    char word[32];
    size_t index;
    uint64_t version;
    bool found;
    if (!find_record(torch, pickle, root, "version", &found, &index, err)) return false;
    if (!found) return error_set(err, STATUS_BAD_INPUT, "no version record");
    if (!read_word(torch, index, word, err)) return false;
    if (text_to_u64(word, &version) && version >= 1 && version <= VERSION_MAX) return true;
    return error_set(err, STATUS_BAD_INPUT, "version '%s', 1 to %d are read", word, VERSION_MAX);
}

static bool check_byteorder(Torch *torch, size_t pickle, size_t root, Error *err) {
    char word[32];
    size_t index;
    bool found;
    if (!find_record(torch, pickle, root, "byteorder", &found, &index, err)) return false;
    if (!found) return true;
    if (!read_word(torch, index, word, err)) return false;
    torch->swap = strcmp(word, "big") == 0;
    if (torch->swap || strcmp(word, "little") == 0) return true;
    return error_set(err, STATUS_BAD_INPUT, "byteorder '%s' is neither little nor big", word);
}

static bool parse_pickle(Torch *torch, size_t member, Error *err) {
    uint64_t size = zip_member(torch->zip, member)->size, stored = zip_member(torch->zip, member)->stored;
    const char *name = zip_member(torch->zip, member)->name;
    if (size > PICKLE_CAP_STREAM)
        return error_set(err, STATUS_LIMIT, "%s has %" PRIu64 " bytes, limit %d", name, size, PICKLE_CAP_STREAM);
    if (size / PICKLE_RATIO > stored) /* PyTorch does not compress at all */
        return error_set(err, STATUS_BAD_INPUT, "%s: %" PRIu64 " bytes compressed to %" PRIu64 " are no checkpoint's",
                         name, size, stored);
    uint8_t *bytes = mem_admit(size, name, err) ? mem_alloc(size, 1, err) : NULL;
    File *file = NULL;
    if (bytes && read_record(torch->zip, member, bytes, err))
        file = file_memory(zip_name(torch->zip), bytes, size, err);
    if (file) torch->pickle = pickle_parse(file, 0, size, err);
    file_close(file);
    mem_free(bytes);
    return torch->pickle;
}

static bool place_storages(Torch *torch, size_t pickle, size_t root, Error *err) {
    for (size_t i = 0; i < torch->storage_count; i++) {
        TorchStorage *storage = &torch->storages[i];
        const char *key = storage->key->text;
        Str name = {0};
        bool found = false;
        if (strchr(key, '/')) return error_set(err, STATUS_BAD_INPUT, "storage key '%s' is not a plain name", key);
        str_add(&name, "data/");
        str_add(&name, key);
        bool ok =
            str_ok(&name, err) && find_record(torch, pickle, root, str_text(&name), &found, &storage->member, err);
        str_done(&name);
        if (!ok) return false;
        if (!found) return error_set(err, STATUS_BAD_INPUT, "storage '%s' has no record data/%s", key, key);
        uint64_t size = zip_member(torch->zip, storage->member)->size;
        if (size != storage->bytes)
            return error_set(err, STATUS_BAD_INPUT, "storage '%s' declares %" PRIu64 " bytes, record holds %" PRIu64,
                             key, storage->bytes, size);
    }
    return true;
}

/* The bytes of a storage can be checked only as a whole: a whole one goes straight to `out`, the last one that was used
 * in parts is kept. */
static bool fetch(Torch *torch, const TorchStorage *storage, uint64_t from, uint64_t length, void *out, Error *err) {
    if (!torch->cache || torch->cached != storage->member) {
        if (from == 0 && length == storage->bytes) return read_record(torch->zip, storage->member, out, err);
        mem_free(torch->cache);
        torch->cache = NULL;
        uint8_t *bytes = mem_admit(storage->bytes, "a storage", err) ? mem_alloc(storage->bytes, 1, err) : NULL;
        if (!bytes || !read_record(torch->zip, storage->member, bytes, err)) {
            mem_free(bytes);
            return false;
        }
        torch->cache = bytes;
        torch->cached = storage->member;
    }
    memcpy(out, torch->cache + from, length);
    return true;
}

static bool open_all(Checkpoint *checkpoint, Torch *torch, Error *err) {
    size_t pickle = 0, root = 0;
    return find_root(torch->zip, &pickle, &root, err) && check_version(torch, pickle, root, err) &&
           check_byteorder(torch, pickle, root, err) && parse_pickle(torch, pickle, err) &&
           torch_list_storages(torch, 5, 5, err) && place_storages(torch, pickle, root, err) &&
           torch_add_tensors(checkpoint, err);
}

Checkpoint *torch_zip_open(Zip *zip, Error *err) {
    Torch *torch = mem_alloc(1, sizeof *torch, err);
    Checkpoint *checkpoint = torch ? checkpoint_new(NULL, zip_name(zip), "PyTorch zip", err) : NULL;
    if (!checkpoint) {
        mem_free(torch);
        zip_close(zip);
        return NULL;
    }
    torch->zip = zip;
    torch->fetch = fetch;
    checkpoint->reader = torch;
    checkpoint->free_reader = torch_free;
    if (open_all(checkpoint, torch, err)) return checkpoint;
    checkpoint_close(checkpoint);
    return NULL;
}
