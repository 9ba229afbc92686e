/* dataset -- the kinds of dataset that a specification can name, one loader each. Private to src/data. */
#ifndef WEFT_DATA_DATASET_H
#define WEFT_DATA_DATASET_H

#include "weft/data.h"

/* Fills everything of `out` but spec; `rest` is the specification after "KIND:". What it has put into `out` is freed by
 * the caller, also on failure. */
typedef bool DatasetLoader(const char *rest, uint64_t limit, Dataset *out, Error *err);
DatasetLoader load_fashion_mnist, load_cifar10, load_cifar100, load_idx, load_sample, load_noise;

/* Two IDX files, images and labels, as a dataset without title and class names. */
bool load_idx_pair(const char *images, const char *labels, uint64_t limit, Dataset *out, Error *err);

/* `size` values of image `index` of noise. */
void noise_image(uint64_t index, uint64_t size, float *out);

/* "TITLE, N images" as the dataset's title. */
bool dataset_set_title(Dataset *dataset, const char *title, Error *err);

bool path_exists(const char *path);
/* Adds FOLDER/NAME, or FOLDER/NAME.gz where only that exists, to `out`; false where neither does. */
bool find_plain_or_gz(const char *folder, const char *name, Str *out);
/* STATUS_USAGE: "idx:FOO does not have the form idx:IMAGES,LABELS". */
bool bad_form(const char *kind, const char *rest, Error *err);

extern const char *const FASHION_MNIST_CLASSES[10], *const CIFAR10_CLASSES[10], *const CIFAR100_CLASSES[100];

#endif
