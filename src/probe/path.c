/* path -- from one network to another, or along several: evenly spaced points between their weights. */
#include "probe/points.h"

#include <math.h>

#include "weft/base/error.h"
#include "weft/base/memory.h"
#include "weft/base/table.h"
#include "weft/base/task.h"
#include "weft/base/text.h"
#include "weft/probe/compare.h"

double points_evenly(double from, double to, size_t points, size_t point) {
    const double steps = (double)points - 1, at = (double)point;
    if (point == 0) return from;
    return point + 1 == points ? to : (from * (steps - at) + to * at) / steps;
}

Network *points_recalibrated(Network *network, const Dataset *data, const char *command, Error *err) {
    const Task quiet = {.patient = true};
    if (!network || !data) return network;
    Network *again = recalibrate_apply(network, data, command, &quiet, err);
    network_free(network);
    return again;
}

double path_alpha(const Path *path, size_t point) {
    return points_evenly(path->from, path->to, path->points, point);
}

/* The first of the two networks between which alpha lies; outside, the path goes straight on. */
static size_t segment_of(const Path *path, double alpha) {
    if (!(alpha >= 1)) return 0;
    const size_t segment = (size_t)floor(alpha);
    return segment + 2 > path->count ? path->count - 2 : segment;
}

static Network *make_point(void *context, size_t point, Error *err) {
    const Path *path = context;
    const double alpha = path_alpha(path, point);
    const size_t segment = segment_of(path, alpha);
    Network *mixed = mix_apply(path->network[segment], path->network[segment + 1], alpha - (double)segment, NULL,
                               path->command, err);
    return points_recalibrated(mixed, path->recalibrate, path->command, err);
}

/* The point with this alpha; `points` if there is none. */
static size_t point_at(const Path *path, double alpha) {
    size_t point = 0;
    while (point < path->points && path_alpha(path, point) != alpha) point++;
    return point;
}

bool path_survey(Path *path, const Dataset *data, Survey *out, Error *err) {
    for (size_t i = 1; i < path->count; i++)
        if (!mix_check(path->network[i - 1], path->network[i], err))
            return error_prefix(err, "%s and %s", path->name[i - 1], path->name[i]);
    path->layers = mem_alloc(path->network[0]->layer_count, sizeof *path->layers, err);
    if (!path->layers || !layer_select(path->network[0], NULL, CHOOSE_ANY, path->layers, err)) return false;
    path->marks[0] = path->layers;
    *out = (Survey){.base = path->network[0],
                    .data = {data},
                    .data_count = data != NULL,
                    .points = path->points,
                    .series_count = 1,
                    .layers = path->marks,
                    .compare = true,
                    .base_point = path->recalibrate ? path->points : point_at(path, 0),
                    .make = make_point,
                    .context = path,
                    .what = "interpolating"};
    return true;
}

void path_done(Path *path) {
    mem_free(path->layers);
    *path = (Path){0};
}

Table *path_table(const Path *path, const Findings *findings, const Survey *survey, Error *err) {
    Table *table = table_new(err);
    if (!table) return NULL;
    if (path->count > 2) table_column(table, "between", "", COLUMN_TEXT);
    table_column(table, "alpha", "", COLUMN_REAL);
    survey_columns(table, survey);
    for (size_t i = 0; i < survey->points; i++) {
        const double alpha = path_alpha(path, i);
        const size_t segment = segment_of(path, alpha);
        Str between = {0};
        if (!findings->done[i]) continue;
        str_addf(&between, "%s %s", path->name[segment], path->name[segment + 1]);
        if (path->count > 2) table_text(table, str_text(&between));
        table->failed = table->failed || between.failed;
        table_real(table, alpha);
        survey_cells(table, findings, survey, i);
        str_done(&between);
    }
    compared_note(table, path->name[0]);
    return table_finish(table, err);
}
