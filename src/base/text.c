/* text -- growing strings, UTF-8, patterns, near misses and numbers from text. */

#include <errno.h>
#include <locale.h>
#include <math.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <wchar.h>

#include "utf8.h"
#include "weft/base/error.h"
#include "weft/base/memory.h"
#include "weft/base/size.h"
#include "weft/base/text.h"

/* ---- growing strings --------------------------------------------------------------------------------------------- */

/* Room for `more` bytes and the NUL. */
static bool str_room(Str *str, size_t more) {
    Error ignored;
    uint64_t need;
    if (str->failed) return false;
    if (!size_add(str->length, more, &need) || !size_add(need, 1, &need) ||
        !mem_grow(&str->text, &str->capacity, need, 1, &ignored)) {
        str->failed = true;
    }
    return !str->failed;
}

void str_add_bytes(Str *str, const char *bytes, size_t length) {
    if (!str_room(str, length)) return;
    if (length > 0) memcpy(str->text + str->length, bytes, length);
    str->length += length;
    str->text[str->length] = '\0';
}

void str_add(Str *str, const char *text) {
    str_add_bytes(str, text, strlen(text));
}

void str_addv(Str *str, const char *format, va_list args) {
    if (!str_room(str, 0)) return;
    va_list again;
    va_copy(again, args);
    size_t room = str->capacity - str->length;
    int length = vsnprintf(str->text + str->length, room, format, args);
    if (length < 0) {
        str->failed = true;
    } else if ((size_t)length >= room && str_room(str, (size_t)length)) {
        vsnprintf(str->text + str->length, (size_t)length + 1, format, again);
    }
    va_end(again);
    if (!str->failed) {
        str->length += (size_t)length;
    } else if (str->text) {
        str->text[str->length] = '\0';
    }
}

void str_addf(Str *str, const char *format, ...) {
    va_list args;
    va_start(args, format);
    str_addv(str, format, args);
    va_end(args);
}

void str_add_escaped(Str *str, const char *bytes, size_t length) {
    for (size_t at = 0; at < length && !str->failed;) {
        char piece[UTF8_SAFE_MAX];
        size_t size;
        at += utf8_safe(bytes + at, length - at, piece, &size);
        str_add_bytes(str, piece, size);
    }
}

void str_add_harmless(Str *str, const char *bytes, size_t length) {
    for (size_t at = 0, begin = 0; at <= length; at++) {
        if (at < length && bytes[at] != '\n' && bytes[at] != '\t') continue;
        str_add_escaped(str, bytes + begin, at - begin);
        if (at < length) str_add_bytes(str, bytes + at, 1);
        begin = at + 1;
    }
}

const char *text_as_utf8(const char *text, Str *scratch) {
    if (text_valid_utf8(text, strlen(text))) return text;
    str_add_escaped(scratch, text, strlen(text));
    return scratch->failed ? NULL : str_text(scratch);
}

bool str_ok(const Str *str, Error *err) {
    return !str->failed || error_set(err, STATUS_LIMIT, "out of memory for a text of %zu bytes", str->length);
}

const char *str_text(const Str *str) {
    return str->text ? str->text : "";
}

void str_done(Str *str) {
    mem_free(str->text);
    *str = (Str){0};
}

/* ---- UTF-8 ------------------------------------------------------------------------------------------------------- */

static pthread_once_t locale_once = PTHREAD_ONCE_INIT;
static locale_t utf8_locale; /* the C locale's numbers, UTF-8's characters, whatever the program has set */

static void make_locale(void) {
    utf8_locale = newlocale(LC_CTYPE_MASK, "C.UTF-8", (locale_t)0);
}

static locale_t get_locale(void) {
    pthread_once(&locale_once, make_locale);
    return utf8_locale;
}

bool text_valid_utf8(const char *bytes, size_t length) {
    uint32_t code;
    for (size_t at = 0, used; at < length; at += used) {
        used = utf8_decode(bytes + at, length - at, &code);
        if (used == 0) return false;
    }
    return true;
}

