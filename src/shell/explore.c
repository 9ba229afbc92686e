/* explore -- see explore.h. */
#include "explore.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

void explored_done(Explored *explored) {
    mem_free(explored->results);
    mem_free(explored->done);
    *explored = (Explored){0};
}

double explored_value(const Explored *explored, size_t point, size_t value) {
    return explored->done[point] ? explored->results[point * explored->values + value] : NAN;
}

static size_t count_done(const Explored *explored, size_t points) {
    size_t count = 0;
    for (size_t i = 0; i < points; i++) count += explored->done[i];
    return count;
}

/* Of an interruption, or a log that could not be written: what is done is worth something. */
static bool keep_partial(const Survey *survey, const Explored *explored, const char *folder, Result *result,
                         const Error *failure) {
    const size_t count = count_done(explored, survey->points);
    if (count == 0 || (failure->status != STATUS_CANCELLED && failure->status != STATUS_WRITE)) return false;
    if (failure->status == STATUS_WRITE)
        result->afterwards = *failure;
    else
        error_set(&result->afterwards, STATUS_CANCELLED, "stopped after %zu of %zu points; %s%s%s", count,
                  survey->points, folder ? "resume " : "--run FOLDER would have kept them", folder ? folder : "",
                  folder ? " goes on" : "");
    return true;
}

/* The other process needs no more than the folder. */
static bool in_background(Session *session, const Args *args, const char *folder, const Survey *survey, Result *result,
                          Error *err) {
    if (!background_allowed(session, err)) return false;
    if (!folder) return error_set(err, STATUS_USAGE, "--background keeps what it finds in a folder: --run FOLDER");
    if (!survey_check(survey, err)) return false;
    Run *run = explore_open(session, args, folder, survey->points, err);
    run_close(run);
    return run && background_resume(session, args->command->name, folder, result, err);
}

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
                "no logits: at the first of these points %llu of %llu images have none (NaN or infinite); the first "
                "layer that makes them: %s\n",
                (unsigned long long)evaluation.no_logits, (unsigned long long)evaluation.images, evaluation.cause);
        evaluation_done(&evaluation);
    }
    network_free(network);
}

static void say_undefined(const Survey *survey, const Explored *explored, Result *result) {
    enum { LOSS = 1 };
    size_t undefined = 0, first = 0;
    for (size_t i = survey->data_count ? survey->points : 0; i-- > 0;)
        if (explored->done[i] && isnan(explored_value(explored, i, LOSS))) {
            undefined++;
            first = i;
        }
    if (undefined == 0) return;
    str_addf(&result->message,
             "%zu of %zu points have no accuracy and loss: their logits are no numbers (beyond networks that were "
             "trained apart, batch norm's variances can fall below 0; recalibrate takes them anew)\n",
             undefined, survey->points);
    say_cause(survey, first, &result->message);
}

static bool run_here(Session *session, const Args *args, const char *folder, const Survey *survey, Explored *out,
                     Result *result, Error *err) {
    Run *run = NULL;
    Error problem;
    bool ok = survey_check(survey, err) &&
              (out->results = mem_alloc(survey->points, out->values * sizeof *out->results, err)) &&
              (out->done = mem_alloc(survey->points, sizeof *out->done, err)) &&
              (!folder || (run = explore_open(session, args, folder, survey->points, err)));
    if (ok && !survey_run(survey, run, out->results, out->done, &session->task, err))
        ok = keep_partial(survey, out, folder, result, err);
    /* A folder that cannot be marked as complete is no reason to lose what was found. */
    if (ok && run && result->afterwards.status == STATUS_OK && !explore_close(folder, &problem))
        result->afterwards = problem;
    run_close(run);
    if (ok)
        say_undefined(survey, out, result);
    else
        explored_done(out);
    return ok;
}

bool explore_run(Session *session, const Args *args, const Survey *survey, Explored *out, Result *result, Error *err) {
    Str path = {0};
    *out = (Explored){.values = survey_values(survey), .elsewhere = args_flag(args, "background")};
    bool ok = !args_text(args, "run") || path_expand(args_text(args, "run"), &path, err);
    const char *folder = path.length ? str_text(&path) : NULL;
    ok = ok && (out->elsewhere ? in_background(session, args, folder, survey, result, err)
                               : run_here(session, args, folder, survey, out, result, err));
    str_done(&path);
    return ok;
}

double explore_evenly(double from, double to, size_t points, size_t point) {
    const double steps = (double)points - 1, at = (double)point;
    if (point == 0) return from;
    return point + 1 == points ? to : (from * (steps - at) + to * at) / steps;
}

Network *explore_recalibrated(Network *network, const Dataset *data, const char *line, Error *err) {
    const Task quiet = {.patient = true};
    if (!network || !data) return network;
    Network *again = recalibrate_apply(network, data, line, &quiet, err);
    network_free(network);
    return again;
}

/* Without images nothing is computed of which a share could be told. */
static size_t shown_values(const Survey *survey) {
    return survey_values(survey) - (survey->data_count == 0);
}

void explore_columns(Table *table, const Survey *survey) {
    for (size_t i = 0; i < shown_values(survey); i++) {
        char name[64];
        snprintf(name, sizeof name, "%s", survey_value_name(survey, i));
        char *unit = strstr(name, " (");
        if (unit) *unit = '\0';
        table_column(table, name, unit ? "%" : "", COLUMN_REAL);
    }
}

void explore_cells(Table *table, const Survey *survey, const Explored *explored, size_t point) {
    for (size_t i = 0; i < shown_values(survey); i++) table_real(table, explored_value(explored, point, i));
}
