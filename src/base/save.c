/* save -- all or nothing: the target is the old file or the complete new one.
 *
 * A temporary file next to the target (.NAME.XXXXXXXX), written, fsync'ed and closed with every result checked, then
 * renamed over the target, then the folder is fsync'ed. The folder stays open from begin to commit, so a move of it in
 * between does no harm. A failed fsync is final: the kernel may have dropped the pages, and a second one would claim
 * success.
 */

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdatomic.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "hold.h"
#include "io.h"
#include "save.h"
#include "weft/base/error.h"
#include "weft/base/memory.h"
#include "weft/base/random.h"
#include "weft/base/save.h"
#include "weft/base/task.h"
#include "weft/base/text.h"

enum { BUFFER = 1 << 16, WRITEBACK = 32 << 20, LINKS_MAX = 40, TEMPORARY_TRIES = 100 };

struct Save {
    char *path;      /* as the user gave it, for messages */
    char *name;      /* of the target in its folder */
    char *temporary; /* name of the temporary file */
    bool overwrite, made;
    bool own; /* a file of a folder that is held: a link in its place is replaced, not followed */
    int folder, fd;
    char *buffer;
    size_t filled;
    uint64_t written, sent; /* bytes: to the kernel, and those that it was asked to write */
    bool failed;            /* a write failed: commit must, too */
    Error first;
};

static bool write_failed(const Save *save, Error *err) {
    return error_set(err, io_status(), "%s: %s", save->path, io_reason());
}

/* Follows symbolic links, so that what a link points to is replaced and not the link: the final path in *out. */
static bool resolve(const Save *save, Str *out, Error *err) {
    char link[PATH_MAX];
    str_add(out, save->path);
    for (int i = 0; i < LINKS_MAX; i++) {
        if (!str_ok(out, err)) return false;
        ssize_t length = readlink(str_text(out), link, sizeof link);
        if (length < 0) return true; /* no link, or nothing there: what is wrong shows when it is opened */
        const char *slash = strrchr(out->text, '/');
        out->length = length > 0 && link[0] == '/' ? 0 : slash ? (size_t)(slash + 1 - out->text) : 0;
        str_add_bytes(out, link, (size_t)length);
    }
    errno = ELOOP;
    return write_failed(save, err);
}

/* Opens the folder of `target` and sets save->name. */
static bool open_folder(Save *save, const char *target, Error *err) {
    const char *slash = strrchr(target, '/'), *name = slash ? slash + 1 : target;
    if (!*target) {
        errno = ENOENT;
        return write_failed(save, err);
    }
    if (!*name || strcmp(name, ".") == 0 || strcmp(name, "..") == 0) {
        return error_set(err, STATUS_WRITE, "%s: is a directory", save->path);
    }
    save->name = mem_copy_text(name, err);
    char *folder =
        slash ? mem_copy_bytes(target, slash == target ? 1 : (size_t)(slash - target), err) : mem_copy_text(".", err);
    if (save->name && folder) {
        save->folder = io_open(AT_FDCWD, folder, O_RDONLY | O_DIRECTORY | O_CLOEXEC, 0);
        if (save->folder < 0) write_failed(save, err);
    }
    mem_free(folder);
    return save->name && save->folder >= 0;
}

/* Opens the folder of what is to be replaced; what a link points to, where it is the user's. */
static bool open_target(Save *save, Str *target, Error *err) {
    save->own = hold_length(save->path) > 0;
    if (save->own) return open_folder(save, save->path, err);
    return resolve(save, target, err) && open_folder(save, str_text(target), err);
}

enum { NO_OLD_FILE = -1 };

/* Whether the target may be written; *mode is that of the old file, or NO_OLD_FILE. */
static bool check_target(const Save *save, int *mode, Error *err) {
    struct stat about;
    *mode = NO_OLD_FILE;
    if (!io_may_write(save->folder, save->name)) return write_failed(save, err);
    const int flags = save->own ? AT_SYMLINK_NOFOLLOW : 0;
    if (fstatat(save->folder, save->name, &about, flags) != 0) return errno == ENOENT || write_failed(save, err);
    if (S_ISDIR(about.st_mode)) return error_set(err, STATUS_WRITE, "%s: is a directory", save->path);
    if (save->own && S_ISLNK(about.st_mode)) return true;
    if (!S_ISREG(about.st_mode)) return error_set(err, STATUS_WRITE, "%s: is not a regular file", save->path);
    if (!save->overwrite) return error_set(err, STATUS_WRITE, "%s: exists; --force overwrites it", save->path);
    *mode = (int)(about.st_mode & 07777);
    return true;
}

static bool make_temporary(Save *save, int old_mode, Error *err) {
    static _Atomic unsigned counter;
    enum { NAME_PART = NAME_MAX - 16 }; /* a dot, NAME cut to fit, a dot, eight digits */
    save->temporary = mem_alloc(NAME_MAX + 1, 1, err);
    if (!save->temporary) return false;
    for (int i = 0; i < TEMPORARY_TRIES && save->fd < 0; i++) {
        uint32_t random[4];
        uint64_t now = (uint64_t)(clock_seconds() * 1e9);
        rng_block(now, (uint64_t)getpid(), atomic_fetch_add(&counter, 1), random);
        snprintf(save->temporary, NAME_MAX + 1, ".%.*s.%08x", NAME_PART, save->name, random[0]);
        save->fd = io_open(save->folder, save->temporary, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC,
                           old_mode == NO_OLD_FILE ? 0666 : (mode_t)old_mode & 0777);
        if (save->fd < 0 && errno != EEXIST) break;
    }
    if (save->fd < 0) return write_failed(save, err);
    save->made = true;
    return old_mode == NO_OLD_FILE || fchmod(save->fd, (mode_t)old_mode & 0777) == 0 || write_failed(save, err);
}

