/* cifar_folder -- CIFAR-10 and CIFAR-100 from a folder of batches (Krizhevsky, 2009): the binary version's where there
 * is one of them, else the Python version's, whose names lack the ".bin". */
#include "data/dataset.h"
#include "weft/format.h"

#include <string.h>

const char *const CIFAR10_CLASSES[10] = {"airplane", "automobile", "bird",  "cat",  "deer",
                                         "dog",      "frog",       "horse", "ship", "truck"};

enum { FILES = 5 };

/* One set of images: the files that make it up (in the binary version with ".bin" behind), as many as there are, in
 * this order. */
typedef struct Part {
    const char *name, *title;
    const char *files[FILES];
} Part;

typedef struct Collection {
    const char *kind;
    bool fine;
    unsigned classes;
    const char *const *class_names;
    Part parts[2];
} Collection;

static const Collection cifar10 = {
    "cifar10",
    false,
    10,
    CIFAR10_CLASSES,
    {{"train", "CIFAR-10 train", {"data_batch_1", "data_batch_2", "data_batch_3", "data_batch_4", "data_batch_5"}},
     {"test", "CIFAR-10 test", {"test_batch"}}}};
static const Collection cifar100 = {"cifar100",
                                    true,
                                    100,
                                    CIFAR100_CLASSES,
                                    {{"train", "CIFAR-100 train", {"train"}}, {"test", "CIFAR-100 test", {"test"}}}};

/* FOLDER/NAME.ENDING; false where memory failed. */
static bool path_of(const char *folder, const char *name, const char *ending, Str *out, Error *err) {
    str_addf(out, "%s/%s%s", folder, name, ending);
    return str_ok(out, err);
}

/* Whether the folder has any file of the part with this ending. */
static bool has_any(const Part *part, const char *folder, const char *ending, bool *found, Error *err) {
    bool ok = true;
    *found = false;
    for (size_t i = 0; i < FILES && part->files[i] && ok && !*found; i++) {
        Str path = {0};
        ok = path_of(folder, part->files[i], ending, &path, err);
        *found = ok && path_exists(str_text(&path));
        str_done(&path);
    }
    return ok;
}

/* Appends the records of a file, of which `limit` (0: no limit) may stand in `records` afterwards. A file that does not
 * exist adds nothing. */
static bool append(const char *path, bool fine, uint64_t limit, ImageRecords *records, Error *err) {
    if (!path_exists(path) || (limit > 0 && records->count >= limit)) return true;
    return cifar_read(path, fine, limit ? limit - records->count : 0, records, err);
}

static bool read_files(const Part *part, const char *folder, bool fine, uint64_t limit, ImageRecords *records,
                       Error *err) {
    bool binary, ok = has_any(part, folder, ".bin", &binary, err);
    for (size_t i = 0; i < FILES && part->files[i] && ok; i++) {
        Str path = {0};
        ok = path_of(folder, part->files[i], binary ? ".bin" : "", &path, err) &&
             append(str_text(&path), fine, limit, records, err);
        str_done(&path);
    }
    if (ok && records->count == 0)
        ok = error_set(err, STATUS_BAD_INPUT, "%s: no %s.bin%s%s%s in it, nor without the .bin (Python's)", folder,
                       part->files[0], part->files[1] ? " to " : "", part->files[1] ? part->files[FILES - 1] : "",
                       part->files[1] ? ".bin" : "");
    return ok;
}

static bool load_part(const Collection *collection, const Part *part, const char *folder, uint64_t limit, Dataset *out,
                      Error *err) {
    ImageRecords records = {0};
    if (!read_files(part, folder, collection->fine, limit, &records, err)) {
        image_records_done(&records);
        return false;
    }
    *out = (Dataset){.spec = out->spec,
                     .count = records.count,
                     .channels = 3,
                     .height = 32,
                     .width = 32,
                     .classes = collection->classes,
                     .class_names = collection->class_names,
                     .pixels = records.pixels,
                     .labels = records.labels};
    return dataset_set_title(out, part->title, err);
}

/* DIR:PART, where DIR may hold colons. */
static bool load_collection(const Collection *collection, const char *rest, uint64_t limit, Dataset *out, Error *err) {
    const char *colon = strrchr(rest, ':');
    const Part *part = NULL;
    for (size_t i = 0; i < 2 && colon; i++)
        if (strcmp(colon + 1, collection->parts[i].name) == 0) part = &collection->parts[i];
    if (!part || colon == rest) return bad_form(collection->kind, rest, err);
    char *folder = mem_copy_bytes(rest, (size_t)(colon - rest), err);
    bool ok = folder && load_part(collection, part, folder, limit, out, err);
    mem_free(folder);
    return ok;
}

bool load_cifar10(const char *rest, uint64_t limit, Dataset *out, Error *err) {
    return load_collection(&cifar10, rest, limit, out, err);
}

bool load_cifar100(const char *rest, uint64_t limit, Dataset *out, Error *err) {
    return load_collection(&cifar100, rest, limit, out, err);
}
