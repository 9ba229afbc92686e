/* images -- the network and images of tests/fixtures/make_quantise.py, as tests of src/probe use them. They assert. */
#ifndef WEFT_TESTS_IMAGES_H
#define WEFT_TESTS_IMAGES_H

#include "weft/base/tensor.h"
#include "weft/data.h"
#include "weft/net.h"

/* All of it; the images have no labels. */
typedef struct Images {
    Checkpoint *fixture; /* quantise.npz */
    Network *network;    /* images_network */
    Dataset dataset;
    void *pixels; /* of it, owned here */
} Images;

Checkpoint *images_fixture(void); /* quantise.npz */
Network *images_network(void);    /* quantise_net.npz, not normalised */
Images images_given(void);
void images_done(Images *images);
/* The network's logits of all images of the dataset in one batch, images x classes; mem_free. */
float *logits_of(const Network *network, const Dataset *dataset);
Tensor *images_tensor(Checkpoint *fixture, const char *name);

#endif
