/* complete -- completions offered by Tab: commands, options, option values, objects, layers, files; all from the
 * command table. */
#include <stdio.h>
#include <dirent.h>
#include <readline/readline.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "complete.h"
#include "lua_shell.h"
#include "words.h"
#include "workspace.h"
#include "weft/base/error.h"
#include "weft/base/memory.h"
#include "weft/base/text.h"

#include "kinds.h"

/* ---- where the word stands --------------------------------------------------------------------------------------- */

/* The words before `start`, cut at blanks: good enough to know where the cursor is. */
static void words_before(const char *line, size_t start, Words *out) {
    Error err;
    size_t begin = 0;
    for (size_t i = 0; i < start; i++)
        if (line[i] == ';') begin = i + 1;
    for (size_t i = begin; i < start;) {
        i += strspn(line + i, " \t");
        size_t length = strcspn(line + i, " \t");
        if (i + length > start) length = start > i ? start - i : 0;
        if (!length || !mem_grow(&out->word, &out->capacity, out->count + 1, sizeof(char *), &err)) break;
        out->word[out->count] = mem_copy_bytes(line + i, length, &err);
        if (!out->word[out->count]) break;
        out->count++;
        i += length;
    }
}

/* The command whose options `command` takes too, its first argument. */
static const Command *passed_to(const Command *command, const Words *words, size_t used) {
    const char *const *rest = (const char *const *)words->word + used;
    size_t taken;
    return command->passes && words->count > used ? command_find(rest, words->count - used, &taken) : NULL;
}

static bool find_option(const Command *command, const Command *maker, const char *name, size_t length, Setting *out) {
    return command_option(command, name, length, out) || (maker && command_option(maker, name, length, out));
}

static void offer_options(Offer *offer, const Command *command) {
    CommandWalk walk = {0};
    Setting setting, own;
    while (command_next(command, &walk, &setting))
        if (walk.part != PART_POSITIONALS) offer_format(offer, "--%s", setting.name);
    walk = (CommandWalk){0};
    while (offer->maker && command_next(offer->maker, &walk, &setting))
        /* but for what the command gives it itself, and what has a meaning of its own */
        if (walk.part == PART_OPTIONS && setting.kind != SETTING_NEW &&
            !command_option(command, setting.name, strlen(setting.name), &own))
            offer_format(offer, "--%s", setting.name);
}

/* An option word and the words behind it: whether the cursor stands in its value. *i is moved past the value. */
static bool in_option(const Session *session, const Words *words, const Setting *setting, size_t *i,
                      const Object **about) {
    const char *word = words->word[*i], *equals = strchr(word, '=');
    const bool last = *i + 1 == words->count, behind = !equals && *i + 2 == words->count;
    const char end = behind ? words->word[*i + 1][strlen(words->word[*i + 1]) - 1] : '\0';
    if (last || end == ',' || (end == '=' && setting->kind == SETTING_OVER)) return true;
    if (!equals) ++*i;
    const char *value = equals ? equals + 1 : words->word[*i]; /* load predictor ... --for NET --layers SEL */
    if (setting->kind == SETTING_NETWORK && !*about) *about = workspace_find(session, value);
    return false;
}

/* Behind the comma of idx:IMAGES,LABELS, where a word ends for whoever completes. */
static const Setting second_file = {.name = "LABELS", .kind = SETTING_FILE};

/* The row that the word at the cursor fills, after the words before it; false: none. offer->about becomes the first
 * object named so far whose layers or columns may be asked for. */
static bool expected(Offer *offer, const Command *command, const Words *words, size_t used, Setting *out) {
    const Setting *positional = command->positionals;
    for (size_t i = used; i < words->count; i++) {
        const char *word = words->word[i];
        if (strncmp(word, "--", 2) == 0 && word[2]) {
            if (!find_option(command, offer->maker, word + 2, strcspn(word + 2, "="), out) || out->kind == SETTING_FLAG)
                continue;
            if (!in_option(offer->session, words, out, &i, &offer->about)) continue;
            const char *last = words->word[words->count - 1];
            return out->kind != SETTING_OVER || last[strlen(last) - 1] != '='; /* behind it stands a number */
        }
        const Object *object = workspace_find(offer->session, word);
        if (object && object->kind != OBJECT_DATASET && !offer->about) offer->about = object;
        if (!positional || !positional->name || positional->repeated) continue;
        if (positional->kind == SETTING_SPEC && i + 1 == words->count && word[strlen(word) - 1] == ',') {
            *out = second_file;
            return true;
        }
        positional++;
    }
    if (!positional || !positional->name) return false;
    *out = *positional;
    return true;
}

