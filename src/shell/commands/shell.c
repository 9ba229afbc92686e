/* shell -- a command of the system's shell; `!COMMAND` is the same. */
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>

#include "../session.h"
#include "weft/base/error.h"

typedef struct Shell {
    const char *command;
} Shell;

static bool shell_command(Session *session, const Args *args, Result *result, Error *err) {
    const char *command = ((const Shell *)args->options)->command;
    (void)result;
    if (session->options.safe) return error_set(err, STATUS_USAGE, "--safe allows no commands of the system");
    fflush(NULL);
    int outcome = system(command); /* the child has the terminal, and Ctrl-C is its own */
    if (outcome == -1) return error_set(err, STATUS_FAILED, "no process could be started for '%s'", command);
    if (WIFSIGNALED(outcome))
        return error_set(err, STATUS_FAILED, "'%s' was ended by signal %d (%s)", command, WTERMSIG(outcome),
                         strsignal(WTERMSIG(outcome)));
    if (WEXITSTATUS(outcome) == 0) return true;
    return error_set(err, STATUS_FAILED, "'%s' ended with status %d", command, WEXITSTATUS(outcome));
}

static const Setting positionals[] = {
    WORD(Shell, command, REST, "COMMAND", NULL, .help = "a command for sh, to the end of the line"), {0}};
static const char *const examples[] = {"!echo hello", "shell ls", NULL};

const Command command_shell = {
    .name = "shell",
    .group = "Scripts and help",
    .summary = "Run a command of the system's shell",
    .description = "`!COMMAND` is the same. sh receives the line as it is: $NAME is its own variable, not Lua's. In a "
                   "script, a status other than 0 is an error. --safe refuses the command.",
    .size = sizeof(Shell),
    .positionals = positionals,
    .examples = examples,
    .run = shell_command,
};
