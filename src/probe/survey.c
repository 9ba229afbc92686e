/* survey -- many networks of one graph on the same images.
 *
 * A point borrows an engine, with its buffers, for as long as it runs; there are as many as points run at a time. What
 * the networks of a series share is run once, by whichever of its points comes first, and freed by the last of them.
 */
#include "probe/evaluate.h"
#include "probe/refine.h"

#include <math.h>
#include <pthread.h>
#include <stdio.h>
#include <string.h>

#include "weft/base/error.h"
#include "weft/base/map.h"
#include "weft/base/memory.h"
#include "weft/base/pool.h"
#include "weft/base/ranks.h"
#include "weft/base/run.h"
#include "weft/base/size.h"
#include "weft/base/spread.h"
#include "weft/base/task.h"
#include "weft/base/tensor.h"
#include "weft/spectral.h"
#include "weft/probe/compare.h"
#include "weft/probe/survey.h"

enum { STEM_PART = 8 /* of the memory budget */ };

/* An engine for each dataset, and the buffers of a batch. */
typedef struct Bench {
    struct Bench *next;
    Engine *engine[SURVEY_DATA];
    float *pixels, *logits;
} Bench;

/* What a series shares: the images' states behind `cut` steps of the base. */
typedef struct Stem {
    pthread_mutex_t lock; /* guards all below */
    bool tried;           /* to make the states */
    size_t users;         /* points at work */
    float *states[SURVEY_DATA];
    uint64_t bytes[SURVEY_DATA];
    size_t cut[SURVEY_DATA];
    size_t left; /* points of the series that are not done; other ranks' too */
} Stem;

typedef struct Surveyor {
    const Survey *survey;
    Evaluation reference; /* of the base, where points are compared with it; without images as long as it is not made */
    Stem *stems;          /* one a series */
    double *base_ratio;   /* S_ratio of each layer of the base, where it is needed */
    pthread_mutex_t lock; /* guards all below */
    Bench *free;
    uint64_t room; /* for states of images */
} Surveyor;

/* ---- values ------------------------------------------------------------------------------------------------------ */

enum { PER_DATA = 2, PER_COMPARISON = 2, PER_LAYERS = 3 };
enum { VALUES_MOST = PER_DATA * SURVEY_DATA + PER_COMPARISON + PER_LAYERS + 1 };

static bool compares(const Survey *survey) {
    return survey->compare && survey->data_count > 0;
}

size_t survey_values(const Survey *survey) {
    return PER_DATA * survey->data_count + (compares(survey) ? PER_COMPARISON : 0) + (survey->layers ? PER_LAYERS : 0) +
           1;
}

const char *survey_value_name(const Survey *survey, size_t value) {
    static const char *const of_data[SURVEY_DATA][PER_DATA] = {{"accuracy (%)", "loss"}, {"accuracy_2 (%)", "loss_2"}};
    static const char *const of_comparison[PER_COMPARISON] = {"only", "only_vs"};
    static const char *const of_layers[PER_LAYERS] = {"sratio_change", "distance", "rms"};
    if (value < PER_DATA * survey->data_count) return of_data[value / PER_DATA][value % PER_DATA];
    value -= PER_DATA * survey->data_count;
    if (compares(survey)) {
        if (value < PER_COMPARISON) return of_comparison[value];
        value -= PER_COMPARISON;
    }
    return survey->layers && value < PER_LAYERS ? of_layers[value] : "recomputed (%)";
}

/* ---- benches ----------------------------------------------------------------------------------------------------- */

static void bench_free(Bench *bench) {
    if (!bench) return;
    for (size_t d = 0; d < SURVEY_DATA; d++) engine_free(bench->engine[d]);
    mem_free(bench->pixels);
    mem_free(bench->logits);
    mem_free(bench);
}

static Bench *bench_new(const Survey *survey, Error *err) {
    uint64_t pixels = 0, batch = 0;
    const unsigned classes = survey->base->graph ? survey->base->graph->classes : 0; /* without images none is needed */
    Bench *bench = mem_alloc(1, sizeof *bench, err);
    bool done = bench != NULL;
    for (size_t d = 0; done && d < survey->data_count; d++) {
        const Dataset *data = survey->data[d];
        const unsigned images = evaluate_batch(data);
        const uint64_t count = images * evaluate_pixels(data);
        if (count > pixels) pixels = count;
        if (images > batch) batch = images;
        done = (bench->engine[d] = engine_new(survey->base, images, data->height, data->width, NULL, err)) != NULL;
    }
    done = done && (bench->pixels = mem_alloc(pixels, sizeof *bench->pixels, err)) &&
           (bench->logits = mem_alloc(batch * classes, sizeof *bench->logits, err));
    if (done) return bench;
    bench_free(bench);
    return NULL;
}

