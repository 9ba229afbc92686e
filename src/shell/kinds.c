/* kinds -- see kinds.h. */
#include "kinds.h"
#include "help.h"
#include "jobs.h"
#include "lua_shell.h"
#include "paths.h"
#include "session.h"
#include "words.h"
#include "workspace.h"

#include <dirent.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>

#include "weft/base/error.h"
#include "weft/base/memory.h"
#include "weft/base/text.h"

/* ---- candidates -------------------------------------------------------------------------------------------------- */

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

void offer_text(Offer *offer, const char *text) {
    offer_bytes(offer, text, strlen(text));
}

void offer_format(Offer *offer, const char *format, ...) {
    Str text = {0};
    va_list args;
    va_start(args, format);
    str_addv(&text, format, args);
    va_end(args);
    offer_text(offer, str_text(&text));
    str_done(&text);
}

static void offer_any(Offer *offer, int kind) {
    const Session *session = offer->session;
    for (size_t i = 0; i < session->object_count; i++)
        if (kind < 0 || (int)session->objects[i]->kind == kind) offer_text(offer, session->objects[i]->name);
}

static void offer_choices(Offer *offer) {
    for (const char *const *choice = offer->setting->choices; choice && *choice; choice++) offer_text(offer, *choice);
}

static void offer_paths(Offer *offer, bool folders) {
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
        const bool is_folder = stat(str_text(&whole), &status) == 0 && S_ISDIR(status.st_mode);
        if (is_folder) str_add(&name, "/");
        if (is_folder || !folders) offer_text(offer, str_text(&name));
        str_done(&name);
        str_done(&whole);
    }
    if (directory) closedir(directory);
    str_done(&folder);
    str_done(&path);
}

void offer_files(Offer *offer) {
    offer_paths(offer, false);
}

static void offer_folders(Offer *offer) {
    offer_paths(offer, true);
}

static void offer_sample(void *offer, const char *name) {
    offer_format(offer, "sample:%s", name);
}

/* Files to load: with the samples, once their prefix is typed. */
static void offer_inputs(Offer *offer) {
    if (strncmp(offer->prefix, "sample:", 7) == 0)
        sample_each(SAMPLE_NETWORK, offer_sample, offer);
    else if (offer->length && strncmp("sample:", offer->prefix, offer->length) == 0)
        offer_text(offer, "sample:");
    offer_files(offer);
}

/* Jobs by their folders and by their numbers. */
static void offer_runs(Offer *offer) {
    Words folders;
    Error err;
    if (jobs_list(&folders, &err)) {
        for (size_t i = 0; i < folders.count; i++) {
            offer_text(offer, folders.word[i]);
            if (offer->length) offer_format(offer, "%zu", i + 1);
        }
        words_done(&folders);
    }
    offer_files(offer);
}

