/* rounds -- what `progressive` and `resume` share: running rounds and the table they end in. Private to src/shell. */
#ifndef WEFT_SHELL_ROUNDS_H
#define WEFT_SHELL_ROUNDS_H

#include "training.h"
#include "weft/base/error.h"

/* Runs the job (`again`: continues its folder) and fills the command's result: the best network as `name`. */
bool rounds_run(Session *session, const char *name, bool monitor, ProgressiveJob *job, bool again, const Report *report,
                Result *result, Error *err);
/* Another process does what `resume FOLDER` does here. */
bool rounds_in_background(Session *session, ProgressiveJob *job, Result *result, Error *err);

#endif
