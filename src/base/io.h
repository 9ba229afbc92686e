/* io -- the system calls that files and saves are made of: retried after signals, and refused by injected faults
 * (inside base). All return as the call does and set errno. No other file of weft opens for writing, makes, renames or
 * removes files (tests/gate.sh): what does passes the gate of weft/base/confine.h here, in every call. Paths are
 * relative to `folder`, or to the working folder where it is AT_FDCWD; those of a run folder to its descriptor
 * (hold.h). */
#ifndef WEFT_BASE_IO_H
#define WEFT_BASE_IO_H

#include <stdbool.h>
#include <stddef.h>
#include <sys/stat.h>
#include <sys/types.h>

#include "weft/base/error.h"

int io_open(int folder, const char *path, int flags, mode_t mode);
/* For a file of weft's own: as io_open, but only a regular file that has one name and is no link; a pipe or a device
 * neither opens nor blocks. */
int io_open_plain(int folder, const char *path, int flags, mode_t mode);
int io_stat(int folder, const char *path, struct stat *about); /* follows links, but none in a folder that is held */
bool io_may_write(int folder, const char *path);               /* whether the gate would let a file be made there */
/* Of the call that has just failed: why, and STATUS_WRITE, or STATUS_USAGE where writing is confined. */
const char *io_reason(void);
Status io_status(void);
ssize_t io_pread(int fd, void *out, size_t length, off_t offset);
ssize_t io_write(int fd, const void *bytes, size_t length);
ssize_t io_pwrite(int fd, const void *bytes, size_t length, off_t offset); /* of temporary files: not recorded */
int io_fsync(int fd);
int io_close(int fd); /* closed in any case; -1: what was written may be lost */
int io_rename(int folder, const char *from, const char *to, bool replace); /* both in the folder itself */
/* Injected as FAULT_OPEN, FAULT_OPEN, FAULT_WRITE, FAULT_RENAME. */
int io_mkdir(int folder, const char *path, mode_t mode);
int io_lock(int fd, int operation); /* flock */
int io_truncate(int fd, off_t length);
int io_remove(int folder, const char *path, bool is_folder);   /* an empty folder, or a file */
void io_discard(int folder, const char *path, bool is_folder); /* the same after a failure: no fault is injected */

/* What went through the layer and succeeded, for tests that ask what a power loss would have left of it. Paths are
 * relative to `folder`, as in the calls; what is borrowed is so until the recorder returns. */
typedef enum IoKind { IO_OPEN, IO_WRITE, IO_TRUNCATE, IO_FSYNC, IO_CLOSE, IO_RENAME, IO_REMOVE, IO_MKDIR } IoKind;
typedef struct IoEvent {
    IoKind kind;
    int fd;                /* of open: the new one; of close: the one that was; rename, remove, mkdir: -1 */
    int folder;            /* open, rename, remove, mkdir: what `path` and `to` are relative to, or AT_FDCWD */
    const char *path, *to; /* `to`: of rename */
    int flags;             /* of open */
    off_t where;           /* of write: offset of its first byte in the file; of truncate: the new length */
    const void *bytes;     /* of write: those that were taken */
    size_t length;
} IoEvent;
/* Called after each call that changed something; NULL (the default): none. Not while other threads use
 * files. */
extern void (*io_recorder)(const IoEvent *event);

#endif
