/* probe -- what a network does on data, and what data do to a network. */
#ifndef WEFT_PROBE_H
#define WEFT_PROBE_H

#include "weft/base.h"
#include "weft/data.h"
#include "weft/net.h"
#include "weft/predictor.h"

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

/* ---- quantisation ------------------------------------------------------------------------------------------------ */

/* How the range of an activation is found: all of it; between the 0.01th and 99.99th percentile; the part of it, scaled
 * towards 0, whose levels have the least mean square error. The last two by a histogram of OBSERVER_BINS bins. */
#define OBSERVERS(X) X(MINMAX, "minmax") X(PERCENTILE, "percentile") X(MSE, "mse")
typedef enum Observer {
#define X(name, text) OBSERVER_##name,
    OBSERVERS(X)
#undef X
        OBSERVER_COUNT
} Observer;
enum { OBSERVER_BINS = 2048 };

typedef struct QuantiseOptions {
    unsigned bits;              /* of weights, 2 .. 8 */
    unsigned activation_bits;   /* 2 .. 8; with `calibration` */
    const Dataset *calibration; /* the images whose activations decide the levels; NULL: weights alone */
    Observer observer;
} QuantiseOptions;

/* Symmetric integers per row: out = q * scale, scale = max |row| / (2^(bits-1) - 1) in float32, q = round(in / scale)
 * half to even (as PyTorch's fake_quantize_per_channel_affine with zero point 0), |q| <= 2^(bits-1) - 1. `out` may be
 * `in`; `scales`: rows, or NULL. STATUS_BAD_INPUT where a value is not finite, or too large to work with. */
bool quantise_rows(const float *in, size_t rows, size_t columns, unsigned bits, float *out, float *scales, Error *err);

/* Post-training static quantisation (METHOD.md section 6), simulated in float32: a new network (lineage entry
 * "quantise" = `command`) whose chosen layers' weights are quantise_rows of the old ones by output channel, and, with
 * calibration, whose maps go through quantisers where an integer network's do (graph_quantiser_places). Averaging pools
 * take the levels of what goes in, as PyTorch's do. Batch norm stays as it is: folded into the weights it only changes
 * the scale of each channel, and perhaps its sign, so the integers are those of the folded weights. Bit-identical for
 * any number of threads.
 * STATUS_USAGE: bits out of range, no layer chosen, a chosen layer (or, with calibration, the activations) quantised
 * already; STATUS_BAD_INPUT: weights that are not finite, naming the layer; with calibration as evaluate_takes, no
 * images, and STATUS_FAILED for activations that are not finite. */
Network *quantise_apply(const Network *network, const QuantiseOptions *options, const bool *chosen, const char *command,
                        const Task *task, Error *err);

/* Bytes of a network's parameters: as float32 (all learnable ones), and as they are quantised: bits / 8 a weight, 4 a
 * channel for its scale, 4 a channel for a bias where the layer has one or a batch norm is folded into it; what is not
 * quantised as float32. Where the architecture is not known, batch norm cannot be folded. */
typedef struct QuantisedSize {
    double as_float, quantised;
} QuantisedSize;
QuantisedSize quantise_size(const Network *network);

/* One row for each layer of `made` with integer weights, the worst first: layer, bits, sqnr (dB; 10 log10 of the sum of
 * squares of the weights of `source` over that of their errors; inf: no error), cosine, max_error; with `images` and
 * quantisers also scale, zero_point, activation_bits of the layer's output (after batch norm and ReLU) and
 * activation_sqnr (dB), its error by these levels alone, on those images. Notes: size_float, size (MB, of 2^20 bytes,
 * see quantise_size), ratio. */
Table *quantise_table(const Network *source, const Network *made, const Dataset *images, const Task *task, Error *err);

/* A predictor whose linear layers have symmetric integers per row for weights (quantise_rows), biases as they are;
 * lineage entry "quantise". STATUS_USAGE: bits out of range, or the last thing that was done to it was quantising. */
Predictor *quantise_predictor(const Predictor *predictor, unsigned bits, const char *command, Error *err);
/* One row for each linear layer, the worst first: layer, bits, sqnr, cosine, max_error; notes as quantise_table's. */
Table *quantise_predictor_table(const Predictor *source, const Predictor *made, unsigned bits, Error *err);

#endif
