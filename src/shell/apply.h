/* apply -- what network-to-network commands share. Private to src/shell. */
#ifndef WEFT_SHELL_APPLY_H
#define WEFT_SHELL_APPLY_H

#include "weft/base/error.h"

#include "command.h"

/* The `run` of network-to-network commands: calls the command's apply, publishes the network as --into, one row of what
 * changed. */
bool run_apply(Session *session, const Args *args, Result *result, Error *err);
/* What was loaded is remembered by its command as it was given, options and all, rather than by where a sample was
 * found: puts `line` in the place of the value. */
bool lineage_say(KeyValue *newest, const char *line, Error *err);

#endif
