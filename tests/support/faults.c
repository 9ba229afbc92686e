/* faults -- walks the calls of a line, and lets each fail. */
#include "faults.h"

#include <fcntl.h>
#include <ftw.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>
#include <cmocka.h>

#include "base/save.h"
#include "bytes.h"
#include "shell/script.h"
#include "shell/session.h"
#include "shell/workspace.h"
#include "weft/base/error.h"
#include "weft/base/fault.h"
#include "weft/base/file.h"
#include "weft/base/hash.h"
#include "weft/base/memory.h"
#include "weft/base/pool.h"
#include "weft/base/task.h"
#include "weft/base/text.h"
#include "weft/format.h"

int __lsan_do_recoverable_leak_check(void) __attribute__((weak));
void __gcov_dump(void) __attribute__((weak)); /* coverage, which _exit does not write */

enum {
    FILES = 256,
    PATH = 256,
    OBJECTS = 64,
    RUN_SECONDS = 600,
    FAILURES_MAX = 20,
    WRITERS = ~(FAULT_ALLOC | FAULT_READ | FAULT_OPEN)
};

/* What stands in the folder. */
typedef struct FolderState {
    size_t count;
    struct {
        char path[PATH];
        uint64_t hash;
    } file[FILES];
} FolderState;

typedef struct Objects {
    size_t count;
    const void *content[OBJECTS];
    char name[OBJECTS][72];
} Objects;

/* What the process that runs the line tells the one that waits for it. */
typedef struct Shared {
    uint64_t n, runs, calls;
    bool done;
    char failure[1400], last[sizeof(Error)];
} Shared;

/* An undisturbed run: what it printed and left, and which of it is the same every time. */
typedef struct Clean {
    Status status;
    uint64_t printed, calls;
    bool prints_alike;
    FolderState before, after;
    bool alike[FILES]; /* of `after` */
} Clean;

static char root[64];
static int out_file = -1;

/* ---- the folder -------------------------------------------------------------------------------------------------- */

static uint64_t hash_of(const void *bytes, size_t length) {
    char digits[HASH_HEX];
    hash_hex(bytes, length, digits);
    digits[16] = '\0';
    return strtoull(digits, NULL, 16);
}

static FolderState *collecting;

static int remove_one(const char *path, const struct stat *about, int kind, struct FTW *at) {
    (void)about;
    (void)kind;
    if (at->level > 0) remove(path);
    return 0;
}

static int collect(const char *path, const struct stat *about, int kind, struct FTW *at) {
    (void)about;
    (void)at;
    if (kind != FTW_F) return 0;
    if (collecting->count == FILES) return 1;
    Error ignored;
    size_t length = 0;
    char *text = file_read_all(path, 1 << 28, &length, &ignored);
    snprintf(collecting->file[collecting->count].path, PATH, "%s", path);
    collecting->file[collecting->count++].hash = text ? hash_of(text, length) : 0;
    mem_free(text);
    return 0;
}

static void look(FolderState *state) {
    state->count = 0;
    collecting = state;
    assert_int_equal(nftw(".", collect, 16, FTW_PHYS), 0);
}

static size_t find_file(const FolderState *state, const char *path) {
    for (size_t i = 0; i < state->count; i++)
        if (strcmp(state->file[i].path, path) == 0) return i;
    return FILES;
}

static bool same_folder(const FolderState *a, const FolderState *b) {
    bool same = a->count == b->count;
    for (size_t i = 0; same && i < a->count; i++) {
        const size_t other = find_file(b, a->file[i].path);
        same = other < FILES && a->file[i].hash == b->file[other].hash;
    }
    return same;
}

/* ---- a session --------------------------------------------------------------------------------------------------- */

static Status run_line(Session *session, const char *line, Error *err) {
    Reader reader = {0};
    *err = (Error){0};
    cancel_clear();
    ReaderState state = script_feed(session, &reader, line, 1, err);
    if (state == READER_MORE) state = script_end(session, &reader, err) ? READER_DONE : READER_FAILED;
    str_done(&reader.pending);
    return state == READER_DONE ? STATUS_OK : err->status;
}

/* As `weft -c` does: lines, until one fails. */
static Session *prepare(const FaultCase *item) {
    const SessionOptions options = {.format = "table", .ascii = true};
    Error err;
    if (chdir(root) != 0 || nftw(".", remove_one, 16, FTW_DEPTH | FTW_PHYS) != 0) _exit(90);
    if (mkdir("work", 0777) != 0 || chdir("work") != 0) _exit(90);
    Session *session = session_new(&options, &err);
    if (!session || session_run_text(session, NULL, command_prelude) != STATUS_OK) _exit(91);
    if (session_run_text(session, NULL, "load data test sample:fashion-test --limit 24") != STATUS_OK) _exit(92);
    if (item->prelude && session_run_text(session, NULL, item->prelude) != STATUS_OK) _exit(93);
    for (size_t i = 0; i < item->before_count; i++)
        if (session_run_text(session, NULL, item->before[i]) != STATUS_OK) _exit(94);
    fflush(stdout);
    return session;
}

