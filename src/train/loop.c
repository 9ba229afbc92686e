/* loop -- the one loop of training: gradient, clipping, optimiser; evaluation, log, checkpoints and observers are
 * served between steps. What it does depends only on the step's number, so that a resumed run is the same run.
 */
#include "train/internal.h"

#include <math.h>
#include <string.h>

#include "weft/base/error.h"
#include "weft/base/memory.h"
#include "weft/base/run.h"
#include "weft/base/table.h"
#include "weft/base/task.h"
#include "weft/base/text.h"

const char loop_heading[] =
    "step,epoch,loss,recon,kd,fmd,cross_entropy,learning_rate,gradient_norm,accuracy (%),rate (1/s),seconds (s)";

Table *loop_log_table(Error *err) {
    static const char *const names[] = {"epoch", "loss",          "recon",         "kd",
                                        "fmd",   "cross_entropy", "learning_rate", "gradient_norm"};
    Table *table = table_new(err);
    if (!table) return NULL;
    table_column(table, "step", "", COLUMN_INTEGER);
    for (size_t i = 0; i < sizeof names / sizeof *names; i++) table_column(table, names[i], "", COLUMN_REAL);
    table_column(table, "accuracy", "%", COLUMN_REAL);
    table_column(table, "rate", "1/s", COLUMN_REAL);
    table_column(table, "seconds", "s", COLUMN_REAL);
    return table_finish(table, err);
}

/* What the current step found, for the log and the watch. */
typedef struct Now {
    StepLoss loss;
    double learning_rate, norm, rate;
    bool evaluated, logged;    /* what is due after this step */
    double began, mark, items; /* clock at the start of this process' part; at the last row; items since */
    uint64_t first;            /* step at which this process began */
} Now;

/* ---- log --------------------------------------------------------------------------------------------------------- */

static void add_field(Str *row, double value) {
    if (isnan(value))
        str_add(row, ",");
    else
        str_addf(row, ",%.9g", value);
}

/* A save that failed is no reason to stop training: it is told, and tried again. */
static bool note_failure(Loop *loop, const Error *err) {
    loop->saved = err->status;
    loop->save_error = *err;
    return false;
}

/* Writes the rows that wait, and forgets those that are written. */
static bool write_rows(Loop *loop) {
    Error err;
    bool done = true;
    if (!str_ok(&loop->rows, &err)) { /* a row that memory ran out for is lost to the file, and said so */
        note_failure(loop, &err);
        str_done(&loop->rows);
        return false;
    }
    if (!loop->log_file) str_done(&loop->rows);
    while (done && loop->rows.length > 0) {
        char *end = strchr(loop->rows.text, '\n');
        *end = '\0';
        done = run_log_row(loop->run, loop->rows.text, &err);
        *end = '\n';
        if (!done) break;
        loop->rows.length -= (size_t)(end + 1 - loop->rows.text);
        memmove(loop->rows.text, end + 1, loop->rows.length + 1);
    }
    if (!done) note_failure(loop, &err);
    return done;
}

static void log_row(Loop *loop, Now *now) {
    const Progress *p = &loop->progress;
    const double clock = clock_seconds(), epochs = (double)p->step / (double)loop->config->epoch_steps;
    if (clock > now->mark) now->rate = now->items / (clock - now->mark);
    now->mark = clock;
    now->items = 0;
    const StepLoss *loss = &now->loss;
    const double values[] = {epochs,
                             loss->loss,
                             loss->recon,
                             loss->kd,
                             loss->fmd,
                             loss->cross_entropy,
                             now->learning_rate,
                             now->norm,
                             now->evaluated ? p->accuracy : NAN,
                             now->rate,
                             p->seconds};
    str_addf(&loop->rows, "%llu", (unsigned long long)p->step);
    table_integer(loop->log, (int64_t)p->step);
    for (size_t i = 0; i < sizeof values / sizeof *values; i++) {
        add_field(&loop->rows, values[i]);
        table_real(loop->log, values[i]);
    }
    str_add(&loop->rows, "\n");
    write_rows(loop);
}

