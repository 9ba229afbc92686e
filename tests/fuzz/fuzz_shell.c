/* fuzz_shell -- any bytes as a script under --safe, with a network, images and a table in the workspace: a clean
 * verdict, whatever it says, and no file outside the folder it runs in. */
#include <dirent.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/time.h>
#include <unistd.h>

#include "shell/command.h"
#include "shell/complete.h"
#include "shell/lua_shell.h"
#include "shell/script.h"
#include "shell/session.h"
#include "shell/words.h"
#include "shell/workspace.h"
#include "weft/base/error.h"
#include "weft/base/file.h"
#include "weft/base/memory.h"
#include "weft/base/pool.h"
#include "weft/base/task.h"

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t length);

static Network *network;
static int root, folder; /* where the fuzzer runs, where scripts do */

/* Endless loops end as by Ctrl-C. In processor time, since the clock's own alarm is the fuzzer's. */
static void on_time(int number) {
    (void)number;
    cancel_request();
}

static void set_time(suseconds_t microseconds) {
    struct itimerval time = {.it_interval = {.tv_usec = microseconds}, .it_value = {.tv_usec = microseconds}};
    setitimer(ITIMER_VIRTUAL, &time, NULL);
}

/* A convolution and a linear layer: small, so that scripts are many rather than numbers. */
static Network *small_network(void) {
    static const char header[] = "{\"conv1.weight\":{\"dtype\":\"F32\",\"shape\":[2,1,3,3],\"data_offsets\":[0,72]},"
                                 "\"fc.weight\":{\"dtype\":\"F32\",\"shape\":[3,2],\"data_offsets\":[72,96]}}";
    uint8_t bytes[8 + sizeof header - 1 + 96] = {sizeof header - 1};
    float values[24];
    for (int i = 0; i < 24; i++) values[i] = (float)i - 7.5f;
    memcpy(bytes + 8, header, sizeof header - 1);
    memcpy(bytes + sizeof bytes - 96, values, 96);
    Error err;
    File *file = file_memory("network", bytes, sizeof bytes, &err);
    Checkpoint *checkpoint = file ? checkpoint_parse(file, &err) : NULL;
    Network *made = checkpoint ? network_from_checkpoint(checkpoint, &(NetworkOptions){0}, &err) : NULL;
    checkpoint_close(checkpoint);
    return made;
}

static void start(void) {
    const char *temporary = getenv("TMPDIR");
    char path[4096];
    snprintf(path, sizeof path, "%s/weft-fuzz-XXXXXX", temporary ? temporary : "/tmp");
    int nowhere = open("/dev/null", O_RDWR | O_CLOEXEC);
    mem_set_budget(64 << 20);
    pool_set_threads(1);
    network = small_network();
    root = open(".", O_RDONLY | O_CLOEXEC);
    folder = mkdtemp(path) ? open(path, O_RDONLY | O_CLOEXEC) : -1;
    if (!network || root < 0 || folder < 0 || dup2(nowhere, STDIN_FILENO) < 0 || dup2(nowhere, STDOUT_FILENO) < 0)
        abort();
    signal(SIGVTALRM, on_time);
}

/* What a script wrote must not be there for the next. */
static void sweep(void) {
    int copy = openat(folder, ".", O_RDONLY | O_CLOEXEC);
    DIR *directory = copy < 0 ? NULL : fdopendir(copy);
    if (!directory) abort();
    for (struct dirent *entry; (entry = readdir(directory));)
        if (strcmp(entry->d_name, ".") != 0 && strcmp(entry->d_name, "..") != 0) unlinkat(folder, entry->d_name, 0);
    closedir(directory);
}

static bool furnish(Session *session) {
    static const char *const names[] = {"net"};
    Error err;
    Object object = {.kind = OBJECT_NETWORK, .network = network_derive(network, "load", "load net net x", &err)};
    if (!object.network || !workspace_put(session, names, &object, 1, &err)) return false;
    Dataset *data = mem_alloc(1, sizeof *data, &err);
    if (!data) return false;
    *data = (Dataset){.spec = mem_copy_text("two", &err),
                      .title = mem_copy_text("two images", &err),
                      .count = 2,
                      .channels = 1,
                      .height = 28,
                      .width = 28,
                      .classes = 10,
                      .pixels = mem_alloc(2 * 28 * 28, 1, &err),
                      .labels = mem_alloc(2, sizeof *data->labels, &err)};
    object = (Object){.kind = OBJECT_DATASET, .dataset = data};
    const char *name = "data";
    return workspace_put(session, &name, &object, 1, &err) &&
           session_run_text(session, NULL, "table = tabulate('table', {'a', 'b (%)'}, {{1, 2.5}, {'x'}})") == STATUS_OK;
}

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t length) {
    Error err;
    if (!network) start();
    cancel_clear();
    SessionOptions options = {.safe = true, .quiet = length & 1, .format = length & 2 ? "table" : "json"};
    char *text = mem_copy_bytes((const char *)bytes, length, &err);
    Session *session = session_new(&options, &err);
    if (!text || !session || !furnish(session) || fchdir(folder) != 0) abort();
    set_time(200000);
    session_run_text(session, length & 4 ? "script.weft" : NULL, text);
    Words words;
    size_t end = strcspn(text, "\n"), begin = end;
    while (begin && !strchr(" \t;=,\"'$(){}", text[begin - 1])) begin--;
    if (complete_candidates(session, text, begin, end, &words)) words_done(&words);
    set_time(0);
    session_free(session);
    mem_free(text);
    sweep();
    return fchdir(root);
}
