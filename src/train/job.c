/* job -- what `train` and `resume` do: one run, or several trials of it with different seeds, each a separate run. */
#include "train/internal.h"

#include <jansson.h>
#include <math.h>
#include <pthread.h>
#include <stdio.h>
#include <string.h>

#include "weft/base/error.h"
#include "weft/base/map.h"
#include "weft/base/memory.h"
#include "weft/base/pool.h"
#include "weft/base/ranks.h"
#include "weft/base/record.h"
#include "weft/base/run.h"
#include "weft/base/task.h"
#include "weft/base/text.h"

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

bool results_new(TrainResults *out, unsigned trials, const TrainConfig *config, Error *err) {
    *out = (TrainResults){.trials = trials > 1 ? trials : 1, .config = *config};
    out->trial = mem_alloc(out->trials, sizeof *out->trial, err);
    return out->trial != NULL;
}

/* ---- trials ------------------------------------------------------------------------------------------------------ */

/* A trial whose folder is there goes on; it must be a trial of this job. */
static bool continue_trial(const TrainJob *job, const char *folder, uint64_t seed, TrainResult *result, Error *err) {
    Stored own;
    if (!stored_read(folder, &own, err)) return false;
    TrainJob trial = *job;
    trial.config.seed = seed;
    const char *difference = train_config_difference(&trial.config, &own.config);
    stored_done(&own);
    if (difference)
        return error_set(err, STATUS_BAD_INPUT, "%s: field '%s' differs from the config.json above it", folder,
                         difference);
    return run_continue(&trial, folder, result, err);
}

static bool run_trial(const TrainJob *job, unsigned number, TrainResult *result, Error *err) {
    Str folder = {0};
    if (job->folder) stored_trial(job->folder, number, &folder);
    const char *path = job->folder ? str_text(&folder) : NULL;
    const uint64_t seed = job->config.seed + number - 1;
    bool done = !folder.failed || error_set(err, STATUS_LIMIT, "no memory for a folder's name");
    if (done && path && record_here(path))
        done = continue_trial(job, path, seed, result, err);
    else if (done)
        done = run_begin(job, path, seed, result, err);
    str_done(&folder);
    return done;
}

typedef struct Member {
    struct Group *group;
    unsigned index;
    bool working;
    TrainWish wish; /* that it has not followed yet */
} Member;

/* Trials that run at the same time, each on one thread, or one after the other on all; with other ranks, all trials.
 * Who watches sees the first of those at work here, and its wishes are for all. */
typedef struct Group {
    const TrainJob *job;
    unsigned first, count; /* numbers of the trials */
    TrainResult *results;
    bool *there; /* of each: its result */
    Member *members;
    pthread_mutex_t lock; /* of the members and of the watch */
    char part[64];
} Group;

static void wish_for_all(Group *group, TrainWish wish) {
    if (wish == TRAIN_STOP) ranks_interrupt();
    for (unsigned i = 0; wish != TRAIN_GO_ON && i < group->count; i++) group->members[i].wish = wish;
}

static TrainWish watch_member(void *context, const TrainStatus *status) {
    Member *member = context;
    Group *group = member->group;
    unsigned shown = 0;
    pthread_mutex_lock(&group->lock);
    while (!group->members[shown].working) shown++;
    if (member->index == shown && member->wish == TRAIN_GO_ON) {
        TrainStatus own = *status;
        own.part = group->part[0] ? group->part : NULL;
        wish_for_all(group, group->job->watch(group->job->watch_context, &own));
    }
    const TrainWish wish = member->wish;
    if (wish == TRAIN_SAVE) member->wish = TRAIN_GO_ON;
    pthread_mutex_unlock(&group->lock);
    return wish;
}

static void set_working(Member *member, bool working) {
    pthread_mutex_lock(&member->group->lock);
    member->working = working;
    pthread_mutex_unlock(&member->group->lock);
}

