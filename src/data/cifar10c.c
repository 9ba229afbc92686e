/* cifar10c -- CIFAR-10-C and CIFAR-100-C as published (zenodo.org/records/2535967, 3555552): a folder with one KIND.npy
 * for each corruption and one labels.npy for all of them.
 *
 *     KIND.npy    u1 (5 N, 32, 32, 3): N images, rows of pixels of three bytes; severity 1 first (N is 10000)
 *     labels.npy  (5 N): integers of any type, 0 to 9 or 99
 *
 * Only the rows of one severity are read.
 */
#include <string.h>

#include "data/dataset.h"
#include "weft/base/dtype.h"
#include "weft/base/error.h"
#include "weft/base/file.h"
#include "weft/base/memory.h"
#include "weft/base/task.h"
#include "weft/base/text.h"
#include "weft/format.h"

enum { AREA = 32 * 32, PIXELS = 3 * AREA, ROWS_AT_ONCE = 64 };

typedef struct Corrupted {
    const char *kind, *title;
    const char *folders[2]; /* that the archive unpacks to, and NULL */
    unsigned classes;
    const char *const *class_names;
} Corrupted;
static const Corrupted of_cifar10 = {"cifar10c", "CIFAR-10-C", {"CIFAR-10-C", NULL}, 10, CIFAR10_CLASSES};
static const Corrupted of_cifar100 = {"cifar100c", "CIFAR-100-C", {"CIFAR-100-C", NULL}, 100, CIFAR100_CLASSES};

static File *open_array(const char *folder, const char *name, NpyHeader *header, Error *err) {
    Str path = {0};
    str_addf(&path, "%s/%s.npy", folder, name);
    File *file = str_ok(&path, err) ? file_open(str_text(&path), err) : NULL;
    str_done(&path);
    if (!file || npy_open_rows(file, header, err)) return file;
    file_close(file);
    return NULL;
}

static bool check_images(const File *file, const NpyHeader *header, Error *err) {
    if (header->dtype != DTYPE_U8 || header->rank != 4)
        return error_set(err, STATUS_BAD_INPUT, "%s: images must have rank 4 and type U8, not rank %u and type %s",
                         file_name(file), header->rank, dtype_name(header->dtype));
    if (header->dim[1] != 32 || header->dim[2] != 32 || header->dim[3] != 3)
        return error_set(err, STATUS_BAD_INPUT, "%s: images must be 32x32x3, not %llux%llux%llu", file_name(file),
                         (unsigned long long)header->dim[1], (unsigned long long)header->dim[2],
                         (unsigned long long)header->dim[3]);
    if (header->dim[0] == 0 || header->dim[0] % SEVERITIES)
        return error_set(err, STATUS_BAD_INPUT, "%s: %llu images cannot be divided equally among %d severities",
                         file_name(file), (unsigned long long)header->dim[0], SEVERITIES);
    return true;
}

static bool check_labels(const File *file, const NpyHeader *header, uint64_t images, Error *err) {
    if (!labels_check(file_name(file), header->rank, header->dtype, err)) return false;
    return header->dim[0] == images ||
           error_set(err, STATUS_BAD_INPUT, "%s: %llu labels for %llu images", file_name(file),
                     (unsigned long long)header->dim[0], (unsigned long long)images);
}

/* Labels of `count` rows from `first` on. */
static bool read_labels(const File *file, const NpyHeader *header, uint64_t first, uint64_t count, unsigned classes,
                        uint16_t *out, Error *err) {
    IdxArray rows = {.dtype = header->dtype, .data = mem_alloc(count, dtype_bits(header->dtype) / 8, err)};
    bool ok = rows.data && npy_read_rows(file, header, first, count, rows.data, err);
    for (uint64_t i = 0; ok && i < count; i++) {
        const int64_t label = label_at(&rows, i);
        if (label < 0 || label >= classes)
            ok = error_set(err, STATUS_BAD_INPUT, "%s: the label of row %llu is not between 0 and %u", file_name(file),
                           (unsigned long long)(first + i), classes - 1);
        else
            out[i] = (uint16_t)label;
    }
    idx_done(&rows);
    return ok;
}

