/* architecture -- the families known: weft's own definitions, those of the user's folder, or one file that was named;
 * and what a name such as resnet18:pool means among them.
 */
#include "net/architecture.h"

#include <dirent.h>
#include <stdlib.h>
#include <string.h>

#include "weft/base/error.h"
#include "weft/base/file.h"
#include "weft/base/memory.h"
#include "weft/base/text.h"

enum { FILES_MAX = 100, FILE_SIZE_MAX = 1 << 20 };

static char own_folder[4096];

void architecture_folder(const char *folder) {
    const size_t length = folder ? strlen(folder) : 0;
    if (length < sizeof own_folder) memcpy(own_folder, folder ? folder : "", length + 1);
}

/* ---- files ------------------------------------------------------------------------------------------------------- */

/* A file's definitions, in a state of their own: a user's file cannot spoil others. *text is set to what is wrong with
 * it. */
static Definitions *load_file(const char *path, const char *name, Str *wrong, Error *err) {
    size_t length;
    Error why;
    char *text = file_read_all(path, FILE_SIZE_MAX, &length, &why);
    Definitions *definitions = text ? definitions_new(err) : NULL;
    if (text && !definitions) {
        mem_free(text);
        return NULL;
    }
    if (!text || !definitions_add(definitions, name, text, length, true, &why)) {
        definitions_free(definitions);
        definitions = NULL;
        if (why.status == STATUS_LIMIT && text)
            *err = why;
        else
            str_add(wrong, why.text);
    }
    mem_free(text);
    return definitions;
}

static int compare_names(const void *a, const void *b) {
    return strcmp(*(const char *const *)a, *(const char *const *)b);
}

/* The *.lua of the user's folder, sorted. */
static bool list_folder(char **names, size_t *count, Error *err) {
    DIR *listing = own_folder[0] ? opendir(own_folder) : NULL;
    bool done = true;
    *count = 0;
    for (struct dirent *entry; done && listing && *count < FILES_MAX && (entry = readdir(listing));) {
        if (entry->d_name[0] == '.' || !text_ends_with(entry->d_name, ".lua")) continue;
        names[*count] = mem_copy_text(entry->d_name, err);
        done = names[*count] != NULL;
        *count += done;
    }
    if (listing) closedir(listing);
    qsort(names, *count, sizeof *names, compare_names);
    return done;
}

/* ---- libraries --------------------------------------------------------------------------------------------------- */

static bool add_state(Library *library, Definitions *definitions, Error *err) {
    if (mem_grow(&library->states, &library->state_capacity, library->state_count + 1, sizeof(Definitions *), err)) {
        library->states[library->state_count++] = definitions;
        return true;
    }
    definitions_free(definitions);
    return false;
}

static bool add_embedded(Library *library, Error *err) {
    Definitions *definitions = definitions_new(err);
    if (!definitions || !add_state(library, definitions, err)) return false;
    for (const EmbeddedFile *file = architecture_files; file->name; file++)
        if (!definitions_add(definitions, file->name, file->text, strlen(file->text), false, err)) return false;
    return true;
}

static bool add_folder(Library *library, Error *err) {
    char *names[FILES_MAX];
    size_t count;
    bool done = list_folder(names, &count, err);
    for (size_t i = 0; i < count; i++) {
        Str path = {0};
        Error why = {0};
        str_addf(&path, "%s/%s", own_folder, names[i]);
        Str wrong = {0};
        Definitions *definitions = NULL;
        if (done && str_ok(&path, err)) definitions = load_file(path.text, names[i], &wrong, &why);
        if (definitions) done = add_state(library, definitions, err);
        if (wrong.length > 0) str_addf(&library->broken, "%s%s", library->broken.length > 0 ? "\n" : "", wrong.text);
        if (done && !definitions && wrong.length == 0) {
            done = false;
            *err = why;
        }
        str_done(&wrong);
        str_done(&path);
        mem_free(names[i]);
    }
    return done;
}

static bool add_named_file(Library *library, const char *file, Error *err) {
    Str wrong = {0};
    const char *slash = strrchr(file, '/');
    Definitions *definitions = load_file(file, slash ? slash + 1 : file, &wrong, err);
    if (!definitions && wrong.length > 0) error_set(err, STATUS_BAD_INPUT, "%s", wrong.text);
    if (!definitions && wrong.failed) str_ok(&wrong, err);
    str_done(&wrong);
    return definitions && add_state(library, definitions, err);
}

