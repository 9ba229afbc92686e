/* images -- the network and images of tests/fixtures/make_quantise.py, as tests of src/probe use them. They assert. */
#ifndef WEFT_TESTS_IMAGES_H
#define WEFT_TESTS_IMAGES_H

#include "weft/data.h"
#include "weft/net.h"

/* Images without labels, owned here. */
typedef struct Images {
    Dataset dataset;
    void *pixels;
} Images;

Checkpoint *images_fixture(void); /* quantise.npz */
Network *images_network(void);    /* quantise_net.npz, not normalised */
Images images_load(Checkpoint *fixture);
void images_done(Images *images);
Tensor *images_tensor(Checkpoint *fixture, const char *name);

#endif
