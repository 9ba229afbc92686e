/* cifar_folder -- CIFAR-10 and CIFAR-100 from a folder of batches (Krizhevsky, 2009): the binary version's if there is
 * one of them, otherwise the Python version's, whose names lack the ".bin". */
#include "data/dataset.h"
#include "weft/base/error.h"
#include "weft/base/memory.h"
#include "weft/base/text.h"
#include "weft/format.h"

#include <string.h>

const char *const CIFAR10_CLASSES[10] = {"airplane", "automobile", "bird",  "cat",  "deer",
                                         "dog",      "frog",       "horse", "ship", "truck"};

enum { FILES = 5 };

/* One set of images: the files that make it up (in the binary version with ".bin" behind), in this order. */
typedef struct Part {
    const char *name, *title;
    const char *files[FILES];
} Part;

typedef struct Collection {
    const char *kind;
    bool fine;
    unsigned classes;
    const char *const *class_names;
    const char *const *folders; /* that its archives unpack to; ends with NULL */
    Part parts[2];
} Collection;

/* What is read, and from where. */
typedef struct Source {
    const Collection *collection;
    const Part *part;
    const char *folder, *ending;
    uint64_t limit;
    bool partial; /* files may be missing */
} Source;

static const char *const folders10[] = {"cifar-10-batches-bin", "cifar-10-batches-py", NULL};
static const char *const folders100[] = {"cifar-100-binary", "cifar-100-python", NULL};

static const Collection cifar10 = {
    "cifar10",
    false,
    10,
    CIFAR10_CLASSES,
    folders10,
    {{"train", "CIFAR-10 train", {"data_batch_1", "data_batch_2", "data_batch_3", "data_batch_4", "data_batch_5"}},
     {"test", "CIFAR-10 test", {"test_batch"}}}};
static const Collection cifar100 = {
    "cifar100",       true,       100,
    CIFAR100_CLASSES, folders100, {{"train", "CIFAR-100 train", {"train"}}, {"test", "CIFAR-100 test", {"test"}}}};

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

/* Adds the names of the part's files that the folder lacks; how many they are. */
static size_t list_missing(const Part *part, const char *folder, const char *ending, Str *out) {
    size_t count = 0;
    for (size_t i = 0; i < FILES && part->files[i]; i++) {
        Str path = {0};
        str_addf(&path, "%s/%s%s", folder, part->files[i], ending);
        if (!path_exists(str_text(&path))) str_addf(out, "%s%s%s", count++ ? ", " : "", part->files[i], ending);
        out->failed = out->failed || path.failed;
        str_done(&path);
    }
    return count;
}

/* Appends the records of a file, of which `limit` (0: no limit) may stand in `records` afterwards. One that is missing
 * is an error, or with `partial` adds nothing. */
static bool append(const Source *source, const char *path, ImageRecords *records, Error *err) {
    const uint64_t limit = source->limit;
    if (limit > 0 && records->count >= limit) return true;
    if (path_exists(path))
        return cifar_read(path, source->collection->fine, limit ? limit - records->count : 0, records, err);
    if (source->partial) return true;
    Str missing = {0};
    const size_t count = list_missing(source->part, source->folder, source->ending, &missing);
    if (str_ok(&missing, err))
        error_set(err, STATUS_BAD_INPUT, "%s: %s %s missing (--partial uses the others)", source->folder,
                  str_text(&missing), count == 1 ? "is" : "are");
    str_done(&missing);
    return false;
}

/* None of the part's files is there. An archive that was not unpacked may be. */
static bool no_files(const Source *source, Error *err) {
    static const char *const archives[] = {"cifar-10-python.tar.gz", "cifar-10-binary.tar.gz",
                                           "cifar-100-python.tar.gz", "cifar-100-binary.tar.gz"};
    const Part *part = source->part;
    const char *archive = NULL;
    for (size_t i = 0; i < sizeof archives / sizeof *archives && !archive; i++) {
        Str path = {0};
        str_addf(&path, "%s/%s", source->folder, archives[i]);
        if (path_exists(str_text(&path))) archive = archives[i];
        str_done(&path);
    }
    return error_set(err, STATUS_BAD_INPUT,
                     "%s: has no %s.bin%s%s%s, nor these files without .bin (Python version)%s%s", source->folder,
                     part->files[0], part->files[1] ? " to " : "", part->files[1] ? part->files[FILES - 1] : "",
                     part->files[1] ? ".bin" : "", archive ? "; unpack it first: tar xf " : "", archive ? archive : "");
}

