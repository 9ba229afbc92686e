/* matrices -- optimisers whose step of a matrix is a function of the whole matrix: Muon and SOAP. Private to src/train.
 *
 * Products of matrices are cut into strips of rows, whose size depends on the matrix alone: the result does not depend
 * on the number of threads.
 */
#ifndef WEFT_TRAIN_MATRICES_H
#define WEFT_TRAIN_MATRICES_H

#include "weft/base/error.h"
#include "weft/train.h"

/* Rows first .. first + rows - 1 of something of matrix `matrix`. */
typedef struct Strip {
    size_t matrix, first, rows;
    size_t number; /* of the matrix's strips */
} Strip;
typedef struct Strips {
    Strip *strip;
    size_t count, capacity;
} Strips;
/* Cuts `rows` rows of matrix `matrix`; adds the strips. */
bool strips_add(Strips *strips, size_t matrix, size_t rows, Error *err);
/* to[j][i] = to[i][j] for the rows i of a strip and all columns j < i; `size` columns. */
void strip_mirror(const Strip *strip, float *to, size_t size);

/* What a step needs besides its matrices. `gradient` is scaled already. */
typedef struct MatrixStep {
    float *parameters, *gradient, *first, *second; /* moments in the layout of the parameters */
    double rate;
    float keep;    /* 1 - decay * rate */
    uint64_t step; /* from 1 */
} MatrixStep;

/* ---- muon.c: K. Jordan et al., Muon: an optimizer for hidden layers in neural networks, 2024 ----------------------
 */

typedef struct Muon Muon;
Muon *muon_new(const OptimiserConfig *config, const ParameterBlock *matrices, size_t count, Error *err);
void muon_free(Muon *muon);
void muon_step(Muon *muon, const MatrixStep *step);

/* ---- soap.c: Vyas et al., SOAP: improving and stabilizing Shampoo using Adam, 2024, arXiv:2409.11321 ---------------
 */

typedef struct Soap Soap;
Soap *soap_new(const OptimiserConfig *config, const ParameterBlock *matrices, size_t count, Error *err);
void soap_free(Soap *soap);
void soap_step(Soap *soap, const MatrixStep *step);
/* The bases, and the sums of products that they belong to; `size` floats each. */
void soap_state(Soap *soap, float **bases, float **factors, size_t *size);

#endif
