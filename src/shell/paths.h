/* paths -- file names as a user gives them. Private to src/shell. */
#ifndef WEFT_SHELL_PATHS_H
#define WEFT_SHELL_PATHS_H

#include "weft/base/error.h"
#include "weft/base/text.h"

#include "command.h"

/* "~" and "~/x" expanded. */
bool path_expand(const char *path, Str *out, Error *err);
/* A path as the user gave it. If there is no such file and the path has no folder, a sample: "sample:NAME" or just its
 * file name. */
bool path_find(const char *text, Str *out, Error *err);

#endif
