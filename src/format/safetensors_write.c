/* safetensors_write -- saving safetensors: the JSON, padded with spaces so that the data starts at a multiple of 8. */
#include "weft/format.h"

#include <stdlib.h>
#include <string.h>

#include "format/bytes.h"
#include "format/checkpoint.h"
#include "weft/base/dtype.h"
#include "weft/base/error.h"
#include "weft/base/memory.h"
#include "weft/base/save.h"
#include "weft/base/size.h"
#include "weft/base/tensor.h"
#include "weft/base/text.h"

static void add_json_string(Str *json, const char *text) {
    str_add(json, "\"");
    for (; *text; text++) {
        unsigned char c = (unsigned char)*text;
        if (c == '"' || c == '\\')
            str_addf(json, "\\%c", c);
        else if (c < ' ' || c == 0x7f)
            str_addf(json, "\\u%04x", c);
        else
            str_add_bytes(json, text, 1);
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

static bool build_header(const TensorOut *tensors, size_t count, const KeyValue *metadata, size_t metadata_count,
                         Str *json, Error *err) {
    uint64_t begin = 0, bytes, end;
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
    if (json->length > CAP_JSON_HEADER)
        return error_set(err, STATUS_LIMIT, "a header of %zu bytes; the format allows %d", json->length,
                         CAP_JSON_HEADER);
    return true;
}

bool safetensors_save(const char *path, bool overwrite, const TensorOut *tensors, size_t count,
                      const KeyValue *metadata, size_t metadata_count, Error *err) {
    Str json = {0};
    uint8_t length[8];
    uint64_t bytes = 0;
    Save *save = NULL;
    bool ok = check_names(tensors, count, metadata, metadata_count, err) &&
              build_header(tensors, count, metadata, metadata_count, &json, err);
    if (!ok) {
        error_prefix(err, "%s", path);
        goto out;
    }
    put_le64(length, json.length);
    save = save_begin(path, overwrite, err);
    ok = save && save_write(save, length, sizeof length, err) && save_write(save, json.text, json.length, err);
    for (size_t i = 0; i < count && ok; i++)
        ok = tensor_size(&tensors[i], &bytes, err) && save_write(save, tensors[i].data, bytes, err);
    if (ok)
        ok = save_commit(save, err);
    else
        save_abandon(save);
out:
    str_done(&json);
    return ok;
}

bool safetensors_pack(const FileParts *parts, Str *out, Error *err) {
    Str json = {0};
    uint8_t length[8];
    uint64_t bytes = 0;
    bool ok = check_names(parts->tensors, parts->count, parts->metadata, parts->metadata_count, err) &&
              build_header(parts->tensors, parts->count, parts->metadata, parts->metadata_count, &json, err);
    put_le64(length, json.length);
    if (ok) {
        str_add_bytes(out, (const char *)length, sizeof length);
        str_add_bytes(out, json.text, json.length);
    }
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
    key_value_free(parts->metadata, parts->metadata_count);
    *parts = (FileParts){0};
}
