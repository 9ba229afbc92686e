/* log -- the log of a run as a table with its curves. */
#include <math.h>
#include <string.h>

#include "../session.h"

static void describe(Result *result, const char *what) {
    static const char *const terms[] = {"loss", "recon", "kd", "fmd"};
    size_t count = 0;
    result_chart(result, CHART_LINES, "step", "", "Loss of %s", what);
    for (size_t i = 0; i < sizeof terms / sizeof *terms; i++) {
        if (!isnan(table_latest(result->table, terms[i])))
            snprintf(result->encoding.y[count++], CHART_NAME_MAX, "%s", terms[i]);
    }
    result->encoding.log_y = true;
    result->plots = count > 0;
}

static bool run(Session *session, const Args *args, Result *result, Error *err) {
    (void)session;
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
    {.name = "RUN", .kind = ARG_RUN, .help = "the folder of a run, or the number that jobs shows"}, {0}};
static const char *const examples[] = {"log runs/a", "log 1 --as curves --format csv", NULL};

const Command command_log = {
    .name = "log",
    .group = "Training",
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
