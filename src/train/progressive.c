/* progressive -- rounds of reconstruction (docs/method.md, section 5, scheme 3): the best of a round's trials gives the
 * network that the next round reconstructs.
 *
 * A round is a job of several trials whose source is the round's target; only its folder, FOLDER/round-N, is kept.
 * Resuming therefore runs the rounds again, and finished trials return their result at once.
 */
#include "train/internal.h"

#include <math.h>
#include <stdio.h>
#include <string.h>

#include "weft/base/dtype.h"
#include "weft/base/error.h"
#include "weft/base/memory.h"
#include "weft/base/ranks.h"
#include "weft/base/run.h"
#include "weft/base/spread.h"
#include "weft/base/task.h"
#include "weft/base/text.h"
#include "weft/probe.h"
#include "weft/probe/compare.h"
#include "weft/spectral.h"

static void round_done(ProgressiveRound *round) {
    mem_free(round->accuracies);
    network_free(round->network);
    predictor_free(round->predictor);
    *round = (ProgressiveRound){0};
}

void progressive_results_done(ProgressiveResults *results) {
    for (size_t i = 0; i < results->count; i++) round_done(&results->round[i]);
    mem_free(results->round);
    network_free(results->network);
    evaluation_done(&results->original);
    str_done(&results->notes);
    *results = (ProgressiveResults){0};
}

/* ---- a round's figures ------------------------------------------------------------------------------------------- */

/* Accuracy of every trial on the data to report on; where these are what was chosen on, the trials know it. */
static bool measure_trials(const ProgressiveJob *job, const TrainResults *results, ProgressiveRound *round,
                           Error *err) {
    Spread spread = {0};
    if (!(round->accuracies = mem_alloc(results->count, sizeof *round->accuracies, err))) return false;
    round->trials = (unsigned)results->count;
    for (size_t i = 0; i < results->count; i++) {
        const TrainResult *trial = &results->trial[i];
        round->accuracies[i] = trial->accuracy;
        round->seconds += trial->seconds;
        if (job->select) {
            Network *network = predictor_reconstruct(trial->predictor, NULL, job->train.command, err);
            bool done = network && learner_evaluate(network, job->train.data, &round->accuracies[i], NULL, err);
            network_free(network);
            if (!done) return false;
        }
        spread_add(&spread, round->accuracies[i]);
    }
    round->accuracy_mean = spread.mean;
    round->accuracy_std = spread_deviation(&spread);
    return true;
}

/* What became of the first network's predicted layers. */
static bool compare(const Network *first, const Predictor *p, ProgressiveRound *round, Error *err) {
    bool *chosen = mem_alloc(first->layer_count, sizeof *chosen, err);
    if (!chosen) return false;
    for (size_t i = 0; i < first->layer_count; i++)
        for (size_t j = 0; j < p->layer_count; j++)
            if (strcmp(first->layers[i].name, p->layers[j].name) == 0) chosen[i] = true;
    Sratio ratios;
    WeightDistances distances;
    bool done = sratio_measure(first, round->network, chosen, NULL, &ratios, err);
    if (done) {
        round->sratio_change = ratios.difference.last_half_paper;
        sratio_done(&ratios);
        done = distance_measure(first, round->network, chosen, NULL, &distances, err);
    }
    if (done) {
        round->distance = distances.all.mean_abs;
        round->recon_original = distances.all.rms;
        distances_done(&distances);
    }
    mem_free(chosen);
    return done;
}

/* Image by image with the first network. */
static bool compare_images(const ProgressiveJob *job, const Evaluation *original, ProgressiveRound *round, Error *err) {
    const Task patient = {.patient = true};
    Evaluation evaluation;
    if (!evaluate_run(round->network, job->train.data, NULL, &evaluation, &patient, err)) return false;
    round->comparison = comparison_of(&evaluation, original);
    evaluation_done(&evaluation);
    return true;
}

static bool save_round(const char *folder, const ProgressiveRound *round, Error *err) {
    Str network = {0}, predictor = {0};
    run_path(folder, "network.safetensors", &network);
    run_path(folder, "predictor.safetensors", &predictor);
    bool done = str_ok(&network, err) && str_ok(&predictor, err) &&
                network_keep(round->network, str_text(&network), true, err) &&
                predictor_save(round->predictor, str_text(&predictor), DTYPE_F32, true, err);
    str_done(&network);
    str_done(&predictor);
    return done;
}

