/* shards -- a checkpoint in several files, safetensors or PyTorch's, and the index that says which tensor is where.
 *
 *   {"metadata":{"total_size":123},"weight_map":{"NAME":"model-00001-of-00002.safetensors", ...}}
 *
 * Each file is one basename beside the index; nothing in it can lead to another folder. (The files themselves may be
 * symbolic links: Hugging Face's cache is made of them.)
 */
#include "format/checkpoint.h"

#include <stdlib.h>
#include <string.h>

#include "format/json.h"
#include "weft/base/error.h"
#include "weft/base/file.h"
#include "weft/base/memory.h"
#include "weft/base/text.h"

enum { CAP_SHARDS = 1000 };

typedef struct Entry {
    char *name, *file; /* in the JSON's text */
    size_t name_length;
    size_t shard;
} Entry;

typedef struct Shard {
    const char *file; /* in the JSON's text, while opening */
    Checkpoint *checkpoint;
} Shard;

typedef struct Source {
    size_t shard, index;
} Source;

typedef struct Reader {
    Shard *shard;
    size_t shards, shard_capacity;
    Source *source; /* of each tensor */
} Reader;

/* While opening. */
typedef struct Index {
    Entry *entry;
    size_t count, capacity;
    uint64_t total_size;
    bool has_total_size, has_map;
} Index;

static void free_reader(void *opaque) {
    Reader *reader = opaque;
    for (size_t i = 0; i < reader->shards; i++) checkpoint_close(reader->shard[i].checkpoint);
    mem_free(reader->shard);
    mem_free(reader->source);
    mem_free(reader);
}

/* ---- the JSON ---------------------------------------------------------------------------------------------------- */

static bool parse_metadata(Json *json, Index *index, Error *err) {
    bool first = true, more = true;
    char *key;
    size_t length;
    json->at++; /* the brace, which has been seen */
    while (json_pull_next_key(json, &first, &more, &key, &length, err) && more) {
        Json before = *json;
        Error ignored; /* a total_size that is no integer is not ours to judge */
        if (strcmp(key, "total_size") == 0 && json_pull_integer(json, &index->total_size, &ignored)) {
            index->has_total_size = true;
            continue;
        }
        *json = before;
        if (!json_pull_skip(json, err)) return false;
    }
    return !more;
}

static bool check_file(const char *file, Error *err) {
    bool plain = *file && *file != '~' && !strpbrk(file, "/\\") && strcmp(file, ".") != 0 && strcmp(file, "..") != 0;
    return plain ||
           error_set(err, STATUS_BAD_INPUT, "shard \"%s\" is not the plain name of a file beside the index", file);
}

static bool parse_map(Json *json, Index *index, Error *err) {
    bool first = true, more = true;
    char *key, *file;
    size_t length, file_length;
    if (!json_pull_expect(json, '{', err)) return false;
    while (json_pull_next_key(json, &first, &more, &key, &length, err) && more) {
        if (index->count == CAP_TENSORS) return error_set(err, STATUS_LIMIT, "more than %d tensors", CAP_TENSORS);
        if (!json_pull_string(json, &file, &file_length, err) || !check_file(file, err) ||
            !mem_grow(&index->entry, &index->capacity, index->count + 1, sizeof *index->entry, err))
            return false;
        index->entry[index->count++] = (Entry){.name = key, .name_length = length, .file = file};
    }
    return !more;
}

static bool parse_index(Json *json, Index *index, Error *err) {
    bool first = true, more = true, metadata = false;
    char *key;
    size_t length;
    if (!json_pull_expect(json, '{', err)) return false;
    while (json_pull_next_key(json, &first, &more, &key, &length, err) && more) {
        bool map = strcmp(key, "weight_map") == 0, about = strcmp(key, "metadata") == 0;
        if ((map && index->has_map) || (about && metadata))
            return error_set(err, STATUS_BAD_INPUT, "\"%s\" appears twice", key);
        index->has_map |= map;
        metadata |= about;
        bool object = json_pull_peek(json) == '{';
        if (map               ? !parse_map(json, index, err)
            : about && object ? !parse_metadata(json, index, err)
                              : !json_pull_skip(json, err))
            return false;
    }
    if (more || !json_pull_end(json, err)) return false;
    return index->has_map || error_set(err, STATUS_BAD_INPUT, "an index without a weight_map");
}

/* ---- the shards -------------------------------------------------------------------------------------------------- */

static int compare_files(const void *a, const void *b) {
    return strcmp((*(const Entry *const *)a)->file, (*(const Entry *const *)b)->file);
}

