/* stored -- config.json: what a run folder says of its run, and whether its source and data are still the same. */
#include "train/internal.h"

#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "weft/base/error.h"
#include "weft/base/file.h"
#include "weft/base/hash.h"
#include "weft/base/machine.h"
#include "weft/base/memory.h"
#include "weft/base/pool.h"
#include "weft/base/run.h"
#include "weft/base/save.h"
#include "weft/base/text.h"
#include "weft/base/version.h"

enum { CONFIG_LIMIT = 1 << 20 };
#define SOURCE "source.safetensors"
#define TEACHER "teacher.safetensors"

/* ---- writing ----------------------------------------------------------------------------------------------------- */

/* Where relative names of the data specification begin. */
static json_t *folder_json(void) {
    char path[PATH_MAX];
    return json_string(getcwd(path, sizeof path) && text_valid_utf8(path, strlen(path)) ? path : "");
}

static json_t *data_json(const Dataset *data) {
    char hash[HASH_HEX];
    if (!data) return json_null();
    dataset_hash(data, hash);
    json_t *object = json_object();
    bool done = object && json_object_set_new(object, "spec", json_string(data->spec)) == 0 &&
                json_object_set_new(object, "images", json_integer((json_int_t)data->count)) == 0 &&
                json_object_set_new(object, "hash", json_string(hash)) == 0;
    if (done) return object;
    json_decref(object);
    return NULL;
}

static bool check_spec(const Dataset *data, Error *err) {
    return !data || text_valid_utf8(data->spec, strlen(data->spec)) ||
           error_set(err, STATUS_USAGE, "%s: a run saves the data's specification, but this one is not UTF-8",
                     data->spec);
}

bool stored_save_networks(const char *folder, const TrainJob *job, Error *err) {
    Str source = {0}, teacher = {0};
    run_path(folder, SOURCE, &source);
    run_path(folder, TEACHER, &teacher);
    bool done = str_ok(&source, err) && str_ok(&teacher, err) &&
                network_keep(job->source, str_text(&source), true, err) &&
                (!job->teacher || network_keep(job->teacher, str_text(&teacher), true, err));
    str_done(&source);
    str_done(&teacher);
    return done;
}

bool stored_write(const char *folder, const TrainJob *job, const TrainConfig *config, unsigned trials,
                  const ProgressiveJob *rounds, Error *err) {
    if (!check_spec(job->data, err) || !check_spec(job->images, err) || (rounds && !check_spec(rounds->select, err)))
        return false;
    char source[HASH_HEX], teacher[HASH_HEX];
    if (!network_hash(job->source, source, err) || (job->teacher && !network_hash(job->teacher, teacher, err)))
        return false;
    json_t *object = json_object();
    Str path = {0}, command = {0};
    bool done = object && json_object_set_new(object, "weft", json_string(WEFT_VERSION)) == 0 &&
                json_object_set_new(object, "kind",
                                    json_string(rounds       ? "progressive"
                                                : trials > 1 ? "trials"
                                                             : "train")) == 0 &&
                json_object_set_new(object, "name", json_string(job->name)) == 0 &&
                json_object_set_new(object, "command", json_string(text_as_utf8(job->command, &command))) == 0 &&
                json_object_set_new(object, "folder", folder_json()) == 0 &&
                json_object_set_new(object, "trials", json_integer(trials > 1 || rounds ? trials : 0)) == 0 &&
                json_object_set_new(object, "rounds", json_integer(rounds ? rounds->rounds : 0)) == 0 &&
                json_object_set_new(object, "patience", json_integer(rounds ? rounds->patience : 0)) == 0 &&
                json_object_set_new(object, "select", data_json(rounds ? rounds->select : NULL)) == 0 &&
                json_object_set_new(object, "steps", json_integer((json_int_t)config->steps)) == 0 &&
                json_object_set_new(object, "rate_of", json_string(train_rate_of(config))) == 0 &&
                json_object_set_new(object, "cpu", json_string(cpu_name())) == 0 &&
                json_object_set_new(object, "threads", json_integer((json_int_t)pool_threads())) == 0 &&
                json_object_set_new(object, "source", json_string(source)) == 0 &&
                json_object_set_new(object, "teacher", json_string(job->teacher ? teacher : "")) == 0 &&
                json_object_set_new(object, "images", data_json(job->images)) == 0 &&
                json_object_set_new(object, "data", data_json(job->data)) == 0 &&
                json_object_set_new(object, "config", train_config_json(config)) == 0;
    char *text = done ? json_dumps(object, JSON_INDENT(2) | JSON_REAL_PRECISION(17)) : NULL;
    json_decref(object);
    run_path(folder, "config.json", &path);
    if (!text) done = error_set(err, STATUS_LIMIT, "no memory for config.json");
    done = done && str_ok(&path, err) && save_text(str_text(&path), true, text, strlen(text), err);
    str_done(&path);
    str_done(&command);
    free(text);
    return done;
}

