/* probe -- what a network does on data, and what data do to a network. Many networks at a time: survey.h. */
#ifndef WEFT_PROBE_H
#define WEFT_PROBE_H

#include "weft/base/error.h"
#include "weft/base/stats.h"
#include "weft/base/table.h"
#include "weft/base/task.h"
#include "weft/data.h"
#include "weft/net.h"
#include "weft/predictor.h"

typedef struct Evaluation {
    uint64_t images, correct, correct_top5;
    double loss; /* mean cross-entropy, natural logarithm, summed in double in image order */
    double seconds;
    /* Of each image, in order; what comparisons of networks are made of (weft/probe/compare.h). */
    bool *hits;                             /* classified correctly */
    double *losses;                         /* NaN without logits */
    uint64_t *class_images, *class_correct; /* classes of each */
    unsigned classes;
    /* Images with a logit that is not finite. They have no predicted class; if there is one, accuracy and loss are
     * undefined (NaN, empty cells). */
    uint64_t no_logits, *class_no_logits;
    uint64_t first_without; /* the first such image */
    char *cause;            /* the first layer with such values, and why; NULL if all images have logits */
} Evaluation;

/* False if the network cannot run on these images, apart from labels: STATUS_FAILED if its architecture is unknown,
 * STATUS_USAGE if the channels do not match. */
bool evaluate_takes(const Network *network, const Dataset *dataset, Error *err);
/* False if evaluate_run would fail: STATUS_USAGE if the data have no labels, or channels or classes do not match,
 * naming both; STATUS_FAILED if the architecture is unknown. */
bool evaluate_check(const Network *network, const Dataset *dataset, Error *err);
/* Runs `network` on every image of `dataset`. Fails as evaluate_check does. `logits`, if not NULL, receives images x
 * classes. */
bool evaluate_run(const Network *network, const Dataset *dataset, float *logits, Evaluation *out, const Task *task,
                  Error *err);
void evaluation_done(Evaluation *evaluation);
/* In per cent; NaN without images, or if some have no logits. */
double evaluation_accuracy(const Evaluation *evaluation);
/* The class that `network` predicts for one image: channels x height x width values as from dataset_image, for
 * `dataset`. It is the first class with the largest logit, its probability by softmax. The probability is NaN if a
 * logit is not finite, and the class is then meaningless. Fails as evaluate_takes does. */
bool predict_image(const Network *network, const Dataset *dataset, const float *image, unsigned *predicted,
                   double *probability, Error *err);

/* The columns NAME, NAME_low and NAME_high (%), where `name` is "accuracy" or the like, and their cells for `correct`
 * of `images`: the share and its 95 % interval (stats_wilson). Empty cells if `defined` is false or there are no
 * images.
 */
void accuracy_columns(Table *table, const char *name);
/* Only NAME_low and NAME_high, and the cells of an interval on [0, 1]; NaN leaves them empty. */
void interval_columns(Table *table, const char *name);
void interval_cells(Table *table, Interval interval);
void accuracy_cells(Table *table, uint64_t correct, uint64_t images, bool defined);
/* The same for an accuracy in per cent that was measured on `images` images, whose number of correct ones follows from
 * it: the interval, on [0, 1], and the cells. NaN gives NaN, and empty cells. */
Interval accuracy_interval(double accuracy, uint64_t images);
void accuracy_cells_of(Table *table, double accuracy, uint64_t images);

/* Adds the note no_logits of evaluation tables: how many images have no logits, and the first layer with such values.
 * Nothing if all have logits. */
void evaluation_note(Table *table, const Evaluation *evaluation);
/* One row: images, correct, accuracy with its interval (accuracy_columns), top5 (%; where there are more than 10
 * classes), loss, and the ends of top5's interval; the note images_per_second. */
Table *evaluate_table(const Evaluation *evaluation, Error *err);
/* One row per class: class, name, images, correct, accuracy with its interval. */
Table *evaluate_class_table(const Evaluation *evaluation, const Dataset *dataset, Error *err);

/* ---- networks between and around others ----------------------------------------------------------------------------
 */

/* False if the two cannot be mixed: STATUS_USAGE, naming the first tensor that only one has or whose shape differs, or
 * saying that the architectures differ. */
bool mix_check(const Network *a, const Network *b, Error *err);
/* (1 - alpha) a + alpha b of every tensor of floats (weights, biases, batch norm with its running statistics), in
 * double; alpha finite, also outside [0, 1]. alpha 0 and 1 reproduce a and b exactly. `layers`: a's
 * layer_count marks, only their weights are mixed, the rest comes from a; NULL: everything. Normalisation and the
 * levels of quantisers are a's. Values that are not finite in one of them are not finite in the result. Fails as
 * mix_check does; STATUS_USAGE if alpha is not finite, or makes finite numbers too large. */
