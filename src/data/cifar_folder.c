/* cifar_folder -- CIFAR-10 and CIFAR-100 from a folder of binary batches (Krizhevsky, 2009). */
#include "data/dataset.h"
#include "weft/format.h"

#include <string.h>

const char *const CIFAR10_CLASSES[10] = {"airplane", "automobile", "bird",  "cat",  "deer",
                                         "dog",      "frog",       "horse", "ship", "truck"};

/* One set of images: the files that make it up, as many as there are, in this order. */
typedef struct Part {
    const char *name, *title;
    const char *files[5];
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
    {{"train",
      "CIFAR-10 train",
      {"data_batch_1.bin", "data_batch_2.bin", "data_batch_3.bin", "data_batch_4.bin", "data_batch_5.bin"}},
     {"test", "CIFAR-10 test", {"test_batch.bin"}}}};
static const Collection cifar100 = {
    "cifar100",
    true,
    100,
    CIFAR100_CLASSES,
    {{"train", "CIFAR-100 train", {"train.bin"}}, {"test", "CIFAR-100 test", {"test.bin"}}}};

/* Appends the records of FOLDER/NAME, of which `limit` (0: no limit) may stand in `records` afterwards. A file that
 * does not exist adds nothing. */
static bool append(const char *folder, const char *name, bool fine, uint64_t limit, ImageRecords *records, Error *err) {
    Str path = {0};
    str_addf(&path, "%s/%s", folder, name);
    bool ok = str_ok(&path, err);
    if (ok && path_exists(str_text(&path)) && (limit == 0 || records->count < limit))
        ok = cifar_read(str_text(&path), fine, limit ? limit - records->count : 0, records, err);
    str_done(&path);
    return ok;
}

static bool load_part(const Collection *collection, const Part *part, const char *folder, uint64_t limit, Dataset *out,
                      Error *err) {
    ImageRecords records = {0};
    const size_t files = sizeof part->files / sizeof *part->files;
    for (size_t i = 0; i < files && part->files[i]; i++)
        if (!append(folder, part->files[i], collection->fine, limit, &records, err)) {
            image_records_done(&records);
            return false;
        }
    if (records.count == 0)
        return error_set(err, STATUS_BAD_INPUT, "%s: no %s%s%s in it", folder, part->files[0],
                         part->files[1] ? " to " : "", part->files[1] ? part->files[files - 1] : "");
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
