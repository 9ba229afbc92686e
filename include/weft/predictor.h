/* predictor -- weight predictors (NeRN): a small MLP from the encoded index (layer, filter, channel) to one k x k
 * kernel.
 *
 * Sources: docs/method.md, sections 1 to 3; NeRN (Ashkenazi et al., 2022, arXiv:2212.13554).
 *
 * Numbering. Kernels count over the predicted layers in network order, then filters (output channels), then channels
 * (input channels per group): kernel 0 is (0, 0, 0), 1 is (0, 0, 1). Predictions are kernels x outputs, outputs = K*K
 * of the largest kernel K x K; a smaller k x k kernel is the centre crop of it.
 */
#ifndef WEFT_PREDICTOR_H
#define WEFT_PREDICTOR_H

#include "weft/base/dtype.h"
#include "weft/base/error.h"
#include "weft/base/table.h"
#include "weft/base/task.h"
#include "weft/format.h"
#include "weft/net.h"
#include "weft/setting.h"

/* ---- configuration ----------------------------------------------------------------------------------------------- */

/* Closed sets: X(NAME, "name"); options, files and messages use these names. */
#define PREDICTOR_ACTIVATIONS(X) \
    X(RELU, "relu") X(LEAKY_RELU, "leaky-relu") X(GELU, "gelu") X(ELU, "elu") X(HARDSWISH, "hardswish")
typedef enum PredictorActivation {
#define X(name, text) PREDICTOR_##name,
    PREDICTOR_ACTIVATIONS(X)
#undef X
        PREDICTOR_ACTIVATION_COUNT
} PredictorActivation;

/* What an index is divided by before it is encoded: nothing; the layer's own number of filters, channels (and the
 * number of layers); the largest of all layers. */
#define INDEX_NORMALISATIONS(X) X(NONE, "none") X(LOCAL, "local") X(GLOBAL, "global")
typedef enum IndexNormalisation {
#define X(name, text) INDEX_##name,
    INDEX_NORMALISATIONS(X)
#undef X
        INDEX_NORMALISATION_COUNT
} IndexNormalisation;

/* The order of a layer's kernels by which they are encoded: as stored; docs/method.md, section 3. */
#define PERMUTATIONS(X) X(NONE, "none") X(IN_FILTER, "in-filter") X(CROSS_FILTER, "cross-filter")
typedef enum PermutationKind {
#define X(name, text) PERMUTATION_##name,
    PERMUTATIONS(X)
#undef X
        PERMUTATION_COUNT
} PermutationKind;

const char *predictor_activation_name(PredictorActivation activation);
const char *predictor_normalisation_name(IndexNormalisation normalisation);
const char *predictor_permutation_name(PermutationKind permutation);

typedef struct PredictorConfig {
    double base;     /* of the frequencies base^j; 0.76 */
    unsigned levels; /* N: 2N inputs per index, 6N in all; 40 */
    IndexNormalisation normalisation;
    PermutationKind permutation;
    unsigned hidden; /* width of the hidden layers */
    unsigned linear; /* number of linear layers, at least 2; 5 */
    PredictorActivation activation;
} PredictorConfig;
/* The rows of its fields: the size of the MLP, and what a file of the reference implementation does not say. */
extern const Setting predictor_size_settings[], predictor_settings[];
PredictorConfig predictor_config(void); /* docs/method.md; hidden 140, in-filter */

/* The values of docs/method.md, section 5, differ for networks of ImageNet's size: those of more predicted weights than
 * this. (CIFAR's ResNets and MobileNet v1 have up to 3.2 million, ResNet18 has 11.) */
enum { LARGE_WEIGHTS = 5000000 };
PermutationKind predictor_usual_order(uint64_t weights); /* in-filter; cross-filter above LARGE_WEIGHTS */
/* The number of kernels, and of the weights in them, of the predictor that predictor_new would make. */
void predictor_count(const Network *network, const bool *chosen, uint64_t *kernels, uint64_t *weights);

/* ---- predictors -------------------------------------------------------------------------------------------------- */

/* One predicted layer of the source. */
typedef struct PredictedLayer {
    char *name;                 /* tensor name less ".weight" */
    unsigned filters, channels; /* c_out, c_in / groups */
    unsigned kernel[2];
    size_t first; /* number of its first kernel */
} PredictedLayer;

/* The index triple a kernel is encoded with, after permutation. */
typedef struct KernelIndex {
    uint32_t layer, filter, channel;
} KernelIndex;

/* One linear layer of the MLP: weight[out][in], bias[out], offsets into the parameters. */
typedef struct MlpLayer {
    unsigned in, out;
    size_t weight, bias;
} MlpLayer;

