/* rounds -- see rounds.h. */
#include "rounds.h"
#include "background.h"
#include "dispatch.h"

#include <math.h>

#include "weft/base/error.h"
#include "weft/base/table.h"
#include "weft/base/task.h"
#include "weft/base/text.h"
#include "weft/probe/compare.h"

static void add_row(Table *table, const ProgressiveResults *results, size_t number, const double *full) {
    const ProgressiveRound *r = &results->round[number];
    const Comparison *c = &r->comparison;
    Str trials = {0};
    for (unsigned i = 0; i < r->trials; i++) str_addf(&trials, "%s%.3f", i ? " " : "", r->accuracies[i]);
    table_integer(table, (int64_t)number + 1);
    table_real(table, r->accuracy_mean);
    table_real(table, r->accuracy_std);
    table_real(table, r->accuracy);
    compared_cells(table, r->accuracy, c->images, c->defined ? (double)c->pairs.only_a : (double)NAN,
                   (double)c->pairs.only_b);
    table_integer(table, r->best + 1);
    table_text(table, str_text(&trials));
    table_real(table, r->recon);
    table_real(table, r->recon_original);
    table_real(table, r->sratio_change);
    table_real(table, r->distance);
    table_text(table, r->won ? "yes" : "no");
    if (full) report_cells(table, full, c->images);
    if (trials.failed && table) table->failed = true;
    str_done(&trials);
}

/* A full report that fails leaves its columns empty: the rounds are not lost for it. */
static Table *rounds_table(const ProgressiveResults *results, const Report *report, Result *result, Error *err) {
    Table *table = table_new(err);
    if (!table) return NULL;
    table_column(table, "round", "", COLUMN_INTEGER);
    table_column(table, "accuracy_mean", "%", COLUMN_REAL);
    table_column(table, "accuracy_std", "%", COLUMN_REAL);
    table_column(table, "accuracy", "%", COLUMN_REAL);
    compared_columns(table);
    table_column(table, "best_trial", "", COLUMN_INTEGER);
    table_column(table, "trials", "%", COLUMN_TEXT);
    table_column(table, "l_recon", "", COLUMN_REAL);
    table_column(table, "l_recon_original", "", COLUMN_REAL);
    table_column(table, "sratio_change", "", COLUMN_REAL);
    table_column(table, "distance", "", COLUMN_REAL);
    table_column(table, "won", "", COLUMN_TEXT);
    if (report) report_columns(table);
    double seconds = 0;
    for (size_t i = 0; i < results->count; i++) {
        double full[REPORT_VALUES] = {NAN, NAN, NAN};
        if (report && result->afterwards.status == STATUS_OK)
            report_measure(results->round[i].network, report->data, report->seed, report->task, full,
                           &result->afterwards);
        add_row(table, results, i, report ? full : NULL);
        seconds += results->round[i].seconds;
    }
    compared_note(table, "the network it started from");
    table_note(table, "accuracy_original", "%.9g", results->accuracy);
    if (results->best < results->count) table_note(table, "best_round", "%zu", results->best + 1);
    table_note(table, "seconds", "%.9g", seconds);
    return table_finish(table, err);
}

static void say_afterwards(const ProgressiveJob *job, const ProgressiveResults *results, Result *result) {
    Str text = {0};
    str_add(&result->message, str_text(&results->notes));
    if (results->count > 0 && results->best == results->count && !results->partial)
        str_add(&result->message, "no round beat the network it started from; the result is a copy of it\n");
    if (results->partial) {
        str_addf(&text, "stopped in round %u of %u", results->round_now, job->rounds);
        if (job->train.folder) str_addf(&text, "; resume %s continues", job->train.folder);
        if (results->stopped.status != STATUS_OK && results->stopped.status != STATUS_CANCELLED)
            error_set(&result->afterwards, results->stopped.status, "%s: %s", str_text(&text), results->stopped.text);
        else if (cancel_level())
            error_set(&result->afterwards, STATUS_CANCELLED, "%s", str_text(&text));
        else
            str_addf(&result->message, "%s\n", str_text(&text));
    }
    if (results->saved != STATUS_OK)
        error_set(&result->afterwards, results->saved, "the last save of the run failed: %s", results->save_error.text);
    str_done(&text);
}

bool rounds_run(Session *session, const char *name, bool monitor, ProgressiveJob *job, bool again, const Report *report,
                Result *result, Error *err) {
    Training training;
    ProgressiveResults results;
    if (!training_open(&training, session, name, job->train.config.steps, "kernels", monitor,
                       report ? NULL : job->train.folder, err))
        return false;
    job->train.watch = training_watch;
    job->train.watch_context = &training;
    bool done = again ? progressive_resume(job, &results, err) : progressive_run(job, &results, err);
    training_close(&training);
    if (!done) return false;
    if (training.detaching && results.partial) {
        progressive_results_done(&results);
        return background_resume(session, name, job->train.folder, result, err);
    }
    done = (result->table = rounds_table(&results, report, result, err)) != NULL;
    if (done) {
        result->name = name;
        result->network = results.network;
        results.network = NULL;
        say_afterwards(job, &results, result);
        result_chart(result, CHART_LINES, "round", "accuracy", "Progressive rounds: %s", name);
        result_interval(result, true);
    }
    progressive_results_done(&results);
    return done;
}

bool rounds_in_background(Session *session, ProgressiveJob *job, Result *result, Error *err) {
    ProgressiveResults none;
    job->train.prepare = true;
    if (!progressive_run(job, &none, err)) return false;
    progressive_results_done(&none);
    return background_resume(session, job->train.name, job->train.folder, result, err);
}
