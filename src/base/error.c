/* error -- one failure as a status and one safe line of text. Needs no memory, so that it can report its lack. */

#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdio.h>
#include <string.h>

#include "utf8.h"
#include "weft/base/error.h"

#undef error_set
#undef error_prefix

/* Sets the text to the escaped form of `raw`; "..." ends what did not fit. */
static void set_text(Error *err, const char *raw, bool cut) {
    size_t length = strlen(raw), filled = 0, room = sizeof err->text - sizeof "...";
    for (size_t at = 0; at < length;) {
        char piece[UTF8_SAFE_MAX];
        size_t size;
        at += utf8_safe(raw + at, length - at, piece, &size);
        if (filled + size > room) {
            cut = true;
            break;
        }
        memcpy(err->text + filled, piece, size);
        filled += size;
    }
    memcpy(err->text + filled, cut ? "..." : "", cut ? sizeof "..." : 1);
}

bool error_set(Error *err, Status status, const char *format, ...) {
    char raw[sizeof err->text];
    va_list args;
    va_start(args, format);
    int length = vsnprintf(raw, sizeof raw, format, args);
    va_end(args);
    if (length < 0) raw[0] = '\0';
    err->status = status;
    set_text(err, raw, length >= (int)sizeof raw);
    return false;
}

bool error_prefix(Error *err, const char *format, ...) {
    char raw[2 * sizeof err->text + sizeof ": "];
    va_list args;
    va_start(args, format);
    int length = vsnprintf(raw, sizeof err->text, format, args);
    va_end(args);
    size_t used = length < 0 ? 0 : strnlen(raw, sizeof err->text - 1);
    memcpy(raw + used, ": ", 2);
    memcpy(raw + used + 2, err->text, strlen(err->text) + 1);
    set_text(err, raw, false);
    return false;
}
