/* evaluate -- what every measurement of a network on images shares: batches of a fixed size, counting, the columns of
 * its table. Private to src/probe.
 */
#ifndef WEFT_PROBE_EVALUATE_H
#define WEFT_PROBE_EVALUATE_H

#include "weft/probe.h"

/* Images that run together; a function of the dataset alone, so that results are the same for any number of threads. */
unsigned evaluate_batch(const Dataset *dataset);
/* Pixels of all channels of one image. */
uint64_t evaluate_pixels(const Dataset *dataset);

/* Counts nothing yet; frees nothing where it fails. */
bool evaluation_begin(Evaluation *evaluation, const Dataset *dataset, Error *err);
/* Adds the images from `first` on, whose logits (images x classes) these are, one after the other: in image order. */
void evaluation_add(Evaluation *evaluation, const Dataset *dataset, uint64_t first, unsigned images,
                    const float *logits, unsigned classes);
/* The loss becomes a mean. */
void evaluation_end(Evaluation *evaluation, double seconds);

/* images, correct, accuracy (%), top5 (%), loss, images_per_second: the columns, and the cells of one row. */
void evaluation_columns(Table *table, unsigned classes);
void evaluation_cells(Table *table, const Evaluation *evaluation);

#endif
