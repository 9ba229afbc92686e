/* io -- the thin layer over system calls. What changes a file passes the gate (gate.h) in every call. */
#include "io.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

#include "gate.h"
#include "weft/base/error.h"
#include "weft/base/fault.h"

static bool refused(FaultKind kind, int error) {
    gate_forget();
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

const char *io_reason(void) {
    const char *reason = gate_reason();
    return reason ? reason : strerror(errno);
}

Status io_status(void) {
    return gate_confines() ? STATUS_USAGE : STATUS_WRITE;
}

static int open_again(int folder, const char *path, int flags, mode_t mode) {
    int fd;
    do fd = interrupted() ? -1 : openat(folder, path, flags, mode);
    while (fd < 0 && errno == EINTR);
    return fd;
}

/* A plain file: asked for before it is opened, since opening a device can do something already, and once more of what
 * was opened. It is emptied only then. */
static int open_plain(int folder, const char *name, int flags, mode_t mode) {
    struct stat about;
    if (fstatat(folder, name, &about, AT_SYMLINK_NOFOLLOW) == 0 && !(flags & O_EXCL) && !gate_plain(&about)) return -1;
    const int fd = open_again(folder, name, (flags & ~O_TRUNC) | O_NOFOLLOW | O_NONBLOCK | O_NOCTTY, mode);
    if (fd < 0) return -1;
    if (fstat(fd, &about) == 0 && gate_plain(&about) && (!(flags & O_TRUNC) || ftruncate(fd, 0) == 0)) return fd;
    const int error = errno;
    close(fd);
    errno = error;
    return -1;
}

static int open_through(int folder, const char *path, int flags, mode_t mode, bool plain) {
    Gate gate;
    if (refused(FAULT_OPEN, EMFILE)) return -1;
    const bool writes = (flags & O_ACCMODE) != O_RDONLY || (flags & (O_CREAT | O_TRUNC));
    int fd = -1;
    if ((writes ? gate_enter : gate_reach)(folder, path, &gate)) {
        if (gate.held) flags |= O_NOFOLLOW;
        plain = plain || (writes && (gate.held || gate_closed()));
        fd = (plain ? open_plain : open_again)(gate.folder, gate.name, flags, mode);
        if (fd < 0) gate_blame_link(&gate);
        gate_leave(&gate);
    }
    RECORD(fd >= 0, .kind = IO_OPEN, .fd = fd, .folder = folder, .path = path, .flags = flags);
    return fd;
}

int io_open(int folder, const char *path, int flags, mode_t mode) {
    return open_through(folder, path, flags, mode, false);
}

int io_open_plain(int folder, const char *path, int flags, mode_t mode) {
    return open_through(folder, path, flags, mode, true);
}

bool io_may_write(int folder, const char *path) {
    Gate gate;
    gate_forget();
    if (!gate_enter(folder, path, &gate)) return false;
    gate_leave(&gate);
    return true;
}

int io_stat(int folder, const char *path, struct stat *about) {
    Gate gate;
    gate_forget();
    if (!gate_reach(folder, path, &gate)) return -1;
    const int result = fstatat(gate.folder, gate.name, about, gate.held ? AT_SYMLINK_NOFOLLOW : 0);
    gate_leave(&gate);
    return result;
}

ssize_t io_pread(int fd, void *out, size_t length, off_t offset) {
    if (refused(FAULT_READ, EIO)) return -1;
    ssize_t got;
    do got = interrupted() ? -1 : pread(fd, out, part(length), offset);
    while (got < 0 && errno == EINTR);
    if (fault_hit(FAULT_CHANGED))
        for (ssize_t i = 0; i < got; i++) ((unsigned char *)out)[i] &= 0x7f;
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

ssize_t io_pwrite(int fd, const void *bytes, size_t length, off_t offset) {
    if (refused(FAULT_WRITE, ENOSPC)) return -1;
    ssize_t put;
    do put = interrupted() ? -1 : pwrite(fd, bytes, part(length), offset);
    while (put < 0 && errno == EINTR);
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
    Gate gate, other;
    if (refused(FAULT_RENAME, EIO)) return -1;
    int result = -1;
    if (gate_enter(folder, from, &gate)) { /* both are names in the folder */
        if (gate_enter(folder, to, &other)) {
            result = rename_in(gate.folder, gate.name, other.name, replace);
            gate_leave(&other);
        }
        gate_leave(&gate);
    }
    RECORD(result == 0, .kind = IO_RENAME, .fd = -1, .folder = folder, .path = from, .to = to);
    return result;
}

int io_mkdir(int folder, const char *path, mode_t mode) {
    Gate gate;
    if (refused(FAULT_OPEN, ENOSPC)) return -1;
    int result = -1;
    if (gate_enter(folder, path, &gate)) {
        result = mkdirat(gate.folder, gate.name, mode);
        gate_leave(&gate);
    }
    RECORD(result == 0, .kind = IO_MKDIR, .fd = -1, .folder = folder, .path = path);
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

int io_remove(int folder, const char *path, bool is_folder) {
    Gate gate;
    if (refused(FAULT_RENAME, EIO)) return -1;
    int result = -1;
    if (gate_enter(folder, path, &gate)) {
        result = unlinkat(gate.folder, gate.name, is_folder ? AT_REMOVEDIR : 0);
        gate_leave(&gate);
    }
    RECORD(result == 0, .kind = IO_REMOVE, .fd = -1, .folder = folder, .path = path);
    return result;
}

void io_discard(int folder, const char *path, bool is_folder) {
    Gate gate;
    if (!gate_enter(folder, path, &gate)) return;
    unlinkat(gate.folder, gate.name, is_folder ? AT_REMOVEDIR : 0);
    gate_leave(&gate);
}
