/* sniff -- the beginning of a file, and the formats that weft knows but does not read. */
#include "format/sniff.h"

#include <string.h>
#include <strings.h>

#include "weft/base/error.h"
#include "weft/base/file.h"
#include "weft/base/memory.h"
#include "weft/base/text.h"

enum { SNIFF_SIZE = 65536 };

bool head_read(const File *file, Head *out, Error *err) {
    Head head = {.file_size = file_size(file)};
    if (head.file_size == 0) return error_set(err, STATUS_BAD_INPUT, "%s: is empty", file_name(file));
    head.length = head.file_size < SNIFF_SIZE ? (size_t)head.file_size : SNIFF_SIZE;
    uint8_t *bytes = mem_alloc(head.length, 1, err);
    if (!bytes) return false;
    if (!file_read(file, 0, bytes, head.length, err)) {
        mem_free(bytes);
        return false;
    }
    head.bytes = bytes;
    *out = head;
    return true;
}

void head_done(Head *head) {
    mem_free((void *)head->bytes);
}

bool head_holds(const Head *head, size_t at, const char *magic, size_t length) {
    return head->length >= at + length && memcmp(head->bytes + at, magic, length) == 0;
}

/* Magics at one place. */
static const struct {
    size_t at, length;
    const char *magic, *reason;
} refused[] = {
    {0, 4, "GGUF", "a GGUF file; convert it to safetensors"},
    {0, 4, "lmgg", "a GGML file; convert it to safetensors"},
    {0, 4, "tjgg", "a GGML file; convert it to safetensors"},
    {0, 4, "fmgg", "a GGML file; convert it to safetensors"},
    {0, 8, "\211HDF\r\n\032\n", "an HDF5 file (Keras, MATLAB); convert it to safetensors or npz"},
    {0, 8, "PYTORCH1", "a PYTORCH1 file from a PyTorch before 1.0; save it again with a later version"},
    {0, 24, "version https://git-lfs.", "a git-LFS pointer, not the file itself; run git lfs pull"},
    {4, 4, "TFL3", "a TFLite file, which is meant for inference; convert the network it was made from"},
    {4, 4, "ET12", "an ExecuTorch program; save the state_dict of the network it was made from"},
    {0, 6, "MATLAB", "a MATLAB file; save its arrays as npz (scipy.io.loadmat, numpy.savez)"},
    {0, 16, "\4\0\0\0\1\0\0\0\3\0\0\0V 1\0", "a Torch7 file (Lua); convert it to safetensors or a PyTorch state_dict"},
    {0, 15, "\4\0\0\0\1\0\0\0\3\0\0\0V 1", "a Torch7 file (Lua); convert it to safetensors or a PyTorch state_dict"},
    {0, 4, "\050\265\057\375", "zstd-compressed data; decompress it (unzstd) and open its contents"},
    {0, 6, "\3757zXZ\0", "xz-compressed data; decompress it (unxz) and open its contents"},
    {0, 3, "BZh", "bzip2-compressed data; decompress it (bunzip2) and open its contents"},
    {0, 4, "\004\042\115\030", "lz4-compressed data (from joblib or elsewhere); decompress it and open its contents"},
    {0, 6, "7z\274\257\047\034", "a 7-Zip archive; extract it and open its contents"},
    {0, 4, "Rar!", "a RAR archive; extract it and open its contents"},
    {0, 4, "ftrt", "a TensorRT engine; convert the network it was made from"},
};

const char *head_refused(const Head *head) {
    for (size_t i = 0; i < sizeof refused / sizeof *refused; i++)
        if (head_holds(head, refused[i].at, refused[i].magic, refused[i].length)) return refused[i].reason;
    return NULL;
}

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

const char *head_recognised(const Head *head) {
    static const uint8_t table_magic[8] = {0x57, 0xfb, 0x80, 0x8b, 0x24, 0x75, 0x47, 0xdb};
    if (is_html(head)) return "an HTML page, not the file itself; the download returned a web page";
    if (head->length >= 2 && head->bytes[0] == 0x80 && head->bytes[1] >= 2 && head->bytes[1] <= 5 &&
        mentions(head, "joblib.numpy_pickle"))
        return "a joblib file; save a state_dict with torch.save, or arrays with numpy.savez";
    if (is_msgpack(head)) return "a msgpack file (Flax); save its arrays as safetensors (safetensors.flax.save_file)";
    if (is_zlib(head)) return "zlib-compressed data (from joblib or elsewhere); save it uncompressed";
    if (head->length == head->file_size && head->length > 48 &&
        memcmp(head->bytes + head->length - 8, table_magic, 8) == 0)
        return "the index of a TensorFlow checkpoint; save its variables as npz";
    return protobuf_kind(head);
}

static bool is_space(uint8_t byte) {
    return byte == ' ' || byte == '\t' || byte == '\n' || byte == '\r';
}

int head_first_visible(const Head *head, size_t at) {
    while (at < head->length && is_space(head->bytes[at])) at++;
    return at < head->length ? head->bytes[at] : -1;
}

bool head_is_text(const Head *head) {
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

bool head_is_pickle(const Head *head) {
    return head->length >= 2 && head->bytes[0] == 0x80 && head->bytes[1] >= 1 && head->bytes[1] <= 5;
}