enum { MLP_LAYERS_MAX = 32, FINGERPRINT_MAX = 40 };

/* A predictor is never changed in place, but by the trainer that made it and has not yet published it. */
typedef struct Predictor {
    PredictorConfig config;
    PredictedLayer *layers;
    size_t layer_count;
    size_t kernel_count, weight_count; /* of all predicted layers: 29744, 267696 for ResNet20 */
    unsigned size, outputs;            /* K, K*K */
    KernelIndex *index;                /* kernel_count */
    MlpLayer mlp[MLP_LAYERS_MAX];      /* config.linear of them */
    float *parameters;                 /* parameter_count; layer after layer, weight then bias */
    size_t parameter_count;
    Network *source;                   /* the network it was made for, or NULL if only a file is known; owned */
    char fingerprint[FINGERPRINT_MAX]; /* of the source's predicted weights (predictor_fingerprint); "" unknown */
    uint64_t source_parameters;        /* learnable parameters of the source, the first denominator of CR; 0 unknown */
    KeyValue *lineage;                 /* as a network's */
    size_t lineage_count;
    KeyValue *notes; /* "partial" = "step 1200 of 68600"; notes from loading */
    size_t note_count;
    Table *log; /* of its training, or NULL */
} Predictor;

/* A new predictor for the layers of `source` marked in `chosen` (layer_count booleans; NULL: those that
 * Layer.predicted marks), permuted by the source's weights, initialised as PyTorch initialises linear layers,
 * U(-1/sqrt(in), 1/sqrt(in)), from (seed, its own stream). Shares the source's tensors. STATUS_USAGE if no layer is
 * chosen or one is not a convolution. Progress: "ordering kernels". */
Predictor *predictor_new(const Network *source, const bool *chosen, const PredictorConfig *config, uint64_t seed,
                         const char *command, const Task *task, Error *err);
/* A copy with its own parameters, its lineage one entry longer; a training log is not copied. */
Predictor *predictor_derive(const Predictor *predictor, const char *what, const char *command, Error *err);
void predictor_free(Predictor *predictor);
/* Replaces the notes of that key; value NULL only removes them. */
bool predictor_note(Predictor *predictor, const char *key, const char *value, Error *err);

/* Hash (base's hash_hex) over names, shapes and weights of the given layers. It is equal for networks with the same
 * predicted weights. */
bool predictor_fingerprint(const Network *network, const PredictedLayer *layers, size_t count,
                           char out[FINGERPRINT_MAX], Error *err);
/* Connects a loaded predictor to its source. STATUS_USAGE if a layer is missing or has another shape, naming it. If
 * only the weights differ (other fingerprint), there is a note. */
bool predictor_attach(Predictor *predictor, const Network *source, Error *err);

/* The target weights: `network`'s kernels of the predicted layers as kernels x outputs, smaller kernels centred in the
 * K x K frame and zero around it; mem_free. STATUS_USAGE if the network lacks a layer. */
float *predictor_targets(const Predictor *predictor, const Network *network, Error *err);
/* A layer's weights, filters x channels x kernel, out of predictions (kernels x outputs). */
void predictor_layer_weights(const Predictor *predictor, size_t layer, const float *predictions, float *weights);
/* One of the layer's kernels into the centre of its frame (outputs floats), zero around it. */
void predictor_frame(const Predictor *predictor, size_t layer, const float *kernel, float *frame);
/* The tensor of `network` that holds the layer. STATUS_USAGE if it lacks it or has another shape. */
bool predictor_find_layer(const Predictor *predictor, size_t layer, const Network *network, size_t *tensor, Error *err);
/* Marks of the outputs that a layer's kernel covers: outputs floats, 1 inside the centre crop, 0 outside. */
void predictor_mask(const Predictor *predictor, size_t layer, float *mask);
size_t predictor_layer_of(const Predictor *predictor, size_t kernel); /* which predicted layer a kernel belongs to */

/* The source with its predicted layers replaced by predictions (kernels x outputs; NULL: computed here). STATUS_FAILED
 * if there is no source ("load predictor ... --for NET"). */
Network *predictor_reconstruct(const Predictor *predictor, const float *predictions, const char *command, Error *err);
/* The same in another network than its own. STATUS_USAGE if it lacks a layer. */
Network *predictor_reconstruct_in(const Predictor *predictor, const Network *network, const float *predictions,
                                  const char *command, Error *err);

/* One row a predicted layer: layer, shape, kernels, weights, rms_error (the root of the mean square of weight minus
 * prediction; NaN if the source is not known). Notes: parameters, size, CR by both denominators, L_recon, settings,
 * permutation, fingerprint. */
Table *predictor_table(const Predictor *predictor, Error *err);

