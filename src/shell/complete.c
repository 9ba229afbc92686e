/* complete -- what Tab offers: commands, options, option values, objects, layers, files; all from the command table. */
#include <stdio.h>
#include <dirent.h>
#include <readline/readline.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "session.h"
#include "weft/base/error.h"
#include "weft/base/memory.h"
#include "weft/base/text.h"

/* ---- collecting candidates --------------------------------------------------------------------------------------- */

typedef struct Offer {
    Words *out;
    const char *prefix;
    size_t length;
} Offer;

static void offer_bytes(Offer *offer, const char *text, size_t size) {
    if (size < offer->length || strncmp(text, offer->prefix, offer->length) != 0) return;
    Words *words = offer->out;
    for (size_t i = 0; i < words->count; i++)
        if (strlen(words->word[i]) == size && strncmp(words->word[i], text, size) == 0) return;
    Error err;
    if (!mem_grow(&words->word, &words->capacity, words->count + 1, sizeof(char *), &err)) return;
    words->word[words->count] = mem_copy_bytes(text, size, &err);
    if (words->word[words->count]) words->count++;
}

static void offer_text(Offer *offer, const char *text) {
    offer_bytes(offer, text, strlen(text));
}

static void offer_objects(Offer *offer, const Session *session, int kind) {
    for (size_t i = 0; i < session->object_count; i++)
        if (kind < 0 || (int)session->objects[i]->kind == kind) offer_text(offer, session->objects[i]->name);
}

static void offer_choices(Offer *offer, const char *choices) {
    while (choices) {
        size_t size = strcspn(choices, "|");
        offer_bytes(offer, choices, size);
        choices = choices[size] ? choices + size + 1 : NULL;
    }
}

static void offer_files(Offer *offer) {
    const char *slash = strrchr(offer->prefix, '/');
    size_t folder_length = slash ? (size_t)(slash - offer->prefix) + 1 : 0;
    Str folder = {0}, path = {0};
    Error err;
    str_add_bytes(&folder, offer->prefix, folder_length);
    DIR *directory =
        path_expand(folder_length ? str_text(&folder) : ".", &path, &err) ? opendir(str_text(&path)) : NULL;
    for (struct dirent *entry; directory && (entry = readdir(directory));) {
        if (entry->d_name[0] == '.' && offer->prefix[folder_length] != '.') continue;
        if (strcmp(entry->d_name, ".") == 0 || strcmp(entry->d_name, "..") == 0) continue;
        Str name = {0}, whole = {0};
        struct stat status;
        str_addf(&name, "%s%s", str_text(&folder), entry->d_name);
        str_addf(&whole, "%s/%s", str_text(&path), entry->d_name);
        if (stat(str_text(&whole), &status) == 0 && S_ISDIR(status.st_mode)) str_add(&name, "/");
        offer_text(offer, str_text(&name));
        str_done(&name);
        str_done(&whole);
    }
    if (directory) closedir(directory);
    str_done(&folder);
    str_done(&path);
}

/* Jobs by their folders, which tell more than numbers. */
static void offer_runs(Offer *offer) {
    Words folders;
    Error err;
    if (jobs_list(&folders, &err)) {
        for (size_t i = 0; i < folders.count; i++) offer_text(offer, folders.word[i]);
        words_done(&folders);
    }
    offer_files(offer);
}

static void offer_layers(Offer *offer, const Network *network, bool selector) {
    for (size_t i = 0; network && i < network->layer_count; i++) {
        const Layer *layer = &network->layers[i];
        offer_text(offer, layer->name);
        if (!selector || layer->stage < 0) continue;
        char text[64];
        snprintf(text, sizeof text, "stage:%d", layer->stage);
        offer_text(offer, text);
        if (layer->block < 0) continue;
        snprintf(text, sizeof text, "block:%d.%d", layer->stage, layer->block);
        offer_text(offer, text);
    }
    if (selector) offer_text(offer, "all");
}

/* The first `length` bytes of what is being completed, then each of "train|test[:DIR]"'s words. */
static void offer_parts(Offer *offer, size_t length, const char *parts) {
    for (const char *end = parts + strcspn(parts, "[:"); parts < end; parts++) {
        size_t size = strcspn(parts, "|[:");
        Str text = {0};
        str_add_bytes(&text, offer->prefix, length);
        str_add_bytes(&text, parts, size);
        offer_text(offer, str_text(&text));
        str_done(&text);
        parts += size;
    }
}

