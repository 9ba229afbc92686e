/* io -- the thin layer over system calls. */
#include "io.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

#include "weft/base/fault.h"

static bool refused(FaultKind kind, int error) {
    if (!fault_hit(kind)) return false;
    errno = error;
    return true;
}

/* A signal before the call has done anything. */
static bool interrupted(void) {
    return refused(FAULT_INTERRUPTED, EINTR);
}

static size_t part(size_t length) {
    return length > 1 && fault_hit(FAULT_SHORT) ? length / 2 : length;
}

void (*io_recorder)(const IoEvent *event);

/* Tells the recorder, where there is one, of what succeeded. */
#define RECORD(succeeded, ...)                                                \
    do {                                                                      \
        if (io_recorder && (succeeded)) io_recorder(&(IoEvent){__VA_ARGS__}); \
    } while (0)

int io_open(int folder, const char *path, int flags, mode_t mode) {
    if (refused(FAULT_OPEN, EMFILE)) return -1;
    int fd;
    do fd = interrupted() ? -1 : openat(folder, path, flags, mode);
    while (fd < 0 && errno == EINTR);
    RECORD(fd >= 0, .kind = IO_OPEN, .fd = fd, .folder = folder, .path = path, .flags = flags);
    return fd;
}

ssize_t io_pread(int fd, void *out, size_t length, off_t offset) {
    if (refused(FAULT_READ, EIO)) return -1;
    ssize_t got;
    do got = interrupted() ? -1 : pread(fd, out, part(length), offset);
    while (got < 0 && errno == EINTR);
    return got;
}

ssize_t io_write(int fd, const void *bytes, size_t length) {
    if (refused(FAULT_WRITE, ENOSPC)) return -1;
    ssize_t put;
    do put = interrupted() ? -1 : write(fd, bytes, part(length));
    while (put < 0 && errno == EINTR);
    RECORD(put > 0, .kind = IO_WRITE, .fd = fd, .where = lseek(fd, 0, SEEK_CUR) - put, .bytes = bytes,
           .length = (size_t)put);
    return put;
}

int io_fsync(int fd) {
    if (refused(FAULT_FSYNC, EIO)) return -1;
    int result;
    do result = interrupted() ? -1 : fsync(fd);
    while (result < 0 && errno == EINTR);
    RECORD(result == 0, .kind = IO_FSYNC, .fd = fd);
    return result;
}

int io_close(int fd) {
    bool refuse = fault_hit(FAULT_CLOSE);
    int result = close(fd), error = errno;
    RECORD(true, .kind = IO_CLOSE, .fd = fd);
    if (refuse) {
        errno = EIO;
        return -1;
    }
    errno = error;
    return result < 0 && errno == EINTR ? 0 : result; /* Linux has closed it by then */
}

static int rename_in(int folder, const char *from, const char *to, bool replace) {
    if (replace) return renameat(folder, from, folder, to);
    if (renameat2(folder, from, folder, to, RENAME_NOREPLACE) == 0) return 0;
    if (errno != EINVAL && errno != ENOSYS) return -1;
    /* A file system that knows no RENAME_NOREPLACE: a link never replaces either. */
    if (linkat(folder, from, folder, to, 0) != 0) return -1;
    unlinkat(folder, from, 0);
    return 0;
}

int io_rename(int folder, const char *from, const char *to, bool replace) {
    if (refused(FAULT_RENAME, EIO)) return -1;
    int result = rename_in(folder, from, to, replace);
    RECORD(result == 0, .kind = IO_RENAME, .fd = -1, .folder = folder, .path = from, .to = to);
    return result;
}

int io_mkdir(const char *path, mode_t mode) {
    if (refused(FAULT_OPEN, ENOSPC)) return -1;
    int result = mkdir(path, mode);
    RECORD(result == 0, .kind = IO_MKDIR, .fd = -1, .folder = AT_FDCWD, .path = path);
    return result;
}

int io_lock(int fd, int operation) {
    if (refused(FAULT_OPEN, ENOLCK)) return -1;
    int result;
    do result = interrupted() ? -1 : flock(fd, operation);
    while (result < 0 && errno == EINTR);
    return result;
}

int io_truncate(int fd, off_t length) {
    if (refused(FAULT_WRITE, EIO)) return -1;
    int result;
    do result = interrupted() ? -1 : ftruncate(fd, length);
    while (result < 0 && errno == EINTR);
    RECORD(result == 0, .kind = IO_TRUNCATE, .fd = fd, .where = length);
    return result;
}

int io_remove(const char *path) {
    if (refused(FAULT_RENAME, EIO)) return -1;
    int result = unlink(path);
    RECORD(result == 0, .kind = IO_REMOVE, .fd = -1, .folder = AT_FDCWD, .path = path);
    return result;
}