/* ---- between steps ----------------------------------------------------------------------------------------------- */

static bool due(uint64_t step, uint64_t every) {
    return every > 0 && step % every == 0;
}

/* The best is the most accurate, of equals the closest; without data the closest. */
static bool better(const Progress *p, const Measure *m) {
    if (isnan(m->distance)) return false;
    if (isnan(p->best_distance)) return true;
    if (!isnan(m->accuracy) && (m->accuracy > p->best_accuracy || m->accuracy < p->best_accuracy))
        return m->accuracy > p->best_accuracy;
    return m->distance < p->best_distance;
}

/* best.safetensors, with the parameters of its own step. */
static bool write_best(Loop *loop, Error *err) {
    FileParts parts = {0};
    Str path = {0};
    run_path(run_folder(loop->run), "best.safetensors", &path);
    bool done =
        str_ok(&path, err) && loop->learner->parts(loop->learner, loop->best, &parts, err) &&
        safetensors_save(str_text(&path), true, parts.tensors, parts.count, parts.metadata, parts.metadata_count, err);
    file_parts_done(&parts);
    str_done(&path);
    return done;
}

static bool save_best(Loop *loop) {
    Error err;
    bool done = write_best(loop, &err) || note_failure(loop, &err);
    loop->best_waits = !done;
    return done;
}

static bool diverged(const Loop *loop, uint64_t step, Error *err) {
    const Loss *images = &loop->config->images;
    return error_set(err, STATUS_FAILED, "the weights are no longer finite at step %llu; try %s",
                     (unsigned long long)step,
                     images->kd > 0 && images->kd_form == KD_PLAIN ? "--kd stable, or a smaller --lr or --clip,"
                                                                   : "a smaller --lr or --clip");
}

/* Parameters that are no numbers any more must not take the place of those that were. */
static bool check_finite(const Loop *loop, Error *err) {
    const Learner *learner = loop->learner;
    float sum = 0; /* 0 times a number is 0 */
    for (size_t i = 0; i < learner->kept; i++) sum += 0 * learner->parameters[i];
    return sum == 0 || diverged(loop, loop->progress.step, err);
}

static bool evaluate(Loop *loop, Error *err) {
    Progress *p = &loop->progress;
    Measure measure;
    if (!check_finite(loop, err) || !loop->learner->measure(loop->learner, true, &measure, err)) return false;
    p->accuracy = measure.accuracy;
    if (!better(p, &measure)) return true;
    p->best_accuracy = measure.accuracy;
    p->best_distance = measure.distance;
    loop->best_waits = loop->run != NULL;
    if (!loop->run) return true;
    memcpy(loop->best, loop->learner->parameters, loop->learner->kept * sizeof *loop->best);
    save_best(loop);
    return true;
}

/* A checkpoint, and what could not be saved before. The log is no part of what a resumption needs. A failure is noted;
 * only weights that diverged end the run. */
static bool save(Loop *loop, Error *err) {
    Error problem;
    if (!loop->run) return true;
    if (!check_finite(loop, err)) return false;
    loop->saved_at = clock_seconds();
    bool rows =
        write_rows(loop) && (!loop->log_file || run_log_sync(loop->run, &problem) || note_failure(loop, &problem));
    bool best = !loop->best_waits || save_best(loop);
    bool last = checkpoint_save(run_folder(loop->run), loop->config, loop->learner, loop->optimiser, &loop->progress,
                                &problem) ||
                note_failure(loop, &problem);
    if (last) loop->saved_step = loop->progress.step;
    if (rows && best && last) loop->saved = STATUS_OK;
    return true;
}

