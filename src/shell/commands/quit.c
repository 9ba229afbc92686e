/* quit, exit -- end the session. */
#include "../session.h"
#include "weft/base/error.h"

typedef struct Quit {
    unsigned status;
} Quit;

static bool quit_command(Session *session, const Args *args, Result *result, Error *err) {
    (void)result;
    (void)err;
    session->quit = true;
    session->quit_status = (int)((const Quit *)args->options)->status;
    return true;
}

static const Setting positionals[] = {
    INTEGER(Quit, status, "STATUS", NULL, .max = 255, .standard = "0", .optional = true, .help = "exit status"), {0}};
static const char *const examples[] = {"quit", NULL}, *const exit_examples[] = {"exit", NULL};

const Command command_quit = {
    .name = "quit",
    .group = "Scripts and help",
    .summary = "Quit weft",
    .size = sizeof(Quit),
    .positionals = positionals,
    .examples = examples,
    .run = quit_command,
};

const Command command_exit = {
    .name = "exit",
    .group = "Scripts and help",
    .summary = "Quit weft, as quit does",
    .size = sizeof(Quit),
    .positionals = positionals,
    .examples = exit_examples,
    .run = quit_command,
};
