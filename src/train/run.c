/* run -- a training run from its first step, or on from its newest checkpoint, with or without a folder. */
#include "train/internal.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

enum { CONFIG_LIMIT = 1 << 20 };

/* What a run in progress is made of. */
typedef struct Work {
    TrainConfig config;
    Predictor *predictor;
    Learner learner;
    Optimiser *optimiser;
    Run *run;
    Dataset *data; /* loaded for a resumed run; owned */
    Network *source;
    Loop loop;
    Str notes; /* checkpoints that were passed over */
} Work;

static void work_done(Work *work) {
    recon_done(&work->learner);
    optimiser_free(work->optimiser);
    predictor_free(work->predictor);
    network_free(work->source);
    dataset_free(work->data);
    table_free(work->loop.log);
    run_close(work->run);
    str_done(&work->notes);
}

/* ---- the folder -------------------------------------------------------------------------------------------------- */

static void data_hash(const Dataset *data, char out[HASH_HEX]) {
    const size_t size = (size_t)data->channels * data->height * data->width;
    char both[2 * HASH_HEX];
    hash_hex(data->pixels, (size_t)data->count * size, both);
    hash_hex(data->labels, (size_t)data->count * sizeof *data->labels, both + HASH_HEX - 1);
    hash_hex(both, strlen(both), out);
}

static json_t *data_json(const TrainJob *job, const char *hash) {
    if (!job->data) return json_null();
    json_t *object = json_object();
    bool done = object && json_object_set_new(object, "spec", json_string(job->data->spec)) == 0 &&
                json_object_set_new(object, "limit", json_integer((json_int_t)job->data_limit)) == 0 &&
                json_object_set_new(object, "images", json_integer((json_int_t)job->data->count)) == 0 &&
                json_object_set_new(object, "hash", json_string(hash)) == 0;
    if (done) return object;
    json_decref(object);
    return NULL;
}

static bool write_config(const Work *work, const TrainJob *job, Error *err) {
    json_t *object = json_object();
    Str path = {0};
    bool done = object && json_object_set_new(object, "weft", json_string(WEFT_VERSION)) == 0 &&
                json_object_set_new(object, "kind", json_string("train")) == 0 &&
                json_object_set_new(object, "name", json_string(job->name)) == 0 &&
                json_object_set_new(object, "command", json_string(job->command)) == 0 &&
                json_object_set_new(object, "steps", json_integer((json_int_t)work->config.steps)) == 0 &&
                json_object_set_new(object, "rate_of", json_string("kernels")) == 0 &&
                json_object_set_new(object, "cpu", json_string(cpu_name())) == 0 &&
                json_object_set_new(object, "threads", json_integer((json_int_t)pool_threads())) == 0 &&
                json_object_set_new(object, "data", data_json(job, work->loop.progress.data)) == 0 &&
                json_object_set_new(object, "config", train_config_json(&work->config)) == 0;
    char *text = done ? json_dumps(object, JSON_INDENT(2) | JSON_REAL_PRECISION(17)) : NULL;
    json_decref(object);
    run_path(job->folder, "config.json", &path);
    if (!text) done = error_set(err, STATUS_LIMIT, "no memory for config.json");
    done = done && str_ok(&path, err) && save_text(str_text(&path), true, text, strlen(text), err);
    str_done(&path);
    free(text);
    return done;
}

static bool has_config(const char *folder) {
    Str path = {0};
    run_path(folder, "config.json", &path);
    bool there = !path.failed && access(str_text(&path), F_OK) == 0;
    str_done(&path);
    return there;
}

/* All that the run will write must find room: two checkpoints and a new one, the best, the source. */
static bool probe(const Work *work, const Network *source, Error *err) {
    uint64_t bytes = (uint64_t)work->predictor->parameter_count * sizeof(float) * 14 + (1 << 16);
    for (size_t i = 0; i < source->tensor_count; i++) bytes += source->tensors[i].tensor->count * sizeof(float);
    return run_probe(work->run, bytes, err);
}

/* Everything a resumption needs, config.json last: a folder without one holds no run. */
static bool begin_folder(Work *work, const TrainJob *job, Error *err) {
    Str path = {0};
    run_path(job->folder, "source.safetensors", &path);
    bool done = str_ok(&path, err) && probe(work, job->source, err) &&
                network_save(job->source, str_text(&path), true, err) &&
                run_log_open(work->run, loop_heading, 0, err) &&
                checkpoint_save(job->folder, &work->learner, work->optimiser, &work->loop.progress, err) &&
                write_config(work, job, err);
    work->loop.log_file = done;
    str_done(&path);
    return done;
}

