/* report -- the columns that the paper's tables have beside accuracy: --report full. Private to src/shell. */
#ifndef WEFT_SHELL_REPORT_H
#define WEFT_SHELL_REPORT_H

#include "session.h"
#include "weft/base/error.h"
#include "weft/base/table.h"
#include "weft/base/task.h"

enum { REPORT_VALUES = 3 };

/* What a full report is measured on. */
typedef struct Report {
    const Dataset *data;
    uint64_t seed; /* of the corruptions */
    const Task *task;
} Report;

/* ood (%), the mean accuracy under all corruptions at all severities; fgsm (%), ifgsm (%), accuracy under the attacks.
 */
void report_columns(Table *table);
void report_cells(Table *table, const double values[REPORT_VALUES]);
/* Measures them, 95 corruptions and 2 attacks of the images; the seed is that of the corruptions. Fails as evaluate_run
 * does. */
bool report_measure(const Network *network, const Dataset *data, uint64_t seed, const Task *task,
                    double values[REPORT_VALUES], Error *err);
/* Whether --report full was given; STATUS_USAGE in *err where there are no images to measure on. */
bool report_wanted(const Args *args, const Dataset *data, bool *wanted, Error *err);

#define OPTION_REPORT                                                                                                        \
    {                                                                                                                        \
        .name = "report", .kind = ARG_CHOICE, .value = "R", .choices = "brief|full", .standard = "brief",                    \
        .help =                                                                                                              \
            "full: also accuracy on corrupted images (ood: 19 kinds, 5 severities) and under FGSM and I-FGSM at eps 0.3/255" \
    }

#endif
