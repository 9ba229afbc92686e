/* sniff -- what a file is, by its first bytes, never by its name. */
#include "weft/format.h"

#include <string.h>
#include <strings.h>

#include "format/bytes.h"
#include "format/checkpoint.h"
#include "weft/base/error.h"
#include "weft/base/file.h"
#include "weft/base/memory.h"
#include "weft/base/text.h"

enum { SNIFF_SIZE = 65536, TAR_MAGIC_AT = 257 };

/* The beginning of a file. */
typedef struct Head {
    const uint8_t *bytes;
    size_t length;
    uint64_t file_size;
} Head;

static bool holds(const Head *head, size_t at, const char *magic, size_t length) {
    return head->length >= at + length && memcmp(head->bytes + at, magic, length) == 0;
}

static const struct {
    size_t at, length;
    const char *magic, *reason;
} refused[] = {
    {0, 4, "GGUF", "a GGUF file; convert it to safetensors"},
    {0, 4, "lmgg", "a GGML file; convert it to safetensors"},
    {0, 4, "tjgg", "a GGML file; convert it to safetensors"},
    {0, 4, "fmgg", "a GGML file; convert it to safetensors"},
    {0, 8, "\211HDF\r\n\032\n", "an HDF5 file (Keras, MATLAB); convert it to safetensors or npz"},
    {0, 8, "PYTORCH1", "a PYTORCH1 file of a PyTorch before 1.0; save it again with a later one"},
    {0, 24, "version https://git-lfs.", "a git-LFS pointer, not the file itself; run git lfs pull"},
    {4, 4, "TFL3", "a TFLite file, whose weights are made for running; convert the network it was made from"},
    {4, 4, "ET12", "an ExecuTorch program; save the state_dict of the network it was made from"},
    {0, 6, "MATLAB", "a MATLAB file; save its arrays as npz (scipy.io.loadmat, numpy.savez)"},
    {0, 16, "\4\0\0\0\1\0\0\0\3\0\0\0V 1\0", "a Torch7 file (Lua); convert it to safetensors or a PyTorch state_dict"},
    {0, 15, "\4\0\0\0\1\0\0\0\3\0\0\0V 1", "a Torch7 file (Lua); convert it to safetensors or a PyTorch state_dict"},
    {0, 4, "\050\265\057\375", "zstd-compressed data; decompress it (unzstd) and open what is in it"},
    {0, 6, "\3757zXZ\0", "xz-compressed data; decompress it (unxz) and open what is in it"},
    {0, 3, "BZh", "bzip2-compressed data; decompress it (bunzip2) and open what is in it"},
    {0, 4, "\004\042\115\030", "lz4-compressed data (joblib's, or other); decompress it and open what is in it"},
    {0, 6, "7z\274\257\047\034", "a 7-Zip archive; extract it and open what is in it"},
    {0, 4, "Rar!", "a RAR archive; extract it and open what is in it"},
    {0, 4, "ftrt", "a TensorRT engine; convert the network it was made from"},
};

/* Compressed by joblib with zlib: a zlib header, and no text. */
static bool is_zlib(const Head *head) {
    return head->length >= 2 && head->bytes[0] == 0x78 && memchr("\1\136\234\332", head->bytes[1], 4);
}

static bool mentions(const Head *head, const char *word) {
    return memmem(head->bytes, head->length, word, strlen(word));
}

/* A map of msgpack whose first key is a short text: Flax writes {"params": ...}. */
static bool is_msgpack(const Head *head) {
    if (head->length < 4) return false;
    const uint8_t *at = head->bytes;
    if (*at >= 0x81 && *at <= 0x8f)
        at++;
    else if (*at == 0xde)
        at += 3;
    else
        return false;
    const size_t room = head->length - (size_t)(at - head->bytes);
    if (room < 2 || *at < 0xa1 || *at > 0xbf || (*at & 0x1fu) > room - 1) return false;
    for (size_t i = 1; i <= (*at & 0x1fu); i++)
        if (at[i] < ' ' || at[i] > '~') return false;
    return true;
}

/* A varint's value, *at moving past it; at most four bytes. */
static uint64_t varint(const Head *head, size_t *at) {
    uint64_t value = 0;
    for (unsigned shift = 0; shift < 28 && *at < head->length; shift += 7) {
        const uint8_t byte = head->bytes[(*at)++];
        value |= (uint64_t)(byte & 0x7f) << shift;
        if (!(byte & 0x80)) break;
    }
    return value;
}

/* Protocol buffers have no magic. A SavedModel and a Core ML model both are {1: version, 2: message}; an ONNX model has
 * a text in the second place. A frozen TensorFlow graph is {1: {1: name, 2: operation, ...}}. */
