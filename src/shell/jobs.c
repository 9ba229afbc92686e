/* jobs -- the runs that were started in the background: their list, kept in a file, and the state of each, read from
 * its folder. Nothing else is stored, so every session sees the same. */
#include <errno.h>
#include <jansson.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "command.h"
#include "jobs.h"
#include "paths.h"
#include "words.h"
#include "weft/base/error.h"
#include "weft/base/file.h"
#include "weft/base/json_text.h"
#include "weft/base/memory.h"
#include "weft/base/run.h"
#include "weft/base/save.h"
#include "weft/base/table.h"
#include "weft/base/text.h"
#include "weft/format.h"

enum { PARTS_MOST = 10000, LIST_LIMIT = 1 << 22, CONFIG_LIMIT = 1 << 20, ERROR_LIMIT = 1 << 20 }; /* bytes */

/* ---- the list ---------------------------------------------------------------------------------------------------- */

bool state_path(const char *name, Str *out) {
    const char *state = getenv("XDG_STATE_HOME"), *home = getenv("HOME");
    if (state && *state == '/')
        str_addf(out, "%s/weft/%s", state, name);
    else if (home && *home)
        str_addf(out, "%s/.local/state/weft/%s", home, name);
    return out->length > 0 && !out->failed;
}

void state_make_folders(char *path) {
    for (char *slash = strchr(path + 1, '/'); slash; slash = strchr(slash + 1, '/')) {
        *slash = '\0';
        folder_make(path, 0700);
        *slash = '/';
    }
}

static bool listed(const Words *folders, const char *folder) {
    for (size_t i = 0; i < folders->count; i++) {
        if (strcmp(folders->word[i], folder) == 0) return true;
    }
    return false;
}

bool jobs_list(Words *out, Error *err) {
    Str path = {0};
    size_t length;
    *out = (Words){0};
    bool known = state_path("jobs", &path) && access(path.text, F_OK) == 0, done = str_ok(&path, err);
    char *text = known ? file_read_all(path.text, LIST_LIMIT, &length, err) : NULL;
    if (known && !text) done = false; /* a list that cannot be read is not an empty one */
    for (char *line = text, *next; done && line && *line; line = next) {
        struct stat about;
        size_t size = strcspn(line, "\n");
        next = line + size + (line[size] == '\n');
        line[size] = '\0';
        bool there = line[0] == '/' && stat(line, &about) == 0 && S_ISDIR(about.st_mode);
        if (there && !listed(out, line)) done = words_add(out, line, err);
    }
    mem_free(text);
    str_done(&path);
    if (!done) words_done(out);
    return done;
}

bool jobs_add(const char *folder, Error *err) {
    Words folders = {0};
    Str path = {0}, text = {0};
    bool done = false;
    char *whole = realpath(folder, NULL);
    if (!whole || strchr(whole, '\n')) {
        error_set(err, STATUS_FAILED, "%s: cannot be a job: %s", folder,
                  whole ? "its name contains a line break" : strerror(errno));
        goto out;
    }
    if (!jobs_list(&folders, err)) goto out;
    if (listed(&folders, whole)) {
        done = true;
        goto out;
    }
    if (!words_add(&folders, whole, err)) goto out;
    if (!state_path("jobs", &path)) {
        error_set(err, STATUS_WRITE, "no folder for the list of jobs: HOME is not set");
        goto out;
    }
    for (size_t i = 0; i < folders.count; i++) str_addf(&text, "%s\n", folders.word[i]);
    state_make_folders(path.text);
    done = str_ok(&text, err) && save_text(path.text, true, text.text, text.length, err);
out:
    free(whole);
    words_done(&folders);
    str_done(&path);
    str_done(&text);
    return done;
}

/* ---- how a job stands -------------------------------------------------------------------------------------------- */

const char *job_state_name(JobState state) {
    static const char *const names[] = {"running", "done", "stopped", "failed"};
    return names[state];
}

bool job_failure(const char *folder, Str *reason) {
    Error ignored;
    size_t length;
    const bool stale = run_changed(folder, "lock") > run_changed(folder, "error.txt");
    char *text = stale ? NULL : run_read(folder, "error.txt", ERROR_LIMIT, &length, &ignored);
    const char *last = NULL;
    for (char *line = text, *next; line && *line; line = next) {
        next = line + strcspn(line, "\n");
        if (*next) *next++ = '\0';
        if (strncmp(line, "weft: ", 6) == 0)
            last = line + 6;
        else if (*line)
            last = NULL; /* a message came after it: it went on */
    }
    if (last) str_add(reason, last);
    mem_free(text);
    return last != NULL;
}

