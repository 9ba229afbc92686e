/* smoothing -- a filter of one network at one setting: the network, one layer before and after, scores as a table. */
#include "weft/probe/smoothing.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "weft/base/memory.h"
#include "weft/base/tensor.h"

#define NAME(name, text) text,
static const char *const filters[] = {SMOOTHING_FILTERS(NAME)};
#undef NAME

const char *smoothing_filter_name(SmoothingFilter filter) {
    return filters[filter];
}

/* ---- settings ---------------------------------------------------------------------------------------------------- */

/* The same filter of the same layers, apart from the number that moves. */
static bool same_kind(const Smoothing *a, const Smoothing *b) {
    if (a->filter != b->filter || a->scope != b->scope) return false;
    if (a->scope != SMOOTHING_ALL && a->layer != b->layer) return false;
    return a->filter == SMOOTHING_LOWPASS ? a->mode == b->mode : a->last == b->last;
}

static double number_of(const Smoothing *smoothing) {
    return smoothing->filter == SMOOTHING_LOWPASS ? smoothing->cutoff : smoothing->factor;
}

bool smoothing_equal(const Smoothing *a, const Smoothing *b) {
    return same_kind(a, b) && number_of(a) == number_of(b);
}

bool smoothing_check(const Network *network, const Smoothing *smoothing, Error *err) {
    const Layer *layer = &network->layers[smoothing->layer];
    if (smoothing->filter == SMOOTHING_LOWPASS && layer_kind_axes(layer->kind) == 0)
        return error_set(err, STATUS_USAGE, "layer '%s' is of kind %s; lowpass filters convolutions", layer->name,
                         layer_kind_name(layer->kind));
    if (smoothing->scope == SMOOTHING_STAGE && layer->stage < 0)
        return error_set(err, STATUS_USAGE, "layer '%s' is in no stage", layer->name);
    if (smoothing->scope == SMOOTHING_BLOCK && (layer->stage < 0 || layer->block < 0))
        return error_set(err, STATUS_USAGE, "layer '%s' is in no block", layer->name);
    return true;
}

void smoothing_selector(const Network *network, const Smoothing *smoothing, Str *out) {
    const Layer *layer = &network->layers[smoothing->layer];
    if (smoothing->scope == SMOOTHING_LAYER) str_add(out, layer->name);
    if (smoothing->scope == SMOOTHING_BLOCK) str_addf(out, "block:%d.%d", layer->stage, layer->block);
    if (smoothing->scope == SMOOTHING_STAGE) str_addf(out, "stage:%d", layer->stage);
}

bool *smoothing_layers(const Network *network, const Smoothing *smoothing, Error *err) {
    if (!smoothing_check(network, smoothing, err)) return NULL;
    Str selector = {0};
    smoothing_selector(network, smoothing, &selector);
    bool *chosen = str_ok(&selector, err) ? mem_alloc(network->layer_count, sizeof *chosen, err) : NULL;
    const LayerChoice choice = smoothing->filter == SMOOTHING_LOWPASS ? CHOOSE_CONVOLUTIONS : CHOOSE_ANY;
    if (chosen && !layer_select(network, selector.length > 0 ? selector.text : NULL, choice, chosen, err)) {
        mem_free(chosen);
        chosen = NULL;
    }
    str_done(&selector);
    return chosen;
}

/* Whether the scope means other layers than every narrower one that the layer has. */
static bool scope_is_new(const Network *network, const Smoothing *smoothing) {
    Error ignored;
    Smoothing narrower = *smoothing;
    bool *chosen = smoothing_layers(network, smoothing, &ignored), is_new = chosen != NULL;
    for (int scope = 0; is_new && scope < (int)smoothing->scope; scope++) {
        narrower.scope = (SmoothingScope)scope;
        bool *other = smoothing_layers(network, &narrower, &ignored);
        is_new = !other || memcmp(chosen, other, network->layer_count * sizeof *chosen) != 0;
        mem_free(other);
    }
    mem_free(chosen);
    return is_new;
}

SmoothingScope smoothing_next_scope(const Network *network, const Smoothing *smoothing) {
    Smoothing to = *smoothing;
    for (int i = 1; i < SMOOTHING_SCOPE_COUNT; i++) {
        to.scope = (SmoothingScope)(((int)smoothing->scope + i) % SMOOTHING_SCOPE_COUNT);
        if (scope_is_new(network, &to)) return to.scope;
    }
    return smoothing->scope;
}

