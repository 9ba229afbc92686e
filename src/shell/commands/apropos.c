/* apropos -- searches all help. */
#include "../command.h"
#include "../help.h"
#include "weft/base/error.h"
#include "weft/base/text.h"

typedef struct Apropos {
    const char *word;
} Apropos;

static bool apropos_command(Session *session, const Args *args, Result *result, Error *err) {
    (void)session;
    const Apropos *o = args->options;
    Str text = {0};
    bool found = help_apropos(o->word, &text);
    help_fill(&text, &result->text);
    if (found || !str_ok(&result->text, err)) return found;
    return error_set(err, STATUS_FAILED, "no help mentions '%s'", o->word);
}

static const Setting positionals[] = {
    WORD(Apropos, word, TEXT, "WORD", NULL, .help = "text to look for, in either case"), {0}};
static const char *const examples[] = {"apropos frequency", NULL};

const Command command_apropos = {
    .name = "apropos",
    .group = "Scripts and help",
    .summary = "Search the help of all commands and topics for a word",
    .size = sizeof(Apropos),
    .positionals = positionals,
    .examples = examples,
    .run = apropos_command,
};
