/* memory -- checked, zeroed, aligned allocation. */
#include <inttypes.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "memory.h"
#include "weft/base/error.h"
#include "weft/base/fault.h"
#include "weft/base/memory.h"
#include "weft/base/size.h"

enum { ALIGNMENT = 64 }; /* a cache line, and the widest vector */

void memory_size_text(uint64_t bytes, char out[MEMORY_SIZE_TEXT]) {
    static const char *const units[] = {"bytes", "KiB", "MiB", "GiB", "TiB", "PiB", "EiB"};
    double value = (double)bytes;
    size_t unit = 0;
    while (value >= 1024 && unit + 1 < sizeof units / sizeof *units) value /= 1024, unit++;
    snprintf(out, MEMORY_SIZE_TEXT, unit == 0 ? "%.0f %s" : "%.1f %s", value, units[unit]);
}

static _Atomic uint64_t refusals;

uint64_t mem_refusals(void) {
    return atomic_load(&refusals);
}

static void out_of_memory(uint64_t bytes, Error *err) {
    char text[MEMORY_SIZE_TEXT];
    memory_size_text(bytes, text);
    atomic_fetch_add(&refusals, 1);
    error_set(err, STATUS_LIMIT, "out of memory (%s requested)", text);
}

bool mem_part_allowed(uint64_t bytes, Error *err) {
    const bool allowed = !fault_hit(FAULT_ALLOC);
    if (!allowed) out_of_memory(bytes, err);
    return allowed;
}

void *mem_alloc(uint64_t count, size_t size, Error *err) {
    uint64_t bytes;
    void *memory = NULL;
    if (!size_mul(count, size, &bytes) || bytes > PTRDIFF_MAX) {
        error_set(err, STATUS_LIMIT, "%" PRIu64 " objects of %zu bytes do not fit into memory", count, size);
        return NULL;
    }
    if (fault_hit(FAULT_ALLOC) || posix_memalign(&memory, ALIGNMENT, bytes > 0 ? bytes : 1) != 0) {
        out_of_memory(bytes, err);
        return NULL;
    }
    return memset(memory, 0, bytes);
}

void mem_free(void *memory) {
    free(memory);
}

bool mem_grow(void *array_address, size_t *capacity, uint64_t need, size_t size, Error *err) {
    if (need <= *capacity) return true;
    uint64_t room = *capacity + *capacity / 2;
    if (room < need) room = need;
    if (room < 8) room = 8;
    void *grown = mem_alloc(room, size, err), *old;
    if (!grown) return false;
    memcpy(&old, array_address, sizeof old);
    if (old) memcpy(grown, old, *capacity * size);
    mem_free(old);
    memcpy(array_address, &grown, sizeof grown);
    *capacity = (size_t)room;
    return true;
}

char *mem_copy_text(const char *text, Error *err) {
    return mem_copy_bytes(text, strlen(text), err);
}

char *mem_copy_bytes(const void *bytes, size_t length, Error *err) {
    char *copy = mem_alloc((uint64_t)length + 1, 1, err);
    if (copy && length > 0) memcpy(copy, bytes, length);
    return copy;
}

bool size_product(const uint64_t *dim, unsigned rank, uint64_t *out) {
    uint64_t product = 1;
    bool empty = false;
    for (unsigned i = 0; i < rank; i++) {
        if (dim[i] == 0) {
            empty = true;
        } else if (!size_mul(product, dim[i], &product)) {
            return false;
        }
    }
    *out = empty ? 0 : product;
    return true;
}
