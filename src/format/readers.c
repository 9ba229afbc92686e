/* readers -- the table of checkpoint readers: what a file is, and opening it with the reader that recognises it.
 *
 * Readers may leave the file's name out of their errors; it is put in front here, once, where it is missing.
 */
#include <string.h>

#include "format/checkpoint.h"
#include "weft/base/error.h"
#include "weft/base/file.h"
#include "weft/base/memory.h"
#include "weft/base/text.h"
#include "weft/format.h"

/* ---- what is no checkpoint --------------------------------------------------------------------------------------- */

static Checkpoint *refuse(File *file, Error *err, const char *reason) {
    error_set(err, STATUS_BAD_INPUT, "%s", reason);
    file_close(file);
    return NULL;
}

static bool is_gzip(const Head *head) {
    return head_holds(head, 0, "\037\213", 2);
}
static Checkpoint *refuse_gzip(File *file, const CheckpointOpening *opening, Error *err) {
    (void)opening;
    return refuse(file, err, "gzip data, not a checkpoint; gunzip it and open its contents");
}

static bool is_picture(const Head *head) {
    return head_holds(head, 0, "\211PNG\r\n\032\n", 8) || head_holds(head, 0, "\377\330\377", 3);
}
static Checkpoint *refuse_picture(File *file, const CheckpointOpening *opening, Error *err) {
    (void)opening;
    return refuse(file, err, "an image, not a checkpoint (load data NAME images:FOLDER reads a folder of them)");
}

static bool is_idx(const Head *head) {
    if (!head_holds(head, 0, "\0", 2)) return false;
    return head->length >= 4 && memchr("\010\011\013\014\015\016", head->bytes[2], 6) && head->bytes[3] >= 1 &&
           head->bytes[3] <= 8;
}
static Checkpoint *refuse_idx(File *file, const CheckpointOpening *opening, Error *err) {
    (void)opening;
    return refuse(file, err, "an IDX image file, not a checkpoint");
}

/* Text that stands where a checkpoint was to be often says why: its beginning. */
static Checkpoint *refuse_text(File *file, const CheckpointOpening *opening, Error *err) {
    (void)opening;
    char text[81] = {0};
    const size_t length = file_size(file) < sizeof text - 1 ? (size_t)file_size(file) : sizeof text - 1;
    if (file_read(file, 0, text, length, err)) {
        text[strcspn(text, "\r\n")] = '\0';
        const size_t columns = text_fit(text, 60);
        error_set(err, STATUS_BAD_INPUT, "text, not a checkpoint: \"%.*s%s\"", (int)columns, text,
                  columns < file_size(file) ? "..." : "");
    }
    file_close(file);
    return NULL;
}

/* The name may tell what the content does not. */
static Checkpoint *refuse_unknown(File *file, const CheckpointOpening *opening, Error *err) {
    (void)opening;
    static const struct {
        const char *end, *what;
    } names[] = {
        {".pb", "a TensorFlow graph; convert it to ONNX (tf2onnx) or its weights to npz"},
        {".tflite", "a TFLite file; convert the network it was made from"},
        {".mlmodel", "a Core ML model; convert the network it was made from"},
        {".msgpack", "a Flax file; save its arrays as safetensors"},
        {".ckpt.index", "the index of a TensorFlow checkpoint; save its variables as npz"},
        {".data-00000-of-00001", "the data of a TensorFlow checkpoint; save its variables as npz"},
        {".weights", "Darknet weights; convert them to a PyTorch state_dict"},
        {".caffemodel", "a Caffe model; convert it to ONNX or its weights to npz"},
        {".params", "an MXNet file; save its arrays as npz"},
        {".pdparams", "a PaddlePaddle file; save its arrays as npz"},
        {".engine", "a TensorRT engine; convert the network it was made from"},
        {".bin", "raw data; if it belongs to a network, open the file that describes it"},
    };
    for (size_t i = 0; i < sizeof names / sizeof *names; i++) {
        if (!text_ends_with(file_name(file), names[i].end)) continue;
        error_set(err, STATUS_BAD_INPUT, "not a checkpoint of any known format; its name suggests %s", names[i].what);
        file_close(file);
        return NULL;
    }
    return refuse(file, err, "not a checkpoint of any known format");
}

