/* help -- explains commands and topics. */
#include "../session.h"
#include "weft/base/error.h"
#include "weft/base/text.h"

static bool run(Session *session, const Args *args, Result *result, Error *err) {
    (void)session;
    Str topic = {0};
    for (size_t i = 0; i < args->rest_count; i++) str_addf(&topic, "%s%s", i ? " " : "", args->rest[i]);
    bool ok = help_text(topic.length ? str_text(&topic) : NULL, &result->text, err);
    str_done(&topic);
    return ok;
}

static const ArgSpec positionals[] = {
    {.name = "TOPIC", .kind = ARG_COMMAND, .optional = true, .repeated = true, .help = "a command or a topic"}, {0}};
static const char *const examples[] = {"help", "help lowpass", "help selectors", NULL};

const Command command_help = {
    .name = "help",
    .group = "Scripts and help",
    .summary = "Explain a command or topic, or list them all",
    .positionals = positionals,
    .examples = examples,
    .run = run,
};
