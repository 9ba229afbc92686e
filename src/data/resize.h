/* resize -- a picture at another size. Private to src/data. */
#ifndef WEFT_DATA_RESIZE_H
#define WEFT_DATA_RESIZE_H

#include "weft/base/error.h"
#include "weft/format.h"

/* Planes of height x width, as many as the picture has channels, into `out`. Both axes are scaled on their own, by
 * a triangle filter: bilinear where it grows, the average below a triangle of twice the ratio where it shrinks (what
 * Pillow calls BILINEAR, and what torchvision does with antialias). */
bool resize_picture(const Picture *picture, unsigned height, unsigned width, uint8_t *out, Error *err);
/* The memory that takes. */
uint64_t resize_bytes(const Picture *picture, unsigned height, unsigned width);

#endif
