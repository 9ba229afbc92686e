/* gate -- the one place that says whether a file may be changed (inside base; io.c asks it in every call that changes
 * something). */
#ifndef WEFT_BASE_GATE_H
#define WEFT_BASE_GATE_H

#include <stdbool.h>
#include <sys/stat.h>

/* The place that a call may change: an opened folder, and a name without slashes in it. */
typedef struct Gate {
    int folder; /* AT_FDCWD where nothing is confined or held: `name` is then the path as it was given */
    const char *name;
    bool own;  /* `folder` is closed by gate_leave */
    bool held; /* in a folder that is held (hold.h): `name` may not be followed */
} Gate;

/* `path` is relative to `folder`. False with errno, and with gate_reason where the gate has refused. gate_reach is for
 * what only reads. */
bool gate_enter(int folder, const char *path, Gate *out);
bool gate_reach(int folder, const char *path, Gate *out);
void gate_leave(Gate *gate); /* keeps errno */
/* After a call on an entered place has failed: says so where the reason is a link in a folder that is held. */
void gate_blame_link(const Gate *gate);
bool gate_closed(void); /* whether writing is confined */
/* Whether an opened folder is `root` or lies below it now. */
bool gate_lies_in(int folder, const struct stat *root);

/* Whether it may be opened for writing: a regular file with one name. Else false with errno and gate_reason. */
bool gate_plain(const struct stat *about);

/* Why the gate refused the call of this thread that has just failed; NULL: the system did. */
const char *gate_reason(void);
bool gate_confines(void); /* whether that reason is confinement */
void gate_forget(void);   /* before a call */

#endif
