/* tensor_add -- the tensors of a network that a definition makes. */
#include "net/architecture.h"

#include <stdio.h>

#include "weft/base/dtype.h"
#include "weft/base/memory.h"
#include "weft/base/size.h"
#include "weft/base/tensor.h"

enum { NAME_MAX_LENGTH = 256 };

static bool admit(TensorBuilder *builder, unsigned rank, const uint64_t *dim) {
    uint64_t bytes;
    if (!size_product(dim, rank, &bytes) || !size_mul(bytes, sizeof(float), &bytes) ||
        !size_add(builder->bytes, bytes, &builder->bytes))
        builder->bytes = UINT64_MAX;
    return mem_admit(builder->bytes, "a new network", builder->err);
}

void tensor_add(TensorBuilder *builder, unsigned rank, const uint64_t *dim, const char *name, ...) {
    Network *network = builder->network;
    char text[NAME_MAX_LENGTH];
    va_list args;
    if (builder->failed) return;
    va_start(args, name);
    vsnprintf(text, sizeof text, name, args);
    va_end(args);
    builder->failed = true;
    if (!admit(builder, rank, dim) || !mem_grow(&network->tensors, &builder->capacity, network->tensor_count + 1,
                                                sizeof *network->tensors, builder->err))
        return;
    NetTensor *tensor = &network->tensors[network->tensor_count++];
    *tensor = (NetTensor){.name = mem_copy_text(text, builder->err), .stored = DTYPE_F32};
    if (tensor->name) tensor->tensor = tensor_new(rank, dim, builder->err);
    builder->failed = !tensor->tensor;
}
