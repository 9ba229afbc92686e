/* json_text -- see weft/base/json_text.h. */
#include <jansson.h>

#include "weft/base/error.h"
#include "weft/base/json_text.h"
#include "weft/base/memory.h"

static int add(const char *bytes, size_t length, void *context) {
    Str *out = context;
    str_add_bytes(out, bytes, length);
    return out->failed ? -1 : 0;
}

bool str_add_json(Str *out, const json_t *json, size_t flags) {
    return json && json_dump_callback(json, add, out, flags) == 0 && !out->failed;
}

bool json_room(size_t length, Error *err) {
    enum { EACH = 16, LEAST = 4096 }; /* bytes that a byte of text becomes; of the library's buffers */
    void *room = mem_alloc(length + LEAST / EACH, EACH, err);
    mem_free(room);
    return room != NULL;
}
