/* safetensors -- the reader.
 *
 *   u64le N | N bytes of JSON | data
 *   {"__metadata__":{"key":"text"}, "NAME":{"dtype":"F32","shape":[2,3],"data_offsets":[0,24]}, ...}
 *
 * The ranges, counted from the first byte behind the JSON, must cover the data exactly: no holes, no overlap, no bytes
 * left. That rules out files which are something else as well, and many tensors over one range. (The reference is
 * tensor.rs of huggingface/safetensors; unlike it, duplicate keys are refused.)
 */
#include "format/checkpoint.h"

#include <stdlib.h>
#include <string.h>

#include "format/bytes.h"
#include "format/json.h"
#include "weft/base/dtype.h"
#include "weft/base/error.h"
#include "weft/base/file.h"
#include "weft/base/memory.h"
#include "weft/base/tensor.h"
#include "weft/base/text.h"

typedef struct Range {
    uint64_t begin, end;
    size_t index; /* of the tensor */
} Range;

typedef struct Reader {
    uint64_t data; /* offset of the data in the file */
    Range *range;
    size_t capacity;
} Reader;

/* One entry's object while it is being read. */
typedef struct Entry {
    DType dtype;
    unsigned rank;
    uint64_t dim[TENSOR_RANK_MAX], offsets[TENSOR_RANK_MAX]; /* two of these, but room for what an array may hold */
    bool has_dtype, has_shape, has_offsets;
} Entry;

static void free_reader(void *opaque) {
    Reader *reader = opaque;
    mem_free(reader->range);
    mem_free(reader);
}

static bool parse_dtype(Json *json, const char *name, DType *dtype, Error *err) {
    char *text;
    size_t length;
    if (!json_pull_string(json, &text, &length, err)) return false;
    if (!dtype_parse(text, dtype) || *dtype == DTYPE_C128)
        return error_set(err, STATUS_BAD_INPUT, "tensor \"%s\": unknown dtype \"%s\"", name, text);
    return true;
}

/* An array of at most TENSOR_RANK_MAX integers. */
static bool parse_integers(Json *json, const char *name, uint64_t *value, unsigned *count, Error *err) {
    bool first = true, more;
    *count = 0;
    if (!json_pull_expect(json, '[', err)) return false;
    for (;;) {
        if (!json_pull_next(json, ']', &first, &more, err)) return false;
        if (!more) return true;
        if (*count == TENSOR_RANK_MAX)
            return error_set(err, STATUS_LIMIT, "tensor \"%s\": more than %d dimensions", name, TENSOR_RANK_MAX);
        if (!json_pull_integer(json, &value[(*count)++], err)) return false;
    }
}

static bool parse_field(Json *json, const char *name, const char *key, Entry *entry, Error *err) {
    bool *has = strcmp(key, "dtype") == 0          ? &entry->has_dtype
                : strcmp(key, "shape") == 0        ? &entry->has_shape
                : strcmp(key, "data_offsets") == 0 ? &entry->has_offsets
                                                   : NULL;
    unsigned count;
    if (!has) return error_set(err, STATUS_BAD_INPUT, "tensor \"%s\": unknown key \"%s\"", name, key);
    if (*has) return error_set(err, STATUS_BAD_INPUT, "tensor \"%s\": key \"%s\" appears twice", name, key);
    *has = true;
    if (has == &entry->has_dtype) return parse_dtype(json, name, &entry->dtype, err);
    if (has == &entry->has_shape) return parse_integers(json, name, entry->dim, &entry->rank, err);
    if (!parse_integers(json, name, entry->offsets, &count, err)) return false;
    if (count != 2) return error_set(err, STATUS_BAD_INPUT, "tensor \"%s\": data_offsets need two numbers", name);
    return true;
}

