/* apply -- what network-to-network commands share. Private to src/shell. */
#ifndef WEFT_SHELL_APPLY_H
#define WEFT_SHELL_APPLY_H

#include "weft/base/error.h"

#include "command.h"

/* The `run` of network-to-network commands: calls the command's apply, publishes the network as --into, one row of what
 * changed. */
bool run_apply(Session *session, const Args *args, Result *result, Error *err);
/* --dry-run: the table of what `work` tells of the chosen layers, of those that `versus` has too unless it is NULL.
 * Frees `chosen`; NULL: it was not made, and the error is there. */
bool work_command(const Network *network, const Network *versus, bool *chosen, WorkFunction *work, Result *result,
                  Error *err);
/* A loaded object keeps the command line that loaded it, rather than the path at which a sample was found: replaces the
 * value by `line`. */
bool lineage_say(KeyValue *newest, const char *line, Error *err);

#endif
