/* rename -- another name for an object. */
#include "../command.h"
#include "../workspace.h"
#include "weft/base/error.h"

typedef struct Rename {
    Object *object;
    const char *name;
} Rename;

static bool rename_command(Session *session, const Args *args, Result *result, Error *err) {
    (void)result;
    const Rename *o = args->options;
    return workspace_rename(session, o->object, o->name, err);
}

static const Setting positionals[] = {OBJECT(Rename, object, OBJECT, "A", NULL, .help = "the object"),
                                      WORD(Rename, name, NEW, "B", NULL, .help = "its new name"),
                                      {0}};
static const char *const examples[] = {"rename base original", NULL};

const Command command_rename = {
    .name = "rename",
    .group = "Objects",
    .summary = "Give an object another name",
    .size = sizeof(Rename),
    .positionals = positionals,
    .examples = examples,
    .run = rename_command,
    .streams = true,
};
