/* trial -- one network with all that a backward pass takes and gives, and the witness that it is compared with. It
 * asserts.
 */
#ifndef WEFT_TESTS_TRIAL_H
#define WEFT_TESTS_TRIAL_H

#include "graphs.h"
#include "witness.h"
#include "weft/base/error.h"

enum { IMAGES = 3, CLASSES = 9, MANY_IMAGES = 70 }; /* many: more than one block in a piece of a pass */

/* One network under test, with everything that a backward pass takes and gives. */
typedef struct Trial {
    const char *name;
    Network *network, *teacher;
    unsigned height, width, images;
    EngineOptions options;
    Loss loss;
    double tolerance; /* of products of directions with the gradient, in its norm; 0: 3e-4, away from kinks */
    float *pixels;
    uint16_t labels[MANY_IMAGES];
    bool *marks;
    float **gradients;
    float *pixel_gradient;
    Engine *engine, *teacher_engine;
    Witness *witness, *teacher_witness;
} Trial;

extern Error trial_error;
void *trial_take(uint64_t count, size_t size);

/* Makes engines and witnesses for trial->network (and ->teacher); all tensors but statistics get gradients. `seed`
 * decides pixels and labels. */
void trial_begin(Trial *trial, uint64_t seed);
void trial_end(Trial *trial);              /* frees the networks too */
double trial_backward(Trial *trial);       /* the engine's loss; fills the gradients */
double trial_evaluate(const Trial *trial); /* the witness's loss */
/* Begins and ends it: the loss and all gradients on every set of kernels. false where the network sits too close to a
 * kink for a float32 gradient to be on the same side of it. */
bool trial_check(Trial *trial, uint64_t seed);
size_t trial_pixels(const Trial *trial);
double trial_norm(const float *values, size_t count);

/* ---- networks ---------------------------------------------------------------------------------------------------- */

typedef struct Case {
    const char *name;
    Op op;
    unsigned channels, height, width;
} Case;
/* What stands in input[1] of a case: a join's second operand is the first, its mean, another map. */
enum { SECOND_SAME, SECOND_POOLED, SECOND_LIFTED };

/* Every operation, strides, paddings, odd sizes and channel counts; ends with name NULL. */
extern const Case trial_cases[];
/* input -> 1x1 convolution -> [ReLU] -> the operation -> [ReLU] -> mean -> linear. */
Network *case_network(const Case *one, bool relu, uint64_t seed);
/* Stem, a residual block that halves the map with shortcut A, one that keeps it, with batch norm. */
Network *block_network(uint64_t seed);
/* A block network of 6x5 images whose teacher is another one. */
Trial trial_distillation(const char *name, uint64_t seed, EngineOptions options, Loss loss);

#endif
