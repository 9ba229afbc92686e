/* caps -- the most similar of many unit vectors, found exactly and without looking at most of them. Private to
 * src/predictor.
 *
 * The vectors lie in caps of the unit sphere: a centre c and the angle R within which all members are. No member is
 * more similar to a query at the angle a from c than cos(max(a - R, 0)), so a cap whose bound lies below the best found
 * so far need not be looked at. Inside a cap similarities are float32, many at a time; those within rounding of the
 * best are computed again in double, so that the answer is that of double arithmetic.
 */
#ifndef WEFT_PREDICTOR_CAPS_H
#define WEFT_PREDICTOR_CAPS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "weft/base/error.h"

/* Always in the same order of sums: equal pairs are equally similar. */
double rows_dot(const double *a, const double *b, size_t size);

typedef struct Caps Caps;
/* `rows`: unit vectors, row item[u] x size that of unit u; borrowed. All units are in it but those marked in
 * `left_out`. */
Caps *caps_new(const double *rows, size_t size, const uint32_t *item, size_t units, const bool *left_out, Error *err);
void caps_free(Caps *caps);
void caps_remove(Caps *caps, size_t unit);
/* The unit most similar to `unit` (in it or not) and how similar; the lowest of equals. False if none is left. */
bool caps_nearest(Caps *caps, size_t unit, size_t *nearest, double *similarity);

#endif
