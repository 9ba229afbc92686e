/* data -- datasets: images, found by a short specification. */
#ifndef WEFT_DATA_H
#define WEFT_DATA_H

#include "weft/base.h"

typedef struct Dataset {
    char *spec;     /* as the user gave it */
    char *title;    /* "CIFAR-10 test" */
    uint64_t count; /* images */
    unsigned channels, height, width;
    unsigned classes;
    uint8_t *pixels;                /* count x channels x height x width; NULL for noise */
    uint16_t *labels;               /* count, each < classes; NULL for noise, which has 0 classes */
    const char *const *class_names; /* classes of them, or NULL; static */
    bool noise;                     /* no pixels are kept: dataset_image draws them */
} Dataset;

/* SPEC, `limit` > 0 keeps the first that many images:
 *   fashion-mnist:train|test[:DIR]      DIR, else $WEFT_DATA/fashion-mnist, else the Debian package's folder
 *   cifar10:DIR:train|test              data_batch_*.bin (those present, in order), test_batch.bin
 *   cifar100:DIR:train|test             train.bin, test.bin; fine labels
 *   idx:IMAGES,LABELS                   u8 images (N,H,W or N,C,H,W), integer labels of rank 1; plain or .gz
 *   sample:NAME                         NAME-images-idx3-ubyte.gz and NAME-labels-idx1-ubyte.gz in a samples folder
 *   noise:N[:CxHxW]                     N images of noise, uniform on [-1, 1); else 3x32x32; no labels
 * A missing file's error lists where was looked. An unknown kind is STATUS_USAGE and lists the kinds. */
Dataset *dataset_load(const char *spec, uint64_t limit, Error *err);
void dataset_free(Dataset *dataset);

/* The kinds of specification with one line of help each, for completion and help; ends with name NULL. */
typedef struct DatasetKind {
    const char *name, *form, *help;
} DatasetKind;
const DatasetKind *dataset_kinds(void);

/* Pixels of image `index` as floats on [0, 1], channels x height x width. Of noise: values on [-1, 1), normalised
 * already (a normalisation for them is the identity), a function of `index` and their place alone. */
void dataset_image(const Dataset *dataset, uint64_t index, float *out);

/* The samples folder that holds `file`: $WEFT_SAMPLES, the installed one, the source tree's. Adds its path to `out`;
 * false where none does. */
bool sample_path(const char *file, Str *out);

#endif
