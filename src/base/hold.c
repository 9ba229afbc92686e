/* hold -- see hold.h. */
#include "hold.h"

#include <fcntl.h>
#include <pthread.h>
#include <string.h>
#include <unistd.h>

static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER; /* of the list, and of what its members hold */
static Hold *holds;

void hold_begin(Hold *hold, const char *path, int folder) {
    pthread_mutex_lock(&lock);
    *hold = (Hold){.path = path, .folder = folder, .next = holds};
    holds = hold;
    pthread_mutex_unlock(&lock);
}

void hold_rename(Hold *hold, const char *path) {
    pthread_mutex_lock(&lock);
    hold->path = path;
    pthread_mutex_unlock(&lock);
}

void hold_end(Hold *hold) {
    if (!hold->path) return;
    pthread_mutex_lock(&lock);
    Hold **at = &holds;
    while (*at != hold) at = &(*at)->next;
    *at = hold->next;
    pthread_mutex_unlock(&lock);
    close(hold->folder);
    *hold = (Hold){0};
}

static bool climbs(const char *rest) {
    for (const char *at = rest; (at = strstr(at, "..")); at++)
        if (at[-1] == '/' && (at[2] == '/' || !at[2])) return true;
    return false;
}

/* Under the lock; `rest` begins with a slash, or is empty. */
static const Hold *nearest(const char *path, size_t *length) {
    const Hold *found = NULL;
    *length = 0;
    for (const Hold *hold = holds; hold; hold = hold->next) {
        const size_t own = strlen(hold->path);
        if (own <= *length || strncmp(path, hold->path, own) != 0 || (path[own] && path[own] != '/')) continue;
        if (path[own] && climbs(path + own)) continue;
        found = hold;
        *length = own;
    }
    return found;
}

bool hold_find(const char *path, int *folder, const char **rest) {
    size_t length;
    pthread_mutex_lock(&lock);
    const Hold *hold = nearest(path, &length);
    if (hold) *folder = fcntl(hold->folder, F_DUPFD_CLOEXEC, 0);
    pthread_mutex_unlock(&lock);
    *rest = path + length;
    return hold != NULL;
}

size_t hold_length(const char *path) {
    size_t length;
    pthread_mutex_lock(&lock);
    nearest(path, &length);
    pthread_mutex_unlock(&lock);
    return length;
}
