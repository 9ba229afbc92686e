/* arrays -- images and labels from arrays of any type. Private to src/data. */
#ifndef WEFT_DATA_ARRAYS_H
#define WEFT_DATA_ARRAYS_H

#include "data/dataset.h"
#include "weft/base/error.h"
#include "weft/base/text.h"

/* Fills pixels, shape, count and, where `classes` is not NULL, labels and the number of classes. Images are (N,H,W),
 * (N,H,W,C) or (N,C,H,W) with C 1 or 3: bytes, integers from 0 to 255, or floats on [0, 1] (times 255, rounded) or
 * whole numbers from 0 to 255. Labels are integers, (N) or (N,1). Adds what became of the numbers to `remark`. Takes
 * the images over; `images` and `labels` are names for errors, which are STATUS_BAD_INPUT. */
bool arrays_take(const char *images, IdxArray *pixels, const char *labels, IdxArray *classes, Dataset *out, Str *remark,
                 Error *err);

#endif
