/* calibrate -- the levels of activations: what the maps of a network reach on images, and what levels do to them.
 *
 * A copy of the network has quantisers without levels where levels are wanted; the engine shows what they are given.
 * Smallest and largest values and counts do not depend on the order in which they are taken; sums are taken image by
 * image and added in the order of the images: so nothing depends on the number of threads.
 */
#include "probe/evaluate.h"
#include "probe/quantise.h"
#include "weft/base/error.h"
#include "weft/base/memory.h"
#include "weft/base/pool.h"
#include "weft/base/task.h"
#include "weft/base/text.h"

#include <float.h>
#include <math.h>
#include <string.h>

enum { BATCH = 32, SHRINK_STEPS = 100, SHRINK_LEAST = 20 };
static const double outside = 1e-4; /* of the values, left out at either end by the percentiles */

/* What one image showed at one quantiser. */
typedef struct Seen {
    float low, high;
    bool spoilt; /* a value was not finite */
    Fidelity fidelity;
} Seen;

typedef struct Watch {
    size_t ops;          /* of the graph */
    Seen *seen;          /* BATCH x ops */
    const Seen *reach;   /* of all images, ops: what the counts are within; NULL: nothing is counted */
    const size_t *place; /* ops: the number of this quantiser among all */
    size_t places;
    uint64_t *counts; /* workers x places x OBSERVER_BINS */
} Watch;

/* ---- running ----------------------------------------------------------------------------------------------------- */

/* Runs all images with an observer and calls `take` after each batch. */
static bool run_images(const Network *network, const Dataset *images, EngineObserver *observer, Watch *watch,
                       TakeBatch *take, const char *what, const Task *task, Error *err) {
    Engine *engine = engine_new(network, BATCH, images->height, images->width, NULL, err);
    if (engine) engine_observe(engine, observer, watch);
    const bool done = engine && each_batch(network, engine, images, BATCH, take, watch, what, task, err);
    engine_free(engine);
    return done;
}

/* ---- ranges ------------------------------------------------------------------------------------------------------ */

/* 0 is always in a range, so zeroed is a good beginning. */
static void see_range(void *context, size_t op, unsigned image, unsigned worker, const float *values,
                      const float *results, size_t count) {
    const Watch *watch = context;
    Seen *seen = &watch->seen[image * watch->ops + op];
    float low = seen->low, high = seen->high;
    unsigned spoilt = 0;
    (void)worker, (void)results;
    for (size_t i = 0; i < count; i++) {
        low = values[i] < low ? values[i] : low;
        high = values[i] > high ? values[i] : high;
        spoilt |= fabsf(values[i]) <= FLT_MAX ? 0U : 1U;
    }
    seen->low = low;
    seen->high = high;
    seen->spoilt = seen->spoilt || spoilt;
}

/* The sum of all is kept behind the images of a batch. */
static Seen *total_of(const Watch *watch) {
    return watch->seen + BATCH * watch->ops;
}

/* What a batch showed is taken: the next one begins with nothing seen. */
static bool forget_batch(const Watch *watch) {
    memset(watch->seen, 0, BATCH * watch->ops * sizeof *watch->seen);
    return true;
}

static bool take_ranges(void *context, const Engine *engine, unsigned images, Error *err) {
    const Watch *watch = context;
    (void)engine, (void)err;
    Seen *total = total_of(watch);
    for (size_t i = 0; i < images * watch->ops; i++) {
        const Seen *one = &watch->seen[i];
        Seen *all = &total[i % watch->ops];
        all->low = fminf(all->low, one->low);
        all->high = fmaxf(all->high, one->high);
        all->spoilt = all->spoilt || one->spoilt;
    }
    return forget_batch(watch);
}

/* ---- counts ------------------------------------------------------------------------------------------------------ */

static void see_counts(void *context, size_t op, unsigned image, unsigned worker, const float *values,
                       const float *results, size_t count) {
    const Watch *watch = context;
    const float low = watch->reach[op].low, width = watch->reach[op].high - low;
    uint64_t *counts = watch->counts + (worker * watch->places + watch->place[op]) * OBSERVER_BINS;
    (void)image, (void)results;
    if (!(width > 0)) return;
    for (size_t i = 0; i < count; i++) {
        const size_t bin = (size_t)((values[i] - low) / width * OBSERVER_BINS);
        counts[bin < OBSERVER_BINS ? bin : OBSERVER_BINS - 1]++;
    }
}

/* The workers' counts are added at the end. */
static bool take_nothing(void *context, const Engine *engine, unsigned images, Error *err) {
    (void)context, (void)engine, (void)images, (void)err;
    return true;
}

