/* log -- the log of a run as a table with its curves. */
#include <math.h>
#include <string.h>

#include "../session.h"

/* A term is worth a curve where it has values, and others than the loss itself (as `recon` has where it is all there
 * is). */
static bool worth_a_curve(const Table *table, const char *column) {
    const bool loss = strcmp(column, "loss") == 0;
    for (size_t row = 0; row < table->rows; row++) {
        const double value = table_number(table, column, row), whole = table_number(table, "loss", row);
        if (!isnan(value) && (loss || value > whole || value < whole)) return true;
    }
    return false;
}

static void describe(Result *result, const char *what) {
    static const char *const terms[] = {"loss", "recon", "kd", "fmd"};
    size_t count = 0;
    result_chart(result, CHART_LINES, "step", "", "Loss of %s", what);
    for (size_t i = 0; i < sizeof terms / sizeof *terms; i++) {
        if (worth_a_curve(result->table, terms[i]))
            snprintf(result->encoding.y[count++], CHART_NAME_MAX, "%s", terms[i]);
    }
    result->encoding.log_y = true;
    result->plots = count > 0;
}

/* The log that a predictor still has from its training in this session. */
static bool predictor_log(const Object *object, Result *result, Error *err) {
    const Table *log = object->predictor->log;
    if (!log)
        return error_set(err, STATUS_USAGE, "'%s' carries no log: it was not trained here (log FOLDER shows a run's)",
                         object->name);
    if (!(result->table = table_copy(log, err))) return false;
    describe(result, object->name);
    return true;
}

static bool run(Session *session, const Args *args, Result *result, Error *err) {
    const Object *object = workspace_find(session, args_text(args, "RUN"));
    if (object && object->kind == OBJECT_PREDICTOR) return predictor_log(object, result, err);
    Str folder = {0};
    Job job = {0};
    bool done = job_find(args_text(args, "RUN"), &folder, err);
    done = done && job_read(folder.text, &job, err);
    if (done) done = (result->table = run_log_table(job.newest, err)) != NULL; /* again, for what is wrong with it */
    if (done) {
        describe(result, job.name);
        table_note(result->table, "run", "%s", job.newest);
        table_note(result->table, "state", "%s", job_state_name(job.state));
    }
    job_done(&job);
    str_done(&folder);
    return done;
}

static const ArgSpec positionals[] = {
    {.name = "RUN",
     .kind = ARG_RUN,
     .help = "a predictor trained here, the folder of a run, or the number that jobs shows"},
    {0}};
static const char *const examples[] = {"log runs/a", "log 1 --as curves --format csv", NULL};

const Command command_log = {
    .name = "log",
    .group = "Runs",
    .summary = "the log of a run as a table, with the curves of its loss",
    .description =
        "Every row that was logged: step, epoch, loss and its terms, learning rate, norm of the gradient, accuracy where it was "
        "measured, throughput, seconds. The run may still be going on. plot and export take it like any table: "
        "plot --kind lines --x step --y accuracy.",
    .positionals = positionals,
    .examples = examples,
    .examples_need_job = true,
    .run = run,
    .table = true,
};