/* ---- reading ----------------------------------------------------------------------------------------------------- */

bool stored_here(const char *folder) {
    return run_has(folder, "config.json");
}

void stored_trial(const char *folder, unsigned number, Str *out) {
    char name[32];
    snprintf(name, sizeof name, "trial-%u", number);
    run_path(folder, name, out);
}

/* A folder of trials without its first trial holds nothing yet. */
static bool holds_run(const char *folder, unsigned trials) {
    Str first = {0};
    stored_trial(folder, 1, &first);
    bool holds = stored_here(folder) && (trials <= 1 || stored_here(str_text(&first)));
    str_done(&first);
    return holds;
}

Run *stored_claim(const char *folder, unsigned trials, Error *err) {
    Run *run = run_vacant(folder, err) ? run_open(folder, err) : NULL;
    if (!run || !holds_run(folder, trials)) return run;
    run_close(run);
    error_set(err, STATUS_FAILED, "%s: already holds a run (resume %s continues it)", folder, folder);
    return NULL;
}

static bool take_text(const json_t *object, const char *name, char **out, Error *err) {
    const char *text = json_string_value(json_object_get(object, name));
    if (!text) return error_set(err, STATUS_BAD_INPUT, "field '%s' is invalid", name);
    *out = mem_copy_text(text, err);
    return *out != NULL;
}

static bool copy_text(const json_t *object, const char *name, char *out, size_t size) {
    const json_t *value = json_object_get(object, name);
    if (!json_is_string(value)) return false;
    snprintf(out, size, "%s", json_string_value(value));
    return true;
}

static bool take_data(const json_t *object, const char *name, StoredData *out, Error *err) {
    const json_t *data = json_object_get(object, name), *images = json_object_get(data, "images");
    const char *spec = json_string_value(json_object_get(data, "spec"));
    if (json_is_null(data)) return true;
    if (!spec || !json_is_integer(images) || json_integer_value(images) < 0 ||
        !copy_text(data, "hash", out->hash, sizeof out->hash))
        return error_set(err, STATUS_BAD_INPUT, "field '%s' is invalid", name);
    out->limit = (uint64_t)json_integer_value(images);
    out->spec = mem_copy_text(spec, err);
    return out->spec != NULL;
}

static bool take_small(const json_t *object, const char *name, unsigned *out, Error *err) {
    const json_t *value = json_object_get(object, name);
    *out = (unsigned)json_integer_value(value);
    return (json_is_integer(value) && json_integer_value(value) >= 0 && json_integer_value(value) <= UINT16_MAX) ||
           error_set(err, STATUS_BAD_INPUT, "field '%s' is invalid", name);
}

