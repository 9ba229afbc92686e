/* rm -- forgets objects. */
#include "../session.h"
#include "weft/base/error.h"

static bool run(Session *session, const Args *args, Result *result, Error *err) {
    (void)result;
    for (size_t i = 0; i < args->rest_count; i++)
        if (!workspace_any(session, args->rest[i], err)) return false;
    for (size_t i = 0; i < args->rest_count; i++) {
        Object *object = workspace_find(session, args->rest[i]);
        if (object) workspace_remove(session, object); /* NULL: named twice */
    }
    return true;
}

static const ArgSpec positionals[] = {{.name = "NAME", .kind = ARG_OBJECT, .repeated = true, .help = "what to forget"},
                                      {0}};
static const char *const examples[] = {"rm smooth", NULL};

const Command command_rm = {
    .name = "rm",
    .group = "Objects",
    .summary = "Remove objects from the workspace (files are kept)",
    .positionals = positionals,
    .examples = examples,
    .run = run,
};
