/* fuzz_safetensors -- any bytes as safetensors and as an index of them, whatever they look like. */
#include "format/checkpoint.h"
#include "fuzz.h"
#include "weft/base/error.h"
#include "weft/base/file.h"
#include "weft/base/memory.h"

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t length) {
    Error err;
    mem_set_budget(FUZZ_BUDGET);
    File *file = file_memory("/nowhere/input", bytes, length, &err);
    if (file) fuzz_read(safetensors_open(file, &err));
    file = file_memory("/nowhere/input", bytes, length, &err);
    if (file) fuzz_read(safetensors_index_open(file, &err));
    return 0;
}
