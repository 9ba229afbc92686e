/* help -- explains commands and topics. */
#include "../command.h"
#include "../help.h"
#include "weft/base/error.h"
#include "weft/base/text.h"

typedef struct Help {
    SettingList words;
} Help;

static bool help_command(Session *session, const Args *args, Result *result, Error *err) {
    (void)session;
    Str topic = {0}, text = {0};
    const SettingList *words = &((const Help *)args->options)->words;
    for (size_t i = 0; i < words->count; i++) str_addf(&topic, "%s%s", i ? " " : "", (const char *)words->item[i]);
    bool ok = help_text(topic.length ? str_text(&topic) : NULL, &text, err);
    help_fill(&text, &result->text);
    str_done(&topic);
    return ok;
}

static const Setting positionals[] = {
    LIST(Help, words, TOPIC, "TOPIC", .optional = true, .help = "a command or a topic"), {0}};
static const char *const examples[] = {"help", "help lowpass", "help selectors", NULL};

const Command command_help = {
    .name = "help",
    .group = "Scripts and help",
    .summary = "Explain a command or topic, or list them all",
    .size = sizeof(Help),
    .positionals = positionals,
    .examples = examples,
    .run = help_command,
};
