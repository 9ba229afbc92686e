/* plan -- how an engine runs a graph: which operations run together, and where their results lie. Private to src/net.
 *
 * Batch norm goes into the weights of the convolution before it; the residual sum and the ReLU that follow are done as
 * its results are stored. Each remaining result is a map in an arena; maps whose lives do not overlap share memory.
 *
 * An engine that computes gradients, or shows feature maps, keeps every map. Its backward pass runs the steps from the
 * last to the first. When it comes to a step, the gradient of the step's result (before the activation) is complete;
 * the step adds its part to the gradients of its input and of what it added. Only maps with something to train behind
 * them have a gradient; gradients whose lives do not overlap share memory as well.
 *
 * The last steps of a wide network have many weights and small maps. There a step's weights serve all images of a block
 * before the next step begins. The steps before them do one image at a time, in memory that the images share: image i
 * of a block has its arena at i * arena, with the early maps in front of the others. They overlap the arenas of the
 * images before, so the last image comes first. Of the early steps a few in a row, whose maps are too large for a
 * cache, take turns: each does a band of rows that the next one reads while it is there.
 */
#ifndef WEFT_NET_PLAN_H
#define WEFT_NET_PLAN_H

#include "net/internal.h"
#include "net/engine/kernels/kernels.h"
#include "weft/base/error.h"

typedef enum StepKind {
    STEP_INPUT,
    STEP_CONVOLUTION, /* also linear layers: a kernel as large as the map */
    STEP_DEPTHWISE,
    STEP_ELEMENTWISE, /* batch norm, sum, ReLU with no convolution before them; every batch norm in training mode */
    STEP_POINTWISE, /* activations other than ReLU and ReLU6: a separate map, because the backward pass needs the input
                     */
    STEP_MULTIPLY,
    STEP_CONCAT,
    STEP_SHORTCUT_A,
    STEP_MOVE, /* slice, channel shuffle, pad */
    STEP_MAX_POOL,
    STEP_AVERAGE_POOL, /* also the global one: a window as large as the map */
    STEP_QUANTISE,     /* a separate map as well */
} StepKind;

/* How a step hands the gradient of its result on to one of its operands. */
typedef struct Flow {
    bool write; /* there is something to do now; else another step's Flow takes it from here, or nobody needs it */
    int with;   /* the map whose gradient holds what other steps gave already, or -1 */
    bool last;  /* the gradient is then complete: the operand's activation is applied to it */
} Flow;

/* Positions are those of the graph's operations. */
typedef struct Step {
    StepKind kind;
    int op, input;  /* the operation that the step begins with, and its input */
    int batch_norm; /* folded in, or -1 */
    int residual;   /* added; of a join the second operand; or -1 */
    int result;     /* the last operation that the step does */
    Activation activation;
    unsigned turns; /* so many steps from this one on take turns; 1: this one does all its rows */
    unsigned kernel[2], stride[2], dilation[2], padding[4], groups; /* as an Op's */
    size_t weights, bias;                                           /* floats from the start of the folded parameters */
    /* Of the backward pass. */
    bool backward;                         /* the result's gradient is needed */
    bool unread;                           /* nothing that leads to the logits reads the result: its gradient is zero */
    bool weight_wanted, bias_wanted;       /* of a convolution or linear layer; of batch norm: gamma, beta */
    Flow to_input, to_residual;            /* with to_input.write, `transposed` is there */
    size_t transposed;                     /* weights of the way back, floats from the start of the folded parameters */
    size_t weight_gradient, bias_gradient; /* floats from the start of a piece's gradients; laid out as the weights
                                              are, biases in channel order */
    size_t kernels, channels;              /* where the engine notes chosen kernels of this step: see chosen.c */
    bool training;                         /* batch norm in training mode */
    size_t statistics;                     /* its first channel among those of all such steps */
    Quantiser quantiser;
    /* Winograd's tiles of a convolution on the way there, on the way back, for the gradients of its weights (0: the
     * direct kernels). */
    Tiling tiling, back_tiling;
    unsigned gradient_tile;
    size_t tile_weights, back_tile_weights; /* transformed, floats from the start of the folded parameters */
} Step;

typedef struct Map {
    Shape shape;
    unsigned border;       /* zero pixels around it */
    size_t offset;         /* floats from the start of the arena, border included; if local, of the worker's */
    bool local;            /* not in the image's arena but in the worker's memory: see plan_local.c */
    Activation activation; /* that of the step whose result it is */
} Map;

/* Images of a block in an engine that keeps their maps, which share a worker's cache. */
enum { KEPT_BLOCK = 4 };

/* Floats at the beginning of an arena, with batch norm in training mode: they hold the address of its local maps. */
enum { ARENA_HEAD = 16 };

/* The most steps that take turns. */
enum { TURNS_MOST = 3 };

