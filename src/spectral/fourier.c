/* fourier -- the only file that calls FFTW.
 *
 * Everything in FFTW but execution sits behind one lock. Plans are kept by shape, so a sweep over cutoffs plans once;
 * FFTW_ESTIMATE never measures, so the same plan, and so the same rounding, comes out each time. A plan transforms a
 * whole batch of arrays in one execution, on any buffers that are aligned as those it was made with: mem_alloc's are.
 */
#include "spectral/fourier.h"

#include <fftw3.h>
#include <pthread.h>

enum {
    BATCH_ELEMENTS = 4096,  /* reals per execution: two buffers of this fit into the first-level cache */
    ELEMENTS_MAX = 1 << 24, /* of one array */
};

typedef struct FourierPlan {
    size_t height, width;
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
    int shape[2] = {(int)fourier->height, (int)fourier->width}, batch = (int)fourier->batch;
    int elements = (int)fourier->elements, bins = (int)fourier->bins;
    unsigned flags = FFTW_ESTIMATE | FFTW_DESTROY_INPUT;
    plan->height = fourier->height;
    plan->width = fourier->width;
    plan->forward = fftwf_plan_many_dft_r2c(2, shape, batch, fourier->real, NULL, 1, elements, fourier->spectrum, NULL,
                                            1, bins, flags);
    plan->inverse = fftwf_plan_many_dft_c2r(2, shape, batch, fourier->spectrum, NULL, 1, bins, fourier->real, NULL, 1,
                                            elements, flags);
    if (plan->forward && plan->inverse) return plan;
    error_set(err, STATUS_LIMIT, "FFTW has no plan for %zu x %zu arrays", fourier->height, fourier->width);
    plan_free(plan);
    return NULL;
}

static const FourierPlan *plan_find(const Fourier *fourier, Error *err) {
    pthread_mutex_lock(&planner);
    FourierPlan *plan = plans;
    while (plan && (plan->height != fourier->height || plan->width != fourier->width)) plan = plan->next;
    if (!plan && (plan = plan_new(fourier, err))) {
        plan->next = plans;
        plans = plan;
    }
    pthread_mutex_unlock(&planner);
    return plan;
}

bool fourier_init(Fourier *fourier, size_t height, size_t width, Error *err) {
    uint64_t elements;
    *fourier = (Fourier){.height = height, .width = width};
    if (!size_mul(height, width, &elements) || elements > ELEMENTS_MAX || elements == 0) {
        return error_set(err, STATUS_LIMIT, "kernels of %zu x %zu; up to %d elements can be transformed", height, width,
                         ELEMENTS_MAX);
    }
    fourier->elements = (size_t)elements;
    fourier->bins = height * (width / 2 + 1);
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

void fourier_bin(const Fourier *fourier, size_t bin, size_t *row, size_t *column, unsigned *twins) {
    size_t across = fourier->width / 2 + 1, i = bin / across, j = bin % across;
    *row = i <= fourier->height - i ? i : fourier->height - i;
    *column = j;
    *twins = j == 0 || 2 * j == fourier->width ? 1 : 2;
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