static int compare(const void *a, const void *b) {
    return strcmp(*(char *const *)a, *(char *const *)b);
}

static bool collect(Session *session, const char *line, size_t start, size_t end, Words *out) {
    Words words = {0};
    Error err;
    *out = (Words){0};
    char *prefix = mem_copy_bytes(line + start, end - start, &err);
    if (!prefix) return false;
    words_before(line, start, &words);
    Offer offer = {.session = session, .out = out, .prefix = prefix, .length = end - start};
    size_t used = 0;
    const Command *command = words.count ? command_find((const char *const *)words.word, words.count, &used) : NULL;
    if (!words.count) {
        offer_command_words(&offer, NULL);
        int state = 0; /* Lua's names only where no command begins like this */
        for (const char *name; *prefix && !out->count && (name = lua_global_name(session, prefix, &state));)
            offer_text(&offer, name);
    } else if (!command) {
        offer_command_words(&offer, words.count == 1 ? words.word[0] : "");
    } else {
        Setting setting;
        offer.maker = passed_to(command, &words, used);
        if (expected(&offer, command, &words, used, &setting)) offer.setting = &setting;
        const bool value = offer.setting && offer.setting->value;
        if (!value && strncmp(prefix, "-", 1) == 0)
            offer_options(&offer, command);
        else if (offer.setting)
            offer_values(&offer);
    }
    words_done(&words);
    mem_free(prefix);
    if (out->count > 1) qsort(out->word, out->count, sizeof(char *), compare);
    return true;
}

bool complete_candidates(Session *session, const char *line, size_t start, size_t end, Words *out) {
    return collect(session, line, start, end, out);
}

/* ---- readline ---------------------------------------------------------------------------------------------------- */

static Session *completing; /* readline's callbacks take no context */

/* A completed word as it must stand on the line: blanks, quotes and the like behind a \\. */
static char *escaped(const char *word) {
    Str out = {0};
    for (; *word; word++) {
        if (strchr(" \t\\\"'$;#", *word)) str_add(&out, "\\");
        str_add_bytes(&out, word, 1);
    }
    char *copy = strdup(str_text(&out));
    str_done(&out);
    return copy;
}

/* readline wants its matches malloc'ed: the common prefix first, then all of them. */
static char **attempt(const char *text, int start, int end) {
    Words words;
    (void)text;
    rl_attempted_completion_over = 1;
    if (!collect(completing, rl_line_buffer, (size_t)start, (size_t)end, &words)) return NULL;
    char **matches = words.count ? calloc(words.count + 2, sizeof *matches) : NULL;
    if (matches) {
        size_t common = strlen(words.word[0]);
        for (size_t i = 0; i < words.count; i++) {
            matches[i + 1] = strdup(words.word[i]);
            size_t same = 0;
            while (same < common && words.word[i][same] == words.word[0][same]) same++;
            common = same;
        }
        char *first = strndup(words.word[0], common);
        matches[0] = first ? escaped(first) : NULL;
        free(first);
        if (words.count == 1) {
            free(matches[1]);
            matches[1] = NULL;
            size_t length = strlen(matches[0]);
            bool open = length && strchr("/:=", matches[0][length - 1]);
            rl_completion_append_character = open ? '\0' : ' ';
        }
        rl_filename_completion_desired = 0;
        rl_sort_completion_matches = 0;
    }
    words_done(&words);
    return matches;
}

void complete_start(Session *session) {
    completing = session;
    rl_attempted_completion_function = attempt;
    rl_completer_word_break_characters = " \t\n;=,\"'$(){}";
}
