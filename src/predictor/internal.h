/* internal -- what the files of src/predictor share. Private to src/predictor and its tests. */
#ifndef WEFT_PREDICTOR_INTERNAL_H
#define WEFT_PREDICTOR_INTERNAL_H

#include "weft/base/error.h"
#include "weft/base/task.h"
#include "weft/base/tensor.h"
#include "weft/base/text.h"
#include "weft/predictor.h"

enum {
    PREDICTOR_LEVELS_MAX = 1000,
    PREDICTOR_HIDDEN_MAX = 65536,
    PREDICTOR_KERNEL_MAX = 1024, /* K */
    PREDICTOR_KERNELS_MAX = 1 << 28
};

/* STATUS_USAGE naming the setting that is out of range. */
bool predictor_check_config(const PredictorConfig *config, Error *err);

/* From config and layers: numbers and sizes of kernels, places of the parameters. STATUS_LIMIT if it is more than
 * can be counted. */
bool predictor_measure(Predictor *predictor, Error *err);
/* The same, then makes index (all zero) and parameters, within the memory budget. */
bool predictor_lay_out(Predictor *predictor, Error *err);

/* Fills index: the kernels of `weights`' predicted layers in the order of config.permutation.
 * `weights` may be NULL if that is none. */
bool predictor_order(Predictor *predictor, const Network *weights, const Task *task, Error *err);

/* Lists the layers of `network` that are marked in `chosen` (NULL: the default ones) as predicted layers. STATUS_USAGE
 * if there is none or one is not a convolution. */
bool predictor_choose(Predictor *predictor, const Network *network, const bool *chosen, Error *err);

/* The weight of a predicted layer in a network: STATUS_USAGE if it is missing or of another shape. NULL then. */
const Tensor *predictor_weight(const PredictedLayer *layer, const Network *network, size_t *tensor, Error *err);

/* The predictions of all kernels, kernels x outputs; mem_free. */
float *predictor_predict(const Predictor *predictor, Error *err);

/* Keeps a copy of `source` as the predictor's own, with its fingerprint and number of parameters. */
bool predictor_keep_source(Predictor *predictor, const Network *source, Error *err);

/* Configuration and layers as the JSON text of saved files, and back. Reading fills config, layers and layer_count; all
 * its failures are STATUS_BAD_INPUT, except those of memory. */
bool predictor_describe(const Predictor *predictor, Str *out, Error *err);
bool predictor_understand(Predictor *predictor, const char *text, Error *err);

extern const char *const predictor_note_names[2]; /* members of weft.notes */
#define ORDER_FILTER "order.filter"
#define ORDER_CHANNEL "order.channel"

/* Greedy order with plain loops in double, for any number of dimensions: `rows` are count x size, the similarity of two
 * is their dot product. order[r] is the item at rank r. Also what tests compare the fast one with.
 * Asks `task` whether to continue, but reports nothing to it. */
bool greedy_plain(const double *rows, size_t count, size_t size, uint32_t *order, const Task *task, Error *err);
/* The same order for unit vectors of few dimensions (or zero ones), with exact pruning. */
bool greedy_pruned(const double *rows, size_t count, size_t size, uint32_t *order, const Task *task, Error *err);

#endif
