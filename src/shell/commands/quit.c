/* quit -- leaves. */
#include "../session.h"
#include "weft/base/error.h"

static bool run(Session *session, const Args *args, Result *result, Error *err) {
    (void)result;
    (void)err;
    session->quit = true;
    session->quit_status = (int)args_integer(args, "STATUS");
    return true;
}

static const ArgSpec positionals[] = {
    {.name = "STATUS", .kind = ARG_INTEGER, .optional = true, .max = 255, .standard = "0", .help = "exit status"}, {0}};
static const char *const examples[] = {"quit", NULL};

const Command command_quit = {
    .name = "quit",
    .group = "Scripts and help",
    .summary = "Quit weft",
    .positionals = positionals,
    .examples = examples,
    .run = run,
};
