/* explore -- surveys in the shell: the run folder that they are kept in, and what an interruption leaves.
 *
 * The folder holds config.json (the command, the seed, what the command's objects are), the networks, and log.csv, a
 * row a point; at the end the file `done`. The command begun again with the same --run, or `resume FOLDER`, computes
 * only what is missing.
 */
#ifndef WEFT_SHELL_EXPLORE_H
#define WEFT_SHELL_EXPLORE_H

#include "session.h"
#include "weft/base/error.h"
#include "weft/base/run.h"
#include "weft/probe/survey.h"

/* Runs the survey, in the folder of --run where it is given. An interrupted survey gives the points that are done, and
 * result->afterwards says that it was interrupted; false where none is done, and for other failures. With --background
 * another process runs it, and out->results is NULL. Free *out with findings_done. */
bool explore_run(Session *session, const Args *args, const Survey *survey, Findings *out, Result *result, Error *err);

#define OPTION_RECALIBRATE                                                          \
    {                                                                               \
        .name = "recalibrate", .kind = ARG_DATASET, .value = "DATA",                \
        .help = "take batch norm's statistics anew from these images at each point" \
    }

/* ---- the folder (explore_folder.c) ------------------------------------------------------------------------------- */

/* Begins the command's run of so many points in `folder`, or goes on with it; STATUS_FAILED where the folder holds
 * another one. */
Run *explore_open(Session *session, const Args *args, const char *folder, size_t points, Error *err);
/* Marks it as complete, with the file `done`: of an adaptive survey the log does not tell. */
bool explore_close(const char *folder, Error *err);
bool explore_here(const char *folder); /* whether it holds such a run */
/* Runs the folder's command again, on its own networks and the data opened anew. */
bool explore_resume(Session *session, const char *folder, Result *result, Error *err);

#define OPTIONS_EXPLORE                                                                                        \
    {.name = "on", .kind = ARG_DATASET, .value = "DATA", .help = "measure accuracy and loss on these images"}, \
        {.name = "run",                                                                                        \
         .kind = ARG_OUTPUT,                                                                                   \
         .value = "FOLDER",                                                                                    \
         .help = "keep every point there as it is found; resume FOLDER computes what is missing"},             \
    {                                                                                                          \
        .name = "background", .kind = ARG_FLAG,                                                                \
        .help = "compute in another process and leave the prompt free; needs --run"                            \
    }

#endif
