/* run -- one training run: from its first step, or on from its newest checkpoint, with or without a folder. */
#include "train/internal.h"

#include <math.h>
#include <string.h>

#include "weft/probe.h"

/* What a run in progress is made of. */
typedef struct Work {
    TrainConfig config;
    Predictor *predictor;
    Learner learner;
    Optimiser *optimiser;
    Run *run;
    Loop loop;
    Str notes; /* checkpoints that were passed over */
} Work;

static void work_done(Work *work) {
    recon_done(&work->learner);
    optimiser_free(work->optimiser);
    predictor_free(work->predictor);
    loop_done(&work->loop);
    run_close(work->run);
    str_done(&work->notes);
}

/* ---- common to both ---------------------------------------------------------------------------------------------- */

/* `parameters` may be those of an earlier step. */
static bool save_best(void *context, const float *parameters, Error *err) {
    const Work *work = context;
    Predictor best = *work->predictor; /* for its file only: everything else is shared */
    Str path = {0};
    best.parameters = (float *)(uintptr_t)parameters;
    run_path(run_folder(work->run), "best.safetensors", &path);
    bool done = str_ok(&path, err) && predictor_save(&best, str_text(&path), DTYPE_F32, true, err);
    str_done(&path);
    return done;
}

/* What is to be learnt must be numbers. */
static bool check_targets(const Predictor *p, const float *targets, Error *err) {
    for (size_t i = 0; i < p->kernel_count * p->outputs; i++)
        if (!isfinite(targets[i]))
            return error_set(err, STATUS_BAD_INPUT, "layer %s holds weights that are no finite numbers",
                             p->layers[predictor_layer_of(p, i / p->outputs)].name);
    return true;
}

static bool make_learner(Work *work, const Network *target, const Dataset *data, Error *err) {
    float *targets = predictor_targets(work->predictor, target, err);
    if (targets && !check_targets(work->predictor, targets, err)) {
        mem_free(targets);
        return false;
    }
    if (!targets || !recon_learner(&work->learner, &work->config, work->predictor, targets, data, err)) return false;
    Learner *learner = &work->learner;
    work->optimiser = optimiser_new(&work->config.optimiser, learner->blocks, learner->block_count, learner->parameters,
                                    learner->count, err);
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

/* Runs the loop and hands the predictor over. */
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
    if (!loop_run(loop, &stopped, err) || !work->learner.measure(&work->learner, false, &end, err)) return false;
    if (stopped && !note_partial(work, err)) return false;
    const Progress *p = &loop->progress;
    *out = (TrainResult){.partial = stopped,
                         .seed = work->config.seed,
                         .step = p->step,
                         .recon = end.recon,
                         .accuracy = p->step == work->config.steps ? p->accuracy : NAN,
                         .best_accuracy = p->best_accuracy,
                         .seconds = p->seconds,
                         .saved = loop->saved,
                         .save_error = loop->save_error};
    Error none; /* a log that memory ran out for is no reason to lose the predictor */
    work->predictor->log = table_finish(loop->log, &none);
    loop->log = NULL;
    out->predictor = work->predictor;
    work->predictor = NULL;
    return true;
}

/* ---- anew -------------------------------------------------------------------------------------------------------- */

/* All that the run will write must find room: three checkpoints, the best, the source. */
static bool probe(const Work *work, const Network *source, Error *err) {
    enum { ARRAYS = 3 * 4 + 1 };
    uint64_t bytes = (uint64_t)work->predictor->parameter_count * sizeof(float) * ARRAYS + (1 << 19);
    bytes += 5 * (uint64_t)work->predictor->kernel_count * sizeof(KernelIndex);
    for (size_t i = 0; i < source->tensor_count; i++) bytes += source->tensors[i].tensor->count * sizeof(float);
    return run_probe(work->run, bytes, err);
}

