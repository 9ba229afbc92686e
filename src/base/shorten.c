/* shorten -- long names in few columns, so that different names stay different.
 *
 * A beginning that all names share is dropped up to a border (a dot, say), then an end that all share; what is still
 * too long is cut in its middle, at the place nearest to the middle that keeps the names apart.
 */
#include <stdlib.h>
#include <string.h>

#include "weft/base/error.h"
#include "weft/base/memory.h"
#include "weft/base/text.h"

#define ELLIPSIS "\xe2\x80\xa6" /* U+2026, one column */

static const char borders[] = "./:_- ";

/* The names, and for each the hash of its short form. */
typedef struct Names {
    const char *const *text;
    size_t count, different;
    uint64_t *hash;
} Names;

static uint64_t fnv(const char *text) {
    uint64_t hash = 0xcbf29ce484222325u;
    for (; *text; text++) hash = (hash ^ (unsigned char)*text) * 0x100000001b3u;
    return hash;
}

static int by_value(const void *a, const void *b) {
    const uint64_t x = *(const uint64_t *)a, y = *(const uint64_t *)b;
    return x < y ? -1 : x > y;
}

static size_t count_different(Names *names) {
    size_t different = names->count > 0;
    qsort(names->hash, names->count, sizeof *names->hash, by_value);
    for (size_t i = 1; i < names->count; i++) different += names->hash[i] != names->hash[i - 1];
    return different;
}

/* Bytes of the end of `text` that takes at most `columns`. */
static size_t tail_bytes(const char *text, size_t columns) {
    const size_t all = text_columns(text), length = strlen(text);
    size_t skip = all > columns ? text_fit(text, all - columns) : 0;
    while (text_columns(text + skip) > columns) { /* a wide character stands across the border */
        skip++;
        while ((text[skip] & 0xc0) == 0x80) skip++;
    }
    return length - skip;
}

void text_add_cut(Str *out, const char *text, const TextCut *cut) {
    size_t length = strlen(text), begin = strlen(cut->begin), end = strlen(cut->end);
    if (length <= begin || strncmp(text, cut->begin, begin) != 0) begin = 0;
    if (length <= begin + end || !text_ends_with(text, cut->end)) end = 0;
    Str rest = {0};
    if (begin > 0) str_add(&rest, ELLIPSIS);
    str_add_bytes(&rest, text + begin, length - begin - end);
    if (end > 0) str_add(&rest, ELLIPSIS);
    const char *kept = str_text(&rest);
    if (text_columns(kept) <= cut->width) {
        str_add(out, kept);
    } else {
        const size_t tail = cut->tail < cut->width ? cut->tail : 0, bytes = tail_bytes(kept, tail);
        str_add_bytes(out, kept, text_fit(kept, cut->width > tail ? cut->width - tail - 1 : 0));
        str_add(out, ELLIPSIS);
        str_add_bytes(out, kept + strlen(kept) - bytes, bytes);
    }
    if (rest.failed) out->failed = true;
    str_done(&rest);
}

size_t text_cut_columns(const char *const *texts, size_t count, const TextCut *cut) {
    size_t most = 0;
    Str one = {0};
    for (size_t i = 0; i < count; i++) {
        one.length = 0;
        text_add_cut(&one, texts[i], cut);
        const size_t columns = text_columns(str_text(&one));
        if (columns > most) most = columns;
    }
    str_done(&one);
    return most < cut->width ? most : cut->width;
}

/* Whether the names stay apart with this cut, and whether all fit without a cut in the middle. */
static bool try_cut(Names *names, const TextCut *cut, size_t *different) {
    Str one = {0};
    for (size_t i = 0; i < names->count; i++) {
        one.length = 0;
        text_add_cut(&one, names->text[i], cut);
        names->hash[i] = fnv(str_text(&one));
    }
    str_done(&one);
    *different = count_different(names);
    return *different == names->different;
}

