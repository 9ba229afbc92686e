/* command -- the command table and look-up in it. */
#include "command.h"

#include <string.h>

#include "weft/base/error.h"
#include "weft/base/table.h"
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

static const Setting table_settings[] = {
    WORD(CommonOptions, as, NEW, "as", "NAME", .standard = "last", .help = "name under which the table is kept"),
    CHOICE(CommonOptions, format, "format", "FORMAT", TABLE_FORMATS, .usual = "table on a terminal, otherwise tsv",
           .help = "output format"),
    {0}};
static const Setting common_settings[] = {
    FLAG(CommonOptions, quiet, "quiet", .help = "print nothing; the result is still kept"),
    INTEGER(CommonOptions, seed, "seed", "N", .max = 9007199254740992.0,
            .help = "seed of everything random from here on"),
    FLAG(CommonOptions, help, "help", .help = "explain the command instead of running it"),
    {0}};

bool command_row(const Command *command, CommandWalk *walk, Setting *out) {
    const SettingGroup common[] = {{table_settings, 0}, {common_settings, 0}, {NULL, 0}};
    for (; walk->part < PART_COUNT; walk->part++, walk->walk = (SettingWalk){0}) {
        const SettingGroup *groups = walk->part == PART_POSITIONALS ? ONE_GROUP(command->positionals)
                                     : walk->part == PART_OPTIONS   ? command->options
                                     : command->table               ? common
                                                                    : common + 1;
        while (settings_next(groups, walk->part == PART_OPTIONS ? command->changes : NULL, &walk->walk, out))
            if (!out->internal) return true;
    }
    return false;
}

bool command_option(const Command *command, const char *name, size_t length, Setting *out) {
    CommandWalk walk = {0};
    while (command_row(command, &walk, out))
        if (walk.part != PART_POSITIONALS && strlen(out->name) == length && strncmp(out->name, name, length) == 0)
            return true;
    return false;
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

const char *command_nearest(const char *word) {
    const char *names[128];
    size_t count = 0;
    for (const Command *const *each = commands; *each && count < 128; each++) names[count++] = (*each)->name;
    return text_nearest(word, names, count);
}

bool command_unknown(const char *word, Error *err) {
    const char *near = command_nearest(word);
    if (near) return error_set(err, STATUS_USAGE, "unknown command '%s'; did you mean %s?", word, near);
    return error_set(err, STATUS_USAGE, "unknown command '%s' (help lists them)", word);
}