/* Numbers the files, in the order of their names. */
static bool number_shards(Index *index, Reader *reader, Error *err) {
    bool ok = true;
    Entry **sorted = mem_alloc(index->count, sizeof *sorted, err);
    if (!sorted) return false;
    for (size_t i = 0; i < index->count; i++) sorted[i] = &index->entry[i];
    qsort(sorted, index->count, sizeof *sorted, compare_files);
    for (size_t i = 0; i < index->count && ok; i++) {
        if (i == 0 || compare_files(&sorted[i - 1], &sorted[i]) != 0) {
            if (reader->shards == CAP_SHARDS)
                ok = error_set(err, STATUS_LIMIT, "more than %d shards", CAP_SHARDS);
            else
                ok = mem_grow(&reader->shard, &reader->shard_capacity, reader->shards + 1, sizeof *reader->shard, err);
            if (ok) reader->shard[reader->shards++] = (Shard){.file = sorted[i]->file};
        }
        sorted[i]->shard = reader->shards - 1;
    }
    mem_free(sorted);
    return ok;
}

/* Opens every shard; those that are missing are named in one line. */
static bool open_shards(const char *path, Reader *reader, const CheckpointOpening *opening, Error *err) {
    const char *slash = strrchr(path, '/');
    char *folder = slash ? mem_copy_bytes(path, (size_t)(slash - path) + 1, err) : mem_copy_text("", err);
    Str missing = {0};
    bool ok = folder != NULL;
    for (size_t i = 0; i < reader->shards && ok; i++) {
        Error why;
        File *file = file_open_in(folder, reader->shard[i].file, &why);
        if (!file && why.status == STATUS_BAD_INPUT) {
            str_addf(&missing, missing.length ? ", %s" : "%s", reader->shard[i].file);
            continue;
        }
        if (file) reader->shard[i].checkpoint = opening->open_shard(file, &why);
        ok = reader->shard[i].checkpoint != NULL;
        if (!ok) {
            *err = why;
            error_prefix(err, "shard \"%s\"", reader->shard[i].file);
        }
    }
    if (ok) ok = str_ok(&missing, err);
    if (ok && missing.length > 0)
        ok = error_set(err, STATUS_BAD_INPUT, "missing or unreadable shards: %s", str_text(&missing));
    mem_free(folder);
    str_done(&missing);
    return ok;
}

/* ---- the tensors ------------------------------------------------------------------------------------------------- */

static bool add_tensor(Checkpoint *checkpoint, const Entry *entry, Error *err) {
    Reader *reader = checkpoint->reader;
    const Shard *shard = &reader->shard[entry->shard];
    Source *source = &reader->source[checkpoint->count];
    source->shard = entry->shard;
    if (!checkpoint_find(shard->checkpoint, entry->name, &source->index))
        return error_set(err, STATUS_BAD_INPUT, "tensor \"%s\" is not in its shard \"%s\"", entry->name, shard->file);
    const CheckpointTensor *tensor = checkpoint_tensor(shard->checkpoint, source->index);
    return checkpoint_add(checkpoint, entry->name, entry->name_length, tensor->dtype, tensor->rank, tensor->dim, err);
}

/* Each tensor of a shard must be mapped to that shard or not at all; says how many are not. */
static bool check_shards(Checkpoint *checkpoint, Error *err) {
    const Reader *reader = checkpoint->reader;
    uint64_t unmapped = 0;
    size_t index;
    for (size_t i = 0; i < reader->shards; i++) {
        const Checkpoint *shard = reader->shard[i].checkpoint;
        for (size_t k = 0; k < shard->count; k++) {
            const char *name = shard->tensors[k].name;
            if (!checkpoint_find(checkpoint, name, &index))
                unmapped++;
            else if (reader->source[index].shard != i)
                return error_set(err, STATUS_BAD_INPUT, "tensor \"%s\" is in two shards, \"%s\" and \"%s\"", name,
                                 reader->shard[reader->source[index].shard].file, reader->shard[i].file);
        }
    }
    return unmapped == 0 || checkpoint_add_note(checkpoint, err, "%llu tensors of the shards are not in the weight_map",
                                                (unsigned long long)unmapped);
}

