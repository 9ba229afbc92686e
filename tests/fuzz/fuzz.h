/* fuzz -- what the fuzz targets of checkpoint readers share. */
#ifndef WEFT_TESTS_FUZZ_H
#define WEFT_TESTS_FUZZ_H

#include <stdbool.h>
#include <stdlib.h>

#include "weft/base/error.h"
#include "weft/base/file.h"
#include "weft/base/memory.h"
#include "weft/base/tensor.h"
#include "weft/format.h"

enum { FUZZ_BUDGET = 64 << 20 };

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t length);

/* Reads every tensor, as a program that loads the file would, and closes; NULL is a refusal and fine. */
static inline void fuzz_read(Checkpoint *checkpoint) {
    Error err;
    if (!checkpoint) return;
    if (mem_admit(checkpoint_bytes(checkpoint), "the input", &err))
        for (size_t i = 0; i < checkpoint_count(checkpoint); i++)
            tensor_release(checkpoint_read_tensor(checkpoint, i, &err));
    checkpoint_close(checkpoint);
}

/* An input that holds three parts behind two lengths (u16le), of which each takes what there is at most. */
typedef struct FuzzParts {
    const uint8_t *bytes[3];
    size_t length[3], all;
} FuzzParts;

static inline bool fuzz_parts(const uint8_t *bytes, size_t length, FuzzParts *out) {
    if (length < 4) return false;
    const size_t wanted[2] = {bytes[0] | (size_t)bytes[1] << 8, bytes[2] | (size_t)bytes[3] << 8};
    bytes += 4, length -= 4;
    out->all = length;
    for (unsigned i = 0; i < 3; i++) {
        out->bytes[i] = bytes;
        out->length[i] = i < 2 && wanted[i] < length ? wanted[i] : length;
        bytes += out->length[i], length -= out->length[i];
    }
    return true;
}

/* `archive`, which is freed, as a file whose tensors are all read. */
static inline void fuzz_archive(uint8_t *archive, size_t length) {
    Error err;
    mem_set_budget(FUZZ_BUDGET);
    File *file = file_memory("/nowhere/input", archive, length, &err);
    if (file) fuzz_read(checkpoint_parse(file, &err));
    free(archive);
}

#endif
