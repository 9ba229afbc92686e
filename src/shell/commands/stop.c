/* stop -- ends a run in order, wherever it runs. */
#include <errno.h>
#include <signal.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "../jobs.h"
#include "../session.h"
#include "weft/base/error.h"
#include "weft/base/run.h"
#include "weft/base/task.h"
#include "weft/base/text.h"

typedef struct Stop {
    const char *job;
} Stop;

enum { PATIENCE = 15 /* s */ };

/* Sends the signal and waits until the lock is free. */
static bool end_process(const char *folder, long process, Error *err) {
    double start = clock_seconds();
    long holder;
    if (kill((pid_t)process, SIGTERM) != 0 && errno != ESRCH)
        return error_set(err, STATUS_FAILED, "%s: process %ld: %s", folder, process, strerror(errno));
    while (run_busy(folder, &holder) && holder == process) {
        if (cancel_level()) return error_set(err, STATUS_CANCELLED, "%s: stopped waiting", folder);
        if (clock_seconds() - start > PATIENCE)
            return error_set(err, STATUS_FAILED, "%s: process %ld has not ended within %d s", folder, process,
                             PATIENCE);
        nanosleep(&(struct timespec){.tv_nsec = 20000000}, NULL);
    }
    return true;
}

static bool stop_command(Session *session, const Args *args, Result *result, Error *err) {
    if (session->options.safe) return error_set(err, STATUS_USAGE, "--safe forbids signals to other processes");
    Str folder = {0};
    Job job = {0};
    long process;
    bool done = job_find(((const Stop *)args->options)->job, &folder, err);
    if (done && !run_busy(folder.text, &process))
        done = error_set(err, STATUS_FAILED, "%s: is not running", folder.text);
    else if (done && !run_holder(folder.text, process))
        done = error_set(err, STATUS_FAILED, "%s: its process is unknown", folder.text);
    done = done && end_process(folder.text, process, err) && job_read(folder.text, &job, err);
    if (done) {
        str_addf(&result->message, "%s: %s", job.folder, job_state_name(job.state));
        str_addf(&result->message, "%s at %s %llu", job.saved ? ", saved" : "", job.survey ? "point" : "step",
                 (unsigned long long)(job.saved ? job.saved : job.step));
        if (job.steps) str_addf(&result->message, " of %llu", (unsigned long long)job.steps);
        if (job.reason.length) str_addf(&result->message, ": %s", job.reason.text);
    }
    job_done(&job);
    str_done(&folder);
    return done;
}

static const Setting positionals[] = {
    WORD(Stop, job, RUN, "JOB", NULL, .help = "number or name that jobs shows, or the folder of a run"), {0}};
static const char *const examples[] = {"stop 1", NULL};

const Command command_stop = {
    .name = "stop",
    .group = "Runs",
    .summary = "Stop a run after its current step, so that it can be resumed",
    .description =
        "Sends SIGTERM to the process that holds the lock of the run's folder. The process finishes its step, "
        "saves and ends. `stop` waits for this for up to 15 seconds and prints the step at which the run was "
        "saved.",
    .size = sizeof(Stop),
    .positionals = positionals,
    .examples = examples,
    .examples_need_job = true,
    .run = stop_command,
};
