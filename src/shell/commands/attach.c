/* attach -- the monitor of a run that another process works on. */
#include <signal.h>

#include "../command.h"
#include "../jobs.h"
#include "../session.h"
#include "weft/base/error.h"
#include "weft/base/run.h"
#include "weft/base/task.h"
#include "weft/base/text.h"
#include "weft/tui.h"

typedef struct Attach {
    const char *job;
} Attach;

enum { WAIT = 1000 /* ms */ };

static void status_text(const Job *job, bool stopping, Str *out) {
    str_done(out);
    if (stopping && job->state == JOB_RUNNING)
        str_add(out, "stopping");
    else
        str_add(out, job_state_name(job->state));
    if (job->reason.length) str_addf(out, ": %s", job->reason.text);
}

/* Only a process that holds the lock is signalled, and none with --safe. */
static bool end_run(const Job *job, bool safe) {
    return !safe && run_holder(job->folder, job->process) && kill((pid_t)job->process, SIGTERM) == 0;
}

/* Until the user leaves. *now, from {0}, is the job as last read, if it was. */
static bool watch(const Job *first, bool safe, Job *now, Error *err) {
    Str title = {0}, status = {0};
    str_addf(&title, "%s  %s", first->label, first->folder);
    MonitorRun run = {.title = str_text(&title), .steps = first->steps, .rate_of = first->rate_of};
    Monitor *monitor = monitor_open(&run, err);
    bool done = monitor != NULL, stopping = false;
    for (MonitorWish wish = MONITOR_GO_ON; done && wish != MONITOR_LEAVE && cancel_level() == 0;) {
        job_done(now);
        done = job_read(first->folder, now, err);
        if (!done) break;
        if (wish == MONITOR_STOP) stopping = end_run(now, safe);
        status_text(now, stopping, &status);
        monitor_ended(monitor, now->state != JOB_RUNNING);
        wish = monitor_update(monitor, now->log, now->step, str_text(&status));
        if (wish == MONITOR_GO_ON) wish = monitor_wait(monitor, WAIT);
    }
    monitor_close(monitor);
    str_done(&title);
    str_done(&status);
    return done;
}

static bool attach_command(Session *session, const Args *args, Result *result, Error *err) {
    const bool safe = session->options.safe;
    Str folder = {0};
    Job first = {0}, now = {0};
    Error problem;
    bool done =
        job_find(((const Attach *)args->options)->job, &folder, err) && job_read(str_text(&folder), &first, err);
    if (done && !first.survey && !watch(&first, safe, &now, &problem) &&
        problem.status != STATUS_FAILED) { /* else there is no terminal */
        *err = problem;
        done = false;
    }
    if (done && cancel_level()) done = error_set(err, STATUS_CANCELLED, "interrupted");
    if (done) {
        job_describe(now.folder ? &now : &first, &result->text);
        str_add(&result->text, "\n");
    }
    job_done(&first);
    job_done(&now);
    str_done(&folder);
    return done;
}

static const Setting positionals[] = {
    WORD(Attach, job, RUN, "JOB", NULL, .help = "number or name that jobs shows, or the folder of a run"), {0}};
static const char *const examples[] = {"attach 1", "attach runs/a", NULL};

const Command command_attach = {
    .name = "attach",
    .group = "Runs",
    .summary = "Watch a run full-screen",
    .description =
        "Draws the curves of loss, accuracy, learning rate and throughput from the run's log once a second. q "
        "closes the monitor and the run continues. x stops the run, after a confirmation. L switches between "
        "logarithmic and linear axes, ? lists the keys. A finished run is shown in its final state.\n\n"
        "Without a terminal, and for sweeps, interpolations and landscapes, one line about the run is printed "
        "instead.",
    .size = sizeof(Attach),
    .positionals = positionals,
    .examples = examples,
    .examples_need_job = true,
    .run = attach_command,
};
