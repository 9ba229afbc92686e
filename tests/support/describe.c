/* describe -- a checkpoint as text. */
#include "describe.h"
#include "weft/base/dtype.h"
#include "weft/base/error.h"
#include "weft/base/file.h"
#include "weft/base/memory.h"
#include "weft/base/tensor.h"
#include "weft/base/text.h"

static void add_line(const CheckpointTensor *tensor, const uint8_t *data, uint64_t bytes, Str *out) {
    str_addf(out, "%s\t%s\t[", tensor->name, dtype_name(tensor->dtype));
    for (unsigned i = 0; i < tensor->rank; i++) str_addf(out, i ? ",%llu" : "%llu", (unsigned long long)tensor->dim[i]);
    str_add(out, "]\t");
    for (uint64_t i = 0; i < bytes; i++) str_addf(out, "%02x", data[i]);
    str_add(out, "\n");
}

bool describe(Checkpoint *checkpoint, Str *out, Error *err) {
    for (size_t i = 0; i < checkpoint_count(checkpoint); i++) {
        const CheckpointTensor *tensor = checkpoint_tensor(checkpoint, i);
        uint64_t bytes = tensor->count * dtype_bits(tensor->dtype) / 8;
        uint8_t *data = mem_alloc(bytes, 1, err);
        bool ok = data && checkpoint_read(checkpoint, i, data, err);
        if (ok) add_line(tensor, data, bytes, out);
        mem_free(data);
        if (!ok) return false;
    }
    return str_ok(out, err);
}

bool load_everything(File *file, Str *notes, Error *err) {
    Checkpoint *checkpoint = checkpoint_parse(file, err);
    if (!checkpoint) return false;
    bool ok = mem_admit(checkpoint_bytes(checkpoint), "the checkpoint", err);
    for (size_t i = 0; i < checkpoint_count(checkpoint) && ok; i++) {
        Tensor *tensor = checkpoint_read_tensor(checkpoint, i, err);
        ok = tensor != NULL;
        tensor_release(tensor);
    }
    for (size_t i = 0; i < checkpoint_note_count(checkpoint) && notes; i++)
        str_addf(notes, "%s\n", checkpoint_note(checkpoint, i));
    checkpoint_close(checkpoint);
    return ok;
}
