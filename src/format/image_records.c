/* image_records -- room for labelled images. */
#include "format/cifar.h"
#include "weft/base/error.h"
#include "weft/base/file.h"
#include "weft/base/memory.h"
#include "weft/base/size.h"

bool cifar_make_room(const File *file, uint64_t records, ImageRecords *out, Error *err) {
    uint64_t total, bytes;
    if (!size_add(out->count, records, &total) || !size_mul(total, CIFAR_PIXELS + sizeof *out->labels, &bytes))
        return error_set(err, STATUS_LIMIT, "%s: too many records", file_name(file));
    return mem_admit(bytes, file_name(file), err) &&
           mem_grow(&out->pixels, &out->pixel_capacity, total * CIFAR_PIXELS, 1, err) &&
           mem_grow(&out->labels, &out->label_capacity, total, sizeof *out->labels, err);
}

void image_records_done(ImageRecords *records) {
    mem_free(records->pixels);
    mem_free(records->labels);
    *records = (ImageRecords){0};
}