static Bench *borrow(Surveyor *surveyor, Error *err) {
    pthread_mutex_lock(&surveyor->lock);
    Bench *bench = surveyor->free;
    if (bench) surveyor->free = bench->next;
    pthread_mutex_unlock(&surveyor->lock);
    return bench ? bench : bench_new(surveyor->survey, err);
}

static void give_back(Surveyor *surveyor, Bench *bench) {
    pthread_mutex_lock(&surveyor->lock);
    bench->next = surveyor->free;
    surveyor->free = bench;
    pthread_mutex_unlock(&surveyor->lock);
}

/* ---- images ------------------------------------------------------------------------------------------------------ */

/* Between batches only a second cancellation counts: a first one lets the point come to its end. */
static const Task patient = {.patient = true};

/* Accuracy and loss on dataset `d`; for the first one, also the comparison with the base. */
static void take_score(const Surveyor *surveyor, size_t d, const Evaluation *evaluation, double loss, double *values) {
    const Survey *survey = surveyor->survey;
    values[PER_DATA * d] = evaluation_accuracy(evaluation);
    values[PER_DATA * d + 1] = evaluation->no_logits ? (double)NAN : loss;
    if (d > 0 || !compares(survey)) return;
    const Comparison comparison = comparison_of(evaluation, &surveyor->reference);
    double *counts = values + PER_DATA * survey->data_count;
    counts[0] = comparison.defined ? (double)comparison.pairs.only_a : (double)NAN;
    counts[1] = comparison.defined ? (double)comparison.pairs.only_b : (double)NAN;
}

/* Before the first point, on all threads. */
static bool take_reference(void *context, Error *err) {
    Surveyor *surveyor = context;
    const Survey *survey = surveyor->survey;
    return !compares(survey) || surveyor->reference.hits ||
           evaluate_run(survey->base, survey->data[0], NULL, &surveyor->reference, &patient, err);
}

/* `states`: of all images behind `cut` steps, or NULL. */
static bool measure_images(const Surveyor *surveyor, size_t d, const Network *network, const float *states, size_t cut,
                           Bench *bench, double *values, Error *err) {
    const Survey *survey = surveyor->survey;
    const ImagePass pass = {.engine = bench->engine[d],
                            .data = survey->data[d],
                            .pixels = bench->pixels,
                            .logits = bench->logits,
                            .states = states,
                            .cut = cut,
                            .what = survey->what};
    Evaluation evaluation;
    if (!engine_set_network(pass.engine, network, err)) return false;
    const bool done = evaluation_begin(&evaluation, pass.data, err) &&
                      evaluate_images(&pass, network->graph->classes, &evaluation, &patient, err);
    if (done) take_score(surveyor, d, &evaluation, evaluation.loss / (double)evaluation.images, values);
    evaluation_done(&evaluation);
    return done;
}

/* ---- stems ------------------------------------------------------------------------------------------------------- */

static size_t first_change(const Survey *survey, size_t series, const Engine *engine) {
    size_t cut = SIZE_MAX;
    for (size_t i = 0; i < survey->base->layer_count; i++) {
        if (!survey->layers[series][i]) continue;
        const size_t reader = engine_reader(engine, survey->base->layers[i].tensor);
        if (reader < cut) cut = reader;
    }
    return cut;
}

static bool take_room(Surveyor *surveyor, uint64_t bytes) {
    pthread_mutex_lock(&surveyor->lock);
    const bool fits = bytes <= surveyor->room;
    if (fits) surveyor->room -= bytes;
    pthread_mutex_unlock(&surveyor->lock);
    return fits;
}

/* Under the stem's lock. */
static void free_states(Surveyor *surveyor, Stem *stem) {
    stem->tried = false;
    for (size_t d = 0; d < SURVEY_DATA; d++) {
        mem_free(stem->states[d]);
        stem->states[d] = NULL;
        pthread_mutex_lock(&surveyor->lock);
        surveyor->room += stem->bytes[d];
        pthread_mutex_unlock(&surveyor->lock);
        stem->bytes[d] = 0;
    }
}

