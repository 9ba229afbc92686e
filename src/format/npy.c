/* npy -- NumPy arrays: one in a .npy, several in an .npz (a zip of them). */
#include "format/npy.h"

#include <string.h>

#include "format/checkpoint.h"
#include "format/tensor_stream.h"
#include "format/zip.h"
#include "weft/base/dtype.h"
#include "weft/base/error.h"
#include "weft/base/file.h"
#include "weft/base/memory.h"
#include "weft/base/text.h"

/* ---- npy --------------------------------------------------------------------------------------------------------- */

static bool read_npy(Checkpoint *checkpoint, size_t index, void *out, Error *err) {
    const NpyHeader *header = (const NpyHeader *)checkpoint->reader + index;
    NpyCursor cursor = {checkpoint->file, header->offset};
    return npy_read_data(npy_fill_from_file, &cursor, header, out, err);
}

/* Whether the data of an npy is what reading makes of it. */
static bool lies_plain(const NpyHeader *header) {
    return !npy_in_columns(header) && (!header->big_endian || dtype_bits(header->dtype) == 8);
}

static bool place_npy(const Checkpoint *checkpoint, size_t index, CheckpointPlace *out) {
    const NpyHeader *header = (const NpyHeader *)checkpoint->reader + index;
    *out = (CheckpointPlace){.file = checkpoint->file, .offset = header->offset, .length = header->bytes};
    return lies_plain(header);
}

/* The name less its ".npy", if it ends so and is more than that. */
static size_t stem_length(const char *name) {
    size_t length = strlen(name);
    return length > 4 && strcmp(name + length - 4, ".npy") == 0 ? length - 4 : length;
}

static bool open_npy(Checkpoint *checkpoint, Error *err) {
    NpyCursor cursor = {checkpoint->file, 0};
    NpyHeader *header = mem_alloc(1, sizeof *header, err);
    if (!header) return false;
    checkpoint->reader = header;
    checkpoint->free_reader = mem_free;
    checkpoint->read = read_npy;
    checkpoint->place = place_npy;
    const char *slash = strrchr(checkpoint->path, '/'), *name = slash ? slash + 1 : checkpoint->path;
    size_t length = stem_length(name);
    if (!text_valid_utf8(name, length)) {
        name = "array";
        length = strlen(name);
    }
    return npy_read_header(npy_fill_from_file, &cursor, file_size(checkpoint->file), header, err) &&
           checkpoint_add(checkpoint, name, length, header->dtype, header->rank, header->dim, err) &&
           checkpoint_seal(checkpoint, err);
}

static Checkpoint *open_array(File *file, const CheckpointOpening *opening, Error *err) {
    Checkpoint *checkpoint = checkpoint_new(file, file_name(file), "npy", err);
    if (!checkpoint || open_npy(checkpoint, err)) return checkpoint;
    const NpyHeader *header = checkpoint->reader;
    const bool object = header && header->unread && strcmp(header->unread, NPY_OBJECTS) == 0;
    const uint64_t offset = object ? header->offset : 0;
    if (object) checkpoint->file = NULL;
    checkpoint_close(checkpoint);
    return object ? python_pickle_open(file, offset, true, opening->key, err) : NULL;
}

static bool is_npy(const Head *head) {
    return head_holds(head, 0, "\223NUMPY", 6);
}

const CheckpointReader npy_reader = {FILE_NPY, is_npy, open_array};

/* ---- npz --------------------------------------------------------------------------------------------------------- */

static bool fill_from_zip(void *context, void *out, uint64_t length, Error *err) {
    return zip_stream_read(context, out, length, err);
}

typedef struct Npz {
    Zip *zip;
    size_t *member;   /* of each tensor */
    uint64_t *offset; /* of each tensor's data in its member; 0: it is not what reading makes of it */
} Npz;

