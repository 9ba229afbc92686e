/* workspace -- the session's named objects: networks, predictors, datasets, tables. */
#include <assert.h>
#include <ctype.h>
#include <string.h>

#include "lua_shell.h"
#include "session.h"
#include "workspace.h"
#include "weft/base/error.h"
#include "weft/base/memory.h"
#include "weft/base/table.h"
#include "weft/base/text.h"

const char *object_kind_name(ObjectKind kind) {
    static const char *const names[] = {"network", "predictor", "dataset", "table"};
    return names[kind];
}

static void content_free(Object *object) {
    network_free(object->network);
    predictor_free(object->predictor);
    dataset_free(object->dataset);
    table_free(object->table);
    object->network = NULL;
    object->predictor = NULL;
    object->dataset = NULL;
    object->table = NULL;
}

static void object_free(Object *object) {
    content_free(object);
    mem_free(object->name);
    mem_free(object);
}

Object *workspace_find(const Session *session, const char *name) {
    for (size_t i = 0; i < session->object_count; i++)
        if (strcmp(session->objects[i]->name, name) == 0) return session->objects[i];
    return NULL;
}

/* The object of `kind` (any where kind < 0) whose name is nearest to what was typed. */
static const char *nearest(const Session *session, const char *name, int kind) {
    const char *candidates[256];
    size_t count = 0;
    for (size_t i = 0; i < session->object_count && count < 256; i++)
        if (kind < 0 || (int)session->objects[i]->kind == kind) candidates[count++] = session->objects[i]->name;
    return text_nearest(name, candidates, count);
}

Object *workspace_any(const Session *session, const char *name, Error *err) {
    Object *object = workspace_find(session, name);
    if (object) return object;
    const char *near = nearest(session, name, -1);
    if (near)
        error_set(err, STATUS_USAGE, "no object '%s'; did you mean %s?", name, near);
    else
        error_set(err, STATUS_USAGE, "no object '%s' (ls lists the objects)", name);
    return NULL;
}

Object *workspace_need(const Session *session, const char *name, ObjectKind kind, Error *err) {
    Object *object = workspace_find(session, name);
    if (object && object->kind == kind) return object;
    const char *near = nearest(session, name, (int)kind);
    const char *wanted = object_kind_name(kind);
    if (object)
        error_set(err, STATUS_USAGE, "'%s' is a %s, not a %s", name, object_kind_name(object->kind), wanted);
    else if (near)
        error_set(err, STATUS_USAGE, "no %s '%s'; did you mean %s?", wanted, name, near);
    else if (kind == OBJECT_TABLE)
        error_set(err, STATUS_USAGE, "no table '%s' (run a command that makes one, such as sratio)", name);
    else
        error_set(err, STATUS_USAGE, "no %s '%s' (%sload %s %s ... makes one)", wanted, name,
                  kind == OBJECT_PREDICTOR ? "train, or " : "",
                  kind == OBJECT_NETWORK     ? "net"
                  : kind == OBJECT_PREDICTOR ? "predictor"
                                             : "data",
                  name);
    return NULL;
}

bool workspace_name_check(const Session *session, const char *name, Error *err) {
    (void)session;
    size_t length = strlen(name);
    bool good = length > 0 && length <= 64 && (isalpha((unsigned char)name[0]) || name[0] == '_');
    for (size_t i = 0; good && i < length; i++) good = isalnum((unsigned char)name[i]) || strchr("_.-", name[i]);
    if (!good)
        return error_set(
            err, STATUS_USAGE,
            "'%s' is not a valid name: use a letter, then letters, digits, _ . or -, at most 64 characters", name);
    return true;
}

bool workspace_accepts(const Session *session, const char *name, ObjectKind kind, Error *err) {
    const Object *object = workspace_find(session, name);
    if (kind != OBJECT_TABLE && strcmp(name, "last") == 0)
        return error_set(err, STATUS_USAGE, "'last' is reserved for the last table; choose another name");
    if (!object || object->kind == kind) return true;
    return error_set(err, STATUS_USAGE, "'%s' is already a %s; rm it first or choose another name", name,
                     object_kind_name(object->kind));
}

static Object *object_new(const char *name, Error *err) {
    Object *object = mem_alloc(1, sizeof *object, err);
    if (!object) return NULL;
    object->name = mem_copy_text(name, err);
    if (object->name) return object;
    mem_free(object);
    return NULL;
}

bool workspace_put(Session *session, const char *const *names, const Object *contents, size_t count, Error *err) {
    Object *fresh[2] = {NULL};
    assert(count <= 2);
    bool ok =
        mem_grow(&session->objects, &session->object_capacity, session->object_count + count, sizeof(Object *), err);
    for (size_t i = 0; ok && i < count; i++) {
        ok = workspace_accepts(session, names[i], contents[i].kind, err);
        if (ok && !workspace_find(session, names[i])) ok = (fresh[i] = object_new(names[i], err)) != NULL;
    }
    for (size_t i = 0; i < count; i++) {
        Object *object = fresh[i] ? fresh[i] : workspace_find(session, names[i]);
        if (!ok) {
            if (fresh[i]) object_free(fresh[i]);
            continue;
        }
        if (fresh[i]) session->objects[session->object_count++] = fresh[i];
        content_free(object);
        char *own_name = object->name;
        *object = contents[i];
        object->name = own_name;
        object->number = ++session->puts;
        if (object->kind == OBJECT_TABLE && session->lua) lua_table_named(session, object->name);
    }
    return ok;
}

Object *workspace_newest(const Session *session, ObjectKind kind) {
    Object *newest = NULL;
    for (size_t i = 0; i < session->object_count; i++) {
        Object *object = session->objects[i];
        if (object->kind == kind && (!newest || object->number > newest->number)) newest = object;
    }
    return newest;
}

void workspace_remove(Session *session, Object *object) {
    size_t i = 0;
    while (i < session->object_count && session->objects[i] != object) i++;
    assert(i < session->object_count);
    memmove(&session->objects[i], &session->objects[i + 1], (session->object_count - i - 1) * sizeof *session->objects);
    session->object_count--;
    object_free(object);
}

bool workspace_rename(Session *session, Object *object, const char *name, Error *err) {
    if (!workspace_name_check(session, name, err)) return false;
    const Object *other = workspace_find(session, name);
    if (other && other != object)
        return error_set(err, STATUS_USAGE, "'%s' already exists (a %s)", name, object_kind_name(other->kind));
    char *copy = mem_copy_text(name, err);
    if (!copy) return false;
    mem_free(object->name);
    object->name = copy;
    return true;
}

void workspace_clear(Session *session) {
    for (size_t i = 0; i < session->object_count; i++) object_free(session->objects[i]);
    mem_free(session->objects);
    session->objects = NULL;
    session->object_count = session->object_capacity = 0;
}
