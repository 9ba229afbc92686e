/* format -- file formats. A Checkpoint is named tensors; its data is read (pread) only when asked for.
 *
 * Every reader follows the same rules: all sizes checked before anything is allocated, caps named in the error, no
 * recursion on input, nothing executed, each failure one line that starts with the file's name. Files are recognised by
 * content, never by extension.
 */
#ifndef WEFT_FORMAT_H
#define WEFT_FORMAT_H

#include "weft/base/dtype.h"
#include "weft/base/error.h"
#include "weft/base/file.h"
#include "weft/base/task.h"
#include "weft/base/tensor.h"
#include "weft/base/text.h"

/* ---- what a file is ---------------------------------------------------------------------------------------------- */

typedef enum FileKind {
    FILE_UNKNOWN,
    FILE_SAFETENSORS,
    FILE_SHARD_INDEX,  /* JSON with a weight_map: of safetensors or PyTorch's files */
    FILE_TORCH_LEGACY, /* five pickles, then storages */
    FILE_TAR,          /* PyTorch before 0.1.11, or another archive */
    FILE_ZIP,          /* torch zip or npz: the records decide */
    FILE_NPY,
    FILE_ONNX,
    FILE_GZIP,
    FILE_IDX,
    FILE_PICKLE,  /* CIFAR python batches and others */
    FILE_PICTURE, /* PNG or JPEG */
    FILE_TEXT,    /* printable: most likely a script */
} FileKind;
/* The kind by content. Files that are recognised and refused by name (GGUF, HDF5, TFLite, Core ML, TensorFlow, msgpack,
 * joblib, compressed files, git-LFS pointer, empty file) are STATUS_BAD_INPUT with that name, and what to do, in the
 * text. Raw CIFAR batches have no magic: FILE_UNKNOWN.
 */
bool file_kind(const File *file, FileKind *out, Error *err);

/* ---- checkpoints ------------------------------------------------------------------------------------------------- */

typedef struct CheckpointTensor {
    const char *name; /* as stored */
    DType dtype;
    unsigned rank;
    const uint64_t *dim;
    uint64_t count; /* elements */
    size_t
        shares_with; /* index of an earlier tensor whose storage this one shares (tied weights); own index otherwise */
} CheckpointTensor;

typedef struct KeyValue {
    char *key, *value;
} KeyValue;
/* Appends copies of both texts to a list that starts as {NULL, 0} and is freed with key_value_free. */
bool key_value_add(KeyValue **list, size_t *count, const char *key, const char *value, Error *err);
void key_value_free(KeyValue *list, size_t count);
bool key_value_copy(KeyValue **list, size_t *count, const KeyValue *from, size_t from_count, Error *err); /* appends */
/* A list as the JSON text in saved files, [{"what":"load","command":"base.th"},...]; `names` names the two members:
 * LINEAGE_NAMES for a lineage. Bytes that are not UTF-8 are escaped. */
bool key_value_write(const KeyValue *list, size_t count, const char *const names[2], Str *out, Error *err);
/* Appends the entries of such a text, or none if *understood becomes false. False: no memory. */
bool key_value_read(KeyValue **list, size_t *count, const char *const names[2], const char *text, bool *understood,
                    Error *err);
extern const char *const LINEAGE_NAMES[2]; /* "what", "command" */

typedef struct Checkpoint Checkpoint;

/* Opens any checkpoint file: safetensors, PyTorch's tar, legacy and zip files, TorchScript archives (weights only), an
 * index of safetensors or PyTorch shards, ONNX (its initialisers), npz, npy (one tensor named after the file). Reads
 * and checks the header and directory only. A folder is refused with a list of its contents. Nothing but tensors of a
 * PyTorch file is turned into objects; a note lists what was left out, and which of several state dicts was chosen. */
Checkpoint *checkpoint_open(const char *path, Error *err);
/* The same, taking the state dict at the dotted path `key` of a PyTorch file ("state_dict_ema", "fold1.model"; "." is
 * everything); NULL: chosen by itself. STATUS_USAGE, with what there is, for a key that is not there. */
Checkpoint *checkpoint_open_key(const char *path, const char *key, Error *err);
Checkpoint *checkpoint_parse(File *file,
                             Error *err); /* the same on an open file, which it takes over (also on failure) */
void checkpoint_close(Checkpoint *checkpoint);

const char *checkpoint_path(const Checkpoint *checkpoint);
const char *checkpoint_format(
    const Checkpoint *checkpoint); /* "safetensors", "PyTorch zip", "PyTorch legacy", "PyTorch tar", "npz", ... */
