/* work -- what an analysis of each layer will take, from the shapes alone, before anything is computed. */
#ifndef WEFT_SPECTRAL_WORK_H
#define WEFT_SPECTRAL_WORK_H

#include "weft/base/error.h"
#include "weft/base/table.h"
#include "weft/net.h"

/* Seconds of one thread, and the bytes beside what is read: those for which the analysis asks mem_work_begin, or the
 * parts that it holds. */
typedef struct LayerWork {
    double seconds;
    uint64_t bytes;
    bool shares; /* the layer is computed on all threads if it is the largest */
} LayerWork;
typedef LayerWork WorkFunction(const Network *network, size_t layer);
WorkFunction work_sratio, work_spectrum, work_quality, work_quality_matrix, work_distance, work_hist, work_lowpass,
    work_svscale, work_quantise, work_mix;

/* Layer, rows, columns, memory (MB), seconds of the chosen layers. Notes: seconds on all threads together, memory of
 * the largest layer and the limit. The times are those of measurements, scaled by the speed of a small product that is
 * computed now. `versus`: the network that it is compared with, or NULL; its layers are matched by name and shape, and
 * those without a partner are noted as "unmatched". Reads no weight. */
Table *work_table(const Network *network, const Network *versus, const bool *chosen, WorkFunction *work, Error *err);

#endif
