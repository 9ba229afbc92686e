/* hold -- folders that this process works in by their descriptors (inside base). While a folder is held, every call of
 * io.c for its path, or for one below it, starts from the descriptor, whatever stands at that path by then, and follows
 * no link below. So the files of a run can be named by text everywhere, and nobody leads them elsewhere by exchanging a
 * folder for a link. */
#ifndef WEFT_BASE_HOLD_H
#define WEFT_BASE_HOLD_H

#include <stdbool.h>
#include <stddef.h>

typedef struct Hold {
    const char *path; /* borrowed; NULL: holds nothing */
    int folder;       /* of hold_end to close */
    struct Hold *next;
} Hold;

void hold_begin(Hold *hold, const char *path, int folder);
void hold_rename(Hold *hold, const char *path); /* the folder has got another name */
void hold_end(Hold *hold);

/* Whether `path` is that of a folder that is held, or below one (of several, the nearest): *folder is a copy of its
 * descriptor, or -1 with errno, and *rest what follows. A path with ".." in it is not below. */
bool hold_find(const char *path, int *folder, const char **rest);
size_t hold_length(const char *path); /* of that folder's own path; 0: none */

#endif
