/* evaluate -- accuracy and loss of a network on a dataset.
 *
 * Loss of one image: log sum_j exp(z_j) - z_label, in double from the float logits z, the largest taken out of the sum
 * first. An image is correct where no class stands before its label: a class stands before another with a larger logit,
 * or with an equal one and a lower index (the first maximum, as torch.argmax takes it). NaN counts as the largest.
 */
#include "weft/probe.h"

#include <math.h>

/* Images that run together: enough to keep every core busy, few enough for large images to fit in memory. */
enum { BATCH_IMAGES = 128, BATCH_PIXELS = 1 << 19 };

static bool stands_before(const float *logits, unsigned a, unsigned b) {
    if (isnan(logits[a]) || isnan(logits[b])) return isnan(logits[a]) && (!isnan(logits[b]) || a < b);
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

bool evaluate_takes(const Network *network, const Dataset *dataset, Error *err) {
    const Graph *graph = network->graph;
    if (!graph)
        return error_set(err, STATUS_FAILED, "the network cannot run: %s",
                         network->why_unknown ? network->why_unknown : "its architecture is unknown");
    if (graph->in_channels != dataset->channels)
        return error_set(err, STATUS_USAGE, "the network takes %u input channel%s, %s has %u", graph->in_channels,
                         graph->in_channels == 1 ? "" : "s", dataset->spec, dataset->channels);
    return true;
}

bool evaluate_check(const Network *network, const Dataset *dataset, Error *err) {
    const Graph *graph = network->graph;
    if (!evaluate_takes(network, dataset, err)) return false;
    if (!dataset->labels) return error_set(err, STATUS_USAGE, "'%s' has no labels to measure against", dataset->spec);
    /* Without class names the number of classes is only a guess from the labels: a network may know more. */
    if (dataset->classes > graph->classes || (dataset->class_names && dataset->classes != graph->classes))
        return error_set(err, STATUS_USAGE, "the network tells %u classes apart, %s has %u", graph->classes,
                         dataset->spec, dataset->classes);
    return true;
}

/* Adds the images from `first` on, whose logits these are, one after the other. */
static void count_images(const Dataset *dataset, uint64_t first, unsigned images, const float *logits, unsigned classes,
                         Evaluation *out) {
    for (unsigned i = 0; i < images; i++) {
        unsigned label = dataset->labels[first + i];
        unsigned rank = rank_of(logits + (size_t)i * classes, classes, label);
        out->loss += cross_entropy(logits + (size_t)i * classes, classes, label);
        out->correct += rank == 0;
        out->correct_top5 += rank < 5;
        out->class_images[label]++;
        out->class_correct[label] += rank == 0;
    }
    out->images += images;
}

static bool run_batches(Engine *engine, const Dataset *dataset, unsigned batch, unsigned classes, float *logits,
                        Evaluation *out, const Task *task, Error *err) {
    const uint64_t size = (uint64_t)dataset->channels * dataset->height * dataset->width;
    float *pixels = mem_alloc(batch * size, sizeof *pixels, err);
    float *results = pixels ? mem_alloc((uint64_t)batch * classes, sizeof *results, err) : NULL;
    bool ok = results != NULL;
    for (uint64_t first = 0; ok && first < dataset->count; first += batch) {
        uint64_t left = dataset->count - first;
        unsigned images = left < batch ? (unsigned)left : batch;
        float *batch_logits = logits ? logits + first * classes : results;
        for (unsigned i = 0; i < images; i++) dataset_image(dataset, first + i, pixels + i * size);
        ok = task_step(task, "evaluating", first, dataset->count, err) &&
             engine_forward(engine, pixels, images, batch_logits, err);
        if (ok) count_images(dataset, first, images, batch_logits, classes, out);
    }
    ok = ok && task_step(task, "evaluating", dataset->count, dataset->count, err);
    mem_free(results);
    mem_free(pixels);
    return ok;
}

static unsigned batch_size(const Dataset *dataset) {
    uint64_t size = (uint64_t)dataset->channels * dataset->height * dataset->width;
    uint64_t batch = BATCH_PIXELS / (size ? size : 1);
    batch = batch > BATCH_IMAGES ? BATCH_IMAGES : batch;
    batch = batch > dataset->count ? dataset->count : batch;
    return batch ? (unsigned)batch : 1;
}

bool evaluate_run(const Network *network, const Dataset *dataset, float *logits, Evaluation *out, const Task *task,
                  Error *err) {
    if (!evaluate_check(network, dataset, err)) return false;
    const unsigned batch = batch_size(dataset);
    Evaluation evaluation = {.classes = dataset->classes};
    evaluation.class_images = mem_alloc(dataset->classes, sizeof *evaluation.class_images, err);
    evaluation.class_correct =
        evaluation.class_images ? mem_alloc(dataset->classes, sizeof *evaluation.class_correct, err) : NULL;
    double start = clock_seconds();
    Engine *engine =
        evaluation.class_correct ? engine_new(network, batch, dataset->height, dataset->width, NULL, err) : NULL;
    bool ok = engine && run_batches(engine, dataset, batch, network->graph->classes, logits, &evaluation, task, err);
    engine_free(engine);
    if (!ok) {
        evaluation_done(&evaluation);
        return false;
    }
    evaluation.loss /= (double)evaluation.images;
    evaluation.seconds = clock_seconds() - start;
    *out = evaluation;
    return true;
}

void evaluation_done(Evaluation *evaluation) {
    mem_free(evaluation->class_images);
    mem_free(evaluation->class_correct);
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
        *probability = exp(-cross_entropy(logits, classes, best));
    }
    engine_free(engine);
    mem_free(logits);
    return ok;
}