static void offer_specs(Offer *offer) {
    const char *colon = strchr(offer->prefix, ':');
    for (const DatasetKind *kind = dataset_kinds(); !colon && kind->name; kind++) {
        Str text = {0};
        str_addf(&text, "%s:", kind->name);
        offer_text(offer, str_text(&text));
        str_done(&text);
    }
    if (!colon) return;
    for (const DatasetKind *kind = dataset_kinds(); kind->name; kind++) {
        size_t name = strlen(kind->name);
        const char *last = strrchr(offer->prefix, ':');
        const char *parts = strstr(kind->form, "train|test");
        bool folder_first = strstr(kind->form, ":DIR:") != NULL; /* cifar10:DIR:test, but fashion-mnist:test */
        if (strncmp(offer->prefix, kind->name, name) != 0 || offer->prefix[name] != ':') continue;
        if (!parts || (last == colon) == folder_first) continue;
        offer_parts(offer, (size_t)(last - offer->prefix) + 1, parts);
        return;
    }
    Offer files = {.out = offer->out, .prefix = colon + 1, .length = strlen(colon + 1)};
    size_t before = offer->out->count;
    offer_files(&files);
    for (size_t i = before; i < offer->out->count; i++) { /* give them the "cifar10:" back */
        Str text = {0};
        Error err;
        str_add_bytes(&text, offer->prefix, (size_t)(colon - offer->prefix) + 1);
        str_add(&text, offer->out->word[i]);
        char *copy = mem_copy_text(str_text(&text), &err);
        str_done(&text);
        if (!copy) continue;
        mem_free(offer->out->word[i]);
        offer->out->word[i] = copy;
    }
}

static void offer_command_words(Offer *offer, const char *first) {
    size_t first_length = first ? strlen(first) : 0;
    for (const Command *const *each = commands; *each; each++) {
        const char *name = (*each)->name, *space = strchr(name, ' ');
        if (!first)
            offer_bytes(offer, name, strcspn(name, " "));
        else if (space && (size_t)(space - name) == first_length && strncmp(name, first, first_length) == 0)
            offer_text(offer, space + 1);
    }
}

/* The columns of the table that was named, else of the newest one. */
static void offer_columns(Offer *offer, const Session *session, const Object *about) {
    if (!about) about = workspace_newest(session, OBJECT_TABLE);
    for (size_t i = 0; about && about->table && i < about->table->column_count; i++)
        offer_text(offer, about->table->columns[i].name);
}

static void offer_architectures(Offer *offer, bool presets) {
    Error err;
    ArchitectureList *list = architecture_list(NULL, &err);
    for (size_t i = 0; list && i < list->count; i++) {
        const ArchitectureInfo *family = &list->families[i];
        if (!presets) offer_text(offer, family->name);
        for (size_t k = 0; presets && k < family->preset_count; k++) offer_text(offer, family->presets[k]);
        for (size_t k = 0; !presets && k < family->variant_count; k++) {
            Str text = {0};
            str_addf(&text, "%s:%s", family->name, family->variants[k].name);
            offer_text(offer, str_text(&text));
            str_done(&text);
        }
    }
    architecture_list_free(list);
}

/* Those that a sweep runs over. */
static void offer_makers(Offer *offer) {
    for (const Command *const *each = commands; *each; each++)
        if ((*each)->apply) offer_text(offer, (*each)->name);
}

static void offer_numbers(Offer *offer, const Command *maker) {
    for (const ArgSpec *spec = maker ? maker->options : NULL; spec && spec->name; spec++) {
        if (spec->kind != ARG_REAL && spec->kind != ARG_INTEGER) continue;
        Str text = {0};
        str_addf(&text, "%s=", spec->name);
        offer_text(offer, str_text(&text));
        str_done(&text);
    }
}

