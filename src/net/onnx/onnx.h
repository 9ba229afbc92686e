/* onnx -- what the files that turn ONNX nodes into a Graph share. Private to src/net/onnx.
 *
 * The nodes are walked once, in the file's order (ONNX asks for inputs before their use, so a cycle is an input that no
 * earlier node gives). Every name stands for a Value: a constant, folded as the walk goes, or a map: an operation's
 * result, seen through a View and, where elementwise nodes came, a function of it that is not an operation yet.
 */
#ifndef WEFT_NET_ONNX_H
#define WEFT_NET_ONNX_H

#include "net/internal.h"
#include "weft/base/error.h"
#include "weft/base/tensor.h"
#include "weft/format/onnx.h"

enum {
    SAMPLES = 48,       /* points at which a function of one value is known */
    FOLD_MAX = 1 << 16, /* elements of constants that are computed with */
    DEPTH_MAX = 8,      /* functions of functions before an operation is made */
    DEFAULT_SIZE = 224, /* of images if the file does not specify it */
    AXES_MAX = 8,
    ROOM_MAX = 128 << 20,
};

/* How an ONNX tensor's dimensions lie on a map: each is a word of axes, B (batch), C, H, W, or C split into G groups of
 * E each; "" has size 1, and axes of size 1 are left out. "B C H W" is a plain map, "B CHW" a flattened one. */
typedef struct View {
    unsigned rank;
    char dim[ONNX_RANK_MAX][AXES_MAX];
    unsigned groups; /* the size of G */
} View;

typedef enum ValueKind { VALUE_UNKNOWN, VALUE_CONSTANT, VALUE_MAP, VALUE_ZEROS } ValueKind;

typedef struct Value {
    const char *name;
    ValueKind kind;
    size_t uses;  /* nodes and outputs that take it */
    size_t alias; /* the value that it is another name of; its own index where it is none */
    /* VALUE_CONSTANT; of VALUE_ZEROS the dimensions, of which the batch is NaN */
    unsigned rank;
    double dim[ONNX_RANK_MAX];
    size_t count;
    double *numbers;          /* NULL: not read yet; a size of the batch is NaN */
    const OnnxTensor *stored; /* NULL: computed */
    Tensor *tensor;           /* computed from large ones; the converter's */
    const char *source;       /* the stored tensor that `tensor` was computed from */
    bool whole;               /* computed as integers */
    int placed;               /* 1 + its tensor in the network; 0: none yet */
    /* VALUE_MAP */
    int op;
    View view;
    const double *samples,
        *own;       /* the function of the operation's result so far, and the last node's own; NULL: none */
    size_t from[2]; /* what the last node took */
    unsigned depth;
    const OnnxNode *node; /* that gives it */
    bool quantised;       /* integers of QuantizeLinear; only DequantizeLinear takes them */
    bool final;           /* probabilities of a softmax: only an output */
} Value;

typedef struct Converter {
    Checkpoint *checkpoint;
    const OnnxModel *model;
    Network *network;
    size_t tensor_capacity;
    GraphBuilder builder;
    Shape *shapes;            /* of each operation's result */
    const OnnxNode **made_by; /* the node of each operation; NULL: none */
    size_t shape_capacity, made_capacity;
    Value *values; /* by name, ascending */
    size_t value_count;
    double batch; /* the file's size of the batch; NaN if it is open */
    void **rooms; /* freed at the end */
    size_t room_count, room_capacity;
    uint64_t taken, room; /* bytes; ROOM_MAX and twice the file's tensors */
    Tensor **tensors;     /* of values; released at the end */
    size_t tensors_count, tensors_capacity;
    size_t *sorted; /* the network's tensors as loaded, by name */
    size_t sorted_count;
    bool softmax, default_size;
    Error *err;
} Converter;

/* ---- values.c ---------------------------------------------------------------------------------------------------- */

