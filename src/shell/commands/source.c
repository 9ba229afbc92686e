/* source -- runs a script in this session. */
#include "../paths.h"
#include "../session.h"
#include "weft/base/error.h"
#include "weft/base/text.h"

typedef struct Source {
    const char *file;
} Source;

static bool source_command(Session *session, const Args *args, Result *result, Error *err) {
    Str path = {0};
    (void)result;
    bool ok =
        path_expand(((const Source *)args->options)->file, &path, err) && session_source(session, str_text(&path), err);
    str_done(&path);
    return ok;
}

static const Setting positionals[] = {WORD(Source, file, FILE, "FILE", NULL, .help = "a script, such as session.weft"),
                                      {0}};
static const char *const examples[] = {"record session.weft --force", "source session.weft", NULL};

const Command command_source = {
    .name = "source",
    .group = "Scripts and help",
    .summary = "Run a script in this session",
    .description =
        "The script sees the objects and variables of this session, and leaves its own there. It stops at its first "
        "error.",
    .size = sizeof(Source),
    .positionals = positionals,
    .examples = examples,
    .run = source_command,
};
