/* npy_pair -- a dataset from two NumPy arrays: npy:IMAGES,LABELS. */
#include "data/dataset.h"

#include <string.h>

enum { RANK_PLANES = 4 };

static bool is_channels(uint64_t size) {
    return size == 1 || size == 3;
}

static bool bad_shape(const char *path, const IdxArray *array, const char *reason, Error *err) {
    Str shape = {0};
    for (unsigned i = 0; i < array->rank; i++)
        str_addf(&shape, "%s%llu", i ? "," : "", (unsigned long long)array->dim[i]);
    error_set(err, STATUS_BAD_INPUT, "%s: shape (%s) of %s: %s", path, str_text(&shape), dtype_name(array->dtype),
              reason);
    str_done(&shape);
    return false;
}

/* Where the channels stand: the axis, 1 or 3, or 0 where there is no such axis (one channel). */
static bool find_channels(const char *path, const IdxArray *array, unsigned *axis, Error *err) {
    if (array->dtype != DTYPE_U8 || (array->rank != 3 && array->rank != RANK_PLANES))
        return bad_shape(path, array, "images are U8 of (N,H,W), (N,H,W,C) or (N,C,H,W)", err);
    if (array->count == 0) return bad_shape(path, array, "no images", err);
    *axis = 0;
    if (array->rank == 3) return true;
    const bool first = is_channels(array->dim[1]), last = is_channels(array->dim[3]);
    if (first && last)
        return bad_shape(path, array, "either (N,H,W,C) or (N,C,H,W): only one of the two may be 1 or 3", err);
    if (!first && !last) return bad_shape(path, array, "neither axis 1 nor axis 3 has 1 or 3 channels", err);
    *axis = first ? 1 : 3;
    return true;
}

/* Pixels of interleaved channels to planes, image by image, through one image's copy. */
static bool part_channels(uint8_t *pixels, uint64_t images, uint64_t plane, unsigned channels, Error *err) {
    const uint64_t size = plane * channels;
    uint8_t *copy = mem_alloc(size, 1, err);
    if (!copy) return false;
    for (uint64_t i = 0; i < images; i++, pixels += size) {
        memcpy(copy, pixels, size);
        channels_apart(copy, plane, channels, pixels);
    }
    mem_free(copy);
    return true;
}

/* Takes the images over from `array`. */
static bool take_images(const char *path, IdxArray *array, Dataset *out, Error *err) {
    unsigned axis;
    if (!find_channels(path, array, &axis, err)) return false;
    const uint64_t height = array->dim[axis == 1 ? 2 : 1], width = array->dim[axis == 1 ? 3 : 2];
    if (height > UINT32_MAX || width > UINT32_MAX) return bad_shape(path, array, "too large", err);
    out->count = array->dim[0];
    out->channels = axis ? (unsigned)array->dim[axis] : 1;
    out->height = (unsigned)height;
    out->width = (unsigned)width;
    out->pixels = array->data;
    array->data = NULL;
    return axis != 3 || out->channels == 1 ||
           part_channels(out->pixels, out->count, height * width, out->channels, err);
}

static bool load_pair(const char *images, const char *labels, uint64_t limit, Dataset *out, Error *err) {
    IdxArray pixels = {0}, classes = {0};
    bool ok = npy_read(labels, 0, &classes, err) && npy_read(images, limit, &pixels, err);
    ok = ok && take_images(images, &pixels, out, err);
    if (ok && (classes.rank == 1 && pixels.entries != classes.entries))
        ok = error_set(err, STATUS_BAD_INPUT, "%s: %llu images, but %llu labels in %s", images,
                       (unsigned long long)pixels.entries, (unsigned long long)classes.entries, labels);
    ok = ok && dataset_take_labels(labels, &classes, out, err);
    idx_done(&pixels);
    idx_done(&classes);
    return ok;
}

/* The last comma parts the two paths. */
bool load_npy(const char *rest, uint64_t limit, Dataset *out, Error *err) {
    const char *comma = strrchr(rest, ',');
    if (!comma || comma == rest || !comma[1]) return bad_form("npy", rest, err);
    char *images = mem_copy_bytes(rest, (size_t)(comma - rest), err);
    bool ok =
        images && load_pair(images, comma + 1, limit, out, err) && dataset_set_title(out, path_basename(images), err);
    mem_free(images);
    return ok;
}
