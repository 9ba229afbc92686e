/* torch_zip -- PyTorch's zip format (1.6 and later).
 *
 *   ROOT/data.pkl    the object; tensors refer to storages by persistent id
 *   ROOT/data/KEY    the bytes of one storage
 *   ROOT/version     "3\n"
 *   ROOT/constants.pkl, ROOT/constants/, ROOT/code/   beside them in a TorchScript archive
 *   ROOT/byteorder   "little" or "big"; absent before PyTorch 2.1
 * ROOT is the file's first name or "archive". Source: torch/serialization.py, _save; caffe2/serialize/inline_container.
 */
#include <inttypes.h>
#include <string.h>

#include "format/torch.h"
#include "weft/base/error.h"
#include "weft/base/file.h"
#include "weft/base/memory.h"
#include "weft/base/text.h"

enum { VERSION_MAX = 10, PICKLE_RATIO = 64 };

/* Where the records of one pickle are: ROOT/data.pkl and ROOT/data/, in a TorchScript archive also ROOT/constants.pkl
 * and ROOT/constants/. */
typedef struct Place {
    size_t pickle, root; /* the member; the length of ROOT */
    const char *folder;  /* "data" */
} Place;

/* The one member ROOT/data.pkl. */
static bool find_root(const Zip *zip, Place *place, Error *err) {
    static const char pickle_name[] = "/data.pkl";
    size_t found = 0;
    for (size_t i = 0; i < zip_count(zip); i++) {
        const char *name = zip_member(zip, i)->name, *slash = strchr(name, '/');
        if (!slash) slash = "";
        if (strcmp(slash, pickle_name) != 0 && strcmp(name, pickle_name + 1) != 0) continue;
        found++;
        place->pickle = i;
        place->root = (size_t)(slash - name);
        if (!*slash) return error_set(err, STATUS_BAD_INPUT, "data.pkl is not in a folder");
    }
    place->folder = "data";
    if (found == 1) return true;
    return error_set(err, STATUS_BAD_INPUT, found ? "more than one data.pkl" : "no data.pkl");
}

/* Finds ROOT/NAME. */
static bool find_record(const Torch *torch, const Place *place, const char *name, bool *found, size_t *index,
                        Error *err) {
    Str path = {0};
    str_add_bytes(&path, zip_member(torch->zip, place->pickle)->name, place->root + 1);
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

static bool check_version(const Torch *torch, const Place *place, Error *err) {
    char word[32];
    size_t index;
    uint64_t version;
    bool found;
    if (!find_record(torch, place, "version", &found, &index, err)) return false;
    if (!found) return error_set(err, STATUS_BAD_INPUT, "no version record");
    if (!read_word(torch, index, word, err)) return false;
    if (text_to_u64(word, &version) && version >= 1 && version <= VERSION_MAX) return true;
    return error_set(err, STATUS_BAD_INPUT, "version '%s', 1 to %d are read", word, VERSION_MAX);
}

static bool check_byteorder(Torch *torch, const Place *place, Error *err) {
    char word[32];
    size_t index;
    bool found;
    if (!find_record(torch, place, "byteorder", &found, &index, err)) return false;
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
    if (torch->pickle && pickle_in_file(torch->pickle)) { /* arrays in it are read later */
        torch->text = torch->text_owned = file;
        torch->text_bytes = bytes;
        return true;
    }
    file_close(file);
    mem_free(bytes);
    return torch->pickle;
}

static bool place_storages(Torch *torch, const Place *place, Error *err) {
    for (size_t i = 0; i < torch->storage_count; i++) {
        TorchStorage *storage = &torch->storages[i];
        const char *key = storage->key->text;
        Str name = {0};
        bool found = false;
        if (strchr(key, '/')) return error_set(err, STATUS_BAD_INPUT, "storage key '%s' is not a plain name", key);
        str_addf(&name, "%s/%s", place->folder, key);
        bool ok = str_ok(&name, err) && find_record(torch, place, str_text(&name), &found, &storage->member, err);
        str_done(&name);
        if (!ok) return false;
        if (!found)
            return error_set(err, STATUS_BAD_INPUT, "storage '%s' has no record %s/%s", key, place->folder, key);
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

static bool read_object(Torch *torch, const Place *place, Error *err) {
    return parse_pickle(torch, place->pickle, err) && torch_list_storages(torch, 5, 5, err) &&
           place_storages(torch, place, err);
}

/* A frozen TorchScript module has its weights among the constants. */
static bool read_constants(Torch *torch, Place *place, size_t member, Error *err) {
    pickle_free(torch->pickle);
    mem_free(torch->storages);
    mem_free(torch->slots);
    file_close(torch->text_owned);
    mem_free(torch->text_bytes);
    torch->pickle = NULL;
    torch->storages = NULL;
    torch->slots = NULL;
    torch->text = torch->text_owned = NULL;
    torch->text_bytes = NULL;
    torch->storage_count = torch->slot_count = 0;
    place->pickle = member;
    place->folder = "constants";
    return read_object(torch, place, err);
}

static bool read_zip(Checkpoint *checkpoint, Torch *torch, const char *key, Error *err) {
    Place place = {0};
    size_t constants;
    bool script;
    if (!find_root(torch->zip, &place, err) || !check_version(torch, &place, err) ||
        !check_byteorder(torch, &place, err) ||
        !find_record(torch, &place, "constants.pkl", &script, &constants, err) || !read_object(torch, &place, err))
        return false;
    if (script) {
        const bool frozen = pickle_root(torch->pickle)->tensors == 0;
        checkpoint->format = "TorchScript archive";
        if (frozen && !read_constants(torch, &place, constants, err)) return false;
        if (!checkpoint_add_note(checkpoint, err,
                                 "a TorchScript archive: its weights%s are read, the graph in code/ is not",
                                 frozen ? ", which are constants here," : ""))
            return false;
    }
    return torch_add_tensors(checkpoint, key, err);
}

Checkpoint *torch_zip_open(Zip *zip, const char *key, Error *err) {
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
    if (read_zip(checkpoint, torch, key, err)) return checkpoint;
    checkpoint_close(checkpoint);
    return NULL;
}
