/* npy_data -- the elements of a NumPy array: any byte order and either order of axes, made little-endian and row-major.
 */
#include "format/npy.h"

#include <string.h>

#include "weft/base/dtype.h"
#include "weft/base/error.h"
#include "weft/base/file.h"
#include "weft/base/memory.h"
#include "weft/base/tensor.h"

static void swap_bytes(uint8_t *bytes, uint64_t length, unsigned size) {
    for (uint64_t at = 0; at < length; at += size)
        for (unsigned i = 0; i < size / 2; i++) {
            uint8_t low = bytes[at + i];
            bytes[at + i] = bytes[at + size - 1 - i];
            bytes[at + size - 1 - i] = low;
        }
}

/* Column-major `in` to row-major `out`: an odometer over the output, whose last index runs fastest. */
static void transpose(const NpyHeader *header, const uint8_t *in, uint8_t *out) {
    uint64_t index[TENSOR_RANK_MAX] = {0}, stride[TENSOR_RANK_MAX], step = dtype_bits(header->dtype) / 8, from = 0;
    const uint64_t size = step;
    for (unsigned i = 0; i < header->rank; i++) {
        stride[i] = step;
        step *= header->dim[i];
    }
    for (uint64_t to = 0; to < header->bytes; to += size) {
        memcpy(out + to, in + from, size);
        for (unsigned i = header->rank; i-- > 0;) {
            from += stride[i];
            if (++index[i] < header->dim[i]) break;
            from -= stride[i] * header->dim[i];
            index[i] = 0;
        }
    }
}

bool npy_in_columns(const NpyHeader *header) {
    return header->fortran && header->rank > 1;
}

bool npy_read_data(NpyFill *fill, void *context, const NpyHeader *header, void *out, Error *err) {
    bool columns = npy_in_columns(header);
    unsigned bits = dtype_bits(header->dtype), complex = header->dtype == DTYPE_C64 || header->dtype == DTYPE_C128;
    void *stored = out;
    if (columns && !(mem_admit(header->bytes, "an array in column order", err) &&
                     (stored = mem_alloc(header->bytes, 1, err)) != NULL))
        return false;
    bool ok = fill(context, stored, header->bytes, err);
    if (ok && header->big_endian) swap_bytes(stored, header->bytes, complex ? bits / 16 : bits / 8);
    if (ok && columns) transpose(header, stored, out);
    if (columns) mem_free(stored);
    return ok;
}

bool npy_fill_from_file(void *context, void *out, uint64_t length, Error *err) {
    NpyCursor *cursor = context;
    if (!file_read(cursor->file, cursor->at, out, length, err)) return false;
    cursor->at += length;
    return true;
}