/* Room that series hold of which no point is at work here: other ranks have their points. */
static void free_idle(Surveyor *surveyor) {
    for (size_t s = 0; s < surveyor->survey->series_count; s++) {
        Stem *stem = &surveyor->stems[s];
        if (pthread_mutex_trylock(&stem->lock) != 0) continue;
        if (stem->users == 0) free_states(surveyor, stem);
        pthread_mutex_unlock(&stem->lock);
    }
}

/* Only step 0, the normalisation, before the cut: nothing worth keeping. States that do not fit are done without. */
static bool make_states(Surveyor *surveyor, size_t series, size_t d, Bench *bench, Stem *stem, Error *err) {
    const Survey *survey = surveyor->survey;
    const Dataset *data = survey->data[d];
    Engine *engine = bench->engine[d];
    const size_t cut = first_change(survey, series, engine);
    uint64_t bytes;
    if (cut <= 1 || cut == SIZE_MAX || !size_mul(data->count, engine_state(engine, cut) * sizeof(float), &bytes) ||
        !(take_room(surveyor, bytes) || (free_idle(surveyor), take_room(surveyor, bytes))))
        return true;
    Error none;
    float *states = stem->states[d] = mem_alloc(bytes, 1, &none);
    stem->bytes[d] = bytes;
    stem->cut[d] = cut;
    if (!states) {
        free_states(surveyor, stem);
        return true;
    }
    bool done = engine_set_network(engine, survey->base, err);
    for (uint64_t first = 0; done && first < data->count;) {
        const unsigned images = evaluate_take(data, first, evaluate_batch(data), bench->pixels);
        done = task_step(&patient, survey->what, first, data->count, err) &&
               engine_forward_head(engine, bench->pixels, images, cut, states + first * engine_state(engine, cut), err);
        first += images;
    }
    return done;
}

static bool stem_ready(Surveyor *surveyor, size_t series, Bench *bench, Error *err) {
    const Survey *survey = surveyor->survey;
    Stem *stem = &surveyor->stems[series];
    bool done = true;
    pthread_mutex_lock(&stem->lock);
    stem->users++;
    if (survey->layers && !survey->whole && !stem->tried) {
        for (size_t d = 0; done && d < survey->data_count; d++)
            done = make_states(surveyor, series, d, bench, stem, err);
        if (!done) free_states(surveyor, stem);
        stem->tried = done;
    }
    pthread_mutex_unlock(&stem->lock);
    return done;
}

static void stem_leave(Surveyor *surveyor, size_t series) {
    Stem *stem = &surveyor->stems[series];
    pthread_mutex_lock(&stem->lock);
    stem->users--;
    if (stem->left > 0 && --stem->left == 0) free_states(surveyor, stem);
    pthread_mutex_unlock(&stem->lock);
}

/* ---- layers ------------------------------------------------------------------------------------------------------ */

static bool ratio_of(const Network *network, size_t layer, double *ratio, Error *err) {
    size_t rows, columns;
    double energy;
    float *copy;
    const Tensor *weight = layer_weight(network, &network->layers[layer]);
    *ratio = (double)NAN;
    for (uint64_t i = 0; i < weight->count; i++)
        if (!isfinite(weight->data[i])) return true;
    layer_matrix(network, &network->layers[layer], &rows, &columns);
    const float *matrix = layer_matrix_values(network, &network->layers[layer], &copy, err);
    const bool done = matrix && spectral_sratio(matrix, rows, columns, ratio, &energy, err);
    mem_free(copy);
    return done || error_prefix(err, "layer '%s'", network->layers[layer].name);
}

/* The convolutions among the chosen layers, as the paper counts; all of them where none is one. */
static bool measured(const Survey *survey, size_t series, size_t layer) {
    const bool *chosen = survey->layers[series];
    if (!chosen[layer] || layer_kind_axes(survey->base->layers[layer].kind) > 0) return chosen[layer];
    for (size_t i = 0; i < survey->base->layer_count; i++)
        if (chosen[i] && layer_kind_axes(survey->base->layers[i].kind) > 0) return false;
    return true;
}

