/* complete -- completions offered by Tab: commands, options, option values, objects, layers, files; all from the
 * command table. */
#include <ctype.h>
#include <stdio.h>
#include <dirent.h>
#include <readline/readline.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "complete.h"
#include "lua_shell.h"
#include "script.h"
#include "words.h"
#include "workspace.h"
#include "weft/base/error.h"
#include "weft/base/memory.h"
#include "weft/base/text.h"

#include "kinds.h"

/* ---- where the word stands --------------------------------------------------------------------------------------- */

/* Adds the words of line[from] to line[to - 1] without their quotes and backslashes; the last may be open (`cutoff=`).
 * Returns the quote that is open at the end, or 0. */
static char words_before(const char *line, size_t from, size_t to, Words *out) {
    Error err;
    char quote = 0;
    for (size_t i = from; i < to;) {
        while (i < to && strchr(" \t\n", line[i])) i++;
        Str word = {0};
        for (; i < to && (quote || !strchr(" \t\n", line[i])); i++) {
            if (quote ? line[i] == quote : (line[i] == '\'' || line[i] == '"'))
                quote = quote ? '\0' : line[i];
            else if (line[i] == '\\' && quote != '\'' && i + 1 < to)
                str_add_bytes(&word, &line[++i], 1);
            else
                str_add_bytes(&word, &line[i], 1);
        }
        if (word.length) words_add(out, str_text(&word), &err);
        str_done(&word);
    }
    return quote;
}

/* Where the command or chunk begins that holds `start`: behind the lines before it that are complete, and the last ;
 * outside quotes. */
