/* images -- a dataset from a folder of PNG and JPEG files: images:DIR[:PART][:OPTION,...].
 *
 * All headers are read first, so that size, channels and memory are checked before the first image is decoded. Then the
 * images are decoded into place, several at a time.
 */
#include "data/images.h"

#include <string.h>

#include "data/class_list.h"
#include "data/dataset.h"
#include "data/folder.h"
#include "data/resize.h"
#include "weft/base/error.h"
#include "weft/base/file.h"
#include "weft/base/map.h"
#include "weft/base/memory.h"
#include "weft/base/pool.h"
#include "weft/base/size.h"
#include "weft/base/text.h"

enum { DECODED = 9 /* bytes a pixel at most: a progressive JPEG's coefficients beside its colours */ };

typedef struct Images {
    ImagesSpec spec;
    FolderTree tree;
    ClassList list; /* where a file says the classes */
    size_t *chosen; /* which of the files, in order */
    bool *broken;   /* of them; left out in the end */
    size_t count;
    Picture *looks;                          /* what each header says */
    size_t grey, broken_count, first_broken; /* the last: of the files */
    Dataset *out;
} Images;

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

/* A file that cannot be read is left out where that was asked for; else the error says how to. */
static bool leave_out(Images *images, size_t index, bool ok, Error *err) {
    if (ok || err->status != STATUS_BAD_INPUT) return ok;
    if (images->spec.skip_broken) return images->broken[index] = true;
    Error why = *err;
    return error_set(err, why.status, "%s (--skip-broken skips such files)", why.text);
}

/* ---- headers ----------------------------------------------------------------------------------------------------- */

static bool look(void *context, size_t index, Error *err) {
    Images *images = context;
    File *file = open_image(images, index, err);
    const bool ok = file && picture_look(file, &images->looks[index], err);
    file_close(file);
    return leave_out(images, index, ok, err);
}

static bool other_size(const Images *images, size_t first, size_t index, Error *err) {
    const Picture *one = &images->looks[first], *other = &images->looks[index];
    Str path = {0}, path_of_first = {0};
    folder_path(&images->tree, images->chosen[index], &path);
    folder_path(&images->tree, images->chosen[first], &path_of_first);
    if (str_ok(&path, err) && str_ok(&path_of_first, err))
        error_set(
            err, STATUS_BAD_INPUT,
            "%s: %u x %u pixels, but %u x %u in %s; images:DIR:WxH scales all images, resize=N,crop=N also crops them",
            str_text(&path), other->width, other->height, one->width, one->height, str_text(&path_of_first));
    str_done(&path);
    str_done(&path_of_first);
    return false;
}

/* The memory that an image in a worker's hands takes. */
static uint64_t work_bytes(const ImagesSpec *spec, const Picture *picture) {
    unsigned width, height;
    images_scaled(spec, picture->width, picture->height, &width, &height);
    return (uint64_t)picture->width * picture->height * DECODED + (uint64_t)picture->channels * width * height +
           resize_bytes(picture, height, width);
}

/* What the images have in common, and what they and the largest one in each worker's hands take in memory. */
static bool decide_shape(Images *images, Error *err) {
    Dataset *out = images->out;
    uint64_t one = 0, all;
    size_t first = images->count, sound = 0;
    for (size_t i = 0; i < images->count; i++) {
        const Picture *picture = &images->looks[i];
        unsigned width, height;
        if (images->broken[i]) continue;
        images_scaled(&images->spec, picture->width, picture->height, &width, &height);
        images_cropped(&images->spec, width, height, &width, &height);
        if (first == images->count) {
            first = i;
            out->width = width;
            out->height = height;
        }
        if (width != out->width || height != out->height) return other_size(images, first, i, err);
        const uint64_t bytes = work_bytes(&images->spec, picture);
        if (bytes > one) one = bytes;
        images->grey += picture->channels == 1;
        sound++;
    }
    out->channels = images->grey == sound ? 1 : 3;
    if (!size_product((uint64_t[]){images->count, out->channels, out->height, out->width}, 4, &all) ||
        !size_add(all, one * pool_threads(), &all))
        return error_set(err, STATUS_LIMIT, "%s: too many bytes", images->tree.root);
    return mem_admit(all, images->tree.root, err);
}

/* ---- pixels ------------------------------------------------------------------------------------------------------ */

/* Where a crop begins, as Python's round((size - crop) / 2) has it: halves to even. */
static unsigned crop_start(unsigned size, unsigned crop) {
    const unsigned room = size - crop, half = room / 2;
    return half + (room % 2 && half % 2);
}