static bool build_checkpoint(Checkpoint *checkpoint, Index *index, const CheckpointOpening *opening, Error *err) {
    Reader *reader = checkpoint->reader;
    if (!number_shards(index, reader, err) || !open_shards(checkpoint->path, reader, opening, err)) return false;
    reader->source = mem_alloc(index->count, sizeof *reader->source, err);
    if (!reader->source) return false;
    for (size_t i = 0; i < index->count; i++)
        if (!add_tensor(checkpoint, &index->entry[i], err)) return false;
    if (!checkpoint_seal(checkpoint, err) || !check_shards(checkpoint, err)) return false;
    const Checkpoint *first = reader->shards > 0 ? reader->shard[0].checkpoint : NULL;
    for (size_t i = 0; first && i < first->metadata_count; i++)
        if (!checkpoint_add_metadata(checkpoint, first->metadata[i].key, first->metadata[i].value, err)) return false;
    for (size_t i = 0; i < reader->shards; i++)
        for (size_t k = 0; k < checkpoint_note_count(reader->shard[i].checkpoint); k++)
            if (!checkpoint_add_note(checkpoint, err, "%s: %s", reader->shard[i].file,
                                     checkpoint_note(reader->shard[i].checkpoint, k)))
                return false;
    uint64_t bytes = checkpoint_bytes(checkpoint);
    if (!index->has_total_size || index->total_size == bytes) return true;
    return checkpoint_add_note(checkpoint, err, "total_size is %llu bytes, but the tensors have %llu",
                               (unsigned long long)index->total_size, (unsigned long long)bytes);
}

static bool read_data(Checkpoint *checkpoint, size_t index, void *out, Error *err) {
    const Reader *reader = checkpoint->reader;
    const Source *source = &reader->source[index];
    return checkpoint_read(reader->shard[source->shard].checkpoint, source->index, out, err);
}

static bool place_data(const Checkpoint *checkpoint, size_t index, CheckpointPlace *out) {
    const Reader *reader = checkpoint->reader;
    const Source *source = &reader->source[index];
    return checkpoint_place(reader->shard[source->shard].checkpoint, source->index, out);
}

static bool read_index(Checkpoint *checkpoint, const CheckpointOpening *opening, Error *err) {
    Json json;
    Index index = {0};
    uint64_t size = file_size(checkpoint->file);
    bool ok = false;
    char *text = NULL;
    Reader *reader = mem_alloc(1, sizeof *reader, err);
    if (!reader) return false;
    checkpoint->reader = reader;
    checkpoint->free_reader = free_reader;
    checkpoint->read = read_data;
    checkpoint->place = place_data;
    if (size > CAP_JSON_HEADER) {
        error_set(err, STATUS_LIMIT, "an index of %llu bytes, limit %d", (unsigned long long)size, CAP_JSON_HEADER);
        goto out;
    }
    ok = mem_admit(size, "the index", err) && (text = mem_alloc(size, 1, err)) != NULL &&
         file_read(checkpoint->file, 0, text, size, err) && json_pull_begin(&json, text, size, 0, err) &&
         parse_index(&json, &index, err) && build_checkpoint(checkpoint, &index, opening, err);
out:
    mem_free(index.entry);
    mem_free(text);
    for (size_t i = 0; i < reader->shards; i++) reader->shard[i].file = NULL; /* was in `text` */
    return ok;
}

/* What the shards are; "mixed" where they differ. */
static const char *format_of(const Checkpoint *checkpoint) {
    const Reader *reader = checkpoint->reader;
    bool safe = true, torch = true;
    for (size_t i = 0; i < reader->shards; i++) {
        const bool is_safe = strcmp(reader->shard[i].checkpoint->format, "safetensors") == 0;
        safe = safe && is_safe;
        torch = torch && !is_safe;
    }
    return safe ? "safetensors index" : torch ? "PyTorch index" : "index of mixed shards";
}

static Checkpoint *open_index(File *file, const CheckpointOpening *opening, Error *err) {
    if (!opening->open_shard) {
        error_set(err, STATUS_BAD_INPUT, "an index, not a shard");
        file_close(file);
        return NULL;
    }
    Checkpoint *checkpoint = checkpoint_new(file, file_name(file), "index", err);
    if (checkpoint && read_index(checkpoint, opening, err)) {
        checkpoint->format = format_of(checkpoint);
        return checkpoint;
    }
    checkpoint_close(checkpoint);
    return NULL;
}

static bool is_index(const Head *head) {
    return head_is_text(head) && head_first_visible(head, 0) == '{' &&
           memmem(head->bytes, head->length, "\"weight_map\"", 12);
}

const CheckpointReader shards_reader = {FILE_SHARD_INDEX, is_index, open_index};
