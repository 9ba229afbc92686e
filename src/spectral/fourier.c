/* fourier -- the only file that calls FFTW.
 *
 * Everything in FFTW but execution sits behind one lock. Plans are kept by shape, so a sweep over cutoffs plans once;
 * FFTW_ESTIMATE never measures, so the same plan, and so the same rounding, comes out each time. A plan transforms a
 * whole batch of arrays in one execution, on any buffers that are aligned as those it was made with: mem_alloc's are.
 */
#include "spectral/fourier.h"

#include <fftw3.h>
#include <pthread.h>
#include <string.h>

#include "weft/base/error.h"
#include "weft/base/memory.h"
#include "weft/base/size.h"

enum {
    BATCH_ELEMENTS = 4096,  /* reals per execution: two buffers of this fit into the first-level cache */
    ELEMENTS_MAX = 1 << 24, /* of one array */
};

typedef struct FourierPlan {
    size_t size[3];
    fftwf_plan forward, inverse;
    struct FourierPlan *next;
} FourierPlan;

static pthread_mutex_t planner = PTHREAD_MUTEX_INITIALIZER;
static FourierPlan *plans; /* under `planner` */

static void plan_free(FourierPlan *plan) {
    if (!plan) return;
    if (plan->forward) fftwf_destroy_plan(plan->forward);
    if (plan->inverse) fftwf_destroy_plan(plan->inverse);
    mem_free(plan);
}

/* Under the lock. */
static FourierPlan *plan_new(const Fourier *fourier, Error *err) {
    FourierPlan *plan = mem_alloc(1, sizeof *plan, err);
    if (!plan) return NULL;
    int shape[3], rank = fourier->size[0] > 1 ? 3 : 2, batch = (int)fourier->batch;
    for (int i = 0; i < rank; i++) shape[i] = (int)fourier->size[3 - rank + i];
    int elements = (int)fourier->elements, bins = (int)fourier->bins;
    unsigned flags = FFTW_ESTIMATE | FFTW_DESTROY_INPUT;
    memcpy(plan->size, fourier->size, sizeof plan->size);
    plan->forward = fftwf_plan_many_dft_r2c(rank, shape, batch, fourier->real, NULL, 1, elements, fourier->spectrum,
                                            NULL, 1, bins, flags);
    plan->inverse = fftwf_plan_many_dft_c2r(rank, shape, batch, fourier->spectrum, NULL, 1, bins, fourier->real, NULL,
                                            1, elements, flags);
    if (plan->forward && plan->inverse) return plan;
    error_set(err, STATUS_LIMIT, "FFTW cannot plan %zu x %zu x %zu arrays", fourier->size[0], fourier->size[1],
              fourier->size[2]);
    plan_free(plan);
    return NULL;
}

static const FourierPlan *plan_find(const Fourier *fourier, Error *err) {
    pthread_mutex_lock(&planner);
    FourierPlan *plan = plans;
    while (plan && memcmp(plan->size, fourier->size, sizeof plan->size) != 0) plan = plan->next;
    if (!plan && (plan = plan_new(fourier, err))) {
        plan->next = plans;
        plans = plan;
    }
    pthread_mutex_unlock(&planner);
    return plan;
}

bool fourier_init(Fourier *fourier, const size_t size[3], Error *err) {
    uint64_t elements;
    *fourier = (Fourier){.size = {size[0], size[1], size[2]}};
    if (!size_product((const uint64_t[]){size[0], size[1], size[2]}, 3, &elements) || elements > ELEMENTS_MAX ||
        elements == 0) {
        return error_set(err, STATUS_LIMIT, "kernels of %zu x %zu x %zu; at most %d elements can be transformed",
                         size[0], size[1], size[2], ELEMENTS_MAX);
    }
    fourier->elements = (size_t)elements;
    fourier->bins = size[0] * size[1] * (size[2] / 2 + 1);
    fourier->batch = elements < BATCH_ELEMENTS ? BATCH_ELEMENTS / (size_t)elements : 1;
    fourier->real = mem_alloc(fourier->batch * fourier->elements, sizeof *fourier->real, err);
    if (fourier->real) fourier->spectrum = mem_alloc(fourier->batch * fourier->bins, sizeof *fourier->spectrum, err);
    if (fourier->spectrum) fourier->plan = plan_find(fourier, err);
    if (fourier->plan) return true;
    fourier_done(fourier);
    return false;
}

void fourier_forward(const Fourier *fourier) {
    fftwf_execute_dft_r2c(fourier->plan->forward, fourier->real, fourier->spectrum);
}

void fourier_inverse(const Fourier *fourier) {
    fftwf_execute_dft_c2r(fourier->plan->inverse, fourier->spectrum, fourier->real);
}

void fourier_done(Fourier *fourier) {
    mem_free(fourier->real);
    mem_free(fourier->spectrum);
    *fourier = (Fourier){0};
}

void fourier_bin(const Fourier *fourier, size_t bin, size_t frequency[3], unsigned *twins) {
    const size_t across = fourier->size[2] / 2 + 1, line = bin / across,
                 at[2] = {line / fourier->size[1], line % fourier->size[1]};
    for (size_t i = 0; i < 2; i++) {
        const size_t back = fourier->size[i] - at[i];
        frequency[i] = at[i] <= back ? at[i] : back;
    }
    frequency[2] = bin % across;
    *twins = frequency[2] == 0 || 2 * frequency[2] == fourier->size[2] ? 1 : 2;
}

void fourier_cleanup(void) {
    pthread_mutex_lock(&planner);
    while (plans) {
        FourierPlan *next = plans->next;
        plan_free(plans);
        plans = next;
    }
    fftwf_cleanup();
    pthread_mutex_unlock(&planner);
}
