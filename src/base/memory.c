/* memory -- checked, zeroed, aligned allocation, and the budget that one load may use. */

#include <fcntl.h>
#include <inttypes.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "memory.h"
#include "weft/base/error.h"
#include "weft/base/fault.h"
#include "weft/base/memory.h"
#include "weft/base/size.h"
#include "weft/base/text.h"

enum { ALIGNMENT = 64 }; /* a cache line, and the widest vector */

void memory_size_text(uint64_t bytes, char out[MEMORY_SIZE_TEXT]) {
    static const char *const units[] = {"bytes", "KiB", "MiB", "GiB", "TiB", "PiB", "EiB"};
    double value = (double)bytes;
    size_t unit = 0;
    while (value >= 1024 && unit + 1 < sizeof units / sizeof *units) value /= 1024, unit++;
    snprintf(out, MEMORY_SIZE_TEXT, unit == 0 ? "%.0f %s" : "%.1f %s", value, units[unit]);
}

void *mem_alloc(uint64_t count, size_t size, Error *err) {
    uint64_t bytes;
    void *memory = NULL;
    if (!size_mul(count, size, &bytes) || bytes > PTRDIFF_MAX) {
        error_set(err, STATUS_LIMIT, "%" PRIu64 " objects of %zu bytes are more than memory can hold", count, size);
        return NULL;
    }
    if (fault_hit(FAULT_ALLOC) || posix_memalign(&memory, ALIGNMENT, bytes > 0 ? bytes : 1) != 0) {
        char text[MEMORY_SIZE_TEXT];
        memory_size_text(bytes, text);
        error_set(err, STATUS_LIMIT, "out of memory (%s asked for)", text);
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

/* ---- the budget -------------------------------------------------------------------------------------------------- */

/* The first bytes of a file the kernel makes up (whose size reads 0), NUL-terminated. */
static bool read_kernel_file(const char *path, char *out, size_t size) {
    int fd = open(path, O_RDONLY | O_CLOEXEC);
    if (fd < 0) return false;
    ssize_t length = read(fd, out, size - 1);
    close(fd);
    if (length < 0) return false;
    out[length] = '\0';
    return true;
}

/* The least limit of the group `path` and of all groups above it, read from ROOT/GROUP/NAME; "max" is no limit. */
static uint64_t least_limit(const char *root, const char *path, const char *name) {
    char group[2048], file[4096], text[64];
    uint64_t least = UINT64_MAX;
    size_t length = strlen(path);
    if (length >= sizeof group) return least;
    memcpy(group, path, length + 1);
    for (;;) {
        int needed = snprintf(file, sizeof file, "%s%s/%s", root, group, name);
        if (needed > 0 && needed < (int)sizeof file && read_kernel_file(file, text, sizeof text)) {
            text[strcspn(text, "\n")] = '\0';
            uint64_t limit;
            if (text_to_u64(text, &limit) && limit < least) least = limit;
        }
        char *slash = strrchr(group, '/');
        if (!slash) return least;
        *slash = '\0';
    }
}

uint64_t memory_group_limit(const char *membership, const char *root) {
    char line[2048], v1_root[2048];
    uint64_t least = UINT64_MAX;
    int needed = snprintf(v1_root, sizeof v1_root, "%s/memory", root);
    if (needed < 0 || needed >= (int)sizeof v1_root) return least;
    for (const char *at = membership; *at;) {
        size_t length = strcspn(at, "\n");
        if (length < sizeof line) {
            memcpy(line, at, length);
            line[length] = '\0';
            char *controllers = strchr(line, ':'), *path = controllers ? strchr(controllers + 1, ':') : NULL;
            uint64_t limit = UINT64_MAX;
            if (path && path == controllers + 1) {
                limit = least_limit(root, path + 1, "memory.max");
            } else if (path && strncmp(controllers, ":memory:", 8) == 0) {
                limit = least_limit(v1_root, path + 1, "memory.limit_in_bytes");
            }
            if (limit < least) least = limit;
        }
        at += length + (at[length] == '\n');
    }
    return least;
}

static _Atomic uint64_t user_budget;

static uint64_t machine_budget(void) {
    long pages = sysconf(_SC_PHYS_PAGES), page = sysconf(_SC_PAGESIZE);
    uint64_t bytes = pages > 0 && page > 0 ? (uint64_t)pages * (uint64_t)page : UINT64_MAX;
    char membership[4096];
    if (read_kernel_file("/proc/self/cgroup", membership, sizeof membership)) {
        uint64_t limit = memory_group_limit(membership, "/sys/fs/cgroup");
        if (limit < bytes) bytes = limit;
    }
    return bytes - bytes / 4;
}

/* The kernel is asked once: a load of many small tensors asks for the budget for each. */
uint64_t mem_budget(void) {
    static _Atomic uint64_t of_machine;
    uint64_t bytes = atomic_load(&user_budget);
    if (bytes != 0) return bytes;
    bytes = atomic_load(&of_machine);
    if (bytes == 0) {
        bytes = machine_budget();
        atomic_store(&of_machine, bytes);
    }
    return bytes;
}

void mem_set_budget(uint64_t bytes) {
    atomic_store(&user_budget, bytes);
}

bool mem_admit(uint64_t bytes, const char *what, Error *err) {
    uint64_t budget = mem_budget();
    if (bytes <= budget) return true;
    char need[MEMORY_SIZE_TEXT], limit[MEMORY_SIZE_TEXT];
    memory_size_text(bytes, need);
    memory_size_text(budget, limit);
    return error_set(err, STATUS_LIMIT, "loading %s needs %s, limit %s (set --max-memory)", what, need, limit);
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
