/* history -- what was typed at the prompt; in a script, what has run. */
#include "../prompt.h"
#include "../session.h"
#include "weft/base/error.h"
#include "weft/base/text.h"

typedef struct History {
    unsigned count;
} History;

static bool history_command(Session *session, const Args *args, Result *result, Error *err) {
    const size_t most = ((const History *)args->options)->count, done = session->done_count;
    (void)err;
    if (session->options.interactive && prompt_history(most, &result->text)) return true;
    for (size_t i = most && done > most ? done - most : 0; i < done; i++)
        str_addf(&result->text, "%5zu  %s\n", i + 1, session->done[i]);
    return true;
}

static const Setting positionals[] = {INTEGER(History, count, "N", NULL, .max = 1000000, .standard = "0",
                                              .optional = true, .usual = "all",
                                              .help = "print only the newest N entries"),
                                      {0}};
static const char *const examples[] = {"history 5", NULL};

const Command command_history = {
    .name = "history",
    .group = "Scripts and help",
    .summary = "Print what was typed at the prompt",
    .description =
        "Up and Ctrl-R recall an entry, a chunk of several lines as a whole. In a script, history prints the "
        "lines that have run.",
    .size = sizeof(History),
    .positionals = positionals,
    .examples = examples,
    .run = history_command,
};
