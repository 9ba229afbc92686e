/* npy -- NumPy arrays: one in a .npy, several in an .npz (a zip of them). */
#include "format/npy.h"

#include <string.h>

#include "format/checkpoint.h"
#include "format/zip.h"
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
