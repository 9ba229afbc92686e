/* evaluate -- what every measurement of a network on images shares: batches of a fixed size, counting, the columns of
 * its table. Private to src/probe.
 */
#ifndef WEFT_PROBE_EVALUATE_H
#define WEFT_PROBE_EVALUATE_H

#include "weft/base/error.h"
#include "weft/base/table.h"
#include "weft/base/task.h"
#include "weft/base/text.h"
#include "weft/probe.h"

/* Images that run together; a function of the dataset alone, so that results are the same for any number of threads. */
unsigned evaluate_batch(const Dataset *dataset);
/* Pixels of all channels of one image. */
static inline uint64_t evaluate_pixels(const Dataset *dataset) {
    return (uint64_t)dataset->channels * dataset->height * dataset->width;
}

/* The images from `first` on, `batch` of them or what is left, into `pixels`; how many. */
unsigned evaluate_take(const Dataset *dataset, uint64_t first, unsigned batch, float *pixels);

/* Counts nothing yet; frees nothing if it fails. */
bool evaluation_begin(Evaluation *evaluation, const Dataset *dataset, Error *err);
/* Adds the images from `first` on, whose logits (images x classes) these are, one after the other: in image order. */
void evaluation_add(Evaluation *evaluation, const Dataset *dataset, uint64_t first, unsigned images,
                    const float *logits, unsigned classes);
/* One pass of an engine over all images of a dataset, in batches of evaluate_batch. */
typedef struct ImagePass {
    Engine *engine;
    const Dataset *data;
    float *pixels, *logits; /* room for a batch */
    float *all_logits;      /* images x classes of the engine's network, or NULL */
    const float *states;    /* of all images behind `cut` steps, which are then left out; or NULL */
    size_t cut;
    const char *what; /* for progress */
} ImagePass;
/* Adds all images, between evaluation_begin and evaluation_end. */
bool evaluate_images(const ImagePass *pass, unsigned classes, Evaluation *evaluation, const Task *task, Error *err);
/* The loss becomes a mean. Where images have no logits, finds out which layer of `network` is the cause. */
bool evaluation_end(Evaluation *evaluation, const Network *network, const Dataset *dataset, double seconds, Error *err);
/* Adds the first layer whose values for image `index` are not finite, and why: "conv1 (weight: 1 of 9
 * values is NaN)". */
bool no_logits_cause(const Network *network, const Dataset *data, uint64_t index, Str *out, Error *err);
/* The part of it that needs no image: false if all parameters are sound. */
bool no_logits_parameters(const Network *network, Str *out);

/* images, correct, accuracy with its interval, top5 (%), loss, the ends of top5's interval: the columns, and the cells
 * of one row. */
void evaluation_columns(Table *table, unsigned classes);
void evaluation_cells(Table *table, const Evaluation *evaluation);
Interval top5_interval(const Evaluation *evaluation); /* on [0, 1]; NaN without logits */
/* The note images_per_second over all of them: a time is no column, so that the rows of two runs are the same bytes. */
void evaluation_rate(Table *table, const Evaluation *evaluations, size_t count);

/* evaluation_note under another key. */
void evaluation_note_as(Table *table, const char *key, const Evaluation *evaluation);

/* Runs batches of a dataset's images, without augmentation, noise in the network's normalisation, through an engine of
 * `network`, and calls `take` after each. */
typedef bool TakeBatch(void *context, const Engine *engine, unsigned images, Error *err);
bool each_batch(const Network *network, Engine *engine, const Dataset *dataset, unsigned batch, TakeBatch *take,
                void *context, const char *what, const Task *task, Error *err);

#endif
