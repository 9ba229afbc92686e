/* checkpoint -- named tensors whatever file they come from: filled by a reader, looked up, read. */
#include "format/checkpoint.h"

#include <stdlib.h>
#include <string.h>

#include "weft/base/dtype.h"
#include "weft/base/error.h"
#include "weft/base/file.h"
#include "weft/base/memory.h"
#include "weft/base/size.h"
#include "weft/base/tensor.h"
#include "weft/base/text.h"

/* Names and dimensions are small and many: they live in blocks that are freed together. */
struct Pool {
    struct Pool *next;
    size_t used, size;
    _Alignas(8) char bytes[];
};

enum { POOL_SIZE = 65536 - sizeof(struct Pool) };

void *checkpoint_alloc(Checkpoint *checkpoint, size_t size, Error *err) {
    struct Pool *pool = checkpoint->pool;
    size = (size + 7) & ~(size_t)7;
    if (!mem_part_allowed(size, err)) return NULL;
    if (!pool || size > pool->size - pool->used) {
        size_t room = size > POOL_SIZE ? size : POOL_SIZE;
        pool = mem_alloc(1, sizeof *pool + room, err);
        if (!pool) return NULL;
        pool->next = checkpoint->pool;
        pool->size = room;
        checkpoint->pool = pool;
    }
    pool->used += size;
    return pool->bytes + pool->used - size;
}

/* ---- for readers ------------------------------------------------------------------------------------------------- */

Checkpoint *checkpoint_new(File *file, const char *path, const char *format, Error *err) {
    Checkpoint *checkpoint = mem_alloc(1, sizeof *checkpoint, err);
    if (!checkpoint) {
        file_close(file);
        return NULL;
    }
    checkpoint->file = file;
    checkpoint->format = format;
    checkpoint->path = mem_copy_text(path, err);
    if (checkpoint->path) return checkpoint;
    checkpoint_close(checkpoint);
    return NULL;
}

/* "[32,8]" */
void checkpoint_shape_text(unsigned rank, const uint64_t *dim, Str *out) {
    str_add(out, "[");
    for (unsigned i = 0; i < rank; i++) str_addf(out, i ? ",%llu" : "%llu", (unsigned long long)dim[i]);
    str_add(out, "]");
}

static bool too_large(const char *name, size_t name_length, unsigned rank, const uint64_t *dim, Error *err) {
    Str shape = {0};
    checkpoint_shape_text(rank, dim, &shape);
    error_set(err, STATUS_BAD_INPUT, "tensor \"%.*s\": shape %s has too many bytes", (int)name_length, name,
              str_text(&shape));
    str_done(&shape);
    return false;
}

bool checkpoint_add(Checkpoint *checkpoint, const char *name, size_t name_length, DType dtype, unsigned rank,
                    const uint64_t *dim, Error *err) {
    uint64_t count, bits;
    if (name_length > CAP_NAME)
        return error_set(err, STATUS_LIMIT, "a tensor's name has %zu bytes, limit %d", name_length, CAP_NAME);
    if (memchr(name, '\0', name_length) || !text_valid_utf8(name, name_length))
        return error_set(err, STATUS_BAD_INPUT, "tensor \"%.*s\": the name is not UTF-8 text", (int)name_length, name);
    if (checkpoint->count == CAP_TENSORS) return error_set(err, STATUS_LIMIT, "more than %d tensors", CAP_TENSORS);
    if (rank > TENSOR_RANK_MAX)
        return error_set(err, STATUS_LIMIT, "tensor \"%.*s\": rank %u, limit %d", (int)name_length, name, rank,
                         TENSOR_RANK_MAX);
    if (!size_product(dim, rank, &count) || !size_mul(count, dtype_bits(dtype), &bits))
        return too_large(name, name_length, rank, dim, err);
    if (bits % 8 != 0)
        return error_set(err, STATUS_BAD_INPUT, "tensor \"%.*s\": %llu %s values do not fill whole bytes",
                         (int)name_length, name, (unsigned long long)count, dtype_name(dtype));
    if (!mem_grow(&checkpoint->tensors, &checkpoint->capacity, checkpoint->count + 1, sizeof *checkpoint->tensors, err))
        return false;
    uint64_t *dims = checkpoint_alloc(checkpoint, rank * sizeof *dim, err);
    char *text = dims ? checkpoint_alloc(checkpoint, name_length + 1, err) : NULL;
    if (!text) return false;
    if (rank > 0) memcpy(dims, dim, rank * sizeof *dim);
    memcpy(text, name, name_length);
    text[name_length] = '\0';
    checkpoint->tensors[checkpoint->count] = (CheckpointTensor){
        .name = text, .dtype = dtype, .rank = rank, .dim = dims, .count = count, .shares_with = checkpoint->count};
    checkpoint->count++;
    return true;
}