/* After a trial that was stopped no other begins. */
static bool note_result(Group *group, size_t index, Error *err) {
    group->there[index] = true;
    return !group->results[index].partial || ranks_worker() || error_set(err, STATUS_CANCELLED, "interrupted");
}

static bool run_member(void *context, size_t index, Error *err) {
    Group *group = context;
    Member *member = &group->members[index];
    TrainJob job = *group->job;
    if (job.watch) job.watch = watch_member;
    job.watch_context = member;
    set_working(member, true);
    const bool done = run_trial(&job, group->first + (unsigned)index, &group->results[index], err);
    set_working(member, false);
    return done && note_result(group, index, err);
}

static bool pack_member(void *context, size_t index, Str *bytes, Error *err) {
    const Group *group = context;
    return group->there[index] ? travel_pack(&group->results[index], bytes, err)
                               : error_set(err, STATUS_FAILED, "no such result yet");
}

static bool unpack_member(void *context, size_t index, const char *bytes, size_t length, Error *err) {
    Group *group = context;
    if (group->there[index]) return true;
    return travel_unpack(group->job, bytes, length, &group->results[index], err) && note_result(group, index, err);
}

static void name_part(Group *group, unsigned trials) {
    const unsigned last = group->first + group->count - 1;
    if (group->count > 1)
        snprintf(group->part, sizeof group->part, "trials %u-%u of %u", group->first, last, trials);
    else if (trials > 1)
        snprintf(group->part, sizeof group->part, "trial %u of %u", last, trials);
}

/* Adds the results up to the first that is not there. A stop is no failure where its trial is among them. */
static bool collect(Group *group, TrainResults *out, bool done, const Error *failure) {
    bool stopped = false;
    unsigned i = 0;
    for (; i < group->count && group->there[i]; i++) {
        stopped = stopped || group->results[i].partial;
        out->count++;
    }
    for (; i < group->count; i++) train_result_done(&group->results[i]);
    return done || (failure->status == STATUS_CANCELLED && stopped);
}

static bool run_group(const TrainJob *job, TrainResults *out, unsigned count, Executor *executor, Error *err) {
    Group group = {.job = job, .first = (unsigned)out->count + 1, .count = count, .results = out->trial + out->count};
    const Items items = {.count = count,
                         .evaluate = run_member,
                         .pack = pack_member,
                         .unpack = unpack_member,
                         .context = &group,
                         .what = "trials",
                         .executor = executor};
    bool done =
        (group.there = mem_alloc(count, 1, err)) && (group.members = mem_alloc(count, sizeof *group.members, err));
    if (done) {
        for (unsigned i = 0; i < count; i++) group.members[i] = (Member){.group = &group, .index = i};
        name_part(&group, out->trials);
        pthread_mutex_init(&group.lock, NULL);
        done = collect(&group, out, map_items(&items, NULL, err), err);
        pthread_mutex_destroy(&group.lock);
    }
    mem_free(group.there);
    mem_free(group.members);
    return done;
}

/* As many at a time as there are threads, if there are so many left, else one. With other ranks these take part, and
 * all that are left are one group. */
static bool run_some(const TrainJob *job, TrainResults *out, Error *err) {
    const unsigned left = out->trials - (unsigned)out->count, threads = pool_threads(), ranks = ranks_count();
    Executor *const executor = threads > 1 && left >= threads * ranks ? pool_run : run_in_turn;
    return run_group(job, out, ranks > 1 ? left : executor == pool_run ? threads : 1, executor, err);
}

bool trials_run(const TrainJob *job, TrainResults *out, Error *err) {
    bool done = true, partial = false;
    while (done && !partial && out->count < out->trials) {
        const size_t before = out->count;
        if (before > 0 && cancel_level() > 0) {
            done = error_set(err, STATUS_CANCELLED, "interrupted");
            break;
        }
        if (job->prepare) return run_trial(job, 1, &out->trial[0], err);
        done = run_some(job, out, err);
        for (size_t i = before; i < out->count; i++) partial = partial || out->trial[i].partial;
    }
    choose_best(out);
    if (done || out->count == 0) return done;
    out->stopped = *err;
    return true;
}

