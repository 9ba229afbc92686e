/* run_folder -- the folder of a run: how it comes to be, its writer, and what may stand in it.
 *
 * The lock is never removed, only released: removing it would let two writers lock two files of one name.
 *
 * A new run is made in a folder of another name beside its own, .NAME.XXXXXXXX, and takes its own name with one
 * renaming when it can be resumed. What a killed process leaves is such a folder; the next run of that name finds its
 * lock free and removes it. While a process makes, locks or removes one, it holds a lock on the folder above.
 *
 * From its opening to its end a run holds its folder (hold.h): the paths of its files, rounds and trials lead into that
 * folder, also where somebody has put another one, or a link, in its place.
 */
#include "run.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <time.h>
#include <unistd.h>

#include "gate.h"
#include "io.h"
#include "save.h"
#include "weft/base/error.h"
#include "weft/base/file.h"
#include "weft/base/memory.h"
#include "weft/base/random.h"
#include "weft/base/task.h"
#include "weft/base/text.h"

enum {
    LOCK_TRIES = 21,
    ABOVE_TRIES = 500,    /* whoever holds it makes a folder and syncs it */
    LOCK_WAIT = 10000000, /* ns */
    NAME_TRIES = 100,
    NAME_PART = NAME_MAX - 16, /* of the name of a run, in that of its beginning */
    LEVELS = 4,                /* a run, a round, a trial, and what stands in it */
    FOLDER = O_RDONLY | O_DIRECTORY | O_CLOEXEC,
    HELD = O_PATH | O_DIRECTORY | O_CLOEXEC
};
const char run_lock_name[] = "lock";

/* ---- making folders ---------------------------------------------------------------------------------------------- */

/* The folder above `path`, opened; its name in *name. */
static int open_above(const char *path, const char **name) {
    char above[PATH_MAX];
    const char *slash = strrchr(path, '/');
    const size_t length = !slash ? 0 : slash == path ? 1 : (size_t)(slash - path);
    *name = slash ? slash + 1 : path;
    if (length >= sizeof above) {
        errno = ENAMETOOLONG;
        return -1;
    }
    memcpy(above, slash ? path : ".", slash ? length : 1);
    above[slash ? length : 1] = '\0';
    return io_open(AT_FDCWD, above, FOLDER, 0);
}

/* A new name is there for certain once the folder above it is fsync'ed. Some file systems know no fsync of folders and
 * say EINVAL: they have nothing more to offer. */
static bool sync_above(const char *path, Error *err) {
    const char *name;
    const int fd = open_above(path, &name);
    bool done = (fd >= 0 && (io_fsync(fd) == 0 || errno == EINVAL)) || run_write_failed(path, "", err);
    if (fd >= 0) io_close(fd);
    return done;
}

/* Makes `path` and the folders above it that are missing, below one that is held only there; writes into the text and
 * puts it back. */
static bool make_folders(char *path, Error *err) {
    for (char *at = path + hold_length(path);; at++) {
        char rest = *at;
        struct stat about;
        if ((rest == '/' || !rest) && (at > path || !rest)) {
            *at = '\0';
            bool there = io_stat(AT_FDCWD, path, &about) == 0;
            bool ok = there || errno == ENOENT || run_write_failed(path, "", err);
            const bool made = ok && !there && io_mkdir(AT_FDCWD, path, 0777) == 0;
            ok = ok && (there || made || errno == EEXIST || run_write_failed(path, "", err)) &&
                 (!made || sync_above(path, err));
            *at = rest;
            if (!ok) return false;
        }
        if (!rest) return true;
    }
}

static bool make_folders_above(char *path, Error *err) {
    char *slash = strrchr(path, '/');
    if (!slash || slash == path) return true;
    *slash = '\0';
    const bool done = make_folders(path, err);
    *slash = '/';
    return done;
}

/* ---- the lock ---------------------------------------------------------------------------------------------------- */

/* 0: none is told. */
static long lock_process(int fd) {
    char text[24] = "";
    const ssize_t got = io_pread(fd, text, sizeof text - 1, 0);
    const long process = got > 0 ? strtol(text, NULL, 10) : 0;
    return process > 0 && process <= INT_MAX ? process : 0;
}

