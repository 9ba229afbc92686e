/* text -- growing strings; width, patterns, near misses and numbers of a text. */
#ifndef WEFT_TEXT_H
#define WEFT_TEXT_H

#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "weft/base/error.h"

/* A growing text. Start from {0}. A failed allocation sets `failed`; later additions do nothing, and str_ok reports the
 * failure once. */
typedef struct Str {
    char *text; /* NUL-terminated once anything was added, else NULL */
    size_t length, capacity;
    bool failed;
} Str;
void str_add(Str *str, const char *text);
void str_add_bytes(Str *str, const char *bytes, size_t length);
void str_addf(Str *str, const char *format, ...) __attribute__((format(printf, 2, 3)));
void str_addv(Str *str, const char *format, va_list args) __attribute__((format(printf, 2, 0)));
void str_add_escaped(Str *str, const char *bytes, size_t length); /* as error_set escapes; invalid UTF-8 as \xNN */
/* The same, with line ends and tabs as they are: a terminal shows it and does nothing else. */
void str_add_harmless(Str *str, const char *bytes, size_t length);
/* Adds the words of a line, broken between words into lines of at most `width` columns; no word is cut. `column`: where
 * the line stands already; lines after the first begin with `hang` blanks. Returns the column where it ends. */
size_t str_add_wrapped(Str *str, const char *text, size_t column, size_t hang, size_t width);
/* Adds a text that is laid out, filled to `width` columns. Lines without indentation are prose, "  term    text" is a
 * term with its text, whose lines stay under one another; other indented lines are code, and wrap one by one. A line
 * that was broken because it was full (of 100 columns) is joined with the next. */
void str_add_filled(Str *str, const char *text, size_t width);
bool str_ok(const Str *str, Error *err); /* false and STATUS_LIMIT if an addition failed */
const char *str_text(const Str *str);    /* "" while empty */
void str_done(Str *str);

bool text_valid_utf8(const char *bytes, size_t length);
/* For formats that hold only UTF-8: `text` itself where it is UTF-8, else its escaped form in *scratch (as
 * str_add_escaped makes it). NULL if memory ran out. */
const char *text_as_utf8(const char *text, Str *scratch);
size_t text_columns(const char *text);             /* terminal columns of a UTF-8 text */
size_t text_fit(const char *text, size_t columns); /* bytes of the longest beginning that takes at most `columns` */
/* How names are shortened: what is dropped at their beginning and end ("": nothing), the columns that are left, and
 * those of the end where a name is cut in its middle. */
typedef struct TextCut {
    char begin[96], end[32];
    size_t width, tail;
} TextCut;
/* The way to show all of these names in `width` columns so that different names stay different: what all that are too
 * long share is dropped at the beginning and the end, the rest is cut in its middle. *apart (or NULL): whether they all
 * do. Names of a column, a legend or an axis share one cut. */
TextCut text_cut(const char *const *texts, size_t count, size_t width, bool *apart);
/* Adds one of them so shortened, with an ellipsis where something is left out: at most cut->width columns. */
void text_add_cut(Str *out, const char *text, const TextCut *cut);
/* Columns of the widest of them after that: often fewer than cut->width. */
size_t text_cut_columns(const char *const *texts, size_t count, const TextCut *cut);
bool text_ends_with(const char *text, const char *end);
bool text_glob(const char *pattern, const char *text); /* whole-text match; * ? [a-z] [!a]; no recursion */
/* The candidate closest to `word` in Damerau-Levenshtein distance. NULL if no candidate is close enough for a
 * misspelling. */
const char *text_nearest(const char *word, const char *const *candidates, size_t count);
void str_add_duration(Str *out, double seconds); /* "2:05", "1:05:00"; nothing if it is not known */
/* Adds a number for people: exact where six digits show it, else four digits. */
void str_add_number(Str *out, double value);
bool text_to_double(const char *text, double *out); /* whole text, finite or inf/nan, C locale */
bool text_to_u64(const char *text, uint64_t *out);  /* whole text, digits only */
bool text_to_size(const char *text, uint64_t *out); /* "8G", "512M", "100000": bytes, more than 0 */

#endif