/* ---- common to both ---------------------------------------------------------------------------------------------- */

static bool save_best(void *context, Error *err) {
    const Work *work = context;
    Str path = {0};
    run_path(run_folder(work->run), "best.safetensors", &path);
    bool done = str_ok(&path, err) && predictor_save(work->predictor, str_text(&path), DTYPE_F32, true, err);
    str_done(&path);
    return done;
}

static bool make_learner(Work *work, const Network *target, const Dataset *data, Error *err) {
    float *targets = predictor_targets(work->predictor, target, err);
    if (!targets) return false;
    if (!recon_learner(&work->learner, &work->config, work->predictor, targets, data, err)) return false;
    Learner *learner = &work->learner;
    work->optimiser = optimiser_new(&work->config.optimiser, learner->blocks, learner->block_count,
                                    learner->parameters, learner->count, err);
    return work->optimiser != NULL;
}

static bool note_partial(Work *work, Error *err) {
    Str text = {0};
    str_addf(&text, "step %llu of %llu", (unsigned long long)work->loop.progress.step,
             (unsigned long long)work->config.steps);
    bool done = str_ok(&text, err) && predictor_note(work->predictor, "partial", str_text(&text), err);
    str_done(&text);
    return done;
}

static bool go(Work *work, const TrainJob *job, TrainResult *out, Error *err) {
    Loop *loop = &work->loop;
    bool stopped;
    Measure end;
    loop->config = &work->config;
    loop->learner = &work->learner;
    loop->optimiser = work->optimiser;
    loop->run = work->run;
    loop->watch = job->watch;
    loop->watch_context = job->watch_context;
    loop->save_best = save_best;
    loop->best_context = work;
    if (!loop_run(loop, &stopped, err)) return false;
    if (!work->learner.measure(&work->learner, false, &end, err)) return false;
    if (stopped && !note_partial(work, err)) return false;
    const Progress *p = &loop->progress;
    const bool evaluated = p->step == work->config.steps ||
                           (work->config.evaluate_every && p->step % work->config.evaluate_every == 0);
    *out = (TrainResult){.predictor = work->predictor,
                         .partial = stopped,
                         .step = p->step,
                         .recon = end.recon,
                         .accuracy = evaluated ? p->accuracy : NAN,
                         .best_accuracy = p->best_accuracy,
                         .seconds = p->seconds,
                         .saved = loop->saved,
                         .save_error = loop->save_error};
    out->predictor->log = table_finish(loop->log, err);
    loop->log = NULL;
    if (!out->predictor->log) return false;
    work->predictor = NULL;
    return true;
}

void train_result_done(TrainResult *result) {
    predictor_free(result->predictor);
    result->predictor = NULL;
}

/* ---- anew -------------------------------------------------------------------------------------------------------- */

static bool make_predictor(Work *work, const TrainJob *job, Error *err) {
    const TrainConfig *config = &work->config;
    if (job->from) {
        work->predictor = predictor_derive(job->from, "train", job->command, err);
        return work->predictor && predictor_attach(work->predictor, job->source, err);
    }
    bool *chosen = NULL;
    if (*config->layers) {
        chosen = mem_alloc(job->source->layer_count, sizeof *chosen, err);
        if (!chosen) return false;
        if (!layer_select(job->source, config->layers, true, chosen, err)) {
            mem_free(chosen);
            return false;
        }
    }
    work->predictor =
        predictor_new(job->source, chosen, &config->predictor, config->seed, job->command, job->task, err);
    mem_free(chosen);
    return work->predictor != NULL;
}

static bool open_folder(Work *work, const TrainJob *job, Error *err) {
    if (!job->folder) return true;
    if (!(work->run = run_open(job->folder, err))) return false;
    return !has_config(job->folder) ||
           error_set(err, STATUS_FAILED, "%s: holds a run already (resume %s goes on with it)", job->folder, job->folder);
}