static bool take(const json_t *object, Stored *out, Error *err) {
    const json_t *config = json_object_get(object, "config");
    if (!copy_text(object, "name", out->name, sizeof out->name) || !json_is_object(config) ||
        !copy_text(object, "source", out->source_hash, sizeof out->source_hash) ||
        !copy_text(object, "teacher", out->teacher_hash, sizeof out->teacher_hash))
        return error_set(err, STATUS_BAD_INPUT, "not the configuration of a run");
    return take_small(object, "trials", &out->trials, err) && take_small(object, "rounds", &out->rounds, err) &&
           take_small(object, "patience", &out->patience, err) && take_text(object, "command", &out->command, err) &&
           take_text(object, "folder", &out->folder, err) && train_config_from_json(config, &out->config, err) &&
           take_data(object, "data", &out->data, err) && take_data(object, "images", &out->images, err) &&
           take_data(object, "select", &out->select, err);
}

bool stored_read(const char *folder, Stored *out, Error *err) {
    Str path = {0};
    size_t length;
    json_error_t problem;
    char *text = NULL;
    json_t *object = NULL;
    bool done = false;
    *out = (Stored){0};
    if (!stored_here(folder)) return error_set(err, STATUS_BAD_INPUT, "%s: not a run: it has no config.json", folder);
    run_path(folder, "config.json", &path);
    if (!str_ok(&path, err) || !(text = file_read_all(str_text(&path), CONFIG_LIMIT, &length, err))) goto out;
    object = json_loads(text, JSON_REJECT_DUPLICATES, &problem);
    if (!json_is_object(object)) {
        error_set(err, STATUS_BAD_INPUT, "%s: %s", str_text(&path), object ? "not a JSON object" : problem.text);
        goto out;
    }
    done = take(object, out, err) || error_prefix(err, "%s", str_text(&path));
out:
    json_decref(object);
    mem_free(text);
    str_done(&path);
    if (!done) stored_done(out);
    return done;
}

/* A run that is at its end can do without: what is wrong is only noted. */
static void load_data(const char *run, const char *began, const char *field, StoredData *stored) {
    char hash[HASH_HEX];
    if (!stored->spec) return;
    stored->data = dataset_load_from(began, stored->spec, stored->limit, &stored->problem);
    if (!stored->data) return;
    dataset_hash(stored->data, hash);
    if (strcmp(hash, stored->hash) == 0) return;
    error_set(&stored->problem, STATUS_BAD_INPUT,
              "%s: field '%s' differs: %s does not hold the images the run started with", run, field, stored->spec);
    dataset_free(stored->data);
    stored->data = NULL;
}

bool stored_load(const char *folder, Stored *stored, Error *err) {
    if (!(stored->source = network_load_kept(folder, SOURCE, stored->source_hash, "network", err))) return false;
    if (stored->teacher_hash[0] &&
        !(stored->teacher = network_load_kept(folder, TEACHER, stored->teacher_hash, "teacher", err)))
        return false;
    load_data(folder, stored->folder, "data", &stored->data);
    load_data(folder, stored->folder, "images", &stored->images);
    load_data(folder, stored->folder, "select", &stored->select);
    return true;
}

TrainJob stored_job(const TrainJob *job, const Stored *stored) {
    TrainJob own = *job;
    own.config = stored->config;
    own.name = stored->name;
    own.command = stored->command;
    own.source = stored->source;
    own.teacher = stored->teacher;
    own.data = stored->data.data;
    own.images = stored->images.data;
    own.data_problem = stored_problem(stored);
    return own;
}

const Error *stored_problem(const Stored *stored) {
    const StoredData *const all[] = {&stored->data, &stored->select, &stored->images};
    for (size_t i = 0; i < sizeof all / sizeof *all; i++)
        if (all[i]->spec && !all[i]->data) return &all[i]->problem;
    return NULL;
}

static void data_done(StoredData *stored) {
    mem_free(stored->spec);
    dataset_free(stored->data);
}

void stored_done(Stored *stored) {
    mem_free(stored->command);
    mem_free(stored->folder);
    data_done(&stored->data);
    data_done(&stored->images);
    data_done(&stored->select);
    network_free(stored->source);
    network_free(stored->teacher);
    *stored = (Stored){0};
}
