/* prompt -- what commands ask of the prompt. Private to src/shell. */
#ifndef WEFT_SHELL_PROMPT_H
#define WEFT_SHELL_PROMPT_H

#include "weft/base/text.h"

/* The newest `most` entries of the history (0: all), numbered; false where there is none. */
bool prompt_history(size_t most, Str *out);

#endif
