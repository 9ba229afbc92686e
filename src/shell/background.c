/* background -- starts a command in another weft process, which continues when this one ends.
 *
 * The child is this same program, in its own session (so that neither Ctrl-C nor the end of the terminal reaches it),
 * and forked twice, so that it leaves no zombie. If it dies before its work has started, a pipe that it holds open is
 * closed, and this process sees it. */
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include "background.h"
#include "jobs.h"
#include "output.h"
#include "session.h"
#include "words.h"
#include "weft/base/error.h"
#include "weft/base/file.h"
#include "weft/base/run.h"
#include "weft/base/task.h"
#include "weft/base/text.h"

/* What the child needs, all of it made before the fork: after it only async-signal-safe calls are allowed. */
typedef struct Launch {
    const char *line;         /* the command */
    int input, output, error; /* its standard streams */
    int alive;                /* the end of the pipe that it keeps */
} Launch;

static void exec_child(const Launch *launch) {
    enum { FAILED = 127 };
    const char *const arguments[] = {"weft", "-c", launch->line, NULL};
    setsid();
    if (dup2(launch->input, STDIN_FILENO) < 0 || dup2(launch->output, STDOUT_FILENO) < 0 ||
        dup2(launch->error, STDERR_FILENO) < 0)
        _exit(FAILED);
    if (fcntl(launch->alive, F_SETFD, 0) < 0) _exit(FAILED);
    execv("/proc/self/exe", (char *const *)arguments);
    static const char words[] = "weft: the program could not be restarted\n";
    if (write(STDERR_FILENO, words, sizeof words - 1) < 0) _exit(FAILED);
    _exit(FAILED);
}

/* Returns the end of the pipe that tells of the child's death, or -1. */
static int launch_child(Launch *launch, Error *err) {
    int ends[2];
    if (pipe2(ends, O_CLOEXEC) != 0) {
        error_set(err, STATUS_FAILED, "cannot start a process: %s", strerror(errno));
        return -1;
    }
    launch->alive = ends[1];
    pid_t middle = fork();
    if (middle == 0) {
        pid_t child = fork();
        if (child == 0) exec_child(launch);
        _exit(child < 0);
    }
    int reason = errno, status = 0;
    close(ends[1]);
    if (middle > 0) {
        while (waitpid(middle, &status, 0) < 0 && errno == EINTR) {
        }
        if (status == 0) return ends[0];
        reason = EAGAIN;
    }
    close(ends[0]);
    error_set(err, STATUS_FAILED, "cannot start a process: %s", strerror(reason));
    return -1;
}

/* Until the child has locked the run's folder and has put its number there (it holds the lock first), or the child is
 * gone, or the user waits no longer. False: it failed. */
static bool await_start(const char *folder, int alive, Error *err) {
    enum { STEP = 20 /* ms */ };
    struct pollfd pipe = {.fd = alive};
    long process;
    while (!(run_busy(folder, &process) && process > 0 && process != (long)getpid()) && cancel_level() == 0) {
        if (poll(&pipe, 1, STEP) <= 0) continue;
        Str reason = {0};
        bool failed = job_failure(folder, &reason);
        if (failed) error_set(err, STATUS_FAILED, "%s", str_text(&reason));
        str_done(&reason);
        return !failed; /* else it was done before it was seen */
    }
    return true;
}

static bool open_streams(Launch *launch, const char *output, const char *error, Error *err) {
    launch->input = open("/dev/null", O_RDONLY | O_CLOEXEC);
    if (launch->input < 0) return error_set(err, STATUS_FAILED, "/dev/null: %s", strerror(errno));
    launch->output = file_open_write(output, O_WRONLY | O_CREAT | O_TRUNC, 0666, true, err);
    if (launch->output < 0) return false;
    launch->error = file_open_write(error, O_WRONLY | O_CREAT | O_TRUNC | O_APPEND, 0666, true, err);
    return launch->error >= 0;
}

bool background_allowed(const Session *session, Error *err) {
    return !session->options.safe || error_set(err, STATUS_USAGE, "--safe forbids background runs");
}

bool background_start(Session *session, const char *folder, const char *const *words, size_t count, Error *err) {
    if (!background_allowed(session, err)) return false;
    Str line = {0}, output = {0}, error = {0};
    Launch launch = {.input = -1, .output = -1, .error = -1};
    Run *run = NULL;
    bool done = false;
    int alive = -1;
    for (size_t i = 0; i < count; i++) {
        if (i > 0) str_add(&line, " ");
        words_quote(words[i], &line);
    }
    run_path(folder, "output.txt", &output);
    run_path(folder, "error.txt", &error);
    if (!str_ok(&line, err) || !str_ok(&output, err) || !str_ok(&error, err)) goto out;
    run = run_open(folder, err); /* makes the folder, and finds out whether somebody else works there */
    if (!run || !jobs_add(folder, err)) goto out;
    if (!words_add(&session->background, folder, err)) goto out;
    launch.line = line.text;
    if (!open_streams(&launch, output.text, error.text, err)) goto out;
    run_close(run);
    run = NULL;
    alive = launch_child(&launch, err);
    done = alive >= 0 && await_start(folder, alive, err);
out:
    run_close(run);
    if (alive >= 0) close(alive);
    if (launch.input >= 0) close(launch.input);
    if (launch.output >= 0) close(launch.output);
    if (launch.error >= 0) close(launch.error);
    str_done(&line);
    str_done(&output);
    str_done(&error);
    return done;
}

/* By the whole path: a number alone would be that of a job. */
bool background_resume(Session *session, const char *name, const char *folder, Result *result, Error *err) {
    char *whole = realpath(folder, NULL);
    const char *words[] = {"resume", whole ? whole : folder};
    const bool done = background_start(session, folder, words, 2, err);
    free(whole);
    if (done)
        str_addf(&result->message, "%s runs in the background; manage it with: jobs, attach %s, stop %s, resume %s\n",
                 name, folder, folder, folder);
    return done;
}

void background_farewell(Session *session) {
    size_t running = 0;
    long process;
    for (size_t i = 0; i < session->background.count; i++) running += run_busy(session->background.word[i], &process);
    if (!running) return;
    Str text = {0};
    str_addf(&text,
             running == 1 ? "a run continues in the background (weft -c jobs)"
                          : "%zu runs continue in the background (weft -c jobs)",
             running);
    output_message(session, str_text(&text));
    str_done(&text);
}
