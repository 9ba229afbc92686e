/* json_text -- values of the JSON library as text, and memory for the way back. */
#ifndef WEFT_BASE_JSON_TEXT_H
#define WEFT_BASE_JSON_TEXT_H

#include <stdbool.h>
#include <stddef.h>

#include "weft/base/error.h"
#include "weft/base/text.h"

struct json_t; /* jansson's */

/* Appends `json` as json_dumps writes it with these flags. False where it is NULL or memory ran out: *out may hold a
 * part of it then. json_dumps itself leaves a member's name out where an allocation failed, and goes on. */
bool str_add_json(Str *out, const struct json_t *json, size_t flags);
/* To be asked before json_loads: whether there is memory for a text of this length as weft writes them. STATUS_LIMIT.
 * The library ends the process by an assertion where memory runs out under a number. */
bool json_room(size_t length, Error *err);

#endif
