/* sratio -- the share of a layer's energy in its larger singular values.
 *
 * S_ratio = sum of sigma_i^2 over i <= floor(K/2) / sum of sigma_i^2 over i <= K, K = min(rows, columns) (the paper's
 * definition). The squares of the singular values are the eigenvalues of the smaller Gram matrix, so no decomposition
 * of the whole matrix is needed; an eigenvalue's absolute error, about 1e-16 of the largest, is an error of the same
 * size in the ratio. In float32 (SquaresPlan) the sum of the larger half is wrong by up to sqrt(K/2) and the sum of all
 * by up to sqrt(K) times the error of squares_of_layer, so the ratio by less than 2 sqrt(K) of it over the energy.
 */
#include "weft/spectral.h"

#include <float.h>
#include <math.h>

#include "spectral/lapack.h"
#include "spectral/layers.h"
#include "spectral/squares.h"
#include "weft/base/error.h"
#include "weft/base/map.h"
#include "weft/base/memory.h"
#include "weft/base/pool.h"
#include "weft/base/table.h"
#include "weft/base/task.h"
#include "weft/base/tensor.h"
#include "weft/base/text.h"

bool spectral_singular_values(const float *matrix, size_t rows, size_t columns, double *sigma, Error *err) {
    uint64_t count = (uint64_t)rows * columns;
    if (!lapack_admits(rows, columns, err) || !layers_check_weights(matrix, count, FLT_MAX, err)) return false;
    double *wide = mem_alloc(count, sizeof *wide, err);
    if (!wide) return false;
    for (uint64_t i = 0; i < count; i++) wide[i] = (double)matrix[i];
    bool done = lapack_singular_values(wide, rows, columns, sigma, err);
    mem_free(wide);
    return done;
}

/* ---- the ratio --------------------------------------------------------------------------------------------------- */

/* Ascending squares, where rounding may leave a zero below 0. */
static void set_ratio(const double *squares, size_t values, double *ratio, double *energy) {
    double upper = 0, lower = 0;
    for (size_t i = 0; i < values; i++) {
        const double square = squares[i] > 0 ? squares[i] : 0;
        *(i < values - values / 2 ? &lower : &upper) += square;
    }
    *energy = upper + lower;
    *ratio = values >= 2 && *energy > 0 ? upper / *energy : NAN;
}

bool spectral_sratio(const float *matrix, size_t rows, size_t columns, double *ratio, double *energy, Error *err) {
    const size_t values = rows < columns ? rows : columns;
    double error, *squares = mem_alloc(values, sizeof *squares, err);
    const bool done = squares && layers_check_weights(matrix, (uint64_t)rows * columns, FLT_MAX, err) &&
                      squares_of_matrix(matrix, rows, columns, false, squares, &error, err);
    if (done) set_ratio(squares, values, ratio, energy);
    mem_free(squares);
    return done;
}

/* ---- a network's layers, or two networks' ------------------------------------------------------------------------ */

typedef struct Measure {
    const Network *network;
    const char *whose; /* for errors */
    size_t layer, rows, columns;
    struct SratioFound {
        double ratio, energy, error;
        LayerFault fault; /* why there is neither */
    } found;
} Measure;

static bool measure_layer(Measure *measure, const Layer *layer, Error *err) {
    struct SratioFound *out = &measure->found;
    const SquaresPlan plan = squares_plan(measure->rows, measure->columns);
    if (!layers_fault(layer_weight(measure->network, layer), &out->fault, err)) return false;
    if (out->fault) return true;
    if (!mem_work_begin(plan.bytes, LAYERS_WORK, err)) return false;
    const size_t values = measure->rows < measure->columns ? measure->rows : measure->columns;
    double error, *squares = mem_alloc(values, sizeof *squares, err);
    const bool done = squares && squares_of_layer(measure->network, layer, plan.single, squares, &error, err);
    if (done) set_ratio(squares, values, &out->ratio, &out->energy);
    if (done) out->error = 2 * sqrt((double)values) * error / out->energy;
    mem_free(squares);
    mem_work_end(plan.bytes);
    return done;
}

static bool measure_one(void *context, size_t point, Error *err) {
    Measure *measure = (Measure *)context + point;
    const Layer *layer = &measure->network->layers[measure->layer];
    measure->found.ratio = measure->found.energy = (double)NAN;
    return measure_layer(measure, layer, err) || error_prefix(err, "layer '%s'%s", layer->name, measure->whose);
}

static void *result_of(void *context, size_t item) {
    return &((Measure *)context)[item].found;
}

static bool measure_all(Measure *measures, size_t count, double worth, const Task *task, Error *err) {
    double *costs = mem_alloc(count, sizeof *costs, err);
    if (!costs) return false;
    for (size_t i = 0; i < count; i++) {
        Measure *measure = &measures[i];
        layer_matrix(measure->network, &measure->network->layers[measure->layer], &measure->rows, &measure->columns);
        costs[i] = layers_cost(measure->network, measure->layer);
    }
    const Items items = {.count = count,
                         .cost = costs,
                         .evaluate = measure_one,
                         .result = result_of,
                         .result_bytes = sizeof(struct SratioFound),
                         .context = measures,
                         .what = "sratio",
                         .shares = true,
                         .worth = worth,
                         .least = LAYERS_LEAST};
    const bool done = map_items(&items, task, err);
    mem_free(costs);
    return done;
}

