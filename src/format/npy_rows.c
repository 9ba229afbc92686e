/* npy_rows -- one NumPy array file of images or labels: whole, its first entries, or some of its rows. */
#include <string.h>

#include "format/npy.h"
#include "weft/base/dtype.h"
#include "weft/base/error.h"
#include "weft/base/file.h"
#include "weft/base/memory.h"
#include "weft/base/size.h"

/* ---- rows -------------------------------------------------------------------------------------------------------- */

/* Errors about an npy's header do not name its file, those about reading do. */
static bool named(const File *file, Error *err) {
    if (!strstr(err->text, file_name(file))) error_prefix(err, "%s", file_name(file));
    return false;
}

bool npy_open_rows(const File *file, NpyHeader *out, Error *err) {
    FileKind kind;
    NpyCursor cursor = {file, 0};
    if (!file_kind(file, &kind, err)) return named(file, err);
    if (kind != FILE_NPY) return error_set(err, STATUS_BAD_INPUT, "%s: is not a NumPy array (.npy)", file_name(file));
    return npy_read_header(npy_fill_from_file, &cursor, file_size(file), out, err) || named(file, err);
}

bool npy_read_rows(const File *file, const NpyHeader *header, uint64_t first, uint64_t rows, void *out, Error *err) {
    if (npy_in_columns(header))
        return error_set(err, STATUS_BAD_INPUT, "%s: the array is in column order; only row order can be read by rows",
                         file_name(file));
    if (rows == 0) return true;
    const uint64_t row = header->bytes / header->dim[0];
    NpyHeader part = *header;
    NpyCursor cursor = {file, header->offset + first * row};
    part.dim[0] = rows;
    part.bytes = rows * row;
    return npy_read_data(npy_fill_from_file, &cursor, &part, out, err) || named(file, err);
}

/* ---- whole arrays ------------------------------------------------------------------------------------------------ */

enum { ARRAY_RANK = sizeof((IdxArray *)0)->dim / sizeof(uint64_t) };

/* The header, cut to `limit` entries where the array's order allows to read only these. */
static bool read_array(const File *file, uint64_t limit, IdxArray *array, Error *err) {
    NpyCursor cursor = {file, 0};
    NpyHeader header;
    if (!npy_read_header(npy_fill_from_file, &cursor, file_size(file), &header, err)) return false;
    if (header.rank < 1 || header.rank > ARRAY_RANK)
        return error_set(err, STATUS_BAD_INPUT, "npy: rank %u is not between 1 and %d", header.rank, ARRAY_RANK);
    array->dtype = header.dtype;
    array->rank = header.rank;
    array->entries = header.dim[0];
    memcpy(array->dim, header.dim, header.rank * sizeof *header.dim);
    if (limit > 0 && limit < array->entries) array->dim[0] = limit;
    size_product(array->dim, array->rank, &array->count); /* no more than the whole, which is counted */
    /* An array in column order is read as a whole: its first entries are everywhere. */
    const uint64_t bytes = npy_in_columns(&header) ? header.bytes : array->count * (dtype_bits(header.dtype) / 8);
    if (!mem_admit(bytes, file_name(file), err) || !(array->data = mem_alloc(bytes, 1, err))) return false;
    if (!npy_in_columns(&header)) return npy_read_rows(file, &header, 0, array->dim[0], array->data, err);
    return npy_read_data(npy_fill_from_file, &(NpyCursor){file, header.offset}, &header, array->data, err);
}

bool npy_parse(const File *file, uint64_t limit, IdxArray *out, Error *err) {
    IdxArray array = {0};
    if (!read_array(file, limit, &array, err)) {
        idx_done(&array);
        return named(file, err);
    }
    *out = array;
    return true;
}

bool npy_read(const char *path, uint64_t limit, IdxArray *out, Error *err) {
    File *file = file_open(path, err);
    bool ok = file && npy_parse(file, limit, out, err);
    file_close(file);
    return ok;
}
