/* spread -- commands of a job of several ranks (weft/base/ranks.h). Private to src/shell.
 *
 * A command travels as its arguments in JSON, as a run folder keeps them, with the networks and datasets that they name
 * and the working folder. Objects that a worker has from the last command are not sent again.
 */
#ifndef WEFT_SHELL_SPREAD_H
#define WEFT_SHELL_SPREAD_H

#include "weft/base/error.h"
#include "weft/base/ranks.h"

#include "command.h"

/* For ranks_begin: the command of `context`. */
typedef struct Spread {
    Session *session;
    const Args *args;
} Spread;
bool spread_pack(void *context, bool all, Str *parcel, Error *err);

/* Calls `use` for each object that the arguments name, as often as they do. */
bool args_each_object(const Args *args, bool (*use)(void *context, const Object *object, Error *err), void *context,
                      Error *err);

#endif