static TrainWish watch(Loop *loop, const Now *now) {
    if (!loop->watch) return TRAIN_GO_ON;
    const Progress *p = &loop->progress;
    const uint64_t done = p->step - now->first;
    const double spent = clock_seconds() - now->began;
    TrainStatus status = {.step = p->step,
                          .steps = loop->config->steps,
                          .loss = now->loss.loss,
                          .rate = now->rate,
                          .seconds = p->seconds,
                          .left = done ? spent / (double)done * (double)(loop->config->steps - p->step) : NAN,
                          .accuracy = p->accuracy,
                          .log = loop->log,
                          .kept = loop->run != NULL,
                          .saved = loop->saved_step,
                          .warning = loop->saved != STATUS_OK ? loop->save_error.text : NULL};
    return loop->watch(loop->watch_context, &status);
}

/* ---- a step ------------------------------------------------------------------------------------------------------ */

static bool take_step(Loop *loop, float *gradient, Now *now, Error *err) {
    const TrainConfig *config = loop->config;
    const uint64_t step = loop->progress.step;
    now->evaluated = due(step + 1, config->evaluate_every) || step + 1 == config->steps;
    now->logged = now->evaluated || due(step + 1, config->log_every) || step == 0;
    if (!loop->learner->gradient(loop->learner, step, gradient, &now->loss, err)) return false;
    if (!isfinite(now->loss.loss)) return diverged(loop, step, err);
    now->norm = NAN;
    double scale = now->loss.scale;
    if (now->logged || config->clip > 0) now->norm = scale * gradient_norm(gradient, loop->learner->count);
    if (config->clip > 0 && now->norm > config->clip) scale *= config->clip / now->norm;
    now->learning_rate = schedule_rate(config->schedule, config->rate, config->rate_last, step, config->steps);
    optimiser_step(loop->optimiser, loop->learner->parameters, gradient, scale, now->learning_rate);
    loop->progress.step++;
    now->items += (double)now->loss.items;
    return true;
}

/* At the steps of the configuration, and no later than ten minutes after the one before. */
static bool save_due(const Loop *loop, double clock) {
    enum { MOST = 600 }; /* seconds */
    const uint64_t step = loop->progress.step;
    return due(step, loop->config->save_every) || step == loop->config->steps || clock - loop->saved_at > MOST;
}

/* Evaluation, log, checkpoint after a step, each where due. */
static bool look_after(Loop *loop, Now *now, double *resumed, bool *saved, Error *err) {
    const double clock = clock_seconds();
    loop->progress.seconds += clock - *resumed;
    *resumed = clock;
    const bool saves = save_due(loop, clock);
    if (now->evaluated && !evaluate(loop, err)) return false;
    if (now->logged) log_row(loop, now);
    *saved = saves;
    return !saves || save(loop, err);
}

bool loop_run(Loop *loop, bool *stopped, Error *err) {
    const TrainConfig *config = loop->config;
    float *gradient = mem_alloc(loop->learner->count, sizeof *gradient, err);
    Now now = {.rate = NAN, .norm = NAN, .first = loop->progress.step};
    bool done = gradient != NULL, saved = false;
    if (done && loop->run) done = (loop->best = mem_alloc(loop->learner->kept, sizeof *loop->best, err)) != NULL;
    double resumed = now.began = now.mark = loop->saved_at = clock_seconds();
    loop->saved_step = loop->progress.step; /* both begin and resume from a checkpoint */
    *stopped = false;
    while (done && loop->progress.step < config->steps && !*stopped) {
        done = take_step(loop, gradient, &now, err) && look_after(loop, &now, &resumed, &saved, err);
        if (!done) break;
        const TrainWish wish = watch(loop, &now);
        *stopped = (wish == TRAIN_STOP || cancel_level() > 0) && loop->progress.step < config->steps;
        if (wish == TRAIN_SAVE) done = save(loop, err);
    }
    if (done && *stopped && !saved && cancel_level() < 2) done = save(loop, err);
    mem_free(gradient);
    return done;
}

void loop_done(Loop *loop) {
    table_free(loop->log);
    mem_free(loop->best);
    str_done(&loop->rows);
}