/* The longest beginning of `text` that takes at most `limit` columns: its bytes, and its columns in *columns. A byte
 * that is not UTF-8 takes one column, a control character none. */
static size_t fit_columns(const char *text, size_t limit, size_t *columns) {
    size_t length = strlen(text), at = 0;
    locale_t locale = get_locale(), before = locale ? uselocale(locale) : (locale_t)0;
    *columns = 0;
    while (at < length) {
        uint32_t code = 0;
        size_t used = utf8_decode(text + at, length - at, &code);
        int known = used <= 1 || !locale ? 1 : wcwidth((wchar_t)code);
        size_t width = known < 0 ? 1 : (size_t)known;
        if (used == 1 && (code < 0x20 || code == 0x7f)) width = 0;
        if (width > limit - *columns) break;
        *columns += width;
        at += used > 0 ? used : 1;
    }
    if (locale) uselocale(before);
    return at;
}

size_t text_columns(const char *text) {
    size_t columns;
    fit_columns(text, SIZE_MAX, &columns);
    return columns;
}

size_t text_fit(const char *text, size_t columns) {
    size_t taken;
    return fit_columns(text, columns, &taken);
}

/* ---- patterns ---------------------------------------------------------------------------------------------------- */

/* The character at *text, which moves past it; a byte that is not UTF-8 stands for itself, out of Unicode's range. */
static uint32_t next_code(const char **text) {
    uint32_t code;
    size_t used = utf8_decode(*text, strnlen(*text, 4), &code);
    if (used == 0) code = 0x110000u + (unsigned char)**text;
    *text += used > 0 ? used : 1;
    return code;
}

/* Whether `code` is in the class that starts after '[' at *pattern, which moves past its ']'. *closed tells whether
 * there was one: without it the '[' is a plain character. */
static bool class_has(const char **pattern, uint32_t code, bool *closed) {
    const char *at = *pattern;
    bool negated = *at == '!', found = false, first = true;
    if (negated) at++;
    for (; *at && (*at != ']' || first); first = false) {
        uint32_t low = next_code(&at), high = low;
        if (at[0] == '-' && at[1] && at[1] != ']') {
            at++;
            high = next_code(&at);
        }
        if (code >= low && code <= high) found = true;
    }
    *closed = *at == ']';
    if (*closed) *pattern = at + 1;
    return found != negated;
}

/* Matches one pattern item against the character at *text; both move past it. */
static bool match_one(const char **pattern, const char **text) {
    uint32_t code = next_code(text), item = next_code(pattern);
    if (item == '?') return true;
    if (item == '[') {
        bool closed, found = class_has(pattern, code, &closed);
        if (closed) return found;
    }
    return item == code;
}

bool text_ends_with(const char *text, const char *end) {
    const size_t length = strlen(text), tail = strlen(end);
    return length >= tail && strcmp(text + length - tail, end) == 0;
}

bool text_glob(const char *pattern, const char *text) {
    const char *star = NULL, *resume = NULL; /* the pattern after the last '*', and where its match was tried last */
    while (*text) {
        const char *next_pattern = pattern, *next_text = text;
        if (*pattern == '*') {
            star = ++pattern;
            resume = text;
        } else if (*pattern && match_one(&next_pattern, &next_text)) {
            pattern = next_pattern;
            text = next_text;
        } else if (star) {
            next_code(&resume);
            pattern = star;
            text = resume;
        } else {
            return false;
        }
    }
    while (*pattern == '*') pattern++;
    return *pattern == '\0';
}

/* ---- near misses ------------------------------------------------------------------------------------------------- */

enum { WORD_MAX = 64 }; /* longer words have no near misses worth telling */

static unsigned char lower(char byte) {
    return (unsigned char)(byte >= 'A' && byte <= 'Z' ? byte + ('a' - 'A') : byte);
}

static unsigned smaller(unsigned a, unsigned b) {
    return a < b ? a : b;
}

