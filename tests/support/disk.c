/* disk -- a simulated disk: a list of operations, and any state that some of them make. */
#include "disk.h"

#include <dirent.h>
#include <fcntl.h>
#include <ftw.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>
#include <cmocka.h>

#include "base/io.h"
#include "bytes.h"
#include "weft/base/error.h"
#include "weft/base/file.h"
#include "weft/base/hash.h"
#include "weft/base/memory.h"
#include "weft/base/random.h"
#include "weft/base/text.h"

enum { NAME_SIZE = 64, PATH_SIZE = 512, FDS = 1024, ROOT = 0, ALL_SUBSETS = 4 };
static const size_t nowhere = SIZE_MAX, never = SIZE_MAX;

/* LINK gives `target` a name, MOVE also takes another one away, UNLINK only that; WRITE and TRUNCATE change the bytes
 * of `node`; SYNC makes certain what was done to `node` before; PROMISE is the program's word. */
typedef enum OpKind { OP_LINK, OP_MOVE, OP_UNLINK, OP_WRITE, OP_TRUNCATE, OP_SYNC, OP_PROMISE } OpKind;
static const char *const op_names[] = {"link", "rename", "unlink", "write", "truncate", "fsync", "promise"};

typedef struct Op {
    OpKind kind;
    size_t node, target; /* the file, or the folder whose names change; what gets the name */
    char name[NAME_SIZE], old[NAME_SIZE];
    uint64_t where; /* of a write; the new length; the promise */
    Bytes bytes;
    size_t certain; /* number of the SYNC that made it so */
} Op;

typedef enum Fate { KEPT, LOST, TORN, ZEROED, FATES } Fate;
static const char *const fate_names[] = {"kept", "lost", "torn", "zeroed"};

typedef struct Entry {
    size_t folder, node; /* node nowhere: no longer */
    char name[NAME_SIZE];
} Entry;

typedef struct Content {
    uint8_t *bytes;
    size_t length, capacity;
} Content;

/* Files and folders by number, and the names that they have. */
typedef struct State {
    Entry *entries;
    size_t count, capacity;
    Content *contents; /* one for each node */
    size_t nodes, node_capacity;
} State;

struct Disk {
    char root[PATH_SIZE];
    Op *ops;
    size_t count, capacity, first; /* first: operations before are what was there at the start */
    bool *is_folder;               /* of each node */
    size_t nodes, node_capacity;
    State live;       /* everything so far */
    size_t open[FDS]; /* the node behind a descriptor; nowhere: not below the root */
};

static Disk *recording;

/* ---- states ------------------------------------------------------------------------------------------------------ */

static Entry *find(const State *state, size_t folder, const char *name) {
    for (size_t i = 0; i < state->count; i++)
        if (state->entries[i].folder == folder && strcmp(state->entries[i].name, name) == 0) return &state->entries[i];
    return NULL;
}

static void set_name(State *state, size_t folder, const char *name, size_t node) {
    Error err;
    Entry *entry = find(state, folder, name);
    if (!entry) {
        assert_true(mem_grow(&state->entries, &state->capacity, state->count + 1, sizeof *state->entries, &err));
        entry = &state->entries[state->count++];
        entry->folder = folder;
        snprintf(entry->name, sizeof entry->name, "%s", name);
    }
    entry->node = node;
}

static Content *content(State *state, size_t node) {
    Error err;
    if (node >= state->nodes) {
        assert_true(mem_grow(&state->contents, &state->node_capacity, node + 1, sizeof *state->contents, &err));
        state->nodes = node + 1;
    }
    return &state->contents[node];
}

static void resize(Content *content, size_t length) {
    Error err;
    assert_true(mem_grow(&content->bytes, &content->capacity, length, 1, &err));
    if (length > content->length) memset(content->bytes + content->length, 0, length - content->length);
    content->length = length;
}

static void apply(State *state, const Op *op, Fate fate) {
    if (fate == LOST) return;
    if (op->kind == OP_MOVE || op->kind == OP_UNLINK) set_name(state, op->node, op->old, nowhere);
    if (op->kind == OP_LINK || op->kind == OP_MOVE) set_name(state, op->node, op->name, op->target);
    if (op->kind == OP_TRUNCATE) resize(content(state, op->node), (size_t)op->where);
    if (op->kind == OP_WRITE) {
        Content *file = content(state, op->node);
        const size_t length = fate == TORN ? op->bytes.length / 2 : op->bytes.length, end = (size_t)op->where + length;
        if (end > file->length) resize(file, end);
        if (length > 0 && fate == ZEROED)
            memset(file->bytes + op->where, 0, length);
        else if (length > 0)
            memcpy(file->bytes + op->where, op->bytes.data, length);
    }
}