/* Rows of pixels become planes. */
static bool read_images(const File *file, const NpyHeader *header, uint64_t first, uint64_t count, uint8_t *out,
                        Error *err) {
    uint8_t *rows = mem_alloc(ROWS_AT_ONCE, PIXELS, err);
    bool ok = rows != NULL;
    for (uint64_t done = 0; ok && done < count;) {
        const uint64_t some = count - done < ROWS_AT_ONCE ? count - done : ROWS_AT_ONCE;
        ok = task_step(NULL, "reading", done, count, err) && npy_read_rows(file, header, first + done, some, rows, err);
        for (uint64_t i = 0; ok && i < some; i++, done++)
            channels_apart(rows + i * PIXELS, AREA, 3, out + done * PIXELS);
    }
    mem_free(rows);
    return ok;
}

static bool read_severity(const Corrupted *about, const File *images, const NpyHeader *image_header, const File *labels,
                          const NpyHeader *label_header, unsigned severity, uint64_t limit, Dataset *out, Error *err) {
    const uint64_t each = image_header->dim[0] / SEVERITIES, first = each * (severity - 1);
    const uint64_t count = limit && limit < each ? limit : each;
    *out = (Dataset){.spec = out->spec,
                     .count = count,
                     .channels = 3,
                     .height = 32,
                     .width = 32,
                     .classes = about->classes,
                     .class_names = about->class_names};
    return mem_admit(count * (PIXELS + sizeof *out->labels), file_name(images), err) &&
           (out->pixels = mem_alloc(count, PIXELS, err)) &&
           (out->labels = mem_alloc(count, sizeof *out->labels, err)) &&
           read_labels(labels, label_header, first, count, about->classes, out->labels, err) &&
           read_images(images, image_header, first, count, out->pixels, err);
}

static bool load_folder(const Corrupted *about, const char *folder, CorruptionKind kind, unsigned severity,
                        uint64_t limit, Dataset *out, Error *err) {
    NpyHeader image_header, label_header;
    Str title = {0};
    File *labels = NULL, *images = open_array(folder, corruption_name(kind), &image_header, err);
    bool ok = images && check_images(images, &image_header, err) &&
              (labels = open_array(folder, "labels", &label_header, err)) &&
              check_labels(labels, &label_header, image_header.dim[0], err) &&
              read_severity(about, images, &image_header, labels, &label_header, severity, limit, out, err);
    str_addf(&title, "%s %s at severity %u", about->title, corruption_name(kind), severity);
    ok = ok && str_ok(&title, err) && dataset_set_title(out, str_text(&title), err);
    str_done(&title);
    file_close(labels);
    file_close(images);
    return ok;
}

/* DIR:KIND:SEVERITY, where DIR may hold colons. */
static bool load_corrupted(const Corrupted *about, const char *rest, uint64_t limit, Dataset *out, Error *err) {
    static const char *const labels[] = {"labels.npy", NULL};
    CorruptionChoice choice;
    const char *colon = strrchr(rest, ':');
    while (colon && colon > rest && *--colon != ':') continue;
    if (!colon || colon == rest || *colon != ':') return bad_form(about->kind, rest, err);
    if (!corruption_choose(colon + 1, &choice, err)) return false;
    if (!corruption_single(&choice))
        return error_set(err, STATUS_USAGE, "%s: each file holds a single kind of corruption, not '%s'", about->kind,
                         colon + 1);
    char *folder = mem_copy_bytes(rest, (size_t)(colon - rest), err);
    Str found = {0};
    const bool ok = folder && find_usual(folder, about->folders, labels, &found, err) &&
                    load_folder(about, str_text(&found), choice.first, choice.low, limit, out, err);
    str_done(&found);
    mem_free(folder);
    return ok;
}

bool load_cifar10c(const char *rest, uint64_t limit, Dataset *out, Error *err) {
    return load_corrupted(&of_cifar10, rest, limit, out, err);
}

bool load_cifar100c(const char *rest, uint64_t limit, Dataset *out, Error *err) {
    return load_corrupted(&of_cifar100, rest, limit, out, err);
}