static bool measure_layers(const Surveyor *surveyor, size_t series, const Network *network, double values[PER_LAYERS],
                           Error *err) {
    const Survey *survey = surveyor->survey;
    double square = 0, size = 0, count = 0;
    Spread change = {0};
    for (size_t i = 0; i < network->layer_count; i++) {
        if (!measured(survey, series, i)) continue;
        const Tensor *w = layer_weight(survey->base, &survey->base->layers[i]);
        const Tensor *v = layer_weight(network, &network->layers[i]);
        double ratio = surveyor->base_ratio[i];
        if (v != w && !ratio_of(network, i, &ratio, err)) return false;
        if (!isnan(ratio) && !isnan(surveyor->base_ratio[i])) spread_add(&change, ratio - surveyor->base_ratio[i]);
        for (uint64_t j = 0; j < w->count; j++) {
            const double difference = (double)w->data[j] - (double)v->data[j];
            square += difference * difference;
            size += (double)w->data[j] * (double)w->data[j];
        }
        count += (double)w->count;
    }
    values[0] = change.count > 0 ? change.mean : NAN;
    values[1] = size > 0 ? sqrt(square / size) : NAN;
    values[2] = count > 0 ? sqrt(square / count) : NAN;
    return true;
}

/* ---- points ------------------------------------------------------------------------------------------------------ */

/* A network of another graph, as one with quantised activations, has no part in the benches and stems. */
static bool measure_other(const Surveyor *surveyor, size_t d, const Network *network, double *values, Error *err) {
    Evaluation evaluation;
    if (!evaluate_run(network, surveyor->survey->data[d], NULL, &evaluation, &patient, err)) return false;
    take_score(surveyor, d, &evaluation, evaluation.loss, values);
    evaluation_done(&evaluation);
    return true;
}

/* Accuracies, losses and counts into `values`; *recomputed: the share (%) of a pass that was computed. */
static bool measure_data(const Surveyor *surveyor, size_t point, const Stem *stem, const Network *network, Bench *bench,
                         double *values, double *recomputed, Error *err) {
    const Survey *survey = surveyor->survey;
    const bool alike = network->graph && survey->base->graph && graph_equal(network->graph, survey->base->graph);
    for (size_t d = 0; d < survey->data_count; d++) {
        const float *states = stem->states[d];
        if (d == 0 && compares(survey) && point == survey->base_point) { /* it has been evaluated */
            take_score(surveyor, d, &surveyor->reference, surveyor->reference.loss, values);
            *recomputed = 100;
            continue;
        }
        if (!alike) {
            if (!measure_other(surveyor, d, network, values, err)) return false;
            *recomputed = 100;
            continue;
        }
        size_t cut = stem->cut[d];
        /* Whatever `layers` says: only where the network begins as the base does. */
        if (states && engine_cut(bench->engine[d], survey->base, network) < cut) states = NULL;
        if (!states) cut = 0;
        if (!measure_images(surveyor, d, network, states, cut, bench, values, err)) return false;
        if (d == 0) *recomputed = 100 * engine_tail_share(bench->engine[d], cut);
    }
    return true;
}

static bool measure_point(const Surveyor *surveyor, size_t point, size_t series, const Network *network, Bench *bench,
                          double *values, Error *err) {
    const Survey *survey = surveyor->survey;
    double *const recomputed = values + survey_values(survey) - 1;
    *recomputed = NAN;
    return measure_data(surveyor, point, &surveyor->stems[series], network, bench, values, recomputed, err) &&
           (!survey->layers || measure_layers(surveyor, series, network, recomputed - PER_LAYERS, err));
}

static bool run_point(void *context, size_t point, double *values, Error *err) {
    Surveyor *surveyor = context;
    const Survey *survey = surveyor->survey;
    const size_t series = survey->series_of ? survey->series_of[point] : 0;
    Bench *bench = borrow(surveyor, err);
    Network *network = bench ? survey->make(survey->context, point, err) : NULL;
    bool done = network != NULL;
    if (done && network->layer_count != survey->base->layer_count)
        done = error_set(err, STATUS_FAILED, "the networks' architectures differ");
    done = done && stem_ready(surveyor, series, bench, err) &&
           measure_point(surveyor, point, series, network, bench, values, err);
    network_free(network);
    if (bench) give_back(surveyor, bench);
    if (done) stem_leave(surveyor, series);
    return done;
}

/* ---- the whole --------------------------------------------------------------------------------------------------- */

