/* rounds -- small progressive runs, for tests. Set-up and tear-down are those of runs.h. */
#ifndef WEFT_TESTS_ROUNDS_H
#define WEFT_TESTS_ROUNDS_H

#include "runs.h"

/* Three rounds of two trials of 12 steps. */
ProgressiveJob rounds_job(const char *folder);
/* Both fail the test where the job fails. */
ProgressiveResults rounds_train(const ProgressiveJob *job);
ProgressiveResults rounds_resume(const char *folder);

void rounds_same_weights(const Network *a, const Network *b);
void rounds_same(const ProgressiveResults *a, const ProgressiveResults *b); /* all but what the clock says */

/* A watch: wishes to stop from its call number `at` on. */
typedef struct RoundsStop {
    unsigned calls, at;
} RoundsStop;
TrainWish rounds_stop_after(void *stop, const TrainStatus *status);

#endif
