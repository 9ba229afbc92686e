/* npy_rows -- some rows of a NumPy array, without the others. */
#include <string.h>

#include "format/npy.h"

typedef struct Place {
    const File *file;
    uint64_t at;
} Place;

static bool fill(void *context, void *out, uint64_t length, Error *err) {
    Place *place = context;
    if (!file_read(place->file, place->at, out, length, err)) return false;
    place->at += length;
    return true;
}

/* Errors about an npy's header do not name its file, those about reading do. */
static bool named(const File *file, Error *err) {
    const char *name = file_name(file);
    return strncmp(err->text, name, strlen(name)) == 0 ? false : error_prefix(err, "%s", name);
}

bool npy_open_rows(const File *file, NpyHeader *out, Error *err) {
    FileKind kind;
    Place place = {file, 0};
    if (!file_kind(file, &kind, err)) return named(file, err);
    if (kind != FILE_NPY) return error_set(err, STATUS_BAD_INPUT, "%s: is no NumPy array (.npy)", file_name(file));
    return npy_read_header(fill, &place, file_size(file), out, err) || named(file, err);
}

bool npy_read_rows(const File *file, const NpyHeader *header, uint64_t first, uint64_t rows, void *out, Error *err) {
    if (header->fortran && header->rank > 1)
        return error_set(err, STATUS_BAD_INPUT, "%s: the array is in column order, which has no rows to read",
                         file_name(file));
    if (rows == 0) return true;
    const uint64_t row = header->bytes / header->dim[0];
    NpyHeader part = *header;
    Place place = {file, header->offset + first * row};
    part.dim[0] = rows;
    part.bytes = rows * row;
    return npy_read_data(fill, &place, &part, out, err) || named(file, err);
}