/* Parts of a run lie in its folder as trial-1, trial-2, ... (round-1, ...): goes down into the newest of `parts` that
 * has begun, and returns its number; 0: there are no parts. */
static unsigned find_newest(Str *folder, const char *kind, json_int_t parts) {
    unsigned number = parts < 1 ? 0 : parts < PARTS_MOST ? (unsigned)parts : PARTS_MOST;
    for (; number > 1; number--) {
        Str name = {0};
        str_addf(&name, "%s-%u/config.json", kind, number);
        if (!run_has(str_text(folder), str_text(&name))) {
            str_done(&name);
            str_addf(&name, "%s-%u/trial-1/config.json", kind, number);
        }
        const bool there = run_has(str_text(folder), str_text(&name));
        str_done(&name);
        if (there) break;
    }
    if (number > 0) str_addf(folder, "/%s-%u", kind, number);
    return number;
}

/* Where it stands: a survey counts its points, other runs the steps of the newest part. */
static void read_parts(Job *job, const json_t *config, Str *label) {
    const json_int_t trials = json_integer_value(json_object_get(config, "trials")),
                     rounds = json_integer_value(json_object_get(config, "rounds")),
                     steps = json_integer_value(json_object_get(config, "steps"));
    const char *kind = json_string_value(json_object_get(config, "kind"));
    Error ignored;
    Str newest = {0};
    str_add(&newest, job->folder);
    const unsigned round = find_newest(&newest, "round", rounds),
                   trial = find_newest(&newest, "trial", trials > 1 || rounds > 0 ? trials : 0);
    if (round > 0) str_addf(label, ", round %u of %lld", round, (long long)rounds);
    if (trials > 1) str_addf(label, ", trial %u of %lld", trial, (long long)trials);
    job->newest = newest.failed ? NULL : mem_copy_text(str_text(&newest), &ignored);
    job->survey = kind && strcmp(kind, "points") == 0;
    job->steps = steps > 0 ? (uint64_t)steps : 0;
    job->last_part = job->survey  ? run_has(job->folder, "done")
                     : rounds > 0 ? run_has(job->folder, "network.safetensors")
                                  : trials <= 1 || trial == trials;
    str_done(&newest);
}

/* What config.json says, as far as it does. */
static void read_config(Job *job) {
    Str label = {0};
    Error ignored;
    size_t length;
    char *text = run_read(job->folder, "config.json", CONFIG_LIMIT, &length, &ignored);
    json_t *object = text && json_room(length, &ignored) ? json_loadb(text, length, 0, NULL) : NULL;
    const char *name = json_string_value(json_object_get(object, "name")),
               *rate_of = json_string_value(json_object_get(object, "rate_of")), *slash = strrchr(job->folder, '/');
    const char *own = slash && slash[1] ? slash + 1 : job->folder;
    read_parts(job, object, &label);
    if (job->survey && name) str_addf(&label, ", %s", name);
    if (job->survey || !name) name = own;
    job->name = mem_copy_text(name, &ignored);
    Str whole = {0};
    str_addf(&whole, "%s%s", name, str_text(&label));
    job->label = label.failed || whole.failed ? NULL : mem_copy_text(str_text(&whole), &ignored);
    str_done(&whole);
    job->rate_of = mem_copy_text(rate_of ? rate_of : "steps", &ignored);
    json_decref(object);
    mem_free(text);
    str_done(&label);
}

/* The newest job of this name. */
static bool job_named(const char *name, Str *folder, Error *err) {
    Words folders;
    if (!jobs_list(&folders, err)) return false;
    for (size_t i = folders.count; i-- > 0 && !folder->length;) {
        Error ignored;
        Job job = {.folder = folders.word[i], .look = run_look(folders.word[i], &ignored)};
        if (job.look) read_config(&job);
        if (job.name && strcmp(job.name, name) == 0) str_add(folder, folders.word[i]);
        job.folder = NULL;
        job_done(&job);
    }
    words_done(&folders);
    if (folder->failed) return str_ok(folder, err);
    return folder->length > 0 ||
           error_set(err, STATUS_BAD_INPUT, "%s: neither a run folder nor the name of a job (jobs lists them)", name);
}

bool job_find(const char *word, Str *folder, Error *err) {
    uint64_t number;
    Words folders;
    if (text_to_u64(word, &number)) {
        if (!jobs_list(&folders, err)) return false;
        bool known = number >= 1 && number <= folders.count;
        if (known) str_add(folder, folders.word[number - 1]);
        words_done(&folders);
        if (!known) return error_set(err, STATUS_USAGE, "no job %s (jobs lists them)", word);
        return str_ok(folder, err);
    }
    if (!path_expand(word, folder, err)) return false;
    const char *path = str_text(folder);
    if (run_has(path, "config.json") || run_has(path, "log.csv") || run_has(path, "lock")) return true;
    str_done(folder);
    return job_named(word, folder, err);
}

