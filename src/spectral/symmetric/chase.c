/* chase -- a band to three diagonals, by Householder reflectors that chase the bulge of each column down the band
 * (Lang: A parallel algorithm for reducing symmetric banded matrices to tridiagonal form, 1993).
 *
 * The sweep of column s takes its steps block by block. Step k touches the columns of its block and the rows of that
 * and the next one, so it may run when sweep s - 1 is two steps ahead. A group of GROUP sweeps goes down together: they
 * share what is in the cache. Its way is cut into stretches; two groups that run at once are two stretches apart.
 */
#include <string.h>

#include "spectral/symmetric/symmetric.h"
#include "weft/base/memory.h"
#include "weft/base/pool.h"
#include "weft/base/task.h"

enum { GROUP = 4, STRETCH = 2 * GROUP };

typedef struct Sweep {
    double u[SIDE], tau;
} Sweep;

typedef struct Chase {
    double *band;
    const SymmetricKernels *kernels;
    size_t size, sweeps, wave;
    size_t first; /* the first group that is on its way */
    Sweep *sweep; /* of the groups on their way, those of group g at (g % places) GROUP */
    size_t places;
} Chase;

static void step(const Chase *chase, size_t s, size_t k) {
    Sweep *sweep = &chase->sweep[s / GROUP % chase->places * GROUP + s % GROUP];
    const size_t row = s + 1 + k * SIDE;
    if (s >= chase->sweeps || row >= chase->size) return;
    if (k == 0) chase->kernels->chase_begin(chase->band + s * BAND_STEP + row, sweep->u, &sweep->tau);
    chase->kernels->chase_step(chase->band + row * (BAND_STEP + 1), sweep->u, &sweep->tau, row + SIDE < chase->size);
}

/* A group's stretch: at time t its sweep i takes step t - 2 i. */
static void run_stretch(void *context, size_t piece, unsigned worker) {
    const Chase *chase = context;
    const size_t group = chase->first + piece, stretch = chase->wave - 2 * group;
    (void)worker;
    for (size_t t = stretch * STRETCH; t < (stretch + 1) * STRETCH; t++)
        for (size_t i = 0; i < GROUP && 2 * i <= t; i++) step(chase, group * GROUP + i, t - 2 * i);
}

/* Stretches until the last sweep of a group has left the band. */
static size_t stretches_of(const Chase *chase, size_t group) {
    const size_t steps = (chase->size - group * GROUP + SIDE - 1) / SIDE + 2 * (GROUP - 1);
    return (steps + STRETCH - 1) / STRETCH;
}

static bool run(Chase *chase, Error *err) {
    const size_t groups = (chase->sweeps + GROUP - 1) / GROUP;
    bool done = true;
    for (chase->wave = 0; done && chase->first < groups; chase->wave++) {
        size_t last = chase->wave / 2; /* the group that sets off, or did in the last wave */
        if (last >= groups) last = groups - 1;
        while (chase->first <= last && chase->wave - 2 * chase->first >= stretches_of(chase, chase->first))
            chase->first++;
        if (chase->first <= last) pool_run(last - chase->first + 1, run_stretch, chase);
        if (chase->wave % 64 == 0) done = task_step(NULL, "eigenvalues", 0, 0, err);
    }
    return done;
}

bool symmetric_chase(double *band, size_t size, const SymmetricKernels *kernels, double *diagonal, double *below,
                     Error *err) {
    Chase chase = {.band = band, .kernels = kernels, .size = size, .sweeps = size > 2 ? size - 2 : 0};
    chase.places = stretches_of(&chase, 0) / 2 + 2;
    chase.sweep = mem_alloc(chase.places * GROUP, sizeof *chase.sweep, err);
    const bool done = chase.sweep && run(&chase, err);
    for (size_t i = 0; done && i < size; i++) {
        diagonal[i] = band[i * (BAND_STEP + 1)];
        if (i + 1 < size) below[i] = band[i * (BAND_STEP + 1) + 1];
    }
    mem_free(chase.sweep);
    return done;
}
