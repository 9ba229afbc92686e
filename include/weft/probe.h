/* probe -- what a network does on data. */
#ifndef WEFT_PROBE_H
#define WEFT_PROBE_H

#include "weft/base.h"
#include "weft/data.h"
#include "weft/net.h"

typedef struct Evaluation {
    uint64_t images, correct, correct_top5;
    double loss; /* mean cross-entropy, natural logarithm, summed in double in image order */
    double seconds;
    uint64_t *class_images, *class_correct; /* classes of each */
    unsigned classes;
} Evaluation;

/* False where the network cannot run on these images, labels apart: STATUS_FAILED where its architecture is unknown,
 * STATUS_USAGE where the channels do not fit. */
bool evaluate_takes(const Network *network, const Dataset *dataset, Error *err);
/* False where evaluate_run would refuse: STATUS_USAGE where the data have no labels, or channels or classes do not fit,
 * naming both; STATUS_FAILED where the architecture is unknown. */
bool evaluate_check(const Network *network, const Dataset *dataset, Error *err);
/* Runs `network` on every image of `dataset`. Fails as evaluate_check does. `logits`, if not NULL, receives images x
 * classes. */
bool evaluate_run(const Network *network, const Dataset *dataset, float *logits, Evaluation *out, const Task *task,
                  Error *err);
void evaluation_done(Evaluation *evaluation);
/* What `network` takes one image for: channels x height x width values as dataset_image gives them, of `dataset`. The
 * class is the first of those with the largest logit, its probability by softmax. Fails as evaluate_takes does. */
bool predict_image(const Network *network, const Dataset *dataset, const float *image, unsigned *predicted,
                   double *probability, Error *err);

/* One row: images, correct, accuracy (%), top5 (%; where there are more than 10 classes), loss, images_per_second. */
Table *evaluate_table(const Evaluation *evaluation, Error *err);
/* One row per class: class, name, images, correct, accuracy (%). */
Table *evaluate_class_table(const Evaluation *evaluation, const Dataset *dataset, Error *err);

/* ---- corruptions ------------------------------------------------------------------------------------------------- */

/* One row for each kind and severity of `choice`: corruption, severity, images, correct, accuracy (%), top5 (%; where
 * there are more than 10 classes), loss; of dataset_corrupt(clean, kind, severity, seed). Where there are several rows,
 * notes: ood_accuracy, the mean accuracy (%) over all rows, and each kind's mean accuracy by its name. One corrupted
 * dataset at a time is in memory. Fails as evaluate_run and dataset_corrupt do. */
Table *corruption_table(const Network *network, const Dataset *clean, const CorruptionChoice *choice, uint64_t seed,
                        const Task *task, Error *err);
#endif
