/* attach -- the monitor of a run that another process works on. */
#include <math.h>
#include <signal.h>

#include "../session.h"
#include "weft/tui.h"

enum { WAIT = 1000 /* ms */ };

static void status_text(const Job *job, bool stopping, Str *out) {
    str_done(out);
    if (stopping && job->state == JOB_RUNNING)
        str_add(out, "stopping");
    else
        str_add(out, job_state_name(job->state));
    if (job->reason.length) str_addf(out, ": %s", job->reason.text);
}

/* Until the user leaves. *job stays as last read. */
static bool watch(Job *job, Error *err) {
    MonitorRun run = {.steps = job->steps};
    Str title = {0}, folder = {0}, rate_of = {0}, status = {0};
    str_addf(&title, "%s  %s", job->name, job->folder);
    str_add(&folder, job->folder);
    str_add(&rate_of, job->rate_of);
    run.title = str_text(&title);
    run.rate_of = str_text(&rate_of);
    Monitor *monitor = str_ok(&title, err) && str_ok(&folder, err) ? monitor_open(&run, err) : NULL;
    bool done = monitor != NULL, stopping = false;
    for (MonitorWish wish = MONITOR_GO_ON; done && wish != MONITOR_LEAVE;) {
        status_text(job, stopping, &status);
        wish = monitor_update(monitor, job->log, job->step, str_text(&status));
        if (wish == MONITOR_GO_ON) wish = monitor_wait(monitor, WAIT);
        if (cancel_level()) break;
        Job now;
        if (!job_read(folder.text, &now, err)) {
            done = false;
        } else {
            job_done(job);
            *job = now;
        }
        if (wish == MONITOR_STOP && done && job->process > 0) stopping = kill((pid_t)job->process, SIGTERM) == 0;
    }
    monitor_close(monitor);
    str_done(&title);
    str_done(&folder);
    str_done(&rate_of);
    str_done(&status);
    return done;
}

static bool run(Session *session, const Args *args, Result *result, Error *err) {
    (void)session;
    Str folder = {0};
    Job job = {0};
    bool done = job_find(args_text(args, "JOB"), &folder, err) && job_read(str_text(&folder), &job, err);
    if (done && !watch(&job, err)) done = err->status == STATUS_FAILED; /* no terminal: the line below is all */
    if (done && cancel_level()) done = error_set(err, STATUS_CANCELLED, "interrupted");
    if (done) {
        job_describe(&job, &result->text);
        str_add(&result->text, "\n");
    }
    job_done(&job);
    str_done(&folder);
    return done;
}

static const ArgSpec positionals[] = {
    {.name = "JOB", .kind = ARG_RUN, .help = "the number that jobs shows, or the folder of a run"}, {0}};
static const char *const examples[] = {"attach 1", "attach runs/a", NULL};

const Command command_attach = {
    .name = "attach",
    .group = "Training",
    .summary = "shows a run on the whole screen while it goes on",
    .description =
        "Curves of loss, accuracy, learning rate and throughput from the run's log, once a second. q leaves, and the run goes "
        "on; x stops it, after a question; L changes between a logarithmic and a linear axis. A run that has ended is shown "
        "as it ended. Where there is no terminal: one line about the run.",
    .positionals = positionals,
    .examples = examples,
    .examples_need_job = true,
    .run = run,
};
