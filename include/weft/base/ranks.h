/* ranks -- one job of several processes, on one machine or many, started by mpirun or srun.
 *
 * Rank 0 runs the session: it alone has the prompt, the files and the progress. The others are workers. At a map whose
 * items can travel (weft/base/map.h), rank 0 sends them the command that runs, with the objects that it names; they run
 * it up to that map and then take items. A worker never knows what the session does between such commands, so it does
 * not matter what a script asks, reads or writes there.
 *
 * MPI starts the processes and tells them the address of rank 0; messages go over TCP. MPI libraries end a job in which
 * a process dies, but here the items of a dead worker go to the others.
 */
#ifndef WEFT_RANKS_H
#define WEFT_RANKS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "weft/base/error.h"
#include "weft/base/text.h"

/* Joins the job that this process was started in, before it has threads. Does nothing if it is alone. In a worker it
 * returns in a child process, whose death the launcher does not notice. `say` gets lines for people (a worker has
 * died), from any thread. STATUS_FAILED if the ranks cannot find each other. */
bool ranks_start(void (*say)(const char *text), Error *err);
/* Ends the workers; only rank 0. */
void ranks_stop(void);

unsigned ranks_count(void); /* of processes; 1: alone */
bool ranks_worker(void);    /* whether this is one, that is, not rank 0 */
unsigned ranks_here(void);  /* processes of the job on this machine; at least 1 */
/* This one's share of the cores that it may use: those of its own, and its part of those that other ranks may use, too.
 * 0: alone. */
unsigned ranks_cores(void);

/* The terminal that rank 0's standard error ends at by way of the launcher, as a descriptor for its size; -1: none that
 * this process can see. */
int ranks_terminal(void);

/* ---- rank 0: the command that runs ------------------------------------------------------------------------------- */

/* What a worker needs to run it, made when the first map is shared. */
typedef struct RanksCommand {
    /* `all`: not every worker has what the last parcel held. From the thread that began it. */
    bool (*pack)(void *context, bool all, Str *parcel, Error *err);
    void *context;
    struct RanksCommand *outer; /* by ranks_begin */
} RanksCommand;
/* Between the two, maps of the calling thread are shared. They may be nested: the inner one counts. */
void ranks_begin(RanksCommand *command);
void ranks_end(RanksCommand *command);
/* The trials that run are to save and to end, everywhere. */
void ranks_interrupt(void);

/* ---- workers ----------------------------------------------------------------------------------------------------- */

/* Waits for the next command; false: the job is over. Free the parcel with mem_free. */
bool ranks_await(char **parcel, size_t *length);
/* The command has returned; `failure`: why, or NULL. */
void ranks_leave(const Error *failure);

#endif
