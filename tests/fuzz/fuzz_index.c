/* fuzz_index -- any bytes as the index of shards, beside two shards that are there: what it maps is opened and read. */
#include "format/checkpoint.h"
#include "fuzz.h"
#include "weft/base/error.h"
#include "weft/base/file.h"
#include "weft/base/memory.h"

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t length) {
    Error err;
    mem_set_budget(FUZZ_BUDGET);
    const CheckpointOpening opening = {.open_shard = checkpoint_parse};
    File *file = file_memory("tests/fixtures/input.index.json", bytes, length, &err);
    if (file) fuzz_read(shards_reader.open(file, &opening, &err));
    return 0;
}
