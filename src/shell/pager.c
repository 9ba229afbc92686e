/* pager -- $PAGER in a process of its own, reading from a pipe.
 *
 * While it runs, Ctrl-C and Ctrl-\ are the pager's: weft ignores them. The pager starts with the usual behaviour of all
 * signals. Closing it early is no error: what is left is not written. It shares weft's process group, so Ctrl-Z stops
 * and fg continues both.
 */
#include "pager.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <termios.h>
#include <unistd.h>

#include "output.h"
#include "session.h"
#include "signals.h"
#include "weft/base/text.h"

enum { NOT_EXECUTABLE = 126, NOT_FOUND = 127 }; /* exit statuses of a shell */

/* Whether a program of this name is in a folder of $PATH. */
static bool installed(const char *name) {
    const char *path = getenv("PATH");
    bool found = false;
    for (size_t length; path && *path && !found; path += length + (path[length] == ':')) {
        Str file = {0};
        length = strcspn(path, ":");
        str_add_bytes(&file, path, length);
        str_addf(&file, "%s%s", length ? "/" : "", name);
        found = !file.failed && access(str_text(&file), X_OK) == 0;
        str_done(&file);
    }
    return found;
}

/* NULL: none. */
static const char *pager_command(void) {
    const char *own = getenv("PAGER");
    if (own) return *own && strcmp(own, "cat") != 0 ? own : NULL;
    return installed("less") ? "less -FRX" : installed("more") ? "more" : NULL;
}

bool pager_wanted(const Session *session) {
    const char *term = getenv("TERM");
    const bool dumb = !term || !*term || strcmp(term, "dumb") == 0;
    return session->options.interactive && !session->options.no_pager && !session->options.safe &&
           session->out_terminal && isatty(STDIN_FILENO) && !dumb && !session->source && pager_command();
}

bool pager_needed(const char *text) {
    struct pollfd typed = {.fd = STDIN_FILENO, .events = POLLIN};
    size_t lines = 0;
    for (; (text = strchr(text, '\n')); text++) lines++;
    return lines >= output_rows() && poll(&typed, 1, 0) == 0; /* the prompt takes a line, too */
}

/* In the child: only async-signal-safe calls. */
static _Noreturn void exec_pager(int input, const char *command) {
    signals_usual();
    if (dup2(input, STDIN_FILENO) >= 0) {
        if (input > STDERR_FILENO) close(input);
        execl("/bin/sh", "sh", "-c", command, (char *)NULL);
    }
    _exit(NOT_FOUND);
}

static void write_all(int pipe, const char *text, size_t length) {
    while (length > 0 && !signals_ending()) {
        const ssize_t written = write(pipe, text, length);
        if (written < 0 && errno != EINTR) return; /* the pager was closed */
        if (written < 0) continue;
        text += written;
        length -= (size_t)written;
    }
}

/* Its exit status, or -1 where a signal ended it. TERM and HUP for weft end the pager, too. */
static int await(pid_t pager) {
    int status = 0;
    while (waitpid(pager, &status, 0) < 0) {
        if (errno != EINTR) return -1;
        if (signals_ending()) kill(pager, SIGTERM);
    }
    return WIFEXITED(status) ? WEXITSTATUS(status) : -1;
}

bool pager_show(const char *text, size_t length) {
    static const int left_to_it[] = {SIGINT, SIGQUIT};
    struct sigaction ignore = {.sa_handler = SIG_IGN}, before[2];
    struct termios terminal;
    const bool restorable = tcgetattr(STDIN_FILENO, &terminal) == 0;
    const char *command = pager_command();
    Str line = {0};
    int ends[2];
    if (!command || pipe2(ends, O_CLOEXEC) != 0) return false;
    /* as git: a less whose user has set no options quits where all fits, shows colours and leaves the text */
    const bool plain = !strpbrk(command, "|&;<>()$`\\\"'*?[]#~=%{}!\n"); /* words: no shell has to wait for it */
    str_addf(&line, "LESS=${LESS-FRX}; export LESS; %s%s", plain ? "exec " : "", command);
    fflush(stdout);
    for (size_t i = 0; i < 2; i++) sigaction(left_to_it[i], &ignore, &before[i]);
    const pid_t pager = line.failed ? -1 : fork();
    if (pager == 0) exec_pager(ends[0], line.text);
    close(ends[0]);
    if (pager > 0) write_all(ends[1], text, length);
    close(ends[1]);
    const int status = pager > 0 ? await(pager) : NOT_FOUND;
    for (size_t i = 0; i < 2; i++) sigaction(left_to_it[i], &before[i], NULL);
    if (status < 0 && restorable && !signals_ending()) tcsetattr(STDIN_FILENO, TCSADRAIN, &terminal);
    str_done(&line);
    return status != NOT_FOUND && status != NOT_EXECUTABLE;
}
