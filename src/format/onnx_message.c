/* onnx_message -- texts, lists and messages of an ONNX file, in blocks whose sum has a cap. */
#include <string.h>

#include "format/onnx_reader.h"
#include "weft/base/error.h"
#include "weft/base/memory.h"
#include "weft/base/text.h"

struct OnnxBlock {
    struct OnnxBlock *next;
    size_t used, size;
    _Alignas(8) char bytes[];
};

enum { BLOCK_SIZE = 65536 - sizeof(struct OnnxBlock) };

void *onnx_room(OnnxReader *reader, uint64_t count, size_t size, Error *err) {
    struct OnnxBlock *block = reader->blocks;
    if (count > (CAP_ONNX_GRAPH - reader->taken) / size) {
        error_set(err, STATUS_LIMIT, "the graph needs more than %d MiB", CAP_ONNX_GRAPH >> 20);
        return NULL;
    }
    const uint64_t bytes = (count * size + 7) & ~(uint64_t)7; /* the cap is a multiple of 8 */
    if (!mem_part_allowed(bytes, err)) return NULL;
    if (!block || bytes > block->size - block->used) {
        const size_t room = bytes > BLOCK_SIZE ? (size_t)bytes : BLOCK_SIZE;
        block = mem_alloc(1, sizeof *block + room, err);
        if (!block) return NULL;
        *block = (struct OnnxBlock){.next = reader->blocks, .size = room};
        reader->blocks = block;
    }
    reader->taken += bytes;
    block->used += (size_t)bytes;
    return block->bytes + block->used - bytes;
}

void onnx_free_room(OnnxReader *reader) {
    for (struct OnnxBlock *block = reader->blocks, *next; block; block = next) {
        next = block->next;
        mem_free(block);
    }
    reader->blocks = NULL;
}

bool onnx_bytes(OnnxReader *reader, const ProtoField *field, const char *what, const char **out, bool *text_too,
                Error *err) {
    if (!proto_is(field, PROTO_BYTES, what, err)) return false;
    if (field->length > CAP_ONNX_TEXT)
        return error_set(err, STATUS_LIMIT, "%s has %llu bytes, limit %d", what, (unsigned long long)field->length,
                         CAP_ONNX_TEXT);
    char *text = onnx_room(reader, field->length + 1, 1, err);
    if (!text || !proto_read(&reader->source, field, text, err)) return false;
    text[field->length] = '\0';
    *out = text;
    *text_too = !memchr(text, '\0', field->length) && text_valid_utf8(text, field->length);
    return true;
}

bool onnx_text(OnnxReader *reader, const ProtoField *field, const char *what, const char **out, Error *err) {
    bool text;
    if (!onnx_bytes(reader, field, what, out, &text, err)) return false;
    return text || error_set(err, STATUS_BAD_INPUT, "%s \"%.80s\" is not UTF-8 text", what, *out);
}

Proto onnx_message(OnnxReader *reader, const ProtoField *field) {
    return proto_message(&reader->source, field->at, field->length);
}

bool onnx_count_fields(Proto message, uint64_t *counts, Error *err) {
    bool more = true;
    ProtoField field;
    memset(counts, 0, ONNX_FIELDS * sizeof *counts);
    while (proto_next(&message, &field, &more, err)) {
        if (!more) return true;
        if (field.number < ONNX_FIELDS) counts[field.number]++;
    }
    return false;
}

bool onnx_changed(Error *err) {
    return error_set(err, STATUS_BAD_INPUT, "file changed while reading");
}

bool onnx_next_counted(Proto *message, uint64_t *counts, ProtoField *field, bool *more, Error *err) {
    if (!proto_next(message, field, more, err)) return false;
    return !*more || field->number >= ONNX_FIELDS || counts[field->number]-- > 0 || onnx_changed(err);
}

/* All integers of a field: the first `room` go to `list`, *count says how many there are. */
static bool take_integers(OnnxReader *reader, Proto message, uint32_t number, int64_t *list, uint64_t room,
                          uint64_t *count, Error *err) {
    ProtoField field;
    bool more;
    *count = 0;
    for (;;) {
        if (!proto_next(&message, &field, &more, err)) return false;
        if (!more) return true;
        if (field.number != number) continue;
        bool one = field.wire != PROTO_BYTES;
        if (one && !proto_is(&field, PROTO_VARINT, "a list of integers", err)) return false;
        for (Proto packed = onnx_message(reader, &field); one || packed.at < packed.end; one = false, ++*count) {
            uint64_t value = field.value;
            if (!one && !proto_varint(&packed, &value, err)) return false;
            if (*count < room) list[*count] = (int64_t)value;
        }
    }
}

bool onnx_integers(OnnxReader *reader, Proto message, uint32_t number, const int64_t **out, size_t *count, Error *err) {
    uint64_t total, again;
    if (!take_integers(reader, message, number, NULL, 0, &total, err)) return false;
    int64_t *list = onnx_room(reader, total, sizeof *list, err);
    if (!list || !take_integers(reader, message, number, list, total, &again, err)) return false;
    *out = list;
    *count = (size_t)total;
    return again == total || onnx_changed(err);
}
