/* integers -- a quantised network run by true integer arithmetic, written plainly: maps of unsigned bytes, weights of
 * signed ones, sums in 32 bits, batch norm folded into a scale and a bias a channel, one rounding to the levels of the
 * result. It shares nothing with the engine but the graph; the levels and the dequantised weights are taken from the
 * network. It asserts.
 */
#ifndef WEFT_TESTS_INTEGERS_H
#define WEFT_TESTS_INTEGERS_H

#include "net/internal.h"

typedef struct Integers {
    const Network *network;
    unsigned height, width;
    Shape *shapes;
    uint8_t **maps; /* of each quantiser: channels x height x width levels; NULL for other operations */
} Integers;

Integers integers_begin(const Network *network, unsigned height, unsigned width);
/* `pixels`: one image on [0, 1]; fills the maps. */
void integers_run(Integers *integers, const float *pixels);
void integers_done(Integers *integers);

#endif
