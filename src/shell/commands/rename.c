/* rename -- another name for an object. */
#include "../session.h"
#include "weft/base/error.h"

static bool run(Session *session, const Args *args, Result *result, Error *err) {
    (void)result;
    return workspace_rename(session, args_value(args, "A")->object, args_text(args, "B"), err);
}

static const ArgSpec positionals[] = {{.name = "A", .kind = ARG_OBJECT, .help = "the object"},
                                      {.name = "B", .kind = ARG_NEW, .help = "its new name"},
                                      {0}};
static const char *const examples[] = {"rename base original", NULL};

const Command command_rename = {
    .name = "rename",
    .group = "Objects",
    .summary = "Give an object another name",
    .positionals = positionals,
    .examples = examples,
    .run = run,
};
