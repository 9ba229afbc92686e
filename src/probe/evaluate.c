/* evaluate -- accuracy and loss of a network on a dataset.
 *
 * Loss of one image: log sum_j exp(z_j) - z_label, in double from the float logits z, the largest taken out of the sum
 * first. An image is correct where no class stands before its label: a class stands before another with a larger logit,
 * or with an equal one and a lower index (the first maximum, as torch.argmax takes it). An image with a logit that is
 * no finite number has no logits: argmax would give it a label that says nothing.
 */
#include "probe/evaluate.h"

#include <math.h>
#include <stdio.h>

#include "weft/base/error.h"
#include "weft/base/memory.h"
#include "weft/base/stats.h"
#include "weft/base/table.h"
#include "weft/base/task.h"
#include "weft/base/text.h"

/* Images that run together: enough to keep every core busy, few enough for large images to fit in memory. */
enum { BATCH_IMAGES = 128, BATCH_PIXELS = 1 << 19 };

static bool stands_before(const float *logits, unsigned a, unsigned b) {
    return logits[a] > logits[b] || (logits[a] == logits[b] && a < b);
}

static unsigned rank_of(const float *logits, unsigned classes, unsigned label) {
    unsigned rank = 0;
    for (unsigned i = 0; i < classes; i++) rank += stands_before(logits, i, label);
    return rank;
}

static double cross_entropy(const float *logits, unsigned classes, unsigned label) {
    float largest = logits[0];
    for (unsigned i = 1; i < classes; i++) largest = fmaxf(largest, logits[i]);
    double sum = 0;
    for (unsigned i = 0; i < classes; i++) sum += exp((double)logits[i] - (double)largest);
    return log(sum) + (double)largest - (double)logits[label];
}

static bool all_finite(const float *logits, unsigned classes) {
    for (unsigned i = 0; i < classes; i++)
        if (!isfinite(logits[i])) return false;
    return true;
}

bool evaluate_takes(const Network *network, const Dataset *dataset, Error *err) {
    const Graph *graph = network->graph;
    if (!graph)
        return error_set(err, STATUS_FAILED, "the network cannot run: %s",
                         network->why_unknown ? network->why_unknown : "its architecture is unknown");
    if (graph->in_channels != dataset->channels)
        return error_set(err, STATUS_USAGE, "the network takes %u input channel%s, but %s has %u", graph->in_channels,
                         graph->in_channels == 1 ? "" : "s", dataset->spec, dataset->channels);
    return true;
}

bool evaluate_check(const Network *network, const Dataset *dataset, Error *err) {
    const Graph *graph = network->graph;
    if (!evaluate_takes(network, dataset, err)) return false;
    if (!dataset->labels) return error_set(err, STATUS_USAGE, "'%s' has no labels to measure against", dataset->spec);
    /* Without class names the number of classes is only a guess from the labels: a network may know more. */
    if (dataset->classes > graph->classes || (dataset->class_names && dataset->classes != graph->classes))
        return error_set(err, STATUS_USAGE, "the network has %u classes, %s has %u", graph->classes, dataset->spec,
                         dataset->classes);
    return true;
}

unsigned evaluate_batch(const Dataset *dataset) {
    const uint64_t size = evaluate_pixels(dataset);
    uint64_t batch = BATCH_PIXELS / (size ? size : 1);
    batch = batch > BATCH_IMAGES ? BATCH_IMAGES : batch;
    batch = batch > dataset->count ? dataset->count : batch;
    return batch ? (unsigned)batch : 1;
}

/* ---- counting ---------------------------------------------------------------------------------------------------- */

bool evaluation_begin(Evaluation *evaluation, const Dataset *dataset, Error *err) {
    *evaluation = (Evaluation){.classes = dataset->classes};
    if (!(evaluation->hits = mem_alloc(dataset->count, sizeof *evaluation->hits, err)) ||
        !(evaluation->losses = mem_alloc(dataset->count, sizeof *evaluation->losses, err)))
        return false;
    uint64_t **const counts[] = {&evaluation->class_images, &evaluation->class_correct, &evaluation->class_no_logits};
    for (size_t i = 0; i < sizeof counts / sizeof *counts; i++)
        if (!(*counts[i] = mem_alloc(dataset->classes, sizeof **counts[i], err))) return false;
    return true;
}

