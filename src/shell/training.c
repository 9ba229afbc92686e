/* training -- watching a run on the progress line or in the monitor, and its final table. */
#include "training.h"
#include "background.h"
#include "dispatch.h"
#include "output.h"
#include "paths.h"
#include "session.h"
#include "signals.h"

#include <math.h>
#include <signal.h>
#include <string.h>

#include "weft/base/error.h"
#include "weft/base/memory.h"
#include "weft/base/ranks.h"
#include "weft/base/record.h"
#include "weft/base/spread.h"
#include "weft/base/table.h"
#include "weft/base/task.h"
#include "weft/base/text.h"
#include "weft/probe.h"

/* ---- watching ---------------------------------------------------------------------------------------------------- */

bool training_open(Training *training, Session *session, const char *name, uint64_t steps, const char *rate_of,
                   bool monitor, const char *folder, Error *err) {
    *training = (Training){.session = session, .name = name};
    training->about = (MonitorRun){.title = name, .steps = steps, .rate_of = rate_of, .foreground = true};
    training->about.detachable = folder && !session->options.safe;
    if (!monitor || ranks_worker() || (training->monitor = monitor_open(&training->about, err))) return true;
    const Error problem = *err;
    return error_set(err, problem.status, "%s; without --monitor a line shows the progress", problem.text);
}

void training_close(Training *training) {
    if (training->monitor) monitor_close(training->monitor);
    training->monitor = NULL;
    output_progress_clear(training->session);
}

static void add_duration(Str *out, double seconds) {
    if (seconds < 90)
        str_addf(out, "%.0f s", seconds);
    else if (seconds < 5400)
        str_addf(out, "%.0f min", seconds / 60);
    else
        str_addf(out, "%.1f h", seconds / 3600);
}

static void draw_line(Training *training, const TrainStatus *s) {
    Str rest = {0};
    if (s->part) str_addf(&rest, "%s, ", s->part);
    str_addf(&rest, "loss %.5g", s->loss);
    if (!isnan(s->accuracy)) str_addf(&rest, ", accuracy %.3f %%", s->accuracy);
    if (!isnan(s->rate)) str_addf(&rest, ", %.3g %s/s", s->rate, training->about.rate_of);
    if (!isnan(s->left)) {
        str_add(&rest, ", ");
        add_duration(&rest, s->left);
        str_add(&rest, " left");
    }
    output_progress(training->session, training->name, s->step, s->steps, str_text(&rest));
    str_done(&rest);
}

/* A warning is told when it is new, on a line of its own. */
static void tell_warning(Training *training, const char *warning) {
    if (strncmp(training->warned, warning, sizeof training->warned - 1) == 0) return;
    snprintf(training->warned, sizeof training->warned, "%s", warning);
    Str text = {0};
    str_addf(&text, "not saved, will retry later: %s", warning);
    output_progress_clear(training->session);
    output_message(training->session, str_text(&text));
    str_done(&text);
}

/* What the monitor says beside the title. */
static void describe(Training *training, const TrainStatus *s) {
    char saved[48] = "not saved: no --run";
    if (s->kept) snprintf(saved, sizeof saved, "saved at step %llu", (unsigned long long)s->saved);
    snprintf(training->saved, sizeof training->saved, "%s%s%s", s->part ? s->part : "", s->part ? "; " : "", saved);
}

TrainWish training_watch(void *context, const TrainStatus *status) {
    Training *training = context;
    if (signals_ending() == SIGHUP) return TRAIN_GO_ON; /* nobody reads any more */
    if (training->monitor) {
        describe(training, status);
        const MonitorWish wish = monitor_update(training->monitor, status->log, status->step,
                                                status->warning ? status->warning : training->saved);
        if (wish == MONITOR_SAVE) return TRAIN_SAVE;
        if (wish == MONITOR_STOP || wish == MONITOR_DETACH) training->stopping = true;
        if (wish == MONITOR_DETACH) training->detaching = true;
        if (wish == MONITOR_LEAVE) training_close(training);
        return training->stopping ? TRAIN_STOP : TRAIN_GO_ON; /* the next trial, too, where this was at its end */
    }
    if (status->warning) tell_warning(training, status->warning);
    const double now = clock_seconds();
    if (!training->session->task.report || status->seconds < 1 || now - training->shown < 0.1) return TRAIN_GO_ON;
    training->shown = now;
    draw_line(training, status);
    return TRAIN_GO_ON;
}

/* ---- the result -------------------------------------------------------------------------------------------------- */

static double share(double part, double whole) {
    return whole > 0 ? part / whole : NAN;
}

