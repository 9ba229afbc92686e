/* file -- reading at any offset, from a regular file or from memory. */

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include "io.h"
#include "weft/base/error.h"
#include "weft/base/file.h"
#include "weft/base/hash.h"
#include "weft/base/memory.h"
#include "weft/base/text.h"

struct File {
    char *name;
    int fd;                      /* -1 where it is memory */
    const unsigned char *memory; /* borrowed */
    uint64_t size;
    struct timespec changed; /* when the file was, at opening */
    int references;
};

static File *file_new(const char *name, Error *err) {
    File *file = mem_alloc(1, sizeof *file, err);
    if (!file) return NULL;
    file->fd = -1;
    file->references = 1;
    file->name = mem_copy_text(name, err);
    if (!file->name) {
        mem_free(file);
        return NULL;
    }
    return file;
}

/* Asked for before it is opened, too: opening a device can do something already, and opening a pipe lets go on who
 * waits at its other end. */
static int open_regular(const char *path, struct stat *about, Error *err) {
    if (io_stat(AT_FDCWD, path, about) == 0 && !S_ISREG(about->st_mode) && !S_ISDIR(about->st_mode) &&
        !S_ISLNK(about->st_mode)) {
        error_set(err, STATUS_BAD_INPUT, "%s: is not a regular file", path);
        return -1;
    }
    const int fd = io_open(AT_FDCWD, path, O_RDONLY | O_CLOEXEC | O_NONBLOCK | O_NOCTTY, 0);
    if (fd < 0 || fstat(fd, about) != 0)
        error_set(err, STATUS_BAD_INPUT, "%s: %s", path, io_reason());
    else if (!S_ISREG(about->st_mode))
        error_set(err, STATUS_BAD_INPUT, "%s: is %s", path,
                  S_ISDIR(about->st_mode) ? "a directory" : "not a regular file");
    else
        return fd;
    if (fd >= 0) io_close(fd);
    return -1;
}

int file_open_read(const char *path, Error *err) {
    struct stat about;
    return open_regular(path, &about, err);
}

File *file_open(const char *path, Error *err) {
    File *file = file_new(path, err);
    struct stat about;
    if (!file) return NULL;
    file->fd = open_regular(path, &about, err);
    if (file->fd >= 0) {
        file->size = (uint64_t)about.st_size;
        file->changed = about.st_mtim;
        return file;
    }
    file_close(file);
    return NULL;
}

File *file_open_in(const char *folder, const char *basename, Error *err) {
    if (!*basename || strchr(basename, '/') || strcmp(basename, ".") == 0 || strcmp(basename, "..") == 0) {
        error_set(err, STATUS_BAD_INPUT, "'%s' is not a file name in %s", basename, folder);
        return NULL;
    }
    Str path = {0};
    File *file = NULL;
    str_add(&path, folder);
    if (path.length > 0 && path.text[path.length - 1] != '/') str_add(&path, "/");
    str_add(&path, basename);
    if (str_ok(&path, err)) file = file_open(str_text(&path), err);
    str_done(&path);
    return file;
}

File *file_memory(const char *name, const void *bytes, uint64_t size, Error *err) {
    File *file = file_new(name, err);
    if (!file) return NULL;
    file->memory = bytes;
    file->size = size;
    return file;
}

File *file_share(File *file) {
    __atomic_fetch_add(&file->references, 1, __ATOMIC_RELAXED);
    return file;
}

void file_close(File *file) {
    if (!file || __atomic_sub_fetch(&file->references, 1, __ATOMIC_ACQ_REL) > 0) return;
    if (file->fd >= 0) io_close(file->fd);
    mem_free(file->name);
    mem_free(file);
}

const char *file_name(const File *file) {
    return file->name;
}

uint64_t file_size(const File *file) {
    return file->size;
}

bool file_unchanged(const File *file, Error *err) {
    struct stat about;
    if (file->fd < 0) return true;
    if (fstat(file->fd, &about) != 0) return error_set(err, STATUS_BAD_INPUT, "%s: %s", file->name, strerror(errno));
    if ((uint64_t)about.st_size == file->size && about.st_mtim.tv_sec == file->changed.tv_sec &&
        about.st_mtim.tv_nsec == file->changed.tv_nsec)
        return true;
    return error_set(err, STATUS_BAD_INPUT, "%s: changed since it was loaded; load it again", file->name);
}

