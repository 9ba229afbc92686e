/* spill -- values in a temporary file. Private to src/base. */
#ifndef WEFT_BASE_SPILL_H
#define WEFT_BASE_SPILL_H

#include "weft/base/error.h"
#include "weft/base/tensor.h"

/* Writes the values, and gives the source that reads them again. STATUS_WRITE where the disk is full. */
TensorSource *spill_write(const float *values, uint64_t count, Error *err);

#endif
