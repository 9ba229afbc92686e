/* picture -- one image file, PNG or JPEG as its first bytes tell. */
#include "format/picture.h"

#include <string.h>

#include "weft/base/error.h"
#include "weft/base/file.h"
#include "weft/base/memory.h"

enum { HEAD = 16 };

/* What is met under an image's name and is none of ours. */
static const struct {
    const char *magic, *what;
} refused[] = {
    {"GIF8", "a GIF image"},
    {"BM", "a BMP image"},
    {"RIFF", "a WebP image or another RIFF file"},
    {"II*", "a TIFF image"},
    {"MM", "a TIFF image"},
    {"version https://", "a git-LFS pointer, not the file itself (run git lfs pull)"},
};

static PictureReader *recognise(const File *file, Error *err) {
    uint8_t head[HEAD + 1] = {0};
    const uint64_t length = file_size(file) < HEAD ? file_size(file) : HEAD;
    if (length == 0) {
        error_set(err, STATUS_BAD_INPUT, "%s: the file is empty", file_name(file));
        return NULL;
    }
    if (!file_read(file, 0, head, length, err)) return NULL;
    if (memcmp(head, "\x89PNG\r\n\x1a\n", 8) == 0) return png_picture;
    if (memcmp(head, "\xff\xd8\xff", 3) == 0) return jpeg_picture;
    const char *what = NULL;
    for (size_t i = 0; i < sizeof refused / sizeof *refused && !what; i++)
        if (memcmp(head, refused[i].magic, strlen(refused[i].magic)) == 0) what = refused[i].what;
    error_set(err, STATUS_BAD_INPUT, "%s: is %s%sneither a PNG nor a JPEG", file_name(file), what ? what : "",
              what ? ", " : "");
    return NULL;
}

static bool read_picture(const File *file, bool whole, Picture *out, Error *err) {
    PictureReader *reader = recognise(file, err);
    Picture picture = {0};
    if (!reader) return false;
    if (!reader(file, whole, &picture, err)) {
        picture_done(&picture);
        return false;
    }
    *out = picture;
    return true;
}

bool picture_look(const File *file, Picture *out, Error *err) {
    return read_picture(file, false, out, err);
}

bool picture_parse(const File *file, Picture *out, Error *err) {
    return read_picture(file, true, out, err);
}

void picture_done(Picture *picture) {
    mem_free(picture->pixels);
    *picture = (Picture){0};
}
