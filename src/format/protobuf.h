/* protobuf -- a strict pull reader of protobuf's wire format over a File, and a writer into a Str. Private to
 * src/format.
 *
 *   message: fields, each a varint (number << 3 | wire), then
 *     wire 0: a varint | 1: 8 bytes | 2: a varint length and as many bytes (text, a message, packed numbers) | 5: 4
 * bytes
 *
 * No tree, no recursion, no allocation: a message is a range of the file, its fields come one after the other, and a
 * field's bytes stay in the file until somebody asks for them, so that a model of gigabytes costs one window. Refused:
 * numbers of more than 64 bits, lengths over the end of their message, field number 0, groups (wires 3 and 4).
 */
#ifndef WEFT_FORMAT_PROTOBUF_H
#define WEFT_FORMAT_PROTOBUF_H

#include "weft/base/error.h"
#include "weft/base/file.h"
#include "weft/base/text.h"

enum { PROTO_WINDOW = 32768 };

/* A file and the part of it that was read last. From {.file = file}. */
typedef struct ProtoSource {
    const File *file;
    uint64_t at; /* of the window in the file */
    size_t length;
    uint8_t window[PROTO_WINDOW];
} ProtoSource;

typedef enum ProtoWire { PROTO_VARINT = 0, PROTO_FIXED64 = 1, PROTO_BYTES = 2, PROTO_FIXED32 = 5 } ProtoWire;

/* A message, or the rest of one. */
typedef struct Proto {
    ProtoSource *source;
    uint64_t at, end;
} Proto;

typedef struct ProtoField {
    uint32_t number;
    ProtoWire wire;
    uint64_t value;      /* of a number, as stored */
    uint64_t at, length; /* of PROTO_BYTES: where they are in the file */
} ProtoField;

bool proto_fail(uint64_t at, Error *err, const char *what); /* "protobuf: WHAT at byte N"; always false */

Proto proto_message(ProtoSource *source, uint64_t at, uint64_t length);
/* The next field; *more is false at the message's end. */
bool proto_next(Proto *proto, ProtoField *field, bool *more, Error *err);
/* The field as the number, text or message that the schema requires; otherwise STATUS_BAD_INPUT, naming `what`. */
bool proto_is(const ProtoField *field, ProtoWire wire, const char *what, Error *err);
bool proto_varint(Proto *proto, uint64_t *value, Error *err); /* one of packed ones */
/* How many varints the bytes are. */
bool proto_count_varints(ProtoSource *source, const ProtoField *field, uint64_t *count, Error *err);
/* The field's bytes (the caller has room for field->length). */
bool proto_read(ProtoSource *source, const ProtoField *field, void *out, Error *err);

/* ---- writing ----------------------------------------------------------------------------------------------------- */

void proto_put_varint(Str *out, uint64_t value);
void proto_put_integer(Str *out, uint32_t number, int64_t value); /* an int32, int64 or enum */
void proto_put_float(Str *out, uint32_t number, float value);
void proto_put_head(Str *out, uint32_t number, uint64_t length); /* of a field of `length` bytes, which follow */
void proto_put_bytes(Str *out, uint32_t number, const char *bytes, size_t length);
void proto_put_text(Str *out, uint32_t number, const char *text);
void proto_put_message(Str *out, uint32_t number, Str *message); /* empties `message`; a failure of it sticks in out */
void proto_put_integers(Str *out, uint32_t number, const int64_t *values, size_t count); /* packed */

#endif