/* Counts memory that the file's nodes ask for: a small file must not take much. */
bool converter_take(Converter *c, uint64_t bytes);
void *converter_room(Converter *c, size_t count, size_t size); /* zeroed, until the end */
/* Refuses the node: "node 'NAME' (TYPE): WHY"; always false. */
bool node_refuse(Converter *c, const OnnxNode *node, const char *why, ...) __attribute__((format(printf, 3, 4)));
bool values_prepare(Converter *c);                  /* all names, with their uses; the initialisers as constants */
Value *value_named(Converter *c, const char *name); /* NULL: there is none */
size_t value_index(const Converter *c, const Value *value);
/* The node's input; NULL if it has none, or with *err set where it is given by no earlier node. */
Value *node_input(Converter *c, const OnnxNode *node, size_t index);
Value *node_need(Converter *c, const OnnxNode *node, size_t index); /* an absent one is refused too */
Value *node_output(Converter *c, const OnnxNode *node, size_t index);
bool value_numbers(Converter *c, Value *value); /* reads them; false if it is not a small constant */
int64_t node_integer(const OnnxNode *node, const char *name, int64_t otherwise);
double node_number(const OnnxNode *node, const char *name, double otherwise);
/* The numbers of attribute `name`, or of the constant input `index` where there is no such attribute (as later operator
 * sets have it); *count is 0 where both are absent. At most ONNX_RANK_MAX. */
bool node_list(Converter *c, const OnnxNode *node, const char *name, size_t index, double *out, size_t *count);
/* A constant of the node's first output: zeroed numbers to fill. */
double *node_give(Converter *c, const OnnxNode *node, unsigned rank, const double *dim);

/* ---- fold.c ------------------------------------------------------------------------------------------------------ */

bool fold_node(Converter *c, const OnnxNode *node, bool *folded); /* a node of constants, or Shape */

/* ---- maps.c ------------------------------------------------------------------------------------------------------ */

View view_of_map(const Converter *c, int op);
double axis_size(const Converter *c, const Value *value, const View *view, char axis); /* NaN for B */
double view_size(const Converter *c, const Value *value, unsigned dim);                /* NaN for the batch */
bool view_plain(const Converter *c, const Value *value);                               /* B C H W */
void view_merge(View *view, unsigned dim);                                             /* GE is C again */
/* Adds an operation for the node and checks its shape; -1 with *err set where that fails. */
int converter_add(Converter *c, const OnnxNode *node, Op op);
bool give_map(Converter *c, const OnnxNode *node, size_t output, int op); /* B C H W */
/* x * scale + shift, of one factor or one for each channel. */
int add_affine(Converter *c, const OnnxNode *node, int from, const double *scale, const double *shift, size_t count);
/* The tensor's index in the network; a new tensor (taken over) where `derived` is given. */
int tensor_index(Converter *c, Value *constant, Tensor *derived);
int tensor_derived(Converter *c, const char *name, Tensor *derived);
Tensor *constant_tensor(Converter *c, Value *constant); /* a reference to be released; NULL with *err set */

/* ---- settle.c ---------------------------------------------------------------------------------------------------- */

bool close_to(double a, double b);             /* as near as float32 numbers of one function are */
double function_point(size_t i);               /* where sample i of a function lies */
bool value_settle(Converter *c, Value *value); /* its function becomes an operation */
bool value_is_zero(const Value *value);        /* a function that is 0 everywhere */
bool value_is_activation(const Value *value);  /* a function that an operation of the kind has */
Value *map_input(Converter *c, const OnnxNode *node, size_t index, bool plain); /* settled; NULL with *err set */

/* ---- nodes: views.c, functions.c, layers.c, nodes.c -------------------------------------------------------------- */

bool move_node(Converter *c, const OnnxNode *node, bool *done); /* Reshape, Flatten, Transpose, ... */
bool function_node(Converter *c, const OnnxNode *node, bool *done);
bool layer_node(Converter *c, const OnnxNode *node, bool *done); /* Conv, Gemm, MatMul, BatchNormalization, pools */
bool add_bias(Converter *c, const OnnxNode *node, Value *map, Value *constant, bool *done);
bool graph_node(Converter *c, const OnnxNode *node); /* any node that is not folded */

/* ---- names.c ----------------------------------------------------------------------------------------------------- */

/* "layer1.0.conv1" for "/layer1/layer1.0/conv1/Conv", as PyTorch names nodes; else the node's name, else its output's.
 */
void node_module(const OnnxNode *node, char out[OP_NAME_SIZE]);
bool name_anonymous(const char *tensor);         /* "onnx::Conv_12", "12", "val_3" */
bool converter_name(Converter *c, Graph *graph); /* tensors and operations; drops the tensors that are not used */

#endif