static LayerFault why_no_ratio(const Measure *measure) {
    if (measure->found.fault || !isnan(measure->found.ratio)) return measure->found.fault;
    return measure->rows < 2 || measure->columns < 2 ? LAYER_FAULT_FEW_VALUES : LAYER_FAULT_ZERO;
}

/* The layers whose ratios are all there and count for the means. */
static bool complete(const Sratio *sratio, const SratioLayer *layer) {
    return layer->counted && !isnan(layer->ratio) && (!sratio->versus || !isnan(layer->ratio_vs));
}

static double first_of(const SratioLayer *layer) {
    return layer->ratio;
}

static double second_of(const SratioLayer *layer) {
    return layer->ratio_vs;
}

double sratio_difference(const SratioLayer *layer) {
    return layer->ratio_vs - layer->ratio;
}

/* Over the L complete layers; the last half are those from floor(L/2) on. */
static SratioMeans means_of(const Sratio *sratio, double (*value)(const SratioLayer *)) {
    double sum = 0, last_sum = 0;
    size_t numbers = 0, seen = 0, last = 0;
    for (size_t i = 0; i < sratio->count; i++) numbers += complete(sratio, &sratio->layers[i]);
    if (numbers == 0) return (SratioMeans){NAN, NAN, NAN};
    for (size_t i = 0; i < sratio->count; i++) {
        const SratioLayer *layer = &sratio->layers[i];
        if (!complete(sratio, layer)) continue;
        sum += value(layer);
        if (seen++ < numbers / 2) continue;
        last_sum += value(layer);
        last++;
    }
    return (SratioMeans){sum / (double)numbers, last_sum / (double)last, 2 * last_sum / (double)numbers};
}

/* The means count convolutions, as the paper's do; all layers where none of them is one. `step`: from one measure of a
 * layer to that of the next. */
static void count_convolutions(Sratio *sratio, const Measure *measures, size_t step) {
    size_t some = 0;
    for (size_t i = 0; i < sratio->count; i++) {
        sratio->layers[i].counted = layers_convolution(measures[i * step].network, measures[i * step].layer);
        some += sratio->layers[i].counted;
    }
    for (size_t i = 0; some == 0 && i < sratio->count; i++) sratio->layers[i].counted = true;
    sratio->convolutions = some;
}

/* `measures` holds a layer after the other, or pairs: network, versus, network, versus ... */
static bool collect_layers(Sratio *sratio, const Measure *measures, size_t count, Error *err) {
    const size_t step = sratio->versus ? 2 : 1;
    if (!(sratio->layers = mem_alloc(count, sizeof *sratio->layers, err))) return false;
    sratio->count = count;
    for (size_t i = 0; i < count; i++) {
        const Measure *a = &measures[i * step], *b = a + step - 1;
        sratio->layers[i] = (SratioLayer){.name = a->network->layers[a->layer].name,
                                          .rows = a->rows,
                                          .columns = a->columns,
                                          .ratio = a->found.ratio,
                                          .energy = a->found.energy,
                                          .error = fmax(a->found.error, b->found.error),
                                          .ratio_vs = sratio->versus ? b->found.ratio : (double)NAN,
                                          .fault = why_no_ratio(isnan(a->found.ratio) ? a : b)};
    }
    count_convolutions(sratio, measures, step);
    sratio->mean = means_of(sratio, first_of);
    sratio->mean_vs = means_of(sratio, second_of);
    sratio->difference = means_of(sratio, sratio_difference);
    return true;
}

static bool measure_network(const Network *network, const bool *chosen, const Task *task, Sratio *out, Error *err) {
    size_t count = 0;
    size_t *layers = layers_chosen(network, chosen, false, &count, err);
    Measure *measures = layers ? mem_alloc(count, sizeof *measures, err) : NULL;
    for (size_t i = 0; measures && i < count; i++)
        measures[i] = (Measure){.network = network, .whose = "", .layer = layers[i]};
    const bool done = measures && measure_all(measures, count, layers_worth(network, NULL), task, err) &&
                      collect_layers(out, measures, count, err);
    mem_free(measures);
    mem_free(layers);
    return done;
}

static bool measure_both(const Network *network, const Network *versus, const bool *chosen, const Task *task,
                         Sratio *out, Error *err) {
    size_t count = 0;
    LayerPair *pairs = layers_match(network, versus, chosen, false, &count, &out->unmatched, err);
    Measure *measures = pairs ? mem_alloc(2 * (uint64_t)count, sizeof *measures, err) : NULL;
    for (size_t i = 0; measures && i < count; i++) {
        measures[2 * i] = (Measure){.network = network, .whose = "", .layer = pairs[i].a};
        measures[2 * i + 1] = (Measure){.network = versus, .whose = " of the second network", .layer = pairs[i].b};
    }
    const bool done = measures && measure_all(measures, 2 * count, layers_worth(network, versus), task, err) &&
                      collect_layers(out, measures, count, err);
    mem_free(measures);
    mem_free(pairs);
    return done;
}

bool sratio_measure(const Network *network, const Network *versus, const bool *chosen, const Task *task, Sratio *out,
                    Error *err) {
    *out = (Sratio){.versus = versus != NULL};
    const bool done = versus ? measure_both(network, versus, chosen, task, out, err)
                             : measure_network(network, chosen, task, out, err);
    if (!done) sratio_done(out);
    return done;
}

void sratio_done(Sratio *sratio) {
    mem_free(sratio->layers);
    str_done(&sratio->unmatched);
    *sratio = (Sratio){0};
}