static Network *apply(const Network *network, const Smoothing *smoothing, const bool *chosen, const char *command,
                      const Task *task, Error *err) {
    if (smoothing->filter == SMOOTHING_LOWPASS)
        return lowpass_apply(network, smoothing->cutoff, smoothing->mode, chosen, command, task, err);
    return svscale_apply(network, smoothing->factor, smoothing->last, chosen, command, task, err);
}

Network *smoothing_apply(const Network *network, const Smoothing *smoothing, const char *command, const Task *task,
                         Error *err) {
    bool *chosen = smoothing_layers(network, smoothing, err);
    Network *made = chosen ? apply(network, smoothing, chosen, command, task, err) : NULL;
    mem_free(chosen);
    return made;
}

/* ---- moving ------------------------------------------------------------------------------------------------------ */

/* The number of these decimals nearest to `value`: as a user would type it. */
static double rounded(double value, int decimals) {
    char text[64];
    double number = value;
    snprintf(text, sizeof text, "%.*f", decimals, value);
    text_to_double(text, &number);
    return number;
}

static double within(double value, double low, double high) {
    return value < low ? low : value > high ? high : value;
}

/* One unit of the second significant digit, up or down: 0.98, 0.99, 1, 1.1. */
static double next_cutoff(double cutoff, bool up) {
    int exponent = (int)floor(log10(cutoff) + 1e-9);
    const double decade = pow(10, exponent);
    if (!up && cutoff < decade * (1 + 1e-9)) exponent--;
    const double unit = pow(10, exponent - 1), units = cutoff / unit;
    const double moved = up ? floor(units + 1e-9) + 1 : ceil(units - 1e-9) - 1;
    return rounded(moved * unit, exponent < 1 ? 1 - exponent : 0);
}

void smoothing_move(Smoothing *smoothing, int steps) {
    for (; steps != 0; steps += steps > 0 ? -1 : 1) {
        if (smoothing->filter == SMOOTHING_LOWPASS) {
            const double cutoff = within(smoothing->cutoff, SMOOTHING_CUTOFF_LEAST, SMOOTHING_CUTOFF_MOST);
            smoothing->cutoff = within(next_cutoff(cutoff, steps > 0), SMOOTHING_CUTOFF_LEAST, SMOOTHING_CUTOFF_MOST);
        } else {
            const double units = smoothing->factor * 20;
            const double moved = steps > 0 ? floor(units + 1e-9) + 1 : ceil(units - 1e-9) - 1;
            smoothing->factor = rounded(within(moved / 20, 0, SMOOTHING_FACTOR_MOST), 2);
        }
    }
}

/* ---- one layer --------------------------------------------------------------------------------------------------- */

Table *smoothing_curve(const Network *network, const Smoothing *smoothing, Error *err) {
    if (smoothing->filter == SMOOTHING_LOWPASS)
        return lowpass_curve(network, smoothing->layer, smoothing->cutoff, smoothing->mode, err);
    return svscale_curve(network, smoothing->layer, smoothing->factor, smoothing->last, err);
}

static double note_number(const Table *table, const char *key) {
    double number = NAN;
    const char *text = table_get_note(table, key);
    return text && text_to_double(text, &number) ? number : (double)NAN;
}

static void compare_weights(const Tensor *before, const Tensor *after, SmoothedLayer *out) {
    double change = 0, size = 0;
    for (uint64_t i = 0; i < before->count; i++) {
        const double w = (double)before->data[i], difference = (double)after->data[i] - w;
        out->largest = fmax(out->largest, fabs(w));
        change += difference * difference;
        size += w * w;
    }
    out->change = size > 0 ? sqrt(change / size) : (double)NAN;
}

void smoothed_layer_done(SmoothedLayer *layer) {
    table_free(layer->kernels);
    table_free(layer->spectrum);
    *layer = (SmoothedLayer){0};
}

