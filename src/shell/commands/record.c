/* record -- the session as a script. */
#include <limits.h>
#include <string.h>
#include <unistd.h>

#include "../paths.h"
#include "../session.h"
#include "weft/base/error.h"
#include "weft/base/memory.h"
#include "weft/base/save.h"
#include "weft/base/text.h"

typedef struct Record {
    const char *file;
    bool force;
} Record;

static bool record_command(Session *session, const Args *args, Result *result, Error *err) {
    const Record *o = args->options;
    Str path = {0}, text = {0};
    char here[PATH_MAX];
    bool ok = true;
    if (*o->file != '/' && *o->file != '~') /* absolute: it is written again after a cd */
        ok = getcwd(here, sizeof here) ? (str_addf(&path, "%s/", here), true)
                                       : error_set(err, STATUS_FAILED, "the working folder is gone");
    ok = ok && path_expand(o->file, &path, err);
    for (size_t i = 0; i < session->done_count; i++) str_addf(&text, "%s\n", session->done[i]);
    char *copy = NULL;
    ok = ok && str_ok(&text, err) && (copy = mem_copy_text(str_text(&path), err)) &&
         save_text(copy, o->force, str_text(&text), text.length, err);
    if (ok) {
        mem_free(session->record_path);
        session->record_path = copy;
        str_addf(&result->message, "recording to %s: %zu lines so far, and all that follow", o->file,
                 session->done_count);
    } else {
        mem_free(copy);
    }
    str_done(&path);
    str_done(&text);
    return ok;
}

static const Setting positionals[] = {
    WORD(Record, file, OUTPUT, "FILE", NULL, .help = "the script to write, such as session.weft"), {0}};
static const Setting options[] = {FLAG(Record, force, "force", .help = "overwrite an existing file"), {0}};
static const char *const examples[] = {"record session.weft --force", NULL};

const Command command_record = {
    .name = "record",
    .group = "Scripts and help",
    .summary = "Record the session as a script",
    .description =
        "Writes every line that has run without an error so far, and each further one, to a script that weft can "
        "run again.",
    .size = sizeof(Record),
    .positionals = positionals,
    .options = ONE_GROUP(options),
    .examples = examples,
    .run = record_command,
};