typedef struct Plan {
    Step *steps;
    size_t step_count;
    Map *maps;          /* one per operation; only results of steps have a place */
    Map *gradients;     /* of these maps; only where `backward` */
    bool keep;          /* no two maps share memory */
    size_t early;       /* so many steps do one image after the other, the rest all of a block: see below */
    size_t early_arena; /* floats for the maps that only they use */
    bool backward;      /* there is a backward pass */
    size_t arena;       /* floats for the other maps and for the gradients of one image */
    size_t local;       /* floats for the local maps of one image; at most `arena` */
    size_t parameters;  /* floats for all folded weights and biases */
    size_t sums;        /* floats for the gradients of weights and biases, as the kernels sum them up */
    size_t kernels, kernel_channels; /* kernels that can be chosen; channels of all these tensors and one more each */
    size_t planes;                   /* floats for the largest map and gradient in planes */
    size_t scratch;                  /* floats that a worker's kernels work in: planes of a block, or tiles */
    size_t statistics;               /* channels of all batch norms in training mode */
    unsigned channels;               /* the most that any of them has */
} Plan;

/* `options` NULL: forward only. */
bool plan_make(Plan *plan, const Network *network, unsigned height, unsigned width, const EngineOptions *options,
               Error *err);
void plan_done(Plan *plan);

/* What both directions of planning use: places in memory, taken by one map after the other. */
typedef struct Slot {
    size_t size;
    int map; /* -1: free */
} Slot;
Slot *slot_choose(Slot *slots, size_t *count, size_t size);
/* Adds a * b * c, rounded up to a whole vector, to *total; false on overflow. */
bool size_place(size_t *total, uint64_t a, uint64_t b, uint64_t c);
bool map_place(size_t *total, const Map *map); /* with its border */
void scratch_need(Plan *plan, size_t floats);
/* Finds the local maps and gradients, and gives the maps their places; false on overflow. */
bool plan_local(Plan *plan);
bool local_place(Plan *plan, Map *map);
/* Plans the backward pass of a plan whose steps are made. `slots`: one entry per operation. false: too large. */
bool plan_backward(Plan *plan, const Graph *graph, const EngineOptions *options, Slot *slots, Error *err);

/* ---- the way back of windows ------------------------------------------------------------------------------------- */

/* The gradient of a convolution's input, along one dimension: the positions first, first + stride, ... (`count` of
 * them) are hit by the same taps -- tap, tap + every, ... (`taps` of them) -- and so are the results of a convolution
 * of stride 1 with these taps in reverse order, `dilation` apart, over the gradient of the output from position
 * `offset` on. */
typedef struct Phase {
    unsigned first, count, tap, taps, every, dilation;
    ptrdiff_t offset;
} Phase;
/* Number `phase` of the step's stride[axis] phases, on an input of `size`. */
Phase phase_at(const Step *step, int axis, unsigned phase, unsigned size);

/* ---- planes ------------------------------------------------------------------------------------------------------ */

/* A convolution's input and the gradient of its result as one plane a channel, for the gradients of single kernels. A
 * plane of the input, padded, has stride x stride parts, one for each position within a stride, rows of `pitch` floats;
 * a plane of the gradient has rows of the same pitch, filled up with zeros, so that the gradient of any tap is one
 * product of two long vectors. */
enum { PLANE_TAPS = 49 };
typedef struct Planes {
    size_t pitch, part, plane; /* plane: of the input; stride * stride parts */
    size_t length;             /* of the gradient's */
    size_t size;               /* of all */
} Planes;
/* Not to linear, grouped and depthwise layers, nor to windows that differ by axis or side. */
bool planes_apply(const Step *step);
Planes planes_of(const Step *step, Shape in, Shape out);

/* ---- tiles ------------------------------------------------------------------------------------------------------- */

/* Chooses for each convolution between the direct kernels and Winograd's, by a model of their times. It depends on the
 * graph and the size of images only. */
void plan_tiles(Plan *plan, const Graph *graph);
/* The model: the time of a convolution of one image, in multiply-adds of CHANNEL_GROUP channels. `out`: channels and
 * size of its results; `gradient`: that of its weights. */
double tiling_cost(Tiling tiling, Shape out, size_t in, bool gradient);
/* Tiles of this size for a convolution of so many input channels. */
Tiling tiling_of(unsigned tile, unsigned stride, bool plain, size_t in_channels);
/* Whether weights for it are folded in the order of Winograd's kernels. */
bool tiling_transformed(Tiling tiling);
/* Of tests: tiles of this size wherever a convolution can have them, in plans made from now on; 0: as the model says.
 */
void plan_force_tile(unsigned tile, bool plain);
/* Whether the step's weights are there as the direct kernels read them: the way back is made from them too. */
bool step_direct(const Plan *plan, const Step *step);

/* ---- weights ----------------------------------------------------------------------------------------------------- */

/* The weights of one step, batch norm folded in (in double, then rounded), in the order the kernels read them, for both
 * ways. `tensors`: the graph's, by index. Unused `parameters` stay zero. */
void fold_step(const Plan *plan, const Step *step, const Graph *graph, const float *const *tensors, float *parameters);
/* From the sums of a step's weight gradient to the tensor's layout, through the folded batch norm. */
void unfold_weights(const Plan *plan, const Step *step, const Graph *graph, const float *const *tensors,
                    const float *sums, float *gradient);
/* Of chosen kernels only. `compact`: the sums are those of the chosen kernels, one after the other. */
void unfold_kernels(const Plan *plan, const Step *step, const Graph *graph, const float *const *tensors,
                    const float *sums, const KernelChoice *choice, bool compact, float *gradient);
void unfold_bias(const Plan *plan, const Step *step, const Graph *graph, const float *const *tensors, const float *sums,
                 float *gradient);

#endif