void evaluation_add(Evaluation *evaluation, const Dataset *dataset, uint64_t first, unsigned images,
                    const float *logits, unsigned classes) {
    for (unsigned i = 0; i < images; i++) {
        unsigned label = dataset->labels[first + i];
        evaluation->class_images[label]++;
        if (!all_finite(logits + (size_t)i * classes, classes)) {
            if (evaluation->no_logits++ == 0) evaluation->first_without = first + i;
            evaluation->class_no_logits[label]++;
            evaluation->losses[first + i] = NAN;
            continue;
        }
        unsigned rank = rank_of(logits + (size_t)i * classes, classes, label);
        const double loss = cross_entropy(logits + (size_t)i * classes, classes, label);
        evaluation->hits[first + i] = rank == 0;
        evaluation->losses[first + i] = loss;
        evaluation->loss += loss;
        evaluation->correct += rank == 0;
        evaluation->correct_top5 += rank < 5;
        evaluation->class_correct[label] += rank == 0;
    }
    evaluation->images += images;
}

bool evaluation_end(Evaluation *evaluation, const Network *network, const Dataset *dataset, double seconds,
                    Error *err) {
    Str cause = {0};
    evaluation->loss = evaluation->no_logits ? (double)NAN : evaluation->loss / (double)evaluation->images;
    evaluation->seconds = seconds;
    if (evaluation->no_logits == 0) return true;
    const bool ok = no_logits_cause(network, dataset, evaluation->first_without, &cause, err) &&
                    (evaluation->cause = mem_copy_text(str_text(&cause), err));
    str_done(&cause);
    return ok;
}

/* NaN, an empty cell, where there is nothing to take a share of, or where some images have no logits. */
static double percent(uint64_t part, uint64_t whole, uint64_t no_logits) {
    return whole && !no_logits ? 100.0 * (double)part / (double)whole : (double)NAN;
}

/* ---- running ----------------------------------------------------------------------------------------------------- */

unsigned evaluate_take(const Dataset *dataset, uint64_t first, unsigned batch, float *pixels) {
    const uint64_t left = dataset->count - first, size = evaluate_pixels(dataset);
    const unsigned images = left < batch ? (unsigned)left : batch;
    for (unsigned i = 0; i < images; i++) dataset_image(dataset, first + i, pixels + i * size);
    return images;
}

/* A batch's logits: from its states where there are any. */
static bool run_batch(const ImagePass *pass, uint64_t first, unsigned images, float *logits, Error *err) {
    if (!pass->states) return engine_forward(pass->engine, pass->pixels, images, logits, err);
    return engine_forward_tail(pass->engine, pass->states + first * engine_state(pass->engine, pass->cut), images,
                               pass->cut, logits, err);
}

bool evaluate_images(const ImagePass *pass, unsigned classes, Evaluation *evaluation, const Task *task, Error *err) {
    const Dataset *data = pass->data;
    const unsigned batch = evaluate_batch(data);
    bool ok = true;
    for (uint64_t first = 0; ok && first < data->count; first += batch) {
        unsigned images = data->count - first < batch ? (unsigned)(data->count - first) : batch;
        float *logits = pass->all_logits ? pass->all_logits + first * classes : pass->logits;
        if (!pass->states) evaluate_take(data, first, batch, pass->pixels);
        ok = task_step(task, pass->what, first, data->count, err) && run_batch(pass, first, images, logits, err);
        if (ok) evaluation_add(evaluation, data, first, images, logits, classes);
    }
    return ok && task_step(task, pass->what, data->count, data->count, err);
}

