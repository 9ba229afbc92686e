/* key_value -- lists of keys and values: metadata, notes, lineage. */
#include "weft/format.h"

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
