/* net -- trained networks: named tensors, the graph that an architecture builds over them, and the engine that runs it.
 *
 * A Network is never changed in place: network_derive makes a new one that shares every tensor, network_replace then
 * puts a new tensor for one of them. So a smoothed network costs only the layers that were smoothed.
 */
#ifndef WEFT_NET_H
#define WEFT_NET_H

#include "weft/base/dtype.h"
#include "weft/base/error.h"
#include "weft/base/hash.h"
#include "weft/base/table.h"
#include "weft/base/task.h"
#include "weft/base/tensor.h"
#include "weft/base/text.h"
#include "weft/format.h"
#include "weft/net/graph.h"

/* ---- networks ---------------------------------------------------------------------------------------------------- */

/* Input normalisation: (pixel / 255 - mean) / std per channel. channels 0: unknown. */
typedef struct Normalisation {
    unsigned channels;
    float mean[4], std[4];
} Normalisation;
/* Known normalisations, X(name, channels, means, deviations); channels 0: one value for any number. Help, completion
 * and parsing follow from this list. cifar10-kuangliu and half are not statistics of images but values in widespread
 * training scripts; stl10 covers the labelled and the unlabelled training images. */
#define NORMALISATIONS(X)                                                        \
    X("imagenet", 3, (.485f, .456f, .406f), (.229f, .224f, .225f))               \
    X("cifar10", 3, (.4914f, .4822f, .4465f), (.2470f, .2435f, .2616f))          \
    X("cifar10-kuangliu", 3, (.4914f, .4822f, .4465f), (.2023f, .1994f, .2010f)) \
    X("cifar100", 3, (.5071f, .4865f, .4409f), (.2673f, .2564f, .2762f))         \
    X("stl10", 3, (.4467f, .4398f, .4066f), (.2603f, .2566f, .2713f))            \
    X("fashion-mnist", 1, (.2860f), (.3530f))                                    \
    X("half", 0, (.5f), (.5f))                                                   \
    X("none", 0, (0.f), (1.f))
/* One of these names, or "M[,M,M]/S[,S,S]" with one value per channel (or one for all). STATUS_USAGE else. */
bool normalisation_parse(const char *text, unsigned channels, Normalisation *out, Error *err);
void normalisation_text(const Normalisation *normalisation, Str *out); /* in the form normalisation_parse reads */
/* The name of exactly this normalisation in the list, NULL if it has none. */
const char *normalisation_name(const Normalisation *normalisation);

typedef struct StoredBytes StoredBytes; /* shared by reference, like tensors */
typedef struct NetTensor {
    char *name;
    Tensor *tensor;
    DType stored;       /* its dtype in the file, in which it is saved */
    StoredBytes *bytes; /* the elements as they were stored, where float32 does not bring them back bit for bit (all
                           integers, doubles) or where they stay in the file; else NULL, as after network_replace */
    size_t tied;        /* 1 + the index of an earlier tensor that this one is (tied weights): `tensor` is the same one;
                           0: it is its own */
} NetTensor;

/* A tensor of a file that cannot be used as numbers (complex, less than a byte each); saved as it was read. */
typedef struct CarriedTensor {
    char *name;
    DType dtype;
    unsigned rank;
    uint64_t dim[TENSOR_RANK_MAX];
    StoredBytes *bytes;
} CarriedTensor;

/* Every kind of weight layer: X(NAME, "name", axes), `axes`: number of axes of its kernels; 0: not a convolution. */
#define LAYER_KINDS(X)                               \
    X(CONV_1D, "convolution 1d", 1)                  \
    X(CONV, "convolution", 2)                        \
    X(CONV_3D, "convolution 3d", 3)                  \
    X(TRANSPOSED_1D, "transposed convolution 1d", 1) \
    X(TRANSPOSED, "transposed convolution", 2)       \
    X(TRANSPOSED_3D, "transposed convolution 3d", 3) \
    X(LINEAR, "linear", 0)                           \
    X(RECURRENT, "recurrent", 0)                     \
    X(ATTENTION, "attention", 0)                     \
    X(EMBEDDING, "embedding", 0)                     \
    X(BILINEAR, "bilinear", 0)
