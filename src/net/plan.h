/* plan -- how an engine runs a graph: which operations run together, and where their results lie. Private to src/net.
 *
 * Batch norm goes into the weights of the convolution before it; the residual sum and the ReLU that follow are done as
 * its results are stored. Each remaining result is a map in the worker's arena; maps whose lives do not overlap share
 * memory.
 */
#ifndef WEFT_NET_PLAN_H
#define WEFT_NET_PLAN_H

#include "net/internal.h"
#include "net/kernels/kernels.h"

typedef enum StepKind {
    STEP_INPUT,
    STEP_CONVOLUTION, /* also linear layers: a kernel as large as the map */
    STEP_DEPTHWISE,
    STEP_ELEMENTWISE, /* batch norm, sum, ReLU with no convolution before them */
    STEP_SHORTCUT_A,
    STEP_MAX_POOL,
    STEP_AVERAGE_POOL, /* also the global one: a window as large as the map */
} StepKind;

/* Positions are those of the graph's operations. */
typedef struct Step {
    StepKind kind;
    int op, input;  /* the operation that the step begins with, and its input */
    int batch_norm; /* folded in, or -1 */
    int residual;   /* added, or -1 */
    int result;     /* the last operation that the step does */
    Activation activation;
    unsigned kernel[2], stride, padding, groups;
    size_t weights, bias; /* floats from the start of the folded parameters */
} Step;

typedef struct Map {
    Shape shape;
    unsigned border; /* zero pixels around it */
    size_t offset;   /* floats from the start of the arena, border included */
} Map;

typedef struct Plan {
    Step *steps;
    size_t step_count;
    Map *maps;         /* one per operation; only results of steps have a place */
    size_t arena;      /* floats for the maps of one image */
    size_t parameters; /* floats for all folded weights and biases */
} Plan;

bool plan_make(Plan *plan, const Network *network, unsigned height, unsigned width, Error *err);
void plan_done(Plan *plan);

/* The weights of `network`, batch norm folded in (in double, then rounded), in the order the kernels read them;
 * `parameters` is plan->parameters floats, the unused ones zero. */
void plan_fold(const Plan *plan, const Network *network, float *parameters);

#endif
