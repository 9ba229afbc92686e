/* npy -- NumPy arrays: one in a .npy, several in an .npz (a zip of them). */
#include "format/npy.h"

#include <string.h>

#include "format/checkpoint.h"
#include "format/zip.h"
#include "weft/base/dtype.h"
#include "weft/base/error.h"
#include "weft/base/file.h"
#include "weft/base/memory.h"
#include "weft/base/size.h"
#include "weft/base/tensor.h"
#include "weft/base/text.h"

/* ---- data -------------------------------------------------------------------------------------------------------- */

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

static bool in_columns(const NpyHeader *header) {
    return header->fortran && header->rank > 1;
}

bool npy_read_data(NpyFill *fill, void *context, const NpyHeader *header, void *out, Error *err) {
    bool columns = in_columns(header);
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

/* ---- npy --------------------------------------------------------------------------------------------------------- */

typedef struct FileCursor {
    const File *file;
    uint64_t at;
} FileCursor;

static bool fill_from_file(void *context, void *out, uint64_t length, Error *err) {
    FileCursor *cursor = context;
    if (!file_read(cursor->file, cursor->at, out, length, err)) return false;
    cursor->at += length;
    return true;
}

static bool read_npy(Checkpoint *checkpoint, size_t index, void *out, Error *err) {
    const NpyHeader *header = (const NpyHeader *)checkpoint->reader + index;
    FileCursor cursor = {checkpoint->file, header->offset};
    return npy_read_data(fill_from_file, &cursor, header, out, err);
}

/* The name less its ".npy", if it ends so and is more than that. */
static size_t stem_length(const char *name) {
    size_t length = strlen(name);
    return length > 4 && strcmp(name + length - 4, ".npy") == 0 ? length - 4 : length;
}

static bool open_npy(Checkpoint *checkpoint, Error *err) {
    FileCursor cursor = {checkpoint->file, 0};
    NpyHeader *header = mem_alloc(1, sizeof *header, err);
    if (!header) return false;
    checkpoint->reader = header;
    checkpoint->free_reader = mem_free;
    checkpoint->read = read_npy;
    const char *slash = strrchr(checkpoint->path, '/'), *name = slash ? slash + 1 : checkpoint->path;
    size_t length = stem_length(name);
    if (!text_valid_utf8(name, length)) {
        name = "array";
        length = strlen(name);
    }
    return npy_read_header(fill_from_file, &cursor, file_size(checkpoint->file), header, err) &&
           checkpoint_add(checkpoint, name, length, header->dtype, header->rank, header->dim, err) &&
           checkpoint_seal(checkpoint, err);
}

Checkpoint *npy_open(File *file, const char *key, Error *err) {
    Checkpoint *checkpoint = checkpoint_new(file, file_name(file), "npy", err);
    if (!checkpoint || open_npy(checkpoint, err)) return checkpoint;
    const NpyHeader *header = checkpoint->reader;
    const bool object = header && header->unread && strcmp(header->unread, NPY_OBJECTS) == 0;
    const uint64_t offset = object ? header->offset : 0;
    if (object) checkpoint->file = NULL;
    checkpoint_close(checkpoint);
    return object ? python_pickle_open(file, offset, true, key, err) : NULL;
}

/* ---- rows -------------------------------------------------------------------------------------------------------- */

/* Errors about an npy's header do not name its file, those about reading do. */
static bool named(const File *file, Error *err) {
    return strstr(err->text, file_name(file)) ? false : error_prefix(err, "%s", file_name(file));
}

bool npy_open_rows(const File *file, NpyHeader *out, Error *err) {
    FileKind kind;
    FileCursor cursor = {file, 0};
    if (!file_kind(file, &kind, err)) return named(file, err);
    if (kind != FILE_NPY) return error_set(err, STATUS_BAD_INPUT, "%s: is no NumPy array (.npy)", file_name(file));
    return npy_read_header(fill_from_file, &cursor, file_size(file), out, err) || named(file, err);
}

bool npy_read_rows(const File *file, const NpyHeader *header, uint64_t first, uint64_t rows, void *out, Error *err) {
    if (in_columns(header))
        return error_set(err, STATUS_BAD_INPUT, "%s: the array is in column order, which has no rows to read",
                         file_name(file));
    if (rows == 0) return true;
    const uint64_t row = header->bytes / header->dim[0];
    NpyHeader part = *header;
    FileCursor cursor = {file, header->offset + first * row};
    part.dim[0] = rows;
    part.bytes = rows * row;
    return npy_read_data(fill_from_file, &cursor, &part, out, err) || named(file, err);
}

/* ---- whole arrays ------------------------------------------------------------------------------------------------ */

enum { ARRAY_RANK = sizeof((IdxArray *)0)->dim / sizeof(uint64_t) };

/* The header, cut to `limit` entries where the array's order allows to read only these. */
static bool read_array(const File *file, uint64_t limit, IdxArray *array, Error *err) {
    FileCursor cursor = {file, 0};
    NpyHeader header;
    if (!npy_read_header(fill_from_file, &cursor, file_size(file), &header, err)) return false;
    if (header.rank < 1 || header.rank > ARRAY_RANK)
        return error_set(err, STATUS_BAD_INPUT, "npy: rank %u is not between 1 and %d", header.rank, ARRAY_RANK);
    array->dtype = header.dtype;
    array->rank = header.rank;
    array->entries = header.dim[0];
    memcpy(array->dim, header.dim, header.rank * sizeof *header.dim);
    if (limit > 0 && limit < array->entries) array->dim[0] = limit;
    size_product(array->dim, array->rank, &array->count); /* no more than the whole, which is counted */
    /* An array in column order is read as a whole: its first entries are everywhere. */
    const uint64_t bytes = in_columns(&header) ? header.bytes : array->count * (dtype_bits(header.dtype) / 8);
    if (!mem_admit(bytes, file_name(file), err) || !(array->data = mem_alloc(bytes, 1, err))) return false;
    if (!in_columns(&header)) return npy_read_rows(file, &header, 0, array->dim[0], array->data, err);
    return npy_read_data(fill_from_file, &(FileCursor){file, header.offset}, &header, array->data, err);
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

/* ---- npz --------------------------------------------------------------------------------------------------------- */

static bool fill_from_zip(void *context, void *out, uint64_t length, Error *err) {
    return zip_stream_read(context, out, length, err);
}

typedef struct Npz {
    Zip *zip;
    size_t *member; /* of each tensor */
} Npz;

static void close_npz(void *reader) {
    Npz *npz = reader;
    zip_close(npz->zip);
    mem_free(npz->member);
    mem_free(npz);
}

/* Member `index`'s header, then its data where `out` is not NULL, which has room for `room` bytes. */
static bool read_member(const Zip *zip, size_t index, NpyHeader *header, void *out, uint64_t room, Error *err) {
    ZipStream *stream = zip_stream_open(zip, index, err);
    bool ok = stream && npy_read_header(fill_from_zip, stream, zip_member(zip, index)->size, header, err);
    if (ok && out && header->bytes != room)
        ok = error_set(err, STATUS_BAD_INPUT, "changed while reading");
    else if (ok && out)
        ok = npy_read_data(fill_from_zip, stream, header, out, err) && zip_stream_finish(stream, err);
    zip_stream_close(stream);
    return ok || error_prefix(err, "member \"%s\"", zip_member(zip, index)->name);
}

static bool read_npz(Checkpoint *checkpoint, size_t index, void *out, Error *err) {
    NpyHeader header;
    uint64_t room = checkpoint_tensor_bytes(checkpoint_tensor(checkpoint, index));
    const Npz *npz = checkpoint->reader;
    return read_member(npz->zip, npz->member[index], &header, out, room, err);
}

static bool open_npz(Checkpoint *checkpoint, const Zip *zip, Error *err) {
    enum { TOLD_MOST = 6 };
    Str left_out = {0};
    size_t *member = mem_alloc(zip_count(zip), sizeof *member, err), count = 0;
    bool ok = member != NULL;
    ((Npz *)checkpoint->reader)->member = member;
    for (size_t i = 0; ok && i < zip_count(zip); i++) {
        const char *name = zip_member(zip, i)->name;
        const bool array = stem_length(name) < strlen(name);
        NpyHeader header = {0};
        if (!array || !read_member(zip, i, &header, NULL, 0, err)) {
            ok = !array || (header.unread &&
                            err->status == STATUS_BAD_INPUT); /* text, objects: whole and understood, but no numbers */
            if (ok && ++count <= TOLD_MOST)
                str_addf(&left_out, "%s\"%.*s\" (%s)", count > 1 ? ", " : "", (int)stem_length(name), name,
                         array ? header.unread : "not an array");
            continue;
        }
        member[checkpoint->count] = i;
        ok = checkpoint_add(checkpoint, name, stem_length(name), header.dtype, header.rank, header.dim, err);
    }
    if (count > TOLD_MOST) str_addf(&left_out, " and %zu more", count - TOLD_MOST);
    if (ok && checkpoint->count == 0)
        ok = error_set(err, STATUS_BAD_INPUT, "npz without an array of numbers: %s", str_text(&left_out));
    ok = ok && str_ok(&left_out, err) &&
         (count == 0 ||
          checkpoint_add_note(checkpoint, err, "left out, not being arrays of numbers: %s", str_text(&left_out))) &&
         checkpoint_seal(checkpoint, err);
    str_done(&left_out);
    return ok;
}

Checkpoint *npz_open(Zip *zip, Error *err) {
    Npz *npz = mem_alloc(1, sizeof *npz, err);
    Checkpoint *checkpoint = npz ? checkpoint_new(NULL, zip_name(zip), "npz", err) : NULL;
    if (!checkpoint) {
        mem_free(npz);
        zip_close(zip);
        return NULL;
    }
    npz->zip = zip;
    checkpoint->reader = npz;
    checkpoint->free_reader = close_npz;
    checkpoint->read = read_npz;
    if (open_npz(checkpoint, zip, err)) return checkpoint;
    checkpoint_close(checkpoint);
    return NULL;
}

/* ---- saving ------------------------------------------------------------------------------------------------------ */

static bool save_member(ZipWriter *writer, const TensorOut *tensor, Error *err) {
    Str header = {0}, name = {0};
    uint64_t bytes = 0;
    str_addf(&name, "%s.npy", tensor->name);
    bool ok = str_ok(&name, err) && npy_build_header(tensor, &header, &bytes, err) &&
              zip_writer_add(writer, str_text(&name), (const void *const[]){header.text, tensor->data},
                             (const uint64_t[]){header.length, bytes}, 2, err);
    str_done(&header);
    str_done(&name);
    return ok;
}

bool npz_save(const char *path, bool overwrite, const TensorOut *tensors, size_t count, Error *err) {
    ZipWriter *writer = zip_writer_begin(path, overwrite, err);
    if (!writer) return false;
    for (size_t i = 0; i < count; i++) {
        if (save_member(writer, &tensors[i], err)) continue;
        zip_writer_abandon(writer);
        if (err->status != STATUS_WRITE) error_prefix(err, "%s", path);
        return false;
    }
    return zip_writer_commit(writer, err);
}
