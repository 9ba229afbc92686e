/* data -- datasets: images, found by a short specification, and batches of them, prepared ahead. */
#ifndef WEFT_DATA_H
#define WEFT_DATA_H

#include "weft/base/error.h"
#include "weft/base/hash.h"
#include "weft/base/record.h"
#include "weft/base/table.h"
#include "weft/base/task.h"
#include "weft/base/text.h"

typedef struct Dataset {
    char *spec;     /* as the user gave it */
    char *folder;   /* the working folder when it was loaded, which spec may be relative to; NULL: not known */
    char *title;    /* "CIFAR-10 test" */
    uint64_t count; /* images */
    unsigned channels, height, width;
    unsigned classes;
    uint8_t *pixels;                /* count x channels x height x width; NULL for noise */
    uint16_t *labels;               /* count, each < classes; NULL if there are none, and then 0 classes */
    const char *const *class_names; /* classes of them, or NULL; static, or `names` */
    char **names;                   /* names that belong to this dataset: classes of them, each owned; or NULL */
    bool noise;                     /* no pixels are kept: dataset_image draws them */
} Dataset;

/* Opens the dataset that SPEC names; `limit` > 0 keeps the first that many images. The kinds:
 *
 * fashion-mnist:train|test[:DIR] -- DIR (also DIR/raw, DIR/FashionMNIST/raw), else $WEFT_DATA/fashion-mnist, else the
 * Debian package's folder.
 *
 * cifar10:DIR:train|test[:partial] -- data_batch_*.bin in order, test_batch.bin; if there are none, the Python
 * version's data_batch_*, test_batch; in DIR or one folder down. A missing batch is an error unless `limit` ends before
 * it; `partial` uses the others.
 *
 * cifar100:DIR:train|test -- train.bin, test.bin, or Python's train, test; fine labels; DIR likewise.
 *
 * stl10:DIR:train|test|unlabeled -- train_X.bin and train_y.bin, ...; unlabeled_X.bin, without labels; 3x96x96.
 *
 * cifar10c:DIR:KIND:SEVERITY, cifar100c:DIR:KIND:SEVERITY -- KIND.npy (5 N, 32, 32, 3) of bytes, severity 1 first, and
 * labels.npy (5 N), in DIR or DIR/CIFAR-10-C, DIR/CIFAR-100-C.
 *
 * idx:IMAGES,LABELS -- u8 images (N,H,W or N,C,H,W), integer labels of rank 1; plain or .gz.
 *
 * npy:IMAGES,LABELS -- images (N,H,W), (N,H,W,C) or (N,C,H,W) with C 1 or 3, if only one of the two is possible: bytes,
 * whole numbers from 0 to 255, or floats in [0, 1], which become bytes (times 255, rounded; the title gives the largest
 * rounding); labels of any integer type, (N) or (N,1).
 *
 * npz:FILE[:PART|:IMAGES,LABELS] -- two such arrays of an archive: named images and labels, x and y, data and labels,
 * with PART (train, val, test, ...) before or after them; the only possible ones; or those that are named. Labels may
 * be missing.
 *
 * images:DIR[:PART][:OPTION,...] -- PNG and JPEG files (by name *.png, *.jpg, *.jpeg, in any case): one folder per
 * class, classes sorted by name, or by number if all names are numbers, and images by path; or in DIR itself, without
 * labels. PART: DIR/train, DIR/val, ...; a DIR with only such folders is an error that lists them. Options, after which
 * all images must have one size: WxH and resize=WxH scale as Pillow's BILINEAR; resize=N scales the shorter side, as
 * torchvision's Resize; crop=N and crop=WxH cut out the centre, as torchvision's CenterCrop; skip-broken skips
 * unreadable files; classes=FILE gives the class of each folder (data/class_list.h). One channel if all are grey,
 * otherwise three. Skipped, and counted in the title: names that begin with a dot, __MACOSX, other files, classes
 * without images. A folder that links back to a parent is an error. `limit` takes the first image of each class, then
 * the second, and so on.
 *
 * sample:NAME -- NAME-images-idx3-ubyte.gz and NAME-labels-idx1-ubyte.gz in a samples folder.
 *
 * noise:N[:CxHxW] -- N images of noise, uniform in [-1, 1); 3x32x32 by default; no labels.
 *
 * "~" at the start of a path is $HOME. The error for a missing file lists the places searched. An unknown kind is
 * STATUS_USAGE and lists the kinds. */
Dataset *dataset_load(const char *spec, uint64_t limit, Error *err);
void dataset_free(Dataset *dataset);

/* The same with relative file names resolved in `folder`, if it still exists: a run opens its data again. Changes the
 * working folder temporarily. */
