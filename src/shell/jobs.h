/* jobs -- runs in the background, according to their folders. Private to src/shell. */
#ifndef WEFT_SHELL_JOBS_H
#define WEFT_SHELL_JOBS_H

#include "weft/base/error.h"
#include "weft/base/run.h"
#include "weft/base/table.h"
#include "weft/base/text.h"

#include "words.h"

/* $XDG_STATE_HOME/weft/NAME, else ~/.local/state/weft/NAME; false where neither is known. */
bool state_path(const char *name, Str *out);
void state_make_folders(char *path); /* those above a file; the text is restored */
typedef enum JobState { JOB_RUNNING, JOB_DONE, JOB_STOPPED, JOB_FAILED } JobState;
const char *job_state_name(JobState state);
/* The state of a run, according to its folder. */
typedef struct Job {
    char *folder, *name, *rate_of;
    char *label;    /* the name, with round and trial where there are several */
    char *newest;   /* the folder itself, or that of the newest round's or trial's: where log and checkpoints are */
    bool last_part; /* no further round or trial follows */
    bool survey;    /* its steps are points, each a row of its log */
    uint64_t step, steps;  /* done, according to log and checkpoints; planned, 0: unknown */
    uint64_t saved;        /* the step of the newest checkpoint; 0: none */
    double loss, accuracy; /* the latest, NaN: none */
    double left;           /* seconds that the rest takes, as fast as it was; of several trials or rounds, the part that
                              runs. NaN: not known, or it does not run */
    JobState state;
    long process; /* that runs it; 0: none, or not known */
    Str reason;   /* JOB_FAILED */
    Table *log;   /* NULL: none */
    Run *look;    /* until job_done: what is read later is of the same folder */
} Job;
bool job_read(const char *folder, Job *out, Error *err); /* STATUS_BAD_INPUT where the folder may not be read */
bool job_refused(const char *folder, const Error *why, Job *out, Error *err); /* such a job, as failed */
void job_done(Job *job);
/* "runs/a: running (process 12), step 250 of 1000, loss 0.25" */
void job_describe(const Job *job, Str *out);
/* The folders of all background runs that still exist, in the order started: job N is word N - 1. */
bool jobs_list(Words *out, Error *err);
bool jobs_add(const char *folder, Error *err);
/* The folder that a word means: the number of a job, or a path. Added to *folder. */
bool job_find(const char *word, Str *folder, Error *err);
/* Whether error.txt ends in an error of weft's that is newer than the last lock; *reason is that. */
bool job_failure(const char *folder, Str *reason);

#endif
