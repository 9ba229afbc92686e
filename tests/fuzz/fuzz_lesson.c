/* fuzz_lesson -- any bytes as a lesson: read and checked, its Lua and commands compiled, and none run. */
#include <stdlib.h>
#include <sys/mman.h>
#include <unistd.h>

#include "fuzz.h"
#include "shell/lesson_file.h"
#include "shell/session.h"
#include "weft/base/error.h"
#include "weft/base/memory.h"

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t length) {
    static Session *session;
    static int fd = -1;
    static char path[64];
    Error err;
    if (!session) {
        mem_set_budget(FUZZ_BUDGET);
        session = session_new(&(SessionOptions){.safe = true, .quiet = true}, &err);
        fd = memfd_create("lesson", MFD_CLOEXEC);
        snprintf(path, sizeof path, "/proc/self/fd/%d", fd);
        if (!session || fd < 0) abort();
    }
    if (ftruncate(fd, 0) != 0 || pwrite(fd, bytes, length, 0) != (ssize_t)length) abort();
    lesson_free(lesson_read(session, path, &err));
    return 0;
}
