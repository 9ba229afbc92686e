/* faults -- runs a line of a session again and again, each time with another call of the system refused.
 *
 * A process of its own runs each case, in an empty folder: what breaks it is a failure of the test, and the walk goes
 * on behind it. After each run the line must have failed with one clean message and the right status, or have worked
 * and printed what it prints without a fault; the workspace and the folder are as they were, or as they are after
 * success; and the session still works. Under LeakSanitizer nothing may have leaked.
 */
#ifndef WEFT_TESTS_FAULTS_H
#define WEFT_TESTS_FAULTS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

typedef struct FaultCase {
    const char *command;       /* in whose name the case runs */
    const char *prelude;       /* lines that run before it, or NULL */
    const char *const *before; /* examples that run before it */
    size_t before_count;
    const char *line;
    bool many; /* several commands, or one that keeps what it has done when it fails: what succeeded stays */
} FaultCase;

typedef struct FaultPlan {
    unsigned kinds;      /* of FaultKind */
    bool all_after;      /* every call after the n-th is refused too */
    uint64_t first;      /* the first n */
    unsigned sample;     /* so many calls, spread over all; 0: every one */
    bool leaks_each;     /* leaks are looked for after every run, not at the end of a case */
    const char *samples; /* folder of the samples, an absolute path */
} FaultPlan;

typedef struct FaultReport {
    uint64_t runs, calls; /* runs of the line; calls of these kinds in an undisturbed one */
    unsigned failures;
    double seconds;
} FaultReport;

/* Prints what failed, as diagnostics of TAP. */
FaultReport faults_walk(const FaultCase *item, const FaultPlan *plan);
/* The undisturbed line works; otherwise why not, in one of the buffers of text_of. */
const char *faults_clean(const FaultCase *item, const FaultPlan *plan);

#endif
