/* squares -- the squares of a matrix's singular values: the eigenvalues of its smaller Gram matrix, which is added up
 * part by part, so that the weights are never all in memory where they lie row after row in a file.
 */
#ifndef WEFT_SPECTRAL_SQUARES_H
#define WEFT_SPECTRAL_SQUARES_H

#include "weft/base/error.h"
#include "weft/net.h"

/* What the work on a rows x columns matrix takes. `single`: the limit (mem_budget) admits the Gram matrix in float32
 * only. */
typedef struct SquaresPlan {
    uint64_t bytes;
    bool single;
} SquaresPlan;
SquaresPlan squares_plan(size_t rows, size_t columns);

/* min(rows, columns) squares, ascending; rounding may leave one that is 0 slightly below. Each is right to about 1e-16
 * of the largest. With plan->single: to *error (else 0), of which the comment at symmetric_roundings tells; for the
 * sum of several of them, times the root of their number. STATUS_LIMIT, STATUS_CANCELLED. Weights are finite. */
bool squares_of_matrix(const float *matrix, size_t rows, size_t columns, bool single, double *squares, double *error,
                       Error *err);
/* The same of a layer. */
bool squares_of_layer(const Network *network, const Layer *layer, bool single, double *squares, double *error,
                      Error *err);

/* A layer's singular values, descending, as dgesdd of the whole matrix has them, in the memory that values_bytes tells.
 * Of a large matrix they are roots of squares_of_layer's, if the smallest is a hundredth of the largest: then they are
 * right to about 1e-13 of the largest. Else they are dgesdd's, of the triangle of a QR decomposition that takes the
 * matrix part by part. STATUS_BAD_INPUT as layers_check_weights. */
bool values_of_layer(const Network *network, const Layer *layer, double *sigma, Error *err);
uint64_t values_bytes(size_t rows, size_t columns);

/* The speed of products in the cache, measured once, over that of the machine on which times were measured. */
double squares_speed(void);
/* Seconds of one thread that the squares take. */
double squares_seconds(size_t rows, size_t columns);

#endif