/* From its trials to a round's figures, its network and its files. */
static bool finish_round(const ProgressiveJob *job, const char *folder, const Evaluation *original,
                         TrainResults *results, ProgressiveRound *round, Error *err) {
    TrainResult *best = &results->trial[results->best];
    if (!measure_trials(job, results, round, err)) return false;
    round->best = (unsigned)results->best;
    round->accuracy = round->accuracies[results->best];
    round->selected = best->accuracy;
    round->recon = best->recon;
    round->network = predictor_reconstruct(best->predictor, NULL, job->train.command, err);
    if (!round->network || !compare(job->train.source, best->predictor, round, err) ||
        !compare_images(job, original, round, err))
        return false;
    round->predictor = best->predictor;
    best->predictor = NULL;
    return !folder || ranks_worker() || save_round(folder, round, err);
}

/* ---- the rounds -------------------------------------------------------------------------------------------------- */

static void watch_saves(const TrainResults *trials, ProgressiveResults *out) {
    for (size_t i = 0; i < trials->count; i++) {
        const TrainResult *trial = &trials->trial[i];
        str_add(&out->notes, str_text(&trial->notes));
        if (trial->saved == STATUS_OK) continue;
        out->saved = trial->saved;
        out->save_error = trial->save_error;
    }
}

/* Who watches is told the round, too. */
typedef struct RoundWatch {
    const ProgressiveJob *job;
    unsigned number;
    char part[96];
} RoundWatch;

static TrainWish watch_round(void *context, const TrainStatus *status) {
    RoundWatch *round = context;
    TrainStatus own = *status;
    snprintf(round->part, sizeof round->part, "round %u of %u%s%s", round->number, round->job->rounds,
             status->part ? ", " : "", status->part ? status->part : "");
    own.part = round->part;
    return round->job->train.watch(round->job->train.watch_context, &own);
}

/* One round; out->partial where it came to no end. */
static bool run_round(const ProgressiveJob *job, const Network *target, unsigned number, ProgressiveResults *out,
                      Error *err) {
    Str folder = {0};
    TrainJob train = job->train;
    TrainResults trials;
    RoundWatch watch = {.job = job, .number = number};
    if (train.folder) {
        char name[32];
        snprintf(name, sizeof name, "round-%u", number);
        run_path(train.folder, name, &folder);
    }
    train.folder = train.folder ? str_text(&folder) : NULL;
    train.source = target;
    train.data = job->select ? job->select : job->train.data;
    train.config.seed += (uint64_t)(number - 1) * (train.trials > 1 ? train.trials : 1);
    if (train.watch) train.watch = watch_round;
    train.watch_context = &watch;
    out->round_now = number;
    bool done = !folder.failed || error_set(err, STATUS_LIMIT, "no memory for a folder's name");
    done = done && results_new(&trials, train.trials, &train.config, err);
    if (done) {
        done = trials_run(&train, &trials, err);
        if (done) watch_saves(&trials, out);
        out->partial = done && (trials.stopped.status != STATUS_OK || trials.count < trials.trials);
        for (size_t i = 0; done && i < trials.count; i++) /* side by side, any of them may be */
            out->partial = out->partial || trials.trial[i].partial;
        if (done && trials.stopped.status != STATUS_OK) out->stopped = trials.stopped;
        if (done && !out->partial) {
            done = finish_round(job, train.folder, &out->original, &trials, &out->round[out->count], err);
            if (done)
                out->count++;
            else
                round_done(&out->round[out->count]);
        }
        train_results_done(&trials);
    }
    str_done(&folder);
    return done;
}

/* Of rounds that came to their end: the network they gave, whose file says that they did. */
static void save_last(const ProgressiveJob *job, ProgressiveResults *out) {
    Str path = {0};
    if (!job->train.folder || out->partial || ranks_worker()) return;
    run_path(job->train.folder, "network.safetensors", &path);
    if (!str_ok(&path, &out->save_error) || !network_keep(out->network, str_text(&path), true, &out->save_error))
        out->saved = out->save_error.status;
    str_done(&path);
}

