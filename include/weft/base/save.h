/* save -- atomic saves: after a crash or a power cut the target is the old file or the new one, whole. */
#ifndef WEFT_SAVE_H
#define WEFT_SAVE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "weft/base/error.h"

/* A save writes a temporary file in the target's folder (O_EXCL, with the mode of the old file), then syncs it, renames
 * it and syncs the folder. save_begin refuses an existing target unless `overwrite` (STATUS_WRITE, "exists; --force
 * overwrites it"). Until save_commit returns true the old file is untouched, unless only the folder's fsync failed.
 * save_commit and save_abandon free the Save and leave no temporary file. All failures are STATUS_WRITE and name the
 * target; a refusal of confine() is STATUS_USAGE. A link at the target is followed, so that what it points to is
 * replaced; below a run folder that this process holds (weft/base/run.h) the link itself is replaced. */
typedef struct Save Save;
Save *save_begin(const char *path, bool overwrite, Error *err);
bool save_write(Save *save, const void *bytes, uint64_t length, Error *err);
bool save_commit(Save *save, Error *err);
void save_abandon(Save *save);
/* Removes what is at `path`, so that a set of files can take its place, of which it is the head: without `overwrite` a
 * refusal if there is something. Nothing there is fine. */
bool save_replace(const char *path, bool overwrite, Error *err);
bool save_text(const char *path, bool overwrite, const char *text, size_t length, Error *err); /* begin to commit */

#endif
