/* probe -- what a network does on data, and what data do to a network. */
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

/* One row: images, correct, accuracy (%), top5 (%; where there are more than 10 classes), loss, images_per_second. */
Table *evaluate_table(const Evaluation *evaluation, Error *err);
/* One row per class: class, name, images, correct, accuracy (%). */
Table *evaluate_class_table(const Evaluation *evaluation, const Dataset *dataset, Error *err);

/* ---- recalibration ----------------------------------------------------------------------------------------------- */

enum { RECALIBRATE_BATCH = 256 };

/* A new network (lineage entry "recalibrate" = `command`) whose batch norms have running statistics of these images:
 * those that training mode sees, mean and unbiased variance, averaged over the batches with equal weight (PyTorch's
 * update_bn, momentum None). The images come in their order, as they are, in batches of RECALIBRATE_BATCH; all other
 * tensors are shared, counters of batches included. Bit-identical for any number of threads. Fails as evaluate_takes
 * does; STATUS_USAGE for a network without batch norm, no images, and a batch in which a batch norm has a single value
 * a channel. */
Network *recalibrate_apply(const Network *network, const Dataset *dataset, const char *command, const Task *task,
                           Error *err);
/* The same in batches of `batch` images. */
Network *recalibrate_in_batches(const Network *network, const Dataset *dataset, unsigned batch, const char *command,
                                const Task *task, Error *err);

#endif
