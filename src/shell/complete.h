/* complete -- what Tab offers. Private to src/shell. */
#ifndef WEFT_SHELL_COMPLETE_H
#define WEFT_SHELL_COMPLETE_H

#include "command.h"
#include "words.h"

void complete_start(Session *session); /* hands the completer to readline */
/* All completions of the word that ends at `end`, sorted; `start` is where it begins. Called by readline and the tests.
 */
bool complete_candidates(Session *session, const char *line, size_t start, size_t end, Words *out);

#endif