/* Whether byte n, counted from the beginning or the end, is the same in two texts. */
static bool same_byte(const char *a, const char *b, size_t n, bool end) {
    const size_t x = strlen(a), y = strlen(b);
    return n < x && n < y && (end ? a[x - 1 - n] == b[y - 1 - n] : a[n] == b[n]);
}

/* What all names that are too long begin with, or end in, up to a border, as far as `room` holds it. */
static void find_shared(const Names *names, size_t width, bool end, char *out, size_t room) {
    const char *first = NULL;
    size_t length = room - 1, count = 0, best = 0;
    for (size_t i = 0; i < names->count; i++) {
        if (text_columns(names->text[i]) <= width) continue;
        if (!first) first = names->text[i];
        size_t same = 0;
        while (same < length && same_byte(first, names->text[i], same, end)) same++;
        length = same;
        count++;
    }
    if (count < 2) return;
    const size_t all = strlen(first);
    for (size_t n = 1; n <= length && n < all; n++)
        if (strchr(borders, end ? first[all - n] : first[n - 1])) best = n;
    if (best > 2) memcpy(out, end ? first + all - best : first, best); /* less would save nothing */
}

/* Whether what is left of every name fits. */
static bool all_fit(const Names *names, const TextCut *cut) {
    TextCut whole = *cut;
    Str one = {0};
    bool fits = true;
    whole.width = SIZE_MAX;
    for (size_t i = 0; i < names->count && fits; i++) {
        one.length = 0;
        text_add_cut(&one, names->text[i], &whole);
        fits = text_columns(str_text(&one)) <= cut->width;
    }
    str_done(&one);
    return fits;
}

/* The same with only so many bytes of the beginning dropped, and nothing of the end. */
static TextCut begin_only(const TextCut *cut, size_t length) {
    TextCut made = *cut;
    made.begin[length] = made.end[0] = '\0';
    return made;
}

TextCut text_cut(const char *const *texts, size_t count, size_t width, bool *apart) {
    enum { MOST = 2000 }; /* names that decide */
    Error ignored;
    Names names = {.text = texts, .count = count < MOST ? count : MOST};
    TextCut cut = {.width = width, .tail = width / 2}, best = cut;
    size_t most = 0, different = 0;
    bool done = false;
    names.hash = names.count > 0 && width > 0 ? mem_alloc(names.count, sizeof *names.hash, &ignored) : NULL;
    if (apart) *apart = true;
    if (!names.hash) return cut;
    for (size_t i = 0; i < names.count; i++) names.hash[i] = fnv(texts[i]);
    names.different = count_different(&names);
    find_shared(&names, width, false, cut.begin, sizeof cut.begin);
    find_shared(&names, width, true, cut.end, sizeof cut.end);
    const TextCut ways[] = {{.width = width}, begin_only(&cut, strlen(cut.begin)), cut};
    const int first = *cut.begin ? 1 : 0;
    for (size_t n = 0; n <= strlen(cut.begin) && !done; n++) { /* no more of the beginning than must be */
        if (n > 0 && !strchr(borders, cut.begin[n - 1])) continue;
        best = begin_only(&cut, n);
        done = all_fit(&names, &best) && try_cut(&names, &best, &different);
    }
    if (!done) best = cut;
    if (!done && all_fit(&names, &cut)) done = try_cut(&names, &cut, &different);
    for (int way = first; way < 3 && !done; way++) {
        cut = ways[way];
        for (size_t step = 0; step <= width && !done; step++) { /* the tail: half, then one more, one less, ... */
            const size_t away = (step + 1) / 2, half = width / 2;
            if (step % 2 == 0 && away > half) continue;
            cut.tail = step % 2 ? half + away : half - away;
            if (cut.tail >= width) continue;
            done = try_cut(&names, &cut, &different);
            if (different > most) most = different, best = cut;
        }
    }
    if (apart) *apart = done;
    mem_free(names.hash);
    return best;
}
