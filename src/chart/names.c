/* names -- texts numbered in the order of their first appearance; a hash table with open addressing, FNV-1a. */
#include "chart/model.h"

#include <string.h>

#include "weft/base/error.h"
#include "weft/base/memory.h"

static uint64_t hash(const char *text) {
    uint64_t value = 14695981039346656037u;
    for (; *text; text++) value = (value ^ (unsigned char)*text) * 1099511628211u;
    return value;
}

/* The slot that holds `text`, or the empty one where it belongs. */
static uint32_t *slot_of(const Names *names, const char *text) {
    size_t at = hash(text) % names->slot_count;
    while (names->slots[at] && strcmp(names->text[names->slots[at] - 1], text) != 0) at = (at + 1) % names->slot_count;
    return &names->slots[at];
}

/* Keeps at least half of the slots empty. */
static bool grow(Names *names, Error *err) {
    if (names->slot_count > 2 * names->count) return true;
    Names larger = *names;
    larger.slot_count = names->slot_count ? 4 * names->slot_count : 64;
    larger.slots = mem_alloc(larger.slot_count, sizeof *larger.slots, err);
    if (!larger.slots) return false;
    for (size_t i = 0; i < names->count; i++) *slot_of(&larger, names->text[i]) = (uint32_t)(i + 1);
    mem_free(names->slots);
    *names = larger;
    return true;
}

bool names_add(Names *names, const char *text, size_t *index, Error *err) {
    if (!grow(names, err) || !mem_grow(&names->text, &names->capacity, names->count + 1, sizeof *names->text, err)) {
        return false;
    }
    uint32_t *slot = slot_of(names, text);
    if (!*slot) {
        char *copy = mem_copy_text(text, err);
        if (!copy) return false;
        names->text[names->count] = copy;
        *slot = (uint32_t)++names->count;
    }
    *index = *slot - 1;
    return true;
}

void names_done(Names *names) {
    for (size_t i = 0; i < names->count; i++) mem_free(names->text[i]);
    mem_free(names->text);
    mem_free(names->slots);
    *names = (Names){0};
}
