/* jobs -- the runs that were started in the background. */
#include <math.h>

#include "../command.h"
#include "../jobs.h"
#include "../words.h"
#include "weft/base/error.h"
#include "weft/base/run.h"
#include "weft/base/table.h"
#include "weft/base/text.h"

/* "1:05:00" */
static void add_left(Table *table, const Job *job) {
    Str left = {0};
    str_add_duration(&left, job->left);
    table_text(table, left.length > 0 ? str_text(&left) : NULL);
    str_done(&left);
}

static bool add_job(Table *table, int64_t number, const char *folder, Error *err) {
    Job job;
    Error why;
    if (!job_read(folder, &job, &why)) {
        *err = why;
        if (why.status != STATUS_BAD_INPUT || !job_refused(folder, &why, &job, err)) return false;
    }
    table_integer(table, number);
    table_text(table, job.label);
    table_text(table, job_state_name(job.state));
    table_integer(table, (int64_t)job.step);
    table_integer(table, (int64_t)job.steps);
    table_real(table, job.steps ? 100 * fmin((double)job.step / (double)job.steps, 1) : (double)NAN);
    add_left(table, &job);
    table_real(table, job.loss);
    table_real(table, job.accuracy);
    table_integer(table, job.process);
    table_text(table, job.folder);
    table_text(table, job.reason.length ? str_text(&job.reason) : NULL);
    job_done(&job);
    return true;
}

static bool jobs_command(Session *session, const Args *args, Result *result, Error *err) {
    (void)session;
    Words folders;
    if (!jobs_list(&folders, err)) return false;
    Table *table = table_new(err);
    static const struct {
        const char *name, *unit;
        ColumnType type;
    } columns[] = {{"job", "", COLUMN_INTEGER},     {"name", "", COLUMN_TEXT},     {"state", "", COLUMN_TEXT},
                   {"step", "", COLUMN_INTEGER},    {"steps", "", COLUMN_INTEGER}, {"done", "%", COLUMN_REAL},
                   {"left", "", COLUMN_TEXT},       {"loss", "", COLUMN_REAL},     {"accuracy", "%", COLUMN_REAL},
                   {"process", "", COLUMN_INTEGER}, {"folder", "", COLUMN_TEXT},   {"reason", "", COLUMN_TEXT}};
    for (size_t i = 0; i < sizeof columns / sizeof *columns; i++)
        table_column(table, columns[i].name, columns[i].unit, columns[i].type);
    bool done = table != NULL;
    for (size_t i = 0; done && i < folders.count; i++) done = add_job(table, (int64_t)i + 1, folders.word[i], err);
    if (done && !folders.count) str_add(&result->message, "no background runs (help jobs)");
    words_done(&folders);
    result->transient = !args_given(args, "as");
    result->sparse = true;
    if (done) return (result->table = table_finish(table, err)) != NULL;
    table_free(table);
    return false;
}

static const char *const examples[] = {"jobs", NULL};

const Command command_jobs = {
    .name = "jobs",
    .group = "Runs",
    .summary = "List the runs started in the background",
    .description =
        "`train`, `fit`, `progressive`, `sweep`, `interpolate` and `landscape` take --background: another weft "
        "process works on the run's folder and continues after you quit.\n\n"
        "`done` is the per cent of the steps that are done and `left` the time that the rest takes, as fast "
        "as the last steps were; of several trials or rounds, both are those of the part that runs. Points of surveys "
        "count as fast as the mean of those that this process has done.\n\n"
        "A run is `running` while a process holds the lock of its folder, `done` when its log has reached the "
        "last step (for sweep, interpolate and landscape, steps are points), and `failed` if its folder has a "
        "file error.txt with the reason. Otherwise it is `stopped` and can be resumed. A run whose folder is "
        "removed disappears from the list. The list is the file weft/jobs in $XDG_STATE_HOME or ~/.local/state.",
    .examples = examples,
    .run = jobs_command,
    .table = true,
};
