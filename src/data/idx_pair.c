/* idx_pair -- a dataset from two IDX files: idx:IMAGES,LABELS. */
#include "data/dataset.h"

#include <string.h>

#include "weft/base/dtype.h"
#include "weft/base/error.h"
#include "weft/base/memory.h"

/* Takes the images over from `array`: u8, N x H x W or N x C x H x W, at least one pixel. */
static bool take_images(const char *path, IdxArray *array, Dataset *out, Error *err) {
    bool planes = array->rank == 4;
    if (array->dtype != DTYPE_U8 || (array->rank != 3 && !planes))
        return error_set(err, STATUS_BAD_INPUT, "%s: images must have rank 3 or 4 and type U8, not rank %u and type %s",
                         path, array->rank, dtype_name(array->dtype));
    if (array->count == 0) return error_set(err, STATUS_BAD_INPUT, "%s: no images", path);
    out->count = array->dim[0];
    out->channels = planes ? (unsigned)array->dim[1] : 1;
    out->height = (unsigned)array->dim[array->rank - 2];
    out->width = (unsigned)array->dim[array->rank - 1];
    out->pixels = array->data;
    array->data = NULL;
    return true;
}

bool load_idx_pair(const char *images, const char *labels, uint64_t limit, Dataset *out, Error *err) {
    IdxArray pixels = {0}, classes = {0};
    bool ok = idx_read(labels, 0, &classes, err) && idx_read(images, limit, &pixels, err);
    if (ok && pixels.entries != classes.entries)
        ok = error_set(err, STATUS_BAD_INPUT, "%s: %llu images, but %llu labels in %s", images,
                       (unsigned long long)pixels.entries, (unsigned long long)classes.entries, labels);
    ok = ok && take_images(images, &pixels, out, err) && dataset_take_labels(labels, &classes, out, err);
    idx_done(&pixels);
    idx_done(&classes);
    return ok;
}

/* The last comma parts the two paths. */
bool load_idx(const char *rest, uint64_t limit, Dataset *out, Error *err) {
    const char *comma = strrchr(rest, ',');
    if (!comma || comma == rest || !comma[1]) return bad_form("idx", rest, err);
    char *images = mem_copy_bytes(rest, (size_t)(comma - rest), err);
    bool ok = images && load_idx_pair(images, comma + 1, limit, out, err) &&
              dataset_set_title(out, path_basename(images), err);
    mem_free(images);
    return ok;
}
