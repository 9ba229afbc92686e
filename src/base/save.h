/* save -- what save.c shows to its neighbours (inside base). */
#ifndef WEFT_BASE_SAVE_H
#define WEFT_BASE_SAVE_H

#include "weft/base/error.h"

/* Asks the guard of save_guard, for what is written without a Save: true if there is none. */
bool save_allowed(const char *path, Error *err);
/* Whether this is how a Save names its temporary files. */
bool save_is_temporary(const char *name);

#endif