typedef enum LayerKind {
#define X(name, text, axes) LAYER_##name,
    LAYER_KINDS(X)
#undef X
        LAYER_KIND_COUNT
} LayerKind;
const char *layer_kind_name(LayerKind kind);
unsigned layer_kind_axes(LayerKind kind); /* 1 to 3 for convolutions, 0 else */
bool layer_kind_transposed(LayerKind kind);

/* A weight layer as the analyses see it, in network order. */
typedef struct Layer {
    const char *name; /* tensor name less ".weight"; borrowed from the network */
    size_t tensor;    /* index into tensors */
    LayerKind kind;
    bool predicted;   /* a weight predictor would predict it (docs/method.md, section 1) */
    int stage, block; /* from names such as layer2.0.conv1 (stage 2, block 0) or features.3 (stage -1); -1 where there
                         is none */
    unsigned bits; /* bits of its integer weights, which are multiplied by a scale per output channel; 0: not quantised.
                      network_replace resets it */
} Layer;

typedef struct Network {
    NetTensor *tensors;
    size_t tensor_count;
    CarriedTensor *carried;
    size_t carried_count;
    Layer *layers; /* in graph order where the architecture is known, else in file order */
    size_t layer_count;
    char *architecture; /* "ResNet20 (CIFAR, option A, widths 16/32/64)"; NULL if not recognised */
    char *why_unknown;  /* why no architecture fits, for evaluate's message; NULL if one does */
    Graph *graph;       /* NULL if the architecture is not recognised */
    Normalisation normalisation;
    const char *normalise_why; /* why it was assumed, static; NULL if a file or the user gave it */
    KeyValue *lineage; /* how it was made, oldest first: key = what ("load", "lowpass"), value = the command or file */
    size_t lineage_count;
    KeyValue *notes; /* notes from loading (stripped prefix, chosen dict, metadata such as best_prec1) */
    size_t note_count;
    struct NetworkOrigin *origin; /* the file of a large network that was not changed since; else NULL */
    KeyValue *metadata; /* the file's own, saved again; a derived network keeps only entries that are not numbers (a
                           licence, not an accuracy) */
    size_t metadata_count;
} Network;

/* Options of loading; zeroed means "recognise everything". */
typedef struct NetworkOptions {
    const char *architecture; /* NULL: recognise; else FAMILY[:VARIANT,...] or FILE.lua[:VARIANT,...], refused (naming
                                 the tensor) where it does not fit */
    const char *prefix;       /* NULL: find it; otherwise the network is the tensors with this prefix */
    const char *graph;        /* NULL: the architecture is recognised; else an ONNX file that has it, which is matched
                                 with the tensors by their names, else by order and shape */
    const char *normalise;    /* as normalisation_parse; NULL: from the file's metadata or tensors, else assumed from
                                 the names of the tensors, the channels and the number of classes */
    const char *key;          /* the dotted path of the state dict to take (checkpoint_open_key); NULL: by itself */
    bool lazy;                /* a large network's weights are read where they are needed (network_hold) */
    bool lazy_always;         /* also a small one's */
    bool own;                 /* a file of a run: its network continues as it was, without "load" in its lineage */
} NetworkOptions;

/* Where a network came from whose weights are read where they are needed: enough to open it again elsewhere. */
typedef struct NetworkOrigin {
    char *path;                                    /* absolute */
    char *name;                                    /* as it was given */
    char *architecture, *prefix, *normalise, *key; /* of the options; NULL as there */
} NetworkOrigin;
/* What tells this file, or its shards, from another: a line for each, with its size, the time of its last change and a
 * checksum of parts of it that lie all over it; then one of the layers. */
bool network_identity(const Network *network, Str *out, Error *err);
/* Opens the network of an origin, lazy however small it is. STATUS_BAD_INPUT, naming file and reason, if it is not of
 * this identity. */
Network *network_load_again(const NetworkOrigin *origin, const char *identity, Error *err);

