/* class_list -- which class a folder of images belongs to, from a text file or JSON. */
#include "data/class_list.h"

#include <ctype.h>
#include <jansson.h>
#include <stdlib.h>
#include <string.h>

#include "weft/base/error.h"
#include "weft/base/file.h"
#include "weft/base/json_text.h"
#include "weft/base/memory.h"
#include "weft/base/text.h"

enum { FILE_MOST = 16 << 20, CLASSES_MOST = UINT16_MAX + 1 };

/* ---- building ---------------------------------------------------------------------------------------------------- */

/* Makes the class `label` exist. */
static bool reach(ClassList *list, unsigned label, Error *err) {
    if (!mem_grow(&list->names, &list->name_capacity, (uint64_t)label + 1, sizeof *list->names, err)) return false;
    if (label >= list->classes) list->classes = (size_t)label + 1;
    return true;
}

/* `name`: to show; the first that a class is given stays. */
static bool add(ClassList *list, const char *folder, const char *name, uint64_t label, Error *err) {
    if (label >= CLASSES_MOST)
        return error_set(err, STATUS_BAD_INPUT, "class %llu of '%s' must be below %d", (unsigned long long)label,
                         folder, CLASSES_MOST);
    if (!*folder) return error_set(err, STATUS_BAD_INPUT, "class %llu has no name", (unsigned long long)label);
    if (!reach(list, (unsigned)label, err) ||
        !mem_grow(&list->entries, &list->capacity, list->count + 1, sizeof *list->entries, err))
        return false;
    ClassEntry *entry = &list->entries[list->count];
    if (!(entry->folder = mem_copy_text(folder, err))) return false;
    entry->label = (unsigned)label;
    list->count++;
    return list->names[label] || (list->names[label] = mem_copy_text(name, err));
}

static int by_folder(const void *a, const void *b) {
    return strcmp(((const ClassEntry *)a)->folder, ((const ClassEntry *)b)->folder);
}

/* Sorts; no folder twice; a class that no line names is shown by its number. */
static bool finish_list(ClassList *list, Error *err) {
    if (list->count == 0) return error_set(err, STATUS_BAD_INPUT, "it has no classes");
    qsort(list->entries, list->count, sizeof *list->entries, by_folder);
    for (size_t i = 1; i < list->count; i++)
        if (strcmp(list->entries[i - 1].folder, list->entries[i].folder) == 0)
            return error_set(err, STATUS_BAD_INPUT, "'%s' appears twice", list->entries[i].folder);
    for (size_t i = 0; i < list->classes; i++) {
        Str number = {0};
        str_addf(&number, "%zu", i);
        const bool ok =
            list->names[i] || (str_ok(&number, err) && (list->names[i] = mem_copy_text(str_text(&number), err)));
        str_done(&number);
        if (!ok) return false;
    }
    return true;
}

/* ---- text -------------------------------------------------------------------------------------------------------- */

/* n and eight digits. */
static bool is_wordnet(const char *text, size_t length) {
    bool is = length == 9 && text[0] == 'n';
    for (size_t i = 1; is && i < length; i++) is = isdigit((unsigned char)text[i]);
    return is;
}

/* One line, less its end; it is cut up in place. */
static bool add_line(ClassList *list, char *line, size_t number, Error *err) {
    line += strspn(line, " \t");
    for (size_t length = strlen(line); length > 0 && strchr(" \t\r", line[length - 1]);) line[--length] = '\0';
    if (!*line) return error_set(err, STATUS_BAD_INPUT, "line %zu is empty; each line must name a class", number);
    const size_t first = strcspn(line, " \t,");
    char *name = line;
    if (line[first] && is_wordnet(line, first)) {
        line[first] = '\0';
        name = line + first + 1;
        name += strspn(name, " \t,");
    }
    return add(list, line, name, number - 1, err);
}

static bool read_text(ClassList *list, char *text, Error *err) {
    size_t number = 1;
    for (size_t length = strlen(text); length > 0 && isspace((unsigned char)text[length - 1]);) text[--length] = '\0';
    while (text && *text) {
        char *end = strchr(text, '\n');
        if (end) *end++ = '\0';
        if (!add_line(list, text, number++, err)) return false;
        text = end;
    }
    return true;
}

/* ---- JSON -------------------------------------------------------------------------------------------------------- */

static bool bad_entry(const char *key, Error *err) {
    return error_set(err, STATUS_BAD_INPUT,
                     "'%s': neither FOLDER: NUMBER, nor NUMBER: \"FOLDER\", nor NUMBER: [\"FOLDER\", \"NAME\"]", key);
}

static bool add_member(ClassList *list, const char *key, const json_t *value, Error *err) {
    const json_t *folder = json_is_array(value) ? json_array_get(value, 0) : value;
    const json_t *name = json_is_array(value) && json_array_size(value) > 1 ? json_array_get(value, 1) : folder;
    char *end;
    if (json_is_integer(value)) {
        const json_int_t label = json_integer_value(value);
        return label < 0 ? bad_entry(key, err) : add(list, key, key, (uint64_t)label, err);
    }
    const unsigned long long label = strtoull(key, &end, 10);
    if (!isdigit((unsigned char)*key) || *end || !json_is_string(folder) || !json_is_string(name))
        return bad_entry(key, err);
    return add(list, json_string_value(folder), json_string_value(name), label, err);
}

static bool read_json(ClassList *list, const char *bytes, size_t length, Error *err) {
    json_error_t why;
    if (!json_room(length, err)) return false;
    json_t *root = json_loadb(bytes, length, JSON_REJECT_DUPLICATES, &why);
    bool ok = root || error_set(err, STATUS_BAD_INPUT, "JSON, line %d: %s", why.line, why.text);
    for (size_t i = 0; ok && i < json_array_size(root); i++) {
        const char *folder = json_string_value(json_array_get(root, i));
        ok = folder ? add(list, folder, folder, i, err) : error_set(err, STATUS_BAD_INPUT, "entry %zu is not text", i);
    }
    void *at = ok ? json_object_iter(root) : NULL;
    for (; ok && at; at = json_object_iter_next(root, at))
        ok = add_member(list, json_object_iter_key(at), json_object_iter_value(at), err);
    json_decref(root);
    return ok;
}

/* ---- the whole --------------------------------------------------------------------------------------------------- */

bool class_list_read(const char *path, ClassList *out, Error *err) {
    size_t length;
    char *text = file_read_all(path, FILE_MOST, &length, err);
    if (!text) return false;
    const size_t start = strspn(text, " \t\r\n");
    const bool json = text[start] == '[' || text[start] == '{';
    bool ok = strlen(text) == length || error_set(err, STATUS_BAD_INPUT, "it has a NUL byte, so it is not text");
    ok = ok && (json ? read_json(out, text, length, err) : read_text(out, text, err)) && finish_list(out, err);
    mem_free(text);
    return ok || error_prefix(err, "%s", path);
}

void class_list_done(ClassList *list) {
    for (size_t i = 0; i < list->count; i++) mem_free(list->entries[i].folder);
    for (size_t i = 0; i < list->classes; i++) mem_free(list->names[i]);
    mem_free(list->entries);
    mem_free(list->names);
    *list = (ClassList){0};
}

static int against_entry(const void *folder, const void *entry) {
    return strcmp(folder, ((const ClassEntry *)entry)->folder);
}

bool class_list_find(const ClassList *list, const char *folder, unsigned *label) {
    const ClassEntry *found = bsearch(folder, list->entries, list->count, sizeof *list->entries, against_entry);
    if (found) *label = found->label;
    return found != NULL;
}
