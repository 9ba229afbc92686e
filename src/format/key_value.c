/* key_value -- lists of keys and values: metadata, notes, lineage; as JSON, for saved files. */
#include "weft/format.h"

#include <jansson.h>
#include <string.h>

#include "weft/base/error.h"
#include "weft/base/json_text.h"
#include "weft/base/memory.h"
#include "weft/base/text.h"

const char *const LINEAGE_NAMES[2] = {"what", "command"};

/* Lists hold no capacity: it is 8 or else the next power of two, so they grow whenever their count is one. */
bool key_value_add(KeyValue **list, size_t *count, const char *key, const char *value, Error *err) {
    bool full = *count == 0 || (*count >= 8 && (*count & (*count - 1)) == 0);
    size_t capacity = *count;
    KeyValue entry = {mem_copy_text(key, err), NULL};
    if (entry.key) entry.value = mem_copy_text(value, err);
    if (!entry.value || (full && !mem_grow(list, &capacity, *count > 0 ? 2 * *count : 8, sizeof **list, err))) {
        mem_free(entry.key);
        mem_free(entry.value);
        return false;
    }
    (*list)[(*count)++] = entry;
    return true;
}

void key_value_free(KeyValue *list, size_t count) {
    for (size_t i = 0; i < count; i++) {
        mem_free(list[i].key);
        mem_free(list[i].value);
    }
    mem_free(list);
}

bool key_value_copy(KeyValue **list, size_t *count, const KeyValue *from, size_t from_count, Error *err) {
    for (size_t i = 0; i < from_count; i++)
        if (!key_value_add(list, count, from[i].key, from[i].value, err)) return false;
    return true;
}

/* ---- JSON -------------------------------------------------------------------------------------------------------- */

/* JSON holds only UTF-8; other bytes (of a file's name) are escaped. */
static json_t *json_text(const char *text) {
    Str escaped = {0};
    json_t *string = json_string(text_as_utf8(text, &escaped));
    str_done(&escaped);
    return string;
}

bool key_value_write(const KeyValue *list, size_t count, const char *const names[2], Str *out, Error *err) {
    json_t *array = json_array();
    bool done = array != NULL;
    for (size_t i = 0; done && i < count; i++) {
        json_t *entry = json_object();
        done = entry && json_object_set_new(entry, names[0], json_text(list[i].key)) == 0 &&
               json_object_set_new(entry, names[1], json_text(list[i].value)) == 0;
        if (json_array_append_new(array, entry) != 0) done = false;
    }
    done = done && str_add_json(out, array, JSON_COMPACT);
    json_decref(array);
    return done || error_set(err, STATUS_LIMIT, "no memory for a list of %zu entries", count);
}

bool key_value_read(KeyValue **list, size_t *count, const char *const names[2], const char *text, bool *understood,
                    Error *err) {
    json_error_t problem;
    if (!json_room(strlen(text), err)) return false;
    json_t *array = json_loads(text, JSON_REJECT_DUPLICATES, &problem);
    bool done = true;
    size_t index;
    json_t *entry;
    *understood = json_is_array(array);
    for (index = 0; index < json_array_size(array); index++) {
        entry = json_array_get(array, index);
        if (!json_is_string(json_object_get(entry, names[0])) || !json_is_string(json_object_get(entry, names[1])))
            *understood = false;
    }
    for (index = 0; *understood && done && index < json_array_size(array); index++) {
        entry = json_array_get(array, index);
        done = key_value_add(list, count, json_string_value(json_object_get(entry, names[0])),
                             json_string_value(json_object_get(entry, names[1])), err);
    }
    json_decref(array);
    return done;
}
