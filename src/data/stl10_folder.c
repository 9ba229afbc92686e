/* stl10_folder -- STL-10 from a folder of its binary version. */
#include "data/dataset.h"
#include "weft/base/error.h"
#include "weft/base/file.h"
#include "weft/base/memory.h"
#include "weft/base/text.h"
#include "weft/format.h"

#include <string.h>

enum { SIDE = 96, CLASSES = 10 };

static const char *const STL10_CLASSES[CLASSES] = {"airplane", "bird",  "car",    "cat",  "deer",
                                                   "dog",      "horse", "monkey", "ship", "truck"};

static const struct Part {
    const char *name, *title, *images, *labels; /* labels NULL: there are none */
} parts[] = {{"train", "STL-10 train", "train_X.bin", "train_y.bin"},
             {"test", "STL-10 test", "test_X.bin", "test_y.bin"},
             {"unlabeled", "STL-10 unlabeled", "unlabeled_X.bin", NULL}};
enum { PARTS = sizeof parts / sizeof *parts };

static bool load_part(const struct Part *part, const char *folder, uint64_t limit, Dataset *out, Error *err) {
    File *images = file_open_in(folder, part->images, err);
    File *labels = images && part->labels ? file_open_in(folder, part->labels, err) : NULL;
    ImageRecords records = {0};
    const bool ok = images && (labels || !part->labels) && stl10_parse(images, labels, limit, &records, err);
    file_close(images);
    file_close(labels);
    if (!ok) {
        image_records_done(&records);
        return false;
    }
    out->count = records.count;
    out->channels = 3;
    out->height = out->width = SIDE;
    out->pixels = records.pixels;
    out->labels = records.labels;
    out->classes = part->labels ? CLASSES : 0;
    out->class_names = part->labels ? STL10_CLASSES : NULL;
    return dataset_set_title(out, part->title, err);
}

/* DIR:PART, where DIR may hold colons. */
bool load_stl10(const char *rest, uint64_t limit, Dataset *out, Error *err) {
    static const char *const usual[] = {"stl10_binary", NULL};
    const char *colon = strrchr(rest, ':');
    const struct Part *part = NULL;
    for (size_t i = 0; i < PARTS && colon; i++)
        if (strcmp(colon + 1, parts[i].name) == 0) part = &parts[i];
    if (!part || colon == rest) return bad_form("stl10", rest, err);
    char *folder = mem_copy_bytes(rest, (size_t)(colon - rest), err);
    Str found = {0};
    const bool ok = folder && find_folder(folder, usual, (const char *const[]){part->images, NULL}, &found, err) &&
                    load_part(part, str_text(&found), limit, out, err);
    str_done(&found);
    mem_free(folder);
    return ok;
}
