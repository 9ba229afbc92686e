/* save -- what save.c shows to its neighbours (inside base). */
#ifndef WEFT_BASE_SAVE_H
#define WEFT_BASE_SAVE_H

#include <stdbool.h>

/* Whether this is how a Save names its temporary files. */
bool save_is_temporary(const char *name);

#endif