/* `full`: of --report full, or NULL. */
static void add_row(Table *table, const char *name, const TrainResults *results, size_t number, const double *full) {
    const TrainResult *r = &results->trial[number];
    const Predictor *p = r->predictor;
    const uint64_t parameters = p ? p->parameter_count : network_parameters(r->network);
    table_text(table, name);
    table_text(table, train_scheme_name(results->config.scheme));
    if (results->trials > 1) table_integer(table, (int64_t)number + 1);
    table_integer(table, (int64_t)r->seed);
    if (p) table_integer(table, p->config.hidden);
    table_integer(table, (int64_t)r->step);
    if (p) table_real(table, r->recon);
    accuracy_cells_of(table, r->accuracy, r->images);
    if (p)
        table_real(table, share((double)parameters, (double)p->source_parameters));
    else
        table_integer(table, (int64_t)parameters);
    table_real(table, 4.0 * (double)parameters / (1 << 20));
    if (full) report_cells(table, full, r->images);
}

static void note_spread(Table *table, const char *column, const Spread *spread) {
    char key[64];
    if (spread->count < 1 || isnan(spread->mean)) return;
    snprintf(key, sizeof key, "%s_mean", column);
    table_note(table, key, "%.9g", spread->mean);
    snprintf(key, sizeof key, "%s_std", column);
    table_note(table, key, "%.9g", spread_deviation(spread));
}

/* Mean and sample standard deviation of the trials, as the paper's tables have them. */
static void add_statistics(Table *table, const TrainResults *results) {
    Spread accuracy = {0}, recon = {0};
    for (size_t i = 0; i < results->count; i++) {
        const TrainResult *trial = &results->trial[i];
        if (trial->partial) continue;
        spread_add(&accuracy, trial->accuracy);
        spread_add(&recon, trial->predictor ? trial->recon : (double)NAN);
    }
    note_spread(table, "accuracy", &accuracy);
    note_spread(table, "l_recon", &recon);
}

/* What --report full says of each trial, an allocation. */
static double *measure_full(const TrainResults *results, const Report *report, Error *err) {
    double *values = mem_alloc(results->count, REPORT_VALUES * sizeof *values, err);
    bool done = values != NULL;
    for (size_t i = 0; done && i < results->count; i++) {
        const TrainResult *r = &results->trial[i];
        Network *made = r->predictor ? predictor_reconstruct(r->predictor, NULL, "report", err) : NULL;
        done = (made || r->network) && report_measure(made ? made : r->network, report->data, report->seed,
                                                      report->task, values + i * REPORT_VALUES, err);
        network_free(made);
    }
    if (done) return values;
    mem_free(values);
    return NULL;
}

static Table *results_table(const char *name, const TrainResults *results, const double *full, Error *err) {
    Table *table = table_new(err);
    if (!table) return NULL;
    const Predictor *p = results->trial[results->best].predictor;
    table_column(table, p ? "predictor" : "network", "", COLUMN_TEXT);
    table_column(table, "scheme", "", COLUMN_TEXT);
    if (results->trials > 1) table_column(table, "trial", "", COLUMN_INTEGER);
    table_column(table, "seed", "", COLUMN_INTEGER);
    if (p) table_column(table, "hidden", "", COLUMN_INTEGER);
    table_column(table, "steps", "", COLUMN_INTEGER);
    if (p) table_column(table, "l_recon", "", COLUMN_REAL);
    accuracy_columns(table, "accuracy");
    table_column(table, p ? "cr" : "parameters", "", p ? COLUMN_REAL : COLUMN_INTEGER);
    table_column(table, "size", "MB", COLUMN_REAL);
    if (full) report_columns(table);
    for (size_t i = 0; i < results->count; i++)
        add_row(table, name, results, i, full ? full + i * REPORT_VALUES : NULL);
    const TrainResult *best = &results->trial[results->best];
    double seconds = 0;
    for (size_t i = 0; i < results->count; i++) seconds += results->trial[i].seconds;
    if (results->trials > 1) {
        table_note(table, "best_trial", "%zu", results->best + 1);
        add_statistics(table, results);
    }
    if (!isnan(best->best_accuracy)) table_note(table, "best_accuracy", "%.9g", best->best_accuracy);
    if (p) table_note(table, "cr_predicted", "%.9g", share((double)p->parameter_count, (double)p->weight_count));
    table_note(table, "seconds", "%.9g", seconds);
    return table_finish(table, err);
}

