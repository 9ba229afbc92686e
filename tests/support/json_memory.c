/* json_memory -- the JSON library's memory that runs out with weft's own. */
#include "json_memory.h"
#include "weft/base/fault.h"

#include <jansson.h>
#include <stdlib.h>

static void *take(size_t size) {
    return fault_hit(FAULT_ALLOC) ? NULL : malloc(size);
}

void json_memory_counts(bool on) {
    json_set_alloc_funcs(on ? take : malloc, free);
}
