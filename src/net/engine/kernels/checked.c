/* checked -- under AddressSanitizer: kernels whose memory is checked before they run.
 *
 * The kernels for one kind of CPU are compiled without sanitizers (Makefile). A check of every access would keep their
 * sums out of registers and make them twenty times slower, and with them every test that trains or evaluates. Instead
 * each region that a call reads or writes is checked as a whole before the call. baseline.c, the same source, is
 * instrumented access by access, and the tests of kernels run it too.
 */
#include "net/engine/kernels/kernels.h"
#include "weft/base/vectors.h"

#if VECTOR_SANITIZED && defined(__x86_64__)
#include <sanitizer/asan_interface.h>
#include <stdint.h>

/* A byte that is not there is read, so that the sanitizer reports it. NULL: nothing is read. */
static void there(const void *from, size_t bytes) {
    const volatile char *bad = from ? __asan_region_is_poisoned((void *)(uintptr_t)from, bytes) : NULL;
    if (bad) (void)*bad;
}

static void floats_there(const float *from, size_t count) {
    there(from, count * sizeof *from);
}

/* `height` x `width` runs of `run` floats, all of one block of memory. */
static void map_there(const float *from, size_t height, size_t row, size_t width, size_t pixel, size_t run) {
    if (height > 0 && width > 0 && run > 0) floats_there(from, (height - 1) * row + (width - 1) * pixel + run);
}

/* From a window's first float to the end of its last run; 0 without taps. */
static size_t window(unsigned rows, size_t row, unsigned columns, size_t pixel, size_t run) {
    return rows > 0 && columns > 0 ? (rows - 1) * row + (columns - 1) * pixel + run : 0;
}

/* The maps that results are written to, and those read as they are. */
static void results_there(const Convolution *c) {
    map_there(c->residual, c->out_height, c->residual_row, c->out_width, c->residual_pixel, c->out_channels);
    map_there(c->mask, c->out_height, c->mask_row, c->out_width, c->mask_pixel, c->out_channels);
    map_there(c->out, c->out_height, c->out_row, c->out_width, c->out_pixel, c->out_channels);
}

static void check_convolution(const Convolution *convolution) {
    Convolution c = *convolution;
    floats_there(c.weights, padded_channels(c.out_channels) * c.rows * c.columns * c.run);
    floats_there(c.bias, padded_channels(c.out_channels));
    for (unsigned i = 0; i < c.images; i++, c = convolution_next(c)) {
        map_there(c.in, c.out_height, c.step_row, c.out_width, c.step_pixel,
                  window(c.rows, c.tap_row, c.columns, c.tap_pixel, c.run));
        results_there(&c);
    }
}

/* Each image's maps; inputs to the end of a vector. */
static void check_winograd(const Winograd *w) {
    Convolution c = w->convolution;
    const size_t numbers = w->tiling.plain ? 9 : winograd_positions(w->tiling.tile);
    floats_there(c.weights, padded_channels(c.out_channels) * numbers * c.run);
    floats_there(c.bias, padded_channels(c.out_channels));
    floats_there(w->scratch, winograd_scratch(w->tiling, c.run, c.out_channels));
    for (unsigned i = 0; i < c.images; i++, c = convolution_next(c)) {
        const unsigned stride = w->tiling.stride, more = 3 - stride;
        map_there(c.in, c.out_height * stride + more, c.tap_row, c.out_width * stride + more, c.tap_pixel,
                  padded_channels(c.run));
        results_there(&c);
    }
}

static void check_depthwise(const Depthwise *d) {
    map_there(d->in, d->out_height, d->step_row, d->out_width, d->step_pixel,
              d->weights ? window(d->rows, d->tap_row, d->columns, d->tap_pixel, d->out_channels) : d->out_channels);
    floats_there(d->weights, (size_t)d->rows * d->columns * d->out_channels);
    floats_there(d->bias, d->out_channels);
    results_there(d);
}

static void check_blend(const Blend *b) {
    map_there(b->in, b->height, b->in_row, b->width, b->in_pixel, b->channels);
    map_there(b->other, b->height, b->other_row, b->width, b->other_pixel, b->channels);
    map_there(b->mask, b->height, b->mask_row, b->width, b->mask_pixel, b->channels);
    map_there(b->out, b->height, b->out_row, b->width, b->out_pixel, b->channels);
    floats_there(b->factor, b->channels);
    floats_there(b->other_factor, b->channels);
    floats_there(b->constant, b->channels);
}

