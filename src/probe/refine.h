/* refine -- a grid of points measured only where its surface bends. Private to src/probe. */
#ifndef WEFT_PROBE_REFINE_H
#define WEFT_PROBE_REFINE_H

#include "weft/base/error.h"
#include "weft/probe/survey.h"

/* Measures the points that are not marked in `done`, and marks them. */
typedef bool RefineMeasure(void *context, bool *done, Error *err);

/* Fills results (points x values) of a survey with its `columns` and `tolerance`. If `measure`
 * fails, `done` marks the points that were measured. STATUS_LIMIT without memory. */
bool refine_grid(const Survey *survey, size_t values, RefineMeasure *measure, void *context, double *results,
                 bool *done, Error *err);

#endif