bool train_run(const TrainJob *job, TrainResult *out, Error *err) {
    Work work = {.config = job->config};
    Progress *p = &work.loop.progress;
    p->accuracy = p->best_accuracy = p->best_recon = NAN;
    if (job->data) data_hash(job->data, p->data);
    if (job->from) work.config.predictor = job->from->config;
    bool done = open_folder(&work, job, err) && make_predictor(&work, job, err) &&
                make_learner(&work, job->source, job->data, err) && (work.loop.log = loop_log_table(err)) &&
                (!job->folder || begin_folder(&work, job, err)) && go(&work, job, out, err);
    work_done(&work);
    return done;
}

/* ---- again ------------------------------------------------------------------------------------------------------- */

/* config.json as an object; its own part about the configuration is read into work->config. */
static json_t *read_config(Work *work, const char *folder, Error *err) {
    Str path = {0};
    size_t length;
    json_error_t problem;
    run_path(folder, "config.json", &path);
    if (access(str_text(&path), F_OK) != 0) {
        error_set(err, STATUS_BAD_INPUT, "%s: no run: it holds no config.json", folder);
        str_done(&path);
        return NULL;
    }
    char *text = file_read_all(str_text(&path), CONFIG_LIMIT, &length, err);
    json_t *object = text ? json_loads(text, JSON_REJECT_DUPLICATES, &problem) : NULL;
    const json_t *config = json_object_get(object, "config");
    bool done = text != NULL;
    if (done && !json_is_object(config))
        done = error_set(err, STATUS_BAD_INPUT, "%s: not what a run's configuration is", str_text(&path));
    if (done && !train_config_from_json(config, &work->config, err)) done = error_prefix(err, "%s", str_text(&path));
    mem_free(text);
    str_done(&path);
    if (done) return object;
    json_decref(object);
    return NULL;
}

/* The images that the run evaluates on must be those it began with. */
static bool load_data(Work *work, const json_t *config, const char *folder, Error *err) {
    const json_t *data = json_object_get(config, "data");
    const char *spec = json_string_value(json_object_get(data, "spec"));
    const char *wanted = json_string_value(json_object_get(data, "hash"));
    char hash[HASH_HEX];
    if (json_is_null(data)) return true;
    if (!spec || !wanted) return error_set(err, STATUS_BAD_INPUT, "%s/config.json: field 'data' is not understood", folder);
    work->data = dataset_load(spec, (uint64_t)json_integer_value(json_object_get(data, "limit")), err);
    if (!work->data) return false;
    data_hash(work->data, hash);
    return strcmp(hash, wanted) == 0 ||
           error_set(err, STATUS_BAD_INPUT, "%s: field 'data' differs: %s does not hold the images the run began with",
                     folder, spec);
}

static bool load_source(Work *work, const char *folder, Error *err) {
    Str path = {0};
    run_path(folder, "source.safetensors", &path);
    work->source = str_ok(&path, err) ? network_load(str_text(&path), NULL, err) : NULL;
    str_done(&path);
    return work->source != NULL;
}

/* The predictor, the optimiser and the progress of the newest whole checkpoint. */
static bool restore(Work *work, const TrainJob *job, Error *err) {
    double scalar;
    Checkpoint *checkpoint = checkpoint_newest(job->folder, &work->loop.progress, &scalar, &work->notes, err);
    if (!checkpoint) return false;
    const PredictorOptions options = {.source = work->source};
    bool done = (work->predictor = predictor_from_checkpoint(checkpoint, &options, job->task, err)) &&
                make_learner(work, work->source, work->data, err) &&
                checkpoint_restore(checkpoint, work->optimiser, work->learner.count, err);
    work->learner.scalar = scalar;
    checkpoint_close(checkpoint);
    return done;
}

bool train_resume(const TrainJob *job, const TrainConfig *config, TrainResult *out, Error *err) {
    Work work = {0};
    bool done = (work.run = run_open(job->folder, err)) != NULL;
    json_t *object = done ? read_config(&work, job->folder, err) : NULL;
    done = object != NULL;
    const char *difference = done && config ? train_config_difference(config, &work.config) : NULL;
    if (difference)
        done = error_set(err, STATUS_USAGE, "%s: the run was begun with another '%s'", job->folder, difference);
    done = done && load_data(&work, object, job->folder, err) && load_source(&work, job->folder, err) &&
           restore(&work, job, err) && run_log_open(work.run, loop_heading, work.loop.progress.step, err) &&
           (work.loop.log = run_log_table(job->folder, err));
    work.loop.log_file = done;
    done = done && go(&work, job, out, err);
    json_decref(object);
    work_done(&work);
    return done;
}
