/* layers -- which layers of a network an analysis reads or changes, and the walk over them. */
#ifndef WEFT_SPECTRAL_LAYERS_H
#define WEFT_SPECTRAL_LAYERS_H

#include "weft/base/error.h"
#include "weft/base/task.h"
#include "weft/base/tensor.h"
#include "weft/base/text.h"
#include "weft/net.h"
#include "weft/spectral.h"

/* The indices of the layers that `chosen` marks, in network order. STATUS_USAGE if there is none, and where another
 * kind is among them though only convolutions will do. */
size_t *layers_chosen(const Network *network, const bool *chosen, bool convolutions_only, size_t *count, Error *err);

/* The chosen layers of `a` with the layer of the same name and shape in `b`. Those without one are added to
 * `unmatched`, with the reason, and so are b's own layers where nothing of `a` was left out. STATUS_USAGE if no pair
 * is found. */
typedef struct LayerPair {
    size_t a, b;
} LayerPair;
LayerPair *layers_match(const Network *a, const Network *b, const bool *chosen, bool convolutions_only, size_t *count,
                        Str *unmatched, Error *err);

/* The layer of `b` with the name and the shape of a's layer. STATUS_USAGE if there is none. */
bool layers_twin(const Network *a, size_t layer, const Network *b, size_t *twin, Error *err);

/* Adds "NAME (REASON)" to a list for people. */
void layers_list(Str *list, const char *name, const char *reason);

bool layers_convolution(const Network *network, size_t layer); /* of 1 to 3 axes, plain or transposed */

/* The kernels of a layer: size[0] x size[1] x size[2], the last `axes` of them its own, the others 1. A layer that is
 * no convolution has kernels of one element, and no axes. */
typedef struct LayerKernel {
    unsigned axes;
    size_t size[3], elements;
} LayerKernel;
LayerKernel layers_kernel(const Network *network, size_t layer);

/* What a decomposition of the layer's matrix costs, up to a factor. */
double layers_cost(const Network *network, size_t layer);

/* For Items.least and Items.worth, where the cost is in multiply-adds: what layers cost that other ranks are asked for,
 * and what all of them cost together. Sending the weights of a network that does not travel as a path counts, too, also
 * where the other ranks have it already: every rank must come to the same. `b` may be NULL. */
#define LAYERS_LEAST 2e7
double layers_worth(const Network *a, const Network *b);

/* STATUS_BAD_INPUT naming the first of the weights that is not a number of magnitude up to `largest`. */
bool layers_check_weights(const float *weights, uint64_t count, float largest, Error *err);

/* Why nothing can be said about these weights: *fault is that some are NaN or infinite, LAYER_SOUND if all are finite.
 * False where they cannot be read. */
bool layers_fault(const Tensor *weight, LayerFault *fault, Error *err);

/* What mem_work_begin calls the work on a layer, whose name stands before it. */
#define LAYERS_WORK "the work on it"
uint64_t layers_bytes(const Network *network, size_t layer);  /* of its weights as float32 */
uint64_t svscale_bytes(const Network *network, size_t layer); /* that its modulation takes (svscale.c) */

/* The layer's weights as they lie in the tensor: those in memory, or read into *copy, which is to be freed. */
const float *layers_weights(const Network *network, size_t layer, float **copy, Error *err);
bool layers_check(const Network *network, size_t layer,
                  Error *err); /* layers_check_weights of a layer, up to FLT_MAX */

/* Computes a layer's new weights, as many as it has. Called from several threads at once. `bytes` tells what that takes
 * beside the new weights; NULL: little. */
typedef bool LayerFunction(const void *context, const Network *network, size_t layer, float *out, Error *err);
typedef uint64_t LayerBytes(const Network *network, size_t layer);
/* How dear a new weight is: made as fast as it is sent to another rank, or by a decomposition (layers_cost). */
typedef enum LayerEffort { LAYERS_CHEAP, LAYERS_DEAR } LayerEffort;
/* A network derived from `network` (lineage entry `what`: `command`) in which `function` made the weights of `count`
 * layers. A layer with a fault is unchanged, with a note. Errors name the layer. New weights of a lazy layer are lazy,
 * too: what has no room in memory is kept in a temporary file (tensor_spill). */
Network *layers_apply(const Network *network, const size_t *layers, size_t count, LayerFunction *function,
                      LayerBytes *bytes, LayerEffort effort, const void *context, const char *what, const char *command,
                      const Task *task, Error *err);

#endif
