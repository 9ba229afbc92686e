/* apropos -- searches all help. */
#include "../session.h"
#include "weft/base/error.h"
#include "weft/base/text.h"

static bool run(Session *session, const Args *args, Result *result, Error *err) {
    (void)session;
    bool found = help_apropos(args_text(args, "WORD"), &result->text);
    if (found || !str_ok(&result->text, err)) return found;
    return error_set(err, STATUS_FAILED, "no help mentions '%s'", args_text(args, "WORD"));
}

static const ArgSpec positionals[] = {{.name = "WORD", .kind = ARG_TEXT, .help = "what to look for, in either case"},
                                      {0}};
static const char *const examples[] = {"apropos frequency", NULL};

const Command command_apropos = {
    .name = "apropos",
    .group = "Scripts and help",
    .summary = "Search the help of all commands and topics for a word",
    .positionals = positionals,
    .examples = examples,
    .run = run,
};
