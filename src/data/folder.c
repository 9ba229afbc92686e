/* folder -- the image files below a folder, class by class.
 *
 * Folders wait in a list, the root first; each that is read adds its own to the end. No recursion: each folder knows
 * its depth, and one that is its own ancestor (a link) is refused.
 */
#include "data/folder.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <sys/stat.h>

#include "weft/base/error.h"
#include "weft/base/fault.h"
#include "weft/base/memory.h"
#include "weft/base/task.h"
#include "weft/base/text.h"

typedef struct Waiting {
    size_t path, parent; /* parent: in the list */
    unsigned class, depth;
    dev_t device;
    ino_t inode;
} Waiting;

typedef struct Walk {
    FolderTree *tree;
    Waiting *folders;
    size_t count, capacity;
    size_t reading; /* the one that is being read */
} Walk;

static bool fault(const Walk *walk, const char *path, Status status, const char *reason, Error *err) {
    return error_set(err, status, "%s%s%s: %s", walk->tree->root, *path ? "/" : "", path, reason);
}

/* ---- names ------------------------------------------------------------------------------------------------------- */

static bool is_picture(const char *name) {
    static const char *const endings[] = {".png", ".jpg", ".jpeg"};
    const size_t length = strlen(name);
    for (size_t i = 0; i < sizeof endings / sizeof *endings; i++) {
        const size_t size = strlen(endings[i]);
        if (length > size && strcasecmp(name + length - size, endings[i]) == 0) return true;
    }
    return false;
}

static bool is_hidden(const char *name) {
    return name[0] == '.' || strcmp(name, "__MACOSX") == 0;
}

bool folder_is_part(const char *name) {
    static const char *const parts[] = {"train", "training", "val",  "valid", "validation",
                                        "test",  "testing",  "eval", "dev"};
    for (size_t i = 0; i < sizeof parts / sizeof *parts; i++)
        if (strcasecmp(name, parts[i]) == 0) return true;
    return false;
}

/* FOLDER/NAME, or NAME alone in the root, into the tree's text. */
static bool keep_path(Walk *walk, const char *name, size_t *out, Error *err) {
    FolderTree *tree = walk->tree;
    const size_t folder = walk->folders[walk->reading].path;
    const size_t before = strlen(tree->text + folder), length = strlen(name), slash = before > 0;
    if (!mem_grow(&tree->text, &tree->text_capacity, tree->text_length + before + slash + length + 1, 1, err))
        return false;
    char *to = tree->text + tree->text_length;
    memcpy(to, tree->text + folder, before);
    if (slash) to[before] = '/';
    memcpy(to + before + slash, name, length + 1);
    *out = tree->text_length;
    tree->text_length += before + slash + length + 1;
    return true;
}

/* ---- one folder -------------------------------------------------------------------------------------------------- */

static bool add_file(Walk *walk, const char *name, Error *err) {
    FolderTree *tree = walk->tree;
    if (tree->count >= FOLDER_FILES_MOST)
        return error_set(err, STATUS_LIMIT, "%s: more than %d image files", tree->root, FOLDER_FILES_MOST);
    FolderFile file = {.class = walk->folders[walk->reading].class};
    if (!keep_path(walk, name, &file.path, err) ||
        !mem_grow(&tree->files, &tree->capacity, tree->count + 1, sizeof file, err))
        return false;
    tree->files[tree->count++] = file;
    return true;
}

static bool add_folder(Walk *walk, const char *name, const struct stat *about, Error *err) {
    Waiting folder = {.parent = walk->reading, .device = about->st_dev, .inode = about->st_ino};
    folder.class = walk->folders[walk->reading].class;
    folder.depth = walk->folders[walk->reading].depth + 1;
    if (!keep_path(walk, name, &folder.path, err)) return false;
    const char *path = walk->tree->text + folder.path;
    if (folder.depth > FOLDER_DEPTH) return fault(walk, path, STATUS_LIMIT, "folders nested deeper than 16", err);
    if (walk->count > FOLDER_FILES_MOST) return fault(walk, path, STATUS_LIMIT, "more than 1000000 folders", err);
    for (size_t up = walk->reading;; up = walk->folders[up].parent) {
        if (walk->folders[up].device == folder.device && walk->folders[up].inode == folder.inode)
            return fault(walk, path, STATUS_BAD_INPUT, "it links back to a parent folder", err);
        if (up == 0) break;
    }
    if (!mem_grow(&walk->folders, &walk->capacity, walk->count + 1, sizeof folder, err)) return false;
    walk->folders[walk->count++] = folder;
    return true;
}