bool file_read(const File *file, uint64_t offset, void *out, uint64_t length, Error *err) {
    if (offset > file->size || length > file->size - offset) {
        return error_set(err, STATUS_BAD_INPUT,
                         "%s: %" PRIu64 " bytes at byte %" PRIu64 " reach beyond the end of the file (%" PRIu64
                         " bytes)",
                         file->name, length, offset, file->size);
    }
    if (file->fd < 0) {
        if (length > 0) memcpy(out, file->memory + offset, length);
        return true;
    }
    for (uint64_t done = 0; done < length;) {
        ssize_t got = io_pread(file->fd, (char *)out + done, length - done, (off_t)(offset + done));
        if (got < 0) return error_set(err, STATUS_BAD_INPUT, "%s: %s", file->name, strerror(errno));
        if (got == 0) return error_set(err, STATUS_BAD_INPUT, "%s: file changed while reading", file->name);
        done += (uint64_t)got;
    }
    return true;
}

/* Parts at equal distances, from the first byte to the last. */
bool file_identity(const File *file, Str *out, Error *err) {
    enum { PARTS = 64, PART = 1 << 14 };
    char sum[HASH_HEX];
    const uint64_t length = file->size < PARTS * PART ? file->size : PARTS * PART, rest = file->size - length;
    char *bytes = mem_alloc(length + 1, 1, err);
    bool done = bytes != NULL;
    for (uint64_t at = 0; done && at < length; at += PART) {
        const uint64_t skipped = rest / (PARTS - 1) * (at / PART), from = at / PART == PARTS - 1 ? rest : skipped;
        done = file_read(file, from + at, bytes + at, length - at < PART ? length - at : PART, err);
    }
    if (done) hash_hex(bytes, length, sum);
    mem_free(bytes);
    if (done)
        str_addf(out, "%" PRIu64 " %lld.%09ld %s", file->size, (long long)file->changed.tv_sec, file->changed.tv_nsec,
                 sum);
    return done && str_ok(out, err);
}

int file_open_write(const char *path, int flags, unsigned mode, bool plain, Error *err) {
    const int fd = (plain ? io_open_plain : io_open)(AT_FDCWD, path, flags | O_CLOEXEC, mode);
    if (fd < 0) error_set(err, io_status(), "%s: %s", path, io_reason());
    return fd;
}

bool folder_make(const char *path, unsigned mode) {
    return io_mkdir(AT_FDCWD, path, mode) == 0;
}

bool folder_there(const char *path) {
    struct stat about;
    return io_stat(AT_FDCWD, path, &about) == 0 && S_ISDIR(about.st_mode);
}

char *file_read_all(const char *path, uint64_t limit, size_t *length, Error *err) {
    char *text = NULL;
    File *file = file_open(path, err);
    if (!file) return NULL;
    if (file->size > limit) {
        error_set(err, STATUS_LIMIT, "%s: has %" PRIu64 " bytes, limit %" PRIu64, path, file->size, limit);
    } else {
        text = mem_alloc(file->size + 1, 1, err);
    }
    if (text && !file_read(file, 0, text, file->size, err)) {
        mem_free(text);
        text = NULL;
    }
    if (text) *length = (size_t)file->size;
    file_close(file);
    return text;
}

int file_hold(const void *bytes, uint64_t length, char path[FILE_HELD_PATH], Error *err) {
    const char *at = bytes;
    const int fd = memfd_create("weft", MFD_CLOEXEC);
    ssize_t put = 0;
    for (; fd >= 0 && length > 0 && (put = write(fd, at, length)) > 0; length -= (uint64_t)put) at += put;
    if (fd >= 0 && length == 0) {
        snprintf(path, FILE_HELD_PATH, "/proc/self/fd/%d", fd);
        return fd;
    }
    error_set(err, STATUS_LIMIT, "no memory for a file: %s", strerror(errno));
    if (fd >= 0) close(fd);
    return -1;
}
