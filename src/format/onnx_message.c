/* onnx_message -- texts, lists and messages of an ONNX file, in blocks whose sum has a cap. */
#include <string.h>

#include "format/onnx_reader.h"
#include "weft/base/error.h"
#include "weft/base/memory.h"
#include "weft/base/size.h"
#include "weft/base/text.h"

struct OnnxBlock {
    struct OnnxBlock *next;
    size_t used, size;
    _Alignas(8) char bytes[];
};

enum { BLOCK_SIZE = 65536 - sizeof(struct OnnxBlock) };

void *onnx_room(OnnxReader *reader, uint64_t count, size_t size, Error *err) {
    struct OnnxBlock *block = reader->blocks;
    uint64_t bytes;
    if (!size_mul(count, size, &bytes) || bytes > CAP_ONNX_GRAPH || reader->taken + bytes > CAP_ONNX_GRAPH) {
        error_set(err, STATUS_LIMIT, "the graph needs more than %d MiB", CAP_ONNX_GRAPH >> 20);
        return NULL;
    }
    bytes = (bytes + 7) & ~(uint64_t)7;
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

bool onnx_text(OnnxReader *reader, const ProtoField *field, const char *what, const char **out, Error *err) {
    if (!proto_is(field, PROTO_BYTES, what, err)) return false;
    if (field->length > CAP_ONNX_TEXT)
        return error_set(err, STATUS_LIMIT, "%s has %llu bytes, limit %d", what, (unsigned long long)field->length,
                         CAP_ONNX_TEXT);
    char *text = onnx_room(reader, field->length + 1, 1, err);
    if (!text || !proto_read(&reader->source, field, text, err)) return false;
    text[field->length] = '\0';
    *out = text;
    if (!memchr(text, '\0', field->length) && text_valid_utf8(text, field->length)) return true;
    return error_set(err, STATUS_BAD_INPUT, "%s \"%.80s\" is not UTF-8 text", what, text);
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

bool onnx_integers(OnnxReader *reader, Proto message, uint32_t number, const int64_t **out, size_t *count, Error *err) {
    uint64_t total = 0, some, value;
    ProtoField field;
    bool more;
    for (Proto look = message;;) {
        if (!proto_next(&look, &field, &more, err)) return false;
        if (!more) break;
        if (field.number != number) continue;
        some = 1;
        if (field.wire == PROTO_BYTES ? !proto_count_varints(&reader->source, &field, &some, err)
                                      : !proto_is(&field, PROTO_VARINT, "a list of integers", err))
            return false;
        total += some;
    }
    int64_t *list = onnx_room(reader, total, sizeof *list, err);
    if (!list) return false;
    for (size_t i = 0; i < total;) {
        if (!proto_next(&message, &field, &more, err)) return false;
        if (field.number != number) continue;
        if (field.wire == PROTO_VARINT) list[i++] = (int64_t)field.value;
        Proto packed = onnx_message(reader, &field);
        while (field.wire == PROTO_BYTES && packed.at < packed.end) {
            if (!proto_varint(&packed, &value, err)) return false;
            list[i++] = (int64_t)value;
        }
    }
    *out = list;
    *count = (size_t)total;
    return true;
}