/* run_busy holds the lock for a moment as it tests it: hence several tries. */
static bool lock_file(int fd, int tries) {
    for (int i = 0; i < tries; i++) {
        if (io_lock(fd, LOCK_EX | LOCK_NB) == 0) return true;
        if (errno != EWOULDBLOCK) return false;
        nanosleep(&(struct timespec){.tv_nsec = LOCK_WAIT}, NULL);
    }
    errno = EWOULDBLOCK;
    return false;
}

static bool take_lock(const Run *run, Error *err) {
    if (lock_file(run->lock, LOCK_TRIES)) return true;
    if (errno != EWOULDBLOCK) return run_write_failed(run->folder, run_lock_name, err);
    const long process = lock_process(run->lock);
    if (process == 0) return error_set(err, STATUS_FAILED, "%s: in use by another process", run->folder);
    return error_set(err, STATUS_FAILED, "%s: in use by process %ld", run->folder, process);
}

static bool open_lock(Run *run, Error *err) {
    Str path = {0}, text = {0};
    run_path(run->folder, run_lock_name, &path);
    str_addf(&text, "%ld\n", (long)getpid());
    bool done = (str_ok(&path, err) && str_ok(&text, err)) || run_fail_for(run->folder, err);
    if (done) run->lock = io_open_plain(AT_FDCWD, str_text(&path), O_RDWR | O_CREAT | O_CLOEXEC, 0666);
    done = done && (run->lock >= 0 || run_write_failed(run->folder, run_lock_name, err)) && take_lock(run, err);
    done = done && ((io_truncate(run->lock, 0) == 0 &&
                     io_write(run->lock, str_text(&text), text.length) == (ssize_t)text.length) ||
                    run_write_failed(run->folder, run_lock_name, err));
    done = done && sync_above(str_text(&path), err); /* the lock is what tells a run's folder from others */
    str_done(&text);
    str_done(&path);
    return done;
}

static int open_lock_of(const char *folder) {
    Str path = {0};
    run_path(folder, run_lock_name, &path);
    const int fd = path.failed ? -1 : io_open_plain(AT_FDCWD, str_text(&path), O_RDONLY | O_CLOEXEC, 0);
    str_done(&path);
    return fd;
}

bool run_busy(const char *folder, long *process) {
    const int fd = open_lock_of(folder);
    const bool busy = fd >= 0 && io_lock(fd, LOCK_SH | LOCK_NB) != 0 && errno == EWOULDBLOCK;
    *process = busy ? lock_process(fd) : 0;
    if (fd >= 0) io_close(fd);
    return busy;
}

/* Whether a process's file of this name is locked. The kernel tells of the locks that were made through it: fdinfo(5).
 */
static bool locked_through(long process, const char *name) {
    char path[NAME_MAX + 64], text[1024];
    snprintf(path, sizeof path, "/proc/%ld/fdinfo/%s", process, name);
    const int fd = io_open(AT_FDCWD, path, O_RDONLY | O_CLOEXEC, 0);
    const ssize_t got = fd >= 0 ? io_pread(fd, text, sizeof text - 1, 0) : -1;
    if (fd >= 0) io_close(fd);
    text[got > 0 ? got : 0] = '\0';
    return strstr(text, "\nlock:") != NULL;
}

bool run_holder(const char *folder, long process) {
    struct stat lock, other;
    char files[64];
    bool found = false;
    if (process <= 1 || process == (long)getpid()) return false;
    const int fd = open_lock_of(folder);
    const bool known = fd >= 0 && fstat(fd, &lock) == 0;
    if (fd >= 0) io_close(fd);
    snprintf(files, sizeof files, "/proc/%ld/fd", process);
    DIR *listing = known ? opendir(files) : NULL;
    for (const struct dirent *entry; listing && !found && (entry = readdir(listing));)
        found = fstatat(dirfd(listing), entry->d_name, &other, 0) == 0 && other.st_dev == lock.st_dev &&
                other.st_ino == lock.st_ino && locked_through(process, entry->d_name);
    if (listing) closedir(listing);
    return found;
}

/* ---- what stands in a folder ------------------------------------------------------------------------------------- */

static DIR *list(const char *folder) {
    const int fd = io_open(AT_FDCWD, folder, FOLDER, 0);
    DIR *listing = fd >= 0 ? fdopendir(fd) : NULL;
    const int error = errno;
    if (fd >= 0 && !listing) close(fd);
    errno = error;
    return listing;
}

