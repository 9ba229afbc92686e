/* npy_pair -- a dataset from two NumPy arrays: npy:IMAGES,LABELS. */
#include <string.h>

#include "data/arrays.h"
#include "weft/base/error.h"
#include "weft/base/memory.h"
#include "weft/base/text.h"

static bool load_pair(const char *images, const char *labels, uint64_t limit, Dataset *out, Error *err) {
    IdxArray pixels = {0}, classes = {0};
    Str title = {0}, remark = {0};
    bool ok = npy_read(labels, 0, &classes, err) && npy_read(images, limit, &pixels, err) &&
              arrays_take(images, &pixels, labels, &classes, out, &remark, err);
    str_add(&title, path_basename(images));
    if (remark.length) str_addf(&title, " (%s)", str_text(&remark));
    ok = ok && str_ok(&remark, err) && str_ok(&title, err) && dataset_set_title(out, str_text(&title), err);
    str_done(&title);
    str_done(&remark);
    idx_done(&pixels);
    idx_done(&classes);
    return ok;
}

/* The last comma parts the two paths. */
bool load_npy(const char *rest, uint64_t limit, Dataset *out, Error *err) {
    const char *comma = strrchr(rest, ',');
    if (!comma || comma == rest || !comma[1]) return bad_form("npy", rest, err);
    char *images = mem_copy_bytes(rest, (size_t)(comma - rest), err);
    const bool ok = images && load_pair(images, comma + 1, limit, out, err);
    mem_free(images);
    return ok;
}
