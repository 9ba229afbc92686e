/* fuzz -- what the fuzz targets of checkpoint readers share. */
#ifndef WEFT_TESTS_FUZZ_H
#define WEFT_TESTS_FUZZ_H

#include "weft/base/error.h"
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

#endif