/* What is neither a folder nor named as an image is none of ours; a link to nowhere is left to whoever opens it. */
static bool add_entry(Walk *walk, int folder, const struct dirent *entry, Error *err) {
    struct stat about;
    const bool picture = is_picture(entry->d_name);
    if (is_hidden(entry->d_name)) {
        walk->tree->hidden += strcmp(entry->d_name, ".") != 0 && strcmp(entry->d_name, "..") != 0;
        return true;
    }
    if (entry->d_type != DT_REG && fstatat(folder, entry->d_name, &about, 0) == 0 && S_ISDIR(about.st_mode))
        return add_folder(walk, entry->d_name, &about, err);
    if (picture) return add_file(walk, entry->d_name, err);
    walk->tree->others++;
    return true;
}

static bool read_entries(Walk *walk, DIR *listing, Error *err) {
    for (;;) {
        errno = 0;
        const struct dirent *entry = readdir(listing);
        if (!entry) break;
        if (!task_step(NULL, "reading", 0, 0, err) || !add_entry(walk, dirfd(listing), entry, err)) return false;
    }
    const char *path = walk->tree->text + walk->folders[walk->reading].path;
    return errno == 0 || fault(walk, path, STATUS_BAD_INPUT, strerror(errno), err);
}

static bool read_folder(Walk *walk, Error *err) {
    const char *path = walk->tree->text + walk->folders[walk->reading].path;
    Str whole = {0};
    str_addf(&whole, "%s%s%s", walk->tree->root, *path ? "/" : "", path);
    if (!str_ok(&whole, err)) {
        str_done(&whole);
        return false;
    }
    const bool refused = fault_hit(FAULT_OPEN);
    if (refused) errno = EMFILE;
    DIR *listing = refused ? NULL : opendir(str_text(&whole));
    bool ok = listing || fault(walk, path, STATUS_BAD_INPUT, strerror(errno), err);
    str_done(&whole);
    struct stat about;
    if (ok && walk->reading == 0 && fstat(dirfd(listing), &about) == 0) {
        walk->folders[0].device = about.st_dev;
        walk->folders[0].inode = about.st_ino;
    }
    ok = ok && read_entries(walk, listing, err);
    if (listing) closedir(listing);
    return ok;
}

/* ---- the tree ---------------------------------------------------------------------------------------------------- */

static int by_name(const void *a, const void *b, void *text) {
    return strcmp((const char *)text + ((const Waiting *)a)->path, (const char *)text + ((const Waiting *)b)->path);
}

/* Digits alone, of any number: the longer one is the larger. */
static int by_number(const void *a, const void *b, void *text) {
    const char *x = (const char *)text + ((const Waiting *)a)->path;
    const char *y = (const char *)text + ((const Waiting *)b)->path;
    const char *from = x + strspn(x, "0"), *to = y + strspn(y, "0");
    const size_t length = strlen(from), other = strlen(to);
    if (length != other) return length < other ? -1 : 1;
    const int order = strcmp(from, to);
    return order ? order : strcmp(x, y);
}

static int by_class(const void *a, const void *b, void *text) {
    const FolderFile *x = a, *y = b;
    if (x->class != y->class) return x->class < y->class ? -1 : 1;
    return strcmp((const char *)text + x->path, (const char *)text + y->path);
}

