/* fuzz_npy -- any bytes as a NumPy array, whatever they look like. */
#include "format/checkpoint.h"
#include "fuzz.h"
#include "weft/base/error.h"
#include "weft/base/file.h"
#include "weft/base/memory.h"

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t length) {
    Error err;
    mem_set_budget(FUZZ_BUDGET);
    File *file = file_memory("/nowhere/input.npy", bytes, length, &err);
    if (file) fuzz_read(npy_reader.open(file, &(CheckpointOpening){0}, &err));
    return 0;
}
