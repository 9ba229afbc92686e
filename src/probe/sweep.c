/* sweep -- networks made from one network over one or two numbers, measured: all layers at once, or part by part. */
#include "weft/probe/compare.h"
#include "weft/probe/survey.h"

#include <math.h>
#include <string.h>

#include "weft/base/error.h"
#include "weft/base/memory.h"
#include "weft/base/table.h"
#include "weft/base/text.h"

const char *sweep_part_name(SweepPart part) {
    static const char *const names[SWEEP_PART_COUNT] = {
#define X(name, text) [SWEEP_##name] = text,
        SWEEP_PARTS(X)
#undef X
    };
    return names[part];
}

void sweep_done(Sweep *sweep) {
    for (size_t i = 0; i < SWEEP_AXES; i++) {
        mem_free(sweep->axis[i].name);
        range_done(&sweep->axis[i].range);
    }
    for (size_t i = 0; i < sweep->series_count; i++) {
        mem_free(sweep->series[i].label);
        mem_free(sweep->series[i].layers);
    }
    mem_free(sweep->series);
    mem_free(sweep->series_of);
    mem_free(sweep->layers);
    *sweep = (Sweep){0};
}

/* ---- series ------------------------------------------------------------------------------------------------------ */

static bool add_series(Sweep *sweep, const char *label, Error *err) {
    if (!mem_grow(&sweep->series, &sweep->series_capacity, sweep->series_count + 1, sizeof *sweep->series, err))
        return false;
    SweepSeries *series = &sweep->series[sweep->series_count];
    *series = (SweepSeries){0};
    sweep->series_count++;
    return (!label || (series->label = mem_copy_text(label, err))) &&
           (series->layers = mem_alloc(sweep->base->layer_count, sizeof *series->layers, err));
}

bool sweep_whole(Sweep *sweep, const bool *chosen, Error *err) {
    if (!add_series(sweep, NULL, err)) return false;
    if (sweep->base->layer_count > 0)
        memcpy(sweep->series[0].layers, chosen, sweep->base->layer_count * sizeof *chosen);
    return true;
}

static bool known_series(const Sweep *sweep, const char *label) {
    for (size_t i = 0; i < sweep->series_count; i++)
        if (strcmp(sweep->series[i].label, label) == 0) return true;
    return false;
}

/* The selector of the layer's part; false where it is in none. */
static bool part_of(const Layer *layer, SweepPart part, Str *out) {
    if (part != SWEEP_LAYER && (layer->stage < 0 || (part == SWEEP_BLOCK && layer->block < 0))) return false;
    if (part == SWEEP_STAGE)
        str_addf(out, "stage:%d", layer->stage);
    else if (part == SWEEP_BLOCK)
        str_addf(out, "block:%d.%d", layer->stage, layer->block);
    else
        str_add(out, layer->name);
    return true;
}

bool sweep_split(Sweep *sweep, SweepPart part, const bool *chosen, Error *err) {
    bool ok = true;
    sweep->part = sweep_part_name(part);
    for (size_t i = 0; ok && i < sweep->base->layer_count; i++) {
        Str label = {0};
        if (!chosen[i] || !part_of(&sweep->base->layers[i], part, &label)) continue;
        ok = str_ok(&label, err);
        if (ok && !known_series(sweep, str_text(&label))) ok = add_series(sweep, str_text(&label), err);
        for (size_t s = 0; ok && s < sweep->series_count; s++)
            if (strcmp(sweep->series[s].label, str_text(&label)) == 0) sweep->series[s].layers[i] = true;
        str_done(&label);
    }
    return ok && (sweep->series_count > 0 ||
                  error_set(err, STATUS_USAGE, "the network has no stages or blocks; use --each layer"));
}

/* ---- points ------------------------------------------------------------------------------------------------------ */

size_t sweep_pairs(const Sweep *sweep) {
    return sweep->axis[0].range.count * (sweep->axes == 2 ? sweep->axis[1].range.count : 1);
}

void sweep_values(const Sweep *sweep, size_t pair, double values[SWEEP_AXES]) {
    const size_t fast = sweep->axis[0].range.count;
    values[0] = sweep->axis[0].range.values[pair % fast];
    values[1] = sweep->axes == 2 ? sweep->axis[1].range.values[pair / fast] : 0;
}

