/* safetensors_write -- saving safetensors: the JSON, padded with spaces so that the data starts at a multiple of 8. */
#include "weft/format.h"

#include <stdlib.h>
#include <string.h>

#include "format/bytes.h"
#include "format/checkpoint.h"
#include "format/tensor_stream.h"
#include "weft/base/dtype.h"
#include "weft/base/error.h"
#include "weft/base/memory.h"
#include "weft/base/save.h"
#include "weft/base/size.h"
#include "weft/base/tensor.h"
#include "weft/base/text.h"

static void add_json_string(Str *json, const char *text) {
    str_add(json, "\"");
    while (*text) {
        size_t plain = 0;
        while ((unsigned char)text[plain] >= ' ' && !strchr("\"\\\x7f", text[plain])) plain++;
        str_add_bytes(json, text, plain);
        text += plain;
        if (*text == '"' || *text == '\\')
            str_addf(json, "\\%c", *text++);
        else if (*text)
            str_addf(json, "\\u%04x", (unsigned char)*text++);
    }
    str_add(json, "\"");
}

static bool tensor_size(const TensorOut *tensor, uint64_t *bytes, Error *err) {
    uint64_t count, bits;
    if (tensor->rank > TENSOR_RANK_MAX || !size_product(tensor->dim, tensor->rank, &count) ||
        !size_mul(count, dtype_bits(tensor->dtype), &bits) || bits % 8 != 0)
        return error_set(err, STATUS_USAGE, "tensor \"%s\": impossible shape", tensor->name);
    if (tensor->dtype == DTYPE_C128)
        return error_set(err, STATUS_USAGE, "tensor \"%s\": safetensors has no C128", tensor->name);
    *bytes = bits / 8;
    return true;
}

static bool check_text(const char *text, const char *what, Error *err) {
    if (strlen(text) <= CAP_JSON_HEADER && text_valid_utf8(text, strlen(text))) return true;
    return error_set(err, STATUS_USAGE, "%s \"%.80s\" is not UTF-8", what, text);
}

static int compare_texts(const void *a, const void *b) {
    return strcmp(*(const char *const *)a, *(const char *const *)b);
}

/* `name` holds `count` texts; sorts them. */
static bool check_unique(const char **name, size_t count, const char *what, Error *err) {
    qsort(name, count, sizeof *name, compare_texts);
    for (size_t i = 1; i < count; i++)
        if (strcmp(name[i - 1], name[i]) == 0)
            return error_set(err, STATUS_USAGE, "two %s are named \"%s\"", what, name[i]);
    return true;
}

/* What a reader would refuse is not written. */
static bool check_names(const TensorOut *tensors, size_t count, const KeyValue *metadata, size_t metadata_count,
                        Error *err) {
    size_t most = count > metadata_count ? count : metadata_count;
    if (most > CAP_TENSORS) return error_set(err, STATUS_LIMIT, "more than %d tensors", CAP_TENSORS);
    const char **name = mem_alloc(most, sizeof *name, err);
    bool ok = name != NULL;
    for (size_t i = 0; i < count && ok; i++) {
        name[i] = tensors[i].name;
        ok = check_text(name[i], "the tensor name", err);
        if (ok && (strcmp(name[i], "__metadata__") == 0 || strlen(name[i]) > CAP_NAME))
            ok = error_set(err, STATUS_USAGE, "a tensor cannot be named \"%.80s\"", name[i]);
    }
    ok = ok && check_unique(name, count, "tensors", err);
    for (size_t i = 0; i < metadata_count && ok; i++) {
        name[i] = metadata[i].key;
        ok = check_text(metadata[i].key, "the metadata key", err) &&
             check_text(metadata[i].value, "the metadata value", err);
    }
    ok = ok && check_unique(name, metadata_count, "metadata keys", err);
    mem_free(name);
    return ok;
}

enum { LENGTH = 8 }; /* bytes in front of the JSON, which say how long it is */