bool checkpoint_add_metadata(Checkpoint *checkpoint, const char *key, const char *value, Error *err) {
    if (checkpoint->metadata_count == CAP_TENSORS)
        return error_set(err, STATUS_LIMIT, "more than %d metadata entries", CAP_TENSORS);
    if (!mem_grow(&checkpoint->metadata, &checkpoint->metadata_capacity, checkpoint->metadata_count + 1,
                  sizeof *checkpoint->metadata, err))
        return false;
    size_t key_size = strlen(key) + 1, value_size = strlen(value) + 1;
    char *text = checkpoint_alloc(checkpoint, key_size + value_size, err);
    if (!text) return false;
    memcpy(text, key, key_size);
    memcpy(text + key_size, value, value_size);
    checkpoint->metadata[checkpoint->metadata_count++] = (KeyValue){text, text + key_size};
    return true;
}

bool checkpoint_add_note(Checkpoint *checkpoint, Error *err, const char *format, ...) {
    Str note = {0};
    va_list args;
    va_start(args, format);
    str_addv(&note, format, args);
    va_end(args);
    bool ok = str_ok(&note, err) && mem_grow(&checkpoint->notes, &checkpoint->note_capacity, checkpoint->note_count + 1,
                                             sizeof *checkpoint->notes, err);
    char *text = ok ? checkpoint_alloc(checkpoint, note.length + 1, err) : NULL;
    if (text) {
        memcpy(text, str_text(&note), note.length + 1);
        checkpoint->notes[checkpoint->note_count++] = text;
    }
    str_done(&note);
    return text != NULL;
}

bool checkpoint_name_file(Error *err, const char *path) {
    Error head; /* the path as error_set escapes it */
    error_set(&head, STATUS_OK, "%s: ", path);
    if (strncmp(err->text, head.text, strlen(head.text)) == 0) return false;
    return error_prefix(err, "%s", path);
}

static int compare_names(const void *a, const void *b) {
    return strcmp((*(const CheckpointTensor *const *)a)->name, (*(const CheckpointTensor *const *)b)->name);
}

bool checkpoint_seal(Checkpoint *checkpoint, Error *err) {
    const CheckpointTensor **names = mem_alloc(checkpoint->count, sizeof *names, err);
    if (!names) return false;
    mem_free(checkpoint->names);
    checkpoint->names = names;
    for (size_t i = 0; i < checkpoint->count; i++) names[i] = &checkpoint->tensors[i];
    qsort(names, checkpoint->count, sizeof *names, compare_names);
    for (size_t i = 1; i < checkpoint->count; i++)
        if (strcmp(names[i - 1]->name, names[i]->name) == 0)
            return error_set(err, STATUS_BAD_INPUT, "tensor \"%s\" appears twice", names[i]->name);
    return true;
}

void checkpoint_close(Checkpoint *checkpoint) {
    if (!checkpoint) return;
    if (checkpoint->free_reader) checkpoint->free_reader(checkpoint->reader);
    file_close(checkpoint->file);
    for (struct Pool *pool = checkpoint->pool, *next; pool; pool = next) {
        next = pool->next;
        mem_free(pool);
    }
    mem_free(checkpoint->tensors);
    mem_free(checkpoint->metadata);
    mem_free(checkpoint->notes);
    mem_free(checkpoint->names);
    mem_free(checkpoint->path);
    mem_free(checkpoint);
}

/* ---- reading ----------------------------------------------------------------------------------------------------- */

const char *checkpoint_path(const Checkpoint *checkpoint) {
    return checkpoint->path;
}

const char *checkpoint_format(const Checkpoint *checkpoint) {
    return checkpoint->format;
}

