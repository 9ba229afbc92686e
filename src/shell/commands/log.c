/* log -- the log of a run as a table with its curves. */
#include <stdio.h>
#include <math.h>
#include <string.h>

#include "../command.h"
#include "../dispatch.h"
#include "../jobs.h"
#include "../workspace.h"
#include "weft/base/error.h"
#include "weft/base/run.h"
#include "weft/base/table.h"
#include "weft/base/text.h"

typedef struct Log {
    const char *run;
    bool accuracy;
} Log;

/* Empties a column, which is then left out; its mean and its last value are returned. */
static void take_column(Table *log, const char *name, double *mean, double *last) {
    double sum = 0;
    size_t count = 0;
    *last = table_latest(log, name);
    for (size_t c = 0; c < log->column_count; c++)
        for (size_t r = 0; r < log->rows && strcmp(log->columns[c].name, name) == 0; r++) {
            const double value = log->columns[c].cells[r].real;
            if (!isnan(value)) sum += value, count++;
            log->columns[c].cells[r].real = NAN;
        }
    *mean = count ? sum / (double)count : (double)NAN;
}

/* What the command shows of a log, which it takes over: columns with values; with --accuracy the evaluations. Times
 * become notes, so that the rows of two equal runs are the same. */
static bool take_log(const Args *args, Table *log, Result *result, Error *err) {
    double rate, seconds, ignored;
    if (!log) return false;
    const bool images = !isnan(table_latest(log, "kd")) || !isnan(table_latest(log, "fmd")) ||
                        !isnan(table_latest(log, "cross_entropy")); /* a step takes images, else kernels */
    take_column(log, "rate", &rate, &ignored);
    take_column(log, "seconds", &ignored, &seconds);
    result->table = table_filled(log, ((const Log *)args->options)->accuracy ? "accuracy" : NULL, err);
    if (result->table && !isnan(rate))
        table_note(result->table, images ? "images_per_second" : "kernels_per_second", "%.9g", rate);
    if (result->table && !isnan(seconds)) table_note(result->table, "seconds", "%.9g", seconds);
    table_free(log);
    return result->table != NULL;
}

static void describe(const Args *args, Result *result, const char *what) {
    static const char *const terms[] = {"loss", "recon", "kd", "fmd"};
    size_t count = 0;
    if (((const Log *)args->options)->accuracy) {
        result_chart(result, CHART_LINES, "step", "accuracy", "Accuracy of %s", what);
        result->plots = result->table->rows > 0;
        return;
    }
    result_chart(result, CHART_LINES, "step", "", "Loss of %s", what);
    for (size_t i = 0; i < sizeof terms / sizeof *terms; i++) {
        /* where the reconstruction is all there is, `recon` is the loss itself */
        if (!isnan(table_latest(result->table, terms[i])) &&
            (i == 0 || !table_same_column(result->table, "loss", terms[i])))
            snprintf(result->encoding.y[count++], CHART_NAME_MAX, "%s", terms[i]);
    }
    result->encoding.log_y = true;
    result->plots = count > 0;
}

/* The log that a predictor of the workspace carries. */
static bool log_of_predictor(const Args *args, const Object *object, Result *result, Error *err) {
    if (!object->predictor->log) return error_set(err, STATUS_FAILED, "'%s' has no training log", object->name);
    if (!take_log(args, table_copy(object->predictor->log, err), result, err)) return false;
    describe(args, result, object->name);
    return true;
}

static bool log_of_run(const Args *args, const char *word, Result *result, Error *err) {
    Str folder = {0};
    Job job = {0};
    bool done = job_find(word, &folder, err) && job_read(str_text(&folder), &job, err);
    if (done) done = take_log(args, run_log_table(job.newest, err), result, err); /* again, for what is wrong with it */
    if (done) {
        describe(args, result, job.label);
        table_note(result->table, "run", "%s", job.newest);
        table_note(result->table, "state", "%s", job_state_name(job.state));
    }
    job_done(&job);
    str_done(&folder);
    return done;
}

static bool log_command(Session *session, const Args *args, Result *result, Error *err) {
    const char *word = ((const Log *)args->options)->run;
    const Object *object = workspace_find(session, word);
    bool predictor = object && object->kind == OBJECT_PREDICTOR;
    return predictor ? log_of_predictor(args, object, result, err) : log_of_run(args, word, result, err);
}

static const Setting positionals[] = {
    WORD(Log, run, LOG, "RUN", NULL, .help = "a trained predictor, the folder of a run, or the number that jobs shows"),
    {0}};
static const Setting options[] = {
    FLAG(Log, accuracy, "accuracy", .help = "show only the rows with an evaluation, and the curve of their accuracy"),
    {0}};
static const char *const examples[] = {"log p", "log runs/a", "log p --as curves --format csv", NULL};

const Command command_log = {
    .name = "log",
    .group = "Runs",
    .summary = "Show the log of a run as a table with its loss curves",
    .description =
        "Lists every logged row: step, epoch, loss and its terms, learning rate, gradient norm, accuracy if it "
        "was measured. Empty columns are left out. The notes give the mean rate (kernels or images per second) "
        "and the seconds of training. The run may still be active. For "
        "several trials, the newest is shown. `plot` and `export` take the result like any table.",
    .size = sizeof(Log),
    .positionals = positionals,
    .options = ONE_GROUP(options),
    .examples = examples,
    .prelude = "train p --net base --hidden 8 --steps 6 --run runs/a --quiet",
    .run = log_command,
    .table = true,
};
