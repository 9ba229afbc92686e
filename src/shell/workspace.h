/* workspace -- named objects of a session. Private to src/shell. */
#ifndef WEFT_SHELL_WORKSPACE_H
#define WEFT_SHELL_WORKSPACE_H

#include "weft/base/error.h"

#include "command.h"

Object *workspace_newest(const Session *session, ObjectKind kind); /* the one put last; NULL: there is none */
Object *workspace_find(const Session *session, const char *name);
/* Finds an object of a kind; the error names the other kind of object with this name, or the nearest name. */
Object *workspace_need(const Session *session, const char *name, ObjectKind kind, Error *err);
Object *workspace_any(const Session *session, const char *name, Error *err);
const char *object_kind_name(ObjectKind kind);
bool workspace_name_check(const Session *session, const char *name, Error *err);
/* False where `name` is an object of another kind already: asked before anything is computed. */
bool workspace_accepts(const Session *session, const char *name, ObjectKind kind, Error *err);
/* Puts up to two objects under different names, all or none; an object of the same kind is replaced, one of another
 * kind is an error. Takes what the objects hold, but only where it succeeds. */
bool workspace_put(Session *session, const char *const *names, const Object *contents, size_t count, Error *err);
void workspace_remove(Session *session, Object *object);
bool workspace_rename(Session *session, Object *object, const char *name, Error *err);
void workspace_clear(Session *session);

#endif