/* `folder` is closed. */
static bool check_entries(int folder, const char *path, unsigned level, Error *err) {
    DIR *listing = fdopendir(folder);
    if (!listing) close(folder);
    bool done = true;
    for (const struct dirent *entry; listing && done && (entry = readdir(listing));) {
        struct stat about;
        const char *name = entry->d_name;
        if (strcmp(name, ".") == 0 || strcmp(name, "..") == 0) continue;
        if (fstatat(folder, name, &about, AT_SYMLINK_NOFOLLOW) != 0) continue; /* gone meanwhile */
        const bool inner = S_ISDIR(about.st_mode);
        if (!inner && !S_ISREG(about.st_mode))
            done = error_set(err, STATUS_BAD_INPUT, "%s/%s: is %s; a run folder holds plain files only", path, name,
                             S_ISLNK(about.st_mode) ? "a link" : "not a regular file");
        const int fd = inner && level < LEVELS ? openat(folder, name, FOLDER | O_NOFOLLOW) : -1;
        if (fd < 0) continue;
        Str below = {0};
        str_addf(&below, "%s/%s", path, name);
        done = check_entries(fd, str_text(&below), level + 1, err);
        str_done(&below);
    }
    if (listing) closedir(listing);
    return done;
}

/* Refuses what is neither a folder nor a regular file in the folder, its rounds and trials; `unread`: the status where
 * that cannot be found out. */
static bool check(const char *folder, Status unread, Error *err) {
    const int fd = io_open(AT_FDCWD, folder, FOLDER, 0);
    if (fd < 0) return error_set(err, unread, "%s: %s", folder, io_reason());
    return check_entries(fd, folder, 1, err);
}

char *run_read(const char *folder, const char *file, uint64_t limit, size_t *length, Error *err) {
    Str path = {0};
    Run *look = run_look(folder, err);
    run_path(folder, file, &path);
    char *text = look && str_ok(&path, err) ? file_read_all(str_text(&path), limit, length, err) : NULL;
    str_done(&path);
    run_close(look);
    return text;
}

/* Saves of a writer that was killed left their temporary files; whoever holds the lock knows that nobody writes them
 * any more. */
static void sweep_temporaries(const char *folder) {
    DIR *listing = list(folder);
    for (const struct dirent *entry; listing && (entry = readdir(listing));)
        if (save_is_temporary(entry->d_name)) io_discard(dirfd(listing), entry->d_name, false);
    if (listing) closedir(listing);
}

bool run_vacant(const char *folder, Error *err) {
    DIR *listing = list(folder);
    bool empty = true, lock = false;
    if (!listing) return errno == ENOENT || run_write_failed(folder, "", err);
    for (const struct dirent *entry; (entry = readdir(listing));) {
        empty = empty && (strcmp(entry->d_name, ".") == 0 || strcmp(entry->d_name, "..") == 0);
        lock = lock || strcmp(entry->d_name, run_lock_name) == 0;
    }
    closedir(listing);
    return empty || lock ||
           error_set(err, STATUS_WRITE, "%s: is not empty and does not hold a run; choose another folder", folder);
}

/* ---- opening ----------------------------------------------------------------------------------------------------- */

static Run *run_new(const char *folder, Error *err) {
    Run *run = mem_alloc(1, sizeof *run, err);
    if (run) {
        run->above = run->lock = run->log = -1;
        run->folder = mem_copy_text(folder, err);
    }
    if (!run || !run->folder) {
        mem_free(run);
        return NULL;
    }
    for (size_t length = strlen(folder); length > 1 && run->folder[length - 1] == '/';) run->folder[--length] = '\0';
    return run;
}

/* `fd` is taken over; -1: it could not be opened, as errno tells. */
static bool hold(Run *run, int fd, Error *err) {
    if (fd < 0) return run_write_failed(run->folder, "", err);
    hold_begin(&run->hold, run->folder, fd);
    return true;
}

static bool open_here(Run *run, bool begins, Error *err) {
    if (!make_folders(run->folder, err) || !hold(run, io_open(AT_FDCWD, run->folder, HELD, 0), err) ||
        (begins && !run_vacant(run->folder, err)) || !check(run->folder, STATUS_WRITE, err) || !open_lock(run, err))
        return false;
    sweep_temporaries(run->folder);
    return true;
}

Run *run_open(const char *folder, Error *err) {
    Run *run = run_new(folder, err);
    if (!run) run_fail_for(folder, err);
    if (run && open_here(run, false, err)) return run;
    run_close(run);
    return NULL;
}