/* Back to nothing, keeping its memory. */
static void clear(State *state) {
    for (size_t i = 0; i < state->nodes; i++) state->contents[i].length = 0;
    state->count = 0;
}

static void state_done(State *state) {
    for (size_t i = 0; i < state->nodes; i++) mem_free(state->contents[i].bytes);
    mem_free(state->contents);
    mem_free(state->entries);
    *state = (State){0};
}

/* One line for everything that has a name, folders before what is in them: path and hash; but not of what is trivial.
 * With `into`, puts it there as well. */
static void walk(const Disk *disk, State *state, size_t folder, const char *path, const char *into,
                 DiskTrivial *trivial, Str *out) {
    for (size_t i = 0; i < state->count; i++) {
        const Entry *entry = &state->entries[i];
        char inner[PATH_SIZE], target[2 * PATH_SIZE], hash[HASH_HEX] = "folder";
        if (entry->folder != folder || entry->node == nowhere) continue;
        snprintf(inner, sizeof inner, "%.400s/%s", path, entry->name);
        snprintf(target, sizeof target, "%s%s", into ? into : "", inner);
        const bool is_folder = disk->is_folder[entry->node];
        const Content *file = content(state, entry->node);
        const void *bytes = file->bytes ? file->bytes : (const uint8_t *)""; /* none yet: none are read */
        if (is_folder || !trivial || !trivial(entry->name)) {
            if (!is_folder) hash_hex(bytes, file->length, hash);
            str_addf(out, "%s %s\n", inner, hash);
        }
        if (into && is_folder) assert_int_equal(mkdir(target, 0777), 0);
        if (into && !is_folder) assert_true(write_bytes(target, bytes, file->length));
        if (is_folder) walk(disk, state, entry->node, inner, into, trivial, out);
    }
}

/* ---- recording --------------------------------------------------------------------------------------------------- */

static Op *add_op(Disk *disk, OpKind kind, size_t node) {
    Error err;
    assert_true(mem_grow(&disk->ops, &disk->capacity, disk->count + 1, sizeof *disk->ops, &err));
    Op *op = &disk->ops[disk->count++];
    *op = (Op){.kind = kind, .node = node, .certain = never};
    return op;
}

static size_t new_node(Disk *disk, bool is_folder) {
    Error err;
    assert_true(mem_grow(&disk->is_folder, &disk->node_capacity, disk->nodes + 1, sizeof *disk->is_folder, &err));
    disk->is_folder[disk->nodes] = is_folder;
    content(&disk->live, disk->nodes);
    return disk->nodes++;
}

static void copy_name(char out[NAME_SIZE], const char *name) {
    assert_true(strlen(name) < NAME_SIZE);
    strcpy(out, name);
}

static size_t link_new(Disk *disk, size_t folder, const char *name, bool is_folder) {
    const size_t node = new_node(disk, is_folder);
    Op *op = add_op(disk, OP_LINK, folder);
    op->target = node;
    copy_name(op->name, name);
    apply(&disk->live, op, KEPT);
    return node;
}

static void write_node(Disk *disk, size_t node, uint64_t where, const void *bytes, size_t length) {
    Op *op = add_op(disk, OP_WRITE, node);
    op->where = where;
    bytes_add(&op->bytes, bytes, length);
    apply(&disk->live, op, KEPT);
}

/* The folder that a path leads to and, in *name, the last part of the path; the root itself has the name "". nowhere:
 * not below the root. */
static size_t resolve(const Disk *disk, int folder, const char *path, char name[NAME_SIZE]) {
    const size_t length = strlen(disk->root);
    size_t node = ROOT;
    *name = '\0';
    if (folder != AT_FDCWD) {
        node = disk->open[folder];
    } else {
        if (strncmp(path, disk->root, length) != 0 || (path[length] && path[length] != '/')) return nowhere;
        path += length;
    }
    while (node != nowhere) {
        while (*path == '/') path++;
        const size_t part = strcspn(path, "/");
        if (part == 0) return node;
        assert_true(part < NAME_SIZE);
        if (*name) {
            const Entry *entry = find(&disk->live, node, name);
            node = entry ? entry->node : nowhere;
        }
        memcpy(name, path, part);
        name[part] = '\0';
        path += part;
    }
    return nowhere;
}

