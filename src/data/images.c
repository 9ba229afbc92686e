/* images -- a dataset from a folder of PNG and JPEG files: images:DIR[:WxH].
 *
 * Every header is looked at first, so that size and channels are known, and the memory allowed, before one image is
 * decoded. Then each goes to its own place, several at a time.
 */
#include "data/dataset.h"
#include "data/folder.h"
#include "data/resize.h"

#include <string.h>

enum {
    SIDE_MOST = 4096,
    DECODED = 9 /* bytes a pixel at most: a progressive JPEG's coefficients beside its colours */
};

typedef struct Images {
    FolderTree tree;
    size_t *chosen; /* which of the files, in order */
    size_t count;
    Picture *looks;         /* what each header says */
    unsigned width, height; /* to scale to; 0: all have one size */
    Dataset *out;
} Images;

/* ---- the specification ------------------------------------------------------------------------------------------- */

static bool take_side(const char **text, unsigned *out) {
    const char *start = *text;
    for (*out = 0; **text >= '0' && **text <= '9'; ++*text)
        if (*out <= SIDE_MOST) *out = *out * 10 + (unsigned)(**text - '0');
    return *text > start;
}

/* DIR:WxH, where DIR may hold colons; what is no size belongs to DIR. */
static bool parse(const char *rest, Images *images, char **folder, Error *err) {
    const char *colon = strrchr(rest, ':'), *at = colon ? colon + 1 : "";
    unsigned width, height;
    const bool sized = take_side(&at, &width) && *at++ == 'x' && take_side(&at, &height) && !*at;
    size_t length = sized ? (size_t)(colon - rest) : strlen(rest);
    if (length == 0) return bad_form("images", rest, err);
    if (sized && (width < 1 || width > SIDE_MOST || height < 1 || height > SIDE_MOST))
        return error_set(err, STATUS_USAGE, "images:%s: width and height must be 1 to %d", rest, SIDE_MOST);
    if (sized) {
        images->width = width;
        images->height = height;
    }
    while (length > 1 && rest[length - 1] == '/') length--;
    return (*folder = mem_copy_bytes(rest, length, err)) != NULL;
}

/* ---- which files ------------------------------------------------------------------------------------------------- */

/* The first of every class, then the second, ... until there are `limit`. */
static bool choose(Images *images, uint64_t limit, Error *err) {
    const FolderTree *tree = &images->tree;
    const unsigned classes = tree->class_count ? tree->class_count : 1;
    if (limit == 0 || limit > tree->count) limit = tree->count;
    images->chosen = mem_alloc(limit, sizeof *images->chosen, err);
    size_t *first = images->chosen ? mem_alloc(classes + 1, sizeof *first, err) : NULL;
    size_t *taken = first ? mem_alloc(classes, sizeof *taken, err) : NULL;
    if (taken) {
        for (size_t i = 0; i < tree->count; i++) first[tree->files[i].class + 1] = i + 1;
        for (uint64_t left = limit; left > 0;)
            for (unsigned c = 0; c < classes && left > 0; c++)
                if (taken[c] < first[c + 1] - first[c]) {
                    taken[c]++;
                    left--;
                }
        for (unsigned c = 0; c < classes; c++)
            for (size_t i = 0; i < taken[c]; i++) images->chosen[images->count++] = first[c] + i;
    }
    const bool ok = taken != NULL;
    mem_free(first);
    mem_free(taken);
    return ok;
}

static File *open_image(const Images *images, size_t index, Error *err) {
    Str path = {0};
    folder_path(&images->tree, images->chosen[index], &path);
    File *file = str_ok(&path, err) ? file_open(str_text(&path), err) : NULL;
    str_done(&path);
    return file;
}

/* ---- headers ----------------------------------------------------------------------------------------------------- */

static bool look(void *context, size_t index, Error *err) {
    Images *images = context;
    File *file = open_image(images, index, err);
    const bool ok = file && picture_look(file, &images->looks[index], err);
    file_close(file);
    return ok;
}

static bool other_size(const Images *images, size_t index, Error *err) {
    const Picture *first = &images->looks[0], *other = &images->looks[index];
    Str path = {0}, path_of_first = {0};
    folder_path(&images->tree, images->chosen[index], &path);
    folder_path(&images->tree, images->chosen[0], &path_of_first);
    if (str_ok(&path, err) && str_ok(&path_of_first, err))
        error_set(err, STATUS_BAD_INPUT, "%s: %u x %u pixels, but %u x %u in %s; images:DIR:WxH scales them",
                  str_text(&path), other->width, other->height, first->width, first->height, str_text(&path_of_first));
    str_done(&path);
    str_done(&path_of_first);
    return false;
}

