/* plain_mlp -- a predictor's MLP by plain loops in double, so that finite differences are exact enough to test
 * gradients with. It shares nothing with the Mlp but the predictor's description.
 */
#ifndef WEFT_TESTS_PLAIN_MLP_H
#define WEFT_TESTS_PLAIN_MLP_H

#include "weft/predictor.h"

enum { PLAIN_WIDEST = 320 }; /* of a layer, and of the encoding */

/* The index triple's encoding by its formula, with normalisation: as many values as the first layer takes. */
void plain_encoding(const Predictor *p, size_t kernel, double *out);
/* The prediction (outputs values) with `parameters`, in the predictor's layout. */
void plain_kernel(const Predictor *p, const double *parameters, const double *encoded, double *out);

#endif
