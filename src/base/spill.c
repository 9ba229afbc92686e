/* spill -- new weights that have no room in memory, in a temporary file that nobody sees: it has no name, so it is gone
 * when the process is, however that ends.
 */
#include "spill.h"

#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "io.h"
#include "weft/base/error.h"
#include "weft/base/memory.h"
#include "weft/base/tensor.h"

static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER; /* guards what follows */
static int spill_fd = -1;
static uint64_t spill_end;    /* bytes given out */
static unsigned spill_owners; /* tensors in the file; it is closed with the last one */
static const char *spill_folder;

typedef struct SpillSource {
    TensorSource source;
    uint64_t offset, bytes;
} SpillSource;

/* Where file systems know no files without a name, it loses its name at once. */
static int open_in(const char *folder) {
    char path[4096];
    int fd = io_open(AT_FDCWD, folder, O_TMPFILE | O_RDWR | O_CLOEXEC, 0600);
    if (fd >= 0) return fd;
    if (snprintf(path, sizeof path, "%s/.weft-%ld", folder, (long)getpid()) >= (int)sizeof path) return -1;
    fd = io_open(AT_FDCWD, path, O_CREAT | O_EXCL | O_RDWR | O_CLOEXEC, 0600);
    if (fd >= 0) io_discard(AT_FDCWD, path, false);
    return fd;
}

/* Under the lock. The user's folder for temporary files, else one on a disk (/tmp may be memory), else this one. */
static bool open_spill(Error *err) {
    const char *const folders[] = {getenv("TMPDIR"), "/var/tmp", "."};
    if (spill_fd >= 0) return true;
    for (size_t i = 0; i < sizeof folders / sizeof *folders && spill_fd < 0; i++) {
        if (!folders[i] || !*folders[i]) continue;
        spill_folder = folders[i];
        spill_fd = open_in(folders[i]);
    }
    spill_end = 0;
    return spill_fd >= 0 ||
           error_set(err, STATUS_WRITE, "no temporary file for new weights: %s (set TMPDIR)", strerror(errno));
}

static void leave_spill(uint64_t offset, uint64_t bytes) {
    pthread_mutex_lock(&lock);
    if (--spill_owners == 0) {
        io_close(spill_fd);
        spill_fd = -1;
    } else if (bytes > 0) {
        (void)!fallocate(spill_fd, FALLOC_FL_PUNCH_HOLE | FALLOC_FL_KEEP_SIZE, (off_t)offset, (off_t)bytes);
    }
    pthread_mutex_unlock(&lock);
}

static bool write_at(const void *bytes, uint64_t length, uint64_t offset, Error *err) {
    for (uint64_t done = 0; done < length;) {
        const ssize_t put = io_pwrite(spill_fd, (const char *)bytes + done, length - done, (off_t)(offset + done));
        if (put <= 0)
            return error_set(err, STATUS_WRITE, "temporary file in %s: %s (set TMPDIR)", spill_folder,
                             put == 0 ? strerror(ENOSPC) : strerror(errno));
        done += (uint64_t)put;
    }
    return true;
}

static bool read_spilled(TensorSource *source, uint64_t first, uint64_t count, float *out, Error *err) {
    const SpillSource *self = (const SpillSource *)source;
    const uint64_t length = count * sizeof *out, offset = self->offset + first * sizeof *out;
    for (uint64_t done = 0; done < length;) {
        const ssize_t got = io_pread(spill_fd, (char *)out + done, length - done, (off_t)(offset + done));
        if (got <= 0)
            return error_set(err, STATUS_FAILED, "temporary file in %s: %s", spill_folder,
                             got == 0 ? "cut short" : strerror(errno));
        done += (uint64_t)got;
    }
    return true;
}

static void free_spilled(TensorSource *source) {
    const SpillSource *self = (const SpillSource *)source;
    leave_spill(self->offset, self->bytes);
    mem_free(source);
}

TensorSource *spill_write(const float *values, uint64_t count, Error *err) {
    SpillSource *self = mem_alloc(1, sizeof *self, err);
    if (!self) return NULL;
    *self = (SpillSource){{read_spilled, free_spilled, false}, 0, count * sizeof *values};
    pthread_mutex_lock(&lock);
    const bool open = open_spill(err);
    if (open) {
        self->offset = spill_end;
        spill_end += self->bytes;
        spill_owners++;
    }
    pthread_mutex_unlock(&lock);
    if (open && write_at(values, self->bytes, self->offset, err)) return &self->source;
    if (open) leave_spill(self->offset, self->bytes);
    mem_free(self);
    return NULL;
}
