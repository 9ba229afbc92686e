/* explore -- surveys in the shell: their run folder, and what remains after an interruption.
 *
 * The folder holds config.json (the command, the seed, what the command's objects are), the networks, and log.csv, one
 * row per point; at the end the file `done`. The same command with the same --run, or `resume FOLDER`, computes only
 * what is missing.
 */
#ifndef WEFT_SHELL_EXPLORE_H
#define WEFT_SHELL_EXPLORE_H

#include "command.h"
#include "weft/base/error.h"
#include "weft/base/record.h"
#include "weft/base/run.h"
#include "weft/net.h"
#include "weft/probe/survey.h"

/* What all surveys take. */
typedef struct ExploreOptions {
    const Object *on, *recalibrate;
    const char *run;
    bool background;
    Convolutions convolutions;
} ExploreOptions;
extern const Setting explore_settings[], recalibrate_settings[]; /* offsets from an ExploreOptions */

/* Runs the survey, in the folder of --run if it is given. An interrupted survey returns the finished points, with
 * result->afterwards set; false if none is finished, and for other failures. With --background another process runs it,
 * and out->results is NULL. Free *out with findings_done. */
bool explore_run(Session *session, const Args *args, const ExploreOptions *options, const Survey *survey, Findings *out,
                 Result *result, Error *err);

/* ---- the folder (explore_folder.c) ------------------------------------------------------------------------------- */

/* Starts the command's run of this many points in `folder`, or continues it; STATUS_FAILED if the folder holds another
 * one. */
Run *explore_open(Session *session, const Args *args, const char *folder, size_t points, Error *err);
/* Marks it as complete, with the file `done`: the log of an adaptive survey does not show it. */
bool explore_close(const char *folder, Error *err);
bool explore_recorded(const RunRecord *record); /* whether it is of such a run */
/* Runs the folder's command again, on its own networks and reopened data. */
bool explore_resume(Session *session, const char *folder, const RunRecord *record, Result *result, Error *err);

#endif
