/* npz_file -- a dataset from the arrays of one .npz: npz:FILE[:PART] or npz:FILE:IMAGES,LABELS.
 *
 * The names tell which arrays are images and labels: x_test and y_test (Keras), test_images and test_labels
 * (MedMNIST), images and labels, arr_0 and arr_1 (numpy.savez without names), in any case. If no names do, the only
 * array of rank 3 or 4 holds images and the only integers of rank 1 labels.
 */
#include <stdio.h>
#include <string.h>
#include <strings.h>

#include "data/arrays.h"
#include "data/folder.h"
#include "weft/base/dtype.h"
#include "weft/base/error.h"
#include "weft/base/memory.h"
#include "weft/base/size.h"
#include "weft/base/text.h"

enum { NAME_MOST = 64 };

/* Names of images and what their labels are called; X(images, labels). */
#define PAIRS(X)           \
    X("images", "labels")  \
    X("x", "y")            \
    X("data", "labels")    \
    X("image", "label")    \
    X("images", "y")       \
    X("x", "labels")       \
    X("data", "targets")   \
    X("images", "targets") \
    X("data", "y")         \
    X("imgs", "labels")    \
    X("data", "label")     \
    X("arr_0", "arr_1")

static const char *const pairs[][2] = {
#define X(images, labels) {images, labels},
    PAIRS(X)
#undef X
};
enum { PAIR_COUNT = sizeof pairs / sizeof *pairs };

typedef struct Found {
    size_t images, labels; /* of the checkpoint's arrays; labels SIZE_MAX: there are none */
} Found;

static size_t find_array(const Checkpoint *file, const char *name) {
    for (size_t i = 0; i < checkpoint_count(file); i++)
        if (strcasecmp(checkpoint_tensor(file, i)->name, name) == 0) return i;
    return SIZE_MAX;
}

/* NAME, or with a part NAME_PART or PART_NAME. */
static size_t find_named(const Checkpoint *file, const char *name, const char *part) {
    char text[NAME_MOST];
    if (!*part) return find_array(file, name);
    snprintf(text, sizeof text, "%s_%s", name, part);
    const size_t behind = find_array(file, text);
    if (behind != SIZE_MAX) return behind;
    snprintf(text, sizeof text, "%s_%s", part, name);
    return find_array(file, text);
}

/* The first pair of names of which both are there, else images alone. */
static bool find_pair(const Checkpoint *file, const char *part, Found *out) {
    *out = (Found){SIZE_MAX, SIZE_MAX};
    for (size_t i = 0; i < PAIR_COUNT; i++) {
        const Found found = {find_named(file, pairs[i][0], part), find_named(file, pairs[i][1], part)};
        if (found.images == SIZE_MAX || checkpoint_tensor(file, found.images)->rank < 3) continue;
        if (out->images == SIZE_MAX || found.labels != SIZE_MAX) *out = found;
        if (found.labels != SIZE_MAX) return true;
    }
    return out->images != SIZE_MAX;
}

static bool find_by_shape(const Checkpoint *file, Found *out) {
    size_t images = 0, labels = 0;
    *out = (Found){SIZE_MAX, SIZE_MAX};
    for (size_t i = 0; i < checkpoint_count(file); i++) {
        const CheckpointTensor *array = checkpoint_tensor(file, i);
        if (array->rank == 3 || array->rank == 4) {
            out->images = i;
            images++;
        } else if (dtype_integer(array->dtype) && (array->rank == 1 || (array->rank == 2 && array->dim[1] == 1))) {
            out->labels = i;
            labels++;
        }
    }
    if (labels > 1) return false;
    return images == 1;
}

/* ---- choosing ---------------------------------------------------------------------------------------------------- */

static const char *const parts[] = {"train", "val", "valid", "validation", "test", "dev"};
enum { PART_COUNT = sizeof parts / sizeof *parts };

static void list_arrays(const Checkpoint *file, Str *out) {
    for (size_t i = 0; i < checkpoint_count(file); i++)
        str_addf(out, "%s%s", i ? ", " : "", checkpoint_tensor(file, i)->name);
}

static bool no_pair(const Checkpoint *file, const char *part, Error *err) {
    Str names = {0};
    list_arrays(file, &names);
    if (str_ok(&names, err))
        error_set(err, STATUS_BAD_INPUT,
                  "%s: cannot tell images and labels%s%s among %s; name them: npz:FILE:IMAGES,LABELS",
                  checkpoint_path(file), *part ? " of " : "", part, str_text(&names));
    str_done(&names);
    return false;
}

