/* picture_size -- which sizes of pictures are read. */
#include "format/picture.h"
#include "weft/base/error.h"
#include "weft/base/file.h"

bool picture_check_size(const File *file, const char *format, uint64_t width, uint64_t height, Error *err) {
    if (width > CAP_PICTURE_SIDE || height > CAP_PICTURE_SIDE)
        return error_set(err, STATUS_LIMIT, "%s: %s of %llu x %llu pixels; at most %d per side", file_name(file),
                         format, (unsigned long long)width, (unsigned long long)height, CAP_PICTURE_SIDE);
    return (width > 0 && height > 0) ||
           error_set(err, STATUS_BAD_INPUT, "%s: %s of %llu x %llu pixels", file_name(file), format,
                     (unsigned long long)width, (unsigned long long)height);
}
