/* command -- the command table and look-up in it. */
#include "command.h"

#include <string.h>

#include "weft/base/error.h"
#include "weft/base/text.h"

#define COMMAND(name) extern const Command command_##name;
#include "commands.def"
#undef COMMAND

const Command *const commands[] = {
#define COMMAND(name) &command_##name,
#include "commands.def"
#undef COMMAND
    NULL};

const char command_prelude[] = "load net base sample:fashion-resnet8\n"
                               "load data test sample:fashion-test --limit 200\n"
                               "lowpass base --cutoff 2 --into smooth\n"
                               "load predictor pred sample:fashion-resnet8-predictor --for base\n";

const ArgSpec common_options[] = {
    {.name = "as", .kind = ARG_NEW, .value = "NAME", .standard = "last", .help = "keep the table under this name"},
    {.name = "format",
     .kind = ARG_CHOICE,
     .value = "FORMAT",
     .choices = "table|csv|tsv|json|md",
     .help = "how the table prints (on a terminal as a table, elsewhere as tsv)"},
    {.name = "quiet", .kind = ARG_FLAG, .help = "print nothing, keep the value"},
    {.name = "seed",
     .kind = ARG_INTEGER,
     .value = "N",
     .max = 9007199254740992.0,
     .help = "seed of everything random from here on"},
    {.name = "help", .kind = ARG_FLAG, .help = "explain the command instead of running it"},
    {0}};

bool common_applies(const Command *command, const ArgSpec *spec) {
    bool for_tables = strcmp(spec->name, "as") == 0 || strcmp(spec->name, "format") == 0;
    return !for_tables || command->table;
}

size_t command_count(void) {
    return sizeof commands / sizeof *commands - 1;
}

const Command *command_find(const char *const *words, size_t count, size_t *used) {
    const Command *single = NULL;
    for (const Command *const *each = commands; *each; each++) {
        const char *name = (*each)->name, *space = strchr(name, ' ');
        if (!space) {
            if (count && strcmp(words[0], name) == 0) single = *each;
        } else if (count > 1 && strlen(words[0]) == (size_t)(space - name) &&
                   strncmp(words[0], name, (size_t)(space - name)) == 0 && strcmp(words[1], space + 1) == 0) {
            *used = 2;
            return *each;
        }
    }
    *used = 1;
    return single;
}

bool command_word(const char *word, size_t length) {
    for (const Command *const *each = commands; *each; each++) {
        const char *name = (*each)->name;
        if (strcspn(name, " ") == length && strncmp(name, word, length) == 0) return true;
    }
    return false;
}

bool command_unknown(const char *word, Error *err) {
    const char *names[128];
    size_t count = 0;
    for (const Command *const *each = commands; *each && count < 128; each++) names[count++] = (*each)->name;
    const char *near = strcmp(word, "exit") == 0 ? "quit" : text_nearest(word, names, count);
    if (near) return error_set(err, STATUS_USAGE, "unknown command '%s'; did you mean %s?", word, near);
    return error_set(err, STATUS_USAGE, "unknown command '%s' (help lists them)", word);
}