Run *run_look(const char *folder, Error *err) {
    Run *run = run_new(folder, err);
    if (!run) return NULL;
    const int fd = io_open(AT_FDCWD, run->folder, HELD, 0);
    bool done = fd >= 0 || error_set(err, STATUS_BAD_INPUT, "%s: %s", folder, io_reason());
    done = done && hold(run, fd, err) && check(run->folder, STATUS_BAD_INPUT, err);
    if (done) return run;
    run_close(run);
    return NULL;
}

/* ---- beginning --------------------------------------------------------------------------------------------------- */

/* What is in a folder that never became a run, and the folder. It has no folders in it. `fd` is closed. */
static void discard(int above, const char *name, int fd) {
    DIR *listing = fdopendir(fd);
    if (!listing) close(fd);
    for (const struct dirent *entry; listing && (entry = readdir(listing));)
        if (strcmp(entry->d_name, ".") != 0 && strcmp(entry->d_name, "..") != 0)
            io_discard(dirfd(listing), entry->d_name, false);
    if (listing) closedir(listing);
    io_discard(above, name, true);
}

/* Removes it if the process that made it is gone. Without a lock, which is made first, it is only removed when empty:
 * somebody may have given another folder such a name. */
static void sweep_beginning(int above, const char *name) {
    const int fd = io_open(above, name, FOLDER | O_NOFOLLOW, 0);
    if (fd < 0) return;
    const int lock = io_open_plain(fd, run_lock_name, O_RDONLY | O_CLOEXEC, 0);
    if (lock < 0 && errno == ENOENT) io_discard(above, name, true);
    if (lock >= 0 && io_lock(lock, LOCK_EX | LOCK_NB) == 0)
        discard(above, name, fd);
    else
        close(fd);
    if (lock >= 0) io_close(lock);
}

/* Whether `other` is .NAME.XXXXXXXX, and no beginning of NAME.more. */
static bool is_beginning(const char *other, const char *name) {
    const size_t length = strnlen(name, NAME_PART);
    return save_is_temporary(other) && strlen(other) == length + strlen("..XXXXXXXX") &&
           strncmp(other + 1, name, length) == 0;
}

/* Those that processes left which were killed while they made a run of this name. */
static void sweep_beginnings(int above, const char *name) {
    const int copy = openat(above, ".", FOLDER);
    DIR *listing = copy >= 0 ? fdopendir(copy) : NULL;
    if (copy >= 0 && !listing) close(copy);
    for (const struct dirent *entry; listing && (entry = readdir(listing));)
        if (is_beginning(entry->d_name, name)) sweep_beginning(above, entry->d_name);
    if (listing) closedir(listing);
}

/* Whether a run that begins in `folder` must be made there, since no other folder can take its place: it is a link or
 * not its user's, the working folder, or it holds what is left of a run already. */
static bool stays(const char *folder, const char *name, mode_t *mode) {
    struct stat about, here;
    const char *last;
    const int above = open_above(folder, &last);
    const bool there = above >= 0 && fstatat(above, last, &about, AT_SYMLINK_NOFOLLOW) == 0;
    *mode = 0;
    if (above >= 0) io_close(above);
    if (!there) return false;
    *mode = about.st_mode & 07777;
    return !S_ISDIR(about.st_mode) || about.st_uid != geteuid() || about.st_gid != getegid() ||
           run_has(folder, "lock") || strcmp(name, ".") == 0 || strcmp(name, "..") == 0 ||
           (stat(".", &here) == 0 && here.st_ino == about.st_ino && here.st_dev == about.st_dev);
}

/* Makes .NAME.XXXXXXXX in the folder above, and holds it; `mode`: that of the folder it will replace. */
static bool make_beginning(Run *run, const char *name, mode_t mode, Error *err) {
    static _Atomic unsigned counter;
    char beginning[NAME_MAX + 1];
    Str path = {0};
    bool made = false;
    for (int i = 0; i < NAME_TRIES && !made; i++) {
        uint32_t random[4];
        rng_block((uint64_t)(clock_seconds() * 1e9), (uint64_t)getpid(), atomic_fetch_add(&counter, 1), random);
        snprintf(beginning, sizeof beginning, ".%.*s.%08x", NAME_PART, name, random[0]);
        made = io_mkdir(run->above, beginning, mode ? mode & 0777 : 0777) == 0;
        if (!made && errno != EEXIST) break;
    }
    if (!made) return run_write_failed(run->place, "", err);
    str_add_bytes(&path, run->place, (size_t)(name - run->place));
    str_add(&path, beginning);
    run->folder = str_ok(&path, err) ? mem_copy_text(str_text(&path), err) : NULL;
    str_done(&path);
    if (!run->folder) {
        io_discard(run->above, beginning, true);
        return run_fail_for(run->place, err);
    }
    const int fd = io_open(run->above, beginning, FOLDER | O_NOFOLLOW, 0);
    return hold(run, fd, err) && (!mode || fchmod(fd, mode) == 0 || run_write_failed(run->place, "", err));
}

