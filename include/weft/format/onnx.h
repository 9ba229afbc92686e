/* onnx -- the contents of an ONNX file: nodes, tensors, inputs and outputs, as plain data. src/net/onnx makes a graph
 * of it.
 *
 * Everything is borrowed from the model, which lives as long as the Checkpoint that it came with. The elements of
 * tensors stay in the file until onnx_read asks for them.
 */
#ifndef WEFT_ONNX_H
#define WEFT_ONNX_H

#include "weft/base/dtype.h"
#include "weft/base/error.h"
#include "weft/base/text.h"
#include "weft/format.h"

typedef enum OnnxPlace { ONNX_RAW, ONNX_TYPED, ONNX_EXTERNAL } OnnxPlace;

typedef struct OnnxTensor {
    const char *name; /* "" where it has none (of an attribute) */
    bool number;      /* `dtype` is valid; false: text elements, or an unknown type */
    DType dtype;
    unsigned rank;
    const uint64_t *dim;
    uint64_t count;
    OnnxPlace place;     /* how the elements are stored */
    uint64_t at, length; /* of their bytes; ONNX_TYPED: of the tensor's message */
    size_t external;     /* ONNX_EXTERNAL: which file */
} OnnxTensor;

typedef enum OnnxKind {
    ONNX_OTHER,
    ONNX_FLOAT,
    ONNX_INTEGER,
    ONNX_TEXT,
    ONNX_TENSOR,
    ONNX_FLOATS,
    ONNX_INTEGERS
} OnnxKind;

typedef struct OnnxAttribute {
    const char *name;
    OnnxKind kind; /* ONNX_OTHER: graphs, lists of texts and other things that no network here needs */
    double number;
    int64_t integer;
    const char *text;
    const OnnxTensor *tensor;
    const float *numbers;
    const int64_t *integers;
    size_t count; /* of numbers or integers */
} OnnxAttribute;

typedef struct OnnxNode {
    const char *name, *type, *domain; /* name and domain may be ""; type: "Conv" */
    const char *const *inputs;        /* "": left out */
    const char *const *outputs;
    const OnnxAttribute *attributes;
    size_t input_count, output_count, attribute_count;
} OnnxNode;

enum { ONNX_RANK_MAX = 8, ONNX_ANY_SIZE = -1 };
typedef struct OnnxValue {
    const char *name;
    bool shaped; /* its shape is known */
    unsigned rank;
    int64_t dim[ONNX_RANK_MAX]; /* ONNX_ANY_SIZE: symbolic */
} OnnxValue;

typedef struct OnnxModel {
    int64_t version; /* IR */
    int64_t opset;   /* of the standard operators; 0: it imports none */
    const char *producer;
    const OnnxNode *nodes;
    const OnnxTensor *tensors; /* the initialisers */
    const OnnxValue *inputs, *outputs;
    size_t node_count, tensor_count, input_count, output_count;
} OnnxModel;

/* The model of a checkpoint that is an ONNX file; NULL for every other. Its tensors are those that `tensors` lists, and
 * those of Constant nodes that can be weights (numbers with a fraction, rank 1 at least), by the name of the output. */
const OnnxModel *checkpoint_onnx(const Checkpoint *checkpoint);
/* The elements, dense and row-major, little-endian: count * bits / 8 bytes into `out`. STATUS_BAD_INPUT for a tensor
 * whose elements are not numbers. */
bool onnx_read(Checkpoint *checkpoint, const OnnxTensor *tensor, void *out, Error *err);
const OnnxAttribute *onnx_attribute(const OnnxNode *node, const char *name); /* NULL if absent */
/* What a Constant node gives, where that is a tensor; NULL else. */
const OnnxTensor *onnx_constant(const OnnxNode *node);

/* ---- writing ----------------------------------------------------------------------------------------------------- */

enum { ONNX_WRITTEN_OPSET = 13 };

/* A model to write, node by node; texts are copied, tensors' data stays the caller's. Start from {0}; a failure sticks
 * and onnx_save reports it. */
typedef struct OnnxWriter {
    Str nodes;   /* GraphProto fields, written as they come */
    Str values;  /* inputs and outputs */
    Str current; /* the node being written */
    TensorOut *tensors;
    size_t count, capacity;
    bool failed;
} OnnxWriter;
void onnx_node(OnnxWriter *writer, const char *type, const char *name);
void onnx_node_input(OnnxWriter *writer, const char *name); /* inputs before outputs, outputs before attributes */
void onnx_node_output(OnnxWriter *writer, const char *name);
void onnx_node_integer(OnnxWriter *writer, const char *name, int64_t value);
void onnx_node_float(OnnxWriter *writer, const char *name, float value);
void onnx_node_integers(OnnxWriter *writer, const char *name, const int64_t *values, size_t count);
void onnx_node_end(OnnxWriter *writer);
/* An initialiser; the tensor is borrowed until onnx_save. */
void onnx_tensor(OnnxWriter *writer, const TensorOut *tensor, Error *err);
/* A float32 input or output; dim ONNX_ANY_SIZE: the batch, "N". */
void onnx_value(OnnxWriter *writer, bool output, const char *name, unsigned rank, const int64_t *dim);
/* Atomically; frees the writer's memory (onnx_writer_done), also on failure. STATUS_LIMIT over protobuf's 2 GiB. */
bool onnx_save(OnnxWriter *writer, const char *path, bool overwrite, const KeyValue *metadata, size_t metadata_count,
               Error *err);
void onnx_writer_done(OnnxWriter *writer);

#endif
