/* job -- what `train` and `resume` do: one run, or several trials of it with different seeds, each a run of its own. */
#include "train/internal.h"

#include <math.h>
#include <stdio.h>
#include <string.h>

void train_result_done(TrainResult *result) {
    predictor_free(result->predictor);
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
    if (a->accuracy > b->accuracy || a->accuracy < b->accuracy) return a->accuracy > b->accuracy;
    return a->recon < b->recon;
}

static void choose_best(TrainResults *results) {
    for (size_t i = 1; i < results->count; i++)
        if (better(&results->trial[i], &results->trial[results->best])) results->best = i;
}

static void trial_folder(const char *folder, unsigned number, Str *out) {
    char name[32];
    snprintf(name, sizeof name, "trial-%u", number);
    if (folder) run_path(folder, name, out);
}

static bool make_results(TrainResults *out, unsigned trials, const char *name, const TrainConfig *config, Error *err) {
    *out = (TrainResults){.trials = trials > 1 ? trials : 1, .config = *config};
    snprintf(out->name, sizeof out->name, "%s", name);
    out->trial = mem_alloc(out->trials, sizeof *out->trial, err);
    return out->trial != NULL;
}

/* Trials from the first or, where their folders are there, on from where they are. `stored`: of the first trial, or
 * NULL. */
static bool run_trials(const TrainJob *job, const Stored *stored, TrainResults *out, Error *err) {
    bool done = true;
    for (unsigned number = 1; done && number <= out->trials; number++) {
        Str folder = {0};
        trial_folder(job->folder, number, &folder);
        const char *path = job->folder ? str_text(&folder) : NULL;
        TrainResult *result = &out->trial[out->count];
        done = !folder.failed || error_set(err, STATUS_LIMIT, "no memory for a folder's name");
        if (done && stored && stored_here(path)) {
            Stored own;
            done = stored_read(path, &own, err);
            if (done) {
                own.source = stored->source; /* lent: the same for all trials */
                own.data = stored->data;
                done = run_continue(job, path, &own, result, err);
                own.source = NULL;
                own.data = NULL;
                stored_done(&own);
            }
        } else if (done) {
            done = run_begin(job, path, out->config.seed + number - 1, result, err);
        }
        str_done(&folder);
        if (done && !job->prepare) out->count++;
        if (done && (job->prepare || result->partial)) break;
    }
    return done;
}

bool train_run(const TrainJob *job, TrainResults *out, Error *err) {
    Run *run = NULL;
    bool done = make_results(out, job->trials, job->name, &job->config, err);
    if (done && job->trials <= 1) {
        done = run_begin(job, job->folder, job->config.seed, &out->trial[0], err);
        out->count = done && !job->prepare;
    } else if (done) {
        if (job->from)
            done =
                error_set(err, STATUS_USAGE, "--trials would start alike from a predictor that is given with --from");
        if (done && job->folder) done = (run = run_open(job->folder, err)) != NULL;
        if (done && job->folder && stored_here(job->folder))
            done = error_set(err, STATUS_FAILED, "%s: holds a run already (resume %s goes on with it)", job->folder,
                             job->folder);
        done = done && (!job->folder || stored_write(job->folder, job, &job->config, job->trials, err)) &&
               run_trials(job, NULL, out, err);
        run_close(run);
    }
    if (done) choose_best(out);
    if (!done) train_results_done(out);
    return done;
}

/* ---- again ------------------------------------------------------------------------------------------------------- */

/* The first trial's folder has the source and the data of all. Killed before it was made, there is nothing to resume.
 */
static bool resume_trials(const TrainJob *job, Stored *stored, TrainResults *out, Error *err) {
    Str first = {0};
    Run *run = run_open(job->folder, err);
    trial_folder(job->folder, 1, &first);
    bool done = run && str_ok(&first, err) && stored_load(str_text(&first), stored, err);
    if (done) {
        TrainJob again = *job;
        again.config = stored->config;
        again.name = stored->name;
        again.command = stored->command;
        again.source = stored->source;
        again.data = stored->data;
        done = run_trials(&again, stored, out, err);
    }
    str_done(&first);
    run_close(run);
    return done;
}

bool train_resume(const TrainJob *job, TrainResults *out, Error *err) {
    Stored stored;
    *out = (TrainResults){0};
    if (!stored_read(job->folder, &stored, err)) return false;
    bool done = make_results(out, stored.trials, stored.name, &stored.config, err);
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
    *out = (TrainAbout){.steps = stored.config.steps, .trials = stored.trials};
    snprintf(out->name, sizeof out->name, "%s", stored.name);
    stored_done(&stored);
    return true;
}