Network *mix_apply(const Network *a, const Network *b, double alpha, const bool *layers, const char *command,
                   Error *err);

/* A plane (or a line) of weight vectors: origin + a u + b v. */
typedef struct Plane Plane;
/* Through three networks: origin w1, u = w2 - w1, v = (w3 - w1) minus its projection on u (docs/method.md, section 6),
 * over every float tensor in which they differ; equal tensors are unchanged. Borrows w1. Fails as mix_check does;
 * STATUS_USAGE if two have the same weights or all three lie on one line. */
Plane *plane_through(const Network *w1, const Network *w2, const Network *w3, Error *err);
/* Random directions, one (v = 0) or two, with filter normalisation (Li et al., 2018): normal values for the weights of
 * convolutions and linear layers, each filter scaled to the norm of the network's own; biases and batch norm stay. A
 * function of the network's shapes and the seed. */
Plane *plane_random(const Network *origin, unsigned directions, uint64_t seed, Error *err);
void plane_free(Plane *plane);
void plane_norms(const Plane *plane, double *u, double *v); /* |u|, |v|: a unit of a, of b, in weight space */
/* The network at (a, b); (0, 0) and, through networks, (1, 0) reproduce the weights of w1 and w2 exactly. */
Network *plane_network(const Plane *plane, double a, double b, const char *command, Error *err);
/* Where a network lies, projected onto the plane: a, b, and its distance from the plane in weight space. Fails as
 * mix_check does against the origin. */
bool plane_project(const Plane *plane, const Network *network, double *a, double *b, double *distance, Error *err);

/* ---- recalibration ----------------------------------------------------------------------------------------------- */

enum { RECALIBRATE_BATCH = 256 };

/* A new network (lineage entry "recalibrate" = `command`) whose batch norms have running statistics of these images:
 * as in training mode, mean and unbiased variance, averaged over the batches with equal weight (PyTorch's
 * update_bn, momentum None). The images come in order, without augmentation, in batches of RECALIBRATE_BATCH; all other
 * tensors are shared, counters of batches included. Bit-identical for any number of threads. Fails as evaluate_takes
 * does; STATUS_USAGE for a network without batch norm, no images, and a batch in which a batch norm has a single value
 * per channel. */
Network *recalibrate_apply(const Network *network, const Dataset *dataset, const char *command, const Task *task,
                           Error *err);
/* The same in batches of `batch` images. */
Network *recalibrate_in_batches(const Network *network, const Dataset *dataset, unsigned batch, const char *command,
                                const Task *task, Error *err);
/* ---- attacks ----------------------------------------------------------------------------------------------------- */

/* Images x' changed from x by at most epsilon per pixel so that the network errs, all pixels in [0, 1]:
 *   FGSM   x' = clip(x + epsilon sign(dCE/dx), 0, 1)            (Goodfellow et al., 2015)
 *   IFGSM  from x on `steps` times: x' = x' + step sign(dCE/dx'), brought back into [x - epsilon, x + epsilon] and
 *          [0, 1]                                               (Kurakin et al., 2017)
 * rounded to float32. CE is the cross-entropy with the image's label, through the network's normalisation; sign(0) = 0.
 * Its gradient at the logits, softmax minus onehot, is computed without cancellation. For images classified with a
 * probability that rounds to 1, the plain float32 difference has another direction, so attacks look weaker than they
 * are. */
#define ATTACKS(X) X(FGSM, "fgsm") X(IFGSM, "ifgsm")
typedef enum AttackKind {
#define X(name, text) ATTACK_##name,
    ATTACKS(X)
#undef X
        ATTACK_COUNT
} AttackKind;
const char *attack_name(AttackKind kind);

typedef struct Attack {
    AttackKind kind;
    double epsilon; /* in [0, 1]; 0: unchanged images, with results bit-identical to evaluate_run */
    double step;    /* IFGSM: in (0, 1]; 0: epsilon / 4 */
    unsigned steps; /* IFGSM: at least 1 */
} Attack;

/* False if a number of an attack is out of range: STATUS_USAGE, naming it. */
bool attack_check(const Attack *attack, Error *err);
/* Attacks every image of `dataset` and runs `network` on the results, once for each of the `count` attacks (at least
 * 1): out[i] is the evaluation under attacks[i], to be freed with evaluation_done. Attacks share the gradient of the
 * unchanged images, whose time counts for each of them. Bit-identical for any number of threads. Fails as
 * evaluate_check and attack_check do, and with STATUS_CANCELLED. */