static void list_objects(const Session *session, Objects *objects) {
    objects->count = session->object_count;
    for (size_t i = 0; i < session->object_count && i < OBJECTS; i++) {
        const Object *object = session->objects[i];
        objects->content[i] = object->kind == OBJECT_NETWORK     ? (const void *)object->network
                              : object->kind == OBJECT_PREDICTOR ? (const void *)object->predictor
                              : object->kind == OBJECT_DATASET   ? (const void *)object->dataset
                                                                 : (const void *)object->table;
        snprintf(objects->name[i], sizeof objects->name[i], "%s", object->name);
    }
}

static bool same_objects(const Objects *a, const Objects *b) {
    bool same = a->count == b->count;
    for (size_t i = 0; same && i < a->count && i < OBJECTS; i++)
        same = a->content[i] == b->content[i] && strcmp(a->name[i], b->name[i]) == 0;
    return same;
}

static void forget_output(void) {
    fflush(stdout);
    if (ftruncate(out_file, 0) != 0 || lseek(out_file, 0, SEEK_SET) != 0) _exit(95);
}

static uint64_t hash_output(void) {
    static char text[1 << 20];
    fflush(stdout);
    const ssize_t got = pread(out_file, text, sizeof text, 0);
    return got < 0 ? 0 : hash_of(text, (size_t)got);
}

/* Standard output goes to a file that is looked at, messages to one that is shown where the process dies. */
static void begin_process(void) {
    char path[96];
    snprintf(path, sizeof path, "%s.out", root);
    out_file = open(path, O_RDWR | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);
    snprintf(path, sizeof path, "%s.err", root);
    const int err_file = open(path, O_RDWR | O_CREAT | O_TRUNC | O_APPEND | O_CLOEXEC, 0600);
    const int nothing = open("/dev/null", O_RDONLY | O_CLOEXEC);
    if (out_file < 0 || dup2(out_file, STDOUT_FILENO) < 0 || dup2(err_file, STDERR_FILENO) < 0 ||
        dup2(nothing, STDIN_FILENO) < 0)
        _exit(96);
    signal(SIGPIPE, SIG_IGN); /* as the program does */
    pool_set_threads(1);      /* the n-th call is the same every time */
}

static void end_process(void) {
    fflush(NULL);
    if (__gcov_dump) __gcov_dump();
    _exit(0);
}

/* ---- an undisturbed run ------------------------------------------------------------------------------------------ */

static void run_clean(const FaultCase *item, const FaultPlan *plan, Clean *clean, char *message, size_t room) {
    static FolderState again;
    Error err;
    for (int i = 0; i < 2; i++) {
        Session *session = prepare(item);
        if (i == 0) look(&clean->before);
        forget_output();
        fault_arm(plan->kinds, 0, false);
        clean->status = run_line(session, item->line, &err);
        clean->calls = fault_disarm();
        const uint64_t printed = hash_output();
        clean->prints_alike = printed == clean->printed;
        clean->printed = printed;
        look(i == 0 ? &clean->after : &again);
        session_free(session);
    }
    for (size_t i = 0; i < clean->after.count; i++) {
        const size_t other = find_file(&again, clean->after.file[i].path);
        clean->alike[i] = other < FILES && again.file[other].hash == clean->after.file[i].hash;
    }
    snprintf(message, room, "%s", clean->status == STATUS_OK ? "" : err.text);
}

/* ---- a run with a fault ------------------------------------------------------------------------------------------ */

static bool failed(Shared *shared, const char *format, ...) __attribute__((format(printf, 2, 3)));
static bool failed(Shared *shared, const char *format, ...) {
    va_list args;
    va_start(args, format);
    vsnprintf(shared->failure, sizeof shared->failure, format, args);
    va_end(args);
    return false;
}

/* A file of a run that ended earlier: the lock and the log grow, a checkpoint may be that of another step, but whole.
 */
static bool of_run(const char *path, const char *name) {
    if (strcmp(name, "lock") == 0 || strcmp(name, "log.csv") == 0) return true;
    if (!text_ends_with(name, ".safetensors") || strncmp(path, "./runs/", 7) != 0) return false;
    Error ignored;
    Checkpoint *checkpoint = checkpoint_open(path, &ignored);
    checkpoint_close(checkpoint);
    return checkpoint != NULL;
}

