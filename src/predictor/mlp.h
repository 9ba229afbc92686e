/* mlp -- what mlp.c, mlp_new.c and activation.c share. Private to src/predictor and its tests. */
#ifndef WEFT_PREDICTOR_MLP_H
#define WEFT_PREDICTOR_MLP_H

#include "weft/base/tiles.h"
#include "weft/predictor.h"

enum { LANES = 16, VECTOR = 4 }; /* widths are multiples of LANES; loops go by vectors that every CPU has */
enum {
    MLP_ROWS = 512,      /* of a block: OpenBLAS is at its best, and a worker's block stays in its second-level cache */
    MLP_GROUPS_MOST = 16 /* as many gradients are summed, fewer where they are wide */
};
typedef float Vector __attribute__((vector_size(4 * VECTOR), may_alias));
typedef int VectorMask __attribute__((vector_size(4 * VECTOR)));

/* max(value, 0), but a NaN stays one. */
static inline Vector vector_relu(Vector value) {
    return (Vector)((VectorMask)value & ~(value < 0.0f));
}

typedef struct MlpRows {
    uint32_t at[3]; /* rows of the table: the layer's, the filter's, the channel's */
} MlpRows;

/* A linear layer after the first: floats into the padded weights, the biases, a group's gradient. */
typedef struct MlpPlace {
    unsigned out; /* padded */
    size_t weight, bias, weight_gradient, bias_gradient;
    size_t forward, backward; /* into the tiles */
} MlpPlace;

struct Mlp {
    const Predictor *predictor;
    const float *parameters;
    unsigned linear, width, last; /* linear layers; padded hidden and output widths */
    size_t *first_row[3];         /* of each predicted layer, in the index's encodings */
    size_t rows[3], table_rows;   /* encodings of each index, and together */
    float *encoding[3];           /* rows x 2 levels */
    MlpRows *row;                 /* of each kernel */
    float *table;                 /* table_rows x width */
    MlpPlace place[MLP_LAYERS_MAX];
    size_t weight_size, gradient_size, worker_size, sums;
    float *forward, *backward; /* padded weights: in x out, out x in; NULL if there are tiles: */
    uint16_t *tiles;           /* the same, packed for the CPU's matrix unit; NULL: not used */
    uint16_t *packed;          /* 2 x packed_size for each worker: a block's rows */
    size_t tiles_size, packed_size;
    float *bias;
    float *scratch; /* worker_size for each worker */
    unsigned workers;
    float *gradients; /* gradient_size for each group: table, then weight and bias of each layer */
    double *squares;  /* of each piece of a pass */
    uint32_t *rest;   /* kernels outside a batch */
    float *mask;      /* layer_count x outputs */
};

size_t mlp_groups_most(const Mlp *mlp);
void mlp_activate(const Mlp *mlp, size_t rows, const float *sum, float *out); /* of activations other than ReLU */
/* delta *= activation'(sum); for ReLU `sum` is the activation itself. */
void mlp_activate_backward(const Mlp *mlp, size_t rows, const float *sum, float *delta);
void mlp_add_rows(float *total, const float *values, size_t rows, size_t width); /* total += column sums */

#endif
