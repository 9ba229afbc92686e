/* graphs -- networks of graphs made by hand or at random, for tests of the engine. Nothing here fails softly: it
 * asserts.
 */
#ifndef WEFT_TESTS_GRAPHS_H
#define WEFT_TESTS_GRAPHS_H

#include "net/internal.h"
#include "weft/base/tensor.h"

/* A network of three input channels, without normalisation, that is being made. */
typedef struct Making {
    Network *network;
    GraphBuilder builder;
} Making;
Making make_begin(void);
int make_tensor(Making *making, Tensor *tensor); /* takes `tensor` over; NO_TENSOR where it is NULL */
/* A linear layer of no effect, which makes the whole map the logits. */
int make_flat(Making *making, int input, unsigned size);
Network *make_end(Making *making, unsigned classes);

/* Fields of an Op with a window. */
#define WINDOW(h, w, s, p) .kernel = {h, w}, .stride = {s, s}, .padding = {p, p, p, p}

/* The same with strides by axis and paddings by side. */
#define WINDOW_BY(h, w, sh, sw, top, left, bottom, right) \
    .kernel = {h, w}, .stride = {sh, sw}, .padding = {top, left, bottom, right}

/* Any operations in any order, 9 classes; `seed` decides. */
Network *random_network(uint64_t seed, unsigned height, unsigned width);
/* The same with quantisers where an integer network has them, and here and there behind any other operation; few
 * levels, far apart, so that float32 and double seldom disagree on the nearest. */
Network *random_quantised(uint64_t seed, unsigned height, unsigned width);

#endif
