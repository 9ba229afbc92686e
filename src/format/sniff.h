/* sniff -- what the readers ask of the beginning of a file to recognise it. Private to src/format.
 *
 * A file is recognised by its bytes, never by its name.
 */
#ifndef WEFT_FORMAT_SNIFF_H
#define WEFT_FORMAT_SNIFF_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "weft/base/error.h"
#include "weft/base/file.h"

typedef struct Head {
    const uint8_t *bytes;
    size_t length;
    uint64_t file_size;
} Head;
bool head_read(const File *file, Head *out, Error *err); /* STATUS_BAD_INPUT for an empty file */
void head_done(Head *head);

bool head_holds(const Head *head, size_t at, const char *magic, size_t length);
/* The first visible character from `at` on; -1 where the head has none. */
int head_first_visible(const Head *head, size_t at);
/* Printable UTF-8. The last character, which the end of the head may cut, does not count. */
bool head_is_text(const Head *head);
/* A pickle of protocol 1 to 5. */
bool head_is_pickle(const Head *head);

/* What the file is and how to convert it, where weft knows the format by its magic and does not read it; else NULL. */
const char *head_refused(const Head *head);
/* The same for formats without a magic at one place. Asked last, since it may mistake what a reader knows. */
const char *head_recognised(const Head *head);

#endif