/* Reads every tensor of a network into memory and keeps it there until network_unhold: for what reads weights freely
 * (the engine, training). STATUS_LIMIT "loading NAME needs 25.1 GiB, limit ..." where it does not fit. Costs nothing
 * where no tensor is lazy. */
bool network_hold(const Network *network, const char *name, const Task *task, Error *err);
void network_unhold(const Network *network);
bool network_lazy(const Network *network); /* some tensors are read where they are needed */

/* Loads every tensor as float32 (after the memory budget), and combines weights stored in several tensors (weight norm,
 * spectral norm, pruning) into one, with a note. An unknown architecture is not a failure. A network saved by weft
 * restores its lineage and normalisation. A trainer's checkpoint (metadata weft.run) yields the network in it; tensors
 * whose names begin with "state." belong to the run and are ignored. */
Network *network_load(const char *path, const NetworkOptions *options, Error *err);
Network *network_from_checkpoint(Checkpoint *checkpoint, const NetworkOptions *options,
                                 Error *err); /* checkpoint stays the caller's */
void network_free(Network *network);

/* A copy that shares tensors and graph, with the lineage but without the notes: for an object that owns a network. */
Network *network_copy(const Network *network, Error *err);
/* A new network that shares all tensors and the graph, its lineage one entry longer. It has no notes, because those of
 * the file (such as an accuracy) need not hold for it. */
Network *network_derive(const Network *network, const char *what, const char *command, Error *err);
/* "0.485,0.456,0.406/0.229,0.224,0.225", and where it was assumed " (imagenet), assumed: WHY"; nothing if it is not
 * known. */
void network_normalisation(const Network *network, Str *out);
/* Replaces tensors[index], and those tied to it, by `tensor` (taken over); same shape (asserted). It is saved in the
 * dtype of the old one, or F32 if that was not a float type. Only for a network that is not shared yet. */
void network_replace(Network *network, size_t index, Tensor *tensor);

/* Atomic save by extension: .safetensors (lineage, normalisation, architecture, quantisers and the file's own metadata
 * with it), .onnx (needs a graph; float32, lineage and normalisation as metadata) or .npz, which cannot hold
 * quantisers. STATUS_USAGE if these conditions do not hold, and for other extensions. Every tensor is saved in the
 * dtype of its file, unchanged ones bit for bit; tied ones once (in an npz, which cannot express ties, each).
 */
bool network_save(const Network *network, const char *path, bool overwrite, Error *err);
/* The same with progress, in shards if asked for (safetensors_save_large; only .safetensors: STATUS_USAGE). Weights are
 * read, converted and written a part at a time. *notes gets a line for each thing that the file does not hold as the
 * network does: what was rounded to its former dtype, what the format has no dtype for. *files: how many shards. */
bool network_save_large(const Network *network, const char *path, const FileSaving *saving, Str *notes, size_t *files,
                        Error *err);
/* The same for a run, which must find the very network again: what was changed is float32. */
bool network_keep(const Network *network, const char *path, bool overwrite, Error *err);

/* The network's graph as text, a line an operation (see src/net/graph/text.c), without its quantisers: what a saved
 * file carries as weft.graph. Only with a graph. */
bool network_graph_text(const Network *network, Str *out, Error *err);
/* A row for each operation: number, name, kind, numbers of its inputs, settings, shape of the result for images of the
 * size the graph was made for, stage and block, learnable parameters, and multiply-adds per image (of convolutions and
 * linear layers); notes "input", "parameters" and "multiply_adds" have the totals. STATUS_FAILED with why_unknown if
 * there is no graph. */
Table *network_graph_table(const Network *network, Error *err);
/* What a .safetensors of network_keep holds, for a caller that adds to it: the tensors that are not tied to an earlier
 * one, in order, then the carried ones. Points into the network; file_parts_done. */
bool network_parts(const Network *network, FileParts *out, Error *err);

/* FOLDER/FILE, a network that a run keeps (NetworkOptions.own), if it is the one of this network_hash: else
 * STATUS_BAD_INPUT "FOLDER: FILE is not the WHAT the run began with". */