/* What a run that is not whole has to say, when its result is there. */
static void say_afterwards(const char *name, const char *folder, const TrainResults *results, Result *result) {
    const TrainResult *newest = &results->trial[results->count - 1];
    size_t partial = 0; /* the first trial that is; side by side, it need not be the last */
    while (partial < results->count && !results->trial[partial].partial) partial++;
    Str text = {0};
    if (partial < results->count) {
        if (results->trials > 1) str_addf(&text, "trial %zu of %u, ", partial + 1, results->trials);
        str_addf(&text, "stopped at step %llu of %llu", (unsigned long long)results->trial[partial].step,
                 (unsigned long long)results->config.steps);
        if (folder)
            str_addf(&text, "; resume %s continues", folder);
        else if (newest->predictor)
            str_addf(&text, "; train NEW --from %s continues from its weights (--run FOLDER would have saved the run)",
                     name);
        else
            str_add(&text, "; --run FOLDER would have saved the run");
        if (cancel_level())
            error_set(&result->afterwards, STATUS_CANCELLED, "%s", str_text(&text));
        else
            str_addf(&result->message, "%s\n", str_text(&text));
    }
    if (results->stopped.status != STATUS_OK)
        error_set(&result->afterwards, results->stopped.status, "%zu of %u trials are done: %s", results->count,
                  results->trials, results->stopped.text);
    if (newest->saved != STATUS_OK)
        error_set(&result->afterwards, newest->saved, "the last save of the run failed: %s", newest->save_error.text);
    str_done(&text);
}

bool training_result(const char *name, const char *folder, TrainResults *results, const Report *report, Result *result,
                     Error *err) {
    double *full = report ? measure_full(results, report, err) : NULL;
    if (report && !full) result->afterwards = *err; /* what was trained is not lost for it */
    result->table = results_table(name, results, full, err);
    mem_free(full);
    if (!result->table) return false;
    for (size_t i = 0; i < results->count; i++) str_add(&result->message, str_text(&results->trial[i].notes));
    say_afterwards(name, folder, results, result);
    if (results->trials > 1)
        result_chart(result, CHART_BARS, "trial", isnan(results->trial[0].accuracy) ? "l_recon" : "accuracy",
                     "Trials of %s", name);
    if (results->trials > 1 && !isnan(results->trial[0].accuracy)) result_interval(result, false);
    result->name = name;
    TrainResult *best = &results->trial[results->best];
    result->predictor = best->predictor;
    result->network = best->network;
    best->predictor = NULL;
    best->network = NULL;
    return true;
}

static bool unfinished(const TrainResults *results) {
    bool partial = results->count < results->trials;
    for (size_t i = 0; i < results->count; i++) partial = partial || results->trial[i].partial;
    return partial;
}

/* `again`: goes on with the job's folder. */
static bool watched(Session *session, const char *name, const char *rate_of, uint64_t steps, bool monitor,
                    TrainJob *job, bool again, const Report *report, Result *result, Error *err) {
    Training training;
    TrainResults results;
    if (!training_open(&training, session, name, steps, rate_of, monitor, report ? NULL : job->folder, err))
        return false;
    job->watch = training_watch;
    job->watch_context = &training;
    bool done = again ? train_resume(job, &results, err) : train_run(job, &results, err);
    training_close(&training);
    if (!done) return false;
    if (training.detaching && unfinished(&results)) {
        train_results_done(&results);
        return background_resume(session, name, job->folder, result, err);
    }
    done = training_result(name, job->folder, &results, report, result, err);
    train_results_done(&results);
    return done;
}

/* Another process does what `resume FOLDER` does here. */
static bool in_background(Session *session, TrainJob *job, Result *result, Error *err) {
    TrainResults none;
    job->prepare = true;
    if (!train_run(job, &none, err)) return false;
    train_results_done(&none);
    return background_resume(session, job->name, job->folder, result, err);
}

bool training_place(const Session *session, const TrainOptions *options, Str *folder, Error *err) {
    if (options->background && !background_allowed(session, err)) return false;
    if (options->background && options->report == REPORT_FULL)
        return error_set(err, STATUS_USAGE,
                         "--report full cannot be combined with --background; run evaluate --report full afterwards");
    if (options->run) return path_expand(options->run, folder, err);
    if (options->background) str_addf(folder, "runs/%s", options->name);
    return str_ok(folder, err);
}

bool training_run(Session *session, const TrainOptions *options, TrainJob *job, Result *result, Error *err) {
    Str folder = {0};
    const Report report = {.data = job->data, .seed = session->seed, .task = &session->task};
    bool done = training_place(session, options, &folder, err) && report_check(options->report, job->data, err);
    if (folder.length) job->folder = str_text(&folder);
    if (done && options->background)
        done = in_background(session, job, result, err);
    else if (done)
        done = watched(session, job->name, train_rate_of(&job->config), job->config.steps, options->monitor, job, false,
                       options->report == REPORT_FULL ? &report : NULL, result, err);
    str_done(&folder);
    return done;
}

bool training_again(Session *session, const char *name, bool monitor, TrainJob *job, const RunRecord *record,
                    Result *result, Error *err) {
    return watched(session, name, record->rate_of, record->steps, monitor, job, true, NULL, result, err);
}