size_t checkpoint_count(const Checkpoint *checkpoint);
const CheckpointTensor *checkpoint_tensor(const Checkpoint *checkpoint, size_t index);
bool checkpoint_find(const Checkpoint *checkpoint, const char *name, size_t *index);
uint64_t checkpoint_bytes(const Checkpoint *checkpoint); /* dense data bytes of all tensors, for the memory budget */

/* Text metadata: safetensors __metadata__; scalars next to the state dict (epoch, best_prec1, arch) for PyTorch. */
size_t checkpoint_metadata_count(const Checkpoint *checkpoint);
const KeyValue *checkpoint_metadata(const Checkpoint *checkpoint, size_t index);
const char *checkpoint_metadata_find(const Checkpoint *checkpoint, const char *key); /* NULL if absent */

/* What a user should know but need not act on ("every name began with module.; stripped", "total_size is wrong"). */
size_t checkpoint_note_count(const Checkpoint *checkpoint);
const char *checkpoint_note(const Checkpoint *checkpoint, size_t index);

/* The elements, dense and row-major, in the stored dtype, little-endian: count * bits / 8 bytes into `out`. */
bool checkpoint_read(Checkpoint *checkpoint, size_t index, void *out, Error *err);
/* Where the elements lie in a file, in the very bytes that checkpoint_read gives. */
typedef struct CheckpointPlace {
    File *file; /* the checkpoint's own: file_share keeps it */
    uint64_t offset, length;
    bool checked; /* the file has a CRC-32 of the bytes from `crc_offset`, `crc_length` of them, these ones included */
    uint32_t crc;
    uint64_t crc_offset, crc_length;
} CheckpointPlace;
/* False where they do not: compressed, strided or of another byte order; checkpoint_read gives them. */
bool checkpoint_place(const Checkpoint *checkpoint, size_t index, CheckpointPlace *out);
/* Whether a checked place has its CRC-32: reads all of it. */
bool checkpoint_prove(const CheckpointPlace *place, Error *err);
/* The same converted to float32, as a new tensor. Checks the memory budget first. */
Tensor *checkpoint_read_tensor(Checkpoint *checkpoint, size_t index, Error *err);

/* ---- writing ----------------------------------------------------------------------------------------------------- */

typedef struct TensorOut {
    const char *name;
    DType dtype;
    unsigned rank;
    const uint64_t *dim;
    const void *data; /* dense, row-major, little-endian; NULL where a TensorReader gives them */
} TensorOut;
/* Gives the data of a tensor that is not in memory: bytes [offset, offset + length), whole elements; from several
 * threads at once. */
typedef struct TensorReader {
    bool (*read)(void *context, uint64_t offset, uint64_t length, void *out, Error *err); /* NULL: it is in memory */
    void *context;
} TensorReader;
/* What an object writes into a file, for a caller that adds to it: lists that grow by mem_grow and key_value_add.
 * Starts as {0}. */
typedef struct FileParts {
    TensorOut *tensors;
    TensorReader *readers; /* of each tensor; NULL: all are in memory. From mem_alloc */
    size_t count;
    KeyValue *metadata;
    size_t metadata_count;
    void **buffers; /* what tensors point to beyond the object's own memory; mem_free */
    size_t buffer_count;
} FileParts;
void file_parts_done(FileParts *parts);
/* Atomically; tensors keep their order (header and data). Data starts 8-byte aligned as the format asks. */
bool safetensors_save(const char *path, bool overwrite, const TensorOut *tensors, size_t count,
                      const KeyValue *metadata, size_t metadata_count, Error *err);
/* What safetensors_save would write, appended to *out: for another process. */
bool safetensors_pack(const FileParts *parts, Str *out, Error *err);
/* How a large file is written. */
typedef struct FileSaving {
    bool overwrite;
    uint64_t shard_size; /* data bytes that a shard holds, unless one tensor has more; 0: one file */
    const Task *task;    /* progress; may be NULL */
} FileSaving;
/* The same, tensors read while it is written. With shard_size, NAME.safetensors becomes NAME-00001-of-00003.safetensors
 * and so on, and NAME.safetensors.index.json (shards.c); one file where all fits into one. The metadata stands in the
 * first shard. All shards are complete before the first takes its place, and the index comes last: without it there is
 * no network, and an index that is overwritten goes first. *files: how many shards; 1: one file, no index. */
bool safetensors_save_large(const char *path, const FileSaving *saving, const FileParts *parts, size_t *files,
                            Error *err);
