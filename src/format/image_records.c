/* image_records -- room for labelled images. */
#include "format/cifar.h"
#include "weft/base/error.h"
#include "weft/base/file.h"
#include "weft/base/memory.h"

bool cifar_make_room(const File *file, uint64_t records, ImageRecords *out, Error *err) {
    const uint64_t total = out->count + records; /* the records have as many bytes in their files */
    return mem_admit(total * (CIFAR_PIXELS + sizeof *out->labels), file_name(file), err) &&
           mem_grow(&out->pixels, &out->pixel_capacity, total * CIFAR_PIXELS, 1, err) &&
           mem_grow(&out->labels, &out->label_capacity, total, sizeof *out->labels, err);
}

void image_records_done(ImageRecords *records) {
    mem_free(records->pixels);
    mem_free(records->labels);
    *records = (ImageRecords){0};
}