static void check_pool(const Pool *p) {
    map_there(p->in, p->in_height, p->in_row, p->in_width, p->in_pixel, p->channels);
    map_there(p->out, p->out_height, p->out_row, p->out_width, p->out_pixel, p->channels);
}

#define check_pool_maximum check_pool
#define check_pool_average check_pool

static void check_gradient(const WeightGradient *g, size_t run, size_t sums) {
    map_there(g->in, g->height, g->step_row, g->width, g->step_pixel,
              window(g->rows, g->tap_row, g->columns, g->tap_pixel, run));
    map_there(g->gradient, g->height, g->gradient_row, g->width, g->gradient_pixel, padded_channels(g->channels));
    floats_there(g->sums, sums * g->rows * g->columns);
}

static void check_weight_gradient(const WeightGradient *g) {
    check_gradient(g, g->run, g->run * padded_channels(g->channels));
}

static void check_winograd_gradient(const WinogradGradient *w) {
    const WeightGradient *g = &w->gradient;
    for (size_t i = 0; i < w->images; i++) {
        map_there(g->in + i * w->next_image, g->height + 2, g->step_row, g->width + 2, g->step_pixel,
                  padded_channels(g->run));
        map_there(g->gradient + i * w->next_image, g->height, g->gradient_row, g->width, g->gradient_pixel,
                  padded_channels(g->channels));
    }
    floats_there(g->sums, 9 * g->run * padded_channels(g->channels));
    floats_there(w->scratch, winograd_gradient_scratch(w->tile, w->chunk, g->run, g->channels));
}

static void check_depthwise_gradient(const WeightGradient *g) {
    check_gradient(g, padded_channels(g->channels), g->channels);
}

static void check_kernel_gradient(const KernelGradient *g) {
    there(g->shifts, g->taps * sizeof *g->shifts);
    for (unsigned t = 0; t < g->taps; t++) map_there(g->in + g->shifts[t], g->images, g->next_in, 1, 0, g->length);
    for (unsigned f = 0; f < g->filters; f++) {
        map_there(g->gradient[f], g->images, g->next_gradient, 1, 0, g->length);
        floats_there(g->sums[f], g->taps);
    }
}

static void check_moments(const Moments *m) {
    map_there(m->in, m->height, m->in_row, m->width, m->in_pixel, m->channels);
    map_there(m->gradient, m->height, m->gradient_row, m->width, m->gradient_pixel, m->channels);
    floats_there(m->origin, m->channels);
    there(m->sums, m->channels * sizeof *m->sums);
    there(m->products, m->channels * sizeof *m->products);
}

static void check_quantise(const Levels *l) {
    map_there(l->in, l->rows, l->in_row, 1, 0, l->run);
    map_there(l->out, l->rows, l->out_row, 1, 0, l->run);
}

#define check_quantise_mask check_quantise

/* X(kernel, its argument) */
#define KERNELS(X)                         \
    X(convolution, Convolution)            \
    X(winograd, Winograd)                  \
    X(depthwise, Depthwise)                \
    X(blend, Blend)                        \
    X(pool_maximum, Pool)                  \
    X(pool_average, Pool)                  \
    X(weight_gradient, WeightGradient)     \
    X(winograd_gradient, WinogradGradient) \
    X(depthwise_gradient, WeightGradient)  \
    X(kernel_gradient, KernelGradient)     \
    X(moments, Moments)                    \
    X(quantise, Levels)                    \
    X(quantise_mask, Levels)

#define X(kernel, Argument)                             \
    static void avx512_##kernel(const Argument *what) { \
        check_##kernel(what);                           \
        kernels_avx512.kernel(what);                    \
    }                                                   \
    static void avx2_##kernel(const Argument *what) {   \
        check_##kernel(what);                           \
        kernels_avx2.kernel(what);                      \
    }
KERNELS(X)
#undef X

const Kernels *kernels_checked(const Kernels *set) {
#define X(kernel, Argument) .kernel = avx512_##kernel,
    static const Kernels avx512 = {.name = "avx512", KERNELS(X)};
#undef X
#define X(kernel, Argument) .kernel = avx2_##kernel,
    static const Kernels avx2 = {.name = "avx2", KERNELS(X)};
#undef X
    return set == &kernels_avx512 ? &avx512 : set == &kernels_avx2 ? &avx2 : set;
}
#else
const Kernels *kernels_checked(const Kernels *set) {
    return set;
}
#endif
