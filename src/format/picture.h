/* picture -- the readers of one image file each, behind picture.c. Private to src/format. */
#ifndef WEFT_FORMAT_PICTURE_H
#define WEFT_FORMAT_PICTURE_H

#include "weft/base/error.h"
#include "weft/base/file.h"
#include "weft/format.h"

/* The image's size and channels and, where `whole`, its pixels. */
typedef bool PictureReader(const File *file, bool whole, Picture *out, Error *err);
PictureReader png_picture, jpeg_picture;

/* "FILE: PNG of 0x7 pixels", or STATUS_LIMIT beyond CAP_PICTURE_SIDE; always called before anything is allocated. */
bool picture_check_size(const File *file, const char *format, uint64_t width, uint64_t height, Error *err);

#endif