static const char *protobuf_kind(const Head *head) {
    static const char *const tensorflow[] = {"VarHandleOp",         "Placeholder",   "ReadVariableOp",
                                             "saved_model_main_op", "\022\005Const", "tensorflow"};
    bool graph = false,
         model = head->length > 4 && head->bytes[0] == 0x08 && head->bytes[1] < 0x20 && head->bytes[2] == 0x12;
    for (size_t i = 0; i < sizeof tensorflow / sizeof *tensorflow; i++) graph = graph || mentions(head, tensorflow[i]);
    if (model) {
        size_t at = 3;
        const uint64_t length = varint(head, &at);
        if (length == 0 || at >= head->length || (length > head->file_size - at)) return NULL;
        const bool message = head->bytes[at] < ' ';
        if (message && graph) return "a TensorFlow SavedModel; convert it to ONNX (tf2onnx) or its weights to npz";
        if (message) return "a Core ML model; convert the network it was made from";
        return NULL;
    }
    if (head->length > 4 && head->bytes[0] == 0x0a && graph)
        return "a TensorFlow graph; convert it to ONNX (tf2onnx) or its weights to npz";
    return NULL;
}

static bool is_html(const Head *head) {
    size_t at = 0;
    while (at < head->length && (head->bytes[at] == ' ' || head->bytes[at] == '\n' || head->bytes[at] == '\r')) at++;
    const char *text = (const char *)head->bytes + at;
    const size_t length = head->length - at;
    return (length >= 9 && strncasecmp(text, "<!DOCTYPE", 9) == 0) ||
           (length >= 5 && strncasecmp(text, "<html", 5) == 0);
}

/* What has no magic of its own at one place; NULL: nothing that is known. */
static const char *recognise(const Head *head) {
    static const uint8_t table_magic[8] = {0x57, 0xfb, 0x80, 0x8b, 0x24, 0x75, 0x47, 0xdb};
    if (is_html(head)) return "an HTML page, not the file itself: the download was answered by a web page";
    if (head->length >= 2 && head->bytes[0] == 0x80 && head->bytes[1] >= 2 && head->bytes[1] <= 5 &&
        mentions(head, "joblib.numpy_pickle"))
        return "a joblib file; save a state_dict with torch.save, or arrays with numpy.savez";
    if (is_msgpack(head)) return "a msgpack file (Flax); save its arrays as safetensors (safetensors.flax.save_file)";
    if (is_zlib(head)) return "zlib-compressed data (joblib's, or other); save it uncompressed";
    if (head->length == head->file_size && head->length > 48 &&
        memcmp(head->bytes + head->length - 8, table_magic, 8) == 0)
        return "the index of a TensorFlow checkpoint; save its variables as npz";
    return protobuf_kind(head);
}

static bool is_space(uint8_t byte) {
    return byte == ' ' || byte == '\t' || byte == '\n' || byte == '\r';
}

/* The first visible character from `at` on; -1 where the head has none. */
static int first_visible(const Head *head, size_t at) {
    while (at < head->length && is_space(head->bytes[at])) at++;
    return at < head->length ? head->bytes[at] : -1;
}

/* Printable UTF-8; the last character, which the end of the head may cut, does not count. */
static bool is_text(const Head *head) {
    size_t length = head->length;
    if (length < head->file_size) {
        for (int i = 0; i < 3 && length > 1 && (head->bytes[length - 1] & 0xC0) == 0x80; i++) length--;
        length--;
    }
    for (size_t i = 0; i < length; i++)
        if (head->bytes[i] == 0x7f || (head->bytes[i] < ' ' && !memchr("\t\n\r\f\033", head->bytes[i], 5)))
            return false;
    return length > 0 && text_valid_utf8((const char *)head->bytes, length);
}

/* u64le N, then JSON, and N can be right. Asked before the short magics: a header of 0x0280 bytes begins as a pickle
 * does. */
static bool is_safetensors(const Head *head) {
    if (head->length < 9) return false;
    uint64_t length = get_le64(head->bytes);
    int first = first_visible(head, 8);
    return length > 0 && length <= head->file_size - 8 && length <= CAP_JSON_HEADER &&
           (first == '{' || first == '[' || first == -1);
}

/* N cannot be right, but an object follows it: the reader can say what is wrong. */
static bool is_damaged_safetensors(const Head *head) {
    return head->length >= 9 && first_visible(head, 8) == '{';
}

/* The number 0x1950a86a20f9469cfc6c as the first of five pickles, behind PROTO and, from protocol 4 on, FRAME. */
static bool is_torch_legacy(const Head *head) {
    static const char magic[] = "\212\012\154\374\234\106\371\040\152\250\120\031.";
    return holds(head, 2, magic, sizeof magic - 1) || holds(head, 11, magic, sizeof magic - 1);
}

