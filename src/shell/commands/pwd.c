/* pwd -- the working folder. */
#include <errno.h>
#include <limits.h>
#include <string.h>
#include <unistd.h>

#include "../session.h"
#include "weft/base/error.h"
#include "weft/base/text.h"

static bool pwd_command(Session *session, const Args *args, Result *result, Error *err) {
    char here[PATH_MAX];
    (void)session;
    (void)args;
    if (!getcwd(here, sizeof here))
        return error_set(err, STATUS_FAILED, "the working folder is gone: %s", strerror(errno));
    str_addf(&result->text, "%s\n", here);
    return true;
}

static const char *const examples[] = {"pwd", NULL};

const Command command_pwd = {
    .name = "pwd",
    .group = "Scripts and help",
    .summary = "Print the working folder",
    .examples = examples,
    .run = pwd_command,
};
