/* tensor -- a dense array of float32 numbers, shared by reference. */
#ifndef WEFT_TENSOR_H
#define WEFT_TENSOR_H

#include <stdint.h>

#include "weft/base/error.h"

/* Row-major, immutable once shared. Counted references let a smoothed network share every weight it did not change. */
enum { TENSOR_RANK_MAX = 32 };
typedef struct Tensor {
    unsigned rank;
    uint64_t dim[TENSOR_RANK_MAX];
    uint64_t count; /* product of the dimensions */
    float *data;    /* 64-byte aligned */
    int references; /* touched only by tensor_share and tensor_release (atomically) */
} Tensor;
Tensor *tensor_new(unsigned rank, const uint64_t *dim, Error *err); /* zeroed, one reference */
Tensor *tensor_share(Tensor *tensor);
void tensor_release(Tensor *tensor);

#endif
