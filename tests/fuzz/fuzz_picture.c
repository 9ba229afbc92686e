/* fuzz_picture -- any bytes as an image file: as PNG and JPEG where they begin so, and behind such a beginning. */
#include <string.h>

#include "fuzz.h"
#include "weft/base/error.h"
#include "weft/base/file.h"
#include "weft/base/memory.h"

static void read_as(const uint8_t *bytes, size_t length) {
    Error err;
    Picture header = {0}, picture = {0};
    File *file = file_memory("input", bytes, length, &err);
    if (!file) return;
    const bool looked = picture_look(file, &header, &err);
    if (picture_parse(file, &picture, &err) && (!looked || header.width != picture.width ||
                                                header.height != picture.height || header.channels != picture.channels))
        __builtin_trap(); /* what the header says is what comes */
    picture_done(&picture);
    file_close(file);
}

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t length) {
    static const struct {
        const char *bytes;
        size_t length;
    } begin[] = {{"\x89PNG\r\n\x1a\n", 8}, {"\xff\xd8\xff", 3}};
    uint8_t copy[4096];
    mem_set_budget(FUZZ_BUDGET);
    read_as(bytes, length);
    for (size_t i = 0; i < 2 && length + begin[i].length <= sizeof copy; i++) {
        memcpy(copy, begin[i].bytes, begin[i].length);
        if (length > 0) memcpy(copy + begin[i].length, bytes, length);
        read_as(copy, begin[i].length + length);
    }
    return 0;
}