/* ---- tables ------------------------------------------------------------------------------------------------------ */

/* NaN, an empty cell, where there is nothing to take a share of. */
static double percent(uint64_t part, uint64_t whole) {
    return whole ? 100.0 * (double)part / (double)whole : NAN;
}

Table *evaluate_table(const Evaluation *evaluation, Error *err) {
    const bool top5 = evaluation->classes > 10;
    Table *table = table_new(err);
    if (!table) return NULL;
    table_column(table, "images", "", COLUMN_INTEGER);
    table_column(table, "correct", "", COLUMN_INTEGER);
    table_column(table, "accuracy", "%", COLUMN_REAL);
    if (top5) table_column(table, "top5", "%", COLUMN_REAL);
    table_column(table, "loss", "", COLUMN_REAL);
    table_column(table, "images_per_second", "1/s", COLUMN_REAL);
    table_integer(table, (int64_t)evaluation->images);
    table_integer(table, (int64_t)evaluation->correct);
    table_real(table, percent(evaluation->correct, evaluation->images));
    if (top5) table_real(table, percent(evaluation->correct_top5, evaluation->images));
    table_real(table, evaluation->loss);
    table_real(table, evaluation->seconds > 0 ? (double)evaluation->images / evaluation->seconds : NAN);
    return table_finish(table, err);
}

Table *evaluate_class_table(const Evaluation *evaluation, const Dataset *dataset, Error *err) {
    Table *table = table_new(err);
    if (!table) return NULL;
    table_column(table, "class", "", COLUMN_INTEGER);
    table_column(table, "name", "", COLUMN_TEXT);
    table_column(table, "images", "", COLUMN_INTEGER);
    table_column(table, "correct", "", COLUMN_INTEGER);
    table_column(table, "accuracy", "%", COLUMN_REAL);
    for (unsigned i = 0; i < evaluation->classes; i++) {
        table_integer(table, i);
        table_text(table, dataset->class_names ? dataset->class_names[i] : "");
        table_integer(table, (int64_t)evaluation->class_images[i]);
        table_integer(table, (int64_t)evaluation->class_correct[i]);
        table_real(table, percent(evaluation->class_correct[i], evaluation->class_images[i]));
    }
    return table_finish(table, err);
}
