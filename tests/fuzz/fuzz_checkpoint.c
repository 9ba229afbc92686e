/* fuzz_checkpoint -- any bytes as a checkpoint of whatever format they look like. */
#include "fuzz.h"
#include "weft/base/error.h"
#include "weft/base/file.h"
#include "weft/base/memory.h"

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t length) {
    Error err;
    mem_set_budget(FUZZ_BUDGET);
    File *file = file_memory("/nowhere/input", bytes, length, &err);
    if (file) fuzz_read(checkpoint_parse(file, &err));
    return 0;
}
