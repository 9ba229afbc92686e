/* pool -- the thread pool: pieces of work on all cores, with results that do not depend on their number. */
#ifndef WEFT_POOL_H
#define WEFT_POOL_H

#include <stddef.h>

/* Threads used by pool_run: WEFT_THREADS, else OMP_NUM_THREADS, else for one of several ranks SLURM_CPUS_PER_TASK, else
 * the cores this process may use, which ranks on one machine share; at least 1. */
unsigned pool_threads(void);
void pool_set_threads(unsigned threads); /* 0: the default again. Not while pool_run is running. */

/* Calls piece(context, i, worker) for every i in [0, pieces), in no particular order, on the pool and the caller.
 * worker < pool_threads(), and no two calls with the same worker overlap. The size of a piece must not depend on the
 * number of threads; then results do not either. A call from inside a piece runs in that worker, serially. Workers are
 * started at the first use and kept. */
typedef void PieceFunction(void *context, size_t piece, unsigned worker);
void pool_run(size_t pieces, PieceFunction *piece, void *context);

#endif