/* The edges of the bins between which all but the outermost values lie. */
static void percentile_range(const uint64_t *counts, const Seen *reach, float *low, float *high) {
    const double width = ((double)reach->high - (double)reach->low) / OBSERVER_BINS;
    uint64_t all = 0, below = 0, above = 0;
    size_t first = 0, last = OBSERVER_BINS;
    for (size_t i = 0; i < OBSERVER_BINS; i++) all += counts[i];
    while (first < OBSERVER_BINS && (double)(below + counts[first]) <= outside * (double)all) below += counts[first++];
    while (last > first + 1 && (double)(above + counts[last - 1]) <= outside * (double)all) above += counts[--last];
    *low = (float)((double)reach->low + width * (double)first);
    *high = (float)((double)reach->low + width * (double)last);
}

/* The sum of squared errors that levels make, every value in the middle of its bin. */
static double bins_error(const uint64_t *counts, const Seen *reach, const Quantiser *levels) {
    const double width = ((double)reach->high - (double)reach->low) / OBSERVER_BINS;
    double sum = 0;
    for (size_t i = 0; i < OBSERVER_BINS; i++) {
        if (counts[i] == 0) continue;
        const double x = (double)reach->low + width * ((double)i + 0.5);
        const double error = (double)quantiser_apply(levels, (float)x) - x;
        sum += (double)counts[i] * error * error;
    }
    return sum;
}

static Quantiser least_error(const uint64_t *counts, const Seen *reach, unsigned bits) {
    Quantiser best = quantiser_of_range(reach->low, reach->high, bits);
    double least = bins_error(counts, reach, &best);
    for (int part = SHRINK_STEPS - 1; part >= SHRINK_LEAST; part--) {
        const float share = (float)part / SHRINK_STEPS;
        const Quantiser levels = quantiser_of_range(share * reach->low, share * reach->high, bits);
        const double error = bins_error(counts, reach, &levels);
        if (error >= least) continue;
        least = error;
        best = levels;
    }
    return best;
}

/* All workers' counts into those of the first. */
static void add_counts(const Watch *watch, unsigned workers) {
    const size_t size = watch->places * OBSERVER_BINS;
    for (size_t worker = 1; worker < workers; worker++)
        for (size_t i = 0; i < size; i++) watch->counts[i] += watch->counts[worker * size + i];
}

/* ---- levels ------------------------------------------------------------------------------------------------------ */

static Quantiser choose_levels(const Watch *watch, size_t op, const QuantiseOptions *options) {
    const Seen *reach = &watch->reach[op];
    float low = reach->low, high = reach->high;
    if (options->observer == OBSERVER_MINMAX || !(high > low))
        return quantiser_of_range(low, high, options->activation_bits);
    const uint64_t *counts = watch->counts + watch->place[op] * OBSERVER_BINS;
    if (options->observer == OBSERVER_MSE) return least_error(counts, reach, options->activation_bits);
    percentile_range(counts, reach, &low, &high);
    return quantiser_of_range(low, high, options->activation_bits);
}

/* Of the quantisers of `prepared`, in order; an averaging pool has the levels of what goes in. */
static void fill_levels(const Watch *watch, const Graph *prepared, const QuantiseOptions *options, Quantiser *levels) {
    for (size_t i = 0; i < prepared->count; i++) {
        if (prepared->ops[i].kind != OP_QUANTISE) continue;
        const Op *behind = &prepared->ops[prepared->ops[i].input[0]];
        int from = behind->input[0];
        const bool averages = behind->kind == OP_AVERAGE_POOL || behind->kind == OP_GLOBAL_POOL;
        while (averages && prepared->ops[from].kind != OP_QUANTISE && from > 0) from = prepared->ops[from].input[0];
        levels[watch->place[i]] = averages && prepared->ops[from].kind == OP_QUANTISE
                                      ? levels[watch->place[from]]
                                      : choose_levels(watch, i, options);
    }
}

/* The first of the quantised results that is not finite, and the layer to blame where its parameters show it. */
static bool spoilt(const Network *prepared, const char *name, const Dataset *images, Error *err) {
    Str cause = {0};
    const bool found = no_logits_parameters(prepared, &cause);
    if (str_ok(&cause, err))
        error_set(err, STATUS_FAILED, "%s: some of its results on %s are not finite%s%s", name, images->spec,
                  found ? "; the first such layer: " : "", str_text(&cause));
    str_done(&cause);
    return false;
}