/* `maker`: the command that is run by the one that is completed, or NULL. */
static void offer_value(Offer *offer, const Session *session, const ArgSpec *spec, const Command *maker,
                        const Object *about) {
    const Network *network = about ? about->network : NULL;
    switch (spec->kind) {
    case ARG_TEXT:
    case ARG_CHOICE:
        offer_choices(offer, spec->choices);
        break;
    case ARG_COLUMN:
        offer_columns(offer, session, about);
        break;
    case ARG_NETWORK:
        offer_objects(offer, session, OBJECT_NETWORK);
        break;
    case ARG_PREDICTOR:
        offer_objects(offer, session, OBJECT_PREDICTOR);
        break;
    case ARG_DATASET:
        offer_objects(offer, session, OBJECT_DATASET);
        break;
    case ARG_TABLE:
        offer_objects(offer, session, OBJECT_TABLE);
        break;
    case ARG_OBJECT:
    case ARG_NEW:
        offer_objects(offer, session, -1);
        break;
    case ARG_SHOWN:
        offer_objects(offer, session, -1);
        offer_files(offer);
        break;
    case ARG_FILE:
    case ARG_OUTPUT:
        offer_files(offer);
        break;
    case ARG_LOG:
        offer_objects(offer, session, OBJECT_PREDICTOR);
        offer_runs(offer);
        break;
    case ARG_RUN:
        offer_runs(offer);
        break;
    case ARG_LAYER:
        offer_layers(offer, network, false);
        break;
    case ARG_LAYERS:
        offer_layers(offer, network, true);
        break;
    case ARG_FAMILY:
    case ARG_PRESET:
        offer_architectures(offer, spec->kind == ARG_PRESET);
        offer_files(offer);
        break;
    case ARG_SPEC:
        offer_specs(offer);
        break;
    case ARG_COMMAND:
        offer_command_words(offer, NULL);
        for (const HelpTopic *topic = help_topics; topic->name; topic++) offer_text(offer, topic->name);
        break;
    case ARG_MAKER:
        offer_makers(offer);
        break;
    case ARG_OVER:
        offer_numbers(offer, maker);
        break;
    case ARG_FLAG:
    case ARG_INTEGER:
    case ARG_REAL:
    case ARG_REST:
        break;
    }
}

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

static const ArgSpec *find_option(const Command *command, const Command *maker, const char *name, size_t length) {
    const ArgSpec *groups[] = {command->options, common_options, maker ? maker->options : NULL};
    for (size_t g = 0; g < 3; g++)
        for (const ArgSpec *spec = groups[g]; spec && spec->name; spec++)
            if (strlen(spec->name) == length && strncmp(spec->name, name, length) == 0) return spec;
    return NULL;
}

static void offer_options(Offer *offer, const Command *command, const Command *maker) {
    const ArgSpec *groups[] = {command->options, common_options, maker ? maker->options : NULL};
    for (size_t g = 0; g < 3; g++)
        for (const ArgSpec *spec = groups[g]; spec && spec->name; spec++) {
            if (g == 1 && !common_applies(command, spec)) continue;
            if (g == 2 && (spec->kind == ARG_NEW || find_option(command, NULL, spec->name, strlen(spec->name))))
                continue; /* what the command gives it itself, and what has a meaning of its own */
            Str text = {0};
            str_addf(&text, "--%s", spec->name);
            offer_text(offer, str_text(&text));
            str_done(&text);
        }
}

/* Behind the comma of idx:IMAGES,LABELS, where a word ends for whoever completes. */
static const ArgSpec second_file = {.name = "LABELS", .kind = ARG_FILE};

/* The spec that the word at the cursor fills, after the words before it; NULL: none. *about: the first object named so
 * far whose layers or columns may be asked for. */
static const ArgSpec *expected(const Session *session, const Command *command, const Words *words, size_t used,
                               const Object **about) {
    const ArgSpec *positional = command->positionals;
    const Command *maker = passed_to(command, words, used);
    *about = NULL;
    for (size_t i = used; i < words->count; i++) {
        const char *word = words->word[i];
        if (strncmp(word, "--", 2) == 0 && word[2]) {
            const char *equals = strchr(word, '=');
            const ArgSpec *spec =
                find_option(command, maker, word + 2, equals ? (size_t)(equals - word - 2) : strlen(word + 2));
            if (!spec || spec->kind == ARG_FLAG) continue;
            const bool last = i + 1 == words->count, behind = !equals && i + 2 == words->count;
            const char end = behind ? words->word[i + 1][strlen(words->word[i + 1]) - 1] : '\0';
            if (end == '=' && spec->kind == ARG_OVER) return NULL; /* a number */
            if (last || end == ',') return spec;
            if (!equals) i++;
            const char *value = equals ? equals + 1 : words->word[i]; /* load predictor ... --for NET --layers SEL */
            if (spec->kind == ARG_NETWORK && !*about) *about = workspace_find(session, value);
            continue;
        }
        const Object *object = workspace_find(session, word);
        if (object && object->kind != OBJECT_DATASET && !*about) *about = object;
        if (!positional || !positional->name || positional->repeated) continue;
        if (positional->kind == ARG_SPEC && i + 1 == words->count && word[strlen(word) - 1] == ',') return &second_file;
        positional++;
    }
    return positional && positional->name ? positional : NULL;
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
    Offer offer = {.out = out, .prefix = prefix, .length = end - start};
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
        const Object *about;
        const ArgSpec *spec = expected(session, command, &words, used, &about);
        bool value = spec && spec->value;
        if (!value && strncmp(prefix, "-", 1) == 0)
            offer_options(&offer, command, passed_to(command, &words, used));
        else if (spec)
            offer_value(&offer, session, spec, passed_to(command, &words, used), about);
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
