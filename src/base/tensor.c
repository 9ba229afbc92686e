/* tensor -- dense float32 arrays with counted references. */
#include "weft/base/error.h"
#include "weft/base/memory.h"
#include "weft/base/size.h"
#include "weft/base/tensor.h"

#include <string.h>

Tensor *tensor_new(unsigned rank, const uint64_t *dim, Error *err) {
    uint64_t count;
    if (rank > TENSOR_RANK_MAX) {
        error_set(err, STATUS_LIMIT, "a tensor of rank %u, limit %d", rank, TENSOR_RANK_MAX);
        return NULL;
    }
    if (!size_product(dim, rank, &count)) {
        error_set(err, STATUS_LIMIT, "a tensor with too many elements");
        return NULL;
    }
    Tensor *tensor = mem_alloc(1, sizeof *tensor, err);
    if (!tensor) return NULL;
    tensor->rank = rank;
    if (rank > 0) memcpy(tensor->dim, dim, rank * sizeof *dim);
    tensor->count = count;
    tensor->references = 1;
    tensor->data = mem_alloc(count, sizeof *tensor->data, err);
    if (!tensor->data) {
        mem_free(tensor);
        return NULL;
    }
    return tensor;
}

Tensor *tensor_share(Tensor *tensor) {
    __atomic_fetch_add(&tensor->references, 1, __ATOMIC_RELAXED);
    return tensor;
}

void tensor_release(Tensor *tensor) {
    if (!tensor || __atomic_sub_fetch(&tensor->references, 1, __ATOMIC_ACQ_REL) > 0) return;
    mem_free(tensor->data);
    mem_free(tensor);
}