/* A failure or an interruption after the first round leaves the rounds before it. */
static bool run_rounds(const ProgressiveJob *job, ProgressiveResults *out, Error *err) {
    const Network *target = job->train.source;
    double best;
    unsigned lost = 0;
    const Task patient = {.patient = true};
    if (!(out->round = mem_alloc(job->rounds, sizeof *out->round, err)) ||
        !evaluate_run(target, job->train.data, NULL, &out->original, &patient, err))
        return false;
    best = out->accuracy = evaluation_accuracy(&out->original);
    if (job->select && !learner_evaluate(target, job->select, &best, NULL, err)) return false;
    out->best = SIZE_MAX;
    while (out->count < job->rounds && !out->partial && lost < job->patience) {
        const size_t at = out->count;
        if (!run_round(job, target, (unsigned)at + 1, out, err)) {
            if (at == 0) return false;
            out->stopped = *err;
            out->partial = true;
        }
        if (out->partial) break;
        ProgressiveRound *round = &out->round[at];
        round->won = round->selected > best;
        lost = round->won ? 0 : lost + 1;
        if (round->won) {
            best = round->selected;
            out->best = at;
        }
        target = round->network;
    }
    if (out->best == SIZE_MAX) out->best = out->count;
    out->network = network_copy(out->best < out->count ? out->round[out->best].network : job->train.source, err);
    if (out->network) save_last(job, out);
    return out->network != NULL;
}

static bool check(const ProgressiveJob *job, Error *err) {
    if (!job->train.data) return error_set(err, STATUS_USAGE, "rounds are selected by accuracy, which needs --on DATA");
    if (train_on_images(&job->train.config))
        return error_set(err, STATUS_USAGE, "progressive rounds train on L_recon only");
    return train_config_check(&job->train.config, err) && evaluate_check(job->train.source, job->train.data, err) &&
           (!job->select || evaluate_check(job->train.source, job->select, err));
}

/* The folder above the rounds: config.json last, as everywhere. */
static bool open_above(const ProgressiveJob *job, Run **run, Error *err) {
    const char *folder = job->train.folder;
    if (!folder) return true;
    if (ranks_worker()) return (*run = trials_elsewhere(folder, err)) != NULL;
    *run = stored_claim(folder, 1, err);
    return *run && stored_publish(
                       *run,
                       stored_save_networks(run_folder(*run), &job->train, err) &&
                           stored_write(run_folder(*run), &job->train, &job->train.config, job->train.trials, job, err),
                       err);
}

bool progressive_run(const ProgressiveJob *job, ProgressiveResults *out, Error *err) {
    Run *run = NULL;
    *out = (ProgressiveResults){0};
    bool done = check(job, err) && open_above(job, &run, err) && (job->train.prepare || run_rounds(job, out, err));
    run_close(run);
    if (!done) progressive_results_done(out);
    return done;
}

bool progressive_resume(const ProgressiveJob *job, ProgressiveResults *out, Error *err) {
    const char *folder = job->train.folder;
    Stored stored;
    Run *run = NULL;
    *out = (ProgressiveResults){0};
    if (!stored_read(folder, &stored, err)) return false;
    bool done = stored.record.rounds > 0 || error_set(err, STATUS_USAGE, "%s: not a progressive run", folder);
    done = done && (run = ranks_worker() ? run_look(folder, err) : run_open(folder, err)) &&
           stored_load(folder, &stored, err);
    if (done && stored_problem(&stored)) { /* its figures are taken anew: it needs the images to its end */
        *err = *stored_problem(&stored);
        done = false;
    }
    if (done) {
        ProgressiveJob own = {.train = stored_job(&job->train, &stored),
                              .select = stored.select.data,
                              .rounds = stored.record.rounds,
                              .patience = stored.record.patience};
        own.train.trials = stored.record.trials;
        done = check(&own, err) && run_rounds(&own, out, err);
    }
    run_close(run);
    stored_done(&stored);
    if (!done) progressive_results_done(out);
    return done;
}