bool smoothed_layer(const Network *network, const Smoothing *smoothing, const Task *task, SmoothedLayer *out,
                    Error *err) {
    static const char *const names[3] = {"before", "after", NULL};
    const size_t layer = smoothing->layer;
    *out = (SmoothedLayer){.of = *smoothing};
    if (!smoothing_check(network, smoothing, err)) return false;
    bool *chosen = mem_alloc(network->layer_count, sizeof *chosen, err);
    if (chosen) chosen[layer] = true;
    Network *made = chosen ? apply(network, smoothing, chosen, "", task, err) : NULL;
    mem_free(chosen);
    bool done = made && (out->spectrum = spectrum_table(network, layer, made, false, err)) &&
                (out->kernels = kernels_table_part(network, layer, made, names, SMOOTHING_KERNELS, err));
    if (done) {
        compare_weights(layer_weight(network, &network->layers[layer]), layer_weight(made, &made->layers[layer]), out);
        out->ratio = note_number(out->spectrum, "s_ratio");
        out->ratio_after = note_number(out->spectrum, "s_ratio_vs");
    }
    network_free(made);
    if (!done) smoothed_layer_done(out);
    return done;
}

/* ---- scores ------------------------------------------------------------------------------------------------------ */

static int by_number(const void *a, const void *b) {
    const SmoothedScore *x = *(const SmoothedScore *const *)a, *y = *(const SmoothedScore *const *)b;
    const double first = number_of(&x->of), second = number_of(&y->of);
    if (first != second) return first < second ? -1 : 1;
    return x < y ? 1 : -1; /* the last measured first */
}

Table *smoothed_scores_table(const SmoothedScore *scores, size_t count, const Smoothing *like, Error *err) {
    const SmoothedScore **chosen = mem_alloc(count, sizeof *chosen, err);
    Table *table = chosen ? table_new(err) : NULL;
    size_t found = 0;
    if (!table) {
        mem_free(chosen);
        return NULL;
    }
    for (size_t i = 0; i < count; i++)
        if (same_kind(&scores[i].of, like)) chosen[found++] = &scores[i];
    qsort(chosen, found, sizeof *chosen, by_number);
    table_column(table, like->filter == SMOOTHING_LOWPASS ? "cutoff" : "factor", "", COLUMN_REAL);
    table_column(table, "images", "", COLUMN_INTEGER);
    table_column(table, "correct", "", COLUMN_INTEGER);
    accuracy_columns(table, "accuracy");
    table_column(table, "loss", "", COLUMN_REAL);
    for (size_t i = 0; i < found; i++) {
        const SmoothedScore *score = chosen[i];
        if (i > 0 && number_of(&score->of) == number_of(&chosen[i - 1]->of)) continue;
        table_real(table, number_of(&score->of));
        table_integer(table, (int64_t)score->images);
        table_integer(table, (int64_t)score->correct);
        accuracy_cells(table, score->correct, score->images, !isnan(score->accuracy));
        table_real(table, score->loss);
    }
    mem_free(chosen);
    return table_finish(table, err);
}

void smoothing_findings_done(SmoothingFindings *findings) {
    smoothed_layer_done(&findings->layer);
    mem_free(findings->scores);
    *findings = (SmoothingFindings){0};
}

/* ---- at once ----------------------------------------------------------------------------------------------------- */

static bool score(const Network *network, const Dataset *data, const Smoothing *smoothing, const Task *task,
                  SmoothedScore *out, Error *err) {
    Evaluation evaluation;
    if (!evaluate_run(network, data, NULL, &evaluation, task, err)) return false;
    *out = (SmoothedScore){.of = *smoothing,
                           .images = evaluation.images,
                           .correct = evaluation.correct,
                           .accuracy = evaluation_accuracy(&evaluation),
                           .loss = evaluation.loss,
                           .seconds = evaluation.seconds};
    evaluation_done(&evaluation);
    return true;
}

static bool score_both(const Network *network, const Dataset *data, const Smoothing *smoothing, const Task *task,
                       SmoothingFindings *out, Error *err) {
    Network *made = NULL;
    const bool done = mem_grow(&out->scores, &out->capacity, 1, sizeof *out->scores, err) &&
                      score(network, data, smoothing, task, &out->unchanged, err) &&
                      (made = smoothing_apply(network, smoothing, "", task, err)) &&
                      score(made, data, smoothing, task, &out->scores[0], err);
    network_free(made);
    out->count = done ? 1 : 0;
    out->has_unchanged = done;
    return done;
}

bool smoothing_measure(const Network *network, const Dataset *data, const Smoothing *smoothing, const Task *task,
                       SmoothingFindings *out, Error *err) {
    *out = (SmoothingFindings){0};
    bool done =
        (!data || evaluate_check(network, data, err)) && smoothed_layer(network, smoothing, task, &out->layer, err);
    out->has_layer = done;
    done = done && (!data || score_both(network, data, smoothing, task, out, err));
    if (!done) smoothing_findings_done(out);
    return done;
}
