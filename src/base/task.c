/* task -- progress, the process's cancellation level, and the clock. */
#include "weft/base/error.h"
#include "weft/base/task.h"

#include <assert.h>
#include <stdatomic.h>
#include <time.h>

static_assert(ATOMIC_INT_LOCK_FREE == 2, "signal handlers need lock-free atomics");
static atomic_int level;

void cancel_request(void) {
    int now = atomic_load(&level);
    while (now < 2 && !atomic_compare_exchange_weak(&level, &now, now + 1)) {
    }
}

int cancel_level(void) {
    return atomic_load_explicit(&level, memory_order_relaxed);
}

void cancel_clear(void) {
    atomic_store(&level, 0);
}

bool task_step(const Task *task, const char *what, uint64_t done, uint64_t total, Error *err) {
    if (task && task->report) task->report(task->context, what, done, total);
    if (task && task->given_up && task->given_up(task->context))
        return error_set(err, STATUS_CANCELLED, "%s: given up", what);
    return cancel_level() <= (task && task->patient ? 1 : 0) || error_set(err, STATUS_CANCELLED, "%s: cancelled", what);
}

double clock_seconds(void) {
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    return (double)now.tv_sec + 1e-9 * (double)now.tv_nsec;
}