/* Stored (not deflated) members NAME.npy; readable by numpy.load. BF16 has no npy type: STATUS_USAGE. */
bool npz_save(const char *path, bool overwrite, const TensorOut *tensors, size_t count, Error *err);
bool npz_save_large(const char *path, const FileSaving *saving, const FileParts *parts, Error *err);

/* ---- image files ------------------------------------------------------------------------------------------------- */

/* IDX, plain or .gz: `rank` dimensions and count * bits/8 bytes, big-endian elements turned little-endian. */
typedef struct IdxArray {
    DType dtype;
    unsigned rank;
    uint64_t dim[8];
    uint64_t count;   /* elements here: the product of the dimensions */
    uint64_t entries; /* the first dimension according to the file; more than dim[0] if a limit cut it */
    void *data;       /* owned; free with idx_done */
} IdxArray;
/* `limit` > 0 reads at most that many entries of the first dimension (dim[0] is cut to it); all headers and sizes are
 * checked. */
bool idx_read(const char *path, uint64_t limit, IdxArray *out, Error *err);
bool idx_parse(const File *file, uint64_t limit, IdxArray *out, Error *err);
void idx_done(IdxArray *array);
bool idx_save(const char *path, bool overwrite, bool gzip, const IdxArray *array, Error *err);

/* One NumPy array in the same way (column order is turned into row order); at most 8 dimensions. `limit` > 0 reads no
 * more than it must. */
bool npy_read(const char *path, uint64_t limit, IdxArray *out, Error *err);
bool npy_parse(const File *file, uint64_t limit, IdxArray *out, Error *err);

/* Labelled images of one size. From {0}. */
typedef struct ImageRecords {
    uint64_t count;
    size_t pixel_capacity, label_capacity;
    uint8_t *pixels;  /* count x channels x height x width; free with image_records_done */
    uint16_t *labels; /* count; NULL if the images have none */
} ImageRecords;

/* CIFAR batches, binary or Python's (a pickle, of which nothing is executed): the first byte distinguishes them. fine
 * == false: CIFAR-10, labels 0-9; fine: CIFAR-100, the fine label. Appends at most `limit` records (0: all), pixels of
 * 3 x 32 x 32. */
bool cifar_read(const char *path, bool fine, uint64_t limit, ImageRecords *out, Error *err);
bool cifar_parse(const File *file, bool fine, uint64_t limit, ImageRecords *out, Error *err);
void image_records_done(ImageRecords *records);

/* STL-10: the first `limit` images (0: all), pixels of 3 x 96 x 96; labels NULL: there are none. Labels come as 0-9. On
 * failure `out`, which must be empty, is to be freed too. */
bool stl10_parse(const File *images, const File *labels, uint64_t limit, ImageRecords *out, Error *err);

/* One image file, PNG or JPEG. */
enum { CAP_PICTURE_SIDE = 16384 };
typedef struct Picture {
    unsigned channels; /* 1: grey; 3: red, green, blue */
    unsigned height, width;
    uint8_t *pixels; /* height x width x channels; free with picture_done; NULL after picture_look */
} Picture;
/* The image's size and channels: its header only. */
bool picture_look(const File *file, Picture *out, Error *err);
/* PNG: fewer bits and palettes expanded, 16 bits scaled to 8 and rounded, transparency composited onto black. JPEG:
 * grey, YCbCr or RGB, baseline or progressive; a damaged one is refused, CMYK too. EXIF orientation is ignored. */
bool picture_parse(const File *file, Picture *out, Error *err);
void picture_done(Picture *picture);
/* A NumPy array file of which only some entries of the first dimension (rows) are wanted. */
typedef struct NpyHeader {
    DType dtype;
    bool big_endian, fortran;
    unsigned rank;
    uint64_t dim[TENSOR_RANK_MAX];
    uint64_t offset, bytes; /* of the data: from the start of the npy; its length */
    const char *unread;     /* where reading failed because the array is not of numbers: what it is; else NULL */
} NpyHeader;
/* STATUS_BAD_INPUT if the file is not an npy file, or does not hold exactly the data that its header declares. */
bool npy_open_rows(const File *file, NpyHeader *out, Error *err);
/* `rows` rows from `first` on (rank 1 at least, first + rows <= dim[0]): dense, row-major, little-endian, their share
 * of header->bytes. STATUS_BAD_INPUT for an array in column order, which has no rows. */
bool npy_read_rows(const File *file, const NpyHeader *header, uint64_t first, uint64_t rows, void *out, Error *err);

#endif
