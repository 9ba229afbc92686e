/* task -- progress and cancellation of long computations. */
#ifndef WEFT_TASK_H
#define WEFT_TASK_H

#include <stdbool.h>
#include <stdint.h>

#include "weft/base/error.h"

/* Where a long computation reports its progress. NULL instead of a Task means "no progress"; cancellation is
 * always honoured. */
typedef struct Task {
    void (*report)(void *context, const char *what, uint64_t done, uint64_t total); /* any thread; may be NULL */
    void *context;
    bool patient;                    /* ignores the first cancellation, obeys the second */
    bool (*given_up)(void *context); /* any thread: true cancels this task alone; may be NULL */
} Task;
/* Reports, then returns false with STATUS_CANCELLED if a cancellation is pending or the task is given up. */
bool task_step(const Task *task, const char *what, uint64_t done, uint64_t total, Error *err);

/* The process's cancellation level, set by signal handlers (async-signal-safe): 0 none, 1 finish the step, 2 at once.
 */
void cancel_request(void);
int cancel_level(void);
void cancel_clear(void);

double clock_seconds(void); /* monotonic */

#endif