bool each_batch(const Network *network, Engine *engine, const Dataset *dataset, unsigned batch, TakeBatch *take,
                void *context, const char *what, const Task *task, Error *err) {
    const Normalisation *n = &network->normalisation;
    const BatchOptions options = {
        .batch = batch, .mean = n->channels > 0 ? n->mean : NULL, .std = n->channels > 0 ? n->std : NULL};
    Batches *batches = batches_new(dataset, &options, err);
    const uint64_t count = batches ? batches_per_epoch(batches) : 0;
    bool done = batches != NULL;
    for (uint64_t step = 0; done && step < count; step++) {
        Batch one;
        done = task_step(task, what, step, count, err) && batches_get(batches, step, &one, err) &&
               engine_forward(engine, one.pixels, one.images, NULL, err) && take(context, engine, one.images, err);
    }
    done = done && task_step(task, what, count, count, err);
    batches_free(batches);
    return done;
}

bool evaluate_run(const Network *network, const Dataset *dataset, float *logits, Evaluation *out, const Task *task,
                  Error *err) {
    if (!evaluate_check(network, dataset, err)) return false;
    const unsigned batch = evaluate_batch(dataset), classes = network->graph->classes;
    ImagePass pass = {.data = dataset, .all_logits = logits, .what = "evaluating"};
    Evaluation evaluation;
    const double start = clock_seconds();
    const bool ok = evaluation_begin(&evaluation, dataset, err) &&
                    (pass.engine = engine_new(network, batch, dataset->height, dataset->width, NULL, err)) &&
                    (pass.pixels = mem_alloc(batch * evaluate_pixels(dataset), sizeof *pass.pixels, err)) &&
                    (pass.logits = mem_alloc((uint64_t)batch * classes, sizeof *pass.logits, err)) &&
                    evaluate_images(&pass, classes, &evaluation, task, err);
    engine_free(pass.engine);
    mem_free(pass.pixels);
    mem_free(pass.logits);
    if (!ok || !evaluation_end(&evaluation, network, dataset, clock_seconds() - start, err)) {
        evaluation_done(&evaluation);
        return false;
    }
    *out = evaluation;
    return true;
}

double evaluation_accuracy(const Evaluation *evaluation) {
    return percent(evaluation->correct, evaluation->images, evaluation->no_logits);
}

void evaluation_done(Evaluation *evaluation) {
    mem_free(evaluation->hits);
    mem_free(evaluation->losses);
    mem_free(evaluation->class_images);
    mem_free(evaluation->class_correct);
    mem_free(evaluation->class_no_logits);
    mem_free(evaluation->cause);
    *evaluation = (Evaluation){0};
}

bool predict_image(const Network *network, const Dataset *dataset, const float *image, unsigned *predicted,
                   double *probability, Error *err) {
    if (!evaluate_takes(network, dataset, err)) return false;
    const unsigned classes = network->graph->classes;
    float *logits = mem_alloc(classes, sizeof *logits, err);
    Engine *engine = logits ? engine_new(network, 1, dataset->height, dataset->width, NULL, err) : NULL;
    bool ok = engine && engine_forward(engine, image, 1, logits, err);
    if (ok) {
        unsigned best = 0;
        for (unsigned i = 1; i < classes; i++) best = stands_before(logits, i, best) ? i : best;
        *predicted = best;
        *probability = all_finite(logits, classes) ? exp(-cross_entropy(logits, classes, best)) : (double)NAN;
    }
    engine_free(engine);
    mem_free(logits);
    return ok;
}

/* ---- tables ------------------------------------------------------------------------------------------------------ */

void interval_columns(Table *table, const char *name) {
    static const char *const ends[] = {"_low", "_high"};
    for (size_t i = 0; i < sizeof ends / sizeof *ends; i++) {
        char column[64];
        snprintf(column, sizeof column, "%s%s", name, ends[i]);
        table_column(table, column, "%", COLUMN_REAL);
    }
}

void interval_cells(Table *table, Interval interval) {
    table_real(table, 100 * interval.low);
    table_real(table, 100 * interval.high);
}

void accuracy_columns(Table *table, const char *name) {
    table_column(table, name, "%", COLUMN_REAL);
    interval_columns(table, name);
}

void accuracy_cells(Table *table, uint64_t correct, uint64_t images, bool defined) {
    table_real(table, percent(correct, images, !defined));
    interval_cells(table, stats_wilson(correct, defined ? images : 0));
}

