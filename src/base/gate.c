/* gate -- see weft/base/confine.h.
 *
 * A path is taken apart into a folder, which is opened first, and a name in it, which no later call follows. Where the
 * folder lies is read from the folder itself, upwards over "..", until the root of what may be written is met or the
 * root of the file system: no link, no mount of another name and no rename changes that answer, and whoever exchanges
 * the path meanwhile exchanges a name that is not used any more. The files of a run folder are reached from its
 * descriptor (hold.h), confined or not.
 */
#include "gate.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdatomic.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "hold.h"
#include "weft/base/confine.h"
#include "weft/base/error.h"

enum { FOLDER = O_PATH | O_DIRECTORY | O_CLOEXEC, DEPTH_MOST = 4096 };

static _Atomic int root_folder = -1; /* never closed, so that its inode is never another's */
static struct stat root_about;
static _Thread_local const char *reason;
static _Thread_local char through[NAME_MAX + 80]; /* that reason, where it names a link */
static const char outside[] = "--safe allows writing only below the working folder";

bool confine(Error *err) {
    if (root_folder >= 0) return true;
    const int fd = open(".", FOLDER);
    if (fd < 0 || fstat(fd, &root_about) != 0) {
        error_set(err, STATUS_FAILED, "the working folder, which --safe confines to, cannot be opened: %s",
                  strerror(errno));
        if (fd >= 0) close(fd);
        return false;
    }
    root_folder = fd;
    return true;
}

bool confined(void) {
    return root_folder >= 0;
}

bool gate_closed(void) {
    return root_folder >= 0;
}

const char *gate_reason(void) {
    return reason;
}

bool gate_confines(void) {
    return reason == outside;
}

void gate_forget(void) {
    reason = NULL;
}

static bool refuse(const char *why) {
    reason = why;
    errno = EPERM;
    return false;
}

static bool same(const struct stat *a, const struct stat *b) {
    return a->st_dev == b->st_dev && a->st_ino == b->st_ino;
}

bool gate_lies_in(int folder, const struct stat *root) {
    struct stat here, above;
    int at = openat(folder, ".", FOLDER);
    bool found = false;
    if (at >= 0 && fstat(at, &here) == 0) {
        for (int depth = 0; !(found = same(&here, root)) && depth < DEPTH_MOST; depth++) {
            const int next = openat(at, "..", FOLDER);
            if (next < 0) break;
            close(at);
            at = next;
            if (fstat(at, &above) != 0 || same(&above, &here)) break; /* the root of the file system is its own */
            here = above;
        }
    }
    if (at >= 0) close(at);
    return found;
}

/* The folder of `path`, opened; its name in it. */
static bool open_folder(int folder, const char *path, Gate *out) {
    char above[PATH_MAX];
    const char *slash = strrchr(path, '/');
    const size_t length = !slash ? 0 : slash == path ? 1 : (size_t)(slash - path);
    out->name = slash ? slash + 1 : path;
    if (!*out->name || strcmp(out->name, ".") == 0 || strcmp(out->name, "..") == 0) {
        errno = *path ? EISDIR : ENOENT;
        return false;
    }
    if (length >= sizeof above) {
        errno = ENAMETOOLONG;
        return false;
    }
    memcpy(above, slash ? path : ".", slash ? length : 1);
    above[slash ? length : 1] = '\0';
    out->folder = openat(folder, above, FOLDER);
    return out->folder >= 0;
}

/* After a call that did not follow it has failed; keeps errno. */
static void blame_link(int folder, const char *name) {
    const int error = errno;
    struct stat about;
    if (fstatat(folder, name, &about, AT_SYMLINK_NOFOLLOW) == 0 && S_ISLNK(about.st_mode)) {
        snprintf(through, sizeof through, "leads through the link '%s'; a run folder holds plain files only", name);
        refuse(through);
    }
    errno = error;
}

/* The next folder down; `at` is closed. */
static int step_down(int at, const char *name) {
    const int next = openat(at, name, FOLDER | O_NOFOLLOW);
    if (next < 0) blame_link(at, name);
    const int error = errno;
    close(at);
    errno = error;
    return next;
}

/* From a folder that is held, which `out` takes over, down to the last name of `rest`. */
static bool descend(int at, const char *rest, Gate *out) {
    char part[NAME_MAX + 1];
    for (;;) {
        rest += strspn(rest, "/");
        const size_t length = strcspn(rest, "/");
        if (at < 0 || !rest[length]) break;
        if (length >= sizeof part) {
            close(at);
            at = -1;
            errno = ENAMETOOLONG;
            break;
        }
        memcpy(part, rest, length);
        part[length] = '\0';
        at = step_down(at, part);
        rest += length;
    }
    *out = (Gate){.folder = at, .name = *rest ? rest : ".", .own = at >= 0, .held = true};
    return at >= 0;
}

bool gate_reach(int folder, const char *path, Gate *out) {
    int held;
    const char *rest;
    *out = (Gate){.folder = folder, .name = path};
    return folder != AT_FDCWD || !hold_find(path, &held, &rest) || descend(held, rest, out);
}

bool gate_enter(int folder, const char *path, Gate *out) {
    if (!gate_reach(folder, path, out)) return false;
    if (!gate_closed()) return true;
    if (!out->held && !open_folder(folder, path, out)) return false;
    out->own = true;
    if (gate_lies_in(out->folder, &root_about)) return true;
    gate_leave(out);
    return refuse(outside);
}

void gate_blame_link(const Gate *gate) {
    if (gate->held) blame_link(gate->folder, gate->name);
}

void gate_leave(Gate *gate) {
    const int error = errno;
    if (gate->own) close(gate->folder);
    gate->own = false;
    errno = error;
}

bool gate_plain(const struct stat *about) {
    if (S_ISDIR(about->st_mode)) {
        errno = EISDIR;
        return false;
    }
    if (S_ISLNK(about->st_mode)) return refuse("is a link, which weft does not follow here");
    if (!S_ISREG(about->st_mode)) return refuse("is not a regular file");
    return about->st_nlink <= 1 || refuse("has another name, too (a hard link)");
}

bool confine_allows(const char *path, Error *err) {
    Gate gate;
    gate_forget();
    const bool allowed = gate_enter(AT_FDCWD, path, &gate);
    if (allowed) gate_leave(&gate);
    return allowed || !gate_confines() || error_set(err, STATUS_USAGE, "%s: %s", path, reason);
}