static bool read_files(Source *source, ImageRecords *records, Error *err) {
    const Part *part = source->part;
    bool binary, plain,
        ok = has_any(part, source->folder, ".bin", &binary, err) && has_any(part, source->folder, "", &plain, err);
    if (ok && !binary && !plain) return no_files(source, err);
    source->ending = binary ? ".bin" : "";
    for (size_t i = 0; i < FILES && part->files[i] && ok; i++) {
        Str path = {0};
        ok = path_of(source->folder, part->files[i], source->ending, &path, err) &&
             append(source, str_text(&path), records, err);
        str_done(&path);
    }
    return ok;
}

static bool set_title(const Source *source, Dataset *out, Error *err) {
    Str title = {0}, missing = {0};
    str_add(&title, source->part->title);
    if (list_missing(source->part, source->folder, source->ending, &missing) > 0 && source->partial)
        str_addf(&title, " (without %s)", str_text(&missing));
    const bool ok = str_ok(&missing, err) && str_ok(&title, err) && dataset_set_title(out, str_text(&title), err);
    str_done(&title);
    str_done(&missing);
    return ok;
}

static bool load_part(Source *source, Dataset *out, Error *err) {
    ImageRecords records = {0};
    if (!read_files(source, &records, err)) {
        image_records_done(&records);
        return false;
    }
    *out = (Dataset){.spec = out->spec,
                     .count = records.count,
                     .channels = 3,
                     .height = 32,
                     .width = 32,
                     .classes = source->collection->classes,
                     .class_names = source->collection->class_names,
                     .pixels = records.pixels,
                     .labels = records.labels};
    return set_title(source, out, err);
}

static bool find_source(Source *source, const char *folder, Str *found, Error *err) {
    const char *files[2 * FILES + 1] = {NULL};
    size_t count = 0;
    Str names[FILES] = {{0}};
    bool ok = true;
    for (size_t i = 0; i < FILES && source->part->files[i]; i++) {
        str_addf(&names[i], "%s.bin", source->part->files[i]);
        ok = ok && str_ok(&names[i], err);
        files[count++] = str_text(&names[i]);
        files[count++] = source->part->files[i];
    }
    ok = ok && find_folder(folder, source->collection->folders, files, found, err);
    for (size_t i = 0; i < FILES; i++) str_done(&names[i]);
    source->folder = str_text(found);
    return ok;
}

/* DIR:PART[:partial], where DIR may hold colons. */
static bool load_collection(const Collection *collection, const char *rest, uint64_t limit, Dataset *out, Error *err) {
    static const char partial[] = ":partial";
    const size_t tail = sizeof partial - 1;
    size_t length = strlen(rest), at;
    Source source = {.collection = collection, .limit = limit};
    if (length > tail && strcmp(rest + length - tail, partial) == 0) {
        source.partial = true;
        length -= tail;
    }
    for (at = length; at > 0 && rest[at - 1] != ':';) at--;
    for (size_t i = 0; i < 2 && at > 1; i++) {
        const char *name = collection->parts[i].name;
        if (strlen(name) == length - at && memcmp(rest + at, name, length - at) == 0)
            source.part = &collection->parts[i];
    }
    if (!source.part) return bad_form(collection->kind, rest, err);
    char *folder = mem_copy_bytes(rest, at - 1, err);
    Str found = {0};
    const bool ok = folder && find_source(&source, folder, &found, err) && load_part(&source, out, err);
    str_done(&found);
    mem_free(folder);
    return ok;
}

bool load_cifar10(const char *rest, uint64_t limit, Dataset *out, Error *err) {
    return load_collection(&cifar10, rest, limit, out, err);
}

bool load_cifar100(const char *rest, uint64_t limit, Dataset *out, Error *err) {
    return load_collection(&cifar100, rest, limit, out, err);
}