/* What the images have in common, and what they and the largest one in each worker's hands take in memory. */
static bool decide_shape(Images *images, size_t *grey, Error *err) {
    Dataset *out = images->out;
    uint64_t one = 0, all;
    *grey = 0;
    for (size_t i = 0; i < images->count; i++) {
        const Picture *picture = &images->looks[i];
        if (!images->width && (picture->width != images->looks[0].width || picture->height != images->looks[0].height))
            return other_size(images, i, err);
        uint64_t bytes = (uint64_t)picture->width * picture->height * DECODED;
        if (images->width) bytes += resize_bytes(picture, images->height, images->width);
        if (bytes > one) one = bytes;
        *grey += picture->channels == 1;
    }
    out->count = images->count;
    out->channels = *grey == images->count ? 1 : 3;
    out->width = images->width ? images->width : images->looks[0].width;
    out->height = images->height ? images->height : images->looks[0].height;
    if (!size_product((uint64_t[]){out->count, out->channels, out->height, out->width}, 4, &all) ||
        !size_add(all, one * pool_threads(), &all))
        return error_set(err, STATUS_LIMIT, "%s: more bytes than can be counted", images->tree.root);
    return mem_admit(all, images->tree.root, err);
}

/* ---- pixels ------------------------------------------------------------------------------------------------------ */

static bool place(const Images *images, size_t index, const Picture *picture, Error *err) {
    const Dataset *out = images->out;
    const size_t plane = (size_t)out->height * out->width;
    uint8_t *to = out->pixels + index * plane * out->channels;
    if (images->width) {
        if (!resize_picture(picture, out->height, out->width, to, err)) return false;
    } else {
        channels_apart(picture->pixels, plane, picture->channels, to);
    }
    for (unsigned c = picture->channels; c < out->channels; c++) memcpy(to + c * plane, to, plane);
    return true;
}

static bool decode(void *context, size_t index, Error *err) {
    const Images *images = context;
    const Picture *before = &images->looks[index];
    Picture picture = {0};
    File *file = open_image(images, index, err);
    bool ok = file && picture_parse(file, &picture, err);
    if (ok &&
        (picture.width != before->width || picture.height != before->height || picture.channels != before->channels))
        ok = error_set(err, STATUS_BAD_INPUT, "%s: file changed while reading", file_name(file));
    ok = ok && place(images, index, &picture, err);
    picture_done(&picture);
    file_close(file);
    return ok;
}

static bool take_labels(const Images *images, Error *err) {
    const FolderTree *tree = &images->tree;
    Dataset *out = images->out;
    if (tree->class_count == 0) return true;
    if (!(out->labels = mem_alloc(images->count, sizeof *out->labels, err)) ||
        !(out->names = mem_alloc(tree->class_count, sizeof *out->names, err)))
        return false;
    out->classes = tree->class_count;
    out->class_names = (const char *const *)out->names;
    for (size_t i = 0; i < images->count; i++) out->labels[i] = (uint16_t)tree->files[images->chosen[i]].class;
    for (unsigned c = 0; c < out->classes; c++)
        if (!(out->names[c] = mem_copy_text(tree->text + tree->classes[c], err))) return false;
    return true;
}

static bool set_title(const Images *images, size_t grey, Error *err) {
    const char *name = path_basename(images->tree.root);
    Str title = {0};
    str_add(&title, *name ? name : images->tree.root);
    const size_t others = images->tree.others;
    const bool mixed = grey > 0 && images->out->channels == 3;
    if (mixed || others) str_add(&title, " (");
    if (mixed) str_addf(&title, "%zu grey as colour%s", grey, others ? "; " : "");
    if (others) str_addf(&title, "%zu other file%s left out", others, others == 1 ? "" : "s");
    if (mixed || others) str_add(&title, ")");
    const bool ok = str_ok(&title, err) && dataset_set_title(images->out, str_text(&title), err);
    str_done(&title);
    return ok;
}

static bool load(Images *images, uint64_t limit, Error *err) {
    size_t grey = 0;
    if (!choose(images, limit, err) || !(images->looks = mem_alloc(images->count, sizeof *images->looks, err)) ||
        !map_points(images->count, NULL, look, images, "looking at images", NULL, err) ||
        !decide_shape(images, &grey, err))
        return false;
    const Dataset *out = images->out;
    images->out->pixels = mem_alloc(out->count, (size_t)out->channels * out->height * out->width, err);
    return out->pixels && map_points(images->count, NULL, decode, images, "reading images", NULL, err) &&
           take_labels(images, err) && set_title(images, grey, err);
}

bool load_images(const char *rest, uint64_t limit, Dataset *out, Error *err) {
    Images images = {.out = out};
    char *folder = NULL;
    const bool ok =
        parse(rest, &images, &folder, err) && folder_read(folder, &images.tree, err) && load(&images, limit, err);
    folder_done(&images.tree);
    mem_free(images.chosen);
    mem_free(images.looks);
    mem_free(folder);
    return ok;
}