/* The step of the newest checkpoint, which its metadata tell; 0: none, or not known. */
static uint64_t saved_step(const char *folder) {
    Str path = {0};
    Error ignored;
    run_path(folder, "last.safetensors", &path);
    Checkpoint *checkpoint = path.failed ? NULL : checkpoint_open(str_text(&path), &ignored);
    const char *text = checkpoint ? checkpoint_metadata_find(checkpoint, "weft.run") : NULL;
    json_t *object = text && json_room(strlen(text), &ignored) ? json_loads(text, 0, NULL) : NULL;
    json_int_t step = json_integer_value(json_object_get(object, "step"));
    json_decref(object);
    checkpoint_close(checkpoint);
    str_done(&path);
    return step > 0 ? (uint64_t)step : 0;
}

/* As fast as the last steps were; as fast as all points of this process were. */
static double time_left(const Job *job) {
    double idle = 0;
    if (job->state != JOB_RUNNING || job->steps <= job->step) return NAN;
    const double each = job->survey ? run_row_seconds(job->newest, job->step, &idle) : run_step_seconds(job->log);
    return each > 0 ? fmax((double)(job->steps - job->step) * each - idle, 0) : (double)NAN;
}

bool job_read(const char *folder, Job *out, Error *err) {
    Job job = {.folder = mem_copy_text(folder, err)};
    Error ignored;
    if (!job.folder) return false;
    if (!(job.look = run_look(folder, err))) {
        job_done(&job);
        return false;
    }
    bool busy = run_busy(folder, &job.process); /* first: what is read after it is at least as new */
    read_config(&job);
    if (!job.name || !job.label || !job.rate_of || !job.newest) {
        job_done(&job);
        return error_set(err, STATUS_LIMIT, "out of memory for a job");
    }
    job.log = run_log_table(job.newest, &ignored);
    double logged = !job.log ? NAN : job.survey ? (double)job.log->rows : table_latest(job.log, "step");
    job.saved = saved_step(job.newest);
    job.step = logged > (double)job.saved ? (uint64_t)logged : job.saved;
    job.loss = job.log && !job.survey ? table_latest(job.log, "loss") : NAN;
    job.accuracy = job.log && !job.survey ? table_latest(job.log, "accuracy") : NAN;
    bool all = job.last_part && (job.survey || (job.steps > 0 && job.step >= job.steps));
    bool failed = !busy && !all && job_failure(folder, &job.reason);
    job.state = busy ? JOB_RUNNING : all ? JOB_DONE : failed ? JOB_FAILED : JOB_STOPPED;
    job.left = time_left(&job);
    *out = job;
    return true;
}

bool job_refused(const char *folder, const Error *why, Job *out, Error *err) {
    const char *slash = strrchr(folder, '/'), *name = slash && slash[1] ? slash + 1 : folder;
    *out = (Job){.state = JOB_FAILED, .loss = NAN, .accuracy = NAN, .left = NAN};
    str_add(&out->reason, why->text);
    if (!out->reason.failed && (out->folder = mem_copy_text(folder, err)) && (out->label = mem_copy_text(name, err)))
        return true;
    job_done(out);
    return error_set(err, STATUS_LIMIT, "out of memory for a job");
}

void job_done(Job *job) {
    mem_free(job->folder);
    mem_free(job->name);
    mem_free(job->label);
    mem_free(job->rate_of);
    mem_free(job->newest);
    table_free(job->log);
    str_done(&job->reason);
    run_close(job->look);
    *job = (Job){0};
}

void job_describe(const Job *job, Str *out) {
    str_addf(out, "%s: %s", job->folder, job_state_name(job->state));
    if (job->process) str_addf(out, " (process %ld)", job->process);
    if (job->reason.length) str_addf(out, ": %s", job->reason.text);
    str_addf(out, ", %s %llu", job->survey ? "point" : "step", (unsigned long long)job->step);
    if (job->steps) str_addf(out, " of %llu", (unsigned long long)job->steps);
    Str left = {0};
    str_add_duration(&left, job->left);
    if (left.length > 0) str_addf(out, ", %s left", str_text(&left));
    str_done(&left);
    if (!isnan(job->loss)) str_addf(out, ", loss %.5g", job->loss);
    if (!isnan(job->accuracy)) str_addf(out, ", accuracy %.2f %%", job->accuracy);
}
