/* pager -- results that are longer than the screen. Private to src/shell. */
#ifndef WEFT_SHELL_PAGER_H
#define WEFT_SHELL_PAGER_H

#include <stdbool.h>
#include <stddef.h>

#include "command.h"

/* Whether a pager takes what does not fit on the screen: a person types one command at a time, at a terminal that is
 * more than a typewriter, and neither --no-pager, --safe nor $PAGER says no. */
bool pager_wanted(const Session *session);
/* Whether the text takes more lines than the screen has, and nobody has typed ahead. */
bool pager_needed(const char *text);
/* Shows a text in the pager, until it ends. False: there is none, or it could not be started; nothing was shown. */
bool pager_show(const char *text, size_t length);

#endif
