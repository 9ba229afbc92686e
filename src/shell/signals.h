/* signals -- signals that end the process. Private to src/shell. */
#ifndef WEFT_SHELL_SIGNALS_H
#define WEFT_SHELL_SIGNALS_H

#include <stdbool.h>

int signals_ending(void); /* the signal that asks the process to end (TERM, HUP, QUIT), or 0 */
/* Whether the process was continued (fg) since the last call: the screen has changed meanwhile. */
bool signals_continued(void);

/* The usual behaviour of every signal that weft handles, for a child that becomes another program. Async-signal-safe.
 */
void signals_usual(void);

#endif