/* Rank 0 has the folder above the trials; another one looks whether it sees it, too, and works in that. */
Run *trials_elsewhere(const char *folder, Error *err) {
    if (record_here(folder)) return run_look(folder, err);
    error_set(err, STATUS_FAILED, "%s is not on this machine: trials with --run need a folder that all machines see",
              folder);
    return NULL;
}

/* ---- beginning --------------------------------------------------------------------------------------------------- */

/* The folder above the trials, with the networks of all: it can be resumed before the first has begun. */
static bool open_above(const TrainJob *job, Run **run, Error *err) {
    if (!job->folder) return true;
    if (ranks_worker()) return (*run = trials_elsewhere(job->folder, err)) != NULL;
    *run = stored_claim(job->folder, job->trials, err);
    return *run && stored_publish(*run,
                                  stored_save_networks(run_folder(*run), job, err) &&
                                      stored_write(run_folder(*run), job, &job->config, job->trials, NULL, err),
                                  err);
}

bool train_run(const TrainJob *job, TrainResults *out, Error *err) {
    Run *run = NULL;
    bool done = results_new(out, job->trials, &job->config, err);
    if (done && job->trials <= 1) {
        done = run_begin(job, job->folder, job->config.seed, &out->trial[0], err);
        out->count = done && !job->prepare;
    } else if (done && job->from) {
        done = error_set(err, STATUS_USAGE, "--trials cannot be combined with --from: all trials would start alike");
    } else if (done) {
        done = train_config_check(&job->config, err) && open_above(job, &run, err) && trials_run(job, out, err);
        run_close(run);
    }
    if (!done) train_results_done(out);
    return done;
}

/* ---- again ------------------------------------------------------------------------------------------------------- */

static bool resume_trials(const TrainJob *job, const Stored *above, TrainResults *out, Error *err) {
    Str source = {0};
    Stored stored = {0};
    Run *run = ranks_worker() ? run_look(job->folder, err) : run_open(job->folder, err);
    stored_source(job->folder, &source);
    bool done = run && str_ok(&source, err);
    if (done && !record_here(str_text(&source)))
        done = error_set(err, STATUS_BAD_INPUT, "%s: no run: its first trial had not begun", job->folder);
    done = done && stored_read(str_text(&source), &stored, err) && stored_load(str_text(&source), &stored, err);
    if (done) {
        TrainJob again = stored_job(job, &stored);
        again.config = above->config;
        done = trials_run(&again, out, err);
    }
    str_done(&source);
    stored_done(&stored);
    run_close(run);
    return done;
}

bool train_resume(const TrainJob *job, TrainResults *out, Error *err) {
    Stored stored;
    *out = (TrainResults){0};
    if (!stored_read(job->folder, &stored, err)) return false;
    bool done = stored.record.rounds == 0 || error_set(err, STATUS_USAGE, "%s: a progressive run", job->folder);
    done = done && results_new(out, stored.record.trials, &stored.config, err);
    if (done && stored.record.trials > 1) {
        done = resume_trials(job, &stored, out, err);
    } else if (done) {
        done = stored_load(job->folder, &stored, err);
        const TrainJob own = stored_job(job, &stored);
        done = done && run_continue(&own, job->folder, &out->trial[0], err);
        out->count = done;
    }
    if (!done) train_results_done(out);
    stored_done(&stored);
    return done;
}

bool train_makes_network(const RunRecord *record) {
    const char *scheme = json_string_value(json_object_get(record->settings, "scheme"));
    return record->rounds > 0 || (scheme && strcmp(scheme, train_scheme_name(SCHEME_FIT)) == 0);
}
