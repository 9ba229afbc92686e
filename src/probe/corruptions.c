/* corruptions -- accuracy on corrupted images, one kind and severity after the other; their mean is out-of-distribution
 * (OOD) accuracy (Hendrycks and Dietterich, 2019, without their division by another network's errors). */
#include <math.h>

#include "probe/evaluate.h"
#include "weft/probe.h"
#include "weft/base/error.h"
#include "weft/base/memory.h"
#include "weft/base/table.h"
#include "weft/base/task.h"

/* Progress of one evaluation as a part of the whole table's. */
typedef struct Part {
    const Task *task;
    uint64_t before, total; /* images, of all rows */
} Part;

static void report_part(void *context, const char *what, uint64_t done, uint64_t total) {
    const Part *part = context;
    (void)total;
    if (part->task && part->task->report)
        part->task->report(part->task->context, what, part->before + done, part->total);
}

typedef struct Bench {
    const Network *const *networks;
    size_t count;
    const Dataset *clean;
    uint64_t seed;
    Part part;
    bool patient;
} Bench;

/* All networks, each into the next evaluation of its scores. The corrupted images live in here only. */
static bool run_one(Bench *bench, CorruptionKind kind, unsigned severity, CorruptionScores *out, Error *err) {
    const Task quiet = {.patient = bench->patient};
    const Task task = {.report = report_part, .context = &bench->part, .patient = bench->patient};
    Dataset *dirty = dataset_corrupt(bench->clean, kind, severity, bench->seed, &quiet, err);
    bool ok = dirty != NULL;
    for (size_t i = 0; ok && i < bench->count; i++) {
        ok = evaluate_run(bench->networks[i], dirty, NULL, &out[i].evaluations[out[i].count], &task, err);
        if (ok) out[i].count++;
        bench->part.before += bench->clean->count;
    }
    dataset_free(dirty);
    return ok;
}

static bool several(const CorruptionScores *scores) {
    return !corruption_single(&scores->choice);
}

static bool begin_scores(const Bench *bench, const CorruptionChoice *choice, size_t evaluations, CorruptionScores *out,
                         Error *err) {
    for (size_t i = 0; i < bench->count; i++)
        out[i] = (CorruptionScores){.choice = *choice, .classes = bench->clean->classes};
    for (size_t i = 0; i < bench->count; i++)
        if (!evaluate_check(bench->networks[i], bench->clean, err) ||
            !(out[i].evaluations = mem_alloc(evaluations, sizeof *out[i].evaluations, err)))
            return false;
    return true;
}

/* The means over severities, and over all. */
static void take_means(CorruptionScores *scores, unsigned kinds, unsigned severities) {
    for (unsigned kind = 0; kind < kinds; kind++) {
        double mean = 0;
        for (unsigned s = 0; s < severities; s++)
            mean += evaluation_accuracy(&scores->evaluations[kind * severities + s]) / severities;
        scores->kind_accuracy[scores->choice.first + kind] = mean;
        scores->accuracy += mean / kinds;
    }
}

bool corruption_run(const Network *const *networks, size_t count, const Dataset *clean, const CorruptionChoice *choice,
                    uint64_t seed, const Task *task, CorruptionScores *out, Error *err) {
    const unsigned severities = choice->high - choice->low + 1, kinds = (unsigned)(choice->end - choice->first);
    Bench bench = {.networks = networks,
                   .count = count,
                   .clean = clean,
                   .seed = seed,
                   .part = {.task = task, .total = clean->count * severities * kinds * count},
                   .patient = task && task->patient};
    bool done = begin_scores(&bench, choice, kinds * severities, out, err);
    for (unsigned kind = 0; done && kind < kinds; kind++)
        for (unsigned s = 0; done && s < severities; s++)
            done = run_one(&bench, (CorruptionKind)(choice->first + kind), choice->low + s, out, err);
    for (size_t i = 0; i < count; i++) {
        if (done)
            take_means(&out[i], kinds, severities);
        else
            corruption_scores_done(&out[i]);
    }
    return done;
}

void corruption_scores_done(CorruptionScores *scores) {
    for (size_t i = 0; i < scores->count; i++) evaluation_done(&scores->evaluations[i]);
    mem_free(scores->evaluations);
    *scores = (CorruptionScores){0};
}

/* ---- the table --------------------------------------------------------------------------------------------------- */

static void add_columns(Table *table, bool top5) {
    table_column(table, "corruption", "", COLUMN_TEXT);
    table_column(table, "severity", "", COLUMN_INTEGER);
    table_column(table, "images", "", COLUMN_INTEGER);
    table_column(table, "correct", "", COLUMN_INTEGER);
    accuracy_columns(table, "accuracy");
    if (top5) table_column(table, "top5", "%", COLUMN_REAL);
    table_column(table, "loss", "", COLUMN_REAL);
    if (top5) interval_columns(table, "top5");
}

static void add_row(Table *table, CorruptionKind kind, unsigned severity, const Evaluation *evaluation, bool top5) {
    const double share = evaluation->no_logits ? (double)NAN : 100.0 / (double)evaluation->images;
    table_text(table, corruption_name(kind));
    table_integer(table, severity);
    table_integer(table, (int64_t)evaluation->images);
    table_integer(table, (int64_t)evaluation->correct);
    accuracy_cells(table, evaluation->correct, evaluation->images, evaluation->no_logits == 0);
    if (top5) table_real(table, share * (double)evaluation->correct_top5);
    table_real(table, evaluation->loss);
    if (top5) interval_cells(table, top5_interval(evaluation));
}

/* Nothing where images had no logits. */
static void note_mean(Table *table, const char *key, double mean) {
    if (!isnan(mean)) table_note(table, key, "%.9g", mean);
}

static Table *table_of(const CorruptionScores *scores, Error *err) {
    const CorruptionChoice *choice = &scores->choice;
    const bool top5 = scores->classes > 10;
    const Evaluation *evaluation = scores->evaluations;
    bool told = false;
    Table *table = table_new(err);
    if (!table) return NULL;
    add_columns(table, top5);
    for (int kind = (int)choice->first; kind < (int)choice->end; kind++) {
        for (unsigned severity = choice->low; severity <= choice->high; severity++, evaluation++) {
            if (!told) evaluation_note(table, evaluation);
            told = told || evaluation->no_logits > 0;
            add_row(table, (CorruptionKind)kind, severity, evaluation, top5);
        }
        if (several(scores)) note_mean(table, corruption_name((CorruptionKind)kind), scores->kind_accuracy[kind]);
    }
    if (several(scores)) note_mean(table, "ood_accuracy", scores->accuracy);
    return table_finish(table, err);
}

Table *corruption_table(const Network *network, const Dataset *clean, const CorruptionChoice *choice, uint64_t seed,
                        const Task *task, Error *err) {
    CorruptionScores scores;
    if (!corruption_run(&network, 1, clean, choice, seed, task, &scores, err)) return NULL;
    Table *table = table_of(&scores, err);
    corruption_scores_done(&scores);
    return table;
}
