/* stored -- the record of a training run: reading it, and checking that its source and data are still the same. */
#include "train/internal.h"

#include <stdio.h>
#include <string.h>

#include "weft/base/error.h"
#include "weft/base/hash.h"
#include "weft/base/memory.h"
#include "weft/base/record.h"
#include "weft/base/run.h"
#include "weft/base/text.h"

#define SOURCE "source.safetensors"
#define TEACHER "teacher.safetensors"

/* ---- writing ----------------------------------------------------------------------------------------------------- */

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

static bool add_network(RunRecord *record, const char *role, const Network *network, const char *file, Error *err) {
    char hash[HASH_HEX];
    return !network || (network_hash(network, hash, err) && record_add_network(record, role, hash, file, err));
}

bool stored_write(const char *folder, const TrainJob *job, const TrainConfig *config, unsigned trials,
                  const ProgressiveJob *rounds, Error *err) {
    RunRecord record = {.steps = config->steps,
                        .seed = config->seed,
                        .trials = trials > 1 || rounds ? trials : 0,
                        .rounds = rounds ? rounds->rounds : 0,
                        .patience = rounds ? rounds->patience : 0};
    const char *kind = rounds ? "progressive" : trials > 1 ? "trials" : "train";
    const bool done =
        record_begin(&record, kind, job->name, job->command, train_config_json(config), err) &&
        (record.rate_of = mem_copy_text(train_rate_of(config), err)) &&
        add_network(&record, "source", job->source, SOURCE, err) &&
        add_network(&record, "teacher", job->teacher, TEACHER, err) &&
        dataset_record(job->images, "images", &record, err) && dataset_record(job->data, "data", &record, err) &&
        dataset_record(rounds ? rounds->select : NULL, "select", &record, err) && record_write(folder, &record, err);
    record_done(&record);
    return done;
}

/* ---- reading ----------------------------------------------------------------------------------------------------- */

void stored_trial(const char *folder, unsigned number, Str *out) {
    char name[32];
    snprintf(name, sizeof name, "trial-%u", number);
    run_path(folder, name, out);
}

/* Folders of trials that weft 0.2 made hold nothing before their first trial. */
static bool holds_run(const char *folder, unsigned trials) {
    Str first = {0};
    stored_trial(folder, 1, &first);
    bool holds = record_here(folder) && (trials <= 1 || run_has(folder, SOURCE) || record_here(str_text(&first)));
    str_done(&first);
    return holds;
}

Run *stored_claim(const char *folder, unsigned trials, Error *err) {
    Run *run = run_create(folder, err);
    if (!run || !holds_run(folder, trials)) return run;
    run_close(run);
    error_set(err, STATUS_FAILED, "%s: already holds a run (resume %s continues it)", folder, folder);
    return NULL;
}

bool stored_publish(Run *run, bool done, Error *err) {
    done = done && run_publish(run, err);
    if (!done) run_name_error(run, err);
    return done;
}

/* Where the source and the data of all trials are. */
void stored_source(const char *folder, Str *out) {
    if (run_has(folder, SOURCE))
        str_add(out, folder);
    else
        stored_trial(folder, 1, out);
}

bool stored_read(const char *folder, Stored *out, Error *err) {
    *out = (Stored){0};
    if (!record_read(folder, &out->record, err)) return false;
    if (train_config_from_json(out->record.settings, &out->config, err)) return true;
    stored_done(out);
    return error_prefix(err, "%s/config.json", folder);
}

/* A run that is at its end can do without: what is wrong is only noted. */
static void load_data(const char *folder, Stored *stored, const char *role, StoredData *out) {
    out->object = record_object(&stored->record, role);
    if (out->object) out->data = dataset_load_recorded(folder, &stored->record, out->object, &out->problem);
}

bool stored_load(const char *folder, Stored *stored, Error *err) {
    const RecordObject *source = record_object(&stored->record, "source"),
                       *teacher = record_object(&stored->record, "teacher");
    if (!source) return error_set(err, STATUS_BAD_INPUT, "%s/config.json: field 'objects' has no source", folder);
    if (!(stored->source = network_load_kept(folder, source->file, source->hash, "network", err)) ||
        (teacher && !(stored->teacher = network_load_kept(folder, teacher->file, teacher->hash, "teacher", err))))
        return false;
    load_data(folder, stored, "data", &stored->data);
    load_data(folder, stored, "images", &stored->images);
    load_data(folder, stored, "select", &stored->select);
    return true;
}

TrainJob stored_job(const TrainJob *job, const Stored *stored) {
    TrainJob own = *job;
    own.config = stored->config;
    own.name = stored->record.name;
    own.command = stored->record.command;
    own.source = stored->source;
    own.teacher = stored->teacher;
    own.data = stored->data.data;
    own.data_images = stored->data.object ? stored->data.object->images : 0;
    own.images = stored->images.data;
    own.data_problem = stored_problem(stored);
    return own;
}

const Error *stored_problem(const Stored *stored) {
    const StoredData *const all[] = {&stored->data, &stored->select, &stored->images};
    for (size_t i = 0; i < sizeof all / sizeof *all; i++)
        if (all[i]->object && !all[i]->data) return &all[i]->problem;
    return NULL;
}

void stored_done(Stored *stored) {
    record_done(&stored->record);
    dataset_free(stored->data.data);
    dataset_free(stored->images.data);
    dataset_free(stored->select.data);
    network_free(stored->source);
    network_free(stored->teacher);
    *stored = (Stored){0};
}
