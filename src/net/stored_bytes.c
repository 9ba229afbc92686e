/* stored_bytes -- elements of a tensor as they are stored: in memory, or at their place in a file; and the lazy tensors
 * whose values are read from there.
 *
 * What a file gives is read in blocks of BLOCK bytes, counted from the beginning of the tensor. The checksum of a block
 * is taken when it is first read. Every later read must give it again, so that a file that somebody changes in place
 * is noticed, even where its size and its time say nothing.
 */
#include "net/internal.h"

#include <pthread.h>
#include <stdatomic.h>
#include <string.h>

#include "weft/base/dtype.h"
#include "weft/base/error.h"
#include "weft/base/file.h"
#include "weft/base/hash.h"
#include "weft/base/memory.h"
#include "weft/base/size.h"
#include "weft/base/tensor.h"

enum { BLOCK = 1 << 15 };

/* A block of another dtype on its way to float32: each thread converts one at a time. */
static _Thread_local unsigned char scratch[BLOCK];

struct StoredBytes {
    int references;
    uint64_t length;
    unsigned char *bytes;   /* in memory; NULL: in the file */
    CheckpointPlace place;  /* its file is shared */
    char *name;             /* of the tensor, for errors */
    _Atomic uint64_t *sums; /* of each block, 0: it was not read yet */
    pthread_mutex_t lock;   /* guards `proven` */
    bool proven;            /* the file's own checksum was right */
};

StoredBytes *bytes_new(uint64_t length, Error *err) {
    StoredBytes *stored = mem_alloc(1, sizeof *stored, err);
    if (!stored) return NULL;
    stored->references = 1;
    stored->length = length;
    pthread_mutex_init(&stored->lock, NULL);
    stored->bytes = mem_alloc(length, 1, err);
    if (stored->bytes) return stored;
    bytes_release(stored);
    return NULL;
}

StoredBytes *bytes_at(const CheckpointPlace *place, const char *name, Error *err) {
    StoredBytes *stored = mem_alloc(1, sizeof *stored, err);
    if (!stored) return NULL;
    stored->references = 1;
    stored->length = place->length;
    stored->place = *place;
    stored->place.file = file_share(place->file);
    pthread_mutex_init(&stored->lock, NULL);
    stored->sums = mem_alloc(place->length / BLOCK + 1, sizeof *stored->sums, err);
    if (stored->sums && (stored->name = mem_copy_text(name, err))) return stored;
    bytes_release(stored);
    return NULL;
}

StoredBytes *bytes_share(StoredBytes *stored) {
    if (stored) __atomic_add_fetch(&stored->references, 1, __ATOMIC_RELAXED);
    return stored;
}

void bytes_release(StoredBytes *stored) {
    if (!stored || __atomic_sub_fetch(&stored->references, 1, __ATOMIC_ACQ_REL) > 0) return;
    file_close(stored->place.file);
    pthread_mutex_destroy(&stored->lock);
    mem_free((void *)stored->sums);
    mem_free(stored->name);
    mem_free(stored->bytes);
    mem_free(stored);
}

unsigned char *bytes_memory(StoredBytes *stored) {
    return stored->bytes;
}

const File *bytes_file(const StoredBytes *stored) {
    return stored->bytes ? NULL : stored->place.file;
}

/* ---- reading ----------------------------------------------------------------------------------------------------- */

static uint64_t least(uint64_t a, uint64_t b) {
    return a < b ? a : b;
}

/* A zip's CRC-32, of all the bytes that it is of, before the first of them is used. */
static bool prove(StoredBytes *stored, Error *err) {
    bool done = true;
    if (!stored->place.checked) return true;
    pthread_mutex_lock(&stored->lock);
    if (!stored->proven) done = stored->proven = checkpoint_prove(&stored->place, err);
    pthread_mutex_unlock(&stored->lock);
    return done || error_prefix(err, "tensor \"%s\"", stored->name);
}

static bool check_block(StoredBytes *stored, uint64_t block, const void *bytes, uint64_t length, Error *err) {
    uint64_t before = 0, now = hash_short(bytes, length);
    if (now == 0) now = 1;
    if (atomic_compare_exchange_strong(&stored->sums[block], &before, now) || before == now) return true;
    return error_set(err, STATUS_BAD_INPUT, "%s: tensor \"%s\" changed since it was first read; load the file again",
                     file_name(stored->place.file), stored->name);
}

/* Whole blocks from `offset` on, where one begins; `length` ends with a block or with the tensor. */
static bool read_blocks(StoredBytes *stored, uint64_t offset, uint64_t length, unsigned char *out, Error *err) {
    if (!file_read(stored->place.file, stored->place.offset + offset, out, length, err)) return false;
    for (uint64_t at = 0; at < length; at += BLOCK)
        if (!check_block(stored, (offset + at) / BLOCK, out + at, least(BLOCK, length - at), err)) return false;
    return true;
}

/* Part of one block. */
static bool read_within(StoredBytes *stored, uint64_t offset, uint64_t length, unsigned char *out, Error *err) {
    const uint64_t first = offset / BLOCK * BLOCK;
    unsigned char *block = mem_alloc(BLOCK, 1, err);
    const bool done = block && read_blocks(stored, first, least(BLOCK, stored->length - first), block, err);
    if (done) memcpy(out, block + (offset - first), length);
    mem_free(block);
    return done;
}

static bool read_any(StoredBytes *stored, uint64_t offset, uint64_t length, unsigned char *out, Error *err) {
    const uint64_t end = offset + length;
    const uint64_t head = offset % BLOCK ? least(length, BLOCK - offset % BLOCK) : 0;
    const uint64_t tail = end < stored->length && end - head > offset ? (end - (offset + head)) % BLOCK : 0;
    const uint64_t whole = length - head - tail;
    return (head == 0 || read_within(stored, offset, head, out, err)) &&
           (whole == 0 || read_blocks(stored, offset + head, whole, out + head, err)) &&
           (tail == 0 || read_within(stored, end - tail, tail, out + head + whole, err));
}

bool bytes_read(StoredBytes *stored, uint64_t offset, uint64_t length, void *out, Error *err) {
    return prove(stored, err) && read_any(stored, offset, length, out, err) && file_unchanged(stored->place.file, err);
}

/* ---- lazy tensors ------------------------------------------------------------------------------------------------ */

typedef struct FileSource {
    TensorSource source;
    StoredBytes *stored;
    DType dtype;
} FileSource;

static bool read_values(TensorSource *source, uint64_t first, uint64_t count, float *out, Error *err) {
    const FileSource *self = (const FileSource *)source;
    const unsigned size = dtype_bits(self->dtype) / 8;
    if (self->dtype == DTYPE_F32) return bytes_read(self->stored, first * size, count * size, out, err);
    bool done = true;
    while (done && count > 0) {
        const uint64_t some = least(count, BLOCK / size - first % (BLOCK / size)); /* to the end of a block */
        done = bytes_read(self->stored, first * size, some * size, scratch, err) &&
               dtype_to_f32(self->dtype, scratch, some, out, err);
        first += some;
        count -= some;
        out += some;
    }
    return done;
}

static void free_source(TensorSource *source) {
    bytes_release(((FileSource *)source)->stored);
    mem_free(source);
}

Tensor *bytes_tensor(StoredBytes *stored, DType dtype, unsigned rank, const uint64_t *dim, Error *err) {
    FileSource *source = mem_alloc(1, sizeof *source, err);
    if (!source) return NULL;
    *source = (FileSource){{read_values, free_source, false}, bytes_share(stored), dtype};
    return tensor_lazy(rank, dim, &source->source, err);
}
