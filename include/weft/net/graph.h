/* graph -- a network as operations over named tensors: what architectures build, ONNX files bring, saved networks carry
 * and the engine runs.
 *
 * Feature maps are channels x height x width. An operation's result is named by its position; inputs are earlier
 * positions. The operations are listed in ops.def.
 */
#ifndef WEFT_GRAPH_H
#define WEFT_GRAPH_H

#include <stdbool.h>
#include <stddef.h>

#include "weft/base/error.h"

typedef enum OpKind {
#define X(name, text, inputs, class) OP_##name,
#include "weft/net/ops.def"
#undef X
    OP_COUNT
} OpKind;

typedef enum OpClass {
    CLASS_SOURCE,
    CLASS_WEIGHTS,
    CLASS_NORM,
    CLASS_ACTIVATION,
    CLASS_POOL,
    CLASS_JOIN,
    CLASS_MOVE,
    CLASS_LEVELS
} OpClass;
const char *op_name(OpKind kind); /* "max pool" */
unsigned op_inputs(OpKind kind);  /* 0, 1 or 2 */
OpClass op_class(OpKind kind);

enum { NO_TENSOR = -1 };

/* Levels of an activation, per tensor and affine: x becomes (q - zero_point) * scale with q = zero_point + round(x /
 * scale), kept within 0 .. 2^bits - 1; rounding is half to even, x / scale is x times the float32 1 / scale, as in
 * PyTorch. Backward: straight through where q was within, zero where it was cut. */
typedef struct Quantiser {
    float scale;    /* > 0 */
    int zero_point; /* 0 .. 2^bits - 1: zero is a level */
    unsigned bits;  /* 2 .. 8; 0: levels still unknown, x passes unchanged */
} Quantiser;
enum { QUANTISER_BITS_MIN = 2, QUANTISER_BITS_MAX = 8 };
bool quantiser_sound(const Quantiser *quantiser); /* it can run: levels still to be found are sound */
/* Levels for values from `low` to `high`, 0 always among them (PyTorch's MinMaxObserver, quint8). */
Quantiser quantiser_of_range(float low, float high, unsigned bits);
float quantiser_apply(const Quantiser *quantiser, float x);

enum { OP_TENSORS = 4, OP_NAME_SIZE = 128, CLASSES_MAX = 1 << 16 /* labels have 16 bits */ };

/* One operation. Fields that its kind does not use are zero. Pairs are height, width. */
typedef struct Op {
    OpKind kind;
    char name[OP_NAME_SIZE]; /* the module's name: "layer1.0.conv1"; "layer1.0.add" */
    int input[2];            /* positions; -1 where the kind has fewer */
    unsigned out_channels;   /* of the result (classes for LINEAR) */
    unsigned kernel[2];      /* CONV, MAX_POOL, AVERAGE_POOL */
    unsigned stride[2];      /* the same; SHORTCUT_A: which pixels it keeps */
    unsigned dilation[2];    /* CONV; 0 counts as 1 */
    unsigned padding[4];     /* top, left, bottom, right: CONV, MAX_POOL, AVERAGE_POOL; PAD: zeros added */
    unsigned groups;         /* CONV; SHUFFLE: the channels as groups x each, transposed */
    unsigned size[2];        /* ADAPTIVE_POOL: of the result */
    unsigned offset;         /* SLICE: the first channel taken; SHORTCUT_A: channels of zeros before the old ones */
    bool ceiling;            /* pools: a window that begins inside the map or its left padding counts (ceil_mode) */
    bool exclude_padding;    /* AVERAGE_POOL: means over what lies inside the map (count_include_pad false) */
    float epsilon;           /* BATCH_NORM */
    float slope;             /* LEAKY_RELU: below 0 */
    union {                  /* tensor indices of the network; NO_TENSOR where absent */
        struct {
            int weight, bias;   /* WEIGHTS; BATCH_NORM: gamma, beta */
            int mean, variance; /* BATCH_NORM: running statistics */
        };
        int tensors[OP_TENSORS]; /* the same, to walk */
    };
    Quantiser quantiser;   /* QUANTISE */
    unsigned stage, block; /* what the architecture counts it to, both from 1; 0: none (people count blocks from 0) */
    bool predicted;        /* WEIGHTS: a weight predictor predicts it by default */
} Op;

/* Immutable once built; shared by reference among networks derived from one another. */
typedef struct Graph {
    Op *ops; /* ops[0] is the input, the last one gives the logits */
    size_t count;
    unsigned in_channels, classes;
    unsigned height, width; /* the input size the architecture was made for; other sizes run too, where they fit */
    int references;
} Graph;

/* The same operations; names, places, tensor indices and levels of quantisers may differ. */
bool graph_equal(const Graph *a, const Graph *b);
/* Marks every tensor that an operation reads; the others' marks stay. */
void graph_mark_tensors(const Graph *graph, bool *marks);
Graph *graph_share(Graph *graph); /* one reference more; NULL stays NULL */
void graph_release(Graph *graph);

/* ---- building ---------------------------------------------------------------------------------------------------- */

/* Grows a graph operation by operation. A failure sticks in *err and graph_finish reports it, so that the calls between
 * need no checks. */
typedef struct GraphBuilder {
    Graph *graph;
    size_t capacity;
    Error *err;
    bool failed;
} GraphBuilder;
GraphBuilder graph_begin(unsigned in_channels, unsigned height, unsigned width, Error *err); /* adds the input, op 0 */
/* Adds `op`, named by the formatted text (cut to OP_NAME_SIZE), and returns its position. Fields that its kind does not
 * use are set to "none"; out_channels 0 follows from the inputs where the kind does not choose it. */
int graph_add(GraphBuilder *builder, Op op, const char *name, ...) __attribute__((format(printf, 3, 4)));
Graph *graph_finish(GraphBuilder *builder, unsigned classes); /* NULL if anything failed */
/* The function of an ACTIVATION, and its derivative at x (PyTorch's choice at kinks: 0). */
double op_activation(const Op *op, double x);
double op_activation_slope(const Op *op, double x);

/* ---- shapes ------------------------------------------------------------------------------------------------------ */

typedef struct Shape {
    unsigned channels, height, width;
} Shape;
/* The shape of an operation's result from those of its inputs (`other`: of a JOIN's second). STATUS_FAILED, naming the
 * operation, where it cannot work on them. */
bool op_shape(const Op *op, Shape in, Shape other, Shape *out, Error *err);
/* The shape of every operation's result for one input size: graph->count entries of the caller's. STATUS_FAILED if
 * the graph cannot run on it. */
bool graph_find_shapes(const Graph *graph, unsigned height, unsigned width, Shape *shapes, Error *err);

#endif