static bool is_anything(const Head *head) {
    (void)head;
    return true;
}

static const CheckpointReader gzip_refuser = {FILE_GZIP, is_gzip, refuse_gzip},
                              picture_refuser = {FILE_PICTURE, is_picture, refuse_picture},
                              text_refuser = {FILE_TEXT, head_is_text, refuse_text},
                              idx_refuser = {FILE_IDX, is_idx, refuse_idx},
                              unknown_refuser = {FILE_UNKNOWN, is_anything, refuse_unknown};

/* ---- the table --------------------------------------------------------------------------------------------------- */

/* The first one that recognises a file takes it: exact forms stand before those that others could be mistaken for. */
static const CheckpointReader *const readers[] = {
    &safetensors_reader,
    &zip_reader,
    &npy_reader,
    &gzip_refuser,
    &torch_tar_reader,
    &picture_refuser,
    &torch_legacy_reader,
    &python_pickle_reader,
    &onnx_reader,
    &shards_reader,
    &text_refuser,
    &idx_refuser,
    &damaged_safetensors_reader,
    &unknown_refuser,
};

/* Kinds that say little of what a file is. */
static bool may_be_another(FileKind kind) {
    return kind == FILE_UNKNOWN || kind == FILE_TEXT || kind == FILE_PICKLE;
}

static const CheckpointReader *find_reader(const File *file, Error *err) {
    Head head;
    if (!head_read(file, &head, err)) return NULL;
    const CheckpointReader *const *reader = readers;
    const char *reason = head_refused(&head);
    while (!reason && !(*reader)->sniff(&head)) reader++;
    if (!reason && may_be_another((*reader)->kind)) reason = head_recognised(&head);
    if (reason) error_set(err, STATUS_BAD_INPUT, "%s: is %s", file_name(file), reason);
    head_done(&head);
    return reason ? NULL : *reader;
}

bool file_kind(const File *file, FileKind *out, Error *err) {
    const CheckpointReader *reader = find_reader(file, err);
    if (reader) *out = reader->kind;
    return reader != NULL;
}

/* ---- opening ----------------------------------------------------------------------------------------------------- */

static Checkpoint *open_file(File *file, const CheckpointOpening *opening, Error *err) {
    Checkpoint *checkpoint = NULL;
    char *path = mem_copy_text(file_name(file), err);
    const CheckpointReader *reader = path ? find_reader(file, err) : NULL;
    if (!reader) {
        checkpoint_name_file(err, file_name(file));
        file_close(file);
        goto out;
    }
    checkpoint = reader->open(file, opening, err);
    if (checkpoint && opening->key && !checkpoint->nested) {
        error_set(err, STATUS_USAGE, "--key %s: %s has no nested dicts to choose from", opening->key,
                  checkpoint->format);
        checkpoint_close(checkpoint);
        checkpoint = NULL;
    }
    if (!checkpoint) checkpoint_name_file(err, path);
out:
    mem_free(path);
    return checkpoint;
}

static Checkpoint *open_shard(File *file, Error *err) {
    return open_file(file, &(CheckpointOpening){0}, err);
}

Checkpoint *checkpoint_parse(File *file, Error *err) {
    return open_file(file, &(CheckpointOpening){.open_shard = open_shard}, err);
}

Checkpoint *checkpoint_open_key(const char *path, const char *key, Error *err) {
    if (folder_there(path)) {
        folder_refuse(path, err);
        return NULL;
    }
    File *file = file_open(path, err);
    if (file) return open_file(file, &(CheckpointOpening){.key = key, .open_shard = open_shard}, err);
    checkpoint_name_file(err, path);
    return NULL;
}

Checkpoint *checkpoint_open(const char *path, Error *err) {
    return checkpoint_open_key(path, NULL, err);
}