bool save_is_temporary(const char *name) {
    const char *dot = strrchr(name, '.');
    return name[0] == '.' && dot > name && strlen(dot + 1) == 8 && strspn(dot + 1, "0123456789abcdef") == 8;
}

Save *save_begin(const char *path, bool overwrite, Error *err) {
    Str target = {0};
    int mode;
    bool done = false;
    Save *save = mem_alloc(1, sizeof *save, err);
    if (!save) goto out;
    save->folder = save->fd = -1;
    save->overwrite = overwrite;
    save->path = mem_copy_text(path, err);
    save->buffer = save->path ? mem_alloc(BUFFER, 1, err) : NULL;
    done = save->buffer && open_target(save, &target, err) && check_target(save, &mode, err) &&
           make_temporary(save, mode, err);
out:
    str_done(&target);
    if (done) return save;
    save_abandon(save);
    if (err->status == STATUS_LIMIT) { /* memory that ran out is a failed write, too */
        err->status = STATUS_WRITE;
        error_prefix(err, "%s", path);
    }
    return NULL;
}

static bool write_out(Save *save, const char *bytes, uint64_t length) {
    while (length > 0 && !save->failed) {
        ssize_t put = io_write(save->fd, bytes, length);
        if (put <= 0) {
            if (put == 0) errno = ENOSPC;
            save->failed = true;
            write_failed(save, &save->first);
        } else {
            bytes += put;
            length -= (uint64_t)put;
            save->written += (uint64_t)put;
        }
    }
    return !save->failed;
}

/* A large file is sent to the disk while it is written, so that the sync at its end finds little to do. */
static void start_writeback(Save *save) {
    if (save->written - save->sent < WRITEBACK) return;
    (void)!sync_file_range(save->fd, (off_t)save->sent, (off_t)(save->written - save->sent), SYNC_FILE_RANGE_WRITE);
    save->sent = save->written;
}

static bool flush(Save *save) {
    size_t length = save->filled;
    save->filled = 0;
    return write_out(save, save->buffer, length);
}

bool save_write(Save *save, const void *bytes, uint64_t length, Error *err) {
    if (!save->failed) {
        if (length > BUFFER - save->filled) flush(save);
        if (length > BUFFER) {
            write_out(save, bytes, length);
            start_writeback(save);
        } else if (length > 0) {
            memcpy(save->buffer + save->filled, bytes, length);
            save->filled += length;
        }
    }
    if (save->failed) *err = save->first;
    return !save->failed;
}

bool save_commit(Save *save, Error *err) {
    bool done = false;
    if (save->failed || !flush(save)) {
        *err = save->first;
        goto out;
    }
    if (io_fsync(save->fd) != 0) {
        write_failed(save, err);
        goto out;
    }
    int fd = save->fd;
    save->fd = -1;
    if (io_close(fd) != 0) {
        write_failed(save, err);
        goto out;
    }
    if (io_rename(save->folder, save->temporary, save->name, save->overwrite) != 0) {
        if (errno == EEXIST) {
            error_set(err, STATUS_WRITE, "%s: exists; --force overwrites it", save->path);
        } else {
            write_failed(save, err);
        }
        goto out;
    }
    save->made = false;
    /* Some file systems know no fsync of folders and say EINVAL: they have nothing more to offer. */
    done = io_fsync(save->folder) == 0 || errno == EINVAL || write_failed(save, err);
out:
    save_abandon(save);
    return done;
}

void save_abandon(Save *save) {
    if (!save) return;
    if (save->fd >= 0) io_close(save->fd);
    if (save->made) io_discard(save->folder, save->temporary, false);
    if (save->folder >= 0) io_close(save->folder);
    mem_free(save->buffer);
    mem_free(save->temporary);
    mem_free(save->name);
    mem_free(save->path);
    mem_free(save);
}

bool save_replace(const char *path, bool overwrite, Error *err) {
    struct stat about;
    if (lstat(path, &about) != 0) {
        return errno == ENOENT || error_set(err, STATUS_WRITE, "%s: %s", path, strerror(errno));
    }
    if (!S_ISREG(about.st_mode) && !S_ISLNK(about.st_mode)) {
        return error_set(err, STATUS_WRITE, "%s: is not a regular file", path);
    }
    if (!overwrite) return error_set(err, STATUS_WRITE, "%s: exists; --force overwrites it", path);
    return io_remove(AT_FDCWD, path, false) == 0 || error_set(err, io_status(), "%s: %s", path, io_reason());
}

bool save_text(const char *path, bool overwrite, const char *text, size_t length, Error *err) {
    Save *save = save_begin(path, overwrite, err);
    if (!save) return false;
    if (save_write(save, text, length, err)) return save_commit(save, err);
    save_abandon(save);
    return false;
}
