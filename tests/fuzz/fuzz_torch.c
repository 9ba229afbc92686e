/* fuzz_torch -- any bytes as a checkpoint (seed it with PyTorch files) and as a bare pickle: a clean verdict, whatever
 * they are. */
#include "format/pickle.h"
#include "weft/base/dtype.h"
#include "weft/base/error.h"
#include "weft/base/file.h"
#include "weft/base/memory.h"
#include "weft/format.h"

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t length);

static void read_all(Checkpoint *checkpoint) {
    Error err;
    if (!mem_admit(checkpoint_bytes(checkpoint), "all", &err)) return;
    for (size_t i = 0; i < checkpoint_count(checkpoint); i++) {
        const CheckpointTensor *tensor = checkpoint_tensor(checkpoint, i);
        void *out = mem_alloc(tensor->count * dtype_bits(tensor->dtype) / 8, 1, &err);
        if (out) checkpoint_read(checkpoint, i, out, &err);
        mem_free(out);
    }
}

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t length) {
    Error err;
    mem_set_budget(16 << 20);
    File *file = file_memory("input", bytes, length, &err);
    Pickle *pickle = file ? pickle_parse(file, 0, length, &err) : NULL;
    pickle_free(pickle);
    Checkpoint *checkpoint = file ? checkpoint_parse(file, &err) : NULL;
    if (checkpoint) read_all(checkpoint);
    checkpoint_close(checkpoint);
    return 0;
}