/* A line of a plane: its middle, or where it is shorter than the crop zeros around it, (crop - size) / 2 before. */
static void crop_line(const uint8_t *from, unsigned size, unsigned crop, uint8_t *out) {
    if (size >= crop) {
        memcpy(out, from + crop_start(size, crop), crop);
        return;
    }
    memset(out, 0, crop);
    memcpy(out + (crop - size) / 2, from, size);
}

static void crop_plane(const uint8_t *plane, unsigned width, unsigned height, const Dataset *out, uint8_t *to) {
    const unsigned top = height >= out->height ? crop_start(height, out->height) : 0;
    const unsigned above = height >= out->height ? 0 : (out->height - height) / 2;
    for (unsigned y = 0; y < out->height; y++, to += out->width)
        if (y < above || y - above >= height)
            memset(to, 0, out->width);
        else
            crop_line(plane + (size_t)(top + y - above) * width, width, out->width, to);
}

static bool place_picture(const Images *images, size_t index, const Picture *picture, Error *err) {
    const Dataset *out = images->out;
    const size_t plane = (size_t)out->height * out->width;
    uint8_t *to = out->pixels + index * plane * out->channels;
    unsigned width, height;
    images_scaled(&images->spec, picture->width, picture->height, &width, &height);
    const bool cut = width != out->width || height != out->height;
    uint8_t *whole = cut ? mem_alloc((uint64_t)width * height, picture->channels, err) : to;
    if (!whole) return false;
    bool ok = true;
    if (width == picture->width && height == picture->height)
        channels_apart(picture->pixels, (uint64_t)width * height, picture->channels, whole);
    else
        ok = resize_picture(picture, height, width, whole, err);
    for (unsigned c = 0; ok && cut && c < picture->channels; c++)
        crop_plane(whole + (size_t)c * width * height, width, height, out, to + c * plane);
    if (cut) mem_free(whole);
    for (unsigned c = picture->channels; c < out->channels; c++) memcpy(to + c * plane, to, plane);
    return ok;
}

static bool decode(void *context, size_t index, Error *err) {
    Images *images = context;
    const Picture *before = &images->looks[index];
    Picture picture = {0};
    if (images->broken[index]) return true;
    File *file = open_image(images, index, err);
    bool ok = file && picture_parse(file, &picture, err);
    if (ok &&
        (picture.width != before->width || picture.height != before->height || picture.channels != before->channels))
        ok = error_set(err, STATUS_BAD_INPUT, "%s: file changed while reading", file_name(file));
    ok = ok && place_picture(images, index, &picture, err);
    picture_done(&picture);
    file_close(file);
    return leave_out(images, index, ok, err);
}

/* The others move up. */
static bool drop_broken(Images *images, Error *err) {
    const Dataset *out = images->out;
    const size_t size = (size_t)out->channels * out->height * out->width;
    size_t kept = 0;
    for (size_t i = 0; i < images->count; i++) {
        if (images->broken[i]) {
            if (images->broken_count++ == 0) images->first_broken = images->chosen[i];
            continue;
        }
        if (kept < i && out->pixels) memmove(out->pixels + kept * size, out->pixels + i * size, size);
        images->chosen[kept++] = images->chosen[i];
    }
    images->count = kept;
    return kept > 0 || error_set(err, STATUS_BAD_INPUT, "%s: none of the %zu images can be read", images->tree.root,
                                 images->broken_count);
}

/* ---- labels ------------------------------------------------------------------------------------------------------ */

/* The label of each folder: its place, or what the file says. */
static bool read_classes(Images *images, unsigned *labels, Error *err) {
    const FolderTree *tree = &images->tree;
    if (images->spec.classes && !class_list_read(images->spec.classes, &images->list, err)) return false;
    for (unsigned c = 0; c < tree->class_count; c++) {
        const char *folder = tree->text + tree->classes[c];
        labels[c] = c;
        if (images->spec.classes && !class_list_find(&images->list, folder, &labels[c]))
            return error_set(err, STATUS_BAD_INPUT, "%s/%s: %s has no class with this name", tree->root, folder,
                             images->spec.classes);
    }
    return true;
}

static bool take_names(const Images *images, Error *err) {
    const FolderTree *tree = &images->tree;
    Dataset *out = images->out;
    const bool listed = images->spec.classes != NULL;
    const unsigned classes = listed ? (unsigned)images->list.classes : tree->class_count;
    if (!(out->names = mem_alloc(classes, sizeof *out->names, err))) return false;
    out->classes = classes;
    out->class_names = (const char *const *)out->names;
    for (unsigned c = 0; c < classes; c++)
        if (!(out->names[c] = mem_copy_text(listed ? images->list.names[c] : tree->text + tree->classes[c], err)))
            return false;
    return true;
}

