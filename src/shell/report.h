/* report -- the columns of the paper's tables besides accuracy: --report full. Private to src/shell. */
#ifndef WEFT_SHELL_REPORT_H
#define WEFT_SHELL_REPORT_H

#include "weft/base/error.h"
#include "weft/base/table.h"
#include "weft/base/task.h"

#include "command.h"

enum { REPORT_VALUES = 3 };

#define REPORTS(X) X(BRIEF, "brief") X(FULL, "full")
typedef enum ReportKind { REPORT_BRIEF, REPORT_FULL } ReportKind;

/* What a full report is measured on. */
typedef struct Report {
    const Dataset *data;
    uint64_t seed; /* of the corruptions */
    const Task *task;
} Report;

/* ood (%), the mean accuracy under all corruptions at all severities; fgsm (%), ifgsm (%), accuracy under the attacks,
 * and the ends of the intervals of these two, measured on `images` images. */
void report_columns(Table *table);
void report_cells(Table *table, const double values[REPORT_VALUES], uint64_t images);
/* Measures them, 95 corruptions and 2 attacks of the images; the seed is that of the corruptions. Fails as evaluate_run
 * does. */
bool report_measure(const Network *network, const Dataset *data, uint64_t seed, const Task *task,
                    double values[REPORT_VALUES], Error *err);
/* STATUS_USAGE if a full report is requested without images to measure on. */
bool report_check(ReportKind kind, const Dataset *data, Error *err);

#define REPORT_ROW(type, field)                                                                                   \
    CHOICE(type, field, "report", "R", REPORTS, .standard = "brief",                                              \
           .help = "full: also report accuracy on corrupted images (ood: 19 kinds, 5 severities) and under FGSM " \
                   "and I-FGSM at eps 0.3/255")

#endif
