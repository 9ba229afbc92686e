/* tensor_stream -- the bytes of many tensors in order, piece by piece: those of one batch are made on all threads while
 * those of the batch before are written.
 */
#include "format/tensor_stream.h"

#include <string.h>

#include "weft/base/dtype.h"
#include "weft/base/error.h"
#include "weft/base/memory.h"
#include "weft/base/pool.h"
#include "weft/base/size.h"
#include "weft/base/task.h"
#include "weft/base/tensor.h"

/* A piece holds whole elements of every size, and whole blocks of what is read lazily (src/net/stored_bytes.c). */
enum { PIECE = 1 << 20, PIECES = 64, BATCH = 24 << 20 };

typedef struct Piece {
    const TensorReader *reader;
    uint64_t offset, length;
    const void *bytes; /* the tensor's own memory, or in the batch's */
    uint8_t *room;     /* where they are made; NULL: they are there */
    bool done;
    Error failure;
} Piece;

typedef struct Batch {
    Piece pieces[PIECES];
    size_t count;
    uint8_t *memory; /* BATCH bytes */
} Batch;

typedef struct Stream {
    const TensorOut *tensors;
    const TensorReader *readers;
    size_t count, at; /* the tensor that comes next, */
    uint64_t offset;  /* and where in it */
    Batch batches[2];
    Batch *making, *writing;
    TensorPut *put;
    void *context;
    bool written;
    Error failure; /* of writing */
} Stream;

uint64_t tensor_out_bytes(const TensorOut *tensor) {
    uint64_t count = 0;
    size_product(tensor->dim, tensor->rank, &count);
    return count * dtype_bits(tensor->dtype) / 8;
}

/* The pieces that come next, as many as have room. */
static void fill_batch(Stream *stream, Batch *batch) {
    uint64_t used = 0;
    batch->count = 0;
    while (stream->at < stream->count && batch->count < PIECES) {
        const TensorOut *tensor = &stream->tensors[stream->at];
        const uint64_t left = tensor_out_bytes(tensor) - stream->offset, length = left < PIECE ? left : PIECE;
        if (!tensor->data && used + length > BATCH) return;
        if (length > 0)
            batch->pieces[batch->count++] =
                (Piece){.reader = tensor->data ? NULL : &stream->readers[stream->at],
                        .offset = stream->offset,
                        .length = length,
                        .bytes = tensor->data ? (const uint8_t *)tensor->data + stream->offset : batch->memory + used,
                        .room = tensor->data ? NULL : batch->memory + used};
        if (!tensor->data) used += (length + 63) / 64 * 64;
        stream->offset += length;
        if (length == left) stream->at++, stream->offset = 0;
    }
}

static void make_piece(Piece *piece) {
    piece->done = !piece->room || piece->reader->read(piece->reader->context, piece->offset, piece->length, piece->room,
                                                      &piece->failure);
}

static void write_batch(Stream *stream) {
    const Batch *batch = stream->writing;
    for (size_t i = 0; i < batch->count && stream->written; i++)
        stream->written =
            stream->put(stream->context, batch->pieces[i].bytes, batch->pieces[i].length, &stream->failure);
}

/* The first piece of work is to write, the others make what is written next. */
static void run_piece(void *context, size_t piece, unsigned worker) {
    Stream *stream = context;
    (void)worker;
    if (piece == 0)
        write_batch(stream);
    else
        make_piece(&stream->making->pieces[piece - 1]);
}

static bool check(const Stream *stream, Error *err) {
    if (!stream->written) {
        *err = stream->failure;
        return false;
    }
    for (size_t i = 0; i < stream->making->count; i++) {
        if (stream->making->pieces[i].done) continue;
        *err = stream->making->pieces[i].failure;
        return false;
    }
    return true;
}

static bool run(Stream *stream, const StreamProgress *progress, Error *err) {
    bool done = true;
    stream->written = true;
    do {
        Batch *ready = stream->making;
        stream->making = stream->writing;
        stream->writing = ready;
        fill_batch(stream, stream->making);
        pool_run(stream->making->count + 1, run_piece, stream);
        done = check(stream, err);
        if (progress) {
            for (size_t i = 0; i < stream->writing->count; i++) *progress->done += stream->writing->pieces[i].length;
            done = done && task_step(progress->task, "save", *progress->done, progress->total, err);
        }
    } while (done && stream->making->count > 0);
    return done;
}

bool tensor_stream(const TensorOut *tensors, const TensorReader *readers, size_t count, TensorPut *put, void *context,
                   const StreamProgress *progress, Error *err) {
    Stream *stream = mem_alloc(1, sizeof *stream, err);
    if (!stream) return false;
    uint64_t most = 0;
    for (size_t i = 0; i < count; i++) {
        const uint64_t bytes = tensors[i].data ? 0 : tensor_out_bytes(&tensors[i]) + 64;
        most = bytes > BATCH - most ? BATCH : most + bytes;
    }
    stream->tensors = tensors;
    stream->readers = readers;
    stream->count = count;
    stream->put = put;
    stream->context = context;
    bool done =
        (stream->batches[0].memory = mem_alloc(most, 1, err)) && (stream->batches[1].memory = mem_alloc(most, 1, err));
    stream->making = &stream->batches[0];
    stream->writing = &stream->batches[1];
    done = done && run(stream, progress, err);
    for (int i = 0; i < 2; i++) mem_free(stream->batches[i].memory);
    mem_free(stream);
    return done;
}
