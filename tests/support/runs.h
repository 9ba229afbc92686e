/* runs -- small training runs and their folders, for tests. */
#ifndef WEFT_TESTS_RUNS_H
#define WEFT_TESTS_RUNS_H

#include "weft/base/error.h"
#include "weft/base/table.h"
#include "weft/train.h"

extern Network *runs_network; /* the sample's */
extern Dataset *runs_data;    /* 60 images */
/* A group's set-up and tear-down: network, data, a folder for everything. */
int runs_begin(void **state);
int runs_end(void **state);
void runs_sweep(void);                   /* empties the folder */
const char *runs_path(const char *name); /* in the folder; good for the next seven calls */

/* 24 steps, in which everything happens several times. `folder` NULL: none. */
TrainJob runs_job(const char *folder);
TrainWish runs_stop_at(void *context, const TrainStatus *status); /* a watch: stops after step *(uint64_t *)context */
/* Both fail the test where the job fails. */
TrainResults runs_run(const TrainJob *job);
TrainResults runs_resume(const char *folder, TrainWatch *watch, void *context);
void runs_refused(const char *folder, Status status, const char *words); /* resuming fails so */
void runs_not_run(TrainJob job, const char *words); /* the job fails with STATUS_USAGE, and leaves no folder behind */
void runs_no_memory(const TrainJob *job, uint64_t stride); /* every stride-th allocation fails: STATUS_LIMIT */
/* Resumes the folder in processes that are killed once they have gone on for some steps; how many did not end before.
 */
unsigned runs_kill(const char *folder, unsigned processes, int64_t steps, uint64_t seed);

void runs_same_parameters(const TrainResults *a,
                          const TrainResults *b);   /* of the first trials, and what was measured */
void runs_same_log(const Table *a, const Table *b); /* but for what the clock says */

void runs_copy(const char *from, const char *to);
void runs_replace(const char *folder, const char *file, const char *from, const char *to); /* sed s|from|to| */
void runs_flip(const char *folder, const char *file, long place); /* one bit; negative places count from the end */

#endif