Dataset *dataset_load_from(const char *folder, const char *spec, uint64_t limit, Error *err);
/* Hash of the images and their labels; for noise, of its count and shape. */
void dataset_hash(const Dataset *dataset, char out[HASH_HEX]);
/* Adds a dataset to the record of a run under a role; NULL: nothing. */
bool dataset_record(const Dataset *data, const char *role, RunRecord *record, Error *err);
/* Opens a recorded dataset again; STATUS_BAD_INPUT where it does not hold the images that the run in `folder` began
 * with. */
Dataset *dataset_load_recorded(const char *folder, const RunRecord *record, const RecordObject *object, Error *err);

/* The kinds of specification with one line of help each, for completion and help; ends with name NULL. */
typedef struct DatasetKind {
    const char *name, *form, *help;
} DatasetKind;
const DatasetKind *dataset_kinds(void);

/* Pixels of image `index` as floats on [0, 1], channels x height x width. Of noise: values on [-1, 1), normalised
 * already (a normalisation for them is the identity), a function of `index` and their place alone. */
void dataset_image(const Dataset *dataset, uint64_t index, float *out);

/* Mean and standard deviation of each channel's pixels over all images, on [0, 1]; a channel of one value has deviation
 * 1, and noise, which is normalised already, mean 0 and deviation 1. `mean`, `std`: channels each. */
void dataset_spread(const Dataset *dataset, float *mean, float *std);

/* An image's bytes (channels x height x width) as a table, one row a pixel: row, column, then of one channel value, of
 * three red, green, blue and light (ITU-R BT.601), of others channel_0, channel_1, ... */
Table *pixels_table(const uint8_t *pixels, unsigned channels, unsigned height, unsigned width, Error *err);
/* The same of several images of one size, with the columns image (number) and caption in front: begun empty, to be
 * ended with table_finish. */
Table *sheet_table(unsigned channels, Error *err);
void sheet_add(Table *table, uint64_t image, const char *caption, const uint8_t *pixels, unsigned channels,
               unsigned height, unsigned width);

/* ---- corruptions ------------------------------------------------------------------------------------------------- */

/* The 19 corruptions of CIFAR-10-C (Hendrycks and Dietterich, "Benchmarking Neural Network Robustness to Common
 * Corruptions and Perturbations", 2019), four groups: X(name, help). Names are those of the published files. */
#define CORRUPTIONS(X)                                                            \
    X(gaussian_noise, "normal noise on every value")                              \
    X(shot_noise, "Poisson noise, as with few photons")                           \
    X(impulse_noise, "single values set to black or white")                       \
    X(speckle_noise, "normal noise in proportion to the value")                   \
    X(gaussian_blur, "Gaussian blur")                                             \
    X(defocus_blur, "blur with a disk")                                           \
    X(glass_blur, "pixels copied from random neighbours, as through rough glass") \
    X(motion_blur, "a motion trail at a random angle")                            \
    X(zoom_blur, "mean of several enlargements")                                  \
    X(snow, "streaks of snow in a lighter scene")                                 \
    X(frost, "a drawn sheet of ice crystals (the original overlays photographs)") \
    X(fog, "an overlaid plasma fractal")                                          \
    X(brightness, "a higher HSV value")                                           \
    X(contrast, "values closer to their mean")                                    \
    X(saturate, "less, then more HSV saturation")                                 \
    X(spatter, "drops of water, or of mud from severity 4")                       \
    X(elastic_transform, "a random affine map, then small random shifts")         \
    X(pixelate, "fewer pixels, enlarged again")                                   \
    X(jpeg_compression, "JPEG at quality 80 to 40")
typedef enum CorruptionKind {
#define X(name, help) CORRUPTION_##name,
    CORRUPTIONS(X)
#undef X
        CORRUPTION_COUNT
} CorruptionKind;
enum { SEVERITIES = 5 }; /* 1 to 5, where 5 is meant to be the worst */
const char *corruption_name(CorruptionKind kind);
const char *corruption_help(CorruptionKind kind); /* one clause */

/* Which corruptions a text asks for: kinds from `first` up to but not including `end`, each at severities `low` to
 * `high`. */
typedef struct CorruptionChoice {
    CorruptionKind first, end;
    unsigned low, high;
} CorruptionChoice;
/* "KIND:SEVERITY" or "KIND" (all five severities), KIND also "all"; else STATUS_USAGE, with the kinds there are. */
bool corruption_choose(const char *text, CorruptionChoice *out, Error *err);
/* Exactly one kind at one severity. */
bool corruption_single(const CorruptionChoice *choice);

