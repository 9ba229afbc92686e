/* background -- commands in another process. Private to src/shell. */
#ifndef WEFT_SHELL_BACKGROUND_H
#define WEFT_SHELL_BACKGROUND_H

#include "weft/base/error.h"

#include "command.h"

/* Runs a command (its words) in another weft process, detached: output to FOLDER/output.txt, errors to
 * FOLDER/error.txt. The command must lock FOLDER with run_open; returns when it has, or with its error when it died
 * before. The job is listed. Relative paths mean the same there as here. */
bool background_start(Session *session, const char *folder, const char *const *words, size_t count, Error *err);
/* STATUS_USAGE where --safe forbids it; call it before preparing a run for background_start. */
bool background_allowed(const Session *session, Error *err);
/* The same for `resume FOLDER`; prints what can be done with the job `name`. */
bool background_resume(Session *session, const char *name, const char *folder, Result *result, Error *err);
void background_farewell(Session *session); /* one line if runs of this session continue */

#endif
