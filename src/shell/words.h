/* words -- command lines cut into words. Private to src/shell. */
#ifndef WEFT_SHELL_WORDS_H
#define WEFT_SHELL_WORDS_H

#include "weft/base/error.h"
#include "weft/base/text.h"

#include "command.h"

typedef struct Words {
    char **word;
    size_t count, capacity;
} Words;

/* Cuts a command line into words: quotes group ('...' unchanged, "..." with $), $name and $(expr) are Lua values, #
 * starts a comment, an unquoted ; ends the command: *used is how far it was read. A command whose argument is ARG_REST
 * gets the rest of the line as one word. */
bool words_split(Session *session, const char *line, Words *out, size_t *used, Error *err);
void words_done(Words *words);
bool words_add(Words *words, const char *text, Error *err); /* a copy */
/* The length of "(...)" with nested brackets and Lua strings in it; 0 where it does not end. */
size_t words_bracket(const char *text);
/* A word with quotes where it needs them to be read back. */
void words_quote(const char *word, Str *out);

#endif
