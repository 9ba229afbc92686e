/* report -- see report.h. */
#include "report.h"

#include "weft/base/error.h"
#include "weft/base/table.h"
#include "weft/base/task.h"
#include "weft/probe.h"

/* What the paper's attacks fit to, see the help of evaluate; steps as those of the attack's own defaults. */
#define REPORT_EPS (0.3 / 255)
enum { REPORT_STEPS = 10 };

void report_columns(Table *table) {
    table_column(table, "ood", "%", COLUMN_REAL);
    table_column(table, "fgsm", "%", COLUMN_REAL);
    table_column(table, "ifgsm", "%", COLUMN_REAL);
    interval_columns(table, "fgsm");
    interval_columns(table, "ifgsm");
}

void report_cells(Table *table, const double values[REPORT_VALUES], uint64_t images) {
    for (int i = 0; i < REPORT_VALUES; i++) table_real(table, values[i]);
    for (int i = 1; i < REPORT_VALUES; i++) interval_cells(table, accuracy_interval(values[i], images));
}

bool report_measure(const Network *network, const Dataset *data, uint64_t seed, const Task *task,
                    double values[REPORT_VALUES], Error *err) {
    CorruptionChoice all;
    if (!corruption_choose("all", &all, err)) return false;
    CorruptionScores corrupted;
    if (!corruption_run(&network, 1, data, &all, seed, task, &corrupted, err)) return false;
    values[0] = corrupted.accuracy;
    corruption_scores_done(&corrupted);
    for (int kind = 0; kind < ATTACK_COUNT; kind++) {
        const Attack attack = {.kind = (AttackKind)kind, .epsilon = REPORT_EPS, .steps = REPORT_STEPS};
        Evaluation evaluation;
        if (!attack_run(network, data, &attack, 1, &evaluation, task, err)) return false;
        values[1 + kind] = evaluation_accuracy(&evaluation);
        evaluation_done(&evaluation);
    }
    return true;
}

bool report_check(ReportKind kind, const Dataset *data, Error *err) {
    return kind == REPORT_BRIEF || data || error_set(err, STATUS_USAGE, "--report full needs images: --on DATA");
}