static bool begin_beside(Run *run, mode_t mode, Error *err) {
    const char *name;
    if (!make_folders_above(run->folder, err)) return false;
    run->place = run->folder;
    run->folder = NULL;
    run->above = open_above(run->place, &name);
    if (run->above < 0) return run_write_failed(run->place, "", err);
    const bool locked = lock_file(run->above, ABOVE_TRIES);
    if (locked) sweep_beginnings(run->above, name);
    const bool done = make_beginning(run, name, mode, err) && open_lock(run, err);
    if (locked) flock(run->above, LOCK_UN);
    return done;
}

Run *run_create(const char *folder, Error *err) {
    mode_t mode;
    if (!run_vacant(folder, err)) return NULL;
    Run *run = run_new(folder, err);
    if (!run) {
        run_fail_for(folder, err);
        return NULL;
    }
    const char *slash = strrchr(run->folder, '/');
    const bool done = !*run->folder || stays(run->folder, slash ? slash + 1 : run->folder, &mode)
                          ? open_here(run, true, err)
                          : begin_beside(run, mode, err);
    if (done) return run;
    run_name_error(run, err);
    run_close(run);
    return NULL;
}

static const char *last_name(const char *path) {
    const char *slash = strrchr(path, '/');
    return slash ? slash + 1 : path;
}

bool run_publish(Run *run, Error *err) {
    if (!run->place) return true;
    bool done = io_rename(run->above, last_name(run->folder), last_name(run->place), true) == 0;
    if (!done && (errno == EEXIST || errno == ENOTEMPTY || errno == ENOTDIR))
        error_set(err, STATUS_FAILED, "%s: another run began there meanwhile", run->place);
    else if (!done)
        run_write_failed(run->place, "", err);
    if (done) {
        hold_rename(&run->hold, run->place);
        mem_free(run->folder);
        run->folder = run->place;
        run->place = NULL;
        done = io_fsync(run->above) == 0 || errno == EINVAL || run_write_failed(run->folder, "", err);
        io_close(run->above);
        run->above = -1;
    }
    return done;
}

void run_name_error(const Run *run, Error *err) {
    const Error first = *err;
    const char *at = run->place && run->folder ? strstr(first.text, run->folder) : NULL;
    if (at)
        error_set(err, first.status, "%.*s%s%s", (int)(at - first.text), first.text, run->place,
                  at + strlen(run->folder));
}

/* Of a run that was never published; what else has its folder's name by now stays, if anything is in it. `held` is that
 * folder; NULL: it was not opened. */
static void discard_beginning(const Run *run, const struct stat *held) {
    struct stat found;
    const char *name = last_name(run->folder);
    const int fd = held ? openat(run->above, name, FOLDER | O_NOFOLLOW) : -1;
    if (fd >= 0 && fstat(fd, &found) == 0 && found.st_dev == held->st_dev && found.st_ino == held->st_ino) {
        discard(run->above, name, fd);
        return;
    }
    if (fd >= 0) close(fd);
    io_discard(run->above, name, true);
}

void run_close(Run *run) {
    struct stat held;
    if (!run) return;
    const bool known = run->hold.path && fstat(run->hold.folder, &held) == 0;
    hold_end(&run->hold); /* first: it may be the last descriptor that there is */
    if (run->above >= 0 && run->folder) discard_beginning(run, known ? &held : NULL);
    if (run->log >= 0) io_close(run->log);
    if (run->above >= 0) io_close(run->above);
    if (run->lock >= 0) io_close(run->lock);
    mem_free(run->folder);
    mem_free(run->place);
    mem_free(run);
}

const char *run_folder(const Run *run) {
    return run->folder;
}