/* ---- encoding and orders ----------------------------------------------------------------------------------------- */

/* One index, 2 * levels values: sin(pi b^j i), cos(pi b^j i) for j = 0.., in double, rounded once. */
void encoding_row(double base, unsigned levels, double index, float *out);

/* Greedy nearest-neighbour orders of a layer's kernels under cosine similarity: start at 0, then always the most
 * similar unused one, the lowest on ties; in float64 accuracy where candidates are close, so that the order equals the
 * oracle's. `weights`: filters x channels x taps. Ranks: filter_rank[f], channel_rank[f * channels + c] of each item.
 */
bool permute_in_filter(const float *weights, unsigned filters, unsigned channels, unsigned taps, uint32_t *filter_rank,
                       uint32_t *channel_rank, const Task *task, Error *err);
/* One order over all kernels of the layer: rank[f * channels + c]. O(n^2) dot products, on the pool. */
bool permute_cross_filter(const float *weights, unsigned filters, unsigned channels, unsigned taps, uint32_t *rank,
                          const Task *task, Error *err);

/* ---- the MLP ----------------------------------------------------------------------------------------------------- */

/* Runs the MLP of one predictor: buffers made once, no allocation in a step. The first linear layer is separable:
 * T_layer[l] + T_filter[f] + T_channel[c] + bias, three small tables that are recomputed whenever the parameters
 * change. Results are bit-identical for any number of threads. */
typedef struct Mlp Mlp;
Mlp *mlp_new(const Predictor *predictor, Error *err); /* borrows it */
void mlp_free(Mlp *mlp);
/* Takes the parameters (predictor->parameters, or others in their layout; borrowed until the next call). */
void mlp_set(Mlp *mlp, const float *parameters);
/* Predictions of `count` kernels (NULL: all, in order) into out, count x outputs. */
void mlp_predict(Mlp *mlp, const uint32_t *kernels, size_t count, float *out);
/* Sum over all kernels of (w^ - w)^2; `targets` and `out` (the predictions; NULL: not wanted): kernel_count x outputs.
 */
double mlp_squares(Mlp *mlp, const float *targets, float *out);
/* One reconstruction pass over a batch of `count` distinct kernels, each counting `times` times (NULL: once):
 *   gradient (parameter_count) = sum over the batch of times * (w^ - w) back-propagated; the caller scales it.
 *   *batch_squares = sum over the batch, each kernel once, of (w^ - w)^2
 *   *rest_squares = the same over all other kernels, computed only where the pointer is not NULL.
 * `targets`: kernel_count x outputs. */
void mlp_reconstruction(Mlp *mlp, const float *targets, const uint32_t *kernels, const uint16_t *times, size_t count,
                        float *gradient, double *batch_squares, double *rest_squares);
/* Back-propagates given deltas (count x outputs, d loss / d w^) of distinct kernels into the gradient. */
void mlp_backward(Mlp *mlp, const uint32_t *kernels, size_t count, const float *delta, float *gradient);
double mlp_operations(const Predictor *predictor, size_t forward, size_t backward); /* floating-point, for rates */

/* ---- files ------------------------------------------------------------------------------------------------------- */

/* Options of loading a reference implementation's checkpoint, which holds weights only. */
typedef struct PredictorOptions {
    const Network *source;         /* --for; needed for PyTorch checkpoints, optional for ours */
    const bool *chosen;            /* predicted layers of the source; NULL: the default ones */
    const PredictorConfig *config; /* base, levels, normalisation, permutation, activation; NULL: the defaults */
    bool usual_order;              /* the permutation is predictor_usual_order's, whatever `config` says */
    const char *key; /* the dotted path of the state dict to take (checkpoint_open_key); NULL: by itself */
} PredictorOptions;
/* Ours (safetensors with configuration, permutation, fingerprint, lineage as metadata), or a reference checkpoint
 * (layers.N.weight/bias, final_linear_layer.weight/bias). */
Predictor *predictor_load(const char *path, const PredictorOptions *options, const Task *task, Error *err);
/* The same from an open checkpoint, which the caller keeps. Tensors whose names begin with "state." belong to the
 * trainer's checkpoints and are ignored. */
Predictor *predictor_from_checkpoint(Checkpoint *checkpoint, const PredictorOptions *options, const Task *task,
                                     Error *err);
/* Atomic, .safetensors only; parameters as F32, F16 or BF16, everything else exact. */
bool predictor_save(const Predictor *predictor, const char *path, DType dtype, bool overwrite, Error *err);
/* What predictor_save writes, for a caller that adds to it. Points into the predictor; file_parts_done. */
bool predictor_parts(const Predictor *predictor, DType dtype, FileParts *out, Error *err);

#endif
