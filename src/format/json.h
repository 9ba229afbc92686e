/* json -- a strict pull parser (RFC 8259) over a block of bytes of our own: no tree, no recursion, no allocation.
 * Private to src/format. The prefix keeps clear of jansson, whose symbols ours would replace.
 *
 * jansson builds a tree; a header of 100 MB would take gigabytes of it before the first of our checks could run.
 * Strings are decoded in place, over their own text, and end in a NUL where their closing quote was.
 */
#ifndef WEFT_FORMAT_JSON_H
#define WEFT_FORMAT_JSON_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "weft/base/error.h"

typedef struct Json {
    char *start, *at, *end;
    uint64_t base; /* of `start` in the file, for errors */
} Json;

/* `bytes` must be valid UTF-8, which this checks. */
bool json_pull_begin(Json *json, char *bytes, size_t length, uint64_t base, Error *err);
bool json_pull_fail(const Json *json, Error *err, const char *what); /* "JSON: WHAT at byte N"; always false */

char json_pull_peek(Json *json); /* the next visible character, NUL at the end */
bool json_pull_expect(Json *json, char character, Error *err);
bool json_pull_string(Json *json, char **text, size_t *length, Error *err);
bool json_pull_integer(Json *json, uint64_t *value, Error *err); /* digits only, no leading zero, below 2^48 */
bool json_pull_skip(Json *json, Error *err);                     /* any value, at most CAP_JSON_DEPTH deep */
bool json_pull_end(Json *json, Error *err);                      /* only white space is left */

/* How many entries the outermost object or array has, by its commas: a look ahead that changes nothing and trusts
 * nothing. */
uint64_t json_pull_count_ahead(const Json *json);

/* Steps through an object or array whose opening bracket has been read: before each entry, *more tells whether there is
 * one (the comma has been read then, or the closing bracket). `first` starts true and belongs to the loop. */
bool json_pull_next(Json *json, char closing, bool *first, bool *more, Error *err);
/* The same for an object, and reads the key and its colon where there is one. */
bool json_pull_next_key(Json *json, bool *first, bool *more, char **key, size_t *length, Error *err);

#endif
