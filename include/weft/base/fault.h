/* fault -- system calls and allocations that fail on demand, for tests. */
#ifndef WEFT_FAULT_H
#define WEFT_FAULT_H

#include <stdbool.h>
#include <stdint.h>

typedef enum FaultKind {
    FAULT_ALLOC = 1,
    FAULT_OPEN = 2,
    FAULT_READ = 4,
    FAULT_WRITE = 8,
    FAULT_FSYNC = 16,
    FAULT_CLOSE = 32,
    FAULT_RENAME = 64,
    FAULT_SHORT = 128,       /* a read or a write does the half of what it was asked for */
    FAULT_INTERRUPTED = 256, /* a signal comes before anything was done: EINTR */
    FAULT_CHANGED = 512,     /* a read finds other bytes, each without its top bit: somebody writes to the file */
} FaultKind;
/* The n-th call (from 1) of the kinds in the mask fails, as if the system had refused. `all_after` makes every later
 * one fail too. */
void fault_arm(unsigned kinds, uint64_t nth, bool all_after);
uint64_t fault_disarm(void);    /* the number of calls of these kinds since fault_arm */
bool fault_hit(FaultKind kind); /* the thin layer asks before each call; true: fail now */

#endif