/* Restricted Damerau-Levenshtein distance (insert, delete, replace, swap of neighbours), letter case ignored. */
static unsigned distance(const char *a, size_t a_length, const char *b, size_t b_length) {
    unsigned rows[3][WORD_MAX + 1];
    unsigned *before = rows[0], *last = rows[1], *row = rows[2];
    for (size_t j = 0; j <= b_length; j++) last[j] = (unsigned)j;
    memcpy(before, last, sizeof rows[0]);
    for (size_t i = 1; i <= a_length; i++) {
        row[0] = (unsigned)i;
        for (size_t j = 1; j <= b_length; j++) {
            unsigned replace = last[j - 1] + (lower(a[i - 1]) != lower(b[j - 1]));
            row[j] = smaller(replace, smaller(last[j], row[j - 1]) + 1);
            if (i > 1 && j > 1 && lower(a[i - 1]) == lower(b[j - 2]) && lower(a[i - 2]) == lower(b[j - 1])) {
                row[j] = smaller(row[j], before[j - 2] + 1);
            }
        }
        unsigned *free_row = before;
        before = last;
        last = row;
        row = free_row;
    }
    return last[b_length];
}

const char *text_nearest(const char *word, const char *const *candidates, size_t count) {
    size_t length = strlen(word);
    const char *best = NULL;
    if (length == 0 || length > WORD_MAX) return NULL;
    for (size_t i = 0; i < count && length > 1; i++) {
        bool begins = strncmp(word, candidates[i], length) == 0;
        if (begins && (!best || strlen(candidates[i]) < strlen(best))) best = candidates[i];
    }
    if (best) return best;
    unsigned least =
        (length < 6 ? 1 : (unsigned)length / 3) + 1; /* one typing error in three letters, and one always */
    for (size_t i = 0; i < count; i++) {
        size_t other = strlen(candidates[i]);
        if (other > WORD_MAX) continue;
        unsigned d = distance(word, length, candidates[i], other);
        if (d < least && d < length) {
            least = d;
            best = candidates[i];
        }
    }
    return best;
}

/* ---- numbers ----------------------------------------------------------------------------------------------------- */

bool text_to_double(const char *text, double *out) {
    if (*text == '\0' || strchr(" \t\n\v\f\r", *text)) return false;
    char *end;
    locale_t locale = get_locale();
    errno = 0;
    double value = locale ? strtod_l(text, &end, locale) : strtod(text, &end);
    if (end == text || *end != '\0' || (errno == ERANGE && isinf(value))) return false;
    *out = value;
    return true;
}

bool text_to_u64(const char *text, uint64_t *out) {
    uint64_t value = 0;
    if (*text == '\0') return false;
    for (; *text; text++) {
        if (*text < '0' || *text > '9' || !size_mul(value, 10, &value) ||
            !size_add(value, (uint64_t)(*text - '0'), &value)) {
            return false;
        }
    }
    *out = value;
    return true;
}

bool text_to_size(const char *text, uint64_t *out) {
    static const char units[] = "KMGT";
    size_t length = strlen(text);
    const char *unit = length ? strchr(units, text[length - 1]) : NULL;
    char digits[32];
    if (length == 0 || length >= sizeof digits) return false;
    memcpy(digits, text, length + 1);
    uint64_t scale = 1;
    if (unit && *unit) {
        digits[length - 1] = '\0';
        scale <<= 10 * (unit - units + 1);
    }
    return text_to_u64(digits, out) && *out > 0 && size_mul(*out, scale, out);
}

void str_add_duration(Str *out, double seconds) {
    if (!(seconds >= 0 && seconds < 1e9)) return;
    const long whole = lround(seconds);
    if (whole >= 3600)
        str_addf(out, "%ld:%02ld:%02ld", whole / 3600, whole / 60 % 60, whole % 60);
    else
        str_addf(out, "%ld:%02ld", whole / 60, whole % 60);
}
