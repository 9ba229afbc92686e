/* checkpoint -- what a reader of one checkpoint format is, and what checkpoint.c gives it. Private to src/format.
 *
 * A reader checks the whole header, then fills a Checkpoint through checkpoint_new / checkpoint_add and sets `read`.
 * Its errors need not name the file: readers.c adds the name if it is missing.
 */
#ifndef WEFT_FORMAT_CHECKPOINT_H
#define WEFT_FORMAT_CHECKPOINT_H

#include "format/sniff.h"
#include "weft/base/dtype.h"
#include "weft/base/error.h"
#include "weft/base/file.h"
#include "weft/base/text.h"
#include "weft/format.h"

enum {
    CAP_TENSORS = 1000000,
    CAP_NAME = 4096,
    CAP_JSON_DEPTH = 16,
    CAP_JSON_HEADER = 100000000,
    CAP_NPY_HEADER = 65536,
};

struct Checkpoint {
    char *path;
    const char *format; /* static text: "safetensors" */
    CheckpointTensor *tensors;
    size_t count, capacity;
    KeyValue *metadata;
    size_t metadata_count, metadata_capacity;
    char **notes;
    size_t note_count, note_capacity;
    bool nested;  /* a key could choose among its dicts */
    void *names;  /* search index by name; built by checkpoint_seal */
    void *pool;   /* where names, dimensions, metadata and notes live */
    File *file;   /* owned; NULL if the reader keeps several */
    void *reader; /* the format's own state */
    bool (*read)(Checkpoint *checkpoint, size_t index, void *out, Error *err); /* dense little-endian row-major bytes */
    void (*free_reader)(void *reader);
    /* Where these bytes lie in a file as `read` gives them. NULL, or false: they do not (compressed, strided, of
     * another byte order), or not in a file that outlives the checkpoint. */
    bool (*place)(const Checkpoint *checkpoint, size_t index, CheckpointPlace *out);
};

/* An empty checkpoint that owns `file` (which may be NULL) from now on, also on failure. */
Checkpoint *checkpoint_new(File *file, const char *path, const char *format, Error *err);
/* Adds a tensor (name and dims are copied) and checks rank, name length, tensor count and size overflow against the
 * caps. */
bool checkpoint_add(Checkpoint *checkpoint, const char *name, size_t name_length, DType dtype, unsigned rank,
                    const uint64_t *dim, Error *err);
bool checkpoint_add_metadata(Checkpoint *checkpoint, const char *key, const char *value, Error *err);
bool checkpoint_add_note(Checkpoint *checkpoint, Error *err, const char *format, ...)
    __attribute__((format(printf, 3, 4)));
/* After the last tensor: refuses duplicate names and builds the search index. */
bool checkpoint_seal(Checkpoint *checkpoint, Error *err);

/* Puts "PATH: " in front of an error that does not begin with it; always false. */
bool checkpoint_name_file(Error *err, const char *path);

/* Zeroed memory that lives as long as the checkpoint. */
void *checkpoint_alloc(Checkpoint *checkpoint, size_t size, Error *err);
uint64_t checkpoint_tensor_bytes(const CheckpointTensor *tensor);         /* dense, in the stored dtype */
void checkpoint_shape_text(unsigned rank, const uint64_t *dim, Str *out); /* "[32,8]" */

/* ---- readers ----------------------------------------------------------------------------------------------------- */

/* How a file is to be opened. */
typedef struct CheckpointOpening {
    const char *key; /* checkpoint_open_key's, or NULL */
    /* Opens a file that an index names; NULL if this file is named by one itself. */
    Checkpoint *(*open_shard)(File *file, Error *err);
} CheckpointOpening;

/* One reader, as the table in readers.c lists it. */
typedef struct CheckpointReader {
    FileKind kind;
    bool (*sniff)(const Head *head); /* whether the file is one of these */
    /* Takes `file` over, also on failure. */
    Checkpoint *(*open)(File *file, const CheckpointOpening *opening, Error *err);
} CheckpointReader;
extern const CheckpointReader safetensors_reader, damaged_safetensors_reader, shards_reader, torch_legacy_reader,
    torch_tar_reader, zip_reader, npy_reader, onnx_reader, python_pickle_reader;

/* A pickle of NumPy arrays from `offset` on; `npy`: as the object of an npy. Takes `file` over. */
Checkpoint *python_pickle_open(File *file, uint64_t offset, bool npy, const char *key, Error *err);
/* What a folder that was given instead of a file is, and which file to open: STATUS_BAD_INPUT; always false. */
bool folder_refuse(const char *path, Error *err);

struct Zip;
/* What a zip archive may hold. `zip` (which owns its file) is taken over, also on failure. */
Checkpoint *torch_zip_open(struct Zip *zip, const char *key, Error *err);
Checkpoint *npz_open(struct Zip *zip, Error *err);

#endif