static Network *make_point(void *context, size_t point, Error *err) {
    const Sweep *sweep = context;
    const size_t series = point / sweep->pairs;
    double values[SWEEP_AXES];
    if (series == sweep->series_count) return network_copy(sweep->base, err);
    sweep_values(sweep, point % sweep->pairs, values);
    return sweep->make(sweep->context, values, sweep->series[series].layers, err);
}

bool sweep_survey(Sweep *sweep, const Dataset *data, Survey *out, Error *err) {
    sweep->pairs = sweep_pairs(sweep);
    if (sweep->pairs > SWEEP_POINTS_MOST / sweep->series_count)
        return error_set(err, STATUS_LIMIT, "more than %d points", SWEEP_POINTS_MOST);
    const size_t last = sweep->series_count * sweep->pairs; /* the network as it is, measured with the last series */
    if (!(sweep->series_of = mem_alloc(last + 1, sizeof *sweep->series_of, err)) ||
        !(sweep->layers = mem_alloc(sweep->series_count, sizeof *sweep->layers, err)))
        return false;
    for (size_t i = 0; i <= last; i++) sweep->series_of[i] = i < last ? i / sweep->pairs : sweep->series_count - 1;
    for (size_t i = 0; i < sweep->series_count; i++) sweep->layers[i] = sweep->series[i].layers;
    *out = (Survey){.base = sweep->base,
                    .data = {data},
                    .data_count = data != NULL,
                    .points = last + 1,
                    .series_of = sweep->series_of,
                    .series_count = sweep->series_count,
                    .layers = sweep->layers,
                    .compare = true,
                    .base_point = last,
                    .make = make_point,
                    .context = sweep,
                    .what = "sweeping"};
    return true;
}

/* ---- what is found ----------------------------------------------------------------------------------------------- */

SweepFacts sweep_facts(const Sweep *sweep, const Findings *findings, const Survey *survey) {
    SweepFacts facts = {NAN, NAN, NAN};
    const size_t reference = sweep->series_count * sweep->pairs;
    double recomputed = 0, count = 0;
    if (!survey->data_count) return facts;
    for (size_t i = 0; i < reference; i++) {
        if (!findings->done[i]) continue;
        recomputed += findings_value(findings, i, findings->values - 1);
        count++;
    }
    if (count > 0) facts.recomputed = recomputed / count;
    facts.accuracy = findings_value(findings, reference, 0);
    facts.loss = findings_value(findings, reference, 1);
    return facts;
}

static void add_notes(Table *table, const SweepFacts *facts, bool unchanged, bool recomputed) {
    if (unchanged) {
        table_note(table, "accuracy_unchanged", "%.9g", facts->accuracy);
        table_note(table, "loss_unchanged", "%.9g", facts->loss);
    }
    if (recomputed) table_note(table, "recomputed", "%.1f %% of the multiplications", facts->recomputed);
}

Table *sweep_table(const Sweep *sweep, const Findings *findings, const Survey *survey, Error *err) {
    const size_t reference = sweep->series_count * sweep->pairs;
    Table *table = table_new(err);
    if (!table) return NULL;
    if (sweep->part) table_column(table, sweep->part, "", COLUMN_TEXT);
    for (size_t a = 0; a < sweep->axes; a++) table_column(table, sweep->axis[a].name, "", COLUMN_REAL);
    survey_columns(table, survey);
    for (size_t i = 0; i < reference; i++) {
        double values[SWEEP_AXES];
        if (!findings->done[i]) continue;
        if (sweep->part) table_text(table, sweep->series[i / sweep->pairs].label);
        sweep_values(sweep, i % sweep->pairs, values);
        for (size_t a = 0; a < sweep->axes; a++) table_real(table, values[a]);
        survey_cells(table, findings, survey, i);
    }
    const SweepFacts facts = sweep_facts(sweep, findings, survey);
    compared_note(table, "the unchanged network");
    add_notes(table, &facts, survey->data_count && findings->done[reference], survey->data_count && table->rows > 0);
    return table_finish(table, err);
}
