/* landscape -- loss and error on a grid of points around a network, or in the plane through three. */
#include "probe/points.h"

#include <math.h>

#include "weft/base/error.h"
#include "weft/base/table.h"
#include "weft/base/text.h"

static double grid_at(const Landscape *l, int axis, size_t i) {
    if (l->grid == 1) return l->low[axis] / 2 + l->high[axis] / 2;
    return points_evenly(l->low[axis], l->high[axis], l->grid, i);
}

/* Rows of b, in each a from low to high. */
static void place_of(const Landscape *l, size_t point, double *a, double *b) {
    *a = grid_at(l, 0, l->line ? point : point % l->grid);
    *b = l->line ? 0 : grid_at(l, 1, point / l->grid);
}

static Network *make_point(void *context, size_t point, Error *err) {
    const Landscape *l = context;
    double a, b;
    place_of(l, point, &a, &b);
    return points_recalibrated(plane_network(l->plane, a, b, l->command, err), l->recalibrate, l->command, err);
}

/* ---- the plane --------------------------------------------------------------------------------------------------- */

/* The grid holds all marks with a margin around them. */
static void frame(Landscape *l, double margin) {
    for (int axis = 0; axis < 2; axis++) {
        double low = INFINITY, high = -INFINITY;
        for (size_t i = 0; i < l->marks; i++) {
            const double at = axis == 0 ? l->mark[i].a : l->mark[i].b;
            low = fmin(low, at);
            high = fmax(high, at);
        }
        l->low[axis] = low - margin * (high - low);
        l->high[axis] = high + margin * (high - low);
    }
}

bool landscape_through(Landscape *landscape, const Network *const *networks, const char *const *names, size_t count,
                       double margin, Error *err) {
    Landscape *l = landscape;
    l->origin = networks[0];
    if (!(l->plane = plane_through(networks[0], networks[1], networks[2], err))) return false;
    plane_norms(l->plane, &l->unit_u, &l->unit_v);
    for (l->marks = 0; l->marks < count; l->marks++) {
        LandscapeMark *mark = &l->mark[l->marks];
        mark->name = names[l->marks];
        if (!plane_project(l->plane, networks[l->marks], &mark->a, &mark->b, &mark->distance, err))
            return error_prefix(err, "%s", mark->name);
    }
    frame(l, margin);
    return true;
}

bool landscape_around(Landscape *landscape, const Network *network, const char *name, unsigned directions, double span,
                      uint64_t seed, Error *err) {
    Landscape *l = landscape;
    l->origin = network;
    l->line = directions == 1;
    l->unit_u = l->unit_v = 1;
    l->mark[0] = (LandscapeMark){.name = name};
    l->marks = 1;
    for (int axis = 0; axis < 2; axis++) {
        l->low[axis] = -span;
        l->high[axis] = span;
    }
    return (l->plane = plane_random(network, directions, seed, err)) != NULL;
}

Survey landscape_survey(Landscape *landscape, const Dataset *data, const Dataset *train) {
    return (Survey){.base = landscape->origin,
                    .data = {data, train},
                    .data_count = train ? 2 : 1,
                    .points = landscape->line ? landscape->grid : landscape->grid * landscape->grid,
                    .series_count = 1,
                    .tolerance = landscape->tolerance,
                    .columns = landscape->grid,
                    .make = make_point,
                    .context = landscape,
                    .what = "landscape"};
}

void landscape_done(Landscape *landscape) {
    plane_free(landscape->plane);
    *landscape = (Landscape){0};
}

/* ---- the table --------------------------------------------------------------------------------------------------- */

static void add_columns(Table *table, const Landscape *l, const Survey *survey) {
    const char *unit = l->marks > 1 ? "distance of weights" : "filter norms";
    table_column(table, "direction_1", unit, COLUMN_REAL);
    if (!l->line) table_column(table, "direction_2", unit, COLUMN_REAL);
    for (size_t d = 0; d < survey->data_count; d++) {
        table_column(table, d ? "train_loss" : "loss", "", COLUMN_REAL);
        table_column(table, d ? "train_error" : "error", "%", COLUMN_REAL);
        accuracy_columns(table, d ? "train_accuracy" : "accuracy");
    }
    if (l->tolerance > 0) table_column(table, "measured", "", COLUMN_TEXT);
}

static void add_notes(Table *table, const Landscape *l, size_t measured, size_t points) {
    Str marks = {0};
    for (size_t i = 0; i < l->marks; i++) {
        const LandscapeMark *mark = &l->mark[i];
        str_addf(&marks, "%s%s (%.6g, %.6g)", i ? ", " : "", mark->name, mark->a * l->unit_u, mark->b * l->unit_v);
        if (mark->distance > 1e-6 * (l->unit_u + l->unit_v)) str_addf(&marks, " at a distance of %.3g", mark->distance);
    }
    table_note(table, "networks", "%s", str_text(&marks));
    if (l->tolerance > 0)
        table_note(table, "measured", "%zu of %zu points%s", measured, points,
                   table->rows == points && measured < points ? "; the others are interpolated" : "");
    table->failed = table->failed || marks.failed;
    str_done(&marks);
}

/* What was not measured has no interval. */
static void interpolated_cells(Table *table, double accuracy) {
    table_real(table, accuracy);
    table_real(table, NAN);
    table_real(table, NAN);
}

Table *landscape_table(const Landscape *landscape, const Findings *findings, const Survey *survey, Error *err) {
    const Landscape *l = landscape;
    Table *table = table_new(err);
    size_t measured = 0;
    if (!table) return NULL;
    add_columns(table, l, survey);
    for (size_t i = 0; i < survey->points; i++) {
        double a, b;
        if (!findings->done[i]) continue;
        place_of(l, i, &a, &b);
        table_real(table, a * l->unit_u);
        if (!l->line) table_real(table, b * l->unit_v);
        const bool own = findings_value(findings, i, findings->values - 1) > 0; /* recomputed */
        for (size_t d = 0; d < survey->data_count; d++) {
            const double accuracy = findings_value(findings, i, 2 * d);
            table_real(table, findings_value(findings, i, 2 * d + 1));
            table_real(table, 100 - accuracy);
            if (own)
                accuracy_cells_of(table, accuracy, survey->data[d]->count);
            else
                interpolated_cells(table, accuracy);
        }
        if (l->tolerance > 0) table_text(table, own ? "yes" : "no");
        measured += own;
    }
    add_notes(table, l, measured, survey->points);
    return table_finish(table, err);
}