/* A new dataset of the same size and labels, its pixels corrupted with the published constants for 32 x 32 and cut to
 * bytes (downwards) as published; spec and title name the corruption. Image i is a function of (its clean pixels, kind,
 * severity, seed, i), whatever the number of threads; the random numbers of one (seed, kind, i) are the same at all
 * severities. `severity` is 1 to 5. STATUS_USAGE: another severity, noise (it has no pixels), neither 1 nor 3 channels;
 * STATUS_LIMIT; STATUS_CANCELLED. `task` may be NULL. Free with dataset_free.
 *
 * Other sizes: lengths in pixels (sigmas, radii, flakes, crystals) stay those for 32 x 32; pixelate and zoom_blur
 * are relative to the image as published, and elastic_transform's shifts and sigmas are fractions of the shorter side.
 *
 * One channel: every kind works on this channel alone, except saturate, frost and spatter: their result for three equal
 * channels is converted to grey (ITU-R BT.601).
 *
 * Frost: the original overlays one of five photographs of frosted glass, which we may not distribute; here a texture of
 * crystals is drawn, with the mean, contrast, correlation and colour of one of those photographs. Accuracy of a
 * ResNet20 (CIFAR-10, 846 images) is 1 to 5 points lower than with the photographs; that of every other kind agrees
 * within the spread of its random numbers. */
Dataset *dataset_corrupt(const Dataset *clean, CorruptionKind kind, unsigned severity, uint64_t seed, const Task *task,
                         Error *err);
/* Image `index` of the result of dataset_corrupt, channels x height x width bytes into `out`, without computing the
 * others. */
bool dataset_corrupt_image(const Dataset *clean, uint64_t index, CorruptionKind kind, unsigned severity, uint64_t seed,
                           uint8_t *out, Error *err);

/* ---- batches ----------------------------------------------------------------------------------------------------- */

typedef struct BatchOptions {
    unsigned batch; /* images of a batch, at least 1; the last of an epoch has what is left */
    bool shuffle;   /* another order in each epoch */
    bool augment;   /* random crop with padding 4 (zeros), horizontal flip with probability 1/2; noise is unchanged */
    uint64_t seed;
    const float *mean, *std; /* channels each: how noise becomes pixels, value * std + mean; needed only for noise,
                                where NULL is 0 and 1; copied */
} BatchOptions;

typedef struct Batch {
    const float *pixels;    /* images x channels x height x width on [0, 1]; of noise such that the network's
                               normalisation gives the values of dataset_image back */
    const uint16_t *labels; /* images; NULL if the dataset has none */
    const uint64_t *index;  /* images: which of the dataset they are */
    unsigned images;
} Batch;

/* The batches of a dataset, epoch after epoch; in an epoch each image comes once. Borrows the dataset. Takes all the
 * memory that it will need: two batches, and an order of the images where they are shuffled. STATUS_USAGE: batch 0 or
 * no images; STATUS_LIMIT. */
typedef struct Batches Batches;
Batches *batches_new(const Dataset *dataset, const BatchOptions *options, Error *err);
void batches_free(Batches *batches);
uint64_t batches_per_epoch(const Batches *batches); /* ceil(count / batch) */

/* The batch of `step` (from 0; step / batches_per_epoch is its epoch): a function of (dataset, options, step) alone,
 * independent of earlier calls, so that a resumed run repeats exactly. Borrowed until the next call or batches_free.
 * The batch of step + 1 is then prepared by another thread while the caller computes; any other step is prepared on
 * request. Call from one thread at a time. STATUS_USAGE: step >= 2^40. */
bool batches_get(Batches *batches, uint64_t step, Batch *out, Error *err);

/* The same image always comes with the same pixels: no augmentation. */
bool batches_repeat(const Batches *batches);

/* Seconds that batches_get has waited for batches that were not ready, and seconds spent preparing those it returned,
 * in any thread. Loading is not a bottleneck while the first is far below the second. */
double batches_waited(const Batches *batches);
double batches_prepared(const Batches *batches);

/* ---- samples ----------------------------------------------------------------------------------------------------- */

/* The samples folder that holds `file`: $WEFT_SAMPLES, the installed one, the source tree's. Adds its path to `out`;
 * false if none does. */
bool sample_path(const char *file, Str *out);
/* Calls `take` with the name of every sample file that ends in `ending`, without it; a name may come twice. */
#define SAMPLE_NETWORK ".safetensors"
#define SAMPLE_IMAGES "-images-idx3-ubyte.gz"
#define SAMPLE_LESSON "lessons/.lesson" /* in a folder of the samples folder */
typedef void SampleTaker(void *context, const char *name);
void sample_each(const char *ending, SampleTaker *take, void *context);
/* STATUS_BAD_INPUT: there is no such sample; the message lists those that end in `ending`. Returns false. */
bool sample_unknown(const char *name, const char *ending, Error *err);

#endif