/* Each file is the old or the new one (a recording of `many` commands may be at any of them), and no temporary file is
 * left. Files in which times stand are not compared. */
static bool check_files(const Clean *clean, bool many, const FolderState *now, Shared *shared) {
    for (size_t i = 0; i < now->count; i++) {
        const char *path = now->file[i].path, *name = strrchr(path, '/') + 1;
        const size_t old = find_file(&clean->before, path), new = find_file(&clean->after, path);
        if (save_is_temporary(name) && old == FILES) return failed(shared, "left the temporary file %s", path);
        if (old < FILES && clean->before.file[old].hash == now->file[i].hash) continue;
        if (new < FILES && clean->alike[new] && clean->after.file[new].hash != now->file[i].hash &&
            clean->status == STATUS_OK && !of_run(path, name) && !(many && text_ends_with(name, ".weft")))
            return failed(shared, "%s is neither the old nor the new one", path);
    }
    for (size_t i = 0; i < clean->before.count; i++)
        if (find_file(now, clean->before.file[i].path) == FILES &&
            find_file(&clean->after, clean->before.file[i].path) < FILES)
            return failed(shared, "%s is gone", clean->before.file[i].path);
    return true;
}

static bool right_status(const FaultPlan *plan, const Clean *clean, Status status, const char *text) {
    if (status == clean->status) return true;
    if (plan->kinds == FAULT_ALLOC) return status == STATUS_LIMIT || (status == STATUS_WRITE && strstr(text, "memory"));
    if (status == STATUS_WRITE) return !(plan->kinds & FAULT_INTERRUPTED);
    /* a signal harms nothing; what is written to a log in part is a failed write */
    return status == STATUS_BAD_INPUT && (plan->kinds & (FAULT_READ | FAULT_OPEN));
}

static bool check_message(const Error *err, Shared *shared) {
    if (!err->text[0]) return failed(shared, "failed without a message");
    if (strchr(err->text, '\n')) return failed(shared, "more than one line: %s", err->text);
    return true;
}

typedef struct Outcome {
    Status status;
    uint64_t seen;
    Error err;
    Objects before, after;
    FolderState files;
} Outcome;

static bool check(const FaultCase *item, const FaultPlan *plan, const Clean *clean, Session *session, uint64_t n,
                  const Outcome *o, Shared *shared) {
    Error err;
    if (o->seen < n) {
        if (o->status == clean->status) return true;
        return failed(shared, "nothing was refused, and it fails: %s", o->err.text);
    }
    if (!right_status(plan, clean, o->status, o->err.text))
        return failed(shared, "status %d: %s", (int)o->status, o->err.text);
    if (o->status == STATUS_OK) {
        if (clean->prints_alike && hash_output() != clean->printed && plan->kinds == FAULT_ALLOC)
            return failed(shared, "works, and prints something else");
    } else if (!check_message(&o->err, shared)) {
        return false;
    } else if (clean->status == STATUS_OK && !item->many && !strstr(o->err.text, "printed; it is kept") &&
               !same_objects(&o->before, &o->after)) {
        return failed(shared, "changed the workspace (%zu objects, now %zu), though it failed: %s", o->before.count,
                      o->after.count, o->err.text);
    }
    if (!check_files(clean, item->many, &o->files, shared)) return false;
    if (!session->quit && !session->record_path && run_line(session, "ls --quiet", &err) != STATUS_OK)
        return failed(shared, "the session works no longer: %s", err.text);
    return true;
}

static void run_faulty(const FaultCase *item, const FaultPlan *plan, const Clean *clean, Session **session,
                       Shared *shared) {
    static Outcome o;
    const uint64_t n = shared->n;
    list_objects(*session, &o.before);
    forget_output();
    alarm(RUN_SECONDS);
    fault_arm(plan->kinds, n, plan->all_after);
    o.status = run_line(*session, item->line, &o.err);
    o.seen = fault_disarm();
    alarm(0);
    list_objects(*session, &o.after);
    look(&o.files);
    shared->runs++;
    snprintf(shared->last, sizeof shared->last, "%s", o.status == STATUS_OK ? "worked" : o.err.text);
    const bool fine = check(item, plan, clean, *session, n, &o, shared);
    shared->done = o.seen < n;
    if (!fine || o.status == STATUS_OK || item->many || (*session)->lesson || strcmp(item->command, "history") == 0 ||
        !same_objects(&o.before, &o.after) || !same_folder(&clean->before, &o.files)) {
        session_free(*session);
        *session = shared->done || !fine ? NULL : prepare(item);
    }
    if (fine && plan->leaks_each && __lsan_do_recoverable_leak_check && __lsan_do_recoverable_leak_check())
        failed(shared, "leaks memory");
}

