/* job -- what `train` and `resume` do: one run, or several trials of it with different seeds, each a run of its own. */
#include "train/internal.h"

#include <math.h>
#include <stdio.h>
#include <string.h>

void train_result_done(TrainResult *result) {
    predictor_free(result->predictor);
    network_free(result->network);
    str_done(&result->notes);
    *result = (TrainResult){0};
}

void train_results_done(TrainResults *results) {
    for (size_t i = 0; i < results->count; i++) train_result_done(&results->trial[i]);
    mem_free(results->trial);
    *results = (TrainResults){0};
}

/* A partial trial is best only where there is no whole one. */
static bool better(const TrainResult *a, const TrainResult *b) {
    if (a->partial != b->partial) return b->partial;
    if (isnan(a->recon) != isnan(b->recon)) return isnan(b->recon); /* weights that diverged; networks have none */
    if (a->accuracy > b->accuracy || a->accuracy < b->accuracy) return a->accuracy > b->accuracy;
    return a->recon < b->recon;
}

static void choose_best(TrainResults *results) {
    for (size_t i = 1; i < results->count; i++)
        if (better(&results->trial[i], &results->trial[results->best])) results->best = i;
}

static bool make_results(TrainResults *out, unsigned trials, const TrainConfig *config, Error *err) {
    *out = (TrainResults){.trials = trials > 1 ? trials : 1, .config = *config};
    out->trial = mem_alloc(out->trials, sizeof *out->trial, err);
    return out->trial != NULL;
}

/* A trial whose folder is there goes on; it must be a trial of this job. */
static bool continue_trial(const TrainJob *job, const char *folder, uint64_t seed, TrainResult *result, Error *err) {
    Stored own;
    if (!stored_read(folder, &own, err)) return false;
    TrainConfig wanted = job->config;
    wanted.seed = seed;
    const char *difference = train_config_difference(&wanted, &own.config);
    bool done =
        !difference || error_set(err, STATUS_BAD_INPUT, "%s: field '%s' is not what the config.json above it says",
                                 folder, difference);
    done = done && stored_load(folder, &own, err) && run_continue(job, folder, &own, result, err);
    stored_done(&own);
    return done;
}

/* Trials from the first or, where their folders are there, on from where they are. One that fails or is cancelled takes
 * none of those before it along: the results are theirs, and `stopped` says why there are no more. */
static bool run_trials(const TrainJob *job, TrainResults *out, Error *err) {
    bool done = true;
    for (unsigned number = 1; done && number <= out->trials; number++) {
        Str folder = {0};
        if (job->folder) stored_trial(job->folder, number, &folder);
        const char *path = job->folder ? str_text(&folder) : NULL;
        const uint64_t seed = job->config.seed + number - 1;
        TrainResult *result = &out->trial[out->count];
        done = !folder.failed || error_set(err, STATUS_LIMIT, "no memory for a folder's name");
        if (done && number > 1 && cancel_level() > 0) done = error_set(err, STATUS_CANCELLED, "interrupted");
        if (done && path && stored_here(path))
            done = continue_trial(job, path, seed, result, err);
        else if (done)
            done = run_begin(job, path, seed, result, err);
        str_done(&folder);
        if (done && !job->prepare) out->count++;
        if (done && (job->prepare || result->partial)) break;
    }
    if (done || out->count == 0) return done;
    out->stopped = *err;
    return true;
}

/* The folder above the trials. */
static bool open_above(const TrainJob *job, Run **run, Error *err) {
    if (!job->folder) return true;
    *run = stored_claim(job->folder, job->trials, err);
    return *run && stored_write(job->folder, job, &job->config, job->trials, err);
}

bool train_run(const TrainJob *job, TrainResults *out, Error *err) {
    Run *run = NULL;
    bool done = make_results(out, job->trials, &job->config, err);
    if (done && job->trials <= 1) {
        done = run_begin(job, job->folder, job->config.seed, &out->trial[0], err);
        out->count = done && !job->prepare;
    } else if (done && job->from) {
        done = error_set(err, STATUS_USAGE, "--trials would start alike from a predictor that is given with --from");
    } else if (done) {
        done = train_config_check(&job->config, err) && open_above(job, &run, err) && run_trials(job, out, err);
        run_close(run);
    }
    if (done) choose_best(out);
    if (!done) train_results_done(out);
    return done;
}

/* ---- again ------------------------------------------------------------------------------------------------------- */

/* The first trial's folder has the source and the data of all. */
static bool resume_trials(const TrainJob *job, const Stored *above, TrainResults *out, Error *err) {
    Str first = {0};
    Stored stored = {0};
    Run *run = run_open(job->folder, err);
    stored_trial(job->folder, 1, &first);
    bool done = run && str_ok(&first, err);
    if (done && !stored_here(str_text(&first)))
        done = error_set(err, STATUS_BAD_INPUT, "%s: no run: its first trial had not begun", job->folder);
    done = done && stored_read(str_text(&first), &stored, err) && stored_load(str_text(&first), &stored, err);
    if (done) {
        TrainJob again = stored_job(job, &stored);
        again.config = above->config;
        done = run_trials(&again, out, err);
    }
    str_done(&first);
    stored_done(&stored);
    run_close(run);
    return done;
}

bool train_resume(const TrainJob *job, TrainResults *out, Error *err) {
    Stored stored;
    *out = (TrainResults){0};
    if (!stored_read(job->folder, &stored, err)) return false;
    bool done = make_results(out, stored.trials, &stored.config, err);
    if (done && stored.trials > 1) {
        done = resume_trials(job, &stored, out, err);
    } else if (done) {
        done = stored_load(job->folder, &stored, err) && run_continue(job, job->folder, &stored, &out->trial[0], err);
        out->count = done;
    }
    if (done) choose_best(out);
    if (!done) train_results_done(out);
    stored_done(&stored);
    return done;
}

bool train_about(const char *folder, TrainAbout *out, Error *err) {
    Stored stored;
    if (!stored_read(folder, &stored, err)) return false;
    *out = (TrainAbout){
        .scheme = stored.config.scheme, .steps = stored.config.steps, .rate_of = train_rate_of(&stored.config)};
    snprintf(out->name, sizeof out->name, "%s", stored.name);
    stored_done(&stored);
    return true;
}
