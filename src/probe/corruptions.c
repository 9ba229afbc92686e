/* corruptions -- accuracy on corrupted images, one kind and severity after the other; their mean is out-of-distribution
 * (OOD) accuracy (Hendrycks and Dietterich, 2019, without their division by another network's errors). */
#include <math.h>

#include "weft/probe.h"
#include "weft/base/error.h"
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

static void begin(Table *table, bool top5) {
    table_column(table, "corruption", "", COLUMN_TEXT);
    table_column(table, "severity", "", COLUMN_INTEGER);
    table_column(table, "images", "", COLUMN_INTEGER);
    table_column(table, "correct", "", COLUMN_INTEGER);
    table_column(table, "accuracy", "%", COLUMN_REAL);
    if (top5) table_column(table, "top5", "%", COLUMN_REAL);
    table_column(table, "loss", "", COLUMN_REAL);
}

static double add_row(Table *table, CorruptionKind kind, unsigned severity, const Evaluation *evaluation, bool top5) {
    const double share = evaluation->no_logits ? (double)NAN : 100.0 / (double)evaluation->images;
    const double accuracy = share * (double)evaluation->correct;
    table_text(table, corruption_name(kind));
    table_integer(table, severity);
    table_integer(table, (int64_t)evaluation->images);
    table_integer(table, (int64_t)evaluation->correct);
    table_real(table, accuracy);
    if (top5) table_real(table, share * (double)evaluation->correct_top5);
    table_real(table, evaluation->loss);
    return accuracy;
}

/* Nothing where images had no logits. */
static void note_mean(Table *table, const char *key, double mean) {
    if (!isnan(mean)) table_note(table, key, "%.9g", mean);
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

Table *corruption_table(const Network *network, const Dataset *clean, const CorruptionChoice *choice, uint64_t seed,
                        const Task *task, Error *err) {
    if (!evaluate_check(network, clean, err)) return NULL;
    Table *table = table_new(err);
    if (!table) return NULL;
    const bool top5 = clean->classes > 10, several = !corruption_single(choice);
    const unsigned severities = choice->high - choice->low + 1, kinds = (unsigned)(choice->end - choice->first);
    Bench bench = {.network = network,
                   .clean = clean,
                   .seed = seed,
                   .part = {.task = task, .total = clean->count * severities * kinds},
                   .patient = task && task->patient};
    double all = 0;
    begin(table, top5);
    for (int kind = (int)choice->first; kind < (int)choice->end; kind++) {
        double mean = 0;
        for (unsigned severity = choice->low; severity <= choice->high; severity++) {
            Evaluation evaluation;
            if (!run_one(&bench, (CorruptionKind)kind, severity, &evaluation, err)) {
                table_free(table);
                return NULL;
            }
            if (!table_get_note(table, "no_logits")) evaluation_note(table, &evaluation);
            mean += add_row(table, (CorruptionKind)kind, severity, &evaluation, top5) / severities;
            evaluation_done(&evaluation);
        }
        all += mean / kinds;
        if (several) note_mean(table, corruption_name((CorruptionKind)kind), mean);
    }
    if (several) note_mean(table, "ood_accuracy", all);
    return table_finish(table, err);
}