static uint64_t following(const FaultPlan *plan, const Shared *shared) {
    return shared->n + 1 + (plan->sample ? shared->calls / plan->sample : 0);
}

/* The process of a case: runs from shared->n on, until the line makes no more calls or something is wrong. */
static void process(const FaultCase *item, const FaultPlan *plan, Shared *shared) {
    static Clean clean;
    char message[sizeof(Error)];
    begin_process();
    run_clean(item, plan, &clean, message, sizeof message);
    shared->calls = clean.calls;
    Session *session = prepare(item);
    while (!shared->done && !shared->failure[0] && session) {
        run_faulty(item, plan, &clean, &session, shared);
        if (!shared->done && !shared->failure[0]) shared->n = following(plan, shared);
    }
    session_free(session);
    if (!shared->failure[0] && __lsan_do_recoverable_leak_check && __lsan_do_recoverable_leak_check())
        failed(shared, "leaks memory somewhere");
}

/* ---- the walk ---------------------------------------------------------------------------------------------------- */

static void show_messages(void) {
    char path[96], line[400];
    snprintf(path, sizeof path, "%s.err", root);
    FILE *file = fopen(path, "r");
    for (int i = 0; file && i < 40 && fgets(line, sizeof line, file); i++) fprintf(stderr, "#     %s", line);
    if (file) fclose(file);
}

static void begin_walk(const FaultPlan *plan) {
    snprintf(root, sizeof root, "%s/weft-faults-XXXXXX", access("/dev/shm", W_OK) == 0 ? "/dev/shm" : "/tmp");
    assert_non_null(mkdtemp(root));
    char state[96];
    snprintf(state, sizeof state, "%s/work/state", root);
    setenv("XDG_STATE_HOME", state, 1);
    setenv("WEFT_SAMPLES", plan->samples, 1);
}

static void end_walk(void) {
    static const char *const ends[] = {".out", ".err"};
    char path[96];
    nftw(root, remove_one, 16, FTW_DEPTH | FTW_PHYS);
    rmdir(root);
    for (size_t i = 0; i < 2; i++) {
        snprintf(path, sizeof path, "%s%s", root, ends[i]);
        unlink(path);
    }
}

static Shared *share(void) {
    Shared *shared = mmap(NULL, sizeof *shared, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
    assert_true(shared != MAP_FAILED);
    return shared;
}

/* Runs the process of the case once more; what it said, or how it ended. */
static void run_process(const FaultCase *item, const FaultPlan *plan, Shared *shared) {
    int status;
    fflush(NULL);
    const pid_t child = fork();
    assert_true(child >= 0);
    if (child == 0) {
        process(item, plan, shared);
        end_process();
    }
    waitpid(child, &status, 0);
    if (WIFSIGNALED(status)) {
        failed(shared, "died of signal %d (the run before: %s)", WTERMSIG(status), shared->last);
        show_messages();
    } else if (WEXITSTATUS(status) != 0) {
        failed(shared, "ended with status %d (the run before: %s)", WEXITSTATUS(status), shared->last);
        show_messages();
    } else if (strstr(shared->failure, "leaks")) {
        show_messages();
    }
}

FaultReport faults_walk(const FaultCase *item, const FaultPlan *plan) {
    FaultReport report = {0};
    Shared *shared = share();
    const double start = clock_seconds();
    begin_walk(plan);
    shared->n = plan->first;
    while (!shared->done && report.failures < FAILURES_MAX) {
        shared->failure[0] = '\0';
        run_process(item, plan, shared);
        if (!shared->failure[0]) continue;
        report.failures++;
        fprintf(stderr, "# %s, call %llu of kinds %u%s: %s\n", item->line, (unsigned long long)shared->n, plan->kinds,
                plan->all_after ? " and all later" : "", shared->failure);
        if (strstr(shared->failure, "somewhere")) break;
        shared->n = following(plan, shared);
    }
    report.runs = shared->runs;
    report.calls = shared->calls;
    report.seconds = clock_seconds() - start;
    munmap(shared, sizeof *shared);
    end_walk();
    return report;
}

const char *faults_clean(const FaultCase *item, const FaultPlan *plan) {
    static Clean clean;
    Shared *shared = share();
    begin_walk(plan);
    fflush(NULL);
    const pid_t child = fork();
    assert_true(child >= 0);
    if (child == 0) {
        begin_process();
        run_clean(item, plan, &clean, shared->last, sizeof shared->last);
        end_process();
    }
    int status;
    waitpid(child, &status, 0);
    const char *said = status == 0 ? text_of("%s", shared->last) : text_of("ended with %d", status);
    if (status != 0) show_messages();
    munmap(shared, sizeof *shared);
    end_walk();
    return said;
}
