/* pool -- one set of worker threads for the whole process.
 *
 * A run publishes a job (function, pieces, an atomic counter of pieces taken); each thread that is awake takes the next
 * piece until none is left. The caller is worker 0 and takes pieces too, so a run needs no worker to make progress: it
 * ends when the counter has run out and those who joined have left, and never waits for a worker that is still asleep.
 */

#include <pthread.h>
#include <sched.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "gemm.h"
#include "weft/base/pool.h"
#include "weft/base/ranks.h"

enum { THREADS_MAX = 512 };

static struct {
    PieceFunction *piece;
    void *context;
    size_t pieces;
    _Atomic size_t next;
    _Atomic uint64_t number; /* of this run: each worker joins it once */
    _Atomic unsigned inside; /* workers that have joined and not yet left; the caller apart */
    bool open;               /* may be joined */
    bool stopping;           /* workers are to end */
} job;                       /* under `lock`, but for `next`; `number` and `inside` are also looked at without it */

static pthread_mutex_t run_lock = PTHREAD_MUTEX_INITIALIZER; /* one run, or one change of the threads, at a time */
static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
static pthread_cond_t wake = PTHREAD_COND_INITIALIZER, left = PTHREAD_COND_INITIALIZER;
static pthread_t workers[THREADS_MAX];
static unsigned started;            /* workers running; under run_lock */
static _Atomic unsigned threads;    /* 0: not asked for yet */
static _Thread_local int self = -1; /* the worker number while inside a piece */

static unsigned cores(void) {
    cpu_set_t set;
    if (sched_getaffinity(0, sizeof set, &set) == 0) return (unsigned)CPU_COUNT(&set);
    long online = sysconf(_SC_NPROCESSORS_ONLN);
    return online > 0 ? (unsigned)online : 1;
}

/* A positive number at the start of an environment variable ("4", "4,2"), or 0. */
static unsigned from_environment(const char *name) {
    const char *text = getenv(name);
    long value = text ? strtol(text, NULL, 10) : 0;
    return value > THREADS_MAX ? THREADS_MAX : value > 0 ? (unsigned)value : 0;
}

/* srun binds a task to one core if it is not told --cpus-per-task once more, whatever this variable says. */
static unsigned of_slurm(void) {
    const unsigned asked = from_environment("SLURM_CPUS_PER_TASK"), mine = cores();
    return asked < mine ? asked : mine;
}

static unsigned default_threads(void) {
    unsigned count = from_environment("WEFT_THREADS");
    if (count == 0) count = from_environment("OMP_NUM_THREADS");
    if (count == 0 && ranks_count() > 1) count = of_slurm();
    if (count == 0) count = ranks_cores();
    if (count == 0) count = cores();
    return count > THREADS_MAX ? THREADS_MAX : count > 0 ? count : 1;
}

unsigned pool_threads(void) {
    unsigned count = atomic_load(&threads);
    if (count > 0) return count;
    unsigned fresh = default_threads();
    return atomic_compare_exchange_strong(&threads, &count, fresh) ? fresh : count;
}

static void take_pieces(PieceFunction *piece, void *context, size_t pieces, unsigned worker) {
    self = (int)worker;
    for (size_t i; (i = atomic_fetch_add(&job.next, 1)) < pieces;) piece(context, i, worker);
    self = -1;
}

/* Runs that follow one another within this time (ns) find their threads awake: waking one takes as long as a small step
 * of an engine. */
#define AWAKE 50000

static int64_t nanoseconds(void) {
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    return (int64_t)now.tv_sec * 1000000000 + now.tv_nsec;
}

/* Wait a little while for a run after number `joined`, or for the others to leave a run. Other threads that want this
 * core get it. */
static void await_run(uint64_t joined) {
    const int64_t end = nanoseconds() + AWAKE;
    while (atomic_load_explicit(&job.number, memory_order_relaxed) == joined && nanoseconds() < end) sched_yield();
}

static void await_others(void) {
    const int64_t end = nanoseconds() + AWAKE;
    while (atomic_load_explicit(&job.inside, memory_order_relaxed) > 0 && nanoseconds() < end) sched_yield();
}

static void *work_loop(void *argument) {
    unsigned worker = (unsigned)(uintptr_t)argument;
    uint64_t joined = 0;
    pthread_mutex_lock(&lock);
    while (!job.stopping) {
        if (!job.open || job.number == joined) {
            pthread_cond_wait(&wake, &lock);
            continue;
        }
        joined = job.number;
        job.inside++;
        PieceFunction *piece = job.piece;
        void *context = job.context;
        size_t pieces = job.pieces;
        pthread_mutex_unlock(&lock);
        take_pieces(piece, context, pieces, worker);
        pthread_mutex_lock(&lock);
        if (--job.inside == 0) pthread_cond_signal(&left);
        pthread_mutex_unlock(&lock);
        await_run(joined);
        pthread_mutex_lock(&lock);
    }
    pthread_mutex_unlock(&lock);
    return NULL;
}

/* Starts the workers that are missing. Signals go to the program's own threads only. Where the system gives no more
 * threads, the run does with those it has. */
static void start_workers(void) {
    sigset_t all, before;
    unsigned want = pool_threads() - 1;
    if (started >= want) return;
    sigfillset(&all);
    pthread_sigmask(SIG_SETMASK, &all, &before);
    while (started < want &&
           pthread_create(&workers[started], NULL, work_loop, (void *)(uintptr_t)(started + 1)) == 0) {
        started++;
    }
    pthread_sigmask(SIG_SETMASK, &before, NULL);
}

void pool_set_threads(unsigned count) {
    pthread_mutex_lock(&run_lock);
    pthread_mutex_lock(&lock);
    job.stopping = true;
    pthread_cond_broadcast(&wake);
    pthread_mutex_unlock(&lock);
    for (unsigned i = 0; i < started; i++) pthread_join(workers[i], NULL);
    started = 0;
    job.stopping = false;
    atomic_store(&threads, count > THREADS_MAX ? THREADS_MAX : count);
    pthread_mutex_unlock(&run_lock);
}

void pool_run(size_t pieces, PieceFunction *piece, void *context) {
    if (self >= 0) { /* a run within a piece */
        for (size_t i = 0; i < pieces; i++) piece(context, i, (unsigned)self);
        return;
    }
    gemm_prepare();
    pthread_mutex_lock(&run_lock);
    atomic_store(&job.next, 0);
    bool alone = pieces <= 1 || pool_threads() == 1;
    if (!alone) {
        start_workers();
        pthread_mutex_lock(&lock);
        job.piece = piece;
        job.context = context;
        job.pieces = pieces;
        job.number++;
        job.open = true;
        pthread_cond_broadcast(&wake);
        pthread_mutex_unlock(&lock);
    }
    take_pieces(piece, context, pieces, 0);
    if (!alone) {
        pthread_mutex_lock(&lock);
        job.open = false;
        pthread_mutex_unlock(&lock);
        await_others();
        pthread_mutex_lock(&lock);
        while (job.inside > 0) pthread_cond_wait(&left, &lock);
        pthread_mutex_unlock(&lock);
    }
    pthread_mutex_unlock(&run_lock);
}