Network *network_load_kept(const char *folder, const char *file, const char *hash, const char *what, Error *err);
/* Of every tensor's name and values, in order, and of the quantisers' levels: whether two networks are the same. */
bool network_hash(const Network *network, char out[HASH_HEX], Error *err);

/* Whether tensors[tensor] is learnable: weights and biases of convolutions and linear layers, gamma and beta of batch
 * norm; not running statistics and counters. By its name and type. */
bool network_trainable(const Network *network, size_t tensor);
bool network_integer(const Network *network, size_t tensor); /* integers or booleans: no weights */
uint64_t network_parameters(const Network *network); /* elements of all learnable tensors, tied ones counted once */
const Tensor *layer_weight(const Network *network, const Layer *layer);
/* The layer's weight as a matrix: its first axis by all the others: c_out by c_in/groups * kh * kw for a convolution,
 * entries by width for an embedding, the stacked rows of the gates for a recurrent layer. For a transposed convolution,
 * stored as c_in x c_out/groups x ..., the first two axes are exchanged before. */
void layer_matrix(const Network *network, const Layer *layer, size_t *rows, size_t *columns);
/* Its elements: the tensor's own where it is stored so, else a copy that *copy receives too (mem_free; NULL else). NULL
 * if memory ran out. */
const float *layer_matrix_values(const Network *network, const Layer *layer, float **copy, Error *err);
/* The way back: a matrix to the order of the tensor. `matrix` and `weight` must not overlap. */
void layer_matrix_store(const Network *network, const Layer *layer, const float *matrix, float *weight);
bool network_find_layer(const Network *network, const char *name, size_t *index,
                        Error *err); /* STATUS_USAGE, with did-you-mean */

/* ---- quantised activations --------------------------------------------------------------------------------------- */

/* Where a static integer network quantises its maps: marks (graph->count booleans) the input, each convolution and
 * linear layer together with the batch norm and ReLU that alone read it, sums with their ReLU, and averaging pools.
 * What lies behind a max pool or a shortcut of option A has the levels that went in, or zeros. */
void graph_quantiser_places(const Graph *graph, bool *places);
/* Puts quantisers behind the marked operations; `quantisers`: one a mark, in order, or NULL: levels still to be found.
 * Only on a network nobody else has seen yet, with a graph. */
bool network_put_quantisers(Network *network, const bool *places, const Quantiser *quantisers, Error *err);
size_t network_quantisers(const Network *network); /* how many there are; 0 without a graph */
/* Which layers a selector chooses from, and which it means where it names none. */
typedef enum LayerChoice {
    CHOOSE_LAYERS,       /* every layer */
    CHOOSE_CONVOLUTIONS, /* convolutions of any kind: indices then count convolutions (0 = the first), and naming
                            another layer is an error */
    CHOOSE_ANY,          /* every layer, but convolutions where no layer is named and the network has some */
} LayerChoice;
/* Marks the layers that SEL names: comma-separated names or globs, index ranges (`0-6`), `stage:N`, `block:S.B`,
 * `convolutions`, `all`, `-NAME` to exclude (a selector that only excludes starts from the meaning of NULL). NULL:
 * everything that `choice` allows. `chosen` has layer_count entries. An entry without a match is STATUS_USAGE and names
 * the nearest layer. */
bool layer_select(const Network *network, const char *selector, LayerChoice choice, bool *chosen, Error *err);

/* ---- architectures ----------------------------------------------------------------------------------------------- */

