/* idx_pair -- a dataset from two IDX files: idx:IMAGES,LABELS. */
#include "data/dataset.h"
#include "weft/format.h"

#include <string.h>

enum { USUAL_CLASSES = 10, LABEL_MAX = UINT16_MAX };

/* Takes the images over from `array`: u8, N x H x W or N x C x H x W, at least one pixel. */
static bool take_images(const char *path, IdxArray *array, Dataset *out, Error *err) {
    bool planes = array->rank == 4;
    if (array->dtype != DTYPE_U8 || (array->rank != 3 && !planes))
        return error_set(err, STATUS_BAD_INPUT, "%s: images are rank 3 or 4 of U8, these are rank %u of %s", path,
                         array->rank, dtype_name(array->dtype));
    if (array->count == 0) return error_set(err, STATUS_BAD_INPUT, "%s: no images", path);
    out->count = array->dim[0];
    out->channels = planes ? (unsigned)array->dim[1] : 1;
    out->height = (unsigned)array->dim[array->rank - 2];
    out->width = (unsigned)array->dim[array->rank - 1];
    out->pixels = array->data;
    array->data = NULL;
    return true;
}

/* Element `index` of an integer array, which is little-endian in memory. */
static int64_t integer_at(const IdxArray *array, uint64_t index) {
    unsigned size = dtype_bits(array->dtype) / 8;
    const uint8_t *bytes = (const uint8_t *)array->data + index * size;
    uint32_t value = 0;
    for (unsigned i = 0; i < size; i++) value |= (uint32_t)bytes[i] << (8 * i);
    switch (array->dtype) {
    case DTYPE_I8:
        return (int8_t)value;
    case DTYPE_I16:
        return (int16_t)value;
    case DTYPE_I32:
        return (int32_t)value;
    default:
        return value;
    }
}

/* All labels are looked at, also beyond a limit: the number of classes must not depend on it. */
static bool copy_labels(const char *path, const IdxArray *array, Dataset *out, Error *err) {
    if (array->rank != 1 || array->dtype == DTYPE_F32 || array->dtype == DTYPE_F64)
        return error_set(err, STATUS_BAD_INPUT, "%s: labels are integers of rank 1, these are rank %u of %s", path,
                         array->rank, dtype_name(array->dtype));
    out->labels = mem_alloc(out->count, sizeof *out->labels, err);
    if (!out->labels) return false;
    out->classes = USUAL_CLASSES;
    for (uint64_t i = 0; i < array->count; i++) {
        int64_t label = integer_at(array, i);
        if (label < 0 || label > LABEL_MAX)
            return error_set(err, STATUS_BAD_INPUT, "%s: label %lld of image %llu is not between 0 and %d", path,
                             (long long)label, (unsigned long long)i, LABEL_MAX);
        if (label >= out->classes) out->classes = (unsigned)label + 1;
        if (i < out->count) out->labels[i] = (uint16_t)label;
    }
    return true;
}

bool load_idx_pair(const char *images, const char *labels, uint64_t limit, Dataset *out, Error *err) {
    IdxArray pixels = {0}, classes = {0};
    bool ok = idx_read(labels, 0, &classes, err) && idx_read(images, limit, &pixels, err);
    if (ok && pixels.entries != classes.entries)
        ok = error_set(err, STATUS_BAD_INPUT, "%s: %llu images, but %llu labels in %s", images,
                       (unsigned long long)pixels.entries, (unsigned long long)classes.entries, labels);
    ok = ok && take_images(images, &pixels, out, err) && copy_labels(labels, &classes, out, err);
    idx_done(&pixels);
    idx_done(&classes);
    return ok;
}

static const char *basename_of(const char *path) {
    const char *slash = strrchr(path, '/');
    return slash ? slash + 1 : path;
}

/* The last comma parts the two paths. */
bool load_idx(const char *rest, uint64_t limit, Dataset *out, Error *err) {
    const char *comma = strrchr(rest, ',');
    if (!comma || comma == rest || !comma[1]) return bad_form("idx", rest, err);
    char *images = mem_copy_bytes(rest, (size_t)(comma - rest), err);
    bool ok =
        images && load_idx_pair(images, comma + 1, limit, out, err) && dataset_set_title(out, basename_of(images), err);
    mem_free(images);
    return ok;
}
