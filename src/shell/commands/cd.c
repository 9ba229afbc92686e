/* cd -- changes the working folder. */
#include <errno.h>
#include <limits.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "../paths.h"
#include "../session.h"
#include "weft/base/error.h"
#include "weft/base/memory.h"
#include "weft/base/text.h"

typedef struct Cd {
    const char *folder;
} Cd;

static bool cd_command(Session *session, const Args *args, Result *result, Error *err) {
    const char *folder = ((const Cd *)args->options)->folder;
    if (session->options.safe)
        return error_set(err, STATUS_USAGE, "--safe allows writing only below the working folder, which stays");
    if (strcmp(folder, "-") == 0 && !session->folder_before)
        return error_set(err, STATUS_USAGE, "cd -: there is no previous folder");
    char here[PATH_MAX], there[PATH_MAX];
    char *before = getcwd(here, sizeof here) ? mem_copy_text(here, err) : NULL;
    Str path = {0};
    bool ok = path_expand(strcmp(folder, "-") == 0 ? session->folder_before : folder, &path, err);
    if (ok && chdir(str_text(&path)) != 0)
        ok = error_set(err, STATUS_BAD_INPUT, "cd %s: %s", str_text(&path), strerror(errno));
    str_done(&path);
    if (!ok) {
        mem_free(before);
        return false;
    }
    mem_free(session->folder_before);
    session->folder_before = before;
    if (getcwd(there, sizeof there)) str_addf(&result->message, "%s\n", there);
    return true;
}

static const Setting positionals[] = {WORD(Cd, folder, FOLDER, "FOLDER", NULL, .optional = true, .standard = "~",
                                           .help = "the new working folder; - is the previous one"),
                                      {0}};
static const char *const examples[] = {"cd .", NULL};

const Command command_cd = {
    .name = "cd",
    .group = "Scripts and help",
    .summary = "Change the working folder",
    .description = "Relative paths begin in the working folder.",
    .size = sizeof(Cd),
    .positionals = positionals,
    .examples = examples,
    .run = cd_command,
};