static bool base_ratios(Surveyor *surveyor, Error *err) {
    const Survey *survey = surveyor->survey;
    if (!survey->layers) return true;
    surveyor->base_ratio = mem_alloc(survey->base->layer_count, sizeof *surveyor->base_ratio, err);
    if (!surveyor->base_ratio) return false;
    for (size_t i = 0; i < survey->base->layer_count; i++) {
        bool wanted = false;
        for (size_t s = 0; s < survey->series_count; s++) wanted = wanted || measured(survey, s, i);
        if (wanted && !ratio_of(survey->base, i, &surveyor->base_ratio[i], err)) return false;
    }
    return true;
}

static bool open_stems(Surveyor *surveyor, const bool *done, Error *err) {
    const Survey *survey = surveyor->survey;
    surveyor->stems = mem_alloc(survey->series_count, sizeof *surveyor->stems, err);
    if (!surveyor->stems) return false;
    for (size_t s = 0; s < survey->series_count; s++) pthread_mutex_init(&surveyor->stems[s].lock, NULL);
    for (size_t i = 0; i < survey->points; i++)
        if (!done[i]) surveyor->stems[survey->series_of ? survey->series_of[i] : 0].left++;
    return true;
}

bool survey_check(const Survey *survey, Error *err) {
    for (size_t d = 0; d < survey->data_count; d++)
        if (!evaluate_check(survey->base, survey->data[d], err)) return false;
    return true;
}

/* Points with more to compute come first; *costs stays NULL where all are alike. */
static bool point_costs(Surveyor *surveyor, double **costs, Error *err) {
    const Survey *survey = surveyor->survey;
    if (!survey->layers || survey->whole || survey->data_count == 0 || survey->series_count < 2) return true;
    Bench *bench = borrow(surveyor, err);
    if (!bench) return false;
    const Engine *engine = bench->engine[0];
    *costs = mem_alloc(survey->points, sizeof **costs, err);
    for (size_t i = 0; *costs && i < survey->points; i++) {
        const bool same = i > 0 && survey->series_of[i] == survey->series_of[i - 1];
        (*costs)[i] =
            same ? (*costs)[i - 1] : engine_tail_share(engine, first_change(survey, survey->series_of[i], engine));
    }
    give_back(surveyor, bench);
    return *costs != NULL;
}

typedef struct Round {
    Surveyor *surveyor;
    Run *run;
    double *results;
    const Task *task;
} Round;

/* The points that are not done. */
static bool run_missing(void *context, bool *done, Error *err) {
    const Round *round = context;
    const Survey *survey = round->surveyor->survey;
    const char *names[VALUES_MOST];
    const size_t values = survey_values(survey);
    for (size_t i = 0; i < values; i++) names[i] = survey_value_name(survey, i);
    double *costs = NULL;
    if (!point_costs(round->surveyor, &costs, err)) return false;
    const Points points = {.count = survey->points,
                           .values = values,
                           .names = names,
                           .cost = costs,
                           .prepare = take_reference,
                           .evaluate = run_point,
                           .context = round->surveyor,
                           .what = survey->what,
                           .executor =
                               survey->points < (uint64_t)pool_threads() * ranks_count() ? run_in_turn : pool_run};
    const bool ok = points_run(&points, round->run, round->results, done, round->task, err);
    mem_free(costs);
    return ok;
}

static bool run_all(Surveyor *surveyor, Run *run, double *results, bool *done, const Task *task, Error *err) {
    Round round = {.surveyor = surveyor, .run = run, .results = results, .task = task};
    return surveyor->survey->tolerance > 0
               ? refine_grid(surveyor->survey, survey_values(surveyor->survey), run_missing, &round, results, done, err)
               : run_missing(&round, done, err);
}

bool survey_run(const Survey *survey, Run *run, double *results, bool *done, const Task *task, Error *err) {
    Surveyor surveyor = {.survey = survey, .room = mem_budget() / STEM_PART};
    pthread_mutex_init(&surveyor.lock, NULL);
    const bool ok = survey_check(survey, err) && base_ratios(&surveyor, err) && open_stems(&surveyor, done, err) &&
                    run_all(&surveyor, run, results, done, task, err);
    for (Bench *bench = surveyor.free, *next; bench; bench = next) {
        next = bench->next;
        bench_free(bench);
    }
    for (size_t s = 0; surveyor.stems && s < survey->series_count; s++) {
        free_states(&surveyor, &surveyor.stems[s]);
        pthread_mutex_destroy(&surveyor.stems[s].lock);
    }
    mem_free(surveyor.stems);
    mem_free(surveyor.base_ratio);
    evaluation_done(&surveyor.reference);
    pthread_mutex_destroy(&surveyor.lock);
    return ok;
}
