/* protobuf -- a strict pull reader of the wire format, and a writer. */
#include "format/protobuf.h"

#include <string.h>

#include "format/bytes.h"
#include "weft/base/error.h"
#include "weft/base/file.h"
#include "weft/base/text.h"

bool proto_fail(uint64_t at, Error *err, const char *what) {
    return error_set(err, STATUS_BAD_INPUT, "protobuf: %s at byte %llu", what, (unsigned long long)at);
}

Proto proto_message(ProtoSource *source, uint64_t at, uint64_t length) {
    return (Proto){.source = source, .at = at, .end = at + length};
}

/* Makes the window begin at `at`, unless it holds that byte already. */
static bool look(ProtoSource *source, uint64_t at, Error *err) {
    if (at >= source->at && at - source->at < source->length) return true;
    const uint64_t rest = file_size(source->file) - at;
    const size_t length = rest < PROTO_WINDOW ? (size_t)rest : PROTO_WINDOW;
    source->length = 0;
    if (!file_read(source->file, at, source->window, length, err)) return false;
    source->at = at;
    source->length = length;
    return true;
}

static bool get_bytes(Proto *proto, size_t count, uint8_t *out, Error *err) {
    if (proto->end - proto->at < count)
        return proto_fail(proto->at, err, "a number extends beyond the end of its message");
    for (size_t i = 0; i < count; i++, proto->at++) {
        if (!look(proto->source, proto->at, err)) return false;
        out[i] = proto->source->window[proto->at - proto->source->at];
    }
    return true;
}

bool proto_varint(Proto *proto, uint64_t *value, Error *err) {
    *value = 0;
    for (unsigned shift = 0;; shift += 7) { /* the tenth byte is the last */
        uint8_t byte;
        if (!get_bytes(proto, 1, &byte, err)) return false;
        if (shift == 63 && byte > 1) break;
        *value |= (uint64_t)(byte & 0x7F) << shift;
        if (byte < 0x80) return true;
    }
    return proto_fail(proto->at, err, "a number of more than 64 bits");
}

bool proto_next(Proto *proto, ProtoField *field, bool *more, Error *err) {
    const uint64_t begin = proto->at;
    uint64_t tag;
    uint8_t bytes[8];
    *more = proto->at < proto->end;
    if (!*more) return true;
    if (!proto_varint(proto, &tag, err)) return false;
    if (tag >> 3 == 0 || tag >> 3 > UINT32_MAX >> 3) return proto_fail(begin, err, "a field number out of range");
    *field = (ProtoField){.number = (uint32_t)(tag >> 3), .wire = (ProtoWire)(tag & 7)};
    switch ((unsigned)(tag & 7)) {
    case PROTO_VARINT:
        return proto_varint(proto, &field->value, err);
    case PROTO_FIXED64:
        if (!get_bytes(proto, 8, bytes, err)) return false;
        field->value = get_le64(bytes);
        return true;
    case PROTO_FIXED32:
        if (!get_bytes(proto, 4, bytes, err)) return false;
        field->value = get_le32(bytes);
        return true;
    case PROTO_BYTES:
        if (!proto_varint(proto, &field->length, err)) return false;
        field->at = proto->at;
        if (field->length > proto->end - proto->at)
            return error_set(err, STATUS_BAD_INPUT,
                             "protobuf: field %u at byte %llu has %llu bytes, its message only %llu more",
                             field->number, (unsigned long long)begin, (unsigned long long)field->length,
                             (unsigned long long)(proto->end - proto->at));
        proto->at += field->length;
        return true;
    default:
        return proto_fail(begin, err, "a group, or a wire type that does not exist,");
    }
}

bool proto_is(const ProtoField *field, ProtoWire wire, const char *what, Error *err) {
    return field->wire == wire || error_set(err, STATUS_BAD_INPUT, "protobuf: %s (field %u) has wire type %u, not %u",
                                            what, field->number, (unsigned)field->wire, (unsigned)wire);
}

bool proto_count_varints(ProtoSource *source, const ProtoField *field, uint64_t *count, Error *err) {
    Proto packed = proto_message(source, field->at, field->length);
    *count = 0;
    for (uint64_t value; packed.at < packed.end; ++*count)
        if (!proto_varint(&packed, &value, err)) return false;
    return true;
}

bool proto_read(ProtoSource *source, const ProtoField *field, void *out, Error *err) {
    if (field->length == 0) return true;
    if (field->at < source->at || field->at + field->length > source->at + source->length)
        return file_read(source->file, field->at, out, field->length, err);
    memcpy(out, source->window + (field->at - source->at), field->length);
    return true;
}

/* ---- writing ----------------------------------------------------------------------------------------------------- */

void proto_put_varint(Str *out, uint64_t value) {
    char bytes[10];
    size_t length = 0;
    for (; value >= 0x80; value >>= 7) bytes[length++] = (char)(value | 0x80);
    bytes[length++] = (char)value;
    str_add_bytes(out, bytes, length);
}

static void put_tag(Str *out, uint32_t number, ProtoWire wire) {
    proto_put_varint(out, (uint64_t)number << 3 | wire);
}

void proto_put_integer(Str *out, uint32_t number, int64_t value) {
    put_tag(out, number, PROTO_VARINT);
    proto_put_varint(out, (uint64_t)value);
}

void proto_put_float(Str *out, uint32_t number, float value) {
    uint32_t bits;
    uint8_t bytes[4];
    memcpy(&bits, &value, sizeof bits);
    put_le32(bytes, bits);
    put_tag(out, number, PROTO_FIXED32);
    str_add_bytes(out, (const char *)bytes, sizeof bytes);
}

void proto_put_head(Str *out, uint32_t number, uint64_t length) {
    put_tag(out, number, PROTO_BYTES);
    proto_put_varint(out, length);
}

void proto_put_bytes(Str *out, uint32_t number, const char *bytes, size_t length) {
    proto_put_head(out, number, length);
    str_add_bytes(out, bytes, length);
}

void proto_put_text(Str *out, uint32_t number, const char *text) {
    proto_put_bytes(out, number, text, strlen(text));
}

void proto_put_message(Str *out, uint32_t number, Str *message) {
    out->failed |= message->failed;
    proto_put_bytes(out, number, str_text(message), message->length);
    str_done(message);
    *message = (Str){0};
}

void proto_put_integers(Str *out, uint32_t number, const int64_t *values, size_t count) {
    Str packed = {0};
    for (size_t i = 0; i < count; i++) proto_put_varint(&packed, (uint64_t)values[i]);
    proto_put_message(out, number, &packed);
}
