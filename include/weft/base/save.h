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
 * target. */
typedef struct Save Save;
Save *save_begin(const char *path, bool overwrite, Error *err);
bool save_write(Save *save, const void *bytes, uint64_t length, Error *err);
bool save_commit(Save *save, Error *err);
void save_abandon(Save *save);
/* From now on save_begin asks `allowed` first, and fails with the error that it sets (of any status). NULL ends this.
 * Not while other threads save. */
void save_guard(bool (*allowed)(void *context, const char *path, Error *err), void *context);
bool save_text(const char *path, bool overwrite, const char *text, size_t length, Error *err); /* begin to commit */

#endif
