/* points -- what paths and landscapes share. Private to src/probe. */
#ifndef WEFT_PROBE_POINTS_H
#define WEFT_PROBE_POINTS_H

#include "weft/base/error.h"
#include "weft/probe/survey.h"

/* Number `point` of `points` from one number to another, both included. Those in between are weighted means, so that
 * whole numbers and the middle come out exactly. */
double points_evenly(double from, double to, size_t points, size_t point);
/* The network with batch-norm statistics recomputed from `data`, instead of `network`, which is freed. `network` itself
 * if `data` is NULL; NULL if `network` is. */
Network *points_recalibrated(Network *network, const Dataset *data, const char *command, Error *err);

#endif