static void record_open(Disk *disk, const IoEvent *event) {
    char name[NAME_SIZE];
    const size_t folder = resolve(disk, event->folder, event->path, name);
    const Entry *entry = folder != nowhere && *name ? find(&disk->live, folder, name) : NULL;
    assert_true(event->fd < FDS && !(event->flags & O_TRUNC));
    size_t node = folder != nowhere && !*name ? folder : entry ? entry->node : nowhere;
    if (folder != nowhere && node == nowhere) {
        assert_true(event->flags & O_CREAT); /* else it was made past the recorder */
        node = link_new(disk, folder, name, false);
    }
    disk->open[event->fd] = node;
}

static void record_name(Disk *disk, const IoEvent *event) {
    char name[NAME_SIZE];
    const size_t folder = resolve(disk, event->folder, event->path, name);
    if (folder == nowhere) return;
    if (event->kind == IO_MKDIR) {
        link_new(disk, folder, name, true);
        return;
    }
    const Entry *entry = find(&disk->live, folder, name);
    assert_true(entry && entry->node != nowhere);
    Op *op = add_op(disk, event->kind == IO_RENAME ? OP_MOVE : OP_UNLINK, folder);
    op->target = entry->node;
    copy_name(op->old, name);
    if (event->kind == IO_RENAME) copy_name(op->name, event->to);
    apply(&disk->live, op, KEPT);
}

static void record(const IoEvent *event) {
    Disk *disk = recording;
    if (event->kind == IO_OPEN) {
        record_open(disk, event);
    } else if (event->fd < 0) {
        record_name(disk, event);
    } else if (disk->open[event->fd] != nowhere) {
        const size_t node = disk->open[event->fd];
        if (event->kind == IO_CLOSE) disk->open[event->fd] = nowhere;
        if (event->kind == IO_WRITE) write_node(disk, node, (uint64_t)event->where, event->bytes, event->length);
        if (event->kind == IO_TRUNCATE) {
            Op *op = add_op(disk, OP_TRUNCATE, node);
            op->where = (uint64_t)event->where;
            apply(&disk->live, op, KEPT);
        }
        if (event->kind == IO_FSYNC) {
            for (size_t i = 0; i < disk->count; i++)
                if (disk->ops[i].node == node && disk->ops[i].certain == never) disk->ops[i].certain = disk->count;
            add_op(disk, OP_SYNC, node);
        }
    }
}

/* What stands in a folder, as operations. */
static void load(Disk *disk, size_t folder, const char *path) {
    DIR *stream = opendir(path);
    assert_non_null(stream);
    for (struct dirent *entry; (entry = readdir(stream));) {
        char inner[PATH_SIZE + NAME_SIZE];
        struct stat about;
        if (strcmp(entry->d_name, ".") == 0 || strcmp(entry->d_name, "..") == 0) continue;
        snprintf(inner, sizeof inner, "%s/%.63s", path, entry->d_name);
        assert_int_equal(stat(inner, &about), 0);
        const size_t node = link_new(disk, folder, entry->d_name, S_ISDIR(about.st_mode));
        if (S_ISDIR(about.st_mode)) {
            load(disk, node, inner);
        } else {
            Error err;
            size_t length;
            char *bytes = file_read_all(inner, UINT32_MAX, &length, &err);
            assert_non_null(bytes);
            write_node(disk, node, 0, bytes, length);
            mem_free(bytes);
        }
    }
    closedir(stream);
}

static Disk *disk_load(const char *root) {
    Error err;
    Disk *disk = mem_alloc(1, sizeof *disk, &err);
    assert_non_null(disk);
    snprintf(disk->root, sizeof disk->root, "%s", root);
    for (size_t i = 0; i < FDS; i++) disk->open[i] = nowhere;
    new_node(disk, true);
    load(disk, ROOT, root);
    disk->first = disk->count;
    for (size_t i = 0; i < disk->count; i++) disk->ops[i].certain = i;
    return disk;
}

Disk *disk_record(const char *root) {
    assert_null(recording);
    recording = disk_load(root);
    io_recorder = record;
    return recording;
}

void disk_promise(Disk *disk, uint64_t promise) {
    add_op(disk, OP_PROMISE, nowhere)->where = promise;
}

