/* tensor_stream -- the bytes of many tensors, in order, for the writers. Private to src/format. */
#ifndef WEFT_FORMAT_TENSOR_STREAM_H
#define WEFT_FORMAT_TENSOR_STREAM_H

#include "weft/base/error.h"
#include "weft/base/task.h"
#include "weft/format.h"

/* Takes the next bytes, on one thread at a time. */
typedef bool TensorPut(void *context, const void *bytes, uint64_t length, Error *err);
/* What is reported to `task`; *done grows. */
typedef struct StreamProgress {
    const Task *task;
    uint64_t *done, total;
} StreamProgress;
/* Gives `put` all bytes of the tensors. `readers`: as FileParts. What is read is read on all threads, some 24 MB ahead.
 * Stops at the first failure, or when it is cancelled. `progress` may be NULL. */
bool tensor_stream(const TensorOut *tensors, const TensorReader *readers, size_t count, TensorPut *put, void *context,
                   const StreamProgress *progress, Error *err);
uint64_t tensor_out_bytes(const TensorOut *tensor); /* of a tensor whose shape was checked */

#endif