static bool list_families(Library *library, Error *err) {
    size_t count = 0;
    for (size_t i = 0; i < library->state_count; i++) count += definitions_count(library->states[i]);
    library->entries = mem_alloc(count, sizeof *library->entries, err);
    if (!library->entries) return false;
    for (size_t i = 0; i < library->state_count; i++)
        for (size_t k = 0; k < definitions_count(library->states[i]); k++)
            library->entries[library->count++] =
                (LibraryEntry){library->states[i], definitions_family(library->states[i], k), false};
    return true;
}

bool library_init(Library *library, const char *file, Error *err) {
    *library = (Library){.only_file = file != NULL};
    const bool done = file ? add_named_file(library, file, err)
                           : add_embedded(library, err) && add_folder(library, err) && str_ok(&library->broken, err);
    if (done && list_families(library, err)) return true;
    library_done(library);
    return false;
}

void library_done(Library *library) {
    for (size_t i = 0; i < library->state_count; i++) definitions_free(library->states[i]);
    mem_free(library->states);
    mem_free(library->entries);
    str_done(&library->broken);
    *library = (Library){0};
}

/* ---- listing ----------------------------------------------------------------------------------------------------- */

ArchitectureList *architecture_list(const char *file, Error *err) {
    ArchitectureList *list = mem_alloc(1, sizeof *list, err);
    Library *library = list ? mem_alloc(1, sizeof *library, err) : NULL;
    if (!library || !library_init(library, file, err)) {
        mem_free(library);
        mem_free(list);
        return NULL;
    }
    list->internal = library;
    list->broken = library->broken;
    library->broken = (Str){0};
    list->families = mem_alloc(library->count, sizeof *list->families, err);
    if (!list->families) {
        architecture_list_free(list);
        return NULL;
    }
    for (; list->count < library->count; list->count++) {
        const Family *family = library->entries[list->count].family;
        list->families[list->count] = (ArchitectureInfo){family->name,          family->help,   family->repositories,
                                                         family->file,          family->own,    family->variants,
                                                         family->variant_count, family->listed, family->listed_count};
    }
    return list;
}

void architecture_list_free(ArchitectureList *list) {
    if (!list) return;
    library_done(list->internal);
    mem_free(list->internal);
    mem_free(list->families);
    str_done(&list->broken);
    mem_free(list);
}

/* ---- names ------------------------------------------------------------------------------------------------------- */

char *architecture_file(const char *name, const char **rest, Error *err) {
    const char *end = strstr(name, ".lua");
    while (end && end[4] && end[4] != ':') end = strstr(end + 1, ".lua");
    *rest = NULL;
    if (!end) return NULL;
    if (end[4] == ':') *rest = end + 5;
    return mem_copy_bytes(name, (size_t)(end + 4 - name), err);
}

bool architecture_is_file(const char *name) {
    const char *end = strstr(name, ".lua");
    while (end && end[4] && end[4] != ':') end = strstr(end + 1, ".lua");
    return end != NULL;
}

const LibraryEntry *library_find(const Library *library, const char *name, size_t length) {
    for (size_t i = 0; i < library->count; i++) {
        const char *known = library->entries[i].family->name;
        if (strlen(known) == length && strncmp(known, name, length) == 0) return &library->entries[i];
    }
    return NULL;
}

bool library_no_family(const Library *library, const char *name, Error *err) {
    const size_t length = strcspn(name, ":");
    const char **names = mem_alloc(library->count, sizeof *names, err);
    char *word = names ? mem_copy_bytes(name, length, err) : NULL;
    Str known = {0};
    for (size_t i = 0; word && i < library->count; i++) {
        bool exact;
        const Family *family = library->entries[i].family;
        names[i] = family->name;
        str_addf(&known, "%s%s", i > 0 ? ", " : "", family->name);
        if (!family_preset(family, word, &exact)) continue;
        error_set(err, STATUS_USAGE, "'%s' is one of the networks of '%s': --arch %s insists on that family", word,
                  family->name, family->name);
        goto out;
    }
    if (word && str_ok(&known, err)) {
        const char *nearest = text_nearest(word, names, library->count);
        if (nearest)
            error_set(err, STATUS_USAGE, "no architecture '%s'; did you mean %s?", word, nearest);
        else
            error_set(err, STATUS_USAGE, "no architecture '%s'; known: %s", word, known.text);
    }
out:
    str_done(&known);
    mem_free(names);
    mem_free(word);
    return false;
}
