/* sampler -- the batch of kernels of a step, from the counter-based generator: it depends on (seed, step) alone, so a
 * run resumes anywhere and repeats exactly. */
#include "weft/train.h"

#include <math.h>
#include <string.h>

#include "weft/base/error.h"
#include "weft/base/memory.h"
#include "weft/base/random.h"

/* Label of this use of random numbers; the low 40 bits count steps. */
static const uint64_t STREAM_BATCH = UINT64_C(0x53616d) << 40;

enum { TIMES_MOST = UINT16_MAX, REPEATS_MOST = 16 };

struct Sampler {
    const Predictor *predictor;
    SamplingKind kind;
    size_t batch;
    double share;
    uint64_t seed;
    double *cumulative; /* of the kernels' norms */
    uint32_t *order;    /* a permutation being shuffled, always put back to 0, 1, 2, ... */
    uint32_t *swaps;    /* to put it back */
    uint16_t *drawn;    /* of every kernel in this step; zero between steps */
    uint32_t *kernels;  /* the result */
    uint16_t *times;
};

Sampler *sampler_new(const Predictor *predictor, const float *targets, SamplingKind kind, size_t batch,
                     double magnitude_share, uint64_t seed, Error *err) {
    const size_t count = predictor->kernel_count, outputs = predictor->outputs;
    if (kind == SAMPLING_MAGNITUDE && batch / REPEATS_MOST > count) {
        error_set(err, STATUS_USAGE,
                  "a batch of %zu kernels by magnitude; at most %d times the number of kernels (%zu) is possible",
                  batch, REPEATS_MOST, count);
        return NULL;
    }
    Sampler *s = mem_alloc(1, sizeof *s, err);
    if (!s) return NULL;
    s->predictor = predictor;
    s->kind = kind;
    s->batch = kind == SAMPLING_MAGNITUDE || batch < count ? batch : count;
    s->share = magnitude_share;
    s->seed = seed;
    bool done = (s->cumulative = mem_alloc(count, sizeof *s->cumulative, err)) &&
                (s->order = mem_alloc(count, sizeof *s->order, err)) &&
                (s->swaps = mem_alloc(count, sizeof *s->swaps, err)) &&
                (s->drawn = mem_alloc(count, sizeof *s->drawn, err)) &&
                (s->kernels = mem_alloc(count, sizeof *s->kernels, err)) &&
                (s->times = mem_alloc(count, sizeof *s->times, err));
    if (!done) {
        sampler_free(s);
        return NULL;
    }
    double total = 0;
    for (size_t k = 0; k < count; k++) {
        double squares = 0;
        for (size_t i = 0; i < outputs; i++)
            squares += (double)targets[k * outputs + i] * (double)targets[k * outputs + i];
        s->cumulative[k] = total += sqrt(squares);
        s->order[k] = (uint32_t)k;
    }
    return s;
}

void sampler_free(Sampler *sampler) {
    if (!sampler) return;
    mem_free(sampler->cumulative);
    mem_free(sampler->order);
    mem_free(sampler->swaps);
    mem_free(sampler->drawn);
    mem_free(sampler->kernels);
    mem_free(sampler->times);
    mem_free(sampler);
}

/* The first `batch` places of a Fisher-Yates shuffle, undone afterwards. */
static void draw_uniform(Sampler *s, Rng *rng) {
    const size_t count = s->predictor->kernel_count, batch = s->batch < count ? s->batch : count;
    for (size_t i = 0; i < batch; i++) {
        const size_t j = i + (size_t)rng_below(rng, count - i);
        const uint32_t picked = s->order[j];
        s->order[j] = s->order[i];
        s->order[i] = picked;
        s->swaps[i] = (uint32_t)j;
        s->drawn[picked] = 1;
    }
    for (size_t i = batch; i-- > 0;) {
        const uint32_t other = s->order[i];
        s->order[i] = s->order[s->swaps[i]];
        s->order[s->swaps[i]] = other;
    }
}

/* With replacement; the first kernel whose cumulative norm is above the draw. Where all norms are 0 there is nothing to
 * prefer: uniform. */
static void draw_magnitude(Sampler *s, Rng *rng) {
    const size_t count = s->predictor->kernel_count;
    const double total = s->cumulative[count - 1];
    if (!(total > 0)) {
        draw_uniform(s, rng);
        return;
    }
    for (size_t i = 0; i < s->batch; i++) {
        const double at = rng_uniform(rng) * total;
        size_t low = 0, high = count - 1;
        while (low < high) {
            const size_t middle = low + (high - low) / 2;
            if (s->cumulative[middle] > at)
                high = middle;
            else
                low = middle + 1;
        }
        if (s->drawn[low] < TIMES_MOST) s->drawn[low]++;
    }
}

static void draw_layer(Sampler *s, Rng *rng) {
    const PredictedLayer *layer = &s->predictor->layers[rng_below(rng, s->predictor->layer_count)];
    for (size_t k = 0; k < (size_t)layer->filters * layer->channels; k++) s->drawn[layer->first + k] = 1;
}

size_t sampler_draw(Sampler *sampler, uint64_t step, const uint32_t **kernels, const uint16_t **times) {
    Rng rng = {.seed = sampler->seed, .stream = STREAM_BATCH + step};
    const size_t count = sampler->predictor->kernel_count;
    SamplingKind kind = sampler->kind;
    *kernels = NULL;
    *times = NULL;
    if (kind == SAMPLING_MIXED) kind = rng_uniform(&rng) < sampler->share ? SAMPLING_MAGNITUDE : SAMPLING_UNIFORM;
    if (kind == SAMPLING_ALL || (kind == SAMPLING_UNIFORM && sampler->batch == count)) return count;
    if (kind == SAMPLING_MAGNITUDE)
        draw_magnitude(sampler, &rng);
    else if (kind == SAMPLING_LAYER)
        draw_layer(sampler, &rng);
    else
        draw_uniform(sampler, &rng);
    size_t chosen = 0;
    for (size_t k = 0; k < count; k++) {
        if (!sampler->drawn[k]) continue;
        sampler->kernels[chosen] = (uint32_t)k;
        sampler->times[chosen++] = sampler->drawn[k];
        sampler->drawn[k] = 0;
    }
    *kernels = sampler->kernels;
    *times = sampler->times;
    return chosen;
}
