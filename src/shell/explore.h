/* explore -- surveys in the shell: the run folder that they are kept in, what an interruption leaves, their columns.
 *
 * The folder holds config.json (the command, the seed, what the command's objects are), the networks, and log.csv, a
 * row a point; at the end the file `done`. The command begun again with the same --run, or `resume FOLDER`, computes
 * only what is missing.
 */
#ifndef WEFT_SHELL_EXPLORE_H
#define WEFT_SHELL_EXPLORE_H

#include "session.h"
#include "weft/probe.h"

/* What a survey found: survey_values numbers of each point that is done. */
typedef struct Explored {
    double *results;
    bool *done;
    size_t values;
    bool elsewhere; /* another process finds it out (--background): there is nothing here */
} Explored;

/* Runs the survey, in the folder of --run where it is given. Where it is interrupted, what is done is given all the
 * same and result->afterwards says so; false where nothing is, and for other failures. */
bool explore_run(Session *session, const Args *args, const Survey *survey, Explored *out, Result *result, Error *err);
void explored_done(Explored *explored);
double explored_value(const Explored *explored, size_t point, size_t value);

/* The columns of a survey's numbers, and the cells of a point. */
void explore_columns(Table *table, const Survey *survey);
void explore_cells(Table *table, const Survey *survey, const Explored *explored, size_t point);

/* Number `point` of `points` from one number to another, both included; those in between are weighted means, so that
 * whole numbers and the middle come out exactly. */
double explore_evenly(double from, double to, size_t points, size_t point);
/* The network with batch norm's statistics taken anew from `data`, in the place of `network`, which is freed; itself
 * where there are no data, NULL where it is NULL. */
Network *explore_recalibrated(Network *network, const Dataset *data, const char *line, Error *err);

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
