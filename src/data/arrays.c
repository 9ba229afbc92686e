/* arrays -- images and labels from arrays of any type: the position of the channels, and numbers as bytes. */
#include "data/arrays.h"

#include <math.h>
#include <string.h>

#include "weft/base/dtype.h"
#include "weft/base/error.h"
#include "weft/base/memory.h"
#include "weft/base/text.h"

enum { RANK_PLANES = 4, AT_ONCE = 4096 };

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
    if (array->rank != 3 && array->rank != RANK_PLANES)
        return bad_shape(path, array, "images are (N,H,W), (N,H,W,C) or (N,C,H,W)", err);
    if (array->count == 0) return bad_shape(path, array, "no images", err);
    *axis = 0;
    if (array->rank == 3) return true;
    const bool first = is_channels(array->dim[1]), last = is_channels(array->dim[3]);
    if (first && last)
        return bad_shape(path, array, "ambiguous: only one of axes 1 and 3 may have 1 or 3 channels", err);
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

/* ---- numbers as bytes -------------------------------------------------------------------------------------------- */

typedef struct Range {
    double least, most;
    bool whole, finite;
} Range;

/* The elements from `first` on, `count` of them, as floats. */
static bool take_floats(const IdxArray *array, uint64_t first, uint64_t count, float *out, Error *err) {
    const uint8_t *bytes = array->data;
    return dtype_to_f32(array->dtype, bytes + first * (dtype_bits(array->dtype) / 8), count, out, err);
}

static void look_at(const float *values, uint64_t count, Range *range) {
    for (uint64_t i = 0; i < count; i++) {
        const double value = (double)values[i];
        if (!isfinite(value)) range->finite = false;
        if (value < range->least) range->least = value;
        if (value > range->most) range->most = value;
        if (value != floor(value)) range->whole = false;
    }
}

static bool find_range(const IdxArray *array, Range *range, Error *err) {
    float values[AT_ONCE];
    *range = (Range){.least = INFINITY, .most = -INFINITY, .whole = true, .finite = true};
    for (uint64_t done = 0, some; done < array->count; done += some) {
        some = array->count - done < AT_ONCE ? array->count - done : AT_ONCE;
        if (!take_floats(array, done, some, values, err)) return false;
        look_at(values, some, range);
    }
    return true;
}

/* `scale`: of a value to a byte. The largest distance to a byte, in bytes, is *rounded. */
static bool convert_pixels(const IdxArray *array, double scale, uint8_t *out, double *rounded, Error *err) {
    float values[AT_ONCE];
    *rounded = 0;
    for (uint64_t done = 0, some; done < array->count; done += some) {
        some = array->count - done < AT_ONCE ? array->count - done : AT_ONCE;
        if (!take_floats(array, done, some, values, err)) return false;
        for (uint64_t i = 0; i < some; i++) {
            const double value = (double)values[i] * scale, byte = floor(value + 0.5);
            *rounded = fmax(*rounded, fabs(value - byte));
            out[done + i] = (uint8_t)byte;
        }
    }
    return true;
}

static bool bad_range(const char *path, const IdxArray *array, const Range *range, Error *err) {
    if (!range->finite)
        return error_set(err, STATUS_BAD_INPUT,
                         "%s: a value is not a finite number; images are bytes, or floats in [0, 1]", path);
    return error_set(err, STATUS_BAD_INPUT, "%s: %s values from %.4g to %.4g; images are bytes, or floats in [0, 1]%s",
                     path, dtype_name(array->dtype), range->least, range->most,
                     range->least < 0 ? ", not normalised values" : "");
}

/* The array's elements become bytes, in the same order. */
static bool to_bytes(const char *path, IdxArray *array, Str *remark, Error *err) {
    Range range;
    double rounded;
    if (array->dtype == DTYPE_U8) return true;
    if (!find_range(array, &range, err)) return error_prefix(err, "%s", path);
    const bool unit = !dtype_integer(array->dtype) && range.most <= 1;
    if (!range.finite || range.least < 0 || range.most > 255 || (!unit && !range.whole))
        return bad_range(path, array, &range, err);
    uint8_t *bytes = mem_alloc(array->count, 1, err);
    if (!bytes) return false;
    if (!convert_pixels(array, unit ? 255 : 1, bytes, &rounded, err)) {
        mem_free(bytes);
        return false;
    }
    if (unit && rounded > 1e-3) str_addf(remark, "floats rounded to bytes, by up to %.2g of 255", rounded);
    mem_free(array->data);
    array->data = bytes;
    array->dtype = DTYPE_U8;
    return true;
}

/* ---- the whole --------------------------------------------------------------------------------------------------- */

static bool take_images(const char *path, IdxArray *array, Dataset *out, Str *remark, Error *err) {
    unsigned axis;
    if (!find_channels(path, array, &axis, err)) return false;
    const uint64_t height = array->dim[axis == 1 ? 2 : 1], width = array->dim[axis == 1 ? 3 : 2];
    if (height > UINT32_MAX || width > UINT32_MAX) return bad_shape(path, array, "too large", err);
    if (!to_bytes(path, array, remark, err)) return false;
    out->count = array->dim[0];
    out->channels = axis ? (unsigned)array->dim[axis] : 1;
    out->height = (unsigned)height;
    out->width = (unsigned)width;
    out->pixels = array->data;
    array->data = NULL;
    return axis != 3 || out->channels == 1 ||
           part_channels(out->pixels, out->count, height * width, out->channels, err);
}

bool arrays_take(const char *images, IdxArray *pixels, const char *labels, IdxArray *classes, Dataset *out, Str *remark,
                 Error *err) {
    if (!take_images(images, pixels, out, remark, err)) return false;
    if (!classes) return true;
    if (classes->rank == 2 && classes->dim[1] == 1) classes->rank = 1;
    if (classes->rank == 1 && pixels->entries != classes->entries)
        return error_set(err, STATUS_BAD_INPUT, "%s: %llu images, but %llu labels in %s", images,
                         (unsigned long long)pixels->entries, (unsigned long long)classes->entries, labels);
    return dataset_take_labels(labels, classes, out, err);
}