static bool parse_tensor(Json *json, Checkpoint *checkpoint, const char *name, size_t name_length, Error *err) {
    Reader *reader = checkpoint->reader;
    Entry entry = {0};
    bool first = true, more = true;
    char *key;
    size_t length;
    if (name_length > CAP_NAME)
        return error_set(err, STATUS_LIMIT, "a tensor's name has %zu bytes, limit %d", name_length, CAP_NAME);
    if (!json_pull_expect(json, '{', err)) return false;
    while (json_pull_next_key(json, &first, &more, &key, &length, err) && more)
        if (!parse_field(json, name, key, &entry, err)) return false;
    if (more) return false;
    if (!entry.has_dtype || !entry.has_shape || !entry.has_offsets)
        return error_set(err, STATUS_BAD_INPUT, "tensor \"%s\": needs dtype, shape and data_offsets", name);
    if (entry.offsets[0] > entry.offsets[1])
        return error_set(err, STATUS_BAD_INPUT, "tensor \"%s\": data_offsets [%llu,%llu] run backwards", name,
                         (unsigned long long)entry.offsets[0], (unsigned long long)entry.offsets[1]);
    if (!checkpoint_add(checkpoint, name, name_length, entry.dtype, entry.rank, entry.dim, err) ||
        !mem_grow(&reader->range, &reader->capacity, checkpoint->count, sizeof *reader->range, err))
        return false;
    size_t index = checkpoint->count - 1;
    reader->range[index] = (Range){entry.offsets[0], entry.offsets[1], index};
    const CheckpointTensor *tensor = &checkpoint->tensors[index];
    uint64_t span = entry.offsets[1] - entry.offsets[0];
    if (checkpoint_tensor_bytes(tensor) == span) return true;
    Str shape = {0};
    checkpoint_shape_text(tensor->rank, tensor->dim, &shape);
    error_set(err, STATUS_BAD_INPUT, "tensor \"%s\": shape %s %s needs %llu bytes, data_offsets span %llu", name,
              str_text(&shape), dtype_name(tensor->dtype), (unsigned long long)checkpoint_tensor_bytes(tensor),
              (unsigned long long)span);
    str_done(&shape);
    return false;
}

static int compare_keys(const void *a, const void *b) {
    return strcmp((*(const KeyValue *const *)a)->key, (*(const KeyValue *const *)b)->key);
}

/* No two keys alike. */
static bool check_metadata(const Checkpoint *checkpoint, Error *err) {
    size_t count = checkpoint->metadata_count;
    bool ok = true;
    const KeyValue **sorted = mem_alloc(count, sizeof *sorted, err);
    if (!sorted) return false;
    for (size_t i = 0; i < count; i++) sorted[i] = &checkpoint->metadata[i];
    qsort(sorted, count, sizeof *sorted, compare_keys);
    for (size_t i = 1; i < count && ok; i++)
        if (compare_keys(&sorted[i - 1], &sorted[i]) == 0)
            ok = error_set(err, STATUS_BAD_INPUT, "metadata key \"%s\" appears twice", sorted[i]->key);
    mem_free(sorted);
    return ok;
}

static bool parse_metadata(Json *json, Checkpoint *checkpoint, Error *err) {
    bool first = true, more = true;
    char *key, *value;
    size_t length;
    if (json_pull_peek(json) == 'n') return json_pull_skip(json, err); /* null is none */
    if (!json_pull_expect(json, '{', err)) return error_prefix(err, "__metadata__");
    while (json_pull_next_key(json, &first, &more, &key, &length, err) && more) {
        if (json_pull_peek(json) != '"')
            return error_set(err, STATUS_BAD_INPUT,
                             "metadata \"%s\": its value is not a string (the format allows only strings)", key);
        if (!json_pull_string(json, &value, &length, err) || !checkpoint_add_metadata(checkpoint, key, value, err))
            return false;
    }
    return !more && check_metadata(checkpoint, err);
}

static bool parse_header(Json *json, Checkpoint *checkpoint, Error *err) {
    bool first = true, more = true, metadata = false;
    char *key;
    size_t length;
    if (json_pull_count_ahead(json) > CAP_TENSORS + 1) /* before memory is spent on the first million */
        return error_set(err, STATUS_LIMIT, "more than %d tensors", CAP_TENSORS);
    if (!json_pull_expect(json, '{', err)) return false;
    while (json_pull_next_key(json, &first, &more, &key, &length, err) && more) {
        if (strcmp(key, "__metadata__") != 0) {
            if (!parse_tensor(json, checkpoint, key, length, err)) return false;
        } else {
            if (metadata) return error_set(err, STATUS_BAD_INPUT, "__metadata__ appears twice");
            metadata = true;
            if (!parse_metadata(json, checkpoint, err)) return false;
        }
    }
    return !more && json_pull_end(json, err);
}

static int compare_ranges(const void *a, const void *b) {
    const Range *x = a, *y = b;
    int begin = (x->begin > y->begin) - (x->begin < y->begin);
    return begin ? begin : (x->end > y->end) - (x->end < y->end);
}

