/* onnx_reader -- what the files of the ONNX reader share. Private to src/format. */
#ifndef WEFT_FORMAT_ONNX_READER_H
#define WEFT_FORMAT_ONNX_READER_H

#include "format/checkpoint.h"
#include "format/protobuf.h"
#include "weft/base/error.h"
#include "weft/base/file.h"
#include "weft/format/onnx.h"

enum {
    CAP_ONNX_GRAPH = 48 << 20, /* bytes of texts and lists */
    CAP_ONNX_ITEMS = 100000,   /* nodes; initialisers */
    CAP_ONNX_TEXT = 16 << 20,  /* bytes of one text: weft's lineage may be long */
    CAP_ONNX_EXTERNAL = 1000,  /* files */
    ONNX_FIELDS = 32,          /* of any message here */
};

typedef struct OnnxExternal {
    const char *location;
    File *file;
} OnnxExternal;

typedef struct OnnxReader {
    ProtoSource source;
    OnnxModel model;
    struct OnnxBlock *blocks;
    uint64_t taken; /* of CAP_ONNX_GRAPH */
    OnnxExternal *external;
    size_t external_count, external_capacity;
    const OnnxTensor **listed; /* of each tensor of the checkpoint */
    size_t listed_capacity;
} OnnxReader;

/* Zeroed memory that lives until onnx_free_room. */
void *onnx_room(OnnxReader *reader, uint64_t count, size_t size, Error *err);
void onnx_free_room(OnnxReader *reader);
/* The bytes of a field, a NUL behind them; *text_too: they are UTF-8 without a NUL. */
bool onnx_bytes(OnnxReader *reader, const ProtoField *field, const char *what, const char **out, bool *text_too,
                Error *err);
bool onnx_text(OnnxReader *reader, const ProtoField *field, const char *what, const char **out, Error *err);
Proto onnx_message(OnnxReader *reader, const ProtoField *field);
/* How often each field below ONNX_FIELDS comes. */
bool onnx_count_fields(Proto message, uint64_t *counts, Error *err);
/* proto_next for what was counted: no field below ONNX_FIELDS comes more often, though the file may change meanwhile.
 */
bool onnx_next_counted(Proto *message, uint64_t *counts, ProtoField *field, bool *more, Error *err);
bool onnx_changed(Error *err); /* "file changed while reading"; always false */
/* All integers of the repeated field `number`, packed or not. */
bool onnx_integers(OnnxReader *reader, Proto message, uint32_t number, const int64_t **out, size_t *count, Error *err);

bool onnx_read_tensor_message(OnnxReader *reader, Proto message, OnnxTensor *out, Error *err);
bool onnx_read_listed(Checkpoint *checkpoint, size_t index, void *out, Error *err);

#endif
