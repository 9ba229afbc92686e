/* dataset -- the kinds of dataset that a specification can name, one loader each; the parts of a batch. Private to
 * src/data. */
#ifndef WEFT_DATA_DATASET_H
#define WEFT_DATA_DATASET_H

#include "weft/base/dtype.h"
#include "weft/base/error.h"
#include "weft/base/text.h"
#include "weft/data.h"
#include "weft/format.h"

/* Fills everything of `out` but spec; `rest` is the specification after "KIND:". What it has put into `out` is freed by
 * the caller, also on failure. */
typedef bool DatasetLoader(const char *rest, uint64_t limit, Dataset *out, Error *err);
DatasetLoader load_fashion_mnist, load_cifar10, load_cifar100, load_cifar10c, load_cifar100c, load_stl10, load_idx,
    load_npy, load_npz, load_images, load_sample, load_noise;

/* Two IDX files, images and labels, as a dataset without title and class names. */
bool load_idx_pair(const char *images, const char *labels, uint64_t limit, Dataset *out, Error *err);

/* Labels and number of classes (10, or more where a label asks for it) from an array of rank 1 of integers, of which
 * the first out->count are kept. All are looked at, also beyond a limit: the number of classes must not depend on it.
 */
bool dataset_take_labels(const char *path, const IdxArray *array, Dataset *out, Error *err);

/* False, STATUS_BAD_INPUT, for what cannot be labels. */
bool labels_check(const char *path, unsigned rank, DType dtype, Error *err);
/* Element `index` of an integer array, which is little-endian in memory; at most INT64_MAX. */
int64_t label_at(const IdxArray *array, uint64_t index);

/* Channel by channel what `pixels` has pixel by pixel: `plane` of them, of `channels`. */
void channels_apart(const uint8_t *pixels, uint64_t plane, unsigned channels, uint8_t *out);

/* `size` values of image `index` of noise. */
void noise_image(uint64_t index, uint64_t size, float *out);

/* Where in an image with PADDING zeros on every side a crop of the image's own size begins, and whether it is mirrored;
 * {PADDING, PADDING, false} is the image itself. */
enum { PADDING = 4 };
typedef struct Crop {
    unsigned top, left; /* 0 to 2 PADDING */
    bool mirrored;
} Crop;
/* One of the 9 x 9 x 2 at random: a function of the three numbers. */
Crop crop_draw(uint64_t seed, uint64_t epoch, uint64_t image);
/* The crop of image `index` of bytes; unit[p] is what byte p becomes. */
void crop_image(const Dataset *dataset, uint64_t index, Crop crop, const float unit[256], float *out);

/* Labels of the uses of random numbers with a user's seed, as the number of the epoch is added to them. */
#define STREAM_ORDER (UINT64_C(0x4f7264) << 40)
#define STREAM_CROP (UINT64_C(0x43726f) << 40)
#define STREAM_CORRUPT (UINT64_C(0x436f72) << 40) /* with the kind at bit 35, and the image's number */

/* "TITLE, N images" as the dataset's title. */
bool dataset_set_title(Dataset *dataset, const char *title, Error *err);

bool path_exists(const char *path);
const char *path_basename(const char *path); /* the part after the last slash */
/* Adds FOLDER/NAME, or FOLDER/NAME.gz where only that exists, to `out`; false if neither does. */
bool find_plain_or_gz(const char *folder, const char *name, Str *out);
/* Adds where a collection's files are to `out`: FOLDER where it has one of `files`, else the folder in it that an
 * archive unpacks to (`usual`) and that has one; FOLDER itself where none does. Lists end with NULL. False if memory
 * failed.
 */
bool find_usual(const char *folder, const char *const *usual, const char *const *files, Str *out, Error *err);
/* The same, and any folder in it, the first by name, before FOLDER itself. */
bool find_folder(const char *folder, const char *const *usual, const char *const *files, Str *out, Error *err);
const DatasetKind *find_kind(const char *name, size_t length); /* NULL if there is none */
/* STATUS_USAGE: "idx:FOO does not have the form idx:IMAGES,LABELS". */
bool bad_form(const char *kind, const char *rest, Error *err);

extern const char *const FASHION_MNIST_CLASSES[10], *const CIFAR10_CLASSES[10], *const CIFAR100_CLASSES[100];

#endif