static void offer_layers_as(Offer *offer, bool selector) {
    const Network *network = object_network(offer->about);
    for (size_t i = 0; network && i < network->layer_count; i++) {
        const Layer *layer = &network->layers[i];
        offer_text(offer, layer->name);
        if (!selector || layer->stage < 0) continue;
        offer_format(offer, "stage:%d", layer->stage);
        if (layer->block < 0) continue;
        offer_format(offer, "block:%d.%d", layer->stage, layer->block);
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
        offer_format(offer, "%s:", kind->name);
    }
    if (!colon) return;
    if (strncmp(offer->prefix, "sample:", 7) == 0) {
        sample_each(SAMPLE_IMAGES, offer_sample, offer);
        return;
    }
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

void offer_command_words(Offer *offer, const char *first) {
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
static void offer_columns(Offer *offer) {
    const Object *about = offer->about ? offer->about : workspace_newest(offer->session, OBJECT_TABLE);
    const bool descending = *offer->prefix == '-'; /* sort TABLE -COLUMN */
    for (size_t i = 0; about && about->table && i < about->table->column_count; i++)
        offer_format(offer, descending ? "-%s" : "%s", about->table->columns[i].name);
}

static void offer_architectures(Offer *offer, bool presets) {
    Error err;
    ArchitectureList *list = architecture_list(NULL, &err);
    for (size_t i = 0; list && i < list->count; i++) {
        const ArchitectureInfo *family = &list->families[i];
        if (!presets) offer_text(offer, family->name);
        for (size_t k = 0; presets && k < family->preset_count; k++) offer_text(offer, family->presets[k]);
        for (size_t k = 0; !presets && k < family->variant_count; k++) {
            offer_format(offer, "%s:%s", family->name, family->variants[k].name);
        }
    }
    architecture_list_free(list);
}

/* Those that a sweep runs over. */
static void offer_makers(Offer *offer) {
    for (const Command *const *each = commands; *each; each++)
        if ((*each)->apply) offer_text(offer, (*each)->name);
}

static void offer_numbers(Offer *offer) {
    SettingWalk walk = {0};
    Setting setting;
    while (offer->maker && settings_next(offer->maker->options, offer->maker->changes, &walk, &setting))
        if (setting_is_number(&setting)) offer_format(offer, "%s=", setting.name);
}

static void offer_layer(Offer *offer) {
    offer_layers_as(offer, false);
}

static void offer_selectors(Offer *offer) {
    offer_layers_as(offer, true);
}

static void offer_families(Offer *offer) {
    offer_architectures(offer, false);
    offer_files(offer);
}

static void offer_presets(Offer *offer) {
    offer_architectures(offer, true);
    offer_files(offer);
}

static void offer_topics(Offer *offer) {
    offer_command_words(offer, NULL);
    for (const HelpTopic *topic = help_topics; topic->name; topic++) offer_text(offer, topic->name);
}

static void offer_lesson_name(void *offer, const char *name) {
    offer_text(offer, name);
}

static void offer_lessons(Offer *offer) {
    sample_each(SAMPLE_LESSON, offer_lesson_name, offer);
    offer_files(offer);
}

void offer_any_object(Offer *offer) {
    offer_any(offer, -1);
}

static void offer_shown(Offer *offer) {
    offer_any(offer, -1);
    offer_files(offer);
}

static void offer_logs(Offer *offer) {
    offer_any(offer, OBJECT_PREDICTOR);
    offer_runs(offer);
}

/* ---- reading ----------------------------------------------------------------------------------------------------- */

static bool read_new(Session *session, const Setting *setting, const char *text, Error *err) {
    (void)setting;
    return workspace_name_check(session, text, err);
}

static bool read_filled(Session *session, const Setting *setting, const char *text, Error *err) {
    (void)session;
    if (*text) return true;
    Str called = {0};
    setting_called(setting, &called);
    error_set(err, STATUS_USAGE, "%s is empty", str_text(&called));
    str_done(&called);
    return false;
}

static bool read_maker(Session *session, const Setting *setting, const char *text, Error *err) {
    size_t used;
    const Command *command = command_find(&text, 1, &used);
    if (command && command->apply) return true;
    Str known = {0}, called = {0};
    (void)session;
    setting_called(setting, &called);
    for (const Command *const *each = commands; *each; each++)
        if ((*each)->apply) str_addf(&known, "%s%s", known.length ? ", " : "", (*each)->name);
    error_set(err, STATUS_USAGE, "%s is a command that makes a network: %s; not '%s'", str_text(&called),
              str_text(&known), text);
    str_done(&known);
    str_done(&called);
    return false;
}

/* ---- the kinds --------------------------------------------------------------------------------------------------- */

typedef struct Kind {
    void (*offer)(Offer *offer);                                                           /* NULL: nothing */
    bool (*check)(Session *session, const Setting *setting, const char *text, Error *err); /* NULL: any text will do */
    enum { NO_OBJECT, A_NETWORK, A_PREDICTOR, A_DATASET, A_TABLE, ANY_OBJECT } object;
} Kind;

static const Kind kinds[SETTING_KIND_COUNT] = {
    [SETTING_SWITCH] = {.offer = offer_choices},
    [SETTING_CHOICE] = {.offer = offer_choices},
    [SETTING_TEXT] = {.offer = offer_choices},
    [SETTING_COLUMN] = {.offer = offer_columns},
    [SETTING_FILE] = {.offer = offer_inputs, .check = read_filled},
    [SETTING_FOLDER] = {.offer = offer_folders, .check = read_filled},
    [SETTING_OUTPUT] = {.offer = offer_files, .check = read_filled},
    [SETTING_SHOWN] = {.offer = offer_shown},
    [SETTING_RUN] = {.offer = offer_runs, .check = read_filled},
    [SETTING_LOG] = {.offer = offer_logs, .check = read_filled},
    [SETTING_NEW] = {.offer = offer_any_object, .check = read_new},
    [SETTING_LAYER] = {.offer = offer_layer},
    [SETTING_LAYERS] = {.offer = offer_selectors},
    [SETTING_FAMILY] = {.offer = offer_families},
    [SETTING_PRESET] = {.offer = offer_presets},
    [SETTING_SPEC] = {.offer = offer_specs},
    [SETTING_TOPIC] = {.offer = offer_topics},
    [SETTING_LESSON] = {.offer = offer_lessons, .check = read_filled},
    [SETTING_MAKER] = {.offer = offer_makers, .check = read_maker},
    [SETTING_OVER] = {.offer = offer_numbers},
    [SETTING_NETWORK] = {.object = A_NETWORK},
    [SETTING_PREDICTOR] = {.object = A_PREDICTOR},
    [SETTING_DATASET] = {.object = A_DATASET},
    [SETTING_TABLE] = {.object = A_TABLE},
    [SETTING_OBJECT] = {.object = ANY_OBJECT},
};

static ObjectKind object_of(const Kind *kind) {
    return (ObjectKind)(kind->object - A_NETWORK);
}

void offer_values(Offer *offer) {
    const Kind *kind = &kinds[offer->setting->kind];
    if (kind->object) offer_any(offer, kind->object == ANY_OBJECT ? -1 : (int)object_of(kind));
    if (kind->offer) kind->offer(offer);
}

bool kind_read(Session *session, const Setting *setting, const char *text, SettingValue *out, Error *err) {
    const Kind *kind = &kinds[setting->kind];
    if (kind->object == A_TABLE && !lua_publish(session, text, err)) return false;
    if (kind->object) {
        out->object = kind->object == ANY_OBJECT ? workspace_any(session, text, err)
                                                 : workspace_need(session, text, object_of(kind), err);
        return out->object != NULL;
    }
    return (!kind->check || kind->check(session, setting, text, err)) && setting_read(setting, text, out, err);
}
