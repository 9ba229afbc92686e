/* utf8 -- one code point of UTF-8 at a time, and how it is shown where a terminal might read it (inside base). */
#ifndef WEFT_BASE_UTF8_H
#define WEFT_BASE_UTF8_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* Bytes of the valid UTF-8 sequence that `bytes` begins with (1 to 4), its code point in *code; 0 where there is none:
 * overlong forms, surrogates, code points over U+10FFFF, a sequence cut short by `length`. */
size_t utf8_decode(const char *bytes, size_t length, uint32_t *code);

/* Whether a terminal could act on it, or a line read as something else. */
bool utf8_unsafe(uint32_t code);

/* The first character of `bytes` (length > 0), safe for a terminal: a valid printable character unchanged, otherwise
 * \xNN or \u{NNNN}. Writes it, at most UTF8_SAFE_MAX bytes and no NUL, its length to *written; returns the bytes
 * consumed. */
enum { UTF8_SAFE_MAX = 10 };
size_t utf8_safe(const char *bytes, size_t length, char out[UTF8_SAFE_MAX], size_t *written);

#endif
