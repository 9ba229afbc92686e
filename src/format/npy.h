/* npy -- the header of a NumPy array file, and its elements. Private to src/format.
 *
 *   93 "NUMPY" major minor | header length, u16le (1.x) or u32le (2.x, 3.x) | header | data
 *   header: {'descr': '<f4', 'fortran_order': False, 'shape': (2, 3), }   then white space
 */
#ifndef WEFT_FORMAT_NPY_H
#define WEFT_FORMAT_NPY_H

#include "weft/base/error.h"
#include "weft/base/file.h"
#include "weft/base/text.h"
#include "weft/format.h"

#define NPY_OBJECTS "Python objects" /* NpyHeader.unread of an array of these */

/* The next `length` bytes of an npy. */
typedef bool NpyFill(void *context, void *out, uint64_t length, Error *err);
/* The context of npy_fill_from_file, which moves `at` on. */
typedef struct NpyCursor {
    const File *file;
    uint64_t at;
} NpyCursor;
NpyFill npy_fill_from_file;

/* Reads the header and checks that it and the data it declares are `size` bytes exactly. */
bool npy_read_header(NpyFill *fill, void *context, uint64_t size, NpyHeader *out, Error *err);
/* npy_data.c: reads the data, header->bytes, dense, row-major and little-endian. */
bool npy_read_data(NpyFill *fill, void *context, const NpyHeader *header, void *out, Error *err);
bool npy_in_columns(const NpyHeader *header); /* in column order, which has no rows */

/* The whole header, padded so that it is a multiple of 64 bytes; false for a type that NumPy lacks (STATUS_USAGE). */
bool npy_build_header(const TensorOut *tensor, Str *out, uint64_t *data_bytes, Error *err);

#endif
