/* replay -- a fuzz target on the files that are named, or in the folders that are named, without libFuzzer: what was
 * found once is tried by every compiler and under every sanitizer (make replay). */
#include <dirent.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "weft/base/error.h"
#include "weft/base/file.h"
#include "weft/base/memory.h"

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t length);

static size_t replayed;

static void replay(const char *path) {
    Error err;
    size_t length;
    char *bytes = file_read_all(path, 1 << 26, &length, &err);
    if (!bytes) return;
    LLVMFuzzerTestOneInput((const uint8_t *)bytes, length);
    mem_free(bytes);
    replayed++;
}

int main(int argc, char **argv) {
    for (int i = 1; i < argc; i++) { /* a target may go to another folder */
        char *absolute = realpath(argv[i], NULL);
        if (absolute) argv[i] = absolute;
    }
    for (int i = 1; i < argc; i++) {
        DIR *folder = opendir(argv[i]);
        if (!folder) replay(argv[i]);
        for (struct dirent *entry; folder && (entry = readdir(folder));) {
            char path[4096];
            struct stat about;
            snprintf(path, sizeof path, "%s/%s", argv[i], entry->d_name);
            if (stat(path, &about) == 0 && S_ISREG(about.st_mode)) replay(path);
        }
        if (folder) closedir(folder);
    }
    fprintf(stderr, "%zu inputs\n", replayed);
    return replayed == 0;
}
