/* labels -- the labels of images from an array of integers. */
#include "data/dataset.h"
#include "weft/base/dtype.h"
#include "weft/base/error.h"
#include "weft/base/memory.h"

enum { USUAL_CLASSES = 10, LABEL_MAX = UINT16_MAX };

int64_t label_at(const IdxArray *array, uint64_t index) {
    const unsigned bits = dtype_bits(array->dtype), size = bits / 8;
    const uint8_t *bytes = (const uint8_t *)array->data + index * size;
    const bool has_sign =
        array->dtype == DTYPE_I8 || array->dtype == DTYPE_I16 || array->dtype == DTYPE_I32 || array->dtype == DTYPE_I64;
    uint64_t value = 0;
    for (unsigned i = 0; i < size; i++) value |= (uint64_t)bytes[i] << (8 * i);
    if (has_sign && value >> (bits - 1)) return (int64_t)(bits < 64 ? value | UINT64_MAX << bits : value);
    return value < INT64_MAX ? (int64_t)value : INT64_MAX;
}

bool labels_check(const char *path, unsigned rank, DType dtype, Error *err) {
    return (rank == 1 && dtype_integer(dtype)) ||
           error_set(err, STATUS_BAD_INPUT, "%s: labels must be integers of rank 1, not rank %u and type %s", path,
                     rank, dtype_name(dtype));
}

bool dataset_take_labels(const char *path, const IdxArray *array, Dataset *out, Error *err) {
    if (!labels_check(path, array->rank, array->dtype, err)) return false;
    out->labels = mem_alloc(out->count, sizeof *out->labels, err);
    if (!out->labels) return false;
    out->classes = USUAL_CLASSES;
    for (uint64_t i = 0; i < array->count; i++) {
        int64_t label = label_at(array, i);
        if (label < 0 || label > LABEL_MAX)
            return error_set(err, STATUS_BAD_INPUT, "%s: label %lld of image %llu is not between 0 and %d", path,
                             (long long)label, (unsigned long long)i, LABEL_MAX);
        if (label >= out->classes) out->classes = (unsigned)label + 1;
        if (i < out->count) out->labels[i] = (uint16_t)label;
    }
    return true;
}
