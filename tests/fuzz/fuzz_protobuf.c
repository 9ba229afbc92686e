/* fuzz_protobuf -- any bytes as a protobuf message: every field is within its message, and its bytes are there. */
#include "format/protobuf.h"
#include "fuzz.h"
#include "weft/base/error.h"
#include "weft/base/file.h"
#include "weft/base/memory.h"

#include <stdlib.h>

/* The fields of a message, and of the messages in it, one level down. */
static void walk(Proto message, bool enter) {
    Error err;
    ProtoField field;
    bool more = true;
    uint64_t count;
    while (proto_next(&message, &field, &more, &err) && more) {
        if (message.at > message.end) abort();
        if (field.wire != PROTO_BYTES) continue;
        if (field.at + field.length > message.end) abort();
        uint8_t *bytes = mem_alloc(field.length, 1, &err);
        if (bytes && !proto_read(message.source, &field, bytes, &err)) abort();
        mem_free(bytes);
        if (proto_count_varints(message.source, &field, &count, &err) && count > field.length) abort();
        if (enter) walk(proto_message(message.source, field.at, field.length), false);
    }
}

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t length) {
    static ProtoSource source;
    Error err;
    mem_set_budget(FUZZ_BUDGET);
    File *file = file_memory("/nowhere/input", bytes, length, &err);
    if (!file) return 0;
    source.file = file;
    source.length = 0;
    walk(proto_message(&source, 0, length), true);
    file_close(file);
    return 0;
}