static uint64_t correct_of(double accuracy, uint64_t images) {
    return isnan(accuracy) ? 0 : (uint64_t)llround(accuracy / 100 * (double)images);
}

Interval accuracy_interval(double accuracy, uint64_t images) {
    return stats_wilson(correct_of(accuracy, images), isnan(accuracy) ? 0 : images);
}

void accuracy_cells_of(Table *table, double accuracy, uint64_t images) {
    accuracy_cells(table, correct_of(accuracy, images), images, !isnan(accuracy));
}

/* Where there are few classes, the best five say little. */
static bool has_top5(unsigned classes) {
    return classes > 10;
}

Interval top5_interval(const Evaluation *evaluation) {
    return stats_wilson(evaluation->correct_top5, evaluation->no_logits ? 0 : evaluation->images);
}

void evaluation_columns(Table *table, unsigned classes) {
    table_column(table, "images", "", COLUMN_INTEGER);
    table_column(table, "correct", "", COLUMN_INTEGER);
    accuracy_columns(table, "accuracy");
    if (has_top5(classes)) table_column(table, "top5", "%", COLUMN_REAL);
    table_column(table, "loss", "", COLUMN_REAL);
    if (has_top5(classes)) interval_columns(table, "top5");
}

void evaluation_cells(Table *table, const Evaluation *evaluation) {
    table_integer(table, (int64_t)evaluation->images);
    table_integer(table, (int64_t)evaluation->correct);
    accuracy_cells(table, evaluation->correct, evaluation->images, evaluation->no_logits == 0);
    if (has_top5(evaluation->classes))
        table_real(table, percent(evaluation->correct_top5, evaluation->images, evaluation->no_logits));
    table_real(table, evaluation->loss);
    if (has_top5(evaluation->classes)) interval_cells(table, top5_interval(evaluation));
}

void evaluation_note(Table *table, const Evaluation *evaluation) {
    evaluation_note_as(table, "no_logits", evaluation);
}

void evaluation_note_as(Table *table, const char *key, const Evaluation *evaluation) {
    if (evaluation->no_logits == 0) return;
    table_note(
        table, key,
        "%llu of %llu images have none (NaN or infinite), so accuracy is undefined; first layer with such values: %s",
        (unsigned long long)evaluation->no_logits, (unsigned long long)evaluation->images, evaluation->cause);
}

void evaluation_rate(Table *table, const Evaluation *evaluations, size_t count) {
    double images = 0, seconds = 0;
    for (size_t i = 0; i < count; i++) {
        images += (double)evaluations[i].images;
        seconds += evaluations[i].seconds;
    }
    if (seconds > 0) table_note(table, "images_per_second", "%.9g", images / seconds);
}

Table *evaluate_table(const Evaluation *evaluation, Error *err) {
    Table *table = table_new(err);
    if (!table) return NULL;
    evaluation_columns(table, evaluation->classes);
    evaluation_cells(table, evaluation);
    evaluation_rate(table, evaluation, 1);
    evaluation_note(table, evaluation);
    return table_finish(table, err);
}

Table *evaluate_class_table(const Evaluation *evaluation, const Dataset *dataset, Error *err) {
    Table *table = table_new(err);
    if (!table) return NULL;
    table_column(table, "class", "", COLUMN_INTEGER);
    table_column(table, "name", "", COLUMN_TEXT);
    table_column(table, "images", "", COLUMN_INTEGER);
    table_column(table, "correct", "", COLUMN_INTEGER);
    accuracy_columns(table, "accuracy");
    for (unsigned i = 0; i < evaluation->classes; i++) {
        table_integer(table, i);
        table_text(table, dataset->class_names ? dataset->class_names[i] : "");
        table_integer(table, (int64_t)evaluation->class_images[i]);
        table_integer(table, (int64_t)evaluation->class_correct[i]);
        accuracy_cells(table, evaluation->class_correct[i], evaluation->class_images[i],
                       evaluation->class_no_logits[i] == 0);
    }
    evaluation_note(table, evaluation);
    return table_finish(table, err);
}