static bool take_labels(const Images *images, const unsigned *labels, Error *err) {
    const FolderTree *tree = &images->tree;
    Dataset *out = images->out;
    out->count = images->count;
    if (tree->class_count == 0)
        return !images->spec.classes ||
               error_set(err, STATUS_USAGE, "%s: images without class folders have no classes", tree->root);
    if (!(out->labels = mem_alloc(images->count, sizeof *out->labels, err))) return false;
    for (size_t i = 0; i < images->count; i++) out->labels[i] = (uint16_t)labels[tree->files[images->chosen[i]].class];
    return take_names(images, err);
}

/* ---- title ------------------------------------------------------------------------------------------------------- */

static void add_remark(Str *remarks, const char *text) {
    str_addf(remarks, "%s%s", remarks->length ? "; " : "", text);
}

static void add_count(Str *remarks, size_t count, const char *one, const char *many, const char *what) {
    if (count == 0) return;
    Str text = {0};
    str_addf(&text, "%zu %s %s", count, count == 1 ? one : many, what);
    add_remark(remarks, str_text(&text));
    remarks->failed = remarks->failed || text.failed;
    str_done(&text);
}

static void add_empty(Str *remarks, const FolderTree *tree) {
    enum { SHOWN = 3 };
    for (size_t i = 0; i < tree->empty_count && i < SHOWN; i++)
        str_addf(remarks, "%s%s", i ? ", " : ": ", tree->text + tree->empty[i]);
    if (tree->empty_count > SHOWN) str_add(remarks, ", ...");
}

/* What was changed and what was left out. */
static void add_remarks(const Images *images, Str *remarks) {
    const FolderTree *tree = &images->tree;
    if (images->grey > 0 && images->out->channels == 3) add_count(remarks, images->grey, "grey", "grey", "as colour");
    add_count(remarks, tree->others, "other file", "other files", "left out");
    add_count(remarks, tree->hidden, "hidden", "hidden", "left out");
    add_count(remarks, tree->empty_count, "class", "classes", "without images left out");
    if (tree->empty_count) add_empty(remarks, tree);
    add_count(remarks, images->broken_count, "broken file", "broken files", "left out");
    if (images->broken_count)
        str_addf(remarks, "%s%s", images->broken_count > 1 ? ", the first: " : ": ",
                 tree->text + tree->files[images->first_broken].path);
    if (images->spec.classes) {
        add_remark(remarks, "classes of ");
        str_add(remarks, path_basename(images->spec.classes));
    }
}

static bool set_title(const Images *images, Error *err) {
    const char *name = path_basename(images->tree.root);
    Str title = {0}, remarks = {0};
    add_remarks(images, &remarks);
    str_add(&title, *name ? name : images->tree.root);
    if (remarks.length) str_addf(&title, " (%s)", str_text(&remarks));
    const bool ok =
        str_ok(&remarks, err) && str_ok(&title, err) && dataset_set_title(images->out, str_text(&title), err);
    str_done(&remarks);
    str_done(&title);
    return ok;
}

/* ---- the whole --------------------------------------------------------------------------------------------------- */

static bool load_pixels(Images *images, uint64_t limit, Error *err) {
    Dataset *out = images->out;
    return choose(images, limit, err) && (images->looks = mem_alloc(images->count, sizeof *images->looks, err)) &&
           (images->broken = mem_alloc(images->count, sizeof *images->broken, err)) &&
           map_points(images->count, NULL, look, images, "looking at images", NULL, err) && decide_shape(images, err) &&
           (out->pixels = mem_alloc(images->count, (size_t)out->channels * out->height * out->width, err)) &&
           map_points(images->count, NULL, decode, images, "reading images", NULL, err) && drop_broken(images, err);
}

static bool load(Images *images, uint64_t limit, Error *err) {
    if (!folder_read(images->spec.folder, &images->tree, err)) return false;
    unsigned *labels = mem_alloc(images->tree.class_count, sizeof *labels, err);
    const bool ok = labels && read_classes(images, labels, err) && load_pixels(images, limit, err) &&
                    take_labels(images, labels, err) && set_title(images, err);
    mem_free(labels);
    return ok;
}

bool load_images(const char *rest, uint64_t limit, Dataset *out, Error *err) {
    Images images = {.out = out};
    const bool ok = images_spec_read(rest, &images.spec, err) && load(&images, limit, err);
    folder_done(&images.tree);
    class_list_done(&images.list);
    mem_free(images.chosen);
    mem_free(images.broken);
    mem_free(images.looks);
    images_spec_done(&images.spec);
    return ok;
}