bool attack_run(const Network *network, const Dataset *dataset, const Attack *attacks, size_t count, Evaluation *out,
                const Task *task, Error *err);
/* The pixels of image `index` after an attack, bit-identical to those in attack_run: channels x height x width in [0,
 * 1]. Fails as attack_run does; STATUS_USAGE if there is no such image. */
bool attack_image(const Network *network, const Dataset *dataset, uint64_t index, const Attack *attack, float *pixels,
                  Error *err);

/* A row per attack: eps, eps_255 (eps times 255, in steps of 8-bit pixels), and the columns of evaluate_table. `count`
 * (at least 1) attacks that differ only in epsilon; notes describe them. */
Table *attack_table(const Attack *attacks, const Evaluation *evaluations, size_t count, Error *err);
/* Notes for another table: attack, and for IFGSM steps and step. */
void attack_notes(Table *table, const Attack *attack);

/* ---- corruptions ------------------------------------------------------------------------------------------------- */

/* How a network performs on corrupted images. */
typedef struct CorruptionScores {
    CorruptionChoice choice;
    unsigned classes;
    Evaluation *evaluations; /* of each kind, each severity: kind by kind */
    size_t count;
    double kind_accuracy[CORRUPTION_COUNT]; /* of the chosen kinds: the mean (%) over the severities */
    double accuracy; /* OOD accuracy, the mean (%) over all kinds and severities; NaN if images have no logits */
} CorruptionScores;
/* Runs `count` networks on dataset_corrupt(clean, kind, severity, seed) for each kind and severity of `choice`: out[i]
 * has the scores of networks[i]. One corrupted dataset at a time is in memory. Fails as evaluate_run and
 * dataset_corrupt do; free each with corruption_scores_done. */
bool corruption_run(const Network *const *networks, size_t count, const Dataset *clean, const CorruptionChoice *choice,
                    uint64_t seed, const Task *task, CorruptionScores *out, Error *err);
void corruption_scores_done(CorruptionScores *scores);
/* corruption_run as a table, one row for each kind and severity: corruption, severity, images, correct, accuracy with
 * its interval, top5 (%; where there are more than 10 classes), loss, the ends of top5's interval. If there are several
 * rows, notes: ood_accuracy, and each kind's mean accuracy by its name. */
Table *corruption_table(const Network *network, const Dataset *clean, const CorruptionChoice *choice, uint64_t seed,
                        const Task *task, Error *err);

/* ---- quantisation ------------------------------------------------------------------------------------------------ */

/* How the range of an activation is found: all of it; between the 0.01th and 99.99th percentile; the part of it, scaled
 * towards 0, with the smallest mean square error. The last two by a histogram of OBSERVER_BINS bins. */
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
 * `in`; `scales`: rows, or NULL. STATUS_BAD_INPUT if a value is not finite or too large. */
bool quantise_rows(const float *in, size_t rows, size_t columns, unsigned bits, float *out, float *scales, Error *err);

/* Post-training static quantisation (docs/method.md, section 6), simulated in float32: a new network (lineage entry
 * "quantise" = `command`) whose chosen layers' weights are quantise_rows of the old ones by output channel, and, with
 * calibration, whose maps go through quantisers where an integer network's do (graph_quantiser_places). Average pools
 * take the levels of their input, as PyTorch's do. Batch norm is unchanged: folded into the weights it only changes the
 * scale of each channel, and perhaps its sign, so the integers are those of the folded weights. Bit-identical for any
 * number of threads. STATUS_USAGE: bits out of range, no layer chosen, a chosen layer (or, with calibration, the
 * activations) quantised already; STATUS_BAD_INPUT: weights that are not finite, naming the layer; with calibration as
 * evaluate_takes, no images, and STATUS_FAILED for activations that are not finite. */
Network *quantise_apply(const Network *network, const QuantiseOptions *options, const bool *chosen, const char *command,
                        const Task *task, Error *err);

/* Bytes of a network's parameters: as float32 (all learnable ones), and quantised: bits / 8 per weight, 4 per channel
 * for its scale, 4 per channel for a bias if the layer has one or a batch norm is folded into it; everything else as
 * float32. If the architecture is unknown, batch norm cannot be folded. */
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

/* A predictor whose linear layers have symmetric integers per row for weights (quantise_rows), biases unchanged;
 * lineage entry "quantise". STATUS_USAGE: bits out of range, or it is already quantised. */
Predictor *quantise_predictor(const Predictor *predictor, unsigned bits, const char *command, Error *err);
/* One row for each linear layer, the worst first: layer, bits, sqnr, cosine, max_error; notes as quantise_table's. */
Table *quantise_predictor_table(const Predictor *source, const Predictor *made, unsigned bits, Error *err);

#endif