static bool check_reach(const Watch *watch, const Network *prepared, const Dataset *images, Error *err) {
    const Graph *graph = prepared->graph;
    for (size_t i = 0; i < watch->ops; i++)
        if (watch->reach[i].spoilt || watch->reach[i].high - watch->reach[i].low > FLT_MAX)
            return spoilt(prepared, graph->ops[graph->ops[i].input[0]].name, images, err);
    return true;
}

static bool find_levels(const Network *prepared, const QuantiseOptions *options, Watch *watch, size_t *place,
                        Quantiser *levels, const Task *task, Error *err) {
    const Dataset *images = options->calibration;
    const Graph *graph = prepared->graph;
    for (size_t i = 0; i < graph->count; i++)
        if (graph->ops[i].kind == OP_QUANTISE) place[i] = watch->places++;
    watch->place = place;
    if (!run_images(prepared, images, see_range, watch, take_ranges, "calibrating", task, err)) return false;
    watch->reach = total_of(watch);
    if (!check_reach(watch, prepared, images, err)) return false;
    if (options->observer != OBSERVER_MINMAX) {
        const unsigned workers = pool_threads();
        watch->counts = mem_alloc((uint64_t)workers * watch->places, OBSERVER_BINS * sizeof *watch->counts, err);
        if (!watch->counts || !run_images(prepared, images, see_counts, watch, take_nothing, "counting", task, err))
            return false;
        add_counts(watch, workers);
    }
    fill_levels(watch, graph, options, levels);
    return true;
}

bool calibrate_levels(const Network *network, const bool *places, const QuantiseOptions *options, Quantiser *levels,
                      const Task *task, Error *err) {
    Network *prepared = network_copy(network, err);
    size_t *place = NULL;
    Watch watch = {0};
    bool done = prepared && network_put_quantisers(prepared, places, NULL, err);
    if (done) {
        watch.ops = prepared->graph->count;
        done = (place = mem_alloc(watch.ops, sizeof *place, err)) &&
               (watch.seen = mem_alloc((BATCH + 1) * (uint64_t)watch.ops, sizeof *watch.seen, err)) &&
               find_levels(prepared, options, &watch, place, levels, task, err);
    }
    mem_free(watch.seen);
    mem_free(watch.counts);
    mem_free(place);
    network_free(prepared);
    return done;
}

/* ---- fidelity ---------------------------------------------------------------------------------------------------- */

void fidelity_add(Fidelity *fidelity, const float *was, const float *is, size_t count) {
    Fidelity sum = *fidelity;
    for (size_t i = 0; i < count; i++) {
        const double x = (double)was[i], y = (double)is[i], change = fabs(y - x);
        sum.signal += x * x;
        sum.power += y * y;
        sum.product += x * y;
        sum.noise += change * change;
        sum.largest = change > sum.largest ? change : sum.largest;
    }
    *fidelity = sum;
}

double fidelity_sqnr(const Fidelity *fidelity) {
    return 10 * log10(fidelity->signal / fidelity->noise);
}

double fidelity_cosine(const Fidelity *fidelity) {
    return fidelity->product / sqrt(fidelity->signal * fidelity->power);
}

static void see_fidelity(void *context, size_t op, unsigned image, unsigned worker, const float *values,
                         const float *results, size_t count) {
    const Watch *watch = context;
    (void)worker;
    fidelity_add(&watch->seen[image * watch->ops + op].fidelity, values, results, count);
}

static bool take_fidelity(void *context, const Engine *engine, unsigned images, Error *err) {
    const Watch *watch = context;
    (void)engine, (void)err;
    Seen *total = total_of(watch);
    for (size_t i = 0; i < images * watch->ops; i++) {
        const Fidelity *one = &watch->seen[i].fidelity;
        Fidelity *all = &total[i % watch->ops].fidelity;
        all->signal += one->signal;
        all->noise += one->noise;
        all->product += one->product;
        all->power += one->power;
        all->largest = fmax(all->largest, one->largest);
    }
    return forget_batch(watch);
}

bool measure_levels(const Network *network, const Dataset *images, Fidelity *fidelity, const Task *task, Error *err) {
    Watch watch = {.ops = network->graph->count};
    watch.seen = mem_alloc((BATCH + 1) * (uint64_t)watch.ops, sizeof *watch.seen, err);
    const bool done =
        watch.seen && run_images(network, images, see_fidelity, &watch, take_fidelity, "measuring", task, err);
    for (size_t i = 0; done && i < watch.ops; i++) fidelity[i] = total_of(&watch)[i].fidelity;
    mem_free(watch.seen);
    return done;
}