typedef struct ArchitectureVariant {
    const char *name, *help; /* "pool", "a max pool follows a 3x3 stem" */
} ArchitectureVariant;
/* A family of networks, from its definition in Lua. */
typedef struct ArchitectureInfo {
    const char *name, *help;
    const char *repositories; /* whose names it understands: "torchvision, kuangliu/pytorch-cifar"; may be "" */
    const char *file;         /* "resnet.lua" */
    bool own;                 /* the user's, not one of weft's */
    const ArchitectureVariant *variants;
    size_t variant_count;
    const char **presets; /* names that network_create accepts: "resnet18"; examples if any number is possible */
    size_t preset_count;
} ArchitectureInfo;
/* The families known, for --arch and help. Free with architecture_list_free. */
typedef struct ArchitectureList {
    ArchitectureInfo *families;
    size_t count;
    Str broken;     /* files of the user that are left out, a line each: "mine.lua:3: ..." */
    void *internal; /* what the texts belong to */
} ArchitectureList;
/* `file`: NULL, or a definition file of the user, whose families alone are listed. */
ArchitectureList *architecture_list(const char *file, Error *err);
void architecture_list_free(ArchitectureList *list);
/* The folder whose *.lua are definitions too; NULL: none. Called before anything else. */
void architecture_folder(const char *folder);

/* ---- new networks ------------------------------------------------------------------------------------------------ */

enum { WIDTHS_MAX = 16 };
/* A network to make. */
typedef struct ArchitectureRequest {
    const char *architecture; /* a preset, and variants of its family: "resnet20", "resnet18:pool"; or FILE.lua[:PRESET]
                                 [:VARIANT,...] */
    const char *variants;     /* more of them, comma-separated; NULL: none */
    unsigned widths[WIDTHS_MAX]; /* channels of the stages, where the family takes such numbers; 0: its own */
    unsigned width_count; /* as many as there are stages; 1: the first, which the next double; 0: none is given */
    unsigned in_channels; /* 1 or 3 */
    unsigned classes;
    Normalisation normalisation; /* of as many channels; 0 channels: that of the dataset that has such images */
    Normalisation otherwise;     /* where no such dataset is known */
} ArchitectureRequest;
/* A network with initial weights for training, a function of the request and the seed: He et al.'s
 * initialisation (normal, variance 2 / fan-in) of convolutions and linear layers, biases U(-1/sqrt(fan-in),
 * 1/sqrt(fan-in)); batch norm with gamma 1, beta 0, mean 0, variance 1. Its lineage begins with "fit" = `command`.
 * STATUS_USAGE for an impossible request; STATUS_LIMIT over the memory budget. */
Network *network_create(const ArchitectureRequest *request, uint64_t seed, const char *command, Error *err);

/* ---- engine ------------------------------------------------------------------------------------------------------ */

/* Runs a graph: batch norm folded into the convolution before it (evaluation mode), ReLU and residual add fused,
 * buffers planned once for (graph, batch, input size) and reused; no allocation inside a pass. Results are
 * bit-identical for any number of threads. */
typedef struct Engine Engine;

/* How convolutions of 3 x 3 taps and stride 1 are computed: with fewer multiplications where that is faster
 * (Winograd's minimal filtering; see src/README.md), or tap by tap. */
#define CONVOLUTIONS(X) X(FAST, "fast") X(DIRECT, "direct")
typedef enum Convolutions {
#define X(name, text) CONVOLUTIONS_##name,
    CONVOLUTIONS(X)
#undef X
        CONVOLUTIONS_COUNT
} Convolutions;
/* A row of a command or a run whose struct has a field `convolutions` of this type. */
#define CONVOLUTIONS_ROW(type)                                                          \
    CHOICE(type, convolutions, "convolutions", "HOW", CONVOLUTIONS, .standard = "fast", \
           .environment = "WEFT_CONVOLUTIONS",                                          \
           .help = "compute 3x3 convolutions with fewer multiplications (fast), or tap by tap (direct)")
/* How engines compute them that are made from now on, in the whole process. The beginning, and -1, is what
 * WEFT_CONVOLUTIONS says, fast without it. Not while another thread makes an engine. */
Convolutions engine_convolutions(void);
void engine_set_convolutions(int convolutions);

/* What an engine is to do beyond forward passes; zeroed: nothing. */
typedef struct EngineOptions {
    const bool *gradients; /* tensor_count marks: tensors whose gradients engine_backward computes (weights and biases
                              of convolutions and linear layers; gamma and beta with batch_statistics); NULL: none */
    bool input_gradient;   /* the gradient with respect to the pixels, on [0, 1] */
    bool feature_maps;     /* keep the maps before each ReLU for the feature-map loss (of a student or a teacher): after
                              every     batch norm and after every residual sum */
    bool batch_statistics; /* batch norm in training mode: statistics of the batch (biased variance to normalise with),
                              as `fit` needs; else the stored ones, folded */
} EngineOptions;

