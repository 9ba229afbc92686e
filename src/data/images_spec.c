/* images_spec -- the part after images: in a specification, and the resulting sizes.
 *
 * Sizes are torchvision's: Resize(N) makes the shorter side N and the longer one int(N * longer / shorter).
 */
#include "data/images.h"

#include <string.h>

#include "data/dataset.h"
#include "data/folder.h"
#include "weft/base/error.h"
#include "weft/base/file.h"
#include "weft/base/memory.h"

/* ---- sizes ------------------------------------------------------------------------------------------------------- */

void images_scaled(const ImagesSpec *spec, unsigned width, unsigned height, unsigned *to_width, unsigned *to_height) {
    const unsigned shorter = width < height ? width : height, longer = width < height ? height : width;
    *to_width = spec->width ? spec->width : width;
    *to_height = spec->height ? spec->height : height;
    if (!spec->shorter) return;
    const double other = (double)((uint64_t)spec->shorter * longer) / shorter;
    const unsigned length = other < UINT32_MAX ? (unsigned)other : UINT32_MAX;
    *to_width = width <= height ? spec->shorter : length;
    *to_height = width <= height ? length : spec->shorter;
}

void images_cropped(const ImagesSpec *spec, unsigned width, unsigned height, unsigned *to_width, unsigned *to_height) {
    *to_width = spec->crop_width ? spec->crop_width : width;
    *to_height = spec->crop_height ? spec->crop_height : height;
}

/* ---- options ----------------------------------------------------------------------------------------------------- */

static size_t item_length(const char *text) {
    return strcspn(text, ",:");
}

/* Digits; how many characters. */
static size_t take_side(const char *text, unsigned *out) {
    const size_t length = strspn(text, "0123456789");
    *out = 0;
    for (size_t i = 0; i < length; i++)
        if (*out <= IMAGES_SIDE_MOST) *out = *out * 10 + (unsigned)(text[i] - '0');
    return length;
}

/* The whole item is WxH. */
static bool take_size(const char *text, size_t length, unsigned *width, unsigned *height) {
    const size_t first = take_side(text, width);
    if (first == 0 || text[first] != 'x') return false;
    const size_t second = take_side(text + first + 1, height);
    return second > 0 && first + 1 + second == length;
}

static const char *after(const char *text, const char *key) {
    const size_t length = strlen(key);
    return strncmp(text, key, length) == 0 ? text + length : NULL;
}

/* What stands here is an option, sound or not, and no part of a path. */
static bool begins_option(const char *text) {
    unsigned width, height;
    const size_t length = item_length(text);
    return after(text, "resize=") || after(text, "crop=") || after(text, "classes=") ||
           (after(text, "skip-broken") && length == strlen("skip-broken")) || take_size(text, length, &width, &height);
}

/* N or WxH, sides of 1 to IMAGES_SIDE_MOST; *height 0: N. */
static bool read_size(const char *key, const char *text, size_t length, unsigned *width, unsigned *height, Error *err) {
    *height = 0;
    const bool square = take_side(text, width) == length && length > 0;
    if (!square && !take_size(text, length, width, height))
        return error_set(err, STATUS_USAGE, "images: %s=%.*s is neither N nor WxH", key, (int)length, text);
    if (*width < 1 || *width > IMAGES_SIDE_MOST || (!square && (*height < 1 || *height > IMAGES_SIDE_MOST)))
        return error_set(err, STATUS_USAGE, "images: %s=%.*s: width and height must be 1 to %d", key, (int)length, text,
                         IMAGES_SIDE_MOST);
    return true;
}

static bool read_resize(const char *text, size_t length, ImagesSpec *out, Error *err) {
    unsigned width, height;
    if (!read_size("resize", text, length, &width, &height, err)) return false;
    out->shorter = height ? 0 : width;
    out->width = height ? width : 0;
    out->height = height;
    return true;
}

/* The item at `text`, and how long it is: a file's name goes on to where the next option begins. */
static bool read_option(const char *text, size_t *length, ImagesSpec *out, Error *err) {
    const char *value;
    *length = item_length(text);
    const size_t size = *length;
    if ((value = after(text, "resize="))) return read_resize(value, size - (size_t)(value - text), out, err);
    if ((value = after(text, "crop="))) {
        if (!read_size("crop", value, size - (size_t)(value - text), &out->crop_width, &out->crop_height, err))
            return false;
        if (!out->crop_height) out->crop_height = out->crop_width;
        return true;
    }
    if ((value = after(text, "classes="))) {
        while (text[*length] && !begins_option(text + *length + 1)) *length += 1 + item_length(text + *length + 1);
        mem_free(out->classes);
        out->classes = mem_copy_bytes(value, *length - (size_t)(value - text), err);
        return out->classes && (*out->classes || error_set(err, STATUS_USAGE, "images: classes= needs a file"));
    }
    if (size == strlen("skip-broken") && after(text, "skip-broken")) return out->skip_broken = true;
    if (begins_option(text)) return read_resize(text, size, out, err);
    return error_set(
        err, STATUS_USAGE,
        "images: unknown option '%.*s'; one of: resize=N, resize=WxH, crop=N, crop=WxH, skip-broken, classes=FILE",
        (int)size, text);
}

static bool read_options(const char *text, ImagesSpec *out, Error *err) {
    for (size_t length; *text; text += length + (text[length] != '\0'))
        if (!read_option(text, &length, out, err)) return false;
    return true;
}

/* ---- the whole --------------------------------------------------------------------------------------------------- */

/* DIR:val becomes DIR/val, unless a folder has just this name. */
static void take_part(char *folder) {
    char *colon = strrchr(folder, ':');
    if (!colon || colon == folder || !folder_is_part(colon + 1) || folder_there(folder)) return;
    *colon = '\0';
    const bool parent = folder_there(folder);
    *colon = parent ? '/' : ':';
}

bool images_spec_read(const char *rest, ImagesSpec *out, Error *err) {
    const char *colon = strchr(rest, ':');
    while (colon && !begins_option(colon + 1)) colon = strchr(colon + 1, ':');
    size_t length = colon ? (size_t)(colon - rest) : strlen(rest);
    if (length == 0) return bad_form("images", rest, err);
    if (colon && !read_options(colon + 1, out, err)) return false;
    while (length > 1 && rest[length - 1] == '/') length--;
    if (!(out->folder = mem_copy_bytes(rest, length, err))) return false;
    take_part(out->folder);
    return true;
}

void images_spec_done(ImagesSpec *spec) {
    mem_free(spec->folder);
    mem_free(spec->classes);
    *spec = (ImagesSpec){0};
}