static int by_text(const void *a, const void *b) {
    return strcmp(*(char *const *)a, *(char *const *)b);
}

/* The lines of a walk, in order. */
static void sorted_lines(const char *text, Str *out) {
    enum { LINES = 100 };
    char *copy = test_malloc(strlen(text) + 1), *lines[LINES], *rest = copy;
    size_t count = 0;
    strcpy(copy, text);
    for (char *line; (line = strsep(&rest, "\n"));) {
        assert_true(count < LINES);
        lines[count++] = line;
    }
    qsort(lines, count, sizeof *lines, by_text);
    for (size_t i = 0; i < count; i++) str_addf(out, "%s\n", lines[i]);
    test_free(copy);
}

void disk_stop(Disk *disk) {
    Str text[2] = {{0}}, sorted[2] = {{0}};
    assert_ptr_equal(recording, disk);
    recording = NULL;
    io_recorder = NULL;
    Disk *real = disk_load(disk->root);
    walk(disk, &disk->live, ROOT, "", NULL, NULL, &text[0]);
    walk(real, &real->live, ROOT, "", NULL, NULL, &text[1]);
    for (int i = 0; i < 2; i++) sorted_lines(str_text(&text[i]), &sorted[i]);
    assert_string_equal(str_text(&sorted[0]), str_text(&sorted[1]));
    for (int i = 0; i < 2; i++) {
        str_done(&text[i]);
        str_done(&sorted[i]);
    }
    disk_free(real);
}

void disk_free(Disk *disk) {
    for (size_t i = 0; i < disk->count; i++) bytes_done(&disk->ops[i].bytes);
    state_done(&disk->live);
    mem_free(disk->ops);
    mem_free(disk->is_folder);
    mem_free(disk);
}

/* ---- power losses ------------------------------------------------------------------------------------------------ */

/* One moment at which the power goes, and what has been checked. */
typedef struct Crash {
    const Disk *disk;
    const char *folder;
    DiskTrivial *trivial;
    DiskCheck *check;
    void *context;
    State state;
    size_t prefix, uncertain; /* operations so far; those that may be lost */
    uint64_t promise;
    size_t *pending; /* their numbers */
    uint8_t *fates;  /* of each operation of the disk */
    char (*seen)[HASH_HEX];
    size_t states, capacity, pending_capacity, fate_capacity;
} Crash;

static int remove_one(const char *path, const struct stat *about, int kind, struct FTW *where) {
    (void)about;
    (void)kind;
    return where->level == 0 ? 0 : remove(path);
}

/* The name under which a node was first known. */
static const char *name_of(const Disk *disk, size_t node) {
    for (size_t i = 0; i < disk->count; i++)
        if (disk->ops[i].kind == OP_LINK && disk->ops[i].target == node) return disk->ops[i].name;
    return "the root";
}

static void tell(const Crash *crash, Str *out) {
    const Disk *disk = crash->disk;
    str_addf(out, "after operation %zu of %zu", crash->prefix - disk->first, disk->count - disk->first);
    for (size_t i = 0; i < crash->uncertain; i++) {
        const Op *op = &disk->ops[crash->pending[i]];
        str_addf(out, "; %s in %s %s %s", op_names[op->kind], name_of(disk, op->node), op->name,
                 fate_names[crash->fates[crash->pending[i]]]);
    }
}

/* Makes the state of the fates and has it checked, if it is a new one. */
static void try_state(Crash *crash) {
    State *state = &crash->state;
    Str list = {0}, what = {0};
    Error err;
    char hash[HASH_HEX];
    clear(state);
    for (size_t i = 0; i < crash->prefix; i++) apply(state, &crash->disk->ops[i], crash->fates[i]);
    str_addf(&list, "%llu\n", (unsigned long long)crash->promise);
    walk(crash->disk, state, ROOT, "", NULL, crash->trivial, &list);
    hash_hex(str_text(&list), list.length, hash);
    for (size_t i = 0; i < crash->states; i++)
        if (strcmp(crash->seen[i], hash) == 0) goto out;
    assert_true(mem_grow(&crash->seen, &crash->capacity, crash->states + 1, sizeof *crash->seen, &err));
    strcpy(crash->seen[crash->states++], hash);
    assert_int_equal(nftw(crash->folder, remove_one, 8, FTW_DEPTH | FTW_PHYS), 0);
    walk(crash->disk, state, ROOT, "", crash->folder, NULL, &list);
    tell(crash, &what);
    crash->check(crash->context, crash->folder, crash->promise, str_text(&what));
out:
    str_done(&what);
    str_done(&list);
}

