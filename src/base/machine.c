/* machine -- what a run's results may depend on: the kind of CPU. */
#include "weft/base/machine.h"

#include <pthread.h>
#include <stdio.h>
#include <string.h>

static char name[128] = "unknown";

static void read_name(void) {
    char line[256];
    FILE *file = fopen("/proc/cpuinfo", "re");
    while (file && fgets(line, sizeof line, file)) {
        const char *colon = strncmp(line, "model name", 10) == 0 ? strchr(line, ':') : NULL;
        if (!colon) continue;
        colon += 1 + strspn(colon + 1, " \t");
        snprintf(name, sizeof name, "%.*s", (int)strcspn(colon, "\n"), colon);
        break;
    }
    if (file) fclose(file);
}

const char *cpu_name(void) {
    static pthread_once_t once = PTHREAD_ONCE_INIT;
    pthread_once(&once, read_name);
    return name;
}
