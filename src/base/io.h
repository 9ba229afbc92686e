/* io -- the system calls that files and saves are made of: retried after signals, and refused by injected faults
 * (inside base). All return as the call does and set errno. */
#ifndef WEFT_BASE_IO_H
#define WEFT_BASE_IO_H

#include <stdbool.h>
#include <sys/types.h>

int io_open(int folder, const char *path, int flags, mode_t mode);
ssize_t io_pread(int fd, void *out, size_t length, off_t offset);
ssize_t io_write(int fd, const void *bytes, size_t length);
int io_fsync(int fd);
int io_close(int fd); /* closed in any case; -1: what was written may be lost */
int io_rename(int folder, const char *from, const char *to, bool replace);
/* Injected as FAULT_OPEN, FAULT_OPEN, FAULT_WRITE, FAULT_RENAME. */
int io_mkdir(const char *path, mode_t mode);
int io_lock(int fd, int operation); /* flock */
int io_truncate(int fd, off_t length);
int io_remove(const char *path);

#endif
