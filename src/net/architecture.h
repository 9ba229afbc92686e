/* architecture -- the available definitions, and finding a family among them. Private to src/net. */
#ifndef WEFT_NET_ARCHITECTURE_H
#define WEFT_NET_ARCHITECTURE_H

#include "net/arch/arch.h"
#include "weft/base/error.h"
#include "weft/base/text.h"

typedef struct LibraryEntry {
    Definitions *definitions;
    const Family *family;
    bool broken; /* its forward failed: it is not run again */
} LibraryEntry;

/* Families, weft's own first, in the order in which they are tried. */
typedef struct Library {
    Definitions **states;
    size_t state_count, state_capacity;
    LibraryEntry *entries;
    size_t count;
    Str broken;     /* files of the user's folder that are not definitions */
    bool only_file; /* the families of one file that was named */
} Library;
/* `file`: NULL, or the one file whose definitions count. STATUS_BAD_INPUT if it is none. */
bool library_init(Library *library, const char *file, Error *err);
void library_done(Library *library);

bool architecture_is_file(const char *name);
/* The file of FILE.lua[:REST], to be freed; NULL if memory ran out. *rest: NULL if there is none. */
char *architecture_file(const char *name, const char **rest, Error *err);

const LibraryEntry *library_find(const Library *library, const char *name, size_t length); /* NULL: none */
bool library_no_family(const Library *library, const char *name, Error *err);              /* always false */

#endif