size_t checkpoint_count(const Checkpoint *checkpoint) {
    return checkpoint->count;
}

const CheckpointTensor *checkpoint_tensor(const Checkpoint *checkpoint, size_t index) {
    return &checkpoint->tensors[index];
}

bool checkpoint_find(const Checkpoint *checkpoint, const char *name, size_t *index) {
    const CheckpointTensor key = {.name = name}, *wanted = &key;
    if (checkpoint->count == 0) return false;
    const CheckpointTensor *const *found =
        bsearch(&wanted, checkpoint->names, checkpoint->count, sizeof wanted, compare_names);
    if (!found) return false;
    *index = (size_t)(*found - checkpoint->tensors);
    return true;
}

uint64_t checkpoint_tensor_bytes(const CheckpointTensor *tensor) {
    return tensor->count * dtype_bits(tensor->dtype) / 8; /* checkpoint_add has seen that this does not overflow */
}

uint64_t checkpoint_bytes(const Checkpoint *checkpoint) {
    uint64_t sum = 0;
    for (size_t i = 0; i < checkpoint->count; i++)
        if (!size_add(sum, checkpoint_tensor_bytes(&checkpoint->tensors[i]), &sum)) return UINT64_MAX;
    return sum;
}

size_t checkpoint_metadata_count(const Checkpoint *checkpoint) {
    return checkpoint->metadata_count;
}

const KeyValue *checkpoint_metadata(const Checkpoint *checkpoint, size_t index) {
    return &checkpoint->metadata[index];
}

const char *checkpoint_metadata_find(const Checkpoint *checkpoint, const char *key) {
    for (size_t i = 0; i < checkpoint->metadata_count; i++)
        if (strcmp(checkpoint->metadata[i].key, key) == 0) return checkpoint->metadata[i].value;
    return NULL;
}

size_t checkpoint_note_count(const Checkpoint *checkpoint) {
    return checkpoint->note_count;
}

const char *checkpoint_note(const Checkpoint *checkpoint, size_t index) {
    return checkpoint->notes[index];
}

bool checkpoint_read(Checkpoint *checkpoint, size_t index, void *out, Error *err) {
    return checkpoint->read(checkpoint, index, out, err) || checkpoint_name_file(err, checkpoint->path);
}

bool checkpoint_place(const Checkpoint *checkpoint, size_t index, CheckpointPlace *out) {
    *out = (CheckpointPlace){0};
    return checkpoint->place && checkpoint->place(checkpoint, index, out);
}

/* What converting needs: the stored bytes (none of them for F32, which is read in place) and the float32 values. */
static bool admit(const CheckpointTensor *tensor, Error *err) {
    uint64_t bytes, stored = tensor->dtype == DTYPE_F32 ? 0 : checkpoint_tensor_bytes(tensor);
    if (!size_mul(tensor->count, sizeof(float), &bytes) || !size_add(bytes, stored, &bytes)) bytes = UINT64_MAX;
    Str what = {0};
    str_addf(&what, "tensor \"%s\"", tensor->name);
    bool ok = str_ok(&what, err) && mem_admit(bytes, str_text(&what), err);
    str_done(&what);
    return ok;
}

Tensor *checkpoint_read_tensor(Checkpoint *checkpoint, size_t index, Error *err) {
    const CheckpointTensor *stored = checkpoint_tensor(checkpoint, index);
    void *raw = NULL;
    Tensor *tensor = NULL;
    bool ok = admit(stored, err) && (tensor = tensor_new(stored->rank, stored->dim, err)) != NULL;
    if (ok && stored->dtype == DTYPE_F32) {
        ok = checkpoint->read(checkpoint, index, tensor->data, err);
    } else if (ok) {
        raw = mem_alloc(checkpoint_tensor_bytes(stored), 1, err);
        ok = raw && checkpoint->read(checkpoint, index, raw, err);
        if (ok && !dtype_to_f32(stored->dtype, raw, stored->count, tensor->data, err))
            ok = error_prefix(err, "tensor \"%s\"", stored->name);
    }
    mem_free(raw);
    if (ok) return tensor;
    tensor_release(tensor);
    checkpoint_name_file(err, checkpoint->path);
    return NULL;
}