/* Without a part: the names without one, else the only part there is. */
static bool choose_pair(const Checkpoint *file, const char *part, Found *out, Error *err) {
    Str several = {0};
    size_t count = 0;
    if (find_pair(file, part, out)) return true;
    if (*part) return no_pair(file, part, err);
    for (size_t i = 0; i < PART_COUNT; i++) {
        Found found;
        if (!find_pair(file, parts[i], &found)) continue;
        if (count++ == 0) *out = found;
        str_addf(&several, "%s%s", count > 1 ? ", " : "", parts[i]);
    }
    bool ok = count == 1;
    if (count > 1 && str_ok(&several, err))
        error_set(err, STATUS_BAD_INPUT, "%s: holds %s; choose one with npz:FILE:PART", checkpoint_path(file),
                  str_text(&several));
    else if (count == 0)
        ok = find_by_shape(file, out) || no_pair(file, "", err);
    str_done(&several);
    return ok;
}

static bool choose_names(const Checkpoint *file, const char *names, Found *out, Error *err) {
    const char *comma = strchr(names, ',');
    const char *const wanted[2] = {names, comma + 1};
    size_t *const places[2] = {&out->images, &out->labels};
    for (size_t i = 0; i < 2; i++) {
        char *name = mem_copy_bytes(wanted[i], i == 0 ? (size_t)(comma - names) : strlen(wanted[i]), err);
        if (!name) return false;
        const bool found = checkpoint_find(file, name, places[i]);
        if (!found) error_set(err, STATUS_BAD_INPUT, "%s: no array '%s'", checkpoint_path(file), name);
        mem_free(name);
        if (!found) return false;
    }
    return true;
}

/* ---- reading ----------------------------------------------------------------------------------------------------- */

/* Array `index`, of which `limit` (0: all) of the first dimension count. */
static bool read_array(Checkpoint *file, size_t index, uint64_t limit, IdxArray *out, Error *err) {
    const CheckpointTensor *array = checkpoint_tensor(file, index);
    if (array->rank < 1 || array->rank > sizeof out->dim / sizeof *out->dim)
        return error_set(err, STATUS_BAD_INPUT, "%s: '%s' has rank %u, not 1 to 8", checkpoint_path(file), array->name,
                         array->rank);
    *out = (IdxArray){.dtype = array->dtype, .rank = array->rank, .count = array->count, .entries = array->dim[0]};
    memcpy(out->dim, array->dim, array->rank * sizeof *out->dim);
    uint64_t bytes;
    if (!size_mul(array->count, dtype_bits(array->dtype) / 8, &bytes)) bytes = UINT64_MAX;
    if (!mem_admit(bytes, checkpoint_path(file), err) || !(out->data = mem_alloc(bytes, 1, err)) ||
        !checkpoint_read(file, index, out->data, err))
        return false;
    if (limit > 0 && limit < out->dim[0]) {
        out->count = out->count / out->dim[0] * limit;
        out->dim[0] = limit;
    }
    return true;
}

static bool take_arrays(Checkpoint *file, const Found *found, uint64_t limit, Dataset *out, Error *err) {
    IdxArray pixels = {0}, classes = {0};
    Str title = {0}, remark = {0};
    const char *path = checkpoint_path(file), *images = checkpoint_tensor(file, found->images)->name;
    const bool labelled = found->labels != SIZE_MAX;
    const char *labels = labelled ? checkpoint_tensor(file, found->labels)->name : "";
    bool ok = (!labelled || read_array(file, found->labels, 0, &classes, err)) &&
              read_array(file, found->images, limit, &pixels, err);
    if (ok && !arrays_take(images, &pixels, labels, labelled ? &classes : NULL, out, &remark, err))
        ok = error_prefix(err, "%s", path);
    str_addf(&title, "%s (%s%s%s%s%s)", path_basename(path), images, labelled ? ", " : ", no labels", labels,
             remark.length ? "; " : "", str_text(&remark));
    ok = ok && str_ok(&remark, err) && str_ok(&title, err) && dataset_set_title(out, str_text(&title), err);
    str_done(&title);
    str_done(&remark);
    idx_done(&pixels);
    idx_done(&classes);
    return ok;
}

/* FILE may hold colons: what follows the last one is a part or two names, or belongs to it. */
bool load_npz(const char *rest, uint64_t limit, Dataset *out, Error *err) {
    const char *colon = strrchr(rest, ':');
    if (colon && !folder_is_part(colon + 1) && !strchr(colon + 1, ',')) colon = NULL;
    const char *choice = colon ? colon + 1 : "";
    if (!*rest || colon == rest) return bad_form("npz", rest, err);
    char *path = mem_copy_bytes(rest, colon ? (size_t)(colon - rest) : strlen(rest), err);
    Checkpoint *file = path ? checkpoint_open(path, err) : NULL;
    Found found;
    bool ok = file != NULL;
    if (ok && strcmp(checkpoint_format(file), "npz") != 0)
        ok = error_set(err, STATUS_BAD_INPUT, "%s: %s, not an npz file", path, checkpoint_format(file));
    ok = ok &&
         (strchr(choice, ',') ? choose_names(file, choice, &found, err) : choose_pair(file, choice, &found, err)) &&
         take_arrays(file, &found, limit, out, err);
    checkpoint_close(file);
    mem_free(path);
    return ok;
}