/* STATUS_FAILED with why_unknown where the network has no graph. `batch` images at most per call. `options` NULL:
 * forward only; it is not kept. */
Engine *engine_new(const Network *network, unsigned batch, unsigned height, unsigned width,
                   const EngineOptions *options, Error *err);
void engine_free(Engine *engine);
/* Takes (and folds) the weights of another network with the same graph: the sweeps' way. */
bool engine_set_network(Engine *engine, const Network *network, Error *err);
/* Takes a new version of one weight tensor (same shape as the network's tensors[tensor]) and folds it, as the trainer
 * does in each step. Only of an engine made with gradients or input_gradient. No allocation. */
void engine_set_tensor(Engine *engine, size_t tensor, const float *values);
/* `pixels`: images x channels x height x width on [0, 1], not yet normalised (the network's normalisation is applied
 * here). `logits`: images x classes. images <= batch. */
bool engine_forward(Engine *engine, const float *pixels, unsigned images, float *logits, Error *err);

/* ---- a pass in two parts ----------------------------------------------------------------------------------------- */

/* Networks that differ only from some step of the engine on share what comes before it: it is run once, its results are
 * kept as states, and each network runs only the rest, to the same bits. A cut is the number of steps before it. */

/* The first step in which `a` and `b`, both with the engine's graph, differ; the number of steps if there is none.
 */
size_t engine_cut(const Engine *engine, const Network *a, const Network *b);
/* The first step that reads tensors[tensor] of the network that the engine was made for; the number of all steps where
 * none does. */
size_t engine_reader(const Engine *engine, size_t tensor);
/* The fraction of the multiplications of a pass (convolutions and linear layers) after the cut. */
double engine_tail_share(const Engine *engine, size_t cut);
uint64_t engine_state(const Engine *engine, size_t cut); /* floats of an image's state */
/* `pixels` as engine_forward; `states`: images x engine_state floats. STATUS_FAILED with batch_statistics. */
bool engine_forward_head(Engine *engine, const float *pixels, unsigned images, size_t cut, float *states, Error *err);
bool engine_forward_tail(Engine *engine, const float *states, unsigned images, size_t cut, float *logits, Error *err);
/* Sees what every quantiser of the graph is given and gives, row by row of each image's map (from any thread; rows of
 * one image and operation in order, from one): `count` values each, from all channels of each pixel. `op`: the
 * quantiser's position; `worker` as in pool_run. */
typedef void EngineObserver(void *context, size_t op, unsigned image, unsigned worker, const float *values,
                            const float *results, size_t count);
void engine_observe(Engine *engine, EngineObserver *observer, void *context); /* NULL: nobody any more */

/* ---- losses and gradients ---------------------------------------------------------------------------------------- */

/* docs/method.md, section 4. KL(softmax(teacher) || softmax(student)); stable: log(softmax(student) + 1e-4) in the
 * place of the student's log-softmax. */
#define KD_FORMS(X) X(PLAIN, "plain") X(STABLE, "stable")
typedef enum KdForm {
#define X(name, text) KD_##name,
    KD_FORMS(X)
#undef X
        KD_FORM_COUNT
} KdForm;

/* The loss of a batch: the sum of the terms, each times its weight (0: the term is left out and costs nothing). All are
 * means over the images. */
typedef struct Loss {
    double cross_entropy;   /* with the labels */
    double label_smoothing; /* of cross_entropy: target (1 - s) onehot + s / classes */
    double kd;              /* logit distillation; needs a teacher */
    KdForm kd_form;
    double temperature; /* of kd: logits / T, loss times T^2; 0 counts as 1 */
    double fmd;         /* feature-map distillation; teacher and student of the same graph, both with feature_maps */
    bool fmd_aliased;   /* count the sum twice and the second batch norm not at all, as the reference does */
} Loss;