/* Both of them. */
static bool build_header(const TensorOut *tensors, size_t count, const KeyValue *metadata, size_t metadata_count,
                         Str *json, Error *err) {
    uint64_t begin = 0, bytes, end;
    str_add_bytes(json, (const char[LENGTH]){0}, LENGTH);
    str_add(json, "{");
    if (metadata_count > 0) {
        str_add(json, "\"__metadata__\":{");
        for (size_t i = 0; i < metadata_count; i++) {
            if (i > 0) str_add(json, ",");
            add_json_string(json, metadata[i].key);
            str_add(json, ":");
            add_json_string(json, metadata[i].value);
        }
        str_add(json, count > 0 ? "}," : "}");
    }
    for (size_t i = 0; i < count; i++, begin = end) {
        if (!tensor_size(&tensors[i], &bytes, err)) return false;
        if (!size_add(begin, bytes, &end)) return error_set(err, STATUS_LIMIT, "too much data");
        if (i > 0) str_add(json, ",");
        add_json_string(json, tensors[i].name);
        str_addf(json, ":{\"dtype\":\"%s\",\"shape\":", dtype_name(tensors[i].dtype));
        checkpoint_shape_text(tensors[i].rank, tensors[i].dim, json);
        str_addf(json, ",\"data_offsets\":[%llu,%llu]}", (unsigned long long)begin, (unsigned long long)end);
    }
    str_add(json, "}");
    while (json->length % 8 != 0 && !json->failed) str_add(json, " ");
    if (!str_ok(json, err)) return false;
    const size_t length = json->length - LENGTH;
    if (length > CAP_JSON_HEADER)
        return error_set(err, STATUS_LIMIT, "a header of %zu bytes; the format allows %d", length, CAP_JSON_HEADER);
    put_le64((uint8_t *)json->text, length);
    return true;
}

/* ---- one file ---------------------------------------------------------------------------------------------------- */

static bool put_to_save(void *context, const void *bytes, uint64_t length, Error *err) {
    return save_write(context, bytes, length, err);
}

/* A complete file, not yet in its place; NULL on failure. */
static Save *write_file(const char *path, bool overwrite, const TensorOut *tensors, const TensorReader *readers,
                        size_t count, const KeyValue *metadata, size_t metadata_count, const StreamProgress *progress,
                        Error *err) {
    Str json = {0};
    if (!check_names(tensors, count, metadata, metadata_count, err) ||
        !build_header(tensors, count, metadata, metadata_count, &json, err)) {
        error_prefix(err, "%s", path);
        str_done(&json);
        return NULL;
    }
    Save *save = save_begin(path, overwrite, err);
    const bool ok = save && save_write(save, json.text, json.length, err) &&
                    tensor_stream(tensors, readers, count, put_to_save, save, progress, err);
    str_done(&json);
    if (ok) return save;
    save_abandon(save);
    return NULL;
}

bool safetensors_save(const char *path, bool overwrite, const TensorOut *tensors, size_t count,
                      const KeyValue *metadata, size_t metadata_count, Error *err) {
    Save *save = write_file(path, overwrite, tensors, NULL, count, metadata, metadata_count, NULL, err);
    return save && save_commit(save, err);
}

/* ---- shards ------------------------------------------------------------------------------------------------------ */

enum { SHARDS_MOST = 512 }; /* which are open at once */

typedef struct Sharding {
    const char *path;
    const FileSaving *saving;
    const FileParts *parts;
    size_t *first; /* of each shard, its first tensor, and behind the last one their number */
    size_t shards;
    uint64_t total, done;
    Save **saves;
} Sharding;

/* Cuts the list of tensors wherever the next one would make a shard too large. */
static bool cut_shards(Sharding *s, Error *err) {
    const FileParts *parts = s->parts;
    uint64_t here = 0, bytes;
    if (!(s->first = mem_alloc(parts->count + 2, sizeof *s->first, err))) return false;
    s->shards = 1;
    for (size_t i = 0; i < parts->count; i++) {
        if (!tensor_size(&parts->tensors[i], &bytes, err)) return error_prefix(err, "%s", s->path);
        if (s->saving->shard_size && here > 0 &&
            bytes > s->saving->shard_size - (here < s->saving->shard_size ? here : s->saving->shard_size)) {
            s->first[s->shards++] = i;
            here = 0;
        }
        if (!size_add(here, bytes, &here) || !size_add(s->total, bytes, &s->total))
            return error_set(err, STATUS_LIMIT, "%s: too much data", s->path);
    }
    s->first[s->shards] = parts->count;
    return s->shards <= SHARDS_MOST ||
           error_set(err, STATUS_USAGE, "%s: %zu shards are too many, limit %d; choose a larger --shard-size", s->path,
                     s->shards, SHARDS_MOST);
}

/* The path of a shard: NAME-00001-of-00003.safetensors. */
static void shard_path(const Sharding *s, size_t shard, Str *out) {
    const char *dot = strrchr(s->path, '.');
    str_add_bytes(out, s->path, (size_t)(dot - s->path));
    str_addf(out, "-%05zu-of-%05zu%s", shard + 1, s->shards, dot);
}

