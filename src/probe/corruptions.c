/* corruptions -- accuracy on corrupted images, one kind and severity after the other; their mean is out-of-distribution
 * (OOD) accuracy (Hendrycks and Dietterich, 2019, without their division by another network's errors). */
#include <math.h>

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
    const Network *network;
    const Dataset *clean;
    uint64_t seed;
    Part part;
    bool patient;
} Bench;

/* The corrupted images live in here only. */
static bool run_one(Bench *bench, CorruptionKind kind, unsigned severity, Evaluation *out, Error *err) {
    const Task quiet = {.patient = bench->patient};
    const Task task = {.report = report_part, .context = &bench->part, .patient = bench->patient};
    Dataset *dirty = dataset_corrupt(bench->clean, kind, severity, bench->seed, &quiet, err);
    bool ok = dirty && evaluate_run(bench->network, dirty, NULL, out, &task, err);
    dataset_free(dirty);
    bench->part.before += bench->clean->count;
    return ok;
}

static bool several(const CorruptionScores *scores) {
    return !corruption_single(&scores->choice);
}

bool corruption_run(const Network *network, const Dataset *clean, const CorruptionChoice *choice, uint64_t seed,
                    const Task *task, CorruptionScores *out, Error *err) {
    const unsigned severities = choice->high - choice->low + 1, kinds = (unsigned)(choice->end - choice->first);
    Bench bench = {.network = network,
                   .clean = clean,
                   .seed = seed,
                   .part = {.task = task, .total = clean->count * severities * kinds},
                   .patient = task && task->patient};
    *out = (CorruptionScores){.choice = *choice, .classes = clean->classes};
    bool done = evaluate_check(network, clean, err) &&
                (out->evaluations = mem_alloc(kinds * severities, sizeof *out->evaluations, err));
    for (unsigned kind = 0; done && kind < kinds; kind++) {
        double mean = 0;
        for (unsigned s = 0; done && s < severities; s++) {
            Evaluation *evaluation = &out->evaluations[out->count];
            done = run_one(&bench, (CorruptionKind)(choice->first + kind), choice->low + s, evaluation, err);
            if (!done) break;
            out->count++;
            mean += evaluation_accuracy(evaluation) / severities;
        }
        out->kind_accuracy[choice->first + kind] = mean;
        out->accuracy += mean / kinds;
    }
    if (!done) corruption_scores_done(out);
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
    table_column(table, "accuracy", "%", COLUMN_REAL);
    if (top5) table_column(table, "top5", "%", COLUMN_REAL);
    table_column(table, "loss", "", COLUMN_REAL);
}

static void add_row(Table *table, CorruptionKind kind, unsigned severity, const Evaluation *evaluation, bool top5) {
    const double share = evaluation->no_logits ? (double)NAN : 100.0 / (double)evaluation->images;
    table_text(table, corruption_name(kind));
    table_integer(table, severity);
    table_integer(table, (int64_t)evaluation->images);
    table_integer(table, (int64_t)evaluation->correct);
    table_real(table, evaluation_accuracy(evaluation));
    if (top5) table_real(table, share * (double)evaluation->correct_top5);
    table_real(table, evaluation->loss);
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
    if (!corruption_run(network, clean, choice, seed, task, &scores, err)) return NULL;
    Table *table = table_of(&scores, err);
    corruption_scores_done(&scores);
    return table;
}
