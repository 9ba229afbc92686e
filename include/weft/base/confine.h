/* confine -- what --safe promises of writing, as a property of the process and not of a session. */
#ifndef WEFT_CONFINE_H
#define WEFT_CONFINE_H

#include <stdbool.h>

#include "weft/base/error.h"

/* From now on this process, in all of its threads and until it ends, opens for writing, makes, renames and removes
 * only what lies below the folder that is the working folder now; a second call changes nothing, and nothing lifts it.
 * Every call that changes a file asks where its folder really is at that moment (base/io.c), so neither a link nor a
 * rename between a check and the use of its result leads out. Files that are written must be plain: regular, and under
 * one name. STATUS_FAILED where the working folder cannot be opened. */
bool confine(Error *err);
bool confined(void);

/* The second wall: the kernel refuses the same (Landlock), and starts no program, opens no TCP connection and sends no
 * signal for this process. It holds for the calling thread and those that it starts later, so it belongs at the
 * beginning of `main`. After confine(). False: this kernel has no Landlock, or none is permitted. */
bool confine_kernel(void);
unsigned confine_kernel_version(void); /* of Landlock's interface here; 0: there is none */

/* Whether `path` may be written or made, for a refusal ahead of long work: STATUS_USAGE. True where nothing is
 * confined. */
bool confine_allows(const char *path, Error *err);

#endif
