/* witness -- networks and losses by plain loops in double, so that finite differences are exact enough to test
 * gradients with. It shares nothing with the engine but the graph. It asserts.
 */
#ifndef WEFT_TESTS_WITNESS_H
#define WEFT_TESTS_WITNESS_H

#include "net/internal.h"

typedef struct Witness {
    const Network *network;
    unsigned images;
    bool training;    /* batch norm with the batch's statistics */
    double *pixels;   /* images x channels x height x width, to be set and changed */
    double **tensors; /* tensor_count copies, to be changed */
    Shape *shapes;    /* of each operation's result */
    double **maps;    /* these results: images x channels x height x width */
    double margin;    /* how close the last run came to a place where a derivative jumps */
    double **anchors; /* as maps: which way the last run went at kinks and levels, see witness.c */
    bool anchored;    /* to be set after a run: later ones go the same ways, so that their differences are those of the
                         gradient as it is defined at kinks and through quantisers */
} Witness;
Witness *witness_new(const Network *network, unsigned height, unsigned width, unsigned images, bool training);
void witness_free(Witness *witness);
void witness_run(Witness *witness);
/* The loss of the last run; `teacher` has run too, or is NULL. */
double witness_loss(Witness *witness, const Loss *loss, const uint16_t *labels, const Witness *teacher);

#endif
