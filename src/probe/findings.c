/* findings -- the numbers of a survey: kept, told, and put into tables. */
#include "weft/probe/compare.h"
#include "weft/probe/survey.h"

#include <math.h>
#include <stdio.h>
#include <string.h>

#include "weft/base/error.h"
#include "weft/base/memory.h"
#include "weft/base/table.h"
#include "weft/base/task.h"
#include "weft/base/text.h"

bool findings_begin(const Survey *survey, Findings *out, Error *err) {
    *out = (Findings){.points = survey->points, .values = survey_values(survey)};
    return (out->results = mem_alloc(out->points, out->values * sizeof *out->results, err)) &&
           (out->done = mem_alloc(out->points, sizeof *out->done, err));
}

void findings_done(Findings *findings) {
    mem_free(findings->results);
    mem_free(findings->done);
    *findings = (Findings){0};
}

double findings_value(const Findings *findings, size_t point, size_t value) {
    return findings->done[point] ? findings->results[point * findings->values + value] : NAN;
}

size_t findings_count(const Findings *findings) {
    size_t count = 0;
    for (size_t i = 0; i < findings->points; i++) count += findings->done[i];
    return count;
}

/* ---- points without numbers -------------------------------------------------------------------------------------- */

/* Why a point has no logits: it is measured once more. */
static void say_cause(const Survey *survey, size_t point, Str *out) {
    const Task quiet = {.patient = true};
    Evaluation evaluation;
    Error ignored; /* the points were measured: this is only what is said about one */
    Network *network = survey->make(survey->context, point, &ignored);
    if (network && evaluate_run(network, survey->data[0], NULL, &evaluation, &quiet, &ignored)) {
        if (evaluation.no_logits)
            str_addf(
                out,
                "no logits: at the first of these points %llu of %llu images have none (NaN or infinite); first layer with such values: %s\n",
                (unsigned long long)evaluation.no_logits, (unsigned long long)evaluation.images, evaluation.cause);
        evaluation_done(&evaluation);
    }
    network_free(network);
}

void findings_undefined(const Findings *findings, const Survey *survey, Str *out) {
    enum { LOSS = 1 };
    size_t undefined = 0, first = 0;
    for (size_t i = survey->data_count ? findings->points : 0; i-- > 0;)
        if (findings->done[i] && isnan(findings_value(findings, i, LOSS))) {
            undefined++;
            first = i;
        }
    if (undefined == 0) return;
    str_addf(
        out,
        "%zu of %zu points have no accuracy and loss, because their logits are not numbers (beyond separately trained networks, batch-norm variances can fall below 0; recalibrate recomputes them)\n",
        undefined, findings->points);
    say_cause(survey, first, out);
}

/* ---- tables ------------------------------------------------------------------------------------------------------ */

enum { NAME_ROOM = 64 };

/* Without images nothing is computed of which a share could be told. */
static size_t shown_values(const Survey *survey) {
    return survey_values(survey) - (survey->data_count == 0);
}

/* The name of a value without its unit. */
static void name_of(const Survey *survey, size_t value, char out[NAME_ROOM]) {
    snprintf(out, NAME_ROOM, "%s", survey_value_name(survey, value));
    char *unit = strstr(out, " (");
    if (unit) *unit = '\0';
}

/* The first dataset's accuracy has its interval behind the comparison, where there is one. */
static bool has_interval(const Survey *survey, size_t value) {
    return value < 2 * survey->data_count && value % 2 == 0 && !survey->compare;
}

/* The first of the two counts of a comparison. */
static bool is_comparison(const Survey *survey, size_t value) {
    return survey->compare && survey->data_count > 0 && value == 2 * survey->data_count;
}

void survey_columns(Table *table, const Survey *survey) {
    for (size_t i = 0; i < shown_values(survey); i++) {
        char name[NAME_ROOM];
        name_of(survey, i, name);
        if (has_interval(survey, i))
            accuracy_columns(table, name);
        else if (is_comparison(survey, i))
            compared_columns(table), i++;
        else
            table_column(table, name, strchr(survey_value_name(survey, i), '%') ? "%" : "", COLUMN_REAL);
    }
}

void survey_cells(Table *table, const Findings *findings, const Survey *survey, size_t point) {
    for (size_t i = 0; i < shown_values(survey); i++) {
        const double value = findings_value(findings, point, i);
        if (has_interval(survey, i)) {
            accuracy_cells_of(table, value, survey->data[i / 2]->count);
        } else if (is_comparison(survey, i)) {
            const double only_vs = findings_value(findings, point, ++i);
            compared_cells(table, findings_value(findings, point, 0), survey->data[0]->count,
                           point == survey->base_point ? (double)NAN : value, only_vs);
        } else {
            table_real(table, value);
        }
    }
}