/* The ranges, one after the other, are the data. */
static bool check_cover(const Checkpoint *checkpoint, const Range *range, uint64_t data_size, Error *err) {
    uint64_t end = 0;
    bool ok = true;
    Range *sorted = mem_alloc(checkpoint->count, sizeof *sorted, err);
    if (!sorted) return false;
    if (checkpoint->count > 0) memcpy(sorted, range, checkpoint->count * sizeof *sorted);
    qsort(sorted, checkpoint->count, sizeof *sorted, compare_ranges);
    for (size_t i = 0; i < checkpoint->count && ok; i++) {
        const char *name = checkpoint->tensors[sorted[i].index].name;
        if (sorted[i].begin != end)
            ok = error_set(err, STATUS_BAD_INPUT, "tensor \"%s\": data begins at %llu, %s %llu", name,
                           (unsigned long long)sorted[i].begin,
                           sorted[i].begin > end ? "after a gap from" : "inside another tensor's, which ends at",
                           (unsigned long long)end);
        end = sorted[i].end;
    }
    if (ok && end != data_size)
        ok = error_set(err, STATUS_BAD_INPUT, "the tensors need %llu bytes of data; the file holds %llu",
                       (unsigned long long)end, (unsigned long long)data_size);
    mem_free(sorted);
    return ok;
}

static bool read_data(Checkpoint *checkpoint, size_t index, void *out, Error *err) {
    const Reader *reader = checkpoint->reader;
    const Range *range = &reader->range[index];
    return file_read(checkpoint->file, reader->data + range->begin, out, range->end - range->begin, err);
}

static bool place_data(const Checkpoint *checkpoint, size_t index, CheckpointPlace *out) {
    const Reader *reader = checkpoint->reader;
    const Range *range = &reader->range[index];
    *out = (CheckpointPlace){
        .file = checkpoint->file, .offset = reader->data + range->begin, .length = range->end - range->begin};
    return true;
}

/* The JSON's length, checked against the file's. */
static bool read_length(const File *file, uint64_t *length, Error *err) {
    uint8_t bytes[8];
    const uint64_t size = file_size(file);
    if (!file_read(file, 0, bytes, sizeof bytes, err)) return false; /* as where there are fewer */
    *length = get_le64(bytes);
    if (*length > CAP_JSON_HEADER)
        return error_set(err, STATUS_BAD_INPUT, "safetensors: header length %llu; the format allows %d",
                         (unsigned long long)*length, CAP_JSON_HEADER);
    if (*length > size - sizeof bytes)
        return error_set(err, STATUS_BAD_INPUT, "safetensors: header length %llu, but only %llu bytes follow",
                         (unsigned long long)*length, (unsigned long long)(size - sizeof bytes));
    return true;
}

static bool read_header(Checkpoint *checkpoint, Error *err) {
    Json json;
    uint64_t length = 0;
    char *text = NULL;
    Reader *reader = mem_alloc(1, sizeof *reader, err);
    if (!reader) return false;
    checkpoint->reader = reader;
    checkpoint->free_reader = free_reader;
    checkpoint->read = read_data;
    checkpoint->place = place_data;
    bool ok = read_length(checkpoint->file, &length, err) && mem_admit(length, "the header", err) &&
              (text = mem_alloc(length, 1, err)) != NULL && file_read(checkpoint->file, 8, text, length, err) &&
              json_pull_begin(&json, text, length, 8, err) && parse_header(&json, checkpoint, err);
    mem_free(text);
    reader->data = 8 + length;
    return ok && checkpoint_seal(checkpoint, err) &&
           check_cover(checkpoint, reader->range, file_size(checkpoint->file) - reader->data, err);
}

static Checkpoint *open_safetensors(File *file, const CheckpointOpening *opening, Error *err) {
    (void)opening;
    Checkpoint *checkpoint = checkpoint_new(file, file_name(file), "safetensors", err);
    if (!checkpoint || read_header(checkpoint, err)) return checkpoint;
    checkpoint_close(checkpoint);
    return NULL;
}

/* u64le N, then JSON, and N can be right. Asked before the short magics: a header of 0x0280 bytes begins as a pickle
 * does. */
static bool is_safetensors(const Head *head) {
    if (head->length < 9) return false;
    uint64_t length = get_le64(head->bytes);
    int first = head_first_visible(head, 8);
    return length > 0 && length <= head->file_size - 8 && length <= CAP_JSON_HEADER &&
           (first == '{' || first == '[' || first == -1);
}

/* N cannot be right, but an object follows it: the reader can say what is wrong. */
static bool is_damaged_safetensors(const Head *head) {
    return head->length >= 9 && head_first_visible(head, 8) == '{';
}

const CheckpointReader safetensors_reader = {FILE_SAFETENSORS, is_safetensors, open_safetensors};
const CheckpointReader damaged_safetensors_reader = {FILE_SAFETENSORS, is_damaged_safetensors, open_safetensors};