/* Folders called train and val are the parts of a dataset. */
static bool check_parts(const Walk *walk, Error *err) {
    const FolderTree *tree = walk->tree;
    Str names = {0};
    bool parts = walk->count > 1;
    for (size_t i = 1; i < walk->count; i++) {
        const char *name = tree->text + walk->folders[i].path;
        parts = parts && folder_is_part(name);
        str_addf(&names, "%s%s", i > 1 ? ", " : "", name);
    }
    if (parts && str_ok(&names, err))
        error_set(err, STATUS_BAD_INPUT, "%s: holds %s, which are not classes; choose one with images:%s:%s",
                  tree->root, str_text(&names), tree->root, tree->text + walk->folders[1].path);
    const bool ok = !parts && str_ok(&names, err);
    str_done(&names);
    return ok;
}

/* The folders in the root, which has been read, become classes. */
static bool make_classes(Walk *walk, Error *err) {
    FolderTree *tree = walk->tree;
    const size_t classes = walk->count - 1;
    bool numbers = true;
    if (classes > 0 && tree->count > 0)
        return fault(walk, tree->text + tree->files[0].path, STATUS_BAD_INPUT,
                     "the image is beside the class folders, so its class is unknown", err);
    if (classes > FOLDER_CLASSES_MOST)
        return error_set(err, STATUS_LIMIT, "%s: %zu classes; at most %d are possible", tree->root, classes,
                         FOLDER_CLASSES_MOST);
    for (size_t i = 1; i <= classes; i++) {
        const char *name = tree->text + walk->folders[i].path;
        numbers = numbers && !name[strspn(name, "0123456789")];
    }
    qsort_r(walk->folders + 1, classes, sizeof *walk->folders, numbers ? by_number : by_name, tree->text);
    if (!check_parts(walk, err) || !(tree->classes = mem_alloc(classes, sizeof *tree->classes, err)) ||
        !(tree->empty = mem_alloc(classes, sizeof *tree->empty, err)))
        return false;
    for (size_t i = 0; i < classes; i++) {
        walk->folders[i + 1].class = (unsigned)i;
        tree->classes[i] = walk->folders[i + 1].path;
    }
    tree->class_count = (unsigned)classes;
    return true;
}

/* The files are in order; what has none of them is no class. */
static bool drop_empty(FolderTree *tree, Error *err) {
    size_t file = 0;
    unsigned kept = 0;
    if (tree->count == 0)
        return error_set(err, STATUS_BAD_INPUT, "%s: no PNG or JPEG files %s", tree->root,
                         tree->class_count > 0 ? "in its subfolders" : "and no subfolders with such files");
    for (unsigned c = 0; c < tree->class_count; c++) {
        if (file == tree->count || tree->files[file].class != c) {
            tree->empty[tree->empty_count++] = tree->classes[c];
            continue;
        }
        tree->classes[kept] = tree->classes[c];
        while (file < tree->count && tree->files[file].class == c) tree->files[file++].class = kept;
        kept++;
    }
    tree->class_count = kept;
    return true;
}

bool folder_read(const char *root, FolderTree *out, Error *err) {
    Walk walk = {.tree = out};
    out->root = root;
    bool ok = mem_grow(&walk.folders, &walk.capacity, 1, sizeof *walk.folders, err) &&
              mem_grow(&out->text, &out->text_capacity, 1, 1, err);
    if (ok) { /* the root's path is empty */
        walk.count = 1;
        out->text_length = 1;
        ok = read_folder(&walk, err) && make_classes(&walk, err);
    }
    for (walk.reading = 1; ok && walk.reading < walk.count; walk.reading++) ok = read_folder(&walk, err);
    mem_free(walk.folders);
    if (!ok) return false;
    if (out->count > 0) qsort_r(out->files, out->count, sizeof *out->files, by_class, out->text);
    return drop_empty(out, err);
}

void folder_done(FolderTree *tree) {
    mem_free(tree->files);
    mem_free(tree->classes);
    mem_free(tree->empty);
    mem_free(tree->text);
    *tree = (FolderTree){0};
}

void folder_path(const FolderTree *tree, size_t file, Str *out) {
    str_addf(out, "%s/%s", tree->root, tree->text + tree->files[file].path);
}