/* Everything a resumption needs, config.json last: a folder without one holds no run. */
static bool begin_folder(Work *work, const TrainJob *job, Error *err) {
    const char *folder = run_folder(work->run);
    Str path = {0};
    run_path(folder, "source.safetensors", &path);
    bool done = str_ok(&path, err) && checkpoint_clear(folder, err) && probe(work, job->source, err) &&
                network_save(job->source, str_text(&path), true, err) &&
                run_log_open(work->run, loop_heading, 0, err) &&
                checkpoint_save(folder, &work->config, &work->learner, work->optimiser, &work->loop.progress, err) &&
                stored_write(folder, job, &work->config, 0, err);
    work->loop.log_file = done;
    str_done(&path);
    return done;
}

/* A copy to go on with; from now on it is made for the network it is trained on. */
static bool continue_predictor(Work *work, const TrainJob *job, Error *err) {
    Predictor *p = work->predictor = predictor_derive(job->from, "train", job->command, err);
    if (!p) return false;
    p->fingerprint[0] = '\0';
    p->source_parameters = 0;
    return predictor_note(p, "partial", NULL, err) && predictor_attach(p, job->source, err);
}

static bool make_predictor(Work *work, const TrainJob *job, Error *err) {
    const TrainConfig *config = &work->config;
    if (job->from) return continue_predictor(work, job, err);
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

bool run_begin(const TrainJob *job, const char *folder, uint64_t seed, TrainResult *out, Error *err) {
    Work work = {.config = job->config};
    Progress *p = &work.loop.progress;
    p->accuracy = p->best_accuracy = p->best_recon = NAN;
    work.config.seed = seed;
    if (job->from) work.config.predictor = job->from->config;
    *out = (TrainResult){0};
    if (job->data_problem) {
        *err = *job->data_problem;
        return false;
    }
    bool done = train_config_check(&work.config, err) && (!job->data || evaluate_check(job->source, job->data, err)) &&
                (!folder || (work.run = stored_claim(folder, 1, err))) && make_predictor(&work, job, err) &&
                make_learner(&work, job->source, job->data, err) && (work.loop.log = loop_log_table(err)) &&
                (!folder || begin_folder(&work, job, err)) && (job->prepare || go(&work, job, out, err));
    work_done(&work);
    return done;
}

/* ---- again ------------------------------------------------------------------------------------------------------- */

/* The predictor, the optimiser and the progress of the newest whole checkpoint. */
static bool restore(Work *work, const TrainJob *job, const char *folder, const Stored *stored, Error *err) {
    double scalar;
    char fingerprint[FINGERPRINT_MAX];
    Checkpoint *checkpoint = checkpoint_newest(folder, &work->config, &work->loop.progress, &scalar, &work->notes, err);
    if (!checkpoint) return false;
    const PredictorOptions options = {.source = stored->source};
    Predictor *p = work->predictor = predictor_from_checkpoint(checkpoint, &options, job->task, err);
    bool done = p && predictor_fingerprint(stored->source, p->layers, p->layer_count, fingerprint, err);
    if (done && strcmp(fingerprint, p->fingerprint) != 0)
        done = error_set(err, STATUS_BAD_INPUT, "%s: source.safetensors is not the network the run began with", folder);
    done = done && make_learner(work, stored->source, stored->data, err) &&
           checkpoint_restore(checkpoint, work->optimiser, work->learner.count, work->loop.progress.step, err);
    work->learner.scalar = scalar;
    checkpoint_close(checkpoint);
    return done;
}

bool run_continue(const TrainJob *job, const char *folder, const Stored *stored, TrainResult *out, Error *err) {
    Work work = {.config = stored->config};
    *out = (TrainResult){0};
    bool done = (work.run = run_open(folder, err)) && restore(&work, job, folder, stored, err) &&
                run_log_open(work.run, loop_heading, work.loop.progress.step, err) &&
                (work.loop.log = run_log_table(folder, err));
    work.loop.log_file = done;
    if (done && stored->data_spec && !stored->data && work.loop.progress.step < work.config.steps) {
        *err = stored->data_problem;
        done = false;
    }
    done = done && go(&work, job, out, err);
    if (done) out->notes = work.notes;
    if (done) work.notes = (Str){0};
    work_done(&work);
    return done;
}