static bool is_idx(const Head *head) {
    if (!holds(head, 0, "\0", 2)) return false;
    return head->length >= 4 && memchr("\010\011\013\014\015\016", head->bytes[2], 6) && head->bytes[3] >= 1 &&
           head->bytes[3] <= 8;
}

/* A varint of the head; false where it does not end there. */
static bool head_varint(const Head *head, size_t *at, uint64_t *value) {
    *value = 0;
    for (unsigned shift = 0; shift < 64 && *at < head->length; shift += 7) {
        const uint8_t byte = head->bytes[(*at)++];
        *value |= (uint64_t)(byte & 0x7F) << shift;
        if (byte < 0x80) return true;
    }
    return false;
}

/* protobuf has no magic. An ONNX model is fields of ModelProto: ir_version (1) and model_version (5) are numbers, the
 * producer's texts (2, 3, 4, 6) are text, and there is a graph (7), an operator set (8) or the end of the head. */
static bool is_onnx(const Head *head) {
    size_t fields = 0;
    for (size_t at = 0; at < head->length; fields++) {
        uint64_t tag, value;
        if (!head_varint(head, &at, &tag) || !head_varint(head, &at, &value)) return false;
        const bool text = tag == 0x12 || tag == 0x1a || tag == 0x22 || tag == 0x32;
        if (tag == 0x3a) return fields > 0;
        if (tag == 0x42) return value > 0 && at < head->length && (head->bytes[at] == 0x0a || head->bytes[at] == 0x10);
        if (tag == 0x08 || tag == 0x28) continue;
        if (!text || value > head->file_size) return false;
        if (value > head->length - at) return fields > 0 && tag == 0x32; /* a long doc_string */
        if (!text_valid_utf8((const char *)head->bytes + at, (size_t)value)) return false;
        for (uint64_t i = 0; i < value && tag != 0x32; i++)
            if (head->bytes[at + i] < ' ') return false;
        at += (size_t)value;
    }
    return false;
}

static FileKind classify(const Head *head) {
    if (is_safetensors(head)) return FILE_SAFETENSORS;
    if (holds(head, 0, "PK\3\4", 4) || holds(head, 0, "PK\5\6", 4)) return FILE_ZIP;
    if (holds(head, 0, "\223NUMPY", 6)) return FILE_NPY;
    if (holds(head, 0, "\037\213", 2)) return FILE_GZIP;
    if (holds(head, TAR_MAGIC_AT, "ustar", 5)) return FILE_TAR;
    if (holds(head, 0, "\211PNG\r\n\032\n", 8) || holds(head, 0, "\377\330\377", 3)) return FILE_PICTURE;
    if (head->length >= 2 && head->bytes[0] == 0x80 && head->bytes[1] >= 1 && head->bytes[1] <= 5)
        return is_torch_legacy(head) ? FILE_TORCH_LEGACY : FILE_PICKLE;
    if (is_onnx(head)) return FILE_ONNX;
    if (is_text(head)) {
        bool index = first_visible(head, 0) == '{' && memmem(head->bytes, head->length, "\"weight_map\"", 12);
        return index ? FILE_SHARD_INDEX : FILE_TEXT;
    }
    if (is_idx(head)) return FILE_IDX;
    return is_damaged_safetensors(head) ? FILE_SAFETENSORS : FILE_UNKNOWN;
}

/* Kinds that say little of what a file is. */
static bool may_be_another(FileKind kind) {
    return kind == FILE_UNKNOWN || kind == FILE_TEXT || kind == FILE_PICKLE;
}

bool file_kind(const File *file, FileKind *out, Error *err) {
    Head head = {.file_size = file_size(file)};
    if (head.file_size == 0) return error_set(err, STATUS_BAD_INPUT, "%s: is empty", file_name(file));
    head.length = head.file_size < SNIFF_SIZE ? (size_t)head.file_size : SNIFF_SIZE;
    uint8_t *bytes = mem_alloc(head.length, 1, err);
    bool ok = bytes && file_read(file, 0, bytes, head.length, err);
    head.bytes = bytes;
    for (size_t i = 0; ok && i < sizeof refused / sizeof *refused; i++)
        if (holds(&head, refused[i].at, refused[i].magic, refused[i].length))
            ok = error_set(err, STATUS_BAD_INPUT, "%s: is %s", file_name(file), refused[i].reason);
    if (ok) *out = classify(&head);
    const char *reason = ok && may_be_another(*out) ? recognise(&head) : NULL;
    if (reason) ok = error_set(err, STATUS_BAD_INPUT, "%s: is %s", file_name(file), reason);
    mem_free(bytes);
    return ok;
}