/* The terms of a batch, unweighted means over its images; summed in double in image order. */
typedef struct LossTerms {
    double cross_entropy, kd, fmd;
    uint64_t correct; /* images whose label has the largest logit; 0 without labels */
} LossTerms;

/* A choice of kernels of one convolution tensor: filter * (c_in / groups) + channel, ascending, distinct. */
typedef struct KernelChoice {
    const uint32_t *kernels;
    size_t count;
} KernelChoice;

/* Where gradients are written, each in the layout of its tensor (out x in x kh x kw). NULL entries and tensors that
 * were not requested are not touched. */
typedef struct Gradients {
    float *const *tensors;       /* tensor_count pointers */
    const KernelChoice *kernels; /* tensor_count choices: only these kernels of the tensor are computed, the others are
                                    not touched; NULL: all of every tensor. kernels[i].kernels NULL: all of tensor i */
    float *pixels;               /* images x channels x height x width, or NULL */
} Gradients;

/* Forward pass, loss and backward pass of a batch. `labels`: images, needed by cross_entropy; NULL else. `teacher`: an
 * engine of the same image size and at least this batch (any architecture with as many classes), run forward on the
 * same pixels; or NULL with `teacher_logits` (images x classes) given where only kd is asked for, or where no teacher
 * is needed. `logits`, if not NULL, receives the student's. The gradient of softmax minus onehot at the label is formed
 * as minus the sum of the others (it would cancel in float32). `gradients`, `logits` and `terms` may be NULL. Nothing
 * is allocated unless the number of threads was raised since engine_new. STATUS_FAILED for an engine made without
 * gradients, no images, missing or too large labels, a missing or unfit teacher, and for fmd together with
 * batch_statistics of either engine. */
bool engine_backward(Engine *engine, const float *pixels, const uint16_t *labels, unsigned images, Engine *teacher,
                     const float *teacher_logits, const Loss *loss, const Gradients *gradients, float *logits,
                     LossTerms *terms, Error *err);
/* With batch_statistics: mean and biased variance of every batch norm in the last pass, for the running statistics.
 * `op`: the batch norm's position; channels values each; borrowed until the next pass. */
void engine_batch_statistics(const Engine *engine, size_t op, const float **mean, const float **variance);
/* Pixels (height times width) of the map that an operation gives. */
size_t engine_map_pixels(const Engine *engine, size_t op);

/* Floating-point operations of one image: forward; backward with respect to the maps; backward with respect to the
 * weights that are asked for (multiply and add count as two; convolutions and linear layers only). */
typedef struct EngineOperations {
    double forward, backward_data, backward_weights;
} EngineOperations;
EngineOperations engine_operations(const Engine *engine);

/* ---- dense layers ------------------------------------------------------------------------------------------------ */

/* Weights of a dense layer as dense_run reads them, for `in` inputs and `out` outputs padded to a multiple of 16;
 * element (i, o) is weight[i * in_step + o * out_step]. The padding of `packed` (in x padded out floats) stays as it
 * is: zero it once. */
void dense_pack(const float *weight, size_t in_step, size_t out_step, size_t in, size_t out, float *packed);
/* out[r][o] = bias[o] + sum_i from[r][i] * weight(i, o), then ReLU where asked; `from_row` floats from one row to the
 * next, `outputs` (a multiple of 16) of each result, dense. On the calling thread. `bias`: outputs floats, or NULL. */
void dense_run(const float *packed, const float *bias, bool relu, const float *from, size_t from_row, size_t in,
               size_t rows, size_t outputs, float *out);

/* The feature map that op `op` produced before any fused ReLU, for the first image, by running the graph unfused, op by
 * op, with plain loops: the reference that tests compare with, and what `kernels`-like inspection may use. Size
 * *channels x *height x *width. */
float *engine_reference(const Network *network, const float *pixels, unsigned height, unsigned width, size_t op,
                        unsigned *channels, unsigned *out_height, unsigned *out_width, Error *err);

#endif