static void all(Crash *crash, Fate fate) {
    for (size_t i = 0; i < crash->uncertain; i++) crash->fates[crash->pending[i]] = (uint8_t)fate;
}

static void try_subsets(Crash *crash) {
    for (unsigned subset = 0; subset < 1u << crash->uncertain; subset++) {
        for (size_t i = 0; i < crash->uncertain; i++) crash->fates[crash->pending[i]] = subset >> i & 1 ? KEPT : LOST;
        try_state(crash);
    }
}

static void try_singles(Crash *crash, Fate one, Fate others) {
    for (size_t i = 0; i < crash->uncertain; i++) {
        all(crash, others);
        crash->fates[crash->pending[i]] = (uint8_t)one;
        try_state(crash);
    }
}

/* Each write in part: with all others, and as the last that was begun. */
static void try_parts(Crash *crash, Fate fate) {
    for (size_t i = 0; i < crash->uncertain; i++) {
        if (crash->disk->ops[crash->pending[i]].kind != OP_WRITE) continue;
        all(crash, KEPT);
        crash->fates[crash->pending[i]] = (uint8_t)fate;
        try_state(crash);
        for (size_t j = i + 1; j < crash->uncertain; j++) crash->fates[crash->pending[j]] = LOST;
        try_state(crash);
    }
}

/* Whether it matters what becomes of an operation: not of names that are trivial, nor of bytes that had no other name
 * until now. */
static bool matters(const Crash *crash, const Op *op) {
    const Disk *disk = crash->disk;
    if (op->kind == OP_LINK || op->kind == OP_MOVE) return disk->is_folder[op->target] || !crash->trivial(op->name);
    if (op->kind == OP_UNLINK) return !crash->trivial(op->old);
    for (size_t i = 0; i < crash->prefix; i++) {
        const Op *other = &disk->ops[i];
        const bool names = other->kind == OP_LINK || other->kind == OP_MOVE;
        if (names && other->target == op->node && !crash->trivial(other->name)) return true;
    }
    return false;
}

/* Collects the operations that may be lost. */
static void find_uncertain(Crash *crash) {
    crash->uncertain = 0;
    for (size_t i = crash->disk->first; i < crash->prefix; i++) {
        const Op *op = &crash->disk->ops[i];
        if (op->kind < OP_SYNC && op->certain >= crash->prefix && matters(crash, op))
            crash->pending[crash->uncertain++] = i;
    }
}

static void try_moment(Crash *crash, size_t random) {
    Rng rng = {.seed = 1, .stream = crash->prefix};
    all(crash, KEPT);
    try_state(crash);
    all(crash, LOST);
    try_state(crash);
    if (crash->uncertain <= ALL_SUBSETS) {
        try_subsets(crash);
    } else {
        try_singles(crash, LOST, KEPT);
        try_singles(crash, KEPT, LOST);
    }
    try_parts(crash, TORN);
    try_parts(crash, ZEROED);
    for (size_t i = 0; i < random && crash->uncertain > 1; i++) {
        for (size_t j = 0; j < crash->uncertain; j++) crash->fates[crash->pending[j]] = (uint8_t)rng_below(&rng, FATES);
        try_state(crash);
    }
    all(crash, KEPT);
}

size_t disk_crashes(const Disk *disk, const char *folder, size_t random, DiskTrivial *trivial, DiskCheck *check,
                    void *context) {
    Error err;
    Crash crash = {.disk = disk, .folder = folder, .trivial = trivial, .check = check, .context = context};
    assert_true(mem_grow(&crash.fates, &crash.fate_capacity, disk->count + 1, 1, &err));
    assert_true(mem_grow(&crash.pending, &crash.pending_capacity, disk->count + 1, sizeof *crash.pending, &err));
    for (crash.prefix = disk->first; crash.prefix <= disk->count; crash.prefix++) {
        if (crash.prefix > 0 && disk->ops[crash.prefix - 1].kind == OP_PROMISE)
            crash.promise = disk->ops[crash.prefix - 1].where;
        find_uncertain(&crash);
        try_moment(&crash, random);
    }
    state_done(&crash.state);
    mem_free(crash.fates);
    mem_free(crash.pending);
    mem_free(crash.seen);
    return crash.states;
}