static bool write_shard(Sharding *s, size_t shard, Error *err) {
    static const KeyValue plain = {(char *)(uintptr_t) "format", (char *)(uintptr_t) "pt"};
    const FileParts *parts = s->parts;
    const StreamProgress progress = {s->saving->task, &s->done, s->total};
    const size_t first = s->first[shard], count = s->first[shard + 1] - first;
    const bool one = s->shards == 1;
    Str path = {0};
    if (!one) shard_path(s, shard, &path);
    if (str_ok(&path, err))
        s->saves[shard] =
            write_file(one ? s->path : str_text(&path), s->saving->overwrite, parts->tensors + first,
                       parts->readers ? parts->readers + first : NULL, count, shard ? &plain : parts->metadata,
                       shard ? 1 : parts->metadata_count, &progress, err);
    str_done(&path);
    return s->saves[shard] != NULL;
}

static void build_index(const Sharding *s, Str *json) {
    str_addf(json, "{\n  \"metadata\": {\n    \"total_size\": %llu\n  },\n  \"weight_map\": {",
             (unsigned long long)s->total);
    for (size_t shard = 0; shard < s->shards; shard++) {
        Str path = {0};
        shard_path(s, shard, &path);
        const char *slash = strrchr(str_text(&path), '/'), *name = slash ? slash + 1 : str_text(&path);
        for (size_t i = s->first[shard]; i < s->first[shard + 1]; i++) {
            str_add(json, i > 0 ? ",\n    " : "\n    ");
            add_json_string(json, s->parts->tensors[i].name);
            str_add(json, ": ");
            add_json_string(json, name);
        }
        if (path.failed) json->failed = true;
        str_done(&path);
    }
    str_add(json, "\n  }\n}\n");
}

/* Everything is written: what stood there before goes, index first, and the new index comes last. */
static bool put_in_place(Sharding *s, Error *err) {
    Str path = {0}, json = {0};
    if (s->shards > 1) {
        str_addf(&path, "%s.index.json", s->path);
        build_index(s, &json);
    }
    bool done = str_ok(&path, err) && str_ok(&json, err);
    if (done && s->shards > 1) done = save_replace(str_text(&path), s->saving->overwrite, err);
    for (size_t i = 0; done && i < s->shards; i++) {
        Save *save = s->saves[i];
        s->saves[i] = NULL;
        done = save_commit(save, err);
    }
    if (done && s->shards > 1) done = save_text(str_text(&path), s->saving->overwrite, json.text, json.length, err);
    str_done(&path);
    str_done(&json);
    return done;
}

bool safetensors_save_large(const char *path, const FileSaving *saving, const FileParts *parts, size_t *files,
                            Error *err) {
    Sharding s = {.path = path, .saving = saving, .parts = parts};
    bool done = cut_shards(&s, err) && (s.saves = mem_alloc(s.shards, sizeof(Save *), err));
    for (size_t i = 0; done && i < s.shards; i++) done = write_shard(&s, i, err);
    done = done && put_in_place(&s, err);
    for (size_t i = 0; s.saves && i < s.shards; i++) save_abandon(s.saves[i]);
    *files = s.shards;
    mem_free(s.saves);
    mem_free(s.first);
    return done;
}

bool safetensors_pack(const FileParts *parts, Str *out, Error *err) {
    Str json = {0};
    uint64_t bytes = 0;
    bool ok = check_names(parts->tensors, parts->count, parts->metadata, parts->metadata_count, err) &&
              build_header(parts->tensors, parts->count, parts->metadata, parts->metadata_count, &json, err);
    if (ok) str_add_bytes(out, json.text, json.length);
    for (size_t i = 0; i < parts->count && ok; i++) {
        ok = tensor_size(&parts->tensors[i], &bytes, err);
        if (ok && bytes > 0 && !parts->tensors[i].data)
            ok = error_set(err, STATUS_FAILED, "tensor \"%s\" is not in memory", parts->tensors[i].name);
        if (ok) str_add_bytes(out, parts->tensors[i].data, bytes);
    }
    str_done(&json);
    return ok && str_ok(out, err);
}

void file_parts_done(FileParts *parts) {
    for (size_t i = 0; i < parts->buffer_count; i++) mem_free(parts->buffers[i]);
    mem_free(parts->buffers);
    mem_free(parts->tensors);
    mem_free(parts->readers);
    key_value_free(parts->metadata, parts->metadata_count);
    *parts = (FileParts){0};
}
