/* run -- one training run: from its first step or its newest checkpoint, with or without a folder. */
#include "train/internal.h"

#include <math.h>
#include <string.h>

#include "weft/base/dtype.h"
#include "weft/base/error.h"
#include "weft/base/run.h"
#include "weft/base/table.h"
#include "weft/base/text.h"
#include "weft/probe.h"

/* What a run in progress is made of. */
typedef struct Work {
    TrainConfig config;
    Learner learner;
    Optimiser *optimiser;
    Run *run;
    Loop loop;
    Str notes; /* checkpoints that were passed over */
} Work;

static void work_done(Work *work) {
    learner_done(&work->learner);
    optimiser_free(work->optimiser);
    loop_done(&work->loop);
    run_close(work->run);
    str_done(&work->notes);
}

/* ---- common to both ---------------------------------------------------------------------------------------------- */

static bool make_learner(Work *work, const TrainJob *job, Checkpoint *checkpoint, Error *err) {
    Learner *learner = &work->learner;
    engine_set_convolutions((int)work->config.convolutions); /* evaluations make engines of their own */
    if (!learner_new(learner, &work->config, job, checkpoint, err)) return false;
    work->optimiser = optimiser_new(&work->config.optimiser, learner->blocks, learner->block_count, learner->parameters,
                                    learner->count, err);
    return work->optimiser != NULL;
}

/* Runs the loop and hands the product over. */
static bool go(Work *work, const TrainJob *job, TrainResult *out, Error *err) {
    Loop *loop = &work->loop;
    bool stopped;
    Str partial = {0};
    loop->config = &work->config;
    loop->learner = &work->learner;
    loop->optimiser = work->optimiser;
    loop->run = work->run;
    loop->watch = job->watch;
    loop->watch_context = job->watch_context;
    if (!loop_run(loop, &stopped, err)) return false;
    const Progress *p = &loop->progress;
    TrainResult result = {.partial = stopped,
                          .seed = work->config.seed,
                          .step = p->step,
                          .recon = NAN,
                          .accuracy = p->step == work->config.steps ? p->accuracy : NAN,
                          .images = job->data ? job->data->count : job->data_images,
                          .best_accuracy = p->best_accuracy,
                          .seconds = p->seconds,
                          .saved = loop->saved,
                          .save_error = loop->save_error};
    Error none; /* a log that memory ran out for is no reason to lose the product */
    Table *log = table_finish(loop->log, &none);
    loop->log = NULL;
    str_addf(&partial, "step %llu of %llu", (unsigned long long)p->step, (unsigned long long)work->config.steps);
    bool done = str_ok(&partial, err);
    if (done)
        done = work->learner.take(&work->learner, stopped ? str_text(&partial) : NULL, log, &result, err);
    else
        table_free(log);
    if (done) *out = result;
    str_done(&partial);
    return done;
}

/* ---- anew -------------------------------------------------------------------------------------------------------- */

static uint64_t network_bytes(const Network *network) {
    uint64_t bytes = 0;
    for (size_t i = 0; network && i < network->tensor_count; i++)
        bytes += network->tensors[i].tensor->count * sizeof(float);
    return bytes;
}

/* All that the run will write must find room: three checkpoints with up to three arrays of the optimiser, the best;
 * source and teacher. */
static bool probe(Work *work, const TrainJob *job, Error *err) {
    FileParts parts = {0};
    if (!work->learner.parts(&work->learner, work->learner.parameters, &parts, err)) return false;
    uint64_t bytes = (1 << 19) + (uint64_t)work->learner.count * sizeof(float) * 3 * 3;
    for (size_t i = 0; i < parts.count; i++) {
        uint64_t size = dtype_bits(parts.tensors[i].dtype) / 8;
        for (unsigned d = 0; d < parts.tensors[i].rank; d++) size *= parts.tensors[i].dim[d];
        bytes += 4 * size;
    }
    file_parts_done(&parts);
    return run_probe(work->run, bytes + network_bytes(job->source) + network_bytes(job->teacher), err);
}

/* Everything a resumption needs, config.json last: a folder without one holds no run. Only then it gets its name. */
static bool begin_folder(Work *work, const TrainJob *job, Error *err) {
    const char *folder = run_folder(work->run);
    bool done = checkpoint_clear(folder, err) && probe(work, job, err) && stored_save_networks(folder, job, err) &&
                run_log_open(work->run, loop_heading, 0, err) &&
                checkpoint_save(folder, &work->config, &work->learner, work->optimiser, &work->loop.progress, err) &&
                stored_write(folder, job, &work->config, 0, NULL, err);
    done = stored_publish(work->run, done, err);
    work->loop.log_file = done;
    return done;
}

bool run_begin(const TrainJob *job, const char *folder, uint64_t seed, TrainResult *out, Error *err) {
    Work work = {.config = job->config};
    Progress *p = &work.loop.progress;
    p->accuracy = p->best_accuracy = p->best_distance = NAN;
    work.config.seed = seed;
    if (job->from) work.config.predictor = job->from->config;
    *out = (TrainResult){0};
    if (job->data_problem) {
        *err = *job->data_problem;
        return false;
    }
    bool done = train_config_check(&work.config, err) && (!job->data || evaluate_check(job->source, job->data, err)) &&
                learner_check(&work.config, job, err) && (!folder || (work.run = stored_claim(folder, 1, err))) &&
                make_learner(&work, job, NULL, err) && (work.loop.log = loop_log_table(err)) &&
                (!folder || begin_folder(&work, job, err)) && (job->prepare || go(&work, job, out, err));
    work_done(&work);
    return done;
}

/* ---- again ------------------------------------------------------------------------------------------------------- */

/* The learner, the optimiser and the progress of the newest whole checkpoint. */
static bool restore(Work *work, const TrainJob *job, Error *err) {
    double scalar;
    Progress *p = &work->loop.progress;
    Checkpoint *checkpoint = checkpoint_newest(job->folder, &work->config, p, &scalar, &work->notes, err);
    if (!checkpoint) return false;
    bool done = true;
    if (job->data_problem && p->step < work->config.steps) { /* a run that is at its end can do without */
        *err = *job->data_problem;
        done = false;
    }
    done = done && make_learner(work, job, checkpoint, err) &&
           checkpoint_restore(checkpoint, work->optimiser, p->step, err);
    work->learner.scalar = scalar;
    checkpoint_close(checkpoint);
    return done;
}

bool run_continue(const TrainJob *job, const char *folder, TrainResult *out, Error *err) {
    TrainJob own = *job;
    Work work = {.config = job->config};
    own.folder = folder;
    *out = (TrainResult){0};
    bool done = (work.run = run_open(folder, err)) && restore(&work, &own, err) &&
                run_log_open(work.run, loop_heading, work.loop.progress.step, err) &&
                (work.loop.log = run_log_table(folder, err));
    work.loop.log_file = done;
    done = done && go(&work, &own, out, err);
    if (done) out->notes = work.notes;
    if (done) work.notes = (Str){0};
    work_done(&work);
    return done;
}