static size_t statement_start(Session *session, const char *line, size_t start) {
    const Reader nothing = {0};
    size_t begin = 0;
    for (size_t i = 0; i < start; i++) {
        if (line[i] != '\n') continue;
        Str before = {0};
        str_add_bytes(&before, line + begin, i - begin);
        if (!script_open(session, &nothing, str_text(&before))) begin = i + 1;
        str_done(&before);
    }
    char quote = 0;
    for (size_t i = begin; i < start; i++) {
        if (line[i] == '\\' && quote != '\'')
            i++;
        else if (quote ? line[i] == quote : (line[i] == '\'' || line[i] == '"'))
            quote = quote ? '\0' : line[i];
        else if (line[i] == ';' && !quote)
            begin = i + 1;
    }
    return begin;
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
    while (command_row(command, &walk, &setting))
        if (walk.part != PART_POSITIONALS) offer_format(offer, "--%s", setting.name);
    walk = (CommandWalk){0};
    while (offer->maker && command_row(offer->maker, &walk, &setting))
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

/* ---- Lua --------------------------------------------------------------------------------------------------------- */

typedef struct LuaOffer {
    Offer *offer;
    const char *before; /* what stands before the name in the word that is completed */
} LuaOffer;

static void offer_name(void *context, const char *name) {
    const LuaOffer *lua = context;
    offer_format(lua->offer, "%s%s", lua->before, name);
}

/* Names that complete the end of the word. */
static void offer_lua(Offer *offer, bool own) {
    size_t start = offer->length;
    while (start && (isalnum((unsigned char)offer->prefix[start - 1]) || strchr("_.:", offer->prefix[start - 1])))
        start--;
    Str before = {0};
    str_add_bytes(&before, offer->prefix, start);
    LuaOffer lua = {offer, str_text(&before)};
    lua_names(offer->session, offer->prefix + start, own, offer_name, &lua);
    str_done(&before);
}

/* Whether the cursor stands inside $( ... ). */
static bool in_expression(const char *line, size_t begin, size_t start) {
    int depth = 0;
    for (size_t i = begin; i + 1 < start; i++) {
        if (line[i] == '$' && line[i + 1] == '(' && !depth)
            depth = 1, i++;
        else if (depth)
            depth += (line[i + 1] == '(' && line[i] != '$') - (line[i] == ')');
    }
    return depth > 0;
}

/* The first word: commands, names of the user's own, and Lua's where nothing else begins like this. */
static void offer_first(Offer *offer) {
    if (!strpbrk(offer->prefix, ".:")) {
        offer_command_words(offer, NULL);
        if (offer->length) offer_lua(offer, true);
    }
    if (!offer->out->count && offer->length) offer_lua(offer, false);
}

/* ---- all of it --------------------------------------------------------------------------------------------------- */

static void offer_argument(Offer *offer, const Command *command, const Words *words, size_t used) {
    Setting setting;
    if (command->positionals && command->positionals[0].kind == SETTING_REST) { /* to the end of the line */
        strcmp(command->name, "expect") == 0 ? offer_lua(offer, false) : offer_files(offer);
        return;
    }
    offer->maker = passed_to(command, words, used);
    if (expected(offer, command, words, used, &setting)) offer->setting = &setting;
    const bool value = offer->setting && offer->setting->value;
    const bool option = !value && *offer->prefix == '-';
    const bool column = offer->setting && setting.kind == SETTING_COLUMN; /* which may have a - before it */
    if (option) offer_options(offer, command);
    if (offer->setting && (!option || (column && offer->prefix[1] != '-'))) offer_values(offer);
}

static void collect(Offer *offer, const char *line, size_t start) {
    const size_t begin = statement_start(offer->session, line, start);
    const char *statement = line + begin + strspn(line + begin, " \t");
    Words words = {0};
    size_t used = 0;
    const char quote = words_before(line, begin, start, &words);
    const bool typed = script_command_line(statement) && words.count;
    const Command *command = typed ? command_find((const char *const *)words.word, words.count, &used) : NULL;
    if (start > begin && line[start - 1] == '$' && typed)
        offer_lua(offer, true);
    else if (typed && in_expression(line, begin, start))
        offer_lua(offer, false);
    else if (command)
        offer_argument(offer, command, &words, used);
    else if (typed)
        offer_command_words(offer, words.count == 1 ? words.word[0] : "");
    else if (!words.count && !quote)
        offer_first(offer);
    else if (*statement == '!')
        offer_files(offer);
    else if (quote)
        offer_any_object(offer);
    else if (offer->length)
        offer_lua(offer, false);
    words_done(&words);
}

/* What has been typed of a word, without its backslashes. */
static void typed_prefix(const char *line, size_t start, size_t end, Str *out) {
    const char quote = start ? line[start - 1] : '\0';
    for (size_t i = start; i < end; i++) {
        if (line[i] == '\\' && quote != '\'' && i + 1 < end) i++;
        str_add_bytes(out, &line[i], 1);
    }
}

static int compare(const void *a, const void *b) {
    return strcmp(*(char *const *)a, *(char *const *)b);
}

bool complete_candidates(Session *session, const char *line, size_t start, size_t end, Words *out) {
    Str prefix = {0};
    *out = (Words){0};
    typed_prefix(line, start, end, &prefix);
    Offer offer = {.session = session, .out = out, .prefix = str_text(&prefix), .length = prefix.length};
    if (!prefix.failed) collect(&offer, line, start);
    str_done(&prefix);
    if (out->count > 1) qsort(out->word, out->count, sizeof(char *), compare);
    return true;
}

/* ---- readline ---------------------------------------------------------------------------------------------------- */

static Session *completing; /* readline's callbacks take no context */

/* A completed word as it must stand on the line: in quotes, or with blanks, quotes and the like behind a \\. */
static char *escaped(const char *word, char quote) {
    const char *special = quote == '"' ? "\\\"$" : quote ? "" : " \t\\\"'$;#";
    Str out = {0};
    for (; *word; word++) {
        if (strchr(special, *word)) str_add(&out, "\\");
        str_add_bytes(&out, word, 1);
    }
    char *copy = strdup(str_text(&out));
    str_done(&out);
    return copy;
}

/* A lone match that is not yet a whole word: a folder, `cifar10:`, `cutoff=`, and what Lua puts behind a name. */
static bool goes_on(const char *word, const char *line, size_t start) {
    const size_t length = strlen(word);
    const size_t begin = statement_start(completing, line, start);
    const char *statement = line + begin + strspn(line + begin, " \t");
    if (length && strchr("/:=", word[length - 1])) return true;
    if ((size_t)(statement - line) == start) return strpbrk(word, ".:") != NULL; /* math.floor */
    return (size_t)(statement - line) < start && !script_command_line(statement);
}

/* readline wants its matches malloc'ed: the common prefix first, then all of them. */
static char **attempt(const char *text, int start, int end) {
    Words words;
    (void)text;
    rl_attempted_completion_over = 1;
    if (!complete_candidates(completing, rl_line_buffer, (size_t)start, (size_t)end, &words)) return NULL;
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
        matches[0] = first ? escaped(first, (char)rl_completion_quote_character) : NULL;
        free(first);
        if (words.count == 1) {
            free(matches[1]);
            matches[1] = NULL;
            const bool open = goes_on(words.word[0], rl_line_buffer, (size_t)start);
            rl_completion_append_character = open ? '\0' : ' ';
            rl_completion_suppress_quote = open;
        }
        rl_filename_completion_desired = 0;
        rl_sort_completion_matches = 0;
    }
    words_done(&words);
    return matches;
}

/* A blank behind a backslash does not end a word. */
static int behind_backslash(char *line, int index) {
    int slashes = 0;
    while (index - slashes > 0 && line[index - slashes - 1] == '\\') slashes++;
    return slashes % 2;
}

void complete_start(Session *session) {
    completing = session;
    rl_attempted_completion_function = attempt;
    rl_completer_word_break_characters = " \t\n;=,\"'$(){}";
    rl_completer_quote_characters = "\"'";
    rl_char_is_quoted_p = behind_backslash;
}
