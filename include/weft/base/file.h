/* file -- files to read at any offset. */
#ifndef WEFT_FILE_H
#define WEFT_FILE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "weft/base/error.h"
#include "weft/base/text.h"

/* A file, or a block of memory used as one. Only regular files open. They are opened O_CLOEXEC|O_NONBLOCK and
 * read with pread, never mapped. */
typedef struct File File;
File *file_open(const char *path, Error *err); /* STATUS_BAD_INPUT names the path */
File *file_open_in(const char *folder, const char *basename, Error *err);
File *file_memory(const char *name, const void *bytes, uint64_t size, Error *err); /* borrows `bytes` */
File *file_share(File *file); /* one more owner, who closes it, too */
void file_close(File *file);
const char *file_name(const File *file); /* the path as the user gave it */
uint64_t file_size(const File *file);
/* Whether the file has the size and the time of change that it had when it was opened: STATUS_BAD_INPUT "FILE: changed
 * since it was loaded; load it again". The file stays open, so one that was replaced (as every save does) is read on as
 * it was. */
bool file_unchanged(const File *file, Error *err);
/* Appends what tells the file from others: its size, the time of its last change when it was opened, and a checksum of
 * parts of it (of all of a small one): "SIZE SECONDS.NANOSECONDS CHECKSUM". */
bool file_identity(const File *file, Str *out, Error *err);
/* Reads exactly `length` bytes from `offset`. STATUS_BAD_INPUT beyond the end and after a short read; its text starts
 * with the name. */
bool file_read(const File *file, uint64_t offset, void *out, uint64_t length, Error *err);
/* The whole file as a NUL-terminated allocation of at most `limit` bytes (STATUS_LIMIT). */
char *file_read_all(const char *path, uint64_t limit, size_t *length, Error *err);
/* A copy of the bytes that exists only in memory, but has a path like a file: for readers of files. Lives until its
 * number (a file descriptor) is closed; -1: STATUS_LIMIT. */
enum { FILE_HELD_PATH = 32 };
int file_hold(const void *bytes, uint64_t length, char path[FILE_HELD_PATH], Error *err);

/* Opens a regular file to read, as file_open does, for readers of their own: the caller's descriptor, or -1. */
int file_open_read(const char *path, Error *err);
/* Opens a file to write, for what is not saved whole (weft/base/save.h). `flags` as for open (O_WRONLY | O_CREAT, ...);
 * O_CLOEXEC is added. `plain`: only a regular file with a single name, and not through a link, whatever stands there;
 * so it is for all files where writing is confined (weft/base/confine.h). The descriptor is the caller's; -1 and
 * STATUS_WRITE, or STATUS_USAGE where it is refused for being elsewhere. */
int file_open_write(const char *path, int flags, unsigned mode, bool plain, Error *err);
bool folder_make(const char *path, unsigned mode); /* one folder; false with errno */
bool folder_there(const char *path);               /* whether there is a folder */

#endif
