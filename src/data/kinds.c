/* kinds -- the kinds of dataset that a specification can name. */
#include "data/dataset.h"

#include <string.h>

#include "weft/base/error.h"

#define KIND(name, form, loader, help) {name, form, help},
static const DatasetKind kinds[] = {
#include "data/kinds.def"
    {NULL, NULL, NULL}};
#undef KIND

const DatasetKind *dataset_kinds(void) {
    return kinds;
}

const DatasetKind *find_kind(const char *name, size_t length) {
    for (const DatasetKind *kind = kinds; kind->name; kind++)
        if (strlen(kind->name) == length && memcmp(kind->name, name, length) == 0) return kind;
    return NULL;
}

bool bad_form(const char *kind, const char *rest, Error *err) {
    return error_set(err, STATUS_USAGE, "%s:%s does not have the form %s", kind, rest,
                     find_kind(kind, strlen(kind))->form);
}