static void close_npz(void *reader) {
    Npz *npz = reader;
    zip_close(npz->zip);
    mem_free(npz->member);
    mem_free(npz->offset);
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

static bool place_npz(const Checkpoint *checkpoint, size_t index, CheckpointPlace *out) {
    const Npz *npz = checkpoint->reader;
    *out = zip_place(npz->zip, npz->member[index]);
    out->offset += npz->offset[index];
    out->length -= npz->offset[index];
    return npz->offset[index] > 0;
}

static bool open_npz(Checkpoint *checkpoint, const Zip *zip, Error *err) {
    enum { TOLD_MOST = 6 };
    Str left_out = {0};
    Npz *npz = checkpoint->reader;
    size_t count = 0;
    bool ok = (npz->member = mem_alloc(zip_count(zip), sizeof *npz->member, err)) &&
              (npz->offset = mem_alloc(zip_count(zip), sizeof *npz->offset, err));
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
        npz->member[checkpoint->count] = i;
        npz->offset[checkpoint->count] = zip_member(zip, i)->method == 0 && lies_plain(&header) ? header.offset : 0;
        ok = checkpoint_add(checkpoint, name, stem_length(name), header.dtype, header.rank, header.dim, err);
    }
    if (count > TOLD_MOST) str_addf(&left_out, " and %zu more", count - TOLD_MOST);
    if (ok && checkpoint->count == 0)
        ok = error_set(err, STATUS_BAD_INPUT, "npz without a numeric array: %s", str_text(&left_out));
    ok = ok && str_ok(&left_out, err) &&
         (count == 0 || checkpoint_add_note(checkpoint, err, "left out, because they are not numeric arrays: %s",
                                            str_text(&left_out))) &&
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
    checkpoint->place = place_npz;
    if (open_npz(checkpoint, zip, err)) return checkpoint;
    checkpoint_close(checkpoint);
    return NULL;
}

/* ---- saving ------------------------------------------------------------------------------------------------------ */

static bool put_crc(void *context, const void *bytes, uint64_t length, Error *err) {
    (void)err;
    zip_crc_add(context, bytes, length);
    return true;
}

static bool put_member(void *context, const void *bytes, uint64_t length, Error *err) {
    return zip_writer_put(context, bytes, length, err);
}

/* The CRC stands before the data: a tensor that is not in memory is read twice. */
static bool save_member(ZipWriter *writer, const TensorOut *tensor, const TensorReader *reader,
                        const StreamProgress *progress, Error *err) {
    Str header = {0}, name = {0};
    uint64_t bytes = 0;
    uint32_t crc = 0;
    str_addf(&name, "%s.npy", tensor->name);
    bool ok = str_ok(&name, err) && npy_build_header(tensor, &header, &bytes, err);
    if (ok) zip_crc_add(&crc, header.text, header.length);
    ok = ok && tensor_stream(tensor, reader, 1, put_crc, &crc, NULL, err) &&
         zip_writer_begin_member(writer, str_text(&name), crc, header.length + bytes, err) &&
         zip_writer_put(writer, header.text, header.length, err) &&
         tensor_stream(tensor, reader, 1, put_member, writer, progress, err);
    str_done(&header);
    str_done(&name);
    return ok;
}

static bool save_members(const char *path, bool overwrite, const TensorOut *tensors, const TensorReader *readers,
                         size_t count, const StreamProgress *progress, Error *err) {
    ZipWriter *writer = zip_writer_begin(path, overwrite, err);
    if (!writer) return false;
    for (size_t i = 0; i < count; i++) {
        if (save_member(writer, &tensors[i], readers ? &readers[i] : NULL, progress, err)) continue;
        zip_writer_abandon(writer);
        if (err->status == STATUS_USAGE || err->status == STATUS_LIMIT) error_prefix(err, "%s", path);
        return false;
    }
    return zip_writer_commit(writer, err);
}

bool npz_save(const char *path, bool overwrite, const TensorOut *tensors, size_t count, Error *err) {
    return save_members(path, overwrite, tensors, NULL, count, NULL, err);
}

bool npz_save_large(const char *path, const FileSaving *saving, const FileParts *parts, Error *err) {
    uint64_t done = 0;
    StreamProgress progress = {saving->task, &done, 0};
    for (size_t i = 0; i < parts->count; i++) progress.total += tensor_out_bytes(&parts->tensors[i]);
    return save_members(path, saving->overwrite, parts->tensors, parts->readers, parts->count, &progress, err);
}
