/* budget -- the memory that one load may use: the user's limit, or a part of what the machine has. */
#include <fcntl.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "memory.h"
#include "weft/base/error.h"
#include "weft/base/memory.h"
#include "weft/base/ranks.h"
#include "weft/base/text.h"

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
    return (bytes - bytes / 4) / ranks_here();
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

static bool too_much(uint64_t bytes, const char *doing, const char *what, Error *err) {
    char need[MEMORY_SIZE_TEXT], limit[MEMORY_SIZE_TEXT];
    memory_size_text(bytes, need);
    memory_size_text(mem_budget(), limit);
    return error_set(err, STATUS_LIMIT, "%s%s needs %s, limit %s (set --max-memory)", doing, what, need, limit);
}

bool mem_admit(uint64_t bytes, const char *what, Error *err) {
    return bytes <= mem_budget() || too_much(bytes, "loading ", what, err);
}

/* ---- a part of it for work --------------------------------------------------------------------------------------- */

uint64_t mem_keep_budget(void) {
    const uint64_t user = atomic_load(&user_budget);
    return user ? user : mem_budget() / 3; /* of three quarters */
}

static pthread_mutex_t work_lock = PTHREAD_MUTEX_INITIALIZER;
static pthread_cond_t work_ended = PTHREAD_COND_INITIALIZER;
static _Atomic uint64_t working;

uint64_t mem_working(void) {
    return atomic_load(&working);
}

bool mem_work_begin(uint64_t bytes, const char *what, Error *err) {
    if (bytes > mem_budget()) return too_much(bytes, "", what, err);
    const uint64_t budget = mem_keep_budget();
    pthread_mutex_lock(&work_lock);
    while (working > 0 && (bytes > budget || working > budget - bytes)) pthread_cond_wait(&work_ended, &work_lock);
    working += bytes;
    pthread_mutex_unlock(&work_lock);
    tensor_give_back();
    return true;
}

void mem_work_end(uint64_t bytes) {
    pthread_mutex_lock(&work_lock);
    working -= bytes;
    pthread_cond_broadcast(&work_ended);
    pthread_mutex_unlock(&work_lock);
}
