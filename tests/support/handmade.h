/* handmade -- small networks made without a file, for tests of what reads and changes weights. */
#ifndef WEFT_TESTS_HANDMADE_H
#define WEFT_TESTS_HANDMADE_H

#include "weft/net.h"

/* A layer to make: rank 4 is a convolution, rank 2 linear. */
typedef struct HandmadeLayer {
    const char *name;
    unsigned rank;
    uint64_t dim[4];
} HandmadeLayer;

/* A network of unknown architecture with these layers, in this order; layer l's weights are normal numbers of the
 * stream l of `seed`. Not for use while faults are armed: it asserts. Free with network_free. */
Network *handmade_network(const HandmadeLayer *layers, size_t count, uint64_t seed);
/* The weights of layer `layer`, to be changed. */
float *handmade_weights(Network *network, size_t layer);
/* `count` marks that are all true; free with mem_free. */
bool *handmade_all(const Network *network);

#endif
